//! Tests of which some need a runtime: without one they are ignored, and say why.

// Each test file is a crate of its own and uses a part.
#![allow(dead_code)]

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::sync::Arc;
use tfq_opt::runtime::{Runtime, VARIABLE};

/// The tests of one binary, in their order.
pub(crate) struct Trials {
    arguments: Arguments,
    runtime: Option<Arc<Runtime>>,
    trials: Vec<Trial>,
}

impl Trials {
    pub(crate) fn from_args() -> Self {
        let runtime = std::env::var_os(VARIABLE)
            .filter(|path| !path.is_empty())
            .map(|_| Runtime::find(None).unwrap_or_else(|error| panic!("{VARIABLE}: {error}")));
        Self {
            arguments: Arguments::from_args(),
            runtime: runtime.map(Arc::new),
            trials: Vec::new(),
        }
    }

    /// A test that needs no runtime.
    pub(crate) fn test<R>(&mut self, name: impl Into<String>, run: R)
    where
        R: FnOnce() -> Result<(), Failed> + Send + 'static,
    {
        self.trials.push(Trial::test(name, run));
    }

    /// A test that runs models.
    pub(crate) fn with_runtime<R>(&mut self, name: impl Into<String>, run: R)
    where
        R: FnOnce(&Runtime) -> Result<(), Failed> + Send + 'static,
    {
        match self.runtime.clone() {
            Some(runtime) => self.test(name, move || run(&runtime)),
            None => self.ignored(name, format!("{VARIABLE} names no runtime")),
        }
    }

    /// Tests that panic where something is wrong, named as [`named!`](crate::named) names them.
    pub(crate) fn all_with_runtime(&mut self, tests: &[(&'static str, fn())]) {
        for &(path, run) in tests {
            let name = path.split_once("::").map_or(path, |(_, inside)| inside);
            self.with_runtime(name, move |_| {
                run();
                Ok(())
            });
        }
    }

    /// A test that cannot run here.
    pub(crate) fn ignored(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        let reason = reason.into();
        let trial = Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)));
        // The library tells a reason only of tests that it starts, and filters by the flag.
        self.trials.push(trial.with_ignored_flag(self.arguments.ignored));
    }

    pub(crate) fn run(self) -> ! {
        libtest_mimic::run(&self.arguments, self.trials).exit()
    }
}

/// Functions with their paths.
#[macro_export]
macro_rules! named {
    ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
        &[$($(#[$attribute])* (concat!(module_path!(), "::", stringify!($test)), $test as fn())),*]
    };
}
