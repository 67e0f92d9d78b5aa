//! Reductions.

use super::unary::multiplier;
use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::element::{Element, Int};
use crate::walk::{Steps, Walk, product, steps};
use tfq_ir::ElementType::{Bool, Float32, Int8, Int16, Int32, Int64, UInt8};

/// Where each element of the operand goes, in the operand's order.
struct Reduced {
    walk: Walk<1>,
    /// How many elements go into each.
    each: usize,
    results: usize,
}

fn reduced(call: &mut Call<'_>) -> Result<Reduced, NotEvaluated> {
    let shape = call.operand(0)?.shape();
    let mut gone = vec![false; shape.len()];
    if !shape.is_empty() {
        for number in call.ints(1)? {
            let axis = call.axis(number, shape.len())?;
            gone[axis] = true;
        }
    }
    let kept: Vec<usize> =
        shape.iter().zip(&gone).map(|(size, gone)| if *gone { 1 } else { *size }).collect();
    let to: Steps =
        steps(&kept).iter().zip(&gone).map(|(step, gone)| if *gone { 0 } else { *step }).collect();
    let each = shape.iter().zip(&gone).filter(|(_, gone)| **gone).map(|(size, _)| *size).product();
    call.budget.take_work(product(shape) as u64)?;
    Ok(Reduced { walk: Walk::new(shape, [0], [to]), each, results: product(call.shape(0)?) })
}

/// What a function makes of all that goes to one place, from a start, in the operand's order.
fn folded<T: Element, A: Copy>(
    call: &mut Call<'_>,
    start: A,
    join: impl Fn(A, T) -> A,
) -> Result<(Vec<A>, usize), NotEvaluated> {
    let Reduced { walk, each, results } = reduced(call)?;
    let mut all = vec![start; results];
    for (x, [to]) in call.operand(0)?.view::<T>().iter().zip(walk) {
        all[to] = join(all[to], x);
    }
    Ok((all, each))
}

fn made<T: Element>(call: &mut Call<'_>, start: T, join: impl Fn(T, T) -> T) -> Made {
    let (all, _) = folded(call, start, join)?;
    call.made_of(all)
}

pub(crate) fn sum(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => made(call, 0.0_f32, |a, b| a + b),
        Int32 => made(call, 0_i32, i32::wrapping_add),
        Int64 => made(call, 0_i64, i64::wrapping_add),
        UInt8 if call.is_quantized(0) => rescaled(call, false),
        Int8 | Int16 if call.is_quantized(0) => {
            Err(NotEvaluated::Undefined { why: "the kernel adds other bytes than the operand's" })
        }
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn prod(call: &mut Call<'_>) -> Made {
    if call.is_quantized(0) {
        return prod_of_codes(call);
    }
    match call.ty(0)? {
        Float32 => made(call, 1.0_f32, |a, b| a * b),
        Int32 => made(call, 1_i32, i32::wrapping_mul),
        Int64 => made(call, 1_i64, i64::wrapping_mul),
        _ => Err(call.bad_type(0)),
    }
}

/// Rescaled after each factor, so that nothing passes 32 bits.
fn prod_of_codes(call: &mut Call<'_>) -> Made {
    let (ty, from, to) = (call.ty(0)?, call.scale(0)?, call.result_scale(0)?);
    if ty == Int16 && (from.zero_point != 0 || to.zero_point != 0) {
        return Err(NotEvaluated::Quantization { why: "the zero point of 16 bits is not 0" });
    }
    let (all, results) = (call.operand(0)?.elements(), product(call.shape(0)?));
    if all == 0 || results == 0 {
        return Err(NotEvaluated::Undefined { why: "the product of no codes" });
    }
    let root = libm::pow(to.scale.into(), 1.0 / (all / results) as f64);
    let by = multiplier(f64::from(from.scale) / root)?;
    if by.shift >= 8 {
        return Err(NotEvaluated::Quantization { why: "the product of scales is too large" });
    }
    let join = |product: Option<i32>, code: i32| {
        let factor = code.wrapping_sub(from.zero_point);
        Some(match product {
            None => factor,
            Some(product) => by.times_wide(i64::from(product) * i64::from(factor)),
        })
    };
    let code = |(least, greatest): (i32, i32)| {
        move |product: Option<i32>| {
            let scaled = by.times_wide(product.unwrap_or(0).into());
            scaled.wrapping_add(to.zero_point).clamp(least, greatest)
        }
    };
    match ty {
        Int8 => {
            let (all, _) = folded(call, None, |a, b: i8| join(a, b.into()))?;
            call.made_of(all.into_iter().map(code((-128, 127))).map(|code| code as i8))
        }
        Int16 => {
            let (all, _) = folded(call, None, |a, b: i16| join(a, b.into()))?;
            call.made_of(all.into_iter().map(code((-32_768, 32_767))).map(|code| code as i16))
        }
        _ => Err(call.bad_type(0)),
    }
}

/// REDUCE_MAX and REDUCE_MIN. Without elements the end of the finite range.
pub(crate) fn extreme(call: &mut Call<'_>, greatest: bool) -> Made {
    macro_rules! ints {
        ($ty:ty) => {
            match greatest {
                true => made(call, <$ty as Int>::MIN, |a: $ty, b| a.max(b)),
                false => made(call, <$ty as Int>::MAX, |a: $ty, b| a.min(b)),
            }
        };
    }
    call.quantized_alike(0)?;
    match (call.ty(0)?, greatest) {
        // A NaN is passed over.
        (Float32, true) => made(call, f32::MIN, |a, b| if b > a { b } else { a }),
        (Float32, false) => made(call, f32::MAX, |a, b| if b < a { b } else { a }),
        (Int8, _) => ints!(i8),
        (UInt8, _) => ints!(u8),
        (Int16, _) => ints!(i16),
        (Int32, _) => ints!(i32),
        (Int64, _) => ints!(i64),
        (Bool, true) => made(call, false, |a, b| a | b),
        (Bool, false) => made(call, true, |a, b| a & b),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn logical(call: &mut Call<'_>, all: bool) -> Made {
    match call.ty(0)? {
        Bool if all => made(call, true, |a, b| a & b),
        Bool => made(call, false, |a, b| a | b),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn mean(call: &mut Call<'_>) -> Made {
    if call.operand(0)?.elements() == 0 && call.ty(0)? != Float32 {
        return Err(NotEvaluated::Undefined { why: "the mean of no integers" });
    }
    match call.ty(0)? {
        Float32 => {
            let (sums, each) = folded(call, 0.0_f32, |a, b: f32| a + b)?;
            let empty = call.operand(0)?.elements() == 0;
            // Of nothing the mean is NaN, the positive one.
            call.made_of(
                sums.into_iter().map(|sum| if empty { f32::NAN } else { sum / each as f32 }),
            )
        }
        Int32 => {
            let (sums, each) = folded(call, 0_i64, |a, b: i32| a.wrapping_add(b.into()))?;
            call.made_of(sums.into_iter().map(|sum| (sum / each as i64) as i32))
        }
        Int64 => {
            let (sums, each) = folded(call, 0_i64, i64::wrapping_add)?;
            call.made_of(sums.into_iter().map(|sum| sum.wrapping_div(each as i64)))
        }
        Int8 | UInt8 | Int16 => rescaled(call, true),
        _ => Err(call.bad_type(0)),
    }
}

/// The sum of codes, in the scale of the result; of a mean the number is divided as well.
fn rescaled(call: &mut Call<'_>, mean: bool) -> Made {
    let ty = call.ty(0)?;
    let (from, to) = (call.scale(0)?, call.result_scale(0)?);
    let codes = codes_of(ty).ok_or_else(|| call.bad_type(0))?;
    if ty == Int16 && (from.zero_point != 0 || to.zero_point != 0) {
        return Err(NotEvaluated::Quantization { why: "the zero point of 16 bits is not 0" });
    }
    let mut by = multiplier(f64::from(from.scale) / f64::from(to.scale))?;
    let (sums, each) = match ty {
        Int8 => folded(call, 0_i32, |a, b: i8| a.wrapping_add(b.into()))?,
        UInt8 => folded(call, 0_i32, |a, b: u8| a.wrapping_add(b.into()))?,
        _ => folded(call, 0_i32, |a, b: i16| a.wrapping_add(b.into()))?,
    };
    if call.operand(0)?.elements() == 0 {
        return Err(NotEvaluated::Undefined { why: "the sum of no codes" });
    }
    if mean {
        let shift = (63 - (each as u64).leading_zeros() as i32).min(32).min(31 + by.shift);
        by.number = ((i64::from(by.number) << shift) / each as i64) as i32;
        by.shift -= shift;
    }
    let offset = i32::try_from(each).ok().and_then(|each| from.zero_point.checked_mul(each));
    let offset = offset.ok_or(NotEvaluated::Undefined { why: "the sum passes 32 bits" })?;
    let code = |sum: i32| {
        let sum = sum.wrapping_sub(offset);
        by.times(sum).wrapping_add(to.zero_point).clamp(*codes.start(), *codes.end())
    };
    match ty {
        Int8 => call.made_of(sums.into_iter().map(|sum| code(sum) as i8)),
        UInt8 => call.made_of(sums.into_iter().map(|sum| code(sum) as u8)),
        _ => call.made_of(sums.into_iter().map(|sum| code(sum) as i16)),
    }
}
