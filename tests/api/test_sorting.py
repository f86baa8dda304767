"""sortByKey, sortBy, repartitionAndSortWithinPartitions."""

from __future__ import annotations

import math

import pytest

WORDS = ["delta", "alpha", "Echo", "charlie", "", "bravo", "alpha", "éclair"]


@pytest.mark.parametrize("slices", [1, 2, 5])
@pytest.mark.parametrize("wanted", [None, 1, 2, 7])
@pytest.mark.parametrize("ascending", [True, False])
def test_sort_by(sc, slices, wanted, ascending):
    data = [(n * 37) % 101 for n in range(101)]
    rdd = sc.parallelize(data, slices).sortBy(lambda x: x, ascending, wanted)
    assert rdd.collect() == sorted(data, reverse=not ascending)


def test_sort_strings(sc):
    assert sc.parallelize(WORDS, 3).sortBy(lambda w: w).collect() == sorted(WORDS)


def test_sort_by_key(sc):
    pairs = [("b", 2), ("a", 1), ("c", 3)]
    assert sc.parallelize(pairs, 2).sortByKey().collect() == [("a", 1), ("b", 2), ("c", 3)]
    assert sc.parallelize(pairs, 2).sortByKey(False).keys().collect() == ["c", "b", "a"]
    assert sc.parallelize(pairs, 2).sortByKey(True, 1).glom().collect() == [sorted(pairs)]


def test_sort_by_key_with_a_key_function(sc):
    pairs = [("B", 1), ("a", 2), ("C", 3)]
    rdd = sc.parallelize(pairs, 2).sortByKey(True, 2, keyfunc=lambda k: k.lower())
    assert rdd.keys().collect() == ["a", "B", "C"]


def test_sort_of_equal_keys_is_stable_in_one_partition(sc):
    data = [(k, n) for n, k in enumerate([1, 0, 1, 0, 1, 0])]
    for slices in (1, 3):
        rdd = sc.parallelize(data, slices).sortByKey(numPartitions=1)
        assert rdd.collect() == sorted(data, key=lambda kv: kv[0])


def test_descending_sort_keeps_equal_keys_in_their_order(sc):
    data = [(1, "a"), (0, "b"), (1, "c")]
    rdd = sc.parallelize(data, 1).sortByKey(ascending=False)
    assert rdd.collect() == [(1, "a"), (1, "c"), (0, "b")]


def test_sort_is_range_partitioned(sc):
    rdd = sc.parallelize(range(99, -1, -1), 4).sortBy(lambda x: x, numPartitions=4)
    parts = rdd.glom().collect()
    assert len(parts) == 4
    assert [x for p in parts for x in p] == list(range(100))
    assert [len(p) for p in parts] == [30, 22, 26, 22]


def test_sort_of_few_distinct_keys_into_many_partitions(sc):
    rdd = sc.parallelize([1, 2, 1, 2, 1], 3).sortBy(lambda x: x, numPartitions=6)
    assert rdd.getNumPartitions() == 6
    assert rdd.collect() == [1, 1, 1, 2, 2]


def test_sort_of_nothing(sc):
    assert sc.parallelize([], 3).sortBy(lambda x: x).collect() == []
    assert sc.parallelize([], 3).sortByKey().collect() == []
    assert sc.emptyRDD().sortBy(lambda x: x).collect() == []


def test_sort_of_one_record(sc):
    assert sc.parallelize([7], 3).sortBy(lambda x: x).collect() == [7]


def test_sort_of_mixed_numbers(sc):
    data = [10**30, -1.5, True, 0, -math.inf, math.inf, 2]
    assert sc.parallelize(data, 3).sortBy(lambda x: x).collect() == sorted(data)


def test_sort_of_tuples_with_a_negated_key(sc):
    data = [("a", 1), ("b", 3), ("c", 3), ("d", 2)]
    rdd = sc.parallelize(data, 2).sortBy(lambda kv: (-kv[1], kv[0]))
    assert [k for k, _ in rdd.collect()] == ["b", "c", "d", "a"]


def test_sort_loses_no_nan(sc):
    data = [3.0, math.nan, 1.0, 2.0]
    result = sc.parallelize(data, 2).sortBy(lambda x: x).collect()
    assert len(result) == 4
    assert sum(map(math.isnan, result)) == 1


def test_sort_of_keys_that_do_not_compare_fails(sc, still_usable):
    with pytest.raises(Exception, match=r"not supported between|do not compare"):
        sc.parallelize([1, "a", None], 2).sortBy(lambda x: x).collect()


def test_a_failing_key_function_fails(sc, task_fails, still_usable):
    with task_fails(ZeroDivisionError):
        sc.parallelize([1, 2], 2).sortBy(lambda x: 1 // 0).collect()


def test_sort_by_then_take(sc):
    rdd = sc.parallelize(range(100), 4).sortBy(lambda x: -x)
    assert rdd.take(3) == [99, 98, 97]
    assert rdd.first() == 99


def test_repartition_and_sort_within_partitions(sc):
    data = [(0, 5), (3, 8), (2, 6), (0, 8), (3, 8), (1, 3)]
    rdd = sc.parallelize(data, 2).repartitionAndSortWithinPartitions(2, lambda k: k % 2, True)
    assert rdd.glom().collect() == [[(0, 5), (0, 8), (2, 6)], [(1, 3), (3, 8), (3, 8)]]


def test_repartition_and_sort_descending_by_a_key_function(sc):
    data = [(n, n) for n in range(6)]
    rdd = sc.parallelize(data, 2).repartitionAndSortWithinPartitions(
        2, ascending=False, keyfunc=lambda k: k % 4
    )
    assert rdd.keys().glom().collect() == [[2, 0, 4], [3, 1, 5]]


def test_sorted_rdd_can_be_shuffled_again(sc):
    rdd = sc.parallelize([(n % 3, 1) for n in range(9)], 3).sortByKey()
    assert sorted(rdd.reduceByKey(lambda a, b: a + b).collect()) == [(0, 3), (1, 3), (2, 3)]


def test_sort_a_larger_set(sc):
    data = [(n * 7919) % 20_011 for n in range(20_011)]
    assert sc.parallelize(data, 4).sortBy(lambda x: x).collect() == sorted(data)


def test_sort_when_the_data_is_cached(sc):
    rdd = sc.parallelize([3, 1, 2], 2).cache()
    assert rdd.sortBy(lambda x: x).collect() == [1, 2, 3]
    assert rdd.collect() == [3, 1, 2]


def test_a_sort_of_floats_with_nan_keeps_every_record(sc):
    # NaN is in one partition only: the others are placed in batches.
    keys = [key for i in range(20) for key in (20.0 - i, math.nan)]
    keys += map(float, range(40))
    rows = [(key, i) for i, key in enumerate(keys)]
    for ascending in (True, False):
        found = sc.parallelize(rows, 4).sortByKey(ascending, 5).values().collect()
        assert sorted(found) == list(range(len(rows)))
