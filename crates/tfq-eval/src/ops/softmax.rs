//! SOFTMAX.

use super::extremes::larger;
use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::element::stored;
use crate::math::exponential::{BITS_BEFORE, exp_of_negative};
use crate::math::fixed::{Multiplier, doubling_high_product, one_over_one_plus, rounding_shift};
use crate::math::functions as f;
use crate::math::table::Lines;
use tfq_ir::ElementType::{Float32, Int8, Int16, UInt8};

const RATIO: NotEvaluated =
    NotEvaluated::Quantization { why: "the scale is none that the kernel takes" };

pub(crate) fn softmax(call: &mut Call<'_>) -> Made {
    if call.operand(0)?.shape().is_empty() {
        return Err(NotEvaluated::Operands { why: "a scalar has no axis" });
    }
    match call.ty(0)? {
        Float32 => floats(call),
        Int8 | UInt8 => codes(call),
        Int16 => wide_codes(call),
        _ => Err(call.bad_type(0)),
    }
}

fn floats(call: &Call<'_>) -> Made {
    let beta = call.float("beta");
    super::along::rows(call, |x, out| {
        let most = x.iter().fold(f32::MIN, |a, b| larger(a, *b));
        let powers: Vec<f32> = x.iter().map(|x| f::exp((x - most) * beta)).collect();
        let sum = powers.iter().fold(0.0, |a, b| a + b);
        out.extend(powers.iter().map(|power| power / sum));
    })
}

/// Integers of an operand, row by row along the last axis.
fn rows(call: &Call<'_>) -> Result<(Vec<i32>, usize), NotEvaluated> {
    let x = call.operand(0)?;
    let all = call.ints(0)?.into_iter().map(|code| code as i32).collect();
    Ok((all, x.shape().last().copied().unwrap_or(1).max(1)))
}

fn codes(call: &Call<'_>) -> Made {
    let (ty, from, to) = (call.ty(0)?, call.scale(0)?, call.result_scale(0)?);
    if call.results[0].ty != ty {
        return Err(call.bad_result(0));
    }
    let codes = codes_of(ty).expect("of 8 bits");
    let unit = 1.0_f32 / 256.0;
    if ty == Int8 && (to.zero_point != -128 || (to.scale - unit).abs() > 0.001 * unit) {
        return Err(NotEvaluated::Quantization { why: "SOFTMAX gives 1/256 from -128 on" });
    }
    let most = f64::from(u32::MAX >> 1);
    let factor = f64::from(call.float("beta")) * f64::from(from.scale);
    let factor = (factor * f64::from(1 << (31 - BITS_BEFORE))).min(most);
    let by = Multiplier::of(factor)
        .or((factor == most).then_some(Multiplier { number: i32::MAX, shift: 31 }));
    let by = by.filter(|by| factor > 1.0 && by.shift >= 0).ok_or(RATIO)?;
    let reach = f64::from((1 << BITS_BEFORE) - 1) * f64::from(1 << (31 - BITS_BEFORE));
    let least = -((reach / libm::exp2(by.shift.into())).floor() as i32);
    let power = |difference: i32| {
        let scaled = doubling_high_product(difference.wrapping_shl(by.shift as u32), by.number);
        exp_of_negative(scaled)
    };
    let (all, length) = rows(call)?;
    let mut out = Vec::with_capacity(all.len());
    for row in all.chunks(length) {
        let most = row.iter().copied().max().unwrap_or(0);
        let sum = row.iter().map(|code| code - most).filter(|n| *n >= least);
        // With 12 bits before the point.
        let sum = sum.fold(0_i32, |sum, n| sum.wrapping_add(rounding_shift(power(n), 12)));
        let leading = sum.leading_zeros() as i32;
        let inverse = one_over_one_plus((((sum as u32) << leading).wrapping_sub(1 << 31)) as i32);
        let shift = 12 - leading + 31 - 8;
        if !(0..=31).contains(&shift) {
            return Err(NotEvaluated::Undefined { why: "the row is too long" });
        }
        out.extend(row.iter().map(|code| match code - most {
            n if n < least => *codes.start(),
            n => {
                let share = rounding_shift(doubling_high_product(inverse, power(n)), shift);
                (share + codes.start()).clamp(*codes.start(), *codes.end())
            }
        }));
    }
    call.made(match ty {
        Int8 => stored(out.into_iter().map(|code| code as i8)),
        _ => stored(out.into_iter().map(|code| code as u8)),
    })
}

/// By tables of lines for powers from -10 to 0, and for the inverse of 1 to 2.
fn wide_codes(call: &Call<'_>) -> Made {
    let (from, to) = (call.scale(0)?, call.result_scale(0)?);
    let unit = 1.0_f32 / 32_768.0;
    let fits =
        from.zero_point == 0 && to.zero_point == 0 && (to.scale - unit).abs() <= 0.001 * unit;
    if !fits || call.results[0].ty != Int16 {
        return Err(NotEvaluated::Quantization {
            why: "SOFTMAX of 16 bits gives 1/32768 from 0 on",
        });
    }
    const RANGE: f64 = 65_535.0;
    let (least, greatest) = (i16::MIN.into(), i16::MAX.into());
    let powers = Lines::of_f64((10.0 / RANGE, greatest), (2.0 / RANGE, 0), libm::exp);
    let inverses = Lines::of_f64((1.0 / RANGE, least), (2.0 / RANGE, 0), |x| 1.0 / (1.0 + x));
    let factor = f64::from(from.scale * call.float("beta")) / (10.0 / RANGE);
    let by = Multiplier::of(factor).ok_or(RATIO)?;
    let cut = |x: i32| x.clamp(least, greatest) as i16;
    let (all, length) = rows(call)?;
    let mut out = Vec::with_capacity(all.len());
    for row in all.chunks(length) {
        let most = row.iter().copied().max().unwrap_or(0);
        let of = |code: &i32| powers.at(cut(by.times(code - most).wrapping_add(32_767)));
        let shares: Vec<i16> = row.iter().map(of).collect();
        let sum = shares.iter().fold(0_i32, |sum, share| sum.wrapping_add((*share).into()));
        let leading = sum.leading_zeros() as i32;
        if !(1..=30).contains(&leading) {
            return Err(NotEvaluated::Undefined { why: "the sum passes what the kernel can hold" });
        }
        let shifted = (((i64::from(sum) << (leading - 1)) + (1 << 13)) >> 14) as i32;
        let inverse = inverses.at(cut(shifted - ((1 << 15) + (1 << 16))));
        let shift = 31 - leading;
        out.extend(shares.into_iter().map(|share| {
            let product = i64::from(share) * i64::from(inverse) + (1 << (shift - 1));
            (product >> shift).clamp(0, 32_767) as i16
        }));
    }
    call.made_of(out)
}
