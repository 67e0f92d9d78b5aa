//! Ops that change how numbers are stored.

use super::unary::multiplier;
use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::element::{Element, View, stored};
use crate::value::{Value, affine};
use tfq_ir::ElementType::{self, Float16, Float32, Int8, Int16, Int32, UInt8};
use tfq_ir::Quantization;
use tfq_numeric::{ChannelLayout, F32View, FakeQuantizer, affine_codes, affine_values, from_f16};

/// How elements, channels and scales go together.
fn layout(shape: &[usize], quantization: &Quantization) -> Result<ChannelLayout, NotEvaluated> {
    if quantization.scale.len() == 1 {
        return Ok(ChannelLayout::per_tensor(shape.iter().product()));
    }
    let axis = usize::try_from(quantization.quantized_dimension).ok();
    let layout = axis.and_then(|axis| ChannelLayout::new(shape, axis));
    layout
        .filter(|layout| layout.channels == quantization.scale.len())
        .ok_or(NotEvaluated::Quantization { why: "there is not one scale for each channel" })
}

const NONE: NotEvaluated = NotEvaluated::Quantization { why: "there are no scales" };

pub(crate) fn quantize(call: &mut Call<'_>) -> Made {
    let (x, to) = (call.operand(0)?, call.results[0].ty);
    let codes = codes_of(to).ok_or_else(|| call.bad_result(0))?;
    if x.ty() != Float32 {
        return requantize(call);
    }
    let quantization = affine(call.results[0].quantization.as_ref()).ok_or(NONE)?;
    let layout = layout(x.shape(), quantization)?;
    let mut points: Vec<i32> = quantization.zero_point.iter().map(|point| *point as i32).collect();
    points.resize(quantization.scale.len(), 0);
    let view = F32View::new(x.bytes()).expect("whole elements");
    let limits = (*codes.start(), *codes.end());
    let codes = affine_codes(view, layout, &quantization.scale, &points, limits);
    let codes =
        codes.ok_or(NotEvaluated::Undefined { why: "a value is no number or too large" })?;
    call.made(bytes_of(to, codes.into_iter()).ok_or_else(|| call.bad_result(0))?)
}

/// Integers as codes of a type, which they fit.
fn bytes_of(ty: ElementType, codes: impl Iterator<Item = i32>) -> Option<Vec<u8>> {
    Some(match ty {
        Int8 => stored(codes.map(|code| code as i8)),
        UInt8 => stored(codes.map(|code| code as u8)),
        Int16 => stored(codes.map(|code| code as i16)),
        Int32 => stored(codes),
        _ => return None,
    })
}

/// The codes of a tensor, for kernels that take several types.
fn codes(x: &Value) -> Option<Vec<i32>> {
    fn wide<T: Element + Into<i32>>(view: View<'_, T>) -> Vec<i32> {
        view.iter().map(Into::into).collect()
    }
    Some(match x.ty() {
        Int8 => wide::<i8>(x.view()),
        UInt8 => wide::<u8>(x.view()),
        Int16 => wide::<i16>(x.view()),
        Int32 => wide::<i32>(x.view()),
        _ => return None,
    })
}

/// From one scale to another.
fn requantize(call: &Call<'_>) -> Made {
    let (x, to) = (call.operand(0)?, call.results[0].ty);
    let runs = match x.ty() {
        Int8 | UInt8 => matches!(to, Int8 | UInt8 | Int16),
        Int16 => matches!(to, Int8 | Int16 | Int32),
        Int32 => matches!(to, Int8 | Int16),
        _ => return Err(call.bad_type(0)),
    };
    if !runs {
        return Err(call.bad_result(0));
    }
    let (from, result) = (call.scale(0)?, call.result_scale(0)?);
    if x.ty() == Int16 && to == Int16 && (from.zero_point != 0 || result.zero_point != 0) {
        return Err(NotEvaluated::Quantization { why: "the zero point of 16 bits is not 0" });
    }
    let limits = codes_of(to).ok_or_else(|| call.bad_result(0))?;
    let by = multiplier(f64::from(from.scale) / f64::from(result.scale))?;
    let codes = codes(x).ok_or_else(|| call.bad_type(0))?;
    let code = |code: i32| {
        let scaled = by.times(code.wrapping_sub(from.zero_point));
        scaled.wrapping_add(result.zero_point).clamp(*limits.start(), *limits.end())
    };
    call.made(bytes_of(to, codes.into_iter().map(code)).expect("it has codes"))
}

pub(crate) fn dequantize(call: &mut Call<'_>) -> Made {
    let (x, to) = (call.operand(0)?, call.results[0].ty);
    if to != Float32 {
        return Err(call.bad_result(0));
    }
    if x.ty() == Float16 {
        return call.made(from_f16(x.bytes()));
    }
    let codes = match x.ty() {
        Int8 | UInt8 | Int16 => codes(x),
        ElementType::Int4 => Some(nibbles(x)),
        _ => None,
    };
    let codes = codes.ok_or_else(|| call.bad_type(0))?;
    let quantization = affine(x.quantization()).ok_or(NONE)?;
    let layout = layout(x.shape(), quantization)?;
    let mut points = quantization.zero_point.to_vec();
    points.resize(quantization.scale.len(), 0);
    if quantization.scale.len() == 1 {
        return call.made(affine_values(&codes, layout, &quantization.scale, &points));
    }
    // Of several scales the product is one of float32.
    let value = |(n, code): (usize, &i32)| {
        let channel = n / layout.inner % layout.channels;
        quantization.scale[channel] * code.wrapping_sub(points[channel] as i32) as f32
    };
    call.made_of(codes.iter().enumerate().map(value))
}

/// Two to a byte, the low one first.
fn nibbles(x: &Value) -> Vec<i32> {
    let both = x.bytes().iter().flat_map(|byte| [(*byte as i8) << 4 >> 4, (*byte as i8) >> 4]);
    both.take(x.elements()).map(i32::from).collect()
}

pub(crate) fn fake_quant(call: &mut Call<'_>) -> Made {
    let x = call.operand(0)?;
    if x.ty() != Float32 {
        return Err(call.bad_type(0));
    }
    let (min, max) = (call.float("min"), call.float("max"));
    let grid = FakeQuantizer::new(min, max, call.attr("num_bits"), call.flag("narrow_range"));
    let grid = grid.ok_or(NotEvaluated::Operands { why: "it has no grid" })?;
    let view = F32View::new(x.bytes()).expect("whole elements");
    let rounded = grid.apply(view);
    call.made(rounded.ok_or(NotEvaluated::Undefined { why: "a value is no number" })?)
}
