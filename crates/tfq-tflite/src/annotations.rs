//! What our passes record in the metadata, under `schema/tfq_annotations.fbs`.

use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use std::collections::HashMap;
use tfq_ir::{CacheReason, DequantCache, Module, OpId, SubgraphId, TensorId};
use tfq_schema::annotations as fb;

/// Name of the metadata entry that `annotate-dequant-cache` writes.
pub const DEQUANT_CACHE_METADATA: &str = "tfq.dequant_cache";

/// Encodes the record with the numbers that ops and tensors have in the file.
pub(crate) fn encode(module: &Module, cache: &DequantCache) -> Bytes {
    let mut ops: HashMap<(SubgraphId, OpId), u32> = HashMap::new();
    let mut tensors: HashMap<(SubgraphId, TensorId), u32> = HashMap::new();
    for (id, graph) in module.subgraphs() {
        ops.extend(graph.ops().zip(0..).map(|(op, n)| ((id, op), n)));
        tensors.extend(graph.tensors().zip(0..).map(|(tensor, n)| ((id, tensor), n)));
    }
    let mut fbb = FlatBufferBuilder::new();
    let mut entries = Vec::new();
    // Of the entries written, which may be fewer than were found.
    let mut total = 0;
    for entry in &cache.entries {
        // An op that a later pass erased has nothing to say any more.
        let Some(&operator) = ops.get(&(entry.subgraph, entry.op)) else { continue };
        let graph = module.subgraph(entry.subgraph);
        let (Some(input), Some(&output)) =
            (graph.operand(entry.op, 0), graph.results(entry.op).first())
        else {
            continue;
        };
        let name = graph.tensor(output).name.as_ref().map(|name| fbb.create_string(name));
        total += entry.bytes;
        entries.push(fb::DequantCacheEntry::create(
            &mut fbb,
            &fb::DequantCacheEntryArgs {
                subgraph: entry.subgraph.0,
                operator,
                input: tensors[&(entry.subgraph, input)],
                output: tensors[&(entry.subgraph, output)],
                name,
                cached: entry.reason == CacheReason::CachedConstant,
                reason: match entry.reason {
                    CacheReason::CachedConstant => fb::CacheReason::CACHED_CONSTANT,
                    CacheReason::NotAConstant => fb::CacheReason::NOT_A_CONSTANT,
                    CacheReason::Variable => fb::CacheReason::VARIABLE,
                    CacheReason::SubgraphArgument => fb::CacheReason::SUBGRAPH_ARGUMENT,
                },
                bytes: entry.bytes,
                bytes_per_invoke: entry.bytes_per_invoke,
            },
        ));
    }
    let entries = fbb.create_vector(&entries);
    let producer = fbb.create_string(concat!("tfq-opt ", env!("CARGO_PKG_VERSION")));
    let root = fb::DequantCache::create(
        &mut fbb,
        &fb::DequantCacheArgs {
            version: 1,
            producer: Some(producer),
            entries: Some(entries),
            total_bytes: total,
        },
    );
    fb::finish_dequant_cache_buffer(&mut fbb, root);
    Bytes::copy_from_slice(fbb.finished_data())
}
