//! Models of ops that work element by element, and of reductions.

use crate::families::Family;
use crate::maker::{Form, Maker, Numbers};

pub(crate) fn families() -> Vec<Family> {
    let mut all = Vec::new();
    let mut unary = |ops: &[&'static str], types: &[&'static str], attrs: &'static str| {
        for op in ops {
            for ty in types {
                let (op, ty) = (*op, *ty);
                let quantized = ty.len() > 2 && ty.ends_with('q');
                let approximate = attrs.starts_with("approximate");
                let types = if approximate { format!("{ty} approximate") } else { ty.to_owned() };
                all.push(Family::new(op, types, move |m| {
                    let rank = m.rng.usize(..4);
                    let dims = m.dims(rank);
                    let base = if quantized { &ty[..ty.len() - 1] } else { ty };
                    let mut x = Form::new(base, &dims);
                    let mut y = x.clone();
                    if quantized {
                        (x.q, y.q) = (m.scale(base), m.scale(base));
                        match (op, base) {
                            ("LOGISTIC", "i16") => y.q = " q(0.000030517578125)".into(),
                            ("TANH", "i16") => y.q = " q(0.000030517578125)".into(),
                            ("LOGISTIC", _) => {
                                y.q = y.q.replace(y.q.split(',').next().unwrap(), " q(0.00390625")
                            }
                            ("SQRT" | "RSQRT", "i8") => {
                                x.q =
                                    x.q.replace(", ", ", -128 //")
                                        .split(" //")
                                        .next()
                                        .unwrap()
                                        .to_owned()
                                        + ")"
                            }
                            _ => (),
                        }
                    }
                    let numbers = if op == "SQRT" && base == "i16" {
                        Numbers::Positive
                    } else {
                        Numbers::Any
                    };
                    let x = m.input(&x, numbers);
                    m.op(op, &[&x], attrs, &[y]);
                }));
            }
        }
    };
    unary(&["ABS"], &["f32", "i16", "i32", "i8q", "i16q"], "");
    unary(&["NEG"], &["f32", "f16", "i8", "i16", "i32", "i64"], "");
    unary(&["SIGN"], &["f32", "f64", "i32"], "");
    unary(&["LOGICAL_NOT"], &["bool"], "");
    unary(&["FLOOR"], &["f32", "f16"], "");
    unary(&["SQUARE", "RSQRT"], &["f32"], "");
    unary(&["SQRT"], &["f32", "i8q", "i16q"], "");
    unary(&["RSQRT"], &["i8q"], "");
    unary(&["EXP", "LOG"], &["f32", "i8q"], "");
    unary(&["EXP"], &["i16q"], "");
    unary(&["SIN", "COS"], &["f32", "f16"], "");
    unary(&["TANH", "LOGISTIC"], &["f32", "i8q", "u8q"], "");
    unary(&["GELU"], &["f32", "i8q", "u8q"], "");
    unary(&["GELU"], &["i8q"], "approximate = true");
    unary(&["RELU", "RELU6"], &["f32", "i8q", "u8q", "i16q"], "");
    unary(&["RELU_N1_TO_1", "RELU_0_TO_1"], &["f32", "i8q", "u8q"], "");
    unary(&["LEAKY_RELU"], &["f32", "i8q", "u8q", "i16q"], "alpha = 0.3");
    unary(&["HARD_SWISH"], &["f32", "i8q", "u8q"], "");
    unary(&["ZEROS_LIKE"], &["f32", "i32", "i64"], "");
    binary(&mut all);
    reductions(&mut all);
    all
}

/// Two shapes that go together.
fn two_shapes(m: &mut Maker) -> [Vec<usize>; 2] {
    let rank = m.rng.usize(..4);
    let dims = m.dims(rank);
    let mut other = dims.clone();
    if m.chance(1, 2) {
        for dim in &mut other {
            if m.chance(1, 3) {
                *dim = 1;
            }
        }
        other.drain(..m.rng.usize(..=rank));
    }
    if m.chance(1, 2) { [dims, other] } else { [other, dims] }
}

fn binary(all: &mut Vec<Family>) {
    let mut add = |ops: &[&'static str],
                   types: &[&'static str],
                   activates: bool,
                   gives: Option<&'static str>| {
        for op in ops {
            for ty in types {
                let (op, ty) = (*op, *ty);
                all.push(Family::new(op, ty, move |m| {
                    let [a, b] = two_shapes(m);
                    let quantized = ty.len() > 2 && ty.ends_with('q');
                    let base = if quantized { &ty[..ty.len() - 1] } else { ty };
                    let (mut a, mut b) = (Form::new(base, &a), Form::new(base, &b));
                    let mut y = Form::new(gives.unwrap_or(base), &[]);
                    if quantized {
                        (a.q, b.q) = (m.scale(base), m.scale(base));
                        let same = matches!(op, "MAXIMUM" | "MINIMUM");
                        if same {
                            b.q.clone_from(&a.q);
                        }
                        if gives.is_none() {
                            y.q = if same { a.q.clone() } else { m.scale(base) };
                        }
                    }
                    let mut attrs = Vec::new();
                    if activates {
                        let name = m.pick(&["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"]);
                        attrs.push(format!("fused_activation_function = {name}"));
                    }
                    if base == "i16" && matches!(op, "ADD" | "SUB") && m.chance(2, 3) {
                        attrs.push("pot_scale_int16 = false".to_owned());
                    }
                    let divides = matches!(op, "DIV" | "FLOOR_DIV" | "FLOOR_MOD");
                    let small = if (op, base) == ("POW", "i32") {
                        Numbers::Below(30)
                    } else {
                        Numbers::Any
                    };
                    let a = m.input(&a, small);
                    let numbers = match (op, base) {
                        ("DIV" | "FLOOR_DIV", "f32") => Numbers::Any,
                        ("POW", "i32") => Numbers::Below(5),
                        ("RIGHT_SHIFT", _) => Numbers::Below(40),
                        _ if divides && !quantized => Numbers::Positive,
                        _ => Numbers::Any,
                    };
                    let b = m.input(&b, numbers);
                    m.op(op, &[&a, &b], &attrs.join(", "), &[y]);
                }));
            }
        }
    };
    add(&["ADD"], &["f32", "f16", "i16", "i32", "i64", "i8q", "u8q", "i16q"], true, None);
    add(&["SUB"], &["f32", "i32", "i64", "i8q", "u8q", "i16q"], true, None);
    add(&["MUL"], &["f32", "f16", "i16", "i32", "i64", "u32", "i8q", "u8q", "i16q"], true, None);
    add(&["DIV"], &["f32", "i32", "i8q", "u8q"], true, None);
    add(&["FLOOR_DIV"], &["f32", "i8", "i16", "i32"], false, None);
    add(&["FLOOR_MOD"], &["f32", "i8", "i16", "i32", "i64"], false, None);
    add(&["POW"], &["f32", "i32"], false, None);
    add(&["SQUARED_DIFFERENCE"], &["f32", "i32", "i8q"], false, None);
    add(
        &["MAXIMUM", "MINIMUM"],
        &["f32", "f16", "i8", "u8", "i16", "i32", "i64", "i8q", "u8q"],
        false,
        None,
    );
    let comparisons = ["LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"];
    add(
        &comparisons,
        &["f32", "f16", "i16", "i32", "i64", "i8q", "u8q", "i16q"],
        false,
        Some("bool"),
    );
    add(
        &["EQUAL"],
        &["f32", "f16", "i16", "i32", "i64", "bool", "i8q", "u8q", "i16q"],
        false,
        Some("bool"),
    );
    add(
        &["NOT_EQUAL"],
        &["f32", "f16", "i32", "i64", "bool", "i8q", "u8q", "i16q"],
        false,
        Some("bool"),
    );
    add(&["LOGICAL_AND", "LOGICAL_OR"], &["bool"], false, None);
    add(&["BITWISE_XOR", "RIGHT_SHIFT"], &["i8", "u8", "i16", "u16", "i32", "u32"], false, None);
    let prelu = |ty: &'static str| {
        Family::new("PRELU", ty, move |m: &mut Maker| {
            let base = ty.trim_end_matches('q');
            let rank = m.rng.usize(1..4);
            let dims = m.dims(rank);
            let last = m.rng.usize(..2);
            let mut x = Form::new(base, &dims);
            let mut alpha = Form::new(base, &dims[dims.len() - last..]);
            let mut y = x.clone();
            if ty.ends_with('q') {
                (x.q, alpha.q, y.q) = (m.scale(base), m.scale(base), m.scale(base));
            }
            let x = m.input(&x, Numbers::Any);
            let alpha = m.input(&alpha, Numbers::Any);
            m.op("PRELU", &[&x, &alpha], "", &[y]);
        })
    };
    all.extend(["f32", "i8q", "u8q"].map(prelu));
    for op in ["STABLEHLO_ADD", "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM"] {
        for ty in ["f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"] {
            all.push(Family::new(op, ty, move |m| {
                let rank = m.rng.usize(1..4);
                let x = Form::new(ty, &m.dims(rank));
                let (a, b) = (m.input(&x, Numbers::Any), m.input(&x, Numbers::Any));
                m.op(op, &[&a, &b], "", &[x]);
            }));
        }
    }
    for ty in ["f32", "f64"] {
        all.push(Family::new("ATAN2", ty, move |m| {
            let x = Form::new(ty, &m.dims(2));
            let (a, b) = (m.input(&x, Numbers::Plain), m.input(&x, Numbers::Plain));
            m.op("ATAN2", &[&a, &b], "", &[x]);
        }));
    }
    for ty in ["f32", "i32"] {
        all.push(Family::new("ADD_N", ty, move |m| {
            let x = Form::new(ty, &m.dims(2));
            let names: Vec<String> =
                (0..m.rng.usize(2..5)).map(|_| m.input(&x, Numbers::Any)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            m.op("ADD_N", &names, "", &[x]);
        }));
    }
}

fn reductions(all: &mut Vec<Family>) {
    let mut add = |ops: &[&'static str], types: &[&'static str]| {
        for op in ops {
            for ty in types {
                let (op, ty) = (*op, *ty);
                all.push(Family::new(op, ty, move |m| {
                    let base = ty.trim_end_matches('q');
                    let rank = m.rng.usize(1..5);
                    let mut x = Form::new(base, &m.dims(rank));
                    let mut y = x.clone();
                    if ty.ends_with('q') {
                        (x.q, y.q) = (m.scale(base), m.scale(base));
                        if matches!(op, "REDUCE_MAX" | "REDUCE_MIN") {
                            y.q.clone_from(&x.q);
                        }
                    }
                    let mut axes: Vec<i64> = (0..rank as i64).filter(|_| m.rng.bool()).collect();
                    if m.rng.bool() {
                        axes.iter_mut().for_each(|axis| *axis -= rank as i64);
                    }
                    let axes = if axes.is_empty() { vec![0] } else { axes };
                    let numbers =
                        if base == "f32" && m.chance(1, 2) { Numbers::Plain } else { Numbers::Any };
                    let x = m.input(&x, numbers);
                    let axes = m.ints("i32", &axes);
                    let keep = m.rng.bool();
                    m.op(op, &[&x, &axes], &format!("keep_dims = {keep}"), &[y]);
                }));
            }
        }
    };
    add(&["SUM"], &["f32", "i32", "i64", "u8q"]);
    add(&["MEAN"], &["f32", "i32", "i64", "i8q", "u8q", "i16q"]);
    add(&["REDUCE_PROD"], &["f32", "i32", "i64", "i8q", "i16q"]);
    add(
        &["REDUCE_MAX", "REDUCE_MIN"],
        &["f32", "i8", "u8", "i16", "i32", "i64", "bool", "i8q", "u8q", "i16q"],
    );
    add(&["REDUCE_ANY", "REDUCE_ALL"], &["bool"]);
}
