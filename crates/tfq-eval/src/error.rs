//! Why an op was not evaluated.

use tfq_ir::ElementType;
use tfq_ir::ops::InferError;

/// Why an op was not evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum NotEvaluated {
    #[error("no evaluation of {op} is known")]
    Op { op: String },
    #[error("operand {slot} is {ty}, which is not evaluated")]
    Type { slot: usize, ty: ElementType },
    #[error("result {result} is {ty}, which is not evaluated")]
    ResultType { result: usize, ty: ElementType },
    /// Scales, zero points or per-channel quantisation that the op's kernel does not take, or
    /// whose arithmetic is not known here.
    #[error("quantisation: {why}")]
    Quantization { why: &'static str },
    /// What no op of the kind can have.
    #[error(transparent)]
    Wrong(#[from] InferError),
    #[error("{why}")]
    Operands { why: &'static str },
    #[error("attribute {name} is {value}, which is not evaluated")]
    Attribute { name: &'static str, value: i64 },
    /// The runtime reports an error for these values when the op runs.
    #[error("the runtime fails on these values: {why}")]
    Fails { why: &'static str },
    /// The runtime computes something that depends on chance or on what lies in memory.
    #[error("what the runtime makes of it is not defined: {why}")]
    Undefined { why: &'static str },
    #[error("it takes more work or memory than was granted")]
    Budget,
    /// In an [`crate::Evaluator`]: an operand has no value.
    #[error("operand {slot} has no value")]
    NoValue { slot: usize },
}
