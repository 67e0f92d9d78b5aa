//! Images in another size.

use super::movement::image;
use crate::NotEvaluated;
use crate::call::{Call, Made};
use crate::element::{Element, stored};
use tfq_ir::ElementType::{Float32, Int8, Int16, UInt8};

const NONE: NotEvaluated = NotEvaluated::Operands { why: "there is nothing to take from" };

pub(crate) fn nearest(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let ([_, h, w, c], [batches, rows, columns, _]) = (image(x.shape())?, image(call.shape(0)?)?);
    if h == 0 || w == 0 {
        return Err(NONE);
    }
    let (corners, centers) = (call.flag("align_corners"), call.flag("half_pixel_centers"));
    let offset = if centers { 0.5 } else { 0.0 };
    let source = |n: usize, from: usize, to: usize| {
        let scale = match corners && to > 1 {
            true => (from - 1) as f32 / (to - 1) as f32,
            false => from as f32 / to as f32,
        };
        let place = (n as f32 + offset) * scale;
        let place = if corners { place.round() } else { place.floor() };
        (place as i64).clamp(0, from as i64 - 1) as usize
    };
    let row = c * width;
    let mut out = Vec::with_capacity(batches * rows * columns * row);
    for batch in 0..batches {
        for y in 0..rows {
            let from = (batch * h + source(y, h, rows)) * w;
            for column in 0..columns {
                let at = (from + source(column, w, columns)) * row;
                out.extend_from_slice(&x.bytes()[at..][..row]);
            }
        }
    }
    call.made(out)
}

pub(crate) fn bilinear(call: &mut Call<'_>) -> Made {
    let x = call.operand(0)?;
    let ([_, h, w, _], [_, rows, columns, _]) = (image(x.shape())?, image(call.shape(0)?)?);
    if h == 0 || w == 0 || rows == 0 || columns == 0 {
        return Err(NONE);
    }
    let (corners, centers) = (call.flag("align_corners"), call.flag("half_pixel_centers"));
    if corners && centers {
        return Err(NotEvaluated::Operands { why: "the kernel refuses both flags together" });
    }
    match x.ty() {
        Float32 => floats(call, corners, centers),
        UInt8 => {
            call.quantized_alike(0)?;
            floats(call, corners, centers)
        }
        Int8 | Int16 => {
            call.quantized_alike(0)?;
            codes(call, corners, centers)
        }
        _ => Err(call.bad_type(0)),
    }
}

/// Where a row or column of the result lies: the place, and the two next to it.
struct Between<P> {
    at: P,
    low: usize,
    high: usize,
}

/// What a function makes of the four neighbours of each place: upper left, lower left, upper
/// right, lower right.
fn mixed<T: Element, P>(
    call: &Call<'_>,
    ys: &[Between<P>],
    xs: &[Between<P>],
    mix: impl Fn([T; 4], &Between<P>, &Between<P>) -> T,
) -> Result<Vec<T>, NotEvaluated> {
    let x = call.operand(0)?;
    let [batches, h, w, c] = image(x.shape())?;
    let view = x.view::<T>();
    let mut out = Vec::with_capacity(batches * ys.len() * xs.len() * c);
    for batch in 0..batches {
        for y in ys {
            for x in xs {
                let at = |row: usize, column: usize| ((batch * h + row) * w + column) * c;
                let corners =
                    [at(y.low, x.low), at(y.high, x.low), at(y.low, x.high), at(y.high, x.high)];
                out.extend((0..c).map(|n| mix(corners.map(|at| view.at(at + n)), y, x)));
            }
        }
    }
    Ok(out)
}

fn floats(call: &Call<'_>, corners: bool, centers: bool) -> Made {
    let between = |from: usize, to: usize| -> Vec<Between<f32>> {
        let scale = match corners && to > 1 {
            true => (from - 1) as f32 / (to - 1) as f32,
            false => from as f32 / to as f32,
        };
        let place = |n: usize| {
            let n = n as f32;
            let at = if centers { (n + 0.5) * scale - 0.5 } else { n * scale };
            let low = (at.floor() as i64).max(0) as usize;
            let high = (at.ceil() as i64).clamp(0, from as i64 - 1) as usize;
            Between { at, low: low.min(from - 1), high }
        };
        (0..to).map(place).collect()
    };
    let ([_, h, w, _], [_, rows, columns, _]) =
        (image(call.operand(0)?.shape())?, image(call.shape(0)?)?);
    let (ys, xs) = (between(h, rows), between(w, columns));
    let mix = |[a, b, c, d]: [f32; 4], y: &Between<f32>, x: &Between<f32>, offset: f32| {
        let (dy, dx) = (y.at - y.low as f32, x.at - x.low as f32);
        let sum = a * (1.0 - dy) * (1.0 - dx) + b * dy * (1.0 - dx) + c * (1.0 - dy) * dx;
        // Where nothing is added to round it, 0 is, which has -0.0 positive.
        sum + d * dy * dx + offset
    };
    match call.ty(0)? {
        Float32 => call.made_of(mixed(call, &ys, &xs, |four, y, x| mix(four, y, x, 0.0))?),
        _ => call.made_of(mixed(call, &ys, &xs, |four: [u8; 4], y, x| {
            mix(four.map(f32::from), y, x, 0.5) as u8
        })?),
    }
}

/// With ten bits behind the point.
fn codes(call: &Call<'_>, corners: bool, centers: bool) -> Made {
    const ONE: i64 = 1 << 10;
    let between = |from: usize, to: usize| -> Vec<Between<i64>> {
        let (from, to) = (from as i64, to as i64);
        let scale = match corners && to > 1 {
            true => (ONE * (from - 1) + (to - 1) / 2) / (to - 1),
            false => (ONE * from + to / 2) / to,
        };
        let place = |n: i64| {
            let at = if centers { n * scale + scale / 2 - (1 << 9) } else { n * scale };
            let low = (at / ONE).clamp(0, from - 1) as usize;
            let high = ((at + ONE - 1) / ONE).clamp(0, from - 1) as usize;
            Between { at, low, high }
        };
        (0..to).map(place).collect()
    };
    let ([_, h, w, _], [_, rows, columns, _]) =
        (image(call.operand(0)?.shape())?, image(call.shape(0)?)?);
    let (ys, xs) = (between(h, rows), between(w, columns));
    let mix = |[a, b, c, d]: [i64; 4], y: &Between<i64>, x: &Between<i64>| {
        let (dy, dx) = (y.at - ONE * y.low as i64, x.at - ONE * x.low as i64);
        let (ey, ex) = (ONE - dy, ONE - dx);
        let sum = a * ey * ex + b * dy * ex + c * ey * dx + d * dy * dx;
        (sum + if sum > 0 { 1 << 19 } else { -(1 << 19) }) / (1 << 20)
    };
    macro_rules! run {
        ($ty:ty) => {
            stored(mixed(call, &ys, &xs, |four: [$ty; 4], y, x| {
                mix(four.map(i64::from), y, x) as $ty
            })?)
        };
    }
    call.made(match call.ty(0)? {
        Int8 => run!(i8),
        _ => run!(i16),
    })
}
