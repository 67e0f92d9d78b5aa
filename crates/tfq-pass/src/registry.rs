//! Passes and pipelines by name.

use crate::PassInfo;
use std::collections::BTreeMap;

/// A pipeline that a name stands for.
#[derive(Debug)]
pub struct NamedPipeline {
    /// The name, for example `default`.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// Its passes in order, each with the reason for its place.
    pub steps: &'static [(&'static str, &'static str)],
}

/// Passes and named pipelines. Built-in ones and others enter the same way.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    passes: BTreeMap<String, &'static PassInfo>,
    pipelines: BTreeMap<&'static str, &'static NamedPipeline>,
}

/// Two things of one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two passes or pipelines are named `{name}`: {first} and {second}")]
pub struct RegistryError {
    /// The name.
    pub name: String,
    /// Where the first is from.
    pub first: String,
    /// Where the second is from.
    pub second: String,
}

impl Registry {
    /// Adds passes.
    pub fn with_passes(mut self, passes: &[&'static PassInfo]) -> Result<Self, RegistryError> {
        for &info in passes {
            let name = info.name();
            if let Some(first) = self.origin(&name) {
                return Err(RegistryError { name, first, second: info.origin.to_owned() });
            }
            self.passes.insert(name, info);
        }
        Ok(self)
    }

    /// Adds named pipelines.
    pub fn with_pipelines(
        mut self,
        pipelines: &[&'static NamedPipeline],
    ) -> Result<Self, RegistryError> {
        for &pipeline in pipelines {
            if let Some(first) = self.origin(pipeline.name) {
                let name = pipeline.name.to_owned();
                return Err(RegistryError { name, first, second: "a pipeline".to_owned() });
            }
            self.pipelines.insert(pipeline.name, pipeline);
        }
        Ok(self)
    }

    fn origin(&self, name: &str) -> Option<String> {
        let pass = self.passes.get(name).map(|info| info.origin.to_owned());
        pass.or_else(|| self.pipelines.get(name).map(|_| "a pipeline".to_owned()))
    }

    /// The pass of this name.
    pub fn pass(&self, name: &str) -> Option<&'static PassInfo> {
        self.passes.get(name).copied()
    }

    /// The pipeline of this name.
    pub fn pipeline(&self, name: &str) -> Option<&'static NamedPipeline> {
        self.pipelines.get(name).copied()
    }

    /// All passes, by name.
    pub fn passes(&self) -> impl Iterator<Item = &'static PassInfo> + '_ {
        self.passes.values().copied()
    }

    /// All named pipelines, by name.
    pub fn pipelines(&self) -> impl Iterator<Item = &'static NamedPipeline> + '_ {
        self.pipelines.values().copied()
    }

    /// The names that look most like this one.
    pub(crate) fn names(&self) -> Vec<String> {
        self.passes.keys().cloned().chain(self.pipelines.keys().map(|n| (*n).to_owned())).collect()
    }
}
