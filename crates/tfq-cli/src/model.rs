//! What the commands share: models in, models out, pipelines and targets by name.

use super::diagnostics::{Failure, named};
use super::shown::{Shown, standard_error};
use super::tool;
use bytes::Bytes;
use clap::ValueEnum;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tfq_ir::Module;
use tfq_opt::pass::Pipeline;
use tfq_opt::target::Target;
use tfq_opt::{LoadOptions, Source};
use tfq_text::side::{EMPTY, is_side_file};
use tfq_tflite::{
    Access, Image, LiftOptions, Links, LowerOptions, Placement, Together, WriteError,
};

/// How a model is read.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ReadArgs {
    /// Go on with a model of a newer format, and lose what this version does not know
    #[arg(long)]
    pub(crate) drop_unknown: bool,

    /// Where the constants lie that a text only has the hash of [default: the text's name with
    /// .bin behind it, if there is such a file]
    #[arg(long, value_name = "FILE")]
    pub(crate) side_file: Option<PathBuf>,

    /// Make up constants that a text leaves out, of the same statistics
    #[arg(long)]
    pub(crate) fills: bool,
}

impl ReadArgs {
    /// As the library wants it, for the model of this name.
    pub(crate) fn options(&self, input: impl AsRef<Path>) -> Result<LoadOptions, Failure> {
        let side = match self.side_file_of(input.as_ref()) {
            Some(name) => Some(read(&name, Access::Parts)?),
            None => None,
        };
        let lift = LiftOptions { drop_unknown: self.drop_unknown };
        Ok(LoadOptions { lift, side, fills: self.fills })
    }

    /// The files that are read for the model of this name: its own, and the side file.
    pub(crate) fn files(&self, input: &Path) -> Vec<PathBuf> {
        [input.to_owned()].into_iter().chain(self.side_file_of(input)).collect()
    }

    /// The side file that is read for the model of this name, if there is one.
    pub(crate) fn side_file_of(&self, input: &Path) -> Option<PathBuf> {
        self.side_file.clone().or_else(|| side_file_beside(input))
    }
}

/// Where the constants of a text lie, beside it.
pub(crate) fn side_file(text: &Path) -> PathBuf {
    let mut name = text.as_os_str().to_owned();
    name.push(".bin");
    name.into()
}

/// The same, if there is such a file. Where another kind of file has the name, it has nothing to
/// do with the text; one that cannot be read is told of when it is.
pub(crate) fn side_file_beside(text: &Path) -> Option<PathBuf> {
    let name = side_file(text);
    let is_there =
        !is_standard(text) && name.is_file() && begins_as_side_file(&name).unwrap_or(true);
    is_there.then_some(name)
}

fn begins_as_side_file(name: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(name)?.take(16).read_to_end(&mut start)?;
    Ok(is_side_file(&start))
}

/// Whether the name stands for standard input or output.
pub(crate) fn is_standard(name: &Path) -> bool {
    name == Path::new("-")
}

/// Whether what is written there goes to standard output.
pub(crate) fn is_standard_output(name: &Path) -> bool {
    is_standard(name) || tfq_tflite::is_standard_output(name)
}

/// Where a report goes beside an output: standard error where that is on standard output.
pub(crate) fn beside(output: Option<&Path>) -> Box<dyn Write> {
    match output {
        Some(output) if is_standard_output(output) => Box::new(standard_error()),
        _ => Box::new(Shown(io::stdout().lock())),
    }
}

/// Whether what is written there is no file of this name: a pipe, a device, standard output.
pub(crate) fn is_stream(name: &Path) -> bool {
    is_standard(name) || tfq_tflite::is_stream(name)
}

/// The bytes of a file, or of standard input for `-`, which is a model, a text or a side file. Of a
/// stream that is none of them only the beginning is read.
pub(crate) fn read(input: impl AsRef<Path>, access: Access) -> Result<Bytes, Failure> {
    let input = input.as_ref();
    let is_wanted = |start: &[u8]| {
        tfq_tflite::is_model(start) || tfq_opt::is_text(start) || is_side_file(start)
    };
    let bytes = if is_standard(input) {
        tfq_tflite::read_all_of(io::stdin().lock(), is_wanted)
    } else if input.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        File::open(input).and_then(|file| tfq_tflite::read_all_of(file, is_wanted))
    } else {
        tfq_tflite::read(input, access)
    };
    bytes.map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => folder(input, &error),
        _ => Failure::file("cannot read", input, &error),
    })
}

/// More than people write by hand.
const MOST_SETTINGS: u64 = 16 << 20;

/// A text that people write: passes, a target.
pub(crate) fn read_settings(file: &Path) -> Result<String, Failure> {
    tfq_tflite::read_text(file, MOST_SETTINGS)
        .map_err(|error| Failure::file("cannot read", file, &error))
}

/// A folder in the place of a model, and the way on.
fn folder(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::file("cannot read", path, error);
    let has = |name: &str| path.join(name).exists();
    if has("saved_model.pb") || has("saved_model.pbtxt") {
        return failure.with_note(
            "it is a SavedModel: convert it with \
             tf.lite.TFLiteConverter.from_saved_model(FOLDER).convert()",
        );
    }
    if has("config.json") && (has("model.safetensors") || has("pytorch_model.bin")) {
        return failure.with_note(
            "it is a checkpoint of Hugging Face: convert its model with the package litert-torch",
        );
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let is_model = |name: &PathBuf| name.extension().is_some_and(|ending| ending == "tflite");
    let mut models: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_model).collect();
    models.sort();
    match models.as_slice() {
        [] => failure,
        [model] => failure.with_note(&format!("the model in it is {}", named(model))),
        [model, ..] => failure.with_note(&format!("models are in it, such as {}", named(model))),
    }
}

/// The model of a file, be it `.tflite` or text.
pub(crate) fn load(input: impl AsRef<Path>, reading: &ReadArgs) -> Result<Module, Failure> {
    let input = input.as_ref();
    let bytes = read(input, Access::Parts)?;
    tfq_opt::load(&bytes, &reading.options(input)?).map_err(|error| Failure::model(input, error))
}

/// As [`load`], with all of it in memory of its own: what others do to the files from now on, such
/// as the commands that the user has us run for hours, does no harm.
pub(crate) fn load_copy(input: impl AsRef<Path>, reading: &ReadArgs) -> Result<Module, Failure> {
    let input = input.as_ref();
    let own = |bytes: Bytes| Bytes::copy_from_slice(&bytes);
    let bytes = own(read(input, Access::Whole)?);
    let options = reading.options(input)?;
    let options = LoadOptions { side: options.side.map(own), ..options };
    tfq_opt::load(&bytes, &options).map_err(|error| Failure::model(input, error))
}

/// The files that a model keeps constants in, as it names them.
pub(crate) fn external_groups(module: &Module) -> Vec<Arc<str>> {
    module.external_buffer_groups().iter().flatten().cloned().collect()
}

/// A model for the optimiser, which keeps the bytes of a `.tflite` file.
pub(crate) struct Loaded {
    pub(crate) source: Source<'static>,
    /// What was read, be it text or not.
    pub(crate) file: Bytes,
}

/// As [`load`], for the optimiser.
pub(crate) fn source(
    input: impl AsRef<Path>,
    reading: &ReadArgs,
    access: Access,
) -> Result<Loaded, Failure> {
    let input = input.as_ref();
    let file = read(input, access)?;
    let source = Source::from_either(file.clone(), &reading.options(input)?);
    let source = source.map_err(|error| Failure::model(input, error))?;
    Ok(Loaded { source, file })
}

impl Loaded {
    /// The files that it keeps constants in, as it names them.
    pub(crate) fn external_groups(&self) -> Vec<Arc<str>> {
        match &self.source {
            Source::Bytes(bytes) => tfq_tflite::external_groups(bytes),
            Source::Model(model) => tfq_tflite::external_groups(model._tab.buf()),
            Source::Module(module) => external_groups(module),
        }
    }

    /// Its size as a `.tflite` file, for which a text is lowered.
    pub(crate) fn size(&self, input: impl AsRef<Path>) -> Result<u64, Failure> {
        match &self.source {
            Source::Bytes(bytes) => Ok(bytes.len() as u64),
            Source::Model(model) => Ok(model._tab.buf().len() as u64),
            Source::Module(module) => size(input, module),
        }
    }
}

/// The size of a model as a `.tflite` file, which the result is to be compared with where the
/// input is text.
pub(crate) fn size(input: impl AsRef<Path>, module: &Module) -> Result<u64, Failure> {
    let image = tfq_tflite::lower(module, &LowerOptions::default());
    Ok(image.map_err(|error| Failure::model(input, error.into()))?.len())
}

/// What a command writes, which is there whole or not at all.
pub(crate) struct Files(Together);

impl Files {
    pub(crate) fn new() -> Self {
        Self(Together::new(Links::Follow))
    }

    /// Adds a file, or what goes to standard output for `-`; `done` is told how many bytes are
    /// written.
    pub(crate) fn add(
        &mut self,
        output: &Path,
        image: &Image,
        done: impl FnMut(u64),
    ) -> Result<(), Failure> {
        if is_standard(output) {
            self.0.add_standard_output(output, image);
            return Ok(());
        }
        self.0.add(output, image, done).map_err(not_written)
    }

    /// Adds a side file, and returns its name. Where there are no bytes for it, it is written only
    /// over one of an earlier run, so that the bytes of that go; what is no side file has nothing
    /// to do with that and is left alone. Where nothing is written, nothing is returned.
    pub(crate) fn add_side_file(
        &mut self,
        name: PathBuf,
        image: &Image,
    ) -> Result<Option<PathBuf>, Failure> {
        let is_ours = || name.is_file() && begins_as_side_file(&name).unwrap_or(false);
        if image.len() <= EMPTY as u64 && !is_ours() {
            return Ok(None);
        }
        self.add(&name, image, |_| ())?;
        Ok(Some(name))
    }

    /// Adds something else than a model.
    pub(crate) fn add_bytes(
        &mut self,
        output: &Path,
        bytes: impl Into<Bytes>,
    ) -> Result<(), Failure> {
        self.add(output, &Image::of_file(bytes.into()), |_| ())
    }

    /// Writes to pipes, devices and standard output, which cannot be taken back.
    pub(crate) fn write_streams(&mut self, done: impl FnMut(u64)) -> Result<(), Failure> {
        self.0.write_streams(done).map_err(not_written)
    }

    /// Gives all of them their names.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        self.0.commit().map_err(not_written)
    }
}

fn not_written(WriteError { path, error }: WriteError) -> Failure {
    Failure::file("cannot write", path, &error)
}

/// Writes one file that is no model, or to standard output for `-`.
pub(crate) fn write_bytes(
    output: impl AsRef<Path>,
    bytes: impl Into<Bytes>,
) -> Result<(), Failure> {
    let mut files = Files::new();
    files.add_bytes(output.as_ref(), bytes)?;
    files.commit()
}

/// Reads a pipeline; `place` is the option or file that it is from.
pub(crate) fn pipeline(place: &str, text: &str) -> Result<Pipeline, Failure> {
    Pipeline::parse(tool::registry(), text).map_err(|error| Failure::pipeline(place, error))
}

/// An error where an option is about a pass that does not run.
pub(crate) fn check_runs<'a>(
    pipeline: &Pipeline,
    asked: impl IntoIterator<Item = (&'static str, &'a str)>,
) -> Result<(), Failure> {
    match asked.into_iter().find(|(_, pass)| !pipeline.runs(pass)) {
        None => Ok(()),
        Some((option, pass)) => {
            let message = format!("{option}: the pipeline does not run `{pass}`");
            Err(Failure::usage(&message, &format!("it runs {pipeline}")))
        }
    }
}

/// Where constants lie in a file that is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Constants {
    /// As in the input; outside where the file would pass 2 GiB
    Auto,
    /// Inside the flatbuffer
    Inline,
    /// Behind the flatbuffer
    Outside,
}

impl From<Constants> for Placement {
    fn from(constants: Constants) -> Self {
        match constants {
            Constants::Auto => Self::Auto,
            Constants::Inline => Self::Inline,
            Constants::Outside => Self::Outside,
        }
    }
}

/// What the user weighs against the size of the file.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PreferArg {
    /// A small file
    Size,
    /// Little memory that the runtime holds
    Ram,
    /// Quick answers
    Latency,
    /// Quick answers as far as the file is at most 1.5 % or 2 kB larger for them
    Balanced,
}

impl PreferArg {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Ram => "ram",
            Self::Latency => "latency",
            Self::Balanced => "balanced",
        }
    }
}

/// How the default pipeline is to store weights.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Ways {
    /// What to weigh against size, in the default pipeline [default: what suits the target]
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["passes", "pipeline"])]
    pub(crate) prefer: Option<PreferArg>,

    /// Store weights as float16 and not as int8, in the default pipeline
    #[arg(long, conflicts_with_all = ["passes", "pipeline"])]
    pub(crate) float16: bool,

    /// Let no op read int8 weights itself: each gets a Dequantize, in the default pipeline
    #[arg(long, conflicts_with_all = ["passes", "pipeline", "float16"])]
    pub(crate) weight_only: bool,

    /// Leave tensors of this name as they are, and weights of ops of this kind or with a result of
    /// this name, in the default pipeline; * stands for any text
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["passes", "pipeline"])]
    pub(crate) keep: Vec<String>,
}

impl Ways {
    /// Whether the user says anything about it.
    pub(crate) fn is_told(&self) -> bool {
        !self.options().is_empty()
    }

    /// As options of `quantize-weights`.
    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        options.extend(self.prefer.map(|prefer| format!("prefer={}", prefer.name())));
        options.extend(self.float16.then(|| "type=float16".to_owned()));
        options.extend(self.weight_only.then(|| "hybrid=off".to_owned()));
        if !self.keep.is_empty() {
            options.push(format!("keep={}", quoted(&self.keep.join(","))));
        }
        options
    }
}

/// Text as a pipeline has it as the value of an option.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The default pipeline, told how to store weights if the user says so.
pub(crate) fn default_pipeline(ways: &Ways) -> String {
    let options = ways.options();
    if options.is_empty() {
        return "default".to_owned();
    }
    let default = tool::registry().pipeline("default");
    let steps = default.into_iter().flat_map(|default| &default.steps);
    let prefer = ways.prefer.map(|prefer| format!(" prefer={}}}", prefer.name()));
    let steps = steps.map(|(pass, _)| match &**pass {
        "quantize-weights" => format!("{pass}{{{}}}", options.join(" ")),
        "dequantize-weights{only=unreadable}" if prefer.is_some() => {
            pass.replace('}', prefer.as_deref().unwrap_or_default())
        }
        _ => pass.to_string(),
    });
    steps.collect::<Vec<_>>().join(",")
}

/// Whether the name of a target is that of a file which describes it.
pub(crate) fn is_target_file(name: impl AsRef<OsStr>) -> bool {
    let name = name.as_ref().as_encoded_bytes();
    name.ends_with(b".toml") || name.iter().any(|byte| b"/\\".contains(byte))
}

/// The file that describes the target of this name, if one does.
pub(crate) fn file_of_target(name: &OsStr) -> Option<PathBuf> {
    is_target_file(name).then(|| PathBuf::from(name))
}

/// The target of this name, or in this file: what ends with `.toml` or holds a slash.
pub(crate) fn target(name: impl AsRef<OsStr>) -> Result<Arc<Target>, Failure> {
    if is_target_file(&name) {
        return target_of_file(Path::new(name.as_ref()));
    }
    let name = &*named(name.as_ref());
    Target::named(name).ok_or_else(|| {
        let help = match Target::meant(name) {
            Some(meant) => format!("{} `tfq-opt targets` lists them", meant.help()),
            None => {
                let names: Vec<&str> = Target::names().collect();
                format!("targets are {}; a file is told by `.toml` or a slash", names.join(", "))
            }
        };
        Failure::usage(&format!("there is no target `{name}`"), &help)
    })
}

fn target_of_file(path: &Path) -> Result<Arc<Target>, Failure> {
    let text = read_settings(path)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match Target::parse(&stem, &text) {
        Ok(target) => Ok(Arc::new(target)),
        Err(error) => Err(Failure::target(&named(path), text, &error)),
    }
}
