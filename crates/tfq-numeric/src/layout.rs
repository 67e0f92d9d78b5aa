//! Which channel each element of a row-major tensor belongs to.

use std::ops::Range;

/// A row-major tensor seen as `[outer, channels, inner]`: element `(o, c, i)` is at
/// `(o * channels + c) * inner + i`.
///
/// Any tensor with one quantised axis folds into this form, so that nothing else here needs a
/// shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLayout {
    /// Product of the dimensions before the axis.
    pub outer: usize,
    /// The dimension of the axis; 1 for a tensor with a single scale.
    pub channels: usize,
    /// Product of the dimensions behind the axis.
    pub inner: usize,
}

/// Runs at least this long are worth a kernel call each; shorter ones are treated as lanes of a
/// repeating row.
const MIN_RUN: usize = 16;

/// A repeating row is replicated to at least this many lanes, so that vector loops rarely meet its
/// end.
const MIN_LANES: usize = 512;

impl ChannelLayout {
    /// The layout of `shape` with channels along `axis`; `None` when there is no such axis or the
    /// number of elements overflows.
    pub fn new(shape: &[usize], axis: usize) -> Option<Self> {
        let channels = *shape.get(axis)?;
        let outer = product(&shape[..axis])?;
        let inner = product(&shape[axis + 1..])?;
        outer.checked_mul(channels)?.checked_mul(inner)?;
        Some(Self { outer, channels, inner })
    }

    /// `len` elements that share one channel.
    pub fn per_tensor(len: usize) -> Self {
        Self { outer: 1, channels: 1, inner: len }
    }

    /// Number of elements.
    pub fn len(self) -> usize {
        self.outer * self.channels * self.inner
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Panics unless `elements` fit the layout: a mismatch means that an unverified tensor got
    /// here.
    pub(crate) fn check(self, elements: usize) {
        assert_eq!(elements, self.len(), "{self:?} does not describe the data");
    }

    /// Where a channel's elements lie so close together that they are handled as lanes of a
    /// repeating row: how often the row `[channels, inner]` is replicated. `None` where runs of one
    /// channel are long.
    ///
    /// One outer row is never treated so: its lanes would be as many as the elements.
    pub(crate) fn lane_copies(self) -> Option<usize> {
        let lanes = self.channels * self.inner;
        let wanted = MIN_LANES.div_ceil(lanes.max(1)).min(self.outer);
        (self.channels > 1 && self.inner < MIN_RUN && self.outer > 1).then_some(wanted)
    }

    /// One value per channel, repeated for every lane of `copies` rows.
    pub(crate) fn to_lanes(self, per_channel: &[f32], copies: usize) -> Vec<f32> {
        let row = per_channel.iter().flat_map(|value| std::iter::repeat_n(*value, self.inner));
        row.collect::<Vec<_>>().repeat(copies)
    }

    /// The runs of a single channel that make up elements `start .. start + len`, in order, each as
    /// its channel and its place relative to `start`.
    pub(crate) fn runs(
        self,
        start: usize,
        len: usize,
    ) -> impl Iterator<Item = (usize, Range<usize>)> {
        let inner = self.inner.max(1);
        let mut channel = (start / inner) % self.channels.max(1);
        let mut end = inner - start % inner;
        let mut begin = 0;
        std::iter::from_fn(move || {
            if begin >= len {
                return None;
            }
            let run = (channel, begin..end.min(len));
            begin = end;
            end += inner;
            channel = if channel + 1 == self.channels { 0 } else { channel + 1 };
            Some(run)
        })
    }
}

fn product(dimensions: &[usize]) -> Option<usize> {
    dimensions.iter().try_fold(1usize, |product, dimension| product.checked_mul(*dimension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_a_shape_around_its_axis() {
        let layout = |axis| ChannelLayout::new(&[2, 3, 4, 5], axis);
        assert_eq!(layout(0), Some(ChannelLayout { outer: 1, channels: 2, inner: 60 }));
        assert_eq!(layout(1), Some(ChannelLayout { outer: 2, channels: 3, inner: 20 }));
        assert_eq!(layout(3), Some(ChannelLayout { outer: 24, channels: 5, inner: 1 }));
        assert_eq!(layout(4), None);
        assert_eq!(ChannelLayout::new(&[], 0), None);
        assert_eq!(ChannelLayout::new(&[usize::MAX, 2], 0), None);
        assert!(ChannelLayout::new(&[0, 3], 1).unwrap().is_empty());
    }

    #[test]
    fn runs_agree_with_the_index_formula() {
        for (outer, channels, inner) in
            [(1, 1, 7), (1, 3, 4), (2, 3, 4), (5, 3, 1), (3, 1, 2), (2, 0, 3)]
        {
            let layout = ChannelLayout { outer, channels, inner };
            for start in 0..layout.len() {
                for len in 0..=layout.len() - start {
                    let mut next = 0;
                    for (channel, run) in layout.runs(start, len) {
                        assert_eq!(run.start, next);
                        assert!(run.end > run.start);
                        next = run.end;
                        assert!(
                            run.into_iter().all(|at| (start + at) / inner % channels == channel)
                        );
                    }
                    assert_eq!(next, len);
                }
            }
        }
    }
}
