//! Ops and their attributes.

use super::tensor::Described;
use super::{
    Content, Fail, Name, Once, Parsed, Parser, RawOp, RawSubgraph, RawTensor, Span, fail, fail_with,
};
use crate::lex::Token;
use crate::quote;
use crate::values::{Number, Scalar};
use tfq_ir::catalog::{self, AttrInfo, AttrType, EnumInfo, ListType, OptionsInfo, ops};
use tfq_ir::did_you_mean;
use tfq_ir::{Attr, Attributes};
use tfq_ir::{CustomOptions, Op, OpKind, counted};

impl Parser<'_> {
    /// A line of a subgraph.
    pub(super) fn statement(&mut self, subgraph: &mut RawSubgraph) -> Parsed<()> {
        let start = self.span();
        if self.eat_word("input") {
            let name = self.tensor()?;
            subgraph.inputs.push(name);
            return Ok(());
        }
        if self.eat_word("output") {
            let name = self.tensor()?;
            subgraph.outputs.push(name);
            return Ok(());
        }
        let mut names = Vec::new();
        if matches!(self.peek(), Token::Tensor(_)) {
            names.push(self.tensor()?);
            while self.eat_mark(',') {
                names.push(self.tensor()?);
            }
            self.mark('=')?;
            if let Token::Word(word) = self.peek()
                && matches!(word.as_str(), "input" | "const" | "variable" | "tensor")
            {
                if names.len() > 1 {
                    return fail(names[1].span.clone(), "tensors are declared one by one");
                }
                let name = names.remove(0);
                return self.declaration(subgraph, name);
            }
        }
        self.op(subgraph, names, start)
    }

    /// The operator's name.
    pub(super) fn kind(&mut self) -> Parsed<OpKind> {
        let (word, span) = match self.peek() {
            Token::Word(_) => self.any_word("an operator")?,
            _ => return self.unexpected("an operator, `input`, `const`, `variable` or `tensor`"),
        };
        match word.as_str() {
            "custom" => Ok(OpKind::Custom(self.string("the operator's name")?.into())),
            "builtin" => {
                let span = self.span();
                let code = self.number("an operator's number")?;
                builtin(code, span)
            }
            _ => match catalog::op_by_name(&word) {
                Some(info) => builtin(info.code, span),
                None => {
                    let names = catalog::all_ops().iter().map(|op| op.name);
                    let message = format!("there is no operator `{}`", quote::cut(&word));
                    let help = "operators have the names of the schema; one of your own is `custom \"Name\"`";
                    let meant = did_you_mean(&word, names);
                    fail_with(span, message, meant.unwrap_or_else(|| help.to_owned()))
                }
            },
        }
    }

    /// `.v9`, or version 1.
    pub(super) fn version(&mut self) -> Parsed<i32> {
        if !self.eat_mark('.') {
            return Ok(1);
        }
        let span = self.span();
        // A negative version is two tokens, `v` and the number.
        if self.eat_word("v") {
            return self.number("a version");
        }
        let (word, _) = self.any_word("a version (`v2`)")?;
        match word.strip_prefix('v').and_then(|digits| digits.parse().ok()) {
            Some(version) => Ok(version),
            None => {
                let message = format!("`{}` is not a version", quote::cut(&word));
                fail_with(span, message, "versions look like `.v2`")
            }
        }
    }

    fn op(&mut self, subgraph: &mut RawSubgraph, results: Vec<Name>, start: Span) -> Parsed<()> {
        let kind_span = self.span();
        let kind = self.kind()?;
        let mut op = Op::new(kind);
        op.version = self.version()?;
        let expected = op.kind.options();
        let operands = self.operands()?;
        let mut scratch = Vec::new();
        let mut nth_code = 0;
        let mut once = Once::default();
        while let Token::Word(word) = self.peek()
            && WORDS.contains(&word.as_str())
        {
            let (word, span) = self.any_word("a word")?;
            once.check(&word, &span)?;
            match word.as_str() {
                "scratch" => scratch = self.operands()?,
                "options" => op.custom_options = self.custom_options()?,
                "mutates" => op.mutating_variable_inputs = self.bools()?,
                "debug" => op.debug_metadata_index = self.number("an index")?,
                "code" => nth_code = self.number("an operator code")?,
                _ => self.notes(&mut op)?,
            }
        }
        let mut tables = 0;
        op.attrs = expected.map(Attributes::new);
        while *self.peek() == Token::Mark('{') {
            let span = self.span();
            let attrs = self.attributes(&op.kind, expected)?;
            match tables {
                0 => op.attrs = attrs,
                1 => op.extra_attrs = attrs.map(Box::new),
                _ => return fail(span, "an op has two options tables at most"),
            }
            tables += 1;
        }
        let end = self.tokens.end();
        let described = self.result_types(&results)?;
        for (name, described) in results.iter().zip(described) {
            self.result(subgraph, name, described)?;
        }
        let span = if start.start < kind_span.start { kind_span.start..end } else { kind_span };
        subgraph.ops.push(RawOp { span, op, nth_code, operands, results, scratch });
        Ok(())
    }

    fn result(
        &mut self,
        subgraph: &mut RawSubgraph,
        name: &Name,
        described: Option<Described>,
    ) -> Parsed<()> {
        if let Some(other) = subgraph.tensors.get_mut(&name.name) {
            if other.apart && described.is_none() {
                other.result = true;
                return Ok(());
            }
            let message = format!("there is a tensor `{}` already", quote::shown('%', &name.name));
            return match other.apart {
                true => fail_with(
                    name.span.clone(),
                    message,
                    "an op that writes to a tensor which is declared gives no type for it",
                ),
                false => fail(name.span.clone(), message),
            };
        }
        let described = described.unwrap_or_else(Described::unknown);
        let ranked = described.ranked;
        let (tensor, links) = described.named(name, false);
        let content = Content::None;
        let span = name.span.clone();
        let (input, apart) = (false, false);
        let made = RawTensor { span, tensor, links, content, result: true, input, ranked, apart };
        subgraph.tensors.insert(name.name.clone(), made);
        Ok(())
    }

    fn result_types(&mut self, results: &[Name]) -> Parsed<Vec<Option<Described>>> {
        let mut described = Vec::new();
        let span = self.span();
        if self.eat_mark(':') {
            if self.eat_mark('(') {
                while !self.eat_mark(')') {
                    let one = self.result_type()?;
                    described.push(one);
                    self.comma(')')?;
                }
            } else {
                described.push(self.result_type()?);
            }
            if described.len() != results.len() {
                let message = format!(
                    "{} for {}",
                    counted(described.len(), "type"),
                    counted(results.len(), "result")
                );
                return fail(span, message);
            }
        } else {
            described.resize_with(results.len(), || None);
        }
        Ok(described)
    }

    fn result_type(&mut self) -> Parsed<Option<Described>> {
        if self.eat_word("_") { Ok(None) } else { self.description().map(Some) }
    }

    fn operands(&mut self) -> Parsed<Vec<Option<Name>>> {
        let mut operands = Vec::new();
        self.mark('(')?;
        while !self.eat_mark(')') {
            if self.eat_word("_") {
                operands.push(None);
            } else if matches!(self.peek(), Token::Tensor(_)) {
                operands.push(Some(self.tensor()?));
            } else {
                return self.unexpected("a tensor, or `_` where there is none");
            }
            self.comma(')')?;
        }
        Ok(operands)
    }

    fn custom_options(&mut self) -> Parsed<CustomOptions> {
        let mut options = CustomOptions::default();
        self.mark('(')?;
        if !self.eat_word("none") {
            options.bytes = Some(self.blob()?);
        }
        let mut once = Once::default();
        while self.eat_mark(',') {
            let (word, span) = self.any_word("`format` or `large`")?;
            once.check(&word, &span)?;
            match word.as_str() {
                "large" if options.bytes.is_none() => {
                    return fail(span, "only bytes can lie behind the flatbuffer");
                }
                "large" => options.large = true,
                "format" => {
                    self.mark('=')?;
                    options.format = self.number("a format")?;
                }
                _ => {
                    let found = quote::cut(&word);
                    return fail(span, format!("expected `format` or `large`, found `{found}`"));
                }
            }
        }
        self.mark(')')?;
        Ok(options)
    }

    fn bools(&mut self) -> Parsed<Vec<bool>> {
        self.items(|parser| {
            parser.scalar("`true` or `false`", |scalar| match scalar {
                Scalar::Bool(v) => Some(v),
                _ => None,
            })
        })
    }

    fn items<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        self.mark('[')?;
        while !self.eat_mark(']') {
            items.push(item(self)?);
            self.comma(']')?;
        }
        Ok(items)
    }

    /// `("name" = value, …)`.
    fn notes(&mut self, op: &mut Op) -> Parsed<()> {
        self.mark('(')?;
        while !self.eat_mark(')') {
            let span = self.span();
            let name = self.string("the name of a note")?;
            if op.notes.contains_key(name.as_str()) {
                return fail(span, "there is a note of this name already");
            }
            self.mark('=')?;
            let value = match self.peek() {
                Token::Mark('[') => self.note_list()?,
                _ => self.note()?,
            };
            op.notes.insert(name.into(), value);
            self.comma(')')?;
        }
        Ok(())
    }

    /// A list of numbers of one type, or of truth values.
    fn note_list(&mut self) -> Parsed<Attr> {
        let start = self.span().start;
        let items = self.items(Self::note)?;
        let bools: Option<Vec<bool>> = collect(&items, |item| match item {
            Attr::Bool(v) => Some(*v),
            _ => None,
        });
        let floats: Option<Vec<f32>> = collect(&items, |item| match item {
            Attr::Float(v) => Some(*v),
            _ => None,
        });
        let ints: Option<Vec<i64>> = collect(&items, |item| match item {
            Attr::Int(v) => Some(*v),
            _ => None,
        });
        Ok(match (ints, floats, bools) {
            (Some(ints), ..) => Attr::Ints(ints.into()),
            (_, Some(floats), _) => Attr::Floats(floats.into()),
            (.., Some(bools)) => Attr::Bools(bools.into()),
            _ => {
                let span = start..self.tokens.end();
                return fail(span, "the items of a list are numbers of one type or truth values");
            }
        })
    }

    /// One value of a note, whose type shows in how it is written.
    fn note(&mut self) -> Parsed<Attr> {
        let is_float = |text: &str| text.contains(['.', 'e', 'n']);
        Ok(match self.peek().clone() {
            Token::String(text) => {
                self.tokens.advance();
                Attr::String(text.into())
            }
            Token::Bytes(bytes) => {
                self.tokens.advance();
                Attr::Bytes(bytes.into())
            }
            Token::Word(word) if matches!(word.as_str(), "true" | "false") => {
                self.tokens.advance();
                Attr::Bool(word == "true")
            }
            Token::Number(text) | Token::Word(text) if is_float(&text) => {
                Attr::Float(self.scalar("a number", f32::parse)?)
            }
            _ => Attr::Int(self.number("the value of a note")?),
        })
    }

    /// `{name = value, …}`, `{Table: name = value, …}` or `{none}`.
    fn attributes(
        &mut self,
        kind: &OpKind,
        expected: Option<&'static OptionsInfo>,
    ) -> Parsed<Option<Attributes>> {
        self.mark('{')?;
        if self.is_word("none") && *self.peek_after() == Token::Mark('}') {
            self.tokens.advance();
            self.tokens.advance();
            return Ok(None);
        }
        let mut table = expected;
        let named = matches!(self.peek_after(), Token::Mark(':' | '}'));
        if let Token::Word(_) = self.peek()
            && named
        {
            let (word, span) = self.any_word("an options table")?;
            self.eat_mark(':');
            table = catalog::options_by_name(&word);
            if table.is_none() {
                let names = catalog::all_options().iter().map(|info| info.name);
                let message = format!("there is no options table `{}`", quote::cut(&word));
                return Err(Fail { span, message, help: did_you_mean(&word, names) });
            }
        }
        let Some(table) = table else {
            if self.eat_mark('}') {
                return Ok(None);
            }
            return fail(self.span(), format!("{kind} has no attributes"));
        };
        let mut attrs = Attributes::new(table);
        let mut once = Once::default();
        while !self.eat_mark('}') {
            let (word, span) = self.any_word("an attribute")?;
            once.check(&word, &span)?;
            let Some((_, info)) = table.attr(&word) else {
                let names = table.attrs.iter().map(|info| info.name);
                let help = did_you_mean(&word, names.clone())
                    .unwrap_or_else(|| format!("it has {}", names.collect::<Vec<_>>().join(", ")));
                let message = format!("{kind} has no attribute `{}`", quote::cut(&word));
                return fail_with(span, message, help);
            };
            self.mark('=')?;
            let start = self.span();
            let value = self.attribute(info)?;
            if attrs.set(info.name, value).is_err() {
                let span = start.start..self.tokens.end();
                return fail(span, format!("`{word}` cannot hold this value"));
            }
            self.comma('}')?;
        }
        Ok(Some(attrs))
    }

    fn attribute(&mut self, info: &'static AttrInfo) -> Parsed<Attr> {
        Ok(match info.ty {
            AttrType::Bool => {
                Attr::Bool(self.scalar("`true` or `false`", |scalar| match scalar {
                    Scalar::Bool(v) => Some(v),
                    _ => None,
                })?)
            }
            AttrType::F32 | AttrType::F64 => Attr::Float(self.scalar("a number", f32::parse)?),
            AttrType::String => Attr::String(self.string("a value")?.into()),
            AttrType::Bytes => Attr::Bytes(self.blob()?),
            AttrType::List(ListType::Bool) => Attr::Bools(self.bools()?.into()),
            AttrType::List(ListType::F32) => {
                let list = self.items(|parser| parser.scalar("a number", f32::parse))?;
                Attr::Floats(list.into())
            }
            AttrType::List(ListType::Enum(values)) => {
                Attr::Ints(self.items(|parser| parser.int(info, Some(values)))?.into())
            }
            AttrType::List(_) => Attr::Ints(self.items(|parser| parser.int(info, None))?.into()),
            AttrType::Enum(values) => Attr::Int(self.int(info, Some(values))?),
            _ => Attr::Int(self.int(info, None)?),
        })
    }

    fn int(&mut self, info: &AttrInfo, values: Option<&'static EnumInfo>) -> Parsed<i64> {
        match (self.peek().clone(), values) {
            (Token::Subgraph(_), None) if info.subgraph => Ok(self.subgraph_ref()? as i64),
            (Token::Word(word), Some(values)) => match values.value_of(&word) {
                Some(value) => {
                    self.tokens.advance();
                    Ok(value)
                }
                None => {
                    let names = values.values.iter().map(|(name, _)| *name);
                    let all = || format!("it has {}", names.clone().collect::<Vec<_>>().join(", "));
                    let help = did_you_mean(&word, names.clone()).unwrap_or_else(all);
                    let message = format!("{} has no `{}`", values.name, quote::cut(&word));
                    fail_with(self.span(), message, help)
                }
            },
            _ => self.scalar("an integer", |scalar| match scalar {
                Scalar::Number(text) => text.parse().ok().or_else(|| unsigned(info.ty, text)),
                _ => None,
            }),
        }
    }
}

/// Words that may stand behind the operands of an op.
const WORDS: [&str; 6] = ["scratch", "options", "mutates", "debug", "code", "notes"];

fn builtin(code: i32, span: Span) -> Parsed<OpKind> {
    match code {
        ops::CUSTOM => fail_with(
            span,
            "a custom op goes by the name that the runtime knows it by",
            "write `custom \"Name\"`",
        ),
        code if catalog::op_by_code(code).is_none() => {
            fail(span, format!("there is no builtin operator {code}"))
        }
        code => Ok(OpKind::Builtin(code)),
    }
}

/// 64-bit unsigned values are carried bit for bit.
fn unsigned(ty: AttrType, text: &str) -> Option<i64> {
    matches!(ty, AttrType::U64 | AttrType::List(ListType::U64))
        .then(|| text.parse::<u64>().ok().map(|v| v as i64))
        .flatten()
}

/// The items as one type, if they are.
fn collect<T>(items: &[Attr], read: impl Fn(&Attr) -> Option<T>) -> Option<Vec<T>> {
    items.iter().map(read).collect()
}
