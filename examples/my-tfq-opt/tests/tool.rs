//! Every command knows the pass.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PASS: &str = "acme.remove-floor-of-floor";

const MODEL: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[4]
  %a = FLOOR(%x) : f32[4]
  %b = FLOOR(%a) : f32[4]
  %y = NEG(%b) : f32[4]
  output %y
}
";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_my-tfq-opt"));
    command.args(arguments).current_dir(folder).env("NO_COLOR", "1");
    // What is told depends on them: under CI nothing is written for review.
    command.env_remove("CI").env_remove("RUST_BACKTRACE");
    command.output().expect("the binary starts")
}

#[track_caller]
fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("it is text")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::write(folder.path().join("m.tfg"), MODEL).expect("it can be written");
    folder
}

#[test]
fn it_is_listed_beside_the_built_in_ones_and_explained() {
    let folder = folder();
    let passes = told(folder.path(), &["passes"]);
    assert!(passes.contains(&format!("\n  {PASS}\n      Drops a FLOOR of a FLOOR.\n")));
    assert!(passes.contains("\n  quantize-weights\n"));
    assert!(passes.ends_with("`my-tfq-opt explain PASS` prints a pass's manual.\n"), "{passes}");

    let json: serde_json::Value =
        serde_json::from_str(&told(folder.path(), &["passes", "--json"])).expect("it is JSON");
    assert_eq!(json["passes"][0]["name"], PASS);
    let schema = told(folder.path(), &["passes", "--schema"]);
    assert!(schema.contains(&format!("\"{PASS}\": {{")));
    assert!(told(folder.path(), &["passes", "--markdown"]).contains(&format!("\n## {PASS}\n")));

    let manual = told(folder.path(), &["explain", PASS]);
    assert!(manual.starts_with(&format!("# {PASS}\n\nDrops a FLOOR of a FLOOR.\n")));
    assert!(manual.contains("Numeric contract: exact"));
}

#[test]
fn help_is_that_of_the_tool() {
    let folder = folder();
    let help = told(folder.path(), &["--help"]);
    assert!(help.contains("Usage: my-tfq-opt [OPTIONS]"), "{help}");
    let other = help.replace("my-tfq-opt", "").replace("tfq-opt-reproducer", "");
    assert!(!other.contains("tfq-opt"), "{other}");
    assert!(told(folder.path(), &["--version"]).starts_with("my-tfq-opt "));
    let script = told(folder.path(), &["completions", "bash"]);
    assert!(script.ends_with("-F _my_tfq_opt my-tfq-opt\n"), "{script}");
    assert!(told(folder.path(), &["man"]).contains(&PASS.replace('-', "\\-")));
}

#[test]
fn it_runs_in_a_pipeline_and_is_suggested() {
    let folder = folder();
    let passes = format!("--passes={PASS},default");
    let text = told(folder.path(), &["m.tfg", &passes, "--emit=text"]);
    assert_eq!(text.matches("FLOOR").count(), 1, "{text}");
    let summary = told(folder.path(), &["m.tfg", &passes, "--dry-run", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("it is JSON");
    assert_eq!(summary["passes"][0]["name"], PASS);
    assert_eq!(summary["statistics"]["rules-applied"], 1);

    let output = run(folder.path(), &["m.tfg", "--passes=acme.remove-floor-of-flor", "--dry-run"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains(&format!("did you mean `{PASS}`?")), "{errors}");
}

#[test]
fn goldens_know_it() {
    let folder = folder();
    let passes = format!("--passes={PASS}");
    told(folder.path(), &["golden", "add", "m.tfg", &passes]);
    told(folder.path(), &["golden", "check"]);
    // Where the model is another, so is the result.
    let other = MODEL.replace("%b = FLOOR(%a)", "%b = EXP(%a)");
    fs::write(folder.path().join("m.tfg"), other).expect("it can be written");
    let check = run(folder.path(), &["golden", "check"]);
    let text = String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("first in step 1. {PASS}\n")), "{text}");
    assert!(text.ends_with("accept new results with `my-tfq-opt golden review`\n"), "{text}");
}

#[cfg(unix)]
#[test]
fn bisect_blames_it() {
    let folder = folder();
    let passes = format!("--passes={PASS}");
    let print = format!("'{}' print {{}} --level=topology", env!("CARGO_BIN_EXE_my-tfq-opt"));
    let check = format!("--check=test 2 = $({print} | grep -c FLOOR)");
    let blamed = told(folder.path(), &["bisect", "m.tfg", &passes, &check]);
    assert!(blamed.contains(PASS) && blamed.contains("floor of floor"), "{blamed}");
}
