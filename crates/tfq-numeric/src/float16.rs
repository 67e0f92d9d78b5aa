//! Float16.

use crate::buffer::{Buffer, Room};
use crate::kernels::{INFINITY_BITS, dispatched};
use crate::{F32View, NotFinite, pieces};
use bytes::Bytes;
use half::f16;

/// What to do with NaN and infinite values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonFinite {
    /// Refuse the tensor.
    Refuse,
    /// As the legacy quantizer's QuantizeTensorFloat16: infinities become ±65504, NaN stays NaN.
    Legacy,
}

/// Little-endian float16 of each value: clamped to ±65504, then rounded to nearest even; subnormals
/// are kept.
///
/// # Errors
///
/// With [`NonFinite::Refuse`], when a value is NaN or infinite.
pub fn to_f16(view: F32View<'_>, non_finite: NonFinite) -> Result<Bytes, NotFinite> {
    to_f16_in(&mut Room::default(), view, non_finite)
}

/// [`to_f16`] with the result in this room.
pub fn to_f16_in(
    room: &mut Room,
    view: F32View<'_>,
    non_finite: NonFinite,
) -> Result<Bytes, NotFinite> {
    let mut data = room.take(2 * view.len());
    let maxima = pieces::map_into(view.values(), pieces::PIECE, &mut data, 2, |_, values, out| {
        dispatched::f16(values, out.as_chunks_mut().0)
    });
    if non_finite == NonFinite::Refuse && maxima.iter().any(|bits| *bits >= INFINITY_BITS) {
        return Err(NotFinite::find(view));
    }
    Ok(data.into_bytes())
}

/// The float32 values of little-endian float16, each exactly.
///
/// # Panics
///
/// When `halves` is not a whole number of float16 values.
pub fn from_f16(halves: &[u8]) -> Bytes {
    let (values, rest) = halves.as_chunks();
    assert!(rest.is_empty(), "half a float16");
    let mut data = Buffer::zeroed(2 * halves.len());
    let (out, _) = data.as_chunks_mut::<4>();
    for (value, out) in values.iter().zip(out) {
        *out = f16::from_le_bytes(*value).to_f32().to_le_bytes();
    }
    data.into_bytes()
}

/// How well `halves`, made by [`to_f16`] of `view`, hold the values: 10 log10(Σx² / Σ(x - x')²),
/// infinite where nothing was lost. It is above 66 where all values are in the range of normal
/// float16s.
///
/// # Panics
///
/// When both differ in length.
pub fn f16_snr_db(view: F32View<'_>, halves: &[u8]) -> f64 {
    let (halves, _) = halves.as_chunks();
    assert_eq!(halves.len(), view.len(), "one float16 per value");
    let (mut signal, mut noise) = (0.0_f64, 0.0_f64);
    for (value, half) in view.iter().zip(halves) {
        let value = f64::from(value);
        let error = value - f64::from(f16::from_le_bytes(*half).to_f32());
        signal += value * value;
        noise += error * error;
    }
    if noise == 0.0 { f64::INFINITY } else { 10.0 * (signal / noise).log10() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float16_comes_back() {
        let halves: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let floats = from_f16(&halves);
        for (half, float) in halves.as_chunks().0.iter().zip(floats.as_chunks().0) {
            let (half, float) = (f16::from_le_bytes(*half), f32::from_le_bytes(*float));
            assert!(half.to_f32() == float || (half.is_nan() && float.is_nan()));
        }
    }

    #[test]
    fn small_and_large_values_are_held_badly() {
        let snr = |values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let view = F32View::new(&bytes).unwrap();
            f16_snr_db(view, &to_f16(view, NonFinite::Refuse).unwrap())
        };
        assert_eq!(snr(&[1.0, 0.5]), f64::INFINITY);
        assert!(snr(&[0.1, 0.3, 1.0 + 1.0 / 2048.0]) > 66.0);
        assert!(snr(&[0.1, 1e-12]) > 66.0, "a speck beside others is no loss");
        assert!(snr(&[1e-9, 2e-9]) < 1.0);
        assert!(snr(&[1e30]) < 1.0);
    }
}
