//! Weights that came as something else than float32 constants of one shape: seen as such.
//!
//! What is seen so is a copy of the model. The model itself changes only with each weight that is
//! quantised: the Dequantize or DENSIFY goes, and its result becomes the constant.

use super::float16::{HalfReader, look_up_float, only_dequantized, readers, values};
use super::options::WeightType;
use super::shapes::{Reshaped, reshaped};
use super::sparse::{self, SparseWeight};
use crate::costs::{FEW, PER_DEQUANTIZE};
use bytes::Bytes;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{
    BufferId, ElementType, Module, Numbers, OpId, Patch, SubgraphId, TensorId, counted, grouped,
};
use tfq_numeric::from_f16;
use tfq_pass::{PassError, Session};
use tfq_target::Target;

/// A model whose float16 and sparse weights are seen as float32.
pub(super) struct Widened {
    /// The copy.
    pub(super) module: Module,
    /// Buffers of the copy that hold float32 for something else in the file.
    weights: IndexMap<BufferId, Source>,
    /// Results of a Dequantize that are biases: they become float32 constants beside a weight.
    biases: IndexMap<(SubgraphId, TensorId), Bias>,
    /// Results of every Dequantize that reads the float16 bytes of a bias.
    dequantized: IndexMap<BufferId, Vec<(SubgraphId, TensorId)>>,
    /// Buffers of the copy for the shapes of one in the file.
    parts: Vec<Vec<BufferId>>,
    /// Ops that look halves up in a table, and the Dequantize behind each.
    lookups: IndexMap<(SubgraphId, TensorId), Vec<(OpId, OpId)>>,
}

/// A bias.
struct Bias {
    /// As float32.
    values: Bytes,
    /// Its buffer in the file.
    stored: BufferId,
    /// Whether its float16 bytes go where each Dequantize that reads them does.
    alone: bool,
    /// Bytes that a Dequantize of it takes.
    dequantize: u64,
}

/// Where the values of a weight come from.
struct Source {
    /// Its buffer in the file.
    stored: BufferId,
    /// What it takes there.
    bytes: u64,
    /// Whether that is float16.
    half: bool,
    /// How many ops make float32 of it.
    readers: u64,
}

impl Widened {
    /// The copy; `None` where there is nothing to be seen so. Elements are to become of this type.
    ///
    /// `weights` are the operands of an op that are weights. A constant that something else shows
    /// or reads stays as it is, since its bytes would stay in the file too.
    pub(super) fn new(
        module: &Module,
        target: &Target,
        to: WeightType,
        weights: impl Fn(SubgraphId, OpId) -> Vec<u32>,
    ) -> Option<Self> {
        let readers = match to {
            WeightType::Int8 => readers(module, target),
            WeightType::Float16 => Vec::new(),
        };
        let sparse = sparse::weights(module, to.bytes());
        let moved = Numbers { ops: true, tensors: true, ..Numbers::default() };
        let reshaped = reshaped(module, FEW);
        if readers.is_empty() && sparse.is_empty() && reshaped.is_empty()
            || module.numbered_by_metadata(moved).is_some()
        {
            return None;
        }
        let mut by_buffer: IndexMap<BufferId, Vec<&HalfReader>> = IndexMap::default();
        for reader in &readers {
            let buffer = module.subgraph(reader.sg).tensor(reader.stored).buffer;
            by_buffer.entry(buffer).or_default().push(reader);
        }
        let alone = only_dequantized(module, &readers);
        let reads = |reader: &&HalfReader, is_one: &dyn Fn(OpId, u32) -> bool| {
            module.subgraph(reader.sg).uses(reader.float).iter().any(|u| is_one(u.op, u.slot))
        };
        let mut copy = module.clone();
        let mut patches: IndexMap<SubgraphId, Patch> = IndexMap::default();
        let mut widened = Self {
            module: Module::default(),
            weights: IndexMap::default(),
            biases: IndexMap::default(),
            dequantized: IndexMap::default(),
            lookups: IndexMap::default(),
            parts: Vec::new(),
        };
        for (stored, readers) in by_buffer {
            let is_weight = alone.contains(&stored)
                && readers.iter().any(|r| reads(r, &|op, slot| weights(r.sg, op).contains(&slot)));
            let biases: Vec<&&HalfReader> = readers
                .iter()
                .filter(|r| {
                    reads(r, &|op, slot| {
                        let facts = target.facts_of(module.subgraph(r.sg), op);
                        facts.is_some_and(|facts| facts.biases.contains(&slot))
                    })
                })
                .collect();
            if !is_weight && biases.is_empty() {
                continue;
            }
            let values = from_f16(values(module, readers[0])?);
            let buffer = copy.add_constant(values.clone());
            let shown: Vec<&HalfReader> =
                if is_weight { readers.clone() } else { biases.iter().map(|r| **r).collect() };
            for reader in &shown {
                let patch = patch_of(&mut patches, reader.sg);
                match reader.lookup {
                    None => patch.erase_op(reader.op),
                    Some(lookup) => {
                        let graph = module.subgraph(reader.sg);
                        look_up_float(graph, lookup, reader.op, patch);
                        patch.set_type(reader.float, ElementType::Float32);
                        let at = widened.lookups.entry((reader.sg, reader.float)).or_default();
                        at.push((lookup, reader.op));
                    }
                }
                patch.set_buffer(reader.float, buffer);
            }
            if is_weight {
                let (readers, bytes) = (shown.len() as u64, values.len() as u64 / 2);
                widened.weights.insert(buffer, Source { stored, bytes, half: true, readers });
            }
            let of = |reader: &HalfReader| (reader.sg, reader.float);
            for reader in &biases {
                let label = module.subgraph(reader.sg).tensor(reader.float).label();
                let dequantize = PER_DEQUANTIZE + 2 * label.len() as u64;
                let (values, alone) = (values.clone(), alone.contains(&stored));
                let bias = Bias { values, stored, alone, dequantize };
                widened.biases.insert(of(reader), bias);
            }
            if !biases.is_empty() {
                widened.dequantized.insert(stored, readers.into_iter().map(of).collect());
            }
        }
        for SparseWeight { stored, bytes, values, readings } in sparse {
            let buffer = copy.add_constant(values);
            for reading in &readings {
                let patch = patch_of(&mut patches, reading.sg);
                for op in &reading.made_by {
                    // Several may read what one DENSIFY makes.
                    if !patch.erases(*op) {
                        patch.erase_op(*op);
                    }
                }
                patch.set_buffer(reading.float, buffer);
                if reading.made_by.is_empty() {
                    patch.set_sparsity(reading.float, None);
                }
            }
            let readers = readings.iter().filter(|reading| !reading.made_by.is_empty());
            let readers = readers.count() as u64;
            let source = Source { stored, bytes, half: false, readers };
            widened.weights.insert(buffer, source);
        }
        for Reshaped { buffer: stored, elements, shapes } in reshaped {
            let bytes = 4 * elements / shapes.len() as u64;
            let mut parts = vec![stored];
            for tensors in &shapes[1..] {
                let values = copy.constants().constant(stored).cloned()?;
                let buffer = copy.add_constant(values);
                for &(sg, id) in tensors {
                    let patch = patch_of(&mut patches, sg);
                    patch.set_buffer(id, buffer);
                }
                parts.push(buffer);
            }
            for part in &parts {
                let source = Source { stored, bytes, half: false, readers: 0 };
                widened.weights.insert(*part, source);
            }
            widened.parts.push(parts);
        }
        if widened.weights.is_empty() {
            return None;
        }
        for patch in patches.into_values() {
            // What cannot be seen so is left as it is.
            copy.apply(patch).ok()?;
        }
        widened.module = copy;
        Some(widened)
    }

    /// How many ops make float32 of the constant for which this buffer stands, if it stands for one.
    pub(super) fn readers(&self, buffer: BufferId) -> Option<u64> {
        self.weights.get(&buffer).map(|source| source.readers)
    }

    /// How many bytes the file has for what this buffer stands for.
    pub(super) fn bytes(&self, buffer: BufferId) -> Option<u64> {
        self.weights.get(&buffer).map(|source| source.bytes)
    }

    /// Whether the constant for which this buffer stands is float16.
    pub(super) fn is_half(&self, buffer: BufferId) -> bool {
        self.weights.get(&buffer).is_some_and(|source| source.half)
    }

    /// Buffers that stand for one in the file, which goes only if all of them become something else.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[BufferId]> {
        self.parts.iter().map(Vec::as_slice)
    }

    /// Where the bytes are in the file for which this buffer stands.
    pub(super) fn stored(&self, buffer: BufferId) -> Option<BufferId> {
        self.weights.get(&buffer).map(|source| source.stored)
    }

    /// Lets go of what computes a tensor that becomes a constant, a Dequantize or DENSIFY or both,
    /// and of its operand; or of its own sparsity.
    pub(super) fn drop_source(
        &self,
        module: &Module,
        sg: SubgraphId,
        float: TensorId,
        patch: &mut Patch,
    ) {
        let graph = module.subgraph(sg);
        for (lookup, dequantize) in self.lookups.get(&(sg, float)).into_iter().flatten() {
            look_up_float(graph, *lookup, *dequantize, patch);
        }
        if graph.tensor(float).sparsity.is_some() {
            patch.set_sparsity(float, None);
        }
        let mut float = float;
        while let Some((op, _)) = graph.producer(float) {
            patch.erase_op(op);
            let Some(stored) = graph.operand(op, 0) else { return };
            // The last of several takes the operand along.
            let dropped = |op: OpId| patch.erases(op);
            if !graph.all_uses(stored, |u| dropped(u.op)) || module.references(sg, stored).any() {
                return;
            }
            patch.erase_tensor(stored);
            float = stored;
        }
    }

    /// Biases of these ops that are float16 in the file.
    pub(super) fn biases_of(
        &self,
        module: &Module,
        target: &Target,
        ops: impl Iterator<Item = (SubgraphId, OpId)>,
    ) -> IndexSet<(SubgraphId, TensorId)> {
        let of_op = |(sg, op)| {
            let graph = module.subgraph(sg);
            let slots = target.facts_of(graph, op).map_or(&[][..], |facts| &facts.biases);
            slots.iter().filter_map(move |slot| Some((sg, graph.operand(op, *slot)?)))
        };
        ops.flat_map(of_op).filter(|bias| self.biases.contains_key(bias)).collect()
    }

    /// By how many bytes the file grows where these biases become float32, after others that have
    /// become it.
    pub(super) fn bias_growth(
        &self,
        biases: &IndexSet<(SubgraphId, TensorId)>,
        before: &IndexSet<(SubgraphId, TensorId)>,
    ) -> u64 {
        let (mut grown, mut saved) = (0, 0);
        let mut seen = IndexSet::default();
        for at in biases.iter().filter(|at| !before.contains(*at)) {
            let bias = &self.biases[at];
            saved += bias.dequantize;
            if !seen.insert(bias.stored) {
                continue;
            }
            let readers = &self.dequantized[&bias.stored];
            let is_there = |at: &(SubgraphId, TensorId)| before.contains(at);
            if !readers.iter().any(is_there) {
                grown += bias.values.len() as u64;
            }
            if bias.alone && readers.iter().all(|at| is_there(at) || biases.contains(at)) {
                saved += bias.values.len() as u64 / 2;
            }
        }
        grown.saturating_sub(saved)
    }

    /// Makes float16 biases of an op float32 ones, as kernels want them beside quantised weights.
    pub(super) fn widen_biases(
        &self,
        ops: &IndexSet<(SubgraphId, OpId)>,
        session: &mut Session<'_>,
    ) -> Result<(), PassError> {
        let biases = self.biases_of(session.model(), session.target(), ops.iter().copied());
        for (sg, bias) in biases {
            let module = session.model();
            if module.subgraph(sg).producer(bias).is_none() {
                continue;
            }
            let values = &self.biases[&(sg, bias)].values;
            let mut patch = Patch::new(sg, "widen a bias");
            let buffer = patch.add_constant(values.clone());
            patch.set_buffer(bias, buffer);
            self.drop_source(module, sg, bias, &mut patch);
            session.apply(patch)?;
            let (old, new) = (grouped(values.len() as u64 / 2), counted(values.len(), "byte"));
            let told = format!("a float32 bias for a quantised weight, {old} to {new}");
            session.applied("widened", session.model().tensor_place(sg, bias), told);
        }
        Ok(())
    }
}

fn patch_of(patches: &mut IndexMap<SubgraphId, Patch>, sg: SubgraphId) -> &mut Patch {
    patches.entry(sg).or_insert_with(|| Patch::new(sg, "see weights as float32"))
}
