//! Goldens of pipelines: what each pass does to a model is accepted once, and compared with
//! what it does ever after.
//!
//! A [`Recorder`] watches a pipeline run and gives a [`Recording`]: for each pass the lines of
//! the model's text that it changed, and the text at the end. There are two ways to keep one:
//!
//! - as a [`Golden`], a file with a head that says how it was made, in a [`Folder`] whose index
//!   says what to run. `tfq-opt golden` works on these; see `docs/goldens.md`.
//! - as insta snapshots of a Rust test: `assert_pipeline_snapshot!` (feature `insta`).
//!
//! Both compare meaning and not letters: a text that was only laid out anew is the same.

mod blame;
mod compare;
mod delta;
mod entry;
mod folder;
mod golden;
mod index;
mod lines;
mod record;
mod section;
#[cfg(feature = "insta")]
pub mod snapshot;

pub use blame::{Blame, blame};
pub use compare::{Cause, Comparison, ErrorChange, Kind, compare, same_text};
pub use entry::{Entry, name_from};
pub use folder::{Folder, FolderError, INDEX};
pub use golden::{Golden, GoldenError, Header, VERSION};
pub use lines::unified_diff;
pub use record::{PatchNote, RecordError, Recorder, Recording, record};
pub use section::Section;

#[cfg(feature = "insta")]
#[doc(hidden)]
pub use insta;
pub use tfq_text::side::file_hash;
