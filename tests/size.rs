//! No run that nobody told what to do makes a file larger, and what could be smaller and is not
//! has a remark. The models in `tests/cases` are what went wrong once, each in its way.

mod common;

use common::{lifted, lowered, root};
use tfq_opt::ir::ElementType;
use tfq_opt::ir::text::{ParseOptions, parse};
use tfq_opt::pass::RemarkKind;
use tfq_opt::target::Target;
use tfq_opt::{Optimized, Optimizer};

fn input(name: &str) -> Vec<u8> {
    let path = root().join("tests/cases").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn from_text(text: &str) -> Vec<u8> {
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    lowered(&parse(text, &options).unwrap_or_else(|error| panic!("{error}")))
}

fn by_default(input: &[u8]) -> (Optimized, Vec<u8>) {
    let optimized = Optimizer::default().run(input).expect("it runs");
    let output = optimized.to_vec().expect("it is written");
    (optimized, output)
}

/// The rules and messages of what was left, at a place.
fn left(optimized: &Optimized, place: &str) -> Vec<(String, String)> {
    let remarks = optimized.report.remarks().map(|(_, remark)| remark);
    let at = remarks.filter(|r| r.kind == RemarkKind::Missed && r.place == place);
    at.map(|remark| (remark.rule.to_string(), remark.message.clone())).collect()
}

#[test]
fn float16_weights_become_int8_as_float32_ones_do() {
    let (optimized, output) = by_default(&input("float16_input.tflite"));
    assert!(output.len() <= 40_592, "{} bytes", output.len());
    assert_eq!(optimized.report.statistic("constants-quantized"), 4);
}

#[test]
fn a_quantize_of_weights_is_done_beforehand() {
    let (_, output) = by_default(&input("fake_quant_weights.tflite"));
    assert!(output.len() <= 20_640, "{} bytes", output.len());
}

#[test]
fn equal_weights_are_stored_once() {
    let text = String::from_utf8(input("two_equal_weights.tfg")).unwrap();
    let passes = "quantize-weights{exact-activations=off},default";
    let optimized = Optimizer::parse(passes).unwrap().run(&from_text(&text)[..]).unwrap();
    let output = optimized.to_vec().unwrap();
    assert!(output.len() <= 5_712, "{} bytes", output.len());
}

#[test]
fn a_weight_behind_a_transpose_is_quantised() {
    let text = String::from_utf8(input("weight_behind_transpose.tfg")).unwrap();
    let before = from_text(&text);
    let (optimized, output) = by_default(&before);
    assert!(output.len() * 2 < before.len(), "{} bytes", output.len());
    assert_eq!(optimized.report.statistic("ops-folded"), 1);
}

#[test]
fn float16_takes_no_constant_that_it_cannot_hold() {
    let passes = "quantize-weights{type=float16},insert-dequant";
    let optimizer = Optimizer::parse(passes).unwrap();
    let optimized = optimizer.run(&input("float16_overflow.tflite")[..]).unwrap();
    let [(rule, message)] = &left(&optimized, "`big`")[..] else { panic!("one remark") };
    assert_eq!(*rule, "too large values");
    assert_eq!(message, "element 0 is 1e30, and float16 ends at 65504");
    assert_eq!(optimized.report.statistic("constants-quantized"), 1, "the other weight is");
}

#[test]
fn a_weight_of_a_custom_op_has_a_remark_with_the_option_that_takes_it() {
    let before = input("custom_op_weight.tflite");
    let (optimized, output) = by_default(&before);
    assert_eq!(output.len(), before.len());
    let [(rule, message)] = &left(&optimized, "`w`")[..] else { panic!("one remark") };
    assert_eq!(*rule, "custom op");
    let option = "custom-ops=Convolution2DTransposeBias:1";
    assert!(message.contains(&format!("`{option}` would quantise it")), "{message}");
    let passes = format!("quantize-weights{{{option}}},insert-dequant,eliminate-dead-buffers");
    let taken = Optimizer::parse(&passes).unwrap().run(&before[..]).unwrap();
    assert!(taken.to_vec().unwrap().len() < 10_000);
}

/// A first layer that reads codes: a Dequantize would spare it the rounding of what it reads, and
/// make the file larger.
const ROUNDING: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %w = const : i8[2,4] q(0.5) = [1, 2, 3, 4, 5, 6, 7, 8]
  %y = FULLY_CONNECTED.v9(%x, %w, _) {asymmetric_quantize_inputs = true} : f32[1,2]
  output %y
}
";

/// A weight in a form that the runtime refuses: a Dequantize makes it run, and the file larger.
const UNREADABLE: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,2,2,2]
  %w = const : i8[2,1,1,2] q([0.5, 0.25], axis = 3) = [1, 2, 3, 4]
  %b = const : f32[2] = [0.0, 0.0]
  %y = CONV_2D.v5(%x, %w, %b) {stride_w = 1, stride_h = 1} : f32[1,2,2,2]
  output %y
}
";

/// What every release reads since 2.17 in the kernel, and since 2.7 in a Dequantize.
const NEWER: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,256]
  %w = const : i8[8,256] q([8 * 0.5], axis = 0) fill const(3)
  %y = FULLY_CONNECTED.v3(%x, %w, _) : f32[1,8]
  output %y
}
";

#[test]
fn what_only_costs_is_undone_and_told() {
    let before = from_text(ROUNDING);
    let (optimized, output) = by_default(&before);
    assert!(output == before, "the input is handed back");
    assert!(optimized.module.journal().is_empty(), "the module is the input's too");
    assert_eq!(optimized.report.statistic("dequantize-inserted"), 0);
    assert!(optimized.undone.is_some() && optimized.mended.is_none());
    assert!(optimized.report.raised_runtime.is_none(), "the input asks for what it asked for");
    let undone = optimized.report.remarks().filter(|(_, remark)| remark.rule == "larger");
    let (pass, remark) = undone.last().expect("a remark tells of it");
    assert_eq!((pass, remark.kind), ("insert-dequant", RemarkKind::Missed));
    assert!(remark.message.contains("undone, since the file would take"), "{}", remark.message);
    // What is undone counts as left, whether remarks on what was done are kept or not.
    let mut quiet = Optimizer::parse("default").unwrap();
    quiet.run_options.missed_only = true;
    let quiet = quiet.run(&before[..]).unwrap();
    assert_eq!(quiet.report.remarks().filter(|(_, r)| r.kind != RemarkKind::Missed).count(), 0);
    assert_eq!(quiet.report.left_by_rule(), optimized.report.left_by_rule());
    assert_eq!(quiet.report.left_by_rule()["larger"], 2);
    // Who names the passes gets what they do.
    let named = Optimizer::parse("quantize-weights,insert-dequant").unwrap();
    let named = named.run(&before[..]).unwrap();
    assert_eq!(named.report.statistic("dequantize-inserted"), 1);
    assert!(named.to_vec().unwrap().len() > before.len());
}

#[test]
fn what_the_target_needs_is_done_whatever_it_takes() {
    for (text, target, why) in [
        (UNREADABLE, "litert", "per channel of another axis"),
        (NEWER, "tflite-2.14", "which came with 2.17.0, and the target ends with 2.14"),
        (NEWER, "tflite-2.7", "which came with 2.17.0, and the target ends with 2.7"),
    ] {
        let before = from_text(text);
        let named = Target::named(target).expect("it is shipped");
        let optimizer = Optimizer::parse("default").unwrap().for_target(named);
        let optimized = optimizer.run(&before[..]).expect("it runs");
        let mended = optimized.mended.as_ref().expect("the input did not run there");
        assert!(text == UNREADABLE || mended.what.contains(why), "{target}: {mended}");
        assert_eq!(optimized.report.statistic("dequantize-inserted"), 1, "{target}");
        assert!(optimized.to_vec().unwrap().len() > before.len(), "{target}");
        assert!(optimized.unrunnable.is_empty() && optimized.undone.is_none(), "{target}");
        let again = optimizer.run(optimized.to_vec().unwrap()).expect("it runs");
        assert!(again.module.journal().is_empty(), "{target}: a second run finds nothing to do");
    }
}

#[test]
fn what_an_option_asks_for_is_done_though_the_file_grows() {
    let before = from_text(ROUNDING);
    for options in ["hybrid=off", "deny=FULLY_CONNECTED"] {
        let passes = format!("quantize-weights{{{options}}},insert-dequant");
        let mut optimizer = Optimizer::parse(&passes).unwrap();
        optimizer.never_larger = true;
        let optimized = optimizer.run(&before[..]).unwrap();
        assert_eq!(optimized.report.statistic("dequantize-inserted"), 1, "{options}");
        assert_eq!(optimized.report.statistic("dequantized-as-told"), 1, "{options}");
        assert!(optimized.to_vec().unwrap().len() > before.len(), "{options}");
    }
}

/// The release that a run says the input needs is that which `inspect` tells of.
#[test]
fn the_release_of_the_input_is_what_its_kernels_ask_for() {
    let before = from_text(NEWER);
    let (optimized, _) = by_default(&before);
    assert!(optimized.report.raised_runtime.is_none(), "2.17.0 before and after");
    let float = from_text(
        "tfg 1 quant
subgraph @main {
  %x = input : f32[1,256]
  %w = const : f32[16,256] fill const(3)
  %y = FULLY_CONNECTED(%x, %w, _) : f32[1,16]
  output %y
}
",
    );
    let (optimized, _) = by_default(&float);
    let raised = optimized.report.raised_runtime.expect("it needs a later one");
    let litert = Target::named("litert").expect("it is shipped");
    assert_eq!(raised.from, litert.model_min_runtime(&lifted(&float)));
    assert_eq!(raised.to, litert.model_min_runtime(&optimized.module));
    assert_eq!(raised.by, "FULLY_CONNECTED of INT8 with several scales");
}

#[test]
fn a_record_for_which_there_is_no_room_is_left_out() {
    let before = from_text(
        "tfg 1 quant
subgraph @main {
  %x = input : f32[2]
  %w = const : i8[2] q(0.5) = [2, 4]
  %real = DEQUANTIZE.v2(%w) : f32[2]
  %y = ADD(%x, %real) : f32[2]
  output %y
}
",
    );
    let recording = Optimizer::parse("annotate-dequant-cache{always=on}").unwrap();
    let recorded = recording.run(&before[..]).unwrap();
    let told = recorded.report.statistic("dequantize-record-bytes");
    let grown = recorded.to_vec().unwrap().len() - before.len();
    assert!(told > 0 && told as usize <= grown, "{told} of {grown} bytes");
    let mut bounded = recording;
    bounded.never_larger = true;
    let optimized = bounded.run(&before[..]).unwrap();
    assert!(optimized.module.dequant_cache().is_none());
    assert!(optimized.to_vec().unwrap().len() <= before.len());
    let [(rule, _)] = &left(&optimized, "metadata `tfq.dequant_cache`")[..] else {
        panic!("one remark")
    };
    assert_eq!(rule, "no room for the record");
}

/// A model with so many slow ops that work on codes.
fn slow_ops(count: usize) -> Vec<u8> {
    use std::fmt::Write;
    let mut text = "tfg 1 quant\nsubgraph @main {\n  %h0 = input : i8[8] q(0.05)\n".to_owned();
    for n in 1..=count {
        _ = writeln!(text, "  %l{n} = TANH(%h{}) : i8[8] q(0.0078125)", n - 1);
        _ = writeln!(text, "  %h{n} = HARD_SWISH(%l{n}) : i8[8] q(0.003, -50)");
    }
    _ = writeln!(text, "  output %h{count}\n}}");
    from_text(&text)
}

#[test]
fn a_file_may_grow_a_little_for_time() {
    let registry = tfq_opt::builtin();
    let pipeline = |text| tfq_opt::pass::Pipeline::parse(&registry, text).unwrap();
    let rewritten = |count: usize, may_grow: bool| {
        let before = slow_ops(count);
        let mut optimizer = Optimizer::in_registry(&registry, pipeline("optimize-rounded"));
        optimizer.never_larger = true;
        optimizer.may_grow = may_grow;
        let optimized = optimizer.run(&before[..]).unwrap();
        let grown = optimized.to_vec().unwrap().len().saturating_sub(before.len());
        let undone = optimized.report.remarks().find(|(_, remark)| remark.rule == "larger");
        let undone = undone.map(|(_, remark)| remark.message.clone());
        (optimized.report.statistic("ops-rewritten"), grown, undone)
    };
    let (ops, grown, undone) = rewritten(5, true);
    assert_eq!((ops, undone), (5, None));
    assert!(grown > 0 && grown <= 5120, "{grown}");
    let (ops, grown, undone) = rewritten(5, false);
    assert_eq!((ops, grown), (0, 0));
    assert!(!undone.expect("it is told").contains("may take"));
    // Where there is no room for all, some are rewritten.
    let (ops, grown, undone) = rewritten(60, true);
    assert_eq!(undone, None);
    assert!((30..45).contains(&ops) && (3584..=5120).contains(&grown), "{ops} ops, {grown} bytes");
}

/// Each large float constant of the result is told of, by the name of a tensor that shows it.
#[test]
fn no_large_float_constant_stays_without_a_remark() {
    let mut checked = 0;
    for path in common::files(&root().join("tests"), "tflite") {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let Ok(optimized) = Optimizer::default().run(&bytes[..]) else { continue };
        let result = lifted(&optimized.to_vec().unwrap());
        for (sg, graph) in result.subgraphs() {
            for id in graph.tensors() {
                let tensor = graph.tensor(id);
                let large = tensor.elements().is_none_or(|elements| elements >= 1024);
                let wide = matches!(tensor.ty, ElementType::Float32 | ElementType::Float16);
                if !wide || !large || result.constant(sg, id).is_none() {
                    continue;
                }
                let place = result.tensor_place(sg, id).to_string();
                assert!(!left(&optimized, &place).is_empty(), "{}: {place}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 5, "only {checked} constants stay");
}

#[test]
fn weights_that_were_dequantised_get_their_codes_back() {
    for name in ["digits/digits_cnn.tflite", "digits/digits_depthwise.tflite"] {
        let path = root().join("tests/models").join(name);
        let (_, quantised) = by_default(&std::fs::read(path).expect("it is there"));
        let registry = tfq_opt::builtin();
        let back = "dequantize-weights,eliminate-dead-buffers";
        let back = tfq_opt::pass::Pipeline::parse(&registry, back).expect("these passes exist");
        let float = Optimizer::in_registry(&registry, back).run(&quantised[..]).expect("it runs");
        assert!(float.report.statistic("constants-dequantized") > 0, "{name}");
        assert!(float.module.ops_of_kind(tfq_opt::ir::catalog::ops::DEQUANTIZE).next().is_none());
        let (_, again) = by_default(&float.to_vec().expect("it is written"));
        let constants = |file: &[u8]| {
            let module = lifted(file);
            let bytes = module.constants().iter().filter_map(|(_, bytes)| bytes.cloned());
            let mut bytes: Vec<_> = bytes.filter(|bytes| bytes.len() > 500).collect();
            bytes.sort();
            bytes
        };
        assert!(constants(&quantised) == constants(&again), "{name}");
    }
}
