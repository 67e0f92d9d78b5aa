//! What lies between the inputs of a model and an op.

use crate::stored::in_front_of_dequantize;
use std::cell::OnceCell;
use tfq_ir::maps::HashSet;
use tfq_ir::{Module, OpId, Subgraph, SubgraphId, TensorId};
use tfq_target::{Front, Target};

/// Tensors that hold what an op with weights computed, or that may, and those that hold what came with
/// more than two dimensions: found when first asked for.
#[derive(Debug, Default)]
pub(super) struct Behind(OnceCell<Found>);

#[derive(Debug, Default)]
struct Found {
    layers: Tensors,
    sequences: Tensors,
}

/// Some tensors of a model, by the numbers of their subgraphs and their own: there may be a great
/// many.
#[derive(Debug, Default)]
struct Tensors(Vec<Vec<bool>>);

impl Tensors {
    fn insert(&mut self, sg: SubgraphId, id: TensorId) {
        let (sg, number) = (sg.0 as usize, id.number() as usize);
        if sg >= self.0.len() {
            self.0.resize_with(sg + 1, Vec::new);
        }
        let of_graph = &mut self.0[sg];
        if number >= of_graph.len() {
            of_graph.resize(number + 1, false);
        }
        of_graph[number] = true;
    }

    fn contains(&self, sg: SubgraphId, id: TensorId) -> bool {
        let of_graph = self.0.get(sg.0 as usize);
        of_graph.and_then(|of| of.get(id.number() as usize)).is_some_and(|is_in| *is_in)
    }
}

impl Behind {
    /// What lies in front of the op.
    pub(super) fn front(
        &self,
        module: &Module,
        target: &Target,
        sg: SubgraphId,
        op: OpId,
    ) -> Front {
        let Found { layers, sequences } = self.0.get_or_init(|| find(module, target));
        let graph = module.subgraph(sg);
        let read = || {
            let read = graph.operands(op).into_iter().flatten();
            read.filter(|id| module.constant(sg, *id).is_none())
        };
        if read().any(|id| layers.contains(sg, id) || graph.tensor(id).is_variable) {
            return Front::Layer;
        }
        match read().any(|id| sequences.contains(sg, id)) {
            true => Front::Inputs,
            false => Front::Table,
        }
    }
}

fn find(module: &Module, target: &Target) -> Found {
    let Found { mut layers, mut sequences } = Found::default();
    let called: HashSet<SubgraphId> = module
        .subgraphs()
        .flat_map(|(_, graph)| graph.ops().flat_map(|op| graph.op(op).subgraph_refs()))
        .filter_map(|(_, number)| u32::try_from(number).ok().map(SubgraphId))
        .collect();
    for (sg, graph) in module.subgraphs() {
        // Nobody looks at what callers hand over.
        let unknown =
            graph.inputs().iter().filter(|id| called.contains(&sg) || is_state(graph, **id));
        unknown.for_each(|id| layers.insert(sg, *id));
        let of_rank = graph.inputs().iter().filter(|id| graph.tensor(**id).shape.len() > 2);
        of_rank.for_each(|id| sequences.insert(sg, *id));
        for op in graph.ops() {
            let is_weight = |slot: &u32| {
                let id = graph.operand(op, *slot);
                id.is_some_and(|id| {
                    module.constant(sg, in_front_of_dequantize(graph, id).1).is_some()
                })
            };
            let has_weights = target.weight_slots(graph, op).iter().any(is_weight);
            let reads = |of: &Tensors| {
                graph.operands(op).into_iter().flatten().any(|id| of.contains(sg, id))
            };
            if has_weights || reads(&layers) || !graph.op(op).subgraph_refs().is_empty() {
                graph.results(op).into_iter().for_each(|id| layers.insert(sg, id));
            } else if reads(&sequences) {
                graph.results(op).into_iter().for_each(|id| sequences.insert(sg, id));
            }
        }
    }
    Found { layers, sequences }
}

/// What a streaming model returns to get it back with the next input: an input of several that an
/// output has the type and shape of.
fn is_state(graph: &Subgraph, input: TensorId) -> bool {
    let (tensor, several) = (graph.tensor(input), graph.inputs().len() > 1);
    let alike = |output: &TensorId| {
        let output = graph.tensor(*output);
        output.ty == tensor.ty && output.shape == tensor.shape
    };
    several && graph.outputs().iter().any(alike)
}
