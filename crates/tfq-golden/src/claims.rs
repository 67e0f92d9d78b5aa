//! What a text says of bytes that it does not have, which no model made from it shows.

use crate::delta::end_of_string;
use std::collections::HashMap;
use tfq_diff::{Elided, Told};
use tfq_ir::Module;
use tfq_ir::text::{Level, Parts, quoted};

#[derive(Debug, Default)]
pub(crate) struct Claims<'t> {
    /// Constants that are left out, by subgraph and name as the text has them.
    constants: HashMap<(String, String), Told>,
    /// Hashes of lists of scales, zero points and ranges, sorted.
    pub(crate) lists: Vec<&'t str>,
    /// Hashes of payloads of ops, sorted.
    pub(crate) payloads: Vec<&'t str>,
    /// Hashes of what stands outside of subgraphs, sorted.
    pub(crate) model: Vec<&'t str>,
}

impl<'t> Claims<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let mut claims = Self::default();
        let tokens = tokens(text);
        let mut subgraph: Option<String> = None;
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at] {
                "subgraph" => {
                    let (name, next) = name(&tokens, at + 1);
                    subgraph = Some(name);
                    at = if tokens.get(next) == Some(&"{") { next + 1 } else { next };
                    continue;
                }
                // Blocks of a subgraph are read whole, so this one ends it.
                "}" => subgraph = None,
                "{" | "(" | "[" => at = claims.skip(&tokens, at, subgraph.is_some()),
                hash if hash.starts_with('#') => claims.model.push(hash),
                token if token.starts_with('%') => {
                    let (tensor, next) = name(&tokens, at);
                    let kinds = ["input", "const", "variable", "tensor"];
                    if tokens.get(next) == Some(&"=")
                        && tokens.get(next + 1).is_some_and(|kind| kinds.contains(kind))
                    {
                        let key = (subgraph.clone().unwrap_or_default(), tensor);
                        at = claims.declaration(&tokens, next + 2, key);
                    } else {
                        at = next;
                    }
                    continue;
                }
                _ => (),
            }
            at += 1;
        }
        claims.lists.sort_unstable();
        claims.payloads.sort_unstable();
        claims.model.sort_unstable();
        claims
    }

    /// Reads a declaration behind its kind; gives the place behind it.
    fn declaration(&mut self, tokens: &[&'t str], begin: usize, key: (String, String)) -> usize {
        let mut told = Told::default();
        let (mut known, mut at) = (false, begin);
        while let Some(token) = tokens.get(at).copied() {
            match token {
                "}" | "output" | "subgraph" => break,
                "=" | "fill" | "as" => known = true,
                "{" => {
                    let end = block(tokens, at);
                    told.statistics = Some(statistics(tokens.get(at + 1..end).unwrap_or_default()));
                    at = end;
                }
                "(" | "[" => at = self.skip(tokens, at, true),
                hash if hash.starts_with('#') => told.hash = Some(hash[1..].to_owned()),
                token if token.starts_with('%') && tokens[at - 1] == "as" => {
                    at = name(tokens, at).1;
                    continue;
                }
                token if token.starts_with('%') && !tokens[at - 1].starts_with('@') => break,
                _ => (),
            }
            at += 1;
        }
        if !known {
            self.constants.insert(key, told);
        }
        at
    }

    /// Takes the hashes out of what is in brackets; gives the place of the last one.
    fn skip(&mut self, tokens: &[&'t str], begin: usize, inside: bool) -> usize {
        let end = block(tokens, begin);
        for at in begin..end {
            if tokens[at].starts_with('#') {
                let list = match tokens[at - 1] {
                    _ if !inside => &mut self.model,
                    // `bytes(96) #a047a3b7`
                    ")" => &mut self.payloads,
                    _ => &mut self.lists,
                };
                list.push(tokens[at]);
            }
        }
        end
    }

    /// Leaves the rest to texts of one level, of which each shows what the other does.
    pub(crate) fn only_constants(&mut self) {
        (self.lists, self.payloads, self.model) = Default::default();
    }

    /// Which constants of the model that was read from the text are made up, and what a text of
    /// this level says of them.
    pub(crate) fn elided(&self, module: &Module, level: Level) -> Elided {
        let mut elided = Elided::default();
        let parts = Parts::new(module, level);
        for (id, graph) in module.subgraphs() {
            let subgraph = quoted('@', parts.subgraph_name(id));
            for tensor in graph.tensors().filter(|t| module.constant(id, *t).is_some()) {
                let key = (subgraph.clone(), quoted('%', parts.tensor_name(id, tensor)));
                let told = self.constants.get(&key).or_else(|| {
                    // A text of one subgraph may do without its name.
                    self.constants.get(&(String::new(), key.1))
                });
                if let Some(told) = told {
                    let told = Told {
                        hash: told.hash.clone().filter(|_| level >= Level::Hash),
                        statistics: told.statistics.clone().filter(|_| level >= Level::Stats),
                    };
                    elided.insert(graph.tensor(tensor).buffer, told);
                }
            }
        }
        elided
    }
}

/// A name behind its sigil, with the place behind it: quotes make it two tokens.
fn name(tokens: &[&str], at: usize) -> (String, usize) {
    let first = tokens.get(at).copied().unwrap_or_default();
    match tokens.get(at + 1) {
        Some(rest) if first.len() == 1 && rest.starts_with('"') => {
            (format!("{first}{rest}"), at + 2)
        }
        _ => (first.to_owned(), at + 1),
    }
}

/// The place of the bracket that closes the one at `begin`; the last token where none does.
fn block(tokens: &[&str], begin: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(begin) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => (),
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// `min = 1, max = 2`, however it was laid out.
fn statistics(tokens: &[&str]) -> String {
    let mut out = String::new();
    for (n, token) in tokens.iter().enumerate() {
        if n > 0 && *token != "," {
            out.push(' ');
        }
        out += token;
    }
    out
}

/// A text without comments and white space: strings, words and marks.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let begin = at;
        match bytes[at] {
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'/' if text[at..].starts_with("//") => {
                at = text[at..].find('\n').map_or(bytes.len(), |n| at + n);
                continue;
            }
            b'"' => at = end_of_string(bytes, at),
            b'(' | b')' | b'{' | b'}' | b'[' | b']' | b',' | b'=' => at += 1,
            _ => {
                while at < bytes.len()
                    && !bytes[at].is_ascii_whitespace()
                    && !b"(){}[],=\"".contains(&bytes[at])
                    && !text[at..].starts_with("//")
                {
                    at += text[at..].chars().next().map_or(1, char::len_utf8);
                }
            }
        }
        tokens.push(&text[begin..at]);
    }
    tokens
}
