//! What matters only to the file: order, buffers, operator codes.

use super::printer::{Printed, Printer, key};
use crate::quote;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::fmt::Write;
use tfq_ir::{BufferId, Module, OpCode, Quantization, SubgraphId, TensorId};

impl Printer<'_> {
    /// What matters only to the file.
    pub(super) fn file(&mut self, layout: &Layout) {
        let module = self.module;
        if module.constants_outside() {
            self.out.push_str("\nconstants outside\n");
        }
        if !module.metadata_buffer().is_empty() {
            self.out.push_str("\nmetadata_buffer ");
            self.every(module.metadata_buffer());
            self.out.push('\n');
        }
        if !module.op_codes().is_empty() {
            self.out.push_str("\nopcodes {\n");
            for code in module.op_codes() {
                self.op_code(code);
            }
            self.out.push_str("}\n");
        }
        for (id, graph) in module.subgraphs() {
            let names = self.names[id.0 as usize].take().expect("all subgraphs have names");
            let place = Printed { id, graph, names: &names };
            let name = self.subgraphs[id.0 as usize].clone();
            self.out.push_str("\nlayout ");
            quote::name(&mut self.out, '@', &name);
            self.real_name(graph.name.as_deref(), &name);
            if graph.debug_metadata_index != -1 {
                _ = write!(self.out, " debug {}", graph.debug_metadata_index);
            }
            let count = graph.tensors().filter(|t| graph.tensor(*t).has_rank).count();
            let ranked = 2 * count > graph.tensor_count();
            self.out.push_str(if ranked { " ranked {\n" } else { " {\n" });
            for (n, tensor) in graph.tensors().enumerate() {
                self.out.push_str("  ");
                self.tensor_name(&place, tensor);
                let data = graph.tensor(tensor);
                if let Some(name) = names.get(tensor) {
                    self.real_name(data.name.as_deref(), name);
                }
                if data.has_rank != ranked {
                    self.out.push_str(if ranked { " unranked" } else { " ranked" });
                }
                if data.quantization.as_deref().is_some_and(|q| *q == Quantization::default()) {
                    self.out.push_str(" q()");
                }
                if !data.shape_signature.is_empty()
                    && data.shape_signature == data.shape
                    && data.shape.iter().all(|d| *d != -1)
                {
                    self.out.push_str(" static");
                }
                match layout.tensors[id.0 as usize][n] {
                    Slot::Next => (),
                    Slot::None => self.out.push_str(" none"),
                    Slot::Number(buffer) => _ = write!(self.out, " buffer {buffer}"),
                    Slot::As(owner, other) => {
                        self.out.push_str(" as ");
                        self.qualified(&place, owner, other);
                    }
                }
                self.out.push('\n');
            }
            self.out.push_str("}\n");
            self.names[id.0 as usize] = Some(names);
        }
        self.buffers(layout.implied);
    }

    pub(super) fn op_code(&mut self, code: &OpCode) {
        let kind = code.kind();
        let usual = OpCode::for_kind(&kind, code.version);
        self.out.push_str("  ");
        self.kind(&kind);
        if code.version != 1 {
            _ = write!(self.out, ".v{}", code.version);
        }
        if code.builtin != usual.builtin {
            _ = write!(self.out, " builtin_code {}", code.builtin);
        }
        if code.deprecated_builtin != usual.deprecated_builtin {
            _ = write!(self.out, " deprecated_builtin_code {}", code.deprecated_builtin);
        }
        if code.custom != usual.custom {
            self.out.push_str(" custom_code ");
            self.optional(code.custom.as_deref());
        }
        self.out.push('\n');
    }

    /// How many buffers there are, where that is not plain, those whose bytes stand nowhere
    /// else, and which of them share their bytes.
    pub(super) fn buffers(&mut self, implied: usize) {
        let module = self.module;
        let start = self.out.len();
        for (id, bytes) in module.constants().iter() {
            let Some(bytes) = bytes.filter(|_| !self.written.contains(&id)) else { continue };
            _ = write!(self.out, "  {} = ", id.0);
            self.blob(bytes);
            self.out.push('\n');
        }
        for shared in self.shared() {
            self.out.push_str("  shared");
            shared.buffers.iter().for_each(|id| _ = write!(self.out, " {id}"));
            if !shared.options.is_empty() {
                self.out.push_str(" options");
                shared.options.iter().for_each(|n| _ = write!(self.out, " {n}"));
            }
            self.out.push('\n');
        }
        let (more, count) = (self.out.len() > start, module.constants().len());
        let mut head = String::new();
        if more || count != implied {
            head.push_str("\nbuffers");
        }
        if count != implied {
            _ = write!(head, " {count}");
        }
        if more {
            head.push_str(" {\n");
            self.out.push('}');
        }
        if !head.is_empty() {
            self.out.insert_str(start, &head);
            self.out.push('\n');
        }
    }

    /// Buffers, and options of ops that lie behind the flatbuffer, which have the same bytes: a
    /// file has these once. Such options are counted in the order of the text.
    fn shared(&self) -> Vec<Shared> {
        let module = self.module;
        let mut groups: IndexMap<(usize, usize), Shared> = IndexMap::new();
        for (id, bytes) in module.constants().iter() {
            let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { continue };
            groups.entry(key(bytes)).or_default().buffers.push(id.0);
        }
        let ops = module.subgraphs().flat_map(|(_, graph)| graph.ops().map(|op| graph.op(op)));
        let options = ops.map(|op| &op.custom_options).filter(|options| options.large);
        for (n, bytes) in options.filter_map(|options| options.bytes.as_ref()).enumerate() {
            if !bytes.is_empty() {
                groups.entry(key(bytes)).or_default().options.push(n);
            }
        }
        let several = |shared: &Shared| shared.buffers.len() + shared.options.len() > 1;
        groups.into_values().filter(several).collect()
    }

    pub(super) fn real_name(&mut self, real: Option<&str>, printed: &str) {
        if real != Some(printed) {
            self.out.push_str(" name ");
            self.optional(real);
        }
    }
}

/// Who has the same bytes.
#[derive(Default)]
struct Shared {
    buffers: Vec<u32>,
    options: Vec<usize>,
}

/// Which buffer each tensor has, said in such a way that one more tensor changes one line.
pub(super) struct Layout {
    pub(super) tensors: Vec<Vec<Slot>>,
    /// `None` where it is the next one.
    pub(super) metadata: Vec<Option<u32>>,
    /// How many buffers there are at least.
    pub(super) implied: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// The one after that of the tensor before.
    Next,
    /// Number 0.
    None,
    /// The same as a tensor before.
    As(SubgraphId, TensorId),
    Number(u32),
}

impl Layout {
    pub(super) fn new(module: &Module) -> Self {
        let mut next = 1;
        let mut owners: HashMap<BufferId, (SubgraphId, TensorId)> = HashMap::new();
        let mut tensors = Vec::new();
        for (id, graph) in module.subgraphs() {
            let mut slots = Vec::with_capacity(graph.tensor_count());
            for tensor in graph.tensors() {
                let buffer = graph.tensor(tensor).buffer;
                slots.push(if buffer == BufferId::NONE {
                    Slot::None
                } else if let Some((owner, other)) = owners.get(&buffer) {
                    Slot::As(*owner, *other)
                } else {
                    owners.insert(buffer, (id, tensor));
                    let slot = if buffer.0 == next { Slot::Next } else { Slot::Number(buffer.0) };
                    next = buffer.0.saturating_add(1);
                    slot
                });
            }
            tensors.push(slots);
        }
        let metadata = module.metadata().iter().map(|entry| {
            let own = entry.buffer.0 == next;
            next = entry.buffer.0.saturating_add(1);
            (!own).then_some(entry.buffer.0)
        });
        let metadata = metadata.collect();
        let named = owners.keys().map(|id| id.0).max().unwrap_or(0);
        let kept = module.metadata().iter().map(|entry| entry.buffer.0).max().unwrap_or(0);
        Self { tensors, metadata, implied: named.max(kept) as usize + 1 }
    }
}
