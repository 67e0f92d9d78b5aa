//! Names whose bytes are no UTF-8, which the format's readers take.
//!
//! Names are `str` everywhere, so that bytes which are no UTF-8 stand as private characters in
//! them, U+10FF80 to U+10FFFF for the bytes 80 to ff (as Python's `surrogateescape` does it, with
//! characters that a `str` can hold). Only reading and writing files, and quoting names, know of
//! it. A file that has these very characters is read as bytes too, so that nothing is lost.

use std::borrow::Cow;

/// The character that stands for a byte of 128 or more is this and the byte.
const BASE: u32 = 0x0010_ff00;

/// The text of a file's bytes.
pub fn text_from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !has_foreign_bytes(text)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match foreign_byte(c) {
                Some(_) => {
                    let mut buffer = [0; 4];
                    text.extend(c.encode_utf8(&mut buffer).bytes().map(foreign_char));
                }
                None => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(foreign_char));
    }
    Cow::Owned(text)
}

/// The bytes that a text stands for in a file.
pub fn bytes_of_text(text: &str) -> Cow<'_, [u8]> {
    if !has_foreign_bytes(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match foreign_byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// In UTF-8 all characters that stand for bytes begin alike, and names have hardly any others that do.
fn has_foreign_bytes(text: &str) -> bool {
    const FIRST: u8 = 0xf4;
    text.as_bytes().contains(&FIRST) && text.chars().any(|c| foreign_byte(c).is_some())
}

/// The byte that a character of a name stands for, where it is no part of UTF-8 in the file.
pub fn foreign_byte(c: char) -> Option<u8> {
    let byte = (c as u32).checked_sub(BASE)?;
    u8::try_from(byte).ok().filter(|byte| !byte.is_ascii())
}

/// The character that stands for a byte of 128 or more; others stand for themselves.
pub fn foreign_char(byte: u8) -> char {
    match byte.is_ascii() {
        true => char::from(byte),
        false => char::from_u32(BASE + u32::from(byte)).expect("it is below U+110000"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_of_bytes_comes_back() {
        let own = "\u{10ff7f}\u{10ff80}\u{10ffff}";
        let cases: [&[u8]; 8] = [
            b"",
            b"plain",
            "grüße".as_bytes(),
            b"\xff\xfe",
            b"a\xc3(b\xe2\x82",
            b"\xed\xa0\x80",
            own.as_bytes(),
            &[0, 0x7f, 0x80, 0xbf, 0xc0, 0xf4, 0x90, 0x80, 0x80],
        ];
        for bytes in cases {
            let text = text_from_bytes(bytes);
            assert_eq!(bytes_of_text(&text), bytes, "{text:?}");
        }
        assert_eq!(text_from_bytes(b"a\xff"), "a\u{10ffff}");
        assert!(matches!(text_from_bytes("grüße".as_bytes()), Cow::Borrowed("grüße")));
    }

    #[test]
    fn different_bytes_are_different_texts() {
        let mut seen = std::collections::HashMap::new();
        let parts: [&[u8]; 6] =
            [b"\xff", "\u{10ffff}".as_bytes(), b"\xf4", b"\x8f\xbf\xbf", b"a", "ü".as_bytes()];
        for a in parts {
            for b in parts {
                let bytes = [a, b].concat();
                let text = text_from_bytes(&bytes).into_owned();
                let known = seen.entry(text).or_insert_with(|| bytes.clone());
                assert_eq!(*known, bytes);
            }
        }
    }
}
