//! What is decided about constants, as a value: it explains itself, and can be followed again.

use serde::{Deserialize, Serialize};

/// The version of the form in which a plan is written.
const VERSION: u32 = 2;

/// The form of every constant that ops read as a weight, how each op reads it, and why.
///
/// Subgraphs, tensors and ops have the numbers that they had before the first pass; one that a pass
/// added has a number past those.
///
/// `quantize-weights` hands one over where the caller asks ([`WantsPlan`]), and follows one that it
/// is given ([`tfq_pass::RunOptions::resources`]): the same model gets the same bytes, whatever the
/// policy that made the plan looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightPlan {
    /// The version of this form.
    pub tfq_plan: u32,
    /// The target that it was made for.
    pub target: String,
    /// What mattered most.
    pub prefer: String,
    /// Whose arithmetic: that of the option `compat`.
    pub compat: String,
    /// Whether the file may become larger than the one that came for what the plan says of weights
    /// that came quantised: an option asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_grow: bool,
    /// In the order in which ops read them.
    #[serde(default)]
    pub constants: Vec<PlannedConstant>,
}

/// Ask for the [`WeightPlan`] with this among the [resources](tfq_pass::RunOptions::resources).
#[derive(Clone, Copy, Debug)]
pub struct WantsPlan;

/// A constant and all of its readers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedConstant {
    /// The first of its tensors, by name.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<i32>,
    /// The type of its elements in the result: that in which it came where it stays as it is.
    pub r#type: String,
    /// The axis that has a scale for each index; one scale where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
    /// Whether each scale has a zero point other than 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_points: bool,
    /// Its bytes in the file that came; of what earlier passes computed, what it took then.
    pub bytes_before: u64,
    /// Those that it takes in this form, without scales.
    pub bytes: u64,
    /// Bytes that the runtime holds for it beside the file, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// How many of them are results of Dequantize ops that the runtime keeps. What one gives that
    /// serves several constants is told of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// Signal to noise of the values in this form, in dB; left out where nothing is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snr_db: Option<f64>,
    /// The rule that decided, in a few words.
    pub rule: String,
    /// The whole sentence, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Every tensor that shows it.
    pub tensors: Vec<PlannedTensor>,
    /// Every op that reads it: first those to which it is a weight.
    #[serde(default)]
    pub readers: Vec<PlannedReader>,
    /// Forms that were looked at too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
}

/// A tensor, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTensor {
    /// The number of its subgraph.
    pub subgraph: u32,
    /// Its number there.
    pub tensor: u32,
}

/// An op that reads a constant, be it behind a Dequantize.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedReader {
    /// The number of its subgraph.
    pub subgraph: u32,
    /// Its number there.
    pub op: u32,
    /// What it is.
    pub kind: String,
    /// The name of its first result, where a pass added it: the input does not have its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Which operand the constant is.
    pub operand: u32,
    /// How it gets the numbers.
    pub reads: Reads,
    /// What runs it then: `xnnpack`, or `cpu` for the kernels of the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_on: Option<String>,
    /// How long it takes when it reads the codes, beside its time with float32 weights: measured on
    /// one processor, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Why it does not read the codes, or why that takes it longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How an op gets the numbers of a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// They are stored as float32.
    Float32,
    /// It reads the codes.
    Hybrid,
    /// A Dequantize makes them float32.
    Dequantize,
    /// It copies codes, and a Dequantize makes float32 of what it copied.
    #[serde(rename = "dequantize-behind")]
    Behind,
}

impl Reads {
    /// Whether the op reads the codes, whatever becomes of what it computes.
    pub fn is_direct(self) -> bool {
        matches!(self, Self::Hybrid | Self::Behind)
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Hybrid => "hybrid",
            Self::Dequantize => "dequantize",
            Self::Behind => "dequantize-behind",
        }
    }
}

/// A form that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The form in words.
    pub form: String,
    /// Why not.
    pub why_not: String,
}

impl WeightPlan {
    pub(super) fn new(target: &str, prefer: &str, compat: &str) -> Self {
        let [target, prefer, compat] = [target, prefer, compat].map(str::to_owned);
        Self { tfq_plan: VERSION, target, prefer, compat, may_grow: false, constants: Vec::new() }
    }

    /// Why the plan cannot be followed, if its form is of another version.
    pub(super) fn misfit(&self) -> Option<String> {
        Self::misfit_of(self.tfq_plan)
    }

    /// Why a plan of this version of the form cannot be followed, if it cannot: it may have other
    /// fields.
    pub fn misfit_of(version: u32) -> Option<String> {
        (version != VERSION)
            .then(|| format!("its form has version {version}, and this is {VERSION}"))
    }
}

impl PlannedConstant {
    /// The form in words.
    pub fn form(&self) -> String {
        let form = match self.axis {
            Some(axis) => format!("{} per channel (axis {axis})", self.r#type),
            None if self.r#type.contains("INT") => format!("{} with one scale", self.r#type),
            None => self.r#type.clone(),
        };
        if self.zero_points { form + " with zero points" } else { form }
    }
}
