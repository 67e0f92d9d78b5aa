//! Float16.

use crate::buffer::Buffer;
use crate::kernels::{INFINITY_BITS, dispatched};
use crate::{F32View, NotFinite, pieces};
use bytes::Bytes;

/// What to do with NaN and infinite values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonFinite {
    /// Refuse the tensor.
    Refuse,
    /// As the legacy quantizer's QuantizeTensorFloat16: infinities become ±65504, NaN stays NaN.
    Legacy,
}

/// Little-endian float16 of each value: clamped to ±65504, then rounded to nearest even; subnormals are kept.
///
/// # Errors
///
/// With [`NonFinite::Refuse`], when a value is NaN or infinite.
pub fn to_f16(view: F32View<'_>, non_finite: NonFinite) -> Result<Bytes, NotFinite> {
    let mut data = Buffer::zeroed(2 * view.len());
    let maxima = pieces::map_into(view.values(), pieces::PIECE, &mut data, 2, |_, values, out| {
        dispatched::f16(values, out.as_chunks_mut().0)
    });
    if non_finite == NonFinite::Refuse && maxima.iter().any(|bits| *bits >= INFINITY_BITS) {
        return Err(NotFinite::find(view));
    }
    Ok(data.into_bytes())
}
