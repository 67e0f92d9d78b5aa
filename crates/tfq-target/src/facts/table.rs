//! A CSV table in the binary form that the build makes of it, so that no run reads the text.

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Table<Cell> {
    pub(crate) columns: usize,
    /// Of rows, the header first.
    pub(crate) lines: Vec<usize>,
    /// Row by row.
    pub(crate) cells: Vec<Cell>,
}
