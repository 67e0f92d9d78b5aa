//! `tfq-opt golden`: what it says of each way in which a result can move, and what it writes.

mod common;

use common::{model, root, with_value};
use quick_xml::events::Event;
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
        command.arg("golden").args(arguments).current_dir(self.0.path());
        command.env_remove("CI").env_remove("RUST_BACKTRACE").env("NO_COLOR", "1");
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

fn blake3_of(name: &str) -> String {
    tfq_golden::input_hash(&model(name))
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
fn another_pipeline_moves_the_structure() {
    let sandbox = Sandbox::with_golden(&["--passes=quantize-weights,insert-dequant"]);
    sandbox.edit("goldens/index.toml", "quantize-weights,", "quantize-weights{hybrid=off},");
    let report = sandbox.check(1);
    let golden = &report["goldens"][0];
    assert_eq!(golden["status"], "differs");
    assert_eq!(golden["kinds"][0], "structure");
    assert_eq!(golden["causes"].as_array().unwrap().len(), 1);
    assert_eq!(golden["causes"][0]["what"], "pipeline");
    assert_eq!(golden["pending"], "goldens/model.golden.new");
    assert_eq!(golden["diff"]["histogram"][0]["kind"], "DEQUANTIZE");
}

#[test]
fn a_file_of_passes_is_read_anew() {
    let sandbox = Sandbox::new();
    sandbox.put("small.passes", b"quantize-weights # to int8\n,insert-dequant\n");
    sandbox.succeeds(&["add", "model.tflite", "--pipeline", "small.passes"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);
    sandbox.put("small.passes", b"quantize-weights{type=float16},insert-dequant\n");
    assert_eq!(sandbox.kinds(1)[0], "structure");
}

#[test]
fn a_target_may_be_a_file() {
    let sandbox = Sandbox::new();
    fs::copy(root().join("tests/cli/files/targets/players.toml"), sandbox.path("players.toml"))
        .expect("the target is there");
    sandbox.succeeds(&["add", "model.tflite", "--target=players.toml"]);
    assert!(sandbox.text("goldens/index.toml").contains("target = \"../players.toml\""));
    assert_eq!(sandbox.kinds(0), [""; 0]);
}

/// The model with one weight changed, which is not the largest of its row.
fn with_other_weight() -> Vec<u8> {
    with_value(&model("ops/fc_bias"), "weights", 3, 0.01)
}

#[test]
fn another_weight_moves_hashes() {
    let sandbox = Sandbox::with_golden(&["--level=hash", "--passes="]);
    sandbox.put("model.tflite", &with_other_weight());
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"], serde_json::json!(["weights"]));
    assert_eq!(report["goldens"][0]["causes"][0]["what"], "input");
}

#[test]
fn at_level_full_the_error_is_measured() {
    let sandbox = Sandbox::with_golden(&["--level=full", "--passes="]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "model.golden.bin"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);
    sandbox.put("model.tflite", &with_other_weight());
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"], serde_json::json!(["weights"]));
    let error = &report["goldens"][0]["errors"][0];
    assert_eq!(error["tensor"], "%weights");
    let db = error["after"].as_str().unwrap().strip_prefix("SNR ").unwrap();
    let db: f64 = db.split(' ').next().unwrap().parse().unwrap();
    assert!((20.0..90.0).contains(&db), "one of 1280 weights moved, {db} dB");
    sandbox.succeeds(&["review", "--accept-all"]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "model.golden.bin"]);
    assert_eq!(sandbox.kinds(0), [""; 0]);
}

#[test]
fn another_weight_moves_statistics() {
    let sandbox = Sandbox::with_golden(&["--level=stats", "--passes="]);
    sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
    assert_eq!(sandbox.kinds(1), ["numerics"]);
}

#[test]
fn another_scale_is_another_weight() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
    assert_eq!(sandbox.kinds(1), ["weights"]);
}

#[test]
fn another_model_with_the_same_result_is_met() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.put("model.tflite", &with_other_weight());
    assert_eq!(sandbox.kinds(0), [""; 0]);
    let said = sandbox.succeeds(&["check"]);
    assert!(said.contains("the model's file is another, and the result the same"), "{said}");
}

#[test]
fn another_tool_is_told_only_where_something_moved() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.edit("goldens/model.golden", "tfq-opt 0", "tfq-opt 99");
    assert_eq!(sandbox.kinds(0), [""; 0]);
    sandbox.edit("goldens/model.golden", "FULLY_CONNECTED.v", "FULLY_CONNECTED.v9");
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"][0], "structure");
    assert_eq!(report["goldens"][0]["causes"][0]["what"], "tool");
}

#[test]
fn another_layout_is_no_difference() {
    let sandbox = Sandbox::with_golden(&["--level=hash"]);
    sandbox.edit(
        "goldens/model.golden",
        "(%input, %weights, %bias)",
        "(\n  %input ,%weights, // the weights\n %bias )",
    );
    assert_eq!(sandbox.kinds(0), ["formatting"]);
    assert!(sandbox.succeeds(&["check"]).contains("formatting only"));
    // And with the line ends of another system.
    let text = sandbox.text("goldens/model.golden").replace('\n', "\r\n");
    sandbox.put("goldens/model.golden", text.as_bytes());
    assert_eq!(sandbox.kinds(0), ["formatting"]);
}

#[test]
fn a_hash_is_no_layout() {
    let sandbox = Sandbox::with_golden(&["--level=hash", "--passes="]);
    let golden = sandbox.text("goldens/model.golden");
    let at = golden.find(" #").expect("a hash") + 2;
    let other = if &golden[at..=at] == "0" { "1" } else { "0" };
    let changed = [&golden[..at], other, &golden[at + 1..]].concat();
    sandbox.put("goldens/model.golden", changed.as_bytes());
    assert_eq!(sandbox.kinds(1), ["weights"]);
}

#[test]
fn another_way_to_the_same_result_is_told() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.edit("goldens/model.golden", "leave a constant to its readers", "serve its readers");
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["kinds"], serde_json::json!(["steps"]));
    assert_eq!(report["goldens"][0]["first_pass"], "5. insert-dequant");
}

#[test]
fn a_golden_that_does_not_parse_is_told() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.edit("goldens/model.golden", "output %", "outputs %");
    assert_eq!(sandbox.kinds(1), ["unreadable"]);
}

/// The model with its hidden tensor and its weights under other names.
fn with_other_names() -> Vec<u8> {
    let mut module = common::lifted(&model("ops/fc_bias"));
    for name in ["weights", "bias"] {
        let (sg, id) = common::tensor(&module, name).expect("it is there");
        let mut patch = tfq_opt::ir::Patch::new(sg, "rename");
        patch.set_name(id, Some(format!("other_{name}").into()));
        module.apply(patch).expect("any name will do");
    }
    common::lowered(&module)
}

#[test]
fn other_names_are_names_at_every_level() {
    for level in ["topology", "types", "quant", "stats", "hash", "full"] {
        let sandbox = Sandbox::with_golden(&["--level", level]);
        sandbox.put("model.tflite", &with_other_names());
        let report = sandbox.check(1);
        let golden = &report["goldens"][0];
        assert_eq!(golden["kinds"], serde_json::json!(["names"]), "{level}");
        assert_eq!(golden["headline"], "2 tensors renamed", "{level}");
        assert_eq!(golden["diff"]["subgraphs"][0]["tensors"], serde_json::json!([]), "{level}");
    }
}

#[test]
fn a_level_says_what_it_knows_of_contents() {
    let details = |level: &str| {
        let sandbox = Sandbox::with_golden(&["--passes=", "--level", level]);
        sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
        let (out, _) = texts(&sandbox.run(&["check"]));
        out
    };
    let stats = details("stats");
    assert!(stats.contains(" max = 7, ") && !stats.contains('#'), "{stats}");
    let hash = details("hash");
    let bytes = common::lifted(&model("ops/fc_bias"));
    let (sg, id) = common::tensor(&bytes, "weights").unwrap();
    let digits = blake3::hash(bytes.constant(sg, id).unwrap()).to_hex();
    assert!(hash.contains(&format!("    #{} -> #", &digits[..8])), "{hash}");
    assert_eq!(details("quant").lines().last(), Some("1 golden: 1 ok"));
}

#[test]
fn two_levels_are_compared_at_the_lower() {
    for (accepted, now, lower) in [
        ("quant", "topology", "topology"),
        ("quant", "hash", "quant"),
        ("hash", "stats", "stats"),
        ("full", "hash", "hash"),
        ("stats", "full", "stats"),
    ] {
        let sandbox = Sandbox::with_golden(&["--level", accepted]);
        let (from, to) = (format!("level = \"{accepted}\""), format!("level = \"{now}\""));
        sandbox.edit("goldens/index.toml", &from, &to);
        let report = sandbox.check(0);
        let golden = &report["goldens"][0];
        assert_eq!(golden["level"], lower, "{accepted} {now}");
        assert_eq!(golden["kinds"], serde_json::json!([]), "{accepted} {now}");
        assert_eq!(golden["causes"][0]["what"], "level");
        let said = sandbox.succeeds(&["check"]);
        assert!(said.contains(&format!("another level: {accepted} -> {now}\n")), "{said}");
        assert_eq!(sandbox.run(&["bisect", "model"]).status.code(), Some(1));
        // What differs at the lower level does all the same.
        sandbox.edit("goldens/index.toml", "\"default\"", "\"insert-dequant\"");
        if lower != "topology" {
            assert_eq!(sandbox.kinds(1)[0], "structure", "{accepted} {now}");
        }
        sandbox.edit("goldens/index.toml", "\"insert-dequant\"", "\"default\"");
        // The result of the new level waits, to be accepted.
        sandbox.check(0);
        let said = sandbox.answers(&["review"], "y\n");
        assert!(said.contains("the same result") && said.contains("accepted model"), "{said}");
        let report = sandbox.check(0);
        assert_eq!(report["goldens"][0]["level"], Value::Null);
    }
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
    let line = line_of(&golden, "## 5. insert-dequant");
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
fn another_layout_of_a_step_is_no_difference() {
    let sandbox = Sandbox::with_golden(&["--level=hash"]);
    sandbox.edit("goldens/model.golden", "patches: ", "patches:   ");
    assert_eq!(sandbox.kinds(0), ["formatting"]);
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

#[test]
fn review_accepts_rejects_and_skips() {
    let sandbox = two_that_differ();
    let said = sandbox.answers(&["review"], "what\nn\ns\n");
    assert!(said.contains("rejected model") && said.contains("1 result left for review"), "{said}");
    assert!(said.contains("~ %weights"), "the diff is shown: {said}");
    assert_eq!(
        sandbox.inside("goldens"),
        ["index.toml", "model.golden", "other.golden", "other.golden.new"]
    );
    let new = sandbox.text("goldens/other.golden.new");
    let said = sandbox.answers(&["review"], "y\n");
    assert!(said.contains("accepted other"), "{said}");
    assert_eq!(sandbox.text("goldens/other.golden"), new);
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["status"], "differs");
    assert_eq!(report["goldens"][1]["status"], "ok");
}

#[test]
fn review_without_answers_changes_nothing() {
    let sandbox = two_that_differ();
    let before = sandbox.text("goldens/model.golden");
    for answers in ["", "q\n"] {
        let said = sandbox.answers(&["review"], answers);
        assert!(said.ends_with("2 results left for review\n"), "{said}");
    }
    assert_eq!(sandbox.text("goldens/model.golden"), before);
    assert_eq!(sandbox.inside("goldens").len(), 5);
}

#[test]
fn review_by_pattern() {
    let sandbox = two_that_differ();
    sandbox.succeeds(&["review", "--accept=mod*", "--reject=o*"]);
    let report = sandbox.check(1);
    assert_eq!(report["goldens"][0]["status"], "ok");
    assert_eq!(report["goldens"][1]["status"], "differs");
    sandbox.succeeds(&["review", "--reject-all"]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "other.golden"]);
}

#[test]
fn what_is_met_again_no_longer_waits() {
    let sandbox = two_that_differ();
    sandbox.edit("goldens/index.toml", "{type=float16}", "");
    assert_eq!(sandbox.check(0)["ok"], 2);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "other.golden"]);
}

#[test]
fn prune_removes_what_nobody_names() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.put("gone.tflite", &model("ops/fc_bias"));
    sandbox.succeeds(&["add", "gone.tflite"]);
    fs::remove_file(sandbox.path("gone.tflite")).unwrap();
    sandbox.put("goldens/stray.golden", b"");
    sandbox.put("goldens/stray.golden.new", b"");
    sandbox.put("goldens/notes.txt", b"");
    let all = sandbox.inside("goldens");

    let said = sandbox.succeeds(&["prune", "--dry-run"]);
    for line in [
        "entry gone, whose model is gone: gone.tflite",
        "goldens/gone.golden",
        "goldens/stray.golden",
        "goldens/stray.golden.new",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is missing:\n{said}");
    }
    assert!(sandbox.answers(&["prune"], "n\n").ends_with("nothing was removed\n"));
    assert!(sandbox.answers(&["prune"], "").ends_with("nothing was removed\n"));
    assert_eq!(sandbox.inside("goldens"), all);
    assert!(sandbox.answers(&["prune"], "y\n").ends_with("removed 4 items\n"));
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "notes.txt"]);
    assert_eq!(sandbox.succeeds(&["prune", "--yes"]), "nothing to remove\n");
    assert_eq!(sandbox.check(0)["ok"], 1);
}

#[test]
fn where_ci_is_set_nothing_is_written() {
    let sandbox = Sandbox::with_golden(&[]);
    sandbox.edit("goldens/index.toml", "\"default\"", "\"\"");
    let check = |ci: &str, arguments: &[&str]| {
        let output = sandbox.command(arguments).env("CI", ci).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        sandbox.inside("goldens").len() > 2
    };
    assert!(!check("true", &["check"]));
    assert!(!check("false", &["check", "--pending=never"]));
    assert!(check("true", &["check", "--pending=always"]));
    sandbox.succeeds(&["review", "--reject-all"]);
    assert!(check("false", &["check"]));
}

#[test]
fn where_ci_is_set_nothing_is_accepted() {
    let sandbox = two_that_differ();
    let before = sandbox.text("goldens/model.golden");
    for arguments in [&["review"][..], &["review", "--accept-all"], &["review", "--reject=*"]] {
        let output = sandbox.command(arguments).env("CI", "1").output().unwrap();
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), &*out), (Some(2), ""), "{err}");
        assert!(err.contains("results are not accepted or rejected where CI is set"), "{err}");
    }
    assert_eq!(sandbox.text("goldens/model.golden"), before);
    assert_eq!(sandbox.inside("goldens").len(), 5);
}

#[test]
fn what_changed_after_a_check_is_said_when_it_is_accepted() {
    let sandbox = two_that_differ();
    sandbox.put("model.tflite", &with_other_weight());
    let said = sandbox.succeeds(&["review", "--accept=model"]);
    assert_eq!(
        said,
        "accepted model, whose model changed since; `tfq-opt golden check` makes the result of now\n"
    );
    sandbox.edit("goldens/index.toml", "type=float16", "type=int8");
    sandbox.put("model.tflite", &model("ops/fc_bias"));
    let said = sandbox.answers(&["review"], "n\n");
    assert!(said.contains("\na result whose pipeline changed since; "), "{said}");
}

#[test]
fn an_index_keeps_what_people_wrote_into_it() {
    let sandbox = Sandbox::with_golden(&["--name=zebra"]);
    sandbox.edit(
        "goldens/index.toml",
        "name = \"zebra\"",
        "# The oldest.\nname = 'zebra' # striped",
    );
    sandbox.edit("goldens/index.toml", "passes = \"default\"", "passes = \"default\" # all");
    let owned = sandbox.text("goldens/index.toml") + "\n# The end.\n";
    sandbox.put("goldens/index.toml", owned.as_bytes());
    sandbox.succeeds(&["add", "model.tflite"]);
    let index = sandbox.text("goldens/index.toml");
    for words in ["# The oldest.\nname = 'zebra' # striped\n", "# all\n", "# The end.\n"] {
        assert!(index.contains(words), "{index}");
    }
    assert!(index.find("zebra") < index.find("\nname = \"model\""), "new ones come last: {index}");
    assert!(index.contains("\"\n\n[[golden]]\nname = \"model\"\n"), "{index}");
    // What is replaced keeps its place and its comments.
    sandbox.succeeds(&["add", "model.tflite", "--name=zebra", "--replace", "--passes="]);
    let replaced = sandbox.text("goldens/index.toml");
    assert_eq!(replaced, index.replacen("passes = \"default\" #", "passes = \"\" #", 1));
    // An accepted result changes the hash of its model alone.
    sandbox.put("model.tflite", &with_value(&model("ops/fc_bias"), "weights", 3, 7.0));
    sandbox.check(1);
    sandbox.succeeds(&["review", "--accept-all"]);
    let (old, new) =
        (blake3_of("ops/fc_bias"), tfq_golden::input_hash(&sandbox.bytes("model.tflite")));
    let accepted = sandbox.text("goldens/index.toml");
    assert!(accepted.contains(&new), "{accepted}");
    assert_eq!(accepted.replace(&new, &old), replaced);
    // And one that goes takes its own comments along.
    fs::remove_file(sandbox.path("goldens/zebra.golden")).unwrap();
    sandbox.put("other.tflite", &model("ops/fc_bias"));
    sandbox.edit("goldens/index.toml", "# The oldest.\n", "");
    sandbox.edit(
        "goldens/index.toml",
        "model = \"../model.tflite\"\npasses = \"\"",
        "model = \"../gone.tflite\"\npasses = \"\"",
    );
    sandbox.succeeds(&["prune", "--yes"]);
    let pruned = sandbox.text("goldens/index.toml");
    assert!(!pruned.contains("striped") && pruned.contains("# The end.\n"), "{pruned}");
}

#[test]
fn a_name_is_made_from_that_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.put("-my model (2).tflite", &model("ops/fc_bias"));
    let said = sandbox.succeeds(&["add", "./-my model (2).tflite"]);
    assert!(said.starts_with("goldens/my_model__2_.golden: "), "{said}");
    assert_eq!(sandbox.kinds(0), [""; 0]);
}

#[test]
fn a_skeleton_stands_for_the_model() {
    let sandbox = Sandbox::with_golden(&["--skeleton", "--level=stats"]);
    assert_eq!(sandbox.inside("goldens"), ["index.toml", "model.golden", "model.tfg"]);
    fs::remove_file(sandbox.path("model.tflite")).unwrap();
    assert_eq!(sandbox.kinds(0), [""; 0]);
    let index = sandbox.text("goldens/index.toml");
    assert!(index.contains("skeleton_of = \"model.tflite\""), "{index}");
}

#[test]
fn what_cannot_be_added_leaves_nothing() {
    let sandbox = Sandbox::new();
    for (arguments, code) in [
        (&["add", "model.tflite", "--passes=shrink"][..], 2),
        (&["add", "missing.tflite"], 1),
        (&["add", "model.tflite", "--target=toaster"], 2),
        (&["add", "model.tflite", "--target=missing.toml"], 1),
        (&["add", "model.tflite", "--skeleton", "--passes=shrink"], 2),
        (&["add", "model.tflite", "--name=a/b"], 2),
    ] {
        assert_eq!(sandbox.run(arguments).status.code(), Some(code), "{arguments:?}");
        assert_eq!(sandbox.inside("."), ["model.tflite"], "{arguments:?}");
    }
}

#[test]
fn a_golden_that_cannot_be_replaced_stays() {
    let sandbox = Sandbox::with_golden(&["--skeleton"]);
    let all = || {
        sandbox
            .inside("goldens")
            .iter()
            .map(|f| sandbox.text(&format!("goldens/{f}")))
            .collect::<Vec<_>>()
    };
    let before = all();
    let add = ["add", "model.tflite", "--skeleton", "--replace", "--passes=shrink"];
    assert_eq!(sandbox.run(&add).status.code(), Some(2));
    assert_eq!(all(), before);
    sandbox.succeeds(&["add", "model.tflite", "--replace", "--passes="]);
    assert_eq!(sandbox.check(0)["ok"], 1);
    assert!(sandbox.text("goldens/index.toml").contains("passes = \"\""));
}

#[test]
fn bisect_names_pass_and_patch() {
    let sandbox = Sandbox::with_golden(&["--passes=quantize-weights,insert-dequant"]);
    sandbox.edit("goldens/index.toml", "quantize-weights,", "quantize-weights{hybrid=off},");
    let said = sandbox.succeeds(&["bisect", "model"]);
    assert!(said.starts_with("first differing pass:  1. quantize-weights (of "), "{said}");
    assert!(said.contains("\nfirst differing patch: 2, quantise a constant\n"), "{said}");
    assert!(said.contains("  touches FULLY_CONNECTED %output\n"), "{said}");
    // The accepted run had a patch that this one has not.
    sandbox.edit("goldens/index.toml", "{hybrid=off}", "{min-elements=100000}");
    let said = sandbox.succeeds(&["bisect", "model"]);
    assert!(said.contains("first differing patch: none of this run; one is missing\n"), "{said}");
    assert!(said.contains("  %weights is not touched any more\n"), "{said}");
    // A golden that is met has nothing to find.
    sandbox.edit("goldens/index.toml", "{min-elements=100000}", "");
    assert_eq!(sandbox.run(&["bisect", "model"]).status.code(), Some(1));
}

/// One golden that is met, one that differs and one whose model is gone.
fn one_of_each() -> Sandbox {
    let sandbox = Sandbox::with_golden(&["--name=met"]);
    sandbox.put("gone.tflite", &model("ops/fc_bias"));
    sandbox.succeeds(&["add", "gone.tflite"]);
    fs::remove_file(sandbox.path("gone.tflite")).unwrap();
    sandbox.succeeds(&[
        "add",
        "model.tflite",
        "--name=moved",
        "--passes=quantize-weights,insert-dequant",
    ]);
    sandbox.edit("goldens/index.toml", "quantize-weights,", "quantize-weights{type=float16},");
    sandbox
}

#[test]
fn junit_is_well_formed() {
    let sandbox = one_of_each();
    let output = sandbox.run(&["check", "--format=junit"]);
    assert_eq!(output.status.code(), Some(1));
    let (xml, _) = texts(&output);
    let mut reader = quick_xml::Reader::from_str(&xml);
    reader.config_mut().check_end_names = true;
    let mut seen = Vec::new();
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}:\n{xml}")) {
            Event::Start(tag) => {
                depth += 1;
                seen.push(tag.as_ref().to_owned());
            }
            Event::Empty(tag) => seen.push(tag.as_ref().to_owned()),
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => (),
        }
    }
    assert_eq!(depth, 0);
    let tags: Vec<&str> = seen.iter().map(|tag| tag.split(' ').next().unwrap()).collect();
    assert_eq!(
        tags,
        ["testsuites", "testsuite", "testcase", "testcase", "error", "testcase", "failure"]
    );
    assert!(seen[1].contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{}", seen[1]);
    assert!(seen[6].contains("message=\"structure"), "{}", seen[6]);
}

#[test]
fn github_gets_an_annotation_for_each() {
    let sandbox = one_of_each();
    let (out, _) = texts(&sandbox.run(&["check", "--format=github"]));
    let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("::")).collect();
    let [gone, moved] = lines[..] else { panic!("two annotations are wanted:\n{out}") };
    assert!(
        gone.starts_with(
            "::error file=goldens/gone.golden,title=golden gone%3A its model is missing%3A \
             gone.tflite::"
        ),
        "{gone}"
    );
    let (file, title) = moved.split_once(",title=").expect("it has a title");
    assert!(file.starts_with("::error file=goldens/moved.golden,line="), "{moved}");
    assert!(title.starts_with("golden moved%3A structure"), "{moved}");
    assert!(moved.contains("%0Afirst in step 1. quantize-weights%0A"), "{moved}");
    assert!(out.contains("3 goldens: 1 ok, 1 differs, 1 error\n"), "{out}");
}

/// Runs the commands of `docs/goldens.md` in an empty folder, one after the other. Each must
/// print what stands below it. `UPDATE_DOCS=1` puts down what is printed now.
#[test]
#[cfg(unix)]
fn the_worked_example_works() {
    let doc = root().join("docs/goldens.md");
    let text = fs::read_to_string(&doc).expect("the page is there");
    let folder = tempfile::tempdir().expect("there is room");
    let models = root().join("tests/models/digits");
    for name in ["digits_cnn.tflite", "digits_lstm.tflite"] {
        fs::copy(models.join(name), folder.path().join(name)).expect("the model is there");
    }
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_tfq-opt"));
    let old = std::env::var_os("PATH").unwrap_or_default();
    let paths = [binary.parent().expect("it lies in a folder").to_owned()];
    let path = std::env::join_paths(paths.into_iter().chain(std::env::split_paths(&old)))
        .expect("paths are plain");

    let mut new = String::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) if inside => {
                let output = Command::new("sh")
                    .args(["-c", &format!("{command} 2>&1")])
                    .current_dir(folder.path())
                    .env("PATH", &path)
                    .env("NO_COLOR", "1")
                    .env_remove("CI")
                    .stdin(Stdio::null())
                    .output()
                    .expect("a shell starts");
                new += &format!("$ {command}\n{}", String::from_utf8_lossy(&output.stdout));
                continue;
            }
            _ => (),
        }
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            continue;
        }
        new += line;
        new.push('\n');
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&doc, new).expect("the page can be written");
    } else {
        let diff = similar::TextDiff::from_lines(&text, &new);
        let diff = diff.unified_diff().to_string();
        assert!(diff.is_empty(), "run this with UPDATE_DOCS=1 and read what changed:\n{diff}");
    }
}

#[test]
fn goldens_of_many_processes_are_all_kept() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..8).map(|n| format!("golden{n}")).collect();
    let add = |name: &str| {
        let mut command = sandbox.command(&["add", "model.tflite", "--name", name]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
    };
    let children: Vec<_> = names.iter().map(|name| add(name)).collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let index: toml::Table = sandbox.text("goldens/index.toml").parse().expect("it is TOML");
    let entries = index["golden"].as_array().expect("there are entries");
    let mut found: Vec<&str> =
        entries.iter().map(|entry| entry["name"].as_str().expect("it has a name")).collect();
    found.sort_unstable();
    assert_eq!(found, names);
    sandbox.succeeds(&["check"]);

    // Of several with one name, one is first.
    let children: Vec<_> = (0..4).map(|_| add("same")).collect();
    let codes = children.into_iter().map(|mut child| child.wait().expect("it ends").code());
    let (done, refused): (Vec<_>, Vec<_>) = codes.partition(|code| *code == Some(0));
    assert_eq!((done.len(), refused), (1, vec![Some(2); 3]));
    sandbox.succeeds(&["check"]);
}

#[test]
#[cfg(unix)]
fn links_in_a_folder_of_goldens_lead_nowhere() {
    let sandbox = Sandbox::with_golden(&["--level=full"]);
    sandbox.put("mine", b"mine");
    sandbox.put("model.tflite", &with_other_weight());
    let names = ["model.golden.new", "model.golden.new.bin"];
    for name in names {
        std::os::unix::fs::symlink("../mine", sandbox.path("goldens").join(name)).unwrap();
    }
    assert_eq!(sandbox.run(&["check"]).status.code(), Some(1));
    for name in names {
        assert!(!sandbox.path("goldens").join(name).is_symlink(), "{name} is replaced");
    }
    for name in ["model.golden", "model.golden.bin", "index.toml"] {
        let path = sandbox.path("goldens").join(name);
        fs::rename(&path, sandbox.path(name)).unwrap();
        std::os::unix::fs::symlink(format!("../{name}"), &path).unwrap();
    }
    let before = ["model.golden", "model.golden.bin", "index.toml"].map(|name| sandbox.bytes(name));
    sandbox.succeeds(&["review", "--accept-all"]);
    let after = ["model.golden", "model.golden.bin", "index.toml"].map(|name| sandbox.bytes(name));
    assert!(before == after, "a file outside of the folder was changed");
    assert_eq!(sandbox.bytes("mine"), b"mine");
    sandbox.succeeds(&["check"]);
}

#[test]
fn a_golden_is_added_with_what_the_optimiser_takes() {
    let sandbox = Sandbox::new();
    sandbox.succeeds(&["add", "model.tflite", "--prefer=latency"]);
    assert!(sandbox.text("goldens/index.toml").contains("prefer = \"latency\""));
    assert!(sandbox.text("goldens/model.golden").contains("quantize-weights{prefer=latency}"));
    sandbox.succeeds(&["check"]);
    sandbox.edit("goldens/index.toml", "latency", "speed");
    let output = sandbox.run(&["check"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("`speed` is nothing to prefer"), "{told}");

    let optimise = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
        let output = command.args(arguments).current_dir(sandbox.0.path()).output();
        assert!(output.expect("the binary starts").status.success(), "{arguments:?}");
    };
    optimise(&["model.tflite", "--passes=", "-o", "model.tfg"]);
    fs::rename(sandbox.path("model.tfg.bin"), sandbox.path("weights")).unwrap();
    sandbox.succeeds(&["add", "model.tfg", "--side-file=weights", "--name=text"]);
    sandbox.succeeds(&["check", "text"]);
}
