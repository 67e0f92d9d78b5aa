//! Models as text and back.

#[path = "../../../tfq-ir/tests/common/mod.rs"]
mod common;
mod documentation;
mod elisions;
mod errors;
mod everything;
mod properties;
mod records;

use bytes::Bytes;
use common::{MAIN, chain, main, relu, text as some};
use everything::{dump, everything, settle_codes};
use tfq_ir::catalog::ops;
use tfq_ir::{
    Attr, ConstantPool, ElementType, InsertionPoint, Module, Op, OpCode, OpKind, Patch, Signature,
    Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink,
};
use tfq_text as text;
use tfq_text::{Level, ParseError, ParseOptions};

fn with_side(side: Vec<u8>) -> ParseOptions {
    ParseOptions { side: Some(side.into()), ..ParseOptions::default() }
}

fn with_fills() -> ParseOptions {
    ParseOptions { fills: true, ..ParseOptions::default() }
}

fn parse(text: &str) -> Module {
    text::parse(text, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> ParseError {
    text::parse(text, &ParseOptions::default()).expect_err(text)
}

fn tensor(graph: &Subgraph, name: &str) -> TensorId {
    graph.tensors().find(|id| graph.tensor(*id).name.as_deref() == Some(name)).expect(name)
}

#[test]
fn everything_comes_back() {
    let module = everything();
    let (text, side) = text::print_with_side(&module);
    let back = text::parse(&text, &with_side(side.clone()))
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(text::print_with_side(&back), (text.clone(), side));
    assert_eq!(text::print(&module, Level::Full), text);
    let (before, after) = (dump(&module), dump(&back));
    for (before, after) in before.lines().zip(after.lines()) {
        let open = before.replace("code: None", "code: Some(1)");
        assert!(
            before == after
                || open == after
                || before.replace("code: None", "code: Some(0)") == after,
            "{before}\n{after}"
        );
    }
    assert_eq!(before.lines().count(), after.lines().count());
    assert_eq!(settle_codes(&back), after);
}

#[test]
fn every_level_prints_the_same_again() {
    let module = everything();
    let (_, side) = text::print_with_side(&module);
    for level in Level::ALL {
        let printed = text::print(&module, level);
        assert_eq!(text::level_of(&printed), Some(level));
        assert_eq!(Level::from_name(level.name()), Some(level));
        let options = if level >= Level::Hash { with_side(side.clone()) } else { with_fills() };
        let back = text::parse(&printed, &options).unwrap_or_else(|e| panic!("{e}\n{printed}"));
        let again = text::print(&back, level);
        if level == Level::Stats {
            // The statistics are those of what was made up.
            let lines = |text: &str| -> Vec<String> {
                text.lines().map(|l| l.split(" {min = ").next().unwrap().to_owned()).collect()
            };
            assert_eq!(lines(&again), lines(&printed));
        } else {
            assert_eq!(again, printed);
        }
        // Made-up weights leave the rest alone.
        let filled = text::parse(&printed, &with_fills()).unwrap();
        let common = level.min(Level::Quant);
        assert_eq!(text::print(&filled, common), text::print(&module, common));
    }
}

#[test]
fn a_subgraph_alone_is_a_part_of_the_whole() {
    let module = everything();
    for level in Level::ALL.into_iter().filter(|level| *level < Level::Hash) {
        let whole = text::print(&module, level);
        for id in module.subgraph_ids() {
            assert!(whole.contains(&text::print_subgraph(&module, id, level)), "{level}");
        }
    }
}

#[test]
fn a_skeleton_has_the_structure_and_none_of_the_weights() {
    let module = everything();
    let skeleton = text::print_skeleton(&module);
    let back = parse(&skeleton);
    assert_eq!(text::print(&back, Level::Quant), text::print(&module, Level::Quant));
    assert!(!skeleton.contains(" #"), "{skeleton}");
}

#[test]
fn a_skeleton_keeps_what_steers_ops() {
    let module = parse(
        "%x = input : i8[1,20] q(0.5)
%w = const : i8[12,20] q(0.25) fill gaussian(seed = 1, std = 40)
%bias = const : i32[12] q(0.125) fill gaussian(seed = 2, std = 900)
%odd = const : i32[12] q(0.5) fill gaussian(seed = 3, std = 9)
%y = FULLY_CONNECTED.v4(%x, %w, %bias) : i8[1,12] q(1.0)
%z = FULLY_CONNECTED.v4(%x, %w, %odd) : i8[1,12] q(1.0)
%steps = const : i64[40] fill ramp(start = 7, step = -3)
%pads = const : i32[10] = [0, 0, 0, 0, 1, 2, 0, 0, 3, -1]
%mask = const : bool[3,8] = [20 * true, false, false, 2 * true]
%words = const : str[9] = [4 * \"a long word\", \"b\", \"\", b\"\\xff\", \"c\", \"c\"]
%small = const : i16[9] fill gaussian(seed = 4, std = 90)
%table = const : i16[9] q(0.5) fill gaussian(seed = 5, std = 90)
%floats = const : f32[12] fill gaussian(seed = 6)
%longer = const : i32[2] = b\"0123456789012345678901234567890123456789012345678901234567890123456789\"
%s = const : f32[1,20] sparse(order = [0, 1], dense(1), csr(0, segments = i32 [0, 9], indices = u8 [0, 3, 4, 5, 9, 11, 12, 18, 19])) = b\"012345678901234567890123456789012345\"
%made = custom \"Mine\"(%s) options(b\"012345678901234567890123456789012345678901234567890123456789012345678901234\") : f32[1]
output %y",
    );
    let skeleton = text::print_skeleton(&module);
    let back = parse(&skeleton);
    let bytes = |module: &Module, name: &str| {
        module.constant(MAIN, tensor(main(module), name)).unwrap().clone()
    };
    for kept in ["odd", "steps", "pads", "mask", "words", "small", "longer"] {
        assert_eq!(bytes(&back, kept), bytes(&module, kept), "{kept}\n{skeleton}");
    }
    for made_up in ["w", "bias", "table", "floats"] {
        assert_ne!(bytes(&back, made_up), bytes(&module, made_up), "{made_up}\n{skeleton}");
    }
    for written in [
        "%steps = const : i64[40] fill ramp(start = 7, step = -3)\n",
        "%pads = const : i32[10] = [4 * 0, 1, 2, 0, 0, 3, -1]\n",
        "%mask = const : bool[3,8] = [20 * true, false, false, true, true]\n",
        "= [4 * \"a long word\", \"b\", \"\", b\"\\xff\", \"c\", \"c\"]\n",
    ] {
        assert!(skeleton.contains(written), "{written}\n{skeleton}");
    }
    let of = |module: &Module| {
        let graph = main(module);
        let sparse = graph.tensor(tensor(graph, "s")).sparsity.clone().unwrap();
        let last = graph.ops().last().unwrap();
        (sparse, graph.op(last).custom_options.clone())
    };
    assert_eq!(of(&back), of(&module));
}

#[test]
fn versions_of_one_operator_stay_apart() {
    let module = parse(
        "%x = input\n%y = RELU.v2(%x)\n%z = RELU(%y)\n%a = ADD.v3(%z, %z)\n%b = RELU.v2(%a)\noutput %b",
    );
    let codes: Vec<(i32, i32)> = module.op_codes().iter().map(|c| (c.builtin, c.version)).collect();
    assert_eq!(codes, [(ops::RELU, 2), (ops::RELU, 1)]);
    let graph = main(&module);
    let of_ops: Vec<Option<u32>> = graph.ops().map(|op| graph.op(op).code).collect();
    assert_eq!(of_ops, [Some(0), Some(1), None, Some(0)]);
    // Where there is one of each, the file's list is made when it is written.
    assert!(parse("%x = input\n%y = RELU.v2(%x)\n%z = RELU.v2(%y)").op_codes().is_empty());
}

#[test]
fn what_may_begin_a_text_is_known_as_one() {
    for text in [
        "tfg 1 full\n",
        "tfg",
        "\u{feff}  // a comment\n//\n  subgraph @main {",
        "version 3",
        "description \"x\"",
        "metadata none = none",
        "metadata \"a\" = b\"\"",
        "external_group \"x\"",
        "external_buffer 1 {}",
        "signature \"x\" @main {}",
        "dequant_cache {",
        "record \"a.b\" {",
        "trailer = b\"\"",
        "constants outside",
        "metadata_buffer [1]",
        "opcodes {",
        "layout @main {",
        "buffers 3",
        "input %x",
        "output\n%x",
        "custom \"Mine\"()",
        "builtin 3(%x)",
        "CALL_ONCE() {init_subgraph_index = @f}",
        "RELU.v2(%x)",
        "%x = input",
        "%\"a b\" = input",
    ] {
        assert!(text::is_text(text.as_bytes()), "{text}");
    }
    for other in [
        "",
        "//",
        "// a comment without an end",
        "version https://git-lfs.github.com/spec/v1",
        "%PDF-1.7\n",
        "%!PS-Adobe-3.0",
        "100 %",
        "description: a model",
        "input_shape = 3",
        "metadata of the model",
        "RELU",
        "relu(%x)",
        "\0\0\0\0",
    ] {
        assert!(!text::is_text(other.as_bytes()), "{other}");
    }
    assert!(!text::is_text(&vec![b' '; 1 << 21]));
}

#[test]
fn constants_that_share_bytes_stay_apart_from_those_that_are_equal() {
    let module = everything();
    let (text, side) = text::print_with_side(&module);
    let back = text::parse(&text, &with_side(side)).unwrap();
    let graph = main(&back);
    let place = |name: &str| {
        let buffer = graph.tensor(tensor(graph, name)).buffer;
        (buffer, back.constants().get(buffer).unwrap().as_ptr())
    };
    assert_eq!(place("one"), place("two"));
    assert_ne!(place("one").0, place("three").0);
    assert_eq!(place("one").1, place("three").1);
    assert_ne!(place("one").1, place("four").1);
}

#[test]
fn hashes_grow_where_they_would_say_the_same() {
    // Two of some 2^17 hashes of 32 bits are alike.
    let mut seen = std::collections::HashMap::new();
    let pair = (0_u64..).find_map(|n| {
        let bytes: Vec<u8> = (0..9).flat_map(|k| (n * (k + 1)).to_le_bytes()).collect();
        let hash = *blake3::hash(&bytes).as_bytes();
        let before = seen.insert([hash[0], hash[1], hash[2], hash[3]], bytes.clone())?;
        Some([before, bytes])
    });
    let mut b = SubgraphBuilder::new(some("main"));
    let mut pool = ConstantPool::new(vec![None]);
    for (n, bytes) in pair.unwrap().into_iter().enumerate() {
        let mut t = Tensor::new(format!("w{n}"), ElementType::Int64, [9]);
        t.buffer = pool.push(bytes.into());
        b.tensor(t);
    }
    let module = Module::new(vec![b.finish(vec![], vec![])], pool);
    let (printed, side) = text::print_with_side(&module);
    let digits = printed.lines().find_map(|l| l.split('#').nth(1)).unwrap();
    assert_eq!(digits.split(' ').next().unwrap().len(), 16, "{printed}");
    let back = text::parse(&printed, &with_side(side.clone())).unwrap();
    assert_eq!(dump(&back), dump(&module));
    // With 8 digits it cannot be told which one is meant.
    let cut: String = printed
        .lines()
        .map(|l| match l.find('#') {
            Some(at) => format!("{}{}\n", &l[..at + 9], &l[at + 17..]),
            None => format!("{l}\n"),
        })
        .collect();
    let refused = text::parse(&cut, &with_side(side)).unwrap_err();
    assert_eq!(refused.message, "several entries of the side file begin with this hash");
}

/// Lines that are in one of two texts and not in the other.
fn changed_lines(before: &str, after: &str) -> usize {
    let mut left: Vec<&str> = before.lines().collect();
    let mut added = 0;
    for line in after.lines() {
        match left.iter().position(|l| *l == line) {
            Some(at) => _ = left.remove(at),
            None => added += 1,
        }
    }
    added.max(left.len())
}

/// 500 ops in a row, each with a constant.
fn long() -> Module {
    let mut b = SubgraphBuilder::new(some("main"));
    let mut pool = ConstantPool::new(vec![None]);
    let x = b.tensor(common::float("x"));
    let mut last = x;
    for n in 0..500 {
        let mut w = common::float(&format!("w{n}"));
        w.buffer = pool.push(Bytes::from(vec![n as u8; 8]));
        let w = b.tensor(w);
        let y = b.tensor(common::float(&format!("y{n}")));
        b.op(common::op(ops::ADD), &[Some(last), Some(w)], &[y]);
        last = y;
    }
    let mut module = Module::new(vec![b.finish(vec![x], vec![last])], pool);
    module = module
        .rebuilt(|parts| parts.op_codes.push(OpCode::for_kind(&OpKind::Builtin(ops::ADD), 1)));
    module
}

#[test]
fn one_op_more_or_less_changes_few_lines() {
    for level in Level::ALL {
        let mut module = long();
        let before = text::print(&module, level);
        let graph = main(&module);
        let (at, read) = (graph.ops().nth(250).unwrap(), tensor(graph, "y249"));
        let mut patch = Patch::new(MAIN, "insert a Relu");
        let made = patch.add_tensor(common::float("y249.relu"));
        patch.add_op(relu(), InsertionPoint::Before(at), &[Some(read.into())], &[made]);
        patch.set_operand(at, 0, made);
        module.apply(patch).unwrap();
        let with = text::print(&module, level);
        let changed = changed_lines(&before, &with);
        assert!(changed <= 5, "{level}: {changed} lines for an op more");
        assert_eq!(
            with.lines().count(),
            before.lines().count() + if level == Level::Full { 2 } else { 1 }
        );

        let graph = main(&module);
        let gone = graph.ops().nth(100).unwrap();
        let (result, operand) = (tensor(graph, "y100"), tensor(graph, "y99"));
        let weight = tensor(graph, "w100");
        let mut patch = Patch::new(MAIN, "drop an Add");
        patch.replace_uses(graph, result, operand);
        patch.erase_op(gone);
        patch.erase_tensor(result);
        patch.erase_tensor(weight);
        module.apply(patch).unwrap();
        // A buffer that is left over would be one more thing for the full text to say.
        module.prune_buffers();
        let without = text::print(&module, level);
        let changed = changed_lines(&with, &without);
        assert!(changed <= 5, "{level}: {changed} lines for an op less");
    }
}

#[test]
fn names_are_made_unique_and_come_back() {
    let module = everything();
    let types = text::print(&module, Level::Types);
    for name in [
        "%const",
        "%conv_2d = ",
        "%a = ",
        "%a.3 = ",
        "%a.2 = ",
        "%\"\\\"quoted\\\"\\n\\u{202e}ü//x\"",
        "@main.2",
        "@subgraph ",
    ] {
        assert!(types.contains(name) || name == "%const", "{name}\n{types}");
    }
    let (full, _) = text::print_with_side(&module);
    assert!(full.contains("%conv_2d name \"\""), "{full}");
    assert!(full.contains("%tensor name none"), "{full}");
    assert!(full.contains("%a.3 name \"a\""), "{full}");
    assert!(full.contains("layout @subgraph name none"), "{full}");
}

#[test]
fn dimensions_say_what_the_signature_says() {
    let source = "%x = input : f32[?,?=4,16]\n%s = input : f32[]\n%u = input : f32[*]\n%c = const : f32[] = 1.0\noutput %x";
    let module = parse(source);
    let graph = main(&module);
    let x = graph.tensor(tensor(graph, "x"));
    assert_eq!((&*x.shape, &*x.shape_signature), (&[1, 4, 16][..], &[-1, -1, 16][..]));
    assert!(graph.tensor(tensor(graph, "s")).has_rank);
    assert!(!graph.tensor(tensor(graph, "u")).has_rank);
    assert!(!graph.tensor(tensor(graph, "c")).has_rank);
    let printed = text::print(&module, Level::Types);
    for line in source.lines() {
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn zero_points_are_spread_over_the_scales() {
    let module = parse(
        "%a = input : i8[1] q(0.5)\n%b = input : i8[2] q([0.5, 1.0], 3)\n%c = input : i8[2] q([0.5, 1.0], [3, 4])\noutput %a",
    );
    let graph = main(&module);
    let zeros = |name: &str| {
        graph.tensor(tensor(graph, name)).quantization.clone().unwrap().zero_point.to_vec()
    };
    assert_eq!((zeros("a"), zeros("b"), zeros("c")), (vec![0], vec![3, 3], vec![3, 4]));
}

#[test]
fn things_may_be_named_before_they_are_there() {
    let module = parse(
        "output %y\n%y = ADD(%x, %k) : f32[2]\n%k = const : f32[2] = [1.0, 2.0]\n%x = input : f32[2]",
    );
    assert_eq!(
        text::print(&module, Level::Types),
        "tfg 1 types\n\nsubgraph @main {\n  %x = input : f32[2]\n  %k = const : f32[2] = [1.0, 2.0]\n\n  %y = ADD(%x, %k) : f32[2]\n\n  output %y\n}\n"
    );
}

#[test]
fn attributes_have_their_schema_types() {
    let module = parse(
        "%x = input\n%y = CONV_2D(%x, %x) {padding = VALID, stride_w = 2, stride_h = 3, fused_activation_function = RELU6}\n%z = RESHAPE(%x) {new_shape = [2, -1]}\n%s = SOFTMAX(%x) {beta = 0.5}\noutput %y",
    );
    let graph = main(&module);
    let ops: Vec<&Op> = graph.ops().map(|op| graph.op(op)).collect();
    assert_eq!(
        ops[0].attrs.as_ref().unwrap().enum_name("fused_activation_function"),
        Some("RELU6")
    );
    assert_eq!((ops[0].int("padding"), ops[0].int("stride_h")), (Some(1), Some(3)));
    assert_eq!(ops[1].attrs.as_ref().unwrap().get("new_shape"), Some(Attr::Ints([2, -1].into())));
    assert_eq!(ops[2].attrs.as_ref().unwrap().get("beta"), Some(Attr::Float(0.5)));
}

#[test]
fn printing_bears_with_what_is_gone() {
    let (mut module, c) = chain();
    module = module.rebuilt(|parts| {
        parts.signatures.push(Signature {
            key: some("k"),
            inputs: vec![(some("gone"), TensorLink::Tensor(c.b))],
            outputs: vec![],
            subgraph: 0,
            deprecated_tag: None,
        })
    });
    module = module.rebuilt(|parts| parts.signatures[0].subgraph = 5);
    let printed = text::print(&module, Level::Full);
    assert!(printed.contains("input \"gone\" = -1"), "{printed}");
    let empty = text::print(&Module::default(), Level::Full);
    assert!(error(&empty).message.contains("version 0"));
    let only = text::print_subgraph(&module, SubgraphId(0), Level::Full);
    assert!(only.starts_with("subgraph @main {\n"), "{only}");
}
