//! Pairs of small models, and what is told of them.

use std::fmt::Write;
use tfq_diff::{Class, Diff, DiffOptions, Status, Style, diff, html};
use tfq_ir::Module;
use tfq_text::{ParseOptions, parse};

fn model(text: &str) -> Module {
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    parse(text, &options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn between(a: &str, b: &str) -> Diff {
    diff(&model(a), &model(b), &DiffOptions::default())
}

/// Ops by status and label.
fn ops(diff: &Diff) -> Vec<(Status, String)> {
    let ops = diff.subgraphs.iter().flat_map(|sg| &sg.ops);
    ops.map(|op| (op.status, op.label())).collect()
}

/// What changed in ops, as the text has it.
fn changes(diff: &Diff) -> Vec<String> {
    let ops = diff.subgraphs.iter().flat_map(|sg| &sg.ops);
    let shown = |side: &Option<String>| side.clone().unwrap_or_default();
    ops.flat_map(|op| &op.changes)
        .map(|c| format!("{}: {} -> {}", c.what, shown(&c.before), shown(&c.after)))
        .collect()
}

fn renames(diff: &Diff) -> Vec<(&str, &str)> {
    let renamed = diff.subgraphs.iter().flat_map(|sg| &sg.renamed);
    renamed.map(|r| (r.before.as_str(), r.after.as_str())).collect()
}

fn moved(diff: &Diff) -> [bool; 4] {
    let m = diff.moved;
    [m.formatting, m.metadata, m.weights, m.structure]
}

const CONV: &str = "
%x = input : f32[1,4,4,2]
%w = const : f32[3,2,2,2] fill gaussian(seed = 1)
%b = const : f32[3] = [1.0, 2.0, 3.0]
%conv = CONV_2D(%x, %w, %b) {stride_w = 1, stride_h = 1} : f32[1,4,4,3]
%relu = RELU(%conv) : f32[1,4,4,3]
%y = TANH(%relu) : f32[1,4,4,3]
output %y
";

#[test]
fn a_model_is_the_same_as_itself() {
    let same = between(CONV, CONV);
    assert!(same.is_identical());
    assert_eq!(same.class, Class::Identical);
    assert_eq!(same.to_text(Style::Plain), "identical: the models are the same\n");
    assert_eq!((same.before.ops, same.before.constant_bytes), (3, 4 * 24 + 12));
}

#[test]
fn other_names_are_renames_and_nothing_else() {
    let other = CONV.replace("conv =", "c1 =").replace("(%conv)", "(%c1)").replace("%w", "%kernel");
    let diff = between(CONV, &other);
    assert_eq!(diff.class, Class::Formatting);
    assert_eq!(renames(&diff), [("w", "kernel"), ("conv", "c1")]);
    assert_eq!((ops(&diff), diff.subgraphs[0].tensors.len()), (vec![], 0));
    // All at once, which leaves structure alone to go by.
    let mut all = CONV.to_owned();
    for (n, name) in ["%x", "%w", "%b", "%conv", "%relu", "%y"].iter().enumerate() {
        all = all.replace(name, &format!("%t{n}"));
    }
    let diff = between(CONV, &all);
    assert_eq!((diff.class, renames(&diff).len(), ops(&diff).len()), (Class::Formatting, 6, 0));
}

#[test]
fn a_fused_op_is_one_changed_and_one_removed() {
    let fused = "
        %x = input : f32[1,4,4,2]
        %w = const : f32[3,2,2,2] fill gaussian(seed = 1)
        %b = const : f32[3] = [1.0, 2.0, 3.0]
        %relu = CONV_2D(%x, %w, %b) {stride_w = 1, stride_h = 1, fused_activation_function = RELU} : f32[1,4,4,3]
        %y = TANH(%relu) : f32[1,4,4,3]
        output %y";
    let diff = between(CONV, fused);
    assert_eq!(
        ops(&diff),
        [(Status::Changed, "CONV_2D %relu".to_owned()), (Status::Removed, "RELU %relu".to_owned())]
    );
    assert_eq!(
        changes(&diff),
        ["fused_activation_function: NONE -> RELU", "result 0: %conv -> %relu"]
    );
    assert_eq!(moved(&diff), [false, false, false, true]);
    assert_eq!(renames(&diff), []);
    let counts: Vec<_> =
        diff.histogram.iter().map(|c| (c.kind.as_str(), c.before, c.after)).collect();
    assert_eq!(counts, [("RELU", 1, 0)]);
}

#[test]
fn an_op_in_between_is_one_added_and_one_rewired() {
    let more =
        CONV.replace("%y = TANH(%relu)", "%abs = ABS(%relu) : f32[1,4,4,3]\n%y = TANH(%abs)");
    let diff = between(CONV, &more);
    assert_eq!(
        ops(&diff),
        [(Status::Added, "ABS %abs".to_owned()), (Status::Changed, "TANH %y".to_owned())]
    );
    assert_eq!(changes(&diff), ["operand 0: %relu -> %abs"]);
    let back = between(&more, CONV);
    assert_eq!(ops(&back)[0], (Status::Removed, "ABS %abs".to_owned()));
}

#[test]
fn another_order_is_formatting() {
    let a = "%x = input : f32[2]\n%a = ABS(%x) : f32[2]\n%b = NEG(%x) : f32[2]\n%c = EXP(%x) : f32[2]\noutput %a\noutput %b\noutput %c";
    let b = "%x = input : f32[2]\n%b = NEG(%x) : f32[2]\n%c = EXP(%x) : f32[2]\n%a = ABS(%x) : f32[2]\noutput %a\noutput %b\noutput %c";
    let diff = between(a, b);
    assert_eq!((diff.class, changes(&diff)), (Class::Formatting, vec!["order: 0 -> 2".to_owned()]));
    // Results in another order are not.
    let c = a.replace("output %a\noutput %b", "output %b\noutput %a");
    assert_eq!(between(a, &c).class, Class::Structure);
}

#[test]
fn weights_alone_are_weights() {
    let other = CONV.replace("[1.0, 2.0, 3.0]", "[1.0, 2.5, 3.0]").replace("seed = 1", "seed = 2");
    let diff = between(CONV, &other);
    assert_eq!(moved(&diff), [false, false, true, false]);
    let tensors = &diff.subgraphs[0].tensors;
    assert_eq!(tensors.iter().map(|t| t.label()).collect::<Vec<_>>(), ["w", "b"]);
    let bias = tensors[1].constant.as_ref().unwrap();
    assert_eq!(bias.values_after.as_deref(), Some("[1.0, 2.5, 3.0]"));
    let error = bias.error.unwrap();
    assert_eq!((error.elements, error.max_abs, error.nonfinite), (3, 0.5, 0));
    assert!((error.snr_db.unwrap() - 10.0 * (14.0_f64 / 0.25).log10()).abs() < 1e-9);
    assert_ne!(bias.hash_before, bias.hash_after);
    let unmeasured = tfq_diff::diff(&model(CONV), &model(&other), &DiffOptions { measure: false });
    let bias = unmeasured.subgraphs[0].tensors[1].constant.as_ref().unwrap();
    assert_eq!((&bias.hash_before, bias.error), (&None, None));
}

/// The error of `%w` of another type against `[0.5, -1, 1.5, 2]` in two rows.
fn error_of(w: &str) -> Option<f64> {
    let with = |w: &str| {
        format!("%x = input : f32[1,2]\n{w}\n%y = FULLY_CONNECTED(%x, %w, _) : f32[1,2]\noutput %y")
    };
    let diff = between(&with("%w = const : f32[2,2] = [0.5, -1.0, 1.5, 2.0]"), &with(w));
    let changed = diff.subgraphs[0].tensors.iter().find(|t| t.label() == "w").unwrap();
    assert!(changed.what.contains(&"type") && changed.what.contains(&"constant"), "{changed:?}");
    changed.constant.as_ref().unwrap().error.map(|error| error.max_abs)
}

#[test]
fn quantised_weights_are_converted_by_their_scales() {
    assert_eq!(error_of("%w = const : i8[2,2] q(0.5) = [1, -2, 3, 4]"), Some(0.0));
    assert_eq!(error_of("%w = const : u8[2,2] q(0.5, 2) = [3, 0, 5, 7]"), Some(0.5));
    assert_eq!(
        error_of("%w = const : i8[2,2] q([0.5, 0.25], axis = 0) = [1, -2, 6, 8]"),
        Some(0.0)
    );
    assert_eq!(
        error_of("%w = const : i8[2,2] q([0.5, 0.25], axis = 1) = [1, -4, 3, 8]"),
        Some(0.0)
    );
    assert_eq!(error_of("%w = const : i4[2,2] q(0.5) = [1, -2, 3, 5]"), Some(0.5));
    assert_eq!(error_of("%w = const : f16[2,2] = [0.5, -1.0, 1.5, 2.0]"), Some(0.0));
    let blockwise = "%s = const : f16[2,1] = [0.5, 0.25]
        %w = const : i4[2,2] q(blockwise(scales = %s, zero_points = -1, block_size = 2)) = [1, -2, 6, 7]";
    assert_eq!(error_of(blockwise), Some(0.25));
}

#[test]
fn what_is_not_finite_is_counted_apart() {
    let with = |list: &str| {
        format!(
            "%x = input : f32[4]\n%w = const : f32[4] = {list}\n%y = ADD(%x, %w) : f32[4]\noutput %y"
        )
    };
    let diff = between(&with("[1.0, nan, inf, 2.0]"), &with("[1.0, nan, 3.0, 2.5]"));
    let error = diff.subgraphs[0].tensors[0].constant.as_ref().unwrap().error.unwrap();
    assert_eq!((error.max_abs, error.nonfinite), (0.5, 1));
    assert!(error.snr_db.unwrap().is_finite());
}

#[test]
fn types_shapes_and_quantisation_are_structure_and_scales_are_weights() {
    let a = "%x = input : i8[1,?,2] q(0.5)\n%y = ABS(%x) : i8[1,?,2] q(0.5)\noutput %y";
    for (from, to, what, class) in [
        ("input : i8", "input : i16", "type", Class::Structure),
        ("input : i8[1,?", "input : i8[1,4", "shape", Class::Structure),
        ("input : i8[1,?", "input : i8[1,1", "shape", Class::Structure),
        ("(0.5)\n%y", "([0.5, 0.5], axis = 2)\n%y", "quantization", Class::Structure),
        (" q(0.5)\n%y", "\n%y", "quantization", Class::Structure),
        ("(0.5)\n%y", "(0.25)\n%y", "scales", Class::Weights),
    ] {
        let diff = between(a, &a.replacen(from, to, 1));
        let tensors = &diff.subgraphs[0].tensors;
        assert_eq!((diff.class, &tensors[0].what[..]), (class, &[what][..]), "{to}");
    }
}

#[test]
fn signatures_and_metadata_are_compared() {
    let head = "metadata \"min_runtime_version\" = b\"1.5.0\"\nsignature \"run\" @main { input \"in\" = %x output \"out\" = %y }\n";
    let body = "subgraph @main { %x = input : f32[2] %y = ABS(%x) : f32[2] output %y }";
    let a = format!("{head}{body}");
    let version = between(&a, &a.replace("1.5.0", "2.0.0"));
    assert_eq!((version.class, version.model.len()), (Class::Metadata, 1));
    assert_eq!(version.model[0].what, "metadata \"min_runtime_version\"");
    assert_eq!(version.model[0].after.as_deref(), Some("\"2.0.0\""));
    let name = between(&a, &a.replace("\"in\"", "\"image\""));
    assert_eq!((name.class, name.model[0].what.as_str()), (Class::Structure, "signature \"run\""));
    // The tensor of a signature under another name is still that tensor.
    assert_eq!(between(&a, &a.replace("%x", "%z")).class, Class::Formatting);
}

#[test]
fn subgraphs_go_by_name() {
    let a = "subgraph @main { %c = input : bool[1] %x = input : f32[2]
            %y = IF(%c, %x) {then_subgraph_index = @yes, else_subgraph_index = @no} : f32[2] output %y }
        subgraph @yes { %x = input : f32[2] %y = ABS(%x) : f32[2] output %y }
        subgraph @no { %x = input : f32[2] %y = NEG(%x) : f32[2] output %y }";
    let (head, tail) = a.split_at(a.find("subgraph @yes").unwrap());
    let (yes, no) = tail.split_at(tail.find("subgraph @no").unwrap());
    let swapped = between(a, &format!("{head}{no}{yes}"));
    assert_eq!((swapped.class, ops(&swapped)), (Class::Formatting, vec![]));
    let more = format!("{a} subgraph @other {{ %x = input : f32[1] output %x }}");
    let added = between(a, &more);
    assert_eq!((added.subgraphs.len(), added.subgraphs[0].status), (1, Status::Added));
    assert_eq!(between(&more, a).subgraphs[0].status, Status::Removed);
}

/// `count` ops in blocks of three with skips, named by `name`.
fn chain(count: usize, name: impl Fn(usize) -> String) -> String {
    let mut out = String::from("%x = input : f32[1,64]\n");
    let mut last = "x".to_owned();
    let mut skip = last.clone();
    for n in 0..count {
        let new = name(n);
        _ = match n % 3 {
            0 => writeln!(out, "%{new} = TANH(%{last}) : f32[1,64]"),
            1 => writeln!(out, "%{new} = ABS(%{last}) : f32[1,64]"),
            _ => writeln!(out, "%{new} = ADD(%{last}, %{skip}) : f32[1,64]"),
        };
        if n % 3 == 2 {
            skip = new.clone();
        }
        last = new;
    }
    _ = writeln!(out, "output %{last}");
    out
}

#[test]
fn a_hundred_thousand_ops_of_other_names_are_paired() {
    let (a, b) = (chain(100_000, |n| format!("a{n}")), chain(100_000, |n| format!("b{n}")));
    let diff = between(&a, &b);
    assert_eq!((diff.class, ops(&diff).len()), (Class::Formatting, 0));
    assert_eq!(renames(&diff).len(), 100_000);
    // Nothing in common at all.
    let other =
        chain(100_000, |n| format!("c{n}")).replace("f32[1,64]", "i32[7]").replace("TANH", "EXP");
    let diff = between(&a, &other);
    assert_eq!(diff.class, Class::Structure);
}

#[test]
fn an_op_in_the_middle_of_a_nameless_chain_is_found() {
    let text = chain(300, |n| format!("a{n}"));
    let a = chain(300, |n| format!("b{n}"));
    let b = text.replace("%a151 = ABS(%a150)", "%n = NEG(%a150) : f32[1,64]\n%a151 = ABS(%n)");
    let diff = between(&a, &b);
    assert_eq!(
        ops(&diff),
        [(Status::Added, "NEG %n".to_owned()), (Status::Changed, "ABS %a151".to_owned())]
    );
}

#[test]
fn every_rendering_tells_the_same() {
    let other = CONV
        .replace("%y = TANH(%relu)", "%abs = ABS(%relu) : f32[1,4,4,3]\n%y = TANH(%abs)")
        .replace("2.0, 3.0]", "2.0, 4.0]")
        .replace("%x", "%\"<img|`x`>\"");
    let (a, b) = (model(CONV), model(&other));
    let diff = diff(&a, &b, &DiffOptions::default());
    let plain = "\
structure: 1 op added, 1 op changed, 1 constant changed, 1 tensor renamed

                      before  after
  ops                      3      4  +1
  tensors                  6      7  +1
  constants                2      2
  bytes of constants     108    108
  ABS                      0      1  +1

@main
+ %abs = ABS(%relu) : f32[1,4,4,3]
~ TANH %y
    operand 0: %relu -> %abs
~ %b
    [1.0, 2.0, 3.0] -> [1.0, 2.0, 4.0], max error 1, SNR 11.5 dB
~ renamed %x -> %\"<img|`x`>\"
";
    assert_eq!(diff.to_text(Style::Plain), plain);
    let coloured = diff.to_text(Style::Ansi);
    assert!(coloured.contains("\x1b[32m+ %abs = ABS(%relu) : f32[1,4,4,3]\x1b[0m\n"));
    let markdown = diff.to_markdown();
    assert!(markdown.starts_with("**structure**: 1 op added"), "{markdown}");
    assert!(markdown.contains("| `ABS` | 0 | 1 | +1 |\n"), "{markdown}");
    assert!(markdown.contains("+ %abs = ABS(%relu)"), "{markdown}");
    let json: serde_json::Value = serde_json::from_str(&diff.to_json()).unwrap();
    assert_eq!(json["class"], "structure");
    assert_eq!(json["subgraphs"][0]["ops"][0]["after"]["line"], "%abs = ABS(%relu) : f32[1,4,4,3]");
    assert_eq!(json["subgraphs"][0]["tensors"][0]["constant"]["error"]["max_abs"], 1.0);
    let page = html(&a, &b, &diff, ["a.tflite", "b & c.tflite"]);
    assert!(page.contains("b &amp; c.tflite") && !page.contains("<img"), "names are escaped");
    for word in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(word), "{word}");
    }
}

#[test]
fn other_scales_of_the_same_integers_are_other_numbers() {
    let with = |scale: &str| {
        format!(
            "%x = input : f32[1,64]
            %w = const : i8[64,64] q({scale}) fill uniform(seed = 1, min = -127, max = 127)
            %y = FULLY_CONNECTED(%x, %w, _) : f32[1,64]
            output %y"
        )
    };
    let diff = between(&with("0.1"), &with("0.2"));
    assert_eq!(diff.headline(), "1 constant changed");
    assert_eq!(
        (diff.class, &diff.subgraphs[0].tensors[0].what[..]),
        (Class::Weights, &["scales"][..])
    );
    let error = diff.subgraphs[0].tensors[0].constant.as_ref().unwrap().error.unwrap();
    // The error of twice a number is that number, but for how f32 has 0.1 and 0.2.
    assert!((error.max_abs - 12.7).abs() < 0.1 && error.snr_db.unwrap().abs() < 1e-6, "{error:?}");
    let text = diff.to_text(Style::Plain);
    assert!(text.contains("    the same integers, max error 12.7, SNR 0.0 dB\n"), "{text}");
    // An activation has no numbers to measure.
    let activation = "%x = input : i8[2] q(0.1)\n%y = ABS(%x) : i8[2] q(0.1)\noutput %y";
    let diff = between(activation, &activation.replacen("(0.1)", "(0.2)", 1));
    assert_eq!(diff.headline(), "1 tensor changed");
}

/// A chain of layers with weights of their own, numbered as a converter does it; with a TANH
/// before the layer `inserted`.
fn numbered(layers: usize, inserted: Option<usize>) -> String {
    let mut out = "%x = input : f32[1,8]\n".to_owned();
    let (mut ops, mut last) = (String::new(), "x".to_owned());
    let mut results = 0;
    let mut result = || {
        results += 1;
        format!("t{results}")
    };
    for n in 0..layers {
        // The weights go by the place of their reader, and the seed by what they are.
        let mut place = n;
        if let Some(at) = inserted.filter(|at| n >= *at) {
            if n == at {
                let new = result();
                _ = writeln!(ops, "%{new} = TANH(%{last}) : f32[1,8]");
                last = new;
            }
            place += 1;
        }
        _ = writeln!(out, "%w{place} = const : f32[8,8] fill gaussian(seed = {n})");
        _ = writeln!(out, "%b{place} = const : f32[8] fill const(0)");
        let new = result();
        _ = writeln!(ops, "%{new} = FULLY_CONNECTED(%{last}, %w{place}, %b{place}) : f32[1,8]");
        last = new;
    }
    out + &ops + &format!("output %{last}\n")
}

#[test]
fn numbers_in_names_do_not_hide_what_is_the_same() {
    for at in [0, 10, 18] {
        let diff = between(&numbered(20, None), &numbered(20, Some(at)));
        let added = (Status::Added, format!("TANH %t{}", at + 1));
        assert_eq!(ops(&diff)[0], added, "{at}");
        assert_eq!(ops(&diff).len(), 2, "{at}: {:?}", ops(&diff));
        assert_eq!(changes(&diff).len(), 1, "{at}: the one behind it reads another");
        assert_eq!(diff.subgraphs[0].tensors, [], "{at}");
        assert_eq!(renames(&diff).len(), 3 * (20 - at), "{at}");
        let back = between(&numbered(20, Some(at)), &numbered(20, None));
        assert_eq!(ops(&back).len(), 2, "{at}: {:?}", ops(&back));
        assert_eq!((ops(&back)[0].0, &back.subgraphs[0].tensors[..]), (Status::Removed, &[][..]));
    }
}

#[test]
fn names_that_were_swapped_are_renames_and_weights_that_were_are_changes() {
    let text = "%x = input : f32[1,8]
        %w = const : f32[8,8] fill gaussian(seed = 1)
        %w1 = const : f32[8,8] fill gaussian(seed = 2)
        %y = FULLY_CONNECTED(%x, %w, _) : f32[1,8]
        %z = FULLY_CONNECTED(%y, %w1, _) : f32[1,8]
        output %z";
    let names = text.replace("%w ", "%o ").replace("%w,", "%o,").replace("%w1", "%w");
    let names = names.replace("%o", "%w1");
    let diff = between(text, &names);
    assert_eq!((diff.class, renames(&diff)), (Class::Formatting, vec![("w", "w1"), ("w1", "w")]));
    let weights = text.replace("seed = 1", "seed = 0").replace("seed = 2", "seed = 1");
    let diff = between(text, &weights.replace("seed = 0", "seed = 2"));
    assert_eq!(moved(&diff), [false, false, true, false]);
    assert_eq!(diff.headline(), "2 constants changed");
}

#[test]
fn a_name_alone_makes_no_pair_of_constants() {
    let a = "%x = input : f32[1,64]
        %c = const : i32[2] = [8, 8]
        %c1 = const : f32[64,64] fill gaussian(seed = 1)
        %r = RESHAPE(%x, %c) : f32[8,8]
        %c2 = const : i32[2] = [1, 64]
        %s = RESHAPE(%r, %c2) : f32[1,64]
        %y = FULLY_CONNECTED(%s, %c1, _) : f32[1,64]
        output %y";
    // What was numbered from 0 on is numbered the other way round.
    let b = a.replace("%c ", "%o ").replace("%c)", "%o)").replace("%c1", "%c").replace("%o", "%c1");
    let diff = between(a, &b.replace("f32[64,64] fill", "f16[64,64] fill"));
    assert_eq!(renames(&diff), [("c", "c1"), ("c1", "c")]);
    let tensors = &diff.subgraphs[0].tensors;
    assert_eq!((tensors.len(), tensors[0].label(), tensors[0].what[0]), (1, "c", "type"));
}

#[test]
fn the_order_of_subgraphs_is_told() {
    let graph = |name: &str, op: &str| {
        format!("subgraph @{name} {{ %x = input : f32[2] %y = {op}(%x) : f32[2] output %y }}\n")
    };
    let (main, yes, no) = (graph("main", "ABS"), graph("yes", "NEG"), graph("no", "EXP"));
    let all = |list: [&str; 3]| list.concat();
    let diff = between(&all([&main, &yes, &no]), &all([&main, &no, &yes]));
    assert_eq!((diff.class, diff.subgraphs.len()), (Class::Formatting, 0));
    let text = diff.to_text(Style::Plain);
    assert!(
        text.contains("~ order of subgraphs: @main, @yes, @no -> @main, @no, @yes\n"),
        "{text}"
    );
    // The first is what runs, so it is another model; still each is found by its name.
    let diff = between(&all([&main, &yes, &no]), &all([&yes, &main, &no]));
    assert_eq!((diff.class, diff.subgraphs.len(), diff.model.len()), (Class::Structure, 0, 1));
    // One more in between is no other order.
    let diff = between(&(main.clone() + &no), &all([&main, &yes, &no]));
    assert_eq!((moved(&diff), diff.model.len()), ([false, false, false, true], 0));
    let renamed = between(&(main.clone() + &no), &(main.clone() + &no.replace("@no", "@nein")));
    assert_eq!(renamed.headline(), "1 subgraph renamed");
}

#[test]
fn bytes_of_one_length_are_told_apart() {
    let with = |letter: &str| {
        format!(
            "%x = input : f32[2]
            %y = custom \"Mine\"(%x) options(b\"{}\") : f32[2]
            %z = STABLEHLO_CUSTOM_CALL(%y) {{StablehloCustomCallOptions: backend_config = \"a\", custom_attributes = b\"{0}\"}} : f32[2]
            output %z",
            letter.repeat(66)
        )
    };
    let changes = changes(&between(&with("a"), &with("b")));
    assert_eq!(changes.len(), 2, "{changes:?}");
    for change in changes {
        let sides = change.split_once(": ").unwrap().1.split_once(" -> ").unwrap();
        assert!(sides.0.starts_with("66 bytes #") && sides.0 != sides.1, "{change}");
    }
}

#[test]
fn a_zip_that_moved_in_its_file_is_the_same() {
    let zip = |name: u8, at: u32| {
        let mut zip =
            b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0".to_vec();
        zip.push(name);
        let directory = zip.len() as u32;
        zip.extend(b"PK\x01\x02\x14\0\x14\0");
        zip.extend([0; 20]);
        zip.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        zip.extend(at.to_le_bytes());
        zip.push(name);
        let size = zip.len() as u32 - directory;
        zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        zip.extend(size.to_le_bytes());
        zip.extend((at + directory).to_le_bytes());
        zip.extend([0, 0]);
        zip
    };
    let with = |zip: Vec<u8>| {
        let mut module = model(CONV);
        module = module.rebuilt(|parts| parts.trailer = zip.into());
        module
    };
    let between = |a, b| diff(&with(a), &with(b), &DiffOptions::default());
    assert!(between(zip(b'a', 1000), zip(b'a', 2000)).is_identical());
    let other = between(zip(b'a', 1000), zip(b'b', 1000));
    assert_eq!((other.class, &*other.model[0].what), (Class::Metadata, "trailer"));
    assert!(!between(b"just bytes".to_vec(), b"Just bytes".to_vec()).is_identical());
}

#[test]
fn a_chain_that_was_numbered_anew_has_one_op_more() {
    let a = chain(300, |n| format!("t{n}"));
    let more = |n: usize| format!("t{}", n + usize::from(n > 150));
    let b = chain(300, more)
        .replace("%t152 = ABS(%t150)", "%t151 = NEG(%t150) : f32[1,64]\n%t152 = ABS(%t151)");
    let diff = between(&a, &b);
    assert_eq!(
        ops(&diff),
        [(Status::Added, "NEG %t151".to_owned()), (Status::Changed, "ABS %t152".to_owned())]
    );
    assert_eq!(renames(&diff).len(), 149);
}

#[test]
fn weights_behind_a_conversion_are_found() {
    let a = "%x = input : f32[1,2]
        %arith.constant = const : f32[2,2] = [0.5, -1.0, 1.5, 2.0]
        %y = FULLY_CONNECTED(%x, %arith.constant, _) : f32[1,2]
        output %y";
    let b = "%x = input : f32[1,2]
        %stored = const : f16[2,2] = [0.5, -1.0, 1.5, 2.0]
        %w = DEQUANTIZE(%stored) : f32[2,2]
        %y = FULLY_CONNECTED(%x, %w, _) : f32[1,2]
        output %y";
    let cast = b.replace("DEQUANTIZE", "CAST");
    for diff in [between(a, b), between(b, a), between(a, &cast), between(&cast, a)] {
        let tensors = &diff.subgraphs[0].tensors;
        assert_eq!((tensors.len(), tensors[0].status), (1, Status::Changed));
        assert_eq!(tensors[0].constant.as_ref().unwrap().error.unwrap().max_abs, 0.0);
    }
}
