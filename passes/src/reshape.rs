//! An op that gives its operand another shape.

use tfq_ir::catalog::ops::RESHAPE;
use tfq_ir::{Attr, Op};

/// A RESHAPE to this shape, which is known beforehand.
pub(crate) fn reshape(shape: &[i32]) -> Op {
    let shape = shape.iter().map(|dim| i64::from(*dim)).collect();
    Op::builtin(RESHAPE).with("new_shape", Attr::Ints(shape))
}
