//! Symmetric int8: zero point 0, narrow range.

use crate::buffer::{Buffer, Room};
use crate::kernels::{INFINITY_BITS, dispatched};
use crate::range::magnitude;
use crate::{ChannelLayout, F32View, MinMax, NotFinite, pieces, range};
use bytes::Bytes;

/// Largest code of the narrow ranges; the code below `-QMAX` is never used, so that a range is
/// symmetric.
pub const QMAX_INT8: u8 = 127;
/// See [`QMAX_INT8`].
pub const QMAX_INT4: u8 = 7;
/// See [`QMAX_INT8`].
pub const QMAX_INT2: u8 = 1;

/// How a scale follows from a channel's largest magnitude `m`, and a code from a value; all in
/// float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleRule {
    /// Ours: `scale = max(m / qmax, smallest normal)`, 1 where `m` is 0;
    /// `code = clamp(rint(x / scale))`, ties to even.
    ///
    /// The nearest code to each value, and never a scale that a runtime's delegate refuses.
    Divide,
    /// The legacy quantizer's SymmetricQuantizeFloats: `scale = m / qmax`, 1 where `m` is 0;
    /// `code = clamp(round(x * (qmax / m)))`, ties away from zero.
    LegacyPerTensor,
    /// The legacy quantizer's SymmetricPerChannelQuantization: `scale = m / qmax`, even where that
    /// is 0; codes as per tensor, but narrowed to int8 before they are clamped, and 0 in a channel
    /// where `m` is 0.
    LegacyPerChannel,
}

impl ScaleRule {
    fn scale(self, max_abs: f32, qmax: f32) -> f32 {
        match self {
            Self::Divide if max_abs == 0.0 => 1.0,
            Self::Divide => (max_abs / qmax).max(f32::MIN_POSITIVE),
            Self::LegacyPerTensor if max_abs == 0.0 => 1.0,
            Self::LegacyPerTensor | Self::LegacyPerChannel => max_abs / qmax,
        }
    }

    /// What values are divided by or, with the legacy rules, multiplied by.
    fn factor(self, max_abs: f32, qmax: f32) -> f32 {
        match self {
            Self::Divide => self.scale(max_abs, qmax),
            // Of the two legacy rules one says 0 here and the other writes zeros without asking:
            // the same.
            Self::LegacyPerTensor | Self::LegacyPerChannel if max_abs == 0.0 => 0.0,
            Self::LegacyPerTensor | Self::LegacyPerChannel => qmax / max_abs,
        }
    }
}

/// Everything about codes that channels share.
#[derive(Clone, Copy, Debug)]
struct Coder {
    rule: ScaleRule,
    qmax: u8,
    /// No product can leave the range of codes, as long as values are within the magnitude their
    /// factor was made for.
    covered: bool,
}

impl Coder {
    /// Codes of values that share a factor.
    fn run(self, values: &[[u8; 4]], factor: f32, out: &mut [u8]) {
        let qmax = f32::from(self.qmax);
        match self.rule {
            ScaleRule::Divide => dispatched::divide(values, factor, qmax, out),
            _ if self.covered => dispatched::multiply(values, factor, qmax, out),
            _ => self.like_c(values, std::iter::repeat(factor), out),
        }
    }

    /// Codes of rows that have a factor for every lane.
    fn lanes(self, values: &[[u8; 4]], factors: &[f32], out: &mut [u8]) {
        let qmax = f32::from(self.qmax);
        match self.rule {
            ScaleRule::Divide => dispatched::divide_lanes(values, factors, qmax, out),
            _ if self.covered => dispatched::multiply_lanes(values, factors, qmax, out),
            _ => self.like_c(values, factors.iter().copied().cycle(), out),
        }
    }

    /// The legacy rules word for word, for products that may not fit a code: too slow for every
    /// day.
    fn like_c(self, values: &[[u8; 4]], factors: impl Iterator<Item = f32>, out: &mut [u8]) {
        let limit = i32::from(self.qmax);
        for ((value, factor), out) in values.iter().zip(factors).zip(out) {
            let rounded = to_int_like_x86((f32::from_le_bytes(*value) * factor).round());
            let code = match self.rule {
                ScaleRule::LegacyPerChannel => i32::from(rounded as i8),
                ScaleRule::LegacyPerTensor | ScaleRule::Divide => rounded,
            };
            *out = code.clamp(-limit, limit) as u8;
        }
    }
}

/// The conversion of x86: what does not fit, and NaN, becomes the smallest integer, where Rust
/// would saturate.
fn to_int_like_x86(y: f32) -> i32 {
    if (-2_147_483_648.0..2_147_483_648.0).contains(&y) { y as i32 } else { i32::MIN }
}

/// What each channel is quantised with.
#[derive(Clone, Debug)]
pub struct QuantParams {
    coder: Coder,
    scales: Vec<f32>,
    factors: Vec<f32>,
}

impl QuantParams {
    /// The parameters for channels whose largest magnitudes, all finite, are `max_abs`, and codes
    /// up to `qmax`.
    ///
    /// # Panics
    ///
    /// When `qmax` is not in 1..=127.
    pub fn new(rule: ScaleRule, qmax: u8, max_abs: &[f32]) -> Self {
        assert!(
            (1..=QMAX_INT8).contains(&qmax),
            "{qmax} is not the largest code of a signed byte or less"
        );
        let limit = f32::from(qmax);
        let factors: Vec<f32> = max_abs.iter().map(|max| rule.factor(*max, limit)).collect();
        let scales = max_abs.iter().map(|max| rule.scale(*max, limit)).collect();
        let covered = factors.iter().all(|factor| factor.is_finite());
        Self { coder: Coder { rule, qmax, covered }, scales, factors }
    }

    /// The parameters of [`ScaleRule::LegacyPerChannel`] for extrema that a file states. The legacy
    /// quantizer believes them, so they may be too narrow, and then codes wrap around as they do
    /// there.
    pub fn from_stated(extrema: &MinMax) -> Self {
        let pairs = extrema.min.iter().zip(&extrema.max);
        // C's std::max(a, b) is `a < b ? b : a`, which a NaN makes different from Rust's.
        let half_range =
            |(min, max): (&f32, &f32)| if min.abs() < max.abs() { max.abs() } else { min.abs() };
        let max_abs: Vec<f32> = pairs.map(half_range).collect();
        let mut params = Self::new(ScaleRule::LegacyPerChannel, QMAX_INT8, &max_abs);
        params.coder.covered = false;
        params
    }

    pub fn scales(&self) -> &[f32] {
        &self.scales
    }
}

/// Int8 codes, one byte each in the order of the values, and the scale of each channel.
#[derive(Clone, Debug)]
pub struct Quantized {
    pub data: Bytes,
    pub scales: Vec<f32>,
}

/// Int8 codes in [-127, 127] and scales of `view`; the value of a code is `code * scale`.
///
/// # Errors
///
/// When a value is NaN or infinite.
///
/// # Panics
///
/// When `layout` describes another number of elements.
pub fn quantize_symmetric_i8(
    view: F32View<'_>,
    layout: ChannelLayout,
    rule: ScaleRule,
) -> Result<Quantized, NotFinite> {
    quantize_symmetric(view, layout, rule, QMAX_INT8)
}

/// [`quantize_symmetric_i8`] with the codes in this room.
pub fn quantize_symmetric_i8_in(
    room: &mut Room,
    view: F32View<'_>,
    layout: ChannelLayout,
    rule: ScaleRule,
) -> Result<Quantized, NotFinite> {
    quantize_into(room.take(view.len()), view, layout, rule, QMAX_INT8)
}

/// [`quantize_symmetric_i8`] with codes in [-`qmax`, `qmax`], still a byte each.
pub fn quantize_symmetric(
    view: F32View<'_>,
    layout: ChannelLayout,
    rule: ScaleRule,
    qmax: u8,
) -> Result<Quantized, NotFinite> {
    quantize_into(Buffer::zeroed(view.len()), view, layout, rule, qmax)
}

fn quantize_into(
    mut data: Buffer,
    view: F32View<'_>,
    layout: ChannelLayout,
    rule: ScaleRule,
    qmax: u8,
) -> Result<Quantized, NotFinite> {
    layout.check(view.len());
    let params = if layout.outer == 1 && (1..=pieces::PIECE).contains(&layout.inner) {
        quantize_rows(view, layout, rule, qmax, &mut data)?
    } else {
        let ranges = range(view, layout);
        if !ranges.finite {
            return Err(NotFinite::find(view));
        }
        let params = QuantParams::new(rule, qmax, &ranges.max_abs);
        quantize_i8_into(view, layout, &params, &mut data);
        params
    };
    Ok(Quantized { data: data.into_bytes(), scales: params.scales })
}

/// One channel per row: each row is quantised while it is still in the cache from being measured,
/// so memory is read once.
fn quantize_rows(
    view: F32View<'_>,
    layout: ChannelLayout,
    rule: ScaleRule,
    qmax: u8,
    out: &mut [u8],
) -> Result<QuantParams, NotFinite> {
    let size = pieces::whole_units(layout.inner);
    let max_abs = pieces::map_into(view.values(), size, out, 1, |_, values, out| {
        let rows = values.chunks(layout.inner).zip(out.chunks_mut(layout.inner));
        let quantize_row = |(values, out): (&[[u8; 4]], &mut [u8])| {
            let bits = dispatched::max_bits(values);
            let max_abs = magnitude(bits);
            if bits < INFINITY_BITS {
                let factor = rule.factor(max_abs, f32::from(qmax));
                Coder { rule, qmax, covered: factor.is_finite() }.run(values, factor, out);
            }
            max_abs
        };
        rows.map(quantize_row).collect::<Vec<f32>>()
    });
    let max_abs = max_abs.concat();
    if !max_abs.iter().all(|max| max.is_finite()) {
        return Err(NotFinite::find(view));
    }
    Ok(QuantParams::new(rule, qmax, &max_abs))
}

/// Writes the code of each value to `out`, one byte each. Every value must be finite, which
/// [`range`] tells.
///
/// # Panics
///
/// When `layout`, `params` and `out` do not fit `view`.
pub fn quantize_i8_into(
    view: F32View<'_>,
    layout: ChannelLayout,
    params: &QuantParams,
    out: &mut [u8],
) {
    layout.check(view.len());
    assert_eq!(params.factors.len(), layout.channels, "one scale per channel");
    if let Some(copies) = layout.lane_copies() {
        let factors = layout.to_lanes(&params.factors, copies);
        pieces::map_into(
            view.values(),
            pieces::whole_units(factors.len()),
            out,
            1,
            |_, values, out| {
                params.coder.lanes(values, &factors, out);
            },
        );
    } else {
        pieces::map_into(view.values(), pieces::PIECE, out, 1, |start, values, out| {
            for (channel, run) in layout.runs(start, values.len()) {
                params.coder.run(&values[run.clone()], params.factors[channel], &mut out[run]);
            }
        });
    }
}
