//! Constants of a model as the pass sees them: who shows and reads them, and what holds them as
//! they are.

use super::QuantizeWeights;
use super::options::{QuantizedOperands, WeightType};
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::maps::IndexMap;
use tfq_ir::{BufferId, ElementType, Module, OpId, Subgraph, SubgraphId, TensorId};
use tfq_target::Target;

/// Buffers and the tensors that show them, in order of appearance.
pub(super) type TensorsByBuffer = IndexMap<BufferId, Vec<(SubgraphId, TensorId)>>;

pub(super) fn shown(module: &Module) -> TensorsByBuffer {
    let mut shown = TensorsByBuffer::default();
    for (sg, graph) in module.subgraphs() {
        for tensor in graph.tensors() {
            let buffer = graph.tensor(tensor).buffer;
            if buffer != BufferId::NONE {
                let tensors = shown.entry(buffer).or_insert_with(just_one);
                tensors.push((sg, tensor));
            }
        }
    }
    shown
}

/// Most constants have one reader and one tensor, and there may be a great many constants.
pub(super) fn just_one<T>() -> Vec<T> {
    Vec::with_capacity(1)
}

/// The operands of an op that are read as weights. As float16, whose Dequantize serves any op,
/// every constant counts but biases: XNNPACK leaves an op whose filter is float32 and whose bias
/// comes from float16.
pub(super) fn slots(
    pass: &QuantizeWeights,
    module: &Module,
    target: &Target,
    called: &CalledWeights,
    sg: SubgraphId,
    op: OpId,
) -> Vec<u32> {
    let graph = module.subgraph(sg);
    if let Some(custom) = pass.custom_ops.get(&graph.op(op).kind) {
        return custom.weights.clone();
    }
    let all = 0..graph.operands(op).len() as u32;
    if pass.r#type == WeightType::Float16 || pass.operands == QuantizedOperands::All {
        let biases = target.facts_of(graph, op).map_or(&[][..], |facts| &facts.biases);
        return all.filter(|slot| !biases.contains(slot)).collect();
    }
    if graph.op(op).subgraph_refs().is_empty() {
        return target.weight_slots(graph, op).to_vec();
    }
    all.filter(|slot| called.below(module, sg, op, *slot).is_some()).collect()
}

/// An op that reads a weight, and as which operand.
type WeightReader = (SubgraphId, OpId, u32);

/// The inputs of subgraphs that ops call which are read as weights there, or further below, by the
/// nearest op that does.
#[derive(Debug)]
pub(super) struct CalledWeights(IndexMap<(SubgraphId, TensorId), WeightReader>);

impl CalledWeights {
    pub(super) fn new(module: &Module, target: &Target) -> Self {
        let mut handed: IndexMap<_, Vec<(SubgraphId, TensorId)>> = IndexMap::default();
        for (sg, graph) in module.subgraphs() {
            for op in graph.ops().filter(|op| graph.op(*op).kind.runs_subgraphs()) {
                for (slot, operand) in (0..).zip(graph.operands(op)) {
                    for input in module.arguments(sg, op, slot) {
                        handed.entry(input).or_default().extend(operand.map(|id| (sg, id)));
                    }
                }
            }
        }
        let mut nearest: IndexMap<(SubgraphId, TensorId), WeightReader> = IndexMap::default();
        for &(sg, id) in handed.keys() {
            let graph = module.subgraph(sg);
            let mut uses = graph.uses(id).into_iter();
            let weight = uses.find(|u| target.weight_slots(graph, u.op).contains(&u.slot));
            nearest.extend(weight.map(|u| ((sg, id), (sg, u.op, u.slot))));
        }
        let mut next = 0;
        while let Some((&input, &reader)) = nearest.get_index(next) {
            next += 1;
            let above = handed[&input].iter().filter(|tensor| handed.contains_key(*tensor));
            for tensor in above {
                nearest.entry(*tensor).or_insert(reader);
            }
        }
        Self(nearest)
    }

    /// Where a subgraph that the op calls reads the operand as a weight.
    pub(super) fn below(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        slot: u32,
    ) -> Option<WeightReader> {
        if self.0.is_empty() {
            return None;
        }
        module.arguments(sg, op, slot).iter().find_map(|input| self.0.get(input).copied())
    }
}

/// The Dequantize that makes the tensor float32 and what it reads, or the tensor itself.
pub(super) fn in_front_of_dequantize(graph: &Subgraph, id: TensorId) -> (Option<OpId>, TensorId) {
    let dequantize = graph.producer(id).map(|(producer, _)| producer);
    let dequantize = dequantize.filter(|op| graph.op(*op).kind.is(DEQUANTIZE));
    match dequantize.and_then(|op| Some((op, graph.operand(op, 0)?))) {
        Some((op, stored)) => (Some(op), stored),
        None => (None, id),
    }
}

/// Why the tensor must stay float32, whatever its readers take, as a rule and a sentence.
pub(super) fn held_as_float(
    module: &Module,
    sg: SubgraphId,
    id: TensorId,
) -> Option<(&'static str, String)> {
    let graph = module.subgraph(sg);
    let name = graph.tensor(id).label();
    let references = module.references(sg, id);
    if references.input {
        return Some(("graph input", format!("the caller may set `{name}`, an input")));
    }
    if references.quantization {
        return Some(("scales", format!("the quantisation of another tensor names `{name}`")));
    }
    // An output that is quantised gets a copy, which signatures follow; others have none.
    if references.signature_output && !references.output {
        return Some(("signature", format!("a signature returns `{name}`, as float32")));
    }
    // Of an output that is named twice, the runtime fills one place only where an op computes it;
    // a constant is copied to both.
    if references.output && graph.outputs().iter().filter(|out| **out == id).count() > 1 {
        return Some(("output", format!("the subgraph returns `{name}` more than once")));
    }
    if references.scratch {
        return Some(("scratch", format!("an op writes to `{name}`")));
    }
    None
}

/// Whether the tensor is a float32 constant of the file.
pub(super) fn is_float_constant(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    let tensor = module.subgraph(sg).tensor(id);
    tensor.ty == ElementType::Float32 && module.constant(sg, id).is_some_and(|b| !b.is_empty())
}
