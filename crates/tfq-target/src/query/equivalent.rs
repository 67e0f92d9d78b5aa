//! Ops that a runtime runs slowly, and others that compute the same sooner.

use crate::facts::condition::Site;
use crate::facts::rows::{Equivalent as Row, KernelSet};
use crate::query::question::all_hold;
use crate::target::Target;
use tfq_ir::{Module, OpId, OpKind, SubgraphId};

/// What is called slower: less is the noise of measuring.
const SLOWER: f64 = 1.03;

/// Other ops that compute what an op does, and sooner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equivalent<'t> {
    /// What they are called: a word that the pass which writes them knows.
    pub name: &'t str,
    /// Time of a model in which they stand as a part of its time before, measured.
    pub times: f64,
    /// Whether all that is gained is a border between partitions that goes: where what is around the
    /// op stays with the CPU kernels, nothing is.
    pub at_borders: bool,
    /// Why the op is slow, for a person.
    pub reason: &'t str,
}

impl Target {
    /// What computes the same as this op, and sooner, on the kernels of the target that are quickest;
    /// `None` where nobody measured it, or other kernels that models must run on lose more by it
    /// than these gain. Reference kernels are not asked for speed.
    pub fn equivalent(&self, module: &Module, sg: SubgraphId, op: OpId) -> Option<Equivalent<'_>> {
        let OpKind::Builtin(code) = module.subgraph(sg).op(op).kind else { return None };
        let fits =
            |row: &&Row| row.ops.contains(&code) && all_hold(&row.when, &Site::new(module, sg, op));
        let row = self.equivalent.iter().find(fits)?;
        let on = |kernels, times| self.kernels.contains(&kernels).then_some(times);
        let measured =
            [on(KernelSet::Xnnpack, row.xnnpack), on(KernelSet::Optimized, row.optimized)];
        let mut measured = measured.into_iter().flatten();
        let times = measured.next().filter(|times| *times < 1.0)?;
        let worse = measured.any(|other| other > SLOWER && other * times >= 1.0);
        let Row { name, at_borders, reason, .. } = row;
        (!worse).then_some(Equivalent { name, times, at_borders: *at_borders, reason })
    }
}
