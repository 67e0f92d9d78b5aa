//! Outputs that the target would no longer write after a patch: the session puts a copy behind them.

use smallvec::SmallVec;
use tfq_ir::maps::IndexMap;
use tfq_ir::{Applied, InsertionPoint, Module, Op, OpId, Patch, Subgraph, SubgraphId, TensorId};
use tfq_target::Target;

/// What the patches of the session say that they do.
pub(crate) const LABEL: &str = "return a copy of what is not written";

/// Outputs that a patch may leave without what had them written: ops that it erases read them, or it
/// lets the subgraph return them.
pub(crate) fn at_stake(module: &Module, patch: &Patch) -> SmallVec<[TensorId; 1]> {
    let Some(graph) = module.find_subgraph(patch.subgraph()) else { return SmallVec::new() };
    let erased = patch.erased_ops().filter(|op| graph.contains_op(*op));
    let read = erased.flat_map(|op| graph.operands(op)).flatten();
    let read = read.filter(|id| graph.is_output(*id));
    read.chain(patch.returned()).collect()
}

/// The op that computes an output, and why the target would leave that unwritten.
pub(crate) struct Unwritten<'t> {
    op: OpId,
    pub(crate) reason: &'t str,
}

/// What is unwritten of the results of ops that an edit touched, and of what was at stake.
pub(crate) fn unwritten<'t>(
    (module, target, sg): (&Module, &'t Target, SubgraphId),
    applied: &Applied,
    at_stake: &[TensorId],
) -> IndexMap<TensorId, Unwritten<'t>> {
    let mut found = IndexMap::default();
    let Some(graph) = module.find_subgraph(sg) else { return found };
    let makers = at_stake.iter().filter_map(|id| maker(graph, *id));
    for op in applied.ops.iter().copied().chain(makers).filter(|op| graph.contains_op(*op)) {
        let Some(reason) = target.leaves_unwritten(module, sg, op) else { continue };
        let outputs = graph.results(op).into_iter().filter(|id| graph.is_output(*id));
        found.extend(outputs.map(|output| (output, Unwritten { op, reason })));
    }
    found
}

fn maker(graph: &Subgraph, id: TensorId) -> Option<OpId> {
    let (op, _) = graph.contains_tensor(id).then(|| graph.producer(id)).flatten()?;
    Some(op)
}

/// Returns a copy in the place of the output, under its name.
pub(crate) fn copy(
    module: &Module,
    sg: SubgraphId,
    (output, unwritten): (TensorId, &Unwritten<'_>),
) -> Patch {
    let mut patch = Patch::new(sg, LABEL);
    let tensor = module.subgraph(sg).tensor(output);
    patch.set_name(output, Some(format!("{}_dequantize", tensor.label()).into()));
    let reshape = Op::reshape(&tensor.shape);
    let copy = patch.add_tensor(tensor.clone());
    patch.add_op(reshape, InsertionPoint::After(unwritten.op), &[Some(output.into())], &[copy]);
    patch.replace_output(output, copy);
    patch
}
