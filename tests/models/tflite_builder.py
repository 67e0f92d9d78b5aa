"""Writes small .tflite models by hand, table by table, through the generated schema of ai-edge-litert.

A `Model` collects subgraphs, buffers and operator codes; `Model.bytes()` serialises it. What a model has of its own
beyond that (metadata, sparsity, unknown fields) is set on the generated objects, which stay reachable.
"""

import zlib
from unittest import mock

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}
PLACEHOLDER_CODE = 127  # in the old byte-sized field: look at the new one
NO_TENSOR = -1


class AlignedBuffer(schema.BufferT):
    """A Buffer whose data starts at a multiple of 16, as the schema demands and Python's generated code forgets."""

    def Pack(self, builder):
        data = None if self.data is None else bytes(self.data)
        if data is not None:
            builder.StartVector(1, len(data), 16)
            builder.head -= len(data)
            builder.Bytes[builder.head:builder.head + len(data)] = data
            position = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, position)
        schema.BufferAddOffset(builder, self.offset)
        schema.BufferAddSize(builder, self.size)
        return schema.BufferEnd(builder)


def with_unknown_field(table, name, slot, value):
    """Makes `table` (a TensorT or ModelT called `name`) write an int32 into a vtable slot newer than the schema."""
    pack, end = table.Pack, getattr(schema, name + "End")

    def packed(builder):
        def finish(b):
            b.PrependInt32Slot(slot, value, 0)
            return end(b)
        start = lambda b: b.StartObject(slot + 1)
        with mock.patch.multiple(schema, **{name + "Start": start, name + "End": finish}):
            return pack(builder)
    table.Pack = packed


def options(kind, **fields):
    """A builtin options table, e.g. options("Conv2D", strideW=2)."""
    table = getattr(schema, kind + "OptionsT")()
    for field, value in fields.items():
        assert hasattr(table, field), f"{kind}Options has no {field}"
        setattr(table, field, value)
    return table


def quantization(scale, zero_point=None, axis=0, **fields):
    table = schema.QuantizationParametersT()
    table.scale = list(scale)
    table.zeroPoint = list(zero_point or [0] * len(table.scale))
    table.quantizedDimension = axis
    for field, value in fields.items():
        setattr(table, field, value)
    return table


class Subgraph:
    """Tensors are plain indices here, as they are in the file."""

    def __init__(self, model, name):
        self.model = model
        self.table = schema.SubGraphT()
        self.table.name = name
        self.table.tensors, self.table.operators = [], []
        self.table.inputs, self.table.outputs = [], []

    def tensor(self, name, shape, type=schema.TensorType.FLOAT32, buffer=0, quant=None, **fields):
        table = schema.TensorT()
        table.name, table.shape, table.type, table.buffer = name, list(shape), type, buffer
        table.quantization, table.hasRank = quant, True
        for field, value in fields.items():
            assert hasattr(table, field), field
            setattr(table, field, value)
        self.table.tensors.append(table)
        return len(self.table.tensors) - 1

    def input(self, name, shape, type=schema.TensorType.FLOAT32, **fields):
        index = self.tensor(name, shape, type, **fields)
        self.table.inputs.append(index)
        return index

    def const(self, name, array, buffer=None, **fields):
        """A constant in a buffer of its own, or in `buffer` if another tensor already put the same bytes there."""
        array = np.asarray(array)
        buffer = self.model.buffer(array) if buffer is None else buffer
        return self.tensor(name, array.shape, fields.pop("type", TYPES[array.dtype]), buffer, **fields)

    def weights(self, name, shape, **fields):
        return self.const(name, self.model.random(shape), **fields)

    def zeros(self, name, *shape):
        return self.const(name, np.zeros(shape, np.float32))

    def variable(self, name, *shape):
        return self.tensor(name, shape, isVariable=True)

    def op(self, code, inputs, outputs, opts=None, version=1, **fields):
        """Appends an operator; `opts` comes from options(), `code` is a builtin's name or a custom op's."""
        table = schema.OperatorT()
        table.opcodeIndex = self.model.opcode(code, version)
        table.inputs, table.outputs = list(inputs), list(outputs)
        if opts is not None:
            self._set_options(table, opts)
        for field, value in fields.items():
            assert hasattr(table, field), field
            setattr(table, field, value)
        self.table.operators.append(table)
        return table

    @staticmethod
    def _set_options(table, opts):
        kind = type(opts).__name__[:-1]
        if hasattr(schema.BuiltinOptions, kind):
            table.builtinOptions, table.builtinOptionsType = opts, getattr(schema.BuiltinOptions, kind)
        else:
            table.builtinOptions2, table.builtinOptions2Type = opts, getattr(schema.BuiltinOptions2, kind)

    def output(self, *tensors):
        self.table.outputs.extend(tensors)


class Model:
    def __init__(self, name):
        self.table = schema.ModelT()
        self.table.version, self.table.description = 3, name
        self.table.operatorCodes, self.table.subgraphs = [], []
        self.table.buffers = [AlignedBuffer()]  # buffer 0 means: no data
        # Seeded by name: a model added or changed leaves the bytes of all others alone.
        self.rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        self._subgraphs = []

    def random(self, shape):
        """Uniform values, scaled so that a layer's output keeps about the size of its input."""
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 1
        return (self.rng.uniform(-1, 1, shape) * np.sqrt(3 / fan_in)).astype(np.float32)

    def buffer(self, data):
        table = AlignedBuffer()
        table.data = data if data is None or isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
        self.table.buffers.append(table)
        return len(self.table.buffers) - 1

    def subgraph(self, name="main"):
        graph = Subgraph(self, name)
        self.table.subgraphs.append(graph.table)
        return graph

    def opcode(self, name, version):
        """The index of this operator code, added if it is new. A name that is no builtin is a custom op."""
        number = getattr(schema.BuiltinOperator, name, None)
        table = schema.OperatorCodeT()
        table.builtinCode = schema.BuiltinOperator.CUSTOM if number is None else number
        table.deprecatedBuiltinCode = min(table.builtinCode, PLACEHOLDER_CODE)
        table.customCode = name.encode() if number is None else None
        table.version = version
        for index, other in enumerate(self.table.operatorCodes):
            if vars(other) == vars(table):
                return index
        self.table.operatorCodes.append(table)
        return len(self.table.operatorCodes) - 1

    def metadata(self, name, data):
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self.buffer(data)
        self.table.metadata = (self.table.metadata or []) + [entry]

    def signature(self, key, graph, inputs, outputs):
        """`inputs` and `outputs` map names to tensors of `graph`."""
        entry = schema.SignatureDefT()
        entry.signatureKey = key
        entry.subgraphIndex = self.table.subgraphs.index(graph.table)
        entry.inputs = [tensor_map(*item) for item in inputs.items()]
        entry.outputs = [tensor_map(*item) for item in outputs.items()]
        self.table.signatureDefs = (self.table.signatureDefs or []) + [entry]

    def bytes(self):
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.table.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def tensor_map(name, tensor):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


def pad16(data):
    return data + bytes(-len(data) % 16)
