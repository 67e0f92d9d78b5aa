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

use crate::places::Places;
use crate::shuffle::Moved;
use crate::{Oddity, Op, Quantization, SubgraphId, Tensor};
use indexmap::{IndexMap, IndexSet};
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A tensor of a subgraph. Stays valid until the tensor is erased; then it is stale, and never
/// means another tensor. It carries the number of its subgraph, so that no other subgraph takes
/// it for one of its own.
///
/// Numbers are given out in the order of making: the same file gives the same handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId {
    graph: u32,
    uid: u32,
}

/// An op of a subgraph, valid as long as [`TensorId`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId {
    graph: u32,
    uid: u32,
}

impl TensorId {
    /// The subgraph that it is of: [`Subgraph::origin`].
    pub fn origin(self) -> u32 {
        self.graph
    }

    /// Its number in the subgraph; tensors and ops are counted together.
    pub fn number(self) -> u32 {
        self.uid
    }

    /// Stands for the nth tensor that a patch adds, within that patch.
    pub(crate) fn upcoming(n: u32) -> Self {
        Self { graph: UPCOMING, uid: n }
    }

    /// Which tensor of a patch it stands for, if it is no handle of a subgraph.
    pub(crate) fn is_upcoming(self) -> Option<u32> {
        (self.graph == UPCOMING).then_some(self.uid)
    }
}

impl OpId {
    /// The subgraph that it is of: [`Subgraph::origin`].
    pub fn origin(self) -> u32 {
        self.graph
    }

    /// Its number in the subgraph; tensors and ops are counted together.
    pub fn number(self) -> u32 {
        self.uid
    }
}

/// One place where a tensor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Use {
    /// The op that reads it.
    pub op: OpId,
    /// Which of the op's operands it is.
    pub slot: u32,
}

/// Operands by slot; `None` for an optional operand that is left out (-1).
pub type Operands = SmallVec<[Option<TensorId>; 6]>;

/// How an op and a tensor hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Operand,
    Result,
    Intermediate,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) role: Role,
    pub(crate) slot: u32,
}

const NONE: u32 = u32::MAX;
/// No subgraph has this number.
const UPCOMING: u32 = u32::MAX;
/// Distance of neighbouring order keys, so that an insertion rarely renumbers.
const KEY_STEP: u64 = 1 << 24;

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
            links: IndexMap::new(),
            odd: IndexMap::new(),
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

    /// A number that is another after each change, and never comes back: what was found out
    /// about the subgraph holds as long as this does. Snapshots keep it.
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
        self.each_edge(op, Incoming, Role::Operand, |slot, tensor| {
            operands[slot as usize] = Some(tensor);
        });
        operands
    }

    /// One operand; `None` where it is left out or the op has fewer operands.
    pub fn operand(&self, op: OpId, slot: u32) -> Option<TensorId> {
        let mut found = None;
        self.each_edge(op, Incoming, Role::Operand, |at, tensor| {
            if at == slot {
                found = Some(tensor);
            }
        });
        found
    }

    /// The op's results by slot.
    pub fn results(&self, op: OpId) -> SmallVec<[TensorId; 2]> {
        let mut results: SmallVec<[(u32, TensorId); 2]> = SmallVec::new();
        self.each_edge(op, Outgoing, Role::Result, |slot, tensor| results.push((slot, tensor)));
        results.sort_unstable_by_key(|(slot, _)| *slot);
        results.into_iter().map(|(_, tensor)| tensor).collect()
    }

    /// Scratch tensors that the op names, by slot.
    pub fn intermediates(&self, op: OpId) -> Operands {
        let mut found = SmallVec::from_elem(None, self.op_node(op).intermediates as usize);
        self.each_edge(op, Outgoing, Role::Intermediate, |slot, tensor| {
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
            .find(|edge| edge.weight().role == Role::Result)
            .map(|edge| (self.op_id(edge.source()), edge.weight().slot))
    }

    /// Everywhere a tensor is read, in execution order, then by slot.
    pub fn uses(&self, tensor: TensorId) -> SmallVec<[Use; 4]> {
        let mut uses: SmallVec<[(u64, Use); 4]> = self
            .graph
            .edges_directed(self.node_of_tensor(tensor), Outgoing)
            .filter(|edge| edge.weight().role == Role::Operand)
            .map(|edge| {
                let op = self.op_id(edge.target());
                (self.op_node(op).key, Use { op, slot: edge.weight().slot })
            })
            .collect();
        uses.sort_unstable_by_key(|(key, u)| (*key, u.slot));
        uses.into_iter().map(|(_, u)| u).collect()
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

    /// Whether `first` runs before `second`.
    pub fn runs_before(&self, first: OpId, second: OpId) -> bool {
        self.op_node(first).key < self.op_node(second).key
    }

    /// Feeds the structure to a hasher. Tensors are numbered in the order in which ops, inputs and
    /// outputs mention them, so that equal graphs built in different ways agree. With `annotations`
    /// names, versions and notes count too, which change nothing that is computed.
    pub(crate) fn hash_structure(&self, hasher: &mut impl Hasher, annotations: bool) {
        let mut numbers: HashMap<TensorId, usize> = HashMap::new();
        let mut tensor = |id: Option<TensorId>, hasher: &mut _| {
            let Some(id) = id else { return usize::MAX.hash(hasher) };
            let next = numbers.len();
            let number = *numbers.entry(id).or_insert(next);
            number.hash(hasher);
            if number == next {
                let tensor = self.tensor(id);
                (tensor.ty, tensor.expressed, tensor.is_variable, tensor.has_rank).hash(hasher);
                (&tensor.shape, &tensor.shape_signature).hash(hasher);
                (tensor.buffer, tensor.external_buffer).hash(hasher);
                // Floats and the like do not hash; their text tells them apart as well. Most
                // tensors have none of these.
                let sparse = tensor.sparsity.as_ref().map(|sparsity| format!("{sparsity:?}"));
                let elements = (!tensor.variant_tensors.is_empty())
                    .then(|| format!("{:?}", tensor.variant_tensors));
                let quantized = tensor.quantization.as_ref().map(|q| format!("{q:?}"));
                (sparse, elements, quantized).hash(hasher);
                if annotations {
                    tensor.name.hash(hasher);
                }
            }
        };
        self.inputs().iter().for_each(|id| tensor(Some(*id), hasher));
        for op in self.ops() {
            let node = self.op(op);
            node.kind.hash(hasher);
            for attrs in node.attrs.iter().chain(node.extra_attrs.as_deref()) {
                (attrs.options().union, attrs.options().tag).hash(hasher);
                for (info, value) in attrs.set_values() {
                    (info.id, format!("{value:?}")).hash(hasher);
                }
            }
            (&node.custom_options.bytes, &node.mutating_variable_inputs).hash(hasher);
            if annotations {
                (node.version, format!("{:?}", node.notes)).hash(hasher);
            }
            let (operands, intermediates) = (self.operands(op), self.intermediates(op));
            (operands.len(), intermediates.len()).hash(hasher);
            operands.into_iter().chain(intermediates).for_each(|id| tensor(id, hasher));
            self.results(op).into_iter().for_each(|id| tensor(Some(id), hasher));
        }
        self.outputs().iter().for_each(|id| tensor(Some(*id), hasher));
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
            .filter(|edge| edge.weight().role == Role::Result)
            .count()
    }

    /// Ops that name the tensor as scratch.
    pub(crate) fn scratch_of(&self, tensor: TensorId) -> impl Iterator<Item = OpId> + '_ {
        self.graph
            .edges_directed(self.node_of_tensor(tensor), Incoming)
            .filter(|edge| edge.weight().role == Role::Intermediate)
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
        role: Role,
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

/// What only patches and the builder do. Every caller has checked its handles.
impl Subgraph {
    pub(crate) fn op_mut(&mut self, id: OpId) -> &mut OpNode {
        let at = self.node_of_op(id);
        match &mut self.graph[at] {
            Node::Op(node) => Arc::make_mut(node),
            Node::Tensor(_) => unreachable!("numbers of ops and tensors are distinct"),
        }
    }

    pub(crate) fn tensor_mut(&mut self, id: TensorId) -> &mut Tensor {
        let at = self.node_of_tensor(id);
        match &mut self.graph[at] {
            Node::Tensor(node) => &mut Arc::make_mut(node).tensor,
            Node::Op(_) => unreachable!("numbers of ops and tensors are distinct"),
        }
    }

    /// Numbers are unique in the process: a state that is rolled back and changed otherwise
    /// must not be taken for the one that was dropped.
    pub(crate) fn new_epoch(&mut self) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        self.epoch = 1 + LAST.fetch_add(1, Ordering::Relaxed);
    }

    /// The same subgraph with its nodes and edges made in another order, and where each went.
    pub(crate) fn shuffled(&self, rng: &mut fastrand::Rng) -> (Self, Moved) {
        let mut order: Vec<NodeIndex> = self.graph.node_indices().collect();
        rng.shuffle(&mut order);
        let mut graph = StableDiGraph::new();
        let mut nodes = Vec::with_capacity(order.len());
        let mut place: HashMap<u32, (u32, u32)> = HashMap::new();
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
            links: IndexMap::new(),
            odd: self.oddities().map(|(old, why)| (tensor(old), why)).collect(),
            ..*self
        };
        shuffled.count_links();
        (shuffled, moved)
    }

    pub(crate) fn odd_mut(&mut self) -> &mut IndexMap<TensorId, Oddity> {
        &mut self.odd
    }

    /// Returns other tensors in place of some.
    pub(crate) fn move_outputs(&mut self, moves: &HashMap<TensorId, TensorId>) {
        let Ports { order, places } = &mut self.outputs;
        places.replace(moves, |place, new| order[place as usize] = new);
    }

    pub(crate) fn set_inputs(&mut self, inputs: impl IntoIterator<Item = TensorId>) {
        self.inputs = inputs.into_iter().collect();
    }

    pub(crate) fn set_outputs(&mut self, outputs: impl IntoIterator<Item = TensorId>) {
        self.outputs = outputs.into_iter().collect();
    }

    pub(crate) fn insert_tensor(&mut self, tensor: Tensor) -> TensorId {
        let uid = self.next_uid();
        let node = self.graph.add_node(Node::Tensor(Arc::new(TensorNode { tensor, uid })));
        self.nodes.push(node.index() as u32);
        let id = TensorId { graph: self.origin, uid };
        self.tensors.push(id);
        self.live_tensors += 1;
        self.add_links(id);
        id
    }

    /// Sets how a tensor's stored numbers map to real ones.
    pub(crate) fn set_quantization(&mut self, id: TensorId, q: Option<Arc<Quantization>>) {
        self.drop_links(id);
        self.tensor_mut(id).quantization = q;
        self.add_links(id);
    }

    fn links_of(&self, id: TensorId) -> SmallVec<[TensorId; 2]> {
        self.tensor(id).links().collect()
    }

    fn add_links(&mut self, id: TensorId) {
        for link in self.links_of(id) {
            *self.links.entry(link).or_default() += 1;
        }
    }

    fn drop_links(&mut self, id: TensorId) {
        for link in self.links_of(id) {
            let count = self.links.get_mut(&link).expect("it was counted");
            *count -= 1;
            if *count == 0 {
                self.links.swap_remove(&link);
            }
        }
    }

    /// Counts anew what all tensors name.
    fn count_links(&mut self) {
        self.links.clear();
        let tensors: Vec<TensorId> = self.tensors().collect();
        tensors.into_iter().for_each(|id| self.add_links(id));
    }

    /// Inserts an op before `before`, at the end where that is `None`.
    pub(crate) fn insert_op(&mut self, op: Op, before: Option<OpId>) -> OpId {
        let uid = self.next_uid();
        let (prev, next) = match before {
            Some(before) => (self.op_node(before).prev, self.node_of_op(before).index() as u32),
            None => (self.last, NONE),
        };
        let key = self.key_between(prev, next);
        let node = self.graph.add_node(Node::Op(Arc::new(OpNode {
            op,
            uid,
            operands: 0,
            results: 0,
            intermediates: 0,
            prev,
            next,
            key,
        })));
        let at = node.index() as u32;
        self.nodes.push(at);
        match prev {
            NONE => self.first = at,
            prev => self.op_at_mut(prev).next = at,
        }
        match next {
            NONE => self.last = at,
            next => self.op_at_mut(next).prev = at,
        }
        self.live_ops += 1;
        OpId { graph: self.origin, uid }
    }

    pub(crate) fn remove_op(&mut self, id: OpId) {
        let (prev, next) = {
            let node = self.op_node(id);
            (node.prev, node.next)
        };
        match prev {
            NONE => self.first = next,
            prev => self.op_at_mut(prev).next = next,
        }
        match next {
            NONE => self.last = prev,
            next => self.op_at_mut(next).prev = prev,
        }
        self.graph.remove_node(self.node_of_op(id));
        self.nodes[id.uid as usize] = NONE;
        self.live_ops -= 1;
    }

    pub(crate) fn remove_tensor(&mut self, id: TensorId) {
        self.drop_links(id);
        self.graph.remove_node(self.node_of_tensor(id));
        self.nodes[id.uid as usize] = NONE;
        self.live_tensors -= 1;
        if self.tensors.len() > 2 * self.live_tensors + 16 {
            let mut tensors = std::mem::take(&mut self.tensors);
            tensors.retain(|id| self.contains_tensor(*id));
            self.tensors = tensors;
        }
    }

    /// Empties slots of ops, and all slots of the ops that are to be erased.
    pub(crate) fn disconnect(
        &mut self,
        slots: impl IntoIterator<Item = (OpId, Role, u32)>,
        erased: &IndexSet<OpId>,
    ) {
        let slots: HashSet<(OpId, Role, u32)> = slots.into_iter().collect();
        let ops: IndexSet<OpId> =
            slots.iter().map(|(op, ..)| *op).chain(erased.iter().copied()).collect();
        let mut edges = Vec::with_capacity(slots.len());
        for op in ops {
            let at = self.node_of_op(op);
            let both =
                [Incoming, Outgoing].map(|direction| self.graph.edges_directed(at, direction));
            let all = erased.contains(&op);
            let named = both.into_iter().flatten().filter(|edge| {
                all || slots.contains(&(op, edge.weight().role, edge.weight().slot))
            });
            edges.extend(named.map(|edge| edge.id()));
        }
        // petgraph looks for an edge from the newest on, at both of its ends.
        edges.sort_unstable_by(|a, b| b.cmp(a));
        for edge in edges {
            self.graph.remove_edge(edge);
        }
    }

    /// Puts `tensor` into an empty slot of the op. The op's arity grows where the slot lies beyond
    /// it.
    pub(crate) fn connect(&mut self, op: OpId, role: Role, slot: u32, tensor: Option<TensorId>) {
        let at = self.node_of_op(op);
        let node = self.op_mut(op);
        let arity = match role {
            Role::Operand => &mut node.operands,
            Role::Result => &mut node.results,
            Role::Intermediate => &mut node.intermediates,
        };
        *arity = (*arity).max(slot + 1);
        if let Some(tensor) = tensor {
            let other = self.node_of_tensor(tensor);
            let (from, to) = if role == Role::Operand { (other, at) } else { (at, other) };
            self.graph.add_edge(from, to, Edge { role, slot });
        }
    }

    /// The handle that the nth tensor will have that is added before any other node.
    pub(crate) fn upcoming_tensor(&self, n: u32) -> TensorId {
        TensorId { graph: self.origin, uid: self.next_uid() + n }
    }

    pub(crate) fn key(&self, op: OpId) -> u64 {
        self.op_node(op).key
    }

    pub(crate) fn next_op(&self, op: OpId) -> Option<OpId> {
        let next = self.op_node(op).next;
        self.op_node_at(next).map(|node| OpId { graph: self.origin, uid: node.uid })
    }

    /// The number of the next op or tensor, for which the caller adds a node.
    fn next_uid(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes are ever made")
    }

    fn op_at_mut(&mut self, node: u32) -> &mut OpNode {
        match self.graph.node_weight_mut(NodeIndex::new(node as usize)) {
            Some(Node::Op(node)) => Arc::make_mut(node),
            _ => unreachable!("the order list links ops"),
        }
    }

    fn key_between(&mut self, prev: u32, next: u32) -> u64 {
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
    /// the one before, until one is thinly filled; allowing less the larger it is keeps insertions at
    /// one place at O(log n) changed keys each, amortised (Bender et al., "Two simplified algorithms
    /// for maintaining order in a list").
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

/// Builds a subgraph from nothing, as lifting does. Handles that it gives out stay valid.
#[derive(Debug, Default)]
pub struct SubgraphBuilder {
    subgraph: Subgraph,
}

impl SubgraphBuilder {
    /// An empty main subgraph.
    pub fn new(name: Option<Arc<str>>) -> Self {
        Self::numbered(SubgraphId(0), name)
    }

    /// An empty subgraph that is to have this number in its module: its handles carry it.
    pub fn numbered(number: SubgraphId, name: Option<Arc<str>>) -> Self {
        Self { subgraph: Subgraph { name, origin: number.0, ..Subgraph::default() } }
    }

    /// Adds a tensor behind those that are there.
    pub fn tensor(&mut self, tensor: Tensor) -> TensorId {
        self.subgraph.insert_tensor(tensor)
    }

    /// Takes a tensor over from another subgraph, and with it those that its quantisation names,
    /// unless they are `placed`; gives the one that is here. [`Self::relink`] has to follow.
    ///
    /// # Panics
    /// If the tensor has been erased from that subgraph.
    pub fn take_over(
        &mut self,
        graph: &Subgraph,
        old: TensorId,
        placed: &mut IndexMap<TensorId, TensorId>,
        mut change: impl FnMut(&mut Tensor),
    ) -> TensorId {
        let mut todo = vec![old];
        while let Some(id) = todo.pop() {
            if !placed.contains_key(&id) {
                let mut tensor = graph.tensor(id).clone();
                todo.extend(tensor.links());
                change(&mut tensor);
                placed.insert(id, self.tensor(tensor));
            }
        }
        placed[&old]
    }

    /// Lets tensors that were taken over from another subgraph refer to each other here, each
    /// under the handle that it has there.
    ///
    /// # Panics
    /// If one names a tensor that is not `placed`.
    pub fn relink(&mut self, placed: &IndexMap<TensorId, TensorId>) {
        for new in placed.values() {
            self.subgraph.tensor_mut(*new).each_link(|old| placed[&old]);
        }
    }

    /// Changes a tensor that was added; for references between tensors.
    pub fn tensor_mut(&mut self, id: TensorId) -> &mut Tensor {
        self.subgraph.tensor_mut(id)
    }

    /// Adds an op behind those that are there.
    pub fn op(&mut self, op: Op, operands: &[Option<TensorId>], results: &[TensorId]) -> OpId {
        let id = self.subgraph.insert_op(op, None);
        for (slot, tensor) in operands.iter().enumerate() {
            self.subgraph.connect(id, Role::Operand, slot as u32, *tensor);
        }
        for (slot, tensor) in results.iter().enumerate() {
            self.subgraph.connect(id, Role::Result, slot as u32, Some(*tensor));
        }
        id
    }

    /// Names the scratch tensors of an op.
    pub fn intermediates(&mut self, op: OpId, tensors: &[Option<TensorId>]) {
        for (slot, tensor) in tensors.iter().enumerate() {
            self.subgraph.connect(op, Role::Intermediate, slot as u32, *tensor);
        }
    }

    /// Sets inputs and outputs, and hands the subgraph over.
    pub fn finish(mut self, inputs: Vec<TensorId>, outputs: Vec<TensorId>) -> Subgraph {
        self.subgraph.inputs = inputs.into_iter().collect();
        self.subgraph.outputs = outputs.into_iter().collect();
        self.subgraph.count_links();
        self.subgraph
    }

    /// Sets the index into the debug metadata.
    pub fn debug_metadata_index(&mut self, index: i32) {
        self.subgraph.debug_metadata_index = index;
    }
}
