//! A name for every tensor and subgraph that no other has.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tfq_ir::{Module, OpKind, Subgraph, TensorId};

/// The tensors of a subgraph in the order in which a text mentions them, with their names.
pub(super) struct Names {
    names: HashMap<TensorId, Arc<str>>,
    /// Inputs and [`Self::declared`]: they are described in a line of their own, and not where
    /// an op computes them.
    pub(super) apart: HashSet<TensorId>,
    /// No inputs, and no results of ops but for those without a single value; in file order.
    pub(super) declared: Vec<TensorId>,
}

impl Names {
    pub(super) fn new(module: &Module, graph: &Subgraph) -> Self {
        let inputs: HashSet<TensorId> = graph.inputs().iter().copied().collect();
        let mut seen = HashSet::with_capacity(graph.tensor_count());
        let mut order: Vec<(TensorId, Option<&OpKind>)> = Vec::with_capacity(graph.tensor_count());
        order.extend(graph.inputs().iter().filter(|id| seen.insert(**id)).map(|id| (*id, None)));
        let mut results = Vec::new();
        for op in graph.ops() {
            let kind = &graph.op(op).kind;
            let results_of = graph.results(op);
            let plain = results_of.iter().filter(|id| graph.oddity(**id).is_none());
            results.extend(plain.filter(|id| seen.insert(**id)).map(|id| (*id, Some(kind))));
        }
        let declared: Vec<TensorId> = graph.tensors().filter(|id| !seen.contains(id)).collect();
        order.extend(declared.iter().map(|id| (*id, None)));
        order.extend(results);

        let base = |id: TensorId, kind: Option<&OpKind>| -> Arc<str> {
            let tensor = graph.tensor(id);
            match (&tensor.name, kind) {
                (Some(name), _) if !name.is_empty() => name.clone(),
                (_, Some(OpKind::Custom(name))) if name.is_empty() => "custom".into(),
                (_, Some(kind)) => kind.name().to_lowercase().into(),
                _ if inputs.contains(&id) => "input".into(),
                _ if tensor.is_variable => "variable".into(),
                _ if module.constants().constant(tensor.buffer).is_some() => "const".into(),
                _ => "tensor".into(),
            }
        };
        let wanted = order.iter().map(|(id, kind)| {
            let nameless = graph.tensor(*id).name.as_deref().is_none_or(str::is_empty);
            (base(*id, *kind), !nameless)
        });
        let unique = unique(wanted.collect());
        let names = order.iter().map(|(id, _)| *id).zip(unique).collect();
        let apart = inputs.into_iter().chain(declared.iter().copied()).collect();
        Self { names, apart, declared }
    }

    pub(super) fn get(&self, id: TensorId) -> Option<&Arc<str>> {
        self.names.get(&id)
    }
}

/// Names of the subgraphs by number.
pub(super) fn of_subgraphs(module: &Module) -> Vec<Arc<str>> {
    let wanted = module.subgraphs().map(|(id, graph)| match &graph.name {
        Some(name) if !name.is_empty() => (name.clone(), true),
        _ if id.0 == 0 => ("main".into(), false),
        _ => ("subgraph".into(), false),
    });
    unique(wanted.collect())
}

/// Makes names unique. The first to have a name by right keeps it; the others get `.2`, `.3`
/// and so on behind it.
fn unique(wanted: Vec<(Arc<str>, bool)>) -> Vec<Arc<str>> {
    let mut taken: HashSet<Arc<str>> = HashSet::with_capacity(wanted.len());
    let mut first = vec![false; wanted.len()];
    for (n, (name, by_right)) in wanted.iter().enumerate() {
        first[n] = *by_right && taken.insert(name.clone());
    }
    let mut next: HashMap<Arc<str>, u32> = HashMap::new();
    let mut unique = Vec::with_capacity(wanted.len());
    for (n, (name, _)) in wanted.into_iter().enumerate() {
        if first[n] || taken.insert(name.clone()) {
            unique.push(name);
            continue;
        }
        let next = next.entry(name.clone()).or_insert(2);
        unique.push(loop {
            let candidate: Arc<str> = format!("{name}.{next}").into();
            *next += 1;
            if taken.insert(candidate.clone()) {
                break candidate;
            }
        });
    }
    unique
}
