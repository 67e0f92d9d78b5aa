//! Why a run ends early.

use crate::error::PassError;
use crate::invariant::Invariant;
use crate::registry::Registry;
use tfq_ir::{VerifyError, counted};

/// Why a run ended early. The model is what it was before the pass that failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunError {
    /// A pass gave up.
    #[error("pass `{pass}`: {source}")]
    Pass {
        /// Its name.
        pass: String,
        /// Why.
        source: PassError,
    },
    /// A pass panicked, which is a mistake in the pass.
    #[error("pass `{pass}` panicked: {message}")]
    Panic {
        /// Its name.
        pass: String,
        /// What it said.
        message: String,
    },
    /// A pass left a model that is not well-formed, which is a mistake in the pass.
    #[error("pass `{pass}` broke the model{}: {error}", by(patch))]
    Verify {
        /// Its name.
        pass: String,
        /// The patch that broke it, where one did: number in the pass from 1, and label.
        patch: Option<(usize, String)>,
        /// The first broken rule.
        error: VerifyError,
    },
    /// A pass did what it does not declare, which is a mistake in the pass.
    #[error("pass `{pass}` did not keep its contract: {what}")]
    Contract {
        /// Its name.
        pass: String,
        /// What it did.
        what: String,
    },
    /// A pass stands where what it needs does not hold.
    #[error("pass `{pass}` needs that {}, and {what}", invariant.docs())]
    Requires {
        /// Its name.
        pass: String,
        /// What it needs.
        invariant: Invariant,
        /// Where it does not hold.
        what: String,
        /// Passes after which it does, where the caller of [`crate::run`] knows some
        /// ([`RunError::in_registry`]).
        ensured_by: Vec<String>,
    },
    /// `until-stable` ran out of rounds.
    #[error("until-stable({body}) still changes the model after {}", counted(*rounds, "round"))]
    Unstable {
        /// What it runs.
        body: String,
        /// How often it was run.
        rounds: u64,
    },
    /// Passes undo each other.
    #[error("the model comes back to what it was before, by way of these rules: {}", rules.join(", "))]
    Cycle {
        /// The labels of the patches between.
        rules: Vec<String>,
    },
    /// `subgraph("name")` names none.
    #[error("the model has no subgraph named or numbered `{name}`")]
    NoSubgraph {
        /// The name.
        name: String,
    },
}

impl RunError {
    /// With the passes of the registry that would have helped.
    #[must_use]
    pub fn in_registry(mut self, registry: &Registry) -> Self {
        if let Self::Requires { invariant, ensured_by, .. } = &mut self {
            *ensured_by =
                registry.ensuring(invariant.name()).map(|info| info.name.to_string()).collect();
        }
        self
    }

    /// Whether the pass is to blame and not the model or the pipeline.
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::Panic { .. } | Self::Verify { .. } | Self::Contract { .. } => true,
            Self::Pass { source, .. } => !matches!(source, PassError::Unsupported(_)),
            _ => false,
        }
    }
}

fn by(patch: &Option<(usize, String)>) -> String {
    patch.as_ref().map_or(String::new(), |(n, label)| format!(" with patch {n}, `{label}`"))
}
