//! `tfq-opt replay`, and the edits that `--edits` writes for it.

use super::diagnostics::{Failure, named};
use super::emit::Emit;
use super::model::{self, Constants, Files, ReadArgs};
use super::outputs::{self, Inputs, Outputs, Overwrite};
use super::summary::{Replayed, Run, Summary, Written};
use super::tool;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tfq_edits::{Blobs, Edits, EditsError, Limits, file_hash};
use tfq_ir::{Module, Record};
use tfq_opt::pass::{Pipeline, Timeline};
use tfq_opt::{Error, Optimized, Optimizer};
use tfq_tflite::{Access, Image};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model that the edits belong to
    model: PathBuf,

    /// The edits, as JSON: see docs/edits.md; - reads standard input. Bytes that they name by hash
    /// are in the file of the same name with .bin behind it, which is renamed with it
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

    /// Print the summary as JSON to standard output
    #[arg(long)]
    json: bool,

    /// Print errors only
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let form = args.emit.form(args.output.as_deref())?;
    let output = form.output(args.output.as_deref());
    let side = output.and_then(|output| args.emit.side_file(form, output));
    let edits_side = model::side_file_beside(&args.edits);
    let others =
        [Some(args.edits.clone()), edits_side.clone(), model::file_of_target(&args.target)];
    let mut inputs = Inputs {
        model: args.reading.files(&args.model),
        others: others.into_iter().flatten().collect(),
        ..Inputs::default()
    };
    let outputs = Outputs { result: output, side: side.as_deref(), others: Vec::new() };
    if args.json {
        outputs::check_json(output)?;
    }
    outputs::check(&outputs, &inputs, Some(args.overwrite))?;
    if is_stdin(&args.model) && is_stdin(&args.edits) {
        let help = "give one of them as a file";
        return Err(Failure::usage("the model and the edits are both standard input", help));
    }

    let mut optimizer = Optimizer::in_registry(tool::registry(), Pipeline::new())
        .for_target(model::target(&args.target)?);
    optimizer.lift.drop_unknown = args.reading.drop_unknown;
    optimizer.allow_unloadable = args.allow_unloadable;
    optimizer.lower.placement = args.constants.into();
    let model = model::source(&args.model, &args.reading, Access::Whole)
        .map_err(|failure| maybe_swapped(args, failure))?;
    let swapped = |failure| maybe_swapped(args, failure);
    if inputs.add_constants(&args.model, &model.external_groups()) {
        outputs::check(&outputs, &inputs, Some(args.overwrite))?;
    }
    let bytes_in = model.size(&args.model)?;
    let blobs = match &edits_side {
        Some(name) => {
            Blobs::from_side_file(&model::read(name, Access::Parts)?).map_err(|what| {
                let (message, help) = (format!("{}: {what}", named(name)), copy_side(&args.edits));
                Failure::Model { message, help: Some(help) }
            })?
        }
        None => Blobs::new(),
    };
    let file = &model.file;
    let mut count = 0;
    let read_edits = |start: &Module| -> Result<Edits, Refused> {
        let edits = read_edits(&args.edits, Limits::of(start)).map_err(swapped)?;
        if edits.model().is_some() {
            edits.check_model(&file_hash(file)).map_err(Error::Edits)?;
        }
        count = edits.len();
        Ok(edits)
    };
    let result = optimizer.replay_for(model.source, read_edits, &blobs);
    let result = result.map_err(|refused| match refused {
        Refused::Failed(failure) => failure,
        Refused::Of(Error::Edits(error)) => of_edits(args, edits_side.is_some(), error),
        Refused::Of(error @ Error::Replayed { .. }) => Failure::model(&args.edits, error),
        Refused::Of(error) => swapped(Failure::model(&args.model, error)),
    })?;
    let image = result.image().map_err(|error| Failure::model(&args.model, error))?;
    let mut side_file = None;
    if let Some(output) = output {
        let mut files = Files::new();
        let file = || Ok(image.clone());
        side_file = args.emit.add(form, file, &result.module, output, &mut files, |_| ())?;
        files.commit()?;
    }
    let model_file = output.filter(|_| form.is_model());
    let summary = Summary {
        run: Run { target: named(&args.target), ..Run::default() },
        replayed: Some(Replayed {
            file: named(&args.edits),
            edits: count,
            erased_entries: erased_entries(&result.module),
        }),
        input: named(&args.model),
        timeline: &Timeline::default(),
        optimized: &result,
        bytes_in,
        bytes_out: image.len(),
        verified: None,
        output,
        side_file,
        goes_along: outputs::goes_along(&args.model, model_file, &result.module),
        edits: None,
    };
    let told = summary.tell(args.json, args.quiet);
    told.map_err(super::diagnostics::output_failure)
}

/// Why edits were not replayed.
enum Refused {
    Failed(Failure),
    Of(Error),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Of(error)
    }
}

/// How many entries of records are of what was erased.
fn erased_entries(module: &Module) -> usize {
    let erased = |record: &Record| record.entries.len() - module.recorded(record).count();
    module.records().map(|(_, record)| erased(record)).sum()
}

/// What to do about a side file that is not the one of these edits, or not whole.
fn copy_side(edits: &Path) -> String {
    format!(
        "copy the file here that the run wrote beside {}: both are of one run, and have one name \
         but for .bin",
        named(edits)
    )
}

/// What is wrong with the edits. Where bytes are missing, it is their side file that is.
fn of_edits(args: &Args, has_side: bool, mut error: EditsError) -> Failure {
    if error.is_missing_bytes() && !has_side {
        error.help = Some(match model::is_standard(&args.edits) {
            true => {
                "the edits are on standard input, which has no side file: give them as a file, \
                     with these bytes in the one that has .bin behind its name, or send few bytes \
                     in base64"
                    .to_owned()
            }
            false => {
                let side_file = model::side_file(&args.edits);
                let is = if side_file.exists() { "no side file" } else { "not there" };
                format!(
                    "they are in a file that is {is}: {} is written beside the edits, and goes \
                     where they go",
                    named(side_file)
                )
            }
        });
    }
    if error.is_wrong_bytes() {
        error.help = Some(copy_side(&args.edits));
    }
    Failure::model(&args.edits, error.into())
}

fn read_edits(file: &Path, limits: Limits) -> Result<Edits, Failure> {
    let text = match model::is_standard(file) {
        true => tfq_tflite::read_text_of(io::stdin().lock(), limits.bytes()),
        false => tfq_tflite::read_text(file, limits.bytes()),
    };
    let text = text.map_err(|error| {
        let failure = Failure::file("cannot read", file, &error);
        match error.kind() {
            ErrorKind::InvalidData => failure.with_note("edits are JSON; see docs/edits.md"),
            ErrorKind::FileTooLarge => {
                failure.with_note("edits are JSON, and what is large goes to the file beside them")
            }
            _ => failure,
        }
    })?;
    // Editors of Windows put a mark before a text.
    let json = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Edits::parse_within(json, limits).map_err(|error| Failure::model(file, error.into()))
}

/// Whether a name leads to standard input.
fn is_stdin(file: &Path) -> bool {
    model::is_standard(file) || tfq_tflite::is_same_file(file, Path::new("/dev/stdin"))
}

/// Adds the order of the arguments where the model looks like edits.
fn maybe_swapped(args: &Args, failure: Failure) -> Failure {
    let start = std::fs::File::open(&args.edits).ok().and_then(|file| {
        let mut start = [0; 8];
        std::io::Read::read_exact(&mut &file, &mut start).ok()?;
        Some(start)
    });
    let is_model = |start: [u8; 8]| tfq_tflite::is_model(&start) || tfq_opt::is_text(&start);
    match args.edits.is_file() && start.is_some_and(is_model) {
        true => failure.with_note("the order is MODEL EDITS, and the second is a model"),
        false => failure,
    }
}

/// Where the bytes go that edits in this file name by hash.
pub(super) fn side_file(edits: &Path) -> Option<PathBuf> {
    (!model::is_stream(edits)).then(|| model::side_file(edits))
}

/// Adds the edits of a run, and beside them the bytes that they name by hash.
pub(super) fn add_edits(
    file: &Path,
    optimized: &Optimized,
    model: String,
    files: &mut Files,
) -> Result<Written, Failure> {
    let mut blobs = Blobs::new();
    let Some(edits) = optimized.edits(&mut blobs) else {
        return Err(Failure::Model {
            message: format!("cannot write {}: the edits of this run were not kept", named(file)),
            help: Some("this is a mistake in the tool; nothing was written".to_owned()),
        });
    };
    let side_file = match side_file(file) {
        Some(side_file) => {
            let (start, pieces) = blobs.to_side_file_pieces();
            files.add_side_file(side_file, &Image::of_pieces(start, pieces))?
        }
        None if blobs.added().len() > 0 => {
            let help = "their constants go to a file beside them: give --edits the name of one";
            return Err(Failure::usage("the edits cannot go to a stream", help));
        }
        None => None,
    };
    let limits = edits.limits();
    let json = edits.for_model(model).to_json();
    limits.check(&json).map_err(|error| Failure::Model {
        message: format!("cannot write {}: nobody would read it: {error}", named(file)),
        help: Some("leave out --edits, or run fewer passes at a time".to_owned()),
    })?;
    files.add_bytes(file, json)?;
    Ok(Written { edits: file.to_owned(), side_file })
}
