//! What the commands share: models in, models out, pipelines and targets by name.

use super::diagnostics::Failure;
use bytes::Bytes;
use std::io::{self, Write};
use std::path::Path;
use tfq_opt::format::{Access, Image, LiftOptions, LowerOptions};
use tfq_opt::ir::{Module, text};
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
            let name = format!("{input}.bin");
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

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read(input: &str, access: Access) -> Result<Bytes, Failure> {
    let bytes = if input == "-" {
        tfq_opt::format::read_all(io::stdin().lock())
    } else {
        tfq_opt::format::read(Path::new(input), access)
    };
    bytes.map_err(|error| Failure::file("cannot read", input, &error))
}

/// The model of a file, be it `.tflite` or text.
pub(crate) fn load(input: &str, reading: &Reading) -> Result<Module, Failure> {
    let bytes = read(input, Access::Parts)?;
    tfq_opt::load(&bytes, &reading.options(input)?).map_err(|error| Failure::model(input, error))
}

/// As [`load`], for the optimiser, which keeps the bytes of a `.tflite` file; with their number.
pub(crate) fn source(
    input: &str,
    reading: &Reading,
    access: Access,
) -> Result<(Source<'static>, u64), Failure> {
    let bytes = read(input, access)?;
    let size = bytes.len() as u64;
    let source = Source::from_either(bytes, &reading.options(input)?);
    Ok((source.map_err(|error| Failure::model(input, error))?, size))
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
    if Path::new(output).extension().is_some_and(|ending| ending == "tfg") {
        let (content, side) = text::print_with_side(module);
        // The text comes last, since it is what says which constants belong to it.
        let side = Image::of_file(side.into());
        write(&format!("{output}.bin"), &side, |_| ())?;
        return write_text(output, &content);
    }
    let image = tfq_opt::format::lower(module, &LowerOptions::default())
        .map_err(|error| Failure::model(output, error.into()))?;
    write(output, &image, |_| ())
}

/// Writes text to a file, or to standard output for `-`.
pub(crate) fn write_text(output: &str, text: &str) -> Result<(), Failure> {
    write(output, &Image::of_file(Bytes::copy_from_slice(text.as_bytes())), |_| ())
}

/// Reads a pipeline; `place` is the option or file that it is from.
pub(crate) fn pipeline(place: &str, text: &str) -> Result<Pipeline, Failure> {
    Pipeline::parse(&builtin(), text).map_err(|error| Failure::pipeline(place, error))
}

/// The target of this name.
pub(crate) fn target(name: &str) -> Result<&'static Target, Failure> {
    Target::named(name).ok_or_else(|| {
        let names: Vec<&str> = Target::names().collect();
        let help = format!("targets are {}", names.join(", "));
        Failure::usage(&format!("there is no target `{name}`"), &help)
    })
}
