//! Ops whose kernels take one type for all of their weights: LSTM, RNN and SVDF.

use super::form::WeightUse;
use super::reading::Select;
use crate::costs::{PER_SCALE, PER_TENSOR};
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, OpId, SubgraphId, TensorId};
use tfq_numeric::F32View;
use tfq_pass::Session;
use tfq_target::{Granularity, WeightForm};

impl Select<'_> {
    /// Finds the recurrent ops that cannot have all of their weights quantised. Theirs go through
    /// a Dequantize, as far as they are large enough. What is dropped may break another op's
    /// family, so it goes on until nothing changes.
    pub(super) fn break_families(
        &mut self,
        uses: &mut IndexMap<BufferId, Vec<WeightUse>>,
        session: &Session<'_>,
    ) {
        let all: IndexSet<WeightUse> = uses.values().flatten().copied().collect();
        let families: IndexSet<(SubgraphId, OpId)> =
            all.iter().filter(|u| self.is_family(u.sg, u.op)).map(|u| (u.sg, u.op)).collect();
        loop {
            let before = self.broken.len();
            for &(sg, op) in &families {
                if self.broken.contains(&(sg, op)) {
                    continue;
                }
                if let Some(reason) = self.family_obstacle(sg, op, uses) {
                    let place = self.module.op_place(sg, op);
                    session.missed("incomplete", place, reason);
                    self.broken.insert((sg, op));
                }
            }
            if self.broken.len() == before {
                return;
            }
            uses.retain(|_, uses| {
                uses.retain(|u| !self.broken.contains(&(u.sg, u.op)) || self.is_large(u));
                !uses.is_empty()
            });
        }
    }

    /// Why the op's weights cannot all be int8, if they cannot.
    fn family_obstacle(
        &self,
        sg: SubgraphId,
        op: OpId,
        uses: &IndexMap<BufferId, Vec<WeightUse>>,
    ) -> Option<String> {
        let graph = self.module.subgraph(sg);
        let (mut saved, mut cost) = (0, 0);
        for slot in self.target.weight_slots(graph, op) {
            let id = graph.operand(op, slot)?;
            let tensor = graph.tensor(id);
            let selected = uses.contains_key(&tensor.buffer);
            let done = tensor.ty == ElementType::Int8;
            if !selected && !done {
                return Some(format!(
                    "weight `{}` cannot be quantised with the others",
                    tensor.label()
                ));
            }
            if selected && !self.is_finite(sg, id) {
                return Some(format!("weight `{}` is not finite", tensor.label()));
            }
            if selected {
                saved += self.saved(tensor, 1);
                cost += PER_SCALE + PER_TENSOR;
            }
        }
        if cost > 0 {
            cost += self.bias_growth([(sg, op)].into_iter());
        }
        if saved <= cost && cost > 0 {
            return Some("its scales would cost more bytes than its weights save".to_owned());
        }
        let int8 = WeightForm::new(ElementType::Int8, Granularity::PerTensor);
        match self.target.group_verdict(self.module, sg, op, |_, _| int8) {
            tfq_target::Verdict::Hybrid { .. } => None,
            tfq_target::Verdict::Dequantize { reason } => Some(reason),
        }
    }

    fn is_finite(&self, sg: SubgraphId, id: TensorId) -> bool {
        let Some(bytes) = self.module.constant(sg, id) else { return false };
        let Some(view) = F32View::new(&bytes[..bytes.len() / 4 * 4]) else { return false };
        tfq_numeric::range(view, tfq_numeric::ChannelLayout::per_tensor(view.len())).finite
    }
}
