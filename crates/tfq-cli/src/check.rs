//! A shell command that tells good models from bad ones.

use super::diagnostics::Failure;
use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tfq_tflite::{TemporaryFolder, write_bytes};

/// The command, and where it finds the model.
pub(crate) struct Check {
    /// With the file's name in it.
    command: String,
    file: PathBuf,
    /// Whether it succeeded on some model.
    passed: Cell<bool>,
    /// Holds the file, and goes with it.
    _folder: TemporaryFolder,
}

impl Check {
    /// A command in which {} stands for the model's file.
    pub(crate) fn new(command: &str) -> Result<Self, Failure> {
        if !command.contains("{}") {
            let help = "write {} where the file's name goes: --check='run-model {}'";
            return Err(Failure::usage("the check does not mention the model", help));
        }
        let folder = TemporaryFolder::new()
            .map_err(|error| Failure::file("cannot make", "a temporary folder", &error))?;
        let file = folder.path().join("model.tflite");
        let Some(name) = file.to_str() else {
            let help = "set TMPDIR to a folder whose name is UTF-8";
            return Err(Failure::usage("the folder for temporary files cannot be named", help));
        };
        let command = command.replace("{}", &for_shell(name));
        Ok(Self { command, file, passed: Cell::new(false), _folder: folder })
    }

    /// Whether the command succeeds on the model. What it prints goes to standard error.
    ///
    /// # Errors
    /// Where the shell cannot run it, since that says nothing of the model.
    pub(crate) fn passes(&self, model: &[u8]) -> io::Result<bool> {
        write_bytes(&self.file, model.to_vec())?;
        let status = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .status()?;
        match status.code() {
            Some(126) => Err(io::Error::other("the command is not executable (status 126)")),
            Some(127) => Err(io::Error::other("the command was not found (status 127)")),
            _ => {
                self.passed.set(self.passed.get() || status.success());
                Ok(status.success())
            }
        }
    }

    /// Whether it succeeded on one of the models so far.
    pub(crate) fn passed(&self) -> bool {
        self.passed.get()
    }

    /// What to do about a command that succeeds on no model.
    pub(crate) fn always_fails(&self) -> String {
        format!("see that it succeeds on a model that is good; it was run as: {}", self.command)
    }
}

/// A file's name as it stands in a shell command. A plain one needs no quotes, and so is right
/// within the user's own too.
pub(super) fn for_shell(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_fit_into_any_quotes_and_others_are_quoted() {
        assert_eq!(
            for_shell("/tmp/.tfq-opt-a1B2c3.tmp/model.tflite"),
            "/tmp/.tfq-opt-a1B2c3.tmp/model.tflite"
        );
        assert_eq!(for_shell("/my tmp/it's"), r"'/my tmp/it'\''s'");
    }
}
