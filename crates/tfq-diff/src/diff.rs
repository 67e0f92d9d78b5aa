//! What differs, as plain data.

use crate::constants::WeightError;
use serde::Serialize;
use std::fmt;
use tfq_ir::{OpId, SubgraphId, TensorId};
use tfq_text as text;

/// Version of the form that [`Diff::to_json`] gives. It rises when a field is taken away or
/// gets another meaning; new fields may come without.
pub const SCHEMA: u32 = 1;

/// What differs between two models, `before` and `after`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The gravest kind of difference.
    pub class: Class,
    /// Every kind of difference that there is.
    pub moved: Classes,
    /// The first model in figures.
    pub before: Totals,
    /// The second.
    pub after: Totals,
    /// How many ops of each kind, for all kinds whose number differs, in order of name.
    pub histogram: Vec<OpCount>,
    /// Version, description, metadata, signatures, external buffers and trailer.
    pub model: Vec<FieldChange>,
    /// Subgraphs in which something differs, in order, with those that were removed at the end.
    pub subgraphs: Vec<SubgraphDiff>,
}

/// The gravest kind of difference between two models, from none to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// There is none.
    Identical,
    /// Names, or the order of things that may stand in any order.
    Formatting,
    /// Description, metadata entries or what follows the model in its file.
    Metadata,
    /// Contents of constants, or values of scales and zero points.
    Weights,
    /// Ops, attributes, wiring, types, shapes, the kind of quantisation, signatures.
    Structure,
}

impl Class {
    /// Its name: `identical`, `formatting`, `metadata`, `weights` or `structure`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Formatting => "formatting",
            Self::Metadata => "metadata",
            Self::Weights => "weights",
            Self::Structure => "structure",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which kinds of difference there are; see [`Class`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Classes {
    pub formatting: bool,
    pub metadata: bool,
    pub weights: bool,
    pub structure: bool,
}

impl Classes {
    pub(crate) fn note(&mut self, class: Class) {
        match class {
            Class::Identical => (),
            Class::Formatting => self.formatting = true,
            Class::Metadata => self.metadata = true,
            Class::Weights => self.weights = true,
            Class::Structure => self.structure = true,
        }
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Self { structure: true, .. } => Class::Structure,
            Self { weights: true, .. } => Class::Weights,
            Self { metadata: true, .. } => Class::Metadata,
            Self { formatting: true, .. } => Class::Formatting,
            _ => Class::Identical,
        }
    }
}

/// A model in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Subgraphs.
    pub subgraphs: usize,
    /// Ops of all subgraphs.
    pub ops: usize,
    /// Tensors of all subgraphs.
    pub tensors: usize,
    /// Buffers that make a tensor a constant.
    pub constants: usize,
    /// Their bytes.
    pub constant_bytes: u64,
}

/// How many ops of a kind there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct OpCount {
    pub kind: String,
    pub before: usize,
    pub after: usize,
}

/// One thing that has another value, or that only one side has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct FieldChange {
    /// What: an attribute's name, `operand 1`, `metadata "min_runtime_version"`.
    pub what: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Whether something is on both sides, or on which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Status {
    Changed,
    Added,
    Removed,
}

/// What differs in one subgraph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubgraphDiff {
    /// Whether both models have it.
    pub status: Status,
    /// Its name in the first model, as its text has it.
    pub before: Option<String>,
    /// Its name in the second.
    pub after: Option<String>,
    /// Inputs and outputs, if their lists differ.
    pub fields: Vec<FieldChange>,
    /// Tensors that have another name and were found all the same.
    pub renamed: Vec<Rename>,
    /// Ops that were added, removed or changed, in execution order. An op that was added or
    /// removed stands for the tensors that it computes.
    pub ops: Vec<OpDiff>,
    /// Tensors that differ, and those added or removed that no op computes.
    pub tensors: Vec<TensorDiff>,
    /// How many constants and the like stand in another order.
    pub reordered: usize,
    /// All ops, for pictures.
    #[serde(skip)]
    pub(crate) rows: Vec<Row>,
    /// Its numbers in the models.
    #[serde(skip)]
    pub(crate) ids: (Option<SubgraphId>, Option<SubgraphId>),
}

/// A tensor under two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Rename {
    pub before: String,
    pub after: String,
}

/// An op on one side, or a pair that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpDiff {
    /// Whether both models have it.
    pub status: Status,
    /// Operator name: `CONV_2D`.
    pub kind: String,
    /// The op in the first model.
    pub before: Option<OpSide>,
    /// The op in the second model.
    pub after: Option<OpSide>,
    /// Attributes, `version`, `operand N`, `result N`, `order` and so on.
    pub changes: Vec<FieldChange>,
}

impl OpDiff {
    /// A name for it: its kind and first result, in the second model where it is there.
    pub fn label(&self) -> String {
        let side = self.after.as_ref().or(self.before.as_ref());
        let kind = text::visible(&self.kind);
        match side.and_then(|side| side.result.as_deref()) {
            Some(result) => format!("{kind} {}", text::quoted('%', result)),
            None => kind.into_owned(),
        }
    }
}

/// An op in one of the models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpSide {
    /// Where it stands in execution order, from 0.
    pub position: usize,
    /// Its first result, as the text names it.
    pub result: Option<String>,
    /// Its line in a text of level `quant`.
    pub line: String,
}

/// A tensor on one side, or a pair that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorDiff {
    /// Whether both models have it.
    pub status: Status,
    /// The tensor in the first model.
    pub before: Option<TensorSide>,
    /// The tensor in the second.
    pub after: Option<TensorSide>,
    /// `type`, `shape`, `quantization`, `scales`, `ranges`, `sparsity`, `variable`, `constant`,
    /// `external buffer` and so on.
    pub what: Vec<&'static str>,
    /// How contents differ, where both are constants and they do.
    pub constant: Option<ConstantDiff>,
}

impl TensorDiff {
    /// Its name, in the second model where it is there.
    pub fn label(&self) -> &str {
        self.after.as_ref().or(self.before.as_ref()).map_or("?", |side| &side.name)
    }
}

/// A tensor in one of the models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorSide {
    /// Its name in the text.
    pub name: String,
    /// Type, shape and quantisation as in a text: `i8[8,3,3,1] q(0.011)`.
    pub description: String,
    /// Bytes of its constant.
    pub bytes: Option<u64>,
}

/// Two constants that differ, or that have the same integers and other scales.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConstantDiff {
    /// BLAKE3 hash of the bytes, in hexadecimal digits: all of them, or as many as a text has.
    /// `None` where nothing was measured.
    pub hash_before: Option<String>,
    /// The same of the second model.
    pub hash_after: Option<String>,
    /// Elements written out, where they are few.
    pub values_before: Option<String>,
    /// The same of the second model.
    pub values_after: Option<String>,
    /// What a text says in place of the bytes, where they are not there: `min = -1, max = 1`.
    pub statistics_before: Option<String>,
    /// The same of the second model.
    pub statistics_after: Option<String>,
    /// How far apart the numbers are, after quantised ones were converted by their scales.
    /// `None` where they cannot be compared: other counts, no numbers, nothing measured.
    pub error: Option<WeightError>,
}

impl ConstantDiff {
    /// Whether the bytes are the same, and the scales are not.
    pub(crate) fn same_bytes(&self) -> bool {
        self.hash_before.is_some() && self.hash_before == self.hash_after
    }
}

/// An op, or a pair of them, where it stands when both sequences of ops are laid side by side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) before: Option<OpId>,
    pub(crate) after: Option<OpId>,
    pub(crate) status: Option<Status>,
}

impl Row {
    pub(crate) fn new(before: Option<OpId>, after: Option<OpId>, status: Option<Status>) -> Self {
        Self { before, after, status }
    }
}

impl Diff {
    /// Whether nothing differs that a model has besides what only its file needs.
    pub fn is_identical(&self) -> bool {
        self.class == Class::Identical
    }

    /// As JSON: the fields of this type by their names, indented.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("plain data has a JSON form");
        tfq_ir::visible_json(&json).into_owned()
    }
}

/// A subgraph that both models have, with the ops and tensors in it that both have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Pairs {
    pub before: SubgraphId,
    pub after: SubgraphId,
    /// In execution order of the first model.
    pub ops: Vec<(OpId, OpId)>,
    /// In file order of the first model.
    pub tensors: Vec<(TensorId, TensorId)>,
}
