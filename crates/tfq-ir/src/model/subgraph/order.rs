//! The order in which ops run: a linked list with keys that sort, so that an insertion costs O(1).

use super::{EdgeRole, NONE, Node, OpNode, Subgraph};
use crate::{OpId, TensorId};
use std::sync::Arc;

/// Distance of neighbouring order keys, so that an insertion rarely renumbers.
const KEY_STEP: u64 = 1 << 24;

/// What the order and the edges of a subgraph say of all its ops and tensors, for who asks about
/// each.
pub(crate) struct Flow {
    /// By number.
    counts: Vec<u32>,
    /// The places of ops that read what no op before them computes, and they or a later one do, in
    /// order. There are none most often: next to inputs that an op writes to and tensors without a
    /// single value only a graph that is not well-formed has some.
    pub(crate) early: Vec<u32>,
}

impl Flow {
    /// How many results the op has that are there: with gaps they are fewer than its slots.
    pub(crate) fn results(&self, op: OpId) -> usize {
        self.counts[op.uid as usize] as usize
    }

    /// How many ops compute the tensor.
    pub(crate) fn makers(&self, tensor: TensorId) -> usize {
        self.counts[tensor.uid as usize] as usize
    }
}

impl Subgraph {
    /// Whether `first` runs before `second`.
    pub fn runs_before(&self, first: OpId, second: OpId) -> bool {
        self.op_node(first).key < self.op_node(second).key
    }

    /// What the order and the edges say of all ops and tensors.
    pub(crate) fn flow(&self) -> Flow {
        let (mut places, mut counts) = (vec![NONE; self.nodes.len()], vec![0; self.nodes.len()]);
        for (place, op) in (0..).zip(self.ops()) {
            places[op.uid as usize] = place;
        }
        let mut read = Vec::with_capacity(self.structure.edges.count());
        for (from, to, edge) in self.structure.edges.all() {
            let (from, to) = (from.index(), to.index());
            match edge.role() {
                EdgeRole::Operand => read.push((from as u32, to as u32)),
                EdgeRole::Result => {
                    places[to] = places[to].min(places[from]);
                    counts[from] += 1;
                    counts[to] += 1;
                }
                EdgeRole::Intermediate => (),
            }
        }
        let place = |number: u32| places[number as usize];
        let early = read.iter().filter(|(tensor, op)| {
            let made = place(*tensor);
            made != NONE && made >= place(*op)
        });
        let mut early: Vec<u32> = early.map(|(_, op)| place(*op)).collect();
        early.sort_unstable();
        early.dedup();
        Flow { counts, early }
    }

    pub(crate) fn key(&self, op: OpId) -> u64 {
        self.op_node(op).key
    }

    pub(crate) fn next_op(&self, op: OpId) -> Option<OpId> {
        let next = self.op_node(op).next;
        (next != NONE).then_some(OpId { graph: self.origin, uid: next })
    }

    pub(super) fn op_at_mut(&mut self, node: u32) -> &mut OpNode {
        match &mut self.nodes[node as usize] {
            Node::Op(node) => Arc::make_mut(node),
            Node::Tensor(_) | Node::Erased => unreachable!("it is an op"),
        }
    }

    pub(super) fn key_between(&mut self, prev: u32, next: u32) -> u64 {
        let low = self.op_node_at(prev).map_or(0, |node| node.key);
        let Some(high) = self.op_node_at(next).map(|node| node.key) else {
            return low + KEY_STEP;
        };
        if high - low >= 2 {
            return low + (high - low) / 2;
        }
        self.make_room(next);
        self.key_between(prev, next)
    }

    /// Spreads the keys around an op. Windows of keys around it are tried, each twice as large as
    /// the one before, until one is thinly filled; allowing less the larger it is keeps insertions
    /// at one place at O(log n) changed keys each, amortised (Bender et al., "Two simplified
    /// algorithms for maintaining order in a list").
    fn make_room(&mut self, op: u32) {
        let key_of = |graph: &Self, at: u32| graph.op_node_at(at).map(|node| node.key);
        let key = key_of(self, op).expect("it is an op");
        let (mut first, mut end, mut count) = (op, op, 0_u64);
        let mut most = 1.0_f64;
        for bits in 1..u64::BITS {
            let low = key >> bits << bits;
            let high = low + ((1 << bits) - 1);
            while let Some(before) = self.op_node_at(first).map(|node| node.prev)
                && key_of(self, before).is_some_and(|key| key >= low)
            {
                first = before;
                count += 1;
            }
            while key_of(self, end).is_some_and(|key| key <= high) {
                end = self.op_node_at(end).expect("it has a key").next;
                count += 1;
            }
            most *= 4.0 / 3.0;
            if bits == 1 || (count + 1) as f64 > most {
                continue;
            }
            let step = (1_u64 << bits) / (count + 1);
            let mut at = first;
            for n in 1..=count {
                let node = self.op_at_mut(at);
                node.key = low + step * n;
                at = node.next;
            }
            return;
        }
        unreachable!("2^32 ops fill no window of 2^63 keys");
    }
}
