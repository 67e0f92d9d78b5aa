//! Analyses: what passes want to know about a subgraph, found out once for each of its states.

mod effects;
pub(crate) mod eligibility;
mod interface;
mod statistics;
mod store;
mod sure_shapes;
mod use_lists;

pub use effects::{EffectTable, OpEffects};
pub use eligibility::HybridVerdicts;
pub use interface::{Analysis, AnalysisInput, Change};
pub use statistics::{ConstantStatistics, StatisticsTable};
pub(crate) use store::Analyses;
pub use sure_shapes::{SureShapeTable, SureShapes};
pub use use_lists::{UseLists, UseTable};
