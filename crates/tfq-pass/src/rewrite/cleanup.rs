//! Tidying a subgraph: what other compilers call dead code elimination, common subexpression
//! elimination and canonicalisation.

use super::driver::apply_rules;
use super::rule::{FORBIDDEN, Rule};
use crate::error::PassError;
use crate::session::Session;
use smallvec::SmallVec;
use std::hash::Hash;
use tfq_ir::maps::HashMap;
use tfq_ir::{BufferId, Module, OpId, OpKind, Patch, SubgraphId, TensorId};

/// Applies the rules, merges equal ops and erases dead ones, again and again until none of
/// these changes anything. Returns how many patches that took.
///
/// # Errors
/// As [`apply_rules`].
pub fn canonicalize(
    session: &mut Session<'_>,
    sg: SubgraphId,
    rules: &[Rule],
) -> Result<usize, PassError> {
    let mut all = 0;
    loop {
        let merged = merge_equal_ops(session, sg)?;
        let done = apply_rules(session, sg, rules)? + merged + erase_dead_ops(session, sg)?;
        if done == 0 {
            return Ok(all);
        }
        all += done;
    }
}

/// Erases ops whose results nobody reads, with the results, and what only they read. Ops with
/// effects stay ([`tfq_ir::Effects::is_droppable`]), each with a remark, and so do those whose
/// results something else than an op refers to. Returns how many went.
///
/// # Errors
/// Where a patch is refused, which is a mistake here.
pub fn erase_dead_ops(session: &mut Session<'_>, sg: SubgraphId) -> Result<usize, PassError> {
    let referred = session.model().all_references(sg);
    // From the end, so that an op is looked at when its readers are gone.
    let mut ops: Vec<OpId> = session.model().subgraph(sg).ops().collect();
    ops.reverse();
    let mut erased = 0;
    for op in ops {
        let module = session.model();
        let graph = module.subgraph(sg);
        let results = graph.results(op);
        let unread = |id: &TensorId| !graph.is_read(*id) && !referred.contains_key(id);
        if results.is_empty() || !results.iter().all(unread) {
            continue;
        }
        let place = module.op_place(sg, op).to_string();
        let effects = session.effects(sg, op);
        if !effects.is_droppable() {
            let what = if effects.unknown { "it may do more" } else { "it changes state" };
            let message = format!("nobody reads what it computes, but {what}");
            session.missed("dead op with effects", place, message);
            continue;
        }
        let mut patch = Patch::new(sg, "erase a dead op");
        patch.erase_op(op);
        results.iter().for_each(|id| patch.erase_tensor(*id));
        if let Some(reason) = session.forbidden(&patch) {
            session.missed(
                FORBIDDEN,
                place,
                format!("nobody reads what it computes, but {reason}"),
            );
            continue;
        }
        session.apply(patch)?;
        session.applied("dead op", place, "nobody reads what it computes");
        session.count("ops-dropped", 1);
        erased += 1;
    }
    Ok(erased)
}

/// Lets readers of an op that computes what an earlier one does read that one's results, and
/// erases it. Only ops without effects are merged, and none whose result something else than an op
/// refers to.
/// Returns how many went.
///
/// # Errors
/// Where a patch is refused, which is a mistake here.
pub fn merge_equal_ops(session: &mut Session<'_>, sg: SubgraphId) -> Result<usize, PassError> {
    let ops: Vec<OpId> = session.model().subgraph(sg).ops().collect();
    let referred = session.model().all_references(sg);
    let mut firsts: Firsts<Key, OpId> = Firsts::default();
    let mut merged = 0;
    for op in ops {
        let module = session.model();
        let graph = module.subgraph(sg);
        let results = graph.results(op);
        // Between two reads such a tensor may get another value.
        let is_odd = |id: TensorId| referred.get(&id).is_some_and(|found| found.odd);
        let held = |id: &TensorId| referred.contains_key(id) || graph.tensor(*id).is_variable;
        if results.is_empty()
            || results.iter().any(held)
            || !graph.intermediates(op).is_empty()
            || graph.operands(op).into_iter().flatten().any(is_odd)
            || !session.effects(sg, op).is_pure()
        {
            continue;
        }
        // In execution order, so that operands were merged before.
        let all = |op| computation(module, sg, op);
        let Some(earlier) = firsts.of(key(module, sg, op), op, all) else { continue };
        let mut patch = Patch::new(sg, "merge equal ops");
        for (old, new) in results.iter().zip(graph.results(earlier)) {
            for u in graph.uses(*old) {
                patch.set_operand(u.op, u.slot, new);
            }
            patch.erase_tensor(*old);
        }
        patch.erase_op(op);
        if let Some(reason) = session.forbidden(&patch) {
            let place = module.op_place(sg, op);
            session.missed(
                FORBIDDEN,
                place,
                format!("it computes what another op does, but {reason}"),
            );
            continue;
        }
        session.apply(patch)?;
        merged += 1;
    }
    session.count("ops-merged", merged as u64);
    Ok(merged)
}

/// Makes one tensor of constants that show the same buffer in the same way. Those that are quantised stay
/// apart, since kernels may change scales in place, and so do those that something else than an op refers
/// to. Returns how many went.
///
/// # Errors
/// Where a patch is refused, which is a mistake here.
pub fn merge_equal_constants(
    session: &mut Session<'_>,
    sg: SubgraphId,
) -> Result<usize, PassError> {
    let module = session.model();
    let graph = module.subgraph(sg);
    let referred = module.all_references(sg);
    let mut firsts: Firsts<BufferId, TensorId> = Firsts::default();
    let mut equal = Vec::new();
    for id in graph.tensors() {
        let tensor = graph.tensor(id);
        let plain = tensor.quantization.is_none() && tensor.expressed.is_none();
        let free = plain && !referred.contains_key(&id) && graph.is_read(id);
        if !free || module.fixed_constant(sg, id).is_none() {
            continue;
        }
        if let Some(kept) = firsts.of(tensor.buffer, id, |id| stored(graph.tensor(id))) {
            equal.push((id, kept));
        }
    }
    let mut merged = 0;
    for (old, kept) in equal {
        let graph = session.model().subgraph(sg);
        let mut patch = Patch::new(sg, "merge equal constants");
        for u in graph.uses(old) {
            patch.set_operand(u.op, u.slot, kept);
        }
        patch.erase_tensor(old);
        if session.forbidden(&patch).is_none() {
            session.apply(patch)?;
            merged += 1;
        }
    }
    session.count("constants-merged", merged as u64);
    Ok(merged)
}

/// The first ones of those that are equal in all that a text tells. Texts are long, and are written
/// only of what has the same key.
#[derive(Debug)]
struct Firsts<K, T>(HashMap<K, Alike<T>>);

/// With the texts that were written.
type Alike<T> = SmallVec<[(T, Option<String>); 1]>;

impl<K, T> Default for Firsts<K, T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash, T: Copy> Firsts<K, T> {
    /// The one that came before and is equal; otherwise the new one is a first.
    fn of(&mut self, key: K, new: T, text: impl Fn(T) -> String) -> Option<T> {
        let alike = self.0.entry(key).or_default();
        if alike.is_empty() {
            alike.push((new, None));
            return None;
        }
        let own = text(new);
        let equal = |(first, known): &mut (T, Option<String>)| {
            (*known.get_or_insert_with(|| text(*first)) == own).then_some(*first)
        };
        let found = alike.iter_mut().find_map(equal);
        if found.is_none() {
            alike.push((new, Some(own)));
        }
        found
    }
}

/// What is equal of equal ops, and seldom of others.
type Key = (OpKind, SmallVec<[Option<Value>; 4]>);

#[derive(Debug, PartialEq, Eq, Hash)]
enum Value {
    Constant(BufferId),
    Computed(TensorId),
}

fn key(module: &Module, sg: SubgraphId, op: OpId) -> Key {
    let graph = module.subgraph(sg);
    let value = |id: TensorId| match module.fixed_constant(sg, id) {
        Some(_) => Value::Constant(graph.tensor(id).buffer),
        None => Value::Computed(id),
    };
    let operands = graph.operands(op).into_iter();
    (graph.op(op).kind.clone(), operands.map(|id| id.map(value)).collect())
}

/// What an op computes, as text that two ops share only where their results have equal bits.
fn computation(module: &Module, sg: SubgraphId, op: OpId) -> String {
    let graph = module.subgraph(sg);
    let node = graph.op(op);
    let mut text = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        node.kind, node.attrs, node.extra_attrs, node.custom_options, node.notes
    );
    for operand in graph.operands(op) {
        let Some(id) = operand else {
            text += " _";
            continue;
        };
        let tensor = graph.tensor(id);
        // Two tensors that show the same constant in the same way are one value.
        match module.fixed_constant(sg, id) {
            Some(_) => text += &format!(" constant {:?} {}", tensor.buffer, stored(tensor)),
            None => text += &format!(" {id:?}"),
        }
    }
    for result in graph.results(op) {
        text += &format!(" -> {}", stored(graph.tensor(result)));
    }
    text
}

/// All of a tensor but its name and place.
fn stored(tensor: &tfq_ir::Tensor) -> String {
    let nameless = tfq_ir::Tensor { name: None, buffer: BufferId::NONE, ..tensor.clone() };
    format!("{nameless:?}")
}
