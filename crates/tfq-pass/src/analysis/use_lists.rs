//! Who computes and who reads each tensor.

use super::interface::{Analysis, AnalysisInput};
use std::ops::Range;
use tfq_ir::maps::IndexMap;
use tfq_ir::{OpId, TensorId, Use};

/// Who computes and who reads each tensor, in lists that need no walk over the graph.
#[derive(Debug)]
pub struct UseLists;

/// The result of [`UseLists`].
#[derive(Debug, Default)]
pub struct UseTable {
    tensors: IndexMap<TensorId, Entries>,
    uses: Vec<Use>,
}

#[derive(Debug)]
struct Entries {
    producer: Option<(OpId, u32)>,
    uses: Range<usize>,
}

impl UseTable {
    /// Where the tensor is read, in execution order, then by slot.
    pub fn uses(&self, tensor: TensorId) -> &[Use] {
        self.tensors.get(&tensor).map_or(&[], |entries| &self.uses[entries.uses.clone()])
    }

    /// The op that computes the tensor, and as which result.
    pub fn producer(&self, tensor: TensorId) -> Option<(OpId, u32)> {
        self.tensors.get(&tensor)?.producer
    }
}

impl Analysis for UseLists {
    type Result = UseTable;
    const NAME: &'static str = "use-lists";

    fn compute(input: AnalysisInput<'_>, _: Option<&UseTable>) -> UseTable {
        let graph = input.module.subgraph(input.subgraph);
        let mut table = UseTable::default();
        for id in graph.tensors() {
            let start = table.uses.len();
            table.uses.extend(graph.uses(id));
            let uses = start..table.uses.len();
            table.tensors.insert(id, Entries { producer: graph.producer(id), uses });
        }
        table
    }
}
