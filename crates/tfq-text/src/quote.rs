//! Names, strings and bytes in quotes.

use std::borrow::Cow;
use std::fmt::Write;
use tfq_ir::quote_into;

/// Whether a name can stand without quotes: letters, digits and `_ . $ /`, and in between also
/// `- : ;`, which TensorFlow's names are full of. Two slashes begin a comment.
pub(super) fn is_bare(name: &str) -> bool {
    bare_len(name.as_bytes()) == name.len() && !name.is_empty()
}

/// Length of the bare name at the start of `text`.
pub(super) fn bare_len(text: &[u8]) -> usize {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    let mut at = 0;
    loop {
        let next = text.get(at + 1);
        match text.get(at) {
            Some(byte) if word(byte) => at += 1,
            Some(b'/') if next != Some(&b'/') => at += 1,
            Some(b'-' | b':' | b';') if at > 0 && next.is_some_and(word) => at += 1,
            _ => return at,
        }
    }
}

/// Length of the string at the start of `text`, with its quotes; all of it where it is not closed.
pub fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A name behind its sigil, in quotes where it needs them.
pub(super) fn name(out: &mut String, sigil: char, name: &str) {
    out.push(sigil);
    if is_bare(name) {
        out.push_str(name);
    } else {
        quote_into(out, name);
    }
}

/// Longer names are cut off in messages.
const LONGEST_SHOWN: usize = 100;

/// What a message shows of a word of a text: its beginning, where it is long.
pub(super) fn cut(word: &str) -> Cow<'_, str> {
    match word.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &word[..end]).into(),
        None => word.into(),
    }
}

/// A name in a message: as a text has it, and not longer than can be read.
pub(super) fn shown(sigil: char, long: &str) -> String {
    let mut out = String::new();
    match long.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => {
            name(&mut out, sigil, &long[..end]);
            out.push('…');
        }
        None => name(&mut out, sigil, long),
    }
    out
}

/// Bytes in quotes, with what is no ASCII as `\xNN`.
pub(super) fn bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("b\"");
    for &byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(byte as char),
            byte => _ = write!(out, "\\x{byte:02x}"),
        }
    }
    out.push('"');
}
