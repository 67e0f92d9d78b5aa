use super::{activation, clamps};
use tfq_ir::catalog::ops::{
    ADD, MAXIMUM, MINIMUM, MUL, NEG, PRELU, RELU, RELU_N1_TO_1, RELU6, SUB,
};
use tfq_ir::ops::{Activation, semantics_of};
use tfq_ir::{ElementType, Op, OpId, Tensor, TensorId};
use tfq_pass::rewrite::{Match, OpPattern, Rule, any, apply_rules, constant, erase_dead_ops, op};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: ExactButNanAndZero, scope: Subgraph, writes: [PRELU, RELU, RELU6, RELU_N1_TO_1];
    /// Writes what clamps as a RELU does as one, and a PReLU that was spelt out as PRELU.
    ///
    /// ## What it does
    /// MAXIMUM(x, 0) becomes RELU, with MINIMUM(…, 6) around it or in it RELU6; a MAXIMUM by -1 and a
    /// MINIMUM by 1 become RELU_N1_TO_1. RELU(x) - a·RELU(-x), as litert-torch writes PReLU, and RELU(x) +
    /// a·MINIMUM(x, 0) become PRELU(x, a). One op takes the place of up to four, and `fuse-activation`
    /// finds those that an op can apply itself.
    ///
    /// ## When it is safe
    /// Only NaN, which MAXIMUM and MINIMUM may drop, and the sign of zero can differ. All is float32,
    /// bounds are constants of one element, and `a` is a constant for each channel. ADD, SUB and MUL keep
    /// to finite numbers on CPUs and PRELU does not, so that PReLU is recognised where none can become
    /// infinite: behind an op that keeps to them as well, with `a` from -1 to 1.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %six = const : f32[] = 6.0
    ///   %zero = const : f32[] = 0.0
    ///   %most = MINIMUM(%x, %six) : f32[4]
    ///   %y = MAXIMUM(%most, %zero) : f32[4]
    ///   output %y
    /// }
    /// ```
    /// becomes with `recognize-activations,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %y = RELU6(%x) : f32[4]
    ///   output %y
    /// }
    /// ```
    pub struct RecognizeActivations {}
}

impl Pass for RecognizeActivations {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let rules = rules();
        for sg in session.subgraphs() {
            // What reads a tensor in vain keeps others from fusing with what computes it.
            if apply_rules(session, sg, &rules)? > 0 {
                erase_dead_ops(session, sg)?;
            }
        }
        Ok(())
    }
}

fn rules() -> [Rule; 7] {
    let bounded = |kind, x: OpPattern, bound: &'static str| {
        op(kind).operand(0, x).operand(1, constant(bound)).in_any_order()
    };
    let at_least =
        |bound: &'static str| op(MAXIMUM).operand(0, any("x")).operand(1, constant(bound));
    let at_most =
        |bound: &'static str| op(MINIMUM).operand(0, any("x")).operand(1, constant(bound));
    let relu = || op(RELU).operand(0, any("x"));
    [
        clamp("maximum by 0", at_least("low").in_any_order(), &[("low", 0.0)], RELU),
        clamp("minimum by 6 of a RELU", bounded(MINIMUM, relu(), "high"), &[("high", 6.0)], RELU6),
        clamp(
            "RELU of a minimum by 6",
            op(RELU).operand(0, at_most("high").in_any_order()),
            &[("high", 6.0)],
            RELU6,
        ),
        clamp(
            "minimum by 1 of a maximum by -1",
            bounded(MINIMUM, at_least("low").in_any_order(), "high"),
            &[("low", -1.0), ("high", 1.0)],
            RELU_N1_TO_1,
        ),
        clamp(
            "maximum by -1 of a minimum by 1",
            bounded(MAXIMUM, at_most("high").in_any_order(), "low"),
            &[("low", -1.0), ("high", 1.0)],
            RELU_N1_TO_1,
        ),
        prelu("PReLU as a difference", op(SUB).operand(0, relu()).operand(1, scaled()), |m| {
            below_zero_turned(m, m.id("part"))
        }),
        prelu(
            "PReLU as a sum",
            op(ADD).operand(0, relu()).operand(1, scaled()).in_any_order(),
            |m| below_zero(m, m.id("part")),
        ),
    ]
}

/// A rule for what clamps `x` to these bounds, as an op of this kind does.
fn clamp(
    name: &'static str,
    root: OpPattern,
    bounds: &'static [(&'static str, f32)],
    kind: i32,
) -> Rule {
    Rule::new(name, root)
        .when("it is float32, and the bounds are those", move |m| {
            m.tensor("x").ty == ElementType::Float32
                && bounds.iter().all(|(name, bound)| number(m, m.id(name)) == Some(*bound))
        })
        .guard("the bounds add no dimension", |m| {
            let rank = m.tensor("x").shape.len();
            bounds.iter().all(|(name, _)| m.tensor(name).shape.len() <= rank)
        })
        .guard("operand and result have one type", |m| m.same_type("x", "result"))
        .replace(move |m, patch| {
            let operands = [Some(m.id("x").into())];
            patch.replace_op(m.graph(), m.root(), Op::builtin(kind), &operands);
        })
        .count("ops-rewritten")
}

/// A product of a constant.
fn scaled() -> OpPattern {
    let product = op(MUL).operand(0, any("part")).operand(1, constant("alpha"));
    product.in_any_order().named("scaled")
}

/// A rule for a PReLU whose negative part, as `part` finds it, is multiplied by a constant.
fn prelu(name: &'static str, root: OpPattern, part: fn(&Match<'_>) -> Option<TensorId>) -> Rule {
    Rule::new(name, root)
        .when("it is float32, and the product is of the numbers below 0", move |m| {
            m.tensor("x").ty == ElementType::Float32 && part(m) == Some(m.id("x"))
        })
        .sure_shapes(&["x", "result"])
        .guard("operand and result have one type", |m| m.same_type("x", "result"))
        .guard("product and sum apply no activation", |m| {
            let ops = [m.op("scaled"), m.graph().op(m.root())];
            ops.iter().all(|op| activation(op) == Some(Activation::None))
        })
        .guard("there is a factor for each channel", |m| {
            is_for_each_channel(m.tensor("alpha"), m.tensor("x"))
        })
        .guard("nothing can become infinite", |m| {
            let producer = m.graph().producer(m.id("x"));
            let what = producer.and_then(|(op, _)| semantics_of(m.graph().op(op)));
            let factors = m.bytes("alpha").map(|bytes| bytes.as_chunks().0);
            what.is_some_and(clamps)
                && factors.is_some_and(|all| {
                    all.iter().all(|factor| f32::from_le_bytes(*factor).abs() <= 1.0)
                })
        })
        .replace(|m, patch| {
            let operands = [Some(m.id("x").into()), Some(m.id("alpha").into())];
            patch.replace_op(m.graph(), m.root(), Op::builtin(PRELU), &operands);
        })
        .count("ops-rewritten")
}

/// XNNPACK takes factors along the last dimension only.
fn is_for_each_channel(alpha: &Tensor, x: &Tensor) -> bool {
    let Some((channels, front)) = alpha.shape.split_last() else { return false };
    alpha.ty == ElementType::Float32
        && alpha.is_plain()
        && alpha.shape.len() <= x.shape.len()
        && front.iter().all(|dim| *dim == 1)
        && x.shape.last() == Some(channels)
}

/// The tensor of which this is what lies below 0, and 0 elsewhere.
fn below_zero(m: &Match<'_>, part: TensorId) -> Option<TensorId> {
    if let Some(least) = with_number(m, part, MINIMUM, 0.0) {
        return Some(least);
    }
    below_zero_turned(m, operand_of(m, part, NEG)?)
}

/// The same where the sign is turned.
fn below_zero_turned(m: &Match<'_>, part: TensorId) -> Option<TensorId> {
    let (op, _) = m.graph().producer(part)?;
    if activation(m.graph().op(op)) == Some(Activation::Relu) {
        return with_number(m, part, MUL, -1.0);
    }
    let turned = operand_of(m, part, RELU)?;
    let (op, _) = m.graph().producer(turned)?;
    let is_plain = activation(m.graph().op(op)) == Some(Activation::None);
    let product = || with_number(m, turned, MUL, -1.0).filter(|_| is_plain);
    operand_of(m, turned, NEG).or_else(product)
}

/// The operand of the op that computes this, if it is of this kind.
fn operand_of(m: &Match<'_>, result: TensorId, kind: i32) -> Option<TensorId> {
    m.graph().operand(producer_of(m, result, kind)?, 0)
}

/// The other operand of the op that computes this, if it is of this kind and one of its two is this number.
fn with_number(m: &Match<'_>, result: TensorId, kind: i32, wanted: f32) -> Option<TensorId> {
    let op = producer_of(m, result, kind)?;
    let [a, b] = [m.graph().operand(op, 0)?, m.graph().operand(op, 1)?];
    let is_wanted = |id| number(m, id) == Some(wanted);
    if is_wanted(b) { Some(a) } else { is_wanted(a).then_some(b) }
}

fn producer_of(m: &Match<'_>, result: TensorId, kind: i32) -> Option<OpId> {
    let (op, _) = m.graph().producer(result)?;
    m.graph().op(op).kind.is(kind).then_some(op)
}

/// The value of a constant of one float32.
fn number(m: &Match<'_>, id: TensorId) -> Option<f32> {
    let tensor = m.graph().tensor(id);
    let bytes = m.module().fixed_constant(m.subgraph(), id)?;
    let bytes = <[u8; 4]>::try_from(&bytes[..]).ok()?;
    let single =
        tensor.ty == ElementType::Float32 && tensor.is_plain() && tensor.elements() == Some(1);
    single.then(|| f32::from_le_bytes(bytes))
}
