//! Files that make a failure happen again: the pass, its options, and the model before it, with
//! made-up weights of the same statistics.

use crate::{Error, LoadOptions};
use std::fmt::Write;
use tfq_ir::Module;
use tfq_text as text;

const MARK: &str = "// tfq-opt reproducer";

/// What is needed to run a pass that failed once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reproducer {
    /// The pass as a pipeline.
    pub pipeline: String,
    /// The target by name.
    pub target: String,
    /// What went wrong.
    pub error: String,
    /// The model before the pass, as text without weights.
    pub model: String,
}

impl Reproducer {
    /// A reproducer of a pass that fails on this model.
    pub fn new(pipeline: &str, target: &str, error: &str, before: &Module) -> Self {
        Self {
            pipeline: pipeline.to_owned(),
            target: target.to_owned(),
            error: error.to_owned(),
            model: text::print_skeleton(before),
        }
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut out = format!("{MARK}\n");
        // Whatever the error says stays on its comment's line.
        let error = self.error.replace('\n', " ");
        for (key, value) in
            [("passes", &self.pipeline), ("target", &self.target), ("error", &error)]
        {
            _ = writeln!(out, "// {key}: {value}");
        }
        out + &self.model
    }

    /// Reads a file that [`Self::text`] wrote.
    pub fn parse(file: &str) -> Result<Self, ReproducerError> {
        let mut lines = file.lines();
        if lines.next() != Some(MARK) {
            return Err(ReproducerError::NoMark);
        }
        let mut key = |key: &'static str| {
            let value = lines.next().and_then(|line| line.strip_prefix(&format!("// {key}: ")));
            value.map(str::to_owned).ok_or(ReproducerError::NoKey(key))
        };
        let (pipeline, target, error) = (key("passes")?, key("target")?, key("error")?);
        // With its comments, so that messages name the lines of the file.
        Ok(Self { pipeline, target, error, model: file.to_owned() })
    }

    /// The model.
    pub fn module(&self) -> Result<Module, Error> {
        let options = LoadOptions { fills: true, ..LoadOptions::default() };
        crate::load::parse(&self.model, &options)
    }
}

/// Why a file is no reproducer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReproducerError {
    /// It does not begin like one.
    #[error("this is no reproducer: its first line is not `{MARK}`")]
    NoMark,
    /// A line of its head is missing.
    #[error("the reproducer has no line `// {0}: ...` in its place")]
    NoKey(&'static str),
}
