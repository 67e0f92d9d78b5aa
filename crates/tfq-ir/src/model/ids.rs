//! Handles: what parts of a model are named by.

use smallvec::SmallVec;

/// A subgraph by its number; number 0 is the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubgraphId(pub u32);

/// A tensor of a subgraph. Stays valid until the tensor is erased; then it is stale, and never
/// means another tensor. It carries the number of its subgraph, so that no other subgraph takes
/// it for one of its own.
///
/// Numbers are given out in the order of making: the same file gives the same handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId {
    pub(super) graph: u32,
    pub(super) uid: u32,
}

/// An op of a subgraph, valid as long as [`TensorId`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId {
    pub(super) graph: u32,
    pub(super) uid: u32,
}

impl TensorId {
    /// The subgraph that it is of: [`crate::Subgraph::origin`].
    pub fn origin(self) -> u32 {
        self.graph
    }

    /// Its number in the subgraph; tensors and ops are counted together.
    pub fn number(self) -> u32 {
        self.uid
    }

    /// Stands for the nth tensor that a patch adds, within that patch.
    pub(crate) fn upcoming(n: u32) -> Self {
        Self { graph: UPCOMING, uid: n }
    }

    /// Which tensor of a patch it stands for, if it is no handle of a subgraph.
    pub(crate) fn is_upcoming(self) -> Option<u32> {
        (self.graph == UPCOMING).then_some(self.uid)
    }
}

impl OpId {
    /// The subgraph that it is of: [`crate::Subgraph::origin`].
    pub fn origin(self) -> u32 {
        self.graph
    }

    /// Its number in the subgraph; tensors and ops are counted together.
    pub fn number(self) -> u32 {
        self.uid
    }
}

/// One place where a tensor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Use {
    /// The op that reads it.
    pub op: OpId,
    /// Which of the op's operands it is.
    pub slot: u32,
}

/// Operands by slot; `None` for an optional operand that is left out (-1).
pub type Operands = SmallVec<[Option<TensorId>; 6]>;

/// No subgraph has this number.
const UPCOMING: u32 = u32::MAX;
