//! What inference sees of tensors, and what it says of them.

use crate::{ElementType, Tensor};
use smallvec::SmallVec;
use std::fmt;

/// A dimension; `None` where it is not known before run time.
pub type Dim = Option<i32>;

/// The shape of a tensor, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Not even the number of dimensions is known.
    Unranked,
    /// These dimensions.
    Ranked(SmallVec<[Dim; 6]>),
}

/// What inference sees of an operand.
#[derive(Clone, Debug)]
pub struct OperandFacts<'a> {
    /// The type that readers expect: see [`Tensor::expressed`].
    pub ty: ElementType,
    /// The type that it is stored in, where that is another.
    pub stored: Option<ElementType>,
    /// Its shape.
    pub shape: Shape,
    /// The bytes of a constant.
    pub contents: Option<&'a [u8]>,
    /// Integers of one that is no constant, in order, as far as they are known beforehand.
    pub integers: Option<&'a [Option<i64>]>,
}

/// What inference says of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultFacts {
    /// Types that it can have; any where there are none. Where nobody chooses it is the first.
    pub types: SmallVec<[ElementType; 2]>,
    /// Its shape.
    pub shape: Shape,
}

impl Shape {
    /// A shape of these dimensions.
    pub fn of(dims: impl IntoIterator<Item = Dim>) -> Self {
        Self::Ranked(dims.into_iter().collect())
    }

    /// What is known of a tensor's shape. A tensor that ops compute and that has no dimensions
    /// has a rank only where the file says so; a constant always has.
    pub fn of_tensor(tensor: &Tensor, constant: bool) -> Self {
        if !tensor.is_ranked() && !constant {
            return Self::Unranked;
        }
        Self::of((0..tensor.shape.len()).map(|n| tensor.known_dim(n)))
    }

    /// The dimensions, where their number is known.
    pub fn dims(&self) -> Option<&[Dim]> {
        match self {
            Self::Unranked => None,
            Self::Ranked(dims) => Some(dims),
        }
    }

    /// Whether a tensor can have both shapes.
    pub fn agrees(&self, other: &Self) -> bool {
        let (Some(mine), Some(others)) = (self.dims(), other.dims()) else { return true };
        let agree = |(a, b): (&Dim, &Dim)| a.is_none() || b.is_none() || a == b;
        mine.len() == others.len() && mine.iter().zip(others).all(agree)
    }

    /// Whether this says all that the other does, and perhaps more.
    pub(crate) fn refines(&self, other: &Self) -> bool {
        let Some(others) = other.dims() else { return true };
        self.dims().is_some_and(|mine| {
            mine.len() == others.len()
                && mine.iter().zip(others).all(|(mine, other)| other.is_none() || mine == other)
        })
    }

    /// What both have in common.
    pub fn join(&self, other: &Self) -> Self {
        match (self.dims(), other.dims()) {
            (Some(mine), Some(others)) if mine.len() == others.len() => {
                Self::of(mine.iter().zip(others).map(|(a, b)| a.filter(|_| a == b)))
            }
            _ => Self::Unranked,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Hostile files have shapes of thousands of dimensions.
        const SHOWN: usize = 16;
        let Some(dims) = self.dims() else { return f.write_str("[*]") };
        f.write_str("[")?;
        for (n, dim) in dims.iter().take(SHOWN).enumerate() {
            let comma = if n > 0 { "," } else { "" };
            match dim {
                Some(dim) => write!(f, "{comma}{dim}")?,
                None => write!(f, "{comma}?")?,
            }
        }
        f.write_str(if dims.len() > SHOWN { ",…]" } else { "]" })
    }
}

impl<'a> OperandFacts<'a> {
    /// What is known of a tensor, which is a constant if it has contents.
    pub fn of(tensor: &Tensor, contents: Option<&'a [u8]>) -> Self {
        let dense = tensor.sparsity.is_none() && tensor.expressed.is_none();
        Self {
            ty: stated(tensor),
            stored: tensor.expressed.map(|_| tensor.ty),
            shape: Shape::of_tensor(tensor, contents.is_some()),
            contents: contents.filter(|_| dense),
            integers: None,
        }
    }
}

impl OperandFacts<'_> {
    /// Whether this may be the other operand, of which more is known now. Contents that are not
    /// known any more count for that: nothing follows from them.
    pub(crate) fn refines(&self, other: &Self) -> bool {
        // Last, since constants are large.
        let contents = || match (self.contents, other.contents) {
            (Some(mine), Some(others)) => std::ptr::eq(mine, others) || mine == others,
            _ => true,
        };
        self.ty == other.ty && self.shape.refines(&other.shape) && contents()
    }
}

impl ResultFacts {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self { types: SmallVec::new(), shape: Shape::Unranked }
    }

    /// Whether it can be of this type.
    pub fn can_be(&self, ty: ElementType) -> bool {
        self.types.is_empty() || self.types.contains(&ty)
    }
}

/// The type that readers of a tensor expect.
pub(crate) fn stated(tensor: &Tensor) -> ElementType {
    tensor.expressed.unwrap_or(tensor.ty)
}
