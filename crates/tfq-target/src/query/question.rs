//! Questions about a weight of an op: what is known of the op, and the rule that decides.

use crate::facts::condition::{Condition, Site, single_scale};
use crate::facts::op::OpFacts;
use crate::facts::rows::{KernelRule, OpEntry};
use crate::facts::tensor_test::type_bit;
use crate::form::{Granularity, WeightForm, grain, quantized_axis};
use crate::target::Target;
use smallvec::SmallVec;
use std::sync::Arc;
use tfq_ir::{Module, OpId, OpKind, Quantization, Subgraph, SubgraphId, Tensor, TensorId};

/// An operand of an op that is, or may be, a weight.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct WeightOperand<'a> {
    pub module: &'a Module,
    pub sg: SubgraphId,
    pub op: OpId,
    pub slot: u32,
}

/// A weight of an op, and the form it has or could get.
pub(crate) struct Question<'a> {
    pub(crate) module: &'a Module,
    pub(crate) sg: SubgraphId,
    pub(crate) op: OpId,
    pub(crate) id: TensorId,
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

impl Target {
    /// What it knows of ops of this kind; `None` for kinds without weights and for custom ops.
    /// Where instances of a kind differ (the BASIC kernel of LSTM), this is about the usual ones:
    /// [`Self::facts_of`] looks at the instance.
    pub fn op_facts(&self, kind: &OpKind) -> Option<&OpFacts> {
        let OpKind::Builtin(code) = *kind else { return None };
        self.entries_of(code).find(|entry| entry.when.is_empty()).map(|entry| &entry.facts)
    }

    /// What it knows of this op.
    pub fn facts_of(&self, graph: &Subgraph, op: OpId) -> Option<&OpFacts> {
        self.entry_of(graph, op).map(|entry| &entry.facts)
    }

    /// The row of the op table that is about this op.
    pub(crate) fn entry_of(&self, graph: &Subgraph, op: OpId) -> Option<&OpEntry> {
        let OpKind::Builtin(code) = graph.op(op).kind else { return None };
        let holds = |entry: &&OpEntry| {
            entry.when.is_empty() || all_hold(&entry.when, &Site::bare(graph, op))
        };
        self.entries_of(code).find(holds)
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

    /// The question about a weight of a known op.
    pub(crate) fn question<'a>(
        &'a self,
        weight: WeightOperand<'a>,
        form: &WeightForm,
    ) -> Option<Question<'a>> {
        let WeightOperand { module, sg, op, slot } = weight;
        let graph = module.subgraph(sg);
        let facts = self.facts_of(graph, op).filter(|facts| facts.weights.contains(&slot))?;
        let OpKind::Builtin(code) = graph.op(op).kind else { return None };
        let id = graph.operand(op, slot)?;
        Some(Question { module, sg, op, id, code, facts, form: *form })
    }

    /// The rule that decides.
    pub(crate) fn rule(&self, question: &Question<'_>) -> Option<&KernelRule> {
        let about = (type_bit(question.form.ty), question.grains());
        let site = question.site();
        self.rules_of(question.code, about).find(|rule| all_hold(&rule.scope.when, &site))
    }
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
