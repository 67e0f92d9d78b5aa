//! Files in and out.

mod destination;
mod temporary;
mod write;

pub use destination::{Links, folder_of, is_same_file, is_standard_output, is_stream};
#[cfg(unix)]
pub(crate) use temporary::remove_all as remove_temporaries;
pub use temporary::{TemporaryFolder, remove_temporaries_on_signals};
pub use write::{
    Together, WriteError, check_can_write, write_atomically, write_bytes, write_together,
};

use crate::mapped;
use crate::metadata::is_model;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How much of a file will be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All of it, weights included. The kernel then maps all pages of a model in one go, which on
    /// a file in the page cache takes a third of the time that a fault for each few pages does.
    Whole,
    /// Little besides the structure.
    Parts,
}

/// Maps a file into memory. Weights are read from there as they are needed and never copied.
///
/// The file must not be changed while the bytes are in use: the bytes would be others all of a
/// sudden, and where the file was cut off, the system ends the process with a signal (`SIGBUS`).
/// [`crate::Image::write_to`] notices afterwards, by size and time of the last change, and gives an
/// error. Programs end in order with [`crate::end_on_lost_bytes`]. Whoever cannot rely on the file
/// to stay takes [`read_copy`].
pub fn read(path: &Path, access: Access) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Pipes and the like cannot be mapped, and a mapping of nothing is an error.
    if !meta.is_file() || meta.len() == 0 {
        return read_all(file);
    }
    // What is no model need not be read to the end to see that.
    let whole = access == Access::Whole && begins_as_model(&mut file)?;
    mapped::map(path, file, &meta, whole)
}

/// Reads a file into memory of its own, so that nobody else can change the bytes.
pub fn read_copy(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    read_all(file)
}

/// Whether a file has the identifier of the format. What is read of it is its first bytes.
fn begins_as_model(file: &mut File) -> io::Result<bool> {
    let mut first = [0; 8];
    match file.read_exact(&mut first) {
        Ok(()) => Ok(is_model(&first)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a stream to its end.
pub fn read_all(mut input: impl Read) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// Reads a stream to its end, which comes soon where its beginning is not that of what is wanted.
/// Devices such as `/dev/zero` have no end.
pub fn read_all_of(
    mut input: impl Read,
    is_wanted: impl FnOnce(&[u8]) -> bool,
) -> io::Result<Bytes> {
    /// From so much on it can be told.
    const BEGINNING: u64 = 1 << 20;
    let mut bytes = Vec::new();
    input.by_ref().take(BEGINNING).read_to_end(&mut bytes)?;
    if is_wanted(&bytes) {
        input.read_to_end(&mut bytes)?;
    }
    Ok(bytes.into())
}

/// A text has at the most so many bytes: more than tools write that put what is large beside it.
/// What is no file, such as a device, may have no end.
pub const MOST_TEXT: u64 = 1 << 30;

/// Reads a text, be it in a file or a stream. An error where it has more than `most` bytes, which
/// are not read then, or where it is no UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    read_text_of(file, most)
}

/// As [`read_text`], of what is open already.
pub fn read_text_of(input: impl Read, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!("it has more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("byte {at} is no UTF-8"))
    })
}
