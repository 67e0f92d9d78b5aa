//! Which shapes tensors have whenever the model runs.

use super::interface::{Analysis, AnalysisInput, Change};
use std::collections::BTreeMap;
use std::sync::{RwLock, RwLockReadGuard};
use tfq_ir::ops::{Dim, OperandFacts, Shape, infer, infer_op};
use tfq_ir::{Module, OpId, Subgraph, SubgraphId, TensorId};

/// How often called subgraphs are gone through before nothing is believed of what they are given.
const ROUNDS: usize = 8;
/// In a model of more subgraphs, nothing is believed of what the called ones are given.
const MOST_SUBGRAPHS: usize = 64;

/// Which shapes tensors have whenever the model runs: what follows from constants and from the
/// dimensions of inputs that are not free.
///
/// The runtime works the shapes of results out anew, and takes no notice of what a file states of
/// them. So a tensor behind an input that may be resized, behind an op whose result depends on
/// values (WHERE), or in a loop whose state grows can state a shape that it does not have.
#[derive(Debug)]
pub struct SureShapes;

/// The result of [`SureShapes`], found out when it is first asked for.
#[derive(Debug, Default)]
pub struct SureShapeTable(RwLock<Option<Known>>);

impl SureShapeTable {
    /// Whether the tensor has the shape that it states.
    pub fn has(&self, input: AnalysisInput<'_>, id: TensorId) -> bool {
        self.ask(input, |known, graph| known.has(graph, id))
    }

    /// A dimension that the tensor has, if it is the one that it states.
    pub fn dim(&self, input: AnalysisInput<'_>, id: TensorId, n: usize) -> Dim {
        self.ask(input, |known, graph| known.dim(graph, id, n))
    }

    fn ask<T>(&self, input: AnalysisInput<'_>, answer: impl Fn(&Known, &Subgraph) -> T) -> T {
        let graph = input.module.subgraph(input.subgraph);
        if let Some(known) = &*self.read() {
            return answer(known, graph);
        }
        let found = found(input);
        let answer = answer(&found, graph);
        *self.0.write().expect("nothing panics while it is held") = Some(found);
        answer
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Known>> {
        self.0.read().expect("nothing panics while it is held")
    }
}

impl Analysis for SureShapes {
    type Result = SureShapeTable;
    const NAME: &'static str = "sure-shapes";
    const LAZY: bool = true;
    const LOOKS_AT_CALLEES: bool = true;

    fn compute(_: AnalysisInput<'_>, _: Option<&Self::Result>) -> Self::Result {
        SureShapeTable::default()
    }

    /// What passes leave has the shape that it had.
    fn follow(table: &Self::Result, input: AnalysisInput<'_>, change: Change<'_>) -> bool {
        let mut known = table.0.write().expect("nothing panics while it is held");
        let Some(known) = known.as_mut().filter(|_| !change.only_marks) else { return true };
        let (sg, graph) = (input.subgraph, input.module.subgraph(input.subgraph));
        for id in change.applied.tensors.iter().filter(|id| graph.contains_tensor(**id)) {
            if graph.inputs().contains(id) {
                return false;
            }
            let made = graph.producer(*id).is_some();
            known.set(*id, if made { Shape::Unranked } else { stated(input.module, sg, *id) });
        }
        let scene = Scene { module: input.module, called: &BTreeMap::new() };
        // A patch names its ops in no order: what one of them reads another may make.
        for _ in 0..change.applied.ops.len().min(4) {
            let mut more = false;
            for op in change.applied.ops.iter().filter(|op| graph.contains_op(**op)) {
                for (id, shape) in scene.results(sg, *op, known) {
                    if known_dims(&shape) > known_dims(known.shape(id)) {
                        known.set(id, shape);
                        more = true;
                    }
                }
            }
            if !more {
                break;
            }
        }
        true
    }
}

/// What is known of shapes, by the numbers of tensors.
#[derive(Debug, Default)]
struct Known(Vec<Shape>);

impl Known {
    fn shape(&self, id: TensorId) -> &Shape {
        self.0.get(id.number() as usize).unwrap_or(&Shape::Unranked)
    }

    fn set(&mut self, id: TensorId, shape: Shape) {
        let at = id.number() as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, Shape::Unranked);
        }
        self.0[at] = shape;
    }

    fn dim(&self, graph: &Subgraph, id: TensorId, n: usize) -> Dim {
        let found = self.shape(id).dims()?.get(n).copied()?;
        found.filter(|_| found == graph.tensor(id).known_dim(n))
    }

    fn has(&self, graph: &Subgraph, id: TensorId) -> bool {
        let rank = graph.tensor(id).shape.len();
        self.shape(id).dims().is_some_and(|dims| dims.len() == rank)
            && (0..rank).all(|n| self.dim(graph, id, n).is_some())
    }
}

/// How many dimensions are known, to which the rank counts as one.
fn known_dims(shape: &Shape) -> usize {
    shape.dims().map_or(0, |dims| 1 + dims.iter().flatten().count())
}

/// What a tensor that no op makes states, which it has but where callers give it another shape.
fn stated(module: &Module, sg: SubgraphId, id: TensorId) -> Shape {
    let graph = module.subgraph(sg);
    match graph.oddity(id) {
        Some(_) => Shape::Unranked,
        None => Shape::of_tensor(graph.tensor(id), module.constant(sg, id).is_some()),
    }
}

/// What is believed of subgraphs that ops call: which of their inputs and outputs have their
/// shapes.
#[derive(Clone, Debug, PartialEq)]
struct Called {
    inputs: Vec<bool>,
    outputs: Vec<bool>,
}

#[derive(Clone, Copy)]
struct Scene<'a> {
    module: &'a Module,
    called: &'a BTreeMap<SubgraphId, Called>,
}

fn found(input: AnalysisInput<'_>) -> Known {
    let AnalysisInput { module, subgraph, .. } = input;
    let calls = calls(module);
    let mut called: BTreeMap<SubgraphId, Called> = BTreeMap::new();
    for callee in calls.iter().flat_map(|(sg, op)| callees(module, *sg, *op)) {
        let graph = module.subgraph(callee);
        let all = Called {
            inputs: vec![true; graph.inputs().len()],
            outputs: vec![true; graph.outputs().len()],
        };
        called.insert(callee, all);
    }
    let mut settled = called.is_empty();
    if module.subgraphs().len() <= MOST_SUBGRAPHS {
        // All is believed at first, and given up where it does not follow from the rest.
        for _ in 0..ROUNDS {
            if settled {
                break;
            }
            let next = Scene { module, called: &called }.revised(&calls);
            settled = next == called;
            called = next;
        }
    }
    if !settled {
        for graph in called.values_mut() {
            graph.inputs.fill(false);
            graph.outputs.fill(false);
        }
    }
    Scene { module, called: &called }.known(subgraph)
}

/// Ops that run subgraphs.
fn calls(module: &Module) -> Vec<(SubgraphId, OpId)> {
    let all = module.subgraphs().flat_map(|(sg, graph)| graph.ops().map(move |op| (sg, op)));
    all.filter(|(sg, op)| module.subgraph(*sg).op(*op).kind.runs_subgraphs()).collect()
}

fn callees(module: &Module, sg: SubgraphId, op: OpId) -> Vec<SubgraphId> {
    let named = module.subgraph(sg).op(op).subgraph_refs().into_iter();
    let found = named.filter_map(|(_, number)| Some(SubgraphId(u32::try_from(number).ok()?)));
    found.filter(|callee| module.find_subgraph(*callee).is_some()).collect()
}

impl Scene<'_> {
    /// What is known of the tensors of a subgraph.
    fn known(self, sg: SubgraphId) -> Known {
        let graph = self.module.subgraph(sg);
        let mut known = Known::default();
        for id in graph.tensors().filter(|id| graph.producer(*id).is_none()) {
            known.set(id, stated(self.module, sg, id));
        }
        if let Some(called) = self.called.get(&sg) {
            for (id, _) in graph.inputs().iter().zip(&called.inputs).filter(|(_, sure)| !**sure) {
                known.set(*id, Shape::Unranked);
            }
        }
        for op in graph.ops() {
            for (id, shape) in self.results(sg, op, &known) {
                known.set(id, shape);
            }
        }
        known
    }

    /// The shapes of an op's results, as far as they follow from what is known of its operands.
    fn results(self, sg: SubgraphId, op: OpId, known: &Known) -> Vec<(TensorId, Shape)> {
        let graph = self.module.subgraph(sg);
        let inferred = match graph.op(op).kind.runs_subgraphs() {
            true if self.returns_what_it_states(sg, op, known) => infer_op(self.module, sg, op),
            true => return Vec::new(),
            false => {
                let facts = |id: TensorId| {
                    // What a caller may set has other values than those in the file.
                    let contents = self.module.fixed_constant(sg, id).map(|bytes| &bytes[..]);
                    let facts = OperandFacts::of(graph.tensor(id), contents);
                    OperandFacts { shape: known.shape(id).clone(), ..facts }
                };
                let operands: Vec<_> =
                    graph.operands(op).into_iter().map(|id| id.map(facts)).collect();
                let tensors = graph.results(op).into_iter().map(|id| graph.tensor(id));
                let types: Vec<_> = tensors.map(|t| Some(t.expressed.unwrap_or(t.ty))).collect();
                infer(graph.op(op), &operands, &types)
            }
        };
        let inferred = inferred.unwrap_or_default().into_iter().map(|result| result.shape);
        let results = graph.results(op).into_iter().zip(inferred);
        results.filter(|(id, _)| graph.oddity(*id).is_none()).collect()
    }

    /// Whether the subgraphs that an op runs return the shapes that they state.
    fn returns_what_it_states(self, sg: SubgraphId, op: OpId, known: &Known) -> bool {
        let graph = self.module.subgraph(sg);
        let mut read = graph.operands(op).into_iter().flatten();
        let sure = |callee| {
            let called: Option<&Called> = self.called.get(&callee);
            called.is_some_and(|called| called.outputs.iter().all(|sure| *sure))
        };
        read.all(|id| known.has(graph, id)) && callees(self.module, sg, op).into_iter().all(sure)
    }

    /// What is left of what was believed of called subgraphs.
    fn revised(self, calls: &[(SubgraphId, OpId)]) -> BTreeMap<SubgraphId, Called> {
        let all = self.module.subgraph_ids();
        let known: BTreeMap<SubgraphId, Known> = all.map(|sg| (sg, self.known(sg))).collect();
        let mut next = self.called.clone();
        for (sg, called) in &mut next {
            let graph = self.module.subgraph(*sg);
            for (sure, id) in called.outputs.iter_mut().zip(graph.outputs()) {
                *sure &= known[sg].has(graph, *id);
            }
        }
        for &(sg, op) in calls {
            let graph = self.module.subgraph(sg);
            for (slot, operand) in (0..).zip(graph.operands(op)) {
                for (callee, argument) in self.module.arguments(sg, op, slot) {
                    let given = operand.map(|id| (sg, id));
                    self.give(&mut next, &known, (callee, argument), given);
                }
            }
            // What a body returns is given to it, and to the condition, at the next turn.
            let conditions = graph.op(op).subgraph_refs().into_iter();
            let mut conditions = conditions.filter(|(name, _)| *name == "cond_subgraph_index");
            if conditions.next().is_none() {
                continue;
            }
            let all = callees(self.module, sg, op);
            for (body, to) in all.iter().flat_map(|body| all.iter().map(move |to| (*body, *to))) {
                let outputs = self.module.subgraph(body).outputs();
                let inputs = self.module.subgraph(to).inputs();
                // A condition returns one flag.
                if outputs.len() != inputs.len() {
                    continue;
                }
                for (output, input) in outputs.iter().zip(inputs) {
                    self.give(&mut next, &known, (to, *input), Some((body, *output)));
                }
            }
        }
        next
    }

    /// An input of a called subgraph has its shape only if all that it is given has the same.
    fn give(
        self,
        called: &mut BTreeMap<SubgraphId, Called>,
        known: &BTreeMap<SubgraphId, Known>,
        (callee, argument): (SubgraphId, TensorId),
        given: Option<(SubgraphId, TensorId)>,
    ) {
        let graph = self.module.subgraph(callee);
        let fits = given.is_some_and(|(sg, id)| {
            let giver = self.module.subgraph(sg);
            known[&sg].has(giver, id) && giver.tensor(id).shape == graph.tensor(argument).shape
        });
        let Some(called) = called.get_mut(&callee).filter(|_| !fits) else { return };
        for (sure, _) in
            called.inputs.iter_mut().zip(graph.inputs()).filter(|(_, id)| **id == argument)
        {
            *sure = false;
        }
    }
}
