//! Runs `.tflite` models on LiteRT, and measures how alike and how fast they are.
//!
//! Internal crate: users import `tfq_opt`. The runtime is a shared library that is found when it
//! is needed ([`Runtime::find`]); nothing here is needed to read, optimise or write a model.
//!
//! A model can crash the runtime, and some that converters wrote do. So models run in a
//! [`Worker`], a process of its own that calls [`serve`]: a crash is a [`RuntimeError`] that names
//! the signal, and neither the caller nor another worker is touched. A second kind of worker
//! is a Python interpreter with the package `ai_edge_litert`, for what the C API cannot do:
//! models with variables (every LSTM), outputs whose size only a run tells, and the values of
//! tensors inside of a model. Both speak the protocol of `protocol.rs`, and compute the same bits,
//! but that the C API takes denormal numbers for zero.

mod compare;
mod discover;
mod error;
mod ffi;
mod metrics;
mod npy;
mod probe;
mod process;
mod protocol;
mod sample;
mod serve;
mod statistics;
mod value;
mod worker;

pub use compare::{Case, CaseOutcome, OfSignature, Output, Reference, compare, run_like};
pub use discover::{NotFound, Runtime, VARIABLE};
pub use error::{RuntimeError, Stage};
pub use metrics::{Difference, Mismatch, Tally};
pub use npy::{read_npy, read_npz, write_npy};
pub use protocol::{Memory, OpSpan, RunProfile};
pub use sample::{Fill, Range, Unfillable, fill};
pub use serve::serve;
pub use statistics::Spread;
pub use value::{Interface, MAX_BYTES, Port, Value, bytes_of, form};
pub use worker::{Loaded, Worker};

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a worker reaches the runtime through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The C API of its shared library.
    Library,
    /// Its Python package.
    Python,
}

/// Does some work through the C API, and where the model fails there once more through Python.
/// The first error is told where Python cannot be used. `why` tells what went wrong with the
/// model, if an error is about that.
pub fn with_either<T, E>(
    mut work: impl FnMut(Engine) -> Result<T, E>,
    why: impl Fn(&E) -> Option<&RuntimeError>,
) -> Result<T, E> {
    let refused = match work(Engine::Library) {
        Err(error) if why(&error).is_some_and(RuntimeError::python_may_help) => error,
        other => return other,
    };
    match work(Engine::Python) {
        Err(error) if why(&error).is_some_and(|why| why.stage == Stage::Library) => Err(refused),
        other => other,
    }
}

/// Which of a runtime's implementations of the ops compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// The reference kernels: plain loops, as on small targets.
    Reference,
    /// The optimised kernels of the CPU, without a delegate.
    Optimized,
    /// The XNNPACK delegate, and the optimised kernels for what it does not take: the default
    /// of the runtime.
    Xnnpack,
}

impl Kernels {
    /// All of them, plainest first.
    pub const ALL: [Self; 3] = [Self::Reference, Self::Optimized, Self::Xnnpack];

    /// Their name, as in target files: `xnnpack`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Optimized => "optimized",
            Self::Xnnpack => "xnnpack",
        }
    }
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
