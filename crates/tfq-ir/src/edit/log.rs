//! What was done to a module.

use super::Edit;
use crate::{BufferId, Numbers, OpId, SubgraphId, TensorId};
use std::borrow::Cow;
use std::sync::Arc;

/// What an edit did. The journal keeps this of every edit that changed what is computed, a
/// caller's view of it, or numbers.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The subgraph, `None` for a change of the module's own lists.
    pub subgraph: Option<SubgraphId>,
    /// What the edit said it does.
    pub label: Cow<'static, str>,
    /// The pass that made it, where one was running.
    pub pass: Option<Arc<str>>,
    /// Ops whose operands, results, attributes or operand types changed; new ones first.
    pub ops: Vec<OpId>,
    /// Ops that were erased; the handles are stale.
    pub erased: Vec<OpId>,
    /// Tensors that were changed or added; new ones first.
    pub tensors: Vec<TensorId>,
    /// Tensors whose type or quantisation was set, among those that were there before.
    pub retyped: Vec<TensorId>,
    /// How many ops were added.
    pub ops_added: usize,
    /// How many ops were erased.
    pub ops_erased: usize,
    /// How many tensors were added.
    pub tensors_added: usize,
    /// How many tensors were erased.
    pub tensors_erased: usize,
    /// How many subgraphs were dropped.
    pub subgraphs_erased: usize,
    /// How many buffers were dropped.
    pub buffers_erased: usize,
    /// How many operator codes were dropped.
    pub op_codes_erased: usize,
    /// Constant bytes that the model no longer holds.
    pub bytes_dropped: u64,
    /// Constants that were added.
    pub constants: Vec<BufferId>,
    /// Constants that were let go.
    pub released: Vec<BufferId>,
}

impl Applied {
    /// Ops that were added.
    pub fn added_ops(&self) -> &[OpId] {
        &self.ops[..self.ops_added]
    }

    /// Tensors that were added.
    pub fn added_tensors(&self) -> &[TensorId] {
        &self.tensors[..self.tensors_added]
    }

    /// What may have another number since.
    pub fn renumbers(&self) -> Numbers {
        Numbers {
            subgraphs: self.subgraphs_erased > 0,
            ops: self.ops_added + self.ops_erased > 0,
            tensors: self.tensors_added + self.tensors_erased > 0,
            buffers: self.buffers_erased > 0,
        }
    }

    pub(super) fn pruned(what: String) -> Self {
        Self { label: Cow::Owned(format!("drop {what}")), ..Self::default() }
    }
}

/// An edit that was applied.
#[derive(Clone, Debug)]
pub struct LoggedEdit {
    /// What was done; shared by every snapshot of the module.
    pub edit: Arc<Edit>,
    /// The pass that did it, where one was running.
    pub pass: Option<Arc<str>>,
}

/// Edits and what they did. Snapshots share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(super) journal: Arc<Vec<Arc<Applied>>>,
    pub(super) edits: Arc<Vec<LoggedEdit>>,
    /// How many edits came before these, and are not kept.
    pub(super) forgotten: usize,
    pub(super) pass: Option<Arc<str>>,
    /// The same for a module and its snapshots since edits were last forgotten, and for no other
    /// module.
    pub(super) lineage: Arc<()>,
}

impl Log {
    pub(super) fn push(&mut self, edit: Edit, applied: &Arc<Applied>, journalled: bool) {
        if journalled {
            Arc::make_mut(&mut self.journal).push(applied.clone());
        }
        let logged = LoggedEdit { edit: Arc::new(edit), pass: self.pass.clone() };
        Arc::make_mut(&mut self.edits).push(logged);
    }
}
