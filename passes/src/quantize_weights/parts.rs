//! Constants that are shown in several shapes become something else in all of them, or in none.

use super::form::Selection;
use super::reading::Select;
use tfq_ir::{BufferId, SubgraphId, TensorId};
use tfq_pass::Session;

impl Select<'_> {
    /// Leaves what shows a constant in one shape where what shows it in another stays as it is: the
    /// float bytes would stay in the file beside the quantised ones.
    pub(super) fn leave_parts(&self, selection: &mut Selection, session: &Session<'_>) {
        let buffer = |(sg, id): (SubgraphId, TensorId)| self.module.subgraph(sg).tensor(id).buffer;
        for parts in self.widened.iter().flat_map(|widened| widened.parts()) {
            let is_selected =
                |part: &BufferId| selection.groups.iter().any(|g| buffer(g.tensors[0]) == *part);
            let Some(stays) = parts.iter().copied().find(|part| !is_selected(part)) else {
                continue;
            };
            let mut all = self.module.subgraphs().flat_map(|(sg, graph)| {
                graph
                    .tensors()
                    .filter(move |id| graph.tensor(*id).buffer == stays)
                    .map(move |id| (sg, id))
            });
            let Some((sg, id)) = all.next() else { continue };
            let graph = self.module.subgraph(sg);
            let tensor = graph.tensor(id);
            let is_weight = graph.uses(id).iter().any(|u| self.slots(sg, u.op).contains(&u.slot));
            let how = if is_weight { "" } else { "; `operands=all` would quantise both" };
            selection.groups.retain(|group| {
                let is_part = parts.contains(&buffer(group.tensors[0]));
                if is_part {
                    let (name, ty, shape) = (tensor.label(), tensor.ty, &tensor.shape);
                    let message =
                        format!("`{name}` shows its buffer as {ty} {shape:?}, and stays so{how}");
                    self.leave(session, &group.uses, "shared", message, Vec::new());
                }
                !is_part
            });
        }
    }
}
