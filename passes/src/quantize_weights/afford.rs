//! Which ops get float32 weights where that is quicker, with `prefer=balanced`.

use super::constants::TensorsByBuffer;
use super::fast::Fast;
use super::form::WeightUse;
use super::reading::Select;
use crate::costs::PER_DEQUANTIZE;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, OpId, SubgraphId};
use tfq_target::Objective;

/// The part of the smallest file, in thousandths, by which it may be larger for the sake of speed,
/// or a constant for that of its numbers.
const PER_MILLE: u64 = 15;
/// So many bytes may be in any case.
const ALWAYS: u64 = 2 << 10;

/// The bytes by which something of so many may be larger.
pub(super) fn part(bytes: u64) -> u64 {
    bytes * PER_MILLE / 1000
}

/// An op that is slower when it reads codes.
pub(super) struct SlowUse {
    /// Multiplications at one run.
    work: u64,
    /// Bytes that a Dequantize takes.
    cost: u64,
    op: (SubgraphId, OpId),
}

/// Those that save most work for a byte, as many as a file may grow for that would take so many
/// bytes without.
pub(super) fn within(mut slow: Vec<SlowUse>, smallest: u64) -> Fast {
    let mut budget = part(smallest).max(ALWAYS);
    slow.sort_by_key(|slow| std::cmp::Reverse(slow.work / slow.cost));
    let (mut ops, mut bytes) = (IndexSet::default(), 0);
    for SlowUse { cost, op, .. } in slow {
        if let Some(left) = budget.checked_sub(cost) {
            budget = left;
            bytes += cost;
            ops.insert(op);
        }
    }
    Fast::Some { ops, bytes }
}

impl Select<'_> {
    /// Which ops get a Dequantize for speed.
    pub(super) fn fast(
        &self,
        uses: &IndexMap<BufferId, Vec<WeightUse>>,
        shown: &TensorsByBuffer,
    ) -> Fast {
        match self.prefer {
            Objective::Size | Objective::Ram => Fast::None,
            Objective::Latency => Fast::All,
            // What is dequantised at each run makes nothing quicker.
            Objective::Balanced if !self.target.keeps_dequantized() || !self.takes_ops => {
                Fast::None
            }
            Objective::Balanced => self.affordable(uses, shown),
        }
    }

    /// Those that save most work for a byte, as many as the file may grow for. Ops that get a
    /// Dequantize in any case cost nothing here.
    fn affordable(
        &self,
        uses: &IndexMap<BufferId, Vec<WeightUse>>,
        shown: &TensorsByBuffer,
    ) -> Fast {
        let mut slow = Vec::new();
        for (buffer, uses) in uses {
            let candidates = self.candidates(uses);
            for u in uses {
                if self.would_be_slow(u, &candidates) {
                    slow.push(self.slow_use(u, shown.get(buffer).map_or(1, Vec::len) as u64));
                }
            }
        }
        within(slow, self.smallest(uses, shown))
    }

    /// What a Dequantize in front of the op saves and costs, where so many tensors show the constant.
    pub(super) fn slow_use(&self, u: &WeightUse, copies: u64) -> SlowUse {
        let label = self.module.subgraph(u.sg).tensor(u.tensor).label().len() as u64;
        let cost = (PER_DEQUANTIZE + 2 * label) * copies;
        SlowUse { work: self.work(u), cost, op: (u.sg, u.op) }
    }

    /// About how many bytes the constants take once all that can be is int8.
    fn smallest(&self, uses: &IndexMap<BufferId, Vec<WeightUse>>, shown: &TensorsByBuffer) -> u64 {
        let bytes = |buffer: &BufferId, tensors: &Vec<(SubgraphId, tfq_ir::TensorId)>| {
            let (sg, id) = tensors[0];
            let held = self.module.constant(sg, id).map_or(0, |bytes| bytes.len() as u64);
            if uses.contains_key(buffer) { held / 4 } else { held }
        };
        shown.iter().map(|(buffer, tensors)| bytes(buffer, tensors)).sum()
    }

    /// Multiplications of the op at one run, where shapes tell.
    fn work(&self, u: &WeightUse) -> u64 {
        let graph = self.module.subgraph(u.sg);
        let weight = graph.tensor(u.tensor);
        let axis = self.target.channel_axis(graph, u.op, u.slot);
        let channels = axis.and_then(|axis| weight.shape.get(axis)).map_or(1, |dim| (*dim).max(1));
        let results = graph.results(u.op).first().map(|id| graph.tensor(*id));
        let results = results.filter(|result| result.ty == ElementType::Float32);
        let results = results.and_then(|result| result.elements()).unwrap_or(1);
        weight.elements().unwrap_or(1) / channels as u64 * results
    }
}
