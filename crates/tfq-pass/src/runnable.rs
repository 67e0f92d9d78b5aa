//! Whether the target runs what the passes made: the second level of verification, asked
//! before a model is lowered.

use crate::Context;
use crate::eligibility::{Eligibility, eligibility};
use indexmap::IndexSet;
use tfq_ir::{ElementType, Module, Numbers, OpId, SubgraphId, TensorId};
use tfq_target::{Target, WeightForm};

/// Something that the target would refuse or compute wrongly, and the pass that mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Unrunnable {
    /// The op or tensor.
    pub place: String,
    /// What would happen.
    pub what: String,
    /// Which pass to run, if one mends it.
    pub fix: Option<&'static str>,
}

/// Checks every op that a patch touched, itself or a tensor of it, and that they get on with
/// those that read a constant through the same tensor.
pub fn check_runnable(module: &Module, target: &Target) -> Vec<Unrunnable> {
    check(module, None, target)
}

/// Like [`check_runnable`], without what was so in the model that the passes began with. What
/// came in like this is the input's own affair: a model is handed back as it was, however odd.
pub fn check_runnable_since(module: &Module, start: &Module, target: &Target) -> Vec<Unrunnable> {
    check(module, Some(start), target)
}

fn check(module: &Module, start: Option<&Module>, target: &Target) -> Vec<Unrunnable> {
    let changed: IndexSet<(SubgraphId, TensorId)> = module
        .journal()
        .iter()
        .filter_map(|patch| Some((patch.subgraph?, patch)))
        .flat_map(|(sg, patch)| {
            let new = patch.added_tensors().iter();
            new.chain(&patch.retyped).map(move |id| (sg, *id))
        })
        .collect();
    let mut found = Vec::new();
    let touched = touched_ops(module, 0);
    for &op in &touched {
        let check = |module: &Module, op| faults_of_op(module, target, op, &changed);
        found.extend(faults_since(module, start, op, check));
    }
    for op in fellow_readers(module, &touched) {
        let check = |module: &Module, op| tensors_to_part(module, target, op);
        found.extend(faults_since(module, start, op, check));
    }
    found.extend(stale_metadata(module));
    for (sg, graph) in module.subgraphs() {
        for &output in graph.outputs() {
            let tensor = graph.tensor(output);
            if let Some(expressed) = tensor.expressed {
                found.push(Unrunnable {
                    place: Context::tensor_place(module, sg, output),
                    what: format!("an output that was {expressed} would become {}", tensor.ty),
                    fix: Some("insert-dequant"),
                });
            }
        }
    }
    found
}

/// What a check finds at an op and did not find there in the beginning.
fn faults_since(
    module: &Module,
    start: Option<&Module>,
    (sg, op): (SubgraphId, OpId),
    check: impl Fn(&Module, (SubgraphId, OpId)) -> Vec<Fault>,
) -> impl Iterator<Item = Unrunnable> {
    let mut faults = check(module, (sg, op));
    if let Some(start) = start.filter(|_| !faults.is_empty())
        && let Some((sg, _)) = start.subgraphs().find(|(_, graph)| graph.contains_op(op))
    {
        let came = check(start, (sg, op));
        faults.retain(|fault| !came.iter().any(|one| one.is_like(fault)));
    }
    faults.into_iter().map(|fault| fault.what)
}

/// The ops that patches touched from this place of the journal on, as far as they are there still.
pub(crate) fn touched_ops(module: &Module, from: usize) -> IndexSet<(SubgraphId, OpId)> {
    let mut touched = IndexSet::new();
    for patch in &module.journal()[from..] {
        // Subgraphs may have been dropped since, and ops erased.
        let there = |sg: &SubgraphId| (sg.0 as usize) < module.subgraphs().len();
        let Some(sg) = patch.subgraph.filter(there) else { continue };
        let graph = module.subgraph(sg);
        touched.extend(patch.ops.iter().filter(|op| graph.contains_op(**op)).map(|op| (sg, *op)));
    }
    touched
}

/// The other ops that read a constant through the same tensor as one of these.
fn fellow_readers(
    module: &Module,
    ops: &IndexSet<(SubgraphId, OpId)>,
) -> IndexSet<(SubgraphId, OpId)> {
    let mut fellows = IndexSet::new();
    // One constant may have a great many readers.
    let mut seen = IndexSet::new();
    for &(sg, op) in ops {
        let graph = module.subgraph(sg);
        let operands = graph.operands(op).into_iter().flatten();
        for id in operands.filter(|id| module.constant(sg, *id).is_some()) {
            if !seen.insert((sg, id)) {
                continue;
            }
            let readers = graph.uses(id).into_iter().map(|u| (sg, u.op));
            fellows.extend(readers.filter(|reader| !ops.contains(reader)));
        }
    }
    fellows
}

/// The weights that the op would have to read through a tensor of its own.
fn tensors_to_part(module: &Module, target: &Target, (sg, op): (SubgraphId, OpId)) -> Vec<Fault> {
    let graph = module.subgraph(sg);
    let mut found = Vec::new();
    for slot in target.weight_slots(graph, op) {
        if let Eligibility::OwnTensor { reason, .. } = eligibility(module, target, sg, op, slot)
            && let Some(id) = graph.operand(op, slot)
        {
            let operand = Some((slot, WeightForm::of(graph.tensor(id))));
            found.push(Fault { operand, what: shares(module, sg, op, id, &reason) });
        }
    }
    found
}

fn shares(module: &Module, sg: SubgraphId, op: OpId, id: TensorId, reason: &str) -> Unrunnable {
    let label = module.subgraph(sg).tensor(id).label();
    let what = format!("it reads `{label}` together with others: {reason}");
    let place = Context::op_place(module, sg, op);
    Unrunnable { place, what, fix: Some("insert-dequant") }
}

/// Metadata that refers to parts of the model by number, in a format that is not ours, is wrong
/// once a pass has added or removed some.
fn stale_metadata(module: &Module) -> Option<Unrunnable> {
    let journal = module.journal().iter();
    let moved = journal.fold(Numbers::default(), |all, patch| all.or(patch.renumbers()));
    let (metadata, what) = module.numbered_by_metadata(moved)?;
    let what = format!("it names {what} by number, and passes added or removed some");
    Some(Unrunnable { place: format!("metadata `{}`", metadata.name), what, fix: None })
}

/// What is wrong with an op, at which of its operands, if at one.
struct Fault {
    operand: Option<(u32, WeightForm)>,
    what: Unrunnable,
}

impl Fault {
    fn of_op(place: String, what: String) -> Self {
        Self { operand: None, what: Unrunnable { place, what, fix: None } }
    }

    /// Whether it is the same fault of the same op. The operand may have another name by now.
    fn is_like(&self, other: &Self) -> bool {
        self.operand == other.operand
            && (self.operand.is_some() || self.what.what == other.what.what)
    }
}

fn faults_of_op(
    module: &Module,
    target: &Target,
    (sg, op): (SubgraphId, OpId),
    changed: &IndexSet<(SubgraphId, TensorId)>,
) -> Vec<Fault> {
    let graph = module.subgraph(sg);
    let place = || Context::op_place(module, sg, op);
    let mut found = Vec::new();
    found.extend(target.lacks_op(module, sg, op).map(|what| Fault::of_op(place(), what)));
    if graph.op(op).kind.is(tfq_ir::catalog::ops::DEQUANTIZE) {
        let what = graph.operand(op, 0).and_then(|from| {
            let form = WeightForm::of(graph.tensor(from));
            let reads = target.dequantize_supports(form.ty, form.granularity);
            (!reads).then(|| format!("the target has no Dequantize for {form}"))
        });
        found.extend(what.map(|what| Fault::of_op(place(), what)));
        return found;
    }
    let weights = target.weight_slots(graph, op);
    for (slot, operand) in (0..).zip(graph.operands(op)) {
        let Some(operand) = operand else { continue };
        let tensor = graph.tensor(operand);
        let pending = tensor.expressed.is_some();
        let quantised = weights.contains(&slot)
            && tensor.ty == ElementType::Int8
            && module.constant(sg, operand).is_some()
            && float_activation(module, target, sg, op);
        if !pending && !quantised {
            continue;
        }
        // A model keeps what it computed with a weight that came in so, right or wrong.
        let verdict = eligibility(module, target, sg, op, slot);
        let form = WeightForm::of(tensor);
        if !pending
            && !matches!(verdict, Eligibility::OwnTensor { .. })
            && !changed.contains(&(sg, operand))
            && target.computes(module, sg, op, slot, &form)
        {
            continue;
        }
        let fix = Some("insert-dequant");
        let what = match verdict {
            Eligibility::Hybrid { .. } => continue,
            Eligibility::OwnTensor { reason, .. } => shares(module, sg, op, operand, &reason),
            Eligibility::PassThrough => {
                let what =
                    format!("it copies the codes of `{}` into a float32 result", tensor.label());
                Unrunnable { place: place(), what, fix }
            }
            Eligibility::Dequantize { reason } => {
                let what = format!("it reads {} `{}`; {reason}", tensor.ty, tensor.label());
                Unrunnable { place: place(), what, fix }
            }
        };
        found.push(Fault { operand: Some((slot, form)), what });
    }
    found
}

/// Whether the op computes with float32 activations, so that a quantised weight makes it a
/// hybrid op and not a fully quantised one.
fn float_activation(module: &Module, target: &Target, sg: SubgraphId, op: OpId) -> bool {
    let graph = module.subgraph(sg);
    let slot = target.facts_of(graph, op).and_then(|facts| facts.activation);
    slot.and_then(|slot| graph.operand(op, slot))
        .is_some_and(|activation| graph.tensor(activation).ty == ElementType::Float32)
}
