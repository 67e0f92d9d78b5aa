//! tfq-opt optimises `.tflite` models: a float model goes in, a model with 8-bit weights that
//! runs on the target comes out.
//!
//! [`quantize_weights`] does that in one call, on bytes or on a [`tflite::Model`]:
//!
//! ```
//! # fn main() -> Result<(), tfq_opt::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/digits/digits_cnn.tflite");
//! let float_model = std::fs::read(path).unwrap();
//! let options = tfq_opt::passes::QuantizeWeights { min_elements: 512, ..Default::default() };
//! let small_model = tfq_opt::quantize_weights(&float_model[..], options)?;
//! assert!(small_model.len() < float_model.len() / 2);
//! # Ok(())
//! # }
//! ```
//!
//! The result can also be left in a flatbuffer builder:
//!
//! ```
//! # fn main() -> Result<(), tfq_opt::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/digits/digits_cnn.tflite");
//! # let float_model = std::fs::read(path).unwrap();
//! let model = tfq_opt::tflite::root_as_model(&float_model).unwrap();
//! let mut builder = tfq_opt::flatbuffers::FlatBufferBuilder::new();
//! tfq_opt::quantize_weights_into(&mut builder, model, Default::default())?;
//! assert!(builder.finished_data().len() < float_model.len() / 2);
//! # Ok(())
//! # }
//! ```
//!
//! [`Optimizer`] runs any pipeline, as text or built in code, and reports what it did:
//!
//! ```
//! use tfq_opt::{Optimizer, passes};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/digits/digits_cnn.tflite");
//! # let float_model = std::fs::read(path)?;
//! let as_text = Optimizer::parse("quantize-weights{type=float16},insert-dequant")?;
//! let result = as_text.run(&float_model[..])?;
//! assert!(result.report.statistic("dequantize-inserted") > 0);
//! let bytes: Vec<u8> = result.to_vec()?;
//!
//! let in_code = Optimizer::new(
//!     tfq_opt::pass::Pipeline::new()
//!         .then("quantize-weights", passes::QuantizeWeights { hybrid: false, ..Default::default() })
//!         .then("insert-dequant", passes::InsertDequant {}),
//! );
//! assert!(in_code.run(&bytes[..])?.to_vec()?.len() < bytes.len(), "float16 becomes int8");
//! # Ok(())
//! # }
//! ```

mod ablate;
mod bisect;
mod builtin;
mod docs;
mod graph;
mod inspect;
mod layers;
mod load;
mod optimizer;
mod reduce;
mod reproducer;
mod size;

pub use ablate::{Ablation, Suspect};
pub use bisect::{BisectError, Bisection, bisect};
pub use builtin::{quantize_weights, quantize_weights_into};
pub use docs::passes_markdown;
pub use graph::{dot, graph_json};
pub use inspect::{
    ConstantInfo, Finding, Inspection, MetadataInfo, OpInfo, Port, QuantizationState, Scheme,
    SignatureInfo, SizeInfo, SubgraphInfo, TrailerInfo, TypeInfo, inspect,
};
pub use layers::{Call, Layer, Layers, Section, Side, layers};
pub use load::{LoadOptions, is_text, load};
pub use optimizer::{Error, Optimized, Optimizer, Source};
pub use reduce::{ReduceError, ReduceOptions, Reduction, Size, reduce};
pub use reproducer::{Reproducer, ReproducerError};

/// The intermediate representation, and models as text.
pub mod ir {
    pub use tfq_ir::*;
    pub use tfq_text as text;
}

/// The flatbuffers crate whose builders this one fills.
pub use flatbuffers;
/// What differs between two models.
pub use tfq_diff as diff;
/// What pipelines do to models, accepted once and compared ever after.
pub use tfq_golden as golden;
/// Passes, pipelines and registries: what it takes to write a pass.
pub use tfq_pass as pass;
/// The built-in passes.
pub use tfq_passes as passes;
pub use tfq_passes::builtin;
/// Running models on LiteRT, and comparing them.
pub use tfq_runtime as runtime;
/// The generated code of the model format.
pub use tfq_schema::tflite;
/// What runtimes can do.
pub use tfq_target as target;
/// Reading and writing files.
pub use tfq_tflite as format;
