//! Notes on ops.

use super::attributes::Attr;
use std::borrow::Cow;
use std::ops::Index;

/// Discardable attributes of an op, by name, in the order in which they were added: what passes
/// tell each other about it. Most ops have none and some have two, so it is a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes(Vec<(Cow<'static, str>, Attr)>);

impl Notes {
    /// The note of this name.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value)
    }

    /// Whether there is a note of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a note, or puts another value in its place.
    pub fn insert(&mut self, name: Cow<'static, str>, value: Attr) {
        match self.0.iter_mut().find(|(of, _)| *of == name) {
            Some((_, known)) => *known = value,
            None => {
                // Room for four would be more than all else that is held of an op.
                self.0.reserve_exact(1);
                self.0.push((name, value));
            }
        }
    }

    /// The notes in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many notes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
