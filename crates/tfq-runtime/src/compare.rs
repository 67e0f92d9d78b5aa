//! Runs two models on the same inputs.

use crate::metrics::{Difference, Mismatch, Tally};
use crate::value::{Interface, Port, Value};
use crate::worker::{Loaded, Worker};
use crate::{Engine, Kernels, RuntimeError, Stage};
use std::path::Path;
use tfq_ir::counted;

/// How the second model fared, for one signature on one kind of kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The signature's name; `None` for the main subgraph of a model without signatures.
    pub signature: Option<String>,
    /// What computed.
    pub kernels: Kernels,
    /// What came out.
    pub outcome: CaseOutcome,
}

/// What came out of the second model, against the first.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseOutcome {
    /// Both ran. What became of each output of the first.
    Ran(Vec<Output>),
    /// The first does not run, so that nothing can be said.
    Skipped(RuntimeError),
    /// The first runs, the second does not.
    Failed(RuntimeError),
}

/// How an output of the second model differs from the first one's.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name in the first model.
    pub name: String,
    /// How it differs over all samples.
    pub difference: Result<Difference, Mismatch>,
    /// The sample where it differs most and its signal-to-noise ratio, where there are several.
    pub worst: Option<(usize, f64)>,
}

impl CaseOutcome {
    /// Why the second model is no replacement for the first, if it is none: it does not run,
    /// an output has another form, is not finite any more, or has less than `min_snr` decibels.
    /// Integers may differ: a class that was as likely as another can win.
    pub fn fault(&self, min_snr: f64) -> Option<String> {
        match self {
            Self::Skipped(_) => None,
            Self::Failed(error) => Some(error.to_string()),
            Self::Ran(outputs) => outputs.iter().find_map(|output| {
                let fault = match &output.difference {
                    Err(mismatch) => mismatch.to_string(),
                    Ok(found) if let Some(what) = found.finiteness() => {
                        let one = found.not_finite == 1;
                        let are = if one { "is" } else { "are" };
                        let what = if one { what.to_owned() } else { what.replace("was", "were") };
                        format!("{} {are} {what}", counted(found.not_finite, "element"))
                    }
                    Ok(found) if found.float && found.snr_db < min_snr => {
                        format!("{:.1} dB, at least {min_snr} are wanted", found.snr_db)
                    }
                    Ok(_) => return None,
                };
                let worst = match output.worst {
                    Some((sample, db)) if db.is_finite() => {
                        format!("; sample {sample} has {db:.1} dB")
                    }
                    Some((sample, _)) => format!("; see sample {sample}"),
                    None => String::new(),
                };
                Some(format!("output `{}`: {fault}{worst}", output.name))
            }),
        }
    }

    /// The lowest signal-to-noise ratio of an output of floats, in decibels; infinite where all
    /// are equal, `None` where there is none.
    pub fn least_snr(&self) -> Option<f64> {
        let Self::Ran(outputs) = self else { return None };
        let differences = outputs.iter().filter_map(|output| output.difference.as_ref().ok());
        differences.filter(|found| found.float).map(|found| found.snr_db).min_by(f64::total_cmp)
    }
}

/// How often a model is run beside itself to see whether it is the one that crashes.
const ATTEMPTS: u32 = 5;

/// Runs both models on each kind of kernels, with all signatures of the first or with one, on
/// each of some samples. Each model has a worker of its own from `start`, a second time through
/// Python where the C API refuses the first, or crashes on it at times; `inputs` makes the values
/// of a signature for a sample.
pub fn compare<E: From<RuntimeError>>(
    start: impl Fn(Engine) -> Result<Worker, RuntimeError>,
    models: [&Path; 2],
    kernels: &[Kernels],
    signature: Option<&str>,
    samples: usize,
    inputs: impl Fn(&Interface, usize) -> Result<Vec<Value>, E>,
) -> Result<Vec<Case>, E> {
    let mut cases = Vec::new();
    for kind in kernels {
        let run =
            |engine, models| attempt(|| start(engine), models, *kind, signature, samples, &inputs);
        let mut engine = Engine::Library;
        let mut found = run(engine, models)?;
        // A replacement must do wherever the original does, so its own failures stand, but for
        // those of the C API alone. Python may be missing; then what the C API said stands.
        let mut unstable = found.iter().filter_map(skipped).any(crashed);
        let helps = found.iter().filter_map(skipped).any(RuntimeError::python_may_help)
            || found.iter().filter_map(failed).any(|error| error.stage == Stage::Interface);
        if helps && start(Engine::Python).is_ok_and(|mut worker| worker.answers()) {
            engine = Engine::Python;
            found = run(engine, models)?;
            unstable = found.iter().filter_map(skipped).any(crashed);
        }
        // The original may crash as well, now and then: some kernels read past the end of what
        // they are given, and it hangs on what lies there.
        if found.iter().filter_map(failed).any(crashed) {
            for _ in 0..ATTEMPTS {
                let again = run(engine, [models[0], models[0]])?;
                unstable |= again.iter().filter_map(|c| failed(c).or(skipped(c))).any(crashed);
            }
        }
        for case in found.iter_mut().filter(|_| unstable) {
            if failed(case).is_some_and(crashed) {
                let error =
                    RuntimeError::new(Stage::Crash, "at times, as it does with both models");
                case.outcome = CaseOutcome::Skipped(error);
            }
        }
        cases.append(&mut found);
    }
    Ok(cases)
}

fn skipped(case: &Case) -> Option<&RuntimeError> {
    if let CaseOutcome::Skipped(error) = &case.outcome { Some(error) } else { None }
}

fn failed(case: &Case) -> Option<&RuntimeError> {
    if let CaseOutcome::Failed(error) = &case.outcome { Some(error) } else { None }
}

/// Whether an error says nothing about the model.
fn about_nothing(error: &RuntimeError) -> bool {
    matches!(error.stage, Stage::Library | Stage::Killed)
}

fn crashed(error: &RuntimeError) -> bool {
    error.stage == Stage::Crash
}

fn attempt<E: From<RuntimeError>>(
    start: impl Fn() -> Result<Worker, RuntimeError>,
    models: [&Path; 2],
    kernels: Kernels,
    signature: Option<&str>,
    samples: usize,
    inputs: impl Fn(&Interface, usize) -> Result<Vec<Value>, E>,
) -> Result<Vec<Case>, E> {
    let mut first = start()?;
    let mut loaded = match first.load(models[0], kernels, 1) {
        Ok(loaded) => loaded,
        Err(error) if about_nothing(&error) => return Err(error.into()),
        Err(error) => {
            let signature = signature.map(str::to_owned);
            return Ok(vec![Case { signature, kernels, outcome: CaseOutcome::Skipped(error) }]);
        }
    };
    let mut second = start()?;
    let mut candidate = second.load(models[1], kernels, 1);
    let mut cases = Vec::new();
    for index in chosen(&loaded, signature)? {
        let described = &loaded.signatures[index].clone();
        let mut outputs: Vec<Sums> = described.outputs.iter().map(Sums::new).collect();
        let mut outcome = None;
        for sample in 0..samples {
            let of_sample = |error| if samples > 1 { in_sample(sample, error) } else { error };
            let values = inputs(described, sample)?;
            let wanted = match first.run(&loaded, index, values.clone()) {
                Ok(wanted) => wanted,
                Err(error) if about_nothing(&error) => return Err(error.into()),
                Err(error) => {
                    outcome = Some(CaseOutcome::Skipped(of_sample(error)));
                    break;
                }
            };
            let run = |model: &Loaded| run_like(&mut second, model, described, values);
            match candidate.as_ref().map_err(Clone::clone).and_then(run) {
                Ok(found) => {
                    for (output, (wanted, found)) in
                        outputs.iter_mut().zip(wanted.iter().zip(&found))
                    {
                        output.add(sample, wanted, found);
                    }
                }
                Err(error) if about_nothing(&error) => return Err(error.into()),
                Err(error) => {
                    outcome = Some(CaseOutcome::Failed(of_sample(error)));
                    break;
                }
            }
        }
        let ran =
            || CaseOutcome::Ran(outputs.into_iter().map(|sums| sums.output(samples)).collect());
        let outcome = outcome.unwrap_or_else(ran);
        // The next signature may run all the same.
        let mut lost = None;
        match &outcome {
            CaseOutcome::Skipped(error) if has_ended(error) => {
                first = start()?;
                match first.load(models[0], kernels, 1) {
                    Ok(again) => loaded = again,
                    Err(error) if about_nothing(&error) => return Err(error.into()),
                    Err(error) => lost = Some(error),
                }
            }
            CaseOutcome::Failed(error) if has_ended(error) && candidate.is_ok() => {
                second = start()?;
                candidate = second.load(models[1], kernels, 1);
            }
            _ => (),
        }
        cases.push(Case { signature: described.key.clone(), kernels, outcome });
        // It loads at times only.
        if let Some(error) = lost {
            cases.push(Case { signature: None, kernels, outcome: CaseOutcome::Skipped(error) });
            break;
        }
    }
    Ok(cases)
}

/// Whether the worker that gave this answer gives no other.
fn has_ended(error: &RuntimeError) -> bool {
    matches!(error.stage, Stage::Crash | Stage::Timeout | Stage::Killed | Stage::Library)
}

fn in_sample(sample: usize, error: RuntimeError) -> RuntimeError {
    RuntimeError { message: format!("sample {sample}: {}", error.message), ..error }
}

/// What a model computes on some samples, to hold several others against it.
pub struct Reference {
    kernels: Kernels,
    signatures: Vec<(Interface, Vec<Sample>)>,
}

/// A signature's name and what became of its outputs.
pub type OfSignature = (Option<String>, Vec<Output>);

/// Inputs and outputs.
type Sample = (Vec<Value>, Vec<Value>);

impl Reference {
    /// Runs the model.
    pub fn record<E: From<RuntimeError>>(
        worker: &mut Worker,
        model: &Path,
        kernels: Kernels,
        signature: Option<&str>,
        samples: usize,
        inputs: impl Fn(&Interface, usize) -> Result<Vec<Value>, E>,
    ) -> Result<Self, E> {
        let loaded = worker.load(model, kernels, 1)?;
        let mut signatures = Vec::new();
        for index in chosen(&loaded, signature)? {
            let described = &loaded.signatures[index];
            let mut recorded = Vec::with_capacity(samples);
            for sample in 0..samples {
                let values = inputs(described, sample)?;
                recorded.push((values.clone(), worker.run(&loaded, index, values)?));
            }
            signatures.push((described.clone(), recorded));
        }
        Ok(Self { kernels, signatures })
    }

    /// Runs another model, and tells for each signature what became of its outputs.
    pub fn compare(
        &self,
        worker: &mut Worker,
        model: &Path,
    ) -> Result<Vec<OfSignature>, RuntimeError> {
        let loaded = worker.load(model, self.kernels, 1)?;
        let mut all = Vec::new();
        for (described, recorded) in &self.signatures {
            let mut outputs: Vec<Sums> = described.outputs.iter().map(Sums::new).collect();
            for (sample, (values, wanted)) in recorded.iter().enumerate() {
                let found = run_like(worker, &loaded, described, values.clone())?;
                for (output, (wanted, found)) in outputs.iter_mut().zip(wanted.iter().zip(&found)) {
                    output.add(sample, wanted, found);
                }
            }
            let outputs = outputs.into_iter().map(|sums| sums.output(recorded.len())).collect();
            all.push((described.key.clone(), outputs));
        }
        Ok(all)
    }
}

/// How an output differs over the samples so far.
struct Sums {
    name: String,
    all: Result<Tally, Mismatch>,
    worst: Option<(usize, f64)>,
}

impl Sums {
    fn new(port: &Port) -> Self {
        Self { name: port.name.clone(), all: Ok(Tally::default()), worst: None }
    }

    fn add(&mut self, sample: usize, wanted: &Value, found: &Value) {
        let Ok(all) = &mut self.all else { return };
        match Difference::between(wanted, found) {
            Ok(found) if self.worst.is_some_and(|(_, least)| least <= found.snr_db) => (),
            Ok(found) => self.worst = Some((sample, found.snr_db)),
            Err(_) => self.worst = Some((sample, f64::NEG_INFINITY)),
        }
        if let Err(mismatch) = all.add(wanted, found) {
            self.all = Err(mismatch);
        }
    }

    fn output(self, samples: usize) -> Output {
        let Self { name, all, worst } = self;
        let difference = all.map(|tally| tally.difference());
        // Where nothing differs, no sample is worse than another.
        let worst = worst.filter(|(_, db)| samples > 1 && *db < f64::INFINITY);
        Output { name, difference, worst }
    }
}

/// The signatures to run, by position.
fn chosen(loaded: &Loaded, signature: Option<&str>) -> Result<Vec<usize>, RuntimeError> {
    let Some(wanted) = signature else { return Ok((0..loaded.signatures.len()).collect()) };
    loaded.position(wanted).map(|index| vec![index])
}

/// Runs a model as if it had another one's signature: inputs and outputs are in the order of that.
pub fn run_like(
    worker: &mut Worker,
    candidate: &Loaded,
    like: &Interface,
    values: Vec<Value>,
) -> Result<Vec<Value>, RuntimeError> {
    let index = match &like.key {
        Some(key) => candidate.position(key)?,
        None => 0,
    };
    let Some(signature) = candidate.signatures.get(index) else {
        return Err(RuntimeError::new(Stage::Load, "the model has nothing to run"));
    };
    let order = matching(&signature.inputs, &like.inputs).ok_or_else(|| {
        let (wanted, found) = (names(&like.inputs), names(&signature.inputs));
        RuntimeError::new(Stage::Input, format!("inputs {wanted} became {found}"))
    })?;
    let values = order.into_iter().map(|n| values[n].clone()).collect();
    let outputs = worker.run(candidate, index, values)?;
    let order = matching(&like.outputs, &signature.outputs).ok_or_else(|| {
        let (wanted, found) = (names(&like.outputs), names(&signature.outputs));
        RuntimeError::new(Stage::Output, format!("outputs {wanted} became {found}"))
    })?;
    Ok(order.into_iter().filter_map(|n| outputs.get(n).cloned()).collect())
}

/// For each of `ports` the position of the one in `others` that it is: by name where names are
/// the same ones and tell them apart, else by position.
fn matching(ports: &[Port], others: &[Port]) -> Option<Vec<usize>> {
    if ports.len() != others.len() {
        return None;
    }
    let by_name: Option<Vec<usize>> = ports
        .iter()
        .map(|port| {
            let mut same = others.iter().enumerate().filter(|(_, other)| other.name == port.name);
            match (same.next(), same.next()) {
                (Some((n, _)), None) => Some(n),
                _ => None,
            }
        })
        .collect();
    Some(by_name.unwrap_or_else(|| (0..ports.len()).collect()))
}

fn names(ports: &[Port]) -> String {
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    format!("({})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfq_ir::ElementType;

    fn ports(names: &[&str]) -> Vec<Port> {
        let port = |name: &&str| Port {
            name: (*name).to_owned(),
            ty: ElementType::Float32,
            shape: vec![1],
            constant: false,
        };
        names.iter().map(port).collect()
    }

    #[test]
    fn ports_match_by_name_or_else_by_position() {
        let ab = ports(&["a", "b"]);
        assert_eq!(matching(&ab, &ports(&["b", "a"])), Some(vec![1, 0]));
        assert_eq!(matching(&ab, &ports(&["x", "y"])), Some(vec![0, 1]));
        assert_eq!(matching(&ports(&["", ""]), &ports(&["", ""])), Some(vec![0, 1]));
        assert_eq!(matching(&ab, &ports(&["a"])), None);
    }

    #[test]
    fn the_worst_of_several_samples_is_told() {
        let value = |x: f32| Value {
            ty: ElementType::Float32,
            shape: vec![1],
            data: x.to_le_bytes().to_vec(),
        };
        let of = |pairs: &[(f32, f32)]| {
            let mut sums = Sums::new(&ports(&["y"])[0]);
            for (sample, (x, y)) in pairs.iter().enumerate() {
                sums.add(sample, &value(*x), &value(*y));
            }
            sums.output(pairs.len())
        };
        let found = of(&[(3.0, 3.0), (1.0, 2.0), (1.0, 0.5)]);
        assert_eq!(found.worst, Some((1, 0.0)));
        let all = found.difference.unwrap().snr_db;
        assert!((all - 10.0 * (11.0_f64 / 1.25).log10()).abs() < 1e-9, "{all}");
        assert_eq!(of(&[(1.0, 2.0)]).worst, None, "there is only one");
        assert_eq!(of(&[(1.0, 1.0), (2.0, 2.0)]).worst, None, "nothing differs");
    }

    #[test]
    fn faults() {
        let ran = |wanted: &[f64], found: &[f64]| {
            let difference = Ok(Difference::of_numbers(wanted, found).unwrap());
            CaseOutcome::Ran(vec![Output { name: "y".to_owned(), difference, worst: None }])
        };
        assert_eq!(ran(&[1.0], &[1.01]).fault(30.0), None);
        let fault = ran(&[1.0], &[1.1]).fault(30.0).unwrap();
        assert_eq!(fault, "output `y`: 20.0 dB, at least 30 are wanted");
        let classes =
            Difference { float: false, ..Difference::of_numbers(&[3.0], &[5.0]).unwrap() };
        let output = |difference, worst| {
            CaseOutcome::Ran(vec![Output { name: "y".to_owned(), difference, worst }])
        };
        assert_eq!(output(Ok(classes), None).fault(30.0), None);
        assert_eq!(output(Ok(classes), None).least_snr(), None, "integers have none that counts");
        let noise = Difference::of_numbers(&[1.0], &[1.1]).unwrap();
        let fault = output(Ok(noise), Some((7, 12.0))).fault(30.0).unwrap();
        assert_eq!(fault, "output `y`: 20.0 dB, at least 30 are wanted; sample 7 has 12.0 dB");
        assert!((output(Ok(noise), None).least_snr().unwrap() - 20.0).abs() < 1e-9);
        let fault = ran(&[1.0], &[f64::NAN]).fault(f64::NEG_INFINITY).unwrap();
        assert_eq!(fault, "output `y`: 1 element is not finite any more");
        let fault = ran(&[f64::NAN; 2], &[1.0; 2]).fault(f64::NEG_INFINITY).unwrap();
        assert_eq!(fault, "output `y`: 2 elements are finite, and were not");
        let fault = ran(&[f64::NAN, 1.0], &[1.0, f64::NAN]).fault(f64::NEG_INFINITY).unwrap();
        assert_eq!(fault, "output `y`: 2 elements are not finite in one");
        let error = RuntimeError::new(Stage::Crash, "signal 11 (segmentation fault)");
        assert_eq!(CaseOutcome::Skipped(error.clone()).fault(20.0), None);
        let fault = CaseOutcome::Failed(error).fault(20.0).unwrap();
        assert_eq!(fault, "the runtime crashed: signal 11 (segmentation fault)");
    }
}
