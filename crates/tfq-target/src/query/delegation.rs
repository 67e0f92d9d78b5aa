//! What XNNPACK takes of the ops of a subgraph.

use crate::facts::condition::Site;
use crate::facts::rows::{Delegate, KernelSet, Takes};
use crate::form::WeightForm;
use crate::query::question::{WeightOperand, all_hold};
use crate::target::Target;
use std::borrow::Cow;
use tfq_ir::maps::IndexMap;
use tfq_ir::{ElementType, Module, OpId, OpKind, SubgraphId, TensorId};

/// How many ops in a row may unpack a constant, one the result of the other.
const MOST_UNPACKING: usize = 4;

/// Whether XNNPACK takes an op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delegation<'a> {
    /// It does.
    Taken,
    /// It computes the op beforehand, once for all that read the result and that it takes.
    Unpacked,
    /// The CPU kernels run the op, and why.
    Left(Cow<'a, str>),
}

impl Delegation<'_> {
    /// Whether the op is part of a partition.
    pub fn is_taken(&self) -> bool {
        !matches!(self, Self::Left(_))
    }
}

/// What the rows say of an op by itself.
#[derive(Clone)]
struct Decision<'a> {
    takes: Takes,
    reason: Cow<'a, str>,
}

impl Target {
    /// Whether models for the target may run on XNNPACK, so that it matters what that takes.
    pub fn has_delegate(&self) -> bool {
        self.kernels.contains(&KernelSet::Xnnpack) && !self.delegate.is_empty()
    }

    /// What XNNPACK takes of each op of a subgraph, in their order. Nothing of targets without it.
    ///
    /// It sees types and shapes as the file has them, whatever they become at run time. Where an op
    /// reads quantised weights beside float32 data, the rows about weights ([`Self::hybrid`]) decide.
    pub fn delegations<'a>(
        &'a self,
        module: &Module,
        sg: SubgraphId,
    ) -> IndexMap<OpId, Delegation<'a>> {
        let graph = module.subgraph(sg);
        let decided: IndexMap<OpId, Decision<'a>> =
            graph.ops().map(|op| (op, self.decision(module, sg, op))).collect();
        let readers = |op: OpId| {
            let results = graph.results(op);
            results.into_iter().flat_map(|id| graph.uses(id)).map(|read| decided[&read.op].takes)
        };
        let left = |why: &'static str| Delegation::Left(why.into());
        let settled = decided.iter().map(|(op, decision)| {
            let delegation = match decision.takes {
                Takes::Yes => Delegation::Taken,
                Takes::No => Delegation::Left(decision.reason.clone()),
                Takes::WithAReader => match readers(*op).any(|takes| takes == Takes::Yes) {
                    true => Delegation::Taken,
                    false => left("XNNPACK takes none of the ops that read the result"),
                },
                Takes::WithAllReaders => match readers(*op)
                    .all(|takes| matches!(takes, Takes::Yes | Takes::WithAllReaders))
                {
                    true => Delegation::Unpacked,
                    false => left("XNNPACK leaves an op that reads the result"),
                },
            };
            (*op, delegation)
        });
        settled.collect()
    }

    /// The row about the op.
    fn delegate_row(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        depth: usize,
    ) -> Option<&Delegate> {
        let graph = module.subgraph(sg);
        let OpKind::Builtin(code) = graph.op(op).kind else { return None };
        let unpacks = |id: TensorId| self.unpacked_from(module, sg, id, depth);
        let site = Site::new(module, sg, op).unpacking(&unpacks);
        let mut about = self.delegate.iter().filter(|row| row.ops.contains(&code));
        about.find(|row| all_hold(&row.when, &site))
    }

    /// The type of the constant that an op unpacks into this tensor beforehand.
    fn unpacked_from(
        &self,
        module: &Module,
        sg: SubgraphId,
        id: TensorId,
        depth: usize,
    ) -> Option<ElementType> {
        let graph = module.subgraph(sg);
        let (op, _) = graph.producer(id).filter(|_| depth < MOST_UNPACKING)?;
        let row = self.delegate_row(module, sg, op, depth + 1)?;
        if row.takes != Takes::WithAllReaders {
            return None;
        }
        Some(graph.tensor(graph.operand(op, 0)?).ty)
    }

    fn decision<'a>(&'a self, module: &Module, sg: SubgraphId, op: OpId) -> Decision<'a> {
        let no = |reason: &'a str| Decision { takes: Takes::No, reason: reason.into() };
        if !self.has_delegate() {
            return no("the target has no delegate");
        }
        let kind = &module.subgraph(sg).op(op).kind;
        let code = match kind {
            OpKind::Builtin(code) if self.delegate.iter().any(|row| row.ops.contains(code)) => {
                *code
            }
            OpKind::Builtin(_) => return no("XNNPACK has no such op"),
            OpKind::Custom(_) => return no("XNNPACK takes no custom op"),
        };
        if let Some(decision) = self.hybrid_decision(module, sg, op) {
            return decision;
        }
        match self.delegate_row(module, sg, op, 0) {
            Some(row) => Decision { takes: row.takes, reason: row.reason.as_str().into() },
            None => {
                let name = tfq_ir::catalog::op_by_code(code).map_or("the op", |info| info.name);
                let reason = format!("XNNPACK takes {name} with other types, shapes or attributes");
                Decision { takes: Takes::No, reason: reason.into() }
            }
        }
    }

    /// The decision about an op with quantised weights beside float32 data.
    fn hybrid_decision<'a>(
        &'a self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
    ) -> Option<Decision<'a>> {
        let graph = module.subgraph(sg);
        let facts = self.facts_of(graph, op)?;
        let data = graph.operand(op, facts.activation?)?;
        if graph.tensor(data).ty != ElementType::Float32 {
            return None;
        }
        let mut asked = false;
        for slot in self.weight_slots(graph, op) {
            let tensor = graph.tensor(graph.operand(op, slot)?);
            if tensor.ty.is_float() {
                continue;
            }
            asked = true;
            let form = WeightForm::of(tensor);
            let question = self.question(WeightOperand { module, sg, op, slot }, &form)?;
            let rule = self.rule(&question);
            if !rule.is_some_and(|rule| rule.delegated) {
                let reason = match rule.map(|rule| rule.reason.as_str()) {
                    Some(reason) if !reason.is_empty() => reason.into(),
                    _ => format!("XNNPACK does not read {form} weights of this op").into(),
                };
                return Some(Decision { takes: Takes::No, reason });
            }
        }
        asked.then_some(Decision { takes: Takes::Yes, reason: Cow::default() })
    }
}
