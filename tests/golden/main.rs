//! `tfq-opt golden`: what it says of each way in which a result can move, and what it writes.

mod add;
mod check;
mod ci;
#[path = "../common/mod.rs"]
mod common;
mod folder;
mod moves;
mod review;

use common::{model, tool, with_value};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A folder of its own with a model in it.
struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self(tempfile::tempdir().expect("there is room"));
        sandbox.put("model.tflite", &model("ops/fc_bias"));
        sandbox
    }

    /// With a golden `model` of its model.
    fn with_golden(arguments: &[&str]) -> Self {
        let sandbox = Self::new();
        sandbox.succeeds(&[&["add", "model.tflite"], arguments].concat());
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("the folder can be written");
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces a piece of a file, which must be there.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.text(name);
        assert!(text.contains(from), "{name} has no {from:?}:\n{text}");
        self.put(name, text.replace(from, to).as_bytes());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool();
        command.arg("golden").args(arguments).current_dir(self.0.path()).env_remove("CI");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{out}{err}");
        out
    }

    /// Runs it with these lines on standard input.
    #[track_caller]
    fn answers(&self, arguments: &[&str], answers: &str) -> String {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        // It may end before it has read everything.
        let _ = child.stdin.take().expect("it is piped").write_all(answers.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{out}{err}");
        out
    }

    /// The report of a check that ends with this status.
    #[track_caller]
    fn check(&self, code: i32) -> Value {
        let output = self.run(&["check", "--format=json"]);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{out}{err}");
        serde_json::from_str(&out).expect("it is JSON")
    }

    /// What moved in the only golden.
    #[track_caller]
    fn kinds(&self, code: i32) -> Vec<String> {
        let kinds = self.check(code)["goldens"][0]["kinds"].clone();
        serde_json::from_value(kinds).expect("kinds are a list of names")
    }

    fn inside(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("it is a folder").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn blake3_of(name: &str) -> String {
    tfq_golden::file_hash(&model(name))
}

/// The model with one weight changed, which is not the largest of its row.
fn with_other_weight() -> Vec<u8> {
    with_value(&model("ops/fc_bias"), "weights", 3, 0.01)
}

/// For a test that needs an op which reads codes.
const HYBRID: &str = "--passes=quantize-weights{exact-activations=off},default";

/// Two goldens that are not met.
fn two_that_differ() -> Sandbox {
    let sandbox = Sandbox::with_golden(&["--passes=quantize-weights,insert-dequant"]);
    sandbox.succeeds(&[
        "add",
        "model.tflite",
        "--name=other",
        "--passes=quantize-weights,insert-dequant",
    ]);
    sandbox.edit("goldens/index.toml", "quantize-weights,", "quantize-weights{type=float16},");
    assert_eq!(sandbox.check(1)["differ"], 2);
    sandbox
}
