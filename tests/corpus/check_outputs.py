"""`outputs`: what `tfq-opt run` gives is what the Python interpreter of the same package computes: same shapes, same bits.

Every model of the corpus that the interpreter runs, on three resolvers; at its own shapes, and at others: free
dimensions become 3, and a first dimension of 1 that all inputs have becomes 3 where the interpreter takes that.
"""

import json
import os
import zlib
from pathlib import Path

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from common import Report, forked, run_tool, scratch
from stability import reproducible

KERNELS = {
    "reference": ("ref", OpResolverType.BUILTIN_REF),
    "optimized": ("opt", OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
    "xnnpack": ("xnn", OpResolverType.AUTO),
}
SEED = 7
OTHER = 3
# Of the models whose shape is fixed, one in so many is also run at another first dimension: that takes a Python worker
# for each resolver, which starts slowly.
FIXED_EVERY = 8
# The key that LiteRT writes for a model without signatures.
PLACEHOLDER = "<placeholder signature>"
# What `run` cannot do, and says so: an input that is a constant cannot be set, strings are no numbers, and NumPy's
# files have no type for some elements.
CANNOT = ("is a constant of the model", "which no value can be made for", "have no counterpart", "strings cannot be passed on")


def random(name, shape, seed=SEED):
    """The floats that docs/running.md promises for an input of this name, as doubles."""
    with np.errstate(over="ignore"):
        start = 0xCBF29CE484222325
        for byte in name.encode():
            start = ((start ^ byte) * 0x100000001B3) & (2**64 - 1)
        count = int(np.prod(shape, dtype=np.int64))
        x = np.uint64(start ^ seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (2.0 * (x >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 1.0).reshape(shape)


def value(name, dtype, shape):
    """An input: random floats, ones of everything else, which are 0 to the ids of every table with two rows."""
    kind = np.dtype(dtype)
    return random(name, shape).astype(kind) if kind.kind == "f" else np.ones(shape, kind)


def flags(name, dtype):
    return [] if np.dtype(dtype).kind == "f" else [f"--input={name}=ones"]


def signatures(interpreter):
    """(key, [(name, detail)], [(name, detail)], call) for each way to call a model."""
    keys = sorted(interpreter.get_signature_list() or {})
    for key in keys:
        runner = interpreter.get_signature_runner(key)
        sides = [sorted(side.items()) for side in (runner.get_input_details(), runner.get_output_details())]
        yield None if key == PLACEHOLDER else key, *sides, lambda values, runner=runner: runner(**values)
    if not keys:
        sides = [[(d["name"], d) for d in side] for side in (interpreter.get_input_details(), interpreter.get_output_details())]
        yield None, *sides, None


def call_main(interpreter, inputs, outputs, values):
    for (_, detail), given in zip(inputs, values):
        if list(detail["shape"]) != list(given.shape):
            interpreter.resize_tensor_input(detail["index"], given.shape)
    interpreter.allocate_tensors()
    for (_, detail), given in zip(inputs, values):
        interpreter.set_tensor(detail["index"], given)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for _, detail in outputs]


def shapes(inputs, other):
    """The shape of each input, as `run` makes it up or another; None where there is no other."""
    found, free = [], False
    for _, detail in inputs:
        signed = detail["shape_signature"] if len(detail["shape_signature"]) == len(detail["shape"]) else detail["shape"]
        free |= any(d < 0 for d in signed)
        found.append([int(d) if d >= 0 else (OTHER if other else 1) for d in signed])
    if other and not free:
        if not found or any(not shape or shape[0] != 1 for shape in found):
            return None
        found = [[OTHER, *shape[1:]] for shape in found]
    return found


def interpret(path, resolver, other):
    """What the interpreter gives: [(signature, name, array)], and the arguments that have `run` compute the same."""
    interpreter = Interpreter(model_path=path, num_threads=1, experimental_op_resolver_type=resolver)
    results, arguments = [], []
    for key, inputs, outputs, call in signatures(interpreter):
        wanted = shapes(inputs, other)
        if wanted is None:
            return None
        values = [value(name, detail["dtype"], shape) for (name, detail), shape in zip(inputs, wanted)]
        for (name, detail), shape in zip(inputs, wanted):
            arguments += flags(name, detail["dtype"])
            if other:
                arguments.append(f"--shape={name}={'x'.join(map(str, shape))}")
        if call:
            got = call(dict(zip([name for name, _ in inputs], values)))
            results += [(key, name, np.array(got[name])) for name, _ in outputs]
        else:
            got = call_main(interpreter, inputs, outputs, values)
            results += [(key, name, np.array(array)) for (name, _), array in zip(outputs, got)]
    return results, arguments


def attempted(path, resolver, other):
    """The same, or why there is nothing."""
    try:
        return interpret(path, resolver, other)
    except Exception as error:  # the runtime raises every kind
        return f"{type(error).__name__}: {error}"[:200]


def differs(wanted, ran, folder):
    """Why what `run` printed and saved is not what the interpreter gives, and whether the difference is a known one."""
    described = json.loads(ran.out)["outputs"]
    if len(described) != len(wanted):
        return f"{len(described)} outputs, {len(wanted)} are wanted", None
    # Signatures name their outputs, and list them in any order; the main subgraph has one.
    order = lambda key, name: (key, name) if key is not None else ("", "")
    described.sort(key=lambda output: order(output["signature"], output["name"]))
    for (key, name, x), output in zip(sorted(wanted, key=lambda output: order(*output[:2])), described):
        if (output["signature"], output["name"]) != (key, name):
            return f"output {output['signature']}/{output['name']} is in the place of {key}/{name}", None
        y = np.load(folder / Path(output["file"]).name)
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"{name}: {y.dtype}{list(y.shape)}, {x.dtype}{list(x.shape)} is right", None
        if x.tobytes() != y.tobytes():
            x, y = x.ravel(), y.ravel()
            unlike = x.view(f"V{x.itemsize}") != y.view(f"V{y.itemsize}")
            why = f"{name}: {np.count_nonzero(unlike)} of {x.size} elements differ"
            tiny = x.dtype.kind == "f" and (np.abs(x[unlike]) < np.finfo(x.dtype).tiny).all() and (y[unlike] == 0).all()
            return why, "the C API computes without denormals, the interpreter with them" if tiny else None
    return None, None


def agree_before_zeros(config, file, resolver, other, options, folder):
    """Whether both agree once the file is followed by zeros in memory: then what followed it, which is chance, had a part.

    A difference that is the tool's own stays when the file is longer.
    """
    longer = folder / "longer.tflite"
    longer.write_bytes(Path(file).read_bytes() + bytes(1 << 20))
    got, signal = forked(lambda: attempted(str(longer), resolver, other), seconds=60)
    if signal or not isinstance(got, tuple) or got[0] is None:
        return False
    ran = run_tool(config, "run", str(longer), *options, "-o", str(folder))
    return ran.code == 0 and differs(got[0], ran, folder)[0] is None


def compare(config, row, kernels, other):
    """{"same": …}, {"fault": …}, {"note": …} or {"skipped": …} for one model on one kind of kernels."""
    short, resolver = KERNELS[kernels]
    got, signal = forked(lambda: attempted(row["file"], resolver, other), seconds=60)
    if signal:
        return {"skipped": f"signal {signal}"}
    if got is None or isinstance(got, str):
        return {"skipped": got or "it has no other shape"}
    wanted, arguments = got
    package = os.path.dirname(os.path.abspath(ai_edge_litert.__file__))
    options = [f"--runtime={package}", f"--kernels={kernels}", f"--seed={SEED}", "--timeout=60", "--json", *arguments]
    with scratch() as folder:
        ran = run_tool(config, "run", row["file"], *options, "-o", str(folder))
        if ran.code == 0:
            why, known = differs(wanted, ran, folder)
        else:
            why = f"the interpreter runs it, run does not: exit {ran.code}: {ran.error_line}"
            known = next((text for text in CANNOT if text in why), None) if ran.code == 1 else None
        if why is not None and known is None and agree_before_zeros(config, row["file"], resolver, other, options, folder):
            known = "the model has the runtime read behind the end of the file"
    if why is None:
        return {"same": len(wanted)}
    known = known or (None if reproducible(row["file"], short) else "the model gives other outputs each time")
    return {"note": known} if known else {"fault": why}


def outputs_one(config, row):
    found = {"path": row["path"], "faults": [], "notes": [], "same": 0, "skipped": 0}
    for other in (False, True):
        if other and not row["free"] and zlib.crc32(row["path"].encode()) % FIXED_EVERY:
            continue
        for kernels in KERNELS:
            got = compare(config, row, kernels, other)
            place = f"{kernels}{', other shapes' if other else ''}"
            found["faults"] += [f"{place}: {got['fault']}"] if "fault" in got else []
            found["notes"] += [f"{place}: {got['note']}"] if "note" in got else []
            found["same"] += got.get("same", 0)
            found["skipped"] += "skipped" in got
    return found


def has_free_dimension(path):
    """Whether the main subgraph has an input with a free dimension, as far as the file says."""
    import summary

    try:
        _, model = summary.load(path)
        graph = model.subgraphs[0]
        signed = (graph.tensors[i].shapeSignature for i in graph.inputs)
        return any(shape is not None and (np.asarray(shape) < 0).any() for shape in signed)
    except Exception:  # the reader of the runtime's schema takes less than the runtime
        return False


def outputs(config):
    rows = []
    for row in config.index():
        if row.get("interp", {}).get("ok"):
            file = config.corpus(row["path"])
            rows.append({"path": row["path"], "file": file, "free": has_free_dimension(file)})
    rows.sort(key=lambda r: -os.path.getsize(r["file"]))
    report = Report("outputs")
    report.collect(config, outputs_one, rows)
    notes = {}
    for row in report.rows:
        for note in row.get("notes", []):
            notes.setdefault(note.partition(": ")[2], set()).add(row["path"])
    for note, paths in sorted(notes.items()):
        print(f"  note: {note}: {len(paths)} models, such as {min(paths)}")
    same = sum(row.get("same", 0) for row in report.rows)
    return report.finish(f"{len(rows)} models, {sum(r['free'] for r in rows)} with free dimensions, {same} outputs have the same bits")
