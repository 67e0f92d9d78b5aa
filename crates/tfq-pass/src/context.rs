//! What a pass is given besides the model, and what it tells.

use crate::analysis::{Analyses, Analysis, AnalysisInput, Change};
use indexmap::{IndexMap, IndexSet};
use std::any::TypeId;
use std::borrow::Cow;
use std::sync::Arc;
use tfq_ir::visible;
use tfq_ir::{CallEffects, Edit, Effects, Module, OpId, Patch, Rejected, SubgraphId, TensorId};
use tfq_target::Target;

/// The surroundings of a running pass.
#[derive(Debug)]
pub struct Context<'a> {
    target: &'a Target,
    only: Option<SubgraphId>,
    explain: bool,
    why: Option<&'a str>,
    analyses: &'a mut Analyses,
    preserved: Vec<TypeId>,
    calls: Option<Calls>,
    pub(crate) nearest: Option<NearMiss>,
    pub(crate) candidates: u64,
    pub(crate) refusals: IndexMap<Cow<'static, str>, usize>,
    pub(crate) answers: IndexSet<Answer>,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) statistics: IndexMap<Cow<'static, str>, u64>,
}

/// Something a user could ask about: what a pass did at a place, or why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Whether it was done.
    pub kind: RemarkKind,
    /// The rule that decided, in a few words: the heading under which remarks are counted.
    pub rule: Cow<'static, str>,
    /// Where: subgraph, op or tensor, by names.
    pub place: String,
    /// The whole sentence.
    pub message: String,
}

/// Whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemarkKind {
    /// It was done.
    Applied,
    /// It was left as it is.
    Missed,
    /// A guard refused: told only where that is asked for.
    Refused,
    /// A finding that changed nothing.
    Note,
}

/// Where a rule came nearest to matching, in a pass that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The rule.
    pub rule: Cow<'static, str>,
    /// The op.
    pub place: String,
    /// What did not match or hold.
    pub reason: String,
    rank: (bool, usize),
}

/// What a rule did or found at the place that the user asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The rule.
    pub rule: Cow<'static, str>,
    /// The op or tensor where it was tried.
    pub place: String,
    /// `applied`, or what refused.
    pub outcome: String,
}

/// Why a pass gave up. The model is put back to what it was before the pass.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PassError {
    /// A patch was refused, which is a mistake in the pass.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Rules undo each other.
    #[error("the model comes back to what it was, by way of these rules: {}", rules.join(", "))]
    Cycle {
        /// The rules between.
        rules: Vec<String>,
    },
    /// Rules apply without end, and the model grows.
    #[error("these rules apply without end: {}", rules.join(", "))]
    Endless {
        /// The rules that were applied last.
        rules: Vec<String>,
    },
    /// The pass cannot handle this model with these options.
    #[error("{0}")]
    Unsupported(String),
}

/// What calling each subgraph does, and how far the module had come when that was found out.
/// Asked after each of many patches, it would take time with the square of the model otherwise.
#[derive(Debug)]
struct Calls {
    effects: CallEffects,
    subgraphs: usize,
    patches: usize,
}

impl Calls {
    fn new(module: &Module) -> Self {
        Self {
            effects: CallEffects::new(module),
            subgraphs: module.subgraphs().len(),
            patches: module.journal().len(),
        }
    }

    /// These, where no patch since gave a subgraph effects that it did not have.
    fn after(mut self, module: &Module) -> Option<Self> {
        if self.subgraphs != module.subgraphs().len() {
            return None;
        }
        let since = module.journal().get(self.patches..)?;
        self.patches = module.journal().len();
        let covered = since.iter().all(|applied| {
            applied.subgraph.is_none_or(|sg| {
                let graph = module.subgraph(sg);
                let mut alive = applied.ops.iter().filter(|op| graph.contains_op(**op));
                alive.all(|op| self.effects.covers(module, sg, *op))
            })
        });
        covered.then_some(self)
    }
}

/// What is told names tensors and ops as the file does; none of that may act on a terminal.
fn shown(text: String) -> String {
    match visible(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => shown,
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        target: &'a Target,
        analyses: &'a mut Analyses,
        only: Option<SubgraphId>,
        explain: bool,
        why: Option<&'a str>,
    ) -> Self {
        Self {
            target,
            only,
            explain,
            why,
            analyses,
            preserved: Vec::new(),
            calls: None,
            nearest: None,
            candidates: 0,
            refusals: IndexMap::new(),
            answers: IndexSet::new(),
            remarks: Vec::new(),
            statistics: IndexMap::new(),
        }
    }

    /// What the analysis finds out about a subgraph. It is computed only where the subgraph has
    /// changed since it was last asked for, by this pass or one before.
    pub fn analysis<A: Analysis>(&mut self, module: &Module, sg: SubgraphId) -> Arc<A::Result> {
        self.analyses.get::<A>(AnalysisInput { module, subgraph: sg, target: self.target })
    }

    /// The effects of an op, those of subgraphs that it calls included; perhaps more than it has
    /// any longer, where this pass erased what had them.
    pub fn effects(&mut self, module: &Module, sg: SubgraphId, op: OpId) -> Effects {
        if module.subgraph(sg).op(op).subgraph_refs().is_empty() {
            return tfq_ir::effects(module, sg, op);
        }
        let known = self.calls.take().and_then(|calls| calls.after(module));
        let calls = self.calls.insert(known.unwrap_or_else(|| Calls::new(module)));
        calls.effects.of(module, sg, op)
    }

    /// Declares that what this pass changes from here on leaves the analysis as it is. A wrong
    /// declaration gives later passes wrong results.
    pub fn preserve<A: Analysis>(&mut self) {
        self.preserved.push(TypeId::of::<A>());
    }

    /// Whether remarks on every rule and op are wanted, which cost more than the rules.
    pub fn explains(&self) -> bool {
        self.explain
    }

    /// Remembers where a rule came nearest to matching: `rank` is whether only a guard refused,
    /// and how many nodes of its pattern matched.
    // As a `str`, a name that is borrowed for ever would be copied.
    #[allow(clippy::ptr_arg)]
    pub(crate) fn near_miss(
        &mut self,
        rule: &Cow<'static, str>,
        rank: (bool, usize),
        tell: impl FnOnce() -> (String, String),
    ) {
        if self.nearest.as_ref().is_none_or(|nearest| rank > nearest.rank) {
            let (place, reason) = tell();
            let [place, reason] = [place, reason].map(shown);
            self.nearest = Some(NearMiss { rule: rule.clone(), place, reason, rank });
        }
    }

    /// Counts the places where rules nearly matched, and those where only a guard refused.
    pub(crate) fn nearly_matched(
        &mut self,
        places: u64,
        guarded: IndexMap<&Cow<'static, str>, usize>,
    ) {
        self.candidates += places;
        for (rule, count) in guarded {
            match self.refusals.get_mut(rule) {
                Some(known) => *known += count,
                None => _ = self.refusals.insert(rule.clone(), count),
            }
        }
    }

    /// Whether the user asked about a tensor.
    pub(crate) fn is_asked(&self) -> bool {
        self.why.is_some()
    }

    /// Whether the user asked about one of these tensors.
    pub(crate) fn is_asked_about(
        &self,
        module: &Module,
        sg: SubgraphId,
        mut tensors: impl Iterator<Item = TensorId>,
    ) -> bool {
        let graph = module.subgraph(sg);
        self.why.is_some_and(|name| tensors.any(|id| graph.tensor(id).is_called(name)))
    }

    pub(crate) fn answer(&mut self, rule: Cow<'static, str>, place: String, outcome: String) {
        let [place, outcome] = [place, outcome].map(shown);
        self.answers.insert(Answer { rule, place, outcome });
    }

    /// The subgraphs that a pass of subgraphs is to run on.
    pub fn subgraphs(&self, module: &Module) -> impl Iterator<Item = SubgraphId> + use<> {
        let only = self.only;
        module.subgraph_ids().filter(move |id| only.is_none_or(|only| only == *id))
    }

    /// The runtime that the model is for. Ask it instead of listing ops.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// Applies an edit; a patch unless it is empty.
    pub fn apply(&mut self, module: &mut Module, edit: impl Into<Edit>) -> Result<(), PassError> {
        let patch = match edit.into() {
            Edit::Patch(patch) => patch,
            edit => {
                module.apply(edit)?;
                return Ok(());
            }
        };
        if patch.is_empty() {
            return Ok(());
        }
        let sg = patch.subgraph();
        let graph = module.subgraphs().nth(sg.0 as usize);
        let before = graph.map_or(0, |(_, graph)| graph.epoch());
        let noted: Vec<OpId> = patch.noted().collect();
        let applied = module.apply(Edit::Patch(patch))?;
        let input = AnalysisInput { module, subgraph: sg, target: self.target };
        let change = Change { applied: &applied, noted: &noted };
        self.analyses.after_patch(&self.preserved, before, input, change);
        Ok(())
    }

    /// Why the patch must not be applied, where metadata refers by number to what it would add or
    /// remove: only the tool that wrote it can renumber it.
    pub fn forbidden(module: &Module, patch: &Patch) -> Option<String> {
        let (metadata, what) = module.numbered_by_metadata(patch.renumbers())?;
        Some(format!("metadata `{}` refers to {what} by number", metadata.name))
    }

    /// Tells that something was done.
    pub fn applied(
        &mut self,
        rule: impl Into<Cow<'static, str>>,
        place: String,
        message: impl Into<String>,
    ) {
        self.remark(RemarkKind::Applied, rule.into(), place, message.into());
    }

    /// Tells that something was left as it is, and why.
    pub fn missed(
        &mut self,
        rule: impl Into<Cow<'static, str>>,
        place: String,
        message: impl Into<String>,
    ) {
        self.remark(RemarkKind::Missed, rule.into(), place, message.into());
    }

    /// What was told so far.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    pub(crate) fn refused(&mut self, guard: Cow<'static, str>, place: String, rule: String) {
        self.remark(RemarkKind::Refused, guard, place, rule);
    }

    /// Tells a finding.
    pub fn note(
        &mut self,
        rule: impl Into<Cow<'static, str>>,
        place: String,
        message: impl Into<String>,
    ) {
        self.remark(RemarkKind::Note, rule.into(), place, message.into());
    }

    /// Adds to a number that the summary shows.
    pub fn count(&mut self, name: impl Into<Cow<'static, str>>, by: u64) {
        *self.statistics.entry(name.into()).or_default() += by;
    }

    fn remark(
        &mut self,
        kind: RemarkKind,
        rule: Cow<'static, str>,
        place: String,
        message: String,
    ) {
        let [place, message] = [place, message].map(shown);
        self.remarks.push(Remark { kind, rule, place, message });
    }

    /// Names a tensor for a remark.
    pub fn tensor_place(module: &Module, sg: SubgraphId, tensor: TensorId) -> String {
        let label = visible(module.subgraph(sg).tensor(tensor).label());
        if module.subgraphs().len() == 1 {
            format!("`{label}`")
        } else {
            format!("subgraph {}, `{label}`", sg.0)
        }
    }

    /// Names an op for a remark: its kind and the tensor that it computes.
    pub fn op_place(module: &Module, sg: SubgraphId, op: OpId) -> String {
        let graph = module.subgraph(sg);
        let kind = &graph.op(op).kind;
        let result = graph.results(op).first().map_or("?", |t| graph.tensor(*t).label());
        let result = visible(result);
        if module.subgraphs().len() == 1 {
            format!("{kind} `{result}`")
        } else {
            format!("subgraph {}, {kind} `{result}`", sg.0)
        }
    }
}
