"""Where the legacy tool itself goes wrong, recognised by what the input model is like, never by its name.

Each rule says why a result may differ from the oracle; `find(raw, model, mode)` gives those that apply, the most
telling first. What ours must be in its place is checked as well, against the reference of `legacy.py`, mended.
"""

from collections import Counter

import numpy as np

from legacy import BIASES, FLOAT32, INT8, F, Rewrite, weight_slots
from summary import builtin, payload, text

REASONS = {
    "offset-buffers": "The model keeps constants behind the flatbuffer (`Buffer.offset`). The legacy tool sees empty "
    "buffers there, quantises none of them, and drops the bytes: its result does not load.",
    "shared-buffer": "Two tensors share the buffer of a converted constant. The legacy tool converts it once for each "
    "tensor, the later times reading its own result as float32 past the end.",
    "bias-beside-int8": "The model already holds int8 weights next to float32 activations. In float16 mode the legacy "
    "tool stores the bias of such an op as FLOAT16 behind a DEQUANTIZE; XNNPACK claims the op and then fails in "
    "AllocateTensors (\"failed to delegate\"). tfq-opt gives the op's weight a DEQUANTIZE too.",
    "constant-input": "A constant is a graph input as well. The legacy tool converts it, and so changes the type of the "
    "input that a caller sets; tfq-opt leaves it alone.",
    "constant-output": "A converted constant is a graph output. The legacy tool returns the DEQUANTIZE's result under "
    "another name, or the float16 constant itself; XNNPACK folds such a DEQUANTIZE and leaves the output unwritten "
    "(zeros or garbage). tfq-opt keeps name and type, and returns a copy through a RESHAPE.",
    "shared-dequantize": "Two tensors that share a buffer are dequantised. tfq-opt inserts one DEQUANTIZE for both, the "
    "legacy tool one for each.",
    "not-finite": "A weight holds NaN or an infinity. The legacy tool converts it through undefined behaviour; tfq-opt "
    "leaves the tensor alone, with a remark.",
    "denormal": "A weight's range is so small that 127/range overflows or the scale is no normal number; the legacy "
    "tool converts infinities through undefined behaviour.",
    "zero-channel": "A channel is all zero. The legacy tool writes the scale 0, which XNNPACK refuses; tfq-opt writes a "
    "positive scale. The bytes are the same.",
    "stored-range": "The tensor stores min and max that do not fit its channels; the legacy tool trusts them and reads "
    "out of range.",
    "missing-operand": "An op has fewer inputs than its kind has weights; the legacy tool reads out of range.",
    "empty-subgraph": "A subgraph has no tensors or no ops. The legacy tool drops the empty vector and its result does "
    "not load.",
}
# What each rule may change: "tensors" a tensor's bytes and scales, "scales" its scales only, "wiring" the graph too.
REACH = dict.fromkeys(REASONS, "tensors") | {
    "offset-buffers": "wiring",
    "bias-beside-int8": "wiring",
    "constant-input": "wiring",
    "constant-output": "wiring",
    "shared-dequantize": "wiring",
    "not-finite": "wiring",
    "zero-channel": "scales",
    "missing-operand": "wiring",
    "empty-subgraph": "nothing",
}
# Rules by which ours departs from the written arithmetic on purpose; in the other cases ours must follow it.
CHOSEN = ("denormal", "zero-channel")
# Rules by which ours departs from the written wiring; the reference then says what it must be instead.
MENDED = ("bias-beside-int8", "constant-input", "constant-output", "shared-dequantize", "not-finite")


def converted(raw, model, mode):
    """(graph number, tensor index, channel axis or None) of each constant that the tool converts."""
    work = Rewrite(raw, model, mode)
    for number, graph in enumerate(model.subgraphs or []):
        if mode == "legacy_fp16":
            for index in {i for op in graph.operators or [] for i in op.inputs if i != -1}:
                if graph.tensors[index].type == FLOAT32 and work.data(graph.tensors[index]) is not None:
                    yield number, index, None, work.data(graph.tensors[index])
        else:
            for index, axis in work.collect_int8(graph).items():
                yield number, index, axis, work.data(graph.tensors[index])


def find(raw, model, mode):
    """{rule: names of the tensors it concerns}, before the model is rewritten."""
    found = {}
    note = lambda rule, name: found.setdefault(rule, set()).add(name)
    users = Counter(
        t.buffer for g in model.subgraphs or [] for t in g.tensors or [] if t.buffer and payload(raw, model.buffers[t.buffer]).size
    )
    for buffer in model.buffers or []:
        if buffer.offset > 1:
            note("offset-buffers", "")
    for graph in model.subgraphs or []:
        if not (graph.tensors and graph.operators):
            note("empty-subgraph", text(graph.name))
    constants = list(converted(raw, model, mode))
    sharing = Counter((number, model.subgraphs[number].tensors[index].buffer) for number, index, _, _ in constants)
    if mode == "legacy_fp16":
        for name in weights_beside_biases(raw, model):
            note("bias-beside-int8", name)
    for number, index, axis, x in constants:
        tensor = model.subgraphs[number].tensors[index]
        name = text(tensor.name)
        if users[tensor.buffer] > 1:
            note("shared-buffer", name)
            if sharing[number, tensor.buffer] > 1:
                note("shared-dequantize", name)
        graph = model.subgraphs[number]
        if graph.inputs is not None and index in graph.inputs:
            note("constant-input", name)
        if index in graph.outputs:
            note("constant-output", name)
        if mode != "legacy_fp16" and not np.isfinite(x).all():
            note("not-finite", name)
        if mode != "legacy_fp16":
            for rule in range_rules(tensor, x, axis):
                note(rule, name)
    for graph in model.subgraphs or []:
        for op in graph.operators or []:
            code = model.operatorCodes[op.opcodeIndex]
            if builtin(code) == "LSTM" and len(weight_slots(code, op)) < 12 and mode != "legacy_fp16":
                note("missing-operand", "LSTM")
    return {rule: found[rule] for rule in REASONS if rule in found}


def weights_beside_biases(raw, model):
    """Constant int8 weights of ops that have a constant float32 bias."""
    for graph in model.subgraphs or []:
        tensors = graph.tensors
        constant = lambda i, kind: i != -1 and tensors[i].type == kind and payload(raw, model.buffers[tensors[i].buffer]).size
        for op in graph.operators or []:
            code = model.operatorCodes[op.opcodeIndex]
            biases = [op.inputs[i] for i in BIASES.get(builtin(code), []) if i < len(op.inputs)]
            if any(constant(i, FLOAT32) for i in biases):
                for slot in weight_slots(code, op):
                    if constant(op.inputs[slot], INT8):
                        yield text(tensors[op.inputs[slot]].name)


def range_rules(tensor, x, axis):
    if axis is None:
        reach = np.abs(x).max(initial=F(0), where=np.isfinite(x))
    else:
        reach = np.abs(x).max(axis=tuple(n for n in range(x.ndim) if n != axis))
        if (reach == 0).any():
            yield "zero-channel"
        q = tensor.quantization
        lengths = [0 if v is None else len(v) for v in (q.min, q.max)] if q else [0, 0]
        if any(n not in (0, x.shape[axis]) for n in lengths) or lengths[0] != lengths[1]:
            yield "stored-range"
    with np.errstate(all="ignore"):
        inverse, scale = F(127) / reach, reach / F(127)
    if ((reach > 0) & (np.isinf(inverse) | (scale < np.finfo(F).tiny))).any():
        yield "denormal"
