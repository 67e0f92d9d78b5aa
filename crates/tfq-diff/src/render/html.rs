//! One page with both graphs side by side. It loads nothing from anywhere.
//!
//! Ops stand in execution order, one in each row; what is paired shares a row. Edges are arcs in
//! the margins, on the left those of the first model. Rows have one height, so that the arcs can
//! be laid out here.

use super::pieces::{field, figures, headline, histogram, rename, subgraph_name, tensor};
use crate::diff::Row;
use crate::{Diff, Status, SubgraphDiff};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use tfq_ir::visible;
use tfq_ir::{Module, OpId, SubgraphId, TensorId};
use tfq_text::{Level, Parts, quoted};

const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");
/// Height of a row and width of a margin in pixels, as in the style sheet.
const HEIGHT: usize = 28;
const MARGIN: f64 = 110.0;

/// The diff of two models as a page of HTML with both graphs. `names` are the models' names.
pub fn html(before: &Module, after: &Module, diff: &Diff, names: [&str; 2]) -> String {
    let mut page = Page {
        out: String::new(),
        modules: [before, after],
        parts: [Parts::new(before, Level::Quant), Parts::new(after, Level::Quant)],
        row: 0,
    };
    let [a, b] = names.map(escaped);
    let class = if diff.is_identical() { String::new() } else { format!("{}: ", diff.class) };
    _ = write!(
        page.out,
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{a} - {b}</title>\n\
         <style>\n{CSS}</style>\n<h1>{a} → {b}</h1>\n<p>{class}{}</p>\n",
        headline(diff)
    );
    page.tables(diff);
    page.out.push_str(
        "<div id=\"bar\"><input type=\"search\" id=\"search\" placeholder=\"Search ops and tensors; Enter goes on\">\
         <button id=\"back\">previous</button><button id=\"next\">next difference</button>\
         <label><input type=\"checkbox\" id=\"only\"> only what differs</label></div>\n",
    );
    for subgraph in &diff.subgraphs {
        page.subgraph(subgraph, [&a, &b]);
    }
    let left_out = diff.after.subgraphs.saturating_sub(diff.subgraphs.len());
    if left_out > 0 && !diff.is_identical() {
        _ = writeln!(page.out, "<p>{left_out} more subgraphs are the same.</p>");
    }
    _ = writeln!(
        page.out,
        "<div id=\"panel\">Click on an op to see all of it.</div>\n<script>\n{JS}</script>\n</html>"
    );
    page.out
}

struct Page<'m> {
    out: String,
    modules: [&'m Module; 2],
    parts: [Parts<'m>; 2],
    /// Rows so far, which number them across subgraphs.
    row: usize,
}

/// Rows of the ops of one side, and those of its ends.
struct Places {
    first: usize,
    last: usize,
    ops: HashMap<OpId, usize>,
}

impl Page<'_> {
    fn tables(&mut self, diff: &Diff) {
        self.out.push_str("<table><tr><th><th>before<th>after<th>\n");
        for [what, before, after, change] in [figures(diff), histogram(diff)].concat() {
            let what = escaped(&what);
            _ = writeln!(
                self.out,
                "<tr><td>{what}<td class=\"n\">{before}<td class=\"n\">{after}<td class=\"n\">{change}"
            );
        }
        self.out.push_str("</table>\n");
        if !diff.model.is_empty() {
            self.out.push_str("<ul>\n");
            for change in &diff.model {
                _ = writeln!(self.out, "<li><code>{}</code>", escaped(&field(change)));
            }
            self.out.push_str("</ul>\n");
        }
    }

    fn subgraph(&mut self, diff: &SubgraphDiff, names: [&str; 2]) {
        _ = writeln!(self.out, "<h2>{}</h2>", escaped(&subgraph_name(diff)));
        for change in &diff.fields {
            _ = writeln!(self.out, "<p><code>{}</code></p>", escaped(&field(change)));
        }
        let [a, b] = names;
        _ = writeln!(self.out, "<div class=\"heads\"><div>{a}</div><div>{b}</div></div>");
        let first = self.row;
        let mut places = [HashMap::new(), HashMap::new()];
        for (n, row) in diff.rows.iter().enumerate() {
            let sides = places.iter_mut().zip([row.before, row.after]);
            for (places, op) in sides.filter_map(|(places, op)| Some((places, op?))) {
                places.insert(op, first + 1 + n);
            }
        }
        let last = first + 1 + diff.rows.len();
        self.out.push_str("<div class=\"graph\">\n");
        let [ops, others] = places;
        for (side, (ops, id)) in [(ops, diff.ids.0), (others, diff.ids.1)].into_iter().enumerate() {
            if let Some(id) = id {
                self.arcs(side, id, &Places { first, last, ops });
            }
        }
        self.end(diff, "inputs", tfq_ir::Subgraph::inputs);
        let changes: HashMap<(Option<usize>, Option<usize>), &crate::OpDiff> = diff
            .ops
            .iter()
            .map(|op| {
                let place = |side: &Option<crate::OpSide>| side.as_ref().map(|s| s.position);
                ((place(&op.before), place(&op.after)), op)
            })
            .collect();
        let numbers = self.numbers(diff);
        for row in &diff.rows {
            let number =
                |side: usize, op: Option<OpId>| op.and_then(|op| numbers[side].get(&op).copied());
            let key = (number(0, row.before), number(1, row.after));
            let told = changes.get(&key).map_or(&[][..], |op| &op.changes);
            self.row(diff, row, told);
        }
        self.end(diff, "outputs", tfq_ir::Subgraph::outputs);
        self.out.push_str("</div>\n");
        self.tensors(diff);
    }

    /// Where ops stand in execution order.
    fn numbers(&self, diff: &SubgraphDiff) -> [HashMap<OpId, usize>; 2] {
        let of = |side: usize, id: Option<SubgraphId>| match id {
            Some(id) => {
                let ops = self.modules[side].subgraph(id).ops();
                ops.enumerate().map(|(n, op)| (op, n)).collect()
            }
            None => HashMap::new(),
        };
        [of(0, diff.ids.0), of(1, diff.ids.1)]
    }

    fn arcs(&mut self, side: usize, id: SubgraphId, places: &Places) {
        let height = (places.last - places.first + 1) * HEIGHT;
        let class = ["a", "b"][side];
        _ = writeln!(
            self.out,
            "<svg class=\"arcs {class}\" height=\"{height}\" fill=\"none\" stroke=\"#888\">"
        );
        let graph = self.modules[side].subgraph(id);
        let inputs: HashSet<&TensorId> = graph.inputs().iter().collect();
        let from = |tensor: TensorId| match graph.producer(tensor) {
            Some((op, _)) => places.ops.get(&op).copied(),
            None => inputs.contains(&tensor).then_some(places.first),
        };
        for op in graph.ops() {
            let to = places.ops[&op];
            for operand in graph.operands(op).into_iter().flatten() {
                if let Some(from) = from(operand) {
                    arc(&mut self.out, side, places.first, from, to);
                }
            }
        }
        for output in graph.outputs() {
            if let Some(from) = from(*output) {
                arc(&mut self.out, side, places.first, from, places.last);
            }
        }
        self.out.push_str("</svg>\n");
    }

    /// The row of inputs or outputs.
    fn end(&mut self, diff: &SubgraphDiff, what: &str, list: fn(&tfq_ir::Subgraph) -> &[TensorId]) {
        let mut told = vec![what.to_owned()];
        let mut cells = String::new();
        for (side, id) in [diff.ids.0, diff.ids.1].into_iter().enumerate() {
            let Some(id) = id else {
                cells.push_str("<div class=\"cell none\"></div>");
                continue;
            };
            let tensors = list(self.modules[side].subgraph(id));
            let parts = &mut self.parts[side];
            let each = tensors.iter().map(|t| {
                format!("{} : {}", quoted('%', parts.tensor_name(id, *t)), parts.tensor(id, *t))
            });
            let line = each.collect::<Vec<_>>().join(", ");
            _ = write!(cells, "<div class=\"cell\"><b>{what}</b> <i>{}</i></div>", escaped(&line));
            told.push(format!("{} {line}", ["-", "+"][side]));
        }
        let changed = diff.fields.iter().any(|field| field.what == what);
        let class = if changed { "changed" } else { "same" };
        self.push_row(&format!("end {class}"), &told.join("\n"), &cells);
    }

    fn row(&mut self, diff: &SubgraphDiff, row: &Row, changes: &[crate::FieldChange]) {
        let mut told: Vec<String> = Vec::new();
        let mut cells = String::new();
        let sides = [(row.before, diff.ids.0), (row.after, diff.ids.1)];
        for (side, (op, id)) in sides.into_iter().enumerate() {
            let (Some(op), Some(id)) = (op, id) else {
                cells.push_str("<div class=\"cell none\"></div>");
                continue;
            };
            let graph = self.modules[side].subgraph(id);
            let parts = &mut self.parts[side];
            let line = parts.op(id, op);
            let results = graph.results(op);
            // Names may be long, and are the same on both sides for the most part.
            let first = results.first().map(|t| {
                let name = quoted('%', parts.tensor_name(id, *t));
                format!("<i>{}</i> {}", escaped(&parts.tensor(id, *t)), escaped(&name))
            });
            let kind = escaped(graph.op(op).kind.name());
            let first = first.unwrap_or_default();
            _ = write!(cells, "<div class=\"cell\"><b>{kind}</b> {first}</div>");
            told.push(format!("{} {line}", ["-", "+"][side]));
        }
        if told.len() == 2 && told[0][1..] == told[1][1..] {
            told.truncate(1);
            told[0].replace_range(..1, " ");
        }
        told.extend(changes.iter().map(field));
        let class = match row.status {
            None => "same",
            Some(Status::Added) => "added",
            Some(Status::Removed) => "removed",
            Some(Status::Changed) => "changed",
        };
        self.push_row(class, &told.join("\n"), &cells);
    }

    fn push_row(&mut self, class: &str, told: &str, cells: &str) {
        let (id, told) = (self.row, escaped(told));
        self.row += 1;
        _ = writeln!(
            self.out,
            "<div class=\"row {class}\" id=\"r{id}\" data-d=\"{told}\">{cells}</div>"
        );
    }

    fn tensors(&mut self, diff: &SubgraphDiff) {
        if diff.tensors.is_empty() && diff.renamed.is_empty() {
            return;
        }
        self.out.push_str("<table>\n");
        for changed in &diff.tensors {
            let side = changed.after.as_ref().or(changed.before.as_ref());
            let (class, text) = match (changed.status, side) {
                (Status::Added, Some(side)) => ("added", vec![side.description.clone()]),
                (Status::Removed, Some(side)) => ("removed", vec![side.description.clone()]),
                _ => ("changed", tensor(changed)),
            };
            let name = escaped(&quoted('%', changed.label()));
            let text = text.iter().map(|line| escaped(line)).collect::<Vec<_>>();
            _ = writeln!(
                self.out,
                "<tr class=\"{class}\" data-s=\"{name}\"><td><code>{name}</code><td><code>{}</code>",
                text.join("<br>")
            );
        }
        for renamed in &diff.renamed {
            let line = escaped(&rename(renamed));
            _ = writeln!(
                self.out,
                "<tr class=\"changed\" data-s=\"{line}\"><td colspan=\"2\"><code>{line}</code>"
            );
        }
        self.out.push_str("</table>\n");
    }
}

/// An edge. The longer, the farther from the ops.
fn arc(out: &mut String, side: usize, first: usize, from: usize, to: usize) {
    let middle = |row: usize| (row - first) * HEIGHT + HEIGHT / 2;
    let (start, end) = (middle(from), middle(to));
    let reach = (8.0 + 14.0 * (from.abs_diff(to) as f64).log2()).clamp(8.0, MARGIN);
    // The ops are to the right of the first model's arcs.
    let (near, far) = if side == 0 { (MARGIN, MARGIN - reach) } else { (0.0, reach) };
    _ = writeln!(
        out,
        "<path d=\"M{near} {start}C{far:.0} {start} {far:.0} {end} {near} {end}\" data-f=\"r{from}\" data-t=\"r{to}\"/>"
    );
}

/// Text that may stand in HTML, in attributes too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
