//! Files in and out.

use crate::Image;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
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

/// Writes a model so that `path` holds all of it or what it held before: to a temporary file
/// in the same folder, which then takes the name. A symbolic link stays one: what it names is
/// replaced. A file that is replaced keeps its permissions.
pub fn write_atomically(path: &Path, image: &Image, progress: impl FnMut(u64)) -> io::Result<()> {
    // A device or pipe is written in place: renaming would replace it by a file.
    let in_place = path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
    if in_place {
        let mut out = BufWriter::new(File::options().write(true).open(path)?);
        image.write_to(&mut out, progress)?;
        return out.flush();
    }
    let target = match path.canonicalize() {
        Ok(target) => target,
        // Nothing is there, or a link to nothing, which like any name is taken over.
        Err(_) => path.to_owned(),
    };
    let folder =
        target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tfq-opt-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What a plain `open` would ask for; the umask takes its share.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder)?;
    // A private model must not become readable by everybody because it was rewritten.
    if let Ok(meta) = target.metadata() {
        if meta.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        temporary.as_file().set_permissions(meta.permissions())?;
    }
    image.write_to(temporary.as_file_mut(), progress)?;
    temporary.persist(&target).map_err(|error| error.error)?;
    Ok(())
}
