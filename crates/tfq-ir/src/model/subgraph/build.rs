//! Building a subgraph.

use super::edges::Edges;
use super::{EdgeRole, Structure, Subgraph};
use crate::maps::IndexMap;
use crate::{Op, OpId, SubgraphId, Tensor, TensorId};
use std::sync::Arc;

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

    /// Makes room for so many tensors, ops and edges between them, in an empty subgraph.
    pub fn reserve(&mut self, tensors: usize, ops: usize, edges: usize) {
        if self.subgraph.nodes.is_empty() {
            let edges = Edges::with_capacity(tensors + ops, edges);
            let tensors_of = Vec::with_capacity(tensors);
            self.subgraph.structure = Arc::new(Structure { edges, tensors: tensors_of });
            self.subgraph.nodes.reserve_exact(tensors + ops);
        }
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
            self.subgraph.connect(id, EdgeRole::Operand, slot as u32, *tensor);
        }
        for (slot, tensor) in results.iter().enumerate() {
            self.subgraph.connect(id, EdgeRole::Result, slot as u32, Some(*tensor));
        }
        id
    }

    /// Names the scratch tensors of an op.
    pub fn intermediates(&mut self, op: OpId, tensors: &[Option<TensorId>]) {
        for (slot, tensor) in tensors.iter().enumerate() {
            self.subgraph.connect(op, EdgeRole::Intermediate, slot as u32, *tensor);
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
