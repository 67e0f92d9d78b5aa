//! A subgraph: ops and tensors over petgraph, which stays private.
//!
//! The graph is bipartite (op nodes and tensor nodes), and this layer closes what petgraph
//! leaves open:
//! * edges come back newest first, so every edge carries its role and slot;
//! * freed indices are reused at once, so handles carry a number of their own that a table maps to
//!   an index, and a stale one is noticed; so is one of another subgraph, whose number it carries;
//! * a topological sort breaks ties by chance, so execution order is data: a linked list with
//!   sortable keys;
//! * petgraph's serde changes edge order, so the graph is never serialised;
//! * `add_edge` accepts cycles, so a patch that breaks the order is refused before it is applied.

mod build;
mod change;
mod hash;
mod order;
mod shuffle;

pub use build::SubgraphBuilder;
pub(crate) use shuffle::Moved;

use super::places::Places;
use crate::maps::IndexMap;
use crate::{Oddity, Op, OpId, Operands, Tensor, TensorId, Use};
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// How an op and a tensor hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EdgeRole {
    Operand,
    Result,
    Intermediate,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) role: EdgeRole,
    pub(crate) slot: u32,
}

const NONE: u32 = u32::MAX;
#[derive(Clone, Debug)]
pub(crate) struct OpNode {
    pub(crate) op: Op,
    uid: u32,
    pub(crate) operands: u32,
    pub(crate) results: u32,
    pub(crate) intermediates: u32,
    prev: u32,
    next: u32,
    key: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct TensorNode {
    pub(crate) tensor: Tensor,
    uid: u32,
}

/// Behind `Arc`, so that a snapshot of the graph shares every node that did not change.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Op(Arc<OpNode>),
    Tensor(Arc<TensorNode>),
}

/// A function of the model: tensors, ops in execution order, inputs and outputs.
///
/// Read here, change through [`crate::Patch`].
#[derive(Clone, Debug)]
pub struct Subgraph {
    /// Its name in the file.
    pub name: Option<Arc<str>>,
    /// Index into the debug metadata, -1 for none.
    pub debug_metadata_index: i32,
    origin: u32,
    graph: StableDiGraph<Node, Edge>,
    /// The node of each op and tensor by its number, [`NONE`] where it was erased.
    nodes: Vec<u32>,
    inputs: Ports,
    outputs: Ports,
    /// File order; may hold stale ids of erased tensors until the next compaction.
    tensors: Vec<TensorId>,
    live_tensors: usize,
    live_ops: usize,
    first: u32,
    last: u32,
    /// Tensors that others name in their quantisation, and how often; next to no model has one.
    links: IndexMap<TensorId, u32>,
    /// Tensors without a single value, which came so; next to no model has one.
    odd: IndexMap<TensorId, Oddity>,
    epoch: u64,
}

impl Default for Subgraph {
    fn default() -> Self {
        Self {
            name: None,
            debug_metadata_index: -1,
            origin: 0,
            graph: StableDiGraph::new(),
            nodes: Vec::new(),
            inputs: Ports::default(),
            outputs: Ports::default(),
            tensors: Vec::new(),
            live_tensors: 0,
            live_ops: 0,
            first: NONE,
            last: NONE,
            links: IndexMap::default(),
            odd: IndexMap::default(),
            epoch: 0,
        }
    }
}

/// What a subgraph takes or returns, in order, and to be looked up.
#[derive(Clone, Default)]
struct Ports {
    order: Vec<TensorId>,
    places: Places<u32>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.order.fmt(f)
    }
}

impl FromIterator<TensorId> for Ports {
    fn from_iter<I: IntoIterator<Item = TensorId>>(tensors: I) -> Self {
        let mut ports = Self::default();
        for (place, tensor) in (0..).zip(tensors) {
            ports.order.push(tensor);
            ports.places.add(tensor, place);
        }
        ports
    }
}

impl Subgraph {
    /// Ops in execution order.
    pub fn ops(&self) -> impl Iterator<Item = OpId> + '_ {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let node = self.op_node_at(at)?;
            let id = OpId { graph: self.origin, uid: node.uid };
            at = node.next;
            Some(id)
        })
    }

    /// Number of ops.
    pub fn op_count(&self) -> usize {
        self.live_ops
    }

    /// Tensors in file order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorId> + '_ {
        self.tensors.iter().copied().filter(|id| self.contains_tensor(*id))
    }

    /// Number of tensors.
    pub fn tensor_count(&self) -> usize {
        self.live_tensors
    }

    /// The number that it had when its module was made, which its handles carry: dropping
    /// subgraphs renumbers the others, and this still finds it in a snapshot from before.
    pub fn origin(&self) -> u32 {
        self.origin
    }

    /// A change counter that is never reused, also where the model is rolled back: a cache key for
    /// what was found out about the subgraph. Snapshots keep it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Inputs in order.
    pub fn inputs(&self) -> &[TensorId] {
        &self.inputs.order
    }

    /// Outputs in order.
    pub fn outputs(&self) -> &[TensorId] {
        &self.outputs.order
    }

    /// The op behind a handle.
    ///
    /// # Panics
    /// If the op has been erased or is of another subgraph; [`Self::contains_op`] tells.
    pub fn op(&self, id: OpId) -> &Op {
        &self.op_node(id).op
    }

    /// The tensor behind a handle.
    ///
    /// # Panics
    /// If the tensor has been erased or is of another subgraph; [`Self::contains_tensor`] tells.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensor_node(id).tensor
    }

    /// Whether the handle is of this subgraph and its op still exists.
    pub fn contains_op(&self, id: OpId) -> bool {
        self.op_node_of(id).is_some()
    }

    /// Whether the handle is of this subgraph and its tensor still exists.
    pub fn contains_tensor(&self, id: TensorId) -> bool {
        self.tensor_node_of(id).is_some()
    }

    /// The op's operands by slot.
    pub fn operands(&self, op: OpId) -> Operands {
        let mut operands = SmallVec::from_elem(None, self.op_node(op).operands as usize);
        self.each_edge(op, Incoming, EdgeRole::Operand, |slot, tensor| {
            operands[slot as usize] = Some(tensor);
        });
        operands
    }

    /// One operand; `None` where it is left out or the op has fewer operands.
    pub fn operand(&self, op: OpId, slot: u32) -> Option<TensorId> {
        let mut found = None;
        self.each_edge(op, Incoming, EdgeRole::Operand, |at, tensor| {
            if at == slot {
                found = Some(tensor);
            }
        });
        found
    }

    /// The op's results by slot.
    pub fn results(&self, op: OpId) -> SmallVec<[TensorId; 2]> {
        let mut results: SmallVec<[(u32, TensorId); 2]> = SmallVec::new();
        self.each_edge(op, Outgoing, EdgeRole::Result, |slot, tensor| results.push((slot, tensor)));
        results.sort_unstable_by_key(|(slot, _)| *slot);
        results.into_iter().map(|(_, tensor)| tensor).collect()
    }

    /// Scratch tensors that the op names, by slot.
    pub fn intermediates(&self, op: OpId) -> Operands {
        let mut found = SmallVec::from_elem(None, self.op_node(op).intermediates as usize);
        self.each_edge(op, Outgoing, EdgeRole::Intermediate, |slot, tensor| {
            found[slot as usize] = Some(tensor);
        });
        found
    }

    /// The op that computes a tensor, and as which result. Of several, which are an
    /// [`Oddity`], it is none.
    pub fn producer(&self, tensor: TensorId) -> Option<(OpId, u32)> {
        if self.oddity(tensor) == Some(Oddity::ComputedTwice) {
            return None;
        }
        self.graph
            .edges_directed(self.node_of_tensor(tensor), Incoming)
            .find(|edge| edge.weight().role == EdgeRole::Result)
            .map(|edge| (self.op_id(edge.source()), edge.weight().slot))
    }

    /// Everywhere a tensor is read, in execution order, then by slot.
    pub fn uses(&self, tensor: TensorId) -> SmallVec<[Use; 4]> {
        let mut uses: SmallVec<[(u64, Use); 4]> = self
            .graph
            .edges_directed(self.node_of_tensor(tensor), Outgoing)
            .filter(|edge| edge.weight().role == EdgeRole::Operand)
            .map(|edge| {
                let op = self.op_id(edge.target());
                (self.op_node(op).key, Use { op, slot: edge.weight().slot })
            })
            .collect();
        uses.sort_unstable_by_key(|(key, u)| (*key, u.slot));
        uses.into_iter().map(|(_, u)| u).collect()
    }

    /// Whether one op reads the tensor, once.
    pub fn is_read_once(&self, tensor: TensorId) -> bool {
        let edges = self.graph.edges_directed(self.node_of_tensor(tensor), Outgoing);
        edges.filter(|edge| edge.weight().role == EdgeRole::Operand).take(2).count() == 1
    }

    /// Whether anything hangs on the tensor: an op, or the subgraph's inputs and outputs.
    pub fn is_connected(&self, tensor: TensorId) -> bool {
        self.graph.neighbors_undirected(self.node_of_tensor(tensor)).next().is_some()
            || self.is_input(tensor)
            || self.is_output(tensor)
    }

    /// Whether the subgraph takes the tensor as an input.
    pub fn is_input(&self, tensor: TensorId) -> bool {
        self.inputs.places.contains(tensor)
    }

    /// Whether the subgraph returns the tensor.
    pub fn is_output(&self, tensor: TensorId) -> bool {
        self.outputs.places.contains(tensor)
    }

    /// Why a tensor has no single value, where it has none.
    pub fn oddity(&self, tensor: TensorId) -> Option<Oddity> {
        self.odd.get(&tensor).copied()
    }

    /// The tensors without a single value.
    pub fn oddities(&self) -> impl Iterator<Item = (TensorId, Oddity)> {
        let odd = self.odd.iter().map(|(tensor, why)| (*tensor, *why));
        odd.filter(|(tensor, _)| self.contains_tensor(*tensor))
    }

    /// Total number of edges, for tests and statistics.
    pub fn edge_count(&self) -> usize {
        self.graph.edge_references().count()
    }

    /// How many operands, results and intermediates the op has, those that are left out too.
    pub fn slot_count(&self, op: OpId) -> usize {
        let node = self.op_node(op);
        (node.operands + node.results + node.intermediates) as usize
    }

    pub(crate) fn result_slots(&self, op: OpId) -> usize {
        self.op_node(op).results as usize
    }

    pub(crate) fn producer_count(&self, tensor: TensorId) -> usize {
        self.graph
            .edges_directed(self.node_of_tensor(tensor), Incoming)
            .filter(|edge| edge.weight().role == EdgeRole::Result)
            .count()
    }

    /// Ops that name the tensor as scratch.
    pub(crate) fn scratch_of(&self, tensor: TensorId) -> impl Iterator<Item = OpId> + '_ {
        self.graph
            .edges_directed(self.node_of_tensor(tensor), Incoming)
            .filter(|edge| edge.weight().role == EdgeRole::Intermediate)
            .map(|edge| self.op_id(edge.source()))
    }

    /// How often other tensors name this one in their quantisation.
    pub(crate) fn links_to(&self, tensor: TensorId) -> u32 {
        self.links.get(&tensor).copied().unwrap_or(0)
    }

    /// Tensors that others name in their quantisation.
    pub(crate) fn linked(&self) -> impl Iterator<Item = TensorId> + '_ {
        self.links.keys().copied()
    }

    fn each_edge(
        &self,
        op: OpId,
        direction: petgraph::Direction,
        role: EdgeRole,
        mut found: impl FnMut(u32, TensorId),
    ) {
        for edge in self.graph.edges_directed(self.node_of_op(op), direction) {
            if edge.weight().role == role {
                let other = if direction == Incoming { edge.source() } else { edge.target() };
                found(edge.weight().slot, self.tensor_id(other));
            }
        }
    }

    fn op_node_at(&self, node: u32) -> Option<&OpNode> {
        match self.graph.node_weight(NodeIndex::new(node as usize)) {
            Some(Node::Op(node)) => Some(node),
            _ => None,
        }
    }

    /// Whether the handle is of an op that is there, or of what was erased.
    pub(crate) fn has_or_had_op(&self, id: OpId) -> bool {
        self.contains_op(id) || self.was_erased(id.graph, id.uid)
    }

    /// Whether the handle is of a tensor that is there, or of what was erased.
    pub(crate) fn has_or_had_tensor(&self, id: TensorId) -> bool {
        self.contains_tensor(id) || self.was_erased(id.graph, id.uid)
    }

    fn was_erased(&self, graph: u32, uid: u32) -> bool {
        graph == self.origin && self.nodes.get(uid as usize) == Some(&NONE)
    }

    /// Where an op or tensor of this number is, unless it was erased or is of another subgraph.
    fn find_node(&self, graph: u32, uid: u32) -> Option<NodeIndex> {
        let of_this = (graph == self.origin).then_some(uid)?;
        let node = *self.nodes.get(of_this as usize)?;
        (node != NONE).then(|| NodeIndex::new(node as usize))
    }

    fn op_node_of(&self, id: OpId) -> Option<&OpNode> {
        self.op_node_at(self.find_node(id.graph, id.uid)?.index() as u32)
    }

    fn tensor_node_of(&self, id: TensorId) -> Option<&TensorNode> {
        match self.graph.node_weight(self.find_node(id.graph, id.uid)?) {
            Some(Node::Tensor(node)) => Some(node),
            _ => None,
        }
    }

    fn op_node(&self, id: OpId) -> &OpNode {
        self.op_node_of(id).unwrap_or_else(|| self.no_such_op(id))
    }

    fn tensor_node(&self, id: TensorId) -> &TensorNode {
        self.tensor_node_of(id).unwrap_or_else(|| self.no_such_tensor(id))
    }

    fn node_of_op(&self, id: OpId) -> NodeIndex {
        self.find_node(id.graph, id.uid).unwrap_or_else(|| self.no_such_op(id))
    }

    fn node_of_tensor(&self, id: TensorId) -> NodeIndex {
        self.find_node(id.graph, id.uid).unwrap_or_else(|| self.no_such_tensor(id))
    }

    fn no_such_op(&self, id: OpId) -> ! {
        match id.graph == self.origin {
            true => panic!("{id:?} is stale: its op has been erased"),
            false => panic!("{id:?} is foreign: this is subgraph {}", self.origin),
        }
    }

    fn no_such_tensor(&self, id: TensorId) -> ! {
        match id.graph == self.origin {
            true => panic!("{id:?} is stale: its tensor has been erased"),
            false => panic!("{id:?} is foreign: this is subgraph {}", self.origin),
        }
    }

    fn op_id(&self, node: NodeIndex) -> OpId {
        match self.graph.node_weight(node) {
            Some(Node::Op(op)) => OpId { graph: self.origin, uid: op.uid },
            _ => unreachable!("edges join an op and a tensor"),
        }
    }

    fn tensor_id(&self, node: NodeIndex) -> TensorId {
        match self.graph.node_weight(node) {
            Some(Node::Tensor(tensor)) => TensorId { graph: self.origin, uid: tensor.uid },
            _ => unreachable!("edges join an op and a tensor"),
        }
    }
}
