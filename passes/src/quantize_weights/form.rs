//! What is chosen: which constants get which form, and how ops are to read them.

use super::weight_plan::Alternative;
use std::borrow::Cow;
use tfq_ir::{ElementType, Module, OpId, SubgraphId, TensorId};
use tfq_numeric::{NonFinite, ScaleRule};
use tfq_target::{Granularity, WeightForm, WeightOperand};

/// What the pass will do.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) groups: Vec<Group>,
    pub(super) verdicts: Vec<NotedVerdict>,
    /// What stays as it is, where somebody wants the plan.
    pub(super) left: Vec<Left>,
}

/// A constant that stays as it is.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) tensors: Vec<(SubgraphId, TensorId)>,
    pub(super) uses: Vec<WeightUse>,
    pub(super) rule: Cow<'static, str>,
    pub(super) message: String,
    pub(super) alternatives: Vec<Alternative>,
}

/// A constant to be quantised: every tensor that shows it, and how.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) tensors: Vec<(SubgraphId, TensorId)>,
    pub(super) uses: Vec<WeightUse>,
    pub(super) form: Form,
    /// Why it is not the form that would have come first, as an addition to what is told.
    pub(super) note: Option<String>,
    /// Whether it is known that every reader takes the codes as they are.
    pub(super) is_read: bool,
    /// What `asymmetric_quantize_inputs` becomes on the ops that read it directly.
    pub(super) asymmetric: Vec<(SubgraphId, OpId, bool)>,
    /// Forms that it did not get, where somebody wants the plan.
    pub(super) alternatives: Vec<Alternative>,
}

/// The form that a constant gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Float16 {
        non_finite: NonFinite,
    },
    PerTensor {
        rule: ScaleRule,
    },
    PerChannel {
        axis: usize,
        rule: ScaleRule,
    },
    /// A scale for each row, of which lookups dequantise those that they look up.
    Rows,
    /// With zero points, for a Dequantize: per channel, or one for all.
    Offset {
        axis: Option<usize>,
    },
    /// The legacy tool believes ranges that stand in the file.
    StatedRanges {
        axis: usize,
        min: Vec<f32>,
        max: Vec<f32>,
    },
}

/// A constant where an op reads it as a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct WeightUse {
    pub(super) sg: SubgraphId,
    pub(super) op: OpId,
    pub(super) slot: u32,
    pub(super) tensor: TensorId,
}

impl WeightUse {
    /// As the target is asked about it.
    pub(super) fn operand<'m>(&self, module: &'m Module) -> WeightOperand<'m> {
        WeightOperand { module, sg: self.sg, op: self.op, slot: self.slot }
    }
}

impl Form {
    /// The axis that has a scale for each index.
    pub(super) fn axis(&self) -> Option<usize> {
        match self {
            Self::PerChannel { axis, .. } | Self::StatedRanges { axis, .. } => Some(*axis),
            Self::Rows => Some(0),
            Self::Offset { axis } => *axis,
            Self::Float16 { .. } | Self::PerTensor { .. } => None,
        }
    }

    /// Each form in a few words.
    pub(super) const RULES: [&str; 6] = [
        "float16",
        "one scale",
        "a scale per channel",
        "a scale per row",
        "zero points",
        "stated ranges",
    ];

    pub(super) fn rule(&self) -> &'static str {
        Self::RULES[match self {
            Self::Float16 { .. } => 0,
            Self::PerTensor { .. } => 1,
            Self::PerChannel { .. } => 2,
            Self::Rows => 3,
            Self::Offset { .. } => 4,
            Self::StatedRanges { .. } => 5,
        }]
    }

    pub(super) fn bytes_per_element(&self) -> u64 {
        match self {
            Self::Float16 { .. } => 2,
            Self::PerTensor { .. }
            | Self::PerChannel { .. }
            | Self::Rows
            | Self::Offset { .. }
            | Self::StatedRanges { .. } => 1,
        }
    }

    /// What kernels see of it.
    pub(super) fn stored(&self) -> WeightForm {
        match self {
            Self::Float16 { .. } => WeightForm::new(ElementType::Float16, Granularity::Unscaled),
            Self::PerTensor { .. } | Self::Offset { axis: None } => {
                WeightForm::new(ElementType::Int8, Granularity::PerTensor)
            }
            Self::Rows => WeightForm::new(ElementType::Int8, Granularity::PerChannel { axis: 0 }),
            Self::PerChannel { axis, .. }
            | Self::Offset { axis: Some(axis) }
            | Self::StatedRanges { axis, .. } => {
                WeightForm::new(ElementType::Int8, Granularity::PerChannel { axis: *axis })
            }
        }
    }
}

impl Group {
    /// Who reads the constant as a weight, in words.
    pub(super) fn describe(&self, module: &Module) -> String {
        let Some(first) = self.uses.first() else { return "an operand".to_owned() };
        let reader = module.op_place(first.sg, first.op);
        match self.uses.len() - 1 {
            0 => format!("read by {reader}"),
            more => format!("read by {reader} and {more} more"),
        }
    }
}

/// What an op is kept from reading codes for, though a kernel could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody said so: the user, a plan, the legacy tool.
    Said,
    /// Its activations had better not be rounded.
    Exact,
    /// Float32 weights are quicker.
    Speed,
}

/// What was decided about how an op reads its weights, whatever the target says.
#[derive(Debug)]
pub(super) struct NotedVerdict {
    pub(super) sg: SubgraphId,
    pub(super) op: OpId,
    /// `hybrid`, `dequantize` or `pass-through`.
    pub(super) kind: &'static str,
    pub(super) reason: String,
    pub(super) cause: Cause,
    /// Weight operands that the target does not know of.
    pub(super) slots: Vec<u32>,
}
