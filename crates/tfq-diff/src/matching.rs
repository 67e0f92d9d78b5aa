//! Which op and tensor of one subgraph is which of the other.

use crate::graph::{Graph, Role};
use crate::pairing::Pairing;
use crate::twins::twins;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use tfq_ir::Op;
use tfq_ir::ops::{OpClass, semantics_of};

pub(crate) struct Matching {
    pub(crate) ops: Pairing,
    pub(crate) tensors: Pairing,
}

pub(crate) fn matching(a: &Graph<'_>, b: &Graph<'_>) -> Matching {
    // Whatever names and contents are there more than once, a model is the same as itself.
    if a.corresponds(b) {
        let (ops, tensors) = (a.ops.len(), a.tensors.len());
        return Matching { ops: Pairing::in_place(ops), tensors: Pairing::in_place(tensors) };
    }
    let mut matcher = Matcher {
        a,
        b,
        ops: Pairing::new(a.ops.len(), b.ops.len()),
        tensors: Pairing::new(a.tensors.len(), b.tensors.len()),
        named: named(a, b),
        twins: twins(a, b),
        first_free: vec![0; b.tensors.len()],
    };
    matcher.names(Role::Given);
    matcher.ends();
    if matcher.names_hold() {
        matcher.names(Role::Constant);
    }
    let (anchors, shifted) = matcher.anchors();
    if shifted {
        anchors.iter().for_each(|(x, y)| matcher.pair_ops(*x, *y));
        matcher.spread();
    }
    if matcher.kinds_disagree() {
        matcher.spread();
        matcher.all_surroundings();
    }
    matcher.names(Role::Computed);
    matcher.results_by_name();
    anchors.iter().for_each(|(x, y)| matcher.pair_ops(*x, *y));
    matcher.spread();
    matcher.all_surroundings();
    matcher.sequence();
    matcher.spread();
    matcher.constants();
    Matching { ops: matcher.ops, tensors: matcher.tensors }
}

/// Tensors of one name and role, where no other has the name.
fn named(a: &Graph<'_>, b: &Graph<'_>) -> Pairing {
    let by_name = |graph: &Graph<'_>| {
        let mut found: HashMap<_, Option<u32>> = HashMap::with_capacity(graph.tensors.len());
        for n in 0..graph.tensors.len() as u32 {
            let Some(name) = graph.tensor(n).name.clone().filter(|name| !name.is_empty()) else {
                continue;
            };
            found.entry(name).and_modify(|n| *n = None).or_insert(Some(n));
        }
        found
    };
    let (in_a, in_b) = (by_name(a), by_name(b));
    let mut named = Pairing::new(a.tensors.len(), b.tensors.len());
    for n in 0..a.tensors.len() as u32 {
        let Some(name) = a.tensor(n).name.as_ref() else { continue };
        if let (Some(Some(first)), Some(Some(other))) = (in_a.get(name), in_b.get(name))
            && *first == n
            && a.roles[n as usize] == b.roles[*other as usize]
        {
            named.pair(n, *other);
        }
    }
    named
}

/// How many readers of a tensor are looked at for one op. More means a tensor that half of the
/// model reads, which says little about an op.
const CANDIDATES: usize = 64;
/// Sequences of up to this many ops are aligned exactly.
const ALIGNED: usize = 4000;

struct Matcher<'g, 'm> {
    a: &'g Graph<'m>,
    b: &'g Graph<'m>,
    ops: Pairing,
    tensors: Pairing,
    /// Tensors of the same name.
    named: Pairing,
    /// Constants of the same contents.
    twins: Pairing,
    /// For each tensor of `b` how many of its first readers are taken, so that a tensor with
    /// many readers is not gone through again and again.
    first_free: Vec<usize>,
}

impl Matcher<'_, '_> {
    /// Goes by what surrounds ops, first by more of it.
    fn all_surroundings(&mut self) {
        for radius in [3, 1] {
            if self.all_done() {
                break;
            }
            self.surroundings(radius);
            self.spread();
        }
    }

    fn all_done(&self) -> bool {
        self.ops.ab.iter().all(Option::is_some) || self.ops.ba.iter().all(Option::is_some)
    }

    /// Pairs tensors of one name, if they can be the same.
    fn names(&mut self, role: Role) {
        for n in 0..self.a.tensors.len() as u32 {
            let Some(other) = self.named.ab[n as usize] else { continue };
            let likely = role != Role::Constant || self.alike(n, other);
            if self.a.roles[n as usize] == role && likely {
                self.tensors.pair(n, other);
            }
        }
    }

    /// Whether names of constants say nothing that their contents, types and shapes contradict.
    fn names_hold(&self) -> bool {
        (0..self.a.tensors.len() as u32).all(|n| {
            let Some(other) = self.named.ab[n as usize] else { return true };
            let twin = (self.twins.ab[n as usize], self.twins.ba[other as usize]);
            let holds = match twin {
                (None, None) => self.alike(n, other),
                twin => twin == (Some(other), Some(n)),
            };
            holds || self.a.roles[n as usize] != Role::Constant
        })
    }

    /// Whether so many results of one name are computed by ops of two kinds that the names say
    /// nothing. Some do that where ops were fused.
    fn kinds_disagree(&self) -> bool {
        const SOME: usize = 8;
        let kinds = self.named.ab.iter().enumerate().filter_map(|(n, other)| {
            let (a, b) = (self.a.producers[n]?, self.b.producers[(*other)? as usize]?);
            let free = self.ops.free(a, b);
            let (a, b) = (&self.a.ops[a as usize], &self.b.ops[b as usize]);
            free.then_some(a.op.kind == b.op.kind)
        });
        let (all, alike) =
            kinds.fold((0, 0), |(n, alike), same| (n + 1, alike + usize::from(same)));
        all - alike >= SOME && 4 * alike < 3 * all
    }

    /// Ops of one kind that are the only readers of constants with the same contents, in an order
    /// that both sides have; and whether they show that names of results moved along the ops.
    fn anchors(&self) -> (Vec<(u32, u32)>, bool) {
        let mut found: Vec<(u32, u32)> = Vec::new();
        let mut taken = vec![false; self.b.ops.len()];
        for n in 0..self.a.ops.len() as u32 {
            let twin = |slot: usize, operand: u32| {
                let twin = self.twins.ab[operand as usize]?;
                let lone = |users: &[(u32, u32)]| users.len() == 1;
                let users = &self.b.users[twin as usize];
                let (op, at) = *users.first()?;
                let same = at as usize == slot
                    && lone(users)
                    && lone(&self.a.users[operand as usize])
                    && self.b.ops[op as usize].op.kind == self.a.ops[n as usize].op.kind;
                same.then_some(op)
            };
            let operands = self.a.ops[n as usize].operands.iter().enumerate();
            let mut twins = operands.filter_map(|(slot, operand)| twin(slot, (*operand)?));
            let Some(op) = twins.next() else { continue };
            if twins.all(|other| other == op) && !std::mem::replace(&mut taken[op as usize], true) {
                found.push((n, op));
            }
        }
        let order: Vec<u32> = found.iter().map(|(_, other)| *other).collect();
        let kept = in_order(&order);
        // Two layers that swapped their weights are no ops that moved.
        let contradicting = |x: u32, y: u32| {
            let result =
                |graph: &Graph<'_>, op: u32| graph.ops[op as usize].results.first().copied();
            let (Some(first), Some(second)) = (result(self.a, x), result(self.b, y)) else {
                return false;
            };
            let (there, back) = (self.named.ab[first as usize], self.named.ba[second as usize]);
            there.is_some_and(|t| t != second) && back.is_some_and(|t| t != first)
        };
        let count = |wanted: bool| {
            let each = found.iter().zip(&kept).filter(|(_, kept)| **kept == wanted);
            each.filter(|((x, y), _)| contradicting(*x, *y)).count()
        };
        let shifted = count(true) > count(false);
        let each = found.iter().zip(&kept).filter(|(_, kept)| **kept);
        (each.map(|(pair, _)| *pair).collect(), shifted)
    }

    /// Constants whose readers did not tell which is which.
    fn constants(&mut self) {
        for n in 0..self.a.tensors.len() as u32 {
            if let Some(twin) = self.twins.ab[n as usize] {
                self.tensors.pair(n, twin);
            }
        }
        for n in 0..self.a.ops.len() {
            let Some(other) = self.ops.ab[n] else { continue };
            let operands = self.a.ops[n].operands.iter().zip(&self.b.ops[other as usize].operands);
            for (x, y) in operands {
                if let (Some(x), Some(y)) = (*x, *y)
                    && !self.tensors.paired(x, y)
                {
                    self.pair_alike(stored(self.a, x), stored(self.b, y));
                }
            }
        }
        self.names(Role::Constant);
    }

    /// Inputs that no name paired, where both sides have as many of them.
    fn ends(&mut self) {
        let rest = |list: &[tfq_ir::TensorId], graph: &Graph<'_>, taken: &[Option<u32>]| {
            let each = list.iter().map(|t| graph.numbers[t]);
            each.filter(|n| taken[*n as usize].is_none()).collect::<Vec<u32>>()
        };
        let in_a = rest(self.a.graph.inputs(), self.a, &self.tensors.ab);
        let in_b = rest(self.b.graph.inputs(), self.b, &self.tensors.ba);
        if in_a.len() == in_b.len() {
            for (a, b) in in_a.into_iter().zip(in_b) {
                self.pair_alike(a, b);
            }
        }
    }

    /// Ops of one kind whose first results have one name.
    fn results_by_name(&mut self) {
        for n in 0..self.a.ops.len() as u32 {
            let Some(first) = self.a.ops[n as usize].results.first() else { continue };
            let Some(other) = self.tensors.ab[*first as usize] else { continue };
            let Some(op) = self.b.producers[other as usize] else { continue };
            if self.b.ops[op as usize].results.first() == Some(&other) {
                self.pair_ops(n, op);
            }
        }
    }

    /// Pairs ops by what was paired around them, forwards and then backwards.
    fn spread(&mut self) {
        for n in 0..self.a.ops.len() as u32 {
            if self.ops.ab[n as usize].is_none()
                && let Some(other) = self.by_operands(n)
            {
                self.pair_ops(n, other);
            }
        }
        for n in (0..self.a.ops.len() as u32).rev() {
            if self.ops.ab[n as usize].is_none()
                && let Some(other) = self.by_readers(n)
            {
                self.pair_ops(n, other);
            }
        }
    }

    /// An op of the kind of `n` that reads the same.
    fn by_operands(&mut self, n: u32) -> Option<u32> {
        let node = &self.a.ops[n as usize];
        let paired = node.operands.iter().enumerate().filter_map(|(slot, operand)| {
            Some((slot as u32, self.tensors.ab[(*operand)? as usize]?))
        });
        // The operand that the fewest others read tells most.
        let (slot, anchor) = paired.min_by_key(|(_, t)| self.b.users[*t as usize].len())?;
        let users = &self.b.users[anchor as usize];
        let free = &mut self.first_free[anchor as usize];
        while users.get(*free).is_some_and(|(op, _)| self.ops.ba[*op as usize].is_some()) {
            *free += 1;
        }
        let candidates = users[*free..].iter().take(CANDIDATES).filter(|(op, at)| {
            let other = &self.b.ops[*op as usize];
            *at == slot
                && self.ops.ba[*op as usize].is_none()
                && other.op.kind == node.op.kind
                && self.same_operands(n, *op)
        });
        let mut best: Option<(u32, u32)> = None;
        for (op, _) in candidates {
            let likeness = self.likeness(n, *op);
            if best.is_none_or(|(most, _)| likeness > most) {
                best = Some((likeness, *op));
            }
        }
        best.map(|(_, op)| op)
    }

    /// Whether two ops read the same: paired tensors, and constants where neither has a pair.
    fn same_operands(&self, a: u32, b: u32) -> bool {
        let (first, second) = (&self.a.ops[a as usize].operands, &self.b.ops[b as usize].operands);
        first.len() == second.len()
            && first.iter().zip(second).all(|pair| match pair {
                (None, None) => true,
                (Some(x), Some(y)) => {
                    self.tensors.paired(*x, *y) || self.tensors.free(*x, *y) && self.alike(*x, *y)
                }
                _ => false,
            })
    }

    /// How much more two ops of a kind agree in than they must.
    fn likeness(&self, a: u32, b: u32) -> u32 {
        let (first, second) = (&self.a.ops[a as usize], &self.b.ops[b as usize]);
        let attributes = first.op.attrs == second.op.attrs;
        let results = first.results.len() == second.results.len()
            && first.results.iter().zip(&second.results).all(|(x, y)| {
                let (x, y) = (self.a.tensor(*x), self.b.tensor(*y));
                x.ty == y.ty && x.shape == y.shape
            });
        let operands = || first.operands.iter().zip(&second.operands);
        let twin = operands().any(|(x, y)| match (*x, *y) {
            (Some(x), Some(y)) => self.twins.paired(x, y),
            _ => false,
        });
        let name = match (first.results.first(), second.results.first()) {
            (Some(x), Some(y)) => self.named.paired(*x, *y),
            _ => false,
        };
        u32::from(twin) * 8 + u32::from(name) * 4 + u32::from(attributes) * 2 + u32::from(results)
    }

    /// An op of the kind of `n` whose results go the same way.
    fn by_readers(&self, n: u32) -> Option<u32> {
        let node = &self.a.ops[n as usize];
        for (place, result) in node.results.iter().enumerate() {
            for (reader, slot) in self.a.users[*result as usize].iter().take(CANDIDATES) {
                let Some(other) = self.ops.ab[*reader as usize] else { continue };
                let operand = self.b.ops[other as usize].operands.get(*slot as usize).copied();
                let Some(op) = operand.flatten().and_then(|t| self.b.producers[t as usize]) else {
                    continue;
                };
                let made = &self.b.ops[op as usize];
                if self.ops.ba[op as usize].is_none()
                    && made.op.kind == node.op.kind
                    && made.results.get(place).copied() == operand.flatten()
                {
                    return Some(op);
                }
            }
        }
        None
    }

    /// Ops that nothing paired so far, by what they and the ops near them are.
    fn surroundings(&mut self, radius: usize) {
        let in_a = self.hashes(self.a, radius, |t| self.tensors.ab[t as usize].map(|_| t));
        let in_b = self.hashes(self.b, radius, |t| self.tensors.ba[t as usize]);
        let mut groups: HashMap<u64, (Vec<u32>, Vec<u32>)> = HashMap::new();
        for (n, hash) in in_a.iter().enumerate() {
            if self.ops.ab[n].is_none() {
                groups.entry(*hash).or_default().0.push(n as u32);
            }
        }
        for (n, hash) in in_b.iter().enumerate() {
            if self.ops.ba[n].is_none()
                && let Some(group) = groups.get_mut(hash)
            {
                group.1.push(n as u32);
            }
        }
        for n in 0..self.a.ops.len() as u32 {
            let Some((first, second)) = groups.remove(&in_a[n as usize]) else { continue };
            // Repeated blocks look alike: as many on both sides are the same in the same order.
            if first.len() == second.len() {
                for (x, y) in first.into_iter().zip(second) {
                    self.pair_ops(x, y);
                }
            }
        }
    }

    /// A hash of each op and of the ops up to `radius` steps from it. Tensors that are paired
    /// count as their pair, which `name` gives.
    fn hashes(
        &self,
        graph: &Graph<'_>,
        radius: usize,
        name: impl Fn(u32) -> Option<u32>,
    ) -> Vec<u64> {
        let mut hashes: Vec<u64> = graph
            .ops
            .iter()
            .map(|node| {
                let mut hasher = DefaultHasher::new();
                hash_op(node.op, &mut hasher);
                for operand in &node.operands {
                    let Some(operand) = *operand else {
                        hasher.write_u8(0);
                        continue;
                    };
                    graph.roles[operand as usize].hash(&mut hasher);
                    name(operand).hash(&mut hasher);
                    if graph.roles[operand as usize] == Role::Constant {
                        let tensor = graph.tensor(operand);
                        (tensor.ty, &tensor.shape).hash(&mut hasher);
                    }
                }
                for result in &node.results {
                    let tensor = graph.tensor(*result);
                    (tensor.ty, &tensor.shape).hash(&mut hasher);
                    self.is_output(graph, *result).hash(&mut hasher);
                }
                hasher.finish()
            })
            .collect();
        for _ in 0..radius {
            let around = |node: &crate::graph::Node<'_>| {
                let mut hasher = DefaultHasher::new();
                for operand in &node.operands {
                    let producer = operand.and_then(|t| graph.producers[t as usize]);
                    producer.map(|op| hashes[op as usize]).hash(&mut hasher);
                }
                for result in &node.results {
                    // Readers count in any order.
                    let each = graph.users[*result as usize].iter();
                    let sum = each.fold(0_u64, |sum, (op, slot)| {
                        sum.wrapping_add(hashes[*op as usize].rotate_left(*slot))
                    });
                    sum.hash(&mut hasher);
                }
                hasher.finish()
            };
            hashes = graph.ops.iter().zip(&hashes).map(|(n, own)| mix(*own, around(n))).collect();
        }
        hashes
    }

    fn is_output(&self, graph: &Graph<'_>, tensor: u32) -> bool {
        graph.users[tensor as usize].is_empty() && graph.returned[tensor as usize]
    }

    /// What is left, in sequence: ops of one kind whose results have the same types and shapes.
    fn sequence(&mut self) {
        let rest = |graph: &Graph<'_>, taken: &[Option<u32>]| -> Vec<(u32, u64)> {
            let free = (0..graph.ops.len() as u32).filter(|n| taken[*n as usize].is_none());
            let token = |n: u32| {
                let mut hasher = DefaultHasher::new();
                let node = &graph.ops[n as usize];
                node.op.kind.hash(&mut hasher);
                for result in &node.results {
                    let tensor = graph.tensor(*result);
                    (tensor.ty, &tensor.shape).hash(&mut hasher);
                }
                hasher.finish()
            };
            free.map(|n| (n, token(n))).collect()
        };
        let (in_a, in_b) = (rest(self.a, &self.ops.ab), rest(self.b, &self.ops.ba));
        if in_a.len().max(in_b.len()) <= ALIGNED {
            let tokens = |list: &[(u32, u64)]| list.iter().map(|(_, t)| *t).collect::<Vec<u64>>();
            let aligned = similar::capture_diff_slices(
                similar::Algorithm::Myers,
                &tokens(&in_a),
                &tokens(&in_b),
            );
            for step in aligned {
                if let similar::DiffOp::Equal { old_index, new_index, len } = step {
                    for n in 0..len {
                        self.pair_ops(in_a[old_index + n].0, in_b[new_index + n].0);
                    }
                }
            }
            return;
        }
        // Too many for an alignment: the first of a kind with the first, and so on.
        let mut waiting: HashMap<u64, std::collections::VecDeque<u32>> = HashMap::new();
        for (n, token) in in_b {
            waiting.entry(token).or_default().push_back(n);
        }
        for (n, token) in in_a {
            if let Some(other) = waiting.get_mut(&token).and_then(|list| list.pop_front()) {
                self.pair_ops(n, other);
            }
        }
    }

    fn pair_ops(&mut self, a: u32, b: u32) {
        let (first, second) = (&self.a.ops[a as usize], &self.b.ops[b as usize]);
        if first.op.kind != second.op.kind || !self.ops.pair(a, b) {
            return;
        }
        for (x, y) in first.results.iter().zip(&second.results) {
            self.tensors.pair(*x, *y);
        }
        let operands = first.operands.iter().zip(&second.operands);
        let scratch = first.scratch.iter().zip(&second.scratch);
        for (x, y) in operands.chain(scratch) {
            if let (Some(x), Some(y)) = (x, y) {
                self.pair_alike(*x, *y);
            }
        }
    }

    /// Pairs tensors that no op computes, if they can be the same.
    fn pair_alike(&mut self, a: u32, b: u32) {
        if self.alike(a, b) {
            self.tensors.pair(a, b);
        }
    }

    fn alike(&self, a: u32, b: u32) -> bool {
        let (role, other) = (self.a.roles[a as usize], self.b.roles[b as usize]);
        let (x, y) = (self.a.tensor(a), self.b.tensor(b));
        role == other && role != Role::Computed && (x.shape == y.shape || x.ty == y.ty)
    }
}

/// The constant that an operand is made from by ops that only convert it, or the operand.
fn stored(graph: &Graph<'_>, operand: u32) -> u32 {
    let converts = |op: &Op| semantics_of(op).is_some_and(|what| what.class == OpClass::Convert);
    let mut at = operand;
    // A sparse one may be stored in half precision too.
    for _ in 0..2 {
        if let Some(op) = graph.producers[at as usize]
            && converts(graph.ops[op as usize].op)
            && let Some(Some(from)) = graph.ops[op as usize].operands.first()
        {
            at = *from;
        }
    }
    if graph.roles[at as usize] == Role::Constant { at } else { operand }
}

/// An op without its operands and results.
fn hash_op(op: &Op, hasher: &mut DefaultHasher) {
    op.kind.hash(hasher);
    for attrs in op.attrs.iter().chain(op.extra_attrs.as_deref()) {
        (attrs.options().union, attrs.options().tag).hash(hasher);
        for (info, value) in attrs.set_values() {
            (info.id, format!("{value:?}")).hash(hasher);
        }
    }
    op.custom_options.bytes.hash(hasher);
}

fn mix(a: u64, b: u64) -> u64 {
    (a.rotate_left(25) ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Which of a list of distinct numbers stand in order, as many as can: a longest increasing
/// subsequence.
pub(crate) fn in_order(list: &[u32]) -> Vec<bool> {
    // For each length the place of the least number that ends such a sequence.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![usize::MAX; list.len()];
    for (n, value) in list.iter().enumerate() {
        let at = ends.partition_point(|end| list[*end] < *value);
        if at > 0 {
            before[n] = ends[at - 1];
        }
        if at == ends.len() {
            ends.push(n);
        } else {
            ends[at] = n;
        }
    }
    let mut kept = vec![false; list.len()];
    let mut at = ends.last().copied().unwrap_or(usize::MAX);
    while at != usize::MAX {
        kept[at] = true;
        at = before[at];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn the_longest_ordered_part_stays() {
        assert_eq!(in_order(&[]), [] as [bool; 0]);
        assert_eq!(in_order(&[0, 1, 2]), [true; 3]);
        assert_eq!(in_order(&[3, 0, 1, 2]), [false, true, true, true]);
        assert_eq!(in_order(&[1, 2, 0, 3]), [true, true, false, true]);
    }
}
