//! Passes that are declared exact, on small models of chance and the real runtime's reference
//! kernels: before and after, outputs have the same shapes and bits, or the same numbers where a pass may
//! change NaN and the sign of zero. Of a model with constants that
//! wait for a Dequantize, which no runtime takes, the twin with their float32 values is what it was
//! before.
//!
//! A model that the runtime does not run before the pass proves nothing and is left out; one that
//! it no longer runs afterwards fails. `TFQ_EXACT_MODELS` sets how many models are tried, and
//! `TFQ_EXACT_SEED` the first; each model follows from its seed alone.

mod common;
#[path = "exact/models.rs"]
mod models;
#[path = "common/trials.rs"]
mod trials;

use common::lowered;
use indexmap::IndexMap;
use libtest_mimic::Failed;
use models::Made;
use std::io::Write;
use tfq_opt::Optimizer;
use tfq_opt::ir::Module;
use tfq_opt::ir::text::{ParseOptions, parse};
use tfq_opt::pass::NumericContract;
use tfq_opt::passes::builtin;
use tfq_opt::runtime::{Fill, Kernels, Range, Runtime, RuntimeError, Stage, Value, Worker, fill};
use trials::Trials;

const MODELS: u64 = 900;
/// Of the models of a run, at least so many change by these passes: else the models say nothing
/// of them. Every exact pass has its line.
const CHANGES: [(&str, usize); 21] = [
    ("cancel-quantize-dequantize", 8),
    ("convert-to-reshape", 8),
    ("convert-to-slice", 20),
    ("convert-to-split", 8),
    ("eliminate-dead-buffers", 60),
    ("eliminate-dead-ops", 30),
    ("expand-broadcast-to", 4),
    ("expand-mirror-pad", 2),
    ("fold-constants", 100),
    ("fuse-activation", 20),
    ("fuse-dilated-conv", 8),
    ("fuse-pad", 8),
    ("infer-shapes", 20),
    ("insert-dequant", 15),
    ("keep-reduced-dims", 8),
    ("merge-equal-buffers", 60),
    ("merge-equal-ops", 20),
    ("recognize-activations", 10),
    ("remove-identities", 60),
    ("simplify-views", 20),
    // It is told what to do by an option, and does nothing otherwise.
    ("trigger-failure", 0),
];
/// Of the models of a run, at least so many are changed by each rule of these.
const RULES: [(&str, &[&str], usize); 4] = [
    (
        "fold-constants",
        &[
            "quantise beforehand",
            "round beforehand",
            "change a shape beforehand",
            "transpose beforehand",
            "transpose before the Dequantize",
            "dequantise few numbers beforehand",
            "compute few numbers beforehand",
        ],
        8,
    ),
    (
        "infer-shapes",
        &[
            "state shapes that are known",
            "make a constant of what follows from shapes",
            "make the shape of a RESHAPE constant",
        ],
        8,
    ),
    (
        "insert-dequant",
        &[
            "insert a Dequantize",
            "read what a Dequantize computes",
            "return what a Dequantize computes",
        ],
        5,
    ),
    (
        "recognize-activations",
        &[
            "maximum by 0",
            "minimum by 6 of a RELU",
            "RELU of a minimum by 6",
            "minimum by 1 of a maximum by -1",
            "maximum by -1 of a minimum by 1",
            "PReLU as a difference",
            "PReLU as a sum",
        ],
        1,
    ),
];

fn main() {
    let mut trials = Trials::from_args();
    trials.test("every_model_can_be_read", every_model_can_be_read);
    trials.test("every_exact_pass_is_tried", every_exact_pass_is_tried);
    trials.with_runtime("exact_passes_keep_every_bit", exact_passes_keep_every_bit);
    trials.run()
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("TFQ_EXACT_SEED").unwrap_or(0);
    first..first + number("TFQ_EXACT_MODELS").unwrap_or(MODELS)
}

fn every_model_can_be_read() -> Result<(), Failed> {
    for seed in seeds() {
        let made = models::model(seed);
        read(seed, &made.text)?;
        read(seed, &made.waiting)?;
    }
    Ok(())
}

fn read(seed: u64, text: &str) -> Result<Module, Failed> {
    let parsed = parse(text, &ParseOptions::default());
    Ok(parsed.map_err(|error| format!("seed {seed}: {error:?}\n{text}"))?)
}

fn exact_passes() -> Vec<String> {
    let registry = builtin();
    let exact = registry.all_passes().filter(|info| EXACT.contains(&info.contract));
    exact.map(|info| info.name.to_string()).collect()
}

const EXACT: [NumericContract; 2] = [NumericContract::Exact, NumericContract::ExactButNanAndZero];

/// Whether results are what the contract of the pass lets them be.
fn agree(pass: &str, before: &[Value], after: &[Value]) -> bool {
    let registry = builtin();
    let bits = registry
        .all_passes()
        .any(|info| info.name == pass && info.contract == NumericContract::Exact);
    let same = |(was, is): (&Value, &Value)| {
        let [olds, news] = [was, is].map(|value| value.numbers().unwrap_or_default());
        let alike = |(old, new): (&f64, &f64)| old.is_nan() || old == new;
        let numbers = || olds.len() == news.len() && olds.iter().zip(&news).all(alike);
        was == is || !bits && was.form() == is.form() && !olds.is_empty() && numbers()
    };
    before.len() == after.len() && before.iter().zip(after).all(same)
}

/// A new exact pass comes with models that it changes.
fn every_exact_pass_is_tried() -> Result<(), Failed> {
    let tried = CHANGES.map(|(pass, _)| pass);
    match exact_passes() == tried {
        true => Ok(()),
        false => Err(format!("exact are {:?}, and CHANGES has {tried:?}", exact_passes()).into()),
    }
}

#[allow(clippy::print_stdout)]
fn exact_passes_keep_every_bit(runtime: &Runtime) -> Result<(), Failed> {
    let passes = exact_passes();
    let mut runner = Runner { runtime, worker: None, loaded: 0 };
    let mut changed: IndexMap<&str, usize> = IndexMap::new();
    let mut refused: IndexMap<String, usize> = IndexMap::new();
    let mut applied: IndexMap<(&str, String), usize> = IndexMap::new();
    let (mut ran, mut wrong) = (0, Vec::new());
    for seed in seeds() {
        let made = models::model(seed);
        let module = read(seed, &made.text)?;
        let waiting = read(seed, &made.waiting)?;
        let before = match runner.outputs(&lowered(&module), &made) {
            Ok(before) => before,
            Err(error) => {
                *refused.entry(error.to_string()).or_default() += 1;
                continue;
            }
        };
        ran += 1;
        for pass in &passes {
            // Only one pass serves constants that wait, and nothing else may follow without it.
            let input = if pass == "insert-dequant" { &waiting } else { &module };
            let done = match Optimizer::parse(pass)?.run(input.clone()) {
                Ok(done) => done,
                Err(error) => {
                    wrong.push(format!("seed {seed}, {pass}: {error}\n{}", made.text));
                    continue;
                }
            };
            if done.report.passes.iter().all(|report| !report.changed) {
                continue;
            }
            *changed.entry(pass).or_default() += 1;
            let rules = done.report.passes.iter().flat_map(|report| &report.rules);
            for (rule, _) in rules.filter(|(_, count)| count.applied > 0) {
                *applied.entry((pass, rule.clone())).or_default() += 1;
            }
            let after = runner.outputs(&done.to_vec()?, &made);
            if !after.as_ref().is_ok_and(|after| agree(pass, &before, after)) {
                let told = match after {
                    Ok(after) => format!("{:?}\nbecame\n{:?}", shown(&before), shown(&after)),
                    Err(error) => error.to_string(),
                };
                wrong.push(format!("seed {seed}, {pass}: {told}\n{}", made.text));
            }
        }
    }
    println!("{ran} models ran; changed by pass: {changed:?}; did not run: {refused:#?}");
    println!("by rule: {applied:#?}");
    if !wrong.is_empty() {
        let told = wrong[..wrong.len().min(5)].join("\n");
        return Err(format!("{} results differ, among them:\n{told}", wrong.len()).into());
    }
    let tried = seeds().count();
    if ran * 4 < tried * 3 {
        return Err(format!("only {ran} of {tried} models run").into());
    }
    // A run of another length is somebody's search for a mistake.
    for (pass, least) in CHANGES.into_iter().filter(|_| tried as u64 == MODELS) {
        let found = changed.get(pass).copied().unwrap_or(0);
        if found < least {
            return Err(format!("{pass} changed {found} models, and {least} are wanted").into());
        }
    }
    for (pass, rules, least) in RULES.into_iter().filter(|_| tried as u64 == MODELS) {
        for rule in rules {
            let found = applied.get(&(pass, (*rule).to_owned())).copied().unwrap_or(0);
            if found < least {
                let told = format!("`{rule}` of {pass} changed {found} models, not {least}");
                return Err(told.into());
            }
        }
    }
    Ok(())
}

fn shown(values: &[Value]) -> Vec<(String, Option<Vec<f64>>)> {
    values.iter().map(|value| (value.form(), value.numbers())).collect()
}

/// A worker keeps each model that it loaded mapped, and cannot map more than the system lets it.
const MODELS_OF_A_WORKER: u32 = 2_000;

/// Runs models on a worker, and on a new one where that died or has loaded many.
struct Runner<'a> {
    runtime: &'a Runtime,
    worker: Option<Worker>,
    loaded: u32,
}

impl Runner<'_> {
    fn outputs(&mut self, model: &[u8], made: &Made) -> Result<Vec<Value>, RuntimeError> {
        let failed = |error: std::io::Error| RuntimeError::new(Stage::Load, error.to_string());
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(model).map_err(failed)?;
        if self.loaded == MODELS_OF_A_WORKER {
            (self.worker, self.loaded) = (None, 0);
        }
        self.loaded += 1;
        // The Python interpreter knows results whose size only a run tells.
        let worker = match &mut self.worker {
            Some(worker) => worker,
            None => self.worker.insert(Worker::python(&self.runtime.python, None)?),
        };
        let result = run(worker, file.path(), made.unknown);
        if result.as_ref().is_err_and(|error| error.stage == Stage::Crash) {
            self.worker = None;
        }
        result
    }
}

fn run(
    worker: &mut Worker,
    file: &std::path::Path,
    unknown: usize,
) -> Result<Vec<Value>, RuntimeError> {
    let model = worker.load(file, Kernels::Reference, 1)?;
    let inputs = model.signatures[0].inputs.iter().map(|port| {
        let shape: Vec<usize> =
            port.shape.iter().map(|dim| usize::try_from(*dim).unwrap_or(unknown)).collect();
        let value = fill(&port.name, port.ty, &shape, Fill::Random { seed: 1 }, Range::Below(16));
        value.map_err(|_| RuntimeError::new(Stage::Input, "no value can be made"))
    });
    let inputs: Result<Vec<Value>, RuntimeError> = inputs.collect();
    worker.run(&model, 0, inputs?)
}
