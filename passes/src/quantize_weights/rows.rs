//! Tables with a scale for each row: a lookup that copies codes gives way to one that dequantises
//! the rows that it looks up.

use super::candidate::Objection;
use super::form::{Form, Group, WeightUse};
use super::reading::Select;
use crate::costs::PER_DEQUANTIZE;
use tfq_ir::catalog::ops;
use tfq_ir::ops::semantics_of;
use tfq_ir::{
    ElementType, InsertionPoint, Module, Op, OpId, OpKind, Patch, Subgraph, SubgraphId, Tensor,
    TensorId, TensorRef,
};
use tfq_pass::{HYBRID_NOTE, PassError, Session};
use tfq_target::{Verdict, WeightForm, WeightOperand};

impl Select<'_> {
    /// Whether the op copies what it looks up in the constant.
    pub(super) fn looks_up(&self, u: &WeightUse) -> bool {
        self.copies(u.sg, u.op)
    }

    pub(super) fn copies(&self, sg: SubgraphId, op: OpId) -> bool {
        let facts = self.target.facts_of(self.module.subgraph(sg), op);
        facts.is_some_and(|facts| facts.pass_through)
    }

    /// Whether XNNPACK takes the lookup that the op would become; or why it cannot become one that
    /// reads a table with a scale for each row.
    pub(super) fn reads_rows(&self, u: &WeightUse, form: &WeightForm) -> Result<bool, String> {
        let no = || self.no_rows(u).to_owned();
        if !self.takes_ops {
            return Err("metadata refers to ops or tensors by number".to_owned());
        }
        let patch = as_lookup(self.module, u, &*self.has_sure_shape).ok_or_else(no)?;
        let mut seen = self.module.clone();
        let applied = seen.apply(patch).map_err(|_| no())?;
        let graph = seen.subgraph(u.sg);
        let mut added = applied.added_ops().iter();
        let lookup =
            added.find(|op| graph.op(**op).kind.is(ops::EMBEDDING_LOOKUP)).ok_or_else(no)?;
        let operand = WeightOperand { module: &seen, sg: u.sg, op: *lookup, slot: TABLE };
        match self.target.hybrid(operand, form) {
            Verdict::Hybrid { delegated } => Ok(delegated),
            Verdict::Dequantize { reason } => Err(reason),
        }
    }

    /// Why the op cannot become a lookup of rows.
    fn no_rows(&self, u: &WeightUse) -> &'static str {
        let graph = self.module.subgraph(u.sg);
        let numbers = row_numbers(graph, u);
        let ty = numbers.map(|id| graph.tensor(id).ty);
        let is_open = |id| !is_list(graph.tensor(id)) && !(self.has_sure_shape)(u.sg, id);
        match ty {
            Some(ElementType::Int32) if numbers.is_some_and(is_open) => {
                "it looks up rows by numbers whose shape is open; --set-shape gives inputs theirs"
            }
            _ => "it looks up something else than rows by a list of 32-bit numbers",
        }
    }

    /// Why rows do not get a scale each, where all lookups could read them: float16 is more exact,
    /// so it must be larger.
    pub(super) fn rows_too_dear(
        &self,
        uses: &[WeightUse],
        tensor: &Tensor,
        cost: u64,
    ) -> Option<Objection> {
        let [as_rows, as_halves] = [1, 2].map(|bytes| self.saved(tensor, bytes));
        let scales = u64::try_from(*tensor.shape.first()?).ok()?;
        let reshaped = uses.iter().filter(|u| {
            let graph = self.module.subgraph(u.sg);
            let numbers = row_numbers(graph, u).filter(|_| self.looks_up(u));
            numbers.is_some_and(|numbers| !is_list(graph.tensor(numbers)))
        });
        let reshapes = reshaped.count();
        let cost = cost + 2 * PER_DEQUANTIZE * reshapes as u64;
        (as_rows <= as_halves + cost).then_some(Objection::NoGain { scales, biases: 0 })
    }
}

/// The operand of EMBEDDING_LOOKUP that is the table; the other one holds the row numbers.
const TABLE: u32 = 1;

/// Lets lookups of the group read a scale for each row, and tells of it.
pub(super) fn look_up(group: &Group, session: &mut Session<'_>) -> Result<(), PassError> {
    if !matches!(group.form, Form::Rows) {
        return Ok(());
    }
    for u in &group.uses {
        let module = session.model();
        let graph = module.subgraph(u.sg);
        let facts = session.target().facts_of(graph, u.op);
        let said = graph.op(u.op).notes.contains_key(HYBRID_NOTE);
        if said || !facts.is_some_and(|facts| facts.pass_through) {
            continue;
        }
        let sure = |sg, id| session.has_sure_shape(sg, id);
        let Some(patch) = as_lookup(module, u, &sure) else { continue };
        let (place, kind) = (module.op_place(u.sg, u.op).to_string(), &graph.op(u.op).kind);
        let told = format!(
            "it becomes an EMBEDDING_LOOKUP, which reads a table with a scale for each row \
             (deny={kind} leaves it)"
        );
        session.apply(patch)?;
        session.applied("looked up by rows", place, told);
        session.count("lookups-by-rows", 1);
    }
    Ok(())
}

/// The op as an EMBEDDING_LOOKUP, where it looks up rows of a matrix: both refuse row numbers that
/// the table does not have. That op takes a list of them, and others are made one for it.
fn as_lookup(
    module: &Module,
    u: &WeightUse,
    has_sure_shape: &dyn Fn(SubgraphId, TensorId) -> bool,
) -> Option<Patch> {
    let graph = module.subgraph(u.sg);
    let op = graph.op(u.op);
    let (indices, table) = (row_numbers(graph, u)?, graph.operand(u.op, u.slot)?);
    let [result] = graph.results(u.op)[..] else { return None };
    let (numbers, to) = (graph.tensor(indices), graph.tensor(result));
    let whole = op.int("batch_dims").unwrap_or(0) == 0;
    let [_, columns] = *graph.tensor(table).shape else { return None };
    if numbers.ty != ElementType::Int32 || to.ty != ElementType::Float32 || !whole {
        return None;
    }
    let lookup = Op::new(OpKind::Builtin(ops::EMBEDDING_LOOKUP));
    let mut patch = Patch::new(u.sg, "look rows up that have a scale each");
    let list: TensorRef = indices.into();
    if is_list(numbers) {
        patch.replace_op(graph, u.op, lookup, &[Some(list), Some(table.into())]);
        return Some(patch);
    }
    let count = i32::try_from(numbers.elements()?).ok()?;
    if !has_sure_shape(u.sg, indices) || !has_sure_shape(u.sg, result) {
        return None;
    }
    let before = InsertionPoint::Before(u.op);
    let flat = |of: &Tensor, suffix: &str, shape: &[i32]| {
        let mut flat = Tensor::new("", of.ty, shape);
        flat.name = Some(format!("{}{suffix}", of.label()).into());
        flat
    };
    let numbers = patch.add_tensor(flat(numbers, "_list", &[count]));
    patch.add_op(Op::reshape(&[count]), before, &[Some(list)], &[numbers]);
    let found = patch.add_tensor(flat(to, "_rows", &[count, columns]));
    patch.add_op(lookup, before, &[Some(numbers), Some(table.into())], &[found]);
    patch.replace_op(graph, u.op, Op::reshape(&to.shape), &[Some(found)]);
    Some(patch)
}

/// The operand that holds positions along the first axis of the constant.
fn row_numbers(graph: &Subgraph, u: &WeightUse) -> Option<TensorId> {
    let op = graph.op(u.op);
    let what = semantics_of(op)?;
    let mut slots = 0..graph.operands(u.op).len() as u32;
    let slot = slots.find(|slot| what.selected_by(op, *slot) == Some((u.slot, 0)))?;
    graph.operand(u.op, slot)
}

fn is_list(tensor: &Tensor) -> bool {
    tensor.shape.len() == 1
}
