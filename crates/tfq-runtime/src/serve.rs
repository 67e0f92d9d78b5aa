//! The side of a worker that runs models through the C API.

use crate::ffi::{Api, Session};
use crate::probe::probe;
use crate::protocol::{Memory, Message, Reply, Request, receive, send};
use crate::value::Value;
use crate::{RuntimeError, Stage};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

/// Answers requests from standard input with the runtime of this library, until the input
/// ends. What the runtime prints goes to standard error.
pub fn serve(library: &Path) -> io::Result<()> {
    end_with_parent();
    let mut out = answers()?;
    let mut from = io::stdin().lock();
    let mut worker = Worker { api: Api::load(library), sessions: Vec::new() };
    while let Some(request) = receive::<Request>(&mut from)? {
        let (reply, values) = match worker.answer(&request.body, &request.contents) {
            Ok(answer) => answer,
            Err(error) => (Reply::Error(error), Vec::new()),
        };
        send(&mut out, Message::new(reply, values))?;
    }
    Ok(())
}

/// Standard output for answers alone: file descriptor 1 becomes standard error, so that
/// nothing that the library prints lands between them.
#[cfg(unix)]
fn answers() -> io::Result<impl Write> {
    let out = rustix::io::dup(rustix::stdio::stdout())?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(io::BufWriter::new(std::fs::File::from(out)))
}

#[cfg(not(unix))]
fn answers() -> io::Result<impl Write> {
    Ok(io::stdout().lock())
}

/// Ends this process when standard input is closed: then the parent has exited or crashed. The main
/// thread does not read its input while a model runs, and a model may never return.
#[cfg(unix)]
fn end_with_parent() {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Signal, getpid, kill_process};
    std::thread::spawn(|| {
        let input = io::stdin();
        // A pipe that is closed is told always, and nothing else is asked for.
        let mut pipes = [PollFd::new(&input, PollFlags::empty())];
        while !matches!(poll(&mut pipes, None), Ok(1..)) {}
        let _ = kill_process(getpid(), Signal::KILL);
    });
}

#[cfg(not(unix))]
fn end_with_parent() {}

struct Worker {
    api: Result<Api, RuntimeError>,
    sessions: Vec<Session>,
}

impl Worker {
    fn answer(
        &mut self,
        request: &Request,
        values: &[Value],
    ) -> Result<(Reply, Vec<Value>), RuntimeError> {
        let reply = match request {
            Request::Load { keep: true, .. } | Request::Tensor { .. } => {
                let message = "tensors inside of a model need the Python worker";
                return Err(RuntimeError::new(Stage::Library, message));
            }
            Request::Load { path, kernels, threads, profile, .. } => {
                let api = self.api.clone()?;
                let session = Session::open(api, Path::new(path), *kernels, *threads, *profile)?;
                let signatures = session.signatures().to_vec();
                self.sessions.push(session);
                Reply::Loaded { model: self.sessions.len() - 1, signatures }
            }
            Request::Run { model, signature } => {
                let outputs = self.session(*model)?.run(*signature, values)?;
                return Ok((Reply::Done {}, outputs));
            }
            Request::Again { model, runs } => {
                let session = self.session(*model)?;
                let mut times = Vec::with_capacity(*runs as usize);
                for _ in 0..*runs {
                    let start = Instant::now();
                    session.again()?;
                    times.push(start.elapsed().as_secs_f64());
                }
                Reply::Times(times)
            }
            Request::Profile { model, runs } => {
                let session = self.session(*model)?;
                let runs = (0..*runs).map(|_| session.profile()).collect::<Result<_, _>>()?;
                Reply::Profile(runs)
            }
            Request::Hello => {
                self.api.clone()?;
                Reply::Done {}
            }
            Request::Probe => {
                probe(self.api.clone()?)?;
                Reply::Done {}
            }
            Request::Memory => Reply::Memory(memory()?),
        };
        Ok((reply, Vec::new()))
    }

    fn session(&mut self, model: usize) -> Result<&mut Session, RuntimeError> {
        let unknown = || RuntimeError::new(Stage::Input, format!("there is no model {model}"));
        self.sessions.get_mut(model).ok_or_else(unknown)
    }
}

/// What this process occupies, as the kernel counts it.
fn memory() -> Result<Memory, RuntimeError> {
    let mut text = String::new();
    std::fs::File::open("/proc/self/status")
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| {
            RuntimeError::new(Stage::Library, format!("memory cannot be measured here: {error}"))
        })?;
    Ok(parse_status(&text))
}

fn parse_status(text: &str) -> Memory {
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        1024 * number.unwrap_or(0_u64)
    };
    Memory {
        resident: kilobytes("VmRSS"),
        anonymous: kilobytes("RssAnon"),
        peak: kilobytes("VmHWM"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_count_is_read() {
        let text = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\nRssAnon:\t   512 kB\n";
        let wanted = Memory { resident: 1 << 20, anonymous: 512 << 10, peak: 2 << 20 };
        assert_eq!(parse_status(text), wanted);
        assert_eq!(parse_status(""), Memory::default());
    }
}
