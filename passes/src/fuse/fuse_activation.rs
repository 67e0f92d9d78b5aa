use super::{activation, can_apply, clamps, is_in_release};
use tfq_ir::catalog::op_by_name;
use tfq_ir::ops::{Activation, OperandRole, semantics_of};
use tfq_ir::{Attr, ElementType, OpId, Patch, QuantizationDetails, Tensor, TensorId};
use tfq_pass::rewrite::{Match, Rule, apply_rules, op_of, op_that};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: ExactButNanAndZero, scope: Subgraph, writes: [
        ADD, AVERAGE_POOL_2D, CONV_2D, CONV_3D, CONV_3D_TRANSPOSE, DEPTHWISE_CONV_2D, DIV,
        FULLY_CONNECTED, L2_POOL_2D, MAX_POOL_2D, MUL, SUB, TRANSPOSE_CONV
    ];
    /// Lets ops apply the RELU behind them themselves.
    ///
    /// ## What it does
    /// A RELU, RELU6 or RELU_N1_TO_1 of what a convolution, FULLY_CONNECTED, pool, ADD, SUB, MUL or DIV
    /// computes becomes that op's `fused_activation_function`. Converters of today do this; older files
    /// have many such pairs. TANH stays, since these ops pass over it.
    ///
    /// ## When it is safe
    /// The kernels clamp the same numbers to the same ends; only NaN and the sign of zero may differ.
    /// Nothing else may read what the op computes, which must have no activation yet, and a quantised
    /// tensor must have the same scale and zero point on both sides: elsewhere the RELU rounds once more.
    /// Ops with weights of fewer than 8 bits, or in blocks, stay: some kernels for them pass over the
    /// attribute.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %one = const : f32[4] = [1.0, 2.0, 3.0, 4.0]
    ///   %sum = ADD(%x, %one) : f32[4]
    ///   %y = RELU6(%sum) : f32[4]
    ///   output %y
    /// }
    /// ```
    /// becomes with `fuse-activation`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %one = const : f32[4] = [1.0, 2.0, 3.0, 4.0]
    ///   %y = ADD(%x, %one) {fused_activation_function = RELU6} : f32[4]
    ///   output %y
    /// }
    /// ```
    pub struct FuseActivation {}
}

impl Pass for FuseActivation {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

fn rule() -> Rule {
    let kinds: Vec<i32> = Activation::ALL.into_iter().filter_map(kind_of).collect();
    Rule::new("activation of what an op computes", op_of(&kinds).operand(0, op_that(clamps)))
        .when("the op can apply it", |m| {
            applied(m).is_some_and(|wanted| can_apply(m.graph().op(before(m).1), wanted))
        })
        .guard("the op applies none yet", |m| {
            activation(m.graph().op(before(m).1)) == Some(Activation::None)
        })
        .guard("nothing else reads what the op computes", |m| {
            let (between, _) = before(m);
            m.graph().is_read_once(between) && !m.module().references(m.subgraph(), between).any()
        })
        .guard("it is float32, or quantised alike on both sides", |m| {
            let (between, result) = (m.graph().tensor(before(m).0), m.tensor("result"));
            between.is_stored_like(result) && is_clamped_alike(result)
        })
        .guard("both sides state one shape", |m| {
            let (between, result) = (m.graph().tensor(before(m).0), m.tensor("result"));
            between.shape == result.shape && between.shape_signature == result.shape_signature
        })
        .guard("the weights are such that kernels do apply it", |m| {
            let (_, op) = before(m);
            let slots = semantics_of(m.graph().op(op)).map(|what| what.slots(OperandRole::Weight));
            let weights =
                slots.into_iter().flatten().filter_map(|slot| m.graph().operand(op, slot));
            weights.into_iter().all(|id| has_whole_bytes(m.graph().tensor(id)))
        })
        .guard("the target's last release has the op with one", |m| {
            let mut patch = Patch::new(m.subgraph(), "try an activation");
            fuse(m, &mut patch);
            is_in_release(m, patch)
        })
        .replace(fuse)
        .count("ops-rewritten")
}

/// The op that is an activation and nothing else has its name.
fn kind_of(activation: Activation) -> Option<i32> {
    op_by_name(activation.name()).map(|op| op.code)
}

/// Which activation the root is.
fn applied(m: &Match<'_>) -> Option<Activation> {
    let root = m.graph().op(m.root());
    Activation::ALL.into_iter().find(|one| kind_of(*one).is_some_and(|kind| root.kind.is(kind)))
}

/// What the root reads, and what computes that.
fn before(m: &Match<'_>) -> (TensorId, OpId) {
    let between = m.graph().operand(m.root(), 0).expect("the pattern has one");
    let (op, _) = m.graph().producer(between).expect("the pattern has one");
    (between, op)
}

fn fuse(m: &Match<'_>, patch: &mut Patch) {
    let Some(wanted) = applied(m) else { return };
    if let Some(op) = patch.fuse_into_producer(m.graph(), m.root(), 0) {
        patch.set_attr(op, Activation::ATTRIBUTE, Attr::Int(wanted as i64));
    }
}

/// Whether ops clamp it to the ends that an activation on its own has.
fn is_clamped_alike(tensor: &Tensor) -> bool {
    match tensor.ty {
        ElementType::Float32 => tensor.scales() == 0,
        ElementType::Int8 | ElementType::UInt8 | ElementType::Int16 => tensor.scales() == 1,
        _ => false,
    }
}

fn has_whole_bytes(weight: &Tensor) -> bool {
    let blocks = |details: &QuantizationDetails| details.scales_and_zero_points().is_some();
    !weight.quantization.as_ref().is_some_and(|q| blocks(&q.details))
        && matches!(weight.ty, ElementType::Float32 | ElementType::Int8 | ElementType::UInt8)
}
