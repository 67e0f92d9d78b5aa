//! Errors as the user sees them.

use super::shown::Shown;
use super::tool;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use tfq_opt::Error;
use tfq_opt::pass::PipelineError;
use tfq_opt::target::TargetError;
use tfq_text::{is_hidden, line_and_column, visible, visible_path};
use tfq_tflite::Changed;

/// What a shell says of a process that a closed pipe has ended (SIGPIPE).
const CLOSED_PIPE: u8 = 141;

/// Why the command ends with an error.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A pipeline or a model in text form is wrong.
    Text(Box<Excerpt>),
    /// The command was called wrongly.
    Usage { message: String, help: String },
    /// The model could not be processed.
    Model { message: String, help: Option<String> },
    /// The reader of standard output closed it: `tfq-opt print model.tflite | head`. No message
    /// is printed; the exit status says that the output is incomplete.
    ClosedPipe,
}

/// What is wrong in a text, and where.
#[derive(Debug)]
pub(crate) struct Excerpt {
    /// The file or option that the text is from.
    place: String,
    text: String,
    span: Range<usize>,
    message: String,
    label: String,
    help: Option<String>,
    exit_code: u8,
}

/// So many bytes of a text are shown from where it is wrong: a line may be all of a large file.
const LONGEST_SHOWN: usize = 300;

impl Excerpt {
    /// The lines that the message is about, the number of the first, and the place in them.
    fn shown(&self) -> (usize, String, Range<usize>) {
        let (text, start) = (&self.text, self.span.start);
        let far = text.floor_char_boundary(start.saturating_add(LONGEST_SHOWN));
        let end = self.span.end.clamp(start, far);
        let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let last = text[end..far].find('\n').map_or(far, |at| end + at);
        let mut lines = text[first..last].to_owned();
        // An empty span points at the character behind it, or one past the end.
        if start == last {
            lines.push(text[start..].chars().next().unwrap_or(' '));
        }
        let next = lines[start - first..].chars().next().map_or(1, char::len_utf8);
        let span = start - first..(end - first).max(start - first + next);
        (line_and_column(text, start).0, lines, span)
    }
}

impl Failure {
    pub(crate) fn pipeline(place: &str, error: PipelineError) -> Self {
        Self::Text(Box::new(Excerpt {
            place: place.to_owned(),
            text: error.text,
            span: error.span,
            message: error.message,
            label: error.label,
            help: error.help,
            exit_code: 2,
        }))
    }

    /// A text that is wrong in a place, other than a model or a pipeline.
    pub(crate) fn excerpt(place: &str, text: String, span: Range<usize>, message: String) -> Self {
        Self::Text(Box::new(Excerpt {
            place: place.to_owned(),
            text,
            span,
            message,
            label: String::new(),
            help: None,
            exit_code: 1,
        }))
    }

    /// Message and help in words only, for a report.
    pub(crate) fn told(self) -> (String, Option<String>) {
        let (message, help) = match self {
            Self::Text(excerpt) => {
                let (line, column) = line_and_column(&excerpt.text, excerpt.span.start);
                let message = format!("{}:{line}:{column}: {}", excerpt.place, excerpt.message);
                (message, excerpt.help)
            }
            Self::Usage { message, help } => (message, Some(help)),
            Self::Model { message, help } => (message, help),
            Self::ClosedPipe => ("the pipe is closed".to_owned(), None),
        };
        (shown(&message), help.map(|help| shown(&tool::own(&help))))
    }

    /// A file that describes a target, and what is wrong with it.
    pub(crate) fn target(path: &str, text: String, error: &TargetError) -> Self {
        Self::Text(Box::new(Excerpt {
            place: path.to_owned(),
            text,
            span: error.span.clone(),
            message: error.problem.to_string(),
            label: String::new(),
            help: error.help(),
            exit_code: 2,
        }))
    }

    pub(crate) fn usage(message: &str, help: &str) -> Self {
        Self::Usage { message: message.to_owned(), help: help.to_owned() }
    }

    pub(crate) fn file(what: &str, name: impl AsRef<Path>, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        let message = format!("{what} {}: {}", named(name), cause(error));
        let changed = error.get_ref().and_then(|inner| inner.downcast_ref::<Changed>());
        Self::Model { message, help: changed.map(|changed| changed.help().to_owned()) }
    }

    /// What was made of a file that others changed is worth nothing.
    pub(crate) fn changed(changed: &Changed) -> Self {
        Self::Model { message: changed.to_string(), help: Some(changed.help().to_owned()) }
    }

    /// The same failure where a file was changed in the meantime, which may be all that is wrong.
    pub(crate) fn because(self, changed: &Changed) -> Self {
        match &self {
            Self::Usage { .. } | Self::ClosedPipe => self,
            Self::Model { message, .. } if message.contains(&changed.to_string()) => self,
            Self::Text(_) | Self::Model { .. } => {
                self.with_note(&format!("{changed}: {}", changed.help()))
            }
        }
    }

    pub(crate) fn model(input: impl AsRef<Path>, error: Error) -> Self {
        let name = match input.as_ref() {
            name if name == Path::new("-") => "standard input".to_owned(),
            name => named(name),
        };
        match error {
            Error::Text { text, error } => Self::Text(Box::new(Excerpt {
                place: name,
                text,
                span: error.span,
                message: error.message,
                label: String::new(),
                help: error.help,
                exit_code: 1,
            })),
            error => Self::Model { message: format!("{name}: {error}"), help: error.help() },
        }
    }

    /// Adds a sentence to the help.
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        let add = |help: &mut Option<String>| {
            *help = Some(help.take().map_or(note.to_owned(), |help| format!("{help}; {note}")));
        };
        match &mut self {
            Self::Text(excerpt) => add(&mut excerpt.help),
            Self::Model { help, .. } => add(help),
            Self::Usage { help, .. } => *help = format!("{help}; {note}"),
            Self::ClosedPipe => (),
        }
        self
    }

    /// 1 where the model could not be processed, 2 where the call was wrong; docs/exit-status.md
    /// has the table.
    /// `of_errors` is the status of all of them, where a command says so.
    pub(crate) fn status(&self, of_errors: Option<u8>) -> u8 {
        let own = match self {
            Self::Text(excerpt) => excerpt.exit_code,
            Self::Model { .. } => 1,
            Self::Usage { .. } => 2,
            Self::ClosedPipe => return CLOSED_PIPE,
        };
        of_errors.unwrap_or(own)
    }
}

/// The error without the name of our temporary file, which tells the user nothing.
pub(crate) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at path \"").map_or(text.as_str(), |(cause, _)| cause).to_owned()
}

/// A path for people.
pub(crate) fn named(path: impl AsRef<Path>) -> String {
    visible_path(path.as_ref())
}

/// Prints what clap has to say: help, the version, or what is wrong with the call.
pub(crate) fn print_usage(error: &clap::Error) -> ExitCode {
    match error.print() {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe && !error.use_stderr() => {
            ExitCode::from(CLOSED_PIPE)
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}

/// Prints a remark to standard error.
pub(crate) fn note(text: &str) {
    // Standard error may be closed.
    let _ = writeln!(Shown(io::stderr().lock()), "note: {text}");
}

/// Prints what the user should look at, and what to do about it, to standard error.
pub(crate) fn warning(text: &str) {
    // Standard error may be closed.
    let _ = writeln!(Shown(io::stderr().lock()), "warning: {}", shown(text));
}

/// Names from files are in messages as they came. A message is one line, or a name could begin the
/// next with what a build server takes for a command.
fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// What stands for a character that does not show, in as many bytes.
fn of_same_length(c: char) -> char {
    match c.len_utf8() {
        _ if matches!(c, '\n' | '\t') || !is_hidden(c) => c,
        1 => '?',
        2 => '\u{bf}',
        3 => char::REPLACEMENT_CHARACTER,
        _ => '\u{1f6ab}',
    }
}

/// Prints a failure to standard error.
pub(crate) fn print(failure: &Failure) {
    if let Some(text) = rendered(failure) {
        // Standard error may be closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Prints the failure with which the process ends while others may hold the locks of the
/// standard streams for ever.
pub(crate) fn print_last(failure: &Failure) {
    let Some(text) = rendered(failure) else { return };
    // What progress was shown ends in the middle of a line.
    let start = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let unlocked = io::stderr().as_fd().try_clone_to_owned().map(std::fs::File::from);
        let _ = unlocked.and_then(|mut out| writeln!(out, "{start}{text}"));
    }
    #[cfg(not(unix))]
    let _ = writeln!(io::stderr(), "{start}{text}");
}

/// As text; nothing is said of some.
fn rendered(failure: &Failure) -> Option<String> {
    let mut report: Vec<Group<'_>> = Vec::new();
    let help = match failure {
        Failure::Text(excerpt) => {
            let (line, text, span) = excerpt.shown();
            // The place is counted in bytes.
            let text: String = text.chars().map(of_same_length).collect();
            let snippet = Snippet::source(text)
                .line_start(line)
                .line_numbering(excerpt.text.contains('\n'))
                .path(shown(&excerpt.place))
                .annotation(AnnotationKind::Primary.span(span).label(shown(&excerpt.label)));
            report.push(Level::ERROR.primary_title(shown(&excerpt.message)).element(snippet));
            excerpt.help.clone()
        }
        Failure::Usage { message, help } => {
            report.push(Group::with_title(Level::ERROR.primary_title(shown(message))));
            Some(help.clone())
        }
        Failure::Model { message, help } => {
            report.push(Group::with_title(Level::ERROR.primary_title(shown(message))));
            help.clone()
        }
        Failure::ClosedPipe => return None,
    };
    if let Some(help) = help {
        report.push(Group::with_title(Level::HELP.secondary_title(shown(&tool::own(&help)))));
    }
    let styled = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    Some(renderer.decor_style(DecorStyle::Ascii).render(&report).to_string())
}

/// Standard output could not be written to.
pub(crate) fn output_failure(error: io::Error) -> Failure {
    Failure::file("cannot write", "standard output", &error)
}
