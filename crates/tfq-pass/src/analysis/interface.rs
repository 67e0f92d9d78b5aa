//! What an analysis is.

use std::any::Any;
use tfq_ir::{Applied, Module, OpId, SubgraphId};
use tfq_target::{Target, WeightOperand};

/// Something that can be found out about a subgraph. [`crate::Session::analysis`] keeps the
/// result until a patch changes the subgraph, or longer where the pass says that its patches
/// preserve it.
pub trait Analysis: Any {
    /// What is found out.
    type Result: Any + Send + Sync;

    /// The name in timings.
    const NAME: &'static str;

    /// Whether the result depends on other subgraphs too: those that ops call.
    const LOOKS_AT_CALLEES: bool = false;

    /// Whether the result is only begun and found out when it is asked, so that the time of
    /// [`Self::compute`] says nothing.
    const LAZY: bool = false;

    /// Finds it out. `last` is the result for an earlier state, where there is one.
    fn compute(input: AnalysisInput<'_>, last: Option<&Self::Result>) -> Self::Result;

    /// Brings the result up to date after a change, if it can, and tells whether it did. Where it
    /// cannot, the result is computed when it is asked for again.
    fn follow(result: &Self::Result, input: AnalysisInput<'_>, change: Change<'_>) -> bool {
        _ = (result, input, change);
        false
    }
}

/// An edit that was applied, for [`Analysis::follow`].
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What it did.
    pub applied: &'a Applied,
    /// Ops that it left notes on, which counts as no change of them.
    pub noted: &'a [OpId],
    /// Whether nothing but names, notes, operator versions, numbers of constants and operator codes,
    /// and what readers were written for is another now.
    pub only_marks: bool,
}

/// What an analysis looks at.
#[derive(Clone, Copy, Debug)]
pub struct AnalysisInput<'a> {
    /// The model.
    pub module: &'a Module,
    /// The subgraph.
    pub subgraph: SubgraphId,
    /// The runtime that the model is for.
    pub target: &'a Target,
}

impl<'a> AnalysisInput<'a> {
    /// An operand of an op, for questions to the target.
    pub fn weight(self, op: OpId, slot: u32) -> WeightOperand<'a> {
        WeightOperand { module: self.module, sg: self.subgraph, op, slot }
    }
}
