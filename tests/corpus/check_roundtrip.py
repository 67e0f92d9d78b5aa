"""`lossless`: nothing is lost by reading and writing. `text`: by way of a text come the same bytes. `determinism`: same input, same bytes."""

import hashlib
import os
from pathlib import Path

from common import Report, refusal, run_tool, scratch, shared_tool


def lossless_one(config, row):
    found = {"path": row["path"], "bytes_in": row["bytes"], "faults": []}
    source = config.corpus(row["path"])
    with scratch() as folder:
        first, second = str(folder / "1.tflite"), str(folder / "2.tflite")
        ran = run_tool(config, source, "--passes=", "--allow-unloadable", "-o", first, "-q")
        if ran.code == 1:
            found["refused"] = refusal(row["path"], ran)
            if not found["refused"]:
                found["faults"].append(f"refused: {ran.error_line}")
            return found
        if ran.code != 0:
            found["faults"].append(f"exit {ran.code}: {ran.error_line}")
            return found
        found["bytes_out"] = os.path.getsize(first)
        found["faults"] += shared_tool(config, "lossless").differences(source, first)
        ran = run_tool(config, first, "--passes=", "--allow-unloadable", "-o", second, "-q")
        if ran.code != 0:
            found["faults"].append(f"second round trip: exit {ran.code}: {ran.error_line}")
        else:
            with open(first, "rb") as a, open(second, "rb") as b:
                if a.read() != b.read():
                    found["faults"].append("the second round trip gives other bytes")
    return found


def lossless(config):
    report = Report("lossless")
    rows = sorted(config.readable(), key=lambda r: -r["bytes"])
    report.collect(config, lossless_one, rows)
    sized, count, total_in, total_out = report.sizes()
    grown = sorted(sized, key=lambda r: r["bytes_in"] - r["bytes_out"])
    refused = [r for r in report.rows if "refused" in r]
    for row in refused:
        if row["refused"]:
            print(f"  refused, as listed: {row['path']}: {row['refused']}")
    if count:
        relative = max((r["bytes_out"] / r["bytes_in"] - 1, r["path"]) for r in sized)
        print(f"  {count} of {len(sized)} grow, at most by {grown[0]['bytes_out'] - grown[0]['bytes_in']} bytes "
              f"({grown[0]['path']}) or {100 * relative[0]:.1f} % ({relative[1]})")
    clean = sum(not r["faults"] for r in sized)
    return report.finish(
        f"{len(rows)} models, {clean} without loss, {len(refused)} refused, {total_in} bytes became {total_out}"
    )


# Levels whose text gives the same text again once constants are made up; `stats` and `hash` tell of the constants.
STRUCTURE = ("topology", "types", "quant")


def direct_bytes(config, source, text, folder):
    """What reading and writing without a text gives, and whether that is the input, which is kept where it is smaller."""
    output = str(folder / "direct.tflite")
    ran = run_tool(config, source, "--passes=", "--allow-unloadable", "-o", output, "-q")
    kept = ran.code == 0 and Path(output).read_bytes() == Path(source).read_bytes()
    if kept:
        # A text knows the model and not the bytes that it came in: asking for a layout writes them anew.
        place = "outside" if b"\nconstants outside\n" in Path(text).read_bytes() else "inline"
        ran = run_tool(config, source, "--passes=", "--allow-unloadable", f"--constants={place}", "-o", output, "-q")
    return ran, Path(output).read_bytes() if ran.code == 0 else b"", kept


def content(path):
    """The bytes of a file, None without one: a text without constants has no file of constants."""
    return Path(path).read_bytes() if os.path.exists(path) else None


def text_one(config, row):
    found = {"path": row["path"], "faults": []}
    source = config.corpus(row["path"])
    with scratch() as folder:
        text, result, again = str(folder / "model.tfg"), str(folder / "model.tflite"), str(folder / "again.tfg")
        ran = run_tool(config, source, "--passes=", "--allow-unloadable", "--emit=text", "--level=full", "-o", text, "-q")
        if ran.code == 1 and (refused := refusal(row["path"], ran)):
            return found | {"refused": refused}
        direct = b""
        if ran.code == 0:
            ran, direct, found["kept"] = direct_bytes(config, source, text, folder)
        for step in ((text, "-o", result), (result, "--emit=text", "--level=full", "-o", again)):
            if ran.code == 0:
                ran = run_tool(config, step[0], "--passes=", "--allow-unloadable", *step[1:], "-q")
        if ran.code != 0:
            found["faults"].append(f"exit {ran.code}: {ran.error_line}")
            return found
        made = Path(result).read_bytes()
        if made != direct:
            found["faults"].append(f"{len(made)} bytes by way of text are not the {len(direct)} that come directly")
        # A zip behind the model has offsets that move with it.
        if b"\ntrailer " not in Path(text).read_bytes():
            if any(content(text + end) != content(again + end) for end in ("", ".bin")):
                found["faults"].append("the text of the result is another one")
        for level in STRUCTURE:
            printed = run_tool(config, "print", source, f"--level={level}").out
            with open(text, "w", encoding="utf-8") as file:
                file.write(printed)
            ran = run_tool(config, "print", text, "--fills", f"--level={level}")
            if ran.code != 0 or ran.out != printed:
                found["faults"].append(f"level {level} does not come back: {ran.error_line}")
    return found


def text(config):
    report = Report("text")
    rows = sorted(config.readable(), key=lambda r: -r["bytes"])
    report.collect(config, text_one, rows)
    clean = sum(not r["faults"] and "refused" not in r for r in report.rows)
    kept = sum(r.get("kept", False) for r in report.rows)
    return report.finish(
        f"{len(rows)} models, {clean} the same bytes by way of a text of level full as directly ({kept} of them compared "
        f"with the model written anew, since directly the input is kept), and the same graph at {', '.join(STRUCTURE)}"
    )


def determinism_one(config, row):
    found = {"path": row["path"], "faults": []}
    seen = {}
    with scratch() as folder:
        output = str(folder / "out.tflite")
        for threads in ("1", "2"):
            for repeat in range(3):
                ran = run_tool(config, config.corpus(row["path"]), "--allow-unloadable", "-o", output, "-q", "--threads", threads)
                if ran.code not in (0, 1):
                    found["faults"].append(f"exit {ran.code} with {threads} threads: {ran.error_line}")
                    return found
                result = f"exit {ran.code}"
                if ran.code == 1 and not refusal(row["path"], ran):
                    found["faults"].append(f"refused: {ran.error_line}")
                    return found
                if ran.code == 0:
                    with open(output, "rb") as file:
                        result = hashlib.sha256(file.read()).hexdigest()[:16]
                    os.remove(output)
                seen.setdefault(result, []).append(f"{threads}/{repeat}")
    found["results"] = seen
    if len(seen) > 1:
        found["faults"].append(f"{len(seen)} different results (threads/repeat): {seen}")
    return found


def determinism(config):
    report = Report("determinism")
    rows = sorted(config.readable(), key=lambda r: -r["bytes"])
    report.collect(config, determinism_one, rows)
    refused = sum(any(k == "exit 1" for k in r.get("results", {})) for r in report.rows)
    return report.finish(f"{len(rows)} models, 6 runs each with 1 and 2 threads, {refused} refused alike, as listed")
