//! Where in the JSON something is.

use crate::EditsError;
use std::fmt;

pub(super) type Read<T> = Result<T, EditsError>;

/// A place in the JSON: the last part of its path, and what is before it.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    before: Option<&'a At<'a>>,
    part: PathPart<'a>,
}

#[derive(Clone, Copy)]
enum PathPart<'a> {
    Start(&'a str),
    Field(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub(crate) fn start(path: &'a str) -> Self {
        Self { before: None, part: PathPart::Start(path) }
    }

    pub(super) fn field(&'a self, name: &'a str) -> Self {
        Self { before: Some(self), part: PathPart::Field(name) }
    }

    pub(super) fn index(&'a self, n: usize) -> Self {
        Self { before: Some(self), part: PathPart::Index(n) }
    }

    fn write(&self, out: &mut String) {
        if let Some(before) = self.before {
            before.write(out);
        }
        match self.part {
            PathPart::Start(path) => out.push_str(path),
            PathPart::Field(name) => {
                out.push_str(if out.is_empty() { "" } else { "." });
                out.push_str(name);
            }
            PathPart::Index(n) => out.push_str(&format!("[{n}]")),
        }
    }

    pub(super) fn error(&self, message: impl fmt::Display) -> EditsError {
        let mut path = String::new();
        self.write(&mut path);
        EditsError::new(path, message)
    }
}

/// Reads each of a list.
pub(super) fn each<'a, T, U, C: FromIterator<U>>(
    list: &'a [T],
    at: &At<'_>,
    mut read: impl FnMut(&'a T, &At<'_>) -> Read<U>,
) -> Read<C> {
    list.iter().enumerate().map(|(n, one)| read(one, &at.index(n))).collect()
}

/// Does something with each of a list.
pub(super) fn for_each<'a, T>(
    list: &'a [T],
    at: &At<'_>,
    read: impl FnMut(&'a T, &At<'_>) -> Read<()>,
) -> Read<()> {
    each(list, at, read)
}
