"""`skeletons`: the skeleton of a model that the runtime runs is a model that it runs."""

import os
from pathlib import Path

import runtime
from common import Report, refusal, run_tool, scratch

# The runtime's own kernels: delegates take fewer forms, and fall back on these.
RESOLVER = "opt"
SECONDS = 60


def zoo(config):
    """Texts and models that the shared folder has besides the corpus."""
    folder = Path(config.shared) / "zoo"
    files = sorted(f for f in folder.glob("*") if f.suffix in (".tfg", ".tflite")) if folder.is_dir() else []
    return [{"path": f"zoo/{f.name}", "file": str(f)} for f in files if config.only in f"zoo/{f.name}"]


def stages(config, source, folder):
    """The model and its skeleton as files for the runtime."""
    model, text, skeleton = source, str(folder / "skeleton.tfg"), str(folder / "skeleton.tflite")
    steps = [("skeleton", source, "-o", text), (text, "--passes=", "--allow-unloadable", "-q", "-o", skeleton)]
    if source.endswith(".tfg"):
        model = str(folder / "model.tflite")
        steps.insert(0, (source, "--passes=", "--allow-unloadable", "-q", "-o", model))
    for step in steps:
        ran = run_tool(config, *step)
        if ran.code != 0:
            return ran, model, skeleton, text
    return ran, model, skeleton, text


def skeleton_one(config, row):
    found = {"path": row["path"], "faults": []}
    source = row.get("file") or config.corpus(row["path"])
    with scratch() as folder:
        ran, model, skeleton, text = stages(config, source, folder)
        if refusal(row["path"], ran):
            return found | {"refused": refusal(row["path"], ran)}
        if ran.code != 0:
            found["faults"].append(f"exit {ran.code}: {ran.error_line}")
            return found
        found["bytes"] = os.path.getsize(text)
        [before] = runtime.isolated(model, RESOLVER, seconds=SECONDS)
        if not before["ok"]:
            return found | {"skipped": f"{before['stage']}: {before['error']}"}
        [after] = runtime.isolated(skeleton, RESOLVER, seconds=SECONDS)
        if not after["ok"]:
            found["faults"].append(f"{after['stage']}: {after['error']}")
    return found


def skeletons(config):
    report = Report("skeletons")
    rows = zoo(config) + sorted(config.readable(), key=lambda r: -r["bytes"])
    report.collect(config, skeleton_one, rows)
    skipped = sum("skipped" in r or "refused" in r for r in report.rows)
    ran = len(rows) - skipped - len(report.bad)
    largest = max((r["bytes"], r["path"]) for r in report.rows if "bytes" in r)
    return report.finish(
        f"{len(rows) - skipped} models run and {ran} of their skeletons do, {skipped} models do not; the largest skeleton "
        f"has {largest[0]} bytes ({largest[1]})"
    )
