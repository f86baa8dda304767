"""Where records are: sources, unions, products, and what moves partitions."""

from __future__ import annotations

import operator
from typing import Any

from tried import tried


def _parts(rdd: Any) -> list[Any]:
    return rdd.glom().collect()


def parallelize_lists(sc: Any) -> Any:
    sizes = [(0, 1), (0, 3), (1, 1), (1, 4), (2, 3), (5, 2), (7, 3), (10, 4), (11, 5), (13, 3)]
    return [_parts(sc.parallelize([*range(n)], k)) for n, k in sizes]


def parallelize_more_than_a_batch(sc: Any) -> Any:
    sizes = [(2050, 2), (3000, 2), (4100, 3), (1025, 1)]
    return [[len(p) for p in _parts(sc.parallelize([None] * n, k))] for n, k in sizes]


def parallelize_ranges(sc: Any) -> Any:
    data = [range(0), range(10), range(0, 6, 2), range(10, 0, -3), range(5, 5)]
    return [_parts(sc.parallelize(numbers, 3)) for numbers in data]


def parallelize_other_collections(sc: Any) -> Any:
    class Sized:
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Any:
            return iter([1, 2, 3])

    return [
        _parts(sc.parallelize((1, "a", None), 2)),
        _parts(sc.parallelize("hello", 2)),
        _parts(sc.parallelize({"k": 1, "l": 2}, 2)),
        _parts(sc.parallelize((n for n in [3, 1, 2]), 2)),
        _parts(sc.parallelize({7}, 2)),
        _parts(sc.parallelize(b"ab", 2)),
        _parts(sc.parallelize(Sized(), 2)),
    ]


def parallelize_copies_now(sc: Any) -> Any:
    data = [[1], [2]]
    rdd = sc.parallelize(data, 2)
    data[0].append(9)
    data.append([3])
    return rdd.collect()


def parallelize_defaults(sc: Any) -> Any:
    return [sc.parallelize([1, 2, 3]).getNumPartitions() == sc.defaultParallelism]


def parallelize_wrong(sc: Any) -> Any:
    return [
        tried(lambda: sc.parallelize(5, 2)),
        tried(lambda: sc.parallelize(None)),
        tried(lambda: sc.parallelize([1], "x")),
        tried(lambda: sc.parallelize([1], 0).count()),
        tried(lambda: sc.parallelize([1], -1).count()),
    ]


def ranges(sc: Any) -> Any:
    return [
        _parts(sc.range(5, numSlices=2)),
        _parts(sc.range(2, 4, numSlices=1)),
        _parts(sc.range(1, 7, 2, 2)),
        _parts(sc.range(7, 1, -2, 3)),
        _parts(sc.range(0, numSlices=2)),
        _parts(sc.range(-3, numSlices=2)),
        _parts(sc.range(2**63, 2**63 + 3, numSlices=2)),
        tried(lambda: sc.range(1, 5, 0).collect()),
        tried(lambda: sc.range(1.5).collect()),
    ]


def empty(sc: Any) -> Any:
    none = sc.emptyRDD()
    return [
        tried(lambda: none.getNumPartitions()),
        tried(lambda: none.collect()),
        tried(lambda: none.count()),
        tried(lambda: none.isEmpty()),
        tried(lambda: none.take(2)),
        tried(lambda: none.sum()),
        tried(lambda: none.map(str).glom().collect()),
        tried(lambda: none.union(sc.parallelize([1], 1)).glom().collect()),
        tried(lambda: none.distinct().collect()),
        tried(lambda: none.distinct().getNumPartitions()),
        tried(lambda: none.zipWithIndex().collect()),
        tried(lambda: none.fold(0, operator.add)),
        tried(lambda: none.aggregate(0, operator.add, operator.add)),
        tried(lambda: none.treeAggregate(0, operator.add, operator.add)),
        tried(lambda: none.countByValue()),
        tried(lambda: none.collectAsMap()),
        tried(lambda: none.top(2)),
        tried(lambda: none.takeOrdered(2)),
        tried(lambda: none.first()),
        tried(lambda: none.reduce(operator.add)),
        tried(lambda: none.treeReduce(operator.add)),
        tried(lambda: none.max()),
        tried(lambda: none.mean()),
        tried(lambda: none.takeSample(False, 2)),
        tried(lambda: none.coalesce(1).collect()),
        tried(lambda: none.repartition(2).glom().collect()),
        tried(lambda: none.sortBy(str).collect()),
        tried(lambda: none.keyBy(str).sortByKey().getNumPartitions()),
        tried(lambda: none.keyBy(str).partitionBy(2).glom().collect()),
        tried(lambda: none.keyBy(str).reduceByKey(operator.add).getNumPartitions()),
        tried(lambda: none.keyBy(str).reduceByKey(operator.add).collect()),
        tried(lambda: none.cartesian(sc.parallelize([1], 1)).collect()),
        tried(lambda: none.zip(none).collect()),
        tried(lambda: none.histogram(2)),
        tried(lambda: none.stats().count()),
    ]


def coalesce(sc: Any) -> Any:
    sizes = [(4, 1), (4, 2), (5, 2), (5, 3), (5, 4), (7, 3), (3, 3), (3, 8), (1, 1)]
    rdds = [(sc.parallelize([*range(n)], n), k) for n, k in sizes]
    return [_parts(rdd.coalesce(k)) for rdd, k in rdds]


def coalesce_with_shuffle(sc: Any) -> Any:
    rdd = sc.parallelize([*range(23)], 3)
    return [_parts(rdd.coalesce(k, shuffle=True)) for k in (1, 2, 5)]


def coalesce_wrong(sc: Any) -> Any:
    rdd = sc.parallelize([1, 2], 2)
    return [
        tried(lambda: rdd.coalesce(0).collect()),
        tried(lambda: rdd.coalesce(-1).collect()),
        tried(lambda: rdd.repartition(0).collect()),
        tried(lambda: rdd.partitionBy(0)),
    ]


def repartition(sc: Any) -> Any:
    shapes = [(0, 2, 3), (1, 1, 3), (25, 1, 3), (25, 2, 2), (100, 4, 3), (57, 5, 7), (30, 3, 1)]
    rdds = [(sc.parallelize([*range(n)], k), m) for n, k, m in shapes]
    return [_parts(rdd.repartition(m)) for rdd, m in rdds]


def repartition_after_steps(sc: Any) -> Any:
    rdd = sc.parallelize([*range(64)], 2)
    return [
        _parts(rdd.map(str).repartition(3)),
        _parts(rdd.filter(lambda x: x % 3 == 0).repartition(4)),
        _parts(rdd.map(lambda x: (x % 5, x)).reduceByKey(operator.add, 2).repartition(3)),
        _parts(rdd.repartition(3).repartition(2)),
    ]


def union(sc: Any) -> Any:
    a, b = sc.parallelize([1, 2, 3], 2), sc.parallelize(["x", None], 3)
    return [
        _parts(a.union(b)),
        _parts(a + b),
        _parts(a.union(a)),
        _parts(a.map(str).union(b)),
        _parts(sc.union([a, b, a])),
        _parts(sc.union([a])),
        _parts(sc.union([a.map(str), b, sc.emptyRDD()])),
    ]


def union_wrong(sc: Any) -> Any:
    a = sc.parallelize([1], 1)
    return [
        tried(lambda: a + [1]),  # noqa: RUF005
        tried(lambda: a + 1),
        tried(lambda: a.union([1])),
        tried(lambda: sc.union([])),
    ]


def union_of_equally_partitioned(sc: Any) -> Any:
    a = sc.parallelize([(k, 1) for k in range(6)], 3).partitionBy(2)
    b = sc.parallelize([(k, 2) for k in range(4)], 2).partitionBy(2)
    c = sc.parallelize([(k, 3) for k in range(4)], 2).partitionBy(3)
    return [
        _parts(a.union(b)),
        a.union(b).partitioner == a.partitioner,
        _parts(a.union(c)),
        a.union(c).partitioner is None,
        _parts(sc.union([a, b, a])),
        sc.union([a, b, a]).getNumPartitions(),
        sc.union([a, b]).partitioner == a.partitioner,
        _parts(a.union(b).reduceByKey(operator.add)),
        a.union(b).reduceByKey(operator.add).getNumPartitions(),
        _parts(a.mapValues(str).union(b.filter(lambda kv: kv[0] > 1))),
    ]


def cartesian_small(sc: Any) -> Any:
    a, b = sc.parallelize([1, 2, 3], 2), sc.parallelize("ab", 1)
    return [_parts(a.cartesian(b)), _parts(b.cartesian(a)), _parts(a.cartesian(a))]


def cartesian_of_sources(sc: Any) -> Any:
    a, b = sc.parallelize([*range(5)], 2), sc.parallelize([*range(7)], 1)
    wide = sc.parallelize([*range(2000)], 1)
    two = sc.parallelize([*range(1030)], 1)
    return [
        _parts(a.cartesian(b)),
        _parts(b.cartesian(a)),
        [x for x, _ in two.cartesian(sc.parallelize("ab", 1)).collect()],
        wide.cartesian(sc.parallelize("a", 1)).take(3),
        _parts(sc.range(5, numSlices=2).cartesian(sc.range(6, numSlices=2))),
    ]


def cartesian_after_steps(sc: Any) -> Any:
    a, b = sc.parallelize([*range(11)], 1), sc.parallelize([*range(20, 27)], 1)
    return [
        _parts(a.map(str).cartesian(b)),
        _parts(a.cartesian(b.map(str))),
        _parts(a.map(str).cartesian(b.filter(lambda x: x % 3))),
        _parts(a.map(str).cache().cartesian(b)),
        _parts(a.cartesian(b).map(lambda p: p[0] + p[1])),
        _parts(a.cartesian(b).cartesian(sc.parallelize("x", 1)).map(str)),
        _parts(a.map(str).cartesian(b).cartesian(b.map(str))),
    ]


def cartesian_of_large_records(sc: Any) -> Any:
    a = sc.parallelize([*range(20)], 1).map(lambda n: (n, "x" * (30_000 if n % 3 else 90_000)))
    pairs = a.cartesian(sc.parallelize([0, 1], 1).map(lambda n: n)).map(lambda p: (p[0][0], p[1]))
    huge = sc.parallelize([*range(12)], 1).map(lambda n: (n, "y" * (10 if n < 7 else 400_000)))
    return [
        pairs.collect(),
        huge.cartesian(huge).map(lambda p: (p[0][0], p[1][0])).collect(),
    ]


def cartesian_of_shuffled(sc: Any) -> Any:
    a = sc.parallelize([(n % 3, n) for n in range(20)], 2)
    b = sc.parallelize([1, 2, 3, 4], 1).map(str)
    return [
        _parts(a.groupByKey(1).mapValues(list).cartesian(b)),
        _parts(a.partitionBy(2).cartesian(b)),
        _parts(a.coalesce(1).cartesian(b)),
        _parts(a.map(lambda x: x).coalesce(1).cartesian(b)),
        _parts(a.repartition(1).cartesian(b)),
        _parts(a.union(a).coalesce(1).cartesian(b)),
        _parts(b.union(sc.parallelize("xyz", 1)).coalesce(1).cartesian(b)),
        _parts(a.sortByKey(numPartitions=1).cartesian(b)),
        _parts(a.distinct(1).cartesian(b)),
        _parts(b.zip(b.map(ord)).cartesian(b)),
        _parts(b.zipWithIndex().cartesian(b)),
        _parts(a.keys().cartesian(b)),
        _parts(b.glom().cartesian(b)),
    ]


def zips(sc: Any) -> Any:
    a, b = sc.parallelize([*range(7)], 3), sc.parallelize("abcdefg", 3)
    return [
        _parts(a.zip(b)),
        _parts(a.zip(a.map(str))),
        _parts(a.filter(lambda x: x > 3).zip(b.filter(lambda x: x > "d"))),
        _parts(a.zip(b).zip(a)),
        _parts(a.zip(b).map(lambda p: p).zip(a.zip(b))),
        _parts(a.zipWithIndex()),
        _parts(a.zipWithUniqueId()),
        _parts(a.filter(lambda x: x % 4 == 0).zipWithIndex()),
        _parts(a.filter(lambda x: x % 4 == 0).zipWithUniqueId()),
    ]


def zips_that_do_not_fit(sc: Any) -> Any:
    a = sc.parallelize([1, 2, 3, 4], 2)
    return [
        tried(lambda: a.zip(sc.parallelize([1, 2, 3, 4], 1))),
        tried(lambda: a.zip(sc.parallelize([1, 2, 3], 2)).collect())[:6],
        tried(lambda: a.zip(a.filter(lambda x: x != 2)).collect())[:6],
        tried(lambda: a.filter(lambda x: x != 4).zip(a).collect())[:6],
        tried(lambda: a.zip([1, 2, 3, 4])),
    ]


def pipes(sc: Any) -> Any:
    rdd = sc.parallelize(["b", "", "a\n", 3, None, "é"], 2)
    return [
        _parts(rdd.pipe("cat")),
        _parts(rdd.pipe("tr a-z A-Z")),
        _parts(sc.parallelize([1], 1).pipe("printenv NAME", {"NAME": "x y"})),
        tried(lambda: rdd.pipe("false", checkCode=True).collect())[:6],
        tried(lambda: rdd.pipe("no-such-program-here").collect())[:6],
        rdd.pipe("false").collect(),
    ]
