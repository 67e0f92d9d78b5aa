//! Weights that several ops read through one tensor, where a kernel changes that tensor.

use crate::form::{Granularity, WeightForm};
use crate::query::question::WeightOperand;
use crate::query::weights::Verdict;
use crate::target::Target;
use std::sync::{Mutex, MutexGuard};
use tfq_ir::maps::HashMap;
use tfq_ir::{Module, OpId, OpKind, SubgraphId, TensorId};

/// Which readers of a tensor change its scale, found once for each tensor: each of a great many
/// readers asks for the others.
#[derive(Debug, Default)]
pub struct Spreaders(Mutex<HashMap<(SubgraphId, TensorId), Found>>);

/// What was found for each form that somebody asked about.
type Found = Vec<(WeightForm, FirstTwo)>;

/// As an op asks for another than itself, two are enough.
type FirstTwo = [Option<(OpId, u32)>; 2];

impl Spreaders {
    /// Forgets what an op that was changed may have changed.
    ///
    /// # Panics
    /// If the op has been erased.
    pub fn forget(&self, module: &Module, target: &Target, sg: SubgraphId, op: OpId) {
        let graph = module.subgraph(sg);
        if target.spreads(&graph.op(op).kind) {
            let mut known = self.known();
            for id in graph.operands(op).into_iter().flatten() {
                known.remove(&(sg, id));
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(SubgraphId, TensorId), Found>> {
        self.0.lock().expect("nothing panics while it is held")
    }

    /// One of the ops that change the scale of a tensor in this form, other than `op`.
    pub fn other_than(
        &self,
        op: OpId,
        module: &Module,
        target: &Target,
        (sg, id, form): (SubgraphId, TensorId, WeightForm),
    ) -> Option<OpId> {
        let graph = module.subgraph(sg);
        let find = || -> FirstTwo {
            let mut spreading = graph.uses(id).into_iter().filter(|by| {
                target.spreads(&graph.op(by.op).kind)
                    && target
                        .hybrid(WeightOperand { module, sg, op: by.op, slot: by.slot }, &form)
                        .is_hybrid()
            });
            let first = spreading.next();
            let second = spreading.find(|by| first.is_some_and(|first| first.op != by.op));
            [first, second].map(|by| by.map(|by| (by.op, by.slot)))
        };
        let reads = |&(op, slot): &(OpId, u32)| {
            graph.contains_op(op) && graph.operand(op, slot) == Some(id)
        };
        let known = {
            let known = self.known();
            let mut forms = known.get(&(sg, id)).into_iter().flatten();
            forms.find(|(known, _)| *known == form).map(|(_, found)| *found)
        };
        let found = known.filter(|found| found.iter().flatten().all(reads)).unwrap_or_else(|| {
            let found = find();
            let mut known = self.known();
            let forms = known.entry((sg, id)).or_default();
            forms.retain(|(known, _)| *known != form);
            forms.push((form, found));
            found
        });
        found.iter().flatten().map(|(by, _)| *by).find(|by| *by != op)
    }
}

impl Target {
    /// Whether some kernel of the target puts several scales in place of the one of a weight of
    /// such an op.
    fn spreads(&self, kind: &OpKind) -> bool {
        let OpKind::Builtin(code) = *kind else { return false };
        self.entries_of(code)
            .any(|entry| entry.spreads_scale.iter().any(|kernels| self.kernels.contains(kernels)))
    }

    /// Whether the op cannot read the weight through the tensor that it shares with others, though
    /// it could if it had one of its own for the same bytes ([`Self::spread_refusal`]). The
    /// `spreaders` are of the module as it is, or told of the ops that were changed since.
    pub fn is_disturbed(
        &self,
        weight: WeightOperand<'_>,
        form: &WeightForm,
        spreaders: &Spreaders,
    ) -> bool {
        let WeightOperand { module, sg, op, slot } = weight;
        let graph = module.subgraph(sg);
        let shared = graph.operand(op, slot).filter(|id| !graph.is_read_once(*id));
        shared.is_some_and(|id| {
            self.spread_refusal(weight, form).is_some()
                && spreaders.other_than(op, module, self, (sg, id, *form)).is_some()
        })
    }

    /// Why the op cannot read the weight with one scale for each index of the first axis, where it
    /// has one scale: what would happen if others made that of the tensor, whoever they are.
    ///
    /// Some kernels want one scale for each index of the first axis, and put them in place of the
    /// one that the tensor itself has. What is prepared later sees several.
    pub fn spread_refusal(&self, weight: WeightOperand<'_>, form: &WeightForm) -> Option<String> {
        let WeightOperand { module, sg, op, slot } = weight;
        let graph = module.subgraph(sg);
        let rows = graph.tensor(graph.operand(op, slot)?).shape.first();
        if form.granularity != Granularity::PerTensor || rows.is_none_or(|rows| *rows == 1) {
            return None;
        }
        let spread = WeightForm::new(form.ty, Granularity::PerChannel { axis: 0 });
        match self.hybrid(weight, &spread) {
            Verdict::Dequantize { reason } => Some(reason),
            Verdict::Hybrid { .. } => None,
        }
    }
}
