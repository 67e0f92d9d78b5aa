//! Temporary files and folders, none of which stays behind: each goes when it is dropped, all
//! go at a signal that ends the process, and what a killed process left goes with the next one
//! that works in the same folder.

use super::destination::folder_of;
#[cfg(unix)]
use crate::signals;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::{NamedTempFile, TempDir, TempPath};

const PREFIX: &str = ".tfq-opt-";
const SUFFIX: &str = ".tmp";
/// Characters of chance between both: so many that nobody else's file has such a name.
const RANDOM: usize = 16;

/// What this process made and has not removed yet. Whoever holds it decides whether a file is
/// there: a signal comes before a file takes its final name or after that, not between.
static LIVE: Mutex<Live> = Mutex::new(Live { paths: BTreeSet::new(), cleared: BTreeSet::new() });

pub(super) struct Live {
    paths: BTreeSet<PathBuf>,
    /// Folders in which what others left was removed.
    cleared: BTreeSet<(PathBuf, Left)>,
}

pub(super) fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    pub(super) fn forget(&mut self, path: &Path) {
        self.paths.remove(path);
    }
}

/// Where files without a final name are made, in one folder. An open file that is locked guards all
/// of them, so that none of them has to be open: a process may have few descriptors.
#[derive(Debug)]
pub(super) struct Staging {
    guard: Option<NamedTempFile>,
    /// What the names begin with of what it guards.
    prefix: String,
}

/// A file without a final name, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    /// `None` once it has its final name.
    path: Option<TempPath>,
}

impl Staging {
    pub(super) fn new_in(folder: &Path) -> io::Result<Self> {
        clear_stale(folder, Left::Files);
        loop {
            let mut live = live();
            let guard = names(PREFIX, ANY).tempfile_in(folder)?;
            live.paths.insert(guard.path().to_owned());
            drop(live);
            let is_ours = claim(guard.as_file());
            let name = guard.path().file_name().and_then(|name| name.to_str());
            let name = name.and_then(|name| name.strip_suffix(SUFFIX)).unwrap_or(PREFIX);
            let staging = Self { prefix: format!("{name}-"), guard: Some(guard) };
            if is_ours {
                return Ok(staging);
            }
        }
    }

    fn folder(&self) -> &Path {
        folder_of(self.guard.as_ref().expect("it is there until it is dropped").path())
    }

    /// A file with the permissions of any other, and what to write to it.
    pub(super) fn file(&self) -> io::Result<(File, Temporary)> {
        let mut live = live();
        let (file, path) = names(&self.prefix, ANY).tempfile_in(self.folder())?.into_parts();
        live.paths.insert(path.to_path_buf());
        Ok((file, Temporary { path: Some(path) }))
    }

    /// A second name for a file while another takes its place, so that it can be put back.
    pub(super) fn second_name(&self, path: &Path) -> io::Result<SecondName> {
        let link = names(&self.prefix, ANY);
        let link = link.make_in(self.folder(), |name| fs::hard_link(path, name))?;
        Ok(SecondName(link.into_temp_path()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let mut live = live();
            live.forget(guard.path());
            drop(guard);
        }
    }
}

impl Temporary {
    /// Gives it its final name. `live` is held from before the first of several to after the
    /// last.
    pub(super) fn rename(mut self, live: &mut Live, target: &Path) -> io::Result<()> {
        let path = self.path.take().expect("it has no final name yet");
        let name = path.to_path_buf();
        let renamed = path.persist(target).map_err(|error| error.error);
        live.forget(&name);
        renamed
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let mut live = live();
            live.forget(&path);
            drop(path);
        }
    }
}

/// Goes when it is dropped.
pub(super) struct SecondName(TempPath);

impl SecondName {
    pub(super) fn put_back(self, target: &Path) -> io::Result<()> {
        self.0.persist(target).map_err(|error| error.error)
    }
}

/// What a plain `open` asks for; the umask takes its share.
const ANY: u32 = 0o666;

/// Names that begin so, end as all of ours, and have chance between, of what has this mode.
fn names(prefix: &str, mode: u32) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(SUFFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// A folder for files that other programs look at, in the system's folder for such. It goes
/// with its contents when it is dropped.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: Option<TempDir>,
    /// Holds the lock.
    _lock: Option<File>,
}

impl TemporaryFolder {
    /// An empty one, which only its owner can look into.
    pub fn new() -> io::Result<Self> {
        let parent = std::env::temp_dir();
        clear_stale(&parent, Left::FilesAndFolders);
        loop {
            let mut live = live();
            let folder = names(PREFIX, 0o700).tempdir_in(&parent)?;
            live.paths.insert(folder.path().to_owned());
            drop(live);
            let lock = File::open(folder.path()).ok();
            let is_ours = lock.as_ref().is_none_or(claim);
            let made = Self { folder: Some(folder), _lock: lock };
            if is_ours && made.path().is_dir() {
                return Ok(made);
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.as_ref().expect("it is there until it is dropped").path()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            let mut live = live();
            live.forget(folder.path());
            drop(folder);
        }
    }
}

/// Locks a file that was just made, so that nobody takes it for one that was left. False where
/// somebody did before the lock was there.
fn claim(file: &File) -> bool {
    match file.try_lock() {
        Ok(()) => is_linked(file),
        Err(fs::TryLockError::WouldBlock) => false,
        // Without locks nothing is ever taken for stale.
        Err(fs::TryLockError::Error(_)) => true,
    }
}

#[cfg(unix)]
fn is_linked(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|meta| meta.nlink() > 0)
}

#[cfg(not(unix))]
fn is_linked(_: &File) -> bool {
    true
}

/// What processes make in a folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Files,
    FilesAndFolders,
}

/// Removes what killed processes left in a folder, once in a run: what bears our names and is
/// locked by nobody, nor guarded by what is. Whatever else is the matter, it is left alone.
fn clear_stale(folder: &Path, left: Left) {
    if !live().cleared.insert((folder.to_owned(), left)) {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Some(guard) = guard_of(&name) else { continue };
        // No link and nothing that blocks when it is opened.
        let Ok(kind) = entry.file_type() else { continue };
        let is_guard = name.to_str() == Some(&*guard);
        let is_folder = kind.is_dir() && is_guard && left == Left::FilesAndFolders;
        if !kind.is_file() && !is_folder {
            continue;
        }
        // Held until what it guards is gone. A guard goes last.
        let lock = match open_as_it_is(&folder.join(&guard)) {
            Ok(file) if file.try_lock().is_ok() && is_linked(&file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            _ => continue,
        };
        remove(&path, kind.is_dir());
        drop(lock);
    }
}

/// The name of the file that guards one of ours: its own, or the one that its name begins with.
fn guard_of(name: &OsStr) -> Option<String> {
    let random = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let is_random = |random: &str| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let (guard, is_ours) = match random.split_once('-') {
        None => (random, is_random(random)),
        Some((guard, random)) => (guard, is_random(guard) && is_random(random)),
    };
    is_ours.then(|| format!("{PREFIX}{guard}{SUFFIX}"))
}

#[cfg(unix)]
fn open_as_it_is(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_as_it_is(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn remove(path: &Path, is_folder: bool) {
    // Nobody can be told, and the next run tries again.
    _ = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// Removes what this process made. Whoever has the result keeps others from making or naming
/// any more.
#[cfg(unix)]
pub(crate) fn remove_all() -> impl Sized {
    let live = live();
    for path in &live.paths {
        remove(path, path.is_dir());
    }
    live
}

/// From now on a signal that ends the process first removes its temporary files, and a write
/// beyond the limit on the size of files is an error and no signal. For programs; a library
/// leaves signals to the program that it is part of.
#[cfg(unix)]
#[allow(unsafe_code)]
pub fn remove_temporaries_on_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
    use signal_hook::{flag, low_level};
    use std::sync::{Arc, atomic::AtomicBool};
    // A handler that does nothing: an ignored signal would be ignored in child processes too.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let ignored = ignored_signals();
    let ending = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU];
    // `nohup` wants hang-ups to be ignored, and shells ignore interrupts for background jobs.
    let ending = ending.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let ending: Vec<i32> = ending.collect();
    let answer = |signal, _| {
        // Held to the end, so that nothing is made or named any more.
        let _live = remove_all();
        _ = low_level::emulate_default_handler(signal);
    };
    signals::answer(ending.clone(), Box::new(answer))?;
    for signal in ending {
        // SAFETY: what it calls is made for handlers.
        unsafe { low_level::register(signal, move || signals::hand_over(signal, 0)) }?;
    }
    Ok(())
}

#[cfg(not(unix))]
pub fn remove_temporaries_on_signals() -> io::Result<()> {
    Ok(())
}

/// The signals that were ignored when the process began, signal 1 in the lowest bit. Systems
/// that do not tell have none.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
