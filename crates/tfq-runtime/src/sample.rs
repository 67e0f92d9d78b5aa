//! Inputs that are made up.

use crate::value::{MAX_BYTES, Value, bytes_of};
use tfq_ir::ElementType;

/// What fills an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Random numbers from a seed.
    Random {
        /// Equal seeds and names give equal numbers, on every machine.
        seed: u64,
    },
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
    /// 0, 1, 2, …, from the start again where the range of random integers ends. Floats go
    /// from -1 up to just below 1 in equal steps.
    Ramp,
}

/// Which integers suit an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 0 and 1, which nearly every use of an integer accepts.
    Bits,
    /// From 0 to below this: ids of the rows of a table.
    Below(u64),
    /// All that the type can say: codes of a quantised tensor.
    All,
}

/// Why no value can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfillable {
    /// Elements are no numbers.
    NoNumbers,
    /// It would take more than [`MAX_BYTES`].
    TooLarge,
}

/// A value for an input of this name, type and shape.
///
/// Random floats are uniform from -1 to below 1, random integers uniform over `range`, random
/// booleans fair. The generator is SplitMix64, started with the seed XOR the 64-bit FNV-1a hash
/// of the name, so that an input has its numbers whatever other inputs there are. A float is
/// `2·(x >> 11)·2⁻⁵³ − 1`, an integer is `x · range >> 64`.
pub fn fill(
    name: &str,
    ty: ElementType,
    shape: &[usize],
    how: Fill,
    range: Range,
) -> Result<Value, Unfillable> {
    if bytes_of(ty, shape).is_none_or(|bytes| bytes > MAX_BYTES) && ty.bits().is_some() {
        return Err(Unfillable::TooLarge);
    }
    // One of them may be 0.
    let elements = shape.iter().fold(1_usize, |n, d| n.saturating_mul(*d));
    let (least, count) = integers(ty, range);
    let mut random = Random(match how {
        Fill::Random { seed } => seed ^ fnv(name),
        _ => 0,
    });
    let mut real = |n: usize| match how {
        Fill::Random { .. } => random.real(),
        Fill::Zeros => 0.0,
        Fill::Ones => 1.0,
        Fill::Ramp => 2.0 * n as f64 / elements as f64 - 1.0,
    };
    macro_rules! reals {
        ($convert:expr) => {
            (0..elements).flat_map(|n| $convert(real(n)).to_le_bytes()).collect()
        };
    }
    let data: Vec<u8> = match ty {
        ElementType::Float32 => reals!(|x| x as f32),
        ElementType::Float64 => reals!(|x: f64| x),
        ElementType::Float16 => reals!(half::f16::from_f64),
        ElementType::BFloat16 => reals!(half::bf16::from_f64),
        ElementType::String
        | ElementType::Resource
        | ElementType::Variant
        | ElementType::Complex64
        | ElementType::Complex128
        | ElementType::Float8E4M3Fn
        | ElementType::Float8E5M2 => return Err(Unfillable::NoNumbers),
        _ => {
            let integers = (0..elements).map(|n| match how {
                Fill::Random { .. } => least + random.below(count),
                Fill::Zeros => 0,
                Fill::Ones => 1,
                Fill::Ramp => least + (n as u128 % count) as i128,
            });
            pack(ty, integers).ok_or(Unfillable::NoNumbers)?
        }
    };
    Ok(Value { ty, shape: shape.to_vec(), data })
}

/// The least integer of a range and how many there are.
fn integers(ty: ElementType, range: Range) -> (i128, u128) {
    let bits = ty.bits().unwrap_or(8).min(64);
    let signed = matches!(
        ty,
        ElementType::Int2
            | ElementType::Int4
            | ElementType::Int8
            | ElementType::Int16
            | ElementType::Int32
            | ElementType::Int64
    );
    let positive = 1_u128 << if signed { bits - 1 } else { bits };
    match range {
        _ if ty == ElementType::Bool => (0, 2),
        Range::Bits => (0, 2.min(positive)),
        Range::Below(n) => (0, u128::from(n).clamp(1, positive)),
        Range::All if signed => (-(1_i128 << (bits - 1)), 1 << bits),
        Range::All => (0, 1 << bits),
    }
}

/// Little-endian bytes, with sub-byte types packed from the low bits up.
fn pack(ty: ElementType, integers: impl Iterator<Item = i128>) -> Option<Vec<u8>> {
    let bits = ty.bits()?;
    if bits >= 8 {
        let bytes = bits as usize / 8;
        return Some(integers.flat_map(|x| x.to_le_bytes().into_iter().take(bytes)).collect());
    }
    let mut packed = Vec::new();
    for (n, x) in integers.enumerate() {
        let shift = n as u32 * bits % 8;
        if shift == 0 {
            packed.push(0);
        }
        *packed.last_mut()? |= ((x & ((1 << bits) - 1)) as u8) << shift;
    }
    Some(packed)
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn real(&mut self) -> f64 {
        2.0 * (self.next() >> 11) as f64 * f64::EPSILON / 2.0 - 1.0
    }

    fn below(&mut self, count: u128) -> i128 {
        // `count` is at most 2⁶⁴, so the product fits.
        match u64::try_from(count) {
            Ok(count) => ((u128::from(self.next()) * u128::from(count)) >> 64) as i128,
            Err(_) => i128::from(self.next()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(ty: ElementType, how: Fill, range: Range) -> Vec<f64> {
        fill("x", ty, &[1000], how, range).unwrap().numbers().unwrap()
    }

    #[test]
    fn random_floats_fill_their_range_and_hang_on_seed_and_name() {
        let x = numbers(ElementType::Float32, Fill::Random { seed: 1 }, Range::Bits);
        assert!(x.iter().all(|x| (-1.0..1.0).contains(x)));
        assert!(x.iter().sum::<f64>().abs() < 60.0, "the mean is near 0");
        assert!(x.iter().any(|x| *x < -0.98) && x.iter().any(|x| *x > 0.98));
        assert_eq!(x, numbers(ElementType::Float32, Fill::Random { seed: 1 }, Range::Bits));
        assert_ne!(x, numbers(ElementType::Float32, Fill::Random { seed: 2 }, Range::Bits));
        let other = fill("y", ElementType::Float32, &[1000], Fill::Random { seed: 1 }, Range::Bits);
        assert_ne!(x, other.unwrap().numbers().unwrap());
    }

    #[test]
    fn the_first_random_numbers_are_these_on_every_machine() {
        let mut random = Random(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(fnv("a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn integers_stay_in_their_range() {
        let seed = Fill::Random { seed: 3 };
        let bits = numbers(ElementType::Int32, seed, Range::Bits);
        assert!(bits.iter().all(|x| *x == 0.0 || *x == 1.0) && bits.contains(&1.0));
        let ids = numbers(ElementType::Int64, seed, Range::Below(10));
        assert!((0..10).all(|id| ids.contains(&f64::from(id))), "every id comes up");
        assert!(ids.iter().all(|x| (0.0..10.0).contains(x)));
        let codes = numbers(ElementType::Int8, seed, Range::All);
        assert!(codes.iter().any(|x| *x < -100.0) && codes.iter().any(|x| *x > 100.0));
        // No id beyond what the type can say.
        let ids = numbers(ElementType::Int8, seed, Range::Below(1000));
        assert!(ids.iter().all(|x| (0.0..128.0).contains(x)));
        let flags = numbers(ElementType::Bool, seed, Range::All);
        assert!(flags.iter().all(|x| *x == 0.0 || *x == 1.0));
    }

    #[test]
    fn ramps_zeros_and_ones() {
        let ramp = numbers(ElementType::Float32, Fill::Ramp, Range::Bits);
        assert_eq!((ramp[0], ramp[500]), (-1.0, 0.0));
        let ids = fill("x", ElementType::Int32, &[5], Fill::Ramp, Range::Below(3)).unwrap();
        assert_eq!(ids.numbers().unwrap(), [0.0, 1.0, 2.0, 0.0, 1.0]);
        assert_eq!(numbers(ElementType::UInt8, Fill::Ones, Range::All), vec![1.0; 1000]);
        assert_eq!(numbers(ElementType::Float16, Fill::Zeros, Range::All), vec![0.0; 1000]);
    }

    #[test]
    fn sub_byte_types_are_packed_and_strings_cannot_be_made() {
        let codes = fill("x", ElementType::Int4, &[3], Fill::Ramp, Range::All).unwrap();
        assert_eq!(codes.data, [0x98, 0x0a]);
        let strings = fill("x", ElementType::String, &[1], Fill::Zeros, Range::Bits);
        assert_eq!(strings, Err(Unfillable::NoNumbers));
    }

    #[test]
    fn what_is_too_large_is_not_begun() {
        let filled =
            |shape: &[usize]| fill("x", ElementType::Float32, shape, Fill::Ones, Range::Bits);
        for shape in
            [&[1 << 20, 1 << 18][..], &[1 << 29, 2], &[usize::MAX, usize::MAX], &[usize::MAX]]
        {
            assert_eq!(filled(shape), Err(Unfillable::TooLarge), "{shape:?}");
        }
        let empty = filled(&[0, usize::MAX]).unwrap();
        assert!(empty.data.is_empty());
    }
}
