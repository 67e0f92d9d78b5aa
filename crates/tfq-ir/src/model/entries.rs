//! Entries of the lists that a model has beside its subgraphs and constants.

use crate::{BufferId, OpKind, catalog};
use std::sync::Arc;

/// An entry of the model's operator codes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OpCode {
    pub builtin: i32,
    /// The one-byte field of old files; the larger of the two counts.
    pub deprecated_builtin: i8,
    pub custom: Option<Arc<str>>,
    pub version: i32,
}

impl OpCode {
    /// The entry that a writer makes for an op.
    pub fn for_kind(kind: &OpKind, version: i32) -> Self {
        let (builtin, custom) = match kind {
            OpKind::Builtin(code) => (*code, None),
            OpKind::Custom(name) => (catalog::ops::CUSTOM, Some(name.clone())),
        };
        // Codes that one byte cannot hold leave the placeholder there.
        Self { builtin, deprecated_builtin: builtin.min(127) as i8, custom, version }
    }

    /// What ops with this code compute.
    pub fn kind(&self) -> OpKind {
        match self.builtin.max(i32::from(self.deprecated_builtin)) {
            catalog::ops::CUSTOM => {
                OpKind::Custom(self.custom.clone().unwrap_or_else(|| Arc::from("")))
            }
            code => OpKind::Builtin(code),
        }
    }
}

/// A named buffer.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Metadata {
    pub name: Option<Arc<str>>,
    pub buffer: BufferId,
}

/// A constant in another file.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ExternalBuffer {
    pub id: u32,
    pub group: u32,
    pub offset: u64,
    pub length: u64,
    pub packing: Option<Arc<str>>,
}
