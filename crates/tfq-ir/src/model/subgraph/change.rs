//! Changes of a subgraph: what only patches and the builder do. Every caller has checked its
//! handles.

use super::{Edge, EdgeRole, NONE, Node, OpNode, Ports, Structure, Subgraph};
use crate::maps::{HashMap, IndexMap, IndexSet};
use crate::{Oddity, Op, OpId, Quantization, Tensor, TensorId};
use petgraph::stable_graph::NodeIndex;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

impl Subgraph {
    pub(crate) fn op_mut(&mut self, id: OpId) -> &mut OpNode {
        let at = self.node_of_op(id).index();
        self.op_at_mut(at as u32)
    }

    pub(crate) fn tensor_mut(&mut self, id: TensorId) -> &mut Tensor {
        let at = self.node_of_tensor(id).index();
        match &mut self.nodes[at] {
            Node::Tensor(tensor) => Arc::make_mut(tensor),
            Node::Op(_) | Node::Erased => unreachable!("it has the tensor"),
        }
    }

    /// Numbers are unique in the process: a state that is rolled back and changed otherwise
    /// must not be taken for the one that was dropped.
    pub(crate) fn new_epoch(&mut self) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        self.epoch = 1 + LAST.fetch_add(1, Ordering::Relaxed);
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
        let has_links = tensor.has_links();
        let uid = self.add_node(Node::Tensor(Arc::new(tensor)));
        let id = TensorId { graph: self.origin, uid };
        Arc::make_mut(&mut self.structure).tensors.push(uid);
        self.live_tensors += 1;
        if has_links {
            self.add_links(id);
        }
        id
    }

    /// Sets how a tensor's stored numbers map to real ones.
    pub(crate) fn set_quantization(&mut self, id: TensorId, q: Option<Arc<Quantization>>) {
        if self.tensor(id).has_links() {
            self.drop_links(id);
        }
        let tensor = self.tensor_mut(id);
        tensor.quantization = q;
        if tensor.has_links() {
            self.add_links(id);
        }
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
    pub(super) fn count_links(&mut self) {
        self.links.clear();
        let tensors: Vec<TensorId> =
            self.tensors().filter(|id| self.tensor(*id).has_links()).collect();
        tensors.into_iter().for_each(|id| self.add_links(id));
    }

    /// Inserts an op before `before`, at the end where that is `None`.
    pub(crate) fn insert_op(&mut self, op: Op, before: Option<OpId>) -> OpId {
        let (prev, next) = match before {
            Some(before) => (self.op_node(before).prev, self.node_of_op(before).index() as u32),
            None => (self.last, NONE),
        };
        let key = self.key_between(prev, next);
        let at = self.add_node(Node::Op(Arc::new(OpNode {
            op,
            operands: 0,
            results: 0,
            intermediates: 0,
            prev,
            next,
            key,
        })));
        match prev {
            NONE => self.first = at,
            prev => self.op_at_mut(prev).next = at,
        }
        match next {
            NONE => self.last = at,
            next => self.op_at_mut(next).prev = at,
        }
        self.live_ops += 1;
        OpId { graph: self.origin, uid: at }
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
        self.erase_node(self.node_of_op(id));
        self.live_ops -= 1;
    }

    pub(crate) fn remove_tensor(&mut self, id: TensorId) {
        self.drop_links(id);
        self.erase_node(self.node_of_tensor(id));
        self.live_tensors -= 1;
        let Structure { tensors, .. } = Arc::make_mut(&mut self.structure);
        if tensors.len() > 2 * self.live_tensors + 16 {
            tensors.retain(|uid| matches!(self.nodes[*uid as usize], Node::Tensor(_)));
        }
    }

    fn add_node(&mut self, node: Node) -> u32 {
        let uid = self.next_uid();
        self.nodes.push(node);
        let at = Arc::make_mut(&mut self.structure).edges.add_node();
        debug_assert_eq!(at.index(), uid as usize, "none is ever removed");
        uid
    }

    fn erase_node(&mut self, at: NodeIndex) {
        Arc::make_mut(&mut self.structure).edges.isolate(at);
        self.nodes[at.index()] = Node::Erased;
    }

    /// Empties slots of ops, and all slots of the ops that are to be erased.
    pub(crate) fn disconnect(
        &mut self,
        slots: impl IntoIterator<Item = (OpId, EdgeRole, u32)>,
        erased: &IndexSet<OpId>,
    ) {
        let slots: IndexSet<(OpId, EdgeRole, u32)> = slots.into_iter().collect();
        let mut operands: IndexMap<OpId, Vec<u32>> =
            erased.iter().map(|op| (*op, Vec::new())).collect();
        for (op, role, slot) in &slots {
            let of_op = operands.entry(*op).or_default();
            if *role == EdgeRole::Operand {
                of_op.push(*slot);
            }
        }
        let mut removed = Vec::with_capacity(slots.len());
        for (op, operands) in &operands {
            let (edges, at) = (&self.structure.edges, self.node_of_op(*op));
            removed.extend(match erased.contains(op) {
                true => edges.of_op(at, None, |_| true),
                false => edges.of_op(at, Some(operands), |edge| {
                    slots.contains(&(*op, edge.role(), edge.slot()))
                }),
            });
        }
        if !removed.is_empty() {
            Arc::make_mut(&mut self.structure).edges.remove(removed);
        }
    }

    /// Puts `tensor` into an empty slot of the op. The op's arity grows where the slot lies beyond
    /// it.
    pub(crate) fn connect(
        &mut self,
        op: OpId,
        role: EdgeRole,
        slot: u32,
        tensor: Option<TensorId>,
    ) {
        let at = self.node_of_op(op);
        let node = self.op_mut(op);
        let arity = match role {
            EdgeRole::Operand => &mut node.operands,
            EdgeRole::Result => &mut node.results,
            EdgeRole::Intermediate => &mut node.intermediates,
        };
        *arity = (*arity).max(slot + 1);
        if let Some(tensor) = tensor {
            let tensor = self.node_of_tensor(tensor);
            let Structure { edges, .. } = Arc::make_mut(&mut self.structure);
            edges.add(at, tensor, Edge::new(role, slot));
        }
    }

    /// The handle that the nth tensor will have that is added before any other node.
    pub(crate) fn upcoming_tensor(&self, n: u32) -> TensorId {
        TensorId { graph: self.origin, uid: self.next_uid() + n }
    }

    /// The number of the next op or tensor, for which the caller adds a node.
    fn next_uid(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes are ever made")
    }
}
