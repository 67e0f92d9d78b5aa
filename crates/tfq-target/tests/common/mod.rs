//! Modules of one op, for asking a target.
#![allow(dead_code)]

use bytes::Bytes;
use std::sync::Arc;
use tfq_ir::catalog::{op_by_code, ops};
use tfq_ir::{
    Attr, Attributes, BufferId, ConstantPool, Edit, ElementType, Module, Op, OpId, OpKind,
    Quantization, QuantizationDetails, SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink,
};
use tfq_target::{Granularity, Target, Verdict, WeightForm};

pub(crate) use tfq_ir::ElementType::*;

pub(crate) const MAIN: SubgraphId = SubgraphId(0);
pub(crate) const TENSOR: Granularity = Granularity::PerTensor;

pub(crate) fn channel(axis: usize) -> Granularity {
    Granularity::PerChannel { axis }
}

pub(crate) fn litert() -> Arc<Target> {
    Target::named("litert").unwrap()
}

/// An operand or result.
#[derive(Clone)]
pub(crate) struct T {
    tensor: Tensor,
    constant: bool,
    /// What it holds, where that matters.
    values: Vec<f32>,
    /// Comes out of a Dequantize of a constant of this type.
    dequantized: Option<ElementType>,
}

/// A float32 activation.
pub(crate) fn data(shape: &[i32]) -> T {
    T {
        tensor: Tensor::new("t", Float32, shape),
        constant: false,
        values: Vec::new(),
        dequantized: None,
    }
}

/// A float32 constant.
pub(crate) fn constant(shape: &[i32]) -> T {
    T { constant: true, ..data(shape) }
}

impl T {
    pub(crate) fn ty(mut self, ty: ElementType) -> Self {
        self.tensor.ty = ty;
        self
    }

    /// The value of each element, by its number.
    pub(crate) fn holding(mut self, value: impl Fn(usize) -> f32) -> Self {
        let elements = self.tensor.elements().unwrap() as usize;
        self.values = (0..elements).map(value).collect();
        self
    }

    pub(crate) fn expressed(mut self, ty: ElementType) -> Self {
        self.tensor.expressed = Some(ty);
        self
    }

    pub(crate) fn signature(mut self, dims: &[i32]) -> Self {
        self.tensor.shape_signature = dims.into();
        self
    }

    pub(crate) fn scales(mut self, scales: &[f32], axis: i32) -> Self {
        self.tensor.quantization = Some(Arc::new(Quantization::symmetric(scales.to_vec(), axis)));
        self
    }

    /// One scale per index of the axis.
    pub(crate) fn channels(self, axis: usize) -> Self {
        let scales = vec![0.5; self.tensor.shape[axis] as usize];
        self.scales(&scales, axis as i32)
    }

    pub(crate) fn zero_point(mut self, zero: i64) -> Self {
        let mut q = (**self.tensor.quantization.as_ref().unwrap()).clone();
        q.zero_point = vec![zero; q.zero_point.len()].into();
        self.tensor.quantization = Some(Arc::new(q));
        self
    }

    pub(crate) fn sparse(mut self) -> Self {
        self.tensor.sparsity = Some(Arc::default());
        self
    }

    pub(crate) fn behind_dequantize_of(mut self, ty: ElementType) -> Self {
        self.constant = false;
        self.dequantized = Some(ty);
        self
    }
}

/// An op in a module of its own.
pub(crate) struct Case {
    code: i32,
    attrs: Vec<(&'static str, Attr)>,
    operands: Vec<Option<T>>,
    results: Vec<T>,
}

pub(crate) fn case(code: i32, operands: Vec<Option<T>>) -> Case {
    Case { code, attrs: Vec::new(), operands, results: vec![data(&[1])] }
}

pub(crate) struct Built {
    pub(crate) module: Module,
    pub(crate) op: OpId,
}

impl Built {
    pub(crate) fn set_version(&mut self, version: i32) {
        let edit = Edit::Versions(SubgraphId(0), vec![(self.op, version)]);
        self.module.apply(edit).expect("the op is there");
    }
}

impl Case {
    pub(crate) fn int(mut self, name: &'static str, value: i64) -> Self {
        self.attrs.push((name, Attr::Int(value)));
        self
    }

    pub(crate) fn flag(mut self, name: &'static str) -> Self {
        self.attrs.push((name, Attr::Bool(true)));
        self
    }

    pub(crate) fn operand(mut self, slot: usize, tensor: Option<T>) -> Self {
        self.operands[slot] = tensor;
        self
    }

    /// A copy with another operand.
    pub(crate) fn with_operand(&self, slot: usize, tensor: T) -> Self {
        let (attrs, operands, results) =
            (self.attrs.clone(), self.operands.clone(), self.results.clone());
        Self { code: self.code, attrs, operands, results }.operand(slot, Some(tensor))
    }

    pub(crate) fn results(mut self, results: Vec<T>) -> Self {
        self.results = results;
        self
    }

    pub(crate) fn build(&self) -> Built {
        let mut pool = ConstantPool::new(vec![None]);
        let mut sg = SubgraphBuilder::new(None);
        let mut inputs = Vec::new();
        let mut add = |sg: &mut SubgraphBuilder, t: &T| -> TensorId {
            let mut tensor = t.tensor.clone();
            if let Some(ty) = t.dequantized {
                let mut source = Tensor::new("source", ty, tensor.shape.clone());
                source.buffer = pool.push(Bytes::from_static(&[1]));
                let source = sg.tensor(source);
                let id = sg.tensor(tensor);
                sg.op(Op::new(OpKind::Builtin(ops::DEQUANTIZE)), &[Some(source)], &[id]);
                return id;
            }
            let bytes: Vec<u8> = t.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let bytes = if bytes.is_empty() { Bytes::from_static(&[1]) } else { bytes.into() };
            tensor.buffer = if t.constant { pool.push(bytes) } else { BufferId::NONE };
            let id = sg.tensor(tensor);
            if !t.constant {
                inputs.push(id);
            }
            id
        };
        let operands: Vec<Option<TensorId>> =
            self.operands.iter().map(|t| t.as_ref().map(|t| add(&mut sg, t))).collect();
        let results: Vec<TensorId> =
            self.results.iter().map(|t| sg.tensor(t.tensor.clone())).collect();
        let mut op = Op::new(OpKind::Builtin(self.code));
        if let Some(options) = op_by_code(self.code).unwrap().options
            && !self.attrs.is_empty()
        {
            let mut attrs = Attributes::new(options);
            for (name, value) in &self.attrs {
                attrs.set(name, value.clone()).unwrap();
            }
            op.attrs = Some(attrs);
        }
        let op = sg.op(op, &operands, &results);
        let module = Module::new(vec![sg.finish(inputs, results)], pool);
        Built { module, op }
    }

    pub(crate) fn ask(&self, slot: u32, ty: ElementType, granularity: Granularity) -> Verdict {
        self.build().ask(slot, ty, granularity)
    }

    /// The verdict on a weight in the form it has.
    pub(crate) fn ask_as_is(&self, slot: u32) -> Verdict {
        let Built { module, op } = self.build();
        let graph = module.subgraph(MAIN);
        let form = WeightForm::of(graph.tensor(graph.operand(op, slot).unwrap()));
        litert().hybrid(tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot }, &form)
    }

    pub(crate) fn version(&self) -> Option<i32> {
        let Built { module, op } = self.build();
        litert().version(&module, MAIN, op)
    }
}

impl Built {
    pub(crate) fn ask(&self, slot: u32, ty: ElementType, granularity: Granularity) -> Verdict {
        litert().hybrid(
            tfq_target::WeightOperand { module: &self.module, sg: MAIN, op: self.op, slot },
            &WeightForm::new(ty, granularity),
        )
    }
}

/// A blockwise INT4 or INT2 matrix.
pub(crate) fn blockwise_case(
    code: i32,
    ty: ElementType,
    shape: &[i32],
    block: i32,
    scales: ElementType,
) -> Verdict {
    let (module, op, form) = blockwise_module(code, ty, shape, block, scales);
    litert().hybrid(tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 }, &form)
}

pub(crate) fn blockwise_module(
    code: i32,
    ty: ElementType,
    shape: &[i32],
    block: i32,
    scales: ElementType,
) -> (Module, OpId, WeightForm) {
    let mut pool = ConstantPool::new(vec![None]);
    let mut sg = SubgraphBuilder::new(None);
    let scale = sg.tensor(Tensor::new("scales", scales, [1]));
    let mut weight = Tensor::new("w", ty, shape);
    weight.buffer = pool.push(Bytes::from_static(&[1]));
    weight.quantization = Some(Arc::new(Quantization {
        rare: QuantizationDetails::Blockwise {
            scales: TensorLink::Tensor(scale),
            zero_points: TensorLink::Raw(-1),
            block_size: block,
            block_shape: Vec::new(),
        }
        .into(),
        ..Quantization::default()
    }));
    let form = WeightForm::of(&weight);
    let weight = sg.tensor(weight);
    let x = sg.tensor(Tensor::new("x", Float32, [1, shape[1]]));
    let y = sg.tensor(Tensor::new("y", Float32, [1, shape[0]]));
    let op = sg.op(Op::new(OpKind::Builtin(code)), &[Some(x), Some(weight)], &[y]);
    (Module::new(vec![sg.finish(vec![x], vec![y])], pool), op, form)
}

#[track_caller]
pub(crate) fn delegated(verdict: Verdict) {
    assert_eq!(verdict, Verdict::Hybrid { delegated: true });
}

#[track_caller]
pub(crate) fn on_cpu(verdict: Verdict) {
    assert_eq!(verdict, Verdict::Hybrid { delegated: false });
}

#[track_caller]
pub(crate) fn refused(verdict: Verdict, why: &str) {
    match verdict {
        Verdict::Dequantize { reason } => {
            assert!(reason.contains(why), "{reason:?} is not about {why:?}")
        }
        Verdict::Hybrid { .. } => panic!("it should be refused: {why}"),
    }
}
