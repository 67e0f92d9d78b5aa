//! How often tensors, and the older list of metadata buffers, refer to each buffer.

use crate::maps::HashMap;
use crate::{BufferId, Subgraph};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Counted when somebody asks first, and kept true from then on: who changes what refers to buffers
/// says so. It is no part of the model, and so not shown. Metadata entries are counted in their own
/// list.
#[derive(Clone, Default)]
pub(crate) struct BufferUses {
    tensors: OnceLock<Arc<Counts>>,
    listed: OnceLock<Arc<Counts>>,
}

#[derive(Clone, Default)]
struct Counts(HashMap<BufferId, usize>);

impl BufferUses {
    /// How many tensors refer to it.
    pub(super) fn tensors(&self, subgraphs: &[Arc<Subgraph>], buffer: BufferId) -> usize {
        let all =
            || subgraphs.iter().flat_map(|sg| sg.tensors().map(|tensor| sg.tensor(tensor).buffer));
        self.tensors.get_or_init(|| Arc::new(Counts::of(all()))).get(buffer)
    }

    /// How often the older list of metadata buffers has it.
    pub(super) fn listed(&self, list: &[i32], buffer: BufferId) -> usize {
        self.listed.get_or_init(|| Arc::new(Counts::of(numbers(list)))).get(buffer)
    }

    /// Tensors that refer to these are added.
    pub(crate) fn add(&mut self, buffers: impl IntoIterator<Item = BufferId>) {
        if let Some(counts) = self.tensors.get_mut() {
            buffers.into_iter().for_each(|id| Arc::make_mut(counts).add(id));
        }
    }

    /// Tensors that refer to these go.
    pub(crate) fn drop(&mut self, buffers: impl IntoIterator<Item = BufferId>) {
        if let Some(counts) = self.tensors.get_mut() {
            buffers.into_iter().for_each(|id| Arc::make_mut(counts).drop(id));
        }
    }

    /// The older list of metadata buffers becomes another.
    pub(crate) fn forget_list(&mut self) {
        self.listed = OnceLock::new();
    }
}

impl Counts {
    fn of(buffers: impl Iterator<Item = BufferId>) -> Self {
        let mut counts = Self::default();
        buffers.for_each(|id| counts.add(id));
        counts
    }

    fn get(&self, buffer: BufferId) -> usize {
        self.0.get(&buffer).copied().unwrap_or(0)
    }

    fn add(&mut self, buffer: BufferId) {
        *self.0.entry(buffer).or_default() += 1;
    }

    fn drop(&mut self, buffer: BufferId) {
        let count = self.0.get_mut(&buffer).expect("it was counted");
        *count -= 1;
        if *count == 0 {
            self.0.remove(&buffer);
        }
    }
}

fn numbers(listed: &[i32]) -> impl Iterator<Item = BufferId> {
    listed.iter().filter_map(|id| u32::try_from(*id).ok().map(BufferId))
}

impl fmt::Debug for BufferUses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}
