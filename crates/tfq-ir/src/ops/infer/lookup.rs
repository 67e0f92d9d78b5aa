//! Ops that look values up or make them.

use super::cx::{Cx, Shapes, axis, dim, dim_of, wide};
use super::movement::inserted;
use super::{Dim, InferError, Shape};
use crate::ElementType;

pub(super) fn gather(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let (Some(table), Some(indices)) = (cx.dims(0), cx.dims(1)) else {
        return Ok(Shape::Unranked);
    };
    let at = axis(cx.attr("axis"), table.len())
        .ok_or_else(|| cx.attribute("axis", "there is no such axis"))?;
    // All axes of the indices may be batches, which is one more than there are axes.
    let batches = match cx.attr("batch_dims") {
        number if number < 0 => axis(number, indices.len()),
        number => usize::try_from(number).ok(),
    };
    let batches = batches.filter(|n| *n <= at && *n <= indices.len());
    let batches = batches.ok_or_else(|| cx.attribute("batch_dims", "more than both have"))?;
    let rest = table[at + 1..].iter();
    Ok(Shape::of(table[..at].iter().chain(&indices[batches..]).chain(rest).copied()))
}

pub(super) fn gather_nd(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let (Some(table), Some(indices)) = (cx.dims(0), cx.dims(1)) else {
        return Ok(Shape::Unranked);
    };
    let Some((depth, rows)) = indices.split_last() else {
        return Err(cx.rank(1, 0, "at least 1"));
    };
    let Some(depth) = depth else { return Ok(Shape::Unranked) };
    let rest = usize::try_from(*depth).ok().and_then(|depth| table.get(depth..));
    let rest = rest.ok_or_else(|| cx.together(0, 1))?;
    Ok(Shape::of(rows.iter().chain(rest).copied()))
}

/// Axes of the indices but the vector's become batch axes, and axes of the slices are put
/// between them.
pub(super) fn stablehlo_gather(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(indices) = cx.dims(1) else { return Ok(Shape::Unranked) };
    let list = |name| cx.list(name).unwrap_or_else(|| [].into());
    let (offsets, collapsed) = (list("offset_dims"), list("collapsed_slice_dims"));
    let sizes = list("slice_sizes");
    let vector = usize::try_from(cx.attr("index_vector_dim")).ok();
    let mut batches =
        indices.iter().enumerate().filter(|(n, _)| Some(*n) != vector).map(|(_, dim)| *dim);
    let mut slices = sizes.iter().enumerate();
    let mut slices = std::iter::from_fn(|| {
        slices.find(|(n, _)| !collapsed.contains(&(*n as i64))).map(|(_, size)| *size)
    });
    let rank = offsets.len() + indices.len() - usize::from(vector < Some(indices.len()));
    if rank > super::cx::MOST_DIMS {
        return Ok(Shape::Unranked);
    }
    let mut dims: Vec<Dim> = Vec::with_capacity(rank);
    for n in 0..rank {
        dims.push(if offsets.contains(&(n as i64)) {
            match slices.next() {
                Some(size) => dim(size)?,
                None => return Err(cx.attribute("offset_dims", "more than slices have axes")),
            }
        } else {
            batches.next().flatten()
        });
    }
    Ok(Shape::of(dims))
}

/// The shape of the ids, then the table's but for its first axis.
pub(super) fn lookup(cx: &Cx<'_>) -> Shape {
    match (cx.dims(0), cx.dims(1)) {
        (Some(ids), Some([_, row @ ..])) => Shape::of(ids.iter().chain(row).copied()),
        _ => Shape::Unranked,
    }
}

pub(super) fn embedding_sparse(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let (Shape::Ranked(shape), Some([_, row @ ..])) = (cx.shape_in(2)?, cx.dims(4)) else {
        return Ok(Shape::Unranked);
    };
    let leading = &shape[..shape.len().saturating_sub(1)];
    Ok(Shape::of(leading.iter().chain(row).copied()))
}

pub(super) fn hashtable_lookup(cx: &Cx<'_>) -> Shapes {
    let values = match (cx.dims(0), cx.dims(2)) {
        (Some(lookups), Some([_, row @ ..])) => Shape::of(lookups.iter().chain(row).copied()),
        _ => Shape::Unranked,
    };
    Shapes::Each(vec![values, cx.shape(0)])
}

pub(super) fn lsh_projection(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let [functions, bits] = cx.exactly::<2>(0, "2")?.unwrap_or_default();
    /// `LSHProjectionType`
    const DENSE: i64 = 2;
    if cx.attr("type") != DENSE {
        return Ok(Shape::of([functions]));
    }
    let all = wide(functions).zip(wide(bits)).map(|(functions, bits)| functions * bits);
    Ok(Shape::of([dim_of(all)?]))
}

pub(super) fn one_hot(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(indices) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let at = match cx.attr("axis") {
        -1 => Some(indices.len()),
        at => usize::try_from(at).ok().filter(|at| *at <= indices.len()),
    };
    let at = at.ok_or_else(|| cx.attribute("axis", "there is no such axis"))?;
    Ok(inserted(indices, at, [dim_of(cx.int_in(1))?]))
}

pub(super) fn range(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let floats = matches!(cx.ty(0), Some(ElementType::Float32 | ElementType::Float64));
    let size = if floats {
        let [Some(start), Some(limit), Some(delta)] = [0, 1, 2].map(|slot| cx.number_in(slot))
        else {
            return Ok(Shape::of([None]));
        };
        let count = ((limit - start) / delta).ceil();
        // Neither a step of 0 nor numbers that are none get here as a size.
        if !count.is_finite() || delta == 0.0 || count < 0.0 {
            return Err(cx.value(2, delta as i64, "the step does not lead to the limit"));
        }
        count as i64
    } else {
        let [Some(start), Some(limit), Some(delta)] = [0, 1, 2].map(|slot| cx.int_in(slot)) else {
            return Ok(Shape::of([None]));
        };
        let way = i128::from(limit) - i128::from(start);
        if delta == 0 || (way != 0 && (way < 0) != (delta < 0)) {
            return Err(cx.value(2, delta, "the step does not lead to the limit"));
        }
        let (way, delta) = (way.unsigned_abs(), u128::from(delta.unsigned_abs()));
        i64::try_from(way.div_ceil(delta)).unwrap_or(i64::MAX)
    };
    Ok(Shape::of([dim(size)?]))
}

pub(super) fn multinomial(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let [batch, _] = cx.exactly::<2>(0, "2: batch, classes")?.unwrap_or_default();
    Ok(Shape::of([batch, dim_of(cx.int_in(1))?]))
}

/// Vectors of the greatest number that may be selected, and last the number that is.
pub(super) fn nms(cx: &Cx<'_>) -> Result<Shapes, InferError> {
    let most = dim_of(cx.int_in(2))?;
    let mut shapes = vec![Shape::of([most]); cx.results.len().saturating_sub(1)];
    shapes.push(Shape::of([]));
    Ok(Shapes::Each(shapes))
}
