//! Memory for results.

use bytes::Bytes;
use std::ops::{Deref, DerefMut};

/// From this many bytes on, results live in memory of their own.
///
/// The kernel hands out ordinary memory 4 KiB at a time, one page fault each; in large pages the
/// same memory takes a five-hundredth of the faults. Where the system grants large pages only on
/// request, an allocator's memory does not get them.
#[cfg(target_os = "linux")]
const LARGE: usize = 4 << 20;

/// A zeroed byte buffer that becomes [`Bytes`] without being copied.
#[derive(Debug)]
pub(crate) enum Buffer {
    Heap(Vec<u8>),
    #[cfg(target_os = "linux")]
    Pages(memmap2::MmapMut),
}

impl Buffer {
    pub(crate) fn zeroed(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len >= LARGE
            && let Ok(pages) = memmap2::MmapMut::map_anon(len)
        {
            // Only a hint: without large pages the result is the same, a little later.
            let _ = pages.advise(memmap2::Advice::HugePage);
            return Self::Pages(pages);
        }
        Self::Heap(vec![0; len])
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Heap(bytes) => bytes.into(),
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => Bytes::from_owner(pages),
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => pages,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_buffers_keep_what_is_written() {
        for len in [0, 1, 5 << 20] {
            let mut buffer = Buffer::zeroed(len);
            assert!(buffer.iter().all(|byte| *byte == 0));
            buffer.fill(7);
            let bytes = buffer.into_bytes();
            assert_eq!(bytes.len(), len);
            assert!(bytes.iter().all(|byte| *byte == 7));
        }
    }
}
