//! From characters to tokens.

use crate::quote;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `%name`.
    Tensor(String),
    /// `@name`.
    Subgraph(String),
    /// Letters, digits and underscores.
    Word(String),
    /// As it stands.
    Number(String),
    /// The digits behind `0x`.
    Bits(String),
    /// The digits behind `#`.
    Hash(String),
    String(String),
    Bytes(Vec<u8>),
    /// `..`
    Dots,
    /// `( ) [ ] { } , = : * ? % .`
    Mark(char),
    End,
}

impl Token {
    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Tensor(name) => format!("tensor `{}`", quote::shown('%', name)),
            Self::Subgraph(name) => format!("subgraph `{}`", quote::shown('@', name)),
            Self::Word(word) => format!("`{}`", quote::cut(word)),
            Self::Number(text) => format!("`{}`", quote::cut(text)),
            Self::Bits(digits) => format!("`0x{}`", quote::cut(digits)),
            Self::Hash(digits) => format!("`#{digits}`"),
            Self::String(_) => "a string".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::Dots => "`..`".to_owned(),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

pub(super) struct LexError {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

/// Reads one token after the other, so that a text takes no memory besides its own.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token with the bytes it takes; behind the last one it is [`Token::End`].
    pub(super) fn next(&mut self) -> Result<(Token, Range<usize>), LexError> {
        self.skip();
        let start = self.at;
        let token = self.token()?;
        Ok((token, start..self.at))
    }
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn skip(&mut self) {
        loop {
            let space = self.rest().iter().take_while(|b| b.is_ascii_whitespace()).count();
            self.at += space;
            if !self.rest().starts_with(b"//") {
                return;
            }
            self.at += self.rest().iter().take_while(|b| **b != b'\n').count();
        }
    }

    fn take(&mut self, what: impl Fn(&u8) -> bool) -> String {
        let len = self.rest().iter().take_while(|b| what(b)).count();
        let taken = self.text[self.at..self.at + len].to_owned();
        self.at += len;
        taken
    }

    fn token(&mut self) -> Result<Token, LexError> {
        let start = self.at;
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let rest = self.rest();
        let second = rest.get(1).copied().unwrap_or(b' ');
        Ok(match rest.first().copied() {
            None => Token::End,
            Some(b'%' | b'@') => {
                let tensor = rest[0] == b'%';
                self.at += 1;
                let name = if second == b'"' {
                    self.at += 1;
                    self.string(start)?
                } else {
                    let len = quote::bare_len(self.rest());
                    self.at += len;
                    self.text[self.at - len..self.at].to_owned()
                };
                match (tensor, name.is_empty() && second != b'"') {
                    (true, true) => Token::Mark('%'),
                    (true, false) => Token::Tensor(name),
                    (false, false) => Token::Subgraph(name),
                    (false, true) => {
                        return Err(self.error(start, "`@` without a name", None));
                    }
                }
            }
            Some(b'"') => {
                self.at += 1;
                Token::String(self.string(start)?)
            }
            Some(b'b') if second == b'"' => {
                self.at += 2;
                Token::Bytes(self.bytes(start)?)
            }
            Some(b'0') if second == b'x' => {
                self.at += 2;
                Token::Bits(self.take(u8::is_ascii_hexdigit))
            }
            Some(b'#') => {
                self.at += 1;
                let digits = self.take(u8::is_ascii_hexdigit).to_ascii_lowercase();
                if digits.len() < 8 || digits.len() > 64 {
                    let help =
                        Some("a hash has 8 to 64 hexadecimal digits; comments begin with `//`");
                    return Err(self.error(start, "this is not a hash", help));
                }
                Token::Hash(digits)
            }
            Some(b'0'..=b'9') => self.number(),
            Some(b'-') if second.is_ascii_digit() => self.number(),
            Some(b'-') if second.is_ascii_alphabetic() => {
                self.at += 1;
                let word = self.take(word);
                Token::Number(format!("-{word}"))
            }
            Some(b) if b.is_ascii_alphabetic() || b == b'_' => Token::Word(self.take(word)),
            Some(b'.') if second == b'.' => {
                self.at += 2;
                Token::Dots
            }
            Some(
                b @ (b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b'=' | b':' | b'*' | b'?'
                | b'.'),
            ) => {
                self.at += 1;
                Token::Mark(b as char)
            }
            Some(_) => {
                let c = self.text[start..].chars().next().unwrap_or(' ');
                self.at += c.len_utf8();
                let help = match c {
                    '/' | ';' => Some("comments begin with `//`"),
                    c if c.is_alphanumeric() => Some("names like this are in quotes: `%\"...\"`"),
                    _ => None,
                };
                return Err(self.error(start, &format!("there is no place for `{c}` here"), help));
            }
        })
    }

    /// Digits, a point with digits behind it, an exponent. `1..2` is two numbers.
    fn number(&mut self) -> Token {
        let start = self.at;
        self.at += usize::from(self.rest()[0] == b'-');
        self.take(u8::is_ascii_digit);
        let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        if self.rest().first() == Some(&b'.') && digit(self.rest().get(1)) {
            self.at += 1;
            self.take(u8::is_ascii_digit);
        }
        if matches!(self.rest().first(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.rest().get(1), Some(b'-' | b'+')));
            if digit(self.rest().get(1 + sign)) {
                self.at += 1 + sign;
                self.take(u8::is_ascii_digit);
            }
        }
        Token::Number(self.text[start..self.at].to_owned())
    }

    /// What follows an opening quote.
    fn string(&mut self, start: usize) -> Result<String, LexError> {
        let mut out = String::new();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                return Err(self.unclosed(start));
            };
            let at = self.at;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\n' => return Err(self.unclosed(start)),
                '\\' => match self.escape(at)? {
                    Escape::Char(c) => out.push(c),
                    // A byte of a name that is no UTF-8.
                    Escape::Byte(byte) => out.push(tfq_ir::foreign_char(byte)),
                },
                c => out.push(c),
            }
        }
    }

    fn bytes(&mut self, start: usize) -> Result<Vec<u8>, LexError> {
        let mut out = Vec::new();
        loop {
            let at = self.at;
            let Some(byte) = self.rest().first().copied() else {
                return Err(self.unclosed(start));
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(out);
                }
                b'\n' => return Err(self.unclosed(start)),
                b'\\' => {
                    self.at += 1;
                    match self.escape(at)? {
                        Escape::Byte(byte) => out.push(byte),
                        Escape::Char(c) => out.extend(c.to_string().into_bytes()),
                    }
                }
                byte => {
                    self.at += 1;
                    out.push(byte);
                }
            }
        }
    }

    /// What follows a backslash, which stands at `at`.
    fn escape(&mut self, at: usize) -> Result<Escape, LexError> {
        let c = self.text[self.at..].chars().next().unwrap_or(' ');
        self.at += c.len_utf8().min(self.text.len() - self.at);
        let found = match c {
            '"' | '\\' => Some(Escape::Char(c)),
            'n' => Some(Escape::Char('\n')),
            'r' => Some(Escape::Char('\r')),
            't' => Some(Escape::Char('\t')),
            '0' => Some(Escape::Char('\0')),
            'x' => {
                let digits = self.text.get(self.at..self.at + 2);
                let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
                self.at += if byte.is_some() { 2 } else { 0 };
                byte.map(Escape::Byte)
            }
            'u' if self.rest().first() == Some(&b'{') => {
                self.at += 1;
                let digits = self.take(u8::is_ascii_hexdigit);
                let closed = self.rest().first() == Some(&b'}');
                self.at += usize::from(closed);
                let c = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                c.filter(|_| closed).map(Escape::Char)
            }
            _ => None,
        };
        found.ok_or_else(|| {
            let help = Some("escapes are \\\" \\\\ \\n \\r \\t \\0 \\xNN and \\u{…}");
            self.error(at, "there is no such escape", help)
        })
    }

    fn unclosed(&self, start: usize) -> LexError {
        self.error(start, "the quote is not closed on its line", None)
    }

    fn error(&self, start: usize, message: &str, help: Option<&'static str>) -> LexError {
        LexError { span: start..self.at, message: message.to_owned(), help }
    }
}

enum Escape {
    Char(char),
    Byte(u8),
}
