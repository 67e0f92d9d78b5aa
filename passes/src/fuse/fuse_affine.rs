use super::{activation, can_apply, clamps, is_in_release};
use tfq_ir::catalog::ops::{ADD, DIV, MUL, SUB};
use tfq_ir::ops::{Activation, OperandRole, semantics_of};
use tfq_ir::{Attr, ElementType, OpId, Patch, Tensor, TensorId, TensorRef};
use tfq_pass::rewrite::{Match, OpPattern, Pattern, Rule, apply_rules, constant, op_of, op_that};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Reassociating, scope: Subgraph,
    writes: [
        CONV_2D, CONV_3D, CONV_3D_TRANSPOSE, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV
    ];
    /// Takes factors and terms behind convolutions into their weights and biases.
    ///
    /// ## What it does
    /// A MUL, DIV, ADD or SUB by a constant number for each channel, or one for all, behind a convolution
    /// or FULLY_CONNECTED goes: factors into weights and bias, terms into the bias, which the op gets where
    /// it has none. Batch normalisation that a converter left is the usual case. An activation of the MUL
    /// or ADD becomes that of the op.
    ///
    /// ## When it is safe
    /// The same numbers are computed, and rounded at other places. All is float32; weights and bias are
    /// constants, and for a factor nobody else reads the weights, so that they are in the file once. The op
    /// applies no activation, and nothing else reads what it computes. No number may become infinite that
    /// was finite.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,2]
    ///   %w = const : f32[2,2] = [1.0, 2.0, 3.0, 4.0]
    ///   %b = const : f32[2] = [0.5, -1.0]
    ///   %scale = const : f32[2] = [2.0, 4.0]
    ///   %shift = const : f32[2] = [10.0, 20.0]
    ///   %a = FULLY_CONNECTED(%x, %w, %b) : f32[1,2]
    ///   %scaled = MUL(%a, %scale) : f32[1,2]
    ///   %y = ADD(%scaled, %shift) {fused_activation_function = RELU} : f32[1,2]
    ///   output %y
    /// }
    /// ```
    /// becomes with `fuse-affine,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,2]
    ///   %"w;scaled" = const : f32[2,2] = [2.0, 4.0, 12.0, 16.0]
    ///   %"b;scaled;shifted" = const : f32[2] = [11.0, 16.0]
    ///   %y = FULLY_CONNECTED(%x, %"w;scaled", %"b;scaled;shifted") {fused_activation_function = RELU} : f32[1,2]
    ///   output %y
    /// }
    /// ```
    pub struct FuseAffine {}
}

impl Pass for FuseAffine {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let rules = rules();
        for sg in session.subgraphs() {
            apply_rules(session, sg, &rules)?;
        }
        Ok(())
    }
}

fn rules() -> [Rule; 2] {
    let of_constant = |kinds: &[i32]| {
        op_of(kinds).operand(0, Pattern::from(weighted())).operand(1, constant("c"))
    };
    [
        rule("factor or term behind weights", of_constant(&[ADD, MUL]).in_any_order()),
        rule("divisor or difference behind weights", of_constant(&[DIV, SUB])),
    ]
}

/// An op of one weight and at most one bias, whose result is along the channels of the weight.
fn weighted() -> OpPattern {
    op_that(|what| {
        let one = |role| what.slots(role).count() == 1;
        clamps(what) && one(OperandRole::Weight) && one(OperandRole::Bias)
    })
}

fn rule(name: &'static str, root: OpPattern) -> Rule {
    Rule::new(name, root)
        .when("it is about float32, with constant weights", |m| {
            Layer::of(m).is_some_and(|layer| layer.channels(m).is_some())
        })
        .guard("the op applies no activation", |m| {
            let layer = Layer::of(m).map(|layer| m.graph().op(layer.op));
            layer.and_then(activation) == Some(Activation::None)
        })
        .guard("the op can apply the activation", |m| {
            let wanted = activation(m.graph().op(m.root()));
            let none = wanted == Some(Activation::None);
            none || Layer::of(m)
                .zip(wanted)
                .is_some_and(|(layer, wanted)| can_apply(m.graph().op(layer.op), wanted))
        })
        .guard("nothing else reads what the op computes", |m| {
            Layer::of(m).is_some_and(|Layer { result, .. }| {
                m.graph().is_read_once(result) && !m.module().references(m.subgraph(), result).any()
            })
        })
        .guard("the result has the type of the op's", |m| {
            Layer::of(m).is_some_and(|layer| {
                let (was, is) = (m.graph().tensor(layer.result), m.tensor("result"));
                was.is_stored_like(is)
                    && was.is_ranked()
                    && was.shape == is.shape
                    && was.shape_signature == is.shape_signature
            })
        })
        .guard("there is one number for each channel or for all", |m| {
            Layer::of(m).is_some_and(|layer| numbers_of_channels(m, &layer).is_some())
        })
        .guard("the bias is a constant, or there is none", |m| {
            Layer::of(m).is_some_and(|layer| layer.bias(m).is_some())
        })
        .guard("nothing else reads the weights that change", |m| {
            Layer::of(m).is_some_and(|layer| {
                !is_factor(m)
                    || m.graph().is_read_once(layer.weight)
                        && !m.module().references(m.subgraph(), layer.weight).any()
            })
        })
        .guard("all numbers stay finite", |m| Fused::of(m).is_some_and(|fused| fused.is_finite()))
        .guard("the target's last release has the op so", |m| {
            let mut patch = Patch::new(m.subgraph(), "try a bias");
            fuse(m, &mut patch);
            is_in_release(m, patch)
        })
        .replace(fuse)
        .count("ops-rewritten")
}

fn is_factor(m: &Match<'_>) -> bool {
    let root = m.graph().op(m.root());
    root.kind.is(MUL) || root.kind.is(DIV)
}

/// The op with weights that the root reads.
struct Layer {
    op: OpId,
    result: TensorId,
    weight: TensorId,
    weight_slot: u32,
    bias_slot: u32,
}

impl Layer {
    fn of(m: &Match<'_>) -> Option<Self> {
        let graph = m.graph();
        let operands = graph.operands(m.root());
        let mut others = operands.iter().flatten().filter(|id| **id != m.id("c"));
        let result = *others.next()?;
        let (op, _) = graph.producer(result)?;
        let what = semantics_of(graph.op(op))?;
        let weight_slot = what.slots(OperandRole::Weight).next()?;
        let bias_slot = what.slots(OperandRole::Bias).next()?;
        let weight = graph.operand(op, weight_slot)?;
        Some(Self { op, result, weight, weight_slot, bias_slot })
    }

    /// The axis of the weight along which its channels lie, and how many there are.
    fn channels(&self, m: &Match<'_>) -> Option<(usize, usize)> {
        let weight = m.graph().tensor(self.weight);
        floats(m, self.weight)?;
        let axis = m.target().channel_axis(m.graph(), self.op, self.weight_slot)?;
        Some((axis, usize::try_from(*weight.shape.get(axis)?).ok()?))
    }

    /// The bias, where there is one; `None` where it is not known.
    fn bias(&self, m: &Match<'_>) -> Option<Option<(TensorId, Vec<f32>)>> {
        let Some(id) = m.graph().operand(self.op, self.bias_slot) else { return Some(None) };
        let bias = floats(m, id)?;
        let (_, channels) = self.channels(m)?;
        (bias.len() == channels).then_some(Some((id, bias)))
    }
}

/// The constant's numbers, one for each channel.
fn numbers_of_channels(m: &Match<'_>, layer: &Layer) -> Option<Vec<f32>> {
    let (_, channels) = layer.channels(m)?;
    let (c, result) = (m.tensor("c"), m.graph().tensor(layer.result));
    let numbers = floats(m, m.id("c"))?;
    if c.shape.len() > result.shape.len() || result.shape.last() != Some(&(channels as i32)) {
        return None;
    }
    match numbers[..] {
        [one] => Some(vec![one; channels]),
        _ if numbers.len() == channels && c.shape.last() == Some(&(channels as i32)) => {
            Some(numbers)
        }
        _ => None,
    }
}

/// What becomes of weights and bias; `None` for what stays.
struct Fused {
    weight: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
}

impl Fused {
    fn of(m: &Match<'_>) -> Option<Self> {
        let layer = Layer::of(m)?;
        let numbers = numbers_of_channels(m, &layer)?;
        let kind = &m.graph().op(m.root()).kind;
        let with = |value: f32, number: f32| match () {
            () if kind.is(MUL) => value * number,
            () if kind.is(DIV) => value / number,
            () if kind.is(SUB) => value - number,
            () => value + number,
        };
        let bias = layer.bias(m)?.map(|(_, bias)| bias);
        let each = |bias: Vec<f32>| {
            bias.into_iter().zip(&numbers).map(|(value, number)| with(value, *number)).collect()
        };
        if !is_factor(m) {
            let bias = bias.unwrap_or_else(|| vec![0.0; numbers.len()]);
            return Some(Self { weight: None, bias: Some(each(bias)) });
        }
        let (axis, channels) = layer.channels(m)?;
        let inner = &m.graph().tensor(layer.weight).shape[axis + 1..];
        let inner = inner.iter().map(|dim| *dim as usize).product::<usize>().max(1);
        let weight = floats(m, layer.weight)?;
        let channel = |n: usize| n / inner % channels.max(1);
        let weight = weight.into_iter().enumerate();
        let weight = weight.map(|(n, value)| with(value, numbers[channel(n)])).collect();
        Some(Self { weight: Some(weight), bias: bias.map(each) })
    }

    fn is_finite(&self) -> bool {
        let all = [&self.weight, &self.bias];
        all.into_iter().flatten().flatten().all(|value| value.is_finite())
    }
}

fn fuse(m: &Match<'_>, patch: &mut Patch) {
    let (Some(layer), Some(fused)) = (Layer::of(m), Fused::of(m)) else { return };
    let graph = m.graph();
    let mut operands: Vec<Option<TensorRef>> =
        graph.operands(layer.op).into_iter().map(|id| id.map(TensorRef::from)).collect();
    let verb = if is_factor(m) { "scaled" } else { "shifted" };
    if let Some(weight) = fused.weight {
        let old = graph.tensor(layer.weight);
        let name = format!("{};{verb}", old.label());
        let weight = new_floats(patch, name, &old.shape, &weight);
        operands[layer.weight_slot as usize] = Some(weight);
    }
    if let Some(bias) = fused.bias {
        let old = graph.operand(layer.op, layer.bias_slot).map(|id| graph.tensor(id).label());
        let name = match old {
            Some(old) => format!("{old};{verb}"),
            None => format!("{};bias", m.tensor("result").label()),
        };
        let slot = layer.bias_slot as usize;
        operands.resize(operands.len().max(slot + 1), None);
        operands[slot] = Some(new_floats(patch, name, &[bias.len() as i32], &bias));
    }
    let applied = graph.op(m.root()).number(Activation::ATTRIBUTE);
    let new = graph.op(layer.op).clone().with(Activation::ATTRIBUTE, Attr::Int(applied));
    patch.erase_op(layer.op);
    patch.replace_op(graph, m.root(), new, &operands);
    patch.erase_tensor(layer.result);
}

fn new_floats(patch: &mut Patch, name: String, shape: &[i32], values: &[f32]) -> TensorRef {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    patch.new_constant(Tensor::new(name, ElementType::Float32, shape), bytes.into())
}

/// The values of a float32 constant that nobody can change, as many as its shape says.
fn floats(m: &Match<'_>, id: TensorId) -> Option<Vec<f32>> {
    let tensor = m.graph().tensor(id);
    let bytes = m.module().fixed_constant(m.subgraph(), id)?;
    let values: Vec<f32> =
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let is_whole = tensor.elements() == Some(values.len() as u64);
    (tensor.ty == ElementType::Float32 && tensor.is_plain() && is_whole).then_some(values)
}
