//! The side file: bytes that a text has the hash of.
//!
//! `TFGSIDE1`, then the number of entries (8 bytes), then for each entry its BLAKE3 hash
//! (32 bytes), offset and length (8 bytes each), then the bytes, each 16-byte aligned. Numbers
//! are little-endian and offsets count from the start. Content finds bytes, so that a text does
//! not change with what lies before them.

use bytes::Bytes;
use std::cell::OnceCell;
use std::collections::HashMap;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// How long a side file is that has no bytes.
pub const EMPTY: usize = 16;

const MAGIC: &[u8; 8] = b"TFGSIDE1";
const HEADER: usize = EMPTY;
const ENTRY: usize = 48;
const ALIGN: usize = 16;

pub(super) fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

/// `blake3:` and the hash of a whole file: how a golden or a log of edits names its model.
pub fn file_hash(file: &[u8]) -> String {
    format!("blake3:{}", blake3::Hasher::new().update_rayon(file).finalize().to_hex())
}

/// The first `digits` digits of a hash.
pub(super) fn hex(hash: &Hash, digits: usize) -> String {
    let digit = |n: usize| (hash[n / 2] >> (4 * (1 - n % 2))) & 15;
    (0..digits).map(|n| char::from_digit(u32::from(digit(n)), 16).expect("below 16")).collect()
}

/// Whether bytes begin as a side file does.
pub fn is_side_file(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// A side file under construction.
#[derive(Debug, Default)]
pub struct Writer {
    entries: Vec<(Hash, Bytes)>,
    seen: HashMap<Hash, ()>,
}

impl Writer {
    /// Adds bytes of this hash, unless they are there.
    pub fn add(&mut self, hash: Hash, bytes: impl FnOnce() -> Bytes) {
        if self.seen.insert(hash, ()).is_none() {
            self.entries.push((hash, bytes()));
        }
    }

    /// The whole file.
    pub fn finish(self) -> Vec<u8> {
        let (mut out, pieces) = self.pieces();
        let len = pieces.last().map_or(0, |(at, bytes)| *at as usize + bytes.len());
        out.reserve_exact(len.saturating_sub(out.len()));
        for (at, bytes) in pieces {
            out.resize(at as usize, 0);
            out.extend_from_slice(&bytes);
        }
        out
    }

    /// The file, not yet in one place: the list of what is in it, and then the bytes, each with its
    /// offset. Less than 16 zeros are between them.
    pub fn pieces(self) -> (Vec<u8>, Vec<(u64, Bytes)>) {
        let mut at = HEADER + ENTRY * self.entries.len();
        let mut head = Vec::with_capacity(at);
        head.extend(MAGIC);
        head.extend((self.entries.len() as u64).to_le_bytes());
        let mut pieces = Vec::with_capacity(self.entries.len());
        for (hash, bytes) in self.entries {
            at = at.next_multiple_of(ALIGN);
            head.extend(hash);
            head.extend((at as u64).to_le_bytes());
            head.extend((bytes.len() as u64).to_le_bytes());
            let end = at + bytes.len();
            pieces.push((at as u64, bytes));
            at = end;
        }
        (head, pieces)
    }
}

/// A side file that is read.
#[derive(Debug)]
pub struct Reader {
    /// Sorted by hash.
    entries: Vec<SideEntry>,
}

#[derive(Debug)]
struct SideEntry {
    /// In full.
    hash: String,
    bytes: Bytes,
    /// Whether the bytes have that hash, once somebody asked for them.
    is_right: OnceCell<bool>,
}

impl Reader {
    /// Reads the list of what is in the file.
    pub fn new(file: &Bytes) -> Result<Self, &'static str> {
        if !is_side_file(file) {
            return Err("the side file does not begin with TFGSIDE1");
        }
        let number = |at: usize| -> Option<usize> {
            let bytes = file.get(at..at.checked_add(8)?)?;
            usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        let damaged = "the side file is cut off or damaged";
        let count = number(8).ok_or(damaged)?;
        if count > file.len() / ENTRY {
            return Err(damaged);
        }
        let mut entries = Vec::with_capacity(count);
        for n in 0..count {
            let at = HEADER + ENTRY * n;
            let hash: Hash =
                file.get(at..at + 32).and_then(|h| h.try_into().ok()).ok_or(damaged)?;
            let (first, len) = (number(at + 32).ok_or(damaged)?, number(at + 40).ok_or(damaged)?);
            let end = first.checked_add(len).filter(|end| *end <= file.len()).ok_or(damaged)?;
            let (hash, bytes) = (hex(&hash, 64), file.slice(first..end));
            entries.push(SideEntry { hash, bytes, is_right: OnceCell::new() });
        }
        entries.sort_by(|a, b| a.hash.cmp(&b.hash));
        Ok(Self { entries })
    }

    /// How many bytes there are of this hash, which nobody looks at yet.
    pub fn length(&self, hash: &str) -> Option<u64> {
        let at = self.entries.partition_point(|entry| entry.hash.as_str() < hash);
        let entry = self.entries.get(at).filter(|entry| entry.hash == hash)?;
        Some(entry.bytes.len() as u64)
    }

    /// The bytes whose hash begins like this, if there are such and no others. Their place in
    /// the file comes along, so that a second use of the same bytes can be told.
    pub fn find(&self, digits: &str) -> Result<(usize, &Bytes), &'static str> {
        let at = self.entries.partition_point(|entry| entry.hash.as_str() < digits);
        let begins = |entry: &&SideEntry| entry.hash.starts_with(digits);
        let Some(entry) = self.entries.get(at).filter(begins) else {
            return Err("the side file has no bytes of this hash");
        };
        if self.entries.get(at + 1).filter(begins).is_some() {
            return Err("several entries of the side file begin with this hash");
        }
        if !entry.is_right.get_or_init(|| hex(&hash(&entry.bytes), 64) == entry.hash) {
            return Err("the side file is damaged: the bytes of this hash have another one");
        }
        Ok((at, &entry.bytes))
    }
}
