//! Which tensors have the shape that the model states whenever it runs.

use super::interface::{Analysis, AnalysisInput, Change};
use std::collections::BTreeMap;
use std::sync::{RwLock, RwLockReadGuard};
use tfq_ir::ops::{Shape, infer_op};
use tfq_ir::{Module, OpId, SubgraphId, Tensor, TensorId};

/// How often called subgraphs are gone through before nothing is believed of what they are given.
const ROUNDS: usize = 8;
/// In a model of more subgraphs, nothing is believed of what the called ones are given.
const MOST_SUBGRAPHS: usize = 64;

/// Which tensors have the shape that the model states whenever it runs: those that follow from
/// constants and from inputs without a free dimension.
///
/// The runtime works the shapes of results out anew, and takes no notice of what a file states of
/// them. So a tensor behind an input that may be resized, behind an op whose result depends on
/// values (WHERE), or in a loop whose state grows can state a shape that it does not have.
#[derive(Debug)]
pub struct SureShapes;

/// The result of [`SureShapes`], found out when it is first asked for.
#[derive(Debug, Default)]
pub struct SureShapeTable(RwLock<Option<Marks>>);

/// By the number of a tensor.
type Marks = Vec<bool>;

impl SureShapeTable {
    /// Whether the tensor has the shape that it states.
    pub fn has(&self, input: AnalysisInput<'_>, id: TensorId) -> bool {
        let marked = |marks: &Option<Marks>| marks.as_ref().map(|marks| is_marked(marks, id));
        if let Some(known) = marked(&self.read()) {
            return known;
        }
        let found = found(input);
        let sure = is_marked(&found, id);
        *self.0.write().expect("nothing panics while it is held") = Some(found);
        sure
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Marks>> {
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
        let mut marks = table.0.write().expect("nothing panics while it is held");
        let Some(marks) = marks.as_mut().filter(|_| !change.only_marks) else { return true };
        let graph = input.module.subgraph(input.subgraph);
        for id in change.applied.tensors.iter().filter(|id| graph.contains_tensor(**id)) {
            if graph.inputs().contains(id) {
                return false;
            }
            let stands = stands(input.module, input.subgraph, *id);
            set(marks, *id, graph.producer(*id).is_none() && stands);
        }
        let scene = Scene { module: input.module, called: &BTreeMap::new() };
        // A patch names its ops in no order: what one of them reads another may make.
        for _ in 0..change.applied.ops.len().min(4) {
            let mut more = false;
            for op in change.applied.ops.iter().filter(|op| graph.contains_op(**op)) {
                let unsure = graph.results(*op).into_iter().filter(|id| !is_marked(marks, *id));
                let unsure: Vec<TensorId> = unsure.collect();
                if !unsure.is_empty() && scene.is_sure(input.subgraph, *op, marks) {
                    unsure.into_iter().for_each(|id| set(marks, id, true));
                    more = true;
                }
            }
            if !more {
                break;
            }
        }
        true
    }
}

fn is_marked(marks: &Marks, id: TensorId) -> bool {
    marks.get(id.number() as usize).copied().unwrap_or(false)
}

fn set(marks: &mut Marks, id: TensorId, sure: bool) {
    let at = id.number() as usize;
    if at >= marks.len() {
        marks.resize(at + 1, false);
    }
    marks[at] = sure;
}

/// Whether a tensor that no op makes has its shape, but where callers give it another.
fn stands(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    let graph = module.subgraph(sg);
    // A constant without dimensions is one number; any other tensor may have any rank then.
    let ranked = graph.tensor(id).is_ranked() || module.constant(sg, id).is_some();
    ranked && has_no_free_dimension(graph.tensor(id)) && graph.oddity(id).is_none()
}

fn has_no_free_dimension(tensor: &Tensor) -> bool {
    (0..tensor.shape.len()).all(|n| tensor.known_dim(n).is_some())
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

fn found(input: AnalysisInput<'_>) -> Marks {
    let AnalysisInput { module, subgraph, .. } = input;
    let calls = calls(module);
    let mut called: BTreeMap<SubgraphId, Called> = BTreeMap::new();
    for callee in calls.iter().flat_map(|(sg, op)| callees(module, *sg, *op)) {
        let graph = module.subgraph(callee);
        let all = Called {
            inputs: graph.inputs().iter().map(|id| stands(module, callee, *id)).collect(),
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
    Scene { module, called: &called }.marks(subgraph)
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
    /// Which tensors of a subgraph have their shapes.
    fn marks(self, sg: SubgraphId) -> Marks {
        let graph = self.module.subgraph(sg);
        let mut marks = Marks::new();
        for id in graph.tensors().filter(|id| graph.producer(*id).is_none()) {
            set(&mut marks, id, stands(self.module, sg, id));
        }
        if let Some(called) = self.called.get(&sg) {
            for (id, sure) in graph.inputs().iter().zip(&called.inputs) {
                set(&mut marks, *id, *sure);
            }
        }
        for op in graph.ops() {
            if self.is_sure(sg, op, &marks) {
                graph.results(op).into_iter().for_each(|id| set(&mut marks, id, true));
            }
        }
        marks
    }

    /// Whether the results of an op have their shapes.
    fn is_sure(self, sg: SubgraphId, op: OpId, marks: &Marks) -> bool {
        let graph = self.module.subgraph(sg);
        let may_be_set = |id| {
            self.module.constant(sg, id).is_some() && self.module.fixed_constant(sg, id).is_none()
        };
        let mut read = graph.operands(op).into_iter().flatten();
        if !read.all(|id| is_marked(marks, id) && !may_be_set(id)) {
            return false;
        }
        let mut callees = callees(self.module, sg, op).into_iter();
        let returns = |callee| {
            let called: Option<&Called> = self.called.get(&callee);
            called.is_some_and(|called| called.outputs.iter().all(|sure| *sure))
        };
        if graph.op(op).kind.runs_subgraphs() && !callees.all(returns) {
            return false;
        }
        let Ok(inferred) = infer_op(self.module, sg, op) else { return false };
        let results = graph.results(op);
        results.len() <= inferred.len()
            && results.iter().zip(inferred).all(|(id, result)| {
                let tensor = graph.tensor(*id);
                let stated = Shape::of(tensor.shape.iter().map(|dim| Some(*dim)));
                has_no_free_dimension(tensor)
                    && result.shape == stated
                    && graph.oddity(*id).is_none()
            })
    }

    /// What is left of what was believed of called subgraphs.
    fn revised(self, calls: &[(SubgraphId, OpId)]) -> BTreeMap<SubgraphId, Called> {
        let all = self.module.subgraph_ids();
        let marks: BTreeMap<SubgraphId, Marks> = all.map(|sg| (sg, self.marks(sg))).collect();
        let mut next = self.called.clone();
        for (sg, called) in &mut next {
            let outputs = self.module.subgraph(*sg).outputs();
            for (sure, id) in called.outputs.iter_mut().zip(outputs) {
                *sure &= is_marked(&marks[sg], *id);
            }
        }
        for &(sg, op) in calls {
            let graph = self.module.subgraph(sg);
            for (slot, operand) in (0..).zip(graph.operands(op)) {
                for (callee, argument) in self.module.arguments(sg, op, slot) {
                    let given = operand.map(|id| (sg, id));
                    self.give(&mut next, &marks, (callee, argument), given);
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
                    self.give(&mut next, &marks, (to, *input), Some((body, *output)));
                }
            }
        }
        next
    }

    /// An input of a called subgraph has its shape only if all that it is given has the same.
    fn give(
        self,
        called: &mut BTreeMap<SubgraphId, Called>,
        marks: &BTreeMap<SubgraphId, Marks>,
        (callee, argument): (SubgraphId, TensorId),
        given: Option<(SubgraphId, TensorId)>,
    ) {
        let graph = self.module.subgraph(callee);
        let fits = given.is_some_and(|(sg, id)| {
            let tensor = self.module.subgraph(sg).tensor(id);
            is_marked(&marks[&sg], id) && tensor.shape == graph.tensor(argument).shape
        });
        let Some(called) = called.get_mut(&callee).filter(|_| !fits) else { return };
        for (sure, _) in
            called.inputs.iter_mut().zip(graph.inputs()).filter(|(_, id)| **id == argument)
        {
            *sure = false;
        }
    }
}
