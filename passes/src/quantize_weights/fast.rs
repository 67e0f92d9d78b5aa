//! Which ops are worth a Dequantize for the sake of speed.

use tfq_ir::maps::IndexSet;
use tfq_ir::{OpId, SubgraphId};

/// Ops that are worth a Dequantize for the sake of speed.
#[derive(Debug, Default)]
pub(super) enum Fast {
    /// None: something else matters.
    #[default]
    None,
    /// All that it makes quicker.
    All,
    /// These: others would make the file too large.
    Some {
        ops: IndexSet<(SubgraphId, OpId)>,
        /// About how many bytes they take of the file.
        bytes: u64,
    },
}

impl Fast {
    pub(super) fn has(&self, sg: SubgraphId, op: OpId) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some { ops, .. } => ops.contains(&(sg, op)),
        }
    }
}

/// Handed over where ops get a Dequantize since they would be slower with int8: by how much the
/// slowest of them would be, by the target's measurements.
#[derive(Clone, Copy, Debug)]
pub struct SparedSlowness {
    /// Times as long as with float32.
    pub times: f64,
}
