//! Tensors and what the format says of them.

use crate::rare::{Rare, rarely};
use crate::{BufferId, ElementType, TensorId};
use bytes::Bytes;
use std::sync::Arc;

/// A tensor of a subgraph.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Names may be missing, empty or shared by several tensors.
    pub name: Option<Arc<str>>,
    /// Type of the stored elements.
    pub ty: ElementType,
    /// Dimensions; a placeholder (usually 1) stands where `shape_signature` has -1.
    pub shape: Arc<[i32]>,
    /// Tells a scalar (`true`) from a tensor of unknown rank where `shape` is empty.
    pub has_rank: bool,
    /// State that survives from one run to the next.
    pub is_variable: bool,
    /// Where its constant bytes lie, if it is a constant.
    pub buffer: BufferId,
    /// How stored numbers map to real ones.
    pub quantization: Option<Arc<Quantization>>,
    /// The type its consumers were written for, where storage was quantised and the consumers
    /// have not been looked at since (MLIR's *expressed type*): float32 or nothing. Not part of
    /// the format: `insert-dequant` settles and clears it.
    pub expressed: Option<ElementType>,
    /// What is said of few tensors. Its fields are reached as if they were the tensor's own.
    pub rare: Rare<TensorRare>,
}

/// What is said of few tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorRare {
    /// Dimensions with -1 for those unknown before run time; empty where all are known.
    pub shape_signature: Arc<[i32]>,
    /// Identifier of a buffer outside the model's own; 0 for none.
    pub external_buffer: u32,
    /// How a sparse constant is stored.
    pub sparsity: Option<Arc<Sparsity>>,
    /// Types of the elements of a `VARIANT` tensor.
    pub variant_tensors: Vec<VariantSubType>,
}

rarely!(TensorRare, of Tensor);

impl Tensor {
    /// The tensors that its quantisation names.
    pub fn links(&self) -> impl Iterator<Item = TensorId> + use<'_> {
        self.quantization.iter().flat_map(|q| q.details.links())
    }

    /// Whether its quantisation names any.
    pub(crate) fn has_links(&self) -> bool {
        self.quantization.as_ref().is_some_and(|q| q.details.links().next().is_some())
    }

    pub(crate) fn each_link(&mut self, change: impl Fn(TensorId) -> TensorId) {
        if self.has_links()
            && let Some(quantization) = &mut self.quantization
        {
            Arc::make_mut(quantization).details.each_link(|id| *id = change(*id));
        }
    }

    /// A tensor with a type and dimensions and nothing else.
    pub fn new(name: impl Into<Arc<str>>, ty: ElementType, shape: impl Into<Arc<[i32]>>) -> Self {
        Self {
            name: Some(name.into()),
            ty,
            shape: shape.into(),
            has_rank: false,
            is_variable: false,
            buffer: BufferId::NONE,
            quantization: None,
            expressed: None,
            rare: Rare::default(),
        }
    }

    /// Product of the dimensions; 1 for a scalar, `None` where one is negative or the product
    /// passes 2^63. Placeholders count as they stand, and an unknown rank as that of a scalar,
    /// which is what a constant without dimensions is: [`Self::is_static`] tells whether others
    /// have this many elements at run time.
    pub fn elements(&self) -> Option<u64> {
        self.shape
            .iter()
            .try_fold(1_u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?))
            .filter(|n| *n <= i64::MAX as u64)
    }

    /// Bytes that its elements take; `None` where their number or size is not known.
    pub fn byte_len(&self) -> Option<u64> {
        self.ty.bytes_for(self.elements()?)
    }

    /// Whether the number of dimensions is known before run time. Old files do not tell a
    /// scalar that an op computes from a tensor of unknown rank, so it counts as one of those.
    pub fn is_ranked(&self) -> bool {
        self.has_rank || !self.shape.is_empty()
    }

    /// Whether every dimension is known before run time.
    pub fn is_static(&self) -> bool {
        self.is_ranked() && self.shape.iter().chain(self.signature()).all(|d| *d >= 0)
    }

    /// A dimension, where it is known before run time.
    pub fn known_dim(&self, n: usize) -> Option<i32> {
        let signature = self.signature().get(n).copied().unwrap_or(0);
        self.shape.get(n).copied().filter(|dim| *dim >= 0 && signature >= 0)
    }

    fn signature(&self) -> &[i32] {
        self.rare.said().map_or(&[], |rare| &rare.shape_signature)
    }

    /// Whether it holds its elements one by one, in the type that its readers were written for, and
    /// one value in each run: it is no variable, not sparse, and not [`Self::expressed`] otherwise.
    pub fn is_plain(&self) -> bool {
        !self.is_variable && self.sparsity.is_none() && self.expressed.is_none()
    }

    /// Whether both are plain and elements mean the same in both, whatever their shapes: one type,
    /// and one scale at most, which is that of the other.
    pub fn is_stored_like(&self, other: &Self) -> bool {
        self.ty == other.ty
            && self.quantization == other.quantization
            && self.scales() <= 1
            && self.is_plain()
            && other.is_plain()
    }

    /// The name for messages: `?` where there is none.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("?")
    }

    /// Whether people call it so: its name, or what is shown of the name.
    pub fn is_called(&self, name: &str) -> bool {
        let label = self.label();
        label == name || crate::visible(label) == name
    }

    /// Number of scales of an affine quantisation, 0 where there is none.
    pub fn scales(&self) -> usize {
        self.quantization.as_ref().map_or(0, |q| q.scale.len())
    }
}

/// The schema's `QuantizationParameters`. `real = scale * (stored - zero_point)`, with one
/// scale for the tensor or one for each index of `quantized_dimension`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Quantization {
    pub scale: Vec<f32>,
    pub zero_point: Arc<[i64]>,
    pub quantized_dimension: i32,
    /// What is said by few. Its fields are reached as if they were of the quantisation.
    pub rare: Rare<QuantizationRare>,
}

/// What few quantisations say.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct QuantizationRare {
    pub min: Vec<f32>,
    pub max: Vec<f32>,
    pub details: QuantizationDetails,
}

rarely!(QuantizationRare, of Quantization);

impl From<QuantizationDetails> for Rare<QuantizationRare> {
    fn from(details: QuantizationDetails) -> Self {
        QuantizationRare { details, ..QuantizationRare::default() }.into()
    }
}

/// Floats compare by their bits, as in [`crate::Attr`]: a NaN is what it was.
fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

impl PartialEq for QuantizationRare {
    fn eq(&self, other: &Self) -> bool {
        let Self { min, max, details } = self;
        same(min, &other.min) && same(max, &other.max) && *details == other.details
    }
}

impl PartialEq for Quantization {
    fn eq(&self, other: &Self) -> bool {
        let Self { scale, zero_point, quantized_dimension, rare } = self;
        same(scale, &other.scale)
            && *zero_point == other.zero_point
            && *quantized_dimension == other.quantized_dimension
            && *rare == other.rare
    }
}

impl Quantization {
    /// Symmetric quantisation: zero points are 0.
    pub fn symmetric(scale: Vec<f32>, quantized_dimension: i32) -> Self {
        let zero_point = vec![0; scale.len()].into();
        Self { scale, zero_point, quantized_dimension, ..Self::default() }
    }
}

/// What takes the place of scale and zero point. Scales and zero points of blockwise
/// quantisation are tensors of the same subgraph.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub enum QuantizationDetails {
    #[default]
    None,
    Custom(Bytes),
    Blockwise {
        scales: TensorLink,
        zero_points: TensorLink,
        block_size: i32,
        block_shape: Vec<i32>,
    },
    MultiAxis {
        scales: TensorLink,
        zero_points: TensorLink,
        block_size: i32,
        quantized_dimensions: Vec<i32>,
    },
}

impl QuantizationDetails {
    /// Where its scales and zero points are, if in tensors.
    pub fn scales_and_zero_points(&self) -> Option<[TensorLink; 2]> {
        match self {
            Self::None | Self::Custom(_) => None,
            Self::Blockwise { scales, zero_points, .. }
            | Self::MultiAxis { scales, zero_points, .. } => Some([*scales, *zero_points]),
        }
    }

    /// The tensors that it refers to.
    pub fn links(&self) -> impl Iterator<Item = TensorId> {
        let pair = self.scales_and_zero_points();
        pair.into_iter().flatten().filter_map(TensorLink::tensor)
    }

    /// Changes the references to tensors.
    pub fn each_link(&mut self, mut change: impl FnMut(&mut TensorId)) {
        match self {
            Self::None | Self::Custom(_) => (),
            Self::Blockwise { scales, zero_points, .. }
            | Self::MultiAxis { scales, zero_points, .. } => {
                for link in [scales, zero_points] {
                    if let TensorLink::Tensor(id) = link {
                        change(id);
                    }
                }
            }
        }
    }
}

/// A reference to a tensor by number where the runtime accepts numbers that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorLink {
    /// A tensor of the same subgraph.
    Tensor(TensorId),
    /// -1 ("none") or another number that names no tensor; kept as it was.
    Raw(i32),
}

impl TensorLink {
    /// The tensor that it names.
    pub fn tensor(self) -> Option<TensorId> {
        match self {
            Self::Tensor(id) => Some(id),
            Self::Raw(_) => None,
        }
    }
}

/// The schema's `SparsityParameters`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Sparsity {
    pub traversal_order: Vec<i32>,
    pub block_map: Vec<i32>,
    pub dim_metadata: Vec<DimensionMetadata>,
}

/// How one dimension of a sparse tensor is stored.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct DimensionMetadata {
    /// The schema's `DimensionType`: 0 dense, 1 compressed sparse rows.
    pub format: i8,
    pub dense_size: i32,
    pub array_segments: SparseIndex,
    pub array_indices: SparseIndex,
}

/// Indices of a sparse dimension, in the width that the file has.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub enum SparseIndex {
    #[default]
    None,
    Int32(Vec<i32>),
    Uint16(Vec<u16>),
    Uint8(Vec<u8>),
}

/// The type of an element of a `VARIANT` tensor.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct VariantSubType {
    pub shape: Vec<i32>,
    pub ty: ElementType,
    pub has_rank: bool,
}
