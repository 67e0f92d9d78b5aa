//! Small models of chance, one operator each, and what the reference kernels of the runtime make of
//! them. `recorded.txt` has what came out of some, so that this is tested where there is no runtime;
//! where `TFQ_RUNTIME` names one more of them run, and with `TFQ_EVAL_RECORD=1` what comes out of
//! them is recorded anew. `TFQ_EVAL_MODELS` sets how many models of each kind run, `TFQ_EVAL_ONLY`
//! those whose name begins so.

mod bent;
mod elementwise;
mod families;
mod maker;
mod movement;
mod recorded;
mod sums;
mod table;

use families::Family;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use maker::Made;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use tfq_eval::{Budget, Evaluator, Fidelity, Outputs, Stopped, Value};
use tfq_ir::{ElementType, Module, SubgraphId};
use tfq_runtime::{Kernels, Runtime, RuntimeError, Stage, VARIABLE, Worker};

const MAIN: SubgraphId = SubgraphId(0);
const MODELS: u64 = 12;

fn main() {
    let arguments = Arguments::from_args();
    let runtime = std::env::var_os(VARIABLE)
        .filter(|path| !path.is_empty())
        .map(|_| Runtime::find(None).unwrap_or_else(|error| panic!("{VARIABLE}: {error}")));
    let mut trials = vec![Trial::test("recorded_results_are_computed", || {
        recorded::are_computed(&families::all())
    })];
    trials.push(Trial::test("the_document_has_the_operators_and_types", || {
        table::is_in_the_document(&families::all())
    }));
    trials.push(Trial::test("nothing_bent_makes_it_panic", || {
        bent::nothing_panics(&families::all())
    }));
    let name = "the_runtime_computes_the_same_bits";
    trials.push(match runtime {
        Some(runtime) => Trial::test(name, move || the_runtime_computes_the_same_bits(&runtime)),
        None => Trial::ignorable_test(name, || {
            Ok(Completion::ignored_with(format!("{VARIABLE} names no runtime")))
        }),
    });
    libtest_mimic::run(&arguments, trials).exit()
}

fn parsed(made: &Made) -> Module {
    let options = tfq_text::ParseOptions::default();
    tfq_text::parse(&made.text, &options).unwrap_or_else(|error| panic!("{error}\n{}", made.text))
}

fn evaluated(module: &Module, made: &Made) -> Result<Outputs, Stopped> {
    Evaluator::new(module, Budget::default()).run(MAIN, &made.inputs)
}

/// Whether two values are the same; NaN is NaN, whatever its other bits say.
fn same(ours: &Value, theirs: &Value, fidelity: Fidelity) -> bool {
    if ours.ty() != theirs.ty() || ours.shape() != theirs.shape() {
        return false;
    }
    let (a, b) = (ours.bytes(), theirs.bytes());
    if ours.ty() == ElementType::Float64 && fidelity == Fidelity::Approximate {
        let bits = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let near = |(a, b): (&[u8], &[u8])| bits(a).abs_diff(bits(b)) <= 4;
        return a.chunks_exact(8).zip(b.chunks_exact(8)).all(near);
    }
    if ours.ty() != ElementType::Float32 {
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1;
        let codes = matches!(ours.ty(), ElementType::Int8 | ElementType::UInt8);
        return a == b || fidelity == Fidelity::Approximate && codes && a.iter().zip(b).all(near);
    }
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    floats(a).into_iter().zip(floats(b)).all(|(a, b)| {
        a.is_nan() && b.is_nan()
            || a.to_bits() == b.to_bits()
            || fidelity == Fidelity::Approximate
                && a.is_sign_negative() == b.is_sign_negative()
                && a.to_bits().abs_diff(b.to_bits()) <= 16
    })
}

fn shown(value: &Value) -> String {
    let floats: Vec<f32> = match value.ty() {
        ElementType::Float32 => value
            .bytes()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect(),
        _ => Vec::new(),
    };
    match value.integers() {
        Some(numbers) => format!("{}{:?} {numbers:?}", value.ty(), value.shape()),
        None if !floats.is_empty() => format!("{}{:?} {floats:?}", value.ty(), value.shape()),
        None => format!("{}{:?} {:02x?}", value.ty(), value.shape(), &value.bytes()[..]),
    }
}

/// What became of the models of a kind.
#[derive(Default)]
struct Tally {
    equal: usize,
    wrong: Vec<String>,
    /// The runtime refuses them.
    refused: Vec<String>,
    /// They are not evaluated.
    left: Vec<String>,
    /// Of approximations those that are equal bit by bit.
    exactly: usize,
}

#[allow(clippy::print_stdout)]
fn the_runtime_computes_the_same_bits(runtime: &Runtime) -> Result<(), Failed> {
    let models: u64 =
        std::env::var("TFQ_EVAL_MODELS").ok().and_then(|text| text.parse().ok()).unwrap_or(MODELS);
    let only = std::env::var("TFQ_EVAL_ONLY").unwrap_or_default();
    let mut runner = Runner { runtime, worker: None, loaded: 0 };
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut records = Vec::new();
    let families = families::all();
    for family in families.iter().filter(|family| family.name().starts_with(&only)) {
        let tally = tallies.entry(family.name()).or_default();
        for seed in 0..models {
            let made = family.model(seed);
            let module = parsed(&made);
            let ours = evaluated(&module, &made);
            let theirs = runner.outputs(&module, &made);
            let place = || format!("seed {seed}\n{}{}", made.text, inputs(&made));
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    let fidelity = ours.fidelity;
                    let equal = ours.values.len() == theirs.len()
                        && ours.values.iter().zip(&theirs).all(|(a, b)| same(a, b, fidelity));
                    let exactly =
                        ours.values.iter().zip(&theirs).all(|(a, b)| same(a, b, Fidelity::Exact));
                    tally.exactly += usize::from(exactly);
                    if equal {
                        tally.equal += 1;
                        if seed < recorded::EACH {
                            records.push(recorded::line(family, seed, &made, &theirs));
                        }
                    } else {
                        let [ours, theirs] = [&ours.values, &theirs]
                            .map(|all| all.iter().map(shown).collect::<Vec<_>>().join("\n"));
                        tally.wrong.push(format!("{}ours\n{ours}\ntheirs\n{theirs}", place()));
                    }
                }
                (Ok(_), Err(error)) => tally.refused.push(format!("{}{error}", place())),
                (Err(why), Ok(_)) => tally.left.push(format!("{}{why}", place())),
                (Err(why), Err(error)) => {
                    tally.refused.push(format!("{}{error}\nand ours: {why}", place()));
                }
            }
        }
    }
    let mut told = String::new();
    for (name, tally) in &tallies {
        let Tally { equal, wrong, refused, left, exactly } = tally;
        if *equal < models as usize || exactly != equal {
            println!(
                "{name}: {equal} equal ({exactly} in every bit), {} wrong, {} not evaluated, {} refused",
                wrong.len(),
                left.len(),
                refused.len()
            );
        }
        let examples = [("wrong", wrong), ("not evaluated", left), ("refused", refused)];
        for (what, all) in examples {
            let fine = what != "wrong" && *equal * 2 >= models as usize;
            if let Some(first) = all.first().filter(|_| !fine) {
                writeln!(told, "{name}, {} {what}, among them {first}\n", all.len()).unwrap();
            }
        }
    }
    if std::env::var_os("TFQ_EVAL_RECORD").is_some() && only.is_empty() {
        recorded::write(&records);
    }
    if told.is_empty() { Ok(()) } else { Err(told.into()) }
}

fn inputs(made: &Made) -> String {
    made.inputs.iter().map(|value| format!("{}\n", shown(value))).collect()
}

/// A worker keeps each model that it loaded mapped.
const MODELS_OF_A_WORKER: u32 = 2_000;

struct Runner<'a> {
    runtime: &'a Runtime,
    worker: Option<Worker>,
    loaded: u32,
}

impl Runner<'_> {
    fn outputs(&mut self, module: &Module, made: &Made) -> Result<Vec<Value>, RuntimeError> {
        let failed = |error: std::io::Error| RuntimeError::new(Stage::Load, error.to_string());
        let lowered = tfq_tflite::lower(module, &tfq_tflite::LowerOptions::default());
        let lowered = lowered.expect("it can be written").to_vec();
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(&lowered).map_err(failed)?;
        if self.loaded == MODELS_OF_A_WORKER {
            (self.worker, self.loaded) = (None, 0);
        }
        self.loaded += 1;
        // The C API takes denormal numbers for zero.
        let worker = match &mut self.worker {
            Some(worker) => worker,
            None => self.worker.insert(Worker::python(&self.runtime.python, None)?),
        };
        let result = run(worker, file.path(), made);
        if result.as_ref().is_err_and(|error| error.stage == Stage::Crash) {
            self.worker = None;
        }
        result
    }
}

fn run(
    worker: &mut Worker,
    file: &std::path::Path,
    made: &Made,
) -> Result<Vec<Value>, RuntimeError> {
    let model = worker.load(file, Kernels::Reference, 1)?;
    let inputs = made.inputs.iter().map(|value| tfq_runtime::Value {
        ty: value.ty(),
        shape: value.shape().to_vec(),
        data: value.bytes().to_vec(),
    });
    let outputs = worker.run(&model, 0, inputs.collect())?;
    let value = |out: tfq_runtime::Value| {
        Value::new(out.ty, &out.shape, out.data.into()).expect("the runtime fills its outputs")
    };
    Ok(outputs.into_iter().map(value).collect())
}

/// The families by name.
fn by_name(families: &[Family]) -> BTreeMap<String, &Family> {
    families.iter().map(|family| (family.name(), family)).collect()
}
