//! Forms in which a weight can be stored.

use std::fmt;
use tfq_ir::{ElementType, Quantization, QuantizationDetails, Tensor};

/// How a weight is stored, or how one thinks of storing it: what kernels tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WeightForm {
    /// Type of the stored elements.
    pub ty: ElementType,
    /// What has a scale of its own.
    pub granularity: Granularity,
}

/// What has a scale of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// One scale. Where the channel axis has one index only this is per channel as well, and
    /// targets treat it so.
    PerTensor,
    /// One scale for each index of an axis.
    PerChannel {
        /// The axis.
        axis: usize,
    },
    /// One scale for each block of consecutive elements of a row.
    Blockwise {
        /// Elements of a block.
        block: u32,
    },
    /// No scale: float elements, or bare codes.
    Unscaled,
    /// Scales that no kernel is known to read: of several axes at once, of blocks with a shape, or
    /// as many as the axis does not have indices.
    Other,
}

impl WeightForm {
    /// A form.
    pub fn new(ty: ElementType, granularity: Granularity) -> Self {
        Self { ty, granularity }
    }

    /// The form that a tensor has.
    pub fn of(tensor: &Tensor) -> Self {
        Self::new(tensor.ty, granularity_of(tensor))
    }
}

fn granularity_of(tensor: &Tensor) -> Granularity {
    let Some(quantization) = tensor.quantization.as_deref() else { return Granularity::Unscaled };
    match &quantization.details {
        QuantizationDetails::Blockwise { block_size, block_shape, .. }
            if block_shape.is_empty() =>
        {
            Granularity::Blockwise { block: u32::try_from(*block_size).unwrap_or(0) }
        }
        QuantizationDetails::Blockwise { .. } | QuantizationDetails::MultiAxis { .. } => {
            Granularity::Other
        }
        // The loader takes custom details for none.
        QuantizationDetails::None | QuantizationDetails::Custom(_) => {
            match quantization.scale.len() {
                0 => Granularity::Unscaled,
                1 => Granularity::PerTensor,
                scales => match quantized_axis(tensor, quantization) {
                    Some((axis, len)) if len == scales => Granularity::PerChannel { axis },
                    _ => Granularity::Other,
                },
            }
        }
    }
}

/// The axis that the quantisation names, and its length.
pub(crate) fn quantized_axis(
    tensor: &Tensor,
    quantization: &Quantization,
) -> Option<(usize, usize)> {
    let axis = usize::try_from(quantization.quantized_dimension).ok()?;
    let len = usize::try_from(*tensor.shape.get(axis)?).ok()?;
    Some((axis, len))
}

impl fmt::Display for WeightForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ty, self.granularity)
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerTensor => f.write_str("per tensor"),
            Self::PerChannel { axis } => write!(f, "per channel of axis {axis}"),
            Self::Blockwise { block } => write!(f, "in blocks of {block}"),
            Self::Unscaled => f.write_str("without scales"),
            Self::Other => f.write_str("with scales that no kernel reads"),
        }
    }
}

/// Sets of granularities as data files name them.
pub(crate) mod grain {
    pub(crate) const TENSOR: u8 = 1;
    /// Along the op's own channel axis.
    pub(crate) const CHANNEL: u8 = 2;
    /// Along another axis.
    pub(crate) const AXIS: u8 = 4;
    pub(crate) const BLOCK: u8 = 8;
    pub(crate) const UNSCALED: u8 = 16;
    pub(crate) const OTHER: u8 = 32;
    pub(crate) const ALL: u8 = 63;
}
