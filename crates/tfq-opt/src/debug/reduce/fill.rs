//! Plain numbers in the place of a constant's own.

use bytes::Bytes;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, Module, Patch, Tensor};

/// Integers of 32 and 64 bits that are this few may be a shape, axes or paddings, which are
/// part of what an op is.
const MOST_SHAPE_ELEMENTS: u64 = 64;
/// A text writes constants of so few elements out, so that nothing is won.
const MOST_INLINE_ELEMENTS: u64 = 8;

/// What a constant is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// The plainest there is.
    Zeros,
    /// 0, 1, ... 15 and again, for what zeros hide; floats are those numbers by 16.
    Ramp,
}

/// The buffers whose content this fill can take the place of, and what it would be. Those that
/// are plain already are not among them.
pub(super) fn fillable(module: &Module, fill: Fill) -> IndexMap<BufferId, Bytes> {
    let mut fills = fills(module, fill);
    let zeros = |bytes: &Bytes| bytes.iter().all(|byte| *byte == 0);
    fills.retain(|buffer, new| {
        let old = module.constants().get(*buffer);
        old != Some(new) && !(fill == Fill::Ramp && old.is_some_and(zeros))
    });
    fills
}

/// Bytes of constants that a fill could take the place of and that are not plain.
pub(super) fn content(module: &Module) -> u64 {
    let ramps = fills(module, Fill::Ramp);
    let zeros = fillable(module, Fill::Zeros);
    let rest = zeros.iter().filter(|(id, _)| module.constants().get(**id) != ramps.get(*id));
    rest.map(|(_, bytes)| bytes.len() as u64).sum()
}

/// What the fill makes of each buffer that it fits.
fn fills(module: &Module, fill: Fill) -> IndexMap<BufferId, Bytes> {
    let mut found: IndexMap<BufferId, Option<Bytes>> = IndexMap::default();
    for (sg, graph) in module.subgraphs() {
        for id in graph.tensors() {
            let tensor = graph.tensor(id);
            let Some(bytes) = module.constant(sg, id) else { continue };
            let filled = filled(tensor, bytes.len(), fill);
            // All that show a buffer must agree on what it would be.
            let entry = found.entry(tensor.buffer).or_insert_with(|| filled.clone());
            if *entry != filled {
                *entry = None;
            }
        }
    }
    let named = module.metadata().iter().map(|entry| entry.buffer);
    let older = module.metadata_buffer().iter().filter_map(|id| u32::try_from(*id).ok());
    let named: IndexSet<BufferId> = named.chain(older.map(BufferId)).collect();
    let found = found.into_iter().filter(|(buffer, _)| !named.contains(buffer));
    found.filter_map(|(buffer, bytes)| Some((buffer, bytes?))).collect()
}

/// As many bytes as the constant has.
fn filled(tensor: &Tensor, len: usize, fill: Fill) -> Option<Bytes> {
    use ElementType::*;
    let elements = tensor.elements()?;
    if elements <= MOST_INLINE_ELEMENTS {
        return None;
    }
    let has_shapes = matches!(tensor.ty, Int32 | Int64 | UInt32 | UInt64);
    match (tensor.ty, fill) {
        // Their bytes are offsets and handles, not numbers.
        (String | Resource | Variant, _) => None,
        _ if has_shapes && elements <= MOST_SHAPE_ELEMENTS => None,
        (_, Fill::Zeros) => Some(vec![0; len].into()),
        (Float32, Fill::Ramp) => Some(ramp(len, |n| (f32::from(n) / 16.0).to_le_bytes())),
        (Float64, Fill::Ramp) => Some(ramp(len, |n| (f64::from(n) / 16.0).to_le_bytes())),
        (Float16, Fill::Ramp) => {
            Some(ramp(len, |n| half::f16::from_f32(f32::from(n) / 16.0).to_le_bytes()))
        }
        (BFloat16, Fill::Ramp) => {
            Some(ramp(len, |n| half::bf16::from_f32(f32::from(n) / 16.0).to_le_bytes()))
        }
        (Int8 | UInt8, Fill::Ramp) => Some(ramp(len, |n| [n])),
        (Int16 | UInt16, Fill::Ramp) => Some(ramp(len, |n| [n, 0])),
        // Integers that may be indices, and codes in which a ramp is not plain.
        (_, Fill::Ramp) => None,
    }
}

fn ramp<const N: usize>(len: usize, element: impl Fn(u8) -> [u8; N]) -> Bytes {
    let period: Vec<u8> = (0..16).flat_map(element).collect();
    period.into_iter().cycle().take(len).collect::<Vec<u8>>().into()
}

/// The model with these buffers filled. Those that become equal become one.
pub(super) fn with_fills(module: &Module, fills: &IndexMap<BufferId, Bytes>) -> Option<Module> {
    let mut new = module.clone();
    let mut places: IndexMap<&Bytes, BufferId> = IndexMap::default();
    for bytes in fills.values() {
        if !places.contains_key(bytes) {
            let there = module.constants().iter().find(|(_, old)| *old == Some(bytes));
            let place = there.map(|(id, _)| id).filter(|id| *id != BufferId::NONE);
            places.insert(bytes, place.unwrap_or_else(|| new.add_constant(bytes.clone())));
        }
    }
    for sg in module.subgraph_ids() {
        let graph = module.subgraph(sg);
        let mut patch = Patch::new(sg, "fill constants");
        for id in graph.tensors() {
            if let Some(bytes) = fills.get(&graph.tensor(id).buffer) {
                patch.set_buffer(id, places[bytes]);
            }
        }
        new.apply(patch).ok()?;
    }
    new.prune_buffers();
    Some(new)
}
