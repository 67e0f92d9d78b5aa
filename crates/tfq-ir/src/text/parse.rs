//! From text to a model.
//!
//! The text is read into what [`Raw`] holds, in which tensors are names; then `build` makes
//! the graph, so that a text may name things that come later.

mod build;
mod content;
mod op;
mod tensor;

use crate::text::lex::{Token, lex};
use crate::text::print::REASONS;
use crate::text::side::Reader;
use crate::text::values::Scalar;
use crate::text::{Level, ParseError, ParseOptions, VERSION};
use crate::{CacheReason, CustomOptions, ExternalBuffer, Module, Op, OpCode, OpKind, Tensor};
use bytes::Bytes;
use indexmap::IndexMap;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

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

pub(super) fn parse(text: &str, options: &ParseOptions) -> Result<Module, ParseError> {
    parse_text(text, options)
        .map_err(|fail| ParseError::at(text, fail.span, fail.message, fail.help))
}

fn parse_text(text: &str, options: &ParseOptions) -> Parsed<Module> {
    let tokens = lex(text).map_err(|error| Fail {
        span: error.span,
        message: error.message,
        help: error.help.map(str::to_owned),
    })?;
    let side = match options.side.as_ref().map(Reader::new) {
        Some(Ok(side)) => Some(side),
        Some(Err(what)) => return fail(0..0, what),
        None => None,
    };
    let mut parser = Parser {
        tokens,
        at: 0,
        side,
        fills: options.fills,
        left: options.max_fill_bytes,
        used: HashSet::new(),
        subgraphs: HashMap::new(),
        made_up: false,
    };
    parser.find_subgraphs()?;
    let mut raw = parser.model()?;
    raw.made_up = parser.made_up;
    build::build(raw)
}

/// A model with names in place of handles.
#[derive(Default)]
struct Raw {
    version: Option<u32>,
    description: Option<Arc<str>>,
    metadata: Vec<RawMetadata>,
    metadata_buffer: Vec<i32>,
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
    Raw(i32),
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
    shared: Vec<(Span, Vec<u32>)>,
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    side: Option<Reader>,
    fills: bool,
    /// How many bytes fills may still make.
    left: u64,
    /// Entries of the side file that something has: the next one gets a copy, since constants
    /// that share their bytes are another model than those that are equal.
    used: HashSet<usize>,
    subgraphs: HashMap<String, usize>,
    made_up: bool,
}

const SECTIONS: [&str; 14] = [
    "version",
    "description",
    "metadata",
    "external_group",
    "external_buffer",
    "signature",
    "subgraph",
    "dequant_cache",
    "trailer",
    "constants",
    "metadata_buffer",
    "opcodes",
    "layout",
    "buffers",
];

impl Parser {
    /// Numbers the subgraphs, so that attributes and signatures can name those that follow.
    fn find_subgraphs(&mut self) -> Parsed<()> {
        let mut depth = 0_usize;
        let mut last = None;
        for (token, span) in &self.tokens {
            let number = self.subgraphs.len();
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth = depth.saturating_sub(1),
                Token::Subgraph(name)
                    if depth == 0 && last == Some(&Token::Word("subgraph".to_owned())) =>
                {
                    let known = self.subgraphs.insert(name.clone(), number);
                    if known.is_some() {
                        return fail(
                            span.clone(),
                            format!("there is a subgraph `@{name}` already"),
                        );
                    }
                }
                // Ops outside of all subgraphs are one of their own.
                Token::Tensor(_) if depth == 0 => {
                    self.subgraphs.entry("main".to_owned()).or_insert(number);
                }
                _ => (),
            }
            last = Some(token);
        }
        Ok(())
    }

    fn model(&mut self) -> Parsed<Raw> {
        let mut raw = Raw::default();
        if self.eat_word("tfg") {
            let span = self.span();
            let version: u32 = self.number("the version of the text format")?;
            if version != VERSION {
                return fail(span, format!("text format {version} is unknown, this is {VERSION}"));
            }
            if let Token::Word(word) = self.peek()
                && (Level::from_name(word).is_some() || word == "skeleton")
            {
                self.at += 1;
            } else if let Token::Word(word) = self.peek()
                && let Some(near) = closest(word, Level::ALL.iter().map(|level| level.name()))
            {
                let message = format!("there is no level `{word}`");
                return fail_with(self.span(), message, format!("did you mean `{near}`?"));
            }
        }
        while *self.peek() != Token::End {
            self.section(&mut raw)?;
        }
        if raw.subgraphs.is_empty() {
            return fail_with(
                self.span(),
                "there is no subgraph",
                "a model begins with `subgraph @main {`",
            );
        }
        Ok(raw)
    }

    fn section(&mut self, raw: &mut Raw) -> Parsed<()> {
        let span = self.span();
        let word = match self.peek() {
            Token::Word(word) => word.clone(),
            Token::Tensor(_) => String::new(),
            other => {
                return fail(
                    span,
                    format!("expected a section or an op, found {}", other.describe()),
                );
            }
        };
        if !SECTIONS.contains(&word.as_str()) {
            return self.loose_statement(raw, &word);
        }
        self.at += 1;
        match word.as_str() {
            "version" => {
                let span = self.span();
                let version = self.number("the version of the model")?;
                if version != MODEL_VERSION {
                    let message = format!("a model of version {version} is no model that runs");
                    return fail_with(span, message, "the version is 3");
                }
                raw.version = Some(version);
            }
            "description" => raw.description = Some(self.string("a description")?.into()),
            "metadata" => {
                let name = self.optional_string()?;
                let buffer = match self.eat_word("buffer") {
                    true => {
                        let span = self.span();
                        Some((self.number("a buffer")?, span))
                    }
                    false => None,
                };
                self.mark('=')?;
                let bytes = if self.eat_word("none") { None } else { Some(self.blob()?) };
                raw.metadata.push(RawMetadata { name, buffer, bytes });
            }
            "external_group" => {
                let name = self.optional_string()?;
                raw.external_groups.push(name);
            }
            "external_buffer" => {
                let buffer = self.external_buffer()?;
                raw.external_buffers.push(buffer);
            }
            "signature" => {
                let signature = self.signature()?;
                raw.signatures.push(signature);
            }
            "subgraph" => {
                let (name, span) = self.subgraph_name()?;
                self.check_number(raw, &name, &span)?;
                let mut subgraph = RawSubgraph::new(name, span);
                self.mark('{')?;
                while !self.eat_mark('}') {
                    if *self.peek() == Token::End {
                        return fail(subgraph.span, "the `{` of this subgraph is never closed");
                    }
                    self.statement(&mut subgraph)?;
                }
                raw.subgraphs.push(subgraph);
            }
            "dequant_cache" => {
                let entries = self.dequant_cache()?;
                raw.dequant_cache = Some(entries);
            }
            "trailer" => {
                self.mark('=')?;
                raw.trailer = self.blob()?;
            }
            "constants" => {
                self.word("outside")?;
                raw.constants_outside = true;
            }
            "metadata_buffer" => raw.metadata_buffer = self.list()?.0,
            "opcodes" => {
                self.mark('{')?;
                while !self.eat_mark('}') {
                    let code = self.op_code()?;
                    raw.op_codes.push(code);
                }
            }
            "layout" => {
                let layout = self.layout()?;
                raw.layouts.push(layout);
            }
            _ => raw.buffers = Some(self.buffers()?),
        }
        Ok(())
    }

    /// Ops outside of all subgraphs are those of the only one, which keeps small texts small.
    fn loose_statement(&mut self, raw: &mut Raw, word: &str) -> Parsed<()> {
        let span = self.span();
        let known = crate::catalog::op_by_name(word).is_some();
        if !known && !matches!(word, "" | "input" | "output" | "custom" | "builtin") {
            let message = format!("there is no section or operator `{word}`");
            let ops = crate::catalog::all_ops().iter().map(|op| op.name);
            if super::type_from_name(word).is_some() {
                return fail_with(span, message, "a type stands behind a `:`");
            }
            return match closest(word, SECTIONS.into_iter().chain(ops)) {
                Some(near) => fail_with(span, message, format!("did you mean `{near}`?")),
                None => fail(span, message),
            };
        }
        let at = match raw.subgraphs.iter().position(|subgraph| subgraph.name == "main") {
            Some(at) => at,
            None => {
                self.check_number(raw, "main", &span)?;
                raw.subgraphs.push(RawSubgraph::new("main".to_owned(), span));
                raw.subgraphs.len() - 1
            }
        };
        self.statement(&mut raw.subgraphs[at])
    }

    fn check_number(&self, raw: &Raw, name: &str, span: &Span) -> Parsed<()> {
        let expected = self.subgraphs.get(name).copied();
        if expected.is_some_and(|expected| expected != raw.subgraphs.len()) {
            return fail(span.clone(), "ops outside of subgraphs must be the only subgraph");
        }
        Ok(())
    }

    fn external_buffer(&mut self) -> Parsed<ExternalBuffer> {
        let id = self.number("the external buffer's identifier")?;
        let mut buffer = ExternalBuffer { id, group: 0, offset: 0, length: 0, packing: None };
        self.mark('{')?;
        while !self.eat_mark('}') {
            let (key, span) = self.any_word("a field")?;
            self.mark('=')?;
            match key.as_str() {
                "group" => buffer.group = self.number("a group")?,
                "offset" => buffer.offset = self.number("an offset")?,
                "length" => buffer.length = self.number("a length")?,
                "packing" => buffer.packing = Some(self.string("a packing")?.into()),
                _ => {
                    let help = "it has group, offset, length and packing";
                    return fail_with(span, format!("an external buffer has no `{key}`"), help);
                }
            }
            self.comma('}')?;
        }
        Ok(buffer)
    }

    fn signature(&mut self) -> Parsed<RawSignature> {
        let key = self.optional_string()?;
        let subgraph = match self.peek() {
            Token::Number(_) => self.number("a subgraph")?,
            _ => self.subgraph_ref()? as u32,
        };
        let tag = if self.eat_word("tag") { Some(self.string("a tag")?.into()) } else { None };
        let mut signature =
            RawSignature { key, subgraph, tag, inputs: Vec::new(), outputs: Vec::new() };
        self.mark('{')?;
        while !self.eat_mark('}') {
            let (word, span) = self.any_word("`input` or `output`")?;
            if !matches!(word.as_str(), "input" | "output") {
                return fail(span, format!("expected `input` or `output`, found `{word}`"));
            }
            let name = self.optional_string()?;
            self.mark('=')?;
            let link = self.raw_link()?;
            let list = if word == "input" { &mut signature.inputs } else { &mut signature.outputs };
            list.push((name, link));
        }
        Ok(signature)
    }

    fn dequant_cache(&mut self) -> Parsed<Vec<RawCacheEntry>> {
        let mut entries = Vec::new();
        self.mark('{')?;
        while !self.eat_mark('}') {
            let subgraph = self.subgraph_ref()?;
            let tensor = self.tensor()?;
            let (word, span) = self.any_word("a reason")?;
            let Some((reason, _)) = REASONS.iter().find(|(_, name)| *name == word) else {
                let names: Vec<&str> = REASONS.iter().map(|(_, name)| *name).collect();
                let help = format!("reasons are {}", names.join(", "));
                return fail_with(span, format!("there is no reason `{word}`"), help);
            };
            self.word("bytes")?;
            let bytes = self.number("a number of bytes")?;
            self.word("per_invoke")?;
            let bytes_per_invoke = self.number("a number of bytes")?;
            entries.push(RawCacheEntry {
                subgraph,
                tensor,
                reason: *reason,
                bytes,
                bytes_per_invoke,
            });
        }
        Ok(entries)
    }

    fn op_code(&mut self) -> Parsed<OpCode> {
        let kind = self.kind()?;
        let version = self.version()?;
        let mut code = OpCode::for_kind(&kind, version);
        loop {
            if self.eat_word("builtin_code") {
                code.builtin = self.number("an operator's number")?;
            } else if self.eat_word("deprecated_builtin_code") {
                code.deprecated_builtin = self.number("an operator's number")?;
            } else if self.eat_word("custom_code") {
                code.custom = self.optional_string()?;
            } else {
                return Ok(code);
            }
        }
    }

    fn layout(&mut self) -> Parsed<RawLayout> {
        let span = self.span();
        let subgraph = self.subgraph_ref()?;
        let mut layout = RawLayout { subgraph, span, name: None, debug: -1, tensors: Vec::new() };
        let mut ranked = false;
        while !self.eat_mark('{') {
            let (word, span) = self.any_word("`{`")?;
            match word.as_str() {
                "name" => layout.name = Some(self.optional_string()?),
                "debug" => layout.debug = self.number("an index")?,
                "ranked" => ranked = true,
                _ => return fail(span, format!("a layout has no `{word}`")),
            }
        }
        while !self.eat_mark('}') {
            let mut place = RawPlace {
                tensor: self.tensor()?,
                name: None,
                ranked,
                fixed: false,
                empty_quantization: false,
                buffer: RawSlot::Next,
            };
            while let Token::Word(word) = self.peek().clone() {
                let span = self.span();
                self.at += 1;
                match word.as_str() {
                    "name" => place.name = Some(self.optional_string()?),
                    "ranked" => place.ranked = true,
                    "unranked" => place.ranked = false,
                    "static" => place.fixed = true,
                    "q" => {
                        self.mark('(')?;
                        self.mark(')')?;
                        place.empty_quantization = true;
                    }
                    "none" => place.buffer = RawSlot::None,
                    "as" => place.buffer = RawSlot::As(self.qualified()?),
                    "buffer" => place.buffer = RawSlot::Number(self.number("a buffer")?),
                    _ => return fail(span, format!("a layout has no `{word}`")),
                }
            }
            layout.tensors.push(place);
        }
        Ok(layout)
    }

    fn buffers(&mut self) -> Parsed<RawBuffers> {
        let span = self.span();
        let count = match self.peek() {
            Token::Number(_) => Some(self.number("the number of buffers")?),
            _ => None,
        };
        let mut buffers = RawBuffers { count, span, bytes: Vec::new(), shared: Vec::new() };
        if !self.eat_mark('{') {
            return Ok(buffers);
        }
        while !self.eat_mark('}') {
            let span = self.span();
            if self.eat_word("shared") {
                let mut group = Vec::new();
                while matches!(self.peek(), Token::Number(_))
                    && *self.peek_after() != Token::Mark('=')
                {
                    group.push(self.number("a buffer")?);
                }
                buffers.shared.push((span, group));
            } else {
                let number = self.number("a buffer")?;
                self.mark('=')?;
                let bytes = self.blob()?;
                buffers.bytes.push((number, span, bytes));
            }
        }
        Ok(buffers)
    }

    // Small pieces.

    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    fn peek_after(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at.min(self.tokens.len() - 1)].1.clone()
    }

    fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        fail(self.span(), format!("expected {wanted}, found {}", self.peek().describe()))
    }

    fn eat_mark(&mut self, mark: char) -> bool {
        let found = *self.peek() == Token::Mark(mark);
        self.at += usize::from(found);
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
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { self.unexpected(&format!("`{word}`")) }
    }

    fn any_word(&mut self, wanted: &str) -> Parsed<(String, Span)> {
        let span = self.span();
        let Token::Word(word) = self.peek() else { return self.unexpected(wanted) };
        let word = word.clone();
        self.at += 1;
        Ok((word, span))
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Parsed<T> {
        let Token::Number(text) = self.peek() else { return self.unexpected(what) };
        let Ok(number) = text.parse() else {
            return fail(self.span(), format!("{text} cannot be {what}"));
        };
        self.at += 1;
        Ok(number)
    }

    fn string(&mut self, what: &str) -> Parsed<String> {
        let Token::String(text) = self.peek() else {
            return self.unexpected(&format!("{what} in quotes"));
        };
        let text = text.clone();
        self.at += 1;
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
        self.at += 1;
        Ok(Name { name, span })
    }

    fn subgraph_name(&mut self) -> Parsed<(String, Span)> {
        let span = self.span();
        let Token::Subgraph(name) = self.peek() else {
            return self.unexpected("a subgraph (`@name`)");
        };
        let name = name.clone();
        self.at += 1;
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
        let help = near.map(|near| format!("did you mean `@{near}`?"));
        Err(Fail { span, message: format!("there is no subgraph `@{name}`"), help })
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
            Token::Number(_) => Ok(RawLink::Raw(self.number("a tensor")?)),
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
        self.at += 1;
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

/// The name most like this one, if any is.
fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known = known.into_iter();
    let rated = known.map(|known| {
        let same = known.eq_ignore_ascii_case(name);
        (if same { 2.0 } else { strsim::jaro_winkler(name, known) }, known)
    });
    let best = rated.reduce(|a, b| if b.0 > a.0 { b } else { a })?;
    (best.0 > 0.8).then_some(best.1)
}
