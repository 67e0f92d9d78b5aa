//! What is wrong with edits, and where.

use std::fmt;
use tfq_ir::{did_you_mean, visible};

/// Why edits could not be read or applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditsError {
    /// Where: a path in the JSON, such as `edits[3].edit.patch.add_ops[0].op.operator`. Empty for
    /// the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    missing_bytes: bool,
    wrong_bytes: bool,
}

impl fmt::Display for EditsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{}: {}", visible(path), self.message),
        }
    }
}

impl std::error::Error for EditsError {}

/// What is longer is cut in the middle: it comes from a file, and nobody reads it.
const LONGEST: usize = 1000;
/// The same for a value that a message quotes.
const LONGEST_VALUE: usize = 80;

impl EditsError {
    pub(crate) fn new(path: impl Into<String>, message: impl fmt::Display) -> Self {
        let message = cut(&visible(&message.to_string()), LONGEST);
        Self {
            path: cut(&path.into(), LONGEST),
            message,
            help: None,
            missing_bytes: false,
            wrong_bytes: false,
        }
    }

    pub(crate) fn help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// That bytes which are named by hash were not sent along.
    pub(crate) fn of_missing_bytes(self) -> Self {
        Self { missing_bytes: true, ..self }
    }

    /// Whether bytes that are named by hash are missing since none were sent along.
    pub fn is_missing_bytes(&self) -> bool {
        self.missing_bytes
    }

    /// That the side file has no bytes of a hash, or others.
    pub(crate) fn of_wrong_bytes(self) -> Self {
        Self { wrong_bytes: true, ..self }
    }

    /// Whether a side file was sent along that does not have bytes which are named by hash.
    pub fn is_wrong_bytes(&self) -> bool {
        self.wrong_bytes
    }

    /// What the reader of JSON says, in JSON's words.
    pub(crate) fn of_json(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = match error.path().to_string().as_str() {
            "." => String::new(),
            path => path.to_owned(),
        };
        Self::of_syntax(path, error.inner())
    }

    /// As [`Self::of_json`], at this path.
    pub(crate) fn of_syntax(path: impl Into<String>, error: &serde_json::Error) -> Self {
        let whole = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = match whole.strip_suffix(&place) {
            Some(message) => format!("{}{place}", in_words_of_json(message)),
            None => in_words_of_json(&whole),
        };
        Self::new(path, &message).help(unknown_name(&message))
    }
}

/// What serde says in the words of Rust. Both ends of such a message are of its making; in the
/// middle may be anything that a file says.
fn in_words_of_json(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return format!("unknown name {rest}");
    }
    let kinds = ["invalid type: ", "invalid value: ", "invalid length "];
    let wrong = kinds.iter().find_map(|kind| message.strip_prefix(kind));
    let Some((found, wanted)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let wanted = match wanted {
        "i8" => "a whole number from -128 to 127",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "u32" => "a whole number from 0 to 4294967295",
        "i64" | "u64" => "a 64-bit whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        wanted => wanted,
    };
    let words = [
        ("integer ", "the number "),
        ("floating point ", "the number "),
        ("string ", "the string "),
        ("boolean ", ""),
        ("sequence", "a list"),
        ("map", "an object"),
        ("unit value", "null"),
    ];
    let word = words.iter().find_map(|(rust, json)| Some((json, found.strip_prefix(rust)?)));
    let found = word.map_or_else(|| found.to_owned(), |(json, rest)| format!("{json}{rest}"));
    format!("{wanted} is wanted, not {}", cut(&found, LONGEST_VALUE))
}

/// The beginning and the end of what is longer than so many bytes.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let start = &text[..text.floor_char_boundary(most / 2)];
    let end = &text[text.ceil_char_boundary(text.len() - most / 2)..];
    format!("{start}…{end}")
}

/// Messages about unknown fields and names say which there are, each between backticks behind the
/// unknown one.
fn unknown_name(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    did_you_mean(unknown, quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_not_taken_for_the_words_around_it() {
        let found = in_words_of_json("invalid type: string \"a, expected i32\", expected u32");
        let wanted = "a whole number from 0 to 4294967295 is wanted, not the string ";
        assert_eq!(found, format!("{wanted}\"a, expected i32\""));
        let found = in_words_of_json("unknown variant `invalid type: map`, expected `a` or `b`");
        assert_eq!(found, "unknown name `invalid type: map`, expected `a` or `b`");
        assert_eq!(in_words_of_json("missing field `x`"), "missing field `x`");
    }

    #[test]
    fn what_is_long_is_cut_in_the_middle() {
        assert_eq!(cut("short", 6), "short");
        assert_eq!(cut("0123456789", 6), "012…789");
        assert_eq!(cut("ää0123456789ää", 6), "ä…ä");
    }
}
