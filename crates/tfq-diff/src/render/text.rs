//! Plain text, and the same with colours.

use super::pieces::{Style, field, figures, headline, histogram, reordered, tensor};
use crate::{Diff, Status, SubgraphDiff};
use std::fmt::Write;
use tfq_ir::visible;
use tfq_text::quoted;

pub(crate) fn text(diff: &Diff, style: Style) -> String {
    let mut out = Text { out: String::new(), style };
    out.line(BOLD, &format!("{}: {}", diff.class, headline(diff)));
    if diff.is_identical() {
        return out.out;
    }
    let tables = [figures(diff), histogram(diff)].concat();
    let width = |at: usize| tables.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1).max(6), width(2).max(5)];
    _ = writeln!(
        out.out,
        "\n  {:w$}  {:>x$}  {:>y$}",
        "",
        "before",
        "after",
        w = widths[0],
        x = widths[1],
        y = widths[2]
    );
    for [what, before, after, change] in &tables {
        let line = format!(
            "  {what:w$}  {before:>x$}  {after:>y$}  {change}",
            w = widths[0],
            x = widths[1],
            y = widths[2]
        );
        out.line(PLAIN, line.trim_end());
    }
    if !diff.model.is_empty() {
        out.out.push('\n');
        diff.model.iter().for_each(|change| out.line(CHANGED, &format!("~ {}", field(change))));
    }
    for subgraph in &diff.subgraphs {
        out.subgraph(subgraph);
    }
    out.out
}

struct Text {
    out: String,
    style: Style,
}

const PLAIN: &str = "";
const BOLD: &str = "1";
const ADDED: &str = "32";
const REMOVED: &str = "31";
const CHANGED: &str = "33";

fn colour(status: Status) -> (&'static str, char) {
    match status {
        Status::Added => (ADDED, '+'),
        Status::Removed => (REMOVED, '-'),
        Status::Changed => (CHANGED, '~'),
    }
}

impl Text {
    fn line(&mut self, code: &str, line: &str) {
        let line = visible(line);
        match self.style {
            Style::Ansi if !code.is_empty() => _ = writeln!(self.out, "\x1b[{code}m{line}\x1b[0m"),
            _ => _ = writeln!(self.out, "{line}"),
        }
    }

    fn subgraph(&mut self, subgraph: &SubgraphDiff) {
        self.out.push('\n');
        let name = super::pieces::subgraph_name(subgraph);
        match subgraph.status {
            Status::Changed => self.line(BOLD, &name),
            Status::Added => self.line(ADDED, &format!("+ {name}")),
            Status::Removed => self.line(REMOVED, &format!("- {name}")),
        }
        for change in &subgraph.fields {
            self.line(CHANGED, &format!("~ {}", field(change)));
        }
        for op in &subgraph.ops {
            let (code, sign) = colour(op.status);
            let side = op.after.as_ref().or(op.before.as_ref());
            match (op.status, side) {
                (Status::Added | Status::Removed, Some(side)) => {
                    self.line(code, &format!("{sign} {}", side.line));
                }
                _ => self.line(code, &format!("{sign} {}", op.label())),
            }
            for change in &op.changes {
                self.line(PLAIN, &format!("    {}", field(change)));
            }
        }
        for changed in &subgraph.tensors {
            let (code, sign) = colour(changed.status);
            let side = changed.after.as_ref().or(changed.before.as_ref());
            match (changed.status, side) {
                (Status::Added | Status::Removed, Some(side)) => {
                    self.line(
                        code,
                        &format!("{sign} {} : {}", quoted('%', &side.name), side.description),
                    );
                }
                _ => self.line(code, &format!("{sign} {}", quoted('%', changed.label()))),
            }
            if changed.status == Status::Changed {
                for line in tensor(changed) {
                    self.line(PLAIN, &format!("    {line}"));
                }
            }
        }
        for line in super::pieces::renames(subgraph) {
            self.line(CHANGED, &format!("~ {line}"));
        }
        if subgraph.reordered > 0 {
            self.line(CHANGED, &format!("~ {}", reordered(subgraph.reordered)));
        }
    }
}
