//! `tfq-opt inspect --partitions`: what is printed.

use super::diagnostics::Failure;
use super::json::json_text;
use serde_json::json;
use std::fmt::Write;
use tfq_ir::{counted, grouped};
use tfq_opt::describe::{LeftOps, PartitionedSubgraph, Partitioning, RunsOn, SectionInfo};
use tfq_opt::target::Target;
use tfq_text::{quoted, visible_quoted};

/// How many sections of a subgraph, reasons of a section and kinds of its ops are listed.
const MOST_SECTIONS: usize = 40;
const MOST_REASONS: usize = 10;
const MOST_KINDS: usize = 5;

/// The error where the target knows of no delegate.
pub(super) fn no_delegate(target: &str) -> Failure {
    let with = Target::names().filter(|name| {
        !name.starts_with("tflite-")
            && Target::named(name).is_some_and(|target| target.has_delegate())
    });
    let with = with.collect::<Vec<_>>().join(", ");
    let message = format!("the target `{target}` has no XNNPACK, which makes the partitions");
    Failure::usage(&message, &format!("targets that have it are {with}"))
}

/// `measured` is on what times were taken, where they were.
pub(super) fn json(file: &str, measured: Option<&str>, found: &Partitioning) -> String {
    let mut value = json!(found);
    value["file"] = file.into();
    if let Some(measured) = measured {
        value["measured"] = measured.into();
    }
    json_text(&value)
}

pub(super) fn text(file: &str, measured: Option<&str>, found: &Partitioning) -> String {
    let mut out = String::new();
    match &found.subgraphs[..] {
        [] => _ = writeln!(out, "{file}: no ops"),
        [only] => subgraph(&mut out, file, only),
        several => {
            _ = writeln!(out, "{file}: {}", counted(several.len(), "subgraph"));
            for graph in several {
                out.push('\n');
                subgraph(&mut out, &quoted('@', &graph.name), graph);
            }
        }
    }
    if let Some(measured) = measured {
        _ = writeln!(out, "times: {measured}");
    }
    out
}

fn subgraph(out: &mut String, name: &str, graph: &PartitionedSubgraph) {
    let of = match (graph.taken, graph.ops) {
        (0, ops) => format!("none of {}", counted(ops, "op")),
        (taken, ops) if taken == ops => format!("all of {}", counted(ops, "op")),
        (taken, ops) => format!("{taken} of {}", counted(ops, "op")),
    };
    let partitions = match graph.partitions {
        0 => String::new(),
        n => format!(", in {}", counted(n, "partition")),
    };
    _ = writeln!(out, "{name}: XNNPACK takes {of}{partitions}");
    for (n, section) in graph.sections.iter().enumerate().take(MOST_SECTIONS) {
        section_text(out, n + 1, section);
    }
    if let more @ 1.. = graph.sections.len().saturating_sub(MOST_SECTIONS) {
        _ = writeln!(out, "  and {more} more (--json has all)");
    }
}

fn section_text(out: &mut String, number: usize, section: &SectionInfo) {
    let (on, ops) = match section.runs_on {
        RunsOn::Xnnpack => ("XNNPACK", kinds(section)),
        RunsOn::Cpu => ("CPU", String::new()),
    };
    let count = counted(section.ops.len(), "op");
    let crossing = [("reads", section.bytes_read), ("gives", section.bytes_given)];
    let crossing = crossing.into_iter().filter_map(|(verb, bytes)| match bytes {
        Some(0) => None,
        Some(bytes) => Some(format!("{verb} {} bytes", grouped(bytes))),
        None => Some(format!("{verb} a number of bytes that the file does not tell")),
    });
    let time = section.seconds.map(|seconds| format!("takes {:.3} ms", 1e3 * seconds));
    let rest: Vec<String> = crossing.chain(time).collect();
    let rest = if rest.is_empty() { String::new() } else { format!("; {}", rest.join(", ")) };
    _ = writeln!(out, "{number:>4}  {on:7}  {count}{ops}{rest}");
    for left in section.left.iter().take(MOST_REASONS) {
        _ = writeln!(out, "        {}: {}", left_ops(left), left.reason);
    }
    if let more @ 1.. = section.left.len().saturating_sub(MOST_REASONS) {
        _ = writeln!(out, "        and {more} more");
    }
}

/// `: CONV_2D 4, ADD 2 and 3 other kinds`, the most frequent first.
fn kinds(section: &SectionInfo) -> String {
    let mut kinds: Vec<_> = section.kinds.iter().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    let told = kinds.iter().take(MOST_KINDS).map(|kind| match kind.count {
        1 => op_name(&kind.kind, kind.custom),
        count => format!("{count} {}", op_name(&kind.kind, kind.custom)),
    });
    let told = told.collect::<Vec<_>>().join(", ");
    match kinds.len().saturating_sub(MOST_KINDS) {
        0 => format!(": {told}"),
        more => format!(": {told} and {}", counted(more, "other kind")),
    }
}

fn left_ops(left: &LeftOps) -> String {
    let name = op_name(&left.kind, left.custom);
    let first = left.first.as_deref().map(|name| quoted('%', name)).unwrap_or_default();
    match left.count {
        1 => format!("{name} {first}").trim_end().to_owned(),
        count if first.is_empty() => format!("{count} {name}"),
        count => format!("{count} {name}, the first {first}"),
    }
}

fn op_name(kind: &str, custom: bool) -> String {
    if custom { format!("custom {}", visible_quoted(kind)) } else { kind.to_owned() }
}
