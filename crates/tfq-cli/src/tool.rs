//! The tool that this process is.

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;
use tfq_opt::pass::Registry;

/// The name under which texts of this crate speak of the tool.
pub(crate) const NAME: &str = "tfq-opt";

/// What makes a command line a tool of somebody's own.
#[derive(Debug)]
struct Tool {
    /// The passes and pipelines that it knows.
    registry: Registry,
    /// What a user types to call it.
    name: String,
    version: String,
}

/// The library of arguments calls completers and parsers of values without any state, so what
/// they ask is kept here, once for the process.
static TOOL: OnceLock<Tool> = OnceLock::new();

/// The version of this crate, which is that of tfq-opt.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes this process a tool with these passes, named as its program. Beside a version of its own
/// that of tfq-opt is told.
pub(crate) fn set(registry: Registry, version: Option<&str>) {
    let program = std::env::args_os().next();
    let stem = program.as_ref().and_then(|program| Path::new(program).file_stem());
    let name = stem.map_or(NAME.into(), |stem| stem.to_string_lossy()).into_owned();
    let version = version.map_or(VERSION.to_owned(), |own| format!("{own} ({NAME} {VERSION})"));
    TOOL.set(Tool { registry, name, version }).expect("a process is one tool");
}

fn tool() -> &'static Tool {
    TOOL.get().expect("it is set before anything asks")
}

/// The passes and pipelines of the tool.
pub(crate) fn registry() -> &'static Registry {
    &tool().registry
}

/// What a user types to call it.
pub(crate) fn name() -> &'static str {
    &tool().name
}

/// Its version.
pub(crate) fn version() -> &'static str {
    &tool().version
}

/// A text in which commands of the tool are called as this one is: another may not know its
/// passes.
pub(crate) fn own(text: &str) -> Cow<'_, str> {
    match name() {
        NAME => text.into(),
        name => text.replace(&format!("{NAME} "), &format!("{name} ")).into(),
    }
}
