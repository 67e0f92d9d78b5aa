//! A model as text: one line for each op, with names instead of numbers.
//!
//! Internal crate: users import `tfq_opt::ir::text`.
//!
//! `docs/text-format.md` has the grammar, examples, and what each level shows. In short:
//!
//! ```text
//! tfg 1 quant
//!
//! subgraph @main {
//!   %x = input : f32[1,?,16]
//!   %w = const : i8[4,16] q(0.02)
//!
//!   %y = FULLY_CONNECTED.v9(%x, %w, _) {fused_activation_function = RELU} : f32[1,4]
//!
//!   output %y
//! }
//! ```

mod elision;
mod fill;
mod format;
mod lex;
mod names;
mod parse;
mod print;
mod quote;
pub mod side;
mod stats;
mod values;

use tfq_ir::{Module, SubgraphId};

pub use elision::{Elision, Elisions};
pub use format::{Level, VERSION};
pub use parse::{ParseError, ParseOptions};
pub use print::Parts;
pub use quote::quoted_len;
pub use stats::{Stats, short, stats};
pub use tfq_ir::{
    is_hidden, line_and_column, visible, visible_json, visible_lines, visible_path, visible_quoted,
};

/// The model as text.
pub fn print(module: &Module, level: Level) -> String {
    print::print(module, level)
}

/// The model as text of level [`Level::Full`], and the side file: the bytes that the text only
/// has the hash of. Parsing both gives the same model.
pub fn print_with_side(module: &Module) -> (String, Vec<u8>) {
    print::print_with_side(module)
}

/// One subgraph as text, without the lines that belong to the model.
///
/// # Panics
/// If there is no subgraph of this number.
pub fn print_subgraph(module: &Module, subgraph: SubgraphId, level: Level) -> String {
    print::print_subgraph(module, subgraph, level)
}

/// The model as text whose larger constants are fills of similar statistics: some kilobytes
/// that parse without a side file, with the structure of the model but none of its weights.
pub fn print_skeleton(module: &Module) -> String {
    print::print_skeleton(module)
}

/// Reads a model. It is well-formed ([`Module::verify`]), or there is an error.
pub fn parse(text: &str, options: &ParseOptions) -> Result<Module, ParseError> {
    parse::parse(text, options).map(|(module, _)| module)
}

/// Reads a model as [`parse`] does, and what the text says of bytes that it leaves out.
pub fn parse_with_elisions(
    text: &str,
    options: &ParseOptions,
) -> Result<(Module, Elisions), ParseError> {
    parse::parse(text, options)
}

/// Whether two texts are made of the same tokens: they differ in white space and comments alone.
pub fn same_tokens(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (lex::Lexer::new(a), lex::Lexer::new(b));
    loop {
        match (a.next(), b.next()) {
            (Ok((lex::Token::End, _)), Ok((lex::Token::End, _))) => return true,
            (Ok((x, _)), Ok((y, _))) if x == y => (),
            _ => return false,
        }
    }
}

/// So far into a file its beginning is looked for, behind comments.
const LONGEST_PREAMBLE: usize = 1 << 20;

/// Whether these are the first bytes of a text, or meant to be: behind comments stands what one
/// can begin with, which is its head, a section, an op or a tensor.
pub fn is_text(input: &[u8]) -> bool {
    let input = &input[..input.len().min(LONGEST_PREAMBLE)];
    let mut rest = input.strip_prefix(BYTE_ORDER_MARK).unwrap_or(input).trim_ascii_start();
    while let Some(comment) = rest.strip_prefix(b"//") {
        let Some(end) = comment.iter().position(|byte| *byte == b'\n') else { return false };
        rest = comment[end..].trim_ascii_start();
    }
    if rest.first() == Some(&b'%') {
        // Documents in PDF begin with a percent sign as well.
        return !rest.starts_with(b"%PDF-")
            && (rest.get(1) == Some(&b'"') || quote::bare_len(&rest[1..]) > 0);
    }
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let (word, behind) = rest.split_at(rest.iter().take_while(|b| is_letter(b)).count());
    let Ok(word) = std::str::from_utf8(word) else { return false };
    let next = behind.trim_ascii_start().first();
    let spaced = behind.first().is_none_or(|b| b.is_ascii_whitespace());
    match word {
        "tfg" => spaced,
        // English words as well, and pointers of Git LFS begin with a version.
        "version" | "builtin" | "buffers" => spaced && next.is_some_and(u8::is_ascii_digit),
        "constants" => behind.trim_ascii_start().starts_with(b"outside"),
        "description" | "metadata" | "trailer" | "custom" => {
            let none = behind.trim_ascii_start().starts_with(b"none");
            none || next.is_some_and(|b| matches!(b, b'"' | b'='))
        }
        "input" | "output" => next == Some(&b'%'),
        "layout" => next == Some(&b'@'),
        word if parse::SECTIONS.contains(&word) => spaced,
        word => {
            let is_op = tfq_ir::catalog::op_by_name(word).is_some();
            is_op && matches!(behind.first(), Some(b'(' | b'.'))
        }
    }
}

/// What editors may put before a text.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The level that the first line of a text says, if it says one.
pub fn level_of(text: &str) -> Option<Level> {
    let mut words = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("//"))?
        .split_whitespace();
    (words.next() == Some("tfg")).then_some(())?;
    Level::from_name(words.nth(1)?)
}

/// A name as texts have it: behind its sigil, `%` or `@`, and in quotes where it needs them.
pub fn quoted(sigil: char, name: &str) -> String {
    let mut out = String::new();
    quote::name(&mut out, sigil, name);
    out
}

/// How many bytes of a text the name behind a sigil takes, in quotes or without.
pub fn name_len(text: &str) -> usize {
    if text.starts_with('"') { quoted_len(text) } else { quote::bare_len(text.as_bytes()) }
}
