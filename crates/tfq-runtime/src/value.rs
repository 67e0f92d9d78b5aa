//! Values of tensors, outside of any model.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use tfq_ir::ElementType;

/// More bytes than this are given to a model, or taken from it, in no call.
pub const MAX_BYTES: u64 = 2 << 30;

/// An error about what was read.
pub(crate) fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// How many bytes a tensor takes; `None` where that is no number below 2⁶⁴, or where its elements
/// are of no fixed size.
pub fn bytes_of(ty: ElementType, shape: &[usize]) -> Option<u64> {
    let product = |n: u64, d: &usize| n.checked_mul(u64::try_from(*d).ok()?);
    // Without elements it takes nothing, however many there are of the others.
    let elements = if shape.contains(&0) { 0 } else { shape.iter().try_fold(1, product)? };
    ty.bytes_for(elements)
}

/// `FLOAT32[1,224,224,3]`.
pub fn form(ty: ElementType, shape: &[usize]) -> String {
    Form(ty, shape).to_string()
}

/// The contents of a tensor: row-major, little-endian, without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What the elements are.
    pub ty: ElementType,
    /// The dimensions; none for a scalar.
    pub shape: Vec<usize>,
    /// The bytes of the elements; those of sub-byte types are packed.
    pub data: Vec<u8>,
}

impl Value {
    /// How many elements a tensor of this shape has.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The elements as numbers, where they are numbers of at least a byte. Complex numbers are
    /// two each, 64-bit integers lose what a double cannot hold.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        macro_rules! read {
            ($ty:ty, $convert:expr) => {{
                let (chunks, _) = self.data.as_chunks::<{ size_of::<$ty>() }>();
                chunks.iter().map(|bytes| $convert(<$ty>::from_le_bytes(*bytes))).collect()
            }};
        }
        Some(match self.ty {
            ElementType::Float32 | ElementType::Complex64 => read!(f32, f64::from),
            ElementType::Float64 | ElementType::Complex128 => read!(f64, |x| x),
            ElementType::Float16 => read!(half::f16, f64::from),
            ElementType::BFloat16 => read!(half::bf16, f64::from),
            ElementType::Int8 => read!(i8, f64::from),
            ElementType::Int16 => read!(i16, f64::from),
            ElementType::Int32 => read!(i32, f64::from),
            ElementType::Int64 => read!(i64, |x| x as f64),
            ElementType::UInt8 | ElementType::Bool => read!(u8, f64::from),
            ElementType::UInt16 => read!(u16, f64::from),
            ElementType::UInt32 => read!(u32, f64::from),
            ElementType::UInt64 => read!(u64, |x| x as f64),
            _ => return None,
        })
    }

    /// `FLOAT32[1,224,224,3]`.
    pub fn form(&self) -> String {
        form(self.ty, &self.shape)
    }
}

/// A type and a shape, as messages say them.
pub(crate) struct Form<'a, D>(pub(crate) ElementType, pub(crate) &'a [D]);

impl<D: fmt::Display> fmt::Display for Form<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.0)?;
        for (n, dimension) in self.1.iter().enumerate() {
            write!(f, "{}{dimension}", if n > 0 { "," } else { "" })?;
        }
        f.write_str("]")
    }
}

/// An input or output of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name in the signature; the tensor's where the model has no signatures.
    pub name: String,
    /// What its elements are.
    #[serde(with = "type_name")]
    pub ty: ElementType,
    /// Its dimensions, -1 where the caller chooses.
    pub shape: Vec<i32>,
    /// Whether the model stores its value, so that it cannot be set.
    #[serde(default)]
    pub constant: bool,
}

impl Port {
    /// The shape with `1` for every dimension that the caller chooses.
    pub fn least_shape(&self) -> Vec<usize> {
        self.shape.iter().map(|d| usize::try_from(*d).unwrap_or(1)).collect()
    }

    /// `FLOAT32[-1,224,224,3]`.
    pub fn form(&self) -> String {
        Form(self.ty, &self.shape).to_string()
    }
}

/// One way to call a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name; `None` where the model has no signatures and its main subgraph is meant.
    pub key: Option<String>,
    /// What it reads.
    pub inputs: Vec<Port>,
    /// What it computes.
    pub outputs: Vec<Port>,
}

impl Interface {
    /// Its name, for messages.
    pub fn label(&self) -> &str {
        self.key.as_deref().unwrap_or("main")
    }
}

/// Element types by their names in the schema.
pub(crate) mod type_name {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use tfq_ir::ElementType;

    pub(crate) fn serialize<S: Serializer>(ty: &ElementType, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(ty.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ElementType, D::Error> {
        let name = String::deserialize(from)?;
        ElementType::from_name(&name)
            .ok_or_else(|| de::Error::custom(format!("there is no element type {name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width() {
        let value = |ty, data: &[u8]| Value { ty, shape: vec![data.len()], data: data.to_vec() };
        assert_eq!(value(ElementType::Int8, &[0xff, 2]).numbers(), Some(vec![-1.0, 2.0]));
        assert_eq!(value(ElementType::Float16, &[0, 0x3c]).numbers(), Some(vec![1.0]));
        assert_eq!(value(ElementType::BFloat16, &[0x80, 0xbf]).numbers(), Some(vec![-1.0]));
        assert_eq!(value(ElementType::UInt16, &[1, 1]).numbers(), Some(vec![257.0]));
        assert_eq!(value(ElementType::Int4, &[0x21]).numbers(), None);
    }

    #[test]
    fn no_shape_is_too_large_to_be_counted() {
        assert_eq!(bytes_of(ElementType::Float32, &[2, 3]), Some(24));
        assert_eq!(bytes_of(ElementType::Int4, &[3]), Some(2));
        assert_eq!(bytes_of(ElementType::Float32, &[]), Some(4));
        assert_eq!(bytes_of(ElementType::Float32, &[usize::MAX, 2, 0]), Some(0));
        assert_eq!(bytes_of(ElementType::Float32, &[usize::MAX, 2]), None);
        assert_eq!(bytes_of(ElementType::Float32, &[usize::MAX / 2]), None);
        assert_eq!(bytes_of(ElementType::String, &[1]), None);
    }

    #[test]
    fn free_dimensions_become_one() {
        let shape = vec![-1, 3];
        let port = Port { name: "x".into(), ty: ElementType::Float32, shape, constant: false };
        assert_eq!(port.least_shape(), [1, 3]);
        assert_eq!(port.form(), "FLOAT32[-1,3]");
    }
}
