//! The checks of edits: all of them read the model as it is and the edit beside it.

mod handles;
mod meaning;
mod overlay;

pub(super) use handles::{external, known_ops, record, signatures};

use super::patch::{OpChange, OpRef, Patch, TensorChange, TensorRef};
use super::refused::Reason;
use crate::maps::{IndexMap, IndexSet};
use crate::{Module, OpId, QuantizationDetails, Tensor, TensorId, TensorLink};
use bytes::Bytes;
use handles::handles;
use overlay::Overlay;

/// Why the patch cannot be applied, if it cannot.
pub(super) fn check(module: &Module, patch: &Patch) -> Result<(), Reason> {
    if patch.subgraph.0 as usize >= module.subgraphs().len() {
        return Err(Reason::Subgraph);
    }
    let graph = module.subgraph(patch.subgraph);
    handles(module, graph, patch)?;
    // Names, notes and versions go with everything.
    if patch.only_annotates() {
        return Ok(());
    }
    Overlay::new(module, graph, patch).run()
}

impl Overlay<'_> {
    fn run(mut self) -> Result<(), Reason> {
        self.set_attributes()?;
        self.quantization()?;
        let wired = !self.patch.wiring.is_none();
        if wired {
            self.producers()?;
            self.order()?;
            self.erasures()?;
            self.outputs()?;
        }
        self.values()?;
        self.ports()?;
        self.bytes()?;
        meaning::check(&self)
    }

    /// Makes the ops what the patch makes of them.
    fn set_attributes(&mut self) -> Result<(), Reason> {
        for (id, change) in &self.patch.op_changes {
            if change.is_annotation() {
                continue;
            }
            let op = self.ops.get_or_insert_with(*id, || self.graph.op(*id).clone());
            match change {
                OpChange::Op(new) => op.clone_from(new),
                OpChange::Attr(name, value) => {
                    let none = || Reason::NoOptions(op.kind.to_string());
                    op.attrs.as_mut().ok_or_else(none)?.set(name, value.clone())?;
                }
                OpChange::Note(..) | OpChange::Version(_) => (),
            }
        }
        Ok(())
    }

    /// The loader refuses other counts, on every tensor.
    fn quantization(&self) -> Result<(), Reason> {
        let matters = |change: &TensorChange| {
            matches!(change, TensorChange::Quantization(_) | TensorChange::Shape(_))
        };
        let changed = self.patch.tensor_changes.iter().filter(|(_, change)| matters(change));
        let added = (0..).map(TensorRef::New).zip(&self.patch.tensors);
        let added = added.filter(|(tensor, _)| !self.after.contains(*tensor));
        let changed = changed.map(|(of, _)| (*of, self.tensor_after(*of)));
        for (of, tensor) in changed.chain(added) {
            let Some(q) = &tensor.quantization else { continue };
            if let Some((what, number)) = self.new_dead_link(of, &q.details) {
                let tensor = tensor.label().to_owned();
                return Err(Reason::QuantizationLink { tensor, what, number });
            }
            if !crate::verify::counts_fit(q, &tensor.shape) {
                return Err(Reason::Quantization {
                    tensor: tensor.label().to_owned(),
                    scales: q.scale.len(),
                    zero_points: q.zero_point.len(),
                    shape: tensor.shape.to_vec(),
                    dimension: q.quantized_dimension,
                });
            }
        }
        Ok(())
    }

    /// Which of scales and zero points would have a number that is that of no tensor, where it had
    /// not that number before. Without zero points theirs is -1.
    fn new_dead_link(
        &self,
        of: TensorRef,
        details: &QuantizationDetails,
    ) -> Option<(&'static str, i32)> {
        let links = details.scales_and_zero_points()?;
        let before = match of {
            TensorRef::Old(id) => self.graph.tensor(id).quantization.as_deref(),
            TensorRef::New(_) => None,
        };
        let before = before.and_then(|q| q.details.scales_and_zero_points());
        let before = before.map_or([None; 2], |links| links.map(Some));
        let dead = |what, place: usize, none| match links[place] {
            TensorLink::Raw(number)
                if Some(number) != none && before[place] != Some(links[place]) =>
            {
                Some((what, number))
            }
            _ => None,
        };
        dead("scales", 0, None).or_else(|| dead("zero points", 1, Some(-1)))
    }

    /// What signatures name stays an input or output, and no constant becomes an input, nor an input
    /// a constant.
    fn ports(&self) -> Result<(), Reason> {
        let was_input = |tensor| matches!(tensor, TensorRef::Old(id) if self.graph.is_input(id));
        let was_both = |tensor| was_input(tensor) && self.constant_before(tensor).is_some();
        let inputs = self.patch.wiring.inputs.iter().flatten().copied();
        let given = self.buffers.keys().filter(|tensor| self.is_input_after(*tensor));
        let mut inputs = inputs.chain(given);
        if let Some(tensor) =
            inputs.find(|tensor| self.is_constant_after(*tensor) && !was_both(*tensor))
        {
            return Err(Reason::ConstantInput(self.tensor_label(tensor)));
        }
        let lost = |tensor: TensorId, verb| {
            let tensor = self.tensor_label(tensor.into());
            Err(Reason::PortLost { tensor, verb })
        };
        if let Some(input) = self.inputs_lost().find(|id| self.module.is_signature_input(*id)) {
            return lost(input, "take");
        }
        let named =
            |id: &TensorId| self.module.references(self.patch.subgraph, *id).signature_output;
        match self.outputs_lost().find(named) {
            Some(output) => lost(output, "return"),
            None => Ok(()),
        }
    }

    /// What the patch makes of a constant takes all of its bytes: of more, kernels read the first,
    /// which were those of something else. A verifier tells of fewer.
    fn bytes(&self) -> Result<(), Reason> {
        let left_over = |tensor: &Tensor, bytes: Option<&Bytes>| {
            let taken = tensor.byte_len().filter(|_| tensor.sparsity.is_none())?;
            let bytes = bytes?.len() as u64;
            (taken < bytes).then_some((taken, bytes))
        };
        let came_so =
            |tensor| left_over(self.tensor(tensor), self.constant_before(tensor)).is_some();
        for (tensor, after) in self.after.iter() {
            if let Some((taken, bytes)) = left_over(after, self.constant_after(tensor))
                && !came_so(tensor)
            {
                let tensor = after.label().to_owned();
                let (ty, shape) = (after.ty, after.shape.to_vec());
                return Err(Reason::BytesLeftOver { tensor, ty, shape, taken, bytes });
            }
        }
        Ok(())
    }

    /// Each tensor that the patch lets an op compute has no other producer afterwards.
    fn producers(&self) -> Result<(), Reason> {
        let mut written = IndexSet::default();
        for (&(op, _), &tensor) in &self.patch.wiring.results {
            let taken = self.producer_before(tensor).is_some_and(|made| self.keeps_result(made));
            if self.erases(op) || taken || !written.insert(tensor) {
                return Err(Reason::TwoProducers(self.tensor_label(tensor)));
            }
        }
        // Results that an op gains follow those it has without a gap.
        let has = |op: OpRef| match op {
            OpRef::Old(op) => self.graph.result_slots(op) as u32,
            OpRef::New(_) => 0,
        };
        let mut gained: IndexMap<OpRef, (u32, u32)> = IndexMap::default();
        for &(op, slot) in self.patch.wiring.results.keys().filter(|(op, slot)| *slot >= has(*op)) {
            let (count, last) = gained.entry(op).or_default();
            *count += 1;
            *last = slot.max(*last);
        }
        match gained.into_iter().find(|(op, (count, last))| last - has(*op) >= *count) {
            Some((op, _)) => Err(Reason::MissingResult(self.op_label(op))),
            None => Ok(()),
        }
    }

    /// Every edge that the patch makes runs forward in the execution order.
    fn order(&self) -> Result<(), Reason> {
        let check = |reader: OpRef, tensor: TensorRef| {
            // An input has a value from the start, even where an op writes to it later.
            let odd =
                |tensor| matches!(tensor, TensorRef::Old(id) if self.graph.oddity(id).is_some());
            if self.is_input_after(tensor) || odd(tensor) {
                return Ok(());
            }
            let Some(producer) = self.producer_after(tensor) else { return Ok(()) };
            if self.position(producer) < self.position(reader) {
                return Ok(());
            }
            Err(Reason::Order { op: self.op_label(reader), tensor: self.tensor_label(tensor) })
        };
        for (reader, tensor) in self.operands_kept() {
            check(reader, tensor)?;
        }
        // A tensor with a new producer may have readers that the patch does not mention.
        let made = self.made.keys().filter_map(|tensor| match tensor {
            TensorRef::Old(id) => Some(id),
            TensorRef::New(_) => None,
        });
        for tensor in made.chain(self.inputs_lost()) {
            for reader in self.readers_kept(tensor) {
                check(reader.into(), tensor.into())?;
            }
        }
        Ok(())
    }

    /// What the patch lets ops read or the subgraph return has a value, and so has what it leaves
    /// in use and takes a value from. What came in use without one may go on so.
    fn values(&self) -> Result<(), Reason> {
        let operands = self.operands_kept().map(|(_, tensor)| tensor);
        let connected = operands.chain(self.returned.iter());
        let changed = self.after.keys().chain(self.inputs_lost().map(TensorRef::Old));
        let mut changed = changed.filter(|tensor| match *tensor {
            TensorRef::Old(id) => !self.has_value(*tensor) && self.in_use(id),
            // Where it is in use, it was looked at.
            TensorRef::New(_) => false,
        });
        let came_so = |tensor: TensorRef| match tensor {
            TensorRef::Old(id) => self.came_without_value(id),
            TensorRef::New(_) => false,
        };
        let mut connected = connected.filter(|tensor| !self.has_value(*tensor));
        let found = connected.find(|tensor| !came_so(*tensor));
        match found.or_else(|| changed.find(|tensor| !came_so(*tensor))) {
            Some(tensor) => Err(Reason::NoValue(self.tensor_label(tensor))),
            None => Ok(()),
        }
    }

    fn erasures(&self) -> Result<(), Reason> {
        let p = self.patch;
        for &tensor in &p.wiring.erased_tensors {
            let made = self.graph.producer(tensor).is_some_and(|made| self.keeps_result(made))
                || self.made.contains(TensorRef::Old(tensor));
            if made || self.in_use(tensor) || self.stays_referred(tensor) {
                return Err(Reason::ErasedInUse(self.tensor_label(tensor.into())));
            }
        }
        let displaced = p.wiring.results.keys().filter_map(|(op, _)| match op {
            OpRef::Old(op) => Some(*op),
            OpRef::New(_) => None,
        });
        let ops: IndexSet<OpId> = p.wiring.erased_ops.iter().copied().chain(displaced).collect();
        for op in ops {
            for (slot, tensor) in (0..).zip(self.graph.results(op)) {
                let valued = self.keeps_result((op, slot))
                    || self.made.contains(TensorRef::Old(tensor))
                    || self.is_folded(tensor.into());
                if !valued && self.in_use(tensor) {
                    let tensor = self.tensor_label(tensor.into());
                    return Err(Reason::ErasedProducer(self.op_label(op.into()), tensor));
                }
            }
        }
        Ok(())
    }

    /// An output that is replaced keeps its type and shape: callers depend on them.
    fn outputs(&self) -> Result<(), Reason> {
        for (old, new) in &self.patch.wiring.moved_outputs {
            if !self.graph.is_output(*old) {
                continue;
            }
            let before = self.graph.tensor(*old);
            let after = self.tensor_after(*new);
            if before.shape != after.shape || before.expressed.unwrap_or(before.ty) != after.ty {
                return Err(Reason::Mismatch {
                    old: before.label().to_owned(),
                    new: after.label().to_owned(),
                });
            }
        }
        Ok(())
    }
}
