//! 1 / √x of integers in fixed point.

use super::fixed::{Multiplier, doubling_high_product, rounding_shift, saturating_shift};

/// The factor that stands for 1 / √x: five of Newton's steps from 1.
pub(crate) fn inverse_root(x: i32) -> Multiplier {
    if x <= 1 {
        return Multiplier { number: i32::MAX, shift: 0 };
    }
    let (mut x, mut shift) = (x, 11);
    while x >= 1 << 29 {
        x /= 4;
        shift += 1;
    }
    let pairs = (x.leading_zeros() as i32 - 1) / 2 - 1;
    shift -= pairs;
    x <<= 2 * pairs;
    // Numbers with three bits before the point; products have as many as both factors.
    let half = rounding_shift(x >> 1, 1);
    const THREE_HALVES: i32 = (1 << 28) + (1 << 27);
    let mut root: i32 = 1 << 28;
    for _ in 0..5 {
        let square = doubling_high_product(root, root);
        let cube = saturating_shift(doubling_high_product(square, root), 6);
        let first = doubling_high_product(THREE_HALVES, root);
        let second = doubling_high_product(half, cube);
        root = saturating_shift(first.wrapping_sub(second), 3);
    }
    // 1/√2 with 31 bits behind the point.
    const HALF_ROOT_2: i32 = 1_518_500_250;
    root = doubling_high_product(root, HALF_ROOT_2);
    if shift < 0 {
        root = root.wrapping_shl(-shift as u32);
        shift = 0;
    }
    Multiplier { number: root, shift: -shift }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_near() {
        for x in [2, 3, 17, 255, 65_025, 1 << 20, 1 << 29, i32::MAX] {
            let of = inverse_root(x);
            let real = f64::from(of.number) / 2_f64.powi(31) * 2_f64.powi(of.shift);
            let exact = 1.0 / f64::from(x).sqrt();
            assert!((real / exact - 1.0).abs() < 1e-3, "{x}: {real} {exact}");
        }
    }
}
