//! A model of some of a subgraph's ops.

use std::sync::Arc;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{
    ElementType, Metadata, Module, OpId, Signature, Subgraph, SubgraphBuilder, SubgraphId,
    TensorId, TensorLink, numbering,
};

/// The model with these ops of a subgraph as its main one. What they read and removed ops
/// computed becomes an input; what `returned` holds of is returned. Nothing that became unused
/// is left. `None` where it cannot be a model: the subgraph calls the main one, whose place it
/// takes, or an input would be a resource.
///
/// Unlike [`Module::extract`], which shows a few ops by themselves, this keeps everything else
/// that the model has: the subgraphs that ops call, operator codes, signatures and metadata.
pub(super) fn cut(
    module: &Module,
    sg: SubgraphId,
    ops: &IndexSet<OpId>,
    returned: impl Fn(TensorId) -> bool,
) -> Option<Module> {
    let graph = module.subgraph(sg);
    let mut cut = Cut::new(graph);
    let read_by_kept = |id: TensorId| graph.uses(id).iter().any(|u| ops.contains(&u.op));
    let is_kept = |id: &TensorId| read_by_kept(*id) || (graph.is_output(*id) && returned(*id));
    let mut inputs: Vec<TensorId> =
        graph.inputs().iter().copied().filter(is_kept).map(|id| cut.tensor(id)).collect();
    for op in graph.ops().filter(|op| ops.contains(op)) {
        cut.op(op);
    }
    let computed = |id: TensorId| graph.producer(id).is_some_and(|(op, _)| ops.contains(&op));
    // Tensors that nobody ever computed are constants, variables or scratch.
    let opened: Vec<TensorId> = cut
        .placed
        .keys()
        .copied()
        .filter(|id| !computed(*id) && graph.producer(*id).is_some() && !graph.is_input(*id))
        .collect();
    let handle = |id: &TensorId| {
        matches!(graph.tensor(*id).ty, ElementType::Resource | ElementType::Variant)
    };
    if opened.iter().any(handle) {
        return None;
    }
    inputs.extend(opened.iter().map(|id| cut.placed[id]));

    let has_value = |id: &TensorId| graph.producer(*id).is_none() || computed(*id);
    let listed = graph.outputs().iter().copied().filter(|id| returned(*id) && has_value(id));
    let mut outputs: Vec<TensorId> = listed.map(|id| cut.tensor(id)).collect();
    let more = cut
        .placed
        .iter()
        .filter(|(old, _)| computed(**old) && !graph.is_output(**old) && returned(**old));
    outputs.extend(more.map(|(_, new)| *new));
    let Cut { mut builder, placed, .. } = cut;
    builder.relink(&placed);
    assemble(module, sg, builder.finish(inputs, outputs), &placed)
}

/// The model with this subgraph in the main one's place, and what it calls.
fn assemble(
    module: &Module,
    sg: SubgraphId,
    main: Subgraph,
    placed: &IndexMap<TensorId, TensorId>,
) -> Option<Module> {
    let calls_main = |graph: &Subgraph| {
        graph.ops().any(|op| graph.op(op).subgraph_refs().iter().any(|(_, callee)| *callee == 0))
    };
    if sg.0 != 0 && calls_main(&main) {
        return None;
    }
    let signatures = module
        .signatures()
        .iter()
        .filter(|signature| sg.0 == 0 || signature.subgraph != 0)
        .map(|signature| match signature.subgraph == sg.0 {
            true => moved(signature, placed),
            false => signature.clone(),
        })
        .collect();
    let mut new = module.rebuilt(|parts| {
        parts.subgraphs[0] = main;
        parts.signatures = signatures;
        // What numbers parts of the model is wrong for some of them.
        let holds = |entry: &Metadata| entry.name.as_deref().and_then(numbering).is_none();
        parts.metadata.retain(holds);
        parts.records.clear();
    });
    new.prune_subgraphs();
    new.prune_buffers();
    new.prune_op_codes();
    Some(new)
}

/// The signature of a subgraph that became the main one, without the tensors that are gone.
fn moved(signature: &Signature, placed: &IndexMap<TensorId, TensorId>) -> Signature {
    let link = |(name, link): &(Option<Arc<str>>, TensorLink)| {
        let link = match link {
            TensorLink::Tensor(id) => TensorLink::Tensor(*placed.get(id)?),
            TensorLink::Raw(number) => TensorLink::Raw(*number),
        };
        Some((name.clone(), link))
    };
    Signature {
        subgraph: 0,
        inputs: signature.inputs.iter().filter_map(link).collect(),
        outputs: signature.outputs.iter().filter_map(link).collect(),
        ..signature.clone()
    }
}

struct Cut<'a> {
    graph: &'a Subgraph,
    builder: SubgraphBuilder,
    /// Tensors of the new subgraph by those of the old one.
    placed: IndexMap<TensorId, TensorId>,
}

impl<'a> Cut<'a> {
    fn new(graph: &'a Subgraph) -> Self {
        let mut builder = SubgraphBuilder::new(graph.name.clone());
        builder.debug_metadata_index(graph.debug_metadata_index);
        Self { graph, builder, placed: IndexMap::default() }
    }

    fn op(&mut self, op: OpId) {
        let graph = self.graph;
        let mut list = |ids: tfq_ir::Operands| -> Vec<Option<TensorId>> {
            ids.into_iter().map(|id| id.map(|id| self.tensor(id))).collect()
        };
        let operands = list(graph.operands(op));
        let intermediates = list(graph.intermediates(op));
        let results: Vec<TensorId> =
            graph.results(op).into_iter().map(|id| self.tensor(id)).collect();
        let placed = self.builder.op(graph.op(op).clone(), &operands, &results);
        self.builder.intermediates(placed, &intermediates);
    }

    /// The tensor in the new subgraph, put there when it is first asked for, with the tensors that
    /// its quantisation names.
    fn tensor(&mut self, old: TensorId) -> TensorId {
        self.builder.take_over(self.graph, old, &mut self.placed, |_| ())
    }
}

/// The ops that some of these tensors depend on.
pub(super) fn needed(graph: &Subgraph, tensors: &IndexSet<TensorId>) -> IndexSet<OpId> {
    let mut needed = IndexSet::default();
    let mut todo: Vec<TensorId> = tensors.iter().copied().collect();
    while let Some(id) = todo.pop() {
        let Some((op, _)) = graph.producer(id) else { continue };
        if needed.insert(op) {
            todo.extend(graph.operands(op).into_iter().flatten());
        }
    }
    needed
}
