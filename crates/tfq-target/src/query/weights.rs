//! Whether an op can read a weight as it is stored.

use crate::facts::rows::{Dequantize, KernelRule, KernelSet, Outcome};
use crate::facts::tensor_test::type_bit;
use crate::facts::versions;
use crate::form::{Granularity, WeightForm, grain};
use crate::query::question::{Question, WeightOperand};
use crate::query::releases::dequantize_version;
use crate::target::Target;
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::{ElementType, Module, OpId, OpKind, SubgraphId, Tensor};

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
    /// Whether the op can read the constant at this operand in this form, with float data around
    /// it. The tensor may have another form yet (float32, as a rule): then the answer is for the
    /// tensor that it would become, with scales that are positive, normal and finite and zero
    /// points 0. Where the tensor has the form already, its scales and zero points count too.
    ///
    /// In an op with [`all_or_none`](crate::OpFacts::all_or_none), the answer for a tensor that is
    /// float32 still supposes that the op's other float32 constants get the same form;
    /// [`Self::group_verdict`] asks for all of them at once.
    pub fn hybrid(&self, weight: WeightOperand<'_>, form: &WeightForm) -> Verdict {
        let WeightOperand { module, sg, op, slot } = weight;
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
                    delegated: rule.delegated && self.kernels.contains(&KernelSet::Xnnpack),
                },
            },
            Some(rule) => Verdict::dequantize(format!("{}: {}", rule.reason, self.effect(rule))),
            None => Verdict::dequantize(format!("no kernel of {kind} for {form} weights is known")),
        }
    }

    /// Whether every kernel of the target computes with the weight in this form, be it wrongly:
    /// results would change if the op read something else. A kernel that came after the target's
    /// last release computes nothing there.
    pub fn computes(&self, weight: WeightOperand<'_>, form: &WeightForm) -> bool {
        let Some(question) = self.question(weight, form) else { return false };
        let runs = |outcome| matches!(outcome, Outcome::Ok | Outcome::Silent);
        let rule = self.rule(&question);
        rule.is_some_and(|rule| self.kernels.iter().all(|kernels| runs(rule.outcome(*kernels))))
            && self.too_new(&question, None).is_none()
    }

    /// Whether a hybrid op may have `asymmetric_quantize_inputs` set when it reads the weight in
    /// this form: the attribute asks for a higher version of the op.
    pub fn may_be_asymmetric(&self, weight: WeightOperand<'_>, form: &WeightForm) -> bool {
        self.question(weight, form)
            .is_some_and(|question| self.too_new(&question, Some(true)).is_none())
    }

    /// The verdict on all weights of an op that are there, each asked in the form that `form` gives
    /// it: the first refusal, or hybrid. For ops with [`all_or_none`](crate::OpFacts::all_or_none).
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
            match self.hybrid(WeightOperand { module, sg, op, slot }, &form) {
                Verdict::Hybrid { delegated } => all_delegated &= delegated,
                refusal @ Verdict::Dequantize { .. } => return refusal,
            }
        }
        Verdict::Hybrid { delegated: all_delegated }
    }

    /// Whether Dequantize turns constants of this form into float32 (INT16 with zero point 0 only).
    /// Blockwise and multi-axis scales would be taken for 0.
    pub fn dequantize_supports(&self, ty: ElementType, granularity: Granularity) -> bool {
        let read = self.dequantize_rows(ty, granularity).next().is_some();
        let Some(cap) = self.max_runtime.as_deref().filter(|_| read) else { return read };
        let newest = self.newest(DEQUANTIZE, cap);
        newest.zip(dequantize_version(ty, granularity)).is_some_and(|(most, own)| own <= most)
    }

    /// Whether Dequantize does so with zero points other than 0 as well.
    pub fn dequantize_reads_zero_points(&self, ty: ElementType, granularity: Granularity) -> bool {
        let since =
            self.dequantize_rows(ty, granularity).filter_map(|row| row.zero_points.as_ref());
        let cap = self.max_runtime.as_deref();
        self.dequantize_supports(ty, granularity) && { since }
            .any(|since| cap.is_none_or(|cap| versions::reaches(cap, since)))
    }

    fn dequantize_rows(
        &self,
        ty: ElementType,
        granularity: Granularity,
    ) -> impl Iterator<Item = &Dequantize> {
        let (types, grain) = (type_bit(ty), grain_of(granularity));
        self.dequantize.iter().filter(move |row| row.types & types != 0 && row.grains & grain != 0)
    }

    /// What happens where the rule refuses, and on which kernels if not on all.
    pub(crate) fn effect(&self, rule: &KernelRule) -> String {
        self.effect_of(|kernels| rule.outcome(kernels))
    }

    pub(crate) fn effect_of(&self, of: impl Fn(KernelSet) -> Outcome) -> String {
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
            Outcome::Crash => "the runtime crashes",
            Outcome::Unsupported => "there is no kernel for it",
            Outcome::Untested => "what kernels do is not known",
        };
        let with: Vec<&str> = self
            .kernels
            .iter()
            .filter(|kernels| of(**kernels) == first)
            .map(|kernels| match kernels {
                KernelSet::Reference => "reference kernels",
                KernelSet::Optimized => "optimised kernels",
                KernelSet::Xnnpack => "XNNPACK",
            })
            .collect();
        if with.len() == self.kernels.len() {
            what.to_owned()
        } else {
            format!("{what} ({})", with.join(", "))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn which_targets_read_zero_points_behind_a_dequantize() {
        let channel = Granularity::PerChannel { axis: 0 };
        let reads = |name: &str, ty, granularity| {
            Target::named(name).unwrap().dequantize_reads_zero_points(ty, granularity)
        };
        for name in ["litert", "litert-cpu", "litert-xnnpack", "tflite-2.7", "tflite-2.14"] {
            assert!(reads(name, ElementType::Int8, channel), "{name}");
            assert!(reads(name, ElementType::Int8, Granularity::PerTensor), "{name}");
            assert!(!reads(name, ElementType::Int4, channel), "{name}");
            assert!(!reads(name, ElementType::Int16, Granularity::PerTensor), "{name}");
        }
        for name in ["tflite-1.14", "tflite-2.5", "tflm", "gpu", "float-only"] {
            assert!(!reads(name, ElementType::Int8, channel), "{name}");
            assert!(!reads(name, ElementType::Int8, Granularity::PerTensor), "{name}");
        }
    }
}
