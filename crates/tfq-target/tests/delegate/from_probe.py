#!/usr/bin/env python3
"""Makes measured.txt: of each distinct model of one operator that XNNPACK takes at all, whether it took it.

    from_probe.py OP_PROBE.py OP_PROBE.csv measured.txt

op_probe.py (crates/tfq-ir/tests/infer) runs models of one operator on the default runtime, among others, and writes op_probe.csv:
whether a node of the delegate was there in `delegated`. Kept are models of the default runtime that were allocated, whose
`delegated` is known, and those that fail there and nowhere else: XNNPACK took the operator and could not build it. Models
without all their operands are left out, and those with sparse constants, variables (several operators) and subgraphs.
"""
import csv, importlib.util, re, sys

SUBGRAPHS = "IF WHILE STABLEHLO_CASE STABLEHLO_COMPOSITE CALL CALL_ONCE".split()
OTHERS = "DENSIFY VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE".split()
MOST_VALUES = 32
FLOATS = ("f32", "f16", "bf16", "f64")


def attribute(value):
    if isinstance(value, bool):
        return str(int(value))
    return ",".join(map(attribute, value)) if isinstance(value, (list, tuple)) else str(value)


def quantised(text):
    """`q(0.05, 3)`, `q([0.02, 0.04], axis = 0)` as scales, zero points and axis."""
    if not text:
        return ""
    axis = re.search(r"axis = (\d+)", text)
    text = re.sub(r", axis = \d+", "", text)[2:-1]
    lists = re.findall(r"\[[^]]*\]|[^,\s]+", text)
    parts = [part.strip("[]").replace(" ", "") for part in lists] + ["0"]
    return f"@{parts[0]}/{parts[1]}/{axis[1] if axis else 0}"


def tensor(probe, t, shape, q):
    q = q if q is not None else probe.QUANT.get(t, "")
    return f"{probe.base(t)}[{','.join(map(str, shape))}]{quantised(q)}"


def operand(probe, a):
    if a is None:
        return "_"
    if a.kind != "const":
        return tensor(probe, a.t, a.shape, a.q)
    text = "const:" + tensor(probe, a.t, a.shape, a.q)
    if a.vals is not None and len(a.vals) <= MOST_VALUES and probe.base(a.t) in ("i32", "i64"):
        text += "=" + ",".join(str(int(v)) for v in a.vals)
    return text


def shapes_of(case, rows):
    """Shapes that the file declared: what the reference kernels gave, what XNNPACK made of what was declared, what was predicted,
    or that of operand 0."""
    reference = next((row for row in rows if "ref" in row["kernels"].split("+")), None)
    delegate = next((row for row in rows if "xnn" in row["kernels"].split("+")), None)
    given = next((row["result"] for row in (reference, delegate) if row and row["result"]), None)
    if given:
        texts = [r.partition("[")[2][:-1] for r in given.split("; ") if r]
    elif reference and len([p for p in reference["predicted"].split("; ") if p]) == len(case.outs):
        texts = [p.strip("[]") for p in reference["predicted"].split("; ")]
    elif case.ins and case.ins[0] is not None:
        return [case.ins[0].shape] * len(case.outs)
    else:
        return None
    return [[int(d) for d in text.split(",") if d.strip()] for text in texts]


def main():
    spec = importlib.util.spec_from_file_location("op_probe", sys.argv[1])
    probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)
    cases, groups = {}, {}
    key = lambda row: tuple(row[c] for c in "op group case operands attributes".split())
    for row in csv.DictReader(open(sys.argv[2], newline="")):
        groups.setdefault(key(row), []).append(row)
    for op in probe.SPEC:
        for case in probe.cases(op):
            cases[(op, case.group, case.name, "; ".join(map(probe.opstr, case.ins)),
                   " ".join(f"{k}={probe.attrtext(v)}" for k, v in case.attrs.items()))] = case
    taken_ops = {k[0] for k, rows in groups.items() if any(row["delegated"] == "yes" for row in rows)}
    lines, never = {}, {}
    for k, rows in groups.items():
        case, by = cases[k], {}
        for row in rows:
            by.update((kernels, row) for kernels in row["kernels"].split("+"))
        ran = by["xnn"]["stage"] in ("ok", "invoke")
        fails = by["xnn"]["stage"] == "allocate" and by["opt"]["stage"] in ("ok", "invoke")
        if k[0] in SUBGRAPHS + OTHERS or not (ran or fails) or k[1] == "arity":
            continue
        if k[0] not in taken_ops:
            never[k[0]] = never.get(k[0], 0) + 1
            continue
        shapes = shapes_of(case, rows)
        if shapes is None or len(shapes) != len(case.outs):
            continue
        attrs = {name: attribute(v).replace('"', "") for name, v in case.attrs.items()}
        attrs = " ".join(f"{name}={v}" for name, v in attrs.items() if "@" not in v)
        outs = [out if isinstance(out, tuple) else (out, None) for out in case.outs]
        results = " ".join(tensor(probe, t, shape, q) for (t, q), shape in zip(outs, shapes))
        version = f".{case.version}" if case.version else ""
        line = "|".join((case.op + version, attrs, " ".join(operand(probe, a) for a in case.ins), results))
        lines[line] = "fails" if fails else by["xnn"]["delegated"] or "no"
    out = open(sys.argv[3], "w")
    print(f"# Whether XNNPACK of LiteRT 2.3.0 took each of {len(lines)} models of one operator: made by from_probe.py. operator | attributes |"
          "\n# operands, constants with their contents where there are few integers | results | yes, no, or fails: it takes it and"
          "\n# the model does not load", file=out)
    for line, answer in lines.items():
        print(f"{line}|{answer}", file=out)
    print("# Operators that it took in no model, and of how many", file=out)
    for op, count in sorted(never.items()):
        print(f"never {op} {count}", file=out)


main()
