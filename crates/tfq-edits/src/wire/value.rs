//! What other parts of the form are made of: attributes, bytes, what may be nothing, and maps.

use crate::number::{Float, Int64};
use indexmap::IndexMap;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use tfq_json::closed;

closed!(Attribute, Blob);

/// The value of an attribute or note of which nothing else says the type.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "snake_case")]
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
#[serde(untagged, expecting = "true, false, a number, a string, bytes or a list of such is wanted")]
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
#[serde(remote = "Self", rename_all = "snake_case")]
pub(crate) enum Blob {
    Base64(String),
    Blake3(String),
    Buffer(u32),
    New(u32),
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A few words that say what is done, or who does it.
#[derive(Clone, Debug)]
pub(crate) struct Label(String);

/// So many characters a label has at the most.
const LONGEST_LABEL: usize = 1000;

impl Label {
    /// What is longer ends where a label must end.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().take(LONGEST_LABEL).collect())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.chars().count() {
            ..=LONGEST_LABEL => Ok(Self(text)),
            count => Err(D::Error::custom(format!(
                "it has {count} characters, and may have {LONGEST_LABEL}"
            ))),
        }
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
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
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
    pub(super) fn is_empty(&self) -> bool {
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
    use super::{LONGEST_LABEL, Label, Map, Nullable};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for Label {
        fn schema_name() -> Cow<'static, str> {
            "Label".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "maxLength": LONGEST_LABEL })
        }

        fn inline_schema() -> bool {
            true
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
