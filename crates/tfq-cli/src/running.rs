//! What the commands that run models share: arguments, the runtime, what can go wrong.

use super::diagnostics::Failure;
use super::inputs::{InputArgs, Inputs};
use super::model::ReadArgs;
use super::subject::Subject;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tfq_runtime::{Engine, Kernels, Runtime, RuntimeError, Stage, Worker};

/// The runtime to use.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct UseRuntime {
    /// libLiteRt.so, or the folder of the ai_edge_litert package or its virtual environment
    /// [default: what TFQ_RUNTIME names, else the package that python3 has]
    #[arg(long, value_name = "PATH")]
    runtime: Option<PathBuf>,

    /// Give up on a model that takes longer than this to load or to run once; 0 waits for ever
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    timeout: Duration,
}

/// The runtime and how to start its workers.
pub(crate) struct Running {
    runtime: Runtime,
    limit: Option<Duration>,
}

impl UseRuntime {
    /// The runtime at this place.
    pub(crate) fn at(path: &Path) -> Self {
        Self { runtime: Some(path.to_owned()), timeout: Duration::from_secs(300) }
    }

    pub(crate) fn find(&self) -> Result<Running, Failure> {
        let runtime = Runtime::find(self.runtime.as_deref()).map_err(|error| Failure::Model {
            message: error.to_string(),
            help: Some(error.help().to_owned()),
        })?;
        Ok(Running { runtime, limit: Some(self.timeout).filter(|limit| !limit.is_zero()) })
    }
}

impl Running {
    /// `LiteRT 2.3.0`.
    pub(crate) fn label(&self) -> String {
        self.runtime.label()
    }

    /// A process of its own for models: this binary again, or Python.
    pub(crate) fn worker(&self, engine: Engine) -> Result<Worker, RuntimeError> {
        if engine == Engine::Python {
            return Worker::python(&self.runtime.python, self.limit);
        }
        let program = std::env::current_exe().map_err(|error| {
            RuntimeError::new(Stage::Library, format!("this binary is not found: {error}"))
        })?;
        let mut command = Command::new(program);
        command.arg("runtime-worker");
        Worker::start(command, &self.runtime, self.limit)
    }
}

/// What commands that run models take: inputs, the runtime, and how the models are read.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) inputs: InputArgs,

    #[command(flatten)]
    runtime: UseRuntime,

    #[command(flatten)]
    pub(crate) reading: ReadArgs,
}

impl RunArgs {
    /// The signature to run.
    pub(crate) fn signature(&self) -> Option<&str> {
        self.inputs.signature.as_deref()
    }

    /// Reads models, holds the inputs against the first of them, and finds the runtime.
    pub(crate) fn load(
        &self,
        models: &[impl AsRef<Path>],
        inputs: &mut Inputs,
    ) -> Result<(Vec<Subject>, Running), Failure> {
        let subjects: Result<Vec<Subject>, Failure> =
            models.iter().map(|name| Subject::load(name, &self.reading)).collect();
        let subjects = subjects?;
        inputs.check(&subjects[0], self.signature())?;
        Ok((subjects, self.runtime.find()?))
    }
}

/// A time, as an argument.
fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().and_then(|time| Duration::try_from_secs_f64(time).ok());
    parsed.ok_or_else(|| "it is a number of seconds from 0 on".to_owned())
}

/// A list of kernels, as an argument.
pub(crate) fn kernels(text: &str) -> Result<Kernels, String> {
    let found = Kernels::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| "kernels are reference, optimized and xnnpack".to_owned())
}

/// What can go wrong while models run.
pub(crate) enum Error {
    /// A model fails.
    Run(RuntimeError),
    /// The command does not suit the model.
    Command(Failure),
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        Self::Run(error)
    }
}

impl Error {
    /// What is wrong with the model, if that is it.
    pub(crate) fn of_model(&self) -> Option<&RuntimeError> {
        match self {
            Self::Run(error) => Some(error),
            Self::Command(_) => None,
        }
    }

    /// For the user; `name` is the model's.
    pub(crate) fn on(self, name: &str) -> Failure {
        match self {
            Self::Run(error) => {
                let help = help(&error);
                Failure::Model { message: format!("{name}: {error}"), help }
            }
            Self::Command(failure) => failure,
        }
    }
}

/// What can be done where a model does not run.
pub(crate) fn help(error: &RuntimeError) -> Option<String> {
    let help = match error.stage {
        Stage::Library => "pip install ai-edge-litert==2.3.0",
        // Python would have been asked if it had the package.
        Stage::Interface => "the runtime's Python package can: pip install ai-edge-litert==2.3.0",
        Stage::Timeout => "wait longer with --timeout=SECONDS, or for ever with --timeout=0",
        _ => return None,
    };
    Some(help.to_owned())
}
