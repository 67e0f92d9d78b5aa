//! Cutting work into pieces for the thread pool.
//!
//! The cut depends on the data alone, never on the number of threads, and results come back in the
//! order of the pieces: that is what makes every result here reproducible.

use rayon::prelude::*;

/// Elements in a piece: 256 KiB of float32, which stays in a core's second-level cache and takes
/// some 20 µs, long enough to hide the cost of handing it over.
pub(crate) const PIECE: usize = 64 * 1024;

/// Below this many elements everything runs on the calling thread. Waking a worker takes longer
/// than the work, and a model of many small constants would pay for that at each of them.
const MIN_PARALLEL: usize = PIECE;

pub(crate) fn worth_threads(elements: usize) -> bool {
    // A single worker would do it later than this thread does.
    elements > MIN_PARALLEL && rayon::current_num_threads() > 1
}

/// The largest multiple of `unit` elements that a piece can hold, at least one.
pub(crate) fn whole_units(unit: usize) -> usize {
    unit.max(1) * (PIECE / unit.max(1)).max(1)
}

/// Calls `work(start, values)` for every `size` elements; results in order.
pub(crate) fn map<T: Send>(
    values: &[[u8; 4]],
    size: usize,
    work: impl Fn(usize, &[[u8; 4]]) -> T + Sync,
) -> Vec<T> {
    if worth_threads(values.len()) {
        values
            .par_chunks(size)
            .enumerate()
            .map(|(piece, values)| work(piece * size, values))
            .collect()
    } else {
        values.chunks(size).enumerate().map(|(piece, values)| work(piece * size, values)).collect()
    }
}

/// Like [`map`], with the `width` bytes of `out` that belong to each element.
pub(crate) fn map_into<T: Send>(
    values: &[[u8; 4]],
    size: usize,
    out: &mut [u8],
    width: usize,
    work: impl Fn(usize, &[[u8; 4]], &mut [u8]) -> T + Sync,
) -> Vec<T> {
    assert_eq!(values.len() * width, out.len(), "the output does not fit the values");
    if worth_threads(values.len()) {
        let pieces = values.par_chunks(size).zip(out.par_chunks_mut(size * width)).enumerate();
        pieces.map(|(piece, (values, out))| work(piece * size, values, out)).collect()
    } else {
        let pieces = values.chunks(size).zip(out.chunks_mut(size * width)).enumerate();
        pieces.map(|(piece, (values, out))| work(piece * size, values, out)).collect()
    }
}
