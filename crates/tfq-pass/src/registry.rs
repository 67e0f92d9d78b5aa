//! Passes and pipelines by name.

use crate::PassInfo;
use crate::info::name_fault;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A pipeline that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedPipeline {
    /// The name, for example `default`.
    pub name: Cow<'static, str>,
    /// What it is for, in one line.
    pub summary: Cow<'static, str>,
    /// Its passes in order, each with the reason for its place.
    pub steps: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl NamedPipeline {
    /// A pipeline of these passes, each with the reason for its place.
    pub fn new<T: Into<Cow<'static, str>>>(
        name: impl Into<Cow<'static, str>>,
        summary: impl Into<Cow<'static, str>>,
        steps: impl IntoIterator<Item = (T, T)>,
    ) -> Self {
        let steps = steps.into_iter().map(|(pass, why)| (pass.into(), why.into())).collect();
        Self { name: name.into(), summary: summary.into(), steps }
    }
}

/// Passes and named pipelines. Built-in ones and others enter the same way.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    passes: BTreeMap<String, PassInfo>,
    pipelines: BTreeMap<String, NamedPipeline>,
}

/// Why something cannot enter a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two things have one name.
    #[error("two passes or pipelines are named `{name}`: {first} and {second}")]
    Taken {
        /// The name.
        name: String,
        /// Where the first is from.
        first: String,
        /// Where the second is from.
        second: String,
    },
    /// A description is not as it should be.
    #[error("{what} {name:?} is not well declared: {fault}")]
    Fault {
        /// `pass` or `pipeline`.
        what: &'static str,
        /// Its name.
        name: String,
        /// What is wrong.
        fault: String,
    },
}

/// What pipelines mean by these names is no pass.
const RESERVED: [&str; 3] = ["repeat", "until-stable", "subgraph"];

impl Registry {
    /// Adds passes.
    ///
    /// # Errors
    /// If a name is taken or could not be written in a pipeline, or a default is no value of its
    /// option.
    pub fn with_passes(
        mut self,
        passes: impl IntoIterator<Item = PassInfo>,
    ) -> Result<Self, RegistryError> {
        for info in passes {
            self.check("pass", &info.name, info.fault(), origin(&info))?;
            self.passes.insert(info.name.to_string(), info);
        }
        Ok(self)
    }

    /// Adds named pipelines.
    ///
    /// # Errors
    /// If a name is taken or could not be written in a pipeline.
    pub fn with_pipelines(
        mut self,
        pipelines: impl IntoIterator<Item = NamedPipeline>,
    ) -> Result<Self, RegistryError> {
        for pipeline in pipelines {
            let fault = name_fault(&pipeline.name);
            self.check("pipeline", &pipeline.name, fault, "a pipeline".to_owned())?;
            self.pipelines.insert(pipeline.name.to_string(), pipeline);
        }
        Ok(self)
    }

    fn check(
        &self,
        what: &'static str,
        name: &str,
        fault: Option<String>,
        second: String,
    ) -> Result<(), RegistryError> {
        let reserved =
            || RESERVED.contains(&name).then(|| "pipelines mean something else by it".to_owned());
        if let Some(fault) = fault.or_else(reserved) {
            return Err(RegistryError::Fault { what, name: name.to_owned(), fault });
        }
        let pass = self.passes.get(name).map(origin);
        let first = pass.or_else(|| self.pipelines.get(name).map(|_| "a pipeline".to_owned()));
        let taken = |first| RegistryError::Taken { name: name.to_owned(), first, second };
        first.map_or(Ok(()), |first| Err(taken(first)))
    }

    /// The pass of this name.
    pub fn pass(&self, name: &str) -> Option<&PassInfo> {
        self.passes.get(name)
    }

    /// The pipeline of this name.
    pub fn pipeline(&self, name: &str) -> Option<&NamedPipeline> {
        self.pipelines.get(name)
    }

    /// The passes that are to be listed, by name.
    pub fn passes(&self) -> impl Iterator<Item = &PassInfo> {
        self.all_passes().filter(|info| !info.hidden)
    }

    /// All passes, hidden ones too, by name.
    pub fn all_passes(&self) -> impl Iterator<Item = &PassInfo> {
        self.passes.values()
    }

    /// All named pipelines, by name.
    pub fn pipelines(&self) -> impl Iterator<Item = &NamedPipeline> {
        self.pipelines.values()
    }

    /// The listed passes after which this invariant holds.
    pub fn ensuring(&self, invariant: &str) -> impl Iterator<Item = &PassInfo> {
        self.passes().filter(move |info| info.ensures.iter().any(|one| one.name() == invariant))
    }

    /// All names, for suggestions.
    pub(crate) fn names(&self) -> Vec<String> {
        let passes = self.passes().map(|info| info.name.to_string());
        passes.chain(self.pipelines.keys().cloned()).collect()
    }
}

fn origin(info: &PassInfo) -> String {
    match &*info.origin {
        "" => "a pass".to_owned(),
        origin => origin.to_owned(),
    }
}
