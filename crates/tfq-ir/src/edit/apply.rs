//! Applying edits, and patches among them.

use super::Edit;
use super::check;
use super::log::{AddedAndDropped, Applied};
use super::patch::{BufferRef, InsertionPoint, OpChange, OpRef, Patch, TensorChange, TensorRef};
use super::pruned::Pruned;
use super::refused::{Reason, Rejected};
use crate::dequant_cache::not_dequant_cache;
use crate::few::{FewMap, once};
use crate::maps::{HashMap, IndexSet};
use crate::model::signature::SignaturePorts;
use crate::model::subgraph::EdgeRole;
use crate::{
    BufferId, DEQUANT_CACHE_METADATA, Metadata, Module, Op, OpId, Subgraph, Tensor, TensorId,
    is_record_key,
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

impl Module {
    /// Does something to the module, all of it, or refuses it and leaves everything as it was.
    /// Nothing else changes a module.
    pub fn apply(&mut self, edit: impl Into<Edit>) -> Result<Arc<Applied>, Rejected> {
        let edit = edit.into();
        let refuse = |reason| Rejected { label: edit.label(), reason };
        let Some(mut applied) = self.perform(&edit).map_err(refuse)? else {
            return Ok(Arc::default());
        };
        if !edit.keeps_references() {
            self.pruned = Pruned::default();
        }
        if applied.origin.is_none() && self.log.pass.is_some() {
            applied = applied.by(self.log.origin(&Cow::Borrowed("")));
        }
        let outdated = self.outdate_records(&applied);
        applied.release(outdated);
        let applied = Arc::new(applied);
        self.log.push(edit, &applied);
        Ok(applied)
    }

    /// What it did; `None` where there was nothing to do.
    fn perform(&mut self, edit: &Edit) -> Result<Option<Applied>, Reason> {
        let quiet = Ok(Some(Applied::default()));
        let quiet_with = |more| Ok(Some(Applied::default().with(more)));
        match edit {
            Edit::Patch(patch) => {
                check::check(self, patch)?;
                Ok(Some(commit(self, patch)))
            }
            Edit::Versions(sg, versions) => {
                check::known_ops(self, *sg, versions.iter().map(|(op, _)| *op))?;
                let graph = self.subgraph_mut(*sg);
                versions.iter().for_each(|(op, version)| graph.op_mut(*op).op.version = *version);
                quiet
            }
            Edit::Constant(bytes) => {
                let added = Arc::make_mut(&mut self.constants).push(bytes.clone());
                Ok(Some(Applied::of_constant(added)))
            }
            Edit::Release(ids) => {
                let is_there = |id: &BufferId| (id.0 as usize) < self.constants.len();
                if !ids.iter().all(is_there) {
                    return Err(Reason::Buffer);
                }
                Ok(self.release(ids))
            }
            Edit::Metadata(name, _) if self.records.contains_key(name) => {
                Err(Reason::MetadataOfRecord(name.clone()))
            }
            Edit::Metadata(name, Some(bytes)) => Ok(Some(self.put_metadata(name, bytes.clone()))),
            Edit::Metadata(name, None) => {
                let before = self.metadata.len();
                let released = self.drop_metadata(name);
                if self.metadata.len() == before {
                    return Ok(None);
                }
                quiet_with(AddedAndDropped { released, ..AddedAndDropped::default() })
            }
            Edit::MetadataBuffers(list) => {
                self.buffer_uses.forget_list();
                self.metadata_buffer.clone_from(list);
                quiet
            }
            Edit::Description(text) => {
                self.description.clone_from(text);
                quiet
            }
            Edit::Trailer(bytes) => {
                self.trailer = bytes.clone();
                quiet
            }
            Edit::External(groups, buffers) => {
                check::external(self, groups, buffers)?;
                self.external_buffer_groups.clone_from(groups);
                self.external_buffers.clone_from(buffers);
                Ok(Some(Applied::default().by(self.log.origin(&edit.label()))))
            }
            Edit::Signatures(signatures) => {
                check::signatures(self, signatures)?;
                self.signatures.clone_from(signatures);
                self.signature_ports = SignaturePorts::default();
                Ok(Some(Applied::default().by(self.log.origin(&edit.label()))))
            }
            Edit::Record(key, record) => {
                let is_there = || self.metadata.find(key).is_some();
                let is_ours = key.as_ref() == DEQUANT_CACHE_METADATA;
                if !is_record_key(key) {
                    return Err(Reason::RecordKey(key.clone()));
                }
                if let Some(code) = record.as_ref().and_then(|record| record.unknown_operator()) {
                    return Err(Reason::RecordOperator(key.clone(), code));
                }
                if !is_ours && !self.records.contains_key(key) && is_there() {
                    return Err(Reason::RecordName(key.clone()));
                }
                if let Some(record) = record {
                    let not_ours = || is_ours.then(|| not_dequant_cache(self, record)).flatten();
                    if let Some(what) = check::record(self, record).or_else(not_ours) {
                        return Err(Reason::Record(key.clone(), what));
                    }
                }
                if self.records.get(key) == record.as_ref() && (record.is_some() || !is_there()) {
                    return Ok(None);
                }
                let Some(record) = record else {
                    let released = self.drop_record(key);
                    return quiet_with(AddedAndDropped { released, ..AddedAndDropped::default() });
                };
                self.records.insert(key.clone(), record.clone());
                quiet
            }
            Edit::PruneBuffers if self.pruned.buffers => Ok(None),
            Edit::PruneBuffers => {
                let dropped = self.drop_buffers();
                self.pruned.buffers = dropped.is_none();
                Ok(dropped)
            }
            Edit::PruneOpCodes if self.pruned.op_codes => Ok(None),
            Edit::PruneOpCodes => {
                let dropped = self.drop_op_codes();
                self.pruned.op_codes = dropped.is_none();
                Ok(dropped)
            }
            Edit::PruneSubgraphs if self.pruned.subgraphs => Ok(None),
            Edit::PruneSubgraphs => {
                let dropped = self.drop_subgraphs();
                self.pruned.subgraphs = dropped.is_none();
                Ok(dropped)
            }
        }
    }

    fn release(&mut self, ids: &[BufferId]) -> Option<Applied> {
        if ids.is_empty() {
            return None;
        }
        // Buffer 0 is in use, whoever refers to it.
        let unused = |id: &&BufferId| **id != BufferId::NONE && self.buffer_uses(**id) == 0;
        let released: Vec<BufferId> = ids.iter().filter(unused).copied().collect();
        if released.is_empty() {
            return None;
        }
        let constants = Arc::make_mut(&mut self.constants);
        released.iter().for_each(|id| constants.release(*id));
        let more = AddedAndDropped { released, ..AddedAndDropped::default() };
        Some(Applied::default().with(more))
    }

    /// The bytes take the place of the old ones unless something else refers to those.
    fn put_metadata(&mut self, name: &str, bytes: Bytes) -> Applied {
        let at = self.metadata.find(name);
        let old = at.map_or(BufferId::NONE, |at| self.metadata[at].buffer);
        if old != BufferId::NONE && self.buffer_uses(old) == 1 {
            Arc::make_mut(&mut self.constants).replace(old, bytes);
            let released = AddedAndDropped { released: vec![old], ..AddedAndDropped::default() };
            return Applied::of_constant(old).with(released);
        }
        let buffer = Arc::make_mut(&mut self.constants).push(bytes);
        match at {
            Some(at) => self.metadata.set_buffer(at, buffer),
            None => self.metadata.push(Metadata { name: Some(name.into()), buffer }),
        }
        Applied::of_constant(buffer)
    }

    /// Which constants were let go with the entries of this name.
    pub(super) fn drop_metadata(&mut self, name: &str) -> Vec<BufferId> {
        let mut released = Vec::new();
        let removed: IndexSet<BufferId> =
            self.metadata.remove(name).into_iter().map(|entry| entry.buffer).collect();
        for buffer in removed {
            if buffer != BufferId::NONE && self.buffer_uses(buffer) == 0 {
                Arc::make_mut(&mut self.constants).release(buffer);
                released.push(buffer);
            }
        }
        released
    }
}

/// Edits that can be done to every module.
impl Module {
    /// Adds a constant: [`Edit::Constant`].
    pub fn add_constant(&mut self, bytes: Bytes) -> BufferId {
        self.must(Edit::Constant(bytes)).constants().next().expect("it was added")
    }

    /// Drops unused buffers, and returns how many and their bytes: [`Edit::PruneBuffers`].
    pub fn prune_buffers(&mut self) -> (usize, u64) {
        let applied = self.must(Edit::PruneBuffers);
        (applied.buffers_erased(), applied.bytes_dropped())
    }

    /// Drops unused operator codes, and returns how many: [`Edit::PruneOpCodes`].
    pub fn prune_op_codes(&mut self) -> usize {
        self.must(Edit::PruneOpCodes).op_codes_erased()
    }

    /// Drops unused subgraphs, and returns how many: [`Edit::PruneSubgraphs`].
    pub fn prune_subgraphs(&mut self) -> usize {
        self.must(Edit::PruneSubgraphs).subgraphs_erased()
    }

    fn must(&mut self, edit: Edit) -> Arc<Applied> {
        self.apply(edit).expect("it can be done to every module")
    }
}

/// Applies a checked patch; nothing here can fail.
fn commit(module: &mut Module, patch: &Patch) -> Applied {
    let constants = add_constants(module, patch);
    let mut last_set = std::mem::take(&mut module.log.last_set);
    let mut uses = std::mem::take(&mut module.buffer_uses);
    let graph = module.subgraph_mut(patch.subgraph);
    let tensors = add_tensors(graph, patch);
    uses.add(patch.tensors.iter().map(|tensor| tensor.buffer));
    let ops = add_ops(graph, patch);
    let place = |tensor: TensorRef| match tensor {
        TensorRef::Old(tensor) => tensor,
        TensorRef::New(n) => tensors[n as usize],
    };
    let erased = &patch.wiring.erased_ops;
    // New ones first.
    let mut touched: SmallVec<[OpId; 4]> = ops.iter().copied().collect();
    if !patch.wiring.is_none() {
        connect(graph, patch, &ops, place, &mut touched);
    }
    let mut changed: SmallVec<[TensorId; 4]> = tensors.iter().copied().collect();
    let mut retyped: SmallVec<[TensorId; 4]> = SmallVec::new();
    // Most patches set several things of one tensor.
    let mut told = None;
    for (tensor, change) in &patch.tensor_changes {
        use TensorChange::{Expressed, Name, Quantization, Type};
        let id = place(*tensor);
        changed.push(id);
        let was_there = matches!(tensor, TensorRef::Old(_));
        if was_there && matches!(change, Type(_) | Quantization(_) | Expressed(_)) {
            retyped.push(id);
        }
        if !matches!(change, Name(_)) && told != Some(id) {
            told = Some(id);
            touched.extend(graph.uses(id).iter().map(|u| u.op));
            touched.extend(graph.producer(id).map(|(op, _)| op));
        }
        match change {
            TensorChange::Buffer(buffer) => {
                let new = match buffer {
                    BufferRef::Old(buffer) => *buffer,
                    BufferRef::New(n) => BufferId(constants.start + n),
                };
                let old = std::mem::replace(&mut graph.tensor_mut(id).buffer, new);
                uses.drop([old]);
                uses.add([new]);
            }
            Quantization(q) => {
                let mut q = q.clone();
                if let Some(q) = &mut q
                    && q.details.links().any(|link| link.is_upcoming().is_some())
                {
                    let details = &mut Arc::make_mut(q).details;
                    details.each_link(|link| *link = place((*link).into()));
                }
                graph.set_quantization(id, q);
            }
            change => change.set(graph.tensor_mut(id)),
        }
    }
    let mut op_changes = patch.op_changes.iter().peekable();
    while let Some((id, change)) = op_changes.next() {
        if !change.is_annotation() {
            touched.push(*id);
        }
        let op = &mut graph.op_mut(*id).op;
        match change {
            OpChange::Op(new) => op.clone_from(new),
            OpChange::Attr(name, value) => {
                let attrs = op.attrs.as_mut().expect("checked");
                attrs.set(name, value.clone()).expect("checked");
            }
            OpChange::Note(name, value) => {
                op.notes.insert(name.clone(), value.clone());
            }
            OpChange::Version(version) => op.version = *version,
        }
        if op_changes.peek().is_none_or(|(next, _)| next != id) {
            op.attrs.iter_mut().for_each(|attrs| share(&mut last_set.0, attrs));
            share(&mut last_set.1, &mut op.notes);
        }
    }
    if !patch.wiring.is_none() {
        let moved = patch.wiring.moved_outputs.iter();
        let moves: HashMap<TensorId, TensorId> =
            moved.map(|(old, new)| (*old, place(*new))).collect();
        graph.move_outputs(&moves);
        if let Some(inputs) = &patch.wiring.inputs {
            graph.set_inputs(inputs.iter().map(|tensor| place(*tensor)));
        }
        if let Some(outputs) = &patch.wiring.outputs {
            graph.set_outputs(outputs.iter().map(|tensor| place(*tensor)));
        }
        erased.iter().for_each(|op| graph.remove_op(*op));
        let gone = &patch.wiring.erased_tensors;
        uses.drop(gone.iter().map(|tensor| graph.tensor(*tensor).buffer));
        gone.iter().for_each(|tensor| graph.remove_tensor(*tensor));
        module.signature_ports.replace_outputs(&mut module.signatures, &moves);
    }

    module.buffer_uses = uses;
    module.log.last_set = last_set;
    let stays = |tensor: &TensorId| !patch.wiring.erased_tensors.contains(tensor);
    Applied {
        subgraph: Some(patch.subgraph),
        ops: once(touched, |op| !erased.contains(op)),
        tensors: once(changed, stays),
        retyped: once(retyped, |_| true),
        constants,
        origin: Some(module.log.origin(&patch.label)),
        more: None,
    }
    .with(AddedAndDropped {
        ops_added: patch.ops.len(),
        erased: erased.iter().copied().collect(),
        tensors_added: patch.tensors.len(),
        tensors_erased: patch.wiring.erased_tensors.len(),
        ..AddedAndDropped::default()
    })
}

/// What is equal to the last of its kind takes no memory of its own: a pass does the same to a great
/// many ops.
fn share<T: Clone + PartialEq>(last: &mut Option<T>, new: &mut T) {
    match last {
        Some(last) if last == new => new.clone_from(last),
        _ => *last = Some(new.clone()),
    }
}

/// Their numbers.
fn add_constants(module: &mut Module, patch: &Patch) -> Range<u32> {
    if patch.constants.is_empty() {
        return 0..0;
    }
    let pool = Arc::make_mut(&mut module.constants);
    let add = |bytes: &Bytes| pool.push(bytes.clone()).0;
    let numbers: SmallVec<[u32; 4]> = patch.constants.iter().map(add).collect();
    // The first of a pool has number 0 in front of it.
    numbers[0]..numbers[0] + numbers.len() as u32
}

fn add_tensors(graph: &mut Subgraph, patch: &Patch) -> Vec<TensorId> {
    let first = graph.upcoming_tensor(0);
    let resolve = |link: TensorId| match TensorRef::from(link) {
        TensorRef::Old(link) => link,
        TensorRef::New(n) => graph.upcoming_tensor(n),
    };
    let linked = |tensor: &Tensor| {
        let mut tensor = tensor.clone();
        tensor.each_link(resolve);
        tensor
    };
    let new: Vec<Tensor> = patch.tensors.iter().map(linked).collect();
    let tensors: Vec<TensorId> =
        new.into_iter().map(|tensor| graph.insert_tensor(tensor)).collect();
    debug_assert!(tensors.first().is_none_or(|id| *id == first));
    tensors
}

fn add_ops(graph: &mut Subgraph, patch: &Patch) -> Vec<OpId> {
    // Ops after one anchor: each goes behind the one added before it.
    let mut behind: FewMap<OpId, OpId> = FewMap::default();
    let add = |(op, place): &(Op, InsertionPoint)| {
        let op = op.clone();
        match *place {
            InsertionPoint::Before(anchor) => graph.insert_op(op, Some(anchor)),
            InsertionPoint::After(anchor) => {
                let last = behind.get(anchor).copied().unwrap_or(anchor);
                let next = graph.next_op(last);
                let id = graph.insert_op(op, next);
                behind.insert(anchor, id);
                id
            }
            InsertionPoint::End => graph.insert_op(op, None),
        }
    };
    patch.ops.iter().map(add).collect()
}

/// Sets the slots that the patch says something of; tells of which ops.
fn connect(
    graph: &mut Subgraph,
    patch: &Patch,
    new: &[OpId],
    place: impl Fn(TensorRef) -> TensorId,
    touched: &mut SmallVec<[OpId; 4]>,
) {
    let wiring = &patch.wiring;
    let op_of = |op: OpRef| match op {
        OpRef::Old(op) => op,
        OpRef::New(n) => new[n as usize],
    };
    // What is in these slots must leave first, so that a tensor never has two producers; and what
    // erased ops read, so that it is not looked for behind what others will read.
    let filled = |(op, slot): &(OpRef, u32), role| match op {
        OpRef::Old(op) => Some((*op, role, *slot)),
        OpRef::New(_) => None,
    };
    let results = wiring.results.keys().filter_map(|at| filled(at, EdgeRole::Result));
    let operands = wiring.operands.keys().filter_map(|at| filled(at, EdgeRole::Operand));
    let scratch = wiring.intermediates.keys().filter_map(|at| filled(at, EdgeRole::Intermediate));
    graph.disconnect(results.chain(operands).chain(scratch), &wiring.erased_ops);
    let results = wiring.results.iter().map(|(at, tensor)| (at, EdgeRole::Result, Some(*tensor)));
    let operands = wiring.operands.iter().map(|(at, tensor)| (at, EdgeRole::Operand, *tensor));
    let scratch = wiring.intermediates.iter().map(|(at, id)| (at, EdgeRole::Intermediate, *id));
    for (&(op, slot), role, tensor) in results.chain(operands).chain(scratch) {
        touched.push(op_of(op));
        graph.connect(op_of(op), role, slot, tensor.map(&place));
    }
}
