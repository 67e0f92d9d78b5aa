//! What the tests share.

// Each test file is a crate of its own and uses a part.
#![allow(dead_code)]

use bytes::Bytes;
use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::path::{Path, PathBuf};
use tfq_ir::{
    Attributes, ElementType, Module, Op, OpKind, Quantization, QuantizationDetails,
    QuantizationRare, Subgraph, Tensor, TensorId, TensorLink,
};
use tfq_tflite::{LiftError, LiftOptions, LowerOptions, Placement, lift, lower};

pub(crate) fn model_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models").join(name)
}

pub(crate) fn model(name: &str) -> Bytes {
    std::fs::read(model_path(name)).unwrap().into()
}

/// The models that the repository ships, those with fields beyond the schema aside.
pub(crate) fn models() -> Vec<(String, Bytes)> {
    let mut found = Vec::new();
    for folder in ["digits", "ops", "odd"] {
        for entry in model_path(folder).read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let unknown = ["unknown_model_field.tflite", "unknown_tensor_field.tflite"];
            if name.ends_with(".tflite") && !unknown.contains(&&*name) {
                let name = format!("{folder}/{name}");
                found.push((name.clone(), model(&name)));
            }
        }
    }
    found.sort();
    assert!(found.len() > 60, "the models are where they were");
    found
}

pub(crate) fn try_lift(file: &Bytes) -> Result<Module, LiftError> {
    lift(file, &LiftOptions::default())
}

pub(crate) fn lifted(file: &Bytes) -> Module {
    try_lift(file).unwrap()
}

pub(crate) fn lowered(module: &Module, placement: Placement) -> Bytes {
    lower(module, &LowerOptions { placement }).unwrap().to_vec().into()
}

pub(crate) fn float(name: &str, shape: &[i32]) -> Tensor {
    Tensor::new(name, ElementType::Float32, shape)
}

pub(crate) fn op(code: i32) -> Op {
    Op::new(OpKind::Builtin(code))
}

/// Everything that a module says, a line for each field, with handles resolved to positions.
/// What depends on where a file keeps its bytes is left out: whether they lie outside, and the
/// trailer, whose offsets move.
pub(crate) fn describe(module: &Module) -> String {
    let mut text = Describe { text: String::new(), place: String::new() };
    text.line("version", module.version());
    text.line("description", module.description());
    text.line("op codes", module.op_codes());
    text.line("metadata", module.metadata());
    text.line("metadata buffer", module.metadata_buffer());
    text.line("external groups", module.external_buffer_groups());
    text.line("external buffers", module.external_buffers());
    for (id, bytes) in module.constants().iter() {
        text.line("buffer", (id, bytes));
    }
    let mut positions = Vec::new();
    for (id, graph) in module.subgraphs() {
        positions.push(graph.tensors().zip(0..).collect());
        text.subgraph(id.0, graph, &positions[id.0 as usize]);
    }
    for (n, signature) in module.signatures().iter().enumerate() {
        text.place = format!("signature {n}");
        text.line("key", (&signature.key, signature.subgraph, &signature.deprecated_tag));
        let none = HashMap::new();
        let positions = positions.get(signature.subgraph as usize).unwrap_or(&none);
        for (name, ends) in [("input", &signature.inputs), ("output", &signature.outputs)] {
            for (label, link) in ends {
                text.line(name, (label, resolve(link, positions)));
            }
        }
    }
    text.text
}

type Positions = HashMap<TensorId, i32>;

fn resolve(link: &TensorLink, positions: &Positions) -> i32 {
    match link {
        TensorLink::Tensor(id) => positions[id],
        TensorLink::Raw(raw) => *raw,
    }
}

struct Describe {
    text: String,
    place: String,
}

impl Describe {
    fn line(&mut self, name: &str, value: impl Debug) {
        writeln!(self.text, "{} {name}: {value:?}", self.place).unwrap();
    }

    fn subgraph(&mut self, n: u32, graph: &Subgraph, positions: &Positions) {
        let place = format!("subgraph {n}");
        self.place.clone_from(&place);
        let all = |ids: &[TensorId]| ids.iter().map(|id| positions[id]).collect::<Vec<_>>();
        let some = |ids: &[Option<TensorId>]| {
            ids.iter().map(|id| id.map(|id| positions[&id])).collect::<Vec<_>>()
        };
        self.line("name", (&graph.name, graph.debug_metadata_index));
        self.line("ends", (all(graph.inputs()), all(graph.outputs())));
        for (id, n) in graph.tensors().zip(0..) {
            self.place = format!("{place} tensor {n}");
            self.tensor(graph.tensor(id), positions);
        }
        for (n, id) in graph.ops().enumerate() {
            self.place = format!("{place} op {n}");
            self.line("operands", some(&graph.operands(id)));
            self.line("results", all(&graph.results(id)));
            self.line("intermediates", some(&graph.intermediates(id)));
            self.op(graph.op(id));
        }
    }

    fn tensor(&mut self, tensor: &Tensor, positions: &Positions) {
        self.line("name", &tensor.name);
        self.line("type", (tensor.ty, &tensor.shape, &tensor.shape_signature, tensor.has_rank));
        self.line("buffer", (tensor.buffer, tensor.external_buffer, tensor.is_variable));
        self.line("sparsity", &tensor.sparsity);
        self.line("variants", &tensor.variant_tensors);
        self.line("expressed", tensor.expressed);
        let Some(q) = &tensor.quantization else { return };
        let Quantization { scale, zero_point, quantized_dimension, rare } = &**q;
        let QuantizationRare { min, max, details } = &**rare;
        self.line("quantization", (min, max, scale, zero_point, quantized_dimension));
        match details {
            QuantizationDetails::None => (),
            QuantizationDetails::Custom(bytes) => self.line("custom quantization", bytes),
            QuantizationDetails::Blockwise { scales, zero_points, block_size, block_shape } => {
                let links = [scales, zero_points].map(|link| resolve(link, positions));
                self.line("blocks", (links, block_size, block_shape));
            }
            QuantizationDetails::MultiAxis {
                scales,
                zero_points,
                block_size,
                quantized_dimensions,
            } => {
                let links = [scales, zero_points].map(|link| resolve(link, positions));
                self.line("axes", (links, block_size, quantized_dimensions));
            }
        }
    }

    fn op(&mut self, op: &Op) {
        self.line("kind", (&op.kind, op.version, op.code));
        for attrs in op.attrs.iter().chain(op.extra_attrs.as_deref()) {
            self.attributes(attrs);
        }
        self.line("custom options", (&op.custom_options.bytes, op.custom_options.format));
        self.line("mutating", &op.mutating_variable_inputs);
        self.line("debug metadata", op.debug_metadata_index);
        self.line("notes", &op.notes);
    }

    fn attributes(&mut self, attrs: &Attributes) {
        self.line("options", attrs.options().name);
        for (info, value) in attrs.set_values() {
            self.line(info.name, value);
        }
    }
}

/// Compares line by line, so that a failure shows the one that differs.
pub(crate) fn assert_same(name: &str, one: &Module, other: &Module) {
    let (one, other) = (describe(one), describe(other));
    for (a, b) in one.lines().zip(other.lines()) {
        assert_eq!(a, b, "{name}");
    }
    assert_eq!(one.lines().count(), other.lines().count(), "{name}");
}

/// Which ops have custom options behind the flatbuffer.
pub(crate) fn large_options(module: &Module) -> Vec<bool> {
    let graphs = module.subgraphs();
    graphs.flat_map(|(_, g)| g.ops().map(move |op| g.op(op).custom_options.large)).collect()
}

/// SplitMix64: the same numbers everywhere and always.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
