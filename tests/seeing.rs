//! Models as people see them: texts, diffs, what git shows.

mod common;

use common::{lifted, lowered, model, models, root};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tfq_opt::Optimizer;
use tfq_opt::describe::Scheme;
use tfq_opt::diff::{DiffOptions, diff};
use tfq_opt::ir::catalog::ops;
use tfq_opt::ir::text::{self, Level, ParseOptions};
use tfq_opt::ir::{InsertionPoint, Module, Op, OpKind, Patch, SubgraphId};

const MAIN: SubgraphId = SubgraphId(0);

fn parse(text: &str, options: &ParseOptions) -> Module {
    text::parse(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn with_side(side: Vec<u8>) -> ParseOptions {
    ParseOptions { side: Some(side.into()), ..ParseOptions::default() }
}

fn with_fills() -> ParseOptions {
    ParseOptions { fills: true, ..ParseOptions::default() }
}

#[test]
fn a_full_text_and_its_side_file_are_the_model() {
    for name in models() {
        let module = lifted(&model(&name));
        let (text, side) = text::print_with_side(&module);
        let back = parse(&text, &with_side(side));
        assert!(lowered(&back) == lowered(&module), "{name}");
        let diff = diff(&module, &back, &DiffOptions::default());
        assert!(diff.is_identical(), "{name}: {}", diff.headline());
    }
}

#[test]
fn a_text_read_back_prints_the_same() {
    // Of what is made up only the exact statistics are other ones.
    let without_statistics = |text: &str| {
        let cut = |line: &str| line.split(" {min = ").next().unwrap_or(line).to_owned();
        text.lines().map(cut).collect::<Vec<_>>()
    };
    for name in models() {
        let module = lifted(&model(&name));
        for level in [Level::Topology, Level::Types, Level::Quant] {
            let text = text::print(&module, level);
            assert_eq!(text::print(&parse(&text, &with_fills()), level), text, "{name}");
        }
        let text = text::print(&module, Level::Stats);
        let back = text::print(&parse(&text, &with_fills()), Level::Stats);
        assert_eq!(without_statistics(&back), without_statistics(&text), "{name}");
        let text = text::print(&module, Level::Hash);
        let side = with_side(text::print_with_side(&module).1);
        assert_eq!(text::print(&parse(&text, &side), Level::Hash), text, "{name}");
    }
}

#[test]
fn a_skeleton_goes_through_the_default_pipeline_like_its_model() {
    let optimizer = Optimizer::default();
    let run = |module: Module| optimizer.run(module).expect("the target runs the result").module;
    // Numbers may be other ones, scales among them.
    let without_numbers = |module: &Module| {
        let cut = |line: &str| line.split(" q(").next().unwrap_or(line).to_owned();
        text::print(module, Level::Quant).lines().map(cut).collect::<Vec<_>>()
    };
    for name in models() {
        let module = lifted(&model(&name));
        let skeleton = text::print_skeleton(&module);
        assert!(skeleton.len() < 16 << 10, "{name}: {} bytes", skeleton.len());
        let skeleton = run(parse(&skeleton, &ParseOptions::default()));
        let module = run(module);
        let topology = |module| text::print(module, Level::Topology);
        assert_eq!(topology(&skeleton), topology(&module), "{name}");
        assert_eq!(without_numbers(&skeleton), without_numbers(&module), "{name}");
    }
}

/// 500 ops in blocks with skips, each tensor with a name.
fn five_hundred() -> Module {
    let mut text =
        String::from("%x = input : f32[1,64]\n%w = const : f32[64,64] fill gaussian(seed = 1)\n");
    let (mut last, mut skip) = ("x".to_owned(), "x".to_owned());
    for n in 0..500 {
        let name = format!("block{}/step{}", n / 4, n % 4);
        _ = match n % 4 {
            0 => writeln!(text, "%{name} = FULLY_CONNECTED(%{last}, %w, _) : f32[1,64]"),
            1 => writeln!(text, "%{name} = TANH(%{last}) : f32[1,64]"),
            2 => writeln!(text, "%{name} = ABS(%{last}) : f32[1,64]"),
            _ => writeln!(text, "%{name} = ADD(%{last}, %{skip}) : f32[1,64]"),
        };
        if n % 4 == 3 {
            skip.clone_from(&name);
        }
        last = name;
    }
    _ = writeln!(text, "output %{last}");
    parse(&text, &ParseOptions::default())
}

/// Lines that a text diff shows as added or removed.
fn changed_lines(a: &str, b: &str) -> usize {
    let changes = similar::TextDiff::from_lines(a, b);
    changes.iter_all_changes().filter(|c| c.tag() != similar::ChangeTag::Equal).count()
}

#[test]
fn one_op_more_or_less_changes_few_lines() {
    let before = five_hundred();
    let graph = before.subgraph(MAIN);
    let op = graph.ops().nth(250).expect("there are 500");
    let (operand, result) = (graph.operand(op, 0).unwrap(), graph.results(op)[0]);

    let mut more = before.clone();
    let mut patch = Patch::new(MAIN, "one more");
    let mut tensor = graph.tensor(operand).clone();
    tensor.name = Some("more".into());
    let tensor = patch.add_tensor(tensor);
    let neg = Op::new(OpKind::Builtin(ops::NEG));
    patch.add_op(neg, InsertionPoint::Before(op), &[Some(operand.into())], &[tensor]);
    patch.set_operand(op, 0, tensor);
    more.apply(patch).expect("it is in order");

    let mut less = before.clone();
    let mut patch = Patch::new(MAIN, "one less");
    patch.replace_uses(graph, result, operand);
    patch.erase_op(op);
    patch.erase_tensor(result);
    less.apply(patch).expect("it is in order");

    for level in Level::ALL.into_iter().filter(|level| *level < Level::Full) {
        let text = text::print(&before, level);
        for (what, other) in [("more", &more), ("less", &less)] {
            let changed = changed_lines(&text, &text::print(other, level));
            assert!((2..=5).contains(&changed), "{level}, one {what}: {changed} lines");
        }
    }
}

#[test]
fn inspect_tells_how_a_model_computes() {
    let scheme = |module: &Module| {
        let target = &*tfq_opt::target::Target::named("litert").expect("it is shipped");
        let state = tfq_opt::describe::inspect(module, target).quantization;
        (state.scheme, [state.float_ops, state.hybrid_ops, state.integer_ops, state.conversions])
    };
    let float = lifted(&model("digits/digits_cnn"));
    assert_eq!(scheme(&float), (Scheme::Float, [7, 0, 0, 0]));
    let small = Optimizer::default().run(float.clone()).expect("it runs").module;
    assert_eq!(scheme(&small), (Scheme::DynamicRange, [5, 2, 0, 0]));
    let read = "quantize-weights{hybrid=off},insert-dequant,eliminate-dead-buffers";
    let read = Optimizer::parse(read).expect("it is a pipeline");
    let read = read.run(float.clone()).expect("it runs").module;
    assert_eq!(scheme(&read), (Scheme::WeightOnly, [7, 0, 0, 0]));
    let half = "quantize-weights{type=float16},insert-dequant";
    let half =
        Optimizer::parse(half).expect("it is a pipeline").run(float).expect("it runs").module;
    assert_eq!(scheme(&half).0, Scheme::Float16);
    let integer = "%x = input : f32[1,4]
        %q = QUANTIZE(%x) : i8[1,4] q(0.5)
        %w = const : i8[4,4] q(0.5) fill uniform(seed = 1, min = -127, max = 127)
        %y = FULLY_CONNECTED(%q, %w, _) : i8[1,4] q(0.5)
        %out = DEQUANTIZE(%y) : f32[1,4]";
    let parsed = |text: &str| parse(text, &ParseOptions::default());
    let whole = parsed(&format!("{integer} output %out"));
    assert_eq!(scheme(&whole), (Scheme::FullInteger, [0, 0, 1, 2]));
    let mixed = parsed(&format!("{integer} %tanh = TANH(%out) : f32[1,4] output %tanh"));
    assert_eq!(scheme(&mixed), (Scheme::Mixed, [1, 0, 1, 2]));
    let indices = parsed("%x = input : i32[4] %y = NEG(%x) : i32[4] output %y");
    assert_eq!(scheme(&indices), (Scheme::None, [0; 4]));
}

/// A model without constants.
const FLOOR: &str =
    "tfg 1 quant subgraph @main { %x = input : f32[4] %y = FLOOR(%x) : f32[4] output %y }";

fn tfq_opt(folder: &Path, arguments: &[&str]) -> Output {
    common::tool().args(arguments).current_dir(folder).output().expect("the binary starts")
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with a float model, and what the default pipeline makes of it.
fn folder_with_two() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    fs::copy(root().join("tests/models/digits/digits_cnn.tflite"), folder.path().join("a.tflite"))
        .expect("it is there");
    ends(&tfq_opt(folder.path(), &["a.tflite", "-o", "b.tflite", "-q"]), 0);
    folder
}

#[test]
fn a_model_goes_to_text_and_back_on_the_command_line() {
    let folder = folder_with_two();
    let at = |name: &str| folder.path().join(name);
    let written = tfq_opt(folder.path(), &["b.tflite", "--passes=", "-o", "b.tfg"]);
    let summary = String::from_utf8_lossy(&written.stderr);
    assert!(summary.contains("written to b.tfg, its constants to b.tfg.bin"), "{summary}");
    assert!(fs::read_to_string(at("b.tfg")).unwrap().starts_with("tfg 1 full\n"));
    assert!(at("b.tfg.bin").is_file());
    ends(&tfq_opt(folder.path(), &["b.tfg", "--passes=", "-o", "back.tflite", "-q"]), 0);
    assert!(fs::read(at("back.tflite")).unwrap() == fs::read(at("b.tflite")).unwrap());
    // Passes read texts too, and write them.
    ends(&tfq_opt(folder.path(), &["a.tflite", "--passes=", "-o", "a.tfg", "-q"]), 0);
    ends(&tfq_opt(folder.path(), &["a.tfg", "-o", "c.tfg", "-q"]), 0);
    ends(&tfq_opt(folder.path(), &["c.tfg", "--passes=", "-o", "c.tflite", "-q"]), 0);
    assert!(fs::read(at("c.tflite")).unwrap() == fs::read(at("b.tflite")).unwrap());
    let graph = ["b.tflite", "--passes=", "-o", "b.json", "-q"];
    ends(&tfq_opt(folder.path(), &graph), 0);
    assert!(fs::read_to_string(at("b.json")).unwrap().starts_with('{'));
    // Without large constants there is none, and one of an earlier run loses what it holds.
    fs::write(at("floor.tfg"), FLOOR).unwrap();
    let written = tfq_opt(folder.path(), &["floor.tfg", "--passes=", "-o", "d.tfg"]);
    let summary = String::from_utf8_lossy(&written.stderr);
    assert!(summary.ends_with("written to d.tfg\n") && !at("d.tfg.bin").exists(), "{summary}");
    let edits = tfq_opt(folder.path(), &["floor.tfg", "--passes=", "--edits=d.json"]);
    let summary = String::from_utf8_lossy(&edits.stderr);
    assert!(summary.ends_with("written to d.json\n") && !at("d.json.bin").exists(), "{summary}");
    ends(&tfq_opt(folder.path(), &["floor.tfg", "--passes=", "-o", "c.tfg", "-q"]), 0);
    assert_eq!(fs::read(at("c.tfg.bin")).unwrap().len(), 16);
    // A lower level has no side file.
    let level = ["b.tflite", "--passes=", "--level=quant", "-o", "quant.tfg", "-q"];
    ends(&tfq_opt(folder.path(), &level), 0);
    assert!(!at("quant.tfg.bin").exists());
    // Without a file the text goes to standard output, and the summary does not.
    let printed = ends(&tfq_opt(folder.path(), &["b.tflite", "--passes=", "--emit=text"]), 0);
    assert_eq!(printed, fs::read_to_string(at("quant.tfg")).unwrap());
    let dry = ["b.tflite", "--passes=", "--emit=text", "--dry-run"];
    assert_eq!(ends(&tfq_opt(folder.path(), &dry), 0), "");
}

#[cfg(unix)]
#[test]
fn bisect_leaves_its_reproducer_as_text() {
    let folder = folder_with_two();
    let check = "--check=test $(wc -c < {}) -gt 30000";
    ends(&tfq_opt(folder.path(), &["bisect", "a.tflite", check, "-o", "bad.tfg"]), 0);
    let bad = ends(&tfq_opt(folder.path(), &["print", "bad.tfg", "--level=topology"]), 0);
    assert!(bad.contains("= FULLY_CONNECTED(") && !bad.contains("SOFTMAX"), "{bad}");
}

#[test]
fn a_graph_is_written_for_other_tools() {
    let folder = folder_with_two();
    ends(&tfq_opt(folder.path(), &["a.tflite", "--passes=", "-o", "a.dot", "-q"]), 0);
    let dot = fs::read_to_string(folder.path().join("a.dot")).unwrap();
    assert!(dot.starts_with("digraph model {\n") && dot.ends_with("}\n}\n"), "{dot}");
    assert_eq!(dot.matches("[label=\"FULLY_CONNECTED\\n").count(), 2);
    let json = ends(&tfq_opt(folder.path(), &["a.tflite", "--passes=", "--emit=json", "-q"]), 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let graph = &json["subgraphs"][0];
    let conv = &graph["ops"][1];
    assert_eq!(conv["kind"], "CONV_2D");
    assert_eq!(conv["attributes"]["fused_activation_function"], "RELU");
    let weights = conv["operands"][1].as_str().unwrap();
    let tensors = graph["tensors"].as_array().unwrap();
    let weights = tensors.iter().find(|t| t["name"] == weights).unwrap();
    assert_eq!((&weights["type"], &weights["bytes"]), (&"FLOAT32".into(), &432.into()));
}

#[test]
fn a_diff_ends_with_a_status_and_writes_files() {
    let folder = folder_with_two();
    let diff = |more: &[&str]| tfq_opt(folder.path(), &[&["diff", "a.tflite"], more].concat());
    ends(&diff(&["b.tflite"]), 0);
    ends(&diff(&["b.tflite", "--exit-code"]), 1);
    assert_eq!(
        ends(&diff(&["a.tflite", "--exit-code"]), 0),
        "identical: the models are the same\n"
    );
    ends(&diff(&["missing.tflite"]), 1);
    ends(&diff(&["missing.tflite", "--exit-code"]), 2);
    let coloured = ends(&diff(&["b.tflite", "--color=always"]), 0);
    assert!(coloured.starts_with("\x1b[1mstructure: "), "{coloured}");
    ends(&diff(&["b.tflite", "-o", "diff.html"]), 0);
    let page = fs::read_to_string(folder.path().join("diff.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("<div class=\"row changed\"").count(), 4);
    let json = ends(&diff(&["b.tflite", "--format=json"]), 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["schema"], &json["class"]), (&1.into(), &"structure".into()));
}

#[track_caller]
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    // Nobody's own settings count.
    command.current_dir(folder).env("HOME", folder);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_PAGER", "cat");
    ends(&command.args(arguments).output().expect("git is installed"), 0)
}

/// A repository that is set up as `docs/seeing-models.md` says.
fn repository(folder: &Path) {
    let page = fs::read_to_string(root().join("docs/seeing-models.md")).unwrap();
    let documented = page.lines().find_map(|line| {
        line.strip_prefix("    git config diff.tflite.textconv \"tfq-opt ")?.strip_suffix('"')
    });
    git(folder, &["init", "-q"]);
    git(folder, &["config", "user.name", "Somebody"]);
    git(folder, &["config", "user.email", "somebody@example.org"]);
    let binary = env!("CARGO_BIN_EXE_tfq-opt");
    let textconv = format!("'{binary}' {}", documented.expect("the page says how"));
    git(folder, &["config", "diff.tflite.textconv", &textconv]);
    fs::write(folder.join(".gitattributes"), "*.tflite diff=tflite\n").unwrap();
}

#[test]
fn git_goes_on_behind_what_it_cannot_show() {
    let folder = folder_with_two();
    let git = |arguments: &[&str]| git(folder.path(), arguments);
    repository(folder.path());
    let whole = fs::read(folder.path().join("a.tflite")).unwrap();
    let pointer = |size: usize| {
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{size:064x}\nsize {size}\n")
    };
    let newer = fs::read(root().join("tests/models/odd/unknown_model_field.tflite")).unwrap();
    let commit = |bytes: &[u8]| {
        fs::write(folder.path().join("a.tflite"), bytes).unwrap();
        git(&["add", ".gitattributes", "a.tflite"]);
        git(&["commit", "-q", "-m", "another"]);
    };
    commit(pointer(123_456).as_bytes());
    commit(pointer(234_567).as_bytes());
    commit(&whole);
    commit(&whole[..whole.len() / 2]);
    commit(&newer);
    let log = git(&["log", "-p", "--unified=0", "--reverse"]);
    let said = |sign: &str, words: &str| {
        log.lines().filter(|line| line.starts_with(sign) && line.contains(words)).count()
    };
    assert_eq!(log.matches("another").count(), 5, "{log}");
    let lfs = "unreadable: a pointer of Git LFS, whose model was not fetched (bytes(";
    assert_eq!((said("+", lfs), said("-", lfs)), (2, 2), "{log}");
    assert_eq!((said("+", "unreadable: "), said("-", "unreadable: ")), (3, 3), "{log}");
    assert_eq!(said("+", "tfg 1 hash"), 2, "{log}");
}

#[test]
fn git_shows_what_changed_in_a_model() {
    let folder = folder_with_two();
    let git = |arguments: &[&str]| git(folder.path(), arguments);
    repository(folder.path());
    git(&["add", ".gitattributes", "a.tflite"]);
    git(&["commit", "-q", "-m", "a float model"]);
    fs::copy(folder.path().join("b.tflite"), folder.path().join("a.tflite")).unwrap();
    let diff = git(&["diff", "--unified=0"]);
    let changed = |sign: char, words: &str| {
        let lines = diff.lines().filter(|line| line.starts_with(sign));
        lines.filter(|line| line.contains(words)).count()
    };
    assert!(!diff.contains("Binary files"), "{diff}");
    assert_eq!(changed('-', "%sequential_1/hidden/MatMul = const : f32[24,384] #"), 1, "{diff}");
    assert_eq!(changed('+', "%sequential_1/hidden/MatMul = const : i8[24,384] q("), 1, "{diff}");
    assert_eq!(changed('+', "= FULLY_CONNECTED.v12("), 2, "{diff}");
    assert_eq!(changed('-', "RESHAPE"), 0, "{diff}");
}
