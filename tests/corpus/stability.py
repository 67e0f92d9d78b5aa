"""Whether a model gives the same outputs twice at all: some read memory that nobody wrote.

Repeats in one process, or in children of one process, see the same heap and so agree by accident. Here each run is a
fresh process whose heap is filled with another pattern (glibc's MALLOC_PERTURB_).

    stability.py MODEL RESOLVER    writes the pickled result to standard output
"""

import functools
import os
import pickle
import subprocess
import sys

import runtime

PATTERNS = ("0", "1", "85", "170", "255")


@functools.lru_cache(maxsize=None)
def reproducible(model, resolver):
    results = []
    for pattern in PATTERNS:
        command = [sys.executable, __file__, model, resolver]
        ran = subprocess.run(command, env={**os.environ, "MALLOC_PERTURB_": pattern}, capture_output=True, check=True)
        results.append(pickle.loads(ran.stdout))
    first, *others = results
    if not all(r["ok"] == first["ok"] for r in others):
        return False
    return not first["ok"] or all(same(runtime.compare(first["outputs"], r["outputs"])) for r in others)


def same(compared):
    return compared["ok"] and compared["snr_db"] is None and not compared["mismatch"]


if __name__ == "__main__":
    model, resolver = sys.argv[1:]
    sys.stdout.buffer.write(pickle.dumps(runtime.isolated(model, resolver)[0]))
