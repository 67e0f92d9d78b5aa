//! Rounding twice.

use tfq_opt::ir::catalog::ops::FLOOR;
use tfq_opt::pass::rewrite::{Rule, any, apply_rules, op};
use tfq_opt::pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    name: "acme.remove-floor-of-floor", contract: Exact, scope: Subgraph;
    /// Drops a FLOOR of a FLOOR.
    ///
    /// ## What it does
    /// `FLOOR(FLOOR(x))` becomes `FLOOR(x)`.
    ///
    /// ## When it is safe
    /// Results are bit-identical: rounding a whole number down changes nothing.
    pub struct RemoveFloorOfFloor {}
}

impl Pass for RemoveFloorOfFloor {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

/// `whole` is the inner FLOOR's result.
fn rule() -> Rule {
    Rule::new("floor of floor", op(FLOOR).operand(0, any("whole")))
        .guard("a FLOOR computes the operand", |m| {
            let producer = m.graph().producer(m.id("whole"));
            producer.is_some_and(|(op, _)| m.graph().op(op).kind.is(FLOOR))
        })
        .guard("operand and result are stored alike", |m| m.same_type("whole", "result"))
        .forward("whole")
}
