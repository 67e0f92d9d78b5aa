//! What is to blame for a result: a pass and its patch ([`bisect`]), an op ([`reduce`]), a
//! constant ([`Ablation`]); and a file that shows a failure again ([`Reproducer`]).
//!
//! ```
//! use tfq_opt::bytes::Bytes;
//! use tfq_opt::debug::{ReduceOptions, Reproducer, bisect, reduce};
//! use tfq_opt::{Optimizer, ir::catalog::ops::CONV_2D, load};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! # let file = Bytes::from(std::fs::read(path)?);
//! let model = load(&file, &Default::default())?;
//!
//! // Which patch makes the file so small?
//! let optimizer = Optimizer::parse("quantize-weights,insert-dequant")?;
//! let found = bisect(&optimizer, model.clone(), |file| Ok(file.len() > 30_000))?;
//! assert_eq!(found.pass, "quantize-weights");
//!
//! // What is the smallest model with a convolution?
//! let good = |file: &[u8]| {
//!     let model = load(&Bytes::copy_from_slice(file), &Default::default());
//!     Ok(model.map_or(true, |model| model.ops_of_kind(CONV_2D).next().is_none()))
//! };
//! let reduced = reduce(&model, good, &ReduceOptions::default())?;
//! assert_eq!(reduced.after.ops, 1);
//!
//! // The same again on another machine, without the weights.
//! let file = Reproducer::new("insert-dequant", "litert", "it panicked", &model).text();
//! let again = Reproducer::parse(&file)?;
//! Optimizer::parse(&again.pipeline)?.run(again.module()?)?;
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `runtime`, `layers` runs two models and tells where along the graph they part.

mod ablate;
mod bisect;
#[cfg(feature = "runtime")]
mod layers;
mod reduce;
mod reproducer;

pub use ablate::{Ablation, Suspect};
pub use bisect::{BisectError, Bisection, bisect};
#[cfg(feature = "runtime")]
pub use layers::{Call, Layer, Layers, Section, Side, layers};
pub use reduce::{ReduceError, ReduceOptions, Reduction, Size, reduce};
pub use reproducer::{Reproducer, ReproducerError};
