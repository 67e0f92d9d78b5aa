//! Records as a model is edited: those that became untrue are dropped.

use super::log::Applied;
use crate::model::numbering::kept_true;
use crate::{BufferId, Module, Numbers, Record};
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
        let renumbers = applied.renumbers();
        if self.records.is_empty() && renumbers == Numbers::default() {
            return Vec::new();
        }
        let touched = |record: &Record| {
            let Some(sg) = applied.subgraph else { return false };
            let graph = self.subgraph(sg);
            let mut alive = applied.ops.iter().filter(|op| graph.contains_op(**op));
            alive.any(|op| record.about.iter().any(|code| graph.op(*op).kind.is(*code)))
        };
        let untrue = self.records.iter().filter(|(_, record)| touched(record));
        let mut dropped: Vec<Arc<str>> = untrue.map(|(key, _)| key.clone()).collect();
        let outdated = kept_true().filter(|known| known.numbers.common(renumbers).is_some());
        let names = outdated.map(|known| Arc::from(known.name));
        dropped.extend(names.filter(|name: &Arc<str>| {
            self.metadata.find(name).is_some() && !self.records.contains_key(name)
        }));
        dropped.iter().flat_map(|key| self.drop_record(key)).collect()
    }
}
