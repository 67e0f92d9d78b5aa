//! `tfq-opt print`.

use super::diagnostics::Failure;
use super::emit::Detail;
use super::model::{self, ReadArgs};
use std::path::PathBuf;
use tfq_text as text;
use tfq_tflite::{Access, is_lfs_pointer};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, as .tflite or as text; - reads standard input
    model: PathBuf,

    /// How much the text shows
    #[arg(long, value_enum, default_value_t = Detail::Hash, value_name = "LEVEL")]
    level: Detail,

    /// For git: where the file is no model that can be read, say so in one line and end with
    /// status 0
    #[arg(long)]
    textconv: bool,

    #[command(flatten)]
    reading: ReadArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.textconv {
        // What the file system refuses is an error all the same.
        let bytes = model::read(&args.model, Access::Whole)?;
        let options = args.reading.options(&args.model)?;
        let text = match tfq_opt::load(&bytes, &options) {
            Ok(module) => text::print(&module, args.level.into()),
            Err(error) => unreadable(&bytes, &error),
        };
        return model::write_bytes("-", text);
    }
    let module = model::load(&args.model, &args.reading)?;
    model::write_bytes("-", text::print(&module, args.level.into()))
}

/// Why a file cannot be read, and what tells it from others of its kind.
fn unreadable(bytes: &[u8], error: &tfq_opt::Error) -> String {
    let reason = match is_lfs_pointer(bytes) {
        true => "a pointer of Git LFS, whose model was not fetched".to_owned(),
        false => error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    let hash = &blake3::hash(bytes).to_hex()[..8];
    format!("unreadable: {reason} (bytes({}) #{hash})\n", bytes.len())
}
