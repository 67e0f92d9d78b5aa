"""`larger`: no default run makes a file larger by one byte that the runtime takes as it came, and no large float constant
stays without a remark."""

import json
import os

from common import Report, refusal, run_tool, scratch

# Constants with fewer elements stay float by default, and one remark for each would say nothing.
LARGE = 1024
FLOAT = {"FLOAT32": 4, "FLOAT16": 2}


def larger_one(config, row):
    found = {"path": row["path"], "float": row.get("float"), "faults": []}
    source = config.corpus(row["path"])
    with scratch() as folder:
        output = str(folder / "out.tflite")
        ran = run_tool(config, source, "--allow-unloadable", "-o", output, "--json", "--remarks")
        if ran.code != 0:
            found["refused"] = refusal(row["path"], ran)
            if not found["refused"]:
                found["faults"].append(f"exit {ran.code}: {ran.error_line}")
            return found
        summary = json.loads(ran.out)
        found["bytes_in"], found["bytes_out"] = os.path.getsize(source), os.path.getsize(output)
        ran_before = not summary.keys() & {"mended", "did_not_run"}
        if found["bytes_out"] > found["bytes_in"] and ran_before:
            found["faults"].append(f"{found['bytes_in']} bytes became {found['bytes_out']}")
        if found["bytes_out"] != summary["bytes_after"]:
            found["faults"].append(f"the summary says {summary['bytes_after']} bytes, the file has {found['bytes_out']}")
        shown = run_tool(config, output, "--passes=", "--allow-unloadable", "--emit=json", "-q")
        if shown.code != 0:
            found["faults"].append(f"the result is not read: {shown.error_line}")
            return found
        remarks = [r for r in summary["remarks"] if r["kind"] == "missed" or r["rule"] == "dequantised"]
        left = unexplained(json.loads(shown.out), remarks)
        found["large"], found["unexplained"] = len(left), [names for names, told in left if not told]
        found["faults"] += [f"no remark on {' / '.join(names)}" for names in found["unexplained"]]
    return found


def unexplained(graph, remarks):
    """The large float constants, each with the names that it is shown under, and whether a remark tells of it."""
    buffers = {}
    for number, subgraph in enumerate(graph["subgraphs"]):
        for tensor in subgraph["tensors"]:
            width = FLOAT.get(tensor["type"])
            if width and tensor.get("bytes", 0) >= LARGE * width:
                buffers.setdefault(tensor["buffer"], []).append((number, tensor["name"]))
    several = len(graph["subgraphs"]) > 1
    told = {r["place"] for r in remarks}
    place = lambda number, name: f"subgraph {number}, `{name}`" if several else f"`{name}`"
    return [([n for _, n in shown], any(place(*s) in told for s in shown)) for shown in buffers.values()]


def larger(config):
    report = Report("larger")
    rows = sorted(config.readable(), key=lambda r: -r["bytes"])
    report.collect(config, larger_one, rows)
    done, grown, total_in, total_out = report.sizes()
    smaller = sum(r["bytes_out"] < r["bytes_in"] for r in done)
    large, silent = (sum(r.get(k, 0) if k == "large" else len(r.get(k, [])) for r in done) for k in ("large", "unexplained"))
    return report.finish(
        f"{len(rows)} models, {smaller} smaller, {grown} larger, {len(rows) - len(done)} refused, "
        f"{total_in} bytes became {total_out}; {large} large float constants left, {silent} without a remark"
    )
