//! What all forms for people say alike.

use crate::{
    ConstantDiff, Diff, FieldChange, Rename, Status, SubgraphDiff, TensorDiff, TensorSide,
};
use std::fmt::Write;
use tfq_ir::{counted, grouped, plural, visible};
use tfq_text::{quoted, short};

/// How [`crate::Diff::to_text`] marks what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With nothing but characters.
    Plain,
    /// With ANSI escapes: green, red and yellow.
    Ansi,
}

/// The whole diff in one line.
pub(crate) fn headline(diff: &Diff) -> String {
    if diff.is_identical() {
        return "the models are the same".to_owned();
    }
    let mut parts = Vec::new();
    let ops = |status| count(diff, |sg| sg.ops.iter().filter(|op| op.status == status).count());
    let (added, removed) = (ops(Status::Added), ops(Status::Removed));
    let order = |what: &FieldChange| what.what == "order";
    let changed = count(diff, |sg| {
        let changed = sg.ops.iter().filter(|op| op.status == Status::Changed);
        changed.filter(|op| !op.changes.iter().all(order)).count()
    });
    let moved = count(diff, |sg| sg.ops.iter().filter(|op| op.changes.iter().any(order)).count());
    let tensors =
        |status| count(diff, |sg| sg.tensors.iter().filter(|t| t.status == status).count());
    // A constant whose scales alone are others holds other numbers too.
    let constant = |t: &TensorDiff| {
        let bytes = |side: &Option<TensorSide>| side.as_ref().is_some_and(|s| s.bytes.is_some());
        t.constant.is_some() || (bytes(&t.before) && bytes(&t.after))
    };
    let changed_tensors = |constants: bool| {
        count(diff, |sg| {
            let changed = sg.tensors.iter().filter(|t| t.status == Status::Changed);
            changed.filter(|t| constant(t) == constants).count()
        })
    };
    let (weights, only) = (changed_tensors(true), changed_tensors(false));
    let renamed = count(diff, |sg| sg.renamed.len());
    let mut part = |n: usize, what: &str, verb: &str| {
        if n > 0 {
            parts.push(format!("{} {verb}", counted(n, what)));
        }
    };
    part(added, "op", "added");
    part(removed, "op", "removed");
    part(changed, "op", "changed");
    part(moved, "op", "moved");
    part(tensors(Status::Added), "tensor", "added");
    part(tensors(Status::Removed), "tensor", "removed");
    part(weights, "constant", "changed");
    part(only, if weights > 0 { "other tensor" } else { "tensor" }, "changed");
    part(renamed, "tensor", "renamed");
    part(diff.model.len(), "entry", "of the model changed");
    let lists = count(diff, |sg| sg.fields.len());
    part(lists, "list", "of inputs or outputs changed");
    let names = |sg: &SubgraphDiff| sg.status == Status::Changed && sg.before != sg.after;
    part(count(diff, |sg| usize::from(names(sg))), "subgraph", "renamed");
    if parts.is_empty() {
        parts.push(reordered(count(diff, |sg| sg.reordered)));
    }
    parts.join(", ")
}

fn count(diff: &Diff, each: impl Fn(&SubgraphDiff) -> usize) -> usize {
    diff.subgraphs.iter().map(each).sum()
}

/// The figures whose rows make a table: what, before, after, difference.
pub(crate) fn figures(diff: &Diff) -> Vec<[String; 4]> {
    let (a, b) = (&diff.before, &diff.after);
    let rows = [
        ("subgraphs", a.subgraphs as u64, b.subgraphs as u64),
        ("ops", a.ops as u64, b.ops as u64),
        ("tensors", a.tensors as u64, b.tensors as u64),
        ("constants", a.constants as u64, b.constants as u64),
        ("bytes of constants", a.constant_bytes, b.constant_bytes),
    ];
    let rows = rows.into_iter().filter(|(what, x, y)| x != y || *what != "subgraphs");
    rows.map(|(what, x, y)| {
        let change = match y as i128 - x as i128 {
            0 => String::new(),
            change if what == "bytes of constants" && x > 0 => {
                format!("{:+.1} %", 100.0 * change as f64 / x as f64)
            }
            change => format!("{change:+}"),
        };
        [what.to_owned(), grouped(x), grouped(y), change]
    })
    .collect()
}

pub(crate) fn histogram(diff: &Diff) -> Vec<[String; 4]> {
    let rows = diff.histogram.iter().map(|count| {
        let change = count.after as i64 - count.before as i64;
        [
            visible(&count.kind).into_owned(),
            grouped(count.before as u64),
            grouped(count.after as u64),
            format!("{change:+}"),
        ]
    });
    rows.collect()
}

/// What is told of two constants that differ.
pub(crate) fn constant(constant: &ConstantDiff) -> String {
    let mut out = String::new();
    if let (Some(before), Some(after)) = (&constant.values_before, &constant.values_after) {
        _ = write!(out, "{before} -> {after}");
    } else if let (Some(before), Some(after)) = (&constant.hash_before, &constant.hash_after) {
        let short = |hash: &'_ str| hash.get(..8).unwrap_or(hash).to_owned();
        if constant.same_bytes() {
            out.push_str("the same integers");
        } else if short(before) == short(after) {
            _ = write!(out, "#{before} -> #{after}");
        } else {
            _ = write!(out, "#{} -> #{}", short(before), short(after));
        }
    } else if let (Some(before), Some(after)) =
        (&constant.statistics_before, &constant.statistics_after)
    {
        _ = write!(out, "{before} -> {after}");
    } else {
        out.push_str("contents differ");
    }
    let Some(error) = &constant.error else { return out };
    if error.max_abs == 0.0 && error.nonfinite == 0 {
        out.push_str(", equal numbers");
        return out;
    }
    if error.nonfinite > 0 {
        _ = write!(out, ", {} not finite", grouped(error.nonfinite));
    }
    _ = write!(out, ", max error {}", short(error.max_abs));
    if let Some(snr) = error.snr_db {
        _ = write!(out, ", SNR {snr:.1} dB");
    }
    out
}

/// Description, bytes and contents of a tensor that changed.
pub(crate) fn tensor(tensor: &TensorDiff) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told = vec!["type", "shape", "constant"];
    if let (Some(before), Some(after)) = (&tensor.before, &tensor.after) {
        if before.description != after.description {
            told.extend(["quantization", "scales"]);
        }
        if before.description != after.description {
            lines.push(format!("{} -> {}", before.description, after.description));
        }
        if before.bytes != after.bytes {
            let bytes = |bytes: Option<u64>| bytes.map_or("no".to_owned(), grouped);
            lines.push(format!("{} -> {} bytes", bytes(before.bytes), bytes(after.bytes)));
        }
    }
    let more: Vec<&str> = tensor.what.iter().copied().filter(|w| !told.contains(w)).collect();
    if !more.is_empty() {
        lines.push(format!("differ: {}", more.join(", ")));
    }
    lines.extend(tensor.constant.as_ref().map(constant));
    lines
}

pub(crate) fn field(change: &FieldChange) -> String {
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
    format!("{}: {} -> {}", change.what, side(&change.before), side(&change.after))
}

/// Lines about renames, of which a model may have as many as it has tensors.
pub(crate) fn renames(subgraph: &SubgraphDiff) -> Vec<String> {
    const SHOWN: usize = 40;
    let mut lines: Vec<String> = subgraph.renamed.iter().take(SHOWN).map(rename).collect();
    let more = subgraph.renamed.len() - lines.len();
    if more > 0 {
        lines.push(format!("{} more renamed", grouped(more as u64)));
    }
    lines
}

pub(crate) fn reordered(n: usize) -> String {
    format!("{} or {} in another order", counted(n, "constant"), plural(n as u64, "variable"))
}

pub(crate) fn rename(rename: &Rename) -> String {
    format!("renamed {} -> {}", quoted('%', &rename.before), quoted('%', &rename.after))
}

/// The name of a subgraph, or both where they differ.
pub(crate) fn subgraph_name(subgraph: &SubgraphDiff) -> String {
    match (&subgraph.before, &subgraph.after) {
        (Some(before), Some(after)) if before != after => {
            format!("{} -> {}", quoted('@', before), quoted('@', after))
        }
        (Some(name), _) | (None, Some(name)) => quoted('@', name),
        (None, None) => "@?".to_owned(),
    }
}
