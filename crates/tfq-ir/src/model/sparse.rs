//! What a sparse constant stands for.

use super::tensor::{DimensionMetadata, SparseIndex, Sparsity};

/// Kernels take no more dimensions.
const MOST_DIMENSIONS: usize = 8;
/// The schema's `DimensionType`.
const DENSE: i8 = 0;
const COMPRESSED: i8 = 1;

impl Sparsity {
    /// All elements of a tensor of this shape, of so many bytes each: those that are stored, and 0
    /// in the place of the others. `None` where the lists do not describe such a tensor.
    pub fn to_dense(&self, shape: &[i32], width: usize, stored: &[u8]) -> Option<Vec<u8>> {
        let levels = Levels::new(self, shape)?;
        let elements = levels.sizes.iter().try_fold(1_usize, |n, dim| n.checked_mul(*dim))?;
        let mut dense = vec![0; elements.checked_mul(width)?];
        levels.walk(0, 0, 0, &mut |at, from| {
            let value = stored.get(from * width..(from + 1) * width)?;
            dense[at * width..(at + 1) * width].copy_from_slice(value);
            Some(())
        })?;
        Some(dense)
    }

    /// How many bytes its lists of numbers take.
    pub fn byte_len(&self) -> u64 {
        let dims = self.dim_metadata.iter();
        let dims = dims.map(|dim| dim.array_segments.byte_len() + dim.array_indices.byte_len());
        4 * (self.traversal_order.len() + self.block_map.len()) as u64 + dims.sum::<u64>()
    }
}

impl SparseIndex {
    fn byte_len(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Int32(list) => 4 * list.len() as u64,
            Self::Uint16(list) => 2 * list.len() as u64,
            Self::Uint8(list) => list.len() as u64,
        }
    }

    fn get(&self, at: usize) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Int32(list) => usize::try_from(*list.get(at)?).ok(),
            Self::Uint16(list) => list.get(at).map(|n| usize::from(*n)),
            Self::Uint8(list) => list.get(at).map(|n| usize::from(*n)),
        }
    }
}

/// The dimensions of a sparse tensor as its order goes through them.
struct Levels<'a> {
    dims: &'a [DimensionMetadata],
    /// How many indices each has.
    sizes: Vec<usize>,
    /// How far apart elements are that differ by one index.
    strides: Vec<usize>,
}

impl<'a> Levels<'a> {
    fn new(sparsity: &'a Sparsity, shape: &[i32]) -> Option<Self> {
        let rank = shape.len();
        let shape: Vec<usize> =
            shape.iter().map(|d| usize::try_from(*d).ok()).collect::<Option<_>>()?;
        let (order, dims) = (&sparsity.traversal_order, &sparsity.dim_metadata);
        let levels = rank + sparsity.block_map.len();
        if rank > MOST_DIMENSIONS
            || order.len() != levels
            || dims.len() != levels
            || levels > 2 * rank
        {
            return None;
        }
        let order: Vec<usize> =
            order.iter().map(|d| usize::try_from(*d).ok()).collect::<Option<_>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        // Blocks come behind the dimensions that they are blocks of.
        if !sorted.iter().copied().eq(0..levels) || order[..rank].iter().any(|dim| *dim >= rank) {
            return None;
        }
        let mut blocks = vec![1_usize; rank];
        for (dim, level) in order.iter().zip(dims).skip(rank) {
            let of = usize::try_from(sparsity.block_map[dim - rank]).ok()?;
            let size = usize::try_from(level.dense_size).ok().filter(|size| *size > 0)?;
            let block = blocks.get_mut(of).filter(|block| **block == 1)?;
            if level.format != DENSE || !shape[of].is_multiple_of(size) {
                return None;
            }
            *block = size;
        }
        let mut apart = vec![1_usize; rank];
        for dim in (1..rank).rev() {
            apart[dim - 1] = apart[dim].checked_mul(shape[dim])?;
        }
        let (mut sizes, mut strides) = (Vec::new(), Vec::new());
        for dim in order {
            let (size, stride) = match dim.checked_sub(rank) {
                None => (shape[dim] / blocks[dim], apart[dim].checked_mul(blocks[dim])?),
                Some(block) => {
                    let of = sparsity.block_map[block] as usize;
                    (blocks[of], apart[of])
                }
            };
            sizes.push(size);
            strides.push(stride);
        }
        let fits = |(level, size): (&DimensionMetadata, &usize)| {
            level.format == COMPRESSED || usize::try_from(level.dense_size) == Ok(*size)
        };
        dims.iter().zip(&sizes).all(fits).then_some(Self { dims, sizes, strides })
    }

    /// Calls `each` with the place of every element that is stored, and its number among these.
    fn walk(
        &self,
        level: usize,
        number: usize,
        at: usize,
        each: &mut impl FnMut(usize, usize) -> Option<()>,
    ) -> Option<()> {
        let Some(dim) = self.dims.get(level) else { return each(at, number) };
        let (size, stride) = (self.sizes[level], self.strides[level]);
        match dim.format {
            DENSE => (0..size).try_for_each(|index| {
                self.walk(level + 1, number * size + index, at + index * stride, each)
            }),
            COMPRESSED => {
                let (from, to) =
                    (dim.array_segments.get(number)?, dim.array_segments.get(number + 1)?);
                // Lists that go back would be gone through many times.
                if from > to || number == 0 && from != 0 {
                    return None;
                }
                (from..to).try_for_each(|entry| {
                    let index = dim.array_indices.get(entry).filter(|index| *index < size)?;
                    self.walk(level + 1, entry, at + index * stride, each)
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(size: i32) -> DimensionMetadata {
        DimensionMetadata { format: DENSE, dense_size: size, ..Default::default() }
    }

    fn compressed(segments: &[u8], indices: &[u8]) -> DimensionMetadata {
        DimensionMetadata {
            format: COMPRESSED,
            array_segments: SparseIndex::Uint8(segments.to_vec()),
            array_indices: SparseIndex::Uint8(indices.to_vec()),
            ..Default::default()
        }
    }

    fn rows() -> Sparsity {
        Sparsity {
            traversal_order: vec![0, 1],
            block_map: vec![],
            dim_metadata: vec![dense(2), compressed(&[0, 1, 3], &[2, 0, 1])],
        }
    }

    #[test]
    fn rows_of_single_elements() {
        assert_eq!(rows().to_dense(&[2, 3], 1, &[7, 8, 9]).unwrap(), [0, 0, 7, 8, 9, 0]);
        assert_eq!(
            rows().to_dense(&[2, 3], 2, &[7, 1, 8, 1, 9, 1]).unwrap(),
            [0, 0, 0, 0, 7, 1, 8, 1, 9, 1, 0, 0]
        );
        assert_eq!(rows().byte_len(), 8 + 3 + 3);
    }

    #[test]
    fn blocks_in_both_dimensions() {
        let sparsity = Sparsity {
            traversal_order: vec![0, 1, 2, 3],
            block_map: vec![0, 1],
            dim_metadata: vec![dense(2), compressed(&[0, 1, 2], &[0, 1]), dense(2), dense(2)],
        };
        let all = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(
            sparsity.to_dense(&[4, 4], 1, &all).unwrap(),
            [1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 5, 6, 0, 0, 7, 8]
        );
    }

    #[test]
    fn columns_first() {
        let sparsity = Sparsity {
            traversal_order: vec![1, 0],
            block_map: vec![],
            dim_metadata: vec![dense(3), compressed(&[0, 1, 1, 2], &[1, 0])],
        };
        assert_eq!(sparsity.to_dense(&[2, 3], 1, &[5, 6]).unwrap(), [0, 0, 6, 5, 0, 0]);
    }

    #[test]
    fn what_describes_no_tensor_is_refused() {
        let refused = |change: &dyn Fn(&mut Sparsity)| {
            let mut sparsity = rows();
            change(&mut sparsity);
            assert_eq!(sparsity.to_dense(&[2, 3], 1, &[7, 8, 9]), None);
        };
        assert_eq!(rows().to_dense(&[2, 3], 1, &[7, 8]), None);
        assert_eq!(rows().to_dense(&[2, 2], 1, &[7, 8, 9]), None);
        assert_eq!(rows().to_dense(&[3, 3], 1, &[7, 8, 9]), None);
        assert_eq!(rows().to_dense(&[-2, 3], 1, &[7, 8, 9]), None);
        refused(&|s| s.traversal_order = vec![0, 0]);
        refused(&|s| s.traversal_order = vec![0, -1]);
        refused(&|s| s.dim_metadata[1].format = 2);
        refused(&|s| s.dim_metadata[1] = compressed(&[0, 3, 1], &[2, 0, 1]));
        refused(&|s| s.dim_metadata[1] = compressed(&[1, 2, 3], &[2, 0, 1]));
        refused(&|s| s.dim_metadata[1] = compressed(&[0, 1], &[2, 0, 1]));
        refused(&|s| s.block_map = vec![0]);
        refused(&|s| drop(s.dim_metadata.pop()));
    }
}
