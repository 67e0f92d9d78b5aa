"""`malformed` and `fuzz`: broken files get one error or a right result, quickly, and nothing is left behind."""

import math
import os
import random

from common import MALFORMED, Report, judge, run_tool, scratch, shared_tool, spread

# Whole models of different kinds: control flow in six subgraphs, convolutions, a fused LSTM.
TRUNCATED = [
    "git-breizhn-DTLN/6ad5d6d5-model_1.tflite",
    "git-google-ai-edge-ai-edge-quantizer/b710c6c5-conv_fc_mnist.tflite",
    "git-tensorflow-tflite-micro/47943099-trained_lstm.tflite",
]
PIPELINES = {"default": [], "round trip": ["--passes=", "--allow-unloadable"]}
PLACES, FLIPS, FLIPPED_MODELS, SEED = 200, 1000, 20, 20240229


def malformed_one(config, row):
    """The measured runs; no numpy in this process."""
    found = {"path": row["path"], "runs": bool(row.get("interp", {}).get("ok")), "faults": []}
    with scratch() as folder:
        for name, passes in PIPELINES.items():
            output = str(folder / "out.tflite")
            ran = judge(run_tool(config, config.corpus(row["path"]), *passes, "-o", output, limit=20), output)
            found["faults"] += [f"{name}: {fault}" for fault in ran.faults]
            found[name] = {"code": ran.code, "seconds": ran.seconds, "rss_mb": ran.rss_mb, "error": ran.error_line}
            if os.path.exists(output):
                os.remove(output)
    if found["default"]["code"] == 0 and not found["runs"]:
        found["faults"].append("default: accepted, though the runtime refuses it")
    return found


def accepted_one(config, row):
    """The tool took the file: then a round trip keeps it, and the default pipeline's result runs as the file did."""
    found = {"path": row["path"], "stage": "compare", "faults": []}
    source = config.corpus(row["path"])
    check = shared_tool(config, "runtime_check")
    with scratch() as folder:
        for name, passes in PIPELINES.items():
            output = str(folder / f"{name}.tflite")
            if run_tool(config, source, *passes, "-o", output, "-q").code != 0 or not os.path.exists(output):
                continue  # judged by the measured run
            if name == "round trip":
                found["faults"] += round_trip_faults(shared_tool(config, "lossless"), source, output)
            result = found[name] = check.check(source, output)
            for resolver in check.RESOLVERS:
                got = result[resolver]
                # A round trip changes nothing; the default pipeline quantises, and so makes some noise.
                floor = math.inf if passes else 20.0
                if "skipped" not in got and not (got["ok"] and not got["mismatch"] and level(got) >= floor):
                    found["faults"].append(f"{name} on {resolver}: {got}")
    return found


def level(result):
    return math.inf if result["snr_db"] is None else result["snr_db"]


def round_trip_faults(lossless, source, output):
    try:
        return [f"round trip: {d}" for d in lossless.differences(source, output)][:5]
    except Exception as error:
        return [f"round trip accepted, but the file cannot be compared: {type(error).__name__}: {error}"]


def malformed(config):
    report = Report("malformed")
    rows = {r["path"]: r for r in config.index() if r["path"].startswith(MALFORMED)}
    report.collect(config, malformed_one, list(rows.values()))
    measured = [r for r in report.rows if "runs" in r]
    accepted = [rows[r["path"]] for r in measured if any(r[name]["code"] == 0 for name in PIPELINES)]
    report.collect(config, accepted_one, accepted)
    refused = {name: sum(r[name]["code"] == 1 for r in measured) for name in PIPELINES}
    return report.finish(
        f"{len(rows)} files, refused {refused}; {len(accepted)} processed by one or the other and compared"
    )


def mutate(config, case):
    with open(config.corpus(case["path"]), "rb") as file:
        data = bytearray(file.read())
    if case["kind"] == "truncate":
        return bytes(data[: case["at"]])
    data[case["at"]] ^= case["xor"]
    return bytes(data)


def fuzz_batch(config, cases):
    """The measured runs; no numpy in this process."""
    results = []
    with scratch() as folder:
        source, output, again = (str(folder / n) for n in ("in.tflite", "out.tflite", "again.tflite"))
        for case in cases:
            with open(source, "wb") as file:
                file.write(mutate(config, case))
            ran = judge(run_tool(config, source, "-o", output, limit=20), output)
            if ran.code == 0 and not ran.faults:
                second = run_tool(config, output, "--passes=", "--allow-unloadable", "-o", again, "-q", limit=20)
                if second.code != 0:
                    ran.faults.append(f"its own output is refused: exit {second.code}: {second.error_line}")
            for path in (output, again):
                if os.path.exists(path):
                    os.remove(path)
            results.append({**case, "code": ran.code, "seconds": ran.seconds, "rss_mb": ran.rss_mb,
                            "error": ran.error_line, "faults": ran.faults})
    return results


def right_batch(config, cases):
    """An accepted file must survive a round trip unchanged, in the eyes of an independent reader."""
    results = []
    lossless = shared_tool(config, "lossless")
    with scratch() as folder:
        source, output = str(folder / "in.tflite"), str(folder / "out.tflite")
        for case in cases:
            with open(source, "wb") as file:
                file.write(mutate(config, case))
            faults = []
            ran = run_tool(config, source, "--passes=", "--allow-unloadable", "-o", output, "-q", limit=20)
            if ran.code == 0 and os.path.exists(output):
                faults = round_trip_faults(lossless, source, output)
                os.remove(output)
            results.append({**case, "stage": "round trip", "code": ran.code, "faults": faults})
    return results


def fuzz_cases(config):
    rng = random.Random(SEED)
    index = {r["path"]: r for r in config.index()}
    cases = []
    for path in filter(index.__contains__, TRUNCATED):
        size = index[path]["bytes"]
        cases += [{"path": path, "kind": "truncate", "at": size * n // PLACES} for n in range(PLACES)]
    small = sorted(p for p, r in index.items() if p.startswith("git-") and r.get("parse_ok") and r["bytes"] < 20_000)
    chosen = rng.sample(small, min(FLIPPED_MODELS, len(small)))
    for n in range(FLIPS if chosen else 0):
        path = chosen[n % len(chosen)]
        at, xor = rng.randrange(index[path]["bytes"]), rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
        cases.append({"path": path, "kind": "flip", "at": at, "xor": xor})
    return cases


def batches(items, size=25):
    return [items[n : n + size] for n in range(0, len(items), size)]


def fuzz(config):
    report = Report("fuzz")
    cases = fuzz_cases(config)
    for results in spread(config, fuzz_batch, batches(cases)):
        for found in results if isinstance(results, list) else [results]:
            report.add(found)
    measured = [r for r in report.rows if "seconds" in r]
    accepted = [{k: r[k] for k in ("path", "kind", "at", "xor") if k in r} for r in measured if r["code"] == 0]
    for results in spread(config, right_batch, batches(accepted)):
        for found in results if isinstance(results, list) else [results]:
            report.add(found)
    if measured:
        for key, unit in (("seconds", "s"), ("rss_mb", "MB")):
            worst = max(measured, key=lambda r: r[key])
            print(f"  most: {worst[key]} {unit}: {worst['path']} {worst['kind']} at {worst['at']}")
    return report.finish(f"{len(cases)} files, {len(measured) - len(accepted)} refused, {len(accepted)} processed")
