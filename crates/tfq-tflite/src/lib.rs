//! `.tflite` bytes to IR and back, losing nothing.
//!
//! Internal crate: users import `tfq_opt`. The only crate that sees the schema.

mod annotations;
mod file;
mod foreign;
mod image;
mod lift;
mod lower;
mod mapped;
mod metadata;
mod options;
mod records;
mod scan;
#[cfg(unix)]
mod signals;
mod trailer;

pub use annotations::dequant_cache_bytes;
pub use file::{
    Access, Links, MOST_TEXT, TemporaryFolder, Together, WriteError, check_can_write, folder_of,
    is_same_file, is_standard_output, is_stream, read, read_all, read_all_of, read_copy, read_text,
    read_text_of, remove_temporaries_on_signals, write_atomically, write_bytes, write_together,
};
pub use foreign::is_lfs_pointer;
pub use image::Image;
pub use lift::{LiftError, LiftOptions, external_groups, lift, lift_model};
pub use lower::{LowerError, LowerOptions, Placement, lower, lower_into};
pub use mapped::{
    Changed, check_inputs, end_on_lost_bytes, name_of_open_file, outputs_depend_on_all_inputs,
};
pub use metadata::is_model;
pub use scan::Unknown;
