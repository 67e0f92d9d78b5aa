//! Runs pipelines: verifies after each pass, holds passes to what they declare, keeps operator
//! versions and the minimum runtime right, and reports.

use crate::analysis::Analyses;
use crate::error::PassError;
use crate::pipeline::{Node, Pipeline, Step};
use crate::remarks::{Answer, NearMiss, Remark, Told};
use crate::runnable::touched_ops;
use crate::session::Session;
use crate::timeline::{SpanKind, Timeline};
use crate::{Invariant, Registry, contract};
use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tfq_ir::{Edit, History, Module, OpId, Subgraph, SubgraphId, VerifyError, counted};
use tfq_target::{Target, max_runtime};

/// What a pipeline did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry per pass, in order.
    pub passes: Vec<PassReport>,
    /// Where the time went.
    pub timeline: Timeline,
    /// The states between passes, where [`RunOptions::keep_history`] asks for them.
    pub history: Option<History>,
}

impl Report {
    /// The sum of a statistic over all passes.
    pub fn statistic(&self, name: &str) -> u64 {
        self.passes.iter().filter_map(|pass| pass.statistics.get(name)).sum()
    }

    /// Tells of the first `patches` patches only, after which `kept` is the state that was
    /// kept: later passes are left out. Of a pass that the cut goes through, statistics and
    /// remarks are left out too, since they are about all that it did.
    pub fn keep_patches(&mut self, patches: usize, start: &Module, kept: &Module) {
        let mut left = patches;
        let whole = self.passes.iter().take_while(|pass| {
            let fits = pass.patches <= left;
            left -= if fits { pass.patches } else { 0 };
            fits
        });
        let whole = whole.count();
        self.passes.truncate(whole + usize::from(left > 0));
        let Some(cut) = self.passes.get_mut(whole) else { return };
        let name = std::mem::take(&mut cut.name);
        let journal = &kept.journal()[start.journal().len()..];
        let mut rules: IndexMap<String, RuleCount> = IndexMap::new();
        for patch in journal.iter().take(patches).skip(patches - left) {
            rules.entry(patch.label.to_string()).or_default().applied += 1;
        }
        let before: i64 = self.passes[..whole].iter().map(|pass| pass.bytes_saved).sum();
        self.passes[whole] = PassReport {
            name,
            patches: left,
            changed: true,
            rules,
            bytes_saved: constant_bytes(start) - constant_bytes(kept) - before,
            ..PassReport::default()
        };
    }

    /// All remarks with the name of the pass that made them.
    pub fn remarks(&self) -> impl Iterator<Item = (&str, &Remark)> {
        self.passes.iter().flat_map(|pass| pass.remarks.iter().map(|r| (pass.name.as_str(), r)))
    }
}

/// What one pass did.
#[derive(Clone, Debug, Default)]
pub struct PassReport {
    /// The name of the pass.
    pub name: String,
    /// How many patches were applied.
    pub patches: usize,
    /// Whether it changed anything, by patches or otherwise.
    pub changed: bool,
    /// What it told.
    pub remarks: Vec<Remark>,
    /// Numbers that it counted.
    pub statistics: IndexMap<Cow<'static, str>, u64>,
    /// What became of each rule, or patches of each label, in order of their first.
    pub rules: IndexMap<String, RuleCount>,
    /// By how much the constants of the model shrank, in bytes; negative where they grew.
    pub bytes_saved: i64,
    /// How many places a rule of the pass looked at and left.
    pub candidates: u64,
    /// Where a rule came nearest to matching.
    pub nearest: Option<NearMiss>,
    /// What its rules did at the place of [`RunOptions::why`].
    pub answers: Vec<Answer>,
    /// How long it took, without verification.
    pub time: Duration,
    /// How long verification after it took.
    pub verify_time: Duration,
}

/// How often something happened to a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Its patch was applied.
    pub applied: usize,
    /// Its pattern matched, and a guard refused, when nothing was left to apply.
    pub refused: usize,
}

/// How a pipeline is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Make remarks on every rule and op, also where they cost time.
    pub explain: bool,
    /// Record what the rules of a pass do at a tensor.
    pub why: Option<Why>,
    /// Do not verify after passes.
    pub skip_verifier: bool,
    /// Keep the states between passes.
    pub keep_history: bool,
    /// Keep what passes did, so that it can be replayed: [`Module::edits`] of the result. They
    /// take more memory than the graph that they change, and are let go of after each pass
    /// otherwise. A history keeps them too.
    pub keep_edits: bool,
}

/// A question about a pass and a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The name of the pass.
    pub pass: String,
    /// The name of the tensor: of one that an op reads or computes.
    pub tensor: String,
}

/// What an observer of a run sees.
#[derive(Debug)]
pub enum Event<'a> {
    /// A pass begins.
    Begin {
        /// Its name.
        pass: &'a str,
        /// Its place in the pipeline, from 0.
        index: usize,
        /// How many passes there are.
        count: usize,
        /// The model before it.
        module: &'a Module,
    },
    /// A pass has ended.
    End {
        /// The model before it.
        before: &'a Module,
        /// The model after it.
        module: &'a Module,
        /// What it did.
        report: &'a PassReport,
    },
    /// A pass has failed.
    Failed {
        /// The pass as a pipeline of its own, with its options and the subgraph that it ran on.
        step: String,
        /// The model before it.
        before: &'a Module,
        /// The model as it left it, which may be broken.
        left: &'a Module,
        /// Why.
        error: &'a RunError,
    },
}

/// Why a run ended early. The model is what it was before the pass that failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunError {
    /// A pass gave up.
    #[error("pass `{pass}`: {source}")]
    Pass {
        /// Its name.
        pass: String,
        /// Why.
        source: PassError,
    },
    /// A pass panicked, which is a mistake in the pass.
    #[error("pass `{pass}` panicked: {message}")]
    Panic {
        /// Its name.
        pass: String,
        /// What it said.
        message: String,
    },
    /// A pass left a model that is not well-formed, which is a mistake in the pass.
    #[error("pass `{pass}` broke the model{}: {error}", by(patch))]
    Verify {
        /// Its name.
        pass: String,
        /// The patch that broke it, where one did: number in the pass from 1, and label.
        patch: Option<(usize, String)>,
        /// The first broken rule.
        error: VerifyError,
    },
    /// A pass did what it does not declare, which is a mistake in the pass.
    #[error("pass `{pass}` did not keep its contract: {what}")]
    Contract {
        /// Its name.
        pass: String,
        /// What it did.
        what: String,
    },
    /// A pass stands where what it needs does not hold.
    #[error("pass `{pass}` needs that {}, and {what}", invariant.docs())]
    Requires {
        /// Its name.
        pass: String,
        /// What it needs.
        invariant: Invariant,
        /// Where it does not hold.
        what: String,
        /// Passes after which it does, where the caller of [`run`] knows some
        /// ([`RunError::in_registry`]).
        ensured_by: Vec<String>,
    },
    /// `until-stable` ran out of rounds.
    #[error("until-stable({body}) still changes the model after {}", counted(*rounds, "round"))]
    Unstable {
        /// What it runs.
        body: String,
        /// How often it was run.
        rounds: u64,
    },
    /// Passes undo each other.
    #[error("the model comes back to what it was before, by way of these rules: {}", rules.join(", "))]
    Cycle {
        /// The labels of the patches between.
        rules: Vec<String>,
    },
    /// `subgraph("name")` names none.
    #[error("the model has no subgraph named or numbered `{name}`")]
    NoSubgraph {
        /// The name.
        name: String,
    },
}

impl RunError {
    /// With the passes of the registry that would have helped.
    #[must_use]
    pub fn in_registry(mut self, registry: &Registry) -> Self {
        if let Self::Requires { invariant, ensured_by, .. } = &mut self {
            *ensured_by =
                registry.ensuring(invariant.name()).map(|info| info.name.to_string()).collect();
        }
        self
    }

    /// Whether the pass is to blame and not the model or the pipeline.
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::Panic { .. } | Self::Verify { .. } | Self::Contract { .. } => true,
            Self::Pass { source, .. } => !matches!(source, PassError::Unsupported(_)),
            _ => false,
        }
    }
}

fn by(patch: &Option<(usize, String)>) -> String {
    patch.as_ref().map_or(String::new(), |(n, label)| format!(" with patch {n}, `{label}`"))
}

/// Runs every pass of a pipeline in order.
///
/// After each pass the model is verified. At the end, ops that a patch touched get the operator
/// version that they need as they stand then, and where a version rose, so does the
/// `min_runtime_version` metadata. Neither is ever lowered, which is why versions wait for the
/// end: a weight that one pass quantises and another hides behind a Dequantize needs none.
pub fn run(
    module: &mut Module,
    pipeline: &Pipeline,
    target: &Target,
    options: &RunOptions,
    observe: impl FnMut(Event<'_>),
) -> Result<Report, RunError> {
    let start = module.clone();
    let mut manager = Manager {
        target,
        options,
        observe,
        report: Report::default(),
        analyses: Analyses::default(),
        timeline: Timeline::default(),
        count: pipeline.len(),
        begun: 0,
    };
    manager.report.history = options.keep_history.then(|| History::new(&start));
    let whole = manager.timeline.begin(SpanKind::Pipeline, "passes");
    let outcome = manager.nodes(module, pipeline, None);
    module.set_pass(None);
    outcome?;
    manager.timeline.end(whole);
    let Manager { mut report, timeline, .. } = manager;
    report.timeline = timeline;
    update_versions(module, &start, target);
    Ok(report)
}

struct Manager<'a, F> {
    target: &'a Target,
    options: &'a RunOptions,
    observe: F,
    report: Report,
    analyses: Analyses,
    timeline: Timeline,
    /// Passes in the text of the pipeline.
    count: usize,
    begun: usize,
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
        let mut seen: IndexMap<u64, usize> = IndexMap::new();
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
                let rules = module.journal()[*first..].iter().map(|patch| patch.label.to_string());
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
                *module = before;
                return Err(error);
            }
        };
        tracing::info!(pass, patches = report.patches, bytes_saved = report.bytes_saved, "ends");
        for patch in &module.journal()[before.journal().len()..] {
            tracing::debug!(pass, label = %patch.label, ops = patch.ops.len(), "patch");
        }
        if let Some(history) = &mut self.report.history {
            history.mark(module);
        }
        let observe = &mut self.observe;
        self.timeline.span(SpanKind::Observer, "observer", || {
            observe(Event::End { before: &before, module, report: &report });
        });
        self.report.passes.push(report);
        if !self.options.keep_edits && !self.options.keep_history {
            module.forget_edits();
        }
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
        let (analyses, explain) = (&mut self.analyses, self.options.explain);
        let mut session = Session::new(module, self.target, analyses, only, explain, tensor);
        // The module is put back to what it was where the pass fails, so that nothing half
        // done is ever seen.
        let outcome = catch_unwind(AssertUnwindSafe(|| step.pass.run(&mut session)));
        let Told { remarks, statistics, candidates, nearest, answers, refusals } =
            session.into_told();
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
        let mut report = PassReport {
            name: pass(),
            patches: module.journal().len() - before.journal().len(),
            changed: module.edit_count() > before.edit_count(),
            remarks,
            statistics,
            rules: IndexMap::new(),
            bytes_saved: constant_bytes(before) - constant_bytes(module),
            candidates,
            nearest,
            answers: answers.into_iter().collect(),
            time,
            verify_time: Duration::ZERO,
        };
        // What no edit touched is as it was before the pass.
        if !self.options.skip_verifier && !module.is_untouched_since(before) {
            let span = self.timeline.begin(SpanKind::Verifier, "verifier");
            let verified = module.verify();
            report.verify_time = self.timeline.end(span);
            if let Err(mut errors) = verified {
                let patch = breaking_patch(before, module);
                let error = errors.swap_remove(0);
                return Err(RunError::Verify { pass: pass(), patch, error });
            }
        }
        let span = self.timeline.begin(SpanKind::Contract, "contract");
        let breach = info.and_then(|info| contract::breach(info, before, module)).or_else(|| {
            let (invariant, what) = broken(ensures, module, only)?;
            Some(format!("it ensures `{}`, and {what}", invariant.name()))
        });
        self.timeline.end(span);
        if let Some(what) = breach {
            return Err(RunError::Contract { pass: pass(), what });
        }
        for patch in &module.journal()[before.journal().len()..] {
            report.rules.entry(patch.label.to_string()).or_default().applied += 1;
        }
        for (rule, count) in refusals {
            report.rules.entry(rule.into_owned()).or_default().refused = count;
        }
        Ok(report)
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
            let label = state.journal().last().filter(|_| patches > 0)?.label.to_string();
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

fn constant_bytes(module: &Module) -> i64 {
    module.constants().iter().map(|(_, bytes)| bytes.map_or(0, |bytes| bytes.len() as i64)).sum()
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

/// Raises the versions of ops that need a higher one than they did in `start`, a snapshot of
/// the module from before, or that read something else than they did, and `min_runtime_version`
/// with them. An op that only happens to have a lower version than the rules ask for keeps it.
/// [`run`] does this at its end.
pub fn update_versions(module: &mut Module, start: &Module, target: &Target) {
    let mut changed = false;
    let mut raised: IndexMap<SubgraphId, Vec<(OpId, i32)>> = IndexMap::new();
    for (sg, op) in touched_ops(module, start.journal().len()) {
        let before = start.by_origin(op.origin()).filter(|sg| start.subgraph(*sg).contains_op(op));
        let anew =
            before.is_none_or(|before| reads_anew(module.subgraph(sg), start.subgraph(before), op));
        changed |= anew;
        let Some(version) = target.version(module, sg, op) else { continue };
        let of_start = before.and_then(|before| target.version(start, before, op));
        // Rules that stop at something else (an operand left out) give the same version for float32
        // and for codes.
        let grew = anew || of_start.is_none_or(|before| version > before);
        if grew && version > module.subgraph(sg).op(op).version {
            raised.entry(sg).or_default().push((op, version));
            changed = true;
        }
    }
    for (sg, versions) in raised {
        module.apply(Edit::Versions(sg, versions)).expect("these ops are there");
    }
    if changed {
        update_min_runtime(module, target);
    }
}

/// Whether an operand of the op has another type or other scales than before.
fn reads_anew(now: &Subgraph, before: &Subgraph, op: OpId) -> bool {
    let stored = |graph: &Subgraph| -> Vec<_> {
        let operands = graph.operands(op).into_iter();
        operands.map(|id| id.map(|id| (graph.tensor(id).ty, graph.tensor(id).scales()))).collect()
    };
    stored(now) != stored(before)
}

const MIN_RUNTIME: &str = "min_runtime_version";
/// The runtime reads this many bytes, and wants a zero among them.
const MIN_RUNTIME_BYTES: usize = 16;

/// Raises `min_runtime_version` to what the model's operator versions ask for. A model without
/// the entry stays without: the runtime never enforces it.
fn update_min_runtime(module: &mut Module, target: &Target) {
    let Some(bytes) = module.metadata_bytes(MIN_RUNTIME) else { return };
    let text = |bytes: &[u8]| {
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    let (old, needed) = (text(bytes), target.model_min_runtime(module));
    let known = [old.as_str(), needed.as_str()].into_iter().filter(|text| !text.is_empty());
    let new = max_runtime(known).unwrap_or_default().to_owned();
    if new == old || new.len() >= MIN_RUNTIME_BYTES {
        return;
    }
    let mut padded = new.into_bytes();
    padded.resize(MIN_RUNTIME_BYTES, 0);
    let edit = Edit::Metadata(MIN_RUNTIME.into(), Some(Bytes::from(padded)));
    module.apply(edit).expect("it can be done to every module");
}
