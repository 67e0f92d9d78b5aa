//! A subgraph: ops and tensors over petgraph, which stays private.
//!
//! The graph is bipartite (op nodes and tensor nodes), and this layer closes what petgraph
//! leaves open:
//! * edges come back newest first, so every edge carries its role and slot;
//! * freed indices are reused at once, so no node is ever removed: what is erased loses its edges,
//!   and its place in the table of nodes says so. So the number in a handle is that of the node, and
//!   a stale one is noticed; so is one of another subgraph, whose number it carries;
//! * a topological sort breaks ties by chance, so execution order is data: a linked list with
//!   sortable keys;
//! * petgraph's serde changes edge order, so the graph is never serialised;
//! * `add_edge` accepts cycles, so a patch that breaks the order is refused before it is applied.

mod build;
mod change;
mod edges;
mod hash;
mod order;
mod shuffle;

pub use build::SubgraphBuilder;
pub(crate) use edges::EdgeRole;
pub(crate) use shuffle::Moved;

use self::edges::{Edge, Edges};
use super::places::Places;
use crate::maps::IndexMap;
use crate::{Oddity, Op, OpId, Operands, Tensor, TensorId, Use};
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::stable_graph::NodeIndex;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(crate) struct OpNode {
    pub(crate) op: Op,
    pub(crate) operands: u32,
    pub(crate) results: u32,
    pub(crate) intermediates: u32,
    prev: u32,
    next: u32,
    key: u64,
}

/// Behind `Arc`, so that a snapshot of the graph shares every node that did not change.
#[derive(Clone, Debug)]
enum Node {
    Op(Arc<OpNode>),
    Tensor(Arc<Tensor>),
    Erased,
}

/// What hangs together with what, which most patches leave as it is.
#[derive(Clone, Debug, Default)]
struct Structure {
    /// Has a node for every op and tensor that was ever made, at its number.
    edges: Edges,
    /// Numbers of the tensors in file order; may hold those of erased ones until the next
    /// compaction.
    tensors: Vec<u32>,
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
    /// Behind `Arc`, so that snapshots share it.
    structure: Arc<Structure>,
    /// By number.
    nodes: Vec<Node>,
    inputs: Ports,
    outputs: Ports,
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
            structure: Arc::default(),
            nodes: Vec::new(),
            inputs: Ports::default(),
            outputs: Ports::default(),
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

impl Ports {
    fn contains(&self, tensor: TensorId) -> bool {
        // Most subgraphs have one or two, which no table finds sooner.
        match self.order.len() {
            0..=4 => self.order.contains(&tensor),
            _ => self.places.contains(tensor),
        }
    }
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
            let id = OpId { graph: self.origin, uid: at };
            at = self.op_node_at(at)?.next;
            Some(id)
        })
    }

    /// Number of ops.
    pub fn op_count(&self) -> usize {
        self.live_ops
    }

    /// Tensors in file order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorId> + '_ {
        let numbers = self.structure.tensors.iter();
        numbers
            .map(|uid| TensorId { graph: self.origin, uid: *uid })
            .filter(|id| self.contains_tensor(*id))
    }

    /// Number of tensors.
    pub fn tensor_count(&self) -> usize {
        self.live_tensors
    }

    /// The number that it had when its module was made, which its handles carry: dropping
    /// subgraphs renumbers the others, and this still finds it in a snapshot from before.
    #[inline]
    pub fn origin(&self) -> u32 {
        self.origin
    }

    /// A change counter that is never reused, also where the model is rolled back: a cache key for
    /// what was found out about the subgraph. Snapshots keep it.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Inputs in order.
    #[inline]
    pub fn inputs(&self) -> &[TensorId] {
        &self.inputs.order
    }

    /// Outputs in order.
    #[inline]
    pub fn outputs(&self) -> &[TensorId] {
        &self.outputs.order
    }

    /// The op behind a handle.
    ///
    /// # Panics
    /// If the op has been erased or is of another subgraph; [`Self::contains_op`] tells.
    #[inline]
    pub fn op(&self, id: OpId) -> &Op {
        &self.op_node(id).op
    }

    /// The tensor behind a handle.
    ///
    /// # Panics
    /// If the tensor has been erased or is of another subgraph; [`Self::contains_tensor`] tells.
    #[inline]
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        self.tensor_node(id)
    }

    /// Whether the handle is of this subgraph and its op still exists.
    #[inline]
    pub fn contains_op(&self, id: OpId) -> bool {
        self.op_node_of(id).is_some()
    }

    /// Whether the handle is of this subgraph and its tensor still exists.
    #[inline]
    pub fn contains_tensor(&self, id: TensorId) -> bool {
        self.tensor_node_of(id).is_some()
    }

    /// The op's operands by slot.
    pub fn operands(&self, op: OpId) -> Operands {
        let mut operands = SmallVec::from_elem(None, self.op_node(op).operands as usize);
        for (edge, tensor) in self.read_by(op) {
            operands[edge.slot() as usize] = Some(tensor);
        }
        operands
    }

    /// One operand; `None` where it is left out or the op has fewer operands.
    pub fn operand(&self, op: OpId, slot: u32) -> Option<TensorId> {
        let node = self.structure.edges.operand(self.node_of_op(op), slot);
        node.map(|tensor| self.tensor_id(tensor))
    }

    /// The op's results by slot.
    pub fn results(&self, op: OpId) -> SmallVec<[TensorId; 2]> {
        let mut results: SmallVec<[TensorId; 2]> = SmallVec::new();
        let mut ordered = true;
        let mut last = 0;
        for (edge, tensor) in self.made_by(op, EdgeRole::Result) {
            ordered &= results.is_empty() || edge.slot() < last;
            last = edge.slot();
            results.push(tensor);
        }
        if ordered {
            // Edges come back newest first, and most ops got their results in order.
            results.reverse();
            return results;
        }
        let mut by_slot: Vec<_> = self.made_by(op, EdgeRole::Result).collect();
        by_slot.sort_unstable_by_key(|(edge, _)| edge.slot());
        by_slot.into_iter().map(|(_, tensor)| tensor).collect()
    }

    /// Scratch tensors that the op names, by slot.
    pub fn intermediates(&self, op: OpId) -> Operands {
        let mut found = SmallVec::from_elem(None, self.op_node(op).intermediates as usize);
        if !found.is_empty() {
            for (edge, tensor) in self.made_by(op, EdgeRole::Intermediate) {
                found[edge.slot() as usize] = Some(tensor);
            }
        }
        found
    }

    /// The op that computes a tensor, and as which result. Of several, which are an
    /// [`Oddity`], it is none.
    pub fn producer(&self, tensor: TensorId) -> Option<(OpId, u32)> {
        if self.oddity(tensor) == Some(Oddity::ComputedTwice) {
            return None;
        }
        self.producers(tensor).next()
    }

    /// Everywhere a tensor is read, in execution order, then by slot.
    pub fn uses(&self, tensor: TensorId) -> SmallVec<[Use; 4]> {
        let mut uses: SmallVec<[Use; 4]> = self.readers(tensor).collect();
        if uses.len() > 1 {
            uses.sort_by_cached_key(|u| (self.op_node(u.op).key, u.slot));
        }
        uses
    }

    /// How often a tensor is read.
    pub fn use_count(&self, tensor: TensorId) -> usize {
        self.readers(tensor).count()
    }

    /// Whether this is true of everywhere a tensor is read, which is looked at in no order.
    pub fn all_uses(&self, tensor: TensorId, is: impl FnMut(Use) -> bool) -> bool {
        self.readers(tensor).all(is)
    }

    /// Whether one op reads the tensor, once.
    pub fn is_read_once(&self, tensor: TensorId) -> bool {
        let mut readers = self.readers(tensor);
        readers.next().is_some() && readers.next().is_none()
    }

    /// Whether an op reads the tensor.
    pub fn is_read(&self, tensor: TensorId) -> bool {
        self.readers(tensor).next().is_some()
    }

    /// Whether anything hangs on the tensor: an op, or the subgraph's inputs and outputs.
    pub fn is_connected(&self, tensor: TensorId) -> bool {
        let node = self.node_of_tensor(tensor);
        let has = |direction| self.structure.edges.at(node, direction).next().is_some();
        has(Incoming) || has(Outgoing) || self.is_input(tensor) || self.is_output(tensor)
    }

    /// Whether the subgraph takes the tensor as an input.
    #[inline]
    pub fn is_input(&self, tensor: TensorId) -> bool {
        self.inputs.contains(tensor)
    }

    /// Whether the subgraph returns the tensor.
    #[inline]
    pub fn is_output(&self, tensor: TensorId) -> bool {
        self.outputs.contains(tensor)
    }

    /// Why a tensor has no single value, where it has none.
    #[inline]
    pub fn oddity(&self, tensor: TensorId) -> Option<Oddity> {
        if self.odd.is_empty() { None } else { self.odd.get(&tensor).copied() }
    }

    /// The tensors without a single value.
    pub fn oddities(&self) -> impl Iterator<Item = (TensorId, Oddity)> {
        let odd = self.odd.iter().map(|(tensor, why)| (*tensor, *why));
        odd.filter(|(tensor, _)| self.contains_tensor(*tensor))
    }

    /// Total number of edges, for tests and statistics.
    pub fn edge_count(&self) -> usize {
        self.structure.edges.count()
    }

    /// How many operands, results and intermediates the op has, those that are left out too.
    pub fn slot_count(&self, op: OpId) -> usize {
        let node = self.op_node(op);
        (node.operands + node.results + node.intermediates) as usize
    }

    pub(crate) fn result_slots(&self, op: OpId) -> usize {
        self.op_node(op).results as usize
    }

    /// Ops that name the tensor as scratch.
    pub(crate) fn scratch_of(&self, tensor: TensorId) -> impl Iterator<Item = OpId> + '_ {
        let edges = self.structure.edges.at(self.node_of_tensor(tensor), Incoming);
        edges
            .filter(|(edge, _)| edge.role() == EdgeRole::Intermediate)
            .map(|(_, op)| self.op_id(op))
    }

    /// How often other tensors name this one in their quantisation.
    pub(crate) fn links_to(&self, tensor: TensorId) -> u32 {
        self.links.get(&tensor).copied().unwrap_or(0)
    }

    /// Tensors that others name in their quantisation.
    pub(crate) fn linked(&self) -> impl Iterator<Item = TensorId> + '_ {
        self.links.keys().copied()
    }

    /// What the op reads, newest first.
    fn read_by(&self, op: OpId) -> impl Iterator<Item = (Edge, TensorId)> + '_ {
        self.structure
            .edges
            .at(self.node_of_op(op), Incoming)
            .map(|(edge, tensor)| (edge, self.tensor_id(tensor)))
    }

    /// What the op names as results or scratch, newest first.
    fn made_by(&self, op: OpId, role: EdgeRole) -> impl Iterator<Item = (Edge, TensorId)> + '_ {
        let edges = self.structure.edges.at(self.node_of_op(op), Outgoing);
        edges
            .filter(move |(edge, _)| edge.role() == role)
            .map(|(edge, tensor)| (edge, self.tensor_id(tensor)))
    }

    /// Where a tensor is read, newest first.
    fn readers(&self, tensor: TensorId) -> impl Iterator<Item = Use> + '_ {
        let edges = self.structure.edges.at(self.node_of_tensor(tensor), Outgoing);
        edges.map(|(edge, op)| Use { op: self.op_id(op), slot: edge.slot() })
    }

    fn producers(&self, tensor: TensorId) -> impl Iterator<Item = (OpId, u32)> + '_ {
        let edges = self.structure.edges.at(self.node_of_tensor(tensor), Incoming);
        edges
            .filter(|(edge, _)| edge.role() == EdgeRole::Result)
            .map(|(edge, op)| (self.op_id(op), edge.slot()))
    }

    #[inline]
    fn op_node_at(&self, uid: u32) -> Option<&OpNode> {
        match self.nodes.get(uid as usize) {
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
        graph == self.origin && matches!(self.nodes.get(uid as usize), Some(Node::Erased))
    }

    #[inline]
    fn op_node_of(&self, id: OpId) -> Option<&OpNode> {
        if id.graph == self.origin { self.op_node_at(id.uid) } else { None }
    }

    #[inline]
    fn tensor_node_of(&self, id: TensorId) -> Option<&Tensor> {
        match self.nodes.get(id.uid as usize) {
            Some(Node::Tensor(tensor)) if id.graph == self.origin => Some(tensor),
            _ => None,
        }
    }

    #[inline]
    fn op_node(&self, id: OpId) -> &OpNode {
        self.op_node_of(id).unwrap_or_else(|| self.no_such_op(id))
    }

    #[inline]
    fn tensor_node(&self, id: TensorId) -> &Tensor {
        self.tensor_node_of(id).unwrap_or_else(|| self.no_such_tensor(id))
    }

    fn node_of_op(&self, id: OpId) -> NodeIndex {
        match self.contains_op(id) {
            true => NodeIndex::new(id.uid as usize),
            false => self.no_such_op(id),
        }
    }

    fn node_of_tensor(&self, id: TensorId) -> NodeIndex {
        match self.contains_tensor(id) {
            true => NodeIndex::new(id.uid as usize),
            false => self.no_such_tensor(id),
        }
    }

    #[cold]
    fn no_such_op(&self, id: OpId) -> ! {
        match id.graph == self.origin {
            true => panic!("{id:?} is stale: its op has been erased"),
            false => panic!("{id:?} is foreign: this is subgraph {}", self.origin),
        }
    }

    #[cold]
    fn no_such_tensor(&self, id: TensorId) -> ! {
        match id.graph == self.origin {
            true => panic!("{id:?} is stale: its tensor has been erased"),
            false => panic!("{id:?} is foreign: this is subgraph {}", self.origin),
        }
    }

    fn op_id(&self, node: NodeIndex) -> OpId {
        OpId { graph: self.origin, uid: node.index() as u32 }
    }

    fn tensor_id(&self, node: NodeIndex) -> TensorId {
        TensorId { graph: self.origin, uid: node.index() as u32 }
    }
}
