//! Of repeated measurements.

use serde::Serialize;

/// The middle of some measurements and how far they spread. Medians and quartiles, since
/// measurements of time have outliers on one side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// A quarter is below.
    pub lower: f64,
    /// Half is below.
    pub median: f64,
    /// A quarter is above.
    pub upper: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// Of any number of finite values but none. Quantiles lie between neighbours.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let quantile = |q: f64| {
            let at = q * last as f64;
            let below = sorted[at.floor() as usize];
            below + (sorted[at.ceil() as usize] - below) * at.fract()
        };
        Some(Self {
            min: sorted[0],
            lower: quantile(0.25),
            median: quantile(0.5),
            upper: quantile(0.75),
            count: sorted.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        let wanted = Spread { min: 1.0, lower: 1.75, median: 2.5, upper: 3.25, count: 4 };
        assert_eq!(spread, wanted);
    }

    #[test]
    fn an_outlier_moves_nothing() {
        let spread = Spread::of(&[1.0, 1.0, 1.0, 1.0, 100.0]).unwrap();
        assert_eq!((spread.median, spread.upper), (1.0, 1.0));
    }

    #[test]
    fn one_and_none() {
        assert_eq!(Spread::of(&[7.0]).unwrap().median, 7.0);
        assert_eq!(Spread::of(&[]), None);
    }
}
