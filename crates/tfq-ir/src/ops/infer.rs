//! Types and shapes of an op's results, from those of its operands, its attributes, and the contents of constants.
//!
//! A dimension that is not known before run time makes those unknown that depend on it, and no others. What the op
//! cannot do at all is an error that names the operand or attribute. Nothing here trusts its input: sizes are checked,
//! and the work is bounded by the ranks that real ops have.

mod calls;
mod cx;
mod elementwise;
mod lookup;
mod movement;
mod products;
mod recurrent;
mod reduce;
mod strided_slice;
mod types;
mod window;

use super::semantics::{OpSemantics, ShapeRule, TypeRule, semantics_of};
use crate::words::counted;
use crate::{ElementType, Op, Tensor};
use cx::{Cx, Shapes};
use smallvec::SmallVec;
use std::fmt;

pub(crate) use calls::OpView;
pub use calls::infer_op;

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
}

/// What inference says of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultFacts {
    /// Types that it can have; any where there are none. Where nobody chooses it is the first.
    pub types: SmallVec<[ElementType; 2]>,
    /// Its shape.
    pub shape: Shape,
}

/// What an op cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum InferError {
    #[error("it has {} and takes {}", counted(*has, "operand"), takes(*least, *most))]
    OperandCount { has: usize, least: usize, most: Option<usize> },
    #[error("operand {slot} (`{name}`) is left out")]
    LeftOut { slot: usize, name: &'static str },
    #[error("it has {} and gives {gives}", counted(*has, "result"))]
    ResultCount { has: usize, gives: usize },
    #[error("operand {slot} (`{name}`) has {} and needs {needs}", counted(*rank, "dimension"))]
    Rank { slot: usize, name: &'static str, rank: usize, needs: &'static str },
    #[error("operand {slot} (`{name}`) of shape {shape}: {why}")]
    Dimension { slot: usize, name: &'static str, shape: Shape, why: &'static str },
    #[error(
        "operands {} (`{}`) of shape {} and {} (`{}`) of shape {} do not go together",
        .0.slot, .0.name, .0.shape, .1.slot, .1.name, .1.shape
    )]
    Together(Box<Party>, Box<Party>),
    #[error("operand {slot} (`{name}`) holds {value}: {why}")]
    Value { slot: usize, name: &'static str, value: i64, why: &'static str },
    #[error("attribute {name} is {value}: {why}")]
    Attribute { name: &'static str, value: i64, why: &'static str },
    #[error("a tensor of shape {} cannot have the shape {}", .0.0, .0.1)]
    Elements(Box<(Shape, Shape)>),
    #[error("a dimension of the result would be {size}")]
    Size { size: i64 },
}

/// An operand in [`InferError::Together`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Party {
    pub slot: usize,
    pub name: &'static str,
    pub shape: Shape,
}

/// What an op gives. `results` has the type that each result is to have, where somebody says: so
/// many results there are, and to one op it makes a difference. Nothing is said of ops of which
/// nothing is known.
pub fn infer(
    op: &Op,
    operands: &[Option<OperandFacts<'_>>],
    results: &[Option<ElementType>],
) -> Result<Vec<ResultFacts>, InferError> {
    let Some(what) = semantics_of(op) else {
        return Ok(vec![ResultFacts::unknown(); results.len()]);
    };
    let cx = Cx { op, what, operands, results };
    counts(&cx)?;
    let mut shapes = shapes(&cx)?;
    (0..results.len())
        .map(|n| Ok(ResultFacts { types: types::of(&cx, n)?, shape: shapes.take(n) }))
        .collect()
}

fn counts(cx: &Cx<'_>) -> Result<(), InferError> {
    let OpSemantics { least_operands: least, most_operands: most, .. } = *cx.what;
    let has = cx.operands.len();
    if has < least || most.is_some_and(|most| has > most) {
        return Err(InferError::OperandCount { has, least, most });
    }
    for (slot, operand) in cx.operands.iter().enumerate() {
        let info = cx.what.operand(slot);
        if let Some(info) = info.filter(|info| operand.is_none() && !info.optional) {
            return Err(InferError::LeftOut { slot, name: info.name });
        }
    }
    let results = cx.what.results;
    let fewest = results.iter().filter(|result| !result.variadic && !result.optional).count();
    let variadic = results.last().is_some_and(|last| last.variadic);
    let has = cx.results.len();
    if has < fewest || (has > results.len() && !variadic) {
        let gives = if has < fewest { fewest } else { results.len() };
        return Err(InferError::ResultCount { has, gives });
    }
    Ok(())
}

fn shapes(cx: &Cx<'_>) -> Result<Shapes, InferError> {
    use ShapeRule as R;
    Ok(match cx.what.shape {
        R::Same(slot) => Shapes::All(cx.shape(slot.into())),
        R::Contents(slot) => Shapes::All(cx.shape_in(slot.into())?),
        R::Scalar => Shapes::All(Shape::of([])),
        R::Vector1 => Shapes::All(Shape::of([Some(1)])),
        R::ShapeOf => Shapes::All(Shape::of([cx.dims(0).map(|dims| dims.len() as i32)])),
        R::Declared | R::Callee | R::None | R::Unknown | R::SkipGram => {
            Shapes::All(Shape::Unranked)
        }
        R::Broadcast(slots) => Shapes::All(elementwise::broadcast(cx, slots)?),
        R::BroadcastArgs => Shapes::All(elementwise::broadcast_args(cx)),
        R::Conv2d => Shapes::All(window::conv2d(cx)?),
        R::DepthwiseConv2d => Shapes::All(window::depthwise_conv2d(cx)?),
        R::Conv3d => Shapes::All(window::conv3d(cx)?),
        R::Pool2d => Shapes::All(window::pool2d(cx)?),
        R::ReduceWindow => Shapes::All(window::reduce_window(cx)?),
        R::StablehloReduceWindow => Shapes::All(window::stablehlo_reduce_window(cx)?),
        R::Dilate => Shapes::All(window::dilate(cx)?),
        R::FullyConnected => Shapes::All(products::fully_connected(cx)?),
        R::BatchMatmul => Shapes::All(products::batch_matmul(cx)?),
        R::Reduce => Shapes::All(reduce::reduce(cx)?),
        R::ArgReduce => Shapes::All(reduce::arg_reduce(cx)?),
        R::Topk => Shapes::All(reduce::topk(cx)?),
        R::SegmentSum => Shapes::All(reduce::segment_sum(cx)?),
        R::UnsortedSegment => Shapes::All(reduce::unsorted_segment(cx)?),
        R::Reshape => Shapes::All(movement::reshape(cx)?),
        R::Squeeze => Shapes::All(movement::squeeze(cx)?),
        R::ExpandDims => Shapes::All(movement::expand_dims(cx)?),
        R::Transpose => Shapes::All(movement::transpose(cx)?),
        R::Concat => Shapes::All(movement::concat(cx)?),
        R::Pack => Shapes::All(movement::pack(cx)?),
        R::Unpack => Shapes::All(movement::unpack(cx)?),
        R::Split => Shapes::All(movement::split(cx)?),
        R::SplitV => movement::split_v(cx)?,
        R::Slice => Shapes::All(movement::slice(cx)?),
        R::StridedSlice => Shapes::All(strided_slice::strided_slice(cx)?),
        R::Pad => Shapes::All(movement::pad(cx)?),
        R::StablehloPad => Shapes::All(movement::stablehlo_pad(cx)?),
        R::Tile => Shapes::All(movement::tile(cx)?),
        R::Resize => Shapes::All(movement::resize(cx)?),
        R::SpaceToDepth => Shapes::All(movement::space_to_depth(cx)?),
        R::DepthToSpace => Shapes::All(movement::depth_to_space(cx)?),
        R::SpaceToBatchNd => Shapes::All(movement::space_to_batch_nd(cx)?),
        R::BatchToSpaceNd => Shapes::All(movement::batch_to_space_nd(cx)?),
        R::MatrixDiag => Shapes::All(movement::matrix_diag(cx)?),
        R::Bitcast => Shapes::All(movement::bitcast(cx)?),
        R::Gather => Shapes::All(lookup::gather(cx)?),
        R::GatherNd => Shapes::All(lookup::gather_nd(cx)?),
        R::StablehloGather => Shapes::All(lookup::stablehlo_gather(cx)?),
        R::Lookup => Shapes::All(lookup::lookup(cx)),
        R::EmbeddingSparse => Shapes::All(lookup::embedding_sparse(cx)?),
        R::HashtableLookup => lookup::hashtable_lookup(cx),
        R::LshProjection => Shapes::All(lookup::lsh_projection(cx)?),
        R::OneHot => Shapes::All(lookup::one_hot(cx)?),
        R::Range => Shapes::All(lookup::range(cx)?),
        R::Multinomial => Shapes::All(lookup::multinomial(cx)?),
        R::Rfft2d => Shapes::All(reduce::rfft2d(cx)?),
        R::Unique => reduce::unique(cx),
        R::Where => Shapes::All(Shape::of([None, cx.dims(0).map(|dims| dims.len() as i32)])),
        R::Nms => lookup::nms(cx)?,
        R::Lstm => Shapes::All(recurrent::lstm(cx)),
        R::Rnn => Shapes::All(recurrent::rnn(cx, 1)),
        R::SeqRnn => Shapes::All(recurrent::sequence_rnn(cx)),
        R::Svdf => Shapes::All(recurrent::svdf(cx)?),
        R::BidiLstm => recurrent::bidirectional(cx, 2, 19)?,
        R::BidiRnn => recurrent::bidirectional(cx, 1, 5)?,
    })
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
    pub(crate) fn join(&self, other: &Self) -> Self {
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

fn takes(least: usize, most: Option<usize>) -> String {
    match most {
        Some(most) if most == least => format!("{least}"),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    }
}
