//! What can be wrong with a data file.

use std::ops::Range;
use tfq_ir::line_and_column;

/// A data file that cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target {target:?}, line {line}: {problem}")]
pub struct TargetError {
    /// Name of the target.
    pub target: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// The bytes of the file that are wrong.
    pub span: Range<usize>,
    /// What is wrong there.
    pub problem: Problem,
}

impl TargetError {
    pub(crate) fn new(target: &str, text: &str, span: Range<usize>, problem: Problem) -> Self {
        Self { target: target.to_owned(), line: line_and_column(text, span.start).0, span, problem }
    }
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
    /// A release of the runtime was expected.
    #[error("{0:?} is no release; they are written 2.5 or 2.5.0")]
    Release(String),
    /// The file neither says which kernels a model must run on nor extends a target that does.
    #[error("the file needs `kernels`, or a target that it extends")]
    NoKernels,
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
    /// The condition asks for an attribute, or a value of one, that the row's operators do not
    /// have.
    #[error("the condition {0:?} does not fit the attributes of {1}")]
    UnknownAttribute(String, String),
    /// The condition is about a weight, and there is none where the row is used.
    #[error("the condition {0:?} needs a weight")]
    NeedsWeight(String),
    /// No test of loading has this name.
    #[error("unknown test {0:?} of what is loaded")]
    UnknownLoadTest(String),
    /// No test of activations has this name.
    #[error("unknown test {0:?} of activations")]
    UnknownActivationTest(String),
    /// A row about loading has no ops, and not one test.
    #[error("a row without ops has one test in `when`")]
    OneLoadTest,
    /// Something fails by this row and it does not say why.
    #[error("the row needs a reason")]
    NoReason,
    /// An earlier row of the file matches whatever this one matches.
    #[error("the row can never decide: the one at line {0} matches first")]
    Unreachable(usize),
}
