//! `compare --ablate`: which ops do the harm, by giving them their constants back.

use super::diagnostics::Failure;
use super::inputs::Inputs;
use super::layers;
use super::progress;
use super::running::{Error, Running};
use super::subject::Subject;
use serde_json::{Value as Json, json};
use std::io::{self, Write};
use tfq_ir::{Module, SubgraphId, counted};
use tfq_opt::debug::{Ablation, Layers, Suspect};
use tfq_runtime::{
    Case, CaseOutcome, Engine, Kernels, OfSignature, Reference, RuntimeError, with_either,
};
use tfq_text::visible;
use tfq_tflite::LowerOptions;

/// An op that gains less than this alone is no culprit: a fifth of the noise is another's.
const CULPRIT_DB: f64 = 1.0;
/// How many culprits are put back together.
const TOGETHER: usize = 5;
/// How many ops are listed.
const LISTED: usize = 10;
/// Kernels whose ratio is this near to the lowest have the same trouble.
const ALIKE_DB: f64 = 1.0;

/// What is compared.
pub(super) struct Job<'a> {
    pub(super) running: &'a Running,
    pub(super) sides: [&'a Subject; 2],
    pub(super) signature: Option<&'a str>,
    pub(super) inputs: &'a Inputs,
}

/// What was found.
pub(super) struct Ablated {
    kernels: Kernels,
    /// The outputs of B as it is.
    base: Vec<At>,
    /// Best first.
    tried: Vec<Tried>,
    /// The best `n` together, for n from 2, and the lowest ratio then.
    together: Vec<(usize, f64)>,
    runs: usize,
    untried: usize,
    stuck: Vec<String>,
}

/// An output and its ratio.
#[derive(Clone, Debug, PartialEq)]
struct At {
    output: String,
    snr_db: f64,
}

struct Tried {
    suspect: Suspect,
    outcome: Result<Gain, RuntimeError>,
}

/// What it brings to put the constants of an op back.
#[derive(Clone, Debug, PartialEq)]
struct Gain {
    /// Noise per signal power that is gone, over all outputs.
    noise: f64,
    /// The output that gains most of that, and how much its ratio rises.
    output: String,
    gain_db: f64,
    /// The lowest ratio of an output.
    snr_db: f64,
}

impl Job<'_> {
    /// Tries at most `limit` ops, those first that add most noise.
    pub(super) fn run(
        &self,
        cases: &[Case],
        limit: usize,
        layers: Option<&[Layers]>,
    ) -> Result<Ablated, Failure> {
        let [a, b] = self.sides;
        let (Some(first), Some(second)) = (a.module(), b.module()) else {
            unreachable!("both were read from files")
        };
        let Some(kernels) = worst_kernels(cases) else {
            let message = format!("{}: there are no outputs of floats to improve", b.name);
            return Err(Failure::Model { message, help: None });
        };
        let ablation = Ablation::new(first, second);
        let mut order: Vec<&Suspect> = ablation.suspects().iter().collect();
        if order.len() > limit {
            let found;
            let layers = match layers {
                Some(layers) => layers,
                None => {
                    let shown = layers::kernels(&[kernels, Kernels::Optimized])?;
                    let (signature, inputs) = (self.signature, self.inputs);
                    found = layers::find(self.running, self.sides, shown, signature, inputs)?;
                    &found
                }
            };
            order.sort_by(|x, y| drop(layers, y).total_cmp(&drop(layers, x)));
        }
        let untried = order.len().saturating_sub(limit);
        order.truncate(limit);
        let bar = progress::steps("putting constants back", order.len() + 1);
        let attempt = |engine| {
            bar.set_position(0);
            self.measure(engine, kernels, &ablation, &order, || bar.inc(1))
        };
        let found = with_either(attempt, Error::of_model);
        bar.finish_and_clear();
        let mut ablated = found.map_err(|error: Error| error.on(&b.name))?;
        ablated.untried = untried;
        Ok(ablated)
    }

    fn measure(
        &self,
        engine: Engine,
        kernels: Kernels,
        ablation: &Ablation<'_>,
        order: &[&Suspect],
        step: impl Fn(),
    ) -> Result<Ablated, Error> {
        let [a, b] = self.sides;
        let start = || self.running.worker(engine);
        let values = |signature: &_, sample| {
            self.inputs.values(a, signature, sample).map_err(Error::Command)
        };
        let (signature, samples) = (self.signature, self.inputs.samples());
        let mut worker = start()?;
        let reference =
            Reference::record(&mut worker, a.path(), kernels, signature, samples, values)?;
        let base = ratios(&reference.compare(&mut start()?, b.path())?);
        step();
        let variant = |suspects: &[&Suspect]| -> Result<Result<Vec<At>, RuntimeError>, Error> {
            let file = match ablation.restored(suspects.iter().copied()) {
                Ok(module) => image(&module).map_err(Error::Command)?,
                Err(rejected) => {
                    let stage = tfq_runtime::Stage::Load;
                    return Ok(Err(RuntimeError::new(stage, rejected.to_string())));
                }
            };
            // A process for each: one that crashes takes none with it, and memory is freed.
            Ok(reference.compare(&mut start()?, file.path()).map(|found| ratios(&found)))
        };
        let mut tried = Vec::new();
        for suspect in order {
            let outcome = variant(&[suspect])?.map(|found| gain(&base, &found));
            tried.push(Tried { suspect: (*suspect).clone(), outcome });
            step();
        }
        let noise = |tried: &Tried| tried.outcome.as_ref().map_or(f64::NEG_INFINITY, |g| g.noise);
        tried.sort_by(|x, y| noise(y).total_cmp(&noise(x)));
        let mut together = Vec::new();
        let culprits: Vec<&Suspect> = culprits(&tried).map(|(tried, _)| &tried.suspect).collect();
        for count in 2..=culprits.len().min(TOGETHER) {
            if let Ok(found) = variant(&culprits[..count])? {
                together.push((count, lowest(&found)));
            }
        }
        let runs = 1 + tried.len() + together.len();
        let stuck = ablation.stuck().to_vec();
        Ok(Ablated { kernels, base, tried, together, runs, untried: 0, stuck })
    }
}

/// The kernels with the lowest ratio; of those that are alike the ones that the runtime prefers,
/// which are the fastest.
fn worst_kernels(cases: &[Case]) -> Option<Kernels> {
    let lowest = |kind: Kernels| {
        let cases = cases.iter().filter(move |case| case.kernels == kind);
        let ran = cases.filter(|case| matches!(case.outcome, CaseOutcome::Ran(_)));
        ran.filter_map(|case| case.outcome.least_snr()).min_by(f64::total_cmp)
    };
    let found: Vec<(Kernels, f64)> =
        Kernels::ALL.into_iter().filter_map(|kind| Some((kind, lowest(kind)?))).collect();
    let least = found.iter().map(|(_, snr)| *snr).min_by(f64::total_cmp)?;
    let alike = |snr: f64| snr == least || snr <= least + ALIKE_DB;
    found.into_iter().rev().find(|(_, snr)| alike(*snr)).map(|(kind, _)| kind)
}

/// How much noise the op adds.
fn drop(layers: &[Layers], suspect: &Suspect) -> f64 {
    let sections = layers.iter().flat_map(|layers| &layers.sections);
    let layers = sections.filter(|section| section.subgraph == suspect.subgraph);
    let added = layers.flat_map(|section| &section.layers);
    added.filter(|layer| layer.op == suspect.position).map(|layer| layer.added).fold(0.0, f64::max)
}

fn image(module: &Module) -> Result<Subject, Failure> {
    let name = "a model with constants put back";
    let image = tfq_tflite::lower(module, &LowerOptions::default())
        .map_err(|error| Failure::model(name, error.into()))?;
    Subject::of_image(name, &image)
}

/// Of the outputs of floats.
fn ratios(found: &[OfSignature]) -> Vec<At> {
    let mut all = Vec::new();
    for (signature, outputs) in found {
        for output in outputs {
            let Ok(difference) = &output.difference else { continue };
            if difference.float {
                let name = match signature {
                    Some(key) => format!("{key}: {}", output.name),
                    None => output.name.clone(),
                };
                all.push(At { output: name, snr_db: difference.snr_db });
            }
        }
    }
    all
}

fn lowest(found: &[At]) -> f64 {
    found.iter().map(|at| at.snr_db).min_by(f64::total_cmp).unwrap_or(f64::INFINITY)
}

fn gain(base: &[At], found: &[At]) -> Gain {
    // What is not finite any more has more noise than can be.
    let noise = |snr_db: f64| 10_f64.powf(-snr_db / 10.0).min(1e30);
    let mut gain = Gain { noise: 0.0, output: String::new(), gain_db: 0.0, snr_db: lowest(found) };
    let mut most = f64::NEG_INFINITY;
    for before in base {
        let Some(after) = found.iter().find(|at| at.output == before.output) else { continue };
        let gone = noise(before.snr_db) - noise(after.snr_db);
        gain.noise += gone;
        if gone > most {
            most = gone;
            gain.output.clone_from(&before.output);
            gain.gain_db =
                if after.snr_db == before.snr_db { 0.0 } else { after.snr_db - before.snr_db };
        }
    }
    gain
}

/// What gains enough to be named, best first.
fn culprits(tried: &[Tried]) -> impl Iterator<Item = (&Tried, &Gain)> {
    let gains = tried.iter().filter_map(|tried| Some((tried, tried.outcome.as_ref().ok()?)));
    gains.filter(|(_, gain)| gain.noise > 0.0 && gain.gain_db >= CULPRIT_DB)
}

impl Ablated {
    /// What an op of the first model gains, if it is a culprit.
    pub(super) fn gain(&self, subgraph: SubgraphId, position: usize) -> Option<f64> {
        let mut culprits = culprits(&self.tried);
        let is_it = |s: &Suspect| s.subgraph == subgraph && s.position == position;
        culprits.find(|(tried, _)| is_it(&tried.suspect)).map(|(_, gain)| gain.gain_db)
    }

    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { kernels, base, tried, together, runs, untried, stuck } = self;
        let of_all = match untried {
            0 => String::new(),
            n => format!(", {n} more not tried"),
        };
        let (ops, runs) = (counted(tried.len(), "op"), counted(*runs, "run"));
        writeln!(out)?;
        writeln!(
            out,
            "with A's constants put back into {ops} of B, one at a time{of_all}; {runs} on {kernels}; \
             B as it is has {}",
            decibels(lowest(base))
        )?;
        if !tried.is_empty() {
            writeln!(out, "{:>9} {:>9}  op", "gain dB", "SNR dB")?;
        }
        for Tried { suspect, outcome } in tried.iter().take(LISTED) {
            let op = place(suspect);
            match outcome {
                Ok(gain) => {
                    let at = if base.len() > 1 {
                        format!("  (at {})", gain.output)
                    } else {
                        String::new()
                    };
                    let (rise, snr) = (number(gain.gain_db), number(gain.snr_db));
                    writeln!(out, "{rise:>9} {snr:>9}  {op}{at}")?;
                }
                Err(error) => writeln!(out, "{:>9} {:>9}  {op}: {error}", "?", "?")?,
            }
        }
        if tried.len() > LISTED {
            writeln!(
                out,
                "{:>19}  and {} that gain less",
                "",
                counted(tried.len() - LISTED, "op")
            )?;
        }
        match culprits(tried).count() {
            0 if tried.is_empty() => writeln!(out, "no op has other constants than in A")?,
            0 => writeln!(out, "no op alone gains {CULPRIT_DB} dB: the noise comes from many")?,
            _ => (),
        }
        for (count, snr) in together {
            writeln!(out, "the first {count} together: {}", decibels(*snr))?;
        }
        if !stuck.is_empty() {
            let names: Vec<_> = stuck.iter().map(|name| visible(name)).collect();
            let them = names.join(", ");
            writeln!(out, "not tried, since types around them differ as well: {them}")?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Json {
        let base = self.base.iter().map(|at| json!({ "output": at.output, "snr_db": at.snr_db }));
        let ops = self.tried.iter().map(|Tried { suspect, outcome }| {
            let mut object = json!({
                "subgraph": suspect.subgraph.0,
                "op": suspect.position,
                "kind": suspect.kind,
                "name": suspect.name,
            });
            match outcome {
                Ok(gain) => {
                    object["gain_db"] = gain.gain_db.into();
                    object["at"] = gain.output.clone().into();
                    object["snr_db"] = gain.snr_db.into();
                    object["culprit"] = (gain.noise > 0.0 && gain.gain_db >= CULPRIT_DB).into();
                }
                Err(error) => object["fails"] = json!(error),
            }
            object
        });
        let together = self.together.iter();
        let together = together.map(|(count, snr)| json!({ "ops": count, "snr_db": snr }));
        json!({
            "kernels": self.kernels.name(),
            "runs": self.runs,
            "not_tried": self.untried,
            "cannot_be_tried": self.stuck,
            "base": base.collect::<Vec<_>>(),
            "ops": ops.collect::<Vec<_>>(),
            "together": together.collect::<Vec<_>>(),
        })
    }
}

fn place(suspect: &Suspect) -> String {
    let Suspect { subgraph, position, kind, name, .. } = suspect;
    let within = match subgraph.0 {
        0 => String::new(),
        n => format!(" of subgraph {n}"),
    };
    format!("{} {position}{within} {}", visible(kind), visible(name))
}

fn decibels(snr: f64) -> String {
    if snr == f64::INFINITY { "equal outputs".to_owned() } else { format!("{snr:.1} dB") }
}

fn number(db: f64) -> String {
    if db == f64::INFINITY { "equal".to_owned() } else { format!("{db:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ratios: &[(&str, f64)]) -> Vec<At> {
        let at =
            |(output, snr_db): &(&str, f64)| At { output: (*output).to_owned(), snr_db: *snr_db };
        ratios.iter().map(at).collect()
    }

    #[test]
    fn a_gain_is_told_of_the_output_that_it_matters_to() {
        let base = at(&[("a", 10.0), ("b", 60.0)]);
        let found = gain(&base, &at(&[("a", 16.0), ("b", 90.0)]));
        assert_eq!((found.output.as_str(), found.gain_db, found.snr_db), ("a", 6.0, 16.0));
        let found = gain(&base, &at(&[("a", 10.0), ("b", 90.0)]));
        assert_eq!((found.output.as_str(), found.gain_db, found.snr_db), ("b", 30.0, 10.0));
        // What was not finite and is again gains without end.
        let base = at(&[("a", f64::NEG_INFINITY)]);
        assert_eq!(gain(&base, &at(&[("a", 20.0)])).gain_db, f64::INFINITY);
        assert_eq!(gain(&base, &base).gain_db, 0.0);
    }
}
