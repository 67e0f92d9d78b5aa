//! What an op cannot have.

use super::facts::Shape;
use crate::words::counted;

/// What an op cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum InferError {
    #[error("it has {} and takes {}", counted(*has, "operand"), takes(*least, *most))]
    OperandCount { has: usize, least: usize, most: Option<usize> },
    #[error("operand {slot} (`{name}`) is left out")]
    LeftOut { slot: usize, name: &'static str },
    #[error("it has {} and gives {gives}", counted(*has, "result"))]
    ResultCount { has: usize, gives: usize },
    #[error("operand {slot} (`{name}`) has {} and needs {needs}", counted(*rank, "dimension"))]
    Rank { slot: usize, name: &'static str, rank: usize, needs: &'static str },
    #[error("operand {slot} (`{name}`) of shape {shape}: {why}")]
    Dimension { slot: usize, name: &'static str, shape: Shape, why: &'static str },
    #[error(
        "operands {} (`{}`) of shape {} and {} (`{}`) of shape {} do not go together",
        .0.slot, .0.name, .0.shape, .1.slot, .1.name, .1.shape
    )]
    Together(Box<Party>, Box<Party>),
    #[error("operand {slot} (`{name}`) holds {value}: {why}")]
    Value { slot: usize, name: &'static str, value: i64, why: &'static str },
    #[error("attribute {name} is {value}: {why}")]
    Attribute { name: &'static str, value: i64, why: &'static str },
    #[error("a tensor of shape {} cannot have the shape {}", .0.0, .0.1)]
    Elements(Box<(Shape, Shape)>),
    #[error("a dimension of the result would be {size}")]
    Size { size: i64 },
}

/// An operand in [`InferError::Together`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Party {
    pub slot: usize,
    pub name: &'static str,
    pub shape: Shape,
}

fn takes(least: usize, most: Option<usize>) -> String {
    match most {
        Some(most) if most == least => format!("{least}"),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    }
}
