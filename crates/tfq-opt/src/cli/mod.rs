//! Reads arguments, runs the optimiser, prints. The only place that does the first or the last.

mod args;
mod bisect;
mod diagnostics;
mod list;
mod progress;
mod summary;

use args::{Args, Command};
use clap::{CommandFactory, Parser};
use diagnostics::Failure;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use tfq_opt::format::{Access, Image};
use tfq_opt::pass::Pipeline;
use tfq_opt::target::Target;
use tfq_opt::{Optimized, Optimizer, builtin};

pub(crate) fn main() -> ExitCode {
    // Wrong arguments end the process here, with status 2 and clap's own message.
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            diagnostics::print(&failure);
            failure.exit_code()
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Some(Command::Passes { markdown: true, .. }) => {
            let text = tfq_opt::passes_markdown(&builtin());
            return write!(io::stdout(), "{text}").map_err(output_failure);
        }
        Some(Command::Passes { json, .. }) => return list::passes(*json).map_err(output_failure),
        Some(Command::Bisect(bisect)) => return bisect::run(bisect),
        Some(Command::Completions { shell }) => {
            let mut command = Args::command();
            clap_complete::generate(*shell, &mut command, "tfq-opt", &mut io::stdout());
            return Ok(());
        }
        Some(Command::Man) => {
            let page = clap_mangen::Man::new(Args::command());
            return page.render(&mut io::stdout()).map_err(output_failure);
        }
        Some(Command::Explain { pass }) => return list::explain(pass),
        None => (),
    }
    if args.print_pipeline {
        let pipeline = pipeline(args)?;
        return writeln!(io::stdout(), "{pipeline}").map_err(output_failure);
    }
    let Some(input) = args.input.as_deref() else {
        return Err(Failure::usage(
            "no INPUT is given",
            "give a .tflite file, or - for standard input",
        ));
    };
    if args.json && args.output.as_deref() == Some("-") {
        let help = "leave out --json, or write the model to a file";
        return Err(Failure::usage("the model and --json would both go to standard output", help));
    }
    if let Some(pass) = args.remarks.as_deref().filter(|pass| !pass.is_empty()) {
        list::find(pass)?;
    }
    let optimizer = optimizer(args)?;
    set_threads(args.threads)?;
    let source = read(input, access(args))?;
    let bytes_in = source.len() as u64;
    let progress = progress::Progress::new(bytes_in, args.quiet);
    let failed = |error: tfq_opt::Error| Failure::model(input, &error);
    let optimized =
        optimizer.run_observed(source, |event| progress.event(&event)).map_err(failed)?;
    let image = optimized.image().map_err(failed)?;
    let output = args.output.as_deref().filter(|_| !args.dry_run);
    if let Some(output) = output {
        write(output, &image, &progress)?;
    }
    progress.finish();
    report(args, &optimized, bytes_in, image.len(), output).map_err(output_failure)
}

fn optimizer(args: &Args) -> Result<Optimizer, Failure> {
    let pipeline = pipeline(args)?;
    let Some(target) = Target::named(&args.target) else {
        let names: Vec<&str> = Target::names().collect();
        let help = format!("targets are {}", names.join(", "));
        return Err(Failure::usage(&format!("there is no target `{}`", args.target), &help));
    };
    let mut optimizer = Optimizer::new(pipeline).for_target(target);
    optimizer.lift.drop_unknown = args.drop_unknown;
    optimizer.lower.placement = args.constants.into();
    optimizer.run_options.explain = args.remarks.is_some();
    Ok(optimizer)
}

fn pipeline(args: &Args) -> Result<Pipeline, Failure> {
    let (place, text) = match &args.pipeline {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            (file.as_str(), text.map_err(|error| Failure::file("cannot read", file, &error))?)
        }
        None => ("--passes", args.passes.clone().unwrap_or_else(|| "default".to_owned())),
    };
    let parsed = Pipeline::parse(&builtin(), &text);
    parsed.map_err(|error| Failure::Pipeline { place: place.to_owned(), error: Box::new(error) })
}

fn set_threads(threads: Option<usize>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|error| {
        Failure::usage(&format!("{threads} threads cannot be started"), &error.to_string())
    })
}

/// Passes and writing look at every constant.
fn access(args: &Args) -> Access {
    let passes = args.passes.as_deref().is_none_or(|passes| !passes.trim().is_empty());
    let writes = args.output.is_some() && !args.dry_run;
    if passes || writes { Access::Whole } else { Access::Parts }
}

fn read(input: &str, access: Access) -> Result<bytes::Bytes, Failure> {
    let bytes = if input == "-" {
        tfq_opt::format::read_all(io::stdin().lock())
    } else {
        tfq_opt::format::read(Path::new(input), access)
    };
    bytes.map_err(|error| Failure::file("cannot read", input, &error))
}

fn write(output: &str, image: &Image, progress: &progress::Progress) -> Result<(), Failure> {
    let done = |bytes| progress.written(bytes, image.len());
    let written = if output == "-" {
        let mut out = io::stdout().lock();
        image.write_to(&mut out, done).and_then(|()| out.flush())
    } else {
        tfq_opt::format::write_atomically(Path::new(output), image, done)
    };
    written.map_err(|error| Failure::file("cannot write", output, &error))
}

fn report(
    args: &Args,
    optimized: &Optimized,
    bytes_in: u64,
    bytes_out: u64,
    output: Option<&str>,
) -> io::Result<()> {
    let summary = summary::Summary { args, optimized, bytes_in, bytes_out, output };
    if args.json {
        return summary.json(&mut io::stdout().lock());
    }
    let mut out = io::stderr().lock();
    if let Some(pass) = &args.remarks {
        summary.remarks(&mut out, pass)?;
    }
    if args.stats {
        summary.stats(&mut out)?;
    }
    if args.timing {
        summary.timing(&mut out)?;
    }
    if args.quiet { Ok(()) } else { summary.text(&mut out) }
}

fn output_failure(error: io::Error) -> Failure {
    Failure::file("cannot write", "standard output", &error)
}
