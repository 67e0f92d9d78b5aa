#!/usr/bin/env python3
"""How many digits the models of tests/models/digits still read, in every form that tfq-opt gives weights.

    accuracy.py [--corpus DIR] [--tfq-opt PATH] [--table FILE]     (packages: ai-edge-litert==2.3.0)

The classifiers are those of tests/models/train_digits.py, the 360 images the ones it kept from training. With --corpus,
also how near outputs stay to those of the model before, on random inputs of several seeds, for the models of a folder.
Prints Markdown tables, and puts them between the marks of FILE.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import page
from ai_edge_litert.interpreter import Interpreter, OpResolverType

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIGITS = ROOT / "tests/models/digits"
TAIL = "insert-dequant,eliminate-dead-buffers"
FORMS = {
    "float": None,
    "int8 (default)": "default",
    "int8, all sizes": f"quantize-weights{{min-elements=1}},{TAIL}",
    "int8, all sizes, per tensor": f"quantize-weights{{min-elements=1 granularity=tensor}},{TAIL}",
    "int8 + Dequantize, all sizes": f"quantize-weights{{min-elements=1 hybrid=off}},{TAIL}",
    "float16, all sizes": f"quantize-weights{{min-elements=1 type=float16}},{TAIL}",
}
SEEDS = range(5)
LEAST_BYTES = 50_000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tfq-opt", default=str(ROOT / "target/release/tfq-opt"))
    parser.add_argument("--corpus", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path)
    return parser.parse_args()


def test_set():
    labels = np.frombuffer((DIGITS / "digits_test_labels.u8").read_bytes(), np.uint8)
    images = np.frombuffer((DIGITS / "digits_test_images.u8").read_bytes(), np.uint8)
    return images.reshape(len(labels), 8, 8).astype(np.float32) / 16.0, labels


def scores(path, images):
    """The outputs for each image, on the default runtime."""
    interpreter = Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=OpResolverType.AUTO)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    sink = interpreter.get_output_details()[0]["index"]
    found = []
    for image in images:
        interpreter.reset_all_variables()  # an LSTM would start from the state the last image left
        interpreter.set_tensor(source, image[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(sink)[0])
    return np.array(found)


def made(tool, model, passes, folder):
    if passes is None:
        return model
    out = pathlib.Path(folder) / "out.tflite"
    subprocess.run([tool, model, "-q", f"--passes={passes}", "-o", out], check=True)
    return out


def digits(options):
    images, labels = test_set()
    models = sorted(DIGITS.glob("*.tflite"))
    lines = ["| weights | " + " | ".join(model.stem for model in models) + " |", "|---|" + "---:|" * len(models)]
    float_answers = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, passes in FORMS.items():
            cells = []
            for model in models:
                path = made(options.tfq_opt, model, passes, folder)
                answers = scores(path, images).argmax(axis=1)
                first = float_answers.setdefault(model, answers)
                right, changed = int((answers == labels).sum()), int((answers != first).sum())
                text = f"{right / len(labels):.1%}, {path.stat().st_size / 1000:.1f} kB"
                cells.append(text + (f", {changed} changed" if changed else ""))
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return lines


def snr(tool, model, other, seed):
    """The worst output's signal-to-noise ratio on XNNPACK; None where the model does not run or has no float output."""
    command = [tool, "compare", model, other, "--json", "--kernels=xnnpack", "--samples=1", f"--seed={seed}"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        cases = json.loads(ran.stdout)["cases"]
    except ValueError:
        return None
    outputs = [output for case in cases for output in case.get("outputs", []) if output.get("float", True)]
    if ran.returncode != 0 or not outputs or any("mismatch" in output for output in outputs):
        return None
    return min(math.inf if output["differing"] == 0 else output["snr_db"] or -math.inf for output in outputs)


def agreement(options):
    forms = ["int8 (default)", "float16, all sizes"]
    lines = ["| model | kB | " + " | ".join(f"{name}, dB" for name in forms) + " |", "|---|---:|" + "---:|" * len(forms)]
    medians = {name: [] for name in forms}
    for model in sorted(options.corpus.rglob("*.tflite")):
        size = model.stat().st_size
        # Of the smaller ones, most are single ops. A few read memory that nobody wrote, and differ from themselves.
        if size < LEAST_BYTES or snr(options.tfq_opt, model, model, 0) != math.inf:
            continue
        cells = []
        with tempfile.TemporaryDirectory() as folder:
            for name in forms:
                try:
                    other = made(options.tfq_opt, model, FORMS[name], folder)
                except subprocess.CalledProcessError:
                    break
                found = [snr(options.tfq_opt, model, other, seed) for seed in SEEDS]
                found = [value for value in found if value is not None]
                if not found or min(found) == math.inf:
                    break
                cells.append((name, statistics.median(found), min(found)))
        if len(cells) == len(forms):
            for name, middle, _ in cells:
                medians[name].append(middle)
            shown = " | ".join(f"{middle:.1f} ({worst:.1f})" for _, middle, worst in cells)
            lines.append(f"| {model.relative_to(options.corpus)} | {size / 1000:.0f} | {shown} |")
            print(lines[-1], flush=True)
    for name, found in medians.items():
        found.sort()
        middle, quarter = statistics.median(found), found[len(found) // 4]
        lines += ["", f"{name}: median {middle:.1f} dB, three quarters above {quarter:.1f} dB, of {len(found)} models."]
    return lines


def main():
    options = arguments()
    text = "\n".join(digits(options))
    if options.corpus:
        intro = "## Agreement on other models\n\nMedian over five seeds, and the worst of them in parentheses; the models of 50 kB and more whose outputs change."
        text += f"\n\n{intro}\n\n" + "\n".join(agreement(options))
    if options.table:
        page.put_measured(options.table, text)
    else:
        print(f"\n{text}")


if __name__ == "__main__":
    sys.exit(main())
