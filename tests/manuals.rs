//! What the descriptions of passes say is true: examples run, documents follow.

use tfq_opt::ir::Module;
use tfq_opt::ir::text::{Level, ParseOptions, parse, print};
use tfq_opt::{Optimizer, builtin};

const GUIDE: &str = include_str!("../docs/adding-a-pass.md");
const EXAMPLE: &str = include_str!("../examples/my-tfq-opt/src/main.rs");
const PASS: &str = include_str!("../examples/my-tfq-opt/src/floor.rs");

fn read(text: &str) -> Module {
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    parse(text, &options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_pass_has_an_example_and_it_is_what_the_pass_does() {
    for info in builtin().all_passes() {
        let (name, examples) = (&*info.name, info.examples());
        assert!(!examples.is_empty(), "{name}: add `## Example` to its manual");
        for example in examples {
            assert!(example.pipeline.contains(name), "{name}: {}", example.pipeline);
            let optimizer = Optimizer::parse(&example.pipeline).unwrap();
            let result = optimizer.run(read(&example.before)).unwrap();
            let found = print(&result.module, Level::Quant);
            let wanted = print(&read(&example.after), Level::Quant);
            assert!(found == wanted, "{name}: the example gives\n{found}");
        }
    }
}

#[test]
fn every_manual_says_what_the_pass_does_and_when_it_is_safe() {
    for info in builtin().all_passes() {
        let manual = info.manual();
        for heading in ["## What it does", "## When it is safe"] {
            assert!(manual.contains(heading), "{}: {heading} is missing", info.name);
        }
        assert!(info.summary().ends_with('.'), "{}", info.name);
    }
}

/// Other code of the guide is a doc-test of `passes`, which has no command line.
#[test]
fn the_guide_shows_the_main_and_the_tests_of_the_example() {
    let main = &EXAMPLE[EXAMPLE.find("mod floor;").unwrap()..];
    assert!(GUIDE.contains(&format!("```rust,ignore\n{main}```")));
    let tests = &PASS[PASS.find("    fn registry()").unwrap()..];
    let tests = tests.strip_suffix("}\n").expect("the module of tests comes last");
    let lines = tests.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let tests: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert!(GUIDE.contains(&format!("```rust,ignore\n{tests}```")), "{tests}");
}
