//! The command line of tfq-opt. [`main`] is the whole tool for a registry of passes: with those
//! that tfq-opt has it is `tfq-opt`, with one more it is a tool of your own, whose every command
//! (`passes`, `explain`, pipelines, completions, `golden`, `bisect`, `reduce`, ...) knows that
//! pass.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use tfq_opt::pass::{Declared, declare_pass};
//! # use tfq_opt::pass::{Pass, PassError, Session};
//!
//! declare_pass! {
//!     name: "acme.look", contract: Annotation, scope: Module;
//!     /// Looks at a model.
//!     pub struct Look {}
//! }
//! # impl Pass for Look {
//! #     fn run(&self, _: &mut Session<'_>) -> Result<(), PassError> {
//! #         Ok(())
//! #     }
//! # }
//!
//! fn main() -> ExitCode {
//!     let registry = tfq_opt::builtin().with_passes([Look::info()]);
//!     tfq_cli::main(registry.expect("no built-in pass is named so"))
//! }
//! ```
//!
//! `examples/my-tfq-opt` in the repository is a whole one.

// Reads arguments, runs the library, prints: the only place that does the first or the last. Each
// command has its arguments and its `run` in a file of its name.
mod ablate;
mod args;
mod bench;
mod bisect;
mod check;
mod compare;
mod complete;
mod debug;
mod diagnostics;
mod diff;
mod differences;
mod emit;
mod golden;
mod inputs;
mod inspect;
mod json;
mod layers;
mod list;
mod misspelt;
mod model;
mod optimize;
mod outputs;
mod partitions;
mod passes;
mod plan;
mod print;
mod progress;
mod reduce;
mod replay;
mod run;
mod running;
mod section_times;
mod shown;
mod skeleton;
mod subject;
mod summary;
mod targets;
mod timing;
mod tool;
mod verify;

use args::{Args, Command};
use clap::FromArgMatches;
use diagnostics::{Failure, output_failure};
use std::io::{self, Write};
use std::process::ExitCode;
use tfq_opt::pass::Registry;
use tfq_tflite::Changed;

/// Does what the arguments of the process ask for, with the passes and pipelines of this registry,
/// and gives the status with which it ends. It is all that a `main` does, called once: it answers
/// shells that complete arguments, handles signals, and is the process that models run in.
///
/// The program's name is the tool's, and its version that of tfq-opt.
pub fn main(registry: Registry) -> ExitCode {
    tool::set(registry, None);
    run_tool()
}

/// As [`main`], for a tool that has a version of its own: `env!("CARGO_PKG_VERSION")` is that of
/// the crate that calls this. `--version` tells both.
pub fn main_with_version(registry: Registry, version: &str) -> ExitCode {
    tool::set(registry, Some(version));
    run_tool()
}

fn run_tool() -> ExitCode {
    if let Some(code) = complete::answer() {
        return code;
    }
    // Where it fails, the next run removes what a signal leaves.
    _ = tfq_tflite::remove_temporaries_on_signals();
    let parsed = args::command().try_get_matches();
    let args = match parsed.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => {
            let Some(failure) = misspelt::explain(&error) else {
                return diagnostics::print_usage(&error);
            };
            diagnostics::print(&failure);
            return failure.status(None).into();
        }
    };
    // The commands that use a status of 1 for something else.
    let of_errors = match &args.command {
        Some(Command::Diff(diff)) => diff.status_of_errors(),
        _ => None,
    };
    guard_inputs(of_errors);
    let outcome = match &args.command {
        Some(Command::Golden(golden)) => golden::run(golden),
        Some(Command::Diff(diff)) => diff::run(diff),
        _ => run(&args).map(|()| ExitCode::SUCCESS),
    };
    // What was made of a file that others changed in the meantime is no result, and they may be
    // why there is none.
    let outcome = match (outcome, tfq_tflite::check_inputs()) {
        (Ok(_), Err(changed)) => Err(Failure::changed(&changed)),
        (Err(failure), Err(changed)) => Err(failure.because(&changed)),
        (outcome, Ok(())) => outcome,
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            diagnostics::print(&failure);
            failure.status(of_errors).into()
        }
    }
}

/// Has it noticed where others change files that are mapped.
fn guard_inputs(of_errors: Option<u8>) {
    tfq_tflite::outputs_depend_on_all_inputs();
    let tell = move |changed: &Changed| {
        let failure = Failure::changed(changed);
        diagnostics::print_last(&failure);
        failure.status(of_errors).into()
    };
    // Where it fails, the signal ends the process with no word.
    _ = tfq_tflite::end_on_lost_bytes(tell);
}

fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Some(Command::Passes { markdown: true, .. }) => {
            let text = tfq_opt::describe::passes_markdown(tool::registry());
            return write!(io::stdout(), "{text}").map_err(output_failure);
        }
        Some(Command::Passes { schema: true, .. }) => {
            return write!(io::stdout(), "{}", json::json_text(&list::schema()))
                .map_err(output_failure);
        }
        Some(Command::Passes { json, .. }) => return list::passes(*json).map_err(output_failure),
        Some(Command::Bisect(bisect)) => return bisect::run(bisect),
        Some(Command::Inspect(inspect)) => return inspect::run(inspect),
        Some(Command::Print(print)) => return print::run(print),
        Some(Command::Skeleton(skeleton)) => return skeleton::run(skeleton),
        Some(Command::Targets(targets)) => return targets::run(targets),
        Some(Command::Bench(bench)) => return bench::run(bench),
        Some(Command::Run(run)) => return run::run(run),
        Some(Command::Compare(compare)) => return compare::run(compare),
        Some(Command::RuntimeWorker { library }) => {
            return tfq_runtime::serve(library)
                .map_err(|error| Failure::file("cannot write", "the answer", &error));
        }
        Some(Command::Reduce(reduce)) => return reduce::run(reduce),
        Some(Command::Replay(replay)) => return replay::run(replay),
        Some(Command::Completions { shell }) => return complete::script(*shell),
        Some(Command::Man) => {
            let page = clap_mangen::Man::new(complete::described());
            return page.render(&mut io::stdout()).map_err(output_failure);
        }
        Some(Command::Explain { pass }) => return list::explain(pass),
        Some(Command::Diff(_) | Command::Golden(_)) => {
            unreachable!("they have a status of their own")
        }
        None => (),
    }
    optimize::run(args)
}
