//! Results that a runtime does not write, or writes once.

use crate::facts::condition::Site;
use crate::facts::rows::{KernelSet, Unwritten};
use crate::query::question::all_hold;
use crate::target::Target;
use tfq_ir::{Module, Op, OpId, OpKind, SubgraphId};

impl Target {
    /// Why kernels that a model must run on do not write the op's result where the subgraph returns
    /// it, if that is so: something has to copy it.
    pub fn leaves_unwritten(&self, module: &Module, sg: SubgraphId, op: OpId) -> Option<&str> {
        let OpKind::Builtin(code) = module.subgraph(sg).op(op).kind else { return None };
        let rows = self.unwritten.iter().filter(|row| row.ops.contains(&code));
        let mut rows = rows.filter(|row| self.runs_on_any(&row.kernels));
        let fits = |row: &&Unwritten| all_hold(&row.when, &Site::new(module, sg, op));
        rows.find(fits).map(|row| row.reason.as_str())
    }

    /// Whether kernels that a model must run on compute the op's result once where it reads
    /// constants of the file only: one that a Dequantize computes has it run each time.
    pub fn folds(&self, op: &Op) -> bool {
        let OpKind::Builtin(code) = op.kind else { return false };
        let mut rows = self.folded.iter().filter(|row| row.ops.contains(&code));
        rows.any(|row| self.runs_on_any(&row.kernels))
    }

    /// Whether a model must run on one of these; on any where there are none.
    pub(crate) fn runs_on_any(&self, kernels: &[KernelSet]) -> bool {
        kernels.is_empty() || kernels.iter().any(|kernels| self.kernels.contains(kernels))
    }
}
