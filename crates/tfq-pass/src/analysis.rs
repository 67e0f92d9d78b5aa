//! Analyses: what passes want to know about a subgraph, found out once for each of its states.

use crate::eligibility::Verdicts;
use bytes::Bytes;
use indexmap::IndexMap;
use rayon::prelude::*;
use std::any::{Any, TypeId};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tfq_ir::{
    Applied, BufferId, Effects, ElementType, Module, OpId, SubgraphId, TensorId, Use,
    aliased_operand, effects,
};
use tfq_target::Target;
use tfq_text::{Stats, stats};

/// Something that can be found out about a subgraph. [`crate::Session::analysis`] keeps the
/// result until a patch changes the subgraph, or longer where the pass says that its patches
/// preserve it.
pub trait Analysis: Any {
    /// What is found out.
    type Result: Any + Send + Sync;

    /// The name in timings.
    const NAME: &'static str;

    /// Whether the result depends on other subgraphs too: those that ops call.
    const LOOKS_AT_CALLEES: bool = false;

    /// Whether the result is only begun and found out when it is asked, so that the time of
    /// [`Self::compute`] says nothing.
    const LAZY: bool = false;

    /// Finds it out. `last` is the result for an earlier state, where there is one.
    fn compute(input: AnalysisInput<'_>, last: Option<&Self::Result>) -> Self::Result;

    /// Brings the result up to date after a change, if it can, and tells whether it did. Where it
    /// cannot, the result is computed when it is asked for again.
    fn follow(result: &Self::Result, input: AnalysisInput<'_>, change: Change<'_>) -> bool {
        _ = (result, input, change);
        false
    }
}

/// A patch that was applied, for [`Analysis::follow`].
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What it did.
    pub applied: &'a Applied,
    /// Ops that it left notes on, which counts as no change of them.
    pub noted: &'a [OpId],
}

/// What an analysis looks at.
#[derive(Clone, Copy, Debug)]
pub struct AnalysisInput<'a> {
    /// The model.
    pub module: &'a Module,
    /// The subgraph.
    pub subgraph: SubgraphId,
    /// The runtime that the model is for.
    pub target: &'a Target,
}

/// Results of analyses, each with the state that it holds for.
#[derive(Debug, Default)]
pub(crate) struct Analyses {
    results: IndexMap<SubgraphId, IndexMap<TypeId, Entry>>,
    /// What was computed, for timings: taken by the manager after each pass.
    pub(crate) computed: Vec<Computed>,
}

#[derive(Debug)]
struct Entry {
    state: u64,
    result: Arc<dyn Any + Send + Sync>,
    follow: fn(&(dyn Any + Send + Sync), AnalysisInput<'_>, Change<'_>) -> bool,
}

/// One computation of an analysis.
#[derive(Debug)]
pub(crate) struct Computed {
    pub(crate) name: &'static str,
    pub(crate) start: Instant,
    pub(crate) time: Duration,
}

impl Analyses {
    pub(crate) fn get<A: Analysis>(&mut self, input: AnalysisInput<'_>) -> Arc<A::Result> {
        let of_subgraph = self.results.entry(input.subgraph).or_default();
        let state = state::<A>(input.module, input.subgraph);
        let last = of_subgraph.get(&TypeId::of::<A>());
        if let Some(entry) = last.filter(|entry| entry.state == state) {
            return cast::<A>(&entry.result);
        }
        let last = last.map(|entry| cast::<A>(&entry.result));
        let start = Instant::now();
        let result = Arc::new(A::compute(input, last.as_deref()));
        if !A::LAZY {
            self.computed.push(Computed { name: A::NAME, start, time: start.elapsed() });
        }
        let entry = Entry { state, result: result.clone(), follow: follow::<A> };
        of_subgraph.insert(TypeId::of::<A>(), entry);
        result
    }

    /// After a patch, lets those results that held before it hold on that the pass preserves, or
    /// that can follow.
    pub(crate) fn after_patch(
        &mut self,
        preserved: &[TypeId],
        before: u64,
        input: AnalysisInput<'_>,
        change: Change<'_>,
    ) {
        let after = input.module.subgraph(input.subgraph).epoch();
        let of_subgraph = self.results.get_mut(&input.subgraph).into_iter().flatten();
        for (id, entry) in of_subgraph.filter(|(_, entry)| entry.state == before) {
            if preserved.contains(id) || (entry.follow)(&*entry.result, input, change) {
                entry.state = after;
            }
        }
    }
}

fn follow<A: Analysis>(
    result: &(dyn Any + Send + Sync),
    input: AnalysisInput<'_>,
    change: Change<'_>,
) -> bool {
    result.downcast_ref().is_some_and(|result| A::follow(result, input, change))
}

fn cast<A: Analysis>(result: &Arc<dyn Any + Send + Sync>) -> Arc<A::Result> {
    result.clone().downcast().expect("results are kept by the type of their analysis")
}

/// A number that is another where the result may be.
fn state<A: Analysis>(module: &Module, subgraph: SubgraphId) -> u64 {
    if !A::LOOKS_AT_CALLEES {
        return module.subgraph(subgraph).epoch();
    }
    // Epochs only grow and never come back, so that the latest change tells all states apart.
    module.subgraphs().map(|(_, graph)| graph.epoch()).max().unwrap_or(0)
}

/// Who computes and who reads each tensor, in lists that need no walk over the graph.
#[derive(Debug)]
pub struct UseLists;

/// The result of [`UseLists`].
#[derive(Debug, Default)]
pub struct UseTable {
    tensors: IndexMap<TensorId, Entries>,
    uses: Vec<Use>,
}

#[derive(Debug)]
struct Entries {
    producer: Option<(OpId, u32)>,
    uses: Range<usize>,
}

impl UseTable {
    /// Where the tensor is read, in execution order, then by slot.
    pub fn uses(&self, tensor: TensorId) -> &[Use] {
        self.tensors.get(&tensor).map_or(&[], |entries| &self.uses[entries.uses.clone()])
    }

    /// The op that computes the tensor, and as which result.
    pub fn producer(&self, tensor: TensorId) -> Option<(OpId, u32)> {
        self.tensors.get(&tensor)?.producer
    }
}

impl Analysis for UseLists {
    type Result = UseTable;
    const NAME: &'static str = "use-lists";

    fn compute(input: AnalysisInput<'_>, _: Option<&UseTable>) -> UseTable {
        let graph = input.module.subgraph(input.subgraph);
        let mut table = UseTable::default();
        for id in graph.tensors() {
            let start = table.uses.len();
            table.uses.extend(graph.uses(id));
            let uses = start..table.uses.len();
            table.tensors.insert(id, Entries { producer: graph.producer(id), uses });
        }
        table
    }
}

/// What each op does besides computing its results, and which tensors may share memory.
#[derive(Debug)]
pub struct OpEffects;

/// The result of [`OpEffects`].
#[derive(Debug, Default)]
pub struct EffectTable {
    effects: IndexMap<OpId, Effects>,
    aliases: IndexMap<TensorId, TensorId>,
}

impl EffectTable {
    /// The effects of an op, those of subgraphs that it calls included.
    pub fn of(&self, op: OpId) -> Effects {
        self.effects.get(&op).copied().unwrap_or(Effects { unknown: true, ..Effects::default() })
    }

    /// The tensor at whose bytes this one looks in another way: the operand of a RESHAPE and
    /// so on, as far up as that goes; itself where there is none.
    pub fn storage(&self, tensor: TensorId) -> TensorId {
        self.aliases.get(&tensor).copied().unwrap_or(tensor)
    }
}

impl Analysis for OpEffects {
    type Result = EffectTable;
    const NAME: &'static str = "effects";
    const LOOKS_AT_CALLEES: bool = true;

    fn compute(input: AnalysisInput<'_>, _: Option<&EffectTable>) -> EffectTable {
        let graph = input.module.subgraph(input.subgraph);
        let mut table = EffectTable::default();
        for op in graph.ops() {
            table.effects.insert(op, effects(input.module, input.subgraph, op));
            let aliased = aliased_operand(graph.op(op)).and_then(|slot| graph.operand(op, slot));
            // In execution order, so that the operand's own storage is known.
            if let (Some(operand), [result]) = (aliased, &graph.results(op)[..]) {
                table.aliases.insert(*result, table.storage(operand));
            }
        }
        table
    }
}

/// For each operand that is a quantised constant next to float, what has to be done about it on
/// the target.
#[derive(Debug)]
pub struct HybridVerdicts;

impl Analysis for HybridVerdicts {
    type Result = Verdicts;
    const NAME: &'static str = "hybrid-eligibility";
    const LAZY: bool = true;

    fn compute(_: AnalysisInput<'_>, _: Option<&Self::Result>) -> Self::Result {
        Verdicts::default()
    }

    fn follow(verdicts: &Self::Result, input: AnalysisInput<'_>, change: Change<'_>) -> bool {
        let ops = change.applied.ops.iter().chain(&change.applied.erased).chain(change.noted);
        verdicts.forget(input, ops.copied());
        true
    }
}

/// Minimum, maximum, mean, standard deviation, zeros and non-finite elements of each constant.
#[derive(Debug)]
pub struct ConstantStatistics;

/// The result of [`ConstantStatistics`].
#[derive(Debug, Default)]
pub struct StatisticsTable {
    constants: IndexMap<(BufferId, ElementType), (Bytes, Option<Stats>)>,
}

impl StatisticsTable {
    /// The statistics of a constant as elements of this type, as they are stored: codes where it
    /// is quantised. `None` where it is no constant, or its elements have no order.
    pub fn of(&self, buffer: BufferId, ty: ElementType) -> Option<Stats> {
        self.constants.get(&(buffer, ty))?.1
    }
}

impl Analysis for ConstantStatistics {
    type Result = StatisticsTable;
    const NAME: &'static str = "constant-statistics";

    fn compute(input: AnalysisInput<'_>, last: Option<&StatisticsTable>) -> StatisticsTable {
        let graph = input.module.subgraph(input.subgraph);
        let mut constants: IndexMap<(BufferId, ElementType), &Bytes> = IndexMap::new();
        for id in graph.tensors() {
            if let Some(bytes) = input.module.constant(input.subgraph, id) {
                let tensor = graph.tensor(id);
                constants.insert((tensor.buffer, tensor.ty), bytes);
            }
        }
        // What lies at the same place is the same: both hold on to it.
        let known = |key: &(BufferId, ElementType), bytes: &Bytes| {
            let (old, stats) = last?.constants.get(key)?;
            (old.as_ptr() == bytes.as_ptr() && old.len() == bytes.len()).then_some(*stats)
        };
        let found: Vec<_> = constants
            .into_iter()
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(key, bytes)| {
                let found = known(&key, bytes).unwrap_or_else(|| stats(key.1, bytes));
                (key, (bytes.clone(), found))
            })
            .collect();
        StatisticsTable { constants: found.into_iter().collect() }
    }
}
