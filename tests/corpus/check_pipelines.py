"""`pipelines` and `shipped`: the results of every pipeline load, allocate and run on all three resolvers.

`pipelines` takes all models of the corpus that the runtime runs, float or not; `shipped` those of `tests/models`.
"""

import hashlib
import os
import re

import runtime
from common import (
    INFORMATION,
    MALFORMED,
    PIPELINES,
    ROOT,
    Report,
    grown,
    passes_of,
    refusal,
    run_tool,
    scratch,
    write_section,
)
from stability import reproducible

MODELS = ROOT / "tests" / "models"
# Models of a newer format, which the tool refuses unless told to lose what it does not know.
NEWER = {"odd/unknown_tensor_field.tflite": "vtable slot", "odd/unknown_model_field.tflite": "vtable slot"}
# Below this a result is worth a look, though it may be right: float16 cannot hold every weight, nor int8 every network.
LOW = 20.0


def pipelines_one(config, row):
    """Every pipeline on one model; results of equal bytes are run once."""
    found = {"path": row["path"], "float": row["float"], "faults": [], "notes": [], "pipelines": {}}
    source, seen = row["file"], {}
    bases = {r: runtime.isolated(source, r)[0] for r in runtime.RESOLVERS}
    for resolver, base in bases.items():
        if not base["ok"] and row["runs"] is not False:
            place = "faults" if row["runs"] else "notes"
            why = base["stage"] if base["stage"] == "crash" else f"{base['stage']}: {base['error'][:100]}"
            found[place].append(f"{resolver}: the model itself does not run: {why}")
    with scratch() as folder:
        for name in PIPELINES:
            output = str(folder / f"{len(found['pipelines'])}.tflite")
            result = found["pipelines"][name] = {"faults": [], "notes": []}
            ran = run_tool(config, source, *passes_of(name), *row.get("flags", []), "-o", output, "-q")
            if ran.code != 0 or not os.path.exists(output):
                reason = refusal(row["path"], ran) or (ran.code == 1 and row.get("may_refuse"))
                result["refused"] = ran.error_line
                if reason:
                    result["notes"] += [f"refused: {reason}"] if name == "default" else []
                else:
                    result["faults"].append(f"exit {ran.code}: {ran.error_line}")
                continue
            result |= {"bytes_in": os.path.getsize(source), "bytes_out": os.path.getsize(output)}
            with open(output, "rb") as file:
                digest = hashlib.sha256(file.read()).digest()
            if digest not in seen:
                seen[digest] = {r: try_one(source, r, base, output) for r, base in bases.items()}
            result |= seen[digest]
            result["written"] = written_size(config, row, result, str(folder / "plain.tflite"))
            judge(name, row, result)
    for name, result in found["pipelines"].items():
        found["faults"] += [f"{name}: {fault}" for fault in result.pop("faults")]
        found["notes"] += [f"{name}: {note}" for note in result.pop("notes")]
    return found


def try_one(source, resolver, base, output):
    got = runtime.fared(base, runtime.isolated(output, resolver)[0] if base["ok"] else None)
    unlike = got.get("ok") and (got["mismatch"] or (got["snr_db"] is not None and got["snr_db"] < LOW))
    if (unlike or got.get("stage") == "output") and not reproducible(source, resolver):
        return {"ok": True, "unstable": True, "snr_db": None, "mismatch": 0}  # it ran; more cannot be said
    return got


def written_size(config, row, result, output):
    """The size of the input: for one that grew, that without passes, since the writer aligns what others may not."""
    if result["bytes_out"] > result["bytes_in"]:
        if run_tool(config, row["file"], "--passes=", *row.get("flags", []), "-o", output, "-q").code == 0:
            return max(result["bytes_in"], os.path.getsize(output))
    return result["bytes_in"]


def judge(name, row, result):
    place = "notes" if name in INFORMATION else "faults"
    if name == "default":
        result[place] += grown(result["bytes_in"], result["bytes_out"], 0)
    else:
        result[place] += grown(result["written"], result["bytes_out"])
    low = []
    for resolver in runtime.RESOLVERS:
        got = result[resolver]
        if "skipped" in got:
            continue
        if not got["ok"]:
            result[place].append(f"{resolver}: {got['stage']}: {got['error']}")
        elif got["snr_db"] is not None and got["snr_db"] < LOW:
            low.append(f"{resolver} {got['snr_db']}")
    if low:
        result["notes"].append(f"only {', '.join(low)} dB")


def measure(config, name, rows):
    report = Report(name)
    report.collect(config, pipelines_one, rows)
    rows = [r for r in report.rows if "pipelines" in r]
    for row in rows:
        for note in row["notes"]:
            print(f"  note: {row['path']}: {note}"[:240])
        # Whether two runs differ is chance, so this does not stand in the table.
        if any(result.get(r, {}).get("unstable") for result in row["pipelines"].values() for r in runtime.RESOLVERS):
            print(f"  note: {row['path']}: not comparable, the input itself gives other outputs each time")
    lines = table(rows)
    write_section(config, name, lines)
    print(*(f"  {line}" for line in lines[: 2 + 2 * len(PIPELINES)] if line.startswith("|")), sep="\n")
    return report.finish(f"{len(rows)} models, {len(PIPELINES)} pipelines")


def table(rows):
    lines = [
        "| pipeline | models | results that run: ref | opt | xnn | refused | bytes before | after | larger |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in PIPELINES:
        for kind, of in (("float", [r for r in rows if r["float"]]), ("others", [r for r in rows if not r["float"]])):
            results = [r["pipelines"][name] for r in of]
            done = [r for r in results if "bytes_out" in r]
            if not results:
                continue
            ran = []
            for resolver in runtime.RESOLVERS:
                tried = [r[resolver] for r in done if "skipped" not in r[resolver]]
                ran.append(f"{sum(t['ok'] for t in tried)} of {len(tried)}")
            sizes = [sum(r[k] for r in done) for k in ("bytes_in", "bytes_out")]
            larger = sum(r["bytes_out"] > r["bytes_in"] for r in done)
            lines.append(
                f"| {name} | {len(of)} {kind} | {' | '.join(ran)} | {len(results) - len(done)} "
                f"| {sizes[0]} | {sizes[1]} | {larger} |"
            )
    lines += ["", *(f"- {name}: `{passes or 'default'}`" for name, passes in PIPELINES.items())]
    notes = {}
    for row in rows:
        for note in [*row["faults"], *row["notes"]]:
            notes.setdefault(row["path"], []).append(note)
    lines += ["", "| model | remarkable |", "|---|---|"] if notes else []
    return lines + [f"| {path} | {'; '.join(n.replace('|', ' ') for n in of)} |" for path, of in notes.items()]


def pipelines(config):
    rows = []
    for row in config.index():
        if row.get("interp", {}).get("ok"):
            malformed = row["path"].startswith(MALFORMED) and "a malformed model that the runtime forgives"
            file = config.corpus(row["path"])
            rows.append({"path": row["path"], "file": file, "float": bool(row.get("float")), "runs": None, "may_refuse": malformed})
    rows.sort(key=lambda r: -os.path.getsize(r["file"]))
    return measure(config, "pipelines", rows)


def shipped(config):
    """Every model of `tests/models`; those that the runtime cannot run must be processed all the same."""
    pattern = re.compile(r"^\| `((?:ops|odd)/\w+\.tflite)` \|.*\| (yes|no)\b[^|]*\|$", re.MULTILINE)
    listed = dict(pattern.findall((MODELS / "README.md").read_text(encoding="utf-8")))
    rows = []
    for file in sorted(MODELS.glob("*/*.tflite")):
        path = file.relative_to(MODELS).as_posix()
        if config.only in path:
            runs = listed.get(path, "yes") == "yes"
            row = {"path": path, "file": str(file), "float": path.startswith(("digits/", "ops/")), "runs": runs}
            rows.append(row | {"flags": ["--drop-unknown"] if path in NEWER else []})
    ok = measure(config, "shipped", rows)
    for path, text in NEWER.items():
        with scratch() as folder:
            output = folder / "out.tflite"
            ran = run_tool(config, str(MODELS / path), "-o", str(output), "-q")
            if ran.code != 1 or text not in ran.err or output.exists():
                print(f"  {path}: not refused as a newer format: exit {ran.code}: {ran.error_line}")
                ok = False
    return ok
