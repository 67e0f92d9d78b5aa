//! What an op is.

use super::names::EditReader;
use super::path::{At, Read};
use super::value::{builtin, table_of};
use crate::wire::{Op, Operator};
use tfq_ir::{OpKind, counted};

impl EditReader<'_> {
    pub(super) fn op(&self, op: &Op, at: &At<'_>) -> Read<tfq_ir::Op> {
        let kind = match &op.operator {
            Operator::Custom(custom) => OpKind::Custom(custom.custom.as_str().into()),
            Operator::Builtin(code) => OpKind::Builtin(builtin(code, &at.field("operator"))?),
        };
        let own = kind.options();
        let table = match &op.table {
            Some(name) => Some(table_of(name, &at.field("table"))?),
            None => own,
        };
        if op.no_table && (op.table.is_some() || !op.attributes.0.is_empty()) {
            return Err(at.field("no_table").error("it goes with no table and no attributes"));
        }
        let attrs = match table.filter(|_| !op.no_table) {
            Some(table) => Some(self.attributes(table, &op.attributes, &at.field("attributes"))?),
            None => match op.attributes.0.first() {
                None => None,
                Some(_) => {
                    let what = format!("{kind} has no table of attributes of its own");
                    let help = "leave them out, or say which `table` they are of";
                    return Err(at.field("attributes").error(what).help(Some(help.to_owned())));
                }
            },
        };
        let extra_attrs = match &op.second {
            None => None,
            Some(second) => {
                let at = at.field("second");
                let options = table_of(&second.table, &at.field("table"))?;
                let place = at.field("attributes");
                Some(Box::new(self.attributes(options, &second.attributes, &place)?))
            }
        };
        let custom_options = match &op.custom_options {
            None => tfq_ir::CustomOptions::default(),
            Some(custom) => tfq_ir::CustomOptions {
                bytes: self
                    .some_blob(&custom.content, &at.field("custom_options").field("content"))?,
                format: custom.format,
                large: custom.large,
            },
        };
        if let Some(code) = op.code.filter(|code| *code as usize >= self.module.op_codes().len()) {
            let count = counted(self.module.op_codes().len(), "operator code");
            let what = format!("there is no operator code {code}: the model has {count}");
            let help = "leave it out: an op that is new gets one when the model is written";
            return Err(at.field("code").error(what).help(Some(help.to_owned())));
        }
        let mut read = tfq_ir::Op::new(kind);
        read.version = op.version;
        read.code = op.code;
        read.attrs = attrs;
        let mutating_variable_inputs = op.mutates.clone();
        read.rare = tfq_ir::OpRare { extra_attrs, custom_options, mutating_variable_inputs }.into();
        read.debug_metadata_index = op.debug_metadata_index;
        let notes = at.field("notes");
        for (name, value) in &op.notes.0 {
            let value = self.attribute(value, &notes.field(name))?;
            read.notes.insert(name.clone().into(), value);
        }
        Ok(read)
    }
}
