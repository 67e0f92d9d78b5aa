"""Models with something that a careless rewriter loses, moves or trips over. Most wrap one FULLY_CONNECTED."""

import io
import zipfile

import numpy as np
from catalogue import model
from flatbuffers import flexbuffers
from op_models import dense, unidirectional_sequence_lstm
from tflite_builder import PLACEHOLDER_CODE, options, pad16, quantization, schema, with_unknown_field

FLOAT16 = schema.TensorType.FLOAT16
INT4, RESOURCE, VARIANT = schema.TensorType.INT4, schema.TensorType.RESOURCE, schema.TensorType.VARIANT


def small(m):
    """The FULLY_CONNECTED that most of these models are: (subgraph, input, weights, output)."""
    g = m.subgraph()
    x, weights = g.input("input", [1, 32]), g.weights("weights", [32, 32])
    y = dense(g, x, weights, "output", 32)
    g.output(y)
    return g, x, weights, y


# ---- what hangs on the model

@model("odd", "two signatures on one subgraph, with names unlike the tensors'")
def two_signatures(m):
    g, x, weights, y = small(m)
    z = dense(g, y, weights, "deeper", 32)
    g.output(z)
    m.signature("serving_default", g, {"x": x}, {"y": y})
    m.signature("twice", g, {"features": x}, {"once": y, "twice": z})


@model("odd", "metadata: min_runtime_version, plain text, an empty buffer, one name used twice")
def metadata(m):
    small(m)
    m.metadata("min_runtime_version", b"1.5.0".ljust(16, b"\0"))
    m.metadata("author", b"a person")
    m.metadata("author", b"another person")
    m.metadata("nothing", None)


@model("odd", "the deprecated list metadata_buffer beside the metadata")
def metadata_buffer(m):
    small(m)
    m.metadata("min_runtime_version", b"1.5.0".ljust(16, b"\0"))
    m.table.metadataBuffer = [m.buffer(b"only listed"), m.table.metadata[0].buffer]


@model("odd", "metadata that shares its buffer with a weight")
def metadata_shares_buffer(m):
    g, _, weights, _ = small(m)
    m.metadata("weights", None)
    m.table.metadata[0].buffer = g.table.tensors[weights].buffer


@model("odd", "a field in Tensor newer than the schema (vtable slot 20)")
def unknown_tensor_field(m):
    g, _, weights, _ = small(m)
    with_unknown_field(g.table.tensors[weights], "Tensor", 20, 0x5EED)


@model("odd", "a field in Model newer than the schema (vtable slot 20)")
def unknown_model_field(m):
    small(m)
    with_unknown_field(m.table, "Model", 20, 0x5EED)


@model("odd", "FullyConnectedOptions.quant_spec, a field newer than many schemas; XNNPACK leaves such an op to the CPU")
def newer_options_field(m):
    g, *_ = small(m)
    g.table.operators[0].builtinOptions.quantSpec = list(b"spec")


# ---- tensors

@model("odd", "tensor names: missing, empty, twice the same")
def tensor_names(m):
    g, x, weights, y = small(m)
    z = dense(g, y, weights, "output", 32)
    g.output(z)
    g.table.tensors[x].name, g.table.tensors[weights].name = None, ""


@model("odd", "names in UTF-8, with quotes, spaces and line breaks")
def names_utf8(m):
    g, x, weights, y = small(m)
    names = {x: "Eingang/größe:0", weights: 'a "quoted" name\nwith a \\ and a %', y: "出力 \N{OCTOPUS}"}
    for tensor, name in names.items():
        g.table.tensors[tensor].name = name
    g.table.name = "graph of \u00fcbergr\u00f6\u00dfe"


@model("odd", "shape_signature with -1: free batch size")
def dynamic_shape(m):
    g, x, _, y = small(m)
    for tensor in (x, y):
        g.table.tensors[tensor].shapeSignature = [-1, 32]


@model("odd", "a variable tensor (is_variable), and mutating_variable_inputs on its op")
def variable_tensor(m):
    g, x, _, y = small(m)
    state, total = g.variable("state", 1, 32), g.tensor("sum", [1, 32])
    g.op("ADD", [y, state], [total], options("Add"), mutatingVariableInputs=[False, True])
    g.table.outputs = [total]


@model("odd", "resource variables: weights assigned once by an initialiser subgraph (CALL_ONCE), then read")
def resource_variable(m):
    main, init = m.subgraph("main"), m.subgraph("init")
    x, handle = main.input("input", [1, 32]), main.tensor("handle", [1], RESOURCE)
    weights, y = main.tensor("weights", [32, 32]), main.tensor("output", [1, 1, 32])
    main.op("CALL_ONCE", [], [], options("CallOnce", initSubgraphIndex=1))
    main.op("VAR_HANDLE", [], [handle], options("VarHandle", sharedName="kernel"))
    main.op("READ_VARIABLE", [handle], [weights], options("ReadVariable"))
    wide = main.tensor("wide", [1, 1, 32])
    main.op("RESHAPE", [x, main.const("shape", np.array([1, 1, 32], np.int32))], [wide], options("Reshape"))
    main.op("BATCH_MATMUL", [wide, weights], [y], options("BatchMatMul"))
    main.output(y)

    handle = init.tensor("handle", [1], RESOURCE)
    init.op("VAR_HANDLE", [], [handle], options("VarHandle", sharedName="kernel"))
    init.op("ASSIGN_VARIABLE", [handle, init.weights("initial", [32, 32])], [], options("AssignVariable"))


@model("odd", "a VARIANT tensor that tells its element's shape and type (variant_tensors), used by nothing")
def variant_tensor(m):
    g, *_ = small(m)
    element = schema.VariantSubTypeT()
    element.shape, element.type, element.hasRank = [-1, 32], schema.TensorType.FLOAT32, True
    g.tensor("list", [], VARIANT, variantTensors=[element])


@model("odd", "a scalar beside a tensor of unknown rank: has_rank tells them apart")
def unknown_rank(m):
    g, x, _, y = small(m)
    scaled = g.tensor("scaled", [])
    g.table.tensors[scaled].hasRank = False
    g.op("MUL", [y, g.const("factor", np.float32(2))], [scaled], options("Mul"))
    g.table.outputs = [scaled]


def sparse_rows(dense_data):
    """(values, SparsityParameters): rows dense, columns CSR with 16-bit segments and 8-bit indices."""
    rows = [np.flatnonzero(row) for row in dense_data]
    segments, indices = schema.Uint16VectorT(), schema.Uint8VectorT()
    segments.values = np.cumsum([0] + [len(row) for row in rows]).astype(np.uint16)
    indices.values = np.concatenate(rows).astype(np.uint8)
    outer, inner = schema.DimensionMetadataT(), schema.DimensionMetadataT()
    outer.format, outer.denseSize = schema.DimensionType.DENSE, len(rows)
    inner.format = schema.DimensionType.SPARSE_CSR
    inner.arraySegmentsType, inner.arraySegments = schema.SparseIndexVector.Uint16Vector, segments
    inner.arrayIndicesType, inner.arrayIndices = schema.SparseIndexVector.Uint8Vector, indices
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder, sparsity.dimMetadata = [0, 1], [outer, inner]
    return dense_data[dense_data != 0], sparsity


def pruned(m, shape):
    """Random weights with a quarter of them left."""
    return m.random(shape) * (m.rng.uniform(size=shape) < 0.25)


@model("odd", "FULLY_CONNECTED with sparse (CSR) float weights, version 8")
def sparse_fc(m):
    g = m.subgraph()
    values, sparsity = sparse_rows(pruned(m, [64, 64]))
    x, y = g.input("input", [1, 64]), g.tensor("output", [1, 64])
    weights = g.tensor("weights", [64, 64], buffer=m.buffer(values), sparsity=sparsity)
    g.op("FULLY_CONNECTED", [x, weights, g.weights("bias", [64])], [y], options("FullyConnected"), version=8)
    g.output(y)


@model("odd", "sparse float16 weights through DENSIFY and DEQUANTIZE")
def densify_fp16(m):
    g = m.subgraph()
    values, sparsity = sparse_rows(pruned(m, [64, 64]).astype(np.float16))
    x = g.input("input", [1, 64])
    sparse = g.tensor("weights_sparse", [64, 64], FLOAT16, m.buffer(values), sparsity=sparsity)
    half, weights = g.tensor("weights_half", [64, 64], FLOAT16), g.tensor("weights", [64, 64])
    g.op("DENSIFY", [sparse], [half], options("Densify"))
    g.op("DEQUANTIZE", [half], [weights], options("Dequantize"), version=3)
    g.output(dense(g, x, weights, "output", 64))


# ---- quantised already

@model("odd", "float16 weights through DEQUANTIZE")
def fp16_weights(m):
    g = m.subgraph()
    x, half = g.input("input", [1, 32]), g.const("weights_half", m.random([32, 32]).astype(np.float16))
    weights = g.tensor("weights", [32, 32])
    g.op("DEQUANTIZE", [half], [weights], options("Dequantize"), version=3)
    g.output(dense(g, x, weights, "output", 32))


@model("odd", "int8 weights, a scale for each row (hybrid)")
def int8_weights(m):
    g = m.subgraph()
    data = m.rng.integers(-127, 128, (32, 32)).astype(np.int8)
    x = g.input("input", [1, 32])
    weights = g.const("weights", data, quant=quantization(m.rng.uniform(0.001, 0.01, 32)))
    g.output(dense(g, x, weights, "output", 32))


def packed_int4(m, count):
    """Two random values -7..7 in a byte, the first in the low half."""
    low, high = m.rng.integers(-7, 8, (2, count // 2))
    return ((high & 15) << 4 | (low & 15)).astype(np.uint8)


@model("odd", "int4 weights with BlockwiseQuantization: the scale tensor is reachable only from the quantisation table")
def int4_blockwise(m):
    g = m.subgraph()
    rows, columns, block = 32, 64, 32
    x = g.input("input", [1, columns])
    details = schema.BlockwiseQuantizationT()
    scales = m.rng.uniform(0.01, 0.1, (rows, columns // block)).astype(np.float16)
    details.scales, details.zeroPoints, details.blockSize = g.const("scales", scales), -1, block
    quant = schema.QuantizationParametersT()
    quant.detailsType, quant.details = schema.QuantizationDetails.BlockwiseQuantization, details
    weights = g.tensor("weights", [rows, columns], INT4, m.buffer(packed_int4(m, rows * columns)), quant)
    g.output(dense(g, x, weights, "output", rows))


@model("odd", "float weights with CustomQuantization details, which nothing reads")
def custom_quantization(m):
    g, _, weights, _ = small(m)
    details, quant = schema.CustomQuantizationT(), schema.QuantizationParametersT()
    details.custom = list(b"private to its maker")
    quant.detailsType, quant.details = schema.QuantizationDetails.CustomQuantization, details
    g.table.tensors[weights].quantization = quant


# ---- operators

@model("odd", "a custom op with custom options and a float weight", refused="custom op")
def custom_options(m):
    g = m.subgraph()
    x, weights, y = g.input("input", [1, 32]), g.weights("weights", [40, 32]), g.tensor("output", [1, 40])
    g.op("MyDense", [x, weights], [y], customOptions=list(flexbuffers.Dumps({"activation": "relu", "units": 40})))
    g.output(y)


@model("odd", "an op with intermediates: the tensors a calibrated LSTM keeps its ranges in")
def intermediates(m):
    unidirectional_sequence_lstm(m)
    graph = m.table.subgraphs[0]
    for gate in ("input", "forget", "cell", "output", "projection"):
        table = schema.TensorT()
        table.name, table.shape, table.hasRank = f"{gate}_intermediate", [], True
        graph.tensors.append(table)
    count = len(graph.tensors)
    graph.operators[0].intermediates = list(range(count - 5, count))


@model("odd", "operator codes that set only the old byte-sized field, as TOCO wrote them")
def deprecated_code_only(m):
    small(m)
    for code in m.table.operatorCodes:
        code.builtinCode = 0


@model("odd", "operator codes that set only the new field")
def builtin_code_only(m):
    small(m)
    for code in m.table.operatorCodes:
        code.deprecatedBuiltinCode = 0


@model("odd", "operator codes nobody uses, one twice in two versions")
def unused_operator_codes(m):
    m.opcode("CONV_2D", 1)
    m.opcode("CONV_2D", 2)
    small(m)
    m.opcode("SOFTMAX", 1)


@model("odd", "an operator code above 127: GELU, whose old field holds the placeholder")
def code_above_127(m):
    g, _, _, y = small(m)
    z = g.tensor("gelu", [1, 32])
    g.op("GELU", [y], [z], options("Gelu"))
    assert m.table.operatorCodes[-1].deprecatedBuiltinCode == PLACEHOLDER_CODE
    g.table.outputs = [z]


@model("odd", "STABLEHLO_COMPOSITE: attributes, and a decomposition subgraph that holds the weight")
def stablehlo_composite(m):
    main, inner = m.subgraph("main"), m.subgraph("decomposition")
    x, y = main.input("input", [1, 32]), main.tensor("output", [1, 32])
    attributes = list(flexbuffers.Dumps({"transposed": True}))
    opts = options("StableHLOComposite", name="example.linear", version=1,
                   decompositionSubgraphIndex=1, compositeAttributes=attributes)
    main.op("STABLEHLO_COMPOSITE", [x], [y], opts)
    main.output(y)
    x = inner.input("input", [1, 32])
    inner.output(dense(inner, x, inner.weights("weights", [32, 32]), "output", 32))


@model("odd", "STABLEHLO_COMPOSITE that hands a constant to its decomposition, where it is none")
def composite_argument(m):
    main, inner = m.subgraph("main"), m.subgraph("decomposition")
    x, y = main.input("input", [1, 32]), main.tensor("output", [1, 32])
    opts = options("StableHLOComposite", name="example.linear", version=1, decompositionSubgraphIndex=1,
                   compositeAttributes=list(flexbuffers.Dumps({})))
    main.op("STABLEHLO_COMPOSITE", [x, main.weights("weights", [32, 32])], [y], opts)
    main.output(y)
    x, weights = inner.input("input", [1, 32]), inner.input("argument", [32, 32])
    inner.output(dense(inner, x, weights, "output", 32))


@model("odd", "dead things: an op whose result nobody reads, an unused constant, buffers no tensor names")
def dead_code(m):
    m.buffer(b"named by nothing")
    g, x, *_ = small(m)
    dense(g, x, g.weights("dead_weights", [32, 32]), "dead_output", 32)
    g.weights("unused_constant", [32, 32])
    m.buffer(None)


@model("odd", "no operators: the input is the output")
def identity(m):
    g = m.subgraph()
    g.output(g.input("input", [1, 32]))


@model("odd", "one constant with equal bytes in two buffers, and a constant that only a graph output names")
def equal_constants(m):
    g, x, weights, y = small(m)
    data = m.table.buffers[g.table.tensors[weights].buffer].data
    copy = g.tensor("weights_copy", [32, 32], buffer=m.buffer(data))
    g.output(dense(g, y, copy, "second", 32), g.weights("constant_output", [4]))


# ---- outside the flatbuffer

def spectrogram(m):
    """AudioSpectrogram: a custom op that the runtime does know, with options it cannot do without."""
    g = m.subgraph()
    x, y = g.input("audio", [64, 1]), g.tensor("spectrogram", [1, 4, 9])
    op = g.op("AudioSpectrogram", [x], [y])
    g.output(y)
    return op, flexbuffers.Dumps({"window_size": 16, "stride": 16, "magnitude_squared": True})


@model("odd", "buffers behind the flatbuffer (Buffer.offset): two of equal bytes at one offset, weights not 16-aligned")
def buffers_outside(m):
    g = m.subgraph()
    x = g.input("input", [1, 32])
    bias, first = g.weights("bias", [3]), g.weights("first_weights", [32, 32])
    equal = g.const("second_weights", np.frombuffer(m.table.buffers[-1].data, np.float32).reshape(32, 32))
    hidden = dense(g, dense(g, x, first, "hidden1", 32), equal, "hidden2", 32)
    g.output(dense(g, hidden, g.weights("last_weights", [3, 32]), "output", 3, bias))

    outside = m.table.buffers[1:]
    payloads = [buffer.data for buffer in outside]
    m.metadata("buffer_location", b"outside flatbuffers")
    for buffer, payload in zip(outside, payloads):
        # Any offset but 0 reserves the field, so the length measured below is final.
        buffer.data, buffer.offset, buffer.size = None, 1, len(payload)
    start = len(pad16(m.bytes()))
    tail = b"".join(dict.fromkeys(payloads))  # back to back and each once, as the converter lays them
    for buffer, payload in zip(outside, payloads):
        buffer.offset = start + tail.index(payload)
    return pad16(m.bytes()) + pad16(tail + bytes(16))  # XNNPACK may read a little past the end


@model("odd", "custom options behind the flatbuffer (large_custom_options_offset)")
def custom_options_outside(m):
    op, payload = spectrogram(m)
    op.largeCustomOptionsOffset, op.largeCustomOptionsSize = 1, len(payload)  # 1: as above
    op.largeCustomOptionsOffset = len(pad16(m.bytes()))
    return pad16(pad16(m.bytes()) + payload)


@model("odd", "the same op with its options inside")
def custom_options_inside(m):
    op, payload = spectrogram(m)
    op.customOptions = list(payload)


@model("odd", "weights in an external buffer (external_buffer_groups), a file that is not there",
       refused="its external file is missing")
def external_buffer(m):
    g, _, weights, _ = small(m)
    group, entry = schema.ExternalBufferGroupT(), schema.ExternalBufferT()
    group.name = "weights.bin"
    entry.id, entry.group, entry.offset, entry.length = 1, 0, 0, 4096
    m.table.externalBufferGroups, m.table.externalBuffers = [group], [entry]
    g.table.tensors[weights].externalBuffer, g.table.tensors[weights].buffer = 1, 0
    m.table.buffers.pop()


@model("odd", "a zip archive behind the flatbuffer, with labels.txt in it: its offsets count from the file's start")
def zip_behind(m):
    small(m)
    file = io.BytesIO(m.bytes())
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("labels.txt", date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # the same bytes whatever system makes it
        archive.writestr(entry, "zero\none\ntwo\n")
    return file.getvalue()


@model("odd", "bytes of no meaning behind the flatbuffer, an odd number of them")
def garbage_behind(m):
    small(m)
    return m.bytes() + b"not a part of the model\xff\x00\x01"
