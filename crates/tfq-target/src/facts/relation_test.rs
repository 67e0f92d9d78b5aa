//! What a condition may ask about several operands and results together. `condition.rs` lists them.

use crate::facts::tensor_test::Compare;
use smallvec::SmallVec;
use tfq_ir::Tensor;

/// An operand or result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Port {
    In(usize),
    Out(usize),
    /// All operands that are there.
    Ins,
    /// All results.
    Outs,
}

impl Port {
    /// `in12` and what follows.
    pub(crate) fn parse(text: &str) -> Option<(Self, &str)> {
        let (rest, all, one): (_, _, fn(usize) -> Self) = match text.strip_prefix("in") {
            Some(rest) => (rest, Self::Ins, Self::In),
            None => (text.strip_prefix("out")?, Self::Outs, Self::Out),
        };
        if let Some(rest) = rest.strip_prefix('s') {
            return Some((all, rest));
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some((one(rest[..digits].parse().ok()?), &rest[digits..]))
    }

    /// One operand or result and nothing behind it.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let (port, rest) = Self::parse(text)?;
        (rest.is_empty() && !matches!(port, Self::Ins | Self::Outs)).then_some(port)
    }
}

/// How the scales of some tensors compare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScaleRatio {
    /// Their product, divided by
    over: SmallVec<[Port; 2]>,
    /// this.
    under: Port,
    compare: Compare,
    value: f32,
}

impl ScaleRatio {
    /// `in0*in1/out0<256`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at = text.find(['<', '>', '='])?;
        let (compare, value) = Compare::parse(&text[at..])?;
        let (over, under) = text[..at].split_once('/')?;
        let over = over.split('*').map(Port::named).collect::<Option<_>>()?;
        Some(Self { over, under: Port::named(under)?, compare, value: value.parse().ok()? })
    }

    /// Whether it holds: not where a tensor has no scale.
    pub(crate) fn holds<'a>(&self, tensor: impl Fn(Port) -> Option<&'a Tensor>) -> bool {
        let scale = |port: Port| {
            tensor(port).and_then(|tensor| tensor.quantization.as_ref()?.scale.first().copied())
        };
        let over = self.over.iter().try_fold(1.0, |product, port| Some(product * scale(*port)?));
        let ratio = over.zip(scale(self.under)).map(|(over, under)| over / under);
        ratio.is_some_and(|ratio| self.compare.holds(ratio, self.value))
    }
}

/// Whether two tensors have the same first scale and zero point.
pub(crate) fn quantised_alike(one: &Tensor, other: &Tensor) -> bool {
    let first = |tensor: &Tensor| {
        let q = tensor.quantization.as_deref();
        let scale = q.and_then(|q| q.scale.first()).map_or(0, |scale| scale.to_bits());
        (scale, q.and_then(|q| q.zero_point.first()).copied().unwrap_or(0))
    };
    first(one) == first(other)
}
