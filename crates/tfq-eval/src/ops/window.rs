//! Convolutions and pools: windows that move over an image.

use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::element::Element;
use crate::math::activation::{bounds, clamp, code_bounds};
use crate::ops::extremes::larger;
use crate::ops::windows::{Scattered, Sums, Windows};
use tfq_ir::ElementType::{Float32, Int8, Int16, UInt8};

/// CONV_2D and DEPTHWISE_CONV_2D.
pub(crate) fn conv(call: &mut Call<'_>, depthwise: bool) -> Made {
    let sums = if depthwise { Sums::depthwise(call)? } else { Sums::conv(call)? };
    let types = (call.ty(0)?, call.ty(1)?);
    if types != (Float32, Float32) {
        return super::quantized_sums::conv(call, &sums, depthwise);
    }
    let (x, w) = (call.operand(0)?.view::<f32>(), call.operand(1)?.view::<f32>());
    let bias = bias(call, 2, sums.windows.to[3])?;
    let bounds = bounds(call.activation()?);
    let mut out = Vec::new();
    sums.each(
        0.0_f32,
        |sum, at, weight| sum + x.at(at) * w.at(weight),
        |channel, sum| out.push(clamp(sum + bias[channel], bounds)),
    );
    call.made_of(out)
}

/// The float32 bias of each channel, 0 where there is none.
pub(crate) fn bias(
    call: &Call<'_>,
    slot: usize,
    channels: usize,
) -> Result<Vec<f32>, NotEvaluated> {
    let Some(bias) = call.optional(slot) else { return Ok(vec![0.0; channels]) };
    if bias.ty() != Float32 {
        return Err(call.bad_type(slot));
    }
    match bias.elements() == channels {
        true => Ok(bias.view::<f32>().iter().collect()),
        false => Err(NotEvaluated::Operands { why: "the bias does not fit" }),
    }
}

/// Each pixel adds to what its window covers.
pub(crate) fn transpose_conv(call: &mut Call<'_>) -> Made {
    let scattered = Scattered::new(call)?;
    let outputs = scattered.windows.from[3];
    let mut sums = vec![0_i64; 0];
    match (call.ty(2)?, call.ty(1)?) {
        (Float32, Float32) => {
            let (x, w) = (call.operand(2)?.view::<f32>(), call.operand(1)?.view::<f32>());
            let bias = bias(call, 3, outputs)?;
            let bounds = bounds(call.activation()?);
            let mut out = vec![0.0_f32; scattered.windows.from.iter().product()];
            scattered.each(|to, at, weight| out[to] += x.at(at) * w.at(weight));
            let adds = call.optional(3).is_some();
            let add = |(n, sum): (usize, f32)| {
                let sum = if adds { sum + bias[n % outputs] } else { sum };
                clamp(sum, bounds)
            };
            call.made_of(out.into_iter().enumerate().map(add))
        }
        _ => {
            sums.resize(scattered.windows.from.iter().product(), 0);
            let of = super::quantized_sums::Factors::new(call, 2, 1)?;
            scattered.each(|to, at, weight| {
                sums[to] = sums[to].wrapping_add(of.x(at) * of.w(weight));
            });
            super::quantized_sums::made(call, &of, [2, 1, 3], 0, sums, outputs)
        }
    }
}

/// What a pool makes of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pool {
    Average,
    Max,
    L2,
}

pub(crate) fn pool(call: &mut Call<'_>, kind: Pool) -> Made {
    let size = ["filter_height", "filter_width"].map(|name| usize::try_from(call.attr(name)));
    let [Ok(height), Ok(width)] = size else {
        return Err(NotEvaluated::Operands { why: "the window is negative" });
    };
    let ty = call.ty(0)?;
    let windows = Windows::new(call, call.operand(0)?.shape(), [height, width], false)?;
    windows.pay(call, 1)?;
    match (ty, kind) {
        (Float32, _) => {
            let bounds = bounds(call.activation()?);
            let join = |kind, sum: f32, x: f32| match kind {
                Pool::Average => sum + x,
                Pool::L2 => sum + x * x,
                // As C's `std::max`: what is no number is passed over.
                Pool::Max => larger(sum, x),
            };
            let start = if kind == Pool::Max { f32::MIN } else { 0.0 };
            pooled(
                call,
                &windows,
                start,
                |sum, x| join(kind, sum, x),
                |sum, count| {
                    let result = match kind {
                        Pool::Average => sum / count as f32,
                        Pool::L2 => (sum / count as f32).sqrt(),
                        Pool::Max => sum,
                    };
                    clamp(result, bounds)
                },
            )
        }
        (Int8 | UInt8 | Int16, Pool::Average | Pool::Max) => codes_pooled(call, &windows, kind),
        _ => Err(call.bad_type(0)),
    }
}

/// Operand and result have one scale.
fn codes_pooled(call: &Call<'_>, windows: &Windows, kind: Pool) -> Made {
    let ty = call.ty(0)?;
    if call.is_quantized(0) {
        call.quantized_alike(0)?;
    }
    let codes = codes_of(ty).ok_or_else(|| call.bad_type(0))?;
    let least = *codes.start();
    let (low, high) = match crate::value::one_scale(call.results[0].quantization.as_ref()) {
        Some(result) => code_bounds(call.activation()?, codes, result),
        None => return Err(NotEvaluated::Quantization { why: "there are no scales" }),
    };
    macro_rules! run {
        ($code:ty) => {
            match kind {
                Pool::Max => {
                    let end = |max: i32, _| max.max(low).min(high) as $code;
                    pooled(call, windows, least, |max, x: $code| max.max(x.into()), end)
                }
                _ => {
                    let add = |sum: i32, x: $code| sum.wrapping_add(x.into());
                    pooled(call, windows, 0, add, |sum, count| {
                        let half = count / 2;
                        let mean = if sum > 0 { sum + half } else { sum - half } / count;
                        mean.max(low).min(high) as $code
                    })
                }
            }
        };
    }
    match ty {
        Int8 => run!(i8),
        UInt8 => run!(u8),
        _ => run!(i16),
    }
}

/// What becomes of the cells of each window, of each channel by itself.
fn pooled<T: Element, A: Copy>(
    call: &Call<'_>,
    windows: &Windows,
    start: A,
    join: impl Fn(A, T) -> A,
    end: impl Fn(A, i32) -> T,
) -> Made {
    let x = call.operand(0)?.view::<T>();
    let channels = windows.from[3];
    let (mut out, mut empty) = (Vec::new(), false);
    windows.each_place(|place| {
        for channel in 0..channels {
            let (mut sum, mut count) = (start, 0);
            windows.each_cell(place, |_, pixel| {
                sum = join(sum, x.at(pixel * channels + channel));
                count += 1;
            });
            empty |= count == 0;
            out.push(if count == 0 { T::default() } else { end(sum, count) });
        }
    });
    match empty {
        true => Err(NotEvaluated::Fails { why: "a window covers nothing" }),
        false => call.made_of(out),
    }
}
