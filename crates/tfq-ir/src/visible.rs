//! Text from files as people may be shown it.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

/// A string in quotes. Characters that do not show, or change how others show, are escaped.
pub fn quote_into(out: &mut String, text: &str) {
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
    // Names are ASCII nearly always, which is told by bytes.
    let shows = |byte: &u8| matches!(byte, b' '..=b'~');
    if text.as_bytes().iter().all(shows) || !text.chars().any(is_hidden) {
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
    quote_into(&mut out, text);
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
