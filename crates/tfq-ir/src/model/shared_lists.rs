//! Lists of numbers that repeat all over a model, each held once.

use crate::maps::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Holds equal lists once: a model of a hundred thousand ops has a handful of shapes, and rows of
/// zero points that are all alike.
///
/// ```
/// let mut shapes = tfq_ir::SharedLists::default();
/// let [a, b] = [shapes.share(&[1, 32]), shapes.share(&[1, 32])];
/// assert!(std::sync::Arc::ptr_eq(&a, &b));
/// ```
#[derive(Clone, Debug)]
pub struct SharedLists<T>(HashSet<Arc<[T]>>);

impl<T> Default for SharedLists<T> {
    fn default() -> Self {
        Self(HashSet::default())
    }
}

impl<T: Copy + Eq + Hash> SharedLists<T> {
    /// The list of these numbers.
    pub fn share(&mut self, list: &[T]) -> Arc<[T]> {
        if let Some(known) = self.0.get(list) {
            return known.clone();
        }
        let list: Arc<[T]> = list.into();
        self.0.insert(list.clone());
        list
    }
}
