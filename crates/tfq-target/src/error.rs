//! What can be wrong with a data file.

/// A data file that cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target {target:?}, line {line}: {problem}")]
pub struct TargetError {
    /// Name of the target.
    pub target: String,
    /// Line of the file, from 1. For a row, the line where it starts.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a data file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is no TOML, a key is missing or unknown, or a value has the wrong type.
    #[error("{0}")]
    Syntax(String),
    /// A table row does not have the columns of its header.
    #[error("expected {0} columns")]
    Columns(usize),
    /// A number was expected.
    #[error("{0:?} is no number")]
    Number(String),
    /// The format has no such operator.
    #[error("there is no operator {0:?}")]
    UnknownOp(String),
    /// The format has no such element type.
    #[error("there is no element type {0:?}")]
    UnknownType(String),
    /// `extends` names a target that is not shipped.
    #[error("there is no target {0:?} to extend")]
    UnknownBase(String),
    /// No condition has this name or form.
    #[error("unknown condition {0:?}")]
    UnknownCondition(String),
    /// The condition asks for an attribute, or a value of one, that the row's operators do not have.
    #[error("the condition {0:?} does not fit the attributes of {1}")]
    UnknownAttribute(String, String),
    /// The condition is about a weight, and there is none where the row is used.
    #[error("the condition {0:?} needs a weight")]
    NeedsWeight(String),
    /// Something fails by this row and it does not say why.
    #[error("the row needs a reason")]
    NoReason,
    /// An earlier row of the file matches whatever this one matches.
    #[error("the row can never decide: the one at line {0} matches first")]
    Unreachable(usize),
}
