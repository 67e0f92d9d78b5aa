//! What is settled before anything is written.

use crate::{annotations, records};
use bytes::Bytes;
use std::sync::Arc;
use tfq_ir::maps::{HashMap, HashSet};
use tfq_ir::{BufferId, ConstantPool, DEQUANT_CACHE_METADATA, Metadata, Module, OpCode};

/// What is settled before anything is written.
pub(super) struct FilePlan<'m> {
    pub(super) op_codes: Vec<OpCode>,
    /// Operator code of each op, per subgraph in execution order.
    pub(super) codes: Vec<Vec<u32>>,
    pub(super) buffers: Buffers<'m>,
    pub(super) metadata: Vec<Metadata>,
    /// Buffers that must stay inside: readers of metadata look nowhere else.
    pub(super) inside: Vec<bool>,
}

/// The constants of the file: those of the model, and records that are still to be written.
pub(super) struct Buffers<'m> {
    pool: &'m ConstantPool,
    replaced: HashMap<usize, Bytes>,
    /// Behind those of the pool.
    added: Vec<Option<Bytes>>,
}

impl Buffers<'_> {
    pub(super) fn len(&self) -> usize {
        self.pool.len() + self.added.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&Bytes>> {
        let pool = self.pool.iter();
        let pool = pool.map(|(id, bytes)| self.replaced.get(&(id.0 as usize)).or(bytes));
        pool.chain(self.added.iter().map(Option::as_ref))
    }

    fn push(&mut self, bytes: Bytes) -> BufferId {
        if self.len() == 0 {
            // Number 0 is for what has no data.
            self.added.push(None);
        }
        self.added.push(Some(bytes));
        BufferId(self.len() as u32 - 1)
    }
}

impl<'m> FilePlan<'m> {
    pub(super) fn new(module: &'m Module) -> Self {
        let (op_codes, codes) = op_codes(module);
        let pool = module.constants();
        let mut buffers = Buffers { pool, replaced: HashMap::default(), added: Vec::new() };
        let mut metadata = module.metadata().to_vec();
        let cache = annotations::outstanding(module);
        let cache = cache.map(|bytes| (DEQUANT_CACHE_METADATA.into(), bytes));
        let outstanding: Vec<_> = cache.into_iter().chain(records::outstanding(module)).collect();
        let places = Places::of(module, outstanding.is_empty());
        for (key, bytes) in outstanding {
            match places.first.get(&key) {
                // The record of an earlier run, if that is all that its buffer is for.
                Some(n) if places.is_alone(metadata[*n].buffer) => {
                    buffers.replaced.insert(metadata[*n].buffer.0 as usize, bytes);
                }
                Some(n) => metadata[*n].buffer = buffers.push(bytes),
                None => metadata.push(Metadata { name: Some(key), buffer: buffers.push(bytes) }),
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

/// Where records go that are to be written.
#[derive(Default)]
struct Places {
    /// The first metadata of each name.
    first: HashMap<Arc<str>, usize>,
    /// How often each buffer is used.
    uses: HashMap<BufferId, usize>,
}

impl Places {
    fn of(module: &Module, is_unused: bool) -> Self {
        let mut places = Self::default();
        if is_unused {
            return places;
        }
        for (n, entry) in module.metadata().iter().enumerate() {
            if let Some(name) = &entry.name {
                places.first.entry(name.clone()).or_insert(n);
            }
        }
        let graphs = module.subgraphs();
        let tensors =
            graphs.flat_map(|(_, graph)| graph.tensors().map(|tensor| graph.tensor(tensor).buffer));
        let named = module.metadata().iter().map(|entry| entry.buffer);
        let listed = module.metadata_buffer().iter().filter_map(|n| u32::try_from(*n).ok());
        for buffer in tensors.chain(named).chain(listed.map(BufferId)) {
            *places.uses.entry(buffer).or_default() += 1;
        }
        places
    }

    fn is_alone(&self, buffer: BufferId) -> bool {
        buffer != BufferId::NONE && self.uses.get(&buffer) == Some(&1)
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
