//! A document, and the edits in it.

use super::op::Builtin;
use super::patch::Patch;
use super::value::{Blob, Label, Nullable, present};
use crate::handles::{Link, OpHandle, TensorHandle};
use crate::number::Uint64;
use serde::{Deserialize, Serialize};
use tfq_json::closed;

closed!(Document, Step, Edit, Prune, Version, ExternalBuffer, Signature, Port, Record, RecordEntry);

/// Edits of a model: those of a run, or what a plugin sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Document {
    /// The version of this form: 1.
    #[cfg_attr(test, schemars(extend("const" = crate::VERSION)))]
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
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Step {
    /// The pass that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pass: Option<Label>,
    pub(crate) edit: Edit,
}

/// Something that is done to a model, all of it or nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
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
#[serde(remote = "Self", rename_all = "snake_case")]
pub(crate) enum Prune {
    Buffers,
    OperatorCodes,
    Subgraphs,
}

/// The operator version that an op needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Version {
    pub(crate) op: OpHandle,
    pub(crate) version: i32,
}

/// A constant in another file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
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
#[serde(remote = "Self", deny_unknown_fields)]
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
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Port {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) tensor: Link,
}

/// What passes found out about ops, for later readers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
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
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct RecordEntry {
    pub(crate) of: Recorded,
    pub(crate) content: Blob,
}

/// An op or a tensor that is there.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an op or a tensor is wanted, such as \"@0#12\" or \"@0%12\"")]
pub(crate) enum Recorded {
    Op(OpHandle),
    Tensor(TensorHandle),
}
