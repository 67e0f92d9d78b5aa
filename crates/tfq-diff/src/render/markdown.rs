//! Markdown for a comment on a change: figures first, details folded.

use super::pieces::{field, figures, headline, histogram, reordered, tensor};
use crate::{Diff, Status, SubgraphDiff};
use std::borrow::Cow;
use std::fmt::Write;
use tfq_ir::visible;
use tfq_text::quoted;

/// Lines of details that a comment can bear; hosts cut comments off at 64 KiB.
const LINES: usize = 400;

pub(crate) fn markdown(diff: &Diff) -> String {
    let mut out = String::new();
    if diff.is_identical() {
        return format!("**{}**: {}\n", diff.class, headline(diff));
    }
    _ = writeln!(out, "**{}**: {}\n", diff.class, headline(diff));
    _ = writeln!(out, "| | before | after | |\n|---|---:|---:|---:|");
    for [what, before, after, change] in figures(diff) {
        _ = writeln!(out, "| {what} | {before} | {after} | {change} |");
    }
    for [what, before, after, change] in histogram(diff) {
        _ = writeln!(out, "| {} | {before} | {after} | {change} |", code(&what));
    }
    if !diff.model.is_empty() {
        out.push('\n');
        for change in &diff.model {
            _ = writeln!(out, "- {}", code(&field(change)));
        }
    }
    for subgraph in &diff.subgraphs {
        details(&mut out, subgraph);
    }
    out
}

fn details(out: &mut String, subgraph: &SubgraphDiff) {
    let mut lines: Vec<String> =
        subgraph.fields.iter().map(|change| format!("! {}", field(change))).collect();
    for op in &subgraph.ops {
        let side = op.after.as_ref().or(op.before.as_ref());
        lines.push(match (op.status, side) {
            (Status::Added, Some(side)) => format!("+ {}", side.line),
            (Status::Removed, Some(side)) => format!("- {}", side.line),
            _ => format!("! {}", op.label()),
        });
        lines.extend(op.changes.iter().map(|change| format!("      {}", field(change))));
    }
    for line in super::pieces::renames(subgraph) {
        lines.push(format!("! {line}"));
    }
    if subgraph.reordered > 0 {
        lines.push(format!("! {}", reordered(subgraph.reordered)));
    }
    let left_out = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    let name = super::pieces::subgraph_name(subgraph);
    _ = write!(out, "\n<details><summary>{}</summary>\n", escaped(&name));
    if !lines.is_empty() {
        // A fence longer than any run of backticks inside.
        let lines: Vec<Cow<'_, str>> = lines.iter().map(|line| visible(line)).collect();
        let run = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
        let fence = "`".repeat((run + 1).max(3));
        _ = write!(out, "\n{fence}diff\n{}\n{fence}\n", lines.join("\n"));
    }
    if left_out > 0 {
        _ = writeln!(out, "\n{left_out} more lines are left out.");
    }
    let tensors = &subgraph.tensors;
    if !tensors.is_empty() {
        _ = writeln!(out, "\n| tensor | |\n|---|---|");
    }
    for changed in tensors.iter().take(LINES) {
        let side = changed.after.as_ref().or(changed.before.as_ref());
        let text = match (changed.status, side) {
            (Status::Added, Some(side)) => format!("added: {}", code(&side.description)),
            (Status::Removed, Some(side)) => format!("removed: {}", code(&side.description)),
            _ => tensor(changed).iter().map(|line| code(line)).collect::<Vec<_>>().join("<br>"),
        };
        _ = writeln!(out, "| {} | {text} |", code(&quoted('%', changed.label())));
    }
    if tensors.len() > LINES {
        _ = writeln!(out, "\n{} more tensors are left out.", tensors.len() - LINES);
    }
    out.push_str("\n</details>\n");
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text in a code span, also in a table.
fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", visible(text).replace('|', "\\|"))
}

fn escaped(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
