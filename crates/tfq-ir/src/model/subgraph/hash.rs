//! A hash of the structure of a subgraph.

use super::Subgraph;
use crate::TensorId;
use crate::maps::HashMap;
use std::hash::{Hash, Hasher};

impl Subgraph {
    /// Feeds the structure to a hasher. Tensors are numbered in the order in which ops, inputs and
    /// outputs mention them, so that equal graphs built in different ways agree. With `annotations`
    /// names, versions and notes count too, which change nothing that is computed.
    pub(crate) fn hash_structure(&self, hasher: &mut impl Hasher, annotations: bool) {
        let mut numbers: HashMap<TensorId, usize> = HashMap::default();
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
}
