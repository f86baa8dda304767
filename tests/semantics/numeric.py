"""Numbers: sums, statistics, histograms, folds, approximations."""

from __future__ import annotations

import math
import operator
from typing import Any

from tried import tried

INF = math.inf
NAN = math.nan


def sums(sc: Any) -> Any:
    return [
        sc.parallelize([1, 2, 3], 2).sum(),
        sc.parallelize([1.5, True], 2).sum(),
        sc.parallelize([], 2).sum(),
        sc.parallelize([2**70, 1], 2).sum(),
        sc.parallelize([0.1] * 10, 3).sum(),
        sc.parallelize([INF, -INF], 2).sum(),
        sc.parallelize([NAN], 2).sum(),
        tried(lambda: sc.parallelize(["a"], 1).sum()),
        sc.parallelize([1, 2], 2).count(),
        sc.parallelize([None, None], 2).count(),
    ]


def statistics(sc: Any) -> Any:
    rdd = sc.parallelize([1, 2, 3, 4.5, -7], 3)
    stats = rdd.stats()
    one = sc.parallelize([5], 2)
    return [
        [stats.count(), stats.mean(), stats.sum(), stats.min(), stats.max()],
        [stats.variance(), stats.sampleVariance(), stats.stdev(), stats.sampleStdev()],
        [rdd.mean(), rdd.variance(), rdd.stdev(), rdd.sampleStdev(), rdd.sampleVariance()],
        repr(stats),
        stats.asDict(),
        stats.asDict(sample=True),
        [one.variance(), one.stdev(), one.sampleVariance(), one.sampleStdev()],
        repr(sc.parallelize([], 2).stats()),
        repr(sc.parallelize([NAN, 1.0], 2).stats()),
        repr(sc.parallelize([INF, 1.0], 2).stats()),
        repr(sc.parallelize([True, 2**70], 2).stats()),
        repr(stats.copy().merge(100)),
        repr(stats.mergeStats(one.stats())),
        repr(stats.mergeStats(stats)),
        tried(lambda: sc.parallelize(["a"], 1).stats()),
        tried(lambda: sc.parallelize([], 1).mean()),
        tried(lambda: sc.parallelize([], 1).variance()),
    ]


def histograms(sc: Any) -> Any:
    rdd = sc.parallelize([*range(51)], 3)
    return [
        rdd.histogram(2),
        rdd.histogram(1),
        rdd.histogram(7),
        rdd.histogram([0, 5, 25, 50]),
        rdd.histogram([0, 15, 30, 45, 60]),
        rdd.histogram([0.0, 12.5, 25.0, 37.5, 50.0]),
        rdd.histogram((10, 20)),
        sc.parallelize(["ab", "ac", "b", "bd", "ef"], 2).histogram(("a", "b", "c")),
        tried(lambda: sc.parallelize(["ab", "ac", "b"], 2).histogram(2)),
        sc.parallelize([1, 1, 1], 2).histogram(3),
        sc.parallelize([1], 2).histogram(1),
        sc.parallelize([1.0, 2.0, NAN, 3.0], 2).histogram([1.0, 2.0, 3.0]),
        tried(lambda: sc.parallelize([1.0, NAN], 1).histogram(2)),
        tried(lambda: sc.parallelize([1.0, INF], 1).histogram(2)),
        tried(lambda: sc.parallelize([-INF, INF], 1).histogram([-INF, 0.0, INF])),
        tried(lambda: sc.parallelize([1, 5, INF], 1).histogram([0.0, 2.0, INF])),
        tried(lambda: sc.parallelize([1, 2.5, 3], 2).histogram(2)),
        tried(lambda: sc.parallelize([1, 10**20], 2).histogram(3)),
        tried(lambda: sc.parallelize([], 2).histogram(2)),
        tried(lambda: sc.parallelize([], 2).histogram([0, 1])),
        tried(lambda: rdd.histogram(0)),
        tried(lambda: rdd.histogram(-1)),
        tried(lambda: rdd.histogram([1])),
        tried(lambda: rdd.histogram([])),
        tried(lambda: rdd.histogram([5, 1])),
        tried(lambda: rdd.histogram([1, 2, 2])),
        tried(lambda: rdd.histogram([1, "a"])),
        tried(lambda: rdd.histogram(2.5)),
        tried(lambda: rdd.histogram("abc")),
        tried(lambda: rdd.histogram(None)),
        tried(lambda: rdd.histogram({1, 2})),
        tried(lambda: sc.parallelize([1, "a"], 1).histogram(2)),
        sc.parallelize([1, 3, 50, -1, 2.999], 2).histogram([1, 2, 3]),
        sc.parallelize([True, False, 1], 2).histogram(2),
        sc.parallelize([(1, 2), (1, 3)], 2).histogram([(1, 1), (1, 3), (2,)]),
        sc.parallelize([*range(10)], 2).histogram([*range(0, 11, 2)]),
        sc.parallelize([0.1 * n for n in range(30)], 2).histogram(4),
        sc.parallelize([-5, -1, 0, 3], 2).histogram(3),
    ]


def folds(sc: Any) -> Any:
    rdd = sc.parallelize([1, 2, 3, 4], 3)
    zero: list[int] = []

    def append(acc: list[int], value: int) -> list[int]:
        acc.append(value)
        return acc

    def extend(acc: list[int], other: list[int]) -> list[int]:
        acc.extend(other)
        return acc

    return [
        rdd.fold(10, operator.add),
        rdd.fold(2, operator.mul),
        rdd.aggregate(10, operator.add, operator.add),
        rdd.aggregate(zero, append, extend),
        zero,
        rdd.aggregate((0, 0), lambda a, x: (a[0] + x, a[1] + 1), lambda a, b: (a, b)),
        rdd.treeAggregate(10, operator.add, operator.add),
        rdd.treeAggregate(10, operator.add, operator.add, 1),
        rdd.treeAggregate(zero, append, extend),
        zero,
        tried(lambda: rdd.treeAggregate(0, operator.add, operator.add, 0)),
        rdd.treeReduce(operator.add),
        rdd.treeReduce(operator.add, 1),
        tried(lambda: rdd.treeReduce(operator.add, 0)),
        rdd.reduce(lambda a, b: a * 10 + b),
        sc.parallelize([1, 2], 5).reduce(operator.sub),
        sc.parallelize([7], 5).reduce(lambda a, b: 1 / 0),
        sc.parallelize([], 3).fold("z", operator.add),
        sc.parallelize(["a", "b"], 2).fold("", operator.add),
        sc.parallelize([None, None], 2).reduce(lambda a, b: a),
        tried(lambda: sc.parallelize([None, 1], 2).treeReduce(lambda a, b: a)),
        sc.parallelize([*range(40)], 20).treeAggregate(1, operator.add, operator.add, 3),
        sc.parallelize([*range(40)], 20).treeReduce(lambda a, b: max(a, b), 3),
        tried(lambda: rdd.reduce(5)),
        tried(lambda: rdd.fold(0, 5)),
    ]


def run_jobs(sc: Any) -> Any:
    rdd = sc.parallelize([*range(6)], 3)
    return [
        sc.runJob(rdd, lambda part: [x * x for x in part]),
        sc.runJob(rdd, lambda part: [x * x for x in part], [0, 2]),
        sc.runJob(rdd, lambda part: [x * x for x in part], [2, 0]),
        sc.runJob(rdd, lambda part: [x * x for x in part], [1, 1]),
        sc.runJob(rdd, lambda part: (x for x in part), [1], True),
        sc.runJob(rdd, lambda part: [sum(part)], []),
        tried(lambda: sc.runJob(rdd, lambda part: [1], [9])),
        tried(lambda: sc.runJob(rdd, lambda part: 5)),
        tried(lambda: sc.runJob(rdd, lambda part: None)),
    ]


def foreachs(sc: Any) -> Any:
    total, calls = sc.accumulator(0), sc.accumulator(0)
    rdd = sc.parallelize([1, 2, 3], 2)

    def each(part: Any) -> None:
        calls.add(1)
        total.add(sum(part))

    return [
        rdd.foreach(lambda x: total.add(x)),
        total.value,
        rdd.foreachPartition(each),
        (total.value, calls.value),
        rdd.foreachPartition(lambda part: [calls.add(1)]),
        calls.value,
        rdd.foreachPartition(lambda part: iter([1])),
        tried(lambda: rdd.foreachPartition(lambda part: 5)),
        tried(lambda: rdd.foreach(5)),
    ]
