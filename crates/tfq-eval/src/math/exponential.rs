//! Powers of e in fixed point, as quantised kernels compute them.

use super::fixed::{doubling_high_product, rounding_shift, saturating_shift};

/// So many bits of what [`exp_of_negative`] reads stand before the point, one for the sign aside.
pub(crate) const BITS_BEFORE: i32 = 5;
const BITS_BEHIND: i32 = 31 - BITS_BEFORE;

/// A number between 0 and 1 with 31 bits behind the point.
fn fixed(x: f64) -> i32 {
    (x * f64::from(1_u32 << 31)).round() as i32
}

/// e to a number that is not positive and has 26 bits behind the point; the result has 31.
pub(crate) fn exp_of_negative(x: i32) -> i32 {
    if x == 0 {
        return i32::MAX;
    }
    const QUARTER: i32 = 1 << (BITS_BEHIND - 2);
    // What is left of quarters, in [-1/4, 0), and how many quarters went.
    let rest = (x & (QUARTER - 1)) - QUARTER;
    let quarters = rest.wrapping_sub(x);
    let mut result = exp_of_quarter(saturating_shift(rest, BITS_BEFORE as u32));
    for exponent in -2..BITS_BEFORE {
        if quarters & 1 << (BITS_BEHIND + exponent) != 0 {
            let factor = fixed(libm::exp(-libm::exp2(exponent.into())));
            result = doubling_high_product(result, factor);
        }
    }
    result
}

/// Of a number in [-1/4, 0): four terms of the series about -1/8.
fn exp_of_quarter(x: i32) -> i32 {
    let middle = fixed(libm::exp(-0.125));
    let third = fixed(1.0 / 3.0);
    let x = x.wrapping_add(1 << 28);
    let square = doubling_high_product(x, x);
    let cube = doubling_high_product(square, x);
    let fourth = rounding_shift(doubling_high_product(square, square), 2);
    let sum = doubling_high_product(fourth.wrapping_add(cube), third).wrapping_add(square);
    let series = x.wrapping_add(rounding_shift(sum, 1));
    middle.saturating_add(doubling_high_product(middle, series))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_near() {
        for n in 0..=60 {
            let x = -0.25 * f64::from(n) - 0.01;
            let power = exp_of_negative((x * f64::from(1 << BITS_BEHIND)) as i32);
            let real = f64::from(power) / 2_f64.powi(31);
            assert!((real - x.exp()).abs() < 1e-6, "{x}: {real}");
        }
        assert_eq!(exp_of_negative(0), i32::MAX);
    }

    /// These stand in gemmlowp's tables.
    #[test]
    fn factors_are_rounded_to_nearest() {
        assert_eq!(fixed((-0.25_f64).exp()), 1_672_461_947);
        assert_eq!(fixed((-0.125_f64).exp()), 1_895_147_668);
        assert_eq!(fixed((-16.0_f64).exp()), 242);
    }
}
