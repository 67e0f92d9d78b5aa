//! `.tflite` bytes to a [`Module`].

use crate::foreign::{Foreign, recognise};
use crate::metadata::is_model;
use crate::scan::{self, Fault, Scan, field_at, u32_at};
use crate::{annotations, options, records, trailer};
use bytes::Bytes;
use flatbuffers::{ForwardsUOffset, Vector};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use tfq_ir::catalog::{OptionsUnion, op_by_code, options_by_tag};
use tfq_ir::maps::HashSet;
use tfq_ir::visible;
use tfq_ir::{
    Attributes, BufferId, ConstantPool, CustomOptions, DimensionMetadata, ElementType,
    ExternalBuffer, Metadata, Module, ModuleParts, Op, OpCode, OpId, OpRare, Quantization,
    QuantizationDetails, QuantizationRare, SharedLists, Signature, SparseIndex, Sparsity, Subgraph,
    SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink, TensorRare, VariantSubType, counted,
    text_from_bytes,
};
use tfq_schema::tflite as fb;

/// How strict lifting is.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiftOptions {
    /// Drop what our schema does not know, instead of refusing the model.
    pub drop_unknown: bool,
}

/// Why a model could not be lifted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LiftError {
    #[error("the file is empty")]
    Empty,
    #[error("this is not a .tflite model: {what}")]
    NotTflite { what: &'static str, help: Option<&'static str> },
    #[error("the model is damaged: {what}")]
    Damaged { what: String },
    #[error("the model is damaged: {what}")]
    CutOff { what: String },
    #[error("the model holds what this version does not know: {what}")]
    Unknown { what: String },
    #[error("{place}: {what}")]
    Invalid { place: String, what: String },
}

impl LiftError {
    fn invalid(place: impl Into<String>, what: impl Into<String>) -> Self {
        // Names in it are as the file has them.
        let [place, what] = [place.into(), what.into()].map(|text| visible(&text).into_owned());
        Self::Invalid { place, what }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Unknown { .. } => Some(
                "it was written with a newer schema; pass --drop-unknown to go on without these fields",
            ),
            Self::NotTflite { help, .. } => *help,
            Self::CutOff { .. } => Some("the file may be cut off; fetch or convert it again"),
            Self::Damaged { .. } => Some("fetch or convert it again"),
            _ => None,
        }
    }
}

/// Lifts a model. Its constants stay slices of `file`.
pub fn lift(file: &Bytes, how: &LiftOptions) -> Result<Module, LiftError> {
    let (model, scan) = verify(file)?;
    lift_model_in(file, model, scan, how)
}

/// The files that a model keeps constants in, as it names them; none where it cannot be read.
pub fn external_groups(file: &[u8]) -> Vec<Arc<str>> {
    let Ok((model, _)) = verify(file) else { return Vec::new() };
    let groups = model.external_buffer_groups().into_iter().flatten();
    let name = |group: fb::ExternalBufferGroup<'_>| {
        text(file, group._tab, fb::ExternalBufferGroup::VT_NAME)
    };
    groups.filter_map(name).collect()
}

/// Lifts a model of the generated code. Its bytes are copied once, since the IR outlives it.
pub fn lift_model(model: fb::Model<'_>, how: &LiftOptions) -> Result<Module, LiftError> {
    lift(&Bytes::copy_from_slice(model._tab.buf()), how)
}

/// Checks that every offset and size of the flatbuffer is sound.
#[allow(unsafe_code)]
fn verify(file: &[u8]) -> Result<(fb::Model<'_>, Scan), LiftError> {
    if file.is_empty() {
        return Err(LiftError::Empty);
    }
    if !is_model(file) {
        let Foreign { what, help } = recognise(file);
        return Err(LiftError::NotTflite { what, help });
    }
    let scan = scan::scan(file).map_err(|Fault { what, beyond_end }| match beyond_end {
        true => LiftError::CutOff { what },
        false => LiftError::Damaged { what },
    })?;
    // SAFETY: the scan has followed every offset that the accessors follow, and found all of them
    // inside the file. What it leaves open is whether strings are UTF-8: this module reads them
    // with `text`, and none by an accessor.
    let model = unsafe { fb::root_as_model_unchecked(file) };
    Ok((model, scan))
}

/// A string of a table, at this place in its list of fields.
fn text(
    file: &[u8],
    table: flatbuffers::Table<'_>,
    field: flatbuffers::VOffsetT,
) -> Option<Arc<str>> {
    let at = field_at(file, table.loc(), (usize::from(field) - 4) / 2)?;
    let (first, len) = options::span(file, at + u32_at(file, at));
    Some(Arc::from(text_from_bytes(&file[first..first + len])))
}

fn lift_model_in(
    file: &Bytes,
    model: fb::Model<'_>,
    scan: Scan,
    how: &LiftOptions,
) -> Result<Module, LiftError> {
    if !scan.unknown.is_empty() && !how.drop_unknown {
        // A damaged file may have thousands of kinds; the first ones tell enough.
        let kinds = scan.unknown.iter().take(20);
        let what: Vec<String> =
            kinds.map(|(what, count)| format!("{what} ({})", counted(*count, "time"))).collect();
        return Err(LiftError::Unknown { what: what.join("; ") });
    }
    if model.version() != 3 {
        let what = format!("its version is {}, only 3 is known", model.version());
        return Err(LiftError::invalid("the model", what));
    }

    let left = Cell::new((file.len() as u64).saturating_mul(16).saturating_add(1 << 20));
    let lift = Lift {
        file,
        model,
        drop_unknown: how.drop_unknown,
        left,
        ints: RefCell::default(),
        longs: RefCell::default(),
    };
    let (constants, constants_outside) = lift.constants()?;
    let op_codes = lift.op_codes()?;
    let mut outside_end = constants_outside;
    let mut subgraphs = Vec::new();
    let mut tensors = Vec::new();
    for (n, sg) in model.subgraphs().into_iter().flatten().enumerate() {
        let lifted = lift.subgraph(n, sg, &op_codes, &mut outside_end)?;
        subgraphs.push(lifted.0);
        tensors.push(lifted.1);
    }
    let mut parts = ModuleParts { subgraphs, constants, ..ModuleParts::default() };
    parts.version = model.version();
    parts.description = text(file, model._tab, fb::Model::VT_DESCRIPTION);
    parts.op_codes = op_codes;
    parts.signatures = signatures(file, model, &tensors);
    parts.metadata = model
        .metadata()
        .into_iter()
        .flatten()
        .map(|m| Metadata {
            name: text(file, m._tab, fb::Metadata::VT_NAME),
            buffer: BufferId(m.buffer()),
        })
        .collect();
    parts.metadata_buffer = ints(model.metadata_buffer());
    parts.external_buffer_groups = model
        .external_buffer_groups()
        .into_iter()
        .flatten()
        .map(|group| text(file, group._tab, fb::ExternalBufferGroup::VT_NAME))
        .collect();
    let externals = model.external_buffers().into_iter().flatten();
    parts.external_buffers = externals.map(|buffer| external(file, buffer)).collect();
    parts.constants_outside = constants_outside > 0;
    parts.trailer = trailer::split(file, scan.end.max(outside_end));
    let module = parts.build().with_oddities(|_, _| true);
    let cache = annotations::read(&module);
    let records = records::read(&module);
    let module = module.with_dequant_cache(cache).with_records(records);
    module.verify().map_err(|errors| {
        let more = match errors.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        LiftError::Invalid {
            place: errors[0].place.clone(),
            what: format!("{}{more}", errors[0].what),
        }
    })?;
    Ok(module)
}

fn external(file: &[u8], buffer: fb::ExternalBuffer<'_>) -> ExternalBuffer {
    ExternalBuffer {
        id: buffer.id(),
        group: buffer.group(),
        offset: buffer.offset(),
        length: buffer.length(),
        packing: text(file, buffer._tab, fb::ExternalBuffer::VT_PACKING),
    }
}

/// The field is deprecated, so there is no accessor; old files hold it all the same.
const DEPRECATED_TAG: flatbuffers::VOffsetT = 10;

fn signatures(file: &Bytes, model: fb::Model<'_>, tensors: &[Vec<TensorId>]) -> Vec<Signature> {
    let map = |sg: usize, entries: Option<Vector<'_, ForwardsUOffset<fb::TensorMap<'_>>>>| {
        let entries = entries.into_iter().flatten();
        entries
            .map(|entry| {
                let index = entry.tensor_index();
                let tensor = tensors.get(sg).and_then(|tensors| tensors.get(index as usize));
                let link =
                    tensor.map_or(TensorLink::Raw(index as i32), |id| TensorLink::Tensor(*id));
                (text(file, entry._tab, fb::TensorMap::VT_NAME), link)
            })
            .collect()
    };
    let lift = |signature: fb::SignatureDef<'_>| {
        let subgraph = signature.subgraph_index();
        Signature {
            key: text(file, signature._tab, fb::SignatureDef::VT_SIGNATURE_KEY),
            inputs: map(subgraph as usize, signature.inputs()),
            outputs: map(subgraph as usize, signature.outputs()),
            subgraph,
            deprecated_tag: text(file, signature._tab, DEPRECATED_TAG),
        }
    };
    model.signature_defs().into_iter().flatten().map(lift).collect()
}

struct Lift<'a> {
    file: &'a Bytes,
    model: fb::Model<'a>,
    drop_unknown: bool,
    /// How many bytes behind the flatbuffer may still be referred to.
    left: Cell<u64>,
    /// Shapes.
    ints: RefCell<SharedLists<i32>>,
    /// Zero points.
    longs: RefCell<SharedLists<i64>>,
}

impl<'a> Lift<'a> {
    /// The constants, and the end of those that lie behind the flatbuffer (0 for none).
    fn constants(&self) -> Result<(ConstantPool, usize), LiftError> {
        // The runtime refuses a model without a list of them, and takes an empty list.
        let Some(buffers) = self.model.buffers() else {
            return Err(LiftError::invalid("the model", "it has no buffers"));
        };
        let mut outside_end = 0;
        let mut entries = Vec::with_capacity(buffers.len());
        let mut seen = HashSet::default();
        for (n, buffer) in buffers.iter().enumerate() {
            // Data inside wins over data behind the flatbuffer, as in the runtime.
            entries.push(if let Some(data) = buffer.data() {
                let first = data.bytes().as_ptr() as usize - self.file.as_ptr() as usize;
                Some(self.file.slice(first..first + data.len()))
            } else {
                let what = format!("buffer {n}");
                let (offset, size) = (buffer.offset(), buffer.size());
                let outside = self.outside(&what, offset, size)?;
                // Buffers may share their bytes, which are written once.
                if outside.is_some() && seen.insert((offset, size)) {
                    self.spend(&what, size)?;
                }
                outside_end = outside_end.max(outside.as_ref().map_or(0, |(_, end)| *end));
                outside.map(|(bytes, _)| bytes)
            });
        }
        Ok((ConstantPool::new(entries), outside_end))
    }

    /// Takes `size` bytes of those that references behind the flatbuffer may come to. Slices
    /// that overlap are written apart, and thousands of them would fill any disk.
    fn spend(&self, place: &str, size: u64) -> Result<(), LiftError> {
        let left = self.left.get().checked_sub(size).ok_or_else(|| LiftError::Damaged {
            what: format!("up to {place}, data behind the model is referred to many times over"),
        })?;
        self.left.set(left);
        Ok(())
    }

    /// Bytes behind the flatbuffer and where they end; no bytes end nowhere. Offsets 0 and 1
    /// mean that there are none.
    fn outside(
        &self,
        place: &str,
        offset: u64,
        size: u64,
    ) -> Result<Option<(Bytes, usize)>, LiftError> {
        if offset <= 1 {
            return Ok(None);
        }
        let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
        match end.filter(|end| *end <= self.file.len()) {
            Some(_) if size == 0 => Ok(Some((Bytes::new(), 0))),
            Some(end) => Ok(Some((self.file.slice(offset as usize..end), end))),
            None => Err(LiftError::invalid(
                place,
                format!(
                    "{} at byte offset {offset} end beyond the file's {}",
                    counted(size, "byte"),
                    counted(self.file.len(), "byte")
                ),
            )),
        }
    }

    fn op_codes(&self) -> Result<Vec<OpCode>, LiftError> {
        let codes = self.model.operator_codes().into_iter().flatten().enumerate();
        codes
            .map(|(n, code)| {
                let lifted = OpCode {
                    builtin: code.builtin_code().0,
                    deprecated_builtin: code.deprecated_builtin_code(),
                    custom: text(self.file, code._tab, fb::OperatorCode::VT_CUSTOM_CODE),
                    version: code.version(),
                };
                match lifted.kind() {
                    tfq_ir::OpKind::Builtin(builtin) if op_by_code(builtin).is_none() => {
                        let what = format!("there is no builtin operator {builtin}");
                        Err(LiftError::invalid(format!("operator code {n}"), what))
                    }
                    _ => Ok(lifted),
                }
            })
            .collect()
    }

    fn subgraph(
        &self,
        n: usize,
        sg: fb::SubGraph<'a>,
        op_codes: &[OpCode],
        outside_end: &mut usize,
    ) -> Result<(Subgraph, Vec<TensorId>), LiftError> {
        let mut builder = SubgraphBuilder::numbered(
            SubgraphId(n as u32),
            text(self.file, sg._tab, fb::SubGraph::VT_NAME),
        );
        builder.debug_metadata_index(sg.debug_metadata_index());
        let slots = |list: Option<Vector<'_, i32>>| list.map_or(0, |list| list.len());
        let edges = |op: fb::Operator<'_>| {
            slots(op.inputs()) + slots(op.outputs()) + slots(op.intermediates())
        };
        let (tensors, ops) = (sg.tensors(), sg.operators());
        builder.reserve(
            tensors.map_or(0, |tensors| tensors.len()),
            ops.map_or(0, |ops| ops.len()),
            ops.into_iter().flatten().map(edges).sum(),
        );
        let mut ids = Vec::with_capacity(tensors.map_or(0, |tensors| tensors.len()));
        let mut details = Vec::new();
        for (t, tensor) in sg.tensors().into_iter().flatten().enumerate() {
            let id = builder.tensor(self.tensor(n, t, tensor)?);
            if let Some(q) = tensor.quantization().filter(|q| q.details_type().0 != 0) {
                details.push((id, q));
            }
            ids.push(id);
        }
        // Scales and zero points may be tensors that come later.
        for (id, q) in details {
            let details = self.details(q, &ids);
            let tensor = builder.tensor_mut(id);
            let quantization = tensor.quantization.as_mut().expect("it has details");
            Arc::make_mut(quantization).details = details;
        }
        for (o, op) in sg.operators().into_iter().flatten().enumerate() {
            self.op(n, o, op, op_codes, &ids, &mut builder, outside_end)?;
        }
        let tensors = |what: &str, list: Option<Vector<'_, i32>>| {
            let indices = list.into_iter().flatten();
            indices
                .map(|index| {
                    usize::try_from(index)
                        .ok()
                        .and_then(|index| ids.get(index))
                        .copied()
                        .ok_or_else(|| {
                            let what = format!(
                                "{what} {index} is not one of its {}",
                                counted(ids.len(), "tensor")
                            );
                            LiftError::invalid(format!("subgraph {n}"), what)
                        })
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let (inputs, outputs) = (tensors("input", sg.inputs())?, tensors("output", sg.outputs())?);
        Ok((builder.finish(inputs, outputs), ids))
    }

    fn tensor(&self, sg: usize, n: usize, tensor: fb::Tensor<'_>) -> Result<Tensor, LiftError> {
        let name = text(self.file, tensor._tab, fb::Tensor::VT_NAME);
        let label = name.clone();
        let place = || format!("subgraph {sg}, tensor {n} (`{}`)", label.as_deref().unwrap_or("?"));
        let ty = |code: i8| {
            ElementType::from_code(code).ok_or_else(|| {
                LiftError::invalid(place(), format!("there is no element type {code}"))
            })
        };
        let variants = tensor.variant_tensors().into_iter().flatten();
        let rare = TensorRare {
            shape_signature: self.shape(tensor.shape_signature()),
            external_buffer: tensor.external_buffer(),
            sparsity: tensor.sparsity().map(|s| Arc::new(sparsity(s))),
            variant_tensors: variants
                .map(|v| {
                    Ok(VariantSubType {
                        shape: ints(v.shape()),
                        ty: ty(v.type_().0)?,
                        has_rank: v.has_rank(),
                    })
                })
                .collect::<Result<_, LiftError>>()?,
        };
        Ok(Tensor {
            name,
            ty: ty(tensor.type_().0)?,
            shape: self.shape(tensor.shape()),
            has_rank: tensor.has_rank(),
            is_variable: tensor.is_variable(),
            buffer: BufferId(tensor.buffer()),
            quantization: tensor.quantization().map(|q| Arc::new(self.quantization(q))),
            expressed: None,
            rare: rare.into(),
        })
    }

    fn shape(&self, list: Option<Vector<'_, i32>>) -> Arc<[i32]> {
        let list: SmallVec<[i32; 8]> = list.into_iter().flatten().collect();
        self.ints.borrow_mut().share(&list)
    }

    fn quantization(&self, q: fb::QuantizationParameters<'_>) -> Quantization {
        let zero_point: SmallVec<[i64; 8]> = q.zero_point().into_iter().flatten().collect();
        let rare = QuantizationRare {
            min: q.min().into_iter().flatten().collect(),
            max: q.max().into_iter().flatten().collect(),
            details: QuantizationDetails::None,
        };
        Quantization {
            scale: q.scale().into_iter().flatten().collect(),
            zero_point: self.longs.borrow_mut().share(&zero_point),
            rare: rare.into(),
            quantized_dimension: q.quantized_dimension(),
        }
    }

    fn details(&self, q: fb::QuantizationParameters<'_>, ids: &[TensorId]) -> QuantizationDetails {
        let link = |index: i32| {
            let tensor = usize::try_from(index).ok().and_then(|index| ids.get(index));
            tensor.map_or(TensorLink::Raw(index), |id| TensorLink::Tensor(*id))
        };
        if let Some(custom) = q.details_as_custom_quantization() {
            let bytes = custom.custom().map_or(&[][..], |bytes| bytes.bytes());
            QuantizationDetails::Custom(Bytes::copy_from_slice(bytes))
        } else if let Some(block) = q.details_as_blockwise_quantization() {
            QuantizationDetails::Blockwise {
                scales: link(block.scales()),
                zero_points: link(block.zero_points()),
                block_size: block.block_size(),
                block_shape: ints(block.block_shape()),
            }
        } else if let Some(axes) = q.details_as_multi_axis_quantization() {
            QuantizationDetails::MultiAxis {
                scales: link(axes.scales()),
                zero_points: link(axes.zero_points()),
                block_size: axes.block_size(),
                quantized_dimensions: ints(axes.quantized_dimensions()),
            }
        } else {
            QuantizationDetails::None
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn op(
        &self,
        sg: usize,
        n: usize,
        op: fb::Operator<'_>,
        op_codes: &[OpCode],
        ids: &[TensorId],
        builder: &mut SubgraphBuilder,
        outside_end: &mut usize,
    ) -> Result<OpId, LiftError> {
        let index = op.opcode_index();
        let Some(code) = op_codes.get(index as usize) else {
            let what =
                format!("operator code {index} is not one of the model's {}", op_codes.len());
            return Err(LiftError::invalid(format!("subgraph {sg}, op {n}"), what));
        };
        let place = || format!("subgraph {sg}, op {n} ({})", code.kind());
        let find = |role: &str, slot: usize, index: i32| {
            usize::try_from(index).ok().and_then(|index| ids.get(index)).copied().ok_or_else(|| {
                let what =
                    format!("{role} {slot} is tensor {index}, of {}", counted(ids.len(), "tensor"));
                LiftError::invalid(place(), what)
            })
        };
        let optional = |role: &str, list: Option<Vector<'_, i32>>| {
            let list = list.into_iter().flatten().enumerate();
            list.map(|(slot, index)| match index {
                -1 => Ok(None),
                index => find(role, slot, index).map(Some),
            })
            .collect::<Result<SmallVec<[_; 8]>, _>>()
        };
        let operands = optional("operand", op.inputs())?;
        let results = op.outputs().into_iter().flatten().enumerate();
        let results: SmallVec<[TensorId; 4]> =
            results.map(|(slot, index)| find("result", slot, index)).collect::<Result<_, _>>()?;
        let intermediates = optional("intermediate", op.intermediates())?;

        let mut lifted = Op::new(code.kind());
        lifted.version = code.version;
        lifted.code = Some(index);
        lifted.debug_metadata_index = op.debug_metadata_index();
        let table = |union, tag: u8, table: Option<flatbuffers::Table<'_>>| {
            let Some(options) = options_by_tag(union, tag) else {
                debug_assert!(tag == 0 || self.drop_unknown, "the scan finds unknown tags");
                return None;
            };
            Some(options::read(self.file, table?.loc(), options))
        };
        let tables: [Option<Attributes>; 2] = [
            table(OptionsUnion::BuiltinOptions, op.builtin_options_type().0, op.builtin_options()),
            table(
                OptionsUnion::BuiltinOptions2,
                op.builtin_options_2_type().0,
                op.builtin_options_2(),
            ),
        ];
        let mut tables = tables.into_iter().flatten();
        lifted.attrs = tables.next();
        let rare = OpRare {
            extra_attrs: tables.next().map(Box::new),
            custom_options: self.custom_options(&place, op, outside_end)?,
            mutating_variable_inputs: op.mutating_variable_inputs().into_iter().flatten().collect(),
        };
        lifted.rare = rare.into();

        let id = builder.op(lifted, &operands, &results);
        builder.intermediates(id, &intermediates);
        Ok(id)
    }

    fn custom_options(
        &self,
        place: &dyn Fn() -> String,
        op: fb::Operator<'_>,
        outside_end: &mut usize,
    ) -> Result<CustomOptions, LiftError> {
        let format = op.custom_options_format().0;
        if let Some(bytes) = op.custom_options() {
            let first = bytes.bytes().as_ptr() as usize - self.file.as_ptr() as usize;
            let bytes = Some(self.file.slice(first..first + bytes.len()));
            return Ok(CustomOptions { bytes, format, large: false });
        }
        let (offset, size) = (op.large_custom_options_offset(), op.large_custom_options_size());
        let outside = self.outside(&place(), offset, size)?;
        if outside.is_some() {
            self.spend(&place(), size)?;
        }
        *outside_end = (*outside_end).max(outside.as_ref().map_or(0, |(_, end)| *end));
        let large = outside.is_some();
        Ok(CustomOptions { bytes: outside.map(|(bytes, _)| bytes), format, large })
    }
}

fn sparsity(sparsity: fb::SparsityParameters<'_>) -> Sparsity {
    let dims = sparsity.dim_metadata().into_iter().flatten();
    Sparsity {
        traversal_order: ints(sparsity.traversal_order()),
        block_map: ints(sparsity.block_map()),
        dim_metadata: dims
            .map(|dim| DimensionMetadata {
                format: dim.format().0,
                dense_size: dim.dense_size(),
                array_segments: index(
                    dim.array_segments_as_int_32_vector(),
                    dim.array_segments_as_uint_16_vector(),
                    dim.array_segments_as_uint_8_vector(),
                ),
                array_indices: index(
                    dim.array_indices_as_int_32_vector(),
                    dim.array_indices_as_uint_16_vector(),
                    dim.array_indices_as_uint_8_vector(),
                ),
            })
            .collect(),
    }
}

/// The one of the three that is there.
fn index(
    int32: Option<fb::Int32Vector<'_>>,
    uint16: Option<fb::Uint16Vector<'_>>,
    uint8: Option<fb::Uint8Vector<'_>>,
) -> SparseIndex {
    if let Some(v) = int32 {
        SparseIndex::Int32(ints(v.values()))
    } else if let Some(v) = uint16 {
        SparseIndex::Uint16(v.values().into_iter().flatten().collect())
    } else if let Some(v) = uint8 {
        SparseIndex::Uint8(v.values().into_iter().flatten().collect())
    } else {
        SparseIndex::None
    }
}

fn ints(list: Option<Vector<'_, i32>>) -> Vec<i32> {
    list.into_iter().flatten().collect()
}
