"""Runs models on LiteRT and compares outputs, on inputs of any seed; for checks that do without the shared folder.

Same resolvers, inputs and measures as `../shared/tools/runtime_check.py`, and equal results for its seed 7. An input
that holds a constant keeps it: to set it would crash the runtime.
"""

import functools
import math

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import summary
from common import forked

RESOLVERS = {"ref": "BUILTIN_REF", "opt": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnn": "AUTO"}
SEED = 7


def sample(detail, rng, whole=2):
    """Floats from -1 to 1, integers from 0 to below `whole`."""
    shape, kind = [int(d) for d in detail["shape"]], detail["dtype"]
    if np.issubdtype(kind, np.floating):
        return rng.uniform(-1, 1, shape).astype(kind)
    if kind in (np.bytes_, np.object_):
        return np.full(shape, b"hello world", dtype=object)
    return rng.integers(0, 2 if kind == np.bool_ else whole, shape).astype(kind)


@functools.lru_cache(maxsize=1)
def constant_inputs(path):
    raw, model = summary.load(path)
    graph = model.subgraphs[0]
    inputs = [int(i) for i in (graph.inputs if graph.inputs is not None else [])]
    return {i for i in inputs if summary.payload(raw, model.buffers[graph.tensors[i].buffer]).size}


def run(path, resolver, fixed, seed=SEED, whole=2):
    stage = "load"
    try:
        kind = getattr(OpResolverType, RESOLVERS[resolver])
        interpreter = Interpreter(model_path=path, num_threads=1, experimental_op_resolver_type=kind)
        signatures = [] if fixed else sorted(interpreter.get_signature_list() or {})
        outputs = {}
        for key in signatures:
            stage = "allocate"
            runner, rng = interpreter.get_signature_runner(key), np.random.default_rng(seed)
            details = runner.get_input_details()
            values = {name: sample(details[name], rng, whole) for name in sorted(details)}
            stage = "invoke"
            outputs |= {f"{key}/{name}": np.array(value) for name, value in runner(**values).items()}
        if not signatures:
            stage = "allocate"
            interpreter.allocate_tensors()
            rng = np.random.default_rng(seed)
            for detail in interpreter.get_input_details():
                if detail["index"] not in fixed:
                    interpreter.set_tensor(detail["index"], sample(detail, rng, whole))
            stage = "invoke"
            interpreter.invoke()
            for number, detail in enumerate(interpreter.get_output_details()):
                outputs[str(number)] = np.array(interpreter.get_tensor(detail["index"]))
        return {"ok": True, "outputs": outputs}
    except Exception as error:  # the runtime raises every kind
        return {"ok": False, "stage": stage, "error": str(error).strip().replace("\n", " ")[:240]}


def isolated(path, resolver, seeds=(SEED,), whole=2, seconds=120):
    """A result for each seed, from a process of their own: the runtime may crash."""
    try:
        fixed = constant_inputs(path)
    except Exception as error:  # the reader of the runtime's schema takes less than the runtime
        return [{"ok": False, "stage": "load", "error": f"{type(error).__name__}: {error}"[:240]}] * len(seeds)
    results, signal = forked(lambda: [run(path, resolver, fixed, seed, whole) for seed in seeds], seconds)
    return results or [{"ok": False, "stage": "crash", "error": f"signal {signal}"}] * len(seeds)


def compare(before, after):
    """The worst SNR over the outputs (None: all equal), and how many integers differ; or a failure."""
    wrong = lambda error: {"ok": False, "stage": "output", "error": error[:240]}
    if sorted(before) != sorted(after):
        return wrong(f"outputs {sorted(before)} became {sorted(after)}")
    snr, mismatch = math.inf, 0
    for name, x in before.items():
        y = after[name]
        if x.shape != y.shape or x.dtype != y.dtype:
            return wrong(f"{name}: {x.dtype}{list(x.shape)} became {y.dtype}{list(y.shape)}")
        if x.dtype.kind != "f":
            mismatch += int((x != y).sum())
            continue
        x, y = x.astype("d").ravel(), y.astype("d").ravel()
        if ((x == y) | (np.isnan(x) & np.isnan(y))).all():
            continue
        if np.isfinite(x).all() and not np.isfinite(y).all():
            return wrong(f"{name}: not finite any more")
        keep = np.isfinite(x) & np.isfinite(y)
        noise, power = float(((x[keep] - y[keep]) ** 2).sum()), float((x[keep] ** 2).sum())
        if noise:
            snr = min(snr, 10 * math.log10(max(power / noise, 1e-300)))
    return {"ok": True, "snr_db": None if snr == math.inf else round(snr, 2), "mismatch": mismatch}


def fared(base, got):
    """One resolver's verdict on a candidate."""
    if not base["ok"]:
        return {"skipped": f"{base['stage']}: {base['error']}"}
    return compare(base["outputs"], got["outputs"]) if got["ok"] else got
