//! docs/text-format.md is right.

use crate::common::text as some;
use crate::everything::dump;
use crate::{error, with_fills, with_side};
use tfq_ir::{ConstantPool, ElementType, Module, SubgraphBuilder, Tensor};
use tfq_text as text;
use tfq_text::{Level, ParseOptions};

#[test]
fn the_examples_of_the_documentation_are_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/text-format.md");
    let doc = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    let mut lines = doc.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```tfg") else { continue };
        let example: String =
            lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect();
        count += 1;
        if kind.trim() == "error" {
            let refused = error(&example);
            assert!(example.contains(&format!("// {refused}\n")), "{refused}\n{example}");
            if let Some(help) = refused.help {
                assert!(example.contains(&format!("// help: {help}\n")), "{help}\n{example}");
            }
            continue;
        }
        let options = if kind.trim() == "fills" { with_fills() } else { ParseOptions::default() };
        let module = text::parse(&example, &options).unwrap_or_else(|e| panic!("{e}\n{example}"));
        let (printed, side) = text::print_with_side(&module);
        let back = text::parse(&printed, &with_side(side)).unwrap();
        assert_eq!(dump(&back), dump(&module), "{example}");
        if let Some(level) = text::level_of(&example)
            && !example.contains(" fill ")
        {
            assert_eq!(text::print(&module, level), example);
        }
    }
    assert!(count > 8, "there are {count} examples");
}

#[test]
fn the_documentation_names_all_types_and_sections() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/text-format.md");
    let doc = std::fs::read_to_string(path).unwrap();
    for code in 0..23 {
        let ty = ElementType::from_code(code).unwrap();
        let mut b = SubgraphBuilder::new(some("main"));
        b.tensor(Tensor::new("t", ty, [1]));
        let module = Module::new(vec![b.finish(vec![], vec![])], ConstantPool::default());
        let printed = text::print(&module, Level::Types);
        let name = printed.split("%t = tensor : ").nth(1).unwrap().split('[').next().unwrap();
        assert!(doc.contains(name), "{name}");
    }
}
