//! What the numbers of a constant are like.

use tfq_ir::ElementType;

/// Statistics of a constant's elements. Sums are taken in a fixed order, and elements that are
/// not finite are counted and left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// How many elements went in.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// How many are 0.
    pub zeros: u64,
    /// How many are infinite or no numbers.
    pub nonfinite: u64,
}

/// Statistics of bytes that hold elements of this type; `None` for types without an order, and
/// where there is no element.
pub fn stats(ty: ElementType, bytes: &[u8]) -> Option<Stats> {
    use ElementType::*;
    match ty {
        Float32 => floats(bytes, f32::from_le_bytes),
        Int8 => from_bytes(bytes, 1, |b, _| f64::from(b as i8)),
        UInt8 => from_bytes(bytes, 1, |b, _| f64::from(b)),
        Bool => from_bytes(bytes, 1, |b, _| f64::from(u8::from(b != 0))),
        Int4 => from_bytes(bytes, 2, |b, n| f64::from(((b >> (4 * n)) << 4) as i8 >> 4)),
        UInt4 => from_bytes(bytes, 2, |b, n| f64::from((b >> (4 * n)) & 15)),
        Int2 => from_bytes(bytes, 4, |b, n| f64::from(((b >> (2 * n)) << 6) as i8 >> 6)),
        Int16 => each::<2>(bytes, |b| f64::from(i16::from_le_bytes(b))),
        UInt16 => each::<2>(bytes, |b| f64::from(u16::from_le_bytes(b))),
        Int32 => each::<4>(bytes, |b| f64::from(i32::from_le_bytes(b))),
        UInt32 => each::<4>(bytes, |b| f64::from(u32::from_le_bytes(b))),
        Int64 => each::<8>(bytes, |b| i64::from_le_bytes(b) as f64),
        UInt64 => each::<8>(bytes, |b| u64::from_le_bytes(b) as f64),
        Float16 => floats(bytes, |b| widened(u16::from_le_bytes(b))),
        BFloat16 => floats(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        Float64 => each::<8>(bytes, f64::from_le_bytes),
        String | Complex64 | Complex128 | Resource | Variant | Float8E4M3Fn | Float8E5M2 => None,
    }
}

/// Bytes with one or more elements each have few distinct values: they are counted first.
fn from_bytes(bytes: &[u8], per_byte: u32, value: impl Fn(u8, u32) -> f64) -> Option<Stats> {
    let mut counts = [[0_u64; 256]; 4];
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        // Neighbours are often equal; counting them apart does not wait for each other.
        for (n, byte) in word.iter().enumerate() {
            counts[n % 4][usize::from(*byte)] += 1;
        }
    }
    for byte in words.remainder() {
        counts[0][usize::from(*byte)] += 1;
    }
    let mut sum = Sum::default();
    let mut square = 0.0;
    for byte in 0..=255_u8 {
        let count: u64 = counts.iter().map(|table| table[usize::from(byte)]).sum();
        for n in 0..if count == 0 { 0 } else { per_byte } {
            let v = value(byte, n);
            sum.count += count;
            sum.sum += v * count as f64;
            square += v * v * count as f64;
            sum.min = sum.min.min(v);
            sum.max = sum.max.max(v);
            sum.zeros += if v == 0.0 { count } else { 0 };
        }
    }
    sum.square = square;
    sum.finish(0)
}

struct Sum {
    count: u64,
    sum: f64,
    square: f64,
    min: f64,
    max: f64,
    zeros: u64,
}

impl Default for Sum {
    fn default() -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { count: 0, sum: 0.0, square: 0.0, min, max, zeros: 0 }
    }
}

impl Sum {
    fn add(&mut self, v: f64) {
        self.count += 1;
        self.sum += v;
        self.square += v * v;
        self.min = if v < self.min { v } else { self.min };
        self.max = if v > self.max { v } else { self.max };
        self.zeros += u64::from(v == 0.0);
    }

    fn finish(self, nonfinite: u64) -> Option<Stats> {
        if self.count + nonfinite == 0 {
            return None;
        }
        if self.count == 0 {
            return Some(Stats { count: nonfinite, nonfinite, ..Stats::default() });
        }
        let mean = self.sum / self.count as f64;
        let variance = (self.square / self.count as f64 - mean * mean).max(0.0);
        Some(Stats {
            count: self.count + nonfinite,
            // A constant that is 0 throughout may hold -0.0.
            min: self.min + 0.0,
            max: self.max + 0.0,
            mean: mean + 0.0,
            std: variance.sqrt(),
            zeros: self.zeros,
            nonfinite,
        })
    }
}

fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f64) -> Option<Stats> {
    let (mut sum, mut nonfinite) = (Sum::default(), 0);
    for chunk in bytes.chunks_exact(N) {
        let v = value(chunk.try_into().expect("chunks are exact"));
        if v.is_finite() { sum.add(v) } else { nonfinite += 1 }
    }
    sum.finish(nonfinite)
}

/// A half-precision number in single precision, without branches.
fn widened(half: u16) -> f32 {
    let size = u32::from(half & 0x7fff) << 13;
    // The exponents' biases are 112 apart. A subnormal number gets the least exponent, and the 1
    // that this brings along is taken away; a multiplication would be slow on those.
    let normal = f32::from_bits(size + (112 << 23));
    let subnormal = f32::from_bits(size + (113 << 23)) - f32::from_bits(113 << 23);
    let size = if half & 0x7c00 == 0 { subnormal } else { normal };
    let value = if half & 0x8000 == 0 { size } else { -size };
    if half & 0x7c00 == 0x7c00 { f32::NAN } else { value }
}

/// Eight sums side by side, over blocks that are converted first, so that the compiler can keep
/// them in registers of several numbers.
fn floats<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Option<Stats> {
    const LANES: usize = 8;
    const BLOCK: usize = 64 * LANES;
    let read = |chunk: &[u8]| value(chunk.try_into().expect("chunks are exact"));
    let (mut sum, mut square) = ([0.0_f64; LANES], [0.0_f64; LANES]);
    let (mut min, mut max) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (mut zeros, mut count) = (0_u64, 0_u64);
    let mut block = [0.0_f32; BLOCK];
    let mut rows = bytes.chunks_exact(N * BLOCK);
    for row in &mut rows {
        for (v, chunk) in block.iter_mut().zip(row.chunks_exact(N)) {
            *v = read(chunk);
        }
        let (mut zero, mut bad) = ([0_u32; LANES], [0_u32; LANES]);
        for row in block.chunks_exact(LANES) {
            for n in 0..LANES {
                let v = row[n];
                let wide = f64::from(v);
                sum[n] += wide;
                square[n] += wide * wide;
                min[n] = if v < min[n] { v } else { min[n] };
                max[n] = if v > max[n] { v } else { max[n] };
                zero[n] += u32::from(v == 0.0);
                bad[n] |= u32::from(v.to_bits() & 0x7f80_0000 == 0x7f80_0000);
            }
        }
        if bad.iter().any(|bad| *bad != 0) {
            // Rare; the plain way leaves out what is not finite.
            return each::<N>(bytes, |b| f64::from(value(b)));
        }
        count += BLOCK as u64;
        zeros += zero.iter().map(|n| u64::from(*n)).sum::<u64>();
    }
    let mut rest = Sum::default();
    let mut nonfinite = 0;
    for chunk in rows.remainder().chunks_exact(N) {
        let v = f64::from(read(chunk));
        if v.is_finite() { rest.add(v) } else { nonfinite += 1 }
    }
    for n in 0..LANES {
        rest.sum += sum[n];
        rest.square += square[n];
        rest.min = rest.min.min(f64::from(min[n]));
        rest.max = rest.max.max(f64::from(max[n]));
    }
    rest.count += count;
    rest.zeros += zeros;
    rest.finish(nonfinite)
}

/// A number with three significant digits.
pub fn short(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return if v == 0.0 { "0".to_owned() } else { v.to_string() };
    }
    let text = format!("{v:.2e}");
    let exponent: i32 = text.split('e').nth(1).and_then(|e| e.parse().ok()).unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let rounded: f64 = text.parse().unwrap_or(v);
        rounded.to_string()
    } else {
        let rounded: f64 = text.parse().unwrap_or(v);
        format!("{rounded:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_widened_right() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (widened(bits), half::f16::from_bits(bits).to_f32());
            assert!(ours == theirs || !theirs.is_finite() && ours.is_nan(), "{bits:x}");
        }
    }

    #[test]
    fn what_is_not_finite_is_counted_and_left_out() {
        let mut list = [1.0_f32; 1040];
        (list[3], list[4], list[1039]) = (f32::NAN, f32::INFINITY, 0.0);
        let bytes: Vec<u8> = list.iter().flat_map(|v| v.to_le_bytes()).collect();
        let s = stats(ElementType::Float32, &bytes).unwrap();
        assert_eq!((s.count, s.nonfinite, s.zeros, s.min, s.max), (1040, 2, 1, 0.0, 1.0));
        assert_eq!(s.mean, 1037.0 / 1038.0);
    }

    #[test]
    fn lanes_and_the_rest_count_alike() {
        for len in [1_u32, 511, 512, 513, 5000] {
            let bytes: Vec<u8> = (0..len).flat_map(|v| (v as f32).to_le_bytes()).collect();
            let s = stats(ElementType::Float32, &bytes).unwrap();
            let mean = f64::from(len - 1) / 2.0;
            assert_eq!((s.count, s.zeros, s.mean), (u64::from(len), 1, mean), "{len}");
            assert_eq!((s.min, s.max), (0.0, f64::from(len - 1)));
        }
    }

    #[test]
    fn narrow_integers_are_unpacked() {
        let s = stats(ElementType::Int4, &[0x8f, 0x70]).unwrap();
        assert_eq!((s.count, s.min, s.max, s.zeros, s.mean), (4, -8.0, 7.0, 1, -0.5));
        let s = stats(ElementType::Int2, &[0b1101_0010]).unwrap();
        assert_eq!((s.count, s.min, s.max, s.zeros), (4, -2.0, 1.0, 1));
    }

    #[test]
    fn numbers_are_short() {
        let all = [0.0, 1.0, -0.123456, 123456.0, 1e-9, 1234567.0, 0.00012345, 5.0];
        let short: Vec<String> = all.into_iter().map(short).collect();
        assert_eq!(short, ["0", "1", "-0.123", "123000", "1e-9", "1.23e6", "0.000123", "5"]);
    }
}
