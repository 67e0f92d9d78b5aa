//! Whether the target runs what the passes made: the second level of verification, asked
//! before a model is lowered.

use crate::Context;
use crate::eligibility::{Eligibility, eligibility};
use indexmap::IndexSet;
use tfq_ir::{ElementType, Module, Numbers, OpId, SubgraphId, TensorId};
use tfq_target::{Spreaders, Target, WeightForm};

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

/// Like [`check_runnable`], without what was so in the model that the passes began with, unless
/// patches had made it so before. What came in like this is the input's own affair: a model is
/// handed back as it was, however odd.
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
    let now = OpCheck { module, target, changed: &changed, spreaders: Spreaders::default() };
    let touched = touched_ops(module, 0);
    let mut faults: Vec<(OpId, Fault)> = Vec::new();
    for &at in &touched {
        faults.extend(now.faults(at).into_iter().map(|fault| (at.1, fault)));
    }
    for at in fellow_readers(module, &touched) {
        faults.extend(now.weights_to_part(at).into_iter().map(|fault| (at.1, fault)));
    }
    if let Some(start) = start {
        let before = OpCheck { module: start, spreaders: Spreaders::default(), ..now };
        // Patches before the run are no excuse.
        let mut patched = touched_ops(start, 0);
        patched.extend(fellow_readers(start, &patched));
        let patched: IndexSet<OpId> = patched.into_iter().map(|(_, op)| op).collect();
        faults.retain(|(op, fault)| patched.contains(op) || !before.has(*op, fault));
    }
    let mut found: Vec<Unrunnable> = faults.into_iter().map(|(_, fault)| fault.what).collect();
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

/// Looks for what is wrong with ops of a model.
struct OpCheck<'a> {
    module: &'a Module,
    target: &'a Target,
    /// Tensors that patches made or gave another type.
    changed: &'a IndexSet<(SubgraphId, TensorId)>,
    spreaders: Spreaders,
}

impl OpCheck<'_> {
    fn faults(&self, (sg, op): (SubgraphId, OpId)) -> Vec<Fault> {
        let Self { module, target, .. } = *self;
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
            let verdict = eligibility(module, target, sg, op, slot, &self.spreaders);
            let form = WeightForm::of(tensor);
            if !pending
                && !matches!(verdict, Eligibility::OwnTensor { .. })
                && !self.changed.contains(&(sg, operand))
                && target.computes(module, sg, op, slot, &form)
            {
                continue;
            }
            let label = tensor.label();
            let what = match verdict {
                Eligibility::Hybrid { .. } => continue,
                Eligibility::OwnTensor { reason, .. } => shares(module, sg, op, operand, &reason),
                Eligibility::PassThrough => Unrunnable {
                    place: place(),
                    what: format!("it copies the codes of `{label}` into a float32 result"),
                    fix: Some("insert-dequant"),
                },
                Eligibility::Dequantize { reason } => Unrunnable {
                    place: place(),
                    what: format!("it reads {} `{label}`; {reason}", tensor.ty),
                    fix: Some("insert-dequant"),
                },
            };
            found.push(Fault { operand: Some((slot, form)), what });
        }
        found
    }

    /// The weights that the op would have to read through a tensor of its own.
    fn weights_to_part(&self, (sg, op): (SubgraphId, OpId)) -> Vec<Fault> {
        let Self { module, target, .. } = *self;
        let graph = module.subgraph(sg);
        let part = |slot| {
            let id = graph.operand(op, slot)?;
            match eligibility(module, target, sg, op, slot, &self.spreaders) {
                Eligibility::OwnTensor { reason, .. } => Some(Fault {
                    operand: Some((slot, WeightForm::of(graph.tensor(id)))),
                    what: shares(module, sg, op, id, &reason),
                }),
                _ => None,
            }
        };
        target.weight_slots(graph, op).into_iter().filter_map(part).collect()
    }

    /// Whether the op has the fault here.
    fn has(&self, op: OpId, fault: &Fault) -> bool {
        let Some((sg, _)) = self.module.subgraphs().find(|(_, graph)| graph.contains_op(op)) else {
            return false;
        };
        let all = self.faults((sg, op)).into_iter().chain(self.weights_to_part((sg, op)));
        all.into_iter().any(|one| one.is_like(fault))
    }
}

/// Whether the op computes with float32 activations, so that a quantised weight makes it a
/// hybrid op and not a fully quantised one.
fn float_activation(module: &Module, target: &Target, sg: SubgraphId, op: OpId) -> bool {
    let graph = module.subgraph(sg);
    let slot = target.facts_of(graph, op).and_then(|facts| facts.activation);
    slot.and_then(|slot| graph.operand(op, slot))
        .is_some_and(|activation| graph.tensor(activation).ty == ElementType::Float32)
}
