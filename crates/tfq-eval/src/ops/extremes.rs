//! The greater and the lesser of two, as C has them.

/// C's `std::max`, which keeps its first argument where the other is no number.
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a < b { b } else { a }
}

/// C's `std::min`.
pub(crate) fn smaller(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}
