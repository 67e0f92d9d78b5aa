//! Whether the target runs what the passes made: the second level of verification, asked
//! before a model is lowered.

use crate::analysis::AnalysisInput;
use crate::analysis::eligibility::{Eligibility, Verdicts};
use crate::invariant::{Invariant, SETTLED};
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{Module, Numbers, OpId, SubgraphId, TensorId};
use tfq_target::{Target, WeightForm};

/// Something that the target would refuse or compute wrongly, and the pass that mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Unrunnable {
    /// The op or tensor.
    pub place: String,
    /// What would happen.
    pub what: String,
    /// What does not hold, where a pass that ensures it mends this.
    pub unmet: Option<Invariant>,
}

/// Checks every op that a patch touched, itself or a tensor of it, and that they get on with
/// those that read a constant through the same tensor.
pub fn check_runnable(module: &Module, target: &Target) -> Vec<Unrunnable> {
    RunCheck::new(module, target).check(None)
}

/// Both checks of a model, which ask about each weight once.
#[derive(Debug)]
pub struct RunCheck<'a> {
    module: &'a Module,
    target: &'a Target,
    verdicts: Vec<Verdicts>,
}

impl<'a> RunCheck<'a> {
    /// Nothing is asked yet.
    pub fn new(module: &'a Module, target: &'a Target) -> Self {
        let verdicts = module.subgraphs().map(|_| Verdicts::default()).collect();
        Self { module, target, verdicts }
    }

    /// Like [`check_runnable`], without what was so in the model that the passes began with, unless
    /// patches had made it so before. What came in like this is the input's own affair: a model is
    /// handed back as it was, however odd.
    pub fn since(&self, start: &Module) -> Vec<Unrunnable> {
        self.check(Some(start))
    }

    /// What the target would refuse or compute wrongly of the quantised constants of a model,
    /// whoever quantised them.
    pub fn quantized(&self) -> Vec<Unrunnable> {
        let subgraphs = self.module.subgraphs();
        let ops = subgraphs.flat_map(|(sg, graph)| graph.ops().map(move |op| (sg, op)));
        let unchanged = IndexSet::default();
        ops.flat_map(|op| self.quantized_of(op, &unchanged)).map(|fault| fault.what).collect()
    }

    fn check(&self, start: Option<&Module>) -> Vec<Unrunnable> {
        let Self { module, target, .. } = *self;
        let patches = module.journal().iter();
        let changed = patches.flat_map(|patch| patch.added_tensors().iter().chain(&patch.retyped));
        let changed: IndexSet<TensorId> = changed.copied().collect();
        let touched = touched_ops(module, 0);
        let mut faults: IndexMap<OpId, Vec<Fault>> = IndexMap::default();
        for &(sg, op) in &touched {
            faults.entry(op).or_default().extend(self.faults((sg, op), &changed));
        }
        for (sg, op) in fellow_readers(module, &touched) {
            faults.entry(op).or_default().extend(self.weights_of_its_own((sg, op)));
        }
        if let Some(start) = start {
            // Patches before the run are no excuse for what an op reads.
            let mut patched = touched_ops(start, 0);
            patched.extend(fellow_readers(start, &patched));
            let patched: IndexSet<OpId> = patched.into_iter().map(|(_, op)| op).collect();
            let (before, unchanged) = (RunCheck::new(start, target), IndexSet::default());
            for (op, faults) in faults.iter_mut().filter(|(_, faults)| !faults.is_empty()) {
                let there = before.place_of(*op);
                let came = there.map_or(Vec::new(), |op| before.faults(op, &unchanged));
                let excused = |fault: &Fault| fault.operand.is_none() || !patched.contains(op);
                faults
                    .retain(|fault| !excused(fault) || !came.iter().any(|one| one.is_like(fault)));
            }
        }
        let faults = faults.into_values().flatten();
        let mut found: Vec<Unrunnable> = faults.map(|fault| fault.what).collect();
        found.extend(stale_metadata(module));
        for (sg, graph) in module.subgraphs() {
            for &output in graph.outputs() {
                let tensor = graph.tensor(output);
                if let Some(expressed) = tensor.expressed {
                    found.push(Unrunnable {
                        place: module.tensor_place(sg, output).to_string(),
                        what: format!("an output that was {expressed} would become {}", tensor.ty),
                        unmet: Some(SETTLED.clone()),
                    });
                }
            }
        }
        found
    }
}

/// The ops that patches touched from this place of the journal on, as far as they are there still.
pub(crate) fn touched_ops(module: &Module, from: usize) -> IndexSet<(SubgraphId, OpId)> {
    let mut touched = IndexSet::default();
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
    let mut fellows = IndexSet::default();
    // One constant may have a great many readers.
    let mut seen = IndexSet::default();
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
    let place = module.op_place(sg, op).to_string();
    Unrunnable { place, what, unmet: Some(SETTLED.clone()) }
}

/// Metadata that refers to parts of the model by number, in a format that is not ours, is wrong
/// once a pass has added or removed some.
fn stale_metadata(module: &Module) -> Option<Unrunnable> {
    let journal = module.journal().iter();
    let moved = journal.fold(Numbers::default(), |all, patch| all.or(patch.renumbers()));
    let (metadata, what) = module.numbered_by_metadata(moved)?;
    let what = format!("it names {what} by number, and passes added or removed some");
    Some(Unrunnable { place: format!("metadata `{}`", metadata.name), what, unmet: None })
}

/// What is wrong with an op.
struct Fault {
    /// At which of its operands, if at one, and what the target says of that.
    operand: Option<(u32, WeightForm, Discriminant<Eligibility>)>,
    what: Unrunnable,
}

impl Fault {
    fn of_op(place: String, what: String) -> Self {
        Self { operand: None, what: Unrunnable { place, what, unmet: None } }
    }

    /// Whether it is the same fault of the same op. The operand may have another name by now.
    fn is_like(&self, other: &Self) -> bool {
        self.operand == other.operand
            && (self.operand.is_some() || self.what.what == other.what.what)
    }
}

/// What is wrong with single ops, where patches made some tensors or gave them another type:
/// `changed`.
impl RunCheck<'_> {
    fn faults(&self, (sg, op): (SubgraphId, OpId), changed: &IndexSet<TensorId>) -> Vec<Fault> {
        let lacks = self.target.lacks_op(self.module, sg, op);
        let place = || self.module.op_place(sg, op).to_string();
        let mut found: Vec<Fault> =
            lacks.map(|what| Fault::of_op(place(), what)).into_iter().collect();
        found.extend(self.quantized_of((sg, op), changed));
        found
    }

    /// What is wrong with the quantised constants that it reads.
    fn quantized_of(
        &self,
        (sg, op): (SubgraphId, OpId),
        changed: &IndexSet<TensorId>,
    ) -> Vec<Fault> {
        let Self { module, target, .. } = *self;
        let input = self.input(sg);
        let graph = module.subgraph(sg);
        let place = || module.op_place(sg, op).to_string();
        let mut found = Vec::new();
        if graph.op(op).kind.is(tfq_ir::catalog::ops::DEQUANTIZE) {
            let what = graph.operand(op, 0).and_then(|from| {
                let form = WeightForm::of(graph.tensor(from));
                let reads = target.dequantize_supports(form.ty, form.granularity);
                (!reads).then(|| format!("the target has no Dequantize for {form}"))
            });
            found.extend(what.map(|what| Fault::of_op(place(), what)));
            return found;
        }
        for (slot, verdict) in self.verdicts((sg, op)) {
            let operand = graph.operand(op, slot).expect("it has a verdict");
            let tensor = graph.tensor(operand);
            let form = WeightForm::of(tensor);
            let came_so = || {
                tensor.expressed.is_none()
                    && !changed.contains(&operand)
                    && target.computes(input.weight(op, slot), &form)
            };
            let label = tensor.label();
            let kind = discriminant(&*verdict);
            let what = match &*verdict {
                Eligibility::Hybrid { .. } => continue,
                Eligibility::OwnTensor { reason, .. } => shares(module, sg, op, operand, reason),
                // A model keeps what it computed with a weight that came in so, right or wrong.
                _ if came_so() => continue,
                Eligibility::PassThrough => Unrunnable {
                    place: place(),
                    what: format!("it copies the codes of `{label}` into a float32 result"),
                    unmet: Some(SETTLED.clone()),
                },
                Eligibility::Dequantize { reason } => Unrunnable {
                    place: place(),
                    what: format!("it reads {} `{label}`; {reason}", tensor.ty),
                    unmet: Some(SETTLED.clone()),
                },
            };
            found.push(Fault { operand: Some((slot, form, kind)), what });
        }
        found
    }

    /// The weights that the op has to read through a tensor of its own.
    fn weights_of_its_own(&self, (sg, op): (SubgraphId, OpId)) -> Vec<Fault> {
        let graph = self.module.subgraph(sg);
        let own = |(slot, verdict): (u32, Arc<Eligibility>)| {
            let Eligibility::OwnTensor { reason, .. } = &*verdict else { return None };
            let id = graph.operand(op, slot)?;
            let operand = Some((slot, WeightForm::of(graph.tensor(id)), discriminant(&*verdict)));
            Some(Fault { operand, what: shares(self.module, sg, op, id, reason) })
        };
        self.verdicts((sg, op)).into_iter().filter_map(own).collect()
    }

    fn verdicts(&self, (sg, op): (SubgraphId, OpId)) -> Vec<(u32, Arc<Eligibility>)> {
        self.verdicts[sg.0 as usize].of_op(self.input(sg), op)
    }

    fn input(&self, subgraph: SubgraphId) -> AnalysisInput<'_> {
        AnalysisInput { module: self.module, subgraph, target: self.target }
    }

    /// The op with its subgraph, if it is there.
    fn place_of(&self, op: OpId) -> Option<(SubgraphId, OpId)> {
        let there = |sg: &SubgraphId| self.module.subgraph(*sg).contains_op(op);
        Some((self.module.by_origin(op.origin()).filter(there)?, op))
    }
}
