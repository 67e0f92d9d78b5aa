//! Records: what one pass finds out about ops and later readers want to know. They are no part of
//! the computation; lowering writes each as a metadata entry of its key.

use crate::OpId;
use bytes::Bytes;

/// Bytes about ops, which are named by handle: the record stays right as others come and go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Entries; those whose op was erased are skipped by readers.
    pub entries: Vec<RecordEntry>,
    /// Operators ([`crate::catalog::ops`]) that the record is about: it is dropped when a patch adds
    /// such an op or changes what one reads, since nobody has judged that one.
    pub about: Vec<i32>,
}

/// What a record says of an op.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordEntry {
    /// The op.
    pub op: OpId,
    /// What is said, in a form that the record's maker chose.
    pub bytes: Bytes,
}
