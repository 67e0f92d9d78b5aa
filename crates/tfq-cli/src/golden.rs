//! `tfq-opt golden`: what pipelines do to models, accepted once and checked ever after.

mod add;
mod bisect;
mod check;
mod console;
mod outcome;
mod place;
mod prune;
mod report;
mod review;

use super::diagnostics::Failure;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run a pipeline on a model and accept what it does as a golden
    Add(Box<add::Args>),
    /// Run pipelines again and compare with the goldens
    Check(check::Args),
    /// Look at new results, and accept or reject them
    Review(review::Args),
    /// Remove goldens that the index does not name, and entries whose model is gone
    Prune(prune::Args),
    /// Find the first pass, and in it the first patch, that does not do what was accepted
    Bisect(bisect::Args),
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let done = |result: Result<(), Failure>| result.map(|()| ExitCode::SUCCESS);
    match &args.command {
        Command::Add(add) => done(add::run(add)),
        Command::Check(check) => check::run(check),
        Command::Review(review) => done(review::run(review)),
        Command::Prune(prune) => done(prune::run(prune)),
        Command::Bisect(bisect) => done(bisect::run(bisect)),
    }
}
