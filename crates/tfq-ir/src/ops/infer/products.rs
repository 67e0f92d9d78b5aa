//! FULLY_CONNECTED and BATCH_MATMUL.

use super::cx::{Cx, dim_of, product};
use super::elementwise::join;
use super::{InferError, Shape};

pub(super) fn fully_connected(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some([units, depth]) = cx.exactly(1, "2")? else { return Ok(Shape::Unranked) };
    let Some(input) = cx.dims(0) else {
        let keeps = cx.flag("keep_num_dims");
        return Ok(if keeps { Shape::Unranked } else { Shape::of([None, units]) });
    };
    if cx.flag("keep_num_dims") {
        let Some((last, rest)) = input.split_last() else {
            return Err(cx.rank(0, 0, "at least 1"));
        };
        if last.zip(depth).is_some_and(|(last, depth)| last != depth) {
            return Err(cx.together(0, 1));
        }
        return Ok(Shape::of(rest.iter().copied().chain([units])));
    }
    let rows = match product(input.iter().copied()).zip(depth) {
        Some((elements, depth)) if depth == 0 || elements % i64::from(depth) != 0 => {
            return Err(if depth == 0 && elements == 0 {
                cx.bad_dim(1, "without depth the number of rows cannot be told")
            } else {
                cx.together(0, 1)
            });
        }
        Some((elements, depth)) => Some(elements / i64::from(depth)),
        None => None,
    };
    Ok(Shape::of([dim_of(rows)?, units]))
}

pub(super) fn batch_matmul(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let (Some(a), Some(b)) = (cx.dims(0), cx.dims(1)) else { return Ok(Shape::Unranked) };
    let matrix = |slot: usize, dims: &[super::Dim], swapped: bool| match *dims {
        [.., rows, columns] if swapped => Ok((columns, rows)),
        [.., rows, columns] => Ok((rows, columns)),
        _ => Err(cx.rank(slot, dims.len(), "at least 2")),
    };
    let (rows, inner) = matrix(0, a, cx.flag("adj_x"))?;
    let (other, columns) = matrix(1, b, cx.flag("adj_y"))?;
    if inner.zip(other).is_some_and(|(a, b)| a != b) {
        return Err(cx.together(0, 1));
    }
    let batches = join(&a[..a.len() - 2], &b[..b.len() - 2]).ok_or_else(|| cx.together(0, 1))?;
    Ok(Shape::of(batches.into_iter().chain([rows, columns])))
}
