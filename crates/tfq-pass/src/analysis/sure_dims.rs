//! Which dimensions tensors have whenever the model runs.

use super::interface::{Analysis, AnalysisInput};
use std::sync::OnceLock;
use tfq_ir::ops::{Dim, OperandFacts, Shape, infer};
use tfq_ir::{ElementType, Module, OpId, Subgraph, SubgraphId, Tensor, TensorId};

/// Which dimensions tensors have whenever the model runs: where an input may be resized along its
/// first dimension, the others of what is computed from it are mostly known all the same.
///
/// [`super::SureShapes`] knows of whole shapes, and of subgraphs that are called, of whose inputs nothing
/// is known here.
#[derive(Debug)]
pub struct SureDims;

/// The result of [`SureDims`], found out when it is first asked for.
#[derive(Debug, Default)]
pub struct SureDimTable(OnceLock<Vec<Shape>>);

impl SureDimTable {
    /// A dimension that the tensor has whenever the model runs, if it is the one that it states.
    pub fn dim(&self, input: AnalysisInput<'_>, id: TensorId, n: usize) -> Dim {
        let shapes = self.0.get_or_init(|| shapes(input.module, input.subgraph));
        let found = shapes.get(id.number() as usize)?.dims()?.get(n).copied()?;
        found.filter(|_| found == input.module.subgraph(input.subgraph).tensor(id).known_dim(n))
    }
}

impl Analysis for SureDims {
    type Result = SureDimTable;
    const NAME: &'static str = "sure-dims";
    const LAZY: bool = true;

    fn compute(_: AnalysisInput<'_>, _: Option<&Self::Result>) -> Self::Result {
        SureDimTable::default()
    }
}

/// What follows from constants and inputs of each tensor's shape, by the tensor's number.
fn shapes(module: &Module, sg: SubgraphId) -> Vec<Shape> {
    let graph = module.subgraph(sg);
    let called = is_called(module, sg);
    let mut shapes: Vec<Shape> = Vec::new();
    for id in graph.tensors().filter(|id| graph.producer(*id).is_none()) {
        let given = called && graph.inputs().contains(&id);
        if !given && graph.oddity(id).is_none() {
            let constant = module.constant(sg, id).is_some();
            set(&mut shapes, id, Shape::of_tensor(graph.tensor(id), constant));
        }
    }
    for op in graph.ops() {
        for (id, shape) in graph.results(op).into_iter().zip(results(module, sg, op, &shapes)) {
            if graph.oddity(id).is_none() {
                set(&mut shapes, id, shape);
            }
        }
    }
    shapes
}

fn set(shapes: &mut Vec<Shape>, id: TensorId, shape: Shape) {
    let at = id.number() as usize;
    if at >= shapes.len() {
        shapes.resize(at + 1, Shape::Unranked);
    }
    shapes[at] = shape;
}

/// Whether an op runs the subgraph, whose inputs are what it is given then.
fn is_called(module: &Module, sg: SubgraphId) -> bool {
    let calls = |graph: &Subgraph| {
        let mut refs = graph.ops().flat_map(|op| graph.op(op).subgraph_refs());
        refs.any(|(_, number)| u32::try_from(number) == Ok(sg.0))
    };
    module.subgraphs().any(|(_, graph)| calls(graph))
}

/// The shapes of an op's results, where those of its operands are these.
fn results(module: &Module, sg: SubgraphId, op: OpId, shapes: &[Shape]) -> Vec<Shape> {
    let graph = module.subgraph(sg);
    if graph.op(op).kind.runs_subgraphs() {
        return Vec::new();
    }
    let facts = |id: TensorId| {
        let contents = module.fixed_constant(sg, id).map(|bytes| &bytes[..]);
        let shape = shapes.get(id.number() as usize).cloned().unwrap_or(Shape::Unranked);
        OperandFacts { shape, ..OperandFacts::of(graph.tensor(id), contents) }
    };
    let operands: Vec<_> = graph.operands(op).into_iter().map(|id| id.map(facts)).collect();
    let read = |tensor: &Tensor| -> Option<ElementType> { tensor.expressed.or(Some(tensor.ty)) };
    let types: Vec<_> = graph.results(op).into_iter().map(|id| read(graph.tensor(id))).collect();
    let given = infer(graph.op(op), &operands, &types).unwrap_or_default();
    given.into_iter().map(|result| result.shape).collect()
}
