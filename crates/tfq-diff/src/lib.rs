//! What differs between two models.
//!
//! [`diff`] pairs ops and tensors of two modules and compares what was paired; [`Diff`] holds
//! the result as plain data, and renders it as text, Markdown, JSON or a page of HTML.
//!
//! Pairs are found by name first, so that a diff reads like the texts of both models; then by
//! kind and operands, which finds ops that were renamed or fused; then by what surrounds an op;
//! then in sequence. Names that counters made say nothing once something was put in between, so
//! constants that are alike under other names make names count less: then ops go by what they
//! read. What is paired under two names is reported as a rename. The work grows with the number
//! of ops nearly linearly, and constants are compared in place: hashes and errors are computed
//! only for those that differ.
//!
//! Not compared is what only the file needs: numbers of buffers and operator codes, and whether
//! constants lie inside of the flatbuffer.

mod compare;
mod constants;
mod diff;
mod elided;
mod graph;
mod matching;
mod model;
mod pairing;
mod render;
mod twins;

pub use compare::DiffOptions;
pub use constants::WeightError;
pub use diff::{
    Class, Classes, ConstantDiff, Diff, FieldChange, OpCount, OpDiff, OpSide, Pairs, Rename,
    SCHEMA, Status, SubgraphDiff, TensorDiff, TensorSide, Totals,
};
pub use elided::Elided;
pub use render::{Style, html};
pub use tfq_ir::grouped;

use compare::Sides;
use tfq_ir::Module;
use tfq_text::{Level, Parts};

/// Compares two models.
pub fn diff(before: &Module, after: &Module, options: &DiffOptions) -> Diff {
    let all = Elided::default();
    diff_elided((before, &all), (after, &all), options)
}

/// Compares two models, of which texts left some constants out. Of those, what the texts say is
/// compared, and not bytes that were made up.
pub fn diff_elided(
    before: (&Module, &Elided),
    after: (&Module, &Elided),
    options: &DiffOptions,
) -> Diff {
    let (mut a, mut b) = (Parts::new(before.0, Level::Quant), Parts::new(after.0, Level::Quant));
    let elided = [before.1, after.1];
    let mut sides = Sides { before: before.0, after: after.0, elided, a: &mut a, b: &mut b };
    model::diff(&mut sides, options)
}

/// What [`diff`] takes for the same in both models, without comparing it.
pub fn pairs(before: &Module, after: &Module) -> Vec<Pairs> {
    model::pairs(before, after)
}
