use indexmap::IndexSet;
use tfq_ir::{Module, OpId, Patch, SubgraphId, TensorId, TensorLink, effects};
use tfq_pass::{Context, Pass, PassError, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph;
    /// Drops ops whose results nobody reads.
    ///
    /// ## What it does
    /// An op goes, with its results, where no op reads one of them, the subgraph returns none, and
    /// no signature or quantisation names one. What only it read may go with it. Constants that
    /// become unused are left to `eliminate-dead-buffers`.
    ///
    /// ## When it is safe
    /// Results are bit-identical. Ops stay that do something else than compute: those that change
    /// variables or hash tables, those that call a subgraph which does, and custom ops, of which
    /// nobody knows. A remark names them.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %y = RELU(%x) : f32[4]
    ///   %a = EXP(%x) : f32[4]
    ///   %b = NEG(%a) : f32[4]
    ///   output %y
    /// }
    /// ```
    /// becomes with `eliminate-dead-ops`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %y = RELU(%x) : f32[4]
    ///   output %y
    /// }
    /// ```
    pub struct EliminateDeadOps {}
}

impl Pass for EliminateDeadOps {
    fn run(&self, module: &mut Module, cx: &mut Context<'_>) -> Result<(), PassError> {
        for sg in cx.subgraphs(module) {
            let named = match_named_tensors(module, sg);
            // From the end, so that an op is looked at when its readers are gone.
            let mut ops: Vec<OpId> = module.subgraph(sg).ops().collect();
            ops.reverse();
            for op in ops {
                if !match_unread(module, sg, op, &named) {
                    continue;
                }
                let place = Context::op_place(module, sg, op);
                if let Some(reason) = match_effect(module, sg, op) {
                    cx.missed("dead op with effects", place, reason);
                    continue;
                }
                let mut patch = Patch::new(sg, "erase a dead op");
                patch.erase_op(op);
                for result in module.subgraph(sg).results(op) {
                    patch.erase_tensor(result);
                }
                cx.applied("dead op", place, "nobody reads what it computes");
                cx.count("ops-dropped", 1);
                cx.apply(module, patch)?;
            }
        }
        Ok(())
    }
}

/// Tensors that something else than an op refers to.
fn match_named_tensors(module: &Module, sg: SubgraphId) -> IndexSet<TensorId> {
    let graph = module.subgraph(sg);
    let mut named = IndexSet::new();
    for signature in module.signatures.iter().filter(|s| s.subgraph == sg.0) {
        for (_, link) in signature.inputs.iter().chain(&signature.outputs) {
            if let TensorLink::Tensor(id) = link {
                named.insert(*id);
            }
        }
    }
    for id in graph.tensors() {
        if let Some(quantization) = &graph.tensor(id).quantization {
            named.extend(quantization.details.links());
        }
    }
    for op in graph.ops() {
        named.extend(graph.intermediates(op).into_iter().flatten());
    }
    named.extend(graph.inputs());
    named.extend(graph.outputs());
    named
}

/// Whether the op computes something, and nobody reads it.
fn match_unread(module: &Module, sg: SubgraphId, op: OpId, named: &IndexSet<TensorId>) -> bool {
    let graph = module.subgraph(sg);
    let results = graph.results(op);
    let unread = |id: &TensorId| graph.uses(*id).is_empty() && !named.contains(id);
    !results.is_empty() && results.iter().all(unread)
}

/// What the op does besides, if that keeps it.
fn match_effect(module: &Module, sg: SubgraphId, op: OpId) -> Option<&'static str> {
    let effects = effects(module, sg, op);
    match effects.is_droppable() {
        true => None,
        false if effects.unknown => Some("nobody reads what it computes, but it may do more"),
        false => Some("nobody reads what it computes, but it changes state"),
    }
}
