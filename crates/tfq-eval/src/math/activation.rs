//! Activations that ops apply to their own results: bounds.

use crate::value::Affine;
use std::ops::RangeInclusive;
use tfq_ir::ops::Activation;

/// Bounds of a float32 result. Without an activation they are the ends of the finite range: a
/// result that is infinite becomes finite.
pub(crate) fn bounds(activation: Activation) -> (f32, f32) {
    match activation {
        Activation::Relu => (0.0, f32::MAX),
        Activation::ReluN1To1 => (-1.0, 1.0),
        Activation::Relu6 => (0.0, 6.0),
        _ => (f32::MIN, f32::MAX),
    }
}

/// `min(max(x, low), high)` as C has it: NaN stays.
#[inline]
pub(crate) fn clamp(x: f32, (low, high): (f32, f32)) -> f32 {
    let x = if x < low { low } else { x };
    if high < x { high } else { x }
}

/// Bounds of integers that stand for themselves.
pub(crate) fn integer_bounds(activation: Activation, least: i64, greatest: i64) -> (i64, i64) {
    match activation {
        Activation::Relu => (0, greatest),
        // Of a type without sign -1 is the greatest number, and what is clamped to both ends is 1.
        Activation::ReluN1To1 => (-1, 1),
        Activation::Relu6 => (0, 6),
        _ => (least, greatest),
    }
}

/// Bounds of the codes of a quantised result.
pub(crate) fn code_bounds(
    activation: Activation,
    codes: RangeInclusive<i32>,
    result: Affine,
) -> (i32, i32) {
    let (least, greatest) = codes.into_inner();
    let code = |real: f32| result.zero_point.saturating_add((real / result.scale).round() as i32);
    match activation {
        Activation::Relu => (code(0.0).max(least), greatest),
        Activation::ReluN1To1 => (code(-1.0).max(least), code(1.0).min(greatest)),
        Activation::Relu6 => (code(0.0).max(least), code(6.0).min(greatest)),
        _ => (least, greatest),
    }
}
