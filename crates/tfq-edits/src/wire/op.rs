//! An op that a patch adds or sets.

use super::value::{Attribute, Blob, Map, Plain, is_default};
use serde::{Deserialize, Serialize};
use tfq_json::closed;

closed!(Op, Table, CustomOptions, Custom);

/// What an op is, but for its operands and results.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
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

/// A table of options.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Table {
    /// As in the schema: `Conv2DOptions`.
    pub(crate) table: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) attributes: Map<Plain>,
}

/// The payload of a custom op.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
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
#[serde(untagged, expecting = "an operator is wanted: its name, or {\"custom\": NAME}")]
pub(crate) enum Operator {
    Builtin(Builtin),
    Custom(Custom),
}

/// The name of a custom operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Custom {
    pub(crate) custom: String,
}

/// An operator of the format: its name in the schema, or its number where it has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an operator of the format is wanted, by name")]
pub(crate) enum Builtin {
    Name(String),
    Number(i32),
}
