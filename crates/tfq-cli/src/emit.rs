//! In which form a model is written: the file itself, text, or a form for other tools.

use super::diagnostics::Failure;
use super::model::{self, Files};
use super::outputs::{self, Inputs, Outputs, Overwrite};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use tfq_ir::Module;
use tfq_text::{self as text, Level};
use tfq_tflite::{Image, LowerOptions};

/// The form of an output.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Emit {
    /// The form of the result [default: that of FILE's ending, .tfg, .dot or .json, else tflite]
    #[arg(long = "emit", value_enum, value_name = "FORM")]
    form: Option<Form>,

    /// How much a text shows [default: full in a file, where the constants go beside it, and
    /// quant on standard output]
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<Detail>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A model that runs
    Tflite,
    /// The text form, which all commands read; see docs/text-format.md
    Text,
    /// A graph for Graphviz
    Dot,
    /// The graph for scripts, without the contents of constants
    Json,
}

/// Levels of texts as values of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Detail {
    /// Ops and how they hang together
    Topology,
    /// And attributes, types, shapes, small constants
    Types,
    /// And quantisation and operator versions
    Quant,
    /// And statistics of constants
    Stats,
    /// And a hash of everything that is not written out
    Hash,
    /// And everything else that the file holds
    Full,
}

impl From<Detail> for Level {
    fn from(detail: Detail) -> Self {
        match detail {
            Detail::Topology => Self::Topology,
            Detail::Types => Self::Types,
            Detail::Quant => Self::Quant,
            Detail::Stats => Self::Stats,
            Detail::Hash => Self::Hash,
            Detail::Full => Self::Full,
        }
    }
}

impl Form {
    /// Whether it is a model that can be read again.
    pub(crate) fn is_model(self) -> bool {
        matches!(self, Self::Tflite | Self::Text)
    }

    /// Where the result goes: what is not a model for the runtime is for people, who look at
    /// standard output.
    pub(crate) fn output(self, output: Option<&Path>) -> Option<&Path> {
        output.or((self != Self::Tflite).then_some(Path::new("-")))
    }
}

impl Emit {
    /// The form that the arguments ask for, where `output` is the file that is written.
    pub(crate) fn form(&self, output: Option<&Path>) -> Result<Form, Failure> {
        let ending = output.and_then(|name| name.extension()?.to_str());
        let form = self.form.unwrap_or(match ending {
            Some("tfg") => Form::Text,
            Some("dot" | "gv") => Form::Dot,
            Some("json") => Form::Json,
            _ => Form::Tflite,
        });
        if self.level.is_some() && form != Form::Text {
            let help = "add --emit=text, or leave out --level";
            return Err(Failure::usage("--level is for texts only", help));
        }
        Ok(form)
    }

    /// Adds a model in this form, of which `image` gives the file; and the constants of a full text
    /// beside it, of which it returns the name. `done` is told how many bytes of the file are
    /// written.
    pub(crate) fn add(
        &self,
        form: Form,
        image: impl FnOnce() -> Result<Image, Failure>,
        module: &Module,
        output: &Path,
        files: &mut Files,
        done: impl FnMut(u64),
    ) -> Result<Option<PathBuf>, Failure> {
        let mut side_file = None;
        let content = match form {
            Form::Tflite => return files.add(output, &image()?, done).map(|()| None),
            Form::Dot => tfq_opt::describe::dot(module),
            Form::Json => super::json::json_text(&tfq_opt::describe::graph_json(module)),
            Form::Text => match self.side_file(form, output) {
                None => text::print(module, self.text_level(output)),
                Some(name) => {
                    let (content, side) = text::print_with_side(module);
                    // First, since it is the text that says which bytes belong to it.
                    side_file = files.add_side_file(name, &Image::of_file(side.into()))?;
                    content
                }
            },
        };
        files.add_bytes(output, content)?;
        Ok(side_file)
    }

    fn text_level(&self, output: &Path) -> Level {
        let usual = if model::is_stream(output) { Level::Quant } else { Level::Full };
        self.level.map_or(usual, Level::from)
    }

    /// Where the constants go that a text in `output` only has the hash of.
    pub(crate) fn side_file(&self, form: Form, output: &Path) -> Option<PathBuf> {
        let is_full = form == Form::Text && self.text_level(output) == Level::Full;
        (is_full && !model::is_stream(output)).then(|| model::side_file(output))
    }
}

/// Writes a model in the form that the file's ending says.
pub(crate) fn write_module(output: &Path, module: &Module) -> Result<(), Failure> {
    let emit = Emit::default();
    let form = emit.form(Some(output))?;
    let image = || {
        tfq_tflite::lower(module, &LowerOptions::default())
            .map_err(|error| Failure::model(output, error.into()))
    };
    let mut files = Files::new();
    emit.add(form, image, module, output, &mut files, |_| ())?;
    files.commit()
}

/// An error where [`write_module`] could not write this file, or would write over one that is read.
pub(crate) fn check_output(
    output: Option<&Path>,
    inputs: &Inputs,
    overwrite: Overwrite,
) -> Result<(), Failure> {
    let emit = Emit::default();
    let form = emit.form(output)?;
    let side = output.and_then(|output| emit.side_file(form, output));
    let outputs = Outputs { result: output, side: side.as_deref(), others: Vec::new() };
    outputs::check(&outputs, inputs, Some(overwrite))
}
