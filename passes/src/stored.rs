//! How weights are stored: what stands between a constant and its readers.

use tfq_ir::catalog::ops::{DENSIFY, DEQUANTIZE};
use tfq_ir::maps::HashSet;
use tfq_ir::{Module, OpId, Subgraph, SubgraphId, TensorId};

/// The Dequantize that makes the tensor float32 and what it reads, or the tensor itself.
pub(crate) fn in_front_of_dequantize(graph: &Subgraph, id: TensorId) -> (Option<OpId>, TensorId) {
    in_front_of(graph, id, DEQUANTIZE)
}

/// A DENSIFY that makes the tensor, and what it reads; without one, the tensor.
pub(crate) fn in_front_of_densify(graph: &Subgraph, id: TensorId) -> (Option<OpId>, TensorId) {
    in_front_of(graph, id, DENSIFY)
}

fn in_front_of(graph: &Subgraph, id: TensorId, kind: i32) -> (Option<OpId>, TensorId) {
    let producer = graph.producer(id).map(|(producer, _)| producer);
    let producer = producer.filter(|op| graph.op(*op).kind.is(kind));
    match producer.and_then(|op| Some((op, graph.operand(op, 0)?))) {
        Some((op, stored)) => (Some(op), stored),
        None => (None, id),
    }
}

/// What a Dequantize, a DENSIFY or both make the tensor of, or the tensor itself.
pub(crate) fn source(graph: &Subgraph, mut id: TensorId) -> TensorId {
    while let Some((op, _)) = graph.producer(id) {
        let kind = &graph.op(op).kind;
        let made = kind.is(DEQUANTIZE) || kind.is(DENSIFY);
        let Some(from) = graph.operand(op, 0).filter(|_| made) else { break };
        id = from;
    }
    id
}

/// What marks a patch of `dequantize-weights`.
pub(crate) const AS_FLOAT: &str = "store a weight as float32";

/// Tensors that `dequantize-weights` made in place of quantised ones, in this run.
pub(crate) fn made_float(module: &Module) -> HashSet<(SubgraphId, TensorId)> {
    let patches = module.journal().iter().filter(|patch| patch.label() == AS_FLOAT);
    let patches = patches.filter_map(|patch| Some((patch.subgraph?, patch)));
    patches.flat_map(|(sg, patch)| patch.added_tensors().iter().map(move |id| (sg, *id))).collect()
}
