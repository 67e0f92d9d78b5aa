//! Writing files so that each holds all of what it should or what it held before.

use super::destination::{Destination, Links, There, folder_of};
use super::temporary::{SecondName, Staging, Temporary, live};
use crate::Image;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", tfq_ir::visible_path(path))]
pub struct WriteError {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Writes a model so that `path` holds all of it or what it held before, whatever ends the
/// process or the machine: to a temporary file in the same folder, which takes the name when
/// the disk has it. A symbolic link stays one: what it names is replaced. A file that is
/// replaced keeps its permissions. Pipes, devices and open descriptors are written to.
pub fn write_atomically(
    path: &Path,
    image: &Image,
    mut progress: impl FnMut(u64),
) -> io::Result<()> {
    let mut files = Together::new(Links::Follow);
    let added = files.add(path, image, &mut progress);
    let written = added.and_then(|()| files.write_streams(progress));
    written.and_then(|()| files.commit()).map_err(|failed| failed.error)
}

/// Writes files that belong together, as [`Together`] does.
pub fn write_together(files: &[(&Path, &Image)], links: Links) -> Result<(), WriteError> {
    let mut together = Together::new(links);
    files.iter().try_for_each(|(path, image)| together.add(path, image, |_| ()))?;
    together.commit()
}

/// Writes a file whole or not at all, and does not wait for the disk: for what shows on the way
/// and can be had again.
pub fn write_bytes(path: &Path, bytes: impl Into<Bytes>) -> io::Result<()> {
    let mut files = Together::new(Links::Follow).without_waiting();
    let added = files.add(path, &Image::of_file(bytes.into()), |_| ());
    added.and_then(|()| files.commit()).map_err(|failed| failed.error)
}

/// An error where nothing could be written to this path, before there is anything to write.
/// Nothing that is there changes.
pub fn check_can_write(path: &Path) -> io::Result<()> {
    match Destination::of(path, Links::Follow)? {
        Destination::Name(target) => Staging::new_in(folder_of(&target)).map(drop),
        // Opening a pipe would wait for whoever reads it.
        Destination::There(There::Path(_)) => Ok(()),
        Destination::There(descriptor) => descriptor.open().map(drop),
    }
}

/// Files that belong together. Each is written to a temporary file as it comes, and they take their
/// names in the end, one after the other; where one cannot have its name, the others get their old
/// contents back. Where this is dropped before, nothing is left.
///
/// So all are new or all as they were, but in two cases: a process that is killed (SIGKILL, a loss
/// of power) between two names leaves some new ones; and where a file system has no hard links, a
/// file that was replaced before another could not have its name stays replaced.
#[derive(Debug)]
pub struct Together {
    links: Links,
    wait: bool,
    /// With the names that they are to get. Before what guards them, so that they go first.
    staged: Vec<(Temporary, PathBuf)>,
    /// By folder.
    staging: BTreeMap<PathBuf, Staging>,
    /// What goes into something that is there already, as the user named it.
    streams: Vec<(PathBuf, There, Image)>,
}

impl Together {
    /// No files; `links` is for all that come.
    pub fn new(links: Links) -> Self {
        Self {
            links,
            wait: true,
            staged: Vec::new(),
            staging: BTreeMap::new(),
            streams: Vec::new(),
        }
    }

    /// Whether the disk has them is not waited for.
    #[must_use]
    pub fn without_waiting(self) -> Self {
        Self { wait: false, ..self }
    }

    /// Adds a file; `progress` is told how many bytes of it are written. Pipes, devices and open
    /// descriptors wait for [`Self::write_streams`].
    pub fn add(
        &mut self,
        path: &Path,
        image: &Image,
        mut progress: impl FnMut(u64),
    ) -> Result<(), WriteError> {
        let failed = |error| WriteError { path: path.to_owned(), error };
        match Destination::of(path, self.links).map_err(failed)? {
            Destination::Name(target) => {
                let file = self.stage(&target, image, &mut progress).map_err(failed)?;
                self.staged.push((file, target));
            }
            Destination::There(place) => self.streams.push((path.into(), place, image.clone())),
        }
        Ok(())
    }

    /// The contents as a temporary file beside its place.
    fn stage(
        &mut self,
        target: &Path,
        image: &Image,
        progress: &mut impl FnMut(u64),
    ) -> io::Result<Temporary> {
        let folder = folder_of(target);
        let staging = match self.staging.entry(folder.to_owned()) {
            Entry::Occupied(staging) => staging.into_mut(),
            Entry::Vacant(none) => none.insert(Staging::new_in(folder)?),
        };
        let (mut file, temporary) = staging.file()?;
        // A private model must not become readable by everybody because it was rewritten. A link
        // that is to be replaced says nothing of permissions.
        if let Ok(meta) = target.symlink_metadata()
            && meta.is_file()
        {
            file.set_permissions(meta.permissions())?;
        }
        image.write_to(&mut file, progress)?;
        if self.wait {
            // A name that points to bytes that the disk does not have yet would be a torn file
            // after a loss of power.
            file.sync_all()?;
        }
        Ok(temporary)
    }

    /// Adds what goes to standard output; it is called `name` in errors.
    pub fn add_standard_output(&mut self, name: &Path, image: &Image) {
        self.streams.push((name.to_owned(), There::Standard, image.clone()));
    }

    /// Writes to the streams that were added. It cannot be taken back, so that everything else
    /// that may fail comes first.
    pub fn write_streams(&mut self, mut progress: impl FnMut(u64)) -> Result<(), WriteError> {
        for (path, place, image) in self.streams.drain(..) {
            let mut write = || {
                let mut out = place.open()?;
                image.write_to(&mut out, &mut progress)?;
                out.flush()
            };
            write().map_err(|error| WriteError { path, error })?;
        }
        Ok(())
    }

    /// Writes to the streams that are left, and gives the files their names.
    pub fn commit(mut self) -> Result<(), WriteError> {
        self.write_streams(|_| ())?;
        name_all(self.staged, &self.staging)?;
        if self.wait {
            self.staging.keys().for_each(|folder| sync_folder(folder));
        }
        Ok(())
    }
}

/// Gives files their names; where one cannot have its, the others get their old contents back.
fn name_all(
    files: Vec<(Temporary, PathBuf)>,
    staging: &BTreeMap<PathBuf, Staging>,
) -> Result<(), WriteError> {
    // Those that are left after an error go after the lock, which they need.
    let mut files = files.into_iter();
    // A signal waits until it is done.
    let mut live = live();
    let mut done: Vec<(PathBuf, Option<SecondName>)> = Vec::new();
    while let Some((file, target)) = files.next() {
        let is_last = files.len() == 0;
        // Where a file system has no second names, the old file cannot be kept.
        let second_name = || staging.get(folder_of(&target))?.second_name(&target).ok();
        let old = if is_last { None } else { second_name() };
        let was_there = old.is_some() || target.symlink_metadata().is_ok();
        if let Err(error) = file.rename(&mut live, &target) {
            for (target, old) in done.into_iter().rev() {
                // The first error is the one to tell.
                _ = match old {
                    Some(old) => old.put_back(&target),
                    None => fs::remove_file(&target),
                };
            }
            return Err(WriteError { path: target, error });
        }
        if old.is_some() || !was_there {
            done.push((target, old));
        }
    }
    Ok(())
}

/// Has the disk know the new names. The files are whole without it, so an error is none.
fn sync_folder(folder: &Path) {
    // Systems that do not open folders have no such wish.
    if let Ok(folder) = File::open(folder) {
        _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that cannot have its name when the other one has its own already.
    #[test]
    fn files_that_belong_together_are_all_new_or_all_old() {
        for side_was_there in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (text, side) = (folder.path().join("text"), folder.path().join("text.bin"));
            if side_was_there {
                fs::write(&side, "old side").unwrap();
            }
            let [new_side, new_text] = ["side", "text of now"].map(|s| Image::of_file(s.into()));
            let files = [(side.as_path(), &new_side), (text.as_path(), &new_text)];
            let spoil = |done| {
                if done == new_text.len() && !text.exists() {
                    fs::create_dir(&text).unwrap();
                }
            };
            let mut together = Together::new(Links::Follow);
            together.add(files[0].0, files[0].1, |_| ()).unwrap();
            together.add(files[1].0, files[1].1, spoil).unwrap();
            let failed = together.commit().unwrap_err();
            assert_eq!(failed.path, text);
            match side_was_there {
                true => assert_eq!(fs::read_to_string(&side).unwrap(), "old side"),
                false => assert!(!side.exists()),
            }
            assert_eq!(
                fs::read_dir(folder.path()).unwrap().count(),
                1 + usize::from(side_was_there)
            );

            fs::remove_dir(&text).unwrap();
            write_together(&files, Links::Follow).unwrap();
            assert_eq!(fs::read_to_string(&side).unwrap(), "side");
            assert_eq!(fs::read_to_string(&text).unwrap(), "text of now");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }
}
