use super::{reshape, view};
use crate::vector::vector;
use tfq_ir::catalog::ops::TRANSPOSE;
use tfq_ir::ops::axis;
use tfq_ir::{Op, OpId, Patch};
use tfq_pass::rewrite::{Match, OpPattern, Rule, any, apply_rules, op};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [RESHAPE, TRANSPOSE];
    /// Makes one RESHAPE or TRANSPOSE of several.
    ///
    /// ## What it does
    /// A RESHAPE, SQUEEZE or EXPAND_DIMS of what another one made becomes one RESHAPE; a TRANSPOSE of a
    /// TRANSPOSE becomes one, or goes where they cancel out; and a TRANSPOSE that moves only
    /// dimensions of 1 becomes a RESHAPE. Models run about as fast as before on CPUs, with fewer ops; what
    /// counts is that later passes and delegates see less in between.
    ///
    /// ## When it is safe
    /// Results are bit-identical: the order of elements does not change. Dimensions must be known, and
    /// the orders of a TRANSPOSE constants. A tensor that a caller or a signature asks for stays.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2,3,1]
    ///   %order = const : i32[3] = [2, 0, 1]
    ///   %a = TRANSPOSE(%x, %order) : f32[1,2,3]
    ///   %b = RESHAPE(%a) {new_shape = [6]} : f32[6]
    ///   %y = NEG(%b) : f32[6]
    ///   output %y
    /// }
    /// ```
    /// becomes with `simplify-views,eliminate-dead-ops,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2,3,1]
    ///   %b = RESHAPE(%x) {new_shape = [6]} : f32[6]
    ///   %y = NEG(%b) : f32[6]
    ///   output %y
    /// }
    /// ```
    pub struct SimplifyViews {}
}

impl Pass for SimplifyViews {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let rules = rules();
        for sg in session.subgraphs() {
            apply_rules(session, sg, &rules)?;
        }
        Ok(())
    }
}

fn rules() -> [Rule; 4] {
    let twice = || op(TRANSPOSE).operand(0, op(TRANSPOSE).operand(0, any("x")));
    [
        rule("view of a view", view().operand(0, view().operand(0, any("x"))))
            .guard("a RESHAPE can say the shape", |m| reshape(m.tensor("result")).is_some())
            .replace(as_reshape),
        rule("transpose of unit dimensions", op(TRANSPOSE).operand(0, any("x")))
            .guard("the order is a constant", |m| order(m, m.root()).is_some())
            .when("only dimensions of 1 move", |m| {
                order(m, m.root()).is_some_and(|order| keeps_elements(&m.tensor("x").shape, &order))
            })
            .guard("a RESHAPE can say the shape", |m| reshape(m.tensor("result")).is_some())
            .replace(as_reshape),
        rule("transposes that cancel out", twice())
            .guard("the orders are constants", |m| composed(m).is_some())
            .when("the second undoes the first", |m| {
                composed(m).is_some_and(|order| is_same(&order))
            })
            .guard("operand and result have one type", |m| m.same_type("x", "result"))
            .forward("x"),
        rule("transpose of a transpose", twice())
            .guard("the orders are constants", |m| composed(m).is_some())
            .when("they do not cancel out", |m| composed(m).is_some_and(|order| !is_same(&order)))
            .replace(|m, patch| {
                let Some(order) = composed(m) else { return };
                let order: Vec<i32> = order.into_iter().map(|n| n as i32).collect();
                let name = format!("{};order", m.tensor("result").label());
                let order = vector(patch, name, &order);
                let operands = [Some(m.id("x").into()), Some(order)];
                patch.replace_op(m.graph(), m.root(), Op::builtin(TRANSPOSE), &operands);
            }),
    ]
}

fn rule(name: &'static str, root: OpPattern) -> Rule {
    Rule::new(name, root)
        .sure_shapes(&["x", "result"])
        .guard("operand and result are stored alike", |m| {
            m.tensor("x").is_stored_like(m.tensor("result"))
        })
        .count("ops-rewritten")
}

fn as_reshape(m: &Match<'_>, patch: &mut Patch) {
    let Some(new) = reshape(m.tensor("result")) else { return };
    patch.replace_op(m.graph(), m.root(), new, &[Some(m.id("x").into())]);
}

/// In what order a TRANSPOSE takes the dimensions, if that is a constant and one of each.
fn order(m: &Match<'_>, at: OpId) -> Option<Vec<usize>> {
    let rank = m.graph().tensor(m.graph().operand(at, 0)?).shape.len();
    let values = m.integers_at(at, 1)?;
    let order: Vec<usize> = values.iter().map(|n| axis(*n, rank)).collect::<Option<_>>()?;
    let mut seen = order.clone();
    seen.sort_unstable();
    seen.iter().copied().eq(0..rank).then_some(order)
}

/// The order of two TRANSPOSE ops, one behind the other.
fn composed(m: &Match<'_>) -> Option<Vec<usize>> {
    let outer = order(m, m.root())?;
    let (inner, _) = m.graph().producer(m.graph().operand(m.root(), 0)?)?;
    let inner = order(m, inner)?;
    outer.into_iter().map(|n| inner.get(n).copied()).collect()
}

fn is_same(order: &[usize]) -> bool {
    order.iter().copied().eq(0..order.len())
}

/// Whether dimensions of more than one index stay in order, so that all elements do.
fn keeps_elements(shape: &[i32], order: &[usize]) -> bool {
    let moved = order.iter().filter(|n| shape.get(**n).is_some_and(|dim| *dim != 1));
    moved.is_sorted()
}
