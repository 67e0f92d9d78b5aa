"""`parity`: the three legacy modes against the fingerprints of the tool that is being re-created."""

import json
import os
from collections import Counter, defaultdict

import legacy
import quirks
import summary
import wiring
from common import Report, cell, refusal, run_tool, scratch, write_section

FIELDS = ("type", "shape", "data", "n_scales", "scales", "axis")


def key(tensor, *without):
    return json.dumps([tensor[f] for f in FIELDS if f not in without])


def compare_tensors(theirs, ours, names):
    """The names of the legacy tool's quantised tensors that have no equal here, and what differs."""
    pool = defaultdict(list)
    for tensor in ours:
        pool[tensor["name"]].append(tensor)
    for tensor in theirs:
        name = names.get(tensor["name"], tensor["name"])
        candidates = pool.get(name, [])
        equal = next((c for c in candidates if key(c) == key(tensor)), None)
        if equal is not None:
            candidates.remove(equal)
        elif candidates:
            other = candidates.pop(0)
            yield tensor["name"], [f for f in FIELDS if tensor[f] != other[f]]
        else:
            yield tensor["name"], ["missing here"]
    for name, left in pool.items():
        for _ in left:
            yield name, ["missing there"]


def ambiguous_names(model):
    """Names that do not tell one tensor: duplicates in a subgraph of the input."""
    names = set()
    for graph in model.subgraphs or []:
        count = Counter(summary.text(t.name) for t in graph.tensors or [])
        names |= {n for n, c in count.items() if c > 1}
    return names | {f"{n}_dequantize" for n in names}


def differences(theirs, ours, ambiguous):
    """[(area, tensor, what)], and the version differences. Areas: tensors, scales, wiring."""
    found, versions = [], Counter()
    if len(theirs) != len(ours):
        return [("wiring", "", f"{len(theirs)} subgraphs became {len(ours)}")], versions
    for number, (a, b) in enumerate(zip(theirs, ours)):
        names = {}
        if a["ops"] is not None:  # the oracle leaves out the ops of very large graphs
            try:
                names, differ = wiring.compare(a["ops"], b["ops"], ambiguous)
                versions += differ
            except wiring.Unlike as unlike:
                found.append(("wiring", "", f"subgraph {number}: {unlike}"))
        for name, fields in compare_tensors(a["quantized"], b["quantized"], names):
            area = "scales" if fields == ["scales"] else "tensors"
            found.append((area, name, f"subgraph {number} {name!r}: {', '.join(fields)}"))
    return found, versions


def excused(difference, rules):
    """The rule of `quirks` that explains a difference, if one does."""
    area, name, _ = difference
    for rule, concerned in rules.items():
        reach = quirks.REACH[rule]
        if reach == "wiring" or (area != "wiring" and reach == "tensors" and name in concerned):
            return rule
        if area == "scales" and reach == "scales" and name in concerned:
            return rule
    return None


def lowered(before, after):
    """Operators whose version is lower than it was in the input; DEQUANTIZE ops that were added do not count."""
    for a, b in zip(before, after):
        a, b = ([o for o in g["ops"] if o[0] != "DEQUANTIZE"] for g in (a, b))
        for old, new in zip(a, b):
            if old[0] == new[0] and new[1] < old[1]:
                yield f"version of {old[0]} lowered from {old[1]} to {new[1]}"


def parity_one(config, row):
    found = {"path": row["model"], "mode": row["mode"], "faults": [], "rules": {}, "versions": []}
    source = config.corpus(row["model"])
    raw, model = summary.load(source)
    before = summary.summarise(raw, model)
    if row["subgraphs"] is None:
        return unseen(config, row, found, before)
    rules = quirks.find(raw, model, row["mode"])
    ambiguous = ambiguous_names(model)
    written = summary.summarise(raw, legacy.rewrite(raw, model, row["mode"]))
    mended = summary.summarise(raw, legacy.rewrite(raw, summary.load(source)[1], row["mode"], mended=True))
    if config.tool == "reference":
        ours = mended
    else:
        with scratch() as folder:
            output = str(folder / "out.tflite")
            ran = run_tool(config, source, "--allow-unloadable", f"--passes={legacy.MODES[row['mode']]}", "-o", output, "-q")
            if refusal(row["model"], ran):
                found["refused"] = ran.error_line
                return found
            if ran.code != 0 or not os.path.exists(output):
                found["faults"].append(f"{row['mode']}: exit {ran.code}: {ran.error_line}")
                return found
            ours = summary.summarise(*summary.load(output))
    found["constants"] = sum(len(g["quantized"]) for g in row["subgraphs"])
    found["oracle_follows"] = not differences(row["subgraphs"], written, ambiguous)[0]
    own = differences(mended, ours, ambiguous)[0]
    found["ours_follows"] = not own
    mismatches, versions = differences(row["subgraphs"], ours, ambiguous)
    found["versions"] = [[*k, n] for k, n in versions.items()]
    verdict = f"the oracle {'follows' if found['oracle_follows'] else 'leaves'} the written arithmetic"
    faults = []
    for difference in mismatches:
        rule = excused(difference, rules)
        if rule:
            found["rules"].setdefault(rule, []).append(difference[2])
        else:
            faults.append(f"{difference[2]} ({verdict})")
    # Where the legacy tool is wrong, ours must still be right: only the scales of some odd ranges may differ.
    chosen = {rule: names for rule, names in rules.items() if rule in quirks.CHOSEN}
    faults += [f"against the reference: {d[2]}" for d in own if not excused(d, chosen)]
    if config.tool != "reference":
        faults += sorted(set(lowered(before, ours)))
    found["faults"] = [f"{row['mode']}: {fault}" for fault in faults]
    return found


def unseen(config, row, found, before):
    """The legacy tool has no result here, so ours is held to the reference alone, or to not panicking."""
    raw, model = summary.load(config.corpus(row["model"]))
    rules = {rule: names for rule, names in quirks.find(raw, model, row["mode"]).items() if rule in quirks.CHOSEN}
    try:
        mended = summary.summarise(raw, legacy.rewrite(raw, model, row["mode"], mended=True))
    except legacy.Refused as error:
        mended, found["reference_refuses"] = None, str(error)
    with scratch() as folder:
        output = str(folder / "out.tflite")
        ran = run_tool(config, config.corpus(row["model"]), "--allow-unloadable", f"--passes={legacy.MODES[row['mode']]}", "-o", output, "-q")
        if refusal(row["model"], ran):
            found["refused"] = ran.error_line
        elif ran.code != 0 or not os.path.exists(output):
            found["faults"].append(f"{row['mode']}: exit {ran.code}: {ran.error_line}")
        elif mended is not None:
            ours = summary.summarise(*summary.load(output))
            own = differences(mended, ours, ambiguous_names(model))[0]
            found["faults"] += [f"{row['mode']}: against the reference: {d[2]}" for d in own if not excused(d, rules)]
            found["faults"] += [f"{row['mode']}: {fault}" for fault in sorted(set(lowered(before, ours)))]
            found["quantised"] = any(g["quantized"] for g in ours) and ours != before
    return found


def parity(config):
    report = Report("parity")
    ok = {(r["model"], r["mode"]) for r in config.oracle("status.jsonl") if r["ok"]}
    present = {r["path"]: r["sha256"] for r in config.index()}
    rows = [
        r
        for r in config.oracle("tf_quantizers.jsonl")
        if r["mode"] in legacy.MODES and (r["model"], r["mode"]) in ok and present.get(r["model"]) == r["sha256"]
    ]
    if config.tool != "reference":
        seen = {(r["model"], r["mode"]) for r in rows}
        pairs = ((r["path"], mode) for r in config.readable() for mode in legacy.MODES)
        rows += [{"model": m, "mode": mode, "subgraphs": None} for m, mode in pairs if (m, mode) not in seen]
    rows.sort(key=lambda r: -os.path.getsize(config.corpus(r["model"])))
    report.collect(config, parity_one, rows)
    checked = [r for r in report.rows if "ours_follows" in r]
    work = [r for r in checked if r["constants"]]
    versions = Counter()
    for row in checked:
        for kind, a, b, n in row["versions"]:
            versions[(kind, a, b)] += n
    for (kind, a, b), n in sorted(versions.items()):
        print(f"  version: {kind} {a} there, {b} here: {n}")
    equal = sum(not r["faults"] and not r["rules"] for r in checked)
    alone = [r for r in report.rows if "quantised" in r]
    write_section(config, "parity", table(checked, versions, alone))
    follow = [sum(r[side] for r in work) for side in ("oracle_follows", "ours_follows")]
    return report.finish(
        f"{len(checked)} pairs of model and mode with a result of the legacy tool ({len(work)} with quantised tensors), "
        f"{equal} equal, {sum(bool(r['rules']) for r in checked)} differ by the legacy tool's own faults; "
        f"the written arithmetic: oracle {follow[0]}, ours, as mended, {follow[1]} of {len(work)}; {len(alone)} pairs "
        f"without a legacy result against the reference ({sum(bool(r['quantised']) for r in alone)} quantised); "
        f"{sum('refused' in r for r in report.rows)} refused as listed"
    )


def table(rows, versions, alone):
    work = [r for r in rows if r["constants"]]
    lines = [
        "| mode | models | with quantised tensors | equal | excepted | unexplained |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for mode in legacy.MODES:
        of = [r for r in rows if r["mode"] == mode]
        lines.append(
            f"| `{legacy.MODES[mode]}` | {len(of)} | {sum(r in work for r in of)} "
            f"| {sum(not r['faults'] and not r['rules'] for r in of)} "
            f"| {sum(bool(r['rules']) and not r['faults'] for r in of)} | {sum(bool(r['faults']) for r in of)} |"
        )
    lines += [
        "",
        f"For another {len(alone)} pairs there is no result of the legacy tool: it failed, or was not tried on a model "
        f"that is not float. Of these {sum(not r['faults'] for r in alone)} equal the reference "
        f"({sum(bool(r['quantised']) for r in alone)} with quantised tensors).",
    ]
    lines += ["", "## Exceptions", "", "A rule on the input model decides what is an exception, and for which tensors."]
    for rule, reason in quirks.REASONS.items():
        of = [r for r in rows if rule in r["rules"]]
        lines += ["", f"### {rule}", "", reason, ""]
        lines += [f"- {cell(r['path'])}, {r['mode']}: {len(r['rules'][rule])} differences" for r in of] or ["No case."]
    lines += [
        "",
        "## Operator versions",
        "",
        "Not held to be equal: the legacy tool assigns one version to every code of a kind, needed or not, and may lower",
        "it. Ours follow the converter's rules for the ops that changed.",
        "",
        "| op | legacy | tfq-opt | ops |",
        "|---|---|---|---|",
    ]
    return lines + [f"| {kind} | {a} | {b} | {n} |" for (kind, a, b), n in sorted(versions.items())]
