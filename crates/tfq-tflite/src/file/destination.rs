//! What a path of an output stands for.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Links are followed this far, as the kernel does.
const MOST_LINKS: usize = 40;

/// What becomes of a symbolic link in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// What it names is written; for names that the user gives.
    Follow,
    /// It is replaced. For names in a folder whose contents may be others' work, which must not
    /// say where else we write.
    Replace,
}

/// Where bytes go that are written to a path.
#[derive(Debug)]
pub(super) enum Destination {
    /// To a file that takes this name when it is complete, instead of what is there.
    Name(PathBuf),
    /// Into what is there: a device, a pipe, or a descriptor that somebody opened for us.
    /// Renaming would put a file in its place.
    There(There),
}

#[derive(Debug)]
pub(super) enum There {
    Path(PathBuf),
    Descriptor(i32),
    /// The standard output of this process, as others in it write there.
    Standard,
}

impl Destination {
    pub(super) fn of(path: &Path, links: Links) -> io::Result<Self> {
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name is empty"));
        }
        if links == Links::Replace {
            return match path.symlink_metadata() {
                Ok(meta) if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(Self::Name(path.to_owned())),
            };
        }
        if let Some(descriptor) = descriptor(path) {
            return Ok(Self::There(There::Descriptor(descriptor)));
        }
        match path.metadata() {
            Ok(meta) if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(meta) if meta.is_file() && !in_proc(path) => path.canonicalize().map(Self::Name),
            Ok(_) => Ok(Self::There(There::Path(path.to_owned()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if bytes.ends_with(std::path::MAIN_SEPARATOR_STR.as_bytes()) {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                // A link stays one; what it names is made.
                Ok(Self::Name(behind_links(path)))
            }
            Err(error) => Err(error),
        }
    }
}

impl There {
    /// What to write to, at the place where whoever opened it is.
    pub(super) fn open(&self) -> io::Result<Box<dyn Write>> {
        Ok(match self {
            Self::Path(path) => {
                // By way of a descriptor it may be a file, of which nothing is to be left.
                let is_file = path.metadata()?.is_file();
                let file = File::options().write(true).truncate(is_file).open(path)?;
                Box::new(BufWriter::new(file))
            }
            Self::Descriptor(descriptor) => Box::new(BufWriter::new(duplicate(*descriptor)?)),
            Self::Standard => Box::new(io::stdout().lock()),
        })
    }
}

/// The name to which links lead.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(link) = fs::read_link(&path) else { break };
        path = folder_of(&path).join(link);
    }
    path
}

/// The folder in which a name lies.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether bytes written to this path go into something that is no file of that name: a pipe,
/// a device, an open descriptor such as `/dev/stdout`.
pub fn is_stream(path: &Path) -> bool {
    matches!(Destination::of(path, Links::Follow), Ok(Destination::There(_)))
}

/// Whether the path is another name of standard output.
pub fn is_standard_output(path: &Path) -> bool {
    descriptor(path) == Some(1)
}

/// Whether both paths lead to one regular file, by links of either kind too: to one that is there,
/// or to one that writing would make.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    match (a.metadata(), b.metadata()) {
        (Ok(one), Ok(other)) => one.is_file() && other.is_file() && is_same(a, &one, b, &other),
        (Err(_), Err(_)) => whole(&behind_links(a)) == whole(&behind_links(b)),
        _ => false,
    }
}

/// The path of a file that is not there yet, as it is in its folder.
fn whole(path: &Path) -> PathBuf {
    match (folder_of(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(unix)]
fn is_same(_: &Path, one: &Metadata, _: &Path, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(a: &Path, _: &Metadata, b: &Path, _: &Metadata) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The descriptor of this process that a path names, such as `/dev/fd/3`, through links too.
fn descriptor(path: &Path) -> Option<i32> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Some(number) = named_descriptor(&path) {
            return Some(number);
        }
        let link = fs::read_link(&path).ok()?;
        path = folder_of(&path).join(link);
    }
    None
}

fn named_descriptor(path: &Path) -> Option<i32> {
    let number = path.file_name()?.to_str()?.parse().ok().filter(|number: &i32| *number >= 0)?;
    let folder = path.parent()?;
    let own = Path::new("/proc").join(std::process::id().to_string()).join("fd");
    let is_own = ["/dev/fd", "/proc/self/fd"].iter().any(|name| folder == Path::new(name))
        || folder.canonicalize().is_ok_and(|folder| folder == own);
    is_own.then_some(number)
}

/// Whether it is a link of the kernel's to what another process has open.
fn in_proc(path: &Path) -> bool {
    folder_of(path).canonicalize().is_ok_and(|folder| folder.starts_with("/proc"))
}

/// The open file behind a descriptor, with its offset: what a shell wrote there before and
/// writes there afterwards stays.
#[cfg(unix)]
#[allow(unsafe_code)]
fn duplicate(descriptor: i32) -> io::Result<File> {
    use std::os::fd::BorrowedFd;
    // SAFETY: the number is not negative, and it is borrowed only for the call that duplicates
    // it, in which the kernel says whether it is open. The user names descriptors that were
    // open before this process began; nothing in it closes these.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(borrowed.try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn duplicate(_: i32) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
