//! Constants of a model as the pass sees them: who shows and reads them, and what holds them as
//! they are.

use tfq_ir::maps::IndexMap;
use tfq_ir::{BufferId, ElementType, Module, SubgraphId, TensorId};

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
