//! Pairs of elements, after broadcasting.

use crate::call::{Call, Made};
use crate::element::Element;
use crate::walk::{Walk, broadcast_steps};

/// What a function gives for each pair.
pub(crate) fn pairs<T: Element, U: Element>(call: &Call<'_>, function: impl Fn(T, T) -> U) -> Made {
    call.same_types(&[0, 1])?;
    let (a, b, shape) = (call.operand(0)?, call.operand(1)?, call.shape(0)?);
    let (left, right) = (a.view::<T>(), b.view::<T>());
    if a.shape() == b.shape() {
        return call.made_of(left.iter().zip(right.iter()).map(|(a, b)| function(a, b)));
    }
    let steps = [a, b].map(|x| broadcast_steps(x.shape(), shape));
    let places = Walk::new(shape, [0; 2], steps);
    call.made_of(places.map(|[a, b]| function(left.at(a), right.at(b))))
}
