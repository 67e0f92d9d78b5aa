//! How near an op on the numbers that codes stand for comes to the op on the codes, found out by trying
//! all codes.

use bytes::Bytes;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tfq_eval::{Budget, Declared, Value, evaluate_op};
use tfq_ir::ops::{OpClass, semantics_of};
use tfq_ir::{ElementType, Op, Quantization, Tensor};

/// By how much of a step a float may miss the code, before it is rounded to one: half a step is what
/// rounding does to a number that is right, and the rest is left to kernels, which compute functions to
/// different bits.
const NEAR: f64 = 1.25;
/// A number at the end of the range may be this far from the code there.
const AT_END: f64 = 0.25;
/// The CPU kernel of QUANTIZE makes anything of more steps than an int32 counts.
const MOST_STEPS: f64 = (1_u32 << 30) as f64;
/// How often a number is halved in the search for one that is small enough.
const HALVINGS: i32 = 60;

/// How near floats come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Closeness {
    /// No result is more than a step off.
    OneStep,
    /// None is, if numbers below this one count as it.
    FromLeast(f32),
}

/// How near floats come to the codes that an op computes, or why not near enough. Of ops that do not
/// work position by position nothing is tried: the target says where they are near.
pub(super) fn closeness(
    op: &Op,
    operands: &[&Tensor],
    result: &Tensor,
) -> Result<Closeness, String> {
    let codes: Option<Vec<Codes>> = operands.iter().map(|tensor| Codes::of(tensor)).collect();
    let all = codes.zip(Codes::of(result));
    let (read, made) = all.ok_or("a tensor has no 8-bit codes with one sound scale")?;
    let class = semantics_of(op).map(|what| what.class);
    if class == Some(OpClass::Matmul) && !operands.iter().all(|tensor| tensor.is_static()) {
        return Err("how many products it sums up is not known".into());
    }
    if !matches!(class, Some(OpClass::ElementwiseUnary | OpClass::ElementwiseBinary)) {
        return Ok(Closeness::OneStep);
    }
    let tried: Vec<Vec<i32>> = match &read[..] {
        [x] => vec![x.range().collect()],
        [x, y] => {
            let pairs = || x.range().flat_map(|a| y.range().map(move |b| (a, b)));
            vec![pairs().map(|(a, _)| a).collect(), pairs().map(|(_, b)| b).collect()]
        }
        _ => return Err("it has more operands than can be tried".into()),
    };
    let values = read.iter().zip(&tried).map(|(codes, tried)| codes.value(tried));
    let of_codes = integers(op, values.collect(), &made)?;
    let reals: Vec<Vec<f32>> = read
        .iter()
        .zip(&tried)
        .map(|(codes, tried)| tried.iter().map(|code| codes.real(*code)).collect())
        .collect();
    let of_reals = floats(op, &reals)?;
    let wrong: Vec<usize> =
        (0..of_codes.len()).filter(|n| !made.is_near(of_reals[*n], of_codes[*n], NEAR)).collect();
    let Some(last) = wrong.last() else { return Ok(Closeness::OneStep) };
    let whole_start = wrong.len() == last + 1;
    if let [reals] = &reals[..]
        && whole_start
        && wrong.iter().all(|n| !made.is_in_reach(of_reals[*n]))
        && let Some(least) = least(op, &made, &of_codes[..=*last], reals.get(last + 1))
    {
        return Ok(Closeness::FromLeast(least));
    }
    Err(format!("floats are more than a step off for {} of {} codes", wrong.len(), of_codes.len()))
}

/// A number below `next` for which floats give the code that all of these are, without infinities.
fn least(op: &Op, made: &Codes, codes: &[i64], next: Option<&f32>) -> Option<f32> {
    let next = next.filter(|next| **next > 0.0)?;
    let code = *codes.first().filter(|first| codes.iter().all(|code| code == *first))?;
    let smaller: Vec<f32> = (1..=HALVINGS).map(|n| next * 0.5_f32.powi(n)).collect();
    let smaller: Vec<f32> = smaller.into_iter().take_while(|x| x.is_normal()).collect();
    let results = floats(op, std::slice::from_ref(&smaller)).ok()?;
    let fits = |(_, result): &(f32, f32)| made.is_near(*result, code, AT_END);
    smaller.into_iter().zip(results).find(fits).map(|(x, _)| x)
}

/// What the op computes of codes.
fn integers(op: &Op, operands: Vec<Option<Value>>, made: &Codes) -> Result<Vec<i64>, String> {
    let declared = Declared { ty: made.ty, quantization: Some(Arc::clone(&made.quantization)) };
    let results = evaluate_op(op, &operands, &[declared], &mut Budget::default());
    let results = results.map_err(|error| error.to_string())?;
    results.values.first().and_then(Value::integers).ok_or_else(|| "it gives no codes".to_owned())
}

/// What the op computes of numbers.
fn floats(op: &Op, operands: &[Vec<f32>]) -> Result<Vec<f32>, String> {
    let value = |numbers: &Vec<f32>| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        Value::new(ElementType::Float32, &[numbers.len()], bytes.into())
    };
    let operands: Vec<_> = operands.iter().map(value).collect();
    let declared = [Declared::new(ElementType::Float32)];
    let results = evaluate_op(op, &operands, &declared, &mut Budget::default());
    let results = results.map_err(|error| error.to_string())?;
    let bytes = results.values.first().map_or(&[][..], |value| &value.bytes()[..]);
    let (numbers, _) = bytes.as_chunks::<4>();
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// Codes of 8 bits with one scale.
struct Codes {
    ty: ElementType,
    scale: f32,
    zero_point: i32,
    quantization: Arc<Quantization>,
}

impl Codes {
    fn of(tensor: &Tensor) -> Option<Self> {
        let quantization = tensor.quantization.as_ref()?;
        let [scale] = quantization.scale[..] else { return None };
        let zero_point = match quantization.zero_point[..] {
            [] => 0,
            [point] => i32::try_from(point).ok()?,
            _ => return None,
        };
        let codes =
            Self { ty: tensor.ty, scale, zero_point, quantization: Arc::clone(quantization) };
        let is_sound = matches!(tensor.ty, ElementType::Int8 | ElementType::UInt8)
            && quantization.details.scales_and_zero_points().is_none()
            && scale.is_normal()
            && scale > 0.0
            && codes.range().contains(&zero_point);
        is_sound.then_some(codes)
    }

    fn range(&self) -> RangeInclusive<i32> {
        match self.ty {
            ElementType::Int8 => -128..=127,
            _ => 0..=255,
        }
    }

    fn real(&self, code: i32) -> f32 {
        self.scale * (code - self.zero_point) as f32
    }

    /// A vector of such codes.
    fn value(&self, codes: &[i32]) -> Option<Value> {
        let bytes: Bytes = codes.iter().map(|code| *code as u8).collect();
        let value = Value::new(self.ty, &[codes.len()], bytes)?;
        Some(value.quantized(Some(Arc::clone(&self.quantization))))
    }

    fn steps(&self, real: f32) -> f64 {
        f64::from(real) / f64::from(self.scale) + f64::from(self.zero_point)
    }

    /// Whether a QUANTIZE makes the same of a number wherever it runs.
    fn is_in_reach(&self, real: f32) -> bool {
        self.steps(real).abs() < MOST_STEPS
    }

    /// Whether the number is at most so many steps from the code, where it does not lie beyond all.
    fn is_near(&self, real: f32, code: i64, steps: f64) -> bool {
        let (least, greatest) = (f64::from(*self.range().start()), f64::from(*self.range().end()));
        let at = self.steps(real).clamp(least, greatest);
        self.is_in_reach(real) && (at - code as f64).abs() <= steps
    }
}
