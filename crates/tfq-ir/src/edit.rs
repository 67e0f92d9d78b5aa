//! Edits: all that can be done to a module.
//!
//! What is applied is what is logged: replaying the edits on the module as it was gives the module
//! as it is, with the same handles and buffer numbers.

mod apply;
mod check;
mod log;
mod patch;
mod prune;
mod record;

pub use check::{Reason, Rejected};
pub(crate) use log::Log;
pub use log::{Applied, LoggedEdit};
pub use patch::{BufferRef, OpChange, OpRef, Patch, Place, TensorChange, TensorRef};
pub use record::{Record, RecordEntry};

use crate::numbering::keeps_record;
use crate::references::SignatureEnds;
use crate::{BufferId, ExternalBuffer, Metadata, Module, OpId, Signature, SubgraphId};
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;

/// Something that is done to a module.
#[derive(Clone, Debug)]
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

    /// The patch, if it is one.
    pub fn patch(&self) -> Option<&Patch> {
        match self {
            Self::Patch(patch) => Some(patch),
            _ => None,
        }
    }
}

/// What became of an edit.
enum Outcome {
    /// There was nothing to do.
    Nothing,
    /// It was done, and changed nothing that the journal tells of.
    Quiet(Applied),
    /// It was done.
    Told(Applied),
}

impl Module {
    /// Does something to the module, all of it, or refuses it and leaves everything as it was.
    /// Nothing else changes a module.
    pub fn apply(&mut self, edit: impl Into<Edit>) -> Result<Arc<Applied>, Rejected> {
        let edit = edit.into();
        let refuse = |reason| Rejected { label: edit.label(), reason };
        let (applied, told) = match self.perform(&edit).map_err(refuse)? {
            Outcome::Nothing => return Ok(Arc::default()),
            Outcome::Quiet(applied) => (applied, false),
            Outcome::Told(applied) => (applied, true),
        };
        let applied = Arc::new(Applied { pass: self.log.pass.clone(), ..applied });
        self.outdate_records(&applied);
        self.log.push(edit, &applied, told);
        Ok(applied)
    }

    fn perform(&mut self, edit: &Edit) -> Result<Outcome, Reason> {
        let quiet = Ok(Outcome::Quiet(Applied::default()));
        let told = Ok(Outcome::Told(Applied { label: edit.label(), ..Applied::default() }));
        match edit {
            Edit::Patch(patch) => {
                check::check(self, patch)?;
                Ok(Outcome::Told(apply::commit(self, patch)))
            }
            Edit::Versions(sg, versions) => {
                check::known_ops(self, *sg, versions.iter().map(|(op, _)| *op))?;
                let graph = self.subgraph_mut(*sg);
                versions.iter().for_each(|(op, version)| graph.op_mut(*op).op.version = *version);
                quiet
            }
            Edit::Constant(bytes) => {
                let added = Arc::make_mut(&mut self.constants).push(bytes.clone());
                Ok(Outcome::Quiet(Applied { constants: vec![added], ..Applied::default() }))
            }
            Edit::Release(ids) => Ok(self.release(ids)),
            Edit::Metadata(name, Some(bytes)) => {
                self.put_metadata(name, bytes.clone());
                quiet
            }
            Edit::Metadata(name, None) => {
                let dropped = self.drop_metadata(name);
                if dropped { quiet } else { Ok(Outcome::Nothing) }
            }
            Edit::MetadataBuffers(list) => {
                self.metadata_buffer.clone_from(list);
                quiet
            }
            Edit::Description(text) => {
                self.description.clone_from(text);
                quiet
            }
            Edit::Trailer(bytes) => {
                self.trailer = bytes.clone();
                quiet
            }
            Edit::External(groups, buffers) => {
                self.external_buffer_groups.clone_from(groups);
                self.external_buffers.clone_from(buffers);
                told
            }
            Edit::Signatures(signatures) => {
                check::signatures(self, signatures)?;
                self.signatures.clone_from(signatures);
                self.signature_ends = SignatureEnds::default();
                told
            }
            Edit::Record(key, record) => {
                if !keeps_record(key) {
                    return Err(Reason::Record(key.clone()));
                }
                let is_there =
                    || self.metadata.iter().any(|entry| entry.name.as_ref() == Some(key));
                if self.records.get(key) == record.as_ref() && (record.is_some() || !is_there()) {
                    return Ok(Outcome::Nothing);
                }
                match record {
                    Some(record) => {
                        self.records.insert(key.clone(), record.clone());
                    }
                    None => self.drop_record(key),
                }
                quiet
            }
            Edit::PruneBuffers => Ok(self.drop_buffers()),
            Edit::PruneOpCodes => Ok(self.drop_op_codes()),
            Edit::PruneSubgraphs => Ok(self.drop_subgraphs()),
        }
    }

    fn release(&mut self, ids: &[BufferId]) -> Outcome {
        if ids.is_empty() {
            return Outcome::Nothing;
        }
        let used = self.used_buffers();
        let unused = |id: &&BufferId| used.get(id.0 as usize).is_some_and(|used| !used);
        let released: Vec<BufferId> = ids.iter().filter(unused).copied().collect();
        if released.is_empty() {
            return Outcome::Nothing;
        }
        let constants = Arc::make_mut(&mut self.constants);
        released.iter().for_each(|id| constants.release(*id));
        Outcome::Quiet(Applied { released, ..Applied::default() })
    }

    /// The bytes take the place of the old ones unless something else refers to those.
    fn put_metadata(&mut self, name: &str, bytes: Bytes) {
        let Some(at) = self.metadata.iter().position(|e| e.name.as_deref() == Some(name)) else {
            let buffer = Arc::make_mut(&mut self.constants).push(bytes);
            self.metadata.push(Metadata { name: Some(name.into()), buffer });
            return;
        };
        let old = self.metadata[at].buffer;
        if old == BufferId::NONE || self.buffer_uses(old) > 1 {
            self.metadata[at].buffer = Arc::make_mut(&mut self.constants).push(bytes);
        } else {
            Arc::make_mut(&mut self.constants).replace(old, bytes);
        }
    }

    /// Whether there was one to drop.
    fn drop_metadata(&mut self, name: &str) -> bool {
        let before = self.metadata.len();
        let is_it = |entry: &Metadata| entry.name.as_deref() == Some(name);
        while let Some(at) = self.metadata.iter().position(is_it) {
            let buffer = self.metadata.remove(at).buffer;
            if buffer != BufferId::NONE && self.buffer_uses(buffer) == 0 {
                Arc::make_mut(&mut self.constants).release(buffer);
            }
        }
        self.metadata.len() < before
    }
}

/// Edits that can be done to every module.
impl Module {
    /// Adds a constant: [`Edit::Constant`].
    pub fn add_constant(&mut self, bytes: Bytes) -> BufferId {
        self.must(Edit::Constant(bytes)).constants[0]
    }

    /// Lets go of those constants among these that nothing refers to any more, and returns which
    /// they are: [`Edit::Release`]. It looks at every tensor, so ask for many at a time.
    pub fn release_constants(&mut self, ids: Vec<BufferId>) -> Vec<BufferId> {
        self.must(Edit::Release(ids)).released.clone()
    }

    /// Sets the metadata entry of this name: [`Edit::Metadata`].
    pub fn set_metadata(&mut self, name: &str, bytes: Bytes) {
        self.must(Edit::Metadata(name.into(), Some(bytes)));
    }

    /// Sets the free text of the model: [`Edit::Description`].
    pub fn set_description(&mut self, text: Option<Arc<str>>) {
        self.must(Edit::Description(text));
    }

    /// Drops unused buffers, and returns how many and their bytes: [`Edit::PruneBuffers`].
    pub fn prune_buffers(&mut self) -> (usize, u64) {
        let applied = self.must(Edit::PruneBuffers);
        (applied.buffers_erased, applied.bytes_dropped)
    }

    /// Drops unused operator codes, and returns how many: [`Edit::PruneOpCodes`].
    pub fn prune_op_codes(&mut self) -> usize {
        self.must(Edit::PruneOpCodes).op_codes_erased
    }

    /// Drops unused subgraphs, and returns how many: [`Edit::PruneSubgraphs`].
    pub fn prune_subgraphs(&mut self) -> usize {
        self.must(Edit::PruneSubgraphs).subgraphs_erased
    }

    pub(crate) fn must(&mut self, edit: Edit) -> Arc<Applied> {
        self.apply(edit).expect("it can be done to every module")
    }
}
