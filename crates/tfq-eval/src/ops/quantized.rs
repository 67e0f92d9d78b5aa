//! Ops of two quantised operands, in fixed point.

use super::unary::multiplier;
use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::math::activation::code_bounds;
use crate::math::fixed::{
    Multiplier, doubling_high_product, log2_of, one_over_one_plus, rounding_shift,
};
use crate::ops::pairs::pairs;
use crate::value::Affine;
use std::ops::RangeInclusive;
use tfq_ir::ElementType::{Int8, Int16, UInt8};

const RATIO: NotEvaluated =
    NotEvaluated::Quantization { why: "the ratio of scales is none that the kernel takes" };

/// What a function gives for each pair of codes.
fn code_pairs(call: &Call<'_>, function: impl Fn(i32, i32) -> i32) -> Made {
    macro_rules! run {
        ($ty:ty) => {
            pairs(call, |a: $ty, b: $ty| function(a.into(), b.into()) as $ty)
        };
    }
    match call.ty(0)? {
        Int8 => run!(i8),
        UInt8 => run!(u8),
        Int16 => run!(i16),
        _ => Err(call.bad_type(0)),
    }
}

/// Scales of two operands and the result, and bounds of the result's codes.
struct Scales {
    a: Affine,
    b: Affine,
    result: Affine,
    codes: RangeInclusive<i32>,
}

fn scales(call: &Call<'_>) -> Result<Scales, NotEvaluated> {
    let ty = call.same_types(&[0, 1])?;
    if call.results[0].ty != ty {
        return Err(call.bad_result(0));
    }
    let codes = codes_of(ty).ok_or_else(|| call.bad_type(0))?;
    let scales =
        Scales { a: call.scale(0)?, b: call.scale(1)?, result: call.result_scale(0)?, codes };
    let points = [scales.a, scales.b, scales.result].map(|scale| scale.zero_point);
    if ty == Int16 && points != [0; 3] {
        return Err(NotEvaluated::Quantization { why: "the zero point of 16 bits is not 0" });
    }
    if points.iter().any(|point| !scales.codes.contains(point)) {
        return Err(NotEvaluated::Quantization { why: "a zero point is no code" });
    }
    Ok(scales)
}

/// Both brought to twice the greater scale and many bits behind the point, added, and brought to
/// the result's scale.
pub(crate) fn add(call: &Call<'_>, subtract: bool) -> Made {
    let Scales { a, b, result, codes } = scales(call)?;
    let (low, high) = code_bounds(call.activation()?, codes, result);
    let wide = call.ty(0)? == Int16;
    if wide && call.flag("pot_scale_int16") {
        let logs = [a, b, result].map(|scale| log2_of(scale.scale));
        if logs.iter().all(|(_, is_power)| *is_power) {
            return add_powers(call, logs.map(|(log, _)| log), subtract, (low, high));
        }
    }
    let bits = if wide { 15 } else { 20 };
    let twice = f64::from(2.0 * a.scale.max(b.scale));
    let of = |factor| Multiplier::below_one(factor).ok_or(RATIO);
    let of_a = of(f64::from(a.scale) / twice)?;
    let of_b = of(f64::from(b.scale) / twice)?;
    let of_result = of(twice / f64::from((1 << bits) as f32 * result.scale))?;
    code_pairs(call, |x, y| {
        let x = of_a.times((x - a.zero_point) << bits);
        let y = of_b.times((y - b.zero_point) << bits);
        let sum = if subtract { x.wrapping_sub(y) } else { x.wrapping_add(y) };
        of_result.times(sum).wrapping_add(result.zero_point).max(low).min(high)
    })
}

/// Scales that are powers of two: one operand has the result's, the other is shifted to it.
fn add_powers(
    call: &Call<'_>,
    [a, b, result]: [i32; 3],
    subtract: bool,
    (low, high): (i32, i32),
) -> Made {
    let (a, b) = (result - a, result - b);
    if !(a == 0 || b == 0) || !(0..=31).contains(&a) || !(0..=31).contains(&b) {
        return Err(RATIO);
    }
    if !subtract && call.operand(0)?.shape() != call.operand(1)?.shape() {
        return Err(NotEvaluated::Undefined { why: "this form of ADD does not broadcast" });
    }
    let (least, greatest) = (i16::MIN.into(), i16::MAX.into());
    code_pairs(call, |x, y| {
        let (x, y) = (rounding_shift(x, a), rounding_shift(y, b));
        let sum = if subtract { x - y } else { (x + y).clamp(least, greatest) };
        sum.max(low).min(high)
    })
}

pub(crate) fn mul(call: &Call<'_>) -> Made {
    let Scales { a, b, result, codes } = scales(call)?;
    let (low, high) = code_bounds(call.activation()?, codes, result);
    let by = multiplier((a.scale * b.scale / result.scale).into())?;
    code_pairs(call, |x, y| {
        let product = (x - a.zero_point).wrapping_mul(y - b.zero_point);
        by.times(product).wrapping_add(result.zero_point).max(low).min(high)
    })
}

pub(crate) fn div(call: &Call<'_>) -> Made {
    let Scales { a, b, result, codes } = scales(call)?;
    let (low, high) = code_bounds(call.activation()?, codes, result);
    let by = multiplier((a.scale / (b.scale * result.scale)).into())?;
    if call.ints(1)?.iter().any(|code| *code == i64::from(b.zero_point)) {
        return Err(NotEvaluated::Fails { why: "it divides by 0" });
    }
    let shifts = std::cell::Cell::new(true);
    let made = code_pairs(call, |x, y| {
        let (mut x, mut y) = (x - a.zero_point, y - b.zero_point);
        if y < 0 {
            (x, y) = (-x, -y);
        }
        let leading = y.leading_zeros() as i32;
        let over = 31 - leading;
        let inverse = one_over_one_plus((((y as u32) << leading).wrapping_sub(1 << 31)) as i32);
        let headroom =
            if x == 0 { 31 } else { (if x < 0 { !x } else { x }).leading_zeros() as i32 - 1 };
        let quotient = doubling_high_product(x.wrapping_shl(headroom as u32), inverse);
        let shift = by.shift - over - headroom;
        if !(-31..=0).contains(&shift) {
            shifts.set(false);
            return 0;
        }
        let scaled = rounding_shift(doubling_high_product(quotient, by.number), -shift);
        scaled.wrapping_add(result.zero_point).max(low).min(high)
    });
    if shifts.get() { made } else { Err(RATIO) }
}

pub(crate) fn squared_difference(call: &Call<'_>) -> Made {
    let Scales { a, b, result, codes } = scales(call)?;
    const BITS: i32 = 7;
    let twice = f64::from(2.0 * a.scale.max(b.scale));
    let of = |factor| Multiplier::below_one(factor).ok_or(RATIO);
    let of_a = of(f64::from(a.scale) / twice)?;
    let of_b = of(f64::from(b.scale) / twice)?;
    let of_result = of(twice * twice / f64::from((1 << (BITS * 2)) as f32 * result.scale))?;
    code_pairs(call, |x, y| {
        let x = of_a.times((x - a.zero_point) << BITS);
        let y = of_b.times((y - b.zero_point) << BITS);
        let difference = x.wrapping_sub(y);
        let scaled = of_result.times(difference.wrapping_mul(difference));
        scaled.wrapping_add(result.zero_point).clamp(*codes.start(), *codes.end())
    })
}

/// Both brought to real numbers with 8 bits behind the point, which loses the last of some.
pub(crate) fn comparison(call: &Call<'_>, holds: impl Fn(i32, i32) -> bool) -> Made {
    let (a, b) = (call.scale(0)?, call.scale(1)?);
    let of = |scale: Affine| Multiplier::of(scale.scale.into()).filter(|m| m.shift <= 0);
    let (of_a, of_b) = of(a).zip(of(b)).ok_or(RATIO)?;
    let holds = |x: i32, y: i32| {
        let x = of_a.times((x - a.zero_point).wrapping_shl(8));
        let y = of_b.times((y - b.zero_point).wrapping_shl(8));
        holds(x, y)
    };
    match call.ty(0)? {
        Int8 => pairs(call, |x: i8, y: i8| holds(x.into(), y.into())),
        UInt8 => pairs(call, |x: u8, y: u8| holds(x.into(), y.into())),
        Int16 => pairs(call, |x: i16, y: i16| holds(x.into(), y.into())),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn prelu(call: &Call<'_>) -> Made {
    let Scales { a, b, result, codes } = scales(call)?;
    let above = multiplier((a.scale / result.scale).into())?;
    let below = multiplier((a.scale * b.scale / result.scale).into())?;
    code_pairs(call, |x, alpha| {
        let x = x - a.zero_point;
        let scaled = match x >= 0 {
            true => above.times(x),
            false => below.times(x.wrapping_mul(alpha - b.zero_point)),
        };
        scaled.wrapping_add(result.zero_point).clamp(*codes.start(), *codes.end())
    })
}
