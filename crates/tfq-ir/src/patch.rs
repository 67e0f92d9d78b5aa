//! Patches: the only way to change the structure of a subgraph.
//!
//! A patch is built aside, checked against the graph, and applied whole or not at all. What was
//! applied goes into the module's journal.

mod meaning;

use crate::attributes::{Attr, AttrError};
use crate::ops::Contradiction;
use crate::subgraph::Role;
use crate::visible;
use crate::words::counted;
use crate::{
    BufferId, ElementType, Module, Numbers, Op, OpId, Quantization, Subgraph, SubgraphId, Tensor,
    TensorId,
};
use indexmap::{IndexMap, IndexSet};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// A tensor that is there or that the patch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorRef {
    /// A tensor of the subgraph.
    Old(TensorId),
    /// The nth tensor that this patch adds.
    New(u32),
}

impl From<TensorId> for TensorRef {
    fn from(id: TensorId) -> Self {
        Self::Old(id)
    }
}

/// An op that is there or that the patch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpRef {
    /// An op of the subgraph.
    Old(OpId),
    /// The nth op that this patch adds.
    New(u32),
}

impl From<OpId> for OpRef {
    fn from(id: OpId) -> Self {
        Self::Old(id)
    }
}

/// Where a new op goes in the execution order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Right before this op.
    Before(OpId),
    /// Right after this op.
    After(OpId),
    /// Behind all ops.
    End,
}

/// A change of one subgraph.
#[derive(Clone, Debug)]
pub struct Patch {
    subgraph: SubgraphId,
    label: Cow<'static, str>,
    pub(crate) pass: Option<Arc<str>>,
    tensors: Vec<Tensor>,
    ops: Vec<(Op, Place)>,
    /// Last one wins, as if they had been applied in order.
    operands: IndexMap<(OpRef, u32), Option<TensorRef>>,
    results: IndexMap<(OpRef, u32), TensorRef>,
    outputs: IndexMap<TensorId, TensorRef>,
    edits: Vec<(TensorId, Edit)>,
    attrs: Vec<(OpId, &'static str, Attr)>,
    notes: Vec<(OpId, Cow<'static, str>, Attr)>,
    versions: Vec<(OpId, i32)>,
    erased_ops: IndexSet<OpId>,
    erased_tensors: IndexSet<TensorId>,
}

#[derive(Clone, Debug)]
enum Edit {
    Name(Option<Arc<str>>),
    Type(ElementType),
    Buffer(BufferId),
    Quantization(Option<Arc<Quantization>>),
    Expressed(Option<ElementType>),
}

/// A patch that was applied, as the journal keeps it.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The subgraph, `None` for a change of the module's own lists.
    pub subgraph: Option<SubgraphId>,
    /// What the patch said it does.
    pub label: Cow<'static, str>,
    /// The pass that made it, where one was running.
    pub pass: Option<Arc<str>>,
    /// Ops whose operands, results, attributes or operand types changed; new ones first.
    pub ops: Vec<OpId>,
    /// Ops that were erased; the handles are stale.
    pub erased: Vec<OpId>,
    /// Tensors that were changed or added; new ones first.
    pub tensors: Vec<TensorId>,
    /// Tensors whose type or quantisation was set, among those that were there before.
    pub retyped: Vec<TensorId>,
    /// How many ops were added.
    pub ops_added: usize,
    /// How many ops were erased.
    pub ops_erased: usize,
    /// How many tensors were added.
    pub tensors_added: usize,
    /// How many tensors were erased.
    pub tensors_erased: usize,
    /// How many subgraphs were dropped.
    pub subgraphs_erased: usize,
    /// How many buffers were dropped.
    pub buffers_erased: usize,
    /// Constant bytes that the model no longer holds.
    pub bytes_dropped: u64,
}

impl Applied {
    /// Ops that were added.
    pub fn added_ops(&self) -> &[OpId] {
        &self.ops[..self.ops_added]
    }

    /// Tensors that were added.
    pub fn added_tensors(&self) -> &[TensorId] {
        &self.tensors[..self.tensors_added]
    }

    pub(crate) fn pruned(what: String) -> Self {
        Self { label: Cow::Owned(format!("drop {what}")), ..Self::default() }
    }
}

/// A patch that was refused; the graph is as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("patch `{}` refused: {}", visible(label), visible(&reason.to_string()))]
pub struct Rejected {
    /// The patch's label.
    pub label: Cow<'static, str>,
    /// Why.
    pub reason: Reason,
}

/// Why a patch was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Reason {
    #[error("the subgraph does not exist")]
    Subgraph,
    #[error("it refers to an op that has been erased")]
    StaleOp,
    #[error("it refers to a tensor that has been erased")]
    StaleTensor,
    #[error("it refers to an op of another subgraph")]
    ForeignOp,
    #[error("it refers to a tensor of another subgraph")]
    ForeignTensor,
    #[error("it refers to a new op or tensor that it does not add")]
    Dangling,
    #[error("it would let two ops compute tensor `{0}`")]
    TwoProducers(String),
    #[error("it would leave a gap in the results of {0}")]
    MissingResult(String),
    #[error("no {op} has an operand {slot}")]
    Slot { op: String, slot: u32 },
    #[error("{op} would read `{tensor}` before it is computed")]
    Order { op: String, tensor: String },
    #[error("tensor `{0}` is erased and still in use")]
    ErasedInUse(String),
    #[error("{0} would no longer compute `{1}`, which stays in use")]
    ErasedProducer(String, String),
    #[error("`{old}` and `{new}` differ in shape or type")]
    Mismatch { old: String, new: String },
    #[error(
        "tensor `{tensor}`: {} and {} for shape {shape:?}, dimension {dimension}",
        counted(*scales, "scale"),
        counted(*zero_points, "zero point")
    )]
    Quantization {
        tensor: String,
        scales: usize,
        zero_points: usize,
        shape: Vec<i32>,
        dimension: i32,
    },
    #[error(transparent)]
    Attr(#[from] AttrError),
    #[error("{0} has no options table")]
    NoOptions(String),
    #[error("subgraph {subgraph}, {op} of `{result}`: {what}; {}", what.advice())]
    Contradiction { subgraph: u32, op: String, result: String, what: Box<Contradiction> },
    #[error(
        "`{tensor}`, which subgraph {subgraph} returns, would be {after} and was {before}: callers \
         depend on it; return another tensor behind an op that converts"
    )]
    OutputType { subgraph: u32, tensor: String, before: ElementType, after: ElementType },
}

impl Patch {
    /// An empty patch. The label says in the imperative what it does; it names the rule in
    /// statistics and messages.
    pub fn new(subgraph: SubgraphId, label: impl Into<Cow<'static, str>>) -> Self {
        Self {
            subgraph,
            label: label.into(),
            pass: None,
            tensors: Vec::new(),
            ops: Vec::new(),
            operands: IndexMap::new(),
            results: IndexMap::new(),
            outputs: IndexMap::new(),
            edits: Vec::new(),
            attrs: Vec::new(),
            notes: Vec::new(),
            versions: Vec::new(),
            erased_ops: IndexSet::new(),
            erased_tensors: IndexSet::new(),
        }
    }

    /// The subgraph that it changes.
    pub fn subgraph(&self) -> SubgraphId {
        self.subgraph
    }

    /// What it does, in words.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
            && self.ops.is_empty()
            && self.operands.is_empty()
            && self.results.is_empty()
            && self.outputs.is_empty()
            && self.edits.is_empty()
            && self.attrs.is_empty()
            && self.notes.is_empty()
            && self.versions.is_empty()
            && self.erased_ops.is_empty()
            && self.erased_tensors.is_empty()
    }

    /// What would have another number once it is applied, or a number where none was: metadata
    /// that counts such things would be wrong then ([`Module::numbered_by_metadata`]).
    pub fn renumbers(&self) -> Numbers {
        Numbers {
            ops: !self.ops.is_empty() || !self.erased_ops.is_empty(),
            tensors: !self.tensors.is_empty() || !self.erased_tensors.is_empty(),
            ..Numbers::default()
        }
    }

    /// Adds a tensor behind all others.
    pub fn add_tensor(&mut self, tensor: Tensor) -> TensorRef {
        self.tensors.push(tensor);
        TensorRef::New(self.tensors.len() as u32 - 1)
    }

    /// Adds an op with its operands and results.
    pub fn add_op(
        &mut self,
        op: Op,
        place: Place,
        operands: &[Option<TensorRef>],
        results: &[TensorRef],
    ) -> OpRef {
        self.ops.push((op, place));
        let id = OpRef::New(self.ops.len() as u32 - 1);
        for (slot, tensor) in operands.iter().enumerate() {
            self.operands.insert((id, slot as u32), *tensor);
        }
        for (slot, tensor) in results.iter().enumerate() {
            self.results.insert((id, slot as u32), *tensor);
        }
        id
    }

    /// Lets an op read another tensor.
    pub fn set_operand(&mut self, op: OpId, slot: u32, tensor: impl Into<TensorRef>) {
        self.operands.insert((op.into(), slot), Some(tensor.into()));
    }

    /// Lets an op write another tensor.
    pub fn set_result(&mut self, op: OpId, slot: u32, tensor: impl Into<TensorRef>) {
        self.results.insert((op.into(), slot), tensor.into());
    }

    /// Lets the subgraph return `new` wherever it returned `old`, in its signatures too.
    pub fn replace_output(&mut self, old: TensorId, new: impl Into<TensorRef>) {
        self.outputs.insert(old, new.into());
    }

    /// Lets everything that reads `old` read `new`, which must have the same shape and the
    /// type that the readers expect.
    pub fn replace_uses(&mut self, graph: &Subgraph, old: TensorId, new: impl Into<TensorRef>) {
        let new = new.into();
        for r#use in graph.uses(old) {
            self.operands.insert((r#use.op.into(), r#use.slot), Some(new));
        }
        self.replace_output(old, new);
    }

    /// Renames a tensor.
    pub fn set_name(&mut self, tensor: TensorId, name: Option<Arc<str>>) {
        self.edits.push((tensor, Edit::Name(name)));
    }

    /// Sets the type of a tensor's elements.
    pub fn set_type(&mut self, tensor: TensorId, ty: ElementType) {
        self.edits.push((tensor, Edit::Type(ty)));
    }

    /// Sets where a tensor's constant bytes lie.
    pub fn set_buffer(&mut self, tensor: TensorId, buffer: BufferId) {
        self.edits.push((tensor, Edit::Buffer(buffer)));
    }

    /// Sets how a tensor's stored numbers map to real ones.
    pub fn set_quantization(&mut self, tensor: TensorId, q: Option<Arc<Quantization>>) {
        self.edits.push((tensor, Edit::Quantization(q)));
    }

    /// Sets or clears the type that the tensor's readers were written for.
    pub fn set_expressed(&mut self, tensor: TensorId, ty: Option<ElementType>) {
        self.edits.push((tensor, Edit::Expressed(ty)));
    }

    /// Sets an attribute by schema name.
    pub fn set_attr(&mut self, op: OpId, name: &'static str, value: Attr) {
        self.attrs.push((op, name, value));
    }

    /// The ops that it leaves notes on.
    pub fn noted(&self) -> impl Iterator<Item = OpId> + '_ {
        self.notes.iter().map(|(op, ..)| *op)
    }

    /// Leaves a note for later passes on an op.
    pub fn set_note(&mut self, op: OpId, name: impl Into<Cow<'static, str>>, value: Attr) {
        self.notes.push((op, name.into(), value));
    }

    /// Sets the operator version that an op needs.
    pub fn set_version(&mut self, op: OpId, version: i32) {
        self.versions.push((op, version));
    }

    /// Erases an op. Its results must be erased, computed otherwise, made constants or unused.
    pub fn erase_op(&mut self, op: OpId) {
        self.erased_ops.insert(op);
    }

    /// Whether the patch erases the op.
    pub fn erases(&self, op: OpId) -> bool {
        self.erased_ops.contains(&op)
    }

    /// Erases a tensor that nothing uses any more.
    pub fn erase_tensor(&mut self, tensor: TensorId) {
        self.erased_tensors.insert(tensor);
    }
}

impl Patch {
    /// Quantisation that the patch brings.
    fn quantizations(&self) -> impl Iterator<Item = &Quantization> {
        let edited = self.edits.iter().filter_map(|(_, edit)| match edit {
            Edit::Quantization(q) => q.as_deref(),
            _ => None,
        });
        edited.chain(self.tensors.iter().filter_map(|tensor| tensor.quantization.as_deref()))
    }
}

/// Far more than any op has, and far less than would use up memory.
const MOST_OPERANDS: u32 = u16::MAX as u32;

pub(crate) fn apply(module: &mut Module, patch: Patch) -> Result<Applied, Rejected> {
    let refuse = |reason| Rejected { label: patch.label.clone(), reason };
    if patch.subgraph.0 as usize >= module.subgraphs().len() {
        return Err(refuse(Reason::Subgraph));
    }
    let graph = module.subgraph(patch.subgraph);
    Check { module, graph, patch: &patch }.run().map_err(refuse)?;
    Ok(commit(module, patch))
}

/// The checks; all of them read the graph as it is and the patch beside it.
struct Check<'a> {
    module: &'a Module,
    graph: &'a Subgraph,
    patch: &'a Patch,
}

impl Check<'_> {
    fn run(&self) -> Result<(), Reason> {
        self.handles()?;
        self.attributes()?;
        self.quantization()?;
        self.producers()?;
        self.order()?;
        self.erasures()?;
        self.outputs()?;
        meaning::check(self)
    }

    fn handles(&self) -> Result<(), Reason> {
        let p = self.patch;
        let ops = p.operands.keys().map(|(op, _)| *op).chain(p.results.keys().map(|(op, _)| *op));
        for op in ops {
            self.op_ref(op)?;
        }
        for (_, place) in &p.ops {
            if let Place::Before(op) | Place::After(op) = place {
                self.op_ref((*op).into())?;
            }
        }
        let named = p.attrs.iter().map(|(op, ..)| op).chain(p.notes.iter().map(|(op, ..)| op));
        for op in named.chain(p.versions.iter().map(|(op, _)| op)).chain(&p.erased_ops) {
            self.op_ref((*op).into())?;
        }
        for tensor in p.operands.values().flatten().chain(p.results.values()) {
            self.tensor_ref(*tensor)?;
        }
        for (old, new) in &p.outputs {
            self.tensor_ref((*old).into())?;
            self.tensor_ref(*new)?;
        }
        for tensor in p.edits.iter().map(|(tensor, _)| tensor).chain(&p.erased_tensors) {
            self.tensor_ref((*tensor).into())?;
        }
        for tensor in p.quantizations().flat_map(|q| q.details.links()) {
            self.tensor_ref(tensor.into())?;
        }
        // Operands are listed by slot, so that a slot costs memory for all below it.
        match p.operands.keys().find(|(_, slot)| *slot > MOST_OPERANDS) {
            Some(&(op, slot)) => Err(Reason::Slot { op: self.op_label(op), slot }),
            None => Ok(()),
        }
    }

    fn op_ref(&self, op: OpRef) -> Result<(), Reason> {
        match op {
            OpRef::Old(op) if self.graph.contains_op(op) => Ok(()),
            OpRef::Old(op) if op.origin() != self.graph.origin() => Err(Reason::ForeignOp),
            OpRef::Old(_) => Err(Reason::StaleOp),
            OpRef::New(n) if (n as usize) < self.patch.ops.len() => Ok(()),
            OpRef::New(_) => Err(Reason::Dangling),
        }
    }

    fn tensor_ref(&self, tensor: TensorRef) -> Result<(), Reason> {
        match tensor {
            TensorRef::Old(tensor) if self.graph.contains_tensor(tensor) => Ok(()),
            TensorRef::Old(tensor) if tensor.origin() != self.graph.origin() => {
                Err(Reason::ForeignTensor)
            }
            TensorRef::Old(_) => Err(Reason::StaleTensor),
            TensorRef::New(n) if (n as usize) < self.patch.tensors.len() => Ok(()),
            TensorRef::New(_) => Err(Reason::Dangling),
        }
    }

    fn attributes(&self) -> Result<(), Reason> {
        for (op, name, value) in &self.patch.attrs {
            let op = self.graph.op(*op);
            let Some(attrs) = &op.attrs else {
                return Err(Reason::NoOptions(op.kind.to_string()));
            };
            attrs.clone().set(name, value.clone())?;
        }
        Ok(())
    }

    /// The loader refuses other counts, on every tensor.
    fn quantization(&self) -> Result<(), Reason> {
        let changed = self.patch.edits.iter().filter_map(|(id, edit)| match edit {
            Edit::Quantization(Some(q)) => Some((self.graph.tensor(*id), q)),
            _ => None,
        });
        let added = self.patch.tensors.iter().filter_map(|t| Some((t, t.quantization.as_ref()?)));
        for (tensor, q) in changed.chain(added) {
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

    /// Each tensor that the patch lets an op compute has no other producer afterwards.
    fn producers(&self) -> Result<(), Reason> {
        let mut written = IndexSet::new();
        for (&(op, slot), &tensor) in &self.patch.results {
            let erased = matches!(op, OpRef::Old(op) if self.patch.erased_ops.contains(&op));
            let taken = match self.producer_before(tensor) {
                Some((other, at)) => {
                    (OpRef::Old(other), at) != (op, slot)
                        && !self.patch.erased_ops.contains(&other)
                        && !self.patch.results.contains_key(&(other.into(), at))
                }
                None => false,
            };
            if erased || taken || !written.insert(tensor) {
                return Err(Reason::TwoProducers(self.tensor_label(tensor)));
            }
        }
        // Results that an op gains follow those it has without a gap.
        let has = |op: OpRef| match op {
            OpRef::Old(op) => self.graph.result_slots(op) as u32,
            OpRef::New(_) => 0,
        };
        let mut gained: IndexMap<OpRef, (u32, u32)> = IndexMap::new();
        for &(op, slot) in self.patch.results.keys().filter(|(op, slot)| *slot >= has(*op)) {
            let (count, last) = gained.entry(op).or_default();
            *count += 1;
            *last = slot.max(*last);
        }
        match gained.into_iter().find(|(op, (count, last))| last - has(*op) >= *count) {
            Some((op, _)) => Err(Reason::MissingResult(self.op_label(op))),
            None => Ok(()),
        }
    }

    fn producer_before(&self, tensor: TensorRef) -> Option<(OpId, u32)> {
        match tensor {
            TensorRef::Old(tensor) => self.graph.producer(tensor),
            TensorRef::New(_) => None,
        }
    }

    /// Every edge that the patch makes runs forward in the execution order.
    fn order(&self) -> Result<(), Reason> {
        let made: IndexMap<TensorRef, OpRef> =
            self.patch.results.iter().map(|((op, _), tensor)| (*tensor, *op)).collect();
        let producer_after = |tensor: TensorRef| match made.get(&tensor) {
            Some(op) => Some(*op),
            None => self
                .producer_before(tensor)
                .filter(|(op, slot)| {
                    !self.patch.erased_ops.contains(op)
                        && !self.patch.results.contains_key(&((*op).into(), *slot))
                })
                .map(|(op, _)| op.into()),
        };
        let check = |reader: OpRef, tensor: TensorRef| {
            // An input has a value from the start, even where an op writes to it later.
            let exempt = |id| self.graph.is_input(id) || self.graph.oddity(id).is_some();
            if matches!(tensor, TensorRef::Old(id) if exempt(id)) {
                return Ok(());
            }
            let Some(producer) = producer_after(tensor) else { return Ok(()) };
            if self.position(producer) < self.position(reader) {
                return Ok(());
            }
            Err(Reason::Order { op: self.op_label(reader), tensor: self.tensor_label(tensor) })
        };
        for (reader, tensor) in self.operands_kept() {
            check(reader, tensor)?;
        }
        // A tensor with a new producer may have readers that the patch does not mention.
        for (tensor, _) in &made {
            let TensorRef::Old(id) = tensor else { continue };
            for r#use in self.graph.uses(*id) {
                let reader = OpRef::Old(r#use.op);
                let kept = !self.patch.operands.contains_key(&(reader, r#use.slot))
                    && !self.patch.erased_ops.contains(&r#use.op);
                if kept {
                    check(reader, *tensor)?;
                }
            }
        }
        Ok(())
    }

    /// A sortable place in the order after the patch: new ops at one anchor keep the order in
    /// which they were added.
    fn position(&self, op: OpRef) -> (u64, i8, u32) {
        match op {
            OpRef::Old(op) => (self.graph.key(op), 0, 0),
            OpRef::New(n) => match self.patch.ops[n as usize].1 {
                Place::Before(op) => (self.graph.key(op), -1, n),
                Place::After(op) => (self.graph.key(op), 1, n),
                Place::End => (u64::MAX, 0, n),
            },
        }
    }

    fn erasures(&self) -> Result<(), Reason> {
        let p = self.patch;
        let replaced = |tensor: TensorId| p.outputs.contains_key(&tensor);
        let in_use = |tensor: TensorId| {
            let this = TensorRef::Old(tensor);
            let read = self.graph.uses(tensor).iter().any(|u| {
                !p.erased_ops.contains(&u.op) && !p.operands.contains_key(&(u.op.into(), u.slot))
            });
            read || self.operands_kept().any(|(_, t)| t == this)
                || (self.graph.is_output(tensor) && !replaced(tensor))
                || p.outputs.values().any(|new| *new == this)
                || self.graph.is_input(tensor)
        };
        for &tensor in &p.erased_tensors {
            let made = self.graph.producer(tensor).is_some_and(|(op, slot)| {
                !p.erased_ops.contains(&op) && !p.results.contains_key(&(op.into(), slot))
            });
            let remade = p.results.values().any(|t| *t == TensorRef::Old(tensor));
            if made || remade || self.stays_referred(tensor) || in_use(tensor) {
                return Err(Reason::ErasedInUse(self.tensor_label(tensor.into())));
            }
        }
        let erased = p.erased_ops.iter().flat_map(|&op| {
            let results = self.graph.results(op);
            results.into_iter().map(move |tensor| (op, tensor))
        });
        let displaced = p.results.keys().filter_map(|&(op, slot)| {
            let OpRef::Old(op) = op else { return None };
            Some((op, *self.graph.results(op).get(slot as usize)?))
        });
        for (op, tensor) in erased.chain(displaced) {
            let remade = p.results.values().any(|t| *t == TensorRef::Old(tensor));
            let folded = p.edits.iter().any(|(id, edit)| {
                *id == tensor && matches!(edit, Edit::Buffer(to) if *to != BufferId::NONE)
            });
            if !remade && !folded && in_use(tensor) {
                return Err(Reason::ErasedProducer(
                    self.op_label(op.into()),
                    self.tensor_label(tensor.into()),
                ));
            }
        }
        Ok(())
    }

    /// What the patch lets ops read, those aside that it erases.
    fn operands_kept(&self) -> impl Iterator<Item = (OpRef, TensorRef)> + '_ {
        let p = self.patch;
        p.operands.iter().filter_map(|(&(reader, _), &tensor)| {
            let erased = matches!(reader, OpRef::Old(op) if p.erased_ops.contains(&op));
            Some((reader, tensor.filter(|_| !erased)?))
        })
    }

    /// Whether something else than ops refers to the tensor after the patch.
    fn stays_referred(&self, tensor: TensorId) -> bool {
        let p = self.patch;
        let now = self.module.references(p.subgraph, tensor);
        let replaced = p.outputs.contains_key(&tensor);
        let scratch = || self.graph.scratch_of(tensor).any(|op| !p.erased_ops.contains(&op));
        now.input
            || ((now.output || now.signature_output) && !replaced)
            || (now.scratch && scratch())
            || (now.quantization && self.graph.links_to(tensor) > self.links_dropped(tensor))
            || p.quantizations().any(|q| q.details.links().any(|link| link == tensor))
    }

    /// How often tensors that lose their quantisation, or go, name this one in it.
    fn links_dropped(&self, tensor: TensorId) -> u32 {
        let p = self.patch;
        let edited = p.edits.iter().filter(|(_, edit)| matches!(edit, Edit::Quantization(_)));
        let mut changed: IndexSet<TensorId> = edited.map(|(id, _)| *id).collect();
        changed.extend(&p.erased_tensors);
        let old = changed.iter().filter_map(|id| self.graph.tensor(*id).quantization.as_ref());
        old.flat_map(|q| q.details.links()).filter(|link| *link == tensor).count() as u32
    }

    /// An output that is replaced keeps its type and shape: callers depend on them.
    fn outputs(&self) -> Result<(), Reason> {
        for (old, new) in &self.patch.outputs {
            if !self.graph.is_output(*old) {
                continue;
            }
            let before = self.graph.tensor(*old);
            let after = match new {
                TensorRef::Old(new) => self.graph.tensor(*new),
                TensorRef::New(n) => &self.patch.tensors[*n as usize],
            };
            let edited = self.patch.edits.iter().rev().find_map(|(id, edit)| match edit {
                Edit::Type(ty) if *new == TensorRef::Old(*id) => Some(*ty),
                _ => None,
            });
            let ty = edited.unwrap_or(after.ty);
            if before.shape != after.shape || before.expressed.unwrap_or(before.ty) != ty {
                return Err(Reason::Mismatch {
                    old: before.label().to_owned(),
                    new: after.label().to_owned(),
                });
            }
        }
        Ok(())
    }

    fn op_label(&self, op: OpRef) -> String {
        match op {
            OpRef::Old(op) => self.graph.op(op).kind.to_string(),
            OpRef::New(n) => self.patch.ops[n as usize].0.kind.to_string(),
        }
    }

    fn tensor_label(&self, tensor: TensorRef) -> String {
        match tensor {
            TensorRef::Old(tensor) => self.graph.tensor(tensor).label().to_owned(),
            TensorRef::New(n) => self.patch.tensors[n as usize].label().to_owned(),
        }
    }
}

/// Applies a checked patch; nothing here can fail.
fn commit(module: &mut Module, patch: Patch) -> Applied {
    let subgraph = patch.subgraph;
    let graph = module.subgraph_mut(subgraph);
    let (tensors_added, ops_added) = (patch.tensors.len(), patch.ops.len());
    let tensors: Vec<TensorId> =
        patch.tensors.into_iter().map(|tensor| graph.insert_tensor(tensor)).collect();
    let place = |tensor: TensorRef| match tensor {
        TensorRef::Old(tensor) => tensor,
        TensorRef::New(n) => tensors[n as usize],
    };

    // Ops after one anchor: each goes behind the one added before it.
    let mut behind: IndexMap<OpId, OpId> = IndexMap::new();
    let mut ops = Vec::with_capacity(ops_added);
    for (op, place) in patch.ops {
        ops.push(match place {
            Place::Before(anchor) => graph.insert_op(op, Some(anchor)),
            Place::After(anchor) => {
                let last = behind.get(&anchor).copied().unwrap_or(anchor);
                let next = graph.next_op(last);
                let id = graph.insert_op(op, next);
                behind.insert(anchor, id);
                id
            }
            Place::End => graph.insert_op(op, None),
        });
    }
    let op_of = |op: OpRef| match op {
        OpRef::Old(op) => op,
        OpRef::New(n) => ops[n as usize],
    };

    let mut touched: IndexSet<OpId> = ops.iter().copied().collect();
    // Results that move to another op must leave their old one first, so that a tensor never
    // has two producers.
    for &(op, slot) in patch.results.keys() {
        if let OpRef::Old(op) = op {
            graph.connect(op, Role::Result, slot, None);
        }
    }
    for ((op, slot), tensor) in patch.results {
        touched.insert(op_of(op));
        graph.connect(op_of(op), Role::Result, slot, Some(place(tensor)));
    }
    for ((op, slot), tensor) in patch.operands {
        touched.insert(op_of(op));
        graph.connect(op_of(op), Role::Operand, slot, tensor.map(place));
    }
    let mut changed: IndexSet<TensorId> = tensors.iter().copied().collect();
    let mut retyped: IndexSet<TensorId> = IndexSet::new();
    for (id, edit) in patch.edits {
        changed.insert(id);
        if matches!(edit, Edit::Type(_) | Edit::Quantization(_) | Edit::Expressed(_)) {
            retyped.insert(id);
        }
        if !matches!(edit, Edit::Name(_)) {
            touched.extend(graph.uses(id).iter().map(|u| u.op));
            touched.extend(graph.producer(id).map(|(op, _)| op));
        }
        let tensor = graph.tensor_mut(id);
        match edit {
            Edit::Name(name) => tensor.name = name,
            Edit::Type(ty) => tensor.ty = ty,
            Edit::Buffer(buffer) => tensor.buffer = buffer,
            Edit::Quantization(q) => graph.set_quantization(id, q),
            Edit::Expressed(ty) => tensor.expressed = ty,
        }
    }
    for (id, name, value) in patch.attrs {
        touched.insert(id);
        let attrs = graph.op_mut(id).op.attrs.as_mut().expect("checked");
        attrs.set(name, value).expect("checked");
    }
    for (id, name, value) in patch.notes {
        graph.op_mut(id).op.notes.insert(name, value);
    }
    for (id, version) in patch.versions {
        graph.op_mut(id).op.version = version;
    }
    let moves: HashMap<TensorId, TensorId> =
        patch.outputs.into_iter().map(|(old, new)| (old, place(new))).collect();
    graph.move_outputs(&moves);
    for op in &patch.erased_ops {
        graph.remove_op(*op);
        touched.shift_remove(op);
    }
    for tensor in &patch.erased_tensors {
        graph.remove_tensor(*tensor);
        changed.shift_remove(tensor);
    }
    module.signature_ends.replace_outputs(&mut module.signatures, &moves);

    Applied {
        retyped: retyped.into_iter().collect(),
        subgraph: Some(subgraph),
        label: patch.label,
        pass: patch.pass,
        ops: touched.into_iter().collect(),
        tensors: changed.into_iter().collect(),
        ops_added,
        ops_erased: patch.erased_ops.len(),
        erased: patch.erased_ops.into_iter().collect(),
        tensors_added,
        tensors_erased: patch.erased_tensors.len(),
        ..Applied::default()
    }
}
