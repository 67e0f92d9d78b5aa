//! Handles: what parts of a model are named by.

use smallvec::SmallVec;
use std::fmt;
use std::str::FromStr;

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

/// `@0%12`, which [`TensorId::from_str`] reads: the number of the subgraph, and that of the tensor.
impl fmt::Display for TensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}%{}", self.graph, self.uid)
    }
}

/// `@0#12`, which [`OpId::from_str`] reads: the number of the subgraph, and that of the op.
impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}#{}", self.graph, self.uid)
    }
}

impl FromStr for TensorId {
    type Err = NoHandle;

    /// Whether a subgraph has the tensor is for [`crate::Subgraph::contains_tensor`] to tell.
    fn from_str(text: &str) -> Result<Self, NoHandle> {
        let (graph, uid) = numbers(text, '%').ok_or(NoHandle { of: "tensor", example: "@0%12" })?;
        Ok(Self { graph, uid })
    }
}

impl FromStr for OpId {
    type Err = NoHandle;

    /// Whether a subgraph has the op is for [`crate::Subgraph::contains_op`] to tell.
    fn from_str(text: &str) -> Result<Self, NoHandle> {
        let (graph, uid) = numbers(text, '#').ok_or(NoHandle { of: "op", example: "@0#12" })?;
        Ok(Self { graph, uid })
    }
}

/// A text that is no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no handle of {} {of}, such as `{example}`", if *of == "op" { "an" } else { "a" })]
pub struct NoHandle {
    of: &'static str,
    example: &'static str,
}

/// The two numbers of a handle, each in the one way in which it is written.
fn numbers(text: &str, sigil: char) -> Option<(u32, u32)> {
    let (graph, uid) = text.strip_prefix('@')?.split_once(sigil)?;
    let number = |digits: &str| -> Option<u32> {
        let number: u32 = digits.parse().ok()?;
        (number.to_string() == digits).then_some(number)
    };
    Some((number(graph)?, number(uid)?)).filter(|(graph, _)| *graph != UPCOMING)
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
