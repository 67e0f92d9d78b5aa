//! The schema of the model format as static data.
//!
//! A file may hold fields, union members and enum values that the schema does not know. To see them
//! one has to walk the file slot by slot, and that needs, for each table, the list of its slots.
//! Every lookup a walk makes is an index into an array; nothing is parsed or built at run time.

#[rustfmt::skip]
#[path = "generated/reflection_data.rs"]
mod data;

/// A table of the schema. Names the same table as long as the schema stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(u16);

/// An enum of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnumId(u16);

/// A union of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnionId(u16);

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// Indexed by vtable slot, without gaps: the tag of a union has a slot, and an entry, of its
    /// own.
    pub fields: &'static [Field],
}

#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// The vtable slot.
    pub id: u16,
    pub ty: FieldType,
    pub default: Default,
    pub deprecated: bool,
    pub required: bool,
}

/// What an absent field stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Default {
    /// Strings, vectors, tables and unions are simply not there.
    None,
    /// Integers, enums and the tags of unions.
    Int(i64),
    Float(f64),
    Bool(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    Scalar(Scalar),
    Enum(EnumId, Scalar),
    String,
    Table(TableId),
    Vector(Element),
    /// The value of a union. Its tag is in the slot before.
    Union(UnionId),
    /// The tag of a union, one byte. Its value is in the slot behind.
    UnionTag(UnionId),
}

/// What a vector holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    Scalar(Scalar),
    Enum(EnumId, Scalar),
    String,
    Table(TableId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
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
}

#[derive(Debug)]
pub struct Enum {
    pub name: &'static str,
    pub underlying: Scalar,
    /// In ascending order of value.
    pub values: &'static [(&'static str, i64)],
}

#[derive(Debug)]
pub struct Union {
    pub name: &'static str,
    /// Tag, name and table, indexed by tag. Tag 0 is `NONE`, without a table.
    pub members: &'static [(u8, &'static str, Option<TableId>)],
}

/// Size of the offsets that strings, vectors, tables and unions are reached by.
const OFFSET_SIZE: usize = 4;

/// The table that a model file begins with.
pub fn root() -> TableId {
    data::ROOT
}

/// All tables, in order of name.
pub fn tables() -> impl ExactSizeIterator<Item = TableId> {
    (0..data::TABLES.len()).map(|index| TableId(index as u16))
}

/// All enums, in order of name.
pub fn enums() -> impl ExactSizeIterator<Item = EnumId> {
    (0..data::ENUMS.len()).map(|index| EnumId(index as u16))
}

/// All unions, in order of name.
pub fn unions() -> impl ExactSizeIterator<Item = UnionId> {
    (0..data::UNIONS.len()).map(|index| UnionId(index as u16))
}

/// Looks a table up by its name without the namespace, such as `Conv2DOptions`.
pub fn table_by_name(name: &str) -> Option<TableId> {
    data::TABLES
        .binary_search_by(|table| table.name.cmp(name))
        .ok()
        .map(|index| TableId(index as u16))
}

/// Looks an enum up by name.
pub fn enum_by_name(name: &str) -> Option<EnumId> {
    data::ENUMS.binary_search_by(|item| item.name.cmp(name)).ok().map(|index| EnumId(index as u16))
}

/// Looks a union up by name.
pub fn union_by_name(name: &str) -> Option<UnionId> {
    data::UNIONS
        .binary_search_by(|union| union.name.cmp(name))
        .ok()
        .map(|index| UnionId(index as u16))
}

impl TableId {
    #[inline]
    pub fn get(self) -> &'static Table {
        &data::TABLES[usize::from(self.0)]
    }

    /// A number below `tables().len()`, for arrays with an entry per table.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl EnumId {
    #[inline]
    pub fn get(self) -> &'static Enum {
        &data::ENUMS[usize::from(self.0)]
    }

    /// A number below `enums().len()`.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl UnionId {
    #[inline]
    pub fn get(self) -> &'static Union {
        &data::UNIONS[usize::from(self.0)]
    }

    /// A number below `unions().len()`.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Table {
    /// The field in a vtable slot; `None` where the schema knows no such slot.
    #[inline]
    pub fn field(&self, slot: usize) -> Option<&'static Field> {
        self.fields.get(slot)
    }

    /// Looks a field up by name, one after the other.
    pub fn field_by_name(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// Offset of the field's entry from the start of the vtable, as the `VT_` constants have it.
    pub const fn vtable_offset(&self) -> u16 {
        4 + 2 * self.id
    }
}

impl FieldType {
    /// Bytes that the field takes in its table, which is its alignment too.
    pub const fn inline_size(self) -> usize {
        match self {
            Self::Scalar(scalar) | Self::Enum(_, scalar) => scalar.size(),
            Self::UnionTag(_) => 1,
            Self::String | Self::Table(_) | Self::Vector(_) | Self::Union(_) => OFFSET_SIZE,
        }
    }
}

impl Element {
    /// Bytes from one element to the next.
    pub const fn size(self) -> usize {
        match self {
            Self::Scalar(scalar) | Self::Enum(_, scalar) => scalar.size(),
            Self::String | Self::Table(_) => OFFSET_SIZE,
        }
    }
}

impl Scalar {
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}

impl Enum {
    /// The name of a value; `None` where the schema knows no such value.
    pub fn name_of(&self, value: i64) -> Option<&'static str> {
        // Every enum of the schema counts up from its first value without a gap, so that this index
        // is a hit.
        let first = self.values.first()?.1;
        let index = value.checked_sub(first).and_then(|index| usize::try_from(index).ok())?;
        match self.values.get(index) {
            Some(&(name, at)) if at == value => Some(name),
            _ => {
                let index = self.values.binary_search_by_key(&value, |&(_, value)| value).ok()?;
                Some(self.values[index].0)
            }
        }
    }

    /// The value of a name, searched one after the other.
    pub fn value_of(&self, name: &str) -> Option<i64> {
        self.values.iter().find(|&&(candidate, _)| candidate == name).map(|&(_, value)| value)
    }
}

impl Union {
    /// Name and table of a tag; `None` where the schema knows no such tag. `NONE` has no table.
    #[inline]
    pub fn member(&self, tag: u8) -> Option<(&'static str, Option<TableId>)> {
        self.members.get(usize::from(tag)).map(|&(_, name, table)| (name, table))
    }

    /// The tag of a name, searched one after the other.
    pub fn tag_of(&self, name: &str) -> Option<u8> {
        self.members.iter().find(|&&(_, candidate, _)| candidate == name).map(|&(tag, _, _)| tag)
    }
}

/// A field as nearly all are, to keep the generated data short.
const fn field(name: &'static str, id: u16, ty: FieldType, default: Default) -> Field {
    Field { name, id, ty, default, deprecated: false, required: false }
}
