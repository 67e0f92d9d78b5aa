//! Models in which one operator stands many times, each time with other scales, and inputs that hold
//! every code, or every two.

use fastrand::Rng;
use std::fmt::Write;
use std::ops::RangeInclusive;
use tfq_opt::ir::ElementType;
use tfq_opt::runtime::Value;

/// An operator, and how it is tried.
pub(crate) struct TriedOp {
    name: &'static str,
    attrs: &'static str,
    unsigned: bool,
    /// Of the real numbers that it computes, for scales that fit them.
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Of one number; the function.
    Unary(fn(f64) -> f64),
    /// The same of numbers from 0 on.
    FromZero(fn(f64) -> f64),
    /// Of two numbers.
    Difference,
    /// Of one and a constant of its scale.
    Choice,
    Softmax,
    Product,
}

impl TriedOp {
    pub(crate) fn label(&self) -> String {
        let ty = if self.unsigned { "uint8" } else { "int8" };
        format!("{ty} {} {}", self.name, self.attrs).trim_end().to_owned()
    }
}

const fn unary(name: &'static str, function: fn(f64) -> f64) -> TriedOp {
    TriedOp { name, attrs: "", unsigned: false, kind: Kind::Unary(function) }
}

const fn of(name: &'static str, attrs: &'static str, kind: Kind) -> TriedOp {
    TriedOp { name, attrs, unsigned: false, kind }
}

const fn unsigned(op: TriedOp) -> TriedOp {
    TriedOp { unsigned: true, ..op }
}

/// Every operator that the rows of `litert` name.
pub(crate) const OPS: &[TriedOp] = &[
    unary("HARD_SWISH", hard_swish),
    unsigned(unary("HARD_SWISH", hard_swish)),
    unary("ABS", f64::abs),
    unary("RELU", |x| x.max(0.0)),
    unsigned(unary("RELU", |x| x.max(0.0))),
    unary("RELU6", |x| x.clamp(0.0, 6.0)),
    unsigned(unary("RELU6", |x| x.clamp(0.0, 6.0))),
    unary("RELU_N1_TO_1", |x| x.clamp(-1.0, 1.0)),
    unary("EXP", f64::exp),
    unary("GELU", gelu),
    unsigned(unary("GELU", gelu)),
    of("GELU", "approximate = true", Kind::Unary(gelu)),
    of("LOG", "", Kind::FromZero(f64::ln)),
    of("LOG", "", Kind::Unary(|x| x.max(0.001).ln())),
    of("RSQRT", "", Kind::FromZero(|x| 1.0 / x.sqrt())),
    of("SQRT", "", Kind::FromZero(f64::sqrt)),
    of("SQUARED_DIFFERENCE", "", Kind::Difference),
    of("MAXIMUM", "", Kind::Choice),
    of("MINIMUM", "", Kind::Choice),
    unsigned(of("MINIMUM", "", Kind::Choice)),
    of("SOFTMAX", "beta = 1.0", Kind::Softmax),
    unsigned(of("SOFTMAX", "beta = 1.0", Kind::Softmax)),
    of("BATCH_MATMUL", "", Kind::Product),
    of("BATCH_MATMUL", "adj_y = true", Kind::Product),
    of("BATCH_MATMUL", "adj_x = true", Kind::Product),
];

fn hard_swish(x: f64) -> f64 {
    x * (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// Near enough for a scale.
fn gelu(x: f64) -> f64 {
    x / (1.0 + (-1.702 * x).exp())
}

/// A model, and what to run it with.
pub(crate) struct Made {
    pub(crate) text: String,
    pub(crate) inputs: Vec<Value>,
    /// What each output is.
    pub(crate) told: Vec<String>,
    pub(crate) least_rewritten: usize,
}

/// A scale and a zero point.
#[derive(Clone, Copy, Debug)]
struct Scale(f32, i32);

impl Scale {
    /// One that has numbers from `low` to `high`.
    fn of(low: f64, high: f64, codes: &RangeInclusive<i32>) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0).max(low + 1e-6));
        let scale = ((high - low) / 255.0) as f32;
        let point = f64::from(*codes.start()) - low / f64::from(scale);
        Self(scale, (point.round() as i32).clamp(*codes.start(), *codes.end()))
    }

    fn real(self, code: i32) -> f64 {
        f64::from(self.0) * f64::from(code - self.1)
    }

    fn text(self) -> String {
        format!("q({:?}, {})", self.0, self.1)
    }
}

const COPIES: usize = 24;

/// The model of this operator and seed.
pub(crate) fn model(op: &TriedOp, seed: u64) -> Made {
    let mut maker = Maker::new(op, Rng::with_seed(seed));
    let copies = match op.kind {
        Kind::Difference => COPIES / 4,
        _ => COPIES,
    };
    (0..copies).for_each(|_| maker.copy());
    let Maker { inputs, ops, outputs, values, told, .. } = maker;
    let text = format!("tfg 1 quant\nsubgraph @main {{\n{inputs}{ops}{outputs}}}\n");
    // Scales of chance are now and then such that floats would not come near.
    Made { text, inputs: values, told, least_rewritten: copies * 3 / 4 }
}

struct Maker<'a> {
    op: &'a TriedOp,
    rng: Rng,
    codes: RangeInclusive<i32>,
    inputs: String,
    ops: String,
    outputs: String,
    values: Vec<Value>,
    told: Vec<String>,
    /// What the next op reads besides.
    beside: Option<String>,
}

impl<'a> Maker<'a> {
    fn new(op: &'a TriedOp, rng: Rng) -> Self {
        let codes = if op.unsigned { 0..=255 } else { -128..=127 };
        let (inputs, ops, outputs) = Default::default();
        let (values, told) = Default::default();
        Self { op, rng, codes, inputs, ops, outputs, values, told, beside: None }
    }

    /// The operator once more, with a RESHAPE behind it that XNNPACK takes, so that there is a border.
    fn copy(&mut self) {
        let all: Vec<i32> = self.codes.clone().collect();
        match self.op.kind {
            Kind::Unary(function) => {
                let scale = self.scale();
                let made = self.fitting(&all, |code| function(scale.real(code)));
                self.add(&[(scale, &all, vec![256])], made, &[256]);
            }
            Kind::FromZero(function) => {
                let least = *self.codes.start();
                let scale = Scale(self.scale().0, least);
                // From a step on that chance says, smaller numbers are beyond the end.
                let first = least + [1, 2, 5, 12, 40][self.rng.usize(..5)];
                let seen: Vec<i32> = (first..=*self.codes.end()).collect();
                let made = self.fitting(&seen, |code| function(scale.real(code)));
                self.add(&[(scale, &all, vec![256])], made, &[256]);
            }
            Kind::Difference => {
                let scales = [self.scale(), self.scale()];
                let ends = [*self.codes.start(), *self.codes.end()];
                let most = ends
                    .iter()
                    .flat_map(|a| ends.map(|b| (scales[0].real(*a) - scales[1].real(b)).powi(2)))
                    .fold(0.0, f64::max);
                let part = 10_f64.powf(self.rng.f64() * 3.0 - 2.7);
                let made = Scale::of(0.0, most * part, &self.codes);
                self.pairs(scales, made);
            }
            Kind::Choice => {
                let scale = self.scale();
                let code = self.rng.i32(self.codes.clone());
                let ty = if self.op.unsigned { "u8" } else { "i8" };
                let constant = format!("%c{}", self.told.len());
                let form = format!("{ty}[1] {}", scale.text());
                _ = writeln!(self.inputs, "  {constant} = const : {form} = [{code}]");
                self.beside = Some(constant);
                self.add(&[(scale, &all, vec![256])], scale, &[256]);
            }
            Kind::Softmax => {
                let width = [16, 17, 40, 100, 257, 500][self.rng.usize(..6)];
                let rows = 1 + 2000 / width;
                let scale = self.scale();
                let codes = self.chance(rows * width, scale.0);
                let made = Scale(1.0 / 256.0, *self.codes.start());
                self.add(&[(scale, &codes, vec![rows, width])], made, &[rows, width]);
            }
            Kind::Product => self.product(),
        }
    }

    /// A product whose sums the result's scale has room for, as the target asks.
    fn product(&mut self) {
        let scales = [self.scale(), self.scale()];
        // With 0 XNNPACK takes the int8 op.
        let scales = [scales[0], Scale(scales[1].0, scales[1].1.max(1))];
        let (depth, most) =
            [(16, 0.05), (64, 0.05), (100, 0.0125), (256, 0.003)][self.rng.usize(..4)];
        let ratio = most * 10_f32.powf(-2.0 * self.rng.f32()) * 0.99;
        let made = Scale(scales[0].0 * scales[1].0 / ratio, self.rng.i32(-128..128));
        let (rows, columns) = (8, 12);
        let turned =
            |adj, [a, b]: [usize; 2]| if self.op.attrs.contains(adj) { [b, a] } else { [a, b] };
        let x = turned("adj_x", [rows, depth]);
        let y = turned("adj_y", [depth, columns]);
        let codes = [x, y].map(|shape| self.chance(2 * shape[0] * shape[1], 0.01));
        let shape = |[a, b]: [usize; 2]| vec![2, a, b];
        let read = [(scales[0], &codes[0][..], shape(x)), (scales[1], &codes[1][..], shape(y))];
        self.add(&read, made, &[2, rows, columns]);
    }

    /// Every two codes.
    fn pairs(&mut self, scales: [Scale; 2], made: Scale) {
        let codes = self.codes.clone();
        let two: Vec<_> = codes.clone().flat_map(|a| codes.clone().map(move |b| (a, b))).collect();
        let first: Vec<i32> = two.iter().map(|(a, _)| *a).collect();
        let second: Vec<i32> = two.iter().map(|(_, b)| *b).collect();
        let shape = vec![two.len()];
        let read = [(scales[0], &first[..], shape.clone()), (scales[1], &second[..], shape)];
        self.add(&read, made, &[two.len()]);
    }

    fn scale(&mut self) -> Scale {
        let scale = 10_f32.powf(-3.0 + 2.3 * self.rng.f32());
        let (start, end) = (*self.codes.start(), *self.codes.end());
        let point = match self.rng.u32(..3) {
            0 => start,
            1 => self.rng.i32(start..=end),
            _ => start + 128 + self.rng.i32(-30..30),
        };
        Scale(scale, point)
    }

    /// A scale for results, which now and then is not the one that fits best.
    fn fitting(&mut self, codes: &[i32], real: impl Fn(i32) -> f64) -> Scale {
        let reals = || codes.iter().map(|code| real(*code)).filter(|x| x.is_finite());
        let (low, high) = (reals().fold(0.0, f64::min), reals().fold(0.0, f64::max));
        let factor = [1.0, 1.0, 0.6, 1.7, 5.0][self.rng.usize(..5)];
        Scale::of(low * factor, high * factor, &self.codes)
    }

    /// Codes of chance: of half of the calls such that some numbers stand out.
    fn chance(&mut self, count: usize, scale: f32) -> Vec<i32> {
        let (start, end) = (*self.codes.start(), *self.codes.end());
        let spread = if self.rng.bool() { 255.0 } else { (4.0 / scale).clamp(4.0, 255.0) };
        (0..count)
            .map(|_| {
                let sum: f32 = (0..3).map(|_| self.rng.f32() - 0.5).sum();
                (start + 128 + (sum * spread) as i32).clamp(start, end)
            })
            .collect()
    }

    fn add(&mut self, read: &[(Scale, &[i32], Vec<usize>)], made: Scale, shape: &[usize]) {
        let n = self.told.len();
        let (name, attrs) = (self.op.name, self.op.attrs);
        let (ty, element) = match self.op.unsigned {
            true => ("u8", ElementType::UInt8),
            false => ("i8", ElementType::Int8),
        };
        let sizes =
            |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut operands = Vec::new();
        for (slot, (scale, codes, shape)) in read.iter().enumerate() {
            let scale = scale.text();
            _ = writeln!(self.inputs, "  %x{n}_{slot} = input : {ty}[{}] {scale}", sizes(shape));
            operands.push(format!("%x{n}_{slot}"));
            let data = codes.iter().map(|code| *code as u8).collect();
            self.values.push(Value { ty: element, shape: shape.clone(), data });
        }
        operands.extend(self.beside.take());
        let operands = operands.join(", ");
        let stored = format!("{ty}[{}] {}", sizes(shape), made.text());
        let elements: usize = shape.iter().product();
        let op = format!("{name}({operands}) {{{attrs}}}").replace(" {}", "");
        _ = writeln!(self.ops, "  %y{n} = {op} : {stored}");
        let flat = format!("{{new_shape = [{elements}]}} : {ty}[{elements}] {}", made.text());
        _ = writeln!(self.ops, "  %z{n} = RESHAPE(%y{n}) {flat}");
        _ = writeln!(self.outputs, "  output %z{n}");
        let scales: Vec<String> = read.iter().map(|(scale, ..)| scale.text()).collect();
        self.told.push(format!("{op} of {} to {stored}", scales.join(" and ")));
    }
}
