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
    listed: OnceLock<Arc<HashMap<BufferId, usize>>>,
}

/// By number: tensors refer to buffers that are there, and there may be a great many.
#[derive(Clone, Default)]
struct Counts(Vec<u32>);

impl BufferUses {
    /// How many tensors refer to it.
    pub(super) fn tensors(&self, subgraphs: &[Arc<Subgraph>], buffer: BufferId) -> usize {
        let all =
            || subgraphs.iter().flat_map(|sg| sg.tensors().map(|tensor| sg.tensor(tensor).buffer));
        self.tensors.get_or_init(|| Arc::new(Counts::of(all()))).get(buffer)
    }

    /// How often the older list of metadata buffers has it.
    pub(super) fn listed(&self, list: &[i32], buffer: BufferId) -> usize {
        let counted = || {
            let mut counts = HashMap::default();
            numbers(list).for_each(|id| *counts.entry(id).or_default() += 1);
            Arc::new(counts)
        };
        self.listed.get_or_init(counted).get(&buffer).copied().unwrap_or(0)
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
        self.0.get(buffer.0 as usize).map_or(0, |count| *count as usize)
    }

    fn add(&mut self, buffer: BufferId) {
        let number = buffer.0 as usize;
        if number >= self.0.len() {
            self.0.resize(number + 1, 0);
        }
        self.0[number] += 1;
    }

    fn drop(&mut self, buffer: BufferId) {
        self.0[buffer.0 as usize] -= 1;
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
