//! A shell command that tells good models from bad ones.

use super::diagnostics::Failure;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The command, and where it finds the model.
pub(crate) struct Check {
    command: String,
    file: PathBuf,
    /// Holds the file, and goes with it.
    _folder: TempDir,
}

impl Check {
    /// A command in which {} stands for the model's file.
    pub(crate) fn new(command: &str) -> Result<Self, Failure> {
        if !command.contains("{}") {
            let help = "write {} where the file's name goes: --check='run-model {}'";
            return Err(Failure::usage("the check does not mention the model", help));
        }
        let folder = tempfile::tempdir()
            .map_err(|error| Failure::file("cannot make", "a temporary folder", &error))?;
        let file = folder.path().join("model.tflite");
        Ok(Self { command: command.to_owned(), file, _folder: folder })
    }

    /// Whether the command succeeds on the model. What it prints goes to standard error.
    ///
    /// # Errors
    /// Where the shell cannot run it, since that says nothing of the model.
    pub(crate) fn passes(&self, model: &[u8]) -> io::Result<bool> {
        std::fs::write(&self.file, model)?;
        let file = format!("'{}'", self.file.display().to_string().replace('\'', r"'\''"));
        let status = Command::new("sh")
            .args(["-c", &self.command.replace("{}", &file)])
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .status()?;
        match status.code() {
            Some(126) => Err(io::Error::other("the command is not executable (status 126)")),
            Some(127) => Err(io::Error::other("the command was not found (status 127)")),
            _ => Ok(status.success()),
        }
    }
}
