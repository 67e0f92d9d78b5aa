//! A folder of goldens and its index.

use crate::entry::Entry;
use crate::golden::{Golden, GoldenError, conflict, side_path, write_all};
use crate::index;
use bytes::Bytes;
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tfq_ir::visible_path;
use tfq_text::Level;
use tfq_tflite::{Image, MOST_TEXT, WriteError, read_text};

/// The name of the index in its folder.
pub const INDEX: &str = "index.toml";

const VERSION: u32 = 1;
const HEAD: &str = "# What `tfq-opt golden check` runs. Paths are relative to this folder.\n";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    version: u32,
    #[serde(default, rename = "golden")]
    entries: Vec<Entry>,
}

/// A folder of goldens.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    entries: Vec<Entry>,
    /// The index as it was read, whose comments and order are its owner's.
    index: String,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It has no index.
    #[error("there are no goldens in {}: it has no {INDEX}", visible_path(.0))]
    NoIndex(PathBuf),
    /// The index cannot be read or written.
    #[error("{}: {error}", visible_path(path))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The index is wrong.
    #[error("{}: {message}", visible_path(path))]
    Index {
        /// The index.
        path: PathBuf,
        /// The whole text.
        text: String,
        /// What is wrong in it, as bytes.
        span: std::ops::Range<usize>,
        /// What is wrong.
        message: String,
    },
    /// It has a golden of this name, which was not to be replaced.
    #[error("there is a golden `{0}` already")]
    Taken(String),
    /// A golden cannot be read.
    #[error("{}: {error}", visible_path(path))]
    Golden {
        /// The file.
        path: PathBuf,
        /// Why.
        error: GoldenError,
    },
}

impl FolderError {
    /// The line of a golden that it is about.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Golden { error, .. } => Some(error.line()),
            _ => None,
        }
    }
}

impl Folder {
    /// The folder at `path`, with what its index says.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let index = path.join(INDEX);
        match read_text(&index, MOST_TEXT) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(FolderError::NoIndex(path.to_owned()))
            }
            Err(error) => Err(FolderError::File { path: index, error }),
        }
    }

    /// As [`Self::open`], or an empty one where there is none.
    pub fn open_or_new(path: &Path) -> Result<Self, FolderError> {
        match Self::open(path) {
            Err(FolderError::NoIndex(_)) => {
                let index = format!("{HEAD}version = {VERSION}\n");
                Ok(Self { path: path.to_owned(), entries: Vec::new(), index })
            }
            other => other,
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, FolderError> {
        let wrong = |span, message: String| FolderError::Index {
            path: path.join(INDEX),
            text: text.to_owned(),
            span,
            message,
        };
        if let Some(line) = conflict(text) {
            let at = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let len = text.lines().nth(line - 1).map_or(0, str::len);
            return Err(wrong(at..at + len, "unresolved merge conflict".to_owned()));
        }
        let index: Index = toml::from_str(text).map_err(|error| {
            wrong(error.span().unwrap_or(0..0), error.message().trim_end().to_owned())
        })?;
        if index.version != VERSION {
            let message =
                format!("the index is of version {}, and this tool knows {VERSION}", index.version);
            return Err(wrong(find(text, "version"), message));
        }
        for (n, entry) in index.entries.iter().enumerate() {
            let problem = if let Some(problem) = entry.name_problem() {
                Some(problem.to_owned())
            } else if index.entries[..n].iter().any(|other| other.name == entry.name) {
                Some(format!("two goldens are named `{}`", entry.name))
            } else if Level::from_name(&entry.level).is_none() {
                Some(format!("golden `{}`: there is no level `{}`", entry.name, entry.level))
            } else if entry.passes.is_some() == entry.pipeline.is_some() {
                Some(format!("golden `{}` needs `passes` or `pipeline`, and one only", entry.name))
            } else {
                None
            };
            if let Some(message) = problem {
                return Err(wrong(find(text, &format!("\"{}\"", entry.name)), message));
            }
        }
        Ok(Self { path: path.to_owned(), entries: index.entries, index: text.to_owned() })
    }

    /// Keeps other processes from changing the folder, which is made if it is not there, and
    /// reads the index again: what they added stays.
    fn lock(&mut self) -> Result<Lock, FolderError> {
        fs::create_dir_all(&self.path)
            .map_err(|error| FolderError::File { path: self.path.clone(), error })?;
        let lock = Lock::new(&self.path, File::lock);
        let Self { entries, index, .. } = Self::open_or_new(&self.path)?;
        (self.entries, self.index) = (entries, index);
        Ok(lock)
    }

    /// The index with the entries of now. Comments and the order of what was there stay.
    fn index_file(&self) -> (PathBuf, Image) {
        let text = index::with_entries(&self.index, &self.entries);
        (self.path.join(INDEX), Image::of_file(text.into()))
    }

    /// Its path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The goldens in order of the index.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The golden of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Adds a golden to the folder and the index, at its end or in the place of that of the same
    /// name where `replace` says so. `skeleton` is written as the entry's model.
    pub fn add(
        &mut self,
        mut entry: Entry,
        golden: &Golden,
        skeleton: Option<Bytes>,
        replace: bool,
    ) -> Result<(), FolderError> {
        let _lock = self.lock()?;
        let name = entry.name.clone();
        entry.input.clone_from(&golden.header.input);
        entry.tool.clone_from(&golden.header.tool);
        let model = self.resolve(&entry.model);
        match self.entries.iter_mut().find(|other| other.name == name) {
            Some(_) if !replace => return Err(FolderError::Taken(name)),
            Some(other) => *other = entry,
            None => self.entries.push(entry),
        }
        let skeleton = skeleton.map(|bytes| (model, Image::of_file(bytes)));
        self.write_accepted(&name, golden, skeleton)?;
        self.reject(&name)
    }

    /// Where a file lies that an entry names.
    pub fn resolve(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// The file of a golden.
    pub fn golden_path(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.golden"))
    }

    /// All that [`Self::add`] writes or removes for a golden of this name, and for its skeleton,
    /// which is the model that the entry names.
    pub fn files_of(&self, name: &str, skeleton: Option<&str>) -> Vec<PathBuf> {
        let [golden, pending] = [self.golden_path(name), self.pending_path(name)];
        let sides = [&golden, &pending].map(|path| side_path(path));
        let skeleton = skeleton.map(|model| self.resolve(model));
        let index = self.path.join(INDEX);
        [golden, pending, index].into_iter().chain(sides).chain(skeleton).collect()
    }

    /// The file of a new result that waits for review.
    pub fn pending_path(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.golden.new"))
    }

    /// The accepted golden, if there is one.
    pub fn golden(&self, name: &str) -> Result<Option<Golden>, FolderError> {
        // Golden and side file are one thing, of which another process may be writing the next.
        let _lock = Lock::new(&self.path, File::lock_shared);
        read(self.golden_path(name))
    }

    /// The new result that waits for review, if there is one.
    pub fn pending(&self, name: &str) -> Result<Option<Golden>, FolderError> {
        read(self.pending_path(name))
    }

    /// Writes a golden as accepted, what belongs to it, and the index.
    fn write_accepted(
        &self,
        name: &str,
        golden: &Golden,
        skeleton: Option<(PathBuf, Image)>,
    ) -> Result<(), FolderError> {
        let path = self.golden_path(name);
        let files = skeleton.into_iter().chain(golden.files(&path)).chain([self.index_file()]);
        write_all(&files.collect::<Vec<_>>())?;
        match golden.side {
            Some(_) => Ok(()),
            None => remove(&side_path(&path)),
        }
    }

    /// Writes a new result for review.
    pub fn write_pending(&self, name: &str, golden: &Golden) -> Result<PathBuf, FolderError> {
        let path = self.pending_path(name);
        golden.write(&path)?;
        Ok(path)
    }

    /// Makes the new result the accepted one, and writes the index.
    pub fn accept(&mut self, name: &str) -> Result<(), FolderError> {
        let _lock = self.lock()?;
        if let Some(pending) = self.pending(name)? {
            if let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == name) {
                entry.input.clone_from(&pending.header.input);
                entry.tool.clone_from(&pending.header.tool);
            }
            self.write_accepted(name, &pending, None)?;
            self.reject(name)?;
        }
        Ok(())
    }

    /// Removes the new result.
    pub fn reject(&self, name: &str) -> Result<(), FolderError> {
        let path = self.pending_path(name);
        remove(&path)?;
        remove(&side_path(&path))
    }

    /// Names of goldens for which a new result waits, in order.
    pub fn waiting(&self) -> Vec<&str> {
        let names = self.entries.iter().map(|entry| entry.name.as_str());
        names.filter(|name| self.pending_path(name).is_file()).collect()
    }

    /// Entries whose model is gone, in order.
    pub fn without_model(&self) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| !self.resolve(&entry.model).exists()).collect()
    }

    /// Accepted goldens that the index does not name, sorted.
    pub fn stale(&self) -> Result<Vec<PathBuf>, FolderError> {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let mut found = self.strays(&names)?;
        found.retain(|path| path.extension().is_some_and(|ending| ending == "golden"));
        Ok(found)
    }

    /// Files of goldens, of new results and of skeletons that belong to none of these names,
    /// sorted.
    pub fn strays(&self, names: &[&str]) -> Result<Vec<PathBuf>, FolderError> {
        let failed = |error| FolderError::File { path: self.path.clone(), error };
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let kept = self.entries.iter().filter(|entry| names.contains(&entry.name.as_str()));
        let models: Vec<PathBuf> = kept.map(|entry| whole(&self.resolve(&entry.model))).collect();
        let mut found = Vec::new();
        for file in fs::read_dir(&self.path).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let stem = [".golden.new.bin", ".golden.new", ".golden.bin", ".golden"]
                .into_iter()
                .find_map(|ending| name.strip_suffix(ending));
            let stray = match (stem, name.strip_suffix(".tfg")) {
                (Some(stem), _) => !names.contains(&stem),
                // A model that somebody put there is theirs.
                (None, Some(_)) => !models.contains(&whole(&path)) && is_skeleton(&path),
                (None, None) => false,
            };
            if stray && path.is_file() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Takes these entries out of the index, and writes it.
    pub fn forget(&mut self, names: &[String]) -> Result<(), FolderError> {
        let _lock = self.lock()?;
        self.entries.retain(|entry| !names.contains(&entry.name));
        Ok(write_all(&[self.index_file()])?)
    }
}

/// A lock on a folder, which no file has to hold. Where the file system has none, processes that
/// change one folder at once are not kept apart.
struct Lock(#[expect(dead_code, reason = "what is locked is free when it is closed")] Option<File>);

impl Lock {
    fn new(folder: &Path, take: impl Fn(&File) -> io::Result<()>) -> Self {
        Self(File::open(folder).ok().filter(|folder| take(folder).is_ok()))
    }
}

impl From<WriteError> for FolderError {
    fn from(WriteError { path, error }: WriteError) -> Self {
        Self::File { path, error }
    }
}

/// Whether a text says that it is a skeleton. Only its first bytes are read.
fn is_skeleton(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
    let head = String::from_utf8_lossy(&head);
    let mut words = head.lines().next().unwrap_or_default().split_whitespace();
    read.is_ok() && words.next() == Some("tfg") && words.nth(1) == Some("skeleton")
}

/// The last place, since of two goldens of a name the second is one too many.
fn find(text: &str, what: &str) -> std::ops::Range<usize> {
    text.rfind(what).map_or(0..0, |at| at..at + what.len())
}

fn read(path: PathBuf) -> Result<Option<Golden>, FolderError> {
    match Golden::read(&path) {
        Ok(golden) => Ok(Some(golden)),
        Err(GoldenError::File(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::Golden { path, error }),
    }
}

fn remove(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::File { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}
