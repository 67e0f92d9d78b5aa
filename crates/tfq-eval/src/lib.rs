//! The reference evaluator of ops: what an op computes, bit by bit as the reference kernels of
//! TensorFlow Lite do, without a runtime and on every machine the same.
//!
//! Internal crate: users import `tfq_opt`. It knows values and ops, no passes. [`evaluate_op`]
//! takes one op with its operands; [`Fidelity`] says how far the bits of what it gives can be
//! relied on. Nothing here trusts a model: sizes are checked, work and memory have a [`Budget`],
//! and what is not known to be evaluated right is not evaluated ([`NotEvaluated`] says why). No op
//! makes it panic.
//!
//! `docs/evaluation.md` has the operators and types.

mod budget;
mod call;
mod dims;
mod element;
mod error;
mod evaluate;
mod evaluator;
mod kernels;
mod math;
mod ops;
mod value;
mod walk;

pub use budget::Budget;
pub use dims::Dims;
pub use error::NotEvaluated;
pub use evaluate::{Results, evaluate_op};
pub use evaluator::{Evaluator, Outputs, Stopped};
pub use kernels::{Fidelity, operators};
pub use value::{Declared, Value};
