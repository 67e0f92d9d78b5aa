//! Operator versions against a table written by hand from the converters' rules, and releases.

mod common;

use common::*;
use tfq_ir::catalog::ops::*;
use tfq_ir::{ElementType, OpKind};

/// An op with operands of these types (shape 4x4x4x4, one scale where quantised) and one result.
fn typed(code: i32, operands: &[ElementType], result: ElementType) -> Case {
    let shape = [4, 4, 4, 4];
    let tensor = |ty: ElementType| {
        let t = constant(&shape).ty(ty);
        Some(if ty.is_float() { t } else { t.scales(&[0.5], 0) })
    };
    case(code, operands.iter().map(|ty| tensor(*ty)).collect())
        .results(vec![data(&shape).ty(result)])
}

/// The same with as many scales on operand 1 as it has indices.
fn per_channel(code: i32, ty: ElementType, axis: usize) -> Case {
    typed(code, &[Float32, ty, Float32], Float32)
        .operand(1, Some(constant(&[4, 4, 4, 4]).ty(ty).channels(axis)))
}

fn grouped(case: Case) -> Case {
    case.operand(0, Some(data(&[1, 4, 4, 8])))
}

const ASYM: &str = "asymmetric_quantize_inputs";

#[test]
fn versions_follow_the_converters() {
    let f = Float32;
    let hybrid = |code: i32| typed(code, &[f, Int8, f], f);
    let one_channel = |code: i32| {
        hybrid(code).operand(1, Some(constant(&[1, 4, 4, 1]).ty(Int8).scales(&[0.5], 0)))
    };
    let in_slot_2 = |code: i32| typed(code, &[f, f, Int8], f);
    let table: Vec<(&str, Case, Option<i32>)> = vec![
        ("conv float", typed(CONV_2D, &[f, f, f], f), Some(1)),
        ("conv hybrid", hybrid(CONV_2D), Some(2)),
        ("conv hybrid per channel", per_channel(CONV_2D, Int8, 0), Some(5)),
        (
            "conv hybrid one channel",
            one_channel(CONV_2D).operand(0, Some(data(&[1, 4, 4, 1]))),
            Some(5),
        ),
        ("conv int8", typed(CONV_2D, &[Int8, Int8, Int32], Int8), Some(3)),
        ("conv int8 x int4", typed(CONV_2D, &[Int8, Int4, Int32], Int8), Some(7)),
        ("conv grouped hybrid", grouped(per_channel(CONV_2D, Int8, 0)), Some(6)),
        ("conv grouped float", grouped(typed(CONV_2D, &[f, f, f], f)), Some(6)),
        ("conv hybrid int4", per_channel(CONV_2D, Int4, 0), Some(1)),
        ("conv int16", typed(CONV_2D, &[Int16, Int8, Int64], Int16), Some(1)),
        (
            "conv int16 with bias type",
            typed(CONV_2D, &[Int16, Int8, Int32], Int16).int("quantized_bias_type", 2),
            Some(8),
        ),
        ("depthwise float", typed(DEPTHWISE_CONV_2D, &[f, f, f], f), Some(1)),
        ("depthwise hybrid", hybrid(DEPTHWISE_CONV_2D), Some(4)),
        ("depthwise hybrid per channel", per_channel(DEPTHWISE_CONV_2D, Int8, 3), Some(6)),
        ("depthwise hybrid one channel", one_channel(DEPTHWISE_CONV_2D), Some(6)),
        ("depthwise int8", typed(DEPTHWISE_CONV_2D, &[Int8, Int8, Int32], Int8), Some(3)),
        ("depthwise int4", typed(DEPTHWISE_CONV_2D, &[Int8, Int4, Int32], Int8), Some(7)),
        (
            "depthwise dilated",
            typed(DEPTHWISE_CONV_2D, &[f, f, f], f).int("dilation_h_factor", 2),
            Some(2),
        ),
        (
            "depthwise hybrid dilated",
            hybrid(DEPTHWISE_CONV_2D).int("dilation_w_factor", 2),
            Some(4),
        ),
        ("embedding float", typed(EMBEDDING_LOOKUP, &[Int32, f], f), Some(1)),
        ("embedding int8", typed(EMBEDDING_LOOKUP, &[Int32, Int8], f), Some(1)),
        ("embedding int8 per row", per_channel(EMBEDDING_LOOKUP, Int8, 0), Some(4)),
        ("embedding int4", typed(EMBEDDING_LOOKUP, &[Int32, Int4], f), Some(4)),
        ("embedding int2", typed(EMBEDDING_LOOKUP, &[Int32, Int2], f), Some(5)),
        ("embedding int2 per row", per_channel(EMBEDDING_LOOKUP, Int2, 0), Some(4)),
        ("dense float", typed(FULLY_CONNECTED, &[f, f, f], f), Some(1)),
        ("dense without bias", typed(FULLY_CONNECTED, &[f, f], f), Some(6)),
        (
            "dense with bias left out",
            typed(FULLY_CONNECTED, &[f, f, f], f).operand(2, None),
            Some(1),
        ),
        ("dense hybrid", hybrid(FULLY_CONNECTED), Some(3)),
        ("dense hybrid asymmetric", hybrid(FULLY_CONNECTED).flag(ASYM), Some(9)),
        ("dense hybrid without bias", typed(FULLY_CONNECTED, &[f, Int8], f).flag(ASYM), Some(6)),
        ("dense hybrid per channel", per_channel(FULLY_CONNECTED, Int8, 0).flag(ASYM), Some(12)),
        ("dense hybrid one channel", one_channel(FULLY_CONNECTED), Some(12)),
        ("dense hybrid int4", per_channel(FULLY_CONNECTED, Int4, 0), Some(1)),
        (
            "dense int2",
            hybrid(FULLY_CONNECTED).operand(1, Some(constant(&[4, 4]).ty(Int2))),
            Some(14),
        ),
        ("dense int8", typed(FULLY_CONNECTED, &[Int8, Int8, Int32], Int8), Some(4)),
        ("dense int8 x int4", typed(FULLY_CONNECTED, &[Int8, Int4, Int32], Int8), Some(10)),
        ("dense int16 x int4", typed(FULLY_CONNECTED, &[Int16, Int4, Int32], Int16), Some(13)),
        ("dense int16", typed(FULLY_CONNECTED, &[Int16, Int16, Int64], Int16), Some(7)),
        (
            "dense int16 with bias type",
            typed(FULLY_CONNECTED, &[Int16, Int8, Int32], Int16).int("quantized_bias_type", 2),
            Some(11),
        ),
        (
            "dense keeping dimensions",
            typed(FULLY_CONNECTED, &[f, f, f], f).flag("keep_num_dims"),
            Some(5),
        ),
        (
            "dense sparse",
            typed(FULLY_CONNECTED, &[f, f], f).operand(1, Some(constant(&[4, 4]).sparse())),
            Some(8),
        ),
        (
            "dense shuffled",
            typed(FULLY_CONNECTED, &[UInt8, UInt8, Int32], Int16).int("weights_format", 1),
            Some(2),
        ),
        ("gather float", typed(GATHER, &[f, Int32], f), Some(1)),
        ("gather float16", typed(GATHER, &[Float16, Int32], Float16), Some(1)),
        ("gather int8", typed(GATHER, &[Int8, Int32], Int8), Some(2)),
        ("gather bool", typed(GATHER, &[Bool, Int32], Bool), Some(3)),
        ("gather int16", typed(GATHER, &[Int16, Int32], Int16), Some(4)),
        ("gather batches", typed(GATHER, &[f, Int32], f).int("batch_dims", 1), Some(5)),
        ("gather int16 indices", typed(GATHER, &[f, Int16], f), Some(6)),
        ("gather int4", typed(GATHER, &[Int4, Int32], Int4), Some(7)),
        ("gather float8", typed(GATHER, &[Float8E5M2, Int32], Float8E5M2), Some(8)),
        ("gather_nd int8", typed(GATHER_ND, &[Int8, Int32], Int8), Some(1)),
        ("gather_nd bool", typed(GATHER_ND, &[Bool, Int32], Bool), Some(5)),
        ("gather_nd int16", typed(GATHER_ND, &[Int16, Int32], Int16), Some(3)),
        ("svdf float", typed(SVDF, &[f, f, f], f), Some(1)),
        ("svdf hybrid", hybrid(SVDF), Some(2)),
        ("svdf hybrid asymmetric", hybrid(SVDF).flag(ASYM), Some(4)),
        ("svdf int8", typed(SVDF, &[Int8, Int8, Int16], Int8), Some(3)),
        ("transpose conv float", typed(TRANSPOSE_CONV, &[Int32, f, f], f), Some(1)),
        ("transpose conv int8", typed(TRANSPOSE_CONV, &[Int32, Int8, f], f), Some(2)),
        ("transpose conv with bias", typed(TRANSPOSE_CONV, &[Int32, Int8, f, f], f), Some(3)),
        (
            "transpose conv bias left out",
            typed(TRANSPOSE_CONV, &[Int32, Int8, f, f], f).operand(3, None),
            Some(2),
        ),
        (
            "transpose conv fused",
            typed(TRANSPOSE_CONV, &[Int32, f, f, f], f).int("fused_activation_function", 1),
            Some(4),
        ),
        ("lstm float", typed(LSTM, &[f, f, f], f), Some(1)),
        ("lstm hybrid", in_slot_2(LSTM), Some(3)),
        ("lstm hybrid asymmetric", in_slot_2(LSTM).flag(ASYM), Some(4)),
        ("lstm basic", typed(LSTM, &[f, f, f], f).int("kernel_type", 1), Some(2)),
        ("lstm int16 has no version that loads", typed(LSTM, &[Int16, f, Int8], Int16), None),
        ("matmul float", typed(BATCH_MATMUL, &[f, f], f), Some(1)),
        ("matmul hybrid", typed(BATCH_MATMUL, &[f, Int8], f), Some(1)),
        ("matmul hybrid asymmetric", typed(BATCH_MATMUL, &[f, Int8], f).flag(ASYM), Some(4)),
        ("matmul int8", typed(BATCH_MATMUL, &[Int8, Int8], Int8), Some(2)),
        ("matmul int16", typed(BATCH_MATMUL, &[Int16, Int16], Int16), Some(3)),
        ("rnn float", typed(RNN, &[f, f], f), Some(1)),
        ("rnn hybrid", hybrid(RNN), Some(2)),
        ("rnn hybrid asymmetric", hybrid(RNN).flag(ASYM), Some(3)),
        ("sequence rnn hybrid", hybrid(UNIDIRECTIONAL_SEQUENCE_RNN).flag(ASYM), Some(3)),
        ("bidirectional rnn hybrid", hybrid(BIDIRECTIONAL_SEQUENCE_RNN), Some(2)),
        ("bidirectional lstm hybrid", hybrid(BIDIRECTIONAL_SEQUENCE_LSTM).flag(ASYM), Some(3)),
        (
            "bidirectional lstm coupled",
            hybrid(BIDIRECTIONAL_SEQUENCE_LSTM).flag(ASYM).operand(1, None),
            Some(1),
        ),
        ("sequence lstm float", typed(UNIDIRECTIONAL_SEQUENCE_LSTM, &[f, f, f], f), Some(1)),
        ("sequence lstm hybrid", in_slot_2(UNIDIRECTIONAL_SEQUENCE_LSTM), Some(2)),
        ("sequence lstm asymmetric", in_slot_2(UNIDIRECTIONAL_SEQUENCE_LSTM).flag(ASYM), Some(3)),
        (
            "sequence lstm diagonal",
            in_slot_2(UNIDIRECTIONAL_SEQUENCE_LSTM).flag(ASYM).flag("diagonal_recurrent_tensors"),
            Some(4),
        ),
        ("dequantize uint8", typed(DEQUANTIZE, &[UInt8], f), Some(1)),
        ("dequantize int8", typed(DEQUANTIZE, &[Int8], f), Some(2)),
        (
            "dequantize int8 per channel",
            typed(DEQUANTIZE, &[Int8], f).operand(0, Some(constant(&[4, 3]).ty(Int8).channels(1))),
            Some(5),
        ),
        (
            "dequantize int8 one channel",
            typed(DEQUANTIZE, &[Int8], f).operand(0, Some(constant(&[1, 3]).ty(Int8).channels(0))),
            Some(2),
        ),
        ("dequantize float16", typed(DEQUANTIZE, &[Float16], f), Some(3)),
        ("dequantize int16", typed(DEQUANTIZE, &[Int16], f), Some(3)),
        ("dequantize int4", typed(DEQUANTIZE, &[Int4], f), Some(6)),
        ("dequantize int2", typed(DEQUANTIZE, &[Int2], f), Some(7)),
        ("dequantize uint4", typed(DEQUANTIZE, &[UInt4], f), Some(8)),
        ("dequantize float8", typed(DEQUANTIZE, &[Float8E4M3Fn], f), Some(9)),
        ("quantize int8", typed(QUANTIZE, &[f], Int8), Some(1)),
        ("quantize int16", typed(QUANTIZE, &[f], Int16), Some(2)),
        (
            "quantize per channel",
            typed(QUANTIZE, &[f], Int8).results(vec![data(&[4]).ty(Int8).channels(0)]),
            Some(3),
        ),
        ("quantize int4", typed(QUANTIZE, &[f], Int4), Some(4)),
        ("quantize uint4", typed(QUANTIZE, &[UInt4], Int4), Some(5)),
        ("conv 3d", typed(CONV_3D, &[f, f], f), Some(1)),
        ("conv 3d transpose", typed(CONV_3D_TRANSPOSE, &[Int32, f, f], f), Some(1)),
        ("embedding sparse", typed(EMBEDDING_LOOKUP_SPARSE, &[f], f), Some(1)),
        ("composite", typed(STABLEHLO_COMPOSITE, &[f], f), Some(1)),
        ("densify", typed(DENSIFY, &[f], f), Some(1)),
        ("cast", typed(CAST, &[Int32], f), Some(1)),
        ("cast int8", typed(CAST, &[f], Int8), Some(3)),
        ("cast float16", typed(CAST, &[Float16], f), Some(5)),
        ("cast int4", typed(CAST, &[Int4], f), Some(6)),
        ("cast bfloat16", typed(CAST, &[f], BFloat16), Some(7)),
        ("transpose int8", typed(TRANSPOSE, &[Int8, Int32], Int8), Some(2)),
        (
            "transpose rank 5",
            typed(TRANSPOSE, &[f, Int32], f).operand(0, Some(data(&[1; 5]))),
            Some(4),
        ),
        (
            "transpose rank 6",
            typed(TRANSPOSE, &[f, Int32], f).operand(0, Some(data(&[1; 6]))),
            Some(6),
        ),
        (
            "transpose rank 7",
            typed(TRANSPOSE, &[f, Int32], f).operand(0, Some(data(&[1; 7]))),
            Some(8),
        ),
        ("no rule", typed(ADD, &[f, f], f), None),
    ];
    for (name, case, expected) in &table {
        assert_eq!(case.version(), *expected, "{name}");
    }
}

#[test]
fn releases_and_ranges() {
    let target = litert();
    let kind = OpKind::Builtin;
    assert_eq!(target.min_runtime(&kind(FULLY_CONNECTED), 12), Some("2.17.0"));
    assert_eq!(target.min_runtime(&kind(DEQUANTIZE), 5), Some("2.7.0"));
    assert_eq!(target.min_runtime(&kind(FULLY_CONNECTED), 99), None);
    assert_eq!(target.registered_versions(&kind(FULLY_CONNECTED)), Some((1, 14)));
    assert_eq!(target.registered_versions(&kind(BROADCAST_TO)), Some((2, 4)));
    assert_eq!(target.registered_versions(&kind(STABLEHLO_CBRT)), None);
    assert_eq!(target.min_runtime(&OpKind::Custom("Mine".into()), 1), None);
}

#[test]
fn a_model_needs_the_latest_release_of_its_ops() {
    let mut built = typed(FULLY_CONNECTED, &[Float32, Int8, Float32], Float32).build();
    built.set_version(9);
    assert_eq!(litert().model_min_runtime(&built.module), "2.3.0");
    built.set_version(12);
    assert_eq!(litert().model_min_runtime(&built.module), "2.17.0");
    // A version that no table knows does not count.
    built.set_version(99);
    assert_eq!(litert().model_min_runtime(&built.module), "");
}

/// Kernels that came without a version, and versions that the rules stop before.
#[test]
fn a_hybrid_op_needs_the_release_of_its_kernel() {
    let needs = |mut built: Built, version| {
        built.set_version(version);
        litert().model_min_runtime(&built.module)
    };
    let weight = |shape: &[i32]| constant(shape).ty(Int8).scales(&[0.5], 0);
    let conv = |weight| {
        let case = typed(TRANSPOSE_CONV, &[Int32, Float32, Float32], Float32);
        let case = case.operand(1, Some(weight)).operand(2, Some(data(&[1, 4, 4, 3])));
        case.build()
    };
    assert_eq!(needs(conv(weight(&[8, 3, 3, 3])), 3), "2.17.0");
    assert_eq!(needs(conv(constant(&[8, 3, 3, 3])), 3), "2.3.0");
    let dense = |asymmetric| {
        let case =
            typed(FULLY_CONNECTED, &[Float32, Int8], Float32).operand(1, Some(weight(&[8, 3])));
        if asymmetric { case.flag(ASYM).build() } else { case.build() }
    };
    // Without a bias operand the rules say 6, whatever the weights are.
    assert_eq!(needs(dense(false), 6), "2.1.0");
    assert_eq!(needs(dense(true), 6), "2.3.0");
}
