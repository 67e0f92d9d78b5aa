//! What our passes record in the metadata, under `schema/tfq_annotations.fbs`.

use crate::metadata::{Numbers, PRODUCER, has_identifier};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use std::sync::Arc;
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::{
    CacheReason, DEQUANT_CACHE_METADATA, DequantCache, DequantCacheEntry, Module, SubgraphId,
};
use tfq_schema::annotations as fb;

/// The layout that we read and write.
const VERSION: u32 = 1;

/// An entry of the record, with the numbers of a file.
#[derive(Debug, PartialEq)]
struct Row {
    subgraph: u32,
    operator: u32,
    input: u32,
    output: u32,
    name: Option<Arc<str>>,
    reason: CacheReason,
    bytes: u64,
    bytes_per_invoke: u64,
}

/// What the file records of cached results. `None` where it records nothing, or what this
/// version does not know, or what is not true of the model's ops and tensors: that is passed on
/// as it is.
pub(crate) fn read(module: &Module) -> Option<DequantCache> {
    let rows = decode(module.metadata_bytes(DEQUANT_CACHE_METADATA)?)?;
    let numbers = Numbers::of(module);
    let entry = |row: &Row| {
        let subgraph = SubgraphId(row.subgraph);
        let op = *numbers.ops.get(row.subgraph as usize)?.get(row.operator as usize)?;
        module.subgraph(subgraph).op(op).kind.is(DEQUANTIZE).then_some(DequantCacheEntry {
            subgraph,
            op,
            reason: row.reason,
            bytes: row.bytes,
            bytes_per_invoke: row.bytes_per_invoke,
        })
    };
    let entries = rows.iter().map(entry).collect::<Option<Vec<_>>>()?;
    let cache = DequantCache { entries };
    (self::rows(module, &numbers, &cache) == rows).then_some(cache)
}

/// The record as it is to be written. `None` where there is none, or the file says the same
/// already: a record that another version wrote in its own way stays as it is.
pub(crate) fn outstanding(module: &Module) -> Option<Bytes> {
    let rows = rows(module, &Numbers::of(module), module.dequant_cache().as_ref()?);
    let there = module.metadata_bytes(DEQUANT_CACHE_METADATA).and_then(|bytes| decode(bytes));
    (there.as_ref() != Some(&rows)).then(|| encode(&rows))
}

/// How many bytes of the file the record takes that lowering would write; `None` where there is
/// none to write.
pub fn dequant_cache_bytes(module: &Module) -> Option<u64> {
    outstanding(module).map(|bytes| bytes.len() as u64)
}

/// The entries of ops that the model still has, with the numbers that ops and tensors have in
/// the file, in their order.
fn rows(module: &Module, numbers: &Numbers, cache: &DequantCache) -> Vec<Row> {
    let row = |entry: &DequantCacheEntry| {
        let graph = module.subgraph(entry.subgraph);
        let (input, output) =
            (graph.operand(entry.op, 0)?, graph.results(entry.op).first().copied()?);
        Some(Row {
            subgraph: entry.subgraph.0,
            operator: numbers.op(entry.op),
            input: numbers.tensor(input),
            output: numbers.tensor(output),
            name: graph.tensor(output).name.clone(),
            reason: entry.reason,
            bytes: entry.bytes,
            bytes_per_invoke: entry.bytes_per_invoke,
        })
    };
    let mut rows: Vec<Row> = cache.entries.iter().filter_map(row).collect();
    rows.sort_by_key(|row| (row.subgraph, row.operator));
    rows
}

fn encode(rows: &[Row]) -> Bytes {
    let mut fbb = FlatBufferBuilder::new();
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let name = row.name.as_ref().map(|name| fbb.create_string(name));
        entries.push(fb::DequantCacheEntry::create(
            &mut fbb,
            &fb::DequantCacheEntryArgs {
                subgraph: row.subgraph,
                operator: row.operator,
                input: row.input,
                output: row.output,
                name,
                cached: row.reason == CacheReason::CachedConstant,
                reason: match row.reason {
                    CacheReason::CachedConstant => fb::CacheReason::CACHED_CONSTANT,
                    CacheReason::NotAConstant => fb::CacheReason::NOT_A_CONSTANT,
                    CacheReason::Variable => fb::CacheReason::VARIABLE,
                    CacheReason::SubgraphArgument => fb::CacheReason::SUBGRAPH_ARGUMENT,
                },
                bytes: row.bytes,
                bytes_per_invoke: row.bytes_per_invoke,
            },
        ));
    }
    let entries = fbb.create_vector(&entries);
    let producer = fbb.create_string(PRODUCER);
    let root = fb::DequantCache::create(
        &mut fbb,
        &fb::DequantCacheArgs {
            version: VERSION,
            producer: Some(producer),
            entries: Some(entries),
            total_bytes: total(rows),
        },
    );
    fb::finish_dequant_cache_buffer(&mut fbb, root);
    Bytes::copy_from_slice(fbb.finished_data())
}

/// The entries of a record, where all of it can be understood and agrees with itself.
fn decode(bytes: &[u8]) -> Option<Vec<Row>> {
    if !has_identifier(bytes, fb::DEQUANT_CACHE_IDENTIFIER) {
        return None;
    }
    let record = fb::root_as_dequant_cache(bytes).ok()?;
    if record.version() != VERSION {
        return None;
    }
    let row = |entry: fb::DequantCacheEntry<'_>| {
        let reason = match entry.reason() {
            fb::CacheReason::CACHED_CONSTANT => CacheReason::CachedConstant,
            fb::CacheReason::NOT_A_CONSTANT => CacheReason::NotAConstant,
            fb::CacheReason::VARIABLE => CacheReason::Variable,
            fb::CacheReason::SUBGRAPH_ARGUMENT => CacheReason::SubgraphArgument,
            _ => return None,
        };
        let agrees = entry.cached() == (reason == CacheReason::CachedConstant);
        agrees.then(|| Row {
            subgraph: entry.subgraph(),
            operator: entry.operator(),
            input: entry.input(),
            output: entry.output(),
            name: entry.name().map(Arc::from),
            reason,
            bytes: entry.bytes(),
            bytes_per_invoke: entry.bytes_per_invoke(),
        })
    };
    let rows = record.entries().into_iter().flatten().map(row).collect::<Option<Vec<_>>>()?;
    (record.total_bytes() == total(&rows)).then_some(rows)
}

/// RAM in bytes that the kept results take; of the entries written, which may be fewer than
/// were found.
fn total(rows: &[Row]) -> u64 {
    rows.iter().fold(0, |sum, row| sum.saturating_add(row.bytes))
}
