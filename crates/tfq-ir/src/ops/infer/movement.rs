//! Ops that move values.

use super::cx::{Cx, MOST_DIMS, Shapes, axis, dim, dim_of, product, unknown_dims, wide};
use super::reduce::{no_axis, size_ratio, without};
use super::{Dim, InferError, Shape};
use crate::ElementType;
use smallvec::SmallVec;

pub(super) fn reshape(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let vector = |dims: &[Dim]| dims.len() == 1;
    let by_operand = cx.operand(1).is_some_and(|operand| {
        operand.ty == ElementType::Int32 && operand.shape.dims().is_none_or(vector)
    });
    let target = if by_operand {
        match cx.partial_ints(1) {
            Some(target) => target,
            None => return Ok(unknown_dims(cx.entries(1))),
        }
    } else {
        match cx.list("new_shape").as_deref() {
            // What old converters wrote for a scalar.
            Some([0]) if cx.operands.len() == 1 => SmallVec::new(),
            Some(target) => target.iter().copied().map(Some).collect(),
            None => return Ok(Shape::Unranked),
        }
    };
    if target.len() > MOST_DIMS {
        return Ok(Shape::Unranked);
    }
    let wrong = |size: i64, why: &'static str| match by_operand {
        true => cx.value(1, size, why),
        false => InferError::Attribute { name: "new_shape", value: size, why },
    };
    let mut open = None;
    let mut unknown = None;
    let mut dims: SmallVec<[Dim; 6]> = SmallVec::new();
    for (n, &size) in target.iter().enumerate() {
        match size {
            Some(-1) => {
                if open.replace(n).is_some() {
                    return Err(wrong(-1, "only one dimension can be left open"));
                }
                dims.push(None);
            }
            Some(size) => dims.push(dim(size).map_err(|_| wrong(size, "no size of a dimension"))?),
            None => {
                if unknown.replace(n).is_some() {
                    return Ok(Shape::Ranked(partly(&target)));
                }
                dims.push(None);
            }
        }
    }
    // One size that is not known yet, or is left open, is what the elements make it.
    if unknown.is_some() {
        if open.is_some() || target.contains(&Some(0)) {
            return Ok(Shape::Ranked(partly(&target)));
        }
        open = unknown;
    }
    let Some(from) = cx.dims(0).filter(|from| from.iter().all(Option::is_some)) else {
        return Ok(Shape::Ranked(dims));
    };
    let to = |dims: &[Dim]| {
        InferError::Elements(Box::new((cx.shape(0), Shape::of(dims.iter().copied()))))
    };
    if let Some(at) = open {
        let others = || dims.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, dim)| *dim);
        let is_empty = |mut dims: Box<dyn Iterator<Item = Dim> + '_>| dims.any(|d| d == Some(0));
        let size = if is_empty(Box::new(from.iter().copied())) && !is_empty(Box::new(others())) {
            0
        } else {
            let filled = |dim: &Dim| *dim != Some(0);
            let all = product(from.iter().copied().filter(filled));
            let rest = product(others().filter(filled));
            match all.zip(rest) {
                Some((all, rest)) if all % rest == 0 => all / rest,
                Some(_) => return Err(to(&dims)),
                None => return Ok(Shape::Ranked(dims)),
            }
        };
        dims[at] = dim(size)?;
    }
    let counts = product(from.iter().copied()).zip(product(dims.iter().copied()));
    if counts.is_some_and(|(from, to)| from != to) {
        return Err(to(&dims));
    }
    Ok(Shape::Ranked(dims))
}

/// The dimensions of a target of which more than one is open or not known.
fn partly(target: &[Option<i64>]) -> SmallVec<[Dim; 6]> {
    target
        .iter()
        .map(|size| size.and_then(|size| i32::try_from(size).ok()).filter(|d| *d >= 0))
        .collect()
}

pub(super) fn squeeze(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let named = cx.list("squeeze_dims").filter(|dims| !dims.is_empty());
    let Some(named) = named else {
        if input.contains(&None) {
            return Ok(Shape::Unranked);
        }
        return Ok(Shape::of(input.iter().copied().filter(|dim| *dim != Some(1))));
    };
    let mut dropped = vec![false; input.len()];
    for &number in named.iter() {
        let error = |why| InferError::Attribute { name: "squeeze_dims", value: number, why };
        let at = axis(number, input.len()).ok_or_else(|| error("there is no such axis"))?;
        if input[at].is_some_and(|size| size != 1) {
            return Err(error("the axis is not of size 1"));
        }
        dropped[at] = true;
    }
    Ok(Shape::of(input.iter().zip(dropped).filter(|(_, dropped)| !dropped).map(|(dim, _)| *dim)))
}

pub(super) fn expand_dims(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some(number) = cx.int_in(1) else { return Ok(unknown_dims(Some(input.len() + 1))) };
    let at = axis(number, input.len() + 1).ok_or_else(|| no_axis(cx, 1, number))?;
    Ok(inserted(input, at, [Some(1)]))
}

pub(super) fn transpose(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some(permutation) = cx.ints(1) else { return Ok(unknown_dims(Some(input.len()))) };
    if permutation.len() != input.len() {
        return Err(cx.together(0, 1));
    }
    let dims = permutation.into_iter().map(|number| {
        axis(number, input.len()).map(|at| input[at]).ok_or_else(|| no_axis(cx, 1, number))
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

pub(super) fn concat(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let mut sum = Some(0_i64);
    let mut joined: Option<(usize, SmallVec<[Dim; 6]>)> = None;
    for slot in 0..cx.operands.len() {
        let Some(dims) = cx.dims(slot) else { return Ok(Shape::Unranked) };
        let at = axis(cx.attr("axis"), dims.len())
            .ok_or_else(|| cx.attribute("axis", "there is no such axis"))?;
        sum = sum.zip(wide(dims[at])).map(|(sum, size)| sum.saturating_add(size));
        let Some((_, all)) = &mut joined else {
            joined = Some((at, dims.iter().copied().collect()));
            continue;
        };
        if all.len() != dims.len() {
            return Err(cx.together(0, slot));
        }
        for (_, (mine, other)) in all.iter_mut().zip(dims).enumerate().filter(|(n, _)| *n != at) {
            match (&mine, other) {
                (Some(a), Some(b)) if a != b => return Err(cx.together(0, slot)),
                (None, known) => *mine = *known,
                _ => (),
            }
        }
    }
    let Some((at, mut dims)) = joined else { return Ok(Shape::Unranked) };
    dims[at] = dim_of(sum)?;
    Ok(Shape::Ranked(dims))
}

pub(super) fn pack(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let count = cx.operands.len() as i64;
    if cx.attr("values_count") != count {
        return Err(cx.attribute("values_count", "not the number of operands"));
    }
    let mut all: Option<SmallVec<[Dim; 6]>> = None;
    for slot in 0..cx.operands.len() {
        let Some(dims) = cx.dims(slot) else { return Ok(Shape::Unranked) };
        let Some(all) = &mut all else {
            all = Some(dims.iter().copied().collect());
            continue;
        };
        let known = cx.shape(slot);
        if !Shape::Ranked(all.clone()).agrees(&known) {
            return Err(cx.together(0, slot));
        }
        all.iter_mut().zip(dims).for_each(|(mine, other)| *mine = mine.or(*other));
    }
    let Some(dims) = all else { return Ok(Shape::Unranked) };
    let at = axis(cx.attr("axis"), dims.len() + 1)
        .ok_or_else(|| cx.attribute("axis", "there is no such axis"))?;
    Ok(inserted(&dims, at, [dim(count)?]))
}

pub(super) fn unpack(cx: &Cx<'_>) -> Result<Shape, InferError> {
    results(cx, cx.attr("num"))?;
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let at = axis(cx.attr("axis"), input.len())
        .ok_or_else(|| cx.attribute("axis", "there is no such axis"))?;
    if input[at].is_some_and(|size| i64::from(size) != cx.attr("num")) {
        return Err(cx.attribute("num", "not the size of the axis"));
    }
    Ok(Shape::of(without(input, at)))
}

pub(super) fn split(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let parts = cx.attr("num_splits");
    results(cx, parts)?;
    if parts < 1 {
        return Err(cx.attribute("num_splits", "must be at least 1"));
    }
    let Some(input) = cx.dims(1) else { return Ok(Shape::Unranked) };
    let Some(number) = cx.int_in(0) else { return Ok(unknown_dims(Some(input.len()))) };
    let at = axis(number, input.len()).ok_or_else(|| no_axis(cx, 0, number))?;
    if wide(input[at]).is_some_and(|size| size % parts != 0) {
        return Err(cx.attribute("num_splits", "does not divide the axis"));
    }
    Ok(replaced(input, at, dim_of(wide(input[at]).map(|size| size / parts))?))
}

pub(super) fn split_v(cx: &Cx<'_>) -> Result<Shapes, InferError> {
    results(cx, cx.attr("num_splits"))?;
    let Some(input) = cx.dims(0) else { return Ok(Shapes::All(Shape::Unranked)) };
    let Some(number) = cx.int_in(2) else {
        return Ok(Shapes::All(unknown_dims(Some(input.len()))));
    };
    let at = axis(number, input.len()).ok_or_else(|| no_axis(cx, 2, number))?;
    let Some(sizes) = cx.ints_up_to(1, cx.results.len()) else {
        return Ok(Shapes::All(replaced(input, at, None)));
    };
    if sizes.len() != cx.results.len() {
        return Err(InferError::ResultCount { has: cx.results.len(), gives: sizes.len() });
    }
    let taken: i64 = sizes.iter().filter(|size| **size != -1).fold(0, |a, b| a.saturating_add(*b));
    let open = sizes.iter().filter(|size| **size == -1).count();
    let left = wide(input[at]).map(|size| size.saturating_sub(taken));
    if open > 1 || left.is_some_and(|left| left < 0 || (open == 0 && left != 0)) {
        return Err(cx.value(1, taken, "the sizes do not add up to the axis"));
    }
    let part =
        |size: i64| Ok(replaced(input, at, dim_of(if size == -1 { left } else { Some(size) })?));
    Ok(Shapes::Each(sizes.into_iter().map(part).collect::<Result<_, InferError>>()?))
}

/// The number of results that an attribute says.
fn results(cx: &Cx<'_>, gives: i64) -> Result<(), InferError> {
    let has = cx.results.len();
    if usize::try_from(gives) == Ok(has) {
        return Ok(());
    }
    Err(InferError::ResultCount { has, gives: usize::try_from(gives).unwrap_or(0) })
}

pub(super) fn slice(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let (begins, sizes) = (cx.partial_ints(1), cx.partial_ints(2));
    for (slot, list) in [(1, &begins), (2, &sizes)] {
        if list.as_ref().is_some_and(|list| list.len() != input.len()) {
            return Err(cx.together(0, slot));
        }
    }
    let dims = input.iter().enumerate().map(|(n, whole)| {
        let (begin, size) = (begins.as_ref().and_then(|b| b[n]), sizes.as_ref().and_then(|s| s[n]));
        if let Some(begin) = begin.filter(|begin| *begin < 0) {
            return Err(cx.value(1, begin, "must not be negative"));
        }
        if let Some(size) = size.filter(|size| *size < -1) {
            return Err(cx.value(2, size, "no size of a dimension"));
        }
        let known = wide(*whole).zip(begin);
        match size {
            Some(-1) => {
                let left = known.map(|(whole, begin)| whole.saturating_sub(begin));
                if left.is_some_and(|left| left < 0) {
                    return Err(cx.value(1, begin.unwrap_or(0), "behind the end"));
                }
                dim_of(left)
            }
            Some(size) => {
                if known.is_some_and(|(whole, begin)| begin.saturating_add(size) > whole) {
                    return Err(cx.value(2, size, "reaches behind the end"));
                }
                dim(size)
            }
            None => Ok(None),
        }
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

/// Operand 1 has a row of two sizes for each axis.
pub(super) fn pad(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some(paddings) = cx.ints(1) else { return Ok(unknown_dims(Some(input.len()))) };
    if paddings.len() != input.len() * 2 {
        return Err(cx.together(0, 1));
    }
    let dims = input.iter().zip(paddings.chunks_exact(2)).map(|(size, pair)| {
        dim_of(wide(*size).map(|size| size.saturating_add(pair[0]).saturating_add(pair[1])))
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

pub(super) fn stablehlo_pad(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    const LISTS: [&str; 3] = ["edge_padding_low", "edge_padding_high", "interior_padding"];
    let [low, high, interior] = LISTS.map(|name| cx.list(name).unwrap_or_else(|| [].into()));
    for (name, list) in LISTS.into_iter().zip([&low, &high, &interior]) {
        if list.len() != input.len() {
            let value = list.len() as i64;
            return Err(InferError::Attribute { name, value, why: "needs an entry for each axis" });
        }
    }
    let dims = input.iter().enumerate().map(|(n, size)| {
        let spread = |size: i64| match size {
            0 => 0,
            _ => (size - 1).saturating_mul(interior[n].saturating_add(1)).saturating_add(1),
        };
        let padded = |size| spread(size).saturating_add(low[n]).saturating_add(high[n]);
        dim_of(wide(*size).map(padded))
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

pub(super) fn tile(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let Some(multiples) = cx.ints(1) else { return Ok(unknown_dims(Some(input.len()))) };
    if multiples.len() != input.len() {
        return Err(cx.together(0, 1));
    }
    let dims = input
        .iter()
        .zip(multiples)
        .map(|(size, multiple)| dim_of(wide(*size).map(|size| size.saturating_mul(multiple))));
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

const IMAGE: &str = "4: batch, height, width, channels";

pub(super) fn resize(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let [batch, _, _, channels] = cx.exactly::<4>(0, IMAGE)?.unwrap_or_default();
    let sizes = cx.ints(1);
    let (rows, columns) = match sizes.as_deref() {
        Some(&[rows, columns]) => (dim(rows)?, dim(columns)?),
        Some(_) => return Err(cx.bad_dim(1, "must hold height and width")),
        None => (None, None),
    };
    Ok(Shape::of([batch, rows, columns, channels]))
}

pub(super) fn space_to_depth(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let block = block_size(cx)?;
    let [batch, height, width, channels] = cx.exactly::<4>(0, IMAGE)?.unwrap_or_default();
    let divided = |size: Dim| {
        if wide(size).is_some_and(|size| size % block != 0) {
            return Err(cx.attribute("block_size", "does not divide height and width"));
        }
        dim_of(wide(size).map(|size| size / block))
    };
    let depth =
        dim_of(wide(channels).map(|size| size.saturating_mul(block.saturating_mul(block))))?;
    Ok(Shape::of([batch, divided(height)?, divided(width)?, depth]))
}

pub(super) fn depth_to_space(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let block = block_size(cx)?;
    let [batch, height, width, channels] = cx.exactly::<4>(0, IMAGE)?.unwrap_or_default();
    let area = block.saturating_mul(block);
    if wide(channels).is_some_and(|size| size % area != 0) {
        return Err(cx.attribute("block_size", "its square does not divide the channels"));
    }
    let grown = |size: Dim| dim_of(wide(size).map(|size| size.saturating_mul(block)));
    let depth = dim_of(wide(channels).map(|size| size / area))?;
    Ok(Shape::of([batch, grown(height)?, grown(width)?, depth]))
}

fn block_size(cx: &Cx<'_>) -> Result<i64, InferError> {
    match cx.attr("block_size") {
        block if block > 0 => Ok(block),
        _ => Err(cx.attribute("block_size", "must be at least 1")),
    }
}

pub(super) fn space_to_batch_nd(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(Blocks { batch, spatial, rest, sizes, borders, area }) = blocks(cx)? else {
        return Ok(unknown_dims(cx.dims(0).map(<[Dim]>::len)));
    };
    let mut dims: SmallVec<[Dim; 6]> = SmallVec::new();
    dims.push(dim_of(wide(batch).map(|batch| batch.saturating_mul(area)))?);
    for (n, size) in spatial.iter().enumerate() {
        let padded = wide(*size).zip(borders.as_ref()).map(|(size, borders)| {
            size.saturating_add(borders[2 * n]).saturating_add(borders[2 * n + 1])
        });
        if padded.is_some_and(|size| size % sizes[n] != 0) {
            return Err(cx.value(1, sizes[n], "does not divide the padded axis"));
        }
        dims.push(dim_of(padded.map(|size| size / sizes[n]))?);
    }
    Ok(Shape::of(dims.into_iter().chain(rest.iter().copied())))
}

pub(super) fn batch_to_space_nd(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(Blocks { batch, spatial, rest, sizes, borders, area }) = blocks(cx)? else {
        return Ok(unknown_dims(cx.dims(0).map(<[Dim]>::len)));
    };
    if wide(batch).is_some_and(|batch| batch % area != 0) {
        return Err(cx.value(1, area, "the product of the block does not divide the batch"));
    }
    let mut dims: SmallVec<[Dim; 6]> = SmallVec::new();
    dims.push(dim_of(wide(batch).map(|batch| batch / area))?);
    for (n, size) in spatial.iter().enumerate() {
        let grown = wide(*size).zip(borders.as_ref()).map(|(size, borders)| {
            let cropped = borders[2 * n].saturating_add(borders[2 * n + 1]);
            size.saturating_mul(sizes[n]).saturating_sub(cropped)
        });
        dims.push(dim_of(grown)?);
    }
    Ok(Shape::of(dims.into_iter().chain(rest.iter().copied())))
}

/// What SPACE_TO_BATCH_ND and its inverse have in common.
struct Blocks<'a> {
    batch: Dim,
    spatial: &'a [Dim],
    rest: &'a [Dim],
    sizes: super::cx::Ints,
    borders: Option<super::cx::Ints>,
    area: i64,
}

fn blocks<'a>(cx: &Cx<'a>) -> Result<Option<Blocks<'a>>, InferError> {
    let (Some(input), Some(sizes)) = (cx.dims(0), cx.ints(1)) else { return Ok(None) };
    let Some((batch, others)) = input.split_first().filter(|(_, o)| o.len() >= sizes.len()) else {
        return Err(cx.together(0, 1));
    };
    if let Some(bad) = sizes.iter().find(|size| **size < 1) {
        return Err(cx.value(1, *bad, "must be at least 1"));
    }
    let borders = cx.ints(2);
    if borders.as_ref().is_some_and(|borders| borders.len() != sizes.len() * 2) {
        return Err(cx.together(1, 2));
    }
    let area = sizes.iter().fold(1_i64, |product, size| product.saturating_mul(*size));
    let (spatial, rest) = others.split_at(sizes.len());
    Ok(Some(Blocks { batch: *batch, spatial, rest, sizes, borders, area }))
}

pub(super) fn matrix_diag(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    match input.last() {
        Some(last) => Ok(Shape::of(input.iter().chain([last]).copied())),
        None => Err(cx.rank(0, 0, "at least 1")),
    }
}

/// The same bytes as elements of another size: the last axis appears or goes.
pub(super) fn bitcast(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let (Some(input), Some(from)) = (cx.dims(0), cx.ty(0)) else { return Ok(Shape::Unranked) };
    let declared = cx.results.first().copied().flatten();
    let Some(ratio) = declared.and_then(|to| size_ratio(from, to)) else {
        return Ok(Shape::Unranked);
    };
    match (ratio, input.split_last()) {
        ((1, 1), _) => Ok(cx.shape(0)),
        ((parts, 1), _) => Ok(Shape::of(input.iter().copied().chain([Some(parts)]))),
        ((_, parts), Some((last, rest))) if last.is_none_or(|last| last == parts) => {
            Ok(Shape::of(rest.iter().copied()))
        }
        _ => Err(cx.bad_dim(0, "the last axis does not make an element of the result")),
    }
}

pub(super) fn inserted(dims: &[Dim], at: usize, new: impl IntoIterator<Item = Dim>) -> Shape {
    Shape::of(dims[..at].iter().copied().chain(new).chain(dims[at..].iter().copied()))
}

fn replaced(dims: &[Dim], at: usize, with: Dim) -> Shape {
    let (before, after) = (&dims[..at], &dims[at + 1..]);
    Shape::of(before.iter().copied().chain([with]).chain(after.iter().copied()))
}
