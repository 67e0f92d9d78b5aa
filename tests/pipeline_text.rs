//! Pipelines as text: what is printed parses to the same, and whatever is wrong is said in place.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tfq_opt::builtin;
use tfq_opt::ir::catalog::all_ops;
use tfq_opt::pass::{NamedPipeline, Node, OptionInfo, PassInfo, PassScope, Pipeline, Registry};

/// A part of a pipeline, as someone could write it.
#[derive(Clone, Debug)]
enum Part {
    Pass(String, Vec<(String, String)>),
    Named(String),
    Loop(&'static str, Option<u64>, Vec<Part>),
    Subgraph(String, Vec<Part>),
}

/// A pipeline with a loop, which can stand inside of `subgraph`.
fn tidy() -> NamedPipeline {
    let steps = [
        ("until-stable(remove-identities, cancel-quantize-dequantize)", "both make room"),
        ("insert-dequant", "it comes last"),
    ];
    NamedPipeline::new("tidy", "for the test", steps)
}

fn registry() -> Registry {
    builtin().with_pipelines([tidy()]).expect("the name is new")
}

fn parse(text: &str) -> Pipeline {
    Pipeline::parse(&registry(), text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// Names that are hard to write.
fn odd_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("main".to_owned()),
        "[a-z\"\\\\(){}=, #\n\t]{0,8}",
        "\\PC{0,6}",
        any::<String>(),
    ]
}

/// A value that an option of this type takes, by what the type says of itself.
fn value(option: &OptionInfo) -> BoxedStrategy<String> {
    let ty = option.type_name();
    match ty.as_str() {
        "INTEGER" => any::<u64>().prop_map(|n| n.to_string()).boxed(),
        "auto|INTEGER" => {
            let number = any::<u64>().prop_map(|n| n.to_string());
            prop_oneof![Just("auto".to_owned()), number].boxed()
        }
        "on|off" => select(vec!["on", "off", "true", "false"]).prop_map(str::to_owned).boxed(),
        "OP,..." => {
            let names: Vec<&str> = all_ops().iter().map(|op| op.name).collect();
            subsequence(names, 0..4).prop_map(|names| names.join(",")).boxed()
        }
        "NAME:INDEX[:INDEX...][:hybrid],..." => {
            let name = odd_name().prop_filter_map("a name without our separators", |name| {
                let name = name.replace([',', ':'], "");
                (!name.trim().is_empty()).then(|| name.trim().to_owned())
            });
            let entry = (name, vec(any::<u32>(), 1..3), any::<bool>());
            let entry = entry.prop_map(|(name, indices, hybrid)| {
                let indices: String = indices.iter().map(|n| format!(":{n}")).collect();
                format!("{name}{indices}{}", if hybrid { ":hybrid" } else { "" })
            });
            vec(entry, 0..3).prop_map(|entries| entries.join(",")).boxed()
        }
        "GLOB,..." => {
            let name = odd_name().prop_filter_map("a name without our separators", |name| {
                let name = name.replace([',', '[', ']', '{', '}', '\\'], "");
                (!name.trim().is_empty()).then(|| name.trim().to_owned())
            });
            vec(name, 0..3).prop_map(|globs| globs.join(",")).boxed()
        }
        "[NAME:]DIMxDIM...,..." => {
            let name = odd_name().prop_filter_map("a name without our separators", |name| {
                let name = name.replace([',', ':'], "");
                (!name.trim().is_empty()).then(|| name.trim().to_owned())
            });
            let dim = prop_oneof![Just("?".to_owned()), (1..=i32::MAX).prop_map(|n| n.to_string())];
            let shape = (proptest::option::of(name), vec(dim, 1..4));
            let shape = shape.prop_map(|(name, dims)| match name {
                Some(name) => format!("{name}:{}", dims.join("x")),
                None => dims.join("x"),
            });
            vec(shape, 0..3).prop_map(|shapes| shapes.join(",")).boxed()
        }
        choice if choice.contains('|') => {
            let values: Vec<String> = choice.split('|').map(str::to_owned).collect();
            select(values).boxed()
        }
        other => panic!("teach this test a value of an option of type {other}"),
    }
}

fn pass(info: &PassInfo) -> BoxedStrategy<Part> {
    let options: Vec<_> = info
        .options
        .iter()
        .map(|option| {
            let name = option.name.to_string();
            proptest::option::of(value(option).prop_map(move |v| (name.clone(), v)))
        })
        .collect();
    let shuffled = options.prop_map(|o| o.into_iter().flatten().collect::<Vec<_>>());
    let name = info.name.to_string();
    shuffled.prop_shuffle().prop_map(move |o| Part::Pass(name.clone(), o)).boxed()
}

fn leaf(in_subgraph: bool) -> BoxedStrategy<Part> {
    let passes: Vec<_> = registry()
        .passes()
        .filter(|info| !in_subgraph || info.scope == PassScope::Subgraph)
        .map(pass)
        .collect();
    let named = if in_subgraph { vec!["tidy"] } else { vec!["tidy", "default"] };
    let named = select(named).prop_map(|name| Part::Named(name.to_owned()));
    prop_oneof![9 => proptest::strategy::Union::new(passes), 1 => named].boxed()
}

fn parts(depth: usize, in_subgraph: bool) -> BoxedStrategy<Vec<Part>> {
    if depth == 0 {
        return vec(leaf(in_subgraph), 0..4).boxed();
    }
    let max = proptest::option::of(1..=u64::MAX);
    let loops = (select(vec!["repeat", "until-stable"]), max, parts(depth - 1, in_subgraph));
    let part = prop_oneof![
        3 => leaf(in_subgraph),
        1 => loops.prop_map(|(kind, max, body)| Part::Loop(kind, max, body)),
        1 => (odd_name(), parts(depth - 1, true)).prop_map(|(n, body)| Part::Subgraph(n, body)),
    ];
    vec(part, 0..4).boxed()
}

/// What may stand between two words.
fn noise() -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![
        4 => Just(String::new()),
        2 => select(vec![" ", "\n", "\t", "\r\n", "\u{2003}"]).prop_map(str::to_owned),
        1 => "[ ]?#[a-z(){}\",é]{0,6}\n",
    ];
    vec(one, 1..30)
}

/// Writes parts, with this noise between the words, over and over.
struct Writer<'a> {
    text: String,
    noise: &'a [String],
    next: usize,
}

impl Writer<'_> {
    fn word(&mut self, word: &str) {
        self.gap();
        self.text += word;
    }

    fn gap(&mut self) {
        self.text += &self.noise[self.next % self.noise.len()];
        self.next += 1;
    }

    fn parts(&mut self, parts: &[Part]) {
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                self.word(",");
            }
            self.part(part);
        }
        self.gap();
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Named(name) => self.word(name),
            Part::Pass(name, options) => {
                self.word(name);
                if options.is_empty() {
                    return;
                }
                self.word("{");
                for (name, value) in options {
                    self.gap();
                    let plain = |c: char| !c.is_whitespace() && !"{}\"".contains(c);
                    let value = match self.next.is_multiple_of(2) && value.chars().all(plain) {
                        true => value.clone(),
                        false => quoted(value),
                    };
                    self.text += &format!(" {name}={value} ");
                }
                self.word("}");
            }
            Part::Loop(kind, max, body) => {
                self.word(kind);
                if let Some(max) = max {
                    self.word("{");
                    self.gap();
                    self.text += &format!("max={max} ");
                    self.word("}");
                }
                self.body(body);
            }
            Part::Subgraph(name, body) => {
                self.word("subgraph");
                self.word("(");
                self.word(&quoted(name));
                self.word(")");
                self.body(body);
            }
        }
    }

    fn body(&mut self, body: &[Part]) {
        self.word("(");
        self.parts(body);
        self.word(")");
    }
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| if "\"\\".contains(c) { format!("\\{c}") } else { c.into() })
        .collect();
    format!("\"{escaped}\"")
}

fn written(parts: &[Part], noise: &[String]) -> String {
    let mut writer = Writer { text: String::new(), noise, next: 0 };
    writer.parts(parts);
    writer.text
}

/// What a pipeline must be for these parts: passes without options, loops and subgraphs.
fn expected(parts: &[Part]) -> Vec<String> {
    let one = |part: &Part| match part {
        Part::Pass(name, _) => vec![name.clone()],
        Part::Named(name) => shape(&parse(name)),
        Part::Loop(kind, max, body) => {
            vec![format!("{kind} {} {:?}", max.unwrap_or(10), expected(body))]
        }
        Part::Subgraph(name, body) => vec![format!("subgraph {name:?} {:?}", expected(body))],
    };
    parts.iter().flat_map(one).collect()
}

fn shape(pipeline: &Pipeline) -> Vec<String> {
    let one = |node: &Node| match node {
        Node::Pass(step) => step.name.clone(),
        Node::Repeat { max, body } => format!("repeat {max} {:?}", shape(body)),
        Node::UntilStable { max, body } => format!("until-stable {max} {:?}", shape(body)),
        Node::Subgraph { name, body } => format!("subgraph {name:?} {:?}", shape(body)),
    };
    pipeline.nodes().iter().map(one).collect()
}

/// Parses it; where it is a pipeline, it prints and parses to the same, and where it is not, the
/// error is inside of it.
fn parse_anything(text: &str) -> Result<(), TestCaseError> {
    match Pipeline::parse(&registry(), text) {
        Ok(pipeline) => {
            let printed = pipeline.to_string();
            prop_assert_eq!(parse(&printed).to_string(), printed);
        }
        Err(error) => {
            prop_assert_eq!(&error.text, text);
            prop_assert!(!error.message.is_empty());
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(parts in parts(3, false), noise in noise()) {
        let text = written(&parts, &noise);
        let pipeline = Pipeline::parse(&registry(), &text);
        prop_assert!(pipeline.is_ok(), "{}\n{}", text, pipeline.unwrap_err());
        let pipeline = pipeline.unwrap();
        prop_assert_eq!(shape(&pipeline), expected(&parts));
        let printed = pipeline.to_string();
        let again = parse(&printed);
        prop_assert_eq!(again.to_string(), printed.clone());
        prop_assert_eq!(shape(&again), shape(&pipeline));
        // White space, comments and needless quotes mean nothing.
        let plain = parse(&written(&parts, &[String::new()]));
        prop_assert_eq!(plain.to_string(), printed);
    }

    #[test]
    fn damaged_pipelines_are_refused_in_place(
        parts in parts(2, false),
        noise in noise(),
        edits in vec((any::<proptest::sample::Index>(), 0..3_usize, "[-a-z(){}=,\"\\\\# \né]?"), 1..5),
    ) {
        let mut text: Vec<char> = written(&parts, &noise).chars().collect();
        for (at, cut, insert) in edits {
            let at = at.index(text.len() + 1);
            let end = text.len().min(at + cut);
            text.splice(at..end, insert.chars());
        }
        parse_anything(&text.iter().collect::<String>())?;
    }

    #[test]
    fn any_text_is_parsed_or_refused_in_place(text in any::<String>()) {
        parse_anything(&text)?;
    }

    #[test]
    fn any_words_are_parsed_or_refused_in_place(
        words in vec(select(vec![
            "repeat", "until-stable", "subgraph", "default", "tidy", "remove-identities",
            "quantize-weights", "eliminate-dead-buffers", "type", "max", "deny", "int8", "1", "(",
            ")", "{", "}", "=", ",", "\"", "\\", "#", "\n", " ", "é",
        ]), 0..25),
    ) {
        parse_anything(&words.concat())?;
    }
}

#[test]
fn options_keep_what_was_written() {
    let text = r#"quantize-weights{custom-ops="a \"b\" \\c:1"},subgraph("say \"hi\" \\")()"#;
    let pipeline = parse(text);
    assert_eq!(pipeline.to_string(), text);
    let [Node::Pass(step), Node::Subgraph { name, .. }] = pipeline.nodes() else { panic!() };
    assert_eq!(step.options, [("custom-ops".to_owned(), r#"a "b" \c:1"#.to_owned())]);
    assert_eq!(name, r#"say "hi" \"#);
}

#[test]
fn nesting_has_an_end() {
    let deep = |n: usize| format!("{}{}", "repeat(".repeat(n), ")".repeat(n));
    assert_eq!(parse(&deep(64)).len(), 0);
    for n in [65, 100_000] {
        let error = Pipeline::parse(&registry(), &deep(n)).unwrap_err();
        assert_eq!(error.message, "no more than 64 parentheses may be open");
        assert_eq!(error.span, 64 * 7 + 6..64 * 7 + 7);
    }
}

#[test]
fn a_named_pipeline_stays_out_of_subgraphs_as_its_passes_do() {
    let text = "subgraph(\"main\")(default)";
    let error = Pipeline::parse(&registry(), text).unwrap_err();
    let wanted = "the pipeline `default`: `quantize-weights` looks at the whole model";
    assert_eq!(error.message, wanted);
    assert_eq!(&text[error.span], "default");
}

#[test]
fn an_empty_value_before_a_wide_space_is_shown_in_place() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tfq-opt"))
        .args(["model.tflite", "--passes=repeat{max=\u{2003}}(remove-identities)"])
        .output()
        .expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("a number from 1 on is wanted"), "{stderr}");
}
