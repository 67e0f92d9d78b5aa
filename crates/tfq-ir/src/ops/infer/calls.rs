//! Ops of a module: those that call subgraphs give what these return.

use super::{InferError, OperandFacts, ResultFacts, Shape, ShapeRule, infer, stated};
use crate::ops::semantics_of;
use crate::{ElementType, Module, Op, OpId, Subgraph, SubgraphId, Tensor, TensorId};
use smallvec::SmallVec;

/// What an op of a module gives: [`infer()`] with what its tensors are, and for control flow with
/// what the called subgraphs return.
pub fn infer_op(module: &Module, sg: SubgraphId, op: OpId) -> Result<Vec<ResultFacts>, InferError> {
    let view = OpView::of(module, sg, op);
    view.infer(module, &view.operands)
}

/// An op, and what is known of its tensors.
#[derive(Debug)]
pub(crate) struct OpView<'a> {
    pub(crate) op: &'a Op,
    pub(crate) operands: SmallVec<[Option<OperandFacts<'a>>; 4]>,
    pub(crate) results: SmallVec<[&'a Tensor; 2]>,
}

impl<'a> OpView<'a> {
    /// An op of a module.
    pub(crate) fn of(module: &'a Module, sg: SubgraphId, op: OpId) -> Self {
        let graph = module.subgraph(sg);
        let facts = |id| OperandFacts::in_module(module, sg, id);
        Self {
            op: graph.op(op),
            operands: graph.operands(op).into_iter().map(|id| id.map(facts)).collect(),
            results: graph.results(op).into_iter().map(|id| graph.tensor(id)).collect(),
        }
    }

    /// What it gives with these operands, where calls are calls of this module's subgraphs.
    pub(crate) fn infer(
        &self,
        module: &Module,
        operands: &[Option<OperandFacts<'_>>],
    ) -> Result<Vec<ResultFacts>, InferError> {
        let types: SmallVec<[_; 2]> =
            self.results.iter().map(|tensor| Some(stated(tensor))).collect();
        infer_in(module, self.op, operands, &types)
    }
}

impl<'a> OperandFacts<'a> {
    /// What is known of a tensor of a module.
    pub(crate) fn in_module(module: &'a Module, sg: SubgraphId, id: TensorId) -> Self {
        let contents = module.constant(sg, id).map(|bytes| &bytes[..]);
        Self::of(module.subgraph(sg).tensor(id), contents)
    }
}

/// [`infer()`] for an op that may call subgraphs of a module.
fn infer_in(
    module: &Module,
    op: &Op,
    operands: &[Option<OperandFacts<'_>>],
    results: &[Option<ElementType>],
) -> Result<Vec<ResultFacts>, InferError> {
    let mut given = infer(op, operands, results)?;
    if semantics_of(op).is_none_or(|what| what.shape != ShapeRule::Callee) {
        return Ok(given);
    }
    // What a condition returns is no result of a loop.
    let (conditions, bodies): (Vec<_>, Vec<_>) =
        op.subgraph_refs().into_iter().partition(|(name, _)| *name == "cond_subgraph_index");
    let loops = !conditions.is_empty();
    let bodies: Vec<&Subgraph> = bodies
        .into_iter()
        .filter_map(|(_, number)| module.find_subgraph(SubgraphId(u32::try_from(number).ok()?)))
        .collect();
    for (n, result) in given.iter_mut().enumerate() {
        let returned = |graph: &&Subgraph| {
            let tensor = graph.tensor(*graph.outputs().get(n)?);
            Some((stated(tensor), Shape::of_tensor(tensor, false)))
        };
        // A loop that does not run gives what it was given.
        let given = operands.get(n).and_then(Option::as_ref).filter(|_| loops);
        let given = given.map(|operand| Some((operand.ty, operand.shape.clone())));
        let all = bodies.iter().map(returned).chain(given).reduce(|a, b| {
            a.zip(b).filter(|(a, b)| a.0 == b.0).map(|(a, b)| (a.0, a.1.join(&b.1)))
        });
        if let Some(Some((ty, shape))) = all {
            *result = ResultFacts { types: [ty].into_iter().collect(), shape };
        }
    }
    Ok(given)
}
