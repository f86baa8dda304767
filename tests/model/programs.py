"""Programs of RDD operators as plain data, and how an engine runs them.

A program is a tuple of instructions. Each instruction makes one RDD, named by
its position, from earlier ones: `("reduceByKey", 0, "last", 3)`. Functions are
named, so that a program can be printed, pickled and run on any engine that has
PySpark's API. `reference` says what every program must give; `strategies`
draws programs. This module imports neither, and nothing of any engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Instruction = tuple[Any, ...]
Program = tuple[Instruction, ...]


def text(record: Any) -> str:
    """A total order and an exact equality for records of any type."""
    return repr(record)


def kind_of(record: Any) -> str:
    """The type's name: one of a closed set of strings."""
    return type(record).__name__


MAPS: dict[str, Callable[[Any], Any]] = {
    "same": lambda x: x,
    "text": lambda x: repr(x),
    "size": lambda x: len(repr(x)),
    "couple": lambda x: (x, None),
    "none": lambda x: None,
}
PREDICATES: dict[str, Callable[[Any], Any]] = {
    "all": lambda x: 1,
    "no": lambda x: None,
    "short": lambda x: len(repr(x)) < 4,
    "odd": lambda x: len(repr(x)) % 2,
}
EXPANSIONS: dict[str, Callable[[Any], Any]] = {
    "twice": lambda x: [x, x],
    "never": lambda x: (),
    "lazy": lambda x: (x for _ in range(len(repr(x)) % 3)),
}
KEYS: dict[str, Callable[[Any], Any]] = {
    "kind": lambda x: type(x).__name__,
    "size": lambda x: len(repr(x)),
    "parity": lambda x: len(repr(x)) % 2 == 0,
    "nested": lambda x: (type(x).__name__, None, (len(repr(x)) % 3,)),
    "none": lambda x: None,
    "negative": lambda x: -len(repr(x)),
    "half": lambda x: len(repr(x)) / 2,
    "huge": lambda x: 10**20 + len(repr(x)),
}
#: Associative, so that the result does not depend on where partitions end.
MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "first": lambda a, b: a,
    "last": lambda a, b: b,
    "greatest": lambda a, b: max(a, b, key=repr),
}
PARTS: dict[str, Callable[[Any], Any]] = {
    "reversed": lambda it: list(it)[::-1],
    "count": lambda it: [sum(1 for _ in it)],
    "drop_one": lambda it: list(it)[1:],
    "nothing": lambda it: [],
}
INDEXED: dict[str, Callable[[int, Any], Any]] = {
    "tag": lambda i, it: ((i, x) for x in it),
    "first_only": lambda i, it: it if i == 0 else (),
}


def _append(acc: list[Any], value: Any) -> list[Any]:
    acc.append(value)
    return acc


def _extend(acc: list[Any], more: list[Any]) -> list[Any]:
    acc.extend(more)
    return acc


def _lists(groups: Any) -> Any:
    return tuple(list(group) for group in groups)


def outcome(expression: Callable[[], Any]) -> Any:
    """The value, or that there was an error: there may be no record."""
    try:
        return expression()
    except ValueError:
        return "ValueError"


#: name -> f(engine, parent RDDs, arguments): how an engine makes the RDD.
Make = Callable[[Any, list[Any], tuple[Any, ...]], Any]
MAKE: dict[str, Make] = {
    "parallelize": lambda e, p, a: e.sc.parallelize(list(a[0]), a[1]),
    "range": lambda e, p, a: e.sc.range(*a),
    "empty": lambda e, p, a: e.sc.emptyRDD(),
    "map": lambda e, p, a: p[0].map(MAPS[a[0]]),
    "filter": lambda e, p, a: p[0].filter(PREDICATES[a[0]]),
    "flatMap": lambda e, p, a: p[0].flatMap(EXPANSIONS[a[0]]),
    "mapPartitions": lambda e, p, a: p[0].mapPartitions(PARTS[a[0]]),
    "mapPartitionsWithIndex": lambda e, p, a: p[0].mapPartitionsWithIndex(INDEXED[a[0]]),
    "keyBy": lambda e, p, a: p[0].keyBy(KEYS[a[0]]),
    "glom": lambda e, p, a: p[0].glom(),
    "zipWithIndex": lambda e, p, a: p[0].zipWithIndex(),
    "zipWithUniqueId": lambda e, p, a: p[0].zipWithUniqueId(),
    "zipWithMap": lambda e, p, a: p[0].zip(p[0].map(MAPS[a[0]])),
    "coalesce": lambda e, p, a: p[0].coalesce(a[0]),
    "repartitionAndSort": lambda e, p, a: p[0].repartition(a[0]).sortBy(text, True, a[1]),
    "cartesianAndSort": lambda e, p, a: p[0].cartesian(p[1]).sortBy(text, True, a[0]),
    "sample": lambda e, p, a: p[0].sample(False, a[0], a[1]),
    "randomSplit": lambda e, p, a: p[0].randomSplit(list(a[0]), a[1])[a[2]],
    "sortBy": lambda e, p, a: p[0].sortBy(KEYS["size"] if a[0] else text, a[1], a[2]),
    "distinct": lambda e, p, a: p[0].distinct(a[0]),
    "groupBy": lambda e, p, a: p[0].groupBy(KEYS[a[0]], a[1]).mapValues(list),
    "subtract": lambda e, p, a: p[0].subtract(p[1], a[0]),
    "intersection": lambda e, p, a: p[0].intersection(p[1]),
    "union": lambda e, p, a: p[0].union(p[1]),
    "keys": lambda e, p, a: p[0].keys(),
    "values": lambda e, p, a: p[0].values(),
    "mapValues": lambda e, p, a: p[0].mapValues(MAPS[a[0]]),
    "flatMapValues": lambda e, p, a: p[0].flatMapValues(EXPANSIONS[a[0]]),
    "reduceByKey": lambda e, p, a: p[0].reduceByKey(MERGES[a[0]], a[1]),
    "groupByKey": lambda e, p, a: p[0].groupByKey(a[0]).mapValues(list),
    "combineByKey": lambda e, p, a: p[0].combineByKey(lambda v: [v], _append, _extend, a[0]),
    "aggregateByKey": lambda e, p, a: p[0].aggregateByKey([], _append, _extend, a[0]),
    "partitionBy": lambda e, p, a: p[0].partitionBy(a[0]),
    "join": lambda e, p, a: p[0].join(p[1], a[0]),
    "leftOuterJoin": lambda e, p, a: p[0].leftOuterJoin(p[1], a[0]),
    "rightOuterJoin": lambda e, p, a: p[0].rightOuterJoin(p[1], a[0]),
    "fullOuterJoin": lambda e, p, a: p[0].fullOuterJoin(p[1], a[0]),
    "cogroup": lambda e, p, a: p[0].cogroup(p[1], a[0]).mapValues(_lists),
    "subtractByKey": lambda e, p, a: p[0].subtractByKey(p[1], a[0]),
    "repartition": lambda e, p, a: p[0].repartition(a[0]),
    "cartesian": lambda e, p, a: p[0].cartesian(p[1]),
    "sampleWith": lambda e, p, a: p[0].sample(True, a[0], a[1]),
    "sampleByKey": lambda e, p, a: (
        p[0].keyBy(KEYS["parity"]).sampleByKey(a[0], {True: 0.5, False: 0.9}, a[1])
    ),
    "union3": lambda e, p, a: e.sc.union([p[0], p[0].map(MAPS["same"]), p[0]]),
    # Without a key function, whose values PySpark compares with bare keys.
    "sortByKey": lambda e, p, a: p[0].map(lambda kv: (repr(kv[0]), kv[1])).sortByKey(a[0], a[1]),
    "sortWithin": lambda e, p, a: p[0].repartitionAndSortWithinPartitions(
        a[0], ascending=a[1], keyfunc=text
    ),
    "foldByKey": lambda e, p, a: p[0].foldByKey("zero", MERGES[a[0]], a[1]),
    "partitionBySize": lambda e, p, a: p[0].partitionBy(a[0], KEYS["size"]),
    "mapKeeping": lambda e, p, a: p[0].map(MAPS["same"], True),
    "groupWith": lambda e, p, a: p[0].groupWith(p[1], p[0]).mapValues(_lists),
    "persist": lambda e, p, a: p[0].map(MAPS["same"]).persist(getattr(e.levels, a[0])),
}
#: How many of an instruction's arguments name parents.
PARENTS = {
    "parallelize": 0,
    "range": 0,
    "empty": 0,
    **dict.fromkeys(
        (
            "cartesianAndSort",
            "subtract",
            "intersection",
            "union",
            "join",
            "leftOuterJoin",
            "rightOuterJoin",
            "fullOuterJoin",
            "cogroup",
            "subtractByKey",
            "cartesian",
            "groupWith",
        ),
        2,
    ),
}

#: name -> f(rdd, arguments): what is looked at; always plain, printable data.
LOOK: dict[str, Callable[[Any, tuple[Any, ...]], Any]] = {
    "glom": lambda r, a: r.glom().collect(),
    "collect": lambda r, a: r.collect(),
    "count": lambda r, a: r.count(),
    "partitions": lambda r, a: r.getNumPartitions(),
    "isEmpty": lambda r, a: r.isEmpty(),
    "take": lambda r, a: r.take(a[0]),
    "takeOrdered": lambda r, a: r.takeOrdered(a[0], key=text),
    "top": lambda r, a: r.top(a[0], key=text),
    "localIterator": lambda r, a: list(r.toLocalIterator()),
    "fold": lambda r, a: r.map(MAPS["size"]).fold(0, lambda x, y: x + y),
    "treeReduce": lambda r, a: r.map(MAPS["size"]).treeAggregate(
        0, lambda x, y: x + y, lambda x, y: x + y, a[0]
    ),
    "countByValue": lambda r, a: sorted(r.map(KEYS["kind"]).countByValue().items()),
    "takeSample": lambda r, a: r.takeSample(*a),
    "stats": lambda r, a: str(r.map(KEYS["size"]).stats()),
    "histogram": lambda r, a: outcome(lambda: r.map(KEYS["size"]).histogram(a[0])),
    "first": lambda r, a: outcome(r.first),
    "reduce": lambda r, a: outcome(lambda: r.reduce(MERGES[a[0]])),
    "extremes": lambda r, a: outcome(lambda: (r.min(key=text), r.max(key=text))),
    "runJob": lambda r, a: r.ctx.runJob(r, lambda part: [len(list(part))]),
}


class Engine:
    """Runs programs on a context; `levels` is the engine's `StorageLevel`."""

    def __init__(self, sc: Any, levels: Any) -> None:
        self.sc = sc
        self.levels = levels

    def run(self, program: Program, looks: Program) -> list[str]:
        """What each look shows, as text: exact in types, and NaN equals NaN.

        A look is `(name, rdd, arguments...)`.
        """
        rdds: list[Any] = []
        for name, *arguments in program:
            parents = PARENTS.get(name, 1)
            made = MAKE[name](
                self, [rdds[i] for i in arguments[:parents]], tuple(arguments[parents:])
            )
            rdds.append(made)
        shown = [repr(LOOK[name](rdds[i], tuple(arguments))) for name, i, *arguments in looks]
        for (name, *_), rdd in zip(program, rdds):
            if name == "persist":
                rdd.unpersist()
        return shown
