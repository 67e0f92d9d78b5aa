//! Synthetic constants: the same bytes on every machine.
//!
//! Random numbers are SplitMix64's. A normal one is the sum of the eight 16-bit parts of two of
//! them, which is within 4.9 standard deviations, and needs no logarithm or cosine that
//! libraries round in their own ways.

use half::{bf16, f16};
use tfq_ir::ElementType;

/// How the elements of a constant are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// Normally distributed.
    Gaussian(Gaussian),
    /// Evenly distributed, `min` included and `max` not.
    Uniform { seed: u64, min: f64, max: f64 },
    /// `start`, `start + step` and so on; integers wrap around.
    Ramp { start: f64, step: f64 },
    /// All the same.
    Const(f64),
}

/// Normally distributed elements, held between bounds. Of what is written down in a skeleton
/// the bounds matter most: scales come from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gaussian {
    pub(super) seed: u64,
    /// Of all elements, zeros among them.
    pub(super) mean: f64,
    pub(super) std: f64,
    /// Where it is finite, one element has it; so has one `max`.
    pub(super) min: f64,
    pub(super) max: f64,
    /// How many are NaN; they come first.
    pub(super) nonfinite: u64,
    /// The share that is 0, from 0 to 1.
    pub(super) zeros: f64,
}

impl Default for Gaussian {
    fn default() -> Self {
        let (min, max) = (f64::NEG_INFINITY, f64::INFINITY);
        Self { seed: 0, mean: 0.0, std: 1.0, min, max, nonfinite: 0, zeros: 0.0 }
    }
}

impl Gaussian {
    /// Element `n` of `elements`.
    fn element(&self, n: u64, elements: u64, random: &mut SplitMix64) -> f64 {
        let bounds = [self.min, self.max].into_iter().filter(|bound| bound.is_finite());
        let both = elements >= self.nonfinite + 2;
        match n.checked_sub(self.nonfinite) {
            None => return f64::NAN,
            Some(n) if n < 2 && both => {
                if let Some(bound) = bounds.clone().nth(n as usize) {
                    return bound;
                }
            }
            _ => (),
        }
        if self.zeros > 0.0 && random.unit() < self.zeros {
            return 0.0;
        }
        let parts = |x: u64| (0..4).map(|k| x >> (16 * k) & 0xffff).sum::<u64>();
        let sum = parts(random.next()) + parts(random.next());
        let rest = (1.0 - self.zeros).max(f64::MIN_POSITIVE);
        let mean = self.mean / rest;
        let std = match self.zeros > 0.0 {
            true => ((self.std.powi(2) + self.mean.powi(2)) / rest - mean.powi(2)).max(0.0).sqrt(),
            false => self.std,
        };
        (mean + std * ((sum as f64 - SUM_MEAN) / SUM_STD)).max(self.min).min(self.max)
    }
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

    /// Evenly distributed from 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
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
        Fill::Gaussian(Gaussian { seed, .. }) | Fill::Uniform { seed, .. } => seed,
        Fill::Ramp { .. } | Fill::Const(_) => 0,
    });
    let mut n = 0_u64;
    let next = || {
        n += 1;
        match fill {
            Fill::Gaussian(how) => how.element(n - 1, elements as u64, &mut random),
            Fill::Uniform { min, max, .. } => min + (max - min) * random.unit(),
            Fill::Ramp { start, step } => start + step * (n - 1) as f64,
            Fill::Const(value) => value,
        }
    };
    pack(ty, elements, next, matches!(fill, Fill::Ramp { .. }))
}

/// Start and step of the ramp that these integers are, if they are one that [`fill`] gives back.
pub(super) fn ramp_of(ty: ElementType, bytes: &[u8]) -> Option<(i64, i64)> {
    let element = |n: usize| -> Option<i64> {
        match ty {
            ElementType::Int32 => {
                let bytes = bytes.get(4 * n..4 * n + 4)?;
                Some(i32::from_le_bytes(bytes.try_into().ok()?).into())
            }
            ElementType::Int64 => {
                let bytes = bytes.get(8 * n..8 * n + 8)?;
                Some(i64::from_le_bytes(bytes.try_into().ok()?))
            }
            _ => None,
        }
    };
    let (start, next) = (element(0)?, element(1)?);
    let step = next.checked_sub(start)?;
    let mut expected = start;
    for n in 0..bytes.len() / ty.bytes_for(1)? as usize {
        // Up to here double precision counts in ones.
        if element(n)? != expected || expected.unsigned_abs() >= 1 << 52 {
            return None;
        }
        expected = expected.checked_add(step)?;
    }
    Some((start, step))
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
        let gaussian = Fill::Gaussian(Gaussian { seed: 1, std: 0.1, ..Gaussian::default() });
        let digest = |how, ty| {
            let bytes = fill(how, ty, 1000).unwrap();
            crate::side::hex(&crate::side::hash(&bytes), 8)
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
    fn a_normal_fill_has_the_statistics_it_was_asked_for() {
        for zeros in [0.0, 0.8] {
            let how = Gaussian {
                seed: 3,
                mean: 1.0,
                std: 3.0,
                min: -9.0,
                max: 70.5,
                nonfinite: 0,
                zeros,
            };
            let bytes = fill(Fill::Gaussian(how), ElementType::Float32, 100_000).unwrap();
            let stats = crate::stats(ElementType::Float32, &bytes).unwrap();
            assert!((stats.mean - 1.0).abs() < 0.05 && (stats.std - 3.0).abs() < 0.05, "{stats:?}");
            assert!((stats.zeros as f64 / 100_000.0 - zeros).abs() < 0.01, "{stats:?}");
            assert_eq!((stats.min, stats.max), (-9.0, 70.5));
        }
    }

    #[test]
    fn a_ramp_is_found_where_it_gives_the_same_bytes() {
        let bytes = |list: &[i64]| list.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        for (list, ramp) in [
            (&[5_i64, 3, 1, -1][..], Some((5, -2))),
            (&[7, 7], Some((7, 0))),
            (&[0, 1, 3], None),
            (&[1 << 60, (1 << 60) + 1], None),
            (&[i64::MIN, i64::MAX], None),
            (&[7], None),
            (&[], None),
        ] {
            let packed = bytes(list);
            assert_eq!(ramp_of(ElementType::Int64, &packed), ramp, "{list:?}");
            if let Some((start, step)) = ramp {
                let how = Fill::Ramp { start: start as f64, step: step as f64 };
                assert_eq!(fill(how, ElementType::Int64, list.len()).unwrap(), packed);
            }
        }
    }

    #[test]
    fn ramps_wrap_and_the_rest_saturates() {
        let bytes = fill(Fill::Ramp { start: 126.0, step: 1.0 }, ElementType::Int8, 3).unwrap();
        assert_eq!(bytes, [126, 127, 128]);
        assert_eq!(fill(Fill::Const(300.0), ElementType::UInt8, 1).unwrap(), [255]);
        assert_eq!(fill(Fill::Const(-9.0), ElementType::Int4, 2).unwrap(), [0x88]);
    }
}
