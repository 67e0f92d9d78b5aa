//! TensorFlow's legacy quantizer. The section is that of its description.

use super::*;
use tfq_opt::ir::TensorLink;

/// 2: states and the auxiliary input count as weights, so BIDIRECTIONAL_SEQUENCE_RNN is never hybrid.
#[test]
fn bidirectional_sequence_rnn_is_hybrid() {
    let out = of("ops/bidirectional_sequence_rnn", "");
    for slot in [1, 2, 5, 6] {
        assert_eq!(out.operand(ops::BIDIRECTIONAL_SEQUENCE_RNN, slot), ElementType::Int8);
    }
    for slot in [4, 8] {
        assert_eq!(out.operand(ops::BIDIRECTIONAL_SEQUENCE_RNN, slot), ElementType::Float32);
    }
    assert_eq!(out.dequantize(), 0);
}

/// 2: operand indices are used unchecked, past the five operands of a BASIC LSTM.
#[test]
fn a_basic_lstm_is_not_read_past_its_operands() {
    for options in ["", "compat=toco"] {
        let out = of("ops/lstm_basic", options);
        assert_eq!(out.operand(ops::LSTM, 2), ElementType::Float32, "{options}");
        assert_eq!(out.dequantize(), 1, "{options}");
    }
}

/// 3: TRANSPOSE_CONV and EMBEDDING_LOOKUP are not taken for hybrid.
#[test]
fn transpose_conv_and_embedding_lookup_are_hybrid() {
    assert_eq!(of("ops/transpose_conv", "").operand(ops::TRANSPOSE_CONV, 1), ElementType::Int8);
    assert_eq!(of("ops/embedding_lookup", "").operand(ops::EMBEDDING_LOOKUP, 1), ElementType::Int8);
}

/// 4.1: a dimension of 0 or -1 at a weight's place fails the whole call.
#[test]
fn a_dimension_that_is_not_known_does_not_stop_the_others() {
    for unknown in [0, -1] {
        let mut g = Build::new();
        let (x, a, y) = (
            g.input("input", &[1, 32]),
            g.input("rhs", &[32, unknown]),
            g.tensor("output", &[1, 32]),
        );
        let product = g.tensor("product", &[1, unknown]);
        g.op(ops::BATCH_MATMUL, &[Some(x), Some(a)], product, &[]);
        let weights = g.weights("weights", &[32, 32]);
        g.op(ops::FULLY_CONNECTED, &[Some(x), Some(weights), None], y, &[]);
        g.output(product);
        g.output(y);
        let module = g.model();
        for options in ["", "compat=toco"] {
            let out = quantised(module.clone(), options);
            assert_eq!(out.ty("weights"), ElementType::Int8, "{options}");
        }
    }
}

/// 4.1: constants outside the flatbuffer are never quantised.
#[test]
fn constants_outside_the_flatbuffer_are_quantised() {
    let out = of("odd/buffers_outside", "");
    assert!(out.report.statistic("constants-quantized") > 0);
    assert!(out.module.constants_outside());
}

/// 4.1: `asymmetric_quantize_inputs` is set also on ops that turn out not to be hybrid.
#[test]
fn ops_behind_a_dequantize_keep_their_attributes() {
    for options in
        ["deny=FULLY_CONNECTED", "hybrid=off", "type=float16", "compat=toco deny=FULLY_CONNECTED"]
    {
        let flag = of("ops/fc_bias", options)
            .op(ops::FULLY_CONNECTED)
            .1
            .bool("asymmetric_quantize_inputs");
        assert_ne!(flag, Some(true), "{options}");
    }
}

/// 4.1: an op without an options table is a null pointer.
#[test]
fn an_op_may_have_no_options() {
    for options in ["", "compat=toco"] {
        assert_eq!(quantised(dense(32, &waves(1024)), options).ty("weights"), ElementType::Int8);
    }
}

/// 4.1: the first op that reads a constant decides on its scales, whatever the others can read.
#[test]
fn every_reader_of_a_constant_is_asked() {
    // The axis of BATCH_MATMUL is not that of FULLY_CONNECTED.
    let mut g = Build::new();
    let (x, y, z) =
        (g.input("input", &[1, 32]), g.tensor("first", &[1, 32]), g.tensor("second", &[1, 32]));
    let weights = g.weights("weights", &[32, 32]);
    g.op(ops::FULLY_CONNECTED, &[Some(x), Some(weights), None], y, &[]);
    g.op(ops::BATCH_MATMUL, &[Some(x), Some(weights)], z, &[]);
    g.output(y);
    g.output(z);
    let out = quantised(g.model(), HYBRID);
    assert!(symmetric(out.quantization("weights"), 1, 0));
    assert_eq!(out.dequantize(), 0);
}

/// 4.2: two tensors on one buffer are quantised one over the other, the second from int8 bytes.
#[test]
fn a_buffer_of_two_tensors_is_quantised_once() {
    for options in ["", "compat=toco", "type=float16", "compat=toco type=float16"] {
        for name in
            ["ops/two_tensors_fc_fc", "ops/two_subgraphs_shared_buffer", "ops/while_shared_weight"]
        {
            let out = of(name, options);
            let mut once = None;
            for (_, graph) in out.module.subgraphs() {
                for id in graph.tensors() {
                    let tensor = graph.tensor(id);
                    if !matches!(tensor.ty, ElementType::Int8 | ElementType::Float16) {
                        continue;
                    }
                    let bytes = out.module.constants().get(tensor.buffer).map_or(0, Bytes::len);
                    let wanted = tensor.ty.bytes_for(tensor.elements().unwrap()).unwrap();
                    assert_eq!(bytes as u64, wanted, "{name} {options}");
                    if tensor.elements() >= Some(1024) {
                        assert_eq!(
                            *once.get_or_insert(tensor.buffer),
                            tensor.buffer,
                            "{name} {options}"
                        );
                    }
                }
            }
            assert!(once.is_some(), "{name} {options}");
        }
    }
}

/// 4.2, 4.3: what is done follows the order of a hash map (three runs, three files).
#[test]
fn runs_give_the_same_bytes() {
    for name in
        ["ops/lstm_full", "ops/two_tensors_fc_add", "ops/shared_fc_and_add", "digits/digits_gru"]
    {
        for options in ["hybrid=off", "compat=toco", "type=float16"] {
            let first = of(name, options).bytes;
            assert!((0..3).all(|_| of(name, options).bytes == first), "{name} {options}");
        }
    }
}

/// 4.3c: a weight below the threshold puts all of the op's weights behind a Dequantize.
#[test]
fn a_small_weight_goes_with_the_large_ones() {
    let out = of("ops/lstm_full", "");
    assert_eq!(out.ty("peephole_input"), ElementType::Int8);
    assert_eq!(out.dequantize(), 0);
    // Not even where its scale costs more bytes than it saves.
    let out = quantised(rnn(256), "");
    assert_eq!((out.ty("large"), out.ty("small")), (ElementType::Int8, ElementType::Int8));
    assert_eq!(out.dequantize(), 0);
    // All of them together have to be worth it.
    let out = quantised(rnn(4), "min-elements=1");
    assert_eq!((out.ty("large"), out.ty("small")), (ElementType::Float32, ElementType::Float32));
    assert!(out.says("incomplete", "more bytes than its weights save"));

    fn rnn(inputs: i32) -> Module {
        let mut g = Build::new();
        let (x, y) = (g.input("input", &[1, inputs]), g.tensor("output", &[1, 4]));
        let mut state = Tensor::new("state", ElementType::Float32, [1, 4]);
        state.is_variable = true;
        let state = g.sg.tensor(state);
        let (large, small) = (g.weights("large", &[4, inputs]), g.weights("small", &[4, 4]));
        let bias = g.weights("bias", &[4]);
        g.op(ops::RNN, &[Some(x), Some(large), Some(small), Some(bias), Some(state)], y, &[]);
        g.output(y);
        g.model()
    }
}

/// 4.3f: an operator code of DEQUANTIZE is used in whatever version it has, and a new one is 2.
#[test]
fn dequantize_has_the_version_that_its_operand_asks_for() {
    assert_eq!(of("ops/conv_3d", "").op(ops::DEQUANTIZE).1.version, 5);
    assert_eq!(of("ops/conv_3d", "granularity=tensor").op(ops::DEQUANTIZE).1.version, 2);
    // Here is one of float16, version 3, and one of several scales comes along.
    let out = of("ops/fc_float16_bias", "");
    assert!(out.ops(ops::DEQUANTIZE).iter().all(|(graph, op)| graph.op(*op).version == 5));
}

/// 4.3h: only the first of several outputs that are the constant is replaced.
#[test]
fn every_output_that_is_the_constant_is_served() {
    let mut g = Build::new();
    let (x, y) = (g.input("input", &[1, 32]), g.tensor("output", &[1, 32]));
    let weights = g.weights("weights", &[32, 32]);
    g.op(ops::FULLY_CONNECTED, &[Some(x), Some(weights), None], y, &[]);
    for output in [weights, y, weights] {
        g.output(output);
    }
    let module = g.model();
    for options in ["", "type=float16", "compat=toco type=float16"] {
        let out = quantised(module.clone(), options);
        let graph = out.module.subgraph(MAIN);
        let types: Vec<_> = graph.outputs().iter().map(|id| graph.tensor(*id).ty).collect();
        assert_eq!(types, [ElementType::Float32; 3], "{options}");
    }
}

/// 4.3h: signatures are not told of an output that was replaced, and the output gets another name.
#[test]
fn outputs_keep_their_names_and_signatures_follow() {
    let out = of("ops/weight_is_output", "");
    let before = lifted(&model("ops/weight_is_output"));
    let names = |module: &Module| {
        let graph = module.subgraph(MAIN);
        graph.outputs().iter().map(|id| graph.tensor(*id).label().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&out.module));
    let out = of("ops/two_subgraphs_shared_buffer", "");
    for signature in out.module.signatures() {
        let graph = out.module.subgraph(SubgraphId(signature.subgraph));
        for (_, link) in &signature.outputs {
            let TensorLink::Tensor(id) = link else { panic!("a link leads nowhere") };
            assert!(graph.outputs().contains(id));
        }
    }
}

/// 4.4: versions are assigned to every operator code, of ops that nothing was done to as well.
#[test]
fn versions_of_other_ops_stay() {
    // Its FULLY_CONNECTED is below the threshold.
    assert_eq!(of("ops/fc_1023", "").op(ops::FULLY_CONNECTED).1.version, 1);
    // The versions of sparse and of grouped ops would be lowered.
    assert_eq!(of("odd/sparse_fc", "").op(ops::FULLY_CONNECTED).1.version, 8);
    assert_eq!(of("ops/conv_2d_grouped", "").op(ops::CONV_2D).1.version, 6);
    assert_eq!(of("ops/conv_2d_grouped", "compat=toco").op(ops::CONV_2D).1.version, 6);
}

/// 4.4: GATHER of int8 stays at version 1, which is float32's.
#[test]
fn gather_of_int8_is_version_2() {
    assert_eq!(of("ops/gather_table", "").op(ops::GATHER).1.version, 2);
    assert_eq!(of("ops/gather_table", "compat=toco").op(ops::GATHER).1.version, 2);
}

/// 4.5: `min_runtime_version` is not refreshed.
#[test]
fn the_least_runtime_rises() {
    let out = of("digits/digits_cnn", "compat=toco");
    let text = out.module.metadata_bytes("min_runtime_version").unwrap();
    let before = lifted(&model("digits/digits_cnn"));
    assert_ne!(Some(text), before.metadata_bytes("min_runtime_version"));
}

/// 5: a table that has another reader is dequantised as a whole before the lookup.
#[test]
fn a_lookup_copies_codes_whoever_else_reads_the_table() {
    let out = of("ops/tied_embedding_tensor", "");
    let (graph, op) = out.ops(ops::DEQUANTIZE)[0];
    let from = graph.operand(op, 0).unwrap();
    assert!(graph.producer(from).is_some(), "it converts what was looked up");
    assert_eq!(out.dequantize(), 1);
}

/// 5: EMBEDDING_LOOKUP passes codes to a Dequantize, though it could convert the rows itself.
#[test]
fn embedding_lookup_converts_its_rows_itself() {
    let out = of("ops/embedding_lookup", "");
    assert_eq!(out.dequantize(), 0);
    let (graph, op) = out.ops(ops::EMBEDDING_LOOKUP)[0];
    assert_eq!(graph.tensor(graph.results(op)[0]).ty, ElementType::Float32);
}

/// 6: biases become float16 as well, which XNNPACK cannot build beside int8 weights and does not
/// take beside float32.
#[test]
fn biases_stay_float32() {
    for name in ["ops/fc_bias", "ops/conv_2d", "ops/transpose_conv"] {
        assert_eq!(
            of(name, "type=float16 min-elements=1").ty("bias"),
            ElementType::Float32,
            "{name}"
        );
    }
}

/// 6: a Dequantize of float16 is written as version 2.
#[test]
fn dequantize_of_float16_is_version_3() {
    for options in ["type=float16", "compat=toco type=float16"] {
        assert_eq!(of("ops/fc_bias", options).op(ops::DEQUANTIZE).1.version, 3, "{options}");
    }
}

/// 6: a constant that is an output becomes float16 for the caller.
#[test]
fn outputs_stay_float32() {
    for options in ["type=float16", "compat=toco type=float16"] {
        let out = of("ops/weight_is_output", options);
        let graph = out.module.subgraph(MAIN);
        assert!(
            graph.outputs().iter().all(|id| graph.tensor(*id).ty == ElementType::Float32),
            "{options}"
        );
    }
}

/// 7.1: values below 3.7e-37 overflow 127 / range.
#[test]
fn tiny_values_have_normal_scales() {
    let out = of("ops/fc_denormal", "");
    assert!(symmetric(out.quantization("weights"), 32, 0));
    let out = quantised(dense(32, &[1e-38; 1024]), "");
    assert!(
        out.ty("weights") == ElementType::Float32 || symmetric(out.quantization("weights"), 32, 0)
    );
}

/// 7.2: a rank above 4 is INVALID_ARGUMENT.
#[test]
fn filters_of_rank_5_are_quantised_per_channel() {
    let out = of("ops/conv_3d", "");
    assert_eq!(out.tensor("weights").shape.len(), 5);
    let channels = *out.tensor("weights").shape.last().unwrap() as usize;
    assert!(symmetric(out.quantization("weights"), channels, 4));
}

/// 7.2: `min` and `max` of the file are believed, of whatever length (one entry is read past its
/// end), and where they do not cover the data codes wrap around: 300 becomes 44.
#[test]
fn stated_ranges_are_not_believed() {
    for (min, max) in
        [(vec![-0.1; 16], vec![0.1; 16]), (vec![-0.1], vec![0.1]), (vec![-0.1; 16], vec![])]
    {
        let mut g = Build::new();
        let (x, y) = (g.input("input", &[1, 6, 6, 8]), g.tensor("output", &[1, 6, 6, 16]));
        let values = waves(1152);
        let buffer = g.buffer(&values);
        let mut filter = Tensor::new("weights", ElementType::Float32, [16, 3, 3, 8]);
        filter.buffer = buffer;
        filter.quantization = Some(stated(&min, &max));
        let filter = g.sg.tensor(filter);
        let bias = g.constant("bias", &[16], &[0.0; 16]);
        let strides = [("stride_w", Attr::Int(1)), ("stride_h", Attr::Int(1))];
        g.op(ops::CONV_2D, &[Some(x), Some(filter), Some(bias)], y, &strides);
        g.output(y);
        let module = g.model();
        let out = quantised(module.clone(), "");
        let q = out.quantization("weights");
        assert!(symmetric(q, 16, 0) && q.min.is_empty() && q.max.is_empty());
        for (n, (value, code)) in values.iter().zip(out.bytes("weights")).enumerate() {
            let off = (f32::from(*code as i8) * q.scale[n / 72] - value).abs();
            assert!(off <= 0.51 * q.scale[n / 72], "{n}");
        }
        // Where the legacy arithmetic is asked for, ranges of another length are computed, and
        // nothing wraps around.
        let legacy = quantised(module, "compat=toco");
        for (value, code) in values.iter().zip(legacy.bytes("weights")) {
            assert!(
                value.signum() * f32::from(*code as i8) >= 0.0,
                "{value} became {}",
                *code as i8
            );
        }
    }
}

/// 7.2: an all-zero channel has scale 0.
#[test]
fn an_all_zero_filter_channel_has_a_positive_scale() {
    let mut values = waves(1152);
    values[..72].fill(0.0);
    let mut g = Build::new();
    let (x, y) = (g.input("input", &[1, 6, 6, 8]), g.tensor("output", &[1, 6, 6, 16]));
    let filter = g.constant("weights", &[16, 3, 3, 8], &values);
    let bias = g.constant("bias", &[16], &[0.0; 16]);
    let strides = [("stride_w", Attr::Int(1)), ("stride_h", Attr::Int(1))];
    g.op(ops::CONV_2D, &[Some(x), Some(filter), Some(bias)], y, &strides);
    g.output(y);
    let out = quantised(g.model(), "");
    assert!(symmetric(out.quantization("weights"), 16, 0));
    assert!(out.bytes("weights")[..72].iter().all(|code| *code == 0));
}

/// 7.2: `min` and `max` are written beside the scales (124 KB of MobileNetV2).
#[test]
fn ranges_are_not_written_beside_scales() {
    let out = of("ops/conv_min0_max10", "min-elements=1");
    let q = out.quantization("conv_weights");
    assert!(q.min.is_empty() && q.max.is_empty());
}

/// 7.3: a buffer that is longer than its tensor is copied in full, past the end of the vector.
#[test]
fn a_buffer_may_be_longer_than_its_tensor() {
    for options in ["", "type=float16", "compat=toco", "compat=toco type=float16"] {
        let out = quantised(dense(32, &waves(1100)), options);
        let bytes = out.ty("weights").bytes_for(1024).unwrap();
        assert_eq!(out.bytes("weights").len() as u64, bytes, "{options}");
    }
}
