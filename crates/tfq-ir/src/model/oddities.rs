//! Tensors that have no single value: the runtime runs such models, so they are read, kept as
//! they are, and left alone.
//!
//! A module holds them where its file does ([`Module::with_oddities`]); nothing else makes
//! any, and [`Module::verify`] refuses those that were not accepted.

use crate::maps::{HashMap, HashSet, IndexMap};
use crate::{Module, Oddity, Subgraph, SubgraphId, TensorId};
use std::collections::hash_map::Entry;

impl Module {
    /// Takes the tensors without a single value that a reader found in its file for what they
    /// are, those that `accept` agrees to. Nothing that is done to the module makes any. It is
    /// another module, which no edits lead to.
    #[must_use]
    pub fn with_oddities(mut self, accept: impl Fn(SubgraphId, TensorId) -> bool) -> Self {
        self.log.part();
        for id in self.subgraph_ids() {
            let mut odd = find(&self, self.subgraph(id));
            odd.retain(|tensor, _| accept(id, *tensor));
            if !odd.is_empty() {
                *self.subgraph_mut(id).odd_mut() = odd;
            }
        }
        self
    }

    /// The tensors without a single value that the module has.
    pub fn oddities(&self) -> impl Iterator<Item = (SubgraphId, TensorId, Oddity)> {
        self.subgraphs()
            .flat_map(|(id, graph)| graph.oddities().map(move |(tensor, why)| (id, tensor, why)))
    }
}

/// Every tensor without a single value. Inputs have one from the start, even where an op writes
/// to them later.
fn find(module: &Module, graph: &Subgraph) -> IndexMap<TensorId, Oddity> {
    let inputs: HashSet<TensorId> = graph.inputs().iter().copied().collect();
    let mut first_made: HashMap<TensorId, usize> = HashMap::default();
    let mut odd = IndexMap::default();
    for (n, op) in graph.ops().enumerate() {
        for result in graph.results(op) {
            match first_made.entry(result) {
                Entry::Occupied(_) => _ = odd.insert(result, Oddity::ComputedTwice),
                Entry::Vacant(place) => _ = place.insert(n),
            }
        }
    }
    for (n, op) in graph.ops().enumerate() {
        for operand in graph.operands(op).into_iter().flatten() {
            let late = first_made.get(&operand).is_some_and(|made| *made >= n);
            if late && !inputs.contains(&operand) {
                odd.entry(operand).or_insert(Oddity::ReadBefore);
            }
        }
    }
    for tensor in graph.tensors().filter(|id| first_made.contains_key(id)) {
        let data = graph.tensor(tensor);
        if !data.is_variable && module.constants().constant(data.buffer).is_some() {
            odd.entry(tensor).or_insert(Oddity::ConstantComputed);
        }
    }
    odd
}
