//! From text to items, as they were written.

use super::ast::{PipelineError, ends_value};
use std::borrow::Cow;
use std::ops::Range;

/// Loops and subgraphs in each other: more than anyone needs, and less than the stack holds.
const MOST_NESTED: usize = 64;

/// An item as it was written.
pub(super) struct Item<'a> {
    pub(super) name: &'a str,
    pub(super) span: Range<usize>,
    pub(super) options: Vec<Written<'a>>,
    pub(super) argument: Option<(Cow<'a, str>, Range<usize>)>,
    pub(super) body: Option<Vec<Item<'a>>>,
}

pub(super) struct Written<'a> {
    pub(super) name: &'a str,
    pub(super) name_span: Range<usize>,
    pub(super) value: Cow<'a, str>,
    pub(super) value_span: Range<usize>,
}

impl Item<'_> {
    /// Where something in parentheses begins that a pass does not take.
    pub(super) fn extra_span(&self) -> Option<Range<usize>> {
        let argument = self.argument.as_ref().map(|(_, span)| span.clone());
        argument.or_else(|| self.body.as_ref().map(|_| self.span.clone()))
    }
}

/// The items of a text.
pub(super) fn items(text: &str) -> Result<Vec<Item<'_>>, PipelineError> {
    Parser { text, at: 0, depth: 0 }.whole()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many parentheses are open.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn whole(mut self) -> Result<Vec<Item<'a>>, PipelineError> {
        let items = self.items()?;
        if self.rest().is_empty() {
            return Ok(items);
        }
        Err(self.error(if self.rest().starts_with(')') {
            "nothing is open that `)` could close"
        } else {
            "a comma is wanted between passes"
        }))
    }

    /// Items up to the end or a closing parenthesis.
    fn items(&mut self) -> Result<Vec<Item<'a>>, PipelineError> {
        let mut items = Vec::new();
        self.space();
        if self.rest().is_empty() || self.rest().starts_with(')') {
            return Ok(items);
        }
        loop {
            items.push(self.item()?);
            self.space();
            if !self.eat(',') {
                return Ok(items);
            }
            self.space();
        }
    }

    fn item(&mut self) -> Result<Item<'a>, PipelineError> {
        let (name, span) = self.name("the name of a pass is wanted")?;
        let mut item = Item { name, span, options: Vec::new(), argument: None, body: None };
        self.space();
        if self.eat('{') {
            loop {
                self.space();
                if self.eat('}') {
                    break;
                }
                if self.rest().is_empty() {
                    return Err(self.error("`}` is missing"));
                }
                if self.rest().starts_with([',', ';']) {
                    return Err(PipelineError {
                        help: Some("write {type=float16 min-elements=1}".to_owned()),
                        ..self.error("options are parted by spaces")
                    });
                }
                item.options.push(self.option()?);
            }
            self.space();
        }
        while item.body.is_none() && self.rest().starts_with('(') {
            if self.depth == MOST_NESTED {
                let most = format!("no more than {MOST_NESTED} parentheses may be open");
                return Err(self.error(&most));
            }
            self.at += 1;
            self.depth += 1;
            self.space();
            if item.argument.is_none() && self.rest().starts_with('"') {
                item.argument = Some(self.string()?);
                self.space();
            } else {
                item.body = Some(self.items()?);
            }
            if !self.eat(')') {
                return Err(self.error("`)` is missing"));
            }
            self.depth -= 1;
            self.space();
        }
        Ok(item)
    }

    fn option(&mut self) -> Result<Written<'a>, PipelineError> {
        let (name, name_span) = self.name("the name of an option is wanted")?;
        if !self.eat('=') {
            return Err(self.error("`=` and a value are wanted"));
        }
        let (value, value_span) = if self.rest().starts_with('"') {
            self.string()?
        } else {
            let start = self.at;
            let len = self.rest().find(ends_value).unwrap_or(self.rest().len());
            self.at += len;
            (self.text[start..self.at].into(), start..self.at)
        };
        Ok(Written { name, name_span, value, value_span })
    }

    /// Text in double quotes.
    fn string(&mut self) -> Result<(Cow<'a, str>, Range<usize>), PipelineError> {
        let start = self.at;
        self.at += 1;
        let rest = self.rest();
        let mut text = Cow::Borrowed("");
        let mut done = 0;
        loop {
            let Some(len) = rest[done..].find(['"', '\\']) else {
                return Err(self.error("the closing `\"` is missing"));
            };
            text += &rest[done..done + len];
            done += len + 1;
            if rest.as_bytes()[done - 1] == b'"' {
                self.at += done;
                return Ok((text, start..self.at));
            }
            let Some(escaped) = rest[done..].chars().next().filter(|c| matches!(c, '"' | '\\'))
            else {
                self.at += done - 1;
                return Err(
                    self.error("in quotes, a backslash stands before `\"` or another backslash")
                );
            };
            text.to_mut().push(escaped);
            done += 1;
        }
    }

    fn name(&mut self, wanted: &str) -> Result<(&'a str, Range<usize>), PipelineError> {
        let end = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let len = self.rest().find(end).unwrap_or(self.rest().len());
        if len == 0 {
            return Err(self.error(wanted));
        }
        let span = self.at..self.at + len;
        self.at += len;
        Ok((&self.text[span.clone()], span))
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Skips white space and comments.
    fn space(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, wanted: &str) -> PipelineError {
        let len = self.rest().chars().next().map_or(0, char::len_utf8);
        let label = if len == 0 { "the text ends here" } else { "here" };
        PipelineError {
            text: self.text.to_owned(),
            span: self.at..self.at + len,
            message: wanted.to_owned(),
            label: label.to_owned(),
            help: None,
        }
    }
}
