//! What the entries of metadata that are ours have in common: the numbers that ops and tensors have
//! in a file, and how such an entry is known, or a model.

use tfq_ir::maps::HashMap;
use tfq_ir::{Module, OpId, TensorId};
use tfq_schema::tflite::MODEL_IDENTIFIER;

/// Who wrote an entry.
pub(crate) const PRODUCER: &str = concat!("tfq-opt ", env!("CARGO_PKG_VERSION"));
/// A flatbuffer with an identifier has so many bytes at least.
const SHORTEST: usize = 8;

/// Whether the bytes are a flatbuffer with this identifier. The check of flatbuffers expects that
/// there are bytes for one.
pub(crate) fn has_identifier(bytes: &[u8], identifier: &str) -> bool {
    bytes.len() >= SHORTEST && flatbuffers::buffer_has_identifier(bytes, identifier, false)
}

/// Whether a file that begins so has the identifier of a model.
pub fn is_model(start: &[u8]) -> bool {
    has_identifier(start, MODEL_IDENTIFIER)
}

/// The numbers that ops and tensors have in a file.
pub(crate) struct Numbers {
    /// By subgraph.
    pub(crate) ops: Vec<Vec<OpId>>,
    pub(crate) tensors: Vec<Vec<TensorId>>,
    /// By the origin of a subgraph, then by the number that an op or a tensor has in the graph.
    of: HashMap<u32, Vec<u32>>,
}

impl Numbers {
    pub(crate) fn of(module: &Module) -> Self {
        let graphs = || module.subgraphs().map(|(_, graph)| graph);
        let ops: Vec<Vec<OpId>> = graphs().map(|graph| graph.ops().collect()).collect();
        let tensors: Vec<Vec<TensorId>> = graphs().map(|graph| graph.tensors().collect()).collect();
        let mut of: HashMap<u32, Vec<u32>> = HashMap::default();
        for (ops, tensors) in ops.iter().zip(&tensors) {
            let ops = ops.iter().map(|op| (op.origin(), op.number())).zip(0..);
            let tensors = tensors.iter().map(|tensor| (tensor.origin(), tensor.number())).zip(0..);
            for ((origin, number), index) in ops.chain(tensors) {
                let of = of.entry(origin).or_default();
                if of.len() <= number as usize {
                    of.resize(number as usize + 1, u32::MAX);
                }
                of[number as usize] = index;
            }
        }
        Self { ops, tensors, of }
    }

    /// The number of an op that is there.
    pub(crate) fn op(&self, op: OpId) -> u32 {
        self.of[&op.origin()][op.number() as usize]
    }

    /// The number of a tensor that is there.
    pub(crate) fn tensor(&self, tensor: TensorId) -> u32 {
        self.of[&tensor.origin()][tensor.number() as usize]
    }
}
