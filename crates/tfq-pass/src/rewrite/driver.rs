//! Applies rules greedily: a worklist of ops, the rule with the largest benefit first.

use super::pattern::Site;
use super::{Miss, Rule};
use crate::context::{Context, PassError};
use indexmap::{IndexMap, IndexSet};
use std::collections::VecDeque;
use tfq_ir::{Module, OpId, Patch, SubgraphId};

/// Patches per op after which a run is taken for endless. Rules that shrink the graph stay far
/// below one.
const PATCHES_PER_OP: usize = 8;
const PATCHES_AT_LEAST: usize = 256;
/// How many of the last states are compared when a run seems endless.
const STATES: usize = 64;

/// Applies the rules to a subgraph until none matches, and returns how often one did. Ops are
/// visited in execution order; those around a change are visited again.
///
/// # Errors
/// Where the rules undo each other, with their names.
pub fn apply_rules(
    module: &mut Module,
    sg: SubgraphId,
    rules: &[Rule],
    cx: &mut Context<'_>,
) -> Result<usize, PassError> {
    let mut by_benefit: Vec<&Rule> = rules.iter().collect();
    by_benefit.sort_by_key(|rule| std::cmp::Reverse(rule.benefit));
    let mut work = Worklist::new(module, sg);
    let limit = PATCHES_AT_LEAST.max(PATCHES_PER_OP * module.subgraph(sg).op_count());
    let mut applied = 0;
    let mut endless = Endless::default();
    while let Some(op) = work.next(module, sg) {
        let Some((rule, patch)) = first_match(module, sg, op, &by_benefit, cx) else { continue };
        let place = Context::op_place(module, sg, op);
        let changed = module.apply(patch)?;
        work.revisit(changed.ops.iter().copied());
        let neighbours: Vec<OpId> = work.neighbours(module, sg);
        work.revisit(neighbours);
        applied += 1;
        if cx.explains() {
            cx.applied(rule.name, place, "applied");
        }
        cx.count("rules-applied", 1);
        if applied > limit {
            endless.check(module, rule.name)?;
        }
    }
    Ok(applied)
}

/// The patch of the first rule that matches at the op. Near misses are remembered.
fn first_match<'r>(
    module: &Module,
    sg: SubgraphId,
    op: OpId,
    rules: &[&'r Rule],
    cx: &mut Context<'_>,
) -> Option<(&'r Rule, Patch)> {
    let node = module.subgraph(sg).op(op);
    for rule in rules.iter().filter(|rule| rule.root.starts_with(node)) {
        match rule.at(Site { module, sg, op }) {
            Ok(found) => {
                let mut patch = Patch::new(sg, rule.name);
                (rule.rewrite)(&found, &mut patch);
                return Some((rule, patch));
            }
            Err(Miss { nodes, guard, what }) => {
                cx.near_miss(nodes, || {
                    (rule.name, Context::op_place(module, sg, op), what.clone())
                });
                if cx.explains() {
                    let place = Context::op_place(module, sg, op);
                    cx.missed(guard.unwrap_or(rule.name), place, format!("{}: {what}", rule.name));
                }
            }
        }
    }
    None
}

/// Ops to be visited, each once at a time.
struct Worklist {
    queue: VecDeque<OpId>,
    queued: IndexSet<OpId>,
    touched: Vec<OpId>,
}

impl Worklist {
    fn new(module: &Module, sg: SubgraphId) -> Self {
        let queue: VecDeque<OpId> = module.subgraph(sg).ops().collect();
        let queued = queue.iter().copied().collect();
        Self { queue, queued, touched: Vec::new() }
    }

    fn next(&mut self, module: &Module, sg: SubgraphId) -> Option<OpId> {
        while let Some(op) = self.queue.pop_front() {
            self.queued.swap_remove(&op);
            if module.subgraph(sg).contains_op(op) {
                return Some(op);
            }
        }
        None
    }

    fn revisit(&mut self, ops: impl IntoIterator<Item = OpId>) {
        self.touched.clear();
        for op in ops {
            self.touched.push(op);
            if self.queued.insert(op) {
                self.queue.push_back(op);
            }
        }
    }

    /// Ops that read what a touched op computes: their patterns may reach it.
    fn neighbours(&self, module: &Module, sg: SubgraphId) -> Vec<OpId> {
        let graph = module.subgraph(sg);
        let alive = self.touched.iter().copied().filter(|op| graph.contains_op(*op));
        let results = alive.flat_map(|op| graph.results(op));
        results.flat_map(|tensor| graph.uses(tensor)).map(|u| u.op).collect()
    }
}

/// Looks for a state that comes back, once a run is suspiciously long.
#[derive(Default)]
struct Endless {
    states: IndexMap<u64, usize>,
    rules: Vec<&'static str>,
}

impl Endless {
    fn check(&mut self, module: &Module, rule: &'static str) -> Result<(), PassError> {
        self.rules.push(rule);
        let hash = module.structural_hash();
        if let Some(first) = self.states.get(&hash) {
            let cycle: IndexSet<&str> = self.rules[*first..].iter().copied().collect();
            return Err(PassError::Cycle { rules: cycle.into_iter().map(str::to_owned).collect() });
        }
        if self.states.len() > STATES {
            // The graph grows without end and never comes back.
            let rules: IndexSet<&str> = self.rules.iter().copied().collect();
            return Err(PassError::Endless {
                rules: rules.into_iter().map(str::to_owned).collect(),
            });
        }
        self.states.insert(hash, self.rules.len());
        Ok(())
    }
}
