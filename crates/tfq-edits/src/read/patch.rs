//! Patches.

use super::names::PatchReader;
use super::path::{At, Read, each, for_each};
use super::value::integer;
use crate::handles::{BufferRef, TensorRef};
use crate::wire::{Attribute, Blob, NewOp, OpChange, Place, Plain};
use bytes::Bytes;
use tfq_ir::catalog::{AttrType, OptionsInfo};
use tfq_ir::maps::HashMap;
use tfq_ir::{Attr, Attributes, OpId, SubgraphId, did_you_mean};

impl PatchReader<'_> {
    pub(super) fn read(&self, at: &At<'_>) -> Read<tfq_ir::Patch> {
        let (of, p) = (self.of, self.patch);
        let mut made = tfq_ir::Patch::new(SubgraphId(p.subgraph), p.label.as_str().to_owned());
        let mut constants: Vec<Bytes> = Vec::with_capacity(p.add_constants.len());
        for_each(&p.add_constants, &at.field("add_constants"), |blob, at| {
            let bytes = match blob {
                Blob::New(before) => {
                    let before = constants.get(*before as usize).cloned();
                    before.ok_or_else(|| at.error("only constants before it can be named"))?
                }
                blob => of.blob(blob, at)?,
            };
            constants.push(bytes.clone());
            made.add_constant(bytes);
            Ok(())
        })?;
        for_each(&p.add_tensors, &at.field("add_tensors"), |tensor, at| {
            let id = made.add_tensor(self.tensor(tensor, at)?);
            // It may name a constant that the patch adds, which inside is a change.
            if let BufferRef::New(buffer) = tensor.buffer {
                made.set_buffer(id, tfq_ir::BufferRef::New(buffer.new));
            }
            Ok(())
        })?;
        for_each(&p.add_ops, &at.field("add_ops"), |new, at| self.add_op(new, &mut made, at))?;
        for_each(&p.set_operands, &at.field("set_operands"), |operand, at| {
            match self.slot(operand, at)? {
                (op, Some(tensor)) => made.set_operand(op, operand.slot, tensor),
                (op, None) => made.clear_operand(op, operand.slot),
            }
            Ok(())
        })?;
        for_each(&p.set_results, &at.field("set_results"), |result, at| {
            let op = self.op_ref(result.op, &at.field("op"))?;
            let tensor = self.tensor_ref(result.tensor, &at.field("tensor"))?;
            made.set_result(op, result.slot, tensor);
            Ok(())
        })?;
        for_each(&p.set_intermediates, &at.field("set_intermediates"), |scratch, at| {
            let (op, tensor) = self.slot(scratch, at)?;
            made.set_intermediate(op, scratch.slot, tensor);
            Ok(())
        })?;
        for_each(&p.replace_outputs, &at.field("replace_outputs"), |output, at| {
            let old = of.tensor_of(self.graph, output.old, &at.field("old"))?;
            made.replace_output(old, self.tensor_ref(output.new, &at.field("new"))?);
            Ok(())
        })?;
        let refs = |list: &[TensorRef], at: At<'_>| -> Read<Vec<_>> {
            each(list, &at, |tensor, at| self.tensor_ref(*tensor, at))
        };
        if let Some(inputs) = &p.set_inputs {
            made.set_inputs(refs(inputs, at.field("set_inputs"))?);
        }
        if let Some(outputs) = &p.set_outputs {
            made.set_outputs(refs(outputs, at.field("set_outputs"))?);
        }
        for_each(&p.change_tensors, &at.field("change_tensors"), |change, at| {
            let tensor = self.tensor_ref(change.tensor, &at.field("tensor"))?;
            made.change_tensor(tensor, self.tensor_change(&change.set, &at.field("set"))?);
            Ok(())
        })?;
        self.change_ops(&mut made, &at.field("change_ops"))?;
        for_each(&p.erase_ops, &at.field("erase_ops"), |op, at| {
            made.erase_op(of.op_of(self.graph, *op, at)?);
            Ok(())
        })?;
        for_each(&p.erase_tensors, &at.field("erase_tensors"), |tensor, at| {
            made.erase_tensor(of.tensor_of(self.graph, *tensor, at)?);
            Ok(())
        })?;
        Ok(made)
    }

    fn add_op(&self, new: &NewOp, made: &mut tfq_ir::Patch, at: &At<'_>) -> Read<()> {
        let op = self.of.op(&new.op, &at.field("op"))?;
        let anchor = |op, name| {
            let at = at.field("place");
            self.of.op_of(self.graph, op, &at.field(name))
        };
        let place = match new.place {
            Place::Before(op) => tfq_ir::InsertionPoint::Before(anchor(op, "before")?),
            Place::After(op) => tfq_ir::InsertionPoint::After(anchor(op, "after")?),
            Place::End => tfq_ir::InsertionPoint::End,
        };
        let optional = |list: &[Option<TensorRef>], at: At<'_>| -> Read<Vec<_>> {
            each(list, &at, |tensor, at| tensor.map(|id| self.tensor_ref(id, at)).transpose())
        };
        let operands = optional(&new.operands, at.field("operands"))?;
        let results: Vec<_> =
            each(&new.results, &at.field("results"), |tensor, at| self.tensor_ref(*tensor, at))?;
        let scratch = optional(&new.intermediates, at.field("intermediates"))?;
        let op = made.add_op(op, place, &operands, &results);
        for (slot, tensor) in (0..).zip(scratch) {
            made.set_intermediate(op, slot, tensor);
        }
        Ok(())
    }

    fn change_ops(&self, made: &mut tfq_ir::Patch, at: &At<'_>) -> Read<()> {
        let of = self.of;
        // The tables that ops have by then, for values of enums.
        let mut tables: HashMap<OpId, Option<&'static OptionsInfo>> = HashMap::default();
        for (n, change) in self.patch.change_ops.iter().enumerate() {
            let at = at.index(n);
            let op = of.op_of(self.graph, change.op, &at.field("op"))?;
            let at = at.field("set");
            match &change.set {
                OpChange::Op(new) => {
                    let new = of.op(new, &at.field("op"))?;
                    tables.insert(op, new.attrs.as_ref().map(Attributes::options));
                    made.set_op(op, new);
                }
                OpChange::Attribute { name, value } => {
                    let now = || self.graph.op(op).attrs.as_ref().map(Attributes::options);
                    let table = *tables.entry(op).or_insert_with(now);
                    let at = at.field("attribute");
                    made.set_attr(op, name.clone(), self.set(table, name, value, &at)?);
                }
                OpChange::Note { name, value } => {
                    let at = at.field("note");
                    made.set_note(op, name.clone(), of.attribute(value, &at.field("value"))?);
                }
                OpChange::Version(version) => made.set_version(op, *version),
            }
        }
        Ok(())
    }

    /// A value for an attribute of an op that has this table.
    fn set(
        &self,
        table: Option<&'static OptionsInfo>,
        name: &str,
        value: &Attribute,
        at: &At<'_>,
    ) -> Read<Attr> {
        let table = table.ok_or_else(|| at.error("the op has no table of attributes"))?;
        let info = table.attr(name).map(|(_, info)| info).ok_or_else(|| {
            let help = did_you_mean(name, table.attrs.iter().map(|info| info.name));
            at.field("name").error(format!("{} has no attribute `{name}`", table.name)).help(help)
        })?;
        let at = at.field("value");
        match (value, info.ty) {
            (Attribute::Enum(value), AttrType::Enum(values)) => {
                integer(&Plain::Text(value.clone()), Some(values), &at.field("enum")).map(Attr::Int)
            }
            (Attribute::Enum(_), _) => {
                Err(at.field("enum").error(format!("{}.{name} is of no enum", table.name)))
            }
            (value, _) => self.of.attribute(value, &at),
        }
    }
}
