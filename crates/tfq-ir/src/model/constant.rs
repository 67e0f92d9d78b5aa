//! The model-wide pool of constant bytes (the schema's `buffers`).

use bytes::Bytes;

/// A place in the [`ConstantPool`]. Number 0 is the format's "no data": a tensor that refers
/// to it is never a constant, whatever bytes stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

impl BufferId {
    /// "No data".
    pub const NONE: Self = Self(0);
}

/// Constant bytes by [`BufferId`]. What tensors refer to is immutable: a pass that changes a
/// constant adds a new entry and lets tensors refer to that, so that two tensors which share one
/// buffer cannot disturb each other. Bytes are reference-counted slices, usually of the mapped
/// input.
#[derive(Clone, Debug, Default)]
pub struct ConstantPool {
    entries: Vec<Option<Bytes>>,
}

impl ConstantPool {
    /// A pool of these entries; `None` is a buffer without data.
    pub fn new(entries: Vec<Option<Bytes>>) -> Self {
        Self { entries }
    }

    /// Number of entries, empty ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the pool has no entry at all, not even the "no data" one.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What all entries take.
    pub fn total_bytes(&self) -> u64 {
        self.entries.iter().flatten().map(|bytes| bytes.len() as u64).sum()
    }

    /// Entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (BufferId, Option<&Bytes>)> {
        self.entries.iter().enumerate().map(|(n, e)| (BufferId(n as u32), e.as_ref()))
    }

    /// The bytes of an entry as stored; see [`Self::constant`] for what the runtime sees.
    pub fn get(&self, id: BufferId) -> Option<&Bytes> {
        self.entries.get(id.0 as usize)?.as_ref()
    }

    /// The bytes that make a tensor with this buffer a constant. The runtime never looks into
    /// buffer 0, so bytes there make no constant.
    pub fn constant(&self, id: BufferId) -> Option<&Bytes> {
        if id == BufferId::NONE { None } else { self.get(id) }
    }

    /// Adds an entry behind all others.
    pub fn push(&mut self, bytes: Bytes) -> BufferId {
        if self.entries.is_empty() {
            self.entries.push(None);
        }
        self.entries.push(Some(bytes));
        BufferId((self.entries.len() - 1) as u32)
    }

    /// Sets an entry that no tensor refers to.
    pub(crate) fn replace(&mut self, id: BufferId, bytes: Bytes) {
        self.entries[id.0 as usize] = Some(bytes);
    }

    /// Empties an entry that nothing refers to.
    pub(crate) fn release(&mut self, id: BufferId) {
        if let Some(entry) = self.entries.get_mut(id.0 as usize) {
            *entry = None;
        }
    }

    /// Keeps the entries for which `keep` holds, and returns where each old entry went.
    pub(crate) fn retain(&mut self, keep: impl Fn(BufferId) -> bool) -> Vec<Option<BufferId>> {
        let mut moved = Vec::with_capacity(self.entries.len());
        let mut next = 0;
        let mut n = 0;
        self.entries.retain(|_| {
            let kept = keep(BufferId(n));
            n += 1;
            moved.push(kept.then_some(BufferId(next)));
            next += u32::from(kept);
            kept
        });
        self.entries.shrink_to_fit();
        moved
    }
}
