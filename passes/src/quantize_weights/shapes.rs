//! Constants that tensors of several shapes show: each shape is quantised for its own readers, and
//! codes that come out alike are stored once by `merge-equal-buffers`.

use super::constants::{TensorsByBuffer, is_float_constant, shown};
use tfq_ir::maps::IndexMap;
use tfq_ir::{BufferId, Module, SubgraphId, TensorId};

/// In more shapes, codes for each may take as much as one float32 for all.
const MOST: usize = 3;

/// A constant by the shapes in which it is shown.
pub(super) struct Reshaped {
    pub(super) buffer: BufferId,
    pub(super) elements: u64,
    /// The tensors of each shape.
    pub(super) shapes: Vec<Vec<(SubgraphId, TensorId)>>,
}

/// Plain float32 constants of so many elements or more that are shown in a few shapes.
pub(super) fn reshaped(module: &Module, least: u64) -> Vec<Reshaped> {
    let several = |(buffer, tensors): (BufferId, Vec<(SubgraphId, TensorId)>)| {
        let mut shapes: IndexMap<&[i32], Vec<(SubgraphId, TensorId)>> = IndexMap::default();
        for &(sg, id) in &tensors {
            shapes.entry(&module.subgraph(sg).tensor(id).shape).or_default().push((sg, id));
        }
        if !(2..=MOST).contains(&shapes.len()) || module.metadata_uses(buffer) > 0 {
            return None;
        }
        let (sg, first) = tensors[0];
        let elements = module.subgraph(sg).tensor(first).elements().filter(|n| *n >= least)?;
        let is_plain = |(sg, id): &(SubgraphId, TensorId)| {
            let tensor = module.subgraph(*sg).tensor(*id);
            is_float_constant(module, *sg, *id)
                && tensor.sparsity.is_none()
                && tensor.elements() == Some(elements)
        };
        let plain = tensors.iter().all(is_plain);
        plain.then(|| Reshaped { buffer, elements, shapes: shapes.into_values().collect() })
    };
    let found: TensorsByBuffer = shown(module);
    found.into_iter().filter(|(_, tensors)| tensors.len() > 1).filter_map(several).collect()
}
