"""Whether another quantiser's result surpasses ours: no larger, and better by half a decibel, with XNNPACK.

ai-edge-quantizer's results are made here, and TensorFlow's legacy ones by `compat=toco`, which `parity` holds to be the
same. One input says little: what looks better on a few is measured on many.
"""

import importlib
import os
import signal
import threading
import traceback

import explained
import runtime
import tqdm
from check_seeds import CEILING, rows_of_tables
from common import passes_of, run_tool
from stability import reproducible

SECONDS = 300
FEW, MANY = range(7, 10), range(7, 39)
BETTER = 0.5
RESOLVER = "xnn"
# How ours is asked for, and by what each peer is to be compared with it.
WAYS = {
    "default": ([], {"aeq": "dynamic_wi8_afp32", "legacy_int8": None}),
    "weight-only": (["--weight-only"], {"aeq": "weight_only_wi8_afp32"}),
}


def is_no_larger(peer, ours):
    """Whether the peer's file is no larger than ours, in bytes, but for a trifle."""
    return peer <= 1.005 * ours + 512


def aeq(source, output, recipe_name="dynamic_wi8_afp32"):
    """Writes ai-edge-quantizer's result, in a child: it may crash or never end. Returns what went wrong."""
    importlib.import_module("ai_edge_quantizer.quantizer")  # once, for all children
    tqdm.tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which each child would leave behind
    said = output + ".said"
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(silence, stream)
        signal.alarm(SECONDS)
        try:
            from ai_edge_quantizer import quantizer, recipe

            tool = quantizer.Quantizer(source)
            tool.load_quantization_recipe(getattr(recipe, recipe_name)())
            tool.quantize().export_model(output)
            os._exit(0)
        except BaseException as error:  # whatever it is, this child must not return
            with open(said, "w", encoding="utf-8") as file:
                file.write("".join(traceback.format_exception_only(error)).strip()[:240])
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"refused": f"signal {os.WTERMSIG(status)}"}
    if os.path.exists(said):
        with open(said, encoding="utf-8") as file:
            return {"refused": file.read().replace("\n", " ")}
    return None if os.path.exists(output) else {"refused": "no result"}


def surpassed(config, row, folder):
    """(faults, notes, what was compared, by way and peer) for one model."""
    source, faults, notes, compared = config.corpus(row["path"]), [], [], {}
    inputs = Inputs(source)
    for way, (flags, peers) in WAYS.items():
        ours = str(folder / "ours.tflite")
        if run_tool(config, source, *flags, "-o", ours, "-q").code != 0:
            continue  # of what is refused the caller tells
        for peer, recipe in peers.items():
            theirs = str(folder / f"{peer}.tflite")
            if aeq(source, theirs, recipe) if recipe else legacy(config, source, theirs):
                continue
            found = compared[f"{way}/{peer}"] = compare(inputs, ours, theirs)
            os.remove(theirs)
            if not found["better"]:
                continue
            if not reproducible(source, RESOLVER):
                notes.append(f"{way}: not comparable with {peer}, the input itself gives other outputs each time")
                found["better"] = False
                continue
            found["reason"], wrong = explained.surpassed(row["path"], f"{way}/{peer}", found["gain"])
            if wrong:
                sizes = "{} bytes, ours has {}".format(*reversed(found["bytes"]))
                faults.append(f"{way}: {peer} is {found['gain']} dB better on {len(MANY)} inputs, with {sizes}: {wrong}")
    return faults, notes, compared


def compare(inputs, ours, theirs):
    """Sizes, and by how many decibels theirs is better on average, where it is no larger."""
    found = {"bytes": [os.path.getsize(file) for file in (ours, theirs)], "better": False}
    found["no larger"] = is_no_larger(found["bytes"][1], found["bytes"][0])
    if not found["no larger"]:
        return found
    for seeds in (FEW, MANY):
        levels = [inputs.levels(file, seeds) for file in (ours, theirs)]
        if None in levels or inputs.is_left(found["bytes"][1], levels[1]):
            return found
        found["gain"] = round(sum(levels[1]) / len(seeds) - sum(levels[0]) / len(seeds), 2)
        if found["gain"] < BETTER:
            return found
    found["better"] = True
    return found


def legacy(config, source, output):
    ran = run_tool(config, source, *passes_of("legacy"), "-o", output, "-q")
    return {"refused": ran.error_line} if ran.code != 0 else None


class Inputs:
    """A model on inputs of many seeds: integers choose from all rows of the tables that they are for."""

    def __init__(self, source):
        self.source, self.bases = source, {}
        self.whole = rows_of_tables(source)

    def is_left(self, size, levels):
        """Whether a result is the model as it was, which is no measure: equal outputs at about the same size."""
        return size > 0.95 * os.path.getsize(self.source) and min(levels) == CEILING

    def levels(self, result, seeds):
        """The SNR of the worst output for each seed; `None` where model or result does not run."""
        if seeds not in self.bases:
            self.bases[seeds] = runtime.isolated(self.source, RESOLVER, seeds, self.whole)
        ran = runtime.isolated(result, RESOLVER, seeds, self.whole)
        fared = [runtime.fared(*pair) for pair in zip(self.bases[seeds], ran)]
        if not all(f.get("ok") for f in fared):
            return None
        return [CEILING if f["snr_db"] is None else min(CEILING, f["snr_db"]) for f in fared]


def tally(rows):
    """For each way and peer: how many results were compared, how many are no larger, and how many surpass ours."""
    counts = {}
    for found in (found for row in rows for found in row.get("surpassed", {}).items()):
        of = counts.setdefault(found[0], dict.fromkeys(("compared", "no larger", "better"), 0))
        of["compared"] += 1
        of["no larger"] += found[1]["no larger"]
        of["better"] += found[1]["better"]
    return counts
