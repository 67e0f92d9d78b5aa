//! What a text says, with names in place of handles.

use super::error::{Parsed, Span, fail};
use crate::quote;
use bytes::Bytes;
use indexmap::IndexMap;
use std::sync::Arc;
use tfq_ir::{CacheReason, ExternalBuffer, Op, OpCode, Tensor};

/// The version of the model format; no runtime takes another.
pub(super) const MODEL_VERSION: u32 = 3;

/// A model with names in place of handles.
#[derive(Default)]
pub(super) struct Raw {
    /// Sections that stand in a text once at most.
    pub(super) once: Once,
    pub(super) version: Option<u32>,
    pub(super) description: Option<Arc<str>>,
    pub(super) metadata: Vec<RawMetadata>,
    pub(super) metadata_buffer: Vec<i32>,
    /// Where numbers of buffers stand, which only layouts give them.
    pub(super) numbers: Option<Span>,
    pub(super) external_groups: Vec<Option<Arc<str>>>,
    pub(super) external_buffers: Vec<ExternalBuffer>,
    pub(super) signatures: Vec<RawSignature>,
    pub(super) subgraphs: Vec<RawSubgraph>,
    pub(super) dequant_cache: Option<Vec<RawCacheEntry>>,
    /// By key.
    pub(super) records: IndexMap<Arc<str>, RawRecord>,
    pub(super) trailer: Bytes,
    pub(super) constants_outside: bool,
    pub(super) op_codes: Vec<OpCode>,
    pub(super) layouts: Vec<RawLayout>,
    pub(super) buffers: Option<RawBuffers>,
    /// Whether some bytes were made up, so that those who share a buffer may differ.
    pub(super) made_up: bool,
}

pub(super) struct RawRecord {
    pub(super) key: Arc<str>,
    pub(super) about: Vec<i32>,
    pub(super) entries: Vec<RawRecordEntry>,
}

/// What a record says of an op or a tensor.
pub(super) struct RawRecordEntry {
    pub(super) subgraph: usize,
    pub(super) of: RawRecorded,
    pub(super) bytes: Bytes,
}

/// An op goes by its first result, or by its number in execution order.
pub(super) enum RawRecorded {
    Op(Name),
    NthOp(usize, Span),
    Tensor(Name),
}

#[derive(Debug)]
pub(super) struct RawMetadata {
    pub(super) name: Option<Arc<str>>,
    /// Where the name stands.
    pub(super) span: Span,
    pub(super) buffer: Option<(u32, Span)>,
    /// Whether it says that it is the place of the record of its name.
    pub(super) of_record: bool,
    pub(super) bytes: Option<Bytes>,
}

pub(super) struct RawSignature {
    pub(super) key: Option<Arc<str>>,
    pub(super) subgraph: u32,
    pub(super) tag: Option<Arc<str>>,
    pub(super) inputs: Vec<(Option<Arc<str>>, RawLink)>,
    pub(super) outputs: Vec<(Option<Arc<str>>, RawLink)>,
}

pub(super) enum RawLink {
    Name(Name),
    /// A number, which must be that of no tensor.
    Raw(i32, Span),
}

/// A tensor's name where it is used.
pub(super) struct Name {
    pub(super) name: String,
    pub(super) span: Span,
}

pub(super) struct RawSubgraph {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) tensors: IndexMap<String, RawTensor>,
    pub(super) inputs: Vec<Name>,
    pub(super) outputs: Vec<Name>,
    pub(super) ops: Vec<RawOp>,
}

pub(super) struct RawTensor {
    pub(super) span: Span,
    pub(super) tensor: Tensor,
    /// Scales and zero points of a blockwise quantisation.
    pub(super) links: Option<(RawLink, RawLink)>,
    pub(super) content: Content,
    /// Whether an op computes it.
    pub(super) result: bool,
    pub(super) input: bool,
    /// What its dimensions say of its rank: `[]` has one, and of `[*]` it is not known.
    pub(super) ranked: Option<bool>,
    /// Whether it has a line of its own.
    pub(super) apart: bool,
}

pub(super) enum Content {
    None,
    Bytes(Bytes),
    /// What another tensor has.
    As(Qualified),
}

/// A tensor, perhaps of another subgraph.
pub(super) struct Qualified {
    pub(super) subgraph: Option<usize>,
    pub(super) tensor: Name,
}

pub(super) struct RawOp {
    pub(super) span: Span,
    pub(super) op: Op,
    pub(super) nth_code: usize,
    pub(super) operands: Vec<Option<Name>>,
    pub(super) results: Vec<Name>,
    pub(super) scratch: Vec<Option<Name>>,
}

pub(super) struct RawCacheEntry {
    pub(super) subgraph: usize,
    pub(super) tensor: Name,
    pub(super) reason: CacheReason,
    pub(super) bytes: u64,
    pub(super) bytes_per_invoke: u64,
}

pub(super) struct RawLayout {
    pub(super) subgraph: usize,
    pub(super) span: Span,
    /// The name in the file, where it is another than the text's.
    pub(super) name: Option<Option<Arc<str>>>,
    pub(super) debug: i32,
    pub(super) tensors: Vec<RawPlace>,
}

pub(super) struct RawPlace {
    pub(super) tensor: Name,
    pub(super) name: Option<Option<Arc<str>>>,
    pub(super) ranked: bool,
    pub(super) fixed: bool,
    pub(super) empty_quantization: bool,
    pub(super) buffer: RawSlot,
}

pub(super) enum RawSlot {
    Next,
    None,
    As(Qualified),
    Number(u32),
}

pub(super) struct RawBuffers {
    pub(super) count: Option<u32>,
    pub(super) span: Span,
    pub(super) bytes: Vec<(u32, Span, Bytes)>,
    pub(super) shared: Vec<RawShared>,
}

/// Numbers of buffers and of large options that have the same bytes.
pub(super) struct RawShared {
    pub(super) span: Span,
    pub(super) buffers: Vec<u32>,
    pub(super) options: Vec<usize>,
}

impl RawSubgraph {
    pub(super) fn new(name: String, span: Span) -> Self {
        Self {
            name,
            span,
            tensors: IndexMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            ops: Vec::new(),
        }
    }
}

/// Words of which each may stand in a place once.
#[derive(Default)]
pub(super) struct Once {
    pub(super) seen: Vec<String>,
}

impl Once {
    pub(super) fn check(&mut self, word: &str, span: &Span) -> Parsed<()> {
        if self.seen.iter().any(|seen| seen == word) {
            return fail(span.clone(), format!("`{}` is set twice", quote::cut(word)));
        }
        self.seen.push(word.to_owned());
        Ok(())
    }
}
