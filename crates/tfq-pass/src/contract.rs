//! Whether a pass kept what it declares.

use crate::{NumericContract, PassInfo};
use indexmap::IndexSet;
use tfq_ir::{Applied, ElementType, Module, Subgraph, SubgraphId, Tensor, TensorId};

/// What the pass did that its declaration does not allow; `None` where it kept to it.
pub(crate) fn breach(info: &PassInfo, before: &Module, after: &Module) -> Option<String> {
    let patches = &after.journal()[before.journal().len()..];
    if patches.is_empty() {
        return None;
    }
    if let Some(kind) = undeclared_op(info, after, patches.iter().map(|patch| &**patch)) {
        return Some(format!("it adds {kind}, which is not among the ops that it declares"));
    }
    match info.contract {
        NumericContract::Quantizing => None,
        NumericContract::Annotation => {
            (before.structural_hash() != after.structural_hash()).then(|| {
                "it is declared to change notes and metadata only, and changed ops".to_owned()
            })
        }
        NumericContract::Exact => introduced(before, after, patches.iter().map(|patch| &**patch))
            .map(|what| format!("it is declared exact, and {what}")),
    }
}

/// An op that a patch added and that the pass does not declare.
fn undeclared_op<'a>(
    info: &PassInfo,
    after: &Module,
    mut patches: impl Iterator<Item = &'a Applied>,
) -> Option<String> {
    patches.find_map(|patch| {
        let graph = subgraph(after, patch.subgraph?)?;
        patch.added_ops().iter().find_map(|op| {
            // A later patch of the pass may have erased it.
            let kind = &graph.contains_op(*op).then(|| graph.op(*op))?.kind;
            (!info.writes.contains(kind)).then(|| kind.to_string())
        })
    })
}

fn subgraph(module: &Module, id: SubgraphId) -> Option<&Subgraph> {
    module.subgraphs().nth(id.0 as usize).map(|(_, graph)| graph)
}

/// A narrow or quantised form of a tensor that the model had nowhere before.
fn introduced<'a>(
    before: &Module,
    after: &Module,
    patches: impl Iterator<Item = &'a Applied>,
) -> Option<String> {
    let touched: IndexSet<(SubgraphId, TensorId)> = patches
        .filter_map(|patch| Some((patch.subgraph?, patch)))
        .flat_map(|(sg, patch)| patch.tensors.iter().map(move |id| (sg, *id)))
        .collect();
    let mut known: Option<IndexSet<String>> = None;
    touched.into_iter().find_map(|(sg, id)| {
        let graph = subgraph(after, sg)?;
        let tensor = graph.contains_tensor(id).then(|| graph.tensor(id))?;
        let form = narrow_form(tensor)?;
        let known = known.get_or_insert_with(|| {
            let tensors = before.subgraphs().flat_map(|(_, graph)| {
                graph.tensors().filter_map(|id| narrow_form(graph.tensor(id)))
            });
            tensors.collect()
        });
        (!known.contains(&form))
            .then(|| format!("brought in a quantised type: `{}` is {}", tensor.label(), tensor.ty))
    })
}

/// Type and quantisation, where these can hold less than float32 does.
fn narrow_form(tensor: &Tensor) -> Option<String> {
    use ElementType::*;
    let narrow = matches!(
        tensor.ty,
        Float16 | BFloat16 | Float8E4M3Fn | Float8E5M2 | Int8 | Int16 | Int4 | Int2 | UInt8 | UInt4
    );
    (narrow || tensor.scales() > 0).then(|| format!("{:?} {:?}", tensor.ty, tensor.quantization))
}
