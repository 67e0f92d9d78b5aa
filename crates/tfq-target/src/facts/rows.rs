//! The rows of a target.

use crate::facts::activation_test::ActivationTest;
use crate::facts::condition::Condition;
pub(crate) use crate::facts::file::{KernelSet, Outcome, Takes};
pub use crate::facts::file::{Objective, Reading};
use crate::facts::load_test::LoadTest;
use crate::facts::op::OpFacts;

/// Where a row stands and where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Name of the target in whose file it stands.
    pub(crate) target: String,
    pub(crate) line: usize,
    pub(crate) source: String,
}

/// What a row is about.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Codes of the ops; every op where empty.
    pub(crate) ops: Vec<i32>,
    pub(crate) types: u32,
    pub(crate) grains: u8,
    pub(crate) when: Vec<Condition>,
    /// The conditions as they are written.
    pub(crate) texts: Vec<String>,
}

impl Scope {
    /// Whether it holds, for ops of this code, wherever `later` does.
    pub(crate) fn covers(&self, later: &Self, code: i32) -> bool {
        self.types & later.types == later.types
            && self.grains & later.grains == later.grains
            && self.is_about(code)
            && self.when.iter().all(|condition| later.when.contains(condition))
    }

    /// Whether it is about every op.
    pub(crate) fn is_general(&self) -> bool {
        self.ops.is_empty()
    }

    pub(crate) fn is_about(&self, code: i32) -> bool {
        self.is_general() || self.ops.contains(&code)
    }
}

/// What happens to ops that it matches.
#[derive(Clone, Debug)]
pub(crate) struct KernelRule {
    pub(crate) scope: Scope,
    pub(crate) optimized: Outcome,
    pub(crate) reference: Outcome,
    pub(crate) xnnpack: Outcome,
    pub(crate) delegated: bool,
    pub(crate) reason: String,
    pub(crate) origin: Origin,
}

impl KernelRule {
    pub(crate) fn outcome(&self, kernels: KernelSet) -> Outcome {
        match kernels {
            KernelSet::Reference => self.reference,
            KernelSet::Optimized => self.optimized,
            KernelSet::Xnnpack => self.xnnpack,
        }
    }

    /// Whether all of these run it.
    pub(crate) fn runs(&self, kernels: &[KernelSet]) -> bool {
        kernels.iter().all(|kernels| self.outcome(*kernels) == Outcome::Ok)
    }
}

/// An `[[op]]` entry.
#[derive(Clone, Debug)]
pub(crate) struct OpEntry {
    pub(crate) code: i32,
    pub(crate) when: Vec<Condition>,
    pub(crate) texts: Vec<String>,
    pub(crate) facts: OpFacts,
    /// Kernels that put several scales in place of a weight's one, in the tensor itself.
    pub(crate) spreads_scale: Vec<KernelSet>,
    /// Where XNNPACK takes the op with float32 weights; nowhere if `None`.
    pub(crate) delegated_as_float: Option<Vec<Condition>>,
    pub(crate) origin: Origin,
}

/// A `[[dequantize]]` entry.
#[derive(Clone, Debug)]
pub(crate) struct Dequantize {
    pub(crate) types: u32,
    pub(crate) grains: u8,
    /// The release since which zero points other than 0 are read; `None` where they are not.
    pub(crate) zero_points: Option<String>,
    pub(crate) origin: Origin,
}

/// Since when a kernel reads a weight so, where the operator version does not tell.
#[derive(Clone, Debug)]
pub(crate) struct Since {
    pub(crate) scope: Scope,
    /// The release; `None` where it is not known.
    pub(crate) runtime: Option<String>,
    pub(crate) origin: Origin,
}

/// What the runtime holds for a weight, beside the file.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) ops: Vec<i32>,
    pub(crate) read: Reading,
    pub(crate) types: u32,
    /// All where empty.
    pub(crate) kernels: Vec<KernelSet>,
    /// For each element.
    pub(crate) bytes: f64,
    pub(crate) origin: Origin,
}

/// How long a kernel that reads codes takes beside the one for float32.
#[derive(Clone, Debug)]
pub(crate) struct Speed {
    pub(crate) scope: Scope,
    /// Which kernels read the codes.
    pub(crate) kernels: KernelSet,
    /// Which compute with float32 weights.
    pub(crate) float32_kernels: KernelSet,
    /// On what it was measured.
    pub(crate) processor: String,
    /// The time of the one as a part of the other's.
    pub(crate) times: f64,
    /// Why it is what it is.
    pub(crate) reason: String,
    pub(crate) origin: Origin,
}

/// A `[[load]]` entry.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) asks: Asks,
    /// The conditions as they are written.
    pub(crate) texts: Vec<String>,
    pub(crate) fails: Outcome,
    /// Why, for a row with ops; tests say it themselves.
    pub(crate) reason: String,
    pub(crate) origin: Origin,
}

/// Ops whose result is not written where the subgraph returns it.
#[derive(Clone, Debug)]
pub(crate) struct Unwritten {
    pub(crate) ops: Vec<i32>,
    pub(crate) when: Vec<Condition>,
    /// The conditions as they are written.
    pub(crate) texts: Vec<String>,
    /// All where empty.
    pub(crate) kernels: Vec<KernelSet>,
    pub(crate) reason: String,
    pub(crate) origin: Origin,
}

/// Ops that run slowly, where others compute the same sooner.
#[derive(Clone, Debug)]
pub(crate) struct Equivalent {
    pub(crate) ops: Vec<i32>,
    pub(crate) when: Vec<Condition>,
    /// The conditions as they are written.
    pub(crate) texts: Vec<String>,
    /// What the others are called.
    pub(crate) name: String,
    /// Time of a model with the others as a part of its time before, where XNNPACK takes what it can.
    pub(crate) xnnpack: f64,
    /// The same on the CPU kernels alone.
    pub(crate) optimized: f64,
    /// Whether all that is gained is a border between partitions that goes.
    pub(crate) at_borders: bool,
    pub(crate) reason: String,
    pub(crate) origin: Origin,
}

/// Ops whose result is computed once where they read constants of the file only.
#[derive(Clone, Debug)]
pub(crate) struct Folded {
    pub(crate) ops: Vec<i32>,
    /// All where empty.
    pub(crate) kernels: Vec<KernelSet>,
    pub(crate) origin: Origin,
}

/// Ops whose kernel had better not round its activations, though it can read the codes.
#[derive(Clone, Debug)]
pub(crate) struct Activations {
    /// What it is called where it is told of.
    pub(crate) rule: String,
    /// Any where empty.
    pub(crate) ops: Vec<i32>,
    pub(crate) when: Vec<ActivationTest>,
    /// The tests as they are written.
    pub(crate) texts: Vec<String>,
    /// What must matter most for it to count; anything where empty.
    pub(crate) prefer: Vec<Objective>,
    pub(crate) reason: String,
    pub(crate) origin: Origin,
}

/// Whether XNNPACK takes ops.
#[derive(Clone, Debug)]
pub(crate) struct Delegate {
    pub(crate) ops: Vec<i32>,
    pub(crate) when: Vec<Condition>,
    /// The conditions as they are written.
    pub(crate) texts: Vec<String>,
    pub(crate) takes: Takes,
    /// Why it leaves them.
    pub(crate) reason: String,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug)]
pub(crate) enum Asks {
    Test(LoadTest),
    /// Ops by code, and what must hold of them.
    Ops(Vec<i32>, Vec<Condition>),
}
