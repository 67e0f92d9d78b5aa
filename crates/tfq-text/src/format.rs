//! The format: its version, its levels, and how it calls element types.

use std::fmt;
use tfq_ir::ElementType;

/// Version of the format, which the first line of a text says.
pub const VERSION: u32 = 1;

/// Constants of up to this many elements are written out.
pub(crate) const INLINE_ELEMENTS: usize = 8;
/// Payloads of up to this many bytes are written out.
pub(crate) const INLINE_BYTES: usize = 64;

/// How much a text shows; each level shows what the one before it does, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Ops and how they hang together.
    Topology,
    /// Attributes, types, shapes, and constants of a few elements.
    Types,
    /// Quantisation and operator versions.
    Quant,
    /// Minimum, maximum, mean and so on of larger constants.
    Stats,
    /// A hash of everything that is not written out.
    Hash,
    /// Everything that the file holds: order, buffers, operator codes. With the side file this
    /// is the whole model.
    Full,
}

impl Level {
    /// All levels, from little to much.
    pub const ALL: [Self; 6] =
        [Self::Topology, Self::Types, Self::Quant, Self::Stats, Self::Hash, Self::Full];

    /// Its name: `topology`, `types`, `quant`, `stats`, `hash` or `full`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topology => "topology",
            Self::Types => "types",
            Self::Quant => "quant",
            Self::Stats => "stats",
            Self::Hash => "hash",
            Self::Full => "full",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names of element types in texts.
pub(crate) const TYPE_NAMES: [&str; 23] = [
    "f32", "f16", "i32", "u8", "i64", "str", "bool", "i16", "c64", "i8", "f64", "c128", "u64",
    "resource", "variant", "u32", "u16", "i4", "bf16", "i2", "u4", "f8e4m3fn", "f8e5m2",
];

pub(crate) fn type_name(ty: ElementType) -> &'static str {
    TYPE_NAMES[ty as usize]
}

pub(crate) fn type_from_name(name: &str) -> Option<ElementType> {
    let code = TYPE_NAMES.iter().position(|known| *known == name)?;
    ElementType::from_code(code as i8)
}
