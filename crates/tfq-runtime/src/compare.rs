//! Runs two models on the same inputs.

use crate::metrics::{Difference, Mismatch};
use crate::value::{Port, Signature, Value};
use crate::worker::{Loaded, Worker};
use crate::{Engine, Kernels, RunError, Stage};
use std::path::Path;

/// How the second model fared, for one signature on one kind of kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The signature's name; `None` for the main subgraph of a model without signatures.
    pub signature: Option<String>,
    /// What computed.
    pub kernels: Kernels,
    /// What came out.
    pub verdict: Verdict,
}

/// What came out of the second model, against the first.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Both ran. For each output of the first, how the second's differs.
    Ran(Vec<(String, Result<Difference, Mismatch>)>),
    /// The first does not run, so that nothing can be said.
    Skipped(RunError),
    /// The first runs, the second does not.
    Failed(RunError),
}

impl Verdict {
    /// Why the second model is no replacement for the first, if it is none: it does not run,
    /// an output has another form, is not finite any more, or has less than `min_snr` decibels.
    /// Integers may differ: a class that was as likely as another can win.
    pub fn fault(&self, min_snr: f64) -> Option<String> {
        match self {
            Self::Skipped(_) => None,
            Self::Failed(error) => Some(error.to_string()),
            Self::Ran(outputs) => outputs.iter().find_map(|(name, difference)| match difference {
                Err(mismatch) => Some(format!("output `{name}`: {mismatch}")),
                Ok(found) if found.not_finite > 0 => Some(format!(
                    "output `{name}`: {} elements are not finite any more",
                    found.not_finite
                )),
                Ok(found) if found.float && found.snr_db < min_snr => {
                    let snr = found.snr_db;
                    Some(format!("output `{name}`: {snr:.1} dB, at least {min_snr} are wanted"))
                }
                Ok(_) => None,
            }),
        }
    }
}

/// How often a model is run beside itself to see whether it is the one that crashes.
const ATTEMPTS: u32 = 5;

/// Runs both models on each kind of kernels, with all signatures of the first or with one.
/// Each model has a worker of its own from `start`, a second time through Python where the C
/// API refuses the first, or crashes on it at times; `inputs` makes the values for a signature.
pub fn compare<E: From<RunError>>(
    start: impl Fn(Engine) -> Result<Worker, RunError>,
    models: [&Path; 2],
    kernels: &[Kernels],
    signature: Option<&str>,
    inputs: impl Fn(&Signature) -> Result<Vec<Value>, E>,
) -> Result<Vec<Case>, E> {
    let mut cases = Vec::new();
    for kind in kernels {
        let run = |engine, models| attempt(|| start(engine), models, *kind, signature, &inputs);
        let mut engine = Engine::Library;
        let mut found = run(engine, models)?;
        // A replacement must do wherever the original does, so its own failures stand. Python
        // may be missing; then what the C API said stands.
        let mut unstable = found.iter().filter_map(skipped).any(crashed);
        if found.iter().filter_map(skipped).any(RunError::python_may_help)
            && start(Engine::Python).is_ok_and(|mut worker| worker.answers())
        {
            engine = Engine::Python;
            found = run(engine, models)?;
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
                let error = RunError::new(Stage::Crash, "at times, as it does with both models");
                case.verdict = Verdict::Skipped(error);
            }
        }
        cases.append(&mut found);
    }
    Ok(cases)
}

fn skipped(case: &Case) -> Option<&RunError> {
    if let Verdict::Skipped(error) = &case.verdict { Some(error) } else { None }
}

fn failed(case: &Case) -> Option<&RunError> {
    if let Verdict::Failed(error) = &case.verdict { Some(error) } else { None }
}

fn crashed(error: &RunError) -> bool {
    error.stage == Stage::Crash
}

fn attempt<E: From<RunError>>(
    start: impl Fn() -> Result<Worker, RunError>,
    models: [&Path; 2],
    kernels: Kernels,
    signature: Option<&str>,
    inputs: impl Fn(&Signature) -> Result<Vec<Value>, E>,
) -> Result<Vec<Case>, E> {
    let mut first = start()?;
    let loaded = match first.load(models[0], kernels, 1) {
        Ok(loaded) => loaded,
        Err(error) if error.stage == Stage::Library => return Err(error.into()),
        Err(error) => {
            let signature = signature.map(str::to_owned);
            return Ok(vec![Case { signature, kernels, verdict: Verdict::Skipped(error) }]);
        }
    };
    let mut second = start()?;
    let candidate = second.load(models[1], kernels, 1);
    let mut cases = Vec::new();
    for index in chosen(&loaded, signature)? {
        let described = &loaded.signatures[index];
        let values = inputs(described)?;
        let verdict = match first.run(&loaded, index, values.clone()) {
            Err(error) => Verdict::Skipped(error),
            Ok(wanted) => match found(&mut second, &candidate, described, values) {
                Err(error) => Verdict::Failed(error),
                Ok(found) => Verdict::Ran(differences(&described.outputs, &wanted, &found)),
            },
        };
        cases.push(Case { signature: described.key.clone(), kernels, verdict });
    }
    Ok(cases)
}

/// The signatures to run, by position.
fn chosen(loaded: &Loaded, signature: Option<&str>) -> Result<Vec<usize>, RunError> {
    let Some(wanted) = signature else { return Ok((0..loaded.signatures.len()).collect()) };
    loaded.position(wanted).map(|index| vec![index])
}

/// The outputs of the second model, in the order of the first one's.
fn found(
    worker: &mut Worker,
    candidate: &Result<Loaded, RunError>,
    like: &Signature,
    values: Vec<Value>,
) -> Result<Vec<Value>, RunError> {
    let candidate = candidate.as_ref().map_err(Clone::clone)?;
    let index = match &like.key {
        Some(key) => candidate.position(key)?,
        None => 0,
    };
    let Some(signature) = candidate.signatures.get(index) else {
        return Err(RunError::new(Stage::Load, "the model has nothing to run"));
    };
    let order = matching(&signature.inputs, &like.inputs).ok_or_else(|| {
        let (wanted, found) = (names(&like.inputs), names(&signature.inputs));
        RunError::new(Stage::Input, format!("inputs {wanted} became {found}"))
    })?;
    let values = order.into_iter().map(|n| values[n].clone()).collect();
    let outputs = worker.run(candidate, index, values)?;
    let order = matching(&like.outputs, &signature.outputs).ok_or_else(|| {
        let (wanted, found) = (names(&like.outputs), names(&signature.outputs));
        RunError::new(Stage::Output, format!("outputs {wanted} became {found}"))
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

fn differences(
    ports: &[Port],
    wanted: &[Value],
    found: &[Value],
) -> Vec<(String, Result<Difference, Mismatch>)> {
    ports
        .iter()
        .zip(wanted.iter().zip(found))
        .map(|(port, (wanted, found))| (port.name.clone(), Difference::between(wanted, found)))
        .collect()
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
    fn faults() {
        let ran = |wanted: &[f64], found: &[f64]| {
            let difference = Difference::of_numbers(wanted, found).unwrap();
            Verdict::Ran(vec![("y".to_owned(), Ok(difference))])
        };
        assert_eq!(ran(&[1.0], &[1.01]).fault(30.0), None);
        let fault = ran(&[1.0], &[1.1]).fault(30.0).unwrap();
        assert_eq!(fault, "output `y`: 20.0 dB, at least 30 are wanted");
        let classes =
            Difference { float: false, ..Difference::of_numbers(&[3.0], &[5.0]).unwrap() };
        assert_eq!(Verdict::Ran(vec![("y".to_owned(), Ok(classes))]).fault(30.0), None);
        let fault = ran(&[1.0], &[f64::NAN]).fault(f64::NEG_INFINITY).unwrap();
        assert_eq!(fault, "output `y`: 1 elements are not finite any more");
        let error = RunError::new(Stage::Crash, "signal 11 (segmentation fault)");
        assert_eq!(Verdict::Skipped(error.clone()).fault(20.0), None);
        let fault = Verdict::Failed(error).fault(20.0).unwrap();
        assert_eq!(fault, "the runtime crashed: signal 11 (segmentation fault)");
    }
}
