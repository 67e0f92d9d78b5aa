//! Constants that are joined, and parts of one.

use bytes::Bytes;
use tfq_ir::{Tensor, TensorId};
use tfq_pass::rewrite::Match;

/// What the op joins, where all of it is constant.
pub(super) fn of(m: &Match<'_>) -> Option<Vec<TensorId>> {
    let parts: Vec<TensorId> = m.graph().operands(m.root()).into_iter().collect::<Option<_>>()?;
    let fixed = |id: &TensorId| m.module().fixed_constant(m.subgraph(), *id).is_some();
    parts.iter().all(fixed).then_some(parts)
}

/// Whether bytes are copied as they are: one type, no scales and no activation.
pub(super) fn are_plain(m: &Match<'_>) -> bool {
    let result = m.tensor("result");
    let alike = |id: &TensorId| {
        let part = m.graph().tensor(*id);
        part.ty == result.ty && part.scales() == 0 && part.shape.len() == result.shape.len()
    };
    let activation = m.graph().op(m.root()).int("fused_activation_function").unwrap_or(0);
    activation == 0 && result.scales() == 0 && of(m).is_some_and(|parts| parts.iter().all(alike))
}

pub(super) fn element_bytes(tensor: &Tensor) -> Option<usize> {
    let bits = tensor.ty.bits()?;
    (bits % 8 == 0).then_some(bits as usize / 8)
}

fn dims(tensor: &Tensor) -> Option<Vec<usize>> {
    tensor.shape.iter().map(|dim| usize::try_from(*dim).ok()).collect()
}

/// The elements as many as the shape asks for: a buffer may have more.
fn stored<'a>(m: &Match<'a>, id: TensorId) -> Option<&'a [u8]> {
    let needed = usize::try_from(m.graph().tensor(id).byte_len()?).ok()?;
    m.module().fixed_constant(m.subgraph(), id)?.get(..needed)
}

pub(super) fn joined(m: &Match<'_>) -> Option<Bytes> {
    let result = m.tensor("result");
    let (width, shape) = (element_bytes(result)?, dims(result)?);
    let axis = m.graph().op(m.root()).int("axis").unwrap_or(0);
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok().filter(|axis| *axis < shape.len())?;
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product::<usize>() * width;
    let parts = of(m)?.into_iter().map(|id| {
        let own = dims(m.graph().tensor(id))?;
        let same = |at: usize| at == axis || own.get(at) == Some(&shape[at]);
        let fits = own.len() == shape.len() && (0..shape.len()).all(same);
        Some((stored(m, id).filter(|_| fits)?, own[axis] * inner))
    });
    let parts: Vec<(&[u8], usize)> = parts.collect::<Option<_>>()?;
    let together: usize = parts.iter().map(|(_, step)| step).sum();
    if together != shape[axis] * inner {
        return None;
    }
    let mut bytes = Vec::with_capacity(outer * together);
    for n in 0..outer {
        for (part, step) in &parts {
            bytes.extend_from_slice(&part[n * step..(n + 1) * step]);
        }
    }
    Some(bytes.into())
}

/// Where a part of a dimension lies.
struct Span {
    begin: usize,
    step: usize,
    count: usize,
}

pub(super) fn slice(m: &Match<'_>) -> Option<Bytes> {
    let counts = dims(m.tensor("result"))?;
    let begins = m.operand_integers(1)?;
    let spans = begins.iter().zip(&counts).map(|(begin, count)| {
        Some(Span { begin: usize::try_from(*begin).ok()?, step: 1, count: *count })
    });
    let spans: Vec<Span> = spans.collect::<Option<_>>()?;
    (begins.len() == counts.len()).then_some(())?;
    part(m, &spans)
}

/// Steps forward through dimensions that all stay, or of which one index is taken.
pub(super) fn strided_slice(m: &Match<'_>) -> Option<Bytes> {
    let op = m.graph().op(m.root());
    let mask = |name: &str| op.int(name).unwrap_or(0);
    let plain = ["ellipsis_mask", "new_axis_mask"].into_iter().all(|name| mask(name) == 0)
        && op.bool("offset") != Some(true);
    let (from, counts) = (dims(m.tensor("w"))?, dims(m.tensor("result"))?);
    let (begins, steps) = (m.operand_integers(1)?, m.operand_integers(3)?);
    if !plain || begins.len() > from.len() || steps.len() != begins.len() {
        return None;
    }
    let is_set = |name: &str, dim: usize| dim < begins.len() && mask(name) >> dim & 1 == 1;
    let mut counts = counts.into_iter();
    let mut spans = Vec::new();
    for (dim, size) in from.iter().enumerate() {
        let size = i64::try_from(*size).ok()?;
        let begin = begins.get(dim).copied().unwrap_or(0);
        let begin = if begin < 0 { begin + size } else { begin };
        let taken = is_set("shrink_axis_mask", dim);
        let begin = if is_set("begin_mask", dim) && !taken { 0 } else { begin };
        let step = steps.get(dim).copied().unwrap_or(1);
        let (begin, step) = (usize::try_from(begin).ok()?, usize::try_from(step).ok()?);
        let count = if taken { 1 } else { counts.next()? };
        spans.push(Span { begin, step: step.max(1), count });
    }
    counts.next().is_none().then_some(())?;
    part(m, &spans)
}

/// The elements of `w` that lie in all of these, in order.
fn part(m: &Match<'_>, spans: &[Span]) -> Option<Bytes> {
    let (from, width) = (dims(m.tensor("w"))?, element_bytes(m.tensor("w"))?);
    let bytes = stored(m, m.id("w"))?;
    let within = |(span, size): (&Span, &usize)| {
        span.count == 0 || span.begin + (span.count - 1) * span.step < *size
    };
    if spans.len() != from.len() || !spans.iter().zip(&from).all(within) {
        return None;
    }
    let mut strides = vec![width; from.len()];
    for dim in (1..from.len()).rev() {
        strides[dim - 1] = strides[dim] * from[dim];
    }
    // What lies together is copied together.
    let (mut run, mut first, mut outer) = (width, 0, from.len());
    while let Some(span) = outer.checked_sub(1).map(|dim| &spans[dim]).filter(|s| s.step == 1) {
        outer -= 1;
        run *= span.count;
        first += span.begin * strides[outer];
        if span.count < from[outer] {
            break;
        }
    }
    let mut places = vec![first];
    for (span, stride) in spans.iter().zip(&strides).take(outer) {
        let along = |place: usize| {
            (0..span.count).map(move |n| place + (span.begin + n * span.step) * stride)
        };
        places = places.into_iter().flat_map(along).collect();
    }
    let mut taken = Vec::with_capacity(places.len() * run);
    for place in places {
        taken.extend_from_slice(&bytes[place..place + run]);
    }
    Some(taken.into())
}
