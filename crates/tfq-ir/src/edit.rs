//! Edits: all that can be done to a module.
//!
//! What is applied is what is logged: replaying the edits on the module as it was gives the module
//! as it is, with the same handles and buffer numbers.

mod apply;
mod check;
mod log;
mod parts;
mod patch;
mod prune;
mod pruned;
mod records;
mod refused;
mod replay;
mod summary;

pub(crate) use log::Log;
pub use log::{Applied, LoggedEdit};
pub use parts::PatchParts;
pub use patch::{BufferRef, InsertionPoint, OpChange, OpRef, Patch, TensorChange, TensorRef};
pub(crate) use pruned::Pruned;
pub use refused::{Reason, Rejected};
pub use summary::EditSummary;

use crate::{BufferId, ExternalBuffer, OpId, Record, Signature, SubgraphId};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;

/// Something that is done to a module.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Changes a subgraph.
    Patch(Box<Patch>),
    /// Sets the operator versions that ops of a subgraph need, which changes nothing that they
    /// compute.
    Versions(SubgraphId, Vec<(OpId, i32)>),
    /// Adds a constant, which changes nothing until a tensor refers to it.
    Constant(Bytes),
    /// Lets go of those constants among these that nothing refers to. Their places stay, empty,
    /// so that no number changes.
    Release(Vec<BufferId>),
    /// Sets the metadata entry of this name, adding it where there is none, or drops it.
    Metadata(Arc<str>, Option<Bytes>),
    /// Sets the format's older list of metadata buffers.
    MetadataBuffers(Vec<i32>),
    /// Sets the free text of the model.
    Description(Option<Arc<str>>),
    /// Sets what follows the model in its file.
    Trailer(Bytes),
    /// Sets the constants outside of the model, and the names of the files that they are in.
    External(Vec<Option<Arc<str>>>, Vec<ExternalBuffer>),
    /// Sets the functions that a caller can run by name.
    Signatures(Vec<Signature>),
    /// Sets the record of this key, or drops it together with what the file had of it.
    Record(Arc<str>, Option<Arc<Record>>),
    /// Drops buffers that nothing refers to.
    PruneBuffers,
    /// Drops operator codes that no op has.
    PruneOpCodes,
    /// Drops subgraphs that neither the main one nor a signature reaches.
    PruneSubgraphs,
}

impl From<Patch> for Edit {
    fn from(patch: Patch) -> Self {
        Self::Patch(Box::new(patch))
    }
}

impl Edit {
    /// What it does, in the imperative.
    pub fn label(&self) -> Cow<'static, str> {
        match self {
            Self::Patch(patch) => patch.label.clone(),
            Self::Versions(..) => "set operator versions".into(),
            Self::Constant(_) => "add a constant".into(),
            Self::Release(_) => "let go of constants".into(),
            Self::Metadata(name, Some(_)) => format!("set metadata `{name}`").into(),
            Self::Metadata(name, None) => format!("drop metadata `{name}`").into(),
            Self::MetadataBuffers(_) => "set the list of metadata buffers".into(),
            Self::Description(_) => "set the description".into(),
            Self::Trailer(_) => "set what follows the model".into(),
            Self::External(..) => "set the constants outside of the model".into(),
            Self::Signatures(_) => "set the signatures".into(),
            Self::Record(key, Some(_)) => format!("set record `{key}`").into(),
            Self::Record(key, None) => format!("drop record `{key}`").into(),
            Self::PruneBuffers => "drop unused buffers".into(),
            Self::PruneOpCodes => "drop unused operator codes".into(),
            Self::PruneSubgraphs => "drop unused subgraphs".into(),
        }
    }

    /// Whether the journal tells of it, and it counts as a patch where these are counted: it
    /// changes what is computed, a caller's view of it, or numbers.
    pub fn is_journalled(&self) -> bool {
        match self {
            Self::Patch(_)
            | Self::External(..)
            | Self::Signatures(_)
            | Self::PruneBuffers
            | Self::PruneOpCodes
            | Self::PruneSubgraphs => true,
            Self::Versions(..)
            | Self::Constant(_)
            | Self::Release(_)
            | Self::Metadata(..)
            | Self::MetadataBuffers(_)
            | Self::Description(_)
            | Self::Trailer(_)
            | Self::Record(..) => false,
        }
    }

    /// The patch, if it is one.
    pub fn patch(&self) -> Option<&Patch> {
        match self {
            Self::Patch(patch) => Some(patch),
            _ => None,
        }
    }
}
