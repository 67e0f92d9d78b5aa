//! From float32 bytes to the stored form.

use super::form::{Form, Group};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use tfq_ir::{ElementType, Module, Quantization, SharedLists, counted};
use tfq_numeric::{
    ChannelLayout, ErrorStats, F32View, MinMax, NonFinite, OffsetCodes, QuantParams, Quantized,
    Room, ScaleRule, f16_snr_db, offset_error, quantization_error, quantize_i8_into,
    quantize_offset_i8_in, quantize_symmetric_i8_in, to_f16_in,
};

/// A constant in its new form.
pub(super) struct Encoded {
    pub(super) ty: ElementType,
    pub(super) data: Bytes,
    pub(super) quantization: Option<Arc<Quantization>>,
    pub(super) old_bytes: u64,
    pub(super) what: What,
}

/// The form, to be put into words.
#[derive(Clone, Copy)]
pub(super) enum What {
    Float16,
    OneScale,
    Scales { count: usize, axis: usize },
    Offset { count: usize, axis: Option<usize> },
    StatedRanges { count: usize },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Float16 => f.write_str("float16"),
            Self::OneScale => f.write_str("int8, one scale"),
            Self::Scales { count, axis } => {
                write!(f, "int8, {} along dimension {axis}", counted(count, "scale"))
            }
            Self::Offset { axis: None, .. } => f.write_str("int8, one scale and zero point"),
            Self::Offset { count, axis: Some(axis) } => {
                let scales = counted(count, "scale");
                write!(f, "int8, {scales} and zero points along dimension {axis}")
            }
            Self::StatedRanges { count } => {
                write!(f, "int8, {} of stated ranges", counted(count, "scale"))
            }
        }
    }
}

/// Why a constant was left as it is.
pub(super) struct NotEncoded {
    pub(super) rule: &'static str,
    pub(super) message: String,
}

/// How many bytes the codes of a group take of the room.
pub(super) fn code_bytes(module: &Module, group: &Group) -> usize {
    let (sg, id) = group.tensors[0];
    let elements = module.subgraph(sg).tensor(id).elements().unwrap_or(0) as usize;
    match group.form {
        Form::Float16 { .. } => 2 * elements,
        Form::PerTensor { .. } | Form::PerChannel { .. } | Form::Rows | Form::Offset { .. } => {
            elements
        }
        Form::StatedRanges { .. } => 0,
    }
}

pub(super) fn encode(
    module: &Module,
    group: &Group,
    zeros: &mut SharedLists<i64>,
    room: &mut Room,
) -> Result<Encoded, NotEncoded> {
    let (sg, id) = group.tensors[0];
    let tensor = module.subgraph(sg).tensor(id);
    let shape: Vec<usize> = tensor.shape.iter().map(|d| *d as usize).collect();
    let elements: usize = shape.iter().product();
    let bytes = module.constant(sg, id).expect("only constants are selected");
    // The loader takes a buffer that is larger than the shape asks for, and ignores the rest.
    let view = F32View::new(&bytes[..4 * elements]).expect("four bytes an element");
    let old_bytes = 4 * elements as u64;
    let not_finite = |index: usize| NotEncoded {
        rule: "not finite",
        message: format!("element {index} is not finite"),
    };
    let layout = |axis: usize| ChannelLayout::new(&shape, axis).expect("the axis was checked");
    let mut symmetric = |scale: Vec<f32>, axis: usize| Quantization {
        zero_point: zeros.share(&vec![0; scale.len()]),
        scale,
        quantized_dimension: axis as i32,
        ..Quantization::default()
    };
    match &group.form {
        Form::Float16 { non_finite } => {
            let data =
                to_f16_in(room, view, *non_finite).map_err(|error| not_finite(error.index))?;
            if *non_finite == NonFinite::Refuse {
                check_float16(view, &data)?;
            }
            let what = What::Float16;
            Ok(Encoded { ty: ElementType::Float16, data, quantization: None, old_bytes, what })
        }
        Form::PerTensor { rule } => {
            let all = ChannelLayout::per_tensor(elements);
            let quantized = quantize_symmetric_i8_in(room, view, all, *rule)
                .map_err(|error| not_finite(error.index))?;
            check_symmetric(*rule, view, all, &quantized)?;
            Ok(int8(quantized.data, symmetric(quantized.scales, 0), old_bytes, What::OneScale))
        }
        Form::PerChannel { .. } | Form::Rows => {
            let (axis, rule) = match &group.form {
                Form::PerChannel { axis, rule } => (axis, rule),
                _ => (&0, &ScaleRule::Divide),
            };
            let quantized = quantize_symmetric_i8_in(room, view, layout(*axis), *rule)
                .map_err(|error| not_finite(error.index))?;
            check_symmetric(*rule, view, layout(*axis), &quantized)?;
            let count = quantized.scales.len();
            let what = What::Scales { count, axis: *axis };
            Ok(int8(quantized.data, symmetric(quantized.scales, *axis), old_bytes, what))
        }
        Form::Offset { axis } => {
            let layout = axis.map_or(ChannelLayout::per_tensor(elements), layout);
            let OffsetCodes { data, params } = quantize_offset_i8_in(room, view, layout)
                .map_err(|error| not_finite(error.index))?;
            check_scales(&params.scales, || offset_error(view, layout, &data, &params))?;
            let what = What::Offset { count: params.scales.len(), axis: *axis };
            let zero_point: Vec<i64> =
                params.zero_points.iter().map(|zero| (*zero).into()).collect();
            let quantization = Quantization {
                zero_point: zero_point.into(),
                ..symmetric(params.scales, axis.unwrap_or(0))
            };
            Ok(int8(data, quantization, old_bytes, what))
        }
        Form::StatedRanges { axis, min, max } => {
            let ranges = MinMax { min: min.clone(), max: max.clone() };
            let finite = tfq_numeric::range(view, layout(*axis)).finite;
            if !finite {
                let index = view.iter().position(|value| !value.is_finite()).unwrap_or(0);
                return Err(not_finite(index));
            }
            let params = QuantParams::from_stated(&ranges);
            let mut data = vec![0; elements];
            quantize_i8_into(view, layout(*axis), &params, &mut data);
            let what = What::StatedRanges { count: min.len() };
            let quantization = symmetric(params.scales().to_vec(), *axis);
            Ok(int8(data.into(), quantization, old_bytes, what))
        }
    }
}

/// From this magnitude on the nearest float16 would be infinite.
const FLOAT16_LIMIT: f32 = 65_520.0;
/// Normal float16s hold their values with 66 dB and more.
const FLOAT16_SNR_DB: f64 = 60.0;

/// Refuses a constant that float16 does not hold: it would clamp large values, and keep little of
/// one whose largest is near its smallest normal number, 6.1e-5, or below.
fn check_float16(view: F32View<'_>, halves: &[u8]) -> Result<(), NotEncoded> {
    if let Some(index) = view.iter().position(|value| value.abs() >= FLOAT16_LIMIT) {
        let value = view.get(index).unwrap_or_default();
        let message = format!("element {index} is {value:?}, and float16 ends at 65504");
        return Err(NotEncoded { rule: "too large values", message });
    }
    let snr = f16_snr_db(view, halves);
    if snr >= FLOAT16_SNR_DB {
        return Ok(());
    }
    let message = format!(
        "its values are so small that float16 would hold them with {snr:.1} dB, less than {FLOAT16_SNR_DB}"
    );
    Err(NotEncoded { rule: "too small values", message })
}

/// Int8 holds weights with about 40 dB.
const INT8_SNR_DB: f64 = 30.0;

/// See [`check_scales`]; the legacy rules refuse nothing.
fn check_symmetric(
    rule: ScaleRule,
    view: F32View<'_>,
    layout: ChannelLayout,
    quantized: &Quantized,
) -> Result<(), NotEncoded> {
    if rule != ScaleRule::Divide {
        return Ok(());
    }
    let scales = &quantized.scales;
    check_scales(scales, || quantization_error(view, layout, &quantized.data, scales))
}

/// Refuses a constant of which little would be left: delegates want normal scales, and beside the
/// smallest of those its values round to few codes or to 0.
fn check_scales(scales: &[f32], error: impl FnOnce() -> ErrorStats) -> Result<(), NotEncoded> {
    let smallest = |scale: &f32| *scale == f32::MIN_POSITIVE;
    // A channel of zeros has scale 1.
    let nothing = scales.iter().all(|scale| smallest(scale) || *scale == 1.0);
    if !nothing || !scales.iter().any(smallest) {
        return Ok(());
    }
    let snr = error().snr_db;
    if snr >= INT8_SNR_DB {
        return Ok(());
    }
    let message = format!(
        "its values are so small that int8 would hold them with {snr:.1} dB, since scales must be normal numbers: it can be quantised \
         once it is multiplied by a power of two, and what follows by the inverse"
    );
    Err(NotEncoded { rule: "too small values", message })
}

fn int8(data: Bytes, quantization: Quantization, old_bytes: u64, what: What) -> Encoded {
    let quantization = Some(Arc::new(quantization));
    Encoded { ty: ElementType::Int8, data, quantization, old_bytes, what }
}
