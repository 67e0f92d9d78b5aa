//! Ops in the form that the target runs well: each pass asks it what runs slowly there, and writes what
//! computes the same sooner.

pub(crate) mod convert_batch_matmul;
pub(crate) mod expand_broadcast_to;
pub(crate) mod expand_mirror_pad;

use tfq_ir::Tensor;
use tfq_pass::rewrite::{Match, OpPattern, Rule};

/// A rule for an op that the target had better run as other ops, which it calls by this name, and whose
/// operand `x` and result have shapes that are known and are stored alike otherwise.
fn form(name: &'static str, to: &'static str, root: OpPattern) -> Rule {
    Rule::new(name, root)
        .when("the target is slow at it", move |m| {
            let better = m.target().equivalent(m.module(), m.subgraph(), m.root());
            better.is_some_and(|better| better.name == to)
        })
        .guard("every dimension is known", |m| {
            m.tensor("x").is_static() && m.tensor("result").is_static()
        })
        .guard("operand and result are stored alike", |m| {
            let (x, result) = (m.tensor("x"), m.tensor("result"));
            x.ty == result.ty
                && x.quantization == result.quantization
                && x.scales() <= 1
                && is_plain(x)
                && is_plain(result)
        })
}

fn is_plain(tensor: &Tensor) -> bool {
    !tensor.is_variable && tensor.sparsity.is_none() && tensor.expressed.is_none()
}

/// Why the target is slow at the root, for a remark.
fn reason(m: &Match<'_>) -> String {
    let better = m.target().equivalent(m.module(), m.subgraph(), m.root());
    better.map_or_else(String::new, |better| better.reason.to_owned())
}
