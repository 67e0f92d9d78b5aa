//! What files claim of their ops beside what these are.

use super::parse;

/// What is found at the ops of a subgraph.
fn found(body: &str) -> Vec<String> {
    let module = parse(&format!("tfg 1 quant\nsubgraph @main {{\n{body}\n  output %y\n}}\n"));
    module.contradictions().map(|(_, _, what)| what.to_string()).collect()
}

#[test]
fn each_kind_names_what_is_wrong() {
    let x = "%x = input : f32[1,8,8,3]\n%w = const : f32[4,3,3,3]\n%b = const : f32[4]\n";
    let conv = |text: &str| found(&format!("{x}%y = CONV_2D{text}"));
    assert_eq!(conv("(%x, %w, %b) {stride_h = 1, stride_w = 1} : f32[1,8,8,4]"), [""; 0]);
    assert_eq!(conv("(%x) : f32[1,8,8,4]"), ["it has 1 operand and takes 3"]);
    assert_eq!(conv("(%x, _, %b) : f32[1,8,8,4]"), ["operand 1 (`filter`) is left out"]);
    assert_eq!(
        conv("(%x, %w, %b) {stride_h = 1, stride_w = 1} : i32[7,7]"),
        [
            "result 0 (`y`) is INT32 and the op gives FLOAT32",
            "result 0 (`y`) has shape [7,7] and the op gives [1,8,8,4]"
        ]
    );
    assert_eq!(
        conv("(%x, %b, %b) {stride_h = 1, stride_w = 1} : f32[1,8,8,4]"),
        ["operand 1 (`filter`) has 1 dimension and needs 4: results, height, width, channels"]
    );
    assert_eq!(
        conv("(%x, %w, %b) {stride_h = 0, stride_w = 1} : f32[1,8,8,4]"),
        ["attribute stride_h is 0: must be at least 1"]
    );
    assert_eq!(
        conv(
            "(%x, %w, %b) {stride_h = 1, stride_w = 1, fused_activation_function = TANH} : f32[1,8,8,4]"
        ),
        ["it cannot apply the activation TANH, only RELU, RELU_N1_TO_1, RELU6"]
    );
    assert_eq!(
        found("%x = input : f32[2]\n%y = SOFTMAX(%x) {Pool2DOptions: } : f32[2]"),
        ["it has Pool2DOptions, and takes SoftmaxOptions"]
    );
}

#[test]
fn what_is_not_known_contradicts_nothing() {
    let x = "%x = input : f32[?,3]\n";
    assert_eq!(found(&format!("{x}%y = NEG(%x) : f32[5,3]")), [""; 0]);
    assert_eq!(found(&format!("{x}%y = NEG(%x) : f32[*]")), [""; 0]);
    assert_eq!(found(&format!("{x}%y = custom \"Mine\"(%x) : i8[9]")), [""; 0]);
    // A quantised weight in place of a float one is what its readers expect.
    let lookup =
        "%i = input : i32[1]\n%w = const : i8[2,3] expressed f32 q(0.1)\n%y = GATHER(%w, %i)";
    assert_eq!(found(&format!("{lookup} : i8[1,3] q(0.1)")), [""; 0]);
    assert_eq!(found(&format!("{lookup} : f32[1,3]")), [""; 0]);
    assert_eq!(
        found(&format!("{lookup} : i32[1,3]")),
        ["result 0 (`y`) is INT32 and the op gives FLOAT32"]
    );
    let body = "%x = input : f32[1,3]\n%w = const : i8[2,3] expressed f32 q([0.1, 0.2], axis = 0)\n%y = FULLY_CONNECTED(%x, %w, _) : f32[1,2]";
    assert_eq!(found(body), [""; 0]);
}
