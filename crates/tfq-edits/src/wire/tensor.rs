//! A tensor that a patch adds, and what can be said of one.

use super::value::{Blob, is_default};
use crate::handles::{BufferRef, Link};
use crate::number::{Float, Int64};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tfq_ir::ElementType;
use tfq_json::closed;

closed!(Tensor, Quantization, Details, Sparsity, SparseDimension, SparseIndex, VariantTensor);

/// A tensor that a patch adds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Tensor {
    /// Bytes of a name that are no UTF-8 are the characters U+10FF80 to U+10FFFF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(rename = "type")]
    pub(crate) ty: Type,
    /// Dimensions; a placeholder, as a rule 1, where `shape_signature` has -1.
    pub(crate) shape: Vec<i32>,
    /// Dimensions with -1 for those that are known at run time only; empty where all are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shape_signature: Vec<i32>,
    /// Tells a scalar from a tensor of unknown rank where there are no dimensions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) has_rank: bool,
    /// State that survives a run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) variable: bool,
    /// Where its constant bytes lie; 0 for a tensor that is no constant.
    #[serde(default, skip_serializing_if = "BufferRef::is_none")]
    pub(crate) buffer: BufferRef,
    /// Its buffer outside of the model; 0 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) external_buffer: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quantization: Option<Quantization>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sparsity: Option<Sparsity>,
    /// Types of its elements, where it is a `VARIANT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) variant_tensors: Vec<VariantTensor>,
    /// Between passes: the type that readers of a weight expect that was just quantised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expressed: Option<Type>,
}

/// How stored numbers map to real ones: `real = scale * (stored - zero_point)`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Quantization {
    /// One, or one for each index of dimension `axis`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scale: Vec<Float>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) zero_point: Vec<Int64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) axis: i32,
    /// What calibration left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) min: Vec<Float>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) max: Vec<Float>,
    /// What takes the place of scale and zero point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Details>,
}

/// What takes the place of scale and zero point.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Details {
    Custom(Blob),
    Blockwise { scales: Link, zero_points: Link, block_size: i32, block_shape: Vec<i32> },
    MultiAxis { scales: Link, zero_points: Link, block_size: i32, axes: Vec<i32> },
}

/// How a sparse constant is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct Sparsity {
    pub(crate) traversal_order: Vec<i32>,
    pub(crate) block_map: Vec<i32>,
    pub(crate) dimensions: Vec<SparseDimension>,
}

/// How one dimension of a sparse constant is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct SparseDimension {
    /// The schema's `DimensionType`: 0 dense, 1 compressed sparse rows.
    pub(crate) format: i8,
    pub(crate) dense_size: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) segments: Option<SparseIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) indices: Option<SparseIndex>,
}

/// Indices of a sparse dimension, in the width that the file has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
pub(crate) enum SparseIndex {
    #[serde(rename = "INT32")]
    Int32(Vec<i32>),
    #[serde(rename = "UINT16")]
    Uint16(Vec<u16>),
    #[serde(rename = "UINT8")]
    Uint8(Vec<u8>),
}

/// The type of an element of a `VARIANT` tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields)]
pub(crate) struct VariantTensor {
    #[serde(rename = "type")]
    pub(crate) ty: Type,
    pub(crate) shape: Vec<i32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) has_rank: bool,
}

/// The type of a tensor's elements, by its name in the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type(pub(crate) ElementType);

/// All types, in order of number.
fn types() -> impl Iterator<Item = ElementType> {
    (0..).map_while(ElementType::from_code)
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // In the words of an enum, from which a help is made.
        let unknown = || {
            let names: Vec<String> = types().map(|ty| format!("`{ty}`")).collect();
            format!("unknown type `{text}`, expected one of {}", names.join(", "))
        };
        ElementType::from_name(&text).map(Self).ok_or_else(|| D::Error::custom(unknown()))
    }
}

#[cfg(test)]
mod schema {
    use super::{Type, types};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for Type {
        fn schema_name() -> Cow<'static, str> {
            "Type".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let names: Vec<&str> = types().map(|ty| ty.name()).collect();
            json_schema!({ "description": "The type of a tensor's elements.", "enum": names })
        }
    }
}
