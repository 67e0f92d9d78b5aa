//! The `.tflite` format as Rust code, and as data about itself.
//!
//! * [`tflite`]: accessors and builders of the model format.
//! * [`annotations`]: the same for what tfq-opt records in a model's metadata.
//! * [`reflection`]: tables, fields, types, defaults, enums and unions of the model format, to look up at run time.
//!
//! The accessors pass over whatever a file holds beyond the schema; a walk with these tables finds
//! it.
//!
//! Nothing in `generated/` is edited by hand: see `schema/README.md`.

// The generated code says this itself, but there it has an effect only at the root of a crate.
extern crate alloc;

pub mod reflection;

#[allow(warnings, unsafe_code, clippy::all)]
#[rustfmt::skip]
#[path = "generated/tflite_generated.rs"]
mod tflite_generated;

#[allow(warnings, unsafe_code, clippy::all)]
#[rustfmt::skip]
#[path = "generated/tfq_annotations_generated.rs"]
mod annotations_generated;

pub use annotations_generated::tfq as annotations;
pub use tflite_generated::tflite;
