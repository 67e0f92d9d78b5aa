//! The command without a name: runs a pipeline on a model and writes the result.

use super::args::Args;
use super::diagnostics::Failure;
use super::{list, model, output_failure, progress, summary};
use std::io::{self, Write};
use tfq_opt::format::Access;
use tfq_opt::pass::Pipeline;
use tfq_opt::{Optimized, Optimizer};

pub(super) fn run(args: &Args) -> Result<(), Failure> {
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
    let (source, bytes_in) = model::source(input, &args.reading, access(args))?;
    let verification = args.verify.prepare(input, &source, &args.reading)?;
    let progress = progress::Progress::new(bytes_in, args.quiet);
    let failed = |error: tfq_opt::Error| Failure::model(input, error);
    let optimized =
        optimizer.run_observed(source, |event| progress.event(&event)).map_err(failed)?;
    let image = optimized.image().map_err(failed)?;
    if let Some(verification) = verification {
        verification.check(&image)?;
    }
    let output = args.output.as_deref().filter(|_| !args.dry_run);
    if let Some(output) = output {
        model::write(output, &image, |bytes| progress.written(bytes, image.len()))?;
    }
    progress.finish();
    report(args, &optimized, bytes_in, image.len(), output).map_err(output_failure)
}

fn optimizer(args: &Args) -> Result<Optimizer, Failure> {
    let pipeline = pipeline(args)?;
    let mut optimizer = Optimizer::new(pipeline).for_target(model::target(&args.target)?);
    optimizer.lift.drop_unknown = args.reading.drop_unknown;
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
    model::pipeline(place, &text)
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
