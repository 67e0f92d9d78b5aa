//! Sums and other ends of rows that ids put together.

use super::extremes::{larger, smaller};
use crate::NotEvaluated;
use crate::call::{Call, Made};
use crate::element::{Element, Int, View};
use crate::walk::product;
use tfq_ir::ElementType;

/// How many segments, and the segment of each row, of which negative ones count for none.
pub(crate) fn unsorted_segment(call: &mut Call<'_>, kind: Segments) -> Made {
    let (x, ids, shape) = (call.operand(0)?, call.ints(1)?, call.shape(0)?);
    let row = product(&x.shape()[call.operand(1)?.shape().len()..]);
    if x.shape().get(..call.operand(1)?.shape().len()) != Some(call.operand(1)?.shape()) {
        return Err(NotEvaluated::Operands { why: "there are not as many ids as rows" });
    }
    let segments = shape.first().copied().unwrap_or(0);
    if ids.iter().any(|id| *id >= segments as i64) {
        return Err(NotEvaluated::Fails { why: "an index is out of range" });
    }
    call.budget.take_work(x.elements() as u64)?;
    macro_rules! run {
        ($ty:ty, $start:expr, $join:expr) => {{
            let from = x.view::<$ty>();
            let mut out: Vec<$ty> = vec![$start; product(shape)];
            for (n, id) in ids.iter().enumerate().filter(|(_, id)| **id >= 0) {
                for i in 0..row {
                    let to = &mut out[*id as usize * row + i];
                    *to = $join(*to, from.at(n * row + i));
                }
            }
            call.made_of(out)
        }};
    }
    match (x.ty(), kind) {
        (ElementType::Float32, Segments::Sum) => run!(f32, 0.0, |a: f32, b: f32| a + b),
        (ElementType::Float32, Segments::Product) => run!(f32, 1.0, |a: f32, b: f32| a * b),
        (ElementType::Float32, Segments::Greatest) => run!(f32, f32::MIN, larger),
        (ElementType::Float32, Segments::Least) => run!(f32, f32::MAX, smaller),
        (ElementType::Int32, Segments::Sum) => run!(i32, 0, i32::wrapping_add),
        (ElementType::Int32, Segments::Product) => run!(i32, 1, i32::wrapping_mul),
        (ElementType::Int32, Segments::Greatest) => run!(i32, i32::MIN, i32::max),
        (ElementType::Int32, Segments::Least) => run!(i32, i32::MAX, i32::min),
        _ => Err(call.bad_type(0)),
    }
}

/// What becomes of the rows of a segment.
#[derive(Clone, Copy)]
pub(crate) enum Segments {
    Sum,
    Product,
    Greatest,
    Least,
}

/// Sums of rows whose ids, in ascending order, are the same.
pub(crate) fn segment_sum(call: &mut Call<'_>) -> Made {
    let (x, ids, shape) = (call.operand(0)?, call.ints(1)?, call.shape(0)?);
    let fits = x.shape().first() == Some(&ids.len())
        && ids.is_sorted()
        && ids.iter().all(|id| (0..shape[0] as i64).contains(id));
    if !fits {
        return Err(NotEvaluated::Operands { why: "the ids do not fit" });
    }
    let row = product(&x.shape()[1..]);
    fn run<T: Element>(
        x: View<'_, T>,
        ids: &[i64],
        row: usize,
        all: usize,
        add: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut out = vec![T::default(); all];
        for (n, id) in ids.iter().enumerate() {
            for i in 0..row {
                let to = &mut out[*id as usize * row + i];
                *to = add(*to, x.at(n * row + i));
            }
        }
        out
    }
    match x.ty() {
        ElementType::Float32 => {
            call.made_of(run::<f32>(x.view(), &ids, row, product(shape), |a, b| a + b))
        }
        ElementType::Int32 => {
            call.made_of(run::<i32>(x.view(), &ids, row, product(shape), Int::wrapping_add))
        }
        _ => Err(call.bad_type(0)),
    }
}
