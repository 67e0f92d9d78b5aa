//! How edits name tensors, ops and constants: by handles of what is there, and by number what the
//! patch itself adds.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use tfq_ir::{OpId, TensorId};
use tfq_json::closed;

closed!(New);

/// The nth that this patch adds, from 0.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct New {
    pub(crate) new: u32,
}

/// A tensor that is there or that the patch adds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a tensor is wanted, such as \"@0%12\" or {\"new\": 0}")]
pub(crate) enum TensorRef {
    Old(TensorHandle),
    New(New),
}

/// An op that is there or that the patch adds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an op is wanted, such as \"@0#12\" or {\"new\": 0}")]
pub(crate) enum OpRef {
    Old(OpHandle),
    New(New),
}

/// A constant by its number, or one that the patch adds. Number 0 is none.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a constant is wanted, such as 3 or {\"new\": 0}")]
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
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Old(0))
    }
}

/// A tensor, or a number that is none, as files may have it: -1 for no tensor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "a tensor is wanted, such as \"@0%12\" or {\"new\": 0}, or a number that is none"
)]
pub(crate) enum Link {
    Old(TensorHandle),
    New(New),
    Raw(i32),
}

/// A tensor or an op that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle<T>(pub(crate) T);

pub(crate) type TensorHandle = Handle<TensorId>;
pub(crate) type OpHandle = Handle<OpId>;

impl<T: fmt::Display> Serialize for Handle<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Handle<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
    }
}

#[cfg(test)]
mod schema {
    use super::{OpHandle, TensorHandle};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    /// Below 2³² as a rule: what is beyond has ten digits too.
    const NUMBER: &str = "(0|[1-9][0-9]{0,9})";

    impl JsonSchema for TensorHandle {
        fn schema_name() -> Cow<'static, str> {
            "TensorHandle".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A tensor that is there: the number of its subgraph when the model \
                    was read, and its own number there.",
                "type": "string",
                "pattern": format!("^@{NUMBER}%{NUMBER}$"),
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
                "pattern": format!("^@{NUMBER}#{NUMBER}$"),
            })
        }
    }
}
