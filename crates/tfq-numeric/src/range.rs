//! How large a channel's values get.

use crate::kernels::{INFINITY_BITS, dispatched};
use crate::{ChannelLayout, F32View, pieces};
use rayon::prelude::*;

/// A weight is NaN or infinite, so it has no useful quantised form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("element {index} is NaN or infinite")]
pub struct NotFinite {
    /// The first such element, in row-major order.
    pub index: usize,
}

impl NotFinite {
    /// The error for `view`, which is known to hold such a value.
    pub(crate) fn find(view: F32View<'_>) -> Self {
        let index = view.iter().position(|value| !value.is_finite());
        Self { index: index.expect("a value that is not finite was seen before") }
    }
}

/// The magnitudes of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    /// The largest |x| of each channel; 0 for a channel without elements, infinite or NaN when one
    /// of its values is.
    pub max_abs: Vec<f32>,
    /// Whether every value is finite.
    pub finite: bool,
}

/// The magnitudes of each channel, in one pass over memory.
///
/// # Panics
///
/// When `layout` describes another number of elements.
pub fn range(view: F32View<'_>, layout: ChannelLayout) -> Ranges {
    layout.check(view.len());
    let bits = match layout.lane_copies() {
        Some(copies) => max_of_lanes(view, layout, copies),
        None => max_of_runs(view, layout),
    };
    let finite = bits.iter().all(|bits| *bits < INFINITY_BITS);
    Ranges { max_abs: bits.into_iter().map(magnitude).collect(), finite }
}

/// The float with these magnitude bits.
pub(crate) fn magnitude(bits: i32) -> f32 {
    f32::from_bits(bits as u32)
}

fn max_of_runs(view: F32View<'_>, layout: ChannelLayout) -> Vec<i32> {
    let found = pieces::map(view.values(), pieces::PIECE, |start, values| {
        let runs = layout.runs(start, values.len());
        runs.map(|(channel, run)| (channel, dispatched::max_bits(&values[run]))).collect::<Vec<_>>()
    });
    let mut bits = vec![0; layout.channels];
    for (channel, max) in found.into_iter().flatten() {
        bits[channel] = bits[channel].max(max);
    }
    bits
}

fn max_of_lanes(view: F32View<'_>, layout: ChannelLayout, copies: usize) -> Vec<i32> {
    let lanes = layout.channels * layout.inner * copies;
    // A piece has maxima for every lane of its own: many rows each keep that cheap where rows are
    // long.
    let size = pieces::whole_units(lanes).max(16 * lanes);
    let found = pieces::map(view.values(), size, |_, values| {
        let mut maxima = vec![0; lanes];
        dispatched::max_bits_lanes(values, &mut maxima);
        fold_lanes(&maxima, layout)
    });
    let mut bits = vec![0; layout.channels];
    for maxima in found {
        for (bits, max) in bits.iter_mut().zip(maxima) {
            *bits = (*bits).max(max);
        }
    }
    bits
}

/// One maximum per channel from one per lane.
fn fold_lanes(maxima: &[i32], layout: ChannelLayout) -> Vec<i32> {
    let mut bits = vec![0; layout.channels];
    for row in maxima.chunks(layout.channels * layout.inner) {
        for (bits, lanes) in bits.iter_mut().zip(row.chunks(layout.inner)) {
            *bits = lanes.iter().copied().fold(*bits, i32::max);
        }
    }
    bits
}

/// The extrema of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct MinMax {
    pub min: Vec<f32>,
    pub max: Vec<f32>,
}

/// The extrema of each channel with the legacy quantizer's FillPerChannelMinMax: a channel's first
/// value initialises both, later ones replace them only when `<` or `>`. So a NaN in the first
/// place stays, a NaN elsewhere is passed over, and of two zeros the first one's sign is kept. A
/// channel without elements gets zeros.
///
/// # Panics
///
/// When `layout` describes another number of elements.
pub fn min_max_per_channel(view: F32View<'_>, layout: ChannelLayout) -> MinMax {
    layout.check(view.len());
    let first = |channel: usize| view.get(channel * layout.inner).unwrap_or(0.0);
    if layout.lane_copies().is_some() && layout.inner == 1 {
        let mut min: Vec<f32> = (0..layout.channels).map(first).collect();
        let mut max = min.clone();
        dispatched::min_max_lanes(view.values(), &mut min, &mut max);
        return MinMax { min, max };
    }
    let of_channel = |channel: usize| {
        let first = first(channel);
        let (mut min, mut max) = (first, first);
        for outer in 0..layout.outer {
            let start = (outer * layout.channels + channel) * layout.inner;
            let (low, high) = of_run(&view.values()[start..start + layout.inner], first);
            min = if low < min { low } else { min };
            max = if high > max { high } else { max };
        }
        (min, max)
    };
    let (min, max) = match pieces::worth_threads(view.len()) {
        true => (0..layout.channels).into_par_iter().map(of_channel).unzip(),
        false => (0..layout.channels).map(of_channel).unzip(),
    };
    MinMax { min, max }
}

/// The extrema of `first` and then `values`, as if compared one after the other.
fn of_run(values: &[[u8; 4]], first: f32) -> (f32, f32) {
    let (low, high) = dispatched::min_max(values, first);
    // The kernel compares in another order, which shows only where zeros have two signs.
    let settle = |found: f32| match found == 0.0 && first != 0.0 {
        true => values
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .find(|value| *value == 0.0)
            .unwrap_or(found),
        false => found,
    };
    (settle(low), settle(high))
}
