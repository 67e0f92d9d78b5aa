//! Synthetic constants: the same bytes on every machine.
//!
//! Random numbers are SplitMix64's. A normal one is the sum of the eight 16-bit parts of two of
//! them, which is within 4.9 standard deviations, and needs no logarithm or cosine that
//! libraries round in their own ways.

use crate::ElementType;
use half::{bf16, f16};

/// How the elements of a constant are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// Normally distributed, then held between `min` and `max`; the first `nonfinite` are NaN.
    Gaussian { seed: u64, mean: f64, std: f64, min: f64, max: f64, nonfinite: u64 },
    /// Evenly distributed, `min` included and `max` not.
    Uniform { seed: u64, min: f64, max: f64 },
    /// `start`, `start + step` and so on; integers wrap around.
    Ramp { start: f64, step: f64 },
    /// All the same.
    Const(f64),
}

/// A seed for a tensor of this name: 32-bit FNV-1a.
pub(super) fn seed_of(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Steele, Lea and Flood's SplitMix64.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Standard deviation of the sum of eight evenly distributed 16-bit numbers, the square root of
/// 8 · (2³² − 1) / 12.
const SUM_STD: f64 = 53_509.919_921_450_08;
/// Their mean, 8 · 65535 / 2.
const SUM_MEAN: f64 = 262_140.0;

/// The bytes of `elements` elements; `None` for types that are not numbers.
pub(super) fn fill(fill: Fill, ty: ElementType, elements: usize) -> Option<Vec<u8>> {
    let mut random = SplitMix64(match fill {
        Fill::Gaussian { seed, .. } | Fill::Uniform { seed, .. } => seed,
        Fill::Ramp { .. } | Fill::Const(_) => 0,
    });
    let mut n = 0_u64;
    let next = || {
        n += 1;
        match fill {
            Fill::Gaussian { nonfinite, .. } if n <= nonfinite => f64::NAN,
            Fill::Gaussian { mean, std, min, max, .. } => {
                let parts = |x: u64| (0..4).map(|k| x >> (16 * k) & 0xffff).sum::<u64>();
                let sum = parts(random.next()) + parts(random.next());
                (mean + std * ((sum as f64 - SUM_MEAN) / SUM_STD)).max(min).min(max)
            }
            Fill::Uniform { min, max, .. } => {
                min + (max - min) * ((random.next() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64))
            }
            Fill::Ramp { start, step } => start + step * (n - 1) as f64,
            Fill::Const(value) => value,
        }
    };
    pack(ty, elements, next, matches!(fill, Fill::Ramp { .. }))
}

fn pack(
    ty: ElementType,
    elements: usize,
    mut next: impl FnMut() -> f64,
    wrap: bool,
) -> Option<Vec<u8>> {
    use ElementType::*;
    let mut out = Vec::with_capacity(usize::try_from(ty.bytes_for(elements as u64)?).ok()?);
    macro_rules! each {
        ($value:ident => $convert:expr) => {
            for _ in 0..elements {
                let $value = next();
                out.extend($convert.to_le_bytes());
            }
        };
    }
    macro_rules! integers {
        ($number:ty) => {
            each!(v => {
                let v = v.round();
                if wrap { v as i128 as $number } else { v as $number }
            })
        };
    }
    let mut parts = |bits: usize, least: i64, most: i64, next: &mut dyn FnMut() -> f64| {
        for n in 0..elements {
            let v = next().round() as i64;
            let v = if wrap { v } else { v.clamp(least, most) };
            let shift = n * bits % 8;
            if shift == 0 {
                out.push(0);
            }
            *out.last_mut().expect("pushed") |= (v as u8 & ((1 << bits) - 1)) << shift;
        }
    };
    match ty {
        Float32 => each!(v => (v as f32)),
        Float64 => each!(v => v),
        Float16 => each!(v => f16::from_f64(v)),
        BFloat16 => each!(v => bf16::from_f64(v)),
        Int8 => integers!(i8),
        UInt8 => integers!(u8),
        Int16 => integers!(i16),
        UInt16 => integers!(u16),
        Int32 => integers!(i32),
        UInt32 => integers!(u32),
        Int64 => integers!(i64),
        UInt64 => integers!(u64),
        Bool => each!(v => u8::from(v.round() != 0.0)),
        Int4 => parts(4, -8, 7, &mut next),
        UInt4 => parts(4, 0, 15, &mut next),
        Int2 => parts(2, -2, 1, &mut next),
        String | Complex64 | Complex128 | Resource | Variant | Float8E4M3Fn | Float8E5M2 => {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // From the reference implementation, for seed 1234567.
        let mut random = SplitMix64(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn the_constants_are_what_they_say() {
        assert_eq!((8.0 * (65_536.0_f64 * 65_536.0 - 1.0) / 12.0).sqrt(), SUM_STD);
    }

    #[test]
    fn bytes_never_change() {
        let gaussian = Fill::Gaussian {
            seed: 1,
            mean: 0.0,
            std: 0.1,
            min: f64::NEG_INFINITY,
            max: f64::INFINITY,
            nonfinite: 0,
        };
        let digest = |how, ty| {
            let bytes = fill(how, ty, 1000).unwrap();
            crate::text::side::hex(&crate::text::side::hash(&bytes), 8)
        };
        let uniform = Fill::Uniform { seed: 7, min: -200.0, max: 200.0 };
        let ramp = Fill::Ramp { start: 0.0, step: 1.0 };
        let all = [
            digest(gaussian, ElementType::Float32),
            digest(gaussian, ElementType::Float16),
            digest(uniform, ElementType::Int8),
            digest(uniform, ElementType::Int4),
            digest(ramp, ElementType::UInt8),
            digest(Fill::Const(0.5), ElementType::BFloat16),
        ];
        assert_eq!(all, ["4051fbd5", "5286cf37", "e6490e16", "328f34a6", "a6f621d5", "d330a516"]);
    }

    #[test]
    fn a_normal_fill_has_the_mean_and_deviation_it_was_asked_for() {
        let how =
            Fill::Gaussian { seed: 3, mean: 1.0, std: 0.5, min: -9.0, max: 9.0, nonfinite: 0 };
        let bytes = fill(how, ElementType::Float32, 100_000).unwrap();
        let stats = crate::text::stats(ElementType::Float32, &bytes).unwrap();
        assert!((stats.mean - 1.0).abs() < 0.01 && (stats.std - 0.5).abs() < 0.01, "{stats:?}");
    }

    #[test]
    fn ramps_wrap_and_the_rest_saturates() {
        let bytes = fill(Fill::Ramp { start: 126.0, step: 1.0 }, ElementType::Int8, 3).unwrap();
        assert_eq!(bytes, [126, 127, 128]);
        assert_eq!(fill(Fill::Const(300.0), ElementType::UInt8, 1).unwrap(), [255]);
        assert_eq!(fill(Fill::Const(-9.0), ElementType::Int4, 2).unwrap(), [0x88]);
    }
}
