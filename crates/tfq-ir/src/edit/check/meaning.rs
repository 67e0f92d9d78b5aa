//! Whether the ops that a patch makes or changes can be what it makes of them.
//!
//! Ops that it does not touch are not looked at, and what a model came with is not its fault: an op
//! that contradicted before may go on doing so, and may come to where only more is known of its
//! operands.

use super::super::patch::{OpRef, TensorRef};
use super::super::refused::Reason;
use super::overlay::Overlay;
use crate::few::{FewMap, FewSet};
use crate::ops::{Contradiction, OpView, OperandFacts, stated};
use crate::{OpId, TensorId};

/// Ops as they are when the patch is applied.
struct After<'a> {
    check: &'a Overlay<'a>,
    /// How many operands and results it gives an op, at least.
    operands: FewMap<OpRef, u32>,
    results: FewMap<OpRef, u32>,
}

/// The first op that does not go with its tensors through the fault of the patch.
pub(super) fn check(check: &Overlay<'_>) -> Result<(), Reason> {
    let after = After::new(check);
    after.outputs()?;
    let touched = after.touched();
    let mut replaced = None;
    for op in touched.iter() {
        let facts = after.facts(op);
        let found = facts.contradictions(check.module);
        if found.is_empty() {
            continue;
        }
        let before;
        let excused = match op {
            OpRef::Old(id) => {
                let known = after.known_before(id, &facts);
                before = known.contradictions(check.module);
                &before
            }
            // It stands for ops that the patch erases or changes.
            OpRef::New(_) => replaced.get_or_insert_with(|| after.replaced(&touched)),
        };
        let blamed = found.into_iter().find(|what| !excused.iter().any(|e| e.is_like(what)));
        if let Some(what) = blamed {
            let result = facts.results.first().map_or("?", |tensor| tensor.label());
            return Err(Reason::Contradiction {
                subgraph: check.patch.subgraph.0,
                op: check.op_label(op),
                result: result.to_owned(),
                what: Box::new(what),
            });
        }
    }
    Ok(())
}

impl<'a> After<'a> {
    fn new(check: &'a Overlay<'a>) -> Self {
        let wiring = &check.patch.wiring;
        let (operands, results) = (wiring.operands.keys(), wiring.results.keys());
        Self { check, operands: counts(operands), results: counts(results) }
    }

    /// What the subgraph returns keeps the type that callers expect, however it is stored, unless
    /// the patch says what is returned.
    fn outputs(&self) -> Result<(), Reason> {
        for (tensor, after) in self.check.after.iter() {
            let TensorRef::Old(id) = tensor else { continue };
            let before = self.check.graph.tensor(id);
            if stated(after) != stated(before) && self.check.stays_output(id) {
                return Err(Reason::OutputType {
                    subgraph: self.check.patch.subgraph.0,
                    tensor: before.label().to_owned(),
                    before: stated(before),
                    after: stated(after),
                });
            }
        }
        Ok(())
    }

    /// Ops that the patch adds, and those of which it changes anything that contradictions depend
    /// on.
    fn touched(&self) -> FewSet<OpRef> {
        let (graph, p) = (self.check.graph, self.check.patch);
        let mut touched: FewSet<OpRef> = (0..p.ops.len() as u32).map(OpRef::New).collect();
        // One operand in the place of another that says no less is nothing to look at, which a pass
        // may do to each of a great many operands of one op.
        let says_less = |(&(op, slot), now): (&(OpRef, u32), &Option<TensorRef>)| {
            let OpRef::Old(id) = op else { return Some(op) };
            let was = graph.operand(id, slot);
            let was = was.map(|was| self.operand_before(was));
            let no_less = was.zip(*now).is_some_and(|(was, now)| self.operand(now).refines(&was));
            (!no_less).then_some(op)
        };
        let stays = |op: &OpRef| !self.check.erases(*op);
        touched.extend(p.wiring.operands.iter().filter_map(says_less).filter(stays));
        touched.extend(p.wiring.results.keys().map(|(op, _)| *op).filter(stays));
        touched.extend(self.check.ops.keys().map(OpRef::Old).filter(stays));
        for tensor in self.check.after.keys() {
            let TensorRef::Old(id) = tensor else { continue };
            if self.says_the_same(id) {
                continue;
            }
            let (before, after) = (self.operand_before(id), self.operand(id.into()));
            if after.ty != before.ty || after.shape != before.shape {
                let producer = graph.producer(id).map(|(op, _)| OpRef::Old(op));
                touched.extend(producer.filter(stays));
            }
            if !after.refines(&before) {
                let readers = graph.uses(id).into_iter().map(|r#use| OpRef::Old(r#use.op));
                touched.extend(readers.filter(stays));
            }
        }
        touched
    }

    /// Whether readers can tell no more of the tensor than before, nor anything else, by what it says
    /// of itself: it has the same type and shape, and its contents are not looked into.
    fn says_the_same(&self, id: TensorId) -> bool {
        let (before, after) = (self.check.graph.tensor(id), self.check.tensor_after(id.into()));
        !after.shape.is_empty()
            && after.shape == before.shape
            && after.shape_signature == before.shape_signature
            && stated(after) == stated(before)
            && after.expressed.is_some()
    }

    fn facts(&self, op: OpRef) -> OpView<'_> {
        let (graph, p) = (self.check.graph, self.check.patch);
        let (node, operands, results) = match op {
            OpRef::Old(id) => {
                let node = self.check.ops.get(id).unwrap_or_else(|| graph.op(id));
                (node, graph.operands(id), graph.results(id))
            }
            OpRef::New(n) => (&p.ops[n as usize].0, Default::default(), Default::default()),
        };
        let count = |now: usize, made: &FewMap<OpRef, u32>| {
            (now as u32).max(made.get(op).copied().unwrap_or(0))
        };
        let operand = |slot: u32| match p.wiring.operands.get(&(op, slot)) {
            Some(set) => *set,
            None => operands.get(slot as usize).copied().flatten().map(TensorRef::Old),
        };
        let result = |slot: u32| match p.wiring.results.get(&(op, slot)) {
            Some(set) => Some(*set),
            None => results.get(slot as usize).copied().map(TensorRef::Old),
        };
        OpView {
            op: node,
            operands: (0..count(operands.len(), &self.operands))
                .map(|slot| operand(slot).map(|tensor| self.operand(tensor)))
                .collect(),
            results: (0..count(results.len(), &self.results))
                .filter_map(result)
                .map(|tensor| self.check.tensor_after(tensor))
                .collect(),
        }
    }

    /// An op as it was, but with all that is known of its operands by now.
    fn known_before(&self, op: OpId, after: &OpView<'a>) -> OpView<'a> {
        let mut before = OpView::of(self.check.module, self.check.patch.subgraph, op);
        for (before, after) in before.operands.iter_mut().zip(&after.operands) {
            if let (Some(before), Some(after)) = (before, after)
                && after.refines(before)
            {
                *before = after.clone();
            }
        }
        before
    }

    /// What contradicted at ops that the patch erases or changes.
    fn replaced(&self, touched: &FewSet<OpRef>) -> Vec<Contradiction> {
        let changed = touched.iter().filter_map(|op| match op {
            OpRef::Old(op) => Some(op),
            OpRef::New(_) => None,
        });
        let all = self.check.patch.wiring.erased_ops.iter().copied().chain(changed);
        all.flat_map(|op| {
            OpView::of(self.check.module, self.check.patch.subgraph, op)
                .contradictions(self.check.module)
        })
        .collect()
    }

    fn operand(&self, id: TensorRef) -> OperandFacts<'_> {
        let odd = matches!(id, TensorRef::Old(id) if self.check.graph.oddity(id).is_some());
        let tensor = self.check.tensor_after(id);
        let constant = self.check.constant_after(id).filter(|_| !tensor.is_variable && !odd);
        OperandFacts::of(tensor, constant.map(|bytes| &bytes[..]))
    }

    fn operand_before(&self, id: TensorId) -> OperandFacts<'_> {
        OperandFacts::in_module(self.check.module, self.check.patch.subgraph, id)
    }
}

fn counts<'k>(slots: impl Iterator<Item = &'k (OpRef, u32)>) -> FewMap<OpRef, u32> {
    let mut counts = FewMap::default();
    for (op, slot) in slots {
        let count: &mut u32 = counts.get_or_insert_with(*op, || 0);
        *count = (*count).max(slot + 1);
    }
    counts
}
