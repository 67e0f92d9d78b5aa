use crate::numbered::tell_numbered;
use tfq_ir::{CallEffects, Edit, Module, Numbers, Patch, SubgraphId, TensorId};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Module, ensures: [COMPACT];
    /// Drops constants, tensors, operator codes and subgraphs that nothing reaches.
    ///
    /// ## What it does
    /// Removes tensors that no op, input, output, signature or quantisation refers to; then
    /// buffers that no tensor and no metadata refers to, operator codes without ops, and
    /// subgraphs that neither the main one, a signature nor control flow calls.
    ///
    /// ## When it is safe
    /// Results are bit-identical. Ops are never removed, even where nobody reads their results.
    /// Subgraphs stay where the model has ops of which nobody knows what they do, such as custom
    /// ops, which may call them by number. Subgraphs, tensors and buffers stay where metadata
    /// refers to them by number (`model_control_dependencies`, `OfflineMemoryAllocation`,
    /// `COMPRESSION_METADATA`).
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %left_over = const : f32[2] = [1.0, 2.0]
    ///   %y = NEG(%x) : f32[2]
    ///   output %y
    /// }
    /// subgraph @never_called {
    ///   %x = input : f32[2]
    ///   output %x
    /// }
    /// ```
    /// becomes with `eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %y = NEG(%x) : f32[2]
    ///   output %y
    /// }
    /// ```
    pub struct EliminateDeadBuffers {}
}

/// What follows where metadata numbers what is unused.
const STAY: &str = "unused ones stay";

impl Pass for EliminateDeadBuffers {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        // Subgraphs first: what only they use is dead with them.
        let subgraphs = Numbers { subgraphs: true, ..Numbers::default() };
        let module = session.model();
        let drop = module.unused_subgraphs() > 0
            && !has_unknown_ops(module)
            && !tell_numbered(session, subgraphs, STAY);
        let dropped =
            if drop { session.apply(Edit::PruneSubgraphs)?.subgraphs_erased() } else { 0 };
        session.count("subgraphs-dropped", dropped as u64);
        let tensors = Numbers { tensors: true, ..Numbers::default() };
        for sg in session.model().subgraph_ids() {
            let dead = match_dead_tensors(session.model(), sg);
            if !dead.is_empty() && tell_numbered(session, tensors, STAY) {
                break;
            }
            let mut patch = Patch::new(sg, "drop unused tensors");
            for &tensor in &dead {
                let place = session.model().tensor_place(sg, tensor);
                session.applied("unused tensor", place, "nothing refers to it");
                patch.erase_tensor(tensor);
            }
            session.apply(patch)?;
            session.count("tensors-dropped", dead.len() as u64);
        }
        if session.model().unused_buffers() > 0 {
            // The edit leaves them where metadata does.
            tell_numbered(session, Numbers { buffers: true, ..Numbers::default() }, STAY);
        }
        let dropped = session.apply(Edit::PruneBuffers)?;
        session.count("buffers-dropped", dropped.buffers_erased() as u64);
        session.count("buffer-bytes-dropped", dropped.bytes_dropped());
        let dropped = session.apply(Edit::PruneOpCodes)?;
        session.count("operator-codes-dropped", dropped.op_codes_erased() as u64);
        Ok(())
    }
}

/// Whether an op may call any subgraph.
fn has_unknown_ops(module: &Module) -> bool {
    let calls = CallEffects::new(module);
    module.subgraphs().any(|(sg, graph)| graph.ops().any(|op| calls.of(module, sg, op).unknown))
}

/// Tensors that nothing refers to.
fn match_dead_tensors(module: &Module, sg: SubgraphId) -> Vec<TensorId> {
    let graph = module.subgraph(sg);
    let referred = module.all_references(sg);
    graph.tensors().filter(|id| !referred.contains_key(id) && !graph.is_connected(*id)).collect()
}
