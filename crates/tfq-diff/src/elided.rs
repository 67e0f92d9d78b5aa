//! Constants of which only something is known.

use std::collections::HashMap;
use tfq_ir::BufferId;

/// Which constants of a module are not those of its model, because the text that it was read
/// from leaves them out, and what the text says of them.
#[derive(Clone, Debug, Default)]
pub struct Elided(HashMap<BufferId, Told>);

/// What a text says of a constant that it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The first digits of the BLAKE3 hash of its bytes.
    pub hash: Option<String>,
    /// Statistics as the text has them: `min = -1, max = 1`.
    pub statistics: Option<String>,
}

impl Elided {
    /// Takes note that the bytes of this buffer are made up.
    pub fn insert(&mut self, buffer: BufferId, told: Told) {
        self.0.insert(buffer, told);
    }

    pub(crate) fn get(&self, buffer: BufferId) -> Option<&Told> {
        self.0.get(&buffer)
    }
}

impl Told {
    /// Whether two constants differ, as far as it is known of both.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        match (&self.hash, &other.hash) {
            (Some(a), Some(b)) => !(a.starts_with(&**b) || b.starts_with(&**a)),
            _ => match (&self.statistics, &other.statistics) {
                (Some(a), Some(b)) => a != b,
                _ => false,
            },
        }
    }
}
