"""Combining, grouping and sorting where the keys are in place: no shuffle, and it spills."""

from __future__ import annotations

from operator import add

import pytest

from minispark import SparkConf, SparkContext
from minispark.storage.spill import SpillFile

ROWS = [(i * 7919 % 997, i) for i in range(6000)]


@pytest.fixture(scope="module", params=["1g", "200k"], ids=["fits", "spills"])
def sc(request):
    conf = SparkConf().set("spark.executor.memory", request.param)
    with SparkContext("local", conf=conf) as context:
        yield context


@pytest.fixture
def spills(sc, monkeypatch):
    """How many spill files are opened; none may be where all fits."""
    opened = []
    init = SpillFile.__init__

    def counting(self, files):
        opened.append(self)
        init(self, files)

    monkeypatch.setattr(SpillFile, "__init__", counting)
    yield opened
    fits = sc.getConf().get("spark.executor.memory") == "1g"
    assert bool(opened) is not fits


@pytest.fixture
def placed(sc):
    rdd = sc.parallelize(ROWS, 3).partitionBy(2).mapValues(lambda v: (v, "x" * 40)).cache()
    rdd.count()
    yield rdd
    rdd.unpersist()


def kept_order(rows):
    groups = {}
    for k, v in rows:
        groups.setdefault(k, []).append(v)
    return groups


def test_group(placed, spills):
    grouped = placed.groupByKey()
    assert "ShuffledRDD" not in grouped.toDebugString().decode().splitlines()[0]
    for part, rows in zip(grouped.glom().collect(), placed.glom().collect(), strict=True):
        assert [(k, list(vs)) for k, vs in part] == list(kept_order(rows).items())


def test_combine(placed, spills):
    summed = placed.combineByKey(lambda v: [v[0]], lambda a, v: [*a, v[0]], add)
    for part, rows in zip(summed.glom().collect(), placed.glom().collect(), strict=True):
        assert part == [(k, [v for v, _ in vs]) for k, vs in kept_order(rows).items()]


@pytest.mark.parametrize("ascending", [True, False])
def test_sort(placed, spills, ascending):
    ordered = placed.repartitionAndSortWithinPartitions(2, ascending=ascending)
    for part, rows in zip(ordered.glom().collect(), placed.glom().collect(), strict=True):
        assert part == sorted(rows, key=lambda kv: kv[0], reverse=not ascending)


def test_sort_in_one_partition(sc, spills):
    one = sc.parallelize(ROWS, 1).mapValues(lambda v: (v, "x" * 40))
    assert one.sortByKey().keys().collect() == sorted(k for k, _ in ROWS)


def test_steps_around_it(placed, spills):
    result = (
        placed.mapValues(lambda v: v[0])
        .filter(lambda kv: kv[1] % 2)
        .groupByKey()
        .mapValues(lambda vs: [(v, "y" * 40) for v in vs])
        .flatMapValues(list)
        .groupByKey()
        .mapValues(len)
    )
    assert dict(result.collect()) == {
        k: len(vs) for k, vs in kept_order((k, v) for k, v in ROWS if v % 2).items()
    }


def test_nothing_is_computed_before_it_is_asked_for(sc):
    computed = sc.accumulator(0)
    placed = sc.parallelize([(1, 1), (1, 2)], 1).partitionBy(1)
    counted = placed.mapValues(lambda v: computed.add(1) or v)
    assert counted.reduceByKey(add).mapPartitions(lambda rows: [7]).collect() == [7]
    assert computed.value == 0
    assert counted.reduceByKey(add).collect() == [(1, 3)]
    assert computed.value == 2


def test_stop_iteration_of_a_user_function_is_an_error(sc):
    def broken(a, b):
        raise StopIteration

    placed = sc.parallelize([(1, 1), (1, 2)], 1).partitionBy(1)
    with pytest.raises(RuntimeError, match="StopIteration"):
        placed.reduceByKey(broken).collect()


def test_sorting_what_does_not_compare_says_so(sc):
    placed = sc.parallelize([("a", 1), (1, 2)], 1)
    with pytest.raises(TypeError, match="do not compare"):
        placed.sortByKey().collect()
