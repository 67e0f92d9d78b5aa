//! Errors as the user sees them.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use tfq_opt::pass::PipelineError;

/// Why the command ends with an error.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The text of the pipeline is wrong; it is from a file or an option.
    Pipeline { place: String, error: Box<PipelineError> },
    /// The command was called wrongly.
    Usage { message: String, help: String },
    /// The model could not be processed.
    Model { message: String, help: Option<String> },
}

impl Failure {
    pub(crate) fn usage(message: &str, help: &str) -> Self {
        Self::Usage { message: message.to_owned(), help: help.to_owned() }
    }

    pub(crate) fn file(what: &str, name: &str, error: &io::Error) -> Self {
        // Errors about our temporary file name it, which tells the user nothing.
        let text = error.to_string();
        let cause = text.split(" at path ").next().unwrap_or_default();
        Self::Model { message: format!("{what} {name}: {cause}"), help: None }
    }

    pub(crate) fn model(input: &str, error: &tfq_opt::Error) -> Self {
        let name = if input == "-" { "standard input" } else { input };
        Self::Model { message: format!("{name}: {error}"), help: error.help() }
    }

    /// 1 where the model could not be processed, 2 where the call was wrong.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Model { .. } => ExitCode::from(1),
            Self::Pipeline { .. } | Self::Usage { .. } => ExitCode::from(2),
        }
    }
}

/// Prints a failure to standard error.
pub(crate) fn print(failure: &Failure) {
    let mut report: Vec<Group<'_>> = Vec::new();
    let help = match failure {
        Failure::Pipeline { place, error } => {
            // An empty span stands at the end of the text: point one past it.
            let at_end = error.span.start == error.text.len();
            let text = format!("{}{}", error.text, if at_end { " " } else { "" });
            let span = error.span.start..error.span.end.max(error.span.start + 1);
            let snippet = Snippet::source(text)
                .line_numbering(error.text.contains('\n'))
                .path(place.clone())
                .annotation(AnnotationKind::Primary.span(span).label(error.label.clone()));
            report.push(Level::ERROR.primary_title(error.message.clone()).element(snippet));
            error.help.clone()
        }
        Failure::Usage { message, help } => {
            report.push(Group::with_title(Level::ERROR.primary_title(message.clone())));
            Some(help.clone())
        }
        Failure::Model { message, help } => {
            report.push(Group::with_title(Level::ERROR.primary_title(message.clone())));
            help.clone()
        }
    };
    if let Some(help) = help {
        report.push(Group::with_title(Level::HELP.secondary_title(help)));
    }
    let mut out = io::stderr().lock();
    let styled = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    let text = renderer.decor_style(DecorStyle::Ascii).render(&report).to_string();
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(out, "{text}");
}
