//! Shapes in subgraphs that ops call.

use super::{Fact, Walk};
use tfq_ir::{OpId, SubgraphId};

/// So deep do calls go in no model; what is deeper is not followed.
const DEEPEST: usize = 32;
/// So often may the shapes of a loop's arguments come to be less known.
const MOST_ROUNDS: usize = 32;

impl Walk<'_> {
    /// Follows a subgraph, unless that was done with inputs of which no more was known.
    pub(super) fn enter(&mut self, sg: SubgraphId, inputs: Vec<Fact>) {
        if self.running.contains(&sg) || self.running.len() == DEEPEST {
            self.gives_up = true;
        }
        if self.gives_up {
            return;
        }
        let inputs = match self.entered.get(&sg) {
            Some(before) => {
                let joined: Vec<_> = before.iter().zip(&inputs).map(|(a, b)| a.join(b)).collect();
                if joined == *before {
                    return;
                }
                joined
            }
            None => inputs,
        };
        let graph = self.module.subgraph(sg);
        for (id, fact) in graph.inputs().iter().zip(&inputs) {
            self.facts.insert(*id, fact.clone());
        }
        self.entered.insert(sg, inputs);
        self.running.push(sg);
        for op in graph.ops() {
            self.op(sg, op);
        }
        self.running.pop();
        self.finished.retain(|done| *done != sg);
        self.finished.push(sg);
    }

    /// What an op gives that runs subgraphs.
    pub(super) fn call(&mut self, sg: SubgraphId, op: OpId) -> Vec<Fact> {
        let node = self.module.subgraph(sg).op(op);
        let called = node.subgraph_refs().into_iter().filter_map(|(name, number)| {
            let callee = SubgraphId(u32::try_from(number).ok()?);
            self.module.find_subgraph(callee)?;
            Some((name == "cond_subgraph_index", callee))
        });
        let called: Vec<_> = called.collect();
        let loops = called.iter().any(|(decides, _)| *decides);
        let operands = self.operands(sg, op);
        let first = (0..operands.len() as u32)
            .find(|slot| !self.module.arguments(sg, op, *slot).is_empty())
            .unwrap_or(operands.len() as u32);
        let given = operands.into_iter().skip(first as usize);
        let mut given: Vec<Fact> = given.map(|fact| fact.unwrap_or_else(Fact::unknown)).collect();
        for _ in 0..MOST_ROUNDS {
            let mut returned: Option<Vec<Fact>> = None;
            for (decides, callee) in &called {
                let graph = self.module.subgraph(*callee);
                let arguments = (0..graph.inputs().len()).map(|n| given.get(n).cloned());
                let arguments = arguments.map(|fact| fact.unwrap_or_else(Fact::unknown)).collect();
                self.enter(*callee, arguments);
                if *decides || self.gives_up {
                    continue;
                }
                let outputs: Vec<Fact> =
                    graph.outputs().iter().map(|id| self.fact(*callee, *id)).collect();
                returned = Some(match returned {
                    Some(others) => joined(&others, &outputs),
                    None => outputs,
                });
            }
            let Some(returned) = returned else { return Vec::new() };
            if !loops {
                return returned;
            }
            // A loop that does not run gives what it was given.
            let next = joined(&given, &returned);
            if next == given {
                return given;
            }
            given = next;
        }
        self.gives_up = true;
        Vec::new()
    }
}

fn joined(a: &[Fact], b: &[Fact]) -> Vec<Fact> {
    a.iter().zip(b).map(|(a, b)| a.join(b)).collect()
}
