//! Ops that take elements by their positions, or put them there.

use crate::NotEvaluated;
use crate::call::{Call, Made, about, dims_of};
use crate::element::{for_type, stored};
use crate::value::Value;
use crate::walk::{each_index, product, steps};
use tfq_ir::ElementType;

const OUT_OF_RANGE: NotEvaluated = NotEvaluated::Fails { why: "an index is out of range" };

/// An index of an axis of this size.
fn place(index: i64, size: usize) -> Result<usize, NotEvaluated> {
    usize::try_from(index).ok().filter(|index| *index < size).ok_or(OUT_OF_RANGE)
}

pub(crate) fn gather(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let positions = call.operand(1)?;
    let axis = call.axis(call.attr("axis"), x.shape().len())?;
    let batch_dims = match call.attr("batch_dims") {
        0 => 0,
        dims => {
            let rank = positions.shape().len() as i64;
            let dims = if dims < 0 { dims + rank } else { dims };
            let dims =
                usize::try_from(dims).ok().filter(|dims| *dims <= axis && *dims as i64 <= rank);
            dims.ok_or_else(|| call.bad_attr("batch_dims"))?
        }
    };
    let [batches, outer] = [0..batch_dims, batch_dims..axis].map(|axes| product(&x.shape()[axes]));
    let [_, size, inner] = about(x.shape(), axis);
    let indices = call.ints(1)?;
    let each = product(&positions.shape()[batch_dims..]);
    if batches * each != indices.len() {
        return Err(NotEvaluated::Operands { why: "batches of both operands differ" });
    }
    let row = inner * width;
    let mut out = Vec::with_capacity(product(call.shape(0)?) * width);
    for batch in 0..batches {
        for n in 0..outer {
            for index in &indices[batch * each..][..each] {
                let at = (batch * outer + n) * size + place(*index, size)?;
                out.extend_from_slice(&x.bytes()[at * row..][..row]);
            }
        }
    }
    call.made(out)
}

/// What the rows of an index tensor point to in a tensor of this shape: first elements, and how
/// many follow each.
fn rows(
    indices: &[i64],
    depth: usize,
    shape: &[usize],
) -> Result<(Vec<usize>, usize), NotEvaluated> {
    let deep = NotEvaluated::Operands { why: "an index has more entries than there are axes" };
    let inner = product(shape.get(depth..).ok_or(deep)?);
    let mine = steps(shape);
    if depth == 0 {
        return Err(NotEvaluated::Operands { why: "an index has no entries" });
    }
    let first = indices.chunks_exact(depth).map(|index| {
        let each = index.iter().enumerate();
        each.map(|(n, i)| Ok(place(*i, shape[n])? * mine[n] as usize)).sum()
    });
    Ok((first.collect::<Result<_, NotEvaluated>>()?, inner))
}

pub(crate) fn gather_nd(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let depth = call.operand(1)?.shape().last().copied().unwrap_or(0);
    let (first, inner) = rows(&call.ints(1)?, depth, x.shape())?;
    let mut out = Vec::with_capacity(product(call.shape(0)?) * width);
    for at in first {
        out.extend_from_slice(&x.bytes()[at * width..][..inner * width]);
    }
    call.made(out)
}

/// Of indices that are there twice the sum.
pub(crate) fn scatter_nd(call: &mut Call<'_>) -> Made {
    let depth = call.operand(0)?.shape().last().copied().unwrap_or(0);
    let shape = call.shape(0)?;
    let (first, inner) = rows(&call.ints(0)?, depth, shape)?;
    let updates = call.operand(1)?;
    if updates.elements() != first.len() * inner {
        return Err(NotEvaluated::Operands { why: "there are not as many updates as indices" });
    }
    macro_rules! scatter {
        ($ty:ty, $add:expr) => {{
            let mut out = vec![<$ty>::default(); product(shape)];
            let mut updates = updates.view::<$ty>().iter();
            for at in first {
                for to in &mut out[at..at + inner] {
                    *to = $add(*to, updates.next().expect("they were counted"));
                }
            }
            call.made_of(out)
        }};
    }
    match updates.ty() {
        ElementType::Float32 => scatter!(f32, |a: f32, b| a + b),
        ElementType::Int32 => scatter!(i32, i32::wrapping_add),
        ElementType::Int64 => scatter!(i64, i64::wrapping_add),
        ElementType::Int8 => scatter!(i8, i8::wrapping_add),
        ElementType::UInt8 => scatter!(u8, u8::wrapping_add),
        ElementType::Bool => scatter!(bool, |a, b| a | b),
        _ => Err(call.bad_type(1)),
    }
}

/// The start is moved so that the update lies inside.
pub(crate) fn dynamic_update_slice(call: &mut Call<'_>) -> Made {
    let (x, update, width) = (call.operand(0)?, call.operand(1)?, call.width(0)?);
    call.same_types(&[0, 1])?;
    let starts = call.ints(2)?;
    let fits = update.shape().len() == x.shape().len()
        && starts.len() == x.shape().len()
        && update.shape().iter().zip(x.shape()).all(|(part, whole)| part <= whole);
    if !fits {
        return Err(NotEvaluated::Operands { why: "the update does not fit" });
    }
    let Some((row, outer)) = update.shape().split_last() else {
        return call.made(update.bytes().clone());
    };
    let to = steps(x.shape());
    let room = x.shape().iter().zip(update.shape()).map(|(whole, part)| (whole - part) as i64);
    let starts: Vec<i64> =
        starts.iter().zip(room).map(|(start, room)| (*start).clamp(0, room)).collect();
    let mut out = x.bytes().to_vec();
    let mut from = 0;
    let row = row * width;
    if update.elements() > 0 {
        each_index(outer, |index| {
            let at = index
                .iter()
                .zip(&starts)
                .zip(&to)
                .map(|((n, start), step)| (*n as i64 + start) * step);
            let at = (at.sum::<i64>() + starts[outer.len()]) as usize;
            out[at * width..][..row].copy_from_slice(&update.bytes()[from..][..row]);
            from += row;
        });
    }
    call.made(out)
}

/// Rows of a table by their numbers.
pub(crate) fn embedding_lookup(call: &mut Call<'_>) -> Made {
    let (table, width) = (call.operand(1)?, call.width(1)?);
    let Some((rows, row)) = table.shape().split_first() else {
        return Err(NotEvaluated::Operands { why: "the table is a scalar" });
    };
    let row = product(row);
    if call.results[0].ty != table.ty() {
        return Err(call.bad_result(0));
    }
    let mut out = Vec::with_capacity(product(call.shape(0)?) * width);
    for index in call.ints(0)? {
        let at = place(index, *rows)? * row;
        out.extend_from_slice(&table.bytes()[at * width..][..row * width]);
    }
    call.made(out)
}

pub(crate) fn one_hot(call: &mut Call<'_>) -> Made {
    let (indices, shape, width) = (call.ints(0)?, call.shape(0)?, call.width(2)?);
    call.same_types(&[2, 3])?;
    let axis = match call.attr("axis") {
        -1 => shape.len() - 1,
        axis => call.axis(axis, shape.len())?,
    };
    let [on, off] = [2, 3].map(|slot| call.operand(slot).map(|value| value.bytes().get(..width)));
    let (Some(on), Some(off)) = (on?, off?) else {
        return Err(NotEvaluated::Operands { why: "there is no value to set" });
    };
    let [outer, depth, inner] = about(shape, axis);
    let mut out = Vec::with_capacity(product(shape) * width);
    for n in 0..outer {
        for at in 0..depth {
            for index in &indices[n * inner..][..inner] {
                out.extend_from_slice(if *index == at as i64 { on } else { off });
            }
        }
    }
    call.made(out)
}

/// Places that are not zero, in order.
pub(crate) fn where_true(call: &mut Call<'_>) -> Made {
    let x = call.operand(0)?;
    let all = x.elements();
    let is = for_type!(x.ty(), [Bool bool, Float32 f32, Int8 i8, UInt8 u8, Int32 i32, UInt32 u32, Int64 i64],
        T => x.view::<T>().iter().map(|value| value != T::default()).collect::<Vec<bool>>());
    let is = is.ok_or_else(|| call.bad_type(0))?;
    let found = is.iter().filter(|is| **is).count();
    let rank = x.shape().len();
    call.budget.take_work(all as u64)?;
    call.pay(ElementType::Int64, &[found, rank])?;
    let (mut out, mut is) = (Vec::with_capacity(found * rank), is.into_iter());
    each_index(x.shape(), |index| {
        if is.next() == Some(true) {
            out.extend(index.iter().map(|at| *at as i64));
        }
    });
    Ok(vec![Value::made(&call.results[0], &[found, rank], stored(out))])
}

/// The distinct values in the order in which they come, and the place of each element among them.
pub(crate) fn unique(call: &mut Call<'_>) -> Made {
    let x = call.operand(0)?;
    if x.shape().len() != 1 {
        return Err(NotEvaluated::Operands { why: "it has not one dimension" });
    }
    let width = call.width(0)?;
    if !matches!(
        x.ty(),
        ElementType::Int8
            | ElementType::Int16
            | ElementType::Int32
            | ElementType::Int64
            | ElementType::UInt8
    ) {
        return Err(call.bad_type(0));
    }
    let mut places: std::collections::HashMap<&[u8], i64> = std::collections::HashMap::new();
    let (mut values, mut numbers) = (Vec::new(), Vec::new());
    for element in x.bytes().chunks_exact(width) {
        let next = places.len() as i64;
        numbers.push(*places.entry(element).or_insert_with(|| {
            values.extend_from_slice(element);
            next
        }));
    }
    let count = values.len() / width;
    call.pay(x.ty(), &[count])?;
    call.pay(ElementType::Int64, &[numbers.len()])?;
    let numbers_of =
        call.results.get(1).ok_or(NotEvaluated::Operands { why: "a result is missing" })?;
    let bytes = match numbers_of.ty {
        ElementType::Int32 => stored(numbers.iter().map(|n| *n as i32)),
        ElementType::Int64 => stored(numbers.iter().copied()),
        _ => return Err(call.bad_result(1)),
    };
    Ok(vec![
        Value::made(&call.results[0], &[count], values),
        Value::made(numbers_of, &[numbers.len()], bytes),
    ])
}

/// Sequences of which so much as the lengths say is turned about.
pub(crate) fn reverse_sequence(call: &mut Call<'_>) -> Made {
    let (x, width, lengths) = (call.operand(0)?, call.width(0)?, call.ints(1)?);
    let rank = x.shape().len();
    let [sequence, batch] = [call.attr("seq_dim"), call.attr("batch_dim")];
    let (sequence, batch) = (call.axis(sequence, rank)?, call.axis(batch, rank)?);
    let fits = sequence != batch
        && lengths.len() == x.shape()[batch]
        && lengths.iter().all(|n| (0..=x.shape()[sequence] as i64).contains(n));
    if !fits {
        return Err(NotEvaluated::Operands { why: "the lengths do not fit" });
    }
    let mine = steps(x.shape());
    let mut out = Vec::with_capacity(x.bytes().len());
    each_index(x.shape(), |index| {
        let length = lengths[index[batch]];
        let at = index.iter().enumerate().map(|(n, place)| {
            let place = *place as i64;
            let turned = n == sequence && place < length;
            (if turned { length - 1 - place } else { place }) * mine[n]
        });
        let at = at.sum::<i64>() as usize;
        out.extend_from_slice(&x.bytes()[at * width..][..width]);
    });
    call.made(out)
}

/// A shape that an operand holds.
pub(crate) fn shape_in(call: &Call<'_>, slot: usize) -> Result<crate::dims::Dims, NotEvaluated> {
    dims_of(call.ints(slot)?).ok_or(NotEvaluated::Operands { why: "it holds no shape" })
}

/// Values at places of a tensor that holds a fill elsewhere.
pub(crate) fn sparse_to_dense(call: &mut Call<'_>) -> Made {
    let (indices, values, width) = (call.operand(0)?, call.operand(2)?, call.width(2)?);
    call.same_types(&[2, 3])?;
    let shape = call.shape(0)?;
    let depth = match indices.shape() {
        [_, depth] => *depth,
        _ => 1,
    };
    let (first, inner) = rows(&call.ints(0)?, depth, shape)?;
    let one_for_all = values.elements() == 1;
    if inner != 1 || (!one_for_all && values.elements() != first.len()) {
        return Err(NotEvaluated::Operands { why: "there are not as many values as indices" });
    }
    let fill = call.operand(3)?.bytes().get(..width);
    let fill = fill.ok_or(NotEvaluated::Operands { why: "there is no value to fill with" })?;
    let mut out = fill.repeat(product(shape));
    for (n, at) in first.into_iter().enumerate() {
        let from = if one_for_all { 0 } else { n };
        out[at * width..][..width].copy_from_slice(&values.bytes()[from * width..][..width]);
    }
    call.made(out)
}
