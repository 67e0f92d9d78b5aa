//! What a tensor is, and what is set of one.

use super::names::{PatchReader, shared};
use super::path::{At, Read};
use crate::handles::{Link, TensorRef};
use crate::number::Float;
use crate::wire::{
    Details, Nullable, Quantization, SparseDimension, SparseIndex, Sparsity, Tensor, TensorChange,
    Type, VariantTensor,
};
use std::sync::Arc;
use tfq_ir::{BufferId, DimensionMetadata, QuantizationDetails, TensorLink, VariantSubType};

impl PatchReader<'_> {
    pub(super) fn tensor_change(
        &self,
        change: &TensorChange,
        at: &At<'_>,
    ) -> Read<tfq_ir::TensorChange> {
        use tfq_ir::TensorChange as Ir;
        Ok(match change {
            TensorChange::Name(name) => Ir::Name(shared(&name.0)),
            TensorChange::Type(Type(ty)) => Ir::Type(*ty),
            TensorChange::Shape(shape) => Ir::Shape(shape.as_slice().into()),
            TensorChange::ShapeSignature(shape) => Ir::ShapeSignature(shape.as_slice().into()),
            TensorChange::HasRank(has) => Ir::HasRank(*has),
            TensorChange::Variable(variable) => Ir::Variable(*variable),
            TensorChange::Buffer(buffer) => {
                Ir::Buffer(self.buffer_ref(*buffer, &at.field("buffer"))?)
            }
            TensorChange::ExternalBuffer(id) => Ir::ExternalBuffer(*id),
            TensorChange::Quantization(Nullable(q)) => {
                let at = at.field("quantization");
                let q = q.as_ref().map(|q| self.quantization(q, &at)).transpose()?;
                Ir::Quantization(q.map(Arc::new))
            }
            TensorChange::Sparsity(Nullable(s)) => {
                Ir::Sparsity(s.as_ref().map(|s| Arc::new(sparsity(s))))
            }
            TensorChange::VariantTensors(types) => Ir::VariantTensors(variants(types)),
            TensorChange::Expressed(Nullable(ty)) => Ir::Expressed(ty.map(|Type(ty)| ty)),
        })
    }

    pub(super) fn tensor(&self, tensor: &Tensor, at: &At<'_>) -> Read<tfq_ir::Tensor> {
        let quantization = match &tensor.quantization {
            Some(q) => Some(Arc::new(self.quantization(q, &at.field("quantization"))?)),
            None => None,
        };
        let buffer = match self.buffer_ref(tensor.buffer, &at.field("buffer"))? {
            tfq_ir::BufferRef::Old(id) => id,
            tfq_ir::BufferRef::New(_) => BufferId::NONE,
        };
        let rare = tfq_ir::TensorRare {
            shape_signature: tensor.shape_signature.as_slice().into(),
            external_buffer: tensor.external_buffer,
            sparsity: tensor.sparsity.as_ref().map(|s| Arc::new(sparsity(s))),
            variant_tensors: variants(&tensor.variant_tensors),
        };
        Ok(tfq_ir::Tensor {
            name: shared(&tensor.name),
            ty: tensor.ty.0,
            shape: tensor.shape.as_slice().into(),
            has_rank: tensor.has_rank,
            is_variable: tensor.variable,
            buffer,
            quantization,
            expressed: tensor.expressed.map(|Type(ty)| ty),
            rare: rare.into(),
        })
    }

    fn quantization(&self, q: &Quantization, at: &At<'_>) -> Read<tfq_ir::Quantization> {
        let floats = |list: &[Float]| list.iter().map(|v| v.0).collect();
        let at = at.field("details");
        let link = |link: Link, kind: &str, name: &str| {
            let at = at.field(kind);
            let at = at.field(name);
            Ok(match link {
                Link::Raw(number) => TensorLink::Raw(number),
                Link::Old(id) => TensorLink::Tensor(self.of.tensor_of(self.graph, id, &at)?),
                Link::New(new) => {
                    TensorLink::Tensor(self.tensor_ref(TensorRef::New(new), &at)?.id())
                }
            })
        };
        let details = match &q.details {
            None => QuantizationDetails::None,
            Some(Details::Custom(blob)) => {
                QuantizationDetails::Custom(self.of.blob(blob, &at.field("custom"))?)
            }
            Some(Details::Blockwise { scales, zero_points, block_size, block_shape }) => {
                QuantizationDetails::Blockwise {
                    scales: link(*scales, "blockwise", "scales")?,
                    zero_points: link(*zero_points, "blockwise", "zero_points")?,
                    block_size: *block_size,
                    block_shape: block_shape.clone(),
                }
            }
            Some(Details::MultiAxis { scales, zero_points, block_size, axes }) => {
                QuantizationDetails::MultiAxis {
                    scales: link(*scales, "multi_axis", "scales")?,
                    zero_points: link(*zero_points, "multi_axis", "zero_points")?,
                    block_size: *block_size,
                    quantized_dimensions: axes.clone(),
                }
            }
        };
        let rare = tfq_ir::QuantizationRare { min: floats(&q.min), max: floats(&q.max), details };
        Ok(tfq_ir::Quantization {
            scale: floats(&q.scale),
            zero_point: q.zero_point.iter().map(|v| v.0).collect(),
            quantized_dimension: q.axis,
            rare: rare.into(),
        })
    }
}

fn sparsity(sparsity: &Sparsity) -> tfq_ir::Sparsity {
    let index = |index: &Option<SparseIndex>| match index {
        None => tfq_ir::SparseIndex::None,
        Some(SparseIndex::Int32(list)) => tfq_ir::SparseIndex::Int32(list.clone()),
        Some(SparseIndex::Uint16(list)) => tfq_ir::SparseIndex::Uint16(list.clone()),
        Some(SparseIndex::Uint8(list)) => tfq_ir::SparseIndex::Uint8(list.clone()),
    };
    let dimension = |dimension: &SparseDimension| DimensionMetadata {
        format: dimension.format,
        dense_size: dimension.dense_size,
        array_segments: index(&dimension.segments),
        array_indices: index(&dimension.indices),
    };
    tfq_ir::Sparsity {
        traversal_order: sparsity.traversal_order.clone(),
        block_map: sparsity.block_map.clone(),
        dim_metadata: sparsity.dimensions.iter().map(dimension).collect(),
    }
}

fn variants(types: &[VariantTensor]) -> Vec<VariantSubType> {
    let of = |one: &VariantTensor| VariantSubType {
        shape: one.shape.clone(),
        ty: one.ty.0,
        has_rank: one.has_rank,
    };
    types.iter().map(of).collect()
}
