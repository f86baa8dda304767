"""Actions: results, order, empty RDDs, how much they compute."""

from __future__ import annotations

import math
from operator import add

import pytest


def test_collect_keeps_partition_order(sc):
    assert sc.parallelize(range(20), 7).collect() == list(range(20))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_collect_with_job_group(sc):
    assert sc.parallelize([1, 2], 2).collectWithJobGroup("g", "description") == [1, 2]


def test_count(sc):
    assert sc.parallelize([None, 0, ""], 2).count() == 3
    assert sc.parallelize([], 3).count() == 0


def test_first(sc):
    assert sc.parallelize([5, 6], 2).first() == 5
    assert sc.parallelize([None], 3).first() is None
    assert sc.parallelize(range(100), 100).filter(lambda x: x > 97).first() == 98


def test_first_of_nothing(sc, still_usable):
    with pytest.raises(ValueError, match="empty"):
        sc.parallelize([], 2).first()
    with pytest.raises(ValueError, match="empty"):
        sc.emptyRDD().first()


@pytest.mark.parametrize("num", [0, 1, 3, 4, 10, 11, 1000])
@pytest.mark.parametrize("slices", [1, 3, 20])
def test_take(sc, num, slices):
    assert sc.parallelize(range(10), slices).take(num) == list(range(10))[:num]


def test_take_of_a_negative_number_and_of_nothing(sc):
    assert sc.parallelize([1], 1).take(-1) == []
    assert sc.parallelize([], 3).take(2) == []
    assert sc.emptyRDD().take(2) == []


def test_take_scans_one_partition_then_more(sc):
    scanned = sc.accumulator(0)

    def scan(iterator):
        scanned.add(1)
        return iterator

    rdd = sc.parallelize(range(100), 100).mapPartitions(scan)
    assert rdd.take(1) == [0]
    assert scanned.value == 1
    assert rdd.filter(lambda x: x >= 4).take(1) == [4]
    assert scanned.value == 1 + 1 + 4


def test_is_empty(sc):
    assert sc.parallelize([], 3).isEmpty()
    assert not sc.parallelize([None], 3).isEmpty()
    assert sc.parallelize([1], 1).filter(lambda x: False).isEmpty()


def test_reduce(sc):
    assert sc.parallelize([1, 2, 3, 4, 5], 3).reduce(add) == 15
    assert sc.parallelize("abcd", 3).reduce(add) == "abcd"
    assert sc.parallelize([7], 5).reduce(add) == 7
    assert sc.parallelize([None, None], 2).reduce(lambda a, b: a) is None


def test_reduce_with_a_subtraction_goes_left_to_right(sc):
    assert sc.parallelize([10, 1, 2], 1).reduce(lambda a, b: a - b) == 7


def test_reduce_of_nothing(sc, still_usable):
    with pytest.raises(ValueError, match=r"(?i)empty"):
        sc.parallelize([], 2).reduce(add)


def test_fold_uses_the_zero_per_partition_and_once_more(sc):
    assert sc.parallelize([1, 2, 3], 3).fold(0, add) == 6
    assert sc.parallelize([1, 2, 3], 3).fold(10, add) == 46
    assert sc.parallelize([], 2).fold(5, add) == 15


def test_fold_does_not_share_a_mutable_zero(sc):
    def extend(a, b):
        a.extend(b)
        return a

    assert sc.parallelize([[1], [2], [3]], 3).fold([], extend) == [1, 2, 3]


def test_aggregate(sc):
    rdd = sc.parallelize([1, 2, 3, 4], 3)
    result = rdd.aggregate(
        (0, 0), lambda a, x: (a[0] + x, a[1] + 1), lambda a, b: (a[0] + b[0], a[1] + b[1])
    )
    assert result == (10, 4)
    assert sc.parallelize([], 2).aggregate((0, 0), add, lambda a, b: a) == (0, 0)
    assert rdd.aggregate(100, add, add) == 410


@pytest.mark.parametrize("slices", [1, 4, 10])
@pytest.mark.parametrize("depth", [1, 2, 3, 10])
def test_tree_reduce_and_tree_aggregate(sc, slices, depth):
    rdd = sc.parallelize([-5, -4, -3, -2, -1, 1, 2, 3, 4], slices)
    assert rdd.treeReduce(add, depth) == -5
    assert rdd.treeAggregate(0, add, add, depth) == -5


def test_tree_reduce_of_nothing(sc, still_usable):
    with pytest.raises(ValueError, match=r"(?i)empty"):
        sc.parallelize([], 3).treeReduce(add)


def test_tree_reduce_of_depth_zero(sc, still_usable):
    with pytest.raises(ValueError, match=r"(?i)depth"):
        sc.parallelize([1], 1).treeReduce(add, 0)


def test_tree_aggregate_of_no_partition_is_the_zero(sc):
    assert sc.emptyRDD().treeAggregate(7, add, add) == 7


@pytest.mark.parametrize("slices", [1, 2, 10])
def test_take_ordered_and_top(sc, slices):
    data = [10, 1, 2, 9, 3, 4, 5, 6, 7]
    rdd = sc.parallelize(data, slices)
    assert rdd.takeOrdered(4) == [1, 2, 3, 4]
    assert rdd.takeOrdered(3, key=lambda x: -x) == [10, 9, 7]
    assert rdd.top(2) == [10, 9]
    assert rdd.top(2, key=str) == [9, 7]
    assert rdd.takeOrdered(100) == sorted(data)
    assert rdd.top(100) == sorted(data, reverse=True)


def test_top_and_take_ordered_of_nothing(sc):
    assert sc.parallelize([], 2).top(3) == []
    assert sc.parallelize([], 2).takeOrdered(3) == []
    assert sc.parallelize([3, 1], 2).top(0) == []
    assert sc.parallelize([3, 1], 2).takeOrdered(0) == []


def test_ties_keep_the_order_of_the_records(sc):
    rdd = sc.parallelize(["bb", "a", "cc", "d", "ee"], 3)
    assert rdd.takeOrdered(3, key=len) == ["a", "d", "bb"]
    assert rdd.top(3, key=len) == ["bb", "cc", "ee"]


def test_max_and_min(sc):
    rdd = sc.parallelize([1.0, 5.0, 43.0, 10.0], 2)
    assert (rdd.max(), rdd.min()) == (43.0, 1.0)
    assert (rdd.max(key=str), rdd.min(key=str)) == (5.0, 1.0)
    assert sc.parallelize(["a", "é"], 2).max() == "é"


def test_max_of_nothing(sc, still_usable):
    with pytest.raises(ValueError, match=r"(?i)empty"):
        sc.parallelize([], 2).max()
    with pytest.raises(ValueError, match=r"(?i)empty"):
        sc.parallelize([], 2).min()


def test_count_by_value(sc):
    counts = sc.parallelize([1, 2, 1, None, "a", None], 3).countByValue()
    assert dict(counts) == {1: 2, 2: 1, None: 2, "a": 1}
    assert counts["absent"] == 0
    assert dict(sc.parallelize([], 2).countByValue()) == {}


def test_count_by_key(sc):
    counts = sc.parallelize([("a", 1), ("b", 1), ("a", 9)], 2).countByKey()
    assert dict(counts) == {"a": 2, "b": 1}


def test_collect_as_map_keeps_the_last_value(sc):
    assert sc.parallelize([(1, "a"), (2, "b"), (1, "c")], 2).collectAsMap() == {1: "c", 2: "b"}
    assert sc.parallelize([], 2).collectAsMap() == {}


def test_reduce_by_key_locally(sc):
    rdd = sc.parallelize([("a", 1), ("b", 1), ("a", 1)], 2)
    assert rdd.reduceByKeyLocally(add) == {"a": 2, "b": 1}


def test_lookup(sc):
    rdd = sc.parallelize([(1, "a"), (2, "b"), (1, "c")], 2)
    assert rdd.lookup(1) == ["a", "c"]
    assert rdd.lookup(3) == []
    assert rdd.partitionBy(3).lookup(1) == ["a", "c"]
    assert sc.parallelize([(("x", None), 1)], 2).groupByKey().mapValues(list).lookup(
        ("x", None)
    ) == [[1]]


def test_lookup_of_a_string_key_finds_its_partition(sc):
    rdd = sc.parallelize([("apple", 1), ("é", 2), ("", 3)], 2).partitionBy(7)
    assert [rdd.lookup(k) for k in ("apple", "é", "", "none")] == [[1], [2], [3], []]


def test_lookup_reads_one_partition_when_the_partitioner_is_known(sc):
    scanned = sc.accumulator(0)

    def scan(iterator):
        scanned.add(1)
        return iterator

    rdd = sc.parallelize([(n, n) for n in range(10)], 2).partitionBy(5).mapPartitions(scan, True)
    assert rdd.lookup(7) == [7]
    assert scanned.value == 1


def test_foreach(sc):
    total = sc.accumulator(0)
    assert sc.parallelize([1, 2, 3], 2).foreach(total.add) is None
    assert total.value == 6
    sc.parallelize([], 2).foreach(total.add)
    assert total.value == 6


def test_foreach_partition(sc):
    sizes = sc.accumulator(0)

    def visit(iterator):
        sizes.add(10 + sum(1 for _ in iterator))

    sc.parallelize([1, 2, 3], 2).foreachPartition(visit)
    assert sizes.value == 23


def test_foreach_partition_ignores_what_is_returned(sc):
    rdd = sc.parallelize([1, 2], 2)
    rdd.foreachPartition(lambda it: None)
    rdd.foreachPartition(lambda it: 5)


def test_to_local_iterator(sc):
    rdd = sc.parallelize(range(10), 4)
    assert list(rdd.toLocalIterator()) == list(range(10))
    assert list(rdd.toLocalIterator(prefetchPartitions=True)) == list(range(10))
    assert list(sc.parallelize([], 2).toLocalIterator()) == []


def test_to_local_iterator_may_be_left_early(sc, still_usable):
    iterator = sc.parallelize(range(10), 5).toLocalIterator()
    assert [next(iterator), next(iterator), next(iterator)] == [0, 1, 2]
    del iterator


def test_two_local_iterators_at_once(sc):
    rdd = sc.parallelize(range(4), 2)
    assert list(zip(rdd.toLocalIterator(), rdd.map(str).toLocalIterator(), strict=True)) == [
        (0, "0"),
        (1, "1"),
        (2, "2"),
        (3, "3"),
    ]


def test_actions_inside_a_loop_over_a_local_iterator(sc):
    rdd = sc.parallelize([1, 2], 2)
    assert [sc.parallelize([n, n], 2).sum() for n in rdd.toLocalIterator()] == [2, 4]


def test_run_job(sc):
    rdd = sc.parallelize(range(6), 3)
    assert sc.runJob(rdd, lambda part: [x * x for x in part]) == [0, 1, 4, 9, 16, 25]
    assert sc.runJob(rdd, lambda part: [x * x for x in part], [0, 2], True) == [0, 1, 16, 25]
    assert sc.runJob(rdd, lambda part: [sum(part)], [2, 0]) == [9, 1]
    assert sc.runJob(rdd, list, []) == []


def test_run_job_on_a_partition_that_is_not_there(sc, still_usable):
    with pytest.raises(Exception, match="7"):
        sc.runJob(sc.parallelize([1], 1), list, [7])


def test_take_sample(sc):
    rdd = sc.parallelize(range(10), 3)
    assert sorted(rdd.takeSample(False, 100, 1)) == list(range(10))
    assert len(rdd.takeSample(True, 20, 1)) == 20
    assert len(set(rdd.takeSample(False, 5, 2))) == 5
    assert rdd.takeSample(False, 5, 2) == rdd.takeSample(False, 5, 2)
    assert rdd.takeSample(False, 0) == []
    assert sc.parallelize([], 2).takeSample(False, 3, 1) == []


def test_take_sample_of_a_negative_number(sc, still_usable):
    with pytest.raises(ValueError, match=r"(?i)negative|num"):
        sc.parallelize([1], 1).takeSample(False, -1)


def test_count_approx_and_friends(sc):
    rdd = sc.parallelize(range(1000), 4)
    assert rdd.countApprox(60_000, 1.0) == 1000
    assert abs(rdd.map(float).sumApprox(60_000) - 499_500) < 5_000
    assert abs(rdd.map(float).meanApprox(60_000) - 499.5) < 5


def test_count_approx_distinct(sc):
    rdd = sc.parallelize([n % 100 for n in range(1000)], 3).map(str)
    assert 90 <= rdd.countApproxDistinct() <= 110
    with pytest.raises(ValueError, match="relativeSD"):
        rdd.countApproxDistinct(0.00000001)


def test_an_action_in_two_threads(sc):
    from concurrent.futures import ThreadPoolExecutor

    def job(n):
        return sc.parallelize(range(n), 3).map(lambda x: (x % 2, x)).reduceByKey(add).values().sum()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(1, 9))) == [n * (n - 1) // 2 for n in range(1, 9)]


def test_results_of_a_megabyte_each(sc):
    parts = sc.parallelize(range(4), 4).map(lambda n: bytes([n]) * 1_000_000).collect()
    assert [(p[0], len(p)) for p in parts] == [(n, 1_000_000) for n in range(4)]


def test_nan_in_actions(sc):
    rdd = sc.parallelize([1.0, math.nan, 2.0], 3)
    assert rdd.count() == 3
    assert math.isnan(rdd.sum())
    assert math.isnan(rdd.mean())
