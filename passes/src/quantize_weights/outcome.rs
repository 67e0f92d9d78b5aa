//! What a plan says of constants and their readers, as the model has it: how each gets the numbers
//! in the end, whichever pass saw to it, and what the runtime holds for that.

use super::numbers::PlanNumbers;
use super::weight_plan::{PlannedConstant, PlannedReader, Reads, WeightPlan};
use crate::stored::{in_front_of_dequantize, source};
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::maps::{HashMap, HashSet};
use tfq_ir::{
    BufferId, ElementType, Module, OpId, QuantizationDetails, Subgraph, SubgraphId, TensorId,
};
use tfq_pass::analysis::HybridVerdicts;
use tfq_pass::{Eligibility, Session};
use tfq_target::{Reading, Verdict, WeightForm};

/// Why a table is converted, and not what is looked up in it.
pub(crate) const LOOKS_UP_MORE: &str = "it looks up more elements than the table has";

/// Completes the plan of a pass before, where there is one.
pub(crate) fn complete_plan(session: &Session<'_>) {
    if let Some(plan) = session.product::<WeightPlan>() {
        let mut plan = plan.clone();
        observe(&mut plan, session, true);
        session.produce(plan);
    }
}

/// How a constant is stored.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) ty: ElementType,
    pub(super) axis: Option<usize>,
    pub(super) zero_points: bool,
}

impl Stored {
    /// As the file has it, in front of what makes it float32.
    pub(super) fn of(module: &Module, sg: SubgraphId, id: TensorId) -> Self {
        let graph = module.subgraph(sg);
        let tensor = graph.tensor(source(graph, id));
        let q = tensor.quantization.as_deref().filter(|_| is_scaled(tensor.ty));
        let axis = q.filter(|q| q.scale.len() > 1 && q.details == QuantizationDetails::None);
        Self {
            ty: tensor.ty,
            axis: axis.and_then(|q| usize::try_from(q.quantized_dimension).ok()),
            zero_points: q.is_some_and(|q| q.zero_point.iter().any(|point| *point != 0)),
        }
    }
}

/// Whether scales of a tensor of this type are about what it holds.
fn is_scaled(ty: ElementType) -> bool {
    !matches!(ty, ElementType::Float32 | ElementType::Float16 | ElementType::BFloat16)
}

/// How an op gets the numbers of a constant.
pub(super) struct Way {
    pub(super) reads: Reads,
    /// Why it does not read the codes, where that is still to be done.
    pub(super) why: Option<String>,
    /// Whether XNNPACK takes the op, where that is known.
    delegated: Option<bool>,
}

impl Way {
    /// Whether every Dequantize that is needed is `settled`, or what ops are to be read behind one is
    /// known from their verdicts.
    pub(super) fn of(
        session: &Session<'_>,
        (sg, op, slot): (SubgraphId, OpId, u32),
        settled: bool,
    ) -> Option<Self> {
        let (target, input) = (session.target(), session.input(sg));
        let graph = session.model().subgraph(sg);
        let id = graph.operand(op, slot)?;
        let tensor = graph.tensor(id);
        let way = |reads, why, delegated| Some(Self { reads, why, delegated });
        let as_float = Some(target.takes_as_float(graph, op));
        if in_front_of_dequantize(graph, id).0.is_some() {
            return way(Reads::Dequantize, None, as_float);
        }
        if tensor.ty == ElementType::Float32 {
            return way(Reads::Float32, None, as_float);
        }
        let form = WeightForm::of(tensor);
        let verdict = session.analysis::<HybridVerdicts>(sg).of(input, op, slot);
        // A zero point that no pass made is a kernel's business.
        let is_served =
            tensor.expressed.is_some() || !Stored::of(session.model(), sg, id).zero_points;
        let is_served = is_served && target.dequantize_supports(form.ty, form.granularity);
        match verdict.as_deref() {
            Some(Eligibility::Hybrid { delegated } | Eligibility::OwnTensor { delegated, .. }) => {
                return way(Reads::Hybrid, None, Some(*delegated));
            }
            Some(Eligibility::PassThrough) if !settled => {
                return way(Reads::Behind, None, Some(false));
            }
            Some(Eligibility::Dequantize { reason }) if !settled && is_served => {
                return way(Reads::Dequantize, Some(reason.clone()), as_float);
            }
            _ => (),
        }
        let facts = target.facts_of(graph, op);
        let looks_up = facts.is_some_and(|facts| facts.activation.is_none());
        let delegated = looks_up.then(|| match target.hybrid(input.weight(op, slot), &form) {
            Verdict::Hybrid { delegated } => delegated,
            Verdict::Dequantize { .. } => false,
        });
        let copies = facts.is_some_and(|facts| facts.pass_through);
        match copies && is_dequantized(graph, op) {
            true => way(Reads::Behind, None, delegated),
            false => way(Reads::Hybrid, None, delegated),
        }
    }
}

/// Whether nothing but a Dequantize reads what the op computes.
fn is_dequantized(graph: &Subgraph, op: OpId) -> bool {
    let results = graph.results(op);
    let Some(id) = results.first() else { return false };
    !graph.uses(*id).is_empty() && graph.all_uses(*id, |u| graph.op(u.op).kind.is(DEQUANTIZE))
}

/// Has the plan say what the model does. Before it is `settled`, what is still to be inserted counts
/// as there.
pub(super) fn observe(plan: &mut WeightPlan, session: &Session<'_>, settled: bool) {
    let numbers = PlanNumbers::of(session.start());
    let made = dequantizes(session.model());
    // One of equal constants may serve several.
    let mut known = HashSet::default();
    for constant in &mut plan.constants {
        let mut found = Vec::new();
        for reader in &mut constant.readers {
            let Some((sg, op)) = numbers.find_op(session.model(), reader) else { continue };
            // What took its place is no longer the op of the input.
            if session.model().subgraph(sg).op(op).kind.name() != reader.kind {
                continue;
            }
            if let Some(way) = Way::of(session, (sg, op, reader.operand), settled) {
                let delegated = way.delegated;
                reader.gets(way, session, (sg, op));
                found.push((sg, op, reader.operand, reader.reads, delegated));
            }
        }
        let at = constant.tensors.iter().filter_map(|at| numbers.find_tensor(session.model(), at));
        let at: Vec<(SubgraphId, TensorId)> = at.collect();
        let mut ops: Vec<(SubgraphId, OpId)> = Vec::new();
        for &(sg, id) in &at {
            let graph = session.model().subgraph(sg);
            let buffer = graph.tensor(source(graph, id)).buffer;
            ops.extend(made.get(&buffer).into_iter().flatten().filter(|op| known.insert(**op)));
        }
        constant.holds(session, &ops, &found);
    }
}

/// Every Dequantize of a constant, by the constant's buffer.
fn dequantizes(module: &Module) -> HashMap<BufferId, Vec<(SubgraphId, OpId)>> {
    let mut found: HashMap<BufferId, Vec<(SubgraphId, OpId)>> = HashMap::default();
    for (sg, op, _) in module.ops_of_kind(DEQUANTIZE) {
        let graph = module.subgraph(sg);
        let Some(id) = graph.operand(op, 0) else { continue };
        if module.fixed_constant(sg, id).is_some() {
            found.entry(graph.tensor(id).buffer).or_default().push((sg, op));
        }
    }
    found
}

/// An op that reads a constant as this operand, how, and whether XNNPACK takes it, where that is known.
type Found = (SubgraphId, OpId, u32, Reads, Option<bool>);

impl PlannedReader {
    fn gets(&mut self, way: Way, session: &Session<'_>, (sg, op): (SubgraphId, OpId)) {
        let runs_on = |delegated| if delegated { "xnnpack" } else { "cpu" };
        self.runs_on = way.delegated.map(|delegated| runs_on(delegated).to_owned());
        let decided = self.why.take().filter(|_| self.reads == Reads::Dequantize);
        let wasteful = (self.reads == Reads::Behind).then(|| LOOKS_UP_MORE.to_owned());
        (self.reads, self.time) = (way.reads, None);
        match way.reads {
            Reads::Float32 => (),
            Reads::Dequantize => self.why = decided.or(way.why).or(wasteful),
            Reads::Hybrid | Reads::Behind => {
                let (target, graph) = (session.target(), session.model().subgraph(sg));
                let form = graph.operand(op, self.operand).map(|id| graph.tensor(id));
                let speed = form.zip(way.delegated).and_then(|(tensor, delegated)| {
                    let operand = session.input(sg).weight(op, self.operand);
                    target.speed(operand, &WeightForm::of(tensor), delegated)
                });
                self.takes(speed);
            }
        }
    }

    /// How long it takes, and why so long.
    pub(super) fn takes(&mut self, speed: Option<tfq_target::KernelSpeed<'_>>) {
        let slower = speed.filter(|speed| speed.is_slower() && !speed.reason.is_empty());
        self.time = speed.map(|speed| speed.times);
        self.why = slower.map(|speed| speed.reason.to_owned());
    }
}

impl PlannedConstant {
    /// Sums up what results of `ops` take, each a Dequantize of the constant, and what kernels hold
    /// beside them.
    fn holds(&mut self, session: &Session<'_>, ops: &[(SubgraphId, OpId)], found: &[Found]) {
        let (module, target) = (session.model(), session.target());
        let float = |sg: SubgraphId, id: TensorId| {
            let elements = module.subgraph(sg).tensor(id).elements();
            elements.and_then(|n| ElementType::Float32.bytes_for(n))
        };
        let made = ops.iter().filter_map(|(sg, op)| {
            let results = module.subgraph(*sg).results(*op);
            float(*sg, *results.first()?)
        });
        let made: u64 = made.sum();
        let there: HashSet<SubgraphId> = ops.iter().map(|(sg, _)| *sg).collect();
        let mut wanted = HashMap::default();
        let mut beside = Some(0);
        for &(sg, op, slot, reads, delegated) in found {
            let graph = module.subgraph(sg);
            let Some(id) = graph.operand(op, slot) else { continue };
            let of_float = float(sg, id).unwrap_or(0);
            let is_direct = in_front_of_dequantize(graph, id).0.is_none();
            if reads == Reads::Dequantize && is_direct && !there.contains(&sg) {
                wanted.insert(sg, of_float);
            }
            if !target.weight_slots(graph, op).contains(&slot) {
                continue;
            }
            let form = WeightForm::of(graph.tensor(source(graph, id)));
            let reading = match reads {
                Reads::Float32 => Reading::Float32,
                Reads::Dequantize => Reading::Dequantize,
                Reads::Hybrid | Reads::Behind => Reading::Hybrid,
            };
            let operand = session.input(sg).weight(op, slot);
            let held = delegated
                .and_then(|delegated| target.held_bytes(operand, reading, &form, delegated));
            // The result of a Dequantize is one for all that read it.
            let own = held.map(|held| match reads {
                Reads::Dequantize => held.saturating_sub(of_float),
                Reads::Float32 | Reads::Hybrid | Reads::Behind => held,
            });
            beside = beside.zip(own).map(|(sum, own)| sum + own);
        }
        let made = made + wanted.into_values().sum::<u64>();
        self.kept = Some(made).filter(|made| *made > 0 && target.keeps_dequantized());
        self.held = beside.map(|beside| beside + made);
    }
}
