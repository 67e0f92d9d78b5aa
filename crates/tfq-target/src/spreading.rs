//! Weights that several ops read through one tensor, where a kernel changes that tensor.

use crate::form::{Granularity, WeightForm};
use crate::target::{Target, Verdict};
use tfq_ir::{Module, OpId, SubgraphId};

impl Target {
    /// Why the op cannot read the weight through the tensor that it shares with others, though it
    /// could if it had one of its own for the same bytes: the op that is to blame, and what would
    /// happen.
    ///
    /// Some kernels want one scale for each index of the first axis, and put them in place of the
    /// one that the tensor itself has. What is prepared later sees several.
    pub fn disturbed_by(
        &self,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        slot: u32,
        form: &WeightForm,
    ) -> Option<(OpId, String)> {
        let graph = module.subgraph(sg);
        let id = graph.operand(op, slot)?;
        let rows = graph.tensor(id).shape.first();
        if form.granularity != Granularity::PerTensor || rows.is_none_or(|rows| *rows == 1) {
            return None;
        }
        let spread = WeightForm::new(form.ty, Granularity::PerChannel { axis: 0 });
        let Verdict::Dequantize { reason } = self.hybrid(module, sg, op, slot, &spread) else {
            return None;
        };
        let by = graph.uses(id).into_iter().find(|other| {
            other.op != op
                && self.spreads(&graph.op(other.op).kind)
                && self.hybrid(module, sg, other.op, other.slot, form).is_hybrid()
        })?;
        Some((by.op, reason))
    }
}
