//! Ops: what they compute, their attributes and options.

use super::attributes::{Attr, Attributes};
use super::notes::Notes;
use crate::catalog::ops::RESHAPE;
use crate::catalog::{self, AttrDefault, OptionsInfo, op_by_code};
use crate::rare::{Rare, rarely};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// What an op computes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// An operator of the format, by its number ([`catalog::ops`]).
    Builtin(i32),
    /// An operator that the runtime must be taught, by its name.
    Custom(Arc<str>),
}

impl OpKind {
    /// The operator's name: `CONV_2D`, or the custom name.
    pub fn name(&self) -> &str {
        match self {
            Self::Builtin(code) => catalog::op_by_code(*code).map_or("UNKNOWN", |op| op.name),
            Self::Custom(name) => name,
        }
    }

    /// The table of options that the operator goes with; custom ones have none.
    pub fn options(&self) -> Option<&'static OptionsInfo> {
        match self {
            Self::Builtin(code) => catalog::op_by_code(*code)?.options,
            Self::Custom(_) => None,
        }
    }

    /// Whether it is this operator of the format.
    pub fn is(&self, code: i32) -> bool {
        *self == Self::Builtin(code)
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(_) => f.write_str(self.name()),
            Self::Custom(name) => write!(f, "CUSTOM {}", crate::visible_quoted(name)),
        }
    }
}

/// An op of a subgraph. Its operands and results are edges of the graph: ask
/// [`crate::Subgraph`] for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// What it computes.
    pub kind: OpKind,
    /// Operator version that the runtime must know.
    pub version: i32,
    /// The entry of the model's operator codes that it came with; `None` for an op that a
    /// pass made. Lowering decides which entry it gets.
    pub code: Option<u32>,
    /// Its options table.
    pub attrs: Option<Attributes>,
    /// Index into the debug metadata, -1 for none.
    pub debug_metadata_index: i32,
    /// Discardable attributes: what passes tell each other about the op. Not written.
    pub notes: Notes,
    /// What is said of few ops. Its fields are reached as if they were the op's own.
    pub rare: Rare<OpRare>,
}

/// What is said of few ops.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpRare {
    /// A second options table, where the file fills both unions of the schema: then
    /// [`Op::attrs`] is of `builtin_options`, and this of `builtin_options_2`.
    pub extra_attrs: Option<Box<Attributes>>,
    /// Options of a custom op.
    pub custom_options: CustomOptions,
    /// Which operands the op changes in place; empty where the file does not say.
    pub mutating_variable_inputs: Vec<bool>,
}

rarely!(OpRare, of Op);

/// The payload of a custom op.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomOptions {
    /// The bytes; `None` where the file has none.
    pub bytes: Option<Bytes>,
    /// The schema's `CustomOptionsFormat`.
    pub format: i8,
    /// Whether the bytes lay behind the flatbuffer.
    pub large: bool,
}

impl Op {
    /// An op of version 1 without options.
    pub fn new(kind: OpKind) -> Self {
        Self {
            kind,
            version: 1,
            code: None,
            attrs: None,
            debug_metadata_index: -1,
            notes: Notes::default(),
            rare: Rare::default(),
        }
    }

    /// A builtin op of version 1 with every option at its default, by its code
    /// ([`crate::catalog::ops`]).
    ///
    /// ```
    /// use tfq_ir::{Attr, Op, catalog::ops::CONCATENATION};
    ///
    /// let op = Op::builtin(CONCATENATION).with("axis", Attr::Int(3));
    /// assert_eq!(op.int("axis"), Some(3));
    /// ```
    pub fn builtin(code: i32) -> Self {
        let options = op_by_code(code).and_then(|op| op.options);
        Self { attrs: options.map(Attributes::new), ..Self::new(OpKind::Builtin(code)) }
    }

    /// A RESHAPE to this shape, which is known beforehand.
    pub fn reshape(shape: &[i32]) -> Self {
        let shape = shape.iter().map(|dim| i64::from(*dim)).collect();
        Self::builtin(RESHAPE).with("new_shape", Attr::Ints(shape))
    }

    /// The op with an attribute set, by schema name.
    ///
    /// # Panics
    /// If the op has no such attribute, or not of this type.
    #[must_use]
    pub fn with(mut self, name: &str, value: Attr) -> Self {
        let set = self.attrs.as_mut().map(|attrs| attrs.set(name, value));
        assert!(
            matches!(set, Some(Ok(()))),
            "{} has no attribute `{name}` of this type",
            self.kind
        );
        self
    }

    /// An integer or enum attribute, by schema name.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attrs.as_ref()?.int(name)
    }

    /// A boolean attribute, by schema name.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.attrs.as_ref()?.bool(name)
    }

    /// An attribute as a number, by schema name: an integer, an enum or a flag, at its default where
    /// the op has none; 0 where it is nothing of the kind.
    pub fn number(&self, name: &str) -> i64 {
        let default = || {
            let attr = self.kind.options().and_then(|options| options.attr(name));
            attr.map(|(_, attr)| attr.default)
        };
        match self.attrs.as_ref().and_then(|attrs| attrs.get(name)) {
            Some(Attr::Int(value)) => value,
            Some(Attr::Bool(value)) => value.into(),
            Some(_) => 0,
            None => match default() {
                Some(AttrDefault::Int(value)) => value,
                Some(AttrDefault::Bool(value)) => value.into(),
                _ => 0,
            },
        }
    }

    /// The subgraphs that its attributes refer to, as (attribute, value): bodies and
    /// conditions of control flow, decompositions of composites. -1 means none.
    pub fn subgraph_refs(&self) -> Vec<(&'static str, i64)> {
        let mut refs = Vec::new();
        for attrs in self.attrs.iter().chain(self.extra_attrs.as_deref()) {
            for info in attrs.options().attrs.iter().filter(|info| info.subgraph) {
                match attrs.get(info.name) {
                    Some(Attr::Int(value)) => refs.push((info.name, value)),
                    Some(Attr::Ints(values)) => {
                        refs.extend(values.iter().map(|value| (info.name, *value)));
                    }
                    _ => (),
                }
            }
        }
        refs
    }
}
