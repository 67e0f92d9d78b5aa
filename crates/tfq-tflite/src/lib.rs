//! `.tflite` bytes to IR and back, losing nothing.
//!
//! Internal crate: users import `tfq_opt`. The only crate that sees the schema.

mod annotations;
mod file;
mod image;
mod lift;
mod lower;
mod options;
mod scan;
mod trailer;

pub use file::{Access, read, read_all, write_atomically};
pub use image::Image;
pub use lift::{LiftError, LiftOptions, is_lfs_pointer, lift, lift_model};
pub use lower::{LowerError, LowerOptions, Placement, lower, lower_into};
pub use scan::Unknown;
pub use trailer::relocate as relocated_trailer;
