"""The legacy weight quantiser, re-written from its description: what a correct tool would have made of a model.

`rewrite(raw, model, mode)` changes a schema object (`ai_edge_litert.schema_py_generated.ModelT`) in place. It follows
the written arithmetic in float32 and the written rules for wiring, on a model whose tensors share no buffer (each gets
its own copy first), so that none of the original's memory bugs appear. The names of the modes are the oracle's.

With `mended`, the wiring is what `tfq-opt` does on purpose in its place (the rules of `quirks.MENDED`).
"""

import copy

import numpy as np
from ai_edge_litert import schema_py_generated as S

from summary import builtin, payload

MODES = {
    "legacy_int8": "quantize-weights{compat=toco},insert-dequant",
    "legacy_int8_pertensor": "quantize-weights{compat=toco granularity=tensor},insert-dequant",
    "legacy_fp16": "quantize-weights{compat=toco type=float16},insert-dequant",
}
MIN_ELEMENTS = 1024
LSTM = [*range(1, 12), 16]
BIDI_LSTM = [*LSTM, *range(18, 29), 33, *range(40, 48)]
WEIGHTS = {
    "CONV_2D": [1],
    "DEPTHWISE_CONV_2D": [1],
    "FULLY_CONNECTED": [1],
    "BATCH_MATMUL": [1],
    "EMBEDDING_LOOKUP": [1],
    "TRANSPOSE_CONV": [1],
    "GATHER": [0],
    "SVDF": [1, 2],
    "RNN": [1, 2],
    "UNIDIRECTIONAL_SEQUENCE_RNN": [1, 2],
    "BIDIRECTIONAL_SEQUENCE_RNN": [1, 2, 4, 5, 6, 8, 9, 10, 11],
    "LSTM": LSTM,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": LSTM,
    "BIDIRECTIONAL_SEQUENCE_LSTM": BIDI_LSTM,
}
HYBRID = {
    "FULLY_CONNECTED",
    "BATCH_MATMUL",
    "CONV_2D",
    "SVDF",
    "RNN",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
}
# Operands that are biases, of the ops that must not have float16 ones next to int8 weights.
LSTM_BIASES = [12, 13, 14, 15, 17]
BIASES = {
    "CONV_2D": [2],
    "DEPTHWISE_CONV_2D": [2],
    "FULLY_CONNECTED": [2],
    "LSTM": LSTM_BIASES,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": LSTM_BIASES,
}
# The version that the tool assigns to every operator code of a kind: updated scheme, previous scheme.
VERSIONS = {
    **dict.fromkeys(
        [
            "RNN",
            "BIDIRECTIONAL_SEQUENCE_RNN",
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            "UNIDIRECTIONAL_SEQUENCE_RNN",
        ],
        (3, 2),
    ),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (3, 3),
    "EMBEDDING_LOOKUP": (3, 3),
    "LSTM": (4, 3),
    "CONV_2D": (5, 2),
    "FULLY_CONNECTED": (9, 3),
    "BATCH_MATMUL": (4, 1),
    "SVDF": (4, 2),
    "DEPTHWISE_CONV_2D": (6, 6),
}
FLOAT32, INT8, FLOAT16 = S.TensorType.FLOAT32, S.TensorType.INT8, S.TensorType.FLOAT16
F = np.float32


class Refused(Exception):
    """The tool fails on this model."""


def round_away(x):
    """C's round(): halves go away from zero; exact, because the addition is done in double."""
    wide = x.astype("d")
    return np.trunc(wide + np.copysign(0.5, wide))


def to_int32(x):
    """What an x86 makes of a double that does not fit, infinite ones and NaN too: the smallest number."""
    fits = np.abs(x) < 2.0**31
    return np.where(fits, np.where(fits, x, 0), -(2.0**31)).astype(np.int64)


def per_tensor(x):
    reach = F(np.fmax.reduce(np.abs(x), axis=None)) if x.size else F(0)  # NaN never compares as the larger
    if reach == 0:
        return np.zeros(x.shape, np.int8), np.ones(1, F)
    whole = to_int32(round_away(x * (F(127) / reach)))
    return np.clip(whole, -127, 127).astype(np.int8), np.array([reach / F(127)], F)


def per_channel(x, axis, stored=None):
    """`stored`: the (min, max) vectors of the tensor, which the tool trusts where both are there."""
    others = tuple(n for n in range(x.ndim) if n != axis)
    low, high = stored if stored else (x.min(axis=others), x.max(axis=others))
    half = np.maximum(np.abs(low), np.abs(high)).astype(F)
    inverse = np.divide(F(127), half, out=np.zeros_like(half), where=half != 0)
    shape = [1] * x.ndim
    shape[axis] = -1
    whole = to_int32(round_away(x * inverse.reshape(shape)))
    narrowed = whole.astype(np.int8)  # before the clamp, as the tool does: 128 becomes -128, then -127
    return np.clip(narrowed, -127, 127).astype(np.int8), (half / F(127)).astype(F)


def half_floats(x):
    return np.clip(x, F(-65504), F(65504)).astype(np.float16)


def elements(shape):
    total = 1
    for d in shape if shape is not None else []:
        if d <= 0:
            raise Refused("Invalid tensor shape.")
        total *= int(d)
    return total


def weight_slots(code, op):
    return [i for i in WEIGHTS.get(builtin(code), []) if i < len(op.inputs)]


def is_hybrid(code, op, updated):
    kind = builtin(code)
    if kind == "LSTM":
        options = op.builtinOptions
        return options is not None and options.kernelType == S.LSTMKernelType.FULL
    return kind in HYBRID or (kind == "DEPTHWISE_CONV_2D" and updated)


class Rewrite:
    def __init__(self, raw, model, mode, mended=False):
        self.raw, self.model, self.mode, self.mended = raw, model, mode, mended
        # What each tensor showed before anything was changed.
        self.converted = set()  # the ids of tensors
        self.made = set()  # the ids of new DEQUANTIZE ops
        self.shown = {id(t): t.buffer for g in model.subgraphs or [] for t in g.tensors or []}
        self.updated = mode != "legacy_int8_pertensor"
        for graph in model.subgraphs or []:
            for op in graph.operators or []:
                op.inputs = list(op.inputs if op.inputs is not None else [])
                op.outputs = list(op.outputs if op.outputs is not None else [])
            graph.outputs = list(graph.outputs if graph.outputs is not None else [])

    def data(self, tensor):
        """The constant of a tensor as float32, or None; constants behind the flatbuffer are found too."""
        if not 0 < tensor.buffer < len(self.model.buffers):
            return None
        data = payload(self.raw, self.model.buffers[tensor.buffer])
        if not data.size:
            return None
        shape = [int(d) for d in (tensor.shape if tensor.shape is not None else [])]
        floats = np.frombuffer(data.tobytes(), "<f4")
        return floats.reshape(shape) if floats.size == int(np.prod(shape, dtype=np.int64)) else None

    def store(self, tensor, values, kind, scales=None, axis=0):
        buffer = S.BufferT()  # a new one: another tensor may still need the old bytes
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer, tensor.type = len(self.model.buffers) - 1, kind
        self.converted.add(id(tensor))
        if scales is not None:
            q = tensor.quantization = tensor.quantization or S.QuantizationParametersT()
            q.scale, q.zeroPoint, q.quantizedDimension = scales, np.zeros(len(scales), np.int64), axis

    def code(self, op):
        return self.model.operatorCodes[op.opcodeIndex]

    def wanted(self, graph, index):
        """Whether this is a constant, and one that is to be converted."""
        data = self.data(graph.tensors[index])
        if data is None or not self.mended:
            return data is not None
        if graph.inputs is not None and index in graph.inputs:
            return False
        if self.mode == "legacy_fp16":
            return data.ndim > 0 or index not in graph.outputs
        return bool(np.isfinite(data).all())

    def collect_int8(self, graph):
        found = {}
        for op in graph.operators or []:
            kind = builtin(self.code(op))
            for slot in weight_slots(self.code(op), op):
                index = op.inputs[slot]
                if index == -1 or graph.tensors[index].type != FLOAT32:
                    continue
                tensor = graph.tensors[index]
                if elements(tensor.shape) < MIN_ELEMENTS or not self.wanted(graph, index):
                    continue
                axis = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}.get(kind) if self.updated else None
                found.setdefault(index, axis)
        return found

    def quantise_int8(self, tensor, axis):
        x = self.data(tensor)
        if axis is None:
            values, scales = per_tensor(x)
            q = tensor.quantization
            return self.store(tensor, values, INT8, scales, q.quantizedDimension if q else 0)
        q, stored = tensor.quantization, None
        if q and q.min is not None and q.max is not None and len(q.min) and len(q.max):
            low, high = np.asarray(q.min, F), np.asarray(q.max, F)
            if len(low) == len(high) == x.shape[axis]:
                stored = low, high
        values, scales = per_channel(x, axis, stored)
        return self.store(tensor, values, INT8, scales, axis)

    def consumers(self, graph, index):
        return [(n, slot) for n, op in enumerate(graph.operators) for slot, i in enumerate(op.inputs) if i == index]

    def keeps_int8(self, graph, position, slot):
        op = graph.operators[position]
        slots = weight_slots(self.code(op), op)
        return (
            is_hybrid(self.code(op), op, self.updated)
            and all(op.inputs[i] == -1 or graph.tensors[op.inputs[i]].type == INT8 for i in slots)
            and slot in slots
        )

    def pass_through(self, graph, index):
        users = self.consumers(graph, index)
        if len(users) == 1:
            op = graph.operators[users[0][0]]
            if builtin(self.code(op)) in ("GATHER", "EMBEDDING_LOOKUP"):
                if len(op.outputs) != 1 or len(weight_slots(self.code(op), op)) != 1:
                    raise Refused("a pass-through op with several results or weights")
                result = graph.tensors[op.outputs[0]]
                result.type = INT8
                result.quantization = copy.deepcopy(graph.tensors[index].quantization)
                return op.outputs[0], self.consumers(graph, op.outputs[0])
        return index, users

    def dequantise(self, graph, index, users, as_output):
        tensor = graph.tensors[index]
        result = S.TensorT()
        result.name = (tensor.name or b"") + b"_dequantize"
        result.shape, result.shapeSignature, result.type = tensor.shape, tensor.shapeSignature, FLOAT32
        graph.tensors.append(result)
        new = len(graph.tensors) - 1
        op = S.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = self.code_of("DEQUANTIZE", 2), [index], [new]
        self.made.add(id(op))
        for position, slot in users:
            graph.operators[position].inputs[slot] = new
        returned = index in graph.outputs and self.mended and id(tensor) in self.shown and tensor.buffer
        if returned:
            self.return_copy(graph, index, new)
        elif as_output and index in graph.outputs:
            graph.outputs[graph.outputs.index(index)] = new
        graph.operators.insert(min([p for p, _ in users], default=len(graph.operators) - bool(returned)), op)

    def return_copy(self, graph, index, floats):
        """An output keeps its name, and gets its values through an op that XNNPACK does not fold."""
        quantised, result = graph.tensors[index], S.TensorT()
        result.name, quantised.name = quantised.name, (quantised.name or b"") + b"_quantized"
        result.shape, result.type = quantised.shape, FLOAT32
        graph.tensors.append(result)
        op = S.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = self.code_of("RESHAPE"), [floats], [len(graph.tensors) - 1]
        graph.operators.append(op)
        graph.outputs = [len(graph.tensors) - 1 if i == index else i for i in graph.outputs]

    def dequantise_stored(self, graph):
        """The int8 weights of the input that no kernel may read: beside a float16 bias, or with a scale like 0."""
        halves = {op.outputs[0] for op in graph.operators if builtin(self.code(op)) == "DEQUANTIZE"}
        found = {}
        for op in graph.operators:
            kind = builtin(self.code(op))
            biases = [op.inputs[i] for i in BIASES.get(kind, []) if i < len(op.inputs)]
            for slot in weight_slots(self.code(op), op) if kind in HYBRID | {"DEPTHWISE_CONV_2D"} else []:
                tensor = graph.tensors[op.inputs[slot]]
                if op.inputs[slot] == -1 or tensor.type != INT8 or id(tensor) in self.converted:
                    continue
                if not payload(self.raw, self.model.buffers[tensor.buffer]).size:
                    continue
                scales = np.asarray(tensor.quantization.scale if tensor.quantization else [], F)
                normal = (np.isfinite(scales) & (scales >= np.finfo(F).tiny)).all()
                if graph.tensors[op.inputs[0]].type == FLOAT32 and (halves.intersection(biases) or not normal):
                    found.setdefault(op.inputs[slot], []).append((op, slot))
        for index, users in found.items():
            position = lambda op: next(n for n, o in enumerate(graph.operators) if o is op)
            self.dequantise(graph, index, [(position(op), slot) for op, slot in users], False)

    def merge_dequantize(self, graph):
        """Tensors that show one buffer in one form get one DEQUANTIZE, of the first of them."""
        first, instead, dropped = {}, {}, []
        for op in sorted((op for op in graph.operators if id(op) in self.made), key=lambda op: op.inputs[0]):
            t = graph.tensors[op.inputs[0]]
            q = t.quantization
            scales = np.asarray(q.scale if q and q.scale is not None else [], "<f4").tobytes()
            if not t.buffer or id(t) not in self.shown:
                continue
            shown = (self.shown[id(t)], tuple(t.shape if t.shape is not None else ()), t.type, scales)
            result = first.setdefault(shown, op.outputs[0])
            if result != op.outputs[0]:
                instead[op.outputs[0]] = result
                dropped.append(op)
        graph.operators = [op for op in graph.operators if not any(op is d for d in dropped)]
        for op in graph.operators:
            op.inputs = [instead.get(i, i) for i in op.inputs]

    def code_of(self, kind, version=1):
        for n, code in enumerate(self.model.operatorCodes):
            if builtin(code) == kind:
                return n
        code = S.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(S.BuiltinOperator, kind)
        code.version = version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def int8(self, graph):
        found = self.collect_int8(graph)
        for index, axis in found.items():
            self.quantise_int8(graph.tensors[index], axis)
        for index in found:
            index, users = self.pass_through(graph, index)
            floats = [(n, slot) for n, slot in users if not self.keeps_int8(graph, n, slot)]
            if floats or index in graph.outputs:
                self.dequantise(graph, index, floats, True)

    def fp16(self, graph):
        found = []
        for op in graph.operators or []:
            for index in op.inputs:
                if index != -1 and index not in found and graph.tensors[index].type == FLOAT32:
                    if self.wanted(graph, index):
                        found.append(index)
        for index in found:
            self.store(graph.tensors[index], half_floats(self.data(graph.tensors[index])), FLOAT16)
        for index in found:
            self.dequantise(graph, index, self.consumers(graph, index), False)

    def run(self):
        for graph in self.model.subgraphs or []:
            self.fp16(graph) if self.mode == "legacy_fp16" else self.int8(graph)
            if self.mended and graph.operators:
                self.dequantise_stored(graph)
                self.merge_dequantize(graph)
        if self.mode != "legacy_fp16":
            for code in self.model.operatorCodes or []:
                if builtin(code) in VERSIONS:
                    code.version = VERSIONS[builtin(code)][0 if self.updated else 1]
        return self.model


def rewrite(raw, model, mode, mended=False):
    with np.errstate(all="ignore"):
        return Rewrite(raw, model, mode, mended).run()
