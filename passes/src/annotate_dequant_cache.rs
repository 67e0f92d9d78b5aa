use crate::quantize_weights::complete_plan;
use tfq_ir::catalog::ops;
use tfq_ir::maps::{HashSet, IndexSet};
use tfq_ir::{
    CacheReason, DequantCache, DequantCacheEntry, Edit, Module, OpId, SubgraphId, counted,
};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Annotation, scope: Module, requires: [SETTLED];
    /// Records which Dequantize results the runtime computes once and keeps, and their RAM.
    ///
    /// ## What it does
    /// The runtime keeps the result of a Dequantize whose operand is a constant of the file in
    /// its persistent arena: 4 bytes an element for as long as the model is loaded, one copy for
    /// each op. Any other operand is converted anew at every run. The pass works out which is
    /// which and writes it to the model's metadata as `tfq.dequant_cache`, in the format of
    /// `schema/tfq_annotations.fbs`. The runtime ignores the entry. A model without Dequantize
    /// gets none, nor does one for a target whose runtime keeps nothing (`tflm`); an entry that
    /// it has is removed. Dequantize ops that came with the model and without a record are left out,
    /// unless `always` is on: the entry takes some 100 bytes for each, and tells of what passes made.
    /// Where the runtime keeps none of the results, as behind lookups, there is no entry either
    /// unless `always` is on.
    ///
    /// The entry names ops and tensors by number, and is written anew where these move. A later
    /// pass that adds a Dequantize or changes what one reads drops it, so this pass comes last.
    ///
    /// ## When it is safe
    /// Always; it changes metadata only.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %w = const : i8[2] q(0.5) = [2, 4]
    ///   %real = DEQUANTIZE.v2(%w) : f32[2]
    ///   %y = ADD(%x, %real) : f32[2]
    ///   output %y
    /// }
    /// ```
    /// becomes with `annotate-dequant-cache{always=on}`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %w = const : i8[2] q(0.5) = [2, 4]
    ///   %real = DEQUANTIZE.v2(%w) : f32[2]
    ///   %y = ADD(%x, %real) : f32[2]
    ///   output %y
    /// }
    /// dequant_cache {
    ///   @main %real cached_constant bytes 8 per_invoke 0
    /// }
    /// ```
    pub struct AnnotateDequantCache {
        /// Whether Dequantize ops are recorded that came with the model, and where nothing is
        /// kept.
        pub always: bool = false,
    }
}

impl Pass for AnnotateDequantCache {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        // What others dropped by now is not held either.
        complete_plan(session);
        if !session.target().keeps_dequantized() {
            session.apply(Edit::dequant_cache(None))?;
            return Ok(());
        }
        let module = session.model();
        let found: Vec<(SubgraphId, OpId)> =
            module.ops_of_kind(ops::DEQUANTIZE).map(|(sg, op, _)| (sg, op)).collect();
        let (found, came): (Vec<_>, Vec<_>) = match self.always {
            true => (found, Vec::new()),
            false => {
                let mut ours = made(module);
                let recorded = module.dequant_cache().map(|cache| cache.entries);
                ours.extend(recorded.into_iter().flatten().map(|entry| (entry.subgraph, entry.op)));
                found.into_iter().partition(|at| ours.contains(at))
            }
        };
        if !came.is_empty() {
            let message = format!("{} came with the model", counted(came.len(), "Dequantize op"));
            session.note("not recorded", "DEQUANTIZE".to_owned(), message);
        }
        let called = called_subgraphs(module);
        let entries: Vec<DequantCacheEntry> =
            found.into_iter().filter_map(|(sg, op)| entry(module, &called, sg, op)).collect();
        let kept = entries.iter().any(|entry| entry.bytes > 0);
        if !entries.is_empty() && !kept && !self.always {
            let message = "the runtime keeps none of their results";
            session.note("not recorded", "DEQUANTIZE".to_owned(), message);
        }
        if !kept && (!self.always || entries.is_empty()) {
            session.apply(Edit::dequant_cache(None))?;
            return Ok(());
        }
        let cache = DequantCache { entries };
        for entry in &cache.entries {
            let place = module.op_place(entry.subgraph, entry.op);
            let (rule, why) = match entry.reason {
                CacheReason::CachedConstant => ("cached", "its operand is a constant of the file"),
                CacheReason::NotAConstant => ("not cached", "its operand is computed at run time"),
                CacheReason::Variable => ("not cached", "its operand is an input or a variable"),
                CacheReason::SubgraphArgument => {
                    ("not cached", "its operand is an argument of the subgraph, set at each call")
                }
            };
            let bytes = match entry.reason {
                CacheReason::CachedConstant => format!("{} of RAM", counted(entry.bytes, "byte")),
                _ => format!("{} converted at each run", counted(entry.bytes_per_invoke, "byte")),
            };
            session.note(rule, place, format!("{why}: {bytes}"));
        }
        session.count(
            "dequantize-cached",
            cache.entries.iter().filter(|e| e.bytes > 0).count() as u64,
        );
        session.count("dequantize-cache-bytes", cache.total_bytes());
        session.apply(Edit::dequant_cache(Some(cache)))?;
        Ok(())
    }
}

/// Ops that passes added.
fn made(module: &Module) -> HashSet<(SubgraphId, OpId)> {
    let patches = module.journal().iter().filter_map(|patch| Some((patch.subgraph?, patch)));
    patches.flat_map(|(sg, patch)| patch.added_ops().iter().map(move |op| (sg, *op))).collect()
}

/// Subgraphs that an op calls, so that their inputs are arguments.
fn called_subgraphs(module: &Module) -> IndexSet<SubgraphId> {
    let mut called = IndexSet::default();
    for (_, graph) in module.subgraphs() {
        for op in graph.ops() {
            let refs = graph.op(op).subgraph_refs();
            let numbers = refs.into_iter().filter_map(|(_, value)| u32::try_from(value).ok());
            called.extend(numbers.map(SubgraphId));
        }
    }
    called
}

/// The rules are those of the runtime's `dequantize.cc`: a result is kept if its operand is
/// mapped from the file and read-only, which results of other ops never are, even where all of
/// those ops' operands are constants.
fn entry(
    module: &Module,
    called: &IndexSet<SubgraphId>,
    sg: SubgraphId,
    op: OpId,
) -> Option<DequantCacheEntry> {
    let graph = module.subgraph(sg);
    let operand = graph.operand(op, 0)?;
    let tensor = graph.tensor(operand);
    let reason = if module.fixed_constant(sg, operand).is_some() {
        CacheReason::CachedConstant
    } else if graph.is_input(operand) && called.contains(&sg) {
        CacheReason::SubgraphArgument
    } else if graph.is_input(operand) || tensor.is_variable {
        CacheReason::Variable
    } else {
        CacheReason::NotAConstant
    };
    let result = tensor.elements().unwrap_or(0).saturating_mul(4);
    let cached = reason == CacheReason::CachedConstant;
    Some(DequantCacheEntry {
        subgraph: sg,
        op,
        reason,
        bytes: if cached { result } else { 0 },
        bytes_per_invoke: if cached { 0 } else { result },
    })
}
