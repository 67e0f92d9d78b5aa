//! Ops of two operands, element by element after broadcasting. Those on quantised numbers are in
//! `quantized.rs`.

use crate::NotEvaluated;
use crate::call::{Call, Made};
use crate::element::{Element, Int};
use crate::math::activation::{bounds, clamp, integer_bounds};
use crate::math::functions as f;
use crate::ops::pairs::pairs;
use half::{bf16, f16};
use std::cmp::Ordering;
use tfq_ir::ElementType::{
    BFloat16, Bool, Float16, Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32,
    UInt64,
};

fn halves(call: &Call<'_>, function: impl Fn(f32, f32) -> f32) -> Made {
    pairs(call, |a: f16, b: f16| f16::from_f32(function(a.to_f32(), b.to_f32())))
}

/// Of integers within bounds.
fn integers<T: Int>(call: &Call<'_>, function: impl Fn(T, T) -> T) -> Made {
    let (low, high) = integer_bounds(call.activation()?, T::MIN.wide(), T::MAX.wide());
    let (low, high) = (T::cut(low), T::cut(high));
    pairs(call, |a: T, b: T| function(a, b).max(low).min(high))
}

fn floats(call: &Call<'_>, function: impl Fn(f32, f32) -> f32) -> Made {
    let bounds = bounds(call.activation()?);
    pairs(call, |a: f32, b: f32| clamp(function(a, b), bounds))
}

/// ADD, SUB and MUL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
}

pub(crate) fn arithmetic(call: &mut Call<'_>, kind: Arithmetic) -> Made {
    use Arithmetic::{Add, Mul, Sub};
    match (call.ty(0)?, kind) {
        (Float32, Add) => floats(call, |a, b| a + b),
        (Float32, Sub) => floats(call, |a, b| a - b),
        (Float32, Mul) => floats(call, |a, b| a * b),
        (Int32, Add) => integers(call, i32::wrapping_add),
        (Int32, Sub) => integers(call, i32::wrapping_sub),
        (Int32, Mul) => integers(call, i32::wrapping_mul),
        (Int64, Add) => integers(call, i64::wrapping_add),
        (Int64, Sub) => integers(call, i64::wrapping_sub),
        (Int64, Mul) => integers(call, i64::wrapping_mul),
        (UInt32, Mul) => integers(call, u32::wrapping_mul),
        (Int16, Add) if !call.is_quantized(0) => integers(call, i16::wrapping_add),
        (Int16, Mul) if !call.is_quantized(0) => integers(call, i16::wrapping_mul),
        (Float16, Add | Mul) => {
            let (low, high) = bounds(call.activation()?);
            // The ends of the finite range are those of float16.
            let most = f16::MAX.to_f32();
            let bounds = (low.max(-most), high.min(most));
            halves(call, move |a, b| {
                let made = if kind == Add { a + b } else { a * b };
                clamp(f16::from_f32(made).to_f32(), bounds)
            })
        }
        (Int8 | UInt8 | Int16, Mul) => super::quantized::mul(call),
        (Int8 | UInt8 | Int16, _) => super::quantized::add(call, kind == Sub),
        _ => Err(call.bad_type(0)),
    }
}

const BY_ZERO: NotEvaluated = NotEvaluated::Fails { why: "it divides by 0" };

fn has_zero<T: Element>(call: &Call<'_>) -> Result<bool, NotEvaluated> {
    call.same_types(&[0, 1])?;
    Ok(call.operand(1)?.view::<T>().iter().any(|x| x == T::default()))
}

pub(crate) fn div(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => floats(call, |a, b| a / b),
        Int32 if has_zero::<i32>(call)? => Err(BY_ZERO),
        Int32 => integers(call, |a: i32, b| a.checked_div(b).unwrap_or(i32::MAX)),
        Int8 | UInt8 | Int16 => super::quantized::div(call),
        _ => Err(call.bad_type(0)),
    }
}

/// Towards negative infinity, in float64 whatever the type.
pub(crate) fn floor_div(call: &mut Call<'_>) -> Made {
    if call.is_quantized(0) {
        return Err(NotEvaluated::Quantization { why: "the kernel divides codes" });
    }
    macro_rules! run {
        ($ty:ty) => {
            match has_zero::<$ty>(call)? {
                true => Err(BY_ZERO),
                false => pairs(call, |a: $ty, b: $ty| (f64::from(a) / f64::from(b)).floor() as $ty),
            }
        };
    }
    match call.ty(0)? {
        Float32 => run!(f32),
        // The quotient of the least by -1 does not fit, and the conversion of x86 gives the least.
        Int32 if has_zero::<i32>(call)? => Err(BY_ZERO),
        Int32 => pairs(call, |a: i32, b: i32| {
            crate::math::table::to_int_64((f64::from(a) / f64::from(b)).floor())
        }),
        Int16 => run!(i16),
        Int8 => run!(i8),
        _ => Err(call.bad_type(0)),
    }
}

/// With the sign of the divisor.
pub(crate) fn floor_mod(call: &mut Call<'_>) -> Made {
    if call.is_quantized(0) {
        return Err(NotEvaluated::Quantization { why: "the kernel divides codes" });
    }
    macro_rules! run {
        ($ty:ty) => {{
            if has_zero::<$ty>(call)? {
                return Err(BY_ZERO);
            }
            let (a, b) = (call.operand(0)?.view::<$ty>(), call.operand(1)?.view::<$ty>());
            if a.iter().any(|a| a == <$ty>::MIN) && b.iter().any(|b| b == -1) {
                return Err(NotEvaluated::Fails { why: "the least number by -1 ends the process" });
            }
            pairs(call, |a: $ty, b: $ty| {
                let rest = a % b;
                if rest != 0 && (b < 0) != (rest < 0) { rest + b } else { rest }
            })
        }};
    }
    match call.ty(0)? {
        Float32 => pairs(call, |a: f32, b: f32| {
            let rest = a % b;
            if rest != 0.0 && (b < 0.0) != (rest < 0.0) { rest + b } else { rest }
        }),
        Int8 => run!(i8),
        Int16 => run!(i16),
        Int32 => run!(i32),
        Int64 => run!(i64),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn pow(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => pairs(call, f::pow),
        Int32 => {
            call.same_types(&[0, 1])?;
            if call.operand(1)?.view::<i32>().iter().any(|power| power < 0) {
                return Err(NotEvaluated::Fails { why: "a power is negative" });
            }
            let overflows = std::cell::Cell::new(false);
            let made = pairs(call, |a: i32, b: i32| {
                a.checked_pow(b as u32).unwrap_or_else(|| {
                    overflows.set(true);
                    0
                })
            });
            match overflows.get() {
                true => Err(NotEvaluated::Undefined { why: "a power passes 32 bits" }),
                false => made,
            }
        }
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn squared_difference(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => pairs(call, |a: f32, b: f32| (a - b) * (a - b)),
        Int32 => pairs(call, |a: i32, b: i32| {
            let difference = a.wrapping_sub(b);
            difference.wrapping_mul(difference)
        }),
        Int8 => super::quantized::squared_difference(call),
        _ => Err(call.bad_type(0)),
    }
}

/// MAXIMUM and MINIMUM: of two that are not ordered, or are equal, the second.
pub(crate) fn extreme(call: &mut Call<'_>, greatest: bool) -> Made {
    let wins = if greatest { Ordering::Greater } else { Ordering::Less };
    macro_rules! run {
        ($ty:ty) => {
            pairs(call, |a: $ty, b: $ty| if a.partial_cmp(&b) == Some(wins) { a } else { b })
        };
    }
    if call.is_quantized(0) {
        call.quantized_alike(0)?;
        call.quantized_alike(1)?;
    }
    match call.ty(0)? {
        Float32 => run!(f32),
        Float16 => run!(f16),
        BFloat16 => run!(bf16),
        Int8 => run!(i8),
        UInt8 => run!(u8),
        Int16 => run!(i16),
        Int32 => run!(i32),
        Int64 => run!(i64),
        _ => Err(call.bad_type(0)),
    }
}

/// Comparisons, as which orders they hold for; numbers that are not ordered are only unequal.
pub(crate) fn comparison(call: &mut Call<'_>, holds: &[Ordering]) -> Made {
    let unequal = holds == [Ordering::Less, Ordering::Greater];
    let holds = |order: Option<Ordering>| order.map_or(unequal, |order| holds.contains(&order));
    macro_rules! run {
        ($ty:ty) => {
            pairs(call, |a: $ty, b: $ty| holds(a.partial_cmp(&b)))
        };
    }
    let equality = unequal
        || holds(Some(Ordering::Equal))
            && !holds(Some(Ordering::Less))
            && !holds(Some(Ordering::Greater));
    match call.ty(0)? {
        Float32 => run!(f32),
        Float16 => run!(f16),
        // The order of codes of 16 bits is taken for that of the numbers, whatever their scales.
        Int16 if !equality || !unequal && !call.is_quantized(0) => run!(i16),
        Int32 => run!(i32),
        Int64 => run!(i64),
        Bool if equality => run!(bool),
        Int8 | UInt8 | Int16 => super::quantized::comparison(call, |a, b| holds(Some(a.cmp(&b)))),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn logical(call: &mut Call<'_>, function: fn(bool, bool) -> bool) -> Made {
    match call.ty(0)? {
        Bool => pairs(call, function),
        _ => Err(call.bad_type(0)),
    }
}

/// Runs a macro for the type of the first operand, of 8 to 32 bits.
macro_rules! of_bits {
    ($call:expr, $run:ident) => {
        match $call.ty(0)? {
            Int8 => $run!(i8),
            UInt8 => $run!(u8),
            Int16 => $run!(i16),
            UInt16 => $run!(u16),
            Int32 => $run!(i32),
            UInt32 => $run!(u32),
            _ => Err($call.bad_type(0)),
        }
    };
}

pub(crate) fn bitwise_xor(call: &mut Call<'_>) -> Made {
    macro_rules! run {
        ($ty:ty) => {
            pairs(call, |a: $ty, b: $ty| a ^ b)
        };
    }
    of_bits!(call, run)
}

/// By at least 0 and less than all bits.
pub(crate) fn right_shift(call: &mut Call<'_>) -> Made {
    macro_rules! run {
        ($ty:ty) => {
            pairs(call, |a: $ty, b: $ty| a >> (b as i64).clamp(0, i64::from(<$ty>::BITS) - 1))
        };
    }
    of_bits!(call, run)
}

pub(crate) fn atan2(call: &mut Call<'_>) -> Made {
    if call.operand(0)?.shape() != call.operand(1)?.shape() {
        return Err(NotEvaluated::Undefined { why: "ATAN2 does not broadcast" });
    }
    match call.ty(0)? {
        Float32 => pairs(call, f::atan2),
        Float64 => pairs(call, libm::atan2),
        _ => Err(call.bad_type(0)),
    }
}

pub(crate) fn prelu(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        Float32 => pairs(call, |x: f32, alpha: f32| if x >= 0.0 { x } else { x * alpha }),
        // Of 16 bits the kernel gives 0 for some small numbers.
        Int8 | UInt8 => super::quantized::prelu(call),
        _ => Err(call.bad_type(0)),
    }
}

/// STABLEHLO_ADD, _MULTIPLY, _MAXIMUM and _MINIMUM, of operands of one shape.
pub(crate) fn stablehlo(call: &mut Call<'_>, kind: Stablehlo) -> Made {
    if call.operand(0)?.shape() != call.operand(1)?.shape() {
        return Err(NotEvaluated::Operands { why: "shapes differ" });
    }
    if call.is_quantized(0) {
        return Err(NotEvaluated::Quantization { why: "it is not known how the kernel rescales" });
    }
    // Of two that are not ordered, or are equal, the first.
    macro_rules! order {
        ($ty:ty, $wins:expr) => {
            pairs(call, |a: $ty, b: $ty| if b.partial_cmp(&a) == Some($wins) { b } else { a })
        };
    }
    macro_rules! ints {
        ($ty:ty) => {
            match kind {
                Stablehlo::Add => pairs(call, <$ty>::wrapping_add),
                Stablehlo::Multiply => pairs(call, <$ty>::wrapping_mul),
                Stablehlo::Maximum => order!($ty, Ordering::Greater),
                Stablehlo::Minimum => order!($ty, Ordering::Less),
            }
        };
    }
    macro_rules! floats {
        ($ty:ty) => {
            match kind {
                Stablehlo::Add => pairs(call, |a: $ty, b: $ty| a + b),
                Stablehlo::Multiply => pairs(call, |a: $ty, b: $ty| a * b),
                Stablehlo::Maximum => order!($ty, Ordering::Greater),
                Stablehlo::Minimum => order!($ty, Ordering::Less),
            }
        };
    }
    match (call.ty(0)?, kind) {
        (Float32, _) => floats!(f32),
        (Float64, _) => floats!(f64),
        (Float16, Stablehlo::Add) => halves(call, |a, b| a + b),
        (Float16, Stablehlo::Multiply) => halves(call, |a, b| a * b),
        (Int8, _) => ints!(i8),
        (Int16, _) => ints!(i16),
        (Int32, _) => ints!(i32),
        (Int64, _) => ints!(i64),
        (UInt8, _) => ints!(u8),
        (UInt16, _) => ints!(u16),
        (UInt32, _) => ints!(u32),
        (UInt64, _) => ints!(u64),
        _ => Err(call.bad_type(0)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stablehlo {
    Add,
    Multiply,
    Maximum,
    Minimum,
}
