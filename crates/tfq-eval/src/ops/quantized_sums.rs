//! Sums of products of codes: convolutions and matrices, brought to the scale of the result.

use super::windows::Sums;
use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::element::stored;
use crate::math::activation::code_bounds;
use crate::math::fixed::Multiplier;
use crate::math::table::to_int_64;
use crate::value::{Affine, affine};
use tfq_ir::ElementType::{self, Int8, Int16, Int32, Int64, UInt8};

/// Codes less their zero points.
pub(crate) struct Factors<'a> {
    x: Codes<'a>,
    w: Codes<'a>,
    pub(crate) of_x: Affine,
    pub(crate) of_w: f32,
}

/// Codes of 8 or 16 bits.
struct Codes<'a> {
    bytes: &'a [u8],
    ty: ElementType,
    point: i64,
}

impl Codes<'_> {
    #[inline]
    fn at(&self, n: usize) -> i64 {
        let code: i64 = match self.ty {
            Int8 => (self.bytes[n] as i8).into(),
            UInt8 => self.bytes[n].into(),
            _ => i16::from_le_bytes([self.bytes[2 * n], self.bytes[2 * n + 1]]).into(),
        };
        code - self.point
    }
}

impl<'a> Factors<'a> {
    /// Of activations and weights in these slots.
    pub(crate) fn new(call: &Call<'a>, x: usize, w: usize) -> Result<Self, NotEvaluated> {
        let types = (call.ty(x)?, call.ty(w)?);
        if !matches!(types, (Int8, Int8) | (UInt8, UInt8) | (Int16, Int8)) {
            return Err(call.bad_type(w));
        }
        let of_x = call.scale(x)?;
        let weights = affine(call.operand(w)?.quantization());
        let none = NotEvaluated::Quantization { why: "the weights have no scales" };
        let weights = weights.ok_or(none)?;
        let point = weights.zero_point.first().copied().unwrap_or(0);
        if types.0 != UInt8 && weights.zero_point.iter().any(|point| *point != 0) {
            return Err(NotEvaluated::Quantization { why: "the zero point of weights is not 0" });
        }
        if !(0..256).contains(&point) {
            return Err(NotEvaluated::Quantization { why: "the zero point of weights is no code" });
        }
        if types.0 == Int16 && of_x.zero_point != 0 {
            return Err(NotEvaluated::Quantization { why: "the zero point of 16 bits is not 0" });
        }
        let codes = |slot: usize, point| {
            let value = call.operand(slot)?;
            Ok::<_, NotEvaluated>(Codes { bytes: value.bytes(), ty: value.ty(), point })
        };
        Ok(Self {
            x: codes(x, of_x.zero_point.into())?,
            w: codes(w, point)?,
            of_x,
            of_w: weights.scale[0],
        })
    }

    #[inline]
    pub(crate) fn x(&self, n: usize) -> i64 {
        self.x.at(n)
    }

    #[inline]
    pub(crate) fn w(&self, n: usize) -> i64 {
        self.w.at(n)
    }
}

/// Sums in the result's order, with a bias and in its scale. `slots` are those of activations,
/// weights and bias; `axis` is that of the weights' scales.
pub(crate) fn made(
    call: &Call<'_>,
    of: &Factors<'_>,
    [x, w, bias]: [usize; 3],
    axis: i32,
    sums: Vec<i64>,
    channels: usize,
) -> Made {
    let (ty, result) = (call.results[0].ty, call.result_scale(0)?);
    if ty != call.ty(x)? {
        return Err(call.bad_result(0));
    }
    let wide = ty == Int16;
    if wide && result.zero_point != 0 {
        return Err(NotEvaluated::Quantization { why: "the zero point of 16 bits is not 0" });
    }
    let codes = codes_of(ty).ok_or_else(|| call.bad_result(0))?;
    let (low, high) = code_bounds(call.activation()?, codes, result);
    let by = multipliers(call, of, w, result.scale, axis, channels)?;
    let bias = biases(call, bias, wide, channels)?;
    let code = |(n, sum): (usize, i64)| {
        let channel = n % channels.max(1);
        let (by, sum) = (by[channel % by.len()], sum.wrapping_add(bias[channel]));
        // Of 8 bits the sum is one of 32, whatever passes them.
        let scaled = if wide { by.times_wide(sum) } else { by.times(sum as i32) };
        scaled.wrapping_add(result.zero_point).max(low).min(high)
    };
    made_of_codes(call, sums.into_iter().enumerate().map(code))
}

/// The codes, in the result's type.
fn made_of_codes(call: &Call<'_>, codes: impl Iterator<Item = i32>) -> Made {
    call.made(match call.results[0].ty {
        Int8 => stored(codes.map(|code| code as i8)),
        UInt8 => stored(codes.map(|code| code as u8)),
        _ => stored(codes.map(|code| code as i16)),
    })
}

/// As [`made`], of FULLY_CONNECTED, which rescales sums in float64.
pub(crate) fn of_rows(call: &Call<'_>, of: &Factors<'_>, sums: Vec<i64>, channels: usize) -> Made {
    let (ty, result) = (call.results[0].ty, call.result_scale(0)?);
    if ty != call.ty(0)? || (ty == Int16 && result.zero_point != 0) {
        return Err(call.bad_result(0));
    }
    let codes = codes_of(ty).ok_or_else(|| call.bad_result(0))?;
    let (low, high) = code_bounds(call.activation()?, codes, result);
    let bias = biases(call, 2, ty == Int16, channels)?;
    let weights = affine(call.operand(1)?.quantization()).expect("it was looked at");
    let x = f64::from(of.of_x.scale);
    let scales: Vec<f64> =
        weights.scale.iter().map(|w| x * f64::from(*w) / f64::from(result.scale)).collect();
    let each = scales.len() == channels && weights.quantized_dimension == 0;
    if scales.len() > 1 && !(each && call.ty(1)? == Int8) {
        return Err(NotEvaluated::Quantization { why: "there is not one scale for each channel" });
    }
    let code = |(n, sum): (usize, i64)| {
        let channel = n % channels.max(1);
        let sum = sum.wrapping_add(bias[channel]);
        let sum = if ty == Int16 { sum } else { i64::from(sum as i32) };
        let scaled = to_int_64((sum as f64 * scales[channel % scales.len()]).round());
        scaled.wrapping_add(result.zero_point).max(low).min(high)
    };
    made_of_codes(call, sums.into_iter().enumerate().map(code))
}

/// One for each channel, or one for all.
fn multipliers(
    call: &Call<'_>,
    of: &Factors<'_>,
    w: usize,
    result: f32,
    axis: i32,
    channels: usize,
) -> Result<Vec<Multiplier>, NotEvaluated> {
    let why = "the ratio of scales is none that the kernel takes";
    let ratio = NotEvaluated::Quantization { why };
    let weights = affine(call.operand(w)?.quantization()).expect("it was looked at");
    let x = f64::from(of.of_x.scale);
    let factors: Vec<f64> = match weights.scale.len() {
        // Of uint8 the product of both scales is one of float32.
        1 if call.ty(w)? == UInt8 => {
            vec![f64::from(of.of_x.scale * of.of_w) / f64::from(result)]
        }
        1 => vec![x * f64::from(of.of_w) / f64::from(result)],
        n if n == channels && weights.quantized_dimension == axis && call.ty(w)? == Int8 => {
            weights.scale.iter().map(|w| x * f64::from(*w) / f64::from(result)).collect()
        }
        _ => {
            return Err(NotEvaluated::Quantization {
                why: "there is not one scale for each channel",
            });
        }
    };
    let wide = call.results[0].ty == Int16;
    let by =
        factors.into_iter().map(|factor| Multiplier::of(factor).filter(|by| !wide || by.shift < 8));
    by.collect::<Option<_>>().ok_or(ratio)
}

/// The bias of each channel: of 32 bits, and beside activations of 16 bits of 64.
fn biases(
    call: &Call<'_>,
    slot: usize,
    wide: bool,
    channels: usize,
) -> Result<Vec<i64>, NotEvaluated> {
    let Some(bias) = call.optional(slot) else { return Ok(vec![0; channels]) };
    if bias.elements() != channels {
        return Err(NotEvaluated::Operands { why: "the bias does not fit" });
    }
    match bias.ty() {
        Int64 if wide => Ok(bias.view::<i64>().iter().collect()),
        Int32 if !wide => Ok(bias.view::<i32>().iter().map(i64::from).collect()),
        _ => Err(call.bad_type(slot)),
    }
}

/// CONV_2D and DEPTHWISE_CONV_2D of codes.
pub(crate) fn conv(call: &Call<'_>, sums: &Sums, depthwise: bool) -> Made {
    let of = Factors::new(call, 0, 1)?;
    let mut all = Vec::new();
    sums.each(
        0_i64,
        |sum, at, weight| sum.wrapping_add(of.x(at) * of.w(weight)),
        |_, sum| all.push(sum),
    );
    let axis = if depthwise { 3 } else { 0 };
    made(call, &of, [0, 1, 2], axis, all, sums.windows.to[3])
}
