//! Reading a model in either form: `.tflite` or text.

use crate::Error;
use bytes::Bytes;
use tfq_ir::Module;
use tfq_text as text;
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
///
/// ```
/// use tfq_opt::{LoadOptions, bytes::Bytes, is_text, load};
/// let text = Bytes::from_static(b"tfg 1 quant
/// subgraph @main {
///   %x = input : f32[2]
///   %y = NEG(%x) : f32[2]
///   output %y
/// }
/// ");
/// assert!(is_text(&text));
/// let model = load(&text, &LoadOptions::default())?;
/// assert_eq!(model.subgraphs().len(), 1);
/// # Ok::<(), tfq_opt::Error>(())
/// ```
pub fn load(input: &Bytes, options: &LoadOptions) -> Result<Module, Error> {
    if !is_text(input) {
        return Ok(tfq_tflite::lift(input, &options.lift)?);
    }
    let source = input.strip_prefix(text::BYTE_ORDER_MARK).unwrap_or(input);
    match std::str::from_utf8(source) {
        Ok(text) => parse(text, options),
        Err(error) => Err(not_utf8(source, error.valid_up_to())),
    }
}

/// Reads a model from text.
pub(crate) fn parse(text: &str, options: &LoadOptions) -> Result<Module, Error> {
    let options = text::ParseOptions {
        side: options.side.clone(),
        fills: options.fills,
        ..text::ParseOptions::default()
    };
    text::parse(text, &options)
        .map_err(|error| Error::Text { text: text.to_owned(), error: Box::new(error) })
}

fn not_utf8(source: &[u8], at: usize) -> Error {
    let text = String::from_utf8_lossy(source).into_owned();
    let message = "this byte is no UTF-8".to_owned();
    let help = "texts are UTF-8; other bytes are written `\\xff` inside `b\"...\"`".to_owned();
    let error = text::ParseError::at(&text, at..at, message, Some(help));
    Error::Text { text, error: Box::new(error) }
}

/// Whether the bytes are meant as the text form of a model: no flatbuffer with its identifier,
/// and the first thing that stands there is what a text begins with. The first megabyte tells.
pub fn is_text(input: &[u8]) -> bool {
    !tfq_tflite::is_model(input) && text::is_text(input)
}

impl crate::Source<'_> {
    /// The bytes as they are where they are a `.tflite` file, and the model where they are text.
    ///
    /// ```
    /// use tfq_opt::{LoadOptions, Optimizer, Source, bytes::Bytes};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
    /// let file = Bytes::from(std::fs::read(path)?);
    /// let text = tfq_opt::ir::text::print_skeleton(&tfq_opt::load(&file, &LoadOptions::default())?);
    /// let options = LoadOptions { fills: true, ..LoadOptions::default() };
    /// for input in [file, text.into()] {
    ///     Optimizer::default().run(Source::from_either(input, &options)?)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If it is text, and not as it should be. What is wrong with a file is found when it is read.
    pub fn from_either(input: Bytes, options: &LoadOptions) -> Result<Self, Error> {
        if is_text(&input) { Ok(load(&input, options)?.into()) } else { Ok(input.into()) }
    }
}
