use crate::numbered::tell_numbered;
use bytes::Bytes;
use std::hash::BuildHasher;
use tfq_ir::maps::{IndexMap, IndexSet, RandomState};
use tfq_ir::{BufferId, Edit, Module, Numbers, OpId, Patch, Subgraph, SubgraphId, TensorId};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Module;
    /// Stores constants of equal bytes once.
    ///
    /// ## What it does
    /// Tensors whose constants have the same bytes come to share the first of their buffers,
    /// across subgraphs, whatever their types and shapes. The other buffers are emptied;
    /// `eliminate-dead-buffers` drops them.
    ///
    /// ## When it is safe
    /// Results are bit-identical: constants are only read. What something writes to keeps a buffer
    /// of its own, with a remark: variables, what a caller may set, and what an op computes.
    /// Nothing is merged where metadata refers to buffers by number (`COMPRESSION_METADATA`).
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %a = const : f32[4] = [1.0, 2.0, 3.0, 4.0]
    ///   %b = const : f32[4] = [1.0, 2.0, 3.0, 4.0]
    ///   %y = ADD(%x, %a) : f32[4]
    ///   %z = MUL(%y, %b) : f32[4]
    ///   output %z
    /// }
    /// ```
    /// becomes with `merge-equal-buffers,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %a = const : f32[4] = [1.0, 2.0, 3.0, 4.0]
    ///   %b = const : f32[4] as %a
    ///   %y = ADD(%x, %a) : f32[4]
    ///   %z = MUL(%y, %b) : f32[4]
    ///   output %z
    /// }
    /// ```
    pub struct MergeEqualBuffers {}
}

impl Pass for MergeEqualBuffers {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let numbers = Numbers { buffers: true, ..Numbers::default() };
        if tell_numbered(session, numbers, "each keeps its bytes") {
            return Ok(());
        }
        let moves = match_equal(session);
        for sg in session.model().subgraph_ids() {
            let module = session.model();
            let graph = module.subgraph(sg);
            let moved: Vec<(TensorId, BufferId)> = graph
                .tensors()
                .filter(|id| module.constant(sg, *id).is_some())
                .filter_map(|id| Some((id, *moves.get(&graph.tensor(id).buffer)?)))
                .collect();
            for (id, first) in moved {
                let mut patch = Patch::new(sg, "share equal bytes");
                patch.set_buffer(id, first);
                session.apply(patch)?;
                let place = session.model().tensor_place(sg, id);
                let message = format_args!("it shares buffer {}", first.0);
                session.applied("equal bytes", place, message);
            }
        }
        let emptied = session.apply(Edit::Release(moves.keys().copied().collect()))?;
        for old in emptied.released() {
            let saved = session.model().constants().get(moves[old]).map_or(0, Bytes::len);
            session.count("bytes-shared", saved as u64);
        }
        Ok(())
    }
}

/// Buffers of constants, and the earlier one that has the same bytes.
fn match_equal(session: &Session<'_>) -> IndexMap<BufferId, BufferId> {
    let module = session.model();
    let constants = constants(module);
    let mut moves = IndexMap::default();
    for alike in equal_bytes(&constants) {
        let (own, shared): (Vec<BufferId>, Vec<BufferId>) =
            alike.into_iter().partition(|id| constants[id].own.is_some());
        if let [first, others @ ..] = &shared[..] {
            moves.extend(others.iter().map(|other| (*other, *first)));
        }
        for id in own {
            let ShownConstant { shown: (sg, tensor), own, .. } = &constants[&id];
            let place = module.tensor_place(*sg, *tensor);
            let why = own.unwrap_or_default();
            session.missed(
                "own bytes",
                place,
                format!("its bytes are those of another, but {why}"),
            );
        }
    }
    moves
}

/// A buffer that tensors show as a constant.
struct ShownConstant<'a> {
    bytes: &'a Bytes,
    /// The first of those tensors.
    shown: (SubgraphId, TensorId),
    /// Why it must stay alone, if it must: something writes to it.
    own: Option<&'static str>,
}

fn constants(module: &Module) -> IndexMap<BufferId, ShownConstant<'_>> {
    let mut found: IndexMap<BufferId, ShownConstant<'_>> = IndexMap::default();
    for (sg, graph) in module.subgraphs() {
        let referred = module.all_references(sg);
        let changed: IndexSet<TensorId> = graph.ops().flat_map(|op| changed(graph, op)).collect();
        for id in graph.tensors() {
            let tensor = graph.tensor(id);
            let bytes = module.constants().constant(tensor.buffer).filter(|b| !b.is_empty());
            let Some(bytes) = bytes else { continue };
            let references = referred.get(&id).copied().unwrap_or_default();
            let own = if references.input {
                Some("a caller may set it")
            } else if tensor.is_variable || changed.contains(&id) {
                Some("it is a variable")
            } else if references.scratch || references.odd || graph.producer(id).is_some() {
                Some("an op writes to it")
            } else {
                None
            };
            let constant =
                found.entry(tensor.buffer).or_insert(ShownConstant { bytes, shown: (sg, id), own });
            constant.own = constant.own.or(own);
        }
    }
    found
}

/// Operands that the op says it changes.
fn changed(graph: &Subgraph, op: OpId) -> Vec<TensorId> {
    let flags = graph.op(op).mutating_variable_inputs.iter();
    if flags.len() == 0 {
        return Vec::new();
    }
    let operands = graph.operands(op);
    flags.zip(&operands).filter(|(changes, _)| **changes).filter_map(|(_, id)| *id).collect()
}

/// Sets of two and more buffers of equal bytes, in order of their first.
fn equal_bytes(constants: &IndexMap<BufferId, ShownConstant<'_>>) -> Vec<Vec<BufferId>> {
    // Length and ends tell nearly all apart, so that few need to be hashed whole.
    let seed = RandomState::default();
    let ends = |bytes: &[u8]| {
        let some = bytes.len().min(64);
        seed.hash_one((bytes.len(), &bytes[..some], &bytes[bytes.len() - some..]))
    };
    let ids = constants.iter().map(|(id, constant)| (ends(constant.bytes), *id));
    let mut candidates: Vec<(u64, BufferId)> = ids.collect();
    candidates.sort_unstable();
    let mut found: Vec<Vec<BufferId>> = Vec::new();
    for candidates in candidates.chunk_by(|a, b| a.0 == b.0).filter(|ids| ids.len() > 1) {
        let mut alike: IndexMap<&Bytes, Vec<BufferId>> = IndexMap::default();
        for (_, id) in candidates {
            alike.entry(constants[id].bytes).or_default().push(*id);
        }
        found.extend(alike.into_values().filter(|ids| ids.len() > 1));
    }
    found.sort_by_key(|ids| ids[0]);
    found
}
