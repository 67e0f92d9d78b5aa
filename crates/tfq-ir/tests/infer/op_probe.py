#!/usr/bin/env python3
"""Make models of one operator, run them on LiteRT, and write down what each kernel set takes and gives.

    op_probe.py --opt TFQ_OPT --table schema/ops.toml --out op_probe.csv [OP ...]

Needs ai-edge-litert and numpy. TFQ_OPT turns the text of a model into a .tflite. A case is run on the reference kernels
(ref, results declared without shape: what comes back is what the kernel computed), on the optimised kernels without
delegates (opt) and on the default runtime (xnn; `delegated` says whether XNNPACK took the operator), each in a child
process, so that a crash is an outcome. Groups of cases: types, combos (types by operand), shapes, ranks, broadcast (rank by rank, both operands
repeated along axes in turn), arity (operands dropped, left out or added), rtype (result declared as another type), acts
(each fused activation), nonconst (a parameter operand as a model input), quant (a result quantised otherwise than the
operands), values (corner cases of arithmetic). The shape rule that the table names for the operator is evaluated too, by
code of its own and not by tfq-opt's: `match` compares its prediction with what the runtime computed. Without --table
there are no predictions. With operator names only those are probed.
"""
import argparse, csv, math, os, pickle, signal, subprocess, sys, tempfile, tomllib

import numpy as np

ALL = "f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64 bool str c64 i4 i8q u8q i16q".split()
NP = dict(f32="f4", f16="f2", f64="f8", i8="i1", i16="i2", i32="i4", i64="i8", u8="u1", u16="u2", u32="u4", u64="u8",
          bool="?", c64="c8")
QUANT = {"i8q": "q(0.05, 3)", "u8q": "q(0.05, 120)", "i16q": "q(0.0005, 0)", "i32q": "q(0.0025, 0)", "i4q": "q(0.1, 0)",
         "i64q": "q(0.000025, 0)"}
WEIGHTS = {"i8q": "q(0.05, 0)", "i16q": "q(0.05, 0)", "i4q": "q(0.05, 0)"}
UNIT = {"i8q": "q(0.00390625, -128)", "u8q": "q(0.00390625, 0)", "i16q": "q(0.000030517578125, 0)"}
SIGNED = {"i8q": "q(0.0078125, 0)", "u8q": "q(0.0078125, 128)", "i16q": "q(0.000030517578125, 0)"}
RESOLVERS = {"ref": "BUILTIN_REF", "opt": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnn": "AUTO"}
ACTS = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"]
nan, inf = math.nan, math.inf


class A:
    """An operand: where it comes from, its type (T is the type that varies), shape and contents."""

    def __init__(self, kind, t, shape, vals=None, q=None, lo=-1, hi=1):
        self.kind, self.t, self.shape, self.vals, self.q, self.lo, self.hi = kind, t, list(shape), vals, q, lo, hi

    def typed(self, t):
        t = t if self.t == "T" else self.t
        return A(self.kind, t, self.shape, self.vals, self.q or self.weight(t), self.lo, self.hi)

    def weight(self, t):
        return WEIGHTS.get(t) if self.kind == "const" and self.vals is None else None


def x(shape, vals=None, t="T", q=None):
    return A("input", t, shape, vals, q)


def k(vals, t="i32", shape=None, q=None):
    return A("const", t, np.shape(vals) if shape is None else shape, list(np.ravel(np.array(vals, dtype=object))), q)


def w(shape, t="T", q=None, lo=-1, hi=1):
    return A("const", t, shape, None, q, lo, hi)


def made(text, t, shape):
    return A("made", t, shape, text)


def v(shape, t="f32", q=None):
    return A("variable", t, shape, None, q)


class Case:
    def __init__(self, op, group, name, ins, outs, attrs=None, extra="", version=None, scratch=None):
        self.op, self.group, self.name, self.ins, self.outs = op, group, name, ins, outs
        self.attrs, self.extra, self.version, self.scratch = dict(attrs or {}), extra, version, scratch


def base(t):
    return t[:-1] if t.endswith("q") else t


def typetext(t, shape, q=None):
    dims = "*" if shape is None else ",".join(map(str, shape))
    quant = q if q is not None else QUANT.get(t, "")
    return f"{base(t)}[{dims}] {quant}".strip()


def literal(value, t):
    t = base(t)
    if t == "bool":
        return "true" if value else "false"
    if t == "str":
        return '"' + str(value) + '"'
    if t == "c64":
        value = complex(value)
        return f"({value.real!r}, {value.imag!r})"
    if t in ("f32", "f16", "bf16", "f64"):
        f = float(value)
        return "nan" if f != f else ("inf" if f > 0 else "-inf") if math.isinf(f) else repr(f)
    return str(int(value))


def attrtext(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(attrtext, value)) + "]"
    return str(value)


def model(case, shapes):
    lines, names, head = [], [], []
    for n, a in enumerate(case.ins):
        if a is None:
            names.append("_")
            continue
        name = f"%a{n}"
        names.append(name)
        text = typetext(a.t, a.shape, a.q)
        if a.kind == "made":  # the text of what makes it: {n} is the operand's name
            lines += ["  " + line.replace("{n}", name) for line in a.vals.split("\n")]
        elif a.kind == "const":
            size = int(np.prod(a.shape)) if a.shape else 1
            if a.vals is not None:
                items = ", ".join(literal(z, a.t) for z in a.vals)
                contents = f"= [{items}]" if a.shape else f"= {items}"
                if not size:
                    contents = '= b""'
            elif base(a.t) in ("f32", "f16", "bf16", "f64"):
                contents = f"fill uniform(seed = {n + 1}, min = {a.lo}, max = {a.hi})"
            elif base(a.t) == "i8":
                contents = f"fill uniform(seed = {n + 1}, min = -100, max = 100)"
            elif base(a.t) == "str":
                contents = "= [" + ", ".join(['"ab"'] * size) + "]"
            elif base(a.t) == "c64":
                contents = "= [" + ", ".join(["(1.0, -1.0)"] * size) + "]"
            else:
                contents = "fill const(1)"
            lines.append(f"  {name} = const : {text} {contents}")
        else:
            (head if a.kind == "input" else lines).append(f"  {name} = {a.kind} : {text}")
    results, types = [], []
    for n, out in enumerate(case.outs):
        t, q = out if isinstance(out, tuple) else (out, None)
        results.append(f"%r{n}")
        types.append(typetext(t, shapes[n] if shapes else None, q))
    attrs = ", ".join(f"{key} = {attrtext(val)}" for key, val in case.attrs.items())
    left = ", ".join(results) + " = " if results else ""
    right = (" : (" + ", ".join(types) + ")" if len(types) > 1 else " : " + types[0]) if types else ""
    version = f".v{case.version}" if case.version else ""
    scratch = f" scratch({case.scratch})" if case.scratch else ""
    lines.append(f"  {left}{case.op}{version}({', '.join(names)}){scratch}" + (f" {{{attrs}}}" if attrs else "") + right)
    lines += [f"  output {r}" for r in results]
    return "subgraph @main {\n" + "\n".join(head + lines) + "\n}\n" + case.extra


def feed(a, detail, rng):
    if a.vals is not None:
        if base(a.t) == "str":
            return np.array([str(z).encode() for z in a.vals], dtype=object).reshape(a.shape)
        return np.array(a.vals).astype(NP[base(a.t)]).reshape(a.shape)
    t = base(a.t)
    if t == "str":
        return np.array([b"ab"] * int(np.prod(a.shape)), dtype=object).reshape(a.shape)
    if t in ("f32", "f64", "f16", "c64"):
        return rng.uniform(a.lo, a.hi, a.shape).astype(NP[t])
    if t == "bool":
        return rng.integers(0, 2, a.shape).astype(bool)
    if a.t in QUANT and t in NP:
        return rng.integers(-100 if t != "u8" else 20, 100, a.shape).astype(NP[t])
    return rng.integers(1, 3, a.shape).astype(NP[t])


def run(case, path, resolver):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    stage = "load"
    got = {"delegated": "", "results": [], "values": "", "note": ""}
    try:
        it = Interpreter(model_path=path, num_threads=1,
                         experimental_op_resolver_type=getattr(OpResolverType, RESOLVERS[resolver]))
        stage = "allocate"
        it.allocate_tensors()
        if resolver == "xnn":
            try:
                got["delegated"] = "yes" if any(d["op_name"] == "DELEGATE" for d in it._get_ops_details()) else "no"
            except Exception:  # no element type of the Python binding: whether it was delegated stays unknown
                pass
        rng = np.random.default_rng(7)
        inputs = [a for a in case.ins if a is not None and a.kind == "input"]
        def details(which):
            try:
                return which()
            except Exception:  # the Python binding has no such element type
                got["note"] = "the binding cannot describe the tensors"
                return []

        for a, detail in zip(inputs, details(it.get_input_details)):
            try:
                it.set_tensor(detail["index"], feed(a, detail, rng))
            except Exception:  # types that the Python binding cannot set stay zero
                got["note"] = "input not set"
        early = [[int(d) for d in o["shape"]] for o in details(it.get_output_details)]
        stage = "invoke"
        it.invoke()
        stage = "ok"
        names = {np.float32: "f32", np.float16: "f16", np.float64: "f64", np.int8: "i8", np.int16: "i16",
                 np.int32: "i32", np.int64: "i64", np.uint8: "u8", np.uint16: "u16", np.uint32: "u32",
                 np.uint64: "u64", np.bool_: "bool", np.bytes_: "str", np.object_: "str", np.complex64: "c64"}
        values = []
        for o in details(it.get_output_details):
            try:
                y = np.asarray(it.get_tensor(o["index"]))
                shape = list(y.shape)
                flat = y.ravel()[:8 if len(case.outs) > 1 else 16]
                values.append(" ".join(f"{z:.9g}" if y.dtype.kind in "f" else str(z) for z in flat))
            except Exception:
                shape = [int(d) for d in o["shape"]]
            got["results"].append((names.get(o["dtype"], str(o["dtype"])), shape))
        got["values"] = " | ".join(values)
        if early != [s for _, s in got["results"]]:
            got["note"] = (got["note"] + " result shape known at invoke only").strip()
    except Exception as error:
        got["note"] = " ".join(str(error).split())[:200]
    got["stage"] = stage
    return got


def in_child(case, path, resolver, seconds=20):
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        signal.alarm(seconds)
        got = run(case, path, resolver)
        with os.fdopen(write_end, "wb") as pipe:
            pickle.dump(got, pipe)
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) or not data:
        name = "timeout" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM else "crash"
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return {"stage": name, "delegated": "", "results": [], "values": "", "note": f"signal {number}"}
    return pickle.loads(data)


# ---- shape rules: the definitions of docs/op-semantics.md, executable -------------------------------

class Unknown(Exception):
    pass


def vals(case, n):
    a = case.ins[n] if n < len(case.ins) else None
    if a is None or a.vals is None or a.kind == "made":
        raise Unknown
    return [int(z) for z in a.vals]


def shp(case, n):
    a = case.ins[n] if n < len(case.ins) else None
    if a is None:
        raise Unknown
    return list(a.shape)


def broadcast(shapes):
    rank = max(map(len, shapes))
    out = []
    for i in range(rank):
        dims = {s[i - rank + len(s)] for s in shapes if i - rank + len(s) >= 0} - {1}
        if len(dims) > 1:
            raise Unknown
        out.append(dims.pop() if dims else 1)
    return out


def window(size, filt, stride, dilation, same):
    eff = (filt - 1) * dilation + 1
    if filt == 0:
        return 0
    if stride == 0:
        raise Unknown
    return -(-size // stride) if same else -(-(size + 1 - eff) // stride)


def norm(axis, rank):
    return axis + rank if axis < 0 else axis


def rule_of(text):
    name, _, rest = text.partition("(")
    return name.strip(), [p.strip() for p in rest.rstrip(")").split(",") if p.strip()]


def predict(rule, case):
    name, args = rule_of(rule)
    at, S, V = case.attrs, (lambda n: shp(case, n)), (lambda n: vals(case, n))
    same = at.get("padding", "SAME") == "SAME"
    if name == "same":
        return [S(int(args[0]))] * max(1, len(case.outs))
    if name == "broadcast":
        return [broadcast([S(int(n)) for n in args])]
    if name == "scalar":
        return [[]]
    if name == "shape_of":
        return [[len(S(0))]]
    if name == "contents":
        return [V(int(args[0]))]
    if name == "conv2d":
        i, f = S(0), S(1)
        return [[i[0], window(i[1], f[1], at["stride_h"], at.get("dilation_h_factor", 1), same),
                 window(i[2], f[2], at["stride_w"], at.get("dilation_w_factor", 1), same), f[0]]]
    if name == "depthwise_conv2d":
        i, f = S(0), S(1)
        return [[i[0], window(i[1], f[1], at["stride_h"], at.get("dilation_h_factor", 1), same),
                 window(i[2], f[2], at["stride_w"], at.get("dilation_w_factor", 1), same), f[3]]]
    if name == "conv3d":
        i, f = S(0), S(1)
        return [[i[0]] + [window(i[1 + n], f[n], at[f"stride_{d}"], at.get(f"dilation_{d}_factor", 1), same)
                          for n, d in enumerate("dhw")] + [f[4]]]
    if name == "pool2d":
        i = S(0)
        return [[i[0], window(i[1], at["filter_height"], at["stride_h"], 1, same),
                 window(i[2], at["filter_width"], at["stride_w"], 1, same), i[3]]]
    if name == "fully_connected":
        i, f = S(0), S(1)
        if at.get("keep_num_dims"):
            return [i[:-1] + [f[0]]]
        return [[int(np.prod(i)) // f[1], f[0]]]
    if name == "batch_matmul":
        a, b = S(0), S(1)
        if at.get("adj_x"):
            a[-2:] = a[-1], a[-2]
        if at.get("adj_y"):
            b[-2:] = b[-1], b[-2]
        return [broadcast([a[:-2], b[:-2]]) + [a[-2], b[-1]]] if len(a) > 2 or len(b) > 2 else [[a[-2], b[-1]]]
    if name == "reduce":
        i = S(0)
        axes = {norm(z, len(i)) for z in V(1)} if i else set()
        if at.get("keep_dims"):
            return [[1 if n in axes else d for n, d in enumerate(i)]]
        return [[d for n, d in enumerate(i) if n not in axes]]
    if name == "arg_reduce":
        i = S(0)
        axis = norm(V(1)[0], len(i))
        return [i[:axis] + i[axis + 1:]]
    if name == "reshape":
        new = V(1) if len(case.ins) > 1 and case.ins[1] is not None and len(case.ins[1].shape) == 1 else at.get("new_shape")
        if new is None:
            raise Unknown
        new = list(new)
        if new == [0] and not (len(case.ins) > 1):
            new = []
        if -1 in new:
            rest = [d for d in new if d != -1]
            if 0 in S(0) and 0 not in rest:
                new[new.index(-1)] = 0
            else:
                new[new.index(-1)] = int(np.prod([d for d in S(0) if d])) // int(np.prod([d for d in rest if d]))
        return [new]
    if name == "squeeze":
        i = S(0)
        dims = {norm(z, len(i)) for z in at.get("squeeze_dims", [])}
        return [[d for n, d in enumerate(i) if not (n in dims if dims else d == 1)]]
    if name == "expand_dims":
        i = S(0)
        axis = V(1)[0]
        axis = axis + len(i) + 1 if axis < 0 else axis
        return [i[:axis] + [1] + i[axis:]]
    if name == "transpose":
        i = S(0)
        return [[i[norm(p, len(i))] for p in V(1)]]
    if name == "concat":
        i = S(0)
        axis = norm(at.get("axis", 0), len(i))
        i[axis] = sum(S(n)[axis] for n in range(len(case.ins)))
        return [i]
    if name == "pack":
        i = S(0)
        axis = at.get("axis", 0)
        axis = axis + len(i) + 1 if axis < 0 else axis
        return [i[:axis] + [len(case.ins)] + i[axis:]]
    if name == "unpack":
        i = S(0)
        axis = norm(at.get("axis", 0), len(i))
        return [i[:axis] + i[axis + 1:]] * len(case.outs)
    if name == "split":
        i = S(1)
        axis = norm(V(0)[0], len(i))
        n = at.get("num_splits", len(case.outs))
        return [i[:axis] + [i[axis] // n] + i[axis + 1:]] * len(case.outs)
    if name == "split_v":
        i = S(0)
        axis, sizes = norm(V(2)[0], len(i)), V(1)
        if -1 in sizes:
            sizes[sizes.index(-1)] = i[axis] - sum(z for z in sizes if z != -1)
        return [i[:axis] + [z] + i[axis + 1:] for z in sizes]
    if name == "slice":
        i = S(0)
        return [[d - b if s == -1 else s for d, b, s in zip(i, V(1), V(2))]]
    if name == "strided_slice":
        return [strided(S(0), V(1), V(2), V(3), at)]
    if name == "gather":
        p, i = S(0), S(1)
        axis, batch = norm(at.get("axis", 0), len(p)), norm(at.get("batch_dims", 0), len(i))
        return [p[:axis] + i[batch:] + p[axis + 1:]]
    if name == "gather_nd":
        p, i = S(0), S(1)
        return [i[:-1] + p[i[-1]:]]
    if name == "pad":
        p = V(1)
        return [[d + p[2 * n] + p[2 * n + 1] for n, d in enumerate(S(0))]]
    if name == "tile":
        return [[d * m for d, m in zip(S(0), V(1))]]
    if name == "resize":
        i, s = S(0), V(1)
        return [[i[0], s[0], s[1], i[3]]]
    if name == "space_to_depth":
        i, b = S(0), at["block_size"]
        return [[i[0], i[1] // b, i[2] // b, i[3] * b * b]]
    if name == "depth_to_space":
        i, b = S(0), at["block_size"]
        return [[i[0], i[1] * b, i[2] * b, i[3] // (b * b)]]
    if name == "space_to_batch_nd":
        i, b, p = S(0), V(1), V(2)
        mid = [(i[1 + n] + p[2 * n] + p[2 * n + 1]) // z for n, z in enumerate(b)]
        return [[i[0] * int(np.prod(b))] + mid + i[1 + len(b):]]
    if name == "batch_to_space_nd":
        i, b, p = S(0), V(1), V(2)
        mid = [i[1 + n] * z - p[2 * n] - p[2 * n + 1] for n, z in enumerate(b)]
        return [[i[0] // int(np.prod(b))] + mid + i[1 + len(b):]]
    if name == "one_hot":
        i, d = S(0), V(1)[0]
        axis = at.get("axis", 0)
        axis = len(i) if axis == -1 else axis
        return [i[:axis] + [d] + i[axis:]]
    if name == "range":
        a = [case.ins[n].vals[0] for n in range(3)]
        return [[max(0, math.ceil((a[1] - a[0]) / a[2]))]]
    if name == "topk":
        return [S(0)[:-1] + [V(1)[0]]] * 2
    if name == "lookup":
        return [S(0) + S(1)[1:]]
    if name == "segment_sum":
        return [[V(1)[-1] + 1 if V(1) else 0] + S(0)[1:]]
    if name == "unsorted_segment":
        return [[V(2)[0]] + S(0)[len(S(1)):]]
    if name == "matrix_diag":
        return [S(0) + S(0)[-1:]]
    if name == "rfft2d":
        n = V(1)
        return [S(0)[:-2] + [n[0], n[1] // 2 + 1]]
    if name == "broadcast_args":
        return [[len(broadcast([V(0), V(1)]))]]
    if name == "multinomial":
        return [[S(0)[0], V(1)[0]]]
    if name == "dilate":
        return [[(d - 1) * z + 1 for d, z in zip(S(0), V(1))]]
    if name == "reduce_window":
        return [[window(d, f, s, g, False) for d, f, s, g in zip(S(0), V(2), V(3), V(4))]]
    if name == "bitcast":
        a, b = (np.dtype(NP[base(t)]).itemsize for t in (case.ins[0].t, case.outs[0]))
        return [S(0)[:-1] if b > a else S(0) + ([a // b] if a > b else [])]
    if name == "embedding_sparse":
        return [V(2)[:-1] + S(4)[1:]]
    if name == "hashtable_lookup":
        return [S(0) + S(2)[1:], S(0)]
    if name == "vector1":
        return [[1]]
    if name == "nms":
        return [[V(2)[0]]] * (len(case.outs) - 1) + [[]]
    if name == "stablehlo_pad":
        return [[lo + hi + (d - 1) * (i + 1) + 1 for d, lo, hi, i in zip(S(0), at["edge_padding_low"], at["edge_padding_high"], at["interior_padding"])]]
    if name == "lsh_projection":
        return [[S(0)[0] * (S(0)[1] if at["type"] == "DENSE" else 1)]]
    if name in ("bidi_rnn", "bidi_lstm"):
        fw, bw = (S(1)[0], S(5)[0]) if name == "bidi_rnn" else (S(2)[0], S(19)[0])
        return [S(0)[:2] + [fw + bw]] if at.get("merge_outputs") else [S(0)[:2] + [fw], S(0)[:2] + [bw]]
    if name == "svdf":
        return [[S(0)[0], S(2)[0]]]
    if name == "rnn":
        return [[S(0)[0], S(1)[0]]]
    if name == "seq_rnn":
        return [S(0)[:2] + [S(1)[0]]]
    if name == "lstm":
        projected = len(case.ins) > 16 and case.ins[16] is not None
        return [S(0)[:-1] + [S(16)[0] if projected else S(2)[0]]]
    raise Unknown


def strided(shape, begin, end, strides, at):
    bits = {m: at.get(m + "_mask", 0) for m in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    on = lambda m, n: bits[m] >> n & 1
    # entries of the sparse specification, the ellipsis widened to full slices
    consumed = sum(1 for n in range(len(begin)) if not on("new_axis", n) or on("ellipsis", n))
    ellipsis = next((n for n in range(len(begin)) if on("ellipsis", n)), None)
    out, axis, left = [], 0, len(shape) + len(begin) - consumed
    for n in range(len(begin)):
        if left <= 0:  # an ellipsis takes an axis where there is none to take: later entries fall away
            break
        left -= 1
        if n == ellipsis:
            for more in range(max(1, len(shape) - consumed + 1)):
                out.append(shape[axis])
                axis += 1
                left -= more > 0
        elif on("new_axis", n):
            out.append(1)
        elif on("shrink_axis", n):
            axis += 1
        else:
            d, s = shape[axis], strides[n]
            lo, hi = (0, d) if s > 0 else (-1, d - 1)
            b = (0 if s > 0 else d - 1) if on("begin", n) else min(max(begin[n] + d if begin[n] < 0 else begin[n], lo), hi)
            e = end[n]
            e = (hi if s > 0 else lo) if on("end", n) else min(max(e + d if e < 0 else e, lo), hi)
            out.append(max(0, math.ceil((end[n] if at.get("offset") else e - b) / s)))
            axis += 1
    return out + shape[axis:]


# ---- what is probed ---------------------------------------------------------------------------------------------

SPEC = {}


def spec(names, ins, outs=("T",), attrs=None, **more):
    for name in names.split():
        SPEC[name] = dict(ins=ins, outs=list(outs), attrs=attrs or {}, **more)


def fused(**attrs):
    return dict(attrs, fused_activation_function="NONE")


SPECIAL = [nan, inf, -inf, -0.0, 0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 7.0, -7.0, 1e-40, 3e38, -1.0]
unary_ranks = [[x([2] * r)] for r in range(9)]
UN = dict(shapes=[([x([0, 3])], {}), ([x([])], {}), ([x([2, 3, 4])], {})], ranks=unary_ranks,
          values=[("special", [x([16], SPECIAL, "f32")], ["f32"], {})])
spec("ABS CEIL COS ELU EXP FLOOR LOG NEG RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 ROUND RSQRT SIGN SIN SQRT SQUARE "
     "HARD_SWISH ZEROS_LIKE LOGICAL_NOT", [x([2, 3])], **UN)
spec("GELU", [x([2, 3])], attrs={"approximate": False}, **{**UN, "values": [
    ("special", [x([16], SPECIAL, "f32")], ["f32"], {}),
    ("special approximate", [x([16], SPECIAL, "f32")], ["f32"], {"approximate": True})]})
spec("LEAKY_RELU", [x([2, 3])], attrs={"alpha": 0.25}, **UN)
spec("LOGISTIC", [x([2, 3])], outq=UNIT, **UN)
spec("TANH", [x([2, 3])], outq=SIGNED, **UN)
for name in ("NEG", "ABS", "SIGN", "SQUARE"):
    SPEC[name] = dict(SPEC[name], values=SPEC[name]["values"] + [
        (f"extreme {t}", [x([4], [lo, hi, -1, 0], t)], [t], {})
        for t, lo, hi in (("i32", -2**31, 2**31 - 1), ("i64", -2**63, 2**63 - 1), ("i16", -2**15, 2**15 - 1), ("i8", -128, 127))])
spec("SOFTMAX", [x([2, 3])], attrs={"beta": 1.0}, outq=UNIT, shapes=UN["shapes"], ranks=unary_ranks, values=[
    ("beta 0.5", [x([1, 3], [1, 2, 4], "f32")], ["f32"], {"beta": 0.5}),
    ("beta left out (0)", [x([1, 3], [1, 2, 4], "f32")], ["f32"], {"beta": 0.0}),
    ("nan", [x([2, 3], [1, nan, 4, 1, inf, 2], "f32")], ["f32"], {}),
    ("all -inf", [x([1, 3], [-inf, -inf, -inf], "f32")], ["f32"], {}),
    ("one -inf", [x([1, 3], [-inf, 0, 0], "f32")], ["f32"], {})])
spec("LOG_SOFTMAX", [x([2, 3])], outq={"i8q": "q(0.0625, 127)", "u8q": "q(0.0625, 255)"}, shapes=UN["shapes"],
     ranks=unary_ranks, values=[("plain", [x([1, 3], [1, 2, 4], "f32")], ["f32"], {}),
                                ("nan", [x([1, 3], [1, nan, 4], "f32")], ["f32"], {})])
spec("L2_NORMALIZATION", [x([2, 3])], attrs=fused(), act=1, outq=SIGNED, shapes=UN["shapes"], ranks=unary_ranks, values=[
    ("zeros", [x([1, 4], [0, 0, 0, 0], "f32")], ["f32"], {}),
    ("1e-4", [x([1, 2], [1e-4, 0], "f32")], ["f32"], {}), ("3 4", [x([1, 2], [3, 4], "f32")], ["f32"], {}),
    ("rank 3: last axis only", [x([1, 2, 2], [3, 4, 6, 8], "f32")], ["f32"], {})])
spec("LOCAL_RESPONSE_NORMALIZATION", [x([1, 1, 2, 4])], attrs={"radius": 1, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
     ranks=unary_ranks, values=[("1 2 3 4", [x([1, 1, 1, 4], [1, 2, 3, 4], "f32")], ["f32"], {})])
spec("FAKE_QUANT", [x([2, 3])], attrs={"min": -1.0, "max": 1.0, "num_bits": 8, "narrow_range": False}, values=[
    ("nudge", [x([1, 6], [-1.1, -0.999, 0.004, 0.5, 1, 2], "f32")], ["f32"], {}),
    ("narrow", [x([1, 6], [-1.1, -0.999, 0.004, 0.5, 1, 2], "f32")], ["f32"], {"narrow_range": True})])

QT = [("f32", "i8q"), ("f32", "u8q"), ("f32", "i16q"), ("f32", "i4q"), ("f32", "i32q"), ("i8q", "i8q"), ("i8q", "u8q"),
      ("u8q", "i8q"), ("u8q", "u8q"), ("i16q", "i8q"), ("i16q", "i16q"), ("i16q", "i32q"), ("i8q", "i16q"), ("i32q", "i8q"),
      ("i32q", "i16q"), ("u8q", "i16q"), ("f16", "i8q"), ("f32", "i8"), ("i4q", "i8q"), ("i16q", "u8q")]
spec("QUANTIZE", [x([2, 3], t="f32")], outs=["i8q"], combos=[(f"{a}->{b}", [a], [b], {}) for a, b in QT],
     shapes=[([x([0, 3], t="f32")], {}), ([x([], t="f32")], {})], ranks=[[x([2] * r, t="f32")] for r in range(9)],
     values=[("ties, zp 3, scale 0.05", [x([8], [0.025, 0.075, 0.125, -0.025, -0.075, nan, inf, -inf], "f32")], ["i8q"], {}),
             ("ties, scale 1", [x([8], [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5, 1000], "f32")], [("i8q", "q(1.0, 0)")], {}),
             ("ties, scale 1, i16", [x([8], [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5, 1e6], "f32")], [("i16q", "q(1.0, 0)")], {})])
spec("DEQUANTIZE", [x([2, 3], t="i8q")], outs=["f32"],
     combos=[(f"{a}->{b}", [a], [b], {}) for a in ("i8q", "u8q", "i16q", "i4q", "i32q", "f16", "bf16", "f32", "i8", "i64q") for b in ("f32", "f16")],
     shapes=[([x([0, 3], t="i8q")], {}), ([x([], t="i8q")], {})], ranks=[[x([2] * r, t="i8q")] for r in range(9)],
     values=[("i8 zp 3 scale 0.05", [x([4], [-128, 127, 3, 4], "i8q")], ["f32"], {})])
CT = "f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64 bool c64 i4".split()
TT = dict(f32="FLOAT32", f16="FLOAT16", bf16="BFLOAT16", f64="FLOAT64", i8="INT8", i16="INT16", i32="INT32", i64="INT64",
          u8="UINT8", u16="UINT16", u32="UINT32", u64="UINT64", bool="BOOL", c64="COMPLEX64", i4="INT4")
spec("CAST", [x([2, 3], t="f32")], outs=["i32"], attrs={"out_data_type": "INT32"},
     combos=[(f"{a}->{b}", [a], [b], {"in_data_type": TT[a], "out_data_type": TT[b]}) for a in CT for b in CT] +
            [("attributes left out", ["f32"], ["i32"], {"in_data_type": "FLOAT32", "out_data_type": "FLOAT32"}),
             ("attributes disagree with the tensor (says i64)", ["f32"], ["i32"], {"out_data_type": "INT64"})],
     shapes=[([x([0, 3], t="f32")], {}), ([x([], t="f32")], {})], ranks=[[x([2] * r, t="f32")] for r in range(9)],
     values=[(f"f32->{b}", [x([12], [0.5, 1.5, -0.5, -1.5, 2.7, -2.7, 300, -300, 3e9, -3e9, nan, inf], "f32")], [b],
              {"out_data_type": TT[b]}) for b in ("i8", "u8", "i16", "i32", "i64", "u32", "u16", "bool", "f16")] +
            [("i32->i8", [x([6], [127, 128, 255, 256, -129, -1], "i32")], ["i8"], {"out_data_type": "INT8"}),
             ("i32->u8", [x([6], [127, 128, 255, 256, -129, -1], "i32")], ["u8"], {"out_data_type": "UINT8"}),
             ("i64->i32", [x([3], [2**31, -2**31 - 1, 2**40 + 7], "i64")], ["i32"], {"out_data_type": "INT32"}),
             ("i32->bool", [x([3], [0, 2, -1], "i32")], ["bool"], {"out_data_type": "BOOL"}),
             ("i32->f32", [x([3], [16777217, 2147483647, 16777219], "i32")], ["f32"], {"out_data_type": "FLOAT32"}),
             ("i64->f32", [x([2], [2**53 + 1, 2**62 + 1], "i64")], ["f32"], {"out_data_type": "FLOAT32"})])
spec("BITCAST", [x([2, 4], t="f32")], outs=["i32"],
     combos=[(f"{a}->{b}", [a], [b], {}) for a, b in (("f32", "i32"), ("f32", "u32"), ("f32", "u8"), ("u8", "f32"), ("i64", "f32"),
             ("f32", "i64"), ("i16", "f16"), ("i8", "u8"), ("f32", "f32"), ("i32", "i16"))])
spec("REAL IMAG COMPLEX_ABS", [x([2, 3], t="c64")], outs=["f32"], types=[])
spec("BUCKETIZE", [x([2, 3])], outs=["i32"], attrs={"boundaries": [0.0, 0.5, 2.0]}, values=[
    ("edges", [x([1, 6], [-1, 0, 0.5, 2, 9, nan], "f32")], ["i32"], {})])
spec("RANK", [x([2, 3])], outs=["i32"], ranks=unary_ranks)
spec("SHAPE", [x([2, 3])], outs=["i32"], attrs={"out_type": "INT32"}, ranks=unary_ranks,
     combos=[("i64", ["f32"], ["i64"], {"out_type": "INT64"}), ("attribute left out, i32", ["f32"], ["i32"], {"out_type": "FLOAT32"}),
             ("attribute i64, tensor i32", ["f32"], ["i32"], {"out_type": "INT64"})])

B = [x([2, 3]), x([2, 3])]
bin_shapes = [([x([2, 3]), x([3])], {}), ([x([2, 1]), x([1, 3])], {}), ([x([]), x([2, 3])], {}), ([x([2, 3]), x([])], {}),
              ([x([0, 3]), x([1, 3])], {}), ([x([0, 3]), x([0, 3])], {}), ([x([1]), x([2, 0])], {}), ([x([1, 2, 3]), x([2, 3])], {})]
bin_ranks = [[x([2] * r), x([2] * (r - 1) + [1])] for r in range(1, 9)]
V1 = [nan, 1, -0.0, 0.0, nan, inf, 7, -7, 7, -7, 1, 0, -1, 5]
V2 = [1, nan, 0.0, -0.0, nan, inf, 3, 3, -3, -3, 0, 0, 0, -0.0]
binv = [("special", [x([14], V1, "f32"), x([14], V2, "f32")], ["f32"], {})]
intv = [(f"signs {t}", [x([4], [7, -7, 7, -7], t), x([4], [3, 3, -3, -3], t)], [t], {}) for t in ("i32", "i64", "i16", "i8")]
zerov = [("by zero i32", [x([2], [7, 0], "i32"), x([2], [0, 0], "i32")], ["i32"], {}),
         ("min by -1 i32", [x([1], [-2**31], "i32"), x([1], [-1], "i32")], ["i32"], {})]
wrap = [("wrap i32", [x([2], [2**31 - 1, -2**31], "i32"), x([2], [1, -1], "i32")], ["i32"], {}),
        ("wrap i8", [x([2], [127, -128], "i8"), x([2], [1, -1], "i8")], ["i8"], {})]
BIN = dict(shapes=bin_shapes, ranks=bin_ranks, commute=1)
mulv = [("wrap i32", [x([2], [2**31 - 1, 65536], "i32"), x([2], [2, 65536], "i32")], ["i32"], {})]
spec("ADD", B, attrs=fused(), act=1, values=binv + wrap, **BIN)
spec("SUB", B, attrs=fused(), act=1, values=binv + wrap + [("infinite", [x([2], [inf, 1], "f32"), x([2], [1, inf], "f32")], ["f32"], {})], **BIN)
spec("MUL", B, attrs=fused(), act=1, values=binv + mulv, **BIN)
spec("DIV", B, attrs=fused(), act=1, values=binv + intv + zerov, **BIN)
spec("MAXIMUM MINIMUM SQUARED_DIFFERENCE", B, values=binv, **BIN)
spec("FLOOR_DIV FLOOR_MOD", B, values=binv + intv + zerov, **BIN)
spec("POW", B, values=[("f32", [x([8], [2, -2, -2, 0, 0, nan, 1, -8], "f32"), x([8], [0.5, 0.5, 3, 0, -1, 0, nan, 1 / 3], "f32")], ["f32"], {}),
                       ("i32", [x([5], [2, 3, 0, -2, 2], "i32"), x([5], [10, 0, 0, 3, 40], "i32")], ["i32"], {}),
                       ("i32 negative exponent", [x([2], [2, 1], "i32"), x([2], [-1, -1], "i32")], ["i32"], {})], **BIN)
spec("ATAN2", B, values=binv, **BIN)
spec("EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER GREATER_EQUAL", B, outs=["bool"], values=[
    ("special", [x([14], V1, "f32"), x([14], V2, "f32")], ["bool"], {}),
    ("u32 high bit", [x([1], [2**31], "u32"), x([1], [1], "u32")], ["bool"], {}),
    ("different scales", [x([4], [10, 10, 20, 5], "i8q", "q(0.1, 0)"), x([4], [20, 21, 10, 10], "i8q", "q(0.05, 0)")], ["bool"], {})], **BIN)
spec("LOGICAL_AND LOGICAL_OR", B, outs=["T"], **BIN)
spec("BITWISE_XOR", B, **BIN)
spec("RIGHT_SHIFT", B, values=[("i32", [x([5], [-8, 8, 8, 8, -1], "i32"), x([5], [1, 1, 31, 32, -1], "i32")], ["i32"], {})], **BIN)
spec("PRELU", [x([1, 2, 2, 3]), w([3])], shapes=[([x([1, 2, 2, 3]), w([1, 1, 3])], {}), ([x([2, 3]), w([3])], {}), ([x([2, 3]), w([1])], {}),
     ([x([3]), w([2, 3])], {}), ([x([0, 3]), w([3])], {})], ranks=[[x([2] * r), w([2])] for r in range(1, 9)],
     values=[("nan", [x([1, 4], [nan, -0.0, -inf, -2], "f32"), k([2.0, 2.0, 0.0, 0.5], "f32")], ["f32"], {})])
spec("STABLEHLO_ADD STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_MINIMUM STABLEHLO_AND STABLEHLO_SHIFT_LEFT", B,
     shapes=bin_shapes[:2], values=[])
for name in ("STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM"):
    SPEC[name] = dict(SPEC[name], values=binv)
spec("SELECT", [x([2, 3], t="bool"), x([2, 3]), x([2, 3])], shapes=[([x([2], t="bool"), x([2, 3]), x([2, 3])], {}),
     ([x([], t="bool"), x([2, 3]), x([2, 3])], {}), ([x([2, 3], t="bool"), x([3]), x([2, 3])], {}), ([x([3], t="bool"), x([2, 3]), x([2, 3])], {}),
     ([x([0, 3], t="bool"), x([0, 3]), x([0, 3])], {})], ranks=[[x([2] * r, t="bool"), x([2] * r), x([2] * r)] for r in range(9)])
spec("SELECT_V2", [x([2, 3], t="bool"), x([2, 3]), x([2, 3])], shapes=[([x([2, 1], t="bool"), x([3]), x([2, 3])], {}),
     ([x([], t="bool"), x([2, 3]), x([1, 3])], {}), ([x([2, 3], t="bool"), x([]), x([])], {}), ([x([0, 3], t="bool"), x([0, 3]), x([0, 3])], {})],
     ranks=[[x([2] * r, t="bool"), x([2] * (r - 1) + [1]), x([2] * r)] for r in range(1, 9)])
spec("ADD_N", [x([2, 3]), x([2, 3]), x([2, 3])], shapes=[([x([2, 3])], {}), ([x([2, 3]), x([3])], {}), ([x([2, 3])] * 5, {})])

# convolutions, pools, products
CA = dict(padding="SAME", stride_w=1, stride_h=1, fused_activation_function="NONE")
PC = "q([0.02, 0.04], axis = 0)"
conv_combos = lambda per_channel: [("f32", ["f32", "f32", "f32"], ["f32"], {}), ("f16", ["f16", "f16", "f16"], ["f16"], {}),
               ("f32, f16 weights", ["f32", "f16", "f16"], ["f32"], {}), ("f32 with i8 weights", ["f32", "i8q", "f32"], ["f32"], {}),
               ("i8", ["i8q", "i8q", "i32q"], ["i8q"], {}), ("u8", ["u8q", "u8q", "i32q"], ["u8q"], {}),
               ("i16 with i32 bias", ["i16q", "i8q", ("i32q", "q(0.000025, 0)")], ["i16q"], {}), ("i16 with i64 bias", ["i16q", "i8q", "i64q"], ["i16q"], {}),
               ("i8 to i16", ["i8q", "i8q", "i32q"], ["i16q"], {}), ("i8 with i4 weights", ["i8q", "i4q", "i32q"], ["i8q"], {}),
               ("i16 with i16 weights", ["i16q", "i16q", "i64q"], ["i16q"], {}), ("i32", ["i32", "i32", "i32"], ["i32"], {}),
               ("bf16", ["bf16", "bf16", "bf16"], ["bf16"], {}), ("f64", ["f64", "f64", "f64"], ["f64"], {}),
               ("i8 per channel", ["i8q", ("i8q", per_channel), ("i32q", per_channel.replace("0.02", "0.001").replace("0.04", "0.002").replace("0.06", "0.003").replace("0.08", "0.004").replace("axis = 3", "axis = 0"))], ["i8q"], {}), ("i8 with u8 weights", ["i8q", "u8q", "i32q"], ["i8q"], {}),
               ("i8, filter zero point 3", ["i8q", ("i8q", "q(0.05, 3)"), "i32q"], ["i8q"], {}), ("i8 without bias", ["i8q", "i8q", None], ["i8q"], {})]
spec("CONV_2D", [x([1, 5, 6, 3]), w([2, 3, 3, 3]), w([2])], attrs=CA, act=1, values=[("infinite", [x([1, 1, 2, 1], [inf, 1], "f32"), k([[[[1.0]]]], "f32"), k([1.0], "f32")], ["f32"], {})], combos=conv_combos(PC) + [("i16 with i32 bias, quantized_bias_type INT32", ["i16q", "i8q", ("i32q", "q(0.000025, 0)")], ["i16q"], {"quantized_bias_type": "INT32"})], types=[], shapes=[
    ([x([1, 5, 6, 3]), w([2, 3, 3, 3]), w([2])], dict(padding=p, stride_h=sh, stride_w=sw, dilation_h_factor=dh, dilation_w_factor=dw))
    for p in ("SAME", "VALID") for sh, sw in ((1, 1), (2, 2), (3, 2)) for dh, dw in ((1, 1), (2, 1), (2, 2))] + [
    ([x([1, 5, 6, 4]), w([2, 3, 3, 2]), w([2])], {}), ([x([1, 2, 2, 3]), w([2, 3, 3, 3]), w([2])], dict(padding="VALID")),
    ([x([0, 5, 6, 3]), w([2, 3, 3, 3]), w([2])], {}), ([x([5, 6, 3]), w([2, 3, 3, 3]), w([2])], {}),
    ([x([1, 5, 6, 3]), w([2, 3, 3, 3]), w([2])], dict(stride_h=0, stride_w=0)), ([x([1, 5, 6, 3]), x([2, 3, 3, 3]), x([2])], {})])
spec("DEPTHWISE_CONV_2D", [x([1, 5, 6, 2]), w([1, 3, 3, 4]), w([4])], attrs=dict(CA, depth_multiplier=2), act=1, combos=conv_combos("q([0.02, 0.04, 0.06, 0.08], axis = 3)"), types=[], shapes=[
    ([x([1, 5, 6, 2]), w([1, 3, 3, 4]), w([4])], dict(padding=p, stride_h=s, stride_w=s, dilation_h_factor=d, dilation_w_factor=d))
    for p in ("SAME", "VALID") for s in (1, 2) for d in (1, 2)] + [
    ([x([1, 5, 6, 2]), w([1, 3, 3, 4]), w([4])], dict(depth_multiplier=0)), ([x([1, 5, 6, 2]), w([1, 3, 3, 4]), w([4])], dict(depth_multiplier=1)),
    ([x([1, 5, 6, 2]), w([1, 3, 3, 4]), w([4])], dict(stride_h=1, stride_w=2))])
spec("TRANSPOSE_CONV", [k([1, 8, 8, 2]), w([2, 3, 3, 3]), x([1, 4, 4, 3]), w([2])], attrs=dict(padding="SAME", stride_w=2, stride_h=2, fused_activation_function="NONE"),
     act=1, types=[], combos=[("f32", ["i32", "f32", "f32", "f32"], ["f32"], {}), ("i8", ["i32", "i8q", "i8q", "i32q"], ["i8q"], {}),
     ("u8", ["i32", "u8q", "u8q", "i32q"], ["u8q"], {}), ("i16 with i64 bias", ["i32", "i8q", "i16q", "i64q"], ["i16q"], {}),
     ("i16 with i32 bias", ["i32", "i8q", "i16q", "i32q"], ["i16q"], {}), ("f32 with i8 weights", ["i32", "i8q", "f32", "f32"], ["f32"], {}),
     ("f16", ["i32", "f16", "f16", "f16"], ["f16"], {})],
     shapes=[([k([1, 9, 9, 2]), w([2, 3, 3, 3]), x([1, 4, 4, 3]), w([2])], dict(padding="VALID")), ([k([1, 7, 7, 2]), w([2, 3, 3, 3]), x([1, 4, 4, 3]), w([2])], {}),
             ([k([1, 20, 20, 2]), w([2, 3, 3, 3]), x([1, 4, 4, 3]), w([2])], {})])
C3 = dict(padding="SAME", stride_d=1, stride_w=1, stride_h=1, fused_activation_function="NONE")
spec("CONV_3D", [x([1, 4, 5, 6, 2]), w([2, 3, 3, 2, 3]), w([3])], attrs=C3, act=1, shapes=[
    ([x([1, 4, 5, 6, 2]), w([2, 3, 3, 2, 3]), w([3])], dict(padding=p, stride_d=s, stride_h=s, stride_w=s)) for p in ("SAME", "VALID") for s in (1, 2)])
spec("CONV_3D_TRANSPOSE", [k([1, 4, 5, 6, 3]), w([2, 3, 3, 3, 2]), x([1, 4, 5, 6, 2]), w([3])], attrs=C3, act=1)
PA = dict(padding="SAME", stride_w=2, stride_h=2, filter_width=3, filter_height=2, fused_activation_function="NONE")
spec("AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D", [x([1, 5, 6, 2])], attrs=PA, act=1, shapes=[
    ([x([1, 5, 6, 2])], dict(padding=p, stride_h=s, stride_w=s)) for p in ("SAME", "VALID") for s in (1, 2, 3)] + [
    ([x([1, 2, 2, 2])], dict(filter_height=3, padding="VALID")), ([x([0, 5, 6, 2])], {}), ([x([5, 6, 2])], {}),
    ([x([1, 5, 6, 2])], dict(stride_h=0, stride_w=0)), ([x([1, 5, 6, 2])], dict(filter_height=0))],
    values=[("infinite", [x([1, 1, 3, 1], [inf, inf, 4], "f32")], ["f32"], dict(filter_height=1, filter_width=1, stride_h=1, stride_w=1)),
            ("edge of SAME, nan", [x([1, 1, 3, 1], [1, nan, 4], "f32")], ["f32"], dict(filter_height=1, filter_width=2, stride_h=1, stride_w=1)),
            ("edge of SAME", [x([1, 1, 3, 1], [1, 2, -4], "f32")], ["f32"], dict(filter_height=1, filter_width=2, stride_h=1, stride_w=1))])
fc = [x([2, 4]), w([3, 4]), w([3])]
spec("FULLY_CONNECTED", fc, attrs=fused(), act=1, types=[], values=[("infinite", [x([1, 2], [inf, 1], "f32"), k([[1.0, 0.5]], "f32"), k([1.0], "f32")], ["f32"], {})], combos=[
    ("f32", ["f32", "f32", "f32"], ["f32"], {}), ("f16", ["f16", "f16", "f16"], ["f16"], {}), ("f32 with i8 weights", ["f32", "i8q", "f32"], ["f32"], {}),
    ("f32 with u8 weights", ["f32", "u8q", "f32"], ["f32"], {}), ("f32 with f16 weights", ["f32", "f16", "f32"], ["f32"], {}),
    ("i8", ["i8q", "i8q", "i32q"], ["i8q"], {}), ("i8 without bias", ["i8q", "i8q", None], ["i8q"], {}), ("u8", ["u8q", "u8q", "i32q"], ["u8q"], {}),
    ("i16 with i64 bias", ["i16q", "i8q", "i64q"], ["i16q"], {}), ("i16 with i32 bias", ["i16q", "i8q", ("i32q", "q(0.000025, 0)")], ["i16q"], {}),
    ("i16 with i32 bias, quantized_bias_type INT32", ["i16q", "i8q", ("i32q", "q(0.000025, 0)")], ["i16q"], {"quantized_bias_type": "INT32"}), ("i8 per channel", ["i8q", ("i8q", "q([0.02, 0.04, 0.06], axis = 0)"), ("i32q", "q([0.001, 0.002, 0.003], axis = 0)")], ["i8q"], {}), ("i8 to i16", ["i8q", "i8q", "i32q"], ["i16q"], {}), ("u8 to i16", ["u8q", "u8q", "i32q"], ["i16q"], {}), ("i8 with i4 weights", ["i8q", "i4q", "i32q"], ["i8q"], {}),
    ("f32 with i4 weights", ["f32", "i4q", "f32"], ["f32"], {}), ("i32", ["i32", "i32", "i32"], ["i32"], {})],
    shapes=[([x([2, 2, 4]), w([3, 4]), w([3])], {}), ([x([2, 2, 4]), w([3, 4]), w([3])], {"keep_num_dims": True}), ([x([2, 2]), w([3, 4]), w([3])], {}),
            ([x([2, 2, 2]), w([3, 4]), w([3])], {"keep_num_dims": True}), ([x([4]), w([3, 4]), w([3])], {}), ([x([4]), w([3, 4]), w([3])], {"keep_num_dims": True}),
            ([x([0, 4]), w([3, 4]), w([3])], {}), ([x([2, 4]), w([3, 4]), None], {}), ([x([2, 4]), w([3, 4]), w([1, 3])], {}), ([x([2, 4]), x([3, 4]), x([3])], {}),
            ([x([2, 3]), w([3, 4]), w([3])], {}), ([x([2, 4]), w([1, 1, 3, 4]), w([3])], {}), ([x([1, 1, 2, 4]), w([3, 4]), w([3])], {})])
spec("BATCH_MATMUL", [x([2, 3, 4]), x([2, 4, 5])], types=ALL, combos=[("f32 with const i8", ["f32", "i8q"], ["f32"], {}), ("i8 to i32", ["i8", "i8"], ["i32"], {}), ("i8q to i32", ["i8q", "i8q"], ["i32q"], {}), ("i16q to i32", ["i16q", "i16q"], ["i32q"], {})],
     shapes=[([x([2, 4, 3]), x([2, 4, 5])], {"adj_x": True}), ([x([2, 3, 4]), x([2, 5, 4])], {"adj_y": True}), ([x([3, 4]), x([2, 4, 5])], {}),
             ([x([3, 4]), x([4, 5])], {}), ([x([2, 1, 3, 4]), x([6, 4, 5])], {}), ([x([4]), x([4, 5])], {}), ([x([2, 3, 4]), w([4, 5])], {}), ([x([0, 3, 4]), x([1, 4, 5])], {}),
             ([x([2, 3, 0]), x([2, 0, 5])], {})],
     ranks=[[x([1] * (r - 2) + [2, 2]), x([1] * (r - 2) + [2, 2])] for r in range(2, 8)])

# data movement
spec("RESHAPE", [x([2, 3]), k([3, 2])], shapes=[([x([2, 3]), k([-1])], {}), ([x([2, 3]), k([1, -1, 3])], {}), ([x([2, 3])], {"new_shape": [3, 2]}), ([x([2, 3])], {"new_shape": [-1, 2]}),
     ([x([2, 3]), k([3, 2])], {"new_shape": [6]}), ([x([1]), k([], shape=[0])], {}), ([x([1])], {"new_shape": [0]}), ([x([0, 3]), k([3, 0])], {}), ([x([0, 3]), k([-1, 3])], {}), ([x([0, 3]), k([0, -1])], {}),
     ([x([2, 3]), k([-1, -1])], {}), ([x([2, 3]), k([4])], {}), ([x([2, 3]), k([0, 3])], {}), ([x([2, 3]), k([3, 2], "i64")], {}), ([x([2, 3]), k([[3, 2]])], {"new_shape": [6]}), ([x([2, 3])], {})],
     ranks=[[x([2] * r), k([2 ** r])] for r in range(9)])
spec("SQUEEZE", [x([1, 2, 1, 3])], attrs={"squeeze_dims": [0]}, shapes=[([x([1, 2, 1, 3])], {"squeeze_dims": []}), ([x([1, 2, 1, 3])], {"squeeze_dims": [-2]}), ([x([1, 2, 1, 3])], {"squeeze_dims": [0, 2]}),
     ([x([1, 2, 1, 3])], {"squeeze_dims": [1]}), ([x([1, 1])], {"squeeze_dims": []}), ([x([1, 0])], {"squeeze_dims": [0]})], ranks=[[x([1] * r)] for r in range(1, 10)])
spec("EXPAND_DIMS", [x([2, 3]), k(1)], shapes=[([x([2, 3]), k(-1)], {}), ([x([2, 3]), k(0)], {}), ([x([2, 3]), k(2)], {}), ([x([2, 3]), k(3)], {}), ([x([2, 3]), k(-3)], {}), ([x([2, 3]), k([1])], {}), ([x([2, 3]), k(1, "i64")], {}), ([x([]), k(0)], {})],
     ranks=[[x([2] * r), k(0)] for r in range(9)])
spec("TRANSPOSE", [x([2, 3, 4]), k([2, 0, 1])], shapes=[([x([2, 3, 4]), k([-1, 0, 1])], {}), ([x([2, 3, 4]), k([0, 1, 2])], {}), ([x([2, 3, 4]), k([0, 0, 1])], {}), ([x([2, 3, 4]), k([2, 0])], {}), ([x([0, 3]), k([1, 0])], {}), ([x([2, 3]), k([1, 0], "i64")], {})],
     ranks=[[x([2] * r), k(list(range(r))[::-1], shape=[r])] for r in range(9)])
spec("CONCATENATION", [x([2, 3]), x([2, 4])], attrs=dict(fused(), axis=1), act=1, shapes=[([x([2, 3]), x([1, 3])], {"axis": 0}), ([x([2, 3]), x([2, 1])], {"axis": -1}), ([x([2, 3])], {}), ([x([2, 0]), x([2, 3])], {}), ([x([2, 3]), x([3, 3])], {"axis": 1}),
     ([x([2, 3]), x([2, 3])], {"axis": 2}), ([x([2, 3])] * 5, {}), ([x([]), x([])], {"axis": 0})], ranks=[[x([2] * r), x([2] * r)] for r in range(1, 9)],
     rank_attrs={"axis": 0}, combos=[("different scales i8", ["i8q", ("i8q", "q(0.1, 0)")], ["i8q"], {}), ("different scales u8", ["u8q", ("u8q", "q(0.1, 0)")], ["u8q"], {}), ("different scales i16", ["i16q", ("i16q", "q(0.001, 0)")], ["i16q"], {}),
     ("f32 beside f16", ["f32", "f16"], ["f32"], {})])
spec("PACK", [x([2, 3]), x([2, 3])], attrs={"values_count": 2, "axis": 0}, shapes=[([x([2, 3]), x([2, 3])], {"axis": 2}), ([x([2, 3]), x([2, 3])], {"axis": -1}), ([x([]), x([])], {}), ([x([2, 3])], {"values_count": 1}), ([x([2, 3])] * 3, {"values_count": 2}), ([x([2, 3]), x([2, 3])], {"axis": 3}), ([x([2, 3]), x([3])], {})],
     ranks=[[x([2] * r), x([2] * r)] for r in range(8)])
spec("UNPACK", [x([2, 3])], outs=["T", "T"], attrs={"num": 2, "axis": 0}, shapes=[([x([3, 2])], {"axis": 1}), ([x([3, 2])], {"axis": -1}), ([x([3, 2])], {"axis": 0}), ([x([2])], {}), ([x([2, 0])], {})], ranks=[[x([2] * r)] for r in range(1, 9)])
spec("SPLIT", [k(1), x([2, 4])], outs=["T", "T"], attrs={"num_splits": 2}, shapes=[([k(0), x([2, 4])], {}), ([k(-1), x([2, 4])], {}), ([k(1), x([2, 5])], {}), ([k([1]), x([2, 4])], {}), ([k(1), x([2, 0])], {}), ([k(1), x([2, 4])], {"num_splits": 4}), ([k(1, "i64"), x([2, 4])], {})],
     ranks=[[k(0), x([2] * r)] for r in range(1, 9)])
spec("SPLIT_V", [x([2, 4]), k([1, 3]), k(1)], outs=["T", "T"], attrs={"num_splits": 2}, shapes=[([x([2, 4]), k([-1, 3]), k(1)], {}), ([x([2, 4]), k([1, 3]), k(-1)], {}), ([x([2, 4]), k([1, 2]), k(1)], {}), ([x([2, 4]), k([0, 4]), k(1)], {}), ([x([2, 4]), k([1, 3], "i64"), k(1)], {})],
     ranks=[[x([2] * r), k([1, 1]), k(0)] for r in range(1, 9)])
spec("SLICE", [x([3, 4]), k([1, 1]), k([2, -1])], shapes=[([x([3, 4]), k([0, 0]), k([3, 4])], {}), ([x([3, 4]), k([1, 1]), k([0, 2])], {}), ([x([3, 4]), k([2, 2]), k([2, 2])], {}), ([x([3, 4]), k([-1, 0]), k([1, 1])], {}), ([x([3, 4]), k([1, 1], "i64"), k([2, -1], "i64")], {}), ([x([3, 4]), k([3, 4]), k([-1, -1])], {}), ([x([3, 4]), k([1, 1], "i64"), k([2, -1])], {})],
     ranks=[[x([2] * r), k([0] * r, shape=[r]), k([1] * r, shape=[r])] for r in range(9)])
SS = lambda b, e, s, **m: ([x([3, 4, 5]), k(b), k(e), k(s)], m)
spec("STRIDED_SLICE", [x([3, 4, 5]), k([0, 1, 0]), k([3, 3, 5]), k([1, 1, 2])], shapes=[
    SS([0, -1, 0], [3, -4, 5], [1, -1, 2]), SS([0, 0, 0], [0, 0, 0], [1, 1, 1], begin_mask=7, end_mask=7), SS([1, 1, 1], [2, 2, 2], [1, 1, 1], shrink_axis_mask=2),
    SS([0, 1], [0, 3], [1, 1], ellipsis_mask=1), SS([1, 0, 1], [2, 0, 3], [1, 1, 1], ellipsis_mask=2), SS([0, 1], [0, 3], [1, 1], new_axis_mask=1), SS([0, 0, 1], [0, 0, 3], [1, 1, 2], new_axis_mask=2),
    SS([1], [3], [1]), SS([-1], [0], [1], shrink_axis_mask=1), SS([0, 3, 4], [3, 0, 0], [1, -1, -2]), SS([0, 3, 4], [3, 0, 0], [1, -1, -2], end_mask=6), SS([0, 0, 0], [3, 3, 100], [1, 1, 1]), SS([-100, 0, 0], [3, 3, 100], [1, 1, 1]),
    SS([2, 0, 0], [1, 4, 5], [1, 1, 1]), SS([0, 0, 0], [3, 4, 5], [0, 1, 1]), SS([1, 1, 1], [2, 2, 2], [1, 1, 1], offset=True), SS([-2, 1, 1], [2, 2, 9], [1, 1, 1], offset=True), SS([1, 0, 0], [1, 4, 5], [1, 1, 1], shrink_axis_mask=1), SS([5, 0, 0], [6, 4, 5], [1, 1, 1], shrink_axis_mask=1),
    SS([0, 0, 1, 0], [0, 0, 2, 0], [1, 1, 1, 1], new_axis_mask=1, ellipsis_mask=2), SS([0, 0, 0, 0, 0], [0, 0, 3, 4, 5], [1, 1, 1, 1, 1], new_axis_mask=3), ([x([3, 4]), k([0, 0], "i64"), k([2, 2], "i64"), k([1, 1], "i64")], {}), SS([0, 1, 1], [0, 2, 3], [1, 1, 1], new_axis_mask=1, shrink_axis_mask=1),
    SS([0, 0, 0], [3, 4, 5], [1, 1, 1], ellipsis_mask=3), SS([2, 0, 0], [0, 4, 5], [-1, 1, 1], shrink_axis_mask=1),
    SS([0, 0, 1, 2], [0, 3, 2, 3], [1, 1, 1, 1], ellipsis_mask=1), SS([0, 0, 1, 1], [0, 3, 2, 3], [1, 1, 1, 1], ellipsis_mask=8),
    SS([-5, 0, 0], [6, 4, 5], [1, 1, 1], shrink_axis_mask=1), SS([0, 0, 0], [2, 3, 2], [2, 1, 1], offset=True)],
    ranks=[[x([2] * r), k([0] * r, shape=[r]), k([2] * r, shape=[r]), k([1] * r, shape=[r])] for r in range(1, 9)])
spec("GATHER", [x([3, 4]), k([0, 2])], attrs={"axis": 0, "batch_dims": 0}, shapes=[([x([3, 4]), k([[0, 2], [1, 1]])], {"axis": 1}), ([x([3, 4]), k(1)], {}), ([x([3, 4]), k([1])], {"axis": -1}), ([x([2, 3, 4]), k([[0, 2], [1, 1]])], {"axis": 1, "batch_dims": 1}), ([x([2, 3, 4]), k([[0, 2], [1, 1]])], {"axis": 2, "batch_dims": 1}), ([x([2, 3, 4]), k([[0, 2], [1, 1]])], {"axis": 1, "batch_dims": -1}),
     ([x([3, 4]), k([0, 3])], {}), ([x([3, 4]), k([-1])], {}), ([x([3, 4]), k([0, 2], "i64")], {}), ([x([3, 4]), k([0, 2], "i16")], {}), ([x([3, 4]), k([], shape=[0])], {}), ([x([3, 4]), k([0, 2], "i8")], {})], ranks=[[x([2] * r), k([0, 1])] for r in range(1, 9)])
spec("GATHER_ND", [x([3, 4]), k([[0, 1], [2, 3]])], shapes=[([x([3, 4]), k([[0], [2]])], {}), ([x([3, 4]), k([1, 2])], {}), ([x([3, 4]), k([[0, 4]])], {}), ([x([3, 4]), k([[-1, 0]])], {}), ([x([3, 4]), k([[0, 1]], "i64")], {}), ([x([3, 4]), k([[0, 1]], "i16")], {})], ranks=[[x([2] * r), k([[0]])] for r in range(1, 9)])
spec("PAD", [x([2, 3]), k([[1, 0], [0, 2]])], shapes=[([x([2, 3]), k([[1, 0], [0, 2]], "i64")], {}), ([x([2, 3]), k([[0, 0], [0, 0]])], {}), ([x([2, 3]), k([[-1, 0], [0, 0]])], {}), ([x([0, 3]), k([[1, 0], [0, 2]])], {}), ([x([2, 3]), k([[1, 0], [0, 2]], "i8")], {}), ([x([2, 3]), k([[1, 0], [0, 2]], "i16")], {})],
     ranks=[[x([2] * r), k([[1, 0]] * r, shape=[r, 2])] for r in range(9)], values=[("i8 fill is the zero point", [x([1, 1], [5], "i8q"), k([[1, 0], [0, 0]])], ["i8q"], {})])
spec("PADV2", [x([2, 3]), k([[1, 0], [0, 2]]), A("const", "T", [], [1])], shapes=[([x([2, 3]), k([[1, 0], [0, 2]], "i64"), A("const", "T", [], [1])], {}), ([x([2, 3]), k([[1, 0], [0, 2]]), A("const", "T", [1], [1])], {})],
     ranks=[[x([2] * r), k([[1, 0]] * r, shape=[r, 2]), A("const", "T", [], [1])] for r in range(9)])
spec("MIRROR_PAD", [x([2, 3]), k([[1, 0], [0, 2]])], attrs={"mode": "REFLECT"}, shapes=[([x([2, 3]), k([[2, 0], [0, 2]])], {"mode": "SYMMETRIC"}), ([x([2, 3]), k([[2, 0], [0, 2]])], {"mode": "REFLECT"}), ([x([2, 3]), k([[1, 0], [0, 2]], "i64")], {})], ranks=[[x([2] * r), k([[1, 0]] * r, shape=[r, 2])] for r in range(9)])
spec("TILE", [x([2, 3]), k([2, 1])], shapes=[([x([2, 3]), k([2, 1], "i64")], {}), ([x([2, 3]), k([0, 1])], {}), ([x([2, 3]), k([2])], {})], ranks=[[x([2] * r), k([1] * r, shape=[r])] for r in range(9)])
spec("BROADCAST_TO", [x([2, 1]), k([2, 3])], version=2, shapes=[([x([3]), k([2, 3])], {}), ([x([]), k([2, 3])], {}), ([x([2, 3]), k([2, 3], "i64")], {}), ([x([2, 3]), k([3])], {}), ([x([2, 3]), k([4, 3])], {}), ([x([1, 3]), k([0, 3])], {})], ranks=[[x([1] * r), k([2] * r, shape=[r])] for r in range(10)])
spec("BROADCAST_ARGS", [k([2, 1], "i32"), k([3], "i32")], outs=["i32"], types=[], combos=[("i64", ["i64", "i64"], ["i64"], {})])
spec("FILL", [k([2, 3]), A("const", "T", [], [1])], shapes=[([k([2, 3], "i64"), A("const", "T", [], [1])], {}), ([k([], shape=[0]), A("const", "T", [], [1])], {}), ([k([0, 3]), A("const", "T", [], [1])], {}), ([k([2, 3]), A("const", "T", [1], [1])], {}), ([k([-1, 3]), A("const", "T", [], [1])], {})])
spec("RANGE", [k(0, "T"), k(5, "T"), k(2, "T")], shapes=[([k(5, "i32"), k(0, "i32"), k(-2, "i32")], {}), ([k(0, "f32"), k(1, "f32"), k(0.3, "f32")], {}), ([k(5, "i32"), k(0, "i32"), k(2, "i32")], {}), ([k(0, "i32"), k(5, "i32"), k(0, "i32")], {}), ([k(0, "i64"), k(5, "i64"), k(2, "i64")], {}), ([k(0, "i32"), k(0, "i32"), k(1, "i32")], {})])
spec("ONE_HOT", [x([3], [0, 2, 5], "i32"), k(4), A("const", "T", [], [1]), A("const", "T", [], [0])], attrs={"axis": -1}, shapes=[([x([2, 3], [0, 1, 2, 3, 4, -1], "i32"), k(4), k(1.0, "f32"), k(0.0, "f32")], {"axis": a}) for a in (-1, 0, 1, 2, 3, -2)] + [([x([3], [0, 2, 5], "i64"), k(4), k(1.0, "f32"), k(0.0, "f32")], {}), ([x([3], [0, 2, 5], "i32"), k(0), k(1.0, "f32"), k(0.0, "f32")], {}), ([x([3], [0, 2, 5], "i16"), k(4), k(1.0, "f32"), k(0.0, "f32")], {})])
spec("REVERSE_V2", [x([2, 3]), k([1])], shapes=[([x([2, 3]), k([-1])], {}), ([x([2, 3]), k([0, 1])], {}), ([x([2, 3, 4]), k([0, 1])], {}), ([x([2, 3, 4]), k([0, 2])], {}), ([x([2, 3, 4]), k([2, 1])], {}), ([x([2, 3]), k(1)], {}), ([x([2, 3]), k([1], "i64")], {})], ranks=[[x([2] * r), k([0])] for r in range(1, 10)])
spec("REVERSE_SEQUENCE", [x([2, 3]), k([1, 2])], attrs={"seq_dim": 1, "batch_dim": 0}, shapes=[([x([2, 3]), k([1, 2], "i64")], {}), ([x([2, 3]), k([1, 2])], {"seq_dim": -1}), ([x([2, 3]), k([1, 4])], {})])
spec("SPACE_TO_DEPTH", [x([1, 4, 4, 2])], attrs={"block_size": 2}, shapes=[([x([1, 5, 4, 2])], {}), ([x([0, 4, 4, 2])], {})], ranks=[[x([2] * r)] for r in range(1, 7)])
spec("DEPTH_TO_SPACE", [x([1, 2, 2, 8])], attrs={"block_size": 2}, shapes=[([x([1, 2, 2, 6])], {})], ranks=[[x([4] * r)] for r in range(1, 6)], values=[("order", [x([1, 1, 1, 8], [0, 1, 2, 3, 4, 5, 6, 7], "f32")], ["f32"], {})])
spec("SPACE_TO_BATCH_ND", [x([1, 4, 4, 2]), k([2, 2]), k([[0, 0], [0, 0]])], shapes=[([x([1, 3, 3, 2]), k([2, 2]), k([[1, 0], [0, 1]])], {}), ([x([1, 4, 2]), k([2]), k([[0, 0]])], {}), ([x([1, 3, 4, 2]), k([2, 2]), k([[0, 0], [0, 0]])], {}), ([x([1, 4, 4]), k([2, 2]), k([[0, 0], [0, 0]])], {}), ([x([1, 4, 4, 4, 1]), k([2, 2, 2]), k([[0, 0]] * 3)], {})])
spec("BATCH_TO_SPACE_ND", [x([4, 2, 2, 2]), k([2, 2]), k([[0, 0], [0, 0]])], shapes=[([x([4, 2, 2, 2]), k([2, 2]), k([[1, 0], [0, 1]])], {}), ([x([2, 4, 2]), k([2]), k([[0, 0]])], {}), ([x([3, 2, 2, 2]), k([2, 2]), k([[0, 0], [0, 0]])], {})])
rv = [1.0, 2.0, 3.0, 4.0]
rz = []
for kind, ac, hp in (("plain", False, False), ("align", True, False), ("half", False, True), ("both", True, True)):
    rz += [(f"{kind} 2x2 to 3x5", [x([1, 2, 2, 1], rv, "f32"), k([3, 5])], ["f32"], {"align_corners": ac, "half_pixel_centers": hp}),
           (f"{kind} 4 to 2", [x([1, 1, 4, 1], rv, "f32"), k([1, 2])], ["f32"], {"align_corners": ac, "half_pixel_centers": hp}),
           (f"{kind} 5 to 3", [x([1, 1, 5, 1], rv + [5.0], "f32"), k([1, 3])], ["f32"], {"align_corners": ac, "half_pixel_centers": hp}),
           (f"{kind} 3 to 1", [x([1, 1, 3, 1], rv[:3], "f32"), k([1, 1])], ["f32"], {"align_corners": ac, "half_pixel_centers": hp})]
spec("RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR", [x([1, 2, 2, 1]), k([3, 5])], attrs={}, values=rz, shapes=[([x([2, 2, 1]), k([3, 5])], {}), ([x([1, 2, 2, 1]), k([3, 5], "i64")], {}), ([x([0, 2, 2, 1]), k([3, 5])], {}), ([x([1, 2, 2, 1]), k([0, 5])], {})])

# along an axis
RED = dict(shapes=[([x([2, 3, 4]), k(a, shape=s)], {"keep_dims": d}) for a, s in (([1], [1]), ([0, 2], [2]), ([-1], [1]), ([1, 1], [2]), (1, []), ([0, 1, 2], [3]), ([], [0])) for d in (True, False)] +
           [([x([2, 0]), k([1])], {}), ([x([]), k([], shape=[0])], {}), ([x([2, 3]), k([1], "i64")], {}), ([x([2, 3]), k([2])], {})], ranks=[[x([2] * r), k([0])] for r in range(1, 10)])
redv = [("nan", [x([3, 3], [1, nan, 2, nan, 1, 2, 1, 2, nan], "f32"), k([1])], ["f32"], {}), ("empty", [x([2, 0], [], "f32"), k([1])], ["f32"], {}), ("wrap i32", [x([1, 2], [2**31 - 1, 2], "i32"), k([1])], ["i32"], {}), ("i32 7/2, -7/2", [x([2, 2], [3, 4, -3, -4], "i32"), k([1])], ["i32"], {}), ("i8 100+100", [x([1, 2], [100, 100], "i8"), k([1])], ["i8"], {})]
spec("MEAN SUM REDUCE_PROD REDUCE_MAX REDUCE_MIN", [x([2, 3, 4]), k([1])], attrs={"keep_dims": False}, values=redv, **RED)
spec("REDUCE_ANY REDUCE_ALL", [x([2, 3, 4]), k([1])], attrs={"keep_dims": False}, values=[("empty", [x([2, 0], [], "bool"), k([1])], ["bool"], {})], **RED)
spec("ARG_MAX ARG_MIN", [x([2, 3]), k(1)], outs=["i32"], attrs={"output_type": "INT32"}, combos=[("i64", ["f32", "i32"], ["i64"], {"output_type": "INT64"}), ("attribute i64, tensor i32", ["f32", "i32"], ["i32"], {"output_type": "INT64"})],
     shapes=[([x([2, 3, 4]), k(a, shape=s)], {}) for a, s in ((0, []), (-1, []), (1, [1]), (2, []), (3, []))] + [([x([2, 0]), k(1)], {}), ([x([2, 3]), k(1, "i64")], {}), ([x([0, 3]), k(1)], {})], ranks=[[x([2] * r), k(0)] for r in range(1, 9)],
     values=[("ties, nan first, nan later", [x([4, 3], [5, 5, 1, nan, 2, 3, 1, nan, 3, 3, 2, nan], "f32"), k(1)], ["i32"], {}), ("ties i8", [x([2, 4], [5, 5, 1, 1, 1, 7, 7, 1], "i8"), k(1)], ["i32"], {}), ("ties axis 0", [x([3, 2], [5, 1, 5, 1, 5, 1], "f32"), k(0)], ["i32"], {})])
spec("TOPK_V2", [x([2, 4]), k(2)], outs=["T", "i32"], shapes=[([x([2, 4]), k(4)], {}), ([x([2, 4]), k(5)], {}), ([x([2, 4]), k(0)], {}), ([x([4]), k(2)], {}), ([x([]), k(1)], {}), ([x([2, 4]), k(2, "i16")], {}), ([x([2, 4]), k([2])], {})], combos=[("i16 indices", ["f32", "i32"], ["f32", "i16"], {}), ("i64 indices", ["f32", "i32"], ["f32", "i64"], {})],
     values=[("ties", [x([1, 6], [1, 3, 3, 2, 3, 0], "f32"), k(4)], ["f32", "i32"], {}), ("nan", [x([1, 5], [1, nan, 3, 2, nan], "f32"), k(4)], ["f32", "i32"], {})])
spec("CUMSUM", [x([2, 3]), k(1)], attrs={"exclusive": False, "reverse": False}, values=[("exclusive", [x([1, 3], [1, 2, 3], "f32"), k(1)], ["f32"], {"exclusive": True}), ("reverse", [x([1, 3], [1, 2, 3], "f32"), k(1)], ["f32"], {"reverse": True}), ("both", [x([1, 3], [1, 2, 3], "f32"), k(1)], ["f32"], {"exclusive": True, "reverse": True})], shapes=[([x([2, 3]), k(-1)], {}), ([x([2, 3]), k([1])], {}), ([x([2, 3]), k(2)], {})], ranks=[[x([2] * r), k(0)] for r in range(1, 9)])
spec("WHERE", [x([2, 3])], outs=["i64"], values=[("some", [x([2, 2], [1, 0, 0, 1], "bool")], ["i64"], {}), ("none", [x([2], [0, 0], "bool")], ["i64"], {})], ranks=unary_ranks)
spec("UNIQUE", [x([4])], outs=["T", "i32"], attrs={"idx_out_type": "INT32"}, values=[("order of first", [x([5], [3, 1, 3, 2, 1], "i32")], ["i32", "i32"], {})], combos=[("i64", ["f32"], ["f32", "i64"], {"idx_out_type": "INT64"})], ranks=unary_ranks[:4])
spec("NON_MAX_SUPPRESSION_V4", [x([4, 4], t="f32"), x([4], t="f32"), k(2), k(0.5, "f32"), k(0.0, "f32")], outs=["i32", "i32"], types=[])
spec("NON_MAX_SUPPRESSION_V5", [x([4, 4], t="f32"), x([4], t="f32"), k(2), k(0.5, "f32"), k(0.0, "f32"), k(0.0, "f32")], outs=["i32", "f32", "i32"], types=[])
spec("MATRIX_DIAG", [x([2, 3])], ranks=unary_ranks[:6])
spec("MATRIX_SET_DIAG", [x([2, 3, 3]), x([2, 3])])
spec("SCATTER_ND", [k([[0], [2]]), x([2, 3]), k([4, 3])], shapes=[([k([[0], [0]]), x([2, 3], [1] * 6, "f32"), k([4, 3])], {}), ([k([[0], [9]]), x([2, 3]), k([4, 3])], {}), ([k([[0, 1]]), x([1]), k([4, 3])], {}), ([k([[0], [2]], "i64"), x([2, 3]), k([4, 3], "i64")], {})])
spec("SPARSE_TO_DENSE", [k([[0, 0], [1, 2]]), k([2, 3]), x([2]), A("const", "T", [], [0])], shapes=[([k([1, 2]), k([4]), x([2]), A("const", "T", [], [0])], {}), ([k([1, 2]), k([4]), x([]), A("const", "T", [], [0])], {}), ([k([1, 2], "i64"), k([4], "i64"), x([2]), A("const", "T", [], [0])], {})])
spec("SEGMENT_SUM", [x([3, 2]), k([0, 0, 1])], shapes=[([x([3, 2]), k([0, 0, 5])], {}), ([x([3, 2]), k([1, 0, 1])], {})])
spec("UNSORTED_SEGMENT_SUM UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN", [x([3, 2]), k([0, 2, 0]), k(4)], shapes=[([x([3, 2]), k([0, -1, 0]), k(4)], {}), ([x([2, 2, 3]), k([[0, 1], [1, 0]]), k(3)], {}), ([x([3, 2]), k([0, 9, 0]), k(4)], {})])
spec("EMBEDDING_LOOKUP", [k([0, 2]), w([3, 4])], types=[], combos=[(t, ["i32", t], [t], {}) for t in ("f32", "f16", "i8q", "u8q", "i4q", "i32", "i8")] + [(f"{t} to f32", ["i32", t], ["f32"], {}) for t in ("i8q", "u8q", "i4q", "f16")], shapes=[([k([[0, 2]]), w([3, 4])], {}), ([k([0, 3]), w([3, 4])], {}), ([k([0, 2]), w([3, 2, 2])], {}), ([k([0, 2]), w([3])], {}), ([k([0, 2], "i64"), w([3, 4])], {})])
spec("EMBEDDING_LOOKUP_SPARSE", [k([0, 2, 1]), k([[0, 0], [0, 1], [1, 0]]), k([2, 2]), k([1.0, 2.0, 4.0], "f32"), w([3, 4], "f32")], outs=["f32"], types=[], attrs={"combiner": "SUM"}, combos=[(c, ["i32", "i32", "i32", "f32", "f32"], ["f32"], {"combiner": c}) for c in ("SUM", "MEAN", "SQRTN")])
spec("HASHTABLE_LOOKUP", [k([1, 4]), k([1, 2, 3]), w([3, 2])], outs=["T", "u8"])
spec("DYNAMIC_UPDATE_SLICE", [x([3, 4]), x([1, 2]), k([1, 1])], shapes=[([x([3, 4]), x([1, 2]), k([2, 3])], {}), ([x([3, 4]), x([1, 2]), k([-1, 0])], {}), ([x([3, 4]), x([1, 2]), k([1, 1], "i64")], {}), ([x([3, 4]), x([4, 2]), k([1, 1])], {})], ranks=[[x([2] * r), x([1] * r), k([0] * r, shape=[r])] for r in range(1, 9)])
spec("RFFT2D", [x([1, 4, 4], t="f32"), k([4, 4])], outs=["c64"], types=[], shapes=[([x([1, 4, 4], t="f32"), k([2, 4])], {}), ([x([1, 4, 4], t="f32"), k([4, 8])], {}), ([x([1, 4, 4], t="f32"), k([3, 4])], {}), ([x([4, 4], t="f32"), k([4, 4])], {})])
spec("DENSIFY", [], outs=[], types=[], skip=1)
spec("RANDOM_STANDARD_NORMAL RANDOM_UNIFORM", [k([2, 3])], outs=["f32"], types=[], attrs={"seed": 1, "seed2": 2}, combos=[("i64 shape", ["i64"], ["f32"], {}), ("seeds 0", ["i32"], ["f32"], {"seed": 0, "seed2": 0})])
spec("MULTINOMIAL", [x([2, 3], t="f32"), k(5)], outs=["i32"], types=[], attrs={"seed": 1, "seed2": 2}, combos=[("i64", ["f32", "i32"], ["i64"], {})])
spec("STABLEHLO_RNG_BIT_GENERATOR", [x([2], [1, 2], "u64")], outs=["u64", "u32"], types=[], declared=[[2], [2, 3]], attrs={"algorithm": "PHILOX"})
spec("DILATE", [x([2, 3]), k([2, 1], "i32"), A("const", "T", [], [0])])
spec("REDUCE_WINDOW", [x([3, 4]), A("const", "T", [], [0]), k([2, 2], "i64"), k([1, 1], "i64"), k([1, 1], "i64")], attrs={"reduce_function": "ADD"}, shapes=[([x([3, 4]), A("const", "T", [], [0]), k([2, 2], "i64"), k([2, 1], "i64"), k([1, 2], "i64")], {"reduce_function": f}) for f in ("ADD", "MUL", "MINIMUM", "MAXIMUM", "ALL", "ANY")])

# recurrent
spec("SVDF", [x([1, 3], t="f32"), w([4, 3], "f32"), w([4, 5], "f32"), w([4], "f32"), v([1, 20])], outs=["f32"], attrs=dict(fused(), rank=1), types=[], act=1, combos=[("i8 weights", ["f32", "i8q", "i8q", "f32", "f32"], ["f32"], {})])
spec("RNN", [x([2, 3], t="f32"), w([4, 3], "f32"), w([4, 4], "f32"), w([4], "f32"), v([2, 4])], outs=["f32"], attrs=dict(fused()), types=[], act=1, combos=[("i8 weights", ["f32", "i8q", "i8q", "f32", "f32"], ["f32"], {})])
spec("UNIDIRECTIONAL_SEQUENCE_RNN", [x([2, 5, 3], t="f32"), w([4, 3], "f32"), w([4, 4], "f32"), w([4], "f32"), v([2, 4])], outs=["f32"], attrs=dict(fused(), time_major=False), types=[], act=1)
L = lambda inp, st: [x(inp, t="f32")] + [w([4, 3], "f32")] * 4 + [w([4, 4], "f32")] * 4 + [None] * 3 + [w([4], "f32")] * 4 + [None, None, v([st, 4]), v([st, 4])]
spec("LSTM", L([2, 3], 2), outs=["f32"], attrs=dict(fused_activation_function="TANH"), types=[], act=1, shapes=[(L([2, 3], 2) + [None] * 4, {}), (L([2, 3], 2)[:1] + [None] + L([2, 3], 2)[2:5] + [None] + L([2, 3], 2)[6:12] + [None] + L([2, 3], 2)[13:], {}),
     (L([2, 3], 2)[:5] + [w([4, 2], "f32")] * 4 + L([2, 3], 2)[9:16] + [w([2, 4], "f32"), None, v([2, 2]), v([2, 4])], {})])
spec("UNIDIRECTIONAL_SEQUENCE_LSTM", L([2, 5, 3], 2), outs=["f32"], attrs=dict(fused_activation_function="TANH", time_major=False), types=[], act=1, shapes=[(L([2, 5, 3], 2) + [None] * 4, {}), (L([5, 2, 3], 2), {"time_major": True}), (L([2, 5, 3], 5), {"time_major": True})])

# control flow and state
YES = "subgraph @yes {\n  %x = input : f32[2]\n  %y = ADD(%x, %x) : f32[2]\n  output %y\n}\n"
NO = "subgraph @no {\n  %x = input : f32[2]\n  output %x\n}\n"
COND = "subgraph @cond {\n  %x = input : f32[2]\n  %k = const : f32[] = 100.0\n  %z = const : i32[1] = [0]\n  %m = REDUCE_MAX(%x, %z) : f32[]\n  %y = LESS(%m, %k) : bool[]\n  output %y\n}\n"
spec("IF", [x([1], [1], "bool"), x([2], [1, 2], "f32")], outs=["f32"], types=[], attrs={"then_subgraph_index": "@yes", "else_subgraph_index": "@no"}, extra=YES + NO)
spec("WHILE", [x([2], [1, 2], "f32")], outs=["f32"], types=[], attrs={"cond_subgraph_index": "@cond", "body_subgraph_index": "@yes"}, extra=YES + COND)
spec("STABLEHLO_CASE", [x([], [1], "i32"), x([2], [1, 2], "f32")], outs=["f32"], types=[], attrs={"branch_subgraph_indices": "[@yes, @no]"}, extra=YES + NO)
spec("STABLEHLO_COMPOSITE", [x([2], [1, 2], "f32")], outs=["f32"], types=[], attrs={"name": '"a.b"', "decomposition_subgraph_index": "@yes", "composite_attributes": 'b"\\x00\\x00\\x01$\\x02\\x01"'}, extra=YES)
spec("CALL", [x([2], [1, 2], "f32")], outs=["f32"], types=[], attrs={"subgraph": "@yes"}, extra=YES)
spec("CALL_ONCE", [], outs=[], types=[], attrs={"init_subgraph_index": "@nothing"}, extra="subgraph @nothing {\n}\n")
spec("VAR_HANDLE", [], outs=["resource"], types=[], attrs={"container": '"c"', "shared_name": '"s"'})
spec("HASHTABLE", [], outs=["resource"], types=[], attrs={"table_id": 1, "key_dtype": "INT64", "value_dtype": "STRING"})
spec("STABLEHLO_PAD", [x([2, 3]), A("const", "T", [], [0])], attrs={"edge_padding_low": [1, 0], "edge_padding_high": [0, -1], "interior_padding": [1, 0]})
spec("STABLEHLO_GATHER", [x([3, 4]), k([[0], [2]])], declared=[[2, 4]], attrs={"offset_dims": [1], "collapsed_slice_dims": [0], "start_index_map": [0], "index_vector_dim": 1, "slice_sizes": [1, 4]})
SCA = "subgraph @add {\n  %a = input : f32[]\n  %b = input : f32[]\n  %y = STABLEHLO_ADD(%a, %b) : f32[]\n  output %y\n}\n"
spec("STABLEHLO_SCATTER", [x([4, 3], t="f32"), k([[0], [2]]), x([2, 3], t="f32")], outs=["f32"], types=[], attrs={"update_window_dims": [1], "inserted_window_dims": [0], "scatter_dims_to_operand_dims": [0], "index_vector_dim": 1, "update_computation_subgraph_index": "@add"}, extra=SCA)
spec("STABLEHLO_REDUCE_WINDOW", [x([3, 4], t="f32"), k(0.0, "f32")], outs=["f32"], types=[], attrs={"window_dimensions": [2, 2], "window_strides": [1, 1], "base_dilations": [1, 1], "window_dilations": [1, 1], "padding": [0, 0, 0, 0], "body_subgraph_index": "@add"}, extra=SCA)
spec("LSH_PROJECTION", [w([2, 3], "f32"), k([1, 2, 3]), k([1.0, 1.0, 1.0], "f32")], outs=["i32"], types=[], attrs={"type": "DENSE"}, combos=[("sparse", ["f32", "i32", "f32"], ["i32"], {"type": "SPARSE"})])
spec("SKIP_GRAM", [x([], ["one two three"], "str")], outs=["str"], types=[], attrs={"ngram_size": 2, "max_skip_size": 1, "include_all_ngrams": False})
BR = lambda aux: [x([2, 5, 3], t="f32")] + [w([4, 3], "f32"), w([4, 4], "f32"), w([4], "f32"), v([2, 4])] * 2 + aux
spec("BIDIRECTIONAL_SEQUENCE_RNN", BR([None] * 3), outs=["f32", "f32"], types=[], attrs=dict(fused(), time_major=False, merge_outputs=False), act=1,
     combos=[("merged", ["f32"] * 9 + [None] * 3, ["f32"], {"merge_outputs": True})], shapes=[(BR([]), {})])
BL = lambda: ([x([2, 5, 3], t="f32")] + ([w([4, 3], "f32")] * 4 + [w([4, 4], "f32")] * 4 + [None] * 3 + [w([4], "f32")] * 4 + [None] * 2) * 2 + [v([2, 4])] * 4 + [None] * 9)
spec("BIDIRECTIONAL_SEQUENCE_LSTM", BL(), outs=["f32", "f32"], types=[], attrs=dict(fused_activation_function="TANH", time_major=False, merge_outputs=False),
     combos=[("merged", ["f32"] * 0 + [a and a.t for a in BL()], ["f32"], {"merge_outputs": True})], shapes=[(BL()[:39], {})])
VH = 'VAR_HANDLE() {container = "c", shared_name = "s"} : resource[]'
spec("ASSIGN_VARIABLE", [made("{n} = " + VH, "resource", []), x([2, 3])], outs=[])
spec("READ_VARIABLE", [made("{n} = " + VH + "\n%v = const : f32[2,3] fill const(7)\nASSIGN_VARIABLE({n}, %v)", "resource", [])], outs=["f32"], types=[], shapes=[([made("{n} = " + VH, "resource", [])], {})])
HT = lambda key, val: made(f"{{n}} = HASHTABLE() {{table_id = 1, key_dtype = {key}, value_dtype = {val}}} : resource[1]", "resource", [1])
IMPORT = lambda key, val, keys, vals: made(f"{{n}} = HASHTABLE() {{table_id = 1, key_dtype = {key}, value_dtype = {val}}} : resource[1]\n%k = const : {keys}\n%v = const : {vals}\nHASHTABLE_IMPORT({{n}}, %k, %v)", "resource", [1])
I2S = IMPORT("INT64", "STRING", "i64[2] = [1, 2]", 'str[2] = ["a", "b"]')
spec("HASHTABLE_IMPORT", [HT("INT64", "STRING"), k([1, 2], "i64"), k(["a", "b"], "str")], outs=[], types=[])
spec("HASHTABLE_FIND", [I2S, x([3], [2, 9, 1], "i64"), k(["none"], "str")], outs=["str"], types=[], combos=[])
spec("HASHTABLE_SIZE", [I2S], outs=["i64"], types=[])
SPARSE = lambda t: made(f'{{n}} = const : {t}[2,2] sparse(order = [0, 1], dense(2), csr(0, segments = u8 [0, 1, 1], indices = u8 [1])) = b"' + {"f32": "\\x00\\x00\\x80?", "f16": "\\x00<", "i8": "\\x07"}[t] + '"', t, [2, 2])
SPEC["DENSIFY"] = dict(ins=[SPARSE("f32")], outs=["f32"], attrs={}, types=[])
# never registered, or not probed with proper operands: does the loader know them at all?
spec("CONCAT_EMBEDDINGS DELEGATE STABLEHLO_LOGISTIC STABLEHLO_DIVIDE STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM "
     "STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR "
     "STABLEHLO_LOG STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH "
     "STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_SORT "
     "STABLEHLO_WHILE STABLEHLO_TRANSPOSE STABLEHLO_CBRT", [x([2, 3], t="f32")], outs=["f32"], types=[], known=1)


def outs_of(s, t):
    names = []
    for o in s["outs"]:
        o = t if o == "T" else o
        names.append((o, s["outq"][o]) if o in s.get("outq", {}) else o)
    return names


def retyped(a, t):
    if a is None or t is None:
        return None
    q = None
    if isinstance(t, tuple):
        t, q = t
    return A(a.kind, t, a.shape, a.vals, q or a.weight(t), a.lo, a.hi)


def cases(op):
    s = SPEC[op]
    if s.get("skip"):
        return
    extra, version = s.get("extra", ""), s.get("version")
    has_t = any(a is not None and a.t == "T" for a in s["ins"])
    main = s.get("main", "f32")
    if op.startswith(("LOGICAL", "REDUCE_A")):
        main = "bool"
    elif op in ("BITWISE_XOR", "RIGHT_SHIFT", "WHERE", "STABLEHLO_SHIFT_LEFT", "STABLEHLO_AND", "BITCAST"):
        main = "i32"

    def case(group, name, ins, outs, attrs=None):
        return Case(op, group, name, ins, outs, {**s["attrs"], **(attrs or {})}, extra, version)

    typed = [a and a.typed(main) for a in s["ins"]]
    if not has_t or s.get("types") == []:
        yield case("types", "base", typed, outs_of(s, main))
    for t in s.get("types", ALL) if has_t else []:
        yield case("types", t, [a and a.typed(t) for a in s["ins"]], outs_of(s, t))
    for name, types, outs, attrs in s.get("combos", []):
        yield case("combos", name, [retyped(a, t) for a, t in zip(s["ins"], types)], outs, attrs)
    for ins, attrs in s.get("shapes", []):
        name = " ".join("_" if a is None else f"{a.kind[0]}{a.shape}" + (str([z for z in a.vals]) if a.vals is not None and a.kind == "const" else "") + (a.t if a.t not in ("T", "i32", "f32") else "") for a in ins)
        yield case("shapes", name, [a and a.typed(main) for a in ins], outs_of(s, main), attrs)
    for ins in s.get("ranks", []):
        rank = len(next((a for a in ins if a is not None and a.t == "T"), ins[0]).shape)
        yield case("ranks", f"rank {rank}", [a and a.typed(main) for a in ins], outs_of(s, main), s.get("rank_attrs"))
    if s.get("known"):
        return
    if s.get("commute") or op in ("SELECT_V2", "PRELU"):
        for rank in range(2, 9):
            a, b = [[2, 1][n % 2] for n in range(rank)], [[1, 2][n % 2] for n in range(rank)]
            ins = [x(a), x(b)] if op not in ("SELECT_V2", "PRELU") else [x([2] * rank), w(b)] if op == "PRELU" else [x(a, t="bool"), x(b), x(a)]
            for t in dict.fromkeys([main, "i8q", "i32", "i64"]):
                yield case("broadcast", f"rank {rank}, axes in turn, {t}", [z.typed(t) for z in ins], outs_of(s, t))
    for drop in range(1, min(len(typed), 5) + 1):
        yield case("arity", f"{len(typed) - drop} operands", typed[:-drop], outs_of(s, main))
    for n in range(len(typed)):
        if typed[n] is not None and n > 0 and not (len(typed) > 10):
            yield case("arity", f"operand {n} left out", typed[:n] + [None] + typed[n + 1:], outs_of(s, main))
    yield case("arity", f"{len(typed) + 1} operands", typed + [x([1], t="f32")], outs_of(s, main))
    if s["outs"]:
        for other in ("i32", "f32", "i64", "i16"):
            outs = outs_of(s, main)
            first = outs[0][0] if isinstance(outs[0], tuple) else outs[0]
            if first != other and op not in ("CAST", "BITCAST", "QUANTIZE", "DEQUANTIZE"):
                yield case("rtype", f"{first} declared as {other}", typed, [other] + outs[1:])
    if has_t and "T" in s["outs"] and s.get("types", ALL):
        for t in ("i8q", "u8q", "i16q"):
            other = {"i8q": "q(0.1, -5)", "u8q": "q(0.1, 100)", "i16q": "q(0.001, 0)"}[t]
            ins = [a and a.typed(t) for a in s["ins"]]
            yield case("quant", f"{t} result differs", ins, [(t, other) if o == "T" else o for o in s["outs"]])
    for n, a in enumerate(typed):
        if a is not None and a.kind == "const":
            made = list(typed)
            made[n] = A("input", a.t, a.shape, a.vals, a.q, a.lo, a.hi)
            yield case("nonconst", f"operand {n}", made, outs_of(s, main))
    if s.get("act"):
        for t in (main, "i8q"):
            for act in ACTS:
                ins = [a and a.typed(t) for a in s["ins"]]
                if t == "i8q":
                    if not any(a is not None and a.t == "i8q" for a in ins):
                        continue
                    if op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
                        ins[-1] = retyped(ins[-1], "i32q")
                for a in ins:
                    if a is not None and base(a.t) == "f32" and a.vals is None:
                        a.lo, a.hi = (-9, 9) if a.kind == "input" else (-1, 1)
                yield case("acts", f"{act} {t}", ins, outs_of(s, t), {"fused_activation_function": act})
    if s.get("commute"):
        for t in (main,):
            ins = [A("const", t, [4], [1, 0, 2, 1]), A("const", t, [4], [0, 1, 1, 1])]
            yield case("values", "both operands constant", ins, outs_of(s, t))
    for name, ins, outs, attrs in s.get("values", []):
        yield case("values", name, ins, outs, attrs)


def opstr(a):
    if a is None:
        return "_"
    return f"{'' if a.kind == 'input' else a.kind + ' '}{a.t}{a.shape}" + (f" {a.q}" if a.q else "")


def measure(opt, case, shapes, resolver, source, path):
    text = model(case, shapes)
    if not os.path.exists(source) or open(source).read() != text:
        with open(source, "w") as f:
            f.write(text)
        if os.path.exists(path):
            os.remove(path)
        made = subprocess.run([opt, source, "--passes=", "-o", path], capture_output=True, text=True)
        if made.returncode:
            os.remove(source)
            return {"stage": "text", "delegated": "", "results": [], "values": "", "note": " ".join(made.stderr.split())[:200]}
    return in_child(case, path, resolver)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--opt", required=True)
    p.add_argument("--table")
    p.add_argument("--reuse", help="an earlier result, whose outcomes stand for cases that are still the same")
    p.add_argument("--out", default="op_probe.csv")
    p.add_argument("ops", nargs="*")
    args = p.parse_args()
    table = tomllib.load(open(args.table, "rb")) if args.table and os.path.exists(args.table) else {}
    import ai_edge_litert.interpreter  # noqa: F401  before forking

    counts, old = {}, {}
    if args.reuse:
        for row in csv.DictReader(open(args.reuse, newline="")):
            if "Invalid data-type" in row["note"]:
                continue
            for kernels in row["kernels"].split("+"):
                old[(*(row[c] for c in "op group case operands attributes".split()), kernels)] = row
    with open(args.out, "w", newline="") as file, tempfile.TemporaryDirectory() as folder:
        out = csv.writer(file, lineterminator="\n")
        out.writerow("op group case operands attributes kernels stage delegated result predicted match values note".split())
        for op in args.ops or SPEC:
            for case in cases(op):
                try:
                    predicted = predict(table.get(op, {}).get("shape", "unknown"), case)
                    predicted = [[int(d) for d in s] for s in predicted]
                except (Unknown, AttributeError, KeyError, IndexError, TypeError, ZeroDivisionError, ValueError):
                    predicted = None
                shapes, rows = SPEC[op].get("declared"), []
                for resolver in RESOLVERS:
                    about = (op, case.group, case.name, "; ".join(map(opstr, case.ins)),
                             " ".join(f"{key}={attrtext(val)}" for key, val in case.attrs.items()))
                    path = os.path.join(folder, "m.tflite")
                    source = os.path.join(folder, "m.tfg")
                    if (*about, resolver) in old:
                        row = old[(*about, resolver)]
                        got = {key: row[key] for key in ("stage", "delegated", "values", "note")}
                        got["results"] = [(r.partition("[")[0], [int(d) for d in r.partition("[")[2][:-1].split(",") if d.strip()])
                                          for r in row["result"].split("; ") if r]
                    else:
                        got = measure(args.opt, case, shapes, resolver, source, path)
                    if resolver == "ref" and got["results"]:
                        shapes = [s for _, s in got["results"]]
                    elif resolver == "ref" and predicted and len(predicted) == len(case.outs):
                        shapes = predicted
                    elif resolver == "ref" and case.ins and case.ins[0] is not None and case.outs:
                        shapes = [case.ins[0].shape] * len(case.outs)
                    measured = [s for _, s in got["results"]]
                    match = "" if predicted is None or got["stage"] != "ok" or not measured and case.outs else "yes" if measured == predicted else "NO"
                    counts[got["stage"]] = counts.get(got["stage"], 0) + 1
                    outcome = [got["stage"], "yes" if got["delegated"] == "yes" else "", "; ".join(f"{t}{s}" for t, s in got["results"]), "" if predicted is None else "; ".join(map(str, predicted)),
                                  match, got["values"], got["note"].replace(folder, "").strip()]
                    if rows and rows[-1][1] == outcome:
                        rows[-1][0] += "+" + resolver
                    else:
                        rows.append([resolver, outcome])
                out.writerows([*about, kernels, *outcome] for kernels, outcome in rows)
            file.flush()
    print(counts, file=sys.stderr)


if __name__ == "__main__":
    main()
