"""Promise 8: what users' functions raise neither hangs, nor hides, nor ends a partition early.

Every operator that takes a function, times errors that code between the user
and the driver may mistake for its own: `StopIteration`, which ends loops of C,
`GeneratorExit`, `SystemExit`, exceptions that cannot be pickled or unpickled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minispark import AccumulatorParam

pytestmark = pytest.mark.own_context

RECORDS = 40
#: In the middle of a partition: what ends a loop here truncates it.
BAD = 27


@pytest.fixture(scope="module", params=["local", "local-process[2]"])
def breakable(request: pytest.FixtureRequest, open_context: Callable[..., Any]) -> Iterator[Any]:
    context = open_context(request.param)
    yield context
    context.stop()


class Unpicklable(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Unloadable(Exception):
    def __init__(self, a: str, b: str) -> None:
        super().__init__(a + b)


class Base(BaseException):
    """Not an Exception."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "StopIteration": lambda: StopIteration("marked"),
    "StopAsyncIteration": lambda: StopAsyncIteration("marked"),
    "GeneratorExit": lambda: GeneratorExit("marked"),
    "SystemExit": lambda: SystemExit("marked"),
    "BaseException": lambda: Base("marked"),
    "Unpicklable": lambda: Unpicklable("marked"),
    "Unloadable": lambda: Unloadable("mar", "ked"),
    "not UTF-8": lambda: ValueError("marked \udce9"),
    "MemoryError": lambda: MemoryError("marked"),
    "RecursionError": lambda: RecursionError("marked"),
    "EOFError": lambda: EOFError("marked"),
    "KeyError": lambda: KeyError("marked"),
    "StopIteration in a cause": lambda: RuntimeError("marked", StopIteration()),
}


class Key:
    """A key whose comparison, hash and equality may raise."""

    def __init__(self, number: int, fail: Callable[[Any], Any], where: str) -> None:
        self.number, self.fail, self.where = number, fail, where

    def __hash__(self) -> int:
        if self.where == "hash":
            self.fail(self.number)
        return self.number % 5

    def __eq__(self, other: object) -> bool:
        if self.where == "eq":
            self.fail(self.number)
        return isinstance(other, Key) and self.number == other.number

    def __lt__(self, other: Any) -> bool:
        if self.where == "lt":
            self.fail(self.number)
        return bool(self.number < other.number)


def pairs(rdd: Any) -> Any:
    return rdd.map(lambda x: (x % 3, x))


def lazily(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The partitions' records, passed through by a generator of the user."""

    def generate(records: Any) -> Any:
        for x in records:
            yield f(x)

    return generate


def by_map(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same by `map`, which raises in a loop of ours."""
    return lambda records: map(f, records)


#: What a user's function may be given to; `f` returns its argument or raises.
OPERATIONS: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "map": lambda r, f: r.map(f).collect(),
    "filter": lambda r, f: r.filter(lambda x: f(x) is not None).collect(),
    "flatMap": lambda r, f: r.flatMap(lambda x: [f(x)]).collect(),
    "flatMap of a map": lambda r, f: r.flatMap(lambda x: map(f, [x])).collect(),
    "mapPartitions generator": lambda r, f: r.mapPartitions(lazily(f)).collect(),
    "mapPartitions map": lambda r, f: r.mapPartitions(by_map(f)).collect(),
    "mapPartitions list": lambda r, f: r.mapPartitions(lambda it: [f(x) for x in it]).collect(),
    "mapPartitionsWithIndex": lambda r, f: r.mapPartitionsWithIndex(
        lambda _i, it: (f(x) for x in it)
    ).collect(),
    "mapPartitions then map": lambda r, f: r.mapPartitions(by_map(f)).map(str).count(),
    "several steps": lambda r, f: r.map(str).map(int).map(f).filter(bool).map(str).collect(),
    "keyBy": lambda r, f: r.keyBy(f).collect(),
    "mapValues": lambda r, f: pairs(r).mapValues(f).collect(),
    "flatMapValues": lambda r, f: pairs(r).flatMapValues(lambda x: [f(x)]).collect(),
    "groupBy": lambda r, f: r.groupBy(lambda x: f(x) % 3).count(),
    "reduceByKey": lambda r, f: pairs(r).reduceByKey(lambda a, b: f(b) and a, 2).collect(),
    "reduceByKey reduce side": lambda r, f: r.map(lambda x: (x % 20, x))
    .coalesce(8)
    .reduceByKey(lambda a, b: f(27) and a + b, 1)
    .collect(),
    "foldByKey": lambda r, f: pairs(r).foldByKey(0, lambda a, b: f(b) and a, 2).collect(),
    "aggregateByKey": lambda r, f: pairs(r)
    .aggregateByKey(0, lambda a, b: f(b) and a, lambda a, b: a, 2)
    .collect(),
    "combineByKey create": lambda r, f: r.map(lambda x: (x, x))
    .combineByKey(f, lambda a, b: a, lambda a, b: a, 2)
    .collect(),
    "combineByKey merge": lambda r, f: pairs(r)
    .combineByKey(lambda x: x, lambda a, b: a, lambda a, b: f(27), 1)
    .collect(),
    "partitionBy": lambda r, f: pairs(r).map(lambda kv: (kv[1], 1)).partitionBy(3, f).count(),
    "sortBy": lambda r, f: r.sortBy(f).collect(),
    "sortByKey keyfunc": lambda r, f: r.map(lambda x: (x, 1)).sortByKey(keyfunc=f).collect(),
    "top": lambda r, f: r.top(3, key=f),
    "takeOrdered": lambda r, f: r.takeOrdered(3, key=f),
    "max": lambda r, f: r.max(key=f),
    "min": lambda r, f: r.min(key=f),
    "reduce": lambda r, f: r.reduce(lambda a, b: f(b) and a),
    "fold": lambda r, f: r.fold(0, lambda a, b: f(b) and a),
    "aggregate": lambda r, f: r.aggregate(0, lambda a, b: f(b) and a, lambda a, b: a),
    "treeReduce": lambda r, f: r.treeReduce(lambda a, b: f(b) and a),
    "treeAggregate": lambda r, f: r.treeAggregate(0, lambda a, b: f(b) and a, lambda a, b: a),
    "foreach": lambda r, f: r.foreach(f),
    "foreachPartition": lambda r, f: r.foreachPartition(lambda it: [f(x) for x in it]),
    "count": lambda r, f: r.map(f).count(),
    "sum": lambda r, f: r.map(f).sum(),
    "stats": lambda r, f: r.map(f).stats(),
    "histogram": lambda r, f: r.map(f).histogram([0, 20, 100]),
    "countByValue": lambda r, f: r.map(f).countByValue(),
    "countByKey": lambda r, f: r.map(lambda x: (f(x), 1)).countByKey(),
    "distinct": lambda r, f: r.map(f).distinct().count(),
    "take": lambda r, f: r.map(f).take(RECORDS),
    "toLocalIterator": lambda r, f: list(r.map(f).toLocalIterator()),
    "toLocalIterator ahead": lambda r, f: list(r.map(f).toLocalIterator(prefetchPartitions=True)),
    "glom": lambda r, f: r.map(f).glom().collect(),
    "zip": lambda r, f: r.zip(r.map(f)).collect(),
    "zipWithIndex": lambda r, f: r.map(f).zipWithIndex().collect(),
    "zipWithUniqueId": lambda r, f: r.map(f).zipWithUniqueId().collect(),
    "union": lambda r, f: r.union(r.map(f)).collect(),
    "cartesian left": lambda r, f: r.map(f).cartesian(r).count(),
    "cartesian right": lambda r, f: r.cartesian(r.map(f)).count(),
    "coalesce": lambda r, f: r.map(f).coalesce(1).collect(),
    "repartition": lambda r, f: r.map(f).repartition(3).collect(),
    "sample": lambda r, f: r.map(f).sample(False, 0.5, 3).collect(),
    "cogroup": lambda r, f: pairs(r).cogroup(r.map(f).map(lambda x: (x, 1))).count(),
    "join": lambda r, f: pairs(r).join(r.map(f).map(lambda x: (x, 1))).count(),
    "subtract": lambda r, f: r.subtract(r.map(f)).count(),
    "intersection": lambda r, f: r.intersection(r.map(f)).count(),
    "cache": lambda r, f: r.map(f).cache().count(),
    "pipe": lambda r, f: r.map(f).pipe("cat").collect(),
    "lookup": lambda r, f: r.map(lambda x: (f(x), 1)).lookup(3),
    "collectAsMap": lambda r, f: r.map(lambda x: (f(x), 1)).collectAsMap(),
    "reduceByKeyLocally": lambda r, f: pairs(r).reduceByKeyLocally(lambda a, b: f(b) and a),
    "sampleByKey": lambda r, f: r.map(lambda x: (f(x) % 2, x))
    .sampleByKey(False, {0: 1, 1: 1})
    .count(),
    "key hash": lambda r, f: r.map(lambda x: (Key(x, f, "hash"), 1)).groupByKey(2).count(),
    "key equality": lambda r, f: r.map(lambda x: (Key(x, f, "eq"), 1)).groupByKey(2).count(),
    "key order": lambda r, f: r.map(lambda x: (Key(x, f, "lt"), 1)).sortByKey(True, 2).count(),
}  # fmt: skip


#: Those that differ when they have to travel from a process to another.
SHIPPED = ("StopIteration", "GeneratorExit", "SystemExit", "Unpicklable", "Unloadable")
#: Here an iterator of the user's own making raises, not a function of his: by Python's
#: rules it has ended then, and nobody can tell why. PySpark cannot either.
OWN_ITERATORS = {"flatMap of a map", "mapPartitions map", "mapPartitions then map"}


def said(error: BaseException | None) -> list[str]:
    """The texts of an error and all its causes."""
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__} {error}")
        error = error.__cause__ or error.__context__
    return texts


def failing(make: Callable[[], BaseException]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        if x == BAD:
            raise make()
        return x

    return f


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - OWN_ITERATORS))
def test_stop_iteration_truncates_nothing(breakable: Any, name: str) -> None:
    """The one that loops of C take for the end of their input."""
    rdd = breakable.parallelize(range(1, RECORDS + 1), 2)
    with pytest.raises(Exception) as caught:  # noqa: PT011  its kind is not the point
        OPERATIONS[name](rdd, failing(ERRORS["StopIteration"]))
    assert any("StopIteration" in text for text in said(caught.value)), said(caught.value)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_of_every_operator(breakable: Any, error: str) -> None:
    if breakable.master != "local" and error not in SHIPPED:
        pytest.skip("travels as the others do")
    rdd = breakable.parallelize(range(1, RECORDS + 1), 2)
    for name, operation in OPERATIONS.items():
        if error == "StopIteration" and name in OWN_ITERATORS:
            continue
        with pytest.raises((Exception, Base, SystemExit, GeneratorExit)) as caught:
            operation(rdd, failing(ERRORS[error]))
        texts = said(caught.value)
        assert any("marked" in text for text in texts), (name, texts)
    assert breakable.parallelize(range(10), 3).map(lambda x: x + 1).sum() == 55


class Adding(AccumulatorParam):  # type: ignore[type-arg]
    """Accumulator whose addition raises, in a task or in the driver."""

    def __init__(self, make: Callable[[], BaseException]) -> None:
        self.make = make

    def zero(self, value: int) -> int:
        return 0

    def addInPlace(self, a: int, b: int) -> int:
        raise self.make()


@pytest.mark.parametrize("error", ["StopIteration", "SystemExit", "Unpicklable", "KeyError"])
def test_accumulators_that_cannot_add(breakable: Any, error: str) -> None:
    total = breakable.accumulator(0, Adding(ERRORS[error]))
    with pytest.raises((Exception, SystemExit)) as caught:
        breakable.parallelize(range(4), 2).foreach(lambda x: total.add(x))
    assert any("marked" in text for text in said(caught.value)), said(caught.value)
    assert breakable.parallelize(range(10), 3).sum() == 45
