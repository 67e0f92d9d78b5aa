//! Weights that came as int8, with another tool's decision on how ops read them: who reads codes,
//! and who gets a Dequantize, is decided anew. The codes stay.

use super::QuantizeWeights;
use super::afford;
use super::candidate::no_more_ops;
use super::fast::Fast;
use super::form::{Cause, NotedVerdict, WeightUse};
use super::numbers::PlanNumbers;
use super::options::{Priority, WeightType};
use super::outcome::{Stored, Way};
use super::reading::Select;
use super::weight_plan::{PlannedConstant, PlannedReader, Reads, WeightPlan};
use crate::stored::{in_front_of_dequantize, source};
use globset::GlobSet;
use tfq_ir::maps::{HashMap, IndexMap, IndexSet};
use tfq_ir::{
    Attr, BufferId, ElementType, Module, Numbers, OpId, OpKind, Patch, QuantizationDetails,
    Subgraph, SubgraphId, TensorId, visible,
};
use tfq_pass::analysis::HybridVerdicts;
use tfq_pass::{AskedSize, Eligibility, PassError, Session};
use tfq_target::{ASYMMETRIC, Objective, Verdict, WeightForm};

/// An op that reads a weight which came as int8.
#[derive(Clone, Copy, Debug)]
struct CameUse {
    /// The tensor is the one that holds the codes.
    u: WeightUse,
    /// What makes them float32 for the op.
    dequantize: Option<OpId>,
}

/// By the number of the subgraph that each is in.
type CameUses = IndexMap<SubgraphId, Vec<CameUse>>;

/// How an op that read such a weight in another way reads it now.
struct Reread {
    came: CameUse,
    cause: Cause,
    /// Why it gets a Dequantize, if it does.
    why: Option<String>,
    /// What `asymmetric_quantize_inputs` becomes on an op that reads the codes.
    asymmetric: Option<bool>,
}

/// What became of weights that came as int8.
#[derive(Default)]
pub(super) struct Redone {
    /// What has to be noted for ops that get a Dequantize.
    pub(super) verdicts: Vec<NotedVerdict>,
    /// The constants that some op reads in another way now.
    pub(super) constants: IndexSet<BufferId>,
    /// Whether an option asks for it, so that the file may grow.
    pub(super) may_grow: bool,
}

/// Lets ops read weights that came as int8 as suits the target, or as the plan says.
pub(super) fn reread(
    pass: &QuantizeWeights,
    plan: Option<&WeightPlan>,
    session: &mut Session<'_>,
) -> Result<Redone, PassError> {
    if pass.r#type != WeightType::Int8 && plan.is_none() {
        return Ok(Redone::default());
    }
    let module = session.model();
    let (came, seen) = found_and_seen(pass, session);
    if came.is_empty() && plan.is_none() {
        tell_of_codes(pass, session, &[]);
        return Ok(Redone::default());
    }
    let found = {
        let select = Select::of(pass, session, &seen, None);
        match plan {
            Some(plan) => planned(&select, session, &came, plan)?,
            None => decided(select, &came),
        }
    };
    tell_of_codes(pass, session, &found);
    let may_grow = found.iter().any(|reread| is_asked_for(pass, plan, module, reread));
    if may_grow {
        session.produce(AskedSize);
    }
    let mut verdicts = Vec::new();
    let mut constants: IndexSet<BufferId> = IndexSet::default();
    let mut hybrid: IndexMap<SubgraphId, Vec<Reread>> = IndexMap::default();
    for reread in found {
        let WeightUse { sg, op, tensor, .. } = reread.came.u;
        let stored = module.subgraph(sg).tensor(tensor);
        let (name, ty) = (stored.label(), stored.ty);
        let told = match &reread.why {
            Some(why) => format!("`{name}`, which came as {ty}, gets a Dequantize: {why}"),
            None => format!("`{name}`, which came as {ty} behind a Dequantize, is read as it is"),
        };
        session.applied("reread", module.op_place(sg, op), told);
        let read_as_codes = reread.why.is_none();
        if constants.insert(stored.buffer) {
            session.count("weights-reread", 1);
            if read_as_codes {
                session.count("weights-reread-as-codes", 1);
            }
        }
        match reread.why {
            Some(reason) => {
                let (kind, cause, slots) = ("dequantize", reread.cause, Vec::new());
                verdicts.push(NotedVerdict { sg, op, kind, reason, cause, slots });
            }
            None => hybrid.entry(sg).or_default().push(reread),
        }
    }
    for (sg, hybrid) in hybrid {
        let mut patch = Patch::new(sg, "let an op read the codes of a weight");
        let read: IndexSet<TensorId> = hybrid.iter().map(|reread| reread.came.u.tensor).collect();
        let shown = came[&sg].iter().filter(|came| read.contains(&came.u.tensor));
        show(session.model(), sg, shown, &mut patch);
        for Reread { came, asymmetric, .. } in &hybrid {
            if let Some(value) = asymmetric {
                patch.set_attr(came.u.op, ASYMMETRIC, Attr::Bool(*value));
            }
        }
        session.apply(patch)?;
    }
    Ok(Redone { verdicts, constants, may_grow })
}

/// Ops that may read such a weight otherwise, and the model as if all read the codes.
fn found_and_seen(pass: &QuantizeWeights, session: &Session<'_>) -> (CameUses, Module) {
    let module = session.model();
    let moved = Numbers { ops: true, tensors: true, ..Numbers::default() };
    let nothing = || (CameUses::default(), module.clone());
    if module.numbered_by_metadata(moved).is_some() {
        return nothing();
    }
    let came = find(pass, session);
    let mut seen = module.clone();
    for (sg, came) in &came {
        let mut patch = Patch::new(*sg, "see codes in front of a Dequantize");
        show(module, *sg, came.iter(), &mut patch);
        // What cannot be seen so is left as it is.
        if seen.apply(patch).is_err() {
            return nothing();
        }
    }
    (came, seen)
}

/// Whether an option asks for it: the file may grow for that.
fn is_asked_for(
    pass: &QuantizeWeights,
    plan: Option<&WeightPlan>,
    module: &Module,
    reread: &Reread,
) -> bool {
    let WeightUse { sg, op, .. } = reread.came.u;
    let asked = match reread.cause {
        // A plan gives what the run gave that it is of, which options may have asked for.
        Cause::Said => plan
            .is_none_or(|plan| plan.may_grow || is_denied(pass, &module.subgraph(sg).op(op).kind)),
        Cause::Speed => pass.prefer != Priority::Target,
        Cause::Exact => false,
    };
    asked && reread.why.is_some()
}

/// Tells of ops that go on reading codes though the user wants a Dequantize in front of them.
fn tell_of_codes(pass: &QuantizeWeights, session: &Session<'_>, found: &[Reread]) {
    if pass.hybrid && pass.deny.0.is_empty() {
        return;
    }
    let (module, target) = (session.model(), session.target());
    let keep = pass.keep.matcher();
    let served: IndexSet<(SubgraphId, OpId)> =
        found.iter().map(|reread| (reread.came.u.sg, reread.came.u.op)).collect();
    for (sg, graph) in module.subgraphs() {
        let verdicts = session.analysis::<HybridVerdicts>(sg);
        for op in graph.ops() {
            // A lookup rounds no activations.
            let multiplies =
                target.facts_of(graph, op).is_some_and(|facts| facts.activation.is_some());
            if !multiplies || served.contains(&(sg, op)) || !is_denied(pass, &graph.op(op).kind) {
                continue;
            }
            let reads = verdicts.of_op(session.input(sg), op).into_iter();
            let mut codes = reads.filter(|(slot, verdict)| match **verdict {
                Eligibility::Hybrid { .. } | Eligibility::OwnTensor { .. } => true,
                Eligibility::PassThrough => false,
                // It goes on computing as if a zero point were 0.
                Eligibility::Dequantize { .. } => graph.operand(op, *slot).is_some_and(|id| {
                    let w = graph.tensor(id);
                    let mut points = w.quantization.iter().flat_map(|q| q.zero_point.iter());
                    let weight = session.input(sg).weight(op, *slot);
                    points.any(|point| *point != 0) && target.computes(weight, &WeightForm::of(w))
                }),
            });
            let Some(id) = codes.next().and_then(|(slot, _)| graph.operand(op, slot)) else {
                continue;
            };
            if is_kept(&keep, graph, op, id) {
                continue;
            }
            let form = WeightForm::of(graph.tensor(id));
            let why = match no_more_ops(module) {
                Some(forbidden) => forbidden,
                None if !target.dequantize_supports(form.ty, form.granularity) => {
                    format!("the target has no Dequantize for {form}")
                }
                None => "a Dequantize would compute other numbers than the op does".to_owned(),
            };
            let place = module.op_place(sg, op);
            let name = graph.tensor(id).label();
            session.missed("reads codes", place, format!("it reads {form} `{name}`: {why}"));
        }
    }
}

/// Whether the user wants no op of this kind to read codes.
fn is_denied(pass: &QuantizeWeights, kind: &OpKind) -> bool {
    !pass.hybrid || pass.deny.contains(kind)
}

fn is_kept(keep: &GlobSet, graph: &Subgraph, op: OpId, weight: TensorId) -> bool {
    let results = graph.results(op);
    let ids = results.iter().chain([&weight]);
    let names = ids.map(|id| graph.tensor(*id).label()).chain([graph.op(op).kind.name()]);
    { names }.any(|name| keep.is_match(name))
}

/// Every op that reads such a weight, directly or behind a Dequantize.
fn find(pass: &QuantizeWeights, session: &Session<'_>) -> CameUses {
    let (module, target) = (session.model(), session.target());
    let mut found = CameUses::default();
    for (sg, graph) in module.subgraphs() {
        let mut known: IndexMap<TensorId, bool> = IndexMap::default();
        for op in graph.ops() {
            let Some(facts) = target.facts_of(graph, op) else { continue };
            // Of what rounds no activations nothing is gained, and families are read whole: they
            // keep their codes or have a Dequantize for all.
            let denied = is_denied(pass, &graph.op(op).kind);
            let whole = || match denied {
                true => is_plain_family(session, sg, op),
                false => is_family_behind(session, sg, op),
            };
            if !(facts.rounds_activations() || facts.all_or_none && whole()) {
                continue;
            }
            let activation = facts.activation.and_then(|slot| graph.operand(op, slot));
            if activation.is_none_or(|id| graph.tensor(id).ty != ElementType::Float32) {
                continue;
            }
            for slot in target.weight_slots(graph, op) {
                let Some(read) = graph.operand(op, slot) else { continue };
                let (dequantize, stored) = in_front_of_dequantize(graph, read);
                let named = |id| module.references(sg, id).any();
                if dequantize.is_some() && (named(read) || named(stored)) {
                    continue;
                }
                let plain = known.entry(stored).or_insert_with(|| is_plain(module, sg, stored));
                // Of narrower ones nothing is decided anew unless the user says so.
                if *plain && (denied || graph.tensor(stored).ty == ElementType::Int8) {
                    let u = WeightUse { sg, op, slot, tensor: stored };
                    found.entry(sg).or_default().push(CameUse { u, dequantize });
                }
            }
        }
    }
    found
}

/// Whether it is a constant that hybrid kernels compute with as a Dequantize does.
fn is_plain(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    let tensor = module.subgraph(sg).tensor(id);
    let plain = matches!(tensor.ty, ElementType::Int8 | ElementType::Int4 | ElementType::Int2)
        && tensor.expressed.is_none()
        && tensor.sparsity.is_none()
        && module.fixed_constant(sg, id).is_some();
    plain
        && tensor.quantization.as_deref().is_some_and(|q| {
            // A tool that mistook the scales left others, which no float32 number comes of.
            let sound = |scale: &f32| scale.is_normal() && (0.0..1e30).contains(scale);
            !q.scale.is_empty()
                && q.scale.iter().all(sound)
                && q.details == QuantizationDetails::None
                && q.zero_point.iter().all(|point| *point == 0)
        })
}

/// Whether all quantised weights of the op are such constants, read directly.
fn is_plain_family(session: &Session<'_>, sg: SubgraphId, op: OpId) -> bool {
    let (module, target) = (session.model(), session.target());
    let graph = module.subgraph(sg);
    target.weight_slots(graph, op).iter().all(|slot| {
        graph.operand(op, *slot).is_none_or(|id| {
            graph.tensor(id).ty == ElementType::Float32 || is_plain(module, sg, id)
        })
    })
}

/// Whether all weights of the op are int8 constants behind a Dequantize each.
fn is_family_behind(session: &Session<'_>, sg: SubgraphId, op: OpId) -> bool {
    let (module, target) = (session.model(), session.target());
    let graph = module.subgraph(sg);
    target.weight_slots(graph, op).iter().all(|slot| {
        graph.operand(op, *slot).is_none_or(|id| {
            let (dequantize, stored) = in_front_of_dequantize(graph, id);
            let named = |id| module.references(sg, id).any();
            dequantize.is_some()
                && graph.tensor(stored).ty == ElementType::Int8
                && is_plain(module, sg, stored)
                && !(named(id) || named(stored))
        })
    })
}

/// What is to be read otherwise than it came.
fn decided(mut select: Select<'_>, came: &CameUses) -> Vec<Reread> {
    let (pass, seen) = (select.pass, select.module);
    let keep = pass.keep.matcher();
    let kept = |u: &WeightUse| is_kept(&keep, seen.subgraph(u.sg), u.op, u.tensor);
    let form = |u: &WeightUse| WeightForm::of(seen.subgraph(u.sg).tensor(u.tensor));
    let readings: Vec<(CameUse, Option<bool>)> = came
        .values()
        .flatten()
        .filter(|came| !kept(&came.u))
        .map(|came| {
            let WeightUse { sg, op, .. } = came.u;
            // A kernel that takes one type for all weights is asked about all.
            let verdict = match select.is_family(sg, op) {
                true => select.target.group_verdict(seen, sg, op, |_, w| WeightForm::of(w)),
                false => select.target.hybrid(came.u.operand(seen), &form(&came.u)),
            };
            let runs = match verdict {
                Verdict::Hybrid { delegated } => Some(delegated),
                Verdict::Dequantize { .. } => None,
            };
            (*came, runs.filter(|_| select.may_be_hybrid(came.u.sg, came.u.op)))
        })
        .collect();
    select.fast = match select.prefer {
        Objective::Latency => Fast::All,
        Objective::Balanced if select.target.keeps_dequantized() && select.takes_ops => {
            let slow = readings.iter().filter_map(|(came, runs)| {
                let slow = select.slowness(&came.u, &form(&came.u), (*runs)?).is_some();
                slow.then(|| select.slow_use(&came.u, 1))
            });
            afford::within(slow.collect(), seen.constants().total_bytes())
        }
        _ => Fast::None,
    };
    let reread = readings.into_iter().filter_map(|(came, runs)| {
        let form = form(&came.u);
        let can = select.target.dequantize_supports(form.ty, form.granularity);
        let declined = match runs {
            // A kernel cannot, or the user is against it.
            None => Some((Cause::Said, None)),
            Some(delegated) => select
                .declined(&came.u, &form, delegated)
                .filter(|_| can)
                .map(|(cause, why)| (cause, Some(why))),
        };
        let (reads, cause, why) = match (declined, came.dequantize) {
            (None, Some(_)) => (Reads::Hybrid, Cause::Said, None),
            (Some((cause, Some(why))), None) => (Reads::Dequantize, cause, Some(why)),
            (Some((cause, None)), None) if can && !select.may_be_hybrid(came.u.sg, came.u.op) => {
                let why = if pass.hybrid { "the op is denied" } else { "hybrid=off" };
                (Reads::Dequantize, cause, Some(why.to_owned()))
            }
            _ => return None,
        };
        let asymmetric = asymmetric(&select, &came.u, reads);
        Some(Reread { came, cause, why, asymmetric })
    });
    reread.collect()
}

/// Lets ops read the codes that a Dequantize made float32 for them.
fn show<'c>(
    module: &Module,
    sg: SubgraphId,
    came: impl Iterator<Item = &'c CameUse>,
    patch: &mut Patch,
) {
    let graph = module.subgraph(sg);
    let behind = came.filter_map(|came| Some((came.dequantize?, came.u.tensor)));
    for (dequantize, stored) in behind.collect::<IndexSet<_>>() {
        let float = graph.results(dequantize)[0];
        patch.replace_uses(graph, float, stored);
        patch.erase_op(dequantize);
        patch.erase_tensor(float);
        patch.set_expressed(stored, Some(ElementType::Float32));
    }
}

/// As in a model that was float32.
fn asymmetric(select: &Select<'_>, u: &WeightUse, reads: Reads) -> Option<bool> {
    let form = WeightForm::of(select.module.subgraph(u.sg).tensor(u.tensor));
    (reads == Reads::Hybrid).then(|| select.asymmetric_flag(u, &form)).flatten()
}

/// What a plan says of a constant that stays as it came.
struct Said<'a, 's> {
    select: &'a Select<'a>,
    session: &'a Session<'s>,
    came: HashMap<(OpId, u32), CameUse>,
    numbers: PlanNumbers<'a>,
}

/// What the plan wants to be read otherwise than it came.
fn planned(
    select: &Select<'_>,
    session: &Session<'_>,
    came: &CameUses,
    plan: &WeightPlan,
) -> Result<Vec<Reread>, PassError> {
    let came = came.values().flatten().map(|came| ((came.u.op, came.u.slot), *came)).collect();
    let said = Said { select, session, came, numbers: PlanNumbers::of(session.start()) };
    let mut found = Vec::new();
    for constant in &plan.constants {
        for reader in constant.readers.iter().filter(|_| said.stays_narrow(constant)) {
            let reread = said.reread(constant, reader);
            let misfit =
                |what| PassError::Unsupported(format!("the plan cannot be followed: {what}"));
            found.extend(reread.map_err(misfit)?);
        }
    }
    Ok(found)
}

impl Said<'_, '_> {
    /// Whether the constant came in a narrow type and is to stay so.
    fn stays_narrow(&self, constant: &PlannedConstant) -> bool {
        let module = self.session.model();
        let first = constant.tensors.first();
        let found = first.and_then(|at| self.numbers.find_tensor(module, at));
        found.is_some_and(|(sg, id)| {
            let ty = Stored::of(module, sg, id).ty;
            ty != ElementType::Float32 && ty.name() == constant.r#type
        })
    }

    /// What has to be done, or why the op cannot read it so.
    fn reread(
        &self,
        constant: &PlannedConstant,
        reader: &PlannedReader,
    ) -> Result<Option<Reread>, String> {
        let module = self.session.model();
        let name = visible(&constant.name);
        let Some((sg, op)) = self.numbers.find_op(module, reader) else {
            // What the input has is said to be missing by who looks for all that the plan names.
            return Ok(None);
        };
        let slot = reader.operand;
        let graph = module.subgraph(sg);
        let way = Way::of(self.session, (sg, op, slot), false);
        let Some((way, read)) = way.zip(graph.operand(op, slot)) else { return Ok(None) };
        let place = module.op_place(sg, op);
        if reader.reads == Reads::Float32 && way.reads != Reads::Float32 {
            return Err(format!(
                "{place} reads `{name}` as float32, and it is not to be stored so"
            ));
        }
        if way.reads.is_direct() == reader.reads.is_direct() {
            return Ok(None);
        }
        let known = self.came.get(&(op, slot)).copied();
        let tensor = source(graph, read);
        let form = WeightForm::of(graph.tensor(tensor));
        let why_not =
            |why: &str| Err(format!("{place} cannot read `{name}` {}: {why}", words(reader.reads)));
        if reader.reads.is_direct() {
            // It would get a Dequantize, or has one.
            let Some(came) = known else {
                return why_not(
                    way.why.as_deref().unwrap_or("its Dequantize came with the model, and stays"),
                );
            };
            let operand = came.u.operand(self.select.module);
            if let Verdict::Dequantize { reason } = self.select.target.hybrid(operand, &form) {
                return why_not(&reason);
            }
            if !self.select.may_be_hybrid(sg, op) {
                return why_not("an option of the run is against it");
            }
            if came.dequantize.is_none() {
                return why_not("another pass wants a Dequantize there");
            }
            let asymmetric = asymmetric(self.select, &came.u, Reads::Hybrid);
            return Ok(Some(Reread { came, cause: Cause::Said, why: None, asymmetric }));
        }
        let weights = self.session.target().weight_slots(graph, op);
        let input = self.session.input(sg);
        let is_float = self.session.analysis::<HybridVerdicts>(sg).of(input, op, slot).is_some();
        if !is_float || !weights.contains(&slot) {
            return why_not("it computes with what is stored");
        }
        if !self.session.target().dequantize_supports(form.ty, form.granularity) {
            return why_not(&format!("the target has no Dequantize for {form}"));
        }
        let u = WeightUse { sg, op, slot, tensor };
        let came = known.unwrap_or(CameUse { u, dequantize: None });
        let why = reader.why.clone().unwrap_or_else(|| "the plan says so".to_owned());
        Ok(Some(Reread { came, cause: Cause::Said, why: Some(why), asymmetric: None }))
    }
}

fn words(reads: Reads) -> &'static str {
    match reads {
        Reads::Float32 => "as float32",
        Reads::Hybrid | Reads::Behind => "as it is stored",
        Reads::Dequantize => "behind a Dequantize",
    }
}
