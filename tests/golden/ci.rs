//! Servers that build and test: nothing is written, and reports are in their forms.

use crate::common::model;
use crate::{Sandbox, texts, two_that_differ};
use quick_xml::events::Event;
use std::fs;

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
