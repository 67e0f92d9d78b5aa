//! Records as a model is edited: those that became untrue are dropped.

use super::log::Applied;
use crate::{BufferId, Module, Record, numbering};
use std::sync::Arc;

impl Module {
    /// Which constants were let go with what the file has of it.
    pub(super) fn drop_record(&mut self, key: &str) -> Vec<BufferId> {
        self.records.shift_remove(key);
        self.drop_metadata(key)
    }

    /// Drops the records that the edit just made leaves untrue. What the file has of a record that
    /// could not be read has nothing but numbers. Gives the constants that were let go with them.
    pub(super) fn outdate_records(&mut self, applied: &Applied) -> Vec<BufferId> {
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
        dropped.iter().flat_map(|key| self.drop_record(key)).collect()
    }
}
