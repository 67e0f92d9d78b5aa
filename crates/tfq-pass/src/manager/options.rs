//! How a pipeline is run, and what an observer of the run sees.

use super::error::RunError;
use super::report::PassReport;
use crate::values::Values;
use tfq_ir::Module;

/// How a pipeline is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Make remarks on every rule and op, also where they cost time.
    pub explain: bool,
    /// Record what the rules of a pass do at a tensor.
    pub why: Option<Why>,
    /// Keep remarks on what was left as it is, and no others: where every op gets a remark, their
    /// words take more time and memory than the work.
    pub missed_only: bool,
    /// Do not verify after passes.
    pub skip_verifier: bool,
    /// Keep the states between passes.
    pub keep_history: bool,
    /// Keep what passes did, so that it can be replayed: [`Module::edits`] of the result. They
    /// take more memory than the graph that they change, and are only summed up otherwise, and
    /// with them goes what was done to the module before. A history keeps them too. A pass that
    /// leaves a broken model is run once more to name the patch where they were not kept.
    pub keep_edits: bool,
    /// What passes may ask for by its type: data, measurements, decisions.
    pub resources: Values,
}

impl RunOptions {
    pub(super) fn keeps_edits(&self) -> bool {
        self.keep_edits || self.keep_history
    }
}

/// A question about a pass and a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The name of the pass.
    pub pass: String,
    /// The name of the tensor: of one that an op reads or computes.
    pub tensor: String,
}

/// What an observer of a run sees.
#[derive(Debug)]
pub enum Event<'a> {
    /// A pass begins.
    Begin {
        /// Its name.
        pass: &'a str,
        /// Its place in the pipeline, from 0.
        index: usize,
        /// How many passes there are.
        count: usize,
        /// The model before it.
        module: &'a Module,
    },
    /// A pass has ended.
    End {
        /// The model before it.
        before: &'a Module,
        /// The model after it.
        module: &'a Module,
        /// What it did.
        report: &'a PassReport,
    },
    /// A pass has failed.
    Failed {
        /// The pass as a pipeline of its own, with its options and the subgraph that it ran on.
        step: String,
        /// The model before it.
        before: &'a Module,
        /// The model as it left it, which may be broken.
        left: &'a Module,
        /// Why.
        error: &'a RunError,
    },
}
