//! What a condition may ask about one tensor, whichever operand or result it is. `condition.rs` lists them.

use crate::error::Problem;
use tfq_ir::{ElementType, Tensor};

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Compare {
    Equal,
    Less,
    Greater,
}

impl Compare {
    pub(crate) fn holds<N: PartialOrd>(self, left: N, right: N) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::Greater => left > right,
        }
    }

    /// `<4`: how, and with what.
    pub(crate) fn parse(text: &str) -> Option<(Self, &str)> {
        let compare = match text.as_bytes().first()? {
            b'=' => Self::Equal,
            b'<' => Self::Less,
            b'>' => Self::Greater,
            _ => return None,
        };
        Some((compare, &text[1..]))
    }
}

/// A comparison with a number.
pub(crate) fn parse_compare(text: &str) -> Option<(Compare, i64)> {
    let (compare, value) = Compare::parse(text)?;
    Some((compare, value.parse().ok()?))
}

/// A set of element types, one bit each.
pub(crate) fn type_bit(ty: ElementType) -> u32 {
    1 << ty.code()
}

/// What is asked about a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TensorTest {
    /// One of these types; or one of those with a single scale, of dimension 0.
    Type {
        any: u32,
        one_scale: u32,
    },
    Rank(Compare, i64),
    Dim(usize, Compare, i64),
    /// Every dimension.
    Dims(Compare, i64),
    /// The last dimension.
    Last(Compare, i64),
    Elements(Compare, i64),
    ScalesOfDim(usize),
    /// One scale, or scales along this dimension, with zero points 0.
    ScalesAlong(i32),
    SeveralScales,
    ZeroPoint,
}

/// What stands behind a type that must have one scale.
const ONE_SCALE: &str = "/tensor";

impl TensorTest {
    /// Reads what follows `in0`; `None` where that is no test of one tensor.
    pub(crate) fn parse(rest: &str) -> Result<Option<Self>, Problem> {
        if let Some(types) = rest.strip_prefix('=') {
            return types_of(types).map(Some);
        }
        let simple = match rest {
            ".scales>1" => Some(Self::SeveralScales),
            ".zero-point" => Some(Self::ZeroPoint),
            _ => None,
        };
        Ok(simple.or_else(|| numeric(rest)))
    }

    pub(crate) fn holds(self, tensor: &Tensor) -> bool {
        let q = || tensor.quantization.as_deref();
        match self {
            Self::Type { any, one_scale } => {
                let bit = type_bit(tensor.ty);
                let single =
                    || q().is_some_and(|q| q.scale.len() == 1 && q.quantized_dimension == 0);
                any & bit != 0 || (one_scale & bit != 0 && single())
            }
            Self::Rank(compare, value) => compare.holds(tensor.shape.len() as i64, value),
            Self::Dim(n, compare, value) => {
                tensor.shape.get(n).is_some_and(|dim| compare.holds(i64::from(*dim), value))
            }
            Self::Dims(compare, value) => {
                tensor.shape.iter().all(|dim| compare.holds(i64::from(*dim), value))
            }
            Self::Last(compare, value) => {
                tensor.shape.last().is_some_and(|dim| compare.holds(i64::from(*dim), value))
            }
            Self::Elements(compare, value) => {
                let elements = tensor.elements().and_then(|n| i64::try_from(n).ok());
                elements.is_some_and(|n| compare.holds(n, value))
            }
            Self::ScalesOfDim(n) => {
                tensor.shape.get(n).is_some_and(|dim| i64::from(*dim) == tensor.scales() as i64)
            }
            Self::ScalesAlong(axis) => q().is_some_and(|q| {
                let sound = q.scale.iter().all(|scale| scale.is_normal() && *scale > 0.0);
                let along = match q.scale.len() {
                    0 => false,
                    1 => true,
                    _ => {
                        q.quantized_dimension == axis && q.zero_point.iter().all(|zero| *zero == 0)
                    }
                };
                sound && along
            }),
            Self::SeveralScales => tensor.scales() > 1,
            Self::ZeroPoint => q().is_some_and(|q| q.zero_point.iter().any(|zero| *zero != 0)),
        }
    }
}

fn types_of(names: &str) -> Result<TensorTest, Problem> {
    let (mut any, mut one_scale) = (0, 0);
    for name in names.split('|') {
        let (name, set) = match name.strip_suffix(ONE_SCALE) {
            Some(name) => (name, &mut one_scale),
            None => (name, &mut any),
        };
        let ty = ElementType::from_name(name);
        *set |= type_bit(ty.ok_or_else(|| Problem::UnknownType(name.to_owned()))?);
    }
    Ok(TensorTest::Type { any, one_scale })
}

fn numeric(rest: &str) -> Option<TensorTest> {
    if let Some(dim) = rest.strip_prefix(".scales=dim") {
        return Some(TensorTest::ScalesOfDim(dim.parse().ok()?));
    }
    if let Some(axis) = rest.strip_prefix(".scales-along=") {
        return Some(TensorTest::ScalesAlong(axis.parse().ok()?));
    }
    if let Some(rank) = rest.strip_prefix(".rank") {
        let (compare, value) = parse_compare(rank)?;
        return Some(TensorTest::Rank(compare, value));
    }
    if let Some(dims) = rest.strip_prefix(".dims") {
        let (compare, value) = parse_compare(dims)?;
        return Some(TensorTest::Dims(compare, value));
    }
    if let Some(last) = rest.strip_prefix(".last") {
        let (compare, value) = parse_compare(last)?;
        return Some(TensorTest::Last(compare, value));
    }
    if let Some(elements) = rest.strip_prefix(".elements") {
        let (compare, value) = parse_compare(elements)?;
        return Some(TensorTest::Elements(compare, value));
    }
    let dim = rest.strip_prefix(".dim")?;
    let digits = dim.find(|c: char| !c.is_ascii_digit())?;
    let (compare, value) = parse_compare(&dim[digits..])?;
    Some(TensorTest::Dim(dim[..digits].parse().ok()?, compare, value))
}

/// Whether every number of a constant of 32- or 64-bit integers is so.
pub(crate) fn all_values(tensor: &Tensor, bytes: &[u8], holds: impl Fn(i64) -> bool) -> bool {
    match tensor.ty {
        ElementType::Int32 => {
            let (numbers, _) = bytes.as_chunks::<4>();
            numbers.iter().all(|bytes| holds(i32::from_le_bytes(*bytes).into()))
        }
        ElementType::Int64 => {
            let (numbers, _) = bytes.as_chunks::<8>();
            numbers.iter().all(|bytes| holds(i64::from_le_bytes(*bytes)))
        }
        _ => false,
    }
}
