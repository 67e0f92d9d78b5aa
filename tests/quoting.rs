//! Whatever a file calls its parts, no output gives an order to a terminal, a log of a build
//! server, a browser or a reader of XML.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tfq_ir::{is_hidden, visible, visible_json, visible_path, visible_quoted};

/// A byte that is not part of UTF-8, orders to a terminal in both forms, text that runs backwards, line
/// ends, a workflow command, and what HTML, Markdown, XML and Graphviz would take for their own.
const NAME: &str = "\u{10fffe}a\u{1b}[31mb\u{9b}2J\u{7}\u{202e}c\u{e0041}\r\n::error file=x::boo\n<script>alert(1)</script>\"'`|&amp;]]>\\N";
/// The same in the text of a model.
const IN_TEXT: &str = r#""\xfea\u{1b}[31mb\u{9b}2J\u{7}\u{202e}c\u{e0041}\r\n::error file=x::boo\n<script>alert(1)</script>\"'`|&amp;]]>\\N""#;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let part = |n: usize| format!("{}{n}\"", IN_TEXT.strip_suffix('"').unwrap());
        let model = |weights: usize, third: &str| {
            format!(
                "description {0}\nmetadata {0} = b\"bytes\"\nsignature {0} @{0} {{\n  input {0} = %{1}\n  \
                 output {0} = %{2}\n}}\nsubgraph @{0} {{\n  %{1} = input : f32[1,64]\n  %{3} = const : \
                 f32[64,64] fill gaussian(seed = {weights})\n  %{4} = FULLY_CONNECTED(%{1}, %{3}, _) : \
                 f32[1,64]\n  %{5} = {third} : f32[1,64]\n  %{2} = RELU(%{5}) : f32[1,64]\n  output %{2}\n}}\n",
                IN_TEXT,
                part(1),
                part(2),
                part(3),
                part(4),
                part(5)
            )
        };
        let fourth = part(4);
        fs::write(files.path("a.tfg"), model(1, &format!("NEG(%{fourth})"))).unwrap();
        fs::write(files.path("b.tfg"), model(2, &format!("ABS(%{fourth})"))).unwrap();
        let custom = format!("custom {IN_TEXT}(%{fourth})");
        fs::write(files.path("custom.tfg"), model(1, &custom)).unwrap();
        // The message of an error names it, and shows the line.
        let wrong = model(1, &format!("NEG(%{fourth}, %{}) {{\u{1b}[31m = 1}}", part(9)));
        fs::write(files.path("wrong.tfg"), wrong).unwrap();
        let target = "extends = \"litert\"\nsummary = \"\\u001b[31mred\\u009b\\u202e\"\n";
        fs::write(files.path("own.toml"), target).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tfq-opt"));
        command.args(args).current_dir(self.folder.path());
        command.env("NO_COLOR", "1").env_remove("CI").env_remove("TFQ_RUNTIME");
        command.output().unwrap()
    }
}

/// Fails where text for a person or a machine holds what acts on a terminal.
fn clean(what: &str, bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("{what}: no UTF-8"));
    let hidden = text.char_indices().find(|(_, c)| is_hidden(*c) && !matches!(c, '\n' | '\t'));
    if let Some((at, c)) = hidden {
        let from = text.floor_char_boundary(at.saturating_sub(80));
        let to = text.ceil_char_boundary((at + 80).min(text.len()));
        panic!("{what}: {c:?} is there, in {:?}", &text[from..to]);
    }
    // Wherever the front of the name is shown, so is its first byte, or what stands for that in JSON.
    for (front, byte) in [("a\\u{1b}[31mb", "\\xfe"), ("a\\u001b[31mb", "\\udffe")] {
        for (at, _) in text.match_indices(front) {
            assert!(text[..at].ends_with(byte), "{what}: {}", &text[at..]);
        }
    }
    text.to_owned()
}

fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        serde_json::Value::Object(map) => {
            found.extend(map.keys().cloned());
            map.values().for_each(|value| strings(value, found));
        }
        _ => (),
    }
}

#[test]
fn what_does_not_show_is_escaped() {
    let name = "a\u{10ff80}\"\\\n\u{1b}ü\u{10ff7f}";
    let shown = "a\\x80\"\\\\n\\u{1b}ü\u{10ff7f}";
    assert_eq!(visible(name), shown);
    assert_eq!(visible(shown), shown);
    assert_eq!(visible_quoted(name), "\"a\\x80\\\"\\\\\\n\\u{1b}ü\u{10ff7f}\"");
    assert_eq!(visible_json("[\"\u{10ff80}\"]"), "[\"\\udbff\\udf80\"]");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::OsStr::from_bytes(b"a/\xff\x1b.tflite");
        assert_eq!(visible_path(Path::new(path)), "a/\\xff\\u{1b}.tflite");
    }
}

/// What a tensor is called in messages is what `--why` takes.
#[test]
fn a_name_may_be_given_as_it_is_shown() {
    let files = Files::new();
    let weights = format!("{}3", visible(NAME));
    let why = files.run(&["a.tfg", "--dry-run", &format!("--why=quantize-weights@{weights}")]);
    let told = clean("--why", &why.stderr) + &clean("--why", &why.stdout);
    assert!(why.status.success() && told.contains("applied (quantised)"), "{told}");
    let wrong = files.run(&["a.tfg", "--dry-run", &format!("--why=quantize-weights@x{weights}")]);
    let told = clean("--why", &wrong.stderr);
    assert!(told.contains(&format!("did you mean `{}", visible(NAME))), "{told}");
}

#[test]
fn no_command_lets_a_name_act() {
    let files = Files::new();
    let commands: &[&[&str]] = &[
        &["a.tfg", "-o", "a.tflite", "--remarks", "--stats", "--provenance"],
        &["a.tfg", "--dry-run", "--remarks", "--json"],
        &["a.tfg", "--dry-run", "--print-diff", "--print-ir-after-all", "-vv"],
        &["a.tfg", "--dry-run", "--why=insert-dequant@nothing"],
        &["a.tfg", "--passes=subgraph(\"\u{1b}[31m\")(remove-identities)", "--dry-run"],
        &["a.tfg", "--passes=quantize-weights,trigger-failure{kind=verify}"],
        &["custom.tfg", "--dry-run", "--remarks", "--passes=eliminate-dead-ops,default"],
        &["a.tfg", "--emit=json", "-o", "-"],
        &["a.tfg", "--emit=dot", "-o", "-"],
        &["wrong.tfg"],
        &["a\u{1b}[31m.tflite"],
        &["print", "a.tfg", "--level=full"],
        &["skeleton", "a.tfg"],
        &["inspect", "custom.tfg"],
        &["inspect", "custom.tfg", "--json"],
        &["diff", "a.tfg", "b.tfg"],
        &["diff", "a.tfg", "custom.tfg", "--format=markdown"],
        &["diff", "a.tfg", "b.tfg", "--format=json"],
        &["diff", "a.tfg", "custom.tfg", "--format=html"],
        &["explain", "\u{1b}[31m"],
        &["targets", "own.toml"],
        &["targets", "own.toml", "--json"],
        &["bisect", "a.tfg", "--check", "! grep -q FULLY_CONNECTED.v {} && test -s {}"],
        &["reduce", "a.tfg", "--check", "tfq-opt inspect {} | grep -q NEG"],
        &["run", "a.tfg", "--runtime=\u{1b}[31m"],
        &["compare", "a.tfg", "b.tfg", "--runtime=\u{1b}[31m"],
    ];
    for command in commands {
        let Output { stdout, stderr, .. } = files.run(command);
        let [out, told] = [("standard output", stdout), ("standard error", stderr)]
            .map(|(what, bytes)| clean(&format!("{command:?}, {what}"), &bytes));
        assert!(!(out.is_empty() && told.is_empty()), "{command:?} says nothing");
        // A line that begins so, behind spaces or not, is a command to GitHub's runner.
        assert!(
            !out.lines().chain(told.lines()).any(|line| line.trim_start().starts_with("::")),
            "{command:?}"
        );
        if command.contains(&"--json") || command.contains(&"--format=json") {
            let value: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
            let mut found = Vec::new();
            strings(&value, &mut found);
            let whole = found.iter().any(|text| text.contains(NAME));
            let told = ["--remarks", "own.toml"].iter().any(|arg| command.contains(arg));
            assert!(whole || told, "{command:?}: the name is not what it was");
        }
        if command.contains(&"--format=html") {
            assert!(!out.contains("alert(1)</script>"), "{command:?}");
        }
    }
}

#[test]
fn no_golden_lets_a_name_act() {
    let files = Files::new();
    for model in ["a", "custom"] {
        let added = files.run(&["golden", "add", &format!("{model}.tfg")]);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        clean("golden add", &added.stdout);
    }
    let goldens = || {
        let folder = fs::read_dir(files.path("goldens")).unwrap();
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    };
    for file in goldens() {
        clean(&file.display().to_string(), &fs::read(&file).unwrap());
    }
    fs::copy(files.path("b.tfg"), files.path("a.tfg")).unwrap();
    for format in ["human", "json", "junit", "github"] {
        let checked = files.run(&["golden", "check", &format!("--format={format}")]);
        assert_eq!(checked.status.code(), Some(1), "{format}");
        let out = clean(format, &checked.stdout);
        clean(format, &checked.stderr);
        match format {
            "json" => _ = serde_json::from_str::<serde_json::Value>(&out).expect("it is JSON"),
            "junit" => assert!(is_xml(&out), "{out}"),
            _ => {
                let orders = out.lines().filter(|line| line.starts_with("::"));
                let ours = orders.filter(|line| line.starts_with("::error file=goldens/")).count();
                let all = out.lines().filter(|line| line.starts_with("::")).count();
                assert_eq!(ours, all, "{out}");
            }
        }
    }
    clean("golden review", &files.run(&["golden", "review"]).stdout);
    // A golden that somebody wrote by hand acts no more.
    for file in goldens().filter(|path| path.extension().is_some_and(|e| e == "golden")) {
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("FULLY_CONNECTED", "FULLY\u{1b}[31m_CONNECTED\u{9b}"))
            .unwrap();
    }
    for format in ["human", "json", "junit", "github"] {
        let checked = files.run(&["golden", "check", &format!("--format={format}")]);
        clean(format, &checked.stdout);
        clean(format, &checked.stderr);
    }
}

fn is_xml(text: &str) -> bool {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return true,
            Ok(_) => (),
            Err(_) => return false,
        }
    }
}

#[test]
fn the_model_keeps_its_names() {
    let files = Files::new();
    let written = files.run(&["a.tfg", "--passes=", "-o", "a.tflite"]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let module = tfq_opt::load(
        &fs::read(Path::new(&files.path("a.tflite"))).unwrap().into(),
        &tfq_opt::LoadOptions::default(),
    );
    assert_eq!(module.unwrap().signatures()[0].key.as_deref(), Some(NAME));
}
