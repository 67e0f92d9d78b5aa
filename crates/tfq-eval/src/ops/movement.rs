//! Ops that move elements, whatever these are.

use crate::NotEvaluated;
use crate::call::{Call, Made};
use crate::dims::Dims;
use crate::value::Value;
use crate::walk::{Steps, Walk, broadcast_steps, product, steps};

/// The elements of a row-major walk over `dims`, from `from` on, with these steps.
pub(crate) fn picked(
    bytes: &[u8],
    width: usize,
    dims: &[usize],
    from: i64,
    steps: &Steps,
) -> Vec<u8> {
    let (mut run, mut rank) = (1, dims.len());
    // What lies side by side is copied as one.
    while rank > 0 && steps[rank - 1] == run as i64 {
        run *= dims[rank - 1];
        rank -= 1;
    }
    let size = run * width;
    let mut out = Vec::with_capacity(product(dims) * width);
    if size == 0 {
        return out;
    }
    for [at] in Walk::new(&dims[..rank], [from], [steps[..rank].into()]) {
        out.extend_from_slice(&bytes[at * width..][..size]);
    }
    out
}

/// RESHAPE and what else looks at the same bytes in another way.
pub(crate) fn view(call: &mut Call<'_>) -> Made {
    call.made(call.operand(0)?.bytes().clone())
}

pub(crate) fn expand_dims(call: &mut Call<'_>) -> Made {
    call.quantized_alike(0)?;
    view(call)
}

pub(crate) fn transpose(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let mut seen = vec![false; x.shape().len()];
    if seen.is_empty() {
        return Err(NotEvaluated::Undefined { why: "TRANSPOSE of a scalar" });
    }
    let mine = steps(x.shape());
    let mut turned = Steps::new();
    for number in call.ints(1)? {
        let axis = call.axis(number, seen.len())?;
        if std::mem::replace(&mut seen[axis], true) {
            return Err(NotEvaluated::Undefined { why: "an axis is named twice" });
        }
        turned.push(mine[axis]);
    }
    call.made(picked(x.bytes(), width, call.shape(0)?, 0, &turned))
}

pub(crate) fn slice(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let mine = steps(x.shape());
    let from = call.ints(1)?.iter().zip(&mine).map(|(begin, step)| begin * step).sum();
    call.made(picked(x.bytes(), width, call.shape(0)?, from, &mine))
}

pub(crate) fn reverse(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let mut mine = steps(x.shape());
    let mut from = 0;
    let mut turned = vec![false; x.shape().len()];
    for number in call.ints(1)? {
        let axis = call.axis(number, turned.len())?;
        if std::mem::replace(&mut turned[axis], true) {
            return Err(NotEvaluated::Operands { why: "an axis is named twice" });
        }
        from += mine[axis] * (x.shape()[axis] as i64 - 1);
        mine[axis] = -mine[axis];
    }
    call.made(picked(x.bytes(), width, call.shape(0)?, from, &mine))
}

pub(crate) fn broadcast_to(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let to = call.shape(0)?;
    let missing = to.len().checked_sub(x.shape().len());
    let fits = missing.is_some_and(|missing| {
        x.shape().iter().zip(&to[missing..]).all(|(from, to)| *from == 1 || from == to)
    });
    if !fits {
        return Err(NotEvaluated::Operands { why: "it cannot be broadcast to this shape" });
    }
    call.made(picked(x.bytes(), width, to, 0, &broadcast_steps(x.shape(), to)))
}

pub(crate) fn tile(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    // Each axis of n·m is two, m of which the first stands still.
    let (mine, to) = (steps(x.shape()), call.shape(0)?);
    let (mut dims, mut walk) = (Dims::new(), Steps::new());
    for (n, size) in x.shape().iter().enumerate() {
        let times = to[n].checked_div(*size).unwrap_or(0);
        dims.extend([times, *size]);
        walk.extend([0, mine[n]]);
    }
    call.made(picked(x.bytes(), width, &dims, 0, &walk))
}

pub(crate) fn concatenation(call: &mut Call<'_>) -> Made {
    if call.attr("fused_activation_function") != 0 {
        return Err(call.bad_attr("fused_activation_function"));
    }
    joined(call)
}

/// The operands one behind the other along an axis of the result: that of theirs, or of its own.
fn joined(call: &mut Call<'_>) -> Made {
    let all: Vec<usize> = (0..call.operands.len()).collect();
    call.same_types(&all)?;
    for slot in all {
        call.quantized_alike(slot)?;
    }
    let (width, shape) = (call.width(0)?, call.shape(0)?);
    let axis = call.axis(call.attr("axis"), shape.len())?;
    let mut parts = Vec::new();
    for slot in 0..call.operands.len() {
        let x = call.operand(slot)?;
        let row = product(x.shape().get(axis..).unwrap_or(&[])) * width;
        parts.push((&x.bytes()[..], row));
    }
    let mut out = Vec::with_capacity(product(shape) * width);
    for n in 0..product(&shape[..axis]) {
        for (bytes, row) in &parts {
            out.extend_from_slice(&bytes[n * row..][..*row]);
        }
    }
    call.made(out)
}

pub(crate) fn pack(call: &mut Call<'_>) -> Made {
    joined(call)
}

pub(crate) fn unpack(call: &mut Call<'_>) -> Made {
    let x = call.operand(0)?;
    let axis = call.axis(call.attr("axis"), x.shape().len())?;
    call.quantized_alike(0)?;
    split_at(call, 0, axis, |_| 1)
}

pub(crate) fn split(call: &mut Call<'_>) -> Made {
    let axis = call.axis(call.int(0)?, call.operand(1)?.shape().len())?;
    let shape = call.shape(0)?;
    split_at(call, 1, axis, |_| shape[axis])
}

pub(crate) fn split_v(call: &mut Call<'_>) -> Made {
    let axis = call.axis(call.int(2)?, call.operand(0)?.shape().len())?;
    let sizes = call.shapes.iter().map(|shape| shape.as_ref().map(|shape| shape[axis]));
    let sizes: Option<Vec<usize>> = sizes.collect();
    let sizes = sizes.ok_or(NotEvaluated::Operands { why: "the sizes are not known" })?;
    split_at(call, 0, axis, |n| sizes[n])
}

/// An operand in parts along an axis, which are so long.
fn split_at(call: &Call<'_>, slot: usize, axis: usize, size: impl Fn(usize) -> usize) -> Made {
    let (x, width) = (call.operand(slot)?, call.width(slot)?);
    let mine = steps(x.shape());
    let mut from = 0;
    let part = |n| {
        let mut dims = Dims::from(x.shape());
        dims[axis] = size(n);
        let bytes = picked(x.bytes(), width, &dims, from, &mine);
        from += mine[axis] * dims[axis] as i64;
        Ok(Value::made(&call.results[n], call.shape(n)?, bytes))
    };
    (0..call.results.len()).map(part).collect()
}

/// Bits of the masks are those of entries; docs/op-semantics.md has the rules.
pub(crate) fn strided_slice(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    if call.flag("offset") {
        return Err(call.bad_attr("offset"));
    }
    let (begins, strides) = (call.ints(1)?, call.ints(3)?);
    let mask = |name: &str, n: usize| n < 32 && call.attr(name) >> n & 1 != 0;
    let (entries, rank) = (begins.len(), x.shape().len());
    let ellipsis = (0..entries).find(|n| mask("ellipsis_mask", *n));
    let consumed =
        (0..entries).filter(|n| mask("ellipsis_mask", *n) || !mask("new_axis_mask", *n)).count();
    if consumed > rank {
        return Err(NotEvaluated::Undefined { why: "an ellipsis takes the axis of an entry" });
    }
    let mine = steps(x.shape());
    let (mut from, mut walk) = (0, Steps::new());
    let mut axis = 0;
    for n in 0..entries {
        if Some(n) == ellipsis {
            let whole = rank + 1 - consumed;
            walk.extend_from_slice(&mine[axis..axis + whole]);
            axis += whole;
        } else if mask("new_axis_mask", n) || mask("ellipsis_mask", n) {
            walk.push(0);
        } else {
            let (size, stride) = (x.shape()[axis] as i64, strides[n]);
            let shrinks = mask("shrink_axis_mask", n);
            let opens = mask("begin_mask", n);
            let begin = match begins[n] {
                begin if begin < 0 => begin + size,
                begin => begin,
            };
            if shrinks && stride < 0 {
                return Err(NotEvaluated::Undefined { why: "the kernel writes nothing" });
            }
            let begin = match (shrinks, stride > 0) {
                (true, _) if opens || !(0..size).contains(&begin) => {
                    return Err(NotEvaluated::Undefined { why: "it selects what is not there" });
                }
                (true, _) => begin,
                (false, true) => {
                    if opens {
                        0
                    } else {
                        begin.clamp(0, size)
                    }
                }
                (false, false) => {
                    if opens {
                        size - 1
                    } else {
                        begin.clamp(-1, size - 1)
                    }
                }
            };
            from += begin * mine[axis];
            if !shrinks {
                walk.push(mine[axis].saturating_mul(stride));
            }
            axis += 1;
        }
    }
    walk.extend_from_slice(&mine[axis..]);
    let shape = call.shape(0)?;
    if walk.len() != shape.len() {
        return Err(NotEvaluated::Undefined { why: "the masks go beyond the axes" });
    }
    call.made(picked(x.bytes(), width, shape, from, &walk))
}

pub(crate) fn space_to_depth(call: &mut Call<'_>) -> Made {
    call.quantized_alike(0)?;
    let x = call.operand(0)?;
    let [n, h, w, c] = image(x.shape())?;
    let b = block(call)?;
    blocks(call, [n, h / b, b, w / b, b, c], [0, 1, 3, 2, 4, 5])
}

pub(crate) fn depth_to_space(call: &mut Call<'_>) -> Made {
    call.quantized_alike(0)?;
    let x = call.operand(0)?;
    let [n, h, w, c] = image(x.shape())?;
    let b = block(call)?;
    blocks(call, [n, h, w, b, b, c / (b * b)], [0, 1, 3, 2, 4, 5])
}

fn block(call: &Call<'_>) -> Result<usize, NotEvaluated> {
    let block = usize::try_from(call.attr("block_size")).ok().filter(|block| *block > 0);
    block.ok_or_else(|| call.bad_attr("block_size"))
}

/// Four sizes.
pub(crate) fn image(shape: &[usize]) -> Result<[usize; 4], NotEvaluated> {
    shape.try_into().map_err(|_| NotEvaluated::Operands { why: "it has no four dimensions" })
}

/// The operand as `dims`, with axes in another order.
fn blocks(call: &Call<'_>, dims: [usize; 6], order: [usize; 6]) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let mine = steps(&dims);
    let to = order.map(|axis| dims[axis]);
    let walk: Steps = order.iter().map(|axis| mine[*axis]).collect();
    call.made(picked(x.bytes(), width, &to, 0, &walk))
}
