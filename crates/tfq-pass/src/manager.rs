//! Runs pipelines: verifies after each pass, keeps operator versions and the minimum runtime
//! right, and reports.

use crate::context::{Context, NearMiss, PassError, Remark};
use crate::pipeline::{Node, Pipeline, Step};
use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use std::time::{Duration, Instant};
use tfq_ir::{Module, OpId, SubgraphId, VerifyError};
use tfq_target::{Target, max_runtime};

/// What a pipeline did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry per pass, in order.
    pub passes: Vec<PassReport>,
}

impl Report {
    /// The sum of a statistic over all passes.
    pub fn statistic(&self, name: &str) -> u64 {
        self.passes.iter().filter_map(|pass| pass.statistics.get(name)).sum()
    }

    /// All remarks with the name of the pass that made them.
    pub fn remarks(&self) -> impl Iterator<Item = (&str, &Remark)> {
        self.passes.iter().flat_map(|pass| pass.remarks.iter().map(|r| (pass.name.as_str(), r)))
    }
}

/// What one pass did.
#[derive(Clone, Debug)]
pub struct PassReport {
    /// The name of the pass.
    pub name: String,
    /// How many patches were applied.
    pub patches: usize,
    /// What it told.
    pub remarks: Vec<Remark>,
    /// Numbers that it counted.
    pub statistics: IndexMap<&'static str, u64>,
    /// How many patches of each label were applied, in order of their first.
    pub rules: IndexMap<String, usize>,
    /// By how much the constants of the model shrank, in bytes; negative where they grew.
    pub bytes_saved: i64,
    /// How many ops a rule of the pass looked at and left.
    pub candidates: u64,
    /// Where a rule came nearest to matching.
    pub nearest: Option<NearMiss>,
    /// How long it took, without verification.
    pub time: Duration,
    /// How long verification after it took.
    pub verify_time: Duration,
}

/// How a pipeline is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Make remarks on every rule and op, also where they cost time.
    pub explain: bool,
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
    },
    /// A pass has ended.
    End {
        /// The model after it.
        module: &'a Module,
        /// What it did.
        report: &'a PassReport,
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
    /// A pass left a model that is not well-formed, which is a mistake in the pass.
    #[error("pass `{pass}` broke the model: {error}")]
    Verify {
        /// Its name.
        pass: String,
        /// The first broken rule.
        error: VerifyError,
    },
    /// `until-stable` ran out of rounds.
    #[error("until-stable({body}) still changes the model after {rounds} rounds")]
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
    options: RunOptions,
    observe: impl FnMut(Event<'_>),
) -> Result<Report, RunError> {
    let start = module.clone();
    let count = pipeline.len();
    let report = Report::default();
    let mut manager = Manager { target, options, observe, report, count, begun: 0 };
    manager.nodes(module, pipeline, None)?;
    let report = manager.report;
    update_versions(module, &start, target);
    Ok(report)
}

struct Manager<'a, F> {
    target: &'a Target,
    options: RunOptions,
    observe: F,
    report: Report,
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
            match node {
                Node::Pass(step) => self.pass(module, step, only)?,
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
        (self.observe)(Event::Begin { pass: &step.name, index, count: self.count });
        self.begun += 1;
        let start = Instant::now();
        let before = module.clone();
        let mut cx = Context::new(self.target, only, self.options.explain);
        let outcome = step.pass.run(module, &mut cx);
        let time = start.elapsed();
        let failure = match outcome {
            Err(source) => Some(RunError::Pass { pass: step.name.clone(), source }),
            Ok(()) => module.verify().err().map(|mut errors| RunError::Verify {
                pass: step.name.clone(),
                error: errors.swap_remove(0),
            }),
        };
        if let Some(failure) = failure {
            *module = before;
            return Err(failure);
        }
        let mut pass = PassReport {
            name: step.name.clone(),
            patches: module.journal().len() - before.journal().len(),
            remarks: cx.remarks,
            statistics: cx.statistics,
            rules: IndexMap::new(),
            bytes_saved: constant_bytes(&before) - constant_bytes(module),
            candidates: cx.candidates,
            nearest: cx.nearest,
            time,
            verify_time: start.elapsed() - time,
        };
        for patch in &module.journal()[before.journal().len()..] {
            *pass.rules.entry(patch.label.to_string()).or_default() += 1;
        }
        (self.observe)(Event::End { module, report: &pass });
        self.report.passes.push(pass);
        Ok(())
    }
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
/// the module from before, and `min_runtime_version` with them. An op that only happens to have
/// a lower version than the rules ask for keeps it. [`run`] does this at its end.
pub fn update_versions(module: &mut Module, start: &Module, target: &Target) {
    let mut touched: IndexSet<(SubgraphId, OpId)> = IndexSet::new();
    for patch in &module.journal()[start.journal().len()..] {
        let Some(sg) = patch.subgraph else { continue };
        let alive = patch.ops.iter().filter(|op| module.subgraph(sg).contains_op(**op));
        touched.extend(alive.map(|op| (sg, *op)));
    }
    let mut raised = false;
    for (sg, op) in touched {
        let Some(version) = target.version(module, sg, op) else { continue };
        let origin = SubgraphId(module.subgraph(sg).origin());
        let known =
            (origin.0 as usize) < start.subgraphs().len() && start.subgraph(origin).contains_op(op);
        let before = if known { target.version(start, origin, op) } else { None };
        let grew = before.is_none_or(|before| version > before);
        if grew && version > module.subgraph(sg).op(op).version {
            module.set_version(sg, op, version);
            raised = true;
        }
    }
    if raised {
        update_min_runtime(module, target);
    }
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
    module.set_metadata(MIN_RUNTIME, Bytes::from(padded));
}
