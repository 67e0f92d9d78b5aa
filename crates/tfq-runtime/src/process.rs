//! Processes that this one starts: Python without the current folder, and their ends.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The list of folders that Python looks for modules in before its own.
const PYTHON_PATH: &str = "PYTHONPATH";
/// What comes before each text for Python: before version 3.11 `-c` looks for modules in the
/// current folder first. `sys` is built in.
const SAFE: &str = "import sys; sys.path[:] = [p for p in sys.path if p]\n";
/// How much of an output is read.
const MOST_OUTPUT: u64 = 64 << 10;

/// A Python interpreter that runs `text`. Folders that the user names in `PYTHONPATH` count; the
/// current folder, which may hold anything, does not, unless it is named there.
pub(crate) fn python(interpreter: &Path, text: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg("-c").arg(format!("{SAFE}{text}")).env("PYTHONSAFEPATH", "1");
    match env::var_os(PYTHON_PATH).and_then(named_folders) {
        Some(path) => command.env(PYTHON_PATH, path),
        None => command.env_remove(PYTHON_PATH),
    };
    apart(&mut command);
    command
}

/// The folders of a search path that are named. An empty entry stands for the current folder,
/// which few who end a list with a colon mean.
fn named_folders(path: OsString) -> Option<OsString> {
    let folders = env::split_paths(&path).filter(|folder| !folder.as_os_str().is_empty());
    let folders: Vec<PathBuf> = folders.filter_map(|f| std::path::absolute(f).ok()).collect();
    env::join_paths(folders).ok().filter(|path| !path.is_empty())
}

/// A process away from the current folder, where neither Python nor the loader of libraries then
/// finds anything, and away from the terminal's signals: it ends when its parent does.
pub(crate) fn apart(command: &mut Command) {
    command.current_dir("/");
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// A program on the search path, but in no folder that hangs on the current one.
pub(crate) fn on_search_path(program: &str) -> Option<PathBuf> {
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    let path = env::var_os("PATH")?;
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(&file)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// Ends a process that [`apart`] made, and those that it started. Not to be called once its
/// status is known: the number may then be another's.
pub(crate) fn kill(child: &mut Child) {
    #[cfg(unix)]
    let _ = rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    );
    let _ = child.kill();
}

/// How a process ended, if it does so in this time.
pub(crate) fn ends_within(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let Some(left) = limit.checked_sub(start.elapsed()) else { return Ok(None) };
        thread::sleep(pause.min(left));
        pause = (2 * pause).min(Duration::from_millis(50));
    }
}

/// What a program prints, where it ends well within this time.
pub(crate) fn output_within(mut command: Command, limit: Duration) -> io::Result<Option<String>> {
    let start = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let out = child.stdout.take().expect("it is piped");
    let (done, wait) = mpsc::channel();
    // A program that it started may hold the pipe when it has ended itself.
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = out.take(MOST_OUTPUT).read_to_end(&mut text);
        let _ = done.send(read.map(|_| text));
    });
    let text = wait.recv_timeout(limit);
    let status = match text {
        Ok(_) => ends_within(&mut child, limit.saturating_sub(start.elapsed()))?,
        Err(_) => None,
    };
    let Some(status) = status else {
        kill(&mut child);
        child.wait()?;
        return Err(io::ErrorKind::TimedOut.into());
    };
    let text = text.map_err(io::Error::other)??;
    Ok(status.success().then(|| String::from_utf8_lossy(&text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_entry_of_a_search_path_is_not_the_current_folder() {
        let cleaned = |text: &str| named_folders(text.into());
        let joined = |folders: &[&str]| Some(env::join_paths(folders).unwrap());
        let path = env::join_paths(["", "/a", "", "/b c", ""]).unwrap();
        assert_eq!(cleaned(path.to_str().unwrap()), joined(&["/a", "/b c"]));
        assert_eq!(cleaned(""), None);
        assert_eq!(named_folders(env::join_paths(["", ""]).unwrap()), None);
        // What is named is meant, the current folder too.
        let here = env::current_dir().unwrap();
        assert_eq!(cleaned("lib"), joined(&[here.join("lib").to_str().unwrap()]));
        assert_eq!(cleaned("."), joined(&[here.to_str().unwrap()]));
    }

    #[test]
    #[cfg(unix)]
    fn a_program_that_does_not_end_is_given_up() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            apart(&mut command);
            output_within(command, Duration::from_millis(300))
        };
        assert_eq!(shell("echo one; pwd").unwrap().as_deref(), Some("one\n/\n"));
        assert_eq!(shell("echo one; exit 1").unwrap(), None);
        assert_eq!(shell("exec yes").unwrap(), None);
        // The second leaves a child that holds the pipe, the third closes it and stays.
        for script in ["exec sleep 60", "sleep 60 & exit 0", "exec >&-; sleep 60"] {
            let start = Instant::now();
            let error = shell(script).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}");
            assert!(start.elapsed() < Duration::from_secs(20), "{script}");
        }
    }
}
