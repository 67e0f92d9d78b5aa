//! Operator versions and the minimum runtime of what passes made.

use crate::touched::Touched;
use bytes::Bytes;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{Edit, Module, OpId, OpKind, Subgraph, SubgraphId, TensorId};
use tfq_target::{Target, max_runtime};

/// Raises the versions of ops that need a higher one than they did in `start`, a snapshot of
/// the module from before, or that read something else than they did, and `min_runtime_version`
/// with them. An op that only happens to have a lower version than the rules ask for keeps it.
/// [`crate::run`] does this at its end. Tells of the release that the ops' versions ask for where
/// that is a later one than before.
pub fn update_versions(
    module: &mut Module,
    start: &Module,
    target: &Target,
) -> Option<RaisedRuntime> {
    let has_minimum = module.metadata_bytes(MIN_RUNTIME).is_some();
    let mut changed = false;
    let mut raised: IndexMap<SubgraphId, Vec<(OpId, i32)>> = IndexMap::default();
    for (sg, op) in Touched::since(module, start.journal().len()).ops {
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
    let rises = !raised.is_empty();
    for (sg, versions) in raised {
        module.apply(Edit::Versions(sg, versions)).expect("these ops are there");
    }
    if changed {
        update_min_runtime(module, target);
    }
    if !rises {
        return None;
    }
    let (from, to) = (first_release(start, target)?, first_release(module, target)?);
    let later = max_runtime([from, to].into_iter()) == Some(to) && from != to;
    later.then(|| RaisedRuntime { from: from.to_owned(), to: to.to_owned() })
}

/// A model that asks for a later release of the runtime than it did, by TensorFlow's numbering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaisedRuntime {
    /// The first release that has all operator versions of the model as it came.
    pub from: String,
    /// That of the result.
    pub to: String,
}

/// The first release that has every operator version of the model.
fn first_release(module: &Module, target: &Target) -> Option<&'static str> {
    let ops = module.subgraphs().flat_map(|(_, graph)| graph.ops().map(|op| graph.op(op)));
    let versions: IndexSet<(&OpKind, i32)> = ops.map(|op| (&op.kind, op.version)).collect();
    let releases = versions.into_iter().filter_map(|(kind, n)| target.min_runtime(kind, n));
    max_runtime(releases)
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
