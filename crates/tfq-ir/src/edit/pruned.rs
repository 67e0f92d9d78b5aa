//! Where there is nothing to prune.

use std::fmt;

/// Of what pruning would drop nothing, since it did so last and no edit was made after it that could
/// leave anything unused. It is no part of the model, and so not shown.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pruned {
    pub(super) buffers: bool,
    pub(super) op_codes: bool,
    pub(super) subgraphs: bool,
}

impl fmt::Debug for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}
