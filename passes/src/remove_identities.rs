use tfq_ir::catalog::ops::{
    BROADCAST_TO, CAST, CONCATENATION, RESHAPE, SLICE, STRIDED_SLICE, TILE, TRANSPOSE,
};
use tfq_ir::ops::{OpSemantics, ShapeRule};
use tfq_ir::{Attr, ElementType};
use tfq_pass::rewrite::{Match, Rule, any, apply_rules, op, op_that};
use tfq_pass::{Pass, PassError, Session, declare_pass};

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
    /// every field of quantisation, and whatever steers the op (shape, size, order, amounts, begin,
    /// end) must be a constant that says that it does nothing: the shape that the file states for
    /// a result is not believed where it is computed at run time. A dimension unknown before run
    /// time is let pass where the op cannot change it: BROADCAST_TO, SLICE and STRIDED_SLICE must
    /// know all, and a RESHAPE all but one. Tensors of unknown rank stay, and so does what a
    /// signature or another tensor's quantisation names. Arithmetic such as adding 0 is not
    /// touched, since it changes -0.0 and NaN.
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
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let rules = rules();
        for sg in session.subgraphs() {
            apply_rules(session, sg, &rules)?;
        }
        Ok(())
    }
}

fn rules() -> Vec<Rule> {
    let x = || any("x");
    vec![
        identity("reshape to the same shape", op(RESHAPE).operand(0, x()))
            .guard("constants keep every dimension", keeps_dimensions)
            .forward("x"),
        identity("broadcast to the same shape", op(BROADCAST_TO).operand(0, x()))
            .sure_shapes(&["x"])
            .guard("a constant keeps every dimension", |m| every(m, 1, |n, v| v == dim(m, n)))
            .forward("x"),
        identity("cast to the same type", op(CAST).operand(0, x())).forward("x"),
        identity("transpose that keeps the order", op(TRANSPOSE).operand(0, x()))
            .guard("the order is a constant 0, 1, 2, ...", |m| every(m, 1, |n, v| v == n as i64))
            .forward("x"),
        identity("pad by nothing", op_that(is_pad).operand(0, x()))
            .guard("every amount is a constant 0", |m| every(m, 1, |_, v| v == 0))
            .forward("x"),
        identity("tile once", op(TILE).operand(0, x()))
            .guard("every multiple is a constant 1", |m| every(m, 1, |_, v| v == 1))
            .forward("x"),
        identity("slice of everything", op(SLICE).operand(0, x()))
            .sure_shapes(&["x"])
            .guard("it begins at a constant 0", |m| every(m, 1, |_, v| v == 0))
            .guard("constants say that it takes every dimension whole", |m| {
                every(m, 2, |n, v| v == -1 || v == dim(m, n))
            })
            .forward("x"),
        identity("strided slice of everything", op(STRIDED_SLICE).operand(0, x()))
            .sure_shapes(&["x"])
            .guard("every stride is a constant 1", |m| every(m, 3, |_, v| v == 1))
            .guard("it adds and drops no dimension", |m| {
                let zero = |name: &&str| flag(m, name) == 0;
                ["ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset"].iter().all(zero)
            })
            .guard("it begins at a constant 0", |m| {
                every(m, 1, |n, v| v == 0 || v == -dim(m, n) || is_masked(m, "begin_mask", n))
            })
            .guard("constants say that it takes every dimension whole", |m| {
                every(m, 2, |n, v| v >= dim(m, n) || is_masked(m, "end_mask", n))
            })
            .forward("x"),
        identity("concatenation of one", op(CONCATENATION).operand(0, x()))
            .guard("it has one operand", |m| m.graph().operands(m.root()).len() == 1)
            .guard("no activation is fused", |m| flag(m, "fused_activation_function") == 0)
            .forward("x"),
    ]
}

/// What puts something around its first operand, as much as the second says.
fn is_pad(what: &OpSemantics) -> bool {
    what.moves_values && what.shape == ShapeRule::Pad
}

/// A rule for an op whose result has the type and shape of its operand `x`.
fn identity(name: &'static str, root: tfq_pass::rewrite::OpPattern) -> Rule {
    Rule::new(name, root)
        .guard("operand and result are stored alike", |m| m.same_type("x", "result"))
        // `insert-dequant` puts a copy behind what the target would leave unwritten as an output.
        .guard("no output is left unwritten", |m| !is_needed_copy(m))
}

fn is_needed_copy(m: &Match<'_>) -> bool {
    let graph = m.graph();
    let made_by = graph.producer(m.id("x")).map(|(op, _)| op);
    graph.is_output(m.id("result")) && made_by.is_some_and(|op| m.leaves_unwritten(op))
}

/// Whether the operand is an integer constant and every value is as it should be at its index.
fn every(m: &Match<'_>, slot: u32, holds: impl Fn(usize, i64) -> bool) -> bool {
    m.operand_integers(slot)
        .is_some_and(|values| values.iter().enumerate().all(|(n, v)| holds(n, *v)))
}

/// A dimension of `x`, which must be known; none has this many elements where there are not so
/// many dimensions.
fn dim(m: &Match<'_>, n: usize) -> i64 {
    m.tensor("x").shape.get(n).map_or(i64::MAX, |dim| i64::from(*dim))
}

/// An attribute that is a number or a flag; 0 where it is left out.
fn flag(m: &Match<'_>, name: &str) -> i64 {
    let op = m.graph().op(m.root());
    op.int(name).or_else(|| op.bool(name).map(i64::from)).unwrap_or(0)
}

fn is_masked(m: &Match<'_>, mask: &str, n: usize) -> bool {
    n < 32 && flag(m, mask) >> n & 1 == 1
}

/// Whether a RESHAPE gives the dimensions that `x` has. One that is -1, or unknown in `x`, is what
/// the elements divided by all others give, but not where these are 0.
fn keeps_dimensions(m: &Match<'_>) -> bool {
    let (Some(target), x) = (new_shape(m), m.tensor("x")) else { return false };
    let known: Vec<Option<i64>> =
        (0..x.shape.len()).map(|n| x.known_dim(n).map(i64::from)).collect();
    if target.len() != known.len() {
        return false;
    }
    let pairs = || known.iter().zip(&target);
    let mut open = pairs().filter(|(known, target)| **known != Some(**target));
    match (open.next(), open.next()) {
        (None, _) => true,
        (Some((known, target)), None) => {
            (known.is_none() || *target == -1) && !pairs().any(|(known, _)| *known == Some(0))
        }
        _ => false,
    }
}

/// Where a RESHAPE has its shape from: operand 1, if that is a vector of int32, else the
/// attribute. `None` where it is not known before run time.
fn new_shape(m: &Match<'_>) -> Option<Vec<i64>> {
    let graph = m.graph();
    let operand = graph.operand(m.root(), 1).map(|id| graph.tensor(id));
    if operand.is_some_and(|shape| shape.ty == ElementType::Int32 && shape.shape.len() == 1) {
        return m.operand_integers(1);
    }
    match graph.op(m.root()).attrs.as_ref()?.get("new_shape")? {
        Attr::Ints(shape) => Some(shape.to_vec()),
        _ => None,
    }
}
