"""broadcast and accumulator."""

from __future__ import annotations

import pytest


def test_broadcast_value_on_both_sides(sc):
    shared = sc.broadcast({"a": [1, 2]})
    assert shared.value == {"a": [1, 2]}
    assert sc.parallelize(["a", "b"], 2).map(lambda k: shared.value.get(k)).collect() == [
        [1, 2],
        None,
    ]


@pytest.mark.parametrize("value", [None, 0, "é", b"\x00", (1, None), [[]], float("inf")], ids=repr)
def test_broadcast_of_odd_values(sc, value):
    shared = sc.broadcast(value)
    assert sc.parallelize([0], 1).map(lambda _: shared.value).collect() == [value]


def test_broadcast_of_some_megabytes(sc):
    shared = sc.broadcast(bytes(5_000_000))
    assert sc.parallelize(range(4), 4).map(lambda _: len(shared.value)).sum() == 20_000_000


def test_two_broadcasts_in_one_function(sc):
    a, b = sc.broadcast(2), sc.broadcast(3)
    assert sc.parallelize([1], 1).map(lambda x: x * a.value * b.value).collect() == [6]


def test_broadcast_inside_a_reducer_and_a_partitioner(sc):
    limit = sc.broadcast(2)
    pairs = sc.parallelize([(n, 1) for n in range(4)], 2)
    assert pairs.partitionBy(2, lambda k: int(k >= limit.value)).keys().glom().collect() == [
        [0, 1],
        [2, 3],
    ]
    assert pairs.map(lambda kv: (0, 1)).reduceByKey(lambda a, b: (a + b) * limit.value).count() == 1


def test_unpersisted_broadcast_comes_back(sc):
    shared = sc.broadcast([1])
    rdd = sc.parallelize([0], 1).map(lambda _: shared.value)
    assert rdd.collect() == [[1]]
    shared.unpersist()
    assert rdd.collect() == [[1]]


def test_destroyed_broadcast_is_an_error(sc, still_usable):
    shared = sc.broadcast([1])
    shared.destroy()
    with pytest.raises(Exception, match=r"(?i)broadcast"):
        sc.parallelize([0], 1).map(lambda _: shared.value).collect()


def test_tasks_do_not_change_the_drivers_broadcast_value(sc):
    shared = sc.broadcast([1, 2])
    assert sc.parallelize([0, 1], 2).map(lambda _: len(shared.value)).collect() == [2, 2]
    assert shared.value == [1, 2]


def test_accumulator_counts_each_record_once(sc):
    total = sc.accumulator(0)
    sc.parallelize([1, 2, 3, 4], 3).foreach(lambda x: total.add(x))
    assert total.value == 10


def test_accumulator_starts_at_its_value(sc):
    total = sc.accumulator(100)
    sc.parallelize([1, 2], 2).foreach(lambda x: total.add(x))
    assert total.value == 103


def test_accumulator_of_floats_and_complex(sc):
    real, comp = sc.accumulator(0.5), sc.accumulator(1j)

    def visit(x):
        real.add(x)
        comp.add(x)

    sc.parallelize([1.0, 2.0], 2).foreach(visit)
    assert real.value == 3.5
    assert comp.value == 3 + 1j


total_of_module = None


def test_accumulator_as_a_global_with_plus_equals(sc):
    global total_of_module
    total_of_module = sc.accumulator(0)

    def visit(x):
        global total_of_module
        total_of_module += x

    sc.parallelize([1, 2, 3], 2).foreach(visit)
    assert total_of_module.value == 6
    total_of_module = None


def test_accumulator_on_the_driver(sc):
    total = sc.accumulator(1)
    total += 2
    total.add(3)
    assert total.value == 6
    total.value = 0
    assert total.value == 0
    assert "0" in str(total)


def test_accumulator_with_its_own_param(sc, engine):
    class Join(engine.AccumulatorParam):
        def zero(self, value):
            return []

        def addInPlace(self, a, b):
            a.extend(b)
            return a

    seen = sc.accumulator([], Join())
    sc.parallelize("abc", 2).foreach(lambda x: seen.add([x]))
    assert sorted(seen.value) == ["a", "b", "c"]


def test_accumulator_of_something_without_a_param_is_refused(sc, still_usable):
    with pytest.raises(TypeError):
        sc.accumulator("text")


def test_accumulator_value_is_not_readable_in_a_task(sc, still_usable):
    total = sc.accumulator(0)
    with pytest.raises(Exception, match=r"(?i)accumulator"):
        sc.parallelize([1], 1).map(lambda x: total.value).collect()


def test_accumulator_in_a_transformation_adds_when_it_runs(sc):
    total = sc.accumulator(0)

    def count(x):
        total.add(1)
        return x

    rdd = sc.parallelize(range(5), 2).map(count)
    assert total.value == 0
    rdd.count()
    assert total.value == 5
    rdd.count()
    assert total.value == 10


def test_accumulator_in_the_map_side_of_a_shuffle(sc):
    total = sc.accumulator(0)

    def key(x):
        total.add(1)
        return (x % 2, x)

    sc.parallelize(range(6), 3).map(key).groupByKey().count()
    assert total.value == 6


def test_two_accumulators(sc):
    good, bad = sc.accumulator(0), sc.accumulator(0)

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            bad.add(1)
            return []
        good.add(1)
        return [value]

    assert sc.parallelize(["1", "x", "2", ""], 3).flatMap(parse).collect() == [1, 2]
    assert (good.value, bad.value) == (2, 2)
