//! What operators are: which there are and with what attributes ([`catalog`]), what they mean
//! ([`OpSemantics`]), what results they give ([`infer()`]), what they do besides ([`effects()`]),
//! what they apply to their own results ([`Activation`]), and whether their tensors go with all that
//! ([`Contradiction`]).

pub mod catalog;
mod check;
mod effects;
mod fused_activation;
mod infer;
mod semantics;

pub use check::Contradiction;
pub use effects::{CallEffects, Effects, aliased_operand, effects};
pub use fused_activation::Activation;
pub use infer::{Dim, InferError, OperandFacts, ResultFacts, Shape, axis, infer, infer_op};
pub(crate) use infer::{OpView, stated};
pub use semantics::{
    AxisRule, OpClass, OpSemantics, OperandInfo, OperandRole, Provenance, QuantizationRule,
    ResultInfo, ShapeRule, TypeRule, operators_that, semantics, semantics_of,
};
