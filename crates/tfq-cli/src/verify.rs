//! `--verify-run`: the result against the input, before it is written.

use super::compare;
use super::diagnostics::Failure;
use super::inputs::{DataArgs, InputArgs, Inputs, SAMPLES, Sources};
use super::model::ReadArgs;
use super::running::{Running, UseRuntime};
use super::subject::Subject;
use serde_json::{Value as Json, json};
use std::fmt;
use std::path::{Path, PathBuf};
use tfq_opt::Source;
use tfq_runtime::{Case, CaseOutcome, Kernels};
use tfq_tflite::Image;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Verify {
    /// Run the result beside the input, on all kernels, and write it only where it runs and each
    /// output has at least this signal-to-noise ratio in decibels [default without a number: 20].
    /// Inputs are random unless --data or --input give some
    #[arg(long, value_name = "DB", num_args = 0..=1, require_equals = true, default_missing_value = "20", allow_negative_numbers = true)]
    verify_run: Option<f64>,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    inputs: InputArgs,

    #[command(flatten)]
    runtime: UseRuntime,
}

/// How to go on where outputs differ by too much.
const HARM: &str = "on a result written without --verify-run, `tfq-opt compare --ablate` tells \
                    which ops do the harm, and --keep leaves their weights";

/// What a result will be held against.
pub(super) struct Verification {
    running: Running,
    input: Subject,
    min_snr: f64,
    signature: Option<String>,
    inputs: Inputs,
}

/// What a result was found to be.
pub(crate) struct Verified {
    min_snr: f64,
    cases: Vec<Case>,
    sources: Sources,
}

impl Verify {
    /// The files that are read for it.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        [self.data.files(), self.inputs.files()].concat()
    }

    /// Before the passes run: whether there is a runtime, and the input as a file. Nothing
    /// where no check is wanted.
    pub(super) fn prepare(
        &self,
        input: &Path,
        source: &Source<'_>,
        reading: &ReadArgs,
    ) -> Result<Option<Verification>, Failure> {
        let Some(min_snr) = self.verify_run else {
            if self.data.is_empty() && self.inputs.is_empty() {
                return Ok(None);
            }
            let message = "inputs are given and nothing is run";
            return Err(Failure::usage(message, "add --verify-run"));
        };
        let mut inputs = self.inputs.read_with(&self.data)?;
        inputs.random_samples = usize::from(SAMPLES);
        let signature = self.inputs.signature.clone();
        let input = Subject::of_source(input, source, reading)?;
        inputs.check(&input, signature.as_deref())?;
        let running = self.runtime.find()?;
        Ok(Some(Verification { running, input, min_snr, signature, inputs }))
    }
}

impl Verification {
    /// An error where the result is no replacement for the input.
    pub(super) fn check(&self, image: &Image) -> Result<Verified, Failure> {
        let Self { running, input, min_snr, signature, inputs } = self;
        let result = Subject::of_image("the result", image)?;
        let models = [input, &result];
        let signature = signature.as_deref();
        let cases = compare::cases(running, models, &Kernels::ALL, signature, inputs)?;
        let sources = inputs.sources(input, signature);
        let judged = compare::judge(&input.name, &result.name, &cases, &sources, *min_snr);
        let failed = |case: &Case| matches!(case.outcome, CaseOutcome::Failed(_));
        let ran = |case: &Case| matches!(case.outcome, CaseOutcome::Ran(_));
        judged.map_err(|failure| match failure {
            // What differs can be looked into, once it is in a file.
            Failure::Model { message, help }
                if cases.iter().any(ran) && !cases.iter().any(failed) =>
            {
                let help = help.map_or_else(|| HARM.to_owned(), |help| format!("{help}; {HARM}"));
                Failure::Model { message, help: Some(help) }
            }
            other => other,
        })?;
        Ok(Verified { min_snr: *min_snr, cases, sources })
    }
}

impl Verified {
    pub(super) fn json(&self) -> Json {
        let cases: Vec<Json> = self.cases.iter().map(compare::case_json).collect();
        json!({
            "wanted_db": self.min_snr,
            "least_snr_db": self.least(),
            "data": self.sources.json(),
            "cases": cases,
        })
    }

    fn least(&self) -> Option<f64> {
        self.cases.iter().filter_map(|case| case.outcome.least_snr()).min_by(f64::total_cmp)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.least() {
            None => f.write_str("it runs")?,
            Some(db) if db.is_finite() => write!(f, "at least {db:.1} dB")?,
            Some(_) => f.write_str("equal outputs")?,
        }
        let ran = |case: &&Case| matches!(case.outcome, CaseOutcome::Ran(_));
        let list = |wanted: &dyn Fn(&&Case) -> bool| {
            let on = |kernels: &&Kernels| {
                self.cases.iter().filter(wanted).any(|case| case.kernels == **kernels)
            };
            let names = Kernels::ALL.iter().filter(on).map(|kernels| kernels.name());
            names.collect::<Vec<_>>().join(", ")
        };
        write!(f, " on {}; inputs: {}", list(&ran), self.sources)?;
        // A signature may run where another one of the input does not.
        let signatures: Vec<&Option<String>> =
            self.cases.iter().map(|case| &case.signature).collect();
        let several = signatures.windows(2).any(|pair| pair[0] != pair[1]);
        let mut told: Vec<&Option<String>> = Vec::new();
        for case in self.cases.iter().filter(|case| !ran(case)) {
            if told.contains(&&case.signature) {
                continue;
            }
            told.push(&case.signature);
            let on = list(&|other| other.signature == case.signature && !ran(other));
            match case.signature.as_deref().filter(|_| several) {
                Some(key) => write!(f, "; `{key}` was not checked on {on}")?,
                None => write!(f, "; not checked on {on}")?,
            }
            f.write_str(", where the input does not run")?;
        }
        Ok(())
    }
}
