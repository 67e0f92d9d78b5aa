//! Why a pass gives up.

use tfq_ir::Rejected;

/// Why a pass gave up. The model is put back to what it was before the pass.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PassError {
    /// An edit was refused, which is a mistake in the pass.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Rules undo each other.
    #[error("the model comes back to what it was, by way of these rules: {}", rules.join(", "))]
    Cycle {
        /// The rules between.
        rules: Vec<String>,
    },
    /// Rules apply without end, and the model grows.
    #[error("these rules apply without end: {}", rules.join(", "))]
    Endless {
        /// The rules that were applied last.
        rules: Vec<String>,
    },
    /// The pass cannot handle this model with these options.
    #[error("{0}")]
    Unsupported(String),
}
