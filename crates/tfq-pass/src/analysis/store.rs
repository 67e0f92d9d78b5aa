//! Results of analyses, kept for as long as they hold.

use super::interface::{Analysis, AnalysisInput, Change};
use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tfq_ir::maps::IndexMap;
use tfq_ir::{Module, SubgraphId};

/// Results of analyses, each with the state that it holds for.
#[derive(Debug, Default)]
pub(crate) struct Analyses {
    results: IndexMap<SubgraphId, IndexMap<TypeId, StoredResult>>,
    /// What was computed, for timings: taken by the manager after each pass.
    pub(crate) computed: Vec<Computed>,
}

#[derive(Debug)]
struct StoredResult {
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
        let entry = StoredResult { state, result: result.clone(), follow: follow::<A> };
        of_subgraph.insert(TypeId::of::<A>(), entry);
        result
    }

    /// What is known of a subgraph as it is now.
    pub(crate) fn held<A: Analysis>(
        &self,
        module: &Module,
        subgraph: SubgraphId,
    ) -> Option<Arc<A::Result>> {
        let entry = self.results.get(&subgraph)?.get(&TypeId::of::<A>())?;
        (entry.state == state::<A>(module, subgraph)).then(|| cast::<A>(&entry.result))
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
