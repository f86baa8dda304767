"""Narrow transformations: results, order, partitions, the partitioner, laziness."""

from __future__ import annotations

import math
import os

import pytest


def test_map(sc):
    assert sc.parallelize([1, 2, 3], 2).map(lambda x: x * 2).collect() == [2, 4, 6]


def test_map_with_a_builtin_and_a_method(sc):
    assert sc.parallelize(["1", "2"], 2).map(int).map(str).collect() == ["1", "2"]
    assert sc.parallelize(["a"], 1).map(str.upper).collect() == ["A"]


def test_map_with_a_bound_method_and_a_callable_object(sc):
    class Plus:
        def __init__(self, n):
            self.n = n

        def add(self, x):
            return x + self.n

        __call__ = add

    assert sc.parallelize([1, 2], 2).map(Plus(5).add).map(Plus(10)).collect() == [16, 17]


def test_map_to_none(sc):
    assert sc.parallelize([1, 2], 2).map(lambda x: None).collect() == [None, None]


def test_flat_map(sc):
    rdd = sc.parallelize([2, 0, 3], 2).flatMap(range)
    assert rdd.glom().collect() == [[0, 1], [0, 1, 2]]


def test_flat_map_of_strings_and_generators(sc):
    assert sc.parallelize(["ab", "", "c"], 2).flatMap(lambda s: s).collect() == ["a", "b", "c"]
    assert sc.parallelize([2], 1).flatMap(lambda n: (i for i in range(n))).collect() == [0, 1]


def test_filter_keeps_what_is_truthy(sc):
    data = [0, 1, "", "a", None, [], [0]]
    assert sc.parallelize(data, 3).filter(lambda x: x).collect() == [1, "a", [0]]


def test_filter_may_empty_partitions(sc):
    rdd = sc.parallelize(range(6), 3).filter(lambda x: x > 3)
    assert rdd.glom().collect() == [[], [], [4, 5]]


def test_a_chain_of_100_narrow_steps(sc):
    rdd = sc.parallelize([0, 1], 2)
    for _ in range(100):
        rdd = rdd.map(lambda x: x + 1)
    assert rdd.collect() == [100, 101]


@pytest.mark.minispark_only
def test_a_chain_of_1000_narrow_steps(sc):
    rdd = sc.parallelize([0, 1], 2)
    for _ in range(1000):
        rdd = rdd.map(lambda x: x + 1)
    assert rdd.collect() == [1000, 1001]


def test_mixed_chain(sc):
    rdd = (
        sc.parallelize(range(10), 3)
        .filter(lambda x: x % 2)
        .map(lambda x: (x, x * x))
        .flatMapValues(lambda v: [v, -v])
        .mapValues(str)
        .filter(lambda kv: kv[0] > 3)
        .values()
    )
    assert rdd.collect() == ["25", "-25", "49", "-49", "81", "-81"]


def test_map_partitions(sc):
    rdd = sc.parallelize(range(5), 2)
    assert rdd.mapPartitions(lambda it: [sum(it)]).collect() == [1, 9]


def test_map_partitions_sees_empty_partitions(sc):
    assert sc.parallelize([], 3).mapPartitions(lambda it: [len(list(it))]).collect() == [0, 0, 0]


def test_map_partitions_with_a_generator(sc):
    def pairs(iterator):
        last = None
        for x in iterator:
            if last is not None:
                yield last, x
            last = x

    rdd = sc.parallelize(range(6), 2).mapPartitions(pairs)
    assert rdd.glom().collect() == [[(0, 1), (1, 2)], [(3, 4), (4, 5)]]


def test_map_partitions_gets_an_iterator(sc):
    rdd = sc.parallelize([1, 2, 3], 1).mapPartitions(lambda it: [next(it), next(it)])
    assert rdd.collect() == [1, 2]


def test_map_partitions_may_return_an_iterator_of_anything(sc):
    rdd = sc.parallelize([2, 1], 1)
    assert rdd.mapPartitions(sorted).collect() == [1, 2]
    assert rdd.mapPartitions(lambda it: dict.fromkeys(it, 1)).collect() == [2, 1]
    assert rdd.mapPartitions(lambda it: "ab").collect() == ["a", "b"]


def test_map_partitions_with_index(sc):
    rdd = sc.parallelize(range(4), 2).mapPartitionsWithIndex(lambda i, it: [(i, sum(it))])
    assert rdd.collect() == [(0, 1), (1, 5)]


def test_chained_map_partitions_with_index_see_the_same_index(sc):
    rdd = (
        sc.parallelize(range(4), 4)
        .mapPartitionsWithIndex(lambda i, it: [(i, x) for x in it])
        .mapPartitionsWithIndex(lambda i, it: [(i, *x) for x in it])
    )
    assert rdd.collect() == [(0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 3)]


def test_index_after_union_is_the_parents_own(sc):
    tagged = sc.parallelize("ab", 2).mapPartitionsWithIndex(lambda i, it: [(i, x) for x in it])
    both = tagged.union(tagged)
    assert both.collect() == [(0, "a"), (1, "b"), (0, "a"), (1, "b")]
    outer = both.mapPartitionsWithIndex(lambda i, it: [i])
    assert outer.collect() == [0, 1, 2, 3]


def test_values_and_keys(sc):
    rdd = sc.parallelize([("a", 1), ("b", None)], 2)
    assert rdd.keys().collect() == ["a", "b"]
    assert rdd.values().collect() == [1, None]


def test_map_values_and_flat_map_values(sc):
    rdd = sc.parallelize([("a", [1, 2]), ("b", [])], 2)
    assert rdd.mapValues(len).collect() == [("a", 2), ("b", 0)]
    assert rdd.flatMapValues(lambda v: v).collect() == [("a", 1), ("a", 2)]


def test_key_by(sc):
    assert sc.parallelize(["a", "bb"], 2).keyBy(len).collect() == [(1, "a"), (2, "bb")]


def test_glom(sc):
    assert sc.parallelize([1, 2, 3], 2).glom().collect() == [[1], [2, 3]]
    assert sc.parallelize([], 2).glom().collect() == [[], []]


def test_union_keeps_duplicates_and_order(sc):
    a, b = sc.parallelize([1, 2], 2), sc.parallelize([2, 3], 1)
    assert a.union(b).glom().collect() == [[1], [2], [2, 3]]
    assert (a + b).collect() == [1, 2, 2, 3]


def test_plus_with_something_else_is_a_type_error(sc):
    with pytest.raises(TypeError):
        [*sc.parallelize([1], 1), 2]


def test_union_with_itself_and_with_empty(sc):
    a = sc.parallelize([1], 1)
    assert a.union(a).union(sc.emptyRDD()).glom().collect() == [[1], [1]]


def test_zip(sc):
    a, b = sc.parallelize(range(5), 2), sc.parallelize("abcde", 2)
    zipped = a.zip(b)
    assert zipped.collect() == [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")]
    assert zipped.getNumPartitions() == 2


def test_zip_with_a_derived_rdd(sc):
    a = sc.parallelize(range(100), 5)
    assert a.zip(a.map(lambda x: -x)).collect() == [(x, -x) for x in range(100)]


def test_zip_of_nothing(sc):
    assert sc.parallelize([], 2).zip(sc.parallelize([], 2)).collect() == []


def test_zip_with_other_partition_count_is_refused_at_the_call(sc, still_usable):
    with pytest.raises(ValueError, match="same number of partitions"):
        sc.parallelize([1, 2], 2).zip(sc.parallelize([1, 2], 1))


def test_zip_with_other_lengths_fails(sc, still_usable):
    rdd = sc.parallelize(range(4), 2).zip(sc.parallelize(range(6), 2))
    with pytest.raises(Exception, match=r"(?i)number of"):
        rdd.collect()


def test_zip_with_index(sc):
    rdd = sc.parallelize("abcde", 3).zipWithIndex()
    assert rdd.collect() == [("a", 0), ("b", 1), ("c", 2), ("d", 3), ("e", 4)]


def test_zip_with_index_over_empty_partitions(sc):
    assert sc.parallelize(["x", "y"], 5).zipWithIndex().collect() == [("x", 0), ("y", 1)]
    assert sc.parallelize([], 2).zipWithIndex().collect() == []
    assert sc.parallelize("ab", 1).zipWithIndex().collect() == [("a", 0), ("b", 1)]


def test_zip_with_unique_id(sc):
    rdd = sc.parallelize("abcde", 3).zipWithUniqueId()
    assert rdd.glom().collect() == [[("a", 0)], [("b", 1), ("c", 4)], [("d", 2), ("e", 5)]]


def test_cartesian(sc):
    a, b = sc.parallelize([1, 2], 2), sc.parallelize("xy", 2)
    rdd = a.cartesian(b)
    assert rdd.glom().collect() == [[(1, "x")], [(1, "y")], [(2, "x")], [(2, "y")]]


def test_cartesian_order_inside_a_partition(sc):
    a, b = sc.parallelize([1, 2], 1), sc.parallelize("xy", 1)
    assert a.cartesian(b).collect() == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]


def test_cartesian_with_itself_and_with_nothing(sc):
    a = sc.parallelize([1, 2], 1)
    assert sorted(a.cartesian(a).collect()) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert a.cartesian(sc.parallelize([], 1)).collect() == []
    assert a.cartesian(sc.parallelize([], 2)).getNumPartitions() == 2


@pytest.mark.parametrize(
    ("slices", "wanted", "expected"),
    [
        (5, 2, [[0, 1], [2, 3, 4]]),
        (5, 3, [[0], [1, 2], [3, 4]]),
        (5, 1, [[0, 1, 2, 3, 4]]),
        (5, 5, [[0], [1], [2], [3], [4]]),
        (2, 8, [[0, 1], [2, 3, 4]]),
    ],
)
def test_coalesce(sc, slices, wanted, expected):
    assert sc.parallelize(range(5), slices).coalesce(wanted).glom().collect() == expected


def test_coalesce_with_shuffle_may_grow(sc):
    rdd = sc.parallelize(range(100), 2).coalesce(5, shuffle=True)
    assert rdd.getNumPartitions() == 5
    assert sorted(rdd.collect()) == list(range(100))
    assert all(rdd.glom().map(len).collect())


@pytest.mark.parametrize("wanted", [0, -1])
def test_coalesce_to_no_partition_is_refused(sc, wanted, still_usable):
    with pytest.raises(ValueError, match=r"(?i)positive"):
        sc.parallelize([1], 1).coalesce(wanted)


def test_pipe(sc):
    rdd = sc.parallelize(["1", "2", "", "3"], 2)
    assert rdd.pipe("cat").collect() == ["1", "2", "", "3"]


def test_pipe_writes_str_of_records_and_reads_lines(sc):
    rdd = sc.parallelize([1, None, (2, "x")], 1)
    assert rdd.pipe("cat").collect() == ["1", "None", "(2, 'x')"]


def test_pipe_runs_once_per_partition(sc):
    assert sc.parallelize([], 3).pipe("echo hi").collect() == ["hi", "hi", "hi"]


def test_pipe_with_an_environment(sc):
    env = {"GREETING": "grüß", "PATH": os.environ["PATH"]}
    assert sc.parallelize([1], 1).pipe("printenv GREETING", env).collect() == ["grüß"]


def test_pipe_ignores_the_exit_code_unless_told(sc, still_usable):
    rdd = sc.parallelize([1], 1)
    assert rdd.pipe("sh -c 'cat; exit 3'").collect() == ["1"]
    with pytest.raises(Exception, match="3"):
        rdd.pipe("sh -c 'cat > /dev/null; exit 3'", checkCode=True).collect()


def test_pipe_of_a_missing_command_fails(sc, task_fails, still_usable):
    with task_fails(FileNotFoundError, match="no-such-command"):
        sc.parallelize([1], 1).pipe("no-such-command").collect()


def test_sample_without_replacement_by_seed(sc):
    rdd = sc.parallelize(range(100), 4)
    chosen = rdd.sample(False, 0.1, 81).collect()
    assert chosen == [4, 26, 39, 41, 42, 52, 63, 76, 80, 86, 97]
    assert chosen == rdd.sample(False, 0.1, 81).collect()


def test_sample_with_replacement_by_seed(sc):
    chosen = sc.parallelize(range(20), 2).sample(True, 0.5, 7).collect()
    assert set(chosen) <= set(range(20))
    assert chosen == sorted(chosen)
    assert chosen == sc.parallelize(range(20), 2).sample(True, 0.5, 7).collect()


def test_sample_of_everything_and_of_nothing(sc):
    rdd = sc.parallelize(range(20), 3)
    assert rdd.sample(False, 1.0, 1).collect() == list(range(20))
    assert rdd.sample(False, 0.0, 1).collect() == []
    assert sc.parallelize([], 2).sample(False, 0.5, 1).collect() == []


def test_sample_of_a_negative_fraction_is_refused(sc, still_usable):
    with pytest.raises((ValueError, AssertionError)):
        sc.parallelize([1], 1).sample(False, -0.1)


def test_random_split_by_seed(sc):
    first, second = sc.parallelize(range(500), 1).randomSplit([2, 3], 17)
    assert (first.count(), second.count()) == (192, 308)
    assert sorted(first.collect() + second.collect()) == list(range(500))


def test_random_split_weights_are_checked(sc, still_usable):
    rdd = sc.parallelize([1], 1)
    with pytest.raises(ValueError, match=r"(?i)nonnegative"):
        rdd.randomSplit([1, -1])
    with pytest.raises(ValueError, match=r"(?i)positive"):
        rdd.randomSplit([0, 0])


def test_the_partitioner_is_kept_or_dropped(sc):
    rdd = sc.parallelize([("a", 1), ("b", 2)], 2).partitionBy(3)
    assert rdd.partitioner is not None
    assert rdd.partitioner.numPartitions == 3
    assert rdd.mapValues(str).partitioner == rdd.partitioner
    assert rdd.flatMapValues(lambda v: [v]).partitioner == rdd.partitioner
    assert rdd.filter(lambda kv: True).partitioner == rdd.partitioner
    assert rdd.map(lambda kv: kv, preservesPartitioning=True).partitioner == rdd.partitioner
    assert rdd.map(lambda kv: kv).partitioner is None
    assert rdd.flatMap(lambda kv: [kv]).partitioner is None
    assert rdd.mapPartitions(lambda it: it).partitioner is None
    assert rdd.mapPartitions(lambda it: it, True).partitioner == rdd.partitioner
    assert rdd.keys().partitioner is None
    assert rdd.coalesce(2).partitioner is None
    assert rdd.sample(False, 0.5, 1).partitioner == rdd.partitioner


def test_union_of_copartitioned_rdds_keeps_the_partitioner(sc):
    a = sc.parallelize([(1, "a"), (2, "b")], 2).partitionBy(2)
    b = sc.parallelize([(1, "c"), (4, "d")], 2).partitionBy(2)
    both = a.union(b)
    assert both.partitioner == a.partitioner
    assert both.glom().collect() == [[(2, "b"), (4, "d")], [(1, "a"), (1, "c")]]


def test_nothing_runs_before_the_action(sc):
    def explode(x):
        raise AssertionError("ran too early")

    rdd = sc.parallelize(range(4), 2)
    rdd.map(explode).filter(explode).flatMap(explode).mapPartitions(explode)
    rdd.map(explode).union(rdd).zip(rdd.union(rdd))
    rdd.map(explode).map(lambda x: (x, 1)).reduceByKey(explode).cache()
    rdd.map(explode).coalesce(1).cartesian(rdd).glom()
    assert rdd.count() == 4


def test_a_partition_is_computed_record_by_record(sc):
    def explode_late(x):
        if x > 2:
            raise AssertionError("not needed for take(2)")
        return x

    assert sc.parallelize(range(10), 1).map(explode_late).take(2) == [0, 1]


def test_lambda_that_mutates_its_record_does_not_touch_the_source(sc):
    rdd = sc.parallelize([[1], [2]], 2)

    def grow(x):
        x.append(0)
        return x

    assert rdd.map(grow).collect() == [[1, 0], [2, 0]]
    assert rdd.map(grow).collect() == [[1, 0], [2, 0]]


def test_repr_does_not_compute(sc):
    def explode(x):
        raise AssertionError("repr ran a job")

    assert "RDD" in repr(sc.parallelize([1], 1).map(explode))


def test_rdd_ids_differ(sc):
    a = sc.parallelize([1], 1)
    assert a.id() != a.map(str).id()


def test_set_name(sc):
    rdd = sc.parallelize([1], 1)
    assert rdd.name() is None
    assert rdd.setName("números") is rdd
    assert rdd.name() == "números"


def test_context_of_an_rdd(sc):
    assert sc.parallelize([1], 1).context is sc


def test_nan_survives_narrow_steps(sc):
    data = sc.parallelize([1.0, math.nan], 2).map(lambda x: -x).collect()
    assert data[0] == -1.0
    assert math.isnan(data[1])
