//! What quantisation costs in accuracy.

use crate::kernels::dispatched;
use crate::{ChannelLayout, F32View, pieces};

/// How far quantised values are from the originals, over a whole tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorStats {
    /// Largest |x - x'|, in the unit of the values.
    pub max_abs_error: f64,
    /// Root of the mean of (x - x')², in the unit of the values; 0 for no values.
    pub rms_error: f64,
    /// 10 log10(Σx² / Σ(x - x')²); infinite where nothing was lost.
    pub snr_db: f64,
}

/// Values at a time that are expanded to float32, on the stack.
const BLOCK: usize = 4096;

/// Compares int8 `codes` with the values they were made from. Values become `code * scale` in
/// float32, as in the runtime; sums are in float64 and in a fixed order.
///
/// # Panics
///
/// When `layout`, `codes` and `scales` do not fit `view`.
pub fn quantization_error(
    view: F32View<'_>,
    layout: ChannelLayout,
    codes: &[u8],
    scales: &[f32],
) -> ErrorStats {
    layout.check(view.len());
    layout.check(codes.len());
    assert_eq!(scales.len(), layout.channels, "one scale per channel");
    stats_of(view, |start, out| {
        dequantize(&codes[start..start + out.len()], layout, scales, start, out);
    })
}

/// How far values are from those that `approximate(start, out)` writes for element `start` and those
/// behind it. Sums are in float64 and in a fixed order.
pub(crate) fn stats_of(
    view: F32View<'_>,
    approximate: impl Fn(usize, &mut [f32]) + Sync,
) -> ErrorStats {
    let sums = pieces::map(view.values(), pieces::PIECE, |start, values| {
        let mut room = [0.0; BLOCK];
        let blocks = values.chunks(BLOCK).enumerate().map(|(block, values)| {
            let out = &mut room[..values.len()];
            approximate(start + block * BLOCK, out);
            dispatched::error_sums(values, out)
        });
        add_up(blocks)
    });
    let [signal, noise, max_abs_error] = add_up(sums.into_iter());
    ErrorStats {
        max_abs_error,
        rms_error: if noise == 0.0 { 0.0 } else { (noise / view.len() as f64).sqrt() },
        snr_db: if noise == 0.0 { f64::INFINITY } else { 10.0 * (signal / noise).log10() },
    }
}

/// The float32 values of int8 `codes`: `code * scale`.
///
/// # Panics
///
/// When `layout` and `scales` do not fit `codes`.
pub fn dequantize_i8(codes: &[u8], layout: ChannelLayout, scales: &[f32]) -> Vec<f32> {
    layout.check(codes.len());
    assert_eq!(scales.len(), layout.channels, "one scale per channel");
    let mut values = vec![0.0; codes.len()];
    dequantize(codes, layout, scales, 0, &mut values);
    values
}

/// Values of `codes`, of which the first is element `start` of the tensor.
fn dequantize(codes: &[u8], layout: ChannelLayout, scales: &[f32], start: usize, out: &mut [f32]) {
    if layout.inner == 1 {
        let rows = ChannelLayout { outer: 1, channels: layout.outer, inner: layout.channels };
        for (_, row) in rows.runs(start, codes.len()) {
            let channel = (start + row.start) % layout.channels;
            dispatched::dequantize_lanes(&codes[row.clone()], &scales[channel..], &mut out[row]);
        }
        return;
    }
    for (channel, run) in layout.runs(start, codes.len()) {
        dispatched::dequantize(&codes[run.clone()], scales[channel], &mut out[run]);
    }
}

fn add_up(sums: impl Iterator<Item = [f64; 3]>) -> [f64; 3] {
    sums.fold([0.0; 3], |[signal, noise, worst], [s, n, w]| [signal + s, noise + n, worst.max(w)])
}
