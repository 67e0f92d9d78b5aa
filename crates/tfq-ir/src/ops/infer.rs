//! Types and shapes of an op's results, from those of its operands, its attributes, and the
//! contents of constants.
//!
//! A dimension that is not known before run time makes those unknown that depend on it, and no
//! others. What the op cannot do at all is an error that names the operand or attribute. Nothing
//! here trusts its input: sizes are checked, and the work is bounded by the ranks that real ops
//! have.

mod calls;
mod cx;
mod elementwise;
mod error;
mod facts;
mod lookup;
mod movement;
mod products;
mod recurrent;
mod reduce;
mod strided_slice;
mod types;
mod window;

use super::semantics::{OpSemantics, ShapeRule, TypeRule, semantics_of};
use crate::{ElementType, Op};
pub use cx::axis;
use cx::{Cx, Shapes};

pub(crate) use calls::OpView;
pub use calls::infer_op;
pub use error::InferError;
use error::Party;
pub(crate) use facts::stated;
pub use facts::{Dim, OperandFacts, ResultFacts, Shape};

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
