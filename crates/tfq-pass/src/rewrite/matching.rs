//! Patterns held against a model, and what a rule knows of a place where one matches.

use super::answers::Answers;
use super::pattern::{OpPattern, OperandKey, Pattern, Root};
use crate::analysis::eligibility::{Eligibility, Verdicts};
use crate::analysis::{Analysis, AnalysisInput, HybridVerdicts, SureShapes};
use bytes::Bytes;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::sync::Arc;
use tfq_ir::ops::{OperandRole, semantics_of};
use tfq_ir::{
    ElementType, Module, Op, OpId, Patch, References, Subgraph, SubgraphId, Tensor, TensorId,
    did_you_mean,
};
use tfq_target::Target;

impl Root {
    /// The first match at a place that is taken. `takes` is shown each, or how many nodes of the
    /// pattern matched and what did not. Operands that may stand in any order are tried in all of
    /// these `orders`.
    pub(super) fn matches<'a>(
        &self,
        site: MatchSite<'a>,
        orders: u32,
        mut takes: impl FnMut(Result<&Match<'a>, (usize, PatternMismatch)>) -> bool,
    ) -> Option<Match<'a>> {
        let mut attempt = |slot, tries: &dyn Fn(&mut Match<'a>) -> Result<(), PatternMismatch>| {
            (0..orders).find_map(|swapped| {
                let mut found = Match::new(site, slot, swapped);
                let taken = takes(match tries(&mut found) {
                    Ok(()) => Ok(&found),
                    Err(mismatch) => Err((found.nodes, mismatch)),
                });
                if taken { Some(found) } else { None }
            })
        };
        match (self, site.at) {
            (Self::Op(pattern), Anchor::Op(op)) => {
                let at_root = |found: &mut Match<'a>| {
                    pattern.try_at(op, found)?;
                    let results = found.graph().results(op);
                    // Rules speak of `result`; a file may have an op without any.
                    if results.is_empty() {
                        return Err(PatternMismatch::NoResult);
                    }
                    results.into_iter().try_for_each(|id| has_one_value(found.graph(), id))
                };
                attempt(0, &at_root)
            }
            (Self::Read(pattern), Anchor::Op(op)) => {
                let AnalysisInput { module, subgraph, .. } = site.input;
                let operands = module.subgraph(subgraph).operands(op);
                (0..).zip(operands).find_map(|(slot, operand)| {
                    let id = operand?;
                    attempt(slot, &|found| pattern.try_at(id, found))
                })
            }
            (Self::Unserved(pattern), Anchor::Op(op) | Anchor::Read(op, _)) => {
                let graph = site.input.module.subgraph(site.input.subgraph);
                site.unserved().iter().find_map(|slot| {
                    let id = graph.operand(op, *slot)?;
                    attempt(*slot, &|found| pattern.try_at(id, found))
                })
            }
            (Self::Tensor(pattern) | Self::Expressed(pattern), Anchor::Tensor(id)) => {
                attempt(0, &|found| pattern.try_at(id, found))
            }
            _ => None,
        }
    }
}

impl OpPattern {
    fn try_at(&self, op: OpId, found: &mut Match<'_>) -> Result<(), PatternMismatch> {
        let graph = found.graph();
        if !self.starts_with(graph.op(op)) {
            return Err(PatternMismatch::AnotherOp(op));
        }
        found.nodes += 1;
        if let Some(name) = &self.name {
            found.ops.push((name.clone(), op));
        }
        let swap = u32::from(self.any_order && found.next_swapped());
        for (slot, pattern) in &self.operands {
            let slot = match *slot {
                OperandKey::At(slot) => slot ^ swap,
                OperandKey::Of(role) => {
                    let slots = semantics_of(graph.op(op)).and_then(|what| what.slots(role).next());
                    slots.ok_or(PatternMismatch::NoRole(op, role))?
                }
            };
            let Some(tensor) = graph.operand(op, slot) else {
                return Err(PatternMismatch::NoOperand(op, slot));
            };
            pattern.try_at(tensor, found)?;
        }
        Ok(())
    }
}

impl Pattern {
    fn try_at(&self, tensor: TensorId, found: &mut Match<'_>) -> Result<(), PatternMismatch> {
        let graph = found.graph();
        has_one_value(graph, tensor)?;
        match self {
            Self::Any(name) => found.bind(name, tensor),
            Self::Constant(name) => {
                let (module, sg) = (found.module(), found.subgraph());
                if module.fixed_constant(sg, tensor).is_none() {
                    return Err(match module.constant(sg, tensor) {
                        Some(_) => PatternMismatch::MayBeSet(tensor),
                        None => PatternMismatch::NoConstant(tensor),
                    });
                }
                found.bind(name, tensor)
            }
            Self::Stored(name) => {
                if found.module().constant(found.subgraph(), tensor).is_none() {
                    return Err(PatternMismatch::NoConstant(tensor));
                }
                found.bind(name, tensor)
            }
            Self::Op(pattern) => {
                let producer = graph.producer(tensor);
                let wanted = |slot: &u32| pattern.result.is_none_or(|wanted| wanted == *slot);
                let Some((op, _)) = producer.filter(|(_, slot)| wanted(slot)) else {
                    return Err(PatternMismatch::NotComputed(tensor));
                };
                found.inner.push((op, tensor));
                pattern.try_at(op, found)
            }
        }
    }
}

/// What rules take for granted: a tensor means the same to all who read it.
fn has_one_value(graph: &Subgraph, tensor: TensorId) -> Result<(), PatternMismatch> {
    match graph.oddity(tensor) {
        Some(_) => Err(PatternMismatch::NoSingleValue(tensor)),
        None => Ok(()),
    }
}

/// Why a pattern does not match. Nearly every place that is looked at is one, so that it is put
/// into words only where it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternMismatch {
    AnotherOp(OpId),
    NoOperand(OpId, u32),
    NoRole(OpId, OperandRole),
    NoResult,
    NoSuchOperand,
    Served,
    NoConstant(TensorId),
    MayBeSet(TensorId),
    NotComputed(TensorId),
    NoSingleValue(TensorId),
    TwoTensors(Cow<'static, str>),
}

impl PatternMismatch {
    /// In words, for the subgraph as it was.
    pub(super) fn text(&self, graph: &Subgraph) -> String {
        let label = |id: &TensorId| graph.tensor(*id).label();
        match self {
            Self::AnotherOp(op) => {
                format!("{} stands where another op is wanted", graph.op(*op).kind)
            }
            Self::NoOperand(op, slot) => format!("{} has no operand {slot}", graph.op(*op).kind),
            Self::NoRole(op, role) => {
                format!("{} has no operand of role {role:?} here", graph.op(*op).kind)
            }
            Self::NoResult => "the op has no result".to_owned(),
            Self::NoSuchOperand => "it reads no such tensor".to_owned(),
            Self::Served => "it reads no quantised constant that a kernel refuses".to_owned(),
            Self::NoConstant(id) => format!("`{}` is no constant", label(id)),
            Self::MayBeSet(id) => format!("the constant `{}` may be set by a caller", label(id)),
            Self::NotComputed(id) => {
                format!("`{}` is not computed, or as another result", label(id))
            }
            Self::NoSingleValue(id) => {
                let why = graph.oddity(*id).map_or(String::new(), |why| format!(": {why}"));
                format!("`{}` has no single value{why}", label(id))
            }
            Self::TwoTensors(name) => format!("`{name}` would be two tensors"),
        }
    }
}

/// A place in a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct MatchSite<'a> {
    pub(super) input: AnalysisInput<'a>,
    pub(super) at: Anchor,
    pub(super) answers: &'a Answers,
    pub(super) known: &'a KnownVerdicts,
}

impl<'a> MatchSite<'a> {
    fn verdict(&self, op: OpId, slot: u32) -> Option<Arc<Eligibility>> {
        let asked = |(of, at, _): &&KnownVerdict| (*of, *at) == (op, slot);
        if let Some((.., verdict)) = self.known.verdicts.borrow().iter().find(asked) {
            return verdict.clone();
        }
        let verdict = self.verdicts().of(self.input, op, slot);
        let mut known = self.known.verdicts.borrow_mut();
        // Some ops have a great many operands, and it is soon quicker to find out again.
        if known.len() == KNOWN {
            known.clear();
        }
        known.push((op, slot, verdict.clone()));
        verdict
    }

    fn verdicts(&self) -> &'a Verdicts {
        self.answers.get::<HybridVerdicts>().expect("every rule may ask for them")
    }

    /// The operands at the place that the op cannot read as they are.
    pub(super) fn unserved(&self) -> &'a [u32] {
        self.known.unserved.get_or_init(|| {
            let graph = self.input.module.subgraph(self.input.subgraph);
            let (op, slots) = match self.at {
                Anchor::Op(op) => (op, 0..graph.operands(op).len() as u32),
                Anchor::Read(op, slot) => (op, slot..slot + 1),
                Anchor::Tensor(_) => return SmallVec::new(),
            };
            // Not by `verdict`, which looks through what was asked before.
            let is_unserved = |slot: &u32| {
                let verdict = self.verdicts().of(self.input, op, *slot);
                verdict.is_some_and(|verdict| !matches!(*verdict, Eligibility::Hybrid { .. }))
            };
            slots.filter(is_unserved).collect()
        })
    }
}

/// What was asked about operands at a place: several rules ask for the same.
#[derive(Debug, Default)]
pub(super) struct KnownVerdicts {
    verdicts: RefCell<SmallVec<[KnownVerdict; KNOWN]>>,
    unserved: OnceCell<SmallVec<[u32; 2]>>,
}

/// How many answers are kept.
const KNOWN: usize = 4;

/// Of an op and an operand.
type KnownVerdict = (OpId, u32, Option<Arc<Eligibility>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Anchor {
    Op(OpId),
    /// An operand of an op, for rules that begin at [`super::unserved`]: some ops have a great many.
    Read(OpId, u32),
    Tensor(TensorId),
}

/// The name of the root's first result.
pub(super) const RESULT: &str = "result";

/// What to say of a name that a pattern does not give.
pub(super) fn unbound(who: &str, name: &str, known: &[&str]) -> String {
    let hint = did_you_mean(name, known.iter().copied().chain([RESULT]));
    let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
    format!("{who} names no tensor `{name}`{hint}")
}

/// A place where a pattern matches, with the names that the pattern gave. The first result of
/// the op at which a rule begins is called `result`.
#[derive(Clone, Debug)]
pub struct Match<'a> {
    site: MatchSite<'a>,
    slot: u32,
    tensors: SmallVec<[(Cow<'static, str>, TensorId); 4]>,
    ops: SmallVec<[(Cow<'static, str>, OpId); 2]>,
    /// Ops below the root and the result by which each was found.
    inner: SmallVec<[(OpId, TensorId); 2]>,
    nodes: usize,
    /// Whether each op whose operands may stand in any order has them swapped, from the lowest bit.
    swapped: u32,
}

impl<'a> Match<'a> {
    fn new(site: MatchSite<'a>, slot: u32, swapped: u32) -> Self {
        let (tensors, ops, inner) = (SmallVec::new(), SmallVec::new(), SmallVec::new());
        Self { site, slot, tensors, ops, inner, nodes: 0, swapped }
    }

    fn next_swapped(&mut self) -> bool {
        let next = self.swapped & 1 == 1;
        self.swapped >>= 1;
        next
    }

    /// The model.
    pub fn module(&self) -> &'a Module {
        self.site.input.module
    }

    /// The subgraph.
    pub fn graph(&self) -> &'a Subgraph {
        self.module().subgraph(self.subgraph())
    }

    /// The subgraph's number.
    pub fn subgraph(&self) -> SubgraphId {
        self.site.input.subgraph
    }

    /// The runtime that the model is for.
    pub fn target(&self) -> &'a Target {
        self.site.input.target
    }

    /// The verdict on the tensor of [`super::read_of`] or [`super::unserved`] as an operand of the
    /// root; `None` where it is no quantised constant next to float.
    pub fn verdict(&self) -> Option<Arc<Eligibility>> {
        self.verdict_of(self.root(), self.slot)
    }

    /// The verdict on an operand of an op.
    pub fn verdict_of(&self, op: OpId, slot: u32) -> Option<Arc<Eligibility>> {
        self.site.verdict(op, slot)
    }

    /// Whether the target leaves a result of the op unwritten where the subgraph returns it.
    pub fn leaves_unwritten(&self, op: OpId) -> bool {
        self.target().leaves_unwritten(self.module(), self.subgraph(), op).is_some()
    }

    /// What an analysis found out about the subgraph as it is.
    ///
    /// # Panics
    /// If the rule does not ask for it: [`super::Rule::asks`].
    pub fn analysis<A: Analysis>(&self) -> &'a A::Result {
        let answer = self.site.answers.get::<A>();
        answer.unwrap_or_else(|| panic!("the rule does not ask for the analysis `{}`", A::NAME))
    }

    /// Whether a tensor that the pattern names has the shape that it states whenever the model runs.
    ///
    /// # Panics
    /// If the rule does not ask for [`SureShapes`], or the pattern has no such name.
    pub fn has_sure_shape(&self, name: &str) -> bool {
        self.analysis::<SureShapes>().has(self.site.input, self.id(name))
    }

    /// A dimension that a tensor has whenever the model runs, if that is known.
    ///
    /// # Panics
    /// If the rule does not ask for [`SureShapes`].
    pub fn sure_dim(&self, id: TensorId, n: usize) -> Option<i32> {
        self.analysis::<SureShapes>().dim(self.site.input, id, n)
    }

    /// Whether a tensor has the dimensions that it states whenever the model runs, but for the first one.
    ///
    /// # Panics
    /// As [`Self::sure_dim`].
    pub fn has_sure_dims_behind_batch(&self, id: TensorId) -> bool {
        let tensor = self.graph().tensor(id);
        tensor.is_ranked() && (1..tensor.shape.len()).all(|n| self.sure_dim(id, n).is_some())
    }

    /// The op at which the rule matches.
    ///
    /// # Panics
    /// If the rule matches at a tensor.
    pub fn root(&self) -> OpId {
        match self.site.at {
            Anchor::Op(op) | Anchor::Read(op, _) => op,
            Anchor::Tensor(_) => panic!("the rule matches at a tensor"),
        }
    }

    /// As which operand the root reads the tensor of [`super::read_of`].
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The op of this name.
    ///
    /// # Panics
    /// If the pattern has no such name.
    pub fn op(&self, name: &str) -> &'a Op {
        let found = self.ops.iter().find(|(known, _)| *known == name);
        self.graph().op(found.unwrap_or_else(|| panic!("the pattern names no op `{name}`")).1)
    }

    /// The tensor of this name; `result` is the root's first.
    ///
    /// # Panics
    /// If the pattern has no such name, or if it is `result` and the root of [`super::read_of`] has
    /// none.
    pub fn id(&self, name: &str) -> TensorId {
        let found = self.tensors.iter().find(|(known, _)| *known == name);
        match found {
            Some((_, id)) => *id,
            None if name == RESULT => self.result().expect("the root has a result"),
            None => {
                let known: Vec<&str> = self.tensors.iter().map(|(name, _)| &**name).collect();
                panic!("{}", unbound("the pattern", name, &known))
            }
        }
    }

    /// The root's first result. It has one, and one with a single value, unless the rule begins
    /// at [`super::read_of`].
    pub fn result(&self) -> Option<TensorId> {
        let result = self.graph().results(self.root()).first().copied();
        result.filter(|id| has_one_value(self.graph(), *id).is_ok())
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> &'a Tensor {
        self.graph().tensor(self.id(name))
    }

    /// The bytes of a constant that neither a caller nor an op can change.
    pub fn bytes(&self, name: &str) -> Option<&'a Bytes> {
        self.module().fixed_constant(self.subgraph(), self.id(name))
    }

    /// The values of an int32 or int64 constant that neither a caller nor an op can change; kernels
    /// take either type for shapes, axes and the like.
    pub fn integers(&self, name: &str) -> Option<Vec<i64>> {
        self.integers_of(self.id(name))
    }

    /// The same for an operand of the root, which the pattern need not name.
    pub fn operand_integers(&self, slot: u32) -> Option<Vec<i64>> {
        self.integers_of(self.graph().operand(self.root(), slot)?)
    }

    /// The same for an operand of any op.
    pub fn integers_at(&self, op: OpId, slot: u32) -> Option<Vec<i64>> {
        self.integers_of(self.graph().operand(op, slot)?)
    }

    fn integers_of(&self, id: TensorId) -> Option<Vec<i64>> {
        let bytes = self.module().fixed_constant(self.subgraph(), id)?;
        match self.graph().tensor(id).ty {
            ElementType::Int32 => {
                let (values, _) = bytes.as_chunks();
                Some(values.iter().map(|value| i32::from_le_bytes(*value).into()).collect())
            }
            ElementType::Int64 => {
                let (values, _) = bytes.as_chunks();
                Some(values.iter().map(|value| i64::from_le_bytes(*value)).collect())
            }
            _ => None,
        }
    }

    /// Whether two tensors agree in type, shape, signature and every field of quantisation, so
    /// that one can stand for the other. Tensors of unknown rank never do. Two dimensions that
    /// are both unknown agree, and are one number at run time only where the op between the
    /// tensors keeps dimensions; a rule about another op asks for [`Tensor::is_static`] too.
    pub fn same_type(&self, a: &str, b: &str) -> bool {
        let (a, b) = (self.tensor(a), self.tensor(b));
        a.ty == b.ty
            && a.is_ranked()
            && b.is_ranked()
            && a.shape == b.shape
            && a.shape_signature == b.shape_signature
            && a.quantization == b.quantization
            && a.sparsity == b.sparsity
            && a.expressed == b.expressed
            && !a.is_variable
            && !b.is_variable
    }

    /// The operands that the root cannot read as they are, each to be looked at alone.
    pub(super) fn unserved_reads(&self) -> impl ExactSizeIterator<Item = Anchor> + use<'a> {
        let root = self.root();
        self.site.unserved().iter().map(move |slot| Anchor::Read(root, *slot))
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    /// Whether the root's result can be replaced by the tensor. A result that the subgraph
    /// returns needs a producer that can write it instead.
    pub(super) fn can_forward(&self, name: &str) -> bool {
        let (graph, from, result) = (self.graph(), self.id(name), self.id(RESULT));
        if graph.results(self.root()).len() != 1 {
            return false;
        }
        let held = self.references(result);
        if !held.output {
            return !held.any();
        }
        !held.input
            && !held.scratch
            && graph.producer(from).is_some()
            && !self.references(from).any()
    }

    fn references(&self, tensor: TensorId) -> References {
        self.module().references(self.subgraph(), tensor)
    }

    pub(super) fn can_fold(&self) -> bool {
        let (graph, root) = (self.graph(), self.root());
        let results = graph.results(root);
        let [result] = results[..] else { return false };
        tfq_ir::effects(self.module(), self.subgraph(), root).is_pure()
            && !self.references(result).any()
            && !graph.tensor(result).is_variable
    }

    pub(super) fn forward(&self, patch: &mut Patch, name: &str) {
        let (graph, from, result) = (self.graph(), self.id(name), self.id(RESULT));
        let root = self.root();
        patch.erase_op(root);
        let kept = if graph.is_output(result) {
            let (producer, slot) = graph.producer(from).expect("checked by can_forward");
            patch.set_result(producer, slot, result);
            for u in graph.uses(from).iter().filter(|u| u.op != root) {
                patch.set_operand(u.op, u.slot, result);
            }
            patch.erase_tensor(from);
            result
        } else {
            for u in graph.uses(result) {
                patch.set_operand(u.op, u.slot, from);
            }
            patch.erase_tensor(result);
            from
        };
        self.erase_unused_inner(patch, kept);
    }

    /// Drops the ops below the root whose results nobody else reads.
    fn erase_unused_inner(&self, patch: &mut Patch, kept: TensorId) {
        let graph = self.graph();
        let mut gone = vec![self.root()];
        for &(op, tensor) in &self.inner {
            let only_ours = graph.results(op).len() == 1
                && tensor != kept
                && !self.references(tensor).any()
                && graph.all_uses(tensor, |u| gone.contains(&u.op));
            if only_ours {
                patch.erase_op(op);
                patch.erase_tensor(tensor);
                gone.push(op);
            }
        }
    }

    // As a `str`, a name that is borrowed for ever would be copied.
    #[allow(clippy::ptr_arg)]
    fn bind(&mut self, name: &Cow<'static, str>, tensor: TensorId) -> Result<(), PatternMismatch> {
        match self.tensors.iter().find(|(known, _)| known == name) {
            Some((_, known)) if *known != tensor => Err(PatternMismatch::TwoTensors(name.clone())),
            Some(_) => Ok(()),
            None => {
                self.nodes += 1;
                self.tensors.push((name.clone(), tensor));
                Ok(())
            }
        }
    }
}
