//! `tfq-opt replay`, and the edits that `--edits` writes for it.

use super::diagnostics::{Failure, named};
use super::emit::{Emit, Form};
use super::model::{self, Constants, ReadArgs};
use super::outputs::{self, Overwrite};
use super::tool;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tfq_edits::{Blobs, Edits, EditsError, model_hash};
use tfq_ir::{counted, grouped};
use tfq_opt::pass::Pipeline;
use tfq_opt::{Error, Optimized, Optimizer};
use tfq_tflite::{Access, Image};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model that the edits belong to
    model: PathBuf,

    /// The edits, as JSON: see docs/edits.md; - reads standard input. Bytes that they name by hash
    /// are in the file of the same name with .bin behind it
    edits: PathBuf,

    /// Where the result goes; - writes to standard output. Without it nothing is written
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The runtime that the result is for, which must run it
    #[arg(long, default_value = "litert", value_name = "TARGET")]
    target: OsString,

    #[command(flatten)]
    overwrite: Overwrite,

    /// Where constants lie in the result
    #[arg(long, value_enum, default_value_t = Constants::Auto, value_name = "WHERE")]
    constants: Constants,

    #[command(flatten)]
    emit: Emit,

    #[command(flatten)]
    reading: ReadArgs,

    /// Go on with a model that the target's runtime refuses to load
    #[arg(long)]
    allow_unloadable: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let form = args.emit.form(args.output.as_deref())?;
    let output = form.output(args.output.as_deref());
    let side = output.and_then(|output| args.emit.side_file(form, output));
    let edits_side = model::side_file_beside(&args.edits);
    let inputs = [args.reading.files(&args.model), vec![args.edits.clone()]].concat();
    let inputs: Vec<PathBuf> = inputs.into_iter().chain(edits_side.clone()).collect();
    let outputs: Vec<&Path> = output.into_iter().chain(side.as_deref()).collect();
    outputs::check(&outputs, &inputs, Some(args.overwrite))?;
    if model::is_standard(&args.model) && model::is_standard(&args.edits) {
        let help = "give one of them as a file";
        return Err(Failure::usage("the model and the edits are both standard input", help));
    }

    let mut optimizer = Optimizer::in_registry(tool::registry(), Pipeline::new())
        .for_target(model::target(&args.target)?);
    optimizer.lift.drop_unknown = args.reading.drop_unknown;
    optimizer.allow_unloadable = args.allow_unloadable;
    optimizer.lower.placement = args.constants.into();
    let model = model::source(&args.model, &args.reading, Access::Whole)?;
    let size = model.size(&args.model)?;
    let of_edits = |error: EditsError| Failure::model(&args.edits, error.into());
    let edits = read_edits(&args.edits)?;
    if edits.model().is_some() {
        edits.check_model(&model_hash(&model.file)).map_err(of_edits)?;
    }
    let blobs = match edits_side {
        Some(name) => {
            Blobs::from_side_file(&model::read(&name, Access::Parts)?).map_err(|what| {
                Failure::Model { message: format!("{}: {what}", named(&name)), help: None }
            })?
        }
        None => Blobs::new(),
    };
    let result = optimizer.replay(model.source, &edits, &blobs).map_err(|error| match error {
        Error::Edits(error) => of_edits(error),
        error @ Error::Replayed { .. } => Failure::model(&args.edits, error),
        error => Failure::model(&args.model, error),
    })?;
    let image = result.image().map_err(|error| Failure::model(&args.model, error))?;
    match (output, form) {
        (None, _) => (),
        (Some(output), Form::Tflite) => model::write(output, &image, |_| ())?,
        (Some(output), form) => args.emit.write(form, &result.module, output)?,
    }
    report(args, output, edits.len(), size, image.len()).map_err(super::diagnostics::output_failure)
}

fn report(
    args: &Args,
    output: Option<&Path>,
    edits: usize,
    before: u64,
    after: u64,
) -> io::Result<()> {
    let mut out = model::beside(output);
    let edits = counted(edits, "edit");
    let (before, after) = (grouped(before), grouped(after));
    writeln!(out, "{}: {before} to {after} bytes, {edits}", named(&args.model))?;
    match output {
        Some(output) if model::is_standard_output(output) => Ok(()),
        Some(output) => writeln!(out, "  written to {}", named(output)),
        None => writeln!(out, "  nothing written: give -o FILE"),
    }
}

fn read_edits(file: &Path) -> Result<Edits, Failure> {
    let bytes = model::read(file, Access::Whole)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| Failure::Model {
        message: format!("{}: byte {} is no UTF-8", named(file), error.valid_up_to()),
        help: Some("edits are JSON; see docs/edits.md".to_owned()),
    })?;
    Edits::parse(text).map_err(|error| Failure::model(file, error.into()))
}

/// Where the edits of a run were written, and the bytes that they name by hash, if there are such.
pub(crate) struct Written {
    pub(crate) edits: PathBuf,
    pub(crate) side_file: Option<PathBuf>,
}

/// Writes the edits of a run, and beside them the bytes that they name by hash.
pub(super) fn write_edits(
    file: &Path,
    optimized: &Optimized,
    model: String,
) -> Result<Written, Failure> {
    let mut blobs = Blobs::new();
    let Some(edits) = optimized.edits(&mut blobs) else {
        return Err(Failure::Model {
            message: format!("cannot write {}: the edits of this run were not kept", named(file)),
            help: Some("this is a mistake in the tool; nothing was written".to_owned()),
        });
    };
    let text = edits.for_model(model).to_json();
    let has_blobs = blobs.added().len() > 0;
    let side_file = has_blobs.then(|| model::side_file(file));
    if model::is_stream(file) {
        if has_blobs {
            let help = "their constants go to a file beside them: give --edits the name of one";
            return Err(Failure::usage("the edits cannot go to a stream", help));
        }
        model::write_bytes(file, text)?;
    } else {
        let (start, pieces) = blobs.to_side_file_pieces();
        let bytes = Image::of_pieces(start, pieces);
        let text = Image::of_file(text.into());
        model::write_with_side(file, &text, side_file.as_deref().map(|side| (side, &bytes)))?;
    }
    Ok(Written { edits: file.to_owned(), side_file })
}
