//! What a runtime can do: which kernels read quantised weights next to float activations, which
//! versions of operators it has, and since when.
//!
//! Internal crate: users import `tfq_opt`. A [`Target`] is data, a file that a person can read and
//! extend (`data/litert.toml` is the first), interpreted by code that knows conditions but no ops.
//! Passes ask it and hold no lists of ops of their own.

mod error;
mod facts;
mod form;
mod help;
mod query;
mod target;

pub use error::{Problem, TargetError};
pub use facts::condition::ASYMMETRIC;
pub use facts::op::OpFacts;
pub use facts::rows::{Objective, Reading};
pub use facts::versions::max_runtime;
pub use form::{Granularity, WeightForm};
pub use query::activations::{ActivationRule, Front};
pub use query::delegation::Delegation;
pub use query::describe::{
    ActivationsDescription, DelegateDescription, DequantizeDescription, Description,
    EquivalentDescription, FoldedDescription, LoadDescription, MemoryDescription, OpDescription,
    OriginDescription, RowDescription, SinceDescription, SpeedDescription, UnwrittenDescription,
    VersionDescription, describe,
};
pub use query::equivalent::Equivalent;
pub use query::legacy::LegacyOp;
pub use query::load::{About, Refusal};
pub use query::partitions::{Partitions, Section};
pub use query::question::WeightOperand;
pub use query::releases::Meant;
pub use query::speed::KernelSpeed;
pub use query::spreading::Spreaders;
pub use query::weights::Verdict;
pub use target::Target;
