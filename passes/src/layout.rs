//! Where elements lie: views, orders of dimensions.

pub(crate) mod keep_reduced_dims;
pub(crate) mod simplify_views;

use tfq_ir::ops::ShapeRule;
use tfq_ir::{Op, Tensor};
use tfq_pass::rewrite::{OpPattern, op_that};

/// A RESHAPE to this shape, if the format can say it without an operand: kernels read a 0 in different
/// ways, and an empty list as no list.
fn reshape(result: &Tensor) -> Option<Op> {
    let said = result.is_static() && !result.shape.is_empty() && !result.shape.contains(&0);
    said.then(|| Op::reshape(&result.shape))
}

/// What shows its operand in another shape, in the same type.
pub(crate) fn view() -> OpPattern {
    op_that(|what| what.view && what.shape != ShapeRule::Bitcast)
}
