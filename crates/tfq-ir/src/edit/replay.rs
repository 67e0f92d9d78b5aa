//! What was done to a module: the log asked, and replayed.

use super::Edit;
use super::log::{Applied, Edits, LoggedEdit};
use super::refused::Rejected;
use super::summary::EditSummary;
use crate::maps::IndexMap;
use crate::{Module, OpId, SubgraphId, TensorId};
use std::borrow::Cow;
use std::sync::Arc;

impl Module {
    /// What every edit did that changed what is computed, inputs, outputs, signatures or numbers,
    /// in order.
    pub fn journal(&self) -> &[Arc<Applied>] {
        &self.log.journal
    }

    /// Everything that was done to the module since it was made, in order, or since
    /// [`Self::forget_edits`]; nothing where they are only [summed up](Self::sum_edits).
    pub fn edits(&self) -> &[LoggedEdit] {
        match &self.log.edits {
            Edits::Kept(edits) => edits,
            Edits::Summed(_) => &[],
        }
    }

    /// How much was done to the module since it was made, forgotten or not.
    pub fn edit_count(&self) -> usize {
        self.log.count
    }

    /// Lets go of the edits so far and of the constants that only they hold. The journal still
    /// tells what they did; they can no longer be replayed. Those to come are kept.
    pub fn forget_edits(&mut self) {
        self.log.begin(Edits::Kept(Arc::default()));
    }

    /// As [`Self::forget_edits`], but those to come are not kept either: [`Self::summary_since`]
    /// tells of them.
    pub fn sum_edits(&mut self) {
        self.log.begin(Edits::Summed(Arc::default()));
    }

    /// Whether edits are summed up and not kept.
    pub fn sums_edits(&self) -> bool {
        matches!(self.log.edits, Edits::Summed(_))
    }

    /// What was done since the module was this one, where it is what edits made of it and they
    /// are kept or summed up since.
    pub fn summary_since(&self, before: &Self) -> Option<Cow<'_, EditSummary>> {
        if !self.continues(before) {
            return None;
        }
        Some(match &self.log.edits {
            Edits::Summed(summary) if self.log.base == before.log.now => Cow::Borrowed(summary),
            Edits::Summed(_) => Cow::Owned(EditSummary::default()),
            Edits::Kept(edits) => {
                let since = &edits[before.edit_count() - self.log.forgotten..];
                Cow::Owned(EditSummary::of(since.iter().map(|logged| &*logged.edit)))
            }
        })
    }

    /// Says which pass the edits to come are from; the log keeps it with each.
    pub fn set_pass(&mut self, pass: Option<Arc<str>>) {
        self.log.pass = pass;
    }

    /// Whether nothing was done to the module since it was this one.
    pub fn is_untouched_since(&self, before: &Self) -> bool {
        self.log.now == before.log.now
    }

    /// Whether the module is what edits made of this one: not another module, nor one that was
    /// taken back and changed otherwise. Where edits were forgotten or summed up since, nobody can
    /// tell, but for the module with which that began.
    pub fn continues(&self, before: &Self) -> bool {
        let (log, old) = (&self.log, &before.log);
        // Both have what came last before then.
        let shared = || {
            let n = old.count.checked_sub(log.forgotten + 1)?;
            let (own, its) = (self.edits().get(n)?, before.edits().last()?);
            Some(Arc::ptr_eq(&own.edit, &its.edit))
        };
        Arc::ptr_eq(&log.lineage, &old.lineage)
            && ([log.now, log.base].contains(&old.now) || shared() == Some(true))
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
