"""Which records come first: sorts, top, take, sampling."""

from __future__ import annotations

import operator
from typing import Any

from tried import tried

NAN = float("nan")


def _parts(rdd: Any) -> list[Any]:
    return rdd.glom().collect()


def take_scans(sc: Any) -> Any:
    def scanned(filled: set[int], num: int, partitions: int = 40) -> Any:
        seen = sc.accumulator(0)

        def look(index: int, records: Any) -> Any:
            seen.add(1)
            return records if index in filled else iter(())

        rdd = sc.parallelize([*range(3 * partitions)], partitions).mapPartitionsWithIndex(look)
        found = rdd.take(num)
        return len(found), seen.value

    everywhere = set(range(40))
    return [
        scanned(everywhere, 1),
        scanned(everywhere, 0),
        scanned(everywhere, 3),
        scanned(everywhere, 4),
        scanned(everywhere, 20),
        scanned({30}, 1),
        scanned({2, 30}, 4),
        scanned(set(), 1),
        scanned({0, 1, 39}, 8),
        scanned(set(range(0, 40, 7)), 9),
    ]


def take_and_first(sc: Any) -> Any:
    rdd = sc.parallelize([None, 0, "", [], 5], 3)
    return [
        rdd.take(3),
        rdd.take(99),
        rdd.first(),
        tried(lambda: rdd.take(-1)),
        tried(lambda: rdd.take(2.5)),
        tried(lambda: rdd.take("2")),
        tried(lambda: sc.parallelize([], 2).first()),
        sc.parallelize([None], 2).isEmpty(),
        sc.parallelize([], 2).isEmpty(),
        sc.parallelize([1, 2], 2).filter(lambda x: x > 2).isEmpty(),
    ]


def top_and_ties(sc: Any) -> Any:
    pairs = [(n % 3, chr(97 + n)) for n in range(12)]
    rdd = sc.parallelize(pairs, 4)
    return [
        rdd.top(5, key=operator.itemgetter(0)),
        rdd.takeOrdered(5, key=operator.itemgetter(0)),
        rdd.top(5),
        rdd.takeOrdered(5),
        rdd.takeOrdered(5, lambda p: -p[0]),
        rdd.top(0),
        rdd.takeOrdered(0),
        rdd.top(99) == sorted(pairs, reverse=True),
        tried(lambda: rdd.top(-1)),
        tried(lambda: rdd.takeOrdered(-1)),
        sc.parallelize([True, 1, 1.0, 0, False], 2).top(4),
        sc.parallelize([True, 1, 1.0, 0, False], 2).takeOrdered(4),
        tried(lambda: sc.parallelize([1, "a"], 1).top(1)),
        tried(lambda: sc.parallelize([None, 1], 2).takeOrdered(1)),
        sc.parallelize([3, NAN, 1], 1).top(3),
        sc.parallelize([3, NAN, 1, 7], 2).takeOrdered(3),
    ]


def extremes(sc: Any) -> Any:
    words = sc.parallelize(["bb", "a", "cc", "d"], 3)
    return [
        words.max(key=len),
        words.min(key=len),
        words.max(),
        words.min(),
        sc.parallelize([1, True, 1.0], 3).max(),
        sc.parallelize([NAN, 1.0, 2.0], 3).max(),
        sc.parallelize([1.0, NAN, 2.0], 3).max(),
        sc.parallelize([1.0, 2.0, NAN], 3).min(),
        sc.parallelize([NAN, 1.0, 2.0], 1).min(),
        sc.parallelize([2, 1], 4).min(),
        tried(lambda: sc.parallelize([1, "a"], 2).max()),
        tried(lambda: sc.parallelize([], 2).min()),
    ]


def sort_by_key(sc: Any) -> Any:
    pairs = [(k, i) for i, k in enumerate([5, 3, 9, 3, 1, 5, 7, 7, 2, 3, 8, 5, 0])]
    rdd = sc.parallelize(pairs, 3)
    return [
        tried(lambda: _parts(rdd.sortByKey())),
        tried(lambda: _parts(rdd.sortByKey(False))),
        tried(lambda: _parts(rdd.sortByKey(True, 1))),
        tried(lambda: _parts(rdd.sortByKey(True, 2))),
        tried(lambda: _parts(rdd.sortByKey(False, 2))),
        tried(lambda: _parts(rdd.sortByKey(True, 5))),
        tried(lambda: _parts(rdd.sortByKey(True, 4, lambda k: -k))),
        tried(lambda: _parts(rdd.sortByKey(False, 4, str))),
        tried(lambda: _parts(rdd.sortByKey(ascending=None))),
        tried(lambda: _parts(rdd.sortByKey(numPartitions=20))),
        tried(lambda: rdd.sortByKey().partitioner is None),
        tried(lambda: rdd.sortByKey(numPartitions=1).partitioner is None),
        tried(lambda: rdd.sortByKey(True, 5).getNumPartitions()),
    ]


def sort_by_key_larger(sc: Any) -> Any:
    keys = [(n * 7919) % 1009 for n in range(1500)]
    rdd = sc.parallelize([(k, n) for n, k in enumerate(keys)], 3)
    return [[len(p) for p in _parts(rdd.sortByKey(a, n))] for a, n in ((True, 4), (False, 3))]


def sort_odd_keys(sc: Any) -> Any:
    return [
        _parts(sc.parallelize([("b", 1), ("", 2), ("é", 3), ("B", 4)], 2).sortByKey()),
        _parts(sc.parallelize([(True, 1), (0, 2), (0.5, 3), (1, 4)], 2).sortByKey()),
        _parts(sc.parallelize([((1, "b"), 1), ((1, "a"), 2)], 2).sortByKey()),
        _parts(sc.parallelize([(2**70, 1), (-(2**70), 2), (0, 3)], 2).sortByKey()),
        _parts(sc.parallelize([(1, 1), (1, 2), (1, 3)], 3).sortByKey()),
        _parts(sc.parallelize([(1, 1)], 3).sortByKey()),
        _parts(sc.parallelize([], 3).sortByKey()),
        _parts(sc.parallelize([(float("inf"), 1), (-0.0, 2), (0.0, 3)], 2).sortByKey()),
        _parts(sc.parallelize([(3.0, 1), (NAN, 2), (1.0, 3)], 1).sortByKey()),
        tried(lambda: sc.parallelize([(None, 1), (1, 2)], 1).sortByKey().collect()),
        tried(lambda: sc.parallelize([("a", 1), (1, 2)], 2).sortByKey().collect()),
        tried(lambda: sc.parallelize([1, 2], 2).sortByKey().collect()),
        tried(lambda: sc.parallelize([(2, 1), (1, 1)], 2).sortByKey(numPartitions=0).collect()),
    ]


def sort_by(sc: Any) -> Any:
    words = sc.parallelize(["pear", "fig", "apple", "kiwi", "nut", "plum"], 3)
    return [
        _parts(words.sortBy(len)),
        _parts(words.sortBy(len, False)),
        _parts(words.sortBy(len, numPartitions=1)),
        _parts(words.sortBy(len, False, 1)),
        _parts(words.sortBy(lambda w: w)),
        _parts(words.sortBy(lambda w: 0)),
        words.sortBy(lambda w: w[-1]).partitioner is None,
        tried(lambda: words.sortBy(5)),
    ]


def sort_within_partitions(sc: Any) -> Any:
    rdd = sc.parallelize([(k % 5, k) for k in range(12, 0, -1)], 3)
    return [
        _parts(rdd.repartitionAndSortWithinPartitions(2)),
        _parts(rdd.repartitionAndSortWithinPartitions(2, lambda k: k // 2)),
        _parts(rdd.repartitionAndSortWithinPartitions(3, lambda k: k, False)),
        _parts(rdd.repartitionAndSortWithinPartitions(2, keyfunc=lambda k: -k)),
        _parts(rdd.partitionBy(2).repartitionAndSortWithinPartitions(2)),
        rdd.repartitionAndSortWithinPartitions(2).partitioner == rdd.partitionBy(2).partitioner,
    ]


def samples(sc: Any) -> Any:
    rdd = sc.parallelize([*range(60)], 3)
    return [
        _parts(rdd.sample(False, 0.3, 5)),
        _parts(rdd.sample(True, 0.8, 5)),
        rdd.sample(True, 30.0, 7).count(),
        rdd.sample(False, 0.0, 1).collect(),
        len(rdd.sample(False, 1.0, 1).collect()),
        len(rdd.sample(False, 5.0, 1).collect()),
        rdd.sample(True, 0.0, 1).collect(),
        rdd.sample(False, 0.2, -3).collect(),
        rdd.sample(False, 0.2, 2**40).collect(),
        rdd.filter(lambda x: x % 2).sample(False, 0.5, 9).collect(),
        tried(lambda: rdd.sample(False, -0.1, 1)),
        tried(lambda: rdd.sample(False, "x", 1)),
    ]


def take_samples(sc: Any) -> Any:
    rdd = sc.parallelize([*range(30)], 4)
    return [
        rdd.takeSample(False, 5, 3),
        rdd.takeSample(True, 5, 3),
        rdd.takeSample(False, 30, 3),
        rdd.takeSample(False, 99, 4),
        rdd.takeSample(True, 99, 4),
        rdd.takeSample(False, 0, 4),
        rdd.takeSample(True, 12, 1),
        tried(lambda: rdd.takeSample(False, -1)),
        sc.parallelize([], 2).takeSample(True, 3, 1),
        tried(lambda: rdd.takeSample(False, 2**63)),
    ]


def random_splits(sc: Any) -> Any:
    rdd = sc.parallelize([*range(40)], 2)
    return [
        [part.collect() for part in rdd.randomSplit([1.0, 2.0], 17)],
        [part.collect() for part in rdd.randomSplit([1, 2, 3, 0], 5)],
        [part.count() for part in rdd.randomSplit([1], 5)],
        [part.collect() for part in rdd.randomSplit([0.1, 0.1], 0)],
        tried(lambda: rdd.randomSplit([-1.0, 2.0], 1)),
        tried(lambda: rdd.randomSplit([0.0, 0.0], 1)),
        tried(lambda: rdd.randomSplit([], 1)),
    ]


def samples_by_key(sc: Any) -> Any:
    rdd = sc.parallelize([("ab"[n % 2], n) for n in range(60)], 3)
    return [
        rdd.sampleByKey(False, {"a": 0.2, "b": 0.1}, 2).collect(),
        rdd.sampleByKey(True, {"a": 0.5, "b": 0.3}, 2).collect(),
        rdd.sampleByKey(False, {"a": 1, "b": 0}, 2).count(),
        tried(lambda: rdd.sampleByKey(False, {"a": -1.0}, 2)),
        tried(lambda: rdd.sampleByKey(False, {"a": 0.5}, 2).collect()),
    ]


def local_iterators(sc: Any) -> Any:
    seen = sc.accumulator(0)

    def look(record: int) -> int:
        seen.add(1)
        return record

    rdd = sc.parallelize([*range(8)], 4).map(look)
    iterator = rdd.toLocalIterator()
    first = [next(iterator) for _ in range(3)]
    before = seen.value
    rest = list(iterator)
    return [first, before, rest, seen.value, list(rdd.toLocalIterator(True))]
