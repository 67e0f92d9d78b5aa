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
    /// Compares `found` with `wanted`, which must have its type and shape.
    pub fn between(wanted: &Value, found: &Value) -> Result<Self, Mismatch> {
        let mismatch = || Mismatch { wanted: wanted.form(), found: found.form() };
        if wanted.ty != found.ty || wanted.shape != found.shape {
            return Err(mismatch());
        }
        let (Some(x), Some(y)) = (wanted.numbers(), found.numbers()) else {
            return Ok(Self::of_bytes(wanted, found));
        };
        let found = Self::of_numbers(&x, &y).ok_or_else(mismatch)?;
        Ok(Self { float: wanted.ty.is_float(), ..found })
    }

    /// Compares numbers, taken for floating-point ones; `None` where there are not as many.
    pub fn of_numbers(wanted: &[f64], found: &[f64]) -> Option<Self> {
        if wanted.len() != found.len() {
            return None;
        }
        let (mut signal, mut noise, mut other, mut product) = (0.0, 0.0, 0.0, 0.0);
        let mut result = Self { elements: wanted.len(), ..Self::equal(0) };
        for (x, y) in wanted.iter().zip(found) {
            if x == y || (x.is_nan() && y.is_nan()) {
                if x.is_finite() {
                    signal += x * x;
                    other += x * x;
                    product += x * x;
                }
                continue;
            }
            result.differing += 1;
            if !(x.is_finite() && y.is_finite()) {
                result.not_finite += 1;
                continue;
            }
            let error = (x - y).abs();
            result.max_abs = result.max_abs.max(error);
            signal += x * x;
            other += y * y;
            product += x * y;
            noise += error * error;
        }
        if result.not_finite > 0 {
            // A number that became none is no small noise.
            result.snr_db = f64::NEG_INFINITY;
            result.cosine = 0.0;
            result.max_abs = f64::INFINITY;
        } else if noise > 0.0 {
            result.snr_db = 10.0 * (signal / noise).max(1e-30).log10();
            let norm = (signal * other).sqrt();
            result.cosine = if norm > 0.0 { product / norm } else { 0.0 };
        }
        Some(result)
    }

    /// Of values whose elements are no numbers, or packed.
    fn of_bytes(wanted: &Value, found: &Value) -> Self {
        let differing = wanted.data.iter().zip(&found.data).filter(|(x, y)| x != y).count();
        let snr_db = if differing > 0 { 0.0 } else { f64::INFINITY };
        Self { differing, snr_db, float: false, ..Self::equal(wanted.elements()) }
    }

    fn equal(elements: usize) -> Self {
        Self {
            snr_db: f64::INFINITY,
            cosine: 1.0,
            max_abs: 0.0,
            differing: 0,
            not_finite: 0,
            elements,
            float: true,
        }
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
