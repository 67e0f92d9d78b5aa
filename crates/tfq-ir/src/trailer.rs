//! What follows a model in its file, where that knows its own place: a zip.

use bytes::Bytes;

/// The trailer as it must read at a new place. A zip counts its offsets from the start of the
/// file it stands in, so they move with it; other bytes are left alone.
pub fn relocated_trailer(trailer: &Bytes, new_at: u64) -> Bytes {
    if !is_zip(trailer) {
        return trailer.clone();
    }
    moved_zip(trailer, new_at).unwrap_or_else(|| trailer.clone())
}

/// Whether the bytes begin as a zip does.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

const END_RECORD: usize = 22;
const CENTRAL_HEADER: usize = 46;

/// Rewrites the offsets of a zip so that they count from the start of a file in which the zip
/// begins at `at`. `None` where it is not a plain zip (Zip64, damaged): readers find such a
/// one by searching, or not at all, as before.
fn moved_zip(zip: &[u8], at: u64) -> Option<Bytes> {
    let end = (0..=zip.len().checked_sub(END_RECORD)?).rev().take(0xffff + 1).find(|at| {
        zip[*at..].starts_with(b"PK\x05\x06")
            && *at + END_RECORD + usize::from(u16_at(zip, at + 20)) == zip.len()
    })?;
    let count = usize::from(u16_at(zip, end + 10));
    let size = u32_at(zip, end + 12) as usize;
    let directory = end.checked_sub(size)?;
    // How far the zip's own idea of its place is from where it began.
    let shift = |stored: u32, was: u64| -> Option<u32> {
        let begin = u64::from(u32_at(zip, end + 16)).checked_sub(directory as u64)?;
        u32::try_from(u64::from(stored).checked_sub(begin)?.checked_add(was)?).ok()
    };
    let mut out = zip.to_vec();
    let mut entry = directory;
    for _ in 0..count {
        if !zip.get(entry..entry + CENTRAL_HEADER)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let moved = shift(u32_at(zip, entry + 42), at)?;
        out[entry + 42..entry + 46].copy_from_slice(&moved.to_le_bytes());
        let lengths = [28, 30, 32].map(|field| usize::from(u16_at(zip, entry + field)));
        entry += CENTRAL_HEADER + lengths.iter().sum::<usize>();
    }
    if entry != end {
        return None;
    }
    let moved = shift(u32_at(zip, end + 16), at)?;
    out[end + 16..end + 20].copy_from_slice(&moved.to_le_bytes());
    Some(out.into())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
