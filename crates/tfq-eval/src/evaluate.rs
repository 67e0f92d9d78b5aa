//! Evaluates one op.

use crate::call::Call;
use crate::dims::{Dims, count};
use crate::kernels::{Fidelity, kernel};
use crate::value::{Declared, Value};
use crate::{Budget, NotEvaluated};
use tfq_ir::ops::{OpClass, OperandFacts, Shape, infer, semantics_of};
use tfq_ir::{ElementType, Op, OpKind};

/// What an op computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// In order.
    pub values: Vec<Value>,
    /// How far their bits can be relied on.
    pub fidelity: Fidelity,
}

/// What an op computes of these operands; `None` is one that is left out. `results` says what the
/// results are declared to be: types and quantisation, which some ops follow; shapes are computed.
///
/// # Errors
///
/// Says why an op is not evaluated: none is known, or not for these types; it cannot be; the
/// runtime would fail on it; it would take more than the budget has.
pub fn evaluate_op(
    op: &Op,
    operands: &[Option<Value>],
    results: &[Declared],
    budget: &mut Budget,
) -> Result<Results, NotEvaluated> {
    let known = match op.kind {
        OpKind::Builtin(code) => kernel(code),
        OpKind::Custom(_) => None,
    };
    let what = semantics_of(op);
    let unknown = || NotEvaluated::Op { op: op.kind.to_string() };
    let ((fidelity, kernel), what) = known.zip(what).ok_or_else(unknown)?;
    if results.is_empty() {
        return Err(NotEvaluated::Operands { why: "it has no results" });
    }
    let facts: Vec<_> = operands.iter().map(|value| value.as_ref().map(facts)).collect();
    let types: Vec<_> = results.iter().map(|result| Some(result.ty)).collect();
    let inferred = infer(op, &facts, &types)?;
    for (n, (result, declared)) in inferred.iter().zip(results).enumerate() {
        if !result.can_be(declared.ty) {
            return Err(NotEvaluated::ResultType { result: n, ty: declared.ty });
        }
    }
    let shapes: Vec<Option<Dims>> =
        inferred.iter().map(|result| known_dims(&result.shape)).collect();
    // A result of a shape that the kernel finds out is paid for there.
    for (shape, declared) in shapes.iter().zip(results) {
        let Some(shape) = shape else { continue };
        let elements = count(shape).ok_or(NotEvaluated::Budget)?;
        budget.take_work(elements)?;
        if !what.view {
            budget.take_bytes(bytes_of(declared.ty, elements)?)?;
        }
    }
    let mut call = Call { op, operands, results, shapes: &shapes, budget };
    let mut values = kernel(&mut call)?;
    let moves = what.moves_values || matches!(what.class, OpClass::Movement | OpClass::Convert);
    let fidelity = match moves {
        true => fidelity,
        false => {
            values.iter_mut().for_each(Value::make_nan_plain);
            of_computed(fidelity, &call, &values)
        }
    };
    Ok(Results { values, fidelity })
}

/// What becomes of the fidelity of an op with the numbers that it reads and gives.
fn of_computed(fidelity: Fidelity, call: &Call<'_>, values: &[Value]) -> Fidelity {
    let read = || call.operands.iter().flatten();
    // Sums of codes are rounded differently by each set of kernels.
    if read().any(|value| value.quantization().is_some_and(|q| !q.scale.is_empty())) {
        return fidelity.min(Fidelity::Reference);
    }
    // In whatever order integers are added, the sum is the same.
    let counted = |ty| matches!(ty, ElementType::Int32 | ElementType::Int64 | ElementType::Bool);
    if read().all(|value| counted(value.ty())) && values.iter().all(|value| counted(value.ty())) {
        return Fidelity::Exact;
    }
    match read().chain(values).any(Value::has_special_floats) {
        true => fidelity.min(Fidelity::Reference),
        false => fidelity,
    }
}

fn bytes_of(ty: ElementType, elements: u64) -> Result<u64, NotEvaluated> {
    ty.bytes_for(elements).ok_or(NotEvaluated::ResultType { result: 0, ty })
}

fn facts(value: &Value) -> OperandFacts<'_> {
    let dims = value.shape().iter().map(|dim| i32::try_from(*dim).ok());
    OperandFacts {
        ty: value.ty(),
        stored: None,
        shape: Shape::of(dims),
        contents: Some(value.bytes()),
        integers: None,
    }
}

fn known_dims(shape: &Shape) -> Option<Dims> {
    shape.dims()?.iter().map(|dim| usize::try_from((*dim)?).ok()).collect()
}
