//! Edits of models as JSON, in both directions and without loss: what a run did, to be replayed
//! elsewhere, and what plugins in other languages send.
//!
//! Internal crate: users import `tfq_opt::edits`. `docs/edits.md` describes the form, and
//! [`SCHEMA`] is its JSON Schema.
//!
//! The IR does not know the form. What is written is a mirror of its types (`wire`), so that a
//! change inside does not change what is written, and what is read is resolved against the model
//! that it is for.

mod blobs;
mod document;
mod error;
mod handles;
mod number;
mod read;
mod wire;
mod write;

pub use blobs::Blobs;
pub use document::{Edits, Limits, read_edit, write_edit};
pub use error::EditsError;
pub use write::EditWriter;

/// Version of the form.
pub const VERSION: u32 = 1;

/// The JSON Schema of a document of edits.
pub const SCHEMA: &str = include_str!("../../../schema/edits.schema.json");

/// How a document names a model: the hash of its file.
pub use tfq_text::side::file_hash;
