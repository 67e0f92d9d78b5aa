//! An op that is evaluated, as kernels see it.

use crate::dims::{Dims, count};
use crate::element::Element;
use crate::value::{Affine, Declared, Value, one_scale};
use crate::walk::product;
use crate::{Budget, NotEvaluated};
use std::ops::RangeInclusive;
use std::sync::Arc;
use tfq_ir::ops::{Activation, axis};
use tfq_ir::{Attr, ElementType, Op};

/// What a kernel gives.
pub(crate) type Made = Result<Vec<Value>, NotEvaluated>;

pub(crate) struct Call<'a> {
    pub(crate) op: &'a Op,
    pub(crate) operands: &'a [Option<Value>],
    pub(crate) results: &'a [Declared],
    /// The shapes of the results, where they do not depend on what the kernel finds.
    pub(crate) shapes: &'a [Option<Dims>],
    pub(crate) budget: &'a mut Budget,
}

impl<'a> Call<'a> {
    /// An operand that is there, or nothing.
    pub(crate) fn optional(&self, slot: usize) -> Option<&'a Value> {
        self.operands.get(slot)?.as_ref()
    }

    pub(crate) fn operand(&self, slot: usize) -> Result<&'a Value, NotEvaluated> {
        self.optional(slot).ok_or(NotEvaluated::NoValue { slot })
    }

    pub(crate) fn ty(&self, slot: usize) -> Result<ElementType, NotEvaluated> {
        Ok(self.operand(slot)?.ty())
    }

    pub(crate) fn bad_type(&self, slot: usize) -> NotEvaluated {
        match self.optional(slot) {
            Some(value) => NotEvaluated::Type { slot, ty: value.ty() },
            None => NotEvaluated::NoValue { slot },
        }
    }

    pub(crate) fn bad_result(&self, result: usize) -> NotEvaluated {
        NotEvaluated::ResultType { result, ty: self.results[result].ty }
    }

    /// That operands are of one type.
    pub(crate) fn same_types(&self, slots: &[usize]) -> Result<ElementType, NotEvaluated> {
        let ty = self.ty(slots[0])?;
        match slots.iter().find(|slot| self.optional(**slot).is_none_or(|v| v.ty() != ty)) {
            Some(slot) => Err(self.bad_type(*slot)),
            None => Ok(ty),
        }
    }

    /// How many whole bytes an element takes.
    pub(crate) fn width(&self, slot: usize) -> Result<usize, NotEvaluated> {
        let bits = self.ty(slot)?.bits().filter(|bits| bits % 8 == 0);
        bits.map(|bits| bits as usize / 8).ok_or_else(|| self.bad_type(slot))
    }

    /// The integers in an operand.
    pub(crate) fn ints(&self, slot: usize) -> Result<Vec<i64>, NotEvaluated> {
        self.operand(slot)?.integers().ok_or_else(|| self.bad_type(slot))
    }

    /// The only integer in an operand.
    pub(crate) fn int(&self, slot: usize) -> Result<i64, NotEvaluated> {
        let error = NotEvaluated::Operands { why: "an operand that should hold a number is empty" };
        self.ints(slot)?.first().copied().ok_or(error)
    }

    /// An axis that an integer names, negative ones from the end.
    pub(crate) fn axis(&self, number: i64, rank: usize) -> Result<usize, NotEvaluated> {
        axis(number, rank).ok_or(NotEvaluated::Operands { why: "there is no such axis" })
    }

    /// An attribute, at its default where the op has none: an integer, enum or flag.
    pub(crate) fn attr(&self, name: &str) -> i64 {
        self.op.number(name)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.attr(name) != 0
    }

    pub(crate) fn float(&self, name: &str) -> f32 {
        match self.op.attrs.as_ref().and_then(|attrs| attrs.get(name)) {
            Some(Attr::Float(value)) => value,
            _ => 0.0,
        }
    }

    pub(crate) fn list(&self, name: &str) -> Arc<[i64]> {
        match self.op.attrs.as_ref().and_then(|attrs| attrs.get(name)) {
            Some(Attr::Ints(values)) => values,
            _ => Arc::default(),
        }
    }

    pub(crate) fn bad_attr(&self, name: &'static str) -> NotEvaluated {
        NotEvaluated::Attribute { name, value: self.attr(name) }
    }

    /// The activation that the op applies to its result. Most kernels pass over those that they
    /// do not know, and so does this: what they make of those is what they make without any.
    pub(crate) fn activation(&self) -> Result<Activation, NotEvaluated> {
        match Activation::from_code(self.attr(Activation::ATTRIBUTE)) {
            Some(activation @ (Activation::Tanh | Activation::SignBit)) => {
                Err(NotEvaluated::Attribute {
                    name: Activation::ATTRIBUTE,
                    value: activation as i64,
                })
            }
            Some(activation) => Ok(activation),
            None => Err(self.bad_attr(Activation::ATTRIBUTE)),
        }
    }

    /// The shape of a result that follows from the operands.
    pub(crate) fn shape(&self, result: usize) -> Result<&'a [usize], NotEvaluated> {
        let unknown = NotEvaluated::Operands { why: "the shape of the result is not known" };
        self.shapes.get(result).and_then(|shape| shape.as_deref()).ok_or(unknown)
    }

    /// The only result.
    pub(crate) fn made(&self, bytes: impl Into<bytes::Bytes>) -> Made {
        Ok(vec![Value::made(&self.results[0], self.shape(0)?, bytes)])
    }

    /// Pays for a result of a shape that is found out late.
    pub(crate) fn pay(&mut self, ty: ElementType, shape: &[usize]) -> Result<(), NotEvaluated> {
        let size = count(shape).ok_or(NotEvaluated::Budget)?;
        self.budget.take_work(size)?;
        self.budget.take_bytes(ty.bytes_for(size).ok_or(NotEvaluated::Budget)?)
    }

    /// The scale and zero point of an operand that has one of each.
    pub(crate) fn scale(&self, slot: usize) -> Result<Affine, NotEvaluated> {
        let operand = self.operand(slot)?;
        one_scale(operand.quantization())
            .filter(|scale| is_code(operand.ty(), scale.zero_point))
            .ok_or(NotEvaluated::Quantization { why: "an operand has no single scale" })
    }

    pub(crate) fn result_scale(&self, result: usize) -> Result<Affine, NotEvaluated> {
        let declared = &self.results[result];
        one_scale(declared.quantization.as_ref())
            .filter(|scale| is_code(declared.ty, scale.zero_point))
            .ok_or(NotEvaluated::Quantization { why: "a result has no single scale" })
    }

    /// Whether an operand is quantised.
    pub(crate) fn is_quantized(&self, slot: usize) -> bool {
        let quantization = self.optional(slot).and_then(Value::quantization);
        quantization.is_some_and(|quantization| !quantization.scale.is_empty())
    }

    /// That a result is quantised as an operand is, or neither is: else the kernel refuses the
    /// op, or changes the numbers.
    pub(crate) fn quantized_alike(&self, slot: usize) -> Result<(), NotEvaluated> {
        let why = "operand and result are not quantised alike";
        let of_result = self.results[0].quantization.as_ref();
        match (self.operand(slot)?.quantization(), of_result) {
            (None, None) => Ok(()),
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => Ok(()),
            (Some(a), Some(b)) if a.scale == b.scale && points(a).eq(points(b)) => Ok(()),
            (Some(a), None) | (None, Some(a)) if a.scale.is_empty() => Ok(()),
            _ => Err(NotEvaluated::Quantization { why }),
        }
    }

    /// One result, elements of type `T`.
    pub(crate) fn made_of<T: Element>(&self, elements: impl IntoIterator<Item = T>) -> Made {
        if self.results[0].ty != T::TY {
            return Err(self.bad_result(0));
        }
        self.made(crate::element::stored(elements))
    }
}

/// The least and the greatest code of 8 and 16 bits.
pub(crate) fn codes_of(ty: ElementType) -> Option<RangeInclusive<i32>> {
    Some(match ty {
        ElementType::Int8 => -128..=127,
        ElementType::UInt8 => 0..=255,
        ElementType::Int16 => -32_768..=32_767,
        _ => return None,
    })
}

/// Whether a zero point is a code of the type: kernels do without a check of what they add it to.
fn is_code(ty: ElementType, zero_point: i32) -> bool {
    codes_of(ty).is_none_or(|codes| codes.contains(&zero_point))
}

/// Zero points; those that are left out are 0.
fn points(quantization: &tfq_ir::Quantization) -> impl Iterator<Item = i64> + '_ {
    let points = &quantization.zero_point;
    (0..quantization.scale.len()).map(|n| points.get(n).copied().unwrap_or(0))
}

/// As many as `usize` dimensions can say; what cannot be is no shape.
pub(crate) fn dims_of(sizes: impl IntoIterator<Item = i64>) -> Option<Dims> {
    let dims: Dims =
        sizes.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim))?;
    Some(dims)
}

/// Outer, middle and inner size of a shape about an axis.
pub(crate) fn about(shape: &[usize], axis: usize) -> [usize; 3] {
    [product(&shape[..axis]), shape[axis], product(&shape[axis + 1..])]
}
