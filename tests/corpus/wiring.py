"""Whether two graphs are wired alike, up to the names of tensors and the order of DEQUANTIZE ops.

Both sides come as the oracle's operators: [kind, version, input names or null, output names]. An operand that a
DEQUANTIZE produces is replaced by its source and a mark, and the DEQUANTIZE ops themselves are set aside and counted.
The names of the rest must map one to one, in the order of the operators, and be equal except for the sources of
DEQUANTIZE ops: where such a one was a graph output, the legacy tool gives the output a new name, and ours the source.
"""

from collections import Counter


class Unlike(Exception):
    """The first place where the two differ."""


def resolve(ops):
    """The operators without DEQUANTIZE, operands as (dequantised how often, name); and the sources dequantised."""
    source = {}
    sources, rest = [], []
    for kind, version, inputs, outputs in ops:
        if kind == "DEQUANTIZE":
            sources.append(inputs[0])
            if outputs[0] != inputs[0]:  # an exporter may give both one name; then there is nothing to follow
                source[outputs[0]] = inputs[0]
        else:
            rest.append((kind, version, inputs, outputs))

    def origin(name):
        depth = 0
        while name in source and depth < 9:
            name, depth = source[name], depth + 1
        return depth, name

    return [(k, v, [n if n is None else origin(n) for n in i], o) for k, v, i, o in rest], sources


class Names:
    """A bijection that grows; names that stand for several tensors, or for none, are not held to it."""

    def __init__(self, ambiguous, renamable):
        self.there, self.back, self.ambiguous, self.renamable = {}, {}, ambiguous, renamable

    def pair(self, theirs, ours, where):
        if theirs in self.ambiguous or ours in self.ambiguous:
            return
        if theirs != ours and theirs not in self.renamable:
            raise Unlike(f"{where}: {theirs!r} is {ours!r} here")
        if self.there.setdefault(theirs, ours) != ours or self.back.setdefault(ours, theirs) != theirs:
            raise Unlike(f"{where}: {theirs!r} is {ours!r} here and {self.there[theirs]!r} elsewhere")


def compare(theirs, ours, ambiguous=()):
    """Raises `Unlike`, or returns the names' map and the versions that differ as a count of (kind, theirs, ours)."""
    a_ops, a_sources = resolve(theirs)
    b_ops, b_sources = resolve(ours)
    if [o[0] for o in a_ops] != [o[0] for o in b_ops]:
        raise Unlike(f"operators: {excess(a_ops, b_ops)}")
    names, versions = Names({"", *ambiguous}, set(a_sources)), Counter()
    for position, (a, b) in enumerate(zip(a_ops, b_ops)):
        where = f"op {position} {a[0]}"
        if a[1] != b[1]:
            versions[(a[0], a[1], b[1])] += 1
        if len(a[2]) != len(b[2]) or len(a[3]) != len(b[3]):
            raise Unlike(f"{where}: {len(a[2])}→{len(a[3])} operands against {len(b[2])}→{len(b[3])}")
        for slot, (x, y) in enumerate(zip(a[2], b[2])):
            place = f"{where} input {slot}"
            if (x is None) != (y is None):
                raise Unlike(f"{place}: one side has no operand")
            if x is None:
                continue
            if x[0] != y[0]:
                raise Unlike(f"{place}: dequantised {x[0]} times against {y[0]} times ({x[1]!r})")
            names.pair(x[1], y[1], place)
        for slot, (x, y) in enumerate(zip(a[3], b[3])):
            names.pair(x, y, f"{where} output {slot}")
    mapped = Counter(names.there.get(s, s) for s in a_sources)
    if len(a_sources) != len(b_sources) or (mapped != Counter(b_sources) and not names.ambiguous & {*a_sources, *b_sources}):
        raise Unlike(f"DEQUANTIZE of {sorted(mapped - Counter(b_sources))} against {sorted(Counter(b_sources) - mapped)}")
    versions.update(dequantize_versions(theirs, ours))
    return names.there, versions


def excess(a_ops, b_ops):
    a, b = Counter(o[0] for o in a_ops), Counter(o[0] for o in b_ops)
    return f"only theirs {dict(a - b)}, only ours {dict(b - a)}" if a != b else "another order"


def dequantize_versions(theirs, ours):
    a, b = (Counter(o[1] for o in ops if o[0] == "DEQUANTIZE") for ops in (theirs, ours))
    if a == b:
        return Counter()
    left, right = sorted((a - b).elements()), sorted((b - a).elements())
    return Counter(("DEQUANTIZE", x, y) for x, y in zip(left, right))
