//! What was done to a module.

use super::{Edit, Rejected};
use crate::{BufferId, Module, OpId, SubgraphId, TensorId};
use indexmap::IndexMap;
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
    edits: Arc<Vec<LoggedEdit>>,
    /// How many edits came before these, and are not kept.
    forgotten: usize,
    pub(super) pass: Option<Arc<str>>,
    /// The same for a module and its snapshots since edits were last forgotten, and for no other
    /// module.
    lineage: Arc<()>,
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

impl Module {
    /// What every edit did that changed what is computed, inputs, outputs, signatures or numbers, in
    /// order.
    pub fn journal(&self) -> &[Arc<Applied>] {
        &self.log.journal
    }

    /// Everything that was done to the module since it was made, in order, or since
    /// [`Self::forget_edits`].
    pub fn edits(&self) -> &[LoggedEdit] {
        &self.log.edits
    }

    /// How much was done to the module since it was made, forgotten or not.
    pub fn edit_count(&self) -> usize {
        self.log.forgotten + self.log.edits.len()
    }

    /// Lets go of the edits so far and of the constants that only they hold. The journal still
    /// tells what they did; they can no longer be replayed.
    pub fn forget_edits(&mut self) {
        if !self.log.edits.is_empty() {
            self.log.forgotten = self.edit_count();
            self.log.edits = Arc::default();
            self.log.lineage = Arc::new(());
        }
    }

    /// Says which pass the edits to come are from; the log keeps it with each.
    pub fn set_pass(&mut self, pass: Option<Arc<str>>) {
        self.log.pass = pass;
    }

    /// Whether nothing was done to the module since it was this one.
    pub fn is_untouched_since(&self, before: &Self) -> bool {
        self.edit_count() == before.edit_count() && self.continues(before)
    }

    /// Whether the module is what edits made of this one: not another module, nor one that was
    /// taken back and changed otherwise. Where edits were forgotten since, nobody can tell.
    pub fn continues(&self, before: &Self) -> bool {
        let last = |edits: &[LoggedEdit]| edits.last().map(|logged| Arc::as_ptr(&logged.edit));
        let shared = self.edits().get(..before.edits().len());
        Arc::ptr_eq(&self.log.lineage, &before.log.lineage)
            && shared.is_some_and(|shared| last(shared) == last(before.edits()))
    }

    /// Does to this module what was done to one like it.
    pub fn replay(&mut self, edits: &[LoggedEdit]) -> Result<(), Rejected> {
        let pass = self.log.pass.clone();
        let mut replayed = edits.iter().map(|logged| {
            self.log.pass.clone_from(&logged.pass);
            self.apply(Edit::clone(&logged.edit)).map(|_| ())
        });
        let outcome = replayed.try_for_each(|outcome| outcome);
        self.log.pass = pass;
        outcome
    }

    /// What made or last changed each op of a subgraph that a patch touched, oldest first: the
    /// provenance of the op. Those that are not named are as the file had them.
    pub fn op_origins(&self, sg: SubgraphId) -> IndexMap<OpId, Vec<&Applied>> {
        let graph = self.subgraph(sg);
        let mut origins: IndexMap<OpId, Vec<&Applied>> = IndexMap::new();
        for applied in self.journal().iter().filter(|applied| applied.subgraph == Some(sg)) {
            for op in applied.ops.iter().filter(|op| graph.contains_op(**op)) {
                origins.entry(*op).or_default().push(applied);
            }
        }
        origins
    }

    /// As [`Self::op_origins`], for tensors.
    pub fn tensor_origins(&self, sg: SubgraphId) -> IndexMap<TensorId, Vec<&Applied>> {
        let graph = self.subgraph(sg);
        let mut origins: IndexMap<TensorId, Vec<&Applied>> = IndexMap::new();
        for applied in self.journal().iter().filter(|applied| applied.subgraph == Some(sg)) {
            for id in applied.tensors.iter().filter(|id| graph.contains_tensor(**id)) {
                origins.entry(*id).or_default().push(applied);
            }
        }
        origins
    }
}
