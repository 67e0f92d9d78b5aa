//! Which kernel evaluates which operator, and how far its bits can be relied on.

use crate::call::{Call, Made};
use crate::math::functions as f;
use crate::ops::binary::{self, Arithmetic, Stablehlo};
use crate::ops::segments::{self, Segments};
use crate::ops::window::{self, Pool};
use crate::ops::{
    along, convert, lookup, making, movement, ordering, padding, products, reduce, resize, softmax,
    unary,
};
use std::cmp::Ordering::{Equal, Greater, Less};
use tfq_ir::catalog::{all_ops, ops};

/// How far the bits of a result can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fidelity {
    /// Those of the reference kernels, within a unit or two in the last place: the runtime calls
    /// functions of the system's C library, which no two releases compute alike.
    Approximate,
    /// Those of the reference kernels. Other kernels may add in another order, or round codes at
    /// another place.
    Reference,
    /// Those of all kernels of the runtime, as far as these agree on NaN, infinities and numbers
    /// below the smallest normal one: values are moved, selected or counted, or each is the result
    /// of one operation that is rounded correctly.
    Exact,
}

pub(crate) type Kernel = fn(&mut Call<'_>) -> Made;

/// The kernel of an operator.
pub(crate) fn kernel(code: i32) -> Option<(Fidelity, Kernel)> {
    use Fidelity::{Approximate, Exact, Reference};
    let (fidelity, kernel): (Fidelity, Kernel) = match code {
        ops::RESHAPE | ops::SQUEEZE | ops::BITCAST => (Exact, movement::view),
        ops::EXPAND_DIMS => (Exact, movement::expand_dims),
        ops::TRANSPOSE => (Exact, movement::transpose),
        ops::SLICE => (Exact, movement::slice),
        ops::STRIDED_SLICE => (Exact, movement::strided_slice),
        ops::REVERSE_V2 => (Exact, movement::reverse),
        ops::BROADCAST_TO => (Exact, movement::broadcast_to),
        ops::TILE => (Exact, movement::tile),
        ops::CONCATENATION => (Exact, movement::concatenation),
        ops::PACK => (Exact, movement::pack),
        ops::UNPACK => (Exact, movement::unpack),
        ops::SPLIT => (Exact, movement::split),
        ops::SPLIT_V => (Exact, movement::split_v),
        ops::SPACE_TO_DEPTH => (Exact, movement::space_to_depth),
        ops::DEPTH_TO_SPACE => (Exact, movement::depth_to_space),
        ops::PAD | ops::PADV2 => (Exact, padding::pad),
        ops::MIRROR_PAD => (Exact, padding::mirror_pad),
        ops::SPACE_TO_BATCH_ND => (Exact, padding::space_to_batch),
        ops::BATCH_TO_SPACE_ND => (Exact, padding::batch_to_space),
        ops::GATHER => (Exact, lookup::gather),
        ops::GATHER_ND => (Exact, lookup::gather_nd),
        ops::EMBEDDING_LOOKUP => (Exact, lookup::embedding_lookup),
        ops::SCATTER_ND => (Reference, lookup::scatter_nd),
        ops::DYNAMIC_UPDATE_SLICE => (Exact, lookup::dynamic_update_slice),
        ops::ONE_HOT => (Exact, lookup::one_hot),
        ops::WHERE => (Exact, lookup::where_true),
        ops::UNIQUE => (Exact, lookup::unique),
        ops::TOPK_V2 => (Exact, ordering::top_k),
        ops::ARG_MAX => (Exact, |call| ordering::arg_reduce(call, true)),
        ops::ARG_MIN => (Exact, |call| ordering::arg_reduce(call, false)),
        ops::CUMSUM => (Reference, ordering::cumsum),
        ops::REVERSE_SEQUENCE => (Exact, lookup::reverse_sequence),
        ops::SPARSE_TO_DENSE => (Exact, lookup::sparse_to_dense),
        ops::SEGMENT_SUM => (Reference, segments::segment_sum),
        ops::UNSORTED_SEGMENT_SUM => {
            (Reference, |call| segments::unsorted_segment(call, Segments::Sum))
        }
        ops::UNSORTED_SEGMENT_PROD => {
            (Reference, |call| segments::unsorted_segment(call, Segments::Product))
        }
        ops::UNSORTED_SEGMENT_MAX => {
            (Exact, |call| segments::unsorted_segment(call, Segments::Greatest))
        }
        ops::UNSORTED_SEGMENT_MIN => {
            (Exact, |call| segments::unsorted_segment(call, Segments::Least))
        }
        ops::SHAPE => (Exact, making::shape),
        ops::RANK => (Exact, making::rank),
        ops::FILL => (Exact, making::fill),
        ops::ZEROS_LIKE => (Exact, making::zeros_like),
        ops::RANGE => (Exact, making::range),
        ops::BROADCAST_ARGS => (Exact, making::broadcast_args),
        ops::SELECT => (Exact, making::select),
        ops::SELECT_V2 => (Exact, making::select_v2),
        ops::CAST => (Exact, making::cast),
        ops::STABLEHLO_PAD => (Exact, padding::stablehlo_pad),
        ops::MATRIX_DIAG => (Exact, making::matrix_diag),
        ops::MATRIX_SET_DIAG => (Exact, making::matrix_set_diag),
        ops::DILATE => (Exact, making::dilate),
        ops::BUCKETIZE => (Exact, making::bucketize),
        ops::ABS => (Exact, unary::abs),
        ops::NEG => (Exact, unary::neg),
        ops::SIGN => (Exact, unary::sign),
        ops::LOGICAL_NOT => (Exact, unary::logical_not),
        ops::FLOOR => (Exact, |call| unary::rounded(call, f32::floor)),
        ops::CEIL => (Exact, |call| unary::float(call, f32::ceil)),
        ops::ROUND => (Reference, |call| unary::float(call, unary::round)),
        ops::SQUARE => (Exact, |call| unary::float(call, |x| x * x)),
        // XNNPACK comes to a root by steps of its own.
        ops::SQRT => (Reference, unary::sqrt),
        ops::RSQRT => (Reference, unary::rsqrt),
        ops::EXP => (Approximate, unary::exp),
        ops::LOG => (Approximate, unary::log),
        ops::SIN => (Approximate, |call| unary::wave(call, f::sin)),
        ops::COS => (Approximate, |call| unary::wave(call, f::cos)),
        ops::TANH => (Approximate, unary::tanh),
        ops::LOGISTIC => (Approximate, unary::logistic),
        ops::ELU => (Approximate, unary::elu),
        ops::GELU => (Approximate, unary::gelu),
        ops::RELU => (Exact, |call| unary::relu(call, 0.0, f32::INFINITY)),
        ops::RELU6 => (Exact, |call| unary::relu(call, 0.0, 6.0)),
        ops::RELU_N1_TO_1 => (Exact, |call| unary::relu(call, -1.0, 1.0)),
        ops::RELU_0_TO_1 => (Exact, |call| unary::relu(call, 0.0, 1.0)),
        ops::LEAKY_RELU => (Exact, unary::leaky_relu),
        ops::HARD_SWISH => (Reference, unary::hard_swish),
        ops::REAL => (Exact, |call| unary::of_complex(call, |re, _| re)),
        ops::IMAG => (Exact, |call| unary::of_complex(call, |_, im| im)),
        ops::ADD_N => (Reference, unary::add_n),
        ops::ADD => (Exact, |call| binary::arithmetic(call, Arithmetic::Add)),
        ops::SUB => (Exact, |call| binary::arithmetic(call, Arithmetic::Sub)),
        ops::MUL => (Exact, |call| binary::arithmetic(call, Arithmetic::Mul)),
        ops::DIV => (Exact, binary::div),
        ops::FLOOR_DIV => (Reference, binary::floor_div),
        ops::FLOOR_MOD => (Exact, binary::floor_mod),
        ops::POW => (Approximate, binary::pow),
        ops::SQUARED_DIFFERENCE => (Reference, binary::squared_difference),
        ops::MAXIMUM => (Exact, |call| binary::extreme(call, true)),
        ops::MINIMUM => (Exact, |call| binary::extreme(call, false)),
        ops::EQUAL => (Exact, |call| binary::comparison(call, &[Equal])),
        ops::NOT_EQUAL => (Exact, |call| binary::comparison(call, &[Less, Greater])),
        ops::GREATER => (Exact, |call| binary::comparison(call, &[Greater])),
        ops::GREATER_EQUAL => (Exact, |call| binary::comparison(call, &[Equal, Greater])),
        ops::LESS => (Exact, |call| binary::comparison(call, &[Less])),
        ops::LESS_EQUAL => (Exact, |call| binary::comparison(call, &[Less, Equal])),
        ops::LOGICAL_AND => (Exact, |call| binary::logical(call, |a, b| a & b)),
        ops::LOGICAL_OR => (Exact, |call| binary::logical(call, |a, b| a | b)),
        ops::BITWISE_XOR => (Exact, binary::bitwise_xor),
        ops::RIGHT_SHIFT => (Exact, binary::right_shift),
        ops::ATAN2 => (Approximate, binary::atan2),
        ops::PRELU => (Exact, binary::prelu),
        ops::STABLEHLO_ADD => (Exact, |call| binary::stablehlo(call, Stablehlo::Add)),
        ops::STABLEHLO_MULTIPLY => (Exact, |call| binary::stablehlo(call, Stablehlo::Multiply)),
        ops::STABLEHLO_MAXIMUM => (Exact, |call| binary::stablehlo(call, Stablehlo::Maximum)),
        ops::STABLEHLO_MINIMUM => (Exact, |call| binary::stablehlo(call, Stablehlo::Minimum)),
        ops::SUM => (Reference, reduce::sum),
        ops::MEAN => (Reference, reduce::mean),
        ops::REDUCE_PROD => (Reference, reduce::prod),
        ops::REDUCE_MAX => (Exact, |call| reduce::extreme(call, true)),
        ops::REDUCE_MIN => (Exact, |call| reduce::extreme(call, false)),
        ops::REDUCE_ALL => (Exact, |call| reduce::logical(call, true)),
        ops::REDUCE_ANY => (Exact, |call| reduce::logical(call, false)),
        ops::QUANTIZE => (Reference, convert::quantize),
        ops::DEQUANTIZE => (Exact, convert::dequantize),
        ops::FAKE_QUANT => (Reference, convert::fake_quant),
        ops::CONV_2D => (Reference, |call| window::conv(call, false)),
        ops::DEPTHWISE_CONV_2D => (Reference, |call| window::conv(call, true)),
        ops::TRANSPOSE_CONV => (Reference, window::transpose_conv),
        ops::AVERAGE_POOL_2D => (Reference, |call| window::pool(call, Pool::Average)),
        ops::MAX_POOL_2D => (Exact, |call| window::pool(call, Pool::Max)),
        ops::L2_POOL_2D => (Reference, |call| window::pool(call, Pool::L2)),
        ops::FULLY_CONNECTED => (Reference, products::fully_connected),
        ops::BATCH_MATMUL => (Reference, products::batch_matmul),
        ops::SOFTMAX => (Approximate, softmax::softmax),
        ops::LOG_SOFTMAX => (Approximate, along::log_softmax),
        ops::L2_NORMALIZATION => (Reference, along::l2_normalization),
        ops::LOCAL_RESPONSE_NORMALIZATION => (Approximate, along::local_response_normalization),
        ops::RESIZE_BILINEAR => (Reference, resize::bilinear),
        ops::RESIZE_NEAREST_NEIGHBOR => (Exact, resize::nearest),
        _ => return None,
    };
    Some((fidelity, kernel))
}

/// The operators that are evaluated, by their codes.
pub fn operators() -> impl Iterator<Item = i32> {
    all_ops().iter().map(|op| op.code).filter(|code| kernel(*code).is_some())
}
