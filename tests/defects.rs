//! What other quantisers are known to get wrong: one test for each defect, named after it, that
//! shows ours gets it right on the file that is written.
//!
//! The defects are those of ai-edge-quantizer 0.10 (found by running it), of litert-cli 0.2.1, of
//! TensorFlow 2.21's converter, and of TensorFlow's legacy quantizer
//! (`toco_legacy/quantize_weights.cc`, found by reading it). What the runtime makes of the files is
//! the corpus run's to show; here is what stands in them.

mod common;
#[path = "defects/legacy.rs"]
mod legacy;
#[path = "defects/peers.rs"]
mod peers;

use bytes::Bytes;
use common::{lifted, model};
use std::sync::Arc;
use tfq_opt::ir::catalog::{op_by_code, ops};
use tfq_opt::ir::{
    Attr, Attributes, BufferId, ConstantPool, ElementType, Module, Op, OpId, OpKind, Quantization,
    Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId,
};
use tfq_opt::pass::Report;
use tfq_opt::{Optimizer, Source};

/// What came out: the file, read again, and what was said.
struct Out {
    module: Module,
    bytes: Vec<u8>,
    report: Report,
}

/// Runs `quantize-weights` with these options, and what belongs behind it.
fn quantised<'a>(source: impl Into<Source<'a>>, options: &str) -> Out {
    let passes = format!("quantize-weights{{{options}}},insert-dequant,eliminate-dead-buffers");
    let mut optimizer = Optimizer::parse(&passes).expect("the options exist");
    // What the runtime would refuse of a model is not what these tests are about.
    optimizer.allow_unloadable = true;
    let result = optimizer.run(source).expect("the model can be processed");
    let bytes = result.to_vec().expect("it can be written");
    Out { module: lifted(&bytes), bytes, report: result.report }
}

/// For what is about ops that read codes, first layers too.
const HYBRID: &str = "exact-activations=off";

/// As [`quantised`], of a model under `tests/models`.
fn of(name: &str, options: &str) -> Out {
    quantised(model(name), options)
}

impl Out {
    #[track_caller]
    fn tensor(&self, name: &str) -> &Tensor {
        let (sg, id) = common::tensor(&self.module, name).expect("there is such a tensor");
        self.module.subgraph(sg).tensor(id)
    }

    #[track_caller]
    fn ty(&self, name: &str) -> ElementType {
        self.tensor(name).ty
    }

    #[track_caller]
    fn quantization(&self, name: &str) -> &Quantization {
        self.tensor(name).quantization.as_deref().expect("it is quantised")
    }

    #[track_caller]
    fn bytes(&self, name: &str) -> &[u8] {
        let (sg, id) = common::tensor(&self.module, name).expect("there is such a tensor");
        self.module.constant(sg, id).expect("it is a constant")
    }

    /// The ops of a kind, with their subgraphs.
    fn ops(&self, code: i32) -> Vec<(&Subgraph, OpId)> {
        let found = self.module.ops_of_kind(code);
        found.map(|(sg, op, _)| (self.module.subgraph(sg), op)).collect()
    }

    fn op(&self, code: i32) -> (&Subgraph, &Op) {
        let (graph, op) = self.ops(code)[0];
        (graph, graph.op(op))
    }

    /// The type of an operand of the first op of a kind.
    #[track_caller]
    fn operand(&self, code: i32, slot: u32) -> ElementType {
        let (graph, op) = self.ops(code)[0];
        graph.tensor(graph.operand(op, slot).expect("it is there")).ty
    }

    fn dequantize(&self) -> usize {
        self.ops(ops::DEQUANTIZE).len()
    }

    /// Whether a remark under this heading says this.
    fn says(&self, rule: &str, what: &str) -> bool {
        self.report
            .remarks()
            .any(|(_, r)| r.rule == rule && (r.message.contains(what) || r.place.contains(what)))
    }
}

/// A model of one subgraph, built in code for what no file under `tests/models` has.
struct Build {
    pool: ConstantPool,
    sg: SubgraphBuilder,
    inputs: Vec<TensorId>,
    outputs: Vec<TensorId>,
}

impl Build {
    fn new() -> Self {
        Self {
            pool: ConstantPool::new(vec![None]),
            sg: SubgraphBuilder::new(None),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    fn input(&mut self, name: &str, shape: &[i32]) -> TensorId {
        let id = self.tensor(name, shape);
        self.inputs.push(id);
        id
    }

    fn tensor(&mut self, name: &str, shape: &[i32]) -> TensorId {
        self.sg.tensor(Tensor::new(name, ElementType::Float32, shape))
    }

    fn buffer(&mut self, values: &[f32]) -> BufferId {
        self.pool.push(Bytes::from_iter(values.iter().flat_map(|value| value.to_le_bytes())))
    }

    fn constant(&mut self, name: &str, shape: &[i32], values: &[f32]) -> TensorId {
        let buffer = self.buffer(values);
        self.shown(name, shape, buffer)
    }

    /// A constant whose bytes are in this buffer.
    fn shown(&mut self, name: &str, shape: &[i32], buffer: BufferId) -> TensorId {
        let mut tensor = Tensor::new(name, ElementType::Float32, shape);
        tensor.buffer = buffer;
        self.sg.tensor(tensor)
    }

    /// A constant of values between -1 and 1 that are all different from their neighbours.
    fn weights(&mut self, name: &str, shape: &[i32]) -> TensorId {
        let count: i32 = shape.iter().product();
        self.constant(name, shape, &waves(count as usize))
    }

    fn op(
        &mut self,
        code: i32,
        operands: &[Option<TensorId>],
        result: TensorId,
        attrs: &[(&'static str, Attr)],
    ) {
        let mut op = Op::new(OpKind::Builtin(code));
        if !attrs.is_empty() {
            let options = op_by_code(code).and_then(|op| op.options).expect("it has options");
            let mut set = Attributes::new(options);
            for (name, value) in attrs {
                set.set(name, value.clone()).expect("it is an attribute");
            }
            op.attrs = Some(set);
        }
        self.sg.op(op, operands, &[result]);
    }

    fn output(&mut self, id: TensorId) {
        self.outputs.push(id);
    }

    fn model(self) -> Module {
        Module::new(vec![self.sg.finish(self.inputs, self.outputs)], self.pool)
    }
}

fn waves(count: usize) -> Vec<f32> {
    (0..count).map(|n| ((n * 37 % 255) as f32 - 127.0) / 127.0).collect()
}

/// A FULLY_CONNECTED of `rows` by 32 weights, without options.
fn dense(rows: i32, values: &[f32]) -> Module {
    let mut g = Build::new();
    let (x, y) = (g.input("input", &[1, 32]), g.tensor("output", &[1, rows]));
    let weights = g.constant("weights", &[rows, 32], values);
    g.op(ops::FULLY_CONNECTED, &[Some(x), Some(weights), None], y, &[]);
    g.output(y);
    g.model()
}

fn symmetric(quantization: &Quantization, scales: usize, axis: i32) -> bool {
    quantization.scale.len() == scales
        && quantization.zero_point[..] == vec![0; scales]
        && quantization.quantized_dimension == axis
        && quantization.scale.iter().all(|scale| scale.is_normal() && *scale > 0.0)
}

const MAIN: SubgraphId = SubgraphId(0);

/// The quantisation that stated ranges come with.
fn stated(min: &[f32], max: &[f32]) -> Arc<Quantization> {
    let mut q = Quantization::default();
    (q.min, q.max) = (min.to_vec(), max.to_vec());
    Arc::new(q)
}
