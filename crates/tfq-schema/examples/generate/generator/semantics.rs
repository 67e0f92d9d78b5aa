//! `ops/semantics/generated.rs` of tfq-ir: what operators mean, from `schema/ops.toml`.
//!
//! Names of rules, roles and classes become variants of enums as they are, so that the compiler
//! refuses what tfq-ir does not know.

use super::schema::Schema;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    operands: Vec<String>,
    least: Option<usize>,
    results: Vec<String>,
    types: Vec<String>,
    shape: String,
    class: String,
    #[serde(default)]
    moves_values: bool,
    #[serde(default)]
    view: bool,
    quantization: String,
    axis: Option<String>,
    selects: Option<(u8, u8)>,
    #[serde(default)]
    channels_last: bool,
    #[serde(default)]
    effects: Vec<String>,
    #[serde(default)]
    commutative: bool,
    mirror: Option<String>,
    #[serde(default)]
    shares_memory_with: Vec<u8>,
    #[serde(default)]
    shape_only: Vec<u8>,
    activations: Option<Vec<String>>,
    may_fail: Option<String>,
    except: Option<String>,
    source: String,
}

pub(crate) fn emit(schema: &Schema, ops: &str) -> Result<String, String> {
    let mut rows: BTreeMap<String, Row> =
        toml::from_str(ops).map_err(|error| format!("schema/ops.toml: {error}"))?;
    let operators = &schema.enum_named("BuiltinOperator")?.values;
    let operators = operators.iter().filter(|op| op.name != super::catalog::PLACEHOLDER);
    let operators: Vec<_> = operators.map(|op| op.name.as_str()).collect();
    let mut out = format!(
        "// Generated from schema/ops.toml by the example `generate` of tfq-schema. Do not edit: run schema/regenerate.sh.\n\
         // @generated\n\
         \n\
         use super::row::*;\n\
         use crate::ElementType::*;\n\
         use crate::ops::catalog::ops;\n\
         use crate::ops::effects::Effects;\n\
         use crate::ops::fused_activation::Activation;\n\
         \n\
         /// In the order of the catalogue.\n\
         pub(super) static SEMANTICS: [OpSemantics; {}] = [\n",
        operators.len()
    );
    for name in &operators {
        let row = rows.remove(*name).ok_or_else(|| format!("schema/ops.toml has no row {name}"))?;
        out += &emit_row(row, &operators).map_err(|error| format!("{name}: {error}"))?;
    }
    out += "];\n";
    match rows.keys().next() {
        Some(name) => Err(format!("schema/ops.toml has a row {name}, which is no operator")),
        None => Ok(out),
    }
}

fn emit_row(row: Row, operators: &[&str]) -> Result<String, String> {
    let flags = |text: &str| -> Vec<String> { text.split(' ').map(camel).collect() };
    let mut operands = Vec::new();
    let (mut least, mut variadic) = (0, false);
    for operand in &row.operands {
        let (name, rest) = operand.split_once(": ").ok_or("an operand without a role")?;
        let words = flags(rest);
        let has = |flag: &str| words[1..].iter().any(|word| word == flag);
        let known = ["Optional", "Trailing", "Variadic"];
        if words[1..].iter().any(|word| !known.contains(&word.as_str())) {
            return Err(format!("operand {name} has an unknown flag"));
        }
        least += usize::from(!has("Trailing") && !has("Variadic"));
        variadic |= has("Variadic");
        operands.push(format!(
            "operand({name:?}, OperandRole::{}, {}, {}, {})",
            words[0],
            has("Optional"),
            has("Trailing"),
            has("Variadic")
        ));
    }
    if row.least.is_some_and(|given| given == least) {
        return Err("`least` says what the operands say".to_owned());
    }
    let mut results = Vec::new();
    for result in &row.results {
        let (name, rest) = result.split_once(' ').unwrap_or((result, ""));
        if !["", "variadic", "optional"].contains(&rest) {
            return Err(format!("result {name} has an unknown flag"));
        }
        results.push(format!("result({name:?}, {}, {})", rest == "variadic", rest == "optional"));
    }
    let types = row.types.iter().map(|rule| type_rule(rule)).collect::<Result<Vec<_>, _>>()?;

    let mut out = String::from("    OpSemantics {\n");
    let mut field = |name: &str, value: String| out += &format!("        {name}: {value},\n");
    field("operands", list(&operands));
    if let Some(least) = row.least.or((least > 0).then_some(least)) {
        field("least_operands", least.to_string());
    }
    if !variadic {
        field("most_operands", format!("Some({})", operands.len()));
    }
    field("results", list(&results));
    field("types", list(&types));
    field("shape", numbered("ShapeRule", &row.shape)?);
    field("class", format!("OpClass::{}", camel(&row.class)));
    for (name, value) in [
        ("moves_values", row.moves_values),
        ("view", row.view),
        ("channels_last", row.channels_last),
        ("commutative", row.commutative),
    ] {
        if value {
            field(name, "true".to_owned());
        }
    }
    field("quantization", numbered("QuantizationRule", &row.quantization)?);
    if let Some(axis) = row.axis {
        field("axis", axis_rule(&axis)?);
    }
    if let Some((index, table)) = row.selects {
        field("selects", format!("Some(({index}, {table}))"));
    }
    if !row.effects.is_empty() {
        let effects = row.effects.iter().map(|effect| {
            let known = ["reads-state", "writes-state", "random", "unknown"];
            if !known.contains(&effect.as_str()) {
                return Err(format!("there is no effect {effect}"));
            }
            Ok(format!("{}: true", effect.replace('-', "_")))
        });
        let effects = effects.collect::<Result<Vec<_>, _>>()?.join(", ");
        field("effects", format!("Effects {{ {effects}, ..Effects::NONE }}"));
    }
    if let Some(mirror) = row.mirror {
        if !operators.contains(&mirror.as_str()) {
            return Err(format!("its mirror {mirror} is no operator"));
        }
        field("mirror", format!("Some(ops::{mirror})"));
    }
    if !row.shares_memory_with.is_empty() {
        field("shares_memory_with", format!("&{:?}", row.shares_memory_with));
    }
    if !row.shape_only.is_empty() {
        field("shape_only", format!("&{:?}", row.shape_only));
    }
    if let Some(activations) = row.activations {
        let names: Vec<_> =
            activations.iter().map(|name| format!("Activation::{}", camel(name))).collect();
        field("activations", format!("Some({})", list(&names)));
    }
    if let Some(why) = row.may_fail {
        field("may_fail", format!("Some({why:?})"));
    }
    if let Some(except) = row.except {
        let (name, value) = except.split_once(" = ").ok_or("`except` without a value")?;
        field("except", format!("Some(({name:?}, {value:?}))"));
    }
    field("source", format!("Provenance::{}", camel(&row.source)));
    out += "        ..BLANK\n    },\n";
    Ok(out)
}

/// `same(0) or INT16 for INT8 UINT8`, `fixed(BOOL)`, …
fn type_rule(text: &str) -> Result<String, String> {
    if let Some((rule, other)) = text.split_once(" or ") {
        let (_, args) = call(rule)?;
        let (other, only) = other.split_once(" for ").unwrap_or((other, ""));
        let only = only.split(' ').filter(|ty| !ty.is_empty()).map(element).collect::<Vec<_>>();
        return Ok(format!(
            "TypeRule::SameOr({}, {}, {})",
            args.join(", "),
            element(other),
            list(&only)
        ));
    }
    let (name, args) = call(text)?;
    Ok(match name.as_str() {
        "Fixed" => format!("TypeRule::Fixed({})", element(args.first().ok_or("fixed: to what")?)),
        "Declared" => {
            let types: Vec<_> = args.iter().map(|ty| element(ty)).collect();
            format!("TypeRule::Declared({})", list(&types))
        }
        "Attribute" => format!("TypeRule::Attribute({:?})", args.join(", ")),
        _ => with_args("TypeRule", &name, &args.join(", ")),
    })
}

fn axis_rule(text: &str) -> Result<String, String> {
    let (name, args) = call(text)?;
    let args = match name.as_str() {
        "At" | "Each" => list(&args),
        "Attributes" => list(&args.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>()),
        _ => args.join(", "),
    };
    Ok(format!("Some({})", with_args("AxisRule", &name, &args)))
}

/// A rule whose arguments are numbers of operands: one as it is, a list where the rule is of
/// several.
fn numbered(of: &str, text: &str) -> Result<String, String> {
    let (name, args) = call(text)?;
    let several = name == "Broadcast" || (of == "QuantizationRule" && name == "Same");
    let args = if several { list(&args) } else { args.join(", ") };
    Ok(with_args(of, &name, &args))
}

fn with_args(of: &str, name: &str, args: &str) -> String {
    if args.is_empty() { format!("{of}::{name}") } else { format!("{of}::{name}({args})") }
}

/// `name(a, b)` as the name of a variant and its arguments.
fn call(text: &str) -> Result<(String, Vec<String>), String> {
    let Some((name, rest)) = text.split_once('(') else { return Ok((camel(text), Vec::new())) };
    let args = rest.strip_suffix(')').ok_or_else(|| format!("`{text}` lacks a parenthesis"))?;
    Ok((camel(name), args.split(", ").map(str::to_owned).collect()))
}

fn list(items: &[String]) -> String {
    let line = format!("&[{}]", items.join(", "));
    if line.len() < 90 {
        return line;
    }
    format!("&[\n            {},\n        ]", items.join(",\n            "))
}

/// `FLOAT32` as the name of a variant of `ElementType`.
fn element(name: &str) -> String {
    camel(name).replace("Uint", "UInt").replace("Bfloat", "BFloat")
}

/// `stablehlo_pad`, `along-axis` and `RELU_N1_TO_1` as names of variants.
fn camel(text: &str) -> String {
    let words = text.split(['_', '-', ' ']).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..].to_lowercase()).collect()
}
