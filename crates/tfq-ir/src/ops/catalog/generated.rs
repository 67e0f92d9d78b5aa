// Generated from the schema by the example `generate` of tfq-schema. Do not edit: run schema/regenerate.sh.
// @generated

use super::{OpInfo, OptionsInfo, op};

/// Operator codes.
pub mod ops {
    pub const ADD: i32 = 0;
    pub const AVERAGE_POOL_2D: i32 = 1;
    pub const CONCATENATION: i32 = 2;
    pub const CONV_2D: i32 = 3;
    pub const DEPTHWISE_CONV_2D: i32 = 4;
    pub const DEPTH_TO_SPACE: i32 = 5;
    pub const DEQUANTIZE: i32 = 6;
    pub const EMBEDDING_LOOKUP: i32 = 7;
    pub const FLOOR: i32 = 8;
    pub const FULLY_CONNECTED: i32 = 9;
    pub const HASHTABLE_LOOKUP: i32 = 10;
    pub const L2_NORMALIZATION: i32 = 11;
    pub const L2_POOL_2D: i32 = 12;
    pub const LOCAL_RESPONSE_NORMALIZATION: i32 = 13;
    pub const LOGISTIC: i32 = 14;
    pub const LSH_PROJECTION: i32 = 15;
    pub const LSTM: i32 = 16;
    pub const MAX_POOL_2D: i32 = 17;
    pub const MUL: i32 = 18;
    pub const RELU: i32 = 19;
    pub const RELU_N1_TO_1: i32 = 20;
    pub const RELU6: i32 = 21;
    pub const RESHAPE: i32 = 22;
    pub const RESIZE_BILINEAR: i32 = 23;
    pub const RNN: i32 = 24;
    pub const SOFTMAX: i32 = 25;
    pub const SPACE_TO_DEPTH: i32 = 26;
    pub const SVDF: i32 = 27;
    pub const TANH: i32 = 28;
    pub const CONCAT_EMBEDDINGS: i32 = 29;
    pub const SKIP_GRAM: i32 = 30;
    pub const CALL: i32 = 31;
    pub const CUSTOM: i32 = 32;
    pub const EMBEDDING_LOOKUP_SPARSE: i32 = 33;
    pub const PAD: i32 = 34;
    pub const UNIDIRECTIONAL_SEQUENCE_RNN: i32 = 35;
    pub const GATHER: i32 = 36;
    pub const BATCH_TO_SPACE_ND: i32 = 37;
    pub const SPACE_TO_BATCH_ND: i32 = 38;
    pub const TRANSPOSE: i32 = 39;
    pub const MEAN: i32 = 40;
    pub const SUB: i32 = 41;
    pub const DIV: i32 = 42;
    pub const SQUEEZE: i32 = 43;
    pub const UNIDIRECTIONAL_SEQUENCE_LSTM: i32 = 44;
    pub const STRIDED_SLICE: i32 = 45;
    pub const BIDIRECTIONAL_SEQUENCE_RNN: i32 = 46;
    pub const EXP: i32 = 47;
    pub const TOPK_V2: i32 = 48;
    pub const SPLIT: i32 = 49;
    pub const LOG_SOFTMAX: i32 = 50;
    pub const DELEGATE: i32 = 51;
    pub const BIDIRECTIONAL_SEQUENCE_LSTM: i32 = 52;
    pub const CAST: i32 = 53;
    pub const PRELU: i32 = 54;
    pub const MAXIMUM: i32 = 55;
    pub const ARG_MAX: i32 = 56;
    pub const MINIMUM: i32 = 57;
    pub const LESS: i32 = 58;
    pub const NEG: i32 = 59;
    pub const PADV2: i32 = 60;
    pub const GREATER: i32 = 61;
    pub const GREATER_EQUAL: i32 = 62;
    pub const LESS_EQUAL: i32 = 63;
    pub const SELECT: i32 = 64;
    pub const SLICE: i32 = 65;
    pub const SIN: i32 = 66;
    pub const TRANSPOSE_CONV: i32 = 67;
    pub const SPARSE_TO_DENSE: i32 = 68;
    pub const TILE: i32 = 69;
    pub const EXPAND_DIMS: i32 = 70;
    pub const EQUAL: i32 = 71;
    pub const NOT_EQUAL: i32 = 72;
    pub const LOG: i32 = 73;
    pub const SUM: i32 = 74;
    pub const SQRT: i32 = 75;
    pub const RSQRT: i32 = 76;
    pub const SHAPE: i32 = 77;
    pub const POW: i32 = 78;
    pub const ARG_MIN: i32 = 79;
    pub const FAKE_QUANT: i32 = 80;
    pub const REDUCE_PROD: i32 = 81;
    pub const REDUCE_MAX: i32 = 82;
    pub const PACK: i32 = 83;
    pub const LOGICAL_OR: i32 = 84;
    pub const ONE_HOT: i32 = 85;
    pub const LOGICAL_AND: i32 = 86;
    pub const LOGICAL_NOT: i32 = 87;
    pub const UNPACK: i32 = 88;
    pub const REDUCE_MIN: i32 = 89;
    pub const FLOOR_DIV: i32 = 90;
    pub const REDUCE_ANY: i32 = 91;
    pub const SQUARE: i32 = 92;
    pub const ZEROS_LIKE: i32 = 93;
    pub const FILL: i32 = 94;
    pub const FLOOR_MOD: i32 = 95;
    pub const RANGE: i32 = 96;
    pub const RESIZE_NEAREST_NEIGHBOR: i32 = 97;
    pub const LEAKY_RELU: i32 = 98;
    pub const SQUARED_DIFFERENCE: i32 = 99;
    pub const MIRROR_PAD: i32 = 100;
    pub const ABS: i32 = 101;
    pub const SPLIT_V: i32 = 102;
    pub const UNIQUE: i32 = 103;
    pub const CEIL: i32 = 104;
    pub const REVERSE_V2: i32 = 105;
    pub const ADD_N: i32 = 106;
    pub const GATHER_ND: i32 = 107;
    pub const COS: i32 = 108;
    pub const WHERE: i32 = 109;
    pub const RANK: i32 = 110;
    pub const ELU: i32 = 111;
    pub const REVERSE_SEQUENCE: i32 = 112;
    pub const MATRIX_DIAG: i32 = 113;
    pub const QUANTIZE: i32 = 114;
    pub const MATRIX_SET_DIAG: i32 = 115;
    pub const ROUND: i32 = 116;
    pub const HARD_SWISH: i32 = 117;
    pub const IF: i32 = 118;
    pub const WHILE: i32 = 119;
    pub const NON_MAX_SUPPRESSION_V4: i32 = 120;
    pub const NON_MAX_SUPPRESSION_V5: i32 = 121;
    pub const SCATTER_ND: i32 = 122;
    pub const SELECT_V2: i32 = 123;
    pub const DENSIFY: i32 = 124;
    pub const SEGMENT_SUM: i32 = 125;
    pub const BATCH_MATMUL: i32 = 126;
    /// Not an operator: what a field of one byte says in place of a code above it.
    pub const PLACEHOLDER_FOR_GREATER_OP_CODES: i32 = 127;
    pub const CUMSUM: i32 = 128;
    pub const CALL_ONCE: i32 = 129;
    pub const BROADCAST_TO: i32 = 130;
    pub const RFFT2D: i32 = 131;
    pub const CONV_3D: i32 = 132;
    pub const IMAG: i32 = 133;
    pub const REAL: i32 = 134;
    pub const COMPLEX_ABS: i32 = 135;
    pub const HASHTABLE: i32 = 136;
    pub const HASHTABLE_FIND: i32 = 137;
    pub const HASHTABLE_IMPORT: i32 = 138;
    pub const HASHTABLE_SIZE: i32 = 139;
    pub const REDUCE_ALL: i32 = 140;
    pub const CONV_3D_TRANSPOSE: i32 = 141;
    pub const VAR_HANDLE: i32 = 142;
    pub const READ_VARIABLE: i32 = 143;
    pub const ASSIGN_VARIABLE: i32 = 144;
    pub const BROADCAST_ARGS: i32 = 145;
    pub const RANDOM_STANDARD_NORMAL: i32 = 146;
    pub const BUCKETIZE: i32 = 147;
    pub const RANDOM_UNIFORM: i32 = 148;
    pub const MULTINOMIAL: i32 = 149;
    pub const GELU: i32 = 150;
    pub const DYNAMIC_UPDATE_SLICE: i32 = 151;
    pub const RELU_0_TO_1: i32 = 152;
    pub const UNSORTED_SEGMENT_PROD: i32 = 153;
    pub const UNSORTED_SEGMENT_MAX: i32 = 154;
    pub const UNSORTED_SEGMENT_SUM: i32 = 155;
    pub const ATAN2: i32 = 156;
    pub const UNSORTED_SEGMENT_MIN: i32 = 157;
    pub const SIGN: i32 = 158;
    pub const BITCAST: i32 = 159;
    pub const BITWISE_XOR: i32 = 160;
    pub const RIGHT_SHIFT: i32 = 161;
    pub const STABLEHLO_LOGISTIC: i32 = 162;
    pub const STABLEHLO_ADD: i32 = 163;
    pub const STABLEHLO_DIVIDE: i32 = 164;
    pub const STABLEHLO_MULTIPLY: i32 = 165;
    pub const STABLEHLO_MAXIMUM: i32 = 166;
    pub const STABLEHLO_RESHAPE: i32 = 167;
    pub const STABLEHLO_CLAMP: i32 = 168;
    pub const STABLEHLO_CONCATENATE: i32 = 169;
    pub const STABLEHLO_BROADCAST_IN_DIM: i32 = 170;
    pub const STABLEHLO_CONVOLUTION: i32 = 171;
    pub const STABLEHLO_SLICE: i32 = 172;
    pub const STABLEHLO_CUSTOM_CALL: i32 = 173;
    pub const STABLEHLO_REDUCE: i32 = 174;
    pub const STABLEHLO_ABS: i32 = 175;
    pub const STABLEHLO_AND: i32 = 176;
    pub const STABLEHLO_COSINE: i32 = 177;
    pub const STABLEHLO_EXPONENTIAL: i32 = 178;
    pub const STABLEHLO_FLOOR: i32 = 179;
    pub const STABLEHLO_LOG: i32 = 180;
    pub const STABLEHLO_MINIMUM: i32 = 181;
    pub const STABLEHLO_NEGATE: i32 = 182;
    pub const STABLEHLO_OR: i32 = 183;
    pub const STABLEHLO_POWER: i32 = 184;
    pub const STABLEHLO_REMAINDER: i32 = 185;
    pub const STABLEHLO_RSQRT: i32 = 186;
    pub const STABLEHLO_SELECT: i32 = 187;
    pub const STABLEHLO_SUBTRACT: i32 = 188;
    pub const STABLEHLO_TANH: i32 = 189;
    pub const STABLEHLO_SCATTER: i32 = 190;
    pub const STABLEHLO_COMPARE: i32 = 191;
    pub const STABLEHLO_CONVERT: i32 = 192;
    pub const STABLEHLO_DYNAMIC_SLICE: i32 = 193;
    pub const STABLEHLO_DYNAMIC_UPDATE_SLICE: i32 = 194;
    pub const STABLEHLO_PAD: i32 = 195;
    pub const STABLEHLO_IOTA: i32 = 196;
    pub const STABLEHLO_DOT_GENERAL: i32 = 197;
    pub const STABLEHLO_REDUCE_WINDOW: i32 = 198;
    pub const STABLEHLO_SORT: i32 = 199;
    pub const STABLEHLO_WHILE: i32 = 200;
    pub const STABLEHLO_GATHER: i32 = 201;
    pub const STABLEHLO_TRANSPOSE: i32 = 202;
    pub const DILATE: i32 = 203;
    pub const STABLEHLO_RNG_BIT_GENERATOR: i32 = 204;
    pub const REDUCE_WINDOW: i32 = 205;
    pub const STABLEHLO_COMPOSITE: i32 = 206;
    pub const STABLEHLO_SHIFT_LEFT: i32 = 207;
    pub const STABLEHLO_CBRT: i32 = 208;
    pub const STABLEHLO_CASE: i32 = 209;
}

/// In order of code.
pub(super) static OPS: [OpInfo; 209] = [
    op("ADD", 0, Some(&options::AddOptions), false),
    op("AVERAGE_POOL_2D", 1, Some(&options::Pool2DOptions), false),
    op("CONCATENATION", 2, Some(&options::ConcatenationOptions), false),
    op("CONV_2D", 3, Some(&options::Conv2DOptions), false),
    op("DEPTHWISE_CONV_2D", 4, Some(&options::DepthwiseConv2DOptions), false),
    op("DEPTH_TO_SPACE", 5, Some(&options::DepthToSpaceOptions), false),
    op("DEQUANTIZE", 6, Some(&options::DequantizeOptions), false),
    op("EMBEDDING_LOOKUP", 7, None, false),
    op("FLOOR", 8, None, false),
    op("FULLY_CONNECTED", 9, Some(&options::FullyConnectedOptions), false),
    op("HASHTABLE_LOOKUP", 10, None, false),
    op("L2_NORMALIZATION", 11, Some(&options::L2NormOptions), false),
    op("L2_POOL_2D", 12, Some(&options::Pool2DOptions), false),
    op("LOCAL_RESPONSE_NORMALIZATION", 13, Some(&options::LocalResponseNormalizationOptions), false),
    op("LOGISTIC", 14, None, false),
    op("LSH_PROJECTION", 15, Some(&options::LSHProjectionOptions), false),
    op("LSTM", 16, Some(&options::LSTMOptions), false),
    op("MAX_POOL_2D", 17, Some(&options::Pool2DOptions), false),
    op("MUL", 18, Some(&options::MulOptions), false),
    op("RELU", 19, None, false),
    op("RELU_N1_TO_1", 20, None, false),
    op("RELU6", 21, None, false),
    op("RESHAPE", 22, Some(&options::ReshapeOptions), false),
    op("RESIZE_BILINEAR", 23, Some(&options::ResizeBilinearOptions), false),
    op("RNN", 24, Some(&options::RNNOptions), false),
    op("SOFTMAX", 25, Some(&options::SoftmaxOptions), false),
    op("SPACE_TO_DEPTH", 26, Some(&options::SpaceToDepthOptions), false),
    op("SVDF", 27, Some(&options::SVDFOptions), false),
    op("TANH", 28, None, false),
    op("CONCAT_EMBEDDINGS", 29, Some(&options::ConcatEmbeddingsOptions), false),
    op("SKIP_GRAM", 30, Some(&options::SkipGramOptions), false),
    op("CALL", 31, Some(&options::CallOptions), false),
    op("CUSTOM", 32, None, false),
    op("EMBEDDING_LOOKUP_SPARSE", 33, Some(&options::EmbeddingLookupSparseOptions), false),
    op("PAD", 34, Some(&options::PadOptions), false),
    op("UNIDIRECTIONAL_SEQUENCE_RNN", 35, Some(&options::SequenceRNNOptions), false),
    op("GATHER", 36, Some(&options::GatherOptions), false),
    op("BATCH_TO_SPACE_ND", 37, Some(&options::BatchToSpaceNDOptions), false),
    op("SPACE_TO_BATCH_ND", 38, Some(&options::SpaceToBatchNDOptions), false),
    op("TRANSPOSE", 39, Some(&options::TransposeOptions), false),
    op("MEAN", 40, Some(&options::ReducerOptions), false),
    op("SUB", 41, Some(&options::SubOptions), false),
    op("DIV", 42, Some(&options::DivOptions), false),
    op("SQUEEZE", 43, Some(&options::SqueezeOptions), false),
    op("UNIDIRECTIONAL_SEQUENCE_LSTM", 44, Some(&options::UnidirectionalSequenceLSTMOptions), false),
    op("STRIDED_SLICE", 45, Some(&options::StridedSliceOptions), false),
    op("BIDIRECTIONAL_SEQUENCE_RNN", 46, Some(&options::BidirectionalSequenceRNNOptions), false),
    op("EXP", 47, Some(&options::ExpOptions), false),
    op("TOPK_V2", 48, Some(&options::TopKV2Options), false),
    op("SPLIT", 49, Some(&options::SplitOptions), false),
    op("LOG_SOFTMAX", 50, Some(&options::LogSoftmaxOptions), false),
    op("DELEGATE", 51, None, false),
    op("BIDIRECTIONAL_SEQUENCE_LSTM", 52, Some(&options::BidirectionalSequenceLSTMOptions), false),
    op("CAST", 53, Some(&options::CastOptions), false),
    op("PRELU", 54, None, false),
    op("MAXIMUM", 55, Some(&options::MaximumMinimumOptions), false),
    op("ARG_MAX", 56, Some(&options::ArgMaxOptions), false),
    op("MINIMUM", 57, Some(&options::MaximumMinimumOptions), false),
    op("LESS", 58, Some(&options::LessOptions), false),
    op("NEG", 59, Some(&options::NegOptions), false),
    op("PADV2", 60, Some(&options::PadV2Options), false),
    op("GREATER", 61, Some(&options::GreaterOptions), false),
    op("GREATER_EQUAL", 62, Some(&options::GreaterEqualOptions), false),
    op("LESS_EQUAL", 63, Some(&options::LessEqualOptions), false),
    op("SELECT", 64, Some(&options::SelectOptions), false),
    op("SLICE", 65, Some(&options::SliceOptions), false),
    op("SIN", 66, None, false),
    op("TRANSPOSE_CONV", 67, Some(&options::TransposeConvOptions), false),
    op("SPARSE_TO_DENSE", 68, Some(&options::SparseToDenseOptions), false),
    op("TILE", 69, Some(&options::TileOptions), false),
    op("EXPAND_DIMS", 70, Some(&options::ExpandDimsOptions), false),
    op("EQUAL", 71, Some(&options::EqualOptions), false),
    op("NOT_EQUAL", 72, Some(&options::NotEqualOptions), false),
    op("LOG", 73, None, false),
    op("SUM", 74, Some(&options::ReducerOptions), false),
    op("SQRT", 75, None, false),
    op("RSQRT", 76, None, false),
    op("SHAPE", 77, Some(&options::ShapeOptions), false),
    op("POW", 78, Some(&options::PowOptions), false),
    op("ARG_MIN", 79, Some(&options::ArgMinOptions), false),
    op("FAKE_QUANT", 80, Some(&options::FakeQuantOptions), false),
    op("REDUCE_PROD", 81, Some(&options::ReducerOptions), false),
    op("REDUCE_MAX", 82, Some(&options::ReducerOptions), false),
    op("PACK", 83, Some(&options::PackOptions), false),
    op("LOGICAL_OR", 84, Some(&options::LogicalOrOptions), false),
    op("ONE_HOT", 85, Some(&options::OneHotOptions), false),
    op("LOGICAL_AND", 86, Some(&options::LogicalAndOptions), false),
    op("LOGICAL_NOT", 87, Some(&options::LogicalNotOptions), false),
    op("UNPACK", 88, Some(&options::UnpackOptions), false),
    op("REDUCE_MIN", 89, Some(&options::ReducerOptions), false),
    op("FLOOR_DIV", 90, Some(&options::FloorDivOptions), false),
    op("REDUCE_ANY", 91, Some(&options::ReducerOptions), false),
    op("SQUARE", 92, Some(&options::SquareOptions), false),
    op("ZEROS_LIKE", 93, Some(&options::ZerosLikeOptions), false),
    op("FILL", 94, Some(&options::FillOptions), false),
    op("FLOOR_MOD", 95, Some(&options::FloorModOptions), false),
    op("RANGE", 96, Some(&options::RangeOptions), false),
    op("RESIZE_NEAREST_NEIGHBOR", 97, Some(&options::ResizeNearestNeighborOptions), false),
    op("LEAKY_RELU", 98, Some(&options::LeakyReluOptions), false),
    op("SQUARED_DIFFERENCE", 99, Some(&options::SquaredDifferenceOptions), false),
    op("MIRROR_PAD", 100, Some(&options::MirrorPadOptions), false),
    op("ABS", 101, Some(&options::AbsOptions), false),
    op("SPLIT_V", 102, Some(&options::SplitVOptions), false),
    op("UNIQUE", 103, Some(&options::UniqueOptions), false),
    op("CEIL", 104, None, false),
    op("REVERSE_V2", 105, Some(&options::ReverseV2Options), false),
    op("ADD_N", 106, Some(&options::AddNOptions), false),
    op("GATHER_ND", 107, Some(&options::GatherNdOptions), false),
    op("COS", 108, Some(&options::CosOptions), false),
    op("WHERE", 109, Some(&options::WhereOptions), false),
    op("RANK", 110, Some(&options::RankOptions), false),
    op("ELU", 111, None, false),
    op("REVERSE_SEQUENCE", 112, Some(&options::ReverseSequenceOptions), false),
    op("MATRIX_DIAG", 113, Some(&options::MatrixDiagOptions), false),
    op("QUANTIZE", 114, Some(&options::QuantizeOptions), false),
    op("MATRIX_SET_DIAG", 115, Some(&options::MatrixSetDiagOptions), false),
    op("ROUND", 116, None, false),
    op("HARD_SWISH", 117, Some(&options::HardSwishOptions), false),
    op("IF", 118, Some(&options::IfOptions), false),
    op("WHILE", 119, Some(&options::WhileOptions), false),
    op("NON_MAX_SUPPRESSION_V4", 120, Some(&options::NonMaxSuppressionV4Options), false),
    op("NON_MAX_SUPPRESSION_V5", 121, Some(&options::NonMaxSuppressionV5Options), false),
    op("SCATTER_ND", 122, Some(&options::ScatterNdOptions), false),
    op("SELECT_V2", 123, Some(&options::SelectV2Options), false),
    op("DENSIFY", 124, Some(&options::DensifyOptions), false),
    op("SEGMENT_SUM", 125, Some(&options::SegmentSumOptions), false),
    op("BATCH_MATMUL", 126, Some(&options::BatchMatMulOptions), false),
    op("CUMSUM", 128, Some(&options::CumsumOptions), false),
    op("CALL_ONCE", 129, Some(&options::CallOnceOptions), false),
    op("BROADCAST_TO", 130, Some(&options::BroadcastToOptions), false),
    op("RFFT2D", 131, Some(&options::Rfft2dOptions), false),
    op("CONV_3D", 132, Some(&options::Conv3DOptions), false),
    op("IMAG", 133, None, false),
    op("REAL", 134, None, false),
    op("COMPLEX_ABS", 135, None, false),
    op("HASHTABLE", 136, Some(&options::HashtableOptions), false),
    op("HASHTABLE_FIND", 137, Some(&options::HashtableFindOptions), false),
    op("HASHTABLE_IMPORT", 138, Some(&options::HashtableImportOptions), false),
    op("HASHTABLE_SIZE", 139, Some(&options::HashtableSizeOptions), false),
    op("REDUCE_ALL", 140, Some(&options::ReducerOptions), false),
    op("CONV_3D_TRANSPOSE", 141, Some(&options::Conv3DOptions), false),
    op("VAR_HANDLE", 142, Some(&options::VarHandleOptions), false),
    op("READ_VARIABLE", 143, Some(&options::ReadVariableOptions), false),
    op("ASSIGN_VARIABLE", 144, Some(&options::AssignVariableOptions), false),
    op("BROADCAST_ARGS", 145, None, false),
    op("RANDOM_STANDARD_NORMAL", 146, Some(&options::RandomOptions), false),
    op("BUCKETIZE", 147, Some(&options::BucketizeOptions), false),
    op("RANDOM_UNIFORM", 148, Some(&options::RandomOptions), false),
    op("MULTINOMIAL", 149, Some(&options::RandomOptions), false),
    op("GELU", 150, Some(&options::GeluOptions), false),
    op("DYNAMIC_UPDATE_SLICE", 151, Some(&options::DynamicUpdateSliceOptions), false),
    op("RELU_0_TO_1", 152, None, false),
    op("UNSORTED_SEGMENT_PROD", 153, Some(&options::UnsortedSegmentProdOptions), false),
    op("UNSORTED_SEGMENT_MAX", 154, Some(&options::UnsortedSegmentMaxOptions), false),
    op("UNSORTED_SEGMENT_SUM", 155, Some(&options::UnsortedSegmentSumOptions), false),
    op("ATAN2", 156, Some(&options::ATan2Options), false),
    op("UNSORTED_SEGMENT_MIN", 157, Some(&options::UnsortedSegmentMinOptions), false),
    op("SIGN", 158, Some(&options::SignOptions), false),
    op("BITCAST", 159, Some(&options::BitcastOptions), false),
    op("BITWISE_XOR", 160, Some(&options::BitwiseXorOptions), false),
    op("RIGHT_SHIFT", 161, Some(&options::RightShiftOptions), false),
    op("STABLEHLO_LOGISTIC", 162, None, false),
    op("STABLEHLO_ADD", 163, None, false),
    op("STABLEHLO_DIVIDE", 164, None, false),
    op("STABLEHLO_MULTIPLY", 165, None, false),
    op("STABLEHLO_MAXIMUM", 166, None, false),
    op("STABLEHLO_RESHAPE", 167, None, false),
    op("STABLEHLO_CLAMP", 168, None, false),
    op("STABLEHLO_CONCATENATE", 169, Some(&options::StablehloConcatenateOptions), false),
    op("STABLEHLO_BROADCAST_IN_DIM", 170, Some(&options::StablehloBroadcastInDimOptions), false),
    op("STABLEHLO_CONVOLUTION", 171, Some(&options::StablehloConvolutionOptions), false),
    op("STABLEHLO_SLICE", 172, Some(&options::StablehloSliceOptions), false),
    op("STABLEHLO_CUSTOM_CALL", 173, Some(&options::StablehloCustomCallOptions), false),
    op("STABLEHLO_REDUCE", 174, Some(&options::StablehloReduceOptions), false),
    op("STABLEHLO_ABS", 175, None, false),
    op("STABLEHLO_AND", 176, None, false),
    op("STABLEHLO_COSINE", 177, None, false),
    op("STABLEHLO_EXPONENTIAL", 178, None, false),
    op("STABLEHLO_FLOOR", 179, None, false),
    op("STABLEHLO_LOG", 180, None, false),
    op("STABLEHLO_MINIMUM", 181, None, false),
    op("STABLEHLO_NEGATE", 182, None, false),
    op("STABLEHLO_OR", 183, None, false),
    op("STABLEHLO_POWER", 184, None, false),
    op("STABLEHLO_REMAINDER", 185, None, false),
    op("STABLEHLO_RSQRT", 186, None, false),
    op("STABLEHLO_SELECT", 187, None, false),
    op("STABLEHLO_SUBTRACT", 188, None, false),
    op("STABLEHLO_TANH", 189, None, false),
    op("STABLEHLO_SCATTER", 190, Some(&options::StablehloScatterOptions), false),
    op("STABLEHLO_COMPARE", 191, Some(&options::StablehloCompareOptions), false),
    op("STABLEHLO_CONVERT", 192, None, false),
    op("STABLEHLO_DYNAMIC_SLICE", 193, Some(&options::StablehloDynamicSliceOptions), false),
    op("STABLEHLO_DYNAMIC_UPDATE_SLICE", 194, None, false),
    op("STABLEHLO_PAD", 195, Some(&options::StablehloPadOptions), false),
    op("STABLEHLO_IOTA", 196, Some(&options::StablehloIotaOptions), false),
    op("STABLEHLO_DOT_GENERAL", 197, Some(&options::StablehloDotGeneralOptions), false),
    op("STABLEHLO_REDUCE_WINDOW", 198, Some(&options::StablehloReduceWindowOptions), false),
    op("STABLEHLO_SORT", 199, Some(&options::StablehloSortOptions), false),
    op("STABLEHLO_WHILE", 200, Some(&options::StablehloWhileOptions), false),
    op("STABLEHLO_GATHER", 201, Some(&options::StablehloGatherOptions), false),
    op("STABLEHLO_TRANSPOSE", 202, Some(&options::StablehloTransposeOptions), false),
    op("DILATE", 203, Some(&options::DilateOptions), false),
    op("STABLEHLO_RNG_BIT_GENERATOR", 204, Some(&options::StablehloRngBitGeneratorOptions), false),
    op("REDUCE_WINDOW", 205, Some(&options::ReduceWindowOptions), true),
    op("STABLEHLO_COMPOSITE", 206, Some(&options::StableHLOCompositeOptions), false),
    op("STABLEHLO_SHIFT_LEFT", 207, Some(&options::StablehloShiftLeftOptions), false),
    op("STABLEHLO_CBRT", 208, None, false),
    op("STABLEHLO_CASE", 209, Some(&options::StablehloCaseOptions), false),
];

/// Index into `OPS` for each code.
pub(super) static OP_BY_CODE: [Option<u16>; 210] = [
    Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), Some(6), Some(7), Some(8), Some(9),
    Some(10), Some(11), Some(12), Some(13), Some(14), Some(15), Some(16), Some(17), Some(18), Some(19),
    Some(20), Some(21), Some(22), Some(23), Some(24), Some(25), Some(26), Some(27), Some(28), Some(29),
    Some(30), Some(31), Some(32), Some(33), Some(34), Some(35), Some(36), Some(37), Some(38), Some(39),
    Some(40), Some(41), Some(42), Some(43), Some(44), Some(45), Some(46), Some(47), Some(48), Some(49),
    Some(50), Some(51), Some(52), Some(53), Some(54), Some(55), Some(56), Some(57), Some(58), Some(59),
    Some(60), Some(61), Some(62), Some(63), Some(64), Some(65), Some(66), Some(67), Some(68), Some(69),
    Some(70), Some(71), Some(72), Some(73), Some(74), Some(75), Some(76), Some(77), Some(78), Some(79),
    Some(80), Some(81), Some(82), Some(83), Some(84), Some(85), Some(86), Some(87), Some(88), Some(89),
    Some(90), Some(91), Some(92), Some(93), Some(94), Some(95), Some(96), Some(97), Some(98), Some(99),
    Some(100), Some(101), Some(102), Some(103), Some(104), Some(105), Some(106), Some(107), Some(108), Some(109),
    Some(110), Some(111), Some(112), Some(113), Some(114), Some(115), Some(116), Some(117), Some(118), Some(119),
    Some(120), Some(121), Some(122), Some(123), Some(124), Some(125), Some(126), None, Some(127), Some(128),
    Some(129), Some(130), Some(131), Some(132), Some(133), Some(134), Some(135), Some(136), Some(137), Some(138),
    Some(139), Some(140), Some(141), Some(142), Some(143), Some(144), Some(145), Some(146), Some(147), Some(148),
    Some(149), Some(150), Some(151), Some(152), Some(153), Some(154), Some(155), Some(156), Some(157), Some(158),
    Some(159), Some(160), Some(161), Some(162), Some(163), Some(164), Some(165), Some(166), Some(167), Some(168),
    Some(169), Some(170), Some(171), Some(172), Some(173), Some(174), Some(175), Some(176), Some(177), Some(178),
    Some(179), Some(180), Some(181), Some(182), Some(183), Some(184), Some(185), Some(186), Some(187), Some(188),
    Some(189), Some(190), Some(191), Some(192), Some(193), Some(194), Some(195), Some(196), Some(197), Some(198),
    Some(199), Some(200), Some(201), Some(202), Some(203), Some(204), Some(205), Some(206), Some(207), Some(208),
];

/// Indices into `OPS`, in order of name.
pub(super) static OP_BY_NAME: [u16; 209] = [
    101, 0, 106, 56, 79, 143, 155, 1, 126, 37,
    52, 46, 158, 159, 144, 129, 146, 31, 128, 53,
    104, 134, 2, 29, 3, 131, 140, 108, 127, 32,
    51, 124, 4, 5, 6, 202, 42, 150, 111, 7,
    33, 71, 47, 70, 80, 94, 8, 90, 95, 9,
    36, 107, 149, 61, 62, 117, 135, 136, 137, 10,
    138, 118, 132, 11, 12, 98, 58, 63, 13, 73,
    86, 87, 84, 14, 50, 15, 16, 113, 115, 55,
    17, 40, 57, 100, 18, 148, 59, 120, 121, 72,
    85, 83, 34, 60, 78, 54, 114, 145, 147, 96,
    110, 142, 133, 139, 91, 82, 89, 81, 204, 19,
    21, 151, 20, 22, 23, 97, 112, 105, 130, 160,
    24, 116, 76, 122, 125, 64, 123, 77, 157, 66,
    30, 65, 25, 38, 26, 68, 49, 102, 75, 92,
    99, 43, 174, 162, 175, 169, 208, 207, 167, 190,
    205, 168, 191, 170, 176, 172, 163, 196, 192, 193,
    177, 178, 200, 195, 179, 161, 165, 180, 164, 181,
    182, 194, 183, 173, 197, 184, 166, 203, 185, 189,
    186, 206, 171, 198, 187, 188, 201, 199, 45, 41,
    74, 27, 28, 69, 48, 39, 67, 44, 35, 103,
    88, 153, 156, 152, 154, 141, 109, 119, 93,
];

/// In order of name.
pub(super) static OPTIONS_BY_NAME: [&OptionsInfo; 149] = [
    &options::ATan2Options,
    &options::AbsOptions,
    &options::AddNOptions,
    &options::AddOptions,
    &options::ArgMaxOptions,
    &options::ArgMinOptions,
    &options::AssignVariableOptions,
    &options::BatchMatMulOptions,
    &options::BatchToSpaceNDOptions,
    &options::BidirectionalSequenceLSTMOptions,
    &options::BidirectionalSequenceRNNOptions,
    &options::BitcastOptions,
    &options::BitwiseXorOptions,
    &options::BroadcastToOptions,
    &options::BucketizeOptions,
    &options::CallOnceOptions,
    &options::CallOptions,
    &options::CastOptions,
    &options::ConcatEmbeddingsOptions,
    &options::ConcatenationOptions,
    &options::Conv2DOptions,
    &options::Conv3DOptions,
    &options::CosOptions,
    &options::CumsumOptions,
    &options::DensifyOptions,
    &options::DepthToSpaceOptions,
    &options::DepthwiseConv2DOptions,
    &options::DequantizeOptions,
    &options::DilateOptions,
    &options::DivOptions,
    &options::DynamicUpdateSliceOptions,
    &options::EmbeddingLookupSparseOptions,
    &options::EqualOptions,
    &options::ExpOptions,
    &options::ExpandDimsOptions,
    &options::FakeQuantOptions,
    &options::FillOptions,
    &options::FloorDivOptions,
    &options::FloorModOptions,
    &options::FullyConnectedOptions,
    &options::GatherNdOptions,
    &options::GatherOptions,
    &options::GeluOptions,
    &options::GreaterEqualOptions,
    &options::GreaterOptions,
    &options::HardSwishOptions,
    &options::HashtableFindOptions,
    &options::HashtableImportOptions,
    &options::HashtableOptions,
    &options::HashtableSizeOptions,
    &options::IfOptions,
    &options::L2NormOptions,
    &options::LSHProjectionOptions,
    &options::LSTMOptions,
    &options::LeakyReluOptions,
    &options::LessEqualOptions,
    &options::LessOptions,
    &options::LocalResponseNormalizationOptions,
    &options::LogSoftmaxOptions,
    &options::LogicalAndOptions,
    &options::LogicalNotOptions,
    &options::LogicalOrOptions,
    &options::MatrixDiagOptions,
    &options::MatrixSetDiagOptions,
    &options::MaximumMinimumOptions,
    &options::MirrorPadOptions,
    &options::MulOptions,
    &options::NegOptions,
    &options::NonMaxSuppressionV4Options,
    &options::NonMaxSuppressionV5Options,
    &options::NotEqualOptions,
    &options::OneHotOptions,
    &options::PackOptions,
    &options::PadOptions,
    &options::PadV2Options,
    &options::Pool2DOptions,
    &options::PowOptions,
    &options::QuantizeOptions,
    &options::RNNOptions,
    &options::RandomOptions,
    &options::RangeOptions,
    &options::RankOptions,
    &options::ReadVariableOptions,
    &options::ReduceWindowOptions,
    &options::ReducerOptions,
    &options::ReshapeOptions,
    &options::ResizeBilinearOptions,
    &options::ResizeNearestNeighborOptions,
    &options::ReverseSequenceOptions,
    &options::ReverseV2Options,
    &options::Rfft2dOptions,
    &options::RightShiftOptions,
    &options::SVDFOptions,
    &options::ScatterNdOptions,
    &options::SegmentSumOptions,
    &options::SelectOptions,
    &options::SelectV2Options,
    &options::SequenceRNNOptions,
    &options::ShapeOptions,
    &options::SignOptions,
    &options::SkipGramOptions,
    &options::SliceOptions,
    &options::SoftmaxOptions,
    &options::SpaceToBatchNDOptions,
    &options::SpaceToDepthOptions,
    &options::SparseToDenseOptions,
    &options::SplitOptions,
    &options::SplitVOptions,
    &options::SquareOptions,
    &options::SquaredDifferenceOptions,
    &options::SqueezeOptions,
    &options::StableHLOCompositeOptions,
    &options::StablehloBroadcastInDimOptions,
    &options::StablehloCaseOptions,
    &options::StablehloCompareOptions,
    &options::StablehloConcatenateOptions,
    &options::StablehloConvolutionOptions,
    &options::StablehloCustomCallOptions,
    &options::StablehloDotGeneralOptions,
    &options::StablehloDynamicSliceOptions,
    &options::StablehloGatherOptions,
    &options::StablehloIotaOptions,
    &options::StablehloPadOptions,
    &options::StablehloReduceOptions,
    &options::StablehloReduceWindowOptions,
    &options::StablehloRngBitGeneratorOptions,
    &options::StablehloScatterOptions,
    &options::StablehloShiftLeftOptions,
    &options::StablehloSliceOptions,
    &options::StablehloSortOptions,
    &options::StablehloTransposeOptions,
    &options::StablehloWhileOptions,
    &options::StridedSliceOptions,
    &options::SubOptions,
    &options::TileOptions,
    &options::TopKV2Options,
    &options::TransposeConvOptions,
    &options::TransposeOptions,
    &options::UnidirectionalSequenceLSTMOptions,
    &options::UniqueOptions,
    &options::UnpackOptions,
    &options::UnsortedSegmentMaxOptions,
    &options::UnsortedSegmentMinOptions,
    &options::UnsortedSegmentProdOptions,
    &options::UnsortedSegmentSumOptions,
    &options::VarHandleOptions,
    &options::WhereOptions,
    &options::WhileOptions,
    &options::ZerosLikeOptions,
];

pub(super) static BUILTIN_OPTIONS_BY_TAG: [Option<&OptionsInfo>; 127] = [
    None,
    Some(&options::Conv2DOptions),
    Some(&options::DepthwiseConv2DOptions),
    Some(&options::ConcatEmbeddingsOptions),
    Some(&options::LSHProjectionOptions),
    Some(&options::Pool2DOptions),
    Some(&options::SVDFOptions),
    Some(&options::RNNOptions),
    Some(&options::FullyConnectedOptions),
    Some(&options::SoftmaxOptions),
    Some(&options::ConcatenationOptions),
    Some(&options::AddOptions),
    Some(&options::L2NormOptions),
    Some(&options::LocalResponseNormalizationOptions),
    Some(&options::LSTMOptions),
    Some(&options::ResizeBilinearOptions),
    Some(&options::CallOptions),
    Some(&options::ReshapeOptions),
    Some(&options::SkipGramOptions),
    Some(&options::SpaceToDepthOptions),
    Some(&options::EmbeddingLookupSparseOptions),
    Some(&options::MulOptions),
    Some(&options::PadOptions),
    Some(&options::GatherOptions),
    Some(&options::BatchToSpaceNDOptions),
    Some(&options::SpaceToBatchNDOptions),
    Some(&options::TransposeOptions),
    Some(&options::ReducerOptions),
    Some(&options::SubOptions),
    Some(&options::DivOptions),
    Some(&options::SqueezeOptions),
    Some(&options::SequenceRNNOptions),
    Some(&options::StridedSliceOptions),
    Some(&options::ExpOptions),
    Some(&options::TopKV2Options),
    Some(&options::SplitOptions),
    Some(&options::LogSoftmaxOptions),
    Some(&options::CastOptions),
    Some(&options::DequantizeOptions),
    Some(&options::MaximumMinimumOptions),
    Some(&options::ArgMaxOptions),
    Some(&options::LessOptions),
    Some(&options::NegOptions),
    Some(&options::PadV2Options),
    Some(&options::GreaterOptions),
    Some(&options::GreaterEqualOptions),
    Some(&options::LessEqualOptions),
    Some(&options::SelectOptions),
    Some(&options::SliceOptions),
    Some(&options::TransposeConvOptions),
    Some(&options::SparseToDenseOptions),
    Some(&options::TileOptions),
    Some(&options::ExpandDimsOptions),
    Some(&options::EqualOptions),
    Some(&options::NotEqualOptions),
    Some(&options::ShapeOptions),
    Some(&options::PowOptions),
    Some(&options::ArgMinOptions),
    Some(&options::FakeQuantOptions),
    Some(&options::PackOptions),
    Some(&options::LogicalOrOptions),
    Some(&options::OneHotOptions),
    Some(&options::LogicalAndOptions),
    Some(&options::LogicalNotOptions),
    Some(&options::UnpackOptions),
    Some(&options::FloorDivOptions),
    Some(&options::SquareOptions),
    Some(&options::ZerosLikeOptions),
    Some(&options::FillOptions),
    Some(&options::BidirectionalSequenceLSTMOptions),
    Some(&options::BidirectionalSequenceRNNOptions),
    Some(&options::UnidirectionalSequenceLSTMOptions),
    Some(&options::FloorModOptions),
    Some(&options::RangeOptions),
    Some(&options::ResizeNearestNeighborOptions),
    Some(&options::LeakyReluOptions),
    Some(&options::SquaredDifferenceOptions),
    Some(&options::MirrorPadOptions),
    Some(&options::AbsOptions),
    Some(&options::SplitVOptions),
    Some(&options::UniqueOptions),
    Some(&options::ReverseV2Options),
    Some(&options::AddNOptions),
    Some(&options::GatherNdOptions),
    Some(&options::CosOptions),
    Some(&options::WhereOptions),
    Some(&options::RankOptions),
    Some(&options::ReverseSequenceOptions),
    Some(&options::MatrixDiagOptions),
    Some(&options::QuantizeOptions),
    Some(&options::MatrixSetDiagOptions),
    Some(&options::HardSwishOptions),
    Some(&options::IfOptions),
    Some(&options::WhileOptions),
    Some(&options::DepthToSpaceOptions),
    Some(&options::NonMaxSuppressionV4Options),
    Some(&options::NonMaxSuppressionV5Options),
    Some(&options::ScatterNdOptions),
    Some(&options::SelectV2Options),
    Some(&options::DensifyOptions),
    Some(&options::SegmentSumOptions),
    Some(&options::BatchMatMulOptions),
    Some(&options::CumsumOptions),
    Some(&options::CallOnceOptions),
    Some(&options::BroadcastToOptions),
    Some(&options::Rfft2dOptions),
    Some(&options::Conv3DOptions),
    Some(&options::HashtableOptions),
    Some(&options::HashtableFindOptions),
    Some(&options::HashtableImportOptions),
    Some(&options::HashtableSizeOptions),
    Some(&options::VarHandleOptions),
    Some(&options::ReadVariableOptions),
    Some(&options::AssignVariableOptions),
    Some(&options::RandomOptions),
    Some(&options::BucketizeOptions),
    Some(&options::GeluOptions),
    Some(&options::DynamicUpdateSliceOptions),
    Some(&options::UnsortedSegmentProdOptions),
    Some(&options::UnsortedSegmentMaxOptions),
    Some(&options::UnsortedSegmentMinOptions),
    Some(&options::UnsortedSegmentSumOptions),
    Some(&options::ATan2Options),
    Some(&options::SignOptions),
    Some(&options::BitcastOptions),
    Some(&options::BitwiseXorOptions),
    Some(&options::RightShiftOptions),
];

pub(super) static BUILTIN_OPTIONS_2_BY_TAG: [Option<&OptionsInfo>; 24] = [
    None,
    Some(&options::StablehloConcatenateOptions),
    Some(&options::StablehloBroadcastInDimOptions),
    Some(&options::StablehloSliceOptions),
    Some(&options::StablehloConvolutionOptions),
    Some(&options::StablehloCustomCallOptions),
    Some(&options::StablehloReduceOptions),
    Some(&options::StablehloScatterOptions),
    Some(&options::StablehloCompareOptions),
    Some(&options::StablehloDynamicSliceOptions),
    Some(&options::StablehloPadOptions),
    Some(&options::StablehloIotaOptions),
    Some(&options::StablehloDotGeneralOptions),
    Some(&options::StablehloReduceWindowOptions),
    Some(&options::StablehloSortOptions),
    Some(&options::StablehloWhileOptions),
    Some(&options::StablehloGatherOptions),
    Some(&options::StablehloTransposeOptions),
    Some(&options::DilateOptions),
    Some(&options::StablehloRngBitGeneratorOptions),
    Some(&options::ReduceWindowOptions),
    Some(&options::StableHLOCompositeOptions),
    Some(&options::StablehloShiftLeftOptions),
    Some(&options::StablehloCaseOptions),
];

#[allow(non_upper_case_globals)]
mod options {
    use super::enums;
    use super::super::AttrDefault::{Bool as B, Float, Int, None as Absent};
    use super::super::AttrType::*;
    use super::super::OptionsUnion::*;
    use super::super::{ListType, OptionsInfo, attr};

    pub(super) static ATan2Options: OptionsInfo = OptionsInfo { name: "ATan2Options", union: BuiltinOptions, tag: 122, attrs: &[] };
    pub(super) static AbsOptions: OptionsInfo = OptionsInfo { name: "AbsOptions", union: BuiltinOptions, tag: 78, attrs: &[] };
    pub(super) static AddNOptions: OptionsInfo = OptionsInfo { name: "AddNOptions", union: BuiltinOptions, tag: 82, attrs: &[] };
    pub(super) static AddOptions: OptionsInfo = OptionsInfo { name: "AddOptions", union: BuiltinOptions, tag: 11, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("pot_scale_int16", 1, Bool, B(true), false),
    ] };
    pub(super) static ArgMaxOptions: OptionsInfo = OptionsInfo { name: "ArgMaxOptions", union: BuiltinOptions, tag: 40, attrs: &[
        attr("output_type", 0, Enum(&enums::TensorType), Int(0), false),
    ] };
    pub(super) static ArgMinOptions: OptionsInfo = OptionsInfo { name: "ArgMinOptions", union: BuiltinOptions, tag: 57, attrs: &[
        attr("output_type", 0, Enum(&enums::TensorType), Int(0), false),
    ] };
    pub(super) static AssignVariableOptions: OptionsInfo = OptionsInfo { name: "AssignVariableOptions", union: BuiltinOptions, tag: 113, attrs: &[] };
    pub(super) static BatchMatMulOptions: OptionsInfo = OptionsInfo { name: "BatchMatMulOptions", union: BuiltinOptions, tag: 101, attrs: &[
        attr("adj_x", 0, Bool, B(false), false),
        attr("adj_y", 1, Bool, B(false), false),
        attr("asymmetric_quantize_inputs", 2, Bool, B(false), false),
    ] };
    pub(super) static BatchToSpaceNDOptions: OptionsInfo = OptionsInfo { name: "BatchToSpaceNDOptions", union: BuiltinOptions, tag: 24, attrs: &[] };
    pub(super) static BidirectionalSequenceLSTMOptions: OptionsInfo = OptionsInfo { name: "BidirectionalSequenceLSTMOptions", union: BuiltinOptions, tag: 69, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("cell_clip", 1, F32, Float(0.0), false),
        attr("proj_clip", 2, F32, Float(0.0), false),
        attr("merge_outputs", 3, Bool, B(false), false),
        attr("time_major", 4, Bool, B(true), false),
        attr("asymmetric_quantize_inputs", 5, Bool, B(false), false),
    ] };
    pub(super) static BidirectionalSequenceRNNOptions: OptionsInfo = OptionsInfo { name: "BidirectionalSequenceRNNOptions", union: BuiltinOptions, tag: 70, attrs: &[
        attr("time_major", 0, Bool, B(false), false),
        attr("fused_activation_function", 1, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("merge_outputs", 2, Bool, B(false), false),
        attr("asymmetric_quantize_inputs", 3, Bool, B(false), false),
    ] };
    pub(super) static BitcastOptions: OptionsInfo = OptionsInfo { name: "BitcastOptions", union: BuiltinOptions, tag: 124, attrs: &[] };
    pub(super) static BitwiseXorOptions: OptionsInfo = OptionsInfo { name: "BitwiseXorOptions", union: BuiltinOptions, tag: 125, attrs: &[] };
    pub(super) static BroadcastToOptions: OptionsInfo = OptionsInfo { name: "BroadcastToOptions", union: BuiltinOptions, tag: 104, attrs: &[] };
    pub(super) static BucketizeOptions: OptionsInfo = OptionsInfo { name: "BucketizeOptions", union: BuiltinOptions, tag: 115, attrs: &[
        attr("boundaries", 0, List(ListType::F32), Absent, false),
    ] };
    pub(super) static CallOnceOptions: OptionsInfo = OptionsInfo { name: "CallOnceOptions", union: BuiltinOptions, tag: 103, attrs: &[
        attr("init_subgraph_index", 0, I32, Int(0), true),
    ] };
    pub(super) static CallOptions: OptionsInfo = OptionsInfo { name: "CallOptions", union: BuiltinOptions, tag: 16, attrs: &[
        attr("subgraph", 0, U32, Int(0), true),
    ] };
    pub(super) static CastOptions: OptionsInfo = OptionsInfo { name: "CastOptions", union: BuiltinOptions, tag: 37, attrs: &[
        attr("in_data_type", 0, Enum(&enums::TensorType), Int(0), false),
        attr("out_data_type", 1, Enum(&enums::TensorType), Int(0), false),
    ] };
    pub(super) static ConcatEmbeddingsOptions: OptionsInfo = OptionsInfo { name: "ConcatEmbeddingsOptions", union: BuiltinOptions, tag: 3, attrs: &[
        attr("num_channels", 0, I32, Int(0), false),
        attr("num_columns_per_channel", 1, List(ListType::I32), Absent, false),
        attr("embedding_dim_per_channel", 2, List(ListType::I32), Absent, false),
    ] };
    pub(super) static ConcatenationOptions: OptionsInfo = OptionsInfo { name: "ConcatenationOptions", union: BuiltinOptions, tag: 10, attrs: &[
        attr("axis", 0, I32, Int(0), false),
        attr("fused_activation_function", 1, Enum(&enums::ActivationFunctionType), Int(0), false),
    ] };
    pub(super) static Conv2DOptions: OptionsInfo = OptionsInfo { name: "Conv2DOptions", union: BuiltinOptions, tag: 1, attrs: &[
        attr("padding", 0, Enum(&enums::Padding), Int(0), false),
        attr("stride_w", 1, I32, Int(0), false),
        attr("stride_h", 2, I32, Int(0), false),
        attr("fused_activation_function", 3, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("dilation_w_factor", 4, I32, Int(1), false),
        attr("dilation_h_factor", 5, I32, Int(1), false),
        attr("quantized_bias_type", 6, Enum(&enums::TensorType), Int(0), false),
    ] };
    pub(super) static Conv3DOptions: OptionsInfo = OptionsInfo { name: "Conv3DOptions", union: BuiltinOptions, tag: 106, attrs: &[
        attr("padding", 0, Enum(&enums::Padding), Int(0), false),
        attr("stride_d", 1, I32, Int(0), false),
        attr("stride_w", 2, I32, Int(0), false),
        attr("stride_h", 3, I32, Int(0), false),
        attr("fused_activation_function", 4, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("dilation_d_factor", 5, I32, Int(1), false),
        attr("dilation_w_factor", 6, I32, Int(1), false),
        attr("dilation_h_factor", 7, I32, Int(1), false),
    ] };
    pub(super) static CosOptions: OptionsInfo = OptionsInfo { name: "CosOptions", union: BuiltinOptions, tag: 84, attrs: &[] };
    pub(super) static CumsumOptions: OptionsInfo = OptionsInfo { name: "CumsumOptions", union: BuiltinOptions, tag: 102, attrs: &[
        attr("exclusive", 0, Bool, B(false), false),
        attr("reverse", 1, Bool, B(false), false),
    ] };
    pub(super) static DensifyOptions: OptionsInfo = OptionsInfo { name: "DensifyOptions", union: BuiltinOptions, tag: 99, attrs: &[] };
    pub(super) static DepthToSpaceOptions: OptionsInfo = OptionsInfo { name: "DepthToSpaceOptions", union: BuiltinOptions, tag: 94, attrs: &[
        attr("block_size", 0, I32, Int(0), false),
    ] };
    pub(super) static DepthwiseConv2DOptions: OptionsInfo = OptionsInfo { name: "DepthwiseConv2DOptions", union: BuiltinOptions, tag: 2, attrs: &[
        attr("padding", 0, Enum(&enums::Padding), Int(0), false),
        attr("stride_w", 1, I32, Int(0), false),
        attr("stride_h", 2, I32, Int(0), false),
        attr("depth_multiplier", 3, I32, Int(0), false),
        attr("fused_activation_function", 4, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("dilation_w_factor", 5, I32, Int(1), false),
        attr("dilation_h_factor", 6, I32, Int(1), false),
    ] };
    pub(super) static DequantizeOptions: OptionsInfo = OptionsInfo { name: "DequantizeOptions", union: BuiltinOptions, tag: 38, attrs: &[] };
    pub(super) static DilateOptions: OptionsInfo = OptionsInfo { name: "DilateOptions", union: BuiltinOptions2, tag: 18, attrs: &[] };
    pub(super) static DivOptions: OptionsInfo = OptionsInfo { name: "DivOptions", union: BuiltinOptions, tag: 29, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
    ] };
    pub(super) static DynamicUpdateSliceOptions: OptionsInfo = OptionsInfo { name: "DynamicUpdateSliceOptions", union: BuiltinOptions, tag: 117, attrs: &[] };
    pub(super) static EmbeddingLookupSparseOptions: OptionsInfo = OptionsInfo { name: "EmbeddingLookupSparseOptions", union: BuiltinOptions, tag: 20, attrs: &[
        attr("combiner", 0, Enum(&enums::CombinerType), Int(0), false),
    ] };
    pub(super) static EqualOptions: OptionsInfo = OptionsInfo { name: "EqualOptions", union: BuiltinOptions, tag: 53, attrs: &[] };
    pub(super) static ExpOptions: OptionsInfo = OptionsInfo { name: "ExpOptions", union: BuiltinOptions, tag: 33, attrs: &[] };
    pub(super) static ExpandDimsOptions: OptionsInfo = OptionsInfo { name: "ExpandDimsOptions", union: BuiltinOptions, tag: 52, attrs: &[] };
    pub(super) static FakeQuantOptions: OptionsInfo = OptionsInfo { name: "FakeQuantOptions", union: BuiltinOptions, tag: 58, attrs: &[
        attr("min", 0, F32, Float(0.0), false),
        attr("max", 1, F32, Float(0.0), false),
        attr("num_bits", 2, I32, Int(0), false),
        attr("narrow_range", 3, Bool, B(false), false),
    ] };
    pub(super) static FillOptions: OptionsInfo = OptionsInfo { name: "FillOptions", union: BuiltinOptions, tag: 68, attrs: &[] };
    pub(super) static FloorDivOptions: OptionsInfo = OptionsInfo { name: "FloorDivOptions", union: BuiltinOptions, tag: 65, attrs: &[] };
    pub(super) static FloorModOptions: OptionsInfo = OptionsInfo { name: "FloorModOptions", union: BuiltinOptions, tag: 72, attrs: &[] };
    pub(super) static FullyConnectedOptions: OptionsInfo = OptionsInfo { name: "FullyConnectedOptions", union: BuiltinOptions, tag: 8, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("weights_format", 1, Enum(&enums::FullyConnectedOptionsWeightsFormat), Int(0), false),
        attr("keep_num_dims", 2, Bool, B(false), false),
        attr("asymmetric_quantize_inputs", 3, Bool, B(false), false),
        attr("quantized_bias_type", 4, Enum(&enums::TensorType), Int(0), false),
        attr("quant_spec", 5, Bytes, Absent, false),
    ] };
    pub(super) static GatherNdOptions: OptionsInfo = OptionsInfo { name: "GatherNdOptions", union: BuiltinOptions, tag: 83, attrs: &[] };
    pub(super) static GatherOptions: OptionsInfo = OptionsInfo { name: "GatherOptions", union: BuiltinOptions, tag: 23, attrs: &[
        attr("axis", 0, I32, Int(0), false),
        attr("batch_dims", 1, I32, Int(0), false),
    ] };
    pub(super) static GeluOptions: OptionsInfo = OptionsInfo { name: "GeluOptions", union: BuiltinOptions, tag: 116, attrs: &[
        attr("approximate", 0, Bool, B(false), false),
    ] };
    pub(super) static GreaterEqualOptions: OptionsInfo = OptionsInfo { name: "GreaterEqualOptions", union: BuiltinOptions, tag: 45, attrs: &[] };
    pub(super) static GreaterOptions: OptionsInfo = OptionsInfo { name: "GreaterOptions", union: BuiltinOptions, tag: 44, attrs: &[] };
    pub(super) static HardSwishOptions: OptionsInfo = OptionsInfo { name: "HardSwishOptions", union: BuiltinOptions, tag: 91, attrs: &[] };
    pub(super) static HashtableFindOptions: OptionsInfo = OptionsInfo { name: "HashtableFindOptions", union: BuiltinOptions, tag: 108, attrs: &[] };
    pub(super) static HashtableImportOptions: OptionsInfo = OptionsInfo { name: "HashtableImportOptions", union: BuiltinOptions, tag: 109, attrs: &[] };
    pub(super) static HashtableOptions: OptionsInfo = OptionsInfo { name: "HashtableOptions", union: BuiltinOptions, tag: 107, attrs: &[
        attr("table_id", 0, I32, Int(0), false),
        attr("key_dtype", 1, Enum(&enums::TensorType), Int(0), false),
        attr("value_dtype", 2, Enum(&enums::TensorType), Int(0), false),
    ] };
    pub(super) static HashtableSizeOptions: OptionsInfo = OptionsInfo { name: "HashtableSizeOptions", union: BuiltinOptions, tag: 110, attrs: &[] };
    pub(super) static IfOptions: OptionsInfo = OptionsInfo { name: "IfOptions", union: BuiltinOptions, tag: 92, attrs: &[
        attr("then_subgraph_index", 0, I32, Int(0), true),
        attr("else_subgraph_index", 1, I32, Int(0), true),
    ] };
    pub(super) static L2NormOptions: OptionsInfo = OptionsInfo { name: "L2NormOptions", union: BuiltinOptions, tag: 12, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
    ] };
    pub(super) static LSHProjectionOptions: OptionsInfo = OptionsInfo { name: "LSHProjectionOptions", union: BuiltinOptions, tag: 4, attrs: &[
        attr("type", 0, Enum(&enums::LSHProjectionType), Int(0), false),
    ] };
    pub(super) static LSTMOptions: OptionsInfo = OptionsInfo { name: "LSTMOptions", union: BuiltinOptions, tag: 14, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("cell_clip", 1, F32, Float(0.0), false),
        attr("proj_clip", 2, F32, Float(0.0), false),
        attr("kernel_type", 3, Enum(&enums::LSTMKernelType), Int(0), false),
        attr("asymmetric_quantize_inputs", 4, Bool, B(false), false),
    ] };
    pub(super) static LeakyReluOptions: OptionsInfo = OptionsInfo { name: "LeakyReluOptions", union: BuiltinOptions, tag: 75, attrs: &[
        attr("alpha", 0, F32, Float(0.0), false),
    ] };
    pub(super) static LessEqualOptions: OptionsInfo = OptionsInfo { name: "LessEqualOptions", union: BuiltinOptions, tag: 46, attrs: &[] };
    pub(super) static LessOptions: OptionsInfo = OptionsInfo { name: "LessOptions", union: BuiltinOptions, tag: 41, attrs: &[] };
    pub(super) static LocalResponseNormalizationOptions: OptionsInfo = OptionsInfo { name: "LocalResponseNormalizationOptions", union: BuiltinOptions, tag: 13, attrs: &[
        attr("radius", 0, I32, Int(0), false),
        attr("bias", 1, F32, Float(0.0), false),
        attr("alpha", 2, F32, Float(0.0), false),
        attr("beta", 3, F32, Float(0.0), false),
    ] };
    pub(super) static LogSoftmaxOptions: OptionsInfo = OptionsInfo { name: "LogSoftmaxOptions", union: BuiltinOptions, tag: 36, attrs: &[] };
    pub(super) static LogicalAndOptions: OptionsInfo = OptionsInfo { name: "LogicalAndOptions", union: BuiltinOptions, tag: 62, attrs: &[] };
    pub(super) static LogicalNotOptions: OptionsInfo = OptionsInfo { name: "LogicalNotOptions", union: BuiltinOptions, tag: 63, attrs: &[] };
    pub(super) static LogicalOrOptions: OptionsInfo = OptionsInfo { name: "LogicalOrOptions", union: BuiltinOptions, tag: 60, attrs: &[] };
    pub(super) static MatrixDiagOptions: OptionsInfo = OptionsInfo { name: "MatrixDiagOptions", union: BuiltinOptions, tag: 88, attrs: &[] };
    pub(super) static MatrixSetDiagOptions: OptionsInfo = OptionsInfo { name: "MatrixSetDiagOptions", union: BuiltinOptions, tag: 90, attrs: &[] };
    pub(super) static MaximumMinimumOptions: OptionsInfo = OptionsInfo { name: "MaximumMinimumOptions", union: BuiltinOptions, tag: 39, attrs: &[] };
    pub(super) static MirrorPadOptions: OptionsInfo = OptionsInfo { name: "MirrorPadOptions", union: BuiltinOptions, tag: 77, attrs: &[
        attr("mode", 0, Enum(&enums::MirrorPadMode), Int(0), false),
    ] };
    pub(super) static MulOptions: OptionsInfo = OptionsInfo { name: "MulOptions", union: BuiltinOptions, tag: 21, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
    ] };
    pub(super) static NegOptions: OptionsInfo = OptionsInfo { name: "NegOptions", union: BuiltinOptions, tag: 42, attrs: &[] };
    pub(super) static NonMaxSuppressionV4Options: OptionsInfo = OptionsInfo { name: "NonMaxSuppressionV4Options", union: BuiltinOptions, tag: 95, attrs: &[] };
    pub(super) static NonMaxSuppressionV5Options: OptionsInfo = OptionsInfo { name: "NonMaxSuppressionV5Options", union: BuiltinOptions, tag: 96, attrs: &[] };
    pub(super) static NotEqualOptions: OptionsInfo = OptionsInfo { name: "NotEqualOptions", union: BuiltinOptions, tag: 54, attrs: &[] };
    pub(super) static OneHotOptions: OptionsInfo = OptionsInfo { name: "OneHotOptions", union: BuiltinOptions, tag: 61, attrs: &[
        attr("axis", 0, I32, Int(0), false),
    ] };
    pub(super) static PackOptions: OptionsInfo = OptionsInfo { name: "PackOptions", union: BuiltinOptions, tag: 59, attrs: &[
        attr("values_count", 0, I32, Int(0), false),
        attr("axis", 1, I32, Int(0), false),
    ] };
    pub(super) static PadOptions: OptionsInfo = OptionsInfo { name: "PadOptions", union: BuiltinOptions, tag: 22, attrs: &[] };
    pub(super) static PadV2Options: OptionsInfo = OptionsInfo { name: "PadV2Options", union: BuiltinOptions, tag: 43, attrs: &[] };
    pub(super) static Pool2DOptions: OptionsInfo = OptionsInfo { name: "Pool2DOptions", union: BuiltinOptions, tag: 5, attrs: &[
        attr("padding", 0, Enum(&enums::Padding), Int(0), false),
        attr("stride_w", 1, I32, Int(0), false),
        attr("stride_h", 2, I32, Int(0), false),
        attr("filter_width", 3, I32, Int(0), false),
        attr("filter_height", 4, I32, Int(0), false),
        attr("fused_activation_function", 5, Enum(&enums::ActivationFunctionType), Int(0), false),
    ] };
    pub(super) static PowOptions: OptionsInfo = OptionsInfo { name: "PowOptions", union: BuiltinOptions, tag: 56, attrs: &[] };
    pub(super) static QuantizeOptions: OptionsInfo = OptionsInfo { name: "QuantizeOptions", union: BuiltinOptions, tag: 89, attrs: &[] };
    pub(super) static RNNOptions: OptionsInfo = OptionsInfo { name: "RNNOptions", union: BuiltinOptions, tag: 7, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("asymmetric_quantize_inputs", 1, Bool, B(false), false),
    ] };
    pub(super) static RandomOptions: OptionsInfo = OptionsInfo { name: "RandomOptions", union: BuiltinOptions, tag: 114, attrs: &[
        attr("seed", 0, I64, Int(0), false),
        attr("seed2", 1, I64, Int(0), false),
    ] };
    pub(super) static RangeOptions: OptionsInfo = OptionsInfo { name: "RangeOptions", union: BuiltinOptions, tag: 73, attrs: &[] };
    pub(super) static RankOptions: OptionsInfo = OptionsInfo { name: "RankOptions", union: BuiltinOptions, tag: 86, attrs: &[] };
    pub(super) static ReadVariableOptions: OptionsInfo = OptionsInfo { name: "ReadVariableOptions", union: BuiltinOptions, tag: 112, attrs: &[] };
    pub(super) static ReduceWindowOptions: OptionsInfo = OptionsInfo { name: "ReduceWindowOptions", union: BuiltinOptions2, tag: 20, attrs: &[
        attr("reduce_function", 0, Enum(&enums::ReduceWindowFunction), Int(0), false),
    ] };
    pub(super) static ReducerOptions: OptionsInfo = OptionsInfo { name: "ReducerOptions", union: BuiltinOptions, tag: 27, attrs: &[
        attr("keep_dims", 0, Bool, B(false), false),
    ] };
    pub(super) static ReshapeOptions: OptionsInfo = OptionsInfo { name: "ReshapeOptions", union: BuiltinOptions, tag: 17, attrs: &[
        attr("new_shape", 0, List(ListType::I32), Absent, false),
    ] };
    pub(super) static ResizeBilinearOptions: OptionsInfo = OptionsInfo { name: "ResizeBilinearOptions", union: BuiltinOptions, tag: 15, attrs: &[
        attr("new_height", 0, I32, Int(0), false),
        attr("new_width", 1, I32, Int(0), false),
        attr("align_corners", 2, Bool, B(false), false),
        attr("half_pixel_centers", 3, Bool, B(false), false),
    ] };
    pub(super) static ResizeNearestNeighborOptions: OptionsInfo = OptionsInfo { name: "ResizeNearestNeighborOptions", union: BuiltinOptions, tag: 74, attrs: &[
        attr("align_corners", 0, Bool, B(false), false),
        attr("half_pixel_centers", 1, Bool, B(false), false),
    ] };
    pub(super) static ReverseSequenceOptions: OptionsInfo = OptionsInfo { name: "ReverseSequenceOptions", union: BuiltinOptions, tag: 87, attrs: &[
        attr("seq_dim", 0, I32, Int(0), false),
        attr("batch_dim", 1, I32, Int(0), false),
    ] };
    pub(super) static ReverseV2Options: OptionsInfo = OptionsInfo { name: "ReverseV2Options", union: BuiltinOptions, tag: 81, attrs: &[] };
    pub(super) static Rfft2dOptions: OptionsInfo = OptionsInfo { name: "Rfft2dOptions", union: BuiltinOptions, tag: 105, attrs: &[] };
    pub(super) static RightShiftOptions: OptionsInfo = OptionsInfo { name: "RightShiftOptions", union: BuiltinOptions, tag: 126, attrs: &[] };
    pub(super) static SVDFOptions: OptionsInfo = OptionsInfo { name: "SVDFOptions", union: BuiltinOptions, tag: 6, attrs: &[
        attr("rank", 0, I32, Int(0), false),
        attr("fused_activation_function", 1, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("asymmetric_quantize_inputs", 2, Bool, B(false), false),
    ] };
    pub(super) static ScatterNdOptions: OptionsInfo = OptionsInfo { name: "ScatterNdOptions", union: BuiltinOptions, tag: 97, attrs: &[] };
    pub(super) static SegmentSumOptions: OptionsInfo = OptionsInfo { name: "SegmentSumOptions", union: BuiltinOptions, tag: 100, attrs: &[] };
    pub(super) static SelectOptions: OptionsInfo = OptionsInfo { name: "SelectOptions", union: BuiltinOptions, tag: 47, attrs: &[] };
    pub(super) static SelectV2Options: OptionsInfo = OptionsInfo { name: "SelectV2Options", union: BuiltinOptions, tag: 98, attrs: &[] };
    pub(super) static SequenceRNNOptions: OptionsInfo = OptionsInfo { name: "SequenceRNNOptions", union: BuiltinOptions, tag: 31, attrs: &[
        attr("time_major", 0, Bool, B(false), false),
        attr("fused_activation_function", 1, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("asymmetric_quantize_inputs", 2, Bool, B(false), false),
    ] };
    pub(super) static ShapeOptions: OptionsInfo = OptionsInfo { name: "ShapeOptions", union: BuiltinOptions, tag: 55, attrs: &[
        attr("out_type", 0, Enum(&enums::TensorType), Int(0), false),
    ] };
    pub(super) static SignOptions: OptionsInfo = OptionsInfo { name: "SignOptions", union: BuiltinOptions, tag: 123, attrs: &[] };
    pub(super) static SkipGramOptions: OptionsInfo = OptionsInfo { name: "SkipGramOptions", union: BuiltinOptions, tag: 18, attrs: &[
        attr("ngram_size", 0, I32, Int(0), false),
        attr("max_skip_size", 1, I32, Int(0), false),
        attr("include_all_ngrams", 2, Bool, B(false), false),
    ] };
    pub(super) static SliceOptions: OptionsInfo = OptionsInfo { name: "SliceOptions", union: BuiltinOptions, tag: 48, attrs: &[] };
    pub(super) static SoftmaxOptions: OptionsInfo = OptionsInfo { name: "SoftmaxOptions", union: BuiltinOptions, tag: 9, attrs: &[
        attr("beta", 0, F32, Float(0.0), false),
    ] };
    pub(super) static SpaceToBatchNDOptions: OptionsInfo = OptionsInfo { name: "SpaceToBatchNDOptions", union: BuiltinOptions, tag: 25, attrs: &[] };
    pub(super) static SpaceToDepthOptions: OptionsInfo = OptionsInfo { name: "SpaceToDepthOptions", union: BuiltinOptions, tag: 19, attrs: &[
        attr("block_size", 0, I32, Int(0), false),
    ] };
    pub(super) static SparseToDenseOptions: OptionsInfo = OptionsInfo { name: "SparseToDenseOptions", union: BuiltinOptions, tag: 50, attrs: &[
        attr("validate_indices", 0, Bool, B(false), false),
    ] };
    pub(super) static SplitOptions: OptionsInfo = OptionsInfo { name: "SplitOptions", union: BuiltinOptions, tag: 35, attrs: &[
        attr("num_splits", 0, I32, Int(0), false),
    ] };
    pub(super) static SplitVOptions: OptionsInfo = OptionsInfo { name: "SplitVOptions", union: BuiltinOptions, tag: 79, attrs: &[
        attr("num_splits", 0, I32, Int(0), false),
    ] };
    pub(super) static SquareOptions: OptionsInfo = OptionsInfo { name: "SquareOptions", union: BuiltinOptions, tag: 66, attrs: &[] };
    pub(super) static SquaredDifferenceOptions: OptionsInfo = OptionsInfo { name: "SquaredDifferenceOptions", union: BuiltinOptions, tag: 76, attrs: &[] };
    pub(super) static SqueezeOptions: OptionsInfo = OptionsInfo { name: "SqueezeOptions", union: BuiltinOptions, tag: 30, attrs: &[
        attr("squeeze_dims", 0, List(ListType::I32), Absent, false),
    ] };
    pub(super) static StableHLOCompositeOptions: OptionsInfo = OptionsInfo { name: "StableHLOCompositeOptions", union: BuiltinOptions2, tag: 21, attrs: &[
        attr("name", 0, String, Absent, false),
        attr("decomposition_subgraph_index", 1, I32, Int(0), true),
        attr("composite_attributes", 2, Bytes, Absent, false),
        attr("composite_attributes_format", 3, Enum(&enums::CustomOptionsFormat), Int(0), false),
        attr("version", 4, I32, Int(0), false),
    ] };
    pub(super) static StablehloBroadcastInDimOptions: OptionsInfo = OptionsInfo { name: "StablehloBroadcastInDimOptions", union: BuiltinOptions2, tag: 2, attrs: &[
        attr("broadcast_dimensions", 0, List(ListType::I64), Absent, false),
    ] };
    pub(super) static StablehloCaseOptions: OptionsInfo = OptionsInfo { name: "StablehloCaseOptions", union: BuiltinOptions2, tag: 23, attrs: &[
        attr("branch_subgraph_indices", 0, List(ListType::I32), Absent, true),
    ] };
    pub(super) static StablehloCompareOptions: OptionsInfo = OptionsInfo { name: "StablehloCompareOptions", union: BuiltinOptions2, tag: 8, attrs: &[
        attr("comparison_direction", 0, Enum(&enums::StablehloComparisonDirection), Int(0), false),
        attr("compare_type", 1, Enum(&enums::StablehloComparisonType), Int(0), false),
    ] };
    pub(super) static StablehloConcatenateOptions: OptionsInfo = OptionsInfo { name: "StablehloConcatenateOptions", union: BuiltinOptions2, tag: 1, attrs: &[
        attr("dimension", 0, I64, Int(0), false),
    ] };
    pub(super) static StablehloConvolutionOptions: OptionsInfo = OptionsInfo { name: "StablehloConvolutionOptions", union: BuiltinOptions2, tag: 4, attrs: &[
        attr("window_strides", 0, List(ListType::I64), Absent, false),
        attr("padding", 1, List(ListType::I64), Absent, false),
        attr("lhs_dilation", 2, List(ListType::I64), Absent, false),
        attr("rhs_dilation", 3, List(ListType::I64), Absent, false),
        attr("window_reversal", 4, List(ListType::Bool), Absent, false),
        attr("input_batch_dimension", 5, I64, Int(0), false),
        attr("input_feature_dimension", 6, I64, Int(0), false),
        attr("input_spatial_dimensions", 7, List(ListType::I64), Absent, false),
        attr("kernel_input_feature_dimension", 8, I64, Int(0), false),
        attr("kernel_output_feature_dimension", 9, I64, Int(0), false),
        attr("kernel_spatial_dimensions", 10, List(ListType::I64), Absent, false),
        attr("output_batch_dimension", 11, I64, Int(0), false),
        attr("output_feature_dimension", 12, I64, Int(0), false),
        attr("output_spatial_dimensions", 13, List(ListType::I64), Absent, false),
        attr("feature_group_count", 14, I64, Int(0), false),
        attr("batch_group_count", 15, I64, Int(0), false),
        attr("precision_config", 16, List(ListType::Enum(&enums::StablehloPrecisionConfig)), Absent, false),
    ] };
    pub(super) static StablehloCustomCallOptions: OptionsInfo = OptionsInfo { name: "StablehloCustomCallOptions", union: BuiltinOptions2, tag: 5, attrs: &[
        attr("call_target_name", 0, String, Absent, false),
        attr("has_side_effect", 1, Bool, B(false), false),
        attr("backend_config", 2, String, Absent, false),
        attr("api_version", 3, I32, Int(0), false),
        attr("called_computations", 4, List(ListType::I32), Absent, true),
        attr("custom_attributes", 5, Bytes, Absent, false),
    ] };
    pub(super) static StablehloDotGeneralOptions: OptionsInfo = OptionsInfo { name: "StablehloDotGeneralOptions", union: BuiltinOptions2, tag: 12, attrs: &[
        attr("lhs_batching_dimensions", 0, List(ListType::I64), Absent, false),
        attr("rhs_batching_dimensions", 1, List(ListType::I64), Absent, false),
        attr("lhs_contracting_dimensions", 2, List(ListType::I64), Absent, false),
        attr("rhs_contracting_dimensions", 3, List(ListType::I64), Absent, false),
        attr("precision_config", 4, List(ListType::Enum(&enums::StablehloPrecisionConfig)), Absent, false),
    ] };
    pub(super) static StablehloDynamicSliceOptions: OptionsInfo = OptionsInfo { name: "StablehloDynamicSliceOptions", union: BuiltinOptions2, tag: 9, attrs: &[
        attr("slice_sizes", 0, List(ListType::I64), Absent, false),
    ] };
    pub(super) static StablehloGatherOptions: OptionsInfo = OptionsInfo { name: "StablehloGatherOptions", union: BuiltinOptions2, tag: 16, attrs: &[
        attr("offset_dims", 0, List(ListType::I64), Absent, false),
        attr("collapsed_slice_dims", 1, List(ListType::I64), Absent, false),
        attr("start_index_map", 2, List(ListType::I64), Absent, false),
        attr("index_vector_dim", 3, I64, Int(0), false),
        attr("slice_sizes", 4, List(ListType::I64), Absent, false),
        attr("indices_are_sorted", 5, Bool, B(false), false),
    ] };
    pub(super) static StablehloIotaOptions: OptionsInfo = OptionsInfo { name: "StablehloIotaOptions", union: BuiltinOptions2, tag: 11, attrs: &[
        attr("iota_dimension", 0, I64, Int(0), false),
    ] };
    pub(super) static StablehloPadOptions: OptionsInfo = OptionsInfo { name: "StablehloPadOptions", union: BuiltinOptions2, tag: 10, attrs: &[
        attr("edge_padding_low", 0, List(ListType::I64), Absent, false),
        attr("edge_padding_high", 1, List(ListType::I64), Absent, false),
        attr("interior_padding", 2, List(ListType::I64), Absent, false),
    ] };
    pub(super) static StablehloReduceOptions: OptionsInfo = OptionsInfo { name: "StablehloReduceOptions", union: BuiltinOptions2, tag: 6, attrs: &[
        attr("dimensions", 0, List(ListType::I64), Absent, false),
        attr("body_subgraph_index", 1, I32, Int(0), true),
    ] };
    pub(super) static StablehloReduceWindowOptions: OptionsInfo = OptionsInfo { name: "StablehloReduceWindowOptions", union: BuiltinOptions2, tag: 13, attrs: &[
        attr("window_dimensions", 0, List(ListType::I64), Absent, false),
        attr("window_strides", 1, List(ListType::I64), Absent, false),
        attr("base_dilations", 2, List(ListType::I64), Absent, false),
        attr("window_dilations", 3, List(ListType::I64), Absent, false),
        attr("padding", 4, List(ListType::I64), Absent, false),
        attr("body_subgraph_index", 5, I32, Int(0), true),
    ] };
    pub(super) static StablehloRngBitGeneratorOptions: OptionsInfo = OptionsInfo { name: "StablehloRngBitGeneratorOptions", union: BuiltinOptions2, tag: 19, attrs: &[
        attr("algorithm", 0, Enum(&enums::RngAlgorithm), Int(0), false),
    ] };
    pub(super) static StablehloScatterOptions: OptionsInfo = OptionsInfo { name: "StablehloScatterOptions", union: BuiltinOptions2, tag: 7, attrs: &[
        attr("indices_are_sorted", 0, Bool, B(false), false),
        attr("update_window_dims", 1, List(ListType::I64), Absent, false),
        attr("inserted_window_dims", 2, List(ListType::I64), Absent, false),
        attr("scatter_dims_to_operand_dims", 3, List(ListType::I64), Absent, false),
        attr("index_vector_dim", 4, I64, Int(0), false),
        attr("unique_indices", 5, Bool, B(false), false),
        attr("update_computation_subgraph_index", 6, I32, Int(0), true),
    ] };
    pub(super) static StablehloShiftLeftOptions: OptionsInfo = OptionsInfo { name: "StablehloShiftLeftOptions", union: BuiltinOptions2, tag: 22, attrs: &[] };
    pub(super) static StablehloSliceOptions: OptionsInfo = OptionsInfo { name: "StablehloSliceOptions", union: BuiltinOptions2, tag: 3, attrs: &[
        attr("start_indices", 0, List(ListType::I64), Absent, false),
        attr("limit_indices", 1, List(ListType::I64), Absent, false),
        attr("strides", 2, List(ListType::I64), Absent, false),
    ] };
    pub(super) static StablehloSortOptions: OptionsInfo = OptionsInfo { name: "StablehloSortOptions", union: BuiltinOptions2, tag: 14, attrs: &[
        attr("dimension", 0, I64, Int(0), false),
        attr("is_stable", 1, Bool, B(false), false),
        attr("comparator_subgraph_index", 2, I32, Int(0), true),
    ] };
    pub(super) static StablehloTransposeOptions: OptionsInfo = OptionsInfo { name: "StablehloTransposeOptions", union: BuiltinOptions2, tag: 17, attrs: &[
        attr("permutation", 0, List(ListType::I64), Absent, false),
    ] };
    pub(super) static StablehloWhileOptions: OptionsInfo = OptionsInfo { name: "StablehloWhileOptions", union: BuiltinOptions2, tag: 15, attrs: &[
        attr("cond_subgraph_index", 0, I32, Int(0), true),
        attr("body_subgraph_index", 1, I32, Int(0), true),
    ] };
    pub(super) static StridedSliceOptions: OptionsInfo = OptionsInfo { name: "StridedSliceOptions", union: BuiltinOptions, tag: 32, attrs: &[
        attr("begin_mask", 0, I32, Int(0), false),
        attr("end_mask", 1, I32, Int(0), false),
        attr("ellipsis_mask", 2, I32, Int(0), false),
        attr("new_axis_mask", 3, I32, Int(0), false),
        attr("shrink_axis_mask", 4, I32, Int(0), false),
        attr("offset", 5, Bool, B(false), false),
    ] };
    pub(super) static SubOptions: OptionsInfo = OptionsInfo { name: "SubOptions", union: BuiltinOptions, tag: 28, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("pot_scale_int16", 1, Bool, B(true), false),
    ] };
    pub(super) static TileOptions: OptionsInfo = OptionsInfo { name: "TileOptions", union: BuiltinOptions, tag: 51, attrs: &[] };
    pub(super) static TopKV2Options: OptionsInfo = OptionsInfo { name: "TopKV2Options", union: BuiltinOptions, tag: 34, attrs: &[] };
    pub(super) static TransposeConvOptions: OptionsInfo = OptionsInfo { name: "TransposeConvOptions", union: BuiltinOptions, tag: 49, attrs: &[
        attr("padding", 0, Enum(&enums::Padding), Int(0), false),
        attr("stride_w", 1, I32, Int(0), false),
        attr("stride_h", 2, I32, Int(0), false),
        attr("fused_activation_function", 3, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("quantized_bias_type", 4, Enum(&enums::TensorType), Int(0), false),
    ] };
    pub(super) static TransposeOptions: OptionsInfo = OptionsInfo { name: "TransposeOptions", union: BuiltinOptions, tag: 26, attrs: &[] };
    pub(super) static UnidirectionalSequenceLSTMOptions: OptionsInfo = OptionsInfo { name: "UnidirectionalSequenceLSTMOptions", union: BuiltinOptions, tag: 71, attrs: &[
        attr("fused_activation_function", 0, Enum(&enums::ActivationFunctionType), Int(0), false),
        attr("cell_clip", 1, F32, Float(0.0), false),
        attr("proj_clip", 2, F32, Float(0.0), false),
        attr("time_major", 3, Bool, B(false), false),
        attr("asymmetric_quantize_inputs", 4, Bool, B(false), false),
        attr("diagonal_recurrent_tensors", 5, Bool, B(false), false),
    ] };
    pub(super) static UniqueOptions: OptionsInfo = OptionsInfo { name: "UniqueOptions", union: BuiltinOptions, tag: 80, attrs: &[
        attr("idx_out_type", 0, Enum(&enums::TensorType), Int(2), false),
    ] };
    pub(super) static UnpackOptions: OptionsInfo = OptionsInfo { name: "UnpackOptions", union: BuiltinOptions, tag: 64, attrs: &[
        attr("num", 0, I32, Int(0), false),
        attr("axis", 1, I32, Int(0), false),
    ] };
    pub(super) static UnsortedSegmentMaxOptions: OptionsInfo = OptionsInfo { name: "UnsortedSegmentMaxOptions", union: BuiltinOptions, tag: 119, attrs: &[] };
    pub(super) static UnsortedSegmentMinOptions: OptionsInfo = OptionsInfo { name: "UnsortedSegmentMinOptions", union: BuiltinOptions, tag: 120, attrs: &[] };
    pub(super) static UnsortedSegmentProdOptions: OptionsInfo = OptionsInfo { name: "UnsortedSegmentProdOptions", union: BuiltinOptions, tag: 118, attrs: &[] };
    pub(super) static UnsortedSegmentSumOptions: OptionsInfo = OptionsInfo { name: "UnsortedSegmentSumOptions", union: BuiltinOptions, tag: 121, attrs: &[] };
    pub(super) static VarHandleOptions: OptionsInfo = OptionsInfo { name: "VarHandleOptions", union: BuiltinOptions, tag: 111, attrs: &[
        attr("container", 0, String, Absent, false),
        attr("shared_name", 1, String, Absent, false),
    ] };
    pub(super) static WhereOptions: OptionsInfo = OptionsInfo { name: "WhereOptions", union: BuiltinOptions, tag: 85, attrs: &[] };
    pub(super) static WhileOptions: OptionsInfo = OptionsInfo { name: "WhileOptions", union: BuiltinOptions, tag: 93, attrs: &[
        attr("cond_subgraph_index", 0, I32, Int(0), true),
        attr("body_subgraph_index", 1, I32, Int(0), true),
    ] };
    pub(super) static ZerosLikeOptions: OptionsInfo = OptionsInfo { name: "ZerosLikeOptions", union: BuiltinOptions, tag: 67, attrs: &[] };
}

#[allow(non_upper_case_globals)]
mod enums {
    use super::super::{EnumInfo, Width};

    pub(super) static ActivationFunctionType: EnumInfo = EnumInfo { name: "ActivationFunctionType", width: Width::I8, values: &[
        ("NONE", 0),
        ("RELU", 1),
        ("RELU_N1_TO_1", 2),
        ("RELU6", 3),
        ("TANH", 4),
        ("SIGN_BIT", 5),
    ] };

    pub(super) static CombinerType: EnumInfo = EnumInfo { name: "CombinerType", width: Width::I8, values: &[
        ("SUM", 0),
        ("MEAN", 1),
        ("SQRTN", 2),
    ] };

    pub(super) static CustomOptionsFormat: EnumInfo = EnumInfo { name: "CustomOptionsFormat", width: Width::I8, values: &[
        ("FLEXBUFFERS", 0),
    ] };

    pub(super) static FullyConnectedOptionsWeightsFormat: EnumInfo = EnumInfo { name: "FullyConnectedOptionsWeightsFormat", width: Width::I8, values: &[
        ("DEFAULT", 0),
        ("SHUFFLED4x16INT8", 1),
    ] };

    pub(super) static LSHProjectionType: EnumInfo = EnumInfo { name: "LSHProjectionType", width: Width::I8, values: &[
        ("UNKNOWN", 0),
        ("SPARSE", 1),
        ("DENSE", 2),
    ] };

    pub(super) static LSTMKernelType: EnumInfo = EnumInfo { name: "LSTMKernelType", width: Width::I8, values: &[
        ("FULL", 0),
        ("BASIC", 1),
    ] };

    pub(super) static MirrorPadMode: EnumInfo = EnumInfo { name: "MirrorPadMode", width: Width::I8, values: &[
        ("REFLECT", 0),
        ("SYMMETRIC", 1),
    ] };

    pub(super) static Padding: EnumInfo = EnumInfo { name: "Padding", width: Width::I8, values: &[
        ("SAME", 0),
        ("VALID", 1),
    ] };

    pub(super) static ReduceWindowFunction: EnumInfo = EnumInfo { name: "ReduceWindowFunction", width: Width::I32, values: &[
        ("UNSUPPORTED", 0),
        ("ADD", 1),
        ("MUL", 2),
        ("MINIMUM", 3),
        ("MAXIMUM", 4),
        ("ALL", 5),
        ("ANY", 6),
    ] };

    pub(super) static RngAlgorithm: EnumInfo = EnumInfo { name: "RngAlgorithm", width: Width::I8, values: &[
        ("DEFAULT", 0),
        ("PHILOX", 1),
        ("THREEFRY", 2),
    ] };

    pub(super) static StablehloComparisonDirection: EnumInfo = EnumInfo { name: "StablehloComparisonDirection", width: Width::U32, values: &[
        ("STABLEHLO_COMPARISON_DIRECTION_EQ", 0),
        ("STABLEHLO_COMPARISON_DIRECTION_NE", 1),
        ("STABLEHLO_COMPARISON_DIRECTION_GE", 2),
        ("STABLEHLO_COMPARISON_DIRECTION_GT", 3),
        ("STABLEHLO_COMPARISON_DIRECTION_LE", 4),
        ("STABLEHLO_COMPARISON_DIRECTION_LT", 5),
    ] };

    pub(super) static StablehloComparisonType: EnumInfo = EnumInfo { name: "StablehloComparisonType", width: Width::U32, values: &[
        ("STABLEHLO_COMPARISON_TYPE_NOTYPE", 0),
        ("STABLEHLO_COMPARISON_TYPE_FLOAT", 1),
        ("STABLEHLO_COMPARISON_TYPE_FLOAT_TOTAL_ORDER", 2),
        ("STABLEHLO_COMPARISON_TYPE_SIGNED", 3),
        ("STABLEHLO_COMPARISON_TYPE_UNSIGNED", 4),
    ] };

    pub(super) static StablehloPrecisionConfig: EnumInfo = EnumInfo { name: "StablehloPrecisionConfig", width: Width::U32, values: &[
        ("DEFAULT", 0),
        ("HIGH", 1),
        ("HIGHEST", 2),
    ] };

    pub(super) static TensorType: EnumInfo = EnumInfo { name: "TensorType", width: Width::I8, values: &[
        ("FLOAT32", 0),
        ("FLOAT16", 1),
        ("INT32", 2),
        ("UINT8", 3),
        ("INT64", 4),
        ("STRING", 5),
        ("BOOL", 6),
        ("INT16", 7),
        ("COMPLEX64", 8),
        ("INT8", 9),
        ("FLOAT64", 10),
        ("COMPLEX128", 11),
        ("UINT64", 12),
        ("RESOURCE", 13),
        ("VARIANT", 14),
        ("UINT32", 15),
        ("UINT16", 16),
        ("INT4", 17),
        ("BFLOAT16", 18),
        ("INT2", 19),
        ("UINT4", 20),
        ("FLOAT8_E4M3FN", 21),
        ("FLOAT8_E5M2", 22),
    ] };
}
