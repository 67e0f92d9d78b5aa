//! Ops that read a weight of 256 elements, each in the shapes that it takes.

/// Elements of every shape, so that any two can lie on one buffer.
pub(crate) const ELEMENTS: usize = 256;

const SQUARE: &[u32] = &[16, 16];
const FLAT: &[u32] = &[8, 32];
const FILTER: &[u32] = &[16, 2, 2, 4];
const ONE_ROW: &[u32] = &[1, 4, 4, 16];
const BATCHED: &[u32] = &[1, 1, 16, 16];
const VOLUME: &[u32] = &[2, 2, 2, 2, 16];

/// An op that reads a weight.
pub(crate) struct Reader {
    /// The op, and what is special.
    pub(crate) name: &'static str,
    /// Shapes that the weight may have, the usual one first.
    pub(crate) shapes: &'static [&'static [u32]],
    text: fn(&str, &str, &[u32]) -> String,
}

impl Reader {
    /// Lines that read the weight `w`; all other names begin with `p`.
    pub(crate) fn text(&self, p: &str, w: &str, shape: &[u32]) -> String {
        (self.text)(p, w, shape)
    }

    /// Its name in the schema.
    pub(crate) fn op(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or_default()
    }
}

/// Every op with weights, and one without a kernel for codes.
pub(crate) const READERS: [Reader; 19] = [
    Reader { name: "FULLY_CONNECTED", shapes: &[SQUARE, FLAT], text: fully_connected },
    Reader { name: "BATCH_MATMUL", shapes: &[SQUARE, BATCHED, FLAT], text: batch_matmul },
    Reader { name: "BATCH_MATMUL adjoint", shapes: &[SQUARE, FLAT], text: batch_matmul_adjoint },
    Reader { name: "CONV_2D", shapes: &[FILTER, ONE_ROW], text: conv_2d },
    Reader { name: "DEPTHWISE_CONV_2D", shapes: &[ONE_ROW], text: depthwise_conv_2d },
    Reader { name: "TRANSPOSE_CONV", shapes: &[FILTER, ONE_ROW], text: transpose_conv },
    Reader { name: "EMBEDDING_LOOKUP", shapes: &[SQUARE, FLAT, FILTER], text: embedding_lookup },
    Reader { name: "GATHER", shapes: &[SQUARE, FLAT, FILTER, VOLUME], text: gather },
    Reader { name: "LSTM", shapes: &[SQUARE], text: lstm },
    Reader { name: "LSTM basic", shapes: &[SQUARE], text: lstm_basic },
    Reader { name: "UNIDIRECTIONAL_SEQUENCE_LSTM", shapes: &[SQUARE], text: sequence_lstm },
    Reader { name: "BIDIRECTIONAL_SEQUENCE_LSTM", shapes: &[SQUARE], text: bidirectional_lstm },
    Reader { name: "RNN", shapes: &[SQUARE], text: rnn },
    Reader { name: "UNIDIRECTIONAL_SEQUENCE_RNN", shapes: &[SQUARE], text: sequence_rnn },
    Reader { name: "BIDIRECTIONAL_SEQUENCE_RNN", shapes: &[SQUARE], text: bidirectional_rnn },
    Reader { name: "SVDF", shapes: &[SQUARE], text: svdf },
    Reader { name: "CONV_3D", shapes: &[VOLUME], text: conv_3d },
    Reader { name: "CONV_3D_TRANSPOSE", shapes: &[VOLUME], text: conv_3d_transpose },
    Reader { name: "MUL", shapes: &[SQUARE, FLAT, FILTER, ONE_ROW, BATCHED, VOLUME], text: mul },
];

/// A shape as text has it.
pub(crate) fn dims(shape: &[u32]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn fully_connected(p: &str, w: &str, shape: &[u32]) -> String {
    let [rows, columns] = [shape[0], shape[1]];
    format!(
        "%{p}x = input : f32[3,{columns}]
%{p}y = FULLY_CONNECTED(%{p}x, {w}, _) : f32[3,{rows}]
output %{p}y
"
    )
}

fn batch_matmul(p: &str, w: &str, shape: &[u32]) -> String {
    let (batches, [rows, columns]) = (&shape[..shape.len() - 2], last_two(shape));
    let batches: String = batches.iter().map(|n| format!("{n},")).collect();
    format!(
        "%{p}x = input : f32[{batches}3,{rows}]
%{p}y = BATCH_MATMUL(%{p}x, {w}) : f32[{batches}3,{columns}]
output %{p}y
"
    )
}

fn batch_matmul_adjoint(p: &str, w: &str, shape: &[u32]) -> String {
    let [rows, columns] = last_two(shape);
    format!(
        "%{p}x = input : f32[3,{columns}]
%{p}y = BATCH_MATMUL(%{p}x, {w}) {{adj_y = true}} : f32[3,{rows}]
output %{p}y
"
    )
}

fn last_two(shape: &[u32]) -> [u32; 2] {
    [shape[shape.len() - 2], shape[shape.len() - 1]]
}

fn conv_2d(p: &str, w: &str, shape: &[u32]) -> String {
    let [out, channels] = [shape[0], shape[3]];
    format!(
        "%{p}x = input : f32[1,4,4,{channels}]
%{p}b = const : f32[{out}] fill const(0)
%{p}y = CONV_2D(%{p}x, {w}, %{p}b) {{padding = SAME, stride_w = 1, stride_h = 1}} : f32[1,4,4,{out}]
output %{p}y
"
    )
}

fn depthwise_conv_2d(p: &str, w: &str, shape: &[u32]) -> String {
    let channels = shape[3];
    format!(
        "%{p}x = input : f32[1,4,4,{channels}]
%{p}b = const : f32[{channels}] fill const(0)
%{p}y = DEPTHWISE_CONV_2D(%{p}x, {w}, %{p}b) {{padding = SAME, stride_w = 1, stride_h = 1, depth_multiplier = 1}} : f32[1,4,4,{channels}]
output %{p}y
"
    )
}

fn transpose_conv(p: &str, w: &str, shape: &[u32]) -> String {
    let [out, channels] = [shape[0], shape[3]];
    format!(
        "%{p}x = input : f32[1,4,4,{channels}]
%{p}s = const : i32[4] = [1, 8, 8, {out}]
%{p}y = TRANSPOSE_CONV(%{p}s, {w}, %{p}x) {{padding = SAME, stride_w = 2, stride_h = 2}} : f32[1,8,8,{out}]
output %{p}y
"
    )
}

fn embedding_lookup(p: &str, w: &str, shape: &[u32]) -> String {
    let row = dims(&shape[1..]);
    format!(
        "%{p}i = input : i32[6]
%{p}r = const : i32[1] = [{rows}]
%{p}j = FLOOR_MOD(%{p}i, %{p}r) : i32[6]
%{p}y = EMBEDDING_LOOKUP(%{p}j, {w}) : f32[6,{row}]
output %{p}y
",
        rows = shape[0]
    )
}

fn gather(p: &str, w: &str, shape: &[u32]) -> String {
    let row = dims(&shape[1..]);
    format!(
        "%{p}i = input : i32[3]
%{p}r = const : i32[1] = [{rows}]
%{p}j = FLOOR_MOD(%{p}i, %{p}r) : i32[3]
%{p}y = GATHER({w}, %{p}j) {{axis = 0}} : f32[3,{row}]
%{p}z = ADD(%{p}y, %{p}y) : f32[3,{row}]
output %{p}z
",
        rows = shape[0]
    )
}

fn mul(p: &str, w: &str, shape: &[u32]) -> String {
    let shape = dims(shape);
    format!(
        "%{p}x = input : f32[{shape}]
%{p}y = MUL(%{p}x, {w}) : f32[{shape}]
output %{p}y
"
    )
}

fn conv_3d(p: &str, w: &str, shape: &[u32]) -> String {
    let [channels, out] = last_two(shape);
    format!(
        "%{p}x = input : f32[1,4,4,4,{channels}]
%{p}y = CONV_3D(%{p}x, {w}) {{padding = SAME, stride_d = 1, stride_w = 1, stride_h = 1}} : f32[1,4,4,4,{out}]
output %{p}y
"
    )
}

fn conv_3d_transpose(p: &str, w: &str, shape: &[u32]) -> String {
    let [out, channels] = last_two(shape);
    format!(
        "%{p}x = input : f32[1,4,4,4,{channels}]
%{p}s = const : i32[5] = [1, 4, 4, 4, {out}]
%{p}y = CONV_3D_TRANSPOSE(%{p}s, {w}, %{p}x) {{padding = SAME, stride_d = 1, stride_w = 1, stride_h = 1}} : f32[1,4,4,4,{out}]
output %{p}y
"
    )
}

/// The other weights of a recurrent op, each of its own: `%{p}w0` and so on.
fn own_weights(p: &str, count: u32) -> String {
    let one =
        |n| format!("%{p}w{n} = const : f32[16,16] fill gaussian(seed = {}, std = 0.1)\n", n + 100);
    (0..count).map(one).collect()
}

fn zeros(p: &str) -> String {
    format!("%{p}b = const : f32[16] fill const(0)\n")
}

fn states(names: &[&str], p: &str) -> String {
    names.iter().map(|name| format!("%{p}{name} = variable : f32[1,16]\n")).collect()
}

fn rnn(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,16]
{}{}{}%{p}y = RNN(%{p}x, {w}, %{p}w0, %{p}b, %{p}h) {{fused_activation_function = TANH}} : f32[1,16]
output %{p}y
",
        own_weights(p, 1),
        zeros(p),
        states(&["h"], p)
    )
}

fn sequence_rnn(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,3,16]
{}{}{}%{p}y = UNIDIRECTIONAL_SEQUENCE_RNN(%{p}x, {w}, %{p}w0, %{p}b, %{p}h) {{fused_activation_function = TANH}} : f32[1,3,16]
output %{p}y
",
        own_weights(p, 1),
        zeros(p),
        states(&["h"], p)
    )
}

fn bidirectional_rnn(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,3,16]
{}{}{}%{p}y, %{p}z = BIDIRECTIONAL_SEQUENCE_RNN(%{p}x, {w}, %{p}w0, %{p}b, %{p}h, %{p}w1, %{p}w2, %{p}b, %{p}g, _, _, _) {{fused_activation_function = TANH}} : (f32[1,3,16], f32[1,3,16])
output %{p}y
output %{p}z
",
        own_weights(p, 3),
        zeros(p),
        states(&["h", "g"], p)
    )
}

/// Operands 1 to 17 of an LSTM; `first` is the weight of its input gate.
fn gates(p: &str, first: &str, from: u32) -> String {
    let own: Vec<String> = (from..from + 7).map(|n| format!("%{p}w{n}")).collect();
    format!("{first}, {}, _, _, _, %{p}b, %{p}b, %{p}b, %{p}b, _, _", own.join(", "))
}

fn lstm(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,16]
{}{}{}%{p}y = LSTM(%{p}x, {}, %{p}h, %{p}c) {{fused_activation_function = TANH}} : f32[1,16]
output %{p}y
",
        own_weights(p, 7),
        zeros(p),
        states(&["h", "c"], p),
        gates(p, w, 0)
    )
}

fn lstm_basic(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,12]
%{p}h = input : f32[1,4]
%{p}c = input : f32[1,4]
{}%{p}y, %{p}s, %{p}k, %{p}g = LSTM.v2(%{p}x, %{p}h, {w}, %{p}b, %{p}c) {{fused_activation_function = TANH, kernel_type = BASIC}} : (f32[1,4], f32[1,4], f32[1,16], f32[1,16])
output %{p}y
output %{p}s
",
        zeros(p)
    )
}

fn sequence_lstm(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,3,16]
{}{}{}%{p}y = UNIDIRECTIONAL_SEQUENCE_LSTM(%{p}x, {}, %{p}h, %{p}c, _, _, _, _) {{fused_activation_function = TANH}} : f32[1,3,16]
output %{p}y
",
        own_weights(p, 7),
        zeros(p),
        states(&["h", "c"], p),
        gates(p, w, 0)
    )
}

fn bidirectional_lstm(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,3,16]
{}{}{}%{p}y = BIDIRECTIONAL_SEQUENCE_LSTM(%{p}x, {}, {}, %{p}h, %{p}c, %{p}g, %{p}d, {}) {{fused_activation_function = TANH, merge_outputs = true, time_major = false}} : f32[1,3,32]
output %{p}y
",
        own_weights(p, 15),
        zeros(p),
        states(&["h", "c", "g", "d"], p),
        gates(p, w, 0),
        gates(p, &format!("%{p}w14"), 7),
        ["_"; 9].join(", ")
    )
}

fn svdf(p: &str, w: &str, _: &[u32]) -> String {
    format!(
        "%{p}x = input : f32[1,16]
{}%{p}b = const : f32[8] fill const(0)
%{p}s = variable : f32[1,256]
%{p}y = SVDF(%{p}x, {w}, %{p}w0, %{p}b, %{p}s) {{rank = 2}} : f32[1,8]
output %{p}y
",
        own_weights(p, 1)
    )
}
