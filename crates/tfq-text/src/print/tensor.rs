//! Tensors: type, shape, and what they hold.

use super::printer::{Aside, Printed, Printer, key};
use crate::format::{INLINE_BYTES, INLINE_ELEMENTS, type_name};
use crate::{Level, Stats, fill, quote, stats, values};
use bytes::Bytes;
use std::fmt::Write;
use tfq_ir::{Tensor, TensorId, VariantSubType};

impl Printer<'_> {
    /// A tensor that no op computes, or none alone.
    pub(super) fn declaration(&mut self, place: &Printed<'_>, id: TensorId, input: bool) {
        let tensor = place.graph.tensor(id);
        let constant = self.module.constants().constant(tensor.buffer).is_some();
        self.out.push_str("  ");
        self.tensor_name(place, id);
        self.out.push_str(" = ");
        let kind = match (tensor.is_variable, constant) {
            (true, _) => Some("variable"),
            (false, true) => Some("const"),
            (false, false) => None,
        };
        self.out.push_str(match (input, kind) {
            (true, None) => "input",
            (true, Some("const")) => "input const",
            (true, Some(_)) => "input variable",
            (false, Some(kind)) => kind,
            (false, None) => "tensor",
        });
        if self.level >= Level::Types {
            self.out.push_str(" : ");
            self.description(place, tensor, constant && !tensor.is_variable);
            self.content(place, id, tensor);
        }
        self.out.push('\n');
    }

    /// Type, shape and what else is known of a tensor.
    pub(super) fn description(&mut self, place: &Printed<'_>, tensor: &Tensor, constant: bool) {
        self.out.push_str(type_name(tensor.ty));
        let signature = &tensor.shape_signature;
        let fits = signature_fits(tensor);
        self.out.push('[');
        if tensor.shape.is_empty() && !tensor.has_rank && !constant {
            self.out.push('*');
        }
        for (n, dim) in tensor.shape.iter().enumerate() {
            if n > 0 {
                self.out.push(',');
            }
            match dim {
                1 if fits && signature[n] == -1 => self.out.push('?'),
                dim if fits && signature[n] == -1 => _ = write!(self.out, "?={dim}"),
                dim => _ = write!(self.out, "{dim}"),
            }
        }
        self.out.push(']');
        if let Some(q) = tensor.quantization.as_deref().filter(|_| self.level >= Level::Quant) {
            self.quantization(place, q);
        }
        if !fits && !signature.is_empty() {
            self.out.push_str(" signature ");
            self.every(signature);
        }
        if tensor.external_buffer != 0 {
            _ = write!(self.out, " external {}", tensor.external_buffer);
        }
        if let Some(ty) = tensor.expressed {
            _ = write!(self.out, " expressed {}", type_name(ty));
        }
        if !tensor.variant_tensors.is_empty() {
            self.out.push_str(" of (");
            for (n, variant) in tensor.variant_tensors.iter().enumerate() {
                self.separate(n);
                self.variant(variant);
            }
            self.out.push(')');
        }
        if let Some(sparsity) = &tensor.sparsity {
            self.sparsity(sparsity);
        }
    }

    pub(super) fn variant(&mut self, variant: &VariantSubType) {
        self.out.push_str(type_name(variant.ty));
        if variant.shape.is_empty() && !variant.has_rank {
            self.out.push_str("[*]");
            return;
        }
        self.out.push('[');
        for (n, dim) in variant.shape.iter().enumerate() {
            _ = write!(self.out, "{}{dim}", if n > 0 { "," } else { "" });
        }
        self.out.push(']');
        if !variant.has_rank {
            self.out.push_str(" unranked");
        }
    }

    /// The bytes of a tensor's buffer, or what is told of them.
    pub(super) fn content(&mut self, place: &Printed<'_>, id: TensorId, tensor: &Tensor) {
        let Some(bytes) = self.module.constants().constant(tensor.buffer) else { return };
        let elements = tensor.elements();
        let usual = elements.and_then(|n| tensor.ty.bytes_for(n)) == Some(bytes.len() as u64);
        let few = elements.is_some_and(|n| n <= INLINE_ELEMENTS as u64);
        if let Some(text) = values::inline(tensor.ty, &tensor.shape, elements, bytes) {
            self.out.push_str(" = ");
            self.out.push_str(&text);
        } else if bytes.len() <= INLINE_BYTES && (few || !usual) {
            self.out.push_str(" = ");
            quote::bytes(&mut self.out, bytes);
        } else {
            if tensor.is_variable && self.level < Level::Hash {
                return;
            }
            self.elided(place, id, tensor, bytes, usual);
        }
        self.written.insert(tensor.buffer);
    }

    pub(super) fn elided(
        &mut self,
        place: &Printed<'_>,
        id: TensorId,
        tensor: &Tensor,
        bytes: &Bytes,
        usual: bool,
    ) {
        if self.level >= Level::Hash {
            if let Some((owner, other)) = self.owners.get(&tensor.buffer).copied() {
                self.out.push_str(" as ");
                self.qualified(place, owner, other);
                return;
            }
            self.owners.insert(tensor.buffer, (place.id, id));
        }
        if self.steering.contains(&key(bytes)) {
            self.whole(tensor, bytes);
            return;
        }
        if !usual {
            _ = write!(self.out, " bytes({})", bytes.len());
        }
        if matches!(self.aside, Aside::Fills) {
            let name = place.names.get(id).map_or("", |name| name);
            self.out.push_str(" fill ");
            match stats(tensor.ty, bytes) {
                Some(s) if s.min == s.max && s.nonfinite == 0 => {
                    _ = write!(self.out, "const({})", s.min);
                }
                Some(s) => {
                    let float = tensor.ty.is_float();
                    let edge =
                        |v: f64| if float { format!("{:?}", v as f32) } else { format!("{v}") };
                    _ = write!(
                        self.out,
                        "gaussian(seed = {}, mean = {}, std = {}, min = {}, max = {}",
                        fill::seed_of(name),
                        stats::short(s.mean),
                        stats::short(s.std),
                        edge(s.min),
                        edge(s.max)
                    );
                    self.rest_of_stats(&s);
                    self.out.push(')');
                }
                None => self.out.push_str("const(0)"),
            }
            return;
        }
        if self.level >= Level::Hash {
            self.out.push(' ');
            self.digest(bytes);
        }
        if self.level >= Level::Stats
            && let Some(s) = stats(tensor.ty, bytes)
        {
            let edge = |v: f64| if tensor.ty.is_float() { stats::short(v) } else { v.to_string() };
            _ = write!(
                self.out,
                " {{min = {}, max = {}, mean = {}, std = {}",
                edge(s.min),
                edge(s.max),
                stats::short(s.mean),
                stats::short(s.std)
            );
            self.rest_of_stats(&s);
            self.out.push('}');
        }
    }

    /// All of a constant, in as few words as it takes.
    fn whole(&mut self, tensor: &Tensor, bytes: &Bytes) {
        let (shape, elements) = (&tensor.shape, tensor.elements());
        if let Some((start, step)) = fill::ramp_of(tensor.ty, bytes)
            && elements.and_then(|n| tensor.ty.bytes_for(n)) == Some(bytes.len() as u64)
        {
            _ = write!(self.out, " fill ramp(start = {start}, step = {step})");
            return;
        }
        self.out.push_str(" = ");
        match values::whole(tensor.ty, shape, elements, bytes) {
            Some(text) => self.out.push_str(&text),
            None => quote::bytes(&mut self.out, bytes),
        }
    }

    fn rest_of_stats(&mut self, s: &Stats) {
        if s.zeros > 0 {
            let part = 100.0 * s.zeros as f64 / s.count as f64;
            _ = write!(self.out, ", zeros = {}%", stats::short(part));
        }
        if s.nonfinite > 0 {
            _ = write!(self.out, ", nonfinite = {}", s.nonfinite);
        }
    }
}

/// Whether `?` in place of some dimensions says what the signature says.
pub(super) fn signature_fits(tensor: &Tensor) -> bool {
    let (shape, signature) = (&tensor.shape, &tensor.shape_signature);
    !shape.is_empty()
        && shape.len() == signature.len()
        && shape.iter().zip(signature.iter()).all(|(dim, known)| *known == -1 || dim == known)
}
