//! What follows the model in its file: usually a zip of labels and vocabularies.

use bytes::Bytes;
use tfq_ir::is_zip;

/// Writers pad the end of a model with zeros, so that kernels may read past a constant: 16 for
/// that, and up to 15 to align each of constants, padding and custom payloads.
const PADDING: usize = 64;
/// Where a trailer begins in what we write; zeros before that are padding.
pub(crate) const ALIGN: usize = 16;

/// The bytes behind the model, whose last byte is the one before `end`. Padding is none of them.
pub(crate) fn split(file: &Bytes, end: usize) -> Bytes {
    let rest = file.slice(end.min(file.len())..);
    let zeros = |bytes: &Bytes, most| bytes.iter().take(most).take_while(|b| **b == 0).count();
    // First what we put in front ourselves, so that a second reading judges the same bytes.
    let gap = end.next_multiple_of(ALIGN) - end;
    let rest = if zeros(&rest, gap) == gap { rest.slice(gap..) } else { rest };
    let zeros = zeros(&rest, PADDING);
    if is_zip(&rest[zeros..]) {
        return rest.slice(zeros..);
    }
    if zeros == rest.len() && zeros < PADDING { Bytes::new() } else { rest }
}
