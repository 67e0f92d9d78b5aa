//! Values of tensors.

use crate::dims::{Dims, count};
use crate::element::{Element, View, stored};
use bytes::Bytes;
use half::f16;
use std::sync::Arc;
use tfq_ir::{
    ElementType, Module, Quantization, QuantizationDetails, SubgraphId, Tensor, TensorId,
};

/// The value of a tensor. Its bytes are shared, never copied: a constant's are those of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    ty: ElementType,
    shape: Dims,
    quantization: Option<Arc<Quantization>>,
    bytes: Bytes,
}

/// What is said of a result beside its shape, which follows from the operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// What its elements are.
    pub ty: ElementType,
    /// How they map to real numbers.
    pub quantization: Option<Arc<Quantization>>,
}

impl Declared {
    /// A result that is not quantised.
    pub fn new(ty: ElementType) -> Self {
        Self { ty, quantization: None }
    }
}

impl Value {
    /// A value of these bytes: row-major, little-endian, sub-byte types packed. `None` where they
    /// are fewer than the shape asks for; more are cut off, as the runtime does with constants.
    /// Elements without a fixed size can only be looked at in another shape.
    pub fn new(ty: ElementType, shape: &[usize], bytes: Bytes) -> Option<Self> {
        let elements = count(shape)?;
        let needed = match ty.bits() {
            Some(_) => usize::try_from(ty.bytes_for(elements)?).ok()?,
            None => bytes.len(),
        };
        let bytes = (bytes.len() >= needed).then(|| bytes.slice(..needed))?;
        Some(Self { ty, shape: shape.into(), quantization: None, bytes })
    }

    /// The same with a quantisation.
    #[must_use]
    pub fn quantized(mut self, quantization: Option<Arc<Quantization>>) -> Self {
        self.quantization = quantization;
        self
    }

    /// The value of a constant that nobody can change. `None` for what is none, for sparse ones,
    /// for one whose bytes do not fill its shape, and for one that was quantised and whose readers
    /// expect float32.
    pub fn of_constant(module: &Module, subgraph: SubgraphId, id: TensorId) -> Option<Self> {
        Self::of_tensor(module.subgraph(subgraph).tensor(id), module.fixed_constant(subgraph, id)?)
    }

    /// The value of a tensor with these bytes.
    pub(crate) fn of_tensor(tensor: &Tensor, bytes: &Bytes) -> Option<Self> {
        if tensor.sparsity.is_some() || tensor.expressed.is_some() {
            return None;
        }
        let shape: Dims =
            tensor.shape.iter().map(|dim| usize::try_from(*dim).ok()).collect::<Option<_>>()?;
        Some(Self::new(tensor.ty, &shape, bytes.clone())?.quantized(tensor.quantization.clone()))
    }

    /// What its elements are.
    pub fn ty(&self) -> ElementType {
        self.ty
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How its elements map to real numbers.
    pub fn quantization(&self) -> Option<&Arc<Quantization>> {
        self.quantization.as_ref()
    }

    /// Its bytes, as many as it has elements.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its bytes alone.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// How many elements it has.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements as integers, where they are integers of at least a byte.
    pub fn integers(&self) -> Option<Vec<i64>> {
        use ElementType::*;
        macro_rules! read {
            ($ty:ty) => {
                View::<$ty>::new(&self.bytes).iter().map(|n| n as i64).collect()
            };
        }
        Some(match self.ty {
            Int8 => read!(i8),
            UInt8 | Bool => read!(u8),
            Int16 => read!(i16),
            UInt16 => read!(u16),
            Int32 => read!(i32),
            UInt32 => read!(u32),
            Int64 => read!(i64),
            _ => return None,
        })
    }

    /// Whether a floating-point element is one of which kernels make different things: infinite,
    /// NaN, the last before infinity, which stands for it, below the smallest normal number, -0.0.
    pub(crate) fn has_special_floats(&self) -> bool {
        let special = |x: f32| !(x.is_normal() || x.to_bits() == 0) || x.abs() == f32::MAX;
        let half = |x: f16| {
            !(x.is_normal() || x.to_bits() == 0) || x.to_bits() << 1 == f16::MAX.to_bits() << 1
        };
        match self.ty {
            ElementType::Float32 => self.view::<f32>().iter().any(special),
            ElementType::Float16 => self.view::<f16>().iter().any(half),
            _ => false,
        }
    }

    /// Leaves one NaN for all that were computed, whose other bits depend on the machine.
    pub(crate) fn make_nan_plain(&mut self) {
        if self.ty == ElementType::Float32 && self.view::<f32>().iter().any(f32::is_nan) {
            let plain = |x: f32| if x.is_nan() { f32::from_bits(0x7fc0_0000) } else { x };
            self.bytes = stored(self.view::<f32>().iter().map(plain)).into();
        }
    }

    pub(crate) fn view<T: Element>(&self) -> View<'_, T> {
        debug_assert_eq!(self.ty, T::TY);
        View::new(&self.bytes)
    }

    /// Made by a kernel, which knows that the bytes fill the shape.
    pub(crate) fn made(declared: &Declared, shape: &[usize], bytes: impl Into<Bytes>) -> Self {
        let (bytes, shape) = (bytes.into(), Dims::from(shape));
        debug_assert!(
            declared.ty.bits().is_none()
                || declared.ty.bytes_for(shape.iter().product::<usize>() as u64)
                    == Some(bytes.len() as u64)
        );
        Self { ty: declared.ty, shape, quantization: declared.quantization.clone(), bytes }
    }
}

/// The one scale and zero point of a tensor, as the runtime's kernels read them: without any the
/// scale is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    pub(crate) scale: f32,
    pub(crate) zero_point: i32,
}

/// What stands of scales and zero points; nothing where something else takes their place or they
/// are none that a kernel could use.
pub(crate) fn affine(quantization: Option<&Arc<Quantization>>) -> Option<&Quantization> {
    let quantization = quantization.map(|quantization| &**quantization)?;
    let usable = quantization.details == QuantizationDetails::None
        && !quantization.scale.is_empty()
        && quantization.scale.iter().all(|scale| scale.is_normal() && *scale > 0.0)
        && (quantization.zero_point.is_empty()
            || quantization.zero_point.len() == quantization.scale.len())
        && quantization.zero_point.iter().all(|point| i32::try_from(*point).is_ok());
    usable.then_some(quantization)
}

/// The scale and the zero point of a tensor that has one of each.
pub(crate) fn one_scale(quantization: Option<&Arc<Quantization>>) -> Option<Affine> {
    let quantization = affine(quantization)?;
    let [scale] = quantization.scale[..] else { return None };
    let zero_point = quantization.zero_point.first().map_or(0, |point| *point as i32);
    Some(Affine { scale, zero_point })
}
