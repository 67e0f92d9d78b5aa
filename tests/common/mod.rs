//! What the tests share.

// Each test file is a crate of its own and uses a part.
#![allow(dead_code)]

use bytes::Bytes;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tfq_opt::Optimized;
use tfq_opt::edits::{Blobs, Edits, EditsError};
use tfq_opt::format::{LiftOptions, LowerOptions, lift, lower};
use tfq_opt::ir::{Module, Patch, SubgraphId, TensorId};

/// The folder of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tool, in whatever folder; errors are without a backtrace and without colours.
pub(crate) fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
    command.env_remove("RUST_BACKTRACE").env("NO_COLOR", "1");
    command
}

/// The bytes of a model of `tests/models`, named as `ops/fc_bias`.
pub(crate) fn model(name: &str) -> Vec<u8> {
    let path = root().join("tests/models").join(name).with_extension("tflite");
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Models of a newer format, which are refused unless their unknown fields may be dropped.
pub(crate) const REFUSED: [&str; 2] = ["odd/unknown_model_field", "odd/unknown_tensor_field"];

/// The names of all models of `tests/models` that are not refused.
pub(crate) fn models() -> Vec<String> {
    let folder = root().join("tests/models");
    let names = files(&folder, "tflite").into_iter().map(|path| {
        let inside = path.strip_prefix(&folder).expect("it is in the folder");
        inside.with_extension("").to_str().expect("model names are ASCII").replace('\\', "/")
    });
    names.filter(|name| !REFUSED.contains(&name.as_str())).collect()
}

/// Files in a folder and the folders in it, sorted.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path, extension)),
            path if path.extension().is_some_and(|e| e == extension) => found.push(path),
            _ => (),
        }
    }
    found.sort();
    found
}

/// Reads a model.
pub(crate) fn lifted(bytes: &[u8]) -> Module {
    lift(&Bytes::copy_from_slice(bytes), &LiftOptions::default()).expect("the model can be read")
}

/// Writes a model.
pub(crate) fn lowered(module: &Module) -> Vec<u8> {
    lower(module, &LowerOptions::default()).expect("the model can be written").to_vec()
}

/// A tensor by name, wherever it is first.
pub(crate) fn tensor(module: &Module, name: &str) -> Option<(SubgraphId, TensorId)> {
    module.subgraphs().find_map(|(sg, graph)| {
        let named = |id: &TensorId| graph.tensor(*id).name.as_deref() == Some(name);
        graph.tensors().find(named).map(|id| (sg, id))
    })
}

/// The model with a number of a float32 constant changed.
pub(crate) fn with_value(bytes: &[u8], name: &str, index: usize, value: f32) -> Vec<u8> {
    let mut module = lifted(bytes);
    let (sg, id) = tensor(&module, name).unwrap_or_else(|| panic!("there is no tensor `{name}`"));
    let mut data = module.constant(sg, id).expect("it is a constant").to_vec();
    data[4 * index..][..4].copy_from_slice(&value.to_le_bytes());
    let buffer = module.add_constant(data.into());
    let mut patch = Patch::new(sg, "change a number");
    patch.set_buffer(id, buffer);
    module.apply(patch).expect("a buffer of the same size fits");
    module.prune_buffers();
    lowered(&module)
}

/// The exit status of a command whose output nobody reads, as of a process that SIGPIPE has ended.
pub(crate) const CLOSED_PIPE: i32 = 141;

/// A standard output whose reader has gone.
pub(crate) fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("there are pipes");
    drop(reader);
    writer.into()
}

/// Makes a pipe with a name, if the system has such.
pub(crate) fn fifo(path: &Path) -> bool {
    Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
}

/// Runs a command and does something when it has mapped its model: a command that is told to read
/// constants from a pipe opens that afterwards, and waits for what is in it. `None` where there
/// are no pipes with names.
#[cfg(unix)]
pub(crate) fn while_mapped(mut command: Command, change: impl FnOnce()) -> Option<Output> {
    use rustix::fs::{Mode, OFlags, open};
    let pause = || std::thread::sleep(std::time::Duration::from_millis(2));
    let folder = tempfile::tempdir().expect("there is room");
    let pipe = folder.path().join("side");
    if !fifo(&pipe) {
        return None;
    }
    command.arg("--side-file").arg(&pipe).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // Without a reader there is an error.
    let writer = || open(&pipe, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let opened = loop {
        if let Ok(opened) = writer() {
            break opened;
        }
        let has_ended = child.try_wait().expect("it can be asked").is_some();
        assert!(!has_ended, "{command:?} ended and read no constants");
        pause();
    };
    change();
    drop(opened);
    let end = std::thread::spawn(|| child.wait_with_output().expect("it ends"));
    // A command that reads two models opens it twice.
    while !end.is_finished() {
        drop(writer());
        pause();
    }
    end.join().ok()
}

/// Does to a module what a run did to one like it, by way of JSON and a side file as another
/// process reads them.
pub(crate) fn replay_as_json(module: &mut Module, run: &Optimized) -> Result<(), EditsError> {
    let mut blobs = Blobs::new();
    let log = run.edits(&mut blobs).expect("they were kept").to_json();
    let sent = Blobs::from_side_file(&blobs.to_side_file().into()).expect("it is a side file");
    let read = Edits::parse(&log)?;
    assert!(read.to_json() == log, "the log is written in two ways");
    read.apply(module, &sent)
}
