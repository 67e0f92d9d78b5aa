//! From text to a model.
//!
//! The text is read into what [`Raw`] holds, in which tensors are names; then `build` makes
//! the graph, so that a text may name things that come later. Nothing here calls itself, so that
//! a text may nest as deep as it likes, and nothing is made of few letters that has no limit
//! ([`Parser::spend`]).
//!
//! What is said twice is an error, and so is what would be read and then count for nothing: a
//! text means all that it says.

mod build;
mod content;
mod error;
mod op;
mod parser;
mod raw;
mod section;
mod tensor;
mod tokens;

use crate::Elisions;
use crate::side::Reader;
use bytes::Bytes;
use error::{Fail, Parsed, Span, fail, fail_with};
use parser::Parser;
use raw::{
    Content, MODEL_VERSION, Name, Once, Qualified, Raw, RawBuffers, RawCacheEntry, RawLayout,
    RawLink, RawMetadata, RawOp, RawPlace, RawRecord, RawRecordEntry, RawRecorded, RawShared,
    RawSignature, RawSlot, RawSubgraph, RawTensor,
};
use std::collections::HashSet;
use tfq_ir::Module;
use tokens::Tokens;

pub use error::ParseError;
pub(super) use section::SECTIONS;

/// What parsing may use besides the text.
#[derive(Clone, Debug)]
pub struct ParseOptions {
    /// The side file, with the bytes of which the text has the hash.
    pub side: Option<Bytes>,
    /// Whether constants that the text leaves out may be made up. They are then the same on
    /// every machine, and resemble the statistics where the text has those.
    pub fills: bool,
    /// How many bytes a text may ask for that it does not have: those of fills, of lists of which
    /// it has one element, and copies of what is in the side file.
    pub max_fill_bytes: u64,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { side: None, fills: false, max_fill_bytes: 1 << 30 }
    }
}

pub(super) fn parse(text: &str, options: &ParseOptions) -> Result<(Module, Elisions), ParseError> {
    parse_text(text, options)
        .map_err(|fail| ParseError::at(text, fail.span, fail.message, fail.help))
}

fn parse_text(text: &str, options: &ParseOptions) -> Parsed<(Module, Elisions)> {
    let (tokens, subgraphs) = Tokens::new(text)?;
    let side = match options.side.as_ref().map(Reader::new) {
        Some(Ok(side)) => Some(side),
        Some(Err(what)) => return fail(0..0, what),
        None => None,
    };
    let side_bytes = options.side.as_ref().map_or(0, |side| side.len() as u64);
    let mut parser = Parser {
        tokens,
        side,
        fills: options.fills,
        left: options.max_fill_bytes,
        copies_left: side_bytes.saturating_mul(COPIES),
        used: HashSet::new(),
        subgraphs,
        made_up: false,
        elisions: Elisions::default(),
    };
    let mut raw = parser.model()?;
    raw.made_up = parser.made_up;
    Ok((build::build(raw)?, parser.elisions.sorted()))
}

/// How many times over a text may take what is in its side file, before that counts as bytes
/// that it asks for. Reading a `.tflite` file bears as much.
const COPIES: u64 = 16;
