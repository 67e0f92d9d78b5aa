#!/usr/bin/env python3
"""Times models in every form that tfq-opt gives weights, with `tfq-opt bench`.

    latency.py MODELS_DIR [--runtime PATH] [--tfq-opt PATH] [--runs N] [--only TEXT] [--table FILE]

All forms of a model run in turn in one process, so what else the machine does falls on all alike. Prints a Markdown
table, and puts it between the marks of FILE.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import tempfile

import page

ROOT = pathlib.Path(__file__).resolve().parents[2]
TAIL = "insert-dequant,eliminate-dead-buffers"
# As they stand in the table: what is done to the float model.
FORMS = {
    "float": None,
    "hybrid int8": f"quantize-weights{{prefer=size exact-activations=off}},{TAIL}",
    "int8 + Dequantize": f"quantize-weights{{hybrid=off}},{TAIL}",
    "float16 + Dequantize": f"quantize-weights{{type=float16}},{TAIL}",
}
KERNELS = ["xnnpack", "optimized"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--tfq-opt", default=str(ROOT / "target/release/tfq-opt"))
    parser.add_argument("--runtime")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", type=pathlib.Path)
    return parser.parse_args()


def forms_of(tool, model, folder):
    files = [str(model)]
    for number, passes in enumerate(list(FORMS.values())[1:]):
        files.append(os.path.join(folder, f"{number}.tflite"))
        subprocess.run([tool, model, "-q", f"--passes={passes}", "-o", files[-1]], check=True)
    return files


def bench(options, files):
    command = [options.tfq_opt, "bench", *files, "--json", "--threads=1", f"--runs={options.runs}"]
    command.append(f"--kernels={','.join(KERNELS)}")
    if options.runtime:
        command.append(f"--runtime={options.runtime}")
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def cell(row, float_row):
    seconds, ratio = row["seconds"], row["seconds"]["median"] / float_row["seconds"]["median"]
    median, spread = 1e3 * seconds["median"], 1e3 * (seconds["upper"] - seconds["lower"]) / 2
    digits = max(0, 2 - math.floor(math.log10(median)))
    return f"{median:.{digits}f} ± {spread:.{digits}f} ({ratio:.2f})"


def main():
    options = arguments()
    lines = ["| model | kernels | " + " | ".join(FORMS) + " |", "|---|---|" + "---:|" * len(FORMS)]
    memory = ["| model | kernels | " + " | ".join(FORMS) + " |", "|---|---|" + "---:|" * len(FORMS)]
    for model in sorted(options.models.glob("*.tflite")):
        if options.only not in model.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            measured = bench(options, forms_of(options.tfq_opt, model, folder))["measured"]
        for kernels in KERNELS:
            rows = [row for row in measured if row["kernels"] == kernels]
            name = f"| {model.stem.replace('_b', ', batch ')} | {kernels} | "
            lines.append(name + " | ".join(cell(row, rows[0]) for row in rows) + " |")
            megabytes = [f"{row['peak_bytes'] / 1e6:.0f} ({row['anonymous_bytes'] / 1e6:.0f})" for row in rows]
            memory.append(name + " | ".join(megabytes) + " |")
            print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n\n## Memory\n\n" + "\n".join(memory)
    if options.table:
        page.put_measured(options.table, text)
    else:
        print(f"\n{text}")


if __name__ == "__main__":
    main()
