"""Writes a float .tflite of SIZExSIZE FULLY_CONNECTED layers with bias, of 4096x4096 unless told otherwise: 64 MiB a layer.

    make_model.py LAYERS OUT [size]

16 layers make 1 GiB. Needs flatbuffers and ai-edge-litert from PyPI. The weights are normal with a fixed seed; they
follow the flatbuffer, since the Python builder would copy them several times.
"""

import struct
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

def tensor(name, shape, buffer):
    t = schema.TensorT()
    t.name, t.shape, t.type, t.buffer = name, shape, schema.TensorType.FLOAT32, buffer
    return t


def skeleton(layers, size):
    """The model with a 1-byte placeholder in each constant."""
    model = schema.ModelT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    model.operatorCodes = [code]
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors = [tensor("x", [1, size], 0)]
    graph.operators = []
    model.buffers = [schema.BufferT()]
    for n in range(layers):
        x = len(graph.tensors) - 1
        for name, shape in (("weights", [size, size]), ("bias", [size])):
            buffer = schema.BufferT()
            buffer.offset = buffer.size = 1
            model.buffers.append(buffer)
            graph.tensors.append(tensor(f"{name}_{n}", shape, len(model.buffers) - 1))
        graph.tensors.append(tensor(f"y_{n}", [1, size], 0))
        op = schema.OperatorT()
        op.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        op.builtinOptions = schema.FullyConnectedOptionsT()
        op.inputs, op.outputs = [x, x + 1, x + 2], [x + 3]
        graph.operators.append(op)
    graph.inputs, graph.outputs = [0], [len(graph.tensors) - 1]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytearray(builder.Output())


def main(layers, out, size=4096):
    data = skeleton(layers, size)
    model = schema.Model.GetRootAsModel(data, 0)
    constants, at = [], len(data)
    for n in range(1, model.BuffersLength()):
        table = model.Buffers(n)._tab
        length = 4 * size * (size if n % 2 else 1)
        at = (at + 15) // 16 * 16
        for slot, value in ((6, at), (8, length)):
            where = table.Pos + table.Offset(slot)
            data[where : where + 8] = struct.pack("<Q", value)
        constants.append((at, length))
        at += length
    rng = np.random.default_rng(1)
    with open(out, "wb") as file:
        file.write(data)
        for at, length in constants:
            file.seek(at)
            rng.standard_normal(length // 4, dtype=np.float32).tofile(file)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:4]))
