//! What needs no registry to be named: the built-in passes are meant.

use crate::{Error, Optimizer, Source};
use flatbuffers::FlatBufferBuilder;
use tfq_pass::{Pipeline, PipelineError};
use tfq_passes::{QuantizeWeights, builtin};

impl Default for Optimizer {
    /// Runs the pipeline `default`, and never gives a larger file.
    fn default() -> Self {
        Self::parse("default").expect("the default pipeline is valid")
    }
}

impl Optimizer {
    /// Runs this pipeline for the target `litert`.
    pub fn new(pipeline: Pipeline) -> Self {
        Self::in_registry(&builtin(), pipeline)
    }

    /// Runs a pipeline of built-in passes, given as text. With `default` it is never larger, as
    /// [`Self::default`].
    pub fn parse(pipeline: &str) -> Result<Self, PipelineError> {
        Self::parse_in(&builtin(), pipeline)
    }
}

/// The pipeline `default` with these options of its `quantize-weights`.
fn quantizer(options: &QuantizeWeights) -> Optimizer {
    let mut optimizer = Optimizer::default();
    optimizer.pipeline = std::mem::take(&mut optimizer.pipeline).replacing(options);
    optimizer
}

/// Quantises the weights of a float model and returns the new file: what the pipeline `default`
/// makes of it for the target `litert`, with these options of its pass `quantize-weights`, and never
/// larger. With the default options it is what [`Optimizer::default`] gives, which also tells what
/// was done.
///
/// Constants with less than [`QuantizeWeights::min_elements`] elements stay float32, and ops without
/// a kernel for the new type get a Dequantize.
///
/// The crate's documentation begins with an example.
pub fn quantize_weights<'a>(
    model: impl Into<Source<'a>>,
    options: QuantizeWeights,
) -> Result<Vec<u8>, Error> {
    quantizer(&options).run(model)?.to_vec()
}

/// As [`quantize_weights`], with the result in a flatbuffer builder, finished.
///
/// ```
/// # fn main() -> Result<(), tfq_opt::Error> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let float_model = std::fs::read(path).unwrap();
/// let model = tfq_opt::tflite::root_as_model(&float_model).unwrap();
/// let mut builder = tfq_opt::flatbuffers::FlatBufferBuilder::new();
/// tfq_opt::quantize_weights_into(&mut builder, model, Default::default())?;
/// assert!(builder.finished_data().len() < float_model.len() / 2);
/// # Ok(())
/// # }
/// ```
pub fn quantize_weights_into<'a>(
    builder: &mut FlatBufferBuilder<'_>,
    model: impl Into<Source<'a>>,
    options: QuantizeWeights,
) -> Result<(), Error> {
    quantizer(&options).run(model)?.write_into(builder)
}
