//! The same subgraph in another order of making: for tests of determinism.

use super::edges::Edges;
use super::{EdgeRole, NONE, Node, Structure, Subgraph};
use crate::maps::{HashMap, IndexMap};
use crate::{OpId, TensorId};
use petgraph::stable_graph::NodeIndex;
use std::sync::Arc;

/// Where tensors and ops of a subgraph went.
pub(crate) struct Moved {
    pub(crate) tensors: HashMap<TensorId, TensorId>,
    pub(crate) ops: HashMap<OpId, OpId>,
}

impl Subgraph {
    /// The same subgraph with its nodes and edges made in another order, and where each went.
    pub(crate) fn shuffled(&self, rng: &mut fastrand::Rng) -> (Self, Moved) {
        let is_there = |uid: &u32| !matches!(self.nodes[*uid as usize], Node::Erased);
        let mut order: Vec<u32> = (0..self.nodes.len() as u32).filter(is_there).collect();
        rng.shuffle(&mut order);
        let mut place = vec![NONE; self.nodes.len()];
        let mut edges = Edges::default();
        for (new, old) in (0..).zip(&order) {
            edges.add_node();
            place[*old as usize] = new;
        }
        let uid = |old: u32| if old == NONE { NONE } else { place[old as usize] };
        let mut all: Vec<_> = self.structure.edges.all().collect();
        rng.shuffle(&mut all);
        for (from, to, edge) in all {
            let [from, to] = [from, to].map(|end| NodeIndex::new(uid(end.index() as u32) as usize));
            match edge.role() {
                EdgeRole::Operand => edges.add(to, from, edge),
                _ => edges.add(from, to, edge),
            }
        }
        let tensor = |old: TensorId| TensorId { uid: uid(old.uid), ..old };
        let op = |old: OpId| OpId { uid: uid(old.uid), ..old };
        let moved = Moved {
            tensors: self.tensors().map(|old| (old, tensor(old))).collect(),
            ops: self.ops().map(|old| (old, op(old))).collect(),
        };
        let mut nodes: Vec<Node> =
            order.iter().map(|old| self.nodes[*old as usize].clone()).collect();
        for node in &mut nodes {
            match node {
                Node::Op(op) => {
                    let op = Arc::make_mut(op);
                    (op.prev, op.next) = (uid(op.prev), uid(op.next));
                }
                Node::Tensor(t) => {
                    if t.has_links() {
                        Arc::make_mut(t).each_link(tensor);
                    }
                }
                Node::Erased => (),
            }
        }
        let tensors = self.tensors().map(|old| tensor(old).uid).collect();
        let mut shuffled = Self {
            structure: Arc::new(Structure { edges, tensors }),
            inputs: self.inputs().iter().copied().map(tensor).collect(),
            outputs: self.outputs().iter().copied().map(tensor).collect(),
            first: uid(self.first),
            last: uid(self.last),
            nodes,
            name: self.name.clone(),
            links: IndexMap::default(),
            odd: self.oddities().map(|(old, why)| (tensor(old), why)).collect(),
            ..*self
        };
        shuffled.count_links();
        (shuffled, moved)
    }
}
