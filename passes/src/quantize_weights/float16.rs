//! Weights that came as float16, each behind a Dequantize, as the converters write them.

use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, Module, OpId, Patch, Subgraph, SubgraphId, TensorId};
use tfq_target::Target;

/// A Dequantize of a float16 constant, or of what an op looks up in one.
pub(super) struct HalfReader {
    pub(super) sg: SubgraphId,
    pub(super) op: OpId,
    pub(super) stored: TensorId,
    /// What is seen as a float32 constant: the result of the Dequantize, or the table itself.
    pub(super) float: TensorId,
    /// The op that copies halves of the table.
    pub(super) lookup: Option<OpId>,
}

/// The op copies float32 numbers, and what a Dequantize made of its halves is its result.
pub(super) fn look_up_float(graph: &Subgraph, lookup: OpId, dequantize: OpId, patch: &mut Patch) {
    patch.erase_op(dequantize);
    patch.set_result(lookup, 0, graph.results(dequantize)[0]);
    patch.erase_tensor(graph.results(lookup)[0]);
}

/// Every Dequantize of a plain float16 constant that nobody can change, or of what an op looks up in
/// one.
pub(super) fn readers(module: &Module, target: &Target) -> Vec<HalfReader> {
    let found = module.ops_of_kind(DEQUANTIZE).filter_map(|(sg, op, _)| {
        let graph = module.subgraph(sg);
        let (halves, float) = (graph.operand(op, 0)?, *graph.results(op).first()?);
        let (from, to) = (graph.tensor(halves), graph.tensor(float));
        let plain = from.ty == ElementType::Float16
            && to.ty == ElementType::Float32
            && from.sparsity.is_none()
            && from.shape == to.shape
            && !to.is_variable;
        if !plain {
            return None;
        }
        let reader = match graph.producer(halves) {
            None if to.is_static() => HalfReader { sg, op, stored: halves, float, lookup: None },
            None => return None,
            Some((lookup, _)) => {
                let facts = target.facts_of(graph, lookup).filter(|facts| facts.pass_through)?;
                let table = graph.operand(lookup, *facts.weights.first()?)?;
                let is_half = graph.tensor(table).ty == ElementType::Float16;
                let alone = graph.is_read_once(halves) && !module.references(sg, halves).any();
                let fits = is_half && alone && graph.results(lookup).len() == 1;
                fits.then_some(HalfReader {
                    sg,
                    op,
                    stored: table,
                    float: table,
                    lookup: Some(lookup),
                })?
            }
        };
        values(module, &reader).is_some().then_some(reader)
    });
    found.collect()
}

/// The float16 values, as many as the shape asks for.
pub(super) fn values<'a>(module: &'a Module, reader: &HalfReader) -> Option<&'a [u8]> {
    let elements = module.subgraph(reader.sg).tensor(reader.stored).elements()?;
    let needed = ElementType::Float16.bytes_for(elements)?;
    let bytes = module.fixed_constant(reader.sg, reader.stored)?;
    bytes.get(..usize::try_from(needed).ok()?)
}

/// Buffers that nothing but these shows or reads, in one shape.
pub(super) fn only_dequantized(module: &Module, readers: &[HalfReader]) -> IndexSet<BufferId> {
    let known: IndexSet<(SubgraphId, OpId)> =
        readers.iter().map(|r| (r.sg, r.lookup.unwrap_or(r.op))).collect();
    let mut shapes = IndexMap::default();
    let mut alone: IndexMap<BufferId, bool> = IndexMap::default();
    for (sg, graph) in module.subgraphs() {
        let referred = module.all_references(sg);
        for id in graph.tensors() {
            let tensor = graph.tensor(id);
            let same = shapes.entry(tensor.buffer).or_insert(&tensor.shape) == &&tensor.shape;
            let read = graph.all_uses(id, |u| known.contains(&(sg, u.op)));
            let fits = same && read && !referred.contains_key(&id);
            let all = alone.entry(tensor.buffer).or_insert(true);
            *all &= fits;
        }
    }
    let named = |buffer: &BufferId| module.metadata_uses(*buffer) > 0;
    alone.into_iter().filter(|(id, alone)| *alone && !named(id)).map(|(id, _)| id).collect()
}
