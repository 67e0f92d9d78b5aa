//! What XNNPACK takes, held against what the runtime took of models of one operator (`measured.txt`).

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use tfq_ir::catalog::{AttrType, ListType, op_by_name};
use tfq_ir::{
    Attr, Attributes, BufferId, ConstantPool, ElementType, Module, Op, OpKind, Quantization,
    SubgraphBuilder, SubgraphId, Tensor, TensorId,
};
use tfq_target::{Delegation, Target};

const MEASURED: &str = include_str!("measured.txt");
const MAIN: SubgraphId = SubgraphId(0);

/// Models of which the rows say something else than the runtime did, by op, with the reason.
const DISAGREE: &[(&str, usize, &str)] = &[(
    "BATCH_MATMUL",
    1,
    "XNNPACK takes computed codes beside float32 data and cannot build the op; no rule lets it come to that.",
)];

#[test]
fn rows_agree_with_the_runtime() {
    let target = Target::named("litert").unwrap();
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut taken, mut left) = (0, 0);
    for line in MEASURED.lines().filter(|line| !line.starts_with(['#', 'n'])) {
        let (model, answer) = line.rsplit_once('|').unwrap();
        let module = module(model);
        let (_, delegation) = target.delegations(&module, MAIN).pop().unwrap();
        let was_taken = answer != "no";
        *(if was_taken { &mut taken } else { &mut left }) += 1;
        if delegation.is_taken() != was_taken {
            let op = model.split(['|', '.']).next().unwrap();
            wrong.entry(op).or_default().push(format!("{line}: {delegation:?}"));
        }
    }
    assert!(taken > 850 && left > 1100, "{taken}, {left}");
    let counted: BTreeMap<_, _> = wrong.iter().map(|(op, all)| (*op, all.len())).collect();
    let expected: BTreeMap<_, _> = DISAGREE.iter().map(|(op, count, _)| (*op, *count)).collect();
    let all: Vec<String> = wrong.into_values().flatten().collect();
    assert!(counted == expected, "{counted:?}\n{}", all.join("\n"));
}

/// What decides about float32 weights is told in two places: with the op, for whoever asks which form
/// weights should get, and in rows that look at all operands.
#[test]
fn rows_agree_with_what_is_taken_as_float() {
    let target = Target::named("litert").unwrap();
    let mut asked = 0;
    for line in MEASURED.lines().filter(|line| !line.starts_with(['#', 'n'])) {
        let (model, _) = line.rsplit_once('|').unwrap();
        let module = module(model);
        let graph = module.subgraph(MAIN);
        let (op, delegation) = target.delegations(&module, MAIN).pop().unwrap();
        let float = |id: TensorId| graph.tensor(id).ty == ElementType::Float32;
        let constant = |id: TensorId| module.constant(MAIN, id).is_some();
        let Some(facts) = target.facts_of(graph, op) else { continue };
        let Some(data) = facts.activation.and_then(|slot| graph.operand(op, slot)) else {
            continue;
        };
        let parameters = facts.weights.iter().chain(&facts.biases);
        let mut parameters = parameters.filter_map(|slot| graph.operand(op, *slot));
        // What is told with the op is asked about constants, and looks at no other operands: nor at
        // the shape that a TRANSPOSE_CONV may compute.
        if graph.operands(op).into_iter().flatten().any(|id| id != data && !constant(id)) {
            continue;
        }
        let whole = graph.operands(op).into_iter().flatten().chain(graph.results(op));
        let mut whole = whole.map(|id| graph.tensor(id));
        if !float(data)
            || !parameters.all(float)
            || !whole.all(|tensor| tensor.shape.iter().all(|dim| *dim > 0))
        {
            continue;
        }
        asked += 1;
        assert_eq!(target.takes_as_float(graph, op), delegation.is_taken(), "{line}");
    }
    assert!(asked > 60, "{asked}");
}

#[test]
fn what_it_took_in_no_model_has_no_rows() {
    let target = Target::named("litert").unwrap();
    let never: Vec<&str> =
        MEASURED.lines().filter_map(|line| line.strip_prefix("never ")).collect();
    assert!(never.len() > 100);
    for line in never {
        let (op, _) = line.split_once(' ').unwrap();
        let module = module(&format!("{op}||f32[2,3]|f32[2,3]"));
        let (_, delegation) = target.delegations(&module, MAIN).pop().unwrap();
        assert_eq!(delegation, Delegation::Left("XNNPACK has no such op".into()), "{op}");
    }
}

/// Targets that have no XNNPACK: nothing is taken, whatever rows they take over.
#[test]
fn targets_without_xnnpack_take_nothing() {
    for name in ["litert-cpu", "gpu", "float-only", "tflm"] {
        let target = Target::named(name).unwrap();
        let (_, delegation) =
            target.delegations(&module("ABS||f32[2]|f32[2]"), MAIN).pop().unwrap();
        assert!(!target.has_delegate() && !delegation.is_taken(), "{name}");
    }
}

fn module(line: &str) -> Module {
    let [name, attrs, operands, results] = line.split('|').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    let (name, version) = name.split_once('.').unwrap_or((name, "1"));
    let info = op_by_name(name).unwrap();
    let mut op = Op::new(OpKind::Builtin(info.code));
    op.version = version.parse().unwrap();
    if let Some(options) = info.options {
        let mut values = Attributes::new(options);
        for attr in attrs.split(' ').filter(|attr| !attr.is_empty()) {
            let (name, value) = attr.split_once('=').unwrap();
            let (_, info) = options.attr(name).unwrap_or_else(|| panic!("{line}: {name}"));
            values.set(name, attribute(info.ty, value)).unwrap();
        }
        op.attrs = Some(values);
    }
    let mut pool = ConstantPool::new(vec![None]);
    let mut sg = SubgraphBuilder::new(None);
    let mut inputs = Vec::new();
    let operands: Vec<Option<TensorId>> = listed(operands)
        .map(|word| {
            let (mut tensor, constant, contents) = operand(word)?;
            tensor.buffer = if constant { pool.push(contents) } else { BufferId::NONE };
            let id = sg.tensor(tensor);
            if !constant {
                inputs.push(id);
            }
            Some(id)
        })
        .collect();
    let results: Vec<TensorId> =
        listed(results).map(|word| sg.tensor(operand(word).unwrap().0)).collect();
    sg.op(op, &operands, &results);
    Module::new(vec![sg.finish(inputs, results)], pool)
}

/// A tensor, whether it is a constant, and its bytes.
fn operand(word: &str) -> Option<(Tensor, bool, Bytes)> {
    if word == "_" {
        return None;
    }
    let (word, constant) = match word.strip_prefix("const:") {
        Some(word) => (word, true),
        None => (word, false),
    };
    let (head, values) = word.split_once('=').unwrap_or((word, ""));
    let (head, quantised) = head.split_once('@').unwrap_or((head, ""));
    let (ty, dims) = head.strip_suffix(']').unwrap().split_once('[').unwrap();
    let dims: Vec<i32> =
        dims.split(',').filter(|dim| !dim.is_empty()).map(|dim| dim.parse().unwrap()).collect();
    let mut tensor = Tensor::new("t", element(ty), dims);
    if let [scales, zeros, axis] = quantised.split('/').collect::<Vec<_>>()[..] {
        let scale: Vec<f32> = scales.split(',').map(|scale| scale.parse().unwrap()).collect();
        let mut zero: Vec<i64> = zeros.split(',').map(|zero| zero.parse().unwrap()).collect();
        zero.resize(scale.len(), 0);
        tensor.quantization = Some(Arc::new(Quantization {
            scale,
            zero_point: zero.into(),
            quantized_dimension: axis.parse().unwrap(),
            ..Quantization::default()
        }));
    }
    let values: Vec<i64> =
        values.split(',').filter(|value| !value.is_empty()).map(|v| v.parse().unwrap()).collect();
    let contents: Vec<u8> = match tensor.ty {
        ElementType::Int32 => values.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    let empty = tensor.elements() == Some(0);
    let bytes = if contents.is_empty() && !empty { vec![1] } else { contents };
    Some((tensor, constant, bytes.into()))
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

fn attribute(ty: AttrType, value: &str) -> Attr {
    match ty {
        AttrType::Bool => Attr::Bool(value == "1"),
        AttrType::F32 | AttrType::F64 => Attr::Float(value.parse().unwrap()),
        AttrType::Enum(values) => Attr::Int(values.value_of(value).unwrap()),
        AttrType::String => Attr::String(value.into()),
        AttrType::Bytes => Attr::Bytes(value.to_owned().into()),
        AttrType::List(ListType::F32) => {
            Attr::Floats(value.split(',').map(|value| value.parse().unwrap()).collect())
        }
        AttrType::List(_) => Attr::Ints(
            value.split(',').filter(|v| !v.is_empty()).map(|v| v.parse().unwrap()).collect(),
        ),
        _ => Attr::Int(value.parse().unwrap()),
    }
}

fn element(name: &str) -> ElementType {
    use ElementType::*;
    match name {
        "f32" => Float32,
        "f16" => Float16,
        "bf16" => BFloat16,
        "f64" => Float64,
        "i4" => Int4,
        "i8" => Int8,
        "i16" => Int16,
        "i32" => Int32,
        "i64" => Int64,
        "u8" => UInt8,
        "u16" => UInt16,
        "u32" => UInt32,
        "u64" => UInt64,
        "bool" => Bool,
        "str" => String,
        "c64" => Complex64,
        "resource" => Resource,
        _ => panic!("no type {name}"),
    }
}
