//! What users want of a model beside its numbers: other inputs and outputs.

mod bind;
mod mend;
pub(crate) mod set_batch;
pub(crate) mod set_shape;

use tfq_ir::ops::{Dim, Shape};
use tfq_ir::{Module, SubgraphId, TensorId};

/// An input that a caller sets.
struct Input {
    sg: SubgraphId,
    id: TensorId,
    /// What signatures call it.
    names: Vec<String>,
    /// Its dimensions, where their number is known.
    dims: Option<Vec<Dim>>,
}

impl Input {
    /// Whether people call it so.
    fn is_called(&self, module: &Module, name: &str) -> bool {
        let tensor = module.subgraph(self.sg).tensor(self.id);
        tensor.is_called(name) || self.names.iter().any(|known| known == name)
    }

    /// As messages show it.
    fn shown(&self, module: &Module) -> String {
        let label = module.subgraph(self.sg).tensor(self.id).label();
        let shape = self.dims.as_ref().map_or(Shape::Unranked, |dims| Shape::of(dims.clone()));
        format!("`{}` of shape {shape}", tfq_ir::visible(label))
    }
}

/// What callers set: inputs of the main subgraph and of those that signatures run.
fn inputs(module: &Module) -> Vec<Input> {
    let mut inputs = Vec::new();
    for sg in crate::shapes::entries(module) {
        let graph = module.subgraph(sg);
        for id in graph.inputs().iter().copied() {
            let signatures = module.signatures().iter().filter(|s| s.subgraph == sg.0);
            let ports = signatures.flat_map(|signature| &signature.inputs);
            let named = ports.filter(|(_, link)| link.tensor() == Some(id));
            let names = named.filter_map(|(name, _)| name.as_deref().map(str::to_owned)).collect();
            let shape = Shape::of_tensor(graph.tensor(id), false);
            inputs.push(Input { sg, id, names, dims: shape.dims().map(<[_]>::to_vec) });
        }
    }
    inputs
}

/// Names of inputs, for messages.
fn listed(module: &Module, inputs: &[Input]) -> String {
    inputs.iter().map(|input| input.shown(module)).collect::<Vec<_>>().join(", ")
}
