//! Where elements lie: views, orders of dimensions.

pub(crate) mod keep_reduced_dims;
pub(crate) mod simplify_views;

use crate::reshape;
use tfq_ir::ops::ShapeRule;
use tfq_ir::{Op, Tensor, TensorId};
use tfq_pass::rewrite::{Match, OpPattern, op_that};

/// A RESHAPE to this shape, if the format can say it without an operand: kernels read a 0 in different
/// ways, and an empty list as no list.
fn reshape(result: &Tensor) -> Option<Op> {
    let said = result.is_static() && !result.shape.is_empty() && !result.shape.contains(&0);
    said.then(|| reshape::reshape(&result.shape))
}

/// What shows its operand in another shape, in the same type.
fn view() -> OpPattern {
    op_that(|what| what.view && what.shape != ShapeRule::Bitcast)
}

/// Whether two tensors hold the same elements as far as type and quantisation tell, in shapes that may
/// differ, and each has one value.
fn stored_alike(m: &Match<'_>, a: TensorId, b: TensorId) -> bool {
    let plain = |id: TensorId| {
        let tensor = m.graph().tensor(id);
        let odd = m.module().references(m.subgraph(), id).odd;
        !odd && !tensor.is_variable && tensor.sparsity.is_none() && tensor.expressed.is_none()
    };
    let (x, y) = (m.graph().tensor(a), m.graph().tensor(b));
    let alike = x.ty == y.ty && x.quantization == y.quantization && x.scales() <= 1;
    alike && plain(a) && plain(b)
}
