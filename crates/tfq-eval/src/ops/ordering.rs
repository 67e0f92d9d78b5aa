//! Ops that compare or add elements along an axis.

use crate::NotEvaluated;
use crate::call::{Call, Made, about};
use crate::element::{Element, View, for_type, stored};
use crate::value::Value;
use tfq_ir::ElementType;

/// The greatest `k` of each row, of equals the first, and their places.
pub(crate) fn top_k(call: &mut Call<'_>) -> Made {
    let x = call.operand(0)?;
    let k = usize::try_from(call.int(1)?).unwrap_or(0);
    let row = x.shape().last().copied().unwrap_or(0);
    if k > row {
        return Err(NotEvaluated::Operands { why: "there are fewer than it is to take" });
    }
    fn run<T: Element>(
        x: View<'_, T>,
        row: usize,
        k: usize,
        greater: impl Fn(&T, &T) -> std::cmp::Ordering,
    ) -> (Vec<u8>, Vec<usize>) {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        for start in (0..x.len()).step_by(row.max(1)) {
            let mut order: Vec<usize> = (0..row).collect();
            order.sort_by(|a, b| greater(&x.at(start + b), &x.at(start + a)).then(a.cmp(b)));
            for at in &order[..k] {
                x.at(start + at).store(&mut values);
                places.push(*at);
            }
        }
        (values, places)
    }
    // NaN is below all numbers.
    let floats = |a: &f32, b: &f32| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()));
    call.budget.take_work(x.elements() as u64 * 8)?;
    let (values, places) = match x.ty() {
        ElementType::Float32 => run::<f32>(x.view(), row, k, floats),
        ElementType::Int8 => run::<i8>(x.view(), row, k, i8::cmp),
        ElementType::UInt8 => run::<u8>(x.view(), row, k, u8::cmp),
        ElementType::Int16 => run::<i16>(x.view(), row, k, i16::cmp),
        ElementType::Int32 => run::<i32>(x.view(), row, k, i32::cmp),
        ElementType::Int64 => run::<i64>(x.view(), row, k, i64::cmp),
        _ => return Err(call.bad_type(0)),
    };
    let places = match call.results.get(1).map(|result| result.ty) {
        Some(ElementType::Int32) => stored(places.into_iter().map(|n| n as i32)),
        Some(ElementType::Int16) => stored(places.into_iter().map(|n| n as i16)),
        _ => return Err(NotEvaluated::Operands { why: "a result is missing or of another type" }),
    };
    Ok(vec![
        Value::made(&call.results[0], call.shape(0)?, values),
        Value::made(&call.results[1], call.shape(1)?, places),
    ])
}

/// The first place of the greatest or least element along an axis.
pub(crate) fn arg_reduce(call: &mut Call<'_>, greatest: bool) -> Made {
    let x = call.operand(0)?;
    let axis = call.axis(call.int(1)?, x.shape().len())?;
    let [outer, size, inner] = about(x.shape(), axis);
    fn run<T: Element + PartialOrd>(
        x: View<'_, T>,
        [outer, size, inner]: [usize; 3],
        greatest: bool,
    ) -> Vec<i64> {
        let mut out = Vec::with_capacity(outer * inner);
        for n in 0..outer {
            for i in 0..inner {
                let at = |k: usize| x.at((n * size + k) * inner + i);
                let mut best = 0;
                for k in 1..size {
                    let (new, old) = (at(k), at(best));
                    // What is equal to nothing is NaN, which never wins where a number is.
                    #[allow(clippy::eq_op)]
                    let first = old != old && new == new;
                    if first || if greatest { new > old } else { new < old } {
                        best = k;
                    }
                }
                out.push(best as i64);
            }
        }
        out
    }
    call.budget.take_work(x.elements() as u64)?;
    let about = [outer, size, inner];
    let places = for_type!(x.ty(), [Float32 f32, Int8 i8, UInt8 u8, Int32 i32, Bool bool],
        T => run::<T>(x.view(), about, greatest));
    let places = places.ok_or_else(|| call.bad_type(0))?;
    match call.results[0].ty {
        ElementType::Int32 => call.made_of(places.into_iter().map(|n| n as i32)),
        ElementType::Int64 => call.made_of(places),
        _ => Err(call.bad_result(0)),
    }
}

/// Sums along an axis; with `exclusive` without the element itself.
pub(crate) fn cumsum(call: &mut Call<'_>) -> Made {
    let x = call.operand(0)?;
    let axis = call.axis(call.int(1)?, x.shape().len())?;
    let [outer, size, inner] = about(x.shape(), axis);
    let (exclusive, reverse) = (call.flag("exclusive"), call.flag("reverse"));
    macro_rules! run {
        ($ty:ty, $add:expr) => {{
            let from = x.view::<$ty>();
            let mut out = vec![<$ty>::default(); x.elements()];
            for n in 0..outer {
                for i in 0..inner {
                    let mut sum = <$ty>::default();
                    for k in 0..size {
                        let k = if reverse { size - 1 - k } else { k };
                        let at = (n * size + k) * inner + i;
                        if exclusive {
                            out[at] = sum;
                            sum = $add(sum, from.at(at));
                        } else {
                            sum = $add(sum, from.at(at));
                            out[at] = sum;
                        }
                    }
                }
            }
            call.made_of(out)
        }};
    }
    match x.ty() {
        ElementType::Float32 => run!(f32, |a: f32, b: f32| a + b),
        ElementType::Int32 => run!(i32, i32::wrapping_add),
        ElementType::Int64 => run!(i64, i64::wrapping_add),
        _ => Err(call.bad_type(0)),
    }
}
