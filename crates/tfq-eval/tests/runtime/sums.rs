//! Models of ops that sum over windows, matrices and rows, and of resizes.

use crate::families::Family;
use crate::maker::{Form, Maker, Numbers};

pub(crate) fn families() -> Vec<Family> {
    let mut all = Vec::new();
    for types in ["f32", "i8", "i8 channels", "u8", "i16", "i16 channels"] {
        all.push(Family::new("CONV_2D", types, move |m| conv(m, types)));
        all.push(Family::new("DEPTHWISE_CONV_2D", types, move |m| depthwise(m, types)));
        all.push(Family::new("FULLY_CONNECTED", types, move |m| fully_connected(m, types)));
    }
    for types in ["f32", "i8", "i8 channels", "u8", "i16"] {
        all.push(Family::new("TRANSPOSE_CONV", types, move |m| transpose_conv(m, types)));
    }
    for types in ["f32", "i8q", "i16q"] {
        all.push(Family::new("BATCH_MATMUL", types, move |m| batch_matmul(m, types)));
    }
    for op in ["AVERAGE_POOL_2D", "MAX_POOL_2D"] {
        for ty in ["f32", "i8q", "u8q", "i16q"] {
            all.push(Family::new(op, ty, move |m| pool(m, op, ty)));
        }
    }
    all.push(Family::new("L2_POOL_2D", "f32", |m| pool(m, "L2_POOL_2D", "f32")));
    for op in ["SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"] {
        all.push(Family::new(op, "f32", move |m| {
            let rank = m.rng.usize(1..4);
            let x = Form::new("f32", &m.dims(rank));
            let numbers = m.pick(&[Numbers::Any, Numbers::Plain, Numbers::Plain]);
            let name = m.input(&x, numbers);
            let attrs = if op == "SOFTMAX" { "beta = 0.75" } else { "" };
            m.op(op, &[&name], attrs, &[x]);
        }));
    }
    for (ty, q) in
        [("i8", " q(0.00390625, -128)"), ("u8", " q(0.00390625)"), ("i16", " q(0.000030517578125)")]
    {
        all.push(Family::new("SOFTMAX", ty, move |m| {
            let rank = m.rng.usize(1..4);
            let mut x = Form::new(ty, &m.dims(rank));
            x.q = if ty == "i16" { " q(0.0005)".to_owned() } else { m.scale(ty) };
            let name = m.input(&x, Numbers::Plain);
            m.op("SOFTMAX", &[&name], "beta = 0.75", &[x.q(q)]);
        }));
    }
    for (ty, q) in [("i8", " q(0.0078125)"), ("u8", " q(0.0078125, 128)")] {
        all.push(Family::new("L2_NORMALIZATION", ty, move |m| {
            let rank = m.rng.usize(1..4);
            let mut x = Form::new(ty, &m.dims(rank));
            x.q = m.scale(ty);
            let name = m.input(&x, Numbers::Plain);
            m.op("L2_NORMALIZATION", &[&name], "", &[x.q(q)]);
        }));
    }
    all.push(Family::new("LOCAL_RESPONSE_NORMALIZATION", "f32", |m| {
        let x = Form::new("f32", &m.dims(4));
        let name = m.input(&x, Numbers::Plain);
        let attrs = "radius = 1, bias = 1.0, alpha = 0.5, beta = 0.75";
        m.op("LOCAL_RESPONSE_NORMALIZATION", &[&name], attrs, &[x]);
    }));
    for ty in ["f32", "i8q", "u8q", "i16q"] {
        all.push(Family::new("RESIZE_BILINEAR", ty, move |m| resize(m, "RESIZE_BILINEAR", ty)));
    }
    for ty in ["f32", "i8", "u8", "i16", "i32"] {
        let op = "RESIZE_NEAREST_NEIGHBOR";
        all.push(Family::new(op, ty, move |m| resize(m, op, ty)));
    }
    all
}

/// Forms of activations, weights and bias, all but for their dimensions.
struct Types {
    x: Form,
    w: Form,
    bias: Form,
    y: Form,
    /// Of the weights.
    range: f64,
}

fn types(m: &mut Maker, types: &str, channels: usize, axis: usize) -> Types {
    let (base, per_channel) = match types.split_once(' ') {
        Some((base, _)) => (base, true),
        None => (types, false),
    };
    let form = |ty: &'static str| Form::new(ty, &[]);
    let (x, w, bias) = match base {
        "f32" => (form("f32"), form("f32"), form("f32")),
        "u8" => (form("u8"), form("u8"), form("i32")),
        "i16" => (form("i16"), form("i8"), form("i64")),
        _ => (form("i8"), form("i8"), form("i32")),
    };
    if base == "f32" {
        return Types { y: x.clone(), x, w, bias, range: 1.0 };
    }
    let (sx, sw) = (m.pick(&[0.5_f32, 0.037, 0.11]), m.pick(&[0.0123_f32, 0.004, 0.03]));
    let point = |m: &mut Maker| match base {
        "i8" => m.rng.i32(-128..128),
        "u8" => m.rng.i32(0..256),
        _ => 0,
    };
    let scales: Vec<f32> = (0..channels).map(|n| sw * (1.0 + n as f32 * 0.3)).collect();
    let list =
        |scales: &[f32]| scales.iter().map(|s| format!("{s}")).collect::<Vec<_>>().join(", ");
    let (point_x, point_y) = (point(m), point(m));
    let x = x.q(format!(" q({sx}, {point_x})"));
    let products: Vec<f32> = scales.iter().map(|s| s * sx).collect();
    let (w, bias) = match (per_channel, base) {
        (true, _) => (
            w.q(format!(" q([{}], axis = {axis})", list(&scales))),
            bias.q(format!(" q([{}], axis = 0)", list(&products))),
        ),
        (false, "u8") => {
            (w.q(format!(" q({sw}, {})", m.rng.i32(0..256))), bias.q(format!(" q({})", sx * sw)))
        }
        (false, _) => (w.q(format!(" q({sw})")), bias.q(format!(" q({})", sx * sw))),
    };
    let sy = if base == "i16" { sx } else { m.pick(&[0.5_f32, 0.11, 1.7]) };
    let y = Form::new(x.ty, &[]).q(format!(" q({sy}, {point_y})"));
    Types { x, w, bias, y, range: 127.0 }
}

impl Types {
    fn weights(&self, m: &mut Maker, dims: &[usize]) -> String {
        let form = Form { dims: dims.to_vec(), ..self.w.clone() };
        let low = if form.ty == "u8" { 0.0 } else { -self.range };
        m.weights(&form, low, if form.ty == "u8" { 255.0 } else { self.range })
    }

    fn bias(&self, m: &mut Maker, channels: usize) -> String {
        let form = Form { dims: vec![channels], ..self.bias.clone() };
        m.weights(&form, -self.range * 4.0, self.range * 4.0)
    }

    fn input(&self, m: &mut Maker, dims: &[usize]) -> String {
        let numbers = if self.x.ty == "f32" { Numbers::Plain } else { Numbers::Any };
        m.input(&Form { dims: dims.to_vec(), ..self.x.clone() }, numbers)
    }
}

fn activation(m: &mut Maker) -> String {
    let name = m.pick(&["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"]);
    format!("fused_activation_function = {name}")
}

fn window(m: &mut Maker) -> String {
    let padding = m.pick(&["SAME", "VALID"]);
    let (h, w) = (m.rng.usize(1..3), m.rng.usize(1..4));
    format!("padding = {padding}, stride_h = {h}, stride_w = {w}, {}", activation(m))
}

fn conv(m: &mut Maker, ty: &str) {
    let groups = if ty == "f32" || ty.starts_with("i8") { m.pick(&[1, 1, 2]) } else { 1 };
    let (channels, outputs) = (groups * m.rng.usize(1..4), groups * m.rng.usize(1..3));
    let t = types(m, ty, outputs, 0);
    let (height, width) = (m.rng.usize(3..6), m.rng.usize(3..6));
    let batch = m.rng.usize(1..3);
    let x = t.input(m, &[batch, height, width, channels]);
    let (kh, kw) = (m.rng.usize(1..4), m.rng.usize(1..4));
    let w = t.weights(m, &[outputs, kh, kw, channels / groups]);
    let bias = t.bias(m, outputs);
    let dilation = if kh < 3 && kw < 3 { m.rng.usize(1..3) } else { 1 };
    let attrs = format!("{}, dilation_h_factor = {dilation}", window(m));
    m.op("CONV_2D", &[&x, &w, &bias], &attrs, &[t.y]);
}

fn depthwise(m: &mut Maker, ty: &str) {
    let (channels, times) = (m.rng.usize(1..4), m.rng.usize(1..3));
    let outputs = channels * times;
    let t = types(m, ty, outputs, 3);
    let (height, width) = (m.rng.usize(3..6), m.rng.usize(3..6));
    let batch = m.rng.usize(1..3);
    let x = t.input(m, &[batch, height, width, channels]);
    let (kh, kw) = (m.rng.usize(1..4), m.rng.usize(1..4));
    let w = t.weights(m, &[1, kh, kw, outputs]);
    let bias = t.bias(m, outputs);
    let attrs = format!("{}, depth_multiplier = {times}", window(m));
    m.op("DEPTHWISE_CONV_2D", &[&x, &w, &bias], &attrs, &[t.y]);
}

fn transpose_conv(m: &mut Maker, ty: &str) {
    let (channels, outputs) = (m.rng.usize(1..4), m.rng.usize(1..3));
    let t = types(m, ty, outputs, 0);
    let (height, width) = (m.rng.usize(1..4), m.rng.usize(1..4));
    let (kh, kw) = (m.rng.usize(1..4), m.rng.usize(1..4));
    let (sh, sw) = (m.rng.usize(1..3), m.rng.usize(1..3));
    let same = m.rng.bool();
    let size = |n: usize, k: usize, s: usize| if same { n * s } else { (n - 1) * s + k };
    let (rows, columns) = (size(height, kh, sh), size(width, kw, sw));
    let shape = m.ints("i32", &[1, rows as i64, columns as i64, outputs as i64]);
    let w = t.weights(m, &[outputs, kh, kw, channels]);
    let x = t.input(m, &[1, height, width, channels]);
    let padding = if same { "SAME" } else { "VALID" };
    let attrs = format!("padding = {padding}, stride_h = {sh}, stride_w = {sw}, {}", activation(m));
    if m.rng.bool() {
        let bias = t.bias(m, outputs);
        m.op("TRANSPOSE_CONV.v3", &[&shape, &w, &x, &bias], &attrs, &[t.y]);
    } else {
        m.op("TRANSPOSE_CONV.v3", &[&shape, &w, &x], &attrs, &[t.y]);
    }
}

fn fully_connected(m: &mut Maker, ty: &str) {
    let (depth, outputs) = (m.rng.usize(1..6), m.rng.usize(1..5));
    let t = types(m, ty, outputs, 0);
    let rank = m.rng.usize(..3);
    let mut dims = m.dims(rank);
    dims.push(depth);
    let x = t.input(m, &dims);
    let w = t.weights(m, &[outputs, depth]);
    let bias = if m.rng.bool() { t.bias(m, outputs) } else { "_".to_owned() };
    let keep = m.rng.bool();
    let attrs = format!("keep_num_dims = {keep}, {}", activation(m));
    m.op("FULLY_CONNECTED.v4", &[&x, &w, &bias], &attrs, &[t.y]);
}

fn batch_matmul(m: &mut Maker, ty: &'static str) {
    let base = ty.trim_end_matches('q');
    let (rows, depth, columns) = (m.rng.usize(1..4), m.rng.usize(1..5), m.rng.usize(1..4));
    let (adj_x, adj_y) = (m.rng.bool(), m.rng.bool());
    let batch = m.rng.usize(1..3);
    let mut a = vec![batch];
    a.extend(if adj_x { [depth, rows] } else { [rows, depth] });
    let mut b = vec![m.pick(&[1, batch])];
    b.extend(if adj_y { [columns, depth] } else { [depth, columns] });
    let (mut a, mut b, mut y) = (Form::new(base, &a), Form::new(base, &b), Form::new(base, &[]));
    if ty.ends_with('q') {
        (a.q, b.q, y.q) = (m.scale(base), m.scale(base), m.scale(base));
    }
    let (a, b) = (m.input(&a, Numbers::Plain), m.input(&b, Numbers::Plain));
    m.op("BATCH_MATMUL", &[&a, &b], &format!("adj_x = {adj_x}, adj_y = {adj_y}"), &[y]);
}

fn pool(m: &mut Maker, op: &str, ty: &'static str) {
    let base = ty.trim_end_matches('q');
    let dims = [m.rng.usize(1..3), m.rng.usize(3..6), m.rng.usize(3..6), m.rng.usize(1..4)];
    let mut x = Form::new(base, &dims);
    if ty.ends_with('q') {
        x.q = m.scale(base);
    }
    let name = m.input(&x, Numbers::Any);
    let (h, w) = (m.rng.usize(1..4), m.rng.usize(1..4));
    let attrs = format!("{}, filter_height = {h}, filter_width = {w}", window(m));
    m.op(op, &[&name], &attrs, &[x]);
}

fn resize(m: &mut Maker, op: &str, ty: &'static str) {
    let base = ty.trim_end_matches('q');
    let dims = m.dims(4);
    let mut x = Form::new(base, &dims);
    if ty.ends_with('q') {
        x.q = m.scale(base);
    }
    let name = m.input(&x, Numbers::Any);
    let (rows, columns) = (m.rng.i64(1..8), m.rng.i64(1..8));
    let size = m.ints("i32", &[rows, columns]);
    let flags = m.pick(&["", "align_corners = true", "half_pixel_centers = true"]);
    m.op(op, &[&name, &size], flags, &[x]);
}
