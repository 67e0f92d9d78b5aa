//! Removing what nothing refers to.

use super::log::{AddedAndDropped, Applied};
use crate::model::buffer_uses::BufferUses;
use crate::model::module::to_change;
use crate::model::signature::SignaturePorts;
use crate::words::counted;
use crate::{BufferId, Edit, Module, Numbers, Op, OpId, SubgraphId, TensorId};
use std::sync::Arc;

impl Edit {
    /// Whether it leaves what refers to buffers, operator codes and subgraphs as it is.
    pub(super) fn keeps_references(&self) -> bool {
        matches!(
            self,
            Self::Versions(..) | Self::Description(_) | Self::Trailer(_) | Self::External(..)
        )
    }
}

/// These are changes of the module's own lists, and renumber what they must.
impl Module {
    /// How many buffers nothing refers to, but for metadata that numbers them.
    pub fn unused_buffers(&self) -> usize {
        self.used_buffers().iter().filter(|used| !**used).count()
    }

    /// How many subgraphs neither the main one nor a signature reaches.
    pub fn unused_subgraphs(&self) -> usize {
        self.reached_subgraphs().iter().filter(|used| !**used).count()
    }

    /// How many operator codes [`Self::prune_op_codes`] would drop.
    pub fn unused_op_codes(&self) -> usize {
        self.used_op_codes().iter().filter(|used| !**used).count()
    }

    fn used_buffers(&self) -> Vec<bool> {
        let mut used = vec![false; self.constants.len()];
        let mut mark = |id: u32| {
            if let Some(used) = used.get_mut(id as usize) {
                *used = true;
            }
        };
        mark(0);
        for sg in &self.subgraphs {
            sg.tensors().for_each(|t| mark(sg.tensor(t).buffer.0));
        }
        self.metadata.iter().for_each(|entry| mark(entry.buffer.0));
        self.metadata_buffer.iter().for_each(|id| mark(u32::try_from(*id).unwrap_or(u32::MAX)));
        used
    }

    fn used_op_codes(&self) -> Vec<bool> {
        let mut used = vec![false; self.op_codes.len()];
        for sg in &self.subgraphs {
            for code in sg.ops().filter_map(|op| sg.op(op).code) {
                if let Some(used) = used.get_mut(code as usize) {
                    *used = true;
                }
            }
        }
        used
    }

    /// Drops buffers that no tensor and no metadata refers to. Buffer 0 stays: the format needs
    /// it. All stay where metadata numbers them.
    pub(super) fn drop_buffers(&mut self) -> Option<Applied> {
        let used = self.used_buffers();
        let dead: Vec<u64> = self
            .constants
            .iter()
            .filter(|(id, _)| !used[id.0 as usize])
            .map(|(_, bytes)| bytes.map_or(0, |bytes| bytes.len() as u64))
            .collect();
        let numbers = Numbers { buffers: true, ..Numbers::default() };
        if dead.is_empty() || self.numbered_by_metadata(numbers).is_some() {
            return None;
        }
        let moved = Arc::make_mut(&mut self.constants).retain(|id| used[id.0 as usize]);
        let place = |id: BufferId| moved.get(id.0 as usize).copied().flatten();
        for sg in self.subgraphs.iter_mut().map(to_change) {
            let tensors: Vec<TensorId> = sg.tensors().collect();
            for tensor in tensors {
                let old = sg.tensor(tensor).buffer;
                if let Some(new) = place(old).filter(|new| *new != old) {
                    sg.tensor_mut(tensor).buffer = new;
                }
            }
        }
        self.buffer_uses = BufferUses::default();
        self.metadata.renumber(|old| place(old).unwrap_or(old));
        for id in &mut self.metadata_buffer {
            if let Some(new) = u32::try_from(*id).ok().and_then(|id| place(BufferId(id))) {
                *id = new.0 as i32;
            }
        }
        let bytes = dead.iter().sum();
        let more = AddedAndDropped {
            buffers_erased: dead.len(),
            bytes_dropped: bytes,
            ..AddedAndDropped::default()
        };
        Some(self.pruned(&counted(dead.len(), "buffer"), more))
    }

    /// Drops operator codes that no op has.
    pub(super) fn drop_op_codes(&mut self) -> Option<Applied> {
        let used = self.used_op_codes();
        let mut moved = Vec::with_capacity(used.len());
        let mut next = 0_u32;
        for used in &used {
            moved.push(next);
            next += u32::from(*used);
        }
        let dropped = used.len() - next as usize;
        if dropped == 0 {
            return None;
        }
        let mut keep = used.iter();
        self.op_codes.retain(|_| *keep.next().expect("one flag per code"));
        for sg in self.subgraphs.iter_mut().map(to_change) {
            let ops: Vec<OpId> = sg.ops().collect();
            for op in ops {
                if let Some(code) = sg.op(op).code {
                    sg.op_mut(op).op.code = moved.get(code as usize).copied();
                }
            }
        }
        let more = AddedAndDropped { op_codes_erased: dropped, ..AddedAndDropped::default() };
        Some(self.pruned(&format!("{dropped} operator codes"), more))
    }

    /// Drops subgraphs that neither the main one nor a signature reaches. All stay where metadata
    /// numbers them.
    pub(super) fn drop_subgraphs(&mut self) -> Option<Applied> {
        let numbers = Numbers { subgraphs: true, ..Numbers::default() };
        if self.numbered_by_metadata(numbers).is_some() {
            return None;
        }
        let reached = self.reached_subgraphs();
        let count = reached.len();
        let dropped = reached.iter().filter(|reached| !**reached).count();
        if dropped == 0 {
            return None;
        }
        let mut moved = Vec::with_capacity(count);
        let mut next = 0_i64;
        for reached in &reached {
            moved.push(next);
            next += i64::from(*reached);
        }
        let mut keep = reached.iter();
        self.subgraphs.retain(|_| *keep.next().expect("one flag per subgraph"));
        let place = |old: i64| usize::try_from(old).ok().and_then(|old| moved.get(old).copied());
        for sg in self.subgraphs.iter_mut().map(to_change) {
            let ops: Vec<OpId> = sg.ops().collect();
            for op in ops {
                if !sg.op(op).subgraph_refs().is_empty() {
                    sg.op_mut(op).op.renumber_subgraphs(place);
                }
            }
        }
        for applied in Arc::make_mut(&mut self.log.journal) {
            let applied = Arc::make_mut(applied);
            let reached = applied.subgraph.filter(|sg| reached[sg.0 as usize]);
            applied.subgraph =
                reached.and_then(|sg| place(i64::from(sg.0))).map(|n| SubgraphId(n as u32));
        }
        for signature in &mut self.signatures {
            if let Some(new) = place(i64::from(signature.subgraph)) {
                signature.subgraph = new as u32;
            }
        }
        self.signature_ports = SignaturePorts::default();
        self.buffer_uses = BufferUses::default();
        let more = AddedAndDropped { subgraphs_erased: dropped, ..AddedAndDropped::default() };
        Some(self.pruned(&counted(dropped, "subgraph"), more))
    }

    fn pruned(&mut self, what: &str, more: AddedAndDropped) -> Applied {
        let origin = self.log.origin(&format!("drop {what}").into());
        Applied::default().by(origin).with(more)
    }
}

impl Op {
    fn renumber_subgraphs(&mut self, place: impl Fn(i64) -> Option<i64>) {
        use crate::Attr;
        let extra = self.rare.said_mut().and_then(|rare| rare.extra_attrs.as_deref_mut());
        for attrs in self.attrs.iter_mut().chain(extra) {
            for info in attrs.options().attrs.iter().filter(|info| info.subgraph) {
                let new = match attrs.get(info.name) {
                    Some(Attr::Int(old)) => place(old).map(Attr::Int),
                    Some(Attr::Ints(old)) => Some(Attr::Ints(
                        old.iter().map(|old| place(*old).unwrap_or(*old)).collect(),
                    )),
                    _ => None,
                };
                if let Some(new) = new {
                    attrs.set(info.name, new).expect("subgraph numbers only shrink");
                }
            }
        }
    }
}
