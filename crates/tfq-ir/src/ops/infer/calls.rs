//! Ops of a module: those that call subgraphs give what these return.

use super::{InferError, OperandFacts, ResultFacts, Shape, ShapeRule, infer, stated};
use crate::ops::semantics_of;
use crate::{ElementType, Module, Op, OpId, Subgraph, SubgraphId};

/// What an op of a module gives: [`infer()`] with what its tensors are, and for control flow with
/// what the called subgraphs return.
pub fn infer_op(module: &Module, sg: SubgraphId, op: OpId) -> Result<Vec<ResultFacts>, InferError> {
    let graph = module.subgraph(sg);
    let facts = |id| {
        let contents = module.constant(sg, id).map(|bytes| &bytes[..]);
        OperandFacts::of(graph.tensor(id), contents)
    };
    let operands = graph.operands(op);
    let operands: Vec<_> = operands.into_iter().map(|operand| operand.map(facts)).collect();
    let types = graph.results(op).into_iter().map(|id| Some(stated(graph.tensor(id))));
    infer_in(module, graph.op(op), &operands, &types.collect::<Vec<_>>())
}

/// [`infer()`] for an op that may call subgraphs of a module.
pub(crate) fn infer_in(
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
        .filter_map(|(_, number)| Some(module.subgraphs().nth(usize::try_from(number).ok()?)?.1))
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
