//! The tokens of a text, two at a time.

use super::{Fail, Parsed, Span, fail};
use crate::lex::{LexError, Lexer, Token};
use crate::quote;
use std::collections::HashMap;

/// What the parser looks at: the next token and the one behind it.
pub(super) struct Tokens<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    next: (Token, Span),
    after: (Token, Span),
    /// Where the token before the next one ends.
    end: usize,
}

impl<'a> Tokens<'a> {
    /// Looks through all of the text, which must be made of tokens, and numbers the subgraphs, so
    /// that attributes and signatures can name those that follow. Then begins from the start.
    pub(super) fn new(text: &'a str) -> Parsed<(Self, HashMap<String, usize>)> {
        let subgraphs = find_subgraphs(text)?;
        let mut lexer = Lexer::new(text);
        let (next, after) = (lexer.next()?, lexer.next()?);
        Ok((Self { text, lexer, next, after, end: 0 }, subgraphs))
    }

    pub(super) fn peek(&self) -> &Token {
        &self.next.0
    }

    pub(super) fn peek_after(&self) -> &Token {
        &self.after.0
    }

    /// The bytes that the next token takes.
    pub(super) fn span(&self) -> Span {
        self.next.1.clone()
    }

    /// Where the last token ends that was passed.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// The text from there to the end of the last token that was passed.
    pub(super) fn text_from(&self, start: usize) -> &'a str {
        &self.text[start..self.end]
    }

    pub(super) fn advance(&mut self) {
        self.end = self.next.1.end;
        let Ok(coming) = self.lexer.next() else {
            unreachable!("the whole text was looked through before")
        };
        self.next = std::mem::replace(&mut self.after, coming);
    }
}

fn find_subgraphs(text: &str) -> Parsed<HashMap<String, usize>> {
    let mut lexer = Lexer::new(text);
    let mut subgraphs = HashMap::new();
    let mut depth = 0_usize;
    let mut behind_word = false;
    loop {
        let (token, span) = lexer.next()?;
        let is_word = matches!(&token, Token::Word(word) if word == "subgraph");
        let number = subgraphs.len();
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => depth = depth.saturating_sub(1),
            Token::Subgraph(name) if depth == 0 && behind_word => {
                if subgraphs.contains_key(&name) {
                    let name = quote::shown('@', &name);
                    return fail(span, format!("there is a subgraph `{name}` already"));
                }
                subgraphs.insert(name, number);
            }
            // Ops outside of all subgraphs are one of their own.
            Token::Tensor(_) if depth == 0 => {
                subgraphs.entry("main".to_owned()).or_insert(number);
            }
            Token::End => return Ok(subgraphs),
            _ => (),
        }
        behind_word = is_word;
    }
}

impl From<LexError> for Fail {
    fn from(error: LexError) -> Self {
        let help = error.help.map(str::to_owned);
        Self { span: error.span, message: error.message, help }
    }
}
