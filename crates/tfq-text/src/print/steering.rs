//! Which constants a skeleton keeps: those that tell ops what to do.

use super::printer::key;
use std::collections::HashSet;
use tfq_ir::{ElementType, Module, Quantization, Subgraph, Tensor, TensorId, Use};

/// The constants, by place in memory, whose values decide whether a model runs: shapes, axes,
/// paddings, indices, keys. With made-up ones it would be refused or reach out of its tensors.
///
/// Kernels take such parameters as integers of 32 and 64 bits, and some as 16 bits, as strings
/// and as truth values. Weights of these types are quantised: their scales tell them apart.
pub(super) fn constants(module: &Module) -> HashSet<(usize, usize)> {
    let mut found = HashSet::new();
    for (_, graph) in module.subgraphs() {
        for id in graph.tensors() {
            let tensor = graph.tensor(id);
            let Some(bytes) = module.constants().constant(tensor.buffer) else { continue };
            if steers(graph, id, tensor) {
                found.insert(key(bytes));
            }
        }
    }
    found
}

fn steers(graph: &Subgraph, id: TensorId, tensor: &Tensor) -> bool {
    use ElementType::*;
    match tensor.ty {
        String | Bool | UInt32 | UInt64 => true,
        Int32 | Int64 => !is_bias(graph, id, tensor),
        Int16 | UInt16 => tensor.scales() == 0,
        Float32 | Float16 | BFloat16 | Float64 | Complex64 | Complex128 | Float8E4M3Fn
        | Float8E5M2 | Int8 | UInt8 | Int4 | UInt4 | Int2 | Resource | Variant => false,
    }
}

/// How far the scale of a bias may be from the product that it should be, as kernels have it.
const TOLERANCE: f64 = 0.02;

/// Whether every reader adds it to products of two other operands: what is added to them has the
/// product of their scales.
fn is_bias(graph: &Subgraph, id: TensorId, tensor: &Tensor) -> bool {
    let Some(q) = tensor.quantization.as_deref().filter(|q| !q.scale.is_empty()) else {
        return false;
    };
    let uses = graph.uses(id);
    !uses.is_empty() && uses.iter().all(|at| adds_to_products(graph, *at, &q.scale))
}

fn adds_to_products(graph: &Subgraph, at: Use, scales: &[f32]) -> bool {
    let operands = graph.operands(at.op);
    let others: Vec<&Quantization> = operands
        .iter()
        .take(at.slot as usize)
        .filter_map(|id| graph.tensor((*id)?).quantization.as_deref())
        .filter(|q| !q.scale.is_empty())
        .collect();
    let scale = |q: &Quantization, n: usize| match q.scale[..] {
        [one] => Some(one),
        _ => q.scale.get(n).copied(),
    };
    let product = |a: &Quantization, b: &Quantization| {
        scales.iter().enumerate().all(|(n, own)| {
            let (Some(a), Some(b)) = (scale(a, n), scale(b, n)) else { return false };
            let (own, product) = (f64::from(*own), f64::from(a) * f64::from(b));
            (own - product).abs() <= TOLERANCE * product.abs()
        })
    };
    others.iter().enumerate().any(|(n, a)| others[n + 1..].iter().any(|b| product(a, b)))
}
