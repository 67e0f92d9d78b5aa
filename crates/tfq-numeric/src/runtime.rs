//! What the runtime's own conversions compute, in the arithmetic of its reference kernels.

use crate::{ChannelLayout, F32View};

/// The codes of QUANTIZE: `round(x / scale) + zero_point`, ties away from zero, clamped to
/// `limits`.
///
/// `None` where a quotient is no number or does not fit 32 bits, since then the runtime's
/// conversion is undefined.
///
/// # Panics
///
/// When `layout`, `scales` and `zero_points` do not fit `view`.
pub fn affine_codes(
    view: F32View<'_>,
    layout: ChannelLayout,
    scales: &[f32],
    zero_points: &[i32],
    limits: (i32, i32),
) -> Option<Vec<i32>> {
    layout.check(view.len());
    assert_eq!(scales.len(), layout.channels, "one scale per channel");
    assert_eq!(zero_points.len(), layout.channels, "one zero point per channel");
    let mut codes = vec![0; view.len()];
    for (channel, run) in layout.runs(0, view.len()) {
        let (scale, zero_point) = (scales[channel], zero_points[channel]);
        for (value, code) in view.values()[run.clone()].iter().zip(&mut codes[run]) {
            let rounded = (f32::from_le_bytes(*value) / scale).round();
            // The largest float32 below 2^31.
            if !(-2_147_483_648.0..=2_147_483_520.0).contains(&rounded) {
                return None;
            }
            *code = (rounded as i32).checked_add(zero_point)?.clamp(limits.0, limits.1);
        }
    }
    Some(codes)
}

/// The little-endian float32 values of codes, as DEQUANTIZE computes them: `scale * (code -
/// zero_point)`.
///
/// # Panics
///
/// When `layout`, `scales` and `zero_points` do not fit `codes`.
pub fn affine_values(
    codes: &[i32],
    layout: ChannelLayout,
    scales: &[f32],
    zero_points: &[i64],
) -> Vec<u8> {
    layout.check(codes.len());
    assert_eq!(scales.len(), layout.channels, "one scale per channel");
    assert_eq!(zero_points.len(), layout.channels, "one zero point per channel");
    let mut values = vec![0; 4 * codes.len()];
    let (out, _) = values.as_chunks_mut::<4>();
    for (channel, run) in layout.runs(0, codes.len()) {
        let (scale, zero_point) = (f64::from(scales[channel]), zero_points[channel]);
        for (code, value) in codes[run.clone()].iter().zip(&mut out[run]) {
            *value = ((scale * (i64::from(*code) - zero_point) as f64) as f32).to_le_bytes();
        }
    }
    values
}

/// What FAKE_QUANT rounds to: a grid between two ends, moved so that 0 is on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FakeQuantizer {
    scale: f32,
    min: f32,
    max: f32,
}

impl FakeQuantizer {
    /// The grid of these attributes; `None` where the kernel has none.
    pub fn new(min: f32, max: f32, num_bits: i64, narrow_range: bool) -> Option<Self> {
        if !(2..=16).contains(&num_bits) || !min.is_finite() || !max.is_finite() || min >= max {
            return None;
        }
        let (low, high) = (f32::from(u8::from(narrow_range)), ((1 << num_bits) - 1) as f32);
        let scale = (max - min) / (high - low);
        let exact = low - min / scale;
        let zero_point = if exact < low {
            low
        } else if exact > high {
            high
        } else {
            exact.round()
        };
        let (min, max) = ((low - zero_point) * scale, (high - zero_point) * scale);
        scale.is_normal().then_some(Self { scale, min, max })
    }

    /// The values, each on the grid; `None` where one is NaN.
    pub fn apply(&self, view: F32View<'_>) -> Option<Vec<u8>> {
        let inverse = 1.0 / self.scale;
        let mut out = Vec::with_capacity(4 * view.len());
        for value in view.iter() {
            if value.is_nan() {
                return None;
            }
            let shifted = value.max(self.min).min(self.max) - self.min;
            let rounded = (shifted * inverse).round() * self.scale + self.min;
            out.extend(rounded.to_le_bytes());
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn codes_round_away_from_zero_and_clamp() {
        let values = bytes(&[0.25, -0.25, 0.24, 100.0, -100.0, 0.0]);
        let view = F32View::new(&values).unwrap();
        let codes = affine_codes(view, ChannelLayout::per_tensor(6), &[0.5], &[3], (-128, 127));
        assert_eq!(codes.unwrap(), [4, 2, 3, 127, -128, 3]);
        let rows = ChannelLayout::new(&[2, 3], 0).unwrap();
        let codes = affine_codes(view, rows, &[0.25, 100.0], &[0, -1], (-128, 127)).unwrap();
        assert_eq!(codes, [1, -1, 1, 0, -2, -1]);
    }

    #[test]
    fn what_the_kernel_leaves_undefined_has_no_codes() {
        for value in [f32::NAN, f32::INFINITY, 3e9, -3e9] {
            let values = bytes(&[value]);
            let view = F32View::new(&values).unwrap();
            let one = ChannelLayout::per_tensor(1);
            assert_eq!(affine_codes(view, one, &[1.0], &[0], (0, 255)), None, "{value}");
        }
    }

    /// Values of TensorFlow's fake_quant_with_min_max_args(x, -0.1, 6.3, 8): the ends move to
    /// -0.1004 and 6.2996.
    #[test]
    fn the_grid_has_a_zero() {
        let grid = FakeQuantizer::new(-0.1, 6.3, 8, false).unwrap();
        let values = bytes(&[0.0, 0.01, -1.0, 7.0]);
        let out = grid.apply(F32View::new(&values).unwrap()).unwrap();
        let out: Vec<f32> =
            out.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let step = 6.4_f32 / 255.0;
        for (got, wanted) in out.iter().zip([0.0, 0.0, -4.0 * step, 251.0 * step]) {
            assert!((got - wanted).abs() < 1e-6, "{out:?}");
        }
        assert_eq!(FakeQuantizer::new(1.0, 1.0, 8, false), None);
        assert_eq!(FakeQuantizer::new(f32::NAN, 1.0, 8, false), None);
        let nan = bytes(&[f32::NAN]);
        assert_eq!(grid.apply(F32View::new(&nan).unwrap()), None);
    }
}
