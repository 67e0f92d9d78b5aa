//! Runs pipelines: verifies after each pass, holds passes to what they declare, keeps operator
//! versions and the minimum runtime right, and reports.

mod error;
mod options;
mod report;
mod versions;

pub use error::RunError;
pub use options::{Event, RunOptions, Why};
pub use report::{PassReport, Report, RuleCount};
pub use versions::{RaisedRuntime, update_versions};

use crate::HeldVerdicts;
use crate::analysis::Analyses;
use crate::contract;
use crate::invariant::Invariant;
use crate::pipeline::{Node, Pipeline, Step};
use crate::remarks::Told;
use crate::session::{Asked, Session};
use crate::timeline::{SpanKind, Timeline};
use report::{applied_by_label, constant_bytes};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{History, Module, SubgraphId};
use tfq_target::Target;

/// Runs every pass of a pipeline in order.
///
/// After each pass that did more than annotate, the model is verified. At the end, ops that a patch
/// touched get the operator version that they need as they stand then, and where a version rose, so
/// does the `min_runtime_version` metadata. Neither is ever lowered, which is why versions wait for
/// the end: a weight that one pass quantises and another hides behind a Dequantize needs none.
pub fn run(
    module: &mut Module,
    pipeline: &Pipeline,
    target: &Target,
    options: &RunOptions,
    observe: impl FnMut(Event<'_>),
) -> Result<Report, RunError> {
    if options.keeps_edits() && module.sums_edits() {
        module.forget_edits();
    }
    let start = module.clone();
    let mut manager = Manager {
        start: &start,
        target,
        options,
        observe,
        report: Report::default(),
        analyses: Analyses::default(),
        timeline: Timeline::default(),
        count: pipeline.len(),
        begun: 0,
        verified: false,
    };
    manager.report.history = options.keep_history.then(|| History::new(&start));
    let whole = manager.timeline.begin(SpanKind::Pipeline, "passes");
    let outcome = manager.nodes(module, pipeline, None);
    module.set_pass(None);
    if module.sums_edits() {
        module.forget_edits();
    }
    outcome?;
    manager.timeline.end(whole);
    let Manager { mut report, timeline, analyses, .. } = manager;
    report.timeline = timeline;
    let verdicts = HeldVerdicts::of(&analyses, module);
    drop(analyses);
    report.raised_runtime = update_versions(module, &start, target);
    // A verdict asks for the version that an op needs, and never for the one that it has.
    report.verdicts = verdicts.holding_for(module);
    Ok(report)
}

struct Manager<'a, F> {
    /// The model as it came.
    start: &'a Module,
    target: &'a Target,
    options: &'a RunOptions,
    observe: F,
    report: Report,
    analyses: Analyses,
    timeline: Timeline,
    /// Passes in the text of the pipeline.
    count: usize,
    begun: usize,
    /// Whether the model was found well-formed as it is, or but for annotations.
    verified: bool,
}

impl<F: FnMut(Event<'_>)> Manager<'_, F> {
    fn nodes(
        &mut self,
        module: &mut Module,
        pipeline: &Pipeline,
        only: Option<SubgraphId>,
    ) -> Result<(), RunError> {
        for node in pipeline.nodes() {
            if let Node::Pass(step) = node {
                self.pass(module, step, only)?;
                continue;
            }
            let scope = self.timeline.begin(SpanKind::Scope, node.head());
            match node {
                Node::Pass(_) => unreachable!("it was run above"),
                Node::Repeat { max, body } => {
                    self.rounds(module, body, only, *max)?;
                }
                Node::UntilStable { max, body } => {
                    if !self.rounds(module, body, only, *max)? {
                        return Err(RunError::Unstable { body: body.to_string(), rounds: *max });
                    }
                }
                Node::Subgraph { name, body } => {
                    let Some(id) = find_subgraph(module, name) else {
                        return Err(RunError::NoSubgraph { name: name.clone() });
                    };
                    self.nodes(module, body, Some(id))?;
                }
            }
            self.timeline.end(scope);
        }
        Ok(())
    }

    /// Runs the body until a round changes nothing, and tells whether that happened.
    fn rounds(
        &mut self,
        module: &mut Module,
        body: &Pipeline,
        only: Option<SubgraphId>,
        max: u64,
    ) -> Result<bool, RunError> {
        // Structure after each round: one that comes back would come back for ever.
        let mut seen: IndexMap<u64, usize> = IndexMap::default();
        seen.insert(module.structural_hash(), module.journal().len());
        for _ in 0..max {
            let before = module.journal().len();
            self.nodes(module, body, only)?;
            let hash = module.structural_hash();
            if module.journal().len() == before
                || seen.last().is_some_and(|(last, _)| *last == hash)
            {
                return Ok(true);
            }
            if let Some(first) = seen.get(&hash) {
                let rules = module.journal()[*first..].iter().map(|patch| patch.label().to_owned());
                let rules: IndexSet<String> = rules.collect();
                return Err(RunError::Cycle { rules: rules.into_iter().collect() });
            }
            seen.insert(hash, module.journal().len());
        }
        Ok(false)
    }

    fn pass(
        &mut self,
        module: &mut Module,
        step: &Step,
        only: Option<SubgraphId>,
    ) -> Result<(), RunError> {
        let index = self.begun.min(self.count.saturating_sub(1));
        self.begun += 1;
        let (pass, count) = (step.name.as_str(), self.count);
        let observe = &mut self.observe;
        self.timeline.span(SpanKind::Observer, "observer", || {
            observe(Event::Begin { pass, index, count, module });
        });
        tracing::debug!(pass, "begins");
        let as_it_was = module.clone();
        if !self.options.keeps_edits() {
            module.sum_edits();
        }
        let before = self.timeline.span(SpanKind::Snapshot, "snapshot", || module.clone());
        let outcome = self.attempt(module, step, &before, only);
        let report = match outcome {
            Ok(report) => report,
            Err(error) => {
                let step = match only {
                    Some(sg) => format!("subgraph(\"{}\")({})", sg.0, step.text()),
                    None => step.text(),
                };
                tracing::error!(pass, %error, "fails");
                (self.observe)(Event::Failed {
                    step,
                    before: &before,
                    left: module,
                    error: &error,
                });
                *module = as_it_was;
                return Err(error);
            }
        };
        tracing::info!(pass, patches = report.patches, bytes_saved = report.bytes_saved, "ends");
        for patch in &module.journal()[before.journal().len()..] {
            tracing::debug!(pass, label = %patch.label(), ops = patch.ops.len(), "patch");
        }
        if let Some(history) = &mut self.report.history {
            history.mark(module);
        }
        let observe = &mut self.observe;
        self.timeline.span(SpanKind::Observer, "observer", || {
            observe(Event::End { before: &before, module, report: &report });
        });
        self.report.passes.push(report);
        Ok(())
    }

    /// Runs a pass and checks what it leaves.
    fn attempt(
        &mut self,
        module: &mut Module,
        step: &Step,
        before: &Module,
        only: Option<SubgraphId>,
    ) -> Result<PassReport, RunError> {
        let pass = || step.name.clone();
        let info = step.info.as_ref();
        let (requires, ensures) =
            info.map_or((&[][..], &[][..]), |info| (&info.requires[..], &info.ensures[..]));
        if let Some((invariant, what)) = broken(requires, module, only) {
            let (invariant, ensured_by) = (invariant.clone(), Vec::new());
            return Err(RunError::Requires { pass: pass(), invariant, what, ensured_by });
        }
        let why = self.options.why.as_ref().filter(|why| why.pass == step.name);
        let tensor = why.map(|why| why.tensor.as_str());
        module.set_pass(Some(step.name.as_str().into()));
        let span = self.timeline.begin(SpanKind::Pass, step.name.clone());
        let (explain, resources) = (self.options.explain, &self.options.resources);
        let (start, products) = (self.start, &self.report.products);
        let asked = Asked { explain, why: tensor, resources, start, products };
        let told = Told::new(self.options.missed_only);
        let mut session = Session::new(module, self.target, &mut self.analyses, only, asked, told);
        // The module is put back to what it was where the pass fails, so that nothing half
        // done is ever seen.
        let outcome = catch_unwind(AssertUnwindSafe(|| step.pass.run(&mut session)));
        let Told {
            remarks,
            unkept,
            statistics,
            candidates,
            nearest,
            answers,
            refusals,
            products,
            ..
        } = session.into_told();
        for computed in self.analyses.computed.drain(..) {
            self.timeline.add(SpanKind::Analysis, computed.name, computed.start, computed.time);
        }
        let time = self.timeline.end(span);
        match outcome {
            Err(payload) => {
                return Err(RunError::Panic { pass: pass(), message: panic_message(&*payload) });
            }
            Ok(Err(source)) => return Err(RunError::Pass { pass: pass(), source }),
            Ok(Ok(())) => (),
        }
        self.report.products.extend(products);
        let mut report = PassReport {
            name: pass(),
            patches: module.journal().len() - before.journal().len(),
            changed: module.edit_count() > before.edit_count(),
            remarks,
            unkept,
            left: IndexMap::default(),
            statistics,
            rules: IndexMap::default(),
            bytes_saved: constant_bytes(before) - constant_bytes(module),
            candidates,
            nearest,
            answers: answers.into_iter().collect(),
            time,
            verify_time: Duration::ZERO,
        };
        // What no edit touched is as it was before the pass.
        let well_formed = match self.verified {
            true => module.is_only_annotated_since(before),
            false => module.is_untouched_since(before),
        };
        if !self.options.skip_verifier && !well_formed {
            let span = self.timeline.begin(SpanKind::Verifier, "verifier");
            let verified = module.verify();
            report.verify_time = self.timeline.end(span);
            if let Err(mut errors) = verified {
                let patch = match self.options.keeps_edits() {
                    true => breaking_patch(before, module),
                    false => self.run_again(step, before, only),
                };
                let error = errors.swap_remove(0);
                return Err(RunError::Verify { pass: pass(), patch, error });
            }
            self.verified = true;
        }
        let span = self.timeline.begin(SpanKind::Contract, "contract");
        let breach = info
            .and_then(|info| contract::breach(info.contract, &info.writes, before, module))
            .or_else(|| {
                let (invariant, what) = broken(ensures, module, only)?;
                Some(format!("it ensures `{}`, and {what}", invariant.name()))
            });
        self.timeline.end(span);
        if let Some(what) = breach {
            return Err(RunError::Contract { pass: pass(), what });
        }
        report.rules = applied_by_label(&module.journal()[before.journal().len()..]);
        for (rule, count) in refusals {
            report.rules.entry(rule.into_owned()).or_default().refused = count;
        }
        Ok(report)
    }
}

impl<F> Manager<'_, F> {
    /// Runs a pass that broke the model once more and keeps its edits: [`breaking_patch`].
    fn run_again(
        &mut self,
        step: &Step,
        before: &Module,
        only: Option<SubgraphId>,
    ) -> Option<(usize, String)> {
        let mut module = before.clone();
        module.forget_edits();
        let start = module.clone();
        let mut analyses = Analyses::default();
        let (resources, products) = (&self.options.resources, &self.report.products);
        let asked = Asked { explain: false, why: None, resources, start: self.start, products };
        let told = Told::new(true);
        let mut session = Session::new(&mut module, self.target, &mut analyses, only, asked, told);
        // It need not get as far as before: what it did until then is what counts.
        let _ = catch_unwind(AssertUnwindSafe(|| step.pass.run(&mut session)));
        breaking_patch(&start, &module)
    }
}

/// The first invariant that does not hold, and where.
fn broken<'a>(
    invariants: &'a [Invariant],
    module: &Module,
    only: Option<SubgraphId>,
) -> Option<(&'a Invariant, String)> {
    let subgraphs: Vec<SubgraphId> =
        module.subgraph_ids().filter(|id| only.is_none_or(|only| only == *id)).collect();
    invariants.iter().find_map(|one| Some((one, one.broken(module, &subgraphs)?)))
}

/// The first patch of a pass after which the model does not verify.
fn breaking_patch(before: &Module, after: &Module) -> Option<(usize, String)> {
    let mut state = before.clone();
    let mut patches = 0;
    for edit in &after.edits()[before.edits().len()..] {
        state.replay(std::slice::from_ref(edit)).ok()?;
        let journal = state.journal();
        if journal.len() > before.journal().len() + patches {
            patches = journal.len() - before.journal().len();
        }
        if state.verify().is_err() {
            let label = state.journal().last().filter(|_| patches > 0)?.label().to_owned();
            return Some((patches, label));
        }
    }
    None
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it says nothing about itself".to_owned())
}

/// The subgraph of this name or number.
fn find_subgraph(module: &Module, name: &str) -> Option<SubgraphId> {
    let named = module.subgraphs().find(|(_, graph)| graph.name.as_deref() == Some(name));
    let numbered = || {
        let number = name.parse().ok()?;
        module.subgraph_ids().find(|id| id.0 == number)
    };
    named.map(|(id, _)| id).or_else(numbered)
}
