//! Has tensors say what is known of their shapes.

use super::Walk;
use tfq_ir::ops::{Dim, Shape};
use tfq_ir::{Module, Patch, SubgraphId, Tensor, TensorChange, TensorId};

/// What [`state`] found to do.
#[derive(Debug, Default)]
pub(crate) struct Stated {
    /// Tensors that say more now.
    pub(crate) told: Vec<TensorId>,
    /// Those of which callers are told something else, and that keep their shape.
    pub(crate) kept: Vec<TensorId>,
}

/// Has the tensors of a subgraph say what is known of their shapes, and what they said where nothing is.
/// `keeps` are those whose dimensions stay that are told already.
pub(crate) fn state(
    walk: &Walk<'_>,
    module: &Module,
    sg: SubgraphId,
    patch: &mut Patch,
    keeps: impl Fn(TensorId) -> bool,
) -> Stated {
    let graph = module.subgraph(sg);
    let mut stated = Stated::default();
    for id in graph.tensors() {
        let tensor = graph.tensor(id);
        let known = walk.given(id).and_then(|fact| fact.shape.dims());
        let Some(known) = known.filter(|_| !tensor.is_variable) else { continue };
        let changes = changes(tensor, known);
        if changes.is_empty() {
            continue;
        }
        let told = Shape::of_tensor(tensor, false);
        if keeps(id) && !told.agrees(&Shape::of(known.iter().copied())) {
            stated.kept.push(id);
            continue;
        }
        changes.into_iter().for_each(|change| patch.change_tensor(id, change));
        stated.told.push(id);
    }
    stated
}

fn changes(tensor: &Tensor, known: &[Dim]) -> Vec<TensorChange> {
    let mut changes = Vec::new();
    // One that is not known stays as it is, where there is one.
    let same_rank = tensor.shape.len() == known.len();
    let was = |n: usize| tensor.shape.get(n).copied().filter(|_| same_rank);
    let shape: Vec<i32> =
        known.iter().enumerate().map(|(n, dim)| dim.or(was(n)).unwrap_or(1)).collect();
    let free = |n: usize| was(n).is_none() || tensor.known_dim(n).is_none();
    let signature: Vec<i32> = known
        .iter()
        .zip(&shape)
        .enumerate()
        .map(|(n, (dim, size))| if dim.is_none() && free(n) { -1 } else { *size })
        .collect();
    let is_static = signature.iter().all(|dim| *dim >= 0);
    if *tensor.shape != *shape {
        changes.push(TensorChange::Shape(shape.into()));
    }
    let says_so =
        *tensor.shape_signature == *signature || is_static && tensor.shape_signature.is_empty();
    if !says_so {
        let signature = if is_static { Vec::new() } else { signature };
        changes.push(TensorChange::ShapeSignature(signature.into()));
    }
    if known.is_empty() && !tensor.has_rank {
        changes.push(TensorChange::HasRank(true));
    }
    changes
}
