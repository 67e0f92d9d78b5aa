//! A lowered model, not yet in one place: a small flatbuffer and the constants that follow it.

use crate::mapped;
use bytes::Bytes;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

/// A model ready to be written. Constants are still the slices that they were in the IR, so
/// that one which no pass touched goes from the mapped input to the output without a copy.
#[derive(Clone, Debug)]
pub struct Image {
    pub(crate) skeleton: Bytes,
    /// In order of `at`, not overlapping, all behind the skeleton.
    pub(crate) pieces: Arc<Vec<Piece>>,
    pub(crate) len: u64,
    /// What it was made from, besides the pieces.
    pub(crate) sources: Vec<Bytes>,
}

/// Bytes at a place of the file.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Offset in the file of the first byte, the header's where there is one.
    pub(crate) at: u64,
    /// Length in front of the data, as a flatbuffer vector has it.
    pub(crate) header: Option<[u8; 4]>,
    pub(crate) data: Bytes,
}

/// Pieces are this far from each other at the most, less one.
const ZEROS: [u8; 64] = [0; 64];
/// A vectored write takes 1024 slices at the most on Linux; a piece needs three.
const PIECES_A_WRITE: usize = 300;

impl Image {
    /// A file as it is.
    pub fn of_file(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        let piece = Piece { at: 0, header: None, data: bytes };
        Self { skeleton: Bytes::new(), pieces: Arc::new(vec![piece]), len, sources: Vec::new() }
    }

    /// A file of a beginning and what follows it, each with its offset, in order and less than 64
    /// bytes apart; between them are zeros.
    pub fn of_pieces(start: Vec<u8>, pieces: Vec<(u64, Bytes)>) -> Self {
        let piece = |(at, data)| Piece { at, header: None, data };
        let pieces: Vec<Piece> = pieces.into_iter().map(piece).collect();
        let len = pieces.last().map_or(start.len() as u64, Piece::end);
        Self { skeleton: start.into(), pieces: Arc::new(pieces), len, sources: Vec::new() }
    }

    /// Names the bytes that the model was read from, of which it may hold nothing any more.
    #[must_use]
    pub fn made_from(mut self, source: Bytes) -> Self {
        self.sources.push(source);
        self
    }

    /// Size in bytes of the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file would be empty, which no model is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes the file, calling `progress` with the bytes written so far. It ends in an error
    /// where [`crate::read`] mapped the file that the model was read from, and that was changed
    /// since: what was written is worth nothing then. [`Self::made_from`] says which file that is;
    /// without it, only constants tell that are written as they were read. Programs may say that
    /// it is all of them ([`crate::outputs_depend_on_all_inputs`]).
    pub fn write_to(&self, out: &mut impl Write, mut progress: impl FnMut(u64)) -> io::Result<()> {
        let put = self.put(out, &mut progress);
        // First, since the system cannot write bytes that it does not have any more: their loss
        // is why.
        mapped::check(self.pieces.iter().map(|piece| &piece.data).chain(&self.sources))?;
        put?;
        progress(self.len);
        Ok(())
    }

    fn put(&self, out: &mut impl Write, mut progress: impl FnMut(u64)) -> io::Result<()> {
        out.write_all(&self.skeleton)?;
        let mut at = self.skeleton.len() as u64;
        for pieces in self.pieces.chunks(PIECES_A_WRITE) {
            let mut slices = Vec::with_capacity(3 * pieces.len());
            for piece in pieces {
                slices.push(IoSlice::new(&ZEROS[..(piece.at - at) as usize]));
                if let Some(header) = &piece.header {
                    slices.push(IoSlice::new(header));
                }
                slices.push(IoSlice::new(&piece.data));
                at = piece.end();
            }
            write_all_vectored(out, &mut slices, &mut progress, at)?;
        }
        out.write_all(&ZEROS[..(self.len - at) as usize])
    }

    /// The file in memory.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len as usize);
        self.put(&mut out, |_| ()).expect("a vector takes every write");
        out
    }
}

impl Piece {
    pub(crate) fn end(&self) -> u64 {
        self.at + self.header.map_or(0, |header| header.len() as u64) + self.data.len() as u64
    }
}

fn write_all_vectored(
    out: &mut impl Write,
    mut slices: &mut [IoSlice<'_>],
    progress: &mut impl FnMut(u64),
    end: u64,
) -> io::Result<()> {
    let mut left: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
    // Drops empty slices at the front, which would read as "no progress".
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match out.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                IoSlice::advance_slices(&mut slices, n);
                left -= n as u64;
                progress(end - left);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
