//! Maps, sets and lists that mostly hold one or two.

use crate::maps::{HashMap, IndexSet};
use smallvec::SmallVec;
use std::hash::Hash;

/// So many are looked through sooner than a table is made.
const FEW: usize = 8;

/// A map in order of insertion, without a table as long as it holds a few.
#[derive(Clone, Debug)]
pub(crate) struct FewMap<K, V> {
    entries: SmallVec<[(K, V); 1]>,
    /// Where each is among more than a few.
    places: Option<Box<HashMap<K, usize>>>,
}

impl<K, V> Default for FewMap<K, V> {
    fn default() -> Self {
        Self { entries: SmallVec::new(), places: None }
    }
}

impl<K: Copy + Eq + Hash, V> FewMap<K, V> {
    fn place(&self, key: K) -> Option<usize> {
        match &self.places {
            None => self.entries.iter().position(|(known, _)| *known == key),
            Some(places) => places.get(&key).copied(),
        }
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.place(key).map(|at| &self.entries[at].1)
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.place(key).is_some()
    }

    pub(crate) fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let at = self.place(key).unwrap_or_else(|| {
            let at = self.entries.len();
            self.entries.push((key, value()));
            if let Some(places) = &mut self.places {
                places.insert(key, at);
            } else if at == FEW {
                let places = self.entries.iter().zip(0..).map(|((key, _), at)| (*key, at));
                self.places = Some(Box::new(places.collect()));
            }
            at
        });
        &mut self.entries[at].1
    }

    /// Another value for the key; it keeps its place.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.place(key) {
            Some(at) => self.entries[at].1 = value,
            None => _ = self.get_or_insert_with(key, || value),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = K> {
        self.entries.iter().map(|(key, _)| *key)
    }
}

impl<K: Copy + Eq + Hash, V> FromIterator<(K, V)> for FewMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

/// A set in order of insertion, without a table as long as it holds a few.
#[derive(Clone, Debug)]
pub(crate) struct FewSet<T>(FewMap<T, ()>);

impl<T> Default for FewSet<T> {
    fn default() -> Self {
        Self(FewMap::default())
    }
}

impl<T: Copy + Eq + Hash> FewSet<T> {
    pub(crate) fn contains(&self, value: T) -> bool {
        self.0.contains(value)
    }

    pub(crate) fn insert(&mut self, value: T) {
        self.0.get_or_insert_with(value, || ());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> {
        self.0.keys()
    }
}

impl<T: Copy + Eq + Hash> Extend<T> for FewSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.insert(value));
    }
}

impl<T: Copy + Eq + Hash> FromIterator<T> for FewSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut set = Self::default();
        set.extend(values);
        set
    }
}

/// Each of them once, where it comes first, those for which `keep` holds.
pub(crate) fn once<T: Copy + Eq + Hash>(
    values: impl IntoIterator<Item = T>,
    keep: impl Fn(&T) -> bool,
) -> SmallVec<[T; 2]> {
    let mut kept: SmallVec<[T; 2]> = SmallVec::new();
    let mut values = values.into_iter();
    for value in values.by_ref() {
        if !kept.contains(&value) && keep(&value) {
            kept.push(value);
            if kept.len() > FEW {
                break;
            }
        }
    }
    if kept.len() <= FEW {
        return kept;
    }
    let mut all: IndexSet<T> = kept.into_iter().collect();
    all.extend(values.filter(keep));
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{FewMap, FewSet, once};

    #[test]
    fn many_are_held_like_few() {
        for count in [0_u32, 1, 7, 8, 9, 10, 100] {
            let mut map = FewMap::default();
            for n in (0..count).chain(0..count) {
                *map.get_or_insert_with(n, || 0) += n;
            }
            map.insert(5, 1);
            let keys = (0..count).chain((count <= 5).then_some(5));
            assert_eq!(map.keys().collect::<Vec<_>>(), keys.collect::<Vec<_>>());
            let value = |n| if n == 5 { 1 } else { 2 * n };
            assert!(map.iter().all(|(n, v)| *v == value(n) && map.get(n) == Some(v)));
            assert!(map.contains(5) && !map.contains(100));
        }
    }

    #[test]
    fn each_is_kept_once_where_it_comes_first() {
        for count in [0_u32, 1, 8, 9, 10, 100] {
            let values = || (0..count).rev().chain(0..count + 2);
            let expected: Vec<u32> = (0..count).rev().chain(count..count + 2).collect();
            assert_eq!(once(values(), |_| true)[..], expected);
            assert_eq!(values().collect::<FewSet<_>>().iter().collect::<Vec<_>>(), expected);
            let even: Vec<u32> = expected.into_iter().filter(|n| n % 2 == 0).collect();
            assert_eq!(once(values(), |n| n % 2 == 0)[..], even);
        }
    }
}
