"""`run`: the result loads and runs on all three resolvers, is accurate as the best of its peers, and never larger.

And no peer's result is both no larger and half a decibel better with XNNPACK: `peers.py`.
"""

import os

import explained
import peers as peer_results
from common import MALFORMED, Report, cell, grown, refusal, run_tool, scratch, shared_tool, write_section
from stability import reproducible

PEERS = {"aeq": "ai-edge-quantizer", "legacy_int8": "TF legacy", "mlir_int8": "TF MLIR"}
RESOLVERS = ("ref", "opt", "xnn")
MARGIN = 1.0
# Above this a difference is a rounding in float32 and says nothing about the quantisation.
CEILING = 100.0


def level(result):
    """A resolver's result as a comparable SNR: None means identical outputs."""
    return CEILING if result["snr_db"] is None else min(result["snr_db"], CEILING)


def worked(result):
    return bool(result) and result.get("ok", False)


def untouched(peer, bytes_in):
    """A peer that changed nothing of weight is no measure: identical outputs at about the same size."""
    ran = [peer[r] for r in RESOLVERS if worked(peer.get(r))]
    return peer["bytes"] > 0.95 * bytes_in and all(r["snr_db"] is None for r in ran)


def best(peers, resolver, bytes_in):
    """The best peer that ran and quantised, as (level, name), or None."""
    levels = [
        (level(peer[resolver]), name)
        for name, peer in peers.items()
        if peer and worked(peer.get(resolver)) and not untouched(peer, bytes_in)
    ]
    return max(levels, default=None)


def accuracy(config, row, resolver, found, rival):
    """(faults, notes, reasons why a peer is better) on the outputs of a result that ran."""
    got, faults, notes, reasons = found[resolver], [], [], {}
    if rival and config.passes is None and level(got) < rival[0] - MARGIN:
        better = [
            name
            for name, peer in row["peers"].items()
            if peer and worked(peer.get(resolver)) and level(peer[resolver]) > level(got) + MARGIN
            and not untouched(peer, row["bytes"])
        ]
        reasons, wrong = explained.explain(row, resolver, {**found, "bytes": found["bytes_out"]}, better, level)
        # One that takes more bytes for its decibels is no better, only elsewhere on the same way.
        smaller = [name for name in better if peer_results.is_no_larger(row["peers"][name]["bytes"], found["bytes_out"])]
        if wrong and smaller:
            faults.append(f"{resolver}: {got['snr_db']} dB, {PEERS[rival[1]]} {shown(rival[0])} dB: {wrong}")
    # Their results cannot be made here, so that the one input of the records must do.
    recorded = row["peers"].get("mlir_int8")
    if config.passes is None and resolver == peer_results.RESOLVER and recorded and worked(recorded[resolver]):
        gain, ours = level(recorded[resolver]) - level(got), found["bytes_out"]
        if gain >= peer_results.BETTER and peer_results.is_no_larger(recorded["bytes"], ours):
            faults.append(f"TF MLIR is {gain:.2f} dB better, with {recorded['bytes']} bytes, ours has {ours}")
    if got["snr_db"] is not None and got["snr_db"] < 10 and not rival:
        notes.append(f"{resolver}: only {got['snr_db']} dB, and no peer to compare")
    if not row.get("float") and not row["peers"] and (got["snr_db"] is not None or got["mismatch"]):
        notes.append(f"{resolver}: not a float model, outputs differ: {got['snr_db']} dB, {got['mismatch']}")
    ran = [p[resolver]["mismatch"] for p in row["peers"].values() if p and worked(p.get(resolver))]
    if ran and got["mismatch"] > max(ran):
        notes.append(f"{resolver}: {got['mismatch']} integer outputs differ, a peer's worst {max(ran)}")
    return faults, notes, reasons or {}


def run_one(config, row):
    found = {"path": row["path"], "bytes_in": row["bytes"], "faults": [], "notes": [], "explained": {}}
    found["peers"] = row["peers"]
    source = config.corpus(row["path"])
    with scratch() as folder:
        output = str(folder / "out.tflite")
        passes = [] if config.passes is None else [f"--passes={config.passes}"]
        ran = run_tool(config, source, *passes, "-o", output, "-q")
        if refusal(row["path"], ran):
            found["notes"].append(f"refused, as listed: {refusal(row['path'], ran)}")
            return found
        if ran.code != 0 or not os.path.exists(output):
            found["faults" if ran.code not in (0, 1) or row["must"] else "notes"].append(
                f"exit {ran.code}: {ran.error_line}"
            )
            return found
        found["bytes_out"] = os.path.getsize(output)
        result = shared_tool(config, "runtime_check").check(source, output)
        if config.passes is None:
            faults, notes, found["surpassed"] = peer_results.surpassed(config, row, folder)
            found["faults"] += faults
            found["notes"] += notes
    found["faults"] += grown(row["bytes"], found["bytes_out"], 0 if config.passes is None else None)
    found |= {resolver: result[resolver] for resolver in RESOLVERS}
    for resolver in RESOLVERS:
        got = found[resolver]
        if "skipped" in got:
            continue
        rival = found[f"best_{resolver}"] = best(row["peers"], resolver, row["bytes"])
        if got["ok"]:
            faults, notes, reasons = accuracy(config, row, resolver, found, rival)
        else:
            faults, notes, reasons = [f"{resolver}: {got['stage']}: {got['error']}"], [], {}
        ran = got["ok"] or got["stage"] == "output"
        if ran and (faults or notes) and not reproducible(source, resolver):
            faults, notes = [], [f"{resolver}: not comparable, the input itself gives other outputs each time"]
        found["faults"] += faults
        found["notes"] += notes
        if reasons:
            found["explained"][resolver] = reasons
    return found


def shown(value):
    return f"{value:.2f}" if value < CEILING else "≥ 100"


def run(config):
    report = Report("run")
    peers = {r["model"]: {k: r[k] for k in PEERS} for r in config.oracle("snr.jsonl")}
    rows = []
    for row in config.index():
        if row.get("interp", {}).get("ok") and (config.every or row.get("float")):
            # A malformed model that the runtime forgives may be refused.
            must = not row["path"].startswith(MALFORMED)
            rows.append({**row, "must": must, "peers": peers.get(row["path"], {})})
    rows.sort(key=lambda r: -r["bytes"])
    report.collect(config, run_one, rows)
    done, larger, total_in, total_out = report.sizes()
    for row in report.rows:
        for note in row.get("notes", []):
            print(f"  note: {row['path']}: {note}"[:300])
    for row in (r for r in report.rows if r.get("explained")):
        gaps = (f"{r} {snr(row[r])} ({', '.join(sorted({*why.values()}))})" for r, why in row["explained"].items())
        print(f"  explained: {row['path']}: {'; '.join(gaps)}")
    if config.passes is None and not config.only:
        needed = {"CASES": {r["path"] for r in report.rows if r.get("explained")}, "SURPASSED": set()}
        for row in report.rows:
            better = [key for key, found in row.get("surpassed", {}).items() if found["better"]]
            needed["SURPASSED"] |= {(row["path"], key) for key in better}
        needed["SURPASSED"] |= {key for key in explained.SURPASSED if key[0] not in {r["path"] for r in report.rows}}
        for name, found in needed.items():
            for case in getattr(explained, name).keys() - found:
                print(f"  note: {case}: listed in explained.{name}, needlessly")
    counts = tally(done, peers)
    for name, line in counts.items():
        print(f"  {name}: {line}")
    for name, of in peer_results.tally(report.rows).items():
        print(f"  {name}: {of['compared']} compared, {of['no larger']} no larger, {of['better']} of these better")
    write_section(config, "run", table(sorted(report.rows, key=lambda r: r["path"]), counts))
    return report.finish(
        f"{len(rows)} models, {len(done)} rewritten, {sum(bool(r.get('explained')) for r in report.rows)} explained, "
        f"{total_in} bytes became {total_out}; larger than the input: {larger}"
    )


def tally(done, peers):
    """For us and each peer: on how many of these models and resolvers the result ran."""
    everyone = {"tfq-opt": {r["path"]: r for r in done}}
    for key, name in PEERS.items():
        everyone[name] = {m: p[key] for m, p in peers.items() if p[key]}
    counts = {}
    for name, results in everyone.items():
        parts = []
        for resolver in RESOLVERS:
            of = [results.get(r["path"], {}).get(resolver) for r in done if "skipped" not in r[resolver]]
            loaded = sum(worked(x) or bool(x and x.get("stage") in ("invoke", "output")) for x in of)
            parts.append(f"{resolver} {sum(map(worked, of))} ran, {loaded} loaded of {len(of)}")
        counts[name] = "; ".join(parts)
    return counts


def table(rows, counts):
    lines = [
        f"{len(rows)} models, {sum(not r['faults'] and not r['explained'] for r in rows)} within the margin on all "
        f"resolvers, {sum(bool(r['explained']) and not r['faults'] for r in rows)} explained, "
        f"{sum(bool(r['faults']) for r in rows)} failed.",
        "",
        "| | the result runs on |",
        "|---|---|",
        *(f"| {name} | {line} |" for name, line in counts.items()),
        "",
        "| ours, and the peer | compared | no larger than ours | and 0.5 dB better on average |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {of['compared']} | {of['no larger']} | {of['better']} |"
            for name, of in peer_results.tally(rows).items()
        ),
        "",
        *(f"- {path}: {key}: {reason}, {gain} dB" for (path, key), (reason, gain) in explained.SURPASSED.items()),
        "",
        "### Explained",
        "",
        *(f"- **{name}**: {reason}" for name, reason in explained.REASONS.items()),
        "",
        "| model | resolvers | ours | better peers | reasons |",
        "|---|---|---:|---|---|",
    ]
    for row in rows:
        alike = {}
        for resolver, why in row["explained"].items():
            better = tuple((PEERS[p], shown(level(row["peers"][p][resolver])), reason) for p, reason in why.items())
            alike.setdefault((snr(row[resolver]), better), []).append(resolver)
        for (ours, better), on in alike.items():
            theirs = ", ".join(f"{name} {db}" for name, db, _ in better)
            reasons = ", ".join(dict.fromkeys(r for _, _, r in better))
            lines.append(f"| {cell(row['path'])} | {', '.join(on)} | {ours} | {theirs} | {reasons} |")
    lines += [
        "",
        "### All models",
        "",
        "| model | bytes in | bytes out | % | ref | opt | xnn | best peer ref | opt | xnn | verdict |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        out = row.get("bytes_out")
        size = f"{out} | {100 * out / row['bytes_in']:.0f}" if out else "– | –"
        ours = " | ".join(snr(row.get(r)) for r in RESOLVERS)
        theirs = " | ".join(rival_cell(row.get(f"best_{r}")) for r in RESOLVERS)
        verdict = "; ".join(row["faults"] or ["explained" if row["explained"] else "ok", *row["notes"]])
        lines.append(f"| {cell(row['path'])} | {row.get('bytes_in', '–')} | {size} | {ours} | {theirs} | {cell(verdict)} |")
    return lines


def snr(result):
    if not result:
        return "–"
    if "skipped" in result:
        return "(float model does not run)"
    if not result["ok"]:
        return result["stage"]
    return "=" if result["snr_db"] is None else f"{result['snr_db']:.2f}"


def rival_cell(rival):
    return "–" if not rival else f"{shown(rival[0])} {cell(PEERS[rival[1]])}"
