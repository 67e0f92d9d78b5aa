//! Tells of large float constants of which nothing else was told, so that nobody wonders why they
//! stay, and how each could be made smaller; those in other files included.

use super::QuantizeWeights;
use super::constants::held_as_float;
use super::options::{Compat, MinElements, QuantizedOperands, WeightType};
use super::select::ALREADY_FLOAT16;
use super::sparse;
use crate::stored::made_float;
use tfq_ir::catalog::ops::{DENSIFY, DEQUANTIZE};
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::visible;
use tfq_ir::{BufferId, ElementType, Module, Numbers, OpKind, SubgraphId, TensorId, Use, counted};
use tfq_pass::{RemarkKind, Session};

/// Smaller ones than these are biases and parameters as a rule, and of no weight in the file.
const LARGE: u64 = 1024;

/// Looks at the model as the pass leaves it.
pub(super) fn tell(pass: &QuantizeWeights, session: &Session<'_>) {
    let module = session.model();
    let least = match pass.min_elements {
        MinElements::Auto => LARGE,
        MinElements::Number(number) => LARGE.max(number),
    };
    let missed = session.remarks().filter(|remark| remark.kind == RemarkKind::Missed);
    let told: IndexSet<String> = missed.map(|remark| remark.place).collect();
    let anew = made_float(module);
    for shown in large_floats(module, least).into_values() {
        let place = |(sg, id): &(SubgraphId, TensorId)| module.tensor_place(*sg, *id).to_string();
        let is_told = |at: &(SubgraphId, TensorId)| {
            told.contains(&place(at))
                || made_of(module, *at).any(|made| told.contains(&place(&made)))
        };
        if shown.iter().any(|at| is_told(at) || anew.contains(at)) {
            continue;
        }
        // A reader says more than that there is none.
        let read = |(sg, id): &&(SubgraphId, TensorId)| module.subgraph(*sg).is_read(*id);
        let at = shown.iter().find(read).unwrap_or(&shown[0]);
        let (rule, message) = why(pass, session, *at);
        session.missed(rule, place(at), message);
    }
    for (sg, id) in external_floats(module, least).into_values() {
        let message = whereabouts(module, module.subgraph(sg).tensor(id).external_buffer);
        session.missed("external buffer", module.tensor_place(sg, id), message);
    }
}

/// What a DENSIFY or Dequantize makes of a constant: it is seen in its place.
fn made_of(
    module: &Module,
    (sg, id): (SubgraphId, TensorId),
) -> impl Iterator<Item = (SubgraphId, TensorId)> {
    let graph = module.subgraph(sg);
    let made = |id: TensorId| {
        let uses = graph.uses(id).into_iter();
        let by =
            uses.filter(|u| [DENSIFY, DEQUANTIZE].iter().any(|op| graph.op(u.op).kind.is(*op)));
        by.flat_map(|u| graph.results(u.op)).collect::<Vec<_>>()
    };
    let first = made(id);
    let second: Vec<TensorId> = first.iter().flat_map(|id| made(*id)).collect();
    first.into_iter().chain(second).map(move |id| (sg, id))
}

/// Types that weights have before they are quantised.
fn is_wide(ty: ElementType) -> bool {
    matches!(ty, ElementType::Float32 | ElementType::Float16 | ElementType::BFloat16)
}

/// Floats that ops read from other files, by external buffer, with the first tensor that shows
/// each. No pass sees what is in them.
fn external_floats(module: &Module, least: u64) -> IndexMap<u32, (SubgraphId, TensorId)> {
    let mut found = IndexMap::default();
    for (sg, graph) in module.subgraphs() {
        for id in graph.tensors() {
            let tensor = graph.tensor(id);
            let large = tensor.elements().is_some_and(|elements| elements >= least);
            let external = tensor.external_buffer != 0 && graph.is_read(id);
            if external && large && is_wide(tensor.ty) {
                found.entry(tensor.external_buffer).or_insert((sg, id));
            }
        }
    }
    found
}

/// Where an external buffer lies, and that it stays there.
fn whereabouts(module: &Module, id: u32) -> String {
    let Some(buffer) = module.external_buffers().iter().find(|buffer| buffer.id == id) else {
        return format!("it is in external buffer {id}, of which the model says nothing more");
    };
    let group = module.external_buffer_groups().get(buffer.group as usize);
    let file = match group.and_then(|name| name.as_deref()) {
        Some(name) => format!("`{}`", visible(name)),
        None => format!("external group {}", buffer.group),
    };
    let bytes = counted(buffer.length, "byte");
    format!("its {bytes} are in {file}, which is neither read nor written")
}

/// Constants of so many float elements or more, by buffer, with the tensors that show them.
fn large_floats(module: &Module, least: u64) -> IndexMap<BufferId, Vec<(SubgraphId, TensorId)>> {
    let mut found: IndexMap<BufferId, Vec<(SubgraphId, TensorId)>> = IndexMap::default();
    let numbers = Numbers { tensors: true, ..Numbers::default() };
    let dropped = module.numbered_by_metadata(numbers).is_none();
    for (sg, graph) in module.subgraphs() {
        let referred = module.all_references(sg);
        for id in graph.tensors() {
            // What nothing refers to does not stay.
            if dropped && !graph.is_connected(id) && !referred.contains_key(&id) {
                continue;
            }
            let tensor = graph.tensor(id);
            // A sparse one holds fewer than its shape says.
            let large = tensor.elements().is_none_or(|elements| elements >= least);
            let bytes = module.constants().constant(tensor.buffer);
            // This pass has just made it what it is.
            let done = tensor.expressed.is_some();
            if is_wide(tensor.ty) && large && !done && bytes.is_some_and(|bytes| !bytes.is_empty())
            {
                found.entry(tensor.buffer).or_default().push((sg, id));
            }
        }
    }
    found
}

fn why(
    pass: &QuantizeWeights,
    session: &Session<'_>,
    (sg, id): (SubgraphId, TensorId),
) -> (&'static str, String) {
    let module = session.model();
    let graph = module.subgraph(sg);
    let tensor = graph.tensor(id);
    let uses = graph.uses(id);
    let Some(&Use { op, slot }) = uses.first() else {
        let what = match graph.is_output(id) {
            true => "the subgraph returns it, and no op reads it",
            false => "no op reads it",
        };
        return ("no weight", what.to_owned());
    };
    if let Some(held) = held_as_float(module, sg, id) {
        return held;
    }
    let reader = module.op_place(sg, op);
    let kind = &graph.op(op).kind;
    if tensor.ty == ElementType::Float16 && kind.is(DEQUANTIZE) {
        let how = "it is float16 in the input, and no weight of which int8 would take less";
        return (ALREADY_FLOAT16, how.to_owned());
    }
    if tensor.sparsity.is_some() {
        return ("sparse", sparse::why_it_stays(module, (sg, id, op), pass.r#type.bytes()));
    }
    let toco = pass.compat == Compat::Toco;
    let all = pass.operands == QuantizedOperands::All || pass.r#type == WeightType::Float16;
    if let OpKind::Custom(name) = kind
        && !toco
    {
        let how = format!("`custom-ops={name}:{slot}` would quantise it");
        return ("custom op", format!("{reader} reads it as operand {slot}; {how}"));
    }
    let facts = session.target().facts_of(graph, op);
    if facts.is_some_and(|facts| facts.biases.contains(&slot)) {
        return ("large bias", format!("{reader} reads it as a bias, which stays float32"));
    }
    let what = format!("{reader} reads it as operand {slot}, which is no weight");
    if toco || all || tensor.ty != ElementType::Float32 {
        return ("no weight", what);
    }
    ("no weight", format!("{what}; `operands=all` would quantise it"))
}
