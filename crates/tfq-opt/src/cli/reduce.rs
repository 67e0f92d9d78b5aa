//! `tfq-opt reduce`.

use super::check::Check;
use super::diagnostics::Failure;
use super::model::{self, Reading};
use std::io::{self, Write};
use std::path::Path;
use tfq_opt::diff::grouped;
use tfq_opt::{Optimizer, ReduceError, ReduceOptions, Reduction, reduce};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model for which the check fails
    model: String,

    /// A shell command that succeeds on a good model; {} stands for the model's file
    #[arg(long, value_name = "COMMAND")]
    check: String,

    /// Run these passes on each model before it is checked
    #[arg(long, value_name = "PIPELINE")]
    passes: Option<String>,

    /// The runtime that the passes work for
    #[arg(long, default_value = "litert", value_name = "NAME", requires = "passes")]
    target: String,

    /// Where the smaller model goes, as it is before the passes; as text if the name ends in
    /// .tfg
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,

    /// End after so many checks, with the smallest model so far
    #[arg(long, value_name = "N", value_parser = most)]
    max_checks: Option<usize>,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let check = Check::new(&args.check)?;
    let target = model::target(&args.target)?;
    let optimizer = match &args.passes {
        Some(text) => Some(Optimizer::new(model::pipeline("--passes", text)?).for_target(target)),
        None => None,
    };
    let options = ReduceOptions { optimizer, max_checks: args.max_checks };
    if let Some(output) = &args.output {
        // Checks may take hours; a typing mistake should not cost their result.
        let folder = Path::new(output).parent().filter(|folder| *folder != Path::new(""));
        folder
            .map_or(Ok(()), |folder| std::fs::metadata(folder).map(|_| ()))
            .map_err(|error| Failure::file("cannot write", output, &error))?;
    }
    let start = model::load(&args.model, &args.reading)?;
    let found = reduce(&start, |model| check.passes(model), &options).map_err(|error| {
        let message = format!("{}: {error}", args.model);
        match error {
            ReduceError::Model(error) => Failure::model(&args.model, error),
            ReduceError::Check(_) => Failure::Model { message, help: None },
            ReduceError::NothingFails { .. } => {
                let help = "the check must succeed on good models and fail on this one".to_owned();
                Failure::Model { message, help: Some(help) }
            }
        }
    })?;
    if let Some(output) = &args.output {
        model::write_module(output, &found.module)?;
    }
    report(args, &found).map_err(super::output_failure)
}

fn most(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("a number from 1 on is wanted".to_owned()),
    }
}

fn report(args: &Args, found: &Reduction) -> io::Result<()> {
    let mut out: Box<dyn Write> = match args.output.as_deref() {
        Some("-") => Box::new(io::stderr()),
        _ => Box::new(io::stdout().lock()),
    };
    let Reduction { before, after, checks, .. } = found;
    let ops = [before.ops, after.ops].map(|ops| grouped(ops as u64));
    let [was, is] = [before, after].map(|size| grouped(size.bytes));
    writeln!(out, "{}: {was} to {is} bytes, {} to {} ops", args.model, ops[0], ops[1])?;
    if before.content > 0 {
        let [was, is] = [before, after].map(|size| grouped(size.content));
        writeln!(out, "  constants that matter: {was} to {is} bytes, the rest is filled")?;
    }
    let ended = if found.finished { "" } else { "; --max-checks ended it" };
    writeln!(out, "  {} checks{ended}", grouped(*checks as u64))?;
    match args.output.as_deref() {
        Some("-") => Ok(()),
        Some(output) => writeln!(out, "  written to {output}"),
        None => writeln!(out, "  nothing written: give -o FILE"),
    }
}
