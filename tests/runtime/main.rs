//! Models on the real runtime. Where `TFQ_RUNTIME` names none these tests are ignored; `.ci/run`
//! installs one.

mod ablate;
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod files;
mod forms;
mod layers;
mod partitions;
mod run;
#[path = "../common/trials.rs"]
mod trials;
mod verify;
mod workers;

use common::{root, tool};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tfq_opt::runtime::{self, Value};
use trials::Trials;

const CNN: &str = "tests/models/digits/digits_cnn.tflite";
const LSTM: &str = "tests/models/digits/digits_lstm.tflite";

/// A model that was trained on inputs of 0 to 1000, with some of these.
const RAW: &str = "tests/runtime/raw_inputs.tflite";
const RAW_DATA: &str = "tests/runtime/raw_inputs_x.npy";

fn main() {
    let mut trials = Trials::from_args();
    trials.test("workers::the_model_that_a_library_is_tried_with_is_what_its_text_says", || {
        workers::the_model_that_a_library_is_tried_with_is_what_its_text_says();
        Ok(())
    });
    trials.all_with_runtime(ablate::TESTS);
    trials.all_with_runtime(bench::TESTS);
    trials.all_with_runtime(compare::TESTS);
    #[cfg(unix)]
    trials.all_with_runtime(files::TESTS);
    trials.all_with_runtime(forms::TESTS);
    trials.all_with_runtime(layers::TESTS);
    trials.all_with_runtime(partitions::TESTS);
    trials.all_with_runtime(run::TESTS);
    trials.all_with_runtime(verify::TESTS);
    trials.all_with_runtime(workers::TESTS);
    trials.run()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = tool();
    command.args(arguments).current_dir(root());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary starts")
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("it prints text")
}

#[track_caller]
fn fails(arguments: &[&str]) -> String {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
    stderr
}

#[track_caller]
fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeeds(arguments)).expect("it is JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// A model in text form, in a file.
fn written(folder: &tempfile::TempDir, name: &str, model: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, model).expect("there is room");
    text(&path).to_owned()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room")
}

fn npy(path: &Path) -> Value {
    runtime::read_npy(fs::File::open(path).expect("it was saved")).expect("it is a .npy file")
}

/// A small dense layer whose result is known: 2·x, and the sum of both elements.
const DOUBLE: &str = "tfg 1 types
subgraph @main {
  %x = input : f32[?,2]
  %w = const : f32[3,2] = [2.0, 0.0, 0.0, 2.0, 1.0, 1.0]
  %y = FULLY_CONNECTED(%x, %w, _) : f32[?,3]
  output %y
}
";

/// The first dimension of the result is computed from that of the input: the runtime knows it only
/// after a run, and tells 1 before.
const COMPUTED: &str = "tfg 1 types
subgraph @main {
  %x = input : f32[?,2]
  %zero = const : i32[1] = [0]
  %one = const : i32[1] = [1]
  %two = const : i32[] = 2
  %shape = SHAPE(%x) {out_type = INT32} : i32[2]
  %rows = STRIDED_SLICE(%shape, %zero, %one, %one) {shrink_axis_mask = 1} : i32[]
  %wanted = PACK(%rows, %two) {values_count = 2} : i32[2]
  %y = RESHAPE(%x, %wanted) : f32[?,2]
  output %y
}
";

/// Names of what a section of `--per-layer` lists.
fn layer_names(section: &serde_json::Value) -> Vec<&str> {
    let layers = section["matched"].as_array().expect("it is a list");
    layers.iter().map(|layer| layer["name"].as_str().expect("it has a name")).collect()
}
