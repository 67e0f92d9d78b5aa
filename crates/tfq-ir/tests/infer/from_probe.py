#!/usr/bin/env python3
"""Makes measured.txt: what the runtime gave, of each distinct model of one operator that ran.

    from_probe.py OP_PROBE.py OP_PROBE.csv > measured.txt

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
    lines, rows, unnamed = {}, 0, 0
    for row in csv.DictReader(open(sys.argv[2], newline="")):
        if row["stage"] != "ok":
            continue
        case = cases[tuple(row[c] for c in "op group case operands attributes".split())]
        results = [r.replace(" ", "") for r in row["result"].split("; ") if r]
        if case.op in SUBGRAPHS or any(r.split("[")[0] not in TYPES for r in results) or not results:
            unnamed += 1
            continue
        if any(a is not None and probe.base(a.t) not in TYPES for a in case.ins):
            unnamed += 1
            continue
        rows += 1
        attrs = {k: attribute(v).replace('"', "") for k, v in case.attrs.items()}
        attrs = " ".join(f"{k}={v}" for k, v in attrs.items() if "@" not in v)
        declared = " ".join(probe.base(o[0] if isinstance(o, tuple) else o) for o in case.outs)
        key = (case.op, attrs, " ".join(operand(probe, a) for a in case.ins), declared, " ".join(results))
        kernels = lines.setdefault(key, [])
        kernels += [k for k in row["kernels"].split("+") if k not in kernels]
    print("# What LiteRT 2.3.0 gave, of each distinct model of one operator that ran: made by from_probe.py of "
          f"{rows} rows of\n# op_probe.csv ({unnamed} more have no results or types without a name). operator | attributes | "
          "operands, those of constants with\n# contents where there are few | declared types | results | kernels")
    for key, kernels in lines.items():
        print("|".join((*key, "+".join(kernels))))


main()
