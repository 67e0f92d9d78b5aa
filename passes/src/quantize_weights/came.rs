//! Weights that came as int8, with another tool's decision on how ops read them: who reads codes,
//! and who gets a Dequantize, is decided anew. The codes stay.

use super::QuantizeWeights;
use super::afford;
use super::candidate::Candidate;
use super::fast::Fast;
use super::form::{Cause, Form, NotedVerdict, WeightUse};
use super::options::WeightType;
use super::reading::Select;
use super::weight_plan::{PlannedReader, Reads, WeightPlan};
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{
    Attr, ElementType, Module, Numbers, OpId, Patch, QuantizationDetails, SubgraphId, TensorId,
};
use tfq_numeric::ScaleRule;
use tfq_pass::{PassError, Session};
use tfq_target::{Granularity, Objective, Verdict, WeightForm};

/// An op that reads a weight which came as int8.
#[derive(Clone, Copy, Debug)]
struct CameUse {
    /// The tensor is the one that holds the codes.
    u: WeightUse,
    /// What makes them float32 for the op.
    dequantize: Option<OpId>,
}

/// How an op that read such a weight in another way reads it now.
struct Reread {
    came: CameUse,
    reads: Reads,
    cause: Cause,
    why: Option<String>,
}

/// Lets ops read weights that came as int8 as suits the target, or as a plan says, and gives what
/// has to be noted for those that get a Dequantize; with what was done, for the plan.
pub(super) fn reread(
    pass: &QuantizeWeights,
    session: &mut Session<'_>,
) -> Result<(Vec<NotedVerdict>, Vec<PlannedReader>), PassError> {
    let module = session.model();
    let came = find(session);
    let moved = Numbers { ops: true, tensors: true, ..Numbers::default() };
    if came.is_empty()
        || pass.r#type != WeightType::Int8
        || module.numbered_by_metadata(moved).is_some()
    {
        return Ok(Default::default());
    }
    let found = match session.resource::<WeightPlan>() {
        Some(plan) => planned(module, &came, plan)?,
        None => decided(pass, session, &came),
    };
    let numbers = found.iter().map(|reread| planned_reader(module, reread)).collect();
    let mut verdicts = Vec::new();
    let mut shown: IndexMap<SubgraphId, Vec<Reread>> = IndexMap::default();
    for reread in found {
        let (u, name) =
            (reread.came.u, module.subgraph(reread.came.u.sg).tensor(reread.came.u.tensor).label());
        let told = match &reread.why {
            Some(why) => format!("`{name}`, which came as INT8, gets a Dequantize: {why}"),
            None => format!("`{name}`, which came as INT8 behind a Dequantize, is read as it is"),
        };
        session.applied("reread", module.op_place(u.sg, u.op), told);
        session.count("weights-reread", 1);
        if let Some(reason) = &reread.why {
            let (kind, cause) = ("dequantize", reread.cause);
            let reason = reason.clone();
            verdicts.push(NotedVerdict {
                sg: u.sg,
                op: u.op,
                kind,
                reason,
                cause,
                slots: Vec::new(),
            });
        }
        shown.entry(u.sg).or_default().push(reread);
    }
    for (sg, found) in shown {
        let module = session.model();
        let mut patch = Patch::new(sg, "let an op read the codes of a weight");
        let read: IndexSet<TensorId> = found
            .iter()
            .filter(|reread| reread.reads == Reads::Hybrid)
            .map(|reread| reread.came.u.tensor)
            .collect();
        show(module, sg, came.iter().filter(|came| read.contains(&came.u.tensor)), &mut patch);
        for reread in found.iter().filter(|reread| reread.reads == Reads::Hybrid) {
            set_asymmetric(pass, session, &reread.came.u, &mut patch);
        }
        session.apply(patch)?;
    }
    Ok((verdicts, numbers))
}

/// Every op that reads such a weight, directly or behind a Dequantize.
fn find(session: &Session<'_>) -> Vec<CameUse> {
    let (module, target) = (session.model(), session.target());
    let mut found = Vec::new();
    for (sg, graph) in module.subgraphs() {
        let mut is_plain: IndexMap<TensorId, bool> = IndexMap::default();
        for op in graph.ops() {
            let Some(facts) = target.facts_of(graph, op) else { continue };
            // Of what rounds no activations nothing is gained, and families are read whole.
            if !facts.rounds_activations() {
                continue;
            }
            let activation = facts.activation.and_then(|slot| graph.operand(op, slot));
            if activation.is_none_or(|id| graph.tensor(id).ty != ElementType::Float32) {
                continue;
            }
            for slot in target.weight_slots(graph, op) {
                let Some(read) = graph.operand(op, slot) else { continue };
                let dequantize = graph.producer(read).map(|(producer, _)| producer);
                let dequantize = dequantize.filter(|op| graph.op(*op).kind.is(DEQUANTIZE));
                let stored = dequantize.map_or(Some(read), |op| graph.operand(op, 0));
                let Some(stored) = stored else { continue };
                let named = |id| module.references(sg, id).any();
                if dequantize.is_some() && (named(read) || named(stored)) {
                    continue;
                }
                if *is_plain.entry(stored).or_insert_with(|| is_plain_int8(module, sg, stored)) {
                    let u = WeightUse { sg, op, slot, tensor: stored };
                    found.push(CameUse { u, dequantize });
                }
            }
        }
    }
    found
}

/// Whether it is a constant that hybrid kernels compute with as a Dequantize does.
fn is_plain_int8(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    let tensor = module.subgraph(sg).tensor(id);
    let plain = tensor.ty == ElementType::Int8
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

/// What is to be read otherwise than it came.
fn decided(pass: &QuantizeWeights, session: &Session<'_>, came: &[CameUse]) -> Vec<Reread> {
    let mut copy = session.model().clone();
    let subgraphs: IndexSet<SubgraphId> = came.iter().map(|came| came.u.sg).collect();
    for sg in subgraphs {
        let mut patch = Patch::new(sg, "see codes in front of a Dequantize");
        show(session.model(), sg, came.iter().filter(|came| came.u.sg == sg), &mut patch);
        // What cannot be seen so is left as it is.
        if copy.apply(patch).is_err() {
            return Vec::new();
        }
    }
    let mut select = Select::of(pass, session, &copy, None);
    let keep = pass.keep.matcher();
    let kept = |u: &WeightUse| {
        let graph = copy.subgraph(u.sg);
        let results = graph.results(u.op);
        let ids = results.iter().chain([&u.tensor]);
        let names = ids.map(|id| graph.tensor(*id).label()).chain([graph.op(u.op).kind.name()]);
        { names }.any(|name| keep.is_match(name))
    };
    let form = |u: &WeightUse| WeightForm::of(copy.subgraph(u.sg).tensor(u.tensor));
    let readings: Vec<(CameUse, Option<bool>)> = came
        .iter()
        .filter(|came| !kept(&came.u))
        .map(|came| {
            let runs = match select.target.hybrid(came.u.operand(&copy), &form(&came.u)) {
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
            afford::within(slow.collect(), afford::constant_bytes(&copy))
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
        Some(Reread { came, reads, cause, why })
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
    let behind = came.filter(|came| came.u.sg == sg);
    let behind = behind.filter_map(|came| Some((came.dequantize?, came.u.tensor)));
    for (dequantize, stored) in behind.collect::<IndexSet<_>>() {
        let float = graph.results(dequantize)[0];
        patch.replace_uses(graph, float, stored);
        patch.erase_op(dequantize);
        patch.erase_tensor(float);
        patch.set_expressed(stored, Some(ElementType::Float32));
    }
}

/// As in a model that was float32.
fn set_asymmetric(pass: &QuantizeWeights, session: &Session<'_>, u: &WeightUse, patch: &mut Patch) {
    let module = session.model();
    let select = Select::of(pass, session, module, None);
    let rule = ScaleRule::Divide;
    let form = match WeightForm::of(module.subgraph(u.sg).tensor(u.tensor)).granularity {
        Granularity::PerChannel { axis } => Form::PerChannel { axis, rule },
        _ => Form::PerTensor { rule },
    };
    let read = Candidate::chosen(form, vec![true]);
    for (_, op, value) in select.asymmetric(&[*u], &read) {
        patch.set_attr(op, "asymmetric_quantize_inputs", Attr::Bool(value));
    }
}

fn planned_reader(module: &Module, reread: &Reread) -> PlannedReader {
    let WeightUse { sg, op, slot, .. } = reread.came.u;
    let graph = module.subgraph(sg);
    PlannedReader {
        subgraph: sg.0,
        op: graph.ops().position(|other| other == op).unwrap_or(0) as u32,
        kind: graph.op(op).kind.name().to_owned(),
        operand: slot,
        reads: reread.reads,
        runs_on: None,
        time: None,
        why: reread.why.clone(),
    }
}

/// What the plan says of them.
fn planned(module: &Module, came: &[CameUse], plan: &WeightPlan) -> Result<Vec<Reread>, PassError> {
    let ops: Vec<Vec<OpId>> = module.subgraphs().map(|(_, graph)| graph.ops().collect()).collect();
    let found = plan.reread.iter().map(|reader| {
        let op = ops.get(reader.subgraph as usize).and_then(|ops| ops.get(reader.op as usize));
        let is_it = |came: &&CameUse| {
            let u = &came.u;
            (u.sg.0, Some(&u.op), u.slot) == (reader.subgraph, op, reader.operand)
        };
        let came = came.iter().find(is_it).copied().ok_or_else(|| {
            let (subgraph, op, operand) = (reader.subgraph, reader.op, reader.operand);
            PassError::Unsupported(format!(
                "the plan cannot be followed: op {op} of subgraph {subgraph} reads no int8 weight as operand \
                 {operand}: the plan is of another model"
            ))
        })?;
        let said = || reader.why.clone().unwrap_or_else(|| "the plan says so".to_owned());
        let why = (reader.reads == Reads::Dequantize).then(said);
        Ok(Reread { came, reads: reader.reads, cause: Cause::Said, why })
    });
    found.collect()
}
