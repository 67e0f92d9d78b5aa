//! Ops and their attributes.

use super::pieces::truth;
use super::printer::{Printed, Printer};
use crate::{Level, quote, values};
use std::fmt::Write;
use tfq_ir::catalog::{AttrInfo, AttrType, ListType};
use tfq_ir::quote_into;
use tfq_ir::{Attr, Attributes, Op, OpId, Tensor};

impl Printer<'_> {
    pub(super) fn op(&mut self, place: &Printed<'_>, id: OpId) {
        let op = place.graph.op(id);
        let results = place.graph.results(id);
        self.out.push_str("  ");
        for (n, result) in results.iter().enumerate() {
            self.separate(n);
            self.tensor_name(place, *result);
        }
        if !results.is_empty() {
            self.out.push_str(" = ");
        }
        self.kind(&op.kind);
        if op.version != 1 && self.level >= Level::Quant {
            _ = write!(self.out, ".v{}", op.version);
        }
        self.out.push('(');
        for (n, operand) in place.graph.operands(id).into_iter().enumerate() {
            self.separate(n);
            self.operand(place, operand);
        }
        self.out.push(')');
        let scratch = place.graph.intermediates(id);
        if !scratch.is_empty() {
            self.out.push_str(" scratch(");
            for (n, operand) in scratch.into_iter().enumerate() {
                self.separate(n);
                self.operand(place, operand);
            }
            self.out.push(')');
        }
        if self.level >= Level::Types {
            self.options(op);
            let described: Vec<Option<&Tensor>> = results
                .iter()
                .map(|id| Some(place.graph.tensor(*id)).filter(|_| !place.names.apart.contains(id)))
                .collect();
            self.result_types(place, &described);
        }
        self.out.push('\n');
    }

    pub(super) fn result_types(&mut self, place: &Printed<'_>, results: &[Option<&Tensor>]) {
        if results.iter().all(Option::is_none) {
            return;
        }
        self.out.push_str(if results.len() > 1 { " : (" } else { " : " });
        for (n, tensor) in results.iter().enumerate() {
            self.separate(n);
            let Some(tensor) = tensor else {
                // It has its type where it is declared.
                self.out.push('_');
                continue;
            };
            self.description(place, tensor, false);
            if tensor.is_variable {
                self.out.push_str(" variable");
            }
        }
        if results.len() > 1 {
            self.out.push(')');
        }
    }

    /// What passes left for later ones: a state between two passes is not whole without.
    fn notes(&mut self, op: &Op) {
        if op.notes.is_empty() {
            return;
        }
        self.out.push_str(" notes(");
        for (n, (name, value)) in op.notes.iter().enumerate() {
            self.separate(n);
            quote_into(&mut self.out, name);
            self.out.push_str(" = ");
            match value {
                Attr::Bool(v) => self.out.push_str(truth(*v)),
                Attr::Int(v) => _ = write!(self.out, "{v}"),
                Attr::Float(v) => self.out.push_str(&format!("{v:?}").to_lowercase()),
                Attr::String(v) => quote_into(&mut self.out, v),
                Attr::Bytes(v) => quote::bytes(&mut self.out, v),
                Attr::Bools(v) => _ = write!(self.out, "{v:?}"),
                Attr::Ints(v) => _ = write!(self.out, "{v:?}"),
                Attr::Floats(v) => self.out.push_str(&format!("{v:?}").to_lowercase()),
            }
        }
        self.out.push(')');
    }

    pub(super) fn options(&mut self, op: &Op) {
        let custom = &op.custom_options;
        if *custom != Default::default() {
            self.out.push_str(" options(");
            match &custom.bytes {
                // Large custom options, which are placed behind the flatbuffer, hold weights.
                Some(bytes) if custom.large => self.blob(bytes),
                Some(bytes) => self.steering_blob(bytes),
                None => self.out.push_str("none"),
            }
            if custom.format != 0 {
                _ = write!(self.out, ", format = {}", custom.format);
            }
            if custom.large {
                self.out.push_str(", large");
            }
            self.out.push(')');
        }
        if !op.mutating_variable_inputs.is_empty() {
            self.out.push_str(" mutates ");
            self.plain(&op.mutating_variable_inputs, |out, v| out.push_str(truth(*v)));
        }
        if self.level == Level::Full {
            if op.debug_metadata_index != -1 {
                _ = write!(self.out, " debug {}", op.debug_metadata_index);
            }
            if let Some(nth) = self.nth_code(op) {
                _ = write!(self.out, " code {nth}");
            }
            self.notes(op);
        }
        let expected = op.kind.options();
        match &op.attrs {
            None if expected.is_some() && self.level == Level::Full => {
                self.out.push_str(" {none}");
            }
            None => (),
            Some(attrs) => {
                let usual = expected.is_some_and(|info| info.name == attrs.options().name);
                // Of two tables the first must be there, or the second would take its place.
                if !usual || attrs.set_values().next().is_some() || op.extra_attrs.is_some() {
                    self.attributes(attrs, !usual);
                }
            }
        }
        if let Some(attrs) = &op.extra_attrs {
            self.attributes(attrs, true);
        }
    }

    /// Which of the operator codes of its kind an op has, where it is not the first.
    pub(super) fn nth_code(&self, op: &Op) -> Option<usize> {
        let own = op.code? as usize;
        self.module.op_codes().get(own).filter(|code| code.kind() == op.kind)?;
        Some(self.nth_codes[own]).filter(|nth| *nth > 0)
    }

    pub(super) fn attributes(&mut self, attrs: &Attributes, named: bool) {
        self.out.push_str(" {");
        if named {
            self.out.push_str(attrs.options().name);
            if attrs.set_values().next().is_some() {
                self.out.push_str(": ");
            }
        }
        for (n, (info, value)) in attrs.set_values().enumerate() {
            self.separate(n);
            self.out.push_str(info.name);
            self.out.push_str(" = ");
            self.attribute(info, value);
        }
        self.out.push('}');
    }

    pub(super) fn attribute(&mut self, info: &AttrInfo, value: &Attr) {
        match value {
            Attr::Bool(v) => self.out.push_str(truth(*v)),
            Attr::Int(v) => self.int(info, *v),
            Attr::Float(v) => values::float32(&mut self.out, *v),
            Attr::String(v) => quote_into(&mut self.out, v),
            Attr::Bytes(v) => self.steering_blob(v),
            Attr::Bools(v) => self.plain(v, |out, v| out.push_str(truth(*v))),
            Attr::Floats(v) => self.plain(v, |out, v| values::float32(out, *v)),
            Attr::Ints(v) => {
                self.out.push('[');
                for (n, v) in v.iter().enumerate() {
                    self.separate(n);
                    self.int(info, *v);
                }
                self.out.push(']');
            }
        }
    }

    pub(super) fn int(&mut self, info: &AttrInfo, value: i64) {
        let subgraph = usize::try_from(value).ok().and_then(|n| self.subgraphs.get(n));
        let named = match info.ty {
            AttrType::Enum(values) | AttrType::List(ListType::Enum(values)) => {
                values.name_of(value)
            }
            _ => None,
        };
        match (named, subgraph) {
            (Some(name), _) => self.out.push_str(name),
            (None, Some(name)) if info.subgraph => quote::name(&mut self.out, '@', name),
            _ => _ = write!(self.out, "{value}"),
        }
    }
}
