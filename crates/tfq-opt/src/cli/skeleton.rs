//! `tfq-opt skeleton`.

use super::diagnostics::Failure;
use super::model::{self, Reading};
use tfq_opt::ir::text;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, as .tflite or as text; - reads standard input
    model: String,

    /// Where the skeleton goes [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let module = model::load(&args.model, &args.reading)?;
    model::write_bytes(args.output.as_deref().unwrap_or("-"), text::print_skeleton(&module))
}
