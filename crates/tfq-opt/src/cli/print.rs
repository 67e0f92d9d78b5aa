//! `tfq-opt print`.

use super::diagnostics::Failure;
use super::emit::Detail;
use super::model::{self, Reading};
use tfq_opt::ir::text;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, as .tflite or as text; - reads standard input
    model: String,

    /// How much the text shows
    #[arg(long, value_enum, default_value_t = Detail::Hash, value_name = "LEVEL")]
    level: Detail,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let module = model::load(&args.model, &args.reading)?;
    model::write_bytes("-", text::print(&module, args.level.into()))
}
