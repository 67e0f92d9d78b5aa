//! `--verify-run`: results that are written only where they pass.

use crate::common::{root, tool};
use crate::{CNN, LSTM, fails, folder, succeeds, text};
use std::fs;

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    a_result_is_written_only_where_it_passes,
    an_input_that_does_not_run_cannot_be_verified,
    standard_input_can_be_verified_too,
];

fn a_result_is_written_only_where_it_passes() {
    let folder = folder();
    let out = folder.path().join("small.tflite");
    let error = fails(&[CNN, "-o", text(&out), "--verify-run=150"]);
    assert!(error.contains("the result: `serving_default` on the reference kernels"), "{error}");
    assert!(error.contains("--ablate` tells which ops do the harm"), "{error}");
    assert!(!out.exists(), "nothing is written");
    succeeds(&[CNN, "-o", text(&out), "--verify-run"]);
    let verified = fs::read(&out).unwrap();
    succeeds(&[CNN, "-o", text(&out)]);
    assert_eq!(verified, fs::read(&out).unwrap(), "the check changes nothing");
    succeeds(&[LSTM, "-o", text(&out), "--verify-run"]);
}

fn an_input_that_does_not_run_cannot_be_verified() {
    let folder = folder();
    let out = folder.path().join("out.tflite");
    let custom = "tests/models/odd/custom_options.tflite";
    let error = fails(&[custom, "-o", text(&out), "--verify-run"]);
    assert!(!error.contains("--ablate"), "{error}");
    assert!(error.contains("there is nothing to compare with"), "{error}");
    assert!(error.contains("MyDense"), "{error}");
    assert!(!out.exists());
}

fn standard_input_can_be_verified_too() {
    let mut command = tool();
    command.args(["-", "-o", "-", "--verify-run", "-q"]).current_dir(root());
    command.stdin(fs::File::open(root().join(CNN)).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(&output.stdout[4..8], b"TFL3");
}
