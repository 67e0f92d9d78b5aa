//! STRIDED_SLICE, whose masks have rules of their own (docs/op-semantics.md).

use super::cx::{Cx, Ints, MOST_DIMS, dim, div_ceil, wide};
use super::{Dim, InferError, Shape};
use smallvec::SmallVec;

pub(super) fn strided_slice(cx: &Cx<'_>) -> Result<Shape, InferError> {
    let Some(input) = cx.dims(0) else { return Ok(Shape::Unranked) };
    let lists = [1, 2, 3].map(|slot| cx.ints(slot));
    let length = lists.iter().flatten().map(|list| list.len()).next();
    let Some(entries) = length.or_else(|| cx.entries(1)).filter(|n| *n <= MOST_DIMS) else {
        return Ok(Shape::Unranked);
    };
    if lists.iter().flatten().any(|list| list.len() != entries) {
        return Err(cx.together(1, 2));
    }
    Slicer { cx, input, entries, lists }.run()
}

struct Slicer<'a, 'b> {
    cx: &'b Cx<'a>,
    input: &'a [Dim],
    entries: usize,
    /// Begins, ends and strides, where they are constant.
    lists: [Option<Ints>; 3],
}

impl Slicer<'_, '_> {
    fn run(&self) -> Result<Shape, InferError> {
        let mask = |name: &str, n: usize| n < 32 && self.cx.attr(name) >> n & 1 != 0;
        let ellipsis = (0..self.entries).find(|n| mask("ellipsis_mask", *n));
        let inserts = |n| mask("new_axis_mask", n) && !mask("ellipsis_mask", n);
        let consumed = (0..self.entries).filter(|n| !inserts(*n)).count();
        let rank = self.input.len();
        if consumed > rank + usize::from(ellipsis.is_some()) {
            return Err(self.cx.together(0, 1));
        }
        let mut dims: SmallVec<[Dim; 6]> = SmallVec::new();
        let (mut axis, mut left) = (0, (rank + self.entries).saturating_sub(consumed));
        for n in 0..self.entries {
            // An ellipsis takes an axis even where none is left for it: the last entries then
            // fall away.
            if left == 0 {
                break;
            }
            left -= 1;
            if Some(n) == ellipsis {
                for more in 0..(rank + 1).saturating_sub(consumed).max(1) {
                    let Some(size) = self.input.get(axis) else { break };
                    dims.push(*size);
                    axis += 1;
                    left = left.saturating_sub(usize::from(more > 0));
                }
            } else if mask("new_axis_mask", n) {
                dims.push(Some(1));
            } else {
                let Some(size) = self.input.get(axis) else { return Err(self.cx.together(0, 1)) };
                axis += 1;
                if !mask("shrink_axis_mask", n) {
                    let (begins, ends) = (mask("begin_mask", n), mask("end_mask", n));
                    dims.push(self.size(n, *size, begins, ends)?);
                }
            }
        }
        dims.extend(self.input[axis.min(rank)..].iter().copied());
        Ok(Shape::Ranked(dims))
    }

    /// The size of an axis that an entry slices; the flags open its begin and end.
    fn size(&self, n: usize, size: Dim, opens: bool, closes: bool) -> Result<Dim, InferError> {
        let [begin, end, stride] = self.lists.each_ref().map(|list| list.as_ref().map(|l| l[n]));
        let Some(stride) = stride else { return Ok(None) };
        if stride == 0 {
            return Err(self.cx.value(3, stride, "must not be 0"));
        }
        let Some(size) = wide(size) else { return Ok(None) };
        let (low, high) = if stride > 0 { (0, size) } else { (-1, size - 1) };
        let clamp = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(low, high);
        let first = if stride > 0 { 0 } else { size - 1 };
        let begin = if opens { Some(first) } else { begin.map(clamp) };
        let length = if self.cx.flag("offset") {
            // The kernels do not clamp it.
            end
        } else {
            let last = if stride > 0 { high } else { low };
            let end = if closes { Some(last) } else { end.map(clamp) };
            begin.zip(end).map(|(begin, end)| end - begin)
        };
        let count = |length: i64| match stride > 0 {
            true => div_ceil(length, stride),
            false => div_ceil(length.saturating_neg(), stride.saturating_neg()),
        };
        length.map_or(Ok(None), |length| dim(count(length).max(0)))
    }
}
