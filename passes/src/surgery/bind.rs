//! Gives inputs other shapes, and all that follows from them.

use super::mend::{Batch, mend};
use crate::shapes::{Fact, Mended, Walk, state};
use bytes::Bytes;
use tfq_ir::catalog::ops::RESHAPE;
use tfq_ir::maps::HashMap;
use tfq_ir::ops::{OperandRole, Shape, semantics_of};
use tfq_ir::{Attr, ElementType, Module, OpId, Patch, SubgraphId, Tensor, TensorChange, TensorId};
use tfq_pass::{PassError, Session};

/// Gives inputs these shapes. What constants say of them is mended where it can mean nothing else.
pub(super) fn bind(
    session: &mut Session<'_>,
    bound: &HashMap<TensorId, Shape>,
) -> Result<(), PassError> {
    // Edits leave tensors and ops the handles that they have here.
    let module = session.model().clone();
    let old = Walk::with_inputs(&module, &HashMap::default(), None);
    let batch = Batch { module: &module, old: &old, bound };
    let mend = |node: &_, sg, op, facts: &[Option<Fact>]| mend(&batch, node, sg, op, facts);
    let new = Walk::with_inputs(&module, bound, Some(&mend));
    if old.gave_up() || new.gave_up() {
        return unsupported("subgraphs call each other in a circle".to_owned());
    }
    for ((sg, op), why) in &new.impossible {
        if !old.impossible.contains_key(&(*sg, *op)) {
            let place = module.op_place(*sg, *op);
            return unsupported(format!("{place} cannot have inputs of these shapes: {why}"));
        }
    }
    for sg in new.subgraphs() {
        for op in module.subgraph(*sg).ops() {
            if let Some(why) = loses_batch(&old, &new, &module, *sg, op) {
                return unsupported(format!("{}: {why}", module.op_place(*sg, op)));
            }
            tell_untold(session, &old, &new, &module, (*sg, op));
        }
    }
    if let Some(why) = follows_nowhere(&old, &new, &module, bound) {
        return unsupported(why);
    }
    for sg in new.subgraphs() {
        rewrite(session, &old, &new, &module, *sg)?;
    }
    tell_outputs(session, &old, &new, &module);
    Ok(())
}

fn unsupported<T>(message: String) -> Result<T, PassError> {
    Err(PassError::Unsupported(message))
}

fn rewrite(
    session: &mut Session<'_>,
    old: &Walk<'_>,
    new: &Walk<'_>,
    module: &Module,
    sg: SubgraphId,
) -> Result<(), PassError> {
    let mut patch = Patch::new(sg, "set shapes");
    let stated = state(new, module, sg, &mut patch, |_| false);
    for op in module.subgraph(sg).ops() {
        for (id, shape) in states(old, new, module, sg, op) {
            let place = module.tensor_place(sg, id);
            let message = format_args!("its rows are those of the batch: it is {shape:?} now");
            session.applied("state of a batch", place, message);
            patch.change_tensor(id, TensorChange::Shape(shape.into()));
        }
    }
    for ((_, op), mended) in new.mended.iter().filter(|((of, _), _)| *of == sg) {
        apply_mended(module, &mut patch, sg, *op, mended);
        let Mended { was, values, .. } = mended;
        let message = format_args!("{was:?} has the batch in it: it is {values:?} now");
        session.applied("constant with the batch", module.op_place(sg, *op), message);
        session.count("shapes-mended", 1);
    }
    for id in stated.told {
        if module.subgraph(sg).is_input(id) {
            let shape = new.fact(sg, id).shape;
            session.applied("input", module.tensor_place(sg, id), format_args!("it is {shape}"));
            session.count("inputs-bound", 1);
        }
    }
    if let Some(reason) = session.forbidden(&patch) {
        return unsupported(reason);
    }
    let refused = |error| match error {
        PassError::Rejected(why) => {
            PassError::Unsupported(format!("the model cannot have these shapes: {why}"))
        }
        other => other,
    };
    session.apply(patch).map(|_| ()).map_err(refused)
}

/// Lets an op read other integers than the file has.
fn apply_mended(module: &Module, patch: &mut Patch, sg: SubgraphId, op: OpId, mended: &Mended) {
    let graph = module.subgraph(sg);
    if graph.op(op).kind.is(RESHAPE) {
        // The attribute says the same, for readers that know no operand.
        let same = graph.op(op).attrs.as_ref().and_then(|attrs| attrs.get("new_shape"));
        if matches!(same, Some(Attr::Ints(values)) if *values == *mended.was) {
            patch.set_attr(op, "new_shape", Attr::Ints(mended.values.clone().into()));
        }
    }
    let Some(slot) = mended.slot else { return };
    let Some(constant) = graph.operand(op, slot) else { return };
    let constant = graph.tensor(constant);
    let bytes: Vec<u8> = match constant.ty {
        ElementType::Int64 => mended.values.iter().flat_map(|n| n.to_le_bytes()).collect(),
        _ => mended.values.iter().flat_map(|n| (*n as i32).to_le_bytes()).collect(),
    };
    // Others may read it too, for whom it means something else.
    let tensor = Tensor { name: constant.name.clone(), ..constant.clone() };
    let new = patch.new_constant(tensor, Bytes::from(bytes));
    patch.set_operand(op, slot, new);
}

/// The variables of an op that have a row for each sample of its batch, with the shape that they need now.
fn states(
    old: &Walk<'_>,
    new: &Walk<'_>,
    module: &Module,
    sg: SubgraphId,
    op: OpId,
) -> Vec<(TensorId, Vec<i32>)> {
    let graph = module.subgraph(sg);
    let node = graph.op(op);
    let Some(what) = semantics_of(node) else { return Vec::new() };
    let Some(input) = graph.operand(op, 0) else { return Vec::new() };
    let batch = |walk: &Walk<'_>| {
        let fact = walk.fact(sg, input);
        let dims = fact.shape.dims()?;
        let time_first = dims.len() == 3 && node.bool("time_major").unwrap_or(false);
        dims.get(usize::from(time_first)).copied().flatten()
    };
    let Some(size) = batch(new) else { return Vec::new() };
    let was = batch(old);
    let states = what.slots(OperandRole::State).filter_map(|slot| graph.operand(op, slot));
    let states = states.filter(|id| graph.tensor(*id).is_variable).filter_map(|id| {
        let mut shape = graph.tensor(id).shape.to_vec();
        let rows = shape.first_mut()?;
        let follows = *rows != size && was.is_none_or(|was| was == *rows);
        *rows = size;
        follows.then_some((id, shape))
    });
    states.collect()
}

/// Why the samples of a batch do not come through an op, where there was one and are several.
fn loses_batch(
    old: &Walk<'_>,
    new: &Walk<'_>,
    module: &Module,
    sg: SubgraphId,
    op: OpId,
) -> Option<&'static str> {
    let graph = module.subgraph(sg);
    let what = semantics_of(graph.op(op)).filter(|_| !graph.op(op).kind.runs_subgraphs())?;
    let grows = graph.operands(op).into_iter().enumerate().any(|(slot, id)| {
        let data = what.operand(slot).is_some_and(|info| info.role == OperandRole::Activation);
        let Some(id) = id.filter(|_| data) else { return false };
        let (was, is) = (old.fact(sg, id).shape, new.fact(sg, id).shape);
        let first = |shape: &Shape| shape.dims()?.first().copied().flatten();
        first(&was) == Some(1) && first(&is).is_some_and(|size| size != 1)
    });
    let same = |id: TensorId| {
        let (was, is) = (old.fact(sg, id), new.fact(sg, id));
        was.static_dims().is_some() && was.shape == is.shape
    };
    let lost = grows && graph.results(op).into_iter().all(same);
    lost.then_some("it makes one result of the samples of a batch, of which there was only one")
}

/// Why the model does not take a batch in the place of what it was made for, if no output shows anything
/// of it.
fn follows_nowhere(
    old: &Walk<'_>,
    new: &Walk<'_>,
    module: &Module,
    bound: &HashMap<TensorId, Shape>,
) -> Option<String> {
    let all = || crate::shapes::entries(module).into_iter().map(|sg| (sg, module.subgraph(sg)));
    let was_fixed = |sg, id: TensorId| {
        let first = |shape: &Shape| shape.dims().and_then(|dims| dims.first().copied().flatten());
        let was = first(&old.fact(sg, id).shape);
        was.is_some() && bound.get(&id).is_some_and(|shape| first(shape) != was)
    };
    let fixed = all().any(|(sg, graph)| graph.inputs().iter().any(|id| was_fixed(sg, *id)));
    let stays = |sg, id: TensorId| old.fact(sg, id).shape == new.fact(sg, id).shape;
    let nowhere = all().all(|(sg, graph)| graph.outputs().iter().all(|id| stays(sg, *id)));
    (fixed && nowhere).then(|| {
        "no output has another shape with that batch: the model was made for one of that size only"
            .to_owned()
    })
}

/// Tells of an op of which it is not known what becomes of its operands' new shapes.
fn tell_untold(
    session: &Session<'_>,
    old: &Walk<'_>,
    new: &Walk<'_>,
    module: &Module,
    (sg, op): (SubgraphId, OpId),
) {
    if !new.untold.contains_key(&(sg, op)) {
        return;
    }
    let graph = module.subgraph(sg);
    let mut operands = graph.operands(op).into_iter().flatten();
    if operands.any(|id| old.fact(sg, id).shape != new.fact(sg, id).shape) {
        let message = "what it gives is not known: its results keep the shapes that the file says";
        session.missed("shapes", module.op_place(sg, op), message);
    }
}

/// Tells of outputs that stay as they are whatever the inputs are.
fn tell_outputs(session: &Session<'_>, old: &Walk<'_>, new: &Walk<'_>, module: &Module) {
    for sg in crate::shapes::entries(module) {
        for id in module.subgraph(sg).outputs() {
            let (was, is) = (old.fact(sg, *id).shape, new.fact(sg, *id).shape);
            let place = module.tensor_place(sg, *id);
            match was == is {
                true => session.note("output", place, format_args!("it stays {is}")),
                false => session.note("output", place, format_args!("it is {is}")),
            }
        }
    }
}
