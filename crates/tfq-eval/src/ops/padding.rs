//! Ops that put a fill around elements, or cut them off.

use crate::NotEvaluated;
use crate::call::{Call, Made};
use crate::value::one_scale;
use crate::walk::{Steps, each_index, product, steps};

/// What stands where nothing else does: the number 0, whose code is the result's zero point.
fn fill_of(call: &Call<'_>, width: usize) -> Vec<u8> {
    let zero_point = one_scale(call.results[0].quantization.as_ref()).map_or(0, |q| q.zero_point);
    let mut fill = vec![0; width];
    for (to, from) in fill.iter_mut().zip(zero_point.to_le_bytes()) {
        *to = from;
    }
    fill
}

/// PAD, and PADV2 with its value.
pub(crate) fn pad(call: &mut Call<'_>) -> Made {
    call.quantized_alike(0)?;
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let fill = match call.optional(2) {
        Some(value) => {
            call.same_types(&[0, 2])?;
            call.quantized_alike(2)?;
            value.bytes().get(..width).map(<[u8]>::to_vec)
        }
        None => Some(fill_of(call, width)),
    };
    let fill = fill.ok_or(NotEvaluated::Operands { why: "there is no value to pad with" })?;
    let pads = call.ints(1)?;
    if pads.iter().any(|pad| *pad < 0) {
        return Err(NotEvaluated::Operands { why: "it pads with less than nothing" });
    }
    let shape = call.shape(0)?;
    let mut out = fill.repeat(product(shape));
    let (Some((last, outer)), Some(&row)) = (shape.split_last(), x.shape().last()) else {
        return call.made(x.bytes().clone());
    };
    let before = pads[2 * outer.len()] as usize;
    let to = steps(shape);
    let mut from = 0;
    // Row by row of the operand.
    each_index(&x.shape()[..outer.len()], |index| {
        let places = index.iter().enumerate().map(|(n, at)| (*at as i64 + pads[2 * n]) * to[n]);
        let at = places.sum::<i64>() as usize + before;
        debug_assert!(before + row <= *last);
        out[at * width..][..row * width].copy_from_slice(&x.bytes()[from..][..row * width]);
        from += row * width;
    });
    call.made(out)
}

/// With others between elements, and edges that may be cut off.
pub(crate) fn stablehlo_pad(call: &mut Call<'_>) -> Made {
    let (x, width) = (call.operand(0)?, call.width(0)?);
    call.same_types(&[0, 1])?;
    let fill = call.operand(1)?.bytes().get(..width);
    let fill = fill.ok_or(NotEvaluated::Operands { why: "there is no value to pad with" })?;
    let [low, interior] = ["edge_padding_low", "interior_padding"].map(|name| call.list(name));
    if interior.iter().any(|between| !(0..1 << 31).contains(between)) {
        return Err(NotEvaluated::Operands { why: "it pads with less than nothing" });
    }
    let shape = call.shape(0)?;
    if shape.contains(&0) {
        return Err(NotEvaluated::Undefined { why: "an empty result loses its other dimensions" });
    }
    let mut out = fill.repeat(product(shape));
    let to = steps(shape);
    let mut from = 0;
    each_index(x.shape(), |index| {
        let mut at = Some(0);
        for (n, place) in index.iter().enumerate() {
            let place = (*place as i64 * (interior[n] + 1)).checked_add(low[n]);
            let inside = place.filter(|place| (0..shape[n] as i64).contains(place));
            at = at.zip(inside).map(|(at, place)| at + place * to[n]);
        }
        if let Some(at) = at {
            out[at as usize * width..][..width].copy_from_slice(&x.bytes()[from..][..width]);
        }
        from += width;
    });
    call.made(out)
}

pub(crate) fn mirror_pad(call: &mut Call<'_>) -> Made {
    call.quantized_alike(0)?;
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let (pads, shape) = (call.ints(1)?, call.shape(0)?);
    // `MirrorPadMode`: REFLECT leaves the edge out.
    let skipped = match call.attr("mode") {
        0 => 1,
        1 => 0,
        _ => return Err(call.bad_attr("mode")),
    };
    let mine = steps(x.shape());
    for (size, pads) in x.shape().iter().zip(pads.chunks_exact(2)) {
        if pads.iter().any(|pad| !(0..=*size as i64 - skipped).contains(pad)) && *pads != [0, 0] {
            return Err(NotEvaluated::Operands { why: "it pads with more than there is" });
        }
    }
    let mut out = Vec::with_capacity(product(shape) * width);
    each_index(shape, |index| {
        let mut at = 0;
        for (n, place) in index.iter().enumerate() {
            let size = x.shape()[n] as i64;
            let inside = match *place as i64 - pads[2 * n] {
                before if before < 0 => -before - 1 + skipped,
                behind if behind >= size => 2 * size - 1 - behind - skipped,
                inside => inside,
            };
            at += inside * mine[n];
        }
        out.extend_from_slice(&x.bytes()[at as usize * width..][..width]);
    });
    call.made(out)
}

/// Blocks and paddings or crops of the axes behind the batch.
struct Blocks {
    block: Vec<i64>,
    edges: Vec<i64>,
    mine: Steps,
    inner: usize,
}

fn blocks(call: &Call<'_>) -> Result<Blocks, NotEvaluated> {
    let (block, edges) = (call.ints(1)?, call.ints(2)?);
    let (from, to) = (call.operand(0)?.shape(), call.shape(0)?);
    let fits = from.len() == to.len() && from.len() > block.len() && edges.len() == 2 * block.len();
    if !fits || block.iter().any(|size| *size < 1) || edges.iter().any(|edge| *edge < 0) {
        return Err(NotEvaluated::Operands { why: "blocks and paddings do not fit" });
    }
    let inner = product(&from[1 + block.len()..]);
    Ok(Blocks { block, edges, mine: steps(from), inner })
}

pub(crate) fn space_to_batch(call: &mut Call<'_>) -> Made {
    call.quantized_alike(0)?;
    let Blocks { block, edges, mine, inner } = blocks(call)?;
    let (x, width, shape) = (call.operand(0)?, call.width(0)?, call.shape(0)?);
    let fill = fill_of(call, width).repeat(inner);
    let mut out = Vec::with_capacity(product(shape) * width);
    // Of each position in the result the one in the operand, or the fill.
    each_index(&shape[..1 + block.len()], |index| {
        let batch = x.shape()[0];
        let (mut of_block, mut at) =
            ((index[0] / batch) as i64, (index[0] % batch) as i64 * mine[0]);
        let mut inside = true;
        for n in (0..block.len()).rev() {
            let place = index[1 + n] as i64 * block[n] + of_block % block[n] - edges[2 * n];
            of_block /= block[n];
            inside &= (0..x.shape()[1 + n] as i64).contains(&place);
            at += place * mine[1 + n];
        }
        match inside {
            true => out.extend_from_slice(&x.bytes()[at as usize * width..][..inner * width]),
            false => out.extend_from_slice(&fill),
        }
    });
    call.made(out)
}

pub(crate) fn batch_to_space(call: &mut Call<'_>) -> Made {
    call.quantized_alike(0)?;
    let Blocks { block, edges, mine, inner } = blocks(call)?;
    let (x, width, shape) = (call.operand(0)?, call.width(0)?, call.shape(0)?);
    let mut out = Vec::with_capacity(product(shape) * width);
    each_index(&shape[..1 + block.len()], |index| {
        let (mut of_block, mut at) = (0, 0);
        for n in 0..block.len() {
            let place = index[1 + n] as i64 + edges[2 * n];
            of_block = of_block * block[n] + place % block[n];
            at += place / block[n] * mine[1 + n];
        }
        at += (of_block * shape[0] as i64 + index[0] as i64) * mine[0];
        out.extend_from_slice(&x.bytes()[at as usize * width..][..inner * width]);
    });
    call.made(out)
}
