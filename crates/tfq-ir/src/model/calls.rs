//! Which subgraphs call which.

use crate::{Module, Op, Subgraph};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

impl Module {
    /// For each subgraph, whether it is the main one or that of a signature, or one of those
    /// calls it.
    pub fn reached_subgraphs(&self) -> Vec<bool> {
        self.reached(called)
    }

    /// The same without those that only tell a kernel what to compute
    /// ([`OpKind::runs_subgraphs`](crate::OpKind::runs_subgraphs)).
    pub fn run_subgraphs(&self) -> Vec<bool> {
        self.reached(run)
    }

    fn reached(&self, called: impl Fn(&Subgraph) -> Vec<usize>) -> Vec<bool> {
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

    /// For each subgraph a number that it shares with those which it runs and which run it, by way
    /// of others or not.
    pub fn call_circles(&self) -> Vec<usize> {
        let count = self.subgraphs.len();
        let mut calls = DiGraph::<(), ()>::with_capacity(count, 0);
        let nodes: Vec<NodeIndex> = (0..count).map(|_| calls.add_node(())).collect();
        for (graph, from) in self.subgraphs.iter().zip(&nodes) {
            for to in run(graph).into_iter().filter_map(|at| nodes.get(at)) {
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

/// The numbers that its ops name, whether there are such subgraphs or not.
fn called(graph: &Subgraph) -> Vec<usize> {
    named(graph, |_| true)
}

/// The numbers that its ops run.
fn run(graph: &Subgraph) -> Vec<usize> {
    named(graph, |op| op.kind.runs_subgraphs())
}

fn named(graph: &Subgraph, by: impl Fn(&Op) -> bool) -> Vec<usize> {
    let ops = graph.ops().map(|op| graph.op(op)).filter(|op| by(op));
    let refs = ops.flat_map(Op::subgraph_refs);
    refs.filter_map(|(_, value)| usize::try_from(value).ok()).collect()
}
