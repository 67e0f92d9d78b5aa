//! What is known of a tensor before run time.

use crate::costs::FEW;
use std::sync::Arc;
use tfq_eval::Value;
use tfq_ir::ops::{OperandFacts, Shape};
use tfq_ir::{Module, SubgraphId, Tensor, TensorId};

/// What is known of a tensor before run time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    pub(crate) shape: Shape,
    /// Its numbers, where they are few and all of them are known.
    pub(crate) value: Option<Value>,
    /// Its integers, where they are few and only some of them are known.
    pub(crate) integers: Option<Arc<[Option<i64>]>>,
}

impl Fact {
    /// Nothing is known.
    pub(crate) fn unknown() -> Self {
        Self::of_shape(Shape::Unranked)
    }

    pub(crate) fn of_shape(shape: Shape) -> Self {
        Self { shape, value: None, integers: None }
    }

    /// Of a tensor that no op computes, as the file has it.
    pub(super) fn of_file(module: &Module, sg: SubgraphId, id: TensorId) -> Self {
        let tensor = module.subgraph(sg).tensor(id);
        let constant = module.fixed_constant(sg, id).is_some();
        let few = tensor.elements().is_some_and(|n| n <= FEW);
        Self {
            shape: Shape::of_tensor(tensor, constant),
            value: Value::of_constant(module, sg, id).filter(|_| constant && few),
            integers: None,
        }
    }

    /// As inference sees an operand. `contents` are the bytes of a constant.
    pub(super) fn operand<'a>(
        &'a self,
        tensor: &Tensor,
        contents: Option<&'a [u8]>,
    ) -> OperandFacts<'a> {
        let mut facts = OperandFacts::of(tensor, contents);
        facts.shape = self.shape.clone();
        facts.contents = self.value.as_ref().map(|value| &value.bytes()[..]).or(facts.contents);
        facts.integers = self.integers.as_deref();
        facts
    }

    /// The dimensions, where all are known.
    pub(crate) fn static_dims(&self) -> Option<Vec<i32>> {
        self.shape.dims()?.iter().copied().collect()
    }

    /// Its integers, as far as they are known.
    pub(crate) fn known_integers(&self) -> Option<Vec<Option<i64>>> {
        let all = self.value.as_ref().and_then(Value::integers);
        let all = all.map(|all| all.into_iter().map(Some).collect());
        all.or_else(|| self.integers.as_deref().map(<[_]>::to_vec))
    }

    /// What both have in common.
    pub(super) fn join(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        let integers = self.known_integers().zip(other.known_integers());
        let integers = integers.filter(|(a, b)| a.len() == b.len()).map(|(a, b)| {
            a.iter().zip(&b).map(|(a, b)| a.filter(|_| a == b)).collect::<Arc<[_]>>()
        });
        Self {
            shape: self.shape.join(&other.shape),
            value: None,
            integers: integers.filter(is_known),
        }
    }
}

/// Whether they say anything.
pub(super) fn is_known(integers: &Arc<[Option<i64>]>) -> bool {
    integers.iter().any(Option::is_some)
}
