//! Ops that call subgraphs, and what becomes of their operands.

use crate::catalog::ops;
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
    /// IF, of condition and body of a WHILE. None for an op that calls none, or of which it is not
    /// known.
    pub fn arguments(&self, sg: SubgraphId, op: OpId, slot: u32) -> Vec<(SubgraphId, TensorId)> {
        let node = self.subgraph(sg).op(op);
        let first = match node.kind {
            // The condition comes before the arguments.
            OpKind::Builtin(ops::IF) => 1,
            OpKind::Builtin(ops::WHILE | ops::CALL) => 0,
            _ => return Vec::new(),
        };
        let Some(argument) = slot.checked_sub(first) else { return Vec::new() };
        let called = node.subgraph_refs().into_iter().filter_map(|(_, number)| {
            let callee = SubgraphId(u32::try_from(number).ok()?);
            let graph = self.find_subgraph(callee)?;
            Some((callee, *graph.inputs().get(argument as usize)?))
        });
        called.collect()
    }
}
