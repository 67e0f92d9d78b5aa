//! The same models with something bent: an attribute, the numbers or the shape of an operand, a scale,
//! the type of a result. They need not be evaluated, but nothing may panic.

use crate::families::Family;
use crate::parsed;
use fastrand::Rng;
use libtest_mimic::Failed;
use std::sync::Arc;
use tfq_eval::{Budget, Declared, Value, evaluate_op};
use tfq_ir::catalog::{AttrType, ListType};
use tfq_ir::{Attr, Attributes, ElementType, Op, Quantization, SubgraphId};

const MAIN: SubgraphId = SubgraphId(0);

fn number(rng: &mut Rng) -> i64 {
    let all = [0, 1, 2, 3, -1, -2, 7, 63, 1 << 20, i64::from(i32::MAX), i64::from(i32::MIN)];
    all[rng.usize(..all.len())]
}

fn bend_attribute(rng: &mut Rng, op: &mut Op) {
    let Some(options) = op.kind.options().filter(|options| !options.attrs.is_empty()) else {
        return;
    };
    let mut attrs = op.attrs.take().unwrap_or_else(|| Attributes::new(options));
    let info = &options.attrs[rng.usize(..options.attrs.len())];
    let value = match info.ty {
        AttrType::Bool => Attr::Bool(rng.bool()),
        AttrType::F32 | AttrType::F64 => Attr::Float([0.0, -1.0, 1e30, f32::NAN][rng.usize(..4)]),
        AttrType::Enum(_) => Attr::Int(rng.i64(0..8)),
        AttrType::List(ListType::F32) => Attr::Floats([1.0, -1.0].into()),
        AttrType::List(_) => {
            let length = rng.usize(..4);
            Attr::Ints((0..length).map(|_| number(rng)).collect())
        }
        AttrType::String | AttrType::Bytes => Attr::Bool(false),
        _ => Attr::Int(number(rng)),
    };
    // A value that does not fit is refused, and the attribute stays.
    let _ = attrs.set(info.name, value);
    op.attrs = Some(attrs);
}

fn bend_numbers(rng: &mut Rng, value: &Value) -> Option<Value> {
    let mut bytes = value.bytes().to_vec();
    let wide = value.ty() == ElementType::Int64;
    let width = if wide { 8 } else { 4 };
    if !wide && value.ty() != ElementType::Int32 || rng.bool() {
        bytes.iter_mut().for_each(|byte| *byte = rng.u8(..));
    } else {
        let at = rng.usize(..bytes.len().max(1)) / width * width;
        let number = number(rng).to_le_bytes();
        bytes.get_mut(at..at + width)?.copy_from_slice(&number[..width]);
    }
    Some(
        Value::new(value.ty(), value.shape(), bytes.into())?
            .quantized(value.quantization().cloned()),
    )
}

fn bend_shape(rng: &mut Rng, value: &Value) -> Option<Value> {
    let mut dims = value.shape().to_vec();
    match rng.u32(..4) {
        0 => dims.push(rng.usize(..3)),
        1 => drop(dims.pop()),
        _ => *dims.get_mut(rng.usize(..value.shape().len().max(1)))? = rng.usize(..4),
    }
    let needed: usize = dims.iter().product::<usize>() * 8;
    let mut bytes = value.bytes().to_vec();
    bytes.resize(needed.max(bytes.len()), 1);
    Some(Value::new(value.ty(), &dims, bytes.into())?.quantized(value.quantization().cloned()))
}

fn bend_scale(rng: &mut Rng, from: Option<&Arc<Quantization>>) -> Option<Arc<Quantization>> {
    let mut bent = Quantization::clone(from?);
    let scales = [1e-30, 1e30, 1.0, 0.0, f32::NAN, 3e-5];
    let at = rng.usize(..bent.scale.len().max(1));
    *bent.scale.get_mut(at)? = scales[rng.usize(..scales.len())];
    if rng.bool() {
        bent.zero_point = bent.zero_point.iter().map(|_| number(rng)).collect();
    }
    bent.quantized_dimension = rng.i32(-1..4);
    Some(Arc::new(bent))
}

/// One change, or a few.
fn bend(rng: &mut Rng, op: &mut Op, operands: &mut Vec<Option<Value>>, results: &mut [Declared]) {
    let slot = rng.usize(..operands.len().max(1));
    let operand = operands.get_mut(slot);
    match (rng.u32(..8), operand) {
        (0, _) => bend_attribute(rng, op),
        (1 | 2, Some(Some(value))) => *value = bend_numbers(rng, value).unwrap_or(value.clone()),
        (3, Some(Some(value))) => *value = bend_shape(rng, value).unwrap_or(value.clone()),
        (4, Some(Some(value))) => {
            let scale = bend_scale(rng, value.quantization());
            *value = value.clone().quantized(scale);
        }
        (5, Some(operand)) => *operand = None,
        (6, _) => drop(operands.pop()),
        (_, _) => {
            for result in results {
                match rng.bool() {
                    true => result.quantization = bend_scale(rng, result.quantization.as_ref()),
                    false => result.ty = ElementType::from_code(rng.i8(0..23)).expect("a type"),
                }
            }
        }
    }
}

pub(crate) fn nothing_panics(families: &[Family]) -> Result<(), Failed> {
    let rounds = std::env::var("TFQ_EVAL_BENT").ok().and_then(|text| text.parse().ok());
    let mut evaluated = 0;
    for family in families {
        for seed in 0..rounds.unwrap_or(40) {
            let made = family.model(seed);
            let module = parsed(&made);
            let graph = module.subgraph(MAIN);
            let op = graph.ops().next().expect("it has an op");
            let value = |id| match graph.inputs().iter().position(|input| *input == id) {
                Some(n) => {
                    let quantization = graph.tensor(id).quantization.clone();
                    Some(made.inputs[n].clone().quantized(quantization))
                }
                None => Value::of_constant(&module, MAIN, id),
            };
            let mut operands: Vec<Option<Value>> =
                graph.operands(op).into_iter().map(|id| value(id?)).collect();
            let mut results: Vec<Declared> = graph
                .results(op)
                .into_iter()
                .map(|id| graph.tensor(id))
                .map(|t| Declared { ty: t.ty, quantization: t.quantization.clone() })
                .collect();
            let (mut rng, mut op) = (Rng::with_seed(seed), graph.op(op).clone());
            for _ in 0..rng.u32(1..4) {
                bend(&mut rng, &mut op, &mut operands, &mut results);
            }
            let tried = std::panic::catch_unwind(|| {
                let mut budget = Budget::new(1 << 22, 1 << 24);
                evaluate_op(&op, &operands, &results, &mut budget).is_ok()
            });
            match tried {
                Ok(done) => evaluated += usize::from(done),
                Err(_) => {
                    let told =
                        format!("{} {seed}: {op:?}\n{operands:?}\n{results:?}", family.name());
                    return Err(told.into());
                }
            }
        }
    }
    // Else nothing was tried.
    assert!(evaluated > families.len(), "{evaluated} were evaluated");
    Ok(())
}
