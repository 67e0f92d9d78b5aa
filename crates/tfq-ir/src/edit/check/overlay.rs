//! The subgraph as a patch would leave it: the graph as it is, and the patch laid over it.

use super::super::patch::{BufferRef, InsertionPoint, OpRef, Patch, TensorChange, TensorRef};
use crate::few::{FewMap, FewSet};
use crate::maps::{HashMap, IndexMap, IndexSet};
use crate::{BufferId, Module, Op, OpId, Subgraph, Tensor, TensorId};
use bytes::Bytes;
use std::cell::OnceCell;

/// A patch whose handles are right, and what is often asked of it. Each of these is empty for most
/// patches.
pub(super) struct Overlay<'a> {
    pub(super) module: &'a Module,
    pub(super) graph: &'a Subgraph,
    pub(super) patch: &'a Patch,
    /// The op that computes a tensor, where the patch says which.
    pub(super) made: FewMap<TensorRef, OpRef>,
    /// What the patch lets ops read, those aside that it erases.
    pub(super) read: FewSet<TensorRef>,
    /// What the patch lets the subgraph return.
    pub(super) returned: FewSet<TensorRef>,
    /// What the patch lets signatures return in the place of another.
    pub(super) followed: FewSet<TensorRef>,
    /// What the subgraph takes, where the patch says so.
    pub(super) taken: Option<FewSet<TensorRef>>,
    /// Constants that the patch gives tensors.
    pub(super) buffers: FewMap<TensorRef, BufferRef>,
    /// Tensors that quantisation of the patch names.
    pub(super) links: FewSet<TensorRef>,
    /// How often quantisation that goes names a tensor, once that is asked.
    pub(super) links_dropped: OnceCell<HashMap<TensorId, u32>>,
    /// Tensors that the patch changes as they are afterwards, but for the numbers of new constants.
    pub(super) after: FewMap<TensorRef, Tensor>,
    /// Ops that it makes others, or whose attributes it sets, as they are afterwards.
    pub(super) ops: FewMap<OpId, Op>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(module: &'a Module, graph: &'a Subgraph, patch: &'a Patch) -> Self {
        let p = patch;
        let links = p.quantizations().flat_map(|q| q.details.links()).map(TensorRef::from);
        let mut check = Self {
            module,
            graph,
            patch,
            made: FewMap::default(),
            read: FewSet::default(),
            returned: FewSet::default(),
            followed: FewSet::default(),
            taken: None,
            buffers: FewMap::default(),
            links: links.collect(),
            links_dropped: OnceCell::new(),
            after: FewMap::default(),
            ops: FewMap::default(),
        };
        if !p.wiring.is_none() {
            let outputs = &p.wiring.outputs;
            let replaced = |old| outputs.is_none() && graph.is_output(old);
            let moved = p.wiring.moved_outputs.iter();
            let moved = moved.filter(|(old, _)| replaced(**old)).map(|(_, new)| *new);
            let named = |old| module.references(p.subgraph, old).signature_output;
            let followed = p.wiring.moved_outputs.iter();
            let followed = followed.filter(|(old, _)| named(**old)).map(|(_, new)| *new);
            check.made = p.wiring.results.iter().map(|((op, _), tensor)| (*tensor, *op)).collect();
            check.returned = outputs.iter().flatten().copied().chain(moved).collect();
            check.followed = followed.collect();
            check.taken = p.wiring.inputs.as_ref().map(|inputs| inputs.iter().copied().collect());
            check.read = check.operands_kept().map(|(_, tensor)| tensor).collect();
        }
        for (tensor, change) in &p.tensor_changes {
            let before = check.tensor(*tensor);
            let after = check.after.get_or_insert_with(*tensor, || before.clone());
            match change {
                // Messages call tensors as the model does.
                TensorChange::Name(_) => (),
                change => change.set(after),
            }
            if let TensorChange::Buffer(buffer) = change {
                check.buffers.insert(*tensor, *buffer);
            }
        }
        check
    }

    /// The tensor as it is, or as the patch adds it.
    pub(super) fn tensor(&self, tensor: TensorRef) -> &'a Tensor {
        match tensor {
            TensorRef::Old(tensor) => self.graph.tensor(tensor),
            TensorRef::New(n) => &self.patch.tensors[n as usize],
        }
    }

    /// The tensor as it is afterwards.
    pub(super) fn tensor_after(&self, tensor: TensorRef) -> &Tensor {
        self.after.get(tensor).unwrap_or_else(|| self.tensor(tensor))
    }

    /// Whether the patch gives the tensor a constant.
    pub(super) fn is_folded(&self, tensor: TensorRef) -> bool {
        self.buffers.get(tensor).is_some_and(|to| *to != BufferRef::Old(BufferId::NONE))
    }

    /// Whether something gives the tensor a value afterwards.
    pub(super) fn has_value(&self, tensor: TensorRef) -> bool {
        let odd = |id: TensorId| self.graph.oddity(id).is_some();
        matches!(self.buffers.get(tensor), Some(BufferRef::New(_)))
            || self.module.holds_value(self.tensor_after(tensor))
            || self.is_input_after(tensor)
            || self.producer_after(tensor).is_some()
            || matches!(tensor, TensorRef::Old(id) if odd(id))
    }

    /// Whether the tensor is read or returned as it is, though nothing gives it a value.
    pub(super) fn came_without_value(&self, tensor: TensorId) -> bool {
        let graph = self.graph;
        !self.module.has_value(self.patch.subgraph, tensor)
            && (graph.is_output(tensor) || graph.is_read(tensor))
    }

    /// Whether the tensor has bytes in the file afterwards.
    pub(super) fn is_constant_after(&self, tensor: TensorRef) -> bool {
        self.constant_after(tensor).is_some()
    }

    /// The bytes of the tensor as it is.
    pub(super) fn constant_before(&self, tensor: TensorRef) -> Option<&'a Bytes> {
        let TensorRef::Old(id) = tensor else { return None };
        self.module.constants().constant(self.graph.tensor(id).buffer)
    }

    /// The bytes of the tensor afterwards, as stored.
    pub(super) fn constant_after(&self, tensor: TensorRef) -> Option<&'a Bytes> {
        let constants = self.module.constants();
        match self.buffers.get(tensor) {
            Some(BufferRef::New(n)) => self.patch.constants.get(*n as usize),
            Some(BufferRef::Old(buffer)) => constants.constant(*buffer),
            None => constants.constant(self.tensor(tensor).buffer),
        }
    }

    pub(super) fn producer_before(&self, tensor: TensorRef) -> Option<(OpId, u32)> {
        match tensor {
            TensorRef::Old(tensor) => self.graph.producer(tensor),
            TensorRef::New(_) => None,
        }
    }

    /// The op that computes a tensor afterwards.
    pub(super) fn producer_after(&self, tensor: TensorRef) -> Option<OpRef> {
        let kept = |made: &(OpId, u32)| self.keeps_result(*made);
        let old = || self.producer_before(tensor).filter(kept).map(|(op, _)| op.into());
        self.made.get(tensor).copied().or_else(old)
    }

    pub(super) fn erases(&self, op: OpRef) -> bool {
        matches!(op, OpRef::Old(op) if self.patch.erases(op))
    }

    /// Whether the op goes on computing what it computes there.
    pub(super) fn keeps_result(&self, (op, slot): (OpId, u32)) -> bool {
        let wiring = &self.patch.wiring;
        !wiring.erased_ops.contains(&op) && !wiring.results.contains_key(&(op.into(), slot))
    }

    /// Ops that read the tensor as it is, and of which the patch says nothing else.
    pub(super) fn readers_kept(&self, tensor: TensorId) -> impl Iterator<Item = OpId> {
        self.graph.uses(tensor).into_iter().filter_map(|r#use| {
            let changed = self.patch.wiring.operands.contains_key(&(r#use.op.into(), r#use.slot));
            (!changed && !self.patch.wiring.erased_ops.contains(&r#use.op)).then_some(r#use.op)
        })
    }

    pub(super) fn is_input_after(&self, tensor: TensorRef) -> bool {
        match (&self.taken, tensor) {
            (Some(taken), tensor) => taken.contains(tensor),
            (None, TensorRef::Old(id)) => self.graph.is_input(id),
            (None, TensorRef::New(_)) => false,
        }
    }

    /// Inputs that the patch takes from the subgraph.
    pub(super) fn inputs_lost(&self) -> impl Iterator<Item = TensorId> {
        let taken = self.taken.iter();
        taken.flat_map(|taken| {
            let inputs = self.graph.inputs().iter().copied();
            inputs.filter(|input| !taken.contains(TensorRef::Old(*input)))
        })
    }

    /// Outputs that the patch takes from the subgraph, where what signatures would return in their
    /// place is none afterwards.
    pub(super) fn outputs_lost(&self) -> impl Iterator<Item = TensorId> {
        let wiring = &self.patch.wiring;
        let outputs = wiring.outputs.iter().flat_map(|_| self.graph.outputs());
        let stays = |id: TensorId| {
            let moved = wiring.moved_outputs.get(&id).copied();
            self.returned.contains(moved.unwrap_or(TensorRef::Old(id)))
        };
        outputs.copied().filter(move |output| !stays(*output))
    }

    /// A sortable place in the order after the patch: new ops at one anchor keep the order in
    /// which they were added.
    pub(super) fn position(&self, op: OpRef) -> (u64, i8, u32) {
        match op {
            OpRef::Old(op) => (self.graph.key(op), 0, 0),
            OpRef::New(n) => match self.patch.ops[n as usize].1 {
                InsertionPoint::Before(op) => (self.graph.key(op), -1, n),
                InsertionPoint::After(op) => (self.graph.key(op), 1, n),
                InsertionPoint::End => (u64::MAX, 0, n),
            },
        }
    }

    /// What the patch lets ops read, those aside that it erases.
    pub(super) fn operands_kept(&self) -> impl Iterator<Item = (OpRef, TensorRef)> + '_ {
        self.kept(&self.patch.wiring.operands)
    }

    pub(super) fn kept<'s>(
        &'s self,
        slots: &'s IndexMap<(OpRef, u32), Option<TensorRef>>,
    ) -> impl Iterator<Item = (OpRef, TensorRef)> + 's {
        slots
            .iter()
            .filter_map(|(&(op, _), &tensor)| Some((op, tensor.filter(|_| !self.erases(op))?)))
    }

    /// Whether ops read the tensor afterwards, or the subgraph takes or returns it.
    pub(super) fn in_use(&self, tensor: TensorId) -> bool {
        let this = TensorRef::Old(tensor);
        self.read.contains(this)
            || self.returned.contains(this)
            || self.stays_output(tensor)
            || self.is_input_after(this)
            || self.readers_kept(tensor).next().is_some()
    }

    /// Whether the tensor is an output of which the patch says nothing.
    pub(super) fn stays_output(&self, tensor: TensorId) -> bool {
        self.graph.is_output(tensor)
            && !self.patch.wiring.moved_outputs.contains_key(&tensor)
            && self.patch.wiring.outputs.is_none()
    }

    /// Whether something else than ops refers to the tensor after the patch.
    pub(super) fn stays_referred(&self, tensor: TensorId) -> bool {
        let (p, this) = (self.patch, TensorRef::Old(tensor));
        let now = self.module.references(p.subgraph, tensor);
        let signature_input = || self.module.is_signature_input(tensor);
        let scratch = |op: OpId| {
            let slots = (0..).zip(self.graph.intermediates(op));
            let mut named = slots.filter(|(_, scratch)| *scratch == Some(tensor));
            !p.wiring.erased_ops.contains(&op)
                && named.any(|(slot, _)| !p.wiring.intermediates.contains_key(&(op.into(), slot)))
        };
        self.is_input_after(this)
            || (now.input && signature_input())
            || self.stays_output(tensor)
            || (now.signature_output && !p.wiring.moved_outputs.contains_key(&tensor))
            || self.followed.contains(this)
            || (now.scratch && self.graph.scratch_of(tensor).any(scratch))
            || self.kept(&p.wiring.intermediates).any(|(_, scratch)| scratch == this)
            || (now.quantization && self.graph.links_to(tensor) > self.links_dropped(tensor))
            || self.links.contains(this)
    }

    /// How often tensors that lose their quantisation, or go, name this one in it.
    pub(super) fn links_dropped(&self, tensor: TensorId) -> u32 {
        let count = || {
            let changes = self.patch.tensor_changes.iter();
            let changed = changes.filter_map(|(tensor, change)| match (tensor, change) {
                (TensorRef::Old(id), TensorChange::Quantization(_)) => Some(*id),
                _ => None,
            });
            let changed: IndexSet<TensorId> =
                changed.chain(self.patch.wiring.erased_tensors.iter().copied()).collect();
            let mut dropped: HashMap<TensorId, u32> = HashMap::default();
            for link in changed.iter().flat_map(|id| self.graph.tensor(*id).links()) {
                *dropped.entry(link).or_default() += 1;
            }
            dropped
        };
        self.links_dropped.get_or_init(count).get(&tensor).copied().unwrap_or(0)
    }

    pub(super) fn op_label(&self, op: OpRef) -> String {
        op_label(self.graph, self.patch, op)
    }

    pub(super) fn tensor_label(&self, tensor: TensorRef) -> String {
        self.tensor(tensor).label().to_owned()
    }
}

pub(super) fn op_label(graph: &Subgraph, patch: &Patch, op: OpRef) -> String {
    match op {
        OpRef::Old(op) => graph.op(op).kind.to_string(),
        OpRef::New(n) => patch.ops[n as usize].0.kind.to_string(),
    }
}
