//! `tfq-opt bisect`.

use super::check::Check;
use super::diagnostics::{Failure, named};
use super::emit;
use super::model::{self, ReadArgs};
use super::outputs::{Inputs, Overwrite};
use super::passes::{FollowArg, PassArgs};
use std::io;
use std::path::{Path, PathBuf};
use tfq_opt::debug::{BisectError, Bisection, bisect};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model before the passes
    model: PathBuf,

    #[command(flatten)]
    run: PassArgs,

    #[command(flatten)]
    follow: FollowArg,

    /// A shell command that succeeds on a good model; {} stands for the model's file, and needs
    /// no quotes
    #[arg(long, value_name = "COMMAND")]
    check: String,

    /// Where the ops around the bad patch go, as a model of their own; as text if the name ends
    /// in .tfg
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    overwrite: Overwrite,

    #[command(flatten)]
    reading: ReadArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let check = Check::new(&args.check)?;
    let optimizer = args.run.optimizer(args.run.pipeline()?, &args.follow)?;
    let others = args.run.files().chain(args.follow.file().map(PathBuf::from)).collect();
    let mut inputs = Inputs { model: args.reading.files(&args.model), others, ..Inputs::default() };
    emit::check_output(args.output.as_deref(), &inputs, args.overwrite)?;
    let start = model::load(&args.model, &args.reading)?;
    if inputs.add_constants_of(&args.model, &start) {
        emit::check_output(args.output.as_deref(), &inputs, args.overwrite)?;
    }
    let good = |model: &[u8]| check.passes(model);
    let found = bisect(&optimizer, start, good).map_err(|error| match error {
        BisectError::Model(error) => Failure::model(&args.model, error),
        BisectError::BadFromTheStart => {
            let message = format!("{}: {}", named(&args.model), BisectError::BadFromTheStart);
            Failure::Model { message, help: Some(check.always_fails()) }
        }
        other => Failure::Model { message: format!("{}: {other}", named(&args.model)), help: None },
    })?;
    if let Some(output) = &args.output {
        emit::write_module(output, &found.reproducer)?;
    }
    report(&found, args.output.as_deref()).map_err(super::diagnostics::output_failure)
}

fn report(found: &Bisection, output: Option<&Path>) -> io::Result<()> {
    let mut out = model::beside(output);
    writeln!(out, "first bad pass:  {}", found.pass)?;
    writeln!(out, "first bad patch: {}, {}", found.patch, found.rule)?;
    for op in &found.ops {
        writeln!(out, "  touches {op}")?;
    }
    writeln!(out, "checks run: {}", found.runs)?;
    match output {
        Some(output) if model::is_standard_output(output) => Ok(()),
        Some(output) => {
            writeln!(out, "the ops around it, before the patch: {}", named(output))
        }
        None => Ok(()),
    }
}
