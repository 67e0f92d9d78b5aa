"""What a model says, in the shape of the oracle's rows: quantised tensors with fingerprints, and operators by name.

A fingerprint is the first 16 hexadecimal digits of SHA-256 over the tensor's bytes, or over its scales as little-endian
float32.
"""

import hashlib

import numpy as np
from ai_edge_litert import schema_py_generated as S

OPERATORS = {v: k for k, v in vars(S.BuiltinOperator).items() if isinstance(v, int)}
TYPES = {v: k for k, v in vars(S.TensorType).items() if isinstance(v, int)}
QUANTISED = {"INT8", "INT4", "INT2", "FLOAT16", "UINT8"}


def load(path):
    with open(path, "rb") as file:
        raw = file.read()
    if raw[4:8] != b"TFL3":
        raise ValueError("no TFL3 identifier")
    return raw, S.ModelT.InitFromPackedBuf(raw, 0)


def payload(raw, buffer):
    """The bytes of a constant, inside the flatbuffer or behind it."""
    if buffer.offset and buffer.offset > 1:
        return np.frombuffer(raw, np.uint8, buffer.size, buffer.offset)
    return np.zeros(0, np.uint8) if buffer.data is None else np.asarray(buffer.data, np.uint8)


def builtin(code):
    return OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "?")


def label(code):
    """The oracle writes CUSTOM:its_custom_code."""
    kind = builtin(code)
    return f"CUSTOM:{text(code.customCode)}" if kind == "CUSTOM" else kind


def fingerprint(data):
    return hashlib.sha256(data).hexdigest()[:16]


def text(name):
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""


def summarise(raw, model):
    graphs = []
    for graph in model.subgraphs or []:
        names = [text(t.name) for t in graph.tensors or []]
        name = lambda i: names[i] if 0 <= i < len(names) else None
        quantised = []
        for t in graph.tensors or []:
            kind = TYPES.get(t.type, "?")
            if kind not in QUANTISED or not 0 < t.buffer < len(model.buffers):
                continue
            data = payload(raw, model.buffers[t.buffer])
            if not data.size:
                continue
            q = t.quantization
            scales = np.asarray(q.scale, "<f4") if q and q.scale is not None else np.zeros(0, "<f4")
            quantised.append(
                {
                    "name": text(t.name),
                    "type": kind,
                    "shape": [int(d) for d in (t.shape if t.shape is not None else [])],
                    "data": fingerprint(data.tobytes()),
                    "n_scales": len(scales),
                    "scales": fingerprint(scales.tobytes()) if len(scales) else None,
                    "axis": q.quantizedDimension if q else 0,
                }
            )
        ops = []
        for op in graph.operators or []:
            code = model.operatorCodes[op.opcodeIndex]
            ins = [name(i) for i in (op.inputs if op.inputs is not None else [])]
            outs = [name(i) for i in (op.outputs if op.outputs is not None else [])]
            ops.append([label(code), code.version, ins, outs])
        graphs.append({"quantized": quantised, "ops": ops})
    return graphs
