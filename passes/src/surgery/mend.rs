//! Constants that have the batch in them, such as the `[1, 128]` of a RESHAPE: they are made to say another
//! one where they can mean nothing else.

use crate::shapes::{Fact, Mended, Walk};
use tfq_ir::maps::HashMap;
use tfq_ir::ops::{OpClass, OperandRole, Shape, ShapeRule, semantics_of};
use tfq_ir::{Attr, ElementType, Module, Op, OpId, SubgraphId, TensorId};

/// What the model was, and what inputs are to be.
pub(super) struct Batch<'a> {
    pub(super) module: &'a Module,
    pub(super) old: &'a Walk<'a>,
    pub(super) bound: &'a HashMap<TensorId, Shape>,
}

/// A tensor that has other rows now, and as many indices in all other dimensions.
struct Rows {
    /// How many it had, where that was fixed.
    was: Option<i64>,
    is: i64,
    /// Elements of each.
    each: i64,
    /// How many of them each sample of the batch has.
    per_sample: i64,
}

/// What an op has to be told, now that its operands are these.
pub(super) fn mend(
    batch: &Batch<'_>,
    node: &Op,
    sg: SubgraphId,
    op: OpId,
    facts: &[Option<Fact>],
) -> Result<Option<Mended>, String> {
    let Some(what) = semantics_of(node) else { return Ok(None) };
    let rows = |slot: usize| {
        let id = batch.module.subgraph(sg).operand(op, slot as u32)?;
        let mut rows = rows(&batch.old.fact(sg, id).shape, &facts.get(slot)?.as_ref()?.shape)?;
        let samples = samples(batch, sg, id).filter(|samples| rows.is % samples == 0)?;
        rows.per_sample = rows.is / samples;
        Some(rows)
    };
    Ok(match what.shape {
        ShapeRule::Reshape => rows(0).and_then(|rows| reshape(node, facts, &rows)),
        ShapeRule::Contents(slot) => {
            let data = (0..facts.len()).filter(|slot| {
                what.operand(*slot).is_some_and(|info| info.role == OperandRole::Activation)
            });
            let rows = data.filter_map(rows).next();
            rows.and_then(|rows| contents(what.class, facts, slot.into(), &rows))
        }
        ShapeRule::Slice => rows(0).and_then(|rows| slice(facts, &rows)),
        ShapeRule::StridedSlice => rows(0).and_then(|rows| strided_slice(node, facts, &rows)),
        _ => None,
    })
}

fn rows(old: &Shape, new: &Shape) -> Option<Rows> {
    let ([was, old @ ..], [is, new @ ..]) = (old.dims()?, new.dims()?) else { return None };
    let each = new.iter().try_fold(1_i64, |all, dim| all.checked_mul((*dim)?.into()))?;
    let (was, is) = (was.map(i64::from), i64::from((*is)?));
    let differ = old == new && was != Some(is) && is > 0 && each > 0;
    differ.then_some(Rows { was, is, each, per_sample: 1 })
}

/// The integers of a constant operand.
fn integers(facts: &[Option<Fact>], slot: usize) -> Option<Vec<i64>> {
    facts.get(slot)?.as_ref()?.value.as_ref()?.integers()
}

/// The rows of a RESHAPE are the slowest dimension of what it gives too, so that only the first size of its
/// target can be another one.
fn reshape(node: &Op, facts: &[Option<Fact>], rows: &Rows) -> Option<Mended> {
    let operand = facts.get(1).and_then(Option::as_ref);
    let by_operand = operand.is_some_and(|fact| {
        fact.shape.dims().is_some_and(|dims| dims.len() == 1)
            && fact.value.as_ref().is_none_or(|value| value.ty() == ElementType::Int32)
    });
    let was = match by_operand {
        true => integers(facts, 1)?,
        false => match node.attrs.as_ref()?.get("new_shape")? {
            Attr::Ints(values) => values.to_vec(),
            _ => return None,
        },
    };
    let (first, others) = was.split_first()?;
    if *first <= 0 || others.contains(&0) {
        return None;
    }
    let mut known = others.iter().filter(|size| **size != -1);
    let known = known.try_fold(1_i64, |all, size| all.checked_mul(*size)).filter(|n| *n > 0)?;
    let first = match others.contains(&-1) {
        // With a batch that was free, this joins it with other dimensions on purpose.
        true => rows.was.filter(|was| was == first && rows.each % known == 0).map(|_| rows.is)?,
        false => {
            let all = rows.is.checked_mul(rows.each)?;
            // The rows and samples that the target was written for.
            let had = first.checked_mul(known).filter(|all| all % rows.each == 0)? / rows.each;
            let samples = Some(had / rows.per_sample).filter(|n| n * rows.per_sample == had)?;
            let fits = all % known == 0 && all / known != *first;
            let did_fit = had > 0 && rows.was.is_none_or(|was| was == had);
            // Where the batch goes into another dimension, one of its size behind that may be it as well, as in
            // a RESHAPE that turns a batch of 1 around with the dimension behind it.
            let is_first = *first == samples || !others.contains(&samples);
            (fits && did_fit && is_first).then_some(all / known)?
        }
    };
    let values = std::iter::once(first).chain(others.iter().copied()).collect();
    Some(Mended { slot: by_operand.then_some(1), was, values })
}

/// A shape that the result is to have.
fn contents(class: OpClass, facts: &[Option<Fact>], slot: usize, rows: &Rows) -> Option<Mended> {
    let was = integers(facts, slot)?;
    let first = *was.first()?;
    // A convolution has the batch of its input; what is broadcast has it unless it was 1.
    let follows = class == OpClass::Window || rows.is != 1 || rows.was == Some(first);
    (follows && first > 0 && first != rows.is).then(|| with_first(slot, was, rows.is))
}

/// A part that takes all rows that there were.
fn slice(facts: &[Option<Fact>], rows: &Rows) -> Option<Mended> {
    let (begins, was) = (integers(facts, 1)?, integers(facts, 2)?);
    let whole = *begins.first()? == 0 && Some(*was.first()?) == rows.was;
    whole.then(|| with_first(2, was, rows.is))
}

fn strided_slice(node: &Op, facts: &[Option<Fact>], rows: &Rows) -> Option<Mended> {
    let [begins, was, strides] = [1, 2, 3].map(|slot| integers(facts, slot));
    let (begins, was, strides) = (begins?, was?, strides?);
    let masked = |name: &str| node.number(name) & 1 == 1;
    let plain = !["end_mask", "new_axis_mask", "shrink_axis_mask"].into_iter().any(masked)
        && node.number("ellipsis_mask") == 0
        && node.number("offset") == 0;
    let begins_first = *begins.first()? == 0 || masked("begin_mask");
    let whole =
        *strides.first()? == 1 && was.first().zip(rows.was).is_some_and(|(end, was)| *end >= was);
    (plain && begins_first && whole).then(|| with_first(2, was, rows.is))
}

fn with_first(slot: usize, was: Vec<i64>, first: i64) -> Mended {
    let mut values = was.clone();
    values[0] = first;
    Mended { slot: Some(slot as u32), was, values }
}

/// So many ops between an input and a constant are looked at.
const DEEPEST: usize = 4096;

/// How many samples a tensor has, if the batch is its slowest index, so that the elements of each sample lie
/// together: an input is so, and so is what ops make of it that do not move the first dimension.
fn samples(batch: &Batch<'_>, sg: SubgraphId, id: TensorId) -> Option<i64> {
    let graph = batch.module.subgraph(sg);
    let mut at = id;
    for _ in 0..DEEPEST {
        if let Some(shape) = batch.bound.get(&at) {
            return shape.dims()?.first().copied().flatten().map(i64::from).filter(|n| *n > 0);
        }
        let (op, _) = graph.producer(at)?;
        let node = graph.op(op);
        let what = semantics_of(node)?;
        let keeps = match what.class {
            OpClass::Movement if what.view => true,
            OpClass::Movement => match what.shape {
                ShapeRule::Transpose => {
                    let order = graph.operand(op, 1);
                    let order = order.and_then(|id| batch.old.fact(sg, id).known_integers());
                    order.is_some_and(|order| order.first() == Some(&Some(0)))
                }
                // Blocks of a batch are its fastest part; what is joined or repeated may be joined there.
                ShapeRule::SpaceToBatchNd | ShapeRule::BatchToSpaceNd | ShapeRule::Tile => false,
                _ => keeps_rows(batch, sg, op),
            },
            OpClass::ElementwiseUnary
            | OpClass::ElementwiseBinary
            | OpClass::ElementwiseNary
            | OpClass::AlongAxis
            | OpClass::Window
            | OpClass::Matmul
            | OpClass::Recurrent
            | OpClass::Convert => !node.bool("time_major").unwrap_or(false),
            _ => false,
        };
        // One that comes from the batch is enough: others have the same rows, or one for all.
        let operands = graph.operands(op).into_iter().enumerate();
        let mut data = operands.filter_map(|(slot, id)| {
            let info = what.operand(slot)?;
            let id =
                id.filter(|id| graph.producer(*id).is_some() || batch.bound.contains_key(id))?;
            (info.role == OperandRole::Activation).then_some(id)
        });
        at = data.next().filter(|_| keeps)?;
    }
    None
}

/// Whether the result of an op has the rows of its first operand.
fn keeps_rows(batch: &Batch<'_>, sg: SubgraphId, op: OpId) -> bool {
    let graph = batch.module.subgraph(sg);
    let first = |id: TensorId| {
        let fact = batch.old.fact(sg, id);
        let dims = fact.shape.dims()?;
        Some((dims.len(), *dims.first()?))
    };
    let operands = graph.operands(op);
    let result = graph.results(op).first().and_then(|id| first(*id));
    let operand = operands.iter().flatten().find_map(|id| first(*id));
    result.is_some() && result == operand
}
