//! Which subgraphs call which.

use crate::{Module, Subgraph};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

impl Module {
    /// For each subgraph, whether it is the main one or that of a signature, or one of those
    /// calls it.
    pub fn reached_subgraphs(&self) -> Vec<bool> {
        let count = self.subgraphs.len();
        let mut reached = vec![false; count];
        let mut todo: Vec<usize> = vec![0];
        todo.extend(self.signatures.iter().map(|s| s.subgraph as usize));
        while let Some(at) = todo.pop() {
            if at >= count || std::mem::replace(&mut reached[at], true) {
                continue;
            }
            todo.extend(called(&self.subgraphs[at]));
        }
        reached
    }

    /// For each subgraph a number that it shares with those which it calls and which call it, by way
    /// of others or not.
    pub fn call_circles(&self) -> Vec<usize> {
        let count = self.subgraphs.len();
        let mut calls = DiGraph::<(), ()>::with_capacity(count, 0);
        let nodes: Vec<NodeIndex> = (0..count).map(|_| calls.add_node(())).collect();
        for (graph, from) in self.subgraphs.iter().zip(&nodes) {
            for to in called(graph).filter_map(|at| nodes.get(at)) {
                calls.add_edge(*from, *to, ());
            }
        }
        let mut circles = vec![0; count];
        for (number, circle) in kosaraju_scc(&calls).into_iter().enumerate() {
            circle.into_iter().for_each(|node| circles[node.index()] = number);
        }
        circles
    }
}

/// The numbers that its ops call, whether there are such subgraphs or not.
fn called(graph: &Subgraph) -> impl Iterator<Item = usize> {
    let refs = graph.ops().flat_map(|op| graph.op(op).subgraph_refs());
    refs.filter_map(|(_, value)| usize::try_from(value).ok())
}
