//! What any text must bear.

use crate::everything::{dump, everything};
use crate::with_side;
use proptest::prelude::*;
use tfq_text as text;
use tfq_text::{Level, ParseOptions};

/// Pieces of texts, so that most of what is put together gets past the lexer.
const PIECES: [&str; 69] = [
    "%x",
    "%y",
    "%w",
    "@main",
    "@f",
    "input",
    "output",
    "const",
    "variable",
    "tensor",
    "subgraph",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    "=",
    ":",
    "*",
    "?",
    "..",
    ".",
    "f32",
    "i8",
    "str",
    "c64",
    "variant",
    "CONV_2D",
    "IF",
    "RELU",
    "custom",
    "\"s\"",
    "b\"\\x00\"",
    "#01234567",
    "0x7f",
    "1",
    "-1",
    "0.5",
    "9",
    "99999999999",
    "fill",
    "gaussian",
    "const(1)",
    "bytes(70)",
    "as",
    "q(",
    "axis",
    "sparse(",
    "blockwise(",
    "none",
    "layout",
    "buffers",
    "opcodes",
    "metadata",
    "signature",
    "dequant_cache",
    "record \"a.b\" { @main tensor %x = b\"\" }",
    "\n",
    "padding = SAME",
    "then_subgraph_index = @f",
    "nan",
    "1e99",
    "[9 * 1]",
    "[999999999 * 1]",
    "static",
    "shared 1 2",
    "notes(\"n\" = 1)",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(source in "\\PC{0,200}", fills: bool) {
        let options = ParseOptions { fills, max_fill_bytes: 1 << 20, ..ParseOptions::default() };
        if let Err(error) = text::parse(&source, &options) {
            prop_assert!(source.get(error.span).is_some());
        }
    }

    /// Whatever names a model has, they come back.
    #[test]
    fn any_names_come_back(
        names in proptest::collection::vec(
            prop_oneof![
                4 => proptest::collection::vec(any::<char>(), 0..12)
                    .prop_map(|chars| chars.into_iter().collect::<String>()),
                2 => "[a-z./:;$_\"'\\\\ -]{0,8}",
                1 => "[\u{0}-\u{9f}\u{200b}-\u{202f}\u{fff0}-\u{ffff}\u{e0000}-\u{e007f}]{0,6}",
                1 => "a{3000,3010}",
            ],
            8,
        ),
    ) {
        let name = |n: usize| Some(std::sync::Arc::from(names[n].as_str()));
        let mut b = tfq_ir::SubgraphBuilder::new(name(0));
        let tensors: Vec<_> = (1..5)
            .map(|n| b.tensor(tfq_ir::Tensor::new(&*names[n], tfq_ir::ElementType::Float32, [2])))
            .collect();
        let custom = tfq_ir::OpKind::Custom(name(5).unwrap());
        let mut op = tfq_ir::Op::new(custom);
        op.notes.insert(names[6].clone().into(), tfq_ir::Attr::String(name(7).unwrap()));
        b.op(op, &[Some(tensors[0])], &[tensors[1]]);
        let graph = b.finish(vec![tensors[0]], vec![tensors[1], tensors[2]]);
        let mut module = tfq_ir::Module::new(vec![graph], Default::default());
        module = module.rebuilt(|parts| parts.description = name(6));
        module = module.rebuilt(|parts| parts.signatures.push(tfq_ir::Signature {
            key: name(7),
            inputs: vec![(name(1), tfq_ir::TensorLink::Tensor(tensors[0]))],
            outputs: vec![(name(2), tfq_ir::TensorLink::Tensor(tensors[3]))],
            subgraph: 0,
            deprecated_tag: name(3),
        }));
        module = module.rebuilt(|parts| parts.external_buffer_groups = vec![name(4)]);
        let printed = text::print(&module, Level::Full);
        let shows = |c: char| !c.is_control() || c == '\n';
        prop_assert!(printed.chars().all(shows), "{printed}");
        let back = text::parse(&printed, &ParseOptions::default()).unwrap();
        prop_assert_eq!(dump(&back), dump(&module));
        prop_assert_eq!(text::print(&back, Level::Full), printed);
    }

    #[test]
    fn any_pieces_are_read_or_refused(pieces in proptest::collection::vec(0..PIECES.len(), 0..60), fills: bool) {
        let source: Vec<&str> = pieces.iter().map(|n| PIECES[*n]).collect();
        let source = source.join(" ");
        let options = ParseOptions { fills, max_fill_bytes: 1 << 20, ..ParseOptions::default() };
        match text::parse(&source, &options) {
            Err(error) => prop_assert!(source.get(error.span).is_some()),
            Ok(module) => {
                let (printed, side) = text::print_with_side(&module);
                let back = text::parse(&printed, &with_side(side)).unwrap();
                prop_assert_eq!(text::print(&back, Level::Full), printed);
            }
        }
    }

    #[test]
    fn a_text_with_a_piece_changed_is_read_or_refused(
        at in 0.0..1.0_f64,
        cut in 0..20_usize,
        piece in 0..PIECES.len(),
        level in 0..6_usize,
    ) {
        let source = &FULL.with(|texts| texts[level].clone());
        let mut start = (source.len() as f64 * at) as usize;
        while !source.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = (start + cut).min(source.len());
        while !source.is_char_boundary(end) {
            end += 1;
        }
        let changed = format!("{}{}{}", &source[..start], PIECES[piece], &source[end..]);
        let options = ParseOptions { fills: true, max_fill_bytes: 1 << 20, ..ParseOptions::default() };
        match text::parse(&changed, &options) {
            Err(error) => prop_assert!(changed.get(error.span).is_some()),
            Ok(module) => {
                let (printed, side) = text::print_with_side(&module);
                let back = text::parse(&printed, &with_side(side));
                prop_assert!(back.is_ok(), "{:?}", back.err());
                prop_assert_eq!(text::print(&back.unwrap(), Level::Full), printed);
            }
        }
    }
}

thread_local! {
    static FULL: Vec<String> = {
        let module = everything();
        Level::ALL.into_iter().map(|level| text::print(&module, level)).collect()
    };
}
