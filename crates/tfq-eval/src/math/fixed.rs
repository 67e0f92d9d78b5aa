//! Fixed-point arithmetic of quantised kernels: a real factor becomes a 32-bit number and a shift,
//! and a product is rounded twice.

/// A real factor as a kernel multiplies by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Multiplier {
    pub(crate) number: i32,
    /// To the left; to the right where it is negative.
    pub(crate) shift: i32,
}

impl Multiplier {
    /// Of a factor that is finite and not negative; others give nothing, and so does one whose
    /// shift is to the left by more than 30 bits.
    pub(crate) fn of(factor: f64) -> Option<Self> {
        if factor == 0.0 {
            return Some(Self { number: 0, shift: 0 });
        }
        if !factor.is_finite() || factor < 0.0 {
            return None;
        }
        let (fraction, mut shift) = libm::frexp(factor);
        let mut number = (fraction * f64::from(1_u32 << 31)).round() as i64;
        if number == 1 << 31 {
            number /= 2;
            shift += 1;
        }
        // All bits would be shifted out.
        if shift < -31 {
            return Some(Self { number: 0, shift: 0 });
        }
        (shift <= 30).then_some(Self { number: number as i32, shift })
    }

    /// Of a factor above 0 and below 1, as kernels that only shift to the right ask for.
    pub(crate) fn below_one(factor: f64) -> Option<Self> {
        Self::of(factor).filter(|m| factor > 0.0 && factor < 1.0 && m.shift <= 0)
    }

    pub(crate) fn times(self, x: i32) -> i32 {
        let (left, right) = (self.shift.max(0), (-self.shift).max(0));
        rounding_shift(doubling_high_product(x.wrapping_shl(left as u32), self.number), right)
    }

    /// Of a sum of 64 bits, by the upper half of the number, rounded once.
    pub(crate) fn times_wide(self, x: i64) -> i32 {
        let number =
            if self.number < 0x7fff_0000 { (self.number + (1 << 15)) >> 16 } else { 0x7fff };
        let shift = 15 - self.shift;
        let product = x.wrapping_mul(number.into());
        (product.wrapping_add(1 << (shift - 1)) >> shift) as i32
    }
}

/// The upper half of twice the product, rounded to nearest, halves away from zero.
pub(crate) fn doubling_high_product(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1_i64 << 31)) as i32
}

/// The same of 16 bits.
pub(crate) fn doubling_high_product_16(a: i16, b: i16) -> i16 {
    if a == i16::MIN && b == i16::MIN {
        return i16::MAX;
    }
    let product = i32::from(a) * i32::from(b);
    let nudge = if product >= 0 { 1 << 14 } else { 1 - (1 << 14) };
    ((product + nudge) / (1 << 15)) as i16
}

/// Divided by a power of two, rounded to nearest, halves away from zero. Shifts are at most 31.
pub(crate) fn rounding_shift(x: i32, by: i32) -> i32 {
    debug_assert!((0..=31).contains(&by));
    let mask = ((1_i64 << by) - 1) as i32;
    let rest = x & mask;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> by) + i32::from(rest > threshold)
}

/// 1 / (1 + x) of an x in [0, 1], both with 31 bits behind the point: three steps of Newton's from
/// a line.
pub(crate) fn one_over_one_plus(x: i32) -> i32 {
    // Half of 1 + x, and of the steps numbers with two bits before the point.
    let half = half_sum(x, i32::MAX);
    const FORTY_EIGHT_17THS: i32 = 1_515_870_810;
    const MINUS_32_17THS: i32 = -1_010_580_540;
    const ONE: i32 = 1 << 29;
    let mut y = FORTY_EIGHT_17THS.wrapping_add(doubling_high_product(half, MINUS_32_17THS));
    for _ in 0..3 {
        let error = ONE.wrapping_sub(doubling_high_product(half, y));
        let product = doubling_high_product(y, error);
        y = y.wrapping_add(saturating_shift(product, 2));
    }
    saturating_shift(y, 1)
}

/// Half of a sum, rounded away from zero.
pub(crate) fn half_sum(a: i32, b: i32) -> i32 {
    let sum = i64::from(a) + i64::from(b);
    let sign = if sum >= 0 { 1 } else { -1 };
    ((sum + sign) / 2) as i32
}

/// To the left by `by` bits, or to the ends of the range.
pub(crate) fn saturating_shift(x: i32, by: u32) -> i32 {
    let wide = i64::from(x) << by;
    wide.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// The exponent of 2 nearest to the logarithm of a scale, and whether it is (nearly) one.
pub(crate) fn log2_of(scale: f32) -> (i32, bool) {
    let log = libm::log(f64::from(scale)) * std::f64::consts::LOG2_E;
    let log = log as f32;
    let rounded = log.round();
    (rounded as i32, (log - rounded).abs() < 1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_numbers_of_31_bits_and_a_shift() {
        assert_eq!(Multiplier::of(0.5), Some(Multiplier { number: 1 << 30, shift: 0 }));
        assert_eq!(Multiplier::of(1.0), Some(Multiplier { number: 1 << 30, shift: 1 }));
        assert_eq!(Multiplier::of(0.0), Some(Multiplier { number: 0, shift: 0 }));
        assert_eq!(Multiplier::of(1e-12), Some(Multiplier { number: 0, shift: 0 }));
        assert_eq!(Multiplier::of(f64::NAN), None);
        assert_eq!(Multiplier::of(1e30), None);
        // All ones round up to the next power of two.
        let below = 1.0 - f64::EPSILON / 2.0;
        assert_eq!(Multiplier::of(below), Some(Multiplier { number: 1 << 30, shift: 1 }));
    }

    #[test]
    fn halves_go_away_from_zero_in_each_of_two_roundings() {
        let half = Multiplier::of(0.5).unwrap();
        let halves: Vec<i32> = [-3, -2, -1, 1, 2, 3].map(|x| half.times(x)).into();
        // The product rounds a negative half up, the division would have rounded it down.
        assert_eq!(halves, [-1, -1, 0, 1, 1, 2]);
        assert_eq!([-3, -1, 1, 3].map(|x| rounding_shift(x, 1)), [-2, -1, 1, 2]);
        assert_eq!(doubling_high_product(i32::MIN, i32::MIN), i32::MAX);
    }

    #[test]
    fn a_reciprocal_is_near() {
        for x in [0.0, 0.25, 0.5, 0.999] {
            let fixed = one_over_one_plus((x * 2f64.powi(31)) as i32);
            let real = f64::from(fixed) / 2f64.powi(31);
            assert!((real - 1.0 / (1.0 + x)).abs() < 1e-7, "{x}: {real}");
        }
    }
}
