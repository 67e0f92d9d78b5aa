//! Constants that came sparse, as they are or behind a DENSIFY: seen as the float32 constants that
//! they stand for, where all of their elements in a smaller type take less than those that are
//! stored.
//!
//! No kernel that the float one may stand for reads sparse int8, so it is all or nothing.

use bytes::Bytes;
use tfq_ir::catalog::ops::{DENSIFY, DEQUANTIZE};
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{
    BufferId, ElementType, Module, OpId, Sparsity, Subgraph, SubgraphId, TensorId, counted, grouped,
};
use tfq_numeric::from_f16;

/// A sparse constant that may get smaller without its sparsity.
pub(super) struct SparseWeight {
    pub(super) stored: BufferId,
    /// What the file has for it, lists of indices included.
    pub(super) bytes: u64,
    /// All elements.
    pub(super) values: Bytes,
    pub(super) readings: Vec<Reading>,
}

/// A tensor through which ops get the elements as float32.
pub(super) struct Reading {
    pub(super) sg: SubgraphId,
    pub(super) float: TensorId,
    /// What makes it of the sparse one, if it is not that itself.
    pub(super) made_by: Vec<OpId>,
}

/// Those for which so many bytes an element take less, where nothing else shows or names them.
pub(super) fn weights(module: &Module, bytes_per_element: u64) -> Vec<SparseWeight> {
    let mut sparse: IndexSet<BufferId> = IndexSet::default();
    for (sg, graph) in module.subgraphs() {
        let of = graph.tensors().filter(|id| is_sparse_float(graph, *id));
        let of = of.filter(|id| module.fixed_constant(sg, *id).is_some());
        sparse.extend(of.map(|id| graph.tensor(id).buffer));
    }
    if sparse.is_empty() {
        return Vec::new();
    }
    let mut shown: IndexMap<BufferId, Vec<(SubgraphId, TensorId)>> = IndexMap::default();
    for (sg, graph) in module.subgraphs() {
        for id in graph.tensors() {
            let buffer = graph.tensor(id).buffer;
            if sparse.contains(&buffer) {
                shown.entry(buffer).or_default().push((sg, id));
            }
        }
    }
    let found = shown.into_iter().filter(|(buffer, _)| module.metadata_uses(*buffer) == 0);
    found.filter_map(|(buffer, shown)| weight(module, buffer, &shown, bytes_per_element)).collect()
}

fn is_sparse_float(graph: &Subgraph, id: TensorId) -> bool {
    let tensor = graph.tensor(id);
    tensor.sparsity.is_some() && matches!(tensor.ty, ElementType::Float32 | ElementType::Float16)
}

fn weight(
    module: &Module,
    stored: BufferId,
    shown: &[(SubgraphId, TensorId)],
    bytes_per_element: u64,
) -> Option<SparseWeight> {
    let (sg, first) = shown[0];
    let tensor = module.subgraph(sg).tensor(first);
    let bytes = file_bytes(module, sg, first)?;
    // Before anything is made of it: a few bytes may stand for a great many elements.
    if tensor.elements()?.checked_mul(bytes_per_element)? >= bytes {
        return None;
    }
    let mut readings = Vec::new();
    for &(sg, id) in shown {
        let graph = module.subgraph(sg);
        let other = graph.tensor(id);
        let alike = other.ty == tensor.ty
            && other.shape == tensor.shape
            && other.sparsity == tensor.sparsity
            && module.fixed_constant(sg, id).is_some();
        if !alike {
            return None;
        }
        readings.extend(readings_of(module, sg, id)?);
    }
    let width = usize::try_from(tensor.ty.bytes_for(1)?).ok()?;
    let sparsity: &Sparsity = tensor.sparsity.as_deref()?;
    let dense = sparsity.to_dense(&tensor.shape, width, module.constant(sg, first)?)?;
    let values = match tensor.ty {
        ElementType::Float16 => from_f16(&dense),
        _ => dense.into(),
    };
    Some(SparseWeight { stored, bytes, values, readings })
}

/// How ops read a sparse tensor, where all that do get float32 in the end.
fn readings_of(module: &Module, sg: SubgraphId, id: TensorId) -> Option<Vec<Reading>> {
    let graph = module.subgraph(sg);
    let (tensor, uses) = (graph.tensor(id), graph.uses(id));
    let mut found = Vec::new();
    let is_made_of = |made: TensorId, ty: ElementType| {
        let made = graph.tensor(made);
        made.ty == ty && made.shape == tensor.shape && !made.is_variable
    };
    let mut direct = false;
    for u in &uses {
        if !graph.op(u.op).kind.is(DENSIFY) {
            direct = true;
            continue;
        }
        let [dense] = graph.results(u.op)[..] else { return None };
        if is_made_of(dense, ElementType::Float32) {
            found.push(Reading { sg, float: dense, made_by: vec![u.op] });
            continue;
        }
        if !is_made_of(dense, ElementType::Float16) || module.references(sg, dense).any() {
            return None;
        }
        for reader in graph.uses(dense) {
            let [float] = graph.results(reader.op)[..] else { return None };
            let is_dequantize = graph.op(reader.op).kind.is(DEQUANTIZE);
            if !is_dequantize || !is_made_of(float, ElementType::Float32) {
                return None;
            }
            found.push(Reading { sg, float, made_by: vec![reader.op, u.op] });
        }
    }
    if direct {
        let plain = tensor.ty == ElementType::Float32;
        plain.then(|| found.push(Reading { sg, float: id, made_by: Vec::new() }))?;
    } else if module.references(sg, id).any() {
        return None;
    }
    Some(found)
}

/// What a sparse constant takes in the file, lists of indices included.
fn file_bytes(module: &Module, sg: SubgraphId, id: TensorId) -> Option<u64> {
    let sparsity = module.subgraph(sg).tensor(id).sparsity.as_deref()?;
    Some(module.constant(sg, id)?.len() as u64 + sparsity.byte_len())
}

/// Why a sparse constant stays as it came, for an op that reads it.
pub(super) fn why_it_stays(
    module: &Module,
    (sg, id, op): (SubgraphId, TensorId, OpId),
    bytes_per_element: u64,
) -> String {
    let elements = module.subgraph(sg).tensor(id).elements();
    let all = elements.and_then(|n| n.checked_mul(bytes_per_element));
    match file_bytes(module, sg, id).zip(all) {
        Some((bytes, all)) if bytes <= all => {
            let ty = if bytes_per_element == 1 { "int8" } else { "float16" };
            format!(
                "it is stored sparse, in {}, and kernels read {ty} with every element, which takes {}",
                counted(bytes, "byte"),
                grouped(all)
            )
        }
        _ => format!("it is stored sparse, for {}", module.op_place(sg, op)),
    }
}
