//! How alike two values are.

use crate::value::Value;
use serde::Serialize;
use std::fmt;

/// How a value differs from what it should be. Elements that are not finite in both are left
/// out of the sums where they are equal, and otherwise counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Signal-to-noise ratio in decibels: `10·log10(Σx² / Σ(x−y)²)`. Infinite where nothing
    /// differs (`null` in JSON), and 0 where the noise is as strong as the signal.
    pub snr_db: f64,
    /// Cosine of the angle between the values; 1 where nothing differs.
    pub cosine: f64,
    /// The largest difference of two elements.
    pub max_abs: f64,
    /// How many elements differ at all.
    pub differing: usize,
    /// How many elements are finite in one of the two only, or infinite in other ways.
    pub not_finite: usize,
    /// How many of those are finite in what was found.
    pub finite_again: usize,
    /// How many elements there are.
    pub elements: usize,
    /// Whether they are floating-point numbers. Noise makes an integer another one, or not: what
    /// it does to the ratio says little.
    pub float: bool,
}

/// Two values that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What the one is.
    pub wanted: String,
    /// What the other is.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} became {}", self.wanted, self.found)
    }
}

impl std::error::Error for Mismatch {}

impl Difference {
    /// What became of elements that are not finite in both, if there are any.
    pub fn finiteness(&self) -> Option<&'static str> {
        match (self.not_finite, self.finite_again) {
            (0, _) => None,
            (_, 0) => Some("not finite any more"),
            (all, again) if all == again => Some("finite, and was not"),
            _ => Some("not finite in one"),
        }
    }

    /// Compares `found` with `wanted`, which must have its type and shape.
    pub fn between(wanted: &Value, found: &Value) -> Result<Self, Mismatch> {
        let mut tally = Tally::default();
        tally.add(wanted, found)?;
        Ok(tally.difference())
    }

    /// Compares numbers, taken for floating-point ones; `None` where there are not as many.
    pub fn of_numbers(wanted: &[f64], found: &[f64]) -> Option<Self> {
        let mut tally = Tally::default();
        tally.add_numbers(wanted, found).then(|| tally.difference())
    }
}

/// The sums that a [`Difference`] is worked out from, so that values may come one after the
/// other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    signal: f64,
    noise: f64,
    /// Σy², for the cosine.
    other: f64,
    product: f64,
    max_abs: f64,
    differing: usize,
    not_finite: usize,
    finite_again: usize,
    elements: usize,
    float: bool,
    /// Elements are packed or no numbers, so that there are no sums.
    opaque: bool,
}

impl Tally {
    /// Adds a pair of values, which must have the same type and shape.
    pub fn add(&mut self, wanted: &Value, found: &Value) -> Result<(), Mismatch> {
        let mismatch = || Mismatch { wanted: wanted.form(), found: found.form() };
        if wanted.ty != found.ty || wanted.shape != found.shape {
            return Err(mismatch());
        }
        let (Some(x), Some(y)) = (wanted.numbers(), found.numbers()) else {
            self.opaque = true;
            self.elements += wanted.elements();
            self.differing += wanted.data.iter().zip(&found.data).filter(|(x, y)| x != y).count();
            return Ok(());
        };
        if !self.add_numbers(&x, &y) {
            return Err(mismatch());
        }
        self.float = wanted.ty.is_float();
        Ok(())
    }

    /// Adds numbers, taken for floating-point ones; `false` where there are not as many.
    pub fn add_numbers(&mut self, wanted: &[f64], found: &[f64]) -> bool {
        if wanted.len() != found.len() {
            return false;
        }
        self.float = true;
        self.elements += wanted.len();
        for (x, y) in wanted.iter().zip(found) {
            if x == y || (x.is_nan() && y.is_nan()) {
                if x.is_finite() {
                    self.signal += x * x;
                    self.other += x * x;
                    self.product += x * x;
                }
                continue;
            }
            self.differing += 1;
            if !(x.is_finite() && y.is_finite()) {
                self.not_finite += 1;
                self.finite_again += usize::from(y.is_finite());
                continue;
            }
            let error = (x - y).abs();
            self.max_abs = self.max_abs.max(error);
            self.signal += x * x;
            self.other += y * y;
            self.product += x * y;
            self.noise += error * error;
        }
        true
    }

    /// How all that was added differs.
    pub fn difference(&self) -> Difference {
        let mut result = Difference {
            snr_db: f64::INFINITY,
            cosine: 1.0,
            max_abs: self.max_abs,
            differing: self.differing,
            not_finite: self.not_finite,
            finite_again: self.finite_again,
            elements: self.elements,
            float: self.float,
        };
        if self.not_finite > 0 {
            // A number that became none is no small noise.
            result.snr_db = f64::NEG_INFINITY;
            result.cosine = 0.0;
            result.max_abs = f64::INFINITY;
        } else if self.opaque && self.differing > 0 {
            result.snr_db = 0.0;
        } else if self.noise > 0.0 {
            result.snr_db = 10.0 * (self.signal / self.noise).max(1e-30).log10();
            let norm = (self.signal * self.other).sqrt();
            result.cosine = if norm > 0.0 { self.product / norm } else { 0.0 };
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfq_ir::ElementType;

    fn floats(x: &[f32]) -> Value {
        let data = x.iter().flat_map(|x| x.to_le_bytes()).collect();
        Value { ty: ElementType::Float32, shape: vec![x.len()], data }
    }

    fn between(x: &[f32], y: &[f32]) -> Difference {
        Difference::between(&floats(x), &floats(y)).unwrap()
    }

    #[test]
    fn a_tenth_of_noise_is_twenty_decibels() {
        let found = between(&[1.0, 0.0, -1.0], &[1.1, 0.0, -0.9]);
        assert!((found.snr_db - 20.0).abs() < 1e-5, "{found:?}");
        assert!((found.max_abs - 0.1).abs() < 1e-6);
        assert!((found.cosine - 2.0 / (2.0_f64 * 2.02).sqrt()).abs() < 1e-6);
        assert_eq!((found.differing, found.elements), (2, 3));
    }

    #[test]
    fn the_ratio_of_several_values_is_of_all_their_elements() {
        let mut tally = Tally::default();
        tally.add(&floats(&[3.0]), &floats(&[3.0])).unwrap();
        tally.add(&floats(&[1.0]), &floats(&[2.0])).unwrap();
        // Signal 9 + 1, noise 1; the mean of both ratios would be infinite.
        let found = tally.difference();
        assert!((found.snr_db - 10.0).abs() < 1e-9, "{found:?}");
        assert_eq!((found.differing, found.elements), (1, 2));
        assert!(tally.add(&floats(&[1.0]), &floats(&[1.0, 1.0])).is_err());
    }

    #[test]
    fn equal_values_have_no_noise() {
        let found = between(&[1.0, f32::NAN, f32::INFINITY], &[1.0, f32::NAN, f32::INFINITY]);
        assert_eq!((found.snr_db, found.cosine, found.differing), (f64::INFINITY, 1.0, 0));
        assert_eq!(between(&[], &[]).snr_db, f64::INFINITY);
    }

    #[test]
    fn what_became_not_finite_is_the_worst() {
        let found = between(&[1.0, 2.0], &[1.0, f32::NAN]);
        assert_eq!((found.snr_db, found.not_finite), (f64::NEG_INFINITY, 1));
        assert_eq!(between(&[0.0, 0.0], &[1.0, 0.0]).cosine, 0.0);
    }

    #[test]
    fn other_types_and_shapes_cannot_be_compared() {
        let error = Difference::between(&floats(&[1.0]), &floats(&[1.0, 2.0])).unwrap_err();
        assert_eq!(error.to_string(), "FLOAT32[1] became FLOAT32[2]");
        assert!(Difference::of_numbers(&[1.0], &[]).is_none());
    }

    #[test]
    fn packed_elements_are_compared_as_bytes() {
        let value = |data| Value { ty: ElementType::Int4, shape: vec![2], data: vec![data] };
        let found = Difference::between(&value(0x21), &value(0x31)).unwrap();
        assert_eq!((found.differing, found.elements, found.float), (1, 2, false));
    }
}
