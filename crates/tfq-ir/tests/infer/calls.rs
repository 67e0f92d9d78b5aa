//! Ops that call subgraphs give what these return.

use super::{MAIN, parse, told};
use tfq_ir::ops::infer_op;

/// Two inputs of `main`, of which the first is a condition, an op, and what follows.
fn check(op: &str, subgraphs: &str, expected: &str) {
    let text = format!(
        "tfg 1 quant\nsubgraph @main {{\n  %c = input : bool[1]\n  %x = input : f32[?,4]\n  {op}\n  output %y\n}}\n{subgraphs}"
    );
    assert_eq!(told(&parse(&text)), expected, "{text}");
}

fn graph(name: &str, returns: &str) -> String {
    format!(
        "subgraph @{name} {{\n  %in = input : f32[?,4]\n  %out = {returns}\n  output %out\n}}\n"
    )
}

#[test]
fn branches() {
    let op = "%y = IF(%c, %x) {then_subgraph_index = @a, else_subgraph_index = @b} : f32[*]";
    let negated = graph("a", "NEG(%in) : f32[?,4]");
    check(op, &(negated.clone() + &graph("b", "ABS(%in) : f32[?,4]")), "FLOAT32[?,4]");
    // They differ in a dimension, in rank, in type.
    check(
        op,
        &(graph("a", "NEG(%in) : f32[2,4]") + &graph("b", "ABS(%in) : f32[3,4]")),
        "FLOAT32[?,4]",
    );
    check(
        op,
        &(negated.clone() + &graph("b", "RESHAPE(%in) {new_shape = [4]} : f32[4]")),
        "FLOAT32[*]",
    );
    check(op, &(negated.clone() + &graph("b", "LESS(%in, %in) : bool[?,4]")), "any[*]");
    let case = "%y = STABLEHLO_CASE(%c, %x) {branch_subgraph_indices = [@a, @b]} : f32[*]";
    check(case, &(negated + &graph("b", "ABS(%in) : f32[5,4]")), "FLOAT32[?,4]");
}

#[test]
fn loops() {
    let op = "%y = WHILE(%x) {cond_subgraph_index = @cond, body_subgraph_index = @body} : f32[*]";
    let cond = "subgraph @cond {\n  %in = input : f32[?,4]\n  %t = const : bool[] = false\n  output %t\n}\n";
    check(op, &(cond.to_owned() + &graph("body", "NEG(%in) : f32[?,4]")), "FLOAT32[?,4]");
    // A loop that is not run gives what it was given.
    check(op, &(cond.to_owned() + &graph("body", "NEG(%in) : f32[9,4]")), "FLOAT32[?,4]");
    check(op, &(cond.to_owned() + &graph("body", "NEG(%in) : f32[?,8]")), "FLOAT32[?,?]");
    check(op, &(cond.to_owned() + &graph("body", "SUM(%in, _) : f32[4]")), "FLOAT32[*]");
}

#[test]
fn plain_calls() {
    let called = graph("f", "NEG(%in) : f32[?,4]");
    check("%y = CALL(%x) {subgraph = @f} : f32[*]", &called, "FLOAT32[?,4]");
    let composite =
        "%y = STABLEHLO_COMPOSITE(%x) {name = \"f\", decomposition_subgraph_index = @f} : f32[*]";
    check(composite, &called, "FLOAT32[?,4]");
    // The subgraph returns one, and of the other nothing is told.
    check("%z, %y = CALL(%x) {subgraph = @f} : (f32[*], f32[*])", &called, "FLOAT32[?,4], any[*]");
}

#[test]
fn a_graph_that_calls_itself_is_asked_once() {
    let text = "tfg 1 quant\nsubgraph @main {\n  %x = input : f32[2]\n  %y = CALL(%x) {subgraph = @main} : f32[2]\n  output %y\n}\n";
    let module = parse(text);
    let op = module.subgraph(MAIN).ops().next().unwrap();
    assert_eq!(infer_op(&module, MAIN, op).unwrap().len(), 1);
    assert_eq!(told(&module), "FLOAT32[2]");
}

/// A batch that `main` does not know goes through a whole model, and nothing else becomes unknown.
#[test]
fn an_unknown_batch_stays_the_batch() {
    let module = parse(
        "tfg 1 quant
        subgraph @main {
          %image = input : f32[?,28,28,1]
          %w = const : f32[8,3,3,1]
          %b = const : f32[8]
          %axes = const : i32[2] = [1, 2]
          %dense = const : f32[10,8]
          %conv = CONV_2D(%image, %w, %b) {stride_w = 2, stride_h = 2} : f32[?,14,14,8]
          %pool = MAX_POOL_2D(%conv) {stride_w = 2, stride_h = 2, filter_width = 2, filter_height = 2} : f32[?,7,7,8]
          %act = LOGISTIC(%pool) : f32[?,7,7,8]
          %sum = ADD(%act, %pool) : f32[?,7,7,8]
          %mean = MEAN(%sum, %axes) : f32[?,8]
          %fc = FULLY_CONNECTED(%mean, %dense, _) : f32[?,10]
          %probs = SOFTMAX(%fc) {beta = 1.0} : f32[?,10]
          output %probs
        }",
    );
    let graph = module.subgraph(MAIN);
    for op in graph.ops() {
        let given = infer_op(&module, MAIN, op).unwrap();
        let result = graph.tensor(graph.results(op)[0]);
        let dims: Vec<_> = (0..result.shape.len()).map(|n| result.known_dim(n)).collect();
        assert_eq!(given[0].shape.dims(), Some(&dims[..]), "{}", graph.op(op).kind);
    }
    assert_eq!(module.contradictions().count(), 0);
}
