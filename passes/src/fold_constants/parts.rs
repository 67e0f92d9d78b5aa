//! Constants that are joined.

use tfq_ir::{Tensor, TensorId};
use tfq_pass::rewrite::Match;

/// What the op joins, where all of it is constant.
pub(super) fn of(m: &Match<'_>) -> Option<Vec<TensorId>> {
    let parts: Vec<TensorId> = m.graph().operands(m.root()).into_iter().collect::<Option<_>>()?;
    let fixed = |id: &TensorId| m.module().fixed_constant(m.subgraph(), *id).is_some();
    parts.iter().all(fixed).then_some(parts)
}

/// Whether bytes are copied as they are: one type, no scales and no activation.
pub(super) fn are_plain(m: &Match<'_>) -> bool {
    let result = m.tensor("result");
    let alike = |id: &TensorId| {
        let part = m.graph().tensor(*id);
        part.ty == result.ty && part.scales() == 0 && part.shape.len() == result.shape.len()
    };
    let activation = m.graph().op(m.root()).int("fused_activation_function").unwrap_or(0);
    activation == 0 && result.scales() == 0 && of(m).is_some_and(|parts| parts.iter().all(alike))
}

pub(super) fn element_bytes(tensor: &Tensor) -> Option<usize> {
    let bits = tensor.ty.bits()?;
    (bits % 8 == 0).then_some(bits as usize / 8)
}
