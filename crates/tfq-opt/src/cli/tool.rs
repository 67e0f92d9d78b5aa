//! The tool that this process is.

use std::sync::OnceLock;
use tfq_opt::pass::Registry;

/// What makes a command line a tool of somebody's own.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The passes and pipelines that it knows.
    pub(crate) registry: Registry,
}

/// The library of arguments calls completers and parsers of values without any state, so what
/// they ask is kept here, once for the process.
static TOOL: OnceLock<Tool> = OnceLock::new();

/// Makes this process the tool.
pub(crate) fn set(tool: Tool) {
    TOOL.set(tool).expect("a process is one tool");
}

/// The passes and pipelines of the tool.
pub(crate) fn registry() -> &'static Registry {
    &TOOL.get().expect("it is set before anything asks").registry
}
