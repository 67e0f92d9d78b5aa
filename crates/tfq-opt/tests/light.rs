//! What the library brings with it.

use std::process::Command;

/// The packages that the library is built of, without those of its tests.
fn packages(features: &str) -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--package=tfq-opt", "--edges=normal", "--prefix=none", "--format={p}"]);
    cargo.args(["--offline", "--features", features]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("names are text");
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    tree.lines().map(name).filter(|name| !name.is_empty()).collect()
}

/// Who depends on it to optimise models wants no command line and loads no library.
#[test]
fn the_library_is_light() {
    let light = packages("");
    for heavy in ["clap", "indicatif", "quick-xml", "libloading", "tfq-cli", "tfq-runtime", "zip"] {
        assert!(!light.iter().any(|name| name == heavy), "{heavy} came in");
    }
    assert!(light.iter().any(|name| name == "tfq-passes"), "{light:?}");
    let whole = packages("runtime");
    assert!(whole.iter().any(|name| name == "libloading"), "{whole:?}");
}
