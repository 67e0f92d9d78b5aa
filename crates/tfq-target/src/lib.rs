//! What a runtime can do: which kernels read quantised weights next to float activations, which
//! versions of operators it has, and since when.
//!
//! Internal crate: users import `tfq_opt`. A [`Target`] is data, a file that a person can read and
//! extend (`data/litert.toml` is the first), interpreted by code that knows conditions but no ops.
//! Passes ask it and hold no lists of ops of their own.

mod condition;
mod cost;
mod data;
mod describe;
mod error;
mod form;
mod load;
mod releases;
mod spreading;
mod target;
mod versions;

pub use data::{Prefer, Reading};
pub use describe::{
    DequantizeDescription, Description, LoadDescription, MemoryDescription, OpDescription,
    OriginDescription, RowDescription, SinceDescription, VersionDescription, describe,
};
pub use error::{Problem, TargetError};
pub use form::{Granularity, WeightForm};
pub use load::{About, Refusal};
pub use releases::Meant;
pub use spreading::Spreaders;
pub use target::{OpFacts, Target, Verdict};
pub use versions::max_runtime;
