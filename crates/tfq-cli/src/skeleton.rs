//! `tfq-opt skeleton`.

use super::diagnostics::Failure;
use super::model::{self, ReadArgs};
use super::outputs::{self, Inputs, Outputs, Overwrite};
use std::path::{Path, PathBuf};
use tfq_text as text;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, as .tflite or as text; - reads standard input
    model: PathBuf,

    /// Where the skeleton goes [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    overwrite: Overwrite,

    #[command(flatten)]
    reading: ReadArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    let mut inputs = Inputs { model: args.reading.files(&args.model), ..Inputs::default() };
    let outputs = Outputs { result: Some(output), ..Outputs::default() };
    outputs::check(&outputs, &inputs, Some(args.overwrite))?;
    let module = model::load(&args.model, &args.reading)?;
    if inputs.add_constants_of(&args.model, &module) {
        outputs::check(&outputs, &inputs, Some(args.overwrite))?;
    }
    model::write_bytes(output, text::print_skeleton(&module))
}
