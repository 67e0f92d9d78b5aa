//! What moved between a golden and a new result, and why.

use crate::golden::{Golden, Header, text_begins};
use crate::section::{Section, first_difference};
use serde::Serialize;
use tfq_diff::{Diff, DiffOptions, Elided, Status, Style, TensorDiff};
use tfq_ir::{Module, counted};
use tfq_text as text;
use tfq_text::{Elisions, Level, ParseError, ParseOptions, Parts, quoted};

/// What moved, from least to gravest. Only [`Kind::Formatting`] is no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// White space, comments, the layout of the file.
    Formatting,
    /// The passes took another way to the same result.
    Steps,
    /// Names, or the order of things that may stand in any order.
    Names,
    /// Description, metadata entries or what follows the model in its file.
    Metadata,
    /// Statistics of constants.
    Numerics,
    /// Contents of constants, or values of scales and zero points.
    Weights,
    /// Ops, attributes, wiring, types, shapes, the kind of quantisation, signatures.
    Structure,
    /// The golden's text does not parse, so that nothing more can be said.
    Unreadable,
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Formatting => "formatting only",
            Self::Steps => "steps",
            Self::Names => "names",
            Self::Metadata => "metadata",
            Self::Numerics => "numerics",
            Self::Weights => "weights",
            Self::Structure => "structure",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Something that a golden was made with and that is another now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// `tool`, `text format`, `model`, `input`, `pipeline`, `target` or `level`.
    pub what: &'static str,
    /// When the golden was accepted.
    pub before: String,
    /// Now.
    pub after: String,
}

/// The error of a constant that is another now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorChange {
    /// The constant, as texts name it.
    pub tensor: String,
    /// The error of what a pass made of it, when the golden was accepted: `SNR 43.1 dB`.
    pub before: String,
    /// The same now.
    pub after: String,
}

/// How a new result compares with a golden.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What moved, gravest first.
    pub kinds: Vec<Kind>,
    /// What was changed that may be the reason.
    pub causes: Vec<Cause>,
    /// The first pass that did something else, as its section's title.
    pub first_pass: Option<String>,
    /// Errors of constants that are others now.
    pub errors: Vec<ErrorChange>,
    /// What differs between both results; `None` where a text does not parse.
    pub diff: Option<Diff>,
    /// Why the golden's text does not parse, with the place in its file.
    pub unreadable: Option<ParseError>,
    /// The level at which both were compared, where they are of two.
    pub level: Option<Level>,
    /// The line of the golden's file to look at first.
    pub line: Option<usize>,
}

impl Comparison {
    /// Whether the new result is the accepted one, be it laid out in another way.
    pub fn is_same(&self) -> bool {
        self.kinds.iter().all(|kind| *kind == Kind::Formatting)
    }

    /// What differs in one line.
    pub fn headline(&self) -> String {
        match (&self.diff, &self.unreadable) {
            (_, Some(error)) => format!("the accepted text does not parse: {error}"),
            (Some(diff), _) if !diff.is_identical() => {
                let contents = self.contents();
                match diff.moved.structure || diff.moved.formatting || diff.moved.metadata {
                    // Where nothing but contents moved, counts are all there is to say.
                    false if !contents.is_empty() => format!(
                        "{} changed: {}",
                        counted(contents.len(), "constant"),
                        listed(&contents)
                    ),
                    _ => diff.headline(),
                }
            }
            _ if self.kinds.contains(&Kind::Structure) => "payloads of ops changed".to_owned(),
            _ if self.kinds.contains(&Kind::Weights) => "hashes of scales changed".to_owned(),
            _ if self.kinds.contains(&Kind::Metadata) => "hashes of metadata changed".to_owned(),
            _ if self.kinds.contains(&Kind::Numerics) => "errors of rounding changed".to_owned(),
            _ if self.kinds.contains(&Kind::Steps) => {
                "the result is the same, and the passes took another way to it".to_owned()
            }
            _ => "the results are the same".to_owned(),
        }
    }

    /// Constants whose contents or scales moved.
    fn contents(&self) -> Vec<String> {
        let subgraphs = self.diff.iter().flat_map(|diff| &diff.subgraphs);
        let changed = subgraphs.flat_map(|sg| &sg.tensors).filter(|t| t.status == Status::Changed);
        changed.map(|tensor| quoted('%', tensor.label())).collect()
    }

    /// Everything that differs between the results, in lines.
    pub fn details(&self, style: Style) -> String {
        match &self.diff {
            Some(diff) if !diff.is_identical() => diff.to_text(style),
            _ => String::new(),
        }
    }
}

/// The first names of a list, and how many follow.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Compares a new result with a golden. Where their levels differ, no more is compared than both
/// of them say.
pub fn compare(accepted: &Golden, new: &Golden) -> Comparison {
    let (old_text, new_text) = (accepted.text.trim_end(), new.text.trim_end());
    let levels = text::level_of(old_text).zip(text::level_of(new_text));
    let lower = levels.filter(|(a, b)| a != b).map(|(a, b)| a.min(b));
    let mut found = Comparison {
        kinds: Vec::new(),
        causes: causes(accepted, new),
        first_pass: None,
        errors: Vec::new(),
        diff: None,
        unreadable: None,
        level: lower,
        line: None,
    };
    // At level full the constants are there, and their errors can be measured.
    let measure = lower.is_none() && accepted.side.is_some() && new.side.is_some();
    if !accepted.tidy || old_text != new_text {
        found.kinds.push(Kind::Formatting);
    }
    if old_text != new_text && !text::same_tokens(old_text, new_text) {
        match Reading::new(accepted, lower)
            .map_err(|error| accepted.in_file(error))
            .and_then(|old| Ok((old, Reading::new(new, lower)?)))
        {
            Err(error) => {
                found.kinds.push(Kind::Unreadable);
                found.line = Some(error.line);
                found.unreadable = Some(error);
            }
            Ok((old, new)) => {
                let diff = old.diff(&new, measure);
                found.kinds.extend(kinds(&diff, [&old.hashes, &new.hashes]));
                found.diff = Some(diff);
            }
        }
    }
    // What passes changed is told in the terms of a level.
    if lower.is_none() {
        found.first_pass = first_pass(&accepted.sections, &new.sections);
        found.errors = match (&found.diff, measure) {
            (Some(diff), true) => measured(diff),
            _ => recorded(&accepted.sections, &new.sections),
        };
        if accepted.sections != new.sections {
            found.kinds.push(Kind::Formatting);
        }
    }
    if found.first_pass.is_some() && found.is_same() {
        let numeric = !found.errors.is_empty() && only_errors(accepted, new);
        found.kinds.push(if numeric { Kind::Numerics } else { Kind::Steps });
    }
    found.kinds.sort_unstable_by(|a, b| b.cmp(a));
    found.kinds.dedup();
    if !found.is_same() {
        // Next to what differs, layout is not worth a word.
        found.kinds.retain(|kind| *kind != Kind::Formatting);
        found.line = found.line.or_else(|| accepted.line(found.first_pass.as_deref()));
    }
    if lower.is_some() {
        // Another level is another layout.
        found.kinds.retain(|kind| *kind != Kind::Formatting);
    }
    found
}

/// A golden's text, read.
struct Reading {
    module: Module,
    elided: Elided,
    /// Of what the model does not show.
    hashes: Elisions,
}

impl Reading {
    /// Reads a text, and leaves out what a lower level does not show.
    fn new(golden: &Golden, lower: Option<Level>) -> Result<Self, ParseError> {
        let text = golden.text.trim_end();
        let (fills, side) = (golden.side.is_none(), golden.side.clone());
        let options = ParseOptions { side, fills, ..ParseOptions::default() };
        let (mut module, elisions) = text::parse_with_elisions(text, &options)?;
        let own = text::level_of(text).unwrap_or(Level::Full);
        let level = lower.unwrap_or(own);
        if level < own {
            let options = ParseOptions { fills: true, ..ParseOptions::default() };
            module = text::parse(&text::print(&module, level), &options)?;
        }
        // Where the constants are there, they are compared.
        let whole = level == Level::Full && !fills;
        let elided = match whole {
            true => Elided::default(),
            false => elided(&elisions, &module, level),
        };
        // The rest is compared in texts of one level only, of which each shows what the other does.
        let hashes = if lower.is_some() { Elisions::default() } else { elisions };
        Ok(Self { module, elided, hashes })
    }

    fn diff(&self, new: &Self, measure: bool) -> Diff {
        let (old, new) = ((&self.module, &self.elided), (&new.module, &new.elided));
        tfq_diff::diff_elided(old, new, &DiffOptions { measure })
    }
}

/// Which constants of the model that was read from the text are made up, and what a text of
/// this level says of them.
fn elided(elisions: &Elisions, module: &Module, level: Level) -> Elided {
    let mut elided = Elided::default();
    let parts = Parts::new(module, level);
    for (id, graph) in module.subgraphs() {
        for tensor in graph.tensors().filter(|t| module.constant(id, *t).is_some()) {
            let (subgraph, name) = (parts.subgraph_name(id), parts.tensor_name(id, tensor));
            if let Some(said) = elisions.constant(subgraph, name) {
                let mut said = said.clone();
                said.hash = said.hash.filter(|_| level >= Level::Hash);
                said.statistics = said.statistics.filter(|_| level >= Level::Stats);
                elided.insert(graph.tensor(tensor).buffer, said);
            }
        }
    }
    elided
}

fn causes(accepted: &Golden, new: &Golden) -> Vec<Cause> {
    let (a, b) = (&accepted.header, &new.header);
    let version = |n: u32| n.to_string();
    let plan = |header: &Header| header.plan.clone().unwrap_or_else(|| "none".to_owned());
    let all = [
        ("tool", a.tool.clone(), b.tool.clone()),
        ("text format", version(a.text), version(b.text)),
        ("model", a.model.clone(), b.model.clone()),
        ("input", a.input.clone(), b.input.clone()),
        ("pipeline", a.passes.clone(), b.passes.clone()),
        ("plan", plan(a), plan(b)),
        ("target", a.target.clone(), b.target.clone()),
        ("level", a.level.clone(), b.level.clone()),
    ];
    let differ = all.into_iter().filter(|(_, before, after)| before != after);
    differ.map(|(what, before, after)| Cause { what, before, after }).collect()
}

/// The title of the first section that differs; of the accepted golden where the new result
/// ends before.
fn first_pass(accepted: &[Section], new: &[Section]) -> Option<String> {
    let at = first_difference(accepted, new)?;
    new.get(at).or(accepted.get(at)).map(|section| section.title.clone())
}

/// What moved between two texts, by what differs between the models and by hashes of what the
/// models do not show.
fn kinds(diff: &Diff, [old, new]: [&Elisions; 2]) -> Vec<Kind> {
    // Hashes of what came or went are told by the structure.
    let same = !diff.moved.structure;
    let mut kinds = Vec::new();
    if diff.moved.structure || old.payloads != new.payloads {
        kinds.push(Kind::Structure);
    }
    if diff.moved.formatting {
        kinds.push(Kind::Names);
    }
    if diff.moved.metadata || old.model != new.model {
        kinds.push(Kind::Metadata);
    }
    // Contents of another type or shape have nothing to be compared with.
    let like = |tensor: &&TensorDiff| !tensor.what.iter().any(|w| ["type", "shape"].contains(w));
    let tensors = || diff.subgraphs.iter().flat_map(|sg| &sg.tensors).filter(like);
    let scales = |t: &TensorDiff| t.what.iter().any(|what| ["scales", "ranges"].contains(what));
    let estimated = |t: &TensorDiff| {
        let constant = t.constant.as_ref();
        constant.map(|c| c.hash_before.is_none() && c.statistics_before.is_some())
    };
    if tensors().any(|t| scales(t) || estimated(t) == Some(false))
        || (same && old.lists != new.lists)
    {
        kinds.push(Kind::Weights);
    } else if tensors().any(|t| estimated(t) == Some(true)) {
        kinds.push(Kind::Numerics);
    }
    if kinds.is_empty() {
        kinds.push(Kind::Formatting);
    }
    kinds
}

/// Whether two texts are the same, be they laid out in different ways: what stands before the
/// line that begins with `tfg`, letter by letter but for blanks at the ends of lines; what
/// follows, by the model that it describes and what it says of constants that it leaves out.
pub fn same_text(a: &str, b: &str) -> bool {
    let split = |text: &str| text_begins(text).unwrap_or(text.len());
    let ((prose_a, text_a), (prose_b, text_b)) = (a.split_at(split(a)), b.split_at(split(b)));
    if !prose_a
        .trim_end()
        .lines()
        .map(str::trim_end)
        .eq(prose_b.trim_end().lines().map(str::trim_end))
    {
        return false;
    }
    if text_a == text_b || text::same_tokens(text_a, text_b) {
        return true;
    }
    if text::level_of(text_a) != text::level_of(text_b) {
        return false;
    }
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    let read = |text| text::parse_with_elisions(text, &options);
    let (Ok((x, of_x)), Ok((y, of_y))) = (read(text_a), read(text_b)) else { return false };
    let level = text::level_of(text_a).unwrap_or(Level::Full);
    let elided = [elided(&of_x, &x, level), elided(&of_y, &y, level)];
    let options = DiffOptions { measure: false };
    let diff = tfq_diff::diff_elided((&x, &elided[0]), (&y, &elided[1]), &options);
    kinds(&diff, [&of_x, &of_y]) == [Kind::Formatting]
}

/// Errors between two constants of the results.
fn measured(diff: &Diff) -> Vec<ErrorChange> {
    let tensors = diff.subgraphs.iter().flat_map(|sg| &sg.tensors);
    tensors
        .filter_map(|tensor| {
            let error = tensor.constant.as_ref()?.error?;
            let after = match error.snr_db {
                Some(snr) => format!("SNR {snr:.1} dB against it"),
                None => format!("max error {:e} against it", error.max_abs),
            };
            let tensor = quoted('%', tensor.label());
            Some(ErrorChange { tensor, before: "accepted".to_owned(), after })
        })
        .collect()
}

/// Errors that passes brought into constants, where these are others now.
fn recorded(accepted: &[Section], new: &[Section]) -> Vec<ErrorChange> {
    let errors = |sections: &[Section]| {
        let all: indexmap::IndexMap<String, String> = sections
            .iter()
            .flat_map(|section| section.body.lines())
            .filter_map(|line| line.strip_prefix("error of ")?.rsplit_once(": "))
            .map(|(tensor, error)| (tensor.to_owned(), error.to_owned()))
            .collect();
        all
    };
    let (old, new) = (errors(accepted), errors(new));
    let changed = old.into_iter().filter_map(|(tensor, before)| {
        let after = new.get(&tensor)?.clone();
        (after != before).then_some(ErrorChange { tensor, before, after })
    });
    changed.collect()
}

/// Whether sections differ in what they say of errors, and in nothing else.
fn only_errors(accepted: &Golden, new: &Golden) -> bool {
    let without = |golden: &Golden| -> Vec<String> {
        let lines =
            golden.sections.iter().flat_map(|s| std::iter::once(&*s.title).chain(s.body.lines()));
        lines.filter(|line| !line.starts_with("error of ")).map(str::to_owned).collect()
    };
    without(accepted) == without(new)
}
