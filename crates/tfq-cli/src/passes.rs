//! Which passes run and what for, as all commands take it that run some.

use super::diagnostics::{Failure, named};
use super::model::{self, Ways};
use super::plan;
use super::tool;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tfq_opt::Optimizer;
use tfq_opt::pass::Pipeline;

/// Passes, and the runtime that they work for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PassArgs {
    /// Passes in order, as NAME{OPTION=VALUE ...},...; empty for none [default: default]
    #[arg(long, value_name = "PIPELINE")]
    pub(crate) passes: Option<String>,

    /// Read the passes from a file, in which # begins a comment
    #[arg(long, value_name = "FILE", conflicts_with = "passes")]
    pub(crate) pipeline: Option<PathBuf>,

    /// Make the model quicker and keep its numbers, and quantise nothing: runs the pipeline `optimize`
    #[arg(short = 'O', long, conflicts_with_all = ["passes", "pipeline", "prefer", "float16", "weight_only", "keep"])]
    pub(crate) optimize: bool,

    /// What -O may do besides, one or several
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', requires = "optimize")]
    pub(crate) allow: Vec<Allowed>,

    /// Let inputs take N samples at once where the file leaves that open, before all passes
    #[arg(long, value_name = "N")]
    pub(crate) set_batch: Option<u64>,

    /// Give an input a shape, as NAME:1x224x224x3, before all passes; ? leaves a dimension as it is
    #[arg(long, value_name = "SHAPE")]
    pub(crate) set_shape: Vec<String>,

    /// The runtime that the result is for: a name of `tfq-opt targets`, or a .toml file
    #[arg(long, default_value = "litert", value_name = "TARGET")]
    pub(crate) target: OsString,

    #[command(flatten)]
    pub(crate) ways: Ways,
}

/// What -O may do besides keeping numbers, and the file no larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Allowed {
    /// Round sums of floats in another order
    Reassociate,
    /// Compute int8 ops with floats, so that numbers are one step off and the file a little larger
    Round,
    /// Let the file grow by 2 %, or by 5 kB where that is more, for what makes the model quicker
    Grow,
}

/// A plan to follow, for commands that print none.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct FollowArg {
    /// Do with each weight what the plan in a file says, which --plan=toml of a run printed
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
}

impl PassArgs {
    pub(crate) fn pipeline(&self) -> Result<Pipeline, Failure> {
        let (place, text) = match (&self.pipeline, &self.passes) {
            (Some(file), _) => (named(file), model::read_settings(file)?),
            (None, Some(passes)) => ("--passes".to_owned(), passes.clone()),
            (None, None) => match self.optimizing() {
                Some(name) => ("-O".to_owned(), name.to_owned()),
                None => ("--passes".to_owned(), model::default_pipeline(&self.ways)),
            },
        };
        let passes = model::pipeline(&place, &text)?;
        match self.shaping() {
            Some(text) => {
                Ok(model::pipeline("--set-batch, --set-shape", &text)?.followed_by(passes))
            }
            None => Ok(passes),
        }
    }

    /// The passes that set shapes, and what follows from them, if any are set.
    pub(crate) fn shaping(&self) -> Option<String> {
        let batch = self.set_batch.map(|size| format!("set-batch{{size={size}}}"));
        let shapes = (!self.set_shape.is_empty()).then(|| {
            let shapes = model::quoted(&self.set_shape.join(","));
            format!("set-shape{{input={shapes}}}")
        });
        let set: Vec<String> = shapes.into_iter().chain(batch).collect();
        (!set.is_empty()).then(|| format!("{},infer-shapes", set.join(",")))
    }

    /// The pipeline that -O runs, where it is given.
    pub(crate) fn optimizing(&self) -> Option<&'static str> {
        let allows = |what| self.allow.contains(&what);
        self.optimize.then_some(match (allows(Allowed::Reassociate), allows(Allowed::Round)) {
            (false, false) => "optimize",
            (true, false) => "optimize-reassociated",
            (false, true) => "optimize-rounded",
            (true, true) => "optimize-reassociated-rounded",
        })
    }

    /// Whether the user lets passes give bytes of the file for time.
    pub(crate) fn may_grow(&self) -> bool {
        self.allow.iter().any(|allowed| matches!(allowed, Allowed::Round | Allowed::Grow))
    }

    /// Whether the user names passes other than the pipeline `default`, or shapes, which take what they take.
    pub(crate) fn names_passes(&self) -> bool {
        let named = self.passes.as_deref().is_some_and(|passes| passes.trim() != "default");
        named || self.pipeline.is_some() || self.shaping().is_some()
    }

    /// Whether the user says which passes run: any, or how those of the default pipeline do.
    pub(crate) fn is_told(&self) -> bool {
        let shaped = self.set_batch.is_some() || !self.set_shape.is_empty();
        let named = self.passes.is_some() || self.pipeline.is_some() || self.optimize;
        named || shaped || self.ways.is_told()
    }

    /// The files that are read for it.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.pipeline.clone().into_iter().chain(model::file_of_target(&self.target))
    }

    /// What runs this pipeline, for commands that look for a fault.
    pub(crate) fn optimizer(
        &self,
        pipeline: Pipeline,
        follow: &FollowArg,
    ) -> Result<Optimizer, Failure> {
        let target = model::target(&self.target)?;
        follow.check(&self.ways, &pipeline)?;
        let mut optimizer = Optimizer::in_registry(tool::registry(), pipeline).for_target(target);
        // A model that is not taken may be what somebody looks into.
        optimizer.allow_unloadable = true;
        if let Some(plan) = &follow.plan {
            plan::follow(plan, &mut optimizer)?;
        }
        Ok(optimizer)
    }
}

impl FollowArg {
    /// An error where a plan is given that nobody would follow, or not alone.
    pub(crate) fn check(&self, ways: &Ways, pipeline: &Pipeline) -> Result<(), Failure> {
        match &self.plan {
            Some(_) => plan::check_alone(ways).and_then(|()| plan::check_follower(pipeline)),
            None => Ok(()),
        }
    }

    /// The file that is read for it.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.plan.as_deref()
    }
}
