//! Bytes that edits name by their hash.

use bytes::Bytes;
use indexmap::IndexMap;
use std::cell::RefCell;
use std::collections::HashSet;
use tfq_text::side::{Reader, Writer};

/// Bytes of up to this many are written into the edit.
const INLINE: usize = 256;

/// Bytes that edits name by their hash: collected where edits are written, looked up where they are
/// read. They lie beside a document in a side file, as those of a text do.
#[derive(Debug, Default)]
pub struct Blobs {
    /// By hash.
    added: IndexMap<blake3::Hash, Bytes>,
    file: Option<Reader>,
    /// Which were looked up.
    given: RefCell<HashSet<blake3::Hash>>,
}

/// Why bytes are not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoBlob {
    #[error("no bytes of this hash were sent along")]
    Missing,
    #[error("{0}")]
    File(&'static str),
}

impl Blobs {
    /// No bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of a side file, each checked when it is looked up.
    pub fn from_side_file(file: &Bytes) -> Result<Self, &'static str> {
        Ok(Self { file: Some(Reader::new(file)?), ..Self::default() })
    }

    /// All that were added, as a side file.
    pub fn to_side_file(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for (hash, bytes) in &self.added {
            writer.add(*hash.as_bytes(), || bytes.clone());
        }
        writer.finish()
    }

    /// Adds bytes, and gives the hash by which edits name them: 64 digits.
    pub fn add(&mut self, bytes: Bytes) -> String {
        let hash = blake3::hash(&bytes);
        self.added.entry(hash).or_insert(bytes);
        hash.to_hex().to_string()
    }

    /// Whether no bytes were added.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
    }

    /// The bytes that were added, each with its hash.
    pub fn iter(&self) -> impl Iterator<Item = (String, &Bytes)> {
        self.added.iter().map(|(hash, bytes)| (hash.to_hex().to_string(), bytes))
    }

    /// Whether bytes of this length go here, and not into the edit.
    pub(crate) fn holds(bytes: &[u8]) -> bool {
        bytes.len() > INLINE
    }

    /// The bytes of this hash, in a place of their own: edits that name the same bytes add
    /// constants of their own.
    pub(crate) fn get(&self, hash: &blake3::Hash) -> Result<Bytes, NoBlob> {
        let found = match (self.added.get(hash), &self.file) {
            (Some(bytes), _) => bytes,
            (None, Some(file)) => file.find(&hash.to_hex()).map_err(NoBlob::File)?.1,
            (None, None) => return Err(NoBlob::Missing),
        };
        // What is large and given once, as most is, is not copied.
        let is_first = self.given.borrow_mut().insert(*hash);
        Ok(if is_first { found.clone() } else { Bytes::copy_from_slice(found) })
    }
}
