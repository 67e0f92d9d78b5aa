//! What the target says of loading, on the real runtime: for each `[[load]]` row a model that it
//! refuses, and one close by that it takes.

use crate::{cases, forms, parsed, runner};
use bytes::Bytes;
use libtest_mimic::Failed;
use std::fmt::Write;
use tfq_opt::ir::catalog::{op_by_code, ops};
use tfq_opt::ir::{
    Attr, Attributes, BufferId, ConstantPool, DimensionMetadata, ElementType, Module, Op, OpCode,
    OpKind, Quantization, QuantizationDetails, Signature, SparseIndex, Sparsity, SubgraphBuilder,
    SubgraphId, Tensor, TensorId, TensorLink,
};
use tfq_opt::runtime::{Engine, Kernels, Runtime, Stage};
use tfq_opt::target::Target;

/// A condition, and its model: one that it is about, or a twin.
type Case = (&'static str, fn(bool) -> Module);

/// What the rows are about, in the order of the file.
const CASES: [Case; 36] = [
    ("custom-without-name", |bad| {
        with_code(OpCode { custom: (!bad).then(|| "Foo".into()), ..code(ops::CUSTOM, 1) })
    }),
    ("operator-unregistered", |bad| with_code(code(ops::MUL, if bad { 999 } else { 7 }))),
    ("signature-without-key", |bad| {
        let (mut module, [x, y]) = Build::new().finish();
        let port = |id| vec![(Some("port".into()), TensorLink::Tensor(id))];
        module = module.rebuilt(|parts| {
            parts.signatures.push(Signature {
                key: (!bad).then(|| "key".into()),
                inputs: port(x),
                outputs: port(y),
                subgraph: 0,
                deprecated_tag: None,
            })
        });
        module
    }),
    ("uncountable-shape", |bad| {
        with_tensor(Tensor::new("t", ElementType::Float32, [if bad { -1 } else { 0 }, 4]))
    }),
    ("quantized-dimension-misfit", |bad| {
        let q = Quantization::symmetric(vec![0.5], if bad { 2 } else { 1 });
        let quantization = Some(q.into());
        with_tensor(Tensor { quantization, ..Tensor::new("t", ElementType::Int8, [2, 4]) })
    }),
    ("several-axes-misfit", |bad| {
        let mut build = Build::new();
        let buffer = build.bytes(&[0; 32]);
        let scales = Tensor { buffer, ..Tensor::new("scales", ElementType::Float32, [2, 4]) };
        let scales = build.builder.tensor(scales);
        let details = QuantizationDetails::MultiAxis {
            scales: TensorLink::Tensor(scales),
            zero_points: TensorLink::Raw(-1),
            block_size: 0,
            quantized_dimensions: vec![0, if bad { 2 } else { 1 }],
        };
        let quantization =
            Some(Quantization { rare: details.into(), ..Quantization::default() }.into());
        let tensor = Tensor::new("t", ElementType::Int8, [2, 4]);
        build.builder.tensor(Tensor { quantization, ..tensor });
        build.finish().0
    }),
    ("variable-with-data", |bad| {
        let mut build = Build::new();
        let buffer = if bad { build.bytes(&[0; 16]) } else { BufferId::NONE };
        let tensor = Tensor::new("t", ElementType::Float32, [4]);
        build.builder.tensor(Tensor { is_variable: true, buffer, ..tensor });
        build.finish().0
    }),
    ("string-variable", |bad| {
        let tensor = Tensor::new("t", ElementType::String, [4]);
        with_tensor(Tensor { is_variable: bad, ..tensor })
    }),
    ("sparsity-incomplete", |bad| {
        let whole = sparsity([0, 2, 4], [0, 1, 2, 3]);
        densified(if bad { Sparsity { dim_metadata: Vec::new(), ..whole } } else { whole }, 4)
    }),
    ("sparse-dimension-incomplete", |bad| {
        let mut sparsity = sparsity([0, 2, 4], [0, 1, 2, 3]);
        if bad {
            sparsity.dim_metadata[1].array_indices = SparseIndex::None;
        }
        densified(sparsity, 4)
    }),
    ("sparse-dimension-format", |bad| {
        let mut sparsity = sparsity([0, 2, 4], [0, 1, 2, 3]);
        sparsity.dim_metadata[1].format = if bad { 7 } else { 1 };
        densified(sparsity, 4)
    }),
    ("sparse-order", |bad| {
        let traversal_order = vec![0, if bad { 9 } else { 1 }];
        densified(Sparsity { traversal_order, ..sparsity([0, 2, 4], [0, 1, 2, 3]) }, 4)
    }),
    ("sparse-indices", |bad| {
        densified(sparsity([0, 2, 4], [0, 1, 2, if bad { 300_000_000 } else { 3 }]), 4)
    }),
    ("sparse-data", |bad| densified(sparsity([0, 2, 4], [0, 1, 2, 3]), if bad { 1 } else { 4 })),
    ("signature-without-subgraph", |bad| with_signature(u32::from(bad) * 7, false)),
    ("signature-input-constant", |bad| with_signature(0, bad)),
    ("signature-inputs-missing", |bad| {
        let module = with_signature(0, false);
        module.rebuilt(|parts| {
            if bad {
                parts.signatures[0].inputs.clear();
            }
        })
    }),
    ("no-value", |bad| {
        let mut build = Build::new();
        let tensor = |name| Tensor::new(name, ElementType::Float32, [1, 4]);
        let [none, result] = ["none", "result"].map(|name| build.builder.tensor(tensor(name)));
        let read = if bad { none } else { build.x };
        build.builder.op(op(ops::RELU, &[]), &[Some(read)], &[result]);
        build.finish().0
    }),
    ("blockwise-misfit", |bad| {
        let mut build = Build::new();
        let buffer = build.bytes(&[0x11; 128]);
        let scales = build.bytes(&[0, 0x3c].repeat(4));
        let scales = if bad { BufferId::NONE } else { scales };
        let (float16, int4) = (ElementType::Float16, ElementType::Int4);
        let scales = Tensor { buffer: scales, ..Tensor::new("scales", float16, [4, 1]) };
        let details = QuantizationDetails::Blockwise {
            scales: TensorLink::Tensor(build.builder.tensor(scales)),
            zero_points: TensorLink::Raw(-1),
            block_size: 64,
            block_shape: Vec::new(),
        };
        let quantization =
            Some(Quantization { rare: details.into(), ..Quantization::default() }.into());
        let table = Tensor { buffer, quantization, ..Tensor::new("table", int4, [4, 64]) };
        let table = build.builder.tensor(table);
        let buffer = build.bytes(&[0; 4]);
        let ids = Tensor { buffer, ..Tensor::new("ids", ElementType::Int32, [1]) };
        let ids = build.builder.tensor(ids);
        let rows = build.builder.tensor(Tensor::new("rows", ElementType::Float32, [1, 64]));
        let mut lookup = op(ops::EMBEDDING_LOOKUP, &[]);
        lookup.version = 4;
        build.builder.op(lookup, &[Some(ids), Some(table)], &[rows]);
        build.finish().0
    }),
    ("external-with-data", |bad| {
        let mut build = Build::new();
        let buffer = build.bytes(&[0; 16]);
        let tensor = Tensor::new("t", ElementType::Float32, [4]);
        let external_buffer = u32::from(bad);
        let mut outside = Tensor { buffer, ..tensor };
        outside.external_buffer = external_buffer;
        build.builder.tensor(outside);
        build.finish().0
    }),
    ("external-absent", |bad| {
        let mut build = Build::new();
        let tensor = |name| Tensor::new(name, ElementType::Float32, [1, 4]);
        let mut outside = tensor("outside");
        outside.external_buffer = u32::from(bad);
        let [outside, result] = [outside, tensor("result")].map(|t| build.builder.tensor(t));
        let read = if bad { outside } else { build.x };
        build.builder.op(op(ops::RELU, &[]), &[Some(read)], &[result]);
        build.finish().0
    }),
    ("string-data", |bad| {
        let mut build = Build::new();
        // How many, where each begins and the last ends, and what they are.
        let table = [2_i32, 16, 17, if bad { 1 << 30 } else { 18 }];
        let mut bytes: Vec<u8> = table.iter().flat_map(|n| n.to_le_bytes()).collect();
        bytes.extend(*b"ab");
        let buffer = build.bytes(&bytes);
        let strings = Tensor { buffer, ..Tensor::new("s", ElementType::String, [2]) };
        let strings = build.builder.tensor(strings);
        let equal = build.builder.tensor(Tensor::new("equal", ElementType::Bool, [2]));
        build.builder.op(op(ops::EQUAL, &[]), &[Some(strings), Some(strings)], &[equal]);
        build.finish().0
    }),
    ("recursive-call", |bad| {
        let body = if bad {
            "%y = WHILE(%x) {cond_subgraph_index = @condition, body_subgraph_index = @body} : f32[1,4]"
        } else {
            ADD_ONE
        };
        parsed("WHILE", &WHILE.replace("@BODY", "@body").replace(ADD_ONE, body))
    }),
    ("no such operator", |bad| with_op(if bad { ops::STABLEHLO_TANH } else { ops::TANH }, &[])),
    ("no options", |bad| basic_lstm(|options| if bad { "{none}".to_owned() } else { options })),
    ("new_shape", |bad| {
        let mut dims = vec![1; if bad { 8 } else { 3 }];
        dims.push(4);
        with_op(ops::RESHAPE, &[("new_shape", Attr::Ints(dims.into()))])
    }),
    ("squeeze_dims", |bad| {
        let dims = if bad { vec![0; 9] } else { vec![0; 1] };
        with_op(ops::SQUEEZE, &[("squeeze_dims", Attr::Ints(dims.into()))])
    }),
    ("weights_format", |bad| {
        let mut build = Build::new();
        let weights = build.bytes(&[0; 16]);
        let w = Tensor { buffer: weights, ..Tensor::new("fw", ElementType::Float32, [1, 4]) };
        let w = build.builder.tensor(w);
        let y = build.builder.tensor(Tensor::new("fy", ElementType::Float32, [1, 1]));
        let format = [("weights_format", Attr::Int(if bad { 7 } else { 0 }))];
        let x = build.x;
        build.builder.op(op(ops::FULLY_CONNECTED, &format), &[Some(x), Some(w), None], &[y]);
        build.finish().0
    }),
    ("kernel_type", |bad| {
        basic_lstm(|options| if bad { options.replace("= BASIC", "= 7") } else { options })
    }),
    ("unknown type", |bad| {
        with_op(ops::CAST, &[("out_data_type", Attr::Int(if bad { 77 } else { 0 }))])
    }),
    ("no subgraph", |bad| {
        let mut build = Build::new();
        let called = [("init_subgraph_index", Attr::Int(if bad { -1 } else { 1 }))];
        build.builder.op(op(ops::CALL_ONCE, &called), &[], &[]);
        let (x, y) = (build.x, build.y);
        let main = build.builder.finish(vec![x], vec![y]);
        let other = SubgraphBuilder::numbered(SubgraphId(1), None).finish(Vec::new(), Vec::new());
        let constants = ConstantPool::new(build.constants);
        Module::new(if bad { vec![main] } else { vec![main, other] }, constants)
    }),
    ("no subgraph to reduce by", |bad| {
        let body = if bad { "-1" } else { "1" };
        parsed("STABLEHLO_REDUCE_WINDOW", &REDUCE_WINDOW.replace("BODY", body))
    }),
    ("branch misfit", |bad| {
        let returned = if bad { "" } else { "output %y" };
        parsed("IF", &IF.replace("RETURNED", returned))
    }),
    ("callee misfit", |bad| {
        let text = WHILE.replace("@BODY", "@body");
        let more = "output %go\n  output %less";
        parsed("WHILE", &if bad { text.replace("output %go", more) } else { text })
    }),
    ("same subgraph", |bad| {
        let body = if bad { "@condition" } else { "@body" };
        parsed("WHILE", &WHILE.replace("@BODY", body))
    }),
    ("in-place", |bad| {
        let mut build = Build::new();
        let h = build.h;
        let (kind, operands) = if bad { (ops::ADD, vec![h, h]) } else { (ops::TANH, vec![h]) };
        let operands: Vec<Option<TensorId>> = operands.into_iter().map(Some).collect();
        build.builder.op(op(kind, &[]), &operands, &[h]);
        build.finish().0
    }),
];

/// More of rows that are about several ops, or about several things of one. A STABLEHLO_COMPOSITE of
/// itself is not run: where it does not crash, it does not end.
const MORE: [(&str, Case); 8] = [
    (
        "recursive-call",
        ("recursion of IF", |bad| {
            let y = "%y = RELU(%x) : f32[1,4]";
            let again = "%yes = const : bool[1] = [true]\n  %y = IF(%yes, %x) \
             {then_subgraph_index = @branch, else_subgraph_index = @branch} : f32[1,4]";
            let text = IF.replace("RETURNED", "output %y");
            parsed("IF", &if bad { text.replace(y, again) } else { text })
        }),
    ),
    (
        "recursive-call",
        ("recursion of STABLEHLO_CASE", |bad| {
            let y = "%y = RELU(%x) : f32[1,4]";
            let again = "%n = const : i32[1] = [0]\n  %y = STABLEHLO_CASE(%n, %x) \
             {branch_subgraph_indices = [1, 1]} : f32[1,4]";
            parsed(
                "STABLEHLO_CASE",
                &if bad { BRANCHES.replace(y, again) } else { BRANCHES.to_owned() },
            )
        }),
    ),
    (
        "recursive-call",
        ("recursion of CALL_ONCE", |bad| {
            let again = if bad { "CALL_ONCE() {init_subgraph_index = @init}" } else { "" };
            parsed("CALL_ONCE", &CALL_ONCE.replace("AGAIN", again).replace("TAKEN", ""))
        }),
    ),
    (
        "branch misfit",
        ("branch of more operands", |bad| {
            let text = IF.replace("RETURNED", "output %y");
            parsed("IF", &if bad { one_more_input(&text) } else { text })
        }),
    ),
    (
        "branch misfit",
        ("STABLEHLO_CASE of more operands", |bad| {
            parsed("CASE", &if bad { one_more_input(BRANCHES) } else { BRANCHES.to_owned() })
        }),
    ),
    (
        "callee misfit",
        ("body of more operands", |bad| {
            let text = WHILE.replace("@BODY", "@body");
            let body = text.find("subgraph @body").expect("it has a body");
            let (before, body) = text.split_at(body);
            let more = body.replacen("f32[1,4]\n", "f32[1,4]\n  %more = input : f32[1,4]\n", 1);
            parsed("WHILE", &if bad { format!("{before}{more}") } else { text.clone() })
        }),
    ),
    (
        "callee misfit",
        ("composite of more operands", |bad| {
            parsed("COMPOSITE", &if bad { one_more_input(COMPOSITE) } else { COMPOSITE.to_owned() })
        }),
    ),
    (
        "callee misfit",
        ("CALL_ONCE of an input", |bad| {
            let taken = if bad { "%x = input : f32[1,4]" } else { "" };
            parsed("CALL_ONCE", &CALL_ONCE.replace("TAKEN", taken).replace("AGAIN", ""))
        }),
    ),
];

/// With one more input of `@branch`.
fn one_more_input(text: &str) -> String {
    let input = "subgraph @branch {\n  %x = input : f32[1,4]\n";
    assert!(text.contains(input));
    text.replace(input, &format!("{input}  %more = input : f32[1,4]\n"))
}

/// Adds one to x until nothing of it is less than three.
const WHILE: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %y = WHILE(%x) {cond_subgraph_index = @condition, body_subgraph_index = @BODY} : f32[1,4]
  output %y
}
subgraph @condition {
  %x = input : f32[1,4]
  %three = const : f32[1] = [3.0]
  %axes = const : i32[2] = [0, 1]
  %less = LESS(%x, %three) : bool[1,4]
  %go = REDUCE_ANY(%less, %axes) : bool[]
  output %go
}
subgraph @body {
  %x = input : f32[1,4]
  %one = const : f32[1] = [1.0]
  %y = ADD(%x, %one) : f32[1,4]
  output %y
}
";
const ADD_ONE: &str = "%y = ADD(%x, %one) : f32[1,4]";

const IF: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %yes = const : bool[1] = [true]
  %y = IF(%yes, %x) {then_subgraph_index = @branch, else_subgraph_index = @branch} : f32[1,4]
  output %y
}
subgraph @branch {
  %x = input : f32[1,4]
  %y = RELU(%x) : f32[1,4]
  RETURNED
}
";

const BRANCHES: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %n = const : i32[1] = [0]
  %y = STABLEHLO_CASE(%n, %x) {branch_subgraph_indices = [1, 1]} : f32[1,4]
  output %y
}
subgraph @branch {
  %x = input : f32[1,4]
  %y = RELU(%x) : f32[1,4]
  output %y
}
";

const COMPOSITE: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %y = STABLEHLO_COMPOSITE(%x) {name = \"acme.relu\", decomposition_subgraph_index = @branch, composite_attributes = b\"\\x00\\x00\\x01\\x00\\x00\\x24\\x01\"} : f32[1,4]
  output %y
}
subgraph @branch {
  %x = input : f32[1,4]
  %y = RELU(%x) : f32[1,4]
  output %y
}
";

const CALL_ONCE: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  CALL_ONCE() {init_subgraph_index = @init}
  %y = RELU(%x) : f32[1,4]
  output %y
}
subgraph @init {
  TAKEN
  AGAIN
}
";

const REDUCE_WINDOW: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %zero = const : f32[] = [0.0]
  %y = STABLEHLO_REDUCE_WINDOW(%x, %zero) {window_dimensions = [1, 1], window_strides = [1, 1], base_dilations = [1, 1], window_dilations = [1, 1], padding = [0, 0, 0, 0], body_subgraph_index = BODY} : f32[1,4]
  output %y
}
subgraph @sum {
  %a = input : f32[]
  %b = input : f32[]
  %c = ADD(%a, %b) : f32[]
  output %c
}
";

/// One row, and the model that it is about with its twin.
pub(crate) struct Check {
    row: usize,
    fails: String,
    case: Option<Case>,
}

/// One for each row of the data file, and more of some.
pub(crate) fn all(table: &toml::Table) -> Vec<Check> {
    let rows = table["load"].as_array().expect("there are rows");
    let check = |row: usize, case: Option<Case>| Check {
        row,
        fails: rows[row]["fails"].as_str().expect("it is text").to_owned(),
        case,
    };
    let row_of = |of| CASES.iter().position(|(name, _)| *name == of).expect("there is one");
    let first = (0..rows.len()).map(|row| check(row, CASES.get(row).copied()));
    let more = MORE.iter().map(|(of, case)| check(row_of(*of), Some(*case)));
    first.chain(more).collect()
}

impl Check {
    pub(crate) fn test_name(&self) -> String {
        let name = self.case.map_or("without_a_case", |(name, _)| name);
        format!("load/{:02}_{}", self.row, name.replace(' ', "_"))
    }

    /// The tool refuses the one by this row and not the other.
    pub(crate) fn told_apart(&self) -> Result<(), Failed> {
        let Some((name, build)) = self.case else {
            return Err("tests/matrix/load.rs has no case for this row".into());
        };
        let target = &*Target::named("litert").expect("it is shipped");
        let refused = target.refusals(&build(true));
        if !refused.iter().any(|refusal| refusal.row == self.row) {
            return Err(format!("{name}: the row refuses nothing: {refused:?}").into());
        }
        let twin = target.refusals(&build(false));
        if twin.is_empty() { Ok(()) } else { Err(format!("{name}: the twin: {twin:?}").into()) }
    }

    /// The runtime refuses the one and not the other.
    pub(crate) fn run(&self, runtime: &Runtime) -> Result<(), Failed> {
        let Some((name, build)) = self.case else { return Ok(()) };
        let mut faults = String::new();
        let mut failed = 0;
        // Reference kernels have no such op.
        let by_case = build(false).ops_of_kind(ops::STABLEHLO_CASE).next().is_some();
        let all = Kernels::ALL.into_iter();
        for kernels in all.filter(|kernels| !by_case || *kernels != Kernels::Reference) {
            if let Err(error) = runner::outputs(runtime, &build(false), kernels) {
                writeln!(faults, "{name}: the twin on {kernels}: {error}")?;
            }
            // What is read beyond a buffer may be anything.
            if self.fails == "silent" {
                continue;
            }
            // The two interfaces of the runtime do not look at the same things.
            let outcome = runner::outputs(runtime, &build(true), kernels)
                .and_then(|_| runner::written(&build(true)))
                .and_then(|file| runner::on(runtime, Engine::Python, &file, kernels));
            let outcome = outcome.map_err(|error| error.stage);
            // It may have written where it had no right to, and what runs next in the same process
            // would pay for it.
            if self.fails == "crash" {
                runner::WORKERS.with_borrow_mut(|workers| workers.fill_with(|| None));
            }
            // The C API loads and prepares in one, so that it does not tell which of the two failed.
            let right = match &self.fails[..] {
                "load" | "prepare" => matches!(outcome, Err(Stage::Load | Stage::Prepare)),
                _ => outcome.is_err(),
            };
            failed += usize::from(right);
            if !right && self.fails != "crash" {
                let outcome = outcome.map(|_| "it runs");
                writeln!(faults, "{name} on {kernels}: {outcome:?}, not {}", self.fails)?;
            }
        }
        if self.fails == "crash" && failed == 0 {
            writeln!(faults, "{name}: nothing crashes")?;
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
    }
}

/// `y = MUL(RELU(x), w)`, and what is put beside it.
struct Build {
    builder: SubgraphBuilder,
    constants: Vec<Option<Bytes>>,
    x: TensorId,
    h: TensorId,
    y: TensorId,
}

impl Build {
    fn new() -> Self {
        let mut builder = SubgraphBuilder::new(None);
        let float = |name| Tensor::new(name, ElementType::Float32, [1, 4]);
        let [x, h, y] = ["x", "h", "y"].map(|name| builder.tensor(float(name)));
        let w = builder.tensor(Tensor { buffer: BufferId(1), ..float("w") });
        builder.op(op(ops::RELU, &[]), &[Some(x)], &[h]);
        let mut build = Self { builder, constants: vec![None], x, h, y };
        build.bytes(&[0; 16]);
        build.builder.op(op(ops::MUL, &[]), &[Some(h), Some(w)], &[y]);
        build
    }

    fn bytes(&mut self, bytes: &[u8]) -> BufferId {
        self.constants.push(Some(Bytes::copy_from_slice(bytes)));
        BufferId(self.constants.len() as u32 - 1)
    }

    fn finish(self) -> (Module, [TensorId; 2]) {
        let graph = self.builder.finish(vec![self.x], vec![self.y]);
        let module = Module::new(vec![graph], ConstantPool::new(self.constants));
        (module.with_oddities(|_, _| true), [self.x, self.y])
    }
}

fn op(code: i32, attrs: &[(&str, Attr)]) -> Op {
    let mut op = Op::new(OpKind::Builtin(code));
    op.attrs = op_by_code(code).and_then(|info| info.options).map(Attributes::new);
    for (name, value) in attrs {
        let set = op.attrs.as_mut().expect("it has options").set(name, value.clone());
        set.expect("the attribute is there");
    }
    op
}

fn code(builtin: i32, version: i32) -> OpCode {
    OpCode::for_kind(&OpKind::Builtin(builtin), version)
}

fn with_code(code: OpCode) -> Module {
    let (mut module, _) = Build::new().finish();
    module = module.rebuilt(|parts| parts.op_codes.push(code));
    module
}

/// A signature of this subgraph, which takes a constant beside `x`.
fn with_signature(subgraph: u32, constant: bool) -> Module {
    let mut build = Build::new();
    let w = build.builder.tensor(Tensor {
        buffer: BufferId(1),
        ..Tensor::new("read-only", ElementType::Float32, [1, 4])
    });
    let (module, [x, y]) = build.finish();
    let port = |(name, id): (&str, TensorId)| {
        let link = if subgraph == 0 { TensorLink::Tensor(id) } else { TensorLink::Raw(0) };
        (Some(name.into()), link)
    };
    let mut inputs = vec![("x", x)];
    inputs.extend(constant.then_some(("w", w)));
    module.rebuilt(|parts| {
        parts.signatures.push(Signature {
            key: Some("serve".into()),
            inputs: inputs.into_iter().map(port).collect(),
            outputs: vec![port(("y", y))],
            subgraph,
            deprecated_tag: None,
        })
    })
}

fn with_tensor(tensor: Tensor) -> Module {
    let mut build = Build::new();
    build.builder.tensor(tensor);
    build.finish().0
}

/// An op beside the others, that reads `x`.
fn with_op(code: i32, attrs: &[(&str, Attr)]) -> Module {
    let mut build = Build::new();
    let shape: &[i32] = if code == ops::SQUEEZE { &[4] } else { &[1, 4] };
    let result = build.builder.tensor(Tensor::new("beside", ElementType::Float32, shape));
    let x = build.x;
    build.builder.op(op(code, attrs), &[Some(x)], &[result]);
    build.finish().0
}

/// The case of the BASIC kernel of LSTM, with other options.
fn basic_lstm(options: impl Fn(String) -> String) -> Module {
    let case = cases::all().into_iter().find(|case| case.text.contains("kernel_type = BASIC"));
    let text = forms::float(&case.expect("there is one of the BASIC kernel").text);
    let start = text.find("{fused_activation_function").expect("it has options");
    let end = start + text[start..].find('}').expect("they end") + 1;
    let options = options(text[start..end].to_owned());
    parsed("LSTM", &format!("{}{options}{}", &text[..start], &text[end..]))
}

/// Rows dense, columns compressed: two rows of four columns.
fn sparsity(segments: [i32; 3], indices: [i32; 4]) -> Sparsity {
    let dense = DimensionMetadata { dense_size: 2, ..Default::default() };
    let compressed = DimensionMetadata {
        format: 1,
        dense_size: 0,
        array_segments: SparseIndex::Int32(segments.to_vec()),
        array_indices: SparseIndex::Int32(indices.to_vec()),
    };
    Sparsity {
        traversal_order: vec![0, 1],
        block_map: Vec::new(),
        dim_metadata: vec![dense, compressed],
    }
}

/// A sparse constant of so many stored floats, behind a DENSIFY.
fn densified(sparsity: Sparsity, floats: usize) -> Module {
    let mut build = Build::new();
    let buffer = build.bytes(&vec![0; 4 * floats]);
    let sparsity = Some(sparsity.into());
    let tensor = |name: &str| Tensor::new(name, ElementType::Float32, [2, 4]);
    let mut sparse = Tensor { buffer, ..tensor("sparse") };
    sparse.sparsity = sparsity;
    let sparse = build.builder.tensor(sparse);
    let dense = build.builder.tensor(tensor("dense"));
    let read = build.builder.tensor(tensor("read"));
    build.builder.op(op(ops::DENSIFY, &[]), &[Some(sparse)], &[dense]);
    build.builder.op(op(ops::RELU, &[]), &[Some(dense)], &[read]);
    build.finish().0
}
