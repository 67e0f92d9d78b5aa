//! Whether an op can read a quantised constant as it is: the analysis that passes and the
//! check before lowering share.

use super::interface::{Analysis, AnalysisInput, Change};
use smallvec::SmallVec;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::{Attr, ElementType, Notes, Op, OpId, TensorId};
use tfq_target::{Reading, Spreaders, Target, Verdict, WeightForm, WeightOperand};

/// Note on an op that binds later passes: `hybrid`, `dequantize` or `pass-through`, whatever
/// the target says. Left by a pass that was told so by the user.
pub const HYBRID_NOTE: &str = "hybrid";
/// Why [`HYBRID_NOTE`] says what it says.
pub const REASON_NOTE: &str = "hybrid-reason";
/// Weight operands that [`HYBRID_NOTE`] is about, where the target does not know of them.
pub const SLOTS_NOTE: &str = "hybrid-slots";

/// What has to be done about a quantised constant that an op reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eligibility {
    /// Nothing: a kernel reads it.
    Hybrid {
        /// Whether XNNPACK takes the op.
        delegated: bool,
    },
    /// A kernel reads it, but not through a tensor that it shares with an op whose kernel changes
    /// the tensor's scale: it needs a tensor of its own for the same bytes.
    OwnTensor {
        /// Whom it must not share with, and what would happen, for a person.
        reason: String,
        /// Whether XNNPACK takes the op.
        delegated: bool,
    },
    /// The op copies codes: its result takes the constant's type and scale, and a Dequantize
    /// goes behind it.
    PassThrough,
    /// A Dequantize goes in front of the op.
    Dequantize {
        /// Why, for a person.
        reason: String,
    },
}

/// What it costs that an op reads a quantised constant as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the constant in the file.
    pub file: u64,
    /// The same as float32.
    pub file_as_float: u64,
    /// Bytes that the runtime holds for it beside the file, for this reader; `None` where that
    /// is not known.
    pub held: Option<u64>,
    /// The same as float32.
    pub held_as_float: Option<u64>,
    /// Whether XNNPACK takes the op. Behind a Dequantize that is the op with float32 weights.
    pub delegated: bool,
}

/// What the verdict on a constant costs on the target.
pub fn cost(weight: WeightOperand<'_>, target: &Target, verdict: &Eligibility) -> Option<Cost> {
    let WeightOperand { module, sg, op, slot } = weight;
    let graph = module.subgraph(sg);
    let id = graph.operand(op, slot)?;
    let tensor = graph.tensor(id);
    let elements = tensor.elements()?;
    let form = WeightForm::of(tensor);
    let (reading, delegated) = match verdict {
        Eligibility::Hybrid { delegated } | Eligibility::OwnTensor { delegated, .. } => {
            (Reading::Hybrid, *delegated)
        }
        Eligibility::PassThrough => (Reading::Hybrid, false),
        Eligibility::Dequantize { .. } => (Reading::Dequantize, target.takes_as_float(graph, op)),
    };
    let held = |reading| target.held_bytes(weight, reading, &form, delegated);
    Some(Cost {
        file: module.constant(sg, id).map_or(0, |bytes| bytes.len() as u64),
        file_as_float: ElementType::Float32.bytes_for(elements)?,
        held: held(reading),
        held_as_float: held(Reading::Float32),
        delegated,
    })
}

/// Whether an operand is a quantised constant next to float: one whose readers were written for
/// float32, or an integer weight beside a float32 activation, with scales or without, or a table of
/// which float32 is looked up. In any other place an integer is not mistaken for float32: the op computes with integers.
fn is_quantised_beside_float(input: AnalysisInput<'_>, op: OpId, slot: u32) -> bool {
    use ElementType::{Float32, Int2, Int4, Int8};
    let graph = input.module.subgraph(input.subgraph);
    let Some(id) = graph.operand(op, slot) else { return false };
    let tensor = graph.tensor(id);
    if tensor.expressed.is_some() {
        return !graph.op(op).kind.is(DEQUANTIZE);
    }
    if !matches!(tensor.ty, Int8 | Int4 | Int2) {
        return false;
    }
    let Some(facts) = input.target.facts_of(graph, op) else { return false };
    let is_float = |id: TensorId| graph.tensor(id).ty == Float32;
    let computes_floats = match facts.activation {
        Some(slot) => graph.operand(op, slot).is_some_and(is_float),
        // A lookup makes float32 of what it finds, or copies it.
        None => !facts.pass_through && graph.results(op).into_iter().all(is_float),
    };
    facts.weights.contains(&slot)
        && computes_floats
        && input.module.constant(input.subgraph, id).is_some()
}

/// For each operand that is a quantised constant next to float, what has to be done about it on
/// the target.
#[derive(Debug)]
pub struct HybridVerdicts;

impl Analysis for HybridVerdicts {
    type Result = Verdicts;
    const NAME: &'static str = "hybrid-eligibility";
    const LAZY: bool = true;

    fn compute(_: AnalysisInput<'_>, _: Option<&Self::Result>) -> Self::Result {
        Verdicts::default()
    }

    fn follow(verdicts: &Self::Result, input: AnalysisInput<'_>, change: Change<'_>) -> bool {
        // Whether there is a verdict is looked up each time, and what it is does not depend on what
        // the readers were written for.
        if change.only_marks {
            verdicts.forget(input, change.noted.iter().copied());
            return true;
        }
        let ops = change.applied.ops.iter().chain(change.applied.erased()).chain(change.noted);
        verdicts.forget(input, ops.copied());
        true
    }
}

/// The verdicts on the quantised constants next to float that the ops of a subgraph read: constants
/// whose readers were written for float32, integer weights beside a float32 activation, and integer
/// tables of which float32 is looked up. Each is
/// found out when it is first asked for, and holds until a patch changes the op or what it reads.
#[derive(Debug, Default)]
pub struct Verdicts {
    known: [Mutex<Known>; SHARDS],
    spreaders: Spreaders,
}

/// Sweeps ask on all cores.
const SHARDS: usize = 16;

/// Verdicts on operands of one op, in order of slot.
type OfOp = SmallVec<[(u32, Judged); 1]>;

/// Some of the verdicts.
#[derive(Debug, Default)]
struct Known {
    /// Where those of an op are in `verdicts`, counted from 1, at a place by its number: there may
    /// be a great many, and tensors have numbers too.
    places: Vec<u32>,
    verdicts: Vec<OfOp>,
}

impl Known {
    fn of(&self, op: OpId) -> Option<&OfOp> {
        let place = *self.places.get(op.number() as usize / SHARDS)?;
        self.verdicts.get((place as usize).checked_sub(1)?)
    }

    fn of_or_new(&mut self, op: OpId) -> &mut OfOp {
        let number = op.number() as usize / SHARDS;
        if number >= self.places.len() {
            self.places.resize(number + 1, 0);
        }
        let place = &mut self.places[number];
        if *place == 0 {
            self.verdicts.push(OfOp::new());
            *place = self.verdicts.len() as u32;
        }
        &mut self.verdicts[*place as usize - 1]
    }

    fn forget(&mut self, op: OpId) {
        let place = self.places.get(op.number() as usize / SHARDS).copied().unwrap_or(0);
        if place > 0 {
            self.verdicts[place as usize - 1].clear();
        }
    }
}

impl Verdicts {
    /// The verdict on an operand in the form that it has now; `None` where it is no quantised
    /// constant next to float.
    pub fn of(&self, input: AnalysisInput<'_>, op: OpId, slot: u32) -> Option<Arc<Eligibility>> {
        self.find(input, op, slot, true)
    }

    /// As [`Self::of`], for who asks about each operand once: what is not known is not kept.
    pub(crate) fn once(
        &self,
        input: AnalysisInput<'_>,
        op: OpId,
        slot: u32,
    ) -> Option<Arc<Eligibility>> {
        self.find(input, op, slot, false)
    }

    fn find(
        &self,
        input: AnalysisInput<'_>,
        op: OpId,
        slot: u32,
        keep: bool,
    ) -> Option<Arc<Eligibility>> {
        if !is_quantised_beside_float(input, op, slot) {
            return None;
        }
        let judged = self.known(input, op, slot).unwrap_or_else(|| {
            let judged = Judged::new(input, op, slot);
            if keep {
                let mut shard = self.shard(op);
                let slots = shard.of_or_new(op);
                let at = slots.partition_point(|(known, _)| *known < slot);
                slots.insert(at, (slot, judged.clone()));
            }
            judged
        });
        Some(judged.among_others(input, op, slot, &self.spreaders))
    }

    fn known(&self, input: AnalysisInput<'_>, op: OpId, slot: u32) -> Option<Judged> {
        let known = self.shard(op).of(op).and_then(|slots| {
            let at = slots.binary_search_by_key(&slot, |(known, _)| *known).ok()?;
            Some(slots[at].1.clone())
        });
        let is_fresh = |known: &Judged| *known.verdict == judge(input, op, slot);
        debug_assert!(known.as_ref().is_none_or(is_fresh), "a patch changed a verdict unnoticed");
        known
    }

    /// The operands of an op that have a verdict, by slot.
    pub fn of_op(&self, input: AnalysisInput<'_>, op: OpId) -> Vec<(u32, Arc<Eligibility>)> {
        let slots = input.module.subgraph(input.subgraph).operands(op).len() as u32;
        (0..slots).filter_map(|slot| Some((slot, self.of(input, op, slot)?))).collect()
    }

    /// Forgets what the change of these ops, or of tensors of theirs, may have changed.
    pub(crate) fn forget(&self, input: AnalysisInput<'_>, ops: impl IntoIterator<Item = OpId>) {
        let graph = input.module.subgraph(input.subgraph);
        for op in ops {
            self.shard(op).forget(op);
            if !graph.contains_op(op) {
                continue;
            }
            self.spreaders.forget(input.module, input.target, input.subgraph, op);
            // Kernels look through a Dequantize at the constant behind it.
            for result in graph.results(op) {
                for reader in graph.uses(result) {
                    self.shard(reader.op).forget(reader.op);
                }
            }
        }
    }

    fn shard(&self, op: OpId) -> MutexGuard<'_, Known> {
        let shard = &self.known[op.number() as usize % SHARDS];
        shard.lock().expect("nothing panics while it is held")
    }
}

/// What follows from an op, and what it reads, alone.
#[derive(Clone, Debug)]
struct Judged {
    verdict: Arc<Eligibility>,
    /// Why an op that reads the constant through the same tensor may spoil it, if one may.
    spread: Option<Arc<str>>,
}

impl Judged {
    fn new(input: AnalysisInput<'_>, op: OpId, slot: u32) -> Self {
        let AnalysisInput { module, subgraph: sg, target } = input;
        let verdict = judge(input, op, slot);
        let graph = module.subgraph(sg);
        let form = graph.operand(op, slot).map(|id| WeightForm::of(graph.tensor(id)));
        let weight = input.weight(op, slot);
        // Where a note says so, the kernels are not asked yet.
        let by_kernels = |form: &WeightForm| match note(graph.op(op), HYBRID_NOTE) {
            Some("hybrid") => target.hybrid(weight, form).is_hybrid(),
            _ => matches!(verdict, Eligibility::Hybrid { .. }),
        };
        let spread = form.filter(by_kernels).and_then(|form| target.spread_refusal(weight, &form));
        Self { verdict: shared(verdict), spread: spread.map(Arc::from) }
    }

    /// The verdict in view of the others that read the constant through the same tensor.
    fn among_others(
        self,
        input: AnalysisInput<'_>,
        op: OpId,
        slot: u32,
        spreaders: &Spreaders,
    ) -> Arc<Eligibility> {
        let AnalysisInput { module, subgraph: sg, target } = input;
        let (Eligibility::Hybrid { delegated }, Some(why)) = (&*self.verdict, &self.spread) else {
            return self.verdict;
        };
        let graph = module.subgraph(sg);
        let by = graph.operand(op, slot).and_then(|id| {
            let of = (sg, id, WeightForm::of(graph.tensor(id)));
            spreaders.other_than(op, module, target, of)
        });
        let Some(by) = by else { return self.verdict };
        let by = module.op_place(sg, by);
        let reason = format!("{by} puts several scales in place of the tensor's one, and {why}");
        Arc::new(Eligibility::OwnTensor { reason, delegated: *delegated })
    }
}

/// The verdict, which nearly all ops of a model share.
fn shared(verdict: Eligibility) -> Arc<Eligibility> {
    static HYBRID: LazyLock<[Arc<Eligibility>; 2]> = LazyLock::new(|| {
        [false, true].map(|delegated| Arc::new(Eligibility::Hybrid { delegated }))
    });
    match verdict {
        Eligibility::Hybrid { delegated } => HYBRID[usize::from(delegated)].clone(),
        other => Arc::new(other),
    }
}

/// What the kernels say, or what decides before they are asked.
///
/// A note on the op decides first. Then the target does: GATHER passes codes through where one
/// scale serves the whole table, since per-channel parameters do not fit the result (the loader
/// compares their number with the result's dimension).
fn judge(input: AnalysisInput<'_>, op: OpId, slot: u32) -> Eligibility {
    let AnalysisInput { module, subgraph: sg, target } = input;
    let graph = module.subgraph(sg);
    let node = graph.op(op);
    let weights = target.weight_slots(graph, op);
    let noted = note(node, HYBRID_NOTE);
    let is_weight = weights.contains(&slot) || noted_slot(&node.notes, slot);
    let tensor = graph.operand(op, slot).map(|id| graph.tensor(id));
    // One scale serves the copied codes too; several belong to channels of the table.
    let copies = tensor.is_some_and(|t| t.scales() == 1 || t.ty == ElementType::Float16);
    match noted {
        Some("hybrid") if is_weight => return Eligibility::Hybrid { delegated: false },
        Some("pass-through") if is_weight && copies => return Eligibility::PassThrough,
        Some("dequantize") => {
            let reason = note(node, REASON_NOTE).unwrap_or("a pass decided so").to_owned();
            return Eligibility::Dequantize { reason };
        }
        _ => (),
    }
    let Some(tensor) = tensor else {
        return Eligibility::Dequantize { reason: "the operand is left out".to_owned() };
    };
    let facts = target.facts_of(graph, op).filter(|_| weights.contains(&slot));
    let Some(facts) = facts else {
        let reason = format!("{} reads float32 in operand {slot}", node.kind);
        return Eligibility::Dequantize { reason };
    };
    let form = WeightForm::of(tensor);
    if facts.pass_through {
        if copies && target.dequantize_supports(form.ty, form.granularity) {
            return Eligibility::PassThrough;
        }
        let reason = format!("{} would copy codes with more than one scale", node.kind);
        return Eligibility::Dequantize { reason };
    }
    let mut verdict = target.hybrid(input.weight(op, slot), &form);
    // The others are asked only now, so that the reason is about this operand where it can be.
    if facts.all_or_none && verdict.is_hybrid() {
        verdict = target.group_verdict(module, sg, op, |_, tensor| WeightForm::of(tensor));
    }
    match verdict {
        Verdict::Hybrid { delegated } => Eligibility::Hybrid { delegated },
        Verdict::Dequantize { reason } => Eligibility::Dequantize { reason },
    }
}

/// The text of a note on an op.
fn note<'a>(op: &'a Op, name: &str) -> Option<&'a str> {
    match op.notes.get(name) {
        Some(Attr::String(text)) => Some(text.as_ref()),
        _ => None,
    }
}

/// Slots of a custom op that the user named as weights.
fn noted_slot(notes: &Notes, slot: u32) -> bool {
    match notes.get(SLOTS_NOTE) {
        Some(Attr::Ints(slots)) => slots.contains(&i64::from(slot)),
        _ => false,
    }
}
