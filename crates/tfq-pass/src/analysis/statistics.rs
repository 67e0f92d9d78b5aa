//! Statistics of constants.

use super::interface::{Analysis, AnalysisInput};
use bytes::Bytes;
use rayon::prelude::*;
use tfq_ir::maps::IndexMap;
use tfq_ir::{BufferId, ElementType};
use tfq_text::{Stats, stats};

/// Minimum, maximum, mean, standard deviation, zeros and non-finite elements of each constant.
#[derive(Debug)]
pub struct ConstantStatistics;

/// The result of [`ConstantStatistics`].
#[derive(Debug, Default)]
pub struct StatisticsTable {
    constants: IndexMap<(BufferId, ElementType), (Bytes, Option<Stats>)>,
}

impl StatisticsTable {
    /// The statistics of a constant as elements of this type, as they are stored: codes where it
    /// is quantised. `None` where it is no constant, or its elements have no order.
    pub fn of(&self, buffer: BufferId, ty: ElementType) -> Option<Stats> {
        self.constants.get(&(buffer, ty))?.1
    }
}

impl Analysis for ConstantStatistics {
    type Result = StatisticsTable;
    const NAME: &'static str = "constant-statistics";

    fn compute(input: AnalysisInput<'_>, last: Option<&StatisticsTable>) -> StatisticsTable {
        let graph = input.module.subgraph(input.subgraph);
        let mut constants: IndexMap<(BufferId, ElementType), &Bytes> = IndexMap::default();
        for id in graph.tensors() {
            if let Some(bytes) = input.module.constant(input.subgraph, id) {
                let tensor = graph.tensor(id);
                constants.insert((tensor.buffer, tensor.ty), bytes);
            }
        }
        // What lies at the same place is the same: both hold on to it.
        let known = |key: &(BufferId, ElementType), bytes: &Bytes| {
            let (old, stats) = last?.constants.get(key)?;
            (old.as_ptr() == bytes.as_ptr() && old.len() == bytes.len()).then_some(*stats)
        };
        let found: Vec<_> = constants
            .into_iter()
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(key, bytes)| {
                let found = known(&key, bytes).unwrap_or_else(|| stats(key.1, bytes));
                (key, (bytes.clone(), found))
            })
            .collect();
        StatisticsTable { constants: found.into_iter().collect() }
    }
}
