//! The side of a worker that asks: a process that runs models, and may crash alone.

use crate::protocol::{Memory, Message, Reply, Request, RunProfile, receive, send};
use crate::value::{Interface, MAX_BYTES, Value};
use crate::{Kernels, Runtime, RuntimeError, Stage, process};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;
use tfq_ir::visible_path;
use tfq_ir::{counted, grouped};
use tfq_tflite::TemporaryFolder;

/// What speaks the protocol in Python, with `ai_edge_litert`.
const SCRIPT: &str = include_str!("worker.py");
/// How much of what a worker wrote to standard error is looked at.
const TAIL: u64 = 16 << 10;
/// How long a worker that has closed its output may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// How many characters of an answer to something else are shown.
const MOST_SHOWN: usize = 200;

/// A process that runs models. It ends when this is dropped.
pub struct Worker {
    child: Child,
    /// To and from the thread that holds its pipes, so that requests time out even where another
    /// process keeps the pipes open.
    questions: Option<Sender<Message<Request>>>,
    answers: Receiver<Answer>,
    /// Its standard error, which is read where something fails.
    errors: File,
    /// How many bytes of that came before the last answer, and so are about something else.
    answered: u64,
    /// How long an answer may take.
    limit: Option<Duration>,
    /// Why there will be no more answers.
    end: Option<RuntimeError>,
}

/// What else a model is loaded for.
#[derive(Clone, Copy, Default)]
struct Extra {
    /// Values of tensors inside of it.
    keep: bool,
    /// Times of its ops.
    profile: bool,
}

/// `None` where the worker closes its output instead.
type Answer = io::Result<Option<Message<Reply>>>;

/// A model that a worker has loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    index: usize,
    /// The ways to call it.
    pub signatures: Vec<Interface>,
}

impl Loaded {
    /// The position of a signature; an error that names those there are.
    pub fn position(&self, key: &str) -> Result<usize, RuntimeError> {
        let is_it = |signature: &Interface| signature.label() == key;
        self.signatures.iter().position(is_it).ok_or_else(|| {
            let names: Vec<&str> = self.signatures.iter().map(Interface::label).collect();
            let names = names.join(", ");
            let message = format!("the model has no signature `{key}`, only: {names}");
            RuntimeError::new(Stage::Input, message)
        })
    }
}

impl Worker {
    /// Starts a program that calls [`crate::serve`] for this runtime, whose path is made its last
    /// argument. The C API of a library whose version is not known is tried first. A worker whose
    /// answer takes longer than `limit` is ended, with an error at [`Stage::Timeout`]; without
    /// one, a model that never ends is waited for.
    pub fn start(
        mut command: Command,
        runtime: &Runtime,
        limit: Option<Duration>,
    ) -> Result<Self, RuntimeError> {
        command.arg(&runtime.library);
        process::apart(&mut command);
        let mut worker = Self::spawn(command, limit).map_err(|error| {
            RuntimeError::new(Stage::Library, format!("the worker cannot be started: {error}"))
        })?;
        if runtime.version.is_none() {
            worker.probe(&runtime.library)?;
        }
        Ok(worker)
    }

    /// Starts a Python interpreter that has the package `ai_edge_litert`; without it, the first
    /// request fails at [`Stage::Library`].
    pub fn python(interpreter: &Path, limit: Option<Duration>) -> Result<Self, RuntimeError> {
        Self::spawn(process::python(interpreter, SCRIPT), limit).map_err(|error| {
            let interpreter = visible_path(interpreter);
            RuntimeError::new(Stage::Library, format!("{interpreter} cannot be started: {error}"))
        })
    }

    fn spawn(mut command: Command, limit: Option<Duration>) -> io::Result<Self> {
        // A file and not a pipe: what was written before an answer is there when it is looked
        // for, and nothing blocks where it is never read.
        let folder = TemporaryFolder::new()?;
        let path = folder.path().join("errors");
        let (written, errors) = (File::create_new(&path)?, File::open(&path)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(written);
        // Without a name it goes with the last process that has it open, whatever ends this one.
        drop(folder);
        let (started, start) = mpsc::channel();
        let (questions, asked) = mpsc::channel();
        let (told, answers) = mpsc::channel();
        // Linux ends a worker with the *thread* that started it, so this one does, and lives as
        // long as the worker is of use.
        thread::Builder::new().name("worker".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(error))),
            };
            let (input, output) = (child.stdin.take(), child.stdout.take());
            let (mut input, mut output) = input.zip(output).expect("both are piped");
            let _ = started.send(Ok(child));
            for question in asked {
                // Where sending failed the worker is gone, and receiving says how it ended.
                let _ = send(&mut input, question);
                if told.send(receive(&mut output)).is_err() {
                    break;
                }
            }
        })?;
        let child = start.recv().map_err(io::Error::other)??;
        let questions = Some(questions);
        Ok(Self { child, questions, answers, errors, answered: 0, limit, end: None })
    }

    /// Loads a model for one kind of kernels. `threads` of at least 1 compute.
    pub fn load(
        &mut self,
        path: &Path,
        kernels: Kernels,
        threads: u32,
    ) -> Result<Loaded, RuntimeError> {
        self.load_with(path, kernels, threads, Extra::default())
    }

    /// As [`Worker::load`], so that [`Worker::profile`] has an answer; C API only. The runtime is a
    /// little slower then.
    pub fn load_profiling(
        &mut self,
        path: &Path,
        kernels: Kernels,
        threads: u32,
    ) -> Result<Loaded, RuntimeError> {
        self.load_with(path, kernels, threads, Extra { profile: true, ..Extra::default() })
    }

    /// As [`Worker::load`], so that [`Worker::tensor`] has an answer; Python only.
    pub fn load_keeping_tensors(
        &mut self,
        path: &Path,
        kernels: Kernels,
    ) -> Result<Loaded, RuntimeError> {
        self.load_with(path, kernels, 1, Extra { keep: true, ..Extra::default() })
    }

    fn load_with(
        &mut self,
        path: &Path,
        kernels: Kernels,
        threads: u32,
        Extra { keep, profile }: Extra,
    ) -> Result<Loaded, RuntimeError> {
        // The worker is in another folder.
        let whole = std::path::absolute(path).ok();
        let Some(path) = whole.as_ref().and_then(|path| path.to_str()) else {
            let message = format!("{} is no path that the runtime can take", visible_path(path));
            return Err(RuntimeError::new(Stage::Load, message));
        };
        let request = Request::Load { path: path.to_owned(), kernels, threads, keep, profile };
        match self.ask(request, Vec::new())?.0 {
            Reply::Loaded { model, signatures } => Ok(Loaded { index: model, signatures }),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Calls a signature, by its position in `model.signatures`. Inputs and outputs are in the
    /// signature's order.
    pub fn run(
        &mut self,
        model: &Loaded,
        signature: usize,
        inputs: Vec<Value>,
    ) -> Result<Vec<Value>, RuntimeError> {
        let request = Request::Run { model: model.index, signature };
        let outputs = self.ask(request, inputs)?.1;
        let wanted = model.signatures.get(signature).map(|signature| signature.outputs.len());
        if wanted != Some(outputs.len()) {
            return Err(self.useless(&format!(
                "{} came that are not those wanted",
                counted(outputs.len(), "output")
            )));
        }
        Ok(outputs)
    }

    /// Repeats the last run of this model, and tells how many seconds each took.
    pub fn again(&mut self, model: &Loaded, runs: u32) -> Result<Vec<f64>, RuntimeError> {
        match self.ask(Request::Again { model: model.index, runs }, Vec::new())?.0 {
            Reply::Times(times) if times.len() == runs as usize => Ok(times),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Repeats the last run of this model, and tells when the ops of each ran.
    pub fn profile(&mut self, model: &Loaded, runs: u32) -> Result<Vec<RunProfile>, RuntimeError> {
        match self.ask(Request::Profile { model: model.index, runs }, Vec::new())?.0 {
            Reply::Profile(profiles) if profiles.len() == runs as usize => Ok(profiles),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Whether it has started and can work.
    pub fn answers(&mut self) -> bool {
        self.ask(Request::Hello, Vec::new()).is_ok()
    }

    /// What the process occupies.
    pub fn memory(&mut self) -> Result<Memory, RuntimeError> {
        match self.ask(Request::Memory, Vec::new())?.0 {
            Reply::Memory(memory) => Ok(memory),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The value that a tensor had when its subgraph last ran; `None` where it has none. Both are
    /// numbered as in the file.
    pub fn tensor(
        &mut self,
        model: &Loaded,
        subgraph: usize,
        tensor: usize,
    ) -> Result<Option<Value>, RuntimeError> {
        let request = Request::Tensor { model: model.index, subgraph, tensor };
        match self.ask(request, Vec::new()) {
            Ok((_, values)) => Ok(values.into_iter().next()),
            Err(error) if error.stage == Stage::Output => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a library does what the declarations of its functions say.
    fn probe(&mut self, library: &Path) -> Result<(), RuntimeError> {
        self.ask(Request::Probe, Vec::new()).map(|_| ()).map_err(|error| {
            let library = visible_path(library);
            let message =
                format!("{library} has no version that is known, and fails a test of its C API");
            RuntimeError::new(Stage::Library, format!("{message}: {error}"))
        })
    }

    fn ask(
        &mut self,
        request: Request,
        values: Vec<Value>,
    ) -> Result<(Reply, Vec<Value>), RuntimeError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let bytes: u64 = values.iter().map(|value| value.data.len() as u64).sum();
        if bytes > MAX_BYTES {
            let (bytes, most) = (counted(bytes, "byte"), grouped(MAX_BYTES));
            let message = format!("they have {bytes}, {most} can be passed at most");
            return Err(RuntimeError::new(Stage::Input, message));
        }
        match self.exchange(Message::new(request, values)) {
            Ok(Ok(Some(Message { body: Reply::Error(mut error), .. }))) => {
                if let Some(said) = complaint(&self.said()) {
                    if is_of_interface(error.stage, &said) {
                        error.stage = Stage::Interface;
                    }
                    error.message = said;
                }
                Err(error)
            }
            Ok(Ok(Some(message))) => {
                self.said();
                Ok((message.body, message.contents))
            }
            Ok(Ok(None)) => Err(self.ended()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.ended()),
            Ok(Err(error)) => Err(self.useless(&error.to_string())),
            Err(limit) => {
                let message = format!("no answer within {} s", limit.as_secs_f64());
                Err(self.close(RuntimeError::new(Stage::Timeout, message)))
            }
        }
    }

    /// Sends a request and waits for what comes back; the limit where nothing does.
    fn exchange(&self, question: Message<Request>) -> Result<Answer, Duration> {
        let gone = || Err(io::ErrorKind::UnexpectedEof.into());
        let sent = self.questions.as_ref().is_some_and(|to| to.send(question).is_ok());
        if !sent {
            return Ok(gone());
        }
        let Some(limit) = self.limit else {
            return Ok(self.answers.recv().unwrap_or_else(|_| gone()));
        };
        match self.answers.recv_timeout(limit) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Disconnected) => Ok(gone()),
            Err(RecvTimeoutError::Timeout) => Err(limit),
        }
    }

    /// Ends the process.
    fn close(&mut self, error: RuntimeError) -> RuntimeError {
        process::kill(&mut self.child);
        let _ = self.child.wait();
        self.closed(error)
    }

    /// The process has ended: every request is answered so from now on.
    fn closed(&mut self, error: RuntimeError) -> RuntimeError {
        self.questions = None;
        self.end = Some(error.clone());
        error
    }

    /// What came cannot be trusted, and nor can what would come.
    fn useless(&mut self, why: &str) -> RuntimeError {
        let message = format!("a worker's answer is of no use: {why}");
        self.close(RuntimeError::new(Stage::Library, message))
    }

    fn unexpected(&mut self, reply: &Reply) -> RuntimeError {
        let text: String = format!("{reply:?}").chars().take(MOST_SHOWN).collect();
        self.useless(&format!("it is to something else: {text}"))
    }

    /// Why the process closed its output without an answer.
    fn ended(&mut self) -> RuntimeError {
        let (stage, how) = match process::ends_within(&mut self.child, GRACE) {
            Ok(Some(status)) => ending(status),
            Ok(None) | Err(_) => {
                return self.useless("it closed its output and did not end");
            }
        };
        // With what it said at its very end.
        let said = self.said();
        if let Some(missing) = said.lines().find(|line| line.starts_with("ModuleNotFoundError: ")) {
            return self.closed(RuntimeError::new(Stage::Library, missing.trim()));
        }
        let message = match complaint(&said) {
            Some(said) if stage == Stage::Crash => format!("{how} ({said})"),
            _ => how,
        };
        self.closed(RuntimeError::new(stage, message))
    }

    /// What it wrote to standard error since the last answer, or before the first one since it
    /// started.
    fn said(&mut self) -> String {
        let end = self.errors.metadata().map_or(self.answered, |file| file.len());
        let start = self.answered.max(end.saturating_sub(TAIL));
        self.answered = end;
        let mut said = Vec::new();
        let errors = &mut self.errors;
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
        // A model that never ends would keep it. Once closed, its number may be another's.
        if self.end.is_none() {
            self.close(RuntimeError::new(Stage::Killed, "it is not wanted any more"));
        }
    }
}

/// Whether the C API complains of what it cannot do itself: variables, and buffers for a tensor
/// that an op makes.
fn is_of_interface(stage: Stage, complaint: &str) -> bool {
    stage == Stage::Load && complaint.contains("not yet supported")
        || complaint.contains("tensor->allocation_type ==")
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
fn ending(status: ExitStatus) -> (Stage, String) {
    use std::os::unix::process::ExitStatusExt;
    let Some(signal) = status.signal() else {
        return (Stage::Crash, format!("it ended with {status}"));
    };
    let (stage, name) = match signal {
        1 => (Stage::Killed, " (hangup)"),
        2 => (Stage::Killed, " (interrupt)"),
        3 => (Stage::Killed, " (quit)"),
        4 => (Stage::Crash, " (illegal instruction)"),
        6 => (Stage::Crash, " (abort)"),
        7 => (Stage::Crash, " (bus error)"),
        8 => (Stage::Crash, " (arithmetic error)"),
        9 => (Stage::Killed, ", perhaps for want of memory"),
        11 => (Stage::Crash, " (segmentation fault)"),
        15 => (Stage::Killed, " (termination)"),
        24 => (Stage::Killed, " (limit of processor time)"),
        _ => (Stage::Crash, ""),
    };
    (stage, format!("signal {signal}{name}"))
}

#[cfg(not(unix))]
fn ending(status: ExitStatus) -> (Stage, String) {
    (Stage::Crash, format!("it ended with {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_runtime_s_complaint_is_found_in_its_log() {
        let log = "INFO: [env.cc:30] hello\nERROR: x.cc:303 a != b\nERROR: Node number 0 failed\n";
        assert_eq!(complaint(log).as_deref(), Some("x.cc:303 a != b"));
        assert_eq!(complaint("ERROR: [a.cc:1] why\n").as_deref(), Some("why"));
        assert_eq!(complaint("INFO: fine\n"), None);
    }

    /// A runtime of a version that is known, so that no worker is tried first.
    fn runtime() -> Runtime {
        let version = Some("2.3.0".to_owned());
        Runtime { library: "library".into(), version, python: "python3".into() }
    }

    #[cfg(unix)]
    fn shell_within(limit: Option<Duration>, script: &str) -> Worker {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Worker::start(command, &runtime(), limit).unwrap()
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Worker {
        shell_within(Some(Duration::from_secs(60)), script)
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
    fn a_killed_worker_is_told_from_a_crash() {
        for (signal, how) in
            [("KILL", "signal 9, perhaps for want of memory"), ("TERM", "signal 15 (termination)")]
        {
            // What the runtime said has nothing to do with it.
            let script = format!("echo 'ERROR: out of cheese' >&2; kill -{signal} $$");
            let error = shell(&script).memory().unwrap_err();
            assert_eq!(error.stage, Stage::Killed);
            assert_eq!(
                error.to_string(),
                format!("the process that ran the model was killed: {how}")
            );
            assert!(!error.python_may_help());
        }
        // From outside, while it waits.
        let mut worker = shell("exec sleep 600");
        process::kill(&mut worker.child);
        assert_eq!(worker.memory().unwrap_err().stage, Stage::Killed);
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
        for script in [
            "exec sleep 600",
            // In the middle of an answer.
            "printf '\\020\\000'; exec sleep 600",
            // In a child that holds the pipes.
            "sleep 600; exit",
        ] {
            let start = Instant::now();
            let mut worker = shell_within(limit, script);
            let error = worker.memory().unwrap_err();
            assert_eq!(error.to_string(), "the model does not end: no answer within 0.05 s");
            assert_eq!(worker.memory().unwrap_err(), error, "and not for another signal");
            assert!(start.elapsed() < Duration::from_secs(30), "{script}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_request_that_nobody_reads_is_given_up() {
        let data = vec![0; 1 << 20];
        let value = Value { ty: tfq_ir::ElementType::Int8, shape: vec![1 << 20], data };
        let model = Loaded { index: 0, signatures: Vec::new() };
        let mut worker = shell_within(Some(Duration::from_millis(50)), "exec sleep 600");
        let error = worker.run(&model, 0, vec![value]).unwrap_err();
        assert_eq!(error.stage, Stage::Timeout);
    }

    #[test]
    #[cfg(unix)]
    fn a_worker_that_prints_something_else_is_ended_at_once() {
        // Words, an answer to something else, a text of 4 GB, values of a terabyte, nothing.
        let of_terabyte =
            r#"{"done":{},"values":[{"ty":"INT8","shape":[1099511627776],"bytes":1099511627776}]}"#;
        let framed = |text: &str| format!("\\{:03o}\\000\\000\\000%s' '{text}", text.len());
        for (printed, why) in [
            ("INFO: a library says something\\n".to_owned(), "it is no message"),
            (framed(r#"{"times":[1.0]}"#), "it is to something else: Times([1.0])"),
            ("\\377\\377\\377\\377".to_owned(), "it is no message"),
            (framed(of_terabyte), "it has more than 2 147 483 648 bytes of values"),
            (String::new(), "it closed its output and did not end"),
        ] {
            let start = Instant::now();
            let mut worker = shell(&format!("printf '{printed}'; exec >&-; exec sleep 600"));
            let error = worker.memory().unwrap_err();
            assert_eq!(error.stage, Stage::Library, "{error}");
            let whole = format!("a worker's answer is of no use: {why}");
            assert!(error.message.starts_with(&whole), "{printed}: {error}");
            assert!(start.elapsed() < Duration::from_secs(30), "{printed}");
            assert_eq!(worker.memory().unwrap_err(), error, "and it is not asked again");
        }
    }

    #[test]
    #[cfg(unix)]
    fn an_end_without_an_answer_is_an_error() {
        let error = shell("exit 3").memory().unwrap_err();
        assert_eq!(error.to_string(), "the runtime crashed: it ended with exit status: 3");
    }

    #[test]
    #[cfg(unix)]
    fn nothing_is_left_of_a_worker() {
        // It says what its number is, and starts another process.
        let script = "sleep 600 & echo $! >&2; echo $$ >&2; wait";
        let mut worker = shell(script);
        let mut said = String::new();
        while said.lines().count() < 2 {
            thread::sleep(Duration::from_millis(5));
            said.push_str(&worker.said());
        }
        let alive = |pid: &str| {
            // A dead one whose parent has not looked yet is a zombie.
            let status = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
            let status = String::from_utf8_lossy(&status.stdout).trim().to_owned();
            !status.is_empty() && !status.starts_with('Z')
        };
        let pids: Vec<&str> = said.lines().collect();
        assert!(pids.iter().all(|pid| alive(pid)), "{pids:?}");
        drop(worker);
        let start = Instant::now();
        while pids.iter().any(|pid| alive(pid)) {
            assert!(start.elapsed() < Duration::from_secs(30), "{pids:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    #[cfg(unix)]
    fn inputs_that_are_too_large_are_not_passed_on() {
        // Pages of zeros take no memory until they are touched.
        let data = vec![0; (MAX_BYTES + 1) as usize];
        let value = Value { ty: tfq_ir::ElementType::Int8, shape: vec![data.len()], data };
        let model = Loaded { index: 0, signatures: Vec::new() };
        let error = shell("exec sleep 600").run(&model, 0, vec![value]).unwrap_err();
        assert_eq!(error.stage, Stage::Input);
        assert!(error.message.contains("2 147 483 648 can be passed"), "{error}");
    }

    #[test]
    fn a_worker_that_does_not_exist() {
        let command = Command::new("/nowhere/worker");
        let error = Worker::start(command, &runtime(), None).err().unwrap();
        assert_eq!(error.stage, Stage::Library);
    }
}
