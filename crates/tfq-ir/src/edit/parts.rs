//! What a patch says, for those who write it down.

use super::patch::{InsertionPoint, OpChange, OpRef, Patch, TensorChange, TensorRef};
use crate::maps::{IndexMap, IndexSet};
use crate::{Op, OpId, SubgraphId, Tensor, TensorId};
use bytes::Bytes;

/// All that a patch says. Its methods of the same names say what each means.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct PatchParts<'a> {
    pub subgraph: SubgraphId,
    pub label: &'a str,
    pub constants: &'a [Bytes],
    pub tensors: &'a [Tensor],
    pub ops: &'a [(Op, InsertionPoint)],
    /// By op and slot, like results and intermediates; those of new ops are among them.
    pub operands: &'a IndexMap<(OpRef, u32), Option<TensorRef>>,
    pub results: &'a IndexMap<(OpRef, u32), TensorRef>,
    pub intermediates: &'a IndexMap<(OpRef, u32), Option<TensorRef>>,
    pub replaced_outputs: &'a IndexMap<TensorId, TensorRef>,
    pub inputs: Option<&'a [TensorRef]>,
    pub outputs: Option<&'a [TensorRef]>,
    pub tensor_changes: &'a [(TensorRef, TensorChange)],
    pub op_changes: &'a [(OpId, OpChange)],
    pub erased_ops: &'a IndexSet<OpId>,
    pub erased_tensors: &'a IndexSet<TensorId>,
}

impl Patch {
    /// All that it says.
    pub fn parts(&self) -> PatchParts<'_> {
        PatchParts {
            subgraph: self.subgraph,
            label: &self.label,
            constants: &self.constants,
            tensors: &self.tensors,
            ops: &self.ops,
            operands: &self.wiring.operands,
            results: &self.wiring.results,
            intermediates: &self.wiring.intermediates,
            replaced_outputs: &self.wiring.moved_outputs,
            inputs: self.wiring.inputs.as_deref(),
            outputs: self.wiring.outputs.as_deref(),
            tensor_changes: &self.tensor_changes,
            op_changes: &self.op_changes,
            erased_ops: &self.wiring.erased_ops,
            erased_tensors: &self.wiring.erased_tensors,
        }
    }
}
