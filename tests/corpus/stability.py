"""Whether a model gives the same outputs twice at all: some read memory that nobody wrote.

Repeats in one process, or in children of one process, see the same heap and so agree by accident. Here each run is a
fresh process whose heap is filled with another pattern (glibc's MALLOC_PERTURB_).

    stability.py SHARED MODEL RESOLVER    writes the pickled result to standard output
"""

import os
import pickle
import subprocess
import sys

from common import Config, shared_tool

PATTERNS = ("0", "1", "85", "170", "255")


def reproducible(config, model, resolver):
    results = []
    for pattern in PATTERNS:
        command = [sys.executable, __file__, config.shared, model, resolver]
        ran = subprocess.run(command, env={**os.environ, "MALLOC_PERTURB_": pattern}, capture_output=True, check=True)
        results.append(pickle.loads(ran.stdout))
    first, *others = results
    if not all(r["ok"] == first["ok"] for r in others):
        return False
    compare = shared_tool(config, "runtime_check").compare
    return not first["ok"] or all(same(compare(first["outputs"], r["outputs"])) for r in others)


def same(compared):
    return compared["ok"] and compared["snr_db"] is None and not compared["mismatch"]


if __name__ == "__main__":
    shared, model, resolver = sys.argv[1:]
    result = shared_tool(Config("", shared), "runtime_check").run_in_child(model, resolver)
    sys.stdout.buffer.write(pickle.dumps(result))
