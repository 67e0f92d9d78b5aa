//! Models with much of one thing: what a file may hold as often as it has bytes. For tests of
//! scale, which make them large, and for the fuzzers, which make many.

use std::sync::Arc;
use tfq_opt::ir::catalog::{self, ops};
use tfq_opt::ir::{
    Attr, Attributes, ConstantPool, CustomOptions, ElementType, ExternalBuffer, Metadata, Module,
    Op, OpCode, OpKind, Quantization, QuantizationDetails, Signature, Subgraph, SubgraphBuilder,
    SubgraphId, Tensor, TensorId, TensorLink,
};

/// What there is much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Large {
    /// Subgraphs, each of which calls the next, and one that nobody calls.
    CallChain,
    /// Subgraphs, each of which calls the next, and the last the first.
    CallRing,
    /// Subgraphs that each call several of the others.
    CallMesh,
    /// Subgraphs that are all the same, without names.
    EqualSubgraphs,
    /// Ops in a row, each with a weight of its own.
    Layers,
    /// Ops that read one weight.
    Readers,
    /// Ops that read one weight, and would not after another kernel changed its scale.
    Products,
    /// Constants that the subgraph and its signature return.
    Returned,
    /// Tensors that each hold the scales of another, the last those of the first.
    Links,
    /// Ops that read one activation and whose results nobody reads.
    DeadOps,
    /// Tensors that show one buffer, each with another quantisation.
    SharedBuffer,
    /// Tensors that nothing refers to, all of one name.
    LooseTensors,
    /// Operands of one op.
    Operands,
    /// Results of one op.
    Results,
    /// Inputs and outputs.
    Ends,
    /// Ops that use one tensor as scratch.
    Scratch,
    /// Channels of one weight, each with a scale.
    Channels,
    /// Elements of one attribute.
    Attribute,
    /// Signatures of one subgraph.
    Signatures,
    /// Inputs and outputs of one signature.
    SignatureEnds,
    /// Metadata entries, all of one name.
    Metadata,
    /// Buffers that nothing refers to.
    Buffers,
    /// Operator codes that no op has.
    OpCodes,
    /// Constants that lie in other files.
    ExternalBuffers,
    /// Characters of one name.
    Name,
    /// Bytes of options of one custom op, nested as deep as they are long.
    CustomOptions,
    /// Dimensions of one tensor.
    Rank,
}

impl Large {
    pub(crate) const ALL: [Self; 27] = [
        Self::CallChain,
        Self::CallRing,
        Self::CallMesh,
        Self::EqualSubgraphs,
        Self::Layers,
        Self::Readers,
        Self::Products,
        Self::Returned,
        Self::Links,
        Self::DeadOps,
        Self::SharedBuffer,
        Self::LooseTensors,
        Self::Operands,
        Self::Results,
        Self::Ends,
        Self::Scratch,
        Self::Channels,
        Self::Attribute,
        Self::Signatures,
        Self::SignatureEnds,
        Self::Metadata,
        Self::Buffers,
        Self::OpCodes,
        Self::ExternalBuffers,
        Self::Name,
        Self::CustomOptions,
        Self::Rank,
    ];

    /// A well-formed model with `n` of it, at least one.
    pub(crate) fn model(self, n: usize) -> Module {
        let n = n.max(1);
        let mut make = Make { pool: ConstantPool::new(vec![None]), main: builder("main") };
        let x = make.main.tensor(float("x"));
        let (mut inputs, mut outputs) = (vec![x], Vec::new());
        let mut others = Vec::new();
        match self {
            Self::CallChain | Self::CallRing | Self::CallMesh => {
                return calls(self, n);
            }
            Self::EqualSubgraphs => others.extend((1..n).map(|n| relu_graph(n as u32, None))),
            Self::Layers => {
                let mut at = x;
                for layer in 0..n {
                    let weight = make.weight(&format!("w{layer}"), layer);
                    let y = make.main.tensor(float(&format!("y{layer}")));
                    make.fully_connected(at, weight, y);
                    at = y;
                }
                outputs.push(at);
            }
            Self::Readers => {
                let weight = make.weight("w", 0);
                for reader in 0..n {
                    let y = make.main.tensor(float(&format!("y{reader}")));
                    make.fully_connected(x, weight, y);
                    outputs.push(y);
                }
            }
            Self::Products => {
                let weight = make.weight("w", 0);
                for product in 0..n {
                    let y = make.main.tensor(float(&format!("y{product}")));
                    make.main.op(op(ops::BATCH_MATMUL), &[Some(x), Some(weight)], &[y]);
                    outputs.push(y);
                }
            }
            Self::Returned => {
                outputs.extend((0..n).map(|at| make.weight(&format!("w{at}"), at)));
            }
            Self::Links => {
                let ring: Vec<TensorId> = (0..n).map(|_| make.main.tensor(float("t"))).collect();
                for (at, id) in ring.iter().enumerate() {
                    let details = QuantizationDetails::Blockwise {
                        scales: TensorLink::Tensor(ring[(at + 1) % n]),
                        zero_points: TensorLink::Raw(-1),
                        block_size: 32,
                        block_shape: Vec::new(),
                    };
                    let quantization =
                        Quantization { rare: details.into(), ..Quantization::default() };
                    make.main.tensor_mut(*id).quantization = Some(Arc::new(quantization));
                }
                make.main.op(op(ops::RELU), &[Some(x)], &[ring[0]]);
                outputs.push(ring[0]);
            }
            Self::DeadOps => {
                for dead in 0..n {
                    let y = make.main.tensor(float(&format!("y{dead}")));
                    make.main.op(op(ops::EXP), &[Some(x)], &[y]);
                }
            }
            Self::SharedBuffer => {
                let bytes: Vec<u8> = (0..64).collect();
                let buffer = make.pool.push(bytes.into());
                for view in 0..n {
                    let mut weight = Tensor::new(format!("w{view}"), ElementType::Int8, [8, 8]);
                    weight.buffer = buffer;
                    weight.quantization = scales(vec![1.0 / (view + 1) as f32]);
                    let weight = make.main.tensor(weight);
                    let y = make.main.tensor(Tensor::new("y", ElementType::Float32, [8, 8]));
                    make.main.op(op(ops::DEQUANTIZE), &[Some(weight)], &[y]);
                    outputs.push(y);
                }
            }
            Self::LooseTensors => (0..n).for_each(|_| _ = make.main.tensor(float("loose"))),
            Self::Operands => {
                let operands: Vec<_> = (0..n).map(|_| Some(make.weight("w", 0))).collect();
                let wide = Tensor::new("y", ElementType::Float32, [8 * n as i32, 8]);
                let y = make.main.tensor(wide);
                make.main.op(op(ops::CONCATENATION), &operands, &[y]);
                outputs.push(y);
            }
            Self::Results => {
                let axis = make.axis();
                let results: Vec<_> = (0..n).map(|_| make.main.tensor(float("y"))).collect();
                make.main.op(op(ops::SPLIT), &[Some(axis), Some(x)], &results);
                outputs.extend(results);
            }
            Self::Ends => {
                inputs.extend((1..n).map(|_| make.main.tensor(float("x"))));
                for x in inputs.clone() {
                    let y = make.main.tensor(float("y"));
                    make.main.op(op(ops::RELU), &[Some(x)], &[y]);
                    outputs.push(y);
                }
            }
            Self::Scratch => {
                let scratch = make.main.tensor(float("scratch"));
                for n in 0..n {
                    let y = make.main.tensor(float(&format!("y{n}")));
                    let id = make.main.op(op(ops::RELU), &[Some(x)], &[y]);
                    make.main.intermediates(id, &[Some(scratch)]);
                    outputs.push(y);
                }
            }
            Self::Channels => {
                let mut weight = Tensor::new("w", ElementType::Int8, [n as i32, 1]);
                weight.buffer = make.pool.push(vec![1; n].into());
                weight.quantization =
                    scales((0..n).map(|channel| 1.0 / (channel + 1) as f32).collect());
                let weight = make.main.tensor(weight);
                let y = make.main.tensor(Tensor::new("y", ElementType::Float32, [n as i32, 1]));
                make.main.op(op(ops::DEQUANTIZE), &[Some(weight)], &[y]);
                outputs.push(y);
            }
            Self::Attribute => {
                let mut squeeze = op(ops::SQUEEZE);
                let dims = (0..n as i64).collect();
                let attrs = squeeze.attrs.as_mut().expect("SQUEEZE has options");
                attrs.set("squeeze_dims", Attr::Ints(dims)).expect("it is a list of integers");
                let y = make.main.tensor(float("y"));
                make.main.op(squeeze, &[Some(x)], &[y]);
                outputs.push(y);
            }
            Self::CustomOptions => {
                let mut custom = Op::new(OpKind::Custom("mine".into()));
                custom.custom_options = CustomOptions {
                    bytes: Some(nested_flexbuffer(n).into()),
                    ..CustomOptions::default()
                };
                let y = make.main.tensor(float("y"));
                make.main.op(custom, &[Some(x)], &[y]);
                outputs.push(y);
            }
            Self::Name => make.main.tensor_mut(x).name = Some("n".repeat(n).into()),
            Self::Rank => {
                let many = Tensor::new("many", ElementType::Float32, vec![1; n]);
                _ = make.main.tensor(many);
            }
            Self::Buffers => (0..n).for_each(|_| _ = make.pool.push(vec![1, 2, 3].into())),
            Self::Signatures
            | Self::SignatureEnds
            | Self::Metadata
            | Self::OpCodes
            | Self::ExternalBuffers => (),
        }
        if outputs.is_empty() {
            let y = make.main.tensor(float("y"));
            make.main.op(op(ops::RELU), &[Some(x)], &[y]);
            outputs.push(y);
        }
        let ends = |list: &[TensorId]| -> Vec<(Option<Arc<str>>, TensorLink)> {
            let each = list.iter().enumerate();
            each.map(|(n, id)| (Some(format!("{n}").into()), TensorLink::Tensor(*id))).collect()
        };
        let signature = |key: &str, inputs: &[TensorId], outputs: &[TensorId]| Signature {
            key: Some(key.into()),
            inputs: ends(inputs),
            outputs: ends(outputs),
            subgraph: 0,
            deprecated_tag: None,
        };
        let signatures = match self {
            Self::Signatures => {
                (0..n).map(|n| signature(&format!("s{n}"), &inputs, &outputs)).collect()
            }
            Self::Returned => vec![signature("s", &inputs, &outputs)],
            Self::SignatureEnds => vec![signature("s", &vec![x; n], &vec![outputs[0]; n])],
            _ => Vec::new(),
        };
        let mut graphs = vec![make.main.finish(inputs, outputs)];
        graphs.append(&mut others);
        let mut pool = make.pool;
        let metadata = if self == Self::Metadata { n } else { Default::default() };
        let metadata = (0..metadata).map(|n| Metadata {
            name: Some("entry".into()),
            buffer: pool.push((n as u32).to_le_bytes().to_vec().into()),
        });
        let metadata: Vec<Metadata> = metadata.collect();
        let mut module = Module::new(graphs, pool);
        module = module.rebuilt(|parts| parts.signatures = signatures);
        module = module.rebuilt(|parts| parts.metadata = metadata);
        match self {
            Self::OpCodes => {
                let code = |n: usize| OpCode::for_kind(&OpKind::Builtin(ops::ADD), n as i32 + 1);
                module = module.rebuilt(|parts| parts.op_codes = (0..n).map(code).collect());
            }
            Self::ExternalBuffers => {
                module = module.rebuilt(|parts| {
                    parts.external_buffer_groups = vec![Some("weights.bin".into())]
                });
                let external = |n: usize| ExternalBuffer {
                    id: n as u32 + 1,
                    group: 0,
                    offset: 8 * n as u64,
                    length: 8,
                    packing: None,
                };
                module =
                    module.rebuilt(|parts| parts.external_buffers = (0..n).map(external).collect());
            }
            _ => (),
        }
        module
    }
}

struct Make {
    pool: ConstantPool,
    main: SubgraphBuilder,
}

impl Make {
    /// A constant of 8 times 8 numbers, of which no two are alike.
    fn weight(&mut self, name: &str, which: usize) -> TensorId {
        let numbers = (0..64_usize).map(|n| ((which * 64 + n) % 4093) as f32 / 64.0);
        let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
        let mut weight = Tensor::new(name, ElementType::Float32, [8, 8]);
        weight.buffer = self.pool.push(bytes.into());
        self.main.tensor(weight)
    }

    fn axis(&mut self) -> TensorId {
        let mut axis = Tensor::new("axis", ElementType::Int32, []);
        axis.buffer = self.pool.push(vec![0; 4].into());
        self.main.tensor(axis)
    }

    fn fully_connected(&mut self, x: TensorId, weight: TensorId, y: TensorId) {
        self.main.op(op(ops::FULLY_CONNECTED), &[Some(x), Some(weight), None], &[y]);
    }
}

fn calls(kind: Large, n: usize) -> Module {
    let count = n as i64 + i64::from(kind == Large::CallChain);
    let callees = |at: i64| -> Vec<i64> {
        match kind {
            // The last one is called by nobody.
            Large::CallChain if at + 2 < count => vec![at + 1],
            Large::CallChain => Vec::new(),
            Large::CallRing => vec![(at + 1) % count],
            _ => (1..=4).map(|step| (at * step + step) % count).collect(),
        }
    };
    let graphs = (0..count).map(|at| {
        let name = format!("graph{at}");
        let mut graph = SubgraphBuilder::numbered(SubgraphId(at as u32), Some(name.into()));
        let p = graph.tensor(Tensor::new("p", ElementType::Bool, []));
        let mut last = graph.tensor(float("x"));
        let inputs = vec![p, last];
        for callee in callees(at) {
            let mut call = op(ops::IF);
            let attrs = call.attrs.as_mut().expect("IF has options");
            for branch in ["then_subgraph_index", "else_subgraph_index"] {
                attrs.set(branch, Attr::Int(callee)).expect("it is a number of a subgraph");
            }
            let y = graph.tensor(float("y"));
            graph.op(call, &[Some(p), Some(last)], &[y]);
            last = y;
        }
        let y = graph.tensor(float("z"));
        graph.op(op(ops::RELU), &[Some(last)], &[y]);
        graph.finish(inputs, vec![y])
    });
    Module::new(graphs.collect(), ConstantPool::new(vec![None]))
}

fn relu_graph(number: u32, name: Option<&str>) -> Subgraph {
    let mut graph = SubgraphBuilder::numbered(SubgraphId(number), name.map(Arc::from));
    let [x, y] = ["x", "y"].map(|name| graph.tensor(float(name)));
    graph.op(op(ops::RELU), &[Some(x)], &[y]);
    graph.finish(vec![x], vec![y])
}

/// Lists of one element in each other, each an offset and a type behind the one before.
pub(crate) fn nested_flexbuffer(n: usize) -> Vec<u8> {
    // An integer, then a vector of one element for each level: its length, the distance to its
    // element, and that element's type.
    const INT: u8 = 1 << 2;
    const VECTOR: u8 = 10 << 2;
    let mut bytes = vec![7];
    let mut element = INT;
    for level in 0..n {
        bytes.extend([1, if level == 0 { 2 } else { 3 }, element]);
        element = VECTOR;
    }
    bytes.extend([2, VECTOR, 1]);
    bytes
}

fn builder(name: &str) -> SubgraphBuilder {
    SubgraphBuilder::new(Some(name.into()))
}

fn float(name: &str) -> Tensor {
    Tensor::new(name, ElementType::Float32, [8, 8])
}

fn op(code: i32) -> Op {
    let mut op = Op::new(OpKind::Builtin(code));
    op.attrs = catalog::op_by_code(code).and_then(|info| info.options).map(Attributes::new);
    op
}

fn scales(scale: Vec<f32>) -> Option<Arc<Quantization>> {
    let zero_point = vec![0; scale.len()];
    Some(Arc::new(Quantization { scale, zero_point: zero_point.into(), ..Quantization::default() }))
}
