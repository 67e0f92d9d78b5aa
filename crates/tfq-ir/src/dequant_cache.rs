//! The record of cached Dequantize results.

use crate::catalog::ops;
use crate::maps::{HashSet, IndexMap};
use crate::{
    DEQUANT_CACHE_METADATA, Edit, Module, ModuleParts, OpId, Record, RecordEntry, Recorded,
    SubgraphId,
};
use std::sync::Arc;

/// For each Dequantize of the model, whether the runtime computes its result once and keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct DequantCache {
    pub entries: Vec<DequantCacheEntry>,
}

impl DequantCache {
    /// RAM in bytes that the cached results hold for as long as the model is loaded.
    pub fn total_bytes(&self) -> u64 {
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.bytes))
    }
}

impl Edit {
    /// Sets what is known of cached Dequantize results: an [`Edit::Record`]. `None` drops the
    /// metadata entry of the file as well.
    pub fn dequant_cache(cache: Option<DequantCache>) -> Self {
        let record = cache.map(|cache| Arc::new(cache.record()));
        Self::Record(DEQUANT_CACHE_METADATA.into(), record)
    }
}

/// One Dequantize.
#[derive(Clone, Debug, PartialEq)]
pub struct DequantCacheEntry {
    /// Where the op is.
    pub subgraph: SubgraphId,
    /// The op.
    pub op: OpId,
    /// Why the result is cached or not.
    pub reason: CacheReason,
    /// RAM in bytes that the cached result holds; 0 where it is not cached.
    pub bytes: u64,
    /// Bytes that are computed anew at each run; 0 where it is cached.
    pub bytes_per_invoke: u64,
}

/// Why the runtime caches the result of a Dequantize, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheReason {
    /// The operand is a constant of the file: computed at the first run, then kept.
    CachedConstant,
    /// The operand is computed at run time.
    NotAConstant,
    /// The operand is a variable or an input.
    Variable,
    /// The operand is a constant of the caller, handed in as an argument.
    SubgraphArgument,
}

/// In the order of their numbers in a record.
const REASONS: [CacheReason; 4] = [
    CacheReason::CachedConstant,
    CacheReason::NotAConstant,
    CacheReason::Variable,
    CacheReason::SubgraphArgument,
];

impl DequantCache {
    /// The record that says this: for each op the number of the reason, then both counts of bytes.
    pub fn record(&self) -> Record {
        let entry = |entry: &DequantCacheEntry| {
            let reason = REASONS.iter().position(|reason| *reason == entry.reason);
            let mut bytes = vec![reason.expect("all are listed") as u8];
            bytes.extend(entry.bytes.to_le_bytes());
            bytes.extend(entry.bytes_per_invoke.to_le_bytes());
            RecordEntry { of: Recorded::Op(entry.op), bytes: bytes.into() }
        };
        Record { entries: self.entries.iter().map(entry).collect(), about: vec![ops::DEQUANTIZE] }
    }
}

impl DequantCacheEntry {
    /// Whether what it says goes together.
    fn agrees(&self) -> bool {
        match self.reason {
            CacheReason::CachedConstant => self.bytes_per_invoke == 0,
            CacheReason::NotAConstant | CacheReason::Variable | CacheReason::SubgraphArgument => {
                self.bytes == 0
            }
        }
    }

    fn of(subgraph: SubgraphId, entry: &RecordEntry) -> Option<Self> {
        let Recorded::Op(op) = entry.of else { return None };
        let (reason, numbers) = entry.bytes.split_first()?;
        let (bytes, per_invoke) = numbers.split_at_checked(size_of::<u64>())?;
        let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
        Some(Self {
            subgraph,
            op,
            reason: *REASONS.get(usize::from(*reason))?,
            bytes: number(bytes)?,
            bytes_per_invoke: number(per_invoke)?,
        })
    }
}

/// Why the record cannot be that of cached results, if it cannot.
pub(crate) fn not_dequant_cache(module: &Module, record: &Record) -> Option<String> {
    if record.about[..] != [ops::DEQUANTIZE] {
        let what = "it must be about DEQUANTIZE alone, or it would outlast what it is true of";
        return Some(what.to_owned());
    }
    let mut told = HashSet::default();
    let mut total = 0_u64;
    module.recorded(record).find_map(|(sg, entry)| {
        let what = match DequantCacheEntry::of(sg, entry) {
            None => {
                "its entry is not that of an op: a byte for the reason, two counts of 8 bytes each"
            }
            Some(entry) if !module.subgraph(sg).op(entry.op).kind.is(ops::DEQUANTIZE) => {
                "it is no DEQUANTIZE"
            }
            Some(entry) if !told.insert(entry.op) => "it has two entries",
            Some(entry) if !entry.agrees() => {
                "its result is computed once and takes RAM, or at each run and takes none"
            }
            Some(entry) => {
                total = match total.checked_add(entry.bytes) {
                    Some(sum) => sum,
                    None => return Some("the results take more bytes than can be counted".into()),
                };
                return None;
            }
        };
        let place = match entry.of {
            Recorded::Op(op) => module.op_place(sg, op).to_string(),
            Recorded::Tensor(tensor) => module.tensor_place(sg, tensor).to_string(),
        };
        Some(format!("{place}: {what}"))
    })
}

impl Module {
    /// What `annotate-dequant-cache` found of the ops that are still there, now or for the file;
    /// lowering writes it into the metadata.
    pub fn dequant_cache(&self) -> Option<DequantCache> {
        let record = self.record(DEQUANT_CACHE_METADATA)?;
        let entries = self.recorded(record).map(|(sg, entry)| DequantCacheEntry::of(sg, entry));
        Some(DequantCache { entries: entries.collect::<Option<_>>()? })
    }

    /// The module with what its file records of cached Dequantize results. It is another one, which
    /// no edits lead to.
    #[must_use]
    pub fn with_dequant_cache(mut self, cache: Option<DequantCache>) -> Self {
        self.log.part();
        put(&mut self.records, cache);
        self
    }
}

impl ModuleParts {
    /// Sets what is known of cached Dequantize results.
    pub fn set_dequant_cache(&mut self, cache: Option<DequantCache>) {
        put(&mut self.records, cache);
    }
}

fn put(records: &mut IndexMap<Arc<str>, Arc<Record>>, cache: Option<DequantCache>) {
    records.shift_remove(DEQUANT_CACHE_METADATA);
    records.extend(cache.map(|cache| (DEQUANT_CACHE_METADATA.into(), cache.record().into())));
}
