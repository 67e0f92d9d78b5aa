//! Whether the target runs what the passes made: the second level of verification, asked
//! before a model is lowered.

use crate::analysis::eligibility::{Eligibility, Verdicts};
use crate::analysis::{Analyses, AnalysisInput, HybridVerdicts};
use crate::invariant::{Invariant, SETTLED};
use crate::touched::{Marks, Touched};
use std::cell::{LazyCell, RefCell};
use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use tfq_ir::{Module, Numbers, OpId, Subgraph, SubgraphId, TensorId};
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
    RunCheck::new(module, target).all()
}

/// Verdicts that passes found out, and that hold for what a run made: checks need not find them out
/// again.
#[derive(Clone, Default)]
pub struct HeldVerdicts {
    /// By subgraph.
    found: Vec<Option<Arc<Verdicts>>>,
    /// The states of the subgraphs that they hold for.
    epochs: Vec<u64>,
}

impl fmt::Debug for HeldVerdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldVerdicts").finish_non_exhaustive()
    }
}

impl HeldVerdicts {
    /// Those on the weights of a module as it is now.
    pub(crate) fn of(analyses: &Analyses, module: &Module) -> Self {
        let held = |sg| analyses.held::<HybridVerdicts>(module, sg);
        let found = module.subgraph_ids().map(held).collect();
        Self { found, epochs: epochs(module) }
    }

    /// The same once the module was changed in a way that no verdict depends on.
    pub(crate) fn holding_for(self, module: &Module) -> Self {
        Self { epochs: epochs(module), ..self }
    }

    fn get(&self, sg: SubgraphId, epoch: u64) -> Option<Arc<Verdicts>> {
        let at = sg.0 as usize;
        self.found.get(at)?.clone().filter(|_| self.epochs.get(at) == Some(&epoch))
    }
}

fn epochs(module: &Module) -> Vec<u64> {
    module.subgraphs().map(|(_, graph)| graph.epoch()).collect()
}

/// Both checks of a model, which ask about each weight once.
#[derive(Debug)]
pub struct RunCheck<'a> {
    module: &'a Module,
    target: &'a Target,
    verdicts: Vec<Arc<Verdicts>>,
    /// Ops whose constants were all found in order, whoever quantised them.
    sound: RefCell<Marks>,
}

impl<'a> RunCheck<'a> {
    /// Nothing is known yet.
    pub fn new(module: &'a Module, target: &'a Target) -> Self {
        Self::knowing(module, target, &HeldVerdicts::default())
    }

    /// Some is known from the run that made the model. What is held for other states, or found out
    /// for another target, is not of use; the latter is the caller's to see to.
    pub fn knowing(module: &'a Module, target: &'a Target, held: &HeldVerdicts) -> Self {
        let known =
            |(sg, graph): (SubgraphId, &Subgraph)| held.get(sg, graph.epoch()).unwrap_or_default();
        let verdicts = module.subgraphs().map(known).collect();
        Self { module, target, verdicts, sound: RefCell::default() }
    }

    /// As [`check_runnable`].
    pub fn all(&self) -> Vec<Unrunnable> {
        self.check(None)
    }

    /// Like [`Self::all`], without what was so in the model that the passes began with, unless
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
        let unchanged = Marks::default();
        ops.flat_map(|op| self.quantized_of(op, &unchanged)).map(|fault| fault.what).collect()
    }

    fn check(&self, start: Option<&Module>) -> Vec<Unrunnable> {
        let Self { module, target, .. } = *self;
        let touched = Touched::since(module, 0);
        let (fellows, _) = fellow_readers(module, &touched);
        let of_touched = touched.ops.iter().map(|op| (op.1, self.faults(*op, &touched.retyped)));
        let of_fellows = fellows.into_iter().map(|op| (op.1, self.weights_of_its_own(op)));
        let mut faults: Vec<(OpId, Vec<Fault>)> =
            of_touched.chain(of_fellows).filter(|(_, faults)| !faults.is_empty()).collect();
        if let Some(start) = start {
            let (before, unchanged) = (RunCheck::new(start, target), Marks::default());
            let patched = LazyCell::new(|| {
                let touched = Touched::since(start, 0);
                let (_, fellows) = fellow_readers(start, &touched);
                (touched.marked, fellows)
            });
            for (op, faults) in &mut faults {
                let there = before.place_of(*op);
                let came = there.map_or(Vec::new(), |op| before.faults(op, &unchanged));
                // Patches before the run are no excuse for what an op reads.
                let is_patched = || {
                    let among = |marks: &Marks| {
                        there.is_some_and(|(sg, op)| marks.contains(sg, op.number()))
                    };
                    among(&patched.0) || among(&patched.1)
                };
                let excused = |fault: &Fault| fault.operand.is_none() || !is_patched();
                faults
                    .retain(|fault| !excused(fault) || !came.iter().any(|one| one.is_like(fault)));
            }
        }
        let faults = faults.into_iter().flat_map(|(_, faults)| faults);
        let mut found: Vec<Unrunnable> = faults.map(|fault| fault.what).collect();
        found.extend(stale_metadata(module, touched.moved));
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

/// The other ops that read a constant through the same tensor as one that was touched.
fn fellow_readers(module: &Module, touched: &Touched) -> (Vec<(SubgraphId, OpId)>, Marks) {
    let (mut fellows, mut marked) = (Vec::new(), Marks::default());
    // One constant may have a great many readers.
    let mut seen = Marks::default();
    for &(sg, op) in &touched.ops {
        let graph = module.subgraph(sg);
        for id in graph.operands(op).into_iter().flatten() {
            if graph.is_read_once(id)
                || module.constant(sg, id).is_none()
                || !seen.insert(sg, id.number())
            {
                continue;
            }
            for reader in graph.uses(id) {
                let number = reader.op.number();
                if !touched.marked.contains(sg, number) && marked.insert(sg, number) {
                    fellows.push((sg, reader.op));
                }
            }
        }
    }
    (fellows, marked)
}

fn shares(module: &Module, sg: SubgraphId, op: OpId, id: TensorId, reason: &str) -> Unrunnable {
    let label = module.subgraph(sg).tensor(id).label();
    let what = format!("it reads `{label}` together with others: {reason}");
    let place = module.op_place(sg, op).to_string();
    Unrunnable { place, what, unmet: Some(SETTLED.clone()) }
}

/// Metadata that refers to parts of the model by number, in a format that is not ours, is wrong
/// once a pass has added or removed some.
fn stale_metadata(module: &Module, moved: Numbers) -> Option<Unrunnable> {
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
/// `retyped`.
impl RunCheck<'_> {
    fn faults(&self, (sg, op): (SubgraphId, OpId), retyped: &Marks) -> Vec<Fault> {
        let lacks = self.target.lacks_op(self.module, sg, op);
        let place = || self.module.op_place(sg, op).to_string();
        let mut found: Vec<Fault> =
            lacks.map(|what| Fault::of_op(place(), what)).into_iter().collect();
        found.extend(self.quantized_of((sg, op), retyped));
        let graph = self.module.subgraph(sg);
        let returned = || graph.results(op).into_iter().any(|id| graph.is_output(id));
        let unwritten = self.target.leaves_unwritten(self.module, sg, op).filter(|_| returned());
        found.extend(unwritten.map(|why| Fault::of_op(place(), why.to_owned())));
        found
    }

    /// What is wrong with the quantised constants that it reads.
    fn quantized_of(&self, (sg, op): (SubgraphId, OpId), retyped: &Marks) -> Vec<Fault> {
        if self.sound.borrow().contains(sg, op.number()) {
            return Vec::new();
        }
        let Self { module, target, .. } = *self;
        let input = self.input(sg);
        let graph = module.subgraph(sg);
        let place = || module.op_place(sg, op).to_string();
        let mut found = Vec::new();
        let mut sound = true;
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
            if matches!(*verdict, Eligibility::Hybrid { .. }) {
                continue;
            }
            sound = false;
            let operand = graph.operand(op, slot).expect("it has a verdict");
            let tensor = graph.tensor(operand);
            let form = WeightForm::of(tensor);
            let came_so = || {
                tensor.expressed.is_none()
                    && !retyped.contains(sg, operand.number())
                    && target.computes(input.weight(op, slot), &form)
            };
            let label = tensor.label();
            let kind = discriminant(&*verdict);
            let what = match &*verdict {
                Eligibility::Hybrid { .. } => unreachable!("it is in order"),
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
        if sound {
            self.sound.borrow_mut().insert(sg, op.number());
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
        self.verdicts((sg, op)).filter_map(own).collect()
    }

    fn verdicts(
        &self,
        (sg, op): (SubgraphId, OpId),
    ) -> impl Iterator<Item = (u32, Arc<Eligibility>)> {
        let input = self.input(sg);
        let slots = self.module.subgraph(sg).operands(op).len() as u32;
        let verdicts = &self.verdicts[sg.0 as usize];
        (0..slots).filter_map(move |slot| Some((slot, verdicts.once(input, op, slot)?)))
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
