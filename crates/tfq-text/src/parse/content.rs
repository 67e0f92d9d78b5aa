//! What a tensor's buffer holds: values, bytes of the side file, fills.

use super::{Content, Name, Once, Parsed, Parser, Span, fail, fail_with};
use crate::fill::{Fill, Gaussian, fill, seed_of};
use crate::lex::Token;
use crate::values::{Packer, Scalar, pack_strings};
use crate::{Elision, quote, stats};
use bytes::Bytes;
use tfq_ir::{ElementType, Tensor};
use tfq_ir::{counted, grouped};

/// What weights are taken to have where nothing is said.
const USUAL_STD: f64 = 0.1;

impl Parser<'_> {
    /// The rest of a declaration, and what it says of bytes that are not in the text. `kind` is
    /// where its kind stands.
    pub(super) fn content(
        &mut self,
        tensor: &Tensor,
        name: &Name,
        constant: bool,
        kind: Span,
    ) -> Parsed<(Content, Option<Elision>)> {
        if self.eat_mark('=') {
            let bytes = self.values(tensor)?;
            self.hint()?;
            return Ok((Content::Bytes(bytes), None));
        }
        if self.eat_word("as") {
            return Ok((Content::As(self.qualified()?), None));
        }
        let start = self.span().start;
        let length = match self.is_word("bytes") {
            true => Some(self.length()?),
            false => None,
        };
        if self.is_word("fill") {
            return Ok((Content::Bytes(self.fill(tensor, length)?), None));
        }
        let size = length.or_else(|| tensor.byte_len());
        let hash = self.peek_hash();
        let bytes = match size {
            Some(size) => self.hashed(size)?,
            None if hash.is_some() => self.hashed(u64::MAX)?,
            None => None,
        };
        let (hint, statistics) = self.hint()?.unzip();
        let said = length.is_some() || hash.is_some() || hint.is_some();
        let elision = Some(Elision { hash, statistics });
        if let Some(bytes) = bytes {
            return Ok((Content::Bytes(bytes), elision));
        }
        if !constant && !said {
            return Ok((Content::None, None));
        }
        let end = self.tokens.end();
        let span = if end > start { start..end } else { kind };
        if !self.fills {
            let name = quote::shown('%', &name.name);
            return self.left_out(span, &format!("the bytes of `{name}` are"));
        }
        let made = self.made_up(tensor, name, length, hint, &span)?;
        Ok((Content::Bytes(made), elision))
    }

    pub(super) fn left_out<T>(&self, span: Span, what: &str) -> Parsed<T> {
        let help = match &self.side {
            Some(_) => {
                "give the side file that was written with this text (--side-file), or allow fills (--fills)"
            }
            None => {
                "give the side file that was written with the text (--side-file), or allow fills (--fills)"
            }
        };
        fail_with(span, format!("{what} not in the text"), help)
    }

    /// Takes bytes from those that a text may ask for without having them: fills, and what is
    /// said once and repeated.
    pub(super) fn spend(&mut self, bytes: u64, span: &Span) -> Parsed<()> {
        let Some(left) = self.left.checked_sub(bytes) else {
            return fail(span.clone(), "the text asks for more bytes than it may");
        };
        self.left = left;
        Ok(())
    }

    /// As [`Self::spend`], for bytes of which the text does not say what they are.
    pub(super) fn make_up(&mut self, bytes: u64, span: &Span) -> Parsed<()> {
        self.spend(bytes, span)?;
        self.made_up = true;
        Ok(())
    }

    /// `bytes(N)`.
    fn length(&mut self) -> Parsed<u64> {
        self.word("bytes")?;
        self.mark('(')?;
        let length = self.number("a number of bytes")?;
        self.mark(')')?;
        Ok(length)
    }

    /// The digits of the hash that comes next, if one does.
    pub(super) fn peek_hash(&self) -> Option<String> {
        match self.peek() {
            Token::Hash(digits) => Some(digits.clone()),
            _ => None,
        }
    }

    /// The bytes of the hash that comes next, if one does and the side file has them. They must
    /// be of this size, unless that is `u64::MAX`.
    pub(super) fn hashed(&mut self, size: u64) -> Parsed<Option<Bytes>> {
        let span = self.span();
        let Some(digits) = self.peek_hash() else { return Ok(None) };
        self.tokens.advance();
        let Some(side) = &self.side else { return Ok(None) };
        let (entry, bytes) = match side.find(&digits) {
            Ok(found) => found,
            Err(_) if self.fills => return Ok(None),
            Err(what) => {
                let help = "give the side file that was written with this text (--side-file), or allow fills (--fills)";
                return fail_with(span, what, help);
            }
        };
        let len = bytes.len() as u64;
        if size != u64::MAX && len != size {
            return fail(
                span,
                format!(
                    "the side file has {} for this, not {}",
                    counted(len, "byte"),
                    grouped(size)
                ),
            );
        }
        let bytes = bytes.clone();
        if self.used.insert(entry) {
            return Ok(Some(bytes));
        }
        let beyond = len.saturating_sub(self.copies_left);
        self.copies_left -= len - beyond;
        self.spend(beyond, &span)?;
        Ok(Some(Bytes::copy_from_slice(&bytes)))
    }

    /// Bytes without a type: as they are, or their number and hash.
    pub(super) fn blob(&mut self) -> Parsed<Bytes> {
        let span = self.span();
        if let Token::Bytes(bytes) = self.peek() {
            let bytes = Bytes::copy_from_slice(bytes);
            self.tokens.advance();
            return Ok(bytes);
        }
        if !self.is_word("bytes") {
            return self.unexpected("bytes (`b\"…\"`)");
        }
        let length = self.length()?;
        let fill = self.eat_word("fill");
        self.elisions.payloads.extend(self.peek_hash());
        if let Some(bytes) = self.hashed(length)? {
            return Ok(bytes);
        }
        let span = span.start..self.tokens.end();
        if !fill && !self.fills {
            return self.left_out(span, "these bytes are");
        }
        self.make_up(length, &span)?;
        Ok(vec![0; length as usize].into())
    }

    /// What stands behind the `=` of a declaration.
    fn values(&mut self, tensor: &Tensor) -> Parsed<Bytes> {
        let span = self.span();
        // Of strings those that are sound stand in brackets, or alone in quotes.
        if let Token::Bytes(bytes) = self.peek() {
            let bytes = Bytes::copy_from_slice(bytes);
            self.tokens.advance();
            return Ok(bytes);
        }
        let Some(elements) = tensor.elements() else {
            return fail(span, format!("the shape {:?} is not one of a constant", tensor.shape));
        };
        let list = self.eat_mark('[');
        let (bytes, count) = match tensor.ty {
            ElementType::String => self.strings(list)?,
            _ => self.packed(tensor.ty, list)?,
        };
        let span = span.start..self.tokens.end();
        if count as u64 != elements {
            let shape: Vec<String> = tensor.shape.iter().map(i32::to_string).collect();
            return fail_with(
                span,
                format!(
                    "{} for {} ([{}])",
                    counted(count, "value"),
                    counted(elements, "element"),
                    shape.join(",")
                ),
                "`fill const(x)` gives every element the same value",
            );
        }
        Ok(bytes.into())
    }

    fn strings(&mut self, list: bool) -> Parsed<(Vec<u8>, usize)> {
        let mut strings: Vec<Vec<u8>> = Vec::new();
        while !(list && self.eat_mark(']')) {
            let (times, span) = self.times(list)?;
            let text = match self.peek() {
                Token::String(text) => text.clone().into_bytes(),
                Token::Bytes(bytes) => bytes.clone(),
                _ => return self.unexpected("a string"),
            };
            self.tokens.advance();
            // Each is kept for itself, and then put among the bytes.
            self.spend((times - 1).saturating_mul(2 * text.len() as u64 + 32), &span)?;
            strings.extend((1..times).map(|_| text.clone()));
            strings.push(text);
            if !list {
                break;
            }
            self.comma(']')?;
        }
        Ok((pack_strings(&strings), strings.len()))
    }

    fn packed(&mut self, ty: ElementType, list: bool) -> Parsed<(Vec<u8>, usize)> {
        let mut packer = Packer::new(ty);
        let what = format!("a value of type {}", crate::format::type_name(ty));
        while !(list && self.eat_mark(']')) {
            let (times, span) = self.times(list)?;
            let before = packer.len();
            if self.eat_mark('(') {
                let span = self.span();
                let re = self.owned_scalar(&what)?;
                self.mark(',')?;
                let im = self.owned_scalar(&what)?;
                self.mark(')')?;
                if !packer.push_complex(re.borrow(), im.borrow()) {
                    return fail(span, format!("this cannot be {what}"));
                }
            } else {
                self.scalar(&what, |scalar| packer.push(scalar).then_some(()))?;
            }
            if times > 1 {
                let bits = u64::from(ty.bits().unwrap_or(8));
                self.spend((times - 1).saturating_mul(bits).div_ceil(8), &span)?;
                packer.repeat(before, times);
            }
            if !list {
                break;
            }
            self.comma(']')?;
        }
        Ok(packer.finish())
    }

    /// `N *` before an element that stands for `N` of them.
    fn times(&mut self, list: bool) -> Parsed<(u64, Span)> {
        let span = self.span();
        if !list || *self.peek_after() != Token::Mark('*') {
            return Ok((1, span));
        }
        let times = self.number("how many elements are the same")?;
        self.tokens.advance();
        if times == 0 {
            return fail(span, "an element is there once at least");
        }
        Ok((times, span))
    }

    fn owned_scalar(&mut self, what: &str) -> Parsed<OwnedScalar> {
        self.scalar(what, |scalar| match scalar {
            Scalar::Number(text) => Some(OwnedScalar::Number(text.to_owned())),
            Scalar::Bits(text) => Some(OwnedScalar::Bits(text.to_owned())),
            Scalar::Bool(_) => None,
        })
    }

    /// `{min = …, max = …}`, which only fills look at, and how the printer would write it.
    fn hint(&mut self) -> Parsed<Option<(Gaussian, String)>> {
        if !self.eat_mark('{') {
            return Ok(None);
        }
        let mut hint = Gaussian { std: USUAL_STD, ..Gaussian::default() };
        let mut once = Once::default();
        let mut said = String::new();
        while !self.eat_mark('}') {
            let (key, span) = self.any_word("a statistic")?;
            once.check(&key, &span)?;
            self.mark('=')?;
            let value = self.span().start;
            match key.as_str() {
                "min" => hint.min = self.float("a number")?,
                "max" => hint.max = self.float("a number")?,
                "mean" => hint.mean = self.float("a number")?,
                "std" => hint.std = self.float("a number")?,
                "zeros" => hint.zeros = self.percentage()?,
                "nonfinite" => hint.nonfinite = self.number("how many")?,
                _ => return fail(span, format!("there is no statistic `{}`", quote::cut(&key))),
            }
            let value = self.tokens.text_from(value);
            let before = if said.is_empty() { "" } else { ", " };
            said += &format!("{before}{key} = {value}");
            self.comma('}')?;
        }
        Ok(Some((hint, said)))
    }

    /// `fill gaussian(…)` and so on.
    fn fill(&mut self, tensor: &Tensor, length: Option<u64>) -> Parsed<Bytes> {
        self.word("fill")?;
        let (word, span) = self.any_word("a fill")?;
        let mut normal = Gaussian::default();
        if word == "uniform" {
            (normal.min, normal.max) = (0.0, 1.0);
        }
        let (mut start, mut step, mut value) = (0.0, 1.0, 0.0);
        self.mark('(')?;
        if word == "const" {
            value = match self.peek() {
                Token::Word(word) if word == "true" || word == "false" => {
                    self.scalar("a value", |scalar| match scalar {
                        Scalar::Bool(v) => Some(f64::from(u8::from(v))),
                        _ => None,
                    })?
                }
                _ => self.float("a value")?,
            };
        }
        let mut once = Once::default();
        while *self.peek() != Token::Mark(')') && word != "const" {
            let (key, span) = self.any_word("a parameter")?;
            once.check(&key, &span)?;
            self.mark('=')?;
            match (word.as_str(), key.as_str()) {
                ("gaussian" | "uniform", "seed") => normal.seed = self.number("a seed")?,
                ("gaussian", "mean") => normal.mean = self.float("a mean")?,
                ("gaussian", "std") => normal.std = self.float("a standard deviation")?,
                ("gaussian" | "uniform", "min") => normal.min = self.float("a number")?,
                ("gaussian" | "uniform", "max") => normal.max = self.float("a number")?,
                ("gaussian", "zeros") => normal.zeros = self.percentage()?,
                ("gaussian", "nonfinite") => normal.nonfinite = self.number("how many")?,
                ("ramp", "start") => start = self.float("a number")?,
                ("ramp", "step") => step = self.float("a number")?,
                ("gaussian" | "uniform" | "ramp", _) => {
                    let help = match word.as_str() {
                        "gaussian" => "it has seed, mean, std, min, max, zeros and nonfinite",
                        "uniform" => "it has seed, min and max",
                        _ => "it has start and step",
                    };
                    return fail_with(span, format!("{word} has no `{}`", quote::cut(&key)), help);
                }
                _ => break,
            }
            self.comma(')')?;
        }
        let how = match word.as_str() {
            "gaussian" | "uniform" if normal.min > normal.max => {
                return fail(span, format!("min {} is above max {}", normal.min, normal.max));
            }
            "gaussian" if normal.std < 0.0 => {
                return fail(span, "a standard deviation is not below 0");
            }
            "gaussian" => Fill::Gaussian(normal),
            "uniform" => Fill::Uniform { seed: normal.seed, min: normal.min, max: normal.max },
            "ramp" => Fill::Ramp { start, step },
            "const" => Fill::Const(value),
            _ => {
                let help = "fills are gaussian, uniform, ramp and const";
                return fail_with(span, format!("there is no fill `{}`", quote::cut(&word)), help);
            }
        };
        self.mark(')')?;
        self.filled(tensor, length, how, &span)
    }

    /// `84.9%`, as a share.
    fn percentage(&mut self) -> Parsed<f64> {
        let span = self.span();
        let share = self.float("a percentage")? / 100.0;
        self.eat_mark('%');
        if (0.0..=1.0).contains(&share) { Ok(share) } else { fail(span, "it is no percentage") }
    }

    fn filled(
        &mut self,
        tensor: &Tensor,
        length: Option<u64>,
        how: Fill,
        span: &Span,
    ) -> Parsed<Bytes> {
        let Some(bits) = tensor.ty.bits() else {
            // There is nothing to fill strings with but emptiness.
            return match length {
                Some(length) => {
                    self.make_up(length, span)?;
                    Ok(vec![0; length as usize].into())
                }
                None => self.empty_strings(tensor, span),
            };
        };
        let elements = match length {
            Some(length) => Some(length.saturating_mul(8) / u64::from(bits)),
            None => tensor.elements(),
        };
        let sized = elements.and_then(|n| Some((n, tensor.ty.bytes_for(n)?)));
        let Some((elements, bytes)) = sized else {
            let shape = &tensor.shape;
            return fail(span.clone(), format!("the shape {shape:?} is not one of a constant"));
        };
        self.make_up(bytes, span)?;
        let made = match fill(how, tensor.ty, elements as usize) {
            Some(_) if turns_infinite(how, tensor.ty) => {
                let ty = crate::format::type_name(tensor.ty);
                return fail(span.clone(), format!("this value is too large for {ty}"));
            }
            Some(made) => made,
            // No numbers that arithmetic is done with: zeros.
            None if how == Fill::Const(0.0) => vec![0; bytes as usize],
            None => {
                let ty = crate::format::type_name(tensor.ty);
                return fail(span.clone(), format!("there are no fills of type {ty} but const(0)"));
            }
        };
        let mut made = made;
        made.resize(length.unwrap_or(bytes) as usize, 0);
        Ok(made.into())
    }

    fn empty_strings(&mut self, tensor: &Tensor, span: &Span) -> Parsed<Bytes> {
        let count = tensor.elements().unwrap_or(0);
        self.make_up(count.saturating_mul(4), span)?;
        Ok(pack_strings(&vec![[0_u8; 0]; count as usize]).into())
    }

    /// Bytes for a constant of which the text says next to nothing.
    fn made_up(
        &mut self,
        tensor: &Tensor,
        name: &Name,
        length: Option<u64>,
        hint: Option<Gaussian>,
        span: &Span,
    ) -> Parsed<Bytes> {
        use ElementType::*;
        let seed = u64::from(seed_of(&name.name));
        let symmetric = |most: f64| Fill::Uniform { seed, min: -most, max: most };
        let how = match (hint, tensor.ty) {
            (Some(hint), ty) if !matches!(ty, Float8E4M3Fn | Float8E5M2) => {
                Fill::Gaussian(Gaussian { seed, ..hint })
            }
            (_, Float32 | Float16 | BFloat16 | Float64) => {
                Fill::Gaussian(Gaussian { seed, std: USUAL_STD, ..Gaussian::default() })
            }
            (_, Int8) => symmetric(127.0),
            (_, Int4) => symmetric(7.0),
            (_, Int16) => symmetric(32_767.0),
            (_, UInt8) => Fill::Uniform { seed, min: 0.0, max: 255.0 },
            // Indices, shapes and the like, where only 0 is safe.
            _ => Fill::Const(0.0),
        };
        self.filled(tensor, length, how, span)
    }
}

/// Whether a number becomes infinite as a value of this type.
fn turns_infinite(how: Fill, ty: ElementType) -> bool {
    let Fill::Const(value) = how else { return false };
    let one = fill(how, ty, 1).unwrap_or_default();
    value.is_finite() && stats(ty, &one).is_some_and(|stats| stats.nonfinite > 0)
}

enum OwnedScalar {
    Number(String),
    Bits(String),
}

impl OwnedScalar {
    fn borrow(&self) -> Scalar<'_> {
        match self {
            Self::Number(text) => Scalar::Number(text),
            Self::Bits(text) => Scalar::Bits(text),
        }
    }
}
