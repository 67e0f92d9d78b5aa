//! What follows from the shapes of a model's inputs, op by op: shapes, and numbers that ops make of
//! shapes.

mod call;
mod fact;
mod state;
mod walk;

pub(crate) use fact::Fact;
pub(crate) use state::state;
pub(crate) use walk::{Mended, Walk, entries};
