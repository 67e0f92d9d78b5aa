//! Why edits are refused.

use crate::model::attributes::AttrError;
use crate::ops::Contradiction;
use crate::verify::cut_label;
use crate::words::{counted, grouped};
use crate::{ElementType, visible};
use std::borrow::Cow;
use std::sync::Arc;

/// An edit that was refused; the model is as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("patch `{}` refused: {}", visible(cut_label(label)), visible(&reason.to_string()))]
pub struct Rejected {
    /// What it said it does.
    pub label: Cow<'static, str>,
    /// Why.
    pub reason: Reason,
}

/// Why an edit was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Reason {
    #[error("the subgraph does not exist")]
    Subgraph,
    #[error("it refers to an op that has been erased")]
    StaleOp,
    #[error("it refers to a tensor that has been erased")]
    StaleTensor,
    #[error("it refers to an op of another subgraph")]
    ForeignOp,
    #[error("it refers to a tensor of another subgraph")]
    ForeignTensor,
    #[error("it refers to a new op or tensor that it does not add")]
    Dangling,
    #[error("it refers to a constant that is not there")]
    Buffer,
    #[error("it would let two ops compute tensor `{0}`")]
    TwoProducers(String),
    #[error("it would leave a gap in the results of {0}")]
    MissingResult(String),
    #[error("no {op} has an operand {slot}")]
    Slot { op: String, slot: u32 },
    #[error("{op} would read `{tensor}` before it is computed")]
    Order { op: String, tensor: String },
    #[error(
        "nothing would give `{0}` a value, which is read or returned: it would be no constant, \
         variable or input, and no op would compute it"
    )]
    NoValue(String),
    #[error("tensor `{0}` is erased and still in use")]
    ErasedInUse(String),
    #[error("{0} would no longer compute `{1}`, which stays in use")]
    ErasedProducer(String, String),
    #[error("`{old}` and `{new}` differ in shape or type")]
    Mismatch { old: String, new: String },
    #[error(
        "tensor `{tensor}`: {} and {} for shape {shape:?}, dimension {dimension}",
        counted(*scales, "scale"),
        counted(*zero_points, "zero point")
    )]
    Quantization {
        tensor: String,
        scales: usize,
        zero_points: usize,
        shape: Vec<i32>,
        dimension: i32,
    },
    #[error(
        "`{tensor}` would be {ty} {shape:?}, which takes {}, of a constant of {}",
        counted(*taken, "byte"),
        grouped(*bytes)
    )]
    BytesLeftOver { tensor: String, ty: ElementType, shape: Vec<i32>, taken: u64, bytes: u64 },
    #[error(
        "tensor `{tensor}`: its {what} would be {number}, which names no tensor; a handle such as \
         \"@0%0\" does, or {{\"new\": 0}} where the patch adds it"
    )]
    QuantizationLink { tensor: String, what: &'static str, number: i32 },
    #[error("`{0}` would be an input and a constant, which no caller can set")]
    ConstantInput(String),
    #[error(
        "two signatures would have the key `{key}`, and callers find the first only{}",
        why_alike(key)
    )]
    SignatureTwice { key: String },
    #[error("signature `{key}` would be of subgraph {subgraph}, of {}", counted(*of, "subgraph"))]
    SignatureSubgraph { key: String, subgraph: u32, of: usize },
    #[error("{port} would be {number}, which names no tensor; a handle such as \"@0%0\" does")]
    SignatureTensor { port: String, number: i32 },
    #[error(
        "{port} would be `{tensor}`, which the subgraph does not {verb}; let it {verb} that beside \
         what signatures name now, then set them"
    )]
    SignaturePort { port: String, tensor: String, verb: &'static str },
    #[error(
        "the subgraph would no longer {verb} `{tensor}`, and a signature does; let it {verb} the old and \
         the new, then set the signatures, then drop the old"
    )]
    PortLost { tensor: String, verb: &'static str },
    #[error("external buffer {id} would be in group {group}, of {}", counted(*of, "group"))]
    ExternalGroup { id: u32, group: u32, of: usize },
    #[error("two external buffers would have the id {0}")]
    ExternalTwice(u32),
    #[error("an external buffer would have the id 0, by which tensors say that they have none")]
    ExternalZero,
    #[error(transparent)]
    Attr(#[from] AttrError),
    #[error("{0} has no options table")]
    NoOptions(String),
    #[error("subgraph {subgraph}, {op} `{result}`: {what}; {}", what.advice())]
    Contradiction { subgraph: u32, op: String, result: String, what: Box<Contradiction> },
    #[error(
        "`{tensor}`, which subgraph {subgraph} returns, would be {after} and was {before}: callers \
         depend on it; return another tensor behind an op that converts"
    )]
    OutputType { subgraph: u32, tensor: String, before: ElementType, after: ElementType },
    #[error(
        "`{0}` is no key of a record: it is words of lower-case letters, digits, `_` and `-` with \
         dots between, the first that of its maker, such as `acme.ranges`"
    )]
    RecordKey(Arc<str>),
    #[error("the file has metadata `{0}` that is no record; give the record another key")]
    RecordName(Arc<str>),
    #[error(
        "`{0}` is a record, which is written in the place of metadata of this name; change the \
         record, or drop it first"
    )]
    MetadataOfRecord(Arc<str>),
    #[error("record `{0}` is about {1}, which is no operator of the format")]
    RecordOperator(Arc<str>, i32),
    #[error("the format has no operator {0}")]
    Operator(i32),
    #[error("record `{0}` cannot say that: {1}")]
    Record(Arc<str>, String),
}

/// What explains keys that look different.
fn why_alike(key: &str) -> &'static str {
    match key.contains('\0') {
        true => "; for the runtime a key ends before its first zero byte",
        false => "",
    }
}
