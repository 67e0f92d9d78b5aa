//! Passes that may round otherwise, on the real runtime: with all codes that an op can read, and
//! scales of chance, no number of a result is more than a step off, on none of its kernel sets.
//!
//! `TFQ_ROUNDING_SEED` sets the first seed, and `TFQ_ROUNDING_ROUNDS` how many are tried.

mod common;
#[path = "rounding/models.rs"]
mod models;
#[path = "common/trials.rs"]
mod trials;

use common::lowered;
use libtest_mimic::Failed;
use models::{Made, OPS};
use std::io::Write;
use tfq_opt::Optimizer;
use tfq_opt::ir::text::{ParseOptions, parse};
use tfq_opt::pass::NumericContract;
use tfq_opt::passes::builtin;
use tfq_opt::runtime::{Kernels, Runtime, Value, Worker};
use trials::Trials;

const KERNELS: [Kernels; 3] = [Kernels::Reference, Kernels::Optimized, Kernels::Xnnpack];

fn main() {
    let mut trials = Trials::from_args();
    trials.test("every_rounding_pass_is_tried", every_rounding_pass_is_tried);
    for op in OPS {
        let name = format!("{} is one step off at most", op.label());
        trials.with_runtime(name, |runtime| tried(runtime, op));
    }
    trials.run()
}

/// The models are for this pass.
const PASS: &str = "compute-in-float";

fn every_rounding_pass_is_tried() -> Result<(), Failed> {
    let registry = builtin();
    let rounding = registry.all_passes().filter(|info| info.contract == NumericContract::Rounding);
    let rounding: Vec<String> = rounding.map(|info| info.name.to_string()).collect();
    match rounding == [PASS] {
        true => Ok(()),
        false => Err(format!("{rounding:?} may round, and {PASS} is tried").into()),
    }
}

#[allow(clippy::print_stdout)]
fn tried(runtime: &Runtime, op: &models::TriedOp) -> Result<(), Failed> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TFQ_ROUNDING_SEED").unwrap_or(0);
    let mut worker = Worker::python(&runtime.python, None)?;
    let (mut off, mut all) = (0, 0);
    for seed in first..first + number("TFQ_ROUNDING_ROUNDS").unwrap_or(1) {
        let made = models::model(op, seed);
        let module = parse(&made.text, &ParseOptions::default())
            .map_err(|error| format!("{error:?}\n{}", made.text))?;
        let done = Optimizer::parse(PASS)?.run(module.clone())?;
        let rewritten = done.report.passes[0].patches;
        if rewritten < made.least_rewritten {
            let wanted = made.least_rewritten;
            let remarks: Vec<&str> =
                done.report.passes[0].remarks.iter().map(|remark| &*remark.message).collect();
            let told = format!("{rewritten} ops are rewritten, not {wanted}: {remarks:#?}");
            return Err(told.into());
        }
        for kernels in KERNELS {
            let before = outputs(&mut worker, &lowered(&module), &made, kernels)?;
            let after = outputs(&mut worker, &done.to_vec()?, &made, kernels)?;
            for (n, (before, after)) in before.iter().zip(&after).enumerate() {
                let [was, is] = [before, after].map(|value| value.numbers().unwrap_or_default());
                let differences = was.iter().zip(&is).map(|(was, is)| (was - is).abs());
                let most = differences.clone().fold(0.0, f64::max);
                if was.len() != is.len() || most > 1.0 {
                    let told = &made.told[n];
                    let told = format!("seed {seed}, {kernels:?}: {most} steps off: {told}");
                    return Err(told.into());
                }
                off += differences.filter(|difference| *difference > 0.0).count();
                all += was.len();
            }
        }
    }
    println!("{}: {off} of {all} numbers are a step off", op.label());
    Ok(())
}

fn outputs(
    worker: &mut Worker,
    model: &[u8],
    made: &Made,
    kernels: Kernels,
) -> Result<Vec<Value>, Failed> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(model)?;
    let model = worker.load(file.path(), kernels, 1)?;
    Ok(worker.run(&model, 0, made.inputs.clone())?)
}
