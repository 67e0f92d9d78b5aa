//! Applying a patch that was checked.

use super::log::Applied;
use super::patch::{BufferRef, OpChange, OpRef, Patch, Place, TensorChange, TensorRef};
use crate::subgraph::Role;
use crate::{BufferId, Module, OpId, TensorId};
use indexmap::IndexSet;
use std::collections::HashMap;
use std::sync::Arc;

/// Applies a checked patch; nothing here can fail.
pub(super) fn commit(module: &mut Module, patch: &Patch) -> Applied {
    let subgraph = patch.subgraph;
    let mut constants: Vec<BufferId> = Vec::with_capacity(patch.constants.len());
    for bytes in &patch.constants {
        constants.push(Arc::make_mut(&mut module.constants).push(bytes.clone()));
    }
    let graph = module.subgraph_mut(subgraph);
    let first = graph.upcoming_tensor(0);
    let resolve = |link: TensorId| match TensorRef::from(link) {
        TensorRef::Old(link) => link,
        TensorRef::New(n) => graph.upcoming_tensor(n),
    };
    let new_tensors: Vec<_> = patch
        .tensors
        .iter()
        .cloned()
        .map(|mut tensor| {
            tensor.each_link(resolve);
            tensor
        })
        .collect();
    let tensors: Vec<TensorId> =
        new_tensors.into_iter().map(|tensor| graph.insert_tensor(tensor)).collect();
    debug_assert!(tensors.first().is_none_or(|id| *id == first));
    let place = |tensor: TensorRef| match tensor {
        TensorRef::Old(tensor) => tensor,
        TensorRef::New(n) => tensors[n as usize],
    };

    // Ops after one anchor: each goes behind the one added before it.
    let mut behind: HashMap<OpId, OpId> = HashMap::new();
    let mut ops = Vec::with_capacity(patch.ops.len());
    for (op, place) in &patch.ops {
        let op = op.clone();
        ops.push(match *place {
            Place::Before(anchor) => graph.insert_op(op, Some(anchor)),
            Place::After(anchor) => {
                let last = behind.get(&anchor).copied().unwrap_or(anchor);
                let next = graph.next_op(last);
                let id = graph.insert_op(op, next);
                behind.insert(anchor, id);
                id
            }
            Place::End => graph.insert_op(op, None),
        });
    }
    let op_of = |op: OpRef| match op {
        OpRef::Old(op) => op,
        OpRef::New(n) => ops[n as usize],
    };

    let mut touched: IndexSet<OpId> = ops.iter().copied().collect();
    // What is in these slots must leave first, so that a tensor never has two producers; and what
    // erased ops read, so that it is not looked for behind what others will read.
    let filled = |(op, slot): &(OpRef, u32), role| match op {
        OpRef::Old(op) => Some((*op, role, *slot)),
        OpRef::New(_) => None,
    };
    let results = patch.results.keys().filter_map(|at| filled(at, Role::Result));
    let operands = patch.operands.keys().filter_map(|at| filled(at, Role::Operand));
    let scratch = patch.intermediates.keys().filter_map(|at| filled(at, Role::Intermediate));
    graph.disconnect(results.chain(operands).chain(scratch), &patch.erased_ops);
    let results = patch.results.iter().map(|(at, tensor)| (at, Role::Result, Some(*tensor)));
    let operands = patch.operands.iter().map(|(at, tensor)| (at, Role::Operand, *tensor));
    let scratch = patch.intermediates.iter().map(|(at, id)| (at, Role::Intermediate, *id));
    for (&(op, slot), role, tensor) in results.chain(operands).chain(scratch) {
        touched.insert(op_of(op));
        graph.connect(op_of(op), role, slot, tensor.map(place));
    }

    let mut changed: IndexSet<TensorId> = tensors.iter().copied().collect();
    let mut retyped: IndexSet<TensorId> = IndexSet::new();
    for (tensor, change) in &patch.tensor_changes {
        use TensorChange::{Expressed, Name, Quantization, Type};
        let id = place(*tensor);
        changed.insert(id);
        let was_there = matches!(tensor, TensorRef::Old(_));
        if was_there && matches!(change, Type(_) | Quantization(_) | Expressed(_)) {
            retyped.insert(id);
        }
        if !matches!(change, Name(_)) {
            touched.extend(graph.uses(id).iter().map(|u| u.op));
            touched.extend(graph.producer(id).map(|(op, _)| op));
        }
        match change {
            TensorChange::Buffer(BufferRef::New(n)) => {
                graph.tensor_mut(id).buffer = constants[*n as usize];
            }
            Quantization(q) => {
                let mut q = q.clone();
                if let Some(q) = &mut q
                    && q.details.links().any(|link| link.is_upcoming().is_some())
                {
                    let details = &mut Arc::make_mut(q).details;
                    details.each_link(|link| *link = place((*link).into()));
                }
                graph.set_quantization(id, q);
            }
            change => change.set(graph.tensor_mut(id)),
        }
    }
    for (id, change) in &patch.op_changes {
        if !change.is_annotation() {
            touched.insert(*id);
        }
        let op = &mut graph.op_mut(*id).op;
        match change {
            OpChange::Op(new) => op.clone_from(new),
            OpChange::Attr(name, value) => {
                let attrs = op.attrs.as_mut().expect("checked");
                attrs.set(name, value.clone()).expect("checked");
            }
            OpChange::Note(name, value) => {
                op.notes.insert(name.clone(), value.clone());
            }
            OpChange::Version(version) => op.version = *version,
        }
    }
    let moves: HashMap<TensorId, TensorId> =
        patch.moved_outputs.iter().map(|(old, new)| (*old, place(*new))).collect();
    graph.move_outputs(&moves);
    if let Some(inputs) = &patch.inputs {
        graph.set_inputs(inputs.iter().map(|tensor| place(*tensor)));
    }
    if let Some(outputs) = &patch.outputs {
        graph.set_outputs(outputs.iter().map(|tensor| place(*tensor)));
    }
    for op in &patch.erased_ops {
        graph.remove_op(*op);
    }
    touched.retain(|op| !patch.erased_ops.contains(op));
    for tensor in &patch.erased_tensors {
        graph.remove_tensor(*tensor);
    }
    changed.retain(|tensor| !patch.erased_tensors.contains(tensor));
    module.signature_ends.replace_outputs(&mut module.signatures, &moves);

    Applied {
        subgraph: Some(subgraph),
        label: patch.label.clone(),
        pass: None,
        ops: touched.into_iter().collect(),
        erased: patch.erased_ops.iter().copied().collect(),
        tensors: changed.into_iter().collect(),
        retyped: retyped.into_iter().collect(),
        ops_added: patch.ops.len(),
        ops_erased: patch.erased_ops.len(),
        tensors_added: patch.tensors.len(),
        tensors_erased: patch.erased_tensors.len(),
        constants,
        ..Applied::default()
    }
}
