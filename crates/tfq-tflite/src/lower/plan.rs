//! What is settled before anything is written.

use crate::{annotations, records};
use bytes::Bytes;
use tfq_ir::maps::{HashMap, HashSet};
use tfq_ir::{BufferId, DEQUANT_CACHE_METADATA, Metadata, Module, OpCode};

/// What is settled before anything is written.
pub(super) struct FilePlan {
    pub(super) op_codes: Vec<OpCode>,
    /// Operator code of each op, per subgraph in execution order.
    pub(super) codes: Vec<Vec<u32>>,
    pub(super) buffers: Vec<Option<Bytes>>,
    pub(super) metadata: Vec<Metadata>,
    /// Buffers that must stay inside: readers of metadata look nowhere else.
    pub(super) inside: Vec<bool>,
}

impl FilePlan {
    pub(super) fn new(module: &Module) -> Self {
        let (op_codes, codes) = op_codes(module);
        let mut buffers: Vec<Option<Bytes>> =
            module.constants().iter().map(|(_, bytes)| bytes.cloned()).collect();
        let mut metadata = module.metadata().to_vec();
        let cache = annotations::outstanding(module);
        let cache = cache.map(|bytes| (DEQUANT_CACHE_METADATA.into(), bytes));
        for (key, bytes) in cache.into_iter().chain(records::outstanding(module)) {
            if buffers.is_empty() {
                // Number 0 is for what has no data.
                buffers.push(None);
            }
            let bytes = Some(bytes);
            match metadata.iter_mut().find(|entry| entry.name.as_ref() == Some(&key)) {
                // The record of an earlier run, if that is all that its buffer is for.
                Some(entry)
                    if entry.buffer != BufferId::NONE && module.buffer_uses(entry.buffer) == 1 =>
                {
                    buffers[entry.buffer.0 as usize] = bytes;
                }
                Some(entry) => {
                    entry.buffer = BufferId(buffers.len() as u32);
                    buffers.push(bytes);
                }
                None => {
                    let buffer = BufferId(buffers.len() as u32);
                    buffers.push(bytes);
                    metadata.push(Metadata { name: Some(key), buffer });
                }
            }
        }
        let mut inside = vec![false; buffers.len()];
        let named = metadata.iter().map(|entry| entry.buffer.0 as usize);
        let listed = module.metadata_buffer().iter().filter_map(|id| usize::try_from(*id).ok());
        for id in named.chain(listed) {
            if let Some(inside) = inside.get_mut(id) {
                *inside = true;
            }
        }
        Self { op_codes, codes, buffers, metadata, inside }
    }

    /// Bytes that constants take, those which share them counted once.
    pub(super) fn payload(&self) -> u64 {
        let mut seen = HashSet::default();
        let each = self.buffers.iter().flatten();
        each.filter(|bytes| seen.insert((bytes.as_ptr(), bytes.len())))
            .map(|bytes| bytes.len() as u64 + 20)
            .sum()
    }
}

/// The operator codes that the file gets, and for each op which is its.
///
/// Entries of the input keep their place. An op keeps its entry; where it needs a higher
/// version, the entry is raised, so that all ops of the entry share it, as the converter does.
/// Versions are never lowered. An op without an entry takes the first of its kind.
fn op_codes(module: &Module) -> (Vec<OpCode>, Vec<Vec<u32>>) {
    let mut table = module.op_codes().to_vec();
    let mut by_kind = HashMap::default();
    for (n, code) in table.iter().enumerate() {
        by_kind.entry(code.kind()).or_insert(n as u32);
    }
    let mut codes = Vec::new();
    for (_, graph) in module.subgraphs() {
        let mut of_ops = Vec::with_capacity(graph.op_count());
        for op in graph.ops().map(|op| graph.op(op)) {
            let own =
                op.code.filter(|n| table.get(*n as usize).is_some_and(|c| c.kind() == op.kind));
            let index = own.or_else(|| by_kind.get(&op.kind).copied()).unwrap_or_else(|| {
                table.push(OpCode::for_kind(&op.kind, op.version));
                by_kind.insert(op.kind.clone(), table.len() as u32 - 1);
                table.len() as u32 - 1
            });
            let entry = &mut table[index as usize];
            entry.version = entry.version.max(op.version);
            of_ops.push(index);
        }
        codes.push(of_ops);
    }
    (table, codes)
}
