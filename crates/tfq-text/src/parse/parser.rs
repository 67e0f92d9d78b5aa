//! The parser's state, and the smallest things that it reads.

use super::error::{Fail, Parsed, Span, fail};
use super::raw::{Name, Qualified, RawLink};
use super::tokens::Tokens;
use crate::lex::Token;
use crate::side::Reader;
use crate::values::Scalar;
use crate::{Elisions, quote};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;
use tfq_ir::closest;

pub(super) struct Parser<'a> {
    pub(super) tokens: Tokens<'a>,
    pub(super) side: Option<Reader>,
    pub(super) fills: bool,
    /// How many bytes may still be made that the text does not have.
    pub(super) left: u64,
    /// How many bytes of the side file may still be copied before that is spent too.
    pub(super) copies_left: u64,
    /// Entries of the side file that something has: the next one gets a copy, since constants
    /// that share their bytes are another model than those that are equal.
    pub(super) used: HashSet<usize>,
    pub(super) subgraphs: HashMap<String, usize>,
    pub(super) made_up: bool,
    pub(super) elisions: Elisions,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.peek()
    }

    pub(super) fn peek_after(&self) -> &Token {
        self.tokens.peek_after()
    }

    pub(super) fn span(&self) -> Span {
        self.tokens.span()
    }

    pub(super) fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        fail(self.span(), format!("expected {wanted}, found {}", self.peek().describe()))
    }

    pub(super) fn eat_mark(&mut self, mark: char) -> bool {
        let found = *self.peek() == Token::Mark(mark);
        if found {
            self.tokens.advance();
        }
        found
    }

    pub(super) fn mark(&mut self, mark: char) -> Parsed<()> {
        if self.eat_mark(mark) { Ok(()) } else { self.unexpected(&format!("`{mark}`")) }
    }

    /// A comma, unless the list is closed next.
    pub(super) fn comma(&mut self, close: char) -> Parsed<()> {
        if self.eat_mark(',') || *self.peek() == Token::Mark(close) {
            return Ok(());
        }
        self.unexpected(&format!("`,` or `{close}`"))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found == word)
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.tokens.advance();
        }
        found
    }

    pub(super) fn word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { self.unexpected(&format!("`{word}`")) }
    }

    pub(super) fn any_word(&mut self, wanted: &str) -> Parsed<(String, Span)> {
        let span = self.span();
        let Token::Word(word) = self.peek() else { return self.unexpected(wanted) };
        let word = word.clone();
        self.tokens.advance();
        Ok((word, span))
    }

    pub(super) fn number<T: FromStr>(&mut self, what: &str) -> Parsed<T> {
        let Token::Number(text) = self.peek() else { return self.unexpected(what) };
        let Ok(number) = text.parse() else {
            return fail(self.span(), format!("{} cannot be {what}", quote::cut(text)));
        };
        self.tokens.advance();
        Ok(number)
    }

    pub(super) fn string(&mut self, what: &str) -> Parsed<String> {
        let Token::String(text) = self.peek() else {
            return self.unexpected(&format!("{what} in quotes"));
        };
        let text = text.clone();
        self.tokens.advance();
        Ok(text)
    }

    pub(super) fn optional_string(&mut self) -> Parsed<Option<Arc<str>>> {
        if self.eat_word("none") {
            return Ok(None);
        }
        Ok(Some(self.string("a name, or `none`,")?.into()))
    }

    pub(super) fn tensor(&mut self) -> Parsed<Name> {
        let span = self.span();
        let Token::Tensor(name) = self.peek() else { return self.unexpected("a tensor (`%name`)") };
        let name = name.clone();
        self.tokens.advance();
        Ok(Name { name, span })
    }

    pub(super) fn subgraph_name(&mut self) -> Parsed<(String, Span)> {
        let span = self.span();
        let Token::Subgraph(name) = self.peek() else {
            return self.unexpected("a subgraph (`@name`)");
        };
        let name = name.clone();
        self.tokens.advance();
        Ok((name, span))
    }

    pub(super) fn subgraph_ref(&mut self) -> Parsed<usize> {
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

    pub(super) fn qualified(&mut self) -> Parsed<Qualified> {
        let subgraph = match self.peek() {
            Token::Subgraph(_) => Some(self.subgraph_ref()?),
            _ => None,
        };
        Ok(Qualified { subgraph, tensor: self.tensor()? })
    }

    pub(super) fn raw_link(&mut self) -> Parsed<RawLink> {
        match self.peek() {
            Token::Number(_) => {
                let span = self.span();
                Ok(RawLink::Raw(self.number("a tensor")?, span))
            }
            _ => Ok(RawLink::Name(self.tensor()?)),
        }
    }

    /// A number as it stands, `inf`, `nan`, `0x…`, `true` or `false`.
    pub(super) fn scalar<T>(
        &mut self,
        what: &str,
        read: impl FnOnce(Scalar<'_>) -> Option<T>,
    ) -> Parsed<T> {
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
