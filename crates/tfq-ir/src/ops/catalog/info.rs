//! What the catalogue says of an operator, an options table, an attribute.

/// An operator of the format.
#[derive(Debug, PartialEq)]
pub struct OpInfo {
    /// As in the schema: `CONV_2D`.
    pub name: &'static str,
    pub code: i32,
    /// The options table it goes with; `None` for operators that have no options. A file may leave
    /// it out.
    pub options: Option<&'static OptionsInfo>,
    pub deprecated: bool,
}

/// A table of options, a member of one of the two unions.
#[derive(Debug, PartialEq)]
pub struct OptionsInfo {
    /// As in the schema: `Conv2DOptions`.
    pub name: &'static str,
    pub union: OptionsUnion,
    /// Its tag in that union.
    pub tag: u8,
    /// In schema order, which is that of `id`. Deprecated ones are among them, since files hold
    /// them.
    pub attrs: &'static [AttrInfo],
}

/// The field of an operator that holds its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptionsUnion {
    BuiltinOptions,
    BuiltinOptions2,
}

#[derive(Debug, PartialEq)]
pub struct AttrInfo {
    pub name: &'static str,
    /// The vtable slot, which is also the index in [`OptionsInfo::attrs`].
    pub id: u16,
    pub ty: AttrType,
    /// What the attribute is where the file leaves it out.
    pub default: AttrDefault,
    /// Holds the index of a subgraph, or a list of them.
    pub subgraph: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrType {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Enum(&'static EnumInfo),
    String,
    /// A vector of `ubyte`.
    Bytes,
    List(ListType),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    Enum(&'static EnumInfo),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttrDefault {
    /// Strings, bytes and lists are simply not there.
    None,
    Bool(bool),
    /// Integers and enums.
    Int(i64),
    Float(f64),
}

#[derive(Debug, PartialEq, Eq)]
pub struct EnumInfo {
    pub name: &'static str,
    pub width: Width,
    /// In ascending order of value.
    pub values: &'static [(&'static str, i64)],
}

/// The integer type an enum is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    I8,
    U8,
    I32,
    U32,
}

impl OptionsInfo {
    /// An attribute and its index in `attrs`. The longest table has 17, so it goes through them.
    pub fn attr(&self, name: &str) -> Option<(usize, &'static AttrInfo)> {
        self.attrs.iter().enumerate().find(|(_, attr)| attr.name == name)
    }
}

impl EnumInfo {
    /// The name of a value; `None` for a value that the schema does not know.
    pub fn name_of(&self, value: i64) -> Option<&'static str> {
        let index = self.values.binary_search_by_key(&value, |&(_, value)| value).ok()?;
        Some(self.values[index].0)
    }

    pub fn value_of(&self, name: &str) -> Option<i64> {
        self.values.iter().find(|&&(candidate, _)| candidate == name).map(|&(_, value)| value)
    }
}

// What the generated data is written with, to keep it short.

pub(super) const fn op(
    name: &'static str,
    code: i32,
    options: Option<&'static OptionsInfo>,
    deprecated: bool,
) -> OpInfo {
    OpInfo { name, code, options, deprecated }
}

pub(super) const fn attr(
    name: &'static str,
    id: u16,
    ty: AttrType,
    default: AttrDefault,
    subgraph: bool,
) -> AttrInfo {
    AttrInfo { name, id, ty, default, subgraph }
}
