//! Files that a command will write, looked at before it works for long.

use super::diagnostics::{Failure, named};
use super::model::{external_groups, is_standard, is_standard_output, is_stream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tfq_ir::Module;
use tfq_tflite::{check_can_write, folder_of, is_same_file};

/// Whether an input may be lost.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Overwrite {
    /// Write the result over the model where both are one file
    #[arg(long)]
    force: bool,
}

/// What a command writes.
#[derive(Debug, Default)]
pub(crate) struct Outputs<'a> {
    /// The new form of the model that is read, which may take its place with `--force`.
    pub(crate) result: Option<&'a Path>,
    /// The constants of that, where they go to a file of their own. They may take the place of
    /// those of the model that is read where the result takes its place.
    pub(crate) side: Option<&'a Path>,
    /// Whatever else is written, which takes the place of nothing that is read.
    pub(crate) others: Vec<&'a Path>,
}

/// What a command reads.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// The model, and its side file if there is one.
    pub(crate) model: Vec<PathBuf>,
    /// Whatever else is read.
    pub(crate) others: Vec<PathBuf>,
    /// Files that the model keeps constants in, which are known once it is read.
    pub(crate) constants: Vec<PathBuf>,
}

/// What the model keeps in other files is not read, and the result needs it too.
const CONSTANTS_STAY: &str =
    "constants of the model lie there, and stay there: write to another file";

impl Inputs {
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        [&self.model[..], &self.others, &self.constants].concat()
    }

    /// Adds the files that a model of this name keeps constants in, and says whether there are any.
    pub(crate) fn add_constants(&mut self, model: &Path, groups: &[Arc<str>]) -> bool {
        let before = self.constants.len();
        self.constants.extend(constants_of(model, groups));
        self.constants.len() > before
    }

    /// The same of a model that was read whole.
    pub(crate) fn add_constants_of(&mut self, name: &Path, module: &Module) -> bool {
        self.add_constants(name, &external_groups(module))
    }
}

/// The files that a model keeps constants in. The runtime looks for them in the folder that the
/// model was named in; what that is a link to has them beside it as a rule.
pub(crate) fn constants_of(model: &Path, groups: &[Arc<str>]) -> Vec<PathBuf> {
    if groups.is_empty() {
        return Vec::new();
    }
    let real = model.canonicalize().ok();
    let folders = [Some(folder_of(model)), real.as_deref().map(folder_of)];
    let in_folder = |folder: &&Path| groups.iter().map(|group| folder.join(&**group)).collect();
    folders.iter().flatten().flat_map(|folder| -> Vec<PathBuf> { in_folder(folder) }).collect()
}

/// The files beside a model that its result needs too and does not have beside it.
pub(crate) fn goes_along(model: &Path, output: Option<&Path>, result: &Module) -> Vec<String> {
    let Some(output) = output.filter(|output| !is_stream(output)) else { return Vec::new() };
    let [here, there] = [model, output].map(|file| folder_of(file).canonicalize().ok());
    let groups = if here == there { Vec::new() } else { external_groups(result) };
    let beside = groups.iter().filter(|group| !Path::new(&***group).is_absolute());
    beside.map(|group| group.to_string()).collect()
}

/// An error where one of the outputs cannot be written, is written twice, or is an input.
/// `overwrite` is nothing for commands whose output never is the new form of an input.
pub(crate) fn check(
    outputs: &Outputs<'_>,
    inputs: &Inputs,
    overwrite: Option<Overwrite>,
) -> Result<(), Failure> {
    let first = [outputs.result, outputs.side].into_iter().flatten();
    let all: Vec<&Path> = first.chain(outputs.others.iter().copied()).collect();
    for (n, output) in all.iter().enumerate() {
        // Streams into one file follow each other there. What replaces that file would take what
        // went into it away.
        let is_twice = |other: &&Path| {
            is_same_file(written_to(other), written_to(output))
                && !(is_stream(other) && is_stream(output))
        };
        if all[..n].iter().any(is_twice) {
            let message = format!("{} would be written twice", named(output));
            return Err(Failure::usage(&message, "give the outputs names of their own"));
        }
        check_no_input(output, &inputs.others, "write to another file")?;
        check_no_input(output, &inputs.constants, CONSTANTS_STAY)?;
        check_model(outputs, output, &inputs.model, overwrite)?;
        if !is_standard(output) {
            check_can_write(output)
                .map_err(|error| Failure::file("cannot write", output, &error))?;
        }
    }
    Ok(())
}

/// An error where an output is the model or its side file, unless it is to take the place of just
/// that.
fn check_model(
    outputs: &Outputs<'_>,
    output: &Path,
    model: &[PathBuf],
    overwrite: Option<Overwrite>,
) -> Result<(), Failure> {
    let replaces = |output: Option<&Path>, input: Option<&PathBuf>| match (output, input) {
        // What is written in place changes under the eyes of whoever maps it.
        (Some(output), Some(input)) => !is_stream(output) && is_input(input, output),
        _ => false,
    };
    let is_side = || outputs.side == Some(output) && replaces(outputs.side, model.get(1));
    let is_new_form =
        replaces(outputs.result, model.first()) && (outputs.result == Some(output) || is_side());
    let help = match overwrite {
        Some(overwrite) if is_new_form && overwrite.force => return Ok(()),
        Some(_) if is_new_form => "write to another file, or replace the input with --force",
        _ => "write to another file",
    };
    check_no_input(output, model, help)
}

/// An error where the result goes where a report as JSON goes, or takes the place of the file that
/// this goes to.
pub(crate) fn check_json(result: Option<&Path>) -> Result<(), Failure> {
    let Some(result) = result else { return Ok(()) };
    let help = "leave out --json, or write the model to a file";
    if is_standard_output(result) {
        return Err(Failure::usage("the model and --json would both go to standard output", help));
    }
    if is_same_file(result, written_to(Path::new("-"))) {
        let message = format!("the model and --json would both go to {}", named(result));
        return Err(Failure::usage(&message, "write the model to another file"));
    }
    Ok(())
}

/// An error where no file could be put into this folder, which is made if it is not there.
pub(crate) fn check_folder(folder: &Path) -> Result<(), Failure> {
    let mut there = folder;
    while let (false, Some(parent)) = (there.exists(), there.parent()) {
        there = parent;
    }
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let checked = match there.is_dir() {
        // A name that nothing else in the folder has.
        true => check_can_write(&there.join(format!("tfq-opt.{}.check", std::process::id()))),
        false => Err(std::io::ErrorKind::NotADirectory.into()),
    };
    checked.map_err(|error| Failure::file("cannot write to", folder, &error))
}

/// An error where a file that will be put into the folder of the outputs is an input.
pub(crate) fn check_in_folder(files: &[PathBuf], inputs: &[PathBuf]) -> Result<(), Failure> {
    let mut files = files.iter();
    files.try_for_each(|file| check_no_input(file, inputs, "write to another folder"))
}

/// An error where a file is an input, by whatever name.
pub(crate) fn check_no_input(output: &Path, inputs: &[PathBuf], help: &str) -> Result<(), Failure> {
    let Some(input) = inputs.iter().find(|input| is_input(input, output)) else { return Ok(()) };
    let message = match (output == input, is_standard(input)) {
        _ if is_standard(output) => format!("standard output is the input {} too", named(input)),
        (true, _) => format!("{} is the input too", named(output)),
        (_, true) => format!("{} is standard input too", named(output)),
        _ => format!("{} and the input {} are one file", named(output), named(input)),
    };
    Err(Failure::usage(&message, help))
}

/// Whether what is written there goes into the file that an input is read from. One that is not
/// there is found when it is read.
fn is_input(input: &Path, output: &Path) -> bool {
    opened(input).exists() && is_same_file(opened(input), written_to(output))
}

/// The file that an input is read from.
fn opened(input: &Path) -> &Path {
    if is_standard(input) { Path::new("/dev/stdin") } else { input }
}

/// The file that an output is written to.
fn written_to(output: &Path) -> &Path {
    if is_standard(output) { Path::new("/dev/stdout") } else { output }
}
