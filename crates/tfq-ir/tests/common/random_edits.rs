//! Random edits of all kinds.

use super::{bytes, custom, float, op, relu, text};
use std::sync::Arc;
use tfq_ir::catalog::ops;
use tfq_ir::{
    Attr, BufferId, ConstantPool, DEQUANT_CACHE_METADATA, Edit, ElementType, ExternalBuffer,
    InsertionPoint, Metadata, Module, ModuleParts, OpCode, OpId, OpKind, OpRef, Patch,
    Quantization, QuantizationDetails, Record, RecordEntry, Recorded, Signature, SubgraphBuilder,
    SubgraphId, Tensor, TensorChange, TensorId, TensorLink,
};

pub(crate) fn signature(subgraph: u32, inputs: &[TensorId], outputs: &[TensorId]) -> Signature {
    let links = |ids: &[TensorId]| ids.iter().map(|id| (None, TensorLink::Tensor(*id))).collect();
    Signature {
        key: text("serve"),
        inputs: links(inputs),
        outputs: links(outputs),
        subgraph,
        deprecated_tag: None,
    }
}

pub(crate) fn blockwise(scales: TensorId) -> Option<Arc<Quantization>> {
    let details = QuantizationDetails::Blockwise {
        scales: TensorLink::Tensor(scales),
        zero_points: TensorLink::Raw(-1),
        block_size: 2,
        block_shape: Vec::new(),
    };
    Some(Arc::new(Quantization { rare: details.into(), ..Quantization::default() }))
}

pub(crate) fn record_of(op: OpId) -> Record {
    let entries = vec![RecordEntry { of: Recorded::Op(op), bytes: vec![0; 17].into() }];
    Record { entries, about: vec![ops::DEQUANTIZE] }
}

/// A module with something of everything that edits change.
pub(crate) fn rich() -> Module {
    let mut graphs = Vec::new();
    for n in 0..3 {
        let mut builder = SubgraphBuilder::numbered(SubgraphId(n), None);
        let [x, a, b, y] = ["x", "a", "b", "y"].map(|name| builder.tensor(float(name)));
        let w = builder.tensor(Tensor { buffer: BufferId(1 + n), ..float("w") });
        builder.op(op(ops::DEQUANTIZE), &[Some(w)], &[a]);
        let call = builder.op(op(ops::ADD), &[Some(x), Some(a)], &[b]);
        builder.op(custom(), &[Some(b)], &[y]);
        builder.intermediates(call, &[None]);
        graphs.push(builder.finish(vec![x], vec![y]));
    }
    let code = OpCode::for_kind(&OpKind::Builtin(ops::ADD), 1);
    let constants = ConstantPool::new(vec![None, Some(bytes(8)), Some(bytes(8)), Some(bytes(8))]);
    ModuleParts {
        metadata: vec![Metadata { name: text("there"), buffer: BufferId(3) }],
        op_codes: vec![code],
        constants,
        subgraphs: graphs,
        ..ModuleParts::default()
    }
    .build()
}

/// A kind of edit and numbers that settle what it does, each taken modulo what there is.
pub(crate) type Step = (u8, [usize; 4]);
pub(crate) const KINDS: u8 = 20;

/// Some of these are refused.
pub(crate) fn edit((kind, [a, b, c, d]): Step, module: &Module) -> Edit {
    let sg = SubgraphId((a % module.subgraphs().len()) as u32);
    let graph = module.subgraph(sg);
    let tensors: Vec<TensorId> = graph.tensors().collect();
    let ops: Vec<OpId> = graph.ops().collect();
    let tensor = |n: usize| tensors[n % tensors.len()];
    let Some(op_of) = (!ops.is_empty()).then_some(|n: usize| ops[n % ops.len()]) else {
        return Edit::PruneOpCodes;
    };
    let buffer = |n: usize| BufferId((n % (module.constants().len() + 1)) as u32);
    let number = |n: usize| n as u32 % 5;
    let some = |n: usize| !n.is_multiple_of(3);
    let key = || -> Arc<str> { DEQUANT_CACHE_METADATA.into() };
    let name = || Arc::from(["there", "new", DEQUANT_CACHE_METADATA][b % 3]);
    let mut patch = Patch::new(sg, format!("kind {kind}"));
    match kind % KINDS {
        0 => return Edit::Versions(sg, vec![(op_of(b), 2), (op_of(c), 3)]),
        1 => return Edit::Constant(bytes(b % 9)),
        2 => return Edit::Release((0..number(b)).map(BufferId).collect()),
        3 => return Edit::Metadata(name(), some(c).then(|| bytes(d % 9))),
        4 => return Edit::MetadataBuffers(vec![(b % 6) as i32 - 1]),
        5 => return Edit::Description(some(b).then(|| format!("{c}").into())),
        6 => return Edit::Trailer(bytes(b % 9)),
        7 => {
            let (id, group) = (number(b), number(c) % 2);
            let external = ExternalBuffer { id, group, offset: 1, length: 2, packing: None };
            return Edit::External(vec![text("file")], vec![external]);
        }
        8 => {
            let at = if some(d) { sg.0 } else { number(d) };
            let outputs = if some(c) { graph.outputs().to_vec() } else { vec![tensor(c)] };
            return Edit::Signatures(vec![signature(at, graph.inputs(), &outputs)]);
        }
        9 => {
            let record = match b % 4 {
                0 => None,
                1 => Some(record_of(op_of(c))),
                _ => {
                    let of = [Recorded::Op(op_of(c)), Recorded::Tensor(tensor(c))][d % 2];
                    let entries = vec![RecordEntry { of, bytes: bytes(d % 300) }];
                    Some(Record { entries, about: vec![ops::ADD] })
                }
            };
            let key = [key(), Arc::from("test.record"), Arc::from("test.other")][a % 3].clone();
            return Edit::Record(key, record.map(Arc::new));
        }
        10 => {
            let prune = [Edit::PruneBuffers, Edit::PruneOpCodes, Edit::PruneSubgraphs];
            return prune.into_iter().nth(b % 3).expect("there are three");
        }
        11 => {
            let new = patch.new_constant(float("constant"), bytes(8));
            patch.set_operand(op_of(b), (c % 3) as u32, new);
        }
        12 => {
            let scales = patch.new_constant(float("scales"), bytes(8));
            let old = [scales, tensor(c).into()][d % 2];
            patch.set_quantization(tensor(b), blockwise(old.id()));
            patch.set_quantization(scales, some(d).then(|| blockwise(old.id())).flatten());
        }
        13 => {
            let change = match c % 12 {
                0 => TensorChange::Name(text("renamed")),
                1 => TensorChange::Type(ElementType::Int8),
                2 => TensorChange::Shape(Arc::new([(d % 4) as i32])),
                3 => TensorChange::ShapeSignature(Arc::new([-1])),
                4 => TensorChange::HasRank(some(d)),
                5 => TensorChange::Variable(some(d)),
                6 => TensorChange::Buffer(buffer(d).into()),
                7 => TensorChange::ExternalBuffer(number(d)),
                8 => TensorChange::Quantization(
                    some(d).then(|| Arc::new(Quantization::symmetric(vec![1.0; d % 3], 0))),
                ),
                9 => TensorChange::Sparsity(some(d).then(Arc::default)),
                10 => TensorChange::Expressed(some(d).then_some(ElementType::Float32)),
                _ => TensorChange::VariantTensors(Vec::new()),
            };
            patch.change_tensor(tensor(b), change);
        }
        14 => match c % 4 {
            0 => patch.set_op(op_of(b), relu()),
            1 => patch.set_attr(op_of(b), "fused_activation_function", Attr::Int(d as i64 % 9)),
            2 => patch.set_note(op_of(b), "note", Attr::Int(1)),
            _ => patch.set_version(op_of(b), 7),
        },
        15 => {
            let inputs = (0..d % 3).map(|n| tensor(c + n).into());
            let new = patch.add_tensor(float("in"));
            patch.set_inputs(inputs.chain([new]));
            if some(b) {
                patch.set_outputs([tensor(b).into(), new]);
            }
        }
        16 => {
            let scratch = patch.add_tensor(float("scratch"));
            let named = [None, Some(scratch), Some(tensor(c).into())][c % 3];
            patch.set_intermediate(op_of(b), number(d), named);
            patch.clear_operand(op_of(d), number(c));
        }
        17 => {
            let tensor = tensor(b);
            let new = patch.add_tensor(float("after"));
            let at = [
                InsertionPoint::Before(op_of(c)),
                InsertionPoint::After(op_of(c)),
                InsertionPoint::End,
            ][d % 3];
            patch.add_op(op(ops::DEQUANTIZE), at, &[Some(tensor.into())], &[new]);
            patch.replace_uses(graph, tensor, new);
        }
        18 => {
            let (op, results) = (op_of(b), graph.results(op_of(b)));
            patch.erase_op(op);
            for result in results.into_iter().filter(|_| some(c)) {
                patch.replace_uses(graph, result, tensor(d));
                patch.erase_tensor(result);
            }
        }
        _ => {
            let new = patch.replace_op(graph, op_of(b), custom(), &[Some(tensor(c).into())]);
            assert_eq!(new, OpRef::New(0));
            if !some(d) {
                patch.set_result(new, 1, tensor(d));
            }
        }
    }
    patch.into()
}
