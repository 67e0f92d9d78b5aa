//! What refers to a tensor besides the ops that read and compute it, and so which constants
//! nobody can change.

use super::signature::tensors;
use crate::maps::IndexMap;
use crate::{Module, Signature, SubgraphId, Tensor, TensorId};
use bytes::Bytes;

/// What refers to a tensor besides operands and results of ops. A tensor that something refers
/// to can neither be erased nor get another type, whoever reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// A caller sets it: it is an input of the subgraph or of a signature.
    pub input: bool,
    /// The subgraph returns it.
    pub output: bool,
    /// A signature returns it, which may be so although the subgraph does not.
    pub signature_output: bool,
    /// It holds the scales or zero points of another tensor.
    pub quantization: bool,
    /// An op uses it as scratch (the format's `intermediates`).
    pub scratch: bool,
    /// It has no single value ([`crate::Oddity`]), so every op that makes or reads it counts.
    pub odd: bool,
}

impl References {
    /// Whether anything refers to it.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl Module {
    /// What refers to a tensor besides operands and results of ops.
    ///
    /// # Panics
    /// If the tensor has been erased.
    pub fn references(&self, sg: SubgraphId, tensor: TensorId) -> References {
        let graph = self.subgraph(sg);
        let mut found = References {
            input: graph.is_input(tensor),
            output: graph.is_output(tensor),
            signature_output: false,
            quantization: graph.links_to(tensor) > 0,
            scratch: graph.scratch_of(tensor).next().is_some(),
            odd: graph.oddity(tensor).is_some(),
        };
        let ports = self.signature_ports.of(&self.signatures);
        found.input |= ports.inputs.contains(&tensor);
        found.signature_output |= ports.outputs.contains(tensor);
        found
    }

    /// Whether a signature takes the tensor.
    pub(crate) fn is_signature_input(&self, tensor: TensorId) -> bool {
        self.signature_ports.of(&self.signatures).inputs.contains(&tensor)
    }

    /// [`Self::references`] of every tensor that has any, for those who ask about many.
    pub fn all_references(&self, sg: SubgraphId) -> IndexMap<TensorId, References> {
        let graph = self.subgraph(sg);
        let mut all: IndexMap<TensorId, References> = IndexMap::default();
        for id in graph.inputs() {
            all.entry(*id).or_default().input = true;
        }
        for id in graph.outputs() {
            all.entry(*id).or_default().output = true;
        }
        for signature in self.signatures_of(sg) {
            for id in tensors(&signature.inputs) {
                all.entry(id).or_default().input = true;
            }
            for id in tensors(&signature.outputs) {
                all.entry(id).or_default().signature_output = true;
            }
        }
        for id in graph.linked() {
            all.entry(id).or_default().quantization = true;
        }
        for id in graph.ops().flat_map(|op| graph.intermediates(op)).flatten() {
            all.entry(id).or_default().scratch = true;
        }
        for (id, _) in graph.oddities() {
            all.entry(id).or_default().odd = true;
        }
        all
    }

    /// The bytes of a constant that neither a caller nor an op can change, so that its values
    /// are known before run time. [`Self::constant`] gives those of inputs too, which hold what
    /// the caller sets.
    pub fn fixed_constant(&self, sg: SubgraphId, tensor: TensorId) -> Option<&Bytes> {
        let bytes = self.constant(sg, tensor)?;
        let references = self.references(sg, tensor);
        let computed = self.subgraph(sg).producer(tensor).is_some();
        (!references.input && !references.scratch && !computed).then_some(bytes)
    }

    /// Whether anything gives a tensor a value: the file, a caller, an op, or the runtime where it is
    /// a variable. One without elements needs none.
    ///
    /// # Panics
    /// If the tensor has been erased.
    pub fn has_value(&self, sg: SubgraphId, tensor: TensorId) -> bool {
        let graph = self.subgraph(sg);
        self.holds_value(graph.tensor(tensor))
            || graph.is_input(tensor)
            || graph.producer(tensor).is_some()
            || graph.oddity(tensor).is_some()
    }

    /// Whether a tensor has a value though no caller and no op gives it one.
    pub(crate) fn holds_value(&self, tensor: &Tensor) -> bool {
        tensor.is_variable
            || tensor.external_buffer != 0
            || self.constants().constant(tensor.buffer).is_some()
            || tensor.elements() == Some(0)
    }

    fn signatures_of(&self, sg: SubgraphId) -> impl Iterator<Item = &Signature> {
        let places = self.signature_ports.of(&self.signatures).signatures_of(sg);
        places.iter().map(|place| &self.signatures[*place as usize])
    }
}
