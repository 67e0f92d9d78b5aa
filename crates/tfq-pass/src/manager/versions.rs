//! Operator versions and the minimum runtime of what passes made.

use crate::touched::Touched;
use bytes::Bytes;
use smallvec::SmallVec;
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{Edit, ElementType, Module, OpId, OpKind, Subgraph, SubgraphId, TensorId};
use tfq_target::{Target, max_runtime};

/// Raises the versions of ops that need a higher one than they did in `start`, a snapshot of
/// the module from before, or that read something else than they did, and `min_runtime_version`
/// with them. An op that only happens to have a lower version than the rules ask for keeps it.
/// [`crate::run`] does this at its end. Tells of the release that TensorFlow Lite's CPU kernels ask
/// for where that is a later one than before.
pub fn update_versions(
    module: &mut Module,
    start: &Module,
    target: &Target,
) -> Option<RaisedRuntime> {
    let has_minimum = module.metadata_bytes(MIN_RUNTIME).is_some();
    let mut changed = false;
    let mut raised: IndexMap<SubgraphId, Vec<(OpId, i32)>> = IndexMap::default();
    let touched = Touched::since(module, start.journal().len()).ops;
    for &(sg, op) in &touched {
        let graph = module.subgraph(sg);
        let higher =
            target.version(module, sg, op).filter(|version| *version > graph.op(op).version);
        if higher.is_none() && !has_minimum {
            continue;
        }
        let before = start.by_origin(op.origin()).filter(|sg| start.subgraph(*sg).contains_op(op));
        let anew = before.is_none_or(|before| reads_anew(graph, start.subgraph(before), op));
        changed |= anew;
        let Some(version) = higher else { continue };
        // Rules that stop at something else (an operand left out) give the same version for float32
        // and for codes.
        let of_start = || before.and_then(|before| target.version(start, before, op));
        if anew || of_start().is_none_or(|before| version > before) {
            raised.entry(sg).or_default().push((op, version));
            changed = true;
        }
    }
    for (sg, versions) in raised {
        module.apply(Edit::Versions(sg, versions)).expect("these ops are there");
    }
    if changed {
        update_min_runtime(module, target);
    }
    raised_runtime(module, start, &touched)
}

/// A model that asks for a later release of the runtime than it did, by TensorFlow's numbering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaisedRuntime {
    /// The first release that runs all ops of the model as it came.
    pub from: String,
    /// That of the result.
    pub to: String,
    /// What asks for it: an operator, and what it reads that an earlier one does not.
    pub by: String,
}

/// What the ops that were touched ask for, where it is a later release than all ops of `start` do.
fn raised_runtime(
    module: &Module,
    start: &Module,
    touched: &[(SubgraphId, OpId)],
) -> Option<RaisedRuntime> {
    let litert = Target::named("litert").expect("it is shipped");
    let mut latest: Option<(&str, (SubgraphId, OpId))> = None;
    for &(sg, op) in touched {
        let Some(release) = litert.op_min_runtime(module, sg, op) else { continue };
        if latest.is_none_or(|(known, _)| is_later(release, known)) {
            latest = Some((release, (sg, op)));
        }
    }
    let (to, (sg, op)) = latest?;
    // Versions alone are found sooner than what kernels ask for.
    let versions = start.subgraphs().flat_map(|(_, graph)| graph.ops().map(|op| graph.op(op)));
    let versions: IndexSet<(&OpKind, i32)> = versions.map(|op| (&op.kind, op.version)).collect();
    let releases = versions.into_iter().filter_map(|(kind, n)| litert.min_runtime(kind, n));
    if max_runtime(releases).is_some_and(|from| !is_later(to, from)) {
        return None;
    }
    let from = litert.model_min_runtime(start);
    if from.is_empty() || !is_later(to, &from) {
        return None;
    }
    Some(RaisedRuntime { from, to: to.to_owned(), by: asking(module, sg, op, &litert) })
}

fn is_later(release: &str, than: &str) -> bool {
    release != than && max_runtime([release, than].into_iter()) == Some(release)
}

/// The op as one that asks for a release.
fn asking(module: &Module, sg: SubgraphId, op: OpId, target: &Target) -> String {
    let graph = module.subgraph(sg);
    let node = graph.op(op);
    let slots = match node.kind.is(DEQUANTIZE) {
        true => SmallVec::from_slice(&[0]),
        false => target.weight_slots(graph, op),
    };
    let mut weights = slots.into_iter().filter_map(|slot| graph.operand(op, slot));
    let weight = weights.find(|id| graph.tensor(*id).ty != ElementType::Float32);
    let Some(weight) = weight.map(|id| graph.tensor(id)) else {
        return format!("version {} of {}", node.version, node.kind);
    };
    let zero_points =
        weight.quantization.as_deref().is_some_and(|q| q.zero_point.iter().any(|z| *z != 0));
    let how = match (weight.scales(), zero_points) {
        (0 | 1, false) => "",
        (0 | 1, true) => " with a zero point",
        (_, false) => " with several scales",
        (_, true) => " with several scales and zero points",
    };
    format!("{} of {}{how}", node.kind, weight.ty)
}

/// Whether an operand of the op has another type or other scales than before.
fn reads_anew(now: &Subgraph, before: &Subgraph, op: OpId) -> bool {
    let (operands, of_before) = (now.operands(op), before.operands(op));
    let stored = |graph: &Subgraph, id: Option<TensorId>| {
        id.map(|id| (graph.tensor(id).ty, graph.tensor(id).scales()))
    };
    let mut pairs = operands.iter().zip(&of_before);
    operands.len() != of_before.len()
        || pairs.any(|(id, old)| stored(now, *id) != stored(before, *old))
}

const MIN_RUNTIME: &str = "min_runtime_version";
/// The runtime reads this many bytes, and wants a zero among them.
const MIN_RUNTIME_BYTES: usize = 16;

/// Raises `min_runtime_version` to what the model's operator versions ask for. A model without
/// the entry stays without: the runtime never enforces it.
fn update_min_runtime(module: &mut Module, target: &Target) {
    let Some(bytes) = module.metadata_bytes(MIN_RUNTIME) else { return };
    let text = |bytes: &[u8]| {
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    let (old, needed) = (text(bytes), target.model_min_runtime(module));
    let known = [old.as_str(), needed.as_str()].into_iter().filter(|text| !text.is_empty());
    let new = max_runtime(known).unwrap_or_default().to_owned();
    if new == old || new.len() >= MIN_RUNTIME_BYTES {
        return;
    }
    let mut padded = new.into_bytes();
    padded.resize(MIN_RUNTIME_BYTES, 0);
    let edit = Edit::Metadata(MIN_RUNTIME.into(), Some(Bytes::from(padded)));
    module.apply(edit).expect("it can be done to every module");
}
