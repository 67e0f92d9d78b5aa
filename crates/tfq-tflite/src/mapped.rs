//! Files that are mapped into memory, and whether they are still what they were.

use bytes::Bytes;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;
use tfq_ir::text::visible_path;

/// Mappings that somebody still holds bytes of. Bytes do not say where they are from, so that
/// who writes some has to look here.
static LIVE: Mutex<Vec<Weak<Mapped>>> = Mutex::new(Vec::new());

struct Mapped {
    map: memmap2::Mmap,
    file: File,
    stamp: Stamp,
    path: PathBuf,
}

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

/// Maps a file that is not empty; `populate` reads all of it right away.
#[allow(unsafe_code)]
pub(crate) fn map(path: &Path, file: File, meta: &Metadata, populate: bool) -> io::Result<Bytes> {
    let mut options = memmap2::MmapOptions::new();
    if populate {
        options.populate();
    }
    // SAFETY: a mapping is sound as long as nobody truncates or rewrites the file under it.
    // Our own output goes to a temporary file that replaces its target by renaming, which
    // leaves the mapped inode alone even where input and output are the same path. Others may do
    // it all the same: `read` says so, offers a copy to those who cannot rule it out, and what
    // is written from here is checked by `check`.
    let map = unsafe { options.map(&file)? };
    let stamp = Stamp::of(meta);
    let mapped = Arc::new(Mapped { map, file, stamp, path: path.to_owned() });
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|mapped| mapped.strong_count() > 0);
    live.push(Arc::downgrade(&mapped));
    drop(live);
    Ok(Bytes::from_owner(Owner(mapped)))
}

/// Whether the files that these bytes are slices of are as they were when they were mapped. The
/// error names one that is not: what was read from it may be partly old and partly new.
pub(crate) fn check<'b>(mut bytes: impl Iterator<Item = &'b Bytes>) -> io::Result<()> {
    let live: Vec<Arc<Mapped>> = {
        let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().filter_map(Weak::upgrade).collect()
    };
    let mut changed = Vec::new();
    for mapped in live {
        if Stamp::of(&mapped.file.metadata()?) != mapped.stamp {
            changed.push(mapped);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let of_changed = |bytes: &Bytes| {
        let is_in = |mapped: &&Arc<Mapped>| mapped.map.as_ptr_range().contains(&bytes.as_ptr());
        changed.iter().find(is_in)
    };
    match bytes.find_map(of_changed) {
        Some(mapped) => Err(io::Error::other(format!(
            "{} was changed while it was in use; run again when nobody writes to it",
            visible_path(&mapped.path)
        ))),
        None => Ok(()),
    }
}
