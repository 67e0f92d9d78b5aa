//! `tfq-opt compare`.

use super::ablate::{self, Ablated};
use super::diagnostics::Failure;
use super::differences::{difference_json, numbers};
use super::inputs::{DataArgs, Inputs, SAMPLES, Sources};
use super::layers;
use super::running::{self, Error, RunArgs, Running};
use super::shown::Shown;
use super::subject::Subject;
use serde_json::{Value as Json, json};
use std::io::{self, Write};
use std::path::PathBuf;
use tfq_opt::debug::Layers;
use tfq_runtime::{Case, CaseOutcome, Kernels, Output, RuntimeError, compare};
use tfq_text::visible;

/// What is said where real inputs may tell something else.
const UNREAL: &str = "random inputs were used; give real ones with --data or --input";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The model that is right, as .tflite or as text
    a: PathBuf,

    /// The model that should do the same
    b: PathBuf,

    /// What computes, of reference, optimized and xnnpack
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "reference,optimized,xnnpack", value_parser = running::kernels)]
    kernels: Vec<Kernels>,

    /// Fail where an output has less than this signal-to-noise ratio in decibels
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    min_snr: Option<f64>,

    /// Compare what each op computes, on the first kernels that are no delegate; needs the
    /// Python package
    #[arg(long)]
    per_layer: bool,

    /// Put the constants of A back into B, op by op, and tell which of them gain most at the
    /// outputs: one run of B for each op, or for N ops, those that add most noise
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, value_parser = clap::value_parser!(u32).range(1..))]
    ablate: Option<Option<u32>>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    data: DataArgs,

    /// How many samples of random inputs are run, each from the next seed
    #[arg(long, value_name = "N", default_value_t = SAMPLES, conflicts_with = "data", value_parser = clap::value_parser!(u16).range(1..))]
    samples: u16,

    #[command(flatten)]
    on: RunArgs,
}

const HELP: &str = "\
Exit status: 0 where B runs wherever A does and no output misses --min-snr, else 1. Where A itself
does not run on some kernels, these are skipped; where it runs on none, that is an error.

  tfq-opt compare model.tflite small.tflite --min-snr=20
  tfq-opt compare model.tflite small.tflite --data=images.npz
  tfq-opt bisect model.tflite --check='tfq-opt compare model.tflite {} --min-snr=20'";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut inputs = args.on.inputs.read_with(&args.data)?;
    inputs.random_samples = usize::from(args.samples);
    let layer_kernels = match args.per_layer {
        true => Some(layers::kernels(&args.kernels)?),
        false => None,
    };
    let (subjects, running) = args.on.load(&[&args.a, &args.b], &mut inputs)?;
    let [a, b] = [&subjects[0], &subjects[1]];
    let signature = args.on.signature();
    let cases = cases(&running, [a, b], &args.kernels, signature, &inputs)?;
    let limit = args.ablate.map(|limit| limit.map_or(usize::MAX, |n| n as usize));
    let layers = match layer_kernels {
        Some(kernels) => Some(layers::find(&running, [a, b], kernels, signature, &inputs)?),
        None => None,
    };
    let ablated = match limit {
        Some(limit) => {
            let job = ablate::Job { running: &running, sides: [a, b], signature, inputs: &inputs };
            Some(job.run(&cases, limit, layers.as_deref())?)
        }
        None => None,
    };
    let sources = inputs.sources(a, signature);
    let mut out = Shown(io::stdout().lock());
    let (layers, ablated) = (layers.as_deref(), ablated.as_ref());
    let gain = ablated.map(|ablated| |subgraph, op| ablated.gain(subgraph, op));
    let printed = if args.json {
        print_json(&mut out, &cases, &sources, layers, ablated)
    } else {
        print(&mut out, &cases, &sources).and_then(|()| {
            layers.map_or(Ok(()), |layers| layers::print(&mut out, layers, gain.as_ref()))?;
            ablated.map_or(Ok(()), |ablated| ablated.print(&mut out))
        })
    };
    printed.map_err(super::diagnostics::output_failure)?;
    judge(&a.name, &b.name, &cases, &sources, args.min_snr.unwrap_or(f64::NEG_INFINITY))
}

/// Runs both models.
pub(super) fn cases(
    running: &Running,
    [a, b]: [&Subject; 2],
    kernels: &[Kernels],
    signature: Option<&str>,
    inputs: &Inputs,
) -> Result<Vec<Case>, Failure> {
    let models = [a.path(), b.path()];
    let values =
        |signature: &_, sample| inputs.values(a, signature, sample).map_err(Error::Command);
    let start = |engine| running.worker(engine);
    compare(start, models, kernels, signature, inputs.samples(), values)
        .map_err(|error| error.on(&a.name))
}

/// An error where the second model is no replacement for the first.
pub(super) fn judge(
    a: &str,
    b: &str,
    cases: &[Case],
    sources: &Sources,
    min_snr: f64,
) -> Result<(), Failure> {
    for case in cases {
        if let Some(fault) = case.outcome.fault(min_snr) {
            let on = match &case.signature {
                Some(signature) => format!("`{signature}` on the {} kernels", case.kernels),
                None => format!("on the {} kernels", case.kernels),
            };
            let help = match &case.outcome {
                CaseOutcome::Failed(error) => running::help(error),
                CaseOutcome::Ran(_) if sources.random() => Some(UNREAL.to_owned()),
                _ => None,
            };
            return Err(Failure::Model { message: format!("{b}: {on}: {fault}"), help });
        }
    }
    let ran = |case: &Case| !matches!(case.outcome, CaseOutcome::Skipped(_));
    if cases.iter().any(ran) {
        return Ok(());
    }
    let reason = cases.iter().find_map(|case| match &case.outcome {
        CaseOutcome::Skipped(error) => Some(error),
        _ => None,
    });
    let help = reason.and_then(running::help);
    let reason = reason.map_or_else(|| "it has nothing to run".to_owned(), RuntimeError::to_string);
    let message = format!("{a}: there is nothing to compare with: {reason}");
    Err(Failure::Model { message, help })
}

fn print(out: &mut impl Write, cases: &[Case], sources: &Sources) -> io::Result<()> {
    writeln!(out, "{:<10} {:>9} {:>9} {:>9}  output", "kernels", "SNR dB", "cosine", "max err")?;
    for case in cases {
        let signature = case.signature.as_ref().map(|key| format!("{}: ", visible(key)));
        let signature = signature.unwrap_or_default();
        let kernels = case.kernels;
        match &case.outcome {
            CaseOutcome::Ran(outputs) => {
                for Output { name, difference, worst } in outputs {
                    write!(out, "{kernels:<10} ")?;
                    numbers(out, difference)?;
                    write!(out, "  {signature}{}", visible(name))?;
                    match worst {
                        Some((sample, db)) if db.is_finite() => {
                            writeln!(out, "  (worst: {db:.1} dB, sample {sample})")?;
                        }
                        Some((sample, _)) => writeln!(out, "  (worst: sample {sample})")?,
                        None => writeln!(out)?,
                    }
                }
            }
            CaseOutcome::Skipped(error) => {
                writeln!(out, "{kernels:<10} {signature}A does not run: {error}")?;
            }
            CaseOutcome::Failed(error) => {
                writeln!(out, "{kernels:<10} {signature}B does not run: {error}")?;
            }
        }
    }
    writeln!(out, "inputs: {sources}")?;
    if sources.random() { writeln!(out, "note: {UNREAL}") } else { Ok(()) }
}

/// `null` stands for an infinite SNR: of equal values, or where some are not finite any more.
fn print_json(
    out: &mut impl Write,
    cases: &[Case],
    sources: &Sources,
    layers: Option<&[Layers]>,
    ablated: Option<&Ablated>,
) -> io::Result<()> {
    let mut object = json!({ "data": sources.json() });
    object["cases"] = cases.iter().map(case_json).collect::<Vec<_>>().into();
    if let Some(layers) = layers {
        object["layers"] = layers.iter().map(layers::json).collect::<Vec<_>>().into();
    }
    if let Some(ablated) = ablated {
        object["ablation"] = ablated.json();
    }
    write!(out, "{}", super::json::json_text(&object))
}

pub(super) fn case_json(case: &Case) -> Json {
    let mut object = json!({ "signature": case.signature, "kernels": case.kernels.name() });
    match &case.outcome {
        CaseOutcome::Ran(outputs) => {
            let outputs: Vec<Json> = outputs
                .iter()
                .map(|Output { name, difference, worst }| {
                    let mut object = difference_json(difference);
                    object["name"] = name.clone().into();
                    if let Some((sample, db)) = worst {
                        object["worst_sample"] = json!({ "sample": sample, "snr_db": db });
                    }
                    object
                })
                .collect();
            object["outputs"] = outputs.into();
        }
        CaseOutcome::Skipped(error) => object["a_fails"] = json!(error),
        CaseOutcome::Failed(error) => object["b_fails"] = json!(error),
    }
    object
}
