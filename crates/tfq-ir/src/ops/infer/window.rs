//! Convolutions, pools and other windows.

use super::cx::{Cx, dim, dim_of, div_ceil, wide};
use super::{Dim, InferError, Shape};

const IMAGE: &str = "4: batch, height, width, channels";
const VOLUME: &str = "5: batch, depth, height, width, channels";

pub(super) fn conv2d(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let filter = cx.exactly::<4>(1, "4: results, height, width, channels")?;
    let [channels, height, width, depth] = filter.unwrap_or_default();
    let input = cx.exactly::<4>(0, IMAGE)?;
    if let Some(([_, _, _, data], depth)) = input.zip(depth)
        && data.is_some_and(|data| depth == 0 || data % depth != 0)
    {
        return Err(cx.together(0, 1));
    }
    image(cx, input.unwrap_or_default(), [height, width], channels)
}

pub(super) fn depthwise_conv2d(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let filter = cx.exactly::<4>(1, "4: 1, height, width, channels")?;
    let [_, height, width, channels] = filter.unwrap_or_default();
    let input = cx.exactly::<4>(0, IMAGE)?.unwrap_or_default();
    image(cx, input, [height, width], channels)
}

fn image(
    cx: &Cx<'_>,
    [batch, height, width, _]: [Dim; 4],
    filter: [Dim; 2],
    channels: Dim,
) -> Result<Shape, InferError> {
    let rows = window(cx, height, filter[0], "stride_h", Some("dilation_h_factor"))?;
    let columns = window(cx, width, filter[1], "stride_w", Some("dilation_w_factor"))?;
    Ok(Shape::of([batch, rows, columns, channels]))
}

pub(super) fn conv3d(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let filter = cx.exactly::<5>(1, "5: depth, height, width, channels, results")?;
    let [fd, fh, fw, _, channels] = filter.unwrap_or_default();
    let [batch, d, h, w, _] = cx.exactly::<5>(0, VOLUME)?.unwrap_or_default();
    Ok(Shape::of([
        batch,
        window(cx, d, fd, "stride_d", Some("dilation_d_factor"))?,
        window(cx, h, fh, "stride_h", Some("dilation_h_factor"))?,
        window(cx, w, fw, "stride_w", Some("dilation_w_factor"))?,
        channels,
    ]))
}

pub(super) fn pool2d(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let filter = |name| dim(cx.attr(name)).map_err(|_| cx.attribute(name, "must not be negative"));
    let (fh, fw) = (filter("filter_height")?, filter("filter_width")?);
    let [batch, height, width, channels] = cx.exactly::<4>(0, IMAGE)?.unwrap_or_default();
    let rows = window(cx, height, fh, "stride_h", None)?;
    let columns = window(cx, width, fw, "stride_w", None)?;
    Ok(Shape::of([batch, rows, columns, channels]))
}

/// How many windows fit into an axis.
fn window(
    cx: &Cx<'_>,
    size: Dim,
    filter: Dim,
    stride: &'static str,
    dilation: Option<&'static str>,
) -> Result<Dim, InferError> {
    let positive = |name| match cx.attr(name) {
        value if value > 0 => Ok(value),
        _ => Err(cx.attribute(name, "must be at least 1")),
    };
    let step = positive(stride)?;
    let dilation = dilation.map_or(Ok(1), positive)?;
    let same = match cx.attr("padding") {
        0 => true,
        1 => false,
        _ => return Err(cx.attribute("padding", "neither SAME nor VALID")),
    };
    if filter == Some(0) {
        return Ok(Some(0));
    }
    if same {
        return dim_of(wide(size).map(|size| div_ceil(size, step)));
    }
    dim_of(wide(size).zip(wide(filter)).map(|(size, filter)| valid(size, filter, step, dilation)))
}

/// Windows that lie inside; a window that does not fit gives none.
fn valid(size: i64, filter: i64, step: i64, dilation: i64) -> i64 {
    let reach = (filter - 1).saturating_mul(dilation).saturating_add(1);
    div_ceil((size + 1).saturating_sub(reach), step).max(0)
}

/// Sizes, strides and dilations from operands.
pub(super) fn reduce_window(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let [sizes, strides, dilations] = [2, 3, 4].map(|slot| cx.ints(slot));
    for (slot, list) in [(2, &sizes), (3, &strides), (4, &dilations)] {
        if let Some(list) = list {
            if list.len() != input.len() {
                return Err(cx.bad_dim(slot, "must have an entry for each axis"));
            }
            if let Some(bad) = list.iter().find(|value| **value < 1) {
                return Err(cx.value(slot, *bad, "must be at least 1"));
            }
        }
    }
    let dims = input.iter().enumerate().map(|(n, size)| {
        let known = (wide(*size), sizes.as_ref(), strides.as_ref(), dilations.as_ref());
        let (Some(size), Some(filter), Some(step), Some(dilation)) = known else {
            return Ok(None);
        };
        dim(valid(size, filter[n].min(1 << 31), step[n], dilation[n]))
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

/// All from attributes: base dilation first, then padding, then windows that lie inside.
pub(super) fn stablehlo_reduce_window(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let entry = |name: &'static str, n: usize, default: i64| match cx.list(name) {
        Some(list) if !list.is_empty() => {
            list.get(n).copied().ok_or_else(|| cx.attribute(name, "needs an entry for each axis"))
        }
        _ => Ok(default),
    };
    let dims = input.iter().enumerate().map(|(n, size)| {
        let at_least_1 = |name| match entry(name, n, 1) {
            Ok(value) if value < 1 => {
                Err(InferError::Attribute { name, value, why: "must be at least 1" })
            }
            Ok(value) => Ok(value.min(1 << 31)),
            Err(error) => Err(error),
        };
        let (filter, step) = (at_least_1("window_dimensions")?, at_least_1("window_strides")?);
        let (base, spread) = (at_least_1("base_dilations")?, at_least_1("window_dilations")?);
        let padding = entry("padding", 2 * n, 0)?.saturating_add(entry("padding", 2 * n + 1, 0)?);
        let Some(size) = wide(*size) else { return Ok(None) };
        let dilated = if size == 0 { 0 } else { (size - 1) * base + 1 };
        let padded = dilated.saturating_add(padding.clamp(-(1 << 40), 1 << 40));
        dim(valid(padded, filter, step, spread))
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

pub(super) fn dilate(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some(factors) = cx.ints(1) else { return Ok(super::cx::unknown_dims(Some(input.len()))) };
    if factors.len() != input.len() {
        return Err(cx.together(0, 1));
    }
    if let Some(bad) = factors.iter().find(|factor| **factor < 1) {
        return Err(cx.value(1, *bad, "must be at least 1"));
    }
    let dims = input.iter().zip(factors).map(|(size, factor)| {
        dim_of(wide(*size).map(|size| match size {
            0 => 0,
            _ => (size - 1).saturating_mul(factor).saturating_add(1),
        }))
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}
