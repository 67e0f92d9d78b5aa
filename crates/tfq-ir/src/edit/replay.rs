//! What was done to a module: the log asked, and replayed.

use super::Edit;
use super::log::{Applied, LoggedEdit};
use super::refused::Rejected;
use crate::maps::IndexMap;
use crate::{Module, OpId, SubgraphId, TensorId};
use std::sync::Arc;

impl Module {
    /// What every edit did that changed what is computed, inputs, outputs, signatures or numbers,
    /// in order.
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
            self.log.part();
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
        let mut origins: IndexMap<OpId, Vec<&Applied>> = IndexMap::default();
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
        let mut origins: IndexMap<TensorId, Vec<&Applied>> = IndexMap::default();
        for applied in self.journal().iter().filter(|applied| applied.subgraph == Some(sg)) {
            for id in applied.tensors.iter().filter(|id| graph.contains_tensor(**id)) {
                origins.entry(*id).or_default().push(applied);
            }
        }
        origins
    }
}
