//! Goldens as snapshots: what passes, what fails, and that all failures are told.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tfq_golden::snapshot::Settings;
use tfq_golden::{assert_pipeline_snapshot, same_text};
use tfq_text as text;
use tfq_text::Level;

fn settings() -> Settings {
    Settings::new(&tfq_passes::builtin())
}

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models/ops/shared_fc_and_add.tflite")
}

#[test]
fn a_model_is_a_path_bytes_or_a_module() {
    let bytes = fs::read(model()).unwrap();
    let module = tfq_tflite::lift(&bytes.clone().into(), &Default::default()).unwrap();
    assert_pipeline_snapshot!(model(), "default", settings());
    let settings = settings().name("shared_fc_and_add");
    assert_pipeline_snapshot!(bytes, "default", settings);
    assert_pipeline_snapshot!(&module, "default", settings);
    // Text, whose constants are made up where it leaves them out.
    assert_pipeline_snapshot!(
        text::print_skeleton(&module).into_bytes(),
        "insert-dequant",
        settings.level(Level::Topology).name("skeleton").one_file()
    );
}

/// The accepted snapshots in a folder of their own.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    for file in fs::read_dir(from).unwrap().flatten() {
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

fn edit(folder: &Path, shot: &str, from: &str, to: &str) {
    let path = folder.join(format!("snapshot__shared_fc_and_add@{shot}.snap"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(text.contains(from), "{shot} has no {from:?}:\n{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// What the assertion says if it fails.
fn assertion(folder: &Path) -> Option<String> {
    let settings = settings().folder(folder);
    let assert = || assert_pipeline_snapshot!(model(), "default", settings);
    let panic = catch_unwind(AssertUnwindSafe(assert)).err()?;
    Some(panic.downcast_ref::<String>().expect("it says something").clone())
}

#[test]
fn all_differences_are_told_at_once() {
    let folder = copied();
    assert_eq!(assertion(folder.path()), None);
    edit(folder.path(), "04-quantize-weights", "expressed f32", "expressed f64");
    edit(folder.path(), "final", "ADD 1", "ADD 2");
    let said = assertion(folder.path()).expect("two snapshots differ");
    let wanted = "not as accepted: shared_fc_and_add@04-quantize-weights, shared_fc_and_add@final";
    assert!(said.starts_with("2 of ") && said.ends_with(wanted), "{said}");
}

#[test]
fn another_layout_passes_and_another_model_does_not() {
    let folder = copied();
    edit(
        folder.path(),
        "final",
        "(%input, %weights_dequantize)",
        "( %input, // the sum\n    %weights_dequantize )",
    );
    assert_eq!(assertion(folder.path()), None);
    edit(folder.path(), "final", "DEQUANTIZE.v5", "DEQUANTIZE.v6");
    assert!(assertion(folder.path()).expect("a version differs").contains("@final"));
}

#[test]
fn a_mistake_is_told() {
    let says = |pipeline: &str, settings: Settings| {
        let assert = || assert_pipeline_snapshot!(model(), pipeline, settings);
        let panic = catch_unwind(AssertUnwindSafe(assert)).expect_err("it cannot pass");
        panic.downcast_ref::<String>().expect("it says something").clone()
    };
    let said = says("shrink", settings());
    assert!(said.contains("no snapshot of `shrink`") && said.contains("shrink"), "{said}");
    let said = says("default", settings().target("toaster"));
    assert!(said.contains("there is no target `toaster`"), "{said}");
}

#[test]
fn texts_are_compared_by_what_they_mean() {
    let bytes = fs::read(model()).unwrap();
    let module = tfq_tflite::lift(&bytes.into(), &Default::default()).unwrap();
    for level in Level::ALL {
        let text = text::print(&module, level);
        let other = text.replace(", ", " ,\n").replace(" = ", "  =  ");
        assert!(same_text(&text, &other), "{level}");
        assert!(same_text(&text, &text.replace('\n', " // a comment\n")), "{level}");
        let swapped = text.replace("(%input, %weights", "(%weights, %input");
        assert_ne!(text, swapped);
        assert!(!same_text(&text, &swapped), "{level}");
        assert!(
            !same_text(&text, &text.replacen(level.name(), "quant ", 1)) || level == Level::Quant
        );
    }
    let text = text::print(&module, Level::Hash);
    let at = text.find(" #").expect("a hash") + 2;
    let other = if &text[at..=at] == "0" { "1" } else { "0" };
    assert!(!same_text(&text, &[&text[..at], other, &text[at + 1..]].concat()));
    assert!(!same_text(&text, &text.replace("mean = ", "mean = 1")));
    // What is no model counts letter by letter.
    assert!(same_text("ops: ADD 1\n", "ops: ADD 1"));
    assert!(!same_text("ops: ADD 1", "ops: ADD  1"));
}
