//! The inner loops.
//!
//! [`portable`] holds them as plain loops that the compiler vectorises; [`dispatched`] holds the
//! same code compiled again for wider instruction sets and chosen when first called. Only IEEE
//! operations with one possible result are used (no fused multiply-add, no reordered float sums),
//! so both give the same bits. A test compares them.
//!
//! Callers of the int8 kernels pass finite values; what they make of others is unspecified.

/// Adding this leaves `rint(y)` in the low bits of the sum, for |y| < 2^22: the spacing of floats
/// there is 1. The addition rounds ties to even, and takes one instruction where a float-to-integer
/// conversion that saturates takes many.
const ROUND_IN_LOW_BITS: f32 = 12_582_912.0;

/// Magnitude bits of the largest finite float16, 65504.
const F16_MAX_BITS: u32 = 0x477f_e000;

/// Magnitude bits from which on a float32 is infinite or NaN.
pub(crate) const INFINITY_BITS: i32 = 0x7f80_0000;

/// How many sums and extrema run side by side: four vectors of eight, which hides the latency of
/// adding.
const LANES: usize = 32;

macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        pub(crate) mod portable {
            use super::*;
            $($(#[$doc])* #[inline(always)] pub(crate) fn $name($($arg: $type),*) $(-> $result)? $body)*
        }

        pub(crate) mod dispatched {
            $(
                $(#[$doc])*
                #[multiversion::multiversion(targets(
                    "x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl",
                    "x86_64+avx+avx2",
                    "x86_64+sse4.1",
                    "aarch64+neon",
                ))]
                pub(crate) fn $name($($arg: $type),*) $(-> $result)? {
                    super::portable::$name($($arg),*)
                }
            )*
        }
    };
}

kernels! {
    /// The largest magnitude, as bits: they order like the magnitudes, with infinity and NaN above
    /// all others.
    fn max_bits(values: &[[u8; 4]]) -> i32 {
        values.iter().map(magnitude_bits).fold(0, i32::max)
    }

    /// [`max_bits`] of each lane over the rows of `values`, gathered in `maxima`.
    fn max_bits_lanes(values: &[[u8; 4]], maxima: &mut [i32]) {
        for row in values.chunks(maxima.len()) {
            for (max, value) in maxima.iter_mut().zip(row) {
                *max = (*max).max(magnitude_bits(value));
            }
        }
    }

    /// Smallest and largest of `first` and `values`, as comparing one after the other finds them,
    /// save the sign of zero.
    fn min_max(values: &[[u8; 4]], first: f32) -> (f32, f32) {
        let (mut low, mut high) = ([first; LANES], [first; LANES]);
        let (blocks, rest) = values.as_chunks::<LANES>();
        for block in blocks {
            for lane in 0..LANES {
                let value = load(&block[lane]);
                low[lane] = lesser(low[lane], value);
                high[lane] = greater(high[lane], value);
            }
        }
        for (lane, value) in rest.iter().enumerate() {
            low[lane] = lesser(low[lane], load(value));
            high[lane] = greater(high[lane], load(value));
        }
        (low.into_iter().fold(first, lesser), high.into_iter().fold(first, greater))
    }

    /// [`min_max`] of each lane over the rows of `values`, in order, gathered in `low` and `high`.
    fn min_max_lanes(values: &[[u8; 4]], low: &mut [f32], high: &mut [f32]) {
        for row in values.chunks(low.len()) {
            for (low, value) in low.iter_mut().zip(row) {
                *low = lesser(*low, load(value));
            }
            for (high, value) in high.iter_mut().zip(row) {
                *high = greater(*high, load(value));
            }
        }
    }

    /// `clamp(rint(x / scale))`.
    fn divide(values: &[[u8; 4]], scale: f32, qmax: f32, out: &mut [u8]) {
        for (value, out) in values.iter().zip(out) {
            *out = nearest_even(load(value) / scale, qmax);
        }
    }

    /// [`divide`] with a scale per lane.
    fn divide_lanes(values: &[[u8; 4]], scales: &[f32], qmax: f32, out: &mut [u8]) {
        for (row, out) in values.chunks(scales.len()).zip(out.chunks_mut(scales.len())) {
            for ((value, scale), out) in row.iter().zip(scales).zip(out) {
                *out = nearest_even(load(value) / scale, qmax);
            }
        }
    }

    /// `clamp(round(x * inverse))`, halves away from zero.
    fn multiply(values: &[[u8; 4]], inverse: f32, qmax: f32, out: &mut [u8]) {
        for (value, out) in values.iter().zip(out) {
            *out = nearest_away(load(value) * inverse, qmax);
        }
    }

    /// [`multiply`] with an inverse per lane.
    fn multiply_lanes(values: &[[u8; 4]], inverses: &[f32], qmax: f32, out: &mut [u8]) {
        for (row, out) in values.chunks(inverses.len()).zip(out.chunks_mut(inverses.len())) {
            for ((value, inverse), out) in row.iter().zip(inverses).zip(out) {
                *out = nearest_away(load(value) * inverse, qmax);
            }
        }
    }

    /// Little-endian float16 of each value clamped to ±65504, rounded to nearest even; NaN becomes
    /// a quiet NaN. Returns [`max_bits`] of the values, which have been read anyway.
    fn f16(values: &[[u8; 4]], out: &mut [[u8; 2]]) -> i32 {
        let mut max = 0;
        for (value, out) in values.iter().zip(out) {
            max = max.max(magnitude_bits(value));
            *out = to_half(load(value)).to_le_bytes();
        }
        max
    }

    /// `codes * scale` as the runtime computes it, in float32.
    fn dequantize(codes: &[u8], scale: f32, out: &mut [f32]) {
        for (code, out) in codes.iter().zip(out) {
            *out = f32::from(*code as i8) * scale;
        }
    }

    /// [`dequantize`] with a scale for each code.
    fn dequantize_lanes(codes: &[u8], scales: &[f32], out: &mut [f32]) {
        for ((code, scale), out) in codes.iter().zip(scales).zip(out) {
            *out = f32::from(*code as i8) * scale;
        }
    }

    /// Sum of squares of `values`, sum of squares and maximum of what `approximate` is off by, in
    /// float64.
    fn error_sums(values: &[[u8; 4]], approximate: &[f32]) -> [f64; 3] {
        let (mut signal, mut noise, mut worst) = ([0.0f64; LANES], [0.0f64; LANES], [0.0f64; LANES]);
        for (values, approximate) in values.chunks(LANES).zip(approximate.chunks(LANES)) {
            for lane in 0..values.len().min(approximate.len()) {
                let value = f64::from(load(&values[lane]));
                let error = value - f64::from(approximate[lane]);
                signal[lane] += value * value;
                noise[lane] += error * error;
                worst[lane] = greater64(worst[lane], error.abs());
            }
        }
        [signal.iter().sum(), noise.iter().sum(), worst.into_iter().fold(0.0, greater64)]
    }
}

#[inline(always)]
fn load(value: &[u8; 4]) -> f32 {
    f32::from_le_bytes(*value)
}

#[inline(always)]
fn magnitude_bits(value: &[u8; 4]) -> i32 {
    // Signed, because instruction sets without an unsigned maximum have at least a signed
    // comparison.
    i32::from_le_bytes(*value) & i32::MAX
}

/// The value only where it is less, as `if (value < low) low = value` of C, so NaN never replaces
/// anything.
#[inline(always)]
fn lesser(low: f32, value: f32) -> f32 {
    if value < low { value } else { low }
}

#[inline(always)]
fn greater(high: f32, value: f32) -> f32 {
    if value > high { value } else { high }
}

#[inline(always)]
fn greater64(high: f64, value: f64) -> f64 {
    if value > high { value } else { high }
}

/// `clamp(rint(y))` in two's complement. Clamping first changes nothing, since the bounds are
/// integers.
#[inline(always)]
fn nearest_even(y: f32, qmax: f32) -> u8 {
    (y.clamp(-qmax, qmax) + ROUND_IN_LOW_BITS).to_bits() as u8
}

/// `clamp(round(y))` in two's complement, halves away from zero.
///
/// `round` is a function call where the processor cannot round by itself, as x86 before SSE 4.1:
/// hence that target.
#[inline(always)]
fn nearest_away(y: f32, qmax: f32) -> u8 {
    (y.clamp(-qmax, qmax).round() + ROUND_IN_LOW_BITS).to_bits() as u8
}

/// Float16 bits of `value` clamped to ±65504.
#[inline(always)]
fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let clamped = magnitude.min(F16_MAX_BITS);
    // Normal: rebias the exponent (127 to 15) and round off 13 bits, to even. Cannot overflow after
    // the clamp.
    let normal = clamped.wrapping_sub(112 << 23).wrapping_add(0xfff + (clamped >> 13 & 1)) >> 13;
    // Subnormal, below 2^-14: floats in [0.5, 1) are 2^-24 apart, which is the spacing wanted, so
    // the sum rounds.
    let subnormal = (f32::from_bits(clamped) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let finite = if clamped < 113 << 23 { subnormal } else { normal };
    let half = if magnitude > INFINITY_BITS as u32 { 0x7e00 } else { finite };
    (bits >> 16 & 0x8000 | half) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value in `step` of all float32 patterns, without those that are not finite.
    fn patterns(step: usize) -> Vec<[u8; 4]> {
        let finite = |bits: &u32| bits & 0x7f80_0000 != 0x7f80_0000;
        (0..=u32::MAX).step_by(step).filter(finite).map(u32::to_le_bytes).collect()
    }

    /// Runs `portable` and `dispatched` on slices of several lengths and alignments, and compares
    /// what they wrote.
    macro_rules! same {
        ($values:expr, $name:ident, $zero:expr, |$kernel:ident, $slice:ident, $out:ident| $call:expr) => {
            for (start, len) in
                [(0, $values.len()), (1, 0), (1, 1), (3, 7), (5, 63), (2, 65), (7, 1001)]
            {
                let $slice = &$values[start..(start + len).min($values.len())];
                let mut outputs = [vec![$zero; $slice.len()], vec![$zero; $slice.len()]];
                let [portable_out, dispatched_out] = &mut outputs;
                let expected = {
                    let ($kernel, $out) = (portable::$name, portable_out.as_mut_slice());
                    $call
                };
                let found = {
                    let ($kernel, $out) = (dispatched::$name, dispatched_out.as_mut_slice());
                    $call
                };
                assert_eq!(expected, found);
                assert_eq!(outputs[0], outputs[1]);
            }
        };
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let values = patterns(40_961);
        let factors: Vec<f32> = (1..=37).map(|lane| 0.003 * lane as f32).collect();
        for factor in [1.0, 1.0 / 127.0, 0.1, f32::MIN_POSITIVE, 1e30] {
            same!(values, divide, 0u8, |kernel, values, out| kernel(values, factor, 127.0, out));
            same!(values, multiply, 0u8, |kernel, values, out| kernel(values, factor, 7.0, out));
        }
        same!(values, divide_lanes, 0u8, |kernel, values, out| kernel(
            values, &factors, 127.0, out
        ));
        same!(values, multiply_lanes, 0u8, |kernel, values, out| kernel(
            values, &factors, 127.0, out
        ));
        same!(values, max_bits, 0u8, |kernel, values, _out| kernel(values));
        same!(values, min_max, 0u8, |kernel, values, _out| kernel(values, 3.0));
        same!(values, f16, [0u8; 2], |kernel, values, out| kernel(values, out));
        same!(values, error_sums, 0.25f32, |kernel, values, out| kernel(values, out)
            .map(f64::to_bits));
    }

    #[test]
    fn lanes_are_measured_alike() {
        let values = patterns(40_961);
        let gather = |kernel: fn(&[[u8; 4]], &mut [i32])| {
            let mut maxima = vec![0; 37];
            kernel(&values, &mut maxima);
            maxima
        };
        assert_eq!(gather(portable::max_bits_lanes), gather(dispatched::max_bits_lanes));
        let extrema = |kernel: fn(&[[u8; 4]], &mut [f32], &mut [f32])| {
            let mut extrema = (vec![1.0; 37], vec![1.0; 37]);
            kernel(&values, &mut extrema.0, &mut extrema.1);
            extrema
        };
        let portable = extrema(portable::min_max_lanes);
        assert_eq!(portable, extrema(dispatched::min_max_lanes));
    }

    #[test]
    fn rounding_agrees_with_the_standard_library_for_every_tie() {
        for halves in -300..=300 {
            for y in [
                halves as f32 * 0.5,
                (halves as f32 * 0.5).next_up(),
                (halves as f32 * 0.5).next_down(),
            ] {
                assert_eq!(
                    nearest_even(y, 127.0) as i8,
                    y.round_ties_even().clamp(-127.0, 127.0) as i8
                );
                assert_eq!(nearest_away(y, 127.0) as i8, y.round().clamp(-127.0, 127.0) as i8);
            }
        }
    }

    /// Every finite float32, against the standard library and the half crate. Ask for it with
    /// `--release`.
    #[test]
    #[ignore = "takes minutes"]
    fn exhaustively() {
        for high in 0..=u16::MAX {
            let all = (0..=u16::MAX).map(|low| u32::from(high) << 16 | u32::from(low));
            let values: Vec<f32> =
                all.map(f32::from_bits).filter(|value| value.is_finite()).collect();
            let bytes: Vec<[u8; 4]> = values.iter().map(|value| value.to_le_bytes()).collect();
            let mut codes = vec![0; values.len()];
            for scale in [1.0 / 127.0, 0.00317, 1.0, 0.1] {
                dispatched::divide(&bytes, scale, 127.0, &mut codes);
                for (x, code) in values.iter().zip(&codes) {
                    assert_eq!(
                        *code as i8,
                        (x / scale).round_ties_even().clamp(-127.0, 127.0) as i8,
                        "{x:e} {scale}"
                    );
                }
                dispatched::multiply(&bytes, scale, 127.0, &mut codes);
                for (x, code) in values.iter().zip(&codes) {
                    assert_eq!(
                        *code as i8,
                        (x * scale).round().clamp(-127.0, 127.0) as i8,
                        "{x:e} {scale}"
                    );
                }
            }
            let mut halves = vec![[0; 2]; values.len()];
            dispatched::f16(&bytes, &mut halves);
            for (x, found) in values.iter().zip(&halves) {
                assert_eq!(
                    *found,
                    half::f16::from_f32(x.clamp(-65504.0, 65504.0)).to_le_bytes(),
                    "{x:e}"
                );
            }
        }
    }
}
