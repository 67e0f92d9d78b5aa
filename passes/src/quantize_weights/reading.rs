//! How ops would read a constant in a form.

use super::QuantizeWeights;
use super::constants::slots;
use super::float16::Widened;
use super::form::{Form, WeightUse};
use super::options::WeightType;
use tfq_ir::maps::IndexSet;
use tfq_ir::{Module, OpId, SubgraphId, TensorId};
use tfq_target::{Granularity, Objective, Target, WeightForm};

/// What a choice is made from.
pub(super) struct Select<'a> {
    pub(super) pass: &'a QuantizeWeights,
    pub(super) module: &'a Module,
    pub(super) widened: Option<&'a Widened>,
    pub(super) target: &'a Target,
    pub(super) prefer: Objective,
    /// Ops with a hybrid kernel for all of their weights or none, where it cannot be all.
    pub(super) broken: IndexSet<(SubgraphId, OpId)>,
    /// Float16 biases that become float32 for what was selected so far, which later ones get for
    /// nothing.
    pub(super) biases: IndexSet<(SubgraphId, TensorId)>,
}

impl Select<'_> {
    pub(super) fn slots(&self, sg: SubgraphId, op: OpId) -> Vec<u32> {
        slots(self.pass, self.module, self.target, sg, op)
    }

    /// Whether the op's weights are to be int8 all together, for a hybrid kernel.
    pub(super) fn is_family(&self, sg: SubgraphId, op: OpId) -> bool {
        let facts = self.target.facts_of(self.module.subgraph(sg), op);
        facts.is_some_and(|facts| facts.all_or_none && facts.hybrid) && self.may_be_hybrid(sg, op)
    }

    pub(super) fn may_be_hybrid(&self, sg: SubgraphId, op: OpId) -> bool {
        let kind = &self.module.subgraph(sg).op(op).kind;
        self.pass.hybrid && self.pass.r#type == WeightType::Int8 && !self.pass.deny.contains(kind)
    }

    /// Whether the op will read all of its weights as int8.
    pub(super) fn is_whole_family(&self, u: &WeightUse) -> bool {
        self.is_family(u.sg, u.op) && !self.broken.contains(&(u.sg, u.op))
    }

    pub(super) fn is_large(&self, u: &WeightUse) -> bool {
        let tensor = self.module.subgraph(u.sg).tensor(u.tensor);
        tensor.elements().unwrap_or(0) >= self.pass.min_elements
    }

    /// How the op would read the constant in this form: without a Dequantize in front, and then
    /// whether XNNPACK takes the op; or why not.
    pub(super) fn reads(&self, u: &WeightUse, form: &Form) -> Result<bool, String> {
        let graph = self.module.subgraph(u.sg);
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
        let form = form.stored();
        if facts.pass_through {
            let copies = form.granularity == Granularity::PerTensor;
            return if copies {
                Ok(false)
            } else {
                Err("it copies codes with one scale".to_owned())
            };
        }
        let verdict = if facts.all_or_none {
            self.target.group_verdict(self.module, u.sg, u.op, |_, _| form)
        } else {
            self.target.hybrid(u.operand(self.module), &form)
        };
        match verdict {
            tfq_target::Verdict::Hybrid { delegated } => match self.too_slow(u, &form, delegated) {
                Some(reason) => Err(reason),
                None => Ok(delegated),
            },
            tfq_target::Verdict::Dequantize { reason } => Err(reason),
        }
    }

    /// Why float32 kernels answer sooner than the one that reads the codes, if they do and that
    /// matters most.
    pub(super) fn too_slow(
        &self,
        u: &WeightUse,
        form: &WeightForm,
        delegated: bool,
    ) -> Option<String> {
        if self.prefer != Objective::Latency || delegated {
            return None;
        }
        let graph = self.module.subgraph(u.sg);
        if self.target.takes_as_float(graph, u.op) {
            return Some(
                "prefer=latency: XNNPACK takes the op with float32 weights only".to_owned(),
            );
        }
        let slow = self.target.slow(u.operand(self.module), form)?;
        Some(format!("prefer=latency: {slow}"))
    }
}
