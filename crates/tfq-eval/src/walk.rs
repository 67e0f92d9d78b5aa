//! Walking over the elements of tensors.

use crate::dims::Dims;
use smallvec::SmallVec;

/// How far apart neighbours along each axis are, in elements.
pub(crate) type Steps = SmallVec<[i64; 6]>;

/// The steps of a tensor of this shape.
pub(crate) fn steps(shape: &[usize]) -> Steps {
    let mut steps: Steps = SmallVec::from_elem(1, shape.len());
    for n in (1..shape.len()).rev() {
        steps[n - 1] = steps[n].saturating_mul(shape[n] as i64);
    }
    steps
}

/// The steps of a tensor that is broadcast to a shape with which it goes.
pub(crate) fn broadcast_steps(shape: &[usize], to: &[usize]) -> Steps {
    let mine = steps(shape);
    let missing = to.len().saturating_sub(shape.len());
    (0..to.len())
        .map(|n| match n.checked_sub(missing) {
            Some(n) if shape[n] != 1 => mine[n],
            _ => 0,
        })
        .collect()
}

/// Where the elements of a row-major walk over `dims` lie in `N` tensors.
pub(crate) struct Walk<const N: usize> {
    dims: Dims,
    steps: [Steps; N],
    index: Dims,
    at: [i64; N],
    left: usize,
}

impl<const N: usize> Walk<N> {
    pub(crate) fn new(dims: &[usize], from: [i64; N], steps: [Steps; N]) -> Self {
        debug_assert!(steps.iter().all(|steps| steps.len() == dims.len()));
        let left = dims.iter().product();
        Self { dims: dims.into(), steps, index: SmallVec::from_elem(0, dims.len()), at: from, left }
    }
}

impl<const N: usize> Iterator for Walk<N> {
    type Item = [usize; N];

    #[inline]
    fn next(&mut self) -> Option<[usize; N]> {
        self.left = self.left.checked_sub(1)?;
        let now = self.at.map(|at| at as usize);
        for n in (0..self.dims.len()).rev() {
            self.index[n] += 1;
            for (at, steps) in self.at.iter_mut().zip(&self.steps) {
                *at += steps[n];
            }
            if self.index[n] < self.dims[n] {
                break;
            }
            for (at, steps) in self.at.iter_mut().zip(&self.steps) {
                *at -= steps[n] * self.dims[n] as i64;
            }
            self.index[n] = 0;
        }
        Some(now)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<const N: usize> ExactSizeIterator for Walk<N> {}

/// The product of sizes.
pub(crate) fn product(dims: &[usize]) -> usize {
    dims.iter().product()
}

/// Calls back with each index of a row-major walk over `dims`.
pub(crate) fn each_index(dims: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut index: Dims = SmallVec::from_elem(0, dims.len());
    for _ in 0..product(dims) {
        visit(&index);
        for n in (0..dims.len()).rev() {
            index[n] += 1;
            if index[n] < dims[n] {
                break;
            }
            index[n] = 0;
        }
    }
}
