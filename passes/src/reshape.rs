//! Ops that give their operand another shape.

use crate::vector::vector;
use tfq_ir::catalog::ops::RESHAPE;
use tfq_ir::{Op, Patch, TensorRef};

/// A RESHAPE to as many batches as there are, with these dimensions behind the first, and the operand
/// that says so; `label` is that of the result that it is for.
pub(crate) fn reshape_batches(patch: &mut Patch, label: &str, shape: &[i32]) -> (Op, TensorRef) {
    let mut said = shape.to_vec();
    said[0] = -1;
    (Op::builtin(RESHAPE), vector(patch, format!("{label};shape"), &said))
}
