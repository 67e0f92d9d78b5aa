//! A module made from random bytes: every field that the format has, with values that are seldom
//! seen. Much of it is near to being well-formed; the verifier says what is.

use crate::large::nested_flexbuffer;
use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use std::sync::Arc;
use tfq_ir::catalog::{self, AttrType, ListType, ops};
use tfq_ir::{
    Attr, Attributes, BufferId, ConstantPool, CustomOptions, DimensionMetadata, ElementType,
    ExternalBuffer, Metadata, Module, ModuleParts, Op, OpCode, OpKind, Quantization,
    QuantizationDetails, QuantizationRare, Signature, SparseIndex, Sparsity, Subgraph,
    SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink, VariantSubType,
};

/// The module that these bytes make. Where they end, all the rest is 0 or nothing.
pub(crate) fn module(u: &mut Unstructured<'_>) -> Module {
    let mut make = Make { pool: ConstantPool::new(vec![None]), subgraphs: 1, u };
    make.module().expect("running out of bytes is no error")
}

struct Make<'u, 'b> {
    u: &'u mut Unstructured<'b>,
    pool: ConstantPool,
    subgraphs: u32,
}

/// What a lexer may trip over, and what naming must tell apart.
const NAMES: [&str; 20] = [
    "", "a", "a.2", "a.3", "main", "x y", "\"", "\\", "\\u{", "\u{202e}", "\n\t\r", "%", "@a",
    "// a", "_", "input", "f32[1]", "\u{0}", "ü", "relu",
];

/// Ops that call subgraphs.
const CALLS: [i32; 5] = [ops::IF, ops::WHILE, ops::CALL_ONCE, ops::CALL, ops::STABLEHLO_COMPOSITE];

impl Make<'_, '_> {
    fn module(&mut self) -> Result<Module> {
        self.subgraphs = self.some(3, 12)?.max(1) as u32;
        if self.seldom()? {
            self.pool = ConstantPool::default();
        }
        let mut graphs = Vec::new();
        for n in 0..self.subgraphs {
            graphs.push(self.subgraph(SubgraphId(n))?);
        }
        let signatures = self.list(3, |make| make.signature(&graphs))?;
        let metadata = self.list(3, |make| {
            let name = make.some_name()?;
            let bytes = make.payload()?;
            Ok(Metadata { name, buffer: make.pool.push(bytes) })
        })?;
        let op_codes = self.list(3, |make| {
            let kind = make.kind()?;
            let mut code = OpCode::for_kind(&kind, make.version()?);
            if make.seldom()? {
                code.custom = make.some_name()?;
                code.deprecated_builtin = make.u.arbitrary()?;
            }
            Ok(code)
        })?;
        let external_buffers = self.list(2, |make| {
            let [id, group] = make.u.arbitrary()?;
            let [offset, length] = make.u.arbitrary()?;
            Ok(ExternalBuffer { id, group, offset, length, packing: make.some_name()? })
        })?;
        let description = self.some_name()?;
        let external_buffer_groups = self.list(2, Self::some_name)?;
        let metadata_buffer = self.list(2, |make| make.u.arbitrary())?;
        let constants_outside = self.seldom()?;
        let parts = ModuleParts {
            signatures,
            metadata,
            op_codes,
            description,
            external_buffers,
            external_buffer_groups,
            metadata_buffer,
            constants_outside,
            subgraphs: graphs,
            constants: std::mem::take(&mut self.pool),
            ..ModuleParts::default()
        };
        Ok(parts.build())
    }

    fn subgraph(&mut self, number: SubgraphId) -> Result<Subgraph> {
        let mut builder = SubgraphBuilder::numbered(number, self.some_name()?);
        if self.seldom()? {
            builder.debug_metadata_index(self.u.arbitrary()?);
        }
        let mut tensors = Vec::new();
        let mut computed = Vec::new();
        for _ in 0..self.some(6, 30)?.max(1) {
            tensors.push(builder.tensor(self.tensor(&tensors)?));
        }
        for _ in 0..self.some(5, 30)? {
            let op = self.op()?;
            let operands = self.list(4, |make| make.some_tensor(&tensors))?;
            let results = self.list(2, |make| Ok(builder.tensor(make.result(&tensors)?)))?;
            let id = builder.op(op, &operands, &results);
            computed.extend(results.iter().copied());
            tensors.extend(results);
            if self.seldom()? {
                let between = self.list(3, |make| make.some_tensor(&tensors))?;
                builder.intermediates(id, &between);
            }
        }
        let inputs = self.list(3, |make| Ok(*make.u.choose(&tensors)?))?;
        let inputs = inputs.into_iter().filter(|tensor| !computed.contains(tensor)).collect();
        let outputs = self.list(3, |make| Ok(*make.u.choose(&tensors)?))?;
        Ok(builder.finish(inputs, outputs))
    }

    /// A tensor that no op computes.
    fn tensor(&mut self, others: &[TensorId]) -> Result<Tensor> {
        if self.seldom()? && !self.pool.is_empty() {
            return self.weight();
        }
        let mut tensor = self.result(others)?;
        tensor.is_variable = self.seldom()?;
        match self.u.int_in_range(0..=3)? {
            0 if !self.pool.is_empty() => {
                tensor.buffer = BufferId(self.u.int_in_range(0..=self.pool.len() as u32 - 1)?);
            }
            1 | 2 => {
                let elements = tensor.elements().filter(|n| *n < 1000);
                let size = elements.and_then(|n| tensor.ty.bytes_for(n)).unwrap_or(7);
                // More bytes than elements is something that files have.
                let size = size as usize + usize::from(self.seldom()?);
                let some = self.payload()?;
                let bytes: Vec<u8> =
                    some.iter().copied().chain(std::iter::repeat(0)).take(size).collect();
                tensor.buffer = self.pool.push(bytes.into());
            }
            _ => (),
        }
        if self.seldom()? {
            tensor.sparsity = Some(Arc::new(self.sparsity()?));
        }
        if self.seldom()? {
            tensor.external_buffer = self.u.arbitrary()?;
        }
        Ok(tensor)
    }

    /// A constant as passes look for it: large enough, sound, and shared with others now and then.
    fn weight(&mut self) -> Result<Tensor> {
        let ty =
            *self.u.choose(&[ElementType::Float32, ElementType::Int8, ElementType::Float16])?;
        let shape = *self.u.choose(&[[1, 8, 8, 1], [8, 1, 1, 8], [4, 2, 2, 4]])?;
        let mut tensor =
            Tensor::new("", ty, if self.u.arbitrary()? { vec![8, 8] } else { shape.to_vec() });
        tensor.name = self.some_name()?;
        if ty == ElementType::Int8 {
            let axis = self.u.int_in_range(0..=tensor.shape.len() - 1)?;
            let scales = if self.u.arbitrary()? { tensor.shape[axis] as usize } else { 1 };
            tensor.quantization = Some(Arc::new(Quantization {
                scale: (0..scales).map(|_| self.float()).collect::<Result<_>>()?,
                zero_point: vec![0; scales].into(),
                quantized_dimension: axis as i32,
                ..Quantization::default()
            }));
        }
        let len = ty.bytes_for(64).expect("it is small") as usize;
        let same = |bytes: Option<&Bytes>| bytes.is_some_and(|bytes| bytes.len() == len);
        let there: Vec<BufferId> =
            self.pool.iter().filter(|(_, bytes)| same(*bytes)).map(|(id, _)| id).collect();
        tensor.buffer = match there.is_empty() || self.u.arbitrary()? {
            true => {
                let seed: [u8; 4] = self.u.arbitrary()?;
                self.pool.push(seed.into_iter().cycle().take(len).collect::<Vec<u8>>().into())
            }
            false => *self.u.choose(&there)?,
        };
        Ok(tensor)
    }

    /// A tensor that an op may compute.
    fn result(&mut self, others: &[TensorId]) -> Result<Tensor> {
        let dimension = |make: &mut Self| match make.u.int_in_range(0..=9)? {
            9 => make.u.arbitrary(),
            small => Ok(small),
        };
        let mut tensor = Tensor::new("", self.element_type()?, self.list(4, dimension)?);
        tensor.name = self.some_name()?;
        tensor.has_rank = self.u.arbitrary()?;
        if self.seldom()? {
            tensor.shape_signature = self.list(4, |make| make.u.int_in_range(-2..=5))?.into();
        } else if self.seldom()? {
            let holes = tensor.shape.iter().map(|d| if *d % 2 == 0 { -1 } else { *d });
            tensor.shape_signature = holes.collect();
        }
        if self.u.arbitrary()? {
            tensor.quantization = Some(Arc::new(self.quantization(&tensor, others)?));
        }
        if self.seldom()? {
            tensor.variant_tensors = self.list(2, |make| {
                let shape = make.list(2, |make| make.u.arbitrary())?;
                let has_rank = make.u.arbitrary()?;
                Ok(VariantSubType { shape, ty: make.element_type()?, has_rank })
            })?;
        }
        if self.seldom()? {
            tensor.expressed = Some(ElementType::Float32);
        }
        Ok(tensor)
    }

    fn quantization(&mut self, tensor: &Tensor, others: &[TensorId]) -> Result<Quantization> {
        let dimension = self.u.int_in_range(0..=3)?;
        let channels = tensor.shape.get(dimension).and_then(|d| usize::try_from(*d).ok());
        let scales = match self.u.int_in_range(0..=3)? {
            0 => 0,
            1 => 1,
            _ => channels.unwrap_or(1).min(40),
        };
        let floats =
            |make: &mut Self, n: usize| (0..n).map(|_| make.float()).collect::<Result<_>>();
        let scale = floats(self, scales)?;
        let points = if self.seldom()? { self.u.int_in_range(0..=3)? } else { scales };
        let small = |make: &mut Self| Ok(i64::from(make.u.arbitrary::<i8>()?));
        let zero_point = (0..points).map(|_| small(self)).collect::<Result<_>>()?;
        let quantized_dimension =
            if self.seldom()? { self.u.arbitrary()? } else { dimension as i32 };
        let ranges = if self.seldom()? { self.u.int_in_range(0..=12)? } else { 0 };
        let (min, max) = (floats(self, ranges)?, floats(self, ranges)?);
        let details = match self.u.int_in_range(0..=11)? {
            9 => QuantizationDetails::Custom(self.payload()?),
            10 => QuantizationDetails::Blockwise {
                scales: self.link(others)?,
                zero_points: self.link(others)?,
                block_size: self.u.arbitrary()?,
                block_shape: self.list(3, |make| make.u.arbitrary())?,
            },
            11 => QuantizationDetails::MultiAxis {
                scales: self.link(others)?,
                zero_points: self.link(others)?,
                block_size: self.u.arbitrary()?,
                quantized_dimensions: self.list(3, |make| make.u.arbitrary())?,
            },
            _ => QuantizationDetails::None,
        };
        let rare = QuantizationRare { min, max, details }.into();
        Ok(Quantization { scale, zero_point, quantized_dimension, rare })
    }

    fn sparsity(&mut self) -> Result<Sparsity> {
        let any = |make: &mut Self| make.u.arbitrary();
        let index = |make: &mut Self| {
            Ok(match make.u.int_in_range(0..=3)? {
                0 => SparseIndex::None,
                1 => SparseIndex::Int32(make.list(12, |make| make.u.arbitrary())?),
                2 => SparseIndex::Uint16(make.list(12, |make| make.u.arbitrary())?),
                _ => SparseIndex::Uint8(make.list(12, |make| make.u.arbitrary())?),
            })
        };
        let traversal_order = self.list(3, any)?;
        let block_map = self.list(3, any)?;
        let dim_metadata = self.list(3, |make| {
            Ok(DimensionMetadata {
                format: make.u.arbitrary()?,
                dense_size: make.u.arbitrary()?,
                array_segments: index(make)?,
                array_indices: index(make)?,
            })
        })?;
        Ok(Sparsity { traversal_order, block_map, dim_metadata })
    }

    fn signature(&mut self, graphs: &[Subgraph]) -> Result<Signature> {
        let subgraph = self.u.int_in_range(0..=graphs.len() as u32)?;
        let tensors: Vec<TensorId> =
            graphs.get(subgraph as usize).map_or_else(Vec::new, |graph| graph.tensors().collect());
        let end = |make: &mut Self| Ok((make.some_name()?, make.link(&tensors)?));
        Ok(Signature {
            key: self.some_name()?,
            inputs: self.list(2, end)?,
            outputs: self.list(2, end)?,
            subgraph,
            deprecated_tag: if self.seldom()? { self.some_name()? } else { None },
        })
    }

    fn op(&mut self) -> Result<Op> {
        let mut op = Op::new(self.kind()?);
        op.version = self.version()?;
        if self.seldom()? {
            op.kind = OpKind::Builtin(*self.u.choose(&CALLS)?);
        }
        let options = match &op.kind {
            OpKind::Builtin(code) if !self.seldom()? => {
                catalog::op_by_code(*code).and_then(|info| info.options)
            }
            _ if self.seldom()? => Some(*self.u.choose(catalog::all_options())?),
            _ => None,
        };
        if let Some(options) = options {
            op.attrs = Some(self.attributes(options)?);
        }
        if self.seldom()? {
            let options = *self.u.choose(catalog::all_options())?;
            let second = self.attributes(options)?;
            op.extra_attrs = Some(Box::new(second));
        }
        if matches!(op.kind, OpKind::Custom(_)) || self.seldom()? {
            let mut bytes = if self.u.arbitrary()? { Some(self.payload()?) } else { None };
            if self.seldom()? {
                bytes = Some(nested_flexbuffer(self.u.int_in_range(0..=300)?).into());
            }
            let large = bytes.is_some() && self.seldom()?;
            let format = i8::from(self.seldom()?);
            op.custom_options = CustomOptions { bytes, format, large };
        }
        if self.seldom()? {
            op.mutating_variable_inputs = self.list(4, |make| make.u.arbitrary())?;
        }
        if self.seldom()? {
            op.debug_metadata_index = self.u.arbitrary()?;
        }
        if self.seldom()? {
            let name = self.name()?.to_string();
            op.notes.insert(name.into(), Attr::Int(self.u.arbitrary()?));
        }
        Ok(op)
    }

    fn kind(&mut self) -> Result<OpKind> {
        if self.seldom()? {
            return Ok(OpKind::Custom(self.name()?));
        }
        let code = self.u.choose(catalog::all_ops())?.code;
        Ok(if code == catalog::ops::CUSTOM {
            OpKind::Custom(self.name()?)
        } else {
            OpKind::Builtin(code)
        })
    }

    fn attributes(&mut self, options: &'static catalog::OptionsInfo) -> Result<Attributes> {
        let mut attributes = Attributes::new(options);
        for info in options.attrs {
            if self.u.arbitrary()? {
                continue;
            }
            let value = if info.subgraph && info.ty == AttrType::I32 {
                Attr::Int(self.u.int_in_range(-1..=i64::from(self.subgraphs) - 1)?)
            } else {
                self.attr(info.ty)?
            };
            // One that does not fit the attribute's width is left out.
            let _ = attributes.set(info.name, value);
        }
        Ok(attributes)
    }

    fn attr(&mut self, ty: AttrType) -> Result<Attr> {
        Ok(match ty {
            AttrType::Bool => Attr::Bool(self.u.arbitrary()?),
            AttrType::F32 | AttrType::F64 => Attr::Float(self.float()?),
            AttrType::String => Attr::String(self.name()?),
            AttrType::Bytes => Attr::Bytes(self.payload()?),
            AttrType::List(ListType::Bool) => {
                Attr::Bools(self.list(10, |make| make.u.arbitrary())?.into())
            }
            AttrType::List(ListType::F32) => Attr::Floats(self.list(10, Self::float)?.into()),
            AttrType::List(_) => Attr::Ints(self.list(10, Self::int)?.into()),
            _ => Attr::Int(self.int()?),
        })
    }

    // Values.

    fn int(&mut self) -> Result<i64> {
        Ok(match self.u.int_in_range(0..=3)? {
            0 => i64::from(self.u.arbitrary::<i32>()?),
            1 => self.u.arbitrary()?,
            _ => i64::from(self.u.arbitrary::<i8>()?),
        })
    }

    fn version(&mut self) -> Result<i32> {
        if self.seldom()? { self.u.arbitrary() } else { self.u.int_in_range(1..=4) }
    }

    fn float(&mut self) -> Result<f32> {
        // Of NaN there are many.
        Ok(match self.u.int_in_range(0..=2)? {
            0 => f32::from(self.u.arbitrary::<i8>()?) / 64.0,
            1 => f32::from_bits(self.u.arbitrary()?),
            _ => *self.u.choose(&[f32::NAN, f32::INFINITY, -0.0, 1e-45, f32::MAX, 0.1])?,
        })
    }

    fn element_type(&mut self) -> Result<ElementType> {
        let code = self.u.int_in_range(0..=22)?;
        Ok(ElementType::from_code(code).expect("there are types 0 to 22"))
    }

    fn payload(&mut self) -> Result<Bytes> {
        let len = if self.seldom()? { 100 } else { self.u.int_in_range(0..=12)? };
        let some = self.u.bytes(len.min(self.u.len()))?;
        Ok(Bytes::copy_from_slice(some))
    }

    fn name(&mut self) -> Result<Arc<str>> {
        Ok(if self.seldom()? {
            String::arbitrary(self.u)?.into()
        } else {
            Arc::from(*self.u.choose(&NAMES)?)
        })
    }

    fn some_name(&mut self) -> Result<Option<Arc<str>>> {
        if self.seldom()? { Ok(None) } else { self.name().map(Some) }
    }

    fn some_tensor(&mut self, tensors: &[TensorId]) -> Result<Option<TensorId>> {
        if self.seldom()? { Ok(None) } else { self.u.choose(tensors).copied().map(Some) }
    }

    fn link(&mut self, tensors: &[TensorId]) -> Result<TensorLink> {
        // A number of a tensor that exists would be a link to it.
        if tensors.is_empty() || self.seldom()? {
            let none = [-1, i32::MIN, i32::MAX, 1 << 20];
            return Ok(TensorLink::Raw(*self.u.choose(&none)?));
        }
        self.u.choose(tensors).copied().map(TensorLink::Tensor)
    }

    /// Up to so many of them.
    fn list<T>(
        &mut self,
        most: usize,
        mut one: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let len = self.u.int_in_range(0..=most)?;
        (0..len).map(|_| one(self)).collect()
    }

    /// How many: few, and seldom many.
    fn some(&mut self, few: usize, many: usize) -> Result<usize> {
        let most = if self.seldom()? { many } else { few };
        self.u.int_in_range(0..=most)
    }

    fn seldom(&mut self) -> Result<bool> {
        // Not where the input has ended: that gives 0.
        Ok(self.u.int_in_range(0..=7)? == 7)
    }
}
