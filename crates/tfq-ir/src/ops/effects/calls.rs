//! The effects of ops of a model, those of the subgraphs that they call included.

use super::Effects;
use crate::maps::IndexSet;
use crate::ops::semantics;
use crate::{Module, Op, OpId, OpKind, Subgraph, SubgraphId};

/// The effects of an op, those of subgraphs that it calls included. It walks all that the op
/// reaches: [`CallEffects`] is for those who ask about the ops of many subgraphs.
pub fn effects(module: &Module, sg: SubgraphId, op: OpId) -> Effects {
    let mut found = own_effects(module.subgraph(sg), op);
    let mut reached = IndexSet::default();
    reached.extend(callees(module, module.subgraph(sg).op(op)));
    // Chains of calls may be as long as the file, so they are no recursion here.
    let mut next = 0;
    while let Some(&callee) = reached.get_index(next).filter(|_| found != Effects::ALL) {
        next += 1;
        let graph = module.subgraph(callee);
        for op in graph.ops() {
            found = found.or(own_effects(graph, op));
            reached.extend(callees(module, graph.op(op)));
        }
    }
    found
}

/// What calling each subgraph of a module does, found out for all of them in one walk.
#[derive(Clone, Debug)]
pub struct CallEffects(Vec<Effects>);

impl CallEffects {
    /// Those of the module as it is.
    pub fn new(module: &Module) -> Self {
        let count = module.subgraphs().len();
        let mut found = vec![Effects::default(); count];
        let mut callers: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (id, graph) in module.subgraphs() {
            for op in graph.ops() {
                let own = &mut found[id.0 as usize];
                *own = own.or(own_effects(graph, op));
                for callee in callees(module, graph.op(op)) {
                    callers[callee.0 as usize].push(id.0);
                }
            }
        }
        // Effects only grow, so each subgraph comes up as often as there are kinds of them, at
        // the most, whatever calls itself.
        let mut todo: Vec<u32> = (0..count as u32).collect();
        while let Some(callee) = todo.pop() {
            let of_callee = found[callee as usize];
            for caller in &callers[callee as usize] {
                let grown = found[*caller as usize].or(of_callee);
                if std::mem::replace(&mut found[*caller as usize], grown) != grown {
                    todo.push(*caller);
                }
            }
        }
        Self(found)
    }

    /// The effects of an op of that module, as [`effects`] gives them.
    pub fn of(&self, module: &Module, sg: SubgraphId, op: OpId) -> Effects {
        let graph = module.subgraph(sg);
        let called = callees(module, graph.op(op)).map(|callee| self.0[callee.0 as usize]);
        called.fold(own_effects(graph, op), Effects::or)
    }

    /// Whether an op that came later does nothing that calling its subgraph did not do before.
    pub fn covers(&self, module: &Module, sg: SubgraphId, op: OpId) -> bool {
        let before = self.0[sg.0 as usize];
        before.or(self.of(module, sg, op)) == before
    }
}

/// The subgraphs that an op calls; numbers that name none are passed over.
fn callees(module: &Module, op: &Op) -> impl Iterator<Item = SubgraphId> + use<> {
    let count = module.subgraphs().len();
    let numbers = op.subgraph_refs().into_iter().filter_map(|(_, n)| u32::try_from(n).ok());
    numbers.filter(move |n| (*n as usize) < count).map(SubgraphId)
}

/// The effects of an op without those of what it calls.
fn own_effects(graph: &Subgraph, op: OpId) -> Effects {
    let node = graph.op(op);
    let mut effects = kind_effects(node);
    // Recurrent ops keep their state in a variable that they take as an operand.
    let operands = graph.operands(op);
    let variable = operands.iter().flatten().any(|id| graph.tensor(*id).is_variable);
    if variable || node.mutating_variable_inputs.contains(&true) {
        effects.reads_state = true;
        effects.writes_state = true;
    }
    effects
}

fn kind_effects(op: &Op) -> Effects {
    let OpKind::Builtin(code) = op.kind else { return Effects::UNKNOWN };
    semantics(code).map_or(Effects::UNKNOWN, |what| what.effects)
}

/// The operand whose memory the op's first result may be, since it only looks at the same
/// bytes in another way. The runtime's memory planner may put both in one place.
pub fn aliased_operand(op: &Op) -> Option<u32> {
    let OpKind::Builtin(code) = op.kind else { return None };
    semantics(code).filter(|what| what.view).map(|_| 0)
}
