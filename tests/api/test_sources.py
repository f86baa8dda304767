"""parallelize, range, emptyRDD and union: partition counts and contents."""

from __future__ import annotations

import math

import pytest


def test_parallelize_keeps_the_order(sc):
    assert sc.parallelize([3, 1, 2], 2).collect() == [3, 1, 2]


def test_parallelize_uses_the_default_parallelism(sc):
    assert sc.parallelize(range(100)).getNumPartitions() == sc.defaultParallelism


@pytest.mark.parametrize(
    ("size", "slices", "expected"),
    [
        (10, 3, [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]),
        (11, 4, [[0, 1], [2, 3, 4, 5], [6, 7], [8, 9, 10]]),
        (7, 3, [[0, 1], [2, 3], [4, 5, 6]]),
        (5, 1, [[0, 1, 2, 3, 4]]),
        (3, 5, [[], [0], [], [1], [2]]),
        (1, 4, [[], [], [], [0]]),
        (0, 3, [[], [], []]),
    ],
)
def test_slices_of_a_list(sc, size, slices, expected):
    assert sc.parallelize(list(range(size)), slices).glom().collect() == expected


def test_a_long_list_is_sliced_in_batches_of_1024(sc):
    sizes = sc.parallelize([0] * 5000, 2).glom().map(len).collect()
    assert sizes == [2048, 2952]


@pytest.mark.parametrize(
    ("numbers", "slices", "expected"),
    [
        (range(0, 6, 2), 5, [[], [0], [], [2], [4]]),
        (range(11), 4, [[0, 1], [2, 3, 4], [5, 6, 7], [8, 9, 10]]),
        (range(5, 0, -1), 2, [[5, 4], [3, 2, 1]]),
        (range(0), 2, [[], []]),
    ],
)
def test_slices_of_a_range(sc, numbers, slices, expected):
    assert sc.parallelize(numbers, slices).glom().collect() == expected


@pytest.mark.parametrize(
    "data",
    [
        [None, True, 1, 1.0, "1", b"1", (1,), (), ("é", None)],
        ["", "é", "日本", "\U0001f600", "a\x00b", "line\nbreak"],
        [10**30, -(10**30), 2**63, -(2**63) - 1, 1e308, math.inf, -math.inf],
        [[1, [2]], {"a": 1}, {1, 2}, frozenset([3]), 1 + 2j],
    ],
    ids=["mixed", "unicode", "huge", "containers"],
)
def test_odd_records_come_back_as_they_are(sc, data):
    result = sc.parallelize(data, 3).map(lambda x: x).collect()
    assert result == data
    assert [type(x) for x in result] == [type(x) for x in data]


def test_nan_comes_back(sc):
    assert math.isnan(sc.parallelize([math.nan], 1).collect()[0])


@pytest.mark.parametrize(
    "iterable",
    [
        lambda: (x for x in range(4)),
        lambda: iter([0, 1, 2, 3]),
        lambda: (0, 1, 2, 3),
        lambda: {0: "", 1: "", 2: "", 3: ""},
        lambda: {0, 1, 2, 3},
    ],
    ids=["generator", "iterator", "tuple", "dict", "set"],
)
def test_parallelize_any_iterable(sc, iterable):
    assert sc.parallelize(iterable(), 2).collect() == [0, 1, 2, 3]


def test_parallelize_a_string_gives_characters(sc):
    assert sc.parallelize("añb", 2).collect() == ["a", "ñ", "b"]


def test_later_changes_of_the_list_are_not_seen(sc):
    data = [1, 2, 3]
    rdd = sc.parallelize(data, 2)
    data.append(4)
    assert rdd.collect() == [1, 2, 3]


def test_range_with_an_end_only(sc):
    assert sc.range(5, numSlices=2).glom().collect() == [[0, 1], [2, 3, 4]]


def test_range_with_start_and_end(sc):
    assert sc.range(2, 4).collect() == [2, 3]


def test_range_with_a_step(sc):
    assert sc.range(1, 7, 2).collect() == [1, 3, 5]
    assert sc.range(7, 1, -3).collect() == [7, 4]


def test_range_that_is_empty(sc):
    assert sc.range(3, 3, 1, 2).glom().collect() == [[], []]


def test_empty_rdd_has_no_partition(sc):
    rdd = sc.emptyRDD()
    assert rdd.getNumPartitions() == 0
    assert rdd.collect() == []
    assert rdd.count() == 0
    assert rdd.isEmpty()
    assert rdd.map(lambda x: 1 / 0).collect() == []


def test_union_of_many_concatenates_partitions(sc):
    parts = [sc.parallelize([1, 2], 2), sc.parallelize(["a"], 1), sc.emptyRDD()]
    rdd = sc.union(parts)
    assert rdd.glom().collect() == [[1], [2], ["a"]]


def test_union_of_one(sc):
    assert sc.union([sc.parallelize([1, 2], 2)]).collect() == [1, 2]


def test_union_of_text_and_records(sc, tmp_path):
    (tmp_path / "a.txt").write_text("x\ny\n")
    text = sc.textFile(str(tmp_path / "a.txt"), 1)
    assert sc.union([sc.parallelize(["w"], 1), text]).collect() == ["w", "x", "y"]


def test_union_of_500_rdds(sc):
    rdd = sc.union([sc.parallelize([n], 1) for n in range(500)])
    assert rdd.getNumPartitions() == 500
    assert rdd.sum() == 499 * 250


def test_a_chain_of_200_unions(sc):
    rdd = sc.parallelize([0], 1)
    for n in range(1, 200):
        rdd = rdd.union(sc.parallelize([n], 1))
    assert rdd.collect() == list(range(200))


def test_many_more_partitions_than_records(sc):
    rdd = sc.parallelize(range(3), 300)
    assert rdd.getNumPartitions() == 300
    assert rdd.collect() == [0, 1, 2]


@pytest.mark.minispark_only
@pytest.mark.parametrize("slices", [-1, 0, "two", 0.5, []])
def test_a_bad_number_of_slices_is_refused_at_the_call(sc, slices, still_usable):
    with pytest.raises((TypeError, ValueError), match="numSlices"):
        sc.parallelize([1, 2], slices)


@pytest.mark.minispark_only
def test_parallelize_of_a_number_is_refused_at_the_call(sc, still_usable):
    with pytest.raises(TypeError):
        sc.parallelize(5)


def test_union_with_something_else_is_refused(sc, still_usable):
    with pytest.raises((TypeError, AttributeError)):
        sc.parallelize([1], 1).union([2])
