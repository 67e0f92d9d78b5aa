//! Ops that look at each row along the last axis as a whole.

use super::extremes::larger;
use crate::NotEvaluated;
use crate::call::{Call, Made};
use crate::math::fixed::Multiplier;
use crate::math::functions as f;
use crate::math::inverse_root::inverse_root;
use crate::value::Affine;
use tfq_ir::ElementType::{Float32, Int8, UInt8};
use tfq_ir::ops::Activation;

/// Rows of float32 along the last axis, each made into another.
pub(super) fn rows(call: &Call<'_>, row: impl Fn(&[f32], &mut Vec<f32>)) -> Made {
    let x = call.operand(0)?;
    if x.ty() != Float32 {
        return Err(call.bad_type(0));
    }
    let length = x.shape().last().copied().unwrap_or(1);
    let all: Vec<f32> = x.view::<f32>().iter().collect();
    let mut out = Vec::with_capacity(all.len());
    all.chunks(length.max(1)).for_each(|x| row(x, &mut out));
    call.made_of(out)
}

pub(crate) fn log_softmax(call: &mut Call<'_>) -> Made {
    if call.operand(0)?.shape().is_empty() {
        return Err(NotEvaluated::Undefined { why: "a scalar has no axis" });
    }
    rows(call, |x, out| {
        let most = x.iter().fold(f32::MIN, |a, b| larger(a, *b));
        let sum = x.iter().fold(0.0, |sum, x| sum + f::exp(x - most));
        let log = f::log(sum);
        out.extend(x.iter().map(|x| x - most - log));
    })
}

pub(crate) fn l2_normalization(call: &mut Call<'_>) -> Made {
    if call.activation()? != Activation::None {
        return Err(call.bad_attr(Activation::ATTRIBUTE));
    }
    if call.ty(0)? != Float32 {
        return normalized_codes(call);
    }
    rows(call, |x, out| {
        let squares = x.iter().fold(0.0, |sum: f32, x| sum + x * x);
        let norm = larger(squares.sqrt(), 1e-6);
        out.extend(x.iter().map(|x| x / norm));
    })
}

/// The result has the scale 1/128.
fn normalized_codes(call: &Call<'_>) -> Made {
    let (ty, from, to) = (call.ty(0)?, call.scale(0)?, call.result_scale(0)?);
    let middle = match ty {
        Int8 => 0,
        UInt8 => 128,
        _ => return Err(call.bad_type(0)),
    };
    if to != (Affine { scale: 1.0 / 128.0, zero_point: middle }) || call.results[0].ty != ty {
        return Err(NotEvaluated::Quantization { why: "L2_NORMALIZATION gives 1/128" });
    }
    let length = call.operand(0)?.shape().last().copied().unwrap_or(1).max(1);
    let all: Vec<i32> = call.ints(0)?.iter().map(|code| *code as i32 - from.zero_point).collect();
    let mut out = Vec::with_capacity(all.len());
    for row in all.chunks(length) {
        let root = inverse_root(row.iter().fold(0_i32, |sum, x| sum.wrapping_add(x * x)));
        // Of int8 the factor is 128 times as large, of uint8 what it is multiplied by.
        let code = |x: &i32| match ty {
            Int8 => Multiplier { shift: root.shift + 7, ..root }.times(*x).clamp(-128, 127),
            _ => (128 + root.times(128 * x)).clamp(0, 255),
        };
        out.extend(row.iter().map(code));
    }
    match ty {
        Int8 => call.made_of(out.into_iter().map(|code| code as i8)),
        _ => call.made_of(out.into_iter().map(|code| code as u8)),
    }
}

/// Each channel by what its neighbours amount to.
pub(crate) fn local_response_normalization(call: &mut Call<'_>) -> Made {
    let (radius, bias) = (call.attr("radius"), call.float("bias"));
    let (alpha, beta) = (call.float("alpha"), call.float("beta"));
    if call.operand(0)?.shape().len() != 4 || radius < 0 {
        return Err(NotEvaluated::Operands { why: "it is no image" });
    }
    let channels = call.operand(0)?.shape()[3] as u64;
    call.budget.take_work((call.operand(0)?.elements() as u64).saturating_mul(channels))?;
    rows(call, |x, out| {
        for (n, value) in x.iter().enumerate() {
            let n = n as i64;
            let from = n.saturating_sub(radius).max(0) as usize;
            let to = n.saturating_add(radius).min(x.len() as i64) as usize;
            let squares = x[from.min(to)..to].iter().fold(0.0, |sum: f32, x| sum + x * x);
            out.push(value * f::pow(bias + alpha * squares, -beta));
        }
    })
}
