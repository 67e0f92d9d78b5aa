#!/usr/bin/env python3
"""Makes measured.txt: what the runtime gave, of each distinct model of one operator that ran; and refused.txt: those that
no kernels ran.

    from_probe.py OP_PROBE.py OP_PROBE.csv measured.txt refused.txt

op_probe.py runs models of one operator on the reference kernels (ref, results declared without a shape), the optimised
ones (opt) and the default runtime (xnn) and writes op_probe.csv; its cases have the contents of constants, which the csv
leaves out. Kept are rows of stage `ok` whose result types the Python binding can name; quantisation, which no shape
depends on, is dropped, and so are models that need subgraphs.
"""
import csv, importlib.util, sys

TYPES = "f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64 bool str c64 i4 resource".split()
SUBGRAPHS = "IF WHILE STABLEHLO_CASE STABLEHLO_COMPOSITE CALL CALL_ONCE".split()
MOST_VALUES = 32


def attribute(value):
    if isinstance(value, bool):
        return str(int(value))
    return ",".join(map(attribute, value)) if isinstance(value, (list, tuple)) else str(value)


def operand(probe, a):
    if a is None:
        return "_"
    text = probe.base(a.t) + "[" + ",".join(map(str, a.shape)) + "]"
    if a.kind == "const" and a.vals is not None and len(a.vals) <= MOST_VALUES:
        if probe.base(a.t) in ("i8", "i16", "i32", "i64", "u8", "u32"):
            text += "=" + ",".join(str(int(v)) for v in a.vals)
        elif probe.base(a.t) == "f32":
            text += "=" + ",".join(repr(float(v)) for v in a.vals)
    return text


def is_named(probe, case):
    """Whether it needs no subgraph, and the Python binding has a name for each type."""
    return case.op not in SUBGRAPHS and all(a is None or probe.base(a.t) in TYPES for a in case.ins)


def model(probe, case):
    attrs = {k: attribute(v).replace('"', "") for k, v in case.attrs.items()}
    attrs = " ".join(f"{k}={v}" for k, v in attrs.items() if "@" not in v)
    declared = " ".join(probe.base(o[0] if isinstance(o, tuple) else o) for o in case.outs)
    return case.op, attrs, " ".join(operand(probe, a) for a in case.ins), declared


def main():
    spec = importlib.util.spec_from_file_location("op_probe", sys.argv[1])
    probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)
    cases = {}
    for op in probe.SPEC:
        for case in probe.cases(op):
            key = (op, case.group, case.name, "; ".join(map(probe.opstr, case.ins)),
                   " ".join(f"{k}={probe.attrtext(v)}" for k, v in case.attrs.items()))
            cases[key] = case
    lines, refused, rows, unnamed = {}, {}, 0, 0
    for row in csv.DictReader(open(sys.argv[2], newline="")):
        case = cases[tuple(row[c] for c in "op group case operands attributes".split())]
        if row["stage"] != "ok":
            if is_named(probe, case):
                refused.setdefault(model(probe, case), set()).add(row["stage"])
            continue
        results = [r.replace(" ", "") for r in row["result"].split("; ") if r]
        if not is_named(probe, case) or any(r.split("[")[0] not in TYPES for r in results) or not results:
            unnamed += 1
            continue
        rows += 1
        key = (*model(probe, case), " ".join(results))
        kernels = lines.setdefault(key, [])
        kernels += [k for k in row["kernels"].split("+") if k not in kernels]
    out = open(sys.argv[3], "w")
    print("# What LiteRT 2.3.0 gave, of each distinct model of one operator that ran: made by from_probe.py of "
          f"{rows} rows of\n# op_probe.csv ({unnamed} more have no results or types without a name). operator | attributes | "
          "operands, those of constants with\n# contents where there are few | declared types | results | kernels", file=out)
    for key, kernels in lines.items():
        print("|".join((*key, "+".join(kernels))), file=out)
    ran = {key[:-1] for key in lines}
    out = open(sys.argv[4], "w")
    print("# Models of one operator that LiteRT 2.3.0 ran on no kernels: made by from_probe.py. operator | attributes | operands |"
          "\n# declared types | where it failed", file=out)
    for key, stages in refused.items():
        if key not in ran:
            print("|".join((*key, "+".join(sorted(stages)))), file=out)


main()
