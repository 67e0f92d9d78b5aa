//! Int8 with zero points: all 256 codes over the range of each channel.

use crate::buffer::Buffer;
use crate::error::{ErrorStats, stats_of};
use crate::{ChannelLayout, F32View, MinMax, NotFinite, Room, min_max_per_channel, pieces, range};
use bytes::Bytes;

/// The least and the largest code.
const CODES: (f64, f64) = (-128.0, 127.0);

/// What maps each channel to codes: `code = clamp(rint(x / scale) + zero point)`, ties to even.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetParams {
    /// All positive and normal.
    pub scales: Vec<f32>,
    /// Codes of 0, which each channel so keeps exactly.
    pub zero_points: Vec<i8>,
}

impl OffsetParams {
    /// The smallest scales with which no value of these ranges is clamped. 1 for a channel of zeros.
    pub fn new(extrema: &MinMax) -> Self {
        let pairs = extrema.min.iter().zip(&extrema.max);
        let (scales, zero_points) = pairs.map(|(min, max)| of_range(*min, *max)).unzip();
        Self { scales, zero_points }
    }

    /// What a smaller scale is worth: by how many dB the noise of rounding falls beside symmetric
    /// codes of the same ranges, where rounding errors are spread evenly over a step.
    pub fn expected_gain_db(&self, extrema: &MinMax) -> f64 {
        let squared = |scale: f64| scale * scale;
        let of_symmetric = extrema.min.iter().zip(&extrema.max).map(|(min, max)| {
            squared(f64::from(min.abs().max(max.abs())) / f64::from(crate::QMAX_INT8))
        });
        // A channel of zeros has no noise.
        let noisy = of_symmetric.zip(&self.scales).filter(|(symmetric, _)| *symmetric > 0.0);
        let sums = noisy.fold((0.0, 0.0), |(before, after), (symmetric, scale)| {
            (before + symmetric, after + squared(f64::from(*scale)))
        });
        if sums.1 > 0.0 { 10.0 * (sums.0 / sums.1).log10() } else { 0.0 }
    }
}

/// Scale and zero point. 0 is in every range, so that it has a code.
fn of_range(min: f32, max: f32) -> (f32, i8) {
    let (low, high) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
    if low == high {
        return (1.0, 0);
    }
    let steps = CODES.1 - CODES.0;
    let ideal = CODES.0 - low * steps / (high - low);
    let scale = |zero: f64| {
        let above = if high > 0.0 { high / (CODES.1 - zero) } else { 0.0 };
        let below = if low < 0.0 { -low / (zero - CODES.0) } else { 0.0 };
        above.max(below)
    };
    let [down, up] = [ideal.floor(), ideal.ceil()].map(|zero| zero.clamp(CODES.0, CODES.1));
    // Of two that are as good, a symmetric range has the zero point 0.
    let zero = if scale(down) < scale(up) { down } else { up };
    ((scale(zero) as f32).max(f32::MIN_POSITIVE), zero as i8)
}

/// Int8 codes, one byte each in the order of the values.
#[derive(Clone, Debug)]
pub struct OffsetCodes {
    pub data: Bytes,
    pub params: OffsetParams,
}

/// Int8 codes in [-128, 127] of `view` in this room; the value of a code is
/// `(code - zero point) * scale`.
///
/// # Errors
///
/// When a value is NaN or infinite.
///
/// # Panics
///
/// When `layout` describes another number of elements.
pub fn quantize_offset_i8_in(
    room: &mut Room,
    view: F32View<'_>,
    layout: ChannelLayout,
) -> Result<OffsetCodes, NotFinite> {
    quantize_into(room.take(view.len()), view, layout)
}

/// [`quantize_offset_i8_in`] in memory of its own.
///
/// # Errors
///
/// When a value is NaN or infinite.
pub fn quantize_offset_i8(
    view: F32View<'_>,
    layout: ChannelLayout,
) -> Result<OffsetCodes, NotFinite> {
    quantize_into(Buffer::zeroed(view.len()), view, layout)
}

fn quantize_into(
    mut data: Buffer,
    view: F32View<'_>,
    layout: ChannelLayout,
) -> Result<OffsetCodes, NotFinite> {
    if !range(view, layout).finite {
        return Err(NotFinite::find(view));
    }
    let params = OffsetParams::new(&min_max_per_channel(view, layout));
    pieces::map_into(view.values(), pieces::PIECE, &mut data, 1, |start, values, out| {
        for (channel, run) in layout.runs(start, values.len()) {
            let (scale, zero) = (params.scales[channel], f32::from(params.zero_points[channel]));
            for (value, out) in values[run.clone()].iter().zip(&mut out[run]) {
                let steps = (f32::from_le_bytes(*value) / scale).round_ties_even();
                // Whole numbers of this size are exact, and `as` clamps.
                *out = (steps + zero) as i8 as u8;
            }
        }
    });
    Ok(OffsetCodes { data: data.into_bytes(), params })
}

/// Compares `codes` with the values that they were made from, as
/// [`quantization_error`](crate::quantization_error) does.
///
/// # Panics
///
/// When `layout`, `codes` and `params` do not fit `view`.
pub fn offset_error(
    view: F32View<'_>,
    layout: ChannelLayout,
    codes: &[u8],
    params: &OffsetParams,
) -> ErrorStats {
    layout.check(view.len());
    layout.check(codes.len());
    let channels = (params.scales.len(), params.zero_points.len());
    assert_eq!(channels, (layout.channels, layout.channels), "one scale per channel");
    stats_of(view, |start, out| {
        for (channel, run) in layout.runs(start, out.len()) {
            let (scale, zero) = (params.scales[channel], i32::from(params.zero_points[channel]));
            let codes = &codes[start + run.start..start + run.end];
            for (code, out) in codes.iter().zip(&mut out[run]) {
                *out = (i32::from(*code as i8) - zero) as f32 * scale;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn of(min: f32, max: f32) -> (f32, i8) {
        let params = OffsetParams::new(&MinMax { min: vec![min], max: vec![max] });
        (params.scales[0], params.zero_points[0])
    }

    #[test]
    fn ranges_end_where_codes_do() {
        assert_eq!(of(0.0, 255.0), (1.0, -128));
        assert_eq!(of(-255.0, 0.0), (1.0, 127));
        assert_eq!(of(-127.0, 127.0), (1.0, 0));
        assert_eq!(of(-28.0, 227.0), (1.0, -100));
        // 0 has a code, though no value is 0.
        assert_eq!(of(51.0, 255.0), (1.0, -128));
        assert_eq!(of(0.0, 0.0), (1.0, 0));
        assert_eq!(of(0.0, 1e-44), (f32::MIN_POSITIVE, -128));
        let (scale, zero) = of(-f32::MAX, f32::MAX);
        assert!(scale.is_finite() && zero == 0);
    }

    #[test]
    fn no_value_is_off_by_more_than_half_a_step() {
        let values: Vec<f32> =
            (0..4000).map(|n| ((n * 7919) % 4001) as f32 / 100.0 - 9.5).collect();
        let bytes = bytes(&values);
        let view = F32View::new(&bytes).unwrap();
        for shape in [[4, 1000], [1000, 4]] {
            for axis in [0, 1] {
                let layout = ChannelLayout::new(&shape, axis).unwrap();
                let OffsetCodes { data, params } = quantize_offset_i8(view, layout).unwrap();
                let most = params.scales.iter().fold(0.0_f32, |most, scale| most.max(*scale));
                let stats = offset_error(view, layout, &data, &params);
                assert!(stats.max_abs_error <= f64::from(most) * 0.500_01, "{stats:?} {most}");
            }
        }
    }

    #[test]
    fn one_sided_values_keep_a_bit_more() {
        let values: Vec<f32> = (0..5120).map(|n| ((n * 7919) % 5113) as f32).collect();
        let bytes = bytes(&values);
        let view = F32View::new(&bytes).unwrap();
        let layout = ChannelLayout::new(&[8, 640], 0).unwrap();
        let extrema = min_max_per_channel(view, layout);
        let offset = quantize_offset_i8(view, layout).unwrap();
        let symmetric =
            crate::quantize_symmetric_i8(view, layout, crate::ScaleRule::Divide).unwrap();
        let before = crate::quantization_error(view, layout, &symmetric.data, &symmetric.scales);
        let after = offset_error(view, layout, &offset.data, &offset.params);
        let (gain, expected) =
            (after.snr_db - before.snr_db, offset.params.expected_gain_db(&extrema));
        assert!((gain - expected).abs() < 0.2 && gain > 5.8, "{gain} {expected}");
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        let bytes = bytes(&[1.0, f32::NAN, f32::INFINITY, 2.0]);
        let view = F32View::new(&bytes).unwrap();
        let refused = quantize_offset_i8(view, ChannelLayout::per_tensor(4));
        assert_eq!(refused.unwrap_err().index, 1);
    }
}
