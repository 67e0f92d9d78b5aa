//! The JSON form, as types: what is not said here is no part of it, and the JSON Schema is made of
//! it. Doc comments are the descriptions there.

use crate::number::{Float, Int64, Uint64};
use indexmap::IndexMap;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use tfq_ir::{ElementType, OpId, TensorId};

/// Edits of a model: those of a run, or what a plugin sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// The version of this form: 1.
    pub(crate) tfq_edits: u32,
    /// The model that they belong to: `blake3:` and the hash of its file in 64 digits. Without it
    /// nobody checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// In the order in which they are applied.
    pub(crate) edits: Vec<Step>,
}

/// One edit, and who made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The pass that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pass: Option<String>,
    pub(crate) edit: Edit,
}

/// Something that is done to a model, all of it or nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Edit {
    /// Changes a subgraph.
    Patch(Box<Patch>),
    /// Sets the operator versions that ops need.
    Versions { subgraph: u32, versions: Vec<Version> },
    /// Adds a constant, behind all others.
    Constant(Blob),
    /// Lets go of those constants among these that nothing refers to. Their places stay.
    Release(Vec<u32>),
    /// Sets a metadata entry. `null` drops it.
    Metadata {
        name: String,
        #[serde(deserialize_with = "present")]
        content: Nullable<Blob>,
    },
    /// Sets the format's older list of metadata buffers.
    MetadataBuffers(Vec<i32>),
    /// Sets the free text of the model. `null` drops it.
    Description(Nullable<String>),
    /// Sets what follows the model in its file.
    Trailer(Blob),
    /// Sets the constants outside of the model.
    External { groups: Vec<Option<String>>, buffers: Vec<ExternalBuffer> },
    /// Sets the functions that a caller can run by name.
    Signatures(Vec<Signature>),
    /// Sets a record: what passes found out about ops. `null` drops it.
    Record {
        key: String,
        #[serde(deserialize_with = "present")]
        record: Nullable<Record>,
    },
    /// Drops what nothing refers to, and renumbers what stays.
    Prune(Prune),
}

/// What is dropped where nothing refers to it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prune {
    Buffers,
    OperatorCodes,
    Subgraphs,
}

/// The operator version that an op needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    pub(crate) op: OpHandle,
    pub(crate) version: i32,
}

/// A constant in another file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ExternalBuffer {
    pub(crate) id: u32,
    /// Which of the groups has its file.
    pub(crate) group: u32,
    pub(crate) offset: Uint64,
    pub(crate) length: Uint64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) packing: Option<String>,
}

/// A function that a caller can run by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Signature {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The number of its subgraph.
    pub(crate) subgraph: u32,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    /// A field that the format gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deprecated_tag: Option<String>,
}

/// An input or output of a signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Port {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) tensor: Link,
}

/// What passes found out about ops, for later readers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The record is dropped once a patch adds an op of one of these operators or changes what one
    /// reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) about: Vec<Builtin>,
    pub(crate) entries: Vec<RecordEntry>,
}

/// What a record says of an op or a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordEntry {
    pub(crate) of: Recorded,
    pub(crate) content: Blob,
}

/// An op or a tensor that is there.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an op or a tensor, such as \"@0#12\" or \"@0%12\"")]
pub(crate) enum Recorded {
    Op(OpHandle),
    Tensor(TensorHandle),
}

/// A change of one subgraph. What it adds itself goes by its place in `add_constants`,
/// `add_tensors` and `add_ops`: `{"new": 0}`. Everything is done as if in the order of the fields;
/// of two that set the same the last one counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    /// The number of the subgraph.
    pub(crate) subgraph: u32,
    /// What it does, in the imperative: it names the rule in statistics and messages.
    pub(crate) label: String,
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
#[serde(deny_unknown_fields)]
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
#[serde(rename_all = "snake_case")]
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
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
pub(crate) struct OpResult {
    pub(crate) op: OpRef,
    pub(crate) slot: u32,
    pub(crate) tensor: TensorRef,
}

/// Lets the subgraph return `new` wherever it returned `old`, in its signatures too.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    pub(crate) old: TensorHandle,
    pub(crate) new: TensorRef,
}

/// Sets something of a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedTensor {
    pub(crate) tensor: TensorRef,
    pub(crate) set: TensorChange,
}

/// What is set of a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
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
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedOp {
    pub(crate) op: OpHandle,
    pub(crate) set: OpChange,
}

/// What is set of an op.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
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

/// A tensor that a patch adds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Tensor {
    /// Bytes of a name that are no UTF-8 are the characters U+10FF80 to U+10FFFF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(rename = "type")]
    pub(crate) ty: Type,
    /// Dimensions; a placeholder, as a rule 1, where `shape_signature` has -1.
    pub(crate) shape: Vec<i32>,
    /// Dimensions with -1 for those that are known at run time only; empty where all are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shape_signature: Vec<i32>,
    /// Tells a scalar from a tensor of unknown rank where there are no dimensions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) has_rank: bool,
    /// State that survives a run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) variable: bool,
    /// Where its constant bytes lie; 0 for a tensor that is no constant.
    #[serde(default, skip_serializing_if = "BufferRef::is_none")]
    pub(crate) buffer: BufferRef,
    /// Its buffer outside of the model; 0 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) external_buffer: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quantization: Option<Quantization>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sparsity: Option<Sparsity>,
    /// Types of its elements, where it is a `VARIANT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) variant_tensors: Vec<VariantTensor>,
    /// Between passes: the type that readers of a weight expect that was just quantised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expressed: Option<Type>,
}

/// How stored numbers map to real ones: `real = scale * (stored - zero_point)`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Quantization {
    /// One, or one for each index of dimension `axis`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scale: Vec<Float>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zero_point: Vec<Int64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) axis: i32,
    /// What calibration left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) min: Vec<Float>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) max: Vec<Float>,
    /// What takes the place of scale and zero point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Details>,
}

/// What takes the place of scale and zero point.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Details {
    Custom(Blob),
    Blockwise { scales: Link, zero_points: Link, block_size: i32, block_shape: Vec<i32> },
    MultiAxis { scales: Link, zero_points: Link, block_size: i32, axes: Vec<i32> },
}

/// How a sparse constant is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Sparsity {
    pub(crate) traversal_order: Vec<i32>,
    pub(crate) block_map: Vec<i32>,
    pub(crate) dimensions: Vec<SparseDimension>,
}

/// How one dimension of a sparse constant is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SparseDimension {
    /// The schema's `DimensionType`: 0 dense, 1 compressed sparse rows.
    pub(crate) format: i8,
    pub(crate) dense_size: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) segments: Option<SparseIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) indices: Option<SparseIndex>,
}

/// Indices of a sparse dimension, in the width that the file has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum SparseIndex {
    #[serde(rename = "INT32")]
    Int32(Vec<i32>),
    #[serde(rename = "UINT16")]
    Uint16(Vec<u16>),
    #[serde(rename = "UINT8")]
    Uint8(Vec<u8>),
}

/// The type of an element of a `VARIANT` tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct VariantTensor {
    #[serde(rename = "type")]
    pub(crate) ty: Type,
    pub(crate) shape: Vec<i32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) has_rank: bool,
}

/// What an op is, but for its operands and results.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Op {
    pub(crate) operator: Operator,
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub(crate) version: i32,
    /// The entry of the model's operator codes that it has; none for one that is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u32>,
    /// The table of its options, where it is not the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<String>,
    /// Attributes of the table that differ from the schema's defaults, by schema name. Enum values
    /// go by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) attributes: Map<Plain>,
    /// Whether the op goes without the table that its operator has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) no_table: bool,
    /// A second table, where a file has both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) second: Option<Table>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) custom_options: Option<CustomOptions>,
    /// Which operands it changes in place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mutates: Vec<bool>,
    /// Index into the debug metadata, -1 for none.
    #[serde(default = "none", skip_serializing_if = "is_none")]
    pub(crate) debug_metadata_index: i32,
    /// What passes left on it for later ones; not written to a file.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) notes: Map<Attribute>,
}

fn first_version() -> i32 {
    1
}

fn is_first_version(version: &i32) -> bool {
    *version == 1
}

fn none() -> i32 {
    -1
}

fn is_none(index: &i32) -> bool {
    *index == -1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A table of options.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// As in the schema: `Conv2DOptions`.
    pub(crate) table: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) attributes: Map<Plain>,
}

/// The payload of a custom op.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomOptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Blob>,
    /// The schema's `CustomOptionsFormat`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) format: i8,
    /// Whether the bytes lie behind the flatbuffer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) large: bool,
}

/// An operator: its name in the schema, `{"custom": NAME}`, or its number where the schema has no
/// name for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an operator: its name, or {\"custom\": NAME}")]
pub(crate) enum Operator {
    Builtin(Builtin),
    Custom(Custom),
}

/// The name of a custom operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Custom {
    pub(crate) custom: String,
}

/// An operator of the format: its name in the schema, or its number where it has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an operator of the format, by name")]
pub(crate) enum Builtin {
    Name(String),
    Number(i32),
}

/// The value of an attribute or note of which nothing else says the type.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Attribute {
    Bool(bool),
    /// Integers of every width.
    Int(Int64),
    /// A value of the attribute's enum, by its name in the schema.
    Enum(String),
    Float(Float),
    String(String),
    Bytes(Blob),
    Bools(Vec<bool>),
    Ints(Vec<Int64>),
    Floats(Vec<Float>),
}

/// The value of an attribute whose type the schema says: a boolean, a number or a string with its
/// digits, the name of an enum's value, a string, bytes, or a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a boolean, a number, a string, bytes or a list of such")]
pub(crate) enum Plain {
    Bool(bool),
    Int(i64),
    /// As it is read.
    Number(f64),
    /// As it is written.
    #[serde(skip_deserializing)]
    Float(Float),
    Text(String),
    Bytes(Blob),
    List(Vec<Plain>),
}

/// Bytes: in base64; by the BLAKE3 hash, in 64 digits, of bytes that are sent beside; or those of a
/// constant that the model has or, in `add_constants`, that stands before it there. What is named
/// in the last two ways lies in the file once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blob {
    Base64(String),
    Blake3(String),
    Buffer(u32),
    New(u32),
}

/// The nth that this patch adds, from 0.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    pub(crate) new: u32,
}

/// A tensor that is there or that the patch adds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a tensor, such as \"@0%12\" or {\"new\": 0}")]
pub(crate) enum TensorRef {
    Old(TensorHandle),
    New(New),
}

/// An op that is there or that the patch adds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an op, such as \"@0#12\" or {\"new\": 0}")]
pub(crate) enum OpRef {
    Old(OpHandle),
    New(New),
}

/// A constant by its number, or one that the patch adds. Number 0 is none.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a constant, such as 3 or {\"new\": 0}")]
pub(crate) enum BufferRef {
    Old(u32),
    New(New),
}

impl Default for BufferRef {
    fn default() -> Self {
        Self::Old(0)
    }
}

impl BufferRef {
    fn is_none(&self) -> bool {
        matches!(self, Self::Old(0))
    }
}

/// A tensor, or a number that is none, as files may have it: -1 for no tensor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "a tensor, such as \"@0%12\" or {\"new\": 0}, or a number that is none"
)]
pub(crate) enum Link {
    Old(TensorHandle),
    New(New),
    Raw(i32),
}

/// A tensor that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorHandle(pub(crate) TensorId);

/// An op that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpHandle(pub(crate) OpId);

/// The type of a tensor's elements, by its name in the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type(pub(crate) ElementType);

impl Serialize for TensorHandle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TensorHandle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
    }
}

impl Serialize for OpHandle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for OpHandle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
    }
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// All types, in order of number.
pub(crate) fn types() -> impl Iterator<Item = ElementType> {
    (0..).map_while(ElementType::from_code)
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let names: Vec<String> = types().map(|ty| format!("`{ty}`")).collect();
        // In the words of an enum, from which a help is made.
        let unknown = || format!("unknown type `{text}`, expected one of {}", names.join(", "));
        ElementType::from_name(&text).map(Self).ok_or_else(|| D::Error::custom(unknown()))
    }
}

/// What must be said, and may be nothing.
#[derive(Clone, Debug)]
pub(crate) struct Nullable<T>(pub(crate) Option<T>);

impl<T: Serialize> Serialize for Nullable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nullable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

/// For fields: what is read in the usual way may be missing where it may be null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Nullable<T>, D::Error> {
    Nullable::deserialize(deserializer)
}

/// Values by name, each name once, in order.
#[derive(Clone, Debug)]
pub(crate) struct Map<T>(pub(crate) IndexMap<String, T>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<T> Map<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for Map<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = IndexMap<String, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = IndexMap::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if let (at, Some(_)) = all.insert_full(name, value) {
                        let name = all.get_index(at).map_or("", |(name, _)| name);
                        return Err(A::Error::custom(format!("duplicate field `{name}`")));
                    }
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(Visit(PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod schema {
    use super::{Map, Nullable, OpHandle, TensorHandle, Type, types};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for TensorHandle {
        fn schema_name() -> Cow<'static, str> {
            "TensorHandle".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A tensor that is there: the number of its subgraph when the model \
                    was read, and its own number there.",
                "type": "string",
                "pattern": "^@[0-9]+%[0-9]+$",
            })
        }
    }

    impl JsonSchema for OpHandle {
        fn schema_name() -> Cow<'static, str> {
            "OpHandle".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "An op that is there: the number of its subgraph when the model was \
                    read, and its own number there.",
                "type": "string",
                "pattern": "^@[0-9]+#[0-9]+$",
            })
        }
    }

    impl JsonSchema for Type {
        fn schema_name() -> Cow<'static, str> {
            "Type".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let names: Vec<&str> = types().map(|ty| ty.name()).collect();
            json_schema!({ "description": "The type of a tensor's elements.", "enum": names })
        }
    }

    impl<T: JsonSchema> JsonSchema for Nullable<T> {
        fn schema_name() -> Cow<'static, str> {
            Option::<T>::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            Option::<T>::json_schema(generator)
        }

        fn inline_schema() -> bool {
            true
        }
    }

    impl<T: JsonSchema> JsonSchema for Map<T> {
        fn schema_name() -> Cow<'static, str> {
            format!("MapOf{}", T::schema_name()).into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "object",
                "additionalProperties": generator.subschema_for::<T>(),
            })
        }

        fn inline_schema() -> bool {
            true
        }
    }
}
