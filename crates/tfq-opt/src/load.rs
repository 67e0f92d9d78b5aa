//! Reading a model in either form: `.tflite` or text.

use crate::Error;
use bytes::Bytes;
use tfq_ir::{Module, text};
use tfq_tflite::LiftOptions;

/// How a model is read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// How strictly a `.tflite` file is read.
    pub lift: LiftOptions,
    /// The side file of a text, with the constants that it only has the hash of.
    pub side: Option<Bytes>,
    /// Whether constants that a text leaves out may be made up.
    pub fills: bool,
}

/// Reads a model: text where the bytes are text, else a `.tflite` file, whose constants stay
/// slices of `input`.
pub fn load(input: &Bytes, options: &LoadOptions) -> Result<Module, Error> {
    let Some(text) = as_text(input) else {
        return Ok(tfq_tflite::lift(input, &options.lift)?);
    };
    let options = text::ParseOptions {
        side: options.side.clone(),
        fills: options.fills,
        ..text::ParseOptions::default()
    };
    text::parse(text, &options)
        .map_err(|error| Error::Text { text: text.to_owned(), error: Box::new(error) })
}

/// The text, if the bytes are the text form of a model: its first line that says something
/// begins with `tfg`, which no flatbuffer does in a place where its root offset stands.
pub fn as_text(input: &[u8]) -> Option<&str> {
    let head = &input[..input.len().min(4096)];
    let head = match std::str::from_utf8(head) {
        Ok(head) => head,
        // The cut may be inside a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let first =
        head.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
    let is_text = first?.strip_prefix("tfg")?.starts_with(char::is_whitespace);
    if is_text { std::str::from_utf8(input).ok() } else { None }
}

impl crate::Source<'_> {
    /// The bytes as they are where they are a `.tflite` file, and the model where they are text.
    pub fn from_either(input: Bytes, options: &LoadOptions) -> Result<Self, Error> {
        if as_text(&input).is_some() { Ok(load(&input, options)?.into()) } else { Ok(input.into()) }
    }
}
