//! Tensors: declarations, types, quantisation, sparsity.

use super::{
    Content, Name, Once, Parsed, Parser, RawLink, RawSubgraph, RawTensor, Span, fail, fail_with,
};
use crate::format::{TYPE_NAMES, type_from_name};
use crate::lex::Token;
use crate::quote;
use crate::values::{Number, Scalar, decimal};
use std::sync::Arc;
use tfq_ir::{
    DimensionMetadata, ElementType, Quantization, QuantizationDetails, SparseIndex, Sparsity,
    Tensor, TensorLink, VariantSubType,
};

/// What stands behind a colon.
pub(super) struct Described {
    pub(super) tensor: Tensor,
    pub(super) links: Option<(RawLink, RawLink)>,
    /// `Some(true)` for `[]`, `Some(false)` for `[*]`.
    pub(super) ranked: Option<bool>,
}

impl Described {
    /// What a tensor is of which the text says nothing.
    pub(super) fn unknown() -> Self {
        let tensor = Tensor::new("", ElementType::Float32, []);
        Self { tensor, links: None, ranked: None }
    }

    pub(super) fn named(
        mut self,
        name: &Name,
        constant: bool,
    ) -> (Tensor, Option<(RawLink, RawLink)>) {
        self.tensor.name = Some(name.name.as_str().into());
        self.tensor.has_rank = self.ranked == Some(true) && !constant;
        (self.tensor, self.links)
    }
}

impl Parser<'_> {
    /// `%name = const : …` and so on, from behind the `=`.
    pub(super) fn declaration(&mut self, subgraph: &mut RawSubgraph, name: Name) -> Parsed<()> {
        let (mut word, mut span) = self.any_word("a kind of tensor")?;
        let input = word == "input";
        if input {
            match self.peek() {
                Token::Word(next) if next == "const" || next == "variable" => {
                    (word, span) = self.any_word("a kind of tensor")?;
                }
                _ => (),
            }
        }
        if let Some(other) = subgraph.tensors.get(&name.name)
            && !(input && other.result && !other.input)
        {
            let shown = quote::shown('%', &name.name);
            return fail(name.span, format!("there is a tensor `{shown}` already"));
        }
        let mut described = match self.eat_mark(':') {
            true => self.description()?,
            false => Described::unknown(),
        };
        described.tensor.is_variable |= word == "variable";
        let constant = word == "const";
        let (content, elision) = self.content(&described.tensor, &name, constant, span.clone())?;
        if let Some(elision) = elision {
            let place = (subgraph.name.clone(), name.name.clone());
            self.elisions.constants.insert(place, elision);
        }
        if matches!(word.as_str(), "input" | "tensor") && !matches!(content, Content::None) {
            let kind = if input { "input const" } else { "const" };
            let message = format!("a tensor with contents is `{kind}`, not `{word}`");
            return fail(span, message);
        }
        let constant = !described.tensor.is_variable && !matches!(content, Content::None);
        let ranked = described.ranked.filter(|ranked| !(*ranked && constant));
        let (tensor, links) = described.named(&name, constant);
        if input {
            subgraph.inputs.push(Name { name: name.name.clone(), span: name.span.clone() });
        }
        // An op may come to write to an input.
        let result = subgraph.tensors.get(&name.name).is_some_and(|other| other.result);
        let (span, apart) = (name.span, true);
        let declared = RawTensor { span, tensor, links, content, result, input, ranked, apart };
        subgraph.tensors.insert(name.name, declared);
        Ok(())
    }

    /// A type with its shape and what follows.
    pub(super) fn description(&mut self) -> Parsed<Described> {
        let mut tensor = Described::unknown().tensor;
        tensor.ty = self.element_type()?;
        let (shape, signature, ranked) = self.dims()?;
        tensor.shape = shape.into();
        if !signature.is_empty() {
            tensor.shape_signature = signature.into();
        }
        let mut links = None;
        let mut once = Once::default();
        while self.is_extra() {
            let (word, span) = self.any_word("what else is known of a tensor")?;
            once.check(&word, &span)?;
            match word.as_str() {
                "q" => {
                    let q = self.quantization(&mut links)?;
                    tensor.quantization = Some(Arc::new(q));
                }
                "signature" => {
                    if !tensor.shape_signature.is_empty() {
                        return fail(span, "what is unknown of the shape is said by `?` already");
                    }
                    tensor.shape_signature = self.list::<i32>()?.0.into();
                }
                "external" => tensor.external_buffer = self.number("an external buffer")?,
                "expressed" => tensor.expressed = Some(self.element_type()?),
                "of" => {
                    self.mark('(')?;
                    while !self.eat_mark(')') {
                        let variant = self.variant()?;
                        tensor.variant_tensors.push(variant);
                        self.comma(')')?;
                    }
                }
                "sparse" => tensor.sparsity = Some(Arc::new(self.sparsity()?)),
                _ => tensor.is_variable = true,
            }
        }
        Ok(Described { tensor, links, ranked })
    }

    /// Whether a word comes next that belongs to a type. Sections and ops begin with words too.
    fn is_extra(&self) -> bool {
        let Token::Word(word) = self.peek() else { return false };
        match word.as_str() {
            "q" | "sparse" => *self.peek_after() == Token::Mark('('),
            "signature" => *self.peek_after() == Token::Mark('['),
            word => matches!(word, "external" | "expressed" | "of" | "variable"),
        }
    }

    fn element_type(&mut self) -> Parsed<ElementType> {
        let (word, span) = self.any_word("a type (`f32`)")?;
        match type_from_name(&word) {
            Some(ty) => Ok(ty),
            None => {
                let message = format!("there is no type `{}`", quote::cut(&word));
                let by_schema = ElementType::from_name(&word.to_uppercase());
                let near = by_schema
                    .map(crate::format::type_name)
                    .or_else(|| tfq_ir::closest(&word, TYPE_NAMES));
                match near {
                    Some(near) => fail_with(span, message, format!("did you mean `{near}`?")),
                    None => {
                        fail_with(span, message, format!("types are {}", TYPE_NAMES.join(", ")))
                    }
                }
            }
        }
    }

    /// Dimensions in brackets: the shape, the signature, and whether there is known to be a rank
    /// where there are none.
    fn dims(&mut self) -> Parsed<(Vec<i32>, Vec<i32>, Option<bool>)> {
        let (mut shape, mut signature) = (Vec::new(), Vec::new());
        let mut unknown = false;
        self.mark('[')?;
        if self.eat_mark('*') {
            self.mark(']')?;
            return Ok((shape, Vec::new(), Some(false)));
        }
        while !self.eat_mark(']') {
            if self.eat_mark('?') {
                unknown = true;
                shape.push(if self.eat_mark('=') { self.number("a dimension")? } else { 1 });
                signature.push(-1);
            } else {
                let dim = self.number("a dimension")?;
                shape.push(dim);
                signature.push(dim);
            }
            self.comma(']')?;
        }
        if !unknown {
            signature.clear();
        }
        let ranked = shape.is_empty().then_some(true);
        Ok((shape, signature, ranked))
    }

    fn variant(&mut self) -> Parsed<VariantSubType> {
        let ty = self.element_type()?;
        let (shape, signature, ranked) = self.dims()?;
        if !signature.is_empty() {
            return fail(self.span(), "an unknown dimension of an element is -1, not `?`");
        }
        let has_rank = ranked != Some(false) && !self.eat_word("unranked");
        Ok(VariantSubType { shape, ty, has_rank })
    }

    fn quantization(&mut self, links: &mut Option<(RawLink, RawLink)>) -> Parsed<Quantization> {
        let mut q = Quantization::default();
        let mut zero = None;
        let mut lists = 0;
        let mut once = Once::default();
        let start = self.span().start;
        self.mark('(')?;
        while !self.eat_mark(')') {
            let span = self.span();
            match self.peek().clone() {
                Token::Word(word) if !matches!(word.as_str(), "inf" | "nan") => {
                    self.tokens.advance();
                    once.check(&word, &span)?;
                    self.quantization_item(&word, span, &mut q, links)?;
                    // Numbers come before words.
                    lists = 2;
                }
                _ if lists == 0 => q.scale = self.list()?.0,
                _ if lists == 1 => zero = Some((self.list::<i64>()?, span)),
                _ => return self.unexpected("`axis`, `min`, `max` or `)`"),
            }
            lists += 1;
            self.comma(')')?;
        }
        // One zero point without brackets counts for all scales.
        let (zeros, span) = zero.unwrap_or_else(|| ((vec![0], false), start..self.tokens.end()));
        q.zero_point = match zeros {
            (zeros, false) if zeros.len() == 1 => {
                self.spend(8 * q.scale.len() as u64, &span)?;
                vec![zeros[0]; q.scale.len()].into()
            }
            (zeros, _) => zeros.into(),
        };
        Ok(q)
    }

    fn quantization_item(
        &mut self,
        word: &str,
        span: Span,
        q: &mut Quantization,
        links: &mut Option<(RawLink, RawLink)>,
    ) -> Parsed<()> {
        match word {
            "axis" => {
                self.mark('=')?;
                q.quantized_dimension = self.number("a dimension")?;
            }
            "min" => {
                self.mark('=')?;
                q.min = self.list()?.0;
            }
            "max" => {
                self.mark('=')?;
                q.max = self.list()?.0;
            }
            "custom" | "blockwise" | "multi_axis" if q.details != QuantizationDetails::None => {
                let message = "of blockwise, multi_axis and custom a quantisation has one";
                return fail(span, message);
            }
            "custom" => {
                self.mark('(')?;
                q.details = QuantizationDetails::Custom(self.blob()?);
                self.mark(')')?;
            }
            "blockwise" | "multi_axis" => {
                let none = || RawLink::Raw(-1, span.clone());
                let (mut scales, mut zeros) = (none(), none());
                let (mut size, mut list) = (0, Vec::new());
                let mut once = Once::default();
                self.mark('(')?;
                while !self.eat_mark(')') {
                    let (key, span) = self.any_word("a field")?;
                    once.check(&key, &span)?;
                    self.mark('=')?;
                    match key.as_str() {
                        "scales" => scales = self.raw_link()?,
                        "zero_points" => zeros = self.raw_link()?,
                        "block_size" => size = self.number("a size")?,
                        "block_shape" if word == "blockwise" => list = self.list()?.0,
                        "axes" if word == "multi_axis" => list = self.list()?.0,
                        _ => {
                            return fail(span, format!("{word} has no `{}`", quote::cut(&key)));
                        }
                    }
                    self.comma(')')?;
                }
                *links = Some((scales, zeros));
                let none = TensorLink::Raw(-1);
                q.details = if word == "blockwise" {
                    QuantizationDetails::Blockwise {
                        scales: none,
                        zero_points: none,
                        block_size: size,
                        block_shape: list,
                    }
                } else {
                    QuantizationDetails::MultiAxis {
                        scales: none,
                        zero_points: none,
                        block_size: size,
                        quantized_dimensions: list,
                    }
                };
            }
            _ => {
                let help = "after scale and zero point come axis, min, max, blockwise(…), multi_axis(…) or custom(…)";
                let message = format!("a quantisation has no `{}`", quote::cut(word));
                return fail_with(span, message, help);
            }
        }
        Ok(())
    }

    fn sparsity(&mut self) -> Parsed<Sparsity> {
        let mut sparsity = Sparsity::default();
        let mut once = Once::default();
        self.mark('(')?;
        while !self.eat_mark(')') {
            let (word, span) = self.any_word("`order`, `blocks`, `dense(…)` or `csr(…)`")?;
            match word.as_str() {
                "order" => {
                    once.check(&word, &span)?;
                    self.mark('=')?;
                    sparsity.traversal_order = self.list()?.0;
                }
                "blocks" => {
                    once.check(&word, &span)?;
                    self.mark('=')?;
                    sparsity.block_map = self.list()?.0;
                }
                "dense" | "csr" | "dim" => {
                    let dim = self.sparse_dim(&word)?;
                    sparsity.dim_metadata.push(dim);
                }
                _ => return fail(span, format!("a sparse tensor has no `{}`", quote::cut(&word))),
            }
            self.comma(')')?;
        }
        Ok(sparsity)
    }

    fn sparse_dim(&mut self, word: &str) -> Parsed<DimensionMetadata> {
        self.mark('(')?;
        let format = match word {
            "dense" => 0,
            "csr" => 1,
            _ => {
                let format = self.number("a format")?;
                self.mark(',')?;
                format
            }
        };
        let dense_size = self.number("a size")?;
        let mut dim = DimensionMetadata { format, dense_size, ..DimensionMetadata::default() };
        let mut once = Once::default();
        while self.eat_mark(',') {
            let (key, span) = self.any_word("`segments` or `indices`")?;
            once.check(&key, &span)?;
            self.mark('=')?;
            let (ty, ty_span) = self.any_word("`i32`, `u16` or `u8`")?;
            let index = match ty.as_str() {
                "i32" => SparseIndex::Int32(self.list()?.0),
                "u16" => SparseIndex::Uint16(self.list()?.0),
                "u8" => SparseIndex::Uint8(self.list()?.0),
                _ => {
                    let found = quote::cut(&ty);
                    return fail(ty_span, format!("indices are i32, u16 or u8, not `{found}`"));
                }
            };
            match key.as_str() {
                "segments" => dim.array_segments = index,
                "indices" => dim.array_indices = index,
                _ => return fail(span, format!("a dimension has no `{}`", quote::cut(&key))),
            }
        }
        self.mark(')')?;
        Ok(dim)
    }

    /// A list of numbers, and whether it has brackets: `1`, `[1, 2]`, `[9 * 1]`,
    /// `[9 : 1..5 #…]`.
    pub(super) fn list<T: Number>(&mut self) -> Parsed<(Vec<T>, bool)> {
        if !self.eat_mark('[') {
            return Ok((vec![self.scalar("a number", T::parse)?], false));
        }
        match self.peek_after() {
            Token::Mark('*') => {
                let span = self.span();
                let count: u64 = self.number("the length of a list")?;
                self.spend(count.saturating_mul(T::SIZE as u64), &span)?;
                self.tokens.advance();
                let value = self.scalar("a number", T::parse)?;
                self.mark(']')?;
                return Ok((vec![value; count as usize], true));
            }
            Token::Mark(':') => return Ok((self.elided_list()?, true)),
            _ => (),
        }
        let mut list = Vec::new();
        while !self.eat_mark(']') {
            list.push(self.scalar("a number", T::parse)?);
            self.comma(']')?;
        }
        Ok((list, true))
    }

    /// From behind the bracket: length, colon, the least and the greatest.
    fn elided_list<T: Number>(&mut self) -> Parsed<Vec<T>> {
        let span = self.span();
        let count: u64 = self.number("the length of a list")?;
        let size = count.saturating_mul(T::SIZE as u64);
        self.tokens.advance();
        let least = self.scalar("a number", T::parse)?;
        if *self.peek() != Token::Dots {
            return self.unexpected("`..`");
        }
        self.tokens.advance();
        let greatest = self.scalar("a number", T::parse)?;
        let fill = self.eat_word("fill");
        self.elisions.lists.extend(self.peek_hash());
        let bytes = self.hashed(size)?;
        let span = span.start..self.span().end;
        self.mark(']')?;
        if let Some(bytes) = bytes {
            return Ok(bytes.chunks_exact(T::SIZE).map(T::get).collect());
        }
        if !fill && !self.fills {
            return self.left_out(span, "the numbers of this list are");
        }
        self.make_up(size, &span)?;
        let count = count as usize;
        let (low, high) = (least.to_f64(), greatest.to_f64());
        let last = count.saturating_sub(1);
        let value = |n: usize| match n {
            0 => least,
            n if n == last => greatest,
            n => {
                let between = T::from_f64(low + (high - low) * (n as f64 / last as f64));
                // NaN and the like lead out of the range.
                let inside = between.compare(&least).is_ge() && between.compare(&greatest).is_le();
                if inside { between } else { least }
            }
        };
        Ok((0..count).map(value).collect())
    }

    /// A float of attributes and fills.
    pub(super) fn float(&mut self, what: &str) -> Parsed<f64> {
        self.scalar(what, |scalar| match scalar {
            Scalar::Number(text) => decimal(text, f64::is_finite),
            _ => None,
        })
    }
}
