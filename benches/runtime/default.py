#!/usr/bin/env python3
"""How quick and how large the default's results are beside the other forms, on a folder of float models.

    default.py MODELS_DIR [--runtime PATH] [--tfq-opt PATH] [--runs N] [--least BYTES] [--only TEXT]

Takes the models of 100 kB and more that the default makes smaller. All forms of one run in turn in one process (XNNPACK, one
thread). Prints a row for each model, the geometric mean of each form's part of the time of the model as it came, over those
that came as float and over all, which models miss the bounds, and by how much the default is larger than the smallest form.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMS = {
    "default": [],
    "size": ["--prefer=size"],
    "hybrid": ["--passes=quantize-weights{prefer=size exact-activations=off},insert-dequant,eliminate-dead-buffers"],
    "latency": ["--prefer=latency"],
    "weight-only": ["--weight-only"],
    "float16": ["--float16"],
}
# What the default must not miss: a part of the float model's time, unless that is too short to tell, and of the smallest
# form's bytes, or so many bytes.
SLOWEST, TOO_SHORT, LARGER, BYTES = 1.05, 10e-6, 1.015, 2048


def seconds(options, files):
    command = [options.tfq_opt, "bench", *files, "--json", "--threads=1", f"--runs={options.runs}"]
    if options.runtime:
        command.append(f"--runtime={options.runtime}")
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if run.returncode:
        return None
    by_model = {}
    for row in json.loads(run.stdout)["measured"]:
        by_model.setdefault(row["model"], []).append(row["seconds"]["median"])
    return [sum(by_model[str(file)]) for file in files] if len(by_model) == len(files) else None


def measure(options, model, folder):
    files, sizes = [str(model)], []
    for name, flags in FORMS.items():
        files.append(os.path.join(folder, f"{name}.tflite"))
        run = subprocess.run([options.tfq_opt, "-q", model, *flags, "-o", files[-1]], stderr=subprocess.DEVNULL)
        if run.returncode:
            return None
        sizes.append(os.path.getsize(files[-1]))
    if sizes[0] >= os.path.getsize(model):
        return None
    times = seconds(options, files)
    return times and (times, sizes)


def is_float(options, model):
    """Whether the model holds no quantised numbers: others are not as slow as float to begin with."""
    run = subprocess.run([options.tfq_opt, "inspect", "--json", model], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return run.returncode == 0 and json.loads(run.stdout)["quantization"]["scheme"] == "float"


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--tfq-opt", default=str(ROOT / "target/release/tfq-opt"))
    parser.add_argument("--runtime")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--least", type=int, default=100_000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    ratios = {name: [] for name in FORMS}
    floats = []
    slow, large = [], []
    print("| model | as it came, µs | " + " | ".join(FORMS) + " | bytes | over the smallest |")
    print("|---|---:|" + "---:|" * (len(FORMS) + 2))
    for model in sorted(options.models.rglob("*.tflite")):
        if model.stat().st_size < options.least or options.only not in str(model):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = measure(options, model, folder)
        if not found:
            continue
        (of_float, *times), sizes = found
        parts = dict(zip(FORMS, (time / of_float for time in times)))
        for name, part in parts.items():
            ratios[name].append(part)
        floats.append(is_float(options, model))
        least = min(sizes)
        name = model.relative_to(options.models)
        if parts["default"] > SLOWEST and of_float > TOO_SHORT:
            slow.append(f"{name}: {parts['default']:.2f}")
        if sizes[0] > max(LARGER * least, least + BYTES):
            large.append(f"{name}: {sizes[0]} of {least} bytes")
        cells = " | ".join(f"{part:.2f}" for part in parts.values())
        print(f"| {name} | {1e6 * of_float:.0f} | {cells} | {sizes[0]} | {sizes[0] - least} |", flush=True)
    of_floats = {name: [part for part, is_float in zip(of, floats) if is_float] for name, of in ratios.items()}
    print()
    for which, of in ("models that came as float", of_floats), ("models", ratios):
        print(f"{len(of['default'])} {which}; geometric means: " + ", ".join(f"{name} {mean(parts):.3f}" for name, parts in of.items()))
    print("slower than", SLOWEST, "of the model as it came:", "; ".join(slow) or "none")
    print("larger than the smallest form by more than 1.5 % and 2 kB:", "; ".join(large) or "none")


if __name__ == "__main__":
    main()
