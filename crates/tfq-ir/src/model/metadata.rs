//! The metadata entries of a model, found by name and counted by buffer: a model may have many.

use super::{BufferId, Metadata};
use crate::maps::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Metadata entries in the order of the file.
#[derive(Clone, Default)]
pub(crate) struct MetadataList {
    entries: Vec<Metadata>,
    /// The place of the first entry of each name.
    first: HashMap<Arc<str>, usize>,
    /// How many entries have each buffer.
    uses: HashMap<BufferId, usize>,
}

/// What is known of the entries besides follows from them.
impl fmt::Debug for MetadataList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.fmt(f)
    }
}

impl From<Vec<Metadata>> for MetadataList {
    fn from(entries: Vec<Metadata>) -> Self {
        let mut list = Self::default();
        entries.into_iter().for_each(|entry| list.push(entry));
        list
    }
}

impl Deref for MetadataList {
    type Target = [Metadata];

    fn deref(&self) -> &[Metadata] {
        &self.entries
    }
}

impl MetadataList {
    /// The place of the first entry of this name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.first.get(name).copied()
    }

    /// How many entries have this buffer.
    pub(crate) fn uses(&self, buffer: BufferId) -> usize {
        self.uses.get(&buffer).copied().unwrap_or(0)
    }

    pub(crate) fn push(&mut self, entry: Metadata) {
        if let Some(name) = &entry.name {
            self.first.entry(name.clone()).or_insert(self.entries.len());
        }
        *self.uses.entry(entry.buffer).or_default() += 1;
        self.entries.push(entry);
    }

    pub(crate) fn set_buffer(&mut self, at: usize, buffer: BufferId) {
        let old = std::mem::replace(&mut self.entries[at].buffer, buffer);
        if let Some(uses) = self.uses.get_mut(&old) {
            *uses -= 1;
        }
        *self.uses.entry(buffer).or_default() += 1;
    }

    /// Takes out the entries of this name.
    pub(crate) fn remove(&mut self, name: &str) -> Vec<Metadata> {
        if self.find(name).is_none() {
            return Vec::new();
        }
        let is_it = |entry: &Metadata| entry.name.as_deref() == Some(name);
        let (removed, rest) = std::mem::take(self).entries.into_iter().partition(is_it);
        *self = Self::from(rest);
        removed
    }

    /// Lets entries have other buffers.
    pub(crate) fn renumber(&mut self, place: impl Fn(BufferId) -> BufferId) {
        let mut entries = std::mem::take(self).entries;
        entries.iter_mut().for_each(|entry| entry.buffer = place(entry.buffer));
        *self = Self::from(entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_name_and_counted_by_buffer() {
        let entry = |name: Option<&str>, buffer| Metadata {
            name: name.map(Arc::from),
            buffer: BufferId(buffer),
        };
        let all = [(Some("a"), 1), (None, 2), (Some("b"), 2), (Some("a"), 3)];
        let mut list = MetadataList::from(all.map(|(name, buffer)| entry(name, buffer)).to_vec());
        assert_eq!([list.find("a"), list.find("b"), list.find("c")], [Some(0), Some(2), None]);
        let uses = |list: &MetadataList| [1, 2, 3, 4].map(|n| list.uses(BufferId(n)));
        assert_eq!(uses(&list), [1, 2, 1, 0]);

        list.set_buffer(2, BufferId(4));
        assert_eq!(uses(&list), [1, 1, 1, 1]);
        assert_eq!(list.remove("c"), []);
        assert_eq!(list.remove("a"), [entry(Some("a"), 1), entry(Some("a"), 3)]);
        assert_eq!([list.find("a"), list.find("b")], [None, Some(1)]);
        list.renumber(|BufferId(n)| BufferId(n - 1));
        assert_eq!(*list, [entry(None, 1), entry(Some("b"), 3)]);
        assert_eq!(uses(&list), [1, 0, 1, 0]);
    }
}
