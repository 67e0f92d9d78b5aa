//! Element types of tensors.

use std::fmt;

/// The type of a tensor's elements, with the numbers of the schema's `TensorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum ElementType {
    Float32 = 0,
    Float16 = 1,
    Int32 = 2,
    UInt8 = 3,
    Int64 = 4,
    String = 5,
    Bool = 6,
    Int16 = 7,
    Complex64 = 8,
    Int8 = 9,
    Float64 = 10,
    Complex128 = 11,
    UInt64 = 12,
    Resource = 13,
    Variant = 14,
    UInt32 = 15,
    UInt16 = 16,
    Int4 = 17,
    BFloat16 = 18,
    Int2 = 19,
    UInt4 = 20,
    Float8E4M3Fn = 21,
    Float8E5M2 = 22,
}

/// Name, bits per element (`None` where elements have no fixed size).
const TABLE: [(ElementType, &str, Option<u32>); 23] = {
    use ElementType::*;
    [
        (Float32, "FLOAT32", Some(32)),
        (Float16, "FLOAT16", Some(16)),
        (Int32, "INT32", Some(32)),
        (UInt8, "UINT8", Some(8)),
        (Int64, "INT64", Some(64)),
        (String, "STRING", None),
        (Bool, "BOOL", Some(8)),
        (Int16, "INT16", Some(16)),
        (Complex64, "COMPLEX64", Some(64)),
        (Int8, "INT8", Some(8)),
        (Float64, "FLOAT64", Some(64)),
        (Complex128, "COMPLEX128", Some(128)),
        (UInt64, "UINT64", Some(64)),
        (Resource, "RESOURCE", None),
        (Variant, "VARIANT", None),
        (UInt32, "UINT32", Some(32)),
        (UInt16, "UINT16", Some(16)),
        (Int4, "INT4", Some(4)),
        (BFloat16, "BFLOAT16", Some(16)),
        (Int2, "INT2", Some(2)),
        (UInt4, "UINT4", Some(4)),
        (Float8E4M3Fn, "FLOAT8_E4M3FN", Some(8)),
        (Float8E5M2, "FLOAT8_E5M2", Some(8)),
    ]
};

impl ElementType {
    /// The type with this number in the schema, if there is one.
    pub fn from_code(code: i8) -> Option<Self> {
        TABLE.get(usize::try_from(code).ok()?).map(|row| row.0)
    }

    /// The type with this schema name (`"FLOAT32"`), if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Its number in the schema.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// Its name in the schema, for example `FLOAT32`.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Bits per element; `None` for strings, resources and variants.
    pub fn bits(self) -> Option<u32> {
        TABLE[self as usize].2
    }

    /// Whether elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        use ElementType::*;
        matches!(self, Float32 | Float16 | Float64 | BFloat16 | Float8E4M3Fn | Float8E5M2)
    }

    /// Bytes that `elements` of this type fill in a buffer: sub-byte types are packed over
    /// the flattened tensor, without padding of rows. `None` where there is no fixed size.
    pub fn bytes_for(self, elements: u64) -> Option<u64> {
        elements.checked_mul(u64::from(self.bits()?)).map(|bits| bits.div_ceil(8))
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_code_order() {
        for (code, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, code);
            assert_eq!(ElementType::from_code(code as i8), Some(row.0));
            assert_eq!(ElementType::from_name(row.1), Some(row.0));
        }
        assert_eq!(ElementType::from_code(23), None);
        assert_eq!(ElementType::from_code(-1), None);
    }

    #[test]
    fn sub_byte_types_pack_over_the_flattened_tensor() {
        assert_eq!(ElementType::Int4.bytes_for(3), Some(2));
        assert_eq!(ElementType::Int2.bytes_for(5), Some(2));
        assert_eq!(ElementType::Float32.bytes_for(u64::MAX), None);
        assert_eq!(ElementType::String.bytes_for(1), None);
    }
}
