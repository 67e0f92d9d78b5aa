//! Processes that run models: how they begin and end, and what may go wrong in them.

use crate::common::{root, tool};
use crate::{DOUBLE, LSTM, command, fails, folder, succeeds, text, written};
use std::fs;
use std::process::Command;
use tfq_opt::runtime;

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    code_in_the_current_folder_is_not_run,
    #[cfg(target_os = "linux")]
    a_worker_does_not_outlive_the_command,
    a_worker_that_is_killed_is_no_verdict_on_a_model,
    a_library_of_unknown_version_is_tried_first,
    a_crash_of_the_runtime_is_an_error_like_others,
    a_model_that_never_ends_is_given_up,
];

/// What a folder holds whose files no Python that is started in it may run.
fn code_in_the_current_folder_is_not_run() {
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
            let mut command = tool();
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

#[cfg(target_os = "linux")]
fn a_worker_does_not_outlive_the_command() {
    use std::time::{Duration, Instant};
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
        let mut command = tool();
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

fn a_worker_that_is_killed_is_no_verdict_on_a_model() {
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

fn a_library_of_unknown_version_is_tried_first() {
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let found = runtime::Runtime::find(None).expect("there is one");
    let library = folder.path().join(found.library.file_name().unwrap());
    fs::copy(&found.library, &library).unwrap();
    let temporary = crate::folder();
    let run = |library| {
        let mut command = command(&["run", &model, "--runtime", text(library)]);
        command.env("TMPDIR", temporary.path()).output().unwrap()
    };
    assert!(run(&library).status.success());
    // Not every library is one.
    let failed = run(&std::env::current_exe().unwrap());
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    let error = String::from_utf8(failed.stderr).unwrap();
    assert!(error.contains("fails a test of its C API: the runtime cannot be used"), "{error}");
}

pub(crate) fn the_model_that_a_library_is_tried_with_is_what_its_text_says() {
    let folder = folder();
    let source = root().join("crates/tfq-runtime/src");
    let out = folder.path().join("probe.tflite");
    succeeds(&[text(&source.join("probe.tfg")), "--passes=", "-o", text(&out)]);
    assert_eq!(fs::read(out).unwrap(), fs::read(source.join("probe.tflite")).unwrap());
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

fn a_crash_of_the_runtime_is_an_error_like_others() {
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

fn a_model_that_never_ends_is_given_up() {
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
    let only = ["--kernels=optimized", "--timeout=0.5", "--samples=1"];
    let compare = |a: &str, b: &str| fails(&[&["compare", a, b][..], &only].concat());
    assert_eq!(compare(&ends, &endless), of("on the optimized kernels: ", &endless));
    assert_eq!(compare(&endless, &ends), of("there is nothing to compare with: ", &endless));
    let out = folder.path().join("out.tflite");
    let verify = [&endless, "--verify-run", "--timeout=0.5", "-q", "-o", text(&out)];
    let said = of("there is nothing to compare with: ", &endless);
    assert_eq!(fails(&verify), said.replace("does not end: ", "does not end: sample 0: "));
    assert!(!out.exists());
    succeeds(&["compare", &ends, &ends, "--timeout=0"]);
}
