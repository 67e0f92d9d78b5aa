//! What a pass is.

use crate::error::PassError;
use crate::session::Session;
use std::fmt;

/// A rewrite of the model.
///
/// Contract: it is a function of the model, the target and its own options, and keeps no state from
/// one run to the next.
pub trait Pass: fmt::Debug + Send + Sync {
    /// Rewrites the model of the session.
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError>;
}

/// A pass that is a function: for tests, and for programs with pipelines of their own.
///
/// ```
/// use tfq_pass::{Pipeline, pass_fn};
///
/// let count_ops = pass_fn(|session| {
///     let ops = session.model().subgraphs().map(|(_, graph)| graph.op_count() as u64);
///     session.count("ops", ops.sum());
///     Ok(())
/// });
/// assert_eq!(Pipeline::new().then("count-ops", count_ops).len(), 1);
/// ```
pub fn pass_fn<F>(run: F) -> impl Pass
where
    F: Fn(&mut Session<'_>) -> Result<(), PassError> + Send + Sync + 'static,
{
    Function(run)
}

struct Function<F>(F);

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a function")
    }
}

impl<F> Pass for Function<F>
where
    F: Fn(&mut Session<'_>) -> Result<(), PassError> + Send + Sync,
{
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        (self.0)(session)
    }
}
