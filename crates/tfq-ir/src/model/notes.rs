//! Notes on ops.

use super::attributes::Attr;
use std::borrow::Cow;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

/// Discardable attributes of an op, by name, in the order in which they were added: what passes
/// tell each other about it. Most ops have none, and others the same few.
#[derive(Clone, Default, PartialEq)]
pub struct Notes(Option<Arc<Vec<Note>>>);

type Note = (Cow<'static, str>, Attr);

impl Notes {
    /// The note of this name.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.list().iter().find(|(of, _)| of == name).map(|(_, value)| value)
    }

    /// Whether there is a note of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a note, or puts another value in its place.
    pub fn insert(&mut self, name: Cow<'static, str>, value: Attr) {
        let notes = Arc::make_mut(self.0.get_or_insert_default());
        match notes.iter_mut().find(|(of, _)| *of == name) {
            Some((_, known)) => *known = value,
            None => {
                // Room for four would be more than all else that is held of an op.
                notes.reserve_exact(1);
                notes.push((name, value));
            }
        }
    }

    /// The notes in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.list().iter().map(|(name, value)| (&**name, value))
    }

    /// How many notes there are.
    pub fn len(&self) -> usize {
        self.list().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn list(&self) -> &[Note] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Index<&str> for Notes {
    type Output = Attr;

    /// # Panics
    /// If there is no such note.
    fn index(&self, name: &str) -> &Attr {
        self.get(name).expect("there is such a note")
    }
}
