//! One op in the place of several.

pub(crate) mod fuse_activation;
pub(crate) mod fuse_affine;
pub(crate) mod fuse_dilated_conv;
pub(crate) mod fuse_pad;
pub(crate) mod recognize_activations;

use tfq_ir::ops::{Activation, OpClass, OpSemantics, semantics_of};
use tfq_ir::{Op, Patch};
use tfq_pass::rewrite::Match;

/// Whether an op clamps its result at the end: its kernels have an activation there, and where that is
/// NONE they keep to finite numbers. That of a recurrent op is inside, where its state comes from.
fn clamps(what: &OpSemantics) -> bool {
    what.class != OpClass::Recurrent && what.activations.is_some_and(|can| !can.is_empty())
}

/// The activation that the op applies to its result.
fn activation(op: &Op) -> Option<Activation> {
    Activation::from_code(op.number(Activation::ATTRIBUTE))
}

/// Whether the kernels of the op can apply it.
fn can_apply(op: &Op, activation: Activation) -> bool {
    let can = semantics_of(op).and_then(|what| what.activations);
    can.is_some_and(|can| can.contains(&activation))
}

/// Whether the target's last release, if it has one, loads the ops as the patch leaves them: some need a
/// later version with an activation, or with a bias.
fn is_in_release(m: &Match<'_>, patch: Patch) -> bool {
    if m.target().max_runtime().is_none() {
        return true;
    }
    let mut trial = m.module().clone();
    let Ok(applied) = trial.apply(patch) else { return false };
    let graph = trial.subgraph(m.subgraph());
    applied.ops.iter().filter(|op| graph.contains_op(**op)).all(|op| {
        let version = m.target().version(&trial, m.subgraph(), *op);
        version.is_none_or(|version| m.target().lacks(&graph.op(*op).kind, version).is_none())
    })
}
