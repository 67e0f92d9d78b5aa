//! Ops that make elements of shapes and numbers: what is computed about shapes, fills, choices,
//! conversions.

use crate::NotEvaluated;
use crate::call::{Call, Made};
use crate::element::{Element, View, for_type, stored};
use crate::ops::lookup::shape_in;
use crate::walk::{Walk, broadcast_steps, product, steps};
use half::{bf16, f16};
use tfq_ir::ElementType;

pub(crate) fn shape(call: &mut Call<'_>) -> Made {
    let sizes = call.operand(0)?.shape().iter().map(|size| *size as i64);
    match call.results[0].ty {
        ElementType::Int32 => call.made_of(sizes.map(|size| size as i32)),
        ElementType::Int64 => call.made_of(sizes),
        _ => Err(call.bad_result(0)),
    }
}

pub(crate) fn rank(call: &mut Call<'_>) -> Made {
    call.made_of([call.operand(0)?.shape().len() as i32])
}

pub(crate) fn fill(call: &mut Call<'_>) -> Made {
    let (value, width) = (call.operand(1)?, call.width(1)?);
    call.quantized_alike(1)?;
    let one = value.bytes().get(..width);
    let one = one.ok_or(NotEvaluated::Operands { why: "there is no value to fill with" })?;
    call.made(one.repeat(product(call.shape(0)?)))
}

pub(crate) fn zeros_like(call: &mut Call<'_>) -> Made {
    match call.ty(0)? {
        ElementType::Float32 | ElementType::Int32 | ElementType::Int64 => {
            call.made(vec![0; call.operand(0)?.bytes().len()])
        }
        _ => Err(call.bad_type(0)),
    }
}

/// Each number is the one before and the step, rounded.
pub(crate) fn range(call: &mut Call<'_>) -> Made {
    let ty = call.same_types(&[0, 1, 2])?;
    let count = product(call.shape(0)?);
    macro_rules! run {
        ($ty:ty, $add:expr) => {{
            let [start, step] = [0, 2].map(|slot| call.operand(slot));
            let (start, step) = (start?.view::<$ty>(), step?.view::<$ty>());
            if start.len() == 0 || step.len() == 0 {
                return Err(NotEvaluated::Operands { why: "a number is missing" });
            }
            let step = step.at(0);
            let all = std::iter::successors(Some(start.at(0)), |n| Some($add(*n, step)));
            call.made_of(all.take(count))
        }};
    }
    match ty {
        ElementType::Float32 => run!(f32, |a: f32, b: f32| a + b),
        ElementType::Int32 => run!(i32, i32::wrapping_add),
        ElementType::Int64 => run!(i64, i64::wrapping_add),
        _ => Err(call.bad_type(0)),
    }
}

/// The shape in which two shapes meet.
pub(crate) fn broadcast_args(call: &mut Call<'_>) -> Made {
    let (a, b) = (shape_in(call, 0)?, shape_in(call, 1)?);
    call.same_types(&[0, 1])?;
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], n: usize| (n + dims.len()).checked_sub(rank).map_or(1, |n| dims[n]);
    let met = (0..rank).map(|n| match (at(&a, n), at(&b, n)) {
        (a, b) if a == b || b == 1 => Ok(a as i64),
        (1, b) => Ok(b as i64),
        _ => Err(NotEvaluated::Operands { why: "the shapes do not go together" }),
    });
    let met: Vec<i64> = met.collect::<Result<_, _>>()?;
    match call.results[0].ty {
        ElementType::Int32 => call.made_of(met.into_iter().map(|size| size as i32)),
        ElementType::Int64 => call.made_of(met),
        _ => Err(call.bad_result(0)),
    }
}

/// SELECT, whose condition is of the same shape, one value, or one for each row.
pub(crate) fn select(call: &mut Call<'_>) -> Made {
    let (if_so, else_) = (call.operand(1)?, call.operand(2)?);
    let condition = call.operand(0)?;
    let shape = call.shape(0)?;
    if if_so.shape() != shape || else_.shape() != shape {
        return Err(NotEvaluated::Operands { why: "the choices are of different shapes" });
    }
    let each = match condition.shape() {
        same if same == shape => 1,
        [] | [1] => product(shape),
        [rows] if shape.first() == Some(rows) => product(&shape[1..]),
        _ => return Err(NotEvaluated::Operands { why: "the condition does not fit" }),
    };
    let all = product(shape);
    chosen(call, (0..all).map(|n| [n / each.max(1), n, n]))
}

/// SELECT_V2, which broadcasts.
pub(crate) fn select_v2(call: &mut Call<'_>) -> Made {
    let shape = call.shape(0)?;
    let steps = [0, 1, 2].map(|slot| call.operand(slot).map(|x| broadcast_steps(x.shape(), shape)));
    let [a, b, c] = steps;
    chosen(call, Walk::new(shape, [0; 3], [a?, b?, c?]))
}

fn chosen(call: &Call<'_>, places: impl Iterator<Item = [usize; 3]>) -> Made {
    let width = call.width(1)?;
    call.same_types(&[1, 2])?;
    if call.ty(0)? != ElementType::Bool {
        return Err(call.bad_type(0));
    }
    let condition = call.operand(0)?.view::<bool>();
    let (if_so, else_) = (call.operand(1)?.bytes(), call.operand(2)?.bytes());
    let mut out = Vec::with_capacity(product(call.shape(0)?) * width);
    for [n, yes, no] in places {
        let (from, at) = if condition.at(n) { (if_so, yes) } else { (else_, no) };
        out.extend_from_slice(&from[at * width..][..width]);
    }
    call.made(out)
}

/// A number on its way from one type to another.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
}

pub(crate) fn cast(call: &mut Call<'_>) -> Made {
    let (x, to) = (call.operand(0)?, call.results[0].ty);
    if x.ty() == to && to.bits().is_some_and(|bits| bits % 8 == 0) {
        return call.made(x.bytes().clone());
    }
    macro_rules! all {
        ($ty:ty, $number:expr) => {
            to_type(x.view::<$ty>().iter().map($number), to)
        };
    }
    let bytes = match x.ty() {
        ElementType::Float32 => all!(f32, Number::Float),
        ElementType::Float64 => all!(f64, Number::Double),
        ElementType::Float16 => all!(f16, |n: f16| Number::Float(n.to_f32())),
        ElementType::BFloat16 => all!(bf16, |n: bf16| Number::Float(n.to_f32())),
        ElementType::Int8 => all!(i8, |n| Number::Int(i64::from(n))),
        ElementType::Int16 => all!(i16, |n| Number::Int(i64::from(n))),
        ElementType::Int32 => all!(i32, |n| Number::Int(i64::from(n))),
        ElementType::Int64 => all!(i64, Number::Int),
        ElementType::UInt8 => all!(u8, |n| Number::Int(i64::from(n))),
        ElementType::UInt16 => all!(u16, |n| Number::Int(i64::from(n))),
        ElementType::UInt32 => all!(u32, |n| Number::Int(i64::from(n))),
        ElementType::UInt64 => all!(u64, Number::Unsigned),
        ElementType::Bool => all!(bool, |n| Number::Int(i64::from(n))),
        _ => return Err(call.bad_type(0)),
    };
    call.made(bytes.ok_or_else(|| call.bad_result(0))?)
}

fn to_type(numbers: impl Iterator<Item = Number>, to: ElementType) -> Option<Vec<u8>> {
    // Of a float what is behind the point falls away, and what does not fit becomes the end of the
    // range, NaN the upper one. Of an integer the low bits stay.
    macro_rules! int {
        ($ty:ty) => {
            stored(numbers.map(|n| match n {
                Number::Int(n) => n as $ty,
                Number::Unsigned(n) => n as $ty,
                Number::Float(n) if n.is_nan() => <$ty>::MAX,
                Number::Float(n) => n as $ty,
                Number::Double(n) if n.is_nan() => <$ty>::MAX,
                Number::Double(n) => n as $ty,
            }))
        };
    }
    let float = |n| match n {
        Number::Int(n) => n as f32,
        Number::Unsigned(n) => n as f32,
        Number::Float(n) => n,
        Number::Double(n) => n as f32,
    };
    Some(match to {
        ElementType::Int8 => int!(i8),
        ElementType::Int16 => int!(i16),
        ElementType::Int32 => int!(i32),
        ElementType::Int64 => int!(i64),
        ElementType::UInt8 => int!(u8),
        ElementType::UInt16 => int!(u16),
        ElementType::UInt32 => int!(u32),
        ElementType::UInt64 => int!(u64),
        ElementType::Float32 => stored(numbers.map(float)),
        ElementType::Float64 => stored(numbers.map(|n| match n {
            Number::Int(n) => n as f64,
            Number::Unsigned(n) => n as f64,
            Number::Float(n) => n.into(),
            Number::Double(n) => n,
        })),
        ElementType::Float16 => stored(numbers.map(|n| f16::from_f32(float(n)))),
        ElementType::BFloat16 => stored(numbers.map(|n| bf16::from_f32(float(n)))),
        ElementType::Bool => stored(numbers.map(|n| match n {
            Number::Int(n) => n != 0,
            Number::Unsigned(n) => n != 0,
            Number::Float(n) => n != 0.0,
            Number::Double(n) => n != 0.0,
        })),
        _ => return None,
    })
}

/// That kernels know how large an element is: of other types they move the wrong bytes.
fn diagonal_type(call: &Call<'_>) -> Result<(), NotEvaluated> {
    match call.ty(0)? {
        ElementType::Float32 | ElementType::Int8 | ElementType::Int16 | ElementType::Int32 => {
            Ok(())
        }
        ElementType::Int64 | ElementType::UInt8 => Ok(()),
        _ => Err(NotEvaluated::Undefined { why: "the kernel does not know the size of elements" }),
    }
}

/// The diagonal of matrices.
pub(crate) fn matrix_diag(call: &mut Call<'_>) -> Made {
    diagonal_type(call)?;
    let (x, width) = (call.operand(0)?, call.width(0)?);
    let size = x.shape().last().copied().unwrap_or(0);
    let mut out = vec![0; product(call.shape(0)?) * width];
    for (n, element) in x.bytes().chunks_exact(width).enumerate() {
        let at = n * size + n % size;
        out[at * width..][..width].copy_from_slice(element);
    }
    call.made(out)
}

pub(crate) fn matrix_set_diag(call: &mut Call<'_>) -> Made {
    diagonal_type(call)?;
    let (x, diagonal, width) = (call.operand(0)?, call.operand(1)?, call.width(0)?);
    call.same_types(&[0, 1])?;
    let [.., rows, columns] = *x.shape() else {
        return Err(NotEvaluated::Operands { why: "it is no matrix" });
    };
    let each = rows.min(columns);
    let matrices = product(&x.shape()[..x.shape().len() - 2]);
    if diagonal.elements() != matrices * each {
        return Err(NotEvaluated::Operands { why: "the diagonal does not fit" });
    }
    let mut out = x.bytes().to_vec();
    for (n, element) in diagonal.bytes().chunks_exact(width).enumerate() {
        let (matrix, i) = (n / each, n % each);
        let at = (matrix * rows + i) * columns + i;
        out[at * width..][..width].copy_from_slice(element);
    }
    call.made(out)
}

/// Elements with others between them.
pub(crate) fn dilate(call: &mut Call<'_>) -> Made {
    let (x, width, factors) = (call.operand(0)?, call.width(0)?, call.ints(1)?);
    call.same_types(&[0, 2])?;
    let fill = call.operand(2)?.bytes().get(..width);
    let fill = fill.ok_or(NotEvaluated::Operands { why: "there is no value to fill with" })?;
    let shape = call.shape(0)?;
    let mut out = fill.repeat(product(shape));
    let to = steps(shape).iter().zip(&factors).map(|(step, factor)| step * factor).collect();
    let places = Walk::new(x.shape(), [0], [to]);
    for (element, [at]) in x.bytes().chunks_exact(width).zip(places) {
        out[at * width..][..width].copy_from_slice(element);
    }
    call.made(out)
}

/// How many of ascending boundaries are not above each element.
pub(crate) fn bucketize(call: &mut Call<'_>) -> Made {
    let boundaries = match call.op.attrs.as_ref().and_then(|attrs| attrs.get("boundaries")) {
        Some(tfq_ir::Attr::Floats(boundaries)) => boundaries,
        _ => return Err(NotEvaluated::Operands { why: "it has no boundaries" }),
    };
    let x = call.operand(0)?;
    // As `std::upper_bound` finds it, which takes them for sorted.
    fn run<T: Element>(x: View<'_, T>, below: impl Fn(T) -> usize) -> Vec<i32> {
        x.iter().map(|n| below(n) as i32).collect()
    }
    if !boundaries.is_sorted() {
        return Err(NotEvaluated::Operands { why: "the boundaries are not sorted" });
    }
    call.budget.take_work(x.elements() as u64 * 8)?;
    let places = for_type!(x.ty(), [Float32 f32, Int32 i32, Int64 i64, Float64 f64],
        T => run::<T>(x.view(), |n| boundaries.partition_point(|b| !n.below(*b))));
    call.made_of(places.ok_or_else(|| call.bad_type(0))?)
}

/// Numbers that are compared with float32 ones, in the common type of both.
trait Compared {
    fn below(self, boundary: f32) -> bool;
}

impl Compared for f32 {
    fn below(self, boundary: f32) -> bool {
        self < boundary
    }
}

impl Compared for f64 {
    fn below(self, boundary: f32) -> bool {
        self < f64::from(boundary)
    }
}

impl Compared for i32 {
    fn below(self, boundary: f32) -> bool {
        (self as f32) < boundary
    }
}

impl Compared for i64 {
    fn below(self, boundary: f32) -> bool {
        (self as f32) < boundary
    }
}
