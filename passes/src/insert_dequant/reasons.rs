//! Why Dequantize ops are there, for the summary.

use std::fmt;
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{Module, OpId, Subgraph, SubgraphId, Tensor};
use tfq_pass::HYBRID_NOTE;
use tfq_target::Target;

/// Why ops read what a Dequantize computes that was inserted, but for those that a pass before
/// decided about: how many there are, and of which kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DequantizeReasons(pub IndexMap<DequantizeReason, ReadBy>);

/// Ops by their kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadBy(pub IndexMap<String, usize>);

/// Why there is a Dequantize.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DequantizeReason {
    /// No kernel of the ops reads weights like this.
    NoKernel(String),
    /// The ops copy codes, and it stands behind them.
    CopiesCodes,
    /// The ops copy codes, but more than the table has, so that it stands before them.
    CopiesMore,
    /// The ops are outputs of a subgraph.
    Returned,
}

impl DequantizeReasons {
    /// Adds those of the ops that patches inserted from the `first` on.
    pub(super) fn add(&mut self, module: &Module, target: &Target, sg: SubgraphId, first: usize) {
        let graph = module.subgraph(sg);
        let patches = module.journal()[first..].iter().filter(|patch| patch.subgraph == Some(sg));
        let added = patches.flat_map(|patch| patch.added_ops().iter().copied());
        let added = added.filter(|op| graph.contains_op(*op) && graph.op(*op).kind.is(DEQUANTIZE));
        // One op may read several of them.
        let mut seen: IndexSet<(DequantizeReason, OpId)> = IndexSet::default();
        for op in added {
            for (reason, by) in reasons(graph, target, op) {
                if seen.insert((reason.clone(), by)) {
                    let kind = graph.op(by).kind.name().to_owned();
                    *self.0.entry(reason).or_default().0.entry(kind).or_default() += 1;
                }
            }
        }
    }
}

/// Each with the op that it is about.
fn reasons(graph: &Subgraph, target: &Target, op: OpId) -> Vec<(DequantizeReason, OpId)> {
    let (Some(stored), Some(&float)) = (graph.operand(op, 0), graph.results(op).first()) else {
        return Vec::new();
    };
    if let Some((lookup, _)) = graph.producer(stored) {
        return vec![(DequantizeReason::CopiesCodes, lookup)];
    }
    let stored = graph.tensor(stored);
    let form = form(stored);
    let readers = graph.uses(float).into_iter().map(|u| u.op);
    let undecided = readers.filter(|op| !graph.op(*op).notes.contains_key(HYBRID_NOTE));
    let reason = |op: &OpId| match target.facts_of(graph, *op) {
        Some(facts) if facts.pass_through && stored.scales() == 1 => DequantizeReason::CopiesMore,
        _ => DequantizeReason::NoKernel(form.clone()),
    };
    let mut found: Vec<_> = undecided.map(|op| (reason(&op), op)).collect();
    if graph.is_output(float) {
        found.push((DequantizeReason::Returned, op));
    }
    found
}

/// How it is stored, in words.
fn form(stored: &Tensor) -> String {
    let q = stored.quantization.as_deref();
    let odd_scale = |scale: &f32| !scale.is_normal() || *scale < 0.0;
    let how = match q {
        Some(q) if q.scale.iter().any(odd_scale) => " with a scale that is none",
        Some(q) if q.zero_point.iter().any(|point| *point != 0) => " with a zero point",
        Some(q) if q.scale.len() > 1 => " with several scales",
        _ => "",
    };
    format!("{}{how}", stored.ty)
}

impl ReadBy {
    /// How many ops there are.
    pub fn ops(&self) -> usize {
        self.0.values().sum()
    }
}

impl fmt::Display for ReadBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 4;
        for (n, kind) in self.0.keys().take(MOST).enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{kind}")?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
