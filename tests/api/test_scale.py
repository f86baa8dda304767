"""Wide, deep and large: what must work without a recursion or a quadratic step."""

from __future__ import annotations

from operator import add

import pytest


@pytest.mark.minispark_only  # PySpark needs a minute for it
def test_2000_partitions(sc):
    rdd = sc.parallelize(range(2000), 2000).map(lambda x: x + 1)
    assert rdd.sum() == 2001 * 1000
    assert rdd.take(3) == [1, 2, 3]


@pytest.mark.minispark_only
def test_10000_partitions(sc):
    assert sc.parallelize(range(10_000), 10_000).map(lambda x: x + 1).count() == 10_000


@pytest.mark.minispark_only
def test_500_unions_in_a_row(sc, capsys):
    rdd = sc.parallelize([0], 1)
    for n in range(1, 501):
        rdd = rdd.union(sc.parallelize([n], 1))
    assert rdd.collect() == list(range(501))
    assert rdd.take(1) == [0]
    assert rdd.toDebugString().count(b"Union") >= 500
    rdd.explain()
    assert capsys.readouterr().out.count("union of") >= 500


@pytest.mark.minispark_only
def test_a_union_of_a_kept_union(sc):
    low = sc.parallelize([0, 1], 2).union(sc.parallelize([2], 1)).persist()
    rdd = low.union(sc.parallelize([3], 1)).union(low)
    assert [rdd.glom().collect() for _ in range(2)] == [[[0], [1], [2], [3], [0], [1], [2]]] * 2
    low.unpersist()
    assert rdd.glom().collect() == [[0], [1], [2], [3], [0], [1], [2]]


@pytest.mark.minispark_only
def test_a_diamond_of_depth_30(sc):
    rdd = sc.parallelize([(n, 1) for n in range(4)], 2)
    for _ in range(30):
        both = rdd.mapValues(lambda v: v % 1000).union(rdd.map(lambda kv: (kv[0], 1)))
        rdd = both.map(lambda kv: kv).reduceByKey(add, 2)
    assert sorted(rdd.collect()) == [(n, 31) for n in range(4)]


@pytest.mark.minispark_only
def test_100_shuffles_in_a_row(sc):
    rdd = sc.parallelize([(n, 1) for n in range(4)], 2)
    for _ in range(100):
        rdd = rdd.map(lambda kv: (kv[0] + 1, kv[1])).reduceByKey(add)
    assert sorted(rdd.collect()) == [(n + 100, 1) for n in range(4)]


@pytest.mark.minispark_only
def test_a_lineage_of_2000_steps_prints_and_runs(sc):
    rdd = sc.parallelize([0], 1)
    for n in range(2000):
        rdd = rdd.filter(lambda x: True) if n % 2 else rdd.map(lambda x: x + 1)
    assert rdd.collect() == [1000]
    assert rdd.toDebugString().count(b"\n") > 0


def test_a_diamond_of_joins_with_itself(sc):
    rdd = sc.parallelize([(1, 1)], 1)
    for _ in range(6):
        rdd = rdd.join(rdd, 1).mapValues(lambda pair: (pair[0] + pair[1]) % 1000)
    assert rdd.collect() == [(1, 64)]


@pytest.mark.minispark_only
def test_zip_of_an_rdd_with_itself_30_times(sc):
    rdd = sc.parallelize([1], 1)
    for _ in range(30):
        rdd = rdd.zip(rdd).map(lambda pair: pair[0]).cache()
    assert rdd.collect() == [1]


@pytest.mark.minispark_only
def test_a_shuffle_of_100_by_100_partitions(sc):
    rdd = sc.parallelize(range(5000), 100).map(lambda x: (x, 1)).reduceByKey(add, 100)
    assert rdd.count() == 5000


@pytest.mark.minispark_only
def test_a_record_of_100_megabytes(sc):
    size = 100_000_000
    rdd = sc.parallelize([0, 1], 2).map(lambda n: (n, bytes(size)))
    assert rdd.mapValues(len).collect() == [(0, size), (1, size)]
    assert rdd.groupByKey(1).mapValues(lambda vs: sum(map(len, vs))).values().sum() == 2 * size


def test_a_wide_record(sc):
    data = [tuple(range(10_000)), {str(n): n for n in range(10_000)}]
    assert sc.parallelize(data, 2).map(len).collect() == [10_000, 10_000]


def test_a_deeply_nested_record(sc):
    nested = []
    for _ in range(200):
        nested = [nested]
    assert sc.parallelize([nested], 1).map(lambda x: x).collect() == [nested]


def test_many_small_jobs(sc):
    rdd = sc.parallelize(range(4), 2)
    assert [rdd.map(lambda x, n=n: x * n).sum() for n in range(30)] == [6 * n for n in range(30)]
