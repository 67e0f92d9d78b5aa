//! The metadata entries of a model, found by name and counted by buffer: a model may have many.

use super::{BufferId, Metadata};
use crate::maps::HashMap;
use smallvec::SmallVec;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Metadata entries in the order of the file.
#[derive(Clone, Default)]
pub(crate) struct MetadataList {
    entries: Vec<Metadata>,
    /// A number of each entry, which it keeps where others go; they rise.
    numbers: Vec<u32>,
    /// The numbers of the entries of each name, in order.
    named: HashMap<Arc<str>, SmallVec<[u32; 1]>>,
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
        self.place(*self.named.get(name)?.first()?)
    }

    fn place(&self, number: u32) -> Option<usize> {
        self.numbers.binary_search(&number).ok()
    }

    /// How many entries have this buffer.
    pub(crate) fn uses(&self, buffer: BufferId) -> usize {
        self.uses.get(&buffer).copied().unwrap_or(0)
    }

    pub(crate) fn push(&mut self, entry: Metadata) {
        let number = self.numbers.last().map_or(0, |last| last + 1);
        if let Some(name) = &entry.name {
            self.named.entry(name.clone()).or_default().push(number);
        }
        self.numbers.push(number);
        *self.uses.entry(entry.buffer).or_default() += 1;
        self.entries.push(entry);
    }

    pub(crate) fn set_buffer(&mut self, at: usize, buffer: BufferId) {
        let old = std::mem::replace(&mut self.entries[at].buffer, buffer);
        self.drop_use(old);
        *self.uses.entry(buffer).or_default() += 1;
    }

    fn drop_use(&mut self, buffer: BufferId) {
        if let Some(uses) = self.uses.get_mut(&buffer) {
            *uses -= 1;
        }
    }

    /// Takes out the entries of this name.
    pub(crate) fn remove(&mut self, name: &str) -> Vec<Metadata> {
        let numbers = self.named.remove(name).unwrap_or_default();
        let places = numbers.iter().filter_map(|number| self.place(*number));
        let places: SmallVec<[usize; 1]> = places.collect();
        let removed: Vec<Metadata> = match places[..] {
            [] => return Vec::new(),
            [at] => {
                self.numbers.remove(at);
                vec![self.entries.remove(at)]
            }
            _ => {
                let is_it = |entry: &Metadata| entry.name.as_deref() == Some(name);
                let gone = self.entries.extract_if(.., |entry| is_it(entry)).collect();
                self.numbers.retain(|number| numbers.binary_search(number).is_err());
                gone
            }
        };
        removed.iter().for_each(|entry| self.drop_use(entry.buffer));
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
        assert_eq!(uses(&list), [0, 1, 0, 1]);
        for name in ["c", "a", "d"] {
            list.push(entry(Some(name), 2));
        }
        assert_eq!(list.remove("c"), [entry(Some("c"), 2)]);
        assert_eq!([list.find("b"), list.find("a"), list.find("d")], [Some(1), Some(2), Some(3)]);
        assert_eq!([list.remove("d"), list.remove("a")].concat().len(), 2);
        assert_eq!(uses(&list), [0, 1, 0, 1]);
        list.renumber(|BufferId(n)| BufferId(n - 1));
        assert_eq!(*list, [entry(None, 1), entry(Some("b"), 3)]);
        assert_eq!(uses(&list), [1, 0, 1, 0]);
    }
}
