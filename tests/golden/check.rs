//! `golden check`: what is met, missing or broken.

use crate::{Sandbox, blake3_of, texts, two_that_differ};
use serde_json::Value;
use std::fs;

#[test]
fn what_was_added_is_met() {
    let sandbox = Sandbox::with_golden(&[]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden"]);
    let golden = sandbox.text("goldens/model.golden");
    let hash = blake3_of("ops/fc_bias");
    for line in [
        "model = \"../model.tflite\"".to_owned(),
        format!("input = \"{hash}\""),
        "target = \"litert\"".to_owned(),
        "level = \"quant\"".to_owned(),
        "contract = \"quantizing\"".to_owned(),
    ] {
        assert!(golden.contains(&format!("\n{line}\n")), "{line} is missing:\n{golden}");
        if !line.starts_with("contract") {
            assert!(sandbox.text("goldens/index.toml").contains(&line), "{line}");
        }
    }
}

#[test]
fn a_golden_does_not_depend_on_threads_or_place() {
    let (one, two) = (Sandbox::with_golden(&[]), Sandbox::with_golden(&[]));
    assert_eq!(one.text("goldens/model.golden"), two.text("goldens/model.golden"));
    let deep = Sandbox::new();
    fs::create_dir_all(deep.path("a/b")).unwrap();
    deep.succeeds(&["add", "model.tflite", "--dir", "a/b/goldens"]);
    let golden = deep.text("a/b/goldens/model.golden");
    assert_eq!(golden.replace("../../..", ".."), one.text("goldens/model.golden"));
    deep.succeeds(&["check", "--dir", "a/b/goldens"]);
}

#[test]
fn a_golden_that_does_not_parse_is_told() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.edit("goldens/model.golden", "output %", "outputs %");
    assert_eq!(sandbox.kinds(1), ["unreadable"]);
}

#[test]
fn goldens_that_nobody_names_are_told() {
    let sandbox = Sandbox::with_golden(&["--skeleton"]);
    sandbox.put("goldens/stray.golden", sandbox.text("goldens/model.golden").as_bytes());
    let report = sandbox.check(1);
    assert_eq!(report["stale"], serde_json::json!(["goldens/stray.golden"]));
    assert_eq!((&report["ok"], &report["goldens"][0]["status"]), (&1.into(), &"ok".into()));
    let (out, _) = texts(&sandbox.run(&["check"]));
    assert!(out.contains("stale    goldens/stray.golden  a golden that the index does not name\n"));
    assert!(out.ends_with("1 golden: 1 ok, 1 stale\n"), "{out}");
    let (out, _) = texts(&sandbox.run(&["check", "--format=github"]));
    assert!(out.starts_with("::error file=goldens/stray.golden,title=golden "), "{out}");
    let (out, _) = texts(&sandbox.run(&["check", "--format=junit"]));
    assert!(out.contains("tests=\"2\" failures=\"1\""), "{out}");
    // One that was named is checked and nothing else.
    sandbox.succeeds(&["check", "model"]);
    // An index without entries names none.
    sandbox.put("goldens/index.toml", b"version = 1\n");
    sandbox.put("goldens/own.tfg", b"tfg 1 quant\n");
    assert_eq!(sandbox.check(1)["stale"].as_array().unwrap().len(), 2);
    let said = sandbox.succeeds(&["prune", "--dry-run"]);
    let files = ["goldens/model.golden", "goldens/model.tfg", "goldens/stray.golden"];
    assert_eq!(said.lines().collect::<Vec<_>>(), files);
}

#[test]
fn a_report_that_cannot_be_kept_is_given() {
    let sandbox = two_that_differ();
    // Nothing can be written where a folder is.
    fs::remove_file(sandbox.path("goldens/model.golden.new")).unwrap();
    fs::create_dir_all(sandbox.path("goldens/model.golden.new/in the way")).unwrap();
    let report = sandbox.check(1);
    assert_eq!((&report["differ"], &report["goldens"][0]["pending"]), (&2.into(), &Value::Null));
    let (out, err) = texts(&sandbox.run(&["check"]));
    assert!(out.contains("         could not be written for review: "), "{out}");
    assert!(out.contains("2 goldens: 0 ok, 2 differ\n") && err.is_empty(), "{out}{err}");
}

#[test]
fn places_are_those_of_the_file() {
    let sandbox = Sandbox::with_golden(&[]);
    let line_of = |golden: &str, words: &str| {
        1 + golden.lines().position(|line| line.contains(words)).expect("it is there")
    };
    let golden = sandbox.text("goldens/model.golden");
    // What differs is shown where the first step stands that does something else.
    sandbox.edit("goldens/model.golden", "leave a constant to its readers", "serve its readers");
    let line = line_of(&golden, "## 7. insert-dequant");
    assert_eq!(sandbox.check(1)["goldens"][0]["line"], line);
    let (out, _) = texts(&sandbox.run(&["check", "--format=github"]));
    let annotation = format!("::error file=goldens/model.golden,line={line},title=");
    assert!(out.starts_with(&annotation), "{out}");
    sandbox.put("goldens/model.golden", golden.replace("output %", "outputs %").as_bytes());
    let line = line_of(&golden, "output %");
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["line"], line);
    let headline = report["goldens"][0]["headline"].as_str().unwrap();
    assert!(headline.contains(&format!("does not parse: {line}:3: ")), "{headline}");
    let conflict = golden.replace("\n## 3.", "\n<<<<<<< HEAD\n## 3.");
    sandbox.put("goldens/model.golden", conflict.as_bytes());
    let line = line_of(&conflict, "<<<<<<<");
    let report = sandbox.check(1);
    let message = format!("goldens/model.golden: line {line}: unresolved merge conflict");
    assert_eq!(report["goldens"][0]["message"], message);
    assert_eq!(report["goldens"][0]["line"], line);
}

#[test]
fn missing_models_and_goldens_are_errors() {
    let sandbox = Sandbox::with_golden(&[]);
    fs::remove_file(sandbox.path("goldens/model.golden")).unwrap();
    let golden = sandbox.check(1)["goldens"][0].clone();
    assert_eq!(golden["status"], "error");
    assert_eq!(golden["message"], "the golden is missing: goldens/model.golden");
    assert_eq!(golden["pending"], "goldens/model.golden.new");
    sandbox.succeeds(&["review", "--accept=model"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);

    fs::remove_file(sandbox.path("model.tflite")).unwrap();
    let golden = sandbox.check(1)["goldens"][0].clone();
    assert_eq!(golden["status"], "error");
    assert_eq!(golden["message"], "its model is missing: model.tflite");
}
