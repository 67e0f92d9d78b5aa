//! The checks of edits: all of them read the model as it is and the edit beside it.

mod meaning;

use super::patch::{BufferRef, OpChange, OpRef, Patch, Place, TensorChange, TensorRef};
use crate::attributes::{AttrError, Attributes};
use crate::ops::Contradiction;
use crate::visible;
use crate::words::counted;
use crate::{
    BufferId, ElementType, Module, OpId, Signature, Subgraph, SubgraphId, Tensor, TensorId,
};
use indexmap::{IndexMap, IndexSet};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// An edit that was refused; the model is as it was.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("patch `{}` refused: {}", visible(label), visible(&reason.to_string()))]
pub struct Rejected {
    /// What it said it does.
    pub label: Cow<'static, str>,
    /// Why.
    pub reason: Reason,
}

/// Why an edit was refused.
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
    #[error("it refers to a constant that is not there")]
    Buffer,
    #[error("it would let two ops compute tensor `{0}`")]
    TwoProducers(String),
    #[error("it would leave a gap in the results of {0}")]
    MissingResult(String),
    #[error("no {op} has an operand {slot}")]
    Slot { op: String, slot: u32 },
    #[error("{op} would read `{tensor}` before it is computed")]
    Order { op: String, tensor: String },
    #[error("`{0}` would no longer be an input, and is read without being computed")]
    NoValue(String),
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
    #[error("subgraph {subgraph}, {op} `{result}`: {what}; {}", what.advice())]
    Contradiction { subgraph: u32, op: String, result: String, what: Box<Contradiction> },
    #[error(
        "`{tensor}`, which subgraph {subgraph} returns, would be {after} and was {before}: callers \
         depend on it; return another tensor behind an op that converts"
    )]
    OutputType { subgraph: u32, tensor: String, before: ElementType, after: ElementType },
    #[error("no file can hold a record `{0}`")]
    Record(Arc<str>),
}

/// Far more than any op has, and far less than would use up memory.
const MOST_OPERANDS: u32 = u16::MAX as u32;

/// Why the patch cannot be applied, if it cannot.
pub(super) fn check(module: &Module, patch: &Patch) -> Result<(), Reason> {
    if patch.subgraph.0 as usize >= module.subgraphs().len() {
        return Err(Reason::Subgraph);
    }
    let graph = module.subgraph(patch.subgraph);
    handles(module, graph, patch)?;
    Check::new(module, graph, patch).run()
}

/// Whether the subgraph has all of these ops.
pub(super) fn known_ops(
    module: &Module,
    sg: SubgraphId,
    mut ops: impl Iterator<Item = OpId>,
) -> Result<(), Reason> {
    if sg.0 as usize >= module.subgraphs().len() {
        return Err(Reason::Subgraph);
    }
    let graph = module.subgraph(sg);
    ops.try_for_each(|op| known_op(graph, op))
}

/// Whether the subgraphs have the tensors that signatures name. A number that names no subgraph is
/// kept as readers keep it.
pub(super) fn signatures(module: &Module, signatures: &[Signature]) -> Result<(), Reason> {
    signatures.iter().try_for_each(|signature| {
        let graph = module.subgraphs().nth(signature.subgraph as usize).map(|(_, graph)| graph);
        let links = signature.inputs.iter().chain(&signature.outputs);
        let mut tensors = links.filter_map(|(_, link)| link.tensor());
        tensors.try_for_each(|tensor| match graph {
            Some(graph) => known_tensor(graph, tensor),
            None => Err(Reason::ForeignTensor),
        })
    })
}

fn known_op(graph: &Subgraph, op: OpId) -> Result<(), Reason> {
    match graph.contains_op(op) {
        true => Ok(()),
        false if op.origin() == graph.origin() => Err(Reason::StaleOp),
        false => Err(Reason::ForeignOp),
    }
}

fn known_tensor(graph: &Subgraph, tensor: TensorId) -> Result<(), Reason> {
    match graph.contains_tensor(tensor) {
        true => Ok(()),
        false if tensor.origin() == graph.origin() => Err(Reason::StaleTensor),
        false => Err(Reason::ForeignTensor),
    }
}

/// Whether all that the patch names is there.
fn handles(module: &Module, graph: &Subgraph, p: &Patch) -> Result<(), Reason> {
    let op_ref = |op: OpRef| match op {
        OpRef::Old(op) => known_op(graph, op),
        OpRef::New(n) if (n as usize) < p.ops.len() => Ok(()),
        OpRef::New(_) => Err(Reason::Dangling),
    };
    let tensor_ref = |tensor: TensorRef| match tensor {
        TensorRef::Old(tensor) => known_tensor(graph, tensor),
        TensorRef::New(n) if (n as usize) < p.tensors.len() => Ok(()),
        TensorRef::New(_) => Err(Reason::Dangling),
    };
    let slots = || p.operands.keys().chain(p.intermediates.keys());
    for (op, _) in slots().chain(p.results.keys()) {
        op_ref(*op)?;
    }
    for (_, place) in &p.ops {
        if let Place::Before(op) | Place::After(op) = place {
            known_op(graph, *op)?;
        }
    }
    for op in p.op_changes.iter().map(|(op, _)| op).chain(&p.erased_ops) {
        known_op(graph, *op)?;
    }
    let connected = p.operands.values().chain(p.intermediates.values()).flatten();
    for tensor in connected.chain(p.results.values()) {
        tensor_ref(*tensor)?;
    }
    for (old, new) in &p.moved_outputs {
        tensor_ref((*old).into())?;
        tensor_ref(*new)?;
    }
    for tensor in p.inputs.iter().chain(&p.outputs).flatten() {
        tensor_ref(*tensor)?;
    }
    for (tensor, change) in &p.tensor_changes {
        tensor_ref(*tensor)?;
        match change {
            TensorChange::Buffer(BufferRef::New(n)) if *n as usize >= p.constants.len() => {
                return Err(Reason::Dangling);
            }
            TensorChange::Buffer(BufferRef::Old(id))
                if *id != BufferId::NONE && id.0 as usize >= module.constants().len() =>
            {
                return Err(Reason::Buffer);
            }
            _ => (),
        }
    }
    for tensor in &p.erased_tensors {
        tensor_ref((*tensor).into())?;
    }
    for tensor in p.quantizations().flat_map(|q| q.details.links()) {
        tensor_ref(tensor.into())?;
    }
    // Slots are listed, so that one costs memory for all below it.
    match slots().find(|(_, slot)| *slot > MOST_OPERANDS) {
        Some(&(op, slot)) => Err(Reason::Slot { op: op_label(graph, p, op), slot }),
        None => Ok(()),
    }
}

fn op_label(graph: &Subgraph, patch: &Patch, op: OpRef) -> String {
    match op {
        OpRef::Old(op) => graph.op(op).kind.to_string(),
        OpRef::New(n) => patch.ops[n as usize].0.kind.to_string(),
    }
}

/// A patch whose handles are right, and what is often asked of it. Each of these is empty for most
/// patches.
struct Check<'a> {
    module: &'a Module,
    graph: &'a Subgraph,
    patch: &'a Patch,
    /// The op that computes a tensor, where the patch says which.
    made: IndexMap<TensorRef, OpRef>,
    /// What the patch lets ops read, those aside that it erases.
    read: HashSet<TensorRef>,
    /// What the patch lets the subgraph return.
    returned: HashSet<TensorRef>,
    /// What the subgraph takes, where the patch says so.
    taken: Option<HashSet<TensorRef>>,
    /// Constants that the patch gives tensors.
    buffers: HashMap<TensorRef, BufferRef>,
    /// Tensors that quantisation of the patch names.
    links: HashSet<TensorRef>,
    /// How often quantisation that goes names a tensor, once that is asked.
    links_dropped: OnceCell<HashMap<TensorId, u32>>,
    /// Tensors that the patch changes as they are afterwards, but for the numbers of new constants.
    after: IndexMap<TensorRef, Tensor>,
}

impl<'a> Check<'a> {
    fn new(module: &'a Module, graph: &'a Subgraph, patch: &'a Patch) -> Self {
        let p = patch;
        let links = p.quantizations().flat_map(|q| q.details.links()).map(TensorRef::from);
        let returned = p.moved_outputs.values().chain(p.outputs.iter().flatten()).copied();
        let mut check = Self {
            module,
            graph,
            patch,
            made: p.results.iter().map(|((op, _), tensor)| (*tensor, *op)).collect(),
            read: HashSet::new(),
            returned: returned.collect(),
            taken: p.inputs.as_ref().map(|inputs| inputs.iter().copied().collect()),
            buffers: HashMap::new(),
            links: links.collect(),
            links_dropped: OnceCell::new(),
            after: IndexMap::new(),
        };
        check.read = check.operands_kept().map(|(_, tensor)| tensor).collect();
        for (tensor, change) in &p.tensor_changes {
            let before = check.tensor(*tensor);
            let after = check.after.entry(*tensor).or_insert_with(|| before.clone());
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

    fn run(&self) -> Result<(), Reason> {
        self.attributes()?;
        self.quantization()?;
        self.producers()?;
        self.order()?;
        self.erasures()?;
        self.inputs()?;
        self.outputs()?;
        meaning::check(self)
    }

    /// The tensor as it is, or as the patch adds it.
    fn tensor(&self, tensor: TensorRef) -> &'a Tensor {
        match tensor {
            TensorRef::Old(tensor) => self.graph.tensor(tensor),
            TensorRef::New(n) => &self.patch.tensors[n as usize],
        }
    }

    /// The tensor as it is afterwards.
    fn tensor_after(&self, tensor: TensorRef) -> &Tensor {
        self.after.get(&tensor).unwrap_or_else(|| self.tensor(tensor))
    }

    /// Whether the patch gives the tensor a constant.
    fn is_folded(&self, tensor: TensorRef) -> bool {
        self.buffers.get(&tensor).is_some_and(|to| *to != BufferRef::Old(BufferId::NONE))
    }

    fn attributes(&self) -> Result<(), Reason> {
        let mut changed: HashMap<OpId, (String, Option<Attributes>)> = HashMap::new();
        for (id, change) in &self.patch.op_changes {
            match change {
                OpChange::Op(op) => {
                    changed.insert(*id, (op.kind.to_string(), op.attrs.clone()));
                }
                OpChange::Attr(name, value) => {
                    let op = self.graph.op(*id);
                    let now = || (op.kind.to_string(), op.attrs.clone());
                    let (kind, attrs) = changed.entry(*id).or_insert_with(now);
                    let attrs = attrs.as_mut().ok_or_else(|| Reason::NoOptions(kind.clone()))?;
                    attrs.set(name, value.clone())?;
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
        let changed = changed.map(|(tensor, _)| &self.after[tensor]);
        let added = (0..).map(TensorRef::New).zip(&self.patch.tensors);
        let added = added.filter(|(tensor, _)| !self.after.contains_key(tensor));
        for tensor in changed.chain(added.map(|(_, tensor)| tensor)) {
            let Some(q) = &tensor.quantization else { continue };
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

    /// The op that computes a tensor afterwards.
    fn producer_after(&self, tensor: TensorRef) -> Option<OpRef> {
        let kept = |(op, slot): &(OpId, u32)| {
            !self.patch.erased_ops.contains(op)
                && !self.patch.results.contains_key(&((*op).into(), *slot))
        };
        let old = || self.producer_before(tensor).filter(kept).map(|(op, _)| op.into());
        self.made.get(&tensor).copied().or_else(old)
    }

    /// Ops that read the tensor as it is, and of which the patch says nothing else.
    fn readers_kept(&self, tensor: TensorId) -> impl Iterator<Item = OpId> {
        self.graph.uses(tensor).into_iter().filter_map(|r#use| {
            let changed = self.patch.operands.contains_key(&(r#use.op.into(), r#use.slot));
            (!changed && !self.patch.erased_ops.contains(&r#use.op)).then_some(r#use.op)
        })
    }

    fn is_input_after(&self, tensor: TensorRef) -> bool {
        match (&self.taken, tensor) {
            (Some(taken), tensor) => taken.contains(&tensor),
            (None, TensorRef::Old(id)) => self.graph.is_input(id),
            (None, TensorRef::New(_)) => false,
        }
    }

    /// Inputs that the patch takes from the subgraph.
    fn inputs_lost(&self) -> impl Iterator<Item = TensorId> {
        let taken = self.taken.iter();
        taken.flat_map(|taken| {
            let inputs = self.graph.inputs().iter().copied();
            inputs.filter(|input| !taken.contains(&TensorRef::Old(*input)))
        })
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
            TensorRef::Old(id) => Some(*id),
            TensorRef::New(_) => None,
        });
        for tensor in made.chain(self.inputs_lost()) {
            for reader in self.readers_kept(tensor) {
                check(reader.into(), tensor.into())?;
            }
        }
        Ok(())
    }

    /// What ops read has a value though it is no input any more.
    fn inputs(&self) -> Result<(), Reason> {
        let valued = |tensor: TensorRef| {
            let after = self.tensor_after(tensor);
            after.is_variable
                || (after.buffer != BufferId::NONE && !self.buffers.contains_key(&tensor))
                || self.is_folded(tensor)
                || self.producer_after(tensor).is_some()
        };
        match self.inputs_lost().find(|id| self.in_use(*id) && !valued((*id).into())) {
            Some(tensor) => Err(Reason::NoValue(self.tensor_label(tensor.into()))),
            None => Ok(()),
        }
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
        let kept = |(op, slot): &(OpId, u32)| {
            !p.erased_ops.contains(op) && !p.results.contains_key(&((*op).into(), *slot))
        };
        for &tensor in &p.erased_tensors {
            let made = self.graph.producer(tensor).is_some_and(|made| kept(&made))
                || self.made.contains_key(&TensorRef::Old(tensor));
            if made || self.in_use(tensor) || self.stays_referred(tensor) {
                return Err(Reason::ErasedInUse(self.tensor_label(tensor.into())));
            }
        }
        let displaced = p.results.keys().filter_map(|(op, _)| match op {
            OpRef::Old(op) => Some(*op),
            OpRef::New(_) => None,
        });
        let ops: IndexSet<OpId> = p.erased_ops.iter().copied().chain(displaced).collect();
        for op in ops {
            for (slot, tensor) in (0..).zip(self.graph.results(op)) {
                let valued = kept(&(op, slot))
                    || self.made.contains_key(&TensorRef::Old(tensor))
                    || self.is_folded(tensor.into());
                if !valued && self.in_use(tensor) {
                    let tensor = self.tensor_label(tensor.into());
                    return Err(Reason::ErasedProducer(self.op_label(op.into()), tensor));
                }
            }
        }
        Ok(())
    }

    /// What the patch lets ops read, those aside that it erases.
    fn operands_kept(&self) -> impl Iterator<Item = (OpRef, TensorRef)> + '_ {
        self.kept(&self.patch.operands)
    }

    fn kept<'s>(
        &'s self,
        slots: &'s IndexMap<(OpRef, u32), Option<TensorRef>>,
    ) -> impl Iterator<Item = (OpRef, TensorRef)> + 's {
        slots.iter().filter_map(|(&(op, _), &tensor)| {
            let erased = matches!(op, OpRef::Old(op) if self.patch.erased_ops.contains(&op));
            Some((op, tensor.filter(|_| !erased)?))
        })
    }

    /// Whether ops read the tensor afterwards, or the subgraph takes or returns it.
    fn in_use(&self, tensor: TensorId) -> bool {
        let this = TensorRef::Old(tensor);
        self.read.contains(&this)
            || self.returned.contains(&this)
            || self.stays_output(tensor)
            || self.is_input_after(this)
            || self.readers_kept(tensor).next().is_some()
    }

    /// Whether the tensor is an output of which the patch says nothing.
    fn stays_output(&self, tensor: TensorId) -> bool {
        self.graph.is_output(tensor)
            && !self.patch.moved_outputs.contains_key(&tensor)
            && self.patch.outputs.is_none()
    }

    /// Whether something else than ops refers to the tensor after the patch.
    fn stays_referred(&self, tensor: TensorId) -> bool {
        let (p, this) = (self.patch, TensorRef::Old(tensor));
        let now = self.module.references(p.subgraph, tensor);
        let signature_input = || self.module.is_signature_input(tensor);
        let scratch = |op: OpId| {
            let slots = (0..).zip(self.graph.intermediates(op));
            let mut named = slots.filter(|(_, scratch)| *scratch == Some(tensor));
            !p.erased_ops.contains(&op)
                && named.any(|(slot, _)| !p.intermediates.contains_key(&(op.into(), slot)))
        };
        self.is_input_after(this)
            || (now.input && signature_input())
            || self.stays_output(tensor)
            || (now.signature_output && !p.moved_outputs.contains_key(&tensor))
            || (now.scratch && self.graph.scratch_of(tensor).any(scratch))
            || self.kept(&p.intermediates).any(|(_, scratch)| scratch == this)
            || (now.quantization && self.graph.links_to(tensor) > self.links_dropped(tensor))
            || self.links.contains(&this)
    }

    /// How often tensors that lose their quantisation, or go, name this one in it.
    fn links_dropped(&self, tensor: TensorId) -> u32 {
        let count = || {
            let changes = self.patch.tensor_changes.iter();
            let changed = changes.filter_map(|(tensor, change)| match (tensor, change) {
                (TensorRef::Old(id), TensorChange::Quantization(_)) => Some(*id),
                _ => None,
            });
            let changed: IndexSet<TensorId> =
                changed.chain(self.patch.erased_tensors.iter().copied()).collect();
            let mut dropped: HashMap<TensorId, u32> = HashMap::new();
            for link in changed.iter().flat_map(|id| self.graph.tensor(*id).links()) {
                *dropped.entry(link).or_default() += 1;
            }
            dropped
        };
        self.links_dropped.get_or_init(count).get(&tensor).copied().unwrap_or(0)
    }

    /// An output that is replaced keeps its type and shape: callers depend on them.
    fn outputs(&self) -> Result<(), Reason> {
        for (old, new) in &self.patch.moved_outputs {
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

    fn op_label(&self, op: OpRef) -> String {
        op_label(self.graph, self.patch, op)
    }

    fn tensor_label(&self, tensor: TensorRef) -> String {
        self.tensor(tensor).label().to_owned()
    }
}
