#!/usr/bin/env python3
"""How long the kernels that read codes take, op by op, as a part of the time with float32 weights.

    speed.py [--runtime PATH] [--tfq-opt PATH] [--runs N] [--only TEXT] [MODEL ...]

Makes models of one op each in the forms that its kernels read, and runs them beside their float32 form, in turn in one process.
The `[[speed]]` rows of crates/tfq-target/data are from here. A MODEL is a float model of which all that can be is read so,
for ops that are tedious to make.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
KERNELS = ["xnnpack", "optimized", "reference"]
HYBRID = "quantize-weights{prefer=size exact-activations=off min-elements=1},insert-dequant,eliminate-dead-buffers"

CONV = "padding = SAME, stride_w = 1, stride_h = 1, dilation_w_factor = 1, dilation_h_factor = 1, fused_activation_function = "
OPS = {
    # name: (kind, shape of the data, of the weight, axis of its scales, number of biases, shape of the result, attributes, operands)
    "CONV_2D 3x3": ("CONV_2D", [1, 32, 32, 64], [64, 3, 3, 64], 0, 64, [1, 32, 32, 64], CONV + "NONE", "%x, %w, %b"),
    "CONV_2D 1x1": ("CONV_2D", [1, 32, 32, 64], [64, 1, 1, 64], 0, 64, [1, 32, 32, 64], CONV + "NONE", "%x, %w, %b"),
    "CONV_2D tanh": ("CONV_2D", [1, 32, 32, 64], [64, 3, 3, 64], 0, 64, [1, 32, 32, 64], CONV + "TANH", "%x, %w, %b"),
    "CONV_2D grouped": ("CONV_2D", [1, 32, 32, 64], [64, 3, 3, 16], 0, 64, [1, 32, 32, 64], CONV + "NONE", "%x, %w, %b"),
    "DEPTHWISE_CONV_2D 3x3": (
        "DEPTHWISE_CONV_2D", [1, 32, 32, 64], [1, 3, 3, 64], 3, 64, [1, 32, 32, 64], CONV + "NONE, depth_multiplier = 1", "%x, %w, %b",
    ),
    "DEPTHWISE_CONV_2D tanh": (
        "DEPTHWISE_CONV_2D", [1, 32, 32, 64], [1, 3, 3, 64], 3, 64, [1, 32, 32, 64], CONV + "TANH, depth_multiplier = 1", "%x, %w, %b",
    ),
    "FULLY_CONNECTED 1 row": ("FULLY_CONNECTED", [1, 512], [512, 512], 0, 512, [1, 512], "", "%x, %w, %b"),
    "FULLY_CONNECTED 64 rows": ("FULLY_CONNECTED", [64, 512], [512, 512], 0, 512, [64, 512], "", "%x, %w, %b"),
    "BATCH_MATMUL 16 rows": ("BATCH_MATMUL", [1, 16, 512], [1, 512, 512], 1, 0, [1, 16, 512], "adj_y = true", "%x, %w"),
    "TRANSPOSE_CONV": (
        "TRANSPOSE_CONV", [1, 16, 16, 32], [32, 3, 3, 32], 0, 0, [1, 32, 32, 32], "padding = SAME, stride_w = 2, stride_h = 2", "%s, %w, %x",
    ),
    "EMBEDDING_LOOKUP": ("EMBEDDING_LOOKUP", [64], [4096, 64], None, 0, [64, 64], "", "%x, %w"),
}
FORMS = {
    "int8 per channel": ("i8", 127, True),
    "int8 per tensor": ("i8", 127, False),
    "int4 per channel": ("i4", 7, True),
    "int4 per tensor": ("i4", 7, False),
    "int2 per channel": ("i2", 1, True),
    "int2 per tensor": ("i2", 1, False),
}


def dims(shape):
    return ",".join(map(str, shape))


def text(op, form):
    """The model as text; with float32 weights where there is no form."""
    kind, data, weight, axis, biases, result, attributes, operands = op
    if form is None:
        constant = f"f32[{dims(weight)}] fill gaussian(seed = 1, std = 0.05)"
    else:
        ty, most, per_channel = form
        scales = f"[{', '.join(['0.01'] * weight[axis])}], axis = {axis}" if per_channel else "0.01"
        constant = f"{ty}[{dims(weight)}] q({scales}) fill uniform(seed = 1, min = {-most}, max = {most + 1})"
    data_type = "i32" if kind == "EMBEDDING_LOOKUP" else "f32"
    lines = ["tfg 1 quant", "subgraph @main {", f"  %x = input : {data_type}[{dims(data)}]", f"  %w = const : {constant}"]
    if biases:
        lines.append(f"  %b = const : f32[{biases}] fill gaussian(seed = 2, std = 0.05)")
    if "%s" in operands:
        lines.append(f"  %s = const : i32[4] = [{dims(result)}]")
    lines += [f"  %y = {kind}({operands}) {{{attributes}}} : f32[{dims(result)}]", "  output %y", "}"]
    return "\n".join(lines)


def lower(options, source, target, passes=""):
    command = [options.tfq_opt, "-q", source, f"--passes={passes}", "-o", target]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True)


def measure(options, files, kernels):
    """Seconds of each model, or None where one does not run on these kernels."""
    command = [options.tfq_opt, "bench", *files, "--json", "--threads=1", f"--runs={options.runs}", f"--kernels={kernels}"]
    if options.runtime:
        command.append(f"--runtime={options.runtime}")
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if run.returncode:
        return None
    return [row["seconds"]["median"] for row in json.loads(run.stdout)["measured"]]


def show(options, name, forms, files):
    """A row for each form: its part of the float model's time on each set of kernels. Forms run each beside float alone: one
    that fails spoils no other."""
    for form, file in zip(forms, files[1:]):
        cells = []
        for kernels in KERNELS:
            times = measure(options, [files[0], file], kernels)
            cells.append(f"{times[1] / times[0]:.2f} of {1e6 * times[0]:.0f} us" if times else "-")
        print(f"| {name} | {form} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=pathlib.Path, metavar="MODEL")
    parser.add_argument("--tfq-opt", default=str(ROOT / "target/release/tfq-opt"))
    parser.add_argument("--runtime")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print("| op | form | " + " | ".join(KERNELS) + " |\n|---|---|" + "---:|" * len(KERNELS))
    with tempfile.TemporaryDirectory() as folder:
        for name, op in OPS.items():
            if options.only not in name:
                continue
            forms, files = [], []
            for form in [None, *FORMS]:
                if form and FORMS[form][2] and op[3] is None:
                    continue
                source = os.path.join(folder, "model.tfg")
                pathlib.Path(source).write_text(text(op, FORMS.get(form)))
                files.append(os.path.join(folder, f"{len(files)}.tflite"))
                run = lower(options, source, files[-1])
                if run.returncode:
                    if form is None:
                        raise SystemExit(run.stderr)
                    files.pop()
                elif form:
                    forms.append(form)
            show(options, name, forms, files)
        for model in options.models:
            read = os.path.join(folder, "read.tflite")
            if lower(options, model, read, HYBRID).returncode == 0:
                show(options, model.stem, ["int8, all that can be"], [str(model), read])


if __name__ == "__main__":
    main()
