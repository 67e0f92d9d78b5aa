use tfq_ir::{Module, OpKind, Patch, SubgraphId, TensorId};
use tfq_pass::{Context, Pass, PassError, declare_pass};

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
    /// Subgraphs stay where the model has custom ops, which may call them by number.
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

impl Pass for EliminateDeadBuffers {
    fn run(&self, module: &mut Module, cx: &mut Context<'_>) -> Result<(), PassError> {
        let has_custom = module
            .subgraphs()
            .any(|(_, graph)| graph.ops().any(|op| matches!(graph.op(op).kind, OpKind::Custom(_))));
        // Subgraphs first: what only they use is dead with them.
        if !has_custom {
            cx.count("subgraphs-dropped", module.prune_subgraphs() as u64);
        }
        for sg in module.subgraph_ids() {
            let dead = match_dead_tensors(module, sg);
            let mut patch = Patch::new(sg, "drop unused tensors");
            for &tensor in &dead {
                let place = Context::tensor_place(module, sg, tensor);
                cx.applied("unused tensor", place, "nothing refers to it");
                patch.erase_tensor(tensor);
            }
            cx.apply(module, patch)?;
            cx.count("tensors-dropped", dead.len() as u64);
        }
        let (buffers, bytes) = module.prune_buffers();
        cx.count("buffers-dropped", buffers as u64);
        cx.count("buffer-bytes-dropped", bytes);
        cx.count("operator-codes-dropped", module.prune_op_codes() as u64);
        Ok(())
    }
}

/// Tensors that nothing refers to.
fn match_dead_tensors(module: &Module, sg: SubgraphId) -> Vec<TensorId> {
    let graph = module.subgraph(sg);
    let referred = module.all_references(sg);
    graph.tensors().filter(|id| !referred.contains_key(id) && !graph.is_connected(*id)).collect()
}
