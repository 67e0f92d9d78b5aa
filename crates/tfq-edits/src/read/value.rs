//! Values of attributes and notes, and what goes by a name of the schema.

use super::names::EditReader;
use super::path::{At, Read, each};
use crate::number::{Float, Int64};
use crate::wire::{Attribute, Builtin, Map, Plain};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use tfq_ir::catalog::{self, AttrInfo, AttrType, EnumInfo, ListType, OptionsInfo};
use tfq_ir::{Attr, Attributes, did_you_mean};

impl EditReader<'_> {
    pub(super) fn attributes(
        &self,
        options: &'static OptionsInfo,
        values: &Map<Plain>,
        at: &At<'_>,
    ) -> Read<Attributes> {
        let mut attrs = Attributes::new(options);
        for (name, value) in &values.0 {
            let at = at.field(name);
            let Some((_, info)) = options.attr(name) else {
                let help = did_you_mean(name, options.attrs.iter().map(|info| info.name));
                return Err(at.error(format!("{} has no such attribute", options.name)).help(help));
            };
            let value = self.plain(info, value, &at)?;
            attrs.set(name, value).map_err(|error| at.error(error))?;
        }
        Ok(attrs)
    }

    /// A value of the type that the schema says.
    fn plain(&self, info: &AttrInfo, value: &Plain, at: &At<'_>) -> Read<Attr> {
        let list = || match value {
            Plain::List(list) => Ok(list),
            _ => Err(at.error("a list is wanted")),
        };
        Ok(match info.ty {
            AttrType::Bool => Attr::Bool(boolean(value, at)?),
            AttrType::F32 | AttrType::F64 => Attr::Float(float(value, at)?),
            AttrType::String => match value {
                Plain::Text(text) => Attr::String(text.as_str().into()),
                _ => return Err(at.error("a string is wanted")),
            },
            AttrType::Bytes => match value {
                Plain::Bytes(blob) => Attr::Bytes(self.blob(blob, at)?),
                _ => return Err(at.error("bytes are wanted, as {\"base64\": …}")),
            },
            AttrType::List(ListType::Bool) => {
                Attr::Bools(each::<_, _, Vec<_>>(list()?, at, boolean)?.into())
            }
            AttrType::List(ListType::F32) => {
                Attr::Floats(each::<_, _, Vec<_>>(list()?, at, float)?.into())
            }
            AttrType::List(ty) => {
                let values = match ty {
                    ListType::Enum(values) => Some(values),
                    _ => None,
                };
                let int = |value: &Plain, at: &At<'_>| integer(value, values, at);
                Attr::Ints(each::<_, _, Vec<_>>(list()?, at, int)?.into())
            }
            AttrType::Enum(values) => Attr::Int(integer(value, Some(values), at)?),
            _ => Attr::Int(integer(value, None, at)?),
        })
    }

    /// A value that says its type.
    pub(super) fn attribute(&self, value: &Attribute, at: &At<'_>) -> Read<Attr> {
        Ok(match value {
            Attribute::Bool(v) => Attr::Bool(*v),
            Attribute::Int(Int64(v)) => Attr::Int(*v),
            Attribute::Float(Float(v)) => Attr::Float(*v),
            Attribute::String(v) => Attr::String(v.as_str().into()),
            Attribute::Bytes(v) => Attr::Bytes(self.blob(v, &at.field("bytes"))?),
            Attribute::Bools(v) => Attr::Bools(v.as_slice().into()),
            Attribute::Ints(v) => Attr::Ints(v.iter().map(|v| v.0).collect()),
            Attribute::Floats(v) => Attr::Floats(v.iter().map(|v| v.0).collect()),
            Attribute::Enum(_) => {
                let help = "send it as an int or a string";
                return Err(at
                    .field("enum")
                    .error("a note is of no enum")
                    .help(Some(help.to_owned())));
            }
        })
    }
}

pub(super) fn builtin(code: &Builtin, at: &At<'_>) -> Read<i32> {
    match code {
        Builtin::Number(code) => Ok(*code),
        Builtin::Name(name) => catalog::op_by_name(name).map(|info| info.code).ok_or_else(|| {
            let near = did_you_mean(name, catalog::all_ops().iter().map(|info| info.name));
            let custom = || "a custom operator is {\"custom\": NAME}".to_owned();
            let help = Some(near.unwrap_or_else(custom));
            at.error(format!("there is no operator `{name}`")).help(help)
        }),
    }
}

pub(super) fn table_of(name: &str, at: &At<'_>) -> Read<&'static OptionsInfo> {
    catalog::options_by_name(name).ok_or_else(|| {
        let help = did_you_mean(name, catalog::all_options().iter().map(|info| info.name));
        at.error(format!("the schema has no table `{name}`")).help(help)
    })
}

fn boolean(value: &Plain, at: &At<'_>) -> Read<bool> {
    match value {
        Plain::Bool(value) => Ok(*value),
        _ => Err(at.error("true or false is wanted")),
    }
}

fn float(value: &Plain, at: &At<'_>) -> Read<f32> {
    // The same words and bounds as elsewhere.
    let read = match value {
        Plain::Float(float) => return Ok(float.0),
        Plain::Int(value) => Float::deserialize(value.into_deserializer()),
        Plain::Number(value) => Float::deserialize(value.into_deserializer()),
        Plain::Text(text) => Float::deserialize(text.as_str().into_deserializer()),
        _ => return Err(at.error("a number is wanted")),
    };
    read.map(|float| float.0).map_err(|error: serde::de::value::Error| at.error(error))
}

/// An integer, or the name of a value of the enum.
pub(super) fn integer(value: &Plain, values: Option<&'static EnumInfo>, at: &At<'_>) -> Read<i64> {
    let digits = |text: &str| Int64::deserialize(text.into_deserializer()).map(|number| number.0);
    match (value, values) {
        (Plain::Int(value), _) => Ok(*value),
        (Plain::Text(text), values) => {
            let named = values.and_then(|values| values.value_of(text));
            let number = digits(text).map_err(|error: serde::de::value::Error| error);
            match (named, number, values) {
                (Some(value), ..) | (None, Ok(value), _) => Ok(value),
                (None, Err(error), None) => Err(at.error(error)),
                (None, Err(_), Some(values)) => {
                    let help = did_you_mean(text, values.values.iter().map(|(name, _)| *name));
                    Err(at.error(format!("{} has no value `{text}`", values.name)).help(help))
                }
            }
        }
        (_, Some(_)) => Err(at.error("the name of a value is wanted")),
        (_, None) => Err(at.error("an integer is wanted")),
    }
}
