//! How ops would read a constant in a form.

use super::QuantizeWeights;
use super::fast::Fast;
use super::flow::{WeightFlow, slots};
use super::form::{Cause, Form, Left, WeightUse};
use super::front::Behind;
use super::options::{LEGACY_MIN_ELEMENTS, MinElements, WeightType};
use super::widened::Widened;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use tfq_ir::maps::{HashSet, IndexSet};
use tfq_ir::{BufferId, Module, OpId, SubgraphId, TensorId};
use tfq_target::{ActivationRule, Granularity, KernelSpeed, Objective, Target, WeightForm};

/// The last layers of small networks have small weights, and rounding what one of them reads took
/// 4 dB.
const SMALL: ActivationRule<'_> = ActivationRule {
    name: "small",
    reason: "to round its activations would do more harm than to round so few weights",
};

/// What a choice is made from.
pub(super) struct Select<'a> {
    pub(super) pass: &'a QuantizeWeights,
    pub(super) module: &'a Module,
    pub(super) widened: Option<&'a Widened>,
    pub(super) target: &'a Target,
    pub(super) prefer: Objective,
    pub(super) min_elements: u64,
    /// Ops with a hybrid kernel for all of their weights or none, where it cannot be all.
    pub(super) broken: IndexSet<(SubgraphId, OpId)>,
    /// Ops that get float32 weights where these are quicker.
    pub(super) fast: Fast,
    pub(super) behind: Behind,
    pub(super) flow: WeightFlow,
    /// Whether metadata leaves room for a Dequantize.
    pub(super) takes_ops: bool,
    /// Float16 biases that become float32 for what was selected so far, which later ones get for
    /// nothing.
    pub(super) biases: IndexSet<(SubgraphId, TensorId)>,
    /// Weights that were made float32 before, since the target does not read them as they came.
    pub(super) anew: HashSet<(SubgraphId, TensorId)>,
    /// By how much the slowest op that is spared the codes for speed would be slower with them.
    pub(super) slowest: Cell<f64>,
    /// Constants of which it was told why they stay.
    pub(super) told: RefCell<HashSet<(BufferId, Cow<'static, str>)>>,
    /// What stays as it is, where somebody wants the plan.
    pub(super) left: RefCell<Vec<Left>>,
    pub(super) wants_plan: bool,
    /// Whether a tensor has the shape that it states whenever the model runs.
    pub(super) has_sure_shape: Box<dyn Fn(SubgraphId, TensorId) -> bool + 'a>,
}

impl Select<'_> {
    pub(super) fn slots(&self, sg: SubgraphId, op: OpId) -> Vec<u32> {
        slots(self.pass, self.module, self.target, &self.flow, sg, op)
    }

    /// Whether the op's weights are to be int8 all together, for a hybrid kernel.
    pub(super) fn is_family(&self, sg: SubgraphId, op: OpId) -> bool {
        let facts = self.target.facts_of(self.module.subgraph(sg), op);
        facts.is_some_and(|facts| facts.all_or_none && facts.hybrid) && self.may_be_hybrid(sg, op)
    }

    pub(super) fn may_be_hybrid(&self, sg: SubgraphId, op: OpId) -> bool {
        self.pass.r#type == WeightType::Int8 && self.takes_codes(sg, op)
    }

    /// Whether nothing that the user said keeps the op from reading what is stored.
    fn takes_codes(&self, sg: SubgraphId, op: OpId) -> bool {
        let kind = &self.module.subgraph(sg).op(op).kind;
        self.pass.hybrid && !self.pass.deny.contains(kind)
    }

    /// Whether the op will read all of its weights as int8.
    pub(super) fn is_whole_family(&self, u: &WeightUse) -> bool {
        self.is_family(u.sg, u.op) && !self.broken.contains(&(u.sg, u.op))
    }

    pub(super) fn is_large(&self, u: &WeightUse) -> bool {
        let tensor = self.module.subgraph(u.sg).tensor(u.tensor);
        tensor.elements().unwrap_or(0) >= self.min_elements
    }

    /// How the op would read the constant in this form: without a Dequantize in front, and then
    /// whether XNNPACK takes the op; or why not.
    pub(super) fn reads(&self, u: &WeightUse, form: &Form) -> Result<bool, String> {
        let delegated = self.runs(u, form)?;
        let graph = self.module.subgraph(u.sg);
        let copies = self.target.facts_of(graph, u.op).is_none_or(|facts| facts.pass_through);
        match self.declined(u, &form.stored(), delegated).filter(|_| !copies) {
            Some((_, reason)) => Err(reason),
            None => Ok(delegated),
        }
    }

    /// The same, where nothing but what kernels can do counts.
    pub(super) fn runs(&self, u: &WeightUse, form: &Form) -> Result<bool, String> {
        let graph = self.module.subgraph(u.sg);
        // Halves are copied as codes are, and have their Dequantize behind the op.
        let halves = matches!(form, Form::Float16 { .. });
        if halves && self.takes_codes(u.sg, u.op) && self.copies(u.sg, u.op) {
            return Ok(false);
        }
        if !self.may_be_hybrid(u.sg, u.op) {
            return Err(String::new());
        }
        if let Some(custom) = self.pass.custom_ops.get(&graph.op(u.op).kind) {
            return if custom.hybrid { Ok(false) } else { Err(String::new()) };
        }
        if self.broken.contains(&(u.sg, u.op)) {
            return Err("not all of its weights can be quantised".to_owned());
        }
        let Some(facts) = self.target.facts_of(graph, u.op) else {
            return Err(format!("{} has no kernel for it", graph.op(u.op).kind));
        };
        let by_rows = *form == Form::Rows;
        let form = form.stored();
        if facts.pass_through {
            return match form.granularity {
                Granularity::PerTensor => Ok(false),
                _ if by_rows => self.reads_rows(u, &form),
                _ => Err("it copies codes to a result with one scale".to_owned()),
            };
        }
        let verdict = if facts.all_or_none {
            self.target.group_verdict(self.module, u.sg, u.op, |_, _| form)
        } else {
            self.target.hybrid(u.operand(self.module), &form)
        };
        match verdict {
            tfq_target::Verdict::Hybrid { delegated } => Ok(delegated),
            tfq_target::Verdict::Dequantize { reason } => Err(reason),
        }
    }

    /// Why the op is not to read the codes, though it can.
    pub(super) fn declined(
        &self,
        u: &WeightUse,
        form: &WeightForm,
        delegated: bool,
    ) -> Option<(Cause, String)> {
        let rule = self.exact_activations(u, form);
        let rule = rule.map(|rule| (Cause::Exact, format!("{}: {}", rule.name, rule.reason)));
        rule.or_else(|| Some((Cause::Speed, self.too_slow(u, form, delegated)?)))
    }

    /// Whether the weight is one that the user did not ask to have quantised, and is so only since
    /// it is a large part of a small model.
    fn is_small(&self, u: &WeightUse) -> bool {
        let graph = self.module.subgraph(u.sg);
        let elements = graph.tensor(u.tensor).elements();
        self.pass.min_elements == MinElements::Auto
            && self.prefer != Objective::Size
            && elements.is_some_and(|elements| elements < LEGACY_MIN_ELEMENTS)
            && self.target.facts_of(graph, u.op).is_some_and(|facts| facts.rounds_activations())
    }

    /// The rule by which the op had better not round its activations.
    pub(super) fn exact_activations(
        &self,
        u: &WeightUse,
        form: &WeightForm,
    ) -> Option<ActivationRule<'_>> {
        if !self.pass.exact_activations || !self.may_be_dequantized(form) {
            return None;
        }
        let front = || self.behind.front(self.module, self.target, u.sg, u.op);
        let rule = self.target.exact_activations(u.operand(self.module), self.prefer, front);
        rule.or_else(|| self.is_small(u).then_some(SMALL))
    }

    /// Whether the op would read the codes in the first of these forms that it can, and be quicker
    /// with float32 weights.
    pub(super) fn would_be_slow(&self, u: &WeightUse, forms: &[Form]) -> bool {
        let mut read = forms.iter().filter_map(|form| Some((form, self.runs(u, form).ok()?)));
        let Some((form, delegated)) = read.next() else { return false };
        let stored = form.stored();
        self.slowness(u, &stored, delegated).is_some()
            && forms.iter().any(|form| self.may_be_dequantized(&form.stored()))
            && self.reads(u, form).is_ok()
    }

    /// Whether an op may be spared the codes without another form for the constant.
    fn may_be_dequantized(&self, form: &WeightForm) -> bool {
        self.takes_ops && self.target.dequantize_supports(form.ty, form.granularity)
    }

    /// Why float32 kernels answer sooner than the one that reads the codes, if they do and that
    /// matters.
    fn too_slow(&self, u: &WeightUse, form: &WeightForm, delegated: bool) -> Option<String> {
        if !self.fast.has(u.sg, u.op) {
            return None;
        }
        let speed = self.slowness(u, form, delegated)?;
        let (prefer, times) = (self.prefer.name(), speed.times);
        self.slowest.set(self.slowest.get().max(times));
        Some(format!("prefer={prefer}: {times} times as slow with the codes: {}", speed.reason))
    }

    /// How much longer the op takes when it reads the codes, if it does and computes anything: what
    /// a lookup would gain is not worth the memory of a table in float32.
    pub(super) fn slowness(
        &self,
        u: &WeightUse,
        form: &WeightForm,
        delegated: bool,
    ) -> Option<KernelSpeed<'_>> {
        let facts = self.target.facts_of(self.module.subgraph(u.sg), u.op)?;
        let speed = self.target.speed(u.operand(self.module), form, delegated)?;
        (facts.rounds_activations() && speed.is_slower()).then_some(speed)
    }
}
