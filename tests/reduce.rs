//! Shrinking models for which a check fails.

mod common;

use bytes::Bytes;
use common::{lifted, lowered, model, models, root};
use std::fmt::Write;
use std::process::Command;
use std::{fs, io};
use tfq_opt::debug::{ReduceError, ReduceOptions, Reduction, reduce};
use tfq_opt::ir::catalog::ops;
use tfq_opt::ir::{ElementType, Module, SubgraphId};
use tfq_opt::pass::{Pass, PassError, Pipeline, Session};
use tfq_opt::{LoadOptions, Optimizer, Source, load};

const MAIN: SubgraphId = SubgraphId(0);

fn parsed(text: &str) -> Module {
    let options = LoadOptions { fills: true, ..LoadOptions::default() };
    load(&Bytes::copy_from_slice(text.as_bytes()), &options).expect("the test writes it well")
}

/// Shrinks it while `fails` holds, without passes.
fn shrunk(module: &Module, mut fails: impl FnMut(&Module) -> bool) -> Reduction {
    let good = |bytes: &[u8]| Ok(!fails(&lifted(bytes)));
    reduce(module, good, &ReduceOptions::default()).expect("the check fails at first")
}

fn kinds(module: &Module) -> Vec<String> {
    let graph = module.subgraph(MAIN);
    graph.ops().map(|op| graph.op(op).kind.name().to_owned()).collect()
}

fn has(module: &Module, code: i32) -> bool {
    module.ops_of_kind(code).next().is_some()
}

fn labels(module: &Module, ids: &[tfq_opt::ir::TensorId]) -> Vec<String> {
    ids.iter().map(|id| module.subgraph(MAIN).tensor(*id).label().to_owned()).collect()
}

/// 500 ops, each with a constant, of which the given ones are others than ADD.
fn chain(planted: &[(usize, &str)]) -> Module {
    let mut text = "tfg 1 quant\nsubgraph @main {\n  %y0 = input : f32[1,16]\n".to_owned();
    for n in 0..500 {
        let fill = format!("fill gaussian(seed = {n}, std = 1)");
        writeln!(text, "  %w{n} = const : f32[1,16] {fill}").unwrap();
    }
    for n in 0..500 {
        let kind = planted.iter().find(|(at, _)| *at == n).map_or("ADD", |(_, kind)| kind);
        writeln!(text, "  %y{} = {kind}(%y{n}, %w{n}) : f32[1,16]", n + 1).unwrap();
    }
    parsed(&(text + "  output %y500\n}\n"))
}

#[test]
fn a_subgraph_that_calls_itself_is_tried_alone_once() {
    let module = parsed(
        "tfg 1 quant
subgraph @main {
  %c = input : bool[1]
  %y = IF(%c) {then_subgraph_index = @b, else_subgraph_index = @c} : bool[1]
  output %y
}
subgraph @b {
  %c = input : bool[1]
  %y = IF(%c) {then_subgraph_index = @b, else_subgraph_index = @c} : bool[1]
  output %y
}
subgraph @c {
  %c = input : bool[1]
  %y = IF(%c) {then_subgraph_index = @c, else_subgraph_index = @b} : bool[1]
  output %y
}
",
    );
    assert_eq!(shrunk(&module, |_| true).module.subgraphs().len(), 3);
}

#[test]
fn one_bad_op_of_500_is_all_that_is_left() {
    let found = shrunk(&chain(&[(371, "MUL")]), |module| has(module, ops::MUL));
    assert_eq!(kinds(&found.module), ["MUL"]);
    assert_eq!((found.before.ops, found.after.ops), (500, 1));
    let graph = found.module.subgraph(MAIN);
    assert_eq!(labels(&found.module, graph.inputs()), ["y371"]);
    assert_eq!(labels(&found.module, graph.outputs()), ["y372"]);
    assert_eq!(graph.tensor_count(), 3);
    // Two for each halving, and a few for the rest.
    assert!(found.checks <= 2 * 9 + 6, "{} checks", found.checks);
    assert!(found.finished);
}

#[test]
fn two_ops_far_apart_are_found_together() {
    let module = chain(&[(17, "MUL"), (444, "SUB")]);
    let found = shrunk(&module, |module| has(module, ops::MUL) && has(module, ops::SUB));
    assert_eq!(kinds(&found.module), ["MUL", "SUB"]);
    // What the first computes nobody reads any more: the second has an input of its own.
    let graph = found.module.subgraph(MAIN);
    assert_eq!(labels(&found.module, graph.inputs()), ["y17", "y444"]);
    assert!(found.checks < 120, "{} checks", found.checks);
}

#[test]
fn ops_that_must_hang_together_stay_so() {
    let module = chain(&[(100, "MUL"), (103, "SUB")]);
    // A SUB that depends on a MUL.
    let depends = |module: &Module| {
        let graph = module.subgraph(MAIN);
        let Some((_, mut op, _)) = module.ops_of_kind(ops::SUB).next() else { return false };
        while let Some((producer, _)) = graph.operand(op, 0).and_then(|id| graph.producer(id)) {
            op = producer;
            if graph.op(op).kind.is(ops::MUL) {
                return true;
            }
        }
        false
    };
    let found = shrunk(&module, depends);
    assert_eq!(kinds(&found.module), ["MUL", "ADD", "ADD", "SUB"]);
}

#[test]
fn the_result_fails_again_and_is_always_the_same() {
    let module = chain(&[(250, "MUL")]);
    let fails = |module: &Module| has(module, ops::MUL);
    let [first, second] = [(); 2].map(|()| shrunk(&module, fails));
    assert_eq!(lowered(&first.module), lowered(&second.module));
    assert_eq!(first.checks, second.checks);
    assert!(fails(&lifted(&lowered(&first.module))));
    assert_eq!(first.after.bytes, lowered(&first.module).len() as u64);
    let again = shrunk(&first.module, fails);
    assert_eq!(lowered(&again.module), lowered(&first.module), "it is the smallest there is");
}

#[test]
fn outputs_go_with_what_only_they_need() {
    let module = parsed(
        "tfg 1 quant
        subgraph @main {
          %x = input : f32[4]
          %unused = input : f32[4]
          %a = RELU(%x) : f32[4]
          %b = NEG(%a) : f32[4]
          %c = EXP(%a) : f32[4]
          output %a
          output %b
          output %c
        }",
    );
    // Fails only where EXP reads what RELU computes.
    let fails = |module: &Module| has(module, ops::EXP) && has(module, ops::RELU);
    let found = shrunk(&module, fails);
    assert_eq!(kinds(&found.module), ["RELU", "EXP"]);
    let graph = found.module.subgraph(MAIN);
    assert_eq!(labels(&found.module, graph.inputs()), ["x"]);
    assert_eq!(labels(&found.module, graph.outputs()), ["c"]);
}

const WEIGHTS: &str = "tfg 1 quant
    subgraph @main {
      %x = input : f32[1,64]
      %w = const : f32[100,64] fill gaussian(seed = 1, std = 0.1)
      %b = const : f32[100] fill gaussian(seed = 2, std = 0.1)
      %shape = const : i32[2] = [10, 10]
      %h = FULLY_CONNECTED(%x, %w, %b) : f32[1,100]
      %y = RESHAPE(%h, %shape) {new_shape = [10, 10]} : f32[10,10]
      output %y
    }";

/// The floats of a constant.
fn floats(module: &Module, name: &str) -> Option<Vec<f32>> {
    let (sg, id) = common::tensor(module, name)?;
    let bytes = module.constant(sg, id)?;
    Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
}

#[test]
fn constants_become_zeros_where_they_may() {
    let fails = |module: &Module| has(module, ops::FULLY_CONNECTED) && has(module, ops::RESHAPE);
    let found = shrunk(&parsed(WEIGHTS), fails);
    assert_eq!((found.before.content, found.after.content), (4 * 6500, 0));
    assert!(floats(&found.module, "w").unwrap().iter().all(|v| *v == 0.0));
    // What steers an op is part of it.
    let (sg, shape) = common::tensor(&found.module, "shape").unwrap();
    assert_eq!(found.module.constant(sg, shape).unwrap()[..], [10, 0, 0, 0, 10, 0, 0, 0]);
}

#[test]
fn constants_become_a_ramp_where_zeros_hide_the_failure() {
    let is_zero = |v: &f32| *v == 0.0;
    let fails = |module: &Module| floats(module, "w").is_some_and(|w| !w.iter().all(is_zero));
    let found = shrunk(&parsed(WEIGHTS), fails);
    assert_eq!(found.after.content, 0);
    let w = floats(&found.module, "w").unwrap();
    assert_eq!(w[..3], [0.0, 1.0 / 16.0, 2.0 / 16.0]);
    assert_eq!(w[6399], 15.0 / 16.0);
}

#[test]
fn constants_that_matter_stay() {
    let first = floats(&parsed(WEIGHTS), "w").unwrap();
    let fails = |module: &Module| floats(module, "w").is_some_and(|w| w == first);
    let found = shrunk(&parsed(WEIGHTS), fails);
    assert_eq!(found.after.content, 4 * 6400);
    assert!(floats(&found.module, "b").is_none_or(|b| b.iter().all(|v| *v == 0.0)));
}

#[test]
fn equal_fills_are_stored_once() {
    let module = chain(&[]);
    let fails = |module: &Module| kinds(module).len() >= 20;
    let found = shrunk(&module, fails);
    assert_eq!(found.after.ops, 20);
    // "No data", and 20 times the same zeros.
    assert_eq!(found.module.constants().len(), 2);
}

#[test]
fn what_a_model_carries_besides_goes() {
    for name in ["odd/two_signatures", "odd/metadata", "odd/metadata_buffer", "odd/zip_behind"] {
        let module = lifted(&model(name));
        let found = shrunk(&module, |module| module.subgraph(MAIN).op_count() > 0);
        assert!(found.module.signatures().is_empty(), "{name}");
        assert!(found.module.metadata().is_empty(), "{name}");
        assert!(found.module.metadata_buffer().is_empty(), "{name}");
        assert!(found.module.trailer().is_empty(), "{name}");
    }
}

#[test]
fn a_signature_that_matters_stays() {
    let module = lifted(&model("odd/two_signatures"));
    let key = module.signatures()[1].key.clone();
    let found = shrunk(&module, |module| module.signatures().iter().any(|s| s.key == key));
    assert_eq!(found.module.signatures().len(), 1);
    found.module.verify().unwrap();
}

#[test]
fn passes_run_before_the_check_and_not_on_the_result() {
    let module = chain(&[]);
    let optimizer = Optimizer::parse("quantize-weights{min-elements=1 hybrid=off},insert-dequant");
    let options = ReduceOptions { optimizer: Some(optimizer.unwrap()), max_checks: None };
    // Whatever has a Dequantize is bad.
    let good = |bytes: &[u8]| Ok(!has(&lifted(bytes), ops::DEQUANTIZE));
    let found = reduce(&module, good, &options);
    // Nothing of a chain of ADD is quantised.
    assert!(matches!(found, Err(ReduceError::NothingFails { .. })));

    let found = reduce(&parsed(WEIGHTS), good, &options).unwrap();
    assert_eq!(kinds(&found.module), ["FULLY_CONNECTED"]);
    let (sg, w) = common::tensor(&found.module, "w").unwrap();
    assert_eq!(found.module.subgraph(sg).tensor(w).ty, ElementType::Float32);
    let optimizer = options.optimizer.as_ref().unwrap();
    let after = optimizer.run(Source::from(found.module)).unwrap();
    assert!(has(&after.module, ops::DEQUANTIZE), "the result fails as the model did");
}

#[test]
fn a_body_that_fails_alone_is_taken_alone() {
    let module = lifted(&model("ops/while_shared_weight"));
    // The first stands in the loop's condition, the other in its body.
    for (code, name) in [(ops::LESS, "LESS"), (ops::ADD, "ADD")] {
        let found = shrunk(&module, |module| has(module, code));
        assert_eq!(found.module.subgraphs().len(), 1);
        assert_eq!(kinds(&found.module), [name]);
    }
}

#[test]
fn an_op_that_calls_keeps_what_it_calls() {
    let module = lifted(&model("ops/while_shared_weight"));
    let found = shrunk(&module, |module| has(module, ops::WHILE));
    assert_eq!(kinds(&found.module), ["WHILE"]);
    assert_eq!(found.module.subgraphs().len(), 3);
}

#[test]
fn every_candidate_of_every_model_is_a_sound_model() {
    for name in models() {
        let module = lifted(&model(&name));
        // Fails by chance, so that many different models are tried.
        let mut seen = 0;
        let good = |bytes: &[u8]| {
            seen += 1;
            lifted(bytes).verify().expect("it is well-formed");
            let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            Ok(seen > 1 && sum.is_multiple_of(3))
        };
        let found = reduce(&module, good, &ReduceOptions::default());
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(found.after.ops <= found.before.ops, "{name}");
        found.module.verify().unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
    }
}

#[test]
fn an_end_can_be_set_to_the_number_of_checks() {
    let options = ReduceOptions { optimizer: None, max_checks: Some(5) };
    let good = |bytes: &[u8]| Ok(!has(&lifted(bytes), ops::MUL));
    let found = reduce(&chain(&[(371, "MUL")]), good, &options).unwrap();
    assert_eq!((found.checks, found.finished), (5, false));
    assert!(found.after.ops < 500 && has(&found.module, ops::MUL));
}

#[test]
fn where_nothing_fails_there_is_nothing_to_reduce() {
    let module = chain(&[]);
    let error = reduce(&module, |_| Ok(true), &ReduceOptions::default()).unwrap_err();
    let wanted = "the check passes on the model: there is nothing to reduce";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_check_that_cannot_be_run_is_an_error() {
    let broken = |_: &[u8]| Err(io::Error::other("no device"));
    let error = reduce(&chain(&[]), broken, &ReduceOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the check could not be run: no device");
}

/// Gives up where the model has no RESHAPE.
#[derive(Debug)]
struct WantsReshape;

impl Pass for WantsReshape {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        if has(session.model(), ops::RESHAPE) {
            return Ok(());
        }
        Err(PassError::Unsupported("there is no RESHAPE".to_owned()))
    }
}

#[test]
fn what_the_passes_refuse_is_passed_over() {
    let optimizer = Optimizer::new(Pipeline::new().then("wants-reshape", WantsReshape));
    let options = ReduceOptions { optimizer: Some(optimizer), max_checks: None };
    let good = |bytes: &[u8]| Ok(!has(&lifted(bytes), ops::FULLY_CONNECTED));
    let found = reduce(&parsed(WEIGHTS), good, &options).unwrap();
    assert_eq!(kinds(&found.module), ["FULLY_CONNECTED", "RESHAPE"]);

    let error = reduce(&chain(&[]), good, &options).unwrap_err().to_string();
    assert_eq!(error, "pass `wants-reshape`: there is no RESHAPE");
}

#[test]
fn the_command_writes_a_file_or_text() {
    let folder = tempfile::tempdir().unwrap();
    let run = |output: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_tfq-opt"))
            .args(["reduce", "tests/models/ops/while_shared_weight.tflite", "-o"])
            .arg(folder.path().join(output))
            .args(["--check", "! grep -q more {}"])
            .args(more)
            .current_dir(root())
            .output()
            .expect("the binary starts")
    };
    for output in ["small.tflite", "small.tfg"] {
        let ended = run(output, &[]);
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let bytes = fs::read(folder.path().join(output)).unwrap();
        let side = fs::read(folder.path().join("small.tfg.bin")).ok().map(Bytes::from);
        let options = LoadOptions { side, ..LoadOptions::default() };
        let module = load(&bytes.into(), &options).unwrap();
        assert_eq!(kinds(&module), ["LESS"], "`more` is what it computes");
    }
    // An error leaves no output.
    let ended = run("none.tflite", &["--passes=shrink"]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(!folder.path().join("none.tflite").exists());
}
