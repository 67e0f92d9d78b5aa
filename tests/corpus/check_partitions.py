"""`partitions`: the sections that `inspect --partitions` tells of are those that LiteRT makes, but for the models in EXCEPTIONS."""

import json

from check_skeletons import zoo
from common import Report, forked, refusal, run_tool, scratch
from delegate_spy import sections

SECONDS = 60
# Models that are divided otherwise, by a part of their path, and why.
EXCEPTIONS = {
    "single_moe_multiaxis": "XNNPACK takes the custom op `moe`; rows are about builtin ops",
    "multi_signature.drq_legacy": "XNNPACK takes weights whose scale is NaN, which no rule about weights lets it come to",
}


def predicted(config, model):
    ran = run_tool(config, "inspect", "--partitions", "--json", model)
    if ran.code != 0:
        return ran, None
    graphs = json.loads(ran.out)["subgraphs"]
    return ran, {g["number"]: [[s["runs_on"] == "xnnpack", s["ops"]] for s in g["sections"]] for g in graphs}


def partitions_one(config, row):
    found = {"path": row["path"], "faults": []}
    source = row.get("file") or config.corpus(row["path"])
    with scratch() as folder:
        model = source
        if source.endswith(".tfg"):
            model = str(folder / "model.tflite")
            run_tool(config, source, "--passes=", "--allow-unloadable", "-q", "-o", model)
        ran, mine = predicted(config, source)
        if refusal(row["path"], ran):
            return found | {"skipped": refusal(row["path"], ran)}
        if ran.code != 0:
            found["faults"].append(f"exit {ran.code}: {ran.error_line}")
            return found
        theirs, ended = forked(lambda: sections(model), SECONDS)
    if not isinstance(theirs, list):
        return found | {"skipped": theirs or f"signal {ended}"}
    found["subgraphs"] = sum(bool(graph) for graph in theirs)
    found["ops"] = sum(len(ops) for graph in theirs for _, ops in graph)
    for number, graph in enumerate(theirs):
        if graph != mine.get(number, []):
            found["faults"].append(f"subgraph {number}: {mine.get(number)} and LiteRT makes {graph}"[:400])
    return found


def partitions(config):
    report = Report("partitions")
    rows = zoo(config) + sorted(config.readable(), key=lambda r: -r["bytes"])
    report.collect(config, partitions_one, rows)
    known = [r for r in report.bad if any(part in r["path"] for part in EXCEPTIONS)]
    report.bad = [r for r in report.bad if r not in known]
    ran = [r for r in report.rows if "ops" in r]
    ops, graphs = sum(r["ops"] for r in ran), sum(r["subgraphs"] for r in ran)
    equal = sum(not r["faults"] for r in ran)
    return report.finish(
        f"{equal} of {len(ran)} models are divided as LiteRT does, with {graphs} subgraphs and {ops} ops; {len(known)} known "
        f"exceptions; {len(rows) - len(ran)} models do not load"
    )
