//! Evaluates subgraphs.

use crate::kernels::Fidelity;
use crate::value::{Declared, Value};
use crate::{Budget, NotEvaluated, evaluate_op};
use tfq_ir::catalog::ops;
use tfq_ir::maps::HashMap;
use tfq_ir::{ElementType, Module, Op, OpId, OpKind, SubgraphId, TensorId};

/// Runs subgraphs of a model, op by op.
#[derive(Debug)]
pub struct Evaluator<'a> {
    module: &'a Module,
    budget: Budget,
}

/// What a subgraph returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// In the order of its outputs.
    pub values: Vec<Value>,
    /// The least of those of its ops.
    pub fidelity: Fidelity,
}

/// The op that was not evaluated, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Stopped {
    /// The op; none where the subgraph was given or returns what it cannot.
    pub op: Option<OpId>,
    /// Where that is, in words.
    pub place: String,
    /// Why.
    pub why: Box<NotEvaluated>,
}

impl<'a> Evaluator<'a> {
    /// For a model, with so much work and memory for all that it runs.
    pub fn new(module: &'a Module, budget: Budget) -> Self {
        Self { module, budget }
    }

    /// What is left of the budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Runs a subgraph on these inputs, in its order, and those that it calls.
    ///
    /// # Errors
    ///
    /// Names the op that was not evaluated.
    pub fn run(&mut self, sg: SubgraphId, inputs: &[Value]) -> Result<Outputs, Stopped> {
        self.call(sg, inputs, 0)
    }

    fn call(&mut self, sg: SubgraphId, inputs: &[Value], depth: usize) -> Result<Outputs, Stopped> {
        let outside =
            |why| Stopped { op: None, place: "the subgraph".to_owned(), why: Box::new(why) };
        let Some(graph) = self.module.find_subgraph(sg).filter(|_| depth <= MOST_CALLS) else {
            return Err(outside(NotEvaluated::Operands { why: "there is no such subgraph" }));
        };
        if graph.inputs().len() != inputs.len() {
            return Err(outside(NotEvaluated::Operands { why: "it takes other inputs" }));
        }
        let mut values: HashMap<TensorId, Value> = HashMap::default();
        for (slot, (id, value)) in graph.inputs().iter().zip(inputs).enumerate() {
            let tensor = graph.tensor(*id);
            if tensor.ty != value.ty() {
                return Err(outside(NotEvaluated::Type { slot, ty: value.ty() }));
            }
            values.insert(*id, value.clone().quantized(tensor.quantization.clone()));
        }
        let mut fidelity = Fidelity::Exact;
        let module = self.module;
        for op in graph.ops() {
            let stopped = |why| Stopped {
                op: Some(op),
                place: module.op_place(sg, op).to_string(),
                why: Box::new(why),
            };
            let operands = graph.operands(op).into_iter().enumerate().map(|(slot, id)| {
                let Some(id) = id else { return Ok(None) };
                let known = values.get(&id).cloned().or_else(|| constant(module, sg, id));
                known.map(Some).ok_or(NotEvaluated::NoValue { slot })
            });
            let operands: Vec<_> = operands.collect::<Result<_, _>>().map_err(stopped)?;
            let results = graph.results(op);
            let made = match graph.op(op).kind {
                OpKind::Builtin(ops::IF) => self.branch(graph.op(op), &operands, depth)?,
                OpKind::Builtin(ops::WHILE) => self.repeat(graph.op(op), &operands, depth)?,
                _ => {
                    let declared: Vec<Declared> = results
                        .iter()
                        .map(|id| graph.tensor(*id))
                        .map(|t| Declared { ty: t.ty, quantization: t.quantization.clone() })
                        .collect();
                    let made = evaluate_op(graph.op(op), &operands, &declared, &mut self.budget);
                    let made = made.map_err(stopped)?;
                    Outputs { values: made.values, fidelity: made.fidelity }
                }
            };
            if made.values.len() < results.len() {
                return Err(stopped(NotEvaluated::Operands { why: "it returns too little" }));
            }
            fidelity = fidelity.min(made.fidelity);
            values.extend(results.into_iter().zip(made.values));
        }
        let returned = graph.outputs().iter().enumerate().map(|(slot, id)| {
            let known = values.get(id).cloned().or_else(|| constant(module, sg, *id));
            known.ok_or_else(|| outside(NotEvaluated::NoValue { slot }))
        });
        Ok(Outputs { values: returned.collect::<Result<_, _>>()?, fidelity })
    }

    /// IF: one branch, on the operands behind the condition.
    fn branch(
        &mut self,
        op: &Op,
        operands: &[Option<Value>],
        depth: usize,
    ) -> Result<Outputs, Stopped> {
        let (condition, inputs) = given(operands)?.split_first().map_or_else(
            || Err(wrong("there is no condition")),
            |(condition, inputs)| Ok((holds(condition)?, inputs.to_vec())),
        )?;
        let name = if condition { "then_subgraph_index" } else { "else_subgraph_index" };
        self.call(callee(op, name), &inputs, depth + 1)
    }

    /// WHILE: the body, as long as the condition holds.
    fn repeat(
        &mut self,
        op: &Op,
        operands: &[Option<Value>],
        depth: usize,
    ) -> Result<Outputs, Stopped> {
        let mut state = Outputs { values: given(operands)?, fidelity: Fidelity::Exact };
        loop {
            // A loop that does nothing would never end.
            self.budget.take_work(1).map_err(|why| stopped(Box::new(why)))?;
            let asked = self.call(callee(op, "cond_subgraph_index"), &state.values, depth + 1)?;
            let fidelity = state.fidelity.min(asked.fidelity);
            let Some(condition) = asked.values.first() else {
                return Err(wrong("the condition returns nothing"));
            };
            if !holds(condition)? {
                return Ok(Outputs { fidelity, ..state });
            }
            state = self.call(callee(op, "body_subgraph_index"), &state.values, depth + 1)?;
            state.fidelity = state.fidelity.min(fidelity);
        }
    }
}

/// Calls within calls: more have no models, and recursion without end must end.
const MOST_CALLS: usize = 16;

fn stopped(why: Box<NotEvaluated>) -> Stopped {
    Stopped { op: None, place: "control flow".to_owned(), why }
}

fn wrong(why: &'static str) -> Stopped {
    stopped(Box::new(NotEvaluated::Operands { why }))
}

/// The subgraph that an attribute names; a number of none finds none.
fn callee(op: &Op, name: &str) -> SubgraphId {
    SubgraphId(op.int(name).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX))
}

/// Operands of which none is left out.
fn given(operands: &[Option<Value>]) -> Result<Vec<Value>, Stopped> {
    operands.iter().cloned().collect::<Option<_>>().ok_or_else(|| wrong("an operand is left out"))
}

/// Whether a condition of one element is true.
fn holds(condition: &Value) -> Result<bool, Stopped> {
    match (condition.ty(), condition.elements()) {
        (ElementType::Bool, 1) => Ok(condition.bytes()[0] != 0),
        _ => Err(wrong("the condition is not one truth value")),
    }
}

/// The value of a constant, also of one that is an input and was not set.
fn constant(module: &Module, sg: SubgraphId, id: TensorId) -> Option<Value> {
    Value::of_tensor(module.subgraph(sg).tensor(id), module.constant(sg, id)?)
}
