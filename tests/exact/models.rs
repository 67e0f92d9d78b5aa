//! Small models of chance, as text: ops that often do nothing, steered by constants of both
//! integer types, by attributes or by what is computed, next to quantised constants of all kinds
//! and to constants that ops make something of.

use fastrand::Rng;

/// A model.
pub(crate) struct Made {
    /// It, as text.
    pub(crate) text: String,
    /// The same with quantised constants that still wait for a Dequantize in place of some float32
    /// ones of the same values.
    pub(crate) waiting: String,
    /// How large every unknown dimension is when it runs.
    pub(crate) unknown: usize,
}

/// The model of this seed.
pub(crate) fn model(seed: u64) -> Made {
    // Every third model is about ops that go into others; the rest of them does not depend on these.
    let fusing = seed % 3 == 2;
    let mut rng = Rng::with_seed(if fusing { seed } else { seed - seed / 3 });
    let unknown = rng.usize(2..4);
    let mut maker = Maker { rng, unknown: unknown as i64, fusing, ..Maker::default() };
    let [text, waiting] = maker.make();
    Made { text, waiting, unknown }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Dim {
    /// At run time.
    size: i64,
    /// Whether the file says so.
    known: bool,
}

/// A tensor.
#[derive(Clone, Debug)]
struct T {
    name: String,
    /// Type and quantisation: what stands before and behind the shape.
    ty: (&'static str, &'static str),
    dims: Vec<Dim>,
}

impl T {
    fn sizes(&self) -> Vec<i64> {
        self.dims.iter().map(|dim| dim.size).collect()
    }

    fn elements(&self) -> i64 {
        self.dims.iter().map(|dim| dim.size).product()
    }

    fn form(&self) -> String {
        let dims: Vec<String> = self
            .dims
            .iter()
            .map(|dim| if dim.known { dim.size.to_string() } else { "?".to_owned() })
            .collect();
        let (ty, quantised) = self.ty;
        format!("{ty}[{}]{quantised}", dims.join(","))
    }
}

fn known(sizes: &[i64]) -> Vec<Dim> {
    sizes.iter().map(|size| Dim { size: *size, known: true }).collect()
}

#[derive(Default)]
struct Maker {
    rng: Rng,
    unknown: i64,
    /// Whether most ops are such that others can do their work.
    fusing: bool,
    /// Inputs and constants.
    head: Vec<String>,
    /// Constants of `head` that wait for a Dequantize, by their places in it.
    waiting: Vec<(usize, String)>,
    ops: Vec<String>,
    /// What is returned besides results of the chain.
    beside: Vec<String>,
    names: usize,
    /// Operands that steer an op and are computed.
    computed: usize,
}

const F32: (&str, &str) = ("f32", "");
const PARAMETERS: [(&str, &str); 3] =
    [("i8", " q(0.5)"), ("i8", " q(0.25, 3)"), ("u8", " q(0.5, 128)")];

impl Maker {
    fn make(&mut self) -> [String; 2] {
        let ty = [F32, F32, F32, ("i32", ""), ("i64", ""), PARAMETERS[0], PARAMETERS[1]];
        let ty = ty[self.rng.usize(..ty.len())];
        let rank = if self.fusing && self.chance(1, 2) { 4 } else { self.rng.usize(1..5) };
        let dims = (0..rank).map(|_| self.dim()).collect();
        let x = T { name: self.name(), ty, dims };
        self.head.push(format!("%{} = input : {}", x.name, x.form()));
        let mut pool = vec![x];
        for _ in 0..self.rng.usize(2..7) {
            // Mostly a chain, so that one op meets another. Of what is allocated at run time, the
            // runtime lets a RESHAPE share its operand's memory, and overwrites that while somebody
            // else still reads it.
            let settled = pool.iter().all(|t: &T| t.dims.iter().all(|dim| dim.known));
            let fork = self.computed == 0 && settled && self.chance(1, 5);
            let from = if fork { self.rng.usize(..pool.len()) } else { pool.len() - 1 };
            let from = pool[from].clone();
            let made = self.op(&from);
            pool.push(made);
        }
        let last = pool.pop().expect("there is the input");
        let mut outputs = vec![last];
        for tensor in pool.drain(1..) {
            // What is neither returned nor read is dead.
            if self.chance(1, 4) {
                outputs.push(tensor);
            }
        }
        if self.chance(1, 4) {
            let name = self.name();
            self.head.push(format!("%{name} = const : f32[2] = [1.0, 2.0]"));
        }
        // Last, so that what is above stays as it is for a seed.
        match self.rng.u32(..12) {
            0 => self.every_second(),
            1 => self.in_parts(),
            2 => {
                let wider = self.unit_dimension(&outputs[0]);
                self.beside.push(wider.name);
            }
            _ => (),
        }
        let names = outputs.iter().map(|t| &t.name).chain(&self.beside);
        let outputs: Vec<String> = names.map(|name| format!("output %{name}")).collect();
        let text = |head: &[String]| {
            let lines = head.iter().chain(&self.ops).chain(&outputs);
            let body: String = lines.map(|line| format!("  {line}\n")).collect();
            format!("subgraph @main {{\n{body}}}\n")
        };
        let mut head = self.head.clone();
        self.waiting.iter().for_each(|(at, line)| head[*at].clone_from(line));
        [text(&self.head), text(&head)]
    }

    fn chance(&mut self, of: u32, all: u32) -> bool {
        self.rng.u32(..all) < of
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    fn dim(&mut self) -> Dim {
        if self.chance(1, 5) {
            Dim { size: self.unknown, known: false }
        } else {
            Dim { size: self.rng.i64(1..4), known: true }
        }
    }

    /// Writes an op of one result.
    fn emit(&mut self, op: &str, operands: &[&str], attrs: &str, result: T) -> T {
        let operands: Vec<String> = operands.iter().map(|name| format!("%{name}")).collect();
        let (name, form) = (&result.name, result.form());
        self.ops.push(format!("%{name} = {op}({}){attrs} : {form}", operands.join(", ")));
        result
    }

    fn result(&mut self, ty: (&'static str, &'static str), dims: Vec<Dim>) -> T {
        T { name: self.name(), ty, dims }
    }

    /// A vector that steers an op: a constant, or now and then something that is computed.
    /// Returns whether it is a constant too.
    fn steer(&mut self, ty: &str, shape: &str, values: &[i64]) -> (String, bool) {
        let constant = |maker: &mut Self, values: &[i64]| {
            let name = maker.name();
            let values: Vec<String> = values.iter().map(i64::to_string).collect();
            maker.head.push(format!("%{name} = const : {ty}[{shape}] = [{}]", values.join(", ")));
            name
        };
        if self.chance(4, 5) {
            return (constant(self, values), true);
        }
        // The runtime sees a shape that is computed; so did the converter.
        let ones = vec![1; values.len()];
        let less: Vec<i64> = values.iter().map(|value| value - 1).collect();
        let (a, b) = (constant(self, &less), constant(self, &ones));
        let sum = self.name();
        self.computed += 1;
        self.ops.push(format!("%{sum} = ADD(%{a}, %{b}) : {ty}[{shape}]"));
        (sum, false)
    }

    fn integer(&mut self) -> &'static str {
        if self.chance(1, 3) { "i64" } else { "i32" }
    }

    /// The dimensions of a result whose steering is computed: unknown, or what the file states all
    /// the same.
    fn stated(&mut self, dims: Vec<Dim>, like: &T, constant: bool) -> Vec<Dim> {
        if constant {
            return dims;
        }
        if dims.len() == like.dims.len() && self.chance(1, 2) {
            let lie = |(dim, like): (&Dim, &Dim)| Dim { known: like.known, ..*dim };
            return dims.iter().zip(&like.dims).map(lie).collect();
        }
        dims.iter().map(|dim| Dim { known: false, ..*dim }).collect()
    }

    fn op(&mut self, x: &T) -> T {
        let float = x.ty == F32;
        if self.chance(1, 4) {
            self.made_of_a_constant();
        }
        if self.fusing && self.chance(2, 3) {
            return match self.rng.u32(..3) {
                0 => self.convolved(x),
                1 if float => self.clamped(x),
                _ => self.activated(x),
            };
        }
        match self.rng.u32(..if float { 26 } else { 15 }) {
            12 => self.gather(x),
            13 | 14 => self.twice(x),
            20.. => self.reduced(x),
            0 | 1 => self.reshape(x),
            2 => self.transpose(x),
            3 => self.pad(x),
            4 => self.slice(x),
            5 | 6 => self.strided_slice(x),
            7 => self.tile(x),
            8 => self.broadcast_to(x),
            9 => self.cast(x),
            10 => self.concatenation(x),
            11 => self.unary(x),
            15 => self.quantize(x),
            16 => self.fully_connected(x),
            17 => self.dequantized(x),
            18 => self.waiting(x),
            _ => self.equal_constants(x),
        }
    }

    fn unary(&mut self, x: &T) -> T {
        let op = match x.ty.0 {
            "f32" => ["NEG", "ABS", "EXP"][self.rng.usize(..3)],
            "i32" | "i64" => "NEG",
            _ => "RELU",
        };
        let result = self.result(x.ty, x.dims.clone());
        self.emit(op, &[&x.name], "", result)
    }

    fn reshape(&mut self, x: &T) -> T {
        let mut sizes = x.sizes();
        match self.rng.u32(..4) {
            0 => self.rng.shuffle(&mut sizes),
            1 if self.chance(1, 2) => sizes = vec![x.elements()],
            _ => (),
        }
        let mut target = sizes.clone();
        let wild =
            (self.chance(1, 2) && !target.is_empty()).then(|| self.rng.usize(..target.len()));
        if let Some(wild) = wild {
            target[wild] = -1;
        }
        let unknown = x.dims.iter().any(|dim| !dim.known);
        let dims = sizes.iter().enumerate().map(|(n, size)| Dim {
            size: *size,
            known: !unknown || wild.is_some_and(|wild| wild != n),
        });
        let dims: Vec<Dim> = dims.collect();
        let shape = target.len().to_string();
        let list: Vec<String> = target.iter().map(i64::to_string).collect();
        let attrs = format!(" {{new_shape = [{}]}}", list.join(", "));
        if self.chance(1, 4) {
            let result = self.result(x.ty, dims);
            return self.emit("RESHAPE", &[&x.name], &attrs, result);
        }
        let (steer, constant) = self.steer("i32", &shape, &target);
        let dims = self.stated(dims, x, constant);
        let result = self.result(x.ty, dims);
        self.emit("RESHAPE", &[&x.name, &steer], "", result)
    }

    fn transpose(&mut self, x: &T) -> T {
        // No kernel writes the transpose of a scalar.
        if x.dims.is_empty() {
            return self.unary(x);
        }
        let mut order: Vec<i64> = (0..x.dims.len() as i64).collect();
        if self.chance(1, 2) {
            self.rng.shuffle(&mut order);
        }
        let (steer, constant) = self.steer("i32", &order.len().to_string(), &order);
        let dims = order.iter().map(|n| x.dims[*n as usize]).collect();
        let dims = self.stated(dims, x, constant);
        let result = self.result(x.ty, dims);
        self.emit("TRANSPOSE", &[&x.name, &steer], "", result)
    }

    fn pad(&mut self, x: &T) -> T {
        let nothing = self.chance(3, 5);
        let amounts: Vec<i64> =
            (0..2 * x.dims.len()).map(|_| if nothing { 0 } else { self.rng.i64(0..2) }).collect();
        let ty = self.integer();
        let (steer, constant) = self.steer(ty, &format!("{},2", x.dims.len()), &amounts);
        let dims = x
            .dims
            .iter()
            .zip(amounts.chunks(2))
            .map(|(dim, amounts)| Dim { size: dim.size + amounts[0] + amounts[1], ..*dim });
        let dims = dims.collect();
        let dims = self.stated(dims, x, constant);
        let result = self.result(x.ty, dims);
        if self.chance(1, 4) {
            let inside = x
                .dims
                .iter()
                .zip(amounts.chunks(2))
                .all(|(dim, amounts)| amounts.iter().all(|n| *n < dim.size));
            let mode = if inside && self.rng.bool() { "REFLECT" } else { "SYMMETRIC" };
            let attrs = format!(" {{mode = {mode}}}");
            return self.emit("MIRROR_PAD", &[&x.name, &steer], &attrs, result);
        }
        self.emit("PAD", &[&x.name, &steer], "", result)
    }

    fn slice(&mut self, x: &T) -> T {
        // The reference kernel never writes the slice of a scalar.
        if x.dims.is_empty() {
            return self.unary(x);
        }
        let ty = self.integer();
        let whole = self.chance(3, 5);
        let (mut begin, mut size, mut dims) = (vec![], vec![], vec![]);
        for dim in &x.dims {
            let from = if whole { 0 } else { self.rng.i64(0..dim.size) };
            let count = if whole { dim.size } else { self.rng.i64(1..=dim.size - from) };
            let rest = count == dim.size - from && self.rng.bool();
            begin.push(from);
            size.push(if rest { -1 } else { count });
            dims.push(Dim { size: count, known: !rest || dim.known });
        }
        let shape = begin.len().to_string();
        let (begin, fixed) = self.steer(ty, &shape, &begin);
        let (size, constant) = self.steer(ty, &shape, &size);
        let dims = self.stated(dims, x, constant && fixed);
        let result = self.result(x.ty, dims);
        self.emit("SLICE", &[&x.name, &begin, &size], "", result)
    }

    fn strided_slice(&mut self, x: &T) -> T {
        let whole = self.chance(1, 2);
        let (mut begin, mut end, mut strides) = (vec![], vec![], vec![]);
        let (mut begins, mut ends, mut added, mut dropped) = (0, 0, 0, 0);
        let mut dims = vec![];
        for (n, dim) in x.dims.iter().enumerate() {
            let from = if whole { 0 } else { self.rng.i64(0..dim.size) };
            let to = if whole { dim.size } else { self.rng.i64(from + 1..=dim.size) };
            let stride = if whole || self.chance(3, 4) { 1 } else { 2 };
            let mut size = (to - from + stride - 1) / stride;
            let mut fixed = true;
            begin.push(if self.chance(1, 4) { from - dim.size } else { from });
            // Beyond the end is the end; a negative one counts from there.
            end.push(match self.rng.u32(..4) {
                0 if to == dim.size => to + 5,
                1 if to < dim.size => to - dim.size,
                _ => to,
            });
            strides.push(stride);
            if from == 0 && self.chance(1, 4) {
                begins |= 1 << n;
            }
            if self.chance(1, 4) {
                ends |= 1 << n;
                size = (dim.size - from + stride - 1) / stride;
                fixed = dim.known;
            }
            if size == 1 && self.chance(1, 6) {
                dropped |= 1 << n;
                continue;
            }
            dims.push(Dim { size, known: fixed });
        }
        if self.chance(1, 8) {
            // A new dimension in front moves every entry.
            begin.insert(0, 0);
            end.insert(0, 0);
            strides.insert(0, 1);
            (begins, ends, dropped, added) = (begins << 1, ends << 1, dropped << 1, 1);
            dims.insert(0, Dim { size: 1, known: true });
        }
        let shape = begin.len().to_string();
        let (begin, fixed) = self.steer("i32", &shape, &begin);
        let (end, constant) = self.steer("i32", &shape, &end);
        let values = strides;
        let (strides, steady) = self.steer("i32", &shape, &values);
        let dims = self.stated(dims, x, constant && fixed && steady);
        let attrs = format!(
            " {{begin_mask = {begins}, end_mask = {ends}, new_axis_mask = {added}, \
             shrink_axis_mask = {dropped}}}"
        );
        let result = self.result(x.ty, dims);
        self.emit("STRIDED_SLICE", &[&x.name, &begin, &end, &strides], &attrs, result)
    }

    fn tile(&mut self, x: &T) -> T {
        let once = self.chance(3, 5);
        let times: Vec<i64> =
            x.dims.iter().map(|_| if once { 1 } else { self.rng.i64(1..3) }).collect();
        let ty = self.integer();
        let (steer, constant) = self.steer(ty, &times.len().to_string(), &times);
        let dims =
            x.dims.iter().zip(&times).map(|(dim, times)| Dim { size: dim.size * times, ..*dim });
        let dims = dims.collect();
        let dims = self.stated(dims, x, constant);
        let result = self.result(x.ty, dims);
        self.emit("TILE", &[&x.name, &steer], "", result)
    }

    fn broadcast_to(&mut self, x: &T) -> T {
        let same = self.chance(3, 5);
        let sizes = x
            .dims
            .iter()
            .map(|dim| if dim.size == 1 && !same { self.rng.i64(1..4) } else { dim.size });
        let sizes: Vec<i64> = sizes.collect();
        let ty = self.integer();
        let (steer, constant) = self.steer(ty, &sizes.len().to_string(), &sizes);
        let dims = self.stated(known(&sizes), x, constant);
        let result = self.result(x.ty, dims);
        self.emit("BROADCAST_TO.v2", &[&x.name, &steer], "", result)
    }

    /// Indices that mostly follow each other.
    fn gather(&mut self, x: &T) -> T {
        if x.dims.is_empty() {
            return self.unary(x);
        }
        let axis = self.rng.usize(..x.dims.len());
        let size = x.dims[axis].size;
        let count = self.rng.i64(1..=size);
        let from = self.rng.i64(0..=size - count);
        let mut indices: Vec<i64> = (from..from + count).collect();
        if self.chance(1, 4) {
            self.rng.shuffle(&mut indices);
        }
        let ty = self.integer();
        let (steer, _) = self.steer(ty, &count.to_string(), &indices);
        let mut dims = x.dims.clone();
        dims[axis] = Dim { size: count, known: true };
        let axis = if self.chance(1, 3) { axis as i64 - x.dims.len() as i64 } else { axis as i64 };
        let result = self.result(x.ty, dims);
        self.emit("GATHER", &[&x.name, &steer], &format!(" {{axis = {axis}}}"), result)
    }

    /// An activation behind an op that can apply it, and now and then has one already.
    fn activated(&mut self, x: &T) -> T {
        if x.ty.0 == "i32" || x.ty.0 == "i64" {
            return self.unary(x);
        }
        let name = self.name();
        let (ty, quantised) = x.ty;
        let value = if x.ty == F32 { "-1.5" } else { "7" };
        self.head.push(format!("%{name} = const : {ty}[]{quantised} = {value}"));
        let (op, v2) = match x.ty == F32 {
            true => (["ADD", "SUB", "MUL", "DIV"][self.rng.usize(..4)], ""),
            false => (["ADD.v2", "SUB.v2", "MUL.v2"][self.rng.usize(..3)], ".v2"),
        };
        let attrs = if self.chance(1, 6) { " {fused_activation_function = RELU6}" } else { "" };
        let between = self.result(x.ty, x.dims.clone());
        let between = self.emit(op, &[&x.name, &name], attrs, between);
        let kind = ["RELU", "RELU6", "RELU_N1_TO_1"][self.rng.usize(..3)];
        let version = if kind == "RELU_N1_TO_1" { "" } else { v2 };
        let ty = if x.ty == F32 || self.chance(2, 3) { x.ty } else { PARAMETERS[0] };
        let result = self.result(ty, x.dims.clone());
        self.emit(&format!("{kind}{version}"), &[&between.name], "", result)
    }

    /// A convolution of what a PAD made, often of as much around it as the padding SAME puts there.
    fn convolved(&mut self, x: &T) -> T {
        let known = x.dims.iter().all(|dim| dim.known);
        if x.dims.len() != 4 || !known || !["f32", "i8"].contains(&x.ty.0) {
            return self.unary(x);
        }
        let (stride, taps, dilation) = (self.rng.i64(1..3), self.rng.i64(1..4), self.rng.i64(1..3));
        let (mut amounts, mut padded, mut dims) = (vec![0; 8], x.dims.clone(), x.dims.clone());
        let symmetric = self.chance(1, 3);
        for axis in [1, 2] {
            let (size, reach) = (x.dims[axis].size, (taps - 1) * dilation + 1);
            let all = (((size + stride - 1) / stride - 1) * stride + reach - size).max(0);
            let before = if symmetric { (all + 1) / 2 } else { all / 2 };
            let after = if symmetric { before } else { all - before };
            (amounts[2 * axis], amounts[2 * axis + 1]) = (before, after);
            padded[axis].size = size + before + after;
            dims[axis].size = (padded[axis].size - reach) / stride + 1;
        }
        let (channels, around) = (x.dims[3].size, self.name());
        self.head.push(format!("%{around} = const : i32[4,2] = {amounts:?}"));
        let between = self.result(x.ty, padded);
        let between = self.emit("PAD", &[&x.name, &around], "", between);
        let (w, b) = (self.name(), self.name());
        let deep = self.rng.bool();
        let (out, shape) = match deep {
            true => (channels, format!("1,{taps},{taps},{channels}")),
            false => (2, format!("2,{taps},{taps},{channels}")),
        };
        let (quantised, low, bias) = match x.ty == F32 {
            true => ("", "min = -1.0, max = 1.0", "f32"),
            false => (" q(0.125)", "min = -50, max = 50", "i32"),
        };
        let scale: f64 = if x.ty.1 == " q(0.5)" { 0.0625 } else { 0.03125 };
        let scale = if bias == "i32" { format!(" q({scale})") } else { String::new() };
        self.head.push(format!(
            "%{w} = const : {}[{shape}]{quantised} fill uniform(seed = 9, {low})",
            x.ty.0
        ));
        self.head.push(format!(
            "%{b} = const : {bias}[{out}]{scale} fill uniform(seed = 8, {})",
            if bias == "i32" { "min = -50, max = 50" } else { low }
        ));
        dims[3].size = out;
        let mut attrs = format!(
            "padding = VALID, stride_w = {stride}, stride_h = {stride}, \
             dilation_w_factor = {dilation}, dilation_h_factor = {dilation}"
        );
        if deep {
            attrs += ", depth_multiplier = 1";
        }
        let op = match (deep, x.ty == F32) {
            (false, true) => "CONV_2D",
            (false, false) => "CONV_2D.v3",
            (true, true) => "DEPTHWISE_CONV_2D.v2",
            (true, false) => "DEPTHWISE_CONV_2D.v3",
        };
        let result = self.result(x.ty, dims);
        self.emit(op, &[&between.name, &w, &b], &format!(" {{{attrs}}}"), result)
    }

    /// What clamps as an activation does, or is a PReLU in several ops.
    fn clamped(&mut self, x: &T) -> T {
        let constant = |maker: &mut Self, form: &str, values: &str| {
            let name = maker.name();
            maker.head.push(format!("%{name} = const : f32[{form}] = {values}"));
            name
        };
        let made = |maker: &mut Self, op: &str, operands: [&str; 2], attrs: &str| {
            let result = maker.result(F32, x.dims.clone());
            maker.emit(op, &operands[..2 - usize::from(operands[1].is_empty())], attrs, result)
        };
        let ends = [("0.0", "6.0"), ("-1.0", "1.0"), ("0.0", "1.0")][self.rng.usize(..3)];
        let wanted = self.rng.u32(..6);
        let channels = x.dims.last().filter(|dim| dim.known).map(|dim| dim.size);
        let Some(channels) = channels.filter(|_| wanted > 1) else {
            let [low, high] = [ends.0, ends.1].map(|end| constant(self, "", end));
            let [first, second] = if wanted == 0 {
                [("MAXIMUM", low), ("MINIMUM", high)]
            } else {
                [("MINIMUM", high), ("MAXIMUM", low)]
            };
            let inner = made(self, first.0, [&x.name, &first.1], "");
            return made(self, second.0, [&second.1, &inner.name], "");
        };
        let half = constant(self, "", "0.5");
        let x = made(self, "MUL", [&x.name, &half], "").name;
        let factors: Vec<f64> = (0..channels).map(|n| 0.75 - n as f64 / 2.0).collect();
        let alpha = constant(self, &channels.to_string(), &format!("{factors:?}"));
        let above = made(self, "RELU", [&x, ""], "").name;
        let (op, below) = match wanted {
            2 => {
                let less = constant(self, "", "-1.0");
                ("SUB", made(self, "MUL", [&x, &less], " {fused_activation_function = RELU}"))
            }
            3 => {
                let turned = made(self, "NEG", [&x, ""], "").name;
                ("SUB", made(self, "RELU", [&turned, ""], ""))
            }
            _ => {
                let zero = constant(self, "", "0.0");
                ("ADD", made(self, "MINIMUM", [&x, &zero], ""))
            }
        };
        let scaled = made(self, "MUL", [&below.name, &alpha], "");
        made(self, op, [&above, &scaled.name], "")
    }

    /// A dimension of 1 more.
    fn unit_dimension(&mut self, x: &T) -> T {
        if x.dims.len() > 4 {
            return self.unary(x);
        }
        let at = self.rng.usize(..=x.dims.len());
        let axis = self.constant_i32(&[at as i64]);
        let mut dims = x.dims.clone();
        dims.insert(at, Dim { size: 1, known: true });
        let result = self.result(x.ty, dims);
        self.emit("EXPAND_DIMS", &[&x.name, &axis], "", result)
    }

    /// An input of its own, of batches that callers may choose.
    fn input(&mut self, ty: (&'static str, &'static str), rest: &[i64]) -> T {
        let free = self.rng.bool();
        let batch = Dim { size: if free { self.unknown } else { 1 }, known: !free };
        let x = self.result(ty, [vec![batch], known(rest)].concat());
        self.head.push(format!("%{} = input : {}", x.name, x.form()));
        x
    }

    /// A convolution of every second element, as converters write one with a dilation.
    fn every_second(&mut self) {
        let height = self.rng.i64(5..8);
        let x = self.input(F32, &[height, 6, 2]);
        let reach = 4;
        let before = self.rng.i64(0..5);
        let mut behind = self.rng.i64(0..5);
        behind += (height + before + behind) % 2;
        let crop = self.rng.i64(0..2).min(behind);
        let list = |maker: &mut Self, shape: &str, values: &[i64]| {
            let name = maker.name();
            maker.head.push(format!("%{name} = const : i32[{shape}] = {values:?}"));
            name
        };
        let block = list(self, "2", &[2, 1]);
        let pads = list(self, "2,2", &[before, behind, 0, 0]);
        let crops = list(self, "2,2", &[0, crop, 0, 0]);
        let w = self.filled("f32", &[3, 3, 1, 2], "", 1);
        let bias = self.filled("f32", &[3], "", 2);
        let batch = |times: i64| Dim { size: x.dims[0].size * times, ..x.dims[0] };
        let rows = height + before + behind;
        let few = self.result(F32, [vec![batch(2)], known(&[rows / 2, 6, 2])].concat());
        let few = self.emit("SPACE_TO_BATCH_ND", &[&x.name, &block, &pads], "", few);
        let sums = self.result(F32, [vec![batch(2)], known(&[rows / 2 - 2, 6, 3])].concat());
        let attrs = " {padding = VALID, stride_w = 1, stride_h = 1}";
        let sums = self.emit("CONV_2D", &[&few.name, &w, &bias], attrs, sums);
        let whole =
            self.result(F32, [vec![batch(1)], known(&[rows - reach - crop, 6, 3])].concat());
        let whole = self.emit("BATCH_TO_SPACE_ND", &[&sums.name, &block, &crops], "", whole);
        self.beside.push(whole.name);
    }

    /// SLICE ops that take a tensor apart, mostly into equal parts.
    fn in_parts(&mut self) {
        let ty = [F32, ("i32", ""), PARAMETERS[1]][self.rng.usize(..3)];
        let x = self.input(ty, &[3, 6]);
        let parts = self.rng.i64(2..4);
        let size = 6 / parts;
        for part in 0..parts {
            let odd = i64::from(part > 0 && self.chance(1, 8));
            let begin = self.constant_i32(&[0, 0, part * size - odd]);
            let rest = part + 1 == parts && odd == 0 && self.rng.bool();
            let size = self.constant_i32(&[-1, 3, if rest { -1 } else { size }]);
            let dims = [vec![x.dims[0]], known(&[3, 6 / parts])].concat();
            let result = self.result(x.ty, dims);
            let result = self.emit("SLICE", &[&x.name, &begin, &size], "", result);
            self.beside.push(result.name);
        }
    }

    /// What two ops compute alike, side by side.
    fn twice(&mut self, x: &T) -> T {
        let op = match x.ty.0 {
            "f32" => "EXP",
            "i32" | "i64" => "NEG",
            _ => "RELU",
        };
        let [a, b] = [(); 2].map(|()| {
            let result = self.result(x.ty, x.dims.clone());
            self.emit(op, &[&x.name], "", result)
        });
        if x.dims.is_empty() {
            self.beside.push(b.name);
            return a;
        }
        let mut dims = x.dims.clone();
        dims[0].size *= 2;
        let result = self.result(x.ty, dims);
        self.emit("CONCATENATION", &[&a.name, &b.name], " {axis = 0}", result)
    }

    /// A reduction, and a RESHAPE behind it that puts back its dimensions or does not.
    fn reduced(&mut self, x: &T) -> T {
        if x.dims.is_empty() {
            return self.unary(x);
        }
        let axis = self.rng.usize(..x.dims.len());
        let op = ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"][self.rng.usize(..5)];
        let steer = self.constant_i32(&[axis as i64]);
        let mut flat = x.dims.clone();
        flat.remove(axis);
        let flat = self.result(x.ty, flat);
        let flat = self.emit(op, &[&x.name, &steer], "", flat);
        let mut dims = x.dims.clone();
        dims[axis] = Dim { size: 1, known: true };
        if self.chance(1, 4) {
            dims.rotate_left(1);
        }
        let sizes: Vec<String> = dims.iter().map(|dim| dim.size.to_string()).collect();
        let attrs = format!(" {{new_shape = [{}]}}", sizes.join(", "));
        let result = self.result(x.ty, dims);
        self.emit("RESHAPE", &[&flat.name], &attrs, result)
    }

    fn cast(&mut self, x: &T) -> T {
        if !x.ty.1.is_empty() {
            return self.unary(x);
        }
        let types = [x.ty, x.ty, F32, ("i32", ""), ("i64", "")];
        let ty = types[self.rng.usize(..types.len())];
        let result = self.result(ty, x.dims.clone());
        self.emit("CAST", &[&x.name], "", result)
    }

    fn concatenation(&mut self, x: &T) -> T {
        if x.dims.is_empty() {
            return self.unary(x);
        }
        let twice = self.chance(1, 3);
        let mut dims = x.dims.clone();
        if twice {
            dims[0].size *= 2;
        }
        let attrs = if x.ty == F32 && self.chance(1, 12) {
            " {fused_activation_function = RELU}"
        } else {
            ""
        };
        let operands = [x.name.as_str(), x.name.as_str()];
        let result = self.result(x.ty, dims);
        self.emit("CONCATENATION", &operands[..1 + usize::from(twice)], attrs, result)
    }

    /// Quantises, and often restores what a Dequantize took apart.
    fn quantize(&mut self, x: &T) -> T {
        let first = PARAMETERS[self.rng.usize(..PARAMETERS.len())];
        let codes = self.result(first, x.dims.clone());
        let codes = self.emit("QUANTIZE", &[&x.name], "", codes);
        let real = self.result(F32, x.dims.clone());
        let real = self.emit("DEQUANTIZE", &[&codes.name], "", real);
        if self.chance(1, 4) {
            return real;
        }
        let second = if self.chance(2, 3) { first } else { PARAMETERS[self.rng.usize(..3)] };
        let again = self.result(second, x.dims.clone());
        let again = self.emit("QUANTIZE", &[&real.name], "", again);
        let result = self.result(F32, x.dims.clone());
        self.emit("DEQUANTIZE", &[&again.name], "", result)
    }

    /// Reads int8 weights next to float32 activations; their zero point came in as it is.
    fn fully_connected(&mut self, x: &T) -> T {
        let Some(last) = x.dims.last().copied().filter(|dim| dim.known) else {
            return self.unary(x);
        };
        let weights = self.name();
        let point = if self.chance(1, 2) { "" } else { ", 5" };
        let (units, depth) = (4, last.size);
        self.head.push(format!(
            "%{weights} = const : i8[{units},{depth}] q(0.0625{point}) fill uniform(seed = 7, min = -100, max = 100)"
        ));
        let rows = Dim { size: x.elements() / depth, known: x.dims.iter().all(|dim| dim.known) };
        let result = self.result(F32, vec![rows, Dim { size: units, known: true }]);
        let (name, form) = (&result.name, result.form());
        let op = ["FULLY_CONNECTED.v3", "FULLY_CONNECTED.v9"][self.rng.usize(..2)];
        self.ops.push(format!("%{name} = {op}(%{}, %{weights}, _) : {form}", x.name));
        result
    }

    /// Adds a quantised constant, behind a Dequantize of its own.
    fn dequantized(&mut self, x: &T) -> T {
        // With one element of rank 1 a scalar becomes one too.
        if x.dims.is_empty() {
            return self.unary(x);
        }
        let (codes, real) = (self.name(), self.name());
        self.head.push(format!("%{codes} = const : i8[1] q(0.25, 3) = [17]"));
        self.ops.push(format!("%{real} = DEQUANTIZE(%{codes}) : f32[1]"));
        let result = self.result(F32, x.dims.clone());
        self.emit("ADD", &[&x.name, &real], "", result)
    }

    /// Two constants of the same bytes.
    fn equal_constants(&mut self, x: &T) -> T {
        // With one element of rank 1 a scalar becomes one too.
        if x.dims.is_empty() {
            return self.unary(x);
        }
        let [a, b] = [self.name(), self.name()];
        let value = ["0.5", "-3.25"][self.rng.usize(..2)];
        for name in [&a, &b] {
            self.head.push(format!("%{name} = const : f32[1] = [{value}]"));
        }
        let sum = self.result(F32, x.dims.clone());
        let sum = self.emit("ADD", &[&x.name, &a], "", sum);
        let result = self.result(F32, x.dims.clone());
        self.emit("MUL", &[&sum.name, &b], "", result)
    }

    /// Adds a constant that waits for a Dequantize, which now and then is read or returned as well.
    fn waiting(&mut self, x: &T) -> T {
        let codes: [i64; 2] = [self.rng.i64(-8..8), self.rng.i64(-8..8)];
        let (form, scales) = match self.rng.u32(..3) {
            0 => ("i8[1] q(0.25)", [0.25; 2]),
            1 => ("i8[2,1] q([0.5, 0.125], axis = 0)", [0.5, 0.125]),
            _ => ("f16[1]", [1.0; 2]),
        };
        let several = form.starts_with("i8[2");
        let len =
            1 + usize::from(several && x.dims.len() > 1 && x.dims[x.dims.len() - 2].size == 1);
        let form = if several && len == 1 { "i8[1] q(0.5)" } else { form };
        let name = self.name();
        let float: Vec<f64> =
            codes.iter().zip(scales).take(len).map(|(n, scale)| *n as f64 * scale).collect();
        let stored = match form.starts_with("f16") {
            true => format!("{float:?}"),
            false => format!("{:?}", &codes[..len]),
        };
        let shape = if len == 2 { "2,1" } else { "1" };
        let line = format!("%{name} = const : {form} expressed f32 = {stored}");
        self.waiting.push((self.head.len(), line));
        self.head.push(format!("%{name} = const : f32[{shape}] = {float:?}"));
        let mut dims = x.dims.clone();
        if len == 2 {
            let row = dims.len() - 2;
            dims[row].size = 2;
        }
        let result = self.result(F32, dims.clone());
        let sum = self.emit("ADD", &[&x.name, &name], "", result);
        match self.rng.u32(..4) {
            0 => self.beside.push(name),
            1 => {
                let result = self.result(F32, dims);
                return self.emit("MUL", &[&sum.name, &name], "", result);
            }
            _ => (),
        }
        sum
    }

    /// Returns what an op makes of a constant.
    fn made_of_a_constant(&mut self) {
        // Few elements and many are treated differently.
        let mut sizes: Vec<i64> = (0..self.rng.usize(1..5)).map(|_| self.rng.i64(1..4)).collect();
        if self.chance(1, 2) {
            sizes[0] = 65;
        }
        let seed = self.rng.u8(..);
        match self.rng.u32(..7) {
            0 | 1 => {
                let w = self.filled("f32", &sizes, "", seed);
                let channels = sizes[0] as usize;
                let scales = vec!["0.03"; channels.saturating_sub(1)].join(", ");
                let per_channel = match channels {
                    1 => " q(0.03)".to_owned(),
                    _ => format!(" q([0.01, {scales}], axis = 0)"),
                };
                let forms = [
                    ("i8", " q(0.01)".to_owned()),
                    ("i8", " q(0.5, 3)".to_owned()),
                    ("i8", per_channel),
                    ("u8", " q(0.02, 128)".to_owned()),
                    ("i16", " q(0.0001)".to_owned()),
                ];
                let (ty, quantised) = &forms[self.rng.usize(..forms.len())];
                let codes = self.made("QUANTIZE", &[&w], "", ty, &sizes, quantised);
                self.returned("DEQUANTIZE", &codes, "f32", &sizes);
            }
            2 => {
                let w = self.filled("f32", &sizes, "", seed);
                let bits = self.rng.u32(2..9);
                let attrs = format!(" {{min = -1.5, max = 2.25, num_bits = {bits}}}");
                let rounded = self.made("FAKE_QUANT", &[&w], &attrs, "f32", &sizes, "");
                self.returned("NEG", &rounded, "f32", &sizes);
            }
            3 => {
                let (ty, quantised, reader) = self.plain();
                let w = self.filled(ty, &sizes, quantised, seed);
                let made = match self.rng.u32(..3) {
                    0 => {
                        sizes.reverse();
                        let attrs = format!(" {{new_shape = {sizes:?}}}");
                        self.made("RESHAPE", &[&w], &attrs, ty, &sizes, quantised)
                    }
                    1 => {
                        sizes.retain(|size| *size != 1);
                        self.made("SQUEEZE", &[&w], "", ty, &sizes, quantised)
                    }
                    _ => {
                        let at = self.rng.usize(..=sizes.len());
                        let axis = self.constant_i32(&[at as i64]);
                        sizes.insert(at, 1);
                        self.made("EXPAND_DIMS", &[&w, &axis], "", ty, &sizes, quantised)
                    }
                };
                self.returned(reader, &made, if reader == "NEG" { ty } else { "f32" }, &sizes);
            }
            4 if !sizes.is_empty() => {
                let (ty, quantised, reader) = self.plain();
                let w = self.filled(ty, &sizes, quantised, seed);
                let order = self.order(&mut sizes);
                let made = self.made("TRANSPOSE", &[&w, &order], "", ty, &sizes, quantised);
                self.returned(reader, &made, if reader == "NEG" { ty } else { "f32" }, &sizes);
            }
            5 if !sizes.is_empty() => {
                let (ty, quantised) = [("i8", " q(0.5, 3)"), ("f16", "")][self.rng.usize(..2)];
                let w = self.filled(ty, &sizes, quantised, seed);
                let real = self.made("DEQUANTIZE.v3", &[&w], "", "f32", &sizes, "");
                let order = self.order(&mut sizes);
                let made = self.made("TRANSPOSE", &[&real, &order], "", "f32", &sizes, "");
                self.returned("NEG", &made, "f32", &sizes);
            }
            _ => {
                let w = self.filled("f16", &sizes, "", seed);
                let real = self.made("DEQUANTIZE.v3", &[&w], "", "f32", &sizes, "");
                self.returned("NEG", &real, "f32", &sizes);
            }
        }
    }

    /// A type, its quantisation, and an op that shows such a constant without changing it much.
    fn plain(&mut self) -> (&'static str, &'static str, &'static str) {
        let forms = [("f32", "", "NEG"), ("i32", "", "NEG"), ("i8", " q(0.5, 3)", "DEQUANTIZE")];
        forms[self.rng.usize(..forms.len())]
    }

    fn filled(&mut self, ty: &str, sizes: &[i64], quantised: &str, seed: u8) -> String {
        let name = self.name();
        let ends = if matches!(ty, "f32" | "f16") {
            "min = -3.0, max = 3.0"
        } else {
            "min = -100, max = 100"
        };
        let shape = list(sizes);
        self.head.push(format!(
            "%{name} = const : {ty}[{shape}]{quantised} fill uniform(seed = {seed}, {ends})"
        ));
        if self.chance(1, 8) {
            // Somebody else needs it too.
            let reader = if ty == "f32" || ty == "i32" { "NEG" } else { "DEQUANTIZE.v3" };
            self.returned(reader, &name, if reader == "NEG" { ty } else { "f32" }, sizes);
        }
        name
    }

    fn constant_i32(&mut self, values: &[i64]) -> String {
        let name = self.name();
        self.head.push(format!("%{name} = const : i32[{}] = {values:?}", values.len()));
        name
    }

    /// A constant order of dimensions, which `sizes` get.
    fn order(&mut self, sizes: &mut Vec<i64>) -> String {
        let mut order: Vec<i64> = (0..sizes.len() as i64).collect();
        self.rng.shuffle(&mut order);
        *sizes = order.iter().map(|n| sizes[*n as usize]).collect();
        self.constant_i32(&order)
    }

    fn made(
        &mut self,
        op: &str,
        operands: &[&str],
        attrs: &str,
        ty: &str,
        sizes: &[i64],
        quantised: &str,
    ) -> String {
        let name = self.name();
        let operands: Vec<String> = operands.iter().map(|name| format!("%{name}")).collect();
        self.ops.push(format!(
            "%{name} = {op}({}){attrs} : {ty}[{}]{quantised}",
            operands.join(", "),
            list(sizes)
        ));
        name
    }

    fn returned(&mut self, op: &str, operand: &str, ty: &str, sizes: &[i64]) {
        let name = self.made(op, &[operand], "", ty, sizes, "");
        self.beside.push(name);
    }
}

fn list(sizes: &[i64]) -> String {
    let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
    sizes.join(",")
}
