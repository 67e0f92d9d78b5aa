//! What stands outside of subgraphs, and what only the file needs.

use super::{
    Fail, MODEL_VERSION, Once, Parsed, Parser, Raw, RawBuffers, RawCacheEntry, RawLayout,
    RawMetadata, RawPlace, RawRecord, RawRecordEntry, RawRecorded, RawShared, RawSignature,
    RawSlot, RawSubgraph, Span, fail, fail_with,
};
use crate::format::type_from_name;
use crate::lex::Token;
use crate::print::REASONS;
use crate::{Level, VERSION, quote};
use std::str::FromStr;
use std::sync::Arc;
use tfq_ir::did_you_mean;
use tfq_ir::{DEQUANT_CACHE_METADATA, ExternalBuffer, OpCode, OpKind, is_record_key};

pub(crate) const SECTIONS: [&str; 15] = [
    "version",
    "description",
    "metadata",
    "external_group",
    "external_buffer",
    "signature",
    "subgraph",
    "dequant_cache",
    "record",
    "trailer",
    "constants",
    "metadata_buffer",
    "opcodes",
    "layout",
    "buffers",
];

impl Parser<'_> {
    pub(super) fn model(&mut self) -> Parsed<Raw> {
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
                self.tokens.advance();
            } else if let Token::Word(word) = self.peek()
                && let Some(help) = did_you_mean(word, Level::ALL.iter().map(|level| level.name()))
            {
                let message = format!("there is no level `{}`", quote::cut(word));
                return fail_with(self.span(), message, help);
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
        self.tokens.advance();
        let hashes = [self.elisions.lists.len(), self.elisions.payloads.len()];
        if !matches!(
            word.as_str(),
            "metadata"
                | "external_group"
                | "external_buffer"
                | "signature"
                | "subgraph"
                | "layout"
                | "record"
        ) {
            raw.once.check(&word, &span)?;
        }
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
                let span = self.span();
                let name = self.optional_string()?;
                let buffer = match self.eat_word("buffer") {
                    true => {
                        let span = self.span();
                        raw.numbers.get_or_insert_with(|| span.clone());
                        Some((self.number("a buffer")?, span))
                    }
                    false => None,
                };
                let of_record = self.eat_word("of");
                if of_record {
                    self.word("record")?;
                }
                self.mark('=')?;
                let bytes = if self.eat_word("none") { None } else { Some(self.blob()?) };
                raw.metadata.push(RawMetadata { name, span, buffer, of_record, bytes });
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
            "record" => {
                let record = self.record()?;
                if raw.records.contains_key(&record.key) {
                    return fail(span, "there is a record of this key already");
                }
                raw.records.insert(record.key.clone(), record);
            }
            "trailer" => {
                self.mark('=')?;
                raw.trailer = self.blob()?;
            }
            "constants" => {
                self.word("outside")?;
                raw.constants_outside = true;
            }
            "metadata_buffer" => {
                raw.numbers.get_or_insert(span);
                raw.metadata_buffer = self.list()?.0;
            }
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
            _ => {
                raw.numbers.get_or_insert(span);
                raw.buffers = Some(self.buffers()?);
            }
        }
        if word != "subgraph" {
            self.elisions.move_to_model(hashes);
        }
        Ok(())
    }

    /// Ops outside of all subgraphs are those of the only one, which keeps small texts small.
    fn loose_statement(&mut self, raw: &mut Raw, word: &str) -> Parsed<()> {
        let span = self.span();
        let known = tfq_ir::catalog::op_by_name(word).is_some();
        if !known && !matches!(word, "" | "input" | "output" | "custom" | "builtin") {
            let message = format!("there is no section or operator `{}`", quote::cut(word));
            let ops = tfq_ir::catalog::all_ops().iter().map(|op| op.name);
            if type_from_name(word).is_some() {
                return fail_with(span, message, "a type stands behind a `:`");
            }
            let help = did_you_mean(word, SECTIONS.into_iter().chain(ops));
            return Err(Fail { span, message, help });
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
        let mut once = Once::default();
        self.mark('{')?;
        while !self.eat_mark('}') {
            let (key, span) = self.any_word("a field")?;
            once.check(&key, &span)?;
            self.mark('=')?;
            match key.as_str() {
                "group" => buffer.group = self.number("a group")?,
                "offset" => buffer.offset = self.number("an offset")?,
                "length" => buffer.length = self.number("a length")?,
                "packing" => buffer.packing = Some(self.string("a packing")?.into()),
                _ => {
                    let help = "it has group, offset, length and packing";
                    let message = format!("an external buffer has no `{}`", quote::cut(&key));
                    return fail_with(span, message, help);
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
                let found = quote::cut(&word);
                return fail(span, format!("expected `input` or `output`, found `{found}`"));
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
                let message = format!("there is no reason `{}`", quote::cut(&word));
                return fail_with(span, message, help);
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

    fn record(&mut self) -> Parsed<RawRecord> {
        let span = self.span();
        let key: Arc<str> = self.string("a key")?.into();
        if !is_record_key(&key) || key.as_ref() == DEQUANT_CACHE_METADATA {
            let help =
                "a key is words of lower-case letters, digits, `_` and `-` with dots between";
            return fail_with(span, "a record cannot have this key", help);
        }
        let mut record = RawRecord { key, about: Vec::new(), entries: Vec::new() };
        if self.eat_word("about") {
            self.mark('(')?;
            while !self.eat_mark(')') {
                let span = self.span();
                match self.kind()? {
                    OpKind::Builtin(code) => record.about.push(code),
                    OpKind::Custom(_) => {
                        return fail(span, "a record is about operators of the format only");
                    }
                }
                self.comma(')')?;
            }
        }
        self.mark('{')?;
        while !self.eat_mark('}') {
            let subgraph = self.subgraph_ref()?;
            let (word, span) = self.any_word("`op` or `tensor`")?;
            let of = match (word.as_str(), self.peek()) {
                ("tensor", _) => RawRecorded::Tensor(self.tensor()?),
                ("op", Token::Number(_)) => {
                    let span = self.span();
                    RawRecorded::NthOp(self.number("an op")?, span)
                }
                ("op", _) => RawRecorded::Op(self.tensor()?),
                _ => {
                    let found = quote::cut(&word);
                    return fail(span, format!("expected `op` or `tensor`, found `{found}`"));
                }
            };
            self.mark('=')?;
            let bytes = self.blob()?;
            record.entries.push(RawRecordEntry { subgraph, of, bytes });
        }
        Ok(record)
    }

    fn op_code(&mut self) -> Parsed<OpCode> {
        let start = self.span();
        let kind = self.kind()?;
        let version = self.version()?;
        let mut code = OpCode::for_kind(&kind, version);
        let mut once = Once::default();
        while let Token::Word(word) = self.peek()
            && matches!(word.as_str(), "builtin_code" | "deprecated_builtin_code" | "custom_code")
        {
            let (word, span) = self.any_word("a field")?;
            once.check(&word, &span)?;
            match word.as_str() {
                "builtin_code" => code.builtin = self.number("an operator's number")?,
                "deprecated_builtin_code" => {
                    code.deprecated_builtin = self.number("an operator's number")?;
                }
                _ => code.custom = self.optional_string()?,
            }
        }
        if code.kind() != kind {
            let message = format!("these numbers are those of {}, not of {kind}", code.kind());
            return fail(start.start..self.tokens.end(), message);
        }
        Ok(code)
    }

    fn layout(&mut self) -> Parsed<RawLayout> {
        let span = self.span();
        let subgraph = self.subgraph_ref()?;
        let mut layout = RawLayout { subgraph, span, name: None, debug: -1, tensors: Vec::new() };
        let mut ranked = false;
        let mut once = Once::default();
        while !self.eat_mark('{') {
            let (word, span) = self.any_word("`{`")?;
            once.check(&word, &span)?;
            match word.as_str() {
                "name" => layout.name = Some(self.optional_string()?),
                "debug" => layout.debug = self.number("an index")?,
                "ranked" => ranked = true,
                _ => return fail(span, format!("a layout has no `{}`", quote::cut(&word))),
            }
        }
        while !self.eat_mark('}') {
            let place = self.place(ranked)?;
            layout.tensors.push(place);
        }
        Ok(layout)
    }

    fn place(&mut self, ranked: bool) -> Parsed<RawPlace> {
        let mut place = RawPlace {
            tensor: self.tensor()?,
            name: None,
            ranked,
            fixed: false,
            empty_quantization: false,
            buffer: RawSlot::Next,
        };
        let mut once = Once::default();
        while matches!(self.peek(), Token::Word(_)) {
            let (word, span) = self.any_word("a word of a layout")?;
            once.check(
                match word.as_str() {
                    "ranked" | "unranked" => "ranked",
                    "none" | "as" | "buffer" => "buffer",
                    word => word,
                },
                &span,
            )?;
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
                _ => return fail(span, format!("a layout has no `{}`", quote::cut(&word))),
            }
        }
        Ok(place)
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
                let buffers_of_it = self.numbers("a buffer")?;
                let options = match self.eat_word("options") {
                    true => self.numbers("one of the large options")?,
                    false => Vec::new(),
                };
                buffers.shared.push(RawShared { span, buffers: buffers_of_it, options });
            } else {
                let number = self.number("a buffer")?;
                self.mark('=')?;
                let bytes = self.blob()?;
                buffers.bytes.push((number, span, bytes));
            }
        }
        Ok(buffers)
    }

    /// Numbers side by side, up to one that `=` follows.
    fn numbers<T: FromStr>(&mut self, what: &str) -> Parsed<Vec<T>> {
        let mut numbers = Vec::new();
        while matches!(self.peek(), Token::Number(_)) && *self.peek_after() != Token::Mark('=') {
            numbers.push(self.number(what)?);
        }
        Ok(numbers)
    }
}
