//! Files that are mapped into memory, and whether they are still what they were.

mod lost;

pub use lost::end_on_lost_bytes;

use bytes::Bytes;
use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::SystemTime;
use tfq_ir::visible_path;

/// Mappings that somebody still holds bytes of. Bytes do not say where they are from, so that
/// who writes some has to look here.
static LIVE: Mutex<Vec<Weak<Mapped>>> = Mutex::new(Vec::new());

/// The first file that was another one when the last of its bytes was let go of.
static LEFT_CHANGED: OnceLock<Changed> = OnceLock::new();

/// See [`outputs_depend_on_all_inputs`].
static ALL_COUNT: AtomicBool = AtomicBool::new(false);

struct Mapped {
    map: memmap2::Mmap,
    file: File,
    stamp: Stamp,
    path: PathBuf,
}

impl Mapped {
    /// What others did to the file.
    fn change(&self) -> Option<Changed> {
        let of = |how| Some(Changed { path: self.path.clone(), how });
        match self.file.metadata().map(|meta| Stamp::of(&meta)) {
            Ok(now) if now == self.stamp => None,
            Ok(Stamp { len, .. }) if len < self.stamp.len => {
                of(How::Shorter { len: self.stamp.len, left: len })
            }
            Ok(_) => of(How::Other),
            Err(_) => of(How::Lost),
        }
    }

    fn holds(&self, address: usize) -> bool {
        let range = self.map.as_ptr_range();
        (range.start as usize..range.end as usize).contains(&address)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if let Some(changed) = self.change() {
            _ = LEFT_CHANGED.set(changed);
        }
    }
}

/// A file that others changed while its bytes were in use. What was read of it may be partly old
/// and partly new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    path: PathBuf,
    how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    Shorter {
        len: u64,
        left: u64,
    },
    Other,
    /// Its size is what it was, and the system has not all of its bytes: the disk or the network
    /// failed.
    Lost,
}

impl Changed {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self.how {
            How::Shorter { .. } | How::Other => {
                "run again, and keep the file as it is until the end, or work on a copy of it; \
                 what makes it anew should write another file and rename that"
            }
            How::Lost => "see whether its disk or network works, or work on a copy of it",
        }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = visible_path(&self.path);
        match self.how {
            How::Shorter { len, left } => write!(
                f,
                "{path} became shorter while it was in use: of {len} bytes {left} are left"
            ),
            How::Other => write!(f, "{path} was changed while it was in use"),
            How::Lost => write!(f, "{path} cannot be read any more, of which a part was read"),
        }
    }
}

impl std::error::Error for Changed {}

/// What bytes hold on to.
struct Owner(Arc<Mapped>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0.map
    }
}

/// What is another once somebody wrote to a file, as far as the file system tells.
#[derive(PartialEq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self { len: meta.len(), modified: meta.modified().ok() }
    }
}

/// Maps a file that is not empty; `whole` says that all of it will be read.
#[allow(unsafe_code)]
pub(crate) fn map(path: &Path, file: File, meta: &Metadata, whole: bool) -> io::Result<Bytes> {
    // SAFETY: a mapping is sound as long as nobody truncates or rewrites the file under it.
    // Our own output goes to a temporary file that replaces its target by renaming, which
    // leaves the mapped inode alone even where input and output are the same path. Others may do
    // it all the same: `read` says so, offers a copy to those who cannot rule it out, what is
    // written from here is checked by `check`, and programs have `end_on_lost_bytes`.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    // The system then reads large pieces ahead where it has to ask the disk. To populate the mapping
    // would walk its pages one by one, which costs more than faults that bring 16 of them each.
    #[cfg(target_os = "linux")]
    if whole {
        // A wish: systems may know nothing of it.
        _ = map.advise(memmap2::Advice::HugePage);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = whole;
    let stamp = Stamp::of(meta);
    let mapped = Arc::new(Mapped { map, file, stamp, path: path.to_owned() });
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|mapped| mapped.strong_count() > 0);
    live.push(Arc::downgrade(&mapped));
    drop(live);
    Ok(Bytes::from_owner(Owner(mapped)))
}

/// All mappings that somebody holds bytes of.
fn live() -> Vec<Arc<Mapped>> {
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.iter().filter_map(Weak::upgrade).collect()
}

/// From now on all that is written counts as made from every file that [`crate::read`] ever
/// mapped, so that one which others changed in the meantime is an error of every write. For
/// programs whose outputs follow from their inputs, in whatever form these are written; a
/// library cannot know what its program has mapped besides.
pub fn outputs_depend_on_all_inputs() {
    ALL_COUNT.store(true, Ordering::Relaxed);
}

/// An error where a file that [`crate::read`] mapped was changed by others while its bytes were
/// in use, up to now.
pub fn check_inputs() -> Result<(), Changed> {
    let changed = live().iter().find_map(|mapped| mapped.change());
    match changed.or_else(|| LEFT_CHANGED.get().cloned()) {
        Some(changed) => Err(changed),
        None => Ok(()),
    }
}

/// Whether the files that these bytes are slices of are as they were when they were mapped; all
/// files if these count. The error names one that is not.
pub(crate) fn check<'b>(mut bytes: impl Iterator<Item = &'b Bytes>) -> io::Result<()> {
    if ALL_COUNT.load(Ordering::Relaxed) {
        return check_inputs().map_err(io::Error::other);
    }
    let changed = |mapped: Arc<Mapped>| Some((mapped.change()?, mapped));
    let changed: Vec<(Changed, Arc<Mapped>)> = live().into_iter().filter_map(changed).collect();
    let of_changed = |bytes: &Bytes| {
        let held = changed.iter().find(|(_, mapped)| mapped.holds(bytes.as_ptr() as usize));
        held.map(|(changed, _)| changed.clone())
    };
    // Mostly there is none, and bytes are many.
    let found = if changed.is_empty() { None } else { bytes.find_map(of_changed) };
    found.map_or(Ok(()), |changed| Err(io::Error::other(changed)))
}

/// A name by which other processes open the very file that [`crate::read`] mapped these bytes
/// from, whatever has its old name by now. It is good for as long as the bytes are held. `None`
/// for other bytes, and where the system has no such names.
#[cfg(unix)]
pub fn name_of_open_file(bytes: &Bytes) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    let start = bytes.as_ptr() as usize;
    let mapped = live().into_iter().find(|mapped| mapped.holds(start))?;
    if mapped.map.len() != bytes.len() {
        return None;
    }
    let (process, descriptor) = (std::process::id(), mapped.file.as_raw_fd());
    let name = PathBuf::from(format!("/proc/{process}/fd/{descriptor}"));
    // Somebody else's `/proc` counts processes in another way.
    let id = |file: &File| file.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    let found = id(&File::open(&name).ok()?)?;
    (Some(found) == id(&mapped.file)).then_some(name)
}

#[cfg(not(unix))]
pub fn name_of_open_file(_: &Bytes) -> Option<PathBuf> {
    None
}
