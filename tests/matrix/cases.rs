//! Models of one op each, with the odd shapes at which kernels were seen to fail.
//!
//! In the texts `%w = WEIGHT [8,64] axis 0` stands for a weight, to which [`crate::forms`] gives
//! a type and scales; the axis is the one that may have a scale per index.

/// A model of one op.
pub(crate) struct Case {
    /// What the case is called: the op and what is odd.
    pub(crate) name: String,
    pub(crate) text: String,
}

fn case(name: impl Into<String>, body: impl Into<String>) -> Case {
    let text = format!("subgraph @main {{\n{}\n}}\n", body.into());
    Case { name: name.into(), text }
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(fully_connected());
    cases.extend(conv_2d());
    cases.extend(depthwise());
    cases.extend(transpose_conv());
    cases.extend(batch_matmul());
    cases.extend(lookups());
    cases.extend(conv_3d());
    cases.extend(recurrent());
    cases
}

fn fully_connected() -> Vec<Case> {
    let layer = |name: &str, rows: u32, columns: u32, bias: &str, attributes: &str| {
        let b = if bias == "_" {
            String::new()
        } else {
            format!("%b = const : {bias}[{rows}] = [{}]\n", list(rows))
        };
        let operand = if bias == "_" { "_" } else { "%b" };
        case(
            format!("FULLY_CONNECTED {name}"),
            format!(
                "%x = input : f32[3,{columns}]
{b}%w = WEIGHT [{rows},{columns}] axis 0
%y = FULLY_CONNECTED.v12(%x, %w, {operand}) {{{attributes}}} : f32[3,{rows}]
output %y"
            ),
        )
    };
    let act = |name: &str| format!("fused_activation_function = {name}");
    let mut cases = vec![
        layer("64 columns", 8, 64, "f32", ""),
        layer("asymmetric inputs", 8, 64, "f32", "asymmetric_quantize_inputs = true"),
        layer("no bias", 8, 64, "_", ""),
        layer("3 rows", 3, 64, "f32", ""),
        layer("30 columns", 8, 30, "f32", ""),
        layer("31 columns", 8, 31, "f32", ""),
        layer("33 columns", 8, 33, "f32", ""),
        layer("1 row", 1, 64, "f32", ""),
        layer("1 column", 8, 1, "f32", ""),
        layer("float16 bias", 8, 64, "f16", ""),
        layer("int32 bias", 8, 64, "i32", ""),
        layer("shuffled", 8, 64, "f32", "weights_format = SHUFFLED4x16INT8"),
    ];
    for name in ["RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"] {
        cases.push(layer(name, 8, 64, "f32", &act(name)));
    }
    // A float16 bias reaches an op through a Dequantize.
    for case in &mut cases {
        if case.text.contains("f16[") {
            case.text = case
                .text
                .replace("%b = const : f16", "%half = const : f16")
                .replace("%y =", "%b = DEQUANTIZE.v3(%half) : f32[8]\n%y =");
        }
    }
    cases.push(case(
        "FULLY_CONNECTED weights of rank 3",
        "%x = input : f32[3,64]
%w = WEIGHT [8,1,64] axis 0
%y = FULLY_CONNECTED.v12(%x, %w, _) : f32[3,8]
output %y",
    ));
    cases.push(case(
        "FULLY_CONNECTED weights computed",
        "%x = input : f32[3,64]
%n = const : i32[2] = [8, 64]
%w = WEIGHT [64,8] axis 0
%v = RESHAPE(%w, %n) : COMPUTED [8,64]
%y = FULLY_CONNECTED.v12(%x, %v, _) : f32[3,8]
output %y",
    ));
    cases.push(case(
        "FULLY_CONNECTED int8 activation",
        "%x = input : i8[3,64] q(0.01)
%w = WEIGHT [8,64] axis 0
%y = FULLY_CONNECTED.v12(%x, %w, _) : i8[3,8] q(0.1)
output %y",
    ));
    cases.push(case(
        "FULLY_CONNECTED int8 result",
        "%x = input : f32[3,64]
%w = WEIGHT [8,64] axis 0
%y = FULLY_CONNECTED.v12(%x, %w, _) : i8[3,8] q(0.1)
output %y",
    ));
    cases
}

fn conv_2d() -> Vec<Case> {
    let conv = |name: &str, filter: [u32; 4], channels: u32, bias: &str, attributes: &str| {
        let [o, h, w, i] = filter;
        let (b, operand) = match bias {
            "f32" => (format!("%b = const : f32[{o}] = [{}]\n", list(o)), ", %b"),
            "i32" => (format!("%b = const : i32[{o}] = [{}]\n", list(o)), ", %b"),
            "f16" => (
                format!(
                    "%half = const : f16[{o}] = [{}]\n%b = DEQUANTIZE.v3(%half) : f32[{o}]\n",
                    list(o)
                ),
                ", %b",
            ),
            "computed" => (format!("%b0 = input : f32[{o}]\n%b = ABS(%b0) : f32[{o}]\n"), ", %b"),
            "-1" => (String::new(), ", _"),
            _ => (String::new(), ""),
        };
        let size = if attributes.contains("stride_w = 2") { 4 } else { 8 };
        let attributes = if attributes.contains("stride") {
            attributes.to_owned()
        } else {
            format!("{attributes}, stride_w = 1, stride_h = 1").trim_start_matches(", ").to_owned()
        };
        case(
            format!("CONV_2D {name}"),
            format!(
                "%x = input : f32[2,8,8,{channels}]
%w = WEIGHT [{o},{h},{w},{i}] axis 0
{b}%y = CONV_2D.v5(%x, %w{operand}) {{padding = SAME, {attributes}}} : f32[2,{size},{size},{o}]
output %y"
            ),
        )
    };
    let mut cases = vec![
        conv("1x1", [8, 1, 1, 4], 4, "f32", ""),
        conv("3x3", [8, 3, 3, 4], 4, "f32", ""),
        conv("dilation 2", [8, 3, 3, 4], 4, "f32", "dilation_w_factor = 2, dilation_h_factor = 2"),
        conv("stride 2", [8, 3, 3, 4], 4, "f32", "stride_w = 2, stride_h = 2"),
        conv("1 channel out", [1, 3, 3, 4], 4, "f32", ""),
        conv("2 groups", [8, 3, 3, 2], 4, "f32", ""),
        conv("bias -1", [8, 3, 3, 4], 4, "-1", ""),
        conv("no bias", [8, 3, 3, 4], 4, "none", ""),
        conv("float16 bias", [8, 3, 3, 4], 4, "f16", ""),
        conv("int32 bias", [8, 3, 3, 4], 4, "i32", ""),
        conv("computed bias", [8, 3, 3, 4], 4, "computed", ""),
    ];
    for name in ["RELU_N1_TO_1", "TANH", "SIGN_BIT"] {
        let act = format!("fused_activation_function = {name}");
        cases.push(conv(name, [8, 3, 3, 4], 4, "f32", &act));
    }
    let act = "fused_activation_function = RELU6";
    cases.push(conv("2 groups RELU6", [8, 3, 3, 2], 4, "f32", act));
    cases.push(conv("2 groups float16 bias", [8, 3, 3, 2], 4, "f16", ""));
    cases.push(conv("2 groups computed bias", [8, 3, 3, 2], 4, "computed", ""));
    for name in ["TANH", "SIGN_BIT"] {
        let act = format!("fused_activation_function = {name}");
        cases.push(conv(&format!("2 groups {name}"), [8, 3, 3, 2], 4, "f32", &act));
    }
    cases
}

fn depthwise() -> Vec<Case> {
    let conv = |name: &str, multiplier: u32, bias: &str, attributes: &str| {
        let out = 4 * multiplier;
        let (b, operand) = match bias {
            "f32" => (format!("%b = const : f32[{out}] = [{}]\n", list(out)), ", %b"),
            "i32" => (format!("%b = const : i32[{out}] = [{}]\n", list(out)), ", %b"),
            "f16" => (
                format!(
                    "%half = const : f16[{out}] = [{}]\n%b = DEQUANTIZE.v3(%half) : f32[{out}]\n",
                    list(out)
                ),
                ", %b",
            ),
            "-1" => (String::new(), ", _"),
            _ => (String::new(), ""),
        };
        case(
            format!("DEPTHWISE_CONV_2D {name}"),
            format!(
                "%x = input : f32[2,8,8,4]
%w = WEIGHT [1,3,3,{out}] axis 3
{b}%y = DEPTHWISE_CONV_2D.v6(%x, %w{operand}) {{padding = SAME, stride_w = 1, stride_h = 1, {attributes}}} : f32[2,8,8,{out}]
output %y"
            ),
        )
    };
    vec![
        conv("multiplier 1", 1, "f32", "depth_multiplier = 1"),
        conv("multiplier 2", 2, "f32", "depth_multiplier = 2"),
        conv(
            "dilation 2",
            1,
            "f32",
            "depth_multiplier = 1, dilation_w_factor = 2, dilation_h_factor = 2",
        ),
        conv("bias -1", 1, "-1", "depth_multiplier = 1"),
        conv("no bias", 1, "none", "depth_multiplier = 1"),
        conv("int32 bias", 1, "i32", "depth_multiplier = 1"),
        conv("float16 bias", 1, "f16", "depth_multiplier = 1"),
        conv("float16 bias, multiplier 2", 2, "f16", "depth_multiplier = 2"),
        conv("wrong multiplier", 2, "f32", "depth_multiplier = 1"),
    ]
}

fn transpose_conv() -> Vec<Case> {
    let conv = |name: &str, bias: &str, shape: &str| {
        let (b, operand) = match bias {
            "none" => (String::new(), ""),
            ty => (format!("%b = const : {ty}[8] = [{}]\n", list(8)), ", %b"),
        };
        case(
            format!("TRANSPOSE_CONV {name}"),
            format!(
                "%x = input : f32[1,4,4,4]
{shape}
%w = WEIGHT [8,3,3,4] axis 0
{b}%y = TRANSPOSE_CONV.v3(%s, %w, %x{operand}) {{padding = SAME, stride_w = 2, stride_h = 2}} : f32[1,8,8,8]
output %y"
            ),
        )
    };
    let constant = "%s = const : i32[4] = [1, 8, 8, 8]";
    let computed = "%t = const : i32[4] = [1, 8, 8, 8]\n%o = input : i32[4]\n%z = MINIMUM(%o, %t) : i32[4]\n%s = MAXIMUM(%z, %t) : i32[4]";
    vec![
        conv("3x3 stride 2", "f32", constant),
        conv("no bias", "none", constant),
        conv("int32 bias", "i32", constant),
        conv("computed shape", "f32", computed),
    ]
}

fn batch_matmul() -> Vec<Case> {
    let product = |name: &str, lhs: &str, rhs: &str, out: &str, adjoint: bool, more: &str| {
        let rank = rhs.split(',').count();
        let axis = if adjoint { rank - 2 } else { rank - 1 };
        let adj = if adjoint { "adj_y = true" } else { "" };
        let adj =
            [adj, more].iter().filter(|x| !x.is_empty()).copied().collect::<Vec<_>>().join(", ");
        case(
            format!("BATCH_MATMUL {name}"),
            format!(
                "%x = input : f32[{lhs}]
%w = WEIGHT [{rhs}] axis {axis}
%y = BATCH_MATMUL.v4(%x, %w) {{{adj}}} : f32[{out}]
output %y"
            ),
        )
    };
    vec![
        product("rank 2", "3,64", "64,8", "3,8", false, ""),
        product("rank 2 adjoint", "3,64", "8,64", "3,8", true, ""),
        product(
            "asymmetric inputs",
            "3,64",
            "8,64",
            "3,8",
            true,
            "asymmetric_quantize_inputs = true",
        ),
        product("batch of 3", "3,5,64", "64,8", "3,5,8", false, ""),
        product("batches 1x3", "1,3,5,64", "64,8", "1,3,5,8", false, ""),
        unlike(product("batches 2x3", "2,3,5,64", "64,8", "2,3,5,8", false, "")),
        unlike(product("batches 2x3 adjoint", "2,3,5,64", "8,64", "2,3,5,8", true, "")),
        product("batched weights", "2,5,64", "2,64,8", "2,5,8", false, ""),
        product("weights of batch 1x1", "2,3,5,64", "1,1,64,8", "2,3,5,8", false, ""),
    ]
}

/// Batches of unlike sizes, so that it shows where their scales are mixed up.
fn unlike(mut case: Case) -> Case {
    let sizes = "%m = const : f32[2,3,1,1] = [1.0, 0.01, 3.0, 0.1, 10.0, 0.5]";
    let scaled = format!("{sizes}\n%z = MUL(%x, %m) : f32[2,3,5,64]\n%y = BATCH_MATMUL.v4(%z,");
    case.text = case.text.replace("%y = BATCH_MATMUL.v4(%x,", &scaled);
    case
}

fn lookups() -> Vec<Case> {
    let embedding = |columns: u32| {
        case(
            format!("EMBEDDING_LOOKUP {columns} columns"),
            format!(
                "%ids = input : i32[6]
%w = WEIGHT [16,{columns}] axis 0
%y = EMBEDDING_LOOKUP.v3(%ids, %w) : f32[6,{columns}]
output %y"
            ),
        )
    };
    vec![
        embedding(64),
        embedding(6),
        embedding(7),
        case(
            "GATHER rows",
            "%ids = input : i32[6]
%w = WEIGHT [16,8]
%y = GATHER.v5(%w, %ids) {axis = 0} : f32[6,8]
%z = ADD(%y, %y) : f32[6,8]
output %z",
        ),
    ]
}

fn conv_3d() -> Vec<Case> {
    vec![
        case(
            "CONV_3D 2x2x2",
            "%x = input : f32[1,4,4,4,2]
%w = WEIGHT [2,2,2,2,4] axis 4
%y = CONV_3D(%x, %w) {padding = SAME, stride_d = 1, stride_w = 1, stride_h = 1} : f32[1,4,4,4,4]
output %y",
        ),
        case(
            "CONV_3D_TRANSPOSE 2x2x2",
            "%x = input : f32[1,4,4,4,2]
%s = const : i32[5] = [1, 4, 4, 4, 4]
%w = WEIGHT [2,2,2,4,2] axis 3
%y = CONV_3D_TRANSPOSE(%s, %w, %x) {padding = SAME, stride_d = 1, stride_w = 1, stride_h = 1} : f32[1,4,4,4,4]
output %y",
        ),
    ]
}

/// How an LSTM looks.
#[derive(Clone, Copy, Default)]
struct Lstm {
    coupled: bool,
    peephole: bool,
    projection: bool,
}

const UNITS: u32 = 8;

fn recurrent() -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes = [
        ("plain", Lstm::default()),
        ("coupled gates", Lstm { coupled: true, ..Lstm::default() }),
        ("peephole", Lstm { peephole: true, ..Lstm::default() }),
        ("projection", Lstm { projection: true, ..Lstm::default() }),
    ];
    for (name, shape) in shapes {
        let (constants, operands) = lstm("", shape);
        cases.push(case(
            format!("LSTM {name}"),
            format!(
                "%x = input : f32[1,{UNITS}]
{constants}{states}%y = LSTM(%x, {operands}, %h, %c) {{fused_activation_function = TANH}} : f32[1,{UNITS}]
output %y",
                states = states("h", "c")
            ),
        ));
        for (word, attribute) in [("", ""), (" asymmetric", ", asymmetric_quantize_inputs = true")]
        {
            if !word.is_empty() && name != "plain" {
                continue;
            }
            cases.push(case(
                format!("UNIDIRECTIONAL_SEQUENCE_LSTM {name}{word}"),
                format!(
                    "%x = input : f32[1,3,{UNITS}]
{constants}{states}%y = UNIDIRECTIONAL_SEQUENCE_LSTM(%x, {operands}, %h, %c, _, _, _, _) {{fused_activation_function = TANH{attribute}}} : f32[1,3,{UNITS}]
output %y",
                    states = states("h", "c")
                ),
            ));
        }
    }
    let (forward, forwards) = lstm("f.", Lstm::default());
    let (backward, backwards) = lstm("b.", Lstm::default());
    let out = 2 * UNITS;
    let none = ["_"; 9].join(", ");
    cases.push(case(
        "BIDIRECTIONAL_SEQUENCE_LSTM plain",
        format!(
            "%x = input : f32[1,3,{UNITS}]
{forward}{backward}{}{}%y = BIDIRECTIONAL_SEQUENCE_LSTM(%x, {forwards}, {backwards}, %h, %c, %h2, %c2, {none}) {{fused_activation_function = TANH, merge_outputs = true, time_major = false}} : f32[1,3,{out}]
output %y",
            states("h", "c"),
            states("h2", "c2")
        ),
    ));
    cases.push(case(
        "LSTM basic",
        "%x = input : f32[1,8]
%h = input : f32[1,8]
%c = input : f32[1,8]
%w = WEIGHT [32,16]
%b = const : f32[32] fill const(0)
%y, %s, %k, %g = LSTM.v2(%x, %h, %w, %b, %c) {fused_activation_function = TANH, kernel_type = BASIC} : (f32[1,8], f32[1,8], f32[1,16], f32[1,32])
output %y
output %s",
    ));
    let square = format!("WEIGHT [{UNITS},{UNITS}]");
    let ones = list(UNITS);
    for (bias, word) in [("f32", ""), ("i32", " int32 bias")] {
        cases.push(case(
            format!("RNN plain{word}"),
            format!(
                "%x = input : f32[1,{UNITS}]
%w = {square}
%r = {square}
%b = const : {bias}[{UNITS}] = [{ones}]
%h = variable : f32[1,{UNITS}]
%y = RNN(%x, %w, %r, %b, %h) {{fused_activation_function = TANH}} : f32[1,{UNITS}]
output %y"
            ),
        ));
    }
    cases.push(case(
        "UNIDIRECTIONAL_SEQUENCE_RNN plain",
        format!(
            "%x = input : f32[1,3,{UNITS}]
%w = {square}
%r = {square}
%b = const : f32[{UNITS}] fill const(0)
%h = variable : f32[1,{UNITS}]
%y = UNIDIRECTIONAL_SEQUENCE_RNN(%x, %w, %r, %b, %h) {{fused_activation_function = TANH}} : f32[1,3,{UNITS}]
output %y"
        ),
    ));
    cases.push(case(
        "BIDIRECTIONAL_SEQUENCE_RNN plain",
        format!(
            "%x = input : f32[1,3,{UNITS}]
%w = {square}
%r = {square}
%w2 = {square}
%r2 = {square}
%b = const : f32[{UNITS}] fill const(0)
%h = variable : f32[1,{UNITS}]
%h2 = variable : f32[1,{UNITS}]
%y, %y2 = BIDIRECTIONAL_SEQUENCE_RNN(%x, %w, %r, %b, %h, %w2, %r2, %b, %h2, _, _, _) {{fused_activation_function = TANH}} : (f32[1,3,{UNITS}], f32[1,3,{UNITS}])
output %y
output %y2"
        ),
    ));
    cases.push(case(
        "SVDF rank 2",
        "%x = input : f32[1,16]
%w = WEIGHT [64,16]
%t = WEIGHT [64,16]
%b = const : f32[32] fill const(0)
%s = variable : f32[1,1024]
%y = SVDF(%x, %w, %t, %b, %s) {rank = 2} : f32[1,32]
output %y",
    ));
    cases
}

/// The constants of an LSTM, and its operands 1 to 17.
fn lstm(prefix: &str, shape: Lstm) -> (String, String) {
    let mut constants = String::new();
    let mut operands = Vec::new();
    let mut add = |name: String, contents: Option<String>| match contents {
        Some(contents) => {
            constants += &format!("%{prefix}{name} = {contents}\n");
            operands.push(format!("%{prefix}{name}"));
        }
        None => operands.push("_".to_owned()),
    };
    let square = || Some(format!("WEIGHT [{UNITS},{UNITS}]"));
    for kind in ["i", "r"] {
        for gate in ["i", "f", "c", "o"] {
            add(
                format!("{kind}{gate}"),
                if shape.coupled && gate == "i" { None } else { square() },
            );
        }
    }
    for gate in ["i", "f", "o"] {
        let there = shape.peephole && !(shape.coupled && gate == "i");
        add(format!("p{gate}"), there.then(|| format!("WEIGHT [{UNITS}]")));
    }
    for gate in ["i", "f", "c", "o"] {
        let there = !(shape.coupled && gate == "i");
        add(format!("b{gate}"), there.then(|| format!("const : f32[{UNITS}] fill const(0)")));
    }
    add("pw".to_owned(), if shape.projection { square() } else { None });
    add("pb".to_owned(), None);
    (constants, operands.join(", "))
}

fn states(output: &str, cell: &str) -> String {
    format!("%{output} = variable : f32[1,{UNITS}]\n%{cell} = variable : f32[1,{UNITS}]\n")
}

/// Small whole numbers, so that every type of bias can hold them.
fn list(count: u32) -> String {
    (0..count).map(|n| (n % 3).to_string()).collect::<Vec<_>>().join(", ")
}
