//! Memory for results.

use bytes::{Bytes, BytesMut};
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// From this many bytes on, a result lives in memory of its own.
const OWN: usize = 4 << 20;

/// Memory that smaller results share. Allocators ask the system anew for as much as this: where
/// something was before, no large page can begin.
const CHUNK: usize = 34 << 20;

/// What is zeroed at once where one byte of it is written.
const LARGE_PAGE: usize = 2 << 20;

/// Room for the results of many constants.
///
/// The system hands out ordinary memory 4 KiB at a time, one page fault each, and in large pages
/// takes a five-hundredth of the faults; where it grants them only on request, what an allocator
/// gives for one constant does not get them. So constants share memory that is asked for in
/// chunks. It is given back once nobody has any of the results in it.
#[derive(Debug, Default)]
pub struct Room {
    /// Bytes that are expected still.
    expected: usize,
    has_large_pages: bool,
    chunk: BytesMut,
}

impl Room {
    /// Room for results of about so many bytes each.
    pub fn for_results(bytes: impl Iterator<Item = usize>) -> Self {
        // Larger ones have memory of their own.
        let shared = bytes.filter(|len| *len < OWN);
        let expected = shared.fold(0, usize::saturating_add);
        let has_large_pages = expected >= LARGE_PAGE;
        Self { expected, has_large_pages, chunk: BytesMut::new() }
    }

    /// Zeroed memory for a result.
    pub(crate) fn take(&mut self, len: usize) -> Buffer {
        if len >= OWN {
            return Buffer::zeroed(len);
        }
        let expected = self.expected.max(self.chunk.capacity());
        self.expected = self.expected.saturating_sub(len);
        if expected < len {
            return Buffer::zeroed(len);
        }
        if self.chunk.capacity() < len {
            self.chunk = self.new_chunk(expected);
        }
        self.chunk.resize(len, 0);
        Buffer::Part(self.chunk.split())
    }

    fn new_chunk(&self, expected: usize) -> BytesMut {
        if !self.has_large_pages {
            return BytesMut::with_capacity(expected.min(CHUNK));
        }
        // A large page begins at a multiple of its size.
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let address = chunk.as_ptr().addr();
        let mut chunk = chunk.split_off(address.next_multiple_of(LARGE_PAGE) - address);
        // The last page is zeroed whole, so it has to be needed for the most part.
        let len = chunk.capacity().min(expected.saturating_add(LARGE_PAGE / 2));
        ask_for_large_pages(&mut chunk.spare_capacity_mut()[..len]);
        chunk
    }
}

/// Only a hint: without large pages results are the same, a little later.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn ask_for_large_pages(memory: &mut [MaybeUninit<u8>]) {
    use rustix::mm::{Advice, madvise};
    let len = memory.len() / LARGE_PAGE * LARGE_PAGE;
    // SAFETY: the pages lie within the slice, and the advice leaves their contents as they are.
    _ = unsafe { madvise(memory.as_mut_ptr().cast(), len, Advice::LinuxHugepage) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: &mut [MaybeUninit<u8>]) {}

/// A zeroed byte buffer that becomes [`Bytes`] without being copied.
#[derive(Debug)]
pub(crate) enum Buffer {
    Heap(Vec<u8>),
    Part(BytesMut),
    #[cfg(target_os = "linux")]
    Pages(memmap2::MmapMut),
}

impl Buffer {
    pub(crate) fn zeroed(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len >= OWN
            && let Ok(pages) = memmap2::MmapMut::map_anon(len)
        {
            _ = pages.advise(memmap2::Advice::HugePage);
            return Self::Pages(pages);
        }
        Self::Heap(vec![0; len])
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Heap(bytes) => bytes.into(),
            Self::Part(bytes) => bytes.freeze(),
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
            Self::Part(bytes) => bytes,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => pages,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Part(bytes) => bytes,
            #[cfg(target_os = "linux")]
            Self::Pages(pages) => pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_keep_what_is_written_wherever_they_lie() {
        for (expected, each) in [(0, 0), (1, 200_000), (1, 3 << 20), (20, 2 << 20), (9, 5 << 20)] {
            let mut room = Room::for_results(std::iter::repeat_n(each, expected));
            let lens = [0, 1, 70_000, 100, 5 << 20, 3 << 20, 3 << 20, 3 << 20, 65];
            let buffers = lens.map(|len| {
                let mut buffer = room.take(len);
                assert!(buffer.len() == len && buffer.iter().all(|byte| *byte == 0));
                buffer.fill(len as u8 | 1);
                buffer.into_bytes()
            });
            for (len, bytes) in lens.into_iter().zip(buffers) {
                assert!(bytes.len() == len && bytes.iter().all(|byte| *byte == len as u8 | 1));
            }
        }
    }
}
