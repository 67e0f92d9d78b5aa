//! `catalog/generated.rs` of tfq-ir: operators, their options tables and the attributes in them.

use super::schema::{Default, Field, Schema, Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Which options table an operator uses is said nowhere in the schema: it is what converter and
/// runtime agree on. As a rule the table is named after the operator; these are the operators for
/// which it is not.
const SHARED_OPTIONS: &[(&str, &str)] = &[
    ("AVERAGE_POOL_2D", "Pool2DOptions"),
    ("CONV_3D_TRANSPOSE", "Conv3DOptions"),
    ("L2_NORMALIZATION", "L2NormOptions"),
    ("L2_POOL_2D", "Pool2DOptions"),
    ("MAXIMUM", "MaximumMinimumOptions"),
    ("MAX_POOL_2D", "Pool2DOptions"),
    ("MEAN", "ReducerOptions"),
    ("MINIMUM", "MaximumMinimumOptions"),
    ("MULTINOMIAL", "RandomOptions"),
    ("RANDOM_STANDARD_NORMAL", "RandomOptions"),
    ("RANDOM_UNIFORM", "RandomOptions"),
    ("REDUCE_ALL", "ReducerOptions"),
    ("REDUCE_ANY", "ReducerOptions"),
    ("REDUCE_MAX", "ReducerOptions"),
    ("REDUCE_MIN", "ReducerOptions"),
    ("REDUCE_PROD", "ReducerOptions"),
    ("SUM", "ReducerOptions"),
    ("UNIDIRECTIONAL_SEQUENCE_RNN", "SequenceRNNOptions"),
];

/// Attributes that hold indices of subgraphs. The schema has them as plain integers.
const SUBGRAPH_ATTRS: &[(&str, &str)] = &[
    ("CallOnceOptions", "init_subgraph_index"),
    ("CallOptions", "subgraph"),
    ("IfOptions", "else_subgraph_index"),
    ("IfOptions", "then_subgraph_index"),
    ("StableHLOCompositeOptions", "decomposition_subgraph_index"),
    ("StablehloCaseOptions", "branch_subgraph_indices"),
    ("StablehloCustomCallOptions", "called_computations"),
    ("StablehloReduceOptions", "body_subgraph_index"),
    ("StablehloReduceWindowOptions", "body_subgraph_index"),
    ("StablehloScatterOptions", "update_computation_subgraph_index"),
    ("StablehloSortOptions", "comparator_subgraph_index"),
    ("StablehloWhileOptions", "body_subgraph_index"),
    ("StablehloWhileOptions", "cond_subgraph_index"),
    ("WhileOptions", "body_subgraph_index"),
    ("WhileOptions", "cond_subgraph_index"),
];

/// Has a number among the operators but is none.
pub(super) const PLACEHOLDER: &str = "PLACEHOLDER_FOR_GREATER_OP_CODES";

const UNIONS: [(&str, &str); 2] =
    [("BuiltinOptions", "BUILTIN_OPTIONS_BY_TAG"), ("BuiltinOptions2", "BUILTIN_OPTIONS_2_BY_TAG")];

struct Options<'a> {
    name: &'a str,
    union: &'static str,
    tag: usize,
    fields: &'a [Field],
}

pub(crate) fn emit(schema: &Schema) -> Result<String, String> {
    let mut options = BTreeMap::new();
    for (union, _) in UNIONS {
        for (tag, (name, table)) in schema.union_named(union)?.members.iter().enumerate() {
            let Some(table) = *table else { continue };
            let fields = &schema.tables[table].fields;
            if options.insert(name.as_str(), Options { name, union, tag, fields }).is_some() {
                return Err(format!("{name} is a member of both unions, or twice of one"));
            }
        }
    }
    let operators = &schema.enum_named("BuiltinOperator")?.values;

    let by_squeezed: BTreeMap<_, _> =
        options.keys().map(|name| (name.to_lowercase(), *name)).collect();
    let mut claimed = BTreeSet::new();
    let mut options_of = BTreeMap::new();
    for operator in operators {
        let shared = SHARED_OPTIONS.iter().find(|(name, _)| *name == operator.name);
        let by_name = by_squeezed.get(&(operator.name.replace('_', "").to_lowercase() + "options"));
        let name = match (shared, by_name) {
            (Some(_), Some(_)) => return Err(format!("{}: the exception is none", operator.name)),
            (Some((_, name)), None) | (None, Some(name)) => *name,
            (None, None) => continue,
        };
        if !options.contains_key(name) {
            return Err(format!("{}: the schema has no {name}", operator.name));
        }
        claimed.insert(name);
        options_of.insert(operator.name.as_str(), name);
    }
    if let Some(name) = options.keys().find(|name| !claimed.contains(**name)) {
        return Err(format!("no operator uses {name}: SHARED_OPTIONS lacks an entry"));
    }
    if let Some((name, _)) = SHARED_OPTIONS.iter().find(|(name, _)| !options_of.contains_key(name))
    {
        return Err(format!("SHARED_OPTIONS names {name}, which is no operator"));
    }
    check_subgraph_attrs(&options)?;

    let mut enums = BTreeSet::new();
    let mut tables = String::new();
    for table in options.values() {
        tables += &format!(
            "    pub(super) static {0}: OptionsInfo = OptionsInfo {{ name: {0:?}, union: {1}, tag: {2}, attrs: &[",
            table.name, table.union, table.tag
        );
        for (slot, field) in table.fields.iter().enumerate() {
            let attr = emit_attr(schema, table.name, slot, field, &mut enums)
                .map_err(|error| format!("{}.{}: {error}", table.name, field.name))?;
            tables += &format!("\n        {attr},");
        }
        tables += if table.fields.is_empty() { "] };\n" } else { "\n    ] };\n" };
    }

    let mut out = String::from(
        "// Generated from the schema by the example `generate` of tfq-schema. Do not edit: run schema/regenerate.sh.\n\
         // @generated\n\
         \n\
         use super::{OpInfo, OptionsInfo, op};\n",
    );

    out += "\n/// Operator codes.\npub mod ops {\n";
    for operator in operators {
        if operator.name == PLACEHOLDER {
            out += "    /// Not an operator: what a field of one byte says in place of a code above it.\n";
        }
        out += &format!("    pub const {}: i32 = {};\n", operator.name, operator.value);
    }
    out += "}\n";

    let operators: Vec<_> =
        operators.iter().filter(|operator| operator.name != PLACEHOLDER).collect();
    out += &format!(
        "\n/// In order of code.\npub(super) static OPS: [OpInfo; {}] = [\n",
        operators.len()
    );
    for operator in &operators {
        let table = options_of.get(operator.name.as_str());
        let table = table.map_or("None".to_owned(), |name| format!("Some(&options::{name})"));
        out += &format!(
            "    op({:?}, {}, {table}, {}),\n",
            operator.name, operator.value, operator.deprecated
        );
    }
    out += "];\n";

    // Codes are dense but for the placeholder.
    let codes = operators.last().map_or(0, |operator| operator.value + 1);
    out += &format!(
        "\n/// Index into `OPS` for each code.\npub(super) static OP_BY_CODE: [Option<u16>; {codes}] = [\n"
    );
    let by_code: BTreeMap<_, _> =
        operators.iter().zip(0..).map(|(operator, index)| (operator.value, index)).collect();
    out += &rows(0..codes, |code| match by_code.get(&code) {
        Some(index) => format!("Some({index})"),
        None => "None".to_owned(),
    });
    out += "];\n";

    let mut by_name: Vec<usize> = (0..operators.len()).collect();
    by_name.sort_by_key(|&index| &operators[index].name);
    out += &format!(
        "\n/// Indices into `OPS`, in order of name.\npub(super) static OP_BY_NAME: [u16; {}] = [\n",
        operators.len()
    );
    out += &rows(by_name.into_iter(), |index| index.to_string());
    out += "];\n";

    out += &format!(
        "\n/// In order of name.\npub(super) static OPTIONS_BY_NAME: [&OptionsInfo; {}] = [\n",
        options.len()
    );
    for name in options.keys() {
        out += &format!("    &options::{name},\n");
    }
    out += "];\n";

    for (union, array) in UNIONS {
        let members = &schema.union_named(union)?.members;
        out += &format!(
            "\npub(super) static {array}: [Option<&OptionsInfo>; {}] = [\n",
            members.len()
        );
        for (name, table) in members {
            out += &table
                .map_or("    None,\n".to_owned(), |_| format!("    Some(&options::{name}),\n"));
        }
        out += "];\n";
    }

    out += "\n#[allow(non_upper_case_globals)]\nmod options {\n\
            \x20   use super::enums;\n\
            \x20   use super::super::AttrDefault::{Bool as B, Float, Int, None as Absent};\n\
            \x20   use super::super::AttrType::*;\n\
            \x20   use super::super::OptionsUnion::*;\n\
            \x20   use super::super::{ListType, OptionsInfo, attr};\n\n";
    out += &tables;
    out += "}\n";

    out += "\n#[allow(non_upper_case_globals)]\nmod enums {\n    use super::super::{EnumInfo, Width};\n";
    for index in enums {
        let item = &schema.enums[index];
        if !["I8", "U8", "I32", "U32"].contains(&item.underlying) {
            return Err(format!("{}: Width has no {}", item.name, item.underlying));
        }
        out += &format!(
            "\n    pub(super) static {0}: EnumInfo = EnumInfo {{ name: {0:?}, width: Width::{1}, values: &[\n",
            item.name, item.underlying
        );
        for value in &item.values {
            out += &format!("        ({:?}, {}),\n", value.name, value.value);
        }
        out += "    ] };\n";
    }
    out += "}\n";
    Ok(out)
}

/// Holds `SUBGRAPH_ATTRS` against the schema, so that a new attribute of the kind does not go by
/// unnoticed.
fn check_subgraph_attrs(options: &BTreeMap<&str, Options<'_>>) -> Result<(), String> {
    for (table, attr) in SUBGRAPH_ATTRS {
        let fields = options.get(table).map_or(&[][..], |table| table.fields);
        if !fields.iter().any(|field| field.name == *attr) {
            return Err(format!("SUBGRAPH_ATTRS names {table}.{attr}, which is not in the schema"));
        }
    }
    for table in options.values() {
        for field in table.fields {
            if field.name.contains("subgraph") && !is_subgraph(table.name, &field.name) {
                return Err(format!("SUBGRAPH_ATTRS lacks {}.{}", table.name, field.name));
            }
        }
    }
    Ok(())
}

fn is_subgraph(table: &str, attr: &str) -> bool {
    SUBGRAPH_ATTRS.contains(&(table, attr))
}

fn emit_attr(
    schema: &Schema,
    table: &str,
    slot: usize,
    field: &Field,
    enums: &mut BTreeSet<usize>,
) -> Result<String, String> {
    let mut enum_ref = |index: usize| {
        enums.insert(index);
        format!("Enum(&enums::{})", schema.enums[index].name)
    };
    let ty = match field.ty {
        Type::Value(Value::Scalar(scalar)) => scalar.to_owned(),
        Type::Value(Value::Enum(index, _)) => enum_ref(index),
        Type::Value(Value::String) => "String".to_owned(),
        Type::Vector(Value::Scalar("U8")) => "Bytes".to_owned(),
        Type::Vector(Value::Scalar("F64")) => return Err("ListType has no F64".to_owned()),
        Type::Vector(Value::Scalar(scalar)) => format!("List(ListType::{scalar})"),
        Type::Vector(Value::Enum(index, _)) => format!("List(ListType::{})", enum_ref(index)),
        _ => return Err("AttrType has nothing for this type".to_owned()),
    };
    let default = match field.default {
        Default::None => "Absent".to_owned(),
        Default::Int(value) => format!("Int({value})"),
        Default::Float(value) => format!("Float({value:?})"),
        Default::Bool(value) => format!("B({value})"),
    };
    let subgraph = is_subgraph(table, &field.name);
    Ok(format!("attr({:?}, {slot}, {ty}, {default}, {subgraph})", field.name))
}

/// Array elements, ten to a line.
fn rows<T>(items: impl Iterator<Item = T>, text: impl Fn(T) -> String) -> String {
    let items: Vec<_> = items.map(text).collect();
    items.chunks(10).map(|row| format!("    {},\n", row.join(", "))).collect()
}
