//! Constants of which only something is known.

use std::collections::HashMap;
use tfq_ir::BufferId;
use tfq_text::Elision;

/// Which constants of a module are not those of its model, because the text that it was read
/// from leaves them out, and what the text says of them.
#[derive(Clone, Debug, Default)]
pub struct Elided(HashMap<BufferId, Elision>);

impl Elided {
    /// Takes note that the bytes of this buffer are made up.
    pub fn insert(&mut self, buffer: BufferId, elision: Elision) {
        self.0.insert(buffer, elision);
    }

    pub(crate) fn get(&self, buffer: BufferId) -> Option<&Elision> {
        self.0.get(&buffer)
    }
}

/// Whether two constants differ, as far as it is known of both.
pub(crate) fn differ(one: &Elision, other: &Elision) -> bool {
    match (&one.hash, &other.hash) {
        (Some(a), Some(b)) => !(a.starts_with(&**b) || b.starts_with(&**a)),
        _ => match (&one.statistics, &other.statistics) {
            (Some(a), Some(b)) => a != b,
            _ => false,
        },
    }
}
