//! `--verify-run`: the result against the input, before it is written.

use super::compare;
use super::diagnostics::Failure;
use super::model::Reading;
use super::running::{Running, Subject, UseRuntime, Wishes};
use tfq_opt::Source;
use tfq_opt::format::Image;
use tfq_opt::runtime::Kernels;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Verify {
    /// Run the result beside the input, on random inputs and all kernels, and write it only
    /// where it runs and each output has at least this signal-to-noise ratio in decibels
    /// [default without a number: 20]
    #[arg(long, value_name = "DB", num_args = 0..=1, require_equals = true, default_missing_value = "20", allow_negative_numbers = true)]
    verify_run: Option<f64>,

    #[command(flatten)]
    runtime: UseRuntime,
}

/// What a result will be held against.
pub(super) struct Verification {
    running: Running,
    input: Subject,
    min_snr: f64,
}

impl Verify {
    /// Before the passes run: whether there is a runtime, and the input as a file. Nothing
    /// where no check is wanted.
    pub(super) fn prepare(
        &self,
        input: &str,
        source: &Source<'_>,
        reading: &Reading,
    ) -> Result<Option<Verification>, Failure> {
        let Some(min_snr) = self.verify_run else { return Ok(None) };
        let running = self.runtime.find()?;
        let input = Subject::of_source(input, source, reading)?;
        Ok(Some(Verification { running, input, min_snr }))
    }
}

impl Verification {
    /// An error where the result is no replacement for the input.
    pub(super) fn check(&self, image: &Image) -> Result<(), Failure> {
        let result = Subject::of_image("the result", image)?;
        let models = [&self.input, &result];
        let wishes = Wishes::random();
        let cases = compare::cases(&self.running, models, &Kernels::ALL, None, &wishes)?;
        compare::judge(&self.input.name, &result.name, &cases, self.min_snr)
    }
}
