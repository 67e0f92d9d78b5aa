use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use tfq_ir::{BufferId, Module, Patch, SubgraphId, TensorId};
use tfq_pass::{Context, Pass, PassError, declare_pass};

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
    /// Results are bit-identical: constants are only read. Variables, and constants that a caller
    /// may set, keep buffers of their own.
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
    fn run(&self, module: &mut Module, cx: &mut Context<'_>) -> Result<(), PassError> {
        let moves = match_equal(module);
        for sg in module.subgraph_ids() {
            let graph = module.subgraph(sg);
            let moved: Vec<(TensorId, BufferId)> = graph
                .tensors()
                .filter(|id| module.constant(sg, *id).is_some())
                .filter_map(|id| Some((id, *moves.get(&graph.tensor(id).buffer)?)))
                .collect();
            for (id, first) in moved {
                let place = Context::tensor_place(module, sg, id);
                let mut patch = Patch::new(sg, "share equal bytes");
                patch.set_buffer(id, first);
                cx.apply(module, patch)?;
                cx.applied("equal bytes", place, format!("it shares buffer {}", first.0));
            }
        }
        for old in module.release_constants(moves.keys().copied().collect()) {
            let saved = module.constants().get(moves[&old]).map_or(0, Bytes::len);
            cx.count("bytes-shared", saved as u64);
        }
        Ok(())
    }
}

/// Buffers of constants, and the earlier one that has the same bytes. One that a caller may
/// write to, through an input that shows it, stays alone.
fn match_equal(module: &Module) -> IndexMap<BufferId, BufferId> {
    let mut written: IndexSet<BufferId> = IndexSet::new();
    for sg in module.subgraph_ids() {
        let referred = module.all_references(sg);
        let inputs = referred.iter().filter(|(_, references)| references.input);
        written.extend(inputs.map(|(id, _)| module.subgraph(sg).tensor(*id).buffer));
    }
    let of_subgraph = |sg: SubgraphId| {
        let graph = module.subgraph(sg);
        graph.tensors().filter_map(move |id| {
            let bytes = module.constant(sg, id).filter(|bytes| !bytes.is_empty())?;
            Some((graph.tensor(id).buffer, bytes))
        })
    };
    let mut constants: IndexMap<BufferId, &Bytes> =
        module.subgraph_ids().flat_map(of_subgraph).collect();
    constants.retain(|buffer, _| !written.contains(buffer));
    constants.sort_unstable_keys();
    let mut lengths: IndexMap<usize, usize> = IndexMap::new();
    for bytes in constants.values() {
        *lengths.entry(bytes.len()).or_default() += 1;
    }
    let mut first: IndexMap<&Bytes, BufferId> = IndexMap::new();
    let mut moves = IndexMap::new();
    // Bytes of a length of their own need not be looked at.
    for (id, bytes) in constants.into_iter().filter(|(_, bytes)| lengths[&bytes.len()] > 1) {
        match first.entry(bytes) {
            indexmap::map::Entry::Occupied(known) => _ = moves.insert(id, *known.get()),
            indexmap::map::Entry::Vacant(free) => _ = free.insert(id),
        }
    }
    moves
}
