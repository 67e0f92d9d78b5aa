"""`seeds`: how much of a difference in SNR is the chance of one input.

For each model listed in `explained.py`, over several inputs, the SNR of the default result against the same result
whose activations are quantised symmetrically (as ai-edge-quantizer's are on the CPU), and against the `compat=toco`
result, which is the legacy tool's own bit for bit. Paired by input; the deviation is that of the differences. Integer
inputs are drawn from all rows of the table that they choose from: with 0 and 1 alone there are hardly two inputs.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as S

import explained
import runtime
import summary
from common import PIPELINES, Report, cell, passes_of, run_tool, scratch, write_section

SEEDS = range(96)
CEILING = 100.0


def symmetric(path, output):
    """The model with `asymmetric_quantize_inputs` off everywhere."""
    _, model = summary.load(path)
    for graph in model.subgraphs:
        for op in graph.operators or []:
            if hasattr(op.builtinOptions, "asymmetricQuantizeInputs"):
                op.builtinOptions.asymmetricQuantizeInputs = False
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(output, "wb") as file:
        file.write(builder.Output())


def rows_of_tables(path):
    """What integer inputs may be: rows of the smallest table that something is looked up in."""
    _, model = summary.load(path)
    slots = {"GATHER": 0, "EMBEDDING_LOOKUP": 1}
    sizes = [2**31]
    for graph in model.subgraphs:
        for op in graph.operators or []:
            slot = slots.get(summary.builtin(model.operatorCodes[op.opcodeIndex]))
            if slot is not None and graph.tensors[op.inputs[slot]].type == S.TensorType.FLOAT32:
                sizes.append(int(graph.tensors[op.inputs[slot]].shape[0]))
    return min(sizes) if min(sizes) < 2**31 else 2


def seeds_one(config, row):
    source = config.corpus(row["path"])
    found = {"path": row["path"], "faults": [], "levels": {}}
    with scratch() as folder:
        results = {name: str(folder / f"{name}.tflite") for name in ("default", "symmetric", "legacy")}
        for name in ("default", "legacy"):
            ran = run_tool(config, source, *passes_of(name), "-o", results[name], "-q")
            if ran.code != 0:
                found["faults"].append(f"{name}: exit {ran.code}: {ran.error_line}")
                return found
        symmetric(results["default"], results["symmetric"])
        whole = rows_of_tables(source)
        for resolver in ("ref", "xnn"):
            bases = runtime.isolated(source, resolver, SEEDS, whole)
            for name, path in results.items():
                fared = [runtime.fared(*pair) for pair in zip(bases, runtime.isolated(path, resolver, SEEDS, whole))]
                if not all(f.get("ok") for f in fared):
                    found["faults"].append(f"{name} on {resolver}: {next(f for f in fared if not f.get('ok'))}")
                    continue
                levels = [CEILING if f["snr_db"] is None else min(CEILING, f["snr_db"]) for f in fared]
                found["levels"][f"{name}/{resolver}"] = levels
    return found


def seeds(config):
    report = Report("seeds")
    rows = [{"path": path} for path in explained.CASES if config.only in path]
    report.collect(config, seeds_one, rows)
    lines = [
        f"Mean SNR in dB over {len(SEEDS)} inputs; *gain* is ours less the other, mean ± deviation of one input.",
        "",
        "| model | resolver | ours | symmetric activations | gain | legacy scheme | gain |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in report.rows:
        for resolver in ("ref", "xnn"):
            of = {name: np.array(row["levels"].get(f"{name}/{resolver}", [])) for name in ("default", "symmetric", "legacy")}
            if of["default"].size:
                cells = [f"{of['default'].mean():.1f}"]
                for name in ("symmetric", "legacy"):
                    gain = of["default"] - of[name] if of[name].size else None
                    cells += ["–", "–"] if gain is None else [f"{of[name].mean():.1f}", f"{gain.mean():+.1f} ± {gain.std(ddof=1):.1f}"]
                lines.append(f"| {cell(row['path'])} | {resolver} | {' | '.join(cells)} |")
    print(*(f"  {line}" for line in lines), sep="\n")
    write_section(config, "seeds", lines)
    return report.finish(f"{len(rows)} models, {len(SEEDS)} inputs, legacy scheme `{PIPELINES['legacy']}`")
