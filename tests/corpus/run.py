#!/usr/bin/env python3
"""Checks the tool against the corpus: see README.md beside this file.

    run.py lossless | larger | text | skeletons | determinism | malformed | fuzz | parity | run | outputs | optimize | pipelines | contradictions | partitions | shipped | counts | seeds | all [options]
"""

import argparse
import importlib
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

from common import OUT, ROOT, Config

PACKAGES = {"ai_edge_litert": "ai-edge-litert==2.3.0", "numpy": "numpy"}
PEER = {"ai_edge_quantizer": "ai-edge-quantizer==0.10.0"}
CHECKS = {
    "lossless": "check_roundtrip",
    "larger": "check_larger",
    "text": "check_roundtrip",
    "skeletons": "check_skeletons",
    "determinism": "check_roundtrip",
    "malformed": "check_hostile",
    "fuzz": "check_hostile",
    "parity": "check_parity",
    "run": "check_run",
    "outputs": "check_outputs",
    "optimize": "check_optimize",
    "pipelines": "check_pipelines",
    "contradictions": "check_contradictions",
    "partitions": "check_partitions",
    "shipped": "check_pipelines",
    "counts": "check_counts",
    "seeds": "check_seeds",
}
# What makes ai-edge-quantizer's results.
NEED_PEER = {"counts", "run", "all"}
# What `all` leaves out, and into which files of a folder it writes its tables.
APART = {"counts", "seeds"}
TABLES = {"parity": "parity.md", "run": "corpus-results.md", "pipelines": "corpus-results.md", "shipped": "corpus-results.md"}


def enter_environment(packages):
    """Runs this script again in a virtual environment that has the packages, made where there is none."""
    if all(importlib.util.find_spec(name) for name in packages):
        return
    venv = OUT / "venv"
    python = venv / "bin" / "python"
    if not (venv / "ready").exists():
        OUT.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
    elif Path(sys.prefix) != venv:
        os.execv(python, [str(python), *sys.argv])
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *packages.values()], check=True)
    (venv / "ready").touch()
    os.execv(python, [str(python), *sys.argv])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", choices=[*CHECKS, "all"])
    parser.add_argument("--shared", default=str(ROOT.parent / "shared"), help="folder with corpus, oracle and tools")
    parser.add_argument("--tfq-opt", default=str(ROOT / "target/release/tfq-opt"), help="the binary to check")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", metavar="TEXT", help="only models whose path contains this")
    parser.add_argument("--table", metavar="PATH", help="write the tables into their sections of this file; all: of files in this folder")
    parser.add_argument("--passes", metavar="PIPELINE", help="run: another pipeline than the default, peers not compared")
    parser.add_argument("--all", dest="every", action="store_true", help="run: also models that are not float")
    parser.add_argument("--reference", action="store_true", help="parity: the reference in numpy in place of the binary")
    return parser.parse_args()


def check(name, config):
    start = time.monotonic()
    ok = getattr(importlib.import_module(CHECKS[name]), name)(config)
    return ok, time.monotonic() - start


def main():
    options = arguments()
    shared = os.path.abspath(options.shared)
    if options.check != "shipped" and not os.path.exists(os.path.join(shared, "corpus", "index.jsonl")):
        sys.exit(f"no corpus in {shared}: name the folder with --shared")
    tool = "reference" if options.reference else os.path.abspath(options.tfq_opt)
    if not options.reference and not os.access(tool, os.X_OK):
        sys.exit(f"no binary {tool}: build it, or name it with --tfq-opt")
    if options.reference and options.check != "parity":
        sys.exit("--reference is for parity")
    enter_environment(PACKAGES | PEER if options.check in NEED_PEER else PACKAGES)
    sys.stdout.reconfigure(line_buffering=True)
    results = {}
    for name in [n for n in CHECKS if n not in APART] if options.check == "all" else [options.check]:
        table = options.table
        if options.check == "all":
            table = os.path.join(options.table or OUT, TABLES[name]) if name in TABLES else None
        config = Config(tool, shared, options.jobs, table, options.passes, options.every, options.only)
        results[name] = check(name, config)
    if options.check == "all":
        print()
        for name, (ok, seconds) in results.items():
            print(f"{name:12} {'ok' if ok else 'FAILED':8} {seconds:6.1f} s")
    sys.exit(not all(ok for ok, _ in results.values()))


if __name__ == "__main__":
    main()
