//! How much room a flatbuffer needs without its constants, before it is built.

use super::plan::FilePlan;
use tfq_ir::maps::HashSet;
use tfq_ir::{
    Attr, Attributes, Module, OpId, Quantization, QuantizationDetails, Signature, SparseIndex,
    Sparsity, Subgraph, Tensor,
};

/// The length of a vector or string, its alignment, and the offset to it.
const VECTOR: u64 = 24;
/// A table of a few fields with its vtable, and the offset to it.
const TABLE: u64 = 64;
/// A field of a table with its place in the vtable.
const FIELD: u64 = 12;
/// The table of a buffer and what aligns its bytes.
const BUFFER: u64 = 48;

/// No less than the flatbuffer takes, padding and vtables included.
pub(super) fn needed(module: &Module, plan: &FilePlan<'_>, limit: u64) -> u64 {
    // Most models need no look at what is written once for all that share it.
    let bytes = Room::default().model(module, plan);
    if bytes <= limit {
        return bytes;
    }
    Room { seen: Some(Seen::default()) }.model(module, plan)
}

#[derive(Default)]
struct Room<'m> {
    seen: Option<Seen<'m>>,
}

/// What the writer writes once.
#[derive(Default)]
struct Seen<'m> {
    strings: HashSet<&'m str>,
    ints: HashSet<&'m [i32]>,
    longs: HashSet<&'m [i64]>,
}

impl<'m> Room<'m> {
    fn model(&mut self, module: &'m Module, plan: &'m FilePlan<'m>) -> u64 {
        let mut bytes = 4 * TABLE + 8 * VECTOR + BUFFER * plan.buffers.len() as u64;
        for (_, graph) in module.subgraphs() {
            bytes += self.subgraph(graph);
        }
        for code in &plan.op_codes {
            bytes += TABLE + self.string(code.custom.as_deref());
        }
        for entry in &plan.metadata {
            bytes += TABLE + self.string(entry.name.as_deref());
        }
        bytes += 4 * module.metadata_buffer().len() as u64;
        for signature in module.signatures() {
            bytes += self.signature(signature);
        }
        for name in module.external_buffer_groups() {
            bytes += TABLE + self.string(name.as_deref());
        }
        for buffer in module.external_buffers() {
            bytes += 2 * TABLE + self.string(buffer.packing.as_deref());
        }
        bytes + self.string(module.description().map(|text| &**text))
    }

    fn string(&mut self, text: Option<&'m str>) -> u64 {
        let Some(text) = text else { return 0 };
        let again = self.seen.as_mut().is_some_and(|seen| !seen.strings.insert(text));
        if again { 0 } else { VECTOR + text.len() as u64 }
    }

    fn ints(&mut self, list: &'m [i32]) -> u64 {
        let again = self.seen.as_mut().is_some_and(|seen| !seen.ints.insert(list));
        if again { 0 } else { VECTOR + 4 * list.len() as u64 }
    }

    fn longs(&mut self, list: &'m [i64]) -> u64 {
        let again = self.seen.as_mut().is_some_and(|seen| !seen.longs.insert(list));
        if again { 0 } else { VECTOR + 8 * list.len() as u64 }
    }

    fn signature(&mut self, signature: &'m Signature) -> u64 {
        let mut bytes = TABLE + 2 * VECTOR;
        bytes += self.string(signature.key.as_deref());
        bytes += self.string(signature.deprecated_tag.as_deref());
        for (name, _) in signature.inputs.iter().chain(&signature.outputs) {
            bytes += TABLE + self.string(name.as_deref());
        }
        bytes
    }

    fn subgraph(&mut self, graph: &'m Subgraph) -> u64 {
        let listed = graph.inputs().len() + graph.outputs().len();
        let mut bytes = TABLE + 4 * VECTOR + 4 * listed as u64;
        bytes += self.string(graph.name.as_deref());
        for id in graph.tensors() {
            bytes += self.tensor(graph.tensor(id));
        }
        for op in graph.ops() {
            bytes += self.op(graph, op);
        }
        bytes
    }

    fn tensor(&mut self, tensor: &'m Tensor) -> u64 {
        let mut bytes = 2 * TABLE;
        bytes += self.string(tensor.name.as_deref());
        bytes += self.ints(&tensor.shape) + self.ints(&tensor.shape_signature);
        bytes += tensor.quantization.as_deref().map_or(0, |q| self.quantization(q));
        bytes += tensor.sparsity.as_deref().map_or(0, sparsity);
        for variant in &tensor.variant_tensors {
            bytes += TABLE + self.ints(&variant.shape);
        }
        bytes
    }

    fn quantization(&mut self, q: &'m Quantization) -> u64 {
        let floats = q.min.len() + q.max.len() + q.scale.len();
        let details = match &q.details {
            QuantizationDetails::None => 0,
            QuantizationDetails::Custom(bytes) => TABLE + BUFFER + bytes.len() as u64,
            QuantizationDetails::Blockwise { block_shape: list, .. }
            | QuantizationDetails::MultiAxis { quantized_dimensions: list, .. } => {
                TABLE + self.ints(list)
            }
        };
        TABLE + 3 * VECTOR + 4 * floats as u64 + self.longs(&q.zero_point) + details
    }

    fn op(&mut self, graph: &'m Subgraph, id: OpId) -> u64 {
        let op = graph.op(id);
        // Their lists are made anew of handles, and some are alike: so much they take at most.
        let tensors = graph.slot_count(id);
        // Large ones follow the flatbuffer.
        let custom = op.custom_options.bytes.as_ref().filter(|_| !op.custom_options.large);
        let beside = custom.map_or(0, |bytes| bytes.len()) + op.mutating_variable_inputs.len();
        let attributes = op.attrs.iter().chain(op.extra_attrs.as_deref());
        2 * TABLE
            + 5 * VECTOR
            + (4 * tensors + beside) as u64
            + attributes.map(options).sum::<u64>()
    }
}

fn options(attributes: &Attributes) -> u64 {
    let value = |value: &Attr| match value {
        Attr::Bool(_) | Attr::Int(_) | Attr::Float(_) => 0,
        Attr::String(text) => VECTOR + text.len() as u64,
        Attr::Bytes(bytes) => VECTOR + bytes.len() as u64,
        Attr::Bools(list) => VECTOR + list.len() as u64,
        Attr::Ints(list) => VECTOR + 8 * list.len() as u64,
        Attr::Floats(list) => VECTOR + 4 * list.len() as u64,
    };
    let set = attributes.set_values().map(|(_, set)| FIELD + value(set));
    TABLE + set.sum::<u64>()
}

fn sparsity(s: &Sparsity) -> u64 {
    let index = |index: &SparseIndex| match index {
        SparseIndex::None => 0,
        SparseIndex::Int32(list) => TABLE + VECTOR + 4 * list.len() as u64,
        SparseIndex::Uint16(list) => TABLE + VECTOR + 2 * list.len() as u64,
        SparseIndex::Uint8(list) => TABLE + VECTOR + list.len() as u64,
    };
    let dims = s.dim_metadata.iter();
    let dims = dims.map(|dim| TABLE + index(&dim.array_segments) + index(&dim.array_indices));
    let lists = s.traversal_order.len() + s.block_map.len();
    TABLE + 3 * VECTOR + 4 * lists as u64 + dims.sum::<u64>()
}
