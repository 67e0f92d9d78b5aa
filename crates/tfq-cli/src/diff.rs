//! `tfq-opt diff`.

use super::diagnostics::{Failure, named};
use super::model::{self, ReadArgs};
use super::outputs::{self, Inputs, Outputs};
use clap::ValueEnum;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tfq_diff::{DiffOptions, Style, diff, html};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The model before, as .tflite or as text
    before: PathBuf,

    /// The model after
    after: PathBuf,

    /// The form of the result [default: that of FILE's ending, else text]
    #[arg(long, value_enum, value_name = "FORM")]
    format: Option<Format>,

    /// Where the result goes [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// When to colour text
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,

    /// End with status 1 if the models differ, and with 2 on errors
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    reading: ReadArgs,
}

const EXAMPLES: &str = "\
Examples:
  tfq-opt diff model.tflite small.tflite
  tfq-opt diff model.tflite small.tflite -o diff.html
  tfq-opt diff golden.tfg model.tflite --exit-code";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For a comment on a change
    Markdown,
    /// For scripts
    Json,
    /// A page with both graphs
    Html,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    /// If standard output is a terminal and NO_COLOR is not set
    Auto,
    Always,
    Never,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    Ok(match differ(args)? && args.exit_code {
        true => ExitCode::from(1),
        false => ExitCode::SUCCESS,
    })
}

/// Whether the models differ, which is told.
fn differ(args: &Args) -> Result<bool, Failure> {
    if model::is_standard(&args.before) && model::is_standard(&args.after) {
        let help = "write one of them to a file";
        return Err(Failure::usage("both models would come from standard input", help));
    }
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    let others = [args.reading.files(&args.before), args.reading.files(&args.after)].concat();
    let outputs = Outputs { others: vec![output], ..Outputs::default() };
    let mut inputs = Inputs { others, ..Inputs::default() };
    outputs::check(&outputs, &inputs, None)?;
    let before = model::load(&args.before, &args.reading)?;
    let after = model::load(&args.after, &args.reading)?;
    let has_constants = [(&args.before, &before), (&args.after, &after)]
        .map(|(name, module)| inputs.add_constants_of(name, module));
    if has_constants.contains(&true) {
        outputs::check(&outputs, &inputs, None)?;
    }
    let diff = diff(&before, &after, &DiffOptions::default());
    let text = match args.format() {
        Format::Text => diff.to_text(args.style()),
        Format::Markdown => diff.to_markdown(),
        Format::Json => diff.to_json() + "\n",
        Format::Html => html(&before, &after, &diff, [&named(&args.before), &named(&args.after)]),
    };
    model::write_bytes(output, text)?;
    Ok(!diff.is_identical())
}

impl Args {
    /// The status with which all errors end, where it is another than theirs.
    pub(super) fn status_of_errors(&self) -> Option<u8> {
        self.exit_code.then_some(2)
    }

    fn format(&self) -> Format {
        let ending = self.output.as_deref().and_then(|name| name.extension()?.to_str());
        self.format.unwrap_or(match ending {
            Some("md") => Format::Markdown,
            Some("json") => Format::Json,
            Some("html" | "htm") => Format::Html,
            _ => Format::Text,
        })
    }

    fn style(&self) -> Style {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = self.output.is_none() && io::stdout().is_terminal();
        match self.color {
            Color::Always => Style::Ansi,
            Color::Auto if terminal && !plain => Style::Ansi,
            Color::Auto | Color::Never => Style::Plain,
        }
    }
}
