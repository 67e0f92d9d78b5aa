//! `tfq-opt bisect`.

use super::check::Check;
use super::diagnostics::Failure;
use super::model::{self, Reading};
use std::io::{self, Write};
use tfq_opt::{BisectError, Bisection, Optimizer, bisect};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model before the passes
    model: String,

    /// Passes in order [default: default]
    #[arg(long, value_name = "PIPELINE")]
    passes: Option<String>,

    /// A shell command that succeeds on a good model; {} stands for the model's file
    #[arg(long, value_name = "COMMAND")]
    check: String,

    /// Where the ops around the bad patch go, as a model of their own; as text if the name ends
    /// in .tfg
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let check = Check::new(&args.check)?;
    let pipeline = model::pipeline("--passes", args.passes.as_deref().unwrap_or("default"))?;
    let start = model::load(&args.model, &args.reading)?;
    let good = |model: &[u8]| check.passes(model);
    let found = bisect(&Optimizer::new(pipeline), start, good).map_err(|error| match error {
        BisectError::Model(error) => Failure::model(&args.model, error),
        other => Failure::Model { message: format!("{}: {other}", args.model), help: None },
    })?;
    if let Some(output) = &args.output {
        model::write_module(output, &found.reproducer)?;
    }
    report(&found, args.output.as_deref()).map_err(super::output_failure)
}

fn report(found: &Bisection, output: Option<&str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "first bad pass:  {}", found.pass)?;
    writeln!(out, "first bad patch: {}, {}", found.patch, found.rule)?;
    for op in &found.ops {
        writeln!(out, "  touches {op}")?;
    }
    writeln!(out, "checks run: {}", found.runs)?;
    match output {
        Some(output) => writeln!(out, "the ops around it, before the patch: {output}"),
        None => Ok(()),
    }
}
