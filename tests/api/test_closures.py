"""When functions are captured, what may be captured, what is refused."""

from __future__ import annotations

import sys
import threading
from operator import add

import pytest

factor = 1


@pytest.fixture(autouse=True)
def _factor_is_one():
    global factor
    factor = 1
    yield
    factor = 1


def test_a_global_assigned_after_map_and_before_the_action_is_seen(sc):
    global factor
    rdd = sc.parallelize([1, 2], 2).map(lambda x: x * factor)
    factor = 10
    assert rdd.collect() == [10, 20]


def test_a_second_action_keeps_the_first_capture(sc):
    global factor
    rdd = sc.parallelize([1, 2], 2).map(lambda x: x * factor)
    assert rdd.collect() == [1, 2]
    factor = 10
    assert rdd.collect() == [1, 2]


def test_a_derived_rdd_is_captured_anew(sc):
    global factor
    rdd = sc.parallelize([1, 2], 2).map(lambda x: x * factor)
    assert rdd.collect() == [1, 2]
    factor = 10
    assert rdd.map(lambda x: x).collect() == [10, 20]


def test_a_derived_rdd_of_a_cached_one_is_not(sc):
    global factor
    rdd = sc.parallelize([1, 2], 2).map(lambda x: x * factor).cache()
    assert rdd.collect() == [1, 2]
    factor = 10
    assert rdd.map(lambda x: x).collect() == [1, 2]


def test_loop_variable_in_lambdas_that_are_unioned_in_the_loop(sc):
    result = sc.emptyRDD()
    for n in range(4):
        result = result.union(sc.parallelize([0], 1).map(lambda x: x + n))  # noqa: B023
    assert result.collect() == [0, 1, 2, 3]


def test_loop_variable_in_lambdas_chained_without_an_action_is_the_last(sc):
    rdd = sc.parallelize([0], 1)
    for n in range(4):
        rdd = rdd.map(lambda x: x + n)  # noqa: B023
    assert rdd.collect() == [12]


def test_loop_variable_in_lambdas_joined_in_the_loop(sc):
    rdd = sc.parallelize([(0, 0)], 1)
    for n in range(1, 4):
        other = sc.parallelize([(0, 0)], 1).mapValues(lambda v: v + n)  # noqa: B023
        rdd = rdd.join(other, 1).mapValues(sum)
    assert rdd.collect() == [(0, 6)]


@pytest.mark.parametrize(
    "touch",
    [
        lambda rdd, other: rdd.union(other),
        lambda rdd, other: rdd.coalesce(1),
        lambda rdd, other: rdd.cartesian(other),
        lambda rdd, other: rdd.map(lambda x: (x, 1)).partitionBy(1),
        lambda rdd, other: rdd.repartition(1),
    ],
    ids=["union", "coalesce", "cartesian", "partitionBy", "repartition"],
)
def test_operations_that_capture(sc, touch):
    global factor
    rdd = sc.parallelize([1], 1).map(lambda x: x * factor)
    touched = touch(rdd, sc.parallelize([7], 1))
    factor = 10
    assert 10 not in [y for x in touched.collect() for y in (x if isinstance(x, tuple) else (x,))]


def test_a_captured_local_is_the_value_at_the_action(sc):
    local = 1
    rdd = sc.parallelize([1], 1).map(lambda x: x + local)
    local = 100
    assert rdd.collect() == [101]


def test_tasks_do_not_change_the_drivers_variables(sc):
    seen = []
    sc.parallelize(range(4), 2).foreach(seen.append)
    assert seen == []


def test_state_of_a_closure_is_fresh_in_every_task(sc):
    state = {"n": 0}

    def number(x):
        state["n"] += 1
        return state["n"]

    assert sc.parallelize(range(4), 2).map(number).collect() == [1, 2, 1, 2]
    assert state == {"n": 0}


def test_recursive_function(sc):
    def factorial(n):
        return 1 if n == 0 else n * factorial(n - 1)

    assert sc.parallelize([5, 20], 2).map(factorial).collect() == [120, 2432902008176640000]


def test_mutually_recursive_functions_and_a_class_defined_here(sc):
    class Point:
        def __init__(self, x):
            self.x = x

        def __eq__(self, other):
            return self.x == other.x

        def __hash__(self):
            return hash(self.x)

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert sc.parallelize([3, 4], 2).map(even).collect() == [False, True]
    assert sc.parallelize([3, 4], 2).map(lambda n: Point(n).x).collect() == [3, 4]


def helper(x):
    return x * factor + 1


def test_a_module_function_and_what_it_refers_to(sc):
    global factor
    factor = 3
    assert sc.parallelize([1, 2], 2).map(helper).collect() == [4, 7]


def test_default_arguments_and_keyword_only(sc):
    def f(x, y=2, *, z=3):
        return x + y + z

    assert sc.parallelize([1], 1).map(f).collect() == [6]


def test_imports_inside_a_function(sc):
    def f(x):
        import math

        return math.factorial(x)

    assert sc.parallelize([5], 1).map(f).collect() == [120]


def test_a_large_closure(sc):
    table = list(range(200_000))
    assert sc.parallelize([5, 199_999], 2).map(lambda i: table[i]).collect() == [5, 199_999]


def test_hash_of_a_string_agrees_between_tasks(sc):
    hashes = sc.parallelize(["word"] * 4, 4).map(hash).distinct().collect()
    assert len(hashes) == 1


def test_the_same_function_object_in_two_rdds(sc):
    def f(x):
        return x + 1

    a = sc.parallelize([1], 1).map(f)
    b = sc.parallelize([2], 1).map(f).map(f)
    assert a.union(b).collect() == [2, 4]


@pytest.mark.parametrize("what", ["rdd", "context", "lock", "file", "generator"])
def test_what_cannot_be_shipped_fails_before_a_task_starts(sc, tmp_path, what, still_usable):
    ran = sc.accumulator(0)
    with open(tmp_path / "f", "w") as file:
        thing = {
            "rdd": sc.parallelize([1], 1),
            "context": sc,
            "lock": threading.Lock(),
            "file": file,
            "generator": (x for x in [1]),
        }[what]

        def f(x):
            ran.add(1)
            return repr(thing)

        with pytest.raises(Exception, match=SAYS[what]):
            sc.parallelize([1], 1).map(f).collect()
    assert ran.value == 0


SAYS = {
    "rdd": "(?i)SPARK-5063|RDD",
    "context": "(?i)SPARK-5063|SparkContext",
    "lock": "(?i)lock",
    "file": "(?i)TextIOWrapper|file",
    "generator": "(?i)generator",
}


@pytest.mark.minispark_only
def test_a_closure_that_cannot_be_shipped_is_a_pickling_error(sc, engine, still_usable):
    import pickle

    lock = threading.Lock()
    with pytest.raises(pickle.PicklingError, match="lock"):
        sc.parallelize([1], 1).map(lambda x: str(lock)).collect()


def test_a_method_of_an_object_that_holds_the_context_is_refused(sc, still_usable):
    class Job:
        def __init__(self):
            self.sc = sc

        def f(self, x):
            return x

    with pytest.raises(Exception, match=r"(?i)SparkContext"):
        sc.parallelize([1], 1).map(Job().f).collect()


@pytest.mark.skipif(sys.version_info < (3, 10), reason="match statement")
def test_operator_functions_and_partials(sc):
    from functools import partial
    from operator import itemgetter, methodcaller

    rdd = sc.parallelize([("a", 1), ("b", 2)], 2)
    assert rdd.map(itemgetter(1)).map(partial(add, 10)).collect() == [11, 12]
    assert rdd.keys().map(methodcaller("upper")).collect() == ["A", "B"]
