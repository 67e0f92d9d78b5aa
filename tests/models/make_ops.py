"""Writes the hand-made models, tests that the runtime takes them, and lists them in README.md.

    python make_ops.py                 write ops/*.tflite, odd/*.tflite and the table in README.md
    python make_ops.py --check         load, allocate and invoke each as well, with and without XNNPACK
    python make_ops.py --only NAME     just this model (any number of times)
"""

import argparse
import pathlib
import subprocess
import sys

import numpy as np

import odd_models  # noqa: F401  registers its models
import op_models  # noqa: F401
from catalogue import ENTRIES

HERE = pathlib.Path(__file__).parent
BEGIN, END = "<!-- made by make_ops.py: begin -->", "<!-- made by make_ops.py: end -->"


def sample(detail, rng):
    """A plausible input: numbers for layers, small indices for tables, true for conditions."""
    shape, kind = detail["shape"], detail["dtype"]
    if kind == np.bool_:
        return np.ones(shape, kind)
    if kind == np.int32:
        return rng.integers(0, 10, shape).astype(kind)
    return rng.uniform(-1, 1, shape).astype(kind)


def feedable(interpreter):
    """Graph inputs that hold no constant; one that does keeps its data."""
    for detail in interpreter.get_input_details():
        if detail["name"] != "weights":
            yield detail


def run(path, resolver):
    """All outputs, of the main graph and of each signature."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(1)
    for detail in feedable(interpreter):
        interpreter.set_tensor(detail["index"], sample(detail, rng))
    interpreter.invoke()
    outputs = [interpreter.get_tensor(detail["index"]).copy() for detail in interpreter.get_output_details()]
    for key in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(key)
        answer = runner(**{name: sample(detail, rng) for name, detail in runner.get_input_details().items()})
        outputs += [answer[name] for name in sorted(answer)]
    return outputs


def within_floats(array):
    """As float64, without infinities: the plain kernels clamp to the greatest float where XNNPACK does not."""
    greatest = np.finfo(np.float32).max
    return np.clip(array.astype(np.float64), -greatest, greatest)


def run_both(path):
    """Run in a process of its own, since a bad model may end it. Prints the outputs' greatest difference."""
    from ai_edge_litert.interpreter import OpResolverType

    plain = run(path, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    delegated = run(path, OpResolverType.AUTO)
    worst = 0.0
    for a, b in zip(plain, delegated, strict=True):
        a, b = within_floats(a), within_floats(b)
        assert np.array_equal(np.isnan(a), np.isnan(b)), "the resolvers disagree on what is NaN"
        worst = max(worst, float(np.nan_to_num(np.abs(a - b)).max(initial=0)))
    spread = max(float(np.nan_to_num(within_floats(a)).std()) for a in plain if a.size)
    print(f"max difference {worst:.1e}, spread {spread:.1e}")


def check(entry, path):
    """Complains unless the model runs exactly if it is meant to."""
    done = subprocess.run([sys.executable, __file__, "--run-both", path], capture_output=True, text=True)
    ran = done.returncode == 0
    message = done.stdout.strip() if ran else (done.stderr.strip().splitlines() or ["?"])[-1]
    right = ran == (not entry.refused)
    print(f"{'ok  ' if right else 'BAD '} {entry.folder}/{entry.name}: {'runs' if ran else 'refused'}: {message}")
    return right


def table(folder):
    lines = ["| file | bytes | shows | runs |", "| --- | ---: | --- | --- |"]
    for entry in ENTRIES:
        if entry.folder == folder:
            size = (HERE / folder / f"{entry.name}.tflite").stat().st_size
            runs = f"no: {entry.refused}" if entry.refused else "yes"
            lines.append(f"| `{folder}/{entry.name}.tflite` | {size} | {entry.shows} | {runs} |")
    return "\n".join(lines)


def write_readme():
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n\n{table('ops')}\n\n{table('odd')}\n\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--run-both", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run_both:
        return run_both(arguments.run_both)

    right = True
    for entry in ENTRIES:
        if arguments.only and entry.name not in arguments.only:
            continue
        path = HERE / entry.folder / f"{entry.name}.tflite"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(entry.content())
        right &= not arguments.check or check(entry, path)
    if not arguments.only:
        write_readme()
    sys.exit(not right)


if __name__ == "__main__":
    main()
