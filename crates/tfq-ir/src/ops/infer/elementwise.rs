//! Broadcasting.

use super::cx::{Cx, MOST_DIMS};
use super::{Dim, InferError, Shape};
use smallvec::SmallVec;

/// Aligned at the last axis; 1 yields to anything.
pub(super) fn broadcast(cx: &Cx<'_>, slots: &[u8]) -> Result<Shape, InferError> {
    let mut dims: SmallVec<[Dim; 6]> = SmallVec::new();
    let mut first = None;
    for &slot in slots {
        let slot = usize::from(slot);
        let Some(operand) = cx.dims(slot) else { return Ok(Shape::Unranked) };
        dims = join(&dims, operand).ok_or_else(|| cx.together(first.unwrap_or(slot), slot))?;
        first = first.or(Some(slot));
    }
    Ok(Shape::Ranked(dims))
}

/// The shape in which two others meet, if there is one.
pub(super) fn join(a: &[Dim], b: &[Dim]) -> Option<SmallVec<[Dim; 6]>> {
    let rank = a.len().max(b.len());
    let at = |dims: &[Dim], n: usize| match (n + dims.len()).checked_sub(rank) {
        Some(n) => dims[n],
        None => Some(1),
    };
    let meet = |n| match (at(a, n), at(b, n)) {
        (Some(1), dim) | (dim, Some(1)) => Some(dim),
        // One that is unknown may turn out to be 1.
        (None, dim) | (dim, None) => Some(dim),
        (a, b) => (a == b).then_some(a),
    };
    (0..rank).map(meet).collect()
}

/// The contents are a shape, so the result is as long as the longer one.
pub(super) fn broadcast_args(cx: &Cx<'_>) -> Shape {
    let length = |slot| cx.entries(slot).filter(|n| *n <= MOST_DIMS);
    Shape::of([length(0).zip(length(1)).map(|(a, b)| a.max(b) as i32)])
}
