//! Subgraphs: what is returned, what is called, and what is said of what is not evaluated.

use bytes::Bytes;
use tfq_eval::{Budget, Evaluator, Fidelity, NotEvaluated, Outputs, Stopped, Value};
use tfq_ir::{ElementType, Module, SubgraphId};

const MAIN: SubgraphId = SubgraphId(0);

fn parse(text: &str) -> Module {
    let options = tfq_text::ParseOptions { fills: true, ..tfq_text::ParseOptions::default() };
    tfq_text::parse(text, &options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn ints(values: &[i32]) -> Value {
    let bytes: Vec<u8> = values.iter().flat_map(|n| n.to_le_bytes()).collect();
    Value::new(ElementType::Int32, &[values.len()], bytes.into()).unwrap()
}

fn run(text: &str, inputs: &[Value]) -> Result<Outputs, Stopped> {
    Evaluator::new(&parse(text), Budget::new(1 << 20, 1 << 20)).run(MAIN, inputs)
}

#[test]
fn shapes_that_a_model_computes_are_told() {
    let text = "subgraph @main {
  %x = input : f32[2,3,4]
  %zero = const : i32[1] = [0]
  %one = const : i32[1] = [1]
  %rest = const : i32[] = -1
  %shape = SHAPE(%x) {out_type = INT32} : i32[3]
  %rows = STRIDED_SLICE(%shape, %zero, %one, %one) {shrink_axis_mask = 1} : i32[]
  %wanted = PACK(%rows, %rest) {values_count = 2} : i32[2]
  %y = RESHAPE(%x, %wanted) : f32[2,12]
  output %y
  output %wanted
}
";
    let bytes = Bytes::from(vec![0; 96]);
    let x = Value::new(ElementType::Float32, &[2, 3, 4], bytes.clone()).unwrap();
    let outputs = run(text, &[x]).unwrap();
    assert_eq!(outputs.values[0].shape(), [2, 12]);
    assert_eq!(outputs.values[1].integers(), Some(vec![2, -1]));
    assert_eq!(outputs.fidelity, Fidelity::Exact);
    // What only looks at bytes in another way does not copy them.
    assert_eq!(outputs.values[0].bytes().as_ptr(), bytes.as_ptr());
}

const LOOP: &str = "subgraph @main {
  %x = input : i32[1]
  %y = WHILE(%x) {cond_subgraph_index = @small, body_subgraph_index = @twice} : i32[1]
  %small = const : i32[1] = [50]
  %even = LESS(%y, %small) : bool[1]
  %z = IF(%even, %y) {then_subgraph_index = @twice, else_subgraph_index = @same} : i32[1]
  output %z
}
subgraph @small {
  %x = input : i32[1]
  %limit = const : i32[1] = [40]
  %less = LESS(%x, %limit) : bool[1]
  output %less
}
subgraph @twice {
  %x = input : i32[1]
  %y = ADD(%x, %x) : i32[1]
  output %y
}
subgraph @same {
  %x = input : i32[1]
  output %x
}
";

#[test]
fn loops_and_branches_run() {
    let of = |n| run(LOOP, &[ints(&[n])]).unwrap().values[0].integers().unwrap()[0];
    assert_eq!(of(3), 96);
    assert_eq!(of(15), 60);
    assert_eq!(of(70), 70);
}

#[test]
fn a_loop_without_an_end_spends_the_budget() {
    let error = run(LOOP, &[ints(&[0])]).unwrap_err();
    assert_eq!(*error.why, NotEvaluated::Budget);
}

#[test]
fn recursion_ends() {
    let text = LOOP.replace(
        "%y = ADD(%x, %x) : i32[1]\n  output %y",
        "%on = const : bool[1] = [true]
  %y = IF(%on, %x) {then_subgraph_index = @twice, else_subgraph_index = @same} : i32[1]
  output %y",
    );
    let error = run(&text, &[ints(&[1])]).unwrap_err();
    assert_eq!(error.to_string(), "the subgraph: there is no such subgraph");
}

#[test]
fn what_is_not_evaluated_is_named() {
    let text = "subgraph @main {
  %x = input : i32[2]
  %y = NEG(%x) : i32[2]
  %z = custom \"Mine\"(%y) : i32[2]
  output %z
}
";
    let error = run(text, &[ints(&[1, 2])]).unwrap_err();
    assert!(error.op.is_some());
    assert_eq!(*error.why, NotEvaluated::Op { op: "CUSTOM \"Mine\"".to_owned() });
    let text = "subgraph @main {
  %x = input : i32[2]
  %y = input : i32[2]
  %z = DIV(%x, %y) : i32[2]
  output %z
}
";
    let error = run(text, &[ints(&[1, 2]), ints(&[1, 0])]).unwrap_err();
    assert_eq!(error.why.to_string(), "the runtime fails on these values: it divides by 0");
    let error = run(text, &[ints(&[1, 2])]).unwrap_err();
    assert_eq!(error.to_string(), "the subgraph: it takes other inputs");
}
