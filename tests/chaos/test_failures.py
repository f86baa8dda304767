"""Promises 6 to 9, 13 and 26: what fails says so, and the context goes on."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from minispark.errors import (
    PySparkPicklingError,
    PySparkRuntimeError,
    TaskError,
)
from tests.chaos.run_log import RunLog

pytestmark = pytest.mark.own_context


def assert_usable(sc: Any) -> None:
    assert sc.parallelize(range(10), 3).map(lambda x: x + 1).sum() == 55


def test_fourth_failure_ends_the_job(breakable: Any, log: RunLog) -> None:
    def f(x: int) -> int:
        if x == 5:
            log.note("try")
        return 1 // (x - 5)

    with pytest.raises(ZeroDivisionError) as caught:
        breakable.parallelize(range(10), 4).map(f).collect()
    assert log.counts() == {"try": 4}
    cause = caught.value.__cause__
    assert isinstance(cause, TaskError)
    text = str(cause)
    for part in ("partition 2", "attempt 4", "collect at test_failures.py", "Record: 5", "in f"):
        assert part in text, f"{part!r} is not in: {text}"
    assert "minispark/runtime" not in text, "the engine's own frames only hide the user's"
    assert_usable(breakable)


def test_three_failures_then_success(breakable: Any, log: RunLog) -> None:
    def f(x: int) -> int:
        if x == 5 and any(log.first_time(f"fail-{n}") for n in range(3)):
            raise ValueError("not yet")
        return x

    assert breakable.parallelize(range(10), 2).map(f).sum() == 45


def test_task_that_kills_its_process_each_time(breakable: Any, log: RunLog) -> None:
    def f(x: int) -> int:
        if x == 3:
            log.note("try")
            os._exit(7)
        return x

    with pytest.raises(PySparkRuntimeError) as caught:
        breakable.parallelize(range(4), 4).map(f).collect()
    assert log.counts()["try"] <= 4
    assert "partition 3" in str(caught.value)
    assert_usable(breakable)


class Unpicklable(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Unloadable(Exception):
    def __init__(self, a: str, b: str) -> None:
        super().__init__(a + b)


class BadText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text either")


def _raise(error: BaseException) -> Callable[[Any], Any]:
    def f(_: Any) -> Any:
        raise error

    return f


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Unpicklable("has a lock"), "has a lock"),
        (lambda: Unloadable("two ", "arguments"), "two arguments"),
        (BadText, "BadText"),
        (lambda: SystemExit(3), "SystemExit"),
        (lambda: KeyboardInterrupt(), "KeyboardInterrupt"),
        (lambda: GeneratorExit(), "GeneratorExit"),
        (lambda: ValueError("not \udce9 UTF-8"), "not"),
        (lambda: RuntimeError("x" * 100_000), "xxx"),
    ],
)
def test_odd_errors(breakable: Any, make: Callable[[], BaseException], said: str) -> None:
    def f(_: Any) -> Any:
        raise make()

    with pytest.raises(Exception) as caught:  # noqa: PT011  the kind is not the point
        breakable.parallelize([1], 1).map(f).collect()
    chain, texts = caught.value, []
    while chain is not None:
        texts.append(f"{type(chain).__name__} {Exception.__str__(chain)}")
        chain = chain.__cause__
    assert any(said in text for text in texts), texts
    assert_usable(breakable)


@pytest.mark.parametrize(
    "operation",
    [
        lambda rdd, f: rdd.map(f),
        lambda rdd, f: rdd.filter(f),
        lambda rdd, f: rdd.flatMap(f),
        lambda rdd, f: rdd.mapPartitions(f),
        lambda rdd, f: rdd.keyBy(f),
        lambda rdd, f: rdd.map(lambda x: (x, x)).mapValues(f),
        lambda rdd, f: rdd.map(lambda x: (1, x)).reduceByKey(lambda a, b: f(a)),
        lambda rdd, f: rdd.map(lambda x: (1, x)).combineByKey(f, f, f),
        lambda rdd, f: rdd.sortBy(f),
        lambda rdd, f: rdd.groupBy(f),
    ],
)
def test_stop_iteration_never_truncates(breakable: Any, operation: Callable[..., Any]) -> None:
    def f(x: Any) -> Any:
        raise StopIteration

    with pytest.raises((RuntimeError, StopIteration)):
        operation(breakable.parallelize(range(6), 2), f).collect()


@pytest.mark.parametrize("action", ["reduce", "fold", "aggregate", "foreach", "treeReduce"])
def test_stop_iteration_in_actions(breakable: Any, action: str) -> None:
    def f(*_: Any) -> Any:
        raise StopIteration

    rdd = breakable.parallelize(range(6), 2)
    calls: dict[str, Callable[[], Any]] = {
        "reduce": lambda: rdd.reduce(f),
        "fold": lambda: rdd.fold(0, f),
        "aggregate": lambda: rdd.aggregate(0, f, f),
        "foreach": lambda: rdd.foreach(f),
        "treeReduce": lambda: rdd.treeReduce(f),
    }
    with pytest.raises((RuntimeError, StopIteration)):
        calls[action]()


def test_result_that_does_not_pickle(breakable: Any) -> None:
    with pytest.raises(Exception, match=r"pickle"):
        breakable.parallelize([1], 1).map(lambda _: threading.Lock()).collect()
    assert_usable(breakable)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda sc: sc.parallelize([1]), "RDD"),
        (lambda sc: sc, "SparkContext"),
        (lambda sc: threading.Lock(), "culprit"),
        (lambda sc: socket.socket(), "culprit"),
    ],
)
def test_closure_that_cannot_be_shipped(
    breakable: Any, log: RunLog, build: Callable[[Any], Any], named: str
) -> None:
    culprit = build(breakable)

    def f(x: int) -> Any:
        log.note("ran")
        return x, culprit

    try:
        with pytest.raises((PySparkPicklingError, PySparkRuntimeError), match=named):
            breakable.parallelize([1, 2], 2).map(f).collect()
    finally:
        if hasattr(culprit, "close"):
            culprit.close()
    assert log.lines() == [], "it must fail before a task starts"
    assert_usable(breakable)


@pytest.mark.parametrize("what", ["an RDD", "SparkContext"])
def test_what_only_the_driver_has(breakable: Any, what: str) -> None:
    rdd = breakable.parallelize([1, 2], 2)
    culprit = rdd if what == "an RDD" else breakable
    with pytest.raises(PySparkRuntimeError, match="SPARK-5063") as caught:
        rdd.map(lambda x: (x, culprit)).collect()
    assert what.removeprefix("an ") in str(caught.value)
    assert "lock" not in str(caught.value), "a lock inside of it is not the user's mistake"


def test_accumulators_count_each_partition_once(breakable: Any, log: RunLog) -> None:
    seen = breakable.accumulator(0)

    def f(index: int, records: Any) -> Any:
        for x in records:
            seen.add(1)
            if x == 7 and log.first_time("fail"):
                raise ValueError("after adding")
            if x == 15:
                log.die_once("die")
            yield x

    assert breakable.parallelize(range(40), 4).mapPartitionsWithIndex(f).count() == 40
    assert seen.value == 40
