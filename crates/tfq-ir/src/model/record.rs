//! Records: what one pass finds out and later readers want to know. They are no part of the
//! computation; lowering writes each as a metadata entry of its key.

use crate::catalog::{self, ops};
use crate::{OpId, TensorId};
use bytes::Bytes;

/// Bytes about ops and tensors, which are named by handle: the record stays right as others come
/// and go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Entries; those about what was erased are skipped by readers.
    pub entries: Vec<RecordEntry>,
    /// Operators ([`crate::catalog::ops`]) that the record is about: it is dropped when a patch
    /// adds such an op or changes what one reads, since nobody has judged that one.
    pub about: Vec<i32>,
}

impl Record {
    /// The first operator that it is about and that the format does not have; custom ones have no
    /// number.
    pub fn unknown_operator(&self) -> Option<i32> {
        let is_known = |code: i32| code != ops::CUSTOM && catalog::op_by_code(code).is_some();
        self.about.iter().copied().find(|code| !is_known(*code))
    }
}

/// What a record says of an op or a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordEntry {
    /// The op or tensor.
    pub of: Recorded,
    /// What is said, in a form that the record's maker chose.
    pub bytes: Bytes,
}

/// What a record has an entry of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Recorded {
    Op(OpId),
    Tensor(TensorId),
}

impl Recorded {
    /// The number that its subgraph had when the module was made: [`crate::Subgraph::origin`].
    pub fn origin(self) -> u32 {
        match self {
            Self::Op(op) => op.origin(),
            Self::Tensor(tensor) => tensor.origin(),
        }
    }
}

/// The longest key.
const LONGEST_KEY: usize = 64;

/// Whether a record can have this key: two or more words of lower-case letters, digits, `_` and
/// `-`, with dots between them, of which the first is the namespace of who makes it, such as
/// `acme.ranges`. No metadata entry that others define is named so.
pub fn is_record_key(key: &str) -> bool {
    let is_word = |word: &str| {
        let is_of_word = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        word.starts_with(|c: char| c.is_ascii_lowercase()) && word.bytes().all(is_of_word)
    };
    key.len() <= LONGEST_KEY && key.contains('.') && key.split('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::is_record_key;

    #[test]
    fn keys_have_a_namespace() {
        for key in ["acme.ranges", "tfq.dequant_cache", "a.b-c.d9"] {
            assert!(is_record_key(key), "{key}");
        }
        let long = format!("a.{}", "b".repeat(63));
        for key in
            ["", "acme", "min_runtime_version", "a.", ".a", "a..b", "A.b", "a.9", "a b.c", &long]
        {
            assert!(!is_record_key(key), "{key}");
        }
    }
}
