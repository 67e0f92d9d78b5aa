//! Commands that are none, which would else be taken for files.

use super::args::Args;
use super::diagnostics::{Failure, named};
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsStr;
use std::path::Path;
use tfq_ir::did_you_mean;

/// The error of wrong arguments, where it can be told better than clap does, which knows of no
/// files.
pub(super) fn explain(error: &clap::Error) -> Option<Failure> {
    let mut words = std::env::args_os().skip(1);
    let first = words.find(|word| !word.as_encoded_bytes().starts_with(b"-"))?;
    word(&first).or_else(|| second_model(error))
}

/// An error where a word behind the model is taken for a command, and is none.
fn second_model(error: &clap::Error) -> Option<Failure> {
    let Some(ContextValue::String(second)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    if error.kind() != ErrorKind::ArgumentConflict
        || Args::command().find_subcommand(second).is_some()
    {
        return None;
    }
    if let Some(failure) = behind_option(OsStr::new(second)) {
        return Some(failure);
    }
    let message = format!("`{}` is one model too many", named(second));
    let help = "models are optimised one by one; `tfq-opt diff` and `tfq-opt compare` take two";
    Some(Failure::usage(&message, help))
}

/// An error where a word may be the value of the option before it, which takes one behind `=`.
fn behind_option(word: &OsStr) -> Option<Failure> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let at = arguments.iter().position(|argument| argument == word)?;
    let option = arguments[at.checked_sub(1)?].to_str()?;
    let command = Args::command();
    let known = command.get_arguments().find(|known| {
        known.get_long().is_some_and(|long| option.strip_prefix("--") == Some(long))
    })?;
    // A file may well be meant as a model.
    if !known.is_require_equals_set() || Path::new(word).exists() {
        return None;
    }
    let message = format!("`{}` is no model, and no value of {option}", named(word));
    Some(Failure::usage(&message, &format!("write {option}={} to give it one", named(word))))
}

/// An error where a name is that of no file, and perhaps nearly that of a command.
pub(super) fn word(word: &OsStr) -> Option<Failure> {
    // A name with a slash or an extension is meant as a path.
    let name = word.to_str().filter(|name| *name != "-" && !name.contains(['/', '\\', '.']))?;
    if Path::new(word).exists() {
        return None;
    }
    if let Some(failure) = behind_option(word) {
        return Some(failure);
    }
    let mut command = Args::command();
    // Which adds `help`.
    command.build();
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    let commands: Vec<&str> = shown.map(clap::Command::get_name).collect();
    if commands.contains(&name) {
        return None;
    }
    let meant = did_you_mean(name, commands).map_or(String::new(), |meant| meant + " ");
    let message = format!("there is no command and no file `{}`", named(word));
    Some(Failure::usage(&message, &format!("{meant}`tfq-opt --help` lists commands")))
}
