//! What was done to a module.

use super::Edit;
use super::summary::EditSummary;
use crate::{Attributes, BufferId, Notes, Numbers, OpId, SubgraphId, TensorId};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What an edit did. The journal keeps this of every edit that changed what is computed, a
/// caller's view of it, or numbers.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The subgraph, `None` for a change of the module's own lists.
    pub subgraph: Option<SubgraphId>,
    /// Ops whose operands, results, attributes or operand types changed; new ones first.
    pub ops: SmallVec<[OpId; 2]>,
    /// Tensors that were changed or added; new ones first.
    pub tensors: SmallVec<[TensorId; 2]>,
    /// Tensors whose type or quantisation was set, among those that were there before.
    pub retyped: SmallVec<[TensorId; 2]>,
    /// Numbers of constants that were added, or have other bytes.
    pub(super) constants: Range<u32>,
    /// Shared by what one rule did in a row.
    pub(super) origin: Option<Arc<Origin>>,
    /// The rest, where there is any: the journal has an entry for each of a great many patches,
    /// most of which add and drop nothing.
    pub(super) more: Option<Box<AddedAndDropped>>,
}

/// Where an edit came from.
#[derive(Debug, PartialEq)]
pub(super) struct Origin {
    label: Cow<'static, str>,
    pass: Option<Arc<str>>,
}

/// What an edit added and what it dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AddedAndDropped {
    pub(super) ops_added: usize,
    pub(super) erased: Vec<OpId>,
    pub(super) tensors_added: usize,
    pub(super) tensors_erased: usize,
    pub(super) subgraphs_erased: usize,
    pub(super) buffers_erased: usize,
    pub(super) op_codes_erased: usize,
    pub(super) bytes_dropped: u64,
    pub(super) released: Vec<BufferId>,
}

impl Applied {
    /// What the edit said it does.
    pub fn label(&self) -> &str {
        self.origin.as_deref().map_or("", |origin| &origin.label)
    }

    /// The pass that made it, where one was running.
    pub fn pass(&self) -> Option<&Arc<str>> {
        self.origin.as_deref()?.pass.as_ref()
    }

    /// Ops that were added.
    pub fn added_ops(&self) -> &[OpId] {
        &self.ops[..self.ops_added()]
    }

    /// Tensors that were added.
    pub fn added_tensors(&self) -> &[TensorId] {
        &self.tensors[..self.tensors_added()]
    }

    /// How many ops were added.
    pub fn ops_added(&self) -> usize {
        self.number(|more| more.ops_added)
    }

    /// Ops that were erased; the handles are stale.
    pub fn erased(&self) -> &[OpId] {
        self.list(|more| &more.erased)
    }

    /// How many tensors were added.
    pub fn tensors_added(&self) -> usize {
        self.number(|more| more.tensors_added)
    }

    /// How many tensors were erased.
    pub fn tensors_erased(&self) -> usize {
        self.number(|more| more.tensors_erased)
    }

    /// How many subgraphs were dropped.
    pub fn subgraphs_erased(&self) -> usize {
        self.number(|more| more.subgraphs_erased)
    }

    /// How many buffers were dropped.
    pub fn buffers_erased(&self) -> usize {
        self.number(|more| more.buffers_erased)
    }

    /// How many operator codes were dropped.
    pub fn op_codes_erased(&self) -> usize {
        self.number(|more| more.op_codes_erased)
    }

    /// Constant bytes that the model no longer holds.
    pub fn bytes_dropped(&self) -> u64 {
        self.number(|more| more.bytes_dropped)
    }

    /// Constants that were added, or have other bytes.
    pub fn constants(&self) -> impl ExactSizeIterator<Item = BufferId> + Clone + use<> {
        self.constants.clone().map(BufferId)
    }

    /// Constants whose bytes were let go, be it with the record or metadata entry that had them.
    /// Those among [`Self::constants`] have others now.
    pub fn released(&self) -> &[BufferId] {
        self.list(|more| &more.released)
    }

    /// What may have another number since.
    pub fn renumbers(&self) -> Numbers {
        Numbers {
            subgraphs: self.subgraphs_erased() > 0,
            ops: self.ops_added() + self.erased().len() > 0,
            tensors: self.tensors_added() + self.tensors_erased() > 0,
            buffers: self.buffers_erased() > 0,
        }
    }

    fn number<N: Default>(&self, of: impl Fn(&AddedAndDropped) -> N) -> N {
        self.more.as_deref().map_or_else(N::default, of)
    }

    fn list<T>(&self, of: impl Fn(&AddedAndDropped) -> &[T]) -> &[T] {
        self.more.as_deref().map_or(&[], of)
    }

    pub(super) fn with(self, more: AddedAndDropped) -> Self {
        let more = (more != AddedAndDropped::default()).then(|| Box::new(more));
        Self { more, ..self }
    }

    /// Some more constants were let go.
    pub(super) fn release(&mut self, constants: Vec<BufferId>) {
        if !constants.is_empty() {
            self.more.get_or_insert_default().released.extend(constants);
        }
    }

    /// What added this constant, or gave it other bytes.
    pub(super) fn of_constant(id: BufferId) -> Self {
        Self { constants: id.0..id.0 + 1, ..Self::default() }
    }

    pub(super) fn by(self, origin: Arc<Origin>) -> Self {
        Self { origin: Some(origin), ..self }
    }
}

/// An edit that was applied.
#[derive(Clone, Debug)]
pub struct LoggedEdit {
    /// What was done; shared by every snapshot of the module.
    pub edit: Arc<Edit>,
    /// The pass that did it, where one was running.
    pub pass: Option<Arc<str>>,
}

/// Edits and what they did. Snapshots share it.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(super) journal: Arc<Vec<Arc<Applied>>>,
    pub(super) edits: Edits,
    /// The state from which the edits lead to this one, and how many came before it.
    pub(super) base: State,
    pub(super) forgotten: usize,
    /// The state of the module.
    pub(super) now: State,
    pub(super) count: usize,
    pub(super) pass: Option<Arc<str>>,
    /// Of the last edits: one that adds a constant may come before each of a great many patches.
    origins: [Option<Arc<Origin>>; 2],
    /// What was last set of an op.
    pub(super) last_set: (Option<Attributes>, Option<Notes>),
    /// The same for a module and its snapshots since something else than an edit changed it, and
    /// for no other module.
    pub(super) lineage: Arc<()>,
}

/// The edits since the base.
#[derive(Clone, Debug)]
pub(super) enum Edits {
    Kept(Arc<Vec<LoggedEdit>>),
    /// Kept, a great many take more memory than the graph that they change.
    Summed(Arc<EditSummary>),
}

/// A state of some module. No other state of any module is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u64);

/// The number depends on what else was done in the process.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl State {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Relaxed))
    }
}

impl Default for Log {
    fn default() -> Self {
        let start = State::new();
        Self {
            journal: Arc::default(),
            edits: Edits::Kept(Arc::default()),
            base: start,
            forgotten: 0,
            now: start,
            count: 0,
            pass: None,
            origins: [None, None],
            last_set: (None, None),
            lineage: Arc::default(),
        }
    }
}

impl Log {
    /// What comes is of another module than all snapshots are: it was changed, and no edit says
    /// how.
    pub(crate) fn part(&mut self) {
        self.lineage = Arc::new(());
        self.now = State::new();
        if self.count == self.forgotten {
            self.base = self.now;
        }
    }

    /// Where an edit of this label comes from.
    // As a `str`, a label that is borrowed for ever would be copied.
    #[allow(clippy::ptr_arg)]
    pub(super) fn origin(&mut self, label: &Cow<'static, str>) -> Arc<Origin> {
        let known = self.origins.iter().flatten();
        let mut known = known.filter(|last| last.label == *label && last.pass == self.pass);
        if let Some(known) = known.next() {
            return known.clone();
        }
        let origin = Arc::new(Origin { label: label.clone(), pass: self.pass.clone() });
        self.origins.swap(0, 1);
        self.origins[0].insert(origin).clone()
    }

    pub(super) fn push(&mut self, edit: Edit, applied: &Arc<Applied>) {
        if edit.is_journalled() {
            Arc::make_mut(&mut self.journal).push(applied.clone());
        }
        self.now = State::new();
        self.count += 1;
        match &mut self.edits {
            Edits::Kept(edits) => {
                let logged = LoggedEdit { edit: Arc::new(edit), pass: self.pass.clone() };
                Arc::make_mut(edits).push(logged);
            }
            Edits::Summed(summary) => Arc::make_mut(summary).add(&edit),
        }
    }

    /// What comes is done to the module as it is.
    pub(super) fn begin(&mut self, edits: Edits) {
        (self.base, self.forgotten) = (self.now, self.count);
        self.edits = edits;
    }
}
