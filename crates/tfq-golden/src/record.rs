//! Watching a pipeline run.

use crate::delta::{Name, delta};
use crate::section::Section;
use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use std::fmt::Write;
use tfq_diff::{Diff, DiffOptions, Status};
use tfq_ir::visible;
use tfq_ir::{Applied, Module, Subgraph, SubgraphId};
use tfq_pass::{Event, Pipeline, RunCheck, RunError, RunOptions, Unrunnable};
use tfq_target::Target;
use tfq_text as text;
use tfq_text::{Level, Parts, quoted};

/// What a pipeline did to a model.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What each pass changed, in order. Raising operator versions, which the manager does at
    /// the end, is a section of its own.
    pub sections: Vec<Section>,
    /// How many ops of each kind the result has, by name.
    pub ops: Vec<(String, usize)>,
    /// The result as text.
    pub text: String,
    /// The constants of a text of level `full`.
    pub side: Option<Bytes>,
    /// The patches behind each section.
    pub patches: Vec<Vec<PatchNote>>,
}

/// A patch, as far as it takes to find out what it touched.
#[derive(Clone, Debug)]
pub struct PatchNote {
    /// What the patch said it does.
    pub label: String,
    /// Ops that it touched: `CONV_2D %y`.
    pub ops: Vec<String>,
    /// The subgraph, as texts name it.
    pub(crate) subgraph: Option<String>,
    /// Tensors that it touched and results of ops that it touched.
    pub(crate) tensors: IndexSet<String>,
}

impl PatchNote {
    /// What it touched, under the names that lines may have for it: those of a model with one
    /// subgraph do not say which.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> {
        self.tensors.iter().flat_map(|tensor| {
            let subgraphs = std::iter::once(None).chain(self.subgraph.clone().map(Some));
            subgraphs.map(|subgraph| Name { subgraph, tensor: tensor.clone() })
        })
    }
}

/// Makes a [`Recording`] from the events of a run.
#[derive(Debug)]
pub struct Recorder {
    level: Level,
    /// The text after the last pass.
    last: Option<String>,
    sections: Vec<Section>,
    patches: Vec<Vec<PatchNote>>,
}

impl Recorder {
    /// Records texts of this level. From `stats` on, the errors of constants that a pass
    /// changed are measured.
    pub fn new(level: Level) -> Self {
        Self { level, last: None, sections: Vec::new(), patches: Vec::new() }
    }

    /// Takes note of an event.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Begin { module, .. } if self.last.is_none() => {
                self.last = Some(text::print(module, self.level));
            }
            Event::End { before, module, report } => {
                self.section(&report.name, before, module);
                self.patches.push(notes(before, module));
            }
            Event::Begin { .. } | Event::Failed { .. } => (),
        }
    }

    fn section(&mut self, pass: &str, before: &Module, after: &Module) {
        let title = format!("{}. {pass}", self.sections.len() + 1);
        let body = match &self.last {
            Some(_) if after.is_untouched_since(before) => None,
            last => {
                let text = text::print(after, self.level);
                let old = last.clone().unwrap_or_else(|| text::print(before, self.level));
                let body = self.body(before, after, &delta(&old, &text));
                self.last = Some(text);
                Some(body)
            }
        };
        let body = body.filter(|body| !body.is_empty());
        self.sections.push(Section { title, body: body.unwrap_or_else(|| "no change\n".into()) });
    }

    fn body(&self, before: &Module, after: &Module, delta: &str) -> String {
        let mut out = String::new();
        let mut labels: IndexMap<&str, usize> = IndexMap::new();
        for applied in &after.journal()[before.journal().len()..] {
            *labels.entry(applied.label()).or_default() += 1;
        }
        if !labels.is_empty() {
            let labels: Vec<String> = labels
                .iter()
                .map(
                    |(label, n)| {
                        if *n == 1 { (*label).to_owned() } else { format!("{label} x{n}") }
                    },
                )
                .collect();
            _ = writeln!(out, "patches: {}", labels.join("; "));
        }
        let measure = self.level >= Level::Stats;
        let diff = tfq_diff::diff(before, after, &DiffOptions { measure });
        if !diff.histogram.is_empty() {
            let changes: Vec<String> = diff
                .histogram
                .iter()
                .map(|ops| {
                    // A custom op may have any name.
                    let kind = visible(&ops.kind);
                    format!("{kind} {:+}", ops.after as i64 - ops.before as i64)
                })
                .collect();
            _ = writeln!(out, "ops: {}", changes.join(", "));
        }
        out + delta + &errors(&diff)
    }

    /// The recording, where this is the model at the end of the run.
    pub fn finish(mut self, module: &Module) -> Recording {
        let (text, side) = match self.level {
            Level::Full => {
                let (text, side) = text::print_with_side(module);
                (text, Some(side.into()))
            }
            level => (text::print(module, level), None),
        };
        if let Some(last) = self.last.filter(|last| *last != text) {
            let body = delta(&last, &text);
            self.sections.push(Section { title: "operator versions".to_owned(), body });
            self.patches.push(Vec::new());
        }
        let mut ops: IndexMap<&str, usize> = IndexMap::new();
        for (_, graph) in module.subgraphs() {
            for op in graph.ops() {
                *ops.entry(graph.op(op).kind.name()).or_default() += 1;
            }
        }
        ops.sort_unstable_keys();
        let ops = ops.into_iter().map(|(kind, n)| (visible(kind).into_owned(), n)).collect();
        Recording { sections: self.sections, ops, text, side, patches: self.patches }
    }
}

/// The errors that the pass brought into constants.
fn errors(diff: &Diff) -> String {
    let several = diff.after.subgraphs > 1;
    let mut out = String::new();
    for subgraph in &diff.subgraphs {
        let place = match &subgraph.after {
            Some(name) if several => format!(" in {}", quoted('@', name)),
            _ => String::new(),
        };
        for tensor in subgraph.tensors.iter().filter(|t| t.status == Status::Changed) {
            let Some(error) = tensor.constant.as_ref().and_then(|c| c.error) else { continue };
            let name = quoted('%', tensor.label());
            match error.snr_db {
                Some(snr) => _ = writeln!(out, "error of {name}{place}: SNR {snr:.1} dB"),
                None => _ = writeln!(out, "error of {name}{place}: none"),
            }
        }
    }
    out
}

fn notes(before: &Module, after: &Module) -> Vec<PatchNote> {
    let patches = &after.journal()[before.journal().len()..];
    if patches.is_empty() {
        return Vec::new();
    }
    let (old, new) = (Names::new(before), Names::new(after));
    patches.iter().map(|applied| note(applied, &old, &new)).collect()
}

/// The names that texts give to tensors and ops of a model.
struct Names<'m> {
    module: &'m Module,
    parts: Parts<'m>,
}

impl<'m> Names<'m> {
    fn new(module: &'m Module) -> Self {
        Self { module, parts: Parts::new(module, Level::Topology) }
    }

    fn subgraph(&self, id: SubgraphId) -> Option<&'m Subgraph> {
        self.module.find_subgraph(id)
    }
}

fn note(applied: &Applied, old: &Names<'_>, new: &Names<'_>) -> PatchNote {
    let mut note = PatchNote {
        label: applied.label().to_owned(),
        ops: Vec::new(),
        subgraph: None,
        tensors: IndexSet::new(),
    };
    let Some(sg) = applied.subgraph else { return note };
    // Under the name after the pass where it is still there, and under that before: either may
    // stand in a changed line.
    let mut labels = IndexSet::new();
    for names in [new, old] {
        let Some(graph) = names.subgraph(sg) else { continue };
        note.subgraph.get_or_insert_with(|| quoted('@', names.parts.subgraph_name(sg)));
        let name = |id| quoted('%', names.parts.tensor_name(sg, id));
        let tensors = applied.tensors.iter().filter(|id| graph.contains_tensor(**id));
        note.tensors.extend(tensors.map(|id| name(*id)));
        for op in applied.ops.iter().chain(applied.erased()).filter(|op| graph.contains_op(**op)) {
            let results = graph.results(*op);
            let label = results.first().map_or("?".to_owned(), |id| name(*id));
            let kind = visible(graph.op(*op).kind.name());
            labels.insert(format!("{kind} {label}"));
            note.tensors.extend(results.iter().map(|id| name(*id)));
        }
    }
    note.ops = labels.into_iter().collect();
    note
}

/// Why a run could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A pass failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The target would refuse the result or compute it wrongly.
    #[error("the target `{target}` cannot run the result: {first}")]
    Unrunnable {
        /// The target.
        target: String,
        /// The first place.
        first: Unrunnable,
    },
}

/// Runs a pipeline on a model and records what it does.
pub fn record(
    mut module: Module,
    pipeline: &Pipeline,
    target: &Target,
    level: Level,
) -> Result<Recording, RecordError> {
    let mut recorder = Recorder::new(level);
    let (start, options) = (module.clone(), RunOptions::default());
    tfq_pass::run(&mut module, pipeline, target, &options, |event| recorder.event(&event))?;
    match RunCheck::new(&module, target).since(&start).into_iter().next() {
        Some(first) => Err(RecordError::Unrunnable { target: target.name().to_owned(), first }),
        None => Ok(recorder.finish(&module)),
    }
}
