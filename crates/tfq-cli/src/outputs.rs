//! Files that a command will write, looked at before it works for long.

use super::diagnostics::{Failure, named};
use super::model::{is_standard, is_stream};
use std::path::{Path, PathBuf};
use tfq_tflite::{check_can_write, is_same_file};

/// Whether an input may be lost.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Overwrite {
    /// Write the result over the input where both are one file
    #[arg(long)]
    force: bool,
}

/// An error where one of the outputs cannot be written, is written twice, or is an input.
/// `overwrite` is nothing for commands whose output never is the new form of an input.
pub(crate) fn check(
    outputs: &[&Path],
    inputs: &[PathBuf],
    overwrite: Option<Overwrite>,
) -> Result<(), Failure> {
    let files: Vec<&Path> = outputs.iter().copied().filter(|path| !is_standard(path)).collect();
    for (n, output) in files.iter().enumerate() {
        let is_it = |other: &&&Path| whole(other) == whole(output) || is_same_file(other, output);
        if files[..n].iter().any(|other| is_it(&other)) && !is_stream(output) {
            let message = format!("{} would be written twice", named(output));
            return Err(Failure::usage(&message, "give the outputs names of their own"));
        }
        if overwrite.is_none_or(|overwrite| !overwrite.force) {
            let help = match overwrite {
                Some(_) => "write to another file, or replace the input with --force",
                None => "write to another file",
            };
            check_no_input(output, inputs, help)?;
        }
        check_can_write(output).map_err(|error| Failure::file("cannot write", output, &error))?;
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

fn check_no_input(output: &Path, inputs: &[PathBuf], help: &str) -> Result<(), Failure> {
    let same = |input: &&PathBuf| is_same_file(opened(input), output);
    let Some(input) = inputs.iter().find(same) else { return Ok(()) };
    let message = match (output == input, is_standard(input)) {
        (true, _) => format!("{} is the input too", named(output)),
        (_, true) => format!("{} is standard input too", named(output)),
        _ => format!("{} and the input {} are one file", named(output), named(input)),
    };
    Err(Failure::usage(&message, help))
}

/// The path of a file that need not be there yet, as it is in the folder.
fn whole(path: &Path) -> PathBuf {
    let (folder, name) = (path.parent(), path.file_name());
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), name) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// The file that an input is read from.
fn opened(input: &Path) -> &Path {
    if is_standard(input) { Path::new("/dev/stdin") } else { input }
}
