//! tfq-opt optimises `.tflite` models: a float model goes in, a model with 8-bit weights that
//! runs on the target comes out.
//!
//! [`quantize_weights`] does that in one call, on bytes or on a [`tflite::Model`]:
//!
//! ```
//! # fn main() -> Result<(), tfq_opt::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! let float_model = std::fs::read(path).unwrap();
//! let options = tfq_opt::passes::QuantizeWeights { min_elements: 512, ..Default::default() };
//! let small_model = tfq_opt::quantize_weights(&float_model[..], options)?;
//! assert!(small_model.len() < float_model.len() / 2);
//! # Ok(())
//! # }
//! ```
//!
//! [`Optimizer`] runs any pipeline for any target, as text or built in code, and reports what it
//! did and why:
//!
//! ```
//! use tfq_opt::{Optimizer, pass::Pipeline, passes, target::Target};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! # let float_model = std::fs::read(path)?;
//! let target = Target::named("tflite-2.17").ok_or("it is no target")?;
//! let as_text = Optimizer::parse("quantize-weights{type=float16},insert-dequant")?;
//! let result = as_text.for_target(target).run(&float_model[..])?;
//! assert!(result.report.statistic("dequantize-inserted") > 0);
//! for (pass, remark) in result.report.remarks() {
//!     println!("{pass}: {}: {}", remark.place, remark.message);
//! }
//! let bytes: Vec<u8> = result.to_vec()?;
//!
//! let quantizer = passes::QuantizeWeights { hybrid: false, ..Default::default() };
//! let pipeline = Pipeline::new().with(quantizer).with(passes::InsertDequant {});
//! let in_code = Optimizer::new(pipeline);
//! assert!(in_code.run(&bytes[..])?.to_vec()?.len() < bytes.len(), "float16 becomes int8");
//! # Ok(())
//! # }
//! ```
//!
//! # Passes of your own
//!
//! A pass is a struct that [`pass::declare_pass!`] describes, or a [`pass::PassInfo`] made at
//! run time. A [`pass::Registry`] holds it beside the built-in ones, and everything that looks up
//! passes by name takes a registry. The crate `tfq-cli` makes the whole command line of one.
//!
//! ```
//! use tfq_opt::pass::{Pass, PassDescriptor, PassError, PassInfo, Session};
//! use tfq_opt::{Optimizer, builtin};
//!
//! #[derive(Debug)]
//! struct CountOps;
//!
//! impl Pass for CountOps {
//!     fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
//!         for sg in session.subgraphs() {
//!             session.count("ops", session.model().subgraph(sg).op_count() as u64);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! # let float_model = std::fs::read(path)?;
//! let descriptor = PassDescriptor::new("acme.count-ops", "Counts the ops of a model.");
//! let count_ops = PassInfo::new(descriptor, |_| Ok(Box::new(CountOps)));
//! let registry = builtin().with_passes([count_ops])?;
//! let optimizer = Optimizer::parse_in(&registry, "acme.count-ops,default")?;
//! assert!(optimizer.run(&float_model[..])?.report.statistic("ops") > 3);
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! - Here: [`Optimizer`] and [`quantize_weights`], [`load`] for models in either form, and
//!   [`builtin`], the passes that there are.
//! - [`describe`]: what a model is, for people and scripts. [`debug`]: which pass, patch, op or
//!   constant is to blame for a result.
//! - The layers below, each a crate that is passed on whole: [`ir`] (models, patches, text),
//!   [`pass`] (what it takes to write a pass), [`passes`], [`target`] (what runtimes can do),
//!   [`format`](mod@format) (files) and [`diff`].
//!
//! # Features
//!
//! - `runtime`: a module `runtime` that runs models on LiteRT, and in [`debug`] the comparison of
//!   two models layer by layer. Off by default, since it loads a library at run time.

mod builtin;
pub mod debug;
pub mod describe;
mod load;
mod optimizer;
mod size;

pub use builtin::{quantize_weights, quantize_weights_into};
pub use load::{LoadOptions, is_text, load};
pub use optimizer::{Error, Optimized, Optimizer, Source};

/// The crate of the buffers that models share with their files.
pub use bytes;
/// The crate whose builders [`quantize_weights_into`] fills.
pub use flatbuffers;
/// What differs between two models.
///
/// ```
/// use tfq_opt::diff::{DiffOptions, diff};
/// # fn main() -> Result<(), tfq_opt::Error> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = tfq_opt::bytes::Bytes::from(std::fs::read(path).unwrap());
/// let before = tfq_opt::load(&file, &Default::default())?;
/// let after = tfq_opt::Optimizer::default().run(file)?.module;
/// assert!(diff(&before, &before, &DiffOptions::default()).is_identical());
/// assert!(!diff(&before, &after, &DiffOptions::default()).is_identical());
/// # Ok(())
/// # }
/// ```
pub use tfq_diff as diff;
/// The intermediate representation: models and patches, and models as text.
///
/// ```
/// use tfq_opt::ir::text::{Level, ParseOptions, parse, print};
/// let text = "tfg 1 quant
/// subgraph @main {
///   %x = input : f32[2]
///   %y = NEG(%x) : f32[2]
///   output %y
/// }
/// ";
/// let model = parse(text, &ParseOptions::default()).unwrap();
/// assert!(print(&model, Level::Quant).contains("%y = NEG(%x) : f32[2]"));
/// ```
pub mod ir {
    pub use tfq_ir::*;
    pub use tfq_text as text;
}
/// Passes, pipelines and registries: what it takes to write a pass.
pub use tfq_pass as pass;
/// The built-in passes, as types whose fields are their options.
pub use tfq_passes as passes;
/// The built-in passes and pipelines.
///
/// ```
/// let registry = tfq_opt::builtin();
/// let quantizer = registry.pass("quantize-weights").unwrap();
/// assert_eq!(quantizer.options[0].name, "min-elements");
/// assert_eq!(registry.pipeline("default").unwrap().steps[0].0, "fold-constants");
/// ```
pub use tfq_passes::builtin;
/// Running models on LiteRT, and comparing what they compute; [`debug::layers`] has an example.
#[cfg(feature = "runtime")]
pub use tfq_runtime as runtime;
/// The generated code of the model format.
pub use tfq_schema::tflite;
/// What runtimes can do.
///
/// ```
/// use tfq_opt::target::Target;
/// let file = r#"
///     summary = "The phones that our app runs on."
///     extends = "litert"
///     max_runtime = "2.14"
/// "#;
/// let phones = Target::parse("phones", file)?;
/// assert_eq!(phones.name(), "phones");
/// assert!(Target::names().any(|shipped| shipped == "tflm"));
/// # Ok::<(), tfq_opt::target::TargetError>(())
/// ```
pub use tfq_target as target;
/// Reading and writing files.
///
/// ```
/// use tfq_opt::format::{LiftOptions, LowerOptions, Placement, lift, lower};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = tfq_opt::bytes::Bytes::from(std::fs::read(path)?);
/// // Constants behind the flatbuffer, as models over 2 GiB have them.
/// let options = LowerOptions { placement: Placement::Outside, ..LowerOptions::default() };
/// let outside = lower(&lift(&file, &LiftOptions::default())?, &options)?.to_vec();
/// let again = lift(&outside.into(), &LiftOptions::default())?;
/// assert_eq!(again.subgraphs().len(), 1);
/// # Ok(())
/// # }
/// ```
pub use tfq_tflite as format;
