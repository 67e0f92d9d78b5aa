//! The command line, as a user calls it.
//!
//! Messages stand in `tests/cli/*.trycmd`, each below the command that prints it;
//! `TRYCMD=overwrite cargo test --test cli` puts down what is printed now. Here is what files and
//! standard input and output must hold.

mod common;

use common::{lifted, model, root, tensor, tool};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tfq_opt::ir::ElementType;

const FC: &str = "tests/models/ops/fc_bias.tflite";

#[test]
fn messages() {
    // Some commands write there, wherever cargo itself builds.
    fs::create_dir_all(root().join("target")).expect("the folder can be made");
    trycmd::TestCases::new()
        .env("RUST_BACKTRACE", "0")
        .env("NO_COLOR", "1")
        .case("tests/cli/*.trycmd");
}

fn command(arguments: &[&str]) -> Command {
    let mut command = tool();
    command.args(arguments).current_dir(root());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary starts")
}

/// Runs it with these bytes on standard input.
fn run_on(input: &[u8], arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may end before it has read everything.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[track_caller]
fn succeeds(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

#[track_caller]
fn fails(output: &Output, code: i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(output.stdout.is_empty(), "something went to standard output");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Names of the files in a folder, hidden ones too.
fn inside(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is a folder").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A temporary folder, and a path in it.
fn folder_with(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join(name);
    (folder, path)
}

#[test]
fn the_output_is_a_quantised_model_and_nothing_else_is_left() {
    let (folder, out) = folder_with("small.tflite");
    succeeds(&run(&[FC, "-o", text(&out)]));
    assert_eq!(inside(folder.path()), ["small.tflite"]);
    let module = lifted(&fs::read(&out).unwrap());
    let (sg, weights) = tensor(&module, "weights").unwrap();
    assert_eq!(module.subgraph(sg).tensor(weights).ty, ElementType::Int8);
}

#[test]
fn the_output_may_be_the_input() {
    let (folder, path) = folder_with("model.tflite");
    fs::write(&path, model("ops/fc_bias")).unwrap();
    fails(&run(&[text(&path), "-o", text(&path)]), 2);
    succeeds(&run(&[text(&path), "--force", "-o", text(&path)]));
    let by_another_name = run(&[FC, "-o", "-"]).stdout;
    assert_eq!(fs::read(&path).unwrap(), by_another_name);
    assert_eq!(inside(folder.path()), ["model.tflite"]);
}

#[test]
fn an_output_that_is_there_is_replaced() {
    let (_folder, out) = folder_with("small.tflite");
    fs::write(&out, vec![7; 100_000]).unwrap();
    succeeds(&run(&[FC, "-o", text(&out)]));
    assert_eq!(fs::read(&out).unwrap(), run(&[FC, "-o", "-"]).stdout);
}

#[test]
fn standard_input_and_output_carry_models() {
    let piped = run_on(&model("ops/fc_bias"), &["-", "-o", "-"]);
    succeeds(&piped);
    assert_eq!(piped.stdout, run(&[FC, "-o", "-"]).stdout);
    lifted(&piped.stdout);
    let summary = String::from_utf8_lossy(&piped.stderr).into_owned();
    assert!(summary.contains("1 constant quantised"), "{summary}");
}

#[test]
fn an_empty_standard_input_is_no_model() {
    let output = run_on(&[], &["-"]);
    fails(&output, 1);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(message, "error: standard input: the file is empty\n");
}

#[test]
fn a_dry_run_writes_nothing() {
    let (folder, out) = folder_with("small.tflite");
    succeeds(&run(&[FC, "--dry-run", "-o", text(&out)]));
    let edits = format!("--edits={}", text(&folder.path().join("edits.json")));
    succeeds(&run(&[FC, "--dry-run", &edits]));
    assert!(inside(folder.path()).is_empty());
    for to_standard in [["-o", "-"], ["--edits", "-"]] {
        assert!(run(&[&[FC, "--dry-run"], &to_standard[..]].concat()).stdout.is_empty());
    }
}

#[test]
fn quiet_says_nothing() {
    let (_folder, out) = folder_with("small.tflite");
    let output = run(&[FC, "-q", "-o", text(&out)]);
    succeeds(&output);
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
}

#[test]
fn an_error_leaves_no_output_and_no_trace() {
    let (folder, out) = folder_with("small.tflite");
    let cut = &model("ops/fc_bias")[..3000];
    fails(&run_on(cut, &["-", "-o", text(&out)]), 1);
    fails(
        &run(&["tests/models/ops/conv_3d.tflite", "--passes=quantize-weights", "-o", text(&out)]),
        1,
    );
    fails(&run(&[FC, "--passes=shrink", "-o", text(&out)]), 2);
    assert!(inside(folder.path()).is_empty());

    fs::write(&out, "what was there").unwrap();
    fails(&run_on(cut, &["-", "-o", text(&out)]), 1);
    assert_eq!(fs::read(&out).unwrap(), b"what was there");
}

#[test]
fn an_output_in_no_folder_is_an_error() {
    let (folder, out) = folder_with("missing/small.tflite");
    fails(&run(&[FC, "-o", text(&out)]), 1);
    assert!(inside(folder.path()).is_empty());
}

#[test]
fn threads_do_not_change_a_byte() {
    for name in ["digits/digits_cnn", "digits/digits_lstm", "ops/bidirectional_sequence_lstm"] {
        let path = format!("tests/models/{name}.tflite");
        let one = run(&[&path, "--threads=1", "-o", "-"]);
        let two = run(&[&path, "--threads=2", "-o", "-"]);
        succeeds(&one);
        assert!(one.stdout == two.stdout, "{name} depends on the number of threads");
        assert!(one.stdout == run(&[&path, "-o", "-"]).stdout, "{name} depends on chance");
    }
}

#[test]
fn constants_go_where_they_are_wanted() {
    let outside = run(&[FC, "--passes=", "--constants=outside", "-o", "-"]);
    succeeds(&outside);
    assert!(lifted(&outside.stdout).constants_outside());
    let back = run_on(&outside.stdout, &["-", "--passes=", "--constants=inline", "-o", "-"]);
    succeeds(&back);
    assert!(!lifted(&back.stdout).constants_outside());
    assert_eq!(back.stdout, run(&[FC, "--passes=", "-o", "-"]).stdout);
    // As in the input, where nobody says.
    let kept = run_on(&outside.stdout, &["-", "--passes=", "-o", "-"]);
    assert_eq!(kept.stdout, outside.stdout);
}

#[test]
fn unknown_fields_are_dropped_where_that_is_allowed() {
    let path = "tests/models/odd/unknown_tensor_field.tflite";
    fails(&run(&[path, "-o", "-"]), 1);
    let output = run(&[path, "--drop-unknown", "--passes=", "-o", "-"]);
    succeeds(&output);
    lifted(&output.stdout);
}

#[test]
fn the_summary_as_json() {
    let (_folder, out) = folder_with("small.tflite");
    let path = "tests/models/ops/shared_fc_and_add.tflite";
    let output = run(&[path, "--json", "-o", text(&out)]);
    succeeds(&output);
    assert!(output.stderr.is_empty(), "a machine reads standard output only");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(json["input"], path);
    assert_eq!(json["output"], text(&out));
    assert_eq!(json["bytes_before"], model("ops/shared_fc_and_add").len());
    assert_eq!(json["bytes_after"], fs::metadata(&out).unwrap().len());
    let statistics = &json["statistics"];
    assert_eq!(statistics["constants-quantized"], 1);
    assert_eq!(statistics["constant-bytes-before"], 4096);
    assert_eq!(statistics["constant-bytes-after"], 1024);
    assert_eq!(statistics["dequantize-inserted"], 1);
    assert_eq!(statistics["dequantize-cache-bytes"], 4096);
    let passes: Vec<&str> =
        json["passes"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    let registry = tfq_opt::builtin();
    let steps = &registry.pipeline("default").unwrap().steps;
    // Without their options.
    let names = steps.iter().map(|(pass, _)| pass.split('{').next().unwrap());
    assert_eq!(passes, names.collect::<Vec<_>>());
    assert!(json.get("remarks").is_none());
}

#[test]
fn remarks_as_json() {
    let path = "tests/models/ops/fc_nan.tflite";
    let output = run(&[path, "--json", "--remarks=quantize-weights"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(json["output"], serde_json::Value::Null);
    assert_eq!(json["skipped"]["not finite"], 1);
    let wanted = serde_json::json!([{
        "pass": "quantize-weights",
        "kind": "missed",
        "rule": "not finite",
        "place": "`weights`",
        "message": "element 100 is not finite",
    }]);
    assert_eq!(json["remarks"], wanted);
}

#[test]
fn every_pass_is_listed_and_explained() {
    let listed = String::from_utf8(run(&["passes"]).stdout).unwrap();
    let json = run(&["passes", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    for (n, info) in tfq_opt::builtin().passes().enumerate() {
        assert!(listed.contains(&format!("\n  {}\n      {}\n", info.name, info.summary())));
        assert_eq!(json["passes"][n]["name"], *info.name);
        let options = json["passes"][n]["options"].as_array().unwrap();
        for (option, listed_json) in info.options.iter().zip(options) {
            assert!(listed.contains(&format!("\n        {}=", option.name)));
            assert_eq!(listed_json["name"], *option.name);
            assert_eq!(listed_json["default"], *option.default);
        }
        let explained = run(&["explain", &info.name]);
        succeeds(&explained);
        let manual = String::from_utf8(explained.stdout).unwrap();
        assert!(manual.starts_with(&format!("# {}\n\n{}\n", info.name, info.summary())));
    }
    assert!(listed.contains("\nPipelines:\n  default\n"));
    assert_eq!(json["pipelines"][0]["name"], "default");
}

fn json(output: &Output) -> serde_json::Value {
    succeeds(output);
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

#[test]
fn options_have_a_schema() {
    let schema = json(&run(&["passes", "--schema"]));
    let passes = schema["$defs"].as_object().expect("there are passes");
    assert_eq!(passes.len(), tfq_opt::builtin().passes().count());
    let options = &passes["quantize-weights"]["properties"];
    assert_eq!(options["min-elements"]["default"], "auto");
    assert_eq!(options["hybrid"]["default"], true);
    assert!(
        options["type"]["enum"].as_array().is_some_and(|values| values.contains(&"int8".into()))
    );
}

#[test]
fn times_come_as_json_and_as_a_trace() {
    let (_folder, trace) = folder_with("trace.json");
    let told = json(&run(&[FC, "--json", "--timing", "--trace", text(&trace)]));
    let names = |spans: &serde_json::Value| -> Vec<String> {
        let spans = spans.as_array().expect("they are in a list").iter();
        spans.map(|span| span["name"].as_str().expect("it has a name").to_owned()).collect()
    };
    let tree = names(&told["timing"]);
    for name in ["read", "lift", "passes", "quantize-weights", "verifier", "snapshot", "lower"] {
        assert!(tree.iter().any(|found| found == name), "{name} is missing in {tree:?}");
    }
    let trace: serde_json::Value =
        serde_json::from_slice(&fs::read(trace).expect("it was written")).expect("it is JSON");
    let events = trace["traceEvents"].as_array().expect("there are events");
    assert!(events.iter().all(|e| e["ph"] == "X" && e["ts"].is_f64() && e["dur"].is_f64()));
    assert!(names(&trace["traceEvents"]).contains(&"insert-dequant".to_owned()));
}

#[test]
fn models_are_printed_to_a_folder() {
    let (_folder, path) = folder_with("ir");
    let folder = text(&path);
    let all = ["--print-ir-before", "--print-ir-after-change", "--print-diff", "-q"];
    succeeds(&run(&[
        &[FC, "--passes=quantize-weights{exact-activations=off}", "--print-ir-dir", folder],
        &all[..],
    ]
    .concat()));
    let names = inside(&path);
    assert_eq!(
        names,
        [
            "001-quantize-weights-before.tfg",
            "002-quantize-weights-after.tfg",
            "003-quantize-weights-diff.diff"
        ]
    );
    let diff = fs::read_to_string(path.join(&names[2])).expect("it was written");
    assert!(
        diff.contains("\n-  %weights = const : f32") && diff.contains("\n+  %weights = const : i8")
    );
}

#[test]
fn the_manual_page_knows_the_passes() {
    let output = run(&["man"]);
    succeeds(&output);
    let told = String::from_utf8_lossy(&output.stdout).replace('\\', "");
    for info in tfq_opt::builtin().passes() {
        assert!(told.contains(&*info.name), "it lacks {}", info.name);
    }
}

/// Zeros without end, as a device or a file of another kind may have: the first ones tell.
#[test]
#[cfg(unix)]
fn what_is_no_model_is_refused_by_its_first_bytes() {
    use std::io::Seek;
    let folder = tempfile::tempdir().expect("there is a place for files");
    let path = folder.path().join("zeros");
    let mut zeros = fs::File::create_new(&path).expect("it can be made");
    zeros.set_len(8 << 30).expect("a file may have holes");
    let path = path.to_str().expect("it is text");
    for arguments in [&[path, "--dry-run"][..], &["print", path], &["inspect", path]] {
        let refused = run(arguments);
        fails(&refused, 1);
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert!(stderr.contains("the identifier TFL3 is missing"), "{stderr}");
    }
    // Both ends share the place in the file, which tells how much was read.
    zeros = fs::File::open(path).expect("it is there");
    let stdin = zeros.try_clone().expect("it can be opened twice");
    let refused = command(&["-", "--dry-run"]).stdin(stdin).output().expect("the binary starts");
    fails(&refused, 1);
    assert!(zeros.stream_position().expect("it has one") <= 4 << 20);
}

/// The message tells what is wrong and shows the place, and not the megabytes around it.
#[test]
fn a_mistake_in_a_huge_line_is_shown_in_short() {
    let long = "x".repeat(3 << 20);
    for text in [
        format!("%x = input\n%y = {long}(%x)\noutput %y"),
        format!("%x = input %y = RELU(%z) output %y // {long}"),
        format!("description \"{long}\" %x = input %y = RELU(%z)"),
    ] {
        let refused = run_on(text.as_bytes(), &["print", "-"]);
        fails(&refused, 1);
        assert!(refused.stderr.len() < 2000, "{} bytes", refused.stderr.len());
    }
}
