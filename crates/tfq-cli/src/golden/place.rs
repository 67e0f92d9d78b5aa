//! Where goldens are, and which of them are meant.

use crate::diagnostics::{Failure, cause, named};
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::path::{Path, PathBuf};
use tfq_golden::{Entry, Folder, FolderError};
use tfq_ir::did_you_mean;

/// Where the goldens are.
#[derive(Debug, clap::Args)]
pub(super) struct GoldenFolder {
    /// The folder with the goldens and their index
    #[arg(long, default_value = "goldens", value_name = "FOLDER")]
    pub(super) dir: PathBuf,
}

impl GoldenFolder {
    pub(super) fn open(&self) -> Result<Folder, Failure> {
        Folder::open(&self.dir).map_err(failure)
    }
}

pub(super) fn failure(error: FolderError) -> Failure {
    let message = error.to_string();
    match error {
        FolderError::NoIndex(_) => {
            let help = "make the first with `tfq-opt golden add MODEL`, or name another folder \
                        with --dir";
            Failure::Model { message, help: Some(help.to_owned()) }
        }
        FolderError::Index { path, text, span, message } => {
            Failure::excerpt(&named(path), text, span, message)
        }
        FolderError::Golden { .. } => {
            let help = "restore the file, or make the golden again with `tfq-opt golden add \
                        --replace`";
            Failure::Model { message, help: Some(help.to_owned()) }
        }
        FolderError::Taken(_) => Failure::usage(&message, "give another --name, or --replace it"),
        FolderError::File { path, error } => {
            Failure::Model { message: format!("{}: {}", named(path), cause(&error)), help: None }
        }
    }
}

/// A path for people.
pub(super) fn shown(path: &Path) -> String {
    named(shortened(path))
}

/// `model.tflite` for `goldens/../model.tflite`.
pub(super) fn shortened(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::ParentDir, Some(Component::Normal(_))) => _ = parts.pop(),
            (Component::CurDir, _) => (),
            _ => parts.push(part),
        }
    }
    // A link may lead elsewhere, and then only the long path is right.
    let short: PathBuf = parts.iter().collect();
    let same = match (path.canonicalize(), short.canonicalize()) {
        (Ok(long), Ok(short)) => long == short,
        // A folder that is not there yet leads nowhere.
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    };
    if same { short } else { path.to_owned() }
}

/// Patterns for names of goldens.
pub(super) struct Patterns<'a> {
    texts: &'a [String],
    set: GlobSet,
}

impl<'a> Patterns<'a> {
    pub(super) fn new(texts: &'a [String]) -> Result<Self, Failure> {
        let mut set = GlobSetBuilder::new();
        for text in texts {
            set.add(Glob::new(text).map_err(|error| {
                let help = "`*` stands for any characters, `?` for one, `{a,b}` for either";
                Failure::usage(&format!("`{text}` is no pattern: {}", error.kind()), help)
            })?);
        }
        let set = set.build().map_err(|error| Failure::usage(&error.to_string(), ""))?;
        Ok(Self { texts, set })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.set.is_match(name)
    }

    /// Every pattern must mean something.
    pub(super) fn check(
        &self,
        names: &[&str],
        none: impl Fn(&str) -> Failure,
    ) -> Result<(), Failure> {
        for (n, text) in self.texts.iter().enumerate() {
            if !names.iter().any(|name| self.set.matches(name).contains(&n)) {
                return Err(none(text));
            }
        }
        Ok(())
    }
}

/// The entries that these patterns name; all where there are none.
pub(super) fn chosen<'f>(folder: &'f Folder, names: &[String]) -> Result<Vec<&'f Entry>, Failure> {
    let all: Vec<&str> = folder.entries().iter().map(|entry| entry.name.as_str()).collect();
    let patterns = Patterns::new(names)?;
    patterns.check(&all, |text| no_golden(folder, text))?;
    let entries = folder.entries().iter();
    Ok(entries.filter(|entry| names.is_empty() || patterns.matches(&entry.name)).collect())
}

pub(super) fn no_golden(folder: &Folder, name: &str) -> Failure {
    let names: Vec<&str> = folder.entries().iter().map(|entry| entry.name.as_str()).collect();
    let help = match names.as_slice() {
        [] => "the index is empty; add a golden with `tfq-opt golden add MODEL`".to_owned(),
        names => did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("goldens are {}", names.join(", "))),
    };
    Failure::usage(&format!("there is no golden `{name}` in {}", named(folder.path())), &help)
}
