"""What the checks share: where things are, the index, running the tool with limits, workers, and the reports.

Nothing here imports numpy or the runtime: the memory of a child is measured from its fork on, so the processes that
measure must be small themselves.
"""

import contextlib
import importlib.util
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "corpus"
MALFORMED = "made-odd/malformed/"

# Models that the tool refuses on purpose: what the error must say, and the reason. Any other refusal is a failure.
MAY_REFUSE = {
    "git-google-ai-edge-LiteRT/9bd40e90-transpose.tflite": (
        "its version is 2, only 3 is known",
        "the runtime takes version 3 only",
    ),
    "git-google-ai-edge-LiteRT/7a9d0704-0_subgraphs.tflite": (
        "it has no subgraph",
        "the runtime says: No subgraph in the model",
    ),
}

TAIL = "insert-dequant,eliminate-dead-buffers"
# What is run on every model; the results of `INFORMATION` need not run, the legacy tool's own would not either.
PIPELINES = {
    "default": None,
    "float16": f"quantize-weights{{type=float16}},{TAIL}",
    "weight-only": f"quantize-weights{{hybrid=off}},{TAIL}",
    "per-tensor": f"quantize-weights{{granularity=tensor}},{TAIL}",
    "all sizes": f"quantize-weights{{min-elements=1}},{TAIL}",
    "legacy": f"quantize-weights{{compat=toco}},{TAIL}",
    "legacy float16": f"quantize-weights{{compat=toco type=float16}},{TAIL}",
}
INFORMATION = {"legacy", "legacy float16"}


def passes_of(name):
    return [] if PIPELINES[name] is None else [f"--passes={PIPELINES[name]}"]


def refusal(path, ran):
    """The reason for a refusal that is expected of this model, or None."""
    text, reason = MAY_REFUSE.get(path, (None, None))
    return reason if text and ran.code == 1 and ran.error_line.endswith(text) else None


@dataclass
class Config:
    tool: str
    shared: str
    jobs: int = os.cpu_count() or 1
    table: str | None = None
    passes: str | None = None
    every: bool = False
    only: str = ""

    def corpus(self, path):
        return os.path.join(self.shared, "corpus", path)

    def index(self):
        """The rows of the index whose path contains `--only`."""
        return [r for r in read_lines(self.corpus("index.jsonl")) if self.only in r["path"]]

    def readable(self):
        """The rows that every check except the hostile ones must handle."""
        return [r for r in self.index() if r.get("parse_ok") and not r["path"].startswith(MALFORMED)]

    def oracle(self, name):
        return read_lines(os.path.join(self.shared, "oracle", name))


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def shared_tool(config, name):
    """The module `tools/NAME.py` of the shared folder."""
    module = sys.modules.get(f"shared_{name}")
    if module is None:
        spec = importlib.util.spec_from_file_location(f"shared_{name}", os.path.join(config.shared, "tools", f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[f"shared_{name}"] = module
    return module


@dataclass
class Ran:
    """How one run of the tool ended. `code` is negative for a signal, as in `subprocess`."""

    code: int
    seconds: float
    rss_mb: float
    out: str
    err: str
    faults: list = field(default_factory=list)

    @property
    def error_line(self):
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return next((line for line in lines if is_error(line)), lines[0] if lines else "")[:300]


def is_error(line):
    return line.lstrip().lower().startswith(("error", "×"))


def run_tool(config, *args, limit=120.0):
    """Runs the tool to its end or for `limit` seconds, and measures it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = subprocess.Popen([config.tool, *args], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        alarm = threading.Timer(limit, child.send_signal, [signal.SIGKILL])
        alarm.start()
        _, status, usage = os.wait4(child.pid, 0)
        alarm.cancel()
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10  # ru_maxrss: bytes there, kilobytes elsewhere
    return Ran(child.returncode, round(seconds, 4), round(usage.ru_maxrss / scale, 1), *texts)


def grown(before, after, allowed=None):
    """A fault where a file grew by more than `allowed`; without one, by more than a Dequantize cache's record takes."""
    limit = max(1024, before // 20) if allowed is None else allowed
    return [f"{before} bytes became {after}"] if after > before + limit else []


def judge(ran, output, seconds=2.0, megabytes=100.0):
    """What a run on hostile input must keep, whatever it decides; fills `ran.faults`."""
    faults = ran.faults
    if ran.code < 0:
        faults.append(f"signal {-ran.code}")
    elif ran.code not in (0, 1):
        faults.append(f"exit {ran.code}")
    if "panicked" in ran.err or "panicked" in ran.out:
        faults.append("panic")
    if ran.code == 0 and not os.path.exists(output):
        faults.append("exit 0 without an output")
    if ran.code != 0 and os.path.exists(output):
        faults.append("an output was left behind")
    if ran.code == 1:
        count = sum(is_error(line) for line in ran.err.splitlines())
        if count != 1:
            faults.append(f"{count} errors instead of one")
    if ran.seconds > seconds:
        faults.append(f"{ran.seconds:.1f} s")
    if ran.rss_mb > megabytes:
        faults.append(f"{ran.rss_mb:.0f} MB")
    return ran


@contextlib.contextmanager
def scratch():
    """A folder for one item's files, in memory where the system has such a place."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tfq-corpus-", dir=base) as folder:
        yield Path(folder)


def spread(config, work, items):
    """`work(config, item)` for each item, in processes of their own; results in order of the items.

    An exception in `work` is the harness's own fault or a file nobody foresaw: it becomes a fault of that item.
    """
    with ProcessPoolExecutor(config.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(work, config, item) for item in items]
        for item, future in zip(items, futures):
            try:
                yield future.result()
            except Exception as error:
                name = item.get("path") if isinstance(item, dict) else str(item)[:200]
                yield {"path": name, "faults": [f"harness: {type(error).__name__}: {error}"[:300]]}


def forked(work, seconds):
    """What `work()` gives in a process of its own, and the signal that ended that: the runtime may crash, or never end."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        signal.alarm(seconds)
        try:
            with os.fdopen(write_end, "wb") as pipe:
                pickle.dump(work(), pipe)
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    return (None, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (pickle.loads(data), None)


class Report:
    """Collects rows, writes them as JSON lines, and says in the end whether all went well."""

    def __init__(self, name):
        OUT.mkdir(parents=True, exist_ok=True)
        self.name, self.rows, self.bad = name, [], []
        self.path = OUT / f"{name}.jsonl"

    def add(self, row):
        self.rows.append(row)
        if row.get("faults"):
            self.bad.append(row)

    def collect(self, config, work, items):
        """Adds what `spread` gives."""
        for row in spread(config, work, items):
            self.add(row)

    def sizes(self):
        """The rows whose model was written, how many of these became larger, and their bytes before and after."""
        done = [r for r in self.rows if "bytes_out" in r]
        before, after = (sum(r[k] for r in done) for k in ("bytes_in", "bytes_out"))
        return done, sum(r["bytes_out"] > r["bytes_in"] for r in done), before, after

    def finish(self, summary, show=20):
        with open(self.path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in self.rows)
        for row in self.bad[:show]:
            print(f"  {row.get('path')}: {'; '.join(row['faults'])[:400]}")
        if len(self.bad) > show:
            print(f"  … and {len(self.bad) - show} more")
        if not self.rows:
            summary, self.bad = "nothing to check", [None]
        print(f"{self.name}: {'FAILED' if self.bad else 'ok'}: {summary}; details in {self.path.relative_to(ROOT)}")
        return not self.bad


def write_section(config, name, lines):
    """Puts the lines between the marks of this section of the file, behind the rest where it has none yet."""
    if not config.table:
        return
    path = Path(config.table)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    before = before if found or not text else f"{before.rstrip()}\n\n"
    path.write_text("\n\n".join([before + begin, "\n".join(lines), end + after]), encoding="utf-8")


def cell(text):
    """Text that may stand in a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")
