//! Ops that had better read their activations as they are.

use crate::facts::activation_test::ActivationTest;
use crate::facts::rows::{Activations, Objective};
use crate::query::question::WeightOperand;
use crate::target::Target;
use tfq_ir::{ElementType, OpKind, Tensor};

/// What lies in front of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Another op with weights, or a state.
    Layer,
    /// Inputs of the model.
    Inputs,
    /// Inputs of the model that have at most two dimensions.
    Table,
}

/// Why an op had better not round its activations to 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationRule<'t> {
    /// What the rule is called.
    pub name: &'t str,
    /// Why, for a person.
    pub reason: &'t str,
}

impl Target {
    /// The rule by which an op that could read this weight, float32 or int8, as codes had better have a
    /// Dequantize before it, so that its activations are not rounded; `None` where rounding does
    /// no harm as a rule, or the op rounds none. `front` says what lies between the inputs of the
    /// model and this one; it is asked last.
    ///
    /// The rules are found without data, from 2 231 ops of 96 models, each measured alone.
    pub fn exact_activations(
        &self,
        weight: WeightOperand<'_>,
        prefer: Objective,
        front: impl Fn() -> Front,
    ) -> Option<ActivationRule<'_>> {
        let WeightOperand { module, sg, op, slot } = weight;
        let graph = module.subgraph(sg);
        let OpKind::Builtin(code) = graph.op(op).kind else { return None };
        let facts = self.facts_of(graph, op)?;
        let rounds = facts.rounds_activations();
        let id = graph.operand(op, slot).filter(|_| rounds && facts.weights.contains(&slot))?;
        let (tensor, bytes) = (graph.tensor(id), module.constant(sg, id)?);
        let holds = |test: &ActivationTest| match *test {
            ActivationTest::NeverNegative => numbers(tensor, bytes).all(|value| value >= 0.0),
            ActivationTest::HalfZero => {
                let zeros = numbers(tensor, bytes).filter(|value| *value == 0.0).count() as u64;
                let is_part = |elements| zeros < elements && 2 * zeros >= elements;
                tensor.elements().is_some_and(is_part)
            }
            ActivationTest::AlongTime(least) => is_along_time(tensor, least),
            ActivationTest::OneChannel => tensor.shape.last() == Some(&1),
            ActivationTest::First => front() != Front::Layer,
            ActivationTest::Table => front() == Front::Table,
            ActivationTest::RowAtMost(most) => {
                row(tensor, self.channel_axis(graph, op, slot)).is_some_and(|row| row <= most)
            }
            ActivationTest::DelegatedAsFloat => self.takes_as_float(graph, op),
        };
        let applies = |row: &&Activations| {
            (row.ops.is_empty() || row.ops.contains(&code))
                && (row.prefer.is_empty() || row.prefer.contains(&prefer))
                && row.when.iter().all(holds)
        };
        let row = self.activations.iter().find(applies)?;
        Some(ActivationRule { name: &row.rule, reason: &row.reason })
    }
}

/// Float32 numbers, or int8 ones in place of those that they stand for, of the same signs.
fn numbers(tensor: &Tensor, bytes: &[u8]) -> impl Iterator<Item = f32> {
    let (floats, codes) = match tensor.ty {
        ElementType::Int8 => (&[][..], bytes),
        _ => (bytes.as_chunks().0, &[][..]),
    };
    let floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes));
    floats.chain(codes.iter().map(|code| f32::from(*code as i8)))
}

/// Filters are OHWI.
fn is_along_time(filter: &Tensor, least: u64) -> bool {
    let [_, height, width, channels] = *filter.shape else { return false };
    height.min(width) == 1 && i64::from(height.max(width)) * i64::from(channels) >= least as i64
}

/// How many elements of a matrix, or of a batch of them, give one number.
fn row(weight: &Tensor, channel_axis: Option<usize>) -> Option<u64> {
    let matrix = weight.shape.len().checked_sub(2)?;
    let axis = channel_axis.filter(|axis| *axis >= matrix)?;
    u64::try_from(weight.shape[2 * matrix + 1 - axis]).ok()
}
