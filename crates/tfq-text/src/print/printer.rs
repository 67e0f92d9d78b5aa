//! The printer's state.

use crate::Level;
use crate::names::Names;
use crate::side::{self, Hash};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tfq_ir::{BufferId, Module, Subgraph, SubgraphId, TensorId};

/// What becomes of bytes that the text does not write out.
pub(super) enum Aside {
    Nothing,
    Bytes(side::Writer),
    /// Fills take their place.
    Fills,
}

pub(super) struct Printer<'m> {
    pub(super) module: &'m Module,
    pub(super) level: Level,
    pub(super) aside: Aside,
    pub(super) out: String,
    pub(super) subgraphs: Vec<Arc<str>>,
    /// `None` for subgraphs that are not printed.
    pub(super) names: Vec<Option<Names>>,
    /// Hashes of constants by place; many tensors may share one.
    pub(super) hashes: HashMap<(usize, usize), Hash>,
    /// How many operator codes of its kind are before each.
    pub(super) nth_codes: Vec<usize>,
    pub(super) digits: usize,
    /// What the digits that are shown stand for.
    pub(super) shown: HashMap<String, Hash>,
    pub(super) collided: bool,
    /// The tensor that shows what a buffer holds.
    pub(super) owners: HashMap<BufferId, (SubgraphId, TensorId)>,
    /// Buffers whose bytes the text has somewhere.
    pub(super) written: HashSet<BufferId>,
    /// Constants by place that no fill can stand for.
    pub(super) steering: HashSet<(usize, usize)>,
}

/// A subgraph that is being printed.
pub(super) struct Printed<'a> {
    pub(super) id: SubgraphId,
    pub(super) graph: &'a Subgraph,
    pub(super) names: &'a Names,
}

pub(super) fn key(bytes: &Bytes) -> (usize, usize) {
    (bytes.as_ptr() as usize, bytes.len())
}
