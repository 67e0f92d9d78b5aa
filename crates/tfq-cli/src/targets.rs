//! `tfq-opt targets`: which runtimes are known, and what is known of them.

use super::diagnostics::Failure;
use super::diagnostics::output_failure;
use super::json::json_text;
use super::shown::Shown;
use super::{model, tool};
use serde_json::json;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use tfq_opt::target::{
    Description, OpDescription, OriginDescription, RowDescription, Target, VersionDescription,
    describe,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A target, by name or as a .toml file; all are listed without it
    name: Option<OsString>,
    /// Of one operator only, by its name in the schema
    #[arg(long, value_name = "OP", requires = "name")]
    op: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// As the tables of docs/targets.md
    #[arg(long, conflicts_with_all = ["json", "name"])]
    markdown: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let text = if args.markdown {
        markdown()
    } else if let Some(name) = &args.name {
        let mut description = describe(&*model::target(name)?);
        if let Some(op) = &args.op {
            keep_op(&mut description, op)?;
        }
        if args.json { json_text(&json!(description)) } else { explanation(&description) }
    } else {
        list(args.json)
    };
    Shown(io::stdout().lock()).write_all(text.as_bytes()).map_err(output_failure)
}

fn shipped() -> impl Iterator<Item = Arc<Target>> {
    Target::names().filter_map(Target::named)
}

fn list(as_json: bool) -> String {
    if as_json {
        let targets: Vec<_> = shipped()
            .map(|target| json!({ "name": target.name(), "summary": target.summary() }))
            .collect();
        return json_text(&json!({ "targets": targets }));
    }
    let mut out = String::new();
    for target in shipped() {
        let _ = writeln!(out, "{:16} {}", target.name(), target.summary());
    }
    out + &tool::own(
        "\n`tfq-opt targets NAME` explains one; `--target FILE.toml` takes one of your own.\n",
    )
}

fn keep_op(description: &mut Description, op: &str) -> Result<(), Failure> {
    let mut known: Vec<&str> = description.ops.iter().map(|known| known.name).collect();
    known.dedup();
    known.extend(description.delegate.iter().flat_map(|row| &row.ops));
    known.sort_unstable();
    known.dedup();
    if !known.contains(&op) {
        let message = format!("the target `{}` knows nothing of `{op}`", description.name);
        return Err(Failure::usage(&message, &format!("it knows {}", known.join(", "))));
    }
    description.ops.retain(|known| known.name == op);
    if description.ops.is_empty() {
        // What is said of every op is about weights.
        description.every_op.clear();
        description.memory.clear();
        description.speed.clear();
    }
    description.dequantize.clear();
    description.since.retain(|row| row.ops.contains(&op));
    description.load.retain(|row| row.ops.contains(&op));
    description.unwritten.retain(|row| row.ops.contains(&op));
    description.equivalent.retain(|row| row.ops.contains(&op));
    description.folded.retain(|row| row.ops.contains(&op));
    description.delegate.retain(|row| row.ops.contains(&op));
    let rounds = description.ops.iter().any(|op| op.activation.is_some() && !op.all_or_none);
    description.activations.retain(|row| (row.ops.is_empty() && rounds) || row.ops.contains(&op));
    description.memory.retain(|row| row.ops.is_empty() || row.ops.contains(&op));
    description.speed.retain(|row| row.ops.is_empty() || row.ops.contains(&op));
    Ok(())
}

/// A target for people: rows in the order in which they are asked.
fn explanation(target: &Description) -> String {
    let mut out = format!("{}: {}\n\n", target.name, target.summary);
    if let Some(base) = &target.extends {
        let _ = writeln!(out, "extends       {base}");
    }
    let _ = writeln!(out, "must run on   {} kernels", target.kernels.join(", "));
    if let Some(cap) = &target.max_runtime {
        let _ = writeln!(out, "ends with     {cap} (TensorFlow's numbering)");
    }
    let prefer = json!(target.prefer);
    let _ = writeln!(out, "prefers       {}", prefer.as_str().unwrap_or_default());
    let often = if target.keeps_dequantized { "once" } else { "in every invocation" };
    let _ = writeln!(out, "Dequantize    of a constant is computed {often}");
    if !target.every_op.is_empty() {
        out += "\nFor a weight the first row that fits decides; those about every op come first. [tensor, channel, ...] is\n\
            what has a scale of its own.\n";
        out += "\nevery op\n";
    }
    for row in &target.every_op {
        out += &row_text(row);
    }
    for op in &target.ops {
        out += &op_text(op);
    }
    if !target.dequantize.is_empty() {
        out += "\nDEQUANTIZE reads\n";
    }
    for row in &target.dequantize {
        let what = conditions(&row.types, &row.granularity, &[]);
        let zero_points =
            row.zero_points.as_ref().map(|since| format!("; zero points since {since}"));
        let _ = writeln!(out, "  {what}{}", zero_points.unwrap_or_default());
        out += &versions_text(&row.versions);
        out += &source_text(&row.origin);
    }
    if !target.since.is_empty() {
        out += "\nkernels that came later than their operator versions say\n";
    }
    for row in &target.since {
        let runtime = row.runtime.as_deref().unwrap_or("an unknown release");
        let what = conditions(&row.types, &row.granularity, &row.when);
        let beyond = if row.within_target { "" } else { ", beyond this target" };
        let _ = writeln!(out, "  {}: {what}: since {runtime}{beyond}", row.ops.join(", "));
        out += &source_text(&row.origin);
    }
    if !target.memory.is_empty() {
        out += "\nbytes that the runtime holds for each element, beside the file\n";
    }
    for row in &target.memory {
        let read = json!(row.read);
        let mut what = read.as_str().unwrap_or_default().to_owned();
        if what != "float32" {
            let _ = write!(what, " {}", list_of(&row.types));
        }
        if !row.ops.is_empty() {
            let _ = write!(what, " in {}", row.ops.join(", "));
        }
        if !row.kernels.is_empty() {
            let _ = write!(what, ", {}", row.kernels.join(", "));
        }
        let _ = writeln!(out, "  {what}: {}", row.bytes_per_element);
        out += &source_text(&row.origin);
    }
    if !target.speed.is_empty() {
        out +=
            "\ntime of the kernel that reads codes, as a part of the time with float32 weights\n";
    }
    for row in &target.speed {
        let ops = if row.ops.is_empty() { "any op".to_owned() } else { row.ops.join(", ") };
        let what = conditions(&row.types, &row.granularity, &row.when);
        let kernels = match row.kernels == row.float32_kernels {
            true => row.kernels.to_owned(),
            false => format!("{} kernels beside {}", row.kernels, row.float32_kernels),
        };
        let why = if row.reason.is_empty() { "" } else { ": " };
        let (times, reason) = (row.times, &row.reason);
        let _ =
            writeln!(out, "  {ops}, {what}, {kernels}, {}: {times}{why}{reason}", row.processor);
        out += &source_text(&row.origin);
    }
    if !target.activations.is_empty() {
        out += "\nread behind a Dequantize, so that activations are not rounded\n";
    }
    for row in &target.activations {
        let ops = if row.ops.is_empty() { "any op".to_owned() } else { row.ops.join(", ") };
        let mut what = format!("{}: {ops}", row.rule);
        what += &if_text(&row.when);
        if !row.prefer.is_empty() {
            let names: Vec<&str> = row.prefer.iter().map(|prefer| prefer.name()).collect();
            let _ = write!(what, ", with prefer={}", names.join(" or "));
        }
        let _ = writeln!(out, "  {what}\n      {}", row.reason);
        out += &source_text(&row.origin);
    }
    if !target.equivalent.is_empty() {
        out += "\nslow ops, and what computes the same sooner\n";
    }
    for row in &target.equivalent {
        let mut what = format!("{} as {}", row.ops.join(", "), row.name);
        what += &if_text(&row.when);
        let (xnnpack, optimized) = (row.xnnpack, row.optimized);
        let _ = writeln!(
            out,
            "  {what}: {xnnpack} of the time with XNNPACK, {optimized} without{}",
            if row.at_borders { ", where a border between partitions goes" } else { "" }
        );
        let _ = writeln!(out, "      {}", row.reason);
        out += &source_text(&row.origin);
    }
    if !target.unwritten.is_empty() {
        out += "\nnot written where the model returns it\n";
    }
    for row in &target.unwritten {
        let mut what = row.ops.join(", ");
        what += &if_text(&row.when);
        if !row.kernels.is_empty() {
            let _ = write!(what, ", {}", row.kernels.join(", "));
        }
        let _ = writeln!(out, "  {what}\n      {}", row.reason);
        out += &source_text(&row.origin);
    }
    if !target.folded.is_empty() {
        out += "\ncomputed once where they read constants\n";
    }
    for row in &target.folded {
        let mut what = row.ops.join(", ");
        if !row.kernels.is_empty() {
            let _ = write!(what, ", {}", row.kernels.join(", "));
        }
        let _ = writeln!(out, "  {what}");
        out += &source_text(&row.origin);
    }
    out += &delegate_text(target);
    if !target.load.is_empty() {
        out += "\nnot written, unless --allow-unloadable lets through what was in the input\n";
    }
    for row in &target.load {
        let mut what = row.ops.join(", ");
        if !row.when.is_empty() {
            what += if what.is_empty() { "" } else { " if " };
            what += &row.when.join(" and ");
        }
        let _ = writeln!(out, "  {what}: {}", row.effect);
        if let Some(reason) = &row.reason {
            let _ = writeln!(out, "      {reason}");
        }
        out += &source_text(&row.origin);
    }
    out
}

/// ` if ` and the conditions of a row, where it has some.
fn if_text(when: &[String]) -> String {
    if when.is_empty() { String::new() } else { format!(" if {}", when.join(" and ")) }
}

/// What XNNPACK takes.
fn delegate_text(target: &Description) -> String {
    if target.delegate.is_empty() {
        return String::new();
    }
    let mut out = "\nwhat XNNPACK takes; for each op the first row that fits decides, and ops without rows it leaves\n".to_owned();
    for row in &target.delegate {
        let _ = write!(out, "  {}{}", row.ops.join(", "), if_text(&row.when));
        let _ = match row.takes {
            "yes" => writeln!(out, ": taken"),
            "no" => writeln!(out, ": left\n      {}", row.reason),
            with => writeln!(out, ": taken {}", with.replace('-', " ")),
        };
        out += &source_text(&row.origin);
    }
    out
}

fn op_text(op: &OpDescription) -> String {
    let mut out = format!("\n{}", op.name);
    if !op.when.is_empty() {
        let _ = write!(out, " if {}", op.when.join(" and "));
    }
    let slots = |slots: &[u32]| slots.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let _ = write!(out, "\n  weights at operand {}", slots(&op.weights));
    match (op.channel_axis, op.channel_axis_adj_y) {
        (Some(axis), Some(transposed)) => {
            let _ = write!(out, ", scales along axis {axis} ({transposed} with adj_y)");
        }
        (Some(axis), None) => {
            let _ = write!(out, ", scales along axis {axis}");
        }
        (None, _) => out += ", one scale",
    }
    if let Some(activation) = op.activation {
        let _ = write!(out, "; data at {activation}");
    }
    if !op.biases.is_empty() {
        let _ = write!(out, "; float32 biases at {}", slots(&op.biases));
    }
    out.push('\n');
    if op.all_or_none {
        out += "  all weights have one form, or none is quantised\n";
    }
    if op.pass_through {
        out += "  copies codes; a Dequantize goes behind it\n";
    }
    if let Some(newest) = op.newest_version {
        let _ = writeln!(out, "  versions up to {newest}");
    }
    out += &source_text(&op.origin);
    for row in &op.rows {
        out += &row_text(row);
    }
    out
}

fn row_text(row: &RowDescription) -> String {
    let what = conditions(&row.types, &row.granularity, &row.when);
    let verdict = match (row.hybrid, row.delegated) {
        (true, true) => "hybrid, taken by XNNPACK".to_owned(),
        (true, false) => "hybrid, on the CPU kernels".to_owned(),
        (false, _) => "needs a Dequantize".to_owned(),
    };
    let mut out = format!("  {what}: {verdict}\n");
    if let (Some(effect), Some(reason)) = (&row.effect, &row.reason) {
        let _ = writeln!(out, "      {reason}; otherwise {effect}");
    }
    out + &versions_text(&row.versions) + &source_text(&row.origin)
}

fn versions_text(versions: &[VersionDescription]) -> String {
    let one = |version: &VersionDescription| {
        let flag = match version.asymmetric {
            Some(true) => " asymmetric",
            Some(false) => " symmetric",
            None => "",
        };
        let since =
            version.min_runtime.map_or(String::new(), |release| format!(" since {release}"));
        let beyond = if version.within_target { "" } else { ", beyond this target" };
        let (ty, grain, number) = (version.r#type, version.granularity, version.version);
        format!("{ty} per {grain}{flag}: version {number}{since}{beyond}")
    };
    versions.iter().fold(String::new(), |out, version| out + "      " + &one(version) + "\n")
}

fn conditions(types: &[&str], granularity: &[&str], when: &[String]) -> String {
    let mut what = list_of(types);
    if !granularity.is_empty() {
        let _ = write!(what, " [{}]", granularity.join(", "));
    }
    if !when.is_empty() {
        let _ = write!(what, " if {}", when.join(" and "));
    }
    what
}

fn list_of(names: &[&str]) -> String {
    if names.is_empty() { "any type".to_owned() } else { names.join(", ") }
}

fn source_text(origin: &OriginDescription) -> String {
    format!("      [{}.toml:{}: {}]\n", origin.file, origin.line, origin.source)
}

/// The tables of `docs/targets.md`: the shipped targets, and what each does with int8 weights.
fn markdown() -> String {
    let mut out = String::from("| target | |\n|---|---|\n");
    for target in shipped() {
        let _ = writeln!(out, "| `{}` | {} |", target.name(), target.summary());
    }
    out += "\nINT8 weights of a plain op, by target: `hybrid` where a kernel reads the codes (`+` where XNNPACK takes\n\
            the op), with the operator version; `Dequantize` where one is needed; `float32` where there is none.\n\n";
    let columns = [
        "litert",
        "litert-cpu",
        "litert-xnnpack",
        "tflite-2.3",
        "tflite-2.5",
        "tflite-2.17",
        "tflm",
    ];
    let _ = writeln!(out, "| op | scales | {} |", columns.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(columns.len()));
    let described: Vec<Description> =
        columns.iter().filter_map(|name| Some(describe(&*Target::named(name)?))).collect();
    let ops = described[0].ops.iter().filter(|op| op.when.is_empty());
    for op in ops {
        for grain in ["tensor", "channel"] {
            if grain == "channel" && op.channel_axis.is_none() {
                continue;
            }
            let cells: Vec<String> =
                described.iter().map(|target| cell(target, op.name, grain)).collect();
            let _ = writeln!(out, "| {} | {grain} | {} |", op.name, cells.join(" | "));
        }
    }
    out
}

/// What becomes of an INT8 weight of a plain op.
fn cell(target: &Description, op: &str, grain: &str) -> String {
    let Some(op) = target.ops.iter().find(|known| known.name == op && known.when.is_empty()) else {
        return String::new();
    };
    let is_about = |types: &[&str], grains: &[&str]| {
        (types.is_empty() || types.contains(&"INT8"))
            && (grains.is_empty() || grains.contains(&grain))
    };
    let too_new = target.since.iter().any(|row| {
        let plain = row.ops.contains(&op.name) && row.when.is_empty();
        plain && !row.within_target && is_about(&row.types, &row.granularity)
    });
    let hybrid = op.rows.iter().filter(|row| row.hybrid && !too_new).find_map(|row| {
        let of = |version: &&VersionDescription| {
            version.r#type == "INT8" && version.granularity == grain && version.within_target
        };
        let newest = row.versions.iter().filter(of).map(|version| version.version).max()?;
        Some(format!("hybrid{} v{newest}", if row.delegated { "+" } else { "" }))
    });
    let dequantize = || {
        let versions = target.dequantize.iter().flat_map(|row| &row.versions);
        let mut fitting = versions.filter(|version| {
            version.r#type == "INT8" && version.granularity == grain && version.within_target
        });
        match fitting.next() {
            Some(_) if op.pass_through => "Dequantize behind",
            Some(_) => "Dequantize",
            None => "float32",
        }
    };
    hybrid.unwrap_or_else(|| dequantize().to_owned())
}
