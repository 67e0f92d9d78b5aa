"""`contradictions`: what ops give by the table of operators is what the models declare, but for those in contradictions.txt."""

import json
from pathlib import Path

from common import Report, refusal, run_tool

EXPECTED = Path(__file__).with_name("contradictions.txt")


def contradictions_one(config, row):
    found = {"path": row["path"], "lines": [], "faults": []}
    ran = run_tool(config, "inspect", "--json", config.corpus(row["path"]))
    if ran.code != 0:
        if not refusal(row["path"], ran):
            found["faults"].append(f"exit {ran.code}: {ran.error_line}")
    else:
        contradictions = json.loads(ran.out).get("contradictions", [])
        found["lines"] = [f"{c['place']}: {c['what']}" for c in contradictions]
    return found


def contradictions(config):
    expected = {}
    for line in EXPECTED.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            path, _, what = line.partition(": ")
            expected.setdefault(path, []).append(what)
    report = Report("contradictions")
    report.collect(config, contradictions_one, sorted(config.readable(), key=lambda r: -r["bytes"]))
    for row in report.rows:
        known = expected.get(row["path"], [])
        row["faults"] += [f"new: {line}" for line in row["lines"] if line not in known]
        row["faults"] += [f"gone: {line}" for line in known if line not in row["lines"]]
    report.bad = [row for row in report.rows if row["faults"]]
    odd = sum(len(row["lines"]) for row in report.rows)
    return report.finish(f"{len(report.rows)} models, {odd} contradictions, all of them known" if not report.bad else f"{len(report.rows)} models")
