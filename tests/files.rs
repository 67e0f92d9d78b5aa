//! Files that the command line writes: whole or not at all, looked at before the work begins,
//! and nothing beside them, whatever ends the process.

#![cfg(unix)]

mod common;

use common::{CLOSED_PIPE, closed, fifo, model, root, tool, while_mapped};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const FC: &str = "tests/models/ops/fc_bias.tflite";
const DIGITS: &str = "tests/models/digits/digits_cnn.tflite";

fn command<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = tool();
    command.args(arguments).current_dir(root());
    command
}

fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    command(arguments).output().expect("the binary starts")
}

#[track_caller]
fn succeeds(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

/// The error that it ends with.
#[track_caller]
fn fails(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    stderr
}

fn inside(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).expect("it is a folder").flatten();
    let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room"))
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.path(name), bytes).expect("the folder can be written");
        self
    }

    fn names(&self) -> Vec<OsString> {
        inside(self.0.path())
    }
}

fn words<'a>(words: &[&'a str], paths: &[(&'a str, &'a Path)]) -> Vec<OsString> {
    let paths = paths.iter().flat_map(|(option, path)| [OsString::from(option), path.into()]);
    words.iter().map(OsString::from).chain(paths.filter(|word| !word.is_empty())).collect()
}

#[test]
fn the_input_is_replaced_with_force_only() {
    let sandbox = Sandbox::new().with("model.tflite", &model("ops/fc_bias"));
    let path = sandbox.path("model.tflite");
    let (hard, soft) = (sandbox.path("hard.tflite"), sandbox.path("soft.tflite"));
    fs::hard_link(&path, &hard).unwrap();
    std::os::unix::fs::symlink("model.tflite", &soft).unwrap();
    for output in [&path, &hard, &soft] {
        let error = fails(&run(&[path.as_os_str(), "-o".as_ref(), output.as_os_str()]), 2);
        assert!(error.contains("--force"), "{error}");
        let mut piped = command(&[OsStr::new("-"), "-o".as_ref(), output.as_os_str()]);
        piped.stdin(fs::File::open(&path).unwrap());
        let error = fails(&piped.output().unwrap(), 2);
        assert!(error.contains("is standard input too") && error.contains("--force"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), model("ops/fc_bias"));
    let skeleton = words(&["skeleton"], &[("", &path), ("-o", &soft)]);
    fails(&run(&skeleton), 2);
    let diff = words(&["diff", FC], &[("", &path), ("-o", &path)]);
    assert!(!fails(&run(&diff), 2).contains("--force"), "a diff is no new form of its input");

    succeeds(&run(&words(&["--force"], &[("", &path), ("-o", &path)])));
    assert_eq!(fs::read(&path).unwrap(), run(&[FC, "-o", "-"]).stdout);
    // What the other name holds was somebody else's.
    assert_eq!(fs::read(&hard).unwrap(), model("ops/fc_bias"));
    assert_eq!(sandbox.names(), ["hard.tflite", "model.tflite", "soft.tflite"]);
}

/// Only the result may take the place of the model, and only by that name.
#[test]
fn no_other_output_takes_the_place_of_an_input_whatever_is_forced() {
    let sandbox = Sandbox::new()
        .with("in.tflite", &model("ops/fc_bias"))
        .with("passes.txt", b"quantize-weights,insert-dequant")
        .with("edits.json", br#"{"tfq_edits": 1, "edits": []}"#)
        .with("edits.json.bin", &[b"TFGSIDE1".as_slice(), &[0; 8]].concat())
        .with("target.toml", b"name = 1");
    let [input, passes, edits, edits_side, target, out] =
        ["in.tflite", "passes.txt", "edits.json", "edits.json.bin", "target.toml", "out.tflite"]
            .map(|name| sandbox.path(name));
    succeeds(&run(&words(&["--passes="], &[("", &input), ("-o", &sandbox.path("in.tfg"))])));
    let [text, text_side] = ["in.tfg", "in.tfg.bin"].map(|name| sandbox.path(name));
    let before: Vec<Vec<u8>> =
        sandbox.names().iter().map(|name| fs::read(sandbox.path(name)).unwrap()).collect();
    let names = sandbox.names();
    let all = [&input, &passes, &edits, &edits_side, &target, &text, &text_side];

    let links = Sandbox::new();
    for (n, file) in all.iter().enumerate() {
        std::os::unix::fs::symlink(file, links.path(format!("soft{n}"))).unwrap();
        fs::hard_link(file, links.path(format!("hard{n}"))).unwrap();
    }
    for (n, file) in all.iter().enumerate() {
        for name in
            [file.to_path_buf(), links.path(format!("soft{n}")), links.path(format!("hard{n}"))]
        {
            let force = ["--force", "-q"];
            let by_options = [("--pipeline", &*passes), ("--target", &target)];
            let of_binary = [&[("", &*input)], &by_options[..]].concat();
            let of_text = [&[("", &*text)], &by_options[..]].concat();
            let replay = [("", &*input), ("", &edits), ("--target", &target)];
            let calls: &[Vec<OsString>] = match n {
                0 | 1 | 4 => &[
                    words(&force, &[&of_binary[..], &[("-o", &out), ("--edits", &name)]].concat()),
                    words(&force, &[&of_binary[..], &[("-o", &out), ("--trace", &name)]].concat()),
                    words(&force, &[&of_binary[..], &[("--reproducer", &name)]].concat()),
                ],
                2 | 3 => {
                    &[words(&["replay", "--force"], &[&replay[..], &[("-o", &*name)]].concat())]
                }
                _ => &[
                    words(&force, &[&of_text[..], &[("-o", &out), ("--edits", &name)]].concat()),
                    words(&force, &[&of_text[..], &[("--trace", &name)]].concat()),
                ],
            };
            for call in calls {
                let error = fails(&run(call), 2);
                assert!(error.contains("the input"), "{call:?}: {error}");
                assert!(!error.contains("--force"), "{call:?}: {error}");
            }
            if matches!(n, 1 | 4) {
                let call = words(&force, &[&of_binary[..], &[("-o", &*name)]].concat());
                assert!(fails(&run(&call), 2).contains("the input"), "{call:?}");
            }
        }
    }
    // The side file of one text is not that of another.
    let other = words(&["--force"], &[("", &text), ("-o", &text_side)]);
    assert!(fails(&run(&other), 2).contains("the input"));
    let edits_of = words(&["--force"], &[("", &input), ("--edits", &sandbox.path("in"))]);
    std::os::unix::fs::symlink(&input, sandbox.path("in.bin")).unwrap();
    assert!(fails(&run(&edits_of), 2).contains("the input"));
    fs::remove_file(sandbox.path("in.bin")).unwrap();
    // A descriptor is written to in place.
    let script = "exec 3<>\"$1\"; exec \"$0\" \"$1\" --force -o /dev/fd/3";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tfq-opt")]).arg(&input);
    fails(&shell.output().unwrap(), 2);
    let mut appends = command(&words(&["-o", "-"], &[("", &input)]));
    let appends = appends.stdout(fs::File::options().append(true).open(&input).unwrap());
    assert!(fails(&appends.output().unwrap(), 2).contains("standard output is the input"));

    let after: Vec<Vec<u8>> =
        sandbox.names().iter().map(|name| fs::read(sandbox.path(name)).unwrap()).collect();
    assert_eq!((sandbox.names(), after), (names, before));
    // A text and its side file may be written anew together.
    succeeds(&run(&words(&["--force"], &[("", &text), ("-o", &text)])));
}

/// What lies in another file is a part of the model, though only the runtime reads it.
#[test]
fn no_output_takes_the_place_of_constants_in_another_file() {
    let sandbox = Sandbox::new()
        .with("m.tflite", &model("odd/external_buffer"))
        .with("weights.bin", b"weights")
        .with("e.json", br#"{"tfq_edits": 1, "edits": []}"#);
    let [input, weights, name, edits, out, text] =
        ["m.tflite", "weights.bin", "weights", "e.json", "o.tflite", "m.tfg"]
            .map(|name| sandbox.path(name));
    succeeds(&run(&words(&["--passes=", "--level=quant"], &[("", &input), ("-o", &text)])));
    let linked = Sandbox::new();
    let [link, to_weights] = ["link.tflite", "to"].map(|name| linked.path(name));
    std::os::unix::fs::symlink(&input, &link).unwrap();
    std::os::unix::fs::symlink(&weights, &to_weights).unwrap();
    let names = sandbox.names();
    let check = format!("touch {}; false {{}}", linked.path("worked").display());
    let calls = [
        words(&["--force"], &[("", &input), ("-o", &weights)]),
        words(&["--force"], &[("", &input), ("-o", &to_weights)]),
        words(&["--force"], &[("", &link), ("-o", &weights)]),
        words(&["--force"], &[("", &text), ("-o", &weights)]),
        words(&[], &[("", &input), ("-o", &out), ("--edits", &name)]),
        words(&[], &[("", &input), ("-o", &out), ("--trace", &weights)]),
        words(&["--emit=text"], &[("", &input), ("-o", &name)]),
        words(&["replay", "--force"], &[("", &input), ("", &edits), ("-o", &weights)]),
        words(&["skeleton", "--force"], &[("", &input), ("-o", &weights)]),
        words(&["diff", FC], &[("", &input), ("-o", &weights)]),
        words(&["diff"], &[("", &input), ("", Path::new(FC)), ("-o", &weights)]),
        words(&["reduce", "--force", "--check", &check], &[("", &input), ("-o", &weights)]),
        words(&["bisect", "--force", "--check", &check], &[("", &input), ("-o", &weights)]),
    ];
    for call in &calls {
        let error = fails(&run(call), 2);
        assert!(error.contains("constants of the model lie there"), "{call:?}: {error}");
        assert_eq!(fs::read(&weights).unwrap(), b"weights", "{call:?}");
        assert_eq!(sandbox.names(), names, "{call:?}");
    }
    assert!(!linked.path("worked").exists());
}

#[test]
fn constants_in_another_file_have_to_go_along() {
    let sandbox = Sandbox::new().with("m.tflite", &model("odd/external_buffer"));
    fs::create_dir(sandbox.path("other")).unwrap();
    let input = sandbox.path("m.tflite");
    let told = |output: &Path| {
        let output = run(&words(&["--passes="], &[("", &input), ("-o", output)]));
        succeeds(&output);
        String::from_utf8(output.stderr).unwrap()
    };
    let line = "  needs its constants beside it: \"weights.bin\"\n";
    assert!(told(&sandbox.path("other/o.tflite")).contains(line));
    assert!(!told(&sandbox.path("o.tflite")).contains("beside it"));
    let inspected = run(&words(&["inspect"], &[("", &input)]));
    let text = String::from_utf8(inspected.stdout).unwrap();
    let lines = "\nconstants in other files\n  \"weights.bin\"  1 constant, ";
    assert!(text.contains(lines), "{text}");
}

/// What is written under names of the tool's own.
#[test]
fn files_in_folders_take_the_place_of_no_input() {
    let sandbox = Sandbox::new();
    let text = sandbox.path("fc.tfg");
    succeeds(&run(&words(&["skeleton", FC], &[("-o", &text)])));
    let before = fs::read(&text).unwrap();
    let golden =
        words(&["golden", "add", "--skeleton"], &[("", &text), ("--dir", sandbox.0.path())]);
    assert!(fails(&run(&golden), 2).contains("fc.tfg is the input too"));

    let dump = sandbox.path("001-quantize-weights-after.tfg");
    fs::rename(&text, &dump).unwrap();
    let passes = ["--print-ir-after=quantize-weights"];
    let print = words(&passes, &[("", &dump), ("--print-ir-dir", sandbox.0.path())]);
    assert!(fails(&run(&print), 2).contains("after.tfg is the input too"));

    let reproducer = sandbox.path("tfq-opt-reproducer.tfg");
    fs::rename(&dump, &reproducer).unwrap();
    let mut fail = command(&["tfq-opt-reproducer.tfg", "--passes=trigger-failure{kind=panic}"]);
    let error = fails(&fail.current_dir(sandbox.0.path()).output().unwrap(), 1);
    assert!(error.contains("no reproducer is written: "), "{error}");
    assert_eq!(fs::read(&reproducer).unwrap(), before);
    assert_eq!(sandbox.names(), ["tfq-opt-reproducer.tfg"]);
}

/// The folder of dumps gets files under names of the tool's own.
#[test]
fn no_output_bears_the_name_of_a_dump() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("pd");
    fs::create_dir(&dir).unwrap();
    let call = |option: &str, name: &str, rest: &[&str]| {
        let dump = dir.join(name);
        let paths = [("--print-ir-dir", &*dir), (option, &dump)];
        run(&words(&[&[FC, "--print-ir-after-all"], rest].concat(), &paths))
    };
    for (option, name, rest) in [
        ("-o", "001-fold-constants-after.tfg", &["--emit=tflite"][..]),
        ("-o", "001-fold-constants-after.tfg", &[]),
        ("--edits", "002-remove-identities-after.tfg", &[]),
        ("--trace", "1000-x-diff.diff", &[]),
        ("--reproducer", "001-x-failure.tfg", &[]),
    ] {
        let error = fails(&call(option, name, rest), 2);
        assert!(error.contains(&format!("{name} has the name of a model that --print-ir-dir")));
        assert!(inside(&dir).is_empty(), "{name}");
    }
    succeeds(&call("-o", "01-after.tfg", &["-q"]));
    assert!(inside(&dir).len() > 5);
}

#[test]
fn two_outputs_are_two_files() {
    let sandbox = Sandbox::new();
    let out = sandbox.path("out");
    let error = fails(&run(&words(&[FC], &[("-o", &out), ("--trace", &out)])), 2);
    assert!(error.contains("written twice"), "{error}");
    assert!(sandbox.names().is_empty());
    // A link to what is not there yet leads to the same file.
    let [link, chain] = ["link", "chain"].map(|name| sandbox.path(name));
    std::os::unix::fs::symlink("out", &link).unwrap();
    std::os::unix::fs::symlink("link", &chain).unwrap();
    for (one, other) in [(&link, &out), (&out, &chain), (&link, &chain)] {
        let call = words(&[FC], &[("-o", one), ("--edits", other)]);
        assert!(fails(&run(&call), 2).contains("written twice"), "{call:?}");
    }
    // So does the side file of another output.
    std::os::unix::fs::symlink("out", sandbox.path("edits.bin")).unwrap();
    let call = words(&[FC], &[("-o", &out), ("--edits", &sandbox.path("edits"))]);
    assert!(fails(&run(&call), 2).contains("written twice"), "{call:?}");
    assert_eq!(sandbox.names(), ["chain", "edits.bin", "link"]);
}

/// What replaces a file would take away what goes into it as a stream, whichever comes first.
#[test]
fn a_stream_into_a_file_that_is_replaced_is_written_twice() {
    let sandbox = Sandbox::new().with("out", b"old");
    let out = sandbox.path("out");
    let outputs = [
        ("-o \"$2\" --trace -", "written twice"),
        ("--trace \"$2\" -o -", "written twice"),
        ("-o \"$2\" --trace /dev/fd/3", "written twice"),
        ("-o \"$2\" --edits /dev/stdout", "written twice"),
        ("-o \"$2\" --json", "the model and --json would both go to"),
    ];
    for (outputs, message) in outputs {
        let script = format!("exec >>\"$2\" 3>>\"$2\"; \"$0\" \"$1\" {outputs}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_tfq-opt"), FC]).arg(&out);
        let error = fails(&shell.current_dir(root()).output().unwrap(), 2);
        assert!(error.contains(message), "{outputs}: {error}");
        assert_eq!(fs::read(&out).unwrap(), b"old", "{outputs}");
    }
    // Two streams follow each other.
    let both = run(&[FC, "-q", "-o", "-", "--trace", "-"]);
    succeeds(&both);
    assert!(both.stdout.starts_with(&run(&[FC, "-o", "-"]).stdout));
}

#[test]
fn an_input_that_is_not_there_is_no_output_too() {
    let sandbox = Sandbox::new();
    let none = sandbox.path("none.tflite");
    for call in [
        words(&[], &[("", &none), ("-o", &none)]),
        words(&[], &[("", &none), ("--trace", &none)]),
        words(&["replay"], &[("", &none), ("", &none), ("-o", &none)]),
        words(&["diff", FC], &[("", &none), ("-o", &none)]),
    ] {
        let error = fails(&run(&call), 1);
        assert!(error.starts_with("error: cannot read "), "{call:?}: {error}");
    }
    assert!(sandbox.names().is_empty());
}

/// What is in a pipe cannot be taken back.
#[test]
fn nothing_goes_into_a_stream_before_all_files_are_there() {
    let sandbox = Sandbox::new();
    for output in ["-o -", "-o /dev/stdout", "--emit=text"] {
        let script = format!("ulimit -f 0; exec \"$0\" \"$1\" {output} --trace \"$2\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_tfq-opt"), FC]);
        let output = shell.arg(sandbox.path("trace")).current_dir(root()).output().unwrap();
        let error = fails(&output, 1);
        assert!(error.contains("trace: File too large"), "{error}");
        assert!(output.stdout.is_empty());
    }
    assert!(sandbox.names().is_empty());
}

#[test]
fn where_one_output_fails_none_is_left() {
    let sandbox = Sandbox::new().with("old.json", b"old").with("old.json.bin", b"old side");
    let [new, old, out, text] =
        ["new.json", "old.json", "out.tflite", "out.tfg"].map(|name| sandbox.path(name));
    let full = Path::new("/dev/full");
    let calls = [
        words(&[FC], &[("-o", full), ("--edits", &new)]),
        words(&[FC], &[("-o", full), ("--edits", &old), ("--trace", &new)]),
        words(&[FC], &[("-o", &out), ("--edits", &old), ("--trace", full)]),
        words(&[FC], &[("-o", &text), ("--edits", &new), ("--trace", full)]),
        words(&[FC, "--passes="], &[("-o", &text), ("--edits", full)]),
        words(&["--emit=text", FC], &[("-o", full), ("--edits", &new)]),
    ];
    for call in &calls {
        let error = fails(&run(call), 1);
        assert!(error.starts_with("error: cannot write /dev/full: No space"), "{call:?}: {error}");
        assert_eq!(sandbox.names(), ["old.json", "old.json.bin"], "{call:?}");
    }
    let mut closed = command(&words(&[FC, "-o", "-"], &[("--edits", &new)]));
    let output = closed.stdout(fs::File::create("/dev/full").unwrap()).output().unwrap();
    fails(&output, 1);
    assert_eq!(fs::read(&old).unwrap(), b"old");
    assert_eq!(sandbox.names(), ["old.json", "old.json.bin"]);
}

/// What lies beside edits is of the same run, as it is beside a text.
#[test]
fn edits_never_lie_beside_the_bytes_of_another_run() {
    let sandbox = Sandbox::new();
    let edits = sandbox.path("e.json");
    succeeds(&run(&words(&[FC], &[("--edits", &edits)])));
    let side = fs::read(sandbox.path("e.json.bin")).unwrap();
    assert!(side.len() > 1000);
    succeeds(&run(&words(&[FC, "--passes="], &[("--edits", &edits)])));
    let empty = fs::read(sandbox.path("e.json.bin")).unwrap();
    assert_eq!(empty, [b"TFGSIDE1".as_slice(), &[0; 8]].concat());
    succeeds(&run(&words(&["replay", FC], &[("", &edits)])));
}

/// Without bytes for it a side file is written only so that those of an earlier run go.
#[test]
fn what_is_no_side_file_is_left_alone_where_there_are_no_bytes() {
    const SMALL: &str = "tests/models/odd/identity.tflite";
    let sandbox = Sandbox::new().with("weights.bin", b"mine").with("a.tfg.bin", b"mine");
    let [edits, text] = ["weights", "a.tfg"].map(|name| sandbox.path(name));
    let both = [("--edits", &*edits), ("-o", &text)];
    let output = run(&words(&[SMALL, "--passes="], &both));
    succeeds(&output);
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(told.contains("weights") && !told.contains("constants to"), "{told}");
    for name in ["weights.bin", "a.tfg.bin"] {
        assert_eq!(fs::read(sandbox.path(name)).unwrap(), b"mine");
    }
    // Whoever reads them does not take it for theirs.
    succeeds(&run(&words(&["replay", SMALL], &[("", &edits)])));
    succeeds(&run(&words(&["--passes="], &[("", &text)])));
    // Where there are bytes it is an output like any other.
    succeeds(&run(&words(&[FC], &[("--edits", &edits)])));
    assert!(fs::read(sandbox.path("weights.bin")).unwrap().starts_with(b"TFGSIDE1"));
    fs::write(sandbox.path("weights.bin"), "mine").unwrap();
    let error = fails(&run(&words(&["replay", FC], &[("", &edits)])), 1);
    assert!(error.contains("no side file: ") && error.contains("weights.bin"), "{error}");
}

/// Devices have no end.
#[test]
fn what_never_ends_is_no_input() {
    let zero = Path::new("/dev/zero");
    let sandbox = Sandbox::new();
    let text = sandbox.path("in.tfg");
    succeeds(&run(&words(&[FC, "--passes="], &[("-o", &text)])));
    let calls = [
        words(&["replay", FC], &[("", zero)]),
        words(&["replay"], &[("", zero), ("", zero)]),
        words(&["--passes="], &[("", zero)]),
        words(&["inspect"], &[("", zero)]),
        words(&["print"], &[("", zero)]),
        words(&["diff", FC], &[("", zero)]),
        words(&["--passes="], &[("", &text), ("--side-file", zero)]),
        words(&["--dry-run"], &[("--run-reproducer", zero)]),
    ];
    for call in &calls {
        fails(&run(call), 1);
    }
    for option in ["--pipeline", "--target"] {
        let call = words(&[FC], &[(option, zero)]);
        let error = fails(&run(&call), 1);
        assert!(error.contains("it has more than 16777216 bytes"), "{error}");
    }
    let mut replay = command(&["replay", FC, "-"]);
    let error = fails(&replay.stdin(fs::File::open(zero).unwrap()).output().unwrap(), 1);
    assert!(error.contains("cannot read -: it has more than 268440456 bytes"), "{error}");
}

#[test]
fn edits_without_their_bytes_say_which_file_is_missing() {
    let sandbox = Sandbox::new();
    let edits = sandbox.path("e.json");
    succeeds(&run(&words(&[FC], &[("--edits", &edits)])));
    let json = fs::File::open(&edits).unwrap();
    let error = fails(&command(&["replay", FC, "-"]).stdin(json).output().unwrap(), 1);
    assert!(error.contains("standard input, which has no side file"), "{error}");
    fs::remove_file(sandbox.path("e.json.bin")).unwrap();
    let error = fails(&run(&words(&["replay", FC], &[("", &edits)])), 1);
    assert!(error.contains("not there: ") && error.contains("e.json.bin is written"), "{error}");
}

/// Whatever is wrong with the side file, the one of the same run is what helps.
#[test]
fn a_side_file_that_is_not_that_of_the_edits_is_to_be_copied_anew() {
    let sandbox = Sandbox::new();
    let [edits, other] = ["e.json", "other.json"].map(|name| sandbox.path(name));
    succeeds(&run(&words(&[FC], &[("--edits", &edits)])));
    succeeds(&run(&words(&[DIGITS], &[("--edits", &other)])));
    let [side, swapped] = ["e.json.bin", "other.json.bin"].map(|name| sandbox.path(name));
    let (own, swapped) = (fs::read(&side).unwrap(), fs::read(&swapped).unwrap());
    let damaged = own.iter().enumerate().map(|(n, byte)| byte ^ u8::from(n == own.len() - 1));
    let damaged: Vec<u8> = damaged.collect();
    let empty = [b"TFGSIDE1".as_slice(), &[0; 8]].concat();
    for bytes in [&own[..own.len() / 2], &swapped, &empty, &damaged] {
        fs::write(&side, bytes).unwrap();
        let error = fails(&run(&words(&["replay", FC], &[("", &edits)])), 1);
        assert!(error.contains("the side file"), "{error}");
        assert!(error.contains("help: copy the file here that the run wrote beside "), "{error}");
    }
}

#[test]
fn edits_of_another_target_are_to_be_made_anew() {
    let sandbox = Sandbox::new();
    let edits = sandbox.path("e.json");
    succeeds(&run(&words(&[DIGITS], &[("--edits", &edits)])));
    for target in ["tflite-2.3", "gpu", "tflm"] {
        let target = format!("--target={target}");
        let error = fails(&run(&words(&["replay", DIGITS, &target], &[("", &edits)])), 1);
        assert!(error.contains("of the model before them, with ") && error.contains(&target));
    }
}

#[test]
fn edits_are_read_with_a_mark_and_told_from_models() {
    let json = "\u{feff}{\"tfq_edits\": 1, \"edits\": []}";
    let sandbox = Sandbox::new().with("e.json", json.as_bytes());
    let edits = sandbox.path("e.json");
    succeeds(&run(&words(&["replay", FC], &[("", &edits)])));
    let error = fails(&run(&words(&["replay"], &[("", &edits), ("", Path::new(FC))])), 1);
    assert!(error.contains("the order is MODEL EDITS"), "{error}");
    for (model, edits) in [("-", "-"), ("/dev/stdin", "/dev/stdin"), ("/dev/stdin", "-")] {
        let mut call = command(&["replay", model, edits]);
        let error =
            fails(&call.stdin(fs::File::open(root().join(FC)).unwrap()).output().unwrap(), 2);
        assert!(error.contains("are both standard input"), "{error}");
    }
}

/// Each output in a folder that is not there, in the place of a folder, and where nothing can
/// be written, with work that would leave a trace.
#[test]
fn outputs_are_looked_at_before_the_work() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("folder")).unwrap();
    let marker = sandbox.path("worked");
    let check = format!("touch {}; false {{}}", marker.display());
    let written = sandbox.path("small.tflite");
    let bad = [sandbox.path("none/out"), sandbox.path("folder"), "/proc/out".into()];
    for bad in &bad {
        let calls = [
            words(&[FC], &[("-o", bad)]),
            words(&[FC], &[("-o", &written), ("--trace", bad)]),
            words(&[FC], &[("-o", &written), ("--reproducer", bad)]),
            words(&["skeleton", FC], &[("-o", bad)]),
            words(&["diff", FC, DIGITS], &[("-o", bad)]),
            words(&["reduce", FC, "--check", &check], &[("-o", bad)]),
            words(&["bisect", FC, "--check", &check], &[("-o", bad)]),
        ];
        for call in &calls {
            let error = fails(&run(call), 1);
            assert!(error.starts_with("error: cannot write "), "{call:?}: {error}");
        }
    }
    let in_file = sandbox.path("file/folder");
    fs::write(sandbox.path("file"), "").unwrap();
    for folder in [Path::new("/proc/out"), &in_file] {
        fails(&run(&words(&[FC], &[("-o", &written), ("--print-ir-dir", folder)])), 1);
        fails(&run(&words(&["golden", "add", FC], &[("--dir", folder)])), 1);
        fails(&run(&words(&["run", FC], &[("-o", folder)])), 1);
    }
    assert_eq!(sandbox.names(), ["file", "folder"]);
}

#[test]
fn descriptors_and_devices_are_written_to() {
    let sandbox = Sandbox::new();
    let small = run(&[FC, "-o", "-"]).stdout;
    // What a shell wrote before and writes afterwards stays.
    let script = "exec 3>>\"$2\"; printf head >&3; \"$0\" \"$1\" -q -o /dev/fd/3; printf tail >&3";
    let program = env!("CARGO_BIN_EXE_tfq-opt");
    let out = sandbox.path("out");
    let mut shell = Command::new("sh");
    shell.args(["-c", script, program, FC]).arg(&out).current_dir(root());
    succeeds(&shell.output().unwrap());
    assert_eq!(fs::read(&out).unwrap(), [b"head", &small[..], b"tail"].concat());

    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        fs::write(&out, "head").unwrap();
        let file = fs::File::options().append(true).open(&out).unwrap();
        succeeds(&command(&[FC, "-o", name]).stdout(file).output().unwrap());
        assert_eq!(fs::read(&out).unwrap(), [b"head", &small[..]].concat(), "{name}");
        fails(&run(&[FC, "--json", "-o", name]), 2);
        // As on standard output, a text has no side file.
        let text = run(&[FC, "--emit=text", "-o", name]);
        succeeds(&text);
        assert_eq!(text.stdout, run(&[FC, "--emit=text", "-o", "-"]).stdout, "{name}");
    }
    assert_eq!(sandbox.names(), ["out"]);
    let error = fails(&run(&[FC, "-o", "/dev/fd/99"]), 1);
    assert!(error.contains("Bad file descriptor"), "{error}");
    fails(&run(&[FC, "-o", "/dev/full"]), 1);
    fails(
        &command(&["passes"]).stdout(fs::File::create("/dev/full").unwrap()).output().unwrap(),
        1,
    );
}

#[test]
fn a_file_beyond_the_limit_is_an_error_that_leaves_the_old_ones() {
    let sandbox = Sandbox::new().with("out.tfg", b"old").with("out.tfg.bin", b"old side");
    let script = "ulimit -f 4; exec \"$0\" \"$1\" --passes= -o \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tfq-opt"), DIGITS]);
    shell.arg(sandbox.path("out.tfg")).current_dir(root());
    let error = fails(&shell.output().unwrap(), 1);
    assert!(error.contains("File too large"), "{error}");
    assert_eq!(sandbox.names(), ["out.tfg", "out.tfg.bin"]);
    assert_eq!(fs::read(sandbox.path("out.tfg")).unwrap(), b"old");
    assert_eq!(fs::read(sandbox.path("out.tfg.bin")).unwrap(), b"old side");
}

/// `reduce` keeps the model that it checks in a folder for temporary files.
#[test]
#[cfg(target_os = "linux")]
fn a_signal_leaves_no_temporary_files() {
    use std::os::unix::process::ExitStatusExt;
    for (name, number) in [("HUP", 1), ("INT", 2), ("TERM", 15)] {
        let (temporary, started) = (Sandbox::new(), Sandbox::new());
        let marker = started.path("marker");
        let check = format!("touch {}; sleep 2; false {{}}", marker.display());
        // What a job in the background or `nohup` runs ignores a signal, and the tool leaves it so.
        let mut reduce = Command::new("env");
        reduce.arg(format!("--default-signal={name}")).arg(tool().get_program());
        reduce.args(["reduce", FC, "--check", &check]).current_dir(root());
        reduce.env("TMPDIR", temporary.0.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = reduce.spawn().expect("the binary starts");
        while !marker.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before the check began");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(temporary.names().len(), 1);
        let kill =
            Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert!(temporary.names().is_empty(), "{name}: {:?}", temporary.names());
    }
}

#[test]
fn what_nohup_ignores_stays_ignored() {
    let sandbox = Sandbox::new();
    let (marker, done) = (sandbox.path("marker"), sandbox.path("done"));
    let check = format!("touch {}; sleep 1; false {{}}", marker.display());
    let script = "trap '' HUP; exec \"$0\" reduce \"$1\" --check \"$2\" --max-checks 1 -o \"$3\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tfq-opt"), FC, &check]).arg(&done);
    let mut child = shell.current_dir(root()).stderr(Stdio::null()).spawn().unwrap();
    while !marker.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    child.wait().unwrap();
    assert!(done.exists(), "the hang-up ended it");
}

#[test]
fn names_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let [input, output, text, folder] =
        [&b"in\xff.tflite"[..], b"out\xff.tflite", b"text\xff.tfg", b"gold\xff"]
            .map(|name| sandbox.path(OsStr::from_bytes(name)));
    fs::write(&input, model("ops/fc_bias")).unwrap();
    let written = run(&words(&[], &[("", &input), ("-o", &output)]));
    succeeds(&written);
    assert!(String::from_utf8_lossy(&written.stderr).contains("out\\xff.tflite"));
    assert_eq!(fs::read(&output).unwrap(), run(&[FC, "-o", "-"]).stdout);
    succeeds(&run(&words(&["--passes="], &[("", &input), ("-o", &text)])));
    let same = run(&words(&["diff", "--exit-code"], &[("", &text), ("", &input)]));
    succeeds(&same);
    let calls = [
        words(&["--json"], &[("", &input)]),
        words(&["inspect", "--json"], &[("", &input)]),
        words(&["print"], &[("", &text)]),
        words(&["skeleton"], &[("", &input), ("-o", &sandbox.path("skeleton.tfg"))]),
        words(
            &["reduce", "--check", "false {}", "--max-checks=1"],
            &[("", &input), ("-o", &output)],
        ),
        words(&["golden", "add", "--skeleton", "--name=a"], &[("", &input), ("--dir", &folder)]),
    ];
    for call in calls {
        let output = run(&call);
        assert_eq!(output.status.code(), Some(0), "{call:?}: {output:?}");
    }
    // The index is a text.
    let add = words(&["golden", "add", "--name=b"], &[("", &input), ("--dir", &folder)]);
    assert!(fails(&run(&add), 1).contains("not UTF-8"));
    let none = run(&words(&["inspect"], &[("", &sandbox.path(OsStr::from_bytes(b"no\xff\x1b")))]));
    let error = fails(&none, 1);
    assert!(error.contains("no\\xff\\u{1b}: No such file"), "{error}");
}

/// Commands that `runtime/files.rs` tries.
const NEED_RUNTIME: [&str; 3] = ["run", "compare", "bench"];

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let sandbox = Sandbox::new().with("model.tflite", &model("ops/fc_bias"));
    let goldens = sandbox.path("goldens");
    let added = sandbox.path("added");
    succeeds(&run(&words(&["golden", "add", FC], &[("--dir", &goldens)])));
    let small = sandbox.path("small.tflite");
    succeeds(&run(&words(&[FC], &[("-o", &small)])));
    let trace = sandbox.path("trace.json");
    let dequantize = "! grep -q _dequantize {}";
    let shared = "tests/models/ops/shared_fc_and_add.tflite";
    let mut calls = vec![
        words(&["--help"], &[]),
        words(&["--version"], &[]),
        words(&["help", "golden"], &[]),
        words(&["passes"], &[]),
        words(&["passes", "--json"], &[]),
        words(&["passes", "--markdown"], &[]),
        words(&["passes", "--schema"], &[]),
        words(&["bisect", shared, "--check", dequantize], &[]),
        words(&["diff", FC], &[("", &small)]),
        words(&["diff", FC, "--exit-code", "--format=json"], &[("", &small)]),
        words(&["diff", FC, "--format=markdown"], &[("", &small)]),
        words(&["diff", FC, "--format=html"], &[("", &small)]),
        words(&["golden", "add", FC], &[("--dir", &added)]),
        words(&["golden", "check"], &[("--dir", &goldens)]),
        words(&["golden", "check", "--format=junit"], &[("--dir", &goldens)]),
        words(&["golden", "review"], &[("--dir", &goldens)]),
        words(&["golden", "prune"], &[("--dir", &goldens)]),
        words(&["inspect", FC], &[]),
        words(&["inspect", FC, "--json"], &[]),
        words(&["print", FC], &[]),
        words(&["print", "--textconv", FC], &[]),
        words(&["skeleton", FC], &[]),
        words(&["targets"], &[]),
        words(&["targets", "litert"], &[]),
        words(&["targets", "--json"], &[]),
        words(&["targets", "--markdown"], &[]),
        words(&["reduce", FC, "--check", "! grep -q weights {}"], &[]),
        words(&["man"], &[]),
        words(&["explain", "quantize-weights"], &[]),
        words(&["replay", FC, "tests/cli/files/description.edits.json", "-o", "-"], &[]),
        words(&[FC, "-o", "-"], &[]),
        words(&[FC, "-o", "/dev/stdout"], &[]),
        words(&[FC, "--emit=text"], &[]),
        words(&[FC, "--emit=json"], &[]),
        words(&[FC, "--json"], &[("-o", &sandbox.path("whole.tflite"))]),
        words(&[FC, "--json", "--timing"], &[("--trace", &trace)]),
        words(&[FC, "--print-pipeline"], &[]),
    ];
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        calls.push(words(&["completions", shell], &[]));
    }
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let listed = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let commands = listed.lines().filter(|line| !line.starts_with("   "));
    for line in commands {
        let name = line.split_whitespace().next().unwrap();
        let is_called = calls.iter().any(|call| call[0] == name);
        assert!(is_called || NEED_RUNTIME.contains(&name), "no call of `{name}` is tried");
    }
    for call in &calls {
        let output = command(call).stdout(closed()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(CLOSED_PIPE), "{call:?}: {stderr}");
        assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{call:?}: {stderr}");
    }
    // The model was written before anybody was told of it.
    assert_eq!(fs::read(sandbox.path("whole.tflite")).unwrap(), fs::read(&small).unwrap());
    for call in [
        words(&[FC], &[]),
        words(&[FC, "-vv"], &[]),
        words(&[FC, "--remarks"], &[]),
        words(&[FC, "--print-ir-after-all"], &[]),
    ] {
        let status = command(&call).stderr(closed()).stdout(closed()).status().unwrap();
        assert_eq!(status.code(), Some(CLOSED_PIPE), "{call:?}");
    }
}

/// Large enough that its constants are written from where they are mapped, and more than a pipe
/// takes.
const LARGE: &str = "ops/bidirectional_sequence_lstm";

fn in_sandbox(call: &[OsString], sandbox: &Sandbox) -> Command {
    let mut command = command(call);
    command.env("TMPDIR", sandbox.path("tmp"));
    command
}

/// Calls that read `model`, with what they would write.
fn calls_of(model: &Path, sandbox: &Sandbox) -> Vec<Vec<OsString>> {
    let out = |name: &str| sandbox.path(name);
    vec![
        words(&[], &[("", model), ("-o", &out("out.tflite"))]),
        words(&["--passes="], &[("", model), ("-o", &out("out.tflite"))]),
        words(&["--passes="], &[("", model), ("-o", &out("out.tfg"))]),
        words(&["--emit=dot"], &[("", model), ("-o", &out("out.dot"))]),
        words(&["--emit=json"], &[("", model)]),
        words(&["--json"], &[("", model), ("--trace", &out("trace.json"))]),
        words(&["inspect"], &[("", model)]),
        words(&["print"], &[("", model)]),
        words(&["print", "--textconv"], &[("", model)]),
        words(&["skeleton"], &[("", model), ("-o", &out("out.tfg"))]),
        words(&["diff"], &[("", model), ("", FC.as_ref()), ("-o", &out("out.html"))]),
        words(&["diff", "--exit-code"], &[("", model), ("", FC.as_ref())]),
        words(&["bisect", "--check=test ! -s {}"], &[("", model), ("-o", &out("out.tflite"))]),
        words(&["golden", "add"], &[("", model), ("--dir", &out("goldens"))]),
    ]
}

/// The one error that a call ends with, of which nothing is left.
#[track_caller]
fn left_with_an_error(call: &[OsString], output: &Output, sandbox: &Sandbox) -> String {
    let code = if call.contains(&"--exit-code".into()) { 2 } else { 1 };
    let error = fails(output, code);
    assert_eq!(error.matches("error").count(), 1, "{call:?}: {error}");
    assert_eq!(sandbox.names(), ["model.tflite", "tmp"], "{call:?}");
    assert!(inside(&sandbox.path("tmp")).is_empty(), "{call:?}");
    error
}

#[test]
fn a_file_that_is_cut_off_while_it_is_read_ends_with_an_error_that_says_so() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tmp")).unwrap();
    let path = sandbox.path("model.tflite");
    for call in calls_of(&path, &sandbox) {
        fs::write(&path, model(LARGE)).unwrap();
        let cut_off = || fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        let Some(output) = while_mapped(in_sandbox(&call, &sandbox), cut_off) else { return };
        let error = left_with_an_error(&call, &output, &sandbox);
        let told = "model.tflite became shorter while it was in use: of 69312 bytes 0 are left\n";
        assert!(error.contains(told) && error.contains("work on a copy"), "{call:?}: {error}");
        assert!(output.stdout.is_empty(), "{call:?}");
    }
}

/// What is read comes from the file of before or of now, perhaps from both.
#[test]
fn nothing_is_made_of_a_file_that_is_changed_while_it_is_read() {
    let sandbox = Sandbox::new().with("model.tflite", &model(LARGE));
    fs::create_dir(sandbox.path("tmp")).unwrap();
    let path = sandbox.path("model.tflite");
    for call in calls_of(&path, &sandbox) {
        let change = || {
            let file = fs::File::options().write(true).open(&path).unwrap();
            let time = file.metadata().unwrap().modified().unwrap();
            file.set_modified(time + std::time::Duration::from_secs(1)).unwrap();
        };
        let Some(output) = while_mapped(in_sandbox(&call, &sandbox), change) else { return };
        let error = left_with_an_error(&call, &output, &sandbox);
        assert!(error.contains("model.tflite was changed while it was in use"), "{error}");
    }
}

/// The check cuts the model off, of which workers of the pool read afterwards.
#[test]
fn every_thread_may_be_the_one_that_reads_what_was_cut_off() {
    let sandbox = Sandbox::new().with("model.tflite", &model(LARGE));
    fs::create_dir(sandbox.path("tmp")).unwrap();
    let path = sandbox.path("model.tflite");
    let check = format!("head -c 8192 /dev/zero > {}; test -s {{}}", path.display());
    let call = words(&["bisect", "--check", &check], &[("", &path)]);
    let output = in_sandbox(&call, &sandbox).output().unwrap();
    let error = left_with_an_error(&call, &output, &sandbox);
    assert!(error.contains("of 69312 bytes 8192 are left"), "{error}");
}

/// The system refuses to write bytes that it does not have any more.
#[test]
fn a_file_that_is_cut_off_while_it_is_written_is_the_cause() {
    let sandbox = Sandbox::new().with("model.tflite", &model(LARGE));
    let (path, pipe) = (sandbox.path("model.tflite"), sandbox.path("pipe"));
    if !fifo(&pipe) {
        return; // No mkfifo here: nothing to show.
    }
    let call = words(&["--passes="], &[("", &path), ("-o", &pipe)]);
    let child = command(&call).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is opened for both at once.
    let mut reader = fs::File::open(&pipe).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    let error = fails(&child.wait_with_output().unwrap(), 1);
    assert!(error.contains("became shorter while it was in use"), "{error}");
}

/// The command that `reduce` is given gets all the time in the world, and the model may change.
#[test]
fn reduce_needs_its_model_only_in_the_beginning() {
    let sandbox = Sandbox::new().with("model.tflite", &model(LARGE));
    let (path, out) = (sandbox.path("model.tflite"), sandbox.path("out.tflite"));
    let check = format!(": > {}; false {{}}", path.display());
    let call =
        words(&["reduce", "--check", &check, "--max-checks=3"], &[("", &path), ("-o", &out)]);
    succeeds(&run(&call));
    succeeds(&run(&words(&["inspect"], &[("", &out)])));
}

#[cfg(target_os = "linux")]
#[test]
fn a_bus_error_that_somebody_sends_is_one() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = Sandbox::new();
    let mut reduce = command(&["reduce", FC, "--check=kill -BUS $PPID; sleep 9; false {}"]);
    let status = reduce.env("TMPDIR", sandbox.0.path()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), Some(7));
    assert!(sandbox.names().is_empty(), "{:?}", sandbox.names());
}

/// What Bash completes of these words, which Readline has parted.
fn completed(line: &[&str]) -> Option<Vec<String>> {
    let script = r#"
        source <(tfq-opt completions bash) || exit 1
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
        word="${!#}"; if [[ "$word" == "=" ]]; then word=; fi
        _tfq_opt tfq-opt "$word" ""
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let folder = Path::new(env!("CARGO_BIN_EXE_tfq-opt")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path)));
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", script, "bash", "tfq-opt"]).args(line);
    let output = bash.env("PATH", path.unwrap()).current_dir(root()).output().ok()?;
    succeeds(&output);
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_options_and_values() {
    if completed(&["ins"]).is_none() {
        return; // No Bash here: nothing to show.
    }
    let all = |line: &[&str]| completed(line).unwrap();
    let only = |line: &[&str], wanted: &str| assert_eq!(all(line), [wanted], "{line:?}");
    only(&["ins"], "inspect");
    only(&["golden", "rev"], "review");
    only(&["inspect", "--targ"], "--target");
    only(&["golden", "add", "--pref"], "--prefer");
    only(&["golden", "add", "--prefer", "=", "lat"], "latency");
    only(&["explain", "quantize-w"], "quantize-weights");
    only(&["--remarks", "=", "quantize-w"], "quantize-weights");
    only(&["targets", "litert-x"], "litert-xnnpack");
    only(&["--target", "litert-x"], "litert-xnnpack");
    only(&["reduce", "m.tflite", "--passes", "=", "default,insert-d"], "default,insert-dequant");
    only(&["diff", "a.tflite", "tests/models/ops/fc_bias.tf"], "tests/models/ops/fc_bias.tflite");
    only(&["completions", "zs"], "zsh");
    let targets = all(&["inspect", "m.tflite", "--target", "="]);
    for target in tfq_opt::target::Target::names() {
        assert!(targets.iter().any(|found| found == target), "{target} is not in {targets:?}");
    }
    let passes = all(&["explain", ""]);
    for info in tfq_opt::builtin().passes() {
        assert!(passes.contains(&info.name.to_string()), "{} is not in {passes:?}", info.name);
    }
}
