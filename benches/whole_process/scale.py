"""What the default pipeline takes on models of many ops, whole process, beside `cp` of the same file and reading and writing alone.

    python3 benches/whole_process/scale.py [--runs 3] [--ops 1000 10000 100000] [--size 32] [MODEL ...]

Makes chains of FULLY_CONNECTED layers, each with SIZExSIZE weights of its own, unless models are named. Needs flatbuffers,
numpy and ai-edge-litert for those. Run it on a quiet machine; build with `cargo build --release`.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from compare import OUT, ROOT, measure_in_turn, show

TOOL = ROOT / "target" / "release" / "tfq-opt"


def chain(layers, size):
    made = OUT / f"fc_{layers}x{size}.tflite"
    if not made.exists():
        raw = OUT / "raw.tflite"
        script = Path(__file__).with_name("make_model.py")
        subprocess.run([sys.executable, script, str(layers), raw, str(size)], check=True)
        # Constants are inline where they fit, as converters write them.
        subprocess.run([TOOL, "-q", raw, "--passes=", "--constants=auto", "-o", made], check=True)
        raw.unlink()
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ops", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL")
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    models = [(path, None) for path in args.models] or [(chain(ops, args.size), ops) for ops in args.ops]
    # Each has a file of its own: what is written over takes time too.
    copied, written, out = (OUT / f"{name}.tflite" for name in ("copied", "written", "out"))
    for model, ops in models:
        commands = {
            "cp": ["cp", model, copied],
            "read and write": [TOOL, "-q", model, "--passes=", "-o", written],
            "default": [TOOL, "-q", model, "-o", out],
        }
        medians = measure_in_turn(commands, args.runs)
        print(f"{model.name}: {os.path.getsize(model)} bytes, {args.runs} runs each in turn, medians")
        for name, row in medians.items():
            show(name, *row)
        (cp, *_), (read_and_write, *_), (default, _, peak) = medians.values()
        beyond = default - read_and_write
        print(f"  default: {default / cp:.2f} times cp, {beyond:.3f} CPU-s beyond reading and writing")
        if ops:
            held = (peak - os.path.getsize(out)) / ops
            print(f"  {1e6 * beyond / ops:.1f} us and {held:.0f} private bytes an op beyond the result")


if __name__ == "__main__":
    main()
