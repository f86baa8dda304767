"""cogroup and the joins, subtract and intersection."""

from __future__ import annotations

import pytest

LEFT = [("a", 1), ("b", 2), ("a", 3), (None, 4)]
RIGHT = [("a", "x"), ("c", "y"), ("a", "z"), (None, "n")]


@pytest.fixture
def left(sc):
    return sc.parallelize(LEFT, 2)


@pytest.fixture
def right(sc):
    return sc.parallelize(RIGHT, 3)


def by_repr(records):
    return sorted(records, key=repr)


def test_join(left, right):
    assert by_repr(left.join(right).collect()) == by_repr(
        [("a", (1, "x")), ("a", (1, "z")), ("a", (3, "x")), ("a", (3, "z")), (None, (4, "n"))]
    )


def test_join_order_of_the_matches(sc):
    a, b = sc.parallelize([(1, 1), (1, 2)], 2), sc.parallelize([(1, "x"), (1, "y")], 2)
    assert a.join(b).collect() == [(1, (1, "x")), (1, (1, "y")), (1, (2, "x")), (1, (2, "y"))]


def test_left_outer_join(left, right):
    result = left.leftOuterJoin(right).filter(lambda kv: kv[0] != "a")
    assert by_repr(result.collect()) == by_repr([("b", (2, None)), (None, (4, "n"))])


def test_right_outer_join(left, right):
    result = left.rightOuterJoin(right).filter(lambda kv: kv[0] != "a")
    assert by_repr(result.collect()) == by_repr([("c", (None, "y")), (None, (4, "n"))])


def test_full_outer_join(left, right):
    result = left.fullOuterJoin(right).filter(lambda kv: kv[0] != "a")
    assert by_repr(result.collect()) == by_repr(
        [("b", (2, None)), ("c", (None, "y")), (None, (4, "n"))]
    )


@pytest.mark.parametrize("kind", ["join", "leftOuterJoin", "rightOuterJoin", "fullOuterJoin"])
def test_number_of_partitions_of_a_join(left, right, kind):
    assert getattr(left, kind)(right).getNumPartitions() == 5
    assert getattr(left, kind)(right, 4).getNumPartitions() == 4


@pytest.mark.parametrize("kind", ["join", "leftOuterJoin", "rightOuterJoin", "fullOuterJoin"])
def test_join_with_nothing(sc, kind):
    some, none = sc.parallelize([(1, 2)], 1), sc.parallelize([], 1)
    keeps_left, keeps_right = (
        kind in ("leftOuterJoin", "fullOuterJoin"),
        kind
        in (
            "rightOuterJoin",
            "fullOuterJoin",
        ),
    )
    assert getattr(some, kind)(none).collect() == ([(1, (2, None))] if keeps_left else [])
    assert getattr(none, kind)(some).collect() == ([(1, (None, 2))] if keeps_right else [])
    assert getattr(none, kind)(none).collect() == []


def test_join_with_itself(sc):
    rdd = sc.parallelize([(1, "a"), (2, "b")], 2)
    assert sorted(rdd.join(rdd).collect()) == [(1, ("a", "a")), (2, ("b", "b"))]


def test_join_of_copartitioned_rdds(sc):
    a = sc.parallelize([(n, n) for n in range(6)], 2).partitionBy(3)
    b = a.mapValues(lambda v: -v)
    joined = a.join(b, 3)
    assert joined.getNumPartitions() == 3
    assert sorted(joined.collect()) == [(n, (n, -n)) for n in range(6)]
    assert joined.partitioner == a.partitioner


def test_join_where_none_is_a_value(sc):
    a, b = sc.parallelize([(1, None)], 1), sc.parallelize([(1, None)], 1)
    assert a.join(b).collect() == [(1, (None, None))]
    assert a.fullOuterJoin(b).collect() == [(1, (None, None))]


def test_join_in_a_loop(sc):
    rdd = sc.parallelize([(1, 0), (2, 0)], 2)
    step = sc.parallelize([(1, 1), (2, 2)], 2)
    for _ in range(4):
        rdd = rdd.join(step, 2).mapValues(lambda pair: pair[0] + pair[1])
    assert sorted(rdd.collect()) == [(1, 4), (2, 8)]


def test_cogroup(left, right):
    result = left.cogroup(right).mapValues(lambda vs: tuple(map(list, vs))).collect()
    assert dict(result) == {
        "a": ([1, 3], ["x", "z"]),
        "b": ([2], []),
        "c": ([], ["y"]),
        None: ([4], ["n"]),
    }


def test_group_with_many(sc):
    a, b = sc.parallelize([(1, "a")], 1), sc.parallelize([(1, "b"), (2, "b")], 1)
    c, d = sc.parallelize([(2, "c")], 1), sc.parallelize([], 1)
    result = a.groupWith(b, c, d).mapValues(lambda vs: [list(v) for v in vs]).collect()
    assert sorted(result) == [(1, [["a"], ["b"], [], []]), (2, [[], ["b"], ["c"], []])]


def test_cogroup_values_have_lengths_and_are_repeatable(sc):
    a = sc.parallelize([(1, "a"), (1, "b")], 2)
    [(_, (mine, others))] = a.cogroup(a).collect()
    assert len(mine) == len(others) == 2
    assert list(mine) == list(mine) == ["a", "b"]


def test_subtract(sc):
    a, b = sc.parallelize([1, 2, 2, None, "x"], 2), sc.parallelize([2, "x", 9], 1)
    assert by_repr(a.subtract(b).collect()) == by_repr([1, None])
    assert sc.parallelize([1, 1, 2], 2).subtract(sc.parallelize([2], 1)).collect() == [1, 1]


def test_subtract_by_key(left, right):
    assert left.subtractByKey(right).collect() == [("b", 2)]
    assert sorted(left.filter(lambda kv: kv[0]).subtractByKey(right, 3).collect()) == [("b", 2)]


def test_intersection(sc):
    a, b = sc.parallelize([1, 1, 2, None, 3], 2), sc.parallelize([None, 3, 3, 1, 7], 3)
    assert by_repr(a.intersection(b).collect()) == by_repr([1, 3, None])


def test_intersection_with_nothing(sc):
    assert sc.parallelize([1], 1).intersection(sc.parallelize([], 1)).collect() == []


def test_partition_counts_of_set_operations(sc):
    a, b = sc.parallelize([1], 2), sc.parallelize([1], 3)
    assert a.subtract(b).getNumPartitions() == 5
    assert a.subtract(b, 2).getNumPartitions() == 2
    assert a.intersection(b).getNumPartitions() == 5


def test_broadcast_join_by_hand(sc):
    table = sc.broadcast({"a": "A"})
    rdd = sc.parallelize(["a", "b"], 2).map(lambda k: (k, table.value.get(k)))
    assert rdd.collect() == [("a", "A"), ("b", None)]


def test_a_join_of_records_that_are_no_pairs_fails(sc, task_fails, still_usable):
    with task_fails((TypeError, ValueError)):
        sc.parallelize([1, 2], 1).join(sc.parallelize([(1, 2)], 1)).collect()


def test_a_join_with_something_else_fails_at_the_call(sc, still_usable):
    with pytest.raises((TypeError, AttributeError)):
        sc.parallelize([(1, 2)], 1).join([(1, 2)])
