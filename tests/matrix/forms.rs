//! Gives the weights of a case a type and scales.

use tfq_opt::ir::ElementType;

/// How all weights of a model are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) ty: ElementType,
    pub(crate) scales: Scales,
}

/// What has a scale of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scales {
    /// No quantisation at all.
    None,
    /// The tensor.
    Tensor,
    /// Each index of the op's channel axis.
    Channel,
    /// Each index of another axis.
    Axis,
    /// Blocks of this many elements of a row.
    Block(u32),
    /// The tensor, with zero point 3.
    ZeroPoint,
    /// Each index of the op's channel axis, with zero points from one end of the codes to the other.
    ZeroPoints,
    /// The tensor, with scale 0.
    ZeroScale,
    /// All but the first weight of the op stay float32; that has one scale.
    Mixed,
}

/// Float weights as a model for passes has them.
pub(crate) const FLOAT: Form = Form { ty: ElementType::Float32, scales: Scales::None };

pub(crate) fn forms() -> Vec<Form> {
    use ElementType::{Float16, Float32, Int2, Int4, Int8, Int16, UInt8};
    use Scales::{Axis, Block, Channel, Mixed, None, Tensor, ZeroPoint, ZeroPoints, ZeroScale};
    let mut forms = Vec::new();
    for ty in [Int8, Int4, Int2, Int16] {
        forms.extend([Tensor, Channel, Axis].map(|scales| Form { ty, scales }));
    }
    forms.extend([Tensor, Channel].map(|scales| Form { ty: UInt8, scales }));
    forms.extend(
        [None, ZeroPoint, ZeroPoints, ZeroScale, Mixed].map(|scales| Form { ty: Int8, scales }),
    );
    for ty in [Int4, Int2] {
        forms.extend([32, 24].map(|block| Form { ty, scales: Block(block) }));
    }
    forms.extend([Float16, Float32].map(|ty| Form { ty, scales: None }));
    forms
}

impl Form {
    /// `INT8 channel`.
    pub(crate) fn name(self) -> String {
        let scales = match self.scales {
            Scales::None => "unscaled".to_owned(),
            Scales::Tensor => "tensor".to_owned(),
            Scales::Channel => "channel".to_owned(),
            Scales::Axis => "axis".to_owned(),
            Scales::Block(size) => format!("block {size}"),
            Scales::ZeroPoint => "zero point".to_owned(),
            Scales::ZeroPoints => "zero points".to_owned(),
            Scales::ZeroScale => "zero scale".to_owned(),
            Scales::Mixed => "mixed with float32".to_owned(),
        };
        format!("{} {scales}", self.ty)
    }

    /// Codes go from minus this to this. The bytes of uint8 weights are read as int8, so they
    /// stay in what both types say alike.
    fn codes(self) -> (i64, i64) {
        match self.ty {
            ElementType::Int2 => (-1, 1),
            ElementType::Int4 => (-7, 7),
            ElementType::UInt8 => (0, 127),
            _ => (-127, 127),
        }
    }
}

/// A weight, as a line of a case tells it.
struct Weight<'a> {
    name: &'a str,
    shape: Vec<usize>,
    axis: Option<usize>,
}

impl<'a> Weight<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once(" = WEIGHT [")?;
        let (shape, axis) = rest.split_once(']')?;
        let shape = shape.split(',').map(|d| d.parse().expect("a dimension")).collect();
        let axis = axis.trim().strip_prefix("axis ").map(|axis| axis.parse().expect("an axis"));
        Some(Self { name, shape, axis })
    }

    /// Its axis with scales; nothing where the form has none here.
    fn scaled(&self, scales: Scales) -> Option<usize> {
        match scales {
            Scales::Channel | Scales::ZeroPoints => Some(self.axis.unwrap_or(0)),
            Scales::Axis => {
                (0..self.shape.len()).rev().find(|a| Some(*a) != self.axis && self.shape[*a] > 1)
            }
            _ => None,
        }
    }
}

/// Texts of a model in this form, and of the float model that it stands for; nothing where the
/// case cannot have the form.
pub(crate) fn texts(case: &str, form: Form) -> Option<[String; 2]> {
    let mut stored = format!("tfg 1 quant\n{case}");
    let mut real = stored.clone();
    let weights: Vec<Weight<'_>> = case.lines().filter_map(Weight::of).collect();
    let of_type = text_type(form.ty);
    for (n, weight) in weights.iter().enumerate() {
        let form = match form.scales {
            Scales::Mixed if weights.len() < 2 => return None,
            Scales::Mixed if n > 0 => FLOAT,
            _ => form,
        };
        let [code, value] = contents(weight, form, n as u64)?;
        let line = format!(
            "{} = WEIGHT [{}]",
            weight.name,
            weight.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        );
        stored = replace_line(&stored, &line, &format!("{} = {code}", weight.name));
        real = replace_line(&real, &line, &format!("{} = {value}", weight.name));
    }
    let computed = |text: &str, ty: &str, q: &str| match text.split_once(": COMPUTED [") {
        Some((before, after)) => {
            let (shape, after) = after.split_once(']').expect("a shape");
            format!("{before}: {ty}[{shape}]{q}{after}")
        }
        None => text.to_owned(),
    };
    let q = if form.scales == Scales::None { "" } else { " q(0.01)" };
    Some([computed(&stored, of_type, q), computed(&real, "f32", "")])
}

/// The model with random float weights, for passes.
pub(crate) fn float(case: &str) -> String {
    let mut text = format!("tfg 1 quant\n{case}");
    for (n, weight) in case.lines().filter_map(Weight::of).enumerate() {
        let shape = weight.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let line = format!("{} = WEIGHT [{shape}]", weight.name);
        let filled = format!("const : f32[{shape}] fill gaussian(seed = {}, std = 0.1)", n + 1);
        text = replace_line(&text, &line, &format!("{} = {filled}", weight.name));
    }
    text.replace(": COMPUTED [", ": f32[")
}

fn replace_line(text: &str, start: &str, with: &str) -> String {
    let lines = text.lines().map(|line| if line.starts_with(start) { with } else { line });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// What stands behind `=` for the stored weight and for the float one.
fn contents(weight: &Weight<'_>, form: Form, seed: u64) -> Option<[String; 2]> {
    let shape = weight.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let elements: usize = weight.shape.iter().product();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ (seed + 1);
    let mut next = |(least, most): (i64, i64)| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        least + ((random >> 33) % (most - least + 1) as u64) as i64
    };
    let list = |numbers: &[f64]| {
        let numbers: Vec<String> = numbers.iter().map(|x| format!("{x:?}")).collect();
        format!("[{}]", numbers.join(", "))
    };
    if matches!(form.ty, ElementType::Float16 | ElementType::Float32) {
        // Halves hold these exactly.
        let numbers: Vec<f64> = (0..elements).map(|_| next((-64, 64)) as f64 / 256.0).collect();
        let ty = text_type(form.ty);
        let real = format!("const : f32[{shape}] = {}", list(&numbers));
        return Some([format!("const : {ty}[{shape}] = {}", list(&numbers)), real]);
    }
    let codes: Vec<i64> = (0..elements).map(|_| next(form.codes())).collect();
    let unit = 1.0 / 1024.0 * if form.ty == ElementType::Int2 { 64.0 } else { 1.0 };
    let scale_of = |index: usize| unit * (1 + index % 4) as f64;
    let mut zeros = vec![0; elements];
    let (q, scales): (String, Vec<f64>) = match form.scales {
        Scales::None => (String::new(), vec![1.0; elements]),
        Scales::Tensor | Scales::Mixed => (format!("q({unit:?})"), vec![unit; elements]),
        Scales::ZeroScale => ("q(0.0)".to_owned(), vec![0.0; elements]),
        Scales::ZeroPoint => {
            zeros.fill(3);
            (format!("q({unit:?}, 3)"), vec![unit; elements])
        }
        Scales::Channel | Scales::Axis | Scales::ZeroPoints => {
            let axis = weight.scaled(form.scales)?;
            let count = weight.shape[axis];
            let inner: usize = weight.shape[axis + 1..].iter().product();
            let each: Vec<f64> = (0..count).map(scale_of).collect();
            let of_element = (0..elements).map(|n| each[n / inner % count]).collect();
            let mut zero_points = String::new();
            if form.scales == Scales::ZeroPoints {
                let points: Vec<i64> = [-128, 3, 127].into_iter().cycle().take(count).collect();
                zeros = (0..elements).map(|n| points[n / inner % count]).collect();
                zero_points = format!("{points:?}, ");
            }
            (format!("q({}, {zero_points}axis = {axis})", list(&each)), of_element)
        }
        Scales::Block(size) => {
            let [rows, columns] = weight.shape[..] else { return None };
            let blocks = columns.div_ceil(size as usize);
            let each: Vec<f64> = (0..rows * blocks).map(scale_of).collect();
            let of_element =
                (0..elements).map(|n| each[n / columns * blocks + n % columns / size as usize]);
            let of_element = of_element.collect();
            // A second line of the text: the scales are a tensor.
            let name = weight.name.trim_start_matches('%');
            let q =
                format!("q(blockwise(scales = %{name}.s, zero_points = -1, block_size = {size}))");
            let scales = format!("%{name}.s = const : f16[{rows},{blocks}] = {}", list(&each));
            let ty = text_type(form.ty);
            let code = format!("const : {ty}[{shape}] {q} = {codes:?}\n{scales}");
            return Some([code, real_weight(&shape, &codes, &zeros, of_element, &list)]);
        }
    };
    let code = format!("const : {}[{shape}] {q} = {codes:?}", text_type(form.ty));
    Some([code, real_weight(&shape, &codes, &zeros, scales, &list)])
}

fn real_weight(
    shape: &str,
    codes: &[i64],
    zeros: &[i64],
    scales: Vec<f64>,
    list: &impl Fn(&[f64]) -> String,
) -> String {
    let steps = codes.iter().zip(zeros).map(|(code, zero)| (code - zero) as f64);
    let numbers: Vec<f64> = steps.zip(scales).map(|(steps, scale)| steps * scale).collect();
    format!("const : f32[{shape}] = {}", list(&numbers))
}

fn text_type(ty: ElementType) -> &'static str {
    match ty {
        ElementType::Int8 => "i8",
        ElementType::UInt8 => "u8",
        ElementType::Int4 => "i4",
        ElementType::Int2 => "i2",
        ElementType::Int16 => "i16",
        ElementType::Float16 => "f16",
        _ => "f32",
    }
}
