//! Recurrent ops.

use super::cx::{Cx, Shapes, dim_of, wide};
use super::{Dim, InferError, Shape};

/// The input with the last dimension replaced by the size of the projection, or by the cells.
pub(super) fn lstm(cx: &Cx<'_>) -> Shape {
    let weights = if cx.operand(16).is_some() { 16 } else { 2 };
    match cx.dims(0) {
        Some([rest @ .., _]) => Shape::of(rest.iter().copied().chain([first(cx, weights)])),
        _ => Shape::Unranked,
    }
}

/// `[batch, units]`.
pub(super) fn rnn(cx: &Cx<'_>, weights: usize) -> Shape {
    Shape::of([first(cx, 0), first(cx, weights)])
}

pub(super) fn sequence_rnn(cx: &Cx<'_>) -> Shape {
    Shape::of([first(cx, 0), second(cx, 0), first(cx, 1)])
}

/// `[batch, filters / rank]`, which the second weights have too.
pub(super) fn svdf(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let rank = cx.attr("rank");
    if rank <= 0 {
        return Err(cx.attribute("rank", "must be at least 1"));
    }
    let units = wide(first(cx, 1)).map(|filters| filters / rank);
    Ok(Shape::of([first(cx, 0), dim_of(units)?]))
}

/// One result with the cells of both directions, or one for each.
pub(super) fn bidirectional(cx: &Cx<'_>, fw: usize, bw: usize) -> Result<Shapes, InferError> {
    let (forward, backward) = (units(cx, fw), units(cx, bw));
    let shape = |units: Dim| Shape::of([first(cx, 0), second(cx, 0), units]);
    let merged = cx.flag("merge_outputs");
    let has = cx.results.len();
    if merged == (has > 1) {
        let gives = if merged { 1 } else { 2 };
        return Err(InferError::ResultCount { has, gives });
    }
    if merged {
        let both = wide(forward).zip(wide(backward)).map(|(fw, bw)| fw + bw);
        return Ok(Shapes::All(shape(dim_of(both)?)));
    }
    Ok(Shapes::Each(vec![shape(forward), shape(backward)]))
}

/// The units of one direction: a projection replaces the cells of an LSTM.
fn units(cx: &Cx<'_>, weights: usize) -> Dim {
    let projection = match weights {
        2 => Some(16),
        19 => Some(33),
        _ => None,
    };
    let projection = projection.filter(|slot| cx.operand(*slot).is_some());
    first(cx, projection.unwrap_or(weights))
}

fn first(cx: &Cx<'_>, slot: usize) -> Dim {
    cx.dims(slot)?.first().copied()?
}

fn second(cx: &Cx<'_>, slot: usize) -> Dim {
    cx.dims(slot)?.get(1).copied()?
}
