//! Ops of one operand, element by element.

use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::element::{Element, Int};
use crate::math::activation::{bounds, clamp};
use crate::math::fixed::{Multiplier, doubling_high_product_16, rounding_shift};
use crate::math::functions as f;
use crate::math::inverse_root::inverse_root;
use crate::math::table::{self, Lines};
use crate::value::Affine;
use half::{bf16, f16};
use tfq_ir::ElementType::{
    self, BFloat16, Bool, Float16, Float32, Float64, Int8, Int16, Int32, Int64, UInt8,
};
use tfq_ir::ops::Activation;

/// Each element by itself.
fn each<T: Element, U: Element>(call: &Call<'_>, function: impl Fn(T) -> U) -> Made {
    call.made_of(call.operand(0)?.view::<T>().iter().map(function))
}

/// Of float16 by way of float32.
fn halves(call: &Call<'_>, function: impl Fn(f32) -> f32) -> Made {
    each(call, |x: f16| f16::from_f32(function(x.to_f32())))
}

fn brains(call: &Call<'_>, function: impl Fn(f32) -> f32) -> Made {
    each(call, |x: bf16| bf16::from_f32(function(x.to_f32())))
}

/// Codes of 8 and 16 bits, to such codes.
pub(crate) fn each_code(call: &Call<'_>, function: impl Fn(i32) -> i32) -> Made {
    let x = call.operand(0)?;
    macro_rules! run {
        ($ty:ty) => {
            call.made_of(x.view::<$ty>().iter().map(|code| function(code.into()) as $ty))
        };
    }
    match x.ty() {
        Int8 => run!(i8),
        UInt8 => run!(u8),
        Int16 => run!(i16),
        _ => Err(call.bad_type(0)),
    }
}

/// By a table of what the function gives for each code of 8 bits.
fn by_table(call: &Call<'_>, function: impl Fn(f32) -> f32) -> Made {
    let codes = codes_of(call.ty(0)?).ok_or_else(|| call.bad_type(0))?;
    let least = *codes.start();
    let table = table::of_8_bits(call.scale(0)?, call.result_scale(0)?, codes, function);
    each_code(call, |code| table[(code - least) as usize])
}

/// By a table of lines for codes of 16 bits.
fn by_lines(call: &Call<'_>, function: impl Fn(f32) -> f32) -> Made {
    let (from, to) = zero_points_of_0(call)?;
    let lines = Lines::of_f32((from.scale, 0), (to.scale, 0), function);
    each_code(call, |code| lines.at(code as i16).into())
}

/// Scales of an operand and a result of 16 bits.
fn zero_points_of_0(call: &Call<'_>) -> Result<(Affine, Affine), NotEvaluated> {
    let (from, to) = (call.scale(0)?, call.result_scale(0)?);
    match from.zero_point == 0 && to.zero_point == 0 {
        true => Ok((from, to)),
        false => Err(NotEvaluated::Quantization { why: "the zero point of 16 bits is not 0" }),
    }
}

pub(crate) fn multiplier(factor: f64) -> Result<Multiplier, NotEvaluated> {
    let why = "the ratio of scales is none that the kernel takes";
    Multiplier::of(factor).ok_or(NotEvaluated::Quantization { why })
}

pub(crate) fn abs(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, f32::abs),
        Int32 => each(call, i32::wrapping_abs),
        Int16 if !call.is_quantized(0) => each(call, i16::wrapping_abs),
        Int8 | Int16 => {
            let (from, to) = (call.scale(0)?, call.result_scale(0)?);
            let codes = codes_of(call.ty(0)?).expect("of both");
            let by = multiplier((from.scale / to.scale).into())?;
            each_code(call, |code| {
                let real = (code - from.zero_point).abs();
                let scaled = if from.scale == to.scale { real } else { by.times(real) };
                (scaled + to.zero_point).clamp(*codes.start(), *codes.end())
            })
        }
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn neg(call: &mut Call<'_>) -> Made {
    if call.is_quantized(0) {
        return Err(NotEvaluated::Quantization { why: "the kernel negates codes" });
    }
    match call.ty(0)? {
        Float32 => each(call, |x: f32| -x),
        Float16 => each(call, |x: f16| -x),
        Int64 => each(call, i64::wrapping_neg),
        Int32 => each(call, i32::wrapping_neg),
        Int16 => each(call, i16::wrapping_neg),
        Int8 => each(call, i8::wrapping_neg),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn sign(call: &mut Call<'_>) -> Made {
    // 0 of either sign gives the positive one.
    macro_rules! float {
        ($ty:ty) => {
            each(call, |x: $ty| match x {
                x if x.is_nan() => x,
                x if x > 0.0 => 1.0,
                x if x < 0.0 => -1.0,
                _ => 0.0,
            })
        };
    }
    match call.ty(0)? {
        Float32 => float!(f32),
        Float64 => float!(f64),
        Int32 => each(call, i32::signum),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn logical_not(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Bool => each(call, |x: bool| !x),
        _ => Err(call.bad_type(0)),
    }
}

/// A float32 function that is rounded correctly.
pub(crate) fn float(call: &mut Call<'_>, function: fn(f32) -> f32) -> Made {
    match call.ty(0)? {
        Float32 => each(call, function),
        _ => Err(call.bad_type(0)),
    }
}

/// To the nearest whole number, halves to even. From a half below 0 on to 0 it is positive.
pub(crate) fn round(x: f32) -> f32 {
    let rounded = x.round_ties_even();
    if rounded == 0.0 && x != 0.0 { 0.0 } else { rounded }
}

/// FLOOR.
pub(crate) fn rounded(call: &mut Call<'_>, function: fn(f32) -> f32) -> Made {
    match call.ty(0)? {
        Float32 => each(call, function),
        Float16 => halves(call, function),
        BFloat16 => brains(call, function),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn sqrt(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, f32::sqrt),
        ty @ (Int8 | Int16) => {
            let (from, to) = (call.scale(0)?, call.result_scale(0)?);
            let codes = codes_of(ty).expect("of both");
            if call.ints(0)?.iter().any(|code| *code < from.zero_point.into()) {
                return Err(NotEvaluated::Fails { why: "the root of a negative number" });
            }
            each_code(call, |code| {
                let real = from.scale * (code - from.zero_point) as f32;
                let code = table::to_int(real.sqrt() / to.scale).wrapping_add(to.zero_point);
                code.clamp(*codes.start(), *codes.end())
            })
        }
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn rsqrt(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, |x: f32| 1.0 / x.sqrt()),
        Int8 => rsqrt_of_codes(call),
        _ => Err(call.bad_type(0)),
    }
}

fn rsqrt_of_codes(call: &Call<'_>) -> Made {
    let (from, to) = (call.scale(0)?, call.result_scale(0)?);
    if call.ints(0)?.iter().any(|code| *code < i64::from(from.zero_point)) {
        return Err(NotEvaluated::Fails { why: "the root of a negative number" });
    }
    let by = multiplier(1.0 / f64::from(from.scale.sqrt() * to.scale))?;
    // Keeps what is below 1 a whole number.
    const BITS: i32 = 20;
    let by = Multiplier { shift: by.shift - BITS, ..by };
    if by.shift < -31 {
        return Err(NotEvaluated::Quantization {
            why: "the ratio of scales is none that the kernel takes",
        });
    }
    each_code(call, |code| match code - from.zero_point {
        0 => 127,
        x => {
            let root = inverse_root(x);
            let root = Multiplier { shift: root.shift + BITS, ..root }.times(1);
            by.times(root).wrapping_add(to.zero_point).clamp(-128, 127)
        }
    })
}

pub(crate) fn exp(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, f::exp),
        Int8 => by_table(call, f::exp),
        Int16 => by_lines(call, f::exp),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn log(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, f::log),
        Int8 => {
            let to = call.result_scale(0)?;
            let least = (i32::from(i8::MIN) - to.zero_point) as f32 * to.scale;
            by_table(call, |x| if x <= 0.0 { least } else { f::log(x) })
        }
        _ => Err(call.bad_type(0)),
    }
}

/// SIN and COS.
pub(crate) fn wave(call: &mut Call<'_>, function: fn(f32) -> f32) -> Made {
    match call.ty(0)? {
        Float32 => each(call, function),
        Float16 => halves(call, function),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn tanh(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, f::tanh),
        Int8 | UInt8 => by_table(call, f::tanh),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn logistic(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, f::cut_logistic),
        Int8 | UInt8 if call.result_scale(0)?.scale == 1.0 / 256.0 => by_table(call, f::logistic),
        Int8 | UInt8 => Err(NotEvaluated::Quantization { why: "LOGISTIC gives 1/256" }),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn elu(call: &mut Call<'_>) -> Made {
    let elu = |x: f32| if x < 0.0 { f::expm1(x) } else { x };
    match call.ty(0)? {
        Float32 => each(call, elu),
        Int8 => by_table(call, elu),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn gelu(call: &mut Call<'_>) -> Made {
    let approximate = call.flag("approximate");
    let gelu = move |x: f32| {
        if approximate {
            const ROOT: f32 =
                (std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2) as f32;
            return 0.5 * x * (1.0 + f::tanh(ROOT * (x + 0.044_715 * x * x * x)));
        }
        0.5 * x * f::erfc(x * -std::f32::consts::FRAC_1_SQRT_2)
    };
    match call.ty(0)? {
        Float32 => each(call, gelu),
        Int8 | UInt8 => by_table(call, gelu),
        _ => Err(call.bad_type(0)),
    }
}

/// RELU and its relatives, with the ends of their range.
pub(crate) fn relu(call: &mut Call<'_>, low: f32, high: f32) -> Made {
    match call.ty(0)? {
        // NaN and -0.0 stay.
        Float32 => each(call, |x: f32| {
            if x > high {
                high
            } else if x < low {
                low
            } else {
                x
            }
        }),
        Int16 if high == 1.0 => Err(call.bad_type(0)),
        ty => {
            let codes = codes_of(ty).ok_or_else(|| call.bad_type(0))?;
            let (from, to) = if ty == Int16 {
                zero_points_of_0(call)?
            } else {
                (call.scale(0)?, call.result_scale(0)?)
            };
            let end = |real: f32| to.zero_point.saturating_add((real / to.scale).round() as i32);
            let least = end(low).max(*codes.start());
            let greatest =
                if high.is_finite() { end(high).min(*codes.end()) } else { *codes.end() };
            let by = multiplier((from.scale / to.scale).into())?;
            each_code(call, |code| {
                let scaled = by.times(code - from.zero_point).wrapping_add(to.zero_point);
                scaled.max(least).min(greatest)
            })
        }
    }
}

pub(crate) fn leaky_relu(call: &mut Call<'_>) -> Made {
    let alpha = call.float("alpha");
    match call.ty(0)? {
        Float32 => each(call, |x: f32| if x > 0.0 { x } else { x * alpha }),
        ty => {
            let codes = codes_of(ty).ok_or_else(|| call.bad_type(0))?;
            let (from, to) = if ty == Int16 {
                zero_points_of_0(call)?
            } else {
                (call.scale(0)?, call.result_scale(0)?)
            };
            if alpha < 0.0 {
                // The kernel takes the sign out of a number that stands for no factor of its own.
                return Err(NotEvaluated::Quantization { why: "alpha is negative" });
            }
            let below = multiplier((from.scale * alpha / to.scale).into())?;
            let above = multiplier((from.scale / to.scale).into())?;
            each_code(call, |code| {
                let x = code - from.zero_point;
                let scaled = if x >= 0 { above.times(x) } else { below.times(x) };
                scaled.wrapping_add(to.zero_point).clamp(*codes.start(), *codes.end())
            })
        }
    }
}

pub(crate) fn hard_swish(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => each(call, |x: f32| {
            // C's `min(6, max(0, x + 3))`: NaN gives the bound.
            let above = if 0.0 < x + 3.0 { x + 3.0 } else { 0.0 };
            let gate = if above < 6.0 { above } else { 6.0 };
            x * gate / 6.0
        }),
        Int8 | UInt8 => hard_swish_8_bits(call),
        _ => Err(call.bad_type(0)),
    }
}

fn hard_swish_8_bits(call: &Call<'_>) -> Made {
    let (from, to) = (call.scale(0)?, call.result_scale(0)?);
    let codes = codes_of(call.ty(0)?).expect("8 bits");
    let fine = 1.0_f32 / 128.0 * from.scale;
    let half_of = |factor: f32| {
        let of = multiplier(factor.into())?;
        let number = if of.number >= i32::MAX - (1 << 15) {
            i16::MAX
        } else {
            ((of.number + (1 << 15)) >> 16) as i16
        };
        Ok::<_, NotEvaluated>((number, of.shift))
    };
    let (scale, scale_shift) = half_of(fine / to.scale)?;
    let (gate, gate_shift) = half_of(fine / (3.0 / 32768.0))?;
    if !(-31..=0).contains(&scale_shift) || !(-31..16).contains(&gate_shift) {
        return Err(NotEvaluated::Quantization {
            why: "the ratio of scales is none that the kernel takes",
        });
    }
    let left =
        |x: i16, by: i32| (i64::from(x) << by).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    each_code(call, |code| {
        let x = (code - from.zero_point) as i16;
        let x = x.wrapping_mul(128);
        let scaled = doubling_high_product_16(x, scale);
        // From [-3, 3] to [-1, 1], and then to [0, 1].
        let mut open = x;
        if gate_shift > 0 {
            open = left(open, gate_shift - 1);
        }
        open = doubling_high_product_16(open, gate);
        if gate_shift > 0 {
            open = left(open, 1);
        }
        if gate_shift < 0 {
            open = rounding_shift(open.into(), -gate_shift) as i16;
        }
        let open = ((i32::from(open) + (1 << 15)) >> 1) as i16;
        let product = if open == i16::MIN && scaled == i16::MIN {
            i16::MAX
        } else {
            (i32::from(open) * i32::from(scaled) / (1 << 15)) as i16
        };
        let code = rounding_shift(product.into(), -scale_shift) as i16;
        let code = code.wrapping_add(to.zero_point as i16);
        i32::from(code).clamp(*codes.start(), *codes.end())
    })
}

/// The absolute value, real or imaginary part of complex numbers.
pub(crate) fn of_complex(call: &mut Call<'_>, part: fn(f32, f32) -> f32) -> Made {
    let x = call.operand(0)?;
    if x.ty() != ElementType::Complex64 {
        return Err(call.bad_type(0));
    }
    let number = |bytes: &[u8]| part(f32::load(&bytes[..4]), f32::load(&bytes[4..]));
    call.made_of(x.bytes().chunks_exact(8).map(number))
}

/// The sum of any number of operands of one shape, added in their order.
pub(crate) fn add_n(call: &mut Call<'_>) -> Made {
    let all: Vec<usize> = (0..call.operands.len()).collect();
    let ty = call.same_types(&all)?;
    let shape = call.operand(0)?.shape();
    if call.operands.iter().flatten().any(|x| x.shape() != shape) {
        return Err(NotEvaluated::Operands { why: "shapes differ" });
    }
    macro_rules! run {
        ($ty:ty, $add:expr) => {{
            let mut sum: Vec<$ty> = call.operand(0)?.view::<$ty>().iter().collect();
            for slot in 1..call.operands.len() {
                let more = call.operand(slot)?.view::<$ty>();
                sum.iter_mut().zip(more.iter()).for_each(|(sum, x)| *sum = $add(*sum, x));
            }
            call.made_of(sum)
        }};
    }
    let work = call.operands.len() as u64 * call.operand(0)?.elements() as u64;
    call.budget.take_work(work)?;
    match ty {
        // Each sum is kept to the finite range.
        Float32 => run!(f32, |a: f32, b| clamp(a + b, bounds(Activation::None))),
        Int32 => run!(i32, Int::wrapping_add),
        _ => Err(call.bad_type(0)),
    }
}
