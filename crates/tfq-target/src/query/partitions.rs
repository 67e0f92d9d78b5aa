//! How LiteRT divides a subgraph between XNNPACK and the CPU kernels.

use crate::query::delegation::Delegation;
use crate::target::Target;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tfq_ir::maps::{HashMap, HashSet, IndexMap};
use tfq_ir::{ElementType, Module, OpId, OpKind, Subgraph, SubgraphId, TensorId};

/// A subgraph as LiteRT runs it: partitions and what lies between them.
#[derive(Clone, Debug)]
pub struct Partitions<'a> {
    /// In the order in which they run; those of XNNPACK and those of the CPU kernels by turns.
    pub sections: Vec<Section>,
    /// What XNNPACK takes, by op in the order of the subgraph.
    pub delegations: IndexMap<OpId, Delegation<'a>>,
}

/// Ops that run one behind the other on the same kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Whether XNNPACK runs it, as one node.
    pub delegated: bool,
    /// In the order of the subgraph.
    pub ops: Vec<OpId>,
    /// Tensors that ops of other sections compute and ops of this one read.
    pub reads: Vec<TensorId>,
    /// Tensors that ops of this section compute and ops of others read.
    pub gives: Vec<TensorId>,
}

impl Partitions<'_> {
    /// How many nodes XNNPACK is in the subgraph.
    pub fn delegated(&self) -> usize {
        self.sections.iter().filter(|section| section.delegated).count()
    }
}

impl Target {
    /// The sections that LiteRT makes of a subgraph.
    ///
    /// It puts an op into a section as soon as all that the op reads is computed in this section or
    /// an earlier one, however far behind in the subgraph the op stands: branches that XNNPACK takes
    /// wait for the ops that it leaves, and are run with what lies behind these. Each section begins
    /// with the first op that is ready, takes all others of its kind that are or become so, and only
    /// then comes the other kind. Ops with side effects keep their order.
    pub fn partitions(&self, module: &Module, sg: SubgraphId) -> Partitions<'_> {
        let graph = module.subgraph(sg);
        let delegations = self.delegations(module, sg);
        let ops: Vec<OpId> = graph.ops().collect();
        let waiting = Waiting::of(graph, &ops, |op| self.keeps_order(graph, op));
        let taken: Vec<bool> = delegations.values().map(Delegation::is_taken).collect();
        let order = divide(waiting, &taken);
        Partitions { sections: sections(graph, &ops, &taken, &order), delegations }
    }

    /// Whether LiteRT keeps the order of the op among others of which it takes it that they have
    /// side effects.
    fn keeps_order(&self, graph: &Subgraph, op: OpId) -> bool {
        let listed = match graph.op(op).kind {
            OpKind::Builtin(code) => self.keeps_order.contains(&code),
            OpKind::Custom(_) => false,
        };
        let resource = |id: TensorId| graph.tensor(id).ty == ElementType::Resource;
        listed
            || graph.operands(op).into_iter().flatten().any(resource)
            || graph.results(op).into_iter().any(resource)
    }
}

/// What ops wait for, by their places in the subgraph.
struct Waiting {
    /// For how many others each waits.
    count: Vec<usize>,
    /// Which wait for each.
    behind: Vec<Vec<usize>>,
}

impl Waiting {
    fn of(graph: &Subgraph, ops: &[OpId], keeps_order: impl Fn(OpId) -> bool) -> Self {
        let place: HashMap<OpId, usize> = ops.iter().enumerate().map(|(n, op)| (*op, n)).collect();
        let mut waiting = Self { count: vec![0; ops.len()], behind: vec![Vec::new(); ops.len()] };
        let mut last = None;
        for (n, op) in ops.iter().enumerate() {
            let mut before = Vec::new();
            for id in graph.operands(*op).into_iter().flatten() {
                // An op that computes what it reads waits for nobody.
                let producer = graph.producer(id).map(|(op, _)| place[&op]);
                before.extend(producer.filter(|producer| *producer != n));
            }
            if keeps_order(*op) {
                before.extend(last.replace(n));
            }
            before.sort_unstable();
            before.dedup();
            waiting.count[n] = before.len();
            for earlier in before {
                waiting.behind[earlier].push(n);
            }
        }
        waiting
    }
}

/// The number of the section of each op. Ops that wait for one another, as in graphs that no
/// runtime would run, come last.
fn divide(mut waiting: Waiting, taken: &[bool]) -> Vec<usize> {
    let mut section_of = vec![usize::MAX; taken.len()];
    let mut ready: [BinaryHeap<Reverse<usize>>; 2] = Default::default();
    for (n, count) in waiting.count.iter().enumerate() {
        if *count == 0 {
            ready[usize::from(taken[n])].push(Reverse(n));
        }
    }
    for section in 0.. {
        // The smaller place is the greater of the two.
        let Some(kind) =
            (0..2).filter(|kind| !ready[*kind].is_empty()).max_by_key(|kind| ready[*kind].peek())
        else {
            break;
        };
        while let Some(Reverse(n)) = ready[kind].pop() {
            section_of[n] = section;
            for behind in std::mem::take(&mut waiting.behind[n]) {
                waiting.count[behind] -= 1;
                if waiting.count[behind] == 0 {
                    ready[usize::from(taken[behind])].push(Reverse(behind));
                }
            }
        }
    }
    section_of
}

fn sections(graph: &Subgraph, ops: &[OpId], taken: &[bool], section_of: &[usize]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut place: HashMap<OpId, usize> = HashMap::default();
    let count = section_of.iter().filter(|n| **n != usize::MAX).max().map_or(0, |last| last + 1);
    sections.resize_with(count, || Section {
        delegated: false,
        ops: Vec::new(),
        reads: Vec::new(),
        gives: Vec::new(),
    });
    for ((op, taken), section) in ops.iter().zip(taken).zip(section_of) {
        let Some(of) = sections.get_mut(*section) else { continue };
        of.delegated = *taken;
        of.ops.push(*op);
        place.insert(*op, *section);
    }
    for (n, section) in sections.iter_mut().enumerate() {
        let elsewhere = |op: &OpId| place.get(op).is_some_and(|section| *section != n);
        let mut seen = HashSet::default();
        for op in &section.ops {
            let operands = graph.operands(*op).into_iter().flatten();
            let computed =
                operands.filter(|id| graph.producer(*id).is_some_and(|(op, _)| elsewhere(&op)));
            section.reads.extend(computed.filter(|id| seen.insert(*id)));
            let read = |id: &TensorId| graph.uses(*id).iter().any(|read| elsewhere(&read.op));
            section.gives.extend(graph.results(*op).into_iter().filter(read));
        }
    }
    sections
}
