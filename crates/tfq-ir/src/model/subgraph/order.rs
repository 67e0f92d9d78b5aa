//! The order in which ops run: a linked list with keys that sort, so that an insertion costs O(1).

use super::{EdgeRole, NONE, Node, OpNode, Subgraph};
use crate::maps::HashSet;
use crate::{OpId, TensorId};
use fixedbitset::FixedBitSet;
use std::sync::Arc;

/// Distance of neighbouring order keys, so that an insertion rarely renumbers.
const KEY_STEP: u64 = 1 << 24;

impl Subgraph {
    /// Whether `first` runs before `second`.
    pub fn runs_before(&self, first: OpId, second: OpId) -> bool {
        self.op_node(first).key < self.op_node(second).key
    }

    /// The ops that read what no op before them computes, and they or a later one do, in order. Most
    /// often there are none: next to inputs that an op writes to and tensors without a single value
    /// only a graph that is not well-formed has some.
    pub(crate) fn early_readers(&self) -> Vec<OpId> {
        // Tensors that an op before computes or that none does, and those that a later one does: a
        // great many ops may name one, so that it is found out once.
        let mut made = FixedBitSet::with_capacity(self.nodes.len());
        let mut late: HashSet<TensorId> = HashSet::default();
        let mut is_late = |id: TensorId, made: &mut FixedBitSet| {
            if made.contains(id.uid as usize) {
                return false;
            }
            let is_late = late.contains(&id) || self.producers(id).next().is_some();
            match is_late {
                true => _ = late.insert(id),
                false => made.insert(id.uid as usize),
            }
            is_late
        };
        let reads_late = |op: &OpId| {
            let early = self.read_by(*op).any(|(_, id)| is_late(id, &mut made));
            made.extend(self.made_by(*op, EdgeRole::Result).map(|(_, id)| id.uid as usize));
            early
        };
        self.ops().filter(reads_late).collect()
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
