//! Records: what one pass finds out about ops and later readers want to know. They are no part of
//! the computation; lowering writes each as a metadata entry of its key.

use super::log::Applied;
use crate::{Module, OpId, SubgraphId, numbering};
use bytes::Bytes;
use std::sync::Arc;

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

impl Module {
    /// The record of this key.
    pub fn record(&self, key: &str) -> Option<&Record> {
        self.records.get(key).map(|record| &**record)
    }

    /// All records with their keys.
    pub fn records(&self) -> impl Iterator<Item = (&Arc<str>, &Record)> {
        self.records.iter().map(|(key, record)| (key, &**record))
    }

    /// The entries of a record whose ops the module still has, with their subgraphs.
    pub fn recorded<'a>(
        &'a self,
        record: &'a Record,
    ) -> impl Iterator<Item = (SubgraphId, &'a RecordEntry)> {
        record.entries.iter().filter_map(|entry| {
            let sg = self.by_origin(entry.op.origin())?;
            self.subgraph(sg).contains_op(entry.op).then_some((sg, entry))
        })
    }

    pub(super) fn drop_record(&mut self, key: &str) {
        self.records.shift_remove(key);
        self.drop_metadata(key);
    }

    /// Drops the records that the edit just made leaves untrue. What the file has of a record that
    /// could not be read has nothing but numbers.
    pub(super) fn outdate_records(&mut self, applied: &Applied) {
        let touched = |record: &Record| {
            let Some(sg) = applied.subgraph else { return false };
            let graph = self.subgraph(sg);
            let mut alive = applied.ops.iter().filter(|op| graph.contains_op(**op));
            alive.any(|op| record.about.iter().any(|code| graph.op(*op).kind.is(*code)))
        };
        let untrue = self.records.iter().filter(|(_, record)| touched(record));
        let mut dropped: Vec<Arc<str>> = untrue.map(|(key, _)| key.clone()).collect();
        let names = self.metadata.iter().filter_map(|entry| entry.name.as_ref());
        dropped.extend(names.filter(|name| !self.records.contains_key(*name)).filter_map(|name| {
            let known = numbering(name).filter(|known| known.kept_true)?;
            known.numbers.common(applied.renumbers()).map(|_| name.clone())
        }));
        dropped.iter().for_each(|key| self.drop_record(key));
    }
}
