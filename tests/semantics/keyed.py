"""What happens to pairs: grouping, joining, placing by key."""

from __future__ import annotations

import operator
from collections import namedtuple
from typing import Any

from tried import tried

NAN = float("nan")
Point = namedtuple("Point", "x y")


def _parts(rdd: Any) -> list[Any]:
    return rdd.glom().collect()


def _odd(sc: Any, partitions: int = 3) -> Any:
    keys = [None, True, 1, 1.0, 0, -1, "a", "", (1, None), b"x", 2**61 - 1, 2**70, -0.0, 0.5, ()]
    return sc.parallelize([(k, i) for i, k in enumerate(keys)], partitions)


def placing_of_odd_keys(sc: Any) -> Any:
    rdd = _odd(sc)
    return [
        _parts(rdd.partitionBy(4)),
        _parts(rdd.partitionBy(1)),
        _parts(rdd.groupByKey(3).mapValues(list)),
        _parts(rdd.reduceByKey(operator.add, 5)),
        _parts(rdd.keys().distinct(3)),
        _parts(rdd.partitionBy(3, lambda k: len(repr(k)))),
        _parts(rdd.partitionBy(3, lambda k: -len(repr(k)))),
        _parts(rdd.partitionBy(2, lambda k: True)),
        tried(lambda: rdd.partitionBy(2, lambda k: 1.5).glom().collect()),
        tried(lambda: rdd.partitionBy(2, lambda k: "x").collect()),
        tried(lambda: rdd.partitionBy(2, lambda k: None).collect()),
        tried(lambda: rdd.partitionBy(2, 5)),
        _parts(sc.parallelize([(frozenset([1]), 1), (frozenset([2]), 2)], 2).partitionBy(2)),
        _parts(sc.parallelize([(Point(1, "a"), 1), (Point(2, None), 2)], 2).partitionBy(3)),
        sorted(map(str, sc.parallelize([NAN, NAN, 1.0], 2).distinct(1).collect())),
        _parts(sc.parallelize([1, True, 1.0, 0, False, 0.0], 3).distinct(2)),
    ]


def unhashable(sc: Any) -> Any:
    lists = sc.parallelize([[1], [2], [1]], 2)
    keyed = lists.map(lambda x: (x, 1))
    return [
        tried(lambda: lists.distinct().collect()),
        tried(lambda: keyed.groupByKey().collect()),
        tried(lambda: keyed.reduceByKey(operator.add).collect()),
        tried(lambda: keyed.partitionBy(2).collect()),
        tried(lambda: keyed.join(keyed).collect()),
        tried(lambda: lists.countByValue()),
        tried(lambda: keyed.countByKey()),
        tried(lambda: keyed.collectAsMap()),
        tried(lambda: lists.map(lambda x: ({1}, 1)).groupByKey().collect()),
        tried(lambda: lists.map(lambda x: ({"a": 1}, 1)).groupByKey().collect()),
        tried(lambda: lists.map(lambda x: ((1, [2]), 1)).groupByKey().collect()),
        tried(lambda: lists.subtract(lists).collect()),
        tried(lambda: lists.intersection(lists).collect()),
    ]


def not_pairs(sc: Any) -> Any:
    numbers = sc.parallelize([1, 2], 2)
    triples = sc.parallelize([("a", 1, 2), ("b", 3, 4)], 2)
    lists = sc.parallelize([["a", 1], ["b", 2]], 2)
    strings = sc.parallelize(["ab", "cd"], 2)
    return [
        tried(lambda: numbers.reduceByKey(operator.add).collect()),
        tried(lambda: numbers.groupByKey().collect()),
        tried(lambda: numbers.keys().collect()),
        tried(lambda: numbers.mapValues(str).collect()),
        tried(lambda: triples.reduceByKey(operator.add).collect()),
        tried(lambda: triples.groupByKey().mapValues(list).collect()),
        tried(lambda: triples.mapValues(str).collect()),
        tried(lambda: triples.keys().collect()),
        tried(lambda: triples.partitionBy(2).collect()),
        tried(lambda: triples.collectAsMap()),
        tried(lambda: triples.sortByKey().collect()),
        tried(lambda: triples.join(triples).collect()),
        tried(lambda: triples.lookup("a")),
        tried(lambda: triples.countByKey()),
        tried(lambda: sorted(lists.reduceByKey(operator.add).collect())),
        tried(lambda: sorted(lists.groupByKey().mapValues(list).collect())),
        tried(lambda: sorted(lists.join(lists).collect())),
        tried(lambda: lists.mapValues(str).collect()),
        tried(lambda: lists.collectAsMap()),
        tried(lambda: lists.sortByKey().collect()),
        tried(lambda: lists.partitionBy(1).collect()),
        tried(lambda: sorted(strings.groupByKey().mapValues(list).collect())),
        tried(lambda: strings.mapValues(str.upper).collect()),
    ]


def result_iterables(sc: Any) -> Any:
    groups = sc.parallelize([("a", 1), ("b", 2), ("a", 3)], 2).groupByKey(1)
    values = dict(groups.collect())
    a = values["a"]
    return [
        type(a).__name__,
        len(a),
        list(a),
        list(a),
        [*iter(a)],
        groups.mapValues(len).collect(),
        groups.mapValues(sorted).collect(),
        groups.map(lambda kv: (kv[0], max(kv[1]), len(kv[1]))).collect(),
        groups.flatMapValues(lambda v: v).collect(),
        groups.flatMap(lambda kv: [(kv[0], x) for x in kv[1]]).collect(),
        sorted(a.data),
        a.maxindex,
        hasattr(a, "__getitem__"),
        repr(type(sc.parallelize([(1, 2)], 1).cogroup(groups).collect()[0][1]).__name__),
    ]


def combining(sc: Any) -> Any:
    rdd = sc.parallelize([("abc"[n % 3], n) for n in range(10)], 3)
    zero: list[int] = []

    def append(acc: list[int], value: int) -> list[int]:
        acc.append(value)
        return acc

    def extend(acc: list[int], other: list[int]) -> list[int]:
        acc.extend(other)
        return acc

    return [
        _parts(rdd.combineByKey(lambda v: [v], append, extend, 2)),
        _parts(rdd.aggregateByKey(zero, append, extend, 2)),
        zero,
        _parts(rdd.foldByKey(100, operator.add, 2)),
        _parts(rdd.reduceByKey(lambda a, b: a * 10 + b, 2)),
        sorted(rdd.reduceByKeyLocally(operator.add).items()),
        type(rdd.reduceByKeyLocally(operator.add)).__name__,
        sorted(rdd.countByKey().items()),
        type(rdd.countByKey()).__name__,
        rdd.collectAsMap(),
        _parts(rdd.groupBy(lambda kv: kv[1] % 2, 2).mapValues(list)),
        _parts(rdd.keyBy(lambda kv: kv[1] // 4)),
        rdd.countByValue() == dict.fromkeys(rdd.collect(), 1),
        rdd.keys().countByValue(),
        _parts(rdd.distinct(2)),
        _parts(rdd.map(lambda kv: kv[0]).distinct()),
    ]


def defaults_of_shuffles(sc: Any) -> Any:
    a, b = _odd(sc, 3), _odd(sc, 2)
    return [
        a.groupByKey().getNumPartitions(),
        a.reduceByKey(max).getNumPartitions(),
        a.distinct().getNumPartitions(),
        a.join(b).getNumPartitions(),
        a.cogroup(b).getNumPartitions(),
        a.subtractByKey(b).getNumPartitions(),
        a.keys().subtract(b.keys()).getNumPartitions(),
        a.keys().intersection(b.keys()).getNumPartitions(),
        a.partitionBy(4).join(b.partitionBy(4)).getNumPartitions(),
        a.partitionBy(4).join(b).getNumPartitions(),
        a.partitionBy(4).groupByKey().getNumPartitions(),
        a.groupWith(b, a).getNumPartitions(),
        a.groupBy(repr).getNumPartitions(),
        a.sortBy(repr).getNumPartitions(),
        a.repartitionAndSortWithinPartitions(None, lambda k: 0, True, repr).getNumPartitions(),
    ]


def joins(sc: Any) -> Any:
    a = sc.parallelize([("a", 1), ("b", 2), ("a", None), (None, 3)], 2)
    b = sc.parallelize([("a", "x"), ("a", "y"), ("c", "z"), (None, "n")], 3)
    lists = lambda groups: tuple(map(list, groups))  # noqa: E731
    return [
        _parts(a.join(b, 2)),
        _parts(a.leftOuterJoin(b, 2)),
        _parts(a.rightOuterJoin(b, 2)),
        _parts(a.fullOuterJoin(b)),
        _parts(a.cogroup(b, 2).mapValues(lists)),
        _parts(a.groupWith(b).mapValues(lists)),
        _parts(a.groupWith(b, a, b).mapValues(lists)),
        _parts(a.subtractByKey(b, 2)),
        _parts(a.subtractByKey(b)),
        _parts(a.keys().subtract(b.keys())),
        _parts(a.keys().intersection(b.keys())),
        _parts(a.join(a)),
        _parts(a.partitionBy(2).join(b.partitionBy(2), 3)),
        _parts(a.partitionBy(2).join(b.partitionBy(2))),
        _parts(a.partitionBy(2).leftOuterJoin(b, 2)),
        tried(lambda: a.join([("a", 1)])),
        tried(lambda: a.join(b, "2").collect()),
    ]


def set_operations(sc: Any) -> Any:
    a = sc.parallelize([1, 1, 2, None, "x", (1, 2)], 2)
    b = sc.parallelize([1, "x", 3, 3], 2)
    return [
        _parts(a.subtract(b)),
        _parts(a.subtract(b, 1)),
        _parts(a.intersection(b)),
        _parts(a.distinct()),
        _parts(a.distinct(1)),
        _parts(a.union(b).distinct(3)),
    ]


def lookups(sc: Any) -> Any:
    seen = sc.accumulator(0)

    def look(index: int, records: Any) -> Any:
        seen.add(1)
        return records

    rdd = sc.parallelize([(n % 7, n) for n in range(21)], 4)
    placed = rdd.partitionBy(5).mapPartitionsWithIndex(look, preservesPartitioning=True)
    found = placed.lookup(3)
    touched = seen.value
    return [
        found,
        touched,
        placed.lookup(99),
        rdd.lookup(3),
        rdd.lookup("nothing"),
        sc.parallelize([(None, 1), ((1, 2), 3)], 2).lookup(None),
        sc.parallelize([(None, 1), ((1, 2), 3)], 2).partitionBy(2).lookup((1, 2)),
        rdd.sortByKey().lookup(3),
    ]


def partitioners_kept(sc: Any) -> Any:
    placed = sc.parallelize([(n % 4, n) for n in range(12)], 3).partitionBy(2)
    mine = placed.partitioner
    derived = {
        "mapValues": placed.mapValues(str),
        "flatMapValues": placed.flatMapValues(lambda v: [v]),
        "filter": placed.filter(lambda kv: True),
        "map": placed.map(lambda kv: kv),
        "map keeping": placed.map(lambda kv: kv, True),
        "flatMap keeping": placed.flatMap(lambda kv: [kv], True),
        "mapPartitions": placed.mapPartitions(lambda it: it),
        "mapPartitions keeping": placed.mapPartitions(lambda it: it, True),
        "mapPartitionsWithIndex keeping": placed.mapPartitionsWithIndex(lambda i, it: it, True),
        "keys": placed.keys(),
        "values": placed.values(),
        "keyBy": placed.keyBy(lambda kv: kv[0]),
        "glom": placed.glom(),
        "sample": placed.sample(False, 0.5, 1),
        "randomSplit": placed.randomSplit([1.0, 1.0], 1)[0],
        "sampleByKey": placed.sampleByKey(False, dict.fromkeys(range(4), 0.5), 1),
        "distinct": placed.distinct(2),
        "union with itself": placed.union(placed),
        "union with another": placed.union(placed.map(lambda kv: kv)),
        "coalesce": placed.coalesce(1),
        "repartition": placed.repartition(2),
        "zip": placed.zip(placed),
        "zipWithIndex": placed.zipWithIndex(),
        "zipWithUniqueId": placed.zipWithUniqueId(),
        "cartesian": placed.cartesian(placed),
        "groupByKey": placed.groupByKey(),
        "groupByKey elsewhere": placed.groupByKey(3),
        "reduceByKey": placed.reduceByKey(operator.add),
        "aggregateByKey": placed.aggregateByKey(0, operator.add, operator.add),
        "join": placed.join(placed),
        "cogroup": placed.cogroup(placed),
        "subtractByKey": placed.subtractByKey(placed),
        "subtract": placed.subtract(placed),
        "intersection": placed.intersection(placed),
        "sortByKey": placed.sortByKey(),
        "sortBy": placed.sortBy(lambda kv: kv[1]),
        "partitionBy the same": placed.partitionBy(2),
        "partitionBy another function": placed.partitionBy(2, lambda k: 0),
        "groupBy": placed.groupBy(lambda kv: kv[0], 2),
        "cache": placed.map(lambda kv: kv, True).cache(),
        "pipe": placed.pipe("cat"),
        "sortWithin": placed.repartitionAndSortWithinPartitions(2),
    }

    def known(rdd: Any) -> Any:
        p = rdd.partitioner
        return p if p is None else (p.numPartitions, p == mine)

    return [(name, rdd.getNumPartitions(), known(rdd)) for name, rdd in derived.items()]


def partitioners_as_values(sc: Any) -> Any:
    a = sc.parallelize([(1, 2)], 1)
    return [
        a.partitionBy(2).partitioner == a.partitionBy(2).partitioner,
        a.partitionBy(2).partitioner == a.partitionBy(3).partitioner,
        a.partitionBy(2).partitioner == a.partitionBy(2, lambda k: 1).partitioner,
        a.partitionBy(2).partitioner is not None,
        a.partitionBy(2).partitioner(5),
        callable(a.partitionBy(2).partitioner.partitionFunc),
        type(a.partitionBy(2).partitioner).__name__,
        a.partitionBy(2).partitionBy(2).getNumPartitions(),
    ]


def values_and_keys(sc: Any) -> Any:
    rdd = sc.parallelize([("a", "xy"), ("b", ""), (None, "z")], 2)
    return [
        rdd.flatMapValues(lambda v: v).collect(),
        rdd.flatMapValues(lambda v: iter(v)).collect(),
        rdd.mapValues(len).collect(),
        rdd.values().collect(),
        tried(lambda: rdd.flatMapValues(lambda v: None).collect()),
        tried(lambda: rdd.flatMap(lambda kv: 5).collect()),
        rdd.flatMap(lambda kv: kv[1]).collect(),
        rdd.flatMap(lambda kv: {1: 2}).collect(),
    ]
