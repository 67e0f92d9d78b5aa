//! Metadata that refers to parts of the model by number, and is wrong where these move.

/// Name of the metadata entry in which the file holds a [`crate::DequantCache`].
pub const DEQUANT_CACHE_METADATA: &str = "tfq.dequant_cache";

/// Kinds of things that a file refers to by their place in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Numbers {
    pub subgraphs: bool,
    pub ops: bool,
    pub tensors: bool,
    pub buffers: bool,
}

impl Numbers {
    const NONE: Self = Self { subgraphs: false, ops: false, tensors: false, buffers: false };

    /// All kinds.
    pub const ALL: Self = Self { subgraphs: true, ops: true, tensors: true, buffers: true };

    /// What either holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            subgraphs: self.subgraphs || other.subgraphs,
            ops: self.ops || other.ops,
            tensors: self.tensors || other.tensors,
            buffers: self.buffers || other.buffers,
        }
    }

    /// A kind that both hold, in words.
    pub fn common(self, other: Self) -> Option<&'static str> {
        let kinds = [
            (self.subgraphs && other.subgraphs, "subgraphs"),
            (self.ops && other.ops, "ops"),
            (self.tensors && other.tensors, "tensors"),
            (self.buffers && other.buffers, "buffers"),
        ];
        kinds.into_iter().find_map(|(both, kind)| both.then_some(kind))
    }
}

/// What is known of a metadata entry that numbers parts of the model.
#[derive(Clone, Copy, Debug)]
pub struct Numbering {
    /// The name of the entry.
    pub name: &'static str,
    /// What it refers to by number.
    pub numbers: Numbers,
    /// Whether [`crate::Module`] keeps it true: it is rewritten or dropped as the model changes.
    /// Others have a format that we only pass on.
    pub kept_true: bool,
}

/// Every such entry. `TFLITE_METADATA` has a list for subgraphs as well, but its writers and
/// readers allow one element, the main subgraph, which never moves.
static NUMBERINGS: &[Numbering] = &[
    Numbering {
        name: DEQUANT_CACHE_METADATA,
        numbers: Numbers { subgraphs: true, ops: true, tensors: true, ..Numbers::NONE },
        kept_true: true,
    },
    // LiteRT: for each subgraph, pairs of ops of which one waits for the other.
    Numbering {
        name: "model_control_dependencies",
        numbers: Numbers { subgraphs: true, ops: true, ..Numbers::NONE },
        kept_true: false,
    },
    // TFLM: a subgraph, and an offset in the arena for each of its tensors.
    Numbering {
        name: "OfflineMemoryAllocation",
        numbers: Numbers { subgraphs: true, tensors: true, ..Numbers::NONE },
        kept_true: false,
    },
    // TFLM: for each subgraph, tensors with the buffer of their look-up table.
    Numbering {
        name: "COMPRESSION_METADATA",
        numbers: Numbers { subgraphs: true, tensors: true, buffers: true, ..Numbers::NONE },
        kept_true: false,
    },
];

/// Those that [`crate::Module`] keeps true.
pub(crate) fn kept_true() -> impl Iterator<Item = &'static Numbering> {
    NUMBERINGS.iter().filter(|numbering| numbering.kept_true)
}

/// What is known of the metadata entry of this name; `None` where it numbers nothing.
pub fn numbering(name: &str) -> Option<&'static Numbering> {
    NUMBERINGS.iter().find(|numbering| numbering.name == name)
}
