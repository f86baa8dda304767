"""Promise 20: jobs of many driver threads at once, while executors die and jobs go."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from operator import add
from typing import Any

import pytest

from minispark.errors import JobCancelledError
from tests.chaos.run_log import RunLog, executor_pids

pytestmark = pytest.mark.own_context

THREADS = 20
LIMIT_S = 60


def all_at_once(actions: list[Callable[[], Any]]) -> list[Any]:
    """What each action gives or raises; all start together, none may hang."""
    outcomes: list[Any] = [None] * len(actions)
    start = threading.Barrier(len(actions))

    def run(number: int) -> None:
        start.wait(LIMIT_S)
        try:
            outcomes[number] = actions[number]()
        except BaseException as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive(), "a thread hangs"
    return outcomes


def program(sc: Any, number: int) -> tuple[Callable[[], Any], Any]:
    """One of several kinds of jobs, and what it must give."""
    size = 40 + number
    rdd = sc.parallelize(range(size), 1 + number % 4)
    kinds: list[tuple[Callable[[], Any], Any]] = [
        (lambda: rdd.map(lambda x: x * x).sum(), sum(x * x for x in range(size))),
        (
            lambda: sorted(rdd.map(lambda x: (x % 3, x)).reduceByKey(add, 3).collect()),
            [(k, sum(range(k, size, 3))) for k in range(3)],
        ),
        (lambda: rdd.sortBy(lambda x: -x).take(3), [size - 1, size - 2, size - 3]),
        (
            lambda: rdd.keyBy(lambda x: x).join(rdd.keyBy(lambda x: x), 2).count(),
            size,
        ),
        (lambda: rdd.map(lambda x: x % 5).distinct().count(), 5),
    ]
    return kinds[number % len(kinds)]


def test_different_jobs(breakable: Any) -> None:
    programs = [program(breakable, n) for n in range(THREADS)]
    assert all_at_once([act for act, _ in programs]) == [expected for _, expected in programs]


@pytest.mark.parametrize("kind", ["shuffled", "cached"])
def test_the_same_rdd(breakable: Any, log: RunLog, kind: str) -> None:
    """First used by all of them at once; what is made once serves them all."""

    def note(index: int, records: Any) -> Any:
        log.ran("map", index)
        return ((x % 4, x) for x in records)

    rdd = breakable.parallelize(range(80), 4).mapPartitionsWithIndex(note)
    expected = [(k, sum(range(k, 80, 4))) for k in range(4)]
    shared = rdd.reduceByKey(add, 4)
    if kind == "cached":
        shared = shared.cache()
    outcomes = all_at_once([lambda: sorted(shared.collect()) for _ in range(THREADS)])
    assert outcomes == [expected] * THREADS
    assert log.counts("map") == {f"map-{i}": 1 for i in range(4)}
    shared.unpersist()


def test_one_of_them_is_cancelled(breakable: Any, log: RunLog) -> None:
    """It shares its stages with all others, which do not notice."""

    def slowly(index: int, records: Any) -> Any:
        log.note("started")
        patience = threading.Event()
        while not os.path.exists(f"{log.path}.go"):
            patience.wait(0.02)
        return ((x % 4, x) for x in records)

    shared = breakable.parallelize(range(80), 4).mapPartitionsWithIndex(slowly).reduceByKey(add, 4)
    expected = [(k, sum(range(k, 80, 4))) for k in range(4)]

    def marked() -> Any:
        breakable.addJobTag("unlucky")
        return shared.collect()

    def cancel() -> None:
        patience = threading.Event()
        while len(breakable._engine.driver.jobs()) < THREADS or not log.lines():
            patience.wait(0.01)
        breakable.cancelJobsWithTag("unlucky")
        assert log.first_time("go")

    others: list[Callable[[], Any]] = [lambda: sorted(shared.collect())] * (THREADS - 1)
    first, *rest, last = all_at_once([marked, *others, cancel])
    assert isinstance(first, JobCancelledError)
    assert rest == [expected] * (THREADS - 1)
    assert last is None


def test_executors_die_meanwhile(breakable: Any, log: RunLog) -> None:
    """Three times one of the two, while twenty threads go on and on."""
    done = threading.Event()
    programs = [program(breakable, n) for n in range(THREADS)]
    turns = [0] * THREADS

    def again_and_again(number: int) -> Any:
        act, expected = programs[number]
        while True:
            found = act()
            assert found == expected, (number, found)
            turns[number] += 1
            if done.is_set():
                return True

    def kill() -> None:
        try:
            for kills in range(3):
                patience = threading.Event()
                while sum(turns) < 10 * (kills + 1):
                    patience.wait(0.01)
                os.kill(max(executor_pids(breakable, 1)), signal.SIGKILL)
        finally:
            done.set()

    actions: list[Callable[[], Any]] = [lambda n=n: again_and_again(n) for n in range(THREADS)]  # type: ignore[misc]
    assert all_at_once([*actions, kill]) == [True] * THREADS + [None]
