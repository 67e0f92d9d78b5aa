//! How a difference of two tensors is shown.

use serde_json::{Value as Json, json};
use std::io::{self, Write};
use tfq_runtime::{Difference, Mismatch};

/// In three columns, or in words that take their room.
pub(super) fn numbers(
    out: &mut impl Write,
    difference: &Result<Difference, Mismatch>,
) -> io::Result<()> {
    match difference {
        Ok(found) if found.differing == 0 => write!(out, "{:>9} {:>9} {:>9}", "equal", 1, 0),
        Ok(found) if let Some(what) = found.finiteness() => write!(out, "{what:>29}"),
        Ok(found) => {
            write!(out, "{:>9.1} {:>9.6} {:>9.2e}", found.snr_db, found.cosine, found.max_abs)
        }
        Err(mismatch) => write!(out, "{mismatch}"),
    }
}

pub(super) fn difference_json(difference: &Result<Difference, Mismatch>) -> Json {
    match difference {
        Ok(difference) => json!(difference),
        Err(mismatch) => json!({ "mismatch": mismatch.to_string() }),
    }
}
