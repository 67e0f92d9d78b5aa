//! Named pipelines. The order carries meaning; the reason stands beside each step.

use tfq_pass::NamedPipeline;

/// Every named pipeline.
pub(crate) fn all() -> Vec<NamedPipeline> {
    vec![default()]
}

/// What `tfq-opt` runs where no passes are named.
fn default() -> NamedPipeline {
    let steps = [
        ("fold-constants", "shows weights that a converter left behind ops to what comes next"),
        (
            "eliminate-dead-ops",
            "what nobody reads decides nothing about a weight, and goes with it",
        ),
        (
            "dequantize-weights{only=unreadable}",
            "a weight that the target reads in no way keeps the model from running there",
        ),
        ("quantize-weights", "makes the int8 constants that everything below is about"),
        (
            "merge-equal-buffers",
            "weights of equal values may have taken different forms; what is alike now is stored \
             once, and shares a Dequantize below",
        ),
        ("hybrid-eligibility", "judges the constants in the form they have now, for the record"),
        ("insert-dequant", "serves the consumers that were judged unable to read them"),
        ("eliminate-dead-buffers", "the float originals are unused only now"),
        ("annotate-dequant-cache", "looks at every Dequantize there is, so it comes last"),
    ];
    let summary = "quantise weights to int8, hybrid where the target has kernels for it";
    NamedPipeline::new("default", summary, steps)
}
