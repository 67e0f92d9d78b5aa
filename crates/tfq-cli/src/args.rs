//! The arguments.

use super::debug::Debug;
use super::emit::Emit;
use super::model::{Constants, ReadArgs};
use super::passes::PassArgs;
use super::plan::PlanArg;
use super::tool;
use clap::builder::StyledStr;
use clap::{CommandFactory, Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Optimise .tflite models: quantise weights, keep everything else, write what runs.
#[derive(Debug, Parser)]
#[command(name = "tfq-opt", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The model to optimise, as .tflite or as text; - reads standard input
    pub(crate) input: Option<PathBuf>,

    /// Where the result goes; - writes to standard output. Without it nothing is written
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) run: PassArgs,

    /// Print what is decided about each weight and why, as a table or as --plan=json or --plan=toml;
    /// or do what the plan in a file says
    #[arg(long, value_name = "FORM|FILE", num_args = 0..=1, require_equals = true, default_missing_value = "table", value_parser = PlanArg::parser())]
    pub(crate) plan: Option<PlanArg>,

    /// Print the pipeline as it is understood and end
    #[arg(long)]
    pub(crate) print_pipeline: bool,

    #[command(flatten)]
    pub(crate) overwrite: super::outputs::Overwrite,

    /// Do everything but write
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Tell for each constant and op what was done and why, of one pass or of all
    #[arg(long, value_name = "PASS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) remarks: Option<String>,

    /// Tell for each pass how often each of its rules was applied and what it saved
    #[arg(long)]
    pub(crate) stats: bool,

    /// Tell how long reading, each pass, its analyses, the verifier and writing took
    #[arg(long)]
    pub(crate) timing: bool,

    /// Write what was done to the model to a file, for `tfq-opt replay`, and larger constants to
    /// FILE.bin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run_reproducer", "shuffle"])]
    edits: Option<PathBuf>,

    /// Print the summary as JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Print errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Where constants lie in the result
    #[arg(long, value_enum, default_value_t = Constants::Auto, value_name = "WHERE")]
    pub(crate) constants: Constants,

    #[command(flatten)]
    pub(crate) emit: Emit,

    #[command(flatten)]
    pub(crate) reading: ReadArgs,

    /// How many threads compute [default: one per core, one alone for models below 32 MiB]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,

    /// Go on with a model that the target's runtime refuses to load
    #[arg(long)]
    pub(crate) allow_unloadable: bool,

    #[command(flatten)]
    pub(crate) debug: Debug,

    #[command(flatten, next_help_heading = "Running the result with --verify-run")]
    pub(crate) verify: super::verify::Verify,
}

const EXAMPLES: &str = "\
Examples:
  tfq-opt model.tflite -o small.tflite
  tfq-opt model.tflite --passes='quantize-weights{type=float16},insert-dequant,eliminate-dead-buffers' -o half.tflite
  tfq-opt model.tflite --dry-run --remarks
  tfq-opt model.tflite --passes= --emit=text";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List passes and pipelines with their options
    Passes {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// As the Markdown of docs/passes.md
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
        /// The options of each pass as a JSON Schema
        #[arg(long, conflicts_with_all = ["json", "markdown"])]
        schema: bool,
    },
    /// Find the first pass, and in it the first patch, after which a check fails
    Bisect(super::bisect::Args),
    /// Tell what differs between two models
    Diff(super::diff::Args),
    /// Accept what a pipeline does to a model, and check that it still does
    Golden(super::golden::Args),
    /// Tell what a model is: inputs and outputs, size, ops, quantisation
    Inspect(super::inspect::Args),
    /// Print a model as text, for example for git
    Print(super::print::Args),
    /// Write a model as text whose weights are made up: the structure in some kilobytes
    Skeleton(super::skeleton::Args),
    /// List targets, or explain one
    Targets(super::targets::Args),
    /// Run a model on LiteRT
    Run(super::run::Args),
    /// Run two models on the same inputs and measure how they differ
    Compare(super::compare::Args),
    /// Measure how long a model takes and what memory it needs, alone or beside another
    Bench(super::bench::Args),
    /// Run models for another process, over standard input and output
    #[command(hide = true)]
    RuntimeWorker {
        /// The runtime
        library: PathBuf,
    },
    /// Shrink a model for which a check fails
    Reduce(super::reduce::Args),
    /// Do to a model what a run did, or what a tool of yours asks for
    Replay(super::replay::Args),
    /// Print a script that has a shell complete arguments: source <(tfq-opt completions bash)
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the manual of a pass, or what a pipeline runs and why
    Explain {
        /// Its name
        #[arg(value_name = "NAME")]
        pass: String,
    },
}

impl Args {
    /// Where the edits go, if they are written.
    pub(crate) fn edits(&self) -> Option<&Path> {
        self.edits.as_deref().filter(|_| !self.dry_run)
    }
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("a number from 1 to 1024 is wanted".to_owned()),
    }
}

/// The arguments, with help that speaks of this tool.
pub(crate) fn command() -> clap::Command {
    let command = Args::command().name(tool::name()).version(tool::version());
    if tool::name() == tool::NAME { command } else { renamed(command) }
}

fn renamed(command: clap::Command) -> clap::Command {
    let again = |text: &StyledStr| tool::own(&text.to_string()).into_owned();
    let (about, after) = (command.get_about().map(again), command.get_after_help().map(again));
    let command = command.mut_args(|arg| match arg.get_help().map(again) {
        Some(help) => arg.help(help),
        None => arg,
    });
    let command = match about {
        Some(about) => command.about(about),
        None => command,
    };
    let command = match after {
        Some(after) => command.after_help(after),
        None => command,
    };
    command.mut_subcommands(renamed)
}
