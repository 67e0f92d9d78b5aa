//! Reads the binary schema into plain data, and refuses what the code behind it could not express.

use flatbuffers_reflection::reflection::{self, BaseType};

pub(crate) struct Schema {
    /// In order of name, as are the others.
    pub(crate) tables: Vec<Table>,
    pub(crate) enums: Vec<Enum>,
    pub(crate) unions: Vec<Union>,
    /// Index into `tables`.
    pub(crate) root: usize,
}

pub(crate) struct Table {
    pub(crate) name: String,
    /// Indexed by vtable slot.
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) default: Default,
    pub(crate) deprecated: bool,
    pub(crate) required: bool,
}

pub(crate) enum Type {
    Value(Value),
    Vector(Value),
    Union(usize),
    UnionTag(usize),
}

/// What can stand in a field as well as in a vector. Indices are those of `Schema`.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    Scalar(&'static str),
    Enum(usize, &'static str),
    String,
    Table(usize),
}

pub(crate) enum Default {
    None,
    Int(i64),
    Float(f64),
    Bool(bool),
}

pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) underlying: &'static str,
    pub(crate) values: Vec<EnumValue>,
}

pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) value: i64,
    pub(crate) deprecated: bool,
}

pub(crate) struct Union {
    pub(crate) name: String,
    /// Name and table, indexed by tag.
    pub(crate) members: Vec<(String, Option<usize>)>,
}

impl Schema {
    pub(crate) fn enum_named(&self, name: &str) -> Result<&Enum, String> {
        self.enums
            .iter()
            .find(|item| item.name == name)
            .ok_or(format!("the schema has no enum {name}"))
    }

    pub(crate) fn union_named(&self, name: &str) -> Result<&Union, String> {
        self.unions
            .iter()
            .find(|item| item.name == name)
            .ok_or(format!("the schema has no union {name}"))
    }
}

/// Where the n-th enum of the binary schema, which counts unions among the enums, has gone.
#[derive(Clone, Copy)]
enum EnumSlot {
    Enum(usize),
    Union(usize),
}

pub(crate) fn read(bfbs: &[u8]) -> Result<Schema, String> {
    let schema = reflection::root_as_schema(bfbs)
        .map_err(|error| format!("not a binary schema: {error}"))?;

    let mut slots = Vec::new();
    let (mut enum_count, mut union_count) = (0, 0);
    for item in schema.enums() {
        let (slot, count): (fn(usize) -> EnumSlot, _) = if item.is_union() {
            (EnumSlot::Union, &mut union_count)
        } else {
            (EnumSlot::Enum, &mut enum_count)
        };
        slots.push(slot(*count));
        *count += 1;
    }

    let mut enums = Vec::new();
    let mut unions = Vec::new();
    for item in schema.enums() {
        let name = local(item.name());
        if item.is_union() {
            unions.push(read_union(name, &item)?);
        } else {
            enums.push(read_enum(name, &item)?);
        }
    }

    let mut tables = Vec::new();
    for object in schema.objects() {
        let name = local(object.name());
        if object.is_struct() {
            return Err(format!("{name} is a struct: only tables are provided for"));
        }
        let mut fields: Vec<_> = object.fields().iter().collect();
        fields.sort_by_key(|field| field.id());
        if fields.iter().enumerate().any(|(slot, field)| usize::from(field.id()) != slot) {
            return Err(format!("{name}: the slots have a gap"));
        }
        let fields = fields.iter().map(|field| {
            read_field(field, &slots).map_err(|error| format!("{name}.{}: {error}", field.name()))
        });
        tables.push(Table { fields: fields.collect::<Result<_, _>>()?, name });
    }

    let root = local(schema.root_table().ok_or("the schema has no root table")?.name());
    let root =
        tables.iter().position(|table| table.name == root).ok_or("the root table is missing")?;
    // Lookups by name rely on it.
    if !(tables.is_sorted_by_key(|item| &item.name)
        && enums.is_sorted_by_key(|item| &item.name)
        && unions.is_sorted_by_key(|item| &item.name))
    {
        return Err("the binary schema is not sorted by name".to_owned());
    }
    Ok(Schema { tables, enums, unions, root })
}

fn read_enum(name: String, item: &reflection::Enum<'_>) -> Result<Enum, String> {
    let values = item.values().iter().map(|value| EnumValue {
        name: value.name().to_owned(),
        value: value.value(),
        deprecated: value
            .attributes()
            .is_some_and(|list| list.iter().any(|entry| entry.key() == "deprecated")),
    });
    let mut values: Vec<_> = values.collect();
    values.sort_by_key(|value| value.value);
    let underlying =
        scalar(item.underlying_type().base_type()).ok_or(format!("{name}: not an integer"))?;
    Ok(Enum { name, underlying, values })
}

fn read_union(name: String, item: &reflection::Enum<'_>) -> Result<Union, String> {
    let mut values: Vec<_> = item.values().iter().collect();
    values.sort_by_key(|value| value.value());
    let mut members = Vec::new();
    for (tag, value) in values.iter().enumerate() {
        if value.value() != tag as i64 {
            return Err(format!("{name}: the tags have a gap before {}", value.name()));
        }
        let table = value.union_type().filter(|ty| ty.base_type() == BaseType::Obj);
        if tag != 0 && table.is_none() {
            return Err(format!("{name}.{}: only tables are provided for", value.name()));
        }
        members.push((local(value.name()), table.map(|ty| ty.index() as usize)));
    }
    Ok(Union { name, members })
}

fn read_field(field: &reflection::Field<'_>, slots: &[EnumSlot]) -> Result<Field, String> {
    let ty = field.type_();
    let slot = usize::try_from(ty.index()).ok();
    let value = |base: BaseType| match (base, slot) {
        (BaseType::String, _) => Some(Value::String),
        (BaseType::Obj, Some(table)) => Some(Value::Table(table)),
        (base, None) => scalar(base).map(Value::Scalar),
        (base, Some(slot)) => match slots[slot] {
            EnumSlot::Enum(index) => scalar(base).map(|scalar| Value::Enum(index, scalar)),
            EnumSlot::Union(_) => None,
        },
    };
    let union = || match slot.map(|slot| slots[slot]) {
        Some(EnumSlot::Union(index)) => Some(index),
        _ => None,
    };
    let ty = match ty.base_type() {
        BaseType::UType => union().map(Type::UnionTag),
        BaseType::Union => union().map(Type::Union),
        BaseType::Vector => value(ty.element()).map(Type::Vector),
        base => value(base).map(Type::Value),
    };
    let ty = ty.ok_or("this type is not provided for")?;
    if field.optional() && matches!(ty, Type::Value(Value::Scalar(_) | Value::Enum(..))) {
        return Err("a scalar that may be null is not provided for".to_owned());
    }
    if field.offset64() {
        return Err("a 64-bit offset is not provided for".to_owned());
    }
    let default = match ty {
        Type::Value(Value::Scalar("Bool")) => Default::Bool(field.default_integer() != 0),
        Type::Value(Value::Scalar("F32" | "F64")) => Default::Float(field.default_real()),
        Type::Value(Value::Scalar(_) | Value::Enum(..)) | Type::UnionTag(_) => {
            Default::Int(field.default_integer())
        }
        _ => Default::None,
    };
    Ok(Field {
        name: field.name().to_owned(),
        ty,
        default,
        deprecated: field.deprecated(),
        required: field.required(),
    })
}

/// The name of a scalar type in the generated code.
fn scalar(base: BaseType) -> Option<&'static str> {
    Some(match base {
        BaseType::Bool => "Bool",
        BaseType::Byte => "I8",
        BaseType::UByte => "U8",
        BaseType::Short => "I16",
        BaseType::UShort => "U16",
        BaseType::Int => "I32",
        BaseType::UInt => "U32",
        BaseType::Long => "I64",
        BaseType::ULong => "U64",
        BaseType::Float => "F32",
        BaseType::Double => "F64",
        _ => return None,
    })
}

/// A name without its namespace.
fn local(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}
