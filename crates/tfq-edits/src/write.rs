//! Edits into their JSON form.

mod places;

use crate::blobs::Blobs;
use crate::handles::{BufferRef, Handle, Link, New, OpRef, TensorRef};
use crate::number::{EXACT, Float, Int64, Uint64};
use crate::wire::{
    Attribute, Blob, Builtin, ChangedOp, ChangedTensor, Custom, CustomOptions, Details, Edit,
    ExternalBuffer, Label, Map, NewOp, Nullable, Op, OpChange, OpResult, Operand, Operator, Output,
    Patch, Place, Plain, Port, Prune, Quantization, Record, RecordEntry, Recorded, Signature,
    SparseDimension, SparseIndex, Sparsity, Table, Tensor, TensorChange, Type, VariantTensor,
    Version,
};
use bytes::Bytes;
use data_encoding::BASE64;
use places::{ConstantPlaces, PlaceInMemory, place_of};
use std::sync::Arc;
use tfq_ir::catalog::{self, AttrInfo, AttrType, ListType};
use tfq_ir::maps::{HashMap, IndexMap};
use tfq_ir::{
    Applied, Attr, Attributes, Module, OpKind, PatchParts, QuantizationDetails, TensorLink,
};

/// Writes edits of a module one after the other, and collects their bytes.
///
/// ```
/// use tfq_edits::{Blobs, EditWriter};
/// # use tfq_ir::{ConstantPool, Edit, ElementType, Module, SubgraphBuilder, Tensor};
/// # let mut builder = SubgraphBuilder::new(None);
/// # let x = builder.tensor(Tensor::new("x", ElementType::Float32, [2]));
/// # let mut module = Module::new(vec![builder.finish(vec![x], vec![x])], ConstantPool::default());
/// let mut blobs = Blobs::new();
/// let mut writer = EditWriter::new(&module, &mut blobs);
/// let edit = Edit::Description(Some("smaller".into()));
/// assert_eq!(writer.write(&edit), r#"{"description":"smaller"}"#);
/// let applied = module.apply(edit)?;
/// writer.follow(&module, &applied);
/// # Ok::<(), tfq_ir::Rejected>(())
/// ```
#[derive(Debug)]
pub struct EditWriter<'a> {
    blobs: &'a mut Blobs,
    /// Of the module as it is.
    places: ConstantPlaces,
}

impl<'a> EditWriter<'a> {
    /// A writer of edits of this module as it is, with the bytes that go beside them.
    pub fn new(module: &Module, blobs: &'a mut Blobs) -> Self {
        Self { blobs, places: ConstantPlaces::of(module) }
    }

    /// The edit as JSON.
    pub fn write(&mut self, edit: &tfq_ir::Edit) -> String {
        serde_json::to_string(&self.edit(edit)).expect("keys are strings")
    }

    /// What an edit did to the module, be it one that was written here or another: what comes next
    /// is of the module as it is then.
    pub fn follow(&mut self, module: &Module, applied: &Applied) {
        self.places.follow(module, applied);
    }
}

impl EditWriter<'_> {
    pub(crate) fn edit(&mut self, edit: &tfq_ir::Edit) -> Edit {
        use tfq_ir::Edit as Ir;
        match edit {
            Ir::Patch(patch) => Edit::Patch(Box::new(self.patch(patch.parts()))),
            Ir::Versions(sg, versions) => {
                let version =
                    |(op, version): &(_, i32)| Version { op: Handle(*op), version: *version };
                let versions = versions.iter().map(version).collect();
                Edit::Versions { subgraph: sg.0, versions }
            }
            Ir::Constant(bytes) => Edit::Constant(self.blob(bytes)),
            Ir::Release(ids) => Edit::Release(ids.iter().map(|id| id.0).collect()),
            Ir::Metadata(name, bytes) => Edit::Metadata {
                name: name.to_string(),
                content: Nullable(bytes.as_ref().map(|bytes| self.blob(bytes))),
            },
            Ir::MetadataBuffers(list) => Edit::MetadataBuffers(list.clone()),
            Ir::Description(text) => Edit::Description(Nullable(owned(text))),
            Ir::Trailer(bytes) => Edit::Trailer(self.blob(bytes)),
            Ir::External(groups, buffers) => Edit::External {
                groups: groups.iter().map(owned).collect(),
                buffers: buffers.iter().map(external_buffer).collect(),
            },
            Ir::Signatures(all) => Edit::Signatures(all.iter().map(signature).collect()),
            Ir::Record(key, record) => Edit::Record {
                key: key.to_string(),
                record: Nullable(record.as_deref().map(|record| self.record(record))),
            },
            Ir::PruneBuffers => Edit::Prune(Prune::Buffers),
            Ir::PruneOpCodes => Edit::Prune(Prune::OperatorCodes),
            Ir::PruneSubgraphs => Edit::Prune(Prune::Subgraphs),
        }
    }

    fn patch(&mut self, p: PatchParts<'_>) -> Patch {
        let (operands, set_operands) = slots(p.operands, p.ops.len());
        let (results, set_results) = slots(p.results, p.ops.len());
        let (intermediates, set_intermediates) = slots(p.intermediates, p.ops.len());
        let add_ops = p.ops.iter().zip(operands).zip(results).zip(intermediates);
        let add_ops = add_ops.map(|((((op, place), operands), results), intermediates)| NewOp {
            op: self.op(op),
            place: self::place(*place),
            operands: operands.into_iter().map(|tensor| tensor.map(tensor_ref)).collect(),
            results: results.into_iter().map(tensor_ref).collect(),
            intermediates: intermediates.into_iter().map(|tensor| tensor.map(tensor_ref)).collect(),
        });
        let add_ops = add_ops.collect();
        let operands = |list: Vec<(tfq_ir::OpRef, u32, Option<tfq_ir::TensorRef>)>| {
            let operand = |(op, slot, tensor): (_, _, Option<_>)| Operand {
                op: op_ref(op),
                slot,
                tensor: Nullable(tensor.map(tensor_ref)),
            };
            list.into_iter().map(operand).collect()
        };
        let set_results = set_results.into_iter().map(|(op, slot, tensor)| OpResult {
            op: op_ref(op),
            slot,
            tensor: tensor_ref(tensor),
        });
        let refs = |list: &[tfq_ir::TensorRef]| list.iter().copied().map(tensor_ref).collect();
        Patch {
            subgraph: p.subgraph.0,
            label: Label::new(p.label),
            add_constants: self.constants(p.constants),
            add_tensors: p.tensors.iter().map(|tensor| self.tensor(tensor)).collect(),
            add_ops,
            set_operands: operands(set_operands),
            set_results: set_results.collect(),
            set_intermediates: operands(set_intermediates),
            replace_outputs: p
                .replaced_outputs
                .iter()
                .map(|(old, new)| Output { old: Handle(*old), new: tensor_ref(*new) })
                .collect(),
            set_inputs: p.inputs.map(refs),
            set_outputs: p.outputs.map(refs),
            change_tensors: p
                .tensor_changes
                .iter()
                .map(|(tensor, change)| ChangedTensor {
                    tensor: tensor_ref(*tensor),
                    set: self.tensor_change(change),
                })
                .collect(),
            change_ops: p
                .op_changes
                .iter()
                .map(|(op, change)| ChangedOp { op: Handle(*op), set: self.op_change(change) })
                .collect(),
            erase_ops: p.erased_ops.iter().copied().map(Handle).collect(),
            erase_tensors: p.erased_tensors.iter().copied().map(Handle).collect(),
        }
    }

    fn tensor_change(&mut self, change: &tfq_ir::TensorChange) -> TensorChange {
        use tfq_ir::TensorChange as Ir;
        match change {
            Ir::Name(name) => TensorChange::Name(Nullable(owned(name))),
            Ir::Type(ty) => TensorChange::Type(Type(*ty)),
            Ir::Shape(shape) => TensorChange::Shape(shape.to_vec()),
            Ir::ShapeSignature(shape) => TensorChange::ShapeSignature(shape.to_vec()),
            Ir::HasRank(has) => TensorChange::HasRank(*has),
            Ir::Variable(variable) => TensorChange::Variable(*variable),
            Ir::Buffer(tfq_ir::BufferRef::Old(id)) => TensorChange::Buffer(BufferRef::Old(id.0)),
            Ir::Buffer(tfq_ir::BufferRef::New(new)) => {
                TensorChange::Buffer(BufferRef::New(New { new: *new }))
            }
            Ir::ExternalBuffer(id) => TensorChange::ExternalBuffer(*id),
            Ir::Quantization(q) => {
                TensorChange::Quantization(Nullable(q.as_ref().map(|q| self.quantization(q))))
            }
            Ir::Sparsity(s) => TensorChange::Sparsity(Nullable(s.as_deref().map(sparsity))),
            Ir::VariantTensors(types) => TensorChange::VariantTensors(variants(types)),
            Ir::Expressed(ty) => TensorChange::Expressed(Nullable(ty.map(Type))),
        }
    }

    fn op_change(&mut self, change: &tfq_ir::OpChange) -> OpChange {
        use tfq_ir::OpChange as Ir;
        match change {
            Ir::Op(op) => OpChange::Op(Box::new(self.op(op))),
            Ir::Attr(name, value) => {
                OpChange::Attribute { name: name.to_string(), value: self.attribute(value) }
            }
            Ir::Note(name, value) => {
                OpChange::Note { name: name.to_string(), value: self.attribute(value) }
            }
            Ir::Version(version) => OpChange::Version(*version),
        }
    }

    fn tensor(&mut self, tensor: &tfq_ir::Tensor) -> Tensor {
        Tensor {
            name: owned(&tensor.name),
            ty: Type(tensor.ty),
            shape: tensor.shape.to_vec(),
            shape_signature: tensor.shape_signature.to_vec(),
            has_rank: tensor.has_rank,
            variable: tensor.is_variable,
            buffer: BufferRef::Old(tensor.buffer.0),
            external_buffer: tensor.external_buffer,
            quantization: tensor.quantization.as_ref().map(|q| self.quantization(q)),
            sparsity: tensor.sparsity.as_deref().map(sparsity),
            variant_tensors: variants(&tensor.variant_tensors),
            expressed: tensor.expressed.map(Type),
        }
    }

    fn quantization(&mut self, q: &tfq_ir::Quantization) -> Quantization {
        let details = match &q.details {
            QuantizationDetails::None => None,
            QuantizationDetails::Custom(bytes) => Some(Details::Custom(self.blob(bytes))),
            QuantizationDetails::Blockwise { scales, zero_points, block_size, block_shape } => {
                Some(Details::Blockwise {
                    scales: link(*scales),
                    zero_points: link(*zero_points),
                    block_size: *block_size,
                    block_shape: block_shape.clone(),
                })
            }
            QuantizationDetails::MultiAxis {
                scales,
                zero_points,
                block_size,
                quantized_dimensions,
            } => Some(Details::MultiAxis {
                scales: link(*scales),
                zero_points: link(*zero_points),
                block_size: *block_size,
                axes: quantized_dimensions.clone(),
            }),
        };
        Quantization {
            scale: floats(&q.scale),
            zero_point: q.zero_point.iter().copied().map(Int64).collect(),
            axis: q.quantized_dimension,
            min: floats(&q.min),
            max: floats(&q.max),
            details,
        }
    }

    fn op(&mut self, op: &tfq_ir::Op) -> Op {
        let own = op.kind.options();
        let other = |attrs: &Attributes| {
            let name = attrs.options().name;
            own.is_none_or(|own| own.name != name).then(|| name.to_owned())
        };
        let custom = &op.custom_options;
        let custom_options = (*custom != tfq_ir::CustomOptions::default()).then(|| CustomOptions {
            content: custom.bytes.as_ref().map(|bytes| self.blob(bytes)),
            format: custom.format,
            large: custom.large,
        });
        Op {
            operator: match &op.kind {
                OpKind::Builtin(code) => Operator::Builtin(builtin(*code)),
                OpKind::Custom(name) => Operator::Custom(Custom { custom: name.to_string() }),
            },
            version: op.version,
            code: op.code,
            table: op.attrs.as_ref().and_then(other),
            attributes: op.attrs.as_ref().map_or_else(Map::default, |a| self.attributes(a)),
            no_table: op.attrs.is_none() && own.is_some(),
            second: op.extra_attrs.as_ref().map(|attrs| Table {
                table: attrs.options().name.to_owned(),
                attributes: self.attributes(attrs),
            }),
            custom_options,
            mutates: op.mutating_variable_inputs.clone(),
            debug_metadata_index: op.debug_metadata_index,
            notes: Map(op
                .notes
                .iter()
                .map(|(name, value)| (name.to_string(), self.attribute(value)))
                .collect()),
        }
    }

    fn attributes(&mut self, attrs: &Attributes) -> Map<Plain> {
        let values = attrs.set_values();
        Map(values.map(|(info, value)| (info.name.to_owned(), self.plain(info, value))).collect())
    }

    fn plain(&mut self, info: &AttrInfo, value: &Attr) -> Plain {
        let int = |value: i64| {
            let named = match info.ty {
                AttrType::Enum(values) | AttrType::List(ListType::Enum(values)) => {
                    values.name_of(value)
                }
                _ => None,
            };
            match named {
                Some(name) => Plain::Text(name.to_owned()),
                None if value.unsigned_abs() <= EXACT => Plain::Int(value),
                None => Plain::Text(value.to_string()),
            }
        };
        match value {
            Attr::Bool(v) => Plain::Bool(*v),
            Attr::Int(v) => int(*v),
            Attr::Float(v) => Plain::Float(Float(*v)),
            Attr::String(v) => Plain::Text(v.to_string()),
            Attr::Bytes(v) => Plain::Bytes(self.blob(v)),
            Attr::Bools(v) => Plain::List(v.iter().copied().map(Plain::Bool).collect()),
            Attr::Ints(v) => Plain::List(v.iter().copied().map(int).collect()),
            Attr::Floats(v) => Plain::List(v.iter().map(|v| Plain::Float(Float(*v))).collect()),
        }
    }

    fn attribute(&mut self, value: &Attr) -> Attribute {
        match value {
            Attr::Bool(v) => Attribute::Bool(*v),
            Attr::Int(v) => Attribute::Int(Int64(*v)),
            Attr::Float(v) => Attribute::Float(Float(*v)),
            Attr::String(v) => Attribute::String(v.to_string()),
            Attr::Bytes(v) => Attribute::Bytes(self.blob(v)),
            Attr::Bools(v) => Attribute::Bools(v.to_vec()),
            Attr::Ints(v) => Attribute::Ints(v.iter().copied().map(Int64).collect()),
            Attr::Floats(v) => Attribute::Floats(floats(v)),
        }
    }

    fn record(&mut self, record: &tfq_ir::Record) -> Record {
        let entry = |entry: &tfq_ir::RecordEntry| RecordEntry {
            of: match entry.of {
                tfq_ir::Recorded::Op(op) => Recorded::Op(Handle(op)),
                tfq_ir::Recorded::Tensor(tensor) => Recorded::Tensor(Handle(tensor)),
            },
            content: self.blob(&entry.bytes),
        };
        Record {
            entries: record.entries.iter().map(entry).collect(),
            about: record.about.iter().copied().map(builtin).collect(),
        }
    }

    fn constants(&mut self, constants: &[Bytes]) -> Vec<Blob> {
        let mut before: HashMap<PlaceInMemory, u32> = HashMap::default();
        let constant = |(bytes, n): (&Bytes, u32)| {
            let first = *before.entry(place_of(bytes)).or_insert(n);
            match first == n || bytes.is_empty() {
                true => self.blob(bytes),
                false => Blob::New(first),
            }
        };
        constants.iter().zip(0..).map(constant).collect()
    }

    fn blob(&mut self, bytes: &Bytes) -> Blob {
        match self.places.find(bytes) {
            Some(id) => Blob::Buffer(id.0),
            None if Blobs::holds(bytes) => Blob::Blake3(self.blobs.add(bytes.clone())),
            None => Blob::Base64(BASE64.encode(bytes)),
        }
    }
}

/// What a patch says of a slot of an op.
type Slot<T> = (tfq_ir::OpRef, u32, T);

/// What new ops have in their slots, from the first on up to one of which nothing is said, and what
/// is said besides.
fn slots<T: Copy>(
    all: &IndexMap<(tfq_ir::OpRef, u32), T>,
    ops: usize,
) -> (Vec<Vec<T>>, Vec<Slot<T>>) {
    let of = |op: u32| (0..).map_while(move |slot| all.get(&(tfq_ir::OpRef::New(op), slot)));
    let new: Vec<Vec<T>> = (0..ops as u32).map(|op| of(op).copied().collect()).collect();
    let is_told = |op: &tfq_ir::OpRef, slot: u32| match op {
        tfq_ir::OpRef::Old(_) => false,
        tfq_ir::OpRef::New(n) => new.get(*n as usize).is_some_and(|l| (slot as usize) < l.len()),
    };
    let rest = all.iter().filter(|((op, slot), _)| !is_told(op, *slot));
    let rest = rest.map(|((op, slot), value)| (*op, *slot, *value)).collect();
    (new, rest)
}

fn builtin(code: i32) -> Builtin {
    match catalog::op_by_code(code) {
        Some(info) => Builtin::Name(info.name.to_owned()),
        None => Builtin::Number(code),
    }
}

fn tensor_ref(tensor: tfq_ir::TensorRef) -> TensorRef {
    match tensor {
        tfq_ir::TensorRef::Old(id) => TensorRef::Old(Handle(id)),
        tfq_ir::TensorRef::New(new) => TensorRef::New(New { new }),
    }
}

fn op_ref(op: tfq_ir::OpRef) -> OpRef {
    match op {
        tfq_ir::OpRef::Old(id) => OpRef::Old(Handle(id)),
        tfq_ir::OpRef::New(new) => OpRef::New(New { new }),
    }
}

fn place(place: tfq_ir::InsertionPoint) -> Place {
    match place {
        tfq_ir::InsertionPoint::Before(op) => Place::Before(Handle(op)),
        tfq_ir::InsertionPoint::After(op) => Place::After(Handle(op)),
        tfq_ir::InsertionPoint::End => Place::End,
    }
}

fn link(link: TensorLink) -> Link {
    match link {
        TensorLink::Raw(number) => Link::Raw(number),
        TensorLink::Tensor(id) => match tfq_ir::TensorRef::from(id) {
            tfq_ir::TensorRef::Old(id) => Link::Old(Handle(id)),
            tfq_ir::TensorRef::New(new) => Link::New(New { new }),
        },
    }
}

fn signature(signature: &tfq_ir::Signature) -> Signature {
    let ports = |list: &[(Option<Arc<str>>, TensorLink)]| {
        list.iter().map(|(name, to)| Port { name: owned(name), tensor: link(*to) }).collect()
    };
    Signature {
        key: owned(&signature.key),
        subgraph: signature.subgraph,
        inputs: ports(&signature.inputs),
        outputs: ports(&signature.outputs),
        deprecated_tag: owned(&signature.deprecated_tag),
    }
}

fn external_buffer(buffer: &tfq_ir::ExternalBuffer) -> ExternalBuffer {
    ExternalBuffer {
        id: buffer.id,
        group: buffer.group,
        offset: Uint64(buffer.offset),
        length: Uint64(buffer.length),
        packing: owned(&buffer.packing),
    }
}

fn sparsity(sparsity: &tfq_ir::Sparsity) -> Sparsity {
    let index = |index: &tfq_ir::SparseIndex| match index {
        tfq_ir::SparseIndex::None => None,
        tfq_ir::SparseIndex::Int32(list) => Some(SparseIndex::Int32(list.clone())),
        tfq_ir::SparseIndex::Uint16(list) => Some(SparseIndex::Uint16(list.clone())),
        tfq_ir::SparseIndex::Uint8(list) => Some(SparseIndex::Uint8(list.clone())),
    };
    let dimension = |dimension: &tfq_ir::DimensionMetadata| SparseDimension {
        format: dimension.format,
        dense_size: dimension.dense_size,
        segments: index(&dimension.array_segments),
        indices: index(&dimension.array_indices),
    };
    Sparsity {
        traversal_order: sparsity.traversal_order.clone(),
        block_map: sparsity.block_map.clone(),
        dimensions: sparsity.dim_metadata.iter().map(dimension).collect(),
    }
}

fn variants(types: &[tfq_ir::VariantSubType]) -> Vec<VariantTensor> {
    let of = |one: &tfq_ir::VariantSubType| VariantTensor {
        ty: Type(one.ty),
        shape: one.shape.clone(),
        has_rank: one.has_rank,
    };
    types.iter().map(of).collect()
}

fn floats(list: &[f32]) -> Vec<Float> {
    list.iter().copied().map(Float).collect()
}

fn owned(text: &Option<Arc<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}
