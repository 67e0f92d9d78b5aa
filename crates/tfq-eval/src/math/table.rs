//! Functions of quantised numbers, by tables.

use crate::value::Affine;

/// What a function gives for each code of 8 bits, in their order from the least.
pub(crate) fn of_8_bits(
    from: Affine,
    to: Affine,
    codes: std::ops::RangeInclusive<i32>,
    function: impl Fn(f32) -> f32,
) -> Vec<i32> {
    let (least, greatest) = (*codes.start(), *codes.end());
    let inverse = 1.0 / to.scale;
    let entry = |code: i32| {
        let real = from.scale * (code - from.zero_point) as f32;
        let scaled = (function(real) * inverse).round();
        to_int(scaled + to.zero_point as f32).min(greatest).max(least)
    };
    codes.map(entry).collect()
}

/// The conversion of x86: what does not fit, and NaN, becomes the smallest integer.
pub(crate) fn to_int(x: f32) -> i32 {
    if (-2_147_483_648.0..2_147_483_648.0).contains(&x) { x as i32 } else { i32::MIN }
}

/// 512 pieces of a line for codes of 16 bits.
pub(crate) struct Lines(Vec<i16>);

/// The arithmetic in which a table is made.
macro_rules! lines {
    ($name:ident, $ty:ty) => {
        /// Scales and zero points of what it reads and gives.
        pub(crate) fn $name(
            (scale_in, point_in): ($ty, i32),
            (scale_out, point_out): ($ty, i32),
            function: impl Fn($ty) -> $ty,
        ) -> Self {
            let (least, greatest) = (i32::from(i16::MIN), i32::from(i16::MAX));
            let [from, last] = [least, greatest].map(|c| scale_in * (c - point_in) as $ty);
            let [low, high] = [least, greatest].map(|c| scale_out * (c - point_out) as $ty);
            const PIECES: i32 = 512;
            let step = (last - from) / PIECES as $ty;
            let half = step / 2.0;
            let inverse = (greatest - least + 1) as $ty / (high - low);
            // As C has it, NaN stays, and becomes the low half of the smallest integer.
            let clamp = |x: $ty| {
                let x = if x < least as $ty { least as $ty } else { x };
                let x = if (greatest as $ty) < x { greatest as $ty } else { x };
                if x.is_nan() { 0 } else { x as i16 }
            };
            let mut table: Vec<i16> = (0..PIECES)
                .map(|n| {
                    let value = function(from + n as $ty * step);
                    let middle = function(from + n as $ty * step + half);
                    let next = function(from + (n + 1) as $ty * step);
                    let sample = (value * inverse).round();
                    let between = ((next * inverse + sample) / 2.0).round();
                    let error = between - (middle * inverse).round();
                    clamp(sample - (error / 2.0).round())
                })
                .collect();
            table.push(clamp((function(last) * inverse).round()));
            Self(table)
        }
    };
}

impl Lines {
    lines!(of_f32, f32);
    lines!(of_f64, f64);

    pub(crate) fn at(&self, code: i16) -> i16 {
        let n = (256 + (code >> 7)) as usize;
        let offset = i32::from(code & 0x7f);
        let slope = i32::from(self.0[n + 1].wrapping_sub(self.0[n]));
        (i32::from(self.0[n]) + ((slope * offset + 64) >> 7)) as i16
    }
}

/// The same from float64.
pub(crate) fn to_int_64(x: f64) -> i32 {
    if (-2_147_483_648.0..2_147_483_648.0).contains(&x) { x as i32 } else { i32::MIN }
}
