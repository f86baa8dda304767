"""Failing user functions: what the caller catches, and that nothing is truncated."""

from __future__ import annotations

import linecache
import os
import sys
from typing import Any

import pytest


def explode_on(value, error):
    def f(x):
        if x == value:
            raise error
        return x

    return f


@pytest.mark.parametrize(
    "action",
    [
        lambda rdd: rdd.collect(),
        lambda rdd: rdd.count(),
        lambda rdd: rdd.reduce(lambda a, b: a),
        lambda rdd: rdd.take(10),
        lambda rdd: rdd.foreach(lambda x: None),
        lambda rdd: list(rdd.toLocalIterator()),
        lambda rdd: rdd.map(lambda x: (x, 1)).reduceByKey(lambda a, b: a).collect(),
        lambda rdd: rdd.sortBy(lambda x: x).collect(),
        lambda rdd: rdd.cache().count(),
        lambda rdd: rdd.zipWithIndex().collect(),
        lambda rdd: rdd.union(rdd).distinct().count(),
        lambda rdd: rdd.takeOrdered(2),
    ],
    ids=[
        "collect",
        "count",
        "reduce",
        "take",
        "foreach",
        "toLocalIterator",
        "reduceByKey",
        "sortBy",
        "cache",
        "zipWithIndex",
        "distinct",
        "takeOrdered",
    ],
)
def test_every_action_fails_with_the_users_error(sc, task_fails, action, still_usable):
    rdd = sc.parallelize(range(4), 2).map(explode_on(3, ZeroDivisionError("thrown here")))
    with task_fails(ZeroDivisionError, match="thrown here"):
        action(rdd)


@pytest.mark.parametrize(
    "step",
    [
        lambda rdd, f: rdd.map(f),
        lambda rdd, f: rdd.flatMap(lambda x: [f(x)]),
        lambda rdd, f: rdd.filter(f),
        lambda rdd, f: rdd.mapPartitions(lambda it: [f(x) for x in it]),
        lambda rdd, f: rdd.mapPartitionsWithIndex(lambda i, it: (f(x) for x in it)),
        lambda rdd, f: rdd.keyBy(f),
        lambda rdd, f: rdd.map(lambda x: (x, x)).mapValues(f),
        lambda rdd, f: rdd.map(lambda x: (x, x)).flatMapValues(lambda v: [f(v)]),
        lambda rdd, f: rdd.groupBy(f),
        lambda rdd, f: rdd.map(lambda x: (x, x)).partitionBy(2, lambda k: f(k)),
        lambda rdd, f: rdd.map(lambda x: (0, x)).reduceByKey(lambda a, b: f(b)),
        lambda rdd, f: rdd.map(lambda x: (0, x)).combineByKey(f, lambda a, b: a, lambda a, b: a),
    ],
    ids=[
        "map",
        "flatMap",
        "filter",
        "mapPartitions",
        "mapPartitionsWithIndex",
        "keyBy",
        "mapValues",
        "flatMapValues",
        "groupBy",
        "partitionBy",
        "reduceByKey",
        "combineByKey",
    ],
)
class TestEveryOperator:
    def test_an_error_is_the_users(self, sc, task_fails, step, still_usable):
        # Every record raises, so the first call of each function does.
        def f(x):
            raise LookupError("thrown here")

        with task_fails(LookupError, match="thrown here"):
            step(sc.parallelize(range(4), 2), f).collect()

    def test_stop_iteration_never_truncates(self, sc, step, still_usable):
        def f(x):
            raise StopIteration

        with pytest.raises(Exception, match=r"(?i)StopIteration") as caught:
            step(sc.parallelize(range(4), 2), f).collect()
        assert not isinstance(caught.value, AssertionError)


@pytest.mark.parametrize("action", ["reduce", "fold", "aggregate", "foreach", "takeOrdered", "max"])
def test_stop_iteration_in_the_function_of_an_action(sc, action, still_usable):
    def f(*_):
        raise StopIteration

    rdd = sc.parallelize(range(4), 1)
    call = {
        "reduce": lambda: rdd.reduce(f),
        "fold": lambda: rdd.fold(0, f),
        "aggregate": lambda: rdd.aggregate(0, f, f),
        "foreach": lambda: rdd.foreach(f),
        "takeOrdered": lambda: rdd.takeOrdered(2, key=f),
        "max": lambda: rdd.max(key=f),
    }[action]
    with pytest.raises(Exception, match=r"(?i)StopIteration"):
        call()


def test_next_on_an_exhausted_iterator_inside_map_partitions_is_an_error(sc, still_usable):
    def f(iterator):
        return [next(iterator), next(iterator)]

    with pytest.raises(Exception, match=r"(?i)StopIteration"):
        sc.parallelize([1], 1).mapPartitions(f).collect()


def test_an_exception_that_does_not_pickle(sc, still_usable):
    class Bad(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")
            self.file = sys.stdout

    def f(x):
        raise Bad("one", "two")

    with pytest.raises(Exception, match="one and two"):
        sc.parallelize([1], 1).map(f).collect()


def test_an_exception_that_does_not_unpickle(sc, still_usable):
    class Bad(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")

    def f(x):
        raise Bad("one", "two")

    with pytest.raises(Exception, match="one and two"):
        sc.parallelize([1], 1).map(f).collect()


def test_an_exception_whose_str_raises(sc, still_usable):
    class Bad(ValueError):
        def __str__(self):
            raise RuntimeError("no text")

    def f(x):
        raise Bad

    with pytest.raises(Exception):  # noqa: B017, PT011
        sc.parallelize([1], 1).map(f).collect()


@pytest.mark.minispark_only  # PySpark's worker dies of it and the action hangs
def test_an_exception_with_unicode_and_lone_surrogates(sc, still_usable):
    def f(x):
        raise ValueError("naïve \U0001f4a5 \udcff")

    with pytest.raises(Exception, match="na"):
        sc.parallelize([1], 1).map(f).collect()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_base_exceptions_end_the_job_and_not_the_program(sc, error, still_usable):
    kind = type(error)

    def f(x):
        raise kind(3)

    with pytest.raises(BaseException) as caught:  # noqa: PT011
        sc.parallelize([1, 2], 2).map(f).collect()
    # In one process a KeyboardInterrupt is the user's own Ctrl-C.
    if not (sc.master == "local" and kind is KeyboardInterrupt):
        assert isinstance(caught.value, Exception), "would end or interrupt the driver"


def test_sys_exit_in_a_task(sc, still_usable):
    with pytest.raises(Exception):  # noqa: B017, PT011
        sc.parallelize([1], 1).map(lambda x: sys.exit("bye")).collect()


def test_a_result_that_does_not_pickle(sc, still_usable):
    import threading

    with pytest.raises(Exception, match=r"(?i)pickle|lock"):
        sc.parallelize([1], 2).map(lambda x: threading.Lock()).map(lambda x: [x]).collect()


def test_records_that_do_not_pickle_may_stay_inside_a_task(sc):
    rdd = sc.parallelize([1, 2], 2).map(lambda x: (n for n in range(x))).map(list)
    assert rdd.collect() == [[0], [0, 1]]


def test_a_function_that_takes_no_argument(sc, task_fails, still_usable):
    with task_fails(TypeError, match="argument"):
        sc.parallelize([1], 1).map(lambda: 1).collect()


def test_a_function_that_is_not_callable(sc, still_usable):
    with pytest.raises(Exception, match=r"callable|function"):
        sc.parallelize([1], 1).map(5).collect()


def test_flat_map_to_something_that_does_not_iterate(sc, task_fails, still_usable):
    with task_fails(TypeError, match="iterable"):
        sc.parallelize([1], 1).flatMap(lambda x: x).collect()


def test_map_partitions_that_returns_none(sc, task_fails, still_usable):
    with task_fails(TypeError):
        sc.parallelize([1], 1).mapPartitions(lambda it: None).collect()


def test_values_of_records_that_are_no_pairs(sc, task_fails, still_usable):
    with task_fails((TypeError, IndexError)):
        sc.parallelize([1], 1).values().collect()


def test_an_error_in_one_partition_of_many(sc, task_fails, still_usable):
    rdd = sc.parallelize(range(20), 20).map(explode_on(13, ValueError("unlucky")))
    with task_fails(ValueError, match="unlucky"):
        rdd.collect()


def test_partitions_that_are_not_asked_for_do_not_fail(sc):
    rdd = sc.parallelize(range(4), 4).map(explode_on(3, ValueError("never")))
    assert rdd.take(1) == [0]
    assert rdd.first() == 0


def test_the_same_rdd_can_fail_and_then_succeed(sc, tmp_path, task_fails):
    flag = str(tmp_path / "ready")

    def f(x):
        if not os.path.exists(flag):
            raise OSError("not ready")
        return x

    rdd = sc.parallelize([1, 2], 2).map(f)
    with task_fails(OSError, match="not ready"):
        rdd.count()
    open(flag, "w").close()
    assert rdd.count() == 2


@pytest.mark.minispark_only
class TestWhatMinisparkSays:
    def test_the_type_and_the_cause(self, sc):
        from minispark.errors import TaskError

        with pytest.raises(ZeroDivisionError) as caught:
            sc.parallelize([1, 0], 2).map(lambda x: 1 // x).collect()
        cause = caught.value.__cause__
        assert isinstance(cause, TaskError)
        for word in ("stage", "partition 1", "attempt"):
            assert word in str(cause).lower()

    def test_the_error_names_the_line_of_the_action(self, sc):
        with pytest.raises(ZeroDivisionError) as caught:
            sc.parallelize([0], 1).map(lambda x: 1 // x).collect()
        assert "test_errors.py" in str(caught.value.__cause__)

    def test_the_error_shows_the_line_that_failed(self, sc):
        def divide(x):
            return 1 // x  # the line

        with pytest.raises(ZeroDivisionError) as caught:
            sc.parallelize([0], 1).map(divide).collect()
        cause = str(caught.value.__cause__)
        line = divide.__code__.co_firstlineno + 1
        assert f'File "{__file__}", line {line}, in divide\n    return 1 // x' in cause

    def test_the_line_of_a_notebook_cell_which_only_the_driver_has(self, sc, monkeypatch):
        source = "def divide(x):\n    return 1 // x  # in a cell\n"
        name = "<cell 1>"
        cell = (len(source), None, source.splitlines(keepends=True), name)
        monkeypatch.setitem(linecache.cache, name, cell)
        scope = {"__name__": "__main__"}
        exec(compile(source, name, "exec"), scope)
        with pytest.raises(ZeroDivisionError) as caught:
            sc.parallelize([0], 1).map(scope["divide"]).collect()
        expected = f'File "{name}", line 2, in divide\n    return 1 // x  # in a cell\n'
        assert expected in str(caught.value.__cause__)

    def test_an_exception_with_arguments_keeps_them(self, sc):
        def f(x):
            raise KeyError("name", 3)

        with pytest.raises(KeyError) as caught:
            sc.parallelize([1], 1).map(f).collect()
        assert caught.value.args == ("name", 3)

    def test_a_class_defined_in_the_script(self, sc):
        class MyError(Exception):
            pass

        def f(x):
            raise MyError("mine")

        with pytest.raises(MyError, match="mine"):
            sc.parallelize([1], 1).map(f).collect()

    def test_an_error_of_a_reduce_on_the_driver_side(self, sc):
        with pytest.raises(TypeError):
            sc.parallelize([1, "a"], 2).reduce(lambda a, b: a + b)

    def test_a_task_is_tried_four_times(self, sc, tmp_path):
        path = str(tmp_path / "attempts")

        def f(x):
            with open(path, "a") as file:
                file.write("x")
            raise ValueError("always")

        with pytest.raises(ValueError, match="always"):
            sc.parallelize([1], 1).map(f).collect()
        with open(path) as file:
            assert file.read() in ("x", "xxxx")

    def test_a_task_that_fails_twice_and_then_succeeds(self, sc, tmp_path):
        path = str(tmp_path / "attempts")

        def f(x):
            with open(path, "a") as file:
                file.write("x")
            if os.path.getsize(path) < 3:
                raise ValueError("not yet")
            return x

        assert sc.parallelize([1], 1).map(f).collect() == [1]


@pytest.mark.minispark_only
@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("PySparkImportError", ImportError),
        ("PySparkIndexError", IndexError),
        ("PySparkKeyError", KeyError),
        ("PySparkAttributeError", AttributeError),
        ("PySparkAssertionError", AssertionError),
        ("PySparkTypeError", TypeError),
    ],
)
def test_pysparks_names_and_accessors(name: str, builtin: type[BaseException]) -> None:
    import pickle

    from minispark import errors

    error = getattr(errors, name)("text", "CONDITION", {"a": "1"})
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert isinstance(one, builtin)
        assert isinstance(one, errors.PySparkException)
        assert one.getCondition() == "CONDITION"
        with pytest.warns(FutureWarning, match="getCondition"):
            assert one.getErrorClass() == "CONDITION"
        assert one.getMessageParameters() == {"a": "1"}
        assert str(one) == one.getMessage() == "[CONDITION] text"
        assert (one.getSqlState(), one.getQueryContext()) == (None, [])
    bare = getattr(errors, name)(errorClass="CONDITION", messageParameters={"a": "1"})
    assert str(bare) == "[CONDITION] a=1"


def test_a_reducer_may_change_an_array_of_a_result(sc: Any) -> None:
    numpy = pytest.importorskip("numpy")

    def add(x: Any, y: Any) -> Any:
        x += y
        return x

    arrays = sc.parallelize(range(4), 4).map(lambda n: numpy.full(100, float(n)))
    assert arrays.reduce(add).tolist() == [6.0] * 100
    arrays.collect()[0][0] = 1.0


@pytest.mark.minispark_only
@pytest.mark.parametrize("record", [3, None, (1,), (1, 2, 3), "abc"], ids=repr)
def test_values_of_what_is_no_pair(sc: Any, record: Any) -> None:
    rdd = sc.parallelize([(1, 2), record], 1)
    for values in (rdd.mapValues(lambda v: v), rdd.flatMapValues(lambda v: [v])):
        with pytest.raises(TypeError, match="Expected a pair") as caught:
            values.filter(lambda kv: kv is not None).collect()
        assert repr(record) in str(caught.value)


@pytest.mark.minispark_only
def test_unpacking_in_the_users_own_code_keeps_its_words(sc: Any) -> None:
    def swap(pair: Any) -> Any:
        a, b = pair
        return b, a

    with pytest.raises(TypeError, match=r"^cannot unpack non-iterable int object$"):
        sc.parallelize([(1, 2), 3], 1).map(swap).collect()
    with pytest.raises(TypeError, match=r"^cannot unpack non-iterable int object$"):
        sc.parallelize([(1, 2), (3, 4)], 1).mapValues(swap).collect()
