//! Arithmetic on weights: per-channel ranges, int8 that is symmetric or has zero points, float16, and
//! what each costs in accuracy.
//!
//! Everything here is a pure function of its arguments. Work is cut into pieces of fixed size that
//! never depend on the number of threads, and every SIMD version computes the same bits as the
//! portable one, so the same weights give the same bytes on every machine.
//!
//! Start at [`quantize_symmetric_i8`] and [`to_f16`]; the rest are the steps they are made of.

mod buffer;
mod error;
mod float16;
mod int8;
mod kernels;
mod layout;
mod offset;
mod pieces;
mod range;
mod runtime;
mod view;

pub use buffer::Room;
pub use error::{ErrorStats, dequantize_i8, quantization_error};
pub use float16::{NonFinite, f16_snr_db, from_f16, to_f16, to_f16_in};
pub use int8::{
    QMAX_INT2, QMAX_INT4, QMAX_INT8, QuantParams, Quantized, ScaleRule, quantize_i8_into,
    quantize_symmetric, quantize_symmetric_i8, quantize_symmetric_i8_in,
};
pub use layout::ChannelLayout;
pub use offset::{
    OffsetCodes, OffsetParams, offset_error, quantize_offset_i8, quantize_offset_i8_in,
};
pub use range::{MinMax, NotFinite, Ranges, min_max_per_channel, range};
pub use runtime::{FakeQuantizer, affine_codes, affine_values};
pub use view::F32View;
