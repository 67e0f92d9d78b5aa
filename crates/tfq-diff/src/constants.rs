//! How far the contents of two constants are apart.

use half::{bf16, f16};
use rayon::prelude::*;
use serde::Serialize;
use tfq_ir::{ElementType, Module, QuantizationDetails, SubgraphId, Tensor, TensorLink};

/// The error of one constant against another, over all elements. Quantised elements count as
/// the real numbers that they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeightError {
    /// How many elements were compared.
    pub elements: u64,
    /// The largest difference of an element.
    pub max_abs: f64,
    /// Signal to noise in dB: the squares of the first model's elements to those of the
    /// differences. `None` where the numbers are equal, or the first are all 0.
    pub snr_db: Option<f64>,
    /// How many elements are infinite or no numbers on one side and differ; they count nowhere
    /// else.
    pub nonfinite: u64,
}

/// Elements that are worked on at a time. Sums are taken per part and then over parts in order,
/// so that they do not depend on the number of threads.
const PART: usize = 1 << 16;
/// Elements that are converted at a time, which stay in the nearest cache.
const BLOCK: usize = 1 << 10;

/// The elements of a constant as real numbers.
pub(crate) struct Numbers<'a> {
    bytes: &'a [u8],
    ty: ElementType,
    elements: usize,
    scaling: Scaling,
}

/// `real = scale * (stored - zero)`.
enum Scaling {
    None,
    /// Number `n / run % scales.len()` counts for element `n`.
    Affine {
        scales: Vec<f64>,
        zeros: Vec<f64>,
        run: usize,
    },
}

impl<'a> Numbers<'a> {
    /// `None` where the elements are no numbers, or it cannot be said which scale is whose.
    pub(crate) fn new(module: &'a Module, sg: SubgraphId, tensor: &Tensor) -> Option<Self> {
        use ElementType::*;
        let bytes = module.constants().constant(tensor.buffer)?;
        let numeric = !matches!(
            tensor.ty,
            String | Resource | Variant | Complex64 | Complex128 | Float8E4M3Fn | Float8E5M2
        );
        if !numeric || tensor.sparsity.is_some() {
            return None;
        }
        let elements = tensor.elements()?;
        if tensor.ty.bytes_for(elements)? != bytes.len() as u64 {
            return None;
        }
        let elements = usize::try_from(elements).ok()?;
        let scaling = scaling(module, sg, tensor, elements)?;
        Some(Self { bytes, ty: tensor.ty, elements, scaling })
    }

    fn read(&self, start: usize, out: &mut [f64]) {
        decode(self.ty, self.bytes, start, out);
        let Scaling::Affine { scales, zeros, run } = &self.scaling else { return };
        let mut at = 0;
        while at < out.len() {
            let index = (start + at) / run;
            let end = ((index + 1) * run - start).min(out.len());
            let (scale, zero) = (scales[index % scales.len()], zeros[index % zeros.len()]);
            out[at..end].iter_mut().for_each(|v| *v = scale * (*v - zero));
            at = end;
        }
    }
}

fn scaling(module: &Module, sg: SubgraphId, tensor: &Tensor, elements: usize) -> Option<Scaling> {
    let Some(q) = tensor.quantization.as_deref() else { return Some(Scaling::None) };
    match &q.details {
        // The runtime takes custom details for none.
        QuantizationDetails::None | QuantizationDetails::Custom(_) => (),
        QuantizationDetails::MultiAxis { .. } => return None,
        QuantizationDetails::Blockwise { scales, zero_points, block_size, block_shape } => {
            let run = usize::try_from(*block_size).ok().filter(|run| *run > 0)?;
            if !block_shape.is_empty() {
                return None;
            }
            let scales = linked(module, sg, scales)?;
            if scales.len() * run != elements {
                return None;
            }
            let zeros = match zero_points {
                TensorLink::Raw(_) => vec![0.0],
                link => linked(module, sg, link)?,
            };
            let fits = zeros.len() == 1 || zeros.len() == scales.len();
            return fits.then_some(Scaling::Affine { scales, zeros, run });
        }
    }
    if q.scale.is_empty() || tensor.ty.is_float() {
        return Some(Scaling::None);
    }
    let scales: Vec<f64> = q.scale.iter().map(|s| f64::from(*s)).collect();
    let zeros: Vec<f64> = match q.zero_point.len() {
        0 => vec![0.0],
        n if n == 1 || n == scales.len() => q.zero_point.iter().map(|z| *z as f64).collect(),
        _ => return None,
    };
    if scales.len() == 1 {
        return Some(Scaling::Affine { scales, zeros, run: elements.max(1) });
    }
    let axis = usize::try_from(q.quantized_dimension).ok()?;
    if usize::try_from(*tensor.shape.get(axis)?).ok()? != scales.len() {
        return None;
    }
    let inner = tensor.shape[axis + 1..].iter().map(|d| usize::try_from(*d).ok());
    let run = inner.product::<Option<usize>>()?.max(1);
    Some(Scaling::Affine { scales, zeros, run })
}

/// The numbers of another constant of the same subgraph.
fn linked(module: &Module, sg: SubgraphId, link: &TensorLink) -> Option<Vec<f64>> {
    let TensorLink::Tensor(id) = link else { return None };
    let graph = module.subgraph(sg);
    let tensor = graph.contains_tensor(*id).then(|| graph.tensor(*id))?;
    let bytes = module.constants().constant(tensor.buffer)?;
    let elements = tensor.elements()?;
    let plain = tensor.ty.bytes_for(elements)? == bytes.len() as u64 && elements > 0;
    plain.then_some(())?;
    let mut out = vec![0.0; usize::try_from(elements).ok()?];
    decode(tensor.ty, bytes, 0, &mut out);
    Some(out)
}

/// Elements from `start` on, as stored.
fn decode(ty: ElementType, bytes: &[u8], start: usize, out: &mut [f64]) {
    use ElementType::*;
    fn each<const N: usize>(
        bytes: &[u8],
        start: usize,
        out: &mut [f64],
        value: impl Fn([u8; N]) -> f64,
    ) {
        for (v, chunk) in out.iter_mut().zip(bytes[N * start..].chunks_exact(N)) {
            *v = value(chunk.try_into().expect("chunks are exact"));
        }
    }
    let mut parts = |bits: usize, signed: bool| {
        for (n, v) in out.iter_mut().enumerate() {
            let at = (start + n) * bits;
            let part = bytes[at / 8] >> (at % 8) << (8 - bits);
            *v = if signed {
                f64::from(part as i8 >> (8 - bits))
            } else {
                f64::from(part >> (8 - bits))
            };
        }
    };
    match ty {
        Int4 => parts(4, true),
        UInt4 => parts(4, false),
        Int2 => parts(2, true),
        Float32 => each(bytes, start, out, |b| f64::from(f32::from_le_bytes(b))),
        Float64 => each(bytes, start, out, f64::from_le_bytes),
        Float16 => each(bytes, start, out, |b| f16::from_le_bytes(b).to_f64()),
        BFloat16 => each(bytes, start, out, |b| bf16::from_le_bytes(b).to_f64()),
        Int8 => each(bytes, start, out, |b: [u8; 1]| f64::from(b[0] as i8)),
        UInt8 | Bool => each(bytes, start, out, |b: [u8; 1]| f64::from(b[0])),
        Int16 => each(bytes, start, out, |b| f64::from(i16::from_le_bytes(b))),
        UInt16 => each(bytes, start, out, |b| f64::from(u16::from_le_bytes(b))),
        Int32 => each(bytes, start, out, |b| f64::from(i32::from_le_bytes(b))),
        UInt32 => each(bytes, start, out, |b| f64::from(u32::from_le_bytes(b))),
        Int64 => each(bytes, start, out, |b| i64::from_le_bytes(b) as f64),
        UInt64 => each(bytes, start, out, |b| u64::from_le_bytes(b) as f64),
        String | Resource | Variant | Complex64 | Complex128 | Float8E4M3Fn | Float8E5M2 => {
            unreachable!("`Numbers` are numbers")
        }
    }
}

/// The error of `b` against `a`; `None` where their numbers of elements differ.
pub(crate) fn error(a: &Numbers<'_>, b: &Numbers<'_>) -> Option<WeightError> {
    if a.elements != b.elements || a.elements == 0 {
        return None;
    }
    let parts: Vec<Sums> = (0..a.elements.div_ceil(PART))
        .into_par_iter()
        .map(|part| Sums::over(a, b, part * PART, ((part + 1) * PART).min(a.elements)))
        .collect();
    let mut all = Sums::default();
    for part in parts {
        all.max = all.max.max(part.max);
        all.noise += part.noise;
        all.signal += part.signal;
        all.nonfinite += part.nonfinite;
    }
    let measurable = all.noise > 0.0 && all.signal > 0.0;
    Some(WeightError {
        elements: a.elements as u64,
        max_abs: all.max,
        snr_db: measurable.then(|| 10.0 * (all.signal / all.noise).log10()),
        nonfinite: all.nonfinite,
    })
}

#[derive(Default)]
struct Sums {
    max: f64,
    noise: f64,
    signal: f64,
    nonfinite: u64,
}

impl Sums {
    fn over(a: &Numbers<'_>, b: &Numbers<'_>, start: usize, end: usize) -> Self {
        const LANES: usize = 8;
        let (mut x, mut y) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut sums = Self::default();
        let mut at = start;
        while at < end {
            let len = BLOCK.min(end - at);
            let (x, y) = (&mut x[..len], &mut y[..len]);
            a.read(at, x);
            b.read(at, y);
            at += len;
            let (mut max, mut noise, mut signal) = ([0.0_f64; LANES], [0.0; LANES], [0.0; LANES]);
            // What is not finite makes the sum of noise so too, and is rare.
            let mut add = |n: usize, x: f64, y: f64| {
                let difference = (x - y).abs();
                max[n] = if difference > max[n] { difference } else { max[n] };
                noise[n] += difference * difference;
                signal[n] += x * x;
            };
            let (first, second) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
            let rest = (first.remainder(), second.remainder());
            for (x, y) in first.zip(second) {
                (0..LANES).for_each(|n| add(n, x[n], y[n]));
            }
            rest.0.iter().zip(rest.1).for_each(|(x, y)| add(0, *x, *y));
            if (noise.iter().sum::<f64>() + signal.iter().sum::<f64>()).is_finite() {
                sums.max = max.into_iter().fold(sums.max, f64::max);
                sums.noise += noise.iter().sum::<f64>();
                sums.signal += signal.iter().sum::<f64>();
                continue;
            }
            for (x, y) in x.iter().zip(y.iter()) {
                if x.is_finite() && y.is_finite() {
                    sums.max = sums.max.max((x - y).abs());
                    sums.noise += (x - y) * (x - y);
                    sums.signal += x * x;
                } else if x != y && !(x.is_nan() && y.is_nan()) {
                    sums.nonfinite += 1;
                }
            }
        }
        sums
    }
}
