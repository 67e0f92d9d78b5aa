//! What [`infer`] says, held against what the runtime gave for thousands of models of one operator
//! (`measured.txt`; docs/op-semantics.md tells how it is made).

use std::collections::BTreeMap;
use tfq_ir::catalog::{AttrType, ListType, op_by_name};
use tfq_ir::ops::{OperandFacts, Shape, infer};
use tfq_ir::{Attr, Attributes, ElementType, Op, OpKind};

const MEASURED: &str = include_str!("measured.txt");
const REFUSED: &str = include_str!("refused.txt");
const TAKEN: &str = include_str!("refused_by_op.txt");

/// A model of one operator that ran.
struct Case<'a> {
    line: &'a str,
    op: Op,
    operands: Vec<Option<Tensor>>,
    declared: Vec<Option<ElementType>>,
    results: Vec<(ElementType, Vec<i32>)>,
    kernels: &'a str,
}

struct Tensor {
    ty: ElementType,
    shape: Vec<i32>,
    contents: Option<Vec<u8>>,
}

/// Models of which the runtime says something else, and why.
struct Disagreement {
    what: &'static str,
    why: &'static str,
    /// Operator, kernels and number of models.
    models: &'static [(&'static str, &'static str, usize)],
}

/// All that disagrees.
const DISAGREE: &[Disagreement] = &[
    Disagreement {
        what: "type kept",
        why: "The kernel writes its own type into the buffer, whatever the file says it holds.",
        models: &[
            ("BATCH_MATMUL", "ref+opt+xnn", 3),
            ("BIDIRECTIONAL_SEQUENCE_LSTM", "ref+opt+xnn", 3),
            ("BIDIRECTIONAL_SEQUENCE_RNN", "ref+opt+xnn", 3),
            ("CUMSUM", "ref+opt+xnn", 3),
            ("EMBEDDING_LOOKUP", "ref+opt+xnn", 3),
            ("LSH_PROJECTION", "ref+opt+xnn", 3),
            ("LSTM", "ref+opt+xnn", 3),
            ("MEAN", "ref+opt+xnn", 3),
            ("MUL", "ref+opt+xnn", 3),
            ("REDUCE_ALL", "ref+opt+xnn", 4),
            ("REDUCE_ANY", "ref+opt+xnn", 4),
            ("REDUCE_MAX", "ref+opt+xnn", 3),
            ("REDUCE_MIN", "ref+opt+xnn", 3),
            ("REDUCE_PROD", "ref+opt+xnn", 3),
            ("RESHAPE", "ref+opt+xnn", 3),
            ("RNN", "ref+opt+xnn", 3),
            ("SEGMENT_SUM", "opt+xnn", 3),
            ("SOFTMAX", "ref+opt+xnn", 3),
            ("SQUEEZE", "ref+opt+xnn", 1),
            ("STABLEHLO_ADD", "ref+opt+xnn", 3),
            ("STABLEHLO_AND", "opt+xnn", 3),
            ("STABLEHLO_GATHER", "ref+opt+xnn", 3),
            ("STABLEHLO_MAXIMUM", "ref+opt+xnn", 3),
            ("STABLEHLO_MINIMUM", "ref+opt+xnn", 3),
            ("STABLEHLO_MULTIPLY", "ref+opt+xnn", 3),
            ("STABLEHLO_SCATTER", "ref+opt+xnn", 3),
            ("SUM", "ref+opt+xnn", 3),
            ("SVDF", "ref+opt+xnn", 3),
            ("UNIDIRECTIONAL_SEQUENCE_LSTM", "ref+opt+xnn", 3),
            ("UNIDIRECTIONAL_SEQUENCE_RNN", "ref+opt+xnn", 3),
            ("UNSORTED_SEGMENT_MAX", "ref+opt+xnn", 3),
            ("UNSORTED_SEGMENT_MIN", "ref+opt+xnn", 3),
            ("UNSORTED_SEGMENT_PROD", "ref+opt+xnn", 3),
            ("UNSORTED_SEGMENT_SUM", "ref+opt+xnn", 3),
            ("VAR_HANDLE", "ref+opt+xnn", 4),
        ],
    },
    Disagreement {
        what: "type",
        why: "The Python binding has no INT4 and says INT8.",
        models: &[
            ("BROADCAST_TO", "ref+opt+xnn", 1),
            ("CONCATENATION", "ref+opt+xnn", 1),
            ("DILATE", "ref+opt+xnn", 1),
            ("DYNAMIC_UPDATE_SLICE", "ref+opt+xnn", 1),
            ("EMBEDDING_LOOKUP", "ref+opt+xnn", 1),
            ("EXPAND_DIMS", "ref+opt+xnn", 1),
            ("FAKE_QUANT", "ref+opt+xnn", 1),
            ("GATHER", "ref+opt+xnn", 1),
            ("HASHTABLE_LOOKUP", "ref+opt+xnn", 1),
            ("MATRIX_DIAG", "ref+opt+xnn", 1),
            ("MATRIX_SET_DIAG", "ref+opt+xnn", 1),
            ("RESHAPE", "ref+opt+xnn", 1),
            ("SLICE", "ref+opt+xnn", 1),
            ("SQUEEZE", "ref+opt+xnn", 1),
            ("STABLEHLO_PAD", "ref+opt+xnn", 1),
            ("TRANSPOSE", "ref+opt+xnn", 1),
        ],
    },
    Disagreement {
        what: "type",
        why: "The Python binding has no RESOURCE and says STRING.",
        models: &[("HASHTABLE", "opt+xnn", 1), ("VAR_HANDLE", "ref+opt+xnn", 1)],
    },
    Disagreement {
        what: "shape",
        why: "XNNPACK gives a cell for a VALID window that is larger than the image; the CPU kernels none.",
        models: &[("AVERAGE_POOL_2D", "xnn", 1), ("MAX_POOL_2D", "xnn", 1)],
    },
    Disagreement {
        what: "error",
        why: "The kernel does not look at operands behind those that it knows.",
        models: &[
            ("BATCH_MATMUL", "xnn", 1),
            ("MIRROR_PAD", "ref+opt+xnn", 1),
            ("PAD", "ref+opt+xnn", 1),
            ("STABLEHLO_PAD", "ref+opt+xnn", 1),
            ("VAR_HANDLE", "ref+opt+xnn", 1),
        ],
    },
    Disagreement {
        what: "error",
        why: "The kernel drops elements that fill no row of the weights.",
        models: &[("FULLY_CONNECTED", "ref+opt", 1)],
    },
    Disagreement {
        what: "error",
        why: "Without a value the kernel pads as PAD does.",
        models: &[("PADV2", "ref+opt+xnn", 2)],
    },
    Disagreement {
        what: "error",
        why: "XNNPACK reads 0 as \"the same size\"; to the CPU kernels it is a size of 0.",
        models: &[("RESHAPE", "xnn", 1)],
    },
    Disagreement {
        what: "shape",
        why: "XNNPACK reads a target of two dimensions; the CPU kernels take the attribute then.",
        models: &[("RESHAPE", "xnn", 1)],
    },
    Disagreement {
        what: "error",
        why: "XNNPACK cuts off what reaches behind the end; the CPU kernels refuse it.",
        models: &[("SLICE", "xnn", 1)],
    },
    Disagreement {
        what: "shape",
        why: "XNNPACK gives random numbers for the shape of a tensor without elements.",
        models: &[("SPACE_TO_DEPTH", "xnn", 1)],
    },
    Disagreement {
        what: "shape",
        why: "XNNPACK cuts off what reaches behind the end; the CPU kernels do not, with `offset`.",
        models: &[("STRIDED_SLICE", "xnn", 1)],
    },
];

#[test]
fn inference_agrees_with_the_runtime() {
    let mut found: BTreeMap<(String, &str, &str), Vec<String>> = BTreeMap::new();
    let (mut models, mut told) = (0, 0);
    for line in MEASURED.lines().filter(|line| !line.starts_with('#')) {
        let case = parse(line);
        models += 1;
        told += usize::from(tells_all(&case));
        for (what, said) in disagreements(&case) {
            let key = (case.op.kind.to_string(), what, case.kernels);
            found.entry(key).or_default().push(format!("{}: {said}", case.line));
        }
    }
    // Agreement that says nothing is no agreement: nearly all of these shapes are told in full.
    assert!(models > 3700 && told * 100 > models * 97, "{told} of {models}");
    let mut expected = BTreeMap::new();
    for Disagreement { what, why, models } in DISAGREE {
        assert!(why.ends_with('.'), "{why}");
        for (op, kernels, count) in *models {
            let before = expected.insert(((*op).to_owned(), *what, *kernels), *count);
            assert_eq!(before, None, "{op}");
        }
    }
    let counted: BTreeMap<_, _> = found.iter().map(|(key, all)| (key.clone(), all.len())).collect();
    let new: Vec<_> = found
        .iter()
        .filter(|(key, all)| expected.get(*key) != Some(&all.len()))
        .map(|(key, all)| format!("{key:?} {}\n    {}", all.len(), all.join("\n    ")))
        .collect();
    assert!(new.is_empty() && counted == expected, "{}", new.join("\n"));
}

/// Models that no kernels ran. Inference tells of shapes and of the types that an op gives; which
/// types and ranks a kernel takes the target knows. So it takes many of them, and those are listed:
/// by op, how many were refused, and how many of these inference takes.
#[test]
fn what_inference_takes_of_what_the_runtime_refuses_is_listed() {
    let mut counted: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for line in REFUSED.lines().filter(|line| !line.starts_with('#')) {
        let case = parse(line);
        let operands: Vec<_> =
            case.operands.iter().map(|tensor| tensor.as_ref().map(Tensor::facts)).collect();
        let taken = infer(&case.op, &operands, &case.declared).is_ok();
        let (refused, taken_too) = counted.entry(line.split('|').next().unwrap()).or_default();
        *refused += 1;
        *taken_too += usize::from(taken);
    }
    let listed =
        |(op, (refused, taken)): (&&str, &(usize, usize))| format!("{op} {refused} {taken}\n");
    let counted: String = counted.iter().map(listed).collect();
    let expected = TAKEN.lines().filter(|line| !line.starts_with('#'));
    let expected: String = expected.map(|line| format!("{line}\n")).collect();
    assert!(counted == expected, "refused_by_op.txt should be\n{counted}");
}

fn disagreements(case: &Case<'_>) -> Vec<(&'static str, String)> {
    let operands: Vec<_> =
        case.operands.iter().map(|tensor| tensor.as_ref().map(Tensor::facts)).collect();
    let given = match infer(&case.op, &operands, &case.declared) {
        Ok(given) => given,
        Err(error) => return vec![("error", error.to_string())],
    };
    let mut all = Vec::new();
    assert_eq!(given.len(), case.results.len(), "{}", case.line);
    for ((inferred, (ty, shape)), declared) in given.iter().zip(&case.results).zip(&case.declared) {
        if !inferred.shape.agrees(&Shape::of(shape.iter().map(|dim| Some(*dim)))) {
            all.push(("shape", inferred.shape.to_string()));
        }
        if !inferred.can_be(*ty) {
            let kept = *declared == Some(*ty);
            all.push((if kept { "type kept" } else { "type" }, format!("{:?}", inferred.types)));
        }
    }
    all
}

/// Whether every dimension of every result is told.
fn tells_all(case: &Case<'_>) -> bool {
    let operands: Vec<_> =
        case.operands.iter().map(|tensor| tensor.as_ref().map(Tensor::facts)).collect();
    let given = infer(&case.op, &operands, &case.declared).unwrap_or_default();
    let told = |shape: &Shape| shape.dims().is_some_and(|dims| dims.iter().all(Option::is_some));
    given.iter().all(|result| told(&result.shape))
}

impl Tensor {
    fn facts(&self) -> OperandFacts<'_> {
        OperandFacts {
            ty: self.ty,
            stored: None,
            shape: Shape::of(self.shape.iter().map(|dim| Some(*dim))),
            contents: self.contents.as_deref(),
            integers: None,
        }
    }
}

fn parse(line: &str) -> Case<'_> {
    let parts: Vec<&str> = line.split('|').collect();
    let (results, kernels) = match parts[4..] {
        [results, kernels] => (results, kernels),
        // One that was refused.
        [_] => ("", ""),
        _ => panic!("{line}"),
    };
    let [name, attrs, operands, declared] = parts[..4] else { panic!("{line}") };
    let info = op_by_name(name).unwrap();
    let mut op = Op::new(OpKind::Builtin(info.code));
    if let Some(options) = info.options {
        let mut values = Attributes::new(options);
        for attr in attrs.split(' ').filter(|attr| !attr.is_empty()) {
            let (name, value) = attr.split_once('=').unwrap();
            let (_, info) = options.attr(name).unwrap_or_else(|| panic!("{line}: {name}"));
            values.set(name, attribute(info.ty, value)).unwrap();
        }
        op.attrs = Some(values);
    }
    let operands = operands.split(' ').filter(|word| !word.is_empty()).map(|word| {
        if word == "_" {
            return None;
        }
        let (head, values) = match word.split_once('=') {
            Some((head, values)) => (head, Some(values)),
            None => (word, None),
        };
        let (ty, shape) = typed(head);
        Some(Tensor { ty, shape, contents: values.map(|values| contents(ty, values)) })
    });
    Case {
        line,
        op,
        operands: operands.collect(),
        declared: listed(declared).map(|ty| Some(element(ty))).collect(),
        results: listed(results).map(typed).collect(),
        kernels,
    }
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
            value
                .split(',')
                .filter(|v| !v.is_empty())
                .map(|v| v.parse().unwrap_or_else(|_| panic!("{ty:?} {value}")))
                .collect(),
        ),
        _ => Attr::Int(value.parse().unwrap_or_else(|_| panic!("{ty:?} {value}"))),
    }
}

fn typed(text: &str) -> (ElementType, Vec<i32>) {
    let (ty, dims) = text.strip_suffix(']').unwrap().split_once('[').unwrap();
    let dims = dims.split(',').filter(|dim| !dim.is_empty());
    (element(ty), dims.map(|dim| dim.parse().unwrap()).collect())
}

fn contents(ty: ElementType, values: &str) -> Vec<u8> {
    let values = values.split(',').filter(|value| !value.is_empty());
    if ty == ElementType::Float32 {
        return values.flat_map(|v| v.parse::<f32>().unwrap().to_le_bytes()).collect();
    }
    let width = ty.bits().unwrap() as usize / 8;
    values.flat_map(|v| v.parse::<i64>().unwrap().to_le_bytes()[..width].to_vec()).collect()
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
