"""What a program must give: PySpark's rules over plain lists of partitions.

Slow and obvious on purpose; it shares no code with any engine. Where PySpark's
partition boundaries come from a sample (sorts), only the order is promised:
such a `Table` is not `exact` and its partitions are not looked at.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from programs import EXPANSIONS, INDEXED, KEYS, MAPS, MERGES, PARENTS, PARTS, PREDICATES, text

STRINGS = ("", "a", "b", "ab", "é", "日本", "0", "None", "\U0001f600")
BYTES = (b"", b"a", b"\xff\x00")
KINDS = ("NoneType", "bool", "int", "float", "str", "bytes", "tuple", "list")


@dataclass(frozen=True)
class Table:
    """The partitions of an RDD, and what is known about it."""

    parts: list[list[Any]]
    #: "plain": hashable and equal to itself; "pair": its keys are; "any".
    kind: str
    exact: bool = True
    #: Number of partitions of the hash partitioner, if there is one.
    hashed: int | None = None

    @property
    def flat(self) -> list[Any]:
        return [record for part in self.parts for record in part]

    @property
    def size(self) -> int:
        return len(self.parts)


@cache
def seeded_hashes() -> dict[Any, int]:
    """`hash()` of the strings and bytes in use in a process with hash seed 0."""
    words = [*STRINGS, *KINDS, *BYTES]
    code = f"print([hash(w) for w in {words!r}])"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return dict(zip(words, map(int, shown.strip("[]\n").split(", ")), strict=True))


def placed(key: Any) -> int:
    """PySpark's `portable_hash`, with the strings' hashes looked up."""
    if key is None:
        return 0
    if isinstance(key, tuple):
        value = 0x345678
        for item in key:
            value = ((value ^ placed(item)) * 1000003) & sys.maxsize
        value ^= len(key)
        return -2 if value == -1 else value
    if isinstance(key, str | bytes):
        return seeded_hashes()[key]
    return hash(key)


def sliced(data: list[Any], slices: int) -> list[list[Any]]:
    """PySpark slices batches of records, not records."""
    batch = max(1, min(len(data) // slices, 1024))
    batches = [data[i : i + batch] for i in range(0, len(data), batch)]
    n = len(batches)
    return [
        [x for b in batches[i * n // slices : (i + 1) * n // slices] for x in b]
        for i in range(slices)
    ]


def scattered(records: list[Any], size: int) -> list[list[Any]]:
    parts: list[list[Any]] = [[] for _ in range(size)]
    for record in records:
        parts[placed(record[0]) % size].append(record)
    return parts


def grouped(pairs: list[Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def by_key(table: Table, size: int | None, kind: str = "pair") -> tuple[list[dict[Any, Any]], int]:
    """The groups of each partition after a shuffle, keys in order of arrival."""
    size = size or table.size
    parts = scattered(table.flat, size) if size else []
    return [grouped(part) for part in parts], size


def union(left: Table, right: Table) -> Table:
    kind = left.kind if left.kind == right.kind else "any"
    if left.hashed is not None and left.hashed == right.hashed:
        parts = [a + b for a, b in zip(left.parts, right.parts, strict=True)]
        return Table(parts, kind, True, left.hashed)
    return Table(left.parts + right.parts, kind, left.exact and right.exact)


def cogrouped(left: Table, right: Table, size: int | None) -> Table:
    def tagged(table: Table, tag: int) -> Table:
        parts = [[(k, (tag, v)) for k, v in part] for part in table.parts]
        return Table(parts, "pair", table.exact, table.hashed)

    groups, size = by_key(union(tagged(left, 0), tagged(right, 1)), size)
    parts = [
        [(k, tuple([v for t, v in vs if t == tag] for tag in (0, 1))) for k, vs in group.items()]
        for group in groups
    ]
    return Table(parts, "pair", True, size)


def joined(name: str, left: Table, right: Table, size: int | None) -> Table:
    both = cogrouped(left, right, size)

    def pairs(mine: list[Any], others: list[Any]) -> list[Any]:
        if name in ("rightOuterJoin", "fullOuterJoin"):
            mine = mine or [None]
        if name in ("leftOuterJoin", "fullOuterJoin"):
            others = others or [None]
        return [(a, b) for a in mine for b in others]

    parts = [[(k, p) for k, vs in part for p in pairs(*vs)] for part in both.parts]
    return Table(parts, "pair", True, both.hashed)


def sorted_table(table: Table, key: Any, ascending: bool, size: int | None) -> Table:
    size = size or table.size
    if not table.size:
        return Table([], table.kind, True)  # no partition is there to be sorted
    if not table.flat and size != 1:
        return Table(table.parts, table.kind, False)
    order = sorted(table.flat, key=key, reverse=not ascending)
    return Table([order, *[[] for _ in range(size - 1)]], table.kind, size == 1)


def sampled(table: Table, low: float, high: float, seed: int) -> list[list[Any]]:
    def of_part(split: int, part: list[Any]) -> list[Any]:
        generator = random.Random(seed ^ split)
        for _ in range(10):
            generator.randint(0, 1)
        return [x for x in part if low <= generator.random() < high]

    return [of_part(split, part) for split, part in enumerate(table.parts)]


def narrow(table: Table, parts: list[list[Any]], kind: str = "any", keep: bool = False) -> Table:
    return Table(parts, kind, table.exact, table.hashed if keep else None)


def step(tables: list[Table], instruction: tuple[Any, ...]) -> Table:
    """The table that `instruction` makes from `tables`."""
    name, *rest = instruction
    count = PARENTS.get(name, 1)
    parents = [tables[i] for i in rest[:count]]
    a = rest[count:]
    if count == 0:
        return source(name, a)
    if name in UNFORETOLD:
        return roughly(name, parents, a)
    if count == 2:
        return binary(name, parents[0], parents[1], a)
    return shuffled(name, parents[0], a) or one_parent(name, parents[0], a)


def source(name: str, a: list[Any]) -> Table:
    if name == "range":
        start, end, stride, slices = a
        numbers = range(start, end, stride)
        cut = [i * len(numbers) // slices for i in range(slices + 1)]
        return Table([list(numbers[i:j]) for i, j in itertools.pairwise(cut)], "plain")
    if name == "empty":
        return Table([], "plain")
    data, slices = a
    pairs = bool(data) and all(isinstance(x, tuple) and len(x) == 2 for x in data)
    return Table(sliced(list(data), slices), "pair" if pairs else "plain")


#: What the reference cannot foretell; it says how large it is, and of what kind.
UNFORETOLD = {
    "repartition",
    "cartesian",
    "sampleWith",
    "sampleByKey",
    "union3",
    "sortByKey",
    "sortWithin",
    "foldByKey",
    "partitionBySize",
    "mapKeeping",
    "groupWith",
}


def roughly(name: str, parents: list[Table], a: list[Any]) -> Table:
    """A table of the right kind and about the right size, for drawing only."""
    t = parents[0]
    size = t.size
    if name in ("repartition", "sortWithin", "partitionBySize"):
        size = a[0]
    elif name in ("sortByKey", "foldByKey"):
        size = a[1] or t.size
    elif name == "cartesian":
        size = t.size * parents[1].size
    elif name == "groupWith":
        size = 2 * t.size + parents[1].size
    elif name == "union3":
        size = 3 * t.size
    records, kind = t.flat, t.kind
    if name == "cartesian":
        records = [(x, y) for x in t.flat for y in parents[1].flat]
        kind = "pair" if t.kind == "plain" else "any"
    elif name == "groupWith":
        records = [(k, ([], [], [])) for k, _ in t.flat + parents[1].flat]
        kind = "pair"
    elif name == "sampleByKey":
        records, kind = [(KEYS["parity"](x), x) for x in t.flat], "pair"
    elif name == "union3":
        records = t.flat * 3
    elif name == "foldByKey":
        # The zero is a string, and any value may be the greatest.
        kind = "pair"
    return Table([records, *[[]] * (size - 1)] if size else [], kind, False)


def binary(name: str, left: Table, right: Table, a: list[Any]) -> Table:
    if name == "union":
        return union(left, right)
    if name == "cartesianAndSort":
        product = [(x, y) for x in left.flat for y in right.flat]
        size = left.size * right.size
        whole = Table([product, *[[]] * (size - 1)] if size else [], "any")
        return sorted_table(whole, text, True, a[0])
    if name == "cogroup":
        return cogrouped(left, right, a[0])
    if name == "subtractByKey":
        both = cogrouped(left, right, a[0])
        parts = [[(k, v) for k, (vs, ws) in p if not ws for v in vs] for p in both.parts]
        return Table(parts, "pair", True, both.hashed)
    if name in ("subtract", "intersection"):
        keyed = [narrow(t, [[(x, 1) for x in p] for p in t.parts]) for t in (left, right)]
        both = cogrouped(keyed[0], keyed[1], a[0] if a else None)
        if name == "subtract":
            parts = [[k for k, (vs, ws) in p if not ws for _ in vs] for p in both.parts]
        else:
            parts = [[k for k, (vs, ws) in p if vs and ws] for p in both.parts]
        return Table(parts, "plain")
    return joined(name, left, right, a[0])


def shuffled(name: str, t: Table, a: list[Any]) -> Table | None:
    if name == "partitionBy":
        if t.hashed == a[0]:
            return t
        return Table(scattered(t.flat, a[0]), "pair", True, a[0])
    if name == "distinct":
        keyed = narrow(t, [[(x, None) for x in p] for p in t.parts])
        groups, _ = by_key(keyed, a[0])
        return Table([list(g) for g in groups], t.kind)
    if name == "groupBy":
        keyed = narrow(t, [[(KEYS[a[0]](x), x) for x in p] for p in t.parts])
        groups, size = by_key(keyed, a[1])
        return Table([list(g.items()) for g in groups], "pair", True, size)
    if name == "reduceByKey":
        groups, size = by_key(t, a[1])
        parts = [[(k, merged(MERGES[a[0]], vs)) for k, vs in g.items()] for g in groups]
        return Table(parts, "pair", True, size)
    if name in ("groupByKey", "combineByKey", "aggregateByKey"):
        groups, size = by_key(t, a[0])
        return Table([list(g.items()) for g in groups], "pair", True, size)
    if name == "sortBy":
        return sorted_table(t, KEYS["size"] if a[0] else text, a[1], a[2])
    if name == "repartitionAndSort":
        whole = Table([t.flat, *[[]] * (a[0] - 1)], t.kind)
        return sorted_table(whole, text, True, a[1])
    return None


def merged(merge: Any, values: list[Any]) -> Any:
    result = values[0]
    for value in values[1:]:
        result = merge(result, value)
    return result


def one_parent(name: str, t: Table, a: list[Any]) -> Table:
    parts, size = t.parts, t.size
    if name in ("map", "persist"):
        f = MAPS["same" if name == "persist" else a[0]]
        kind = t.kind if f is MAPS["same"] else "any"
        return narrow(t, [[f(x) for x in p] for p in parts], kind)
    if name == "filter":
        keep = PREDICATES[a[0]]
        return narrow(t, [[x for x in p if keep(x)] for p in parts], t.kind, True)
    if name == "flatMap":
        return narrow(t, [[y for x in p for y in EXPANSIONS[a[0]](x)] for p in parts], t.kind)
    if name == "mapPartitions":
        kind = "plain" if a[0] == "count" else t.kind
        return narrow(t, [list(PARTS[a[0]](iter(p))) for p in parts], kind)
    if name == "mapPartitionsWithIndex":
        kind = "pair" if a[0] == "tag" else t.kind
        return narrow(t, [list(INDEXED[a[0]](i, p)) for i, p in enumerate(parts)], kind)
    if name == "keyBy":
        return narrow(t, [[(KEYS[a[0]](x), x) for x in p] for p in parts], "pair")
    if name == "glom":
        return narrow(t, [[p] for p in parts])
    if name == "zipWithIndex":
        numbers = iter(range(len(t.flat)))
        return narrow(t, [[(x, next(numbers)) for x in p] for p in parts])
    if name == "zipWithUniqueId":
        return narrow(
            t, [[(x, n * size + i) for n, x in enumerate(p)] for i, p in enumerate(parts)]
        )
    if name == "zipWithMap":
        return narrow(t, [[(x, MAPS[a[0]](x)) for x in p] for p in parts])
    if name == "coalesce":
        wanted = min(a[0], size)
        cut = [i * size // wanted for i in range(wanted + 1)] if wanted else []
        return narrow(
            t, [[x for p in parts[i:j] for x in p] for i, j in itertools.pairwise(cut)], t.kind
        )
    if name == "sample":
        return narrow(t, sampled(t, -1.0, a[0], a[1]), t.kind, True)
    if name == "randomSplit":
        edges = [0.0]
        for weight in a[0]:
            edges.append(edges[-1] + weight / float(sum(a[0])))
        return narrow(t, sampled(t, edges[a[2]], edges[a[2] + 1], a[1]), t.kind, True)
    if name == "keys":
        return narrow(t, [[k for k, _ in p] for p in parts], "plain")
    if name == "values":
        return narrow(t, [[v for _, v in p] for p in parts])
    if name == "mapValues":
        return narrow(t, [[(k, MAPS[a[0]](v)) for k, v in p] for p in parts], "pair", True)
    if name == "flatMapValues":
        expand = EXPANSIONS[a[0]]
        return narrow(t, [[(k, w) for k, v in p for w in expand(v)] for p in parts], "pair", True)
    raise AssertionError(name)


def look(table: Table, name: str, arguments: tuple[Any, ...]) -> str:
    """What `Engine.run` must show for one look."""
    flat = table.flat
    answers: dict[str, Any] = {
        "glom": lambda: table.parts,
        "collect": lambda: flat,
        "count": lambda: len(flat),
        "partitions": lambda: table.size,
        "isEmpty": lambda: not flat,
        "take": lambda: flat[: arguments[0]],
        "takeOrdered": lambda: sorted(flat, key=text)[: arguments[0]],
        "top": lambda: sorted(flat, key=text, reverse=True)[: arguments[0]],
        "localIterator": lambda: flat,
        "fold": lambda: sum(len(repr(x)) for x in flat),
        "treeReduce": lambda: sum(len(repr(x)) for x in flat),
        "countByValue": lambda: sorted(Counter(map(KEYS["kind"], flat)).items()),
    }
    return repr(answers[name]())


def run(program: tuple[Any, ...], looks: tuple[Any, ...]) -> list[str]:
    """What the whole program must show."""
    tables: list[Table] = []
    for instruction in program:
        tables.append(step(tables, instruction))
    return [look(tables[i], name, tuple(arguments)) for name, i, *arguments in looks]
