//! What the rules ask: operands, contents of constants, attributes, and sizes that fit.

use super::{Dim, InferError, OperandFacts, Party, Shape};
use crate::ops::OpSemantics;
use crate::{Attr, ElementType, Op};
use smallvec::SmallVec;
use std::sync::Arc;

/// Far more dimensions than any op takes. Of tensors that have more, nothing is said; so the work
/// for an op does not grow with what a hostile file claims.
pub(super) const MOST_DIMS: usize = 64;
/// Entries of a constant that a shape depends on, one list of sizes of SPLIT_V aside.
const MOST_ENTRIES: usize = 1024;

pub(super) type Ints = SmallVec<[i64; 8]>;

/// An op as the rules see it.
pub(super) struct Cx<'a> {
    pub(super) op: &'a Op,
    pub(super) what: &'static OpSemantics,
    pub(super) operands: &'a [Option<OperandFacts<'a>>],
    pub(super) results: &'a [Option<ElementType>],
}

/// The shapes of an op's results.
pub(super) enum Shapes {
    /// One for all of them.
    All(Shape),
    /// One for each.
    Each(Vec<Shape>),
}

impl Shapes {
    pub(super) fn take(&mut self, n: usize) -> Shape {
        match self {
            Self::All(shape) => shape.clone(),
            Self::Each(shapes) => shapes
                .get_mut(n)
                .map_or(Shape::Unranked, |at| std::mem::replace(at, Shape::Unranked)),
        }
    }
}

impl<'a> Cx<'a> {
    pub(super) fn operand(&self, slot: usize) -> Option<&'a OperandFacts<'a>> {
        self.operands.get(slot)?.as_ref()
    }

    pub(super) fn ty(&self, slot: usize) -> Option<ElementType> {
        self.operand(slot).map(|operand| operand.ty)
    }

    /// The dimensions of an operand, where it is there and their number known.
    pub(super) fn dims(&self, slot: usize) -> Option<&'a [Dim]> {
        self.operand(slot)?.shape.dims().filter(|dims| dims.len() <= MOST_DIMS)
    }

    pub(super) fn shape(&self, slot: usize) -> Shape {
        self.dims(slot).map_or(Shape::Unranked, |dims| Shape::of(dims.iter().copied()))
    }

    /// The dimensions of an operand that must have this many.
    pub(super) fn exactly<const N: usize>(
        &self,
        slot: usize,
        needs: &'static str,
    ) -> Result<Option<[Dim; N]>, InferError> {
        let Some(dims) = self.dims(slot) else { return Ok(None) };
        match <[Dim; N]>::try_from(dims) {
            Ok(dims) => Ok(Some(dims)),
            Err(_) => Err(self.rank(slot, dims.len(), needs)),
        }
    }

    /// The integers in a constant operand.
    pub(super) fn ints(&self, slot: usize) -> Option<Ints> {
        self.ints_up_to(slot, MOST_ENTRIES)
    }

    pub(super) fn ints_up_to(&self, slot: usize, most: usize) -> Option<Ints> {
        let operand = self.operand(slot)?;
        let width = int_width(operand.ty)?;
        let count = self.entries(slot)?;
        let bytes = operand.contents?.get(..count.checked_mul(width)?)?;
        (count <= most).then(|| bytes.chunks_exact(width).map(|b| int(operand.ty, b)).collect())
    }

    /// The integers in an operand, as far as they are known.
    pub(super) fn partial_ints(&self, slot: usize) -> Option<SmallVec<[Option<i64>; 8]>> {
        if let Some(all) = self.ints(slot) {
            return Some(all.into_iter().map(Some).collect());
        }
        let known = self.operand(slot)?.integers.filter(|known| known.len() <= MOST_ENTRIES)?;
        (self.entries(slot) == Some(known.len())).then(|| known.into())
    }

    /// The first integer in a constant operand.
    pub(super) fn int_in(&self, slot: usize) -> Option<i64> {
        let operand = self.operand(slot)?;
        let width = int_width(operand.ty)?;
        self.entries(slot).filter(|count| *count > 0)?;
        Some(int(operand.ty, operand.contents?.get(..width)?))
    }

    /// The last integer in a constant operand.
    pub(super) fn last_int_in(&self, slot: usize) -> Option<i64> {
        let operand = self.operand(slot)?;
        let width = int_width(operand.ty)?;
        let end = self.entries(slot).filter(|count| *count > 0)?.checked_mul(width)?;
        Some(int(operand.ty, operand.contents?.get(end - width..end)?))
    }

    /// The first number in a constant operand.
    pub(super) fn number_in(&self, slot: usize) -> Option<f64> {
        let operand = self.operand(slot)?;
        match operand.ty {
            ElementType::Float32 => {
                let bytes = operand.contents?.get(..4)?;
                Some(f32::from_le_bytes(bytes.try_into().ok()?).into())
            }
            ElementType::Float64 => {
                Some(f64::from_le_bytes(operand.contents?.get(..8)?.try_into().ok()?))
            }
            _ => self.int_in(slot).map(|value| value as f64),
        }
    }

    /// How many elements an operand has.
    pub(super) fn entries(&self, slot: usize) -> Option<usize> {
        usize::try_from(product(self.dims(slot)?.iter().copied())?).ok()
    }

    /// The shape that the contents of an operand say; where these are not known, its rank.
    pub(super) fn shape_in(&self, slot: usize) -> Result<Shape, InferError> {
        match self.partial_ints(slot) {
            Some(sizes) => {
                let dims = sizes.into_iter().map(|size| {
                    let wrong = |_| self.value(slot, size.unwrap_or(0), "no size of a dimension");
                    dim_of(size).map_err(wrong)
                });
                Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
            }
            None => Ok(unknown_dims(self.entries(slot))),
        }
    }

    /// An attribute, at its default where the op has none: an integer, enum or flag.
    pub(super) fn attr(&self, name: &str) -> i64 {
        self.op.number(name)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.attr(name) != 0
    }

    /// A list of integers that the op has as an attribute.
    pub(super) fn list(&self, name: &str) -> Option<Arc<[i64]>> {
        match self.op.attrs.as_ref()?.get(name)? {
            Attr::Ints(values) => Some(values).filter(|values| values.len() <= MOST_ENTRIES),
            _ => None,
        }
    }

    fn name(&self, slot: usize) -> &'static str {
        self.what.operand(slot).map_or("?", |operand| operand.name)
    }

    pub(super) fn rank(&self, slot: usize, rank: usize, needs: &'static str) -> InferError {
        InferError::Rank { slot, name: self.name(slot), rank, needs }
    }

    pub(super) fn bad_dim(&self, slot: usize, why: &'static str) -> InferError {
        InferError::Dimension { slot, name: self.name(slot), shape: self.shape(slot), why }
    }

    pub(super) fn value(&self, slot: usize, value: i64, why: &'static str) -> InferError {
        InferError::Value { slot, name: self.name(slot), value, why }
    }

    pub(super) fn attribute(&self, name: &'static str, why: &'static str) -> InferError {
        InferError::Attribute { name, value: self.attr(name), why }
    }

    pub(super) fn together(&self, a: usize, b: usize) -> InferError {
        let party = |slot| Box::new(Party { slot, name: self.name(slot), shape: self.shape(slot) });
        InferError::Together(party(a), party(b))
    }
}

/// A size as a dimension.
pub(super) fn dim(size: i64) -> Result<Dim, InferError> {
    match i32::try_from(size) {
        Ok(size) if size >= 0 => Ok(Some(size)),
        _ => Err(InferError::Size { size }),
    }
}

/// A dimension that depends on others: unknown where one of these is.
pub(super) fn dim_of(size: Option<i64>) -> Result<Dim, InferError> {
    size.map_or(Ok(None), dim)
}

pub(super) fn wide(dim: Dim) -> Option<i64> {
    dim.map(i64::from)
}

/// The product of dimensions, where all are known; what does not fit counts as unknown.
pub(super) fn product(dims: impl IntoIterator<Item = Dim>) -> Option<i64> {
    dims.into_iter().try_fold(1_i64, |product, dim| product.checked_mul(dim?.into()))
}

/// As many unknown dimensions, where their number is known.
pub(super) fn unknown_dims(rank: Option<usize>) -> Shape {
    match rank.filter(|rank| *rank <= MOST_DIMS) {
        Some(rank) => Shape::of(std::iter::repeat_n(None, rank)),
        None => Shape::Unranked,
    }
}

/// The axis that a number means among `rank` of them; negative ones count from the end. `None` where
/// there is no such axis.
pub fn axis(number: i64, rank: usize) -> Option<usize> {
    let from_start = if number < 0 { number.checked_add(rank as i64)? } else { number };
    usize::try_from(from_start).ok().filter(|axis| *axis < rank)
}

/// Rounded up; for positive divisors.
pub(super) fn div_ceil(a: i64, b: i64) -> i64 {
    a.div_euclid(b) + i64::from(a.rem_euclid(b) != 0)
}

fn int_width(ty: ElementType) -> Option<usize> {
    Some(match ty {
        ElementType::Int8 | ElementType::UInt8 => 1,
        ElementType::Int16 => 2,
        ElementType::Int32 | ElementType::UInt32 => 4,
        ElementType::Int64 => 8,
        _ => return None,
    })
}

/// A little-endian integer of a type that [`int_width`] knows.
fn int(ty: ElementType, bytes: &[u8]) -> i64 {
    let unsigned = matches!(ty, ElementType::UInt8 | ElementType::UInt32);
    let negative = !unsigned && bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(all)
}
