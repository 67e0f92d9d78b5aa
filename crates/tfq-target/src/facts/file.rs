//! What a data file of a target says, row by row. The build script reads the shipped files so too,
//! and keeps them in a binary form: reading TOML takes a third of the time of a short run.

use serde::{Deserialize, Deserializer, Serialize};
use std::ops::Range;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) extends: Option<Spanned<String>>,
    pub(crate) summary: String,
    pub(crate) kernels: Option<Vec<KernelSet>>,
    pub(crate) max_runtime: Option<Spanned<String>>,
    pub(crate) prefer: Option<Objective>,
    pub(crate) keeps_dequantized: Option<bool>,
    pub(crate) keeps_order: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(crate) op: Vec<Spanned<OpRow>>,
    #[serde(default)]
    pub(crate) rule: Vec<Spanned<RuleRow>>,
    pub(crate) dequantize: Option<Vec<Spanned<DequantizeRow>>>,
    #[serde(default)]
    pub(crate) since: Vec<Spanned<SinceRow>>,
    pub(crate) memory: Option<Vec<Spanned<MemoryRow>>>,
    #[serde(default)]
    pub(crate) speed: Vec<Spanned<SpeedRow>>,
    pub(crate) load: Option<Vec<Spanned<LoadRow>>>,
    pub(crate) unwritten: Option<Vec<Spanned<UnwrittenRow>>>,
    pub(crate) folded: Option<Vec<Spanned<FoldedRow>>>,
    pub(crate) activations: Option<Vec<Spanned<ActivationsRow>>>,
    pub(crate) equivalent: Option<Vec<Spanned<EquivalentRow>>>,
    #[serde(default)]
    pub(crate) delegate: Vec<Spanned<DelegateRow>>,
}

/// The file of version caps: one row for each target.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caps {
    pub(crate) extends: String,
    pub(crate) kernels: Vec<KernelSet>,
    pub(crate) cap: Vec<CapRow>,
}

/// A shipped target that is another one, up to a release of the runtime.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CapRow {
    pub(crate) max_runtime: String,
    pub(crate) summary: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpRow {
    pub(crate) name: Spanned<String>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    pub(crate) weights: Vec<u32>,
    pub(crate) activation: Option<u32>,
    #[serde(default)]
    pub(crate) biases: Vec<u32>,
    pub(crate) channel_axis: Option<i32>,
    pub(crate) channel_axis_adj_y: Option<i32>,
    #[serde(default)]
    pub(crate) all_or_none: bool,
    #[serde(default)]
    pub(crate) asymmetric: bool,
    #[serde(default)]
    pub(crate) pass_through: bool,
    #[serde(default)]
    pub(crate) spreads_scale: Vec<KernelSet>,
    pub(crate) delegated_as_float: Option<Vec<Spanned<String>>>,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleRow {
    #[serde(default)]
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) types: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) granularity: Vec<Grain>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    pub(crate) optimized: Outcome,
    pub(crate) reference: Option<Outcome>,
    pub(crate) xnnpack: Option<XnnOutcome>,
    pub(crate) reason: Option<String>,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DequantizeRow {
    pub(crate) types: Vec<Spanned<String>>,
    pub(crate) granularity: Vec<Grain>,
    pub(crate) zero_points: Option<Spanned<String>>,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinceRow {
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) types: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) granularity: Vec<Grain>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    pub(crate) runtime: Spanned<String>,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemoryRow {
    #[serde(default)]
    pub(crate) ops: Vec<Spanned<String>>,
    pub(crate) read: Reading,
    #[serde(default)]
    pub(crate) types: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) kernels: Vec<KernelSet>,
    pub(crate) bytes: f64,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpeedRow {
    #[serde(default)]
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) types: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) granularity: Vec<Grain>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    pub(crate) kernels: KernelSet,
    pub(crate) float32_kernels: Option<KernelSet>,
    pub(crate) processor: String,
    pub(crate) times: f64,
    pub(crate) reason: Option<String>,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoadRow {
    #[serde(default)]
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    pub(crate) fails: Outcome,
    pub(crate) reason: Option<String>,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnwrittenRow {
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) kernels: Vec<KernelSet>,
    pub(crate) reason: String,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EquivalentRow {
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    #[serde(rename = "as")]
    pub(crate) name: String,
    pub(crate) xnnpack: f64,
    pub(crate) optimized: f64,
    #[serde(default)]
    pub(crate) at_borders: bool,
    pub(crate) reason: String,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoldedRow {
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) kernels: Vec<KernelSet>,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivationsRow {
    pub(crate) rule: String,
    #[serde(default)]
    pub(crate) ops: Vec<Spanned<String>>,
    pub(crate) when: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) prefer: Vec<Objective>,
    pub(crate) reason: String,
    pub(crate) source: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DelegateRow {
    pub(crate) ops: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) when: Vec<Spanned<String>>,
    pub(crate) takes: Takes,
    pub(crate) reason: Option<String>,
    pub(crate) source: String,
}

/// Whether a delegate takes an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Takes {
    No,
    Yes,
    /// With any op that reads a result and is taken.
    WithAReader,
    /// With all ops that read the result, for which it unpacks a constant.
    WithAllReaders,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum XnnOutcome {
    Delegated,
    Cpu,
    Prepare,
    Silent,
    Untested,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grain {
    Tensor,
    Channel,
    Axis,
    Block,
    Unscaled,
    Other,
}

/// An implementation of the ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KernelSet {
    Reference,
    Optimized,
    Xnnpack,
}

/// What kernels do with an op and a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Ok,
    Load,
    Prepare,
    Invoke,
    Silent,
    Crash,
    Unsupported,
    Untested,
}

/// What matters most to who runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// A small file.
    Size,
    /// Little memory that the runtime holds for itself.
    Ram,
    /// Quick answers.
    Latency,
    /// Quick answers as far as they cost next to no bytes of the file.
    Balanced,
}

impl Objective {
    /// What it is called in options and data files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Ram => "ram",
            Self::Latency => "latency",
            Self::Balanced => "balanced",
        }
    }
}

/// How an op gets the numbers of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// They are stored as float32.
    Float32,
    /// It reads the codes.
    Hybrid,
    /// A Dequantize makes them float32.
    Dequantize,
}

/// Where the lines of a text end.
pub(crate) fn line_ends(text: &str) -> Vec<u32> {
    text.match_indices('\n').map(|(at, _)| at as u32).collect()
}

/// A part of a data file, and where it stands.
#[derive(Serialize)]
pub(crate) struct Spanned<T> {
    start: u32,
    end: u32,
    value: T,
}

impl<T> Spanned<T> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn get_ref(&self) -> &T {
        &self.value
    }

    pub(crate) fn into_inner(self) -> T {
        self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let toml = toml::Spanned::<T>::deserialize(deserializer)?;
            let Range { start, end } = toml.span();
            return Ok(Self { start: start as u32, end: end as u32, value: toml.into_inner() });
        }
        let (start, end, value) = Deserialize::deserialize(deserializer)?;
        Ok(Self { start, end, value })
    }
}
