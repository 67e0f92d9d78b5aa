//! A change of one subgraph.

use super::op::Op;
use super::tensor::{Quantization, Sparsity, Tensor, Type, VariantTensor};
use super::value::{Attribute, Blob, Label, Nullable, present};
use crate::handles::{BufferRef, OpHandle, OpRef, TensorHandle, TensorRef};
use serde::{Deserialize, Serialize};
use tfq_json::closed;

closed!(
    Patch,
    NewOp,
    Place,
    Operand,
    OpResult,
    Output,
    ChangedTensor,
    TensorChange,
    ChangedOp,
    OpChange
);

/// A change of one subgraph. What it adds itself goes by its place in `add_constants`,
/// `add_tensors` and `add_ops`: `{"new": 0}`. Everything is done as if in the order of the fields;
/// of two that set the same the last one counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Patch {
    /// The number of the subgraph.
    pub(crate) subgraph: u32,
    /// What it does, in the imperative: it names the rule in statistics and messages.
    pub(crate) label: Label,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) add_constants: Vec<Blob>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) add_tensors: Vec<Tensor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) add_ops: Vec<NewOp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) set_operands: Vec<Operand>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) set_results: Vec<OpResult>,
    /// Scratch tensors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) set_intermediates: Vec<Operand>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) replace_outputs: Vec<Output>,
    /// What the subgraph takes. Its signatures stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) set_inputs: Option<Vec<TensorRef>>,
    /// What the subgraph returns, whatever `replace_outputs` says. Its signatures stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) set_outputs: Option<Vec<TensorRef>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) change_tensors: Vec<ChangedTensor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) change_ops: Vec<ChangedOp>,
    /// Their results must be erased, computed otherwise, made constants or unused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) erase_ops: Vec<OpHandle>,
    /// Nothing may use them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) erase_tensors: Vec<TensorHandle>,
}

/// An op that a patch adds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct NewOp {
    pub(crate) op: Op,
    pub(crate) place: Place,
    /// By slot; `null` where one is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) operands: Vec<Option<TensorRef>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) results: Vec<TensorRef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) intermediates: Vec<Option<TensorRef>>,
}

/// Where a new op goes in the execution order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "snake_case")]
pub(crate) enum Place {
    /// Right before this op.
    Before(OpHandle),
    /// Right after this op; of several the first is the nearest.
    After(OpHandle),
    /// Behind all ops.
    End,
}

/// Lets an op read another tensor, or none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Operand {
    pub(crate) op: OpRef,
    pub(crate) slot: u32,
    /// `null` leaves it out.
    #[serde(deserialize_with = "present")]
    pub(crate) tensor: Nullable<TensorRef>,
}

/// Lets an op write another tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct OpResult {
    pub(crate) op: OpRef,
    pub(crate) slot: u32,
    pub(crate) tensor: TensorRef,
}

/// Lets the subgraph return `new` wherever it returned `old`, in its signatures too.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) old: TensorHandle,
    pub(crate) new: TensorRef,
}

/// Sets something of a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct ChangedTensor {
    pub(crate) tensor: TensorRef,
    pub(crate) set: TensorChange,
}

/// What is set of a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "snake_case")]
pub(crate) enum TensorChange {
    Name(Nullable<String>),
    Type(Type),
    Shape(Vec<i32>),
    ShapeSignature(Vec<i32>),
    HasRank(bool),
    Variable(bool),
    Buffer(BufferRef),
    ExternalBuffer(u32),
    Quantization(Nullable<Quantization>),
    Sparsity(Nullable<Sparsity>),
    VariantTensors(Vec<VariantTensor>),
    Expressed(Nullable<Type>),
}

/// Sets something of an op.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct ChangedOp {
    pub(crate) op: OpHandle,
    pub(crate) set: OpChange,
}

/// What is set of an op.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum OpChange {
    /// All that it is; operands and results stay.
    Op(Box<Op>),
    /// An attribute of its table, by schema name.
    Attribute { name: String, value: Attribute },
    /// A note for later passes.
    Note { name: String, value: Attribute },
    /// The operator version that it needs.
    Version(i32),
}
