"""Key-value shuffles: placement, order, combiners, partitioners, laziness."""

from __future__ import annotations

import sys
from operator import add

import pytest

PAIRS = [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 5)]


def test_reduce_by_key(sc):
    assert dict(sc.parallelize(PAIRS, 3).reduceByKey(add).collect()) == {"a": 4, "b": 7, "c": 4}


def test_reduce_by_key_keeps_the_number_of_partitions(sc):
    rdd = sc.parallelize(PAIRS, 3)
    assert rdd.reduceByKey(add).getNumPartitions() == 3
    assert rdd.reduceByKey(add, 7).getNumPartitions() == 7
    assert rdd.reduceByKey(add, numPartitions=1).glom().collect() == [
        [("a", 4), ("b", 7), ("c", 4)]
    ]


def test_integers_are_placed_by_their_value(sc):
    rdd = sc.parallelize([(n, -n) for n in range(7)], 2).reduceByKey(add, 3)
    assert rdd.glom().collect() == [
        [(0, 0), (3, -3), (6, -6)],
        [(1, -1), (4, -4)],
        [(2, -2), (5, -5)],
    ]


def test_none_negative_and_tuple_keys_are_placed_as_pyspark_does(sc):
    keys = [None, -1, -2, (1, 2), (None, 1), True, 2.5, 2**61]
    placed = sc.parallelize([(k, 0) for k in keys], 2).partitionBy(4).keys().glom().collect()
    assert placed == [[k for k in keys if _portable_hash(k) % 4 == n] for n in range(4)]


def _portable_hash(key):
    if key is None:
        return 0
    if isinstance(key, tuple):
        value = 0x345678
        for item in key:
            value = ((value ^ _portable_hash(item)) * 1000003) & (2**63 - 1)
        value ^= len(key)
        return -2 if value == -1 else value
    return hash(key)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python hashed strings differently")
def test_string_keys_are_placed_as_with_hash_seed_zero(sc):
    rdd = sc.parallelize([(w, 0) for w in ["apple", "banana", "cherry", "é", ""]], 2)
    assert rdd.partitionBy(3).keys().glom().collect() == STRINGS_IN_3


STRINGS_IN_3 = [["é", ""], [], ["apple", "banana", "cherry"]]


def test_equal_keys_of_other_types_meet(sc):
    rdd = sc.parallelize([(1, "int"), (1.0, "float"), (True, "bool")], 3)
    assert rdd.groupByKey().mapValues(list).collect() == [(1, ["int", "float", "bool"])]


def test_mixed_keys_in_one_shuffle(sc):
    data = [(None, 1), ("a", 2), (1, 3), ((1, "a"), 4), (b"x", 5), (None, 6), ((None,), 7)]
    result = dict(sc.parallelize(data, 3).reduceByKey(add).collect())
    assert result == {None: 7, "a": 2, 1: 3, (1, "a"): 4, b"x": 5, (None,): 7}


def test_values_are_merged_in_the_order_of_the_partitions(sc):
    rdd = sc.parallelize([("k", str(n)) for n in range(20)], 5)
    assert rdd.reduceByKey(add).collect() == [("k", "".join(map(str, range(20))))]


def test_reduce_by_key_of_nothing(sc):
    assert sc.parallelize([], 3).reduceByKey(add).glom().collect() == [[], [], []]
    assert sc.parallelize([], 3).groupByKey(2).glom().collect() == [[], []]


def test_reduce_by_key_of_one_value_does_not_call_the_function(sc):
    def explode(a, b):
        raise AssertionError

    assert sorted(sc.parallelize([(1, "x"), (2, None)], 2).reduceByKey(explode).collect()) == [
        (1, "x"),
        (2, None),
    ]


def test_reducers_may_change_their_left_argument(sc):
    def extend(a, b):
        a += b
        return a

    rdd = sc.parallelize([("a", [1]), ("a", [2]), ("a", [3])], 2).cache()
    assert rdd.reduceByKey(extend).collect() == [("a", [1, 2, 3])]
    assert rdd.reduceByKey(extend).collect() == [("a", [1, 2, 3])]
    assert rdd.values().collect() == [[1], [2], [3]]


def test_group_by_key_gives_an_iterable_with_a_length(sc):
    [(key, values)] = sc.parallelize([("a", 1), ("a", None), ("a", 1)], 2).groupByKey().collect()
    assert key == "a"
    assert len(values) == 3
    assert list(values) == [1, None, 1]
    assert list(values) == [1, None, 1]


def test_group_by_key_order_of_keys(sc):
    rdd = sc.parallelize([(n % 4, n) for n in range(10)], 3).groupByKey(1).mapValues(list)
    assert rdd.collect() == [(0, [0, 4, 8]), (1, [1, 5, 9]), (2, [2, 6]), (3, [3, 7])]


def test_group_by_key_of_unhashable_values(sc):
    rdd = sc.parallelize([(1, [1]), (1, {"a": 1})], 2).groupByKey().mapValues(list)
    assert rdd.collect() == [(1, [[1], {"a": 1}])]


def test_combine_by_key(sc):
    rdd = sc.parallelize(PAIRS, 2).combineByKey(
        lambda v: [v], lambda acc, v: [*acc, v], lambda a, b: a + b
    )
    assert dict(rdd.collect()) == {"a": [1, 3], "b": [2, 5], "c": [4]}


def test_aggregate_by_key(sc):
    rdd = sc.parallelize([("a", 1), ("b", 1), ("a", 2)], 3)
    result = rdd.aggregateByKey(
        (0, 0), lambda a, v: (a[0] + v, a[1] + 1), lambda a, b: (a[0] + b[0], a[1] + b[1])
    )
    assert dict(result.collect()) == {"a": (3, 2), "b": (1, 1)}


def test_aggregate_by_key_does_not_share_a_mutable_zero(sc):
    def append(acc, v):
        acc.append(v)
        return acc

    rdd = sc.parallelize([("a", 1), ("b", 2), ("a", 3), ("b", 4)], 2)
    result = rdd.aggregateByKey([], append, add).collect()
    assert dict(result) == {"a": [1, 3], "b": [2, 4]}


def test_aggregate_by_key_applies_the_zero_once_per_partition(sc):
    rdd = sc.parallelize([("a", 1), ("a", 2), ("a", 3), ("a", 4)], 2)
    assert rdd.aggregateByKey(10, add, add).collect() == [("a", 30)]


def test_fold_by_key(sc):
    rdd = sc.parallelize([("a", 1), ("b", 1), ("a", 1)], 1)
    assert sorted(rdd.foldByKey(0, add).collect()) == [("a", 2), ("b", 1)]
    assert sorted(rdd.foldByKey(5, add).collect()) == [("a", 7), ("b", 6)]


def test_partition_by_with_a_function(sc):
    rdd = sc.parallelize([(n, n) for n in range(6)], 2).partitionBy(3, lambda k: 0 if k < 4 else 2)
    assert rdd.keys().glom().collect() == [[0, 1, 2, 3], [], [4, 5]]


def test_partition_by_a_function_beyond_the_range_wraps(sc):
    rdd = sc.parallelize([(7, "a"), (-1, "b")], 1).partitionBy(3, lambda k: k)
    assert rdd.glom().collect() == [[], [(7, "a")], [(-1, "b")]]


def test_partition_by_keeps_duplicates_in_order(sc):
    rdd = sc.parallelize([(0, n) for n in range(10)], 4).partitionBy(2)
    assert rdd.glom().collect() == [[(0, n) for n in range(10)], []]


def test_partition_by_the_same_partitioner_is_the_same_rdd(sc):
    rdd = sc.parallelize(PAIRS, 2).partitionBy(3)
    assert rdd.partitionBy(3) is rdd
    assert rdd.partitionBy(2) is not rdd
    assert rdd.partitionBy(3).partitioner == rdd.partitioner
    assert rdd.partitionBy(2).partitioner != rdd.partitioner


def test_a_partitioner_that_fits_saves_the_shuffle(sc):
    moved = sc.accumulator(0)

    def place(key):
        moved.add(1)
        return key

    rdd = sc.parallelize([(n, n) for n in range(8)], 2).partitionBy(4, place)
    reduced = rdd.reduceByKey(add, 4, place)
    assert sorted(reduced.collect()) == [(n, n) for n in range(8)]
    assert reduced.partitioner == rdd.partitioner
    assert moved.value == 8


def test_shuffled_rdds_have_a_partitioner(sc):
    rdd = sc.parallelize(PAIRS, 2)
    assert rdd.partitioner is None
    by_key = rdd.reduceByKey(add, 3)
    assert by_key.partitioner == rdd.partitionBy(3).partitioner == rdd.groupByKey(3).partitioner
    assert by_key.partitioner.numPartitions == 3
    assert rdd.repartition(3).partitioner is None
    assert rdd.distinct().partitioner is None


def test_a_second_action_does_not_run_the_map_side_again(sc):
    ran = sc.accumulator(0)

    def count(x):
        ran.add(1)
        return (x % 3, x)

    rdd = sc.parallelize(range(10), 2).map(count).reduceByKey(add)
    first, second = rdd.collect(), rdd.collect()
    assert first == second
    assert rdd.mapValues(str).count() == 3
    assert ran.value == 10


def test_distinct(sc):
    rdd = sc.parallelize([1, 2, 1, None, None, "a", (1, 2), (1, 2)], 3).distinct()
    assert sorted(rdd.collect(), key=repr) == sorted([1, 2, None, "a", (1, 2)], key=repr)
    assert rdd.getNumPartitions() == 3
    assert sc.parallelize([1, 1], 2).distinct(5).getNumPartitions() == 5


def test_distinct_of_equal_numbers(sc):
    assert sc.parallelize([1, 1.0, True], 1).distinct().collect() == [1]


def test_distinct_order_in_one_partition(sc):
    assert sc.parallelize([3, 1, 3, 2, 1], 1).distinct().collect() == [3, 1, 2]


def test_distinct_of_nothing(sc):
    assert sc.parallelize([], 2).distinct().collect() == []


def test_distinct_of_unhashable_records_fails(sc, task_fails, still_usable):
    with task_fails(TypeError, match=r"(?i)unhashable|cannot be hashed"):
        sc.parallelize([[1], [1]], 2).distinct().collect()


def test_group_by(sc):
    rdd = sc.parallelize(range(6), 2).groupBy(lambda x: x % 2).mapValues(list)
    assert rdd.glom().collect() == [[(0, [0, 2, 4])], [(1, [1, 3, 5])]]
    assert sc.parallelize(range(6), 2).groupBy(lambda x: x % 2, 3).getNumPartitions() == 3


@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_repartition(sc, wanted):
    rdd = sc.parallelize(range(50), 3).repartition(wanted)
    assert rdd.getNumPartitions() == wanted
    assert sorted(rdd.collect()) == list(range(50))


def test_repartition_balances(sc):
    sizes = sc.parallelize(range(1000), 1).repartition(4).glom().map(len).collect()
    assert max(sizes) - min(sizes) <= 10


def test_repartition_of_nothing(sc):
    assert sc.parallelize([], 3).repartition(2).glom().collect() == [[], []]


def test_chained_shuffles(sc):
    rdd = sc.parallelize(range(100), 4).map(lambda x: (x % 10, x))
    rdd = rdd.reduceByKey(add, 3).map(lambda kv: (kv[1] % 2, kv[1])).reduceByKey(add, 2)
    assert sorted(rdd.collect()) == [(0, 4950)]


def test_twenty_shuffles_in_a_row(sc):
    rdd = sc.parallelize([(n, 1) for n in range(4)], 2)
    for _ in range(20):
        rdd = rdd.map(lambda kv: (kv[0] + 1, kv[1])).reduceByKey(add)
    assert sorted(rdd.collect()) == [(n + 20, 1) for n in range(4)]


def test_more_reduce_partitions_than_keys(sc):
    rdd = sc.parallelize(PAIRS, 2).reduceByKey(add, 100)
    assert rdd.getNumPartitions() == 100
    assert sorted(rdd.collect()) == [("a", 4), ("b", 7), ("c", 4)]


def test_one_huge_key(sc):
    rdd = sc.parallelize(range(20_000), 4).map(lambda x: (0, x)).groupByKey(3)
    assert rdd.mapValues(len).collect() == [(0, 20_000)]


def test_many_keys(sc):
    rdd = sc.parallelize(range(20_000), 4).map(lambda x: (x, 1)).reduceByKey(add, 3)
    assert rdd.count() == 20_000
    assert rdd.values().sum() == 20_000


def test_records_that_are_lists_of_two_are_pairs(sc):
    rdd = sc.parallelize([["a", 1], ["a", 2]], 2)
    assert rdd.reduceByKey(add).collect() == [("a", 3)]
    assert sorted(rdd.groupByKey().mapValues(list).collect()) == [("a", [1, 2])]


@pytest.mark.parametrize("record", [1, (1,), (1, 2, 3), None], ids=str)
def test_a_record_that_is_not_a_pair_fails(sc, task_fails, record, still_usable):
    with task_fails((TypeError, ValueError, IndexError)):
        sc.parallelize([("a", 1), record], 2).reduceByKey(add).collect()


def test_an_unhashable_key_fails(sc, task_fails, still_usable):
    with task_fails(TypeError, match=r"(?i)unhashable|cannot be hashed"):
        sc.parallelize([([1], 1), ([1], 2)], 2).reduceByKey(add).collect()


def test_a_failing_reducer_fails_the_job(sc, task_fails, still_usable):
    def explode(a, b):
        raise KeyError("in the reducer")

    with task_fails(KeyError, match="in the reducer"):
        sc.parallelize(PAIRS, 2).reduceByKey(explode).collect()


def test_a_failing_partition_function_fails_the_job(sc, task_fails, still_usable):
    with task_fails(ZeroDivisionError):
        sc.parallelize(PAIRS, 2).partitionBy(2, lambda k: 1 // 0).collect()


@pytest.mark.minispark_only
@pytest.mark.parametrize("method", ["reduceByKey", "groupByKey", "distinct", "partitionBy"])
@pytest.mark.parametrize("count", [-1, 0, "2", 1.5])
def test_a_bad_number_of_partitions_is_refused_at_the_call(sc, method, count, still_usable):
    rdd = sc.parallelize(PAIRS, 2)
    arguments = (add, count) if method == "reduceByKey" else (count,)
    with pytest.raises((TypeError, ValueError), match="numPartitions"):
        getattr(rdd, method)(*arguments)
