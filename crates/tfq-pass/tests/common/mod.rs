//! Functions run as passes.

use tfq_ir::Module;
use tfq_pass::{PassError, Pipeline, Report, RunError, RunOptions, Session, pass_fn, run};
use tfq_target::Target;

/// Runs a pass that is called `test`.
pub(crate) fn try_pass(
    module: &mut Module,
    options: &RunOptions,
    pass: impl Fn(&mut Session<'_>) -> Result<(), PassError> + Send + Sync + 'static,
) -> Result<Report, RunError> {
    let pipeline = Pipeline::new().then("test", pass_fn(pass));
    run(module, &pipeline, &Target::named("litert").unwrap(), options, |_| ())
}

/// Runs a pass that does not fail.
pub(crate) fn with_pass(
    module: &mut Module,
    pass: impl Fn(&mut Session<'_>) -> Result<(), PassError> + Send + Sync + 'static,
) -> Report {
    try_pass(module, &RunOptions::default(), pass).unwrap()
}
