//! What is known of an op.

/// What a target knows of an op: where its weights are, and what kernels want of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpFacts {
    /// Its name in the schema.
    pub name: &'static str,
    /// Operand slots that can hold weights. An op may have fewer operands, or leave some out:
    /// [`Target::weight_slots`](crate::Target::weight_slots) tells which are there.
    pub weights: Vec<u32>,
    /// Operand slot of the float data that meets the weights; `None` for lookups.
    pub activation: Option<u32>,
    /// Operand slots of biases, which stay float32 next to quantised weights.
    pub biases: Vec<u32>,
    /// The kernel reads all weights of the op the same way, so all of them are quantised or none.
    pub all_or_none: bool,
    /// The op has the attribute `asymmetric_quantize_inputs`.
    pub asymmetric_attr: bool,
    /// The op copies codes: its result has the type and the scales of its table.
    pub pass_through: bool,
    /// Some form of some weight runs without a Dequantize.
    pub hybrid: bool,
    pub(crate) channel_axis: Option<i32>,
    pub(crate) channel_axis_adj_y: Option<i32>,
}

impl OpFacts {
    /// Whether a hybrid kernel rounds the activations of the op, which can do without the kernel.
    pub fn rounds_activations(&self) -> bool {
        self.activation.is_some() && !self.pass_through && !self.all_or_none
    }

    /// The slot of the bias of an op that has one; the first of several.
    pub fn bias(&self) -> Option<u32> {
        self.biases.first().copied()
    }
}
