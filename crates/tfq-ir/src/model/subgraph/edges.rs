//! What hangs together with what: the graph of petgraph, with edges that can be removed and looked
//! up at a node that has a great many.
//!
//! petgraph keeps the edges of a node in a list, and removes one by looking for it from the newest
//! on, at both of its ends. So a constant with many readers that get another tensor one by one would
//! take the square of their number; and so would an operand of an op with many.

use crate::maps::{HashMap, IndexSet};
use petgraph::Direction::{self, Incoming, Outgoing};
use petgraph::stable_graph::{EdgeIndex, EdgeReference, NodeIndex, StableDiGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};
use std::num::NonZeroU32;

/// How an op and a tensor hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EdgeRole {
    Operand,
    Result,
    Intermediate,
}

/// Role and slot in the four bytes that leave room for petgraph to say that there is no edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge(NonZeroU32);

impl Edge {
    /// One that was removed, and is still in the lists of its ends.
    const STALE: Self = Self(NonZeroU32::MIN.saturating_add(3));

    pub(super) fn new(role: EdgeRole, slot: u32) -> Self {
        debug_assert!(slot < 1 << 30, "files have fewer slots");
        Self(NonZeroU32::MIN.saturating_add(slot << 2 | role as u32))
    }

    pub(super) fn role(self) -> EdgeRole {
        match (self.0.get() - 1) & 3 {
            0 => EdgeRole::Operand,
            1 => EdgeRole::Result,
            _ => EdgeRole::Intermediate,
        }
    }

    pub(super) fn slot(self) -> u32 {
        (self.0.get() - 1) >> 2
    }
}

/// How far an edge is looked for in a list. Next to all nodes have fewer.
const NEAR: usize = 32;

/// Edges from operands to ops, and from ops to results and scratch. Each node has the number of its
/// op or tensor.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    graph: StableDiGraph<(), Edge>,
    /// The other edges of nodes whose lists have stale ones.
    crowds: HashMap<(NodeIndex, Direction), IndexSet<EdgeIndex>>,
    /// All stale edges.
    stale: usize,
    /// For ops with an operand beyond [`NEAR`], the edge at each operand slot.
    wide: HashMap<NodeIndex, Vec<Option<EdgeIndex>>>,
}

/// Edges of a node with their ends, from its list or of those that a crowd knows. Nearly all nodes
/// have a list, and this is asked most of all.
enum Found<'a, L> {
    Listed(L),
    Crowd(&'a StableDiGraph<(), Edge>, indexmap::set::Iter<'a, EdgeIndex>),
}

impl<'a, L: Iterator<Item = EdgeReference<'a, Edge>>> Iterator for Found<'a, L> {
    type Item = (EdgeIndex, Edge, [NodeIndex; 2]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Listed(edges) => {
                let edge = edges.next()?;
                Some((edge.id(), *edge.weight(), [edge.source(), edge.target()]))
            }
            Self::Crowd(graph, edges) => {
                let id = *edges.next_back()?;
                let (source, target) = graph.edge_endpoints(id).expect("it is there");
                Some((id, graph[id], [source, target]))
            }
        }
    }
}

impl Edges {
    pub(super) fn with_capacity(nodes: usize, edges: usize) -> Self {
        Self { graph: StableDiGraph::with_capacity(nodes, edges), ..Self::default() }
    }

    pub(super) fn add_node(&mut self) -> NodeIndex {
        self.graph.add_node(())
    }

    /// Number of edges.
    pub(super) fn count(&self) -> usize {
        self.graph.edge_count() - self.stale
    }

    /// All edges, with both ends.
    pub(super) fn all(&self) -> impl Iterator<Item = (NodeIndex, NodeIndex, Edge)> + '_ {
        let all = self.graph.edge_references();
        all.filter(|edge| *edge.weight() != Edge::STALE)
            .map(|edge| (edge.source(), edge.target(), *edge.weight()))
    }

    /// The edges at a node, and what is at their other ends.
    pub(super) fn at(
        &self,
        node: NodeIndex,
        direction: Direction,
    ) -> impl Iterator<Item = (Edge, NodeIndex)> + '_ {
        self.found(node, direction).map(|(_, edge, other)| (edge, other))
    }

    fn found(
        &self,
        node: NodeIndex,
        direction: Direction,
    ) -> impl Iterator<Item = (EdgeIndex, Edge, NodeIndex)> + '_ {
        let crowd = match self.crowds.is_empty() {
            true => None,
            false => self.crowds.get(&(node, direction)),
        };
        let edges = match crowd {
            None => Found::Listed(self.listed(node, direction)),
            Some(crowd) => Found::Crowd(&self.graph, crowd.iter()),
        };
        let other = direction.index() ^ 1;
        edges.map(move |(id, edge, ends)| (id, edge, ends[other]))
    }

    /// The list of a node, stale edges too.
    fn listed(
        &self,
        node: NodeIndex,
        direction: Direction,
    ) -> impl Iterator<Item = EdgeReference<'_, Edge>> {
        let edges = self.graph.edges_directed(node, direction);
        #[cfg(test)]
        let edges = edges.inspect(|_| tests::STEPS.set(tests::STEPS.get() + 1));
        edges
    }

    /// What an op reads as this operand.
    pub(super) fn operand(&self, op: NodeIndex, slot: u32) -> Option<NodeIndex> {
        match self.wide_slots(op) {
            Some(slots) => self.graph.edge_endpoints((*slots.get(slot as usize)?)?).map(|e| e.0),
            // Edges at further slots would have made it wide.
            None if slot as usize >= NEAR => None,
            None => {
                let wanted = Edge::new(EdgeRole::Operand, slot);
                self.at(op, Incoming).find(|(edge, _)| *edge == wanted).map(|(_, at)| at)
            }
        }
    }

    fn wide_slots(&self, op: NodeIndex) -> Option<&Vec<Option<EdgeIndex>>> {
        if self.wide.is_empty() { None } else { self.wide.get(&op) }
    }

    /// Adds what an op and a tensor, which has not got one like it, hang together by.
    pub(super) fn add(&mut self, op: NodeIndex, tensor: NodeIndex, edge: Edge) {
        let is_operand = edge.role() == EdgeRole::Operand;
        let (from, to) = if is_operand { (tensor, op) } else { (op, tensor) };
        let id = self.graph.add_edge(from, to, edge);
        self.note(to, edge, Some(id));
        if !self.crowds.is_empty() {
            for end in [(from, Outgoing), (to, Incoming)] {
                if let Some(crowd) = self.crowds.get_mut(&end) {
                    crowd.insert(id);
                }
            }
        }
        if is_operand && edge.slot() as usize >= NEAR && !self.wide.contains_key(&op) {
            self.wide.insert(op, Vec::new());
            let read: Vec<_> = self.found(op, Incoming).collect();
            read.into_iter().for_each(|(id, edge, _)| self.note(op, edge, Some(id)));
        }
    }

    /// Notes what is at a slot of an op with many operands.
    fn note(&mut self, to: NodeIndex, edge: Edge, id: Option<EdgeIndex>) {
        if self.wide.is_empty() || edge.role() != EdgeRole::Operand {
            return;
        }
        if let Some(slots) = self.wide.get_mut(&to) {
            let slot = edge.slot() as usize;
            slots.resize(slots.len().max(slot + 1), None);
            slots[slot] = id;
        }
    }

    /// The edges of an op that `named` is true of, all of them where there are no slots to say so.
    pub(super) fn of_op(
        &self,
        op: NodeIndex,
        operands: Option<&[u32]>,
        named: impl Fn(Edge) -> bool,
    ) -> Vec<EdgeIndex> {
        let wide = self.wide_slots(op).zip(operands);
        let Some((slots, operands)) = wide else {
            let both = [Incoming, Outgoing].map(|direction| self.found(op, direction));
            let edges = both.into_iter().flatten().filter(|(_, edge, _)| named(*edge));
            return edges.map(|(id, ..)| id).collect();
        };
        let read = operands.iter().filter_map(|slot| *slots.get(*slot as usize)?);
        let made = self.found(op, Outgoing).filter(|(_, edge, _)| named(*edge));
        read.chain(made.map(|(id, ..)| id)).collect()
    }

    /// Removes these edges.
    pub(super) fn remove(&mut self, mut edges: Vec<EdgeIndex>) {
        // The newest are found soonest.
        edges.sort_unstable_by(|a, b| b.cmp(a));
        for id in edges {
            let (from, to) = self.graph.edge_endpoints(id).expect("it is there");
            self.note(to, self.graph[id], None);
            let ends = [(from, Outgoing), (to, Incoming)];
            if ends.iter().all(|(node, direction)| self.is_near(*node, *direction, id)) {
                for end in &ends {
                    if let Some(crowd) = self.crowds.get_mut(end) {
                        crowd.swap_remove(&id);
                    }
                }
                self.graph.remove_edge(id);
                continue;
            }
            for (node, direction) in ends {
                if !self.crowds.contains_key(&(node, direction)) {
                    let mut live: IndexSet<_> = self.found(node, direction).map(|e| e.0).collect();
                    live.reverse();
                    self.crowds.insert((node, direction), live);
                }
                self.crowds.entry((node, direction)).and_modify(|crowd| {
                    crowd.swap_remove(&id);
                });
            }
            self.graph[id] = Edge::STALE;
            self.stale += 1;
        }
        if self.stale > self.count() + NEAR {
            self.clear_stale();
        }
    }

    fn is_near(&self, node: NodeIndex, direction: Direction, id: EdgeIndex) -> bool {
        self.listed(node, direction).take(NEAR).any(|edge| edge.id() == id)
    }

    /// Takes the stale edges out of all lists. The others keep their numbers.
    fn clear_stale(&mut self) {
        let graph = std::mem::take(&mut self.graph);
        let live = |_, edge| (edge != Edge::STALE).then_some(edge);
        self.graph = graph.filter_map_owned(|_, node| Some(node), live);
        self.stale = 0;
        self.crowds.clear();
    }

    /// Removes all edges of a node.
    pub(super) fn isolate(&mut self, node: NodeIndex) {
        self.remove(self.of_op(node, None, |_| true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::BTreeMap;

    thread_local! {
        /// Edges of lists that were looked at.
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// A few ops and tensors, first the ops.
    fn nodes(edges: &mut Edges, ops: usize, tensors: usize) -> (Vec<NodeIndex>, Vec<NodeIndex>) {
        let mut made = |count| (0..count).map(|_| edges.add_node()).collect();
        (made(ops), made(tensors))
    }

    fn operand(edges: &Edges, op: NodeIndex, slot: u32) -> Vec<EdgeIndex> {
        let wanted = Edge::new(EdgeRole::Operand, slot);
        edges.of_op(op, Some(&[slot]), |edge| edge == wanted)
    }

    /// Random changes, after which the edges are those of a map from slots to tensors.
    #[test]
    fn edges_are_where_they_were_put() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..20 {
            let mut edges = Edges::default();
            let (ops, tensors) = nodes(&mut edges, 6, 3);
            let slots = [2, 40, 300][rng.usize(..3)];
            let mut wanted: BTreeMap<(NodeIndex, u32), NodeIndex> = BTreeMap::new();
            for _ in 0..3000 {
                let (op, slot) = (rng.choice(&ops).unwrap(), rng.u32(..slots));
                let tensor = rng.choice(&tensors).unwrap();
                if wanted.remove(&(*op, slot)).is_some() {
                    let removed = operand(&edges, *op, slot);
                    assert_eq!(removed.len(), 1);
                    edges.remove(removed);
                }
                match rng.u32(..1000) {
                    0 => {
                        edges.isolate(*op);
                        wanted.retain(|(of, _), _| of != op);
                    }
                    1 => {
                        edges.isolate(*tensor);
                        wanted.retain(|_, read| read != tensor);
                    }
                    2..700 => {
                        edges.add(*op, *tensor, Edge::new(EdgeRole::Operand, slot));
                        wanted.insert((*op, slot), *tensor);
                    }
                    _ => (),
                }
            }
            assert_eq!(edges.count(), wanted.len());
            assert_eq!(edges.all().count(), wanted.len());
            for (from, to, edge) in edges.all() {
                assert_eq!(wanted.get(&(to, edge.slot())), Some(&from));
            }
            for op in &ops {
                assert!(
                    (0..slots).all(|s| edges.operand(*op, s) == wanted.get(&(*op, s)).copied())
                );
                let read = wanted.keys().filter(|(of, _)| of == op).count();
                assert_eq!(edges.at(*op, Incoming).count(), read);
            }
            for tensor in &tensors {
                let readers = wanted.values().filter(|read| *read == tensor).count();
                assert_eq!(edges.at(*tensor, Outgoing).count(), readers);
            }
        }
    }

    /// The oldest first, which petgraph finds last, the newest first, and by chance; at one op, at
    /// as many as there are operands, and at two that read two tensors in turn.
    #[test]
    fn many_readers_and_many_operands_get_another_tensor_in_steps_of_their_number() {
        let orders: [fn(&mut Vec<u32>); 3] =
            [|_| (), |slots| slots.reverse(), |slots| fastrand::Rng::with_seed(1).shuffle(slots)];
        for (readers, order) in [1, 2, u32::MAX].into_iter().flat_map(|n| orders.map(|o| (n, o))) {
            let steps_of = |count: u32| {
                let mut edges = Edges::default();
                let readers = readers.min(count);
                let (ops, tensors) = nodes(&mut edges, readers as usize, 3);
                let place = |n: u32| {
                    let read = tensors[(n / readers % 2) as usize];
                    (ops[(n % readers) as usize], n / readers, read)
                };
                let mut slots: Vec<u32> = (0..count).collect();
                for (op, slot, read) in slots.iter().map(|n| place(*n)) {
                    edges.add(op, read, Edge::new(EdgeRole::Operand, slot));
                }
                order(&mut slots);
                STEPS.set(0);
                for (op, slot, read) in slots.iter().map(|n| place(*n)) {
                    assert_eq!(edges.operand(op, slot), Some(read));
                    edges.remove(operand(&edges, op, slot));
                    edges.add(op, tensors[2], Edge::new(EdgeRole::Operand, slot));
                }
                assert_eq!(edges.at(tensors[0], Outgoing).count(), 0);
                assert_eq!(edges.at(tensors[2], Outgoing).count(), count as usize);
                STEPS.get()
            };
            let (few, many) = (steps_of(1000), steps_of(8000));
            assert!(many < 10 * few, "{few} steps for 1000 and {many} for 8000");
        }
    }
}
