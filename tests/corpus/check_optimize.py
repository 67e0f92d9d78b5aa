"""`optimize`: what -O writes gives what the model gave, on the reference kernels, and is no larger.

Numbers are equal, but for NaN and the sign of zero, which is the contract of the pipeline `optimize`. Models of the corpus
and the zoo, at their own shapes; free dimensions also become 3.
"""

import os

import numpy as np
from ai_edge_litert.interpreter import OpResolverType

from check_outputs import attempted, has_free_dimension
from check_skeletons import zoo
from common import Report, forked, refusal, run_tool, scratch
from stability import reproducible

SECONDS = 120


def unlike(wanted, got):
    """Why two lists of (signature, name, array) are not the same numbers, if they are not."""
    if len(wanted) != len(got):
        return f"{len(got)} outputs, {len(wanted)} are wanted"
    for (_, name, x), (_, _, y) in zip(wanted, got):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"{name}: {y.dtype}{list(y.shape)}, {x.dtype}{list(x.shape)} is right"
        same = x == y
        if x.dtype.kind == "f":
            same |= np.isnan(x) & np.isnan(y)
        if not np.all(same):
            return f"{name}: {np.size(same) - np.count_nonzero(same)} of {np.size(same)} elements differ"
    return None


def optimize_one(config, row):
    found = {"path": row["path"], "faults": [], "ran": 0}
    source = row.get("file") or config.corpus(row["path"])
    with scratch() as folder:
        model, quick = source, str(folder / "quick.tflite")
        if source.endswith(".tfg"):
            model = str(folder / "model.tflite")
            run_tool(config, source, "--passes=", "--allow-unloadable", "-q", "-o", model)
        ran = run_tool(config, model, "-O", "--allow-unloadable", "-q", "-o", quick)
        if refusal(row["path"], ran):
            return found | {"skipped": refusal(row["path"], ran)}
        if ran.code != 0:
            found["faults"].append(f"exit {ran.code}: {ran.error_line}")
            return found
        before, after = os.path.getsize(model), os.path.getsize(quick)
        found["smaller"] = after < before
        if after > before:
            found["faults"].append(f"{after} bytes, it had {before}")
        # An input that states a fixed shape is taken at its word.
        for other in (False, True) if has_free_dimension(model) else (False,):
            wanted, _ = forked(lambda: attempted(model, OpResolverType.BUILTIN_REF, other), SECONDS)
            # What does not run, or takes no other shape, is no measure.
            if not isinstance(wanted, tuple):
                continue
            got, signal = forked(lambda: attempted(quick, OpResolverType.BUILTIN_REF, other), SECONDS)
            why = unlike(wanted[0], got[0]) if isinstance(got, tuple) else f"it does not run: {got or f'signal {signal}'}"
            if why and not reproducible(model, "ref"):
                why = None
            found["ran"] += 1
            found["faults"] += [f"{'other shapes: ' if other else ''}{why}"] if why else []
    return found


def optimize(config):
    report = Report("optimize")
    rows = zoo(config) + sorted(config.readable(), key=lambda r: -r["bytes"])
    report.collect(config, optimize_one, rows)
    smaller, ran = sum(r.get("smaller", False) for r in report.rows), sum(r.get("ran", 0) for r in report.rows)
    return report.finish(f"{len(rows)} models, {smaller} smaller; {ran} runs give the same numbers as before")
