//! Op attributes: read and set by their schema names, defaults included.

use crate::catalog::{AttrDefault, AttrInfo, AttrType, ListType, OptionsInfo};
use bytes::Bytes;
use std::sync::Arc;

/// The value of an attribute. Integers and enums of every width are `Int`.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Attr {
    Bool(bool),
    Int(i64),
    Float(f32),
    String(Arc<str>),
    Bytes(Bytes),
    Bools(Arc<[bool]>),
    Ints(Arc<[i64]>),
    Floats(Arc<[f32]>),
}

impl PartialEq for Attr {
    /// Floats compare by their bits, so that NaN equals itself and 0.0 differs from -0.0:
    /// equality here means "the same bytes in the file".
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Attr::Bool(a), Attr::Bool(b)) => a == b,
            (Attr::Int(a), Attr::Int(b)) => a == b,
            (Attr::Float(a), Attr::Float(b)) => a.to_bits() == b.to_bits(),
            (Attr::String(a), Attr::String(b)) => a == b,
            (Attr::Bytes(a), Attr::Bytes(b)) => a == b,
            (Attr::Bools(a), Attr::Bools(b)) => a == b,
            (Attr::Ints(a), Attr::Ints(b)) => a == b,
            (Attr::Floats(a), Attr::Floats(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|(x, y)| x.to_bits() == y.to_bits())
            }
            _ => false,
        }
    }
}

/// One options table of an op: the attributes that differ from their defaults, by name,
/// in schema order.
#[derive(Clone, Debug, PartialEq)]
pub struct Attributes {
    options: &'static OptionsInfo,
    /// By place in the table, in ascending order. Many ops have the same.
    values: Arc<[(u16, Attr)]>,
}

/// Why an attribute could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttrError {
    /// The options table has no such attribute.
    #[error("{options} has no attribute `{name}`")]
    Unknown {
        /// The options table.
        options: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// The value does not have the attribute's type, or does not fit it.
    #[error("{options}.{name} cannot hold this value")]
    Type {
        /// The options table.
        options: &'static str,
        /// The attribute.
        name: &'static str,
    },
}

impl Attributes {
    /// An options table with every attribute at its default.
    pub fn new(options: &'static OptionsInfo) -> Self {
        Self { options, values: Arc::default() }
    }

    /// Which options table this is.
    pub fn options(&self) -> &'static OptionsInfo {
        self.options
    }

    /// The value of an attribute, its schema default where it was not set. `None` for a name
    /// that the table does not have and for strings and lists that are absent.
    pub fn get(&self, name: &str) -> Option<Attr> {
        let (at, info) = self.options.attr(name)?;
        self.find(at).map_or_else(|_| default_of(info), |n| Some(self.values[n].1.clone()))
    }

    /// An integer or enum attribute.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Attr::Int(value) => Some(value),
            _ => None,
        }
    }

    /// A boolean attribute.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Attr::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The name of an enum attribute's value, for example `"RELU6"`.
    pub fn enum_name(&self, name: &str) -> Option<&'static str> {
        let (_, info) = self.options.attr(name)?;
        let AttrType::Enum(values) = info.ty else { return None };
        values.name_of(self.int(name)?)
    }

    /// Attributes that differ from their defaults, in schema order.
    pub fn set_values(&self) -> impl Iterator<Item = (&'static AttrInfo, &Attr)> {
        self.values.iter().map(|(at, value)| (&self.options.attrs[usize::from(*at)], value))
    }

    /// Sets an attribute; the default value unsets it.
    pub fn set(&mut self, name: &str, value: Attr) -> Result<(), AttrError> {
        let options = self.options.name;
        let Some((at, info)) = self.options.attr(name) else {
            return Err(AttrError::Unknown { options, name: name.to_owned() });
        };
        if !fits(info.ty, &value) {
            return Err(AttrError::Type { options, name: info.name });
        }
        let is_default = default_of(info).as_ref() == Some(&value);
        match (self.find(at), is_default) {
            (Ok(n), false) => Arc::make_mut(&mut self.values)[n].1 = value,
            (Err(_), true) => (),
            (Ok(n), true) => {
                let (before, behind) = (&self.values[..n], &self.values[n + 1..]);
                self.values = before.iter().chain(behind).cloned().collect();
            }
            (Err(n), false) => {
                let (before, behind) = self.values.split_at(n);
                let new = std::iter::once((at as u16, value));
                self.values =
                    before.iter().cloned().chain(new).chain(behind.iter().cloned()).collect();
            }
        }
        Ok(())
    }

    /// Where the value of the nth attribute stands, or would stand.
    fn find(&self, at: usize) -> Result<usize, usize> {
        self.values.binary_search_by_key(&at, |(at, _)| usize::from(*at))
    }
}

fn default_of(info: &AttrInfo) -> Option<Attr> {
    match (info.default, info.ty) {
        (AttrDefault::Bool(value), _) => Some(Attr::Bool(value)),
        (AttrDefault::Int(value), AttrType::F32 | AttrType::F64) => Some(Attr::Float(value as f32)),
        (AttrDefault::Int(value), _) => Some(Attr::Int(value)),
        (AttrDefault::Float(value), _) => Some(Attr::Float(value as f32)),
        (AttrDefault::None, _) => None,
    }
}

/// Whether `value` can be stored in an attribute of this type without loss.
fn fits(ty: AttrType, value: &Attr) -> bool {
    match (ty, value) {
        (AttrType::Bool, Attr::Bool(_))
        | (AttrType::F32, Attr::Float(_))
        | (AttrType::String, Attr::String(_))
        | (AttrType::Bytes, Attr::Bytes(_)) => true,
        (ty, Attr::Int(v)) => int_fits(ty, *v),
        (AttrType::List(ListType::Bool), Attr::Bools(_))
        | (AttrType::List(ListType::F32), Attr::Floats(_)) => true,
        (AttrType::List(list), Attr::Ints(values)) => {
            let element = match list {
                ListType::I8 => AttrType::I8,
                ListType::U8 => AttrType::U8,
                ListType::I16 => AttrType::I16,
                ListType::U16 => AttrType::U16,
                ListType::I32 => AttrType::I32,
                ListType::U32 => AttrType::U32,
                ListType::I64 => AttrType::I64,
                ListType::U64 => AttrType::U64,
                ListType::Enum(info) => AttrType::Enum(info),
                ListType::Bool | ListType::F32 => return false,
            };
            values.iter().all(|v| int_fits(element, *v))
        }
        _ => false,
    }
}

fn int_fits(ty: AttrType, value: i64) -> bool {
    use crate::catalog::Width;
    match ty {
        AttrType::I8 => i8::try_from(value).is_ok(),
        AttrType::U8 => u8::try_from(value).is_ok(),
        AttrType::I16 => i16::try_from(value).is_ok(),
        AttrType::U16 => u16::try_from(value).is_ok(),
        AttrType::I32 => i32::try_from(value).is_ok(),
        AttrType::U32 => u32::try_from(value).is_ok(),
        // 64-bit unsigned values are carried bit for bit.
        AttrType::I64 | AttrType::U64 => true,
        AttrType::Enum(info) => match info.width {
            Width::I8 => i8::try_from(value).is_ok(),
            Width::U8 => u8::try_from(value).is_ok(),
            Width::I32 => i32::try_from(value).is_ok(),
            Width::U32 => u32::try_from(value).is_ok(),
        },
        _ => false,
    }
}
