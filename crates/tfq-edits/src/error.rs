//! What is wrong with edits, and where.

use std::fmt;
use tfq_ir::{did_you_mean, visible};

/// Why edits could not be read or applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditsError {
    /// Where: a path in the JSON, such as `edits[3].edit.patch.add_ops[0].op.operator`. Empty for
    /// the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for EditsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{}: {}", visible(path), self.message),
        }
    }
}

impl std::error::Error for EditsError {}

impl EditsError {
    pub(crate) fn new(path: impl Into<String>, message: impl fmt::Display) -> Self {
        let message = visible(&message.to_string()).into_owned();
        Self { path: path.into(), message, help: None }
    }

    pub(crate) fn help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// What the reader of JSON says.
    pub(crate) fn of_json(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let inner = error.inner();
        let message = inner.to_string();
        let path = match error.path().to_string().as_str() {
            "." => String::new(),
            path => path.to_owned(),
        };
        Self::new(path, &message).help(unknown_name(&message))
    }
}

/// Messages about unknown fields and variants say which there are, each between backticks behind
/// the unknown one.
fn unknown_name(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    did_you_mean(unknown, quoted)
}
