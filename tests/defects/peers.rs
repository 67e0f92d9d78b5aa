//! ai-edge-quantizer, litert-cli and TensorFlow's converter. The section is that of the peer inventory.

use super::*;
use std::sync::Arc;
use tfq_opt::ir::Patch;
use tfq_opt::ir::text::{ParseOptions, parse};
use tfq_opt::target::Target;

fn command(arguments: &[&str]) -> std::process::Output {
    let mut command = common::tool();
    command.args(arguments).current_dir(common::root()).output().expect("the binary starts")
}

/// 1.1, `float_casting`: 1e5 becomes infinite as float16.
#[test]
fn float16_does_not_overflow_to_infinity() {
    let mut values = waves(1024);
    (values[3], values[4]) = (1e5, -1e5);
    let out = quantised(dense(32, &values), "type=float16");
    assert_eq!(out.ty("weights"), ElementType::Float32);
    assert!(out.says("too large values", "element 3 is 100000.0, and float16 ends at 65504"));
}

/// 1.1, `float_casting`: the least number of elements is ignored.
#[test]
fn float16_respects_the_least_number_of_elements() {
    let options = "type=float16 min-elements=1024";
    assert_eq!(of("ops/fc_1023", options).ty("weights"), ElementType::Float32);
    assert_eq!(of("ops/fc_1024", options).ty("weights"), ElementType::Float16);
}

/// 1.1, `OCTAV` and `MSE`: an all-zero channel gets scale 0, which XNNPACK refuses.
#[test]
fn an_all_zero_channel_has_a_positive_scale() {
    for (name, scales) in [("ops/fc_zero_row", 32), ("ops/fc_all_zero", 32)] {
        assert!(symmetric(of(name, "").quantization("weights"), scales, 0), "{name}");
        assert!(symmetric(of(name, "granularity=tensor").quantization("weights"), 1, 0), "{name}");
    }
}

/// 1.1, `MSE`: two bits end in `Error: 2`.
#[test]
fn a_type_that_is_not_there_is_named_in_the_error() {
    let error = Optimizer::parse("quantize-weights{type=int2}").unwrap_err();
    assert!(error.to_string().contains("type"), "{error}");
    assert!(error.label.contains("int8"), "{error:?}");
}

/// 1.1, `DECOMPOSED_HADAMARD_ROTATION`: FULLY_CONNECTED with two operands is an IndexError.
#[test]
fn fully_connected_with_two_operands_is_quantised() {
    let out = of("ops/fc_no_bias", HYBRID);
    assert_eq!(out.operand(ops::FULLY_CONNECTED, 1), ElementType::Int8);
    let (graph, op) = out.ops(ops::FULLY_CONNECTED)[0];
    assert_eq!(graph.operands(op).len(), 2);
}

/// 1.1, `DECOMPOSED_HADAMARD_ROTATION`: a dynamic batch fails at run time, since a shape was put
/// down as a constant.
#[test]
fn a_dynamic_batch_stays_dynamic() {
    let out = of("odd/dynamic_shape", HYBRID);
    assert_eq!(out.operand(ops::FULLY_CONNECTED, 1), ElementType::Int8);
    let before = lifted(&model("odd/dynamic_shape"));
    for (_, graph) in out.module.subgraphs() {
        for id in graph.inputs().iter().chain(graph.outputs()) {
            let (_, old) = common::tensor(&before, graph.tensor(*id).label()).unwrap();
            let old = before.subgraph(MAIN).tensor(old);
            assert_eq!(graph.tensor(*id).shape_signature, old.shape_signature);
            assert!(old.shape_signature.contains(&-1));
        }
    }
}

/// 1.1, `DECOMPOSED_HADAMARD_ROTATION`: float constants are added that make the file larger than it need be.
#[test]
fn no_constant_is_added() {
    let before = lifted(&model("digits/digits_cnn"));
    let out = of("digits/digits_cnn", "");
    assert!(out.module.constants().len() <= before.constants().len());
}

/// 1.2: weights of GATHER, of recurrent ops and of CONV_3D are not known.
#[test]
fn weights_of_lookups_recurrent_ops_and_conv_3d_are_quantised() {
    assert_eq!(of("ops/gather_table", "").ty("table"), ElementType::Int8);
    assert_eq!(of("ops/lstm_full", "").ty("recurrent_to_cell"), ElementType::Int8);
    for name in ["ops/unidirectional_sequence_lstm", "ops/bidirectional_sequence_lstm"] {
        assert!(of(name, "").report.statistic("constants-quantized") >= 8, "{name}");
    }
    for name in ["ops/rnn", "ops/unidirectional_sequence_rnn", "ops/svdf"] {
        assert_eq!(of(name, "").report.statistic("constants-quantized"), 2, "{name}");
    }
    assert_eq!(of("ops/conv_3d", "").ty("weights"), ElementType::Int8);
}

/// 1.2: weights of custom ops are not known.
#[test]
fn weights_of_custom_ops_are_quantised_where_they_are_named() {
    let out = of("ops/custom_op", "min-elements=1 custom-ops=CustomTestOp:1");
    assert!(out.says("no gain", "cost more bytes"), "one element is not worth it");
    let out = of("odd/custom_options", "custom-ops=MyOp:1");
    assert!(
        out.says("no such op", "custom-ops=MyOp")
            || out.report.statistic("constants-quantized") == 1
    );
}

/// 1.2: a configuration that is not supported for an op is skipped in silence.
#[test]
fn what_is_skipped_is_told_with_the_reason() {
    assert!(of("ops/fc_1023", "min-elements=1024").says("too small", "1 023 elements"));
    assert!(of("ops/fc_nan", "").says("not finite", "not finite"));
    assert!(of("odd/sparse_fc", "type=float16").says("sparse", "sparse"));
    assert!(of("ops/weight_is_input", "").says("graph input", "input"));
    let float_only = Target::named("float-only").unwrap();
    let optimizer = Optimizer::parse("quantize-weights").unwrap().for_target(float_only);
    let report = optimizer.run(model("ops/fc_bias")).unwrap().report;
    assert!(report.remarks().any(|(_, r)| r.rule == "no kernel"));
}

/// 1.2: DEPTHWISE_CONV_2D with one scale, of which the kernel reads past the end (-740 dB).
#[test]
fn depthwise_gets_a_scale_for_each_channel() {
    for options in ["", "granularity=tensor"] {
        let out =
            of("ops/depthwise_conv_2d", &format!("{options} prefer=size exact-activations=off"));
        assert!(symmetric(out.quantization("weights"), 128, 3), "{options}");
        assert_eq!(out.operand(ops::DEPTHWISE_CONV_2D, 1), ElementType::Int8);
    }
}

/// 1.2: grouped CONV_2D with one scale fails in AllocateTensors.
#[test]
fn grouped_convolutions_get_a_scale_for_each_channel() {
    for options in ["", "granularity=tensor"] {
        let out = of("ops/conv_2d_grouped", options);
        assert!(symmetric(out.quantization("weights"), 16, 0), "{options}");
    }
}

/// 1.2: BATCH_MATMUL with a quantised left-hand side fails in AllocateTensors.
#[test]
fn a_constant_left_hand_side_of_batch_matmul_stays_float32() {
    let out = of("ops/batch_matmul_constant_lhs", "min-elements=1");
    assert_eq!(out.operand(ops::BATCH_MATMUL, 0), ElementType::Float32);
}

/// 1.2: CONV_2D with INT2 filters gives NaN, FULLY_CONNECTED with blocks of INT2 nothing, and both
/// are allowed.
#[test]
fn forms_that_no_kernel_reads_are_refused() {
    use tfq_opt::target::{Granularity, WeightForm};
    let litert = &*Target::named("litert").unwrap();
    let verdict = |name: &str, code: i32, form: WeightForm| {
        let module = lifted(&model(name));
        let (sg, op, _) = module.ops_of_kind(code).next().unwrap();
        litert
            .hybrid(tfq_opt::target::WeightOperand { module: &module, sg, op, slot: 1 }, &form)
            .is_hybrid()
    };
    let int2 = |granularity| WeightForm::new(ElementType::Int2, granularity);
    let channel = Granularity::PerChannel { axis: 0 };
    assert!(!verdict("ops/conv_2d", ops::CONV_2D, int2(channel)));
    assert!(!verdict("ops/conv_2d", ops::CONV_2D, int2(Granularity::PerTensor)));
    let block = Granularity::Blockwise { block: 32 };
    assert!(!verdict("ops/fc_bias", ops::FULLY_CONNECTED, int2(block)));
    assert!(verdict("ops/fc_bias", ops::FULLY_CONNECTED, int2(channel)));
}

/// 1.2: one op that does not fit (`in_dim` no multiple of the block) ends the whole run.
#[test]
fn one_weight_that_cannot_be_quantised_does_not_stop_the_others() {
    let mut g = Build::new();
    let (x, h, y) =
        (g.input("input", &[1, 32]), g.tensor("hidden", &[1, 32]), g.tensor("output", &[1, 32]));
    let mut bad = waves(1024);
    bad[9] = f32::NAN;
    let (bad, good) = (g.constant("bad", &[32, 32], &bad), g.weights("good", &[32, 32]));
    g.op(ops::FULLY_CONNECTED, &[Some(x), Some(bad), None], h, &[]);
    g.op(ops::FULLY_CONNECTED, &[Some(h), Some(good), None], y, &[]);
    g.output(y);
    let out = quantised(g.model(), "");
    assert_eq!((out.ty("bad"), out.ty("good")), (ElementType::Float32, ElementType::Int8));
}

/// 1.3: fields with a typing mistake are taken for parameters of the algorithm.
#[test]
fn a_mistyped_option_is_an_error() {
    for passes in ["quantize-weights{min_elements=5}", "quantize-weights{granularty=tensor}"] {
        let error = Optimizer::parse(passes).unwrap_err();
        assert!(error.to_string().contains("no option"), "{error}");
        assert!(error.help.unwrap().contains("did you mean"));
    }
}

/// 1.3: the least number of elements is ignored for BATCH_MATMUL and EMBEDDING_LOOKUP.
#[test]
fn the_least_number_of_elements_counts_for_every_op() {
    for (name, weight) in [
        ("ops/batch_matmul", "weights"),
        ("ops/embedding_lookup", "table"),
        ("ops/gather_table", "table"),
    ] {
        assert_eq!(of(name, "min-elements=100000").ty(weight), ElementType::Float32, "{name}");
        assert_eq!(of(name, "").ty(weight), ElementType::Int8, "{name}");
    }
}

/// 1.4: a rule whose pattern matches nothing is silent.
#[test]
fn a_name_that_no_op_has_is_told() {
    assert!(of("ops/fc_bias", "deny=CONV_2D").says("no such op", "deny=CONV_2D"));
    assert!(of("ops/fc_bias", "custom-ops=Nothing:1").says("no such op", "custom-ops=Nothing"));
    assert!(!of("ops/fc_bias", "deny=FULLY_CONNECTED").says("no such op", ""));
}

/// 1.4: which of two rules counts depends on how often and where a pattern was written before.
#[test]
fn an_option_that_is_given_twice_is_an_error() {
    assert!(Optimizer::parse("quantize-weights{min-elements=1 min-elements=2}").is_err());
}

/// 1.4: shipped recipes for 8-bit blocks change nothing and do not say so.
#[test]
fn a_run_that_changes_nothing_says_so() {
    let passes = "--passes=quantize-weights{min-elements=1024},insert-dequant";
    let output = command(&["tests/models/ops/fc_1023.tflite", passes, "--dry-run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("left unchanged: 1 too small"), "{said}");
}

/// 1.5: a NaN makes a channel 0 with scale NaN, an infinity makes its scale infinite, both without an error.
#[test]
fn nan_and_infinity_stay_where_they_are() {
    for name in ["ops/fc_nan", "ops/fc_inf"] {
        for options in ["", "granularity=tensor", "type=float16"] {
            let out = of(name, options);
            assert_eq!(out.ty("weights"), ElementType::Float32, "{name} {options}");
            let before = lifted(&model(name));
            let (sg, id) = common::tensor(&before, "weights").unwrap();
            assert_eq!(out.bytes("weights"), &before.constant(sg, id).unwrap()[..], "{name}");
        }
    }
}

/// 1.5: a last dimension above 8 388 608 ends in `range() arg 3 must not be zero`.
#[test]
fn a_last_dimension_above_eight_million_is_no_special_case() {
    let columns = 8_388_612;
    let mut g = Build::new();
    let (x, y) = (g.input("input", &[1, columns]), g.tensor("output", &[1, 1]));
    let weights = g.weights("weights", &[1, columns]);
    g.op(ops::FULLY_CONNECTED, &[Some(x), Some(weights), None], y, &[]);
    g.output(y);
    let out = quantised(g.model(), "");
    assert_eq!(out.ty("weights"), ElementType::Int8);
    assert_eq!(out.bytes("weights").len(), columns as usize);
}

/// 1.6: unused buffers of the input survive.
#[test]
fn what_nobody_reads_is_not_written() {
    let (before, out) = (lifted(&model("odd/dead_code")), of("odd/dead_code", ""));
    assert!(out.module.constants().len() < before.constants().len());
    assert!(common::tensor(&out.module, "unused_constant").is_none());
}

/// 1.6: buffers of equal bytes survive as they are.
#[test]
fn equal_bytes_can_be_stored_once() {
    let text = "tfg 1 quant
        subgraph @main {
          %x = input : f32[1,192]
          %a = const : f32[192,192] fill gaussian(seed = 1, std = 0.1)
          %b = const : f32[192,192] fill gaussian(seed = 1, std = 0.1)
          %h = FULLY_CONNECTED(%x, %a, _) : f32[1,192]
          %y = FULLY_CONNECTED(%h, %b, _) : f32[1,192]
          output %y
        }";
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    let module = parse(text, &options).unwrap();
    let size = |passes: &str| {
        let optimizer = Optimizer::parse(passes).unwrap();
        optimizer.run(module.clone()).unwrap().to_vec().unwrap().len()
    };
    let apart = "quantize-weights,insert-dequant,eliminate-dead-buffers";
    let (twice, once) = (size(apart), size("default"));
    assert!(once + 192 * 192 <= twice, "{twice} to {once} bytes");
}

/// 1.6: a table of FULLY_CONNECTED and GATHER is kept as float32 as well, and the file grows
/// (131 604 to 170 648).
#[test]
fn a_tied_embedding_is_stored_once() {
    for name in ["ops/tied_embedding_tensor", "ops/tied_embedding_buffer"] {
        let out = of(name, "");
        assert!(out.bytes.len() < model(name).len() / 2, "{name}");
        assert_eq!(out.report.statistic("constants-quantized"), 1, "{name}");
        assert_eq!(out.operand(ops::FULLY_CONNECTED, 1), ElementType::Int8, "{name}");
        assert_eq!(out.operand(ops::GATHER, 0), ElementType::Int8, "{name}");
    }
}

/// 1.6: of two configurations on one buffer the second is ignored, so one op has scales along a foreign axis.
#[test]
fn readers_that_want_other_axes_agree_on_one_form() {
    let out = of("ops/two_subgraphs_shared_buffer", HYBRID);
    for (_, graph) in out.module.subgraphs() {
        for id in graph.tensors().filter(|id| graph.tensor(*id).ty == ElementType::Int8) {
            assert!(symmetric(graph.tensor(id).quantization.as_deref().unwrap(), 1, 0));
        }
    }
    assert_eq!(out.report.statistic("constants-quantized"), 1);
}

/// 1.6: names that are missing, empty or not unique are a ValueError or an AttributeError.
#[test]
fn names_may_be_missing_empty_or_twice_the_same() {
    assert!(of("odd/tensor_names", "").report.statistic("constants-quantized") > 0);
}

/// 1.7: operator versions are never raised.
#[test]
fn versions_rise_with_the_weights() {
    assert_eq!(of("ops/fc_bias", HYBRID).op(ops::FULLY_CONNECTED).1.version, 12);
    let one_scale = "granularity=tensor exact-activations=off";
    assert_eq!(of("ops/fc_bias", one_scale).op(ops::FULLY_CONNECTED).1.version, 3);
    assert_eq!(of("ops/conv_2d", "").op(ops::CONV_2D).1.version, 5);
    assert_eq!(of("ops/conv_3d", "").op(ops::DEQUANTIZE).1.version, 5);
    assert_eq!(of("ops/fc_bias", "type=float16").op(ops::DEQUANTIZE).1.version, 3);
}

/// 1.7: the old field of an operator code that is added holds 0, which is ADD.
#[test]
fn an_operator_code_that_is_added_has_both_fields() {
    let out = of("ops/conv_3d", "");
    let file = tfq_opt::tflite::root_as_model(&out.bytes).unwrap();
    let codes = file.operator_codes().unwrap();
    let code = codes.iter().find(|code| code.builtin_code().0 == ops::DEQUANTIZE).unwrap();
    assert_eq!(i32::from(code.deprecated_builtin_code()), ops::DEQUANTIZE);
}

/// 1.7: `asymmetric_quantize_inputs` is never set.
#[test]
fn hybrid_ops_quantise_their_activations_asymmetrically() {
    for (name, code) in [
        ("ops/fc_bias", ops::FULLY_CONNECTED),
        ("ops/batch_matmul", ops::BATCH_MATMUL),
        ("ops/lstm_full", ops::LSTM),
        ("ops/svdf", ops::SVDF),
    ] {
        assert_eq!(
            of(name, HYBRID).op(code).1.bool("asymmetric_quantize_inputs"),
            Some(true),
            "{name}"
        );
    }
}

/// 1.7: `min_runtime_version` stays what it was for float32.
#[test]
fn the_least_runtime_is_that_of_the_new_versions() {
    let out = of("digits/digits_cnn", "");
    let text = out.module.metadata_bytes("min_runtime_version").unwrap();
    assert_eq!(text.split(|b| *b == 0).next(), Some(&b"2.17.0"[..]));
    let capped = Optimizer::default().for_target(Target::named("tflite-2.5").unwrap());
    let capped = lifted(&capped.run(model("digits/digits_cnn")).unwrap().to_vec().unwrap());
    let text = capped.metadata_bytes("min_runtime_version").unwrap();
    assert!(
        tfq_opt::target::max_runtime(
            [std::str::from_utf8(text.split(|b| *b == 0).next().unwrap()).unwrap(), "2.5.0"]
                .into_iter()
        ) == Some("2.5.0")
    );
}

/// 1.7: from 256 KiB on constants go behind the flatbuffer, where older runtimes do not look.
#[test]
fn constants_stay_inside_the_flatbuffer_where_they_were() {
    let rows = 80_000;
    let out = quantised(dense(rows, &waves(32 * rows as usize)), "");
    assert!(out.bytes.len() > 2 << 20);
    assert!(!out.module.constants_outside());
}

/// 1.7: a zip behind the flatbuffer, with labels, is lost.
#[test]
fn what_follows_the_flatbuffer_is_kept() {
    let before = lifted(&model("odd/zip_behind"));
    assert_eq!(of("odd/zip_behind", "").module.trailer().len(), before.trailer().len());
    assert!(!before.trailer().is_empty());
}

/// 1.7: files are written as executable.
#[cfg(unix)]
#[test]
fn files_are_not_executable() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.tflite");
    let output = command(&["tests/models/ops/fc_bias.tflite", "-q", "-o", path.to_str().unwrap()]);
    assert!(output.status.success());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0);
}

/// 1.7: weights that are float16 already are left alone without a word. Int8 takes half of them.
#[test]
fn weights_that_are_quantised_already_are_told() {
    assert!(of("odd/fp16_weights", "type=float16").says("already float16", "FLOAT16"));
    assert!(of("odd/int8_weights", "exact-activations=off").says("already quantised", "INT8"));
    assert_eq!(of("odd/fp16_weights", HYBRID).operand(ops::FULLY_CONNECTED, 1), ElementType::Int8);
    let again = quantised(of("ops/fc_bias", "").bytes, "");
    assert!(again.says("already quantised", "INT8") && again.module.journal().is_empty());
}

/// 1.7: the file identifier is not checked, and a truncated file is an error of `struct`.
#[test]
fn bad_files_are_refused_with_one_clear_error() {
    let mut bytes = model("ops/fc_bias");
    bytes[4..8].copy_from_slice(b"TFL9");
    let optimizer = Optimizer::default();
    assert!(optimizer.run(&bytes[..]).unwrap_err().to_string().contains("TFL"));
    let whole = model("ops/fc_bias");
    for length in [0, 7, 100, whole.len() / 2] {
        assert!(optimizer.run(&whole[..length]).is_err(), "{length} bytes");
    }
}

/// 1.9: the exit status is 0 where nothing was done for a wrong name, and the output's name is not one's own.
#[test]
fn failures_have_an_exit_status_and_outputs_their_name() {
    assert_eq!(command(&["tests/cli/files/keras.h5"]).status.code(), Some(1));
    assert_eq!(command(&["tests/models/missing.tflite"]).status.code(), Some(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any name at all");
    let arguments = ["tests/models/ops/fc_bias.tflite", "-q", "-o", path.to_str().unwrap()];
    // Twice: nobody is asked whether the file may be replaced.
    assert!(command(&arguments).status.success() && command(&arguments).status.success());
    assert!(path.exists());
}

/// 2: an unknown recipe gives int8, with exit status 0.
#[test]
fn an_unknown_pipeline_is_an_error() {
    let output = command(&["tests/models/ops/fc_bias.tflite", "--passes=dynamic-int8"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no pass `dynamic-int8`"));
}

/// 5: the int8 model is larger than the float one (tensorflow#45932: 13 992 to 23 288 bytes).
#[test]
fn scales_never_make_a_file_larger() {
    for (name, scales) in [("ops/fc_1024x1", 1), ("ops/embedding_wide", 1)] {
        let out = of(name, "");
        assert!(out.bytes.len() < model(name).len(), "{name}");
        let weight = if name.ends_with("wide") { "table" } else { "weights" };
        assert!(symmetric(out.quantization(weight), scales, 0), "{name}");
        assert!(out.says("quantised", "scales would cost more bytes"), "{name}");
    }
}

/// 5: "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'" (tensorflow#80736, #76743,
/// tfjs#8461).
#[test]
fn a_fleet_with_an_old_runtime_never_sees_version_12() {
    for name in ["tflite-2.3", "tflite-2.5", "tflite-2.14"] {
        let optimizer = Optimizer::default().for_target(Target::named(name).unwrap());
        let output = optimizer.run(model("ops/fc_bias")).unwrap().to_vec().unwrap();
        let module = lifted(&output);
        assert!(module.op_codes().iter().all(|code| code.version <= 9), "{name}");
        let (sg, id) = common::tensor(&module, "weights").unwrap();
        assert_eq!(module.subgraph(sg).tensor(id).ty, ElementType::Int8, "{name}");
    }
}

/// 5: "Hybrid models are not supported" by TFLM (tflite-micro#757, #1556, #2543).
#[test]
fn tflm_never_sees_a_hybrid_op() {
    let tflm = Target::named("tflm").unwrap();
    for prefer in ["target", "size"] {
        let passes = format!("quantize-weights{{prefer={prefer}}},insert-dequant");
        let optimizer = Optimizer::parse(&passes).unwrap().for_target(Arc::clone(&tflm));
        let module = optimizer.run(model("ops/fc_bias")).unwrap().module;
        let (sg, op, _) = module.ops_of_kind(ops::FULLY_CONNECTED).next().unwrap();
        let graph = module.subgraph(sg);
        assert_eq!(
            graph.tensor(graph.operand(op, 1).unwrap()).ty,
            ElementType::Float32,
            "{prefer}"
        );
    }
}

/// Converter, `disable_per_channel`: a depthwise filter with one scale in a model of several ops (-555 dB).
#[test]
fn one_scale_is_given_only_to_ops_that_read_one() {
    let out = of("digits/digits_depthwise", "granularity=tensor");
    for (graph, op) in out.ops(ops::DEPTHWISE_CONV_2D) {
        let filter = graph.tensor(graph.operand(op, 1).unwrap());
        if filter.ty == ElementType::Int8 {
            assert_eq!(filter.scales(), *filter.shape.last().unwrap() as usize);
        }
    }
}

/// Converter: where a weight of an LSTM is below the threshold, the whole op stays float32.
#[test]
fn a_small_weight_of_an_lstm_does_not_keep_it_float32() {
    let out = of("digits/digits_lstm", "min-elements=1024");
    let (graph, op) = out.ops(ops::UNIDIRECTIONAL_SEQUENCE_LSTM)[0];
    for slot in (1..=8).filter(|slot| graph.operand(op, *slot).is_some()) {
        assert_eq!(graph.tensor(graph.operand(op, slot).unwrap()).ty, ElementType::Int8, "{slot}");
    }
    assert_eq!(out.dequantize(), 0);
}

/// A patch that leaves an int8 weight to an op that cannot read it is never written, whoever made it.
#[test]
fn what_does_not_run_is_not_written() {
    let error =
        Optimizer::parse("quantize-weights").unwrap().run(model("ops/conv_3d")).unwrap_err();
    assert!(error.to_string().contains("cannot run the result"), "{error}");
    let mut module = lifted(&model("ops/conv_3d"));
    let (sg, id) = common::tensor(&module, "weights").unwrap();
    let buffer = module.add_constant(Bytes::from(vec![0; 1152]));
    let mut patch = Patch::new(sg, "by hand");
    patch.set_type(id, ElementType::Int8);
    patch.set_buffer(id, buffer);
    patch.set_quantization(id, Some(Arc::new(Quantization::symmetric(vec![1.0], 0))));
    module.apply(patch).unwrap();
    assert!(Optimizer::parse("").unwrap().run(module).is_err());
    // Without a scale a kernel takes it for one of 0.
    let mut module = lifted(&model("ops/fc_bias"));
    let (sg, id) = common::tensor(&module, "weights").unwrap();
    let buffer = module.add_constant(Bytes::from(vec![1; 1280]));
    let mut patch = Patch::new(sg, "by hand");
    patch.set_type(id, ElementType::Int8);
    patch.set_buffer(id, buffer);
    module.apply(patch).unwrap();
    let error = Optimizer::parse("").unwrap().run(module).unwrap_err();
    assert!(error.to_string().contains("the weight has no scale"), "{error}");
}
