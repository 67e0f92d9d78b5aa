//! What is wrong with a text.

use std::fmt;
use std::ops::Range;
use tfq_ir::line_and_column;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes of the text that the message is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ParseError {
    /// An error about these bytes of a text, which are held inside of it.
    pub fn at(text: &str, span: Range<usize>, message: String, help: Option<String>) -> Self {
        let start = span.start.min(text.len());
        let (line, column) = line_and_column(text, start);
        Self { line, column, span: start..span.end.clamp(start, text.len()), message, help }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

pub(super) type Span = Range<usize>;

/// An error before lines and columns are known.
#[derive(Debug)]
pub(super) struct Fail {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

pub(super) type Parsed<T> = Result<T, Fail>;

pub(super) fn fail<T>(span: Span, message: impl Into<String>) -> Parsed<T> {
    Err(Fail { span, message: message.into(), help: None })
}

pub(super) fn fail_with<T>(
    span: Span,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Parsed<T> {
    Err(Fail { span, message: message.into(), help: Some(help.into()) })
}
