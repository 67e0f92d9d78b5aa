//! Ops that call subgraphs, and what becomes of their operands.

use crate::catalog::ops;
use crate::ops::{OperandInfo, OperandRole, semantics_of};
use crate::{Module, OpId, OpKind, SubgraphId, TensorId};

impl OpKind {
    /// Whether the kernel runs the subgraphs that the op's attributes name. The others only tell a
    /// kernel what to compute: STABLEHLO_REDUCE_WINDOW, SORT or SCATTER take the kind of the one op
    /// in them. CUSTOM_CALL has no kernel.
    pub fn runs_subgraphs(&self) -> bool {
        matches!(
            self,
            Self::Builtin(
                ops::IF
                    | ops::WHILE
                    | ops::CALL
                    | ops::CALL_ONCE
                    | ops::STABLEHLO_CASE
                    | ops::STABLEHLO_WHILE
                    | ops::STABLEHLO_COMPOSITE
            )
        )
    }
}

impl Module {
    /// The inputs of the called subgraphs that an operand of the op becomes: of both branches of an
    /// IF, of condition and body of a WHILE. None for an op that calls none.
    pub fn arguments(&self, sg: SubgraphId, op: OpId, slot: u32) -> Vec<(SubgraphId, TensorId)> {
        let node = self.subgraph(sg).op(op);
        if !node.kind.runs_subgraphs() {
            return Vec::new();
        }
        let Some(what) = semantics_of(node) else { return Vec::new() };
        let is_argument = |operand: &OperandInfo| operand.role == OperandRole::Argument;
        let first = what.operands.iter().position(is_argument);
        let argument = first.and_then(|first| slot.checked_sub(first as u32));
        let Some(argument) = argument else { return Vec::new() };
        let called = node.subgraph_refs().into_iter().filter_map(|(_, number)| {
            let callee = SubgraphId(u32::try_from(number).ok()?);
            let graph = self.find_subgraph(callee)?;
            Some((callee, *graph.inputs().get(argument as usize)?))
        });
        called.collect()
    }
}
