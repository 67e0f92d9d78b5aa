//! The JSON form, as types: what is not said here is no part of it, and the JSON Schema is made of
//! it. Doc comments are the descriptions there.

mod blobs;
mod edit;
mod op;
mod patch;
mod tensor;
mod value;

pub(crate) use edit::{
    Document, Edit, ExternalBuffer, Port, Prune, Record, RecordEntry, Recorded, Signature, Step,
    Version,
};
pub(crate) use op::{Builtin, Custom, CustomOptions, Op, Operator, Table};
pub(crate) use patch::{
    ChangedOp, ChangedTensor, NewOp, OpChange, OpResult, Operand, Output, Patch, Place,
    TensorChange,
};
pub(crate) use tensor::{
    Details, Quantization, SparseDimension, SparseIndex, Sparsity, Tensor, Type, VariantTensor,
};
pub(crate) use value::{Attribute, Blob, Label, Map, Nullable, Plain};
