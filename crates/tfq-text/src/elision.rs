//! What a text says of bytes that it does not have.

use std::collections::HashMap;

/// What a text says of all that it leaves out, which no model made from it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elisions {
    /// Constants, by subgraph and name as the text has them.
    pub(super) constants: HashMap<(String, String), Elision>,
    /// Hashes of lists of scales, zero points, ranges and sparse indices, sorted.
    pub lists: Vec<String>,
    /// Hashes of payloads of ops and quantisations, sorted.
    pub payloads: Vec<String>,
    /// Hashes of what stands outside of subgraphs, sorted.
    pub model: Vec<String>,
}

/// What a text says of a constant that it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elision {
    /// The first digits of the BLAKE3 hash of its bytes.
    pub hash: Option<String>,
    /// Statistics as the printer has them: `min = -1, max = 1`.
    pub statistics: Option<String>,
}

impl Elisions {
    /// What is said of a constant, if its bytes are left out.
    pub fn constant(&self, subgraph: &str, tensor: &str) -> Option<&Elision> {
        self.constants.get(&(subgraph.to_owned(), tensor.to_owned()))
    }

    /// Hashes that came since there were so many belong to the model, not to a subgraph.
    pub(super) fn move_to_model(&mut self, [lists, payloads]: [usize; 2]) {
        self.model.extend(self.lists.drain(lists..));
        self.model.extend(self.payloads.drain(payloads..));
    }

    pub(super) fn sorted(mut self) -> Self {
        for list in [&mut self.lists, &mut self.payloads, &mut self.model] {
            list.sort_unstable();
        }
        self
    }
}
