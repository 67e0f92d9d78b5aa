//! The numbers by which a plan knows ops and tensors: those of the model that the run began with,
//! as people and other tools see it. What a pass added before has the number of its handle, which
//! is past all of these.

use super::weight_plan::{PlannedReader, PlannedTensor};
use tfq_ir::maps::HashMap;
use tfq_ir::{Module, OpId, SubgraphId, TensorId};

pub(super) struct PlanNumbers<'m> {
    start: &'m Module,
    /// By subgraph of the start.
    ops: Vec<Vec<OpId>>,
    tensors: Vec<Vec<TensorId>>,
    of_ops: HashMap<OpId, u32>,
    of_tensors: HashMap<TensorId, u32>,
}

impl<'m> PlanNumbers<'m> {
    pub(super) fn of(start: &'m Module) -> Self {
        let ops: Vec<Vec<OpId>> =
            start.subgraphs().map(|(_, graph)| graph.ops().collect()).collect();
        let tensors: Vec<Vec<TensorId>> =
            start.subgraphs().map(|(_, graph)| graph.tensors().collect()).collect();
        let of_ops = ops.iter().flat_map(|ops| ops.iter().copied().zip(0..)).collect();
        let of_tensors = tensors.iter().flat_map(|ids| ids.iter().copied().zip(0..)).collect();
        Self { start, ops, tensors, of_ops, of_tensors }
    }

    pub(super) fn start(&self) -> &'m Module {
        self.start
    }

    /// The number of a subgraph of a later state.
    pub(super) fn subgraph(&self, module: &Module, sg: SubgraphId) -> u32 {
        self.start.by_origin(module.subgraph(sg).origin()).unwrap_or(sg).0
    }

    pub(super) fn is_of_start(&self, op: OpId) -> bool {
        self.of_ops.contains_key(&op)
    }

    pub(super) fn op(&self, op: OpId) -> u32 {
        self.of_ops.get(&op).copied().unwrap_or_else(|| op.number())
    }

    pub(super) fn tensor(&self, id: TensorId) -> u32 {
        self.of_tensors.get(&id).copied().unwrap_or_else(|| id.number())
    }

    /// The op that the plan means, where the module has it still.
    pub(super) fn find_op(
        &self,
        module: &Module,
        reader: &PlannedReader,
    ) -> Option<(SubgraphId, OpId)> {
        let sg = self.find_subgraph(module, reader.subgraph)?;
        let graph = module.subgraph(sg);
        let came = self.ops.get(reader.subgraph as usize);
        let op = match came.and_then(|ops| ops.get(reader.op as usize)) {
            Some(op) => *op,
            None => {
                graph.ops().find(|op| op.number() == reader.op && !self.of_ops.contains_key(op))?
            }
        };
        graph.contains_op(op).then_some((sg, op))
    }

    /// The tensor that the plan means, where the module has it still.
    pub(super) fn find_tensor(
        &self,
        module: &Module,
        at: &PlannedTensor,
    ) -> Option<(SubgraphId, TensorId)> {
        let sg = self.find_subgraph(module, at.subgraph)?;
        let graph = module.subgraph(sg);
        let came = self.tensors.get(at.subgraph as usize);
        let id = match came.and_then(|ids| ids.get(at.tensor as usize)) {
            Some(id) => *id,
            None => graph
                .tensors()
                .find(|id| id.number() == at.tensor && !self.of_tensors.contains_key(id))?,
        };
        graph.contains_tensor(id).then_some((sg, id))
    }

    fn find_subgraph(&self, module: &Module, number: u32) -> Option<SubgraphId> {
        let came = self.start.find_subgraph(SubgraphId(number));
        let sg = match came {
            Some(graph) => module.by_origin(graph.origin()),
            None => Some(SubgraphId(number)),
        };
        sg.filter(|sg| module.find_subgraph(*sg).is_some())
    }
}
