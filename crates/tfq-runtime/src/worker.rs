//! The side of a worker that asks: a process that runs models, and may crash alone.

use crate::protocol::{Memory, Message, Reply, Request, receive, send};
use crate::value::{Signature, Value};
use crate::{Kernels, RunError, Stage};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tempfile::NamedTempFile;

/// What speaks the protocol in Python, with `ai_edge_litert`.
const SCRIPT: &str = include_str!("worker.py");
/// How much of what a worker wrote to standard error is looked at.
const TAIL: u64 = 16 << 10;

/// A process that runs models. It ends when this is dropped.
pub struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// Its standard error, which is read where something fails.
    errors: NamedTempFile,
    /// How many bytes of that came before the last answer, and so are about something else.
    answered: u64,
    /// How long an answer may take.
    limit: Option<Duration>,
    /// Why there will be no more answers.
    end: Option<RunError>,
}

/// A model that a worker has loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    index: usize,
    /// The ways to call it.
    pub signatures: Vec<Signature>,
}

impl Loaded {
    /// The position of a signature; an error that names those there are.
    pub fn position(&self, key: &str) -> Result<usize, RunError> {
        let is_it = |signature: &Signature| signature.label() == key;
        self.signatures.iter().position(is_it).ok_or_else(|| {
            let names: Vec<&str> = self.signatures.iter().map(Signature::label).collect();
            let names = names.join(", ");
            let message = format!("the model has no signature `{key}`, only: {names}");
            RunError::new(Stage::Input, message)
        })
    }
}

impl Worker {
    /// Starts a program that calls [`crate::serve`].
    pub fn start(command: Command) -> Result<Self, RunError> {
        Self::spawn(command).map_err(|error| {
            RunError::new(Stage::Library, format!("the worker cannot be started: {error}"))
        })
    }

    /// Starts a Python interpreter that has the package `ai_edge_litert`; without it, the first
    /// request fails at [`Stage::Library`].
    pub fn python(interpreter: &Path) -> Result<Self, RunError> {
        let mut command = Command::new(interpreter);
        command.args(["-c", SCRIPT]);
        Self::spawn(command).map_err(|error| {
            let interpreter = interpreter.display();
            RunError::new(Stage::Library, format!("{interpreter} cannot be started: {error}"))
        })
    }

    fn spawn(mut command: Command) -> io::Result<Self> {
        // A file and not a pipe: what was written before an answer is there when it is looked
        // for, and nothing blocks where it is never read.
        let errors = NamedTempFile::new()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors.reopen()?);
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().expect("it is piped");
        Ok(Self { child, input, output, errors, answered: 0, limit: None, end: None })
    }

    /// Ends the process where an answer takes longer than this, with an error at
    /// [`Stage::Timeout`]; without a limit a model that never ends is waited for.
    #[must_use]
    pub fn with_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// Loads a model for one kind of kernels. `threads` of at least 1 compute.
    pub fn load(
        &mut self,
        path: &Path,
        kernels: Kernels,
        threads: u32,
    ) -> Result<Loaded, RunError> {
        self.load_with(path, kernels, threads, false)
    }

    /// As [`Worker::load`], so that [`Worker::tensor`] has an answer; Python only.
    pub fn load_keeping_tensors(
        &mut self,
        path: &Path,
        kernels: Kernels,
    ) -> Result<Loaded, RunError> {
        self.load_with(path, kernels, 1, true)
    }

    fn load_with(
        &mut self,
        path: &Path,
        kernels: Kernels,
        threads: u32,
        keep: bool,
    ) -> Result<Loaded, RunError> {
        let Some(path) = path.to_str() else {
            let message = format!("{} is no path that the runtime can take", path.display());
            return Err(RunError::new(Stage::Load, message));
        };
        let request = Request::Load { path: path.to_owned(), kernels, threads, keep };
        match self.ask(request, Vec::new())?.0 {
            Reply::Loaded { model, signatures } => Ok(Loaded { index: model, signatures }),
            other => Err(unexpected(&other)),
        }
    }

    /// Calls a signature, by its position in `model.signatures`. Inputs and outputs are in the
    /// signature's order.
    pub fn run(
        &mut self,
        model: &Loaded,
        signature: usize,
        inputs: Vec<Value>,
    ) -> Result<Vec<Value>, RunError> {
        let request = Request::Run { model: model.index, signature };
        Ok(self.ask(request, inputs)?.1)
    }

    /// Repeats the last run of this model, and tells how many seconds each took.
    pub fn again(&mut self, model: &Loaded, runs: u32) -> Result<Vec<f64>, RunError> {
        match self.ask(Request::Again { model: model.index, runs }, Vec::new())?.0 {
            Reply::Times(times) => Ok(times),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether it has started and can work.
    pub fn answers(&mut self) -> bool {
        self.ask(Request::Hello, Vec::new()).is_ok()
    }

    /// What the process occupies.
    pub fn memory(&mut self) -> Result<Memory, RunError> {
        match self.ask(Request::Memory, Vec::new())?.0 {
            Reply::Memory(memory) => Ok(memory),
            other => Err(unexpected(&other)),
        }
    }

    /// The value that a tensor had when its subgraph last ran; `None` where it has none. Both are
    /// numbered as in the file.
    pub fn tensor(
        &mut self,
        model: &Loaded,
        subgraph: usize,
        tensor: usize,
    ) -> Result<Option<Value>, RunError> {
        let request = Request::Tensor { model: model.index, subgraph, tensor };
        match self.ask(request, Vec::new()) {
            Ok((_, values)) => Ok(values.into_iter().next()),
            Err(error) if error.stage == Stage::Output => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask(
        &mut self,
        request: Request,
        values: Vec<Value>,
    ) -> Result<(Reply, Vec<Value>), RunError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let (received, late) = self.exchange(request, values);
        let said = self.said();
        match received {
            Ok(Some(Message { body: Reply::Error(mut error), .. })) => {
                if let Some(said) = complaint(&said) {
                    // As the C API says of variables.
                    if error.stage == Stage::Load && said.contains("not yet supported") {
                        error.stage = Stage::Interface;
                    }
                    error.message = said;
                }
                Err(error)
            }
            Ok(Some(message)) => Ok((message.body, message.contents)),
            Ok(None) | Err(_) => {
                let error = self.ended(late, &said);
                self.end = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Sends a request and waits for the answer; whether that took too long, so that the process
    /// was ended.
    fn exchange(
        &mut self,
        request: Request,
        values: Vec<Value>,
    ) -> (io::Result<Option<Message<Reply>>>, bool) {
        let Self { child, input, output, limit, .. } = self;
        let speak = || {
            // Where sending failed the worker is gone, and so receiving says why.
            if let Some(input) = input {
                let _ = send(input, Message::new(request, values));
            }
            receive::<Reply>(output)
        };
        let Some(limit) = *limit else { return (speak(), false) };
        let (done, wait) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let late = wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
                if late {
                    // Its end of the pipes closes, which ends both sending and receiving.
                    let _ = child.kill();
                }
                late
            });
            let received = speak();
            drop(done);
            // An answer in the last moment is of no use: there will be no other.
            if watch.join().unwrap_or(false) { (Ok(None), true) } else { (received, false) }
        })
    }

    /// Why there is no answer.
    fn ended(&mut self, late: bool, said: &str) -> RunError {
        self.input = None;
        let how = match self.child.wait() {
            Ok(status) => ending(status),
            Err(error) => error.to_string(),
        };
        if let (true, Some(limit)) = (late, self.limit) {
            let message = format!("no answer within {} s", limit.as_secs_f64());
            return RunError::new(Stage::Timeout, message);
        }
        // What it said at its end may have come after the pipe was closed.
        let said = format!("{said}{}", self.said());
        if let Some(missing) = said.lines().find(|line| line.starts_with("ModuleNotFoundError: ")) {
            return RunError::new(Stage::Library, missing.trim());
        }
        match complaint(&said) {
            Some(said) => RunError::new(Stage::Crash, format!("{how} ({said})")),
            None => RunError::new(Stage::Crash, how),
        }
    }

    /// What it wrote to standard error since the last answer, or before the first one since it
    /// started.
    fn said(&mut self) -> String {
        let end = self.errors.as_file().metadata().map_or(self.answered, |file| file.len());
        let start = self.answered.max(end.saturating_sub(TAIL));
        self.answered = end;
        let mut said = Vec::new();
        let errors = self.errors.as_file_mut();
        let read = errors
            .seek(SeekFrom::Start(start))
            .and_then(|_| errors.take(TAIL).read_to_end(&mut said));
        if read.is_err() {
            said.clear();
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.input = None;
        // A model that never ends would keep it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unexpected(reply: &Reply) -> RunError {
    RunError::new(Stage::Library, format!("the worker gave an answer to something else: {reply:?}"))
}

/// The first thing in a runtime's log that tells why something failed.
fn complaint(log: &str) -> Option<String> {
    let line = log.lines().map(str::trim).find_map(|line| line.strip_prefix("ERROR: "))?;
    // A place in the runtime's sources, in brackets, says nothing to the user.
    let text = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_, text)) => text,
        None => line,
    };
    Some(text.to_owned())
}

#[cfg(unix)]
fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let Some(signal) = status.signal() else { return format!("it ended with {status}") };
    let name = match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        7 => " (bus error)",
        8 => " (arithmetic error)",
        9 => " (killed, perhaps for want of memory)",
        11 => " (segmentation fault)",
        _ => "",
    };
    format!("signal {signal}{name}")
}

#[cfg(not(unix))]
fn ending(status: ExitStatus) -> String {
    format!("it ended with {status}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_s_complaint_is_found_in_its_log() {
        let log = "INFO: [env.cc:30] hello\nERROR: x.cc:303 a != b\nERROR: Node number 0 failed\n";
        assert_eq!(complaint(log).as_deref(), Some("x.cc:303 a != b"));
        assert_eq!(complaint("ERROR: [a.cc:1] why\n").as_deref(), Some("why"));
        assert_eq!(complaint("INFO: fine\n"), None);
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Worker {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Worker::start(command).unwrap()
    }

    #[test]
    #[cfg(unix)]
    fn a_crash_is_an_error_that_names_the_signal() {
        let mut worker = shell("echo 'ERROR: out of cheese' >&2; kill -SEGV $$");
        let error = worker.memory().unwrap_err();
        assert_eq!(error.stage, Stage::Crash);
        assert_eq!(error.message, "signal 11 (segmentation fault) (out of cheese)");
        assert_eq!(worker.memory().unwrap_err(), error, "and it stays dead");
    }

    #[test]
    #[cfg(unix)]
    fn what_is_said_before_the_first_request_counts() {
        let mut worker = shell("echo 'ModuleNotFoundError: No module named x' >&2; exit 1");
        worker.child.wait().unwrap();
        let error = worker.memory().unwrap_err();
        assert_eq!(error.stage, Stage::Library);
        assert_eq!(error.message, "ModuleNotFoundError: No module named x");
    }

    #[test]
    #[cfg(unix)]
    fn a_worker_that_gives_no_answer_is_ended() {
        let limit = Some(Duration::from_millis(50));
        // The second stops in the middle of an answer.
        for script in ["exec sleep 600", "printf '\\020\\000'; exec sleep 600"] {
            let mut worker = shell(script).with_limit(limit);
            let error = worker.memory().unwrap_err();
            assert_eq!(error.to_string(), "the model does not end: no answer within 0.05 s");
            assert_eq!(worker.memory().unwrap_err(), error, "and not for another signal");
        }
    }

    #[test]
    #[cfg(unix)]
    fn an_end_without_an_answer_is_an_error() {
        let error = shell("exit 3").memory().unwrap_err();
        assert_eq!(error.message, "it ended with exit status: 3");
        assert!(shell("echo this is no message").memory().is_err());
    }

    #[test]
    fn a_worker_that_does_not_exist() {
        let error = Worker::start(Command::new("/nowhere/worker")).err().unwrap();
        assert_eq!(error.stage, Stage::Library);
    }
}
