use tfq_ir::catalog::ops::{
    BROADCAST_TO, CAST, CONCATENATION, DEQUANTIZE, MIRROR_PAD, PAD, PADV2, RESHAPE, SLICE,
    STRIDED_SLICE, TILE, TRANSPOSE,
};
use tfq_ir::{Module, OpKind};
use tfq_pass::rewrite::{Match, Rule, any, apply_rules, constant, op, op_of};
use tfq_pass::{Context, Pass, PassError, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph;
    /// Drops ops whose result is their operand.
    ///
    /// ## What it does
    /// RESHAPE, BROADCAST_TO and TILE to the shape that is there, TRANSPOSE that keeps the order,
    /// CAST to the same type, PAD by nothing, SLICE and STRIDED_SLICE of everything, and
    /// CONCATENATION of one tensor give way to their operand. Where the subgraph returns the
    /// result, the operand's producer writes it, under its name.
    ///
    /// ## When it is safe
    /// Results are bit-identical: operand and result must agree in type, shape, signature and
    /// every field of quantisation, and the constants that steer the op must say that it does
    /// nothing. A dimension unknown before run time is let pass where the op cannot change it:
    /// BROADCAST_TO, SLICE and STRIDED_SLICE must know all, and a RESHAPE all but one. Tensors
    /// of unknown rank stay, and so does what a signature or another tensor's quantisation
    /// names. Arithmetic such as adding 0 is not touched, since it changes -0.0 and NaN.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2,3]
    ///   %order = const : i32[2] = [0, 1]
    ///   %same = TRANSPOSE(%x, %order) : f32[2,3]
    ///   %y = NEG(%same) : f32[2,3]
    ///   output %y
    /// }
    /// ```
    /// becomes with `remove-identities,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2,3]
    ///   %y = NEG(%x) : f32[2,3]
    ///   output %y
    /// }
    /// ```
    pub struct RemoveIdentities {}
}

impl Pass for RemoveIdentities {
    fn run(&self, module: &mut Module, cx: &mut Context<'_>) -> Result<(), PassError> {
        let rules = rules();
        for sg in cx.subgraphs(module) {
            apply_rules(module, sg, &rules, cx)?;
        }
        Ok(())
    }
}

fn rules() -> Vec<Rule> {
    let x = || any("x");
    vec![
        identity("reshape to the same shape", op(RESHAPE).operand(0, x()))
            .guard("the number of elements decides every dimension", is_decided)
            .forward("x"),
        identity("broadcast to the same shape", op(BROADCAST_TO).operand(0, x()))
            .guard("every dimension is known", is_static)
            .forward("x"),
        identity("cast to the same type", op(CAST).operand(0, x())).forward("x"),
        identity(
            "transpose that keeps the order",
            op(TRANSPOSE).operand(0, x()).operand(1, constant("order")),
        )
        .guard("the order is 0, 1, 2, ...", |m| all(m, "order", |n, v| v == n as i32))
        .forward("x"),
        identity(
            "pad by nothing",
            op_of(&[PAD, PADV2, MIRROR_PAD]).operand(0, x()).operand(1, constant("amounts")),
        )
        .guard("every amount is 0", |m| all(m, "amounts", |_, v| v == 0))
        .forward("x"),
        identity("tile once", op(TILE).operand(0, x()).operand(1, constant("times")))
            .guard("every multiple is 1", |m| all(m, "times", |_, v| v == 1))
            .forward("x"),
        identity("slice of everything", op(SLICE).operand(0, x()).operand(1, constant("begin")))
            .guard("it begins at 0", |m| all(m, "begin", |_, v| v == 0))
            .guard("every dimension is known", is_static)
            .forward("x"),
        identity(
            "strided slice of everything",
            op(STRIDED_SLICE).operand(0, x()).operand(3, constant("strides")),
        )
        .guard("every stride is 1", |m| all(m, "strides", |_, v| v == 1))
        .guard("every dimension is known", is_static)
        .forward("x"),
        identity("concatenation of one", op(CONCATENATION).operand(0, x()))
            .guard("it has one operand", |m| m.graph().operands(m.root()).len() == 1)
            .guard("no activation is fused", |m| {
                m.graph().op(m.root()).int("fused_activation_function").unwrap_or(0) == 0
            })
            .forward("x"),
    ]
}

/// A rule for an op whose result has the type and shape of its operand `x`.
fn identity(name: &'static str, root: tfq_pass::rewrite::OpPattern) -> Rule {
    Rule::new(name, root)
        .guard("operand and result are stored alike", |m| m.same_type("x", "result"))
        // XNNPACK never writes the result of a Dequantize of a constant: `insert-dequant` puts
        // a copy behind it where the subgraph returns it.
        .guard("no output is left to a Dequantize of a constant", |m| !is_needed_copy(m))
}

fn is_needed_copy(m: &Match<'_>) -> bool {
    let graph = m.graph();
    let producer = graph.producer(m.id("x")).map(|(op, _)| &graph.op(op).kind);
    graph.is_output(m.id("result")) && producer == Some(&OpKind::Builtin(DEQUANTIZE))
}

/// Whether the int32 constant is there and every value is as it should be at its index.
fn all(m: &Match<'_>, name: &str, holds: impl Fn(usize, i32) -> bool) -> bool {
    m.int32s(name).is_some_and(|values| values.iter().enumerate().all(|(n, v)| holds(n, *v)))
}

/// Whether a RESHAPE to the same dimensions, as far as they are known, keeps those that are not:
/// the elements divided by all others give one, but not by 0.
fn is_decided(m: &Match<'_>) -> bool {
    let x = m.tensor("x");
    let known: Vec<i32> = (0..x.shape.len()).filter_map(|n| x.known_dim(n)).collect();
    match x.shape.len() - known.len() {
        0 => true,
        1 => !known.contains(&0),
        _ => false,
    }
}

fn is_static(m: &Match<'_>) -> bool {
    m.tensor("x").is_static()
}
