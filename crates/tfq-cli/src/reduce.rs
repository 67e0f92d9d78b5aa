//! `tfq-opt reduce`.

use super::check::Check;
use super::diagnostics::{Failure, named, note};
use super::emit;
use super::model::{self, ReadArgs};
use super::outputs::{Inputs, Overwrite};
use super::passes::{FollowArg, PassArgs};
use clap::ArgGroup;
use std::io;
use std::path::PathBuf;
use tfq_ir::{Module, counted, grouped};
use tfq_opt::debug::{ReduceError, ReduceOptions, Reduction, reduce};
use tfq_tflite::LowerOptions;

/// What says that passes run.
const RUNS: [&str; 9] = [
    "passes",
    "pipeline",
    "optimize",
    "prefer",
    "float16",
    "weight_only",
    "keep",
    "set_batch",
    "set_shape",
];

const PASSES: &str = "Run these passes on each model before it is checked, as \
                      NAME{OPTION=VALUE ...},...; those of the pipeline default where options \
                      for it are given";

#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("runs").args(RUNS).multiple(true),
    mut_arg("passes", |arg| arg.help(PASSES)),
    mut_arg("target", |arg| arg.requires("runs").help("The runtime that the passes work for")),
)]
pub(crate) struct Args {
    /// The model for which the check fails
    model: PathBuf,

    /// A shell command that succeeds on a good model; {} stands for the model's file, and needs
    /// no quotes
    #[arg(long, value_name = "COMMAND")]
    check: String,

    #[command(flatten)]
    run: PassArgs,

    /// Where the smaller model goes, as it is before the passes; as text if the name ends in
    /// .tfg
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    overwrite: Overwrite,

    /// End after so many checks, with the smallest model so far
    #[arg(long, value_name = "N", value_parser = most)]
    max_checks: Option<usize>,

    #[command(flatten)]
    reading: ReadArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let check = Check::new(&args.check)?;
    let pipeline = args.run.is_told().then(|| args.run.pipeline()).transpose()?;
    let has_passes = pipeline.as_ref().is_some_and(|pipeline| !pipeline.nodes().is_empty());
    let optimizer =
        pipeline.map(|pipeline| args.run.optimizer(pipeline, &FollowArg::default())).transpose()?;
    let options = ReduceOptions { optimizer, max_checks: args.max_checks };
    // Checks may take hours; a typing mistake should not cost their result.
    let others = args.run.files().collect();
    let mut inputs = Inputs { model: args.reading.files(&args.model), others, ..Inputs::default() };
    emit::check_output(args.output.as_deref(), &inputs, args.overwrite)?;
    let start = model::load_copy(&args.model, &args.reading)?;
    if inputs.add_constants_of(&args.model, &start) {
        emit::check_output(args.output.as_deref(), &inputs, args.overwrite)?;
    }
    if has_passes {
        check_before(args, &check, &start)?;
    }
    let found = reduce(&start, |model| check.passes(model), &options).map_err(|error| {
        let message = format!("{}: {error}", named(&args.model));
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
        emit::write_module(output, &found.module)?;
    }
    if !check.passed() && !passes_on_any(&check).unwrap_or(true) {
        note(&format!("the check failed on each model: {}", check.always_fails()));
    }
    report(args, &found).map_err(super::diagnostics::output_failure)
}

/// A model that can hardly be bad.
const HARMLESS: &str = "tfg 1 types

subgraph @main {
  %x = input : f32[1]
  output %x
}
";

/// Whether a check that failed on each model so far can succeed at all.
fn passes_on_any(check: &Check) -> io::Result<bool> {
    let options = tfq_opt::LoadOptions::default();
    let module = tfq_opt::load(&HARMLESS.into(), &options).expect("it is a model");
    let image = tfq_tflite::lower(&module, &LowerOptions::default()).expect("it is a model");
    check.passes(&image.to_vec())
}

/// With passes the model is good before them, or it is not the passes that spoil it.
fn check_before(args: &Args, check: &Check, start: &Module) -> Result<(), Failure> {
    let image = tfq_tflite::lower(start, &LowerOptions::default())
        .map_err(|error| Failure::model(&args.model, error.into()))?;
    let name = named(&args.model);
    match check.passes(&image.to_vec()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Model {
            message: format!("{name}: the check fails on the model before the passes too"),
            help: Some(format!(
                "leave out --passes to reduce a model that is bad as it is, or mend the check: {}",
                check.always_fails()
            )),
        }),
        Err(error) => {
            let message = format!("{name}: the check could not be run: {error}");
            Err(Failure::Model { message, help: None })
        }
    }
}

fn most(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("a number from 1 on is wanted".to_owned()),
    }
}

fn report(args: &Args, found: &Reduction) -> io::Result<()> {
    let mut out = model::beside(args.output.as_deref());
    let Reduction { before, after, checks, .. } = found;
    let ops = [grouped(before.ops as u64), counted(after.ops, "op")];
    let [was, is] = [before, after].map(|size| grouped(size.bytes));
    writeln!(out, "{}: {was} to {is} bytes, {} to {}", named(&args.model), ops[0], ops[1])?;
    if before.content > 0 {
        let [was, is] = [before, after].map(|size| grouped(size.content));
        writeln!(out, "  constants that matter: {was} to {is} bytes, the rest is filled")?;
    }
    let ended = if found.finished { "" } else { "; --max-checks ended it" };
    writeln!(out, "  {}{ended}", counted(*checks, "check"))?;
    match args.output.as_deref() {
        Some(output) if model::is_standard_output(output) => Ok(()),
        Some(output) => writeln!(out, "  written to {}", named(output)),
        None => writeln!(out, "  nothing written: give -o FILE"),
    }
}
