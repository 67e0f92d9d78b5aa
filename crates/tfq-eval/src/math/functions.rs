//! Functions that no machine rounds exactly, by a library that is all in Rust, so that every machine
//! gives the same bits. The runtime calls those of the system's C library, which differ between its
//! releases: nothing here could be bit-equal to all. Of float64 rounded and float32 each function
//! has the one that glibc's is nearer to (`docs/evaluation.md` has the figures).

macro_rules! rounded {
    ($($name:ident)*) => {$(
        pub(crate) fn $name(x: f32) -> f32 {
            libm::$name(f64::from(x)) as f32
        }
    )*};
}

rounded!(exp log sin cos);

pub(crate) use libm::{atan2f as atan2, erfcf as erfc, expm1f as expm1, tanhf as tanh};

pub(crate) fn pow(x: f32, y: f32) -> f32 {
    libm::pow(x.into(), y.into()) as f32
}

/// 1 / (1 + e⁻ˣ) as the float32 kernel computes it: of great numbers 1, of small ones eˣ.
pub(crate) fn cut_logistic(x: f32) -> f32 {
    match x {
        x if x > 16.619_047 => 1.0,
        x if x < -9.0 => exp(x),
        x => logistic(x),
    }
}

/// 1 / (1 + e⁻ˣ), as tables of codes have it.
pub(crate) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}
