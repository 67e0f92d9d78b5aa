//! The activation that an op applies to its own result: which there are, and whether an op can have
//! the one that its attribute says.

use crate::Op;

/// What an op can apply to its results, with the numbers of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Activation {
    None = 0,
    Relu = 1,
    ReluN1To1 = 2,
    Relu6 = 3,
    Tanh = 4,
    SignBit = 5,
}

impl Activation {
    /// The name of the attribute that says which one an op applies.
    pub const ATTRIBUTE: &'static str = "fused_activation_function";

    /// All of them, in the schema's order.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Relu, Self::ReluN1To1, Self::Relu6, Self::Tanh, Self::SignBit];

    /// The one with this number in the schema.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| *activation as i64 == code)
    }

    /// The one with this name in the schema.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.name() == name)
    }

    /// Its name in the schema: `RELU6`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Relu => "RELU",
            Self::ReluN1To1 => "RELU_N1_TO_1",
            Self::Relu6 => "RELU6",
            Self::Tanh => "TANH",
            Self::SignBit => "SIGN_BIT",
        }
    }
}

/// What an op is to apply and none of its kernels does, which know these alone: some refuse it,
/// others pass over it.
pub(super) fn not_applied(op: &Op, can: &[Activation]) -> Option<String> {
    let code = op.int(Activation::ATTRIBUTE)?;
    let has = Activation::from_code(code);
    if has == Some(Activation::None) || has.is_some_and(|has| can.contains(&has)) {
        return None;
    }
    Some(has.map_or_else(|| code.to_string(), |has| has.name().to_owned()))
}

/// These, in the words that follow one that is none of them.
pub(super) fn instead_of_it(can: &[Activation]) -> String {
    if can.is_empty() {
        return "nor any other".to_owned();
    }
    let names: Vec<_> = can.iter().map(|activation| activation.name()).collect();
    format!("only {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{AttrType, op_by_code, ops};

    #[test]
    fn they_are_those_of_the_schema() {
        let options = op_by_code(ops::ADD).unwrap().options.unwrap();
        let AttrType::Enum(values) = options.attr(Activation::ATTRIBUTE).unwrap().1.ty else {
            panic!("an enum")
        };
        let ours: Vec<_> = Activation::ALL.map(|a| (a.name(), a as i64)).into();
        assert_eq!(values.values, ours);
        assert_eq!(Activation::from_code(6), None);
    }
}
