//! Makes a small model of chance, and what it is run on.

use bytes::Bytes;
use fastrand::Rng;
use half::{bf16, f16};
use tfq_eval::Value;
use tfq_ir::ElementType;

/// A model as text, with values for its inputs.
pub(crate) struct Made {
    pub(crate) text: String,
    pub(crate) inputs: Vec<Value>,
}

/// Type, dimensions and quantisation of a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) ty: &'static str,
    pub(crate) dims: Vec<usize>,
    /// What stands behind the shape: ` q(0.5, 3)`.
    pub(crate) q: String,
}

impl Form {
    pub(crate) fn new(ty: &'static str, dims: &[usize]) -> Self {
        Self { ty, dims: dims.into(), q: String::new() }
    }

    pub(crate) fn q(mut self, q: impl Into<String>) -> Self {
        self.q = q.into();
        self
    }

    fn text(&self) -> String {
        let dims: Vec<String> = self.dims.iter().map(usize::to_string).collect();
        format!("{}[{}]{}", self.ty, dims.join(","), self.q)
    }
}

/// Which numbers an operand has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Numbers {
    /// All that there are, with those that are special.
    Any,
    /// Floats without infinities, NaN and what leads to them; integers of some digits.
    Plain,
    /// Above 0.
    Positive,
    /// From 0 to below this.
    Below(i64),
}

pub(crate) struct Maker {
    pub(crate) rng: Rng,
    head: Vec<String>,
    ops: Vec<String>,
    outputs: Vec<String>,
    inputs: Vec<Value>,
    names: usize,
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            head: Vec::new(),
            ops: Vec::new(),
            outputs: Vec::new(),
            inputs: Vec::new(),
            names: 0,
        }
    }

    pub(crate) fn made(self) -> Made {
        let outputs = self.outputs.iter().map(|name| format!("output %{name}"));
        let lines: Vec<String> = self.head.into_iter().chain(self.ops).chain(outputs).collect();
        let text = format!("subgraph @main {{\n  {}\n}}\n", lines.join("\n  "));
        Made { text, inputs: self.inputs }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    pub(crate) fn chance(&mut self, of: u32, all: u32) -> bool {
        self.rng.u32(..all) < of
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    pub(crate) fn dims(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).map(|_| self.rng.usize(1..5)).collect()
    }

    /// A scale and a zero point for a type; of 16 bits the point is 0.
    pub(crate) fn scale(&mut self, ty: &str) -> String {
        let scale = self.pick(&[0.5_f32, 0.037, 0.0123, 0.25, 0.00390625, 0.11]);
        let point = match ty {
            "i8" => self.rng.i32(-128..128),
            "u8" => self.rng.i32(0..256),
            _ => 0,
        };
        let point = if self.chance(1, 4) && ty != "u8" { 0 } else { point };
        format!(" q({scale}, {point})")
    }

    pub(crate) fn input(&mut self, form: &Form, numbers: Numbers) -> String {
        let bytes = self.bytes(form, numbers);
        let name = self.name();
        self.head.push(format!("%{name} = input : {}", form.text()));
        let ty = element(form.ty);
        self.inputs.push(Value::new(ty, &form.dims, Bytes::from(bytes)).expect("it is filled"));
        name
    }

    pub(crate) fn constant(&mut self, form: &Form, values: &[String]) -> String {
        let name = self.name();
        let scalar = form.dims.is_empty();
        let values = if scalar { values[0].clone() } else { format!("[{}]", values.join(", ")) };
        self.head.push(format!("%{name} = const : {} = {values}", form.text()));
        name
    }

    /// A constant vector of integers.
    pub(crate) fn ints(&mut self, ty: &'static str, values: &[i64]) -> String {
        let values: Vec<String> = values.iter().map(i64::to_string).collect();
        self.constant(&Form::new(ty, &[values.len()]), &values)
    }

    /// A constant with numbers of chance, of a float or integer type.
    pub(crate) fn weights(&mut self, form: &Form, low: f64, high: f64) -> String {
        let float = matches!(form.ty, "f32" | "f16");
        let count = form.dims.iter().product();
        let values: Vec<String> = (0..count)
            .map(|_| {
                let x = low + (high - low) * self.rng.f64();
                if float { format!("{:?}", x as f32) } else { format!("{}", x.round() as i64) }
            })
            .collect();
        self.constant(form, &values)
    }

    /// An op, of which all results are returned. Shapes of results need not be right.
    pub(crate) fn op(&mut self, op: &str, operands: &[&str], attrs: &str, results: &[Form]) {
        let names: Vec<String> = results.iter().map(|_| self.name()).collect();
        let operands: Vec<String> = operands
            .iter()
            .map(|name| if *name == "_" { "_".to_owned() } else { format!("%{name}") })
            .collect();
        let forms: Vec<String> =
            results.iter().map(|form| format!("{}[*]{}", form.ty, form.q)).collect();
        let forms =
            if forms.len() == 1 { forms[0].clone() } else { format!("({})", forms.join(", ")) };
        let attrs = if attrs.is_empty() { String::new() } else { format!(" {{{attrs}}}") };
        let left: Vec<String> = names.iter().map(|name| format!("%{name}")).collect();
        self.ops.push(format!(
            "{} = {op}({}){attrs} : {forms}",
            left.join(", "),
            operands.join(", ")
        ));
        self.outputs.extend(names);
    }

    /// An op of one result, which others read.
    pub(crate) fn inside(&mut self, op: &str, operands: &[&str], result: Form) -> String {
        self.op(op, operands, "", &[result]);
        self.outputs.pop().expect("it has a result")
    }

    fn bytes(&mut self, form: &Form, numbers: Numbers) -> Vec<u8> {
        let count: usize = form.dims.iter().product();
        let mut out = Vec::new();
        for _ in 0..count {
            match form.ty {
                "f32" => out.extend(self.float(numbers).to_le_bytes()),
                "f16" => out.extend(f16::from_f32(self.float(numbers)).to_le_bytes()),
                "bf16" => out.extend(bf16::from_f32(self.float(numbers)).to_le_bytes()),
                "f64" => out.extend(f64::from(self.float(numbers)).to_le_bytes()),
                "c64" => {
                    out.extend(self.float(numbers).to_le_bytes());
                    out.extend(self.float(numbers).to_le_bytes());
                }
                "bool" => out.push(self.rng.u8(..2)),
                ty => {
                    let width = element(ty).bits().expect("numbers") as usize / 8;
                    let value = self.integer(ty, numbers);
                    out.extend_from_slice(&value.to_le_bytes()[..width]);
                }
            }
        }
        out
    }

    fn float(&mut self, numbers: Numbers) -> f32 {
        let plain = (self.rng.f32() * 2.0 - 1.0) * self.pick(&[1.0, 4.0, 30.0]);
        match numbers {
            Numbers::Positive => plain.abs() + 1e-3,
            Numbers::Below(n) => self.rng.i64(0..n) as f32,
            Numbers::Any if self.chance(1, 6) => self.pick(&[
                0.0,
                -0.0,
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::NAN,
                3e38,
                -3e38,
                1e-38,
                1e-42,
                0.5,
                -2.5,
                1.0,
                6.0,
                16_777_217.0,
            ]),
            Numbers::Any if self.chance(1, 4) => plain.round(),
            _ => plain,
        }
    }

    fn integer(&mut self, ty: &str, numbers: Numbers) -> i64 {
        match numbers {
            Numbers::Below(n) => self.rng.i64(0..n),
            Numbers::Positive => self.rng.i64(1..100),
            Numbers::Any if self.chance(1, 6) => {
                let bits = element(ty).bits().expect("numbers");
                let least = if ty.starts_with('u') { 0 } else { i64::MIN >> (64 - bits) };
                self.pick(&[0, -1, 1, least, !least])
            }
            _ if matches!(ty, "i8" | "u8") => self.rng.i64(-128..128),
            _ if ty == "i16" => self.rng.i64(-32_768..32_768),
            Numbers::Any => self.rng.i64(-100_000..100_000),
            Numbers::Plain => self.rng.i64(-100..100),
        }
    }
}

pub(crate) fn element(name: &str) -> ElementType {
    use ElementType::*;
    match name {
        "f32" => Float32,
        "f16" => Float16,
        "bf16" => BFloat16,
        "f64" => Float64,
        "i8" => Int8,
        "i16" => Int16,
        "i32" => Int32,
        "i64" => Int64,
        "u8" => UInt8,
        "u16" => UInt16,
        "u32" => UInt32,
        "u64" => UInt64,
        "bool" => Bool,
        "c64" => Complex64,
        _ => panic!("no type {name}"),
    }
}
