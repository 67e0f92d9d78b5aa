//! Files in and out.

mod place;
mod temporary;
mod write;

pub use place::{is_same_file, is_standard_output, is_stream};
pub use temporary::{TemporaryFolder, remove_temporaries_on_signals};
pub use write::{
    Links, WriteError, check_can_write, write_atomically, write_bytes, write_together,
};

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
/// The file must not be changed while the bytes are in use; nothing else in the workspace
/// could notice.
#[allow(unsafe_code)]
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
    let mut options = memmap2::MmapOptions::new();
    // Of what is no model the first bytes are enough to refuse it.
    if access == Access::Whole && is_model(&mut file)? {
        options.populate();
    }
    // SAFETY: a mapping is sound as long as nobody truncates or rewrites the file under it.
    // Our own output goes to a temporary file that replaces its target by renaming, which
    // leaves the mapped inode alone even where input and output are the same path.
    let map = unsafe { options.map(&file)? };
    Ok(Bytes::from_owner(map))
}

/// Whether a file has the identifier of the format. What is read of it is its first bytes.
fn is_model(file: &mut File) -> io::Result<bool> {
    let mut first = [0; 8];
    match file.read_exact(&mut first) {
        Ok(()) => Ok(first[4..] == *tfq_schema::tflite::MODEL_IDENTIFIER.as_bytes()),
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
