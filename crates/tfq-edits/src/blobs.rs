//! Bytes that edits name by their hash.

use bytes::Bytes;
use indexmap::IndexMap;
use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use tfq_text::side;

/// Bytes of up to this many are written into the edit.
const INLINE: usize = 256;
/// A model has few constants of the same bytes that share no place, but a few lines can ask for
/// any number of them.
const MOST_COPIED: u64 = 4 << 30;

/// Bytes that edits name by their hash: collected where edits are written, looked up where they are
/// read. They lie beside a document in a side file, as those of a text do.
#[derive(Debug)]
pub struct Blobs {
    /// By hash.
    added: IndexMap<blake3::Hash, Bytes>,
    file: Option<side::Reader>,
    /// Which were looked up.
    given: RefCell<HashSet<blake3::Hash>>,
    most_copied: u64,
    /// How many bytes of copies the edits that are being read may still have.
    left: Cell<u64>,
}

impl Default for Blobs {
    fn default() -> Self {
        Self {
            added: IndexMap::new(),
            file: None,
            given: RefCell::default(),
            most_copied: MOST_COPIED,
            left: Cell::new(MOST_COPIED),
        }
    }
}

/// Why bytes are not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoBlob {
    #[error("no bytes of this hash were sent along")]
    Missing,
    #[error("{0}")]
    File(&'static str),
    #[error("with these, the bytes that edits name more than once take over {0} bytes of copies")]
    TooManyCopies(u64),
}

impl NoBlob {
    pub(crate) const HELP_WITH_COPIES: &str =
        "name a constant that has them, as {\"buffer\": 3}, which takes no room";
}

impl Blobs {
    /// No bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of a side file, each checked when it is looked up.
    pub fn from_side_file(file: &Bytes) -> Result<Self, &'static str> {
        Ok(Self { file: Some(side::Reader::new(file)?), ..Self::default() })
    }

    /// All that were added, as a side file.
    pub fn to_side_file(&self) -> Vec<u8> {
        self.side_file().finish()
    }

    /// All that were added, as a side file that is not yet in one place: its beginning, and what
    /// follows with the offset of each. Less than 16 zeros are between them.
    pub fn to_side_file_pieces(&self) -> (Vec<u8>, Vec<(u64, Bytes)>) {
        self.side_file().pieces()
    }

    fn side_file(&self) -> side::Writer {
        let mut writer = side::Writer::default();
        for (hash, bytes) in &self.added {
            writer.add(*hash.as_bytes(), || bytes.clone());
        }
        writer
    }

    /// Adds bytes, and gives the hash by which edits name them: 64 digits.
    pub fn add(&mut self, bytes: Bytes) -> String {
        let hash = blake3::hash(&bytes);
        self.added.entry(hash).or_insert(bytes);
        hash.to_hex().to_string()
    }

    /// The bytes that were added, each with its hash. What came with a side file is not among them.
    pub fn added(&self) -> impl ExactSizeIterator<Item = (String, &Bytes)> {
        self.added.iter().map(|(hash, bytes)| (hash.to_hex().to_string(), bytes))
    }

    /// How many bytes the edits of a document may ask for by naming the same ones again; 4 GiB
    /// unless told otherwise.
    #[must_use]
    pub fn with_most_copied(self, most_copied: u64) -> Self {
        Self { most_copied, ..self }
    }

    /// Before edits are read.
    pub(crate) fn begin(&self) {
        self.left.set(self.most_copied);
    }

    pub(crate) fn too_many_copies(&self) -> NoBlob {
        NoBlob::TooManyCopies(self.most_copied)
    }

    /// Counts the copies that these hashes ask for one after the other, none of which is made, and
    /// says whether there is room for them. What cannot be given is told of when it is asked for.
    pub(crate) fn count_copies<'a>(&self) -> impl FnMut(&'a str) -> bool + use<'a, '_> {
        let mut left = self.most_copied;
        let mut lengths: HashMap<&str, Option<u64>> = HashMap::new();
        move |digits| {
            let first = || {
                let hash = blake3::Hash::from_hex(digits).ok()?;
                let was_given = self.given.borrow().contains(&hash);
                let length = self.length(&hash)?;
                Some((length, was_given))
            };
            let length = match lengths.entry(digits) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let found = first();
                    new.insert(found.map(|(length, _)| length));
                    found.filter(|(_, was_given)| *was_given).map(|(length, _)| length)
                }
            };
            let Some(rest) = left.checked_sub(length.unwrap_or(0)) else { return false };
            left = rest;
            true
        }
    }

    fn length(&self, hash: &blake3::Hash) -> Option<u64> {
        let added = self.added.get(hash).map(|bytes| bytes.len() as u64);
        added.or_else(|| self.file.as_ref()?.length(&hash.to_hex()))
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
        if is_first {
            return Ok(found.clone());
        }
        let left = self.left.get().checked_sub(found.len() as u64);
        self.left.set(left.ok_or(NoBlob::TooManyCopies(self.most_copied))?);
        Ok(Bytes::copy_from_slice(found))
    }
}
