//! Patterns over ops and their operands, as authors write them.

use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;
use tfq_ir::catalog::op_by_code;
use tfq_ir::ops::{OpSemantics, OperandRole, operators_that, semantics};
use tfq_ir::{Op, OpKind, Tensor};

/// What an operand must be.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// Any tensor; the rule calls it by this name.
    Any(Cow<'static, str>),
    /// A constant that nobody can change; the rule calls it by this name.
    Constant(Cow<'static, str>),
    /// A constant of the file, also one that a caller may set; the rule calls it by this name.
    Stored(Cow<'static, str>),
    /// The result of an op.
    Op(OpPattern),
}

/// What an op must be.
#[derive(Clone, Debug)]
pub struct OpPattern {
    kinds: SmallVec<[OpKind; 2]>,
    codes: Codes,
    pub(super) operands: Vec<(OperandKey, Pattern)>,
    /// Which of its results is meant, where it stands as an operand; `None` for any.
    pub(super) result: Option<u32>,
    pub(super) any_order: bool,
    pub(super) name: Option<Cow<'static, str>>,
}

/// Which operand.
#[derive(Clone, Copy, Debug)]
pub(super) enum OperandKey {
    At(u32),
    /// The one that is this to the op.
    Of(OperandRole),
}

/// Any tensor, by this name. The same name twice must be the same tensor.
pub fn any(name: impl Into<Cow<'static, str>>) -> Pattern {
    Pattern::Any(name.into())
}

/// A constant that neither a caller nor an op can change ([`tfq_ir::Module::fixed_constant`]), by
/// this name.
pub fn constant(name: impl Into<Cow<'static, str>>) -> Pattern {
    Pattern::Constant(name.into())
}

/// A constant of the file, by this name, also one that is an input and so holds what the caller
/// sets: for rules about how it is stored, whatever its values.
pub fn stored(name: impl Into<Cow<'static, str>>) -> Pattern {
    Pattern::Stored(name.into())
}

/// An op of this kind ([`tfq_ir::catalog::ops`]).
pub fn op(kind: i32) -> OpPattern {
    op_of(&[kind])
}

/// An op of one of these kinds.
pub fn op_of(kinds: &[i32]) -> OpPattern {
    of(kinds.iter().map(|kind| OpKind::Builtin(*kind)).collect())
}

/// An op of any operator whose row in the op table says so (`docs/op-semantics.md`).
///
/// ```
/// use tfq_pass::rewrite::{Rule, constant, op_that};
///
/// Rule::new("a constant in another shape", op_that(|what| what.view).operand(0, constant("w")));
/// ```
pub fn op_that(is: impl Fn(&OpSemantics) -> bool) -> OpPattern {
    of(operators_that(is).map(OpKind::Builtin).collect())
}

/// A custom op of this name.
pub fn custom_op(name: impl Into<Arc<str>>) -> OpPattern {
    of([OpKind::Custom(name.into())].into_iter().collect())
}

fn of(kinds: SmallVec<[OpKind; 2]>) -> OpPattern {
    let codes = Codes::of(&kinds);
    OpPattern { kinds, codes, operands: Vec::new(), result: Some(0), any_order: false, name: None }
}

/// Codes of operators, as bits: every op is asked whether it is one of many.
#[derive(Clone, Debug)]
struct Codes(SmallVec<[u64; 4]>);

impl Codes {
    fn of(kinds: &[OpKind]) -> Self {
        let mut bits = SmallVec::new();
        let known = kinds.iter().filter_map(|kind| match kind {
            OpKind::Builtin(code) => op_by_code(*code).map(|op| op.code as usize),
            OpKind::Custom(_) => None,
        });
        for code in known {
            if code / 64 >= bits.len() {
                bits.resize(code / 64 + 1, 0);
            }
            bits[code / 64] |= 1 << (code % 64);
        }
        Self(bits)
    }

    fn contains(&self, code: i32) -> bool {
        let Ok(code) = usize::try_from(code) else { return false };
        self.0.get(code / 64).is_some_and(|bits| bits >> (code % 64) & 1 == 1)
    }
}

/// Where a rule begins to match.
#[derive(Clone, Debug)]
pub enum Root {
    /// At an op.
    Op(OpPattern),
    /// At an op of any kind that reads such a tensor; each of its operands is tried.
    Read(Pattern),
    /// The same, of operands that the op cannot read as they are.
    Unserved(Pattern),
    /// At a tensor.
    Tensor(Pattern),
    /// At a tensor whose readers were written for another type.
    Expressed(Pattern),
}

/// An op of any kind that reads such a tensor. [`super::Match::slot`] tells as which operand.
pub fn read_of(pattern: impl Into<Pattern>) -> Root {
    Root::Read(pattern.into())
}

/// A quantised constant next to float, by this name, at an op of any kind that cannot read it as it
/// is: the verdict on it ([`super::Match::verdict`]) is none of [`crate::Eligibility::Hybrid`].
pub fn unserved(name: impl Into<Cow<'static, str>>) -> Root {
    Root::Unserved(stored(name))
}

/// A constant, by this name, whose readers were written for another type
/// ([`tfq_ir::Tensor::expressed`]).
pub fn expressed(name: impl Into<Cow<'static, str>>) -> Root {
    Root::Expressed(stored(name))
}

/// A tensor, whoever reads it.
pub fn tensor(pattern: impl Into<Pattern>) -> Root {
    Root::Tensor(pattern.into())
}

impl From<OpPattern> for Root {
    fn from(pattern: OpPattern) -> Self {
        Self::Op(pattern)
    }
}

impl From<OpPattern> for Pattern {
    fn from(pattern: OpPattern) -> Self {
        Self::Op(pattern)
    }
}

impl Root {
    /// Whether the rule could begin at this op.
    pub(super) fn starts_with(&self, op: &Op) -> bool {
        match self {
            Self::Op(pattern) => pattern.starts_with(op),
            Self::Read(_) | Self::Unserved(_) => true,
            Self::Tensor(_) | Self::Expressed(_) => false,
        }
    }

    /// Codes of the builtin operators that it names.
    pub(super) fn codes(&self) -> impl Iterator<Item = usize> {
        let named = match self {
            Self::Op(pattern) => &pattern.codes.0[..],
            Self::Read(_) | Self::Unserved(_) | Self::Tensor(_) | Self::Expressed(_) => &[],
        };
        let bits = named.iter().enumerate();
        bits.flat_map(|(at, bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| 64 * at + bit)
        })
    }

    pub(super) fn is_at_any_op(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Unserved(_))
    }

    pub(super) fn is_at_tensors(&self) -> bool {
        matches!(self, Self::Tensor(_) | Self::Expressed(_))
    }

    pub(super) fn is_unserved(&self) -> bool {
        matches!(self, Self::Unserved(_))
    }

    /// Whether the rule could begin at this tensor.
    pub(super) fn starts_at(&self, tensor: &Tensor) -> bool {
        match self {
            Self::Tensor(_) => true,
            Self::Expressed(_) => tensor.expressed.is_some(),
            Self::Op(_) | Self::Read(_) | Self::Unserved(_) => false,
        }
    }

    /// What is wrong with it: it could never match, or not as it says.
    pub(super) fn fault(&self) -> Option<String> {
        let mut fault = None;
        self.each_op(&mut |op| fault = fault.take().or_else(|| op.fault()));
        let ordered = self.any_orders();
        let many =
            || format!("{ordered} ops of it take their operands in any order, at most 4 may");
        fault.or_else(|| (ordered > MOST_ANY_ORDERS).then(many))
    }

    /// How many ops of the pattern take their operands in any order.
    pub(super) fn any_orders(&self) -> u32 {
        let mut count = 0;
        self.each_op(&mut |op| count += u32::from(op.any_order));
        count
    }

    /// The names that the pattern gives to tensors.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.each_pattern(&mut |pattern| match pattern {
            Pattern::Any(name) | Pattern::Constant(name) | Pattern::Stored(name) => {
                names.push(&**name);
            }
            Pattern::Op(_) => (),
        });
        names
    }

    fn each_op<'a>(&'a self, look: &mut dyn FnMut(&'a OpPattern)) {
        if let Self::Op(op) = self {
            look(op);
        }
        self.each_pattern(&mut |pattern| {
            if let Pattern::Op(op) = pattern {
                look(op);
            }
        });
    }

    fn each_pattern<'a>(&'a self, look: &mut dyn FnMut(&'a Pattern)) {
        match self {
            Self::Op(op) => op.operands.iter().for_each(|(_, pattern)| pattern.each(look)),
            Self::Read(pattern)
            | Self::Unserved(pattern)
            | Self::Tensor(pattern)
            | Self::Expressed(pattern) => pattern.each(look),
        }
    }
}

/// Each doubles the ways in which a place is looked at.
const MOST_ANY_ORDERS: u32 = 4;

impl Pattern {
    fn each<'a>(&'a self, look: &mut dyn FnMut(&'a Self)) {
        look(self);
        if let Self::Op(op) = self {
            op.operands.iter().for_each(|(_, pattern)| pattern.each(look));
        }
    }
}

impl OpPattern {
    /// What its operand at this slot must be. Operands that are not mentioned may be anything.
    #[must_use]
    pub fn operand(mut self, slot: u32, pattern: impl Into<Pattern>) -> Self {
        self.operands.push((OperandKey::At(slot), pattern.into()));
        self
    }

    /// What its operand of this role must be, whatever its slot: an op of these kinds has just one
    /// (`docs/op-semantics.md`).
    ///
    /// ```
    /// use tfq_ir::catalog::ops::{CONV_2D, TRANSPOSE_CONV};
    /// use tfq_ir::ops::OperandRole::{Bias, Weight};
    /// use tfq_pass::rewrite::{Rule, constant, op_of};
    ///
    /// let conv = op_of(&[CONV_2D, TRANSPOSE_CONV]);
    /// Rule::new("scale a filter", conv.role(Weight, constant("w")).role(Bias, constant("b")));
    /// ```
    #[must_use]
    pub fn role(mut self, role: OperandRole, pattern: impl Into<Pattern>) -> Self {
        self.operands.push((OperandKey::Of(role), pattern.into()));
        self
    }

    /// Its two operands may stand in any order: a place is looked at both ways. It is an operator
    /// that commutes.
    #[must_use]
    pub fn in_any_order(mut self) -> Self {
        self.any_order = true;
        self
    }

    /// As an operand: its result of this number is meant, not the first.
    #[must_use]
    pub fn result(mut self, number: u32) -> Self {
        self.result = Some(number);
        self
    }

    /// As an operand: any of its results may be meant.
    #[must_use]
    pub fn any_result(mut self) -> Self {
        self.result = None;
        self
    }

    /// Calls the op by this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether an op of this kind could match.
    pub(super) fn starts_with(&self, op: &Op) -> bool {
        match &op.kind {
            OpKind::Builtin(code) => self.codes.contains(*code),
            custom => self.kinds.contains(custom),
        }
    }

    /// What is wrong with it alone.
    fn fault(&self) -> Option<String> {
        self.kinds.iter().find_map(|kind| {
            let what = match kind {
                OpKind::Builtin(code) => semantics(*code),
                OpKind::Custom(_) => None,
            };
            if let OpKind::Builtin(code) = kind
                && op_by_code(*code).is_none()
            {
                return Some(format!("there is no operator {code}"));
            }
            let of_role = self.operands.iter().find_map(|(slot, _)| {
                let OperandKey::Of(role) = *slot else { return None };
                let count = what.map_or(0, |what| what.slots(role).count());
                let told = format!("{kind} has {count} operands of role {role:?}, not one");
                (count != 1).then_some(told)
            });
            let commutes =
                what.is_some_and(|what| what.commutative && what.most_operands == Some(2));
            let order = || match self.any_order {
                true if !commutes => Some(format!("{kind} has no two operands that commute")),
                true => self.operands.iter().find_map(|(slot, _)| match slot {
                    OperandKey::At(n @ 2..) => Some(format!("{kind} has no operand {n}")),
                    _ => None,
                }),
                false => None,
            };
            of_role.or_else(order)
        })
    }
}
