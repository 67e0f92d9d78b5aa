//! Named pipelines. The order carries meaning; the reason stands beside each step.

use tfq_pass::NamedPipeline;

/// Every named pipeline.
pub(crate) fn all() -> Vec<NamedPipeline> {
    let keeping = Allowed { reassociate: false, round: false };
    let optimize = [
        optimize(
            "optimize",
            "make a model quicker and keep its bits, but for NaN and -0.0",
            keeping,
        ),
        optimize(
            "optimize-reassociated",
            "make a model quicker, also where sums of floats are rounded in another order",
            Allowed { reassociate: true, ..keeping },
        ),
        optimize(
            "optimize-rounded",
            "make a model quicker, also where numbers of int8 tensors are one step off",
            Allowed { round: true, ..keeping },
        ),
        optimize(
            "optimize-reassociated-rounded",
            "make a model quicker, whatever is rounded otherwise for it",
            Allowed { reassociate: true, round: true },
        ),
    ];
    [default()].into_iter().chain(optimize).collect()
}

/// What may be done to numbers.
#[derive(Clone, Copy)]
struct Allowed {
    /// Sums of floats may be rounded in another order.
    reassociate: bool,
    /// Numbers of quantised tensors may be one step off.
    round: bool,
}

/// What makes a finished model quicker.
fn optimize(name: &'static str, summary: &'static str, allowed: Allowed) -> NamedPipeline {
    let reassociating = [
        (
            "convert-batch-matmul",
            "before constants are shared, since all that read its matrix must be such products",
        ),
        ("fuse-affine", "before activations go into ops, which end what can go into weights"),
    ];
    let rounding =
        ("compute-in-float", "before equal ops are merged, since it dequantises for each op anew");
    let first = [
        ("eliminate-dead-ops", "what nobody reads need not be rewritten"),
        (
            "infer-shapes",
            "all passes below ask which dimensions are known, and what computes these hides what does not",
        ),
        ("remove-identities", "what does nothing hides what does"),
        ("cancel-quantize-dequantize", "pairs that undo each other hide what is around them"),
        ("keep-reduced-dims", "before views are merged, which may merge those that it looks for"),
        ("convert-to-reshape", "later passes and delegates know RESHAPE only"),
        ("simplify-views", "views that stand between ops hide that they could be one"),
        ("convert-to-slice", "later passes and delegates know SLICE only"),
        ("convert-to-split", "behind the pass that makes slices alike"),
        ("fuse-dilated-conv", "behind views, of which it knows one on each side"),
        (
            "recognize-activations",
            "before activations go into other ops, which hides what they belong to",
        ),
    ];
    let fusing = [
        ("fuse-pad", "a PAD may stand behind others, which are merged or gone by now"),
        (
            "fuse-activation",
            "behind what makes ops that can apply one, or takes away what is between",
        ),
    ];
    let last = [
        ("merge-equal-buffers", "equal constants in one buffer show that ops are equal"),
        ("merge-equal-ops", "before constants are computed, so that each is computed once"),
        ("fold-constants", "what passes above made of constants is computed beforehand"),
        ("expand-broadcast-to", "forms of the target come last: nothing else knows them"),
        ("expand-mirror-pad", "forms of the target come last: nothing else knows them"),
        ("merge-equal-buffers", "the new constants say the same in many places"),
        ("merge-equal-ops", "the new constants become one tensor each"),
        ("eliminate-dead-ops", "what was rewritten may have left its operands unread"),
        ("eliminate-dead-buffers", "constants that only went into others are unused only now"),
    ];
    let reassociating = reassociating.into_iter().filter(|_| allowed.reassociate);
    let rounding = allowed.round.then_some(rounding);
    let steps = first.into_iter().chain(reassociating).chain(fusing).chain(rounding).chain(last);
    NamedPipeline::new(name, summary, steps)
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
