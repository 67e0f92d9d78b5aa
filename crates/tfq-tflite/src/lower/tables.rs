//! Tables of the flatbuffer, from the model down.

use super::plan::FilePlan;
use crate::options;
use crate::scan::u32_at;
use bytes::Bytes;
use flatbuffers::{
    FlatBufferBuilder, ForwardsUOffset, Push, PushAlignment, UnionWIPOffset, Vector, WIPOffset,
};
use hashbrown::HashTable;
use smallvec::SmallVec;
use std::hash::BuildHasher;
use std::sync::Arc;
use tfq_ir::catalog::OptionsUnion;
use tfq_ir::maps::{HashMap, RandomState};
use tfq_ir::{
    Module, OpCode, OpId, Quantization, QuantizationDetails, Signature, SparseIndex, Sparsity,
    Subgraph, Tensor, TensorId, TensorLink, bytes_of_text,
};
use tfq_schema::tflite as fb;

#[derive(Clone, Copy)]
pub(super) enum Payloads {
    /// Placeholders; the constants follow the flatbuffer.
    Behind { outside: bool },
    /// Vectors in the builder.
    InBuilder,
}

/// Tensors by their places in the subgraph.
type Places = SmallVec<[i32; 8]>;

/// The places of a subgraph's tensors in the file.
pub(super) struct Index(Vec<i32>);

impl Index {
    fn of(graph: &Subgraph) -> Self {
        let mut index = Vec::new();
        for (place, tensor) in (0..).zip(graph.tensors()) {
            let number = tensor.number() as usize;
            index.resize(index.len().max(number + 1), -1);
            index[number] = place;
        }
        Self(index)
    }
}

impl std::ops::Index<&TensorId> for Index {
    type Output = i32;

    fn index(&self, tensor: &TensorId) -> &i32 {
        &self.0[tensor.number() as usize]
    }
}

/// Vectors or strings that are in the builder, by where they are there.
#[derive(Default)]
struct Written {
    places: HashTable<u32>,
    hasher: RandomState,
}

impl Written {
    /// Where the elements are, whose bytes these are, each so wide; unless they are there, they are
    /// written.
    fn place<'a>(
        &mut self,
        fbb: &mut FlatBufferBuilder<'a>,
        bytes: &[u8],
        width: usize,
        write: impl FnOnce(&mut FlatBufferBuilder<'a>) -> u32,
    ) -> u32 {
        fn written<'b>(fbb: &'b FlatBufferBuilder<'_>, place: u32, width: usize) -> &'b [u8] {
            let data = fbb.unfinished_data();
            let first = data.len() - place as usize;
            &data[first + 4..][..u32_at(data, first) * width]
        }
        let hash = self.hasher.hash_one(bytes);
        if let Some(place) = self.places.find(hash, |place| written(fbb, *place, width) == bytes) {
            return *place;
        }
        let place = write(fbb);
        let hash_of = |place: &u32| self.hasher.hash_one(written(fbb, *place, width));
        self.places.insert_unique(hash, place, hash_of);
        place
    }
}

/// Writes tables. Equal strings and equal vectors of numbers are written once: shapes, and
/// above all the zero points of symmetric quantisation, repeat all over a model.
pub(super) struct Writer<'m> {
    module: &'m Module,
    plan: &'m FilePlan<'m>,
    pub(super) payloads: Payloads,
}

#[derive(Default)]
struct Shared<'a> {
    strings: Written,
    ints: Written,
    longs: Written,
    /// A table without any field set, as old converters give every tensor.
    empty_quantization: Option<WIPOffset<fb::QuantizationParameters<'a>>>,
}

impl<'m> Writer<'m> {
    pub(super) fn new(module: &'m Module, plan: &'m FilePlan<'m>, payloads: Payloads) -> Self {
        Self { module, plan, payloads }
    }

    /// An empty constant stays inside, since an offset with size 0 would come back as none.
    pub(super) fn is_inside(&self, n: usize, bytes: &Bytes, outside: bool) -> bool {
        !outside || self.plan.inside[n] || bytes.is_empty()
    }

    pub(super) fn model<'a>(&mut self, fbb: &mut FlatBufferBuilder<'a>) {
        let shared = &mut Shared::default();
        let m = self.module;
        let mut subgraphs = Vec::new();
        let mut indices = Vec::new();
        for (id, graph) in m.subgraphs() {
            let (sg, index) = self.subgraph(fbb, shared, id.0 as usize, graph);
            subgraphs.push(sg);
            indices.push(index);
        }
        let subgraphs = fbb.create_vector(&subgraphs);
        // A builder grows towards the front. Written after the subgraphs, constants have those
        // behind them, and kernels that read past a constant stay inside the file.
        let buffers = self.buffers(fbb);
        let codes: Vec<_> =
            self.plan.op_codes.iter().map(|code| op_code(fbb, shared, code)).collect();
        let codes = fbb.create_vector(&codes);
        let metadata: Vec<_> = self
            .plan
            .metadata
            .iter()
            .map(|entry| {
                let name = entry.name.as_ref().map(|name| string(fbb, shared, name));
                fb::Metadata::create(fbb, &fb::MetadataArgs { name, buffer: entry.buffer.0 })
            })
            .collect();
        let metadata = (!metadata.is_empty()).then(|| fbb.create_vector(&metadata));
        let metadata_buffer =
            (!m.metadata_buffer().is_empty()).then(|| fbb.create_vector(m.metadata_buffer()));
        let signatures: Vec<_> =
            m.signatures().iter().map(|s| signature(fbb, shared, s, &indices)).collect();
        let signature_defs = (!signatures.is_empty()).then(|| fbb.create_vector(&signatures));
        let (groups, externals) = external(fbb, shared, m);
        let description = m.description().map(|text| string(fbb, shared, text));
        let root = fb::Model::create(
            fbb,
            &fb::ModelArgs {
                version: m.version(),
                operator_codes: Some(codes),
                subgraphs: Some(subgraphs),
                description,
                buffers: Some(buffers),
                metadata_buffer,
                metadata,
                signature_defs,
                external_buffer_groups: groups,
                external_buffers: externals,
            },
        );
        fb::finish_model_buffer(fbb, root);
    }

    fn buffers<'a>(&self, fbb: &mut FlatBufferBuilder<'a>) -> BufferVector<'a> {
        // Buffers without data are one and the same empty table.
        let mut empty = None;
        let mut written: HashMap<(usize, usize), WIPOffset<fb::Buffer<'a>>> = HashMap::default();
        let mut tables = Vec::with_capacity(self.plan.buffers.len());
        for (n, bytes) in self.plan.buffers.iter().enumerate() {
            let Some(bytes) = bytes else {
                tables
                    .push(*empty.get_or_insert_with(|| {
                        fb::Buffer::create(fbb, &fb::BufferArgs::default())
                    }));
                continue;
            };
            tables.push(match self.payloads {
                Payloads::InBuilder => {
                    let key = (bytes.as_ptr() as usize, bytes.len());
                    match written.get(&key).filter(|_| !bytes.is_empty()) {
                        Some(table) => *table,
                        None => {
                            let data = Some(aligned_vector(fbb, bytes));
                            let args = fb::BufferArgs { data, ..Default::default() };
                            let table = fb::Buffer::create(fbb, &args);
                            written.insert(key, table);
                            table
                        }
                    }
                }
                Payloads::Behind { outside } => {
                    let table = fbb.start_table();
                    if self.is_inside(n, bytes, outside) {
                        // An offset is four bytes like this; its value is put in later.
                        fbb.push_slot_always(fb::Buffer::VT_DATA, 0_u32);
                    } else {
                        fbb.push_slot_always(fb::Buffer::VT_SIZE, 1_u64);
                        fbb.push_slot_always(fb::Buffer::VT_OFFSET, 1_u64);
                    }
                    WIPOffset::new(fbb.end_table(table).value())
                }
            });
        }
        fbb.create_vector(&tables)
    }

    fn subgraph<'a>(
        &self,
        fbb: &mut FlatBufferBuilder<'a>,
        shared: &mut Shared<'a>,
        n: usize,
        graph: &Subgraph,
    ) -> (WIPOffset<fb::SubGraph<'a>>, Index) {
        let index = Index::of(graph);
        let tensors: Vec<_> =
            graph.tensors().map(|id| tensor(fbb, shared, graph.tensor(id), &index)).collect();
        let tensors = fbb.create_vector(&tensors);
        let ops: Vec<_> = graph
            .ops()
            .zip(&self.plan.codes[n])
            .map(|(op, code)| self.op(fbb, shared, graph, op, *code, &index))
            .collect();
        let operators = fbb.create_vector(&ops);
        let inputs: Vec<i32> = graph.inputs().iter().map(|id| index[id]).collect();
        let outputs: Vec<i32> = graph.outputs().iter().map(|id| index[id]).collect();
        let inputs = Some(ints(fbb, shared, &inputs));
        let outputs = Some(ints(fbb, shared, &outputs));
        let name = graph.name.as_ref().map(|name| string(fbb, shared, name));
        let subgraph = fb::SubGraph::create(
            fbb,
            &fb::SubGraphArgs {
                tensors: Some(tensors),
                inputs,
                outputs,
                operators: Some(operators),
                name,
                debug_metadata_index: graph.debug_metadata_index,
            },
        );
        (subgraph, index)
    }

    fn op<'a>(
        &self,
        fbb: &mut FlatBufferBuilder<'a>,
        shared: &mut Shared<'a>,
        graph: &Subgraph,
        id: OpId,
        opcode_index: u32,
        index: &Index,
    ) -> WIPOffset<fb::Operator<'a>> {
        let op = graph.op(id);
        let place = |tensor: &Option<TensorId>| tensor.map_or(-1, |tensor| index[&tensor]);
        let operands: Places = graph.operands(id).iter().map(place).collect();
        let results: Places = graph.results(id).iter().map(|tensor| index[tensor]).collect();
        let (inputs, outputs) = (ints(fbb, shared, &operands), ints(fbb, shared, &results));
        let intermediates: Places = graph.intermediates(id).iter().map(place).collect();
        let intermediates = (!intermediates.is_empty()).then(|| ints(fbb, shared, &intermediates));
        let mutating = &op.mutating_variable_inputs;
        let mutating = (!mutating.is_empty()).then(|| fbb.create_vector(mutating));
        let (mut first, mut second) = (None, None);
        for attrs in op.attrs.iter().chain(op.extra_attrs.as_deref()) {
            let written = Some((attrs.options().tag, options::write(fbb, attrs)));
            match attrs.options().union {
                OptionsUnion::BuiltinOptions => first = written,
                OptionsUnion::BuiltinOptions2 => second = written,
            }
        }
        let value = |part: Option<(u8, WIPOffset<UnionWIPOffset>)>| part.map(|(_, value)| value);
        let large = op.custom_options.large && matches!(self.payloads, Payloads::Behind { .. });
        let custom = op.custom_options.bytes.as_ref();
        let custom_options =
            custom.filter(|_| !large).map(|bytes| fbb.create_vector(bytes.as_ref()));
        let placeholder = |bytes: u64| if large { bytes } else { 0 };
        fb::Operator::create(
            fbb,
            &fb::OperatorArgs {
                opcode_index,
                inputs: Some(inputs),
                outputs: Some(outputs),
                builtin_options_type: fb::BuiltinOptions(first.map_or(0, |(tag, _)| tag)),
                builtin_options: value(first),
                custom_options,
                custom_options_format: fb::CustomOptionsFormat(op.custom_options.format),
                mutating_variable_inputs: mutating,
                intermediates,
                // Offset 1 means "not there"; the place is put in later.
                large_custom_options_offset: placeholder(1),
                large_custom_options_size: placeholder(
                    custom.map_or(0, |bytes| bytes.len() as u64),
                ),
                builtin_options_2_type: fb::BuiltinOptions2(second.map_or(0, |(tag, _)| tag)),
                builtin_options_2: value(second),
                debug_metadata_index: op.debug_metadata_index,
            },
        )
    }
}

type BufferVector<'a> = WIPOffset<Vector<'a, ForwardsUOffset<fb::Buffer<'a>>>>;
type GroupVector<'a> = WIPOffset<Vector<'a, ForwardsUOffset<fb::ExternalBufferGroup<'a>>>>;
type ExternalVector<'a> = WIPOffset<Vector<'a, ForwardsUOffset<fb::ExternalBuffer<'a>>>>;

fn external<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    m: &Module,
) -> (Option<GroupVector<'a>>, Option<ExternalVector<'a>>) {
    let groups: Vec<_> = m
        .external_buffer_groups()
        .iter()
        .map(|name| {
            let name = name.as_ref().map(|name| string(fbb, shared, name));
            fb::ExternalBufferGroup::create(fbb, &fb::ExternalBufferGroupArgs { name })
        })
        .collect();
    let groups = (!groups.is_empty()).then(|| fbb.create_vector(&groups));
    let buffers: Vec<_> = m
        .external_buffers()
        .iter()
        .map(|buffer| {
            let packing = buffer.packing.as_ref().map(|packing| string(fbb, shared, packing));
            fb::ExternalBuffer::create(
                fbb,
                &fb::ExternalBufferArgs {
                    id: buffer.id,
                    group: buffer.group,
                    offset: buffer.offset,
                    length: buffer.length,
                    packing,
                },
            )
        })
        .collect();
    let buffers = (!buffers.is_empty()).then(|| fbb.create_vector(&buffers));
    (groups, buffers)
}

fn op_code<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    code: &OpCode,
) -> WIPOffset<fb::OperatorCode<'a>> {
    let custom_code = code.custom.as_ref().map(|name| string(fbb, shared, name));
    fb::OperatorCode::create(
        fbb,
        &fb::OperatorCodeArgs {
            deprecated_builtin_code: code.deprecated_builtin,
            custom_code,
            version: code.version,
            builtin_code: fb::BuiltinOperator(code.builtin),
        },
    )
}

fn signature<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    signature: &Signature,
    indices: &[Index],
) -> WIPOffset<fb::SignatureDef<'a>> {
    let index = indices.get(signature.subgraph as usize);
    let map = |fbb: &mut FlatBufferBuilder<'a>,
               shared: &mut Shared<'a>,
               list: &[(Option<Arc<str>>, TensorLink)]| {
        let entries: Vec<_> = list
            .iter()
            .map(|(name, link)| {
                let name = name.as_ref().map(|name| string(fbb, shared, name));
                let tensor_index = match (link, index) {
                    (TensorLink::Tensor(id), Some(index)) => index[id] as u32,
                    (TensorLink::Tensor(_), None) => 0,
                    (TensorLink::Raw(raw), _) => *raw as u32,
                };
                fb::TensorMap::create(fbb, &fb::TensorMapArgs { name, tensor_index })
            })
            .collect();
        // TensorFlow Lite refuses a signature without a list, and takes an empty one.
        fbb.create_vector(&entries)
    };
    let inputs = Some(map(fbb, shared, &signature.inputs));
    let outputs = Some(map(fbb, shared, &signature.outputs));
    let key = signature.key.as_ref().map(|key| string(fbb, shared, key));
    let tag = signature.deprecated_tag.as_ref().map(|tag| string(fbb, shared, tag));
    if let Some(tag) = tag {
        // The field is deprecated, so the generated builder cannot set it.
        const VT_DEPRECATED_TAG: u16 = 4 + 2 * 3;
        let table = fbb.start_table();
        inputs.into_iter().for_each(|v| fbb.push_slot_always(fb::SignatureDef::VT_INPUTS, v));
        outputs.into_iter().for_each(|v| fbb.push_slot_always(fb::SignatureDef::VT_OUTPUTS, v));
        key.into_iter().for_each(|v| fbb.push_slot_always(fb::SignatureDef::VT_SIGNATURE_KEY, v));
        fbb.push_slot_always(VT_DEPRECATED_TAG, tag);
        fbb.push_slot(fb::SignatureDef::VT_SUBGRAPH_INDEX, signature.subgraph, 0);
        return WIPOffset::new(fbb.end_table(table).value());
    }
    fb::SignatureDef::create(
        fbb,
        &fb::SignatureDefArgs {
            inputs,
            outputs,
            signature_key: key,
            subgraph_index: signature.subgraph,
        },
    )
}

fn tensor<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    tensor: &Tensor,
    index: &Index,
) -> WIPOffset<fb::Tensor<'a>> {
    let name = tensor.name.as_ref().map(|name| string(fbb, shared, name));
    let shape = Some(ints(fbb, shared, &tensor.shape));
    let signature = &tensor.shape_signature;
    let shape_signature = (!signature.is_empty()).then(|| ints(fbb, shared, signature));
    let quantization = tensor.quantization.as_deref().map(|q| quantization(fbb, shared, q, index));
    let sparsity = tensor.sparsity.as_deref().map(|s| sparsity(fbb, s));
    let variants: Vec<_> = tensor
        .variant_tensors
        .iter()
        .map(|variant| {
            let shape = Some(ints(fbb, shared, &variant.shape));
            let type_ = fb::TensorType(variant.ty.code());
            let has_rank = variant.has_rank;
            fb::VariantSubType::create(fbb, &fb::VariantSubTypeArgs { shape, type_, has_rank })
        })
        .collect();
    let variant_tensors = (!variants.is_empty()).then(|| fbb.create_vector(&variants));
    fb::Tensor::create(
        fbb,
        &fb::TensorArgs {
            shape,
            type_: fb::TensorType(tensor.ty.code()),
            buffer: tensor.buffer.0,
            name,
            quantization,
            is_variable: tensor.is_variable,
            sparsity,
            shape_signature,
            has_rank: tensor.has_rank,
            variant_tensors,
            external_buffer: tensor.external_buffer,
        },
    )
}

fn quantization<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    q: &Quantization,
    index: &Index,
) -> WIPOffset<fb::QuantizationParameters<'a>> {
    if *q == Quantization::default() {
        return *shared.empty_quantization.get_or_insert_with(|| {
            fb::QuantizationParameters::create(fbb, &fb::QuantizationParametersArgs::default())
        });
    }
    let floats = |fbb: &mut FlatBufferBuilder<'a>, list: &[f32]| {
        (!list.is_empty()).then(|| fbb.create_vector(list))
    };
    let (min, max, scale) = (floats(fbb, &q.min), floats(fbb, &q.max), floats(fbb, &q.scale));
    let zero_point = (!q.zero_point.is_empty()).then(|| longs(fbb, shared, &q.zero_point));
    let link = |link: &TensorLink| match link {
        TensorLink::Tensor(id) => index[id],
        TensorLink::Raw(raw) => *raw,
    };
    let (details_type, details) = match &q.details {
        QuantizationDetails::None => (fb::QuantizationDetails::NONE, None),
        QuantizationDetails::Custom(bytes) => {
            let custom = Some(aligned_vector(fbb, bytes));
            let table = fb::CustomQuantization::create(fbb, &fb::CustomQuantizationArgs { custom });
            (fb::QuantizationDetails::CustomQuantization, Some(table.as_union_value()))
        }
        QuantizationDetails::Blockwise { scales, zero_points, block_size, block_shape } => {
            let block_shape = (!block_shape.is_empty()).then(|| ints(fbb, shared, block_shape));
            let args = fb::BlockwiseQuantizationArgs {
                scales: link(scales),
                zero_points: link(zero_points),
                block_size: *block_size,
                block_shape,
            };
            let table = fb::BlockwiseQuantization::create(fbb, &args);
            (fb::QuantizationDetails::BlockwiseQuantization, Some(table.as_union_value()))
        }
        QuantizationDetails::MultiAxis {
            scales,
            zero_points,
            block_size,
            quantized_dimensions,
        } => {
            let quantized_dimensions = Some(ints(fbb, shared, quantized_dimensions));
            let args = fb::MultiAxisQuantizationArgs {
                scales: link(scales),
                zero_points: link(zero_points),
                block_size: *block_size,
                quantized_dimensions,
            };
            let table = fb::MultiAxisQuantization::create(fbb, &args);
            (fb::QuantizationDetails::MultiAxisQuantization, Some(table.as_union_value()))
        }
    };
    fb::QuantizationParameters::create(
        fbb,
        &fb::QuantizationParametersArgs {
            min,
            max,
            scale,
            zero_point,
            details_type,
            details,
            quantized_dimension: q.quantized_dimension,
        },
    )
}

fn sparsity<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    s: &Sparsity,
) -> WIPOffset<fb::SparsityParameters<'a>> {
    let dims: Vec<_> = s
        .dim_metadata
        .iter()
        .map(|dim| {
            let (array_segments_type, array_segments) = sparse_index(fbb, &dim.array_segments);
            let (array_indices_type, array_indices) = sparse_index(fbb, &dim.array_indices);
            fb::DimensionMetadata::create(
                fbb,
                &fb::DimensionMetadataArgs {
                    format: fb::DimensionType(dim.format),
                    dense_size: dim.dense_size,
                    array_segments_type,
                    array_segments,
                    array_indices_type,
                    array_indices,
                },
            )
        })
        .collect();
    let dim_metadata = Some(fbb.create_vector(&dims));
    let traversal_order = Some(fbb.create_vector(&s.traversal_order));
    let block_map = (!s.block_map.is_empty()).then(|| fbb.create_vector(&s.block_map));
    fb::SparsityParameters::create(
        fbb,
        &fb::SparsityParametersArgs { traversal_order, block_map, dim_metadata },
    )
}

fn sparse_index(
    fbb: &mut FlatBufferBuilder<'_>,
    index: &SparseIndex,
) -> (fb::SparseIndexVector, Option<WIPOffset<UnionWIPOffset>>) {
    match index {
        SparseIndex::None => (fb::SparseIndexVector::NONE, None),
        SparseIndex::Int32(list) => {
            let values = Some(fbb.create_vector(list));
            let table = fb::Int32Vector::create(fbb, &fb::Int32VectorArgs { values });
            (fb::SparseIndexVector::Int32Vector, Some(table.as_union_value()))
        }
        SparseIndex::Uint16(list) => {
            let values = Some(fbb.create_vector(list));
            let table = fb::Uint16Vector::create(fbb, &fb::Uint16VectorArgs { values });
            (fb::SparseIndexVector::Uint16Vector, Some(table.as_union_value()))
        }
        SparseIndex::Uint8(list) => {
            let values = Some(fbb.create_vector(list));
            let table = fb::Uint8Vector::create(fbb, &fb::Uint8VectorArgs { values });
            (fb::SparseIndexVector::Uint8Vector, Some(table.as_union_value()))
        }
    }
}

fn string<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    text: &str,
) -> WIPOffset<&'a str> {
    let bytes = bytes_of_text(text);
    let write = |fbb: &mut FlatBufferBuilder<'a>| fbb.create_byte_string(&bytes).value();
    WIPOffset::new(shared.strings.place(fbb, &bytes, 1, write))
}

fn ints<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    list: &[i32],
) -> WIPOffset<Vector<'a, i32>> {
    let mut bytes: SmallVec<[u8; 32]> = SmallVec::with_capacity(4 * list.len());
    list.iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
    let write = |fbb: &mut FlatBufferBuilder<'a>| fbb.create_vector(list).value();
    WIPOffset::new(shared.ints.place(fbb, &bytes, 4, write))
}

fn longs<'a>(
    fbb: &mut FlatBufferBuilder<'a>,
    shared: &mut Shared<'a>,
    list: &[i64],
) -> WIPOffset<Vector<'a, i64>> {
    let mut bytes: SmallVec<[u8; 64]> = SmallVec::with_capacity(8 * list.len());
    list.iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
    let write = |fbb: &mut FlatBufferBuilder<'a>| fbb.create_vector(list).value();
    WIPOffset::new(shared.longs.place(fbb, &bytes, 8, write))
}

/// A vector whose first byte is 16-byte aligned, as the schema asks of constants.
fn aligned_vector<'a>(fbb: &mut FlatBufferBuilder<'a>, bytes: &[u8]) -> WIPOffset<Vector<'a, u8>> {
    fbb.push(Align16);
    // A builder grows towards the front: the padding comes behind the vector.
    for _ in 0..bytes.len().next_multiple_of(16) - bytes.len() {
        fbb.push(0_u8);
    }
    fbb.create_vector(bytes)
}

/// Nothing, 16-byte aligned.
struct Align16;

#[allow(unsafe_code)]
impl Push for Align16 {
    type Output = ();

    // SAFETY: it writes nothing.
    unsafe fn push(&self, _: &mut [u8], _: usize) {}

    fn size() -> usize {
        0
    }

    fn alignment() -> PushAlignment {
        PushAlignment::new(16)
    }
}
