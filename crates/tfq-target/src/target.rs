//! Targets: what they are asked.

use crate::condition::{Condition, Site, single_scale, type_bit};
use crate::data::{self, Kernels, OpEntry, Outcome, Rule};
use crate::error::TargetError;
use crate::form::{Granularity, WeightForm, grain, quantized_axis};
use crate::versions;
use smallvec::SmallVec;
use std::sync::OnceLock;
use tfq_ir::{ElementType, Module, OpId, OpKind, Subgraph, SubgraphId, Tensor};

/// Shipped targets: name and data file.
const SHIPPED: [(&str, &str); 1] = [("litert", include_str!("../data/litert.toml"))];

/// A runtime, as far as this project must know it: which kernels read which weights, and which versions of operators
/// there are.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
    summary: String,
    /// A model for the target must run on all of these.
    kernels: Vec<Kernels>,
    ops: Vec<OpEntry>,
    /// In order of precedence, those about every op before all others.
    rules: Vec<Rule>,
    dequantize: Vec<(u32, u8)>,
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
    pub fn named(name: &str) -> Option<&'static Self> {
        static TARGETS: [OnceLock<Target>; SHIPPED.len()] =
            [const { OnceLock::new() }; SHIPPED.len()];
        let n = SHIPPED.iter().position(|(shipped, _)| *shipped == name)?;
        let (name, text) = SHIPPED[n];
        Some(
            TARGETS[n].get_or_init(|| {
                Self::parse(name, text).expect("a test reads every shipped target")
            }),
        )
    }

    /// Names of the shipped targets.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Reads a target from its data file. `data/litert.toml` explains the format.
    pub fn parse(name: &str, text: &str) -> Result<Self, TargetError> {
        let parsed = data::parse(name, text)?;
        let mut ops = parsed.ops;
        let mut rules = parsed.rules;
        let mut dequantize = parsed.dequantize;
        if let Some(base) = parsed.base {
            ops.extend(base.ops.iter().cloned());
            rules.extend(base.rules.iter().cloned());
            // What Dequantize reads is replaced, not added to.
            if dequantize.is_empty() {
                dequantize.clone_from(&base.dequantize);
            }
        }
        rules.sort_by_key(|rule| !rule.is_general());
        for entry in &mut ops {
            let code = entry.code;
            entry.facts.hybrid = rules.iter().enumerate().any(|(n, rule)| {
                rule.ops.contains(&code)
                    && runs(rule, &parsed.kernels)
                    && !rules[..n].iter().any(|earlier| earlier.covers(rule, code))
            });
        }
        Ok(Self {
            name: name.to_owned(),
            summary: parsed.summary,
            kernels: parsed.kernels,
            ops,
            rules,
            dequantize,
        })
    }

    /// Its name, for example `litert`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it stands for, in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What it knows of ops of this kind; `None` for kinds without weights and for custom ops. Where instances of a
    /// kind differ (the BASIC kernel of LSTM), this is about the usual ones: [`Self::facts_of`] looks at the instance.
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

    /// The axis along which the weight at this operand may have one scale per index; `None` where kernels read one
    /// scale only, or the operand is no weight.
    pub fn channel_axis(&self, graph: &Subgraph, op: OpId, slot: u32) -> Option<usize> {
        let facts = self.facts_of(graph, op)?;
        let tensor = graph.tensor(graph.operand(op, slot)?);
        if facts.weights.contains(&slot) { axis_of(facts, graph, op, tensor) } else { None }
    }

    /// Whether the op can read the constant at this operand in this form, with float data around it. The tensor may
    /// have another form yet (float32, as a rule): then the answer is for the tensor that it would become, with scales
    /// that are positive, normal and finite and zero points 0. Where the tensor has the form already, its scales and
    /// zero points count too.
    ///
    /// In an op with [`OpFacts::all_or_none`], the answer for a tensor that is float32 still supposes that the op's
    /// other float32 constants get the same form; [`Self::group_verdict`] asks for all of them at once.
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
        let tensor = graph.tensor(id);
        let grains = grains_of(tensor, *form, axis_of(facts, graph, op, tensor));
        let site = Site::new(module, sg, op).with_weight(id, *form, facts);
        let rule = self.rules.iter().find(|rule| {
            (rule.is_general() || rule.ops.contains(&code))
                && rule.types & type_bit(form.ty) != 0
                && rule.grains & grains != 0
                && all_hold(&rule.when, &site)
        });
        match rule {
            Some(rule) if runs(rule, &self.kernels) => Verdict::Hybrid {
                delegated: rule.delegated && self.kernels.contains(&Kernels::Xnnpack),
            },
            Some(rule) => Verdict::dequantize(format!("{}: {}", rule.reason, self.effect(rule))),
            None => Verdict::dequantize(format!("no kernel of {kind} for {form} weights is known")),
        }
    }

    /// The verdict on all weights of an op that are there, each asked in the form that `form` gives it: the first
    /// refusal, or hybrid. For ops with [`OpFacts::all_or_none`].
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

    /// Whether Dequantize turns constants of this form into float32 (INT16 with zero point 0 only). Blockwise and
    /// multi-axis scales would be taken for 0.
    pub fn dequantize_supports(&self, ty: ElementType, granularity: Granularity) -> bool {
        let grain = match granularity {
            Granularity::PerTensor => grain::TENSOR,
            Granularity::PerChannel { .. } => grain::CHANNEL,
            Granularity::Blockwise { .. } => grain::BLOCK,
            Granularity::Unscaled => grain::UNSCALED,
            Granularity::Other => grain::OTHER,
        };
        self.dequantize
            .iter()
            .any(|(types, grains)| types & type_bit(ty) != 0 && grains & grain != 0)
    }

    /// The version that the op needs as it stands, by the converters' rules. `None` where there is no rule, or where
    /// the rules name a version that no runtime registers: keep what is there.
    pub fn version(&self, module: &Module, sg: SubgraphId, op: OpId) -> Option<i32> {
        let OpKind::Builtin(code) = module.subgraph(sg).op(op).kind else { return None };
        let version = versions::rules().version(code, &Site::new(module, sg, op))?;
        let (min, max) = versions::runtimes().registered(code)?;
        (min..=max).contains(&version).then_some(version)
    }

    /// The first release of the runtime (of TensorFlow, by its numbering) that has this version of the op.
    pub fn min_runtime(&self, kind: &OpKind, version: i32) -> Option<&'static str> {
        match kind {
            OpKind::Builtin(code) => versions::runtimes().release(*code, version),
            OpKind::Custom(_) => None,
        }
    }

    /// The first and last version of the op that the runtime loads.
    pub fn registered_versions(&self, kind: &OpKind) -> Option<(i32, i32)> {
        match kind {
            OpKind::Builtin(code) => versions::runtimes().registered(*code),
            OpKind::Custom(_) => None,
        }
    }

    /// The first release that runs every op of the model in the version it has; empty where nothing is known of any.
    /// Ops that are not in the table, custom ones among them, do not count.
    pub fn model_min_runtime(&self, module: &Module) -> String {
        let releases = module.subgraphs().flat_map(|(_, graph)| {
            graph.ops().filter_map(move |op| {
                let op = graph.op(op);
                self.min_runtime(&op.kind, op.version)
            })
        });
        versions::max_runtime(releases).unwrap_or_default().to_owned()
    }

    /// What happens where the rule refuses, and on which kernels if not on all.
    fn effect(&self, rule: &Rule) -> String {
        let Some(first) =
            self.kernels.iter().map(|k| rule.outcome(*k)).find(|outcome| *outcome != Outcome::Ok)
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
            .filter(|kernels| rule.outcome(**kernels) == first)
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

fn runs(rule: &Rule, kernels: &[Kernels]) -> bool {
    kernels.iter().all(|kernels| rule.outcome(*kernels) == Outcome::Ok)
}

fn all_hold(when: &[Condition], site: &Site<'_>) -> bool {
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

/// What the form's granularity means to an op that wants scales along `axis`. One scale for an axis of one index is
/// both per tensor and per channel.
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
                    target.rules.iter().rfind(|rule| rule.ops.contains(&entry.code)).unwrap();
                assert!(last.when.is_empty() && last.grains == grain::ALL, "{}", entry.facts.name);
                assert_eq!(last.types, u32::MAX, "{}", entry.facts.name);
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
            (4, Problem::UnknownOp("CONV_4D".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\ntypes = [\"INT7\"]")),
            (4, Problem::UnknownType("INT7".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nwhen = [\"full-moon\"]")),
            (4, Problem::UnknownCondition("full-moon".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_2D\"]\nwhen = [\"attr.adj_y\"]")),
            (4, Problem::UnknownAttribute("attr.adj_y".into(), "CONV_2D".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_2D\"]\nwhen = [\"attr.padding=SOME\"]")),
            (4, Problem::UnknownAttribute("attr.padding=SOME".into(), "CONV_2D".into()))
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
        assert_eq!(op("zero-point"), (3, Problem::NeedsWeight("zero-point".into())));
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
