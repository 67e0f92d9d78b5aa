//! Reductions and what else works along axes.

use super::cx::{Cx, Shapes, axis, dim, dim_of, product, unknown_dims};
use super::{Dim, InferError, Shape};
use crate::ElementType;

pub(super) fn reduce(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    if input.is_empty() {
        return Ok(Shape::of([]));
    }
    let keeps = cx.flag("keep_dims");
    let Some(axes) = cx.ints(1) else {
        // How many axes remain is not told by how many are named: some may be named twice.
        return Ok(if keeps { unknown_dims(Some(input.len())) } else { Shape::Unranked });
    };
    let mut reduced = vec![false; input.len()];
    for number in axes {
        let at = axis(number, input.len()).ok_or_else(|| no_axis(cx, 1, number))?;
        reduced[at] = true;
    }
    let dims = input.iter().zip(reduced).filter_map(|(dim, reduced)| match (reduced, keeps) {
        (false, _) => Some(*dim),
        (true, true) => Some(Some(1)),
        (true, false) => None,
    });
    Ok(Shape::of(dims))
}

pub(super) fn arg_reduce(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some(number) = cx.int_in(1) else { return Ok(unknown_dims(input.len().checked_sub(1))) };
    let at = axis(number, input.len()).ok_or_else(|| no_axis(cx, 1, number))?;
    if input[at] == Some(0) {
        return Err(cx.bad_dim(0, "the axis is empty"));
    }
    Ok(Shape::of(without(input, at)))
}

/// The last dimension becomes the number that operand 1 holds.
pub(super) fn topk(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some((last, rest)) = input.split_last() else {
        return Err(cx.rank(0, 0, "at least 1"));
    };
    let count = cx.int_in(1);
    if let Some((count, _)) = count.zip(*last).filter(|(count, last)| *count > (*last).into()) {
        return Err(cx.value(1, count, "more than there are"));
    }
    Ok(Shape::of(rest.iter().copied().chain([dim_of(count)?])))
}

/// As many segments as the last id says, which are in order.
pub(super) fn segment_sum(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some((_, rest)) = input.split_first() else {
        return Err(cx.rank(0, 0, "at least 1"));
    };
    let segments = match cx.entries(1) {
        Some(0) => Some(0),
        _ => cx.last_int_in(1).map(|last| last.saturating_add(1)),
    };
    Ok(Shape::of([dim_of(segments)?].into_iter().chain(rest.iter().copied())))
}

/// The axes that the ids have become one of as many segments as operand 2 says.
pub(super) fn unsorted_segment(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let (Some(input), Some(ids)) = (cx.dims(0), cx.dims(1)) else { return Ok(Shape::Unranked) };
    let Some(rest) = input.get(ids.len()..) else { return Err(cx.together(0, 1)) };
    Ok(Shape::of([dim_of(cx.int_in(2))?].into_iter().chain(rest.iter().copied())))
}

/// The last two axes become as long as operand 1 says, the last in half and one.
pub(super) fn rfft2d(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let [rest @ .., _, _] = input else { return Err(cx.rank(0, input.len(), "at least 2")) };
    let lengths = cx.ints(1);
    let (rows, columns) = match lengths.as_deref() {
        Some(&[rows, columns]) => (dim(rows)?, dim(columns / 2 + 1)?),
        Some(_) => return Err(cx.bad_dim(1, "must hold two lengths")),
        None => (None, None),
    };
    Ok(Shape::of(rest.iter().copied().chain([rows, columns])))
}

/// The distinct values, of which nobody knows the number, and where each element is among them.
pub(super) fn unique(cx: &Cx<'_>) -> Shapes {
    let elements = cx.dims(0).and_then(|dims| product(dims.iter().copied()));
    let elements = elements.and_then(|n| i32::try_from(n).ok());
    Shapes::Each(vec![Shape::of([None]), Shape::of([elements])])
}

pub(super) fn no_axis(cx: &Cx<'_>, slot: usize, number: i64) -> InferError {
    cx.value(slot, number, "there is no such axis")
}

pub(super) fn without(dims: &[Dim], at: usize) -> impl Iterator<Item = Dim> + '_ {
    dims[..at].iter().chain(&dims[at + 1..]).copied()
}

/// The ratio of the sizes of two types, where both have one.
pub(super) fn size_ratio(a: ElementType, b: ElementType) -> Option<(i32, i32)> {
    let (a, b) = (a.bits()? as i32, b.bits()? as i32);
    Some(if a >= b { (a / b, 1) } else { (1, b / a) })
}
