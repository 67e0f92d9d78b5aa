//! What can go wrong between a model and its outputs.

use serde::{Deserialize, Serialize};
use std::fmt;
use tfq_ir::visible;

/// How far a model came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The runtime itself could not be loaded or started.
    Library,
    /// Reading the file.
    Load,
    /// The C API has no way to say this, though the runtime itself may.
    Interface,
    /// Making the ops and their tensors ready (`AllocateTensors`).
    Prepare,
    /// Giving inputs other shapes.
    Resize,
    /// The inputs do not suit the model.
    Input,
    /// Running.
    Invoke,
    /// Fetching outputs.
    Output,
    /// The process that ran the model ended.
    Crash,
    /// Someone ended the process that ran the model, which says nothing about the model.
    Killed,
    /// The process gave no answer in time, and was ended.
    Timeout,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => "the runtime cannot be used",
            Self::Load => "the runtime cannot load the model",
            Self::Interface => "the C API of the runtime cannot handle the model",
            Self::Prepare => "the runtime cannot prepare the model",
            Self::Resize => "the runtime cannot resize the inputs",
            Self::Input => "the inputs do not fit",
            Self::Invoke => "the model fails when it runs",
            Self::Output => "an output cannot be fetched",
            Self::Crash => "the runtime crashed",
            Self::Killed => "the process that ran the model was killed",
            Self::Timeout => "the model does not end",
        })
    }
}

/// Why a model did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{stage}: {message}")]
pub struct RuntimeError {
    /// How far it came.
    pub stage: Stage,
    /// What the runtime said, on one line.
    pub message: String,
}

impl RuntimeError {
    /// Whether Python may run what fails in the C API. That reads no variables, no tensors of
    /// unknown rank, no outputs that are constants or whose size only a run tells, and aborts on
    /// some models that the interpreter of the same runtime takes. It is no faster.
    pub fn python_may_help(&self) -> bool {
        !matches!(self.stage, Stage::Library | Stage::Input | Stage::Killed | Stage::Timeout)
    }

    /// An error at this stage. The message may have names from the model as they are.
    pub fn new(stage: Stage, message: impl Into<String>) -> Self {
        Self { stage, message: visible(&message.into()).into_owned() }
    }
}
