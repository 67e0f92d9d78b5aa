//! What a pass sees: a model that it can read, and edits as the only way to change it.

use crate::analysis::{Analyses, Analysis, AnalysisInput, Change, SureShapes};
use crate::error::PassError;
use crate::remarks::{Remark, RemarkKind, Told};
use crate::values::Values;
use crate::written;
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Arc;
use tfq_ir::maps::IndexMap;
use tfq_ir::{
    Applied, CallEffects, Edit, Effects, Module, OpId, Patch, Subgraph, SubgraphId, TensorId,
};
use tfq_target::Target;

/// All that a pass sees while it runs: the model to read, [`Self::apply`] to change it, analyses,
/// the target, and those to whom it tells what it does.
///
/// A function that takes `&Session` matches: it reads, asks and tells. One that takes
/// `&mut Session` may rewrite as well. What was read of the model is let go of before the next
/// edit. Threads share the model and the target, not the session.
///
/// ```
/// use tfq_ir::{Patch, SubgraphId, TensorId};
/// use tfq_pass::{Pass, PassError, Session};
///
/// #[derive(Debug)]
/// struct NameOutputs;
///
/// impl Pass for NameOutputs {
///     fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
///         for sg in session.subgraphs() {
///             for id in match_unnamed(session, sg) {
///                 let mut patch = Patch::new(sg, "name an output");
///                 patch.set_name(id, Some("output".into()));
///                 session.apply(patch)?;
///                 let place = session.model().tensor_place(sg, id);
///                 session.applied("named", place, "callers find it by its name");
///             }
///         }
///         Ok(())
///     }
/// }
///
/// fn match_unnamed(session: &Session<'_>, sg: SubgraphId) -> Vec<TensorId> {
///     let graph = session.model().subgraph(sg);
///     let unnamed = graph.outputs().iter().filter(|id| graph.tensor(**id).name.is_none());
///     unnamed.copied().collect()
/// }
/// ```
///
/// Nothing but an edit changes the model, and no pass puts another one in its place:
///
/// ```compile_fail,E0594
/// # use tfq_pass::Session;
/// fn replace(session: &mut Session<'_>, other: tfq_ir::Module) {
///     *session.model() = other;
/// }
/// ```
///
/// Nor does it by way of the session of another model, which lives for another time:
///
/// ```compile_fail
/// # use tfq_pass::Session;
/// fn swap(session: &mut Session<'_>, other: &mut Session<'_>) {
///     std::mem::swap(session, other);
/// }
/// ```
#[derive(Debug)]
pub struct Session<'a> {
    module: &'a mut Module,
    target: &'a Target,
    only: Option<SubgraphId>,
    asked: Asked<'a>,
    analyses: RefCell<&'a mut Analyses>,
    preserved: Vec<TypeId>,
    calls: RefCell<Option<Calls>>,
    told: RefCell<Told>,
}

/// What the caller wants to know of a pass, and has for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) explain: bool,
    /// The tensor that the user asked about.
    pub(crate) why: Option<&'a str>,
    pub(crate) resources: &'a Values,
    /// The model as the run began with it.
    pub(crate) start: &'a Module,
    /// What passes before handed over.
    pub(crate) products: &'a Values,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        module: &'a mut Module,
        target: &'a Target,
        analyses: &'a mut Analyses,
        only: Option<SubgraphId>,
        asked: Asked<'a>,
        told: Told,
    ) -> Self {
        Self {
            module,
            target,
            only,
            asked,
            analyses: RefCell::new(analyses),
            preserved: Vec::new(),
            calls: RefCell::default(),
            told: RefCell::new(told),
        }
    }

    pub(crate) fn into_told(self) -> Told {
        self.told.into_inner()
    }

    /// The model as it is now.
    pub fn model(&self) -> &Module {
        self.module
    }

    /// Changes the model, or refuses to and leaves it as it was. An empty patch does nothing. Where
    /// the target would not write an output any longer, a copy of it is returned instead.
    pub fn apply(&mut self, edit: impl Into<Edit>) -> Result<Arc<Applied>, PassError> {
        let edit = edit.into();
        let Edit::Patch(patch) = &edit else { return self.apply_to_all(edit) };
        if patch.is_empty() {
            return Ok(Arc::default());
        }
        let sg = patch.subgraph();
        let before = self.module.find_subgraph(sg).map_or(0, Subgraph::epoch);
        let noted: Vec<OpId> = patch.noted().collect();
        let only_marks = patch.only_marks();
        let at_stake = written::at_stake(self.module, patch);
        let applied = self.module.apply(edit)?;
        let input = AnalysisInput { module: self.module, subgraph: sg, target: self.target };
        let change = Change { applied: &applied, noted: &noted, only_marks };
        self.analyses.get_mut().after_patch(&self.preserved, before, input, change);
        if !only_marks {
            self.copy_unwritten(sg, &applied, &at_stake)?;
        }
        Ok(applied)
    }

    fn copy_unwritten(
        &mut self,
        sg: SubgraphId,
        applied: &Applied,
        at_stake: &[TensorId],
    ) -> Result<(), PassError> {
        let site = (&*self.module, self.target, sg);
        for (output, found) in written::unwritten(site, applied, at_stake) {
            let place = self.module.tensor_place(sg, output).to_string();
            let patch = written::copy(self.module, sg, (output, &found));
            match self.forbidden(&patch) {
                Some(why) => self.missed("output left unwritten", place, why),
                None => {
                    self.apply(patch)?;
                    self.applied("copied", place, found.reason);
                }
            }
        }
        Ok(())
    }

    /// Applies an edit that is no patch of a subgraph.
    fn apply_to_all(&mut self, edit: Edit) -> Result<Arc<Applied>, PassError> {
        // Constants and operators stay what they are under another number.
        let only_marks =
            matches!(edit, Edit::PruneBuffers | Edit::PruneOpCodes | Edit::Versions(..));
        if !only_marks {
            return Ok(self.module.apply(edit)?);
        }
        let epochs: Vec<u64> = self.module.subgraphs().map(|(_, graph)| graph.epoch()).collect();
        let applied = self.module.apply(edit)?;
        let change = Change { applied: &applied, noted: &[], only_marks };
        for (sg, before) in self.module.subgraph_ids().zip(epochs) {
            let input = AnalysisInput { module: self.module, subgraph: sg, target: self.target };
            self.analyses.get_mut().after_patch(&[], before, input, change);
        }
        Ok(applied)
    }

    /// Why the patch must not be applied, where metadata refers by number to what it would add or
    /// remove: only the tool that wrote it can renumber it.
    pub fn forbidden(&self, patch: &Patch) -> Option<String> {
        forbidden(self.module, patch)
    }

    /// The model as it was before the first pass of the run: its ops and tensors have the numbers
    /// there by which people and other tools know them.
    pub fn start(&self) -> &'a Module {
        self.asked.start
    }

    /// The subgraphs that a pass of subgraphs is to run on.
    pub fn subgraphs(&self) -> impl Iterator<Item = SubgraphId> + use<> {
        let only = self.only;
        self.module.subgraph_ids().filter(move |id| only.is_none_or(|only| only == *id))
    }

    /// The runtime that the model is for. Ask it instead of listing ops.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// A subgraph as analyses and their results look at it.
    pub fn input(&self, subgraph: SubgraphId) -> AnalysisInput<'_> {
        AnalysisInput { module: self.module, subgraph, target: self.target }
    }

    /// What the analysis finds out about a subgraph. It is computed only where the subgraph has
    /// changed since it was last asked for, by this pass or one before.
    pub fn analysis<A: Analysis>(&self, sg: SubgraphId) -> Arc<A::Result> {
        self.analyses.borrow_mut().get::<A>(self.input(sg))
    }

    /// Whether a tensor has the shape that it states whenever the model runs ([`SureShapes`]).
    pub fn has_sure_shape(&self, sg: SubgraphId, id: TensorId) -> bool {
        self.analysis::<SureShapes>(sg).has(self.input(sg), id)
    }

    /// Declares that what this pass changes from here on leaves the analysis as it is. A wrong
    /// declaration gives later passes wrong results.
    pub fn preserve<A: Analysis>(&mut self) {
        self.preserved.push(TypeId::of::<A>());
    }

    /// The effects of an op, those of subgraphs that it calls included; perhaps more than it has
    /// any longer, where this pass erased what had them.
    pub fn effects(&self, sg: SubgraphId, op: OpId) -> Effects {
        let module = &*self.module;
        if module.subgraph(sg).op(op).subgraph_refs().is_empty() {
            return tfq_ir::effects(module, sg, op);
        }
        let mut calls = self.calls.borrow_mut();
        let known = calls.take().and_then(|calls| calls.after(module));
        let calls = calls.insert(known.unwrap_or_else(|| Calls::new(module)));
        calls.effects.of(module, sg, op)
    }

    /// Tells that something was done. Place and message are put into words only where somebody
    /// reads them.
    pub fn applied(
        &self,
        rule: impl Into<Cow<'static, str>>,
        place: impl Display,
        message: impl Display,
    ) {
        self.remark(RemarkKind::Applied, rule.into(), place, message);
    }

    /// Tells that something was left as it is, and why.
    pub fn missed(
        &self,
        rule: impl Into<Cow<'static, str>>,
        place: impl Display,
        message: impl Display,
    ) {
        self.remark(RemarkKind::Missed, rule.into(), place, message);
    }

    /// Tells a finding.
    pub fn note(
        &self,
        rule: impl Into<Cow<'static, str>>,
        place: impl Display,
        message: impl Display,
    ) {
        self.remark(RemarkKind::Note, rule.into(), place, message);
    }

    /// Adds to a number that the summary shows.
    pub fn count(&self, name: impl Into<Cow<'static, str>>, by: u64) {
        self.told.borrow_mut().count(name.into(), by);
    }

    /// What was told so far, in order.
    pub fn remarks(&self) -> impl Iterator<Item = Remark> {
        // One at a time, so that more can be told between two of them.
        (0..).map_while(|n| self.told.borrow().remarks.get(n).cloned())
    }

    /// Whether remarks on every rule and op are wanted, which cost more than the rules.
    pub fn explains(&self) -> bool {
        self.asked.explain
    }

    /// What the caller gives to passes of this type: data, measurements, decisions.
    pub fn resource<T: Any>(&self) -> Option<&'a T> {
        self.asked.resources.get()
    }

    /// What passes before handed over of this type, to be completed. Whatever a pass decides by it
    /// depends on the passes around it.
    pub fn product<T: Any>(&self) -> Option<&'a T> {
        self.asked.products.get()
    }

    /// Hands something to the caller, in the place of what passes before handed over of this type.
    pub fn produce<T: Any + Send + Sync>(&self, value: T) {
        self.told.borrow_mut().products.insert(value);
    }
}

/// For rules.
impl Session<'_> {
    /// Remembers where a rule came nearest to matching.
    // As a `str`, a name that is borrowed for ever would be copied.
    #[allow(clippy::ptr_arg)]
    pub(crate) fn near_miss(
        &self,
        rule: &Cow<'static, str>,
        rank: (bool, usize),
        tell: impl FnOnce() -> (String, String),
    ) {
        if self.told.borrow().is_nearer(rank) {
            let told = tell();
            self.told.borrow_mut().near_miss(rule.clone(), rank, told);
        }
    }

    /// Counts the places where rules nearly matched, and those where only a guard refused.
    pub(crate) fn nearly_matched(&self, places: u64, guarded: IndexMap<&Cow<'static, str>, usize>) {
        self.told.borrow_mut().nearly_matched(places, guarded);
    }

    /// Whether remarks on what was done are read by anybody.
    pub(crate) fn keeps_all_remarks(&self) -> bool {
        self.told.borrow().keeps_all()
    }

    /// Whether it is told too where rules do not match.
    pub fn tells_of_misses(&self) -> bool {
        self.asked.explain || self.asked.why.is_some()
    }

    /// Whether the user asked about one of these tensors.
    pub(crate) fn is_asked_about(
        &self,
        sg: SubgraphId,
        mut tensors: impl Iterator<Item = TensorId>,
    ) -> bool {
        let graph = self.module.subgraph(sg);
        self.asked.why.is_some_and(|name| tensors.any(|id| graph.tensor(id).is_called(name)))
    }

    pub(crate) fn answer(&self, rule: Cow<'static, str>, place: String, outcome: String) {
        self.told.borrow_mut().answer(rule, place, outcome);
    }

    pub(crate) fn refused(&self, guard: Cow<'static, str>, place: String, rule: String) {
        self.remark(RemarkKind::Refused, guard, place, rule);
    }

    fn remark(
        &self,
        kind: RemarkKind,
        rule: Cow<'static, str>,
        place: impl Display,
        message: impl Display,
    ) {
        if self.told.borrow_mut().keeps(kind) {
            let [place, message] = [place.to_string(), message.to_string()];
            self.told.borrow_mut().remark(kind, rule, place, message);
        }
    }
}

/// As [`Session::forbidden`].
pub(crate) fn forbidden(module: &Module, patch: &Patch) -> Option<String> {
    let (metadata, what) = module.numbered_by_metadata(patch.renumbers())?;
    Some(format!("metadata `{}` refers to {what} by number", metadata.name))
}

/// What calling each subgraph does, and how far the module had come when that was found out.
/// Asked after each of many patches, it would be quadratic otherwise.
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
