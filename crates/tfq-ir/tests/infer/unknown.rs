//! A dimension that is not known makes those unknown that depend on it, and no others.

use super::{parse, told};
use tfq_ir::catalog::ops::{BROADCAST_TO, RESHAPE, SLICE};
use tfq_ir::ops::{Dim, OperandFacts, Shape, infer};
use tfq_ir::{ElementType, Op};

/// What an op gives: operands as their declarations, then the op, then the answer.
fn check(operands: &str, op: &str, expected: &str) {
    // The declared result says nothing, so that it cannot be what is told.
    let text = format!(
        "tfg 1 quant\nsubgraph @main {{\n{operands}\n  %y = {op} : f32[*]\n  output %y\n}}\n"
    );
    assert_eq!(told(&parse(&text)), expected, "{text}");
}

#[test]
fn windows_and_products() {
    let image = "%x = input : f32[?,?,28,3]\n%w = const : f32[8,3,3,3]\n%b = const : f32[8]";
    let conv = "CONV_2D(%x, %w, %b) {stride_h = 2, stride_w = 2}";
    check(image, conv, "FLOAT32[?,?,14,8]");
    let filter = "%x = input : f32[1,28,28,3]\n%w = input : f32[8,?,3,3]\n%b = const : f32[8]";
    // With SAME the filter does not matter; with VALID it does.
    check(filter, "CONV_2D(%x, %w, %b) {stride_h = 1, stride_w = 1}", "FLOAT32[1,28,28,8]");
    let valid = "CONV_2D(%x, %w, %b) {padding = VALID, stride_h = 1, stride_w = 1}";
    check(filter, valid, "FLOAT32[1,?,26,8]");
    let unranked = "%x = input : f32[*]\n%w = const : f32[8,3,3,3]\n%b = const : f32[8]";
    check(unranked, conv, "FLOAT32[?,?,?,8]");
    let pool = "MAX_POOL_2D(%x) {stride_h = 2, stride_w = 2, filter_width = 2, filter_height = 2}";
    check("%x = input : f32[?,9,9,3]", pool, "FLOAT32[?,5,5,3]");

    let rows = "%x = input : f32[?,16]\n%w = const : f32[4,16]";
    check(rows, "FULLY_CONNECTED(%x, %w, _)", "FLOAT32[?,4]");
    let rows = "%x = input : f32[?,5,16]\n%w = const : f32[4,16]";
    check(rows, "FULLY_CONNECTED(%x, %w, _) {keep_num_dims = true}", "FLOAT32[?,5,4]");
    let rows = "%x = input : f32[*]\n%w = const : f32[4,16]";
    check(rows, "FULLY_CONNECTED(%x, %w, _)", "FLOAT32[?,4]");
    check(rows, "FULLY_CONNECTED(%x, %w, _) {keep_num_dims = true}", "FLOAT32[*]");
    let matrices = "%a = input : f32[?,1,2,3]\n%b = input : f32[5,3,?]";
    check(matrices, "BATCH_MATMUL(%a, %b)", "FLOAT32[?,5,2,?]");
    // 7 and 3 do not meet, whatever the others are.
    let matrices = "%a = input : f32[?,7]\n%b = input : f32[3,?]";
    check(
        matrices,
        "BATCH_MATMUL(%a, %b)",
        "no: operands 0 (`x`) of shape [?,7] and 1 (`y`) of shape [3,?] do not go together",
    );
}

#[test]
fn broadcasting() {
    check("%a = input : f32[?,3]\n%b = input : f32[1]", "ADD(%a, %b)", "FLOAT32[?,3]");
    // What is unknown is 1 or 5 then.
    check("%a = input : f32[?,3]\n%b = input : f32[5,1]", "ADD(%a, %b)", "FLOAT32[5,3]");
    check("%a = input : f32[?]\n%b = input : f32[?]", "ADD(%a, %b)", "FLOAT32[?]");
    check("%a = input : f32[*]\n%b = input : f32[5,1]", "LESS(%a, %b)", "BOOL[*]");
    let no = "no: operands 0 (`a`) of shape [?,3] and 1 (`b`) of shape [2] do not go together";
    check("%a = input : f32[?,3]\n%b = input : f32[2]", "MUL(%a, %b)", no);
}

#[test]
fn movement() {
    let x = "%x = input : f32[?,2,5]";
    let with = |more: &str| format!("{x}\n{more}");
    check(&with("%s = const : i32[2] = [-1, 10]"), "RESHAPE(%x, %s)", "FLOAT32[?,10]");
    check(&with("%s = input : i32[2]"), "RESHAPE(%x, %s)", "FLOAT32[?,?]");
    check(&with("%s = input : i32[?]"), "RESHAPE(%x, %s)", "FLOAT32[*]");
    check(&with("%s = input : i32[*]"), "RESHAPE(%x, %s)", "FLOAT32[*]");
    check(x, "RESHAPE(%x) {new_shape = [4, -1]}", "FLOAT32[4,?]");
    check(&with("%p = const : i32[3] = [2, 0, 1]"), "TRANSPOSE(%x, %p)", "FLOAT32[5,?,2]");
    check(&with("%p = input : i32[3]"), "TRANSPOSE(%x, %p)", "FLOAT32[?,?,?]");
    check(&with("%z = input : f32[3,?,5]"), "CONCATENATION(%x, %z) {axis = 1}", "FLOAT32[3,?,5]");
    check(&with("%z = input : f32[3,2,1]"), "CONCATENATION(%x, %z) {axis = 2}", "FLOAT32[3,2,6]");
    check(&with("%z = input : f32[*]"), "CONCATENATION(%x, %z) {axis = 2}", "FLOAT32[*]");
    check(
        &with("%z = input : f32[3,9,1]"),
        "CONCATENATION(%x, %z) {axis = 2}",
        "no: operands 0 (`x`) of shape [?,2,5] and 1 (`x`) of shape [3,9,1] do not go together",
    );
    check(&with("%z = input : f32[3,2,?]"), "PACK(%x, %z) {values_count = 2}", "FLOAT32[2,3,2,5]");
    check(x, "UNPACK(%x) {num = 1, axis = 0}", "FLOAT32[2,5]");
    check(x, "SQUEEZE(%x) {squeeze_dims = [0]}", "FLOAT32[2,5]");
    // Whether the first one goes depends on it.
    check(x, "SQUEEZE(%x)", "FLOAT32[*]");
    check(&with("%a = const : i32[] = 1"), "EXPAND_DIMS(%x, %a)", "FLOAT32[?,1,2,5]");
    check(&with("%a = input : i32[]"), "EXPAND_DIMS(%x, %a)", "FLOAT32[?,?,?,?]");
    let slice = "%b = const : i32[3] = [1, 0, 2]\n%s = const : i32[3] = [-1, 2, -1]";
    check(&with(slice), "SLICE(%x, %b, %s)", "FLOAT32[?,2,3]");
    let computed = "%b = input : i32[3]\n%s = const : i32[3] = [-1, 1, 5]";
    check(&with(computed), "SLICE(%x, %b, %s)", "FLOAT32[?,1,5]");
    let strided =
        "%b = const : i32[2] = [0, 0]\n%e = const : i32[2] = [1, 9]\n%s = const : i32[2] = [1, 1]";
    check(&with(strided), "STRIDED_SLICE(%x, %b, %e, %s) {shrink_axis_mask = 1}", "FLOAT32[2,5]");
    check(&with(strided), "STRIDED_SLICE(%x, %b, %e, %s)", "FLOAT32[?,2,5]");
    let paddings = "%p = const : i32[3,2] = [1, 1, 2, 0, 0, 0]";
    check(&with(paddings), "PAD(%x, %p)", "FLOAT32[?,4,5]");
    check(&with("%p = input : i32[3,2]"), "PAD(%x, %p)", "FLOAT32[?,?,?]");
    check(&with("%m = const : i32[3] = [2, 3, 1]"), "TILE(%x, %m)", "FLOAT32[?,6,5]");
    let split = format!("%a = const : i32[] = 1\n{x}");
    check(&split, "SPLIT(%a, %x) {num_splits = 1}", "FLOAT32[?,2,5]");
    check(&format!("%a = input : i32[]\n{x}"), "SPLIT(%a, %x) {num_splits = 1}", "FLOAT32[?,?,?]");
    check("%x = input : f32[?,4,?,8]", "DEPTH_TO_SPACE(%x) {block_size = 2}", "FLOAT32[?,8,?,2]");
}

#[test]
fn reductions_and_what_depends_on_values() {
    let x = "%x = input : f32[?,2,5]";
    let with = |more: &str| format!("{x}\n{more}");
    check(&with("%a = const : i32[1] = [0]"), "MEAN(%x, %a)", "FLOAT32[2,5]");
    check(&with("%a = const : i32[1] = [0]"), "MEAN(%x, %a) {keep_dims = true}", "FLOAT32[1,2,5]");
    check(&with("%a = input : i32[1]"), "SUM(%x, %a) {keep_dims = true}", "FLOAT32[?,?,?]");
    check(&with("%a = input : i32[1]"), "SUM(%x, %a)", "FLOAT32[*]");
    check(&with("%a = const : i32[] = -1"), "ARG_MAX(%x, %a) {output_type = INT32}", "INT32[?,2]");
    check(x, "WHERE(%x)", "INT64[?,3]");
    check("%x = input : f32[*]", "WHERE(%x)", "INT64[?,?]");
    check(x, "SHAPE(%x) {out_type = INT32}", "INT32[3]");
    check("%x = input : f32[*]", "SHAPE(%x) {out_type = INT32}", "INT32[?]");
    check(x, "RANK(%x)", "INT32[]");
    check(&with("%i = input : i32[?,7]"), "GATHER(%x, %i) {axis = 1}", "FLOAT32[?,?,7,5]");
    check(&with("%i = input : i32[4,?]"), "GATHER_ND(%x, %i)", "FLOAT32[*]");
    check(&with("%i = input : i32[?,2]"), "GATHER_ND(%x, %i)", "FLOAT32[?,5]");
    let range = "%a = const : i32[] = 0\n%b = input : i32[]\n%d = const : i32[] = 1";
    check(range, "RANGE(%a, %b, %d)", "INT32[?]");
    let fill = "%s = input : i32[2]\n%v = const : f32[] = 1";
    check(fill, "FILL(%s, %v)", "FLOAT32[?,?]");
    // Nothing is known of custom ops.
    check(x, "custom \"Mine\"(%x)", "any[*]");
}

/// What a RESHAPE, BROADCAST_TO or SLICE gives where some integers of its operand are known.
#[test]
fn integers_that_are_known_in_part() {
    let give = |code: i32, dims: &[Dim], integers: &[&[Option<i64>]]| {
        let fact = |ty, shape, integers| OperandFacts {
            ty,
            stored: None,
            shape,
            contents: None,
            integers,
        };
        let vector = |integers: &'static [Option<i64>]| {
            let shape = Shape::of([Some(integers.len() as i32)]);
            Some(fact(ElementType::Int32, shape, Some(integers)))
        };
        let data = Some(fact(ElementType::Float32, Shape::of(dims.iter().copied()), None));
        let leaked = integers.iter().map(|list| vector(Vec::leak(list.to_vec())));
        let operands: Vec<_> = std::iter::once(data).chain(leaked).collect();
        let given = infer(&Op::builtin(code), &operands, &[Some(ElementType::Float32)]);
        given.map_or_else(|error| error.to_string(), |given| given[0].shape.to_string())
    };
    let free = [None, Some(4), Some(8)];
    assert_eq!(give(RESHAPE, &free, &[&[None, Some(32)]]), "[?,32]");
    assert_eq!(give(RESHAPE, &free, &[&[None, None, Some(8)]]), "[?,?,8]");
    let fixed = [Some(2), Some(4), Some(8)];
    assert_eq!(give(RESHAPE, &fixed, &[&[None, Some(32)]]), "[2,32]");
    // One may be -1 at run time, and a size of 0 leaves all others open.
    assert_eq!(give(RESHAPE, &fixed, &[&[None, Some(-1), Some(8)]]), "[?,?,8]");
    assert_eq!(give(RESHAPE, &fixed, &[&[None, Some(0)]]), "[?,0]");
    assert_eq!(give(BROADCAST_TO, &free, &[&[None, Some(4), Some(8)]]), "[?,4,8]");
    let begins = [Some(0), None, Some(2)];
    assert_eq!(give(SLICE, &fixed, &[&begins, &[None, Some(3), Some(-1)]]), "[?,3,6]");
}
