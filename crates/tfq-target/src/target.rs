//! Targets: what they are asked.

use crate::condition::{Condition, Site, single_scale, type_bit};
use crate::data::{
    self, CapRow, Dequantize, Kernels, Memory, OpEntry, Outcome, Prefer, Rule, Since,
};
use crate::error::TargetError;
use crate::form::{Granularity, WeightForm, grain, quantized_axis};
use crate::load::Load;
use crate::versions;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::{
    ElementType, Module, Op, OpId, OpKind, Quantization, Subgraph, SubgraphBuilder, SubgraphId,
    Tensor,
};

/// Shipped targets: name and data file. The version caps of `data/tflite.toml` come on top.
const FILES: [(&str, &str); 6] = [
    ("litert", include_str!("../data/litert.toml")),
    ("litert-cpu", include_str!("../data/litert-cpu.toml")),
    ("litert-xnnpack", include_str!("../data/litert-xnnpack.toml")),
    ("tflm", include_str!("../data/tflm.toml")),
    ("gpu", include_str!("../data/gpu.toml")),
    ("float-only", include_str!("../data/float-only.toml")),
];

/// A runtime, as far as this project must know it: which kernels read which weights, and which
/// versions of operators there are.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) name: String,
    pub(crate) summary: String,
    /// The target whose rows come behind its own.
    pub(crate) base: Option<String>,
    /// A model for the target must run on all of these.
    pub(crate) kernels: Vec<Kernels>,
    /// The last release of the runtime that a model for the target may ask for.
    pub(crate) max_runtime: Option<String>,
    pub(crate) prefer: Prefer,
    pub(crate) keeps_dequantized: bool,
    pub(crate) ops: Vec<OpEntry>,
    /// In order of precedence, those about every op before all others.
    pub(crate) rules: Vec<Rule>,
    pub(crate) dequantize: Vec<Dequantize>,
    pub(crate) since: Vec<Since>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) load: Vec<Load>,
}

/// What a target knows of an op: where its weights are, and what kernels want of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpFacts {
    /// Its name in the schema.
    pub name: &'static str,
    /// Operand slots that can hold weights. An op may have fewer operands, or leave some out:
    /// [`Target::weight_slots`] tells which are there.
    pub weights: Vec<u32>,
    /// Operand slot of the float data that meets the weights; `None` for lookups.
    pub activation: Option<u32>,
    /// Operand slots of biases, which stay float32 next to quantised weights.
    pub biases: Vec<u32>,
    /// The kernel reads all weights of the op the same way, so all of them are quantised or none.
    pub all_or_none: bool,
    /// The op has the attribute `asymmetric_quantize_inputs`.
    pub asymmetric_attr: bool,
    /// The op copies codes: its result has the type and the scales of its table.
    pub pass_through: bool,
    /// Some form of some weight runs without a Dequantize.
    pub hybrid: bool,
    pub(crate) channel_axis: Option<i32>,
    pub(crate) channel_axis_adj_y: Option<i32>,
}

impl OpFacts {
    /// The slot of the bias of an op that has one; the first of several.
    pub fn bias(&self) -> Option<u32> {
        self.biases.first().copied()
    }
}

/// Whether an op can read a weight as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can: a kernel reads the codes.
    Hybrid {
        /// Whether XNNPACK takes the op.
        delegated: bool,
    },
    /// It needs float32: a Dequantize has to stand before the op, or the weight has to stay float.
    Dequantize {
        /// Why, for a person.
        reason: String,
    },
}

impl Verdict {
    /// Whether a kernel reads the codes.
    pub fn is_hybrid(&self) -> bool {
        matches!(self, Self::Hybrid { .. })
    }

    fn dequantize(reason: impl Into<String>) -> Self {
        Self::Dequantize { reason: reason.into() }
    }
}

impl Target {
    /// A shipped target.
    pub fn named(name: &str) -> Option<Arc<Self>> {
        static TARGETS: [OnceLock<Arc<Target>>; FILES.len()] =
            [const { OnceLock::new() }; FILES.len()];
        let Some(n) = FILES.iter().position(|(shipped, _)| *shipped == name) else {
            return caps().iter().find(|target| target.name == name).cloned();
        };
        let (name, text) = FILES[n];
        let read = || Arc::new(Self::parse(name, text).expect("a test reads every shipped target"));
        Some(Arc::clone(TARGETS[n].get_or_init(read)))
    }

    /// Names of the shipped targets.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let files = FILES.iter().map(|(name, _)| *name);
        files.chain(caps().iter().map(|target| target.name.as_str()))
    }

    /// Reads a target from its data file. `data/litert.toml` explains the format.
    pub fn parse(name: &str, text: &str) -> Result<Self, TargetError> {
        let parsed = data::parse(name, text)?;
        let mut target = Self {
            name: name.to_owned(),
            summary: parsed.summary,
            base: None,
            kernels: parsed.kernels.unwrap_or_default(),
            max_runtime: parsed.max_runtime,
            prefer: parsed.prefer.unwrap_or(Prefer::Size),
            keeps_dequantized: parsed.keeps_dequantized.unwrap_or(true),
            ops: parsed.ops,
            rules: parsed.rules,
            dequantize: parsed.dequantize.clone().unwrap_or_default(),
            since: parsed.since,
            memory: parsed.memory.clone().unwrap_or_default(),
            load: parsed.load.clone().unwrap_or_default(),
        };
        if let Some(base) = parsed.base {
            target.base = Some(base.name.clone());
            if target.kernels.is_empty() {
                target.kernels.clone_from(&base.kernels);
            }
            target.max_runtime = target.max_runtime.or_else(|| base.max_runtime.clone());
            target.prefer = parsed.prefer.unwrap_or(base.prefer);
            target.keeps_dequantized = parsed.keeps_dequantized.unwrap_or(base.keeps_dequantized);
            target.ops.extend(base.ops.iter().cloned());
            target.rules.extend(base.rules.iter().cloned());
            target.since.extend(base.since.iter().cloned());
            // What Dequantize reads, and what the runtime holds and refuses, is replaced, not
            // added to.
            if parsed.dequantize.is_none() {
                target.dequantize.clone_from(&base.dequantize);
            }
            if parsed.memory.is_none() {
                target.memory.clone_from(&base.memory);
            }
            if parsed.load.is_none() {
                target.load.clone_from(&base.load);
            }
        }
        target.rules.sort_by_key(|rule| !rule.scope.is_general());
        target.find_hybrid_ops();
        Ok(target)
    }

    /// The target up to a release of the runtime.
    fn capped(&self, row: CapRow, kernels: &[Kernels]) -> Self {
        let mut target = Self {
            name: format!("tflite-{}", row.max_runtime),
            summary: row.summary,
            base: Some(self.name.clone()),
            kernels: kernels.to_vec(),
            max_runtime: Some(row.max_runtime),
            ..self.clone()
        };
        target.find_hybrid_ops();
        target
    }

    fn find_hybrid_ops(&mut self) {
        for entry in &mut self.ops {
            let code = entry.code;
            entry.facts.hybrid = self.rules.iter().enumerate().any(|(n, rule)| {
                rule.scope.ops.contains(&code)
                    && rule.runs(&self.kernels)
                    && !self.rules[..n]
                        .iter()
                        .any(|earlier| earlier.scope.covers(&rule.scope, code))
            });
        }
    }

    /// Its name, for example `litert`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it stands for, in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What matters most to who runs models there, where the user does not say.
    pub fn prefer(&self) -> Prefer {
        self.prefer
    }

    /// Whether the runtime converts a constant behind a Dequantize once and keeps the result. If
    /// not, it does so in every invocation.
    pub fn keeps_dequantized(&self) -> bool {
        self.keeps_dequantized
    }

    /// The last release of the runtime that a model may ask for, by TensorFlow's numbering: `2.5`
    /// for all of 2.5. `None` where the newest counts.
    pub fn max_runtime(&self) -> Option<&str> {
        self.max_runtime.as_deref()
    }

    /// What it knows of ops of this kind; `None` for kinds without weights and for custom ops.
    /// Where instances of a kind differ (the BASIC kernel of LSTM), this is about the usual ones:
    /// [`Self::facts_of`] looks at the instance.
    pub fn op_facts(&self, kind: &OpKind) -> Option<&OpFacts> {
        let OpKind::Builtin(code) = *kind else { return None };
        self.ops
            .iter()
            .find(|entry| entry.code == code && entry.when.is_empty())
            .map(|entry| &entry.facts)
    }

    /// What it knows of this op.
    pub fn facts_of(&self, graph: &Subgraph, op: OpId) -> Option<&OpFacts> {
        let OpKind::Builtin(code) = graph.op(op).kind else { return None };
        let mut of_op = self.ops.iter().filter(|entry| entry.code == code).peekable();
        of_op.peek()?;
        let site = Site::bare(graph, op);
        of_op.find(|entry| all_hold(&entry.when, &site)).map(|entry| &entry.facts)
    }

    /// The slots of the op's weights that are there, whatever they hold.
    pub fn weight_slots(&self, graph: &Subgraph, op: OpId) -> SmallVec<[u32; 4]> {
        let Some(facts) = self.facts_of(graph, op) else { return SmallVec::new() };
        let operands = graph.operands(op);
        let there = |slot: &u32| operands.get(*slot as usize).is_some_and(Option::is_some);
        facts.weights.iter().copied().filter(there).collect()
    }

    /// The axis along which the weight at this operand may have one scale per index; `None` where
    /// kernels read one scale only, or the operand is no weight.
    pub fn channel_axis(&self, graph: &Subgraph, op: OpId, slot: u32) -> Option<usize> {
        let facts = self.facts_of(graph, op)?;
        let tensor = graph.tensor(graph.operand(op, slot)?);
        if facts.weights.contains(&slot) { axis_of(facts, graph, op, tensor) } else { None }
    }

    /// Whether the op can read the constant at this operand in this form, with float data around
    /// it. The tensor may have another form yet (float32, as a rule): then the answer is for the
    /// tensor that it would become, with scales that are positive, normal and finite and zero
    /// points 0. Where the tensor has the form already, its scales and zero points count too.
    ///
    /// In an op with [`OpFacts::all_or_none`], the answer for a tensor that is float32 still
    /// supposes that the op's other float32 constants get the same form; [`Self::group_verdict`]
    /// asks for all of them at once.
    pub fn hybrid(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        slot: u32,
        form: &WeightForm,
    ) -> Verdict {
        let graph = module.subgraph(sg);
        let kind = &graph.op(op).kind;
        let Some((facts, &OpKind::Builtin(code))) =
            self.facts_of(graph, op).map(|facts| (facts, kind))
        else {
            return Verdict::dequantize(format!(
                "no kernel for quantised operands of {kind} is known"
            ));
        };
        if !facts.weights.contains(&slot) {
            return Verdict::dequantize(format!("operand {slot} of {kind} is no weight"));
        }
        let Some(id) = graph.operand(op, slot) else {
            return Verdict::dequantize(format!("{kind} has no operand {slot}"));
        };
        let question = Question { module, sg, op, id, code, facts, form: *form };
        match self.rule(&question) {
            Some(rule) if rule.runs(&self.kernels) => match self.too_new(&question, None) {
                Some(reason) => Verdict::dequantize(reason),
                None => Verdict::Hybrid {
                    delegated: rule.delegated && self.kernels.contains(&Kernels::Xnnpack),
                },
            },
            Some(rule) => Verdict::dequantize(format!("{}: {}", rule.reason, self.effect(rule))),
            None => Verdict::dequantize(format!("no kernel of {kind} for {form} weights is known")),
        }
    }

    /// Whether every kernel of the target computes with the weight in this form, be it wrongly:
    /// results would change if the op read something else.
    pub fn computes(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        slot: u32,
        form: &WeightForm,
    ) -> bool {
        let rule = self.question(module, sg, op, slot, form).and_then(|asked| self.rule(&asked));
        let runs = |outcome| matches!(outcome, Outcome::Ok | Outcome::Silent);
        rule.is_some_and(|rule| self.kernels.iter().all(|kernels| runs(rule.outcome(*kernels))))
    }

    /// The question about a weight of a known op.
    pub(crate) fn question<'a>(
        &'a self,
        module: &'a Module,
        sg: SubgraphId,
        op: OpId,
        slot: u32,
        form: &WeightForm,
    ) -> Option<Question<'a>> {
        let graph = module.subgraph(sg);
        let facts = self.facts_of(graph, op).filter(|facts| facts.weights.contains(&slot))?;
        let OpKind::Builtin(code) = graph.op(op).kind else { return None };
        let id = graph.operand(op, slot)?;
        Some(Question { module, sg, op, id, code, facts, form: *form })
    }

    /// Why the kernel that reads this weight as codes is slower than the one for float32, where it
    /// is known to be.
    pub fn slow(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        slot: u32,
        form: &WeightForm,
    ) -> Option<&str> {
        let rule = self.rule(&self.question(module, sg, op, slot, form)?)?;
        // XNNPACK has kernels of its own.
        let delegated = rule.delegated && self.kernels.contains(&Kernels::Xnnpack);
        rule.slow.as_deref().filter(|_| !delegated)
    }

    /// Whether a hybrid op may have `asymmetric_quantize_inputs` set when it reads the weight in
    /// this form: the attribute asks for a higher version of the op.
    pub fn may_be_asymmetric(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        slot: u32,
        form: &WeightForm,
    ) -> bool {
        self.question(module, sg, op, slot, form)
            .is_some_and(|question| self.too_new(&question, Some(true)).is_none())
    }

    pub(crate) fn rule(&self, question: &Question<'_>) -> Option<&Rule> {
        let grains = question.grains();
        let site = question.site();
        self.rules.iter().find(|rule| {
            rule.scope.is_about(question.code)
                && rule.scope.types & type_bit(question.form.ty) != 0
                && rule.scope.grains & grains != 0
                && all_hold(&rule.scope.when, &site)
        })
    }

    /// Whether some kernel of the target puts several scales in place of the one of a weight of such an op.
    pub(crate) fn spreads(&self, kind: &OpKind) -> bool {
        let OpKind::Builtin(code) = *kind else { return false };
        let mut of_op = self.ops.iter().filter(|entry| entry.code == code);
        of_op.any(|entry| entry.spreads_scale.iter().any(|kernels| self.kernels.contains(kernels)))
    }

    /// The verdict on all weights of an op that are there, each asked in the form that `form` gives
    /// it: the first refusal, or hybrid. For ops with [`OpFacts::all_or_none`].
    pub fn group_verdict(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        mut form: impl FnMut(u32, &Tensor) -> WeightForm,
    ) -> Verdict {
        let graph = module.subgraph(sg);
        let mut all_delegated = true;
        let slots = self.weight_slots(graph, op);
        if slots.is_empty() {
            return Verdict::dequantize("the op has no weights");
        }
        for slot in slots {
            let Some(id) = graph.operand(op, slot) else { continue };
            let form = form(slot, graph.tensor(id));
            match self.hybrid(module, sg, op, slot, &form) {
                Verdict::Hybrid { delegated } => all_delegated &= delegated,
                refusal @ Verdict::Dequantize { .. } => return refusal,
            }
        }
        Verdict::Hybrid { delegated: all_delegated }
    }

    /// Whether Dequantize turns constants of this form into float32 (INT16 with zero point 0 only).
    /// Blockwise and multi-axis scales would be taken for 0.
    pub fn dequantize_supports(&self, ty: ElementType, granularity: Granularity) -> bool {
        let grain = grain_of(granularity);
        let read = self
            .dequantize
            .iter()
            .any(|row| row.types & type_bit(ty) != 0 && row.grains & grain != 0);
        let Some(cap) = self.max_runtime.as_deref().filter(|_| read) else { return read };
        let newest = self.newest(DEQUANTIZE, cap);
        newest.zip(dequantize_version(ty, granularity)).is_some_and(|(most, own)| own <= most)
    }

    /// What happens where the rule refuses, and on which kernels if not on all.
    pub(crate) fn effect(&self, rule: &Rule) -> String {
        self.effect_of(|kernels| rule.outcome(kernels))
    }

    pub(crate) fn effect_of(&self, of: impl Fn(Kernels) -> Outcome) -> String {
        let Some(first) =
            self.kernels.iter().map(|k| of(*k)).find(|outcome| *outcome != Outcome::Ok)
        else {
            return String::new();
        };
        let what = match first {
            Outcome::Ok => "it runs",
            Outcome::Load => "the model does not load",
            Outcome::Prepare => "AllocateTensors fails",
            Outcome::Invoke => "Invoke fails",
            Outcome::Silent => "the numbers are wrong without an error",
            Outcome::Crash => "the kernel crashes",
            Outcome::Unsupported => "there is no kernel for it",
            Outcome::Untested => "what kernels do is not known",
        };
        let with: Vec<&str> = self
            .kernels
            .iter()
            .filter(|kernels| of(**kernels) == first)
            .map(|kernels| match kernels {
                Kernels::Reference => "reference kernels",
                Kernels::Optimized => "optimised kernels",
                Kernels::Xnnpack => "XNNPACK",
            })
            .collect();
        if with.len() == self.kernels.len() {
            what.to_owned()
        } else {
            format!("{what} ({})", with.join(", "))
        }
    }
}

/// A weight of an op, and the form it has or could get.
pub(crate) struct Question<'a> {
    pub(crate) module: &'a Module,
    pub(crate) sg: SubgraphId,
    pub(crate) op: OpId,
    pub(crate) id: tfq_ir::TensorId,
    pub(crate) code: i32,
    pub(crate) facts: &'a OpFacts,
    pub(crate) form: WeightForm,
}

impl<'a> Question<'a> {
    pub(crate) fn site(&self) -> Site<'a> {
        Site::new(self.module, self.sg, self.op).with_weight(self.id, self.form, self.facts)
    }

    pub(crate) fn tensor(&self) -> &'a Tensor {
        self.module.subgraph(self.sg).tensor(self.id)
    }

    pub(crate) fn grains(&self) -> u8 {
        let (graph, tensor) = (self.module.subgraph(self.sg), self.tensor());
        grains_of(tensor, self.form, axis_of(self.facts, graph, self.op, tensor))
    }
}

/// The shipped version caps.
fn caps() -> &'static [Arc<Target>] {
    static CAPS: OnceLock<Vec<Arc<Target>>> = OnceLock::new();
    CAPS.get_or_init(|| {
        let caps = data::caps();
        let base = Target::named(&caps.extends).expect("a test reads every shipped target");
        let capped = |row| Arc::new(base.capped(row, &caps.kernels));
        caps.cap.into_iter().map(capped).collect()
    })
}

/// The tensor as it would be stored in this form, as far as operator versions depend on it.
pub(crate) fn as_stored(tensor: &Tensor, form: WeightForm) -> Tensor {
    let mut stored = tensor.clone();
    if stored.ty == form.ty {
        return stored;
    }
    stored.ty = form.ty;
    let symmetric = |scales: usize, axis: usize| {
        Some(Arc::new(Quantization::symmetric(vec![1.0; scales], axis as i32)))
    };
    stored.quantization = match form.granularity {
        Granularity::PerTensor => symmetric(1, 0),
        Granularity::PerChannel { axis } => {
            let channels = stored.shape.get(axis).map_or(1, |dim| (*dim).max(1) as usize);
            symmetric(channels, axis)
        }
        Granularity::Blockwise { .. } | Granularity::Unscaled | Granularity::Other => None,
    };
    stored
}

/// The version of a Dequantize that reads constants of this form.
pub(crate) fn dequantize_version(ty: ElementType, granularity: Granularity) -> Option<i32> {
    // Two channels are as good as any number.
    let shape: &[i32] = match granularity {
        Granularity::PerChannel { .. } => &[2],
        _ => &[1],
    };
    let along_the_first = match granularity {
        Granularity::PerChannel { .. } => Granularity::PerChannel { axis: 0 },
        other => other,
    };
    let float = Tensor::new("w", ElementType::Float32, shape);
    let mut sg = SubgraphBuilder::new(None);
    let from = match ty {
        ElementType::Float32 => float.clone(),
        _ => as_stored(&float, WeightForm::new(ty, along_the_first)),
    };
    let (from, to) = (sg.tensor(from), sg.tensor(float));
    let op = sg.op(Op::new(OpKind::Builtin(DEQUANTIZE)), &[Some(from)], &[to]);
    let graph = sg.finish(vec![from], vec![to]);
    versions::rules().version(DEQUANTIZE, &Site::bare(&graph, op))
}

fn grain_of(granularity: Granularity) -> u8 {
    match granularity {
        Granularity::PerTensor => grain::TENSOR,
        Granularity::PerChannel { .. } => grain::CHANNEL,
        Granularity::Blockwise { .. } => grain::BLOCK,
        Granularity::Unscaled => grain::UNSCALED,
        Granularity::Other => grain::OTHER,
    }
}

pub(crate) fn all_hold(when: &[Condition], site: &Site<'_>) -> bool {
    when.iter().all(|condition| condition.holds(site))
}

fn axis_of(facts: &OpFacts, graph: &Subgraph, op: OpId, weight: &Tensor) -> Option<usize> {
    let axis = match facts.channel_axis_adj_y {
        Some(transposed) if graph.op(op).bool("adj_y") == Some(true) => transposed,
        _ => facts.channel_axis?,
    };
    let rank = weight.shape.len();
    let axis = match usize::try_from(axis) {
        Ok(axis) => axis,
        Err(_) => rank.checked_sub(axis.unsigned_abs() as usize)?,
    };
    (axis < rank).then_some(axis)
}

/// What the form's granularity means to an op that wants scales along `axis`. One scale for an axis
/// of one index is both per tensor and per channel.
fn grains_of(tensor: &Tensor, form: WeightForm, axis: Option<usize>) -> u8 {
    if single_scale(tensor, form.granularity) {
        // Kernels count scales against the axis that the tensor names, where it names one already.
        let stored = tensor.quantization.as_deref().filter(|_| tensor.ty == form.ty);
        let named = stored.and_then(|q| quantized_axis(tensor, q)).map_or(1, |(_, len)| len);
        let one_channel = axis.is_some_and(|axis| tensor.shape.get(axis) == Some(&1));
        return grain::TENSOR | if one_channel && named == 1 { grain::CHANNEL } else { 0 };
    }
    match form.granularity {
        Granularity::PerChannel { axis: along } if Some(along) == axis => grain::CHANNEL,
        Granularity::PerChannel { .. } => grain::AXIS,
        Granularity::PerTensor => grain::TENSOR,
        Granularity::Blockwise { .. } => grain::BLOCK,
        Granularity::Unscaled => grain::UNSCALED,
        Granularity::Other => grain::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;

    const HEAD: &str = "summary = \"x\"\nkernels = [\"optimized\"]\n";

    fn problem(rows: &str) -> (usize, Problem) {
        let error =
            Target::parse("mine", &format!("{HEAD}{rows}")).expect_err("the file is malformed");
        assert_eq!(error.target, "mine");
        (error.line, error.problem)
    }

    #[test]
    fn shipped_targets_are_read() {
        for name in Target::names() {
            let target = Target::named(name).unwrap();
            assert_eq!(target.name(), name);
            assert!(!target.summary().is_empty());
            // Each op of the table has rules of its own, and ends with one that always decides.
            for entry in &target.ops {
                let last =
                    target.rules.iter().rfind(|rule| rule.scope.ops.contains(&entry.code)).unwrap();
                assert!(
                    last.scope.when.is_empty() && last.scope.grains == grain::ALL,
                    "{}",
                    entry.facts.name
                );
                assert_eq!(last.scope.types, u32::MAX, "{}", entry.facts.name);
                assert_eq!(
                    entry.facts.asymmetric_attr,
                    has_asymmetric_attr(entry.code),
                    "{}",
                    entry.facts.name
                );
            }
        }
        assert!(Target::named("toaster").is_none());
    }

    fn has_asymmetric_attr(code: i32) -> bool {
        let options = tfq_ir::catalog::op_by_code(code).and_then(|op| op.options);
        options.is_some_and(|options| options.attr("asymmetric_quantize_inputs").is_some())
    }

    #[test]
    fn malformed_files_are_refused_with_their_line() {
        let rule = |keys: &str| problem(&format!("\n[[rule]]\nsource = \"s\"\n{keys}\n"));
        let ok = "optimized = \"ok\"";
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_4D\"]")),
            (7, Problem::UnknownOp("CONV_4D".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\ntypes = [\"INT7\"]")),
            (7, Problem::UnknownType("INT7".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nwhen = [\"full-moon\"]")),
            (7, Problem::UnknownCondition("full-moon".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_2D\"]\nwhen = [\"attr.adj_y\"]")),
            (8, Problem::UnknownAttribute("attr.adj_y".into(), "CONV_2D".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_2D\"]\nwhen = [\"attr.padding=SOME\"]")),
            (8, Problem::UnknownAttribute("attr.padding=SOME".into(), "CONV_2D".into()))
        );
        assert_eq!(rule("optimized = \"silent\""), (4, Problem::NoReason));
        assert_eq!(
            rule(&format!("{ok}\n[[rule]]\nsource = \"s\"\n{ok}\ntypes = [\"INT8\"]")),
            (7, Problem::Unreachable(4))
        );
        assert!(matches!(rule("optimized = \"fine\""), (6, Problem::Syntax(_))));
        assert!(matches!(rule(&format!("{ok}\nwhem = []")), (7, Problem::Syntax(_))));
        assert!(
            matches!(problem("[[rule]]\noptimized = \"ok\"\n"), (3, Problem::Syntax(_))),
            "no source"
        );
        assert!(matches!(problem("[[rule]\n"), (3, Problem::Syntax(_))));
        let op = |when: &str| {
            problem(&format!(
                "[[op]]\nname = \"SVDF\"\nweights = [1]\nsource = \"s\"\nwhen = [\"{when}\"]\n"
            ))
        };
        assert_eq!(op("zero-point"), (7, Problem::NeedsWeight("zero-point".into())));
        let memory = |keys: &str| {
            problem(&format!("[[memory]]\nread = \"hybrid\"\nsource = \"s\"\n{keys}\n"))
        };
        assert_eq!(memory("bytes = -1.0"), (3, Problem::Number("-1".into())));
        let since = "[[since]]\nops = [\"SVDF\"]\nruntime = \"soon\"\nsource = \"s\"\n";
        assert_eq!(problem(since), (5, Problem::Release("soon".into())));
        let error = Target::parse("mine", "summary = \"x\"\n").unwrap_err();
        assert_eq!((error.line, error.problem), (1, Problem::NoKernels));
        let base = "extends = \"toaster\"\nsummary = \"x\"\nkernels = []\n";
        let error = Target::parse("mine", base).unwrap_err();
        assert_eq!(
            (error.line, error.problem.clone()),
            (1, Problem::UnknownBase("toaster".into()))
        );
        assert_eq!(
            error.to_string(),
            "target \"mine\", line 1: there is no target \"toaster\" to extend"
        );
    }

    #[test]
    fn errors_suggest_what_was_meant() {
        let help = |rows: &str| {
            let text = format!("{HEAD}[[rule]]\nsource = \"s\"\noptimized = \"ok\"\n{rows}\n");
            Target::parse("mine", &text).unwrap_err().help()
        };
        let meant = |name: &str| Some(format!("did you mean `{name}`?"));
        assert_eq!(help("ops = [\"CONV_2\"]"), meant("CONV_2D"));
        assert_eq!(help("types = [\"INT88\"]"), meant("INT8"));
        assert_eq!(help("when = [\"!bias-computd\"]"), meant("bias-computed"));
        assert_eq!(help("typs = []"), meant("types"));
        assert_eq!(help("granularity = [\"chanel\"]"), meant("channel"));
        assert!(help("when = [\"full-moon\"]").unwrap().contains("docs/targets.md"));
        let extends = |name: &str| {
            Target::parse("mine", &format!("extends = \"{name}\"\nsummary = \"x\"")).unwrap_err()
        };
        assert_eq!(extends("litert-xnpack").help(), meant("litert-xnnpack"));
        assert!(extends("toaster").help().unwrap().starts_with("targets are litert, "));
        assert_eq!(extends("toaster").span, 10..19);
    }

    #[test]
    fn what_dequantize_reads() {
        use ElementType::*;
        let target = Target::named("litert").unwrap();
        let channel = Granularity::PerChannel { axis: 1 };
        for ty in [Int8, UInt8, Int4, Int2] {
            assert!(target.dequantize_supports(ty, Granularity::PerTensor));
            assert!(target.dequantize_supports(ty, channel));
            assert!(!target.dequantize_supports(ty, Granularity::Blockwise { block: 32 }));
            assert!(!target.dequantize_supports(ty, Granularity::Unscaled));
        }
        assert!(target.dequantize_supports(Int16, Granularity::PerTensor));
        assert!(!target.dequantize_supports(Int16, channel));
        assert!(target.dequantize_supports(Float16, Granularity::PerTensor));
        assert!(target.dequantize_supports(Float16, Granularity::Unscaled));
        assert!(!target.dequantize_supports(Float16, channel));
        assert!(!target.dequantize_supports(BFloat16, Granularity::Unscaled));
    }
}
