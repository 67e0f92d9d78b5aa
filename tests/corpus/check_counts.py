"""`counts`: on how many models each tool's result loads, runs, and does what the model did.

Ours and ai-edge-quantizer's results are made and run here. TensorFlow's two quantisers are not run: what became of their
results is in the oracle, `snr.jsonl` for float models on three resolvers, else `status.jsonl` for whether there was a
result and `accuracy.jsonl` for whether the default resolver ran it.
"""

import os

import peers
import runtime
from common import MALFORMED, Report, cell, refusal, run_tool, scratch, write_section
from stability import reproducible

TOOLS = {"ours": "tfq-opt", "aeq": "ai-edge-quantizer", "legacy_int8": "TF legacy", "mlir_int8": "TF MLIR"}
# What zeros in place of an output reach.
ZEROS = 0.0


def counts_one(config, row):
    found = {"path": row["path"], "float": row["float"], "faults": [], "notes": [], "results": row["oracle"]}
    source = config.corpus(row["path"])
    bases = {resolver: runtime.isolated(source, resolver)[0] for resolver in runtime.RESOLVERS}
    if not any(base["ok"] for base in bases.values()):
        return {"path": row["path"], "faults": [], "notes": ["left out: on this machine it runs on no resolver"]}
    with scratch() as folder:
        for tool, make in (("ours", ours), ("aeq", aeq)):
            output = str(folder / f"{tool}.tflite")
            found["results"][tool] = make(config, row["path"], output) or {
                resolver: tried(source, resolver, base, output) for resolver, base in bases.items() if base["ok"]
            }
    judge(found)
    return found


def ours(config, path, output):
    """Writes our result, or returns the refusal and why it is expected, if it is."""
    source = config.corpus(path)
    ran = run_tool(config, source, "-o", output, "-q")
    if ran.code == 0 and os.path.exists(output):
        return None
    forgiven = "a malformed model that the runtime forgives" if path.startswith(MALFORMED) and ran.code == 1 else None
    line = ran.error_line.replace(source, os.path.basename(source))
    return {"refused": f"exit {ran.code}: {line}", "expected": refusal(path, ran) or forgiven}


def aeq(config, path, output):
    """ai-edge-quantizer's int8 weights with float activations."""
    return peers.aeq(config.corpus(path), output)


def tried(source, resolver, base, output):
    got = runtime.fared(base, runtime.isolated(output, resolver, seconds=peers.SECONDS)[0])
    if spoilt(got) and not reproducible(source, resolver):
        return {"ok": True, "snr_db": None, "mismatch": 0, "unstable": True}  # it ran; more cannot be said
    return got


def spoilt(got):
    """Other or no longer finite outputs, or no better than zeros."""
    if not got["ok"]:
        return got["stage"] == "output"
    if "snr_db" not in got:  # what `accuracy.jsonl` tells; a NaN is spoilt too
        return not got["cos"] > 0
    return got["snr_db"] is not None and got["snr_db"] <= ZEROS


def judge(found):
    """What is asked of our own results."""
    result = found["results"]["ours"]
    if "refused" in result:
        reason = result["expected"]
        found["notes" if reason else "faults"].append(f"{result['refused']}{f' ({reason})' if reason else ''}")
        return
    for resolver, got in result.items():
        if not got["ok"] or spoilt(got):
            found["faults"].append(f"{resolver}: {failure(got)}")


def failure(got):
    return f"only {got['snr_db']} dB" if got["ok"] else f"{got['stage']}: {got['error']}"


def oracle(config):
    """What became of TensorFlow's results, by model and tool."""
    found = {}
    ran = {r["model"]: r["results"] for r in config.oracle("accuracy.jsonl")}
    for row in config.oracle("status.jsonl"):
        tool, model = row["mode"], row["model"]
        if tool not in TOOLS:
            continue
        result = {"refused": row["error"]} if not row["ok"] else {}
        seen = ran.get(model, {}).get(tool)
        if row["ok"] and seen:
            ran_well = {"ok": True, "cos": seen.get("min_cosine")}
            result = {"xnn": ran_well if seen["ok"] else {"ok": False, "stage": "run", "error": seen["error"]}}
        found.setdefault(model, {})[tool] = result
    for row in config.oracle("snr.jsonl"):
        for tool in ("legacy_int8", "mlir_int8"):
            if row[tool]:
                found[row["model"]][tool] = {r: row[tool][r] for r in runtime.RESOLVERS if "skipped" not in row[tool][r]}
    return found


def counts(config):
    recorded = oracle(config)
    rows = [
        {"path": r["path"], "float": bool(r.get("float")), "bytes": r["bytes"], "oracle": recorded.get(r["path"], {})}
        for r in config.index()
        if r.get("interp", {}).get("ok")
    ]
    rows.sort(key=lambda r: -r["bytes"])
    report = Report("counts")
    report.collect(config, counts_one, rows)
    for row in report.rows:
        for note in row.get("notes", []):
            print(f"  note: {row['path']}: {note}"[:240])
    done = sorted((r for r in report.rows if "results" in r), key=lambda r: r["path"])
    lines = table(done)
    write_section(config, "counts", lines)
    print(*(f"  {line}" for line in lines if line.startswith(("**", *(f"| {tool} |" for tool in TOOLS.values())))), sep="\n")
    return report.finish(f"{len(done)} models")


def table(rows):
    lines = []
    for title, of in (
        ("Float models that all four were tried on", [r for r in rows if r["float"] and r["results"].keys() >= TOOLS.keys()]),
        ("Float models", [r for r in rows if r["float"]]),
        ("All models that the runtime runs", rows),
    ):
        lines += [
            *([""] if lines else []),
            f"**{title}: {len(of)}**",
            "",
            "| tool | models tried | no result | does not run: ref | opt | xnn | outputs spoilt: ref | opt | xnn | all is well |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(tool_line(tool, of) for tool in TOOLS),
        ]
    lines += ["", "| model | tool | resolvers | what is wrong |", "|---|---|---|---|"]
    for row in rows:
        for tool, result in ((t, row["results"][t]) for t in TOOLS if t in row["results"]):
            if not row["float"] and tool != "ours":
                continue
            if "refused" in result:
                lines.append(f"| {cell(row['path'])} | {TOOLS[tool]} | | no result: {cell(short(result['refused']))} |")
                continue
            alike = {}
            for resolver, got in result.items():
                if not got["ok"] or spoilt(got):
                    alike.setdefault(short(failure(got)), []).append(resolver)
            for what, on in alike.items():
                lines.append(f"| {cell(row['path'])} | {TOOLS[tool]} | {', '.join(on)} | {cell(what)} |")
    return lines


def short(text):
    return text if len(text) <= 110 else f"{text[:109]}…"


def tool_line(tool, rows):
    results = [r["results"][tool] for r in rows if tool in r["results"]]
    made = [r for r in results if "refused" not in r]
    cells = []
    for wrong in (lambda got: not got["ok"] and not spoilt(got), spoilt):
        for resolver in runtime.RESOLVERS:
            of = [r[resolver] for r in made if resolver in r]
            cells.append(f"{sum(map(wrong, of))} of {len(of)}")
    well = sum(bool(r) and all(got["ok"] and not spoilt(got) for got in r.values()) for r in made)
    return f"| {TOOLS[tool]} | {len(results)} | {len(results) - len(made)} | {' | '.join(cells)} | {well} |"
