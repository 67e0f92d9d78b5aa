//! Edits out of their JSON form, for the model that they are to change.

mod edit;
mod names;
mod op;
mod patch;
mod path;
mod tensor;
mod value;

pub(crate) use names::EditReader;
pub(crate) use path::At;
