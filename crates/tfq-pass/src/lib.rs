//! What a pass is, how passes are found by name, and how a pipeline runs.
//!
//! Internal crate: users import `tfq_opt`. It knows no particular pass.

pub mod analysis;
mod contract;
mod declare;
mod error;
mod info;
pub mod invariant;
mod loadable;
mod manager;
mod options;
mod pass;
mod pipeline;
mod registry;
mod remarks;
pub mod rewrite;
mod runnable;
mod session;
mod timeline;
mod touched;
mod values;
mod written;

pub use analysis::eligibility::{
    Cost, Eligibility, HYBRID_NOTE, REASON_NOTE, SLOTS_NOTE, Verdicts, cost,
};
pub use contract::NumericContract;
pub use declare::Declared;
pub use error::PassError;
pub use info::{Built, Example, PassDescriptor, PassInfo, PassScope};
pub use invariant::Invariant;
pub use loadable::{Unloadable, check_loadable, check_loadable_since};
pub use manager::{
    Event, PassReport, RaisedRuntime, Report, RuleCount, RunError, RunOptions, Why, run,
    update_versions,
};
pub use options::{OptionArg, OptionError, OptionInfo, OptionKind, OptionValue, OptionValues};
pub use pass::{Pass, pass_fn};
pub use pipeline::{Node, Pipeline, PipelineError, Step};
pub use registry::{NamedPipeline, Registry, RegistryError};
pub use remarks::{Answer, NearMiss, Remark, RemarkKind};
pub use runnable::{HeldVerdicts, RunCheck, Unrunnable, check_runnable};
pub use session::Session;
pub use timeline::{Span, SpanKind, Timeline};
pub use values::{AskedSize, NeededSize, Room, Values};

/// For `declare_pass!` only.
#[doc(hidden)]
pub mod private {
    pub use crate::declare::pass_name;
    pub use crate::options::{option_info, option_text, set_option};
    pub use tfq_ir::OpKind;
    pub use tfq_ir::catalog::ops;
}
