//! Weights that came as float16, each behind a Dequantize, as the converters write them: seen as
//! the float32 constants that they stand for.
//!
//! What is seen so is a copy of the model. The model itself changes only with each weight that is
//! quantised: the Dequantize goes, and its result becomes the constant.

use crate::costs::PER_DEQUANTIZE;
use bytes::Bytes;
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, Module, Numbers, OpId, Patch, Subgraph, SubgraphId, TensorId};
use tfq_numeric::from_f16;
use tfq_pass::{PassError, Session};
use tfq_target::Target;

/// A model whose float16 weights are seen as float32.
pub(super) struct Widened {
    /// The copy.
    pub(super) module: Module,
    /// Buffers of the copy that hold float32 for float16 in the file.
    weights: IndexMap<BufferId, HalfWeight>,
    /// Results of a Dequantize that are biases: they become float32 constants beside a weight.
    biases: IndexMap<(SubgraphId, TensorId), Bias>,
    /// Results of every Dequantize that reads the float16 bytes of a bias.
    dequantized: IndexMap<BufferId, Vec<(SubgraphId, TensorId)>>,
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
struct HalfWeight {
    /// Its buffer in the file.
    stored: BufferId,
    /// How many Dequantize ops read it.
    readers: u64,
}

/// A Dequantize of a float16 constant, or of what an op looks up in one.
struct HalfReader {
    sg: SubgraphId,
    op: OpId,
    stored: TensorId,
    /// What is seen as a float32 constant: the result of the Dequantize, or the table itself.
    float: TensorId,
    /// The op that copies halves of the table.
    lookup: Option<OpId>,
}

impl Widened {
    /// The copy; `None` where no weight is float16.
    ///
    /// `weights` are the operands of an op that are weights. A constant that something else shows
    /// or reads stays as it is, since its float16 bytes would stay in the file too.
    pub(super) fn new(
        module: &Module,
        target: &Target,
        weights: impl Fn(SubgraphId, OpId) -> Vec<u32>,
    ) -> Option<Self> {
        let readers = readers(module, target);
        let moved = Numbers { ops: true, tensors: true, ..Numbers::default() };
        if readers.is_empty() || module.numbered_by_metadata(moved).is_some() {
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
                let patch = patches
                    .entry(reader.sg)
                    .or_insert_with(|| Patch::new(reader.sg, "see float16 as float32"));
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
                let readers = shown.len() as u64;
                widened.weights.insert(buffer, HalfWeight { stored, readers });
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

    /// How many Dequantize ops read the float16 constant for which this buffer stands, if it stands
    /// for one.
    pub(super) fn readers(&self, buffer: BufferId) -> Option<u64> {
        self.weights.get(&buffer).map(|source| source.readers)
    }

    /// Where the bytes are in the file for which this buffer stands.
    pub(super) fn stored(&self, buffer: BufferId) -> Option<BufferId> {
        self.weights.get(&buffer).map(|source| source.stored)
    }

    /// Lets go of the Dequantize of a tensor that becomes a constant, and of its operand.
    pub(super) fn drop_dequantize(
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
        let Some((op, _)) = graph.producer(float) else { return };
        patch.erase_op(op);
        let Some(stored) = graph.operand(op, 0) else { return };
        // The last of several takes the operand along.
        let dropped = |op: OpId| patch.erases(op);
        if graph.all_uses(stored, |u| dropped(u.op)) && !module.references(sg, stored).any() {
            patch.erase_tensor(stored);
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
            self.drop_dequantize(module, sg, bias, &mut patch);
            session.apply(patch)?;
            let (old, new) = (values.len() / 2, values.len());
            let told = format!("a float32 bias for a quantised weight, {old} to {new} bytes");
            session.applied("widened", session.model().tensor_place(sg, bias), told);
        }
        Ok(())
    }
}

/// The op copies float32 numbers, and what a Dequantize made of its halves is its result.
fn look_up_float(graph: &Subgraph, lookup: OpId, dequantize: OpId, patch: &mut Patch) {
    patch.erase_op(dequantize);
    patch.set_result(lookup, 0, graph.results(dequantize)[0]);
    patch.erase_tensor(graph.results(lookup)[0]);
}

/// Every Dequantize of a plain float16 constant that nobody can change, or of what an op looks up in
/// one.
fn readers(module: &Module, target: &Target) -> Vec<HalfReader> {
    let found = module.ops_of_kind(DEQUANTIZE).filter_map(|(sg, op, _)| {
        let graph = module.subgraph(sg);
        let (halves, float) = (graph.operand(op, 0)?, *graph.results(op).first()?);
        let (from, to) = (graph.tensor(halves), graph.tensor(float));
        let plain = from.ty == ElementType::Float16
            && to.ty == ElementType::Float32
            && from.sparsity.is_none()
            && from.shape == to.shape
            && !to.is_variable;
        if !plain {
            return None;
        }
        let reader = match graph.producer(halves) {
            None if to.is_static() => HalfReader { sg, op, stored: halves, float, lookup: None },
            None => return None,
            Some((lookup, _)) => {
                let facts = target.facts_of(graph, lookup).filter(|facts| facts.pass_through)?;
                let table = graph.operand(lookup, *facts.weights.first()?)?;
                let is_half = graph.tensor(table).ty == ElementType::Float16;
                let alone = graph.is_read_once(halves) && !module.references(sg, halves).any();
                let fits = is_half && alone && graph.results(lookup).len() == 1;
                fits.then_some(HalfReader {
                    sg,
                    op,
                    stored: table,
                    float: table,
                    lookup: Some(lookup),
                })?
            }
        };
        values(module, &reader).is_some().then_some(reader)
    });
    found.collect()
}

/// The float16 values, as many as the shape asks for.
fn values<'a>(module: &'a Module, reader: &HalfReader) -> Option<&'a [u8]> {
    let elements = module.subgraph(reader.sg).tensor(reader.stored).elements()?;
    let needed = ElementType::Float16.bytes_for(elements)?;
    let bytes = module.fixed_constant(reader.sg, reader.stored)?;
    bytes.get(..usize::try_from(needed).ok()?)
}

/// Buffers that nothing but these shows or reads, in one shape.
fn only_dequantized(module: &Module, readers: &[HalfReader]) -> IndexSet<BufferId> {
    let known: IndexSet<(SubgraphId, OpId)> =
        readers.iter().map(|r| (r.sg, r.lookup.unwrap_or(r.op))).collect();
    let mut shapes = IndexMap::default();
    let mut alone: IndexMap<BufferId, bool> = IndexMap::default();
    for (sg, graph) in module.subgraphs() {
        let referred = module.all_references(sg);
        for id in graph.tensors() {
            let tensor = graph.tensor(id);
            let same = shapes.entry(tensor.buffer).or_insert(&tensor.shape) == &&tensor.shape;
            let read = graph.all_uses(id, |u| known.contains(&(sg, u.op)));
            let fits = same && read && !referred.contains_key(&id);
            let all = alone.entry(tensor.buffer).or_insert(true);
            *all &= fits;
        }
    }
    let named = |buffer: &BufferId| module.metadata_uses(*buffer) > 0;
    alone.into_iter().filter(|(id, alone)| *alone && !named(id)).map(|(id, _)| id).collect()
}
