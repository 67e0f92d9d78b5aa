//! Ops in the form that the target runs well: each pass asks it what runs slowly there, and writes what
//! computes the same sooner.

pub(crate) mod compute_in_float;
pub(crate) mod convert_batch_matmul;
pub(crate) mod expand_broadcast_to;
pub(crate) mod expand_mirror_pad;
mod one_step;

use tfq_ir::OpId;
use tfq_pass::rewrite::{Match, OpPattern, Rule};

/// A rule for an op that the target had better run as other ops, which it calls `to` and people `what`; the
/// operand `x` and the result have shapes that are known and are stored alike otherwise.
fn form(name: &'static str, to: &'static str, what: &'static str, root: OpPattern) -> Rule {
    Rule::new(name, root)
        .when("the target is slow at it", move |m| equivalent(m, m.root(), to).is_some())
        .sure_shapes(&["x", "result"])
        .guard("operand and result are stored alike", |m| {
            m.tensor("x").is_stored_like(m.tensor("result"))
        })
        .tell("rewritten", move |m| {
            let why = equivalent(m, m.root(), to).unwrap_or_default();
            format!("{} as {what}: {why}", m.graph().op(m.root()).kind)
        })
        .count("ops-rewritten")
}

/// Why the target is slow at an op, if it had better run as other ops, which it calls by this name.
fn equivalent<'m>(m: &Match<'m>, op: OpId, to: &str) -> Option<&'m str> {
    let better = m.target().equivalent(m.module(), m.subgraph(), op)?;
    (better.name == to).then_some(better.reason)
}
