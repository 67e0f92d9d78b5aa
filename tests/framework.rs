//! Rules, loops and bisection, on models built in code.

use bytes::Bytes;
use std::cell::Cell;
use tfq_opt::debug::{BisectError, bisect};
use tfq_opt::ir::catalog::{op_by_code, ops};
use tfq_opt::ir::text::{Level, print};
use tfq_opt::ir::{
    Attr, Attributes, ConstantPool, ElementType, Module, Op, OpId, OpKind, Patch, Quantization,
    Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId,
};
use tfq_opt::pass::rewrite::{Rule, any, apply_rules, op};
use tfq_opt::pass::{Pass, PassError, Pipeline, RunError, RunOptions, Session, run};
use tfq_opt::target::Target;
use tfq_opt::{Optimizer, builtin};

const MAIN: SubgraphId = SubgraphId(0);

fn float(name: &str, shape: &[i32]) -> Tensor {
    Tensor::new(name, ElementType::Float32, shape)
}

fn quantised(name: &str, shape: &[i32], scale: f32) -> Tensor {
    let mut tensor = Tensor::new(name, ElementType::Int8, shape);
    tensor.quantization = Some(Quantization::symmetric(vec![scale], 0).into());
    tensor
}

fn builtin_op(code: i32) -> Op {
    let mut op = Op::new(OpKind::Builtin(code));
    op.attrs = op_by_code(code).and_then(|op| op.options).map(Attributes::new);
    op
}

/// Builds a model of one subgraph; `build` returns its inputs and outputs.
fn model(
    build: impl FnOnce(&mut SubgraphBuilder, &mut ConstantPool) -> (Vec<TensorId>, Vec<TensorId>),
) -> Module {
    let mut constants = ConstantPool::new(vec![None]);
    let mut sg = SubgraphBuilder::new(Some("main".into()));
    let (inputs, outputs) = build(&mut sg, &mut constants);
    let module = Module::new(vec![sg.finish(inputs, outputs)], constants);
    module.verify().expect("the test builds a sound model");
    module
}

fn int32s(sg: &mut SubgraphBuilder, constants: &mut ConstantPool, values: &[i32]) -> TensorId {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut tensor = Tensor::new("steer", ElementType::Int32, &[values.len() as i32][..]);
    tensor.buffer = constants.push(bytes.into());
    sg.tensor(tensor)
}

fn apply(module: &mut Module, text: &str) -> Result<(), RunError> {
    let pipeline = Pipeline::parse(&builtin(), text).expect("the test writes it well");
    apply_pipeline(module, &pipeline)
}

fn apply_pipeline(module: &mut Module, pipeline: &Pipeline) -> Result<(), RunError> {
    let target = &*Target::named("litert").expect("it is shipped");
    let options = RunOptions { keep_edits: true, ..RunOptions::default() };
    run(module, pipeline, target, &options, |_| ()).map(|_| ())
}

/// The ops by name, in order.
fn kinds(module: &Module) -> Vec<String> {
    let graph = module.subgraph(MAIN);
    graph.ops().map(|op| graph.op(op).kind.name().to_owned()).collect()
}

/// One op that reads this many constants of their own.
fn many_weights(count: usize) -> Module {
    model(|sg, constants| {
        let mut weight = |n: usize| {
            let mut tensor = float(&format!("w{n}"), &[1024]);
            let values = (n as f32).to_le_bytes().repeat(1024);
            tensor.buffer = constants.push(values.into());
            Some(sg.tensor(tensor))
        };
        let weights: Vec<Option<TensorId>> = (0..count).map(&mut weight).collect();
        let x = sg.tensor(float("x", &[1024]));
        let y = sg.tensor(float("y", &[1024 * (count as i32 + 1)]));
        let operands: Vec<_> = weights.into_iter().chain([Some(x)]).collect();
        sg.op(builtin_op(ops::CONCATENATION), &operands, &[y]);
        (vec![x], vec![y])
    })
}

#[test]
fn an_op_of_many_weights_is_served_to_the_end() {
    let mut module = many_weights(700);
    apply(&mut module, "quantize-weights{type=float16},insert-dequant").unwrap();
    assert_eq!(kinds(&module).iter().filter(|kind| *kind == "DEQUANTIZE").count(), 700);
}

#[test]
fn a_dequantize_to_another_type_serves_nobody() {
    // A file does not say what readers were written for, so this is no case under tests/passes.
    let text = "%x = input : f32[2]
        %w = const : f16[2] expressed f32 = [1.0, 2.0]
        %odd = DEQUANTIZE(%w) : f16[2]
        %y = ADD(%x, %w) : f32[2]
        output %odd
        output %y
        output %w";
    let mut module = tfq_opt::ir::text::parse(text, &Default::default()).unwrap();
    apply(&mut module, "insert-dequant").unwrap();
    assert_eq!(kinds(&module), ["DEQUANTIZE", "DEQUANTIZE", "ADD", "RESHAPE"]);
}

/// `x -> RELU -> (op) -> y`, with what steers the op as operand 1.
fn steered(code: i32, x: &[i32], y: &[i32], steer: &[i32]) -> Module {
    model(|sg, constants| {
        let (a, b, c) = (float("x", x), float("r", x), float("y", y));
        let (a, b, c) = (sg.tensor(a), sg.tensor(b), sg.tensor(c));
        let steer = int32s(sg, constants, steer);
        sg.op(builtin_op(ops::RELU), &[Some(a)], &[b]);
        sg.op(builtin_op(code), &[Some(b), Some(steer)], &[c]);
        (vec![a], vec![c])
    })
}

#[test]
fn identities_go_and_the_output_keeps_its_name() {
    let cases = [
        (ops::RESHAPE, &[2, 3][..], &[2, 3][..], &[2, 3][..]),
        (ops::TRANSPOSE, &[2, 3], &[2, 3], &[0, 1]),
        (ops::PAD, &[2, 3], &[2, 3], &[0, 0, 0, 0]),
        (ops::TILE, &[2, 3], &[2, 3], &[1, 1]),
        (ops::BROADCAST_TO, &[2, 3], &[2, 3], &[2, 3]),
    ];
    for (code, x, y, steer) in cases {
        let mut module = steered(code, x, y, steer);
        apply(&mut module, "remove-identities").unwrap();
        assert_eq!(kinds(&module), ["RELU"], "operator {code}");
        let graph = module.subgraph(MAIN);
        assert_eq!(graph.tensor(graph.outputs()[0]).label(), "y");
        module.verify().unwrap();
    }
}

#[test]
fn look_alikes_of_identities_stay() {
    let cases = [
        (ops::RESHAPE, &[2, 3][..], &[3, 2][..], &[3, 2][..]),
        (ops::TRANSPOSE, &[3, 3], &[3, 3], &[1, 0]),
        (ops::PAD, &[2, 3], &[2, 4], &[0, 0, 0, 1]),
        (ops::TILE, &[2, 3], &[4, 3], &[2, 1]),
    ];
    for (code, x, y, steer) in cases {
        let mut module = steered(code, x, y, steer);
        apply(&mut module, "remove-identities").unwrap();
        assert_eq!(kinds(&module).len(), 2, "operator {code}");
    }
}

#[test]
fn a_copy_that_lets_xnnpack_write_an_output_stays() {
    let mut module = model(|sg, constants| {
        let mut w = quantised("w", &[4], 0.5);
        w.buffer = constants.push(Bytes::from_static(&[1, 2, 3, 4]));
        let (w, f, y) = (sg.tensor(w), sg.tensor(float("f", &[4])), sg.tensor(float("y", &[4])));
        sg.op(builtin_op(ops::DEQUANTIZE), &[Some(w)], &[f]);
        sg.op(builtin_op(ops::RESHAPE), &[Some(f)], &[y]);
        (vec![], vec![y])
    });
    apply(&mut module, "remove-identities").unwrap();
    assert_eq!(kinds(&module), ["DEQUANTIZE", "RESHAPE"]);
}

/// `q -> DEQUANTIZE -> QUANTIZE -> RELU`, stored with these scales at both ends.
fn there_and_back(first: f32, second: f32) -> Module {
    model(|sg, _| {
        let q = sg.tensor(quantised("q", &[4], first));
        let f = sg.tensor(float("f", &[4]));
        let p = sg.tensor(quantised("p", &[4], second));
        let y = sg.tensor(quantised("y", &[4], second));
        sg.op(builtin_op(ops::DEQUANTIZE), &[Some(q)], &[f]);
        sg.op(builtin_op(ops::QUANTIZE), &[Some(f)], &[p]);
        sg.op(builtin_op(ops::RELU), &[Some(p)], &[y]);
        (vec![q], vec![y])
    })
}

#[test]
fn quantize_of_dequantize_cancels_where_scales_agree() {
    let mut module = there_and_back(0.5, 0.5);
    apply(&mut module, "cancel-quantize-dequantize").unwrap();
    assert_eq!(kinds(&module), ["RELU"]);

    let mut module = there_and_back(0.5, 0.25);
    apply(&mut module, "cancel-quantize-dequantize").unwrap();
    assert_eq!(kinds(&module), ["DEQUANTIZE", "QUANTIZE", "RELU"]);
}

#[test]
fn a_pass_that_changes_nothing_tells_its_nearest_miss() {
    let mut module = there_and_back(0.5, 0.25);
    let pipeline = Pipeline::parse(&builtin(), "cancel-quantize-dequantize").unwrap();
    let target = &*Target::named("litert").unwrap();
    let report = run(&mut module, &pipeline, target, &RunOptions::default(), |_| ()).unwrap();
    let nearest = report.passes[0].nearest.as_ref().expect("a rule came near");
    assert_eq!(nearest.rule, "quantize of dequantize");
    assert!(nearest.reason.contains("both are stored alike"), "{}", nearest.reason);
}

/// Replaces ops of one kind by another.
#[derive(Debug)]
struct Swap(&'static [(i32, i32)]);

impl Pass for Swap {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let names = ["there", "back"];
        let rules: Vec<Rule> = self
            .0
            .iter()
            .zip(names)
            .map(|(&(from, to), name)| {
                Rule::new(name, op(from).operand(0, any("x"))).replace(move |m, patch| {
                    let (x, y) = (m.id("x"), m.id("result"));
                    let place = tfq_opt::ir::InsertionPoint::Before(m.root());
                    patch.add_op(builtin_op(to), place, &[Some(x.into())], &[y.into()]);
                    patch.erase_op(m.root());
                })
            })
            .collect();
        apply_rules(session, MAIN, &rules).map(|_| ())
    }
}

#[test]
fn rules_that_undo_each_other_are_named() {
    let mut module = steered(ops::RESHAPE, &[2], &[2], &[2]);
    let endless =
        Pipeline::new().then("swap", Swap(&[(ops::RELU, ops::ABS), (ops::ABS, ops::RELU)]));
    let before = kinds(&module);
    let error = apply_pipeline(&mut module, &endless).unwrap_err().to_string();
    assert!(error.contains("there") && error.contains("back"), "{error}");
    assert_eq!(kinds(&module), before, "the model is what it was");
}

#[test]
fn until_stable_stops_when_nothing_changes() {
    let mut module = steered(ops::RESHAPE, &[2], &[2], &[2]);
    let text = "until-stable{max=3}(remove-identities,eliminate-dead-buffers),subgraph(\"main\")(remove-identities)";
    apply(&mut module, text).unwrap();
    assert_eq!(kinds(&module), ["RELU"]);
    let missing = apply(&mut module, "subgraph(\"other\")(remove-identities)").unwrap_err();
    assert!(missing.to_string().contains("`other`"));
}

#[test]
fn changes_replay_to_the_same_module() {
    let start = steered(ops::RESHAPE, &[2, 3], &[2, 3], &[2, 3]);
    let mut module = start.clone();
    apply(&mut module, "remove-identities,eliminate-dead-buffers").unwrap();
    let mut again = start.clone();
    again.replay(module.edits()).unwrap();
    assert_eq!(print(&again, Level::Full), print(&module, Level::Full));
    assert_eq!(format!("{:?}", again.journal()), format!("{:?}", module.journal()));
}

/// A chain of 500 RELU.
fn chain() -> Module {
    model(|sg, _| {
        let x = sg.tensor(float("x", &[1, 8]));
        let mut last = x;
        for n in 0..500 {
            let y = sg.tensor(float(&format!("y{n}"), &[1, 8]));
            sg.op(builtin_op(ops::RELU), &[Some(last)], &[y]);
            last = y;
        }
        (vec![x], vec![last])
    })
}

/// Sets a harmless note on every op but one, which it turns into NEG.
#[derive(Debug)]
struct Planted(usize);

impl Pass for Planted {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let found: Vec<OpId> = session.model().subgraph(MAIN).ops().collect();
        for (n, id) in found.into_iter().enumerate() {
            let graph: &Subgraph = session.model().subgraph(MAIN);
            let mut patch = Patch::new(MAIN, if n == self.0 { "planted" } else { "harmless" });
            if n == self.0 {
                let operand = graph.operand(id, 0).expect("RELU has one");
                let place = tfq_opt::ir::InsertionPoint::Before(id);
                let result = graph.results(id)[0];
                patch.add_op(
                    builtin_op(ops::NEG),
                    place,
                    &[Some(operand.into())],
                    &[result.into()],
                );
                patch.erase_op(id);
            } else {
                patch.set_note(id, "seen", Attr::Bool(true));
            }
            session.apply(patch)?;
        }
        Ok(())
    }
}

#[test]
fn bisection_finds_a_planted_patch_in_500_ops() {
    let optimizer = Optimizer::new(
        Pipeline::new()
            .then("before", Planted(usize::MAX))
            .then("planted", Planted(371))
            .then("after", Planted(usize::MAX)),
    );
    let runs = Cell::new(0);
    let found = bisect(&optimizer, chain(), |bytes| {
        runs.set(runs.get() + 1);
        let module = tfq_opt::format::lift(&Bytes::copy_from_slice(bytes), &Default::default());
        Ok(module.unwrap().ops_of_kind(ops::NEG).next().is_none())
    })
    .unwrap();
    assert_eq!((found.pass.as_str(), found.rule.as_str()), ("planted", "planted"));
    assert_eq!(found.patch, 500 + 372);
    // 3 passes, 500 patches, and the two ends.
    assert!(runs.get() <= 2 + 9 + 2, "{} checks", runs.get());
    assert_eq!(found.runs, runs.get());
    assert_eq!(kinds(&found.reproducer), ["RELU", "RELU", "RELU"], "the op and its neighbours");
    found.reproducer.verify().unwrap();
}

#[test]
fn bisection_begins_with_the_model_as_it_is_handed_in() {
    let mut start = chain();
    apply_pipeline(&mut start, &Pipeline::new().then("long-ago", Planted(7))).unwrap();
    let optimizer = Optimizer::new(Pipeline::new().then("planted", Planted(371)));
    let found = bisect(&optimizer, start, |bytes| {
        let module = tfq_opt::format::lift(&Bytes::copy_from_slice(bytes), &Default::default());
        Ok(module.unwrap().ops_of_kind(ops::NEG).count() < 2)
    });
    let found = found.unwrap();
    assert_eq!((found.rule.as_str(), found.patch), ("planted", 372));
}

#[test]
fn bisection_says_where_there_is_nothing_to_find() {
    let optimizer = Optimizer::new(Pipeline::new().then("planted", Planted(3)));
    let always = bisect(&optimizer, chain(), |_| Ok(true)).unwrap_err();
    assert!(matches!(always, BisectError::NothingBad));
    let never = bisect(&optimizer, chain(), |_| Ok(false)).unwrap_err();
    assert!(matches!(never, BisectError::BadFromTheStart));
}

#[test]
fn the_manual_of_the_passes_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/passes.md");
    let generated = tfq_opt::describe::passes_markdown(&builtin());
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == generated,
        "write it anew: cargo run -- passes --markdown > docs/passes.md"
    );
}
