//! Names, strings and bytes in quotes.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

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
        string(out, name);
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

/// A string in quotes. Characters that do not show, or change how others show, are escaped.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c => show(out, c),
        }
    }
    out.push('"');
}

fn show(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => match crate::foreign_byte(c) {
            Some(byte) => _ = write!(out, "\\x{byte:02x}"),
            None if is_hidden(c) => _ = write!(out, "\\u{{{:x}}}", c as u32),
            None => out.push(c),
        },
    }
}

/// Whether a character does not show, changes how others show, is an order to a terminal, or
/// stands for a byte that is not part of UTF-8 ([`crate::foreign_byte`]).
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || crate::foreign_byte(c).is_some()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text from a file as a person may be shown it: what [`is_hidden`] is escaped, line ends too.
/// It is idempotent.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    text.chars().for_each(|c| show(&mut out, c));
    out.into()
}

/// The same in double quotes, where quotes and backslashes are escaped as well: a string of the
/// text format, which no other text is shown as.
pub fn visible_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    string(&mut out, text);
    out
}

/// The same for a path: bytes that are not part of UTF-8 are shown as `\xNN`.
pub fn visible_path(path: &Path) -> String {
    visible(&crate::text_from_bytes(path.as_os_str().as_encoded_bytes())).into_owned()
}

/// JSON with the same characters escaped as JSON does it: its values are what they were. A byte
/// that is not part of UTF-8 stays the character that stands for it (U+10FF80 to U+10FFFF).
pub fn visible_json(json: &str) -> Cow<'_, str> {
    // Between values there are spaces and line ends only.
    if !json.chars().any(|c| c != '\n' && is_hidden(c)) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if c == '\n' || !is_hidden(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            _ = write!(out, "\\u{unit:04x}");
        }
    }
    out.into()
}

/// The same for text of several lines, which stay lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_hidden(c)) {
        return text.into();
    }
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n").into()
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
