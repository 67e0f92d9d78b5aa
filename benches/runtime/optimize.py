#!/usr/bin/env python3
"""What -O gains on a folder of models: ops, bytes, sections that XNNPACK takes, and time on two kernel sets.

    optimize.py MODELS_DIR [--runtime PATH] [--tfq-opt PATH] [--allow WHAT] [--default] [--runs N] [--only TEXT] [--table FILE]

Models are .tflite files, or texts (.tfg), of which .tflite files are made first. The model and the result run in turn in one
process, on one thread, three times, and the median counts. Prints a row for each model that -O changes, the geometric means of the time after by the time
before, and which models take longer than they may; exit status 1 where one does. With --table, puts all of it between the marks
`optimize` of FILE, with --allow between those of `optimize-allow`.

With --default, the time before is what the default pipeline's result takes, and the time after what that of -O and the default
takes, of models that come as float; also how much signal-to-noise ratio -O costs at the worst output, on XNNPACK, counted up
to 60 dB. Marks: `optimize-default`.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import page
from default import is_float, mean

ROOT = pathlib.Path(__file__).resolve().parents[2]
KERNELS = ("xnnpack", "optimized")
# More than a part of the time before is a loss, and less is noise.
SLOWEST = 1.03
ROUNDS = 3
# So many decibels of noise say nothing, and so many less is a loss.
CEILING, LESS = 60.0, 0.5


def run(*command):
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def seconds(options, files, kernels):
    flags = ["--json", "--threads=1", f"--runs={options.runs}", f"--kernels={kernels}"]
    flags += [f"--runtime={options.runtime}"] if options.runtime else []
    ran = run(options.tfq_opt, "bench", *files, *flags)
    by_model = {}
    for row in json.loads(ran.stdout)["measured"] if ran.returncode == 0 else []:
        by_model.setdefault(row["model"], []).append(row["seconds"]["median"])
    return [sum(by_model[str(file)]) for file in files] if len(by_model) == 2 else None


def shape(options, file):
    """Ops, and how many sections XNNPACK takes."""
    graphs = json.loads(run(options.tfq_opt, "inspect", file, "--partitions", "--json").stdout)["subgraphs"]
    return sum(graph["ops"] for graph in graphs), sum(graph["partitions"] for graph in graphs)


def decibels(options, model, result):
    """The worst output's signal-to-noise ratio, or None where it cannot be told."""
    flags = [f"--runtime={options.runtime}"] if options.runtime else []
    ran = run(options.tfq_opt, "compare", model, result, "--json", *flags)
    cases = json.loads(ran.stdout)["cases"] if ran.stdout else []
    outputs = [output for case in cases if case["kernels"] == "xnnpack" for output in case["outputs"]]
    found = [CEILING if output["snr_db"] is None else min(output["snr_db"], CEILING) for output in outputs if output["float"]]
    return min(found, default=None)


def measure(options, source, folder):
    model, quick = source, folder / "quick.tflite"
    if source.suffix == ".tfg":
        model = folder / "model.tflite"
        run(options.tfq_opt, source, "--passes=", "-q", "-o", model)
    flags = [f"--allow={options.allow}"] if options.allow else []
    noise = None
    if options.default:
        if not is_float(options, model):
            return {}
        came, model = model, folder / "default.tflite"
        done = [run(options.tfq_opt, came, "-q", "-o", model), run(options.tfq_opt, came, "--passes=optimize,default", *flags, "-q", "-o", quick)]
        if any(one.returncode for one in done):
            return None
        noise = [decibels(options, came, result) for result in (model, quick)]
    elif run(options.tfq_opt, model, "-O", *flags, "-q", "-o", quick).returncode:
        return None
    if model.read_bytes() == quick.read_bytes():
        return {}
    ratios = {}
    for kernels in KERNELS:
        rounds = [seconds(options, (model, quick), kernels) for _ in range(ROUNDS)]
        if all(rounds):
            ratios[kernels] = statistics.median(after / before for before, after in rounds)
    before, after = shape(options, model), shape(options, quick)
    return {"shape": (before, after), "bytes": (os.path.getsize(model), os.path.getsize(quick)), "ratios": ratios, "noise": noise}


def row(name, found):
    (ops, sections), (ops_after, sections_after) = found["shape"]
    before, after = found["bytes"]
    times = " | ".join(f"{found['ratios'][k]:.2f}" if k in found["ratios"] else "-" for k in KERNELS)
    noise = ""
    if found["noise"]:
        noise = " | " + (" to ".join(f"{one:.1f}" for one in found["noise"]) if None not in found["noise"] else "-")
    return f"| {name} | {ops} to {ops_after} | {sections} to {sections_after} | {100 * (after / before - 1):+.1f} % | {times}{noise} |"


def mark(options):
    return "optimize-default" if options.default else "optimize-allow" if options.allow else "optimize"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--tfq-opt", default=ROOT / "target/release/tfq-opt")
    parser.add_argument("--runtime")
    parser.add_argument("--allow", default="")
    parser.add_argument("--default", action="store_true")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", type=pathlib.Path)
    options = parser.parse_args()
    files = sorted(f for f in options.models.rglob("*") if f.suffix in (".tfg", ".tflite") and options.only in f.name)
    found, same, refused = {}, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            got = measure(options, file, pathlib.Path(folder))
            same, refused = same + (got == {}), refused + (got is None)
            if got:
                found[file.stem] = got
    by_time = sorted(found, key=lambda name: found[name]["ratios"].get("xnnpack", 1))
    head, rule = "| model | ops | XNNPACK sections | bytes | time, XNNPACK | time, optimised |", "|---|---:|---:|---:|---:|---:|"
    lines = [head + " dB |", rule + "---:|"] if options.default else [head, rule]
    lines += [row(name, found[name]) for name in by_time]
    means, slow = [], []
    for kernels in KERNELS:
        ratios = {name: one["ratios"][kernels] for name, one in found.items() if kernels in one["ratios"]}
        means.append(f"{mean(list(ratios.values())):.3f} on {kernels}")
        slow += [f"{name} {ratio:.2f} on {kernels}" for name, ratio in ratios.items() if ratio > SLOWEST]
    text = f"{len(found)} of {len(files)} models change, {same} do not, {refused} are refused. Geometric means of those that change: {', '.join(means)}."
    lines += ["", f"{text} Over {SLOWEST}: {', '.join(slow) or 'none'}."]
    noisy = [name for name, one in found.items() if one["noise"] and None not in one["noise"] and one["noise"][0] - one["noise"][1] > LESS]
    if options.default:
        lines[-1] += f" Over {LESS} dB less: {', '.join(noisy) or 'none'}."
    print("\n".join(lines))
    if options.table:
        page.put_measured(options.table, "\n".join(lines), mark(options))
    sys.exit(bool(slow or noisy))


if __name__ == "__main__":
    main()
