//! A subgraph with numbers for ops and tensors, so that pairs are plain lists.

use crate::Elided;
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use tfq_ir::{Module, Op, OpId, Subgraph, SubgraphId, Tensor, TensorId};

pub(crate) struct Graph<'m> {
    pub(crate) module: &'m Module,
    pub(crate) id: SubgraphId,
    pub(crate) graph: &'m Subgraph,
    /// In execution order.
    pub(crate) ops: Vec<Node<'m>>,
    /// In file order.
    pub(crate) tensors: Vec<TensorId>,
    pub(crate) roles: Vec<Role>,
    /// The op that computes a tensor.
    pub(crate) producers: Vec<Option<u32>>,
    /// Ops that read a tensor, in order, with the slot.
    pub(crate) users: Vec<Vec<(u32, u32)>>,
    pub(crate) numbers: HashMap<TensorId, u32>,
    /// Whether the subgraph returns a tensor.
    pub(crate) returned: Vec<bool>,
    /// Which constants are made up.
    pub(crate) elided: &'m Elided,
}

pub(crate) struct Node<'m> {
    pub(crate) id: OpId,
    pub(crate) op: &'m Op,
    pub(crate) operands: Vec<Option<u32>>,
    pub(crate) results: Vec<u32>,
    pub(crate) scratch: Vec<Option<u32>>,
}

/// Where a tensor's contents come from. Only tensors of one role are the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Computed,
    Constant,
    /// Inputs, variables, scratch.
    Given,
}

/// Whether two constants have the same bytes. Of two states of one model most are the same ones.
pub(crate) fn same_bytes(a: &Bytes, b: &Bytes) -> bool {
    a.len() == b.len() && (a.as_ptr() == b.as_ptr() || a == b)
}

impl<'m> Graph<'m> {
    pub(crate) fn new(module: &'m Module, elided: &'m Elided, id: SubgraphId) -> Self {
        let graph = module.subgraph(id);
        let tensors: Vec<TensorId> = graph.tensors().collect();
        let numbers: HashMap<TensorId, u32> =
            tensors.iter().enumerate().map(|(n, id)| (*id, n as u32)).collect();
        let mut roles: Vec<Role> = tensors
            .iter()
            .map(|t| if module.constant(id, *t).is_some() { Role::Constant } else { Role::Given })
            .collect();
        let mut producers = vec![None; tensors.len()];
        let mut users = vec![Vec::new(); tensors.len()];
        let mut ops = Vec::with_capacity(graph.op_count());
        for (n, op) in graph.ops().enumerate() {
            let n = n as u32;
            let some = |t: Option<TensorId>| t.map(|t| numbers[&t]);
            let node = Node {
                id: op,
                op: graph.op(op),
                operands: graph.operands(op).into_iter().map(some).collect(),
                results: graph.results(op).into_iter().map(|t| numbers[&t]).collect(),
                scratch: graph.intermediates(op).into_iter().map(some).collect(),
            };
            for result in &node.results {
                producers[*result as usize] = Some(n);
                roles[*result as usize] = Role::Computed;
            }
            for (slot, operand) in node.operands.iter().enumerate() {
                if let Some(operand) = operand {
                    users[*operand as usize].push((n, slot as u32));
                }
            }
            ops.push(node);
        }
        let mut returned = vec![false; tensors.len()];
        graph.outputs().iter().for_each(|t| returned[numbers[t] as usize] = true);
        Self { module, id, graph, ops, tensors, roles, producers, users, numbers, returned, elided }
    }

    /// Whether two subgraphs are one as far as it tells who is who: the same ops read and compute
    /// the same tensors, with the same names and contents. What they do not share then (say, an
    /// attribute) is a difference of what stands at the same place.
    pub(crate) fn corresponds(&self, other: &Self) -> bool {
        let numbers = |graph: &Self, list: &[TensorId]| -> Vec<u32> {
            list.iter().map(|t| graph.numbers[t]).collect()
        };
        let mut seen = HashSet::new();
        let mut contents = |n: u32| {
            let buffers = [self, other].map(|g| g.tensor(n).buffer);
            if !seen.insert(buffers) {
                return true;
            }
            let told = [self.elided.get(buffers[0]), other.elided.get(buffers[1])];
            match (told, [self.bytes(n), other.bytes(n)]) {
                ([None, None], [Some(a), Some(b)]) => same_bytes(a, b),
                (told, bytes) => told[0] == told[1] && bytes[0].is_some() == bytes[1].is_some(),
            }
        };
        self.ops.len() == other.ops.len()
            && self.tensors.len() == other.tensors.len()
            && self.roles == other.roles
            && numbers(self, self.graph.inputs()) == numbers(other, other.graph.inputs())
            && numbers(self, self.graph.outputs()) == numbers(other, other.graph.outputs())
            && self.ops.iter().zip(&other.ops).all(|(a, b)| {
                a.op.kind == b.op.kind
                    && a.operands == b.operands
                    && a.results == b.results
                    && a.scratch == b.scratch
            })
            && (0..self.tensors.len() as u32).all(|n| self.tensor(n).name == other.tensor(n).name)
            && (0..self.tensors.len() as u32).all(&mut contents)
    }

    /// The contents of a constant.
    pub(crate) fn bytes(&self, n: u32) -> Option<&'m Bytes> {
        self.module.constants().constant(self.tensor(n).buffer)
    }

    pub(crate) fn tensor(&self, n: u32) -> &'m Tensor {
        self.graph.tensor(self.tensors[n as usize])
    }
}
