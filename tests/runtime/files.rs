//! Files: what is run is what was read, and inputs stay.

#![cfg(unix)]

use crate::common::{CLOSED_PIPE, closed, fifo, while_mapped};
use crate::{CNN, DOUBLE, command, fails, folder, npy, run, succeeds, text, written};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tfq_opt::runtime::{Value, write_npy};

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    what_is_run_is_what_was_read,
    a_model_that_is_cut_off_is_no_result,
    a_pipe_can_be_run,
    outputs_do_not_replace_inputs,
    a_closed_pipe_ends_commands_quietly,
];

/// A model as the runtime takes it, whose weights are `weights` in place of 2.
fn weighted(folder: &tempfile::TempDir, name: &str, weight: u32) -> String {
    let source = written(folder, "source.tfg", &DOUBLE.replace("2.0", &format!("{weight}.0")));
    let out = folder.path().join(name);
    succeeds(&[&source, "--passes=", "-q", "-o", text(&out)]);
    text(&out).to_owned()
}

fn saved(folder: &Path, name: &str) -> Vec<f64> {
    npy(&folder.join(name)).numbers().expect("they are numbers")
}

/// A model of this name is another one by the time that the runtime would open it.
fn what_is_run_is_what_was_read() {
    let folder = folder();
    let out = folder.path().join("out");
    let [model, other] =
        [2, 3].map(|weight| weighted(&folder, &format!("{weight}.tflite"), weight));
    let copy = weighted(&folder, "copy.tflite", 2);
    let ones = ["--input=ones", "-o", text(&out)];
    succeeds(&[&["run", &model][..], &ones].concat());
    let wanted = fs::read(out.join("y.npy")).unwrap();
    let calls = [
        [&["run", &model][..], &ones].concat(),
        vec!["compare", &model, &copy, "--min-snr=200"],
        vec![&model, "--passes=", "--verify-run=200", "-q"],
        vec!["bench", &model, "--runs=1", "--threads=1"],
    ];
    for call in &calls {
        fs::copy(&model, folder.path().join("kept.tflite")).unwrap();
        fs::copy(&other, folder.path().join("new.tflite")).unwrap();
        let replace = || fs::rename(folder.path().join("new.tflite"), &model).unwrap();
        let Some(output) = while_mapped(command(call), replace) else { return };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{call:?}: {stderr}");
        fs::rename(folder.path().join("kept.tflite"), &model).unwrap();
    }
    assert_eq!(fs::read(out.join("y.npy")).unwrap(), wanted);
    succeeds(&[&["run", &other][..], &ones].concat());
    assert_ne!(fs::read(out.join("y.npy")).unwrap(), wanted);
}

fn a_model_that_is_cut_off_is_no_result() {
    let folder = folder();
    let model = weighted(&folder, "model.tflite", 2);
    let out = folder.path().join("out");
    for call in [
        vec!["run", &model, "-o", text(&out)],
        vec!["compare", &model, &model],
        vec!["bench", &model, "--runs=1", "--threads=1"],
    ] {
        let bytes = fs::read(&model).unwrap();
        let cut_off = || fs::write(&model, "").unwrap();
        let Some(output) = while_mapped(command(&call), cut_off) else { return };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{call:?}: {stderr}");
        assert!(stderr.contains("became shorter while it was in use"), "{call:?}: {stderr}");
        assert!(!out.exists());
        fs::write(&model, bytes).unwrap();
    }
}

fn a_pipe_can_be_run() {
    let folder = folder();
    let (model, pipe) = (weighted(&folder, "model.tflite", 2), folder.path().join("pipe"));
    if !fifo(&pipe) {
        return; // No mkfifo here: nothing to show.
    }
    let wanted = succeeds(&["run", &model]);
    let child = command(&["run", text(&pipe)]).stdout(Stdio::piped()).spawn().unwrap();
    fs::write(&pipe, fs::read(&model).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
}

fn outputs_do_not_replace_inputs() {
    let folder = folder();
    let model = weighted(&folder, "model.tflite", 2);
    // An output of the model has this name.
    let input = folder.path().join("y.npy");
    let value = succeeds(&["run", &model, "--input=ones", "-o", text(folder.path())]);
    assert!(value.contains("saved to"), "{value}");
    let shape = vec![1, 2];
    let x = Value { ty: tfq_opt::ir::ElementType::Float32, shape, data: vec![0; 8] };
    write_npy(fs::File::create(&input).unwrap(), &x).unwrap();
    let bytes = fs::read(&input).unwrap();
    let given = format!("--input=x={}", text(&input));
    let same = run(&["run", &model, &given, "-o", text(folder.path())]);
    assert_eq!(same.status.code(), Some(2));
    let error = String::from_utf8(same.stderr).unwrap();
    assert!(
        error.contains("y.npy is the input too") && error.contains("another folder"),
        "{error}"
    );
    assert_eq!(fs::read(&input).unwrap(), bytes);
    // Samples that a result is checked with are inputs too.
    let data = format!("--data={}", text(&input));
    let verified = run(&[&model, "--verify-run", &data, "-o", text(&input)]);
    assert_eq!(verified.status.code(), Some(2));
    assert_eq!(fs::read(&input).unwrap(), bytes);

    let other = folder.path().join("other");
    succeeds(&["run", &model, &given, "-o", text(&other)]);
    assert_eq!(saved(&other, "y.npy"), [0.0; 3]);
    assert!(fails(&["run", &model, "--input=none.npy", "-o", text(&other)]).contains("none.npy"));
}

fn a_closed_pipe_ends_commands_quietly() {
    for call in
        [&["run", CNN][..], &["compare", CNN, CNN], &["bench", CNN, "--runs=1", "--threads=1"]]
    {
        let output = command(call).stdout(closed()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(CLOSED_PIPE), "{call:?}: {stderr}");
        assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{call:?}: {stderr}");
    }
}
