//! Talking to a person.

use crate::diagnostics::{Failure, output_failure};
use crate::shown::Shown;
use std::io::{self, BufRead, IsTerminal, Write};
use tfq_diff::Style;

pub(super) fn style() -> Style {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !plain { Style::Ansi } else { Style::Plain }
}

/// Whether this is a server that builds and tests, where goldens are only read.
pub(super) fn on_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| !["", "0", "false"].contains(&ci.as_str()))
}

/// Asks on standard output and reads a line; `None` where there is no more input.
pub(super) fn ask(question: &str) -> Result<Option<String>, Failure> {
    let mut out = Shown(io::stdout().lock());
    write!(out, "{question} ").and_then(|()| out.flush()).map_err(output_failure)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    let read = read.map_err(|error| Failure::file("cannot read", "standard input", &error))?;
    if read == 0 || !io::stdin().is_terminal() {
        // What a person types ends the line; a pipe does not show.
        writeln!(out).map_err(output_failure)?;
    }
    Ok((read > 0).then(|| line.trim().to_lowercase()))
}

/// Prints to standard output.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    Shown(io::stdout().lock()).write_all(text.as_bytes()).map_err(output_failure)
}

/// The same for text with colours, in which names are escaped already.
pub(super) fn say_coloured(text: &str) -> Result<(), Failure> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(output_failure)
}
