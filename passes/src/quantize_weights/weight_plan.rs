//! What is decided about constants, as a value: it explains itself, and can be followed again.

use serde::{Deserialize, Serialize};

/// The version of the form in which a plan is written.
const VERSION: u32 = 1;

/// The form of every constant that ops read as a weight, how each op reads it, and why.
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
    /// In the order in which ops read them.
    #[serde(default)]
    pub constants: Vec<PlannedConstant>,
    /// Ops that read a weight which came as int8 otherwise than they did, by the numbers that they
    /// came with; those of the constants are about the model after that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reread: Vec<PlannedReader>,
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
    /// The type that its elements get: `FLOAT32` where it stays as it is.
    pub r#type: String,
    /// The axis that has a scale for each index; one scale where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<usize>,
    /// Whether each scale has a zero point other than 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_points: bool,
    /// Its bytes in the file as they came.
    pub bytes_before: u64,
    /// Those that it takes in this form, without scales.
    pub bytes: u64,
    /// Bytes that the runtime holds for it beside the file, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
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
    /// Every op that reads it as a weight.
    #[serde(default)]
    pub readers: Vec<PlannedReader>,
    /// Forms that were looked at too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
}

/// A tensor, by its numbers in the model that the plan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTensor {
    /// The number of its subgraph.
    pub subgraph: u32,
    /// Its number there.
    pub tensor: u32,
}

/// An op that reads a constant as a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedReader {
    /// The number of its subgraph.
    pub subgraph: u32,
    /// Its number there.
    pub op: u32,
    /// What it is.
    pub kind: String,
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
    /// Why it does not read the codes, where it does not.
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
}

impl Reads {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Hybrid => "hybrid",
            Self::Dequantize => "dequantize",
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
        Self {
            tfq_plan: VERSION,
            target,
            prefer,
            compat,
            constants: Vec::new(),
            reread: Vec::new(),
        }
    }

    /// Why the plan cannot be followed, if its form is of another version.
    pub(super) fn misfit(&self) -> Option<String> {
        let own = self.tfq_plan == VERSION;
        (!own).then(|| format!("its form has version {}, and this is {VERSION}", self.tfq_plan))
    }
}

impl PlannedConstant {
    /// Whether it gets another type.
    pub fn is_narrowed(&self) -> bool {
        self.readers.iter().any(|reader| reader.reads != Reads::Float32)
            && ["INT8", "FLOAT16"].contains(&&*self.r#type)
    }

    /// The form in words.
    pub fn form(&self) -> String {
        let form = match self.axis {
            Some(axis) => format!("{} per channel (axis {axis})", self.r#type),
            None if self.r#type == "INT8" => format!("{} with one scale", self.r#type),
            None => self.r#type.clone(),
        };
        if self.zero_points { form + " with zero points" } else { form }
    }
}
