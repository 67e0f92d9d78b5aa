"""Models of one operator, or of the few whose sharing of a weight matters, and of weights with awkward values."""

import numpy as np
from catalogue import model
from tflite_builder import NO_TENSOR, options, schema

INT32, BOOL = schema.TensorType.INT32, schema.TensorType.BOOL
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
RELU6, TANH = schema.ActivationFunctionType.RELU6, schema.ActivationFunctionType.TANH


def int32(*values):
    return np.array(values, np.int32)


def conv_options(stride=1, padding=SAME, **fields):
    return options("Conv2D", padding=padding, strideW=stride, strideH=stride, **fields)


def dense(g, x, weights, output, rows, bias=NO_TENSOR, batch=1):
    """A FULLY_CONNECTED over existing tensors; returns its output."""
    y = g.tensor(output, [batch, rows])
    g.op("FULLY_CONNECTED", [x, weights, bias], [y], options("FullyConnected"))
    return y


# ---- the four fixtures of the legacy quantizer's own tests, tensor for tensor

@model("ops", "CONV_2D, weights 0..10 with stored min/max; SAME, stride 2, RELU6")
def conv_min0_max10(m):
    g = m.subgraph()
    bias_data = np.linspace(1, 8, 5, dtype=np.float32)
    weight_data = m.rng.uniform(0, 10, (5, 3, 3, 3)).astype(np.float32)
    weight_data.reshape(5, -1)[:, 0], weight_data.reshape(5, -1)[:, 1] = 0, 10  # so that the stored range is exact
    bias_buffer = m.buffer(bias_data)
    weights = g.const("conv_weights", weight_data, quant=min_max([0] * 5, [10] * 5))
    bias = g.const("conv_bias", bias_data, buffer=bias_buffer)
    # Old converters gave every tensor a buffer, also those without data.
    y = g.tensor("output", [1, 3, 3, 5], buffer=m.buffer(None))
    x = g.input("input", [1, 6, 6, 3], buffer=m.buffer(None), quant=min_max([-1] * 3, [1] * 3))
    g.op("CONV_2D", [x, weights, bias], [y], conv_options(2, fusedActivationFunction=RELU6))
    g.output(y)


def min_max(low, high):
    table = schema.QuantizationParametersT()
    table.min, table.max = [float(v) for v in low], [float(v) for v in high]
    return table


@model("ops", "one 1-element weight of two CONV_2D")
def shared_convs(m):
    g = m.subgraph()
    a, b = g.input("input_a", [1, 1, 1, 1]), g.input("input_b", [1, 1, 1, 1])
    weights = g.const("weights", np.full((1, 1, 1, 1), -1.19196, np.float32))
    out_a = g.tensor("output_a", [1, 1, 1, 1])
    bias_a = g.zeros("bias_a", 1)
    out_b = g.tensor("output_b", [1, 1, 1, 1])
    bias_b = g.zeros("bias_b", 1)
    g.op("CONV_2D", [a, weights, bias_a], [out_a], conv_options(padding=VALID))
    g.op("CONV_2D", [b, weights, bias_b], [out_b], conv_options(padding=VALID))
    g.output(out_a, out_b)


@model("ops", "GATHER from a small constant table, its only consumer")
def gather(m):
    g = m.subgraph()
    ids = g.input("ids", [2], INT32)
    table = g.const("table", np.full((12, 2), 1.72923, np.float32))
    y = g.tensor("output", [2, 2])
    g.op("GATHER", [table, ids], [y], options("Gather"))
    g.output(y)


@model("ops", "a custom op with a float weight; scalar output", refused="custom op")
def custom_op(m):
    g = m.subgraph()
    y = g.tensor("output", [])
    x = g.input("input", [1, 1, 1, 1])
    weights = g.const("weights", np.ones((1, 1, 1, 1), np.float32))
    g.op("CustomTestOp", [x, weights], [y])
    g.output(y)


# ---- layers

@model("ops", "FULLY_CONNECTED with bias")
def fc_bias(m):
    g = m.subgraph()
    x = g.input("input", [1, 32])
    g.output(dense(g, x, g.weights("weights", [40, 32]), "output", 40, g.weights("bias", [40])))


@model("ops", "FULLY_CONNECTED with two inputs")
def fc_no_bias(m):
    g = m.subgraph()
    x, weights, y = g.input("input", [1, 32]), g.weights("weights", [40, 32]), g.tensor("output", [1, 40])
    g.op("FULLY_CONNECTED", [x, weights], [y], options("FullyConnected"))
    g.output(y)


@model("ops", "FULLY_CONNECTED with bias -1")
def fc_bias_absent(m):
    g = m.subgraph()
    x = g.input("input", [1, 32])
    g.output(dense(g, x, g.weights("weights", [40, 32]), "output", 40))


@model("ops", "CONV_2D")
def conv_2d(m):
    g = m.subgraph()
    x = g.input("input", [1, 6, 6, 8])
    weights, bias, y = g.weights("weights", [16, 3, 3, 8]), g.weights("bias", [16]), g.tensor("output", [1, 6, 6, 16])
    g.op("CONV_2D", [x, weights, bias], [y], conv_options())
    g.output(y)


@model("ops", "CONV_2D in two groups (version 6)")
def conv_2d_grouped(m):
    g = m.subgraph()
    x = g.input("input", [1, 6, 6, 16])
    weights, bias, y = g.weights("weights", [16, 3, 3, 8]), g.weights("bias", [16]), g.tensor("output", [1, 6, 6, 16])
    g.op("CONV_2D", [x, weights, bias], [y], conv_options(), version=6)
    g.output(y)


@model("ops", "DEPTHWISE_CONV_2D, depth multiplier 2")
def depthwise_conv_2d(m):
    g = m.subgraph()
    x = g.input("input", [1, 6, 6, 64])
    weights, bias, y = g.weights("weights", [1, 3, 3, 128]), g.weights("bias", [128]), g.tensor("output", [1, 6, 6, 128])
    opts = options("DepthwiseConv2D", padding=SAME, strideW=1, strideH=1, depthMultiplier=2)
    g.op("DEPTHWISE_CONV_2D", [x, weights, bias], [y], opts)
    g.output(y)


@model("ops", "TRANSPOSE_CONV with bias (version 3), stride 2")
def transpose_conv(m):
    g = m.subgraph()
    x = g.input("input", [1, 4, 4, 16])
    shape = g.const("output_shape", int32(1, 8, 8, 8))
    weights, bias, y = g.weights("weights", [8, 3, 3, 16]), g.weights("bias", [8]), g.tensor("output", [1, 8, 8, 8])
    opts = options("TransposeConv", padding=SAME, strideW=2, strideH=2)
    g.op("TRANSPOSE_CONV", [shape, weights, x, bias], [y], opts, version=3)
    g.output(y)


@model("ops", "CONV_3D: no hybrid kernel")
def conv_3d(m):
    g = m.subgraph()
    x = g.input("input", [1, 4, 4, 4, 4])
    weights, bias, y = g.weights("weights", [2, 3, 3, 4, 16]), g.weights("bias", [16]), g.tensor("output", [1, 4, 4, 4, 16])
    g.op("CONV_3D", [x, weights, bias], [y], options("Conv3D", padding=SAME, strideD=1, strideW=1, strideH=1))
    g.output(y)


@model("ops", "CONV_3D_TRANSPOSE: no hybrid kernel")
def conv_3d_transpose(m):
    g = m.subgraph()
    x = g.input("input", [1, 2, 2, 2, 16])
    shape = g.const("output_shape", int32(1, 4, 4, 4, 4))
    weights, y = g.weights("weights", [2, 3, 3, 4, 16]), g.tensor("output", [1, 4, 4, 4, 4])
    g.op("CONV_3D_TRANSPOSE", [shape, weights, x], [y], options("Conv3D", padding=SAME, strideD=2, strideW=2, strideH=2))
    g.output(y)


@model("ops", "BATCH_MATMUL, constant right side")
def batch_matmul(m):
    g = m.subgraph()
    x, weights, y = g.input("input", [1, 4, 32]), g.weights("weights", [32, 40]), g.tensor("output", [1, 4, 40])
    g.op("BATCH_MATMUL", [x, weights], [y], options("BatchMatMul"))
    g.output(y)


@model("ops", "BATCH_MATMUL, constant right side, adj_y")
def batch_matmul_adj_y(m):
    g = m.subgraph()
    x, weights, y = g.input("input", [1, 4, 32]), g.weights("weights", [40, 32]), g.tensor("output", [1, 4, 40])
    g.op("BATCH_MATMUL", [x, weights], [y], options("BatchMatMul", adjY=True))
    g.output(y)


@model("ops", "BATCH_MATMUL, constant left side: not a weight to any kernel")
def batch_matmul_constant_lhs(m):
    g = m.subgraph()
    weights, x, y = g.weights("weights", [1, 40, 32]), g.input("input", [1, 32, 4]), g.tensor("output", [1, 40, 4])
    g.op("BATCH_MATMUL", [weights, x], [y], options("BatchMatMul"))
    g.output(y)


@model("ops", "BATCH_MATMUL of [2,3,M,K] by a 2-D weight: the CPU's hybrid kernel gets several batch dimensions wrong")
def batch_matmul_two_batch_dims(m):
    g = m.subgraph()
    x, weights, y = g.input("input", [2, 3, 4, 32]), g.weights("weights", [32, 40]), g.tensor("output", [2, 3, 4, 40])
    g.op("BATCH_MATMUL", [x, weights], [y], options("BatchMatMul"))
    g.output(y)


# ---- tables

@model("ops", "GATHER from a table big enough to quantise, followed by an ADD")
def gather_table(m):
    g = m.subgraph()
    ids, table = g.input("ids", [4], INT32), g.weights("table", [48, 32])
    rows, y = g.tensor("rows", [4, 32]), g.tensor("output", [4, 32])
    g.op("GATHER", [table, ids], [rows], options("Gather"))
    g.op("ADD", [rows, g.weights("offset", [32])], [y], options("Add"))
    g.output(y)


@model("ops", "GATHER that looks up more rows than its table has, for an ADD")
def gather_more_rows(m):
    g = m.subgraph()
    ids, table = g.input("ids", [96], INT32), g.weights("table", [48, 32])
    rows, y = g.tensor("rows", [96, 32]), g.tensor("output", [96, 32])
    g.op("GATHER", [table, ids], [rows], options("Gather"))
    g.op("ADD", [rows, g.weights("offset", [32])], [y], options("Add"))
    g.output(y)


@model("ops", "FULLY_CONNECTED with float32 weights and a float16 bias behind a DEQUANTIZE")
def fc_float16_bias(m):
    g = m.subgraph()
    x, weights = g.input("input", [1, 32]), g.weights("weights", [40, 32])
    half, bias = g.const("bias_half", m.random([40]).astype(np.float16)), g.tensor("bias", [40])
    g.op("DEQUANTIZE", [half], [bias], options("Dequantize"), version=3)
    g.output(dense(g, x, weights, "output", 40, bias))


@model("ops", "GATHER_ND: its table is no weight to the legacy quantizer")
def gather_nd(m):
    g = m.subgraph()
    ids, table, y = g.input("ids", [4, 1], INT32), g.weights("table", [48, 32]), g.tensor("output", [4, 32])
    g.op("GATHER_ND", [table, ids], [y], options("GatherNd"))
    g.output(y)


@model("ops", "EMBEDDING_LOOKUP")
def embedding_lookup(m):
    g = m.subgraph()
    ids, table, y = g.input("ids", [4], INT32), g.weights("table", [48, 32]), g.tensor("output", [4, 32])
    g.op("EMBEDDING_LOOKUP", [ids, table], [y])
    g.output(y)


@model("ops", "EMBEDDING_LOOKUP in [2000, 2]: two elements a scale")
def embedding_wide(m):
    g = m.subgraph()
    ids, table, y = g.input("ids", [4], INT32), g.weights("table", [2000, 2]), g.tensor("output", [4, 2])
    g.op("EMBEDDING_LOOKUP", [ids, table], [y])
    g.output(y)


@model("ops", "EMBEDDING_LOOKUP_SPARSE: takes quantised tables without complaint and reads them as floats")
def embedding_lookup_sparse(m):
    g = m.subgraph()
    ids = g.input("ids", [3], INT32)
    indices = g.const("indices", np.array([[0, 0], [1, 0], [1, 1]], np.int32))
    inputs = [ids, indices, g.const("dense_shape", int32(2, 2)), g.weights("weights", [3]), g.weights("table", [48, 32])]
    y = g.tensor("output", [2, 32])
    g.op("EMBEDDING_LOOKUP_SPARSE", inputs, [y], options("EmbeddingLookupSparse"))
    g.output(y)


@model("ops", "tied embedding: GATHER and FULLY_CONNECTED on one tensor")
def tied_embedding_tensor(m):
    g = m.subgraph()
    ids, table = g.input("ids", [2], INT32), g.weights("embedding", [48, 32])
    rows = g.tensor("rows", [2, 32])
    g.op("GATHER", [table, ids], [rows], options("Gather"))
    g.output(dense(g, rows, table, "logits", 48, batch=2))


@model("ops", "tied embedding: GATHER and FULLY_CONNECTED on two tensors of one buffer")
def tied_embedding_buffer(m):
    g = m.subgraph()
    ids, table = g.input("ids", [2], INT32), g.weights("embedding", [48, 32])
    head = g.tensor("head", [48, 32], buffer=g.table.tensors[table].buffer)
    rows = g.tensor("rows", [2, 32])
    g.op("GATHER", [table, ids], [rows], options("Gather"))
    g.output(dense(g, rows, head, "logits", 48, batch=2))


# ---- recurrent layers

GATES = ["input", "forget", "cell", "output"]
UNITS = 32  # 32 x 32 weights: 1024 elements, just enough to be quantised


def gate_weights(g, prefix, columns, cifg=False):
    """One matrix for each gate; a coupled input and forget gate has no matrix for the input gate."""
    shape = [UNITS, columns]
    return [NO_TENSOR if cifg and gate == "input" else g.weights(f"{prefix}_{gate}", shape) for gate in GATES]


def peepholes(g, prefix, cifg=False):
    """Vectors: below any sensible threshold, yet they must change with the matrices."""
    return gate_vectors(g, prefix, [gate for gate in GATES if gate != "cell"], cifg)


def gate_vectors(g, prefix, gates, cifg):
    return [NO_TENSOR if cifg and gate == "input" else g.weights(f"{prefix}_{gate}", [UNITS]) for gate in gates]


def lstm_weights(g, prefix="", cifg=False, peephole=True):
    """Inputs 1 to 15 of the LSTM ops, in their order."""
    p = prefix
    inputs = gate_weights(g, f"{p}input_to", UNITS, cifg) + gate_weights(g, f"{p}recurrent_to", UNITS, cifg)
    inputs += peepholes(g, f"{p}peephole", cifg) if peephole else [NO_TENSOR] * 3
    return inputs + gate_vectors(g, f"{p}bias", GATES, cifg)


def lstm_states(g, prefix=""):
    return [g.variable(f"{prefix}output_state", 1, UNITS), g.variable(f"{prefix}cell_state", 1, UNITS)]


@model("ops", "LSTM (FULL) with peepholes and projection: all 20 inputs present")
def lstm_full(m):
    g = m.subgraph()
    x = g.input("input", [1, UNITS])
    inputs = [x, *lstm_weights(g), g.weights("projection", [UNITS, UNITS]), g.weights("projection_bias", [UNITS])]
    y = g.tensor("output", [1, UNITS])
    g.op("LSTM", inputs + lstm_states(g), [y], options("LSTM", fusedActivationFunction=TANH, cellClip=10.0, projClip=5.0))
    g.output(y)


@model("ops", "LSTM (FULL), input gate coupled (CIFG), no peephole, no projection: eight of 20 inputs are -1")
def lstm_cifg(m):
    g = m.subgraph()
    x = g.input("input", [1, UNITS])
    inputs = [x, *lstm_weights(g, cifg=True, peephole=False), NO_TENSOR, NO_TENSOR]
    y = g.tensor("output", [1, UNITS])
    g.op("LSTM", inputs + lstm_states(g), [y], options("LSTM", fusedActivationFunction=TANH))
    g.output(y)


@model("ops", "LSTM (BASIC): five inputs, four outputs, no hybrid kernel")
def lstm_basic(m):
    g = m.subgraph()
    x, last, state = g.input("input", [1, 16]), g.input("last_output", [1, 16]), g.input("last_state", [1, 16])
    inputs = [x, last, g.weights("weights", [64, 32]), g.weights("bias", [64]), state]
    outputs = [g.tensor(name, [1, 16]) for name in ("output", "state")]
    scratch = [g.tensor("concatenated", [1, 32]), g.tensor("gates", [1, 64])]
    kernel = schema.LSTMKernelType.BASIC
    g.op("LSTM", inputs, outputs + scratch, options("LSTM", fusedActivationFunction=TANH, kernelType=kernel), version=2)
    g.output(*outputs)


@model("ops", "UNIDIRECTIONAL_SEQUENCE_LSTM with small peepholes; the four layer-norm inputs are -1")
def unidirectional_sequence_lstm(m):
    g = m.subgraph()
    x = g.input("input", [1, 3, UNITS])
    inputs = [x, *lstm_weights(g), NO_TENSOR, NO_TENSOR, *lstm_states(g), *[NO_TENSOR] * 4]
    y = g.tensor("output", [1, 3, UNITS])
    g.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], options("UnidirectionalSequenceLSTM", fusedActivationFunction=TANH))
    g.output(y)


@model("ops", "BIDIRECTIONAL_SEQUENCE_LSTM: 48 inputs, no auxiliary ones")
def bidirectional_sequence_lstm(m):
    g = m.subgraph()
    x = g.input("input", [1, 3, UNITS])
    no_projection, no_auxiliary = [NO_TENSOR] * 2, [NO_TENSOR] * 9
    inputs = [x, *lstm_weights(g, "fw_", peephole=False), *no_projection]
    inputs += [*lstm_weights(g, "bw_", peephole=False), *no_projection]
    inputs += [*lstm_states(g, "fw_"), *lstm_states(g, "bw_"), *no_auxiliary]
    y = g.tensor("output", [1, 3, 2 * UNITS])
    opts = options("BidirectionalSequenceLSTM", fusedActivationFunction=TANH, mergeOutputs=True, timeMajor=False)
    g.op("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], opts)
    g.output(y)


def rnn_inputs(g, prefix=""):
    return [g.weights(f"{prefix}weights", [UNITS, UNITS]), g.weights(f"{prefix}recurrent_weights", [UNITS, UNITS]),
            g.weights(f"{prefix}bias", [UNITS]), g.variable(f"{prefix}hidden_state", 1, UNITS)]


@model("ops", "RNN")
def rnn(m):
    g = m.subgraph()
    x, y = g.input("input", [1, UNITS]), g.tensor("output", [1, UNITS])
    g.op("RNN", [x, *rnn_inputs(g)], [y], options("RNN", fusedActivationFunction=TANH))
    g.output(y)


@model("ops", "UNIDIRECTIONAL_SEQUENCE_RNN")
def unidirectional_sequence_rnn(m):
    g = m.subgraph()
    x, y = g.input("input", [1, 3, UNITS]), g.tensor("output", [1, 3, UNITS])
    g.op("UNIDIRECTIONAL_SEQUENCE_RNN", [x, *rnn_inputs(g)], [y], options("SequenceRNN", fusedActivationFunction=TANH))
    g.output(y)


@model("ops", "BIDIRECTIONAL_SEQUENCE_RNN: states among the inputs the legacy quantizer calls weights")
def bidirectional_sequence_rnn(m):
    g = m.subgraph()
    x = g.input("input", [1, 3, UNITS])
    inputs = [x, *rnn_inputs(g, "fw_"), *rnn_inputs(g, "bw_"), *[NO_TENSOR] * 3]
    outputs = [g.tensor("fw_output", [1, 3, UNITS]), g.tensor("bw_output", [1, 3, UNITS])]
    g.op("BIDIRECTIONAL_SEQUENCE_RNN", inputs, outputs, options("BidirectionalSequenceRNN", fusedActivationFunction=TANH))
    g.output(*outputs)


@model("ops", "SVDF of rank 2: two weights in one op")
def svdf(m):
    g = m.subgraph()
    units, rank, memory, width = 32, 2, 16, 16
    x, y = g.input("input", [1, width]), g.tensor("output", [1, units])
    feature, time = g.weights("weights_feature", [units * rank, width]), g.weights("weights_time", [units * rank, memory])
    state = g.variable("activation_state", 1, memory * units * rank)
    g.op("SVDF", [x, feature, time, g.weights("bias", [units]), state], [y], options("SVDF", rank=rank))
    g.output(y)


# ---- control flow

@model("ops", "WHILE whose body uses a weight that main uses too, through one buffer")
def while_shared_weight(m):
    main, cond, body = m.subgraph("main"), m.subgraph("cond"), m.subgraph("body")
    x = main.input("input", [1, 32])
    weights = main.weights("weights", [32, 32])
    shared = main.table.tensors[weights].buffer
    first = dense(main, x, weights, "first", 32)
    outputs = [main.tensor("steps", [], INT32), main.tensor("output", [1, 32])]
    opts = options("While", condSubgraphIndex=1, bodySubgraphIndex=2)
    main.op("WHILE", [main.const("zero", np.int32(0)), first], outputs, opts)
    main.output(*outputs)

    step, _ = cond.input("step", [], INT32), cond.input("value", [1, 32])
    more = cond.tensor("more", [], BOOL)
    cond.op("LESS", [step, cond.const("limit", np.int32(3))], [more], options("Less"))
    cond.output(more)

    step, value = body.input("step", [], INT32), body.input("value", [1, 32])
    next_step = body.tensor("next_step", [], INT32)
    body.op("ADD", [step, body.const("one", np.int32(1))], [next_step], options("Add"))
    inner = body.tensor("weights", [32, 32], buffer=shared)
    body.output(next_step, dense(body, value, inner, "next_value", 32))


@model("ops", "IF with a weight of its own in each branch")
def if_branches(m):
    main, then, other = m.subgraph("main"), m.subgraph("then"), m.subgraph("else")
    which, x, y = main.input("which", [1], BOOL), main.input("input", [1, 32]), main.tensor("output", [1, 32])
    main.op("IF", [which, x], [y], options("If", thenSubgraphIndex=1, elseSubgraphIndex=2))
    main.output(y)
    for branch in (then, other):
        x = branch.input("input", [1, 32])
        branch.output(dense(branch, x, branch.weights("weights", [32, 32]), "output", 32))


# ---- sharing

@model("ops", "one tensor used by a hybrid op and by one that needs floats (FULLY_CONNECTED, ADD)")
def shared_fc_and_add(m):
    g = m.subgraph()
    x, weights = g.input("input", [32, 32]), g.weights("weights", [32, 32])
    total = g.tensor("sum", [32, 32])
    g.op("ADD", [x, weights], [total], options("Add"))
    g.output(dense(g, x, weights, "product", 32, batch=32), total)


@model("ops", "a weight that is a graph output too")
def weight_is_output(m):
    g = m.subgraph()
    x, weights = g.input("input", [1, 32]), g.weights("weights", [32, 32])
    g.output(dense(g, x, weights, "output", 32), weights)


@model("ops", "a weight with data that is a graph input too")
def weight_is_input(m):
    g = m.subgraph()
    x, weights = g.input("input", [1, 32]), g.weights("weights", [32, 32])
    g.table.inputs.append(weights)
    g.output(dense(g, x, weights, "output", 32))


@model("ops", "two tensors on one buffer, both of a FULLY_CONNECTED")
def two_tensors_fc_fc(m):
    g = m.subgraph()
    x, first = g.input("input", [1, 32]), g.weights("first_weights", [32, 32])
    second = g.tensor("second_weights", [32, 32], buffer=g.table.tensors[first].buffer)
    g.output(dense(g, dense(g, x, first, "hidden", 32), second, "output", 32))


@model("ops", "two tensors on one buffer, of a FULLY_CONNECTED and of an ADD")
def two_tensors_fc_add(m):
    g = m.subgraph()
    x, weights = g.input("input", [32, 32]), g.weights("weights", [32, 32])
    addend = g.tensor("addend", [32, 32], buffer=g.table.tensors[weights].buffer)
    y = g.tensor("output", [32, 32])
    g.op("ADD", [dense(g, x, weights, "product", 32, batch=32), addend], [y], options("Add"))
    g.output(y)


@model("ops", "two subgraphs, each with a signature, on one buffer: per-channel axis 0 in one, axis 1 in the other")
def two_subgraphs_shared_buffer(m):
    encode, decode = m.subgraph("encode"), m.subgraph("decode")
    x, weights = encode.input("input", [1, 32]), encode.weights("weights", [40, 32])
    code = dense(encode, x, weights, "code", 40)
    encode.output(code)
    m.signature("encode", encode, {"input": x}, {"code": code})

    x = decode.input("code", [1, 1, 40])
    same = decode.tensor("weights", [40, 32], buffer=encode.table.tensors[weights].buffer)
    y = decode.tensor("output", [1, 1, 32])
    decode.op("BATCH_MATMUL", [x, same], [y], options("BatchMatMul"))
    decode.output(y)
    m.signature("decode", decode, {"code": x}, {"output": y})


# ---- values and sizes

def fc_of(m, data):
    """A FULLY_CONNECTED with exactly these weights."""
    g = m.subgraph()
    rows, columns = data.shape
    g.output(dense(g, g.input("input", [1, columns]), g.const("weights", data), "output", rows))


@model("ops", "one row of weights is zero: its scale must not be")
def fc_zero_row(m):
    data = m.random([32, 32])
    data[5] = 0
    fc_of(m, data)


@model("ops", "all weights are zero")
def fc_all_zero(m):
    fc_of(m, np.zeros((32, 32), np.float32))


@model("ops", "a NaN among the weights")
def fc_nan(m):
    data = m.random([32, 32])
    data[3, 4] = np.nan
    fc_of(m, data)


@model("ops", "+Inf and -Inf among the weights")
def fc_inf(m):
    data = m.random([32, 32])
    data[3, 4], data[7, 8] = np.inf, -np.inf
    fc_of(m, data)


@model("ops", "a row of denormals: 127 / range overflows")
def fc_denormal(m):
    data = m.random([32, 32])
    data[9] *= np.float32(1e-39)
    fc_of(m, data)


@model("ops", "values halfway between two steps of the row's scale: rounding away from zero or to even")
def fc_ties(m):
    data = (np.arange(1024).reshape(32, 32) % 254 - 127 + 0.5).astype(np.float32)
    data[:, 0] = 127
    fc_of(m, data)


@model("ops", "1023 elements: just below the default threshold")
def fc_1023(m):
    fc_of(m, m.random([33, 31]))


@model("ops", "1024 elements: exactly the default threshold")
def fc_1024(m):
    fc_of(m, m.random([32, 32]))


@model("ops", "[1024, 1]: a scale for each element costs more than it saves")
def fc_1024x1(m):
    fc_of(m, m.random([1024, 1]))
