//! Models on the real runtime. Where `TFQ_RUNTIME` names none these tests say so and pass: the
//! other tests need no runtime. `.ci/run` installs one.

mod common;

use common::root;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tfq_opt::ir::ElementType;
use tfq_opt::runtime::{self, Fill, Range, Value};

const CNN: &str = "tests/models/digits/digits_cnn.tflite";
const LSTM: &str = "tests/models/digits/digits_lstm.tflite";

/// A model that was trained on inputs of 0 to 1000, with some of these.
const RAW: &str = "tests/runtime/raw_inputs.tflite";
const RAW_DATA: &str = "tests/runtime/raw_inputs_x.npy";

/// Whether there is a runtime to test with.
#[allow(clippy::print_stderr)]
fn runtime() -> bool {
    let there = std::env::var_os(runtime::VARIABLE).is_some_and(|path| !path.is_empty());
    if !there {
        eprintln!("not run: {} names no runtime", runtime::VARIABLE);
    }
    there
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
    command.args(arguments).current_dir(root()).env_remove("RUST_BACKTRACE");
    command.output().expect("the binary starts")
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

#[test]
fn outputs_are_computed_and_saved_on_all_kernels() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let x = Value {
        ty: ElementType::Float32,
        shape: vec![2, 2],
        data: [1.0_f32, 2.0, -3.0, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect(),
    };
    let file = folder.path().join("x.npy");
    runtime::write_npy(fs::File::create(&file).unwrap(), &x).unwrap();
    let input = format!("--input=x={}", text(&file));
    for kernels in ["reference", "optimized", "xnnpack"] {
        let out = folder.path().join(kernels);
        let kernels = format!("--kernels={kernels}");
        let printed = succeeds(&["run", &model, &input, &kernels, "-o", text(&out)]);
        assert!(printed.contains("y : FLOAT32[2,3]\n    2.0 4.0 3.0 -6.0 1.0 -2.5\n"), "{printed}");
        let y = npy(&out.join("y.npy"));
        assert_eq!(y.shape, [2, 3], "the free dimension is that of the file");
        assert_eq!(y.numbers().unwrap(), [2.0, 4.0, 3.0, -6.0, 1.0, -2.5]);
    }
}

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

/// The paddings are computed, and with them the size of the result.
const PADDED: &str = "tfg 1 types
subgraph @main {
  %x = input : f32[1,?,1]
  %first = const : i32[1] = [1]
  %last = const : i32[1] = [2]
  %one = const : i32[1] = [1]
  %block = const : i32[1] = [2]
  %zero = const : i32[1] = [0]
  %shape = SHAPE(%x) {out_type = INT32} : i32[3]
  %length = STRIDED_SLICE(%shape, %first, %last, %one) : i32[1]
  %odd = FLOOR_MOD(%length, %block) : i32[1]
  %paddings = PACK(%zero, %odd) {values_count = 2, axis = 1} : i32[1,2]
  %y = SPACE_TO_BATCH_ND(%x, %block, %paddings) : f32[2,?,1]
  output %y
}
";

#[test]
fn outputs_whose_size_is_computed_are_those_that_were_written() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let computed = written(&folder, "computed.tfg", COMPUTED);
    let padded = written(&folder, "padded.tfg", PADDED);
    let output = |model: &str, arguments: &[&str]| {
        let out = folder.path().join("out");
        let all = [&["run", model, "-o", text(&out)], arguments].concat();
        succeeds(&all);
        let y = npy(&out.join("y.npy"));
        (y.shape.clone(), y.numbers().unwrap())
    };
    for kernels in ["--kernels=reference", "--kernels=optimized", "--kernels=xnnpack"] {
        // Of the shape that the runtime tells before, and of others.
        for rows in [1, 3] {
            let shape = format!("--shape=x={rows}x2");
            let random = Fill::Random { seed: 7 };
            let x = runtime::fill("x", ElementType::Float32, &[rows, 2], random, Range::Bits);
            let found = output(&computed, &[kernels, &shape, "--seed=7"]);
            assert_eq!(found, (vec![rows, 2], x.unwrap().numbers().unwrap()), "{kernels}");
        }
        let found = output(&padded, &[kernels, "--shape=x=1x3x1", "--input=ones"]);
        assert_eq!(found, (vec![2, 2, 1], vec![1.0, 1.0, 1.0, 0.0]), "{kernels}");
    }
    for shape in ["--shape=x=1x2", "--shape=x=3x2"] {
        let same = json(&["compare", &computed, &computed, "--json", "--min-snr=1000", shape]);
        for case in same["cases"].as_array().unwrap() {
            assert_eq!(case["outputs"][0]["differing"], 0, "{case}");
        }
    }
    let measured = json(&["bench", &computed, "--runs=2", "--threads=1", "--json"]);
    assert_eq!(measured["measured"][0]["seconds"]["count"], 2);
    let out = folder.path().join("out.tflite");
    succeeds(&[&computed, "--verify-run=1000", "-q", "-o", text(&out)]);
}

/// What a model alone can run in the C API is compared with what cannot.
#[test]
fn a_result_that_only_python_can_run_is_compared_there() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let computed = written(&folder, "computed.tfg", COMPUTED);
    let plain = COMPUTED
        .replace("RESHAPE(%x, %wanted)", "ABS(%x)")
        .replace("output %y", "output %y\n  output %wanted");
    let both = COMPUTED.replace("output %y", "output %y\n  output %wanted");
    let plain = written(&folder, "plain.tfg", &plain);
    let both = written(&folder, "both.tfg", &both);
    for models in [[&plain, &both], [&both, &plain]] {
        let found = json(&["compare", models[0], models[1], "--json", "--input=ones"]);
        for case in found["cases"].as_array().unwrap() {
            assert_eq!(case["outputs"][0]["differing"], 0, "{case}");
        }
    }
    succeeds(&["run", &computed]);
}

#[test]
fn inputs_that_no_machine_holds_are_refused_before_anything_is_made() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let huge = DOUBLE.replace("%x = input : f32[?,2]", "%x = input : f32[65536,65536,64]").replace(
        "%w = const : f32[3,2] = [2.0, 0.0, 0.0, 2.0, 1.0, 1.0]\n  %y = FULLY_CONNECTED(%x, %w, _) : f32[?,3]",
        "%y = NEG(%x) : f32[65536,65536,64]",
    );
    let huge = written(&folder, "huge.tfg", &huge);
    let double = written(&folder, "double.tfg", DOUBLE);
    let out = folder.path().join("out.tflite");
    let much = "the inputs take more than 2 147 483 648 bytes: `x` FLOAT32[";
    for arguments in [
        &["run", &huge][..],
        &["compare", &huge, &huge],
        &["bench", &huge],
        &[&huge, "--verify-run", "-q", "-o", text(&out)],
        &["run", &double, "--shape=x=1073741824x2"],
        &["run", &double, "--shape=x=18446744073709551615x2"],
    ] {
        let error = fails(arguments);
        assert!(error.contains(much), "{arguments:?}: {error}");
    }
    assert!(!out.exists());
    let file = folder.path().join("x.npy");
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (268435456, 2), }\n";
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    fs::write(&file, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &[0; 8]].concat())
        .unwrap();
    let error = fails(&["run", &double, &format!("--input={}", text(&file))]);
    assert!(error.contains("its header claims 2 147 483 648 bytes of data, 8 follow"), "{error}");
}

/// What a folder holds whose files no Python that is started in it may run.
#[test]
fn code_in_the_current_folder_is_not_run() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let marker = |name: &str| format!("open({:?}, 'w')\n", folder.path().join(name));
    let here = folder.path().join("here");
    for package in ["ai_edge_litert", "numpy", "json", "encodings"] {
        fs::create_dir_all(here.join(package)).unwrap();
        fs::write(here.join(package).join("__init__.py"), marker("run")).unwrap();
    }
    for module in ["ctypes", "os", "select", "site", "sitecustomize", "struct", "usercustomize"] {
        fs::write(here.join(format!("{module}.py")), marker("run")).unwrap();
    }
    let named = folder.path().join("named");
    fs::create_dir_all(&named).unwrap();
    fs::write(named.join("sitecustomize.py"), marker("counted")).unwrap();
    fs::copy(root().join(LSTM), here.join("lstm.tflite")).unwrap();
    let environment = std::env::var_os(runtime::VARIABLE).unwrap();
    let environment = root().join(environment);
    let search = std::env::join_paths(
        std::iter::once(environment.join("bin"))
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let search = search.unwrap();
    for path in [None, Some(""), Some(":"), Some(":/nowhere:"), Some("NAMED:")] {
        for found_in_path in [true, false] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
            command.args(["run", "lstm.tflite"]).current_dir(&here).env_remove("PYTHONPATH");
            if found_in_path {
                command.env_remove(runtime::VARIABLE).env("PATH", &search);
            }
            if let Some(path) = path {
                command.env("PYTHONPATH", path.replace("NAMED", text(&named)));
            }
            let output = command.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{path:?}: {stderr}");
            assert!(!folder.path().join("run").exists(), "{path:?}, {found_in_path}");
            // A folder that the user names counts.
            let counted = fs::remove_file(folder.path().join("counted")).is_ok();
            assert_eq!(counted, path == Some("NAMED:"), "{path:?}");
        }
    }
}

/// The processes that one has started, and those that these have.
#[cfg(target_os = "linux")]
fn descendants(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_does_not_outlive_the_command() {
    use std::time::{Duration, Instant};
    if !runtime() {
        return;
    }
    let folder = folder();
    let endless = written(&folder, "endless.tfg", ENDLESS);
    // The C API does not take an output that is an input, so Python runs this one.
    let python = ENDLESS.replacen("output %y\n", "output %y\n  output %x\n", 1);
    let python = written(&folder, "python.tfg", &python);
    let wait_for = |what: &str, mut done: Box<dyn FnMut() -> bool + '_>| {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    for (model, program) in [(endless, "tfq-opt"), (python, "python")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
        let mut child = command.args(["run", &model, "--timeout=0"]).spawn().unwrap();
        // It computes: it has the worker's own time.
        let mut worker = 0;
        let ticks = |pid: u32| -> Option<u64> {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (head, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let running = head.contains(program) && fields[0] != "Z";
            running.then(|| fields[11].parse().ok()).flatten()
        };
        wait_for(
            "the model runs",
            Box::new(|| {
                worker = descendants(child.id()).last().copied().unwrap_or(0);
                ticks(worker).is_some_and(|ticks| ticks > 150)
            }),
        );
        child.kill().unwrap();
        child.wait().unwrap();
        wait_for("the worker has ended", Box::new(|| ticks(worker).is_none()));
    }
}

#[test]
fn a_worker_that_is_killed_is_no_verdict_on_a_model() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let endless = written(&folder, "endless.tfg", ENDLESS);
    let out = folder.path().join("out.tflite");
    for arguments in [
        &["run", &endless, "--timeout=0"][..],
        &["compare", &endless, &endless, "--timeout=0"],
        &[&endless, "--verify-run", "--timeout=0", "-o", text(&out)],
    ] {
        // The limit of processor time is the worker's: the command itself only waits.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -t 2; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_tfq-opt")]);
        let output = command.args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("the process that ran the model was killed: signal "), "{stderr}");
    }
    assert!(!out.exists());
}

#[test]
fn a_library_of_unknown_version_is_tried_first() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let found = runtime::Runtime::find(None).expect("there is one");
    let library = folder.path().join(found.library.file_name().unwrap());
    fs::copy(&found.library, &library).unwrap();
    succeeds(&["run", &model, "--runtime", text(&library)]);
    // Not every library is one.
    let ours = std::env::current_exe().unwrap();
    let error = fails(&["run", &model, "--runtime", text(&ours)]);
    assert!(error.contains("fails a test of its C API: the runtime cannot be used"), "{error}");
}

#[test]
fn the_model_that_a_library_is_tried_with_is_what_its_text_says() {
    let folder = folder();
    let source = root().join("crates/tfq-runtime/src");
    let out = folder.path().join("probe.tflite");
    succeeds(&[text(&source.join("probe.tfg")), "--passes=", "-o", text(&out)]);
    assert_eq!(fs::read(out).unwrap(), fs::read(source.join("probe.tflite")).unwrap());
}

#[test]
fn outputs_of_long_names_are_saved_apart() {
    if !runtime() {
        return;
    }
    let folder = folder();
    // Both begin alike, as those do that a converter made of many ops.
    let long = |end: char| format!("{}{end}", "name/of/an/op;".repeat(40));
    let model = format!(
        "tfg 1 types
subgraph @main {{
  %x = input : f32[1]
  %{0:?} = NEG(%x) : f32[1]
  %{1:?} = ABS(%x) : f32[1]
  output %{0:?}
  output %{1:?}
}}
",
        long('a'),
        long('b')
    );
    let model = written(&folder, "long.tfg", &model);
    let out = folder.path().join("out");
    let found = json(&["run", &model, "--input=ones", "--json", "-o", text(&out)]);
    let numbers = |n: usize| {
        let file = found["outputs"][n]["file"].as_str().unwrap();
        npy(Path::new(file)).numbers().unwrap()
    };
    assert_eq!((numbers(0), numbers(1)), (vec![-1.0], vec![1.0]));
}

#[test]
fn shapes_seeds_and_fills_are_as_asked() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let output = |arguments: &[&str]| {
        let out = folder.path().join("out");
        let all = [&["run", &model, "-o", text(&out)], arguments].concat();
        succeeds(&all);
        npy(&out.join("y.npy"))
    };
    assert_eq!(output(&[]).shape, [1, 3]);
    assert_eq!(output(&["--shape=x=4x2"]).shape, [4, 3]);
    assert_eq!(output(&["--input=ones"]).numbers().unwrap(), [2.0, 2.0, 2.0]);
    assert_eq!(output(&["--seed=7"]), output(&["--seed=7"]));
    assert_ne!(output(&["--seed=7"]), output(&["--seed=8"]));
    let random = Fill::Random { seed: 7 };
    let x = runtime::fill("x", ElementType::Float32, &[1, 2], random, Range::Bits).unwrap();
    let doubled: Vec<f64> = x.numbers().unwrap().iter().map(|x| 2.0 * x).collect();
    assert_eq!(output(&["--seed=7"]).numbers().unwrap()[..2], doubled[..]);
    let error = fails(&["run", &model, "--shape=x=2"]);
    assert!(error.contains("input `x` is FLOAT32[-1,2]"), "{error}");
}

#[test]
fn an_input_of_another_type_is_an_error_that_says_both() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let x = runtime::fill("x", ElementType::Float64, &[1, 2], Fill::Zeros, Range::Bits).unwrap();
    let file = folder.path().join("x.npy");
    runtime::write_npy(fs::File::create(&file).unwrap(), &x).unwrap();
    let error = fails(&["run", &model, &format!("--input=x={}", text(&file))]);
    assert!(error.contains("input `x` is FLOAT32[-1,2]"), "{error}");
    assert!(error.contains("holds FLOAT64[1,2]"), "{error}");
}

#[test]
fn ids_stay_inside_the_table() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let model = "tfg 1 types
subgraph @main {
  %ids = input : i32[64]
  %table = const : f32[5,4] fill ramp(start = 0, step = 1)
  %rows = EMBEDDING_LOOKUP(%ids, %table) : f32[64,4]
  output %rows
}
";
    let model = written(&folder, "lookup.tfg", model);
    let out = folder.path().join("out");
    succeeds(&["run", &model, "-o", text(&out)]);
    let rows = npy(&out.join("rows.npy")).numbers().unwrap();
    let mut firsts: Vec<i64> = rows.iter().step_by(4).map(|x| *x as i64).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts, [0, 4, 8, 12, 16], "every row of the table is looked up");
}

#[test]
fn variables_run_in_python_where_the_c_api_refuses_them() {
    if !runtime() {
        return;
    }
    let json = json(&["run", LSTM, "--json"]);
    assert_eq!(json["outputs"][0]["shape"], serde_json::json!([1, 10]));
}

#[test]
fn equal_models_are_equal_and_quantised_ones_are_not() {
    if !runtime() {
        return;
    }
    let same = json(&["compare", CNN, CNN, "--json", "--min-snr=1000"]);
    let cases = same["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3, "one for each kind of kernels");
    for case in cases {
        assert_eq!(case["outputs"][0]["differing"], 0);
    }
    let folder = folder();
    let small = folder.path().join("small.tflite");
    succeeds(&[CNN, "-o", text(&small)]);
    let json = json(&["compare", CNN, text(&small), "--json", "--min-snr=20"]);
    for case in json["cases"].as_array().unwrap() {
        let snr = case["outputs"][0]["snr_db"].as_f64().unwrap();
        assert!((20.0..200.0).contains(&snr), "{case}");
    }
    let error = fails(&["compare", CNN, text(&small), "--min-snr=150"]);
    assert!(
        error.contains("`serving_default` on the reference kernels: output `output_0`"),
        "{error}"
    );
    assert!(error.contains("at least 150 are wanted"), "{error}");
}

#[test]
fn real_inputs_show_what_random_ones_hide() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let out = folder.path().join("small.tflite");
    let summary = run(&[RAW, "-o", text(&out), "--verify-run"]);
    let summary = String::from_utf8(summary.stderr).unwrap();
    let verified = "verified: at least 49.7 dB on reference, optimized, xnnpack; \
                    inputs: random from seed 0\n";
    assert!(summary.contains(verified), "{summary}");
    let printed = succeeds(&["compare", RAW, text(&out)]);
    let note = "inputs: random from seed 0\n\
                note: random inputs were used; give real ones with --data or --input\n";
    assert!(printed.ends_with(note), "{printed}");

    let bad = folder.path().join("bad.tflite");
    let data = format!("--data={RAW_DATA}");
    for given in [&data, &format!("--input=keras_tensor_6={RAW_DATA}")] {
        let error = fails(&[RAW, "-o", text(&bad), "--verify-run", given]);
        assert!(error.contains("output `output_0`: 18.0 dB, at least 20 are wanted"), "{error}");
        assert_eq!(error.contains("; sample 29 has 3.1 dB"), *given == data, "{error}");
        assert!(!error.contains("random"), "{error}");
        assert!(!bad.exists(), "nothing is written");
    }
    let found = json(&[RAW, "--dry-run", "--verify-run=10", &data, "--json"]);
    let verified = &found["verified"];
    assert_eq!(verified["wanted_db"], 10.0);
    assert_eq!(verified["data"]["samples"], 100);
    assert_eq!(verified["data"]["random"], false);
    assert_eq!(verified["data"]["inputs"][0]["from"], RAW_DATA);
    let least = verified["least_snr_db"].as_f64().unwrap();
    assert!((17.9..18.1).contains(&least), "{least}");
    let worst = &verified["cases"][0]["outputs"][0]["worst_sample"];
    assert!(worst["snr_db"].as_f64().unwrap() < least, "{worst}");

    // One run on all rows gives the same figures as one run for each.
    let rows = json(&["compare", RAW, text(&out), &data, "--json"]);
    let input = format!("--input={RAW_DATA}");
    let whole = json(&["compare", RAW, text(&out), &input, "--json"]);
    let snr = |found: &serde_json::Value| found["cases"][0]["outputs"][0]["snr_db"].as_f64();
    assert!((snr(&rows).unwrap() - snr(&whole).unwrap()).abs() < 1e-3);
    assert_eq!(whole["data"]["samples"], 1);
}

/// Two inputs, of which one is added to each row of the other's.
const ADD: &str = "tfg 1 types
subgraph @main {
  %rows/x = input : f32[2,2]
  %id = input : i32[1]
  %shift = CAST(%id) {in_data_type = INT32, out_data_type = FLOAT32} : f32[1]
  %y = ADD(%rows/x, %shift) : f32[2,2]
  output %y
}
";

#[test]
fn samples_come_from_folders_and_archives() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let a = written(&folder, "a.tfg", ADD);
    let b = written(&folder, "b.tfg", &ADD.replace("ADD(", "SUB("));
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let save = |name: &str, ty, shape: &[usize], data_of: &[u8]| {
        let value = Value { ty, shape: shape.to_vec(), data: data_of.to_vec() };
        runtime::write_npy(fs::File::create(data.join(name)).unwrap(), &value).unwrap();
    };
    let ones: Vec<u8> = [1.0_f32; 12].iter().flat_map(|x| x.to_le_bytes()).collect();
    let ids: Vec<u8> = [0_i32, 1, 2].iter().flat_map(|x| x.to_le_bytes()).collect();
    let float = ElementType::Float32;
    // A slash cannot be in a file's name.
    save("rows_x.npy", float, &[3, 2, 2], &ones);
    save("id.npy", ElementType::Int32, &[3], &ids);
    let given = format!("--data={}", text(&data));
    let compare = |more: &[&str]| {
        let all = [&["compare", &a, &b, "--kernels=reference", "--json", &given], more].concat();
        json(&all)
    };
    let found = compare(&[]);
    let output = &found["cases"][0]["outputs"][0];
    // 1 + n against 1 - n for n of 0, 1, 2: signal 1 + 4 + 9, noise 0 + 4 + 16.
    let wanted = 10.0 * (14.0_f64 / 20.0).log10();
    assert!((output["snr_db"].as_f64().unwrap() - wanted).abs() < 1e-5, "{output}");
    assert_eq!(output["worst_sample"]["sample"], 2);
    let worst = output["worst_sample"]["snr_db"].as_f64().unwrap();
    assert!((worst - 10.0 * (9.0_f64 / 16.0).log10()).abs() < 1e-5, "{output}");

    let refused = |more: &[&str]| fails(&[&["compare", &a, &b, &given], more].concat());
    save("id.npy", ElementType::Int32, &[2], &ids[..8]);
    assert!(refused(&[]).contains("`id` holds 2 samples, `rows_x` 3"), "{}", refused(&[]));
    save("id.npy", ElementType::Int32, &[], &ids[..4]);
    assert!(refused(&[]).contains("`id` holds no samples: it is INT32[]"), "{}", refused(&[]));
    save("id.npy", float, &[3], &ones[..12]);
    let error = refused(&[]);
    assert!(error.contains("input `id` is one axis of samples and INT32[1]"), "{error}");
    assert!(error.contains("holds FLOAT32[3]"), "{error}");
    fs::rename(data.join("id.npy"), data.join("ids.npy")).unwrap();
    let error = refused(&[]);
    assert!(error.contains("`ids` is for no input"), "{error}");
    assert!(error.contains("help: inputs are rows/x, id"), "{error}");
    fs::remove_file(data.join("ids.npy")).unwrap();
    let error = refused(&[]);
    assert!(error.contains("has no samples for input `id`, only for rows_x"), "{error}");
    let found = compare(&["--input=id=zeros"]);
    assert_eq!(found["cases"][0]["outputs"][0]["differing"], 0);
    assert_eq!(found["data"]["inputs"][1]["from"], "zeros");
}

#[test]
fn state_starts_anew_with_each_sample() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let images = fs::read(root().join("tests/models/digits/digits_test_images.u8")).unwrap();
    let file = |name: &str, images: &[u8]| {
        let data = images.iter().flat_map(|p| (f32::from(*p) / 16.0).to_le_bytes()).collect();
        let shape = vec![images.len() / 64, 8, 8];
        let value = Value { ty: ElementType::Float32, shape, data };
        let path = folder.path().join(name);
        runtime::write_npy(fs::File::create(&path).unwrap(), &value).unwrap();
        format!("--data={}", text(&path))
    };
    let small = folder.path().join("small.tflite");
    succeeds(&[LSTM, "-o", text(&small)]);
    let (two, second) = (file("two.npy", &images[..128]), file("one.npy", &images[64..128]));
    let compare = |data: &str| {
        let found = json(&["compare", LSTM, text(&small), "--kernels=reference", "--json", data]);
        found["cases"][0]["outputs"][0].clone()
    };
    let (both, alone) = (compare(&two), compare(&second));
    let worst = &both["worst_sample"];
    // Whichever is worse, the second one alone is what it is behind another.
    let first = compare(&file("first.npy", &images[..64]));
    let wanted = if worst["sample"] == 0 { first } else { alone };
    assert_eq!(worst["snr_db"], wanted["snr_db"]);
    let first = images[..64].to_vec();
    let again = [&first[..], &first[..]].concat();
    let (once, twice) = (compare(&file("x.npy", &first)), compare(&file("xx.npy", &again)));
    assert_eq!(once["max_abs"], twice["max_abs"], "the same sample gives the same again");
}

#[test]
fn another_interface_is_no_replacement() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let a = written(&folder, "a.tfg", DOUBLE);
    let b = written(&folder, "b.tfg", &DOUBLE.replace("f32[?,2]", "f32[?,1,2]"));
    let error = fails(&["compare", &a, &b]);
    assert!(error.contains("b.tfg: on the reference kernels: the inputs do not fit"), "{error}");
}

/// Layers of which the second's weights are those of `second`.
fn chain(second: f64) -> String {
    format!(
        "tfg 1 types
subgraph @main {{
  %x = input : f32[1,64]
  %w1 = const : f32[32,64] fill gaussian(seed = 1, std = 0.1)
  %w2 = const : f32[32,32] fill gaussian(seed = 2, std = {second})
  %w3 = const : f32[8,32] fill gaussian(seed = 3, std = 0.1)
  %first = FULLY_CONNECTED(%x, %w1, _) : f32[1,32]
  %second = FULLY_CONNECTED(%first, %w2, _) : f32[1,32]
  %third = FULLY_CONNECTED(%second, %w3, _) : f32[1,8]
  output %third
}}
"
    )
}

/// Names of what a section of `--per-layer` lists.
fn layer_names(section: &serde_json::Value) -> Vec<&str> {
    let layers = section["matched"].as_array().expect("it is a list");
    layers.iter().map(|layer| layer["name"].as_str().expect("it has a name")).collect()
}

#[test]
fn the_layer_where_the_ratio_drops_is_marked() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let a = written(&folder, "a.tfg", &chain(0.1));
    let b = written(&folder, "b.tfg", &chain(0.11));
    let json = json(&["compare", &a, &b, "--json", "--per-layer"]);
    let layers = &json["layers"][0];
    let section = &layers["sections"][0];
    assert_eq!(layer_names(section), ["first", "second", "third"], "in execution order");
    assert_eq!(section["matched"][0]["differing"], 0);
    assert_eq!(layers["drops"][0], serde_json::json!({ "section": 0, "layer": 1 }), "{layers:#}");
    // The second layer's weights are a tenth larger, and nothing else.
    let snr = section["matched"][1]["snr_db"].as_f64().unwrap();
    assert!((snr - 20.0).abs() < 0.1, "{snr}");
    let printed = succeeds(&["compare", &a, &b, "--per-layer"]);
    assert!(
        printed.contains("FULLY_CONNECTED second  <-- the ratio drops most here\n"),
        "{printed}"
    );
    assert!(printed.contains("note: a drop is local; --ablate measures"), "{printed}");
}

#[test]
fn layers_of_every_signature_are_seen_and_agree_with_its_outputs() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let two = "tests/runtime/two_signatures.tflite";
    let b = folder.path().join("b.tflite");
    succeeds(&[two, "-o", text(&b), "-q"]);
    let found = json(&["compare", two, text(&b), "--per-layer", "--json"]);
    let keys: Vec<&str> = found["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["signature"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["add", "multiply"]);
    let only = ["compare", two, text(&b), "--per-layer", "--json", "--signature=multiply"];
    let found = json(&only);
    assert_eq!(found["layers"].as_array().unwrap().len(), 1);
    assert_eq!(found["layers"][0]["sections"][0]["matched"][0]["kind"], "MUL");

    // With samples, the last layer is what the table says of the output.
    succeeds(&[RAW, "-o", text(&b), "-q"]);
    let data = format!("--data={RAW_DATA}");
    let found = json(&["compare", RAW, text(&b), "--per-layer", "--json", &data]);
    let output = &found["cases"][0]["outputs"][0];
    let layers = found["layers"][0]["sections"][0]["matched"].as_array().unwrap();
    let last = layers.last().unwrap();
    for figure in ["snr_db", "cosine", "max_abs", "differing", "elements"] {
        assert_eq!(last[figure], output[figure], "{figure}");
    }
}

#[test]
fn bodies_of_loops_are_seen() {
    if !runtime() {
        return;
    }
    let gru = "tests/models/digits/digits_gru.tflite";
    let folder = folder();
    let b = folder.path().join("b.tflite");
    succeeds(&[gru, "-o", text(&b), "-q"]);
    let compare = ["compare", gru, text(&b), "--per-layer", "--ablate", "--json"];
    let found = json(&compare);
    let layers = &found["layers"][0];
    let sections = layers["sections"].as_array().unwrap();
    let roles: Vec<&str> =
        sections.iter().skip(1).map(|s| s["call"]["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["cond", "body"]);
    let body = &sections[2];
    assert!(body["matched"].as_array().unwrap().len() > 15, "{body:#}");
    // Noise comes in in the body, and not where the loop stands.
    assert_eq!(layers["drops"][0]["section"], 2, "{layers:#}");
    let main = sections[0]["matched"].as_array().unwrap();
    assert_eq!(main.last().unwrap()["snr_db"], found["cases"][0]["outputs"][0]["snr_db"]);
    // The one weight that is quantised lies there, and without it nothing differs.
    let ablation = &found["ablation"];
    assert_eq!(ablation["runs"], 2, "{ablation:#}");
    assert_eq!(ablation["ops"][0]["subgraph"], body["subgraph"]);
    assert_eq!(ablation["ops"][0]["culprit"], true);
    assert_eq!(ablation["ops"][0]["snr_db"], serde_json::Value::Null, "equal outputs");
}

/// Takes the second branch where the sum of the input is not positive.
const BRANCHES: &str = "tfg 1 types
subgraph @main {
  %x = input : f32[4]
  %flag = input : bool[1]
  %y = IF(%flag, %x) {then_subgraph_index = 1, else_subgraph_index = 2} : f32[4]
  output %y
}
subgraph @then {
  %x = input : f32[4]
  %two = const : f32[1] = [2.0]
  %y = MUL(%x, %two) : f32[4]
  output %y
}
subgraph @else {
  %x = input : f32[4]
  %y = NEG(%x) : f32[4]
  output %y
}
";

#[test]
fn the_branch_that_was_taken_is_seen() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let a = written(&folder, "a.tfg", BRANCHES);
    let b = written(&folder, "b.tfg", &BRANCHES.replace("[2.0]", "[2.2]"));
    let of = |flag: &str| {
        let input = format!("--input=flag={flag}");
        let found = json(&["compare", &a, &b, "--per-layer", "--json", &input]);
        found["layers"][0]["sections"].clone()
    };
    let taken = of("ones");
    assert_eq!((&taken[1]["runs"], &taken[2]["runs"]), (&1.into(), &0.into()));
    let snr = taken[1]["matched"][0]["snr_db"].as_f64().unwrap();
    assert!((snr - 20.0).abs() < 0.01, "{snr}");
    let other = of("zeros");
    assert_eq!((&other[1]["runs"], &other[2]["runs"]), (&0.into(), &1.into()));
    assert_eq!(other[2]["matched"][0]["differing"], 0);
    assert_eq!(layer_names(&other[1]), [""; 0], "it did not run");
}

/// A decomposition runs; the body of a window only says how to reduce it.
const CALLED: &str = r#"tfg 1 types
subgraph @main {
  %x = input : f32[1,4,4,1]
  %none = const : f32[] = 0.0
  %composite = STABLEHLO_COMPOSITE(%x) {name = "twice", decomposition_subgraph_index = @twice, composite_attributes = b"\x00\x00\x01\x00\x00\x24\x01"} : f32[1,4,4,1]
  %sums = STABLEHLO_REDUCE_WINDOW(%composite, %none) {window_dimensions = [1, 2, 2, 1], window_strides = [1, 1, 1, 1], base_dilations = [1, 1, 1, 1], window_dilations = [1, 1, 1, 1], padding = [0, 0, 0, 0, 0, 0, 0, 0], body_subgraph_index = @sum} : f32[1,3,3,1]
  output %sums
}
subgraph @twice {
  %a = input : f32[1,4,4,1]
  %two = const : f32[1] = [2.0]
  %b = MUL(%a, %two) : f32[1,4,4,1]
  output %b
}
subgraph @sum {
  %a = input : f32[]
  %b = input : f32[]
  %c = ADD(%a, %b) : f32[]
  output %c
}
"#;

#[test]
fn only_subgraphs_that_run_have_layers() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let a = written(&folder, "a.tfg", CALLED);
    let b = written(&folder, "b.tfg", &CALLED.replace("[2.0]", "[2.2]"));
    let found = json(&["compare", &a, &b, "--per-layer", "--json"]);
    let sections = found["layers"][0]["sections"].as_array().unwrap();
    let names: Vec<_> = sections.iter().map(layer_names).collect();
    assert_eq!(names, [vec!["composite", "sums"], vec!["b"]]);
    let snr = sections[1]["matched"][0]["snr_db"].as_f64().unwrap();
    assert!((snr - 20.0).abs() < 0.01, "{snr}");
}

/// The ratio of `loud` is worst, and it hardly matters: `main` is a thousand times as strong.
fn masked(loud: f64, main: f64) -> String {
    format!(
        "tfg 1 types
subgraph @main {{
  %x = input : f32[1,64]
  %w1 = const : f32[32,64] fill gaussian(seed = 1, std = {loud})
  %w2 = const : f32[32,64] fill gaussian(seed = 2, std = {main})
  %w3 = const : f32[32,32] fill gaussian(seed = 3, std = 0.1)
  %thousandth = const : f32[1] = [0.001]
  %loud = FULLY_CONNECTED(%x, %w1, _) : f32[1,32]
  %quiet = MUL(%loud, %thousandth) : f32[1,32]
  %main = FULLY_CONNECTED(%x, %w2, _) : f32[1,32]
  %sum = ADD(%quiet, %main) : f32[1,32]
  %y = FULLY_CONNECTED(%sum, %w3, _) : f32[1,32]
  output %y
}}
"
    )
}

#[test]
fn ablation_names_the_op_that_matters_at_the_outputs() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let a = written(&folder, "a.tfg", &masked(0.1, 0.1));
    let b = written(&folder, "b.tfg", &masked(0.2, 0.11));
    let found = json(&["compare", &a, &b, "--per-layer", "--ablate", "--json"]);
    let layers = &found["layers"][0];
    let worst = layers["drops"][0]["layer"].as_u64().unwrap() as usize;
    assert_eq!(layer_names(&layers["sections"][0])[worst], "loud", "the drop misleads");
    let ablation = &found["ablation"];
    assert_eq!((&ablation["runs"], &ablation["not_tried"]), (&3.into(), &0.into()));
    let base = ablation["base"][0]["snr_db"].as_f64().unwrap();
    assert!((base - 20.0).abs() < 0.5, "{base}");
    let ops = ablation["ops"].as_array().unwrap();
    let names: Vec<&str> = ops.iter().map(|op| op["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["main", "loud"]);
    assert!(ops[0]["gain_db"].as_f64().unwrap() > 20.0, "{ablation:#}");
    assert!(ops[1]["gain_db"].as_f64().unwrap() < 0.5, "{ablation:#}");
    assert_eq!((&ops[0]["culprit"], &ops[1]["culprit"]), (&true.into(), &false.into()));
    let printed = succeeds(&["compare", &a, &b, "--per-layer", "--ablate"]);
    assert!(
        printed.contains("FULLY_CONNECTED main  <-- and here (2)  <-- culprit: +"),
        "{printed}"
    );
    assert!(printed.contains("into 2 ops of B, one at a time; 3 runs on xnnpack"), "{printed}");

    // Bounded, it begins with the largest drop.
    let one = json(&["compare", &a, &b, "--ablate=1", "--json"]);
    assert_eq!(one["ablation"]["ops"][0]["name"], "loud");
    assert_eq!(one["ablation"]["not_tried"], 1);

    // Two culprits are named, and what they do together is measured.
    let b = written(
        &folder,
        "c.tfg",
        &masked(0.1, 0.11).replace("seed = 3, std = 0.1", "seed = 3, std = 0.11"),
    );
    let found = json(&["compare", &a, &b, "--ablate", "--json"]);
    let ablation = &found["ablation"];
    let culprits = ablation["ops"].as_array().unwrap().iter().filter(|op| op["culprit"] == true);
    assert_eq!(culprits.count(), 2, "{ablation:#}");
    assert_eq!(ablation["runs"], 4);
    assert_eq!(ablation["together"][0]["snr_db"], serde_json::Value::Null, "equal outputs");
}

#[test]
fn a_lookup_of_codes_gets_its_table_back() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let model = "tfg 1 types
subgraph @main {
  %ids = input : i32[4]
  %table = const : f32[100,32] fill gaussian(seed = 1, std = 1)
  %w = const : f32[64,32] fill gaussian(seed = 2, std = 0.1)
  %rows = GATHER(%table, %ids) {axis = 0} : f32[4,32]
  %y = FULLY_CONNECTED(%rows, %w, _) : f32[4,64]
  output %y
}
";
    let a = written(&folder, "a.tfg", model);
    let b = folder.path().join("b.tflite");
    succeeds(&[&a, "-o", text(&b), "-q"]);
    let found = json(&["compare", &a, text(&b), "--ablate", "--json"]);
    let ablation = &found["ablation"];
    assert_eq!(ablation["cannot_be_tried"], serde_json::json!([]));
    let ops = ablation["ops"].as_array().unwrap();
    let mut kinds: Vec<&str> = ops.iter().map(|op| op["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["FULLY_CONNECTED", "GATHER"], "{ablation:#}");
    for op in ops {
        assert!(op["gain_db"].as_f64().unwrap() > 0.0, "{op}");
    }
    // With both back nothing differs, where both are culprits.
    if let Some(both) = ablation["together"].get(0) {
        assert_eq!(both["snr_db"], serde_json::Value::Null, "{ablation:#}");
    }
}

/// A depthwise convolution without a bias, whose optimised hybrid kernel reads through null.
const CRASHES: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,8,8,4]
  %w = const : i8[1,3,3,4] q([0.01, 0.01, 0.01, 0.01], axis = 3) fill uniform(seed = 1, min = -127, max = 128)
  %y = DEPTHWISE_CONV_2D.v6(%x, %w) {padding = SAME, stride_w = 1, stride_h = 1, depth_multiplier = 1} : f32[1,8,8,4]
  output %y
}
";

#[test]
fn a_crash_of_the_runtime_is_an_error_like_others() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let crashes = written(&folder, "crashes.tfg", CRASHES);
    let error = fails(&["run", &crashes, "--kernels=optimized"]);
    assert!(error.contains("the runtime crashed: signal "), "{error}");
    // Where only the second model crashes, the first has run and the command says which did.
    let float = CRASHES
        .replace("(%x, %w)", "(%x, %w, %b)")
        .replace("%y =", "%b = const : f32[4] fill const(0)\n  %y =")
        .replace("i8[1,3,3,4] q([0.01, 0.01, 0.01, 0.01], axis = 3)", "f32[1,3,3,4]")
        .replace("min = -127, max = 128", "min = -1, max = 1");
    let float = written(&folder, "float.tfg", &float);
    let error = fails(&["compare", &float, &crashes, "--kernels=optimized"]);
    assert!(
        error.contains("crashes.tfg: on the optimized kernels: the runtime crashed"),
        "{error}"
    );
}

/// Loops for as long as the input is no NaN: a random one never is.
const ENDLESS: &str = "tfg 1 types
subgraph @main {
  %x = input : f32[1]
  %y = WHILE(%x) {cond_subgraph_index = 1, body_subgraph_index = 2} : f32[1]
  output %y
}
subgraph @cond {
  %x = input : f32[1]
  %go = EQUAL(%x, %x) : bool[1]
  output %go
}
subgraph @body {
  %x = input : f32[1]
  %y = ABS(%x) : f32[1]
  output %y
}
";

#[test]
fn a_model_that_never_ends_is_given_up() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let endless = written(&folder, "endless.tfg", ENDLESS);
    let ends = ENDLESS.replace("EQUAL", "NOT_EQUAL");
    let ends = written(&folder, "ends.tfg", &ends);
    let of = |message: &str, model: &str| {
        format!(
            "error: {model}: {message}the model does not end: no answer within 0.5 s\n |\n\
             help: wait longer with --timeout=SECONDS, or for ever with --timeout=0\n"
        )
    };
    assert_eq!(fails(&["run", &endless, "--timeout=0.5"]), of("", &endless));
    let only = ["--kernels=optimized", "--timeout=0.5"];
    let compare = |a: &str, b: &str| fails(&[&["compare", a, b][..], &only].concat());
    assert_eq!(compare(&ends, &endless), of("on the optimized kernels: ", &endless));
    assert_eq!(compare(&endless, &ends), of("there is nothing to compare with: ", &endless));
    let out = folder.path().join("out.tflite");
    let verify = [&endless, "--verify-run", "--timeout=0.5", "-q", "-o", text(&out)];
    assert_eq!(fails(&verify), of("there is nothing to compare with: ", &endless));
    assert!(!out.exists());
    succeeds(&["compare", &ends, &ends, "--timeout=0"]);
}

#[test]
fn a_result_is_written_only_where_it_passes() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let out = folder.path().join("small.tflite");
    let error = fails(&[CNN, "-o", text(&out), "--verify-run=150"]);
    assert!(error.contains("the result: `serving_default` on the reference kernels"), "{error}");
    assert!(!out.exists(), "nothing is written");
    succeeds(&[CNN, "-o", text(&out), "--verify-run"]);
    let verified = fs::read(&out).unwrap();
    succeeds(&[CNN, "-o", text(&out)]);
    assert_eq!(verified, fs::read(&out).unwrap(), "the check changes nothing");
    succeeds(&[LSTM, "-o", text(&out), "--verify-run"]);
}

#[test]
fn an_input_that_does_not_run_cannot_be_verified() {
    if !runtime() {
        return;
    }
    let folder = folder();
    let out = folder.path().join("out.tflite");
    let custom = "tests/models/odd/custom_options.tflite";
    let error = fails(&[custom, "-o", text(&out), "--verify-run"]);
    assert!(error.contains("there is nothing to compare with"), "{error}");
    assert!(error.contains("MyDense"), "{error}");
    assert!(!out.exists());
}

#[test]
fn standard_input_can_be_verified_too() {
    if !runtime() {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
    command.args(["-", "-o", "-", "--verify-run", "-q"]).current_dir(root());
    command.stdin(fs::File::open(root().join(CNN)).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(&output.stdout[4..8], b"TFL3");
}

#[test]
fn bench_measures_both_models() {
    if !runtime() {
        return;
    }
    let json = json(&["bench", CNN, LSTM, "--runs=3", "--threads=1", "--json"]);
    let measured = json["measured"].as_array().unwrap();
    let models: Vec<&str> = measured.iter().map(|m| m["model"].as_str().unwrap()).collect();
    assert_eq!(models, [CNN, LSTM]);
    for model in measured {
        assert_eq!(model["seconds"]["count"], 3);
        assert!(model["seconds"]["median"].as_f64().unwrap() > 0.0);
    }
    let printed = succeeds(&["bench", CNN, CNN, "--runs=1", "--threads=1"]);
    assert!(printed.contains(", 1 run each\n"), "{printed}");
    assert!(printed.contains("\nxnnpack, 1 thread: "), "{printed}");
    assert!(printed.contains(" times as long as "), "{printed}");
}

/// A name that holds a line end and a workflow command, with a byte that is not part of UTF-8 where
/// `byte` is one.
fn named(byte: &str, seed: u64) -> String {
    let name = format!("{byte}a\\n::error file=x::boo");
    format!(
        "signature \"{name}\" @main {{\n  input \"{name}\" = %\"{name}1\"\n  output \"{name}\" = %\"{name}2\"\n}}\n\
         subgraph @main {{\n  %\"{name}1\" = input : f32[1,64]\n  %w = const : f32[64,64] fill \
         gaussian(seed = {seed})\n  %\"{name}2\" = FULLY_CONNECTED(%\"{name}1\", %w, _) : f32[1,64]\n  \
         output %\"{name}2\"\n}}\n"
    )
}

#[test]
fn names_in_tables_stay_on_their_line() {
    if !runtime() {
        return;
    }
    let folder = folder();
    // Python reads names of UTF-8 only, and layers are seen there.
    for (byte, shown, more) in [("\\xfe", "\\xfe", None), ("ü", "ü", Some("--per-layer"))] {
        let a = written(&folder, "a.tfg", &named(byte, 1));
        let b = written(&folder, "b.tfg", &named(byte, 2));
        let mut compare = vec!["compare", &a, &b];
        compare.extend(more);
        for command in [vec!["run", &a], compare] {
            let told = succeeds(&command);
            assert!(told.contains(&format!("{shown}a\\n::error file=x::boo")), "{told}");
            assert!(!told.lines().any(|line| line.trim_start().starts_with("::")), "{told}");
        }
        let output = run(&["run", &a, "--input=nothing=ones"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(&format!("inputs are {shown}a\\n::error")), "{told}");
    }
}
