//! Cutting a few ops out of a model.

use crate::maps::{IndexMap, IndexSet};
use crate::{ConstantPool, Module, ModuleParts, Op, OpId, SubgraphBuilder, SubgraphId, TensorId};

impl Module {
    /// A model of these ops alone. What other ops or the caller compute for them becomes its
    /// inputs; what others or nobody read becomes its outputs. `None` where an op calls another
    /// subgraph, or none is given.
    pub fn extract(&self, sg: SubgraphId, ops: &IndexSet<OpId>) -> Option<Self> {
        let graph = self.subgraph(sg);
        let calls = |op: &OpId| !graph.op(*op).subgraph_refs().is_empty();
        if ops.is_empty() || ops.iter().any(calls) {
            return None;
        }
        let mut cut = Cut {
            module: self,
            sg,
            builder: SubgraphBuilder::new(graph.name.clone()),
            constants: ConstantPool::new(vec![None]),
            placed: IndexMap::default(),
        };
        let mut computed = IndexSet::default();
        for op in graph.ops().filter(|op| ops.contains(op)) {
            let operands: Vec<Option<TensorId>> =
                graph.operands(op).into_iter().map(|id| id.map(|id| cut.tensor(id))).collect();
            let results: Vec<TensorId> = graph
                .results(op)
                .into_iter()
                .map(|id| {
                    computed.insert(id);
                    cut.tensor(id)
                })
                .collect();
            let intermediates: Vec<Option<TensorId>> =
                graph.intermediates(op).into_iter().map(|id| id.map(|id| cut.tensor(id))).collect();
            let node = Op { code: None, ..graph.op(op).clone() };
            let placed = cut.builder.op(node, &operands, &results);
            cut.builder.intermediates(placed, &intermediates);
        }
        let read_inside = |id: TensorId| graph.all_uses(id, |u| ops.contains(&u.op));
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for (&old, &new) in &cut.placed {
            let tensor = graph.tensor(old);
            if computed.contains(&old) {
                let kept = !graph.is_read(old) || graph.is_output(old) || !read_inside(old);
                if kept {
                    outputs.push(new);
                }
            } else if self.constant(sg, old).is_none()
                && !tensor.is_variable
                && (graph.is_input(old) || graph.producer(old).is_some())
            {
                // Tensors that nobody computes are scratch, or constants outside of the model.
                inputs.push(new);
            }
        }
        cut.builder.relink(&cut.placed);
        let subgraph = cut.builder.finish(inputs, outputs);
        let parts = ModuleParts {
            version: self.version,
            subgraphs: vec![subgraph],
            constants: cut.constants,
            ..ModuleParts::default()
        };
        Some(parts.build().with_oddities(|_, _| true))
    }
}

struct Cut<'a> {
    module: &'a Module,
    sg: SubgraphId,
    builder: SubgraphBuilder,
    constants: ConstantPool,
    placed: IndexMap<TensorId, TensorId>,
}

impl Cut<'_> {
    /// The tensor in the new model, put there with its constant when it is first asked for, and
    /// with the tensors that its quantisation names.
    fn tensor(&mut self, old: TensorId) -> TensorId {
        let (graph, pool) = (self.module.subgraph(self.sg), self.module.constants());
        self.builder.take_over(graph, old, &mut self.placed, |tensor| {
            tensor.buffer = match pool.constant(tensor.buffer) {
                Some(bytes) => self.constants.push(bytes.clone()),
                None => crate::BufferId::NONE,
            };
        })
    }
}
