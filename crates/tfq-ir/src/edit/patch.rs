//! Patches: changes of one subgraph.
//!
//! A patch is built aside, checked against the graph, and applied whole or not at all. It takes
//! time linear in its size and in the readers of the tensors that it names.

use crate::maps::{IndexMap, IndexSet};
use crate::{
    Attr, BufferId, ElementType, Numbers, Op, OpId, Quantization, Sparsity, Subgraph, SubgraphId,
    Tensor, TensorId, Use, VariantSubType,
};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};

/// A tensor that is there or that the patch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorRef {
    /// A tensor of the subgraph.
    Old(TensorId),
    /// The nth tensor that this patch adds.
    New(u32),
}

impl TensorRef {
    /// A handle for the quantisation that the patch brings, which may name tensors that it adds. It
    /// means something in this patch only.
    pub fn id(self) -> TensorId {
        match self {
            Self::Old(id) => id,
            Self::New(n) => TensorId::upcoming(n),
        }
    }
}

impl From<TensorId> for TensorRef {
    fn from(id: TensorId) -> Self {
        id.is_upcoming().map_or(Self::Old(id), Self::New)
    }
}

/// A constant that is there or that the patch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferRef {
    /// A constant of the model.
    Old(BufferId),
    /// The nth constant that this patch adds.
    New(u32),
}

impl From<BufferId> for BufferRef {
    fn from(id: BufferId) -> Self {
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
pub enum InsertionPoint {
    /// Right before this op.
    Before(OpId),
    /// Right after this op.
    After(OpId),
    /// Behind all ops.
    End,
}

/// A change of one subgraph.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    pub(super) subgraph: SubgraphId,
    pub(super) label: Cow<'static, str>,
    pub(super) constants: Vec<Bytes>,
    pub(super) tensors: Vec<Tensor>,
    pub(super) ops: Vec<(Op, InsertionPoint)>,
    pub(super) tensor_changes: Vec<(TensorRef, TensorChange)>,
    pub(super) op_changes: Vec<(OpId, OpChange)>,
    pub(super) wiring: LazyWiring,
}

/// What a patch says of edges and of what goes, which most patches of a weight or a note say
/// nothing of: then it takes no room.
#[derive(Clone, Debug, Default)]
pub(super) struct LazyWiring(Option<Box<Wiring>>);

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wiring {
    /// Last one wins, as if they had been applied in order.
    pub(super) operands: IndexMap<(OpRef, u32), Option<TensorRef>>,
    pub(super) results: IndexMap<(OpRef, u32), TensorRef>,
    pub(super) intermediates: IndexMap<(OpRef, u32), Option<TensorRef>>,
    pub(super) moved_outputs: IndexMap<TensorId, TensorRef>,
    pub(super) inputs: Option<Vec<TensorRef>>,
    pub(super) outputs: Option<Vec<TensorRef>>,
    pub(super) erased_ops: IndexSet<OpId>,
    pub(super) erased_tensors: IndexSet<TensorId>,
}

impl LazyWiring {
    /// Whether the patch says nothing of edges, nor of what goes.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl Deref for LazyWiring {
    type Target = Wiring;

    fn deref(&self) -> &Wiring {
        static NONE: LazyLock<Wiring> = LazyLock::new(Wiring::default);
        self.0.as_deref().unwrap_or_else(|| &NONE)
    }
}

impl DerefMut for LazyWiring {
    fn deref_mut(&mut self) -> &mut Wiring {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for LazyWiring {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// What a patch sets of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorChange {
    /// Its name.
    Name(Option<Arc<str>>),
    /// The type of its elements.
    Type(ElementType),
    /// Its dimensions.
    Shape(Arc<[i32]>),
    /// Its dimensions with -1 for those unknown before run time.
    ShapeSignature(Arc<[i32]>),
    /// Whether it is a scalar where it has no dimensions, and not of unknown rank.
    HasRank(bool),
    /// Whether it survives from one run to the next.
    Variable(bool),
    /// Where its constant bytes lie.
    Buffer(BufferRef),
    /// Its buffer outside of the model.
    ExternalBuffer(u32),
    /// How its stored numbers map to real ones.
    Quantization(Option<Arc<Quantization>>),
    /// How it is stored sparsely.
    Sparsity(Option<Arc<Sparsity>>),
    /// Types of its elements, where it is a `VARIANT`.
    VariantTensors(Vec<VariantSubType>),
    /// The type that its readers were written for.
    Expressed(Option<ElementType>),
}

impl TensorChange {
    /// Sets it. What the patch itself adds has no number yet, and is left to who gives numbers.
    pub(super) fn set(&self, tensor: &mut Tensor) {
        match self.clone() {
            Self::Name(name) => tensor.name = name,
            Self::Type(ty) => tensor.ty = ty,
            Self::Shape(shape) => tensor.shape = shape,
            Self::ShapeSignature(shape) => tensor.shape_signature = shape,
            Self::HasRank(has) => tensor.has_rank = has,
            Self::Variable(variable) => tensor.is_variable = variable,
            Self::Buffer(BufferRef::Old(buffer)) => tensor.buffer = buffer,
            Self::Buffer(BufferRef::New(_)) => (),
            Self::ExternalBuffer(buffer) => tensor.external_buffer = buffer,
            Self::Quantization(q) => tensor.quantization = q,
            Self::Sparsity(sparsity) => tensor.sparsity = sparsity,
            Self::VariantTensors(types) => tensor.variant_tensors = types,
            Self::Expressed(ty) => tensor.expressed = ty,
        }
    }
}

/// What a patch sets of an op.
#[derive(Clone, Debug, PartialEq)]
pub enum OpChange {
    /// All that it is: kind, options, version, notes. Operands and results stay.
    Op(Box<Op>),
    /// An attribute, by schema name.
    Attr(Cow<'static, str>, Attr),
    /// A note for later passes.
    Note(Cow<'static, str>, Attr),
    /// The operator version that it needs.
    Version(i32),
}

impl OpChange {
    /// Whether it changes nothing that the op computes.
    pub fn is_annotation(&self) -> bool {
        matches!(self, Self::Note(..) | Self::Version(_))
    }
}

impl Patch {
    /// An empty patch. The label says in the imperative what it does; it names the rule in
    /// statistics and messages.
    pub fn new(subgraph: SubgraphId, label: impl Into<Cow<'static, str>>) -> Self {
        Self {
            subgraph,
            label: label.into(),
            constants: Vec::new(),
            tensors: Vec::new(),
            ops: Vec::new(),
            tensor_changes: Vec::new(),
            op_changes: Vec::new(),
            wiring: LazyWiring::default(),
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
        self.only_annotates() && self.op_changes.is_empty() && self.tensor_changes.is_empty()
    }

    /// Whether it changes nothing but names, notes and operator versions.
    pub fn only_annotates(&self) -> bool {
        self.changes_no_more_than(|change| matches!(change, TensorChange::Name(_)))
    }

    /// Whether it changes nothing but names, notes, operator versions and what readers were written
    /// for.
    pub fn only_marks(&self) -> bool {
        use TensorChange::{Expressed, Name};
        self.changes_no_more_than(|change| matches!(change, Name(_) | Expressed(_)))
    }

    fn changes_no_more_than(&self, allowed: impl Fn(&TensorChange) -> bool) -> bool {
        self.constants.is_empty()
            && self.tensors.is_empty()
            && self.ops.is_empty()
            && self.tensor_changes.iter().all(|(_, change)| allowed(change))
            && self.op_changes.iter().all(|(_, change)| change.is_annotation())
            && (self.wiring.is_none() || *self.wiring == Wiring::default())
    }

    /// What would have another number once it is applied, or a number where none was: metadata
    /// that counts such things would be wrong then ([`crate::Module::numbered_by_metadata`]).
    pub fn renumbers(&self) -> Numbers {
        Numbers {
            ops: !self.ops.is_empty() || !self.wiring.erased_ops.is_empty(),
            tensors: !self.tensors.is_empty() || !self.wiring.erased_tensors.is_empty(),
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
        place: InsertionPoint,
        operands: &[Option<TensorRef>],
        results: &[TensorRef],
    ) -> OpRef {
        self.ops.push((op, place));
        let id = OpRef::New(self.ops.len() as u32 - 1);
        for (slot, tensor) in operands.iter().enumerate() {
            self.wiring.operands.insert((id, slot as u32), *tensor);
        }
        for (slot, tensor) in results.iter().enumerate() {
            self.wiring.results.insert((id, slot as u32), *tensor);
        }
        id
    }

    /// Adds constant bytes behind all others.
    pub fn add_constant(&mut self, bytes: Bytes) -> BufferRef {
        push_one(&mut self.constants, bytes);
        BufferRef::New(self.constants.len() as u32 - 1)
    }

    /// Adds a tensor that is a constant of these bytes.
    pub fn new_constant(&mut self, tensor: Tensor, bytes: Bytes) -> TensorRef {
        let buffer = self.add_constant(bytes);
        let tensor = self.add_tensor(tensor);
        self.set_buffer(tensor, buffer);
        tensor
    }

    /// Lets an op read another tensor.
    pub fn set_operand(&mut self, op: impl Into<OpRef>, slot: u32, tensor: impl Into<TensorRef>) {
        self.wiring.operands.insert((op.into(), slot), Some(tensor.into()));
    }

    /// Leaves an operand out, which the op must be able to do without; the others keep their slots.
    pub fn clear_operand(&mut self, op: impl Into<OpRef>, slot: u32) {
        self.wiring.operands.insert((op.into(), slot), None);
    }

    /// Lets an op write another tensor.
    pub fn set_result(&mut self, op: impl Into<OpRef>, slot: u32, tensor: impl Into<TensorRef>) {
        self.wiring.results.insert((op.into(), slot), tensor.into());
    }

    /// Sets or clears a scratch tensor of an op.
    pub fn set_intermediate(
        &mut self,
        op: impl Into<OpRef>,
        slot: u32,
        tensor: Option<impl Into<TensorRef>>,
    ) {
        self.wiring.intermediates.insert((op.into(), slot), tensor.map(Into::into));
    }

    /// Lets the subgraph return `new` wherever it returned `old`, in its signatures too.
    pub fn replace_output(&mut self, old: TensorId, new: impl Into<TensorRef>) {
        self.wiring.moved_outputs.insert(old, new.into());
    }

    /// Sets what the subgraph takes. Its signatures stay ([`super::Edit::Signatures`]).
    pub fn set_inputs(&mut self, inputs: impl IntoIterator<Item = TensorRef>) {
        self.wiring.inputs = Some(inputs.into_iter().collect());
    }

    /// Sets what the subgraph returns, whatever [`Self::replace_output`] says. Its signatures stay.
    pub fn set_outputs(&mut self, outputs: impl IntoIterator<Item = TensorRef>) {
        self.wiring.outputs = Some(outputs.into_iter().collect());
    }

    /// Lets everything that reads `old` read `new`, which must have the same shape and the
    /// type that the readers expect.
    pub fn replace_uses(&mut self, graph: &Subgraph, old: TensorId, new: impl Into<TensorRef>) {
        let new = new.into();
        for r#use in graph.uses(old) {
            self.wiring.operands.insert((r#use.op.into(), r#use.slot), Some(new));
        }
        self.replace_output(old, new);
    }

    /// Sets something of a tensor, which the patch may add.
    pub fn change_tensor(&mut self, tensor: impl Into<TensorRef>, change: TensorChange) {
        self.tensor_changes.push((tensor.into(), change));
    }

    /// Renames a tensor.
    pub fn set_name(&mut self, tensor: impl Into<TensorRef>, name: Option<Arc<str>>) {
        self.change_tensor(tensor, TensorChange::Name(name));
    }

    /// Sets the type of a tensor's elements.
    pub fn set_type(&mut self, tensor: impl Into<TensorRef>, ty: ElementType) {
        self.change_tensor(tensor, TensorChange::Type(ty));
    }

    /// Sets where a tensor's constant bytes lie.
    pub fn set_buffer(&mut self, tensor: impl Into<TensorRef>, buffer: impl Into<BufferRef>) {
        self.change_tensor(tensor, TensorChange::Buffer(buffer.into()));
    }

    /// Sets how a tensor's stored numbers map to real ones.
    pub fn set_quantization(&mut self, tensor: impl Into<TensorRef>, q: Option<Arc<Quantization>>) {
        self.change_tensor(tensor, TensorChange::Quantization(q));
    }

    /// Sets how a tensor's constant is stored sparsely, or that it is not.
    pub fn set_sparsity(&mut self, tensor: impl Into<TensorRef>, sparsity: Option<Arc<Sparsity>>) {
        self.change_tensor(tensor, TensorChange::Sparsity(sparsity));
    }

    /// Sets or clears the type that the tensor's readers were written for.
    pub fn set_expressed(&mut self, tensor: impl Into<TensorRef>, ty: Option<ElementType>) {
        self.change_tensor(tensor, TensorChange::Expressed(ty));
    }

    /// Lets an op be another one with the same operands and results.
    pub fn set_op(&mut self, op: OpId, new: Op) {
        push_one(&mut self.op_changes, (op, OpChange::Op(Box::new(new))));
    }

    /// Sets an attribute by schema name.
    pub fn set_attr(&mut self, op: OpId, name: impl Into<Cow<'static, str>>, value: Attr) {
        push_one(&mut self.op_changes, (op, OpChange::Attr(name.into(), value)));
    }

    /// The ops that it leaves notes on.
    pub fn noted(&self) -> impl Iterator<Item = OpId> + '_ {
        let notes = self.op_changes.iter().filter(|(_, c)| matches!(c, OpChange::Note(..)));
        notes.map(|(op, _)| *op)
    }

    /// Leaves a note for later passes on an op.
    pub fn set_note(&mut self, op: OpId, name: impl Into<Cow<'static, str>>, value: Attr) {
        push_one(&mut self.op_changes, (op, OpChange::Note(name.into(), value)));
    }

    /// Sets the operator version that an op needs.
    pub fn set_version(&mut self, op: OpId, version: i32) {
        push_one(&mut self.op_changes, (op, OpChange::Version(version)));
    }

    /// Erases an op. Its results must be erased, computed otherwise, made constants or unused.
    pub fn erase_op(&mut self, op: OpId) {
        self.wiring.erased_ops.insert(op);
    }

    /// Whether the patch erases the op.
    pub fn erases(&self, op: OpId) -> bool {
        self.wiring.erased_ops.contains(&op)
    }

    /// Erases a tensor that nothing uses any more.
    pub fn erase_tensor(&mut self, tensor: TensorId) {
        self.wiring.erased_tensors.insert(tensor);
    }
}

/// Most patches have one, and are kept until the pass ends: room for four would be most of them.
fn push_one<T>(list: &mut Vec<T>, one: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(one);
}

/// Words for what many rewrites do.
impl Patch {
    /// Puts a new op in the place of an old one: it writes the old one's results.
    pub fn replace_op(
        &mut self,
        graph: &Subgraph,
        old: OpId,
        new: Op,
        operands: &[Option<TensorRef>],
    ) -> OpRef {
        let results: Vec<TensorRef> = graph.results(old).into_iter().map(TensorRef::Old).collect();
        self.erase_op(old);
        self.add_op(new, InsertionPoint::Before(old), operands, &results)
    }

    /// Puts a new op between an op and a tensor that it reads: the op reads `result` instead, which
    /// the new op computes from the tensor. `None` where nothing is read there.
    pub fn insert_on_operand(
        &mut self,
        graph: &Subgraph,
        at: Use,
        new: Op,
        result: Tensor,
    ) -> Option<TensorRef> {
        let operand = graph.operand(at.op, at.slot)?;
        let result = self.add_tensor(result);
        self.add_op(new, InsertionPoint::Before(at.op), &[Some(operand.into())], &[result]);
        self.set_operand(at.op, at.slot, result);
        Some(result)
    }

    /// Lets the op that computes an operand compute the only result of `op` as well, which is
    /// erased with what nothing else reads then. `None` where no op computes the operand, or
    /// something else reads what it computes, or `op` has several results.
    pub fn fuse_into_producer(&mut self, graph: &Subgraph, op: OpId, slot: u32) -> Option<OpId> {
        let between = graph.operand(op, slot)?;
        let (producer, from) = graph.producer(between)?;
        let [result] = graph.results(op)[..] else { return None };
        let single = graph.all_uses(between, |u| u.op == op);
        if !single || graph.is_output(between) {
            return None;
        }
        self.erase_op(op);
        self.set_result(producer, from, result);
        self.erase_tensor(between);
        Some(producer)
    }
}

/// What it would do, for those who judge it.
impl Patch {
    /// What it sets of tensors, in order.
    pub fn tensor_changes(&self) -> &[(TensorRef, TensorChange)] {
        &self.tensor_changes
    }

    /// What it sets of ops, in order.
    pub fn op_changes(&self) -> &[(OpId, OpChange)] {
        &self.op_changes
    }

    /// Whether it sets what ops read, those that it adds among them.
    pub fn sets_operands(&self) -> bool {
        !self.wiring.operands.is_empty()
    }

    /// Whether it sets what the subgraph takes or returns.
    pub fn sets_inputs_or_outputs(&self) -> bool {
        self.wiring.inputs.is_some() || self.wiring.outputs.is_some()
    }

    /// Ops that it erases.
    pub fn erased_ops(&self) -> impl Iterator<Item = OpId> + '_ {
        self.wiring.erased_ops.iter().copied()
    }

    /// Tensors of the subgraph that it lets this return.
    pub fn returned(&self) -> impl Iterator<Item = TensorId> + '_ {
        let set = self.wiring.outputs.iter().flatten();
        let returned = self.wiring.moved_outputs.values().chain(set);
        returned.filter_map(|tensor| match tensor {
            TensorRef::Old(id) => Some(*id),
            TensorRef::New(_) => None,
        })
    }

    /// Quantisation that the patch brings.
    pub(super) fn quantizations(&self) -> impl Iterator<Item = &Quantization> {
        let changed = self.tensor_changes.iter().filter_map(|(_, change)| match change {
            TensorChange::Quantization(q) => q.as_deref(),
            _ => None,
        });
        changed.chain(self.tensors.iter().filter_map(|tensor| tensor.quantization.as_deref()))
    }
}
