//! The same subgraph in another order of making: for tests of determinism.

use super::{NONE, Node, Subgraph};
use crate::maps::{HashMap, IndexMap};
use crate::{OpId, TensorId};
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use std::sync::Arc;

/// Where tensors and ops of a subgraph went.
pub(crate) struct Moved {
    pub(crate) tensors: HashMap<TensorId, TensorId>,
    pub(crate) ops: HashMap<OpId, OpId>,
}

impl Subgraph {
    /// The same subgraph with its nodes and edges made in another order, and where each went.
    pub(crate) fn shuffled(&self, rng: &mut fastrand::Rng) -> (Self, Moved) {
        let mut order: Vec<NodeIndex> = self.graph.node_indices().collect();
        rng.shuffle(&mut order);
        let mut graph = StableDiGraph::new();
        let mut nodes = Vec::with_capacity(order.len());
        let mut place: HashMap<u32, (u32, u32)> = HashMap::default();
        for (uid, old) in (0..).zip(&order) {
            let mut node = self.graph[*old].clone();
            match &mut node {
                Node::Op(op) => Arc::make_mut(op).uid = uid,
                Node::Tensor(tensor) => Arc::make_mut(tensor).uid = uid,
            }
            let new = graph.add_node(node);
            nodes.push(new.index() as u32);
            place.insert(old.index() as u32, (uid, new.index() as u32));
        }
        let mut edges: Vec<_> = self.graph.edge_references().collect();
        rng.shuffle(&mut edges);
        for edge in edges {
            let end = |node: NodeIndex| NodeIndex::new(place[&(node.index() as u32)].1 as usize);
            graph.add_edge(end(edge.source()), end(edge.target()), *edge.weight());
        }
        let uid = |old: NodeIndex| place[&(old.index() as u32)].0;
        let tensor =
            |old: TensorId| TensorId { uid: uid(self.node_of_tensor(old)), graph: self.origin };
        let moved = Moved {
            tensors: self.tensors().map(|old| (old, tensor(old))).collect(),
            ops: self
                .ops()
                .map(|old| (old, OpId { uid: uid(self.node_of_op(old)), graph: self.origin }))
                .collect(),
        };
        let node = |old: u32| if old == NONE { NONE } else { place[&old].1 };
        for at in order.iter().map(|old| NodeIndex::new(node(old.index() as u32) as usize)) {
            match &mut graph[at] {
                Node::Op(op) => {
                    let op = Arc::make_mut(op);
                    (op.prev, op.next) = (node(op.prev), node(op.next));
                }
                Node::Tensor(t) => {
                    if t.tensor.links().next().is_some() {
                        Arc::make_mut(t).tensor.each_link(tensor);
                    }
                }
            }
        }
        let mut shuffled = Self {
            graph,
            inputs: self.inputs().iter().copied().map(tensor).collect(),
            outputs: self.outputs().iter().copied().map(tensor).collect(),
            tensors: self.tensors().map(tensor).collect(),
            first: node(self.first),
            last: node(self.last),
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
