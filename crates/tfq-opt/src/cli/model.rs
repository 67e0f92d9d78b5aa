//! What the commands share: models in, models out, pipelines and targets by name.

use super::diagnostics::Failure;
use super::emit::{Emit, Form};
use bytes::Bytes;
use std::io::{self, Read, Write};
use std::path::Path;
use tfq_opt::format::{Access, Image, LiftOptions, LowerOptions};
use tfq_opt::ir::Module;
use tfq_opt::pass::Pipeline;
use tfq_opt::target::Target;
use tfq_opt::{LoadOptions, Source, builtin};

/// How a model is read.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Reading {
    /// Go on with a model of a newer format, and lose what this version does not know
    #[arg(long)]
    pub(crate) drop_unknown: bool,

    /// Where the constants lie that a text only has the hash of [default: the text's name with
    /// .bin behind it, if there is such a file]
    #[arg(long, value_name = "FILE")]
    pub(crate) side_file: Option<String>,

    /// Make up constants that a text leaves out, of the same statistics
    #[arg(long)]
    pub(crate) fills: bool,
}

impl Reading {
    /// As the library wants it, for the model of this name.
    pub(crate) fn options(&self, input: &str) -> Result<LoadOptions, Failure> {
        let beside = || {
            let name = side_file(input);
            (input != "-" && Path::new(&name).is_file()).then_some(name)
        };
        let side = match self.side_file.clone().or_else(beside) {
            Some(name) => Some(read(&name, Access::Parts)?),
            None => None,
        };
        let lift = LiftOptions { drop_unknown: self.drop_unknown };
        Ok(LoadOptions { lift, side, fills: self.fills })
    }
}

/// Where the constants of a text lie, beside it.
pub(crate) fn side_file(text: &str) -> String {
    format!("{text}.bin")
}

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read(input: &str, access: Access) -> Result<Bytes, Failure> {
    let bytes = if input == "-" {
        tfq_opt::format::read_all(io::stdin().lock())
    } else {
        tfq_opt::format::read(Path::new(input), access)
    };
    bytes.map_err(|error| Failure::file("cannot read", input, &error))
}

/// As [`read`], for a model: of a stream that is none only the beginning is read.
fn read_model(input: &str, access: Access) -> Result<Bytes, Failure> {
    if input != "-" {
        return read(input, access);
    }
    /// From so much on it can be told.
    const BEGINNING: u64 = 1 << 20;
    let mut stream = io::stdin().lock();
    let mut whole = || {
        let mut bytes = Vec::new();
        stream.by_ref().take(BEGINNING).read_to_end(&mut bytes)?;
        if bytes.get(4..8) == Some(b"TFL3") || tfq_opt::is_text(&bytes) {
            stream.read_to_end(&mut bytes)?;
        }
        Ok(bytes.into())
    };
    whole().map_err(|error: io::Error| Failure::file("cannot read", input, &error))
}

/// The model of a file, be it `.tflite` or text.
pub(crate) fn load(input: &str, reading: &Reading) -> Result<Module, Failure> {
    let bytes = read_model(input, Access::Parts)?;
    tfq_opt::load(&bytes, &reading.options(input)?).map_err(|error| Failure::model(input, error))
}

/// As [`load`], for the optimiser, which keeps the bytes of a `.tflite` file; with the size of
/// that file.
pub(crate) fn source(
    input: &str,
    reading: &Reading,
    access: Access,
) -> Result<(Source<'static>, u64), Failure> {
    let bytes = read_model(input, access)?;
    let source = Source::from_either(bytes, &reading.options(input)?);
    let source = source.map_err(|error| Failure::model(input, error))?;
    let size = match &source {
        Source::Bytes(bytes) => bytes.len() as u64,
        Source::Model(model) => model._tab.buf().len() as u64,
        Source::Module(module) => size(input, module)?,
    };
    Ok((source, size))
}

/// The size of a model as a `.tflite` file, which the result is to be compared with where the
/// input is text.
pub(crate) fn size(input: &str, module: &Module) -> Result<u64, Failure> {
    let image = tfq_opt::format::lower(module, &LowerOptions::default());
    Ok(image.map_err(|error| Failure::model(input, error.into()))?.len())
}

/// Writes a model to a file, or to standard output for `-`; `done` is told how many bytes are.
pub(crate) fn write(output: &str, image: &Image, done: impl FnMut(u64)) -> Result<(), Failure> {
    let written = if output == "-" {
        let mut out = io::stdout().lock();
        image.write_to(&mut out, done).and_then(|()| out.flush())
    } else {
        tfq_opt::format::write_atomically(Path::new(output), image, done)
    };
    written.map_err(|error| Failure::file("cannot write", output, &error))
}

/// Writes a model in the form that the file's ending says.
pub(crate) fn write_module(output: &str, module: &Module) -> Result<(), Failure> {
    let emit = Emit::default();
    match emit.form(Some(output))? {
        Form::Tflite => {
            let image = tfq_opt::format::lower(module, &LowerOptions::default())
                .map_err(|error| Failure::model(output, error.into()))?;
            write(output, &image, |_| ())
        }
        form => emit.write(form, module, output),
    }
}

/// Writes something else than a model, in the same way.
pub(crate) fn write_bytes(output: &str, bytes: impl Into<Bytes>) -> Result<(), Failure> {
    let bytes = bytes.into();
    if output != "-" {
        return write(output, &Image::of_file(bytes), |_| ());
    }
    match io::stdout().lock().write_all(&bytes) {
        // Whoever reads has seen enough: `tfq-opt print model.tflite | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::file("cannot write", output, &error)),
    }
}

/// Reads a pipeline; `place` is the option or file that it is from.
pub(crate) fn pipeline(place: &str, text: &str) -> Result<Pipeline, Failure> {
    Pipeline::parse(&builtin(), text).map_err(|error| Failure::pipeline(place, error))
}

/// Whether the name of a target is that of a file which describes it.
pub(crate) fn is_target_file(name: &str) -> bool {
    name.ends_with(".toml") || name.contains(['/', '\\'])
}

/// The target of this name, or in this file: what ends with `.toml` or holds a slash.
pub(crate) fn target(name: &str) -> Result<&'static Target, Failure> {
    if is_target_file(name) {
        return target_of_file(name);
    }
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

fn target_of_file(path: &str) -> Result<&'static Target, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::file("cannot read", path, &error))?;
    let stem = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
    match Target::parse(&stem, &text) {
        Ok(target) => Ok(target.into_static()),
        Err(error) => Err(Failure::target(path, text, &error)),
    }
}

pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    known.iter().filter(|k| distance(k) <= 1 + name.len() / 4).min_by_key(distance).copied()
}
