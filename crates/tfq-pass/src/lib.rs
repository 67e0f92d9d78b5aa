//! What a pass is, how passes are found by name, and how a pipeline runs.
//!
//! Internal crate: users import `tfq_opt`. It knows no particular pass.

mod context;
mod eligibility;
mod info;
mod manager;
mod options;
mod pipeline;
mod registry;
mod runnable;

pub use context::{Context, PassError, Remark, RemarkKind};
pub use eligibility::{Eligibility, HYBRID_NOTE, REASON_NOTE, eligibility};
pub use info::{NumericContract, Pass, PassInfo};
pub use manager::{Event, PassReport, Report, RunError, run};
pub use options::{OptionInfo, OptionValue};
pub use pipeline::{Pipeline, PipelineError, Step};
pub use registry::{NamedPipeline, Registry, RegistryError};
pub use runnable::{Unrunnable, check_runnable};

/// For `declare_pass!` only.
#[doc(hidden)]
pub mod private {
    pub use crate::info::last_segment;
    pub use crate::options::{OptionArg, set_option};
}
