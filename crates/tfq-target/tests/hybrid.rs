//! What the target `litert` says of ops and weights: for each rule an instance that runs and one
//! that looks like it and does not.

mod common;

use common::*;
use tfq_ir::OpKind;
use tfq_ir::catalog::ops::*;
use tfq_target::{Granularity, Target, Verdict, WeightForm};

const TANH_ACTIVATION: i64 = 4;

fn conv() -> Case {
    let operands =
        vec![Some(data(&[1, 8, 8, 4])), Some(constant(&[16, 3, 3, 4])), Some(constant(&[16]))];
    case(CONV_2D, operands)
}

fn grouped_conv() -> Case {
    conv().operand(0, Some(data(&[1, 8, 8, 8])))
}

fn depthwise() -> Case {
    let operands =
        vec![Some(data(&[1, 8, 8, 4])), Some(constant(&[1, 3, 3, 8])), Some(constant(&[8]))];
    case(DEPTHWISE_CONV_2D, operands).int("depth_multiplier", 2)
}

fn dense() -> Case {
    case(
        FULLY_CONNECTED,
        vec![Some(data(&[1, 64])), Some(constant(&[16, 64])), Some(constant(&[16]))],
    )
}

fn transpose_conv() -> Case {
    let operands = vec![
        Some(constant(&[4]).ty(Int32)),
        Some(constant(&[16, 3, 3, 4])),
        Some(data(&[1, 8, 8, 4])),
        Some(constant(&[16])),
    ];
    case(TRANSPOSE_CONV, operands)
}

fn matmul(lhs: &[i32], rhs: &[i32]) -> Case {
    case(BATCH_MATMUL, vec![Some(data(lhs)), Some(constant(rhs))])
}

fn embedding(shape: &[i32]) -> Case {
    case(EMBEDDING_LOOKUP, vec![Some(data(&[3]).ty(Int32)), Some(constant(shape))])
}

fn rnn() -> Case {
    let operands = vec![
        Some(data(&[1, 8])),
        Some(constant(&[4, 8])),
        Some(constant(&[4, 4])),
        Some(constant(&[4])),
        Some(data(&[1, 4])),
    ];
    case(RNN, operands)
}

/// An LSTM of kernel type FULL, or a unidirectional sequence LSTM, without peepholes and
/// projection.
fn lstm(code: i32) -> Case {
    let mut operands: Vec<Option<T>> = vec![None; 20];
    operands[0] = Some(data(&[1, 8]));
    for slot in 1..=4 {
        operands[slot] = Some(constant(&[4, 8]));
        operands[slot + 4] = Some(constant(&[4, 4]));
        operands[slot + 11] = Some(constant(&[4]));
    }
    operands[18] = Some(data(&[1, 4]));
    operands[19] = Some(data(&[1, 4]));
    case(code, operands)
}

#[test]
fn what_holds_for_every_op() {
    delegated(dense().ask(1, Int8, TENSOR));
    refused(dense().ask(1, Float16, Granularity::Unscaled), "float16");
    refused(transpose_conv().ask(1, Float16, TENSOR), "float16");
    refused(dense().ask(1, Float32, Granularity::Unscaled), "float32");
    refused(dense().operand(1, Some(data(&[16, 64]))).ask(1, Int8, TENSOR), "no constant");
    refused(dense().operand(1, Some(constant(&[16, 64]).sparse())).ask(1, Int8, TENSOR), "sparse");
    refused(dense().ask(1, Int8, Granularity::Unscaled), "no scale");
    refused(dense().ask(1, Int8, Granularity::Other), "no kernel reads");
    refused(dense().operand(0, Some(data(&[1, 64]).ty(Int8))).ask(1, Int8, TENSOR), "activation");
    refused(dense().operand(0, None).ask(1, Int8, TENSOR), "activation");
    refused(dense().results(vec![data(&[1, 16]).ty(Int8)]).ask(1, Int8, TENSOR), "result");
    // An activation that a pass made int8 and that still gets its Dequantize is float32 to the op.
    delegated(
        dense()
            .operand(0, Some(constant(&[1, 64]).ty(Int8).expressed(Float32)))
            .ask(1, Int8, TENSOR),
    );
}

#[test]
fn only_weights_of_known_ops_are_asked_about() {
    refused(dense().ask(2, Int8, TENSOR), "no weight");
    refused(
        case(ADD, vec![Some(data(&[1])), Some(constant(&[1]))]).ask(1, Int8, TENSOR),
        "no kernel",
    );
    refused(dense().operand(1, None).ask(1, Int8, TENSOR), "no operand");
}

#[test]
fn parameters_count_where_the_tensor_has_the_form() {
    let weight = constant(&[16, 64]).ty(Int8);
    delegated(dense().operand(1, Some(weight.clone().scales(&[0.5], 0))).ask_as_is(1));
    delegated(dense().operand(1, Some(weight.clone().channels(0))).ask_as_is(1));
    refused(
        dense().operand(1, Some(weight.clone().channels(0).zero_point(3))).ask_as_is(1),
        "zero point",
    );
    for bad in [0.0, -1.0, 1e-39, f32::NAN, f32::INFINITY] {
        refused(dense().operand(1, Some(weight.clone().scales(&[bad], 0))).ask_as_is(1), "scale");
    }
    refused(dense().operand(1, Some(weight.clone().channels(1))).ask_as_is(1), "axis 0");
    // Scales of a float tensor say nothing about the form it could get.
    delegated(dense().operand(1, Some(constant(&[16, 64]).scales(&[0.0], 0))).ask(1, Int8, TENSOR));
}

#[test]
fn conv_needs_a_float32_bias() {
    delegated(conv().ask(1, Int8, TENSOR));
    delegated(conv().ask(1, Int8, channel(0)));
    refused(conv().operand(2, None).ask(1, Int8, channel(0)), "bias");
    let two = case(CONV_2D, vec![Some(data(&[1, 8, 8, 4])), Some(constant(&[16, 3, 3, 4]))]);
    refused(two.ask(1, Int8, channel(0)), "so does the float kernel");
    refused(conv().operand(2, Some(constant(&[16]).ty(Int32))).ask(1, Int8, TENSOR), "float32");
}

#[test]
fn float16_biases_beside_hybrid_weights_are_refused() {
    for case in [conv(), dense()] {
        let with = |bias: T| {
            let Verdict::Dequantize { reason } = case_with(&case, bias).ask(1, Int8, channel(0))
            else {
                return None;
            };
            Some(reason)
        };
        let folded = with(constant(&[16]).behind_dequantize_of(Float16));
        assert!(folded.unwrap().contains("float16"));
        let pending = with(constant(&[16]).ty(Float16).expressed(Float32));
        assert!(pending.unwrap().contains("float16"));
        // A bias behind a Dequantize of int8 is computed before anything runs.
        assert_eq!(with(constant(&[16]).behind_dequantize_of(Int8)), None);
    }
    // XNNPACK leaves the op to the CPU, which wants the Dequantize.
    let depthwise = |bias: T| case_with(&depthwise(), bias).ask(1, Int8, channel(3));
    on_cpu(depthwise(constant(&[16]).behind_dequantize_of(Float16)));
    on_cpu(depthwise(constant(&[16]).ty(Float16).expressed(Float32)));
    refused(depthwise(constant(&[16]).ty(Float16)), "float16");
    let transposed =
        transpose_conv().operand(3, Some(constant(&[16]).behind_dequantize_of(Float16)));
    delegated(transposed.ask(1, Int8, TENSOR));

    fn case_with(case: &Case, bias: T) -> Built {
        case.with_operand(2, bias).build()
    }
}

#[test]
fn conv_types_and_axes() {
    on_cpu(conv().ask(1, Int4, TENSOR));
    on_cpu(conv().ask(1, Int4, channel(0)));
    on_cpu(conv().ask(1, UInt8, TENSOR));
    refused(conv().ask(1, UInt8, channel(0)), "something else");
    refused(conv().ask(1, Int2, channel(0)), "something else");
    refused(conv().ask(1, Int16, TENSOR), "something else");
    refused(conv().ask(1, Int8, channel(3)), "axis 0");
    refused(conv().ask(1, Int4, Granularity::Blockwise { block: 32 }), "something else");
    on_cpu(conv().int("fused_activation_function", TANH_ACTIVATION).ask(1, Int8, TENSOR));
    on_cpu(conv().operand(2, Some(data(&[16]))).ask(1, Int8, TENSOR));
}

#[test]
fn grouped_conv_needs_a_scale_per_channel() {
    delegated(grouped_conv().ask(1, Int8, channel(0)));
    on_cpu(grouped_conv().ask(1, Int4, channel(0)));
    refused(grouped_conv().ask(1, Int8, TENSOR), "grouped");
    refused(grouped_conv().ask(1, Int4, TENSOR), "grouped");
    refused(grouped_conv().ask(1, UInt8, TENSOR), "grouped");
    // Channels that are not known could be groups.
    let unknown = conv().operand(0, Some(data(&[1, 8, 8, 4]).signature(&[-1, 8, 8, -1])));
    refused(unknown.ask(1, Int8, TENSOR), "grouped");
    delegated(unknown.ask(1, Int8, channel(0)));
    let batch = conv().operand(0, Some(data(&[1, 8, 8, 4]).signature(&[-1, 8, 8, 4])));
    delegated(batch.ask(1, Int8, TENSOR));
}

#[test]
fn depthwise_needs_scales_along_axis_3() {
    on_cpu(depthwise().ask(1, Int8, channel(3)));
    refused(depthwise().ask(1, Int8, TENSOR), "axis 3");
    refused(depthwise().ask(1, Int8, channel(2)), "axis 3");
    refused(depthwise().ask(1, Int4, channel(3)), "INT4");
    refused(depthwise().ask(1, UInt8, channel(3)), "INT8 filters only");
    refused(depthwise().operand(2, None).ask(1, Int8, channel(3)), "bias");
    refused(
        depthwise().operand(2, Some(constant(&[8]).ty(Int32))).ask(1, Int8, channel(3)),
        "bias",
    );
    refused(depthwise().int("depth_multiplier", 1).ask(1, Int8, channel(3)), "depth_multiplier");
}

#[test]
fn one_scale_for_one_channel_is_both() {
    let one = |weight: T| {
        let operands = vec![Some(data(&[1, 8, 8, 1])), Some(weight), Some(constant(&[1]))];
        case(DEPTHWISE_CONV_2D, operands).int("depth_multiplier", 1)
    };
    let filter = constant(&[1, 3, 3, 1]);
    on_cpu(one(filter.clone()).ask(1, Int8, TENSOR));
    on_cpu(one(filter.clone()).ask(1, Int8, channel(3)));
    on_cpu(one(filter.clone().ty(Int8).scales(&[0.5], 0)).ask_as_is(1));
    on_cpu(one(filter.clone().ty(Int8).scales(&[0.5], 3)).ask_as_is(1));
    // The kernel compares with the axis that the file names.
    refused(one(filter.ty(Int8).scales(&[0.5], 1)).ask_as_is(1), "axis 3");
    // The other way about: one channel is per tensor to an op that reads one scale.
    let narrow = rnn().operand(1, Some(constant(&[1, 8])));
    on_cpu(narrow.ask(1, Int8, channel(0)));
    refused(rnn().ask(1, Int8, channel(0)), "one scale");
}

#[test]
fn dense_types() {
    delegated(dense().ask(1, Int8, channel(0)));
    delegated(dense().ask(1, Int4, TENSOR));
    delegated(dense().ask(1, Int4, channel(0)));
    delegated(dense().ask(1, Int2, channel(0)));
    on_cpu(dense().ask(1, Int2, TENSOR));
    on_cpu(dense().ask(1, UInt8, TENSOR));
    refused(dense().ask(1, UInt8, channel(0)), "only");
    refused(dense().ask(1, Int16, TENSOR), "only");
    refused(dense().ask(1, Int8, channel(1)), "axis 0");
    on_cpu(dense().operand(1, Some(constant(&[16, 31]))).ask(1, Int4, channel(0)));
    on_cpu(dense().operand(1, Some(constant(&[16, 30]))).ask(1, Int2, channel(0)));
    delegated(dense().operand(1, Some(constant(&[16, 30]))).ask(1, Int4, channel(0)));
}

#[test]
fn dense_shapes_and_options() {
    refused(dense().operand(1, Some(constant(&[16, 8, 8]))).ask(1, Int8, TENSOR), "rank 2");
    delegated(dense().operand(2, None).ask(1, Int8, channel(0)));
    delegated(
        case(FULLY_CONNECTED, vec![Some(data(&[1, 64])), Some(constant(&[16, 64]))])
            .ask(1, Int8, TENSOR),
    );
    refused(dense().operand(2, Some(constant(&[16]).ty(Int32))).ask(1, Int8, TENSOR), "bias");
    on_cpu(dense().int("fused_activation_function", TANH_ACTIVATION).ask(1, Int8, TENSOR));
    delegated(dense().int("fused_activation_function", 3).ask(1, Int8, TENSOR));
    refused(dense().int("weights_format", 1).ask(1, UInt8, TENSOR), "shuffled");
}

#[test]
fn blockwise_weights_fail_on_the_reference_kernels() {
    let fits = blockwise_case(FULLY_CONNECTED, Int4, &[16, 64], 32, Float16);
    refused(fits, "(reference kernels)");
    refused(blockwise_case(FULLY_CONNECTED, Int4, &[3, 64], 32, Float16), "4 rows");
    refused(blockwise_case(FULLY_CONNECTED, Int4, &[16, 64], 32, Float32), "float16 scales");
    refused(blockwise_case(FULLY_CONNECTED, Int2, &[16, 64], 32, Float16), "INT4");
    refused(blockwise_case(FULLY_CONNECTED, Int4, &[16, 80], 32, Float16), "fill the rows");
    on_cpu(blockwise_case(EMBEDDING_LOOKUP, Int4, &[16, 64], 32, Float16));
    on_cpu(blockwise_case(EMBEDDING_LOOKUP, Int2, &[16, 64], 32, Float16));
    refused(blockwise_case(EMBEDDING_LOOKUP, Int4, &[16, 80], 32, Float16), "something else");
    refused(blockwise_case(EMBEDDING_LOOKUP, Int4, &[16, 64], 0, Float16), "something else");
}

#[test]
fn transpose_conv_rules() {
    delegated(transpose_conv().ask(1, Int8, TENSOR));
    delegated(transpose_conv().ask(1, Int8, channel(0)));
    delegated(transpose_conv().operand(3, None).ask(1, Int8, channel(0)));
    refused(transpose_conv().ask(1, Int8, channel(3)), "axis 0");
    refused(transpose_conv().ask(1, Int4, channel(0)), "INT8 weights only");
    refused(
        transpose_conv().operand(3, Some(constant(&[16]).ty(Int32))).ask(1, Int8, TENSOR),
        "bias",
    );
    on_cpu(transpose_conv().operand(0, Some(data(&[4]).ty(Int32))).ask(1, Int8, TENSOR));
    refused(
        transpose_conv().operand(2, Some(data(&[1, 8, 8, 4]).ty(Int8))).ask(1, Int8, TENSOR),
        "activation",
    );
}

#[test]
fn batch_matmul_axes() {
    let (last, transposed) = (matmul(&[2, 8], &[8, 16]), matmul(&[2, 8], &[16, 8]).flag("adj_y"));
    delegated(last.ask(1, Int8, channel(1)));
    refused(last.ask(1, Int8, channel(0)), "output columns");
    delegated(transposed.ask(1, Int8, channel(0)));
    refused(transposed.ask(1, Int8, channel(1)), "output columns");
    delegated(last.ask(1, Int8, TENSOR));
    refused(last.ask(1, Int4, TENSOR), "INT8");
    refused(last.ask(0, Int8, TENSOR), "no weight");
}

#[test]
fn batch_matmul_goes_wrong_with_two_batch_dimensions() {
    let ask = |lhs: &[i32], rhs: &[i32]| matmul(lhs, rhs).ask(1, Int8, TENSOR);
    for lhs in [&[3, 2, 8][..], &[1, 3, 2, 8], &[2, 1, 2, 8]] {
        delegated(ask(lhs, &[8, 16]));
    }
    refused(ask(&[2, 3, 2, 8], &[8, 16]), "batch");
    refused(ask(&[2, 3, 2, 2, 8], &[8, 16]), "batch");
    delegated(ask(&[2, 3, 2, 8], &[1, 1, 8, 16]));
    refused(ask(&[2, 3, 2, 8], &[1, 3, 8, 16]), "batch");
    delegated(ask(&[1, 3, 2, 8], &[1, 3, 8, 16]));
    // What is not known before run time may be above 1.
    let dynamic = |shape: &[i32], signature: &[i32]| {
        matmul(shape, &[8, 16])
            .operand(0, Some(data(shape).signature(signature)))
            .ask(1, Int8, TENSOR)
    };
    delegated(dynamic(&[1, 2, 8], &[-1, 2, 8]));
    refused(dynamic(&[1, 1, 2, 8], &[-1, -1, 2, 8]), "may have");
    refused(dynamic(&[1, 3, 2, 8], &[-1, 3, 2, 8]), "may have");
    delegated(dynamic(&[1, 1, 2, 8], &[-1, 1, 2, 8]));
    refused(ask(&[], &[8, 16]), "may have");
}

#[test]
fn recurrent_ops_read_one_scale() {
    for (case, slot) in [(rnn(), 2), (lstm(LSTM), 1), (lstm(UNIDIRECTIONAL_SEQUENCE_LSTM), 8)] {
        on_cpu(case.ask(slot, Int8, TENSOR));
        on_cpu(case.ask(slot, UInt8, TENSOR));
        refused(case.ask(slot, Int8, channel(0)), "one scale");
        refused(case.ask(slot, Int4, TENSOR), "only");
    }
    let svdf =
        case(SVDF, vec![Some(data(&[1, 8])), Some(constant(&[4, 8])), Some(constant(&[4, 5]))]);
    on_cpu(svdf.ask(1, Int8, TENSOR));
    refused(svdf.ask(1, Int8, channel(0)), "one scale");
}

#[test]
fn recurrent_kernels_and_options() {
    let basic = || {
        let operands = vec![
            Some(data(&[1, 8])),
            Some(data(&[1, 4])),
            Some(constant(&[16, 12])),
            Some(constant(&[16])),
            Some(data(&[1, 4])),
        ];
        case(LSTM, operands)
    };
    refused(basic().int("kernel_type", 1).ask(2, Int8, TENSOR), "BASIC");
    let built = basic().int("kernel_type", 1).build();
    assert_eq!(litert().weight_slots(built.module.subgraph(MAIN), built.op).as_slice(), [2]);
    refused(
        lstm(UNIDIRECTIONAL_SEQUENCE_LSTM).flag("diagonal_recurrent_tensors").ask(1, Int8, TENSOR),
        "diagonal",
    );
    refused(lstm(LSTM).operand(13, Some(constant(&[4]).ty(Int32))).ask(1, Int8, TENSOR), "biases");
}

#[test]
fn recurrent_weights_go_together() {
    let done = || constant(&[4, 8]).ty(Int8).scales(&[0.5], 0);
    // Nothing is quantised yet, or part of it: the rest will follow.
    on_cpu(rnn().ask(1, Int8, TENSOR));
    on_cpu(rnn().operand(1, Some(done())).ask(2, Int8, TENSOR));
    // A weight that is quantised beside one that stayed float.
    refused(rnn().operand(1, Some(done())).ask_as_is(1), "one form");
    on_cpu(rnn().operand(1, Some(done())).operand(2, Some(done())).ask_as_is(1));
    // A weight that can never get the form.
    refused(rnn().operand(2, Some(data(&[4, 4]))).ask(1, Int8, TENSOR), "one form");
    refused(rnn().operand(2, Some(done().ty(UInt8))).ask(1, Int8, TENSOR), "one form");
    refused(
        rnn().operand(2, Some(constant(&[4, 4]).ty(Int8).channels(0))).ask(1, Int8, TENSOR),
        "one form",
    );
}

#[test]
fn a_group_is_asked_as_a_whole() {
    let target = litert();
    let group = |case: &Case| {
        let built = case.build();
        target.group_verdict(&built.module, MAIN, built.op, |_, _| WeightForm::new(Int8, TENSOR))
    };
    on_cpu(group(&lstm(LSTM)));
    delegated(group(&dense()));
    refused(group(&lstm(LSTM).operand(7, Some(data(&[4, 4])))), "one form");
    refused(group(&case(ADD, vec![])), "no weights");
    // Coupled gates leave operands 1 and 5 out.
    let coupled = lstm(LSTM).operand(1, None).operand(5, None);
    on_cpu(group(&coupled));
    let built = coupled.build();
    assert_eq!(
        target.weight_slots(built.module.subgraph(MAIN), built.op).as_slice(),
        [2, 3, 4, 6, 7, 8]
    );
}

#[test]
fn embedding_lookup_dequantises_rows() {
    let table = || embedding(&[10, 8]);
    on_cpu(table().ask(1, Int8, TENSOR));
    on_cpu(table().ask(1, Int8, channel(0)));
    on_cpu(table().ask(1, UInt8, TENSOR));
    on_cpu(table().ask(1, Int4, channel(0)));
    on_cpu(table().ask(1, Int2, TENSOR));
    on_cpu(embedding(&[10, 6]).ask(1, Int4, TENSOR));
    refused(embedding(&[10, 7]).ask(1, Int4, TENSOR), "even");
    refused(embedding(&[10, 6]).ask(1, Int2, TENSOR), "multiple of 4");
    refused(table().ask(1, Int8, channel(1)), "axis 0");
    refused(table().ask(1, Int16, TENSOR), "something else");
    refused(table().results(vec![data(&[3, 8]).ty(Int8)]).ask(1, Int8, TENSOR), "result");
    let table8 = constant(&[10, 8]).ty(Int8).scales(&[0.5], 0);
    refused(embedding(&[10, 8]).operand(1, Some(table8.zero_point(3))).ask_as_is(1), "zero point");
}

#[test]
fn ops_without_hybrid_kernels() {
    let gather = case(GATHER, vec![Some(constant(&[10, 8])), Some(data(&[3]).ty(Int32))]);
    refused(gather.ask(0, Int8, TENSOR), "copies codes");
    let conv3d =
        case(CONV_3D, vec![Some(data(&[1, 4, 4, 4, 2])), Some(constant(&[3, 3, 3, 2, 8]))]);
    refused(conv3d.ask(1, Int8, channel(4)), "float32 filters only");
}

#[test]
fn channel_axes() {
    let axis = |case: Case, slot| {
        let built = case.build();
        litert().channel_axis(built.module.subgraph(MAIN), built.op, slot)
    };
    assert_eq!(axis(conv(), 1), Some(0));
    assert_eq!(axis(depthwise(), 1), Some(3));
    assert_eq!(axis(dense(), 1), Some(0));
    assert_eq!(axis(dense(), 2), None);
    assert_eq!(axis(transpose_conv(), 1), Some(0));
    assert_eq!(axis(matmul(&[2, 8], &[8, 16]), 1), Some(1));
    assert_eq!(axis(matmul(&[2, 8], &[16, 8]).flag("adj_y"), 1), Some(0));
    assert_eq!(axis(matmul(&[3, 2, 8], &[3, 8, 16]), 1), Some(2));
    assert_eq!(axis(matmul(&[2, 8], &[8]).flag("adj_y"), 1), None);
    assert_eq!(axis(embedding(&[10, 8]), 1), Some(0));
    assert_eq!(axis(case(CONV_3D, vec![None, Some(constant(&[3, 3, 3, 2, 8]))]), 1), Some(4));
    assert_eq!(
        axis(case(CONV_3D_TRANSPOSE, vec![None, Some(constant(&[3, 3, 3, 8, 2]))]), 1),
        Some(3)
    );
    assert_eq!(axis(case(GATHER, vec![Some(constant(&[10, 8])), None]), 0), None);
    assert_eq!(axis(rnn(), 1), None);
    assert_eq!(axis(lstm(LSTM), 1), None);
}

#[test]
fn facts_of_ops() {
    let litert = litert();
    let facts = |code| litert.op_facts(&OpKind::Builtin(code));
    let conv = facts(CONV_2D).unwrap();
    assert_eq!(
        (conv.weights.as_slice(), conv.activation, conv.bias()),
        (&[1][..], Some(0), Some(2))
    );
    assert!(conv.hybrid && !conv.all_or_none && !conv.asymmetric_attr && !conv.pass_through);
    assert_eq!(facts(BIDIRECTIONAL_SEQUENCE_RNN).unwrap().weights, [1, 2, 5, 6, 10, 11]);
    assert_eq!(facts(LSTM).unwrap().weights, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16]);
    let bidirectional = facts(BIDIRECTIONAL_SEQUENCE_LSTM).unwrap();
    let expected: Vec<u32> =
        (1..=11).chain([16]).chain(18..=28).chain([33]).chain(40..=47).collect();
    assert_eq!(bidirectional.weights, expected);
    let recurrent = [
        LSTM,
        UNIDIRECTIONAL_SEQUENCE_LSTM,
        BIDIRECTIONAL_SEQUENCE_LSTM,
        RNN,
        UNIDIRECTIONAL_SEQUENCE_RNN,
        BIDIRECTIONAL_SEQUENCE_RNN,
        SVDF,
    ];
    for code in recurrent {
        let facts = facts(code).unwrap();
        assert!(facts.all_or_none && facts.asymmetric_attr && facts.hybrid, "{}", facts.name);
    }
    let gather = facts(GATHER).unwrap();
    assert!(gather.pass_through && !gather.hybrid);
    assert_eq!((gather.weights.as_slice(), gather.activation), (&[0][..], None));
    assert!(!facts(CONV_3D).unwrap().hybrid);
    assert!(facts(ADD).is_none());
    assert!(litert.op_facts(&OpKind::Custom("Mine".into())).is_none());
}

#[test]
fn a_target_of_ones_own_comes_before_what_it_extends() {
    // XNNPACK alone computes batched products right.
    let text = "extends = \"litert\"\nsummary = \"x\"\nkernels = [\"xnnpack\"]\n";
    let delegate = Target::parse("mine", text).unwrap();
    let batched = matmul(&[2, 3, 2, 8], &[8, 16]).build();
    let form = WeightForm::new(Int8, TENSOR);
    let verdict = |target: &Target| {
        target.hybrid(
            tfq_target::WeightOperand {
                module: &batched.module,
                sg: MAIN,
                op: batched.op,
                slot: 1,
            },
            &form,
        )
    };
    delegated(verdict(&delegate));
    refused(verdict(&litert()), "(reference kernels, optimised kernels)");

    let text = "
extends = \"litert\"
summary = \"no hybrid kernels\"
kernels = [\"optimized\"]
[[rule]]
optimized = \"unsupported\"
reason = \"there are none\"
source = \"this test\"
";
    let floats = Target::parse("floats", text).unwrap();
    refused(verdict(&floats), "there are none");
    assert!(!floats.op_facts(&OpKind::Builtin(FULLY_CONNECTED)).unwrap().hybrid);
}
