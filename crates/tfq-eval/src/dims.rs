//! Sizes of dimensions.

use smallvec::SmallVec;

/// Sizes of dimensions.
pub type Dims = SmallVec<[usize; 6]>;

/// How many elements there are, where that can be counted, also of the axes beside an empty one.
pub(crate) fn count(dims: &[usize]) -> Option<u64> {
    let most = 1_u64 << 40;
    let most_of_each = |all: u64, dim: &usize| all.checked_mul((*dim as u64).max(1));
    dims.iter().try_fold(1, most_of_each).filter(|all| *all <= most)?;
    Some(dims.iter().map(|dim| *dim as u64).product())
}
