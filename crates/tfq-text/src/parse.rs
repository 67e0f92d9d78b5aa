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
mod op;
mod section;
mod tensor;
mod tokens;

use crate::lex::Token;
use crate::side::Reader;
use crate::values::Scalar;
use crate::{Elisions, ParseError, ParseOptions, quote};
use bytes::Bytes;
use indexmap::IndexMap;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use tfq_ir::{
    CacheReason, CustomOptions, ExternalBuffer, Module, Op, OpCode, OpKind, Tensor, closest,
};
use tokens::Tokens;

pub(super) use section::SECTIONS;

type Span = Range<usize>;

/// The version of the model format; no runtime takes another.
const MODEL_VERSION: u32 = 3;

/// An error before lines and columns are known.
#[derive(Debug)]
struct Fail {
    span: Span,
    message: String,
    help: Option<String>,
}

type Parsed<T> = Result<T, Fail>;

fn fail<T>(span: Span, message: impl Into<String>) -> Parsed<T> {
    Err(Fail { span, message: message.into(), help: None })
}

fn fail_with<T>(span: Span, message: impl Into<String>, help: impl Into<String>) -> Parsed<T> {
    Err(Fail { span, message: message.into(), help: Some(help.into()) })
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

/// A model with names in place of handles.
#[derive(Default)]
struct Raw {
    /// Sections that stand in a text once at most.
    once: Once,
    version: Option<u32>,
    description: Option<Arc<str>>,
    metadata: Vec<RawMetadata>,
    metadata_buffer: Vec<i32>,
    /// Where numbers of buffers stand, which only layouts give them.
    numbers: Option<Span>,
    external_groups: Vec<Option<Arc<str>>>,
    external_buffers: Vec<ExternalBuffer>,
    signatures: Vec<RawSignature>,
    subgraphs: Vec<RawSubgraph>,
    dequant_cache: Option<Vec<RawCacheEntry>>,
    trailer: Bytes,
    constants_outside: bool,
    op_codes: Vec<OpCode>,
    layouts: Vec<RawLayout>,
    buffers: Option<RawBuffers>,
    /// Whether some bytes were made up, so that those who share a buffer may differ.
    made_up: bool,
}

struct RawMetadata {
    name: Option<Arc<str>>,
    buffer: Option<(u32, Span)>,
    bytes: Option<Bytes>,
}

struct RawSignature {
    key: Option<Arc<str>>,
    subgraph: u32,
    tag: Option<Arc<str>>,
    inputs: Vec<(Option<Arc<str>>, RawLink)>,
    outputs: Vec<(Option<Arc<str>>, RawLink)>,
}

enum RawLink {
    Name(Name),
    /// A number, which must be that of no tensor.
    Raw(i32, Span),
}

/// A tensor's name where it is used.
struct Name {
    name: String,
    span: Span,
}

struct RawSubgraph {
    name: String,
    span: Span,
    tensors: IndexMap<String, RawTensor>,
    inputs: Vec<Name>,
    outputs: Vec<Name>,
    ops: Vec<RawOp>,
}

struct RawTensor {
    span: Span,
    tensor: Tensor,
    /// Scales and zero points of a blockwise quantisation.
    links: Option<(RawLink, RawLink)>,
    content: Content,
    /// Whether an op computes it.
    result: bool,
    input: bool,
    /// What its dimensions say of its rank: `[]` has one, and of `[*]` it is not known.
    ranked: Option<bool>,
    /// Whether it has a line of its own.
    apart: bool,
}

enum Content {
    None,
    Bytes(Bytes),
    /// What another tensor has.
    As(Qualified),
}

/// A tensor, perhaps of another subgraph.
struct Qualified {
    subgraph: Option<usize>,
    tensor: Name,
}

struct RawOp {
    span: Span,
    op: Op,
    nth_code: usize,
    operands: Vec<Option<Name>>,
    results: Vec<Name>,
    scratch: Vec<Option<Name>>,
}

struct RawCacheEntry {
    subgraph: usize,
    tensor: Name,
    reason: CacheReason,
    bytes: u64,
    bytes_per_invoke: u64,
}

struct RawLayout {
    subgraph: usize,
    span: Span,
    /// The name in the file, where it is another than the text's.
    name: Option<Option<Arc<str>>>,
    debug: i32,
    tensors: Vec<RawPlace>,
}

struct RawPlace {
    tensor: Name,
    name: Option<Option<Arc<str>>>,
    ranked: bool,
    fixed: bool,
    empty_quantization: bool,
    buffer: RawSlot,
}

enum RawSlot {
    Next,
    None,
    As(Qualified),
    Number(u32),
}

struct RawBuffers {
    count: Option<u32>,
    span: Span,
    bytes: Vec<(u32, Span, Bytes)>,
    shared: Vec<RawShared>,
}

/// Numbers of buffers and of large options that have the same bytes.
struct RawShared {
    span: Span,
    buffers: Vec<u32>,
    options: Vec<usize>,
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    side: Option<Reader>,
    fills: bool,
    /// How many bytes may still be made that the text does not have.
    left: u64,
    /// How many bytes of the side file may still be copied before that is spent too.
    copies_left: u64,
    /// Entries of the side file that something has: the next one gets a copy, since constants
    /// that share their bytes are another model than those that are equal.
    used: HashSet<usize>,
    subgraphs: HashMap<String, usize>,
    made_up: bool,
    elisions: Elisions,
}

/// Words of which each may stand in a place once.
#[derive(Default)]
struct Once {
    seen: Vec<String>,
}

impl Once {
    fn check(&mut self, word: &str, span: &Span) -> Parsed<()> {
        if self.seen.iter().any(|seen| seen == word) {
            return fail(span.clone(), format!("`{}` is set twice", quote::cut(word)));
        }
        self.seen.push(word.to_owned());
        Ok(())
    }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.peek()
    }

    fn peek_after(&self) -> &Token {
        self.tokens.peek_after()
    }

    fn span(&self) -> Span {
        self.tokens.span()
    }

    fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        fail(self.span(), format!("expected {wanted}, found {}", self.peek().describe()))
    }

    fn eat_mark(&mut self, mark: char) -> bool {
        let found = *self.peek() == Token::Mark(mark);
        if found {
            self.tokens.advance();
        }
        found
    }

    fn mark(&mut self, mark: char) -> Parsed<()> {
        if self.eat_mark(mark) { Ok(()) } else { self.unexpected(&format!("`{mark}`")) }
    }

    /// A comma, unless the list is closed next.
    fn comma(&mut self, close: char) -> Parsed<()> {
        if self.eat_mark(',') || *self.peek() == Token::Mark(close) {
            return Ok(());
        }
        self.unexpected(&format!("`,` or `{close}`"))
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found == word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.tokens.advance();
        }
        found
    }

    fn word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { self.unexpected(&format!("`{word}`")) }
    }

    fn any_word(&mut self, wanted: &str) -> Parsed<(String, Span)> {
        let span = self.span();
        let Token::Word(word) = self.peek() else { return self.unexpected(wanted) };
        let word = word.clone();
        self.tokens.advance();
        Ok((word, span))
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Parsed<T> {
        let Token::Number(text) = self.peek() else { return self.unexpected(what) };
        let Ok(number) = text.parse() else {
            return fail(self.span(), format!("{} cannot be {what}", quote::cut(text)));
        };
        self.tokens.advance();
        Ok(number)
    }

    fn string(&mut self, what: &str) -> Parsed<String> {
        let Token::String(text) = self.peek() else {
            return self.unexpected(&format!("{what} in quotes"));
        };
        let text = text.clone();
        self.tokens.advance();
        Ok(text)
    }

    fn optional_string(&mut self) -> Parsed<Option<Arc<str>>> {
        if self.eat_word("none") {
            return Ok(None);
        }
        Ok(Some(self.string("a name, or `none`,")?.into()))
    }

    fn tensor(&mut self) -> Parsed<Name> {
        let span = self.span();
        let Token::Tensor(name) = self.peek() else { return self.unexpected("a tensor (`%name`)") };
        let name = name.clone();
        self.tokens.advance();
        Ok(Name { name, span })
    }

    fn subgraph_name(&mut self) -> Parsed<(String, Span)> {
        let span = self.span();
        let Token::Subgraph(name) = self.peek() else {
            return self.unexpected("a subgraph (`@name`)");
        };
        let name = name.clone();
        self.tokens.advance();
        Ok((name, span))
    }

    fn subgraph_ref(&mut self) -> Parsed<usize> {
        let (name, span) = self.subgraph_name()?;
        if let Some(number) = self.subgraphs.get(&name) {
            return Ok(*number);
        }
        // In order of number, so that the same one is suggested each time.
        let mut names: Vec<(&usize, &String)> =
            self.subgraphs.iter().map(|(a, b)| (b, a)).collect();
        names.sort();
        let near = closest(&name, names.iter().map(|(_, name)| name.as_str()));
        let help = near.map(|near| format!("did you mean `{}`?", quote::shown('@', near)));
        let message = format!("there is no subgraph `{}`", quote::shown('@', &name));
        Err(Fail { span, message, help })
    }

    fn qualified(&mut self) -> Parsed<Qualified> {
        let subgraph = match self.peek() {
            Token::Subgraph(_) => Some(self.subgraph_ref()?),
            _ => None,
        };
        Ok(Qualified { subgraph, tensor: self.tensor()? })
    }

    fn raw_link(&mut self) -> Parsed<RawLink> {
        match self.peek() {
            Token::Number(_) => {
                let span = self.span();
                Ok(RawLink::Raw(self.number("a tensor")?, span))
            }
            _ => Ok(RawLink::Name(self.tensor()?)),
        }
    }

    /// A number as it stands, `inf`, `nan`, `0x…`, `true` or `false`.
    fn scalar<T>(&mut self, what: &str, read: impl FnOnce(Scalar<'_>) -> Option<T>) -> Parsed<T> {
        let scalar = match self.peek() {
            Token::Number(text) => Scalar::Number(text),
            Token::Bits(digits) => Scalar::Bits(digits),
            Token::Word(word) => match word.as_str() {
                "true" => Scalar::Bool(true),
                "false" => Scalar::Bool(false),
                "inf" | "nan" => Scalar::Number(word),
                _ => return self.unexpected(what),
            },
            _ => return self.unexpected(what),
        };
        let Some(value) = read(scalar) else {
            let message = format!("{} cannot be {what}", self.peek().describe());
            return fail(self.span(), message);
        };
        self.tokens.advance();
        Ok(value)
    }
}

impl RawSubgraph {
    fn new(name: String, span: Span) -> Self {
        Self {
            name,
            span,
            tensors: IndexMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            ops: Vec::new(),
        }
    }
}
